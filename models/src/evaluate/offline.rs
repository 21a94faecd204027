//! A whole recording converted with each network run once over all of it, in place of frame by frame, as training runs
//! them: the reference for the streaming path, and five times as fast.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use mien_dsp::creak::{self, CreakFrame};
use mien_dsp::mel::mel_spectrogram;
use mien_dsp::noise::NoiseFloor;
use mien_face::{Controls, EMOTIONS, FRAME};
use tch::{Tensor, no_grad};

use super::render::samples_of;
use crate::networks::{
    ActingWeights, BANDS, FLOOR, MEL, MEL_SCALE, PROSODY, SourceSpectra, loudness, normalise_value,
    prosody_features,
};
use crate::pack::LoadedPack;
use crate::streaming::{
    Articulation, AutoLevel, Colour, EmotionColour, Feelings, NOISE_SEED, PitchTarget,
    ProsodyMapper, Source, added, glide_emotions, hush, wanted_emotions,
};
use crate::train::features::pitch_track;

/// What the networks hear of one recording, ready to be said in any voice with any feeling.
pub struct Offline<'a> {
    pack: &'a LoadedPack,
    /// Gain with which the networks hear each sample that is said.
    gains: Vec<f32>,
    /// Log mel of each frame.
    bands: Vec<Vec<f32>>,
    /// Power over the noise floor of each frame, natural log.
    snr: Vec<f32>,
    /// Pitch in Hz and voicing of each frame.
    track: Vec<[f32; 2]>,
    creaks: Vec<CreakFrame>,
    /// Normalised log mel, `[1, frames, MEL]`.
    heard: Tensor,
    /// `[1, frames − 1, CONTENT]`.
    content: Tensor,
    /// Pitch in Hz and loudness of each frame that was heard before.
    before: Vec<[f32; 2]>,
    /// What each voice that has spoken lacks of the speaker.
    lacks: RefCell<HashMap<usize, Rc<Lack>>>,
}

/// How the speaker differs from what a voice says as it was heard, frame by frame, normalised log mel.
struct Lack {
    difference: Vec<f32>,
    articulation: Vec<[f32; BANDS]>,
}

/// What is to be said, frame by frame.
#[derive(Default)]
struct Score {
    prosody: Vec<f32>,
    /// The same with the effort that it is said with.
    meant: Vec<f32>,
    hush: Vec<f32>,
    effort: Vec<f32>,
    acted: Vec<f32>,
    pulses: Vec<f32>,
    noise: Vec<f32>,
    /// What the feeling makes of the adapter's change, how stressed it is, and the colour.
    timbre: Vec<f32>,
    stress: Vec<f32>,
    colour: Vec<EmotionColour>,
}

impl<'a> Offline<'a> {
    /// Hears `sound` at 24 kHz.
    pub fn new(pack: &'a LoadedPack, sound: &[f32]) -> Self {
        Self::after(pack, &[], sound)
    }

    /// The same when the speaker has said `before` already: his level, the room's noise, and where his pitch and loudness lie are
    /// known. The networks' own pasts, which reach back a second at most, begin with `sound`.
    pub fn after(pack: &'a LoadedPack, before: &[f32], sound: &[f32]) -> Self {
        let mut level = AutoLevel::default();
        let mut floor = NoiseFloor::new();
        let (earlier, _) = level.follow(before);
        let mels = mel_spectrogram(&earlier);
        for frame in &mels {
            floor.process(frame);
        }
        let earlier = pitch_track(&earlier, mels.len().saturating_sub(1))
            .iter()
            .zip(&mels)
            .map(|(&[f0_hz, _], frame)| [f0_hz, loudness(&frame.map(|v| v.max(FLOOR)))])
            .collect();
        let (levelled, gains) = level.follow(sound);
        let sound = levelled.as_slice();
        let mels = mel_spectrogram(sound);
        let snr = mels.iter().map(|f| floor.process(f).snr).collect();
        let floored = |frame: &[f32; BANDS]| frame.iter().map(|v| v.max(FLOOR)).collect();
        let bands: Vec<Vec<f32>> = mels.iter().map(floored).collect();
        let values: Vec<f32> = bands
            .iter()
            .flatten()
            .map(|&v| normalise_value(v))
            .collect();
        let frames = bands.len() as i64;
        let heard = Tensor::from_slice(&values).reshape([1, frames, MEL]);
        let content = no_grad(|| match frames {
            0..2 => Tensor::zeros([1, 0, 0], (tch::Kind::Float, tch::Device::Cpu)),
            _ => pack
                .networks
                .encoder
                .encode(&heard)
                .narrow(1, 1, frames - 1),
        });
        Self {
            pack,
            gains,
            snr,
            track: pitch_track(sound, bands.len().saturating_sub(1)),
            creaks: creak::track(sound),
            bands,
            heard,
            content,
            before: earlier,
            lacks: RefCell::default(),
        }
    }

    /// Says it in the first voice of `controls` with their feeling, which does what `feelings` say to the delivery.
    /// To the networks feelings stand from the beginning, where the live path glides to them in a tenth of a second. The output lies
    /// [`crate::streaming::DELAY_SAMPLES`] behind the input, in whole frames.
    pub fn say(&self, controls: &Controls, feelings: &Feelings) -> Vec<f32> {
        if self.bands.len() < 2 {
            return vec![0.0; self.bands.len() * FRAME];
        }
        no_grad(|| self.speak(controls, feelings))
    }

    fn speak(&self, controls: &Controls, feelings: &Feelings) -> Vec<f32> {
        let networks = &self.pack.networks;
        let voice = controls.voices[0].index as usize;
        let weights = wanted_emotions(controls);
        let target = networks.target(voice);
        let own = target.own;
        let score = self.score(controls, feelings, target);
        let steps = self.bands.len() as i64 - 1;
        let [prosody, meant] = [&score.prosody, &score.meant]
            .map(|p| Tensor::from_slice(p).reshape([1, steps, PROSODY]));
        let lack = self.lack(voice);
        let mut change = Vec::with_capacity(lack.difference.len());
        let differences = lack.difference.as_chunks::<BANDS>().0;
        let levels = score.hush.iter().zip(&score.effort);
        for ((difference, kept), (hush, effort)) in
            differences.iter().zip(&lack.articulation).zip(levels)
        {
            let level = (hush * (1.0 - own) - effort) * MEL_SCALE as f32;
            change.extend(added(difference, kept, own).map(|v| v + level));
        }
        let embedding = &networks.voices[voice];
        let acting = feelings.acting(&weights, target);
        let content = match &networks.acting {
            Some(maps) if acting != ActingWeights::default() => {
                let share = Tensor::from_slice(&score.acted).reshape([1, steps, 1]);
                maps.mix(&acting).act(&self.content, &share)
            }
            _ => self.content.shallow_clone(),
        };
        let (mel, hidden) = networks.generator.generate(&content, &meant, embedding);
        let mut mel = mel + Tensor::from_slice(&change).reshape([1, steps, MEL]);
        let feeling = weights.iter().any(|&w| w > 0.0);
        if let (Some(adapter), true) = (&networks.emotion, feeling) {
            let timbre = Tensor::from_slice(&score.timbre).reshape([1, steps, 1]);
            let weights = Tensor::from_slice(&weights).reshape([1, EMOTIONS.len() as i64]);
            mel = &mel + adapter.change(&hidden, &mel, &prosody, &weights) * timbre;
        }
        mel = coloured(&mel, &score, own);
        let hop = FRAME as i64;
        let source = SourceSpectra {
            pulses: Tensor::from_slice(&score.pulses).reshape([1, steps, hop]),
            noise: Tensor::from_slice(&score.noise).reshape([1, steps, hop]),
        };
        let spoken = networks.vocoder.vocode(&mel, &prosody, &source);
        let mut samples = vec![0.0; FRAME];
        samples.extend(samples_of(&spoken));
        samples
            .iter_mut()
            .zip(&self.gains)
            .for_each(|(x, gain)| *x /= gain);
        samples
    }

    fn lack(&self, voice: usize) -> Rc<Lack> {
        if let Some(lack) = self.lacks.borrow().get(&voice) {
            return lack.clone();
        }
        let steps = self.bands.len() as i64 - 1;
        let mut as_heard = Vec::new();
        for (frame, &[f0_hz, voicing]) in self.bands.iter().zip(&self.track) {
            as_heard.extend(prosody_features(f0_hz, voicing, loudness(frame)));
        }
        let as_heard = Tensor::from_slice(&as_heard).reshape([1, steps, PROSODY]);
        let networks = &self.pack.networks;
        let embedding = &networks.voices[voice];
        let (said, _) = networks
            .generator
            .generate(&self.content, &as_heard, embedding);
        let heard = self.heard.narrow(1, 0, steps);
        let difference = samples_of(&(&heard - said));
        let heard = samples_of(&heard);
        let frames = heard.as_chunks::<BANDS>().0;
        let differences = difference.as_chunks::<BANDS>().0;
        let mut articulation = Articulation::default();
        let kept = |t: usize| {
            articulation.keep(&frames[t], &differences[t], self.track[t][1], self.snr[t])
        };
        let articulation = (0..frames.len()).map(kept).collect();
        let lack = Rc::new(Lack {
            difference,
            articulation,
        });
        self.lacks.borrow_mut().insert(voice, lack.clone());
        lack
    }

    fn score(&self, controls: &Controls, feelings: &Feelings, target: PitchTarget) -> Score {
        let mut mapper = ProsodyMapper::new(*feelings);
        let mut source = Source::new(NOISE_SEED);
        let mut score = Score::default();
        let mut weights = [0.0; EMOTIONS.len()];
        for &[f0_hz, loudness] in &self.before {
            glide_emotions(&mut weights, controls);
            mapper.map(f0_hz, loudness, target, &weights, controls);
        }
        // The content of a frame is known one frame later; so the first step has none.
        let creaks = &self.creaks[1..];
        for ((frame, &[f0_hz, voicing]), creak) in self.bands.iter().zip(&self.track).zip(creaks) {
            let level = loudness(frame);
            glide_emotions(&mut weights, controls);
            let sung = mapper.map(f0_hz, level, target, &weights, controls);
            let features = prosody_features(sung.f0_hz, voicing, sung.loudness);
            score.prosody.extend(features);
            let features = prosody_features(sung.f0_hz, voicing, sung.loudness + sung.effort);
            score.meant.extend(features);
            score.hush.push(hush(sung.loudness));
            score.effort.push(sung.effort);
            score.acted.push(mapper.acted(voicing));
            let hop = source.next_hop_creaking(sung.f0_hz, sung.unevenness, creak);
            score.pulses.extend(hop.pulses);
            let voice = self.pack.networks.colour;
            let colour = voice.with_feeling(target.own, mapper.colour());
            let gain = (colour.breath * voicing).exp();
            score.noise.extend(hop.noise.map(|x| x * gain));
            score.timbre.push(mapper.timbre());
            score.stress.push(mapper.stress());
            score.colour.push(colour);
        }
        score
    }
}

/// A mel `[1, frames, MEL]` in each frame's colour. `own`: see [`Colour::shape`].
fn coloured(mel: &Tensor, score: &Score, own: f32) -> Tensor {
    let mut colour = Colour::default();
    let mut values = samples_of(mel);
    let frames = values.as_chunks_mut::<BANDS>().0.iter_mut();
    for (frame, (now, &stress)) in frames.zip(score.colour.iter().zip(&score.stress)) {
        colour.shape(frame, now, stress, own);
    }
    Tensor::from_slice(&values).reshape(mel.size())
}
