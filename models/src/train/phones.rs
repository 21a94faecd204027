//! Phone labels of transcribed speech, and the phone error rate.
//!
//! Words become phones by `misaki-rs` (its American English, one character a phone). When each phone
//! is said is found by forced alignment: one Gaussian a phone over a recogniser's features, all of one
//! covariance, flat start, then Viterbi re-estimation (Rabiner 1989; the "monophone" start of every
//! classical recogniser). The features already separate phones, so that this simple model is enough.
//!
//! Crops of recordings need the alignment: without it nobody knows which part of a transcript a crop
//! holds. The content encoder then learns each frame's phone (cross-entropy) and the crop's phone
//! sequence (connectionist temporal classification, Graves et al. 2006).

use std::collections::BTreeMap;
use std::fs;
use std::ops::AddAssign;
use std::path::Path;

use anyhow::{Context, Result};
use misaki_rs::{G2P, Language};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use mien_face::{FRAME, SAMPLE_RATE};

use super::features::{FeatureSet, Features, Teacher};
use crate::corpus::Recording;
use crate::networks::{CENTRE, CONTENT_MEL, loudness};

/// The phones, in the order of their labels: the first has label 1.
const INVENTORY: [&str; 42] = [
    "A", "I", "O", "W", "Y", "b", "d", "f", "h", "i", "j", "k", "l", "m", "n", "p", "s", "t", "u",
    "v", "w", "z", "æ", "ð", "ŋ", "ɑ", "ɔ", "ə", "ɛ", "ɜ", "ɡ", "ɪ", "ɹ", "ʃ", "ʊ", "ʌ", "ʒ", "ʤ",
    "ʧ", "θ", "ɾ", "ʔ",
];
/// Label of silence, and the blank of the temporal classification.
pub const SILENCE: u8 = 0;
/// Number of labels, silence included.
pub const LABELS: i64 = INVENTORY.len() as i64 + 1;
/// Values of the recogniser's features that the alignment reads: the ones of most variance.
const HEARD: usize = 40;
/// Values of the spectrum that it reads beside them: a deep recogniser smears short vowels over their
/// neighbours, the spectrum tells where they are.
const SEEN: usize = 24;
/// Both.
const VALUES: usize = HEARD + SEEN;
/// Frames that a phone lasts at least; a frame of the recogniser is 24 ms.
const LEAST_FRAMES: usize = 2;
/// Rounds of re-estimation.
const ROUNDS: usize = 14;
/// Rounds that learn from utterances of at most [`SHORT`] frames.
const FIRST_ROUNDS: usize = 6;
/// See [`FIRST_ROUNDS`]: four seconds.
const SHORT: usize = 170;
/// Smallest variance of a Gaussian, where the features have unit variance over all speech.
const LEAST_VARIANCE: f64 = 0.02;

/// One phone of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phone {
    /// Label, 1 to [`LABELS`] − 1.
    pub label: u8,
    /// Where it begins, in seconds.
    pub start: f32,
    /// Where it ends, in seconds.
    pub end: f32,
}

/// Phones by recording key.
pub type Phones = BTreeMap<String, Vec<Phone>>;

/// From words to labels.
pub struct Lexicon(G2P);

impl Default for Lexicon {
    fn default() -> Self {
        Self(G2P::with_fallback(Language::EnglishUS, None))
    }
}

impl Lexicon {
    /// Labels of each word; `None` where a word is not known, since a gap would misplace the rest.
    pub fn words(&self, text: &str) -> Option<Vec<Vec<u8>>> {
        // Capitals would be read as initials.
        let (phones, _) = self.0.g2p(&text.to_lowercase()).ok()?;
        let mut words = Vec::new();
        for word in phones.split(|c: char| c.is_whitespace() || c == '-' || c == '—') {
            let mut labels = Vec::new();
            for c in word.chars() {
                match c {
                    '❓' => return None,
                    // Reduced vowels count as their full kin; what recognisers cannot tell apart
                    // would only be noise.
                    'ɐ' | 'ᵊ' => labels.push(label("ə")?),
                    'ᵻ' => labels.push(label("ɪ")?),
                    'T' => labels.push(label("ɾ")?),
                    'Q' => labels.push(label("O")?),
                    'a' => labels.push(label("æ")?),
                    'ɒ' => labels.push(label("ɑ")?),
                    'g' => labels.push(label("ɡ")?),
                    _ => labels.extend(label(c.encode_utf8(&mut [0; 4]))),
                }
            }
            if !labels.is_empty() {
                words.push(labels);
            }
        }
        (!words.is_empty()).then_some(words)
    }
}

fn label(phone: &str) -> Option<u8> {
    INVENTORY
        .iter()
        .position(|p| *p == phone)
        .map(|i| i as u8 + 1)
}

/// The phones of all transcribed English recordings that the recogniser heard, from `cache` or made.
///
/// # Errors
/// When the cache cannot be written.
pub fn load_or_align(
    recordings: &[Recording],
    features: &FeatureSet,
    teacher: &Teacher,
    cache: &Path,
) -> Result<Phones> {
    let path = cache.join("phones.json");
    if let Some(phones) = fs::read(&path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
    {
        return Ok(phones);
    }
    let lexicon = Lexicon::default();
    let spoken = |r: &Recording| {
        !r.text.trim().is_empty() && (r.language.is_empty() || r.language.starts_with("en"))
    };
    let mut utterances = Vec::new();
    let (mut all, mut unknown, mut hasty) = (0, 0, 0);
    for r in recordings.iter().filter(|r| spoken(r)) {
        let (Some(feature), Some(heard)) = (features.get(&r.key), teacher.values::<HEARD>(&r.key))
        else {
            continue;
        };
        all += 1;
        let Some(words) = lexicon.words(&r.text) else {
            unknown += 1;
            continue;
        };
        let states = states(&words);
        if states.iter().filter(|s| !s.optional).count() + 1 >= heard.len() {
            hasty += 1;
            continue;
        }
        let loud: Vec<f32> = feature
            .mel
            .iter()
            .map(|m| loudness(&m.map(|v| v.to_f32())))
            .collect();
        let quiet = quiet_frames(&loud, heard.len());
        let heard = beside_spectrum(&heard, feature, teacher);
        utterances.push(Utterance {
            key: &r.key,
            heard,
            states,
            quiet,
        });
    }
    tracing::info!(
        "aligning {} of {all} transcripts; {unknown} have words without known phones, {hasty} more words than time",
        utterances.len()
    );
    let paths = align(&utterances);
    let phones: Phones = utterances
        .iter()
        .zip(&paths)
        .map(|(u, path)| (u.key.to_owned(), runs(u, path, teacher)))
        .collect();
    let mut lengths: Vec<f32> = phones.values().flatten().map(|p| p.end - p.start).collect();
    lengths.sort_by(f32::total_cmp);
    if let Some(last) = lengths.len().checked_sub(1) {
        let [short, middle, long] = [5, 50, 95].map(|p| lengths[last * p / 100] * 1000.0);
        tracing::info!("phones last {middle:.0} ms (5 % under {short:.0}, 5 % over {long:.0})");
    }
    fs::create_dir_all(cache)?;
    fs::write(&path, serde_json::to_vec(&phones)?)
        .with_context(|| format!("cannot write {path:?}"))?;
    Ok(phones)
}

/// The recogniser's features, and coarse log mel bands of the same time without their mean.
fn beside_spectrum(
    heard: &[[f32; HEARD]],
    features: &Features,
    teacher: &Teacher,
) -> Vec<[f32; VALUES]> {
    let coarse = |i: usize| -> [f32; SEEN] {
        let seconds = teacher.seconds(i as f64) * f64::from(SAMPLE_RATE);
        let at = ((seconds + CENTRE as f64) / FRAME as f64 - 1.0)
            .round()
            .max(0.0) as usize;
        let mel = &features.mel[at.min(features.mel.len() - 1)];
        let width = CONTENT_MEL as usize / SEEN;
        std::array::from_fn(|b| {
            let bands = &mel[b * width..(b + 1) * width];
            bands.iter().map(|v| v.to_f32()).sum::<f32>() / width as f32
        })
    };
    let spectrum: Vec<[f32; SEEN]> = (0..heard.len()).map(coarse).collect();
    let mean: [f32; SEEN] = std::array::from_fn(|b| {
        spectrum.iter().map(|s| s[b]).sum::<f32>() / spectrum.len().max(1) as f32
    });
    let both = |(heard, seen): (&[f32; HEARD], &[f32; SEEN])| {
        std::array::from_fn(|i| {
            if i < HEARD {
                heard[i]
            } else {
                seen[i - HEARD] - mean[i - HEARD]
            }
        })
    };
    heard.iter().zip(&spectrum).map(both).collect()
}

/// One recording to be aligned.
struct Utterance<'a> {
    key: &'a str,
    heard: Vec<[f32; VALUES]>,
    states: Vec<State>,
    quiet: Vec<bool>,
}

/// A state of the left-to-right model.
#[derive(Clone, Copy, Debug, PartialEq)]
struct State {
    label: u8,
    /// Which phone of the recording it belongs to.
    phone: usize,
    optional: bool,
}

/// Silence may stand before, between and after words; each phone has as many states as it must last.
fn states(words: &[Vec<u8>]) -> Vec<State> {
    let pause = State {
        label: SILENCE,
        phone: usize::MAX,
        optional: true,
    };
    let mut states = vec![pause];
    let mut phone = 0;
    for word in words {
        for &label in word {
            let state = State {
                label,
                phone,
                optional: false,
            };
            states.extend([state; LEAST_FRAMES]);
            phone += 1;
        }
        states.push(pause);
    }
    states
}

/// Frames more than 35 dB under the loud ones, on the recogniser's clock.
fn quiet_frames(loudness: &[f32], frames: usize) -> Vec<bool> {
    let mut sorted = loudness.to_vec();
    sorted.sort_by(f32::total_cmp);
    let loud = sorted[(sorted.len() - 1) * 95 / 100];
    let limit = loud - 35.0 * std::f32::consts::LN_10 / 10.0;
    (0..frames)
        .map(|i| {
            let at = i * loudness.len() / frames.max(1);
            loudness[at.min(loudness.len() - 1)] < limit
        })
        .collect()
}

/// One Gaussian a label with a covariance that all share (Fisher's linear discriminant): `axes` is
/// the inverse of its Cholesky factor, so that distances are plain after it.
struct Model {
    axes: Vec<[f32; VALUES]>,
    means: Vec<[f32; VALUES]>,
}

impl Model {
    /// The features on axes along which the labels' spread is one.
    fn place(&self, x: &[f32; VALUES]) -> [f32; VALUES] {
        std::array::from_fn(|i| {
            let row = &self.axes[i][..=i];
            row.iter().zip(x).map(|(a, x)| a * x).sum()
        })
    }

    /// Log likelihood of every label, but for a constant.
    fn log_likelihoods(&self, x: &[f32; VALUES], out: &mut [f32]) {
        let x = self.place(x);
        for (out, mean) in out.iter_mut().zip(&self.means) {
            let distance: f32 = x.iter().zip(mean).map(|(x, m)| (x - m) * (x - m)).sum();
            *out = -0.5 * distance;
        }
    }
}

/// State of each frame, for each utterance. The first rounds learn from short utterances alone, where a
/// flat start is not far off.
fn align(utterances: &[Utterance]) -> Vec<Vec<usize>> {
    let mut paths: Vec<Vec<usize>> = utterances.iter().map(flat_start).collect();
    for round in 0..ROUNDS {
        let learns = |u: &Utterance| round > FIRST_ROUNDS || u.heard.len() <= SHORT;
        let model = estimate(utterances, &paths, learns);
        let found: Vec<(Vec<usize>, f32)> =
            utterances.par_iter().map(|u| viterbi(u, &model)).collect();
        let frames: usize = found.iter().map(|(path, _)| path.len()).sum();
        let total: f32 = found.iter().map(|(_, score)| score).sum();
        tracing::info!(
            "alignment round {}: log likelihood {:.3} a frame",
            round + 1,
            total / frames.max(1) as f32
        );
        paths = found.into_iter().map(|(path, _)| path).collect();
    }
    paths
}

/// Quiet frames are silence, the phones share the others evenly.
fn flat_start(u: &Utterance) -> Vec<usize> {
    let phones: Vec<usize> = (0..u.states.len())
        .filter(|&s| !u.states[s].optional)
        .collect();
    let loud = u.quiet.iter().filter(|q| !**q).count().max(1);
    let mut seen = 0;
    u.quiet
        .iter()
        .map(|&quiet| {
            let at = phones[(seen * phones.len() / loud).min(phones.len() - 1)];
            if quiet {
                // The silence before that phone; for the estimate only the label matters.
                0
            } else {
                seen += 1;
                at
            }
        })
        .collect()
}

fn estimate(
    utterances: &[Utterance],
    paths: &[Vec<usize>],
    learns: impl Fn(&Utterance) -> bool,
) -> Model {
    let labels = LABELS as usize;
    let pairs = || {
        let learning = utterances.iter().zip(paths).filter(|(u, _)| learns(u));
        learning.flat_map(|(u, path)| {
            let label = |s: &usize| u.states[*s].label as usize;
            u.heard.iter().zip(path.iter().map(label))
        })
    };
    let mut counts = vec![1e-3_f64; labels];
    let mut sums = vec![[0.0_f64; VALUES]; labels];
    for (x, label) in pairs() {
        counts[label] += 1.0;
        for (sum, &x) in sums[label].iter_mut().zip(x) {
            *sum += f64::from(x);
        }
    }
    let means: Vec<[f32; VALUES]> = sums
        .iter()
        .zip(&counts)
        .map(|(sum, count)| sum.map(|s| (s / count) as f32))
        .collect();
    let mut covariance = vec![[0.0_f32; VALUES]; VALUES];
    for (x, label) in pairs() {
        let d: [f32; VALUES] = std::array::from_fn(|i| x[i] - means[label][i]);
        for (i, row) in covariance.iter_mut().enumerate() {
            for (value, dj) in row[..=i].iter_mut().zip(&d) {
                *value += d[i] * dj;
            }
        }
    }
    let total: f64 = counts.iter().sum();
    let covariance: Vec<[f64; VALUES]> = covariance
        .iter()
        .map(|row| row.map(|v| f64::from(v) / total))
        .collect();
    let mut model = Model {
        axes: inverse_cholesky(&covariance),
        means,
    };
    model.means = model.means.iter().map(|m| model.place(m)).collect();
    model
}

/// Inverse of the lower Cholesky factor of a symmetric matrix, of which the lower half is read.
fn inverse_cholesky(matrix: &[[f64; VALUES]]) -> Vec<[f32; VALUES]> {
    let mut factor = vec![[0.0_f64; VALUES]; VALUES];
    for i in 0..VALUES {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| factor[i][k] * factor[j][k]).sum();
            factor[i][j] = if i == j {
                (matrix[i][i] - dot).max(LEAST_VARIANCE).sqrt()
            } else {
                (matrix[i][j] - dot) / factor[j][j]
            };
        }
    }
    let mut inverse = vec![[0.0_f64; VALUES]; VALUES];
    for (i, row) in factor.iter().enumerate() {
        let (done, rest) = inverse.split_at_mut(i);
        for (column, value) in rest[0].iter_mut().enumerate().take(i + 1) {
            let unit = if i == column { 1.0 } else { 0.0 };
            let dot: f64 = (column..i).map(|k| row[k] * done[k][column]).sum();
            *value = (unit - dot) / row[i];
        }
    }
    inverse.iter().map(|row| row.map(|v| v as f32)).collect()
}

/// The best path and its log likelihood.
fn viterbi(u: &Utterance, model: &Model) -> (Vec<usize>, f32) {
    let count = u.states.len();
    let mut best = vec![f32::NEG_INFINITY; count];
    let mut back: Vec<u8> = Vec::with_capacity(u.heard.len() * count);
    let mut likelihood = vec![0.0; model.means.len()];
    for (t, x) in u.heard.iter().enumerate() {
        model.log_likelihoods(x, &mut likelihood);
        let mut next = vec![f32::NEG_INFINITY; count];
        for s in 0..count {
            let (mut score, mut from) = (best[s], 0_u8);
            if t == 0 {
                score = if s == 0 || (s == 1 && u.states[0].optional) {
                    0.0
                } else {
                    f32::NEG_INFINITY
                };
            } else {
                if s > 0 && best[s - 1] > score {
                    (score, from) = (best[s - 1], 1);
                }
                if s > 1 && u.states[s - 1].optional && best[s - 2] > score {
                    (score, from) = (best[s - 2], 2);
                }
            }
            back.push(from);
            next[s] = score + likelihood[u.states[s].label as usize];
        }
        best = next;
    }
    let mut state =
        if count > 1 && u.states[count - 1].optional && best[count - 2] > best[count - 1] {
            count - 2
        } else {
            count - 1
        };
    let score = best[state];
    let mut path = vec![0; u.heard.len()];
    for t in (0..u.heard.len()).rev() {
        path[t] = state;
        state -= usize::from(back[t * count + state]);
    }
    (path, score)
}

/// Runs of states of one phone, with times.
fn runs(u: &Utterance, path: &[usize], teacher: &Teacher) -> Vec<Phone> {
    let mut phones = Vec::new();
    let mut from = 0;
    for t in 1..=path.len() {
        let state = u.states[path[from]];
        if t == path.len() || u.states[path[t]].phone != state.phone {
            if state.label != SILENCE {
                let time = |frame: usize| teacher.seconds(frame as f64 - 0.5) as f32;
                phones.push(Phone {
                    label: state.label,
                    start: time(from),
                    end: time(t),
                });
            }
            from = t;
        }
    }
    phones
}

/// What a reading has wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// Phones read that nobody said.
    pub inserted: usize,
    /// Phones said that were not read.
    pub left_out: usize,
    /// Phones read as others.
    pub mistaken: usize,
}

impl Mistakes {
    /// Of what `read` has wrong where `said` was said, the fewest (Levenshtein's distance).
    pub fn between(read: &[u8], said: &[u8]) -> Self {
        let left_out = |count| Self {
            left_out: count,
            ..Self::default()
        };
        let mut row: Vec<Self> = (0..=said.len()).map(left_out).collect();
        for (i, x) in read.iter().enumerate() {
            let mut diagonal = row[0];
            row[0].inserted = i + 1;
            for (j, y) in said.iter().enumerate() {
                let mut ways = [diagonal, row[j], row[j + 1]];
                ways[0].mistaken += usize::from(x != y);
                ways[1].left_out += 1;
                ways[2].inserted += 1;
                diagonal = row[j + 1];
                row[j + 1] = ways.into_iter().min_by_key(Self::all).unwrap_or_default();
            }
        }
        row[said.len()]
    }

    /// How many.
    pub fn all(&self) -> usize {
        self.inserted + self.left_out + self.mistaken
    }
}

impl AddAssign for Mistakes {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.left_out += other.left_out;
        self.mistaken += other.mistaken;
    }
}

/// The greedy reading of the temporal classification: repeats merge, blanks fall out.
pub fn collapse(frames: &[i64]) -> Vec<u8> {
    let mut last = i64::from(SILENCE);
    let mut read = Vec::new();
    for &label in frames {
        if label != last && label != i64::from(SILENCE) {
            read.push(label as u8);
        }
        last = label;
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_phones_and_unknown_ones_are_told() {
        let lexicon = Lexicon::default();
        let words = lexicon.words("THE CAT SAT").unwrap();
        assert_eq!(words.len(), 3);
        let cat: Vec<&str> = words[1]
            .iter()
            .map(|&l| INVENTORY[l as usize - 1])
            .collect();
        assert_eq!(cat, ["k", "æ", "t"]);
        assert!(lexicon.words("the qzxwv sat").is_none());
        assert!(lexicon.words("  ").is_none());
    }

    #[test]
    fn every_phone_of_the_lexicon_has_a_label() {
        let text =
            "judge joy vision church thin that singing azure boat house higher bird about water";
        let (phones, _) = G2P::with_fallback(Language::EnglishUS, None)
            .g2p(text)
            .unwrap();
        let known: usize = Lexicon::default()
            .words(text)
            .unwrap()
            .iter()
            .map(Vec::len)
            .sum();
        let said = phones
            .chars()
            .filter(|c| !c.is_whitespace() && !"ˈˌː".contains(*c))
            .count();
        assert_eq!(known, said, "{phones}");
    }

    /// Phones at known places are found again from a flat start.
    #[test]
    fn alignment_finds_known_boundaries() {
        let mut seed = 1_u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 24) as f32
        };
        let mut utterances = Vec::new();
        let mut truth = Vec::new();
        for _ in 0..60 {
            let word: Vec<u8> = (0..6).map(|_| 1 + (random() * 5.0) as u8).collect();
            let states = states(&[word]);
            let mut heard = Vec::new();
            let mut path = Vec::new();
            for (s, state) in states.iter().enumerate() {
                let length = 3 + (random() * 5.0) as usize;
                for _ in 0..length {
                    let x = std::array::from_fn(|i| {
                        let mean = if i % 6 == state.label as usize {
                            2.0
                        } else {
                            0.0
                        };
                        mean + random() - 0.5
                    });
                    heard.push(x);
                    path.push(s);
                }
            }
            let quiet = path.iter().map(|&s| states[s].label == SILENCE).collect();
            utterances.push(Utterance {
                key: "",
                heard,
                states,
                quiet,
            });
            truth.push(path);
        }
        let found = align(&utterances);
        let frames: usize = truth.iter().map(Vec::len).sum();
        let right: usize = found
            .iter()
            .zip(&truth)
            .zip(&utterances)
            .map(|((a, b), u)| {
                let same = |(x, y): (&usize, &usize)| u.states[*x].label == u.states[*y].label;
                a.iter().zip(b).filter(|&(x, y)| same((x, y))).count()
            })
            .sum();
        assert!(right as f64 > 0.97 * frames as f64, "{right} of {frames}");
    }

    #[test]
    fn distances_and_readings() {
        let mistakes = |inserted, left_out, mistaken| Mistakes {
            inserted,
            left_out,
            mistaken,
        };
        assert_eq!(Mistakes::between(&[1, 2, 3], &[1, 3]), mistakes(1, 0, 0));
        assert_eq!(Mistakes::between(&[], &[1, 3]), mistakes(0, 2, 0));
        let one_each = Mistakes::between(&[2, 3, 4, 9, 6, 7, 7, 8], &[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!((one_each.all(), one_each), (3, mistakes(1, 1, 1)));
        assert_eq!(collapse(&[0, 5, 5, 0, 5, 7, 7, 0]), [5, 5, 7]);
    }
}
