//! The panel in the framework's window: state goes in, actions come out.
//!
//! * `window`: the window, its size, and its opening and closing.
//! * `damage`: draws only what changed, where a software renderer draws.
//! * `pulse`: the thread that looks for news while a window is open.
//! * `wake`: asks the window for a frame.
//! * `mirror`: fills the panel's plain state from parameters and shared state.
//! * `spectrum`: spectra of input and output for the live view.
//! * `perform`: carries out what the person did.
//! * `dialogs`: the system's file dialogs.
//! * `readers`: names and values for screen readers.
//! * `library`: the user's presets, and what the panel remembers.
//! * `desk`: what the standalone adds.

mod damage;
mod desk;
mod dialogs;
mod library;
mod mirror;
mod perform;
mod pulse;
#[cfg(target_os = "linux")]
mod readers;
mod spectrum;
mod wake;
mod window;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mien_panel::{DEFAULT_SIZE, Memory, Panel};
use nice_plug::context::gui::GuiContext;
use nice_plug::nice_error;

use crate::engine::Remote;
use crate::param_menu::ParamMenu;
use crate::params::MienParams;
use crate::shared::Shared;
pub use desk::Desk;
use dialogs::Dialogs;
use mirror::Mirror;
use wake::Wake;
pub use window::PanelEditor;

/// The scope stops recording when no look was taken for this long.
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

/// Makes the editor. `menu` is the host's, and `desk` the standalone's: `None` in a host.
pub fn create(
    params: Arc<MienParams>,
    shared: Arc<Shared>,
    remote: RemoteSlot,
    menu: Arc<ParamMenu>,
    desk: Option<Arc<dyn Desk>>,
) -> Option<PanelEditor> {
    let memory = library::memory();
    let wake = Wake::default();
    menu.keep_wake({
        let wake = wake.clone();
        Box::new(move || wake.call())
    });
    let points = memory
        .window
        .unwrap_or_else(|| DEFAULT_SIZE.map(|side| side * memory.zoom));
    let app = PanelApp {
        kept: memory.clone(),
        panel: Panel::new(memory),
        mirror: Arc::new(Mutex::new(Mirror::new(
            params.clone(),
            shared,
            desk.clone(),
        ))),
        dialogs: Dialogs::new(wake.clone()),
        params,
        remote,
        menu: menu.clone(),
        desk,
        context: None,
        failed: false,
    };
    Some(PanelEditor::new(app, wake, menu, points))
}

/// The panel of one plugin instance; it outlives the windows that show it.
pub struct PanelApp {
    panel: Panel,
    mirror: Arc<Mutex<Mirror>>,
    dialogs: Dialogs,
    params: Arc<MienParams>,
    remote: RemoteSlot,
    menu: Arc<ParamMenu>,
    desk: Option<Arc<dyn Desk>>,
    context: Option<GuiContext>,
    /// What the panel remembered when that was last read or written.
    kept: Memory,
    /// Drawing panicked; the window says so until it is opened again.
    failed: bool,
}

impl PanelApp {
    /// A window opens in this host.
    fn opened(&mut self, context: GuiContext) {
        // Another instance may have changed it meanwhile.
        self.kept = library::memory();
        self.panel.set_memory(self.kept.clone());
        self.mirror().opened(context.plugin_api());
        self.context = Some(context);
        self.failed = false;
    }

    /// The window has closed.
    fn closed(&mut self) {
        let left = self.panel.let_go();
        self.carry_out(left, 1.0);
        self.mirror().closed();
        self.context = None;
    }

    /// Whether the window is to close.
    fn closing(&self) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.closing())
    }

    /// Keeps the window's size for the next one.
    fn keep_size(&mut self, points: [f32; 2], zoom: f32) {
        if self.kept.window == Some(points) {
            return;
        }
        let before = self.kept.clone();
        (self.kept.window, self.kept.zoom) = (Some(points), zoom);
        library::remember(&before, &self.kept);
    }

    /// Draws a frame and carries out what the person did. Returns the zoom that was asked for.
    ///
    /// A panic must not cross into the host: it ends this window's panel, and the voice goes on.
    fn draw(&mut self, ui: &mut egui::Ui) -> Option<f32> {
        if self.failed {
            let words =
                "The panel has failed; the voice goes on. Close this window and open it again.";
            ui.centered_and_justified(|ui| ui.label(words));
            return None;
        }
        let drawn = catch_unwind(AssertUnwindSafe(|| {
            if let Some(param) = self.menu.take_refused() {
                self.panel.show_own_menu(param);
            }
            if let Some(left) = self.menu.left() {
                ui.ctx().request_repaint_after(left);
            }
            let actions = {
                let mirror = self.mirror.clone();
                let mut mirror = mirror.lock().unwrap_or_else(PoisonError::into_inner);
                mirror.follow_parameters();
                mirror.state.can_browse = self.dialogs.are_available();
                mirror.state.host.has_param_menu = self.menu.is_offered();
                self.panel.ui(ui, &mirror.state)
            };
            self.carry_out(actions, window_scale(ui.ctx()))
        }));
        drawn.unwrap_or_else(|_| {
            nice_error!("Drawing the panel failed");
            self.failed = true;
            self.panel = Panel::new(library::memory());
            None
        })
    }

    /// `scale` is that of the window's units to the panel's points.
    fn carry_out(&mut self, actions: Vec<mien_panel::PanelAction>, scale: f32) -> Option<f32> {
        let context = self.context.clone()?;
        let mirror = self.mirror.clone();
        let mut mirror = mirror.lock().unwrap_or_else(PoisonError::into_inner);
        let mut doer = perform::Doer {
            params: &self.params,
            remote: self.remote.get(),
            menu: &self.menu,
            scale,
            desk: self.desk.as_deref(),
            context: &context,
            panel: &mut self.panel,
            mirror: &mut mirror,
            dialogs: &mut self.dialogs,
            kept: &mut self.kept,
            zoom: None,
        };
        for action in actions {
            doer.carry_out(action);
        }
        doer.finish();
        doer.zoom
    }

    fn mirror(&self) -> MutexGuard<'_, Mirror> {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many units of the host's window go to a point of the panel: pixels, on macOS the system's points.
fn window_scale(egui: &egui::Context) -> f32 {
    if cfg!(target_os = "macos") {
        egui.zoom_factor()
    } else {
        egui.pixels_per_point()
    }
}

/// The moment until which the scope is to record, as seen from now.
fn watch() -> Instant {
    Instant::now() + CLOSED_AFTER
}
