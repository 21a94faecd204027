//! How much of who speaks is left in the content: a fresh classifier learns to name the training
//! speakers from the content of an encoder that stands still, and is asked about other recordings.
//!
//! Two figures tell how that is to be read. The same classifier on the phones that are said, which hold
//! no sound, tells what the words and their timing alone give away. And each corpus has its own words,
//! room and microphone: who names the corpus alone, and guesses among its speakers, is right more often
//! than chance as many times as there are corpora.

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor, no_grad};

use super::checkpoint;
use super::config::OptimizerConfig;
use super::optimizer::AdamW;
use super::session::Session;
use crate::nn::Linear;

/// Frames of a crop.
const CROP: usize = 250;
/// Most crops' length of a speaker to learn from, in frames.
const LEARN: usize = 6000;
/// One recording in so many is asked about.
pub const SPLIT: usize = 5;
const BATCH: usize = 64;
const WIDTH: i64 = 256;

/// How a classifier learns and is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// Seed of its draws.
    pub seed: u64,
    /// Steps; with the default it names what it learned from without fault by then.
    pub steps: u64,
    /// Most crops' length that it is asked about of a speaker, in frames.
    pub ask: usize,
    /// Classifiers, 1 to [`SPLIT`], each asked about other recordings and trained afresh on the rest.
    pub turns: usize,
}

impl Default for Course {
    fn default() -> Self {
        Self {
            seed: 1,
            steps: 1000,
            ask: 2000,
            turns: 1,
        }
    }
}

/// What the classifier said.
#[derive(Clone, Debug, PartialEq)]
pub struct Leak {
    /// Speakers among whom it chose.
    pub speakers: usize,
    /// Their names.
    pub names: Vec<String>,
    /// Share of each speaker's crops that were named as each: a row a speaker who was asked about.
    pub named: Vec<Vec<f64>>,
    /// Speakers that had too little speech to be among them.
    pub left_out: usize,
    /// Crops that were asked about.
    pub crops: usize,
    /// Share named rightly.
    pub right: f64,
    /// Share named rightly, averaged over speakers: chance is 1 / speakers.
    pub balanced: f64,
    /// Share of the crops that the most frequent speaker has.
    pub majority: f64,
    /// Share whose named speaker is of the right corpus, averaged over speakers.
    pub corpus: f64,
    /// Share named rightly among the speakers of the right corpus alone, averaged over speakers.
    pub within: f64,
    /// Chance of [`Self::within`]: corpora / speakers.
    pub within_chance: f64,
}

impl Leak {
    /// How often it is right, as a multiple of 1 / speakers.
    pub fn times_chance(&self) -> f64 {
        self.balanced * self.speakers as f64
    }

    /// How often it is right among the speakers of the right corpus, as a multiple of chance there.
    pub fn times_chance_within(&self) -> f64 {
        self.within / self.within_chance
    }
}

/// A speaker to be named.
#[derive(Clone, Debug, Default)]
pub struct Speaker {
    /// Who it is.
    pub name: String,
    /// Keys of the recordings.
    pub recordings: Vec<String>,
    /// Where they come from.
    pub corpus: String,
}

/// One speaker's frames, `[frames, values]`, crops being cut from either side.
#[derive(Debug)]
struct Spoken {
    learn: Tensor,
    ask: Tensor,
}

/// What the classifiers see of one speaker's recordings, looked at once for all turns.
type Heard = HashMap<String, Option<Tensor>>;

/// What was said of one speaker's crops.
#[derive(Clone, Debug, Default)]
struct Tally {
    crops: usize,
    /// As whom they were named, by speaker.
    named: Vec<usize>,
    /// Named rightly, were only the right corpus there to choose from.
    within: usize,
}

/// A speaker's recordings: those to learn from and those to be asked about, by sorted keys. `turn`: which of the
/// [`SPLIT`] ways; each recording is asked about in one of them.
pub fn split(keys: &[String], turn: usize) -> (Vec<&String>, Vec<&String>) {
    let mut sorted: Vec<&String> = keys.iter().collect();
    sorted.sort();
    let asked = |i: usize| i % SPLIT == (SPLIT / 2 + turn) % SPLIT;
    let pick = |ask: bool| {
        let own = sorted.iter().enumerate().filter(|(i, _)| asked(*i) == ask);
        own.map(|(_, k)| *k).collect()
    };
    (pick(false), pick(true))
}

/// Trains and asks. `look`: what the classifier sees of a recording, `[frames, values]`; nothing leaves
/// the recording out.
///
/// # Errors
/// Too little speech, a full disk, losses that stay infinite.
pub fn measure(
    name: &str,
    speakers: &[Speaker],
    look: impl Fn(&str) -> Option<Tensor>,
    run: (&Path, Option<Instant>),
    course: Course,
) -> Result<Leak> {
    let gather = |heard: &mut Heard, keys: &[&String], most: usize| {
        let mut pieces = Vec::new();
        let mut frames = 0;
        for key in keys {
            if frames >= most {
                break;
            }
            let piece = heard
                .entry((*key).clone())
                .or_insert_with(|| Some(no_grad(|| look(key))?.to_kind(Kind::Half)));
            if let Some(piece) = piece {
                frames += piece.size()[0] as usize;
                pieces.push(piece.shallow_clone());
            }
        }
        let all = (!pieces.is_empty()).then(|| Tensor::cat(&pieces, 0))?;
        let length = (frames.min(most)) as i64;
        (length >= CROP as i64).then(|| all.narrow(0, 0, length))
    };
    let spoken = |speaker: &Speaker| -> Option<Vec<Spoken>> {
        let mut heard = Heard::new();
        let turn = |turn: usize| {
            let (learn, ask) = split(&speaker.recordings, turn);
            Some(Spoken {
                learn: gather(&mut heard, &learn, LEARN)?,
                ask: gather(&mut heard, &ask, course.ask)?,
            })
        };
        // Only who can be asked about in every turn is among the speakers.
        (0..course.turns.clamp(1, SPLIT)).map(turn).collect()
    };
    let (asked, turns): (Vec<&Speaker>, Vec<Vec<Spoken>>) = speakers
        .iter()
        .filter_map(|s| Some((s, spoken(s)?)))
        .unzip();
    let corpora: Vec<&str> = asked.iter().map(|s| s.corpus.as_str()).collect();
    ensure!(
        corpora.len() > 1,
        "the leak needs two speakers with 2.5 s of speech in a fifth of their recordings"
    );
    let nothing = Tally {
        named: vec![0; asked.len()],
        ..Tally::default()
    };
    let mut tallies = vec![nothing; asked.len()];
    for turn in 0..turns[0].len() {
        let spoken: Vec<&Spoken> = turns.iter().map(|own| &own[turn]).collect();
        let name = match turn {
            0 => name.to_owned(),
            _ => format!("{name}-{}", turn + 1),
        };
        let classifier = learn(&name, &spoken, run, course)?;
        ask(&classifier, &spoken, &corpora, &mut tallies);
    }
    let names = asked.iter().map(|s| s.name.clone()).collect();
    Ok(sum_up(&tallies, names, &corpora, speakers.len()))
}

fn learn(
    name: &str,
    spoken: &[&Spoken],
    (folder, deadline): (&Path, Option<Instant>),
    Course { seed, steps, .. }: Course,
) -> Result<Classifier> {
    let store = VarStore::new(Device::Cpu);
    let classifier = Classifier::new(&store, spoken[0].learn.size()[1], spoken.len() as i64);
    let settings = OptimizerConfig {
        learning_rate: 3e-3,
        warm_up: 50,
        ..OptimizerConfig::default()
    };
    let mut adam = AdamW::new(&settings, checkpoint::named(&store), steps);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut session = Session::new(folder, name, &["entropy"], (0, steps), deadline)?;
    while adam.step < steps && !session.over() {
        let who: Vec<i64> = (0..BATCH)
            .map(|_| rng.random_range(0..spoken.len()) as i64)
            .collect();
        let crop = |&who: &i64| {
            let frames = &spoken[who as usize].learn;
            let from = rng.random_range(0..=frames.size()[0] - CROP as i64);
            frames.narrow(0, from, CROP as i64)
        };
        let crops: Vec<Tensor> = who.iter().map(crop).collect();
        let crops = Tensor::stack(&crops, 0).to_kind(Kind::Float);
        let loss = classifier
            .logits(&crops)
            .cross_entropy_for_logits(&Tensor::from_slice(&who));
        let rate = adam.learning_rate();
        let norm = adam.backward_step(&loss);
        session.record(adam.step, rate, norm, &[loss.double_value(&[])])?;
    }
    session.finish();
    Ok(classifier)
}

/// Adds to `tallies` what the classifier says of each speaker's crops; the corpora are those of the speakers.
fn ask(classifier: &Classifier, spoken: &[&Spoken], corpora: &[&str], tallies: &mut [Tally]) {
    for (who, own) in spoken.iter().enumerate() {
        let count = own.ask.size()[0] / CROP as i64;
        let cut = own.ask.narrow(0, 0, count * CROP as i64);
        let cut = cut.to_kind(Kind::Float).reshape([count, CROP as i64, -1]);
        let logits = no_grad(|| classifier.logits(&cut));
        let same: Vec<bool> = corpora.iter().map(|c| *c == corpora[who]).collect();
        let same = Tensor::from_slice(&same);
        let named = logits.argmax(-1, false);
        let among = logits.masked_fill(&same.logical_not(), f64::NEG_INFINITY);
        let count_true = |t: Tensor| t.sum(Kind::Int64).int64_value(&[]) as usize;
        let tally = &mut tallies[who];
        tally.crops += count as usize;
        for (whom, times) in tally.named.iter_mut().enumerate() {
            *times += count_true(named.eq(whom as i64));
        }
        tally.within += count_true(among.argmax(-1, false).eq(who as i64));
    }
}

fn sum_up(tallies: &[Tally], names: Vec<String>, corpora: &[&str], asked_for: usize) -> Leak {
    let speakers = tallies.len() as f64;
    let mean = |share: &dyn Fn(usize) -> f64| (0..tallies.len()).map(share).sum::<f64>() / speakers;
    let of = |count: usize, who: usize| count as f64 / tallies[who].crops as f64;
    let crops: usize = tallies.iter().map(|t| t.crops).sum();
    let right = |who: usize| tallies[who].named[who];
    let of_corpus = |who: usize| {
        let whom = corpora.iter().zip(&tallies[who].named);
        whom.filter(|(c, _)| **c == corpora[who])
            .map(|(_, times)| times)
            .sum()
    };
    let most = tallies.iter().map(|t| t.crops).max().unwrap_or(0);
    let fellows = |who: usize| corpora.iter().filter(|c| **c == corpora[who]).count();
    let shares = |t: &Tally| {
        let share = |&times: &usize| times as f64 / t.crops as f64;
        t.named.iter().map(share).collect()
    };
    Leak {
        speakers: tallies.len(),
        names,
        named: tallies.iter().map(shares).collect(),
        left_out: asked_for - tallies.len(),
        crops,
        right: (0..tallies.len()).map(right).sum::<usize>() as f64 / crops as f64,
        balanced: mean(&|who| of(right(who), who)),
        majority: most as f64 / crops as f64,
        corpus: mean(&|who| of(of_corpus(who), who)),
        within: mean(&|who| of(tallies[who].within, who)),
        within_chance: mean(&|who| 1.0 / fellows(who) as f64),
    }
}

/// Two layers on each frame, mean and spread over the crop (statistics pooling, Snyder et al. 2018),
/// one layer on those.
#[derive(Debug)]
struct Classifier {
    first: Linear,
    second: Linear,
    output: Linear,
}

impl Classifier {
    fn new(store: &VarStore, values: i64, speakers: i64) -> Self {
        let root = store.root();
        Self {
            first: Linear::new(&(&root / "first"), values, WIDTH, 1.4),
            second: Linear::new(&(&root / "second"), WIDTH, WIDTH, 1.4),
            output: Linear::new(&(&root / "output"), 2 * WIDTH, speakers, 0.3),
        }
    }

    /// `[batch, frames, values]` → `[batch, speakers]`.
    fn logits(&self, x: &Tensor) -> Tensor {
        let h = self.first.forward_mixed(x).silu();
        let h = self.second.forward_mixed(&h).silu().to_kind(Kind::Float);
        let mean = h.mean_dim([1].as_slice(), true, Kind::Float);
        let spread = ((&h - &mean)
            .square()
            .mean_dim([1].as_slice(), false, Kind::Float)
            + 1e-4)
            .sqrt();
        self.output
            .forward(&Tensor::cat(&[mean.squeeze_dim(1), spread], -1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn recordings_are_split_without_overlap_in_any_order() {
        let keys: Vec<String> = (0..23).map(|i| format!("k{i:02}")).collect();
        let (learn, ask) = split(&keys, 0);
        assert_eq!((learn.len(), ask.len()), (18, 5));
        assert!(learn.iter().all(|k| !ask.contains(k)));
        let reversed: Vec<String> = keys.iter().rev().cloned().collect();
        assert_eq!(split(&reversed, 0).1, ask);
        // Each recording has its turn once.
        let mut all: Vec<&String> = (0..SPLIT).flat_map(|turn| split(&keys, turn).1).collect();
        all.sort();
        assert!(all.iter().copied().eq(&keys));
    }

    /// Two corpora of two speakers. Each corpus has its mark on one value, each speaker on another.
    fn speakers() -> (Vec<Speaker>, BTreeMap<String, Tensor>) {
        let (mut speakers, mut seen) = (Vec::new(), BTreeMap::new());
        for speaker in 0..4 {
            let mut own = Speaker {
                name: format!("speaker{speaker}"),
                corpus: format!("corpus{}", speaker / 2),
                ..Speaker::default()
            };
            for recording in 0..5 {
                let frames = Tensor::randn([260, 12], (Kind::Float, Device::Cpu));
                let _ = frames
                    .narrow(1, 3, 1)
                    .g_add_scalar_(f64::from(speaker) * 2.0);
                let corpus = f64::from(speaker / 2) * 4.0;
                let _ = frames.narrow(1, 9, 1).g_add_scalar_(corpus);
                let key = format!("{speaker}-{recording}");
                own.recordings.push(key.clone());
                seen.insert(key, frames);
            }
            speakers.push(own);
        }
        (speakers, seen)
    }

    fn leak(from: i64) -> Leak {
        tch::manual_seed(7);
        let (speakers, seen) = speakers();
        let folder = tempfile::tempdir().unwrap();
        let look = |key: &str| seen.get(key).map(|t| t.narrow(1, from, 3));
        let course = Course {
            steps: 80,
            ..Course::default()
        };
        measure("leak", &speakers, look, (folder.path(), None), course).unwrap()
    }

    /// Seen through a window that shows who speaks the speakers are named, through one that hides it not.
    #[test]
    fn what_is_there_is_found_and_what_is_not_is_not() {
        let (seen, hidden) = (leak(2), leak(4));
        assert_eq!((seen.speakers, seen.crops), (4, 4));
        assert!((seen.times_chance() - 4.0).abs() < 1e-9, "{seen:?}");
        assert!((seen.times_chance_within() - 2.0).abs() < 1e-9, "{seen:?}");
        assert!(hidden.times_chance() < 3.5, "{hidden:?}");
        assert_eq!(seen.majority, 0.25);
        // Who was named as whom adds up to everybody, and where it is right stands on the diagonal.
        assert_eq!(seen.names[2], "speaker2");
        for who in 0..4 {
            assert_eq!(seen.named[who][who], 1.0, "{seen:?}");
            assert_eq!(hidden.named[who].iter().sum::<f64>(), 1.0, "{hidden:?}");
        }
    }

    /// Who knows the corpus alone is right twice as often as chance, and by chance within the corpus.
    #[test]
    fn knowing_the_corpus_counts_among_all_speakers_and_not_within_the_corpus() {
        let marked = leak(8);
        assert_eq!(marked.corpus, 1.0, "{marked:?}");
        assert_eq!(marked.within_chance, 0.5);
        assert_eq!(marked.balanced, marked.within, "{marked:?}");
        // Named wrongly, they are taken for the other one of their corpus.
        assert_eq!(marked.named[0][2] + marked.named[0][3], 0.0, "{marked:?}");
        assert_eq!(marked.named[3][0] + marked.named[3][1], 0.0, "{marked:?}");
        assert_eq!(marked.times_chance(), 2.0 * marked.times_chance_within());
        assert!(marked.times_chance_within() < 2.0, "{marked:?}");
    }

    /// Each speaker has one recording of 260 frames to be asked about: one crop, or two if those of a second
    /// recording were cut.
    #[test]
    fn no_more_is_asked_about_than_the_course_says() {
        let (mut speakers, mut seen) = speakers();
        for speaker in &mut speakers {
            for recording in 5..10 {
                let key = format!("{}-{recording}", &speaker.recordings[0][..1]);
                let same = seen[&speaker.recordings[0]].shallow_clone();
                seen.insert(key.clone(), same);
                speaker.recordings.push(key);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let crops = |ask: usize| {
            let look = |key: &str| seen.get(key).map(Tensor::shallow_clone);
            let course = Course {
                steps: 1,
                ask,
                ..Course::default()
            };
            let at = (folder.path(), None);
            measure("leak", &speakers, look, at, course).unwrap().crops
        };
        assert_eq!((crops(260), crops(520)), (4, 8));
    }

    /// In five turns each of the five recordings a speaker has is asked about, by a classifier of its own that did not hear it.
    #[test]
    fn in_all_turns_every_recording_is_asked_about() {
        tch::manual_seed(7);
        let (speakers, seen) = speakers();
        let folder = tempfile::tempdir().unwrap();
        let at = (folder.path(), None);
        // Each recording has a mark of its own and nothing of the speaker: only who had heard it could name its speaker.
        let marked = |key: &str| {
            let own = seen.keys().position(|k| k == key)? as i64;
            let mark = Tensor::from(own).one_hot(20).to_kind(Kind::Float);
            Some(mark.unsqueeze(0).repeat([260, 1]) * 3.0)
        };
        let course = |steps, turns| Course {
            steps,
            turns,
            ..Course::default()
        };
        let one = measure("marked", &speakers, marked, at, course(30, 1)).unwrap();
        let all = measure("marked", &speakers, marked, at, course(30, SPLIT)).unwrap();
        assert_eq!((one.crops, all.crops), (4, 20));
        assert!(all.times_chance() < 2.5, "{all:?}");
        let shown = |key: &str| Some(seen[key].narrow(1, 2, 3));
        let found = measure("shown", &speakers, shown, at, course(80, 2)).unwrap();
        assert_eq!((found.crops, found.right), (8, 1.0), "{found:?}");
        let written = |name: &str| folder.path().join(name).is_file();
        assert!(written("shown.csv") && written("shown-2.csv") && !written("shown-3.csv"));
    }

    #[test]
    fn recordings_that_are_left_out_do_not_count() {
        let (speakers, seen) = speakers();
        let folder = tempfile::tempdir().unwrap();
        let look = |key: &str| seen.get(key).filter(|_| !key.starts_with('3'));
        let look = |key: &str| look(key).map(Tensor::shallow_clone);
        let course = Course {
            steps: 2,
            ..Course::default()
        };
        let found = measure("leak", &speakers, look, (folder.path(), None), course).unwrap();
        assert_eq!((found.speakers, found.left_out), (3, 1));
        // One corpus has a single speaker left, who cannot be mistaken there.
        assert!((found.within_chance - 2.0 / 3.0).abs() < 1e-9);
    }
}
