//! The prosody mapper: how a feeling and the performer's controls move pitch and loudness,
//! relative to the speaker's own running statistics. Causal; it never jumps.

use mien_face::{Controls, EMOTIONS};
use serde::{Deserialize, Serialize};

/// What one emotion does to prosody at full strength, relative to the speaker's neutral delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmotionProsody {
    /// Shift of mean pitch in octaves.
    pub pitch_shift: f32,
    /// Natural log of the factor on the pitch's spread around its mean.
    pub pitch_range: f32,
    /// Shift of loudness in nepers of power.
    pub loudness_shift: f32,
    /// Natural log of the factor on the loudness's spread around its mean.
    pub loudness_range: f32,
    /// Depth of a slow random wander of pitch, in octaves.
    pub tremor: f32,
    /// Random change of pitch from frame to frame (10 ms), standard deviation in octaves.
    pub jitter: f32,
    /// Natural log of the factor on what the emotion adapter does to the sound.
    pub timbre: f32,
}

impl EmotionProsody {
    fn add(&mut self, other: &Self, weight: f32) {
        self.pitch_shift += weight * other.pitch_shift;
        self.pitch_range += weight * other.pitch_range;
        self.loudness_shift += weight * other.loudness_shift;
        self.loudness_range += weight * other.loudness_range;
        self.tremor += weight * other.tremor;
        self.jitter += weight * other.jitter;
        self.timbre += weight * other.timbre;
    }
}

/// Prosody of each emotion without an emotion pack, in the order of [`EMOTIONS`]. Directions and
/// rough sizes from Juslin and Laukka (2003), Banse and Scherer (1996), and Scherer (2003): no
/// corpus with a restricted licence is in them.
pub const PROSODY_DEFAULTS: [EmotionProsody; EMOTIONS.len()] = [
    emotion(0.25, 0.30, 0.7, 0.10, 0.0),
    emotion(-0.08, -0.30, -0.9, -0.15, 0.004),
    emotion(0.22, 0.25, 1.2, 0.15, 0.0),
    emotion(0.30, -0.10, 0.1, 0.05, 0.012),
    emotion(0.35, 0.40, 0.5, 0.10, 0.0),
    emotion(-0.03, -0.05, 0.1, 0.05, 0.0),
    emotion(-0.06, -0.20, -0.7, -0.10, 0.0),
];

const fn emotion(
    pitch_shift: f32,
    pitch_range: f32,
    loudness_shift: f32,
    loudness_range: f32,
    tremor: f32,
) -> EmotionProsody {
    EmotionProsody {
        pitch_shift,
        pitch_range,
        loudness_shift,
        loudness_range,
        tremor,
        // No published figure was found in these units.
        jitter: 0.0,
        timbre: 0.0,
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

/// Running statistics of one stream and the mapping.
#[derive(Clone, Debug)]
pub struct ProsodyMapper {
    emotions: [EmotionProsody; EMOTIONS.len()],
    pitch_mean: f32,
    pitch_count: f32,
    loudness_mean: f32,
    loudness_count: f32,
    effect: EmotionProsody,
    shift: f32,
    fresh: bool,
    wander: f32,
    random: u32,
}

/// Where a voice's pitch lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PitchTarget {
    /// Mean pitch in Hz.
    pub mean_hz: f32,
    /// How much of the speaker's own pitch stays, 0 to 1.
    pub own: f32,
}

impl PitchTarget {
    /// That of another voice, with nothing of the speaker's own.
    pub fn of_voice(mean_hz: f32) -> Self {
        Self { mean_hz, own: 0.0 }
    }
}

/// What the generator should sing for one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sung {
    /// Pitch in Hz; 0 where unvoiced.
    pub f0_hz: f32,
    /// Loudness, natural log of power.
    pub loudness: f32,
}

impl ProsodyMapper {
    /// A mapper with each emotion's prosody.
    pub fn new(emotions: [EmotionProsody; EMOTIONS.len()]) -> Self {
        Self {
            emotions,
            pitch_mean: 0.0,
            pitch_count: 0.0,
            loudness_mean: -6.0,
            loudness_count: 0.0,
            effect: EmotionProsody::default(),
            shift: 0.0,
            fresh: true,
            wander: 0.0,
            random: 0x9e37_79b9,
        }
    }

    /// Forgets the speaker.
    pub fn reset(&mut self) {
        *self = Self::new(self.emotions);
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
        let mut wanted = EmotionProsody::default();
        emotions
            .iter()
            .zip(&self.emotions)
            .for_each(|(&w, e)| wanted.add(e, w));
        let match_shift = if controls.auto_pitch != 0 && self.pitch_count > 0.0 {
            (1.0 - target.own) * (target.mean_hz.max(30.0).log2() - self.pitch_mean)
        } else {
            0.0
        };
        let shift = match_shift + controls.pitch_semitones / 12.0;
        self.glide(&wanted, shift);
        let e = self.effect;
        let sung_pitch = if voiced {
            let spread = (pitch - self.pitch_mean) * controls.intonation * e.pitch_range.exp();
            let micro = self.tremor(e.tremor) + self.jitter(e.jitter);
            let moved = self.pitch_mean + spread + self.shift + e.pitch_shift + micro;
            moved.exp2().clamp(50.0, 1000.0)
        } else {
            0.0
        };
        // Silence stays silence: the change of loudness fades out far below the speaker's mean.
        let presence = ((loudness - self.loudness_mean + 7.0) / 3.0).clamp(0.0, 1.0);
        let spread =
            (loudness - self.loudness_mean).clamp(-5.0, 3.0) * (e.loudness_range.exp() - 1.0);
        let loudness = loudness + presence * (e.loudness_shift + spread);
        Sung {
            f0_hz: sung_pitch,
            loudness,
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

    fn glide(&mut self, wanted: &EmotionProsody, shift: f32) {
        let share = if self.fresh { 1.0 } else { GLIDE };
        self.fresh = false;
        let e = &mut self.effect;
        for (now, then) in [
            (&mut e.pitch_shift, wanted.pitch_shift),
            (&mut e.pitch_range, wanted.pitch_range),
            (&mut e.loudness_shift, wanted.loudness_shift),
            (&mut e.loudness_range, wanted.loudness_range),
            (&mut e.tremor, wanted.tremor),
            (&mut e.jitter, wanted.jitter),
            (&mut e.timbre, wanted.timbre),
            (&mut self.shift, shift),
        ] {
            *now += (then - *now) * share;
        }
    }

    /// A random wander of a few hertz: low-passed noise of unit spread.
    fn tremor(&mut self, depth: f32) -> f32 {
        if depth.abs() < 1e-5 {
            return 0.0;
        }
        let noise = self.noise();
        self.wander = 0.7 * self.wander + noise;
        self.wander * depth
    }

    /// White noise of that standard deviation.
    fn jitter(&mut self, deviation: f32) -> f32 {
        if deviation.abs() < 1e-5 {
            return 0.0;
        }
        // Even noise between −1 and 1 has a deviation of 1/√3.
        self.noise() * 3.0_f32.sqrt() * deviation
    }

    /// Even noise between −1 and 1 (xorshift, Marsaglia 2003).
    fn noise(&mut self) -> f32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random as f32 / u32::MAX as f32 * 2.0 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            mean_hz: 220.0,
            own: 1.0,
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
