//! What one live frame costs, beside libtorch's own kernels in the same run.
//!
//! `cargo xtask bench`, or `cargo bench -p mien-models`. Prints ratios; nothing here is a test.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use mien_dsp::creak::Creak;
use mien_dsp::mel::MelAnalyser;
use mien_dsp::pitch::PitchTracker;
use mien_face::{Controls, EMOTIONS, FRAME};
use mien_models::networks::{MEL, normalise_value};
use mien_models::nn::Linear;
use mien_models::pack::LoadedPack;
use mien_models::streaming::Converter;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

fn main() {
    tch::set_num_threads(1);
    kernels();
    // `cargo bench` runs in the crate's folder.
    let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("voices/mien-one.mien");
    match LoadedPack::load(&shipped) {
        Ok(pack) => frames(&pack),
        Err(error) => println!("no shipped pack to time: {error:#}"),
    }
}

/// The plain-Rust product against libtorch's linear, on the trunks' shapes.
fn kernels() {
    println!("one row times a matrix, µs (median of 2000)");
    println!(
        "{:>12} {:>8} {:>8} {:>9} {:>6}",
        "shape", "Mien", "half", "libtorch", "ratio"
    );
    for (inputs, outputs) in [(192_i64, 576_i64), (576, 192), (144, 432), (513, 100)] {
        let mut store = VarStore::new(Device::Cpu);
        let mut linear = Linear::new(&store.root(), inputs, outputs, 1.0);
        store.half();
        store.float();
        store.freeze();
        let variables = store.variables();
        let (weight, bias) = (&variables["weight"], &variables["bias"]);
        let x = Tensor::randn([1, 1, inputs], (Kind::Float, Device::Cpu));
        let ours = median(2000, || drop(linear.forward(&x)));
        linear.settle();
        let half = median(2000, || drop(linear.forward(&x)));
        let theirs = median(2000, || drop(x.linear(weight, Some(bias))));
        println!(
            "{:>12} {:8.1} {:8.1} {:9.1} {:6.2}",
            format!("{inputs}x{outputs}"),
            micros(ours),
            micros(half),
            micros(theirs),
            theirs.as_secs_f64() / half.as_secs_f64()
        );
    }
}

/// The whole converter, and what of it hears: as fast as they go, and paced as a live stream paces them,
/// when caches have gone cold between frames.
fn frames(pack: &LoadedPack) {
    println!("\none frame of 10 ms, ms");
    println!(
        "{:>22} {:>6} {:>6} {:>6} {:>6} {:>11}",
        "", "mean", "p50", "p99", "p99.9", "of a core"
    );
    let mut feeling = Controls::default();
    feeling.emotions[0] = 1.0;
    feeling.emotions[EMOTIONS.len() - 1] = 0.5;
    let mut own = feeling;
    own.voices[0].index = pack.networks.own_voice as u32;
    let at_once = (3000, Duration::ZERO);
    let paced = (1500, Duration::from_millis(10));
    let converter = |controls: Controls| {
        let mut converter = Converter::new(pack.networks.clone());
        let mut out = [0.0; FRAME];
        move |input: &[f32; FRAME]| {
            converter.step(input, &mut out, &controls);
        }
    };
    time("encoders alone", at_once, encoders(pack));
    time("neutral", at_once, converter(Controls::default()));
    time("with emotion", at_once, converter(feeling));
    time("own voice, emotion", at_once, converter(own));
    time("encoders alone, paced", paced, encoders(pack));
    time("neutral, paced", paced, converter(Controls::default()));
}

/// Everything that hears: the mel, the pitch, the creak and the content encoder.
fn encoders(pack: &LoadedPack) -> impl FnMut(&[f32; FRAME]) + '_ {
    let _guard = tch::no_grad_guard();
    let encoder = &pack.networks.encoder;
    let like = Tensor::zeros([1], (Kind::Float, Device::Cpu));
    let mut past = encoder.state(1, &like);
    let (mut mel, mut pitch, mut creak) = (MelAnalyser::new(), PitchTracker::new(), Creak::new());
    move |input| {
        let _guard = tch::no_grad_guard();
        let bands = mel.process(input).bands.map(normalise_value);
        std::hint::black_box((pitch.process(input), creak.process(input)));
        let bands = Tensor::from_slice(&bands).reshape([1, 1, MEL]);
        let _ = std::hint::black_box(encoder.forward(&bands, &mut past));
    }
}

/// Times `step` on that many frames of a buzz, one each `pace`.
fn time(name: &str, (count, pace): (u32, Duration), mut step: impl FnMut(&[f32; FRAME])) {
    let mut phase = 0.0_f32;
    let mut times = Vec::with_capacity(count as usize);
    let start = Instant::now();
    for frame in 0..count {
        let input: [f32; FRAME] = std::array::from_fn(|_| {
            phase = (phase + 150.0 / 24_000.0).fract();
            0.2 * (1.0 - 2.0 * phase)
        });
        let due = start + pace * frame;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let before = Instant::now();
        step(&input);
        times.push(before.elapsed());
    }
    // The first frames make libtorch's caches; a live stream has warmed them before.
    let mut times = times.split_off(50);
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let mean = times.iter().sum::<Duration>().as_secs_f64() / times.len() as f64 * 1e3;
    println!(
        "{name:>22} {mean:6.2} {:6.2} {:6.2} {:6.2} {:10.0}%",
        at(0.5),
        at(0.99),
        at(0.999),
        mean * 10.0
    );
}

fn median(count: usize, mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let before = Instant::now();
            work();
            before.elapsed()
        })
        .collect();
    times.sort();
    times[count / 2]
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
