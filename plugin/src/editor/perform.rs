//! Carries out what the person did on the panel.

use std::path::Path;
use std::process::Command;

use mien_panel::{Panel, PanelAction, ParamId};
use nice_plug::context::gui::GuiContext;

use super::Desk;
use super::library;
use super::mirror::Mirror;
use crate::engine::Remote;
use crate::params::{MienParams, Selection, Slot};

/// What there is to act on.
pub struct Doer<'a> {
    pub params: &'a MienParams,
    pub remote: Option<Remote>,
    pub desk: Option<&'a dyn Desk>,
    pub context: &'a GuiContext,
    pub egui: &'a egui::Context,
    pub panel: &'a mut Panel,
    pub mirror: &'a mut Mirror,
}

impl Doer<'_> {
    /// Does one thing.
    pub fn carry_out(&mut self, action: PanelAction) {
        match action {
            PanelAction::BeginGesture(param) => self.begin(param),
            PanelAction::Set(param, value) => self.set(param, value),
            PanelAction::EndGesture(param) => self.end(param),
            PanelAction::ChooseVoice(name) => self.choose_voice(name),
            PanelAction::SetMorph(voices) => self.select_voices(voices),
            PanelAction::LoadPack(path) => self.load_pack(&path),
            PanelAction::OpenFolder(path) => self.open_folder(&path),
            PanelAction::Retry => {
                if let Some(remote) = &self.remote {
                    remote.reload();
                }
            }
            PanelAction::SavePreset { name, sound } => {
                let saved = library::save(&name, &sound).map(|()| format!("Saved {name}."));
                self.after_preset(saved);
            }
            PanelAction::LoadPreset(path) => match library::load(&path) {
                Ok(sound) => {
                    let steps = self.panel.apply_sound(&sound, &self.mirror.state);
                    steps.into_iter().for_each(|step| self.carry_out(step));
                }
                Err(text) => self.mirror.say(text),
            },
            PanelAction::DeletePreset(path) => {
                let deleted = library::delete(&path).map(|()| "Deleted.".to_owned());
                self.after_preset(deleted);
            }
            PanelAction::ClearDropouts => self.mirror.clear_dropouts(),
            PanelAction::SetZoom(zoom) => self.egui.set_zoom_factor(zoom),
            PanelAction::Remember(memory) => library::remember(&memory),
            PanelAction::AddMyVoice { name, path } => {
                if let Some(remote) = &self.remote {
                    remote.make_voice_of_file(name, path);
                }
            }
            PanelAction::RecordMyVoice { name, seconds } => {
                self.mirror.start_recording(name, seconds);
            }
            PanelAction::CancelMyVoice => self.mirror.stop_recording(),
            PanelAction::RemoveMyVoice(name) => {
                if let Some(remote) = &self.remote {
                    remote.forget_voice(name);
                }
            }
            PanelAction::Standalone(action) => {
                if let Some(desk) = self.desk {
                    desk.act(action);
                }
            }
            // The framework shows neither host menus nor file dialogs, and the panel was told so.
            PanelAction::HostMenu(..) | PanelAction::Browse(_) => {}
        }
    }

    /// Hands a recording that is long enough to the engine.
    pub fn finish_recording(&mut self) {
        if let (Some((name, samples, rate)), Some(remote)) =
            (self.mirror.take_recording(), &self.remote)
        {
            remote.make_voice(name, samples, rate);
        }
    }

    fn begin(&self, param: ParamId) {
        // SAFETY: the pointer belongs to this plugin's parameters, which live as long as the editor.
        unsafe {
            self.context
                .raw_begin_set_parameter(self.params.pointer(param))
        }
    }

    fn set(&self, param: ParamId, value: f32) {
        let pointer = self.params.pointer(param);
        // SAFETY: as above.
        unsafe {
            self.context
                .raw_set_parameter_normalized(pointer, pointer.preview_normalized(value));
        }
    }

    fn end(&self, param: ParamId) {
        // SAFETY: as above.
        unsafe {
            self.context
                .raw_end_set_parameter(self.params.pointer(param))
        }
    }

    /// One voice alone. It is chosen by the host's parameter where that can name it, so that the
    /// host can record it; the engine then makes it the selection.
    fn choose_voice(&mut self, name: String) {
        let index = self
            .mirror
            .state
            .voices
            .iter()
            .position(|entry| entry.voice.name == name);
        let Some(index) = index else { return };
        let reachable = index as f32 <= ParamId::Voice.spec().max;
        if reachable && self.params.voice.value() != index as i32 {
            self.begin(ParamId::Voice);
            self.set(ParamId::Voice, index as f32);
            self.end(ParamId::Voice);
        } else {
            self.select_voices(vec![(name, 1.0)]);
        }
    }

    /// Several voices, or one that the parameter already names: they belong to its present value.
    fn select_voices(&mut self, voices: Vec<(String, f32)>) {
        let slots = voices
            .into_iter()
            .map(|(voice, weight)| Slot { voice, weight })
            .collect();
        let parameter = self.params.voice.value();
        self.select(|selection| Selection {
            slots,
            parameter,
            ..selection
        });
    }

    fn load_pack(&mut self, path: &Path) {
        let name = self
            .mirror
            .state
            .packs
            .iter()
            .find(|pack| pack.path == path);
        if let Some(pack) = name.map(|pack| pack.name.clone()) {
            // Another pack has other voices: its first one, unless it knows the present names.
            self.select(|selection| Selection { pack, ..selection });
        }
    }

    fn select(&mut self, change: impl FnOnce(Selection) -> Selection) {
        let held = self.params.selection.lock();
        let present = held.map(|held| held.clone()).unwrap_or_default();
        if let Some(remote) = &self.remote {
            remote.select(change(present));
        }
    }

    fn open_folder(&mut self, path: &Path) {
        let program = match std::env::consts::OS {
            "windows" => "explorer",
            "macos" => "open",
            _ => "xdg-open",
        };
        let made = std::fs::create_dir_all(path);
        if made.is_err() || Command::new(program).arg(path).spawn().is_err() {
            self.mirror.say(format!("The folder is {}", path.display()));
        }
    }

    fn after_preset(&mut self, result: Result<String, String>) {
        self.mirror.state.presets = library::presets();
        self.mirror.say(result.unwrap_or_else(|text| text));
    }
}
