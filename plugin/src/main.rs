//! The `mien` program: a window by default, and commands for files.

mod cli;
mod standalone;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Another voice, and another feeling, on the voice that comes in.
///
/// Without a command it opens a window and converts live; options then choose the sound device, see
/// `mien live --help`.
#[derive(Parser)]
#[command(name = "mien", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Opens the window and converts live (the default).
    #[command(disable_help_flag = true)]
    Live {
        /// Options of the sound device.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<String>,
    },
    /// Converts sound files or folders of them.
    Convert(cli::convert::Arguments),
    /// Lists the installed voices and emotions.
    Voices(cli::voices::Arguments),
    /// Any other command (train, evaluate, …) is the voice engine's; `mien engine --help` lists them.
    #[command(external_subcommand)]
    Engine(Vec<String>),
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    // Options without a command are those of `mien live`.
    let device_options = words.get(1).is_none_or(|word| word.starts_with('-'))
        && !words
            .iter()
            .skip(1)
            .any(|word| matches!(word.as_str(), "-h" | "--help" | "-V" | "--version"));
    if device_options {
        return standalone::run(words);
    }
    let result = match Arguments::parse().command {
        Command::Live { options } => {
            return standalone::run(words.into_iter().take(1).chain(options).collect());
        }
        Command::Convert(arguments) => cli::convert::run(&arguments),
        Command::Voices(arguments) => cli::voices::run(&arguments),
        Command::Engine(words) => return engine(words),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mien: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Hands a command line to the engine library, which holds the slow side: training needs libtorch,
/// and this program does not link it.
fn engine(mut words: Vec<String>) -> ExitCode {
    // `mien engine X` is `mien X`, for names that are commands of this program too.
    if words.first().is_some_and(|word| word == "engine") {
        words.remove(0);
    }
    words.insert(0, "mien".into());
    match mien::engine::loader::open_engine() {
        Ok(engine) => ExitCode::from(engine.command(&words).clamp(0, 255) as u8),
        Err(error) => {
            eprintln!("mien: {error}");
            ExitCode::FAILURE
        }
    }
}
