//! Opens Mien's panel in a real window, works it like a person, and takes pictures and figures.
//!
//! ```text
//! mien-window --plugin mien.clap --sound talk.flac wait=4 shot=panel.png cpu=20,live sound=off wait=8 cpu=20,silent
//! mien-window --program mien wait=4 shot=standalone.png
//! ```
//!
//! It needs an X server (`Xvfb` will do). With `--plugin` it is a CLAP host: it plays a sound through
//! the plugin at the pace of a sound card, in blocks of 10 ms, and embeds its window. With `--vst3` it
//! is a VST3 host that embeds a window and plays nothing.

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;

#[cfg(target_os = "linux")]
mod clap_host;
#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
mod screen;
#[cfg(target_os = "linux")]
mod steps;
#[cfg(target_os = "linux")]
mod usage;
#[cfg(target_os = "linux")]
mod vst3_host;

/// What to open, and what to do with it.
#[derive(Debug, Parser)]
pub struct Options {
    /// A `.clap` to host.
    #[arg(long, value_name = "FILE", conflicts_with = "program")]
    plugin: Option<PathBuf>,
    /// The library of a `.vst3` to host.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["plugin", "program"])]
    vst3: Option<PathBuf>,
    /// The VST3 host has nothing to put into the menu of a parameter.
    #[arg(long, requires = "vst3")]
    no_menu: bool,
    /// The VST3 host lends no run loop to the window.
    #[arg(long, requires = "vst3")]
    no_loop: bool,
    /// A program to start instead; its window is called Mien.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// An argument for the program; may be repeated.
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    argument: Vec<String>,
    /// The sound that plays through the plugin, over and over. Without it: silence.
    #[arg(long, value_name = "FILE")]
    sound: Option<PathBuf>,
    /// The host's sample rate in Hz.
    #[arg(long, value_name = "HZ", default_value_t = 48_000)]
    rate: u32,
    /// How much louder the sound is played.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    gain: f32,
    /// What to do, one after the other.
    ///
    /// Hands: move=X,Y click=X,Y double=X,Y right=X,Y drag=X,Y,X,Y,… key=NAME+NAME type=TEXT.
    /// Window: size=W,H close open, dialog=TITLE waits for a file dialog and gone for its end.
    /// Pictures and figures: shot=FILE screen=FILE cpu=SECONDS,LABEL.
    /// Host: set=NAME,VALUE sound=on|off, meanwhile=X,Y for a right click while the next menu is open. Time: wait=SECONDS.
    /// Checks, which end all when they fail: value=NAME,VALUE state=TEXT file=PATH,TEXT menu=NAME
    /// colour=X,Y,grey|green, and gesture=NAME for what hands did to parameters since the last one (gesture= forgets it).
    steps: Vec<String>,
}

#[cfg(target_os = "linux")]
fn main() -> Result<()> {
    steps::run(&Options::parse())
}

#[cfg(not(target_os = "linux"))]
fn main() -> Result<()> {
    let _ = Options::parse();
    anyhow::bail!("mien-window looks at X11 windows, which this system does not have")
}
