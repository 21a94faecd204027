//! The audio thread under RealtimeSanitizer: an allocation, a contended lock or a system call in
//! `process` ends the program (exit code 43). It checks only where the sanitizer is linked:
//!
//! ```sh
//! RTSAN_ENABLE=1 RTSAN_LIB_PATH=$(rustc --print target-libdir)/librustc-stable_rt.rtsan.a \
//!     cargo test -p mien-tests --test rtsan
//! ```
//!
//! Without these variables it is an ordinary live run.

use std::process::Command;

use mien_host::RenderMode::{Offline, Realtime};
use mien_tests::host::Speed::Realtime as Paced;
use mien_tests::sound::{rms, sine};
use mien_tests::{Host, toy};

/// Of `cargo xtask test`, which runs this file once with the sanitizer and once without.
const ENABLED: &str = "RTSAN_ENABLE";

#[rtsan_standalone::nonblocking]
fn allocates() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(12_345)));
}

/// The other test would pass without the sanitizer.
#[test]
fn the_sanitizer_ends_a_program_that_allocates() {
    const CHILD: &str = "MIEN_ALLOCATE_IN_VAIN";
    if std::env::var_os(CHILD).is_some() {
        allocates();
        return;
    }
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_sanitizer_ends_a_program_that_allocates"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    let found = ended.status.code() == Some(43) && said.contains("malloc");
    assert_eq!(found, std::env::var_os(ENABLED).is_some(), "{said}");
}

#[test]
fn the_audio_thread_does_nothing_that_can_wait() {
    let _packs = toy::install();
    let switches = toy::Switches::new();
    let mut host = Host::new();
    host.activate(48_000, 512, Offline).block(&[0.0; 512]);
    host.activate(48_000, 512, Realtime);
    let tone = sine(48_000, 300.0, 24_000);
    let live = host.render(&tone, &[64, 512, 1, 480], Paced);
    assert!(rms(&live[12_000..]) > 0.2);
    // Every way through the code: parameters, a dropout, a failing engine, a reset.
    host.set("Voice", 1.0)
        .set("Mix", 0.5)
        .set("Gate", 0.7)
        .set("Bypass", 1.0);
    host.render(&tone, &[64], Paced);
    host.set("Bypass", 0.0);
    switches.slow(30_000);
    host.render(&tone, &[64], Paced);
    switches.slow(0);
    host.reset();
    switches.fail(true);
    host.render(&tone, &[64], Paced);
    switches.fail(false);
}
