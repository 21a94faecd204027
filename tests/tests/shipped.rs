//! The shipped engine and pack, where they are installed (`cargo xtask test` sees to it): the CLAP
//! plugin, and the program's word for the same sound. One test, because libtorch takes its time.

use std::process::Command;
use std::time::Instant;

use mien::engine::search;
use mien_audio::{Depth, Sound, decode, write};
use mien_host::RenderMode::{Offline, Realtime};
use mien_tests::host::Speed::Free;
use mien_tests::sound::rms;
use mien_tests::{Host, toy};

/// Latency at 48 kHz and blocks of 128 that must not be passed, in ms.
const MOST_MS: f64 = 60.0;

/// Growth of the process' memory over a minute of sound that must not be passed, in KiB: a fifth of what one lost
/// tensor a frame would come to.
const MOST_GROWTH: u64 = 1024;

/// Kilobytes of this process that lie in memory.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Asks that converting on and on, with resets between, takes no more memory than it did after a while.
fn assert_memory_stays(host: &mut Host, sound: &[f32]) {
    let mut minute = || {
        for _ in 0..20 {
            host.render(sound, &[128], Free);
            host.reset();
        }
        resident()
    };
    let (Some(before), Some(after)) = (minute(), minute()) else {
        return;
    };
    println!("{before} KiB resident, a minute of sound later {after}");
    assert!(
        after < before + MOST_GROWTH,
        "memory grew from {before} to {after} KiB"
    );
}

#[test]
fn the_shipped_voices_convert() {
    let engine = search::find_engine().ok();
    let packs = search::packs(engine.as_deref());
    let (Some(engine), Some(pack)) = (engine, packs.first()) else {
        println!("skipped: no engine or no pack is installed");
        return;
    };
    let speech = concat!(env!("CARGO_MANIFEST_DIR"), "/speech/daniel.flac");
    let speech = decode(speech).unwrap();
    let (rate, input) = (
        48_000,
        mien_audio::resample(&speech.mono(), speech.rate, 48_000),
    );
    let input = &input[..3 * rate as usize];

    let mut host = Host::new();
    host.activate(rate, 128, Realtime);
    let latency = host.latency();
    let ms = latency as f64 / 48.0;
    println!("{}: latency {ms:.1} ms at block 128", pack.card.name);
    assert!(ms <= MOST_MS);

    let mut voices = Vec::new();
    for voice in [0.0, 1.0] {
        host.activate(rate, 128, Offline)
            .set("Voice", voice)
            .block(&[0.0; 128]);
        host.reset();
        let started = Instant::now();
        let padded: Vec<f32> = input.iter().copied().chain(vec![0.0; latency]).collect();
        let output = host.render(&padded, &[128], Free);
        println!("3 s in {:.2} s", started.elapsed().as_secs_f64());
        host.reset();
        assert!(
            host.render(&padded, &[999], Free) == output,
            "the same bits"
        );
        voices.push(output[latency..].to_vec());
    }
    let loud = rms(&voices[0]);
    assert!(loud > 0.2 * rms(input));
    let difference: Vec<f32> = voices[0]
        .iter()
        .zip(&voices[1])
        .map(|(a, b)| a - b)
        .collect();
    assert!(rms(&difference) > 0.3 * loud, "two voices are two voices");
    assert_memory_stays(&mut host, input);

    let Some(program) = toy::bundled_program() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("in.wav"), folder.path().join("out.wav"));
    write(
        &from,
        &Sound::from_mono(input.to_vec(), rate),
        Depth::Float32,
    )
    .unwrap();
    let done = Command::new(program)
        .arg("convert")
        .args([&from, std::path::Path::new("-o"), &to])
        .env("MIEN_ENGINE", engine)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let converted = decode(&to).unwrap().mono();
    let error: Vec<f32> = converted
        .iter()
        .zip(&voices[0])
        .map(|(a, b)| a - b)
        .collect();
    println!(
        "the program and the bounce differ by {:.2e}",
        rms(&error) / loud
    );
    assert!(
        rms(&error) < 1e-4 * loud,
        "the program makes the bounce's sound"
    );
}
