//! The panel, as the framework sees it.

mod bridge;
mod plain;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use egui_baseview::Frame;
use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::LogicalSize;
use nice_plug_egui::{
    EguiEditor, EguiEditorState, EguiNiceSettings, NiceEguiApp, RepaintNotifier, baseview,
    create_egui_editor,
};

use crate::engine::Remote;
use crate::params::MienParams;
use crate::shared::Shared;

use nice_plug_egui as egui_baseview;

/// Width and height in logical pixels.
const SIZE: (f64, f64) = (900.0, 560.0);

/// Where the editor finds the engine once it runs.
#[derive(Clone, Default)]
pub struct RemoteSlot(Arc<Mutex<Option<Remote>>>);

impl RemoteSlot {
    /// Puts the engine's handle in.
    pub fn set(&self, remote: Remote) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(remote);
    }

    /// The engine's handle, once there is one.
    pub fn get(&self) -> Option<Remote> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Makes the editor.
pub fn create(
    params: Arc<MienParams>,
    shared: Arc<Shared>,
    remote: RemoteSlot,
) -> Option<EguiEditor<PanelApp>> {
    let size = LogicalSize::new(SIZE.0, SIZE.1);
    let state = EguiEditorState::from_size(size, 1.0);
    let repaint = RepaintNotifier::default();
    let app = PanelApp { params, shared, remote, context: None };
    let settings = EguiNiceSettings::new().with_tile("Mien");
    create_egui_editor(state, repaint, settings, app)
}

/// The panel in a window of the framework.
pub struct PanelApp {
    params: Arc<MienParams>,
    shared: Arc<Shared>,
    remote: RemoteSlot,
    context: Option<GuiContext>,
}

impl NiceEguiApp for PanelApp {
    fn build(
        &mut self,
        _egui: egui::Context,
        context: GuiContext,
        _frame: &mut Frame,
    ) -> Result<(), baseview::HandlerError> {
        self.context = Some(context);
        self.shared.scope.watch(true);
        Ok(())
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut Frame) {
        let Some(context) = self.context.clone() else { return };
        plain::panel(ui, &self.params, &self.shared, &self.remote, &context);
        ui.ctx().request_repaint_after(Duration::from_millis(33));
    }
}
