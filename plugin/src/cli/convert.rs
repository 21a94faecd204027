//! `mien convert`: files through the same pipeline as the plugin.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mien::engine::loader::open_engine;
use mien::engine::pipeline::{Pipeline, Port};
use mien_audio::{Depth, Sound};
use mien_face::{Controls, StepReport};

use super::inputs::{Task, tasks};
use super::picture;
use super::recipe::Recipe;

/// Arguments of `mien convert`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Sound files (WAV, FLAC, OGG, MP3, …) or folders of them.
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Where to write: a .wav or .flac file, or a folder.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    recipe: Recipe,
    /// Sample rate of the output in Hz; the input's if not given.
    #[arg(long, value_name = "HZ")]
    rate: Option<u32>,
    /// Draws the spectrograms of input and output into a PNG (one input file only).
    #[arg(long, value_name = "PNG")]
    spectrogram: Option<PathBuf>,
    /// Prints nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

/// Samples handed to the pipeline at once: a progress bar that moves, for no cost.
const CHUNK: usize = 4800;

/// Runs it.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let tasks = tasks(&arguments.inputs, &arguments.output)?;
    if arguments.spectrogram.is_some() && tasks.len() > 1 {
        bail!(
            "--spectrogram draws one file, but {} were given",
            tasks.len()
        );
    }
    if let Some(rate) = arguments.rate
        && !(8_000..=192_000).contains(&rate)
    {
        bail!("--rate is {rate}, but must lie between 8000 and 192000 Hz");
    }
    let chosen = arguments.recipe.find_pack()?;
    let controls = arguments.recipe.controls(&chosen.card)?;
    let engine = open_engine().map_err(anyhow::Error::msg)?;
    let pack = engine.load_pack(&chosen.path)?;
    let bar = progress(arguments.quiet);
    let (mut heard, mut worked) = (0.0, Duration::ZERO);
    for task in &tasks {
        bar.set_message(
            task.input
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        );
        let started = Instant::now();
        let sound = mien_audio::decode(&task.input)?;
        heard += sound.seconds();
        bar.set_length((heard * 1000.0) as u64);
        let job = Job {
            controls,
            mix: arguments.recipe.mix / 100.0,
            rate: arguments.rate,
        };
        let converted = job.convert(&sound, &pack, &bar)?;
        write(task, &converted)?;
        if let Some(path) = &arguments.spectrogram {
            picture::draw(path, &sound, &converted)?;
        }
        worked += started.elapsed();
    }
    bar.finish_and_clear();
    if !arguments.quiet {
        let count = match tasks.as_slice() {
            [task] => task.output.display().to_string(),
            tasks => format!("{} files below {}", tasks.len(), arguments.output.display()),
        };
        let seconds = worked.as_secs_f64();
        println!(
            "{count}: {heard:.1} s of sound in {seconds:.1} s ({:.2} × real time)",
            seconds / heard
        );
    }
    Ok(())
}

fn write(task: &Task, sound: &Sound) -> anyhow::Result<()> {
    if let Some(folder) = task.output.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    Ok(mien_audio::write(&task.output, sound, Depth::default())?)
}

fn progress(quiet: bool) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if quiet {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} % {msg} ({eta} left)");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// How one file is converted.
struct Job {
    controls: Controls,
    mix: f32,
    rate: Option<u32>,
}

impl Job {
    /// The converted sound: as long as the input, and in line with it.
    fn convert(
        &self,
        sound: &Sound,
        pack: &mien_face::Pack,
        bar: &ProgressBar,
    ) -> anyhow::Result<Sound> {
        let converter = pack.converter()?;
        let mut pipeline = Pipeline::new(sound.rate, converter.info().delay_samples as usize)?;
        pipeline.set(Some(Box::new(converter)));
        let delay = pipeline.delay() as usize;
        let wanted = sound.frames() + delay;
        let mut port = Collector {
            controls: self.controls,
            voice: Vec::with_capacity(wanted),
        };
        let start = bar.position();
        let mono = sound.mono();
        for (i, chunk) in mono.chunks(CHUNK).enumerate() {
            pipeline
                .push(chunk, &mut port)
                .map_err(anyhow::Error::msg)?;
            let done = ((i + 1) * CHUNK).min(mono.len());
            bar.set_position(start + done as u64 * 1000 / u64::from(sound.rate));
        }
        // Silence pushes out what the pipeline still holds.
        while port.voice.len() < wanted {
            pipeline
                .push(&[0.0; CHUNK], &mut port)
                .map_err(anyhow::Error::msg)?;
        }
        let voice = &port.voice[delay..wanted];
        let blend = |dry: &Vec<f32>| -> Vec<f32> {
            let pairs = dry.iter().zip(voice);
            pairs
                .map(|(dry, wet)| {
                    if self.mix == 1.0 {
                        *wet
                    } else {
                        dry + (wet - dry) * self.mix
                    }
                })
                .collect()
        };
        let mut samples: Vec<Vec<f32>> = sound.samples.iter().map(blend).collect();
        let rate = self.rate.unwrap_or(sound.rate);
        if rate != sound.rate {
            for channel in &mut samples {
                *channel = mien_audio::resample(channel, sound.rate, rate);
            }
        }
        Ok(Sound { samples, rate })
    }
}

/// Gathers what the pipeline emits.
struct Collector {
    controls: Controls,
    voice: Vec<f32>,
}

impl Port for Collector {
    fn controls(&mut self) -> Controls {
        self.controls
    }

    fn emit(&mut self, samples: &[f32]) {
        self.voice.extend_from_slice(samples);
    }

    fn stepped(&mut self, _took: Duration, _report: StepReport) {}
}
