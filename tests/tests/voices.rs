//! Voices that the user makes, and packs that come and go, on the engine's threads.

use std::sync::Arc;
use std::time::Duration;

use mien::engine::EngineHost;
use mien::params::{Selection, VoiceNames};
use mien::shared::{EngineState, Shared};
use mien_face::Voice;
use mien_tests::sound::noise;
use mien_tests::toy;

/// An engine, and what it shares.
fn engine() -> (EngineHost, Arc<Shared>, Arc<std::sync::Mutex<Selection>>) {
    let shared = Shared::new();
    let selection = Arc::<std::sync::Mutex<Selection>>::default();
    let names = Arc::<VoiceNames>::default();
    let host = EngineHost::start(shared.clone(), selection.clone(), names).unwrap();
    host.choose();
    host.wait_ready(Duration::from_secs(20));
    (host, shared, selection)
}

fn voices(shared: &Shared) -> Vec<String> {
    let slow = shared.slow();
    let pack = slow.pack.clone().unwrap_or_default();
    pack.voices
        .iter()
        .map(|voice: &Voice| voice.name.clone())
        .collect()
}

#[test]
fn packs_and_own_voices_come_and_go() {
    let home = tempfile::tempdir().unwrap();
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("XDG_DATA_HOME", home.path()) };
    let packs = toy::install();
    let (host, shared, selection) = engine();
    assert_eq!(shared.slow().status.state, EngineState::Live);

    // A voice of one's own follows the pack's, and is chosen.
    let remote = host.remote();
    remote.make_voice("Me".into(), noise(48_000), 48_000);
    host.wait_ready(Duration::from_secs(20));
    assert_eq!(
        shared.slow().my_voice,
        mien_panel::MyVoice::Done("Me".into())
    );
    assert_eq!(voices(&shared), ["Through", "Ring", "Me"]);
    assert_eq!(shared.slow().voices.weights[0].index, 2);
    let state = selection.lock().unwrap().clone();
    assert_eq!(state.own.len(), 1, "the state holds the embedding");

    // Its name must be its own, and the recording must hold something.
    remote.make_voice("Ring".into(), noise(48_000), 48_000);
    host.wait_ready(Duration::from_secs(20));
    assert!(matches!(
        shared.slow().my_voice,
        mien_panel::MyVoice::Failed(_)
    ));

    // Another instance finds it; one on another machine has it from the state.
    let (_other, other, _) = engine();
    assert_eq!(voices(&other), ["Through", "Ring", "Me"]);
    remote.forget_voice("Me".into());
    host.wait_ready(Duration::from_secs(20));
    assert_eq!(voices(&shared), ["Through", "Ring"]);
    host.select(state);
    host.wait_ready(Duration::from_secs(20));
    assert_eq!(voices(&shared), ["Through", "Ring", "Me"]);

    // A pack that is not there any more: another one speaks, and a note says so.
    let gone = packs.path().join("Toy.mien");
    std::fs::remove_file(gone).unwrap();
    toy::write_pack(packs.path(), "Next", &["Alto"]);
    host.reload();
    host.wait_ready(Duration::from_secs(20));
    let status = shared.slow().status.clone();
    assert_eq!(status.state, EngineState::Live);
    assert!(status.note.contains("Toy"), "{status:?}");
    assert_eq!(shared.slow().pack.as_ref().unwrap().name, "Next");

    // A file that only looks like a pack is no pack: another one speaks, or the panel says that
    // none is there (the shipped one is found in a source tree).
    std::fs::write(packs.path().join("Next.mien"), b"rubbish").unwrap();
    host.reload();
    host.wait_ready(Duration::from_secs(20));
    let slow = shared.slow();
    assert!(slow.packs.iter().all(|pack| pack.card.name != "Next"));
    let told = [&slow.status.text, &slow.status.note];
    assert!(
        told.iter().any(|text| !text.is_empty()),
        "{:?}",
        slow.status
    );
}
