//! Asking the open window for another frame, from any thread.
//!
//! The framework has its own way, [`nice_plug_egui::RepaintNotifier`]. It is not used, because a
//! frame that is asked for before an X11 window is mapped blocks all later ones: the window stays
//! black. Here nothing is asked for before the window has drawn by itself for the first time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use egui::Context;

/// The least delay that egui does not answer with two frames.
const AT_ONCE: Duration = Duration::from_millis(1);

/// A handle; clones wake the same window.
#[derive(Clone, Default)]
pub struct Wake(Arc<Mutex<Option<Context>>>);

impl Wake {
    /// A window has drawn for the first time.
    pub fn opened(&self, ctx: &Context) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ctx.clone());
    }

    /// It has closed.
    pub fn closed(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Has the window draw a frame, if one is open.
    pub fn call(&self) {
        let window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ctx) = window.clone() {
            drop(window);
            ctx.request_repaint_after(AT_ONCE);
        }
    }
}
