//! The panel in the framework's window: state goes in, actions come out.
//!
//! * `mirror`: fills the panel's plain state from parameters and shared state.
//! * `spectrum`: spectra of input and output for the live view.
//! * `perform`: carries out what the person did.
//! * `library`: the user's presets, and what the panel remembers.
//! * `desk`: what the standalone adds.

mod desk;
mod library;
mod mirror;
mod perform;
mod spectrum;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mien_panel::{DEFAULT_SIZE, Panel};
use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::LogicalSize;
use nice_plug_egui::{
    EguiEditor, EguiEditorState, EguiNiceSettings, Frame, NiceEguiApp, RepaintNotifier, baseview,
    create_egui_editor,
};

use crate::engine::Remote;
use crate::params::MienParams;
use crate::shared::Shared;
pub use desk::Desk;
use mirror::Mirror;

/// How often the panel is drawn while nothing is touched: meters and spectra move.
const FRAME_TIME: Duration = Duration::from_millis(33);

/// The scope stops recording when no frame was drawn for this long; the framework does not tell
/// when a window closes.
const CLOSED_AFTER: Duration = Duration::from_secs(2);

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
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Makes the editor. `desk` is the standalone's, and `None` in a host.
pub fn create(
    params: Arc<MienParams>,
    shared: Arc<Shared>,
    remote: RemoteSlot,
    desk: Option<Arc<dyn Desk>>,
) -> Option<EguiEditor<PanelApp>> {
    let memory = library::memory();
    let [width, height] = DEFAULT_SIZE.map(f64::from);
    let state = EguiEditorState::from_size(LogicalSize::new(width, height), memory.zoom);
    let app = PanelApp {
        panel: Panel::new(memory),
        mirror: Mirror::new(params.clone(), shared.clone()),
        params,
        shared,
        remote,
        desk,
        context: None,
    };
    let settings = EguiNiceSettings::new().with_tile("Mien");
    create_egui_editor(state, RepaintNotifier::default(), settings, app)
}

/// The panel in a window of the framework.
pub struct PanelApp {
    panel: Panel,
    mirror: Mirror,
    params: Arc<MienParams>,
    shared: Arc<Shared>,
    remote: RemoteSlot,
    desk: Option<Arc<dyn Desk>>,
    context: Option<GuiContext>,
}

impl NiceEguiApp for PanelApp {
    fn build(
        &mut self,
        egui: egui::Context,
        context: GuiContext,
        _frame: &mut Frame,
    ) -> Result<(), baseview::HandlerError> {
        Panel::install(&egui);
        self.mirror.opened(context.plugin_api());
        self.context = Some(context);
        Ok(())
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut Frame) {
        let Some(context) = self.context.clone() else {
            return;
        };
        self.shared.scope.watch_until(Instant::now() + CLOSED_AFTER);
        self.mirror.refresh();
        if let Some(desk) = &self.desk {
            self.mirror.state.standalone = Some(desk.state());
            // Each message is shown for as long as any other.
            if self.mirror.state.message.is_none()
                && let Some(message) = desk.message()
            {
                self.mirror.say(message);
            }
            if desk.closing() {
                ui.ctx().send_viewport_cmd(egui::ViewportCommand::Close);
            }
        }
        let actions = self.panel.ui(ui, &self.mirror.state);
        let mut doer = perform::Doer {
            params: &self.params,
            remote: self.remote.get(),
            desk: self.desk.as_deref(),
            context: &context,
            egui: ui.ctx(),
            panel: &mut self.panel,
            mirror: &mut self.mirror,
        };
        for action in actions {
            doer.carry_out(action);
        }
        doer.finish_recording();
        ui.ctx().request_repaint_after(FRAME_TIME);
    }
}
