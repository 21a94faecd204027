//! What a person did on the panel. The owner carries it out; the panel itself changes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::params::ParamId;
use crate::state::{Memory, PanelState};

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum PanelAction {
    /// The person took hold of a control.
    BeginGesture(ParamId),
    /// A plain value; always between a begin and an end.
    Set(ParamId, f32),
    /// The person let go.
    EndGesture(ParamId),
    /// Show the host's menu of the parameter at this place of the panel, in points.
    HostMenu(ParamId, egui::Pos2),
    /// Use this voice alone.
    ChooseVoice(String),
    /// Use these voices with these shares (2 to 8; the shares sum to 1).
    SetMorph(Vec<(String, f32)>),
    /// Load this one of the packs that were found.
    LoadPack(PathBuf),
    /// Take over a pack from elsewhere, and load it.
    OpenPack(PathBuf),
    /// Look for packs in this folder too; an empty path: only in the usual ones.
    SetPacksFolder(PathBuf),
    /// Use this engine library; an empty path: the one that is found.
    SetEngine(PathBuf),
    /// Show a folder in the system's file manager.
    OpenFolder(PathBuf),
    /// Look for the engine and the packs again.
    Retry,
    /// Ask for a file in a dialog, and then do what it is for.
    Browse(FilePurpose),
    /// Make a voice of the recording in this file.
    AddMyVoice {
        /// What to call it.
        name: String,
        /// The recording.
        path: PathBuf,
    },
    /// Make a voice of what comes in during the next seconds.
    RecordMyVoice {
        /// What to call it.
        name: String,
        /// How long to record, in s.
        seconds: f32,
    },
    /// Stop recording or forget the result.
    CancelMyVoice,
    /// Forget a voice of one's own.
    RemoveMyVoice(String),
    /// Keep the sound as a preset of the user's.
    SavePreset {
        /// Its name.
        name: String,
        /// What it holds.
        sound: Sound,
    },
    /// Read this preset and hand it to [`crate::Panel::apply_preset`].
    LoadPreset(PathBuf),
    /// Keep a preset from elsewhere among the user's, and hand it over as well.
    ImportPreset(PathBuf),
    /// Delete this preset.
    DeletePreset(PathBuf),
    /// Set the dropout counter to 0.
    ClearDropouts,
    /// The panel should have this size, 0.75 to 2.
    SetZoom(f32),
    /// Keep this for the next time.
    Remember(Memory),
    /// Something that only the standalone can do.
    Standalone(StandaloneAction),
}

/// What a file is wanted for.
#[derive(Clone, Debug, PartialEq)]
pub enum FilePurpose {
    /// A recording for a voice of this name.
    MyVoice(String),
    /// A pack to load.
    Pack,
    /// A folder that packs lie in.
    PacksFolder,
    /// The engine library.
    Engine,
    /// A preset to copy to the user's.
    ImportPreset,
    /// Where to write the current sound.
    ExportPreset {
        /// What to call the file, without an ending.
        name: String,
        /// What goes into it.
        sound: Sound,
    },
    /// A sound file to play in place of the microphone.
    Player,
}

/// What only the standalone can do.
#[derive(Clone, Debug, PartialEq)]
pub enum StandaloneAction {
    /// Use this audio system.
    SetBackend(String),
    /// Use this input device.
    SetInput(String),
    /// Use this output device.
    SetOutput(String),
    /// Use this rate, in Hz.
    SetRate(u32),
    /// Use this buffer size, in samples.
    SetBuffer(u32),
    /// Open the devices again.
    Reconnect,
    /// Hear oneself, or not.
    Listen(bool),
    /// Level of the monitor in dB.
    SetMonitor(f32),
    /// Record input and output to WAV files.
    StartRecording,
    /// Stop recording.
    StopRecording,
    /// Play this file in place of the microphone.
    OpenFile(PathBuf),
    /// Play or pause.
    Play(bool),
    /// Go to this second.
    Seek(f32),
    /// Start again at the end, or not.
    Loop(bool),
    /// Back to the microphone.
    CloseFile,
    /// Use this MIDI input; empty for none.
    SetMidiInput(String),
    /// The next controller that moves is to move this parameter; `None` stops waiting.
    MidiLearn(Option<ParamId>),
    /// No controller moves this parameter any more.
    MidiForget(ParamId),
}

/// All that makes a sound: what presets, undo and A/B hold. The gains, the bypass and the delay
/// mode belong to the session and are left alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sound {
    /// Values by the parameters' stable identifiers. Those that are missing are left alone.
    pub values: BTreeMap<String, f32>,
    /// Voices with their shares; empty: the voice is left alone.
    pub voices: Vec<(String, f32)>,
}

impl Sound {
    /// The sound that the panel shows.
    pub fn of(state: &PanelState) -> Self {
        let values = ParamId::all()
            .filter(|param| param.is_sound())
            .map(|param| (param.spec().id.to_owned(), state.values.get(param)))
            .collect();
        Self {
            values,
            voices: state.morph.clone(),
        }
    }

    /// What must be done to get from `state` to this sound. Voices that are not there are skipped.
    pub fn actions_from(&self, state: &PanelState) -> Vec<PanelAction> {
        let mut actions = Vec::new();
        for (id, &value) in &self.values {
            let Some(param) = ParamId::from_id(id).filter(|param| param.is_sound()) else {
                continue;
            };
            let value = param.spec().clamp(value);
            if value != state.values.get(param) {
                actions.push(PanelAction::BeginGesture(param));
                actions.push(PanelAction::Set(param, value));
                actions.push(PanelAction::EndGesture(param));
            }
        }
        let voices: Vec<_> = self
            .voices
            .iter()
            .filter(|(name, _)| state.voice(name).is_some())
            .cloned()
            .collect();
        if !voices.is_empty() && voices != state.morph {
            actions.push(match voices.len() {
                1 => PanelAction::ChooseVoice(voices[0].0.clone()),
                _ => PanelAction::SetMorph(voices),
            });
        }
        actions
    }
}
