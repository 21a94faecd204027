//! Names of the glyphs in the two icon fonts (subsets of Phosphor Icons, MIT; see `assets/README.md`).

/// Icon `arrows-clockwise`.
pub const ARROWS_CLOCKWISE: &str = "\u{E094}";
/// Icon `arrow-u-up-left`.
pub const ARROW_U_UP_LEFT: &str = "\u{E08A}";
/// Icon `arrow-u-up-right`.
pub const ARROW_U_UP_RIGHT: &str = "\u{E08C}";
/// Icon `caret-left`.
pub const CARET_LEFT: &str = "\u{E138}";
/// Icon `caret-right`.
pub const CARET_RIGHT: &str = "\u{E13A}";
/// Icon `copy`.
pub const COPY: &str = "\u{E1CA}";
/// Icon `gear-six`.
pub const GEAR_SIX: &str = "\u{E272}";
/// Icon `info`.
pub const INFO: &str = "\u{E2CE}";
/// Icon `magnifying-glass`.
pub const MAGNIFYING_GLASS: &str = "\u{E30C}";
/// Icon `microphone`.
pub const MICROPHONE: &str = "\u{E326}";
/// Icon `pause`.
pub const PAUSE: &str = "\u{E39E}";
/// Icon `play`.
pub const PLAY: &str = "\u{E3D0}";
/// Icon `plus`.
pub const PLUS: &str = "\u{E3D4}";
/// Icon `power`.
pub const POWER: &str = "\u{E3DA}";
/// Icon `question`.
pub const QUESTION: &str = "\u{E3E8}";
/// Icon `star`.
pub const STAR: &str = "\u{E46A}";
/// Icon `user`.
pub const USER: &str = "\u{E4C2}";
/// Icon `warning`.
pub const WARNING: &str = "\u{E4E0}";
/// Icon `warning-circle`.
pub const WARNING_CIRCLE: &str = "\u{E4E2}";
/// Icon `x`.
pub const X: &str = "\u{E4F6}";
