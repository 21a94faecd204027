//! What the standalone adds to the panel. It lives in the program, not in the plugin, so the panel's
//! window sees it through this trait.

use mien_panel::{Standalone, StandaloneAction};

/// The standalone's devices, player, recorder and controllers. Its methods are called by the window's
/// thread, for every frame, and return at once.
pub trait Desk: Send + Sync {
    /// What the panel shows of it.
    fn state(&self) -> Standalone;
    /// Has something done. What became of it is seen in [`Self::state`] and [`Self::message`].
    fn act(&self, action: StandaloneAction);
    /// Something to tell the person, once.
    fn message(&self) -> Option<String>;
    /// Whether the window is to close.
    fn closing(&self) -> bool;
}
