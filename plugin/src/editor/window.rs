//! The window: its size, its zoom, and its life from opening to closing.
//!
//! The framework keeps one editor for all windows that a host opens one after the other, does not
//! say when one closes, and gets the size of the next one wrong after a zoom. So each window gets
//! an editor of the framework's of its own, and what must outlive it lies in [`PanelApp`].

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam::atomic::AtomicCell;
use egui::{ViewportCommand, vec2};
use mien_panel::{DEFAULT_SIZE, MAX_ZOOM, MIN_ZOOM, Panel, zoom_for_window};
use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::{LogicalSize, NativeSize};
use nice_plug::editor::{Editor, HostMethods, ParentWindowHandle, ResizeHint, SpawnedEditor};
use nice_plug_egui::{
    EguiEditorHandle, EguiEditorState, EguiNiceSettings, Frame, GraphicsConfig, NiceEguiApp,
    RepaintNotifier, baseview, create_egui_editor,
};

use super::PanelApp;
use super::damage;
use super::pulse::Pulse;
#[cfg(target_os = "linux")]
use super::readers;
use super::wake::Wake;
use crate::param_menu::ParamMenu;

/// How long a new size must last before it is kept, in s: a drag passes through many.
const SIZE_SETTLES_S: f64 = 0.6;

/// The framework's own way to wake the window is not used, so it need not look.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// Any shape, from the smallest to the largest zoom.
fn resize_hint() -> ResizeHint {
    let size = |zoom: f32| LogicalSize::new(DEFAULT_SIZE[0] * zoom, DEFAULT_SIZE[1] * zoom);
    ResizeHint::RESIZABLE.with_min_max_logical_size(Some(size(MIN_ZOOM)), Some(size(MAX_ZOOM)))
}

/// A window's size in points before any zoom, and pixels to a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    points: [f32; 2],
    density: f64,
}

impl Measure {
    fn of(size: baseview::WindowSize) -> Self {
        let point = |pixels: u32| (f64::from(pixels) / size.scale_factor) as f32;
        Self {
            points: [point(size.physical.width), point(size.physical.height)],
            density: size.scale_factor,
        }
    }

    /// The zoom at which the panel fills it.
    fn zoom(&self) -> f32 {
        zoom_for_window(self.points[0], self.points[1])
    }
}

/// The plugin's editor.
pub struct PanelEditor {
    app: Arc<Mutex<PanelApp>>,
    wake: Wake,
    menu: Arc<ParamMenu>,
    measure: Arc<AtomicCell<Measure>>,
}

impl PanelEditor {
    /// An editor whose windows show `app`; the first one measures `points`.
    pub(super) fn new(app: PanelApp, wake: Wake, menu: Arc<ParamMenu>, points: [f32; 2]) -> Self {
        let measure = Measure {
            points,
            density: 1.0,
        };
        Self {
            app: Arc::new(Mutex::new(app)),
            wake,
            menu,
            measure: Arc::new(AtomicCell::new(measure)),
        }
    }
}

impl Editor for PanelEditor {
    type Handle = EguiEditorHandle;

    fn spawn(
        &self,
        parent: Option<ParentWindowHandle>,
        wait_for_parent: bool,
        fallback_scale_factor: Option<f64>,
        gui_context: GuiContext,
        host: Option<HostMethods>,
    ) -> Result<SpawnedEditor<Self::Handle>, Box<dyn Error>> {
        self.menu.look();
        let measure = self.measure.load();
        let zoom = measure.zoom();
        let [width, height] = measure.points.map(|side| f64::from(side / zoom));
        let window = OpenWindow {
            app: self.app.clone(),
            wake: self.wake.clone(),
            drawn: false,
            measure: self.measure.clone(),
            pulse: None,
            zoom,
            new_size_since: None,
        };
        let settings = EguiNiceSettings::new()
            .with_tile("Mien")
            .with_resize_hint(resize_hint())
            // See `wake`.
            .with_repaint_poll_interval(NEVER)
            // Dithering costs a software renderer a third of its time, and the panel has no
            // gradient that shows bands.
            .with_graphics_config(GraphicsConfig {
                dithering: false,
                ..GraphicsConfig::default()
            });
        let state = EguiEditorState::from_size(LogicalSize::new(width, height), zoom);
        create_egui_editor(state, RepaintNotifier::default(), settings, window)
            .ok_or("the framework makes no window")?
            .spawn(
                parent,
                wait_for_parent,
                fallback_scale_factor,
                gui_context,
                host,
            )
    }

    fn size(&self) -> NativeSize<u32> {
        let Measure { points, density } = self.measure.load();
        let [width, height] = points.map(f64::from);
        NativeSize::from_size(LogicalSize::new(width, height).into(), density)
    }

    fn resize_hint(&self) -> ResizeHint {
        resize_hint()
    }
}

/// One open window. It is dropped when the window has closed.
pub struct OpenWindow {
    app: Arc<Mutex<PanelApp>>,
    wake: Wake,
    /// It was drawn once.
    drawn: bool,
    measure: Arc<AtomicCell<Measure>>,
    pulse: Option<Pulse>,
    /// The zoom that is drawn with.
    zoom: f32,
    /// When the window last got another size, in the window's time.
    new_size_since: Option<f64>,
}

impl OpenWindow {
    fn app(&self) -> MutexGuard<'_, PanelApp> {
        self.app.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills the window with the panel, whatever size it got.
    fn fit(&mut self, ui: &egui::Ui, frame: &Frame) {
        let now = ui.input(|input| input.time);
        let measure = Measure::of(frame.baseview_window().size());
        if self.measure.swap(measure) != measure {
            self.new_size_since = Some(now);
            self.app().panel.set_window(measure.points, measure.zoom());
        }
        if self.zoom != ui.ctx().zoom_factor() {
            self.zoom = ui.ctx().zoom_factor();
            // The framework makes the window larger when the zoom grows; here the zoom follows
            // from the window.
            let [width, height] = measure.points;
            let same = vec2(width, height) / self.zoom;
            ui.send_viewport_cmd(ViewportCommand::InnerSize(same));
        }
        ui.ctx().set_zoom_factor(measure.zoom());
        if let Some(since) = self.new_size_since {
            if now - since < SIZE_SETTLES_S {
                ui.ctx().request_repaint_after_secs(SIZE_SETTLES_S as f32);
            } else {
                self.new_size_since = None;
                self.app().keep_size(measure.points, measure.zoom());
            }
        }
    }
}

impl NiceEguiApp for OpenWindow {
    fn build(
        &mut self,
        egui: egui::Context,
        context: GuiContext,
        frame: &mut Frame,
    ) -> Result<(), baseview::HandlerError> {
        Panel::install(&egui);
        #[cfg(target_os = "linux")]
        readers::attach(&egui, self.wake.clone());
        let renderer = damage::attach(&egui);
        self.measure
            .store(Measure::of(frame.baseview_window().size()));
        let mut app = self.app();
        app.opened(context);
        let mirror = app.mirror.clone();
        drop(app);
        self.pulse = Some(Pulse::start(mirror, self.wake.clone(), renderer));
        Ok(())
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut Frame) {
        if !std::mem::replace(&mut self.drawn, true) {
            self.wake.opened(ui.ctx());
        }
        self.fit(ui, frame);
        let mut app = self.app();
        let (zoom, closing) = (app.draw(ui), app.closing());
        drop(app);
        if closing {
            ui.send_viewport_cmd(ViewportCommand::Close);
        }
        if let Some(zoom) = zoom {
            let [width, height] = DEFAULT_SIZE.map(|side| side * zoom);
            let size = vec2(width, height) / self.zoom;
            ui.send_viewport_cmd(ViewportCommand::InnerSize(size));
        }
    }
}

impl Drop for OpenWindow {
    fn drop(&mut self) {
        self.pulse = None;
        self.wake.closed();
        let measure = self.measure.load();
        let mut app = self.app();
        app.keep_size(measure.points, measure.zoom());
        app.closed();
    }
}
