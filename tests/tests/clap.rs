//! The plugin in a CLAP host, with the toy engine. The allocation guard is on: an allocation in
//! `process` ends the program.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use mien_host::RenderMode::{Offline, Realtime};
use mien_tests::host::Speed::Free;
use mien_tests::sound::{centre, click, noise, rms, sine};
use mien_tests::{Host, toy};
use tempfile::TempDir;

/// The tests share a machine of few cores with an engine thread each, so they run one by one.
fn alone() -> MutexGuard<'static, ()> {
    static PACKS: OnceLock<TempDir> = OnceLock::new();
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    PACKS.get_or_init(toy::install);
    guard
}

const RATES: [u32; 6] = [22_050, 44_100, 47_952, 48_000, 96_000, 192_000];

/// All tests here would pass without the guard, which two dependencies leave out when they are built without debug assertions.
#[test]
fn the_allocation_guard_ends_the_program() {
    const CHILD: &str = "MIEN_ALLOCATE_IN_VAIN";
    let child = std::env::var(CHILD);
    if let Ok(forbidden) = child {
        let allocate = || drop(std::hint::black_box(Vec::<u8>::with_capacity(12_345)));
        match forbidden.as_str() {
            "yes" => nice_assert_no_alloc::assert_no_alloc(allocate),
            _ => allocate(),
        }
        return;
    }
    let _alone = alone();
    let run = |forbidden: &str| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_allocation_guard_ends_the_program"])
            .env(CHILD, forbidden)
            .output()
            .unwrap()
    };
    assert!(run("no").status.success());
    let ended = run("yes");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && said.contains("12345"), "{said}");
}

#[test]
fn lists_every_parameter() {
    let _alone = alone();
    let params = Host::new().params();
    let find = |name: &str| {
        params
            .iter()
            .find(|param| param.name == name)
            .expect(name)
            .range
    };
    assert_eq!(params.len(), 20);
    assert_eq!(find("Voice"), [0.0, 31.0, 0.0]);
    // CLAP shows continuous parameters of nice-plug normalised.
    assert_eq!(find("Pitch"), [0.0, 1.0, 0.5]);
    for name in [
        "Happy",
        "Sad",
        "Angry",
        "Fearful",
        "Surprised",
        "Disgusted",
        "Calm",
    ] {
        assert_eq!(find(name), [0.0, 1.0, 0.0]);
    }
    assert_eq!(find("Emotion strength"), [0.0, 1.0, 1.0]);
}

#[test]
fn values_are_shown_in_their_units() {
    let _alone = alone();
    let mut host = Host::new();
    host.activate(48_000, 512, Offline).block(&[0.0; 512]);
    assert_eq!(host.text("Happy", 0.8), "80.0 %");
    assert_eq!(host.text("Pitch", 0.75), "12.00 st");
    assert_eq!(host.text("Gate", 0.0), "-90.0 dB");
    assert_eq!(host.text("Voice", 1.0), "Ring");
}

#[test]
fn a_click_comes_out_after_the_reported_latency() {
    let _alone = alone();
    let mut host = Host::new();
    for rate in RATES {
        for block in [1, 64, 128, 480, 1000, 8192] {
            host.activate(rate, block, Offline);
            let latency = host.latency();
            let input = click(rate, rate as usize / 20, rate as usize / 10 + latency);
            let output = host.render(&input, &[block as usize], Free);
            let late = centre(&output) - centre(&input);
            assert!(
                (late - latency as f64).abs() < 0.6,
                "{rate} Hz, blocks of {block}: {late:.2} instead of {latency}"
            );
            if rate == 48_000 {
                println!(
                    "{rate} Hz, block {block}: latency {:.1} ms",
                    latency as f64 / 48.0
                );
            }
        }
    }
}

#[test]
fn a_bounce_is_the_same_to_the_bit_in_every_run_and_block_size() {
    let _alone = alone();
    let input = noise(50_000);
    let mut host = Host::new();
    host.set("Voice", 1.0).set("Sad", 0.7).set("Mix", 0.8);
    let reference = host
        .activate(44_100, 8192, Offline)
        .render(&input, &[512], Free);
    assert!(rms(&reference[20_000..]) > 0.05);
    host.reset();
    assert!(
        host.render(&input, &[512], Free) == reference,
        "after a reset"
    );
    for blocks in [&[1][..], &[64], &[441], &[8192], &[1, 500, 8192, 33, 7]] {
        host.reset();
        assert!(
            host.render(&input, blocks, Free) == reference,
            "blocks of {blocks:?}"
        );
    }
    let state = host.save();
    let mut other = Host::new();
    other.load(&state);
    let again = other
        .activate(44_100, 8192, Offline)
        .render(&input, &[999], Free);
    assert!(again == reference, "in another instance");
}

#[test]
fn bypass_and_mix_are_aligned_with_the_voice() {
    let _alone = alone();
    let input = noise(40_000);
    let mut host = Host::new();
    host.activate(48_000, 256, Offline);
    let latency = host.latency();
    let delayed = &input[..input.len() - latency];
    host.set("Bypass", 1.0).block(&[0.0; 256]);
    host.reset();
    assert!(
        host.render(&input, &[256], Free)[latency..] == *delayed,
        "bypass is exact"
    );
    host.set("Bypass", 0.0).set("Mix", 0.0).block(&[0.0; 256]);
    host.reset();
    assert!(
        host.render(&input, &[256], Free)[latency..] == *delayed,
        "dry is exact"
    );
    // Half of a voice that is the input itself must not comb.
    host.set("Mix", 0.5).block(&[0.0; 256]);
    host.reset();
    let tone = sine(48_000, 1000.0, 40_000);
    let half = host.render(&tone, &[256], Free);
    let error: Vec<f32> = half[latency..]
        .iter()
        .zip(&tone)
        .map(|(a, b)| a - b)
        .collect();
    assert!(rms(&error[10_000..]) < 0.02, "{}", rms(&error[10_000..]));
}

#[test]
fn controls_are_heard() {
    let _alone = alone();
    let tone = sine(48_000, 1000.0, 30_000);
    let mut host = Host::new();
    let level = |host: &mut Host| {
        host.reset();
        rms(&host.render(&tone, &[128], Free)[20_000..])
    };
    host.activate(48_000, 128, Offline);
    let plain = level(&mut host);
    host.set("Sad", 1.0).block(&[0.0; 128]);
    assert!(
        (level(&mut host) / plain - 0.5).abs() < 0.02,
        "the toy's sad voice is half as loud"
    );
    host.set("Emotion strength", 0.0).block(&[0.0; 128]);
    assert!((level(&mut host) / plain - 1.0).abs() < 0.02);
    host.set("Output gain", 0.5 + 12.0 / 48.0)
        .block(&[0.0; 128]);
    assert!((level(&mut host) / plain - 3.98).abs() < 0.1, "12 dB");
    host.set("Output gain", 0.5)
        .set("Gate", 1.0)
        .set("Input gain", 0.0)
        .block(&[0.0; 128]);
    assert!(level(&mut host) < 1e-3, "the gate closes");
}

#[test]
fn the_state_keeps_voices_by_name() {
    let _alone = alone();
    let mut host = Host::new();
    host.activate(48_000, 512, Offline)
        .set("Voice", 1.0)
        .set("Pitch", 0.25)
        .block(&[0.0; 4096]);
    host.block(&[0.0; 512]);
    let state = host.save();
    let text = String::from_utf8_lossy(&state).into_owned();
    assert!(text.contains("Ring"), "{text}");
    let tone = sine(48_000, 1000.0, 20_000);
    host.reset();
    let ring = host.render(&tone, &[512], Free);
    drop(host);

    // The same pack in another version: one voice more, another order.
    let folder = tempfile::tempdir().unwrap();
    toy::write_pack(folder.path(), "Toy", &["Ring", "New", "Through"]);
    toy::point_at(&toy::engine(), folder.path());
    let mut host = Host::new();
    host.load(&state);
    let output = host
        .activate(48_000, 512, Offline)
        .render(&tone, &[512], Free);
    assert_eq!(host.get("Pitch"), 0.25);
    assert!(output == ring, "it is still the voice Ring");
    assert_eq!(host.text("Voice", 1.0), "Ring");

    // A pack without that voice: the first voice, and the name is kept for later.
    toy::write_pack(folder.path(), "Toy", &["Through", "New"]);
    let mut host = Host::new();
    host.load(&state);
    let output = host
        .activate(48_000, 512, Offline)
        .render(&tone, &[512], Free);
    assert!(
        output != ring && rms(&output[10_000..]) > 0.3,
        "the first voice speaks"
    );
    assert!(String::from_utf8_lossy(&host.save()).contains("Ring"));
    let own = tempfile::tempdir().unwrap().keep();
    toy::write_pack(&own, "Toy", &["Through", "Ring"]);
    toy::point_at(&toy::engine(), &own);
}

#[test]
fn delay_mode_asks_for_a_restart_and_changes_the_latency_only_then() {
    let _alone = alone();
    let mut host = Host::new();
    host.activate(48_000, 256, Realtime);
    let low = host.latency();
    let before = host.restarts();
    host.set("Delay mode", 1.0).block(&[0.0; 256]);
    host.block(&[0.0; 256]);
    assert_eq!(host.latency(), low);
    assert_eq!(host.restarts(), before + 1);
    host.activate(48_000, 256, Realtime);
    assert!(host.latency() >= low + 960, "{} and {low}", host.latency());
}

#[test]
fn silence_in_silence_out_and_nan_does_no_lasting_harm() {
    let _alone = alone();
    let mut host = Host::new();
    host.activate(48_000, 512, Offline);
    assert!(
        host.render(&[0.0; 20_000], &[512], Free)
            .iter()
            .all(|&x| x == 0.0)
    );
    host.block(&[f32::NAN; 512]);
    host.block(&[f32::INFINITY; 512]);
    let tone = sine(48_000, 500.0, 40_000);
    let output = host.render(&tone, &[512], Free);
    assert!(output[20_000..].iter().all(|x| x.is_finite()));
    assert!((rms(&output[20_000..]) / rms(&tone) - 1.0).abs() < 0.02);
}
