//! Hosts for the tests: one for CLAP, and a smaller one for windows in VST3.
//!
//! * [`Plugin`]: an instance, on the main thread: its parameters, its state, its window.
//! * [`Player`]: its audio side, one block after the other, on whatever thread.
//! * [`Asked`]: what the plugin asked the host for.
//! * `Vst3`: the VST3 one, on Linux.

mod asked;
mod player;
mod plugin;
#[cfg(target_os = "linux")]
mod vst3_host;

pub use asked::{Asked, Menu};
pub use clack_extensions::gui::GuiSize;
pub use clack_extensions::render::RenderMode;
pub use clack_host::entry::{EntryDescriptor, PluginEntry};
pub use clack_host::utils::ClapId;
pub use player::{Player, Touch, Touched};
pub use plugin::{Param, Plugin};
#[cfg(target_os = "linux")]
pub use vst3_host::{Manner, Vst3, Vst3Menu};
