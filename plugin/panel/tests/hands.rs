//! A person at the panel: pointer, typing, keyboard only, and a screen reader.

mod common;

use common::{App, Setup, session, settle, standalone};
use egui::{Key, Modifiers, PointerButton, Pos2, Vec2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use mien_panel::{
    EngineStatus, FilePurpose, Memory, Page, PanelAction, PanelState, ParamId, Sound,
    StandaloneAction,
};

type Hands = Harness<'static, App>;

fn start() -> Hands {
    Setup::default().start(session())
}

/// What was asked for since the last call.
fn taken(harness: &mut Hands) -> Vec<PanelAction> {
    std::mem::take(&mut harness.state_mut().actions)
}

fn click(harness: &mut Hands, label: &str) {
    harness.get_by_label(label).click();
    settle(harness);
}

fn drag(harness: &mut Hands, from: Pos2, by: Vec2, modifiers: Modifiers) {
    let button = |pos, pressed| egui::Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers,
    };
    harness.event(egui::Event::ModifiersChanged(modifiers));
    harness.hover_at(from);
    harness.step();
    harness.event(button(from, true));
    harness.step();
    for step in 1..=8 {
        harness.event(egui::Event::PointerMoved(from + by * (step as f32 / 8.0)));
        harness.step();
    }
    harness.event(button(from + by, false));
    harness.event(egui::Event::ModifiersChanged(Modifiers::NONE));
    settle(harness);
}

fn double_click(harness: &mut Hands, at: Pos2) {
    for _ in 0..2 {
        harness.drag_at(at);
        harness.step();
        harness.drop_at(at);
        harness.step();
    }
    settle(harness);
}

fn value(harness: &Hands, param: ParamId) -> f32 {
    harness.state().state.values.get(param)
}

/// Every set lies inside a gesture of its parameter, and every gesture is ended.
fn assert_gestures(actions: &[PanelAction]) {
    let mut open = Vec::new();
    for action in actions {
        match action {
            PanelAction::BeginGesture(param) => {
                assert!(!open.contains(param), "{param:?} was begun twice");
                open.push(*param);
            }
            PanelAction::Set(param, value) => {
                assert!(open.contains(param), "{param:?} was set outside a gesture");
                assert_eq!(*value, param.spec().clamp(*value));
            }
            PanelAction::EndGesture(param) => {
                assert!(open.contains(param), "{param:?} was ended but not begun");
                open.retain(|other| other != param);
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "{open:?} were not ended");
}

#[test]
fn a_slider_is_dragged_finely_and_reset() {
    let mut harness = start();
    let rect = harness.get_by_label("Intonation").rect();
    let thumb = Pos2::new(rect.center().x, rect.bottom() - 8.0);
    drag(&mut harness, thumb, vec2(40.0, 0.0), Modifiers::NONE);
    let coarse = value(&harness, ParamId::Intonation);
    assert!(coarse > 1.25, "{coarse}");
    let actions = taken(&mut harness);
    assert_gestures(&actions);
    assert_eq!(
        actions.first(),
        Some(&PanelAction::BeginGesture(ParamId::Intonation))
    );
    assert_eq!(
        actions.last(),
        Some(&PanelAction::EndGesture(ParamId::Intonation))
    );
    drag(
        &mut harness,
        thumb + vec2(40.0, 0.0),
        vec2(-40.0, 0.0),
        Modifiers::SHIFT,
    );
    let fine = coarse - value(&harness, ParamId::Intonation);
    assert!(fine > 0.0 && fine < 0.08, "{fine}");
    double_click(&mut harness, thumb);
    assert_eq!(value(&harness, ParamId::Intonation), 1.0);
    assert_gestures(&taken(&mut harness));
}

#[test]
fn automation_does_not_tear_a_control_from_the_hand() {
    let mut harness = start();
    harness.state_mut().carry_out = false;
    let rect = harness.get_by_label("Breath").rect();
    let from = Pos2::new(rect.center().x, rect.bottom() - 8.0);
    harness.hover_at(from);
    harness.step();
    harness.drag_at(from);
    harness.step();
    harness.hover_at(from + vec2(50.0, 0.0));
    harness.step();
    // The host writes something else meanwhile: the control stays in the hand.
    harness.state_mut().state.values.set(ParamId::Breath, 0.0);
    harness.step();
    let shown = harness.get_by_label("Breath").value();
    assert_ne!(shown.as_deref(), Some("0 %"));
    harness.drop_at(from + vec2(50.0, 0.0));
    harness.run_steps(30);
    assert_eq!(
        harness.get_by_label("Breath").value().as_deref(),
        Some("0 %"),
        "afterwards the host's value shows"
    );
}

#[test]
fn values_are_typed() {
    let mut harness = start();
    let rect = harness.get_by_label("Pitch").rect();
    let number = Pos2::new(rect.right() - 14.0, rect.top() + 9.0);
    harness.drag_at(number);
    harness.step();
    harness.drop_at(number);
    settle(&mut harness);
    harness.get_by_label("Pitch value").type_text("-3 st 50 ct");
    harness.key_press(Key::Enter);
    settle(&mut harness);
    assert_eq!(value(&harness, ParamId::Pitch), -3.5);
    assert_gestures(&taken(&mut harness));
}

#[test]
fn the_keyboard_alone_moves_a_slider() {
    let mut harness = start();
    harness.get_by_label("Formant").focus();
    settle(&mut harness);
    let before = value(&harness, ParamId::Formant);
    for _ in 0..4 {
        harness.key_press(Key::ArrowRight);
        harness.step();
    }
    assert!((value(&harness, ParamId::Formant) - before - 0.2).abs() < 1e-3);
    harness.key_press(Key::Home);
    harness.step();
    assert_eq!(value(&harness, ParamId::Formant), -6.0);
    harness.key_press(Key::Delete);
    harness.step();
    assert_eq!(value(&harness, ParamId::Formant), 0.0);
    harness.event(egui::Event::Text("2".into()));
    settle(&mut harness);
    harness.key_press(Key::Enter);
    settle(&mut harness);
    assert_eq!(value(&harness, ParamId::Formant), 2.0);
    // The keyboard is back at the slider.
    harness.key_press(Key::Delete);
    settle(&mut harness);
    assert_eq!(value(&harness, ParamId::Formant), 0.0);
    harness.key_press(Key::Enter);
    settle(&mut harness);
    harness.key_press(Key::Escape);
    settle(&mut harness);
    harness.key_press(Key::ArrowRight);
    settle(&mut harness);
    assert!(value(&harness, ParamId::Formant) > 0.0);
    assert_gestures(&taken(&mut harness));
}

#[test]
fn tab_reaches_every_control() {
    let mut harness = start();
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..80 {
        harness.key_press(Key::Tab);
        harness.step();
        let focused = harness
            .root()
            .children_recursive()
            .find(|node| node.is_focused());
        if let Some(label) = focused.and_then(|node| node.accesskit_node().label()) {
            names.insert(label);
        }
    }
    for wanted in [
        "Presets",
        "Compare: B",
        "Input gain",
        "Mix",
        "Output gain",
        "Settings",
        "Help",
        "Bypass",
        "Search voices",
        "Voices: Morph",
        "Ines",
        "Tobias",
        "Emotion wheel",
        "Happy",
        "Calm",
        "Emotion strength",
        "Stage anger",
        "Pitch",
        "Match pitch",
        "Formant",
        "Intonation",
        "Breath",
        "Gate",
    ] {
        assert!(
            names.contains(wanted),
            "Tab does not reach {wanted}; it reaches {names:?}"
        );
    }
}

#[test]
fn a_screen_reader_sets_values() {
    let mut harness = start();
    harness.get_by_label("Mix").set_value_accesskit(0.25);
    settle(&mut harness);
    assert_eq!(value(&harness, ParamId::Mix), 0.25);
    assert_eq!(harness.get_by_label("Mix").value().as_deref(), Some("25 %"));
    harness.get_by_label("Gate").increment_accesskit();
    settle(&mut harness);
    assert_eq!(value(&harness, ParamId::Gate), -89.0);
    assert_gestures(&taken(&mut harness));
}

#[test]
fn voices_are_chosen_searched_and_starred() {
    let mut harness = start();
    click(&mut harness, "Tobias");
    assert!(taken(&mut harness).contains(&PanelAction::ChooseVoice("Tobias".into())));
    harness.get_by_label("Search voices").focus();
    settle(&mut harness);
    harness.get_by_label("Search voices").type_text("grainy");
    settle(&mut harness);
    assert!(harness.query_by_label("Oskar").is_some() && harness.query_by_label("Maren").is_none());
    // Enter takes the first one that was found; so does a card that has the focus.
    harness.key_press(Key::Enter);
    settle(&mut harness);
    assert!(taken(&mut harness).contains(&PanelAction::ChooseVoice("Oskar".into())));
    harness.get_by_label("Oskar").focus();
    settle(&mut harness);
    harness.key_press(Key::Enter);
    settle(&mut harness);
    assert!(taken(&mut harness).contains(&PanelAction::ChooseVoice("Oskar".into())));
    click(&mut harness, "Make Oskar a favourite");
    let remembered = taken(&mut harness)
        .into_iter()
        .find_map(|action| match action {
            PanelAction::Remember(memory) => Some(memory),
            _ => None,
        });
    assert_eq!(
        remembered.map(|memory: Memory| memory.favourites),
        Some(vec!["Ines".into(), "Oskar".into()])
    );
}

#[test]
fn voices_are_morphed() {
    let mut harness = start();
    click(&mut harness, "Voices: Morph");
    click(&mut harness, "Tobias");
    assert_eq!(harness.state().state.morph.len(), 2);
    let pad = harness.get_by_label("Morph pad").rect();
    drag(&mut harness, pad.center(), vec2(25.0, 0.0), Modifiers::NONE);
    let morph = harness.state().state.morph.clone();
    assert!(morph[1].1 > 0.6 && morph[0].1 > 0.05, "{morph:?}");
    assert!((morph[0].1 + morph[1].1 - 1.0).abs() < 1e-4);
    harness.get_by_label("Morph pad").focus();
    settle(&mut harness);
    harness.key_press(Key::ArrowLeft);
    settle(&mut harness);
    assert!(
        harness.state().state.morph[0].1 > morph[0].1,
        "an arrow key moves the dot"
    );
    click(&mut harness, "Voices: One");
    assert_eq!(
        harness.state().state.morph,
        vec![("Tobias".to_owned(), 1.0)]
    );
}

#[test]
fn a_voice_of_ones_own_is_added() {
    let mut harness = start();
    click(&mut harness, "Add my voice");
    harness.get_by_label("Name of my voice").focus();
    settle(&mut harness);
    harness.get_by_label("Name of my voice").type_text("Ada");
    settle(&mut harness);
    click(&mut harness, "Choose a recording…");
    click(&mut harness, "Record 15 seconds");
    let actions = taken(&mut harness);
    assert!(actions.contains(&PanelAction::Browse(FilePurpose::MyVoice("Ada".into()))));
    assert!(actions.contains(&PanelAction::RecordMyVoice {
        name: "Ada".into(),
        seconds: 15.0
    }));
}

#[test]
fn the_wheel_mixes_and_its_middle_is_neutral() {
    let mut harness = start();
    let wheel = harness.get_by_label("Emotion wheel").rect();
    drag(
        &mut harness,
        wheel.center() + vec2(30.0, 0.0),
        vec2(-75.0, -45.0),
        Modifiers::NONE,
    );
    assert!(
        value(&harness, ParamId::EmoAngry) > 0.3,
        "{:?}",
        harness.get_by_label("Emotion wheel").value()
    );
    assert_eq!(value(&harness, ParamId::EmoCalm), 0.0);
    assert_gestures(&taken(&mut harness));
    drag(
        &mut harness,
        wheel.center() + vec2(-50.0, 0.0),
        vec2(46.0, 3.0),
        Modifiers::NONE,
    );
    for param in mien_panel::params::EMOTION_PARAMS {
        assert_eq!(value(&harness, param), 0.0, "near the middle is neutral");
    }
    harness.get_by_label("Emotion wheel").focus();
    settle(&mut harness);
    for _ in 0..6 {
        harness.key_press(Key::ArrowDown);
        harness.step();
    }
    assert!(value(&harness, ParamId::EmoCalm) + value(&harness, ParamId::EmoSad) > 0.3);
    harness.key_press(Key::Home);
    settle(&mut harness);
    assert_eq!(value(&harness, ParamId::EmoCalm), 0.0);
    assert_gestures(&taken(&mut harness));
}

#[test]
fn presets_undo_redo_and_compare() {
    let mut harness = start();
    let before = harness.state().state.values;
    click(&mut harness, "Stage anger");
    assert_eq!(value(&harness, ParamId::EmoAngry), 0.95);
    assert_gestures(&taken(&mut harness));
    click(&mut harness, "Undo");
    assert_eq!(
        harness.state().state.values,
        before,
        "one step takes all of it back"
    );
    click(&mut harness, "Redo");
    assert_eq!(value(&harness, ParamId::EmoAngry), 0.95);
    click(&mut harness, "Copy A to B");
    click(&mut harness, "Compare: B");
    click(&mut harness, "Whispered calm");
    assert_eq!(value(&harness, ParamId::EmoAngry), 0.0);
    click(&mut harness, "Compare: A");
    assert_eq!(value(&harness, ParamId::EmoAngry), 0.95);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    settle(&mut harness);
    assert_gestures(&taken(&mut harness));
}

#[test]
fn presets_are_saved_and_loaded() {
    let mut harness = start();
    click(&mut harness, "Presets");
    harness.get_by_label("Name of the preset").focus();
    settle(&mut harness);
    harness
        .get_by_label("Name of the preset")
        .type_text("Evening");
    settle(&mut harness);
    click(&mut harness, "Save");
    let saved = taken(&mut harness)
        .into_iter()
        .find_map(|action| match action {
            PanelAction::SavePreset { name, sound } => Some((name, sound)),
            _ => None,
        });
    let (name, sound) = saved.expect("nothing was saved");
    assert_eq!(
        (name.as_str(), sound.values["emo_happy"]),
        ("Evening", 0.42)
    );
    assert_eq!(sound.voices, vec![("Ines".to_owned(), 1.0)]);
    click(&mut harness, "Presets");
    click(&mut harness, "My narrator");
    assert!(
        taken(&mut harness).contains(&PanelAction::LoadPreset("/presets/narrator.json".into()))
    );
    let app = harness.state_mut();
    app.state.values.set(ParamId::EmoHappy, 0.0);
    let todo = app.panel.apply_preset("Evening".into(), &sound, &app.state);
    assert!(todo.contains(&PanelAction::Set(ParamId::EmoHappy, 0.42)));
    app.state.values.set(ParamId::EmoHappy, 0.42);
    settle(&mut harness);
    let name = |harness: &Hands| harness.get_by_label("Presets").value();
    assert_eq!(name(&harness).as_deref(), Some("Evening"));
    click(&mut harness, "Presets");
    harness.get_by_label("Name of the preset").focus();
    settle(&mut harness);
    harness
        .get_by_label("Name of the preset")
        .type_text("My narrator");
    settle(&mut harness);
    click(&mut harness, "Replace");
    assert!(
        taken(&mut harness).iter().any(
            |action| matches!(action, PanelAction::SavePreset { name, .. } if name == "My narrator")
        ),
        "a name that is taken says so"
    );
}

#[test]
fn a_preset_is_heard_while_its_arrow_is_held() {
    let mut harness = start();
    let before = harness.state().state.values;
    click(&mut harness, "Presets");
    let arrow = harness
        .get_by_label("Listen to Stage anger")
        .rect()
        .center();
    harness.drag_at(arrow);
    harness.run_steps(3);
    assert_eq!(value(&harness, ParamId::EmoAngry), 0.95);
    harness.drop_at(arrow);
    settle(&mut harness);
    assert_eq!(
        harness.state().state.values,
        before,
        "letting go takes it back"
    );
    assert_gestures(&taken(&mut harness));
    assert!(
        harness.query_by_label("Listen to Stage anger").is_some(),
        "and the list stays open for the next one"
    );
    harness.key_press(Key::Escape);
    settle(&mut harness);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    settle(&mut harness);
    assert_eq!(
        harness.state().state.values,
        before,
        "listening is no step of undo"
    );
}

#[test]
fn files_are_named_in_dialogs_or_typed() {
    let mut harness = start();
    click(&mut harness, "Presets");
    click(&mut harness, "From file…");
    click(&mut harness, "Presets");
    click(&mut harness, "To file…");
    harness.state_mut().panel.open_page(Some(Page::Settings));
    settle(&mut harness);
    click(&mut harness, "Open a pack…");
    click(&mut harness, "Set folder…");
    click(&mut harness, "Choose a library…");
    let asked: Vec<FilePurpose> = taken(&mut harness)
        .into_iter()
        .filter_map(|action| match action {
            PanelAction::Browse(purpose) => Some(purpose),
            _ => None,
        })
        .collect();
    assert!(matches!(
        asked.as_slice(),
        [
            FilePurpose::ImportPreset,
            FilePurpose::ExportPreset { .. },
            FilePurpose::Pack,
            FilePurpose::PacksFolder,
            FilePurpose::Engine,
        ]
    ));
    // The same without dialogs.
    harness.state_mut().state.can_browse = false;
    settle(&mut harness);
    for (field, path) in [
        ("Pack or folder", "/packs/new.mien"),
        ("Pack or folder", "/packs"),
        ("Engine library", "/lib/engine.so"),
    ] {
        harness.get_by_label(field).focus();
        settle(&mut harness);
        harness.get_by_label(field).type_text(path);
        harness.key_press(Key::Enter);
        settle(&mut harness);
    }
    harness.state_mut().panel.open_page(None);
    settle(&mut harness);
    click(&mut harness, "Presets");
    harness.get_by_label("Preset to import").focus();
    settle(&mut harness);
    harness
        .get_by_label("Preset to import")
        .type_text("~/evening.mienpreset");
    settle(&mut harness);
    click(&mut harness, "Import");
    assert_eq!(
        taken(&mut harness),
        [
            PanelAction::OpenPack("/packs/new.mien".into()),
            PanelAction::SetPacksFolder("/packs".into()),
            PanelAction::SetEngine("/lib/engine.so".into()),
            PanelAction::ImportPreset("~/evening.mienpreset".into()),
        ]
    );
}

#[test]
fn a_message_is_read_out() {
    let mut harness = start();
    harness.state_mut().state.message = Some("Saved “Evening”.".into());
    settle(&mut harness);
    assert!(harness.query_by_label("Saved “Evening”.").is_some());
}

#[test]
fn the_mix_is_told_on_two_axes() {
    let mut harness = start();
    click(&mut harness, "Neutral");
    assert!(
        harness
            .query_by_label("Valence +0.00, arousal +0.00")
            .is_some()
    );
    click(&mut harness, "Stage anger");
    assert!(
        harness
            .query_by_label("Valence -0.57, arousal +0.66")
            .is_some()
    );
}

#[test]
fn a_window_keeps_its_size_to_itself() {
    let mut harness = start();
    harness.state_mut().panel.set_window([1200.0, 700.0], 1.25);
    settle(&mut harness);
    assert_eq!(taken(&mut harness), [], "the owner knows it already");
    assert_eq!(harness.state().panel.memory().window, Some([1200.0, 700.0]));
}

#[test]
fn bypass_and_pages() {
    let mut harness = start();
    click(&mut harness, "Bypass");
    assert_eq!(value(&harness, ParamId::Bypass), 1.0);
    assert_gestures(&taken(&mut harness));
    click(&mut harness, "Settings");
    click(&mut harness, "Delay mode: Safe");
    assert_eq!(value(&harness, ParamId::DelayMode), 1.0);
    click(&mut harness, "Theme: Light");
    click(&mut harness, "Size: 150 %");
    let actions = taken(&mut harness);
    assert!(actions.contains(&PanelAction::SetZoom(1.5)));
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, PanelAction::Remember(memory) if !memory.dark))
    );
    click(&mut harness, "Load");
    assert!(taken(&mut harness).contains(&PanelAction::LoadPack(
        "/usr/share/mien/packs/acted.mien".into()
    )));
    harness.key_press(Key::Escape);
    settle(&mut harness);
    assert!(
        harness.query_by_label("Emotion wheel").is_some(),
        "Escape closes the page"
    );
}

#[test]
fn the_overload_notice_helps() {
    let mut state = session();
    state.load.overloaded = true;
    let mut harness = Setup::default().start(state);
    click(&mut harness, "Use Safe");
    assert_eq!(value(&harness, ParamId::DelayMode), 1.0);
    assert_gestures(&taken(&mut harness));
}

#[test]
fn the_hosts_menu_is_asked_for_where_there_is_one() {
    let mut harness = start();
    harness.get_by_label("Breath").click_secondary();
    settle(&mut harness);
    click(&mut harness, "Type a value…");
    assert!(harness.query_by_label("Breath value").is_some());
    let mut state = session();
    state.host.has_param_menu = true;
    let mut harness = Setup::default().start(state);
    harness.get_by_label("Breath").click_secondary();
    settle(&mut harness);
    assert!(matches!(
        taken(&mut harness).last(),
        Some(PanelAction::HostMenu(ParamId::Breath, _))
    ));
    assert!(harness.query_by_label("Reset").is_none());
    // It had none after all.
    harness.state_mut().state.host.has_param_menu = false;
    harness.state_mut().panel.show_own_menu(ParamId::Breath);
    // The hand has gone on meanwhile.
    harness.hover_at(Pos2::new(2.0, 2.0));
    settle(&mut harness);
    let breath = harness.get_by_label("Breath").rect();
    let entry = harness.get_by_label("Reset").rect();
    assert!(entry.distance_to_pos(breath.center()) < 120.0, "{entry:?}");
    click(&mut harness, "Type a value…");
    assert!(harness.query_by_label("Breath value").is_some());
}

#[test]
fn a_list_that_closes_leaves_no_tooltip_behind() {
    let mut harness = start();
    let help = ParamId::Breath.spec().help;
    let breath = harness.get_by_label("Breath").rect().center();
    harness.get_by_label("Formant").click_secondary();
    settle(&mut harness);
    harness.hover_at(breath);
    settle(&mut harness);
    harness.key_press(Key::Escape);
    settle(&mut harness);
    assert!(harness.query_by_label("Reset").is_none(), "it is closed");
    // A hand at rest is not quite still.
    harness.hover_at(breath + vec2(1.0, 0.0));
    harness.run_steps(60);
    assert!(harness.query_by_label(help).is_none(), "nobody asked");
    harness.hover_at(breath + vec2(9.0, 0.0));
    harness.run_steps(60);
    assert!(harness.query_by_label(help).is_some(), "tooltips are back");
}

#[test]
fn a_long_wait_is_not_called_a_second_or_two() {
    let says = |harness: &Harness<'static, App>, words: &str| {
        harness.query_by_label_contains(words).is_some()
    };
    let mut state = session();
    state.engine = EngineStatus::Starting;
    let mut harness = Setup::default().start(state);
    assert!(says(&harness, "a second or two"));
    harness.run_steps(130);
    assert!(!says(&harness, "a second or two"));
    assert!(says(&harness, "Still warming up"));
    let reading = |name: &str| EngineStatus::LoadingPack {
        name: name.into(),
        progress: None,
    };
    for name in ["One", "Two"] {
        // Each pack has its own time.
        harness.state_mut().state.engine = reading(name);
        settle(&mut harness);
        assert!(says(&harness, &format!("Reading “{name}”")));
        harness.run_steps(130);
        assert!(says(&harness, &format!("Still reading “{name}”")));
    }
    harness.state_mut().state.engine = EngineStatus::Ready;
    settle(&mut harness);
    assert!(!says(&harness, "till reading"));
}

#[test]
fn the_tour_is_shown_once() {
    let mut setup = Setup::default();
    setup.memory.welcomed = false;
    let mut harness = setup.start(session());
    click(&mut harness, "Next");
    click(&mut harness, "Next");
    click(&mut harness, "Start");
    let actions = taken(&mut harness);
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, PanelAction::Remember(memory) if memory.welcomed))
    );
    assert!(harness.query_by_label("Next").is_none());
}

#[test]
fn the_standalone_is_worked() {
    let state = PanelState {
        standalone: Some(standalone()),
        ..session()
    };
    let mut harness = Setup::default().start(state);
    harness.state_mut().panel.open_page(Some(Page::Standalone));
    settle(&mut harness);
    click(&mut harness, "Listen to myself");
    harness.get_by_label("Input").click();
    settle(&mut harness);
    click(&mut harness, "Built-in audio");
    click(&mut harness, "Audio: Record & play");
    click(&mut harness, "Record");
    click(&mut harness, "Pause");
    click(&mut harness, "Audio: MIDI & keys");
    click(&mut harness, "Learn Formant");
    click(&mut harness, "Forget the controller of Pitch");
    let done: Vec<StandaloneAction> = taken(&mut harness)
        .into_iter()
        .filter_map(|action| match action {
            PanelAction::Standalone(action) => Some(action),
            _ => None,
        })
        .collect();
    assert_eq!(
        done,
        [
            StandaloneAction::Listen(true),
            StandaloneAction::SetInput("Built-in audio".into()),
            StandaloneAction::StartRecording,
            StandaloneAction::Play(false),
            StandaloneAction::MidiLearn(Some(ParamId::Formant)),
            StandaloneAction::MidiForget(ParamId::Pitch),
        ]
    );
}

#[test]
fn a_quiet_panel_is_not_drawn_again() {
    let mut state = session();
    state.meters = Default::default();
    let mut harness = Setup::default().start(state);
    harness.run_steps(60);
    let delay = harness
        .output()
        .viewport_output
        .values()
        .map(|output| output.repaint_delay)
        .min();
    assert!(
        delay.is_some_and(|delay| delay.as_secs() > 3600),
        "{delay:?}"
    );
}

/// What a frame costs: layout, drawing and triangles, with both spectrograms scrolling. The bound
/// is wide, for machines that do other work; the figure is printed (`--nocapture`).
#[test]
fn a_frame_is_cheap() {
    let ctx = egui::Context::default();
    let mut panel = mien_panel::Panel::new(Memory {
        welcomed: true,
        ..Memory::default()
    });
    mien_panel::Panel::install(&ctx);
    let mut state = session();
    let input = || egui::RawInput {
        screen_rect: Some(egui::Rect::from_min_size(Pos2::ZERO, vec2(900.0, 560.0))),
        ..Default::default()
    };
    let mut times = Vec::new();
    for _ in 0..120 {
        let begun = std::time::Instant::now();
        state.live.total += 2;
        state.live.columns.rotate_left(2);
        let mut output = ctx.run_ui(input(), |ui| {
            panel.ui(ui, &state);
        });
        let shapes = std::mem::take(&mut output.shapes);
        let triangles = ctx.tessellate(shapes, output.pixels_per_point);
        assert!(triangles.len() > 5);
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        output.drop_without_applying_deltas();
    }
    times.sort_by(f64::total_cmp);
    println!(
        "a frame takes {:.2} ms (median), {:.2} ms (95 %)",
        times[60], times[114]
    );
    assert!(times[60] < 25.0, "a frame takes {:.1} ms", times[60]);
}

#[test]
fn presets_are_handed_on_as_text() {
    let mut harness = start();
    let sound = Sound::of(&harness.state().state);
    click(&mut harness, "Presets");
    click(&mut harness, "Copy as text");
    let copied =
        harness
            .output()
            .platform_output
            .commands
            .iter()
            .find_map(|command| match command {
                egui::OutputCommand::CopyText(text) => Some(text.clone()),
                _ => None,
            });
    assert!(copied.is_none_or(|text| text.contains("emo_happy")));
    click(&mut harness, "Sad");
    harness.state_mut().state.values.set(ParamId::EmoHappy, 0.0);
    let text = serde_json::to_string(&sound).expect("a sound is plain data");
    click(&mut harness, "Presets");
    harness.get_by_label("Preset to import").focus();
    settle(&mut harness);
    harness.get_by_label("Preset to import").type_text(&text);
    settle(&mut harness);
    click(&mut harness, "Import");
    assert_eq!(value(&harness, ParamId::EmoHappy), 0.42);
}

#[test]
fn a_window_that_closes_lets_go() {
    let mut harness = start();
    harness.state_mut().carry_out = false;
    let rect = harness.get_by_label("Breath").rect();
    let from = Pos2::new(rect.center().x, rect.bottom() - 8.0);
    harness.drag_at(from);
    harness.step();
    harness.hover_at(from + vec2(40.0, 0.0));
    harness.step();
    // The same panel in another window.
    let ctx = egui::Context::default();
    mien_panel::Panel::install(&ctx);
    let app = harness.state_mut();
    let mut actions = std::mem::take(&mut app.actions);
    for _ in 0..2 {
        let output = ctx.run_ui(egui::RawInput::default(), |ui| {
            actions.extend(app.panel.ui(ui, &app.state));
        });
        output.drop_without_applying_deltas();
    }
    assert_gestures(&actions);
}

#[test]
fn the_wheel_of_the_mouse_moves_what_is_under_it() {
    let mut harness = start();
    harness.get_by_label("Mix").hover();
    harness.run_steps(3);
    let turn = |lines: f32| egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Line,
        delta: vec2(0.0, lines),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
        modifiers: Modifiers::NONE,
    };
    harness.event(turn(-2.0));
    settle(&mut harness);
    assert!((value(&harness, ParamId::Mix) - 0.96).abs() < 1e-3);
    harness.event(turn(0.0));
    settle(&mut harness);
    assert!(
        (value(&harness, ParamId::Mix) - 0.96).abs() < 1e-3,
        "a wheel at rest moves nothing"
    );
    assert_gestures(&taken(&mut harness));
}

/// Every continuous control: a drag, keys, a typed value, a double-click, a tooltip with its meaning,
/// and a gesture around each.
#[test]
fn every_control_obeys() {
    let mut harness = start();
    for spec in &mien_panel::PARAMS {
        if spec.kind != mien_panel::ParamKind::Float {
            continue;
        }
        let param = spec.param;
        let name = spec.name;
        let middle = spec.at(0.5);
        harness.state_mut().state.values.set(param, middle);
        settle(&mut harness);
        let middle = value(&harness, param);
        let rect = harness.get_by_label(name).rect();
        let is_knob = [ParamId::InGain, ParamId::Mix, ParamId::OutGain].contains(&param);
        let (grip, by) = match is_knob {
            true => (rect.center(), vec2(0.0, -20.0)),
            false => (
                Pos2::new(rect.center().x, rect.bottom() - 8.0),
                vec2(14.0, 0.0),
            ),
        };
        drag(&mut harness, grip, by, Modifiers::NONE);
        let dragged = value(&harness, param);
        assert_ne!(dragged, middle, "{name} is not dragged");
        harness.get_by_label(name).focus();
        settle(&mut harness);
        harness.key_press(if is_knob {
            Key::ArrowDown
        } else {
            Key::ArrowLeft
        });
        settle(&mut harness);
        assert!(value(&harness, param) < dragged, "{name} has no keys");
        harness.key_press(Key::Enter);
        settle(&mut harness);
        harness
            .get_by_label(&format!("{name} value"))
            .type_text(&spec.format(spec.min));
        harness.key_press(Key::Enter);
        settle(&mut harness);
        assert_eq!(value(&harness, param), spec.min, "{name} is not typed");
        harness.state_mut().state.values.set(param, middle);
        settle(&mut harness);
        double_click(&mut harness, rect.left_center() + vec2(16.0, 0.0));
        assert_eq!(value(&harness, param), spec.default, "{name} is not reset");
        harness.get_by_label(name).hover();
        harness.run_steps(30);
        assert!(
            harness.query_by_label(spec.help).is_some(),
            "{name} has no tooltip"
        );
        harness.hover_at(Pos2::new(2.0, 2.0));
        settle(&mut harness);
        assert_gestures(&taken(&mut harness));
    }
}

#[test]
fn the_live_view_answers_hand_and_keyboard() {
    let mut state = session();
    state.load.dropouts = 7;
    let mut harness = Setup::default().start(state);
    harness.get_by_label("Dropouts: 7").focus();
    settle(&mut harness);
    harness.key_press(Key::Enter);
    settle(&mut harness);
    click(&mut harness, "Dropouts: 7");
    assert_eq!(
        taken(&mut harness),
        [PanelAction::ClearDropouts, PanelAction::ClearDropouts]
    );
    assert_eq!(
        harness.get_by_label("Input level").value().as_deref(),
        Some("Input level: -17 dB, peak -11.5 dB")
    );
}

/// While a host makes a window smaller, a frame or two are drawn with the old zoom, in less room
/// than any layout has.
#[test]
fn no_size_is_too_small() {
    let standalone = PanelState {
        standalone: Some(standalone()),
        ..session()
    };
    for state in [session(), standalone] {
        for page in [
            None,
            Some(Page::Settings),
            Some(Page::Help),
            Some(Page::Standalone),
        ] {
            for size in [
                [700.0, 300.0],
                [450.0, 210.0],
                [300.0, 560.0],
                [40.0, 30.0],
                [1.0, 1.0],
            ] {
                let [width, height] = size;
                let mut harness = Setup::default()
                    .sized(width, height, 1.0)
                    .start(state.clone());
                harness.state_mut().panel.open_page(page);
                harness.run_steps(2);
            }
        }
    }
}
