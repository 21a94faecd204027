//! Batches of random crops, made on threads beside the training.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;

use crossbeam::channel::{Receiver, RecvError, bounded};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tch::{Device, Kind, Tensor};

use super::augment::{Strength, disturb};
use super::features::{FeatureSet, Features, Teacher};
use super::phones::{Phone, Phones, SILENCE};
use crate::networks::{
    BANDS, CENTRE, CONTENT_MEL, FLOOR, LOOK_AHEAD, MEL, PROSODY, loudness, normalise_value,
    prosody_features,
};
use crate::streaming::Source;

/// Label of a frame whose phone is not known; losses leave it out.
pub const UNLABELLED: i64 = -100;
/// How far the level of what is heard may be off, in nepers of power: 10 dB either way.
const GAIN: std::ops::Range<f32> = -2.3..2.3;
/// Bands that a corpus of 16 kHz fills.
pub(super) const NARROW_BANDS: usize = 84;

/// One recording as training sees it.
#[derive(Clone, Debug)]
pub struct Item {
    /// Key in the feature set.
    pub key: String,
    /// Key of the recording itself, for the teacher.
    pub teacher_key: String,
    /// Rate of playing.
    pub rate: f64,
    /// Row of the speaker table; −1 where unknown.
    pub speaker: i64,
    /// Row of the same speaker at the recording's own rate, where that is in the table; else as `speaker`.
    pub person: i64,
    /// Place of its corpus among those of the recipe.
    pub corpus: i64,
    /// Emotion index, 0 neutral.
    pub emotion: i64,
    /// Whether the sound has anything above 8 kHz.
    pub wide: bool,
    /// How often it is drawn, relative to the others.
    pub weight: f64,
}

/// Everything a stage draws from.
#[derive(Debug)]
pub struct Pool {
    /// The recordings.
    pub items: Vec<Item>,
    /// Their features.
    pub features: Arc<FeatureSet>,
    /// A recogniser's features, where there is one.
    pub teacher: Option<Arc<Teacher>>,
    /// What is said and when, where it is known.
    pub phones: Option<Arc<Phones>>,
}

impl Pool {
    /// Leaves out what is shorter than a third of a second or has no features.
    pub fn new(items: Vec<Item>, features: Arc<FeatureSet>, teacher: Option<Arc<Teacher>>) -> Self {
        let usable = |item: &Item| features.get(&item.key).is_some_and(|f| f.mel.len() > 30);
        let items = items.into_iter().filter(usable).collect();
        Self {
            items,
            features,
            teacher,
            phones: None,
        }
    }

    /// The same with phone labels.
    pub fn with_phones(mut self, phones: Option<Arc<Phones>>) -> Self {
        self.phones = phones;
        self
    }

    /// How many known speakers there are, their copies at other rates counting as others or not.
    pub fn speakers(&self, across_rates: bool) -> usize {
        let known = self.items.iter().filter(|item| item.speaker >= 0);
        let all: BTreeSet<i64> = match across_rates {
            true => known.map(|item| item.person).collect(),
            false => known.map(|item| item.speaker).collect(),
        };
        all.len()
    }

    /// Share of each corpus in what is drawn, of speakers who are known; as many as the last of their corpora asks for.
    pub fn corpus_shares(&self) -> Vec<f64> {
        let known = || self.items.iter().filter(|item| item.speaker >= 0);
        let corpora = known().map(|item| item.corpus + 1).max().unwrap_or(0);
        let mut shares = vec![0.0; corpora.max(0) as usize];
        let total: f64 = known().map(|item| item.weight).sum();
        for item in known() {
            shares[item.corpus as usize] += item.weight / total;
        }
        shares
    }

    /// Draws by weight.
    fn draw(&self, cumulative: &[f64], rng: &mut StdRng) -> &Item {
        &self.items[drawn(cumulative, rng)]
    }

    fn cumulative(&self) -> Vec<f64> {
        self.items
            .iter()
            .scan(0.0, |sum, item| {
                *sum += item.weight;
                Some(*sum)
            })
            .collect()
    }
}

/// Index of one of several things, drawn by weight: `sums` are those of the weights up to each, the last above 0.
pub(super) fn drawn(sums: &[f64], rng: &mut StdRng) -> usize {
    let total = sums.last().copied().unwrap_or(0.0);
    let at = rng.random_range(0.0..total);
    sums.partition_point(|&s| s <= at).min(sums.len() - 1)
}

/// One batch for the frame-rate networks.
#[derive(Debug)]
pub struct FrameBatch {
    /// Disturbed normalised mel `[batch, frames + LOOK_AHEAD, CONTENT_MEL]`.
    pub heard: Tensor,
    /// The same, undisturbed.
    pub clean: Tensor,
    /// Clean normalised mel `[batch, frames, MEL]`.
    pub mel: Tensor,
    /// `[batch, frames, PROSODY]`.
    pub prosody: Tensor,
    /// Teacher's values `[batch, frames, size]`; empty without a teacher.
    pub teacher: Tensor,
    /// 1 where the teacher's values count, `[batch, frames, 1]`.
    pub teacher_mask: Tensor,
    /// Phone label of each frame, [`UNLABELLED`] where unknown, `[batch, frames]`.
    pub phones: Tensor,
    /// Labels of the phones whose middle lies in each crop, one after another; empty where unknown.
    pub sequences: Vec<Vec<i64>>,
    /// 1 where the mel counts, `[batch, frames, MEL]`.
    pub mask: Tensor,
    /// `[batch]`, 0 where unknown.
    pub speaker: Tensor,
    /// The same, copies at other rates being the same speaker, `[batch]`, 0 where unknown.
    pub person: Tensor,
    /// 1 where the speaker is known, `[batch]`.
    pub known: Tensor,
    /// 1 where what is heard was disturbed, `[batch]`.
    pub disturbed: Tensor,
    /// Place of the corpus among those of the recipe, `[batch]`; 0 where the speaker is not known.
    pub corpus: Tensor,
    /// `[batch]`, 0 neutral.
    pub emotion: Tensor,
}

impl FrameBatch {
    /// The batch on another device.
    pub fn to_device(&self, device: Device) -> Self {
        let to = |t: &Tensor| t.to_device(device);
        Self {
            heard: to(&self.heard),
            clean: to(&self.clean),
            mel: to(&self.mel),
            prosody: to(&self.prosody),
            teacher: to(&self.teacher),
            teacher_mask: to(&self.teacher_mask),
            phones: to(&self.phones),
            sequences: self.sequences.clone(),
            mask: to(&self.mask),
            speaker: to(&self.speaker),
            person: to(&self.person),
            known: to(&self.known),
            disturbed: to(&self.disturbed),
            corpus: to(&self.corpus),
            emotion: to(&self.emotion),
        }
    }
}

/// One batch for the vocoder.
#[derive(Debug)]
pub struct SoundBatch {
    /// Normalised mel `[batch, frames, MEL]`.
    pub mel: Tensor,
    /// `[batch, frames, PROSODY]`.
    pub prosody: Tensor,
    /// `[batch, frames, FRAME]`.
    pub pulses: Tensor,
    /// `[batch, frames, FRAME]`.
    pub noise: Tensor,
    /// The sound itself, `[batch, frames · FRAME]`.
    pub sound: Tensor,
    /// Highest frequency that counts, as a share of 12 kHz, `[batch]`.
    pub band: Tensor,
}

impl SoundBatch {
    /// The batch on another device.
    pub fn to_device(&self, device: Device) -> Self {
        let to = |t: &Tensor| t.to_device(device);
        Self {
            mel: to(&self.mel),
            prosody: to(&self.prosody),
            pulses: to(&self.pulses),
            noise: to(&self.noise),
            sound: to(&self.sound),
            band: to(&self.band),
        }
    }
}

/// Shape of the batches.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Crops.
    pub batch: usize,
    /// Frames of a crop.
    pub frames: usize,
}

/// Sets the seeds of batches apart (the odd constant of SplitMix64), so that runs with seeds close
/// together share none.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// How batches are drawn: the same seed gives the same batches, whatever the number of threads, and whether or not the
/// run was stopped between.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    /// Seed of batch 0.
    pub seed: u64,
    /// The batch to begin with: the steps that a run has behind it, where each takes one.
    pub first: u64,
    /// Threads that make them. One keeps up with a training on the processor, a GPU wants several.
    pub workers: usize,
}

impl Draw {
    /// The same batches from that one on.
    pub fn after(self, first: u64) -> Self {
        Self { first, ..self }
    }

    /// Chance of a batch, or of the step that it is for: each has a seed of its own, so that it does not matter who makes it.
    pub fn rng(&self, index: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed.wrapping_add(index.wrapping_mul(SPREAD)))
    }

    /// Has libtorch's chance begin anew for a step, so that a stopped run goes on with the same.
    pub fn seed_torch(&self, index: u64) {
        tch::manual_seed(self.rng(index).random());
    }
}

/// Batches without end, made ahead of their use. Dropping it ends its threads.
#[derive(Debug)]
pub struct Batches<T> {
    /// Worker `i` of `n` makes the batches `i`, `i + n`, `i + 2 n`, …
    workers: Vec<Receiver<T>>,
    next: Cell<usize>,
}

impl<T> Batches<T> {
    /// The next batch.
    ///
    /// # Errors
    /// When its worker died.
    pub fn recv(&self) -> Result<T, RecvError> {
        let at = self.next.get();
        self.next.set((at + 1) % self.workers.len());
        self.workers[at].recv()
    }
}

/// Starts threads that make frame batches, up to four of each ahead.
pub fn frame_batches(
    pool: Arc<Pool>,
    shape: Shape,
    strength: Strength,
    draw: Draw,
) -> Batches<FrameBatch> {
    let cumulative = pool.cumulative();
    ahead(draw, move |rng| {
        frame_batch(&pool, shape, &strength, &cumulative, rng)
    })
}

/// Starts threads that make vocoder batches, up to four of each ahead.
pub fn sound_batches(pool: Arc<Pool>, shape: Shape, draw: Draw) -> Batches<SoundBatch> {
    let cumulative = pool.cumulative();
    ahead(draw, move |rng| sound_batch(&pool, shape, &cumulative, rng))
}

/// Starts threads that make batches with `make`, up to four of each ahead.
pub(super) fn ahead<T: Send + 'static>(
    draw: Draw,
    make: impl Fn(&mut StdRng) -> T + Send + Sync + 'static,
) -> Batches<T> {
    let count = draw.workers.max(1);
    let make = Arc::new(make);
    let worker = |first: usize| {
        let (sender, receiver) = bounded(4);
        let make = make.clone();
        thread::spawn(move || {
            for index in (draw.first + first as u64..).step_by(count) {
                if sender.send(make(&mut draw.rng(index))).is_err() {
                    return;
                }
            }
        });
        receiver
    };
    Batches {
        workers: (0..count).map(worker).collect(),
        next: Cell::new(0),
    }
}

fn frame_batch(
    pool: &Pool,
    shape: Shape,
    strength: &Strength,
    cumulative: &[f64],
    rng: &mut StdRng,
) -> FrameBatch {
    let Shape { batch, frames } = shape;
    let heard_frames = frames + LOOK_AHEAD as usize;
    let content_bands = CONTENT_MEL as usize;
    let size = pool.teacher.as_ref().map_or(0, |t| t.size);
    let centres = &mien_dsp::mel::filterbank().centres;
    let mut heard = Vec::with_capacity(batch * heard_frames * content_bands);
    let mut clean = Vec::with_capacity(batch * heard_frames * content_bands);
    let mut mel = Vec::with_capacity(batch * frames * BANDS);
    let mut mask = vec![0.0_f32; batch * frames * BANDS];
    let mut prosody = Vec::with_capacity(batch * frames * PROSODY as usize);
    let mut teacher = vec![0.0_f32; batch * frames * size];
    let mut teacher_mask = vec![0.0_f32; batch * frames];
    let mut phones = vec![UNLABELLED; batch * frames];
    let mut sequences = vec![Vec::new(); batch];
    let (mut speaker, mut person, mut known) = (Vec::new(), Vec::new(), Vec::new());
    let (mut corpus, mut emotion) = (Vec::new(), Vec::new());
    let mut changed = Vec::new();
    for row in 0..batch {
        let item = pool.draw(cumulative, rng);
        let features = &pool.features[&item.key];
        let total = features.mel.len();
        let start = if total > heard_frames {
            rng.random_range(0..=total - heard_frames)
        } else {
            0
        };
        let gain = rng.random_range(GAIN);
        let frame_at = |t: usize| -> [f32; BANDS] {
            match features.mel.get(start + t) {
                Some(frame) => std::array::from_fn(|b| (frame[b].to_f32() + gain).max(FLOOR)),
                None => [FLOOR; BANDS],
            }
        };
        let crop: Vec<[f32; BANDS]> = (0..heard_frames).map(frame_at).collect();
        let mut disturbed: Vec<[f32; CONTENT_MEL as usize]> =
            crop.iter().map(|f| std::array::from_fn(|b| f[b])).collect();
        clean.extend(disturbed.iter().flatten().map(|v| normalise_value(*v)));
        let touched = disturb(&mut disturbed, centres, strength, rng);
        changed.push(if touched { 1.0_f32 } else { 0.0 });
        heard.extend(disturbed.iter().flatten().map(|v| normalise_value(*v)));
        let known_here = item.speaker >= 0;
        for (t, frame) in crop.iter().enumerate().take(frames) {
            mel.extend(frame.iter().map(|v| normalise_value(*v)));
            let inside = start + t < total;
            let [f0, voicing] = features.pitch.get(start + t).copied().unwrap_or_default();
            prosody.extend(prosody_features(f0, voicing, loudness(frame)));
            let index = row * frames + t;
            if inside && known_here {
                let bands = if item.wide { BANDS } else { NARROW_BANDS };
                mask[index * BANDS..index * BANDS + bands].fill(1.0);
            }
            if let (Some(source), true) = (&pool.teacher, inside) {
                let out = &mut teacher[index * size..(index + 1) * size];
                if source.at(&item.teacher_key, item.rate, start + t, out) {
                    teacher_mask[index] = 1.0;
                }
            }
        }
        let said = pool.phones.as_ref().and_then(|p| p.get(&item.teacher_key));
        if let Some(said) = said {
            let length = frames.min(total - start.min(total));
            let labels = &mut phones[row * frames..][..length];
            sequences[row] = label_frames(said, item.rate, start, labels);
        }
        speaker.push(item.speaker.max(0));
        person.push(item.person.max(0));
        known.push(if known_here { 1.0_f32 } else { 0.0 });
        corpus.push(if known_here { item.corpus } else { 0 });
        emotion.push(item.emotion);
    }
    let (b, f, h) = (batch as i64, frames as i64, heard_frames as i64);
    FrameBatch {
        heard: Tensor::from_slice(&heard).reshape([b, h, CONTENT_MEL]),
        clean: Tensor::from_slice(&clean).reshape([b, h, CONTENT_MEL]),
        mel: Tensor::from_slice(&mel).reshape([b, f, MEL]),
        prosody: Tensor::from_slice(&prosody).reshape([b, f, PROSODY]),
        teacher: Tensor::from_slice(&teacher).reshape([b, f, size as i64]),
        teacher_mask: Tensor::from_slice(&teacher_mask).reshape([b, f, 1]),
        phones: Tensor::from_slice(&phones).reshape([b, f]),
        sequences,
        mask: Tensor::from_slice(&mask).reshape([b, f, MEL]),
        speaker: Tensor::from_slice(&speaker),
        person: Tensor::from_slice(&person),
        known: Tensor::from_slice(&known),
        disturbed: Tensor::from_slice(&changed),
        corpus: Tensor::from_slice(&corpus),
        emotion: Tensor::from_slice(&emotion),
    }
}

/// A whole recording as the content encoder hears it, undisturbed: normalised log mel
/// `[1, frames, CONTENT_MEL]`.
pub fn clean_content_input(features: &Features) -> Tensor {
    content_input(&content_bands(features))
}

/// The same at another level, disturbed as a crop of training is, and spoken `tempo` times as fast.
pub fn disturbed_content_input(
    features: &Features,
    strength: &Strength,
    tempo: f64,
    rng: &mut StdRng,
) -> Tensor {
    let mut bands = at_tempo(&content_bands(features), tempo);
    let gain = rng.random_range(GAIN);
    for value in bands.iter_mut().flatten() {
        *value = (*value + gain).max(FLOOR);
    }
    let centres = &mien_dsp::mel::filterbank().centres;
    disturb(&mut bands, centres, strength, rng);
    content_input(&bands)
}

/// Frames of the same speech `tempo` times as fast, at the same pitch.
fn at_tempo<const N: usize>(frames: &[[f32; N]], tempo: f64) -> Vec<[f32; N]> {
    // Where the recording's beginning lies, as in `label_frames`.
    let begin = CENTRE as f64 / mien_face::FRAME as f64 - 1.0;
    let last = frames.len().saturating_sub(1);
    let frame = |i: usize| {
        let from = ((i as f64 - begin) * tempo + begin).clamp(0.0, last as f64);
        let (low, share) = (from as usize, from.fract() as f32);
        let high = (low + 1).min(last);
        std::array::from_fn(|b| frames[low][b] + share * (frames[high][b] - frames[low][b]))
    };
    (0..(frames.len() as f64 / tempo).round() as usize)
        .map(frame)
        .collect()
}

fn content_bands(features: &Features) -> Vec<[f32; CONTENT_MEL as usize]> {
    let bands = |frame: &[half::f16; BANDS]| std::array::from_fn(|b| frame[b].to_f32());
    features.mel.iter().map(bands).collect()
}

fn content_input(bands: &[[f32; CONTENT_MEL as usize]]) -> Tensor {
    let values: Vec<f32> = bands
        .iter()
        .flatten()
        .map(|v| normalise_value(*v))
        .collect();
    Tensor::from_slice(&values).reshape([1, bands.len() as i64, CONTENT_MEL])
}

/// Writes the label of each mel frame from `start` on; returns the labels of the phones whose middle
/// lies among them. `rate`: how fast the recording is played.
pub fn label_frames(said: &[Phone], rate: f64, start: usize, labels: &mut [i64]) -> Vec<i64> {
    // A frame is where its window's middle is.
    let frame = |seconds: f32| {
        let samples = f64::from(seconds) / rate * f64::from(mien_face::SAMPLE_RATE) + CENTRE as f64;
        (samples / mien_face::FRAME as f64 - 1.0).round() - start as f64
    };
    labels.fill(i64::from(SILENCE));
    let last = labels.len() as f64;
    let mut sequence = Vec::new();
    for phone in said {
        let (from, to) = (frame(phone.start), frame(phone.end));
        if to <= 0.0 || from >= last {
            continue;
        }
        let inside = from.max(0.0) as usize..to.min(last) as usize;
        labels[inside].fill(i64::from(phone.label));
        if (0.0..last).contains(&((from + to) / 2.0)) {
            sequence.push(i64::from(phone.label));
        }
    }
    sequence
}

fn sound_batch(pool: &Pool, shape: Shape, cumulative: &[f64], rng: &mut StdRng) -> SoundBatch {
    let Shape { batch, frames } = shape;
    let hop = mien_face::FRAME;
    let mut mel = Vec::with_capacity(batch * frames * BANDS);
    let mut prosody = Vec::with_capacity(batch * frames * PROSODY as usize);
    let mut pulses = Vec::with_capacity(batch * frames * hop);
    let mut noise = Vec::with_capacity(batch * frames * hop);
    let mut sound = Vec::with_capacity(batch * frames * hop);
    let mut band = Vec::with_capacity(batch);
    for _ in 0..batch {
        let item = pool.draw(cumulative, rng);
        let features: &Features = &pool.features[&item.key];
        let total = features.mel.len();
        // The sound of frame 0 would begin before the file does.
        let start = if total > frames + 3 {
            rng.random_range(2..total - frames)
        } else {
            2.min(total - 1)
        };
        let gain_db = rng.random_range(-10.0_f32..10.0);
        let (amplitude, gain) = (
            10.0_f32.powf(gain_db / 20.0),
            gain_db * std::f32::consts::LN_10 / 10.0,
        );
        let mut source = Source::new(rng.random_range(1..u64::MAX));
        for t in start..start + frames {
            let frame: [f32; BANDS] = match features.mel.get(t) {
                Some(frame) => std::array::from_fn(|b| (frame[b].to_f32() + gain).max(FLOOR)),
                None => [FLOOR; BANDS],
            };
            let [f0, voicing] = features.pitch.get(t).copied().unwrap_or_default();
            mel.extend(frame.iter().map(|v| normalise_value(*v)));
            prosody.extend(prosody_features(f0, voicing, loudness(&frame)));
            let excitation = source.next_hop(f0);
            pulses.extend(excitation.pulses);
            noise.extend(excitation.noise);
            let from = ((t + 1) * hop).saturating_sub(CENTRE + hop);
            let sample = |i: usize| {
                features
                    .sound
                    .get(from + i)
                    .map_or(0.0, |&v| f32::from(v) / 32768.0)
            };
            sound.extend((0..hop).map(|i| sample(i) * amplitude));
        }
        band.push(if item.wide { 1.0_f32 } else { 0.6 });
    }
    let (b, f, h) = (batch as i64, frames as i64, hop as i64);
    SoundBatch {
        mel: Tensor::from_slice(&mel).reshape([b, f, MEL]),
        prosody: Tensor::from_slice(&prosody).reshape([b, f, PROSODY]),
        pulses: Tensor::from_slice(&pulses).reshape([b, f, h]),
        noise: Tensor::from_slice(&noise).reshape([b, f, h]),
        sound: Tensor::from_slice(&sound).reshape([b, f * h]),
        band: Tensor::from_slice(&band).to_kind(Kind::Float),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_threads_nor_a_stop_between_change_the_batches() {
        let drawn = |workers, first| {
            let draw = Draw {
                seed: 7,
                first,
                workers,
            };
            let batches = ahead(draw, |rng| rng.random_range(0..u64::MAX));
            let drawn: Vec<u64> = (first..9).map(|_| batches.recv().unwrap()).collect();
            drawn
        };
        let alone = drawn(1, 0);
        assert_eq!(alone, drawn(4, 0));
        assert_eq!(alone[5..], drawn(3, 5), "a run that goes on at batch 5");
        let mut distinct = alone.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), alone.len());
    }

    #[test]
    fn corpora_are_shared_by_weight_among_speakers_who_are_known() {
        let recording = Features {
            mel: vec![[half::f16::ZERO; BANDS]; 40],
            ..Features::default()
        };
        let features = Arc::new(FeatureSet::from([("a".to_owned(), recording)]));
        let item = |corpus, speaker, weight| Item {
            key: "a".into(),
            teacher_key: "a".into(),
            rate: 1.0,
            speaker,
            person: speaker,
            corpus,
            emotion: 0,
            wide: true,
            weight,
        };
        let pool = |items| Pool::new(items, features.clone(), None);
        let some = vec![
            item(2, 0, 1.0),
            item(0, 1, 1.0),
            item(2, 2, 2.0),
            item(5, -1, 9.0),
        ];
        let some = pool(some);
        assert_eq!(some.corpus_shares(), [0.25, 0.0, 0.75]);
        assert!(pool(vec![item(1, -1, 1.0)]).corpus_shares().is_empty());
        let mut copy = item(2, 3, 1.0);
        copy.person = 0;
        let copied = pool(vec![item(2, 0, 1.0), item(0, 1, 1.0), copy]);
        assert_eq!((copied.speakers(false), copied.speakers(true)), (3, 2));
        // What a batch says of its rows is what the items do, but for speakers who are not known.
        let shape = Shape {
            batch: 64,
            frames: 20,
        };
        let mut rng = StdRng::seed_from_u64(3);
        let cumulative = some.cumulative();
        let batch = frame_batch(&some, shape, &Strength::default(), &cumulative, &mut rng);
        let rows = |t: &Tensor| Vec::<i64>::try_from(t).unwrap();
        let known = rows(&batch.known.to_kind(Kind::Int64));
        let of = |(speaker, known): (i64, i64)| if known == 0 || speaker == 1 { 0 } else { 2 };
        let speaker = rows(&batch.speaker).into_iter();
        let expected: Vec<i64> = speaker.zip(known.iter().copied()).map(of).collect();
        assert_eq!(rows(&batch.corpus), expected);
        assert!(known.contains(&0) && expected.contains(&2), "{expected:?}");
    }

    #[test]
    fn at_another_tempo_the_phones_fall_on_the_same_sound() {
        let phone = [Phone {
            label: 3,
            start: 0.2,
            end: 0.4,
        }];
        let mut labels = [0; 100];
        label_frames(&phone, 1.0, 0, &mut labels);
        let frames: Vec<[f32; 1]> = labels.iter().map(|&l| [l as f32]).collect();
        assert_eq!(at_tempo(&frames, 1.0), frames);
        for tempo in [0.8, 1.25] {
            let played = at_tempo(&frames, tempo);
            assert_eq!(played.len(), (100.0 / tempo).round() as usize);
            let mut labels = vec![0; played.len()];
            label_frames(&phone, tempo, 0, &mut labels);
            let apart = |(&l, f): (&i64, &[f32; 1])| (l as f32 - f[0]).abs() > 1.6;
            let wrong = labels.iter().zip(&played).filter(|&x| apart(x)).count();
            assert!(wrong <= 2, "{wrong} at {tempo}");
        }
    }

    #[test]
    fn phones_fall_on_the_frames_that_hear_them() {
        let phone = |label, start, end| Phone { label, start, end };
        let said = [phone(3, 0.1, 0.2), phone(4, 0.2, 0.3), phone(5, 0.6, 0.9)];
        let mut labels = [0; 40];
        // Frame 10 has its middle at 95 ms; the crop begins at frame 5.
        let sequence = label_frames(&said, 1.0, 5, &mut labels);
        assert_eq!(sequence, [3, 4]);
        assert_eq!(labels[4..7], [0, 0, 3]);
        assert_eq!(labels[14..17], [3, 3, 4]);
        assert_eq!(labels[39], 0);
        // Played at twice the rate everything comes at half the time.
        let mut labels = [0; 40];
        assert_eq!(label_frames(&said, 2.0, 0, &mut labels), [3, 4, 5]);
        assert_eq!(labels[4..7], [0, 0, 3]);
    }
}
