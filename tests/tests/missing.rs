//! Without an engine: the scan, and the dry voice. One test, because it is about what the whole
//! process has loaded.

use std::time::Instant;

use mien_host::PluginEntry;
use mien_host::RenderMode::{Offline, Realtime};
use mien_tests::host::Speed;
use mien_tests::sound::noise;
use mien_tests::{Host, toy};

/// Libraries that this process has mapped and whose path holds `part`.
fn mapped(part: &str) -> Vec<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines()
        .filter(|line| line.contains(part))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_scan_loads_no_engine_and_without_one_the_dry_voice_passes() {
    let nowhere = tempfile::tempdir().unwrap();
    toy::point_at(&nowhere.path().join("none.so"), nowhere.path());

    let started = Instant::now();
    // SAFETY: it is our own plugin.
    let entry = unsafe { PluginEntry::load(toy::built_library("mien")) }.unwrap();
    let factory = entry.get_plugin_factory().unwrap();
    let descriptor = factory.plugin_descriptors().next().unwrap();
    let name = descriptor
        .name()
        .map(|name| name.to_string_lossy().into_owned());
    println!("scan: {:.2} ms", started.elapsed().as_secs_f64() * 1e3);
    assert_eq!(name.as_deref(), Some("Mien"));
    let mut host = Host::of(&entry);
    assert_eq!(host.params().len(), 20);
    for library in ["libtorch", "mien_models", "toy_engine"] {
        assert_eq!(mapped(library), Vec::<String>::new());
    }

    let input = noise(30_000);
    for mode in [Offline, Realtime] {
        for block in [64, 512] {
            host.activate(48_000, block, mode);
            let latency = host.latency();
            let output = host.render(&input, &[block as usize], Speed::Free);
            assert!(output[..latency].iter().all(|&x| x == 0.0));
            assert!(
                output[latency..] == input[..input.len() - latency],
                "{mode:?}, {block}"
            );
        }
    }
    // The state survives a machine without the pack.
    let state = host.save();
    host.load(&state);
    host.block(&[0.0; 512]);
}
