//! Parallel acted speech: the same actor says the same sentence without and with a feeling.
//!
//! Dynamic time warping (Sakoe and Chiba 1978) lays each acted take along the neutral one, so that what
//! acting changes is known frame by frame and can be learned by plain supervision: no classifier that
//! could be fooled stands between.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;
use rand::rngs::StdRng;
use tch::{Device, Kind, Tensor, no_grad};

use super::acoustic::AcousticNetworks;
use super::batches::{Batches, Draw, NARROW_BANDS, Shape, ahead, clean_content_input, drawn};
use super::features::{FeatureSet, Features};
use crate::networks::{
    BANDS, CONTENT_MEL, FLOOR, LOOK_AHEAD, MEL, MEL_SCALE, PROSODY, loudness, normalise_value,
    prosody_features,
};

/// Cost of waiting on either side, against a step on both: without it paths are stairs.
const WAIT: f32 = 0.3;
/// Nepers under a recording's mean voiced level at which speech ends and room begins.
pub const SPEECH: f32 = 4.0;
/// How much mild takes count beside strong ones, and takes of which nothing is known.
const MILD: f64 = 0.25;
const UNKNOWN: f64 = 0.5;

/// One recording of an actor.
#[derive(Clone, Debug)]
pub struct Take {
    /// Key in the feature set.
    pub key: String,
    /// The actor's row.
    pub actor: i64,
    /// 0 neutral.
    pub emotion: i64,
    /// What is said; takes with the same words are laid side by side.
    pub sentence: String,
    /// `strong`, `normal`, or empty where unknown.
    pub intensity: String,
    /// Whether the sound has anything above 8 kHz.
    pub wide: bool,
}

impl Take {
    /// How much this take counts as an example of its feeling at full strength.
    pub fn weight(&self) -> f64 {
        match self.intensity.as_str() {
            "strong" => 1.0,
            "" => UNKNOWN,
            _ => MILD,
        }
    }
}

/// A neutral and an acted take of the same words.
#[derive(Debug)]
pub struct Pair {
    /// The neutral take.
    pub neutral: Take,
    /// The acted one.
    pub acted: Take,
    /// The acted frame that belongs to each neutral one.
    pub path: Vec<u32>,
}

/// All pairs that the takes hold.
pub fn pairs(takes: &[Take], features: &FeatureSet, base: &AcousticNetworks) -> Vec<Pair> {
    let described = |take: &Take| describe(&features[&take.key], base);
    let mut pairs = Vec::new();
    for (neutral, acted) in parallel(takes, features) {
        let from: Vec<Tensor> = neutral.iter().map(|t| described(t)).collect();
        for acted in acted {
            let to = described(acted);
            for (neutral, from) in neutral.iter().zip(&from) {
                pairs.push(Pair {
                    neutral: (*neutral).clone(),
                    acted: acted.clone(),
                    path: align(&Tensor::cdist(from, &to, 2.0, None::<i64>)),
                });
            }
        }
    }
    pairs
}

/// Takes of the same words by the same actor: those without and those with a feeling.
type Parallel<'a> = (Vec<&'a Take>, Vec<&'a Take>);

/// All that `takes` hold, in a fixed order.
pub(super) fn parallel<'a>(takes: &'a [Take], features: &FeatureSet) -> Vec<Parallel<'a>> {
    let usable = |t: &&Take| {
        !t.sentence.is_empty() && features.get(&t.key).is_some_and(|f| f.mel.len() > 30)
    };
    let mut groups: BTreeMap<(i64, &str), Parallel> = BTreeMap::new();
    for take in takes.iter().filter(usable) {
        let (neutral, acted) = groups.entry((take.actor, &take.sentence)).or_default();
        match take.emotion {
            0 => neutral.push(take),
            _ => acted.push(take),
        }
    }
    groups.retain(|_, (neutral, acted)| !neutral.is_empty() && !acted.is_empty());
    groups.into_values().collect()
}

/// What is compared of each frame: the content, which hears the words in any voice, and the mel
/// without its own mean and spread.
fn describe(features: &Features, base: &AcousticNetworks) -> Tensor {
    no_grad(|| {
        let mel = clean_content_input(features);
        let content = base.content(&mel.to_device(base.voices.device()));
        apart(
            &content.squeeze_dim(0).to_device(Device::Cpu),
            &mel.squeeze_dim(0),
        )
    })
}

/// Content `[frames, CONTENT]` and normalised mel `[frames or more, bands]` as values whose distance tells how far
/// two frames are apart.
pub(super) fn apart(content: &Tensor, mel: &Tensor) -> Tensor {
    let mel = mel.narrow(0, 0, content.size()[0]);
    let mean = mel.mean_dim([0].as_slice(), true, None);
    let spread = mel.std_dim([0].as_slice(), true, true) + 0.08;
    Tensor::cat(&[content / 8.0, (mel - mean) / spread * 0.08], 1)
}

/// The cheapest path through distances `[from, to]`, as the `to` frame of each `from` frame.
pub(super) fn align(distances: &Tensor) -> Vec<u32> {
    let size = distances.size();
    let (rows, columns) = (size[0] as usize, size[1] as usize);
    let mut costs = vec![0.0_f32; rows * columns];
    distances.contiguous().copy_data(&mut costs, rows * columns);
    let mut total = vec![f32::INFINITY; (rows + 1) * (columns + 1)];
    let at = |i: usize, j: usize| i * (columns + 1) + j;
    total[0] = 0.0;
    for i in 1..=rows {
        for j in 1..=columns {
            let wait = total[at(i - 1, j)].min(total[at(i, j - 1)]) + WAIT;
            let best = total[at(i - 1, j - 1)].min(wait);
            total[at(i, j)] = costs[(i - 1) * columns + j - 1] + best;
        }
    }
    let mut sums = vec![(0_usize, 0_usize); rows];
    let (mut i, mut j) = (rows, columns);
    while i > 0 && j > 0 {
        sums[i - 1].0 += j - 1;
        sums[i - 1].1 += 1;
        let both = total[at(i - 1, j - 1)];
        let (up, left) = (total[at(i - 1, j)] + WAIT, total[at(i, j - 1)] + WAIT);
        if both <= up && both <= left {
            (i, j) = (i - 1, j - 1);
        } else if up <= left {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    // Where the acted take waits, the middle of what it says meanwhile.
    sums.iter()
        .map(|&(sum, count)| (sum / count.max(1)) as u32)
        .collect()
}

/// Mean log₂ pitch (as the networks read it) and mean loudness (nepers) over the voiced frames.
pub fn means(features: &Features) -> (f32, f32) {
    let (mut pitch, mut loud, mut count) = (0.0, 0.0, 0.0_f32);
    for (frame, p) in features.mel.iter().zip(&features.pitch) {
        if p[0] > 0.0 {
            pitch += (p[0] / 180.0).log2();
            loud += loudness(&frame.map(|v| v.to_f32()));
            count += 1.0;
        }
    }
    (pitch / count.max(1.0), loud / count.max(1.0))
}

/// A batch of crops of pairs.
#[derive(Debug)]
pub struct PairBatch {
    /// The neutral take's mel as the encoder hears it, `[batch, frames + LOOK_AHEAD, CONTENT_MEL]`.
    pub heard: Tensor,
    /// The whole of that mel, `[batch, frames, MEL]`.
    pub mel: Tensor,
    /// Its prosody `[batch, frames, PROSODY]`.
    pub prosody: Tensor,
    /// Its mean pitch and loudness as in `prosody`, `[batch, 1, 1]` each.
    pub means: (Tensor, Tensor),
    /// What acting adds to the normalised mel beside its mean level, `[batch, frames, MEL]`.
    pub change: Tensor,
    /// How much each value counts, `[batch, frames, MEL]`.
    pub weight: Tensor,
    /// 1 where somebody speaks, `[batch, frames, 1]`.
    pub speech: Tensor,
    /// `[batch]`.
    pub emotion: Tensor,
}

impl PairBatch {
    /// The batch on another device.
    pub fn to_device(&self, device: Device) -> Self {
        let to = |t: &Tensor| t.to_device(device);
        Self {
            heard: to(&self.heard),
            mel: to(&self.mel),
            prosody: to(&self.prosody),
            means: (to(&self.means.0), to(&self.means.1)),
            change: to(&self.change),
            weight: to(&self.weight),
            speech: to(&self.speech),
            emotion: to(&self.emotion),
        }
    }
}

/// Batches with each feeling drawn equally often.
pub fn pair_batches(
    pairs: Arc<Vec<Pair>>,
    features: Arc<FeatureSet>,
    shape: Shape,
    draw: Draw,
) -> Batches<PairBatch> {
    let classes = mien_face::EMOTIONS.len() + 1;
    let mut by_emotion: Vec<(Vec<usize>, Vec<f64>)> = vec![Default::default(); classes];
    for (index, pair) in pairs.iter().enumerate() {
        let (own, sums) = &mut by_emotion[pair.acted.emotion as usize];
        own.push(index);
        sums.push(sums.last().unwrap_or(&0.0) + pair.acted.weight());
    }
    by_emotion.retain(|(own, _)| !own.is_empty());
    ahead(draw, move |rng| {
        let chosen: Vec<&Pair> = (0..shape.batch)
            .map(|_| {
                let (own, sums) = &by_emotion[rng.random_range(0..by_emotion.len())];
                &pairs[own[drawn(sums, rng)]]
            })
            .collect();
        batch(&chosen, &features, shape.frames, rng)
    })
}

fn batch(pairs: &[&Pair], features: &FeatureSet, frames: usize, rng: &mut StdRng) -> PairBatch {
    let b = pairs.len() as i64;
    let f = frames as i64;
    let (mut heard, mut mel) = (Vec::<f32>::new(), Vec::<f32>::new());
    let (mut prosody, mut change) = (Vec::new(), Vec::new());
    let (mut weight, mut speech, mut emotion) = (Vec::new(), Vec::new(), Vec::new());
    let (mut pitches, mut louds) = (Vec::new(), Vec::new());
    for pair in pairs {
        let (neutral, acted) = (&features[&pair.neutral.key], &features[&pair.acted.key]);
        let ((pitch_mean, loud_mean), (_, acted_mean)) = (means(neutral), means(acted));
        let length = pair.path.len();
        let start = rng.random_range(0..=length.saturating_sub(frames));
        let gain = rng.random_range(-1.5_f32..1.5);
        for t in start..start + frames + LOOK_AHEAD as usize {
            let band = |v: half::f16| normalise_value((v.to_f32() + gain).max(FLOOR));
            let silence = [normalise_value(FLOOR); BANDS];
            let frame = neutral.mel.get(t).map_or(silence, |frame| frame.map(band));
            heard.extend(&frame[..CONTENT_MEL as usize]);
            if t < start + frames {
                mel.extend(frame);
            }
        }
        let bands = if pair.acted.wide { BANDS } else { NARROW_BANDS };
        for t in start..start + frames {
            let Some(&place) = pair.path.get(t) else {
                prosody.extend(prosody_features(0.0, 0.0, FLOOR));
                change.extend([0.0; BANDS]);
                weight.extend([0.0; BANDS]);
                speech.push(0.0_f32);
                continue;
            };
            let from: [f32; BANDS] = neutral.mel[t].map(|v| v.to_f32());
            let to = &acted.mel[(place as usize).min(acted.mel.len() - 1)];
            let [f0, voicing] = neutral.pitch.get(t).copied().unwrap_or_default();
            let level = loudness(&from);
            prosody.extend(prosody_features(f0, voicing, level + gain));
            let louder = acted_mean - loud_mean;
            change
                .extend((0..BANDS).map(|i| (to[i].to_f32() - from[i] - louder) * MEL_SCALE as f32));
            let presence = ((level - loud_mean + 7.0) / 3.0).clamp(0.05, 1.0);
            weight.extend((0..BANDS).map(|i| if i < bands { presence } else { 0.0 }));
            speech.push(if level > loud_mean - SPEECH { 1.0 } else { 0.0 });
        }
        pitches.push(pitch_mean);
        louds.push(normalise_value(loud_mean + gain));
        emotion.push(pair.acted.emotion);
    }
    let column = |values: &[f32]| Tensor::from_slice(values).reshape([b, 1, 1]);
    PairBatch {
        heard: Tensor::from_slice(&heard).reshape([b, f + LOOK_AHEAD, CONTENT_MEL]),
        mel: Tensor::from_slice(&mel).reshape([b, f, MEL]),
        prosody: Tensor::from_slice(&prosody).reshape([b, f, PROSODY]),
        means: (column(&pitches), column(&louds)),
        change: Tensor::from_slice(&change).reshape([b, f, MEL]),
        weight: Tensor::from_slice(&weight).reshape([b, f, MEL]),
        speech: Tensor::from_slice(&speech).reshape([b, f, 1]),
        emotion: Tensor::from_slice(&emotion).to_kind(Kind::Int64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slower_take_is_laid_along_the_quick_one() {
        let quick: Vec<f32> = (0..40).map(|t| (t as f32 * 0.3).sin() * 3.0).collect();
        let slow: Vec<f32> = (0..80).map(|t| (t as f32 * 0.15).sin() * 3.0).collect();
        let column = |v: &[f32]| Tensor::from_slice(v).reshape([-1, 1]);
        let path = align(&Tensor::cdist(
            &column(&quick),
            &column(&slow),
            2.0,
            None::<i64>,
        ));
        assert_eq!(path.len(), 40);
        assert!(path.windows(2).all(|w| w[0] <= w[1]), "{path:?}");
        for (t, &place) in path.iter().enumerate() {
            assert!((i64::from(place) - 2 * t as i64).abs() <= 6, "{t}: {place}");
        }
    }
}
