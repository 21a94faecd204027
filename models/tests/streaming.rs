//! Streaming equals offline, for each network and for random chunkings; a converter's promises.

use mien_face::{Controls, EMOTIONS, FRAME, VoiceWeight};
use mien_models::evaluate::{Offline, convert, resynthesise, spectral_distance, streaming_error};
use mien_models::networks::{
    ActedContent, CONTENT, ContentEncoder, EmotionAdapter, Generator, MEL, NetworkConfig, PROSODY,
    SourceSpectra, Vocoder,
};
use mien_models::pack::{self, Card, LoadedPack};
use mien_models::streaming::{
    Converter, DELAY_SAMPLES, EmotionProsody, PROSODY_DEFAULTS, PitchTarget,
};
use mien_models::train::checkpoint;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

const FRAMES: i64 = 90;

fn random(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Float, Device::Cpu))
}

/// Random weights that are not at their neutral start, so that every path is in play.
fn stir(store: &VarStore) {
    tch::no_grad(|| {
        for (_, mut variable) in store.variables() {
            let noise = variable.randn_like() * 0.05;
            let _ = variable.g_add_(&noise);
        }
    });
}

/// Cuts `FRAMES` into random chunks.
fn chunks(rng: &mut StdRng) -> Vec<(i64, i64)> {
    let mut chunks = Vec::new();
    let mut from = 0;
    while from < FRAMES {
        let length = rng.random_range(1..=9).min(FRAMES - from);
        chunks.push((from, length));
        from += length;
    }
    chunks
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

/// An encoder of random weights, and a mel for it.
fn random_encoder(config: &NetworkConfig, seed: i64) -> (ContentEncoder, Tensor) {
    tch::manual_seed(seed);
    let mut store = VarStore::new(Device::Cpu);
    let encoder = ContentEncoder::new(&store.root(), config);
    stir(&store);
    store.freeze();
    (encoder, random(&[1, FRAMES, MEL]) * 0.3)
}

/// Asks that an encoder gives the same in random chunks as in one piece.
fn assert_encodes_alike(encoder: &ContentEncoder, mel: &Tensor, seed: u64) {
    let whole = encoder.encode(mel);
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..5 {
        let mut state = encoder.state(1, mel);
        for (from, length) in chunks(&mut rng) {
            let part = encoder.forward(&mel.narrow(1, from, length), &mut state);
            let error = largest_difference(&part, &whole.narrow(1, from, length));
            assert!(error < 1e-4, "{error} at {from}");
        }
    }
}

fn coded(code_softness: f64) -> NetworkConfig {
    NetworkConfig {
        codes: 100,
        code_softness,
        ..NetworkConfig::default()
    }
}

#[test]
fn attention_gives_the_same_for_every_chunking() {
    let _guard = tch::no_grad_guard();
    let mut config = NetworkConfig::default();
    let shape = &mut config.content;
    (shape.attention_heads, shape.attention_window) = (4, 25);
    let (encoder, mel) = random_encoder(&config, 6);
    assert_encodes_alike(&encoder, &mel, 2);
}

/// Codes can turn over where two are equally near, so what they are chosen by is held equal, and nearly all of them.
#[test]
fn codes_are_chosen_alike_for_every_chunking() {
    let _guard = tch::no_grad_guard();
    let (encoder, mel) = random_encoder(&coded(0.0), 7);
    let whole = encoder.encode_raw(&mel);
    let codes = encoder.encode(&mel);
    let mut rng = StdRng::seed_from_u64(3);
    for _ in 0..5 {
        let (mut raw_state, mut state) = (encoder.state(1, &mel), encoder.state(1, &mel));
        let (mut raw, mut coded) = (Vec::new(), Vec::new());
        for (from, length) in chunks(&mut rng) {
            let part = mel.narrow(1, from, length);
            raw.push(encoder.forward_raw(&part, &mut raw_state));
            coded.push(encoder.forward(&part, &mut state));
        }
        let error = largest_difference(&Tensor::cat(&raw, 1), &whole);
        assert!(error < 1e-4, "{error}");
        let alike = Tensor::cat(&coded, 1).eq_tensor(&codes).all_dim(-1, false);
        let share = alike.to_kind(Kind::Float).mean(Kind::Float);
        assert!(share.double_value(&[]) >= 0.99, "{share:?}");
    }
}

#[test]
fn soft_codes_give_the_same_for_every_chunking() {
    let _guard = tch::no_grad_guard();
    let (encoder, mel) = random_encoder(&coded(0.05), 7);
    assert_encodes_alike(&encoder, &mel, 4);
    let whole = encoder.encode(&mel);
    let book = encoder.codebook().unwrap();
    assert!(!whole.equal(&book.look_up(&book.nearest(&whole))));
}

#[test]
fn bias_is_taken_away_alike_for_every_chunking() {
    let _guard = tch::no_grad_guard();
    let config = NetworkConfig {
        code_bias_prior: 1.0,
        ..coded(0.04)
    };
    let (encoder, mel) = random_encoder(&config, 7);
    assert_encodes_alike(&encoder, &mel, 5);
    assert!(largest_difference(&encoder.encode_raw(&mel), &encoder.encode_biased(&mel)) > 0.01);
}

#[test]
fn every_network_gives_the_same_for_every_chunking() {
    let _guard = tch::no_grad_guard();
    tch::manual_seed(5);
    let config = NetworkConfig::default();
    let mut store = VarStore::new(Device::Cpu);
    let root = store.root();
    let encoder = ContentEncoder::new(&(&root / "content"), &config);
    let generator = Generator::new(&(&root / "generator"), &config);
    let vocoder = Vocoder::new(&(&root / "vocoder"), &config);
    let adapter = EmotionAdapter::new(&(&root / "emotion"), &config);
    stir(&store);
    // Frozen weights take the plain-Rust kernel for single frames: it must agree as well.
    store.freeze();
    let (mel, content) = (
        random(&[1, FRAMES, MEL]) * 0.3,
        random(&[1, FRAMES, CONTENT]),
    );
    let prosody = random(&[1, FRAMES, PROSODY]).abs();
    let source = SourceSpectra {
        pulses: random(&[1, FRAMES, FRAME as i64]),
        noise: random(&[1, FRAMES, FRAME as i64]),
    };
    let voice = generator.voice(&random(&[1, config.voice]));
    let mix = adapter.mix(&random(&[1, EMOTIONS.len() as i64]).abs());
    let whole_content = encoder.encode(&mel);
    let (whole_mel, whole_hidden) =
        generator.forward(&content, &prosody, &voice, &mut generator.state(1, &mel));
    let whole_change = adapter.forward(
        &whole_hidden,
        &mel,
        &prosody,
        &mix,
        &mut adapter.state(1, &mel),
    );
    let whole_sound = vocoder.vocode(&mel, &prosody, &source);
    let mut rng = StdRng::seed_from_u64(9);
    for _ in 0..4 {
        let (mut e, mut g) = (encoder.state(1, &mel), generator.state(1, &mel));
        let (mut a, mut v) = (adapter.state(1, &mel), vocoder.state(1, &mel));
        let mut parts: [Vec<Tensor>; 4] = Default::default();
        for (from, length) in chunks(&mut rng) {
            let cut = |t: &Tensor| t.narrow(1, from, length);
            parts[0].push(encoder.forward(&cut(&mel), &mut e));
            let (m, hidden) = generator.forward(&cut(&content), &cut(&prosody), &voice, &mut g);
            parts[1].push(m);
            parts[2].push(adapter.forward(&hidden, &cut(&mel), &cut(&prosody), &mix, &mut a));
            let piece = SourceSpectra {
                pulses: cut(&source.pulses),
                noise: cut(&source.noise),
            };
            parts[3].push(vocoder.forward(&cut(&mel), &cut(&prosody), &piece, 1.0, &mut v));
        }
        let wholes = [&whole_content, &whole_mel, &whole_change, &whole_sound];
        for (name, (part, whole)) in ["content", "generator", "emotion", "vocoder"]
            .iter()
            .zip(parts.iter().zip(wholes))
        {
            let joined = Tensor::cat(part, 1);
            let scale = whole.abs().max().double_value(&[]).max(1.0);
            let difference = largest_difference(&joined, whole) / scale;
            assert!(difference < 1e-4, "{name}: {difference}");
        }
    }
}

/// A small pack of random weights.
fn random_pack(folder: &std::path::Path) -> std::path::PathBuf {
    random_pack_of(folder, &NetworkConfig::default())
}

fn random_pack_of(folder: &std::path::Path, config: &NetworkConfig) -> std::path::PathBuf {
    let store = VarStore::new(Device::Cpu);
    let root = store.root();
    let _encoder = ContentEncoder::new(&(&root / "content"), config);
    let _generator = Generator::new(&(&root / "generator"), config);
    let _vocoder = Vocoder::new(&(&root / "vocoder"), config);
    stir(&store);
    let mut tensors = checkpoint::named(&store);
    tensors.push(("voices".into(), random(&[2, config.voice]) * 0.3));
    let mut card = Card {
        kind: "voices".into(),
        networks: config.clone(),
        ..Card::default()
    };
    card.description.name = "Test".into();
    card.description.voices = ["Ada", "Bo"]
        .map(|name| mien_face::Voice {
            name: name.into(),
            f0_mean_hz: 180.0,
            ..Default::default()
        })
        .to_vec();
    let path = folder.join("test.mien");
    pack::write(&path, card, &tensors).unwrap();
    path
}

/// Asks that what a pack makes of speech is sound.
fn assert_converts(pack: &LoadedPack) {
    let sound: Vec<f32> = speech().into_iter().flatten().collect();
    let out = convert(
        &mut Converter::new(pack.networks.clone()),
        &sound,
        &Controls::default(),
    );
    assert!(out.iter().all(|x| x.is_finite()));
}

#[test]
fn a_pack_of_coded_content_converts_by_its_codes() {
    let folder = tempfile::tempdir().unwrap();
    let config = NetworkConfig {
        codes: 20,
        ..NetworkConfig::default()
    };
    let pack = LoadedPack::load(&random_pack_of(folder.path(), &config)).unwrap();
    let book = pack.networks.encoder.codebook().unwrap();
    assert_eq!(book.entries().size(), [20, CONTENT]);
    let content = pack.networks.encoder.encode(&random(&[1, FRAMES, MEL]));
    assert!(content.equal(&book.look_up(&book.nearest(&content))));
    assert_converts(&pack);
}

#[test]
fn a_pack_whose_bias_is_taken_away_has_a_format_of_its_own_and_converts() {
    let folder = tempfile::tempdir().unwrap();
    let config = NetworkConfig {
        code_bias_prior: 1.0,
        ..coded(0.04)
    };
    let path = random_pack_of(folder.path(), &config);
    assert_eq!(pack::read(&path).unwrap().0.format, pack::UNBIASED_FORMAT);
    let pack = LoadedPack::load(&path).unwrap();
    assert_converts(&pack);
    let hard = NetworkConfig {
        code_softness: 0.0,
        ..config
    };
    let other = tempfile::tempdir().unwrap();
    let told = LoadedPack::load(&random_pack_of(other.path(), &hard)).map(|_| ());
    let told = format!("{:#}", told.expect_err("it loaded"));
    assert!(told.contains("code_bias_prior"), "{told}");
}

/// Puts an emotion pack of random weights beside a pack.
fn add_emotions(path: &std::path::Path) {
    let config = NetworkConfig::default();
    let store = VarStore::new(Device::Cpu);
    let _adapter = EmotionAdapter::new(&(store.root() / "emotion"), &config);
    stir(&store);
    let prosody = PROSODY_DEFAULTS.map(|emotion| EmotionProsody {
        acting: 1.0,
        acting_slope: 1.0,
        ..emotion
    });
    let card = Card {
        kind: "emotion".into(),
        networks: config,
        prosody: prosody.to_vec(),
        ..Card::default()
    };
    let emotions = EMOTIONS.len() as i64;
    let acting = ActedContent::new(
        random(&[emotions, CONTENT]),
        random(&[emotions, CONTENT]),
        random(&[emotions, CONTENT, CONTENT]) * 0.05,
    );
    let mut tensors = checkpoint::named(&store);
    tensors.extend(acting.unwrap().tensors());
    pack::write(&pack::emotion_path(path), card, &tensors).unwrap();
}

/// A second of a gliding sawtooth with pauses: voiced and unvoiced frames, loud and silent ones.
fn speech() -> Vec<[f32; FRAME]> {
    let mut phase = 0.0_f32;
    let sample = |n: usize| {
        phase = (phase + (140.0 + 60.0 * (n as f32 / 6000.0).sin()) / 24_000.0).fract();
        if n % 9600 < 7200 {
            0.3 * (1.0 - 2.0 * phase)
        } else {
            0.0
        }
    };
    let samples: Vec<f32> = (0..24_000).map(sample).collect();
    samples
        .chunks_exact(FRAME)
        .map(|c| std::array::from_fn(|i| c[i]))
        .collect()
}

fn run(converter: &mut Converter, controls: &Controls) -> Vec<f32> {
    let mut out = [0.0; FRAME];
    let step = |frame| {
        converter.step(frame, &mut out, controls);
        out
    };
    speech().iter().flat_map(step).collect()
}

#[test]
fn reset_gives_the_same_bits_and_voices_differ() {
    let folder = tempfile::tempdir().unwrap();
    let pack = LoadedPack::load(&random_pack(folder.path())).unwrap();
    let mut converter = Converter::new(pack.networks.clone());
    let first = run(&mut converter, &Controls::default());
    converter.reset();
    assert!(
        run(&mut converter, &Controls::default()) == first,
        "a reset converter gives other bits"
    );
    assert!(first.iter().any(|x| x.abs() > 1e-4), "nothing came out");
    let mut other = Controls::default();
    other.voices[0] = VoiceWeight {
        index: 1,
        weight: 1.0,
    };
    converter.reset();
    assert!(
        run(&mut converter, &other) != first,
        "both voices sound the same"
    );
}

#[test]
fn no_strength_is_no_emotion_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = random_pack(folder.path());
    let plain = LoadedPack::load(&path).unwrap();
    let without = run(
        &mut Converter::new(plain.networks.clone()),
        &Controls::default(),
    );
    add_emotions(&path);
    let feeling = LoadedPack::load(&path).unwrap();
    let mut controls = Controls {
        strength: 0.0,
        ..Controls::default()
    };
    controls.emotions = [1.0; EMOTIONS.len()];
    assert!(
        run(&mut Converter::new(feeling.networks.clone()), &controls) == without,
        "strength 0 changed bits"
    );
    controls.strength = 1.0;
    assert!(
        run(&mut Converter::new(feeling.networks.clone()), &controls) != without,
        "strength 100 % changed nothing"
    );
}

#[test]
fn hostile_input_stays_finite() {
    let folder = tempfile::tempdir().unwrap();
    let path = random_pack(folder.path());
    add_emotions(&path);
    let pack = LoadedPack::load(&path).unwrap();
    let mut converter = Converter::new(pack.networks.clone());
    let controls = Controls {
        emotions: [f32::NAN; EMOTIONS.len()],
        strength: f32::INFINITY,
        pitch_semitones: -1e9,
        formant_semitones: f32::NAN,
        intonation: 1e9,
        breath: -3.0,
        voices: [VoiceWeight {
            index: u32::MAX,
            weight: f32::NAN,
        }; mien_face::MORPH_SLOTS],
        auto_pitch: 7,
    };
    let mut out = [0.0; FRAME];
    for input in [
        [f32::NAN; FRAME],
        [f32::INFINITY; FRAME],
        [1e30; FRAME],
        [0.0; FRAME],
        [-1.0; FRAME],
    ] {
        for _ in 0..10 {
            converter.step(&input, &mut out, &controls);
            assert!(out.iter().all(|x| x.is_finite() && x.abs() <= 4.0));
        }
    }
}

#[test]
fn a_damaged_pack_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = random_pack(folder.path());
    let whole = std::fs::read(&path).unwrap();
    let error = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        format!("{:#}", LoadedPack::load(&path).expect_err("it loaded"))
    };
    let mut flipped = whole.clone();
    let last = flipped.len() - 100;
    flipped[last] ^= 0x40;
    assert!(error(&flipped).contains("damaged"), "{}", error(&flipped));
    assert!(error(&whole[..whole.len() / 2]).contains("get it again"));
    assert!(error(b"not a pack at all").contains("get it again"));
    assert!(error(b"").contains("get it again"));
}

fn shipped_pack() -> LoadedPack {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("voices/mien-one.mien");
    LoadedPack::load(&path).unwrap()
}

#[test]
fn silence_stays_silent() {
    let mut converter = Converter::new(shipped_pack().networks.clone());
    let mut out = [0.0; FRAME];
    let mut loudest = 0.0_f32;
    for frame in 0..200 {
        converter.step(&[0.0; FRAME], &mut out, &Controls::default());
        if frame >= 50 {
            loudest = out.iter().fold(loudest, |a, b| a.max(b.abs()));
        }
    }
    assert!(loudest < 3e-4, "a muted track sounds at {loudest}");
}

/// Two seconds of pulses 18 to 31 ms apart in a vowel's formants, and the pulses' samples.
fn creak() -> (Vec<f32>, Vec<usize>) {
    let mut rng = StdRng::seed_from_u64(4);
    let mut sound = vec![0.0; 48_000];
    let (mut pulses, mut at) = (Vec::new(), 4800);
    while at < 43_000 {
        sound[at] = rng.random_range(0.5..1.0);
        pulses.push(at);
        at += rng.random_range(436..750);
    }
    for (hz, width) in [
        (600.0, 80.0),
        (1100.0, 100.0),
        (2500.0, 150.0),
        (3500.0, 200.0),
    ] {
        let radius = (-std::f32::consts::PI * width / 24_000.0).exp();
        let turn = 2.0 * radius * (std::f32::consts::TAU * hz / 24_000.0_f32).cos();
        let (mut last, mut before) = (0.0, 0.0);
        for x in &mut sound {
            let y = *x + turn * last - radius * radius * before;
            (before, last) = (last, y);
            *x = y;
        }
    }
    let peak = sound.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
    (sound.iter().map(|x| x * 0.3 / peak).collect(), pulses)
}

#[test]
fn creak_is_kept() {
    let (sound, pulses) = creak();
    let mut converter = Converter::new(shipped_pack().networks.clone());
    let spoken = convert(&mut converter, &sound, &Controls::default());
    let power = |part: &[f32]| part.iter().map(|x| x * x).sum::<f32>();
    // The first pulse may come before it is known to be one of many.
    let all = power(&spoken[pulses[1] - 24..]);
    let near: f32 = pulses[1..]
        .iter()
        .map(|&at| power(&spoken[at - 24..at + 96]))
        .sum();
    // Noise alone had 31 % in this fifth of the time.
    assert!(
        near / all > 0.7,
        "{} of the energy lies at the pulses",
        near / all
    );
}

#[test]
fn the_own_voice_is_the_vocoders_alone_until_something_is_asked_for() {
    let pack = shipped_pack();
    let own = pack.networks.own_voice;
    let sound: Vec<f32> = speech().into_iter().flatten().collect();
    let said = |change: fn(&mut Controls)| {
        let mut controls = Controls::default();
        controls.voices[0].index = own as u32;
        change(&mut controls);
        convert(
            &mut Converter::new(pack.networks.clone()),
            &sound,
            &controls,
        )
    };
    let far = |out: &[f32]| spectral_distance(&resynthesise(&pack, &sound), out);
    let plain = far(&said(|_| {}));
    let other = far(&said(|c| c.voices[0].index = 0));
    let higher = far(&said(|c| c.pitch_semitones = 4.0));
    let happy = far(&said(|c| {
        c.emotions[0] = 1.0;
        c.strength = 1.0;
    }));
    // What differs is the noise, and how the first frame begins.
    assert!(
        plain < 0.5 * other.min(higher).min(happy),
        "{plain} {other} {higher} {happy}"
    );
}

#[test]
fn voices_glide_to_the_own_one_and_back() {
    let pack = shipped_pack();
    let mut converter = Converter::new(pack.networks.clone());
    let mut out = [0.0; FRAME];
    let frames: Vec<[f32; FRAME]> = speech().into_iter().cycle().take(300).collect();
    let plain = run(&mut converter, &Controls::default());
    converter.reset();
    let mut own = Controls::default();
    own.voices[0].index = pack.networks.own_voice as u32;
    let own = run(&mut converter, &own);
    let steepest = |sound: &[f32]| {
        sound
            .windows(2)
            .map(|w| (w[1] - w[0]).abs())
            .fold(0.0_f32, f32::max)
    };
    converter.reset();
    let mut moved = Vec::new();
    for (t, frame) in frames.iter().enumerate() {
        let mut controls = Controls::default();
        controls.voices[0].weight = 1.0;
        controls.voices[1] = VoiceWeight {
            index: pack.networks.own_voice as u32,
            weight: if t % 100 < 50 { 0.0 } else { 3.0 },
        };
        converter.step(frame, &mut out, &controls);
        moved.extend(out);
    }
    assert!(moved.iter().all(|x| x.is_finite()));
    // Either end of the way has steep places of its own.
    let steep = steepest(&plain).max(steepest(&own));
    assert!(steepest(&moved) < 1.3 * steep, "it clicks");
}

/// By how many dB `a` is louder than `b`, of the same length.
fn level_over(a: &[f32], b: &[f32]) -> f32 {
    let power = |x: &[f32]| x.iter().map(|v| v * v).sum::<f32>();
    10.0 * (power(a) / power(b)).log10()
}

/// A microphone's distance is no delivery: what is said 10 dB quieter comes out as the same voice, 10 dB quieter.
#[test]
fn a_quiet_microphone_changes_nothing_but_the_level() {
    let pack = shipped_pack();
    // Syllables, since what does not swell is no speech.
    let swell = |t: usize| {
        (t as f32 * std::f32::consts::PI / 20.0)
            .sin()
            .powi(2)
            .max(3e-3)
    };
    let frames = (0..3).flat_map(|_| speech()).enumerate();
    let voice: Vec<f32> = frames
        .flat_map(|(t, frame)| frame.map(|x| x * swell(t)))
        .collect();
    let said = |decibels: f32| -> Vec<f32> {
        let gain = 10.0_f32.powf(decibels / 20.0);
        let quiet: Vec<f32> = voice.iter().map(|x| x * gain).collect();
        let mut converter = Converter::new(pack.networks.clone());
        let said = convert(&mut converter, &quiet, &Controls::default());
        said[2 * 24_000..].iter().map(|x| x / gain).collect()
    };
    let (near, far) = (said(-10.0), said(-20.0));
    let level = level_over(&far, &near);
    assert!(level.abs() < 1.0, "{level} dB");
    // Pulses need not fall on the same samples, so the mean spectra are compared.
    let [near, far] = [near, far].map(|sound| {
        let frames = mien_dsp::mel::mel_spectrogram(&sound);
        let mut mean = vec![0.0_f32; frames[0].len()];
        for frame in frames.iter().filter(|f| f.iter().any(|&v| v > -8.0)) {
            let power = frame.iter().map(|v| v.exp());
            mean.iter_mut().zip(power).for_each(|(m, p)| *m += p);
        }
        mean
    });
    let bands = near.iter().zip(&far);
    let decibels = bands.map(|(a, b)| (10.0 * (a / b).log10()).abs());
    let apart = decibels.sum::<f32>() / near.len() as f32;
    assert!(apart < 1.0, "{apart} dB a band");
}

/// Effort is the sound of a louder voice, not its level.
#[test]
fn effort_changes_the_sound_and_hardly_the_level() {
    let pack = shipped_pack();
    let sound: Vec<f32> = (0..2).flat_map(|_| speech()).flatten().collect();
    let mut controls = Controls {
        strength: 1.0,
        ..Controls::default()
    };
    controls.emotions[2] = 1.0;
    let heard = Offline::new(&pack, &sound);
    let with = |effort: f32| {
        let mut feelings = pack.networks.feelings;
        feelings.high[2] = EmotionProsody {
            effort,
            ..EmotionProsody::default()
        };
        heard.say(&controls, &feelings)
    };
    let (plain, pressed) = (with(0.0), with(3.0));
    let level = level_over(&pressed, &plain);
    assert!(level.abs() < 6.0, "{level} dB, where 13 were meant");
    let apart = spectral_distance(&plain, &pressed);
    assert!(apart > 1.5, "{apart} dB");
}

/// The pack's colour is its voices' and not the speaker's own.
#[test]
fn a_packs_colour_shapes_its_voices_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = random_pack(folder.path());
    let (mut card, tensors) = pack::read(&path).unwrap();
    card.colour.sharpness = 0.3;
    let other = folder.path().join("crisp.mien");
    pack::write(&other, card, &tensors.into_iter().collect::<Vec<_>>()).unwrap();
    let said = |path: &std::path::Path, voice: u32| {
        let pack = LoadedPack::load(path).unwrap();
        let mut controls = Controls::default();
        controls.voices[0].index = voice;
        run(&mut Converter::new(pack.networks.clone()), &controls)
    };
    assert!(said(&path, 0) != said(&other, 0), "it does nothing");
    assert!(
        said(&path, 2) == said(&other, 2),
        "it changes the own voice"
    );
}

/// Whoever has spoken before is known, offline as live: his first word is said as a later one, not as a stranger's.
#[test]
fn who_has_spoken_before_is_known() {
    let pack = shipped_pack();
    // Far below the level that the networks know, so that it has to be learned.
    let once: Vec<f32> = speech().iter().flatten().map(|x| x * 0.03).collect();
    let before = [once.as_slice(), &once].concat();
    let controls = Controls::default();
    let mut converter = Converter::new(pack.networks.clone());
    let all = [before.as_slice(), &once].concat();
    let live = convert(&mut converter, &all, &controls).split_off(before.len());
    let said = |heard: Offline| {
        let mut said = heard.say(&controls, &pack.networks.feelings);
        said.drain(..DELAY_SAMPLES);
        said.resize(once.len(), 0.0);
        said
    };
    let known = said(Offline::after(&pack, &before, &once));
    let stranger = said(Offline::new(&pack, &once));
    assert!(said(Offline::after(&pack, &[], &once)) == stranger);
    let first_word = ..once.len() / 4;
    let [known, stranger] =
        [known, stranger].map(|said| spectral_distance(&live[first_word], &said[first_word]));
    assert!(known < 0.8 * stranger, "{known} and {stranger} dB");
}

/// With a feeling the streaming path glides to it in a tenth of a second; then both are the same.
#[test]
fn a_feeling_streams_as_it_is_said_offline() {
    let pack = shipped_pack();
    let mut controls = Controls {
        strength: 0.8,
        ..Controls::default()
    };
    // Angry: the pack's own numbers use every part of the mapper.
    controls.emotions[2] = 1.0;
    let frames: Vec<_> = (0..4).flat_map(|_| speech()).collect();
    let sound: Vec<f32> = frames.iter().flatten().copied().collect();
    let mut converter = Converter::new(pack.networks.clone());
    let mut out = [0.0; FRAME];
    let mut streamed = Vec::new();
    for frame in &frames {
        converter.step(frame, &mut out, &controls);
        streamed.extend(out);
    }
    let of = |feelings| Offline::new(&pack, &sound).say(&controls, feelings);
    let whole = of(&pack.networks.feelings);
    let apart = |a: &[f32], b: &[f32]| {
        let settled = 2 * 24_000;
        let both = a[settled..].iter().zip(&b[settled..]);
        both.map(|(x, y)| (x - y).abs()).fold(0.0_f32, f32::max)
    };
    let error = apart(&streamed, &whole);
    assert!(error < 1e-3, "{error}");
    let mut duller = pack.networks.feelings;
    duller.high[2].colour.tilt -= 0.1;
    let other = apart(&whole, &of(&duller));
    assert!(other > 5e-3, "tilt changed nothing: {other}");
    let mut as_it_is = pack.networks.feelings;
    as_it_is.high[2].acting = 0.0;
    as_it_is.high[2].acting_slope = 0.0;
    let other = apart(&whole, &of(&as_it_is));
    assert!(other > 5e-3, "acting changed nothing: {other}");
}

/// Live and offline a low voice has its own numbers, a high one its own, and one between something of both.
#[test]
fn feelings_follow_the_register_of_the_voice() {
    let pack = shipped_pack();
    let hz = &pack.networks.voice_f0_hz;
    let voice = |low, high| {
        let fits = |&hz: &f32| (low..high).contains(&PitchTarget::register_of(hz));
        hz[..pack.networks.own_voice].iter().position(fits).unwrap() as u32
    };
    let sound: Vec<f32> = (0..3).flat_map(|_| speech()).flatten().collect();
    let heard = Offline::new(&pack, &sound);
    let unlike = EmotionProsody {
        pitch_shift: 0.3,
        acting: 1.0,
        ..EmotionProsody::default()
    };
    for (voice, [follows_low, follows_high]) in [
        (voice(0.0, 1e-6), [true, false]),
        (voice(0.1, 0.9), [true, true]),
        (voice(1.0, 1.1), [false, true]),
    ] {
        let mut controls = Controls {
            strength: 1.0,
            ..Controls::default()
        };
        controls.voices[0].index = voice;
        controls.emotions[1] = 1.0;
        let whole = heard.say(&controls, &pack.networks.feelings);
        let streamed = convert(
            &mut Converter::new(pack.networks.clone()),
            &sound,
            &controls,
        );
        // By then the networks have forgotten that live the feeling glided in.
        let both = whole[DELAY_SAMPLES..].iter().zip(&streamed);
        let error = both.skip(2 * 24_000);
        let error = error.map(|(x, y)| (x - y).abs()).fold(0.0_f32, f32::max);
        assert!(error < 1e-3, "voice {voice}: {error}");
        let mut low = pack.networks.feelings;
        low.low[1] = unlike;
        let mut high = pack.networks.feelings;
        high.high[1] = unlike;
        assert_eq!(heard.say(&controls, &low) != whole, follows_low, "{voice}");
        assert_eq!(
            heard.say(&controls, &high) != whole,
            follows_high,
            "{voice}"
        );
    }
}

#[test]
fn creak_and_a_voice_stream_as_they_do_offline() {
    let pack = shipped_pack();
    let mut sound = creak().0;
    sound.extend(speech().iter().flatten());
    for voice in [0, pack.networks.own_voice] {
        let error = streaming_error(&pack, &sound, voice, 3);
        assert!(error < 1e-3, "{error} with voice {voice}");
    }
}
