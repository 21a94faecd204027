//! A run that was stopped ends as one that was not. Alone in its process, since libtorch's chance is the process' own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use half::f16;
use mien_models::networks::BANDS;
use mien_models::nn::ConvNeXtConfig;
use mien_models::train::acoustic::{AcousticNetworks, AcousticRun};
use mien_models::train::batches::{Item, Pool};
use mien_models::train::checkpoint::{self, Tensors};
use mien_models::train::config::TrainConfig;
use mien_models::train::features::{FeatureSet, Features};
use tch::Device;

/// Two seconds of a band of sound that wanders.
fn pool() -> Arc<Pool> {
    let band = |t: usize, b: usize| match b.abs_diff(t % BANDS) {
        0..10 => -2.0,
        _ => -12.0,
    };
    let frame = |t: usize| std::array::from_fn(|b| f16::from_f32(band(t, b)));
    let features = Features {
        mel: (0..200).map(frame).collect(),
        pitch: vec![[120.0, 1.0]; 200],
        sound: Vec::new(),
    };
    let item = Item {
        key: "a".into(),
        teacher_key: "a".into(),
        rate: 1.0,
        speaker: 0,
        person: 0,
        corpus: 0,
        emotion: 0,
        wide: true,
        weight: 1.0,
    };
    let features = FeatureSet::from([("a".to_owned(), features)]);
    Arc::new(Pool::new(vec![item], Arc::new(features), None))
}

fn small_config() -> TrainConfig {
    let mut config = TrainConfig::default();
    let small = |trunk: &ConvNeXtConfig| ConvNeXtConfig {
        width: 24,
        dilations: vec![1],
        ..trunk.clone()
    };
    config.networks.content = small(&config.networks.content);
    config.networks.generator = small(&config.networks.generator);
    config.acoustic.batch = 4;
    config.acoustic.frames = 80;
    config.acoustic.steps = 12;
    config.acoustic.adversarial_steps = 6;
    config
}

/// What both acoustic stages end with, and how often they were stopped; `patience` is the time until the first stop.
fn trained(config: &TrainConfig, mut patience: Option<Duration>) -> (Tensors, usize) {
    tch::manual_seed(2);
    let (folder, pool) = (tempfile::tempdir().unwrap(), pool());
    let mut stops = 0;
    loop {
        let networks = AcousticNetworks::new(config, 1, 0, Device::Cpu);
        let run = AcousticRun {
            config,
            pool: pool.clone(),
            voices: pool.clone(),
            held_out: pool.clone(),
            mean_pitch: vec![0.0],
            folder: folder.path().to_owned(),
            start: None,
            deadline: patience.map(|p| Instant::now() + p),
            device: Device::Cpu,
        };
        if run.reconstruct(&networks).unwrap() && run.convert(&networks).unwrap() {
            let end = folder.path().join("convert.safetensors");
            return (checkpoint::read(&end).unwrap(), stops);
        }
        stops += 1;
        // However slow the machine is, some part is long enough for a step.
        patience = patience.map(|p| p * 5 / 4);
    }
}

#[test]
fn a_run_that_is_stopped_again_and_again_ends_as_one_that_is_not() {
    let config = small_config();
    let (whole, _) = trained(&config, None);
    let (parts, stops) = trained(&config, Some(Duration::from_millis(20)));
    println!("{stops} stops");
    assert!(stops > 1, "it was not stopped");
    assert_eq!(checkpoint::step(&parts), 6);
    for (name, value) in &whole {
        assert!(parts[name].equal(value), "{name} after {stops} stops");
    }
}
