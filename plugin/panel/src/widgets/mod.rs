//! The panel's own widgets, and the few helpers that all sections use.

pub(crate) mod button;
pub(crate) mod control;
pub(crate) mod entry;
pub(crate) mod knob;
pub(crate) mod layout;
pub(crate) mod menu;
pub(crate) mod slider;
pub(crate) mod switch;
pub(crate) mod text;
