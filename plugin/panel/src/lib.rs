//! The panel of Mien, drawn with egui from plain state.
//!
//! [`Panel::ui`] takes a [`PanelState`] (parameter values, voices, meters, …) and returns what the
//! person did as [`PanelAction`]s. It knows nothing of plugins, threads or files: the plugin's
//! editor and the standalone window both own a `Panel` and carry its actions out, and the tests
//! drive it without either.
//!
//! Only what belongs to looking is kept inside: open pages, the search, undo, A/B. What should
//! outlive the window comes out as [`PanelAction::Remember`].

pub mod actions;
mod context;
mod emotion;
mod fonts;
mod global;
mod help;
mod icons;
mod live;
mod morph;
mod notices;
mod onboarding;
pub mod params;
mod portrait;
mod presets;
mod routing;
mod scroll;
mod settings;
mod shape;
mod standalone;
pub mod state;
mod theme;
mod toast;
mod view;
mod voices;
mod widgets;

pub use actions::{FilePurpose, PanelAction, Sound, StandaloneAction};
pub use params::{PARAM_COUNT, PARAMS, ParamId, ParamKind, ParamSpec, Unit};
pub use presets::{FACTORY, FactoryPreset};
pub use state::*;
pub use view::{Page, Panel};

/// Size of the panel at a zoom of 1, in points.
pub const DEFAULT_SIZE: [f32; 2] = [900.0, 560.0];
/// Smallest zoom.
pub const MIN_ZOOM: f32 = 0.75;
/// Largest zoom.
pub const MAX_ZOOM: f32 = 2.0;

/// The zoom at which a window of this size (in unzoomed points) shows the whole panel, so that a
/// window of [`DEFAULT_SIZE`] times 1.5 is drawn 1.5 times as large instead of with more room.
pub fn zoom_for_window(width: f32, height: f32) -> f32 {
    (width / DEFAULT_SIZE[0])
        .min(height / DEFAULT_SIZE[1])
        .clamp(MIN_ZOOM, MAX_ZOOM)
}
