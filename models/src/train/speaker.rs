//! The speaker encoder: speakers are told apart by an angular margin, crops of one speaker are found
//! among others', and the recording channel is disturbed, so that only the voice is left to go by.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use half::f16;
use rand::RngExt;
use rand::rngs::StdRng;
use serde::Serialize;
use tch::nn::{Init, VarStore};
use tch::{Device, Kind, Reduction, Tensor};

use super::augment::{Strength, disturb};
use super::batches::{Batches, Draw, ahead};
use super::checkpoint;
use super::config::{SpeakerTrainingConfig, TrainConfig};
use super::features::{FeatureSet, Features};
use super::learner::{Learner, Named};
use super::session::Session;
use crate::evaluate::verification::{Cohort, Side, Trials};
use crate::evaluate::verifier::{SpeakerVerifier, centroid, embed_views, sizes_of};
use crate::networks::{BANDS, CONTENT_MEL, SpeakerEncoder, normalise_value, stretched, unit};

/// Name of the checkpoint in a run's folder.
pub const FILE: &str = "speaker.safetensors";
/// The encoder alone in half precision, beside it.
pub const SMALL: &str = "speaker-encoder.safetensors";
/// What the validation said and which pairs it asked about; for models/scripts/verify.py.
pub const TRIALS: &str = "speaker-trials.json";

/// Recordings and frames of each training speaker that the verifier's cohort is made from.
const COHORT: (usize, usize) = (12, 400);
/// Steps between looks at the error rate.
const VALIDATE_EVERY: u64 = 200;
const HEARD: usize = CONTENT_MEL as usize;

/// A speaker to learn from.
#[derive(Clone, Debug)]
pub struct Speaker {
    /// Keys of the recordings' features.
    pub keys: Vec<String>,
    /// How often the speaker is drawn.
    pub weight: f64,
}

/// Two crops each of several speakers.
struct PairBatch {
    /// Normalised log mel `[2 · speakers, frames, CONTENT_MEL]`: first one crop of each, then the other.
    mel: Tensor,
    /// Class of each row, `[2 · speakers]`.
    class: Tensor,
}

/// What a run needs.
pub struct SpeakerRun<'a> {
    /// The recipe.
    pub config: &'a TrainConfig,
    /// Speakers to learn from.
    pub speakers: Vec<Speaker>,
    /// Features of all recordings.
    pub features: Arc<FeatureSet>,
    /// Pairs of unseen speakers. The first set is followed while training.
    pub trials: Vec<Trials>,
    /// The run's folder.
    pub folder: PathBuf,
    /// When to stop.
    pub deadline: Option<Instant>,
    /// Where to compute.
    pub device: Device,
}

impl SpeakerRun<'_> {
    /// Trains and, when all steps are done, measures on the unseen speakers. Returns whether they are.
    ///
    /// # Errors
    /// A full disk, losses that stay infinite.
    pub fn train(&self) -> Result<bool> {
        let c = &self.config.speaker;
        let store = VarStore::new(self.device);
        let root = store.root();
        let sizes = &self.config.networks.speaker;
        anyhow::ensure!(
            sizes.sensible(),
            "[networks.speaker] makes no sense: {sizes:?}"
        );
        let encoder = SpeakerEncoder::new(&(&root / "speaker"), sizes);
        let classes = (self.speakers.len() * c.copies.len()) as i64;
        let table = Init::Randn {
            mean: 0.0,
            stdev: 0.05,
        };
        let classes = (&root / "head").var("classes", &[classes, sizes.embedding], table);
        let all = || checkpoint::named(&store);
        let path = self.folder.join(FILE);
        let mut learner = Learner::new(path, all(), all(), (&c.optimizer, c.steps), c.ema);
        learner.resume()?;
        let draw = self.config.data.draw(1300).after(learner.step());
        let batches = self.batches(c, draw);
        let mut session = Session::new(
            &self.folder,
            "speaker",
            &["margin", "prototype", "wrong", "held_out_error"],
            (learner.step(), c.steps),
            self.deadline,
        )?;
        let mut unseen = f64::NAN;
        while !learner.done() && !session.over() {
            let batch = batches.recv()?;
            let mel = batch.mel.to_device(self.device);
            let class = batch.class.to_device(self.device);
            let embeddings = encoder.embed(&mel);
            let ramp = (c.margin_ramp * c.steps as f64).max(1.0);
            let margin = c.margin * (learner.step() as f64 / ramp).min(1.0);
            let (named, wrong) = margin_loss(&embeddings, &classes, &class, margin, c.scale);
            let paired = pair_loss(&embeddings);
            let values = [&named, &paired, &wrong].map(|t| t.double_value(&[]));
            let (rate, norm) = learner.learn(&(named + paired * c.prototype_weight));
            if unseen.is_nan() || learner.step().is_multiple_of(VALIDATE_EVERY) {
                unseen = self.followed(&encoder).unwrap_or(1.0);
            }
            let mut values = values.to_vec();
            values.push(unseen);
            session.record(learner.step(), rate, norm, &values)?;
            if session.due() {
                learner.save(self.facts())?;
            }
        }
        learner.save(self.facts())?;
        session.finish();
        if learner.done() {
            let small = learner
                .means()
                .into_iter()
                .filter(|(n, _)| n.starts_with("speaker"));
            let half = small.map(|(name, t)| (format!("ema/{name}"), t.to_kind(Kind::Half)));
            let mut kept: Vec<(String, Tensor)> = half.collect();
            kept.push(("step".into(), Tensor::from(learner.step() as i64)));
            kept.extend(self.facts());
            let small = self.folder.join(SMALL);
            checkpoint::write(&small, &kept)?;
            kept.push((
                "cohort".into(),
                self.cohort(&SpeakerVerifier::load(&small)?),
            ));
            checkpoint::write(&small, &kept)?;
            self.measure()?;
        }
        Ok(learner.done())
    }

    /// The middle of each training speaker as the verifier hears it, `[speakers, values]`.
    fn cohort(&self, verifier: &SpeakerVerifier) -> Tensor {
        let (recordings, frames) = COHORT;
        let one = |key: &String| {
            let mel = &self.features[key].mel;
            let from = mel.len().saturating_sub(frames) / 2;
            let heard = mel[from..(from + frames).min(mel.len())].iter();
            let heard: Vec<[f32; BANDS]> = heard.map(|f| f.map(f16::to_f32)).collect();
            verifier.embed_frames(&heard)
        };
        let middle = |speaker: &Speaker| {
            let keys = &speaker.keys;
            let step = keys.len().div_ceil(recordings).max(1);
            let embeddings: Vec<Vec<f32>> = keys.iter().step_by(step).map(one).collect();
            centroid(&embeddings)
        };
        let middles: Vec<Vec<f32>> = self.speakers.iter().filter_map(middle).collect();
        Tensor::from_slice(&middles.concat())
            .reshape([middles.len() as i64, -1])
            .to_kind(Kind::Half)
    }

    /// What is kept beside the weights.
    fn facts(&self) -> Named {
        vec![
            (
                "copies".into(),
                Tensor::from_slice(&self.config.speaker.copies).to_kind(Kind::Float),
            ),
            ("sizes".into(), sizes_of(&self.config.networks.speaker)),
            (
                "acted".into(),
                Tensor::from(i64::from(self.config.speaker.acted)),
            ),
        ]
    }

    /// Error rate of the live encoder on the first set of trials.
    fn followed(&self, encoder: &SpeakerEncoder) -> Option<f64> {
        let trials = self.trials.first()?;
        let rates: Vec<f32> = self
            .config
            .speaker
            .copies
            .iter()
            .map(|&c| c as f32)
            .collect();
        let side = |side: &Side| embed_views(encoder, &rates, &frames_of(side, &self.features));
        let embeddings: Vec<Vec<f32>> = trials.sides.iter().map(side).collect();
        trials.error_rate(&embeddings, None)
    }

    /// Tells the error rates of the file that is kept, and writes them with the pairs.
    fn measure(&self) -> Result<()> {
        let verifier = SpeakerVerifier::load(&self.folder.join(SMALL))?;
        let percent =
            |rate: Option<f64>| rate.map_or("      –".into(), |r| format!("{:5.1} %", 100.0 * r));
        println!("equal error rate on unseen speakers; impostors from the speaker's own corpus");
        let mut told = Vec::new();
        for trials in &self.trials {
            let side = |side: &Side| verifier.embed_frames(&frames_of(side, &self.features));
            let embeddings: Vec<Vec<f32>> = trials.sides.iter().map(side).collect();
            let rates = |cohort: Option<&Cohort>| {
                [
                    trials.error_rate(&embeddings, cohort),
                    trials.error_rate_within_gender(&embeddings, cohort),
                ]
            };
            let [rate, within] = rates(None);
            let normalised = rates(verifier.cohort());
            println!(
                "{:16} {}   within one gender {}   normalised {}   within one gender {}   ({} speakers, {} target and {} \
                 impostor pairs)",
                trials.name,
                percent(rate),
                percent(within),
                percent(normalised[0]),
                percent(normalised[1]),
                trials.speakers(),
                trials.targets.len(),
                trials.impostors.len()
            );
            told.push(Told {
                equal_error_rate: rate,
                within_gender: within,
                normalised,
                trials,
            });
        }
        let path = self.folder.join(TRIALS);
        std::fs::write(&path, serde_json::to_string(&told)?)
            .with_context(|| format!("cannot write {path:?}"))
    }

    fn batches(&self, c: &SpeakerTrainingConfig, draw: Draw) -> Batches<PairBatch> {
        let source = Source {
            config: c.clone(),
            cumulative: self
                .speakers
                .iter()
                .scan(0.0, |sum, s| {
                    *sum += s.weight;
                    Some(*sum)
                })
                .collect(),
            speakers: self.speakers.clone(),
            features: self.features.clone(),
        };
        ahead(draw, move |rng| source.batch(rng))
    }
}

/// Log mel of what a side holds.
fn frames_of(side: &Side, features: &FeatureSet) -> Vec<[f32; BANDS]> {
    let mut heard = Vec::new();
    for piece in &side.pieces {
        let frames = &features[&piece.key].mel;
        let to = (piece.from + piece.frames).min(frames.len());
        let piece = &frames[piece.from.min(to)..to];
        heard.extend(piece.iter().map(|f| f.map(f16::to_f32)));
    }
    heard
}

/// What a side holds, as [`crate::evaluate::verifier::embed_mel`] reads it.
pub fn mel_of(side: &Side, features: &FeatureSet) -> Vec<f32> {
    let frames = frames_of(side, features);
    let bands = frames.iter().flat_map(|f| &f[..HEARD]);
    bands.map(|v| normalise_value(*v)).collect()
}

/// One line of [`TRIALS`].
#[derive(Serialize)]
struct Told<'a> {
    equal_error_rate: Option<f64>,
    within_gender: Option<f64>,
    /// Both again with scores normalised by the cohort.
    normalised: [Option<f64>; 2],
    #[serde(flatten)]
    trials: &'a Trials,
}

/// Where batches come from.
struct Source {
    config: SpeakerTrainingConfig,
    speakers: Vec<Speaker>,
    cumulative: Vec<f64>,
    features: Arc<FeatureSet>,
}

impl Source {
    fn batch(&self, rng: &mut StdRng) -> PairBatch {
        let c = &self.config;
        let count = c.speakers.min(self.speakers.len());
        let strength = Strength {
            undisturbed: 0.0,
            tract: c.tract,
            equaliser: c.equaliser,
            noise: c.noise,
            room: c.room,
            band_limit: c.band_limit,
            mask: 0.2,
        };
        let centres = &mien_dsp::mel::filterbank().centres;
        let chosen = self.draw(count, rng);
        let copies: Vec<usize> = chosen.iter().map(|_| self.draw_copy(rng)).collect();
        let mut mel = Vec::with_capacity(2 * count * c.frames * HEARD);
        let firsts: Vec<usize> = chosen
            .iter()
            .map(|&s| rng.random_range(0..self.speakers[s].keys.len()))
            .collect();
        for crop in 0..2 {
            for ((&speaker, &copy), &first) in chosen.iter().zip(&copies).zip(&firsts) {
                let keys = &self.speakers[speaker].keys;
                // The second crop comes from another recording, where there is one.
                let other = rng.random_range(0..keys.len().max(2) - 1);
                let recording = if crop == 0 {
                    first
                } else {
                    (first + 1 + other) % keys.len()
                };
                let features = &self.features[&keys[recording]];
                let mut frames =
                    stretched_crop(features, c.frames, c.copies[copy] as f32, centres, rng);
                disturb(&mut frames, centres, &strength, rng);
                mel.extend(frames.iter().flatten().map(|v| normalise_value(*v)));
            }
        }
        let class = |(&speaker, &copy): (&usize, &usize)| (speaker * c.copies.len() + copy) as i64;
        let classes: Vec<i64> = chosen.iter().zip(&copies).map(class).collect();
        PairBatch {
            mel: Tensor::from_slice(&mel).reshape([-1, c.frames as i64, CONTENT_MEL]),
            class: Tensor::from_slice(&classes).repeat([2]),
        }
    }

    /// Different speakers by their weights.
    fn draw(&self, count: usize, rng: &mut StdRng) -> Vec<usize> {
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count {
            let at = rng.random_range(0.0..total);
            let speaker = self.cumulative.partition_point(|&c| c <= at);
            let speaker = speaker.min(self.speakers.len() - 1);
            if !chosen.contains(&speaker) {
                chosen.push(speaker);
            }
        }
        chosen
    }

    fn draw_copy(&self, rng: &mut StdRng) -> usize {
        let copies = &self.config.copies;
        let original = copies.iter().position(|&c| c == 1.0);
        match original {
            Some(original) if rng.random_bool(self.config.original) => original,
            _ => rng.random_range(0..copies.len()),
        }
    }
}

/// A random crop of a recording that is played `rate` times as fast. Short recordings begin again.
fn stretched_crop(
    features: &Features,
    frames: usize,
    rate: f32,
    centres: &[f32],
    rng: &mut StdRng,
) -> Vec<[f32; HEARD]> {
    let total = features.mel.len();
    let span = (frames as f32 * rate).ceil() as usize + 1;
    let start = rng.random_range(0..=total.saturating_sub(span));
    stretched(frames, rate, centres, |t, band| {
        features.mel[(start + t) % total][band].to_f32()
    })
}

/// Additive angular margin softmax (Deng et al. 2019). `embeddings`: `[rows, values]` of length 1,
/// `classes`: `[classes, values]`, `class`: `[rows]`. Returns the loss and the share named wrongly.
fn margin_loss(
    embeddings: &Tensor,
    classes: &Tensor,
    class: &Tensor,
    margin: f64,
    scale: f64,
) -> (Tensor, Tensor) {
    let cosines = embeddings.matmul(&unit(classes).tr());
    let own = cosines
        .gather(1, &class.unsqueeze(1), false)
        .clamp(-0.9999, 0.9999);
    let sines = (-own.square() + 1.0).sqrt();
    let turned = &own * margin.cos() - sines * margin.sin();
    // Beyond π − margin the cosine would rise again.
    let straight = &own - margin.sin() * margin;
    let wanted = turned.where_self(&own.gt(-margin.cos()), &straight);
    let logits = cosines.scatter(1, &class.unsqueeze(1), &wanted) * scale;
    let wrong = cosines
        .argmax(-1, false)
        .ne_tensor(class)
        .to_kind(Kind::Float)
        .mean(Kind::Float);
    (logits.cross_entropy_for_logits(class), wrong)
}

/// Each crop must find its fellow among those of the other speakers. `embeddings`: `[2 · speakers,
/// values]`, first one crop of each speaker, then the other.
fn pair_loss(embeddings: &Tensor) -> Tensor {
    const SCALE: f64 = 15.0;
    let both = embeddings.chunk(2, 0);
    let cosines = both[0].matmul(&both[1].tr()) * SCALE;
    let own = Tensor::arange(cosines.size()[0], (Kind::Int64, embeddings.device()));
    let loss = |logits: &Tensor| {
        logits.cross_entropy_loss(&own, None::<&Tensor>, Reduction::Mean, -100, 0.0)
    };
    (loss(&cosines) + loss(&cosines.tr())) * 0.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_margin_makes_the_same_embeddings_cost_more() {
        tch::manual_seed(1);
        let embeddings = unit(&Tensor::randn([8, 16], (Kind::Float, Device::Cpu)));
        let classes = &embeddings * 3.0;
        let class = Tensor::arange(8, (Kind::Int64, Device::Cpu));
        let loss = |margin| margin_loss(&embeddings, &classes, &class, margin, 20.0);
        let (plain, wrong) = loss(0.0);
        assert_eq!(wrong.double_value(&[]), 0.0);
        assert!(loss(0.3).0.double_value(&[]) > plain.double_value(&[]));
        let pairs = Tensor::cat(&[&embeddings, &embeddings], 0);
        let mixed = Tensor::cat(&[&embeddings, &embeddings.flip([0])], 0);
        assert!(pair_loss(&pairs).double_value(&[]) < pair_loss(&mixed).double_value(&[]));
    }

    #[test]
    fn a_faster_copy_is_higher_and_shorter() {
        let centres = &mien_dsp::mel::filterbank().centres;
        let band = 40;
        let mut features = Features::default();
        for t in 0..200 {
            let mut frame = [f16::from_f32(-10.0); BANDS];
            frame[band] = f16::from_f32(if t % 20 < 10 { 0.0 } else { -10.0 });
            features.mel.push(frame);
        }
        let mut rng = StdRng::seed_from_u64(3);
        let frames = stretched_crop(&features, 100, 1.25, centres, &mut rng);
        let mean = |b: usize| frames.iter().map(|f| f[b]).sum::<f32>();
        let loudest = (0..HEARD)
            .max_by(|&a, &b| mean(a).total_cmp(&mean(b)))
            .unwrap();
        let ratio = centres[loudest] / centres[band];
        assert!((ratio - 1.25).abs() < 0.05, "{ratio}");
        let loud: Vec<bool> = frames.iter().map(|f| f[loudest] > -6.0).collect();
        let changes = loud.windows(2).filter(|w| w[0] != w[1]).count();
        assert!((11..=13).contains(&changes), "{changes}");
        // As it is, nothing changes.
        let mut rng = StdRng::seed_from_u64(3);
        let same = stretched_crop(&features, 100, 1.0, centres, &mut rng);
        assert!(same.iter().all(|f| f[band] == 0.0 || f[band] == -10.0));
    }
}
