//! A run that was stopped ends as one that was not. Alone in its process, since libtorch's chance is the process' own.

mod small;

use std::time::{Duration, Instant};

use mien_models::train::acoustic::AcousticNetworks;
use mien_models::train::checkpoint::{self, Tensors};
use mien_models::train::config::TrainConfig;
use tch::Device;

/// What both acoustic stages end with, and how often they were stopped; `patience` is the time until the first stop.
fn trained(config: &TrainConfig, mut patience: Option<Duration>) -> (Tensors, usize) {
    tch::manual_seed(2);
    let (folder, pool) = (tempfile::tempdir().unwrap(), small::pool());
    let mut stops = 0;
    loop {
        let networks = AcousticNetworks::new(config, 1, 0, Device::Cpu);
        let mut run = small::run(config, &pool, folder.path());
        run.deadline = patience.map(|p| Instant::now() + p);
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
    let mut config = small::config();
    config.acoustic.steps = 12;
    config.acoustic.adversarial_steps = 6;
    let (whole, _) = trained(&config, None);
    let (parts, stops) = trained(&config, Some(Duration::from_millis(20)));
    println!("{stops} stops");
    assert!(stops > 1, "it was not stopped");
    assert_eq!(checkpoint::step(&parts), 6);
    for (name, value) in &whole {
        assert!(parts[name].equal(value), "{name} after {stops} stops");
    }
}
