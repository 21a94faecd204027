//! How well voices are told apart: trials on unseen speakers, and the equal error rate.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::Serialize;
use tch::{Kind, Tensor};

use super::verifier::similarity;
use crate::corpus::Recording;

/// Recordings of one speaker that take part, spread over all there are.
const RECORDINGS: usize = 12;
/// Most impostor pairs of a set; more of them only cost time.
const IMPOSTORS: usize = 6000;

/// Nearest voices of a cohort that a recording is compared with.
const NEAREST: usize = 60;

/// A stretch of one recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Piece {
    /// Key of the recording's features.
    pub key: String,
    /// The file.
    pub path: std::path::PathBuf,
    /// First frame of 10 ms.
    pub from: usize,
    /// Frames.
    pub frames: usize,
}

/// What is compared: one or more stretches of one speaker, joined.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Who speaks.
    pub speaker: String,
    /// Name of the corpus.
    pub corpus: String,
    /// `"f"`, `"m"` or empty.
    pub gender: String,
    /// What is heard, in this order.
    pub pieces: Vec<Piece>,
}

/// How much of recordings makes a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// The middle of one recording, that many frames at most, and no less than 2.5 s.
    Segment(usize),
    /// One whole recording of 2 to 30 s.
    Whole,
    /// Several recordings joined to at least that many frames.
    Joined(usize),
}

/// Pairs of sides. Both sides of a pair never share a recording. Impostors come from the speaker's own
/// corpus, so that the recording channel does not give them away.
#[derive(Clone, Debug, Serialize)]
pub struct Trials {
    /// What kind of speech this is.
    pub name: String,
    /// What is compared.
    pub sides: Vec<Side>,
    /// Pairs of one speaker.
    pub targets: Vec<(usize, usize)>,
    /// Pairs of two speakers.
    pub impostors: Vec<(usize, usize)>,
}

impl Trials {
    /// Trials of the speakers in `recordings`; `frames` tells a recording's length.
    pub fn new(
        name: &str,
        recordings: &[&Recording],
        frames: impl Fn(&Recording) -> usize,
        length: Length,
    ) -> Self {
        let mut speakers: BTreeMap<&str, Vec<&Recording>> = BTreeMap::new();
        for r in recordings.iter().filter(|r| !r.speaker.is_empty()) {
            speakers.entry(&r.speaker).or_default().push(r);
        }
        let mut sides = Vec::new();
        for mut own in speakers.into_values() {
            own.sort_by(|a, b| a.key.cmp(&b.key));
            sides.extend(sides_of(&own, &frames, length));
        }
        let mut targets = Vec::new();
        let mut impostors = Vec::new();
        for (i, a) in sides.iter().enumerate() {
            for (j, b) in sides.iter().enumerate().skip(i + 1) {
                if a.speaker == b.speaker {
                    targets.push((i, j));
                } else if a.corpus == b.corpus {
                    impostors.push((i, j));
                }
            }
        }
        let step = impostors.len().div_ceil(IMPOSTORS).max(1);
        Self {
            name: name.into(),
            targets,
            impostors: impostors.into_iter().step_by(step).collect(),
            sides,
        }
    }

    /// Speakers that take part.
    pub fn speakers(&self) -> usize {
        let mut names: Vec<&str> = self.sides.iter().map(|s| s.speaker.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }

    /// The equal error rate when `embeddings` are those of the sides, of cosines or of scores normalised by a cohort.
    pub fn error_rate(&self, embeddings: &[Vec<f32>], cohort: Option<&Cohort>) -> Option<f64> {
        let score = scorer(embeddings, cohort);
        equal_error_rate(
            &self.targets.iter().map(&score).collect::<Vec<_>>(),
            &self.impostors.iter().map(&score).collect::<Vec<_>>(),
        )
    }

    /// The same against impostors of the speaker's own gender only: harder.
    pub fn error_rate_within_gender(
        &self,
        embeddings: &[Vec<f32>],
        cohort: Option<&Cohort>,
    ) -> Option<f64> {
        let alike = |&(a, b): &(usize, usize)| {
            let gender = &self.sides[a].gender;
            !gender.is_empty() && *gender == self.sides[b].gender
        };
        let score = scorer(embeddings, cohort);
        let impostors = self.impostors.iter().filter(|pair| alike(pair));
        equal_error_rate(
            &self.targets.iter().map(&score).collect::<Vec<_>>(),
            &impostors.map(&score).collect::<Vec<_>>(),
        )
    }
}

/// Scores pairs of sides.
fn scorer<'a>(
    embeddings: &'a [Vec<f32>],
    cohort: Option<&Cohort>,
) -> impl Fn(&(usize, usize)) -> f64 + 'a {
    let places: Option<Vec<Place>> =
        cohort.map(|cohort| embeddings.iter().map(|e| cohort.place(e)).collect());
    move |&(a, b)| {
        let cosine = similarity(&embeddings[a], &embeddings[b]);
        places
            .as_ref()
            .map_or(cosine, |p| Cohort::normalise(cosine, p[a], p[b]))
    }
}

/// Other voices. Some recordings are like everybody's and some like nobody's; how alike one is to the nearest of these tells
/// (adaptive symmetric score normalisation, Cumani et al. 2011).
#[derive(Clone, Debug)]
pub struct Cohort(Vec<Vec<f32>>);

/// How alike a recording is to its nearest voices of a cohort: mean and spread.
pub type Place = (f64, f64);

impl Cohort {
    /// Voices `[voices, values]`.
    ///
    /// # Errors
    /// When there are none, or values that are no numbers.
    pub fn from_tensor(voices: &Tensor) -> Result<Self> {
        let voices = Vec::<Vec<f32>>::try_from(&voices.to_kind(Kind::Float))?;
        let sound = voices.iter().flatten().all(|v| v.is_finite());
        ensure!(!voices.is_empty() && sound, "the cohort is damaged");
        Ok(Self(voices))
    }

    /// Where a recording lies among them.
    pub fn place(&self, embedding: &[f32]) -> Place {
        let mut cosines: Vec<f64> = self.0.iter().map(|v| similarity(v, embedding)).collect();
        cosines.sort_by(|a, b| b.total_cmp(a));
        let nearest = &cosines[..NEAREST.min(cosines.len())];
        let mean = nearest.iter().sum::<f64>() / nearest.len() as f64;
        let square = |c: &f64| (c - mean) * (c - mean);
        let spread = nearest.iter().map(square).sum::<f64>() / nearest.len() as f64;
        (mean, spread.sqrt().max(1e-6))
    }

    /// By how many spreads two recordings are more alike than each is to its nearest voices.
    pub fn normalise(cosine: f64, a: Place, b: Place) -> f64 {
        0.5 * ((cosine - a.0) / a.1 + (cosine - b.0) / b.1)
    }
}

/// At most [`RECORDINGS`] of them, evenly.
fn spread<'a>(fitting: impl Iterator<Item = &'a Recording>) -> Vec<&'a Recording> {
    let fitting: Vec<&Recording> = fitting.collect();
    let step = fitting.len().div_ceil(RECORDINGS).max(1);
    fitting.into_iter().step_by(step).collect()
}

/// Sides of one speaker, from recordings in a fixed order.
fn sides_of(
    own: &[&Recording],
    frames: &impl Fn(&Recording) -> usize,
    length: Length,
) -> Vec<Side> {
    let side = |pieces: Vec<Piece>| Side {
        speaker: own[0].speaker.clone(),
        corpus: own[0].corpus.clone(),
        gender: own[0].gender.clone(),
        pieces,
    };
    let piece = |r: &Recording, from: usize, frames: usize| Piece {
        key: r.key.clone(),
        path: r.path.clone(),
        from,
        frames,
    };
    match length {
        Length::Segment(most) => {
            let fitting = own.iter().copied().filter(|r| frames(r) >= 250.min(most));
            let cut = |r: &Recording| {
                let (all, taken) = (frames(r), frames(r).min(most));
                side(vec![piece(r, (all - taken) / 2, taken)])
            };
            spread(fitting).into_iter().map(cut).collect()
        }
        Length::Whole => {
            let fitting = own
                .iter()
                .copied()
                .filter(|r| (200..=3000).contains(&frames(r)));
            let whole = |r: &Recording| side(vec![piece(r, 0, frames(r))]);
            spread(fitting).into_iter().map(whole).collect()
        }
        Length::Joined(least) => {
            let mut sides = Vec::new();
            let mut pieces: Vec<Piece> = Vec::new();
            for r in own {
                let have: usize = pieces.iter().map(|p| p.frames).sum();
                pieces.push(piece(r, 0, frames(r).min(least - have.min(least - 1))));
                if pieces.iter().map(|p| p.frames).sum::<usize>() >= least {
                    sides.push(side(std::mem::take(&mut pieces)));
                }
                if sides.len() == RECORDINGS {
                    break;
                }
            }
            sides
        }
    }
}

/// The rate at which as many speakers are refused as impostors are let in, between the thresholds by
/// interpolation. `None` where one kind is missing.
pub fn equal_error_rate(targets: &[f64], impostors: &[f64]) -> Option<f64> {
    if targets.is_empty() || impostors.is_empty() {
        return None;
    }
    let mut scores: Vec<(f64, bool)> = targets.iter().map(|&s| (s, true)).collect();
    scores.extend(impostors.iter().map(|&s| (s, false)));
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (refused, accepted) = (1.0 / targets.len() as f64, 1.0 / impostors.len() as f64);
    // With the threshold below every score all are accepted.
    let (mut miss, mut alarm) = (0.0, 1.0);
    let mut at = 0;
    while at < scores.len() {
        let before: (f64, f64) = (miss, alarm);
        let score = scores[at].0;
        // Equal scores fall together.
        while at < scores.len() && scores[at].0 == score {
            if scores[at].1 {
                miss += refused;
            } else {
                alarm -= accepted;
            }
            at += 1;
        }
        if miss >= alarm {
            let (gap, next) = (before.1 - before.0, miss - alarm);
            let share = gap / (gap + next).max(1e-12);
            return Some(before.0 + share * (miss - before.0));
        }
    }
    Some(miss)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_rates_of_known_scores() {
        let rate = |t: &[f64], i: &[f64]| equal_error_rate(t, i).unwrap();
        assert!(rate(&[0.8, 0.9], &[0.1, 0.2, 0.3]).abs() < 1e-9);
        assert!((rate(&[0.1, 0.2], &[0.8, 0.9]) - 1.0).abs() < 1e-9);
        assert!((rate(&[0.5; 7], &[0.5; 9]) - 0.5).abs() < 1e-9);
        // One of four speakers lies below one of four impostors.
        let rate = rate(&[0.3, 0.7, 0.8, 0.9], &[0.0, 0.1, 0.2, 0.5]);
        assert!((rate - 0.25).abs() < 1e-9, "{rate}");
        assert_eq!(equal_error_rate(&[], &[0.1]), None);
    }

    #[test]
    fn the_error_rate_does_not_depend_on_order_or_scale() {
        let targets: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 40) + 12.5).collect();
        let impostors: Vec<f64> = (0..90).map(|i| f64::from(i * 11 % 90) / 3.0).collect();
        let rate = equal_error_rate(&targets, &impostors).unwrap();
        let doubled = |v: &[f64]| v.iter().rev().map(|s| 2.0 * s - 5.0).collect::<Vec<_>>();
        let other = equal_error_rate(&doubled(&targets), &doubled(&impostors)).unwrap();
        assert!((rate - other).abs() < 1e-9 && (0.0..0.5).contains(&rate));
    }

    #[test]
    fn a_cohort_tells_likeness_from_commonness() {
        // Side 0 is near to everybody, side 2 is apart, with a fellow at 3: the same cosine says more there.
        let voices =
            Tensor::from_slice(&[1.0_f32, 0.0, 0.1, 0.9, 0.1, 0.0, 0.9, -0.2, 0.1]).reshape([3, 3]);
        let cohort = Cohort::from_tensor(&voices).unwrap();
        let common = cohort.place(&[1.0, 0.0, 0.0]);
        let rare = cohort.place(&[0.0, 0.0, 1.0]);
        assert!(common.0 > rare.0);
        let [likely, unlikely] = [rare, common].map(|p| Cohort::normalise(0.7, p, p));
        assert!(likely > 0.0 && unlikely < 0.0, "{likely} {unlikely}");
        assert!(Cohort::from_tensor(&Tensor::from_slice(&[f32::NAN]).reshape([1, 1])).is_err());
    }

    fn recordings() -> Vec<Recording> {
        let recording = |corpus: &str, speaker: &str, number: usize| Recording {
            key: format!("{speaker}/{number:02}"),
            corpus: corpus.into(),
            speaker: speaker.into(),
            gender: "f".into(),
            ..Recording::default()
        };
        let mut all = Vec::new();
        for (corpus, speaker) in [("a", "x"), ("a", "y"), ("b", "z"), ("b", "")] {
            all.extend((0..30).map(|n| recording(corpus, speaker, n)));
        }
        all
    }

    #[test]
    fn impostors_share_the_corpus_and_pairs_share_no_recording() {
        let all = recordings();
        let all: Vec<&Recording> = all.iter().collect();
        let kinds = [Length::Segment(400), Length::Whole, Length::Joined(1000)];
        for length in kinds {
            let trials = Trials::new("t", &all, |_| 500, length);
            assert_eq!(trials.speakers(), 3);
            assert!(!trials.targets.is_empty() && !trials.impostors.is_empty());
            for &(a, b) in trials.targets.iter().chain(&trials.impostors) {
                let (a, b) = (&trials.sides[a], &trials.sides[b]);
                assert_eq!(a.corpus, b.corpus);
                let shared = a
                    .pieces
                    .iter()
                    .any(|p| b.pieces.iter().any(|q| p.key == q.key));
                assert!(!shared);
            }
            for side in &trials.sides {
                let frames: usize = side.pieces.iter().map(|p| p.frames).sum();
                let wanted = match length {
                    Length::Segment(_) => 400,
                    Length::Whole => 500,
                    Length::Joined(_) => 1000,
                };
                assert_eq!(frames, wanted);
                assert!(side.pieces.iter().all(|p| p.from + p.frames <= 500));
            }
        }
    }
}
