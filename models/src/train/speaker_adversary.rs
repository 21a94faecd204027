//! The classifier that looks for the speaker, and for the corpus, in the content while the encoder hides them.

use std::collections::VecDeque;

use tch::nn::{Path, VarStore};
use tch::{Device, Kind, Reduction, Tensor};

use super::batches::FrameBatch;
use super::checkpoint::{self, Tensors};
use super::config::{AcousticConfig, ReversalConfig};
use super::learner::{Named, by_name, restore_beside, state_beside};
use super::losses::masked_mean;
use super::optimizer::AdamW;
use crate::networks::CONTENT;
use crate::nn::Linear;

/// Values of its hidden layers.
const WIDTH: i64 = 256;
/// Steps that it takes on each batch: it has to keep up with an encoder that flees from it.
const STEPS: usize = 2;

/// Names the speaker twice: from each frame alone, and from mean and spread over the crop (statistics
/// pooling, Snyder et al. 2018). A head that pools by the mean alone is satisfied long before the
/// speaker is gone (docs/training.md). Where corpora are hidden as well, it names these in the same way: words, rooms and
/// microphones of a corpus tell who may speak, and outlive a game against hundreds of speakers, each of whom it meets seldom.
#[derive(Debug)]
pub struct SpeakerAdversary {
    store: VarStore,
    first: Linear,
    second: Linear,
    speaker: Heads,
    /// With what a crop of each corpus counts, `[corpora]`, since some have more speech than others.
    corpus: Option<(Heads, Tensor)>,
    adam: AdamW,
    /// The last batches, from which it learns together.
    memory: VecDeque<Seen>,
    settings: ReversalConfig,
}

/// Where a checkpoint keeps the `i`th last batch.
fn remembered(i: usize) -> String {
    format!("adversary_memory/{i}")
}

/// Two linear layers that name one of so many classes, from frames and from the crop.
#[derive(Debug)]
struct Heads {
    frame: Linear,
    crop: Linear,
    classes: i64,
    /// Cross-entropy of who guesses.
    chance: f64,
}

/// What there is to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Classes {
    /// Rows of the speaker table.
    pub speakers: i64,
    /// How many of them are drawn from, as [`ReversalConfig::across_rates`] has it.
    pub spoken: usize,
    /// Share of each corpus of the crops whose speaker is known; fewer than two with any speech are not looked for.
    pub corpora: Vec<f64>,
}

/// What a batch is to the classifier.
#[derive(Debug)]
struct Seen {
    /// `[batch, frames, CONTENT]`.
    content: Tensor,
    /// `[batch]`.
    speaker: Tensor,
    /// 1 where a crop counts, `[batch]`.
    counts: Tensor,
    /// `[batch]`.
    corpus: Tensor,
}

impl Seen {
    /// `content` `[batch, frames, CONTENT]`: what the encoder made of the batch.
    fn of(content: &Tensor, batch: &FrameBatch, settings: &ReversalConfig) -> Self {
        let speaker = match settings.across_rates {
            true => &batch.person,
            false => &batch.speaker,
        };
        let counts = match settings.undisturbed {
            true => &batch.known * (-&batch.disturbed + 1.0),
            false => batch.known.shallow_clone(),
        };
        Self {
            content: content.shallow_clone(),
            speaker: speaker.shallow_clone(),
            counts,
            corpus: batch.corpus.shallow_clone(),
        }
    }

    /// Only the crops that count; none where there are none.
    fn counting(&self) -> Option<Self> {
        let rows = self.counts.nonzero().squeeze_dim(1);
        (rows.size()[0] > 0).then(|| self.rows(&rows))
    }

    /// Those crops.
    fn rows(&self, rows: &Tensor) -> Self {
        let of = |t: &Tensor| t.index_select(0, rows);
        Self {
            content: of(&self.content),
            speaker: of(&self.speaker),
            counts: of(&self.counts),
            corpus: of(&self.corpus),
        }
    }

    /// Its parts by name.
    fn state(&self) -> Named {
        by_name([
            ("content", &self.content),
            ("speaker", &self.speaker),
            ("counts", &self.counts),
            ("corpus", &self.corpus),
        ])
    }

    /// The inverse of [`Self::state`]; none where a part is missing.
    fn restored(saved: &Tensors, device: Device) -> Option<Self> {
        let part = |name| Some(saved.get(name)?.to_device(device));
        Some(Self {
            content: part("content")?,
            speaker: part("speaker")?,
            counts: part("counts")?,
            corpus: part("corpus")?,
        })
    }

    /// All of them as one batch.
    fn joined(all: &VecDeque<Self>) -> Self {
        let join = |part: fn(&Self) -> &Tensor| {
            let parts: Vec<&Tensor> = all.iter().map(part).collect();
            Tensor::cat(&parts, 0)
        };
        Self {
            content: join(|s| &s.content),
            speaker: join(|s| &s.speaker),
            counts: join(|s| &s.counts),
            corpus: join(|s| &s.corpus),
        }
    }
}

/// Its verdict on a batch: cross-entropy of each row, by frames `[batch]` and by the crop `[batch]`.
struct Verdict {
    frame: Tensor,
    crop: Tensor,
}

impl Heads {
    /// `spoken`: of how many classes there is any speech.
    fn new(path: &Path, classes: i64, spoken: usize) -> Self {
        Self {
            frame: Linear::new(&(path / "frame"), WIDTH, classes, 0.3),
            crop: Linear::new(&(path / "crop"), 2 * WIDTH, classes, 0.3),
            classes,
            chance: (spoken as f64).ln(),
        }
    }

    /// `hidden` `[batch, frames, WIDTH]`, `pooled` `[batch, 2 · WIDTH]`, `class` `[batch]`.
    fn name(&self, hidden: &Tensor, pooled: &Tensor, class: &Tensor) -> Verdict {
        let size = hidden.size();
        let entropy = |logits: &Tensor, which: &Tensor| {
            logits.cross_entropy_loss(which, None::<&Tensor>, Reduction::None, -100, 0.0)
        };
        let each = class.unsqueeze(1).expand([size[0], size[1]], false);
        let frames = self.frame.forward(hidden).reshape([-1, self.classes]);
        let frame = entropy(&frames, &each.reshape([-1]))
            .reshape([size[0], size[1]])
            .mean_dim([1].as_slice(), false, Kind::Float);
        Verdict {
            frame,
            crop: entropy(&self.crop.forward(pooled), class),
        }
    }

    /// How much better than by chance the class is told. Beyond chance there is nothing to win, and without the
    /// bound the game runs away (it did, after 2,000 steps, to ten times the loss of chance).
    fn told(&self, named: &Verdict, weight: &Tensor) -> Tensor {
        let better = |entropy: &Tensor| masked_mean(&(-entropy + self.chance).relu(), weight);
        better(&named.frame) + better(&named.crop)
    }
}

impl SpeakerAdversary {
    /// Names of what [`Self::learn`] returns.
    pub const CURVES: [&str; 4] = [
        "speaker_by_frame",
        "speaker_by_crop",
        "corpus_by_frame",
        "corpus_by_crop",
    ];

    /// A fresh classifier for a run of `steps` batches.
    pub fn new(classes: &Classes, steps: u64, c: &AcousticConfig, device: Device) -> Self {
        let store = VarStore::new(device);
        let root = store.root();
        let first = Linear::new(&(&root / "first"), CONTENT, WIDTH, 1.4);
        let second = Linear::new(&(&root / "second"), WIDTH, WIDTH, 1.4);
        let Classes {
            speakers,
            spoken,
            corpora,
        } = classes;
        let speaker = Heads::new(&root, *speakers, *spoken);
        let spoken = corpora.iter().filter(|&&share| share > 0.0).count();
        let corpus = (c.reversal.corpus > 0.0 && spoken > 1).then(|| {
            let heads = Heads::new(&(&root / "corpus"), corpora.len() as i64, spoken);
            let count = |&share: &f64| if share > 0.0 { 1.0 / share as f32 } else { 0.0 };
            let counts: Vec<f32> = corpora.iter().map(count).collect();
            (heads, Tensor::from_slice(&counts).to_device(device))
        });
        let named = checkpoint::named(&store);
        let adam = AdamW::new(&c.speaker_optimizer, named, steps * STEPS as u64);
        Self {
            store,
            first,
            second,
            speaker,
            corpus,
            adam,
            memory: VecDeque::new(),
            settings: c.reversal.clone(),
        }
    }

    /// Hidden layer of each frame `[batch, frames, WIDTH]`, its mean and spread over the crop `[batch, 2 · WIDTH]`.
    fn hear(&self, content: &Tensor) -> (Tensor, Tensor) {
        let h = self.second.forward(&self.first.forward(content).silu());
        let h = h.silu();
        let mean = h.mean_dim([1].as_slice(), true, Kind::Float);
        let spread = (&h - &mean).square();
        let spread = (spread.mean_dim([1].as_slice(), false, Kind::Float) + 1e-4).sqrt();
        let pooled = Tensor::cat(&[mean.squeeze_dim(1), spread], -1);
        (h, pooled)
    }

    /// Learns from a batch of content `[batch, frames, CONTENT]` that the encoder made, and from those before it that it
    /// remembers. Returns [`Self::CURVES`]: its cross-entropies of the speaker by frame and by crop, and the same of the corpus (0 where it
    /// does not look for it), over what it learned from before the last step.
    pub fn learn(&mut self, content: &Tensor, batch: &FrameBatch) -> [f64; 4] {
        let seen = Seen::of(&content.detach(), batch, &self.settings);
        if let Some(seen) = seen.counting() {
            self.memory.push_front(seen);
        }
        self.memory.truncate(self.settings.memory.max(1));
        let mut values = [0.0; 4];
        if self.memory.is_empty() {
            return values;
        }
        let all = Seen::joined(&self.memory);
        for _ in 0..STEPS {
            let drawn = self.settings.crops as i64;
            let like = (Kind::Int64, content.device());
            let some = || all.rows(&Tensor::randint(all.counts.size()[0], [drawn], like));
            values = match drawn {
                0 => self.learn_from(&all),
                _ => self.learn_from(&some()),
            };
        }
        values
    }

    /// One step on crops that count.
    fn learn_from(&mut self, seen: &Seen) -> [f64; 4] {
        let (hidden, pooled) = self.hear(&seen.content);
        let named = self.speaker.name(&hidden, &pooled, &seen.speaker);
        let mut terms = vec![
            masked_mean(&named.frame, &seen.counts),
            masked_mean(&named.crop, &seen.counts),
        ];
        if let Some((heads, weights)) = &self.corpus {
            let named = heads.name(&hidden, &pooled, &seen.corpus);
            let weight = weights.index_select(0, &seen.corpus) * &seen.counts;
            terms.extend([&named.frame, &named.crop].map(|t| masked_mean(t, &weight)));
        }
        let mut values = [0.0; 4];
        for (value, term) in values.iter_mut().zip(&terms) {
            *value = term.double_value(&[]);
        }
        self.adam.backward_step(&terms.into_iter().sum());
        values
    }

    /// What the encoder is to make small: how much better than by chance the speaker is told, and the corpus (0 where it
    /// is not looked for), with the gradient turned round (Ganin et al. 2016).
    pub fn told(&self, content: &Tensor, batch: &FrameBatch) -> [Tensor; 2] {
        let seen = Seen::of(content, batch, &self.settings);
        let (hidden, pooled) = self.hear(content);
        let named = self.speaker.name(&hidden, &pooled, &seen.speaker);
        let speaker = self.speaker.told(&named, &seen.counts);
        let corpus = match &self.corpus {
            Some((heads, weights)) => {
                let weight = weights.index_select(0, &seen.corpus) * &seen.counts;
                let named = heads.name(&hidden, &pooled, &seen.corpus);
                heads.told(&named, &weight)
            }
            None => speaker.zeros_like(),
        };
        [speaker, corpus]
    }

    /// What a checkpoint needs to go on.
    pub fn state(&self) -> Named {
        let mut all = state_beside("adversary", &self.store, &self.adam);
        for (i, seen) in self.memory.iter().enumerate() {
            all.extend(checkpoint::prefixed(&remembered(i), seen.state()));
        }
        all
    }

    /// Takes a checkpoint of batch `step` back.
    pub fn restore(&mut self, saved: &Tensors, step: u64) {
        let (store, adam) = (&self.store, &mut self.adam);
        let misfits = restore_beside("adversary", store, adam, saved, step * STEPS as u64);
        if misfits > 0 {
            // What is remembered names speakers of another training by their rows.
            return;
        }
        let device = self.store.device();
        let seen = |i| Seen::restored(&checkpoint::below_prefix(&remembered(i), saved), device);
        self.memory = (0..self.settings.memory).map_while(seen).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::OptimizerConfig;

    const LIKE: (Kind, Device) = (Kind::Float, Device::Cpu);

    fn fresh(corpora: &[f64], reversal: ReversalConfig) -> SpeakerAdversary {
        let c = AcousticConfig {
            reversal,
            speaker_optimizer: OptimizerConfig {
                warm_up: 5,
                ..OptimizerConfig::default()
            },
            ..AcousticConfig::default()
        };
        let classes = Classes {
            speakers: 4,
            spoken: 4,
            corpora: corpora.to_vec(),
        };
        SpeakerAdversary::new(&classes, 60, &c, Device::Cpu)
    }

    /// Three batches are remembered.
    fn remembering(corpus: f64) -> ReversalConfig {
        ReversalConfig {
            corpus,
            memory: 3,
            ..ReversalConfig::default()
        }
    }

    /// A batch of four speakers of two corpora, of which the classifier reads no more than who they are.
    fn batch() -> FrameBatch {
        let nothing = || Tensor::zeros([0], LIKE);
        FrameBatch {
            heard: nothing(),
            clean: nothing(),
            mel: nothing(),
            prosody: nothing(),
            teacher: nothing(),
            teacher_mask: nothing(),
            phones: nothing(),
            sequences: Vec::new(),
            mask: nothing(),
            speaker: Tensor::from_slice(&[0_i64, 1, 2, 3]),
            person: Tensor::from_slice(&[0_i64, 1, 0, 1]),
            known: Tensor::ones([4], LIKE),
            disturbed: Tensor::from_slice(&[0.0_f32, 1.0, 1.0, 0.0]),
            corpus: Tensor::from_slice(&[0_i64, 2, 0, 2]),
            emotion: nothing(),
        }
    }

    /// Content that is noise but for its first value, which is `mark` `[4, 1, 1]` throughout.
    fn content(mark: &Tensor) -> Tensor {
        let noise = Tensor::randn([4, 40, CONTENT], LIKE) * 0.2;
        let rest = noise.narrow(2, 1, CONTENT - 1);
        Tensor::cat(&[noise.narrow(2, 0, 1) + mark, rest], 2)
    }

    fn marks(values: [f32; 4]) -> Tensor {
        let mark = Tensor::from_slice(&values).reshape([4, 1, 1]);
        mark.set_requires_grad(true)
    }

    /// Four speakers that differ in one value of the content: the classifier finds it, and the
    /// gradient of [`SpeakerAdversary::told`] takes it out.
    #[test]
    fn what_tells_the_speaker_is_found_and_fled_from() {
        tch::manual_seed(5);
        let mut adversary = fresh(&[0.5, 0.0, 0.5], ReversalConfig::default());
        let mark = marks([-1.5, -0.5, 0.5, 1.5]);
        let first = adversary.learn(&content(&mark), &batch());
        let mut last = first;
        for _ in 0..40 {
            last = adversary.learn(&content(&mark), &batch());
        }
        assert!((first[1] - 4.0_f64.ln()).abs() < 0.7, "{first:?}");
        assert!(last[0] < 0.3 && last[1] < 0.1, "{last:?}");
        assert_eq!(last[2..], [0.0; 2]);
        let [speaker, corpus] = adversary.told(&content(&mark), &batch());
        assert!(speaker.double_value(&[]) > 2.0);
        assert_eq!(corpus.double_value(&[]), 0.0);
        speaker.backward();
        // Each speaker's mark is driven towards the others': the outer ones inwards.
        let gradient = Vec::<f32>::try_from(&mark.grad().reshape([-1])).unwrap();
        assert!(gradient[0] < 0.0 && gradient[3] > 0.0, "{gradient:?}");
    }

    /// Two corpora differ, the speakers of each do not; of a third there is nothing.
    #[test]
    fn what_tells_the_corpus_is_found_and_fled_from() {
        tch::manual_seed(6);
        let reversal = ReversalConfig {
            corpus: 1.0,
            memory: 3,
            ..ReversalConfig::default()
        };
        let mut adversary = fresh(&[0.9, 0.0, 0.1], reversal);
        let mark = marks([-1.0, 1.0, -1.0, 1.0]);
        let mut last = [0.0; 4];
        for _ in 0..40 {
            last = adversary.learn(&content(&mark), &batch());
        }
        assert!(last[2] < 0.1 && last[3] < 0.1, "{last:?}");
        // Two speakers of a corpus are one to it.
        assert!(last[1] > 0.4, "{last:?}");
        let [_, corpus] = adversary.told(&content(&mark), &batch());
        // The chance of two, by frame and by crop, although the recipe names three.
        let chance = 2.0 * 2.0_f64.ln();
        let told = corpus.double_value(&[]);
        assert!((chance - 0.3..=chance).contains(&told), "{told}");
        corpus.backward();
        let gradient = Vec::<f32>::try_from(&mark.grad().reshape([-1])).unwrap();
        let inwards = |i: usize| gradient[i] * (i as f32 % 2.0 - 0.5) > 0.0;
        assert!((0..4).all(inwards), "{gradient:?}");
    }

    /// It remembers as many batches as it is told to, and learns from them, all together or some drawn.
    #[test]
    fn what_was_heard_before_is_learned_from_once_more() {
        tch::manual_seed(7);
        let once = |memory, crops| {
            let reversal = ReversalConfig {
                memory,
                crops,
                ..ReversalConfig::default()
            };
            let mut adversary = fresh(&[], reversal);
            let heard = content(&marks([-1.5, -0.5, 0.5, 1.5]));
            for _ in 0..8 {
                adversary.learn(&heard, &batch());
            }
            // Others look like the first speaker from then on.
            let other = content(&marks([-1.5; 4]));
            let mut first = batch();
            first.speaker = Tensor::zeros([4], (Kind::Int64, Device::Cpu));
            for _ in 0..20 {
                adversary.learn(&other, &first);
            }
            // Who takes everybody for the first one is right about him alone.
            let mut rest = batch();
            rest.known = Tensor::from_slice(&[0.0_f32, 1.0, 1.0, 1.0]);
            let [told, _] = adversary.told(&heard, &rest);
            (told.double_value(&[]), adversary.memory.len())
        };
        // The mean of a few: what they begin with and draw comes from a generator that tests beside this one share.
        let told = |memory, crops| {
            let runs: Vec<(f64, usize)> = (0..6).map(|_| once(memory, crops)).collect();
            let sum: f64 = runs.iter().map(|(told, _)| told).sum();
            (sum / runs.len() as f64, runs[0].1)
        };
        let ((forgetful, one), (mindful, all), (drawn, some)) =
            (told(1, 0), told(30, 0), told(30, 40));
        assert_eq!((one, all, some), (1, 28, 28));
        assert!(mindful > 2.0 * forgetful, "{mindful} {forgetful}");
        assert!(drawn > 2.0 * forgetful, "{drawn} {forgetful}");
    }

    /// Other classes give the same rows other meanings, or none.
    #[test]
    fn what_it_remembers_comes_back_where_its_classes_are_the_same() {
        let mut adversary = fresh(&[], remembering(0.0));
        let heard = content(&marks([-1.5, -0.5, 0.5, 1.5]));
        for _ in 0..5 {
            adversary.learn(&heard, &batch());
        }
        let saved = adversary.state().into_iter().collect();
        let mut same = fresh(&[], remembering(0.0));
        same.restore(&saved, 5);
        assert_eq!(same.memory.len(), 3);
        let (last, back) = (&adversary.memory[2], &same.memory[2]);
        assert!(last.content.equal(&back.content) && last.speaker.equal(&back.speaker));
        let mut other = fresh(&[0.5, 0.5], remembering(1.0));
        other.restore(&saved, 5);
        assert!(other.memory.is_empty());
    }

    /// A batch in which nothing counts teaches nothing and is not remembered; what is disturbed does not count where only
    /// undisturbed speech does, and copies at other rates are one speaker where rates are crossed.
    #[test]
    fn only_what_counts_is_learned_from() {
        tch::manual_seed(8);
        let reversal = ReversalConfig {
            memory: 2,
            undisturbed: true,
            across_rates: true,
            ..ReversalConfig::default()
        };
        let mut adversary = fresh(&[], reversal);
        let heard = content(&marks([-1.0, 1.0, -1.0, 1.0]));
        let mut nobody = batch();
        nobody.known = Tensor::zeros([4], LIKE);
        let before = adversary.state();
        assert_eq!(adversary.learn(&heard, &nobody), [0.0; 4]);
        let same = before
            .iter()
            .zip(&adversary.state())
            .all(|(a, b)| a.1.equal(&b.1));
        assert!(same && adversary.memory.is_empty());
        adversary.learn(&heard, &batch());
        let seen = &adversary.memory[0];
        let rows = |t: &Tensor| Vec::<i64>::try_from(t).unwrap();
        assert_eq!(rows(&seen.speaker), [0, 1]);
        assert_eq!(rows(&seen.corpus), [0, 2]);
        assert!(
            seen.content
                .equal(&heard.index_select(0, &Tensor::from_slice(&[0_i64, 3])))
        );
        // Another batch of nobody leaves it what it has.
        adversary.learn(&heard, &nobody);
        assert_eq!(adversary.memory.len(), 1);
        let told = |batch: &FrameBatch| adversary.told(&heard, batch)[0].double_value(&[]);
        let mut disturbed = batch();
        disturbed.disturbed = Tensor::ones([4], LIKE);
        assert!(told(&batch()) > 0.0);
        assert_eq!(told(&disturbed), 0.0);
    }
}
