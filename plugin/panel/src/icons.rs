//! Names of the glyphs in the two icon fonts (subsets of Phosphor Icons, MIT; see `assets/README.md`).

/// Icon `arrows-clockwise`.
pub const ARROWS_CLOCKWISE: &str = "\u{E094}";
/// Icon `arrow-counter-clockwise`.
pub const ARROW_COUNTER_CLOCKWISE: &str = "\u{E038}";
/// Icon `arrow-u-up-left`.
pub const ARROW_U_UP_LEFT: &str = "\u{E08A}";
/// Icon `arrow-u-up-right`.
pub const ARROW_U_UP_RIGHT: &str = "\u{E08C}";
/// Icon `broadcast`.
pub const BROADCAST: &str = "\u{E0F2}";
/// Icon `caret-down`.
pub const CARET_DOWN: &str = "\u{E136}";
/// Icon `caret-left`.
pub const CARET_LEFT: &str = "\u{E138}";
/// Icon `caret-right`.
pub const CARET_RIGHT: &str = "\u{E13A}";
/// Icon `caret-up`.
pub const CARET_UP: &str = "\u{E13C}";
/// Icon `check`.
pub const CHECK: &str = "\u{E182}";
/// Icon `circles-three`.
pub const CIRCLES_THREE: &str = "\u{E192}";
/// Icon `copy`.
pub const COPY: &str = "\u{E1CA}";
/// Icon `cpu`.
pub const CPU: &str = "\u{E610}";
/// Icon `crosshair-simple`.
pub const CROSSHAIR_SIMPLE: &str = "\u{E1D8}";
/// Icon `dots-three`.
pub const DOTS_THREE: &str = "\u{E1FE}";
/// Icon `download-simple`.
pub const DOWNLOAD_SIMPLE: &str = "\u{E20C}";
/// Icon `file-audio`.
pub const FILE_AUDIO: &str = "\u{EA20}";
/// Icon `floppy-disk`.
pub const FLOPPY_DISK: &str = "\u{E248}";
/// Icon `folder-open`.
pub const FOLDER_OPEN: &str = "\u{E256}";
/// Icon `gauge`.
pub const GAUGE: &str = "\u{E628}";
/// Icon `gear-six`.
pub const GEAR_SIX: &str = "\u{E272}";
/// Icon `headphones`.
pub const HEADPHONES: &str = "\u{E2A6}";
/// Icon `house`.
pub const HOUSE: &str = "\u{E2C2}";
/// Icon `info`.
pub const INFO: &str = "\u{E2CE}";
/// Icon `keyboard`.
pub const KEYBOARD: &str = "\u{E2D8}";
/// Icon `lightning`.
pub const LIGHTNING: &str = "\u{E2DE}";
/// Icon `list`.
pub const LIST: &str = "\u{E2F0}";
/// Icon `magic-wand`.
pub const MAGIC_WAND: &str = "\u{E6B6}";
/// Icon `magnifying-glass`.
pub const MAGNIFYING_GLASS: &str = "\u{E30C}";
/// Icon `microphone`.
pub const MICROPHONE: &str = "\u{E326}";
/// Icon `minus`.
pub const MINUS: &str = "\u{E32A}";
/// Icon `moon`.
pub const MOON: &str = "\u{E330}";
/// Icon `path`.
pub const PATH: &str = "\u{E39C}";
/// Icon `pause`.
pub const PAUSE: &str = "\u{E39E}";
/// Icon `piano-keys`.
pub const PIANO_KEYS: &str = "\u{E9C8}";
/// Icon `play`.
pub const PLAY: &str = "\u{E3D0}";
/// Icon `plugs`.
pub const PLUGS: &str = "\u{EB56}";
/// Icon `plugs-connected`.
pub const PLUGS_CONNECTED: &str = "\u{EB5A}";
/// Icon `plus`.
pub const PLUS: &str = "\u{E3D4}";
/// Icon `power`.
pub const POWER: &str = "\u{E3DA}";
/// Icon `question`.
pub const QUESTION: &str = "\u{E3E8}";
/// Icon `record`.
pub const RECORD: &str = "\u{E3EE}";
/// Icon `sidebar-simple`.
pub const SIDEBAR_SIMPLE: &str = "\u{EC24}";
/// Icon `sliders-horizontal`.
pub const SLIDERS_HORIZONTAL: &str = "\u{E434}";
/// Icon `smiley`.
pub const SMILEY: &str = "\u{E436}";
/// Icon `speaker-high`.
pub const SPEAKER_HIGH: &str = "\u{E44A}";
/// Icon `star`.
pub const STAR: &str = "\u{E46A}";
/// Icon `stop`.
pub const STOP: &str = "\u{E46C}";
/// Icon `sun`.
pub const SUN: &str = "\u{E472}";
/// Icon `timer`.
pub const TIMER: &str = "\u{E492}";
/// Icon `trash`.
pub const TRASH: &str = "\u{E4A6}";
/// Icon `upload-simple`.
pub const UPLOAD_SIMPLE: &str = "\u{E4C0}";
/// Icon `user`.
pub const USER: &str = "\u{E4C2}";
/// Icon `user-plus`.
pub const USER_PLUS: &str = "\u{E4D0}";
/// Icon `warning`.
pub const WARNING: &str = "\u{E4E0}";
/// Icon `warning-circle`.
pub const WARNING_CIRCLE: &str = "\u{E4E2}";
/// Icon `waveform`.
pub const WAVEFORM: &str = "\u{E802}";
/// Icon `x`.
pub const X: &str = "\u{E4F6}";
