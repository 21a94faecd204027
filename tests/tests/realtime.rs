//! What happens when time is short: a slow engine, a failing one, a host that is too fast, a pack
//! that is exchanged while it speaks. One test at a time: they are about time.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use mien_host::RenderMode::{Offline, Realtime};
use mien_tests::host::Speed::{Free, Realtime as Paced};
use mien_tests::sound::{centre, click, rms, sine};
use mien_tests::{Host, toy};
use tempfile::TempDir;

fn alone() -> MutexGuard<'static, ()> {
    static PACKS: OnceLock<TempDir> = OnceLock::new();
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    PACKS.get_or_init(toy::install);
    guard
}

const RATE: u32 = 48_000;
const BLOCK: usize = 128;

/// A plugin in real-time mode whose engine is ready.
fn ready() -> Host {
    let mut host = Host::new();
    host.activate(RATE, BLOCK as u32, Offline)
        .block(&[0.0; BLOCK]);
    host.activate(RATE, BLOCK as u32, Realtime);
    host
}

/// Sends a click live, and compares its delay with the reported one. On a machine that is busy with
/// other things the click may be lost; then there is nothing to measure, and it is sent again.
fn assert_delay(host: &mut Host, latency: usize) {
    let input = click(RATE, 10_000, 20_000);
    for _ in 0..10 {
        let output = host.render(&input, &[BLOCK], Paced);
        if (rms(&output) / rms(&input) - 1.0).abs() < 0.02 {
            let late = centre(&output) - centre(&input);
            assert!(
                (late - latency as f64).abs() < 0.6,
                "{late} instead of {latency}"
            );
            return;
        }
    }
    panic!("none of ten clicks came back whole");
}

/// Longest stretch of exact silence.
fn longest_hole(sound: &[f32]) -> usize {
    let mut longest = 0;
    let mut current = 0;
    for &sample in sound {
        current = if sample.abs() < 1e-6 { current + 1 } else { 0 };
        longest = longest.max(current);
    }
    longest
}

/// Steepest step from one sample to the next.
fn steepest(sound: &[f32]) -> f32 {
    sound
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .fold(0.0, f32::max)
}

#[test]
fn a_live_run_is_complete_and_as_late_as_reported() {
    let _alone = alone();
    let mut host = ready();
    let latency = host.latency();
    assert_delay(&mut host, latency);
}

#[test]
fn a_host_that_is_faster_than_real_time_loses_nothing() {
    let _alone = alone();
    let tone = sine(RATE, 440.0, 5 * RATE as usize);
    let mut host = Host::new();
    host.activate(RATE, BLOCK as u32, Offline)
        .block(&[0.0; BLOCK]);
    host.reset();
    let offline = host.render(&tone, &[BLOCK], Free);
    host.activate(RATE, BLOCK as u32, Realtime);
    let started = Instant::now();
    let fast = host.render(&tone, &[BLOCK], Free);
    println!(
        "5 s in {:.2} s, though in real-time mode",
        started.elapsed().as_secs_f64()
    );
    let same = fast.iter().zip(&offline).filter(|(a, b)| a == b).count();
    println!("{same} of {} samples are the bounce's", fast.len());
    // Before the host is known to be fast, a short loss would be allowed; none is expected where
    // a core is free.
    assert!(same as f64 > 0.99 * fast.len() as f64);
    assert!(steepest(&fast[10_000..]) < 0.1, "and there is no click");
}

#[test]
fn after_an_overload_the_delay_is_what_it_was() {
    let _alone = alone();
    let toy = toy::Switches::new();
    let mut host = ready();
    let latency = host.latency();
    let tone = sine(RATE, 440.0, RATE as usize / 2);
    host.render(&tone, &[BLOCK], Paced);
    // Slower than real time: worked off one by one, the backlog would grow to a fifth of a second.
    toy.slow(12_000);
    let choppy = host.render(&sine(RATE, 440.0, RATE as usize), &[BLOCK], Paced);
    toy.slow(0);
    assert!(
        rms(&choppy) > 0.03,
        "parts of the voice still come: {}",
        rms(&choppy)
    );
    assert!(
        steepest(&choppy) < 0.35,
        "holes are faded: {}",
        steepest(&choppy)
    );
    host.render(&vec![0.0; RATE as usize / 2], &[BLOCK], Paced);
    assert_delay(&mut host, latency);
}

#[test]
fn a_standstill_of_seconds_leaves_no_delay() {
    let _alone = alone();
    let toy = toy::Switches::new();
    let mut host = ready();
    let latency = host.latency();
    host.render(&sine(RATE, 440.0, 10_000), &[BLOCK], Paced);
    // One step that takes longer than the rings are long.
    toy.slow(1_600_000);
    host.render(&sine(RATE, 440.0, 2 * RATE as usize), &[BLOCK], Paced);
    toy.slow(0);
    host.render(&vec![0.0; 2 * RATE as usize], &[BLOCK], Paced);
    assert_delay(&mut host, latency);
}

#[test]
fn a_failing_engine_gives_way_to_the_dry_voice() {
    let _alone = alone();
    let toy = toy::Switches::new();
    let mut host = ready();
    let latency = host.latency();
    let tone = sine(RATE, 440.0, RATE as usize);
    host.render(&tone, &[BLOCK], Paced);
    toy.fail(true);
    host.render(&tone, &[BLOCK], Paced);
    let input = click(RATE, 10_000, 20_000);
    let output = host.render(&input, &[BLOCK], Paced);
    toy.fail(false);
    assert!(
        output[latency..] == input[..input.len() - latency],
        "dry, and exactly delayed"
    );
}

#[test]
fn a_voice_changes_without_a_hole() {
    let _alone = alone();
    let mut host = ready();
    let tone = sine(RATE, 440.0, RATE as usize / 2);
    host.render(&tone, &[BLOCK], Paced);
    // A busy machine may tear a hole of its own into one of the runs.
    let holes = [1.0, 0.0, 1.0, 0.0, 1.0].map(|voice| {
        host.set("Voice", voice);
        longest_hole(&host.render(&tone, &[BLOCK], Paced))
    });
    assert!(holes.iter().any(|&hole| hole < 10), "{holes:?}");
}
