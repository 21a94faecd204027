//! A run that was stopped ends as one that was not. Alone in its process, since libtorch's chance is the process' own.

mod small;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use half::f16;
use mien_models::train::acoustic::AcousticNetworks;
use mien_models::train::batches::{Item, Pool};
use mien_models::train::checkpoint::{self, Tensors};
use mien_models::train::config::TrainConfig;
use mien_models::train::features::Teacher;
use mien_models::train::vocoder::{VocoderNetworks, VocoderRun};
use safetensors::tensor::{Dtype, TensorView};
use tch::Device;

/// Values of a frame of [`teacher`].
const TEACHER: usize = 3;

/// A recogniser that hears which of the two it is.
fn teacher() -> Arc<Teacher> {
    let folder = tempfile::tempdir().unwrap();
    let frame = |t: usize| [f16::from_f32((t / 25 % 2) as f32 * 2.0 - 1.0); TEACHER];
    let bytes: Vec<u8> = (0..100)
        .flat_map(frame)
        .flat_map(f16::to_le_bytes)
        .collect();
    let frames = TensorView::new(Dtype::F16, vec![100, TEACHER], &bytes).unwrap();
    let metadata =
        [("rate_hz", "100"), ("offset_s", "0")].map(|(key, value)| (key.into(), value.into()));
    let file = folder.path().join("a.safetensors");
    safetensors::serialize_to_file([("a", frames)], Some(metadata.into()), &file).unwrap();
    Arc::new(Teacher::read(folder.path(), TEACHER).unwrap())
}

/// Two speakers of two corpora, with a recogniser's features.
fn pool() -> Arc<Pool> {
    let pool = small::pool();
    let first = pool.items[0].clone();
    let second = Item {
        speaker: 1,
        person: 1,
        corpus: 1,
        ..first.clone()
    };
    let (items, features) = (vec![first, second], pool.features.clone());
    Arc::new(Pool::new(items, features, Some(teacher())).with_phones(pool.phones.clone()))
}

/// Goes on with what lies in the folder, in one step where so told; whether all is done.
type Process = dyn Fn(&TrainConfig, &Path, bool) -> bool;

/// Both acoustic stages.
fn acoustic(config: &TrainConfig, folder: &Path, one_step: bool) -> bool {
    let networks = AcousticNetworks::new(config, 2, TEACHER, Device::Cpu);
    let mut run = small::run(config, &pool(), folder);
    run.mean_pitch = vec![0.0; 2];
    run.deadline = one_step.then(Instant::now);
    let reconstructed = folder.join("reconstructed");
    if !reconstructed.exists() {
        if !run.reconstruct(&networks).unwrap() {
            return false;
        }
        // The other stage begins in a process of its own, or goes on in this one.
        fs::write(reconstructed, []).unwrap();
        if one_step {
            return false;
        }
    }
    run.convert(&networks).unwrap()
}

/// The vocoder, by spectra and then with adversaries.
fn vocoder(config: &TrainConfig, folder: &Path, one_step: bool) -> bool {
    let run = VocoderRun {
        config,
        pool: pool(),
        folder: folder.to_owned(),
        start: None,
        deadline: one_step.then(Instant::now),
        device: Device::Cpu,
    };
    let networks = VocoderNetworks::new(config, Device::Cpu);
    run.train(&networks).unwrap()
}

/// All that a training leaves, and how many processes it took.
fn trained(process: &Process, config: &TrainConfig, one_step: bool) -> (Tensors, usize) {
    let folder = tempfile::tempdir().unwrap();
    for processes in 1.. {
        tch::manual_seed(2);
        if process(config, folder.path(), one_step) {
            let files = fs::read_dir(folder.path()).unwrap();
            let left = files
                .map(|file| file.unwrap().path())
                .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
                .flat_map(|path| {
                    let stage = path.file_stem().unwrap().to_str().unwrap().to_owned();
                    let tensors = checkpoint::read(&path).unwrap().into_iter();
                    tensors.map(move |(name, value)| (format!("{stage}/{name}"), value))
                })
                .collect();
            return (left, processes);
        }
    }
    unreachable!()
}

/// Compares stopping after each of so many `steps` with not stopping; gives the names of what is left.
fn ends_alike(process: &Process, config: &TrainConfig, steps: usize) -> Vec<String> {
    let (whole, one) = trained(process, config, false);
    let (parts, processes) = trained(process, config, true);
    assert_eq!((one, processes), (1, steps));
    assert!(whole.keys().eq(parts.keys()));
    for (name, value) in &whole {
        assert!(parts[name].equal(value), "{name}");
    }
    whole.into_keys().collect()
}

/// Small networks and few steps; the acoustic ones with everything that learns or remembers beside them, or without.
fn config(everything: bool) -> TrainConfig {
    let mut config = small::config();
    let c = &mut config.acoustic;
    (c.steps, c.adversarial_steps) = (8, 6);
    if everything {
        c.listener_weight = 0.1;
        c.reversal.corpus = 0.5;
        c.reversal.memory = 3;
        c.reversal.crops = 3;
        config.networks.codes = 8;
        config.networks.code_softness = 0.05;
    }
    let c = &mut config.vocoder;
    (c.steps, c.adversarial_steps) = (4, 4);
    (c.batch, c.frames) = (2, 20);
    c.resolutions = vec![512];
    c.discriminator_resolutions = vec![512];
    c.discriminator_periods = vec![2];
    config
}

/// One test, since both trainings need libtorch's chance for themselves.
#[test]
fn a_run_that_is_stopped_after_each_step_ends_as_one_that_is_not() {
    let beside = ["upkeep/", "adversary_memory/2/", "listener/"];
    for everything in [false, true] {
        let left = ends_alike(&acoustic, &config(everything), 8 + 6);
        for name in beside.map(|name| format!("acoustic/{name}")) {
            let kept = left.iter().any(|own| own.starts_with(&name));
            assert_eq!(kept, everything, "{name}");
        }
    }
    let left = ends_alike(&vocoder, &config(false), 4 + 4);
    assert!(
        left.iter()
            .any(|name| name.starts_with("vocoder/adversary/"))
    );
}
