//! Carries out what the person did on the panel.

use std::path::{Path, PathBuf};
use std::process::Command;

use mien_panel::{FilePurpose, Memory, Panel, PanelAction, ParamId, Sound};
use nice_plug::context::gui::GuiContext;

use super::Desk;
use super::dialogs::{Answer, Dialogs};
use super::library;
use super::mirror::Mirror;
use crate::engine::{Remote, chosen};
use crate::param_menu::{ParamMenu, Question};
use crate::params::{MienParams, Selection, Slot};

/// What there is to act on.
pub struct Doer<'a> {
    pub params: &'a MienParams,
    pub remote: Option<Remote>,
    pub menu: &'a ParamMenu,
    /// Units of the host's window to a point of the panel.
    pub scale: f32,
    pub desk: Option<&'a dyn Desk>,
    pub context: &'a GuiContext,
    pub panel: &'a mut Panel,
    pub mirror: &'a mut Mirror,
    pub dialogs: &'a mut Dialogs,
    /// What is on the disk of the panel's memory.
    pub kept: &'a mut Memory,
    /// Comes out: the zoom that the window is to have.
    pub zoom: Option<f32>,
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
            PanelAction::OpenPack(path) => self.open_pack(&path),
            PanelAction::OpenFolder(path) => self.open_folder(&path),
            PanelAction::SetPacksFolder(path) => self.set_packs_folder(&path),
            PanelAction::SetEngine(path) => self.set_engine(&path),
            PanelAction::Retry => self.reload(),
            PanelAction::SavePreset { name, sound } => {
                let saved = library::save(&name, &sound).map(|_| format!("Saved “{name}”."));
                self.after_preset(saved);
            }
            PanelAction::LoadPreset(path) => {
                let name = path.file_stem().map(|name| name.to_string_lossy().into());
                match library::load(&path) {
                    Ok(sound) => self.take_over(name.unwrap_or_default(), &sound),
                    Err(text) => self.mirror.say(text),
                }
            }
            PanelAction::ImportPreset(path) => self.import_preset(&path),
            PanelAction::DeletePreset(path) => {
                let deleted = library::delete(&path)
                    .map(|now| format!("Deleted. The file is kept as {}.", now.display()));
                self.after_preset(deleted);
            }
            PanelAction::ClearDropouts => self.mirror.clear_dropouts(),
            PanelAction::SetZoom(zoom) => self.zoom = Some(zoom),
            PanelAction::Remember(memory) => {
                library::remember(self.kept, &memory);
                *self.kept = memory;
            }
            PanelAction::AddMyVoice { name, path } => {
                let path = library::expanded(&path);
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
            PanelAction::Browse(purpose) => self.dialogs.open(purpose),
            PanelAction::HostMenu(param, at) => self.menu.ask(Question {
                param,
                place: [at.x, at.y].map(|along| (along * self.scale).round() as i32),
            }),
            PanelAction::Standalone(action) => {
                if let Some(desk) = self.desk {
                    desk.act(action);
                }
            }
        }
    }

    /// What a frame ends with: a recording that is long enough goes to the engine, and an answered
    /// dialog to its purpose.
    pub fn finish(&mut self) {
        if let (Some((name, samples, rate)), Some(remote)) =
            (self.mirror.take_recording(), &self.remote)
        {
            remote.make_voice(name, samples, rate);
        }
        match self.dialogs.answer() {
            None | Some(Answer::Cancelled) => {}
            Some(Answer::Chosen(purpose, path)) => self.use_file(purpose, path),
            Some(Answer::Unavailable) => self
                .mirror
                .say("This system has no file dialog for plugins. Type or paste the path instead."),
        }
    }

    /// A file was chosen in a dialog.
    fn use_file(&mut self, purpose: FilePurpose, path: PathBuf) {
        match purpose {
            FilePurpose::MyVoice(name) => self.carry_out(PanelAction::AddMyVoice { name, path }),
            FilePurpose::Pack => self.open_pack(&path),
            FilePurpose::PacksFolder => self.set_packs_folder(&path),
            FilePurpose::Engine => self.set_engine(&path),
            FilePurpose::ImportPreset => self.import_preset(&path),
            FilePurpose::ExportPreset { sound, .. } => {
                let path = match path.extension() {
                    Some(_) => path,
                    None => path.with_extension(library::ENDING),
                };
                let written = library::export(&path, &sound);
                self.mirror.say(
                    written.map_or_else(|text| text, |()| format!("Wrote {}.", path.display())),
                );
            }
            FilePurpose::Player => self.carry_out(PanelAction::Standalone(
                mien_panel::StandaloneAction::OpenFile(path),
            )),
        }
    }

    fn import_preset(&mut self, path: &Path) {
        match library::import(path) {
            Ok((name, sound)) => {
                self.after_preset(Ok(format!("Imported “{name}”.")));
                self.take_over(name, &sound);
            }
            Err(text) => self.mirror.say(text),
        }
    }

    /// The panel takes over a preset that was read.
    fn take_over(&mut self, name: String, sound: &Sound) {
        let steps = self.panel.apply_preset(name, sound, &self.mirror.state);
        steps.into_iter().for_each(|step| self.carry_out(step));
    }

    fn reload(&mut self) {
        if let Some(remote) = &self.remote {
            remote.reload();
        } else {
            self.mirror
                .say("The host has not switched Mien on yet: it looks again then.");
        }
    }

    fn open_pack(&mut self, path: &Path) {
        let path = library::expanded(path);
        if let Some(remote) = &self.remote {
            remote.install_pack(path);
        }
    }

    fn set_packs_folder(&mut self, path: &Path) {
        let path = Some(library::expanded(path)).filter(|path| !path.as_os_str().is_empty());
        if path.as_ref().is_some_and(|path| !path.is_dir()) {
            return self.mirror.say("There is no such folder.");
        }
        let kept = chosen::choose(|chosen| chosen.packs = path);
        self.mirror.look_up_packs_folder();
        match kept {
            Ok(()) => self.reload(),
            Err(text) => self.mirror.say(text),
        }
    }

    fn set_engine(&mut self, path: &Path) {
        let path = Some(library::expanded(path)).filter(|path| !path.as_os_str().is_empty());
        if path.as_ref().is_some_and(|path| !path.is_file()) {
            return self.mirror.say("There is no such file.");
        }
        match chosen::choose(|chosen| chosen.engine = path) {
            // A library that is open stays open: it cannot be closed.
            Ok(()) if !self.mirror.state.engine_path.as_os_str().is_empty() => self
                .mirror
                .say("Kept. It is used when the host starts the next time."),
            Ok(()) => self.reload(),
            Err(text) => self.mirror.say(text),
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
        match Command::new(program).arg(path).spawn() {
            // Somebody must wait for it, or it stays as a zombie of the host's.
            Ok(mut child) if made.is_ok() => drop(std::thread::spawn(move || child.wait())),
            _ => self.mirror.say(format!("The folder is {}", path.display())),
        }
    }

    fn after_preset(&mut self, result: Result<String, String>) {
        self.mirror.state.presets = library::presets();
        self.mirror.say(result.unwrap_or_else(|text| text));
    }
}
