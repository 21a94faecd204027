//! `cargo xtask`: everything around the code that a stranger should need one command for.
//!
//! `setup` makes the machine ready (system packages, libtorch), `run` shows the product, `test` checks it, `bundle`,
//! `install` and `dist` carry it to hosts, `bench` measures it, `screenshots` takes its picture. `cargo xtask help` lists the options.

mod bench;
mod bundle;
mod command;
mod copy;
mod dist;
mod install;
mod libtorch;
mod places;
mod python;
mod run;
mod screenshots;
mod steps;
mod system;
mod test;

use anyhow::Result;
use clap::{Parser, Subcommand};
use places::Places;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    about = "Set-up, run, test and packaging for Mien"
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Make this machine ready: system packages and libtorch. `run`, `test` and `bundle` do it on their own.
    Setup,
    /// Build everything and show it: the window where there is a display, or a converted file.
    Run(run::Options),
    /// Every check the project has: format, lints, docs, bundles, tests, realtime sanitizer, a real VST3 host.
    Test(test::Options),
    /// Build the standalone, the CLAP, the VST3 and the engine into target/bundled.
    Bundle,
    /// Build, then put the plugins, the engine and the packs where hosts look for them (for this user).
    Install(install::Options),
    /// Build, then pack everything a machine without Rust needs into one archive in target/dist.
    Dist(dist::Options),
    /// Measure: the time a host's scan costs, the time to convert, and every benchmark of the workspace.
    Bench,
    /// Build, then take pictures of the panel in real windows for docs/images, under an X server of its own (Linux).
    Screenshots(screenshots::Options),
    /// One scan of a CLAP, for `bench`: prints microseconds.
    #[command(hide = true)]
    Scan { plugin: PathBuf },
}

fn main() -> ExitCode {
    match work(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without a trace of our own functions: what helps is what failed and what to do.
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn work(cli: Cli) -> Result<()> {
    let places = Places::find()?;
    match cli.task {
        Task::Setup => {
            system::ensure(system::Need::Gui)?;
            let torch = libtorch::ensure(&places)?;
            println!(
                "Ready. libtorch {} is in {}",
                libtorch::VERSION,
                torch.display()
            );
            Ok(())
        }
        Task::Run(options) => run::run(&places, options),
        Task::Test(options) => test::test(&places, options),
        Task::Bundle => bundle::bundle(&places).map(|bundled| bundled.describe()),
        Task::Install(options) => install::install(&places, options),
        Task::Dist(options) => dist::dist(&places, options),
        Task::Bench => bench::bench(&places),
        Task::Screenshots(options) => screenshots::screenshots(&places, options),
        Task::Scan { plugin } => bench::scan(&plugin),
    }
}
