//! One stream's converter: 10 ms in, 10 ms out.

use mien_dsp::creak::{Creak, CreakFrame};
use mien_dsp::mel::MelAnalyser;
use mien_dsp::noise::NoiseFloor;
use mien_dsp::pitch::{PitchFrame, PitchTracker};
use mien_face::{Controls, EMOTIONS, FRAME, StepReport};
use tch::{Kind, Tensor, no_grad};

use super::prosody::Sung;
use super::{
    Articulation, AutoLevel, Colour, EmotionColour, ProsodyMapper, Source, VoiceMix, formant,
};
use crate::networks::{
    ActingMix, ActingWeights, BANDS, CENTRE, ContentState, EmotionState, FLOOR, GeneratorState,
    LOOK_AHEAD, MEL, MEL_SCALE, PITCH_HELD, PROSODY, SourceSpectra, VocoderState, loudness,
    normalise_value, prosody_features,
};
use crate::nn::Modulation;
use crate::pack::Networks;

/// By how much the output lies behind the input: half the analysis window and the look-ahead.
pub const DELAY_SAMPLES: usize = CENTRE + LOOK_AHEAD as usize * FRAME;

// The hop of source that a step makes ends where the creak finder's hop does, so its pulses come out where they went in.
const _: () = assert!(Creak::LOOKAHEAD_SAMPLES == DELAY_SAMPLES);

/// Seed of the breath noise: any value; the same one, so that a bounce repeats to the bit.
pub(crate) const NOISE_SEED: u64 = 0x6d69_656e;
/// Loudness under which the output is expanded downwards, natural log of power (about −56 dB): no
/// training speech is as quiet as a muted track, and the generator would fill it with room noise.
const HUSH: f32 = -13.0;
/// Nepers of power taken away for each neper under [`HUSH`].
const HUSH_SLOPE: f32 = 2.0;
/// Share of the way that emotion weights move each frame.
const EMOTION_GLIDE: f32 = 0.25;

/// A frame as it came in.
struct Heard {
    /// Normalised log mel.
    mel: [f32; BANDS],
    /// Natural log of power.
    loudness: f32,
    /// Power over the noise floor, natural log.
    snr: f32,
}

/// One frame as it is to be said.
struct Said {
    content: Tensor,
    sung: Sung,
    colour: EmotionColour,
    /// What the tracker heard.
    pitch: PitchFrame,
    heard: Heard,
}

/// A pack's networks with one stream's past.
pub struct Converter {
    networks: std::sync::Arc<Networks>,
    voices: VoiceMix,
    mel: MelAnalyser,
    pitch: PitchTracker,
    creak: Creak,
    prosody: ProsodyMapper,
    source: Source,
    content: ContentState,
    generator: GeneratorState,
    vocoder: VocoderState,
    emotion: Option<EmotionState>,
    modulation: Option<Modulation>,
    emotion_weights: [f32; EMOTIONS.len()],
    emotion_mix: Option<([f32; EMOTIONS.len()], (Tensor, Modulation))>,
    acting: Option<(ActingWeights, ActingMix)>,
    colour: Colour,
    /// The frame whose content the encoder tells next.
    waiting: Option<Heard>,
    /// The generator's past on what is to be said at the pitch and loudness that were heard.
    as_heard: GeneratorState,
    articulation: Articulation,
    noise: NoiseFloor,
    level: AutoLevel,
}

impl Converter {
    /// A converter with an empty past.
    pub fn new(networks: std::sync::Arc<Networks>) -> Self {
        let _guard = tch::no_grad_guard();
        let like = Tensor::zeros([1], (Kind::Float, tch::Device::Cpu));
        let embeddings = networks.voices.iter().map(|v| v.shallow_clone()).collect();
        Self {
            voices: VoiceMix::new(embeddings, networks.voice_f0_hz.clone(), networks.own_voice),
            mel: MelAnalyser::new(),
            pitch: PitchTracker::delayed(PITCH_HELD),
            creak: Creak::new(),
            prosody: ProsodyMapper::new(networks.feelings),
            source: Source::new(NOISE_SEED),
            content: networks.encoder.state(1, &like),
            generator: networks.generator.state(1, &like),
            vocoder: networks.vocoder.state(1, &like),
            emotion: None,
            modulation: None,
            emotion_weights: [0.0; EMOTIONS.len()],
            emotion_mix: None,
            acting: None,
            colour: Colour::default(),
            waiting: None,
            as_heard: networks.generator.state(1, &like),
            articulation: Articulation::default(),
            noise: NoiseFloor::new(),
            level: AutoLevel::default(),
            networks,
        }
    }

    /// Number of voices that can be chosen.
    pub fn voices(&self) -> usize {
        self.voices.len()
    }

    /// Adds a voice by its embedding `[voice]`; returns its index.
    ///
    /// # Errors
    /// When the embedding is of another size than this pack's.
    pub fn add_voice(&mut self, embedding: &[f32], mean_f0_hz: f32) -> anyhow::Result<usize> {
        let size = self.networks.config.voice as usize;
        if embedding.len() != size {
            anyhow::bail!(
                "the voice was made for another pack ({} values, this one has {size}); make it anew",
                embedding.len()
            );
        }
        Ok(self.voices.push(
            Tensor::from_slice(embedding).reshape([1, size as i64]),
            mean_f0_hz,
        ))
    }

    /// Forgets everything that was heard.
    pub fn reset(&mut self) {
        let _guard = tch::no_grad_guard();
        let like = Tensor::zeros([1], (Kind::Float, tch::Device::Cpu));
        self.voices.reset();
        self.mel.reset();
        self.pitch.reset();
        self.creak.reset();
        self.prosody.reset();
        self.source.reset();
        self.content = self.networks.encoder.state(1, &like);
        self.generator = self.networks.generator.state(1, &like);
        self.vocoder = self.networks.vocoder.state(1, &like);
        self.emotion = None;
        self.modulation = None;
        self.emotion_weights = [0.0; EMOTIONS.len()];
        self.emotion_mix = None;
        self.acting = None;
        self.colour = Colour::default();
        self.waiting = None;
        self.as_heard = self.networks.generator.state(1, &like);
        self.articulation = Articulation::default();
        self.noise.reset();
        self.level = AutoLevel::default();
    }

    /// Converts one frame. Samples that are no numbers count as silence.
    pub fn step(
        &mut self,
        input: &[f32; FRAME],
        output: &mut [f32; FRAME],
        controls: &Controls,
    ) -> StepReport {
        no_grad(|| self.convert(input, output, controls))
    }

    fn convert(
        &mut self,
        input: &[f32; FRAME],
        output: &mut [f32; FRAME],
        controls: &Controls,
    ) -> StepReport {
        let controls = clean(controls);
        let input = input.map(|x| {
            if x.is_finite() {
                x.clamp(-8.0, 8.0)
            } else {
                0.0
            }
        });
        let input = self.level.apply(&input);
        let bands = self.mel.process(&input).bands;
        let snr = self.noise.process(&bands).snr;
        let bands = bands.map(|v| v.max(FLOOR));
        let pitch = self.pitch.process(&input);
        let creak = self.creak.process(&input);
        let normalised = bands.map(normalise_value);
        let mel = Tensor::from_slice(&normalised).reshape([1, 1, MEL]);
        let content = self.networks.encoder.forward(&mel, &mut self.content);
        let next = Heard {
            mel: normalised,
            loudness: loudness(&bands),
            snr,
        };
        let Some(heard) = self.waiting.replace(next) else {
            // The frame before the first has no content yet.
            output.fill(0.0);
            return StepReport::default();
        };
        if let Some(embedding) = self.voices.next(&controls) {
            self.modulation = Some(self.networks.generator.voice(&embedding));
        }
        glide_emotions(&mut self.emotion_weights, &controls);
        let target = self.voices.pitch();
        let sung = self.prosody.map(
            pitch.f0_hz,
            heard.loudness,
            target,
            &self.emotion_weights,
            &controls,
        );
        let colour = self
            .networks
            .colour
            .with_feeling(target.own, self.prosody.colour());
        let said = Said {
            content,
            sung,
            colour,
            pitch,
            heard,
        };
        let mel = self.generate(&said, &controls);
        let spoken = self.vocode(&mel, &said, &creak, &controls);
        output.copy_from_slice(&spoken);
        self.level.restore(output);
        output.iter_mut().for_each(|x| *x = x.clamp(-4.0, 4.0));
        StepReport {
            input_f0_hz: pitch.f0_hz,
            output_f0_hz: sung.f0_hz,
            mean_f0_hz: self.prosody.mean_f0_hz(),
            voicing: pitch.voicing,
        }
    }

    fn generate(&mut self, said: &Said, controls: &Controls) -> Tensor {
        let networks = self.networks.clone();
        let (sung, voicing) = (said.sung, said.pitch.voicing);
        let told = |loudness| {
            let features = prosody_features(sung.f0_hz, voicing, loudness);
            Tensor::from_slice(&features).reshape([1, 1, PROSODY])
        };
        let prosody = told(sung.loudness);
        let meant = told(sung.loudness + sung.effort);
        let voice = self
            .modulation
            .get_or_insert_with(|| networks.generator.voice(&networks.voices[0]));
        let target = self.voices.pitch();
        let own = target.own;
        let acting = networks.feelings.acting(&self.emotion_weights, target);
        let acted = match &networks.acting {
            Some(maps) if acting != ActingWeights::default() => {
                let mix = match self.acting.take() {
                    Some((weights, mix)) if weights == acting => mix,
                    _ => maps.mix(&acting),
                };
                let share = Tensor::from_slice(&[self.prosody.acted(voicing)]).reshape([1, 1, 1]);
                let acted = mix.act(&said.content, &share);
                self.acting = Some((acting, mix));
                acted
            }
            _ => said.content.shallow_clone(),
        };
        let heard = &said.heard;
        let plainly = prosody_features(said.pitch.f0_hz, voicing, heard.loudness);
        let plainly = Tensor::from_slice(&plainly).reshape([1, 1, PROSODY]);
        let (again, _) =
            networks
                .generator
                .forward(&said.content, &plainly, voice, &mut self.as_heard);
        let (mel, hidden) = networks
            .generator
            .forward(&acted, &meant, voice, &mut self.generator);
        let mut again_values = [0.0_f32; BANDS];
        again.contiguous().copy_data(&mut again_values, BANDS);
        let difference = std::array::from_fn(|b| heard.mel[b] - again_values[b]);
        let articulation = self
            .articulation
            .keep(&heard.mel, &difference, voicing, heard.snr);
        let mut change = added(&difference, &articulation, own);
        let level = hush(sung.loudness) * (1.0 - own) - sung.effort;
        let level = level * MEL_SCALE as f32;
        change.iter_mut().for_each(|v| *v += level);
        let mut mel = mel + Tensor::from_slice(&change).reshape([1, 1, MEL]);
        let feeling = self.emotion_weights.iter().any(|&w| w > 0.0);
        if let (Some(adapter), true) = (&networks.emotion, feeling) {
            if self
                .emotion_mix
                .as_ref()
                .is_none_or(|(weights, _)| *weights != self.emotion_weights)
            {
                let weights =
                    Tensor::from_slice(&self.emotion_weights).reshape([1, EMOTIONS.len() as i64]);
                self.emotion_mix = Some((self.emotion_weights, adapter.mix(&weights)));
            }
            let state = self
                .emotion
                .get_or_insert_with(|| adapter.state(1, &hidden));
            if let Some((_, mix)) = &self.emotion_mix {
                let change = adapter.forward(&hidden, &mel, &prosody, mix, state);
                mel = &mel + change * f64::from(self.prosody.timbre());
            }
        } else {
            self.emotion = None;
        }
        let coloured = said.colour != EmotionColour::NONE;
        if !coloured {
            self.colour = Colour::default();
        }
        if coloured || controls.formant_semitones != 0.0 {
            let mut values = [0.0_f32; BANDS];
            mel.contiguous().copy_data(&mut values, BANDS);
            if coloured {
                let stress = self.prosody.stress();
                self.colour.shape(&mut values, &said.colour, stress, own);
            }
            if controls.formant_semitones != 0.0 {
                formant::shift(&mut values, controls.formant_semitones);
            }
            mel = Tensor::from_slice(&values).reshape([1, 1, MEL]);
        }
        mel
    }

    fn vocode(
        &mut self,
        mel: &Tensor,
        said: &Said,
        creak: &CreakFrame,
        controls: &Controls,
    ) -> [f32; FRAME] {
        let (sung, voicing) = (said.sung, said.pitch.voicing);
        let hop = self
            .source
            .next_hop_creaking(sung.f0_hz, sung.unevenness, creak);
        let shape = [1, 1, FRAME as i64];
        let source = SourceSpectra {
            pulses: Tensor::from_slice(&hop.pulses).reshape(shape),
            noise: Tensor::from_slice(&hop.noise).reshape(shape),
        };
        let features = prosody_features(sung.f0_hz, voicing, sung.loudness);
        let prosody = Tensor::from_slice(&features).reshape([1, 1, PROSODY]);
        // Of the feeling's breath the fricatives keep out.
        let breath = controls.breath * (said.colour.breath * voicing).exp();
        let breath = f64::from(breath);
        let sound =
            self.networks
                .vocoder
                .forward(mel, &prosody, &source, breath, &mut self.vocoder);
        let mut samples = [0.0_f32; FRAME];
        sound.contiguous().copy_data(&mut samples, FRAME);
        samples.map(|x| if x.is_finite() { x } else { 0.0 })
    }
}

/// The weights that the sliders ask for. Sliders that add up to more than one are a mix, not a stronger feeling.
pub(crate) fn wanted_emotions(controls: &Controls) -> [f32; EMOTIONS.len()] {
    let sum: f32 = controls.emotions.iter().sum();
    let scale = controls.strength / sum.max(1.0);
    controls.emotions.map(|e| e * scale)
}

/// Weights glide to what the sliders ask for, a frame at a time; below a thousandth they are nothing at all.
pub(crate) fn glide_emotions(weights: &mut [f32; EMOTIONS.len()], controls: &Controls) {
    for (now, wanted) in weights.iter_mut().zip(wanted_emotions(controls)) {
        *now += (wanted - *now) * EMOTION_GLIDE;
        if (wanted - *now).abs() < 1e-3 {
            *now = wanted;
        }
    }
}

/// What is added to a generated normalised mel: of the whole `difference` of what was heard the speaker's own
/// share, of the rest the articulation. With the whole of it the sum is the speaker's own mel, changed by what another
/// pitch, another loudness and a feeling change in speech.
pub(crate) fn added(
    difference: &[f32; BANDS],
    articulation: &[f32; BANDS],
    own: f32,
) -> [f32; BANDS] {
    std::array::from_fn(|b| difference[b] * own + articulation[b] * (1.0 - own))
}

/// Change of a frame's log mel that lets what is very quiet fall silent.
pub(crate) fn hush(loudness: f32) -> f32 {
    (loudness - HUSH).min(0.0) * HUSH_SLOPE
}

/// Controls within their ranges, whatever was handed in.
fn clean(controls: &Controls) -> Controls {
    let within = |x: f32, low: f32, high: f32, neutral: f32| {
        if x.is_finite() {
            x.clamp(low, high)
        } else {
            neutral
        }
    };
    Controls {
        voices: controls.voices,
        emotions: controls.emotions.map(|e| within(e, 0.0, 1.0, 0.0)),
        strength: within(controls.strength, 0.0, 1.0, 0.0),
        pitch_semitones: within(controls.pitch_semitones, -24.0, 24.0, 0.0),
        formant_semitones: within(controls.formant_semitones, -6.0, 6.0, 0.0),
        intonation: within(controls.intonation, 0.0, 2.0, 1.0),
        breath: within(controls.breath, 0.0, 2.0, 1.0),
        auto_pitch: controls.auto_pitch,
    }
}
