//! What one live frame costs, beside libtorch's own kernels in the same run.
//!
//! `cargo xtask bench`, or `cargo bench -p mien-models`. Prints ratios; nothing here is a test.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use mien_face::{Controls, EMOTIONS, FRAME};
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

/// The whole converter: as fast as it goes, and paced as a live stream paces it, when caches have
/// gone cold between frames.
fn frames(pack: &LoadedPack) {
    println!("\none frame of 10 ms, ms");
    println!(
        "{:>22} {:>6} {:>6} {:>6} {:>6} {:>11}",
        "", "mean", "p50", "p99", "p99.9", "of a core"
    );
    let mut feeling = Controls::default();
    feeling.emotions[0] = 1.0;
    feeling.emotions[EMOTIONS.len() - 1] = 0.5;
    let rows = [
        ("neutral", Controls::default(), 3000, Duration::ZERO),
        ("with emotion", feeling, 3000, Duration::ZERO),
        (
            "neutral, paced",
            Controls::default(),
            1500,
            Duration::from_millis(10),
        ),
    ];
    for (name, controls, count, pace) in rows {
        let mut converter = Converter::new(pack.networks.clone());
        let mut phase = 0.0_f32;
        let mut times = Vec::with_capacity(count);
        let mut out = [0.0; FRAME];
        let start = Instant::now();
        for frame in 0..count as u32 {
            let input: [f32; FRAME] = std::array::from_fn(|_| {
                phase = (phase + 150.0 / 24_000.0).fract();
                0.2 * (1.0 - 2.0 * phase)
            });
            let due = start + pace * frame;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let before = Instant::now();
            converter.step(&input, &mut out, &controls);
            times.push(before.elapsed());
        }
        // The first frames make libtorch's caches; a live stream has warmed them before.
        let mut times = times.split_off(50);
        times.sort();
        let at =
            |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        let mean = times.iter().sum::<Duration>().as_secs_f64() / times.len() as f64 * 1e3;
        println!(
            "{name:>22} {mean:6.2} {:6.2} {:6.2} {:6.2} {:10.0}%",
            at(0.5),
            at(0.99),
            at(0.999),
            mean * 10.0
        );
    }
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
