//! The options of `mien live`. Those of the sound device are named as in any standalone of the plugin
//! framework. What they say holds for this run; what is chosen in the window is remembered.

use std::path::PathBuf;

use clap::Parser;

/// Opens the window and converts live.
///
/// Without options it uses what was chosen last. Options hold for this run only.
#[derive(Clone, Debug, Parser)]
#[command(name = "mien live")]
pub struct Options {
    /// Audio system: auto, pulseaudio, alsa, jack, coreaudio, wasapi, or dummy for none.
    #[arg(short, long)]
    pub backend: Option<String>,
    /// Lists audio systems and devices, and ends.
    #[arg(short, long)]
    pub list_devices: bool,
    /// Sample rate in Hz. JACK has its own.
    #[arg(short = 'r', long, value_parser = clap::value_parser!(u32).range(8_000..=384_000))]
    pub sample_rate: Option<u32>,
    /// Buffer size in samples. JACK has its own.
    #[arg(short, long, value_parser = clap::value_parser!(u32).range(16..=8_192))]
    pub period_size: Option<u32>,
    /// Input device, by its name or a part of it that no other has; empty for none.
    #[arg(long)]
    pub input_device: Option<String>,
    /// Output device, likewise.
    #[arg(long)]
    pub output_device: Option<String>,
    /// MIDI input, by its name; empty for none.
    #[arg(long)]
    pub midi_input: Option<String>,
    /// JACK ports to listen to, with commas between them.
    #[arg(long, value_delimiter = ',')]
    pub connect_jack_inputs: Vec<String>,
    /// Scale of the window where the system does not tell one.
    #[arg(long, default_value_t = 1.0)]
    pub dpi_scale: f64,
    /// Plays this sound file in place of the microphone.
    #[arg(long, value_name = "FILE")]
    pub play: Option<PathBuf>,
    /// Plays it again and again.
    #[arg(long = "loop", requires = "play")]
    pub looped: bool,
    /// Ends when the file does.
    #[arg(long, requires = "play", conflicts_with = "looped")]
    pub quit_at_end: bool,
    /// Records input and output to WAV files in this folder, from the start.
    #[arg(long, value_name = "FOLDER")]
    pub record: Option<PathBuf>,
    /// Listens to oneself from the start. Use headphones.
    #[arg(long)]
    pub listen: bool,
    /// Opens no window; Ctrl + C ends it.
    #[arg(long)]
    pub no_window: bool,
}
