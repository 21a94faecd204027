//! Command lines of the slow side, run through the face's `command`.

mod average;
pub mod evaluate;
mod phones;
mod speakers;
pub mod train;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "mien", about = "Training and evaluation of Mien's voices")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Trains the networks and makes a pack.
    Train(Box<train::TrainArguments>),
    /// Converts unseen speakers with a pack and measures the result.
    Evaluate(Box<evaluate::EvaluateArguments>),
    /// Writes a checkpoint whose weights lie between those of two.
    Average(average::AverageArguments),
}

/// Runs a command line; returns the exit code.
pub fn run(arguments: &[String]) -> i32 {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MIEN_LOG")
        .unwrap_or_else(|_| "warn,mien_models=info".into());
    // A second command in one process finds the log already set up.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
    let parsed = match Arguments::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            let _ = error.print();
            return error.exit_code();
        }
    };
    let outcome = match parsed.command {
        Command::Train(arguments) => arguments.run(),
        Command::Evaluate(arguments) => arguments.run(),
        Command::Average(arguments) => arguments.run(),
    };
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("mien: {error:#}");
            1
        }
    }
}
