//! The audio thread under RealtimeSanitizer: an allocation, a contended lock or a system call in
//! `process` ends the program (exit code 43). It checks only where the sanitizer is linked:
//!
//! ```sh
//! RTSAN_ENABLE=1 RTSAN_LIB_PATH=$(rustc --print target-libdir)/librustc-stable_rt.rtsan.a \
//!     cargo test -p mien-tests --test rtsan
//! ```
//!
//! Without these variables it is an ordinary live run.

use mien_host::RenderMode::{Offline, Realtime};
use mien_tests::host::Speed::Realtime as Paced;
use mien_tests::sound::{rms, sine};
use mien_tests::{Host, toy};

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
