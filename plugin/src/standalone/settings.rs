//! What the standalone remembers: devices, controllers, and the sound. One JSON file in the user's
//! data folder.

use std::path::{Path, PathBuf};

use mien::engine::search::user_data;
use mien::params::MienParams;
use mien_panel::{MidiBinding, ParamId, ParamKind};
use nice_plug::params::Params;
use nice_plug::plugin::{ParamValue, PluginState};
use serde::{Deserialize, Serialize};

/// What is remembered. Whether one listens to oneself is not: headphones may have been put away.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Audio system by its name; empty for the best that is there.
    pub backend: String,
    /// Input device by name; `None` is the system's usual one, empty is none.
    pub input: Option<String>,
    /// Output device by name; empty is none.
    pub output: String,
    /// Sample rate in Hz.
    pub rate: u32,
    /// Buffer in samples.
    pub buffer: u32,
    /// Level of the monitor in dB.
    pub monitor_db: f32,
    /// MIDI input by name; empty is none.
    pub midi_input: String,
    /// Which controller moves what.
    pub midi_map: Vec<Binding>,
    /// Parameters and voices, in the form in which a host keeps them for the plugin.
    pub sound: Option<PluginState>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            backend: String::new(),
            input: None,
            output: String::new(),
            rate: 48_000,
            buffer: 256,
            monitor_db: -6.0,
            midi_input: String::new(),
            midi_map: Vec::new(),
            sound: None,
        }
    }
}

/// A controller and what it moves, by the parameter's stable identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Identifier of the parameter.
    pub param: String,
    /// Channel, 1 to 16.
    pub channel: u8,
    /// Controller, 0 to 127.
    pub controller: u8,
}

impl Settings {
    /// What was remembered; the defaults where nothing was, or where it cannot be read.
    pub fn load() -> Self {
        let text = file().and_then(|path| std::fs::read_to_string(path).ok());
        text.and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default()
    }

    /// Remembers.
    ///
    /// # Errors
    /// Text for people.
    pub fn save(&self) -> Result<(), String> {
        let path = file().ok_or("Nothing can be remembered: set HOME.")?;
        self.save_to(&path)
            .map_err(|error| format!("Cannot write {}: {error}", path.display()))
    }

    /// The old file stays whole until the new one is.
    fn save_to(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(self)?;
        let beside = path.with_extension("json.new");
        std::fs::write(&beside, text)?;
        std::fs::rename(beside, path)
    }

    /// The remembered map as the panel has it; parameters that are no more are left out.
    pub fn bindings(&self) -> Vec<MidiBinding> {
        let bindings = self.midi_map.iter().filter_map(|held| {
            Some(MidiBinding {
                param: ParamId::from_id(&held.param)?,
                channel: held.channel,
                controller: held.controller,
            })
        });
        bindings.collect()
    }

    /// Takes a map over.
    pub fn set_bindings(&mut self, bindings: &[MidiBinding]) {
        let held = bindings.iter().map(|binding| Binding {
            param: binding.param.spec().id.to_owned(),
            channel: binding.channel,
            controller: binding.controller,
        });
        self.midi_map = held.collect();
    }
}

fn file() -> Option<PathBuf> {
    user_data().map(|data| data.join("standalone.json"))
}

/// The folder that recordings go into: `Mien` in the user's music folder, or in Mien's data.
pub fn recordings() -> PathBuf {
    let music = directories::UserDirs::new()
        .and_then(|dirs| dirs.audio_dir().map(|music| music.join("Mien")));
    music
        .or_else(|| user_data().map(|data| data.join("recordings")))
        .unwrap_or_else(std::env::temp_dir)
}

/// The sound as it is now.
pub fn sound(params: &MienParams) -> PluginState {
    let value = |param: ParamId| {
        let plain = params.value(param);
        match param.spec().kind {
            ParamKind::Float => ParamValue::F32(plain),
            ParamKind::Int | ParamKind::Choice(_) => ParamValue::I32(plain as i32),
            ParamKind::Bool => ParamValue::Bool(plain > 0.5),
        }
    };
    let values = ParamId::all().map(|param| (param.spec().id.to_owned(), value(param)));
    PluginState {
        version: env!("CARGO_PKG_VERSION").into(),
        params: values.collect(),
        fields: params.serialize_fields(),
    }
}

/// Brings a sound back. Parameters that it does not name keep their values.
pub fn restore(params: &MienParams, sound: &PluginState) {
    for param in ParamId::all() {
        let plain = match sound.params.get(param.spec().id) {
            Some(ParamValue::F32(value)) => *value,
            Some(ParamValue::I32(value)) => *value as f32,
            Some(ParamValue::Bool(value)) => f32::from(*value),
            Some(ParamValue::String(_)) | None => continue,
        };
        params.set(param, plain);
    }
    params.deserialize_fields(&sound.fields);
}

#[cfg(test)]
mod tests {
    use super::*;
    use mien::params::{DelayMode, Selection, Slot};

    #[test]
    fn the_sound_comes_back() {
        let params = MienParams::new(Default::default());
        params.set(ParamId::Voice, 3.0);
        params.set(ParamId::Pitch, -2.5);
        params.set(ParamId::Bypass, 1.0);
        params.set(ParamId::DelayMode, 1.0);
        *params.selection.lock().unwrap() = Selection {
            pack: "P".into(),
            slots: vec![Slot {
                voice: "Ada".into(),
                weight: 1.0,
            }],
            parameter: 3,
            ..Selection::default()
        };
        let text = serde_json::to_string(&sound(&params)).unwrap();
        let other = MienParams::new(Default::default());
        restore(&other, &serde_json::from_str(&text).unwrap());
        for param in ParamId::all() {
            assert_eq!(other.value(param), params.value(param), "{param:?}");
        }
        assert_eq!(other.delay_mode.value(), DelayMode::Safe);
        assert_eq!(
            *other.selection.lock().unwrap(),
            *params.selection.lock().unwrap()
        );
    }

    #[test]
    fn settings_survive_a_round_and_rubbish() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("standalone.json");
        let mut settings = Settings {
            output: "Mien".into(),
            ..Settings::default()
        };
        let map = [MidiBinding {
            param: ParamId::Mix,
            channel: 2,
            controller: 7,
        }];
        settings.set_bindings(&map);
        settings.save_to(&path).unwrap();
        let read: Settings =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(
            (read.output.as_str(), read.bindings()),
            ("Mien", map.to_vec())
        );
        // An older or newer file may lack fields, have others, or name parameters that are no more.
        let odd = r#"{"rate": 44100, "colour": 3,
            "midi_map": [{"param": "gone", "channel": 1, "controller": 1}]}"#;
        let read: Settings = serde_json::from_str(odd).unwrap();
        assert_eq!((read.rate, read.buffer), (44_100, 256));
        assert!(read.bindings().is_empty());
    }
}
