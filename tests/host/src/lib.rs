//! A CLAP host for the tests.
//!
//! * [`Plugin`]: an instance, on the main thread: its parameters, its state, its window.
//! * [`Player`]: its audio side, one block after the other, on whatever thread.
//! * [`Asked`]: what the plugin asked the host for.

mod asked;
mod player;
mod plugin;

pub use asked::{Asked, Menu};
pub use clack_extensions::gui::GuiSize;
pub use clack_extensions::render::RenderMode;
pub use clack_host::entry::{EntryDescriptor, PluginEntry};
pub use clack_host::utils::ClapId;
pub use player::{Player, Touch, Touched};
pub use plugin::{Param, Plugin};
