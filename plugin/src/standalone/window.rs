//! The panel in a window of its own.

use std::sync::Arc;

use mien::editor::{self, Desk, RemoteSlot};
use mien::params::MienParams;
use mien::shared::Shared;
use nice_plug::context::PluginApi;
use nice_plug::context::gui::{GuiContext, GuiContextInner};
use nice_plug::editor::{Editor, EditorHandle, SpawnedEditor};
use nice_plug::plugin::PluginState;
use nice_plug::prelude::ParamPtr;
use nice_plug_egui::EguiEditorHandle;

use super::settings;

/// Opens the window and comes back when it was closed. `scale` is for systems that tell none.
///
/// # Errors
/// When no window can be opened; text for people.
pub fn run(
    params: Arc<MienParams>,
    shared: Arc<Shared>,
    remote: RemoteSlot,
    desk: Arc<dyn Desk>,
    scale: f64,
) -> Result<(), String> {
    let editor = editor::create(params.clone(), shared, remote, Arc::default(), Some(desk))
        .ok_or("the panel cannot be made")?;
    let context = GuiContext::new(Arc::new(Direct { params }));
    let SpawnedEditor { handle, window } = editor
        .spawn(None, false, Some(scale), context, None)
        .map_err(|error| error.to_string())?;
    let result = EguiEditorHandle::run_until_closed(window);
    drop(handle);
    result.map_err(|error| error.to_string())
}

/// Stands in for a host: what the panel sets is set at once.
struct Direct {
    params: Arc<MienParams>,
}

impl GuiContextInner for Direct {
    fn plugin_api(&self) -> PluginApi {
        PluginApi::Standalone
    }

    // Nobody records gestures here.
    unsafe fn raw_begin_set_parameter(&self, _: ParamPtr) {}

    unsafe fn raw_set_parameter_normalized(&self, param: ParamPtr, normalized: f32) {
        // SAFETY: the panel has its pointers from `params`, which are alive; values are atomics.
        unsafe {
            param._internal_set_normalized_value(normalized);
        }
    }

    unsafe fn raw_end_set_parameter(&self, _: ParamPtr) {}

    fn get_state(&self) -> PluginState {
        settings::sound(&self.params)
    }

    fn set_state(&self, state: PluginState) {
        settings::restore(&self.params, &state);
    }

    // The host's thread sees by itself that the delay is to be another.
    fn request_restart(&self) {}
}
