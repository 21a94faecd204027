//! Training of the vocoder: spectral distance first, then adversaries beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use tch::nn::VarStore;
use tch::{Device, Tensor, no_grad};

use super::adversarial::{accuracy, discriminator_loss, feature_matching, generator_loss};
use super::batches::{Pool, Shape, SoundBatch, sound_batches};
use super::checkpoint;
use super::config::{TrainConfig, VocoderConfig};
use super::losses::spectral_loss;
use super::optimizer::{AdamW, WeightMean};
use super::session::Session;
use crate::networks::{
    PeriodDiscriminators, SourceSpectra, SpectrogramDiscriminators, Verdict, Vocoder,
};
use crate::pack;

/// A vocoder and its variables.
#[derive(Debug)]
pub struct VocoderNetworks {
    /// Holds every variable.
    pub store: VarStore,
    /// The vocoder.
    pub vocoder: Vocoder,
}

impl VocoderNetworks {
    /// A fresh vocoder.
    pub fn new(config: &TrainConfig, device: Device) -> Self {
        let store = VarStore::new(device);
        let vocoder = Vocoder::new(&(store.root() / "vocoder"), &config.networks);
        Self { store, vocoder }
    }

    /// Begins with a pack's vocoder instead of chance.
    ///
    /// # Errors
    /// When the pack cannot be read, or its vocoder has other sizes.
    pub fn start_from(&self, path: &Path) -> Result<()> {
        let (_, tensors) = pack::read(path)?;
        no_grad(|| {
            for (name, mut variable) in self.store.variables() {
                let saved = tensors
                    .get(&name)
                    .filter(|saved| saved.size() == variable.size())
                    .with_context(|| format!("{path:?} has no {name} of this size"))?;
                variable.copy_(saved);
            }
            Ok(())
        })
    }
}

/// All networks that the vocoder plays against.
#[derive(Debug)]
struct Adversaries {
    spectrograms: SpectrogramDiscriminators,
    periods: PeriodDiscriminators,
}

impl Adversaries {
    fn new(path: &tch::nn::Path, c: &VocoderConfig) -> Self {
        Self {
            spectrograms: SpectrogramDiscriminators::new(
                path,
                &c.discriminator_resolutions,
                c.discriminator_width,
                c.discriminator_norm,
            ),
            periods: PeriodDiscriminators::new(
                path,
                &c.discriminator_periods,
                c.period_width,
                c.discriminator_norm,
            ),
        }
    }

    fn judge(&self, sound: &Tensor) -> Vec<Verdict> {
        let mut verdicts = self.spectrograms.judge(sound);
        verdicts.extend(self.periods.judge(sound));
        verdicts
    }
}

/// What a run needs besides its networks.
pub struct VocoderRun<'a> {
    /// The recipe.
    pub config: &'a TrainConfig,
    /// Speech.
    pub pool: Arc<Pool>,
    /// The run's folder.
    pub folder: PathBuf,
    /// A pack to begin from.
    pub start: Option<PathBuf>,
    /// When to stop.
    pub deadline: Option<Instant>,
    /// Where to compute.
    pub device: Device,
}

/// Name of the checkpoint in a run's folder.
pub const CHECKPOINT: &str = "vocoder.safetensors";

impl VocoderRun<'_> {
    /// Both stages, going on from the run folder's checkpoint. Returns whether all steps are done.
    pub fn train(&self, networks: &VocoderNetworks) -> Result<bool> {
        let c = &self.config.vocoder;
        let total = c.steps + c.adversarial_steps;
        let adversary_store = VarStore::new(self.device);
        let adversary = Adversaries::new(&adversary_store.root(), c);
        let named = || checkpoint::named(&networks.store);
        let mut adam = AdamW::new(&c.optimizer, named(), c.steps);
        let mut fine = AdamW::new(&c.adversarial_optimizer, named(), c.adversarial_steps);
        let mut adversary_adam = AdamW::new(
            &c.adversarial_optimizer,
            checkpoint::named(&adversary_store),
            c.adversarial_steps,
        );
        let mut mean = WeightMean::new(c.ema, named());
        let path = self.folder.join(CHECKPOINT);
        let save = |step: u64, mean: &WeightMean, adams: [&AdamW; 2]| {
            let mut all = checkpoint::prefixed("live", named());
            all.extend(checkpoint::prefixed("ema", mean.named()));
            let adversary = checkpoint::named(&adversary_store);
            all.extend(checkpoint::prefixed("adversary", adversary));
            all.extend(adams.iter().flat_map(|adam| adam.state()));
            all.push(("step".into(), Tensor::from(step as i64)));
            checkpoint::write(&path, &all)
        };
        let mut step = 0;
        if path.is_file() {
            let saved = checkpoint::read(&path)?;
            step = checkpoint::step(&saved);
            checkpoint::load_into(&networks.store, &saved, "live");
            checkpoint::load_into(&adversary_store, &saved, "adversary");
            adam.restore(&saved, step.min(c.steps));
            fine.restore(&saved, step.saturating_sub(c.steps));
            adversary_adam.restore(&saved, step.saturating_sub(c.steps));
            mean.restore(&saved, step);
        } else if let Some(start) = &self.start {
            networks.start_from(start)?;
            mean = WeightMean::new(c.ema, named());
            if total == 0 {
                // The pack's vocoder as it is.
                save(step, &mean, [&adam, &adversary_adam])?;
                return Ok(true);
            }
        }
        let shape = Shape {
            batch: c.batch,
            frames: c.frames,
        };
        let draw = self.config.data.draw(0).after(step);
        let batches = sound_batches(self.pool.clone(), shape, draw);
        let names = [
            "spectral",
            "generator",
            "features",
            "adversary",
            "taken_for_real",
        ];
        let mut session = Session::new(
            &self.folder,
            "vocoder",
            &names,
            (step, total),
            self.deadline,
        )?;
        while step < total && !session.over() {
            let batch = batches.recv()?.to_device(self.device);
            let playing = step >= c.steps;
            let rate = if playing {
                fine.learning_rate()
            } else {
                adam.learning_rate()
            };
            let sound = vocode(&networks.vocoder, &batch);
            let spectral = spectral_loss(
                &sound,
                &batch.sound,
                &batch.band,
                &c.resolutions,
                c.ear_weight,
            );
            let mut values = vec![spectral.double_value(&[]), 0.0, 0.0, 0.0, 0.0];
            let norm = if playing {
                let fakes = adversary.judge(&sound);
                let reals = no_grad(|| adversary.judge(&batch.sound));
                let pairs = || reals.iter().zip(&fakes);
                let formula = c.adversarial_loss;
                let sum = |terms: Vec<Tensor>| Tensor::stack(&terms, 0).mean(tch::Kind::Float);
                let adversarial = sum(fakes
                    .iter()
                    .map(|f| generator_loss(formula, &f.scores))
                    .collect());
                let features = sum(pairs().map(|(r, f)| feature_matching(r, f)).collect());
                values[1] = adversarial.double_value(&[]);
                values[2] = features.double_value(&[]);
                let loss =
                    spectral + adversarial * c.adversarial_weight + features * c.feature_weight;
                let norm = fine.backward_step(&loss);
                let fakes = adversary.judge(&sound.detach());
                let reals = adversary.judge(&batch.sound);
                let pairs = || reals.iter().zip(&fakes);
                let loss = sum(pairs()
                    .map(|(r, f)| discriminator_loss(formula, &r.scores, &f.scores))
                    .collect());
                values[3] = loss.double_value(&[]);
                let accepted = pairs().map(|(r, f)| accuracy(formula, &r.scores, &f.scores).1);
                values[4] = accepted.sum::<f64>() / reals.len() as f64;
                adversary_adam.backward_step(&loss);
                norm
            } else {
                adam.backward_step(&spectral)
            };
            mean.update();
            step += 1;
            session.record(step, rate, norm, &values)?;
            if session.due() || step == total || session.over() {
                let own = if playing { &fine } else { &adam };
                save(step, &mean, [own, &adversary_adam])?;
            }
        }
        session.finish();
        Ok(step >= total)
    }
}

fn vocode(vocoder: &Vocoder, batch: &SoundBatch) -> Tensor {
    let source = SourceSpectra {
        pulses: batch.pulses.shallow_clone(),
        noise: batch.noise.shallow_clone(),
    };
    vocoder.vocode(&batch.mel, &batch.prosody, &source)
}
