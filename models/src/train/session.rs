//! What every stage of training does alike: progress, logs, curves, checkpoints, a stability watch.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::curves;

/// How long a stage may run without a checkpoint.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(180);
/// Steps between log lines.
const LOG_EVERY: u64 = 20;
/// Steps in a row whose loss may be broken before the run stops.
const PATIENCE: u32 = 25;

/// One stage's run.
#[derive(Debug)]
pub struct Session {
    bar: ProgressBar,
    csv: PathBuf,
    picture: PathBuf,
    names: Vec<&'static str>,
    sums: Vec<f64>,
    count: u64,
    broken: u32,
    saved: Instant,
    deadline: Option<Instant>,
    /// Whether a step was taken since the start.
    moved: bool,
}

impl Session {
    /// A stage `name` in the run folder, going on at `step` of `total`, stopping early at
    /// `deadline`. `losses` name the values that [`Self::record`] will get.
    pub fn new(
        folder: &Path,
        name: &str,
        losses: &[&'static str],
        (step, total): (u64, u64),
        deadline: Option<Instant>,
    ) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let template = format!("{name:10} {{wide_bar}} {{pos}}/{{len}} {{eta}} left  {{msg}}");
        let style = ProgressStyle::with_template(&template)?;
        let bar = ProgressBar::new(total)
            .with_style(style)
            .with_position(step);
        bar.reset_eta();
        let csv = folder.join(format!("{name}.csv"));
        if step == 0 || !csv.is_file() {
            let mut header = String::from("step,learning_rate,gradient_norm");
            losses.iter().for_each(|l| header.extend([",", l]));
            fs::write(&csv, header + "\n")?;
        }
        Ok(Self {
            bar,
            csv,
            picture: folder.join(format!("{name}.png")),
            names: losses.to_vec(),
            sums: vec![0.0; losses.len()],
            count: 0,
            broken: 0,
            saved: Instant::now(),
            deadline,
            moved: false,
        })
    }

    /// Takes in one step's values.
    ///
    /// # Errors
    /// When the losses have been broken for long, so that a run does not burn hours on nothing.
    pub fn record(&mut self, step: u64, rate: f64, norm: f64, values: &[f64]) -> Result<()> {
        self.bar.set_position(step);
        self.moved = true;
        if !norm.is_finite() || values.iter().any(|v| !v.is_finite()) {
            self.broken += 1;
            if self.broken > PATIENCE {
                bail!(
                    "the losses have been infinite for {PATIENCE} steps; lower learning_rate or clip_norm and resume"
                );
            }
            return Ok(());
        }
        self.broken = 0;
        self.sums
            .iter_mut()
            .zip(values)
            .for_each(|(sum, v)| *sum += v);
        self.count += 1;
        if step.is_multiple_of(LOG_EVERY) {
            let means: Vec<f64> = self.sums.iter().map(|s| s / self.count as f64).collect();
            let mut line = format!("{step},{rate:.3e},{norm:.3}");
            means
                .iter()
                .for_each(|m| line.push_str(&format!(",{m:.5}")));
            writeln!(
                fs::OpenOptions::new().append(true).open(&self.csv)?,
                "{line}"
            )?;
            let text: Vec<String> = self
                .names
                .iter()
                .zip(&means)
                .map(|(n, m)| format!("{n} {m:.3}"))
                .collect();
            self.bar.set_message(text.join(" "));
            if self.bar.is_hidden() {
                eprintln!(
                    "step {step} rate {rate:.2e} norm {norm:.2} {}",
                    text.join(" ")
                );
            }
            self.sums.fill(0.0);
            self.count = 0;
        }
        Ok(())
    }

    /// Whether it is time for a checkpoint.
    pub fn due(&mut self) -> bool {
        let due = self.saved.elapsed() > CHECKPOINT_EVERY;
        if due {
            self.saved = Instant::now();
        }
        due
    }

    /// Whether the time that was given is over; one step is taken however little it was, so that every start gets on.
    pub fn over(&self) -> bool {
        self.moved && self.deadline.is_some_and(|d| Instant::now() > d)
    }

    /// Draws the curves.
    pub fn finish(&self) {
        self.bar.finish();
        if let Err(error) = curves::draw(&self.csv, &self.picture) {
            tracing::warn!("no picture of the curves: {error:#}");
        }
    }
}
