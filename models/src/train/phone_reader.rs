//! Reads phones off the content: the head of the temporal classification in training, and, trained
//! afresh on an encoder that stands still, the measure of how much of what is said the content keeps.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tch::nn::VarStore;
use tch::{Device, Kind, Reduction, Tensor, no_grad};

use super::augment::Strength;
use super::batches::{Pool, clean_content_input, disturbed_content_input, label_frames};
use super::checkpoint;
use super::config::{PhoneReaderConfig, TrainConfig};
use super::features::Features;
use super::optimizer::{AdamW, WeightMean};
use super::phones::{LABELS, Mistakes, Phone, SILENCE, collapse};
use super::session::Session;
use crate::networks::{CONTENT, ContentEncoder, LOOK_AHEAD};
use crate::nn::{ConvNeXtConfig, Linear, Trunk};

/// Longest blanked stretch of a crop, in frames.
const LONGEST_MASK: i64 = 12;
/// Biases of the blank that are tried, in quarters of a nat.
const BIASES: u32 = 16;

/// A small network from content to phones, causal but for its look-ahead, for connectionist temporal
/// classification (Graves et al. 2006) with silence as the blank.
#[derive(Debug)]
pub struct PhoneReader {
    input: Linear,
    trunk: Trunk,
    output: Linear,
    together: i64,
    look_ahead: i64,
}

impl PhoneReader {
    /// A fresh causal reader below `path` with blocks of that width and those dilations.
    pub fn new(path: &tch::nn::Path, width: i64, dilations: &[i64]) -> Self {
        Self::ahead(path, (width, dilations), (1, 0))
    }

    /// The same, reading `together` frames of content at a time, and `look_ahead` frames more before it must
    /// tell a phone.
    pub fn ahead(
        path: &tch::nn::Path,
        (width, dilations): (i64, &[i64]),
        (together, look_ahead): (i64, i64),
    ) -> Self {
        let shape = ConvNeXtConfig {
            width,
            expansion: 2,
            kernel: 7,
            dilations: dilations.to_vec(),
            ..ConvNeXtConfig::default()
        };
        Self {
            input: Linear::new(&(path / "input"), CONTENT * together, width, 1.0),
            trunk: Trunk::new(&(path / "trunk"), &shape, None),
            output: Linear::new(&(path / "output"), width, LABELS, 0.5),
            together,
            look_ahead,
        }
    }

    /// A fresh reader as the settings say.
    pub fn of(config: &PhoneReaderConfig, path: &tch::nn::Path) -> Self {
        let shape = (config.width, config.dilations.as_slice());
        Self::ahead(path, shape, (config.frames_together, config.look_ahead))
    }

    /// Content `[batch, frames, CONTENT]` → logits `[batch, frames / together, LABELS]`, the last ones of
    /// fewer frames.
    pub fn logits(&self, content: &Tensor) -> Tensor {
        let size = content.size();
        let steps = (size[1] + self.together - 1) / self.together;
        let ahead = self.look_ahead / self.together;
        // After the end comes nothing, as before the beginning.
        let after = (steps + ahead) * self.together - size[1];
        let read = content.constant_pad_nd([0, 0, 0, after]).reshape([
            size[0],
            steps + ahead,
            CONTENT * self.together,
        ]);
        let mut state = self.trunk.state(size[0], content);
        let h = self.input.forward(&read);
        let h = self
            .trunk
            .forward(&h, &self.trunk.modulate(None), &mut state);
        self.output.forward(&h.narrow(1, ahead, steps).contiguous())
    }

    /// The classification's loss a phone; `said` tells the labels of each row of `content`.
    pub fn loss(&self, content: &Tensor, said: &[&[i64]]) -> Tensor {
        let logits = self.logits(content).transpose(0, 1);
        let targets: Vec<i64> = said.iter().flat_map(|s| s.iter().copied()).collect();
        let lengths: Vec<i64> = said.iter().map(|s| s.len() as i64).collect();
        let frames = vec![logits.size()[0]; said.len()];
        Tensor::ctc_loss(
            &logits.log_softmax(-1, Kind::Float),
            &Tensor::from_slice(&targets).to_device(content.device()),
            &frames,
            &lengths,
            i64::from(SILENCE),
            Reduction::Mean,
            true,
        )
    }

    /// Phones read wrongly (inserted, left out, mistaken) and phones said, over the rows whose
    /// sequence is known. The reading is greedy.
    pub fn errors(&self, content: &Tensor, sequences: &[Vec<i64>]) -> (usize, usize) {
        let logits = no_grad(|| self.logits(content));
        let (mut wrong, mut said) = (0, 0);
        for (row, sequence) in sequences.iter().enumerate().filter(|(_, s)| !s.is_empty()) {
            let labels: Vec<u8> = sequence.iter().map(|&label| label as u8).collect();
            wrong += mistakes(&logits.get(row as i64), 0.0, &labels).all();
            said += labels.len();
        }
        (wrong, said)
    }
}

/// The likeliest label of each step of `scores` (`[steps, LABELS]`), repeats merged, blanks left out.
/// `blank_bias`: nats by which the blank counts less.
pub fn greedy(scores: &Tensor, blank_bias: f64) -> Vec<u8> {
    let scores = scores.copy();
    let _ = scores
        .narrow(-1, i64::from(SILENCE), 1)
        .g_sub_scalar_(blank_bias);
    collapse(&Vec::<i64>::try_from(&scores.argmax(-1, false)).unwrap_or_default())
}

/// What the greedy reading of `scores` (`[steps, LABELS]`) has wrong where `said` was said.
/// `blank_bias`: nats by which the blank counts less.
pub fn mistakes(scores: &Tensor, blank_bias: f64, said: &[u8]) -> Mistakes {
    Mistakes::between(&greedy(scores, blank_bias), said)
}

/// The bias of the blank with which the fewest mistakes are made in `asked`, pairs of scores and what is
/// said. A reader that is unsure leaves phones out, since the blank is the likeliest of all labels.
pub fn choose_blank_bias(asked: &[&(Tensor, Vec<u8>)]) -> f64 {
    let wrong = |bias: f64| -> usize {
        let each = asked.iter().map(|(s, said)| mistakes(s, bias, said).all());
        each.sum()
    };
    // Among equals the smallest.
    (0..=BIASES)
        .map(|i| f64::from(i) / 4.0)
        .min_by_key(|&bias| wrong(bias))
        .unwrap_or_default()
}

/// A recording with what is said in it, as the encoder heard it.
#[derive(Debug)]
pub struct Heard {
    /// Content of each pass, `[frames, CONTENT]`, the undisturbed one first, and how fast it is played.
    pub passes: Vec<(Tensor, f64)>,
    /// What is said.
    pub said: Vec<Phone>,
    /// How often it is drawn, relative to the others.
    pub weight: f64,
}

/// Runs the encoder over the transcribed recordings of `pool`, once as they are and as often disturbed as
/// `config` says. The encoder stands still, so that this is all that it has to do for the reader.
pub fn hear(
    config: &TrainConfig,
    encoder: &ContentEncoder,
    pool: &Pool,
    device: Device,
) -> Vec<Heard> {
    let mut rng = StdRng::seed_from_u64(config.data.draw(900).seed);
    let passes = 1 + config.phones.disturbed_passes;
    tracing::info!("hearing {} recordings {passes} times", pool.items.len());
    let mut all = Vec::new();
    for item in &pool.items {
        let said = pool.phones.as_ref().and_then(|p| p.get(&item.teacher_key));
        let (Some(said), Some(features)) = (said, pool.features.get(&item.key)) else {
            continue;
        };
        let mut inputs = vec![(clean_content_input(features), 1.0)];
        inputs.extend(
            (0..config.phones.disturbed_passes)
                .map(|_| disturbed(&config.phones, features, &mut rng)),
        );
        let pass = |(input, tempo): &(Tensor, f64)| {
            let content = no_grad(|| content(encoder, &input.to_device(device)));
            let content = content.squeeze_dim(0).to_kind(Kind::Half);
            (content, item.rate * tempo)
        };
        all.push(Heard {
            passes: inputs.iter().map(pass).collect(),
            said: said.clone(),
            weight: item.weight,
        });
    }
    all
}

/// A recording disturbed as the encoder hears it for the reader, and its tempo.
pub fn disturbed(
    config: &PhoneReaderConfig,
    features: &Features,
    rng: &mut StdRng,
) -> (Tensor, f64) {
    let strength = Strength {
        tract: config.tract,
        ..Strength::default()
    };
    let tempo = rng.random_range(-config.tempo..=config.tempo).exp();
    let input = disturbed_content_input(features, &strength, tempo, rng);
    (input, tempo)
}

/// Trains a fresh reader on content; the store holds its weights.
///
/// # Errors
/// Nothing to read, a full disk, losses that stay infinite.
pub fn learn(
    config: &PhoneReaderConfig,
    heard: &[Heard],
    (folder, deadline): (&Path, Option<Instant>),
    seed: u64,
    device: Device,
) -> Result<(PhoneReader, VarStore)> {
    ensure!(
        heard.iter().any(|h| !h.said.is_empty()),
        "there is no content with phones to read"
    );
    ensure!(
        config.frames_together > 0 && config.look_ahead >= 0,
        "[phones] makes no sense: {config:?}"
    );
    let store = VarStore::new(device);
    let reader = PhoneReader::of(config, &store.root());
    let named = || checkpoint::named(&store);
    let mut adam = AdamW::new(&config.optimizer, named(), config.steps);
    let mut mean = WeightMean::new(config.ema, named());
    let draw = WeightedIndex::new(heard.iter().map(|h| h.weight))?;
    let mut rng = StdRng::seed_from_u64(seed);
    let span = (0, config.steps);
    let mut session = Session::new(folder, "phones", &["sequence"], span, deadline)?;
    while adam.step < config.steps && !session.over() {
        let (mut crops, mut sequences) = (Vec::new(), Vec::new());
        while crops.len() < config.batch {
            let (crop, sequence) = crop(&heard[draw.sample(&mut rng)], config, &mut rng);
            // Where nothing is said nothing is to be learned.
            if !sequence.is_empty() {
                crops.push(crop);
                sequences.push(sequence);
            }
        }
        let content = Tensor::stack(&crops, 0);
        let noisy = &content + content.randn_like() * config.content_noise;
        let said: Vec<&[i64]> = sequences.iter().map(Vec::as_slice).collect();
        let loss = reader.loss(&noisy, &said);
        let rate = adam.learning_rate();
        let norm = adam.backward_step(&loss);
        mean.update();
        session.record(adam.step, rate, norm, &[loss.double_value(&[])])?;
    }
    session.finish();
    no_grad(|| {
        for ((_, mut weight), (_, mean)) in named().into_iter().zip(mean.named()) {
            weight.copy_(&mean);
        }
    });
    Ok((reader, store))
}

/// A random crop of a random pass with blanked stretches, and the labels said in it.
fn crop(heard: &Heard, config: &PhoneReaderConfig, rng: &mut StdRng) -> (Tensor, Vec<i64>) {
    let (content, rate) = &heard.passes[rng.random_range(0..heard.passes.len())];
    let frames = config.frames as i64;
    let total = content.size()[0];
    let start = rng.random_range(0..=(total - frames).max(0));
    let length = frames.min(total);
    let mut labels = vec![0; length as usize];
    let sequence = label_frames(&heard.said, *rate, start as usize, &mut labels);
    let crop = content.narrow(0, start, length).to_kind(Kind::Float);
    let crop = crop.constant_pad_nd([0, 0, 0, frames - length]);
    for _ in 0..config.masks {
        let length = rng.random_range(1..=LONGEST_MASK.min(frames));
        let from = rng.random_range(0..=frames - length);
        let _ = crop.narrow(0, from, length).fill_(0.0);
    }
    (crop, sequence)
}

/// Content that belongs to the frames of `heard` (`[batch, frames + LOOK_AHEAD, bands]`).
pub fn content(encoder: &ContentEncoder, heard: &Tensor) -> Tensor {
    let frames = heard.size()[1] - LOOK_AHEAD;
    encoder.encode(heard).narrow(1, LOOK_AHEAD, frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::OptimizerConfig;

    fn settings() -> PhoneReaderConfig {
        PhoneReaderConfig {
            steps: 400,
            batch: 8,
            frames: 100,
            width: 32,
            dilations: vec![1, 2],
            look_ahead: 4,
            optimizer: OptimizerConfig {
                learning_rate: 5e-3,
                warm_up: 20,
                ..OptimizerConfig::default()
            },
            ..PhoneReaderConfig::default()
        }
    }

    /// A recording of 100 frames in which five phones are said for 80 ms each; `shown`: whether its content
    /// tells which.
    fn recording(rng: &mut StdRng, shown: bool) -> Heard {
        let noise = Tensor::randn([100, CONTENT], (Kind::Float, Device::Cpu));
        let content = noise * 0.2;
        let phone = |i: usize| {
            let label = rng.random_range(1..5_u8);
            let start = 0.1 + 0.16 * i as f32;
            if shown {
                let from = (start * 100.0) as i64;
                let place = content.narrow(0, from, 8).narrow(1, i64::from(label), 1);
                let _ = place.shallow_clone().fill_(3.0);
            }
            Phone {
                label,
                start,
                end: start + 0.08,
            }
        };
        let said = (0..5).map(phone).collect();
        Heard {
            passes: vec![(content.to_kind(Kind::Half), 1.0)],
            said,
            weight: 1.0,
        }
    }

    #[test]
    fn phones_that_the_content_tells_are_read_and_others_are_not() {
        tch::manual_seed(3);
        let folder = tempfile::tempdir().unwrap();
        let mut rng = StdRng::seed_from_u64(3);
        let mut rate = |shown: bool| {
            let heard: Vec<Heard> = (0..40).map(|_| recording(&mut rng, shown)).collect();
            let at = (folder.path(), None);
            let (reader, _) = learn(&settings(), &heard, at, 1, Device::Cpu).unwrap();
            let mut errors = (0, 0);
            for _ in 0..20 {
                let asked = recording(&mut rng, shown);
                let content = asked.passes[0].0.to_kind(Kind::Float).unsqueeze(0);
                let said = asked.said.iter().map(|p| i64::from(p.label)).collect();
                let (wrong, count) = reader.errors(&content, &[said]);
                errors = (errors.0 + wrong, errors.1 + count);
            }
            errors.0 as f64 / errors.1 as f64
        };
        let (told, hidden) = (rate(true), rate(false));
        assert!(told < 0.1, "{told}");
        assert!(hidden > 0.4, "{hidden}");
    }

    #[test]
    fn the_blank_counts_less_where_unsure_readers_leave_phones_out() {
        // Three phones, of which the second is a little less likely than the blank.
        let scores = Tensor::full([6, LABELS], -9.0, (Kind::Float, Device::Cpu));
        let say = |step: i64, label: i64, score: f64| {
            let _ = scores.get(step).get(label).fill_(score);
        };
        for step in 0..6 {
            say(step, i64::from(SILENCE), -1.0);
        }
        for (step, label, score) in [(1, 4, -0.2), (3, 7, -1.6), (5, 9, -0.2)] {
            say(step, label, score);
        }
        let said = vec![4, 7, 9];
        let left_out = |count| Mistakes {
            left_out: count,
            ..Mistakes::default()
        };
        assert_eq!(mistakes(&scores, 0.0, &said), left_out(1));
        let bias = choose_blank_bias(&[&(scores.copy(), said.clone())]);
        assert_eq!(bias, 0.75);
        assert_eq!(mistakes(&scores, bias, &said), left_out(0));
        assert_eq!(choose_blank_bias(&[&(scores, vec![4, 9])]), 0.0);
    }

    #[test]
    fn disturbed_passes_keep_to_the_limits_of_the_settings() {
        let features = Features {
            mel: vec![std::array::from_fn(|b| half::f16::from_f32(-0.1 * b as f32)); 100],
            pitch: vec![[0.0; 2]; 100],
            sound: Vec::new(),
        };
        let mut rng = StdRng::seed_from_u64(6);
        let mut tempi = |limit: f64| -> Vec<f64> {
            let config = PhoneReaderConfig {
                tempo: limit,
                ..PhoneReaderConfig::default()
            };
            let mut tempo = || {
                let (input, tempo) = disturbed(&config, &features, &mut rng);
                assert_eq!(input.size()[1], (100.0 / tempo).round() as i64);
                tempo
            };
            (0..20).map(|_| tempo()).collect()
        };
        assert!(tempi(0.0).iter().all(|&t| t == 1.0));
        let played = tempi(0.2);
        assert!(played.iter().all(|t| t.ln().abs() <= 0.2));
        assert!(played.iter().any(|t| t.ln() > 0.05) && played.iter().any(|t| t.ln() < -0.05));
    }

    #[test]
    fn a_reader_hears_its_look_ahead_and_nothing_beyond() {
        tch::manual_seed(4);
        let store = VarStore::new(Device::Cpu);
        let content = Tensor::randn([1, 41, CONTENT], (Kind::Float, Device::Cpu));
        let changed = content.copy();
        let _ = changed.narrow(1, 20, 1).fill_(2.0);
        for (together, steps, first) in [(1, 41, 15), (2, 21, 8)] {
            let shape = (together, 5);
            let path = store.root() / format!("by{together}");
            let reader = PhoneReader::ahead(&path, (16, &[1, 2]), shape);
            let apart = no_grad(|| (reader.logits(&content) - reader.logits(&changed)).abs());
            assert_eq!(apart.size(), [1, steps, LABELS]);
            let at = |step: i64| apart.narrow(1, step, 1).max().double_value(&[]);
            assert_eq!(at(first - 1), 0.0);
            assert!(at(first) > 1e-4 && at(first + 1) > 1e-4, "{apart}");
        }
    }
}
