//! Batches for learning what a feeling does while it is performed: neutral takes as the live path hears them, with all that the
//! prosody mapper makes of them at no, half and full strength, and acted takes of the same actor to compare with.
//!
//! The mapper that works here is the live one, so what is learned beside it fits what it does.

use std::collections::BTreeMap;
use std::sync::Arc;

use mien_face::{Controls, EMOTIONS};
use rand::RngExt;
use rand::rngs::StdRng;
use rayon::prelude::*;
use tch::{Device, Tensor};

use super::acting::SPEECH;
use super::batches::{Batches, Draw, Shape, ahead, drawn};
use super::emotion::one_hot;
use super::features::{FeatureSet, Features};
use super::parallel::Take;
use super::tint::{Tinting, Tints};
use crate::networks::{
    BANDS, FLOOR, LOOK_AHEAD, MEL, MEL_SCALE, PROSODY, loudness, normalise_value, prosody_features,
};
use crate::pack::Networks;
use crate::streaming::{EmotionColour, Feelings, PitchTarget, ProsodyMapper};

/// Strengths that each crop is performed at.
pub const STRENGTHS: [f32; 3] = [0.0, 0.5, 1.0];
/// How often the mapper hears the neutral take before, so that it knows the speaker as after some seconds.
const BEFORE: usize = 3;
/// Frames that the mapper hears before the crop, for stress and phrase.
const RUN_IN: usize = 60;

/// A take at the level of the networks.
#[derive(Debug)]
struct Heard {
    /// Log mel.
    mel: Vec<[f32; BANDS]>,
    /// Pitch in Hz and voicing.
    pitch: Vec<[f32; 2]>,
    /// Natural log of power.
    loudness: Vec<f32>,
    loudest: f32,
}

impl Heard {
    fn new(features: &Features) -> Self {
        let mut mel = features.levelled_mel();
        let frames = mel.len().min(features.pitch.len());
        mel.truncate(frames);
        for value in mel.iter_mut().flatten() {
            *value = value.max(FLOOR);
        }
        let loud: Vec<f32> = mel.iter().map(|frame| loudness(frame)).collect();
        Self {
            loudest: loud.iter().copied().fold(f32::MIN, f32::max),
            loudness: loud,
            pitch: features.pitch[..frames].to_vec(),
            mel,
        }
    }

    fn len(&self) -> usize {
        self.mel.len()
    }

    fn frame(&self, t: usize) -> [f32; BANDS] {
        let frame = self.mel.get(t).copied().unwrap_or([FLOOR; BANDS]);
        frame.map(normalise_value)
    }

    /// 1 where somebody speaks.
    fn speech(&self, t: usize) -> f32 {
        match self.loudness.get(t) {
            Some(&level) if level > self.loudest - SPEECH => 1.0,
            _ => 0.0,
        }
    }

    /// Pitch in Hz, voicing and loudness; silence beyond the end.
    fn prosody(&self, t: usize) -> [f32; 3] {
        match (self.pitch.get(t), self.loudness.get(t)) {
            (Some(&[f0_hz, voicing]), Some(&level)) => [f0_hz, voicing, level],
            _ => [0.0, 0.0, FLOOR],
        }
    }
}

/// What one actor says.
#[derive(Debug, Default)]
struct Actor {
    neutral: Vec<Heard>,
    /// Takes of each emotion, with the sums of their weights so far.
    acted: Vec<(Vec<Heard>, Vec<f64>)>,
}

/// Everything that is rehearsed.
#[derive(Debug)]
pub struct Rehearsals {
    actors: Vec<Actor>,
    /// Actors that have takes of each emotion.
    of_emotion: Vec<Vec<usize>>,
    feelings: Feelings,
    colour: EmotionColour,
    /// Where the pitch of each voice lies, the speaker's own last.
    targets: Vec<PitchTarget>,
    own_share: f64,
}

impl Rehearsals {
    /// All `takes` of actors who speak neutrally, too, performed as `feelings` say in the voices of `networks`.
    pub fn new(
        takes: &[Take],
        features: &FeatureSet,
        networks: &Networks,
        feelings: Feelings,
        own_share: f64,
    ) -> Self {
        let usable = |take: &&Take| features.get(&take.key).is_some_and(|f| f.mel.len() > 30);
        let heard: Vec<(&Take, Heard)> = takes
            .par_iter()
            .filter(usable)
            .map(|take| (take, Heard::new(&features[&take.key])))
            .collect();
        let mut actors: BTreeMap<i64, Actor> = BTreeMap::new();
        for (take, heard) in heard {
            let actor = actors.entry(take.actor).or_default();
            actor.acted.resize_with(EMOTIONS.len(), Default::default);
            match take.emotion {
                0 => actor.neutral.push(heard),
                emotion => {
                    let (all, sums) = &mut actor.acted[emotion as usize - 1];
                    all.push(heard);
                    sums.push(sums.last().unwrap_or(&0.0) + take.weight());
                }
            }
        }
        actors.retain(|_, actor| !actor.neutral.is_empty());
        let actors: Vec<Actor> = actors.into_values().collect();
        let with = |emotion: usize| -> Vec<usize> {
            let has = |&a: &usize| !actors[a].acted[emotion].0.is_empty();
            (0..actors.len()).filter(has).collect()
        };
        Self {
            of_emotion: (0..EMOTIONS.len()).map(with).collect(),
            actors,
            feelings,
            colour: networks.colour,
            targets: (0..networks.voices.len())
                .map(|v| networks.target(v))
                .collect(),
            own_share,
        }
    }

    /// Emotions that somebody acts.
    fn emotions(&self) -> Vec<usize> {
        let acted = |&e: &usize| !self.of_emotion[e].is_empty();
        (0..EMOTIONS.len()).filter(acted).collect()
    }

    /// Whether nobody acts anything.
    pub fn is_empty(&self) -> bool {
        self.emotions().is_empty()
    }

    /// Batches of them, each emotion equally often.
    pub fn batches(self: Arc<Self>, shape: Shape, draw: Draw) -> Batches<RehearsalBatch> {
        ahead(draw, move |rng| self.batch(shape, rng))
    }

    fn batch(&self, shape: Shape, rng: &mut StdRng) -> RehearsalBatch {
        let emotions = self.emotions();
        let mut rows = Rows::new(shape);
        for _ in 0..shape.batch {
            let emotion = emotions[rng.random_range(0..emotions.len())];
            let able = &self.of_emotion[emotion];
            let actor = &self.actors[able[rng.random_range(0..able.len())]];
            let neutral = &actor.neutral[rng.random_range(0..actor.neutral.len())];
            let (all, sums) = &actor.acted[emotion];
            let acted = &all[drawn(sums, rng)];
            let own = self.targets.len() - 1;
            let voice = match rng.random_bool(self.own_share) {
                true => own,
                false => rng.random_range(0..own),
            };
            let mut start = |heard: &Heard| {
                let spare = heard.len().saturating_sub(shape.frames);
                rng.random_range(0..=spare)
            };
            let crops = [(neutral, start(neutral)), (acted, start(acted))];
            rows.add(self, emotion, voice, crops);
        }
        rows.batch()
    }
}

/// A batch as it is gathered.
struct Rows {
    shape: Shape,
    neutral: Side,
    acted: Side,
    acted_prosody: Vec<f32>,
    acted_tinting: Tinting,
    performed: [Performing; STRENGTHS.len()],
    voice: Vec<i64>,
    own: Vec<f32>,
    emotion: Vec<i64>,
    acting: Vec<f32>,
}

#[derive(Default)]
struct Side {
    mel: Vec<f32>,
    speech: Vec<f32>,
    as_heard: Vec<f32>,
}

#[derive(Default)]
struct Performing {
    prosody: Vec<f32>,
    meant: Vec<f32>,
    effort: Vec<f32>,
    acted: Vec<f32>,
    timbre: Vec<f32>,
    tinting: Tinting,
}

impl Rows {
    fn new(shape: Shape) -> Self {
        Self {
            shape,
            neutral: Side::default(),
            acted: Side::default(),
            acted_prosody: Vec::new(),
            acted_tinting: Tinting::default(),
            performed: Default::default(),
            voice: Vec::new(),
            own: Vec::new(),
            emotion: Vec::new(),
            acting: Vec::new(),
        }
    }

    fn add(
        &mut self,
        all: &Rehearsals,
        emotion: usize,
        voice: usize,
        [(neutral, from), (acted, acted_from)]: [(&Heard, usize); 2],
    ) {
        let frames = self.shape.frames;
        let target = all.targets[voice];
        let mut weights = [0.0; EMOTIONS.len()];
        let mut knows = ProsodyMapper::new(all.feelings);
        let controls = Controls::default();
        for _ in 0..BEFORE {
            for t in 0..neutral.len() {
                let [f0_hz, _, level] = neutral.prosody(t);
                knows.map(f0_hz, level, target, &weights, &controls);
            }
        }
        for (side, heard, from) in [
            (&mut self.neutral, neutral, from),
            (&mut self.acted, acted, acted_from),
        ] {
            for t in from..from + frames + LOOK_AHEAD as usize {
                side.mel.extend(heard.frame(t));
            }
            for t in from..from + frames {
                let [f0_hz, voicing, level] = heard.prosody(t);
                side.speech.push(heard.speech(t));
                side.as_heard
                    .extend(prosody_features(f0_hz, voicing, level));
            }
        }
        for (performing, strength) in self.performed.iter_mut().zip(STRENGTHS) {
            weights[emotion] = strength;
            let mut mapper = knows.clone();
            let mut formants = 0.0;
            for t in from.saturating_sub(RUN_IN)..from + frames {
                let [f0_hz, voicing, level] = neutral.prosody(t);
                let sung = mapper.map(f0_hz, level, target, &weights, &controls);
                if t < from {
                    continue;
                }
                let told = |level| prosody_features(sung.f0_hz, voicing, level);
                performing.prosody.extend(told(sung.loudness));
                performing.meant.extend(told(sung.loudness + sung.effort));
                performing.effort.push(sung.effort * MEL_SCALE as f32);
                performing.acted.push(mapper.acted(voicing));
                performing.timbre.push(mapper.timbre());
                let colour = all.colour.with_feeling(target.own, mapper.colour());
                performing.tinting.frame(&colour, mapper.stress());
                formants = colour.formants;
            }
            performing.tinting.row(formants);
        }
        // The acted take in the voice: its own tune, around the pitch at which the actor speaks neutrally.
        weights[emotion] = 0.0;
        let mut mapper = knows;
        let colour = all.colour.with_feeling(target.own, &EmotionColour::NONE);
        for t in acted_from..acted_from + frames {
            let [f0_hz, voicing, level] = acted.prosody(t);
            let sung = mapper.map(f0_hz, level, target, &weights, &controls);
            let told = prosody_features(sung.f0_hz, voicing, sung.loudness);
            self.acted_prosody.extend(told);
            self.acted_tinting.frame(&colour, 0.0);
        }
        self.acted_tinting.row(colour.formants);
        weights[emotion] = 1.0;
        self.acting
            .extend(all.feelings.acting(&weights, target)[emotion]);
        self.voice.push(voice as i64);
        self.own.push(target.own);
        self.emotion.push(emotion as i64 + 1);
    }

    fn batch(self) -> RehearsalBatch {
        let batch = self.shape.batch as i64;
        let frames = self.shape.frames as i64;
        let own = Tensor::from_slice(&self.own).reshape([batch, 1, 1]);
        let of = |values: &[f32], length: i64, each: i64| {
            Tensor::from_slice(values).reshape([batch, length, each])
        };
        let performed = self.performed.map(|p| Performed {
            prosody: of(&p.prosody, frames, PROSODY),
            meant: of(&p.meant, frames, PROSODY),
            effort: of(&p.effort, frames, 1),
            acted: of(&p.acted, frames, 1),
            timbre: of(&p.timbre, frames, 1),
            tints: p.tinting.tints(&own),
        });
        let heard = frames + LOOK_AHEAD;
        RehearsalBatch {
            mel: of(&self.neutral.mel, heard, MEL),
            speech: of(&self.neutral.speech, frames, 1),
            as_heard: of(&self.neutral.as_heard, frames, PROSODY),
            performed,
            acted_mel: of(&self.acted.mel, heard, MEL),
            acted_speech: of(&self.acted.speech, frames, 1),
            acted_as_heard: of(&self.acted.as_heard, frames, PROSODY),
            acted_prosody: of(&self.acted_prosody, frames, PROSODY),
            acted_tints: self.acted_tinting.tints(&own),
            acting: Tensor::from_slice(&self.acting).reshape([batch, 2]),
            voice: Tensor::from_slice(&self.voice),
            own,
            emotion: Tensor::from_slice(&self.emotion),
        }
    }
}

/// A crop performed at one strength.
#[derive(Debug)]
pub struct Performed {
    /// Prosody that is sung, `[batch, frames, PROSODY]`.
    pub prosody: Tensor,
    /// The same with the effort with which it is said.
    pub meant: Tensor,
    /// That effort, in normalised log mel, `[batch, frames, 1]`.
    pub effort: Tensor,
    /// How far feelings act on the content, `[batch, frames, 1]`.
    pub acted: Tensor,
    /// Factor on the adapter's change, `[batch, frames, 1]`.
    pub timbre: Tensor,
    /// Colour of the voice and of the feeling.
    pub tints: Tints,
}

/// A batch of neutral crops, and of acted ones by the same actors.
#[derive(Debug)]
pub struct RehearsalBatch {
    /// Normalised log mel of the neutral takes, `[batch, frames + LOOK_AHEAD, MEL]`.
    pub mel: Tensor,
    /// 1 where somebody speaks, `[batch, frames, 1]`.
    pub speech: Tensor,
    /// Their prosody, `[batch, frames, PROSODY]`.
    pub as_heard: Tensor,
    /// What is performed at each of [`STRENGTHS`].
    pub performed: [Performed; STRENGTHS.len()],
    /// The acted takes' mel.
    pub acted_mel: Tensor,
    /// 1 where somebody speaks in them.
    pub acted_speech: Tensor,
    /// Their prosody, and as it is in the voice.
    pub acted_as_heard: Tensor,
    /// See [`Self::acted_as_heard`].
    pub acted_prosody: Tensor,
    /// The voice's colour.
    pub acted_tints: Tints,
    /// What acting does at full strength: factors on mean change and slope, `[batch, 2]`.
    pub acting: Tensor,
    /// The voice, an index of the pack's, `[batch]`.
    pub voice: Tensor,
    /// 1 where it is the speaker's own, `[batch, 1, 1]`.
    pub own: Tensor,
    /// Class of the emotion, neutral being 0, `[batch]`.
    pub emotion: Tensor,
}

impl RehearsalBatch {
    /// The batch on another device.
    pub fn to_device(&self, device: Device) -> Self {
        let to = |t: &Tensor| t.to_device(device);
        let performed = |p: &Performed| Performed {
            prosody: to(&p.prosody),
            meant: to(&p.meant),
            effort: to(&p.effort),
            acted: to(&p.acted),
            timbre: to(&p.timbre),
            tints: p.tints.to_device(device),
        };
        Self {
            mel: to(&self.mel),
            speech: to(&self.speech),
            as_heard: to(&self.as_heard),
            performed: self.performed.each_ref().map(performed),
            acted_mel: to(&self.acted_mel),
            acted_speech: to(&self.acted_speech),
            acted_as_heard: to(&self.acted_as_heard),
            acted_prosody: to(&self.acted_prosody),
            acted_tints: self.acted_tints.to_device(device),
            acting: to(&self.acting),
            voice: to(&self.voice),
            own: to(&self.own),
            emotion: to(&self.emotion),
        }
    }

    /// Slider weights at a strength, `[batch, emotions]`.
    pub fn weights(&self, strength: f32) -> Tensor {
        one_hot(&self.emotion) * f64::from(strength)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::streaming::EmotionProsody;

    /// Half a second of silence around a second of a tone with a beat.
    fn heard(hz: f32) -> Heard {
        let frames = 200;
        let voiced = |t: usize| (50..150).contains(&t);
        let level = |t: usize| match voiced(t) {
            true => -4.0 + (t as f32 * 0.3).sin(),
            false => FLOOR,
        };
        Heard {
            mel: (0..frames).map(|t| [level(t); BANDS]).collect(),
            pitch: (0..frames)
                .map(|t| if voiced(t) { [hz, 1.0] } else { [0.0, 0.0] })
                .collect(),
            loudness: (0..frames).map(level).collect(),
            loudest: -3.0,
        }
    }

    #[test]
    fn a_crop_is_performed_at_each_strength_and_acted_takes_keep_their_tune() {
        let feeling = EmotionProsody {
            pitch_shift: 0.5,
            effort: 0.4,
            acting: 2.0,
            ..EmotionProsody::default()
        };
        let mut acted: Vec<(Vec<Heard>, Vec<f64>)> = Vec::new();
        acted.resize_with(EMOTIONS.len(), Default::default);
        acted[2] = (vec![heard(240.0)], vec![1.0]);
        let actor = Actor {
            neutral: vec![heard(120.0)],
            acted,
        };
        let only_third = |e: usize| if e == 2 { vec![0] } else { Vec::new() };
        let mut voices = Rehearsals {
            actors: vec![actor],
            of_emotion: (0..EMOTIONS.len()).map(only_third).collect(),
            feelings: Feelings::from([feeling; EMOTIONS.len()]),
            colour: EmotionColour::NONE,
            targets: vec![
                PitchTarget::of_voice(240.0),
                PitchTarget {
                    own: 1.0,
                    ..PitchTarget::of_voice(0.0)
                },
            ],
            own_share: 0.0,
        };
        let shape = Shape {
            batch: 2,
            frames: 200,
        };
        let batch = voices.batch(shape, &mut StdRng::seed_from_u64(1));
        assert_eq!(batch.mel.size(), [2, 200 + LOOK_AHEAD, MEL]);
        assert_eq!(
            Vec::<i64>::try_from(&batch.emotion).unwrap(),
            [3, 3],
            "neutral is the first class"
        );
        let pitch = |prosody: &Tensor| prosody.double_value(&[0, 100, 1]);
        let sung = batch.performed.each_ref().map(|p| pitch(&p.prosody));
        let high = (240.0_f64 / 180.0).log2();
        for (sung, strength) in sung.iter().zip(STRENGTHS) {
            let wanted = high + 0.5 * f64::from(strength);
            assert!((sung - wanted).abs() < 0.01, "{sung} at {strength}");
        }
        // An octave over the actor's neutral speech stays an octave over the voice's.
        assert!((pitch(&batch.acted_prosody) - high - 1.0).abs() < 0.15);
        assert!((pitch(&batch.acted_as_heard) - high).abs() < 1e-3);
        let effort = |i: usize| batch.performed[i].effort.double_value(&[0, 100, 0]);
        assert_eq!(effort(0), 0.0);
        assert!((effort(2) - 0.4 * MEL_SCALE).abs() < 1e-3);
        assert_eq!(batch.performed[2].acted.double_value(&[0, 190, 0]), 0.0);
        assert_eq!(batch.acting.double_value(&[0, 0]), 2.0);
        voices.own_share = 1.0;
        let own = voices.batch(shape, &mut StdRng::seed_from_u64(1));
        let low = (120.0_f64 / 180.0).log2();
        assert!((pitch(&own.performed[0].prosody) - low).abs() < 0.01);
        assert_eq!(own.own.double_value(&[1, 0, 0]), 1.0);
    }
}
