//! The prosody mapper: how a feeling and the performer's controls move pitch and loudness,
//! relative to the speaker's own running statistics. Causal; it never jumps.

use mien_face::{Controls, EMOTIONS};
use serde::{Deserialize, Serialize};

use super::random::EvenNoise;
use super::{EmotionColour, Unevenness};
use crate::networks::ActingWeights;

/// What one emotion does to delivery at full strength, relative to the speaker's neutral one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmotionProsody {
    /// Shift of mean pitch in octaves.
    pub pitch_shift: f32,
    /// Natural log of the factor on the pitch's spread around its mean.
    pub pitch_range: f32,
    /// Rise of pitch with stress, in octaves for each neper of power over the running mean.
    pub accent: f32,
    /// Rise of pitch along a phrase, in octaves a second (negative: declination).
    pub phrase_slope: f32,
    /// Shift of loudness in nepers of power.
    pub loudness_shift: f32,
    /// Natural log of the factor on the loudness's spread around its mean.
    pub loudness_range: f32,
    /// With how much more effort it is said than it is loud, in nepers of power: the sound of a louder voice at the same level.
    pub effort: f32,
    /// Depth of a slow random wander of pitch, in octaves.
    pub tremor: f32,
    /// Depth of an even trembling of pitch at 5.5 Hz, in octaves.
    pub vibrato: f32,
    /// Random change of pitch from frame to frame (10 ms), standard deviation in octaves.
    pub jitter: f32,
    /// Breaks of the voice in a second of voiced speech: within 80 ms pitch cracks upwards and comes back, and the voice is weak.
    pub breaks: f32,
    /// Random difference between the lengths of the voice's cycles, standard deviation as a share; their strengths differ with it.
    pub perturbation: f32,
    /// Fluttering of the voice's cycles, 0 to 1: the roughness of pressed and of screaming voices. More on what is stressed.
    pub roughness: f32,
    /// Natural log of the factor on what the emotion adapter does to the sound.
    pub timbre: f32,
    /// Factor on the mean change that acting makes of the content ([`crate::networks::ActedContent`]), and on what it changes
    /// of each sound beyond that.
    pub acting: f32,
    /// See [`Self::acting`].
    pub acting_slope: f32,
    /// What it does to the colour of the sound.
    #[serde(flatten)]
    pub colour: EmotionColour,
}

impl EmotionProsody {
    fn each(&mut self, other: &Self, mut change: impl FnMut(&mut f32, f32)) {
        for (mine, its) in [
            (&mut self.pitch_shift, other.pitch_shift),
            (&mut self.pitch_range, other.pitch_range),
            (&mut self.accent, other.accent),
            (&mut self.phrase_slope, other.phrase_slope),
            (&mut self.loudness_shift, other.loudness_shift),
            (&mut self.loudness_range, other.loudness_range),
            (&mut self.effort, other.effort),
            (&mut self.tremor, other.tremor),
            (&mut self.vibrato, other.vibrato),
            (&mut self.jitter, other.jitter),
            (&mut self.breaks, other.breaks),
            (&mut self.perturbation, other.perturbation),
            (&mut self.roughness, other.roughness),
            (&mut self.timbre, other.timbre),
            (&mut self.acting, other.acting),
            (&mut self.acting_slope, other.acting_slope),
        ] {
            change(mine, its);
        }
        self.colour.each(&other.colour, change);
    }

    fn add(&mut self, other: &Self, weight: f32) {
        self.each(other, |mine, its| *mine += weight * its);
    }

    fn move_towards(&mut self, other: &Self, share: f32) {
        self.each(other, |mine, its| *mine += (its - *mine) * share);
    }
}

/// What the emotions do to delivery, in the order of [`EMOTIONS`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Feelings {
    /// Said in a low voice of the pack ([`PitchTarget::register`] 0): the same step of pitch or colour is another feeling there.
    pub low: [EmotionProsody; EMOTIONS.len()],
    /// Said in a high one (1).
    pub high: [EmotionProsody; EMOTIONS.len()],
    /// Said in the speaker's own: its sound is not the generator's, and bears and needs other numbers.
    pub own: [EmotionProsody; EMOTIONS.len()],
}

impl Feelings {
    /// How much each emotion acts on the content, with weights that already hold the strength.
    pub fn acting(&self, emotions: &[f32; EMOTIONS.len()], target: PitchTarget) -> ActingWeights {
        let shares = self.shares(target);
        std::array::from_fn(|i| {
            let does = shares.map(|(all, share)| (&all[i], emotions[i] * share));
            [
                does.iter().map(|(e, weight)| weight * e.acting).sum(),
                does.iter().map(|(e, weight)| weight * e.acting_slope).sum(),
            ]
        })
    }

    /// How much of each set of numbers such a voice takes; the shares add up to one.
    fn shares(&self, target: PitchTarget) -> [(&[EmotionProsody; EMOTIONS.len()], f32); 3] {
        let voice = 1.0 - target.own;
        [
            (&self.low, voice * (1.0 - target.register)),
            (&self.high, voice * target.register),
            (&self.own, target.own),
        ]
    }
}

impl From<[EmotionProsody; EMOTIONS.len()]> for Feelings {
    /// The same in every voice.
    fn from(all: [EmotionProsody; EMOTIONS.len()]) -> Self {
        Self {
            low: all,
            high: all,
            own: all,
        }
    }
}

/// Prosody of each emotion without an emotion pack, in the order of [`EMOTIONS`]. Directions and
/// rough sizes from Juslin and Laukka (2003), Banse and Scherer (1996), and Scherer (2003): no
/// corpus with a restricted licence is in them.
pub const PROSODY_DEFAULTS: [EmotionProsody; EMOTIONS.len()] = [
    emotion(0.25, 0.30, 0.7, 0.10, 0.0, 0.1),
    emotion(-0.08, -0.30, -0.9, -0.15, 0.004, -0.2),
    emotion(0.22, 0.25, 1.2, 0.15, 0.0, 0.2),
    emotion(0.30, -0.10, 0.1, 0.05, 0.012, 0.0),
    emotion(0.35, 0.40, 0.5, 0.10, 0.0, 0.05),
    emotion(-0.03, -0.05, 0.1, 0.05, 0.0, 0.0),
    emotion(-0.06, -0.20, -0.7, -0.10, 0.0, -0.15),
];

const fn emotion(
    pitch_shift: f32,
    pitch_range: f32,
    loudness_shift: f32,
    loudness_range: f32,
    tremor: f32,
    tilt: f32,
) -> EmotionProsody {
    EmotionProsody {
        pitch_shift,
        pitch_range,
        loudness_shift,
        loudness_range,
        tremor,
        // No published figures were found for the rest in these units.
        accent: 0.0,
        phrase_slope: 0.0,
        effort: 0.0,
        vibrato: 0.0,
        jitter: 0.0,
        breaks: 0.0,
        perturbation: 0.0,
        roughness: 0.0,
        timbre: 0.0,
        acting: 0.0,
        acting_slope: 0.0,
        colour: EmotionColour {
            tilt,
            ..EmotionColour::NONE
        },
    }
}

/// Voiced frames after which a running mean is as slow as it gets: 8 s.
const MEMORY: f32 = 800.0;
/// Frames before outliers are reined in: until then the mean itself may be the outlier.
const SETTLED: f32 = 40.0;
/// Farthest from the mean that one frame may pull it, in octaves.
const PULL: f32 = 0.5;
/// Share of the way that a control moves each frame: 90 % in 70 ms.
const GLIDE: f32 = 0.28;
/// Share of the way that the stress follows the loudness each voiced frame (30 ms): it is that of syllables,
/// not of single phones.
const STRESS_GLIDE: f32 = 0.3;
/// Farthest that stress is from the mean, in nepers of power.
const STRESS_MOST: f32 = 2.5;
/// Frames without a voice that end a phrase.
const PAUSE: u32 = 20;
/// A phrase rises or falls for so many seconds, around its middle; then it stays.
const PHRASE_SECONDS: f32 = 2.0;
/// How much of acting the content of an unvoiced frame bears: words are lost in consonants first (docs/emotion.md).
const ACTED_UNVOICED: f32 = 0.5;
/// Rate of [`EmotionProsody::vibrato`] in Hz: that of a trembling voice (Titze 1994 has 4 to 6 Hz).
const TREMBLE_HZ: f32 = 5.5;
/// Frames of a break, how far pitch cracks in it, in octaves, and how much weaker the voice is, in nepers of power.
const BREAK_FRAMES: u32 = 8;
const BREAK_OCTAVES: f32 = 0.4;
const BREAK_WEAKER: f32 = 1.5;
/// Voiced frames before a voice may break.
const BREAK_AFTER: u32 = 4;
/// How much rougher what is a neper over the mean is said, and the most.
const ROUGH_STRESS: f32 = 0.4;
const ROUGH_MOST: f32 = 0.95;
/// Most that lengths of cycles differ: hoarse voices have 3 to 4 %.
const PERTURBED_MOST: f32 = 0.04;

/// Mean pitch of a low voice and of a high one, in Hz. Between them lie few voices, and feelings in them between both; the voices
/// with which feelings were searched lie outside (docs/emotion.md, "Low and high voices").
const LOW_HZ: f32 = 136.0;
const HIGH_HZ: f32 = 178.0;

/// Running statistics of one stream and the mapping.
#[derive(Clone, Debug)]
pub struct ProsodyMapper {
    feelings: Feelings,
    pitch_mean: f32,
    pitch_count: f32,
    loudness_mean: f32,
    loudness_count: f32,
    effect: EmotionProsody,
    shift: f32,
    fresh: bool,
    wander: f32,
    tremble: f32,
    stress: f32,
    presence: f32,
    phrase: f32,
    unvoiced: u32,
    voiced: u32,
    /// Frames that are left of a break.
    breaking: u32,
    noise: EvenNoise,
}

/// Where a voice's pitch lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PitchTarget {
    /// Mean pitch in Hz.
    pub mean_hz: f32,
    /// From 0, a low voice, to 1, a high one. [`Self::register_of`] the mean pitch, but where a voice is changing.
    pub register: f32,
    /// How much of the speaker's own pitch stays, 0 to 1.
    pub own: f32,
}

impl PitchTarget {
    /// That of another voice, with nothing of the speaker's own.
    pub fn of_voice(mean_hz: f32) -> Self {
        Self {
            mean_hz,
            register: Self::register_of(mean_hz),
            own: 0.0,
        }
    }

    /// The register of a voice of that mean pitch in Hz.
    pub fn register_of(mean_hz: f32) -> f32 {
        let octaves = |hz: f32| (hz.max(1.0) / LOW_HZ).log2();
        (octaves(mean_hz) / octaves(HIGH_HZ)).clamp(0.0, 1.0)
    }
}

/// What the generator should sing for one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sung {
    /// Pitch in Hz; 0 where unvoiced.
    pub f0_hz: f32,
    /// Loudness, natural log of power.
    pub loudness: f32,
    /// How much louder it is meant, see [`EmotionProsody::effort`].
    pub effort: f32,
    /// How unlike the voice's cycles are.
    pub unevenness: Unevenness,
}

impl ProsodyMapper {
    /// A mapper with what each emotion does.
    pub fn new(feelings: impl Into<Feelings>) -> Self {
        Self {
            feelings: feelings.into(),
            pitch_mean: 0.0,
            pitch_count: 0.0,
            loudness_mean: -6.0,
            loudness_count: 0.0,
            effect: EmotionProsody::default(),
            shift: 0.0,
            fresh: true,
            wander: 0.0,
            tremble: 0.0,
            stress: 0.0,
            presence: 0.0,
            phrase: 0.0,
            unvoiced: 0,
            voiced: 0,
            breaking: 0,
            noise: EvenNoise::default(),
        }
    }

    /// Forgets the speaker.
    pub fn reset(&mut self) {
        *self = Self::new(self.feelings);
    }

    /// Running mean of the speaker's pitch in Hz; 0 before any was heard.
    pub fn mean_f0_hz(&self) -> f32 {
        if self.pitch_count > 0.0 {
            self.pitch_mean.exp2()
        } else {
            0.0
        }
    }

    /// Factor on what the emotion adapter does to the sound of the last mapped frame.
    pub fn timbre(&self) -> f32 {
        self.effect.timbre.exp()
    }

    /// What the feelings do to the colour of the last mapped frame.
    pub fn colour(&self) -> &EmotionColour {
        &self.effect.colour
    }

    /// How stressed the last mapped frame is: its syllable's loudness over the running mean, in nepers of power.
    pub fn stress(&self) -> f32 {
        self.stress
    }

    /// How far feelings may act on the content of the last mapped frame, 0 to 1: not on silence, and on what has no voice less.
    /// `voicing`: 0 to 1.
    pub fn acted(&self, voicing: f32) -> f32 {
        self.presence * (ACTED_UNVOICED + (1.0 - ACTED_UNVOICED) * voicing)
    }

    /// Maps one frame. `target`: where the voice's pitch lies; `emotions`: weights 0 to 1 that
    /// already hold the strength.
    pub fn map(
        &mut self,
        f0_hz: f32,
        loudness: f32,
        target: PitchTarget,
        emotions: &[f32; EMOTIONS.len()],
        controls: &Controls,
    ) -> Sung {
        let voiced = f0_hz > 0.0;
        let pitch = if voiced { f0_hz.log2() } else { 0.0 };
        if voiced {
            self.learn(pitch, loudness);
        }
        self.follow(voiced, loudness);
        let mut wanted = EmotionProsody::default();
        for (all, share) in self.feelings.shares(target) {
            for (does, weight) in all.iter().zip(emotions) {
                wanted.add(does, weight * share);
            }
        }
        let match_shift = if controls.auto_pitch != 0 && self.pitch_count > 0.0 {
            (1.0 - target.own) * (target.mean_hz.max(30.0).log2() - self.pitch_mean)
        } else {
            0.0
        };
        let shift = match_shift + controls.pitch_semitones / 12.0;
        self.glide(&wanted, shift);
        let e = self.effect;
        let cracked = self.cracked(voiced, e.breaks);
        let sung_pitch = if voiced {
            let spread = (pitch - self.pitch_mean) * controls.intonation * e.pitch_range.exp();
            let micro = self.tremor(e.tremor) + self.jitter(e.jitter) + self.vibrato(e.vibrato);
            let tune =
                e.accent * self.stress + e.phrase_slope * (self.phrase - PHRASE_SECONDS / 2.0);
            let moved = self.pitch_mean
                + spread
                + self.shift
                + e.pitch_shift
                + tune
                + micro
                + BREAK_OCTAVES * cracked;
            moved.exp2().clamp(50.0, 1000.0)
        } else {
            0.0
        };
        // Silence stays silence: the change of loudness fades out far below the speaker's mean.
        self.presence = ((loudness - self.loudness_mean + 7.0) / 3.0).clamp(0.0, 1.0);
        let spread =
            (loudness - self.loudness_mean).clamp(-5.0, 3.0) * (e.loudness_range.exp() - 1.0);
        let weaker = BREAK_WEAKER * cracked;
        let loudness = loudness + self.presence * (e.loudness_shift + spread - weaker);
        Sung {
            f0_hz: sung_pitch,
            loudness,
            effort: self.presence * e.effort,
            unevenness: Unevenness {
                perturbation: e.perturbation.clamp(0.0, PERTURBED_MOST),
                roughness: (e.roughness * (1.0 + ROUGH_STRESS * self.stress))
                    .clamp(0.0, ROUGH_MOST),
            },
        }
    }

    fn learn(&mut self, pitch: f32, loudness: f32) {
        self.pitch_count = (self.pitch_count + 1.0).min(MEMORY);
        let mut step = pitch - self.pitch_mean;
        if self.pitch_count > SETTLED {
            step = step.clamp(-PULL, PULL);
        }
        self.pitch_mean += step / self.pitch_count;
        self.loudness_count = (self.loudness_count + 1.0).min(MEMORY);
        self.loudness_mean += (loudness - self.loudness_mean) / self.loudness_count;
    }

    /// Where in its phrase the frame is, and how stressed.
    fn follow(&mut self, voiced: bool, loudness: f32) {
        if !voiced {
            self.unvoiced = self.unvoiced.saturating_add(1);
            return;
        }
        let stress = (loudness - self.loudness_mean).clamp(-STRESS_MOST, STRESS_MOST);
        if self.unvoiced >= PAUSE {
            self.phrase = 0.0;
            self.stress = stress;
        }
        self.unvoiced = 0;
        self.phrase = (self.phrase + 0.01).min(PHRASE_SECONDS);
        self.stress += (stress - self.stress) * STRESS_GLIDE;
    }

    fn glide(&mut self, wanted: &EmotionProsody, shift: f32) {
        let share = if self.fresh { 1.0 } else { GLIDE };
        self.fresh = false;
        self.effect.move_towards(wanted, share);
        self.shift += (shift - self.shift) * share;
    }

    fn vibrato(&mut self, depth: f32) -> f32 {
        self.tremble = (self.tremble + TREMBLE_HZ * 0.01).fract();
        depth * (self.tremble * std::f32::consts::TAU).sin()
    }

    /// A random wander of a few hertz: low-passed noise of unit spread.
    fn tremor(&mut self, depth: f32) -> f32 {
        if depth.abs() < 1e-5 {
            return 0.0;
        }
        let noise = self.noise.next() as f32;
        self.wander = 0.7 * self.wander + noise;
        self.wander * depth
    }

    /// How far the voice is in a break, 0 to 1. `rate`: breaks a second of voiced speech.
    fn cracked(&mut self, voiced: bool, rate: f32) -> f32 {
        self.voiced = if voiced { self.voiced + 1 } else { 0 };
        if !voiced {
            self.breaking = 0;
            return 0.0;
        }
        if self.breaking > 0 {
            self.breaking -= 1;
        } else if rate > 1e-3 && self.voiced > BREAK_AFTER {
            let chance = self.noise.next() as f32 * 0.5 + 0.5;
            // The share of frames in which one begins, so that `rate` begin in a second that has none besides.
            if chance < rate * 0.01 {
                self.breaking = BREAK_FRAMES;
            }
        }
        let left = self.breaking as f32 / BREAK_FRAMES as f32;
        (std::f32::consts::PI * left).sin().powi(2)
    }

    /// White noise of that standard deviation.
    fn jitter(&mut self, deviation: f32) -> f32 {
        if deviation.abs() < 1e-5 {
            return 0.0;
        }
        // Even noise has a deviation of 1/√3.
        self.noise.next() as f32 * 3.0_f32.sqrt() * deviation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_not_acted_and_consonants_less_than_vowels() {
        let mut mapper = ProsodyMapper::new(PROSODY_DEFAULTS);
        let target = PitchTarget::of_voice(150.0);
        let mut map = |hz, loudness| {
            mapper.map(hz, loudness, target, &[0.0; 7], &Controls::default());
            [0.0, 1.0].map(|voicing| mapper.acted(voicing))
        };
        (0..200).for_each(|_| {
            map(120.0, -3.0);
        });
        assert_eq!(map(0.0, -20.0), [0.0, 0.0]);
        let [consonant, vowel] = map(120.0, -3.0);
        assert_eq!(vowel, 1.0);
        assert!(0.0 < consonant && consonant < vowel, "{consonant}");
    }

    #[test]
    fn acting_follows_strength_and_the_share_of_the_own_voice() {
        let numbers = |acting, acting_slope| EmotionProsody {
            acting,
            acting_slope,
            ..EmotionProsody::default()
        };
        let feelings = Feelings {
            low: [numbers(2.0, 1.0); EMOTIONS.len()],
            high: [numbers(4.0, 1.0); EMOTIONS.len()],
            own: [numbers(1.0, 3.0); EMOTIONS.len()],
        };
        let mut emotions = [0.0; EMOTIONS.len()];
        emotions[2] = 0.5;
        let acting = |hz, own| {
            let voice = PitchTarget::of_voice(hz);
            feelings.acting(&emotions, PitchTarget { own, ..voice })
        };
        assert_eq!(acting(100.0, 0.0)[2], [1.0, 0.5]);
        assert_eq!(acting(250.0, 0.0)[2], [2.0, 0.5]);
        assert_eq!(acting(100.0, 0.5)[2], [0.75, 1.0]);
        assert_eq!(acting(250.0, 1.0)[2], [0.5, 1.5]);
        assert_eq!(acting(100.0, 0.0)[0], [0.0, 0.0]);
        let between = acting((LOW_HZ * HIGH_HZ).sqrt(), 0.0)[2];
        assert!((between[0] - 1.5).abs() < 1e-5, "{between:?}");
    }

    fn controls() -> Controls {
        Controls::default()
    }

    #[test]
    fn the_mean_pitch_reaches_the_targets_and_keeps_intervals() {
        let mut mapper = ProsodyMapper::new(PROSODY_DEFAULTS);
        let speak = |t: usize| 110.0 * 2.0_f32.powf(0.2 * (t as f32 * 0.1).sin());
        let sung: Vec<f32> = (0..1200)
            .map(|t| {
                mapper
                    .map(
                        speak(t),
                        -6.0,
                        PitchTarget::of_voice(220.0),
                        &[0.0; 7],
                        &controls(),
                    )
                    .f0_hz
                    .log2()
            })
            .skip(200)
            .collect();
        let mean = sung.iter().sum::<f32>() / sung.len() as f32;
        assert!((mean - 220.0_f32.log2()).abs() < 0.03, "{}", mean.exp2());
        let swing = sung.iter().fold(f32::MIN, |a, &b| a.max(b))
            - sung.iter().fold(f32::MAX, |a, &b| a.min(b));
        assert!((swing - 0.4).abs() < 0.05, "{swing}");
    }

    #[test]
    fn no_emotion_leaves_loudness_alone_and_controls_never_jump() {
        let mut mapper = ProsodyMapper::new(PROSODY_DEFAULTS);
        let mut last = mapper.map(
            120.0,
            -5.0,
            PitchTarget::of_voice(120.0),
            &[0.0; 7],
            &controls(),
        );
        assert_eq!(last.loudness, -5.0);
        let mut angry = [0.0; 7];
        angry[2] = 1.0;
        for _ in 0..60 {
            let next = mapper.map(
                120.0,
                -5.0,
                PitchTarget::of_voice(120.0),
                &angry,
                &controls(),
            );
            assert!((next.f0_hz / last.f0_hz).log2().abs() < 0.1);
            assert!((next.loudness - last.loudness).abs() < 0.5);
            last = next;
        }
        assert!(last.f0_hz > 130.0 && last.loudness > -4.5);
    }

    #[test]
    fn the_own_voice_keeps_its_pitch_but_for_the_performers_shift() {
        let mut mapper = ProsodyMapper::new(PROSODY_DEFAULTS);
        let own = PitchTarget {
            own: 1.0,
            ..PitchTarget::of_voice(220.0)
        };
        for t in 0..300 {
            let pitch = 110.0 + (t % 40) as f32;
            let sung = mapper.map(pitch, -6.0, own, &[0.0; 7], &controls());
            assert!((sung.f0_hz / pitch - 1.0).abs() < 1e-4, "{}", sung.f0_hz);
        }
        let octave = Controls {
            pitch_semitones: 12.0,
            ..controls()
        };
        let last = (0..100)
            .map(|_| mapper.map(120.0, -6.0, own, &[0.0; 7], &octave).f0_hz)
            .last();
        assert!((last.unwrap_or_default() - 240.0).abs() < 1.0, "{last:?}");
    }

    /// Pitch sung for an even 150 Hz, at the loudness that `loud` tells of each frame.
    fn tune(feeling: EmotionProsody, loud: impl Fn(usize) -> Option<f32>) -> Vec<f32> {
        let mut mapper = ProsodyMapper::new([feeling; EMOTIONS.len()]);
        let mut emotions = [0.0; EMOTIONS.len()];
        emotions[0] = 1.0;
        let target = PitchTarget::of_voice(150.0);
        let sung = |t: usize| {
            let (hz, loudness) = loud(t).map_or((0.0, -12.0), |l| (150.0, l));
            let sung = mapper.map(hz, loudness, target, &emotions, &controls());
            (sung.f0_hz / 150.0).log2()
        };
        (0..1000).map(sung).collect()
    }

    #[test]
    fn accents_rise_with_stressed_syllables_smoothly() {
        let feeling = EmotionProsody {
            accent: 0.05,
            ..EmotionProsody::default()
        };
        // Syllables of 200 ms, every other one stressed: a neper above and below the mean.
        let tune = tune(feeling, |t| Some(if t / 20 % 2 == 0 { -5.0 } else { -7.0 }));
        let (weak, stressed) = (tune[919], tune[939]);
        assert!((stressed - 0.05).abs() < 0.01, "{stressed}");
        assert!((weak + 0.05).abs() < 0.01, "{weak}");
        let steepest = tune[500..]
            .windows(2)
            .map(|w| (w[1] - w[0]).abs())
            .fold(0.0, f32::max);
        assert!(steepest < 0.035, "{steepest}");
    }

    #[test]
    fn phrases_slope_and_begin_anew_after_a_pause() {
        let feeling = EmotionProsody {
            phrase_slope: -0.1,
            ..EmotionProsody::default()
        };
        let tune = tune(feeling, |t| (t % 200 < 150).then_some(-6.0));
        let (first, last) = (tune[800], tune[949]);
        assert!((first - 0.1).abs() < 0.01, "{first}");
        assert!((last + 0.05).abs() < 0.01, "{last}");
    }

    #[test]
    fn a_trembling_voice_swings_evenly() {
        let feeling = EmotionProsody {
            vibrato: 0.02,
            ..EmotionProsody::default()
        };
        let tune = tune(feeling, |_| Some(-6.0));
        let crossings = tune[400..800]
            .windows(2)
            .filter(|w| w[0] < 0.0 && w[1] >= 0.0)
            .count();
        // 4 s of 5.5 Hz.
        assert!((21..=23).contains(&crossings), "{crossings}");
        let most = tune[400..].iter().fold(0.0, |a: f32, b| a.max(b.abs()));
        assert!((most - 0.02).abs() < 2e-3, "{most}");
    }

    #[test]
    fn a_breaking_voice_cracks_upwards_so_often_and_comes_back() {
        let feeling = EmotionProsody {
            breaks: 2.0,
            ..EmotionProsody::default()
        };
        let tune = tune(feeling, |_| Some(-6.0));
        let begun = |w: &[f32]| w[0] < 1e-3 && w[1] >= 1e-3;
        let breaks = tune.windows(2).filter(|w| begun(w)).count();
        assert!((10..=30).contains(&breaks), "{breaks} in 10 s");
        let most = tune.iter().fold(0.0, |a: f32, &b| a.max(b));
        assert!((most - BREAK_OCTAVES).abs() < 1e-3, "{most}");
        assert!(tune.iter().all(|&octaves| octaves > -1e-3));
        let still = tune.iter().filter(|&&octaves| octaves < 1e-3).count();
        assert!(still > 700, "{still}");
    }

    #[test]
    fn roughness_follows_stress_and_strength() {
        let mut mapper = ProsodyMapper::new(
            [EmotionProsody {
                roughness: 0.5,
                ..EmotionProsody::default()
            }; EMOTIONS.len()],
        );
        let mut sung = |weight, loudness| {
            let target = PitchTarget::of_voice(150.0);
            let mut emotions = [0.0; EMOTIONS.len()];
            emotions[2] = weight;
            let sung = |_| mapper.map(150.0, loudness, target, &emotions, &controls());
            (0..20).map(sung).last().unwrap().unevenness.roughness
        };
        (0..40).for_each(|_| {
            sung(1.0, -6.0);
        });
        assert!((sung(1.0, -6.0) - 0.5).abs() < 0.02);
        assert!(sung(1.0, -4.0) > 0.6);
        assert!((sung(0.5, -6.0) - 0.25).abs() < 0.05);
        assert!(sung(0.0, -6.0) < 1e-3);
    }

    #[test]
    fn unvoiced_stays_unvoiced() {
        let mut mapper = ProsodyMapper::new(PROSODY_DEFAULTS);
        assert_eq!(
            mapper
                .map(
                    0.0,
                    -9.0,
                    PitchTarget::of_voice(200.0),
                    &[1.0; 7],
                    &controls()
                )
                .f0_hz,
            0.0
        );
        assert_eq!(mapper.mean_f0_hz(), 0.0);
    }
}
