//! A walk through the panel in a real window, by mouse and keyboard, in a host that writes down what
//! reaches it. The engine is the toy, so nothing depends on voices.
//!
//! It needs an X server, `zenity` and the desktop's portal: `cargo xtask test` installs them. Pictures of
//! each station lie in `target/tmp/walk` afterwards. The places are those of a window of 900 × 560.

#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mien_tests::toy;
use tempfile::TempDir;

const SECOND_VOICE: &str = "120,230";
const SEARCH: &str = "60,120";
const FIRST_FOUND: &str = "120,165";
const ADD_MY_VOICE: &str = "196,120";
const PITCH: &str = "776,128";
const PITCH_NUMBER: &str = "868,112";
const FORMANT: &str = "776,234";
const INTONATION: &str = "776,279";
const UNDO: &str = "296,32";
const REDO: &str = "324,32";
const A: &str = "361,32";
const B: &str = "391,32";
const PRESETS: &str = "185,32";
const SETTINGS: &str = "834,32";
/// In the list of presets, whose first are the user's.
const FIRST_PRESET: &str = "158,98";
const NAME_OF_PRESET: &str = "243,386";
const SAVE: &str = "391,386";
const FROM_FILE: &str = "281,447";
const TO_FILE: &str = "379,447";
/// In the morph's pad and below it.
const MORPH: &str = "182,86";
const MORPH_SEARCH: &str = "60,256";
const MORPH_FOUND: &str = "120,300";
/// The lamp beside the engine's state.
const LAMP: &str = "697,424";

/// Walks share the machine's time, and the pictures must not come late.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A screen, a home without past, and a folder of packs.
struct Room {
    server: Child,
    display: String,
    home: TempDir,
    environment: Vec<(&'static str, String)>,
    /// There is a desktop's portal for dialogs, and no `zenity`.
    has_portal: bool,
    /// What the window is told of the plugin's format.
    format: &'static [&'static str],
    _alone: MutexGuard<'static, ()>,
}

impl Room {
    fn new() -> Self {
        let alone = alone();
        let mut server = Command::new("Xvfb")
            .args(["-screen", "0", "1400x900x24", "-displayfd", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb starts (cargo xtask test installs it)");
        let mut number = String::new();
        let output = server.stdout.take().expect("its output");
        BufReader::new(output)
            .read_line(&mut number)
            .expect("its display");
        let home = tempfile::tempdir().expect("a home");
        let folder = home.path().join("data/mien");
        std::fs::create_dir_all(&folder).expect("a folder");
        let memory = r#"{"dark": true, "welcomed": true}"#;
        std::fs::write(folder.join("panel.json"), memory).expect("the panel's memory");
        let room = Self {
            server,
            display: format!(":{}", number.trim()),
            home,
            environment: Vec::new(),
            has_portal: false,
            format: &["--plugin"],
            _alone: alone,
        };
        std::fs::create_dir_all(room.at("packs")).expect("a folder of packs");
        let voices = [
            "Through", "Ring", "Ash", "Birch", "Cedar", "Elm", "Fir", "Hazel",
        ];
        toy::write_pack(&room.at("packs"), "Toy", &voices);
        room
    }

    fn at(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    /// Opens the panel, takes the steps, and fails when one does.
    fn walk(&self, steps: &[&str]) {
        let sound = Path::new(env!("CARGO_MANIFEST_DIR")).join("../speech/lily.flac");
        let window = env!("CARGO_BIN_EXE_mien-window");
        let mut command = if self.has_portal {
            // A session bus of our own starts the portal. Without a path there is no zenity.
            let mut command = Command::new("dbus-run-session");
            command.args(["--", "env", "PATH=/nowhere", window]);
            command
        } else {
            let mut command = Command::new(window);
            // Where there is a bus, the desktop's own dialogs would come.
            command.env_remove("DBUS_SESSION_BUS_ADDRESS");
            command
        };
        let done = command
            .args(self.format)
            .arg(toy::built_library("mien"))
            .arg("--sound")
            .arg(sound)
            .args(steps)
            .env("DISPLAY", &self.display)
            .env("MIEN_ENGINE", toy::engine())
            .env("MIEN_PACKS", self.at("packs"))
            .env("HOME", self.home.path())
            .env("XDG_DATA_HOME", self.at("data"))
            .env("XDG_CONFIG_HOME", self.at("data"))
            .env("XDG_RUNTIME_DIR", self.home.path())
            .env_remove("RUST_BACKTRACE")
            .envs(self.environment.iter().cloned())
            .current_dir(self.home.path())
            .status()
            .expect("it starts (cargo xtask test installs what it needs)");
        assert!(done.success(), "the walk ended early: see above");
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn picture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("walk");
    format!("shot={}", folder.join(name).with_extension("png").display())
}

fn step(verb: &str, place: &str) -> String {
    format!("{verb}={place}")
}

/// A drag from a place to the right.
fn dragged(place: &str, right: i32) -> String {
    let (x, y) = place.split_once(',').expect("a place");
    let x: i32 = x.parse().expect("a number");
    format!("drag={x},{y},{},{y}", x + right)
}

macro_rules! walk {
    ($room:expr, $($step:expr),+ $(,)?) => {
        $room.walk(&[$(AsRef::<str>::as_ref(&$step)),+])
    };
}

#[test]
fn what_hands_do_reaches_the_host_and_can_be_undone() {
    let room = Room::new();
    walk!(
        room,
        "wait=2",
        step("click", SECOND_VOICE),
        "wait=0.3",
        "gesture=Voice",
        "value=Voice,1",
        dragged(PITCH, 54),
        "wait=0.3",
        "gesture=Pitch",
        "value=Pitch,0.7827",
        picture("dragged"),
        // Undo and redo, by key and by button.
        "key=ctrl+z",
        "wait=0.4",
        "gesture=Pitch",
        "value=Pitch,0.5",
        step("click", REDO),
        "wait=0.4",
        "value=Pitch,0.7827",
        step("click", UNDO),
        "wait=0.4",
        "value=Pitch,0.5",
        "key=ctrl+shift+z",
        "wait=0.4",
        "value=Pitch,0.7827",
        "gesture=Pitch",
        // A double click resets, and a number can be typed.
        step("double", PITCH),
        "wait=0.4",
        "value=Pitch,0.5",
        "gesture=Pitch",
        step("click", PITCH_NUMBER),
        "type=3",
        "key=Return",
        "wait=0.4",
        "value=Pitch,0.5625",
        "gesture=Pitch",
        // A and B hold a sound each.
        step("click", B),
        "wait=0.3",
        dragged(INTONATION, 44),
        "wait=0.3",
        "gesture=Intonation",
        step("click", A),
        "wait=0.4",
        "gesture=Intonation",
        "value=Intonation,0.5",
        // The host's own menu.
        step("right", FORMANT),
        "wait=0.3",
        "menu=Formant",
        "gesture=",
        // What the host does shows, and is no gesture.
        "set=Breath,0.9",
        "wait=0.5",
        "value=Breath,0.9",
        picture("automated"),
    );
}

/// The place in a window half as large again.
fn half_as_large_again(place: &str) -> String {
    let (x, y) = place.split_once(',').expect("a place");
    let scaled = |part: &str| part.parse::<i32>().expect("a number") * 3 / 2;
    format!("{},{}", scaled(x), scaled(y))
}

#[test]
fn the_menu_comes_from_a_vst3_host_too() {
    let mut room = Room::new();
    room.format = &["--vst3"];
    walk!(
        room,
        "wait=2",
        dragged(PITCH, 54),
        "wait=0.3",
        "gesture=Pitch",
        "value=Pitch,0.7827",
        step("right", FORMANT),
        "menu=Formant",
        step("right", PITCH),
        "menu=Pitch",
        // A click while a menu is open, in which the host's loop goes on, asks for nothing.
        step("meanwhile", INTONATION),
        step("right", FORMANT),
        "wait=0.3",
        "menu=Formant",
        step("right", PITCH),
        "menu=Pitch",
        "gesture=",
        picture("vst3"),
        // Another size, another zoom.
        "size=1350,840",
        "wait=1",
        step("right", &half_as_large_again(INTONATION)),
        "menu=Intonation",
        picture("vst3 large"),
        "size=900,560",
        // Another window.
        "close",
        "wait=0.5",
        "open",
        "wait=1.5",
        step("right", FORMANT),
        "menu=Formant",
        "gesture=",
        "wait=0.6",
        step("double", PITCH),
        "wait=0.4",
        picture("vst3 again"),
        "gesture=Pitch",
        "value=Pitch,0.5",
    );
}

#[test]
fn without_entries_of_the_vst3_host_the_menu_is_the_panels() {
    let mut room = Room::new();
    room.format = &["--no-menu", "--vst3"];
    walk!(
        room,
        "wait=2",
        dragged(FORMANT, 40),
        "wait=0.3",
        "gesture=Formant",
        // Asked first, then for itself; the entry resets.
        step("right", FORMANT),
        "wait=0.5",
        picture("vst3 own menu"),
        "click=600,314",
        "wait=0.4",
        "value=Formant,0.5",
        "gesture=Formant",
    );
}

#[test]
fn without_a_run_loop_of_the_vst3_host_the_menu_is_the_panels() {
    let mut room = Room::new();
    room.format = &["--no-loop", "--vst3"];
    walk!(
        room,
        "wait=2",
        dragged(FORMANT, 40),
        "wait=0.3",
        "gesture=Formant",
        step("right", FORMANT),
        "wait=1",
        picture("vst3 no loop"),
        "click=600,314",
        "wait=0.4",
        "value=Formant,0.5",
        "gesture=Formant",
    );
}

#[test]
fn the_keyboard_is_enough() {
    let room = Room::new();
    walk!(
        room,
        "wait=2",
        // Keys go to the window under the pointer.
        "move=450,20",
        // The tenth control is the gain of the output: up, typed, and reset.
        "key=Tab",
        "key=Tab",
        "key=Tab",
        "key=Tab",
        "key=Tab",
        "key=Tab",
        "key=Tab",
        "key=Tab",
        "key=Tab",
        "key=Tab",
        "wait=0.2",
        picture("focused"),
        "key=Up",
        "wait=0.2",
        "gesture=Output gain",
        "value=Output gain,0.5104",
        "type=-6",
        "key=Return",
        "wait=0.3",
        "gesture=Output gain",
        "value=Output gain,0.375",
        "key=Delete",
        "wait=0.3",
        "gesture=Output gain",
        "value=Output gain,0.5",
        // The first voice that a search finds.
        "key=ctrl+f",
        "type=bir",
        "wait=0.3",
        picture("searched"),
        "key=Return",
        "wait=0.3",
        picture("found"),
        "gesture=Voice",
        "value=Voice,3",
    );
}

#[test]
fn a_voice_is_found_by_its_name() {
    let room = Room::new();
    walk!(
        room,
        "wait=2",
        step("click", SEARCH),
        "type=haz",
        "wait=0.3",
        step("click", FIRST_FOUND),
        "wait=0.3",
        "value=Voice,7",
        "state=Hazel",
        step("click", SEARCH),
        "key=ctrl+a",
        "type=nobody",
        "wait=0.3",
        picture("nobody"),
    );
}

#[test]
fn presets_are_saved_and_loaded() {
    let room = Room::new();
    let kept = room.at("data/mien/presets/Tall one.mienpreset");
    walk!(
        room,
        "wait=2",
        dragged(PITCH, 54),
        step("click", PRESETS),
        "wait=0.4",
        step("click", NAME_OF_PRESET),
        "type=Tall one",
        step("click", SAVE),
        "wait=0.4",
        format!("file={},\"pitch\": 13.5", kept.display()),
        step("double", PITCH),
        "wait=0.4",
        "value=Pitch,0.5",
        "gesture=Pitch",
        picture("saved"),
        step("click", PRESETS),
        "wait=0.4",
        picture("presets"),
        step("click", FIRST_PRESET),
        "wait=0.4",
        "value=Pitch,0.7827",
        "gesture=Pitch",
    );
}

#[test]
fn presets_go_out_and_in_by_zenity() {
    presets_go_out_and_in(&Room::new(), "zenity");
}

#[test]
fn presets_go_out_and_in_by_the_portal() {
    let mut room = Room::new();
    room.has_portal = true;
    presets_go_out_and_in(&room, "portal");
}

fn presets_go_out_and_in(room: &Room, name: &str) {
    let out = room.at("out.mienpreset");
    let screen = picture(&format!("{name} exports")).replace("shot=", "screen=");
    walk!(
        room,
        "wait=2",
        dragged(PITCH, 54),
        step("click", PRESETS),
        "wait=0.4",
        step("click", TO_FILE),
        "dialog=Mien: where to write the preset “Preset”",
        "key=ctrl+a",
        format!("type={}", out.display()),
        screen,
        "key=Return",
        "gone",
        format!("file={},\"pitch\": 13.5", out.display()),
        "wait=0.4",
        step("double", PITCH),
        "wait=0.4",
        "value=Pitch,0.5",
        step("click", PRESETS),
        "wait=0.4",
        step("click", FROM_FILE),
        "dialog=Mien: a preset to import",
        format!("type={}", out.display()),
        "key=Return",
        "gone",
        "wait=1",
        "value=Pitch,0.7827",
        picture(&format!("{name} imported")),
    );
    let copy = room.at("data/mien/presets/out.mienpreset");
    assert_eq!(std::fs::read(copy).unwrap(), std::fs::read(out).unwrap());
}

#[test]
fn a_voice_of_ones_own_comes_from_a_recording() {
    let room = Room::new();
    let speech = Path::new(env!("CARGO_MANIFEST_DIR")).join("../speech/lily.flac");
    let sound = mien_audio::decode(&speech).expect("the speech");
    let wav = room.at("me.wav");
    mien_audio::write(&wav, &sound, mien_audio::Depth::Int24).expect("write it");
    walk!(
        room,
        "wait=2",
        step("click", ADD_MY_VOICE),
        "wait=0.4",
        "click=124,180",
        "type=Lily",
        picture("my voice"),
        "click=124,270",
        "dialog=Mien: a recording of your voice, 5 to 30 seconds",
        format!("type={}", wav.display()),
        "key=Return",
        "gone",
        "wait=1.5",
        "state=\"voice\":\"Lily\"",
        picture("my voice speaks"),
    );
    assert!(room.at("data/mien/voices/Toy_Lily.json").is_file());
}

#[test]
fn four_voices_are_mixed_on_the_pad() {
    let room = Room::new();
    let add = |name: &str| {
        [
            step("click", MORPH_SEARCH),
            "key=ctrl+a".into(),
            format!("type={name}"),
            "wait=0.3".into(),
            step("click", MORPH_FOUND),
            "wait=0.3".into(),
        ]
    };
    let mut steps = vec!["wait=2".into(), step("click", MORPH), "wait=0.3".into()];
    for name in ["Ring", "Ash", "Birch"] {
        steps.extend(add(name));
    }
    let rest = [
        // From the first voice's corner to a place between two others, and on.
        "drag=117,140,140,160,90,185,80,175",
        "wait=0.5",
        &picture("morph of four"),
        // Right at a voice it speaks alone.
        "drag=80,175,120,180,174,170",
        "wait=0.5",
        "state={\"voice\":\"Ring\",\"weight\":1.0}",
        "state={\"voice\":\"Birch\",\"weight\":0.0}",
        // The middle is a quarter of each.
        "double=117,180",
        "wait=0.5",
        "state={\"voice\":\"Through\",\"weight\":0.25",
        "state={\"voice\":\"Ash\",\"weight\":0.2",
    ];
    steps.extend(rest.map(String::from));
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    room.walk(&steps);
}

#[test]
fn a_pack_that_takes_long_is_announced() {
    let mut room = Room::new();
    toy::write_pack(&room.at("packs"), "Zinnia", &["Zara"]);
    room.environment.push(("MIEN_TOY_LOAD", "3".into()));
    let lamp = |colour: &str| format!("colour={LAMP},{colour}");
    walk!(
        room,
        "wait=1",
        lamp("grey"),
        picture("starting"),
        "wait=3.5",
        lamp("green"),
        step("click", SETTINGS),
        "wait=0.4",
        picture("packs"),
        "click=825,261",
        "wait=0.2",
        "key=Escape",
        "wait=0.6",
        lamp("grey"),
        picture("loading"),
        "wait=4",
        lamp("green"),
        "state=Zinnia",
    );
}
