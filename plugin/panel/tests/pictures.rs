//! Pictures of the panel: both themes, three sizes, every page and every state. They lie in
//! `tests/snapshots`; after a wanted change run with `UPDATE_SNAPSHOTS=1` and look at them.

mod common;

use common::App;
use common::{Setup, session, settle, standalone};
use egui_kittest::kittest::Queryable;
use egui_kittest::{Harness, SnapshotResults};
use mien_panel::{EngineStatus, MyVoice, Page, PanelState, ParamId};

/// Takes a picture. The results of a test are kept together, since each picture has a harness of
/// its own and all of them are to be compared before the test fails.
fn shot(results: &mut SnapshotResults, harness: &mut Harness<'static, App>, name: &str) {
    results.add(harness.try_snapshot(name));
}

#[test]
fn both_themes() {
    let mut results = SnapshotResults::new();
    shot(
        &mut results,
        &mut Setup::default().start(session()),
        "main dark",
    );
    shot(
        &mut results,
        &mut Setup::default().light().start(session()),
        "main light",
    );
}

#[test]
fn three_sizes() {
    let mut results = SnapshotResults::new();
    shot(
        &mut results,
        &mut Setup::default().sized(900.0, 560.0, 0.75).start(session()),
        "size 75",
    );
    shot(
        &mut results,
        &mut Setup::default()
            .light()
            .sized(900.0, 560.0, 2.0)
            .start(session()),
        "size 200",
    );
    shot(
        &mut results,
        &mut Setup::default().sized(1300.0, 760.0, 1.0).start(session()),
        "size roomy",
    );
    shot(
        &mut results,
        &mut Setup::default().sized(675.0, 420.0, 1.0).start(session()),
        "size cramped",
    );
}

#[test]
fn a_morph() {
    let mut results = SnapshotResults::new();
    let mut state = session();
    state.morph = vec![
        ("Ines".into(), 0.55),
        ("Oskar".into(), 0.15),
        ("Maren".into(), 0.3),
        ("Henrik".into(), 0.0),
    ];
    shot(
        &mut results,
        &mut Setup::default().start(state.clone()),
        "morph dark",
    );
    shot(
        &mut results,
        &mut Setup::default().light().start(state),
        "morph light",
    );
}

/// Dark and light in turn: each theme is seen with each kind of content, and the repository is
/// spared the other half.
fn themed(index: usize) -> (Setup, &'static str) {
    match index % 2 {
        0 => (Setup::default(), "dark"),
        _ => (Setup::default().light(), "light"),
    }
}

#[test]
fn pages() {
    let mut results = SnapshotResults::new();
    let pages = [(Page::Settings, "settings"), (Page::Help, "help")];
    for (index, (page, name)) in pages.into_iter().enumerate() {
        let (setup, theme) = themed(index);
        let mut harness = setup.start(session());
        harness.state_mut().panel.open_page(Some(page));
        settle(&mut harness);
        shot(&mut results, &mut harness, &format!("{name} {theme}"));
    }
}

#[test]
fn standalone_pages() {
    let mut results = SnapshotResults::new();
    let state = PanelState {
        standalone: Some(standalone()),
        ..session()
    };
    let tabs = [
        ("Devices", "devices"),
        ("Record & play", "files"),
        ("Routing", "routing"),
        ("MIDI & keys", "midi"),
    ];
    for (index, (tab, name)) in tabs.into_iter().enumerate() {
        let (setup, theme) = themed(index);
        let mut harness = setup.start(state.clone());
        harness.state_mut().panel.open_page(Some(Page::Standalone));
        settle(&mut harness);
        harness.get_by_label(&format!("Audio: {tab}")).click();
        settle(&mut harness);
        harness.remove_cursor();
        settle(&mut harness);
        shot(&mut results, &mut harness, &format!("audio {name} {theme}"));
    }
}

#[test]
fn first_steps() {
    let mut results = SnapshotResults::new();
    let mut setup = Setup::default();
    setup.memory.welcomed = false;
    let mut harness = setup.start(session());
    shot(&mut results, &mut harness, "first steps 1");
    harness.get_by_label("Next").click();
    settle(&mut harness);
    shot(&mut results, &mut harness, "first steps 2");
    harness.get_by_label("Next").click();
    settle(&mut harness);
    shot(&mut results, &mut harness, "first steps 3");
}

#[test]
fn menus_and_tips() {
    let mut results = SnapshotResults::new();
    let mut harness = Setup::default().start(session());
    harness.get_by_label("Presets").click();
    settle(&mut harness);
    shot(&mut results, &mut harness, "presets menu");
    let mut harness = Setup::default().start(session());
    harness.get_by_label("Delay: 22.3 milliseconds").hover();
    harness.run_steps(40);
    shot(&mut results, &mut harness, "delay parts");
    let mut harness = Setup::default().light().start(session());
    harness.get_by_label("Formant").hover();
    harness.run_steps(40);
    shot(&mut results, &mut harness, "tooltip");
    let mut harness = Setup::default().start(session());
    harness.get_by_label("Add my voice").click();
    settle(&mut harness);
    harness.state_mut().state.my_voice = MyVoice::Recording {
        seconds: 6.0,
        wanted: 15.0,
    };
    harness.remove_cursor();
    settle(&mut harness);
    shot(&mut results, &mut harness, "my voice");
}

/// A session without speech.
fn quiet() -> PanelState {
    let mut state = session();
    state.live.columns.clear();
    state.live.mean_f0_hz = 0.0;
    state.meters = Default::default();
    state
}

#[test]
fn every_state() {
    let mut results = SnapshotResults::new();
    let missing = PanelState {
        engine: EngineStatus::EngineMissing {
            reason: "libmien_models.so: cannot open shared object file.".into(),
            searched: vec!["/usr/lib/mien/libmien_models.so".into()],
        },
        voices: Vec::new(),
        morph: Vec::new(),
        packs: Vec::new(),
        latency: Vec::new(),
        ..quiet()
    };
    let no_pack = PanelState {
        engine: EngineStatus::PackMissing {
            folder: "/home/ada/.local/share/mien/packs".into(),
        },
        ..missing.clone()
    };
    let loading = PanelState {
        engine: EngineStatus::LoadingPack {
            name: "Mien voices".into(),
            progress: Some(0.4),
        },
        ..session()
    };
    let mut overload = session();
    overload.load.overloaded = true;
    overload.load.share = 1.2;
    overload.load.dropouts = 37;
    let mut odd_rate = quiet();
    odd_rate.host.sample_rate = 1_536_000.0;
    odd_rate.host.rate_supported = false;
    let mut no_input = quiet();
    no_input.meters.silent_for_s = 9.0;
    let mut clipping = session();
    clipping.meters.input_db = 0.0;
    clipping.meters.input_hold_db = 0.0;
    clipping.meters.input_clipped = true;
    let mut bypassed = session();
    bypassed.values.set(ParamId::Bypass, 1.0);
    let mut unplugged = PanelState {
        standalone: Some(standalone()),
        ..quiet()
    };
    if let Some(own) = &mut unplugged.standalone {
        own.problem = Some("“USB microphone” was unplugged. Plug it in again and Mien goes on by itself, or choose another input.".into());
    }
    let states = [
        ("engine missing", missing),
        ("pack missing", no_pack),
        ("pack loading", loading),
        ("overload", overload),
        ("odd rate", odd_rate),
        ("no input", no_input),
        ("clipping", clipping),
        ("bypassed", bypassed),
        ("unplugged", unplugged),
    ];
    // A wait that became long.
    for (name, engine) in [
        ("long start", EngineStatus::Starting),
        ("long loading", states[2].1.engine.clone()),
    ] {
        let mut harness = Setup::default().start(PanelState {
            engine,
            ..session()
        });
        harness.run_steps(130);
        shot(&mut results, &mut harness, &format!("state {name} dark"));
    }
    for (index, (name, state)) in states.into_iter().enumerate() {
        let (setup, theme) = themed(index);
        shot(
            &mut results,
            &mut setup.start(state),
            &format!("state {name} {theme}"),
        );
    }
}
