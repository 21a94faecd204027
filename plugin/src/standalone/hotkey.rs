//! The bypass from anywhere: a key that works while another program has the focus.
//!
//! Windows, macOS and X11 let a program have one. Wayland does not: under it X11's keys are seen only
//! while an X11 program has the focus, so nothing is promised there.

use std::sync::Arc;

use global_hotkey::hotkey::{Code, HotKey, Modifiers};
use global_hotkey::{GlobalHotKeyEvent, GlobalHotKeyManager, HotKeyState};
use mien::params::MienParams;
use mien_panel::ParamId;

/// The key, in words.
const WORDS: &str = "Ctrl + Alt + B";

/// Keeps the key as long as it lives. Make it on the window's thread: Windows and macOS want that.
pub struct Hotkey {
    _manager: GlobalHotKeyManager,
}

impl Hotkey {
    /// Takes the key; `None` where the system has none to give, or another program has it.
    pub fn new(params: Arc<MienParams>) -> Option<Self> {
        if !system_allows() {
            return None;
        }
        let manager = GlobalHotKeyManager::new().ok()?;
        let key = HotKey::new(Some(Modifiers::CONTROL | Modifiers::ALT), Code::KeyB);
        manager.register(key).ok()?;
        GlobalHotKeyEvent::set_event_handler(Some(move |event: GlobalHotKeyEvent| {
            if event.id == key.id() && event.state == HotKeyState::Pressed {
                let on = params.bypass.value();
                params.set(ParamId::Bypass, f32::from(!on));
            }
        }));
        Some(Self { _manager: manager })
    }

    /// The key, in words.
    pub fn words(&self) -> &'static str {
        WORDS
    }
}

fn system_allows() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || (is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY"))
}
