//! The factory presets: feelings and shapes to start from. None of them changes the voice.

use std::collections::BTreeMap;

use crate::actions::Sound;
use crate::params::ParamId;

/// A preset that comes with Mien.
#[derive(Clone, Copy, Debug)]
pub struct FactoryPreset {
    /// Its name.
    pub name: &'static str,
    /// What it sounds like.
    pub description: &'static str,
    /// What differs from the neutral sound.
    values: &'static [(ParamId, f32)],
}

use ParamId::{
    Breath, EmoAngry, EmoCalm, EmoDisgusted, EmoFearful, EmoHappy, EmoSad, EmoSurprised, Formant,
    Intonation, Pitch,
};

/// All of them; the first is the neutral one.
pub static FACTORY: [FactoryPreset; 14] = [
    FactoryPreset {
        name: "Neutral",
        description: "Your own delivery in the other voice",
        values: &[],
    },
    FactoryPreset {
        name: "Whispered calm",
        description: "Close, soft, full of breath",
        values: &[(EmoCalm, 0.8), (Breath, 1.7), (Intonation, 0.8)],
    },
    FactoryPreset {
        name: "Stage anger",
        description: "Hard and wide, carries to the last row",
        values: &[(EmoAngry, 0.95), (Intonation, 1.35), (Formant, -0.5)],
    },
    FactoryPreset {
        name: "Cold fury",
        description: "Anger held back: low and level",
        values: &[
            (EmoAngry, 0.55),
            (EmoCalm, 0.35),
            (Intonation, 0.7),
            (Pitch, -1.0),
        ],
    },
    FactoryPreset {
        name: "Good news",
        description: "Bright and quick to smile",
        values: &[(EmoHappy, 0.8), (EmoSurprised, 0.2), (Intonation, 1.2)],
    },
    FactoryPreset {
        name: "Gentle host",
        description: "Warm, unhurried, friendly",
        values: &[(EmoHappy, 0.35), (EmoCalm, 0.45), (Breath, 1.15)],
    },
    FactoryPreset {
        name: "Bedtime story",
        description: "Calm with a little wonder",
        values: &[
            (EmoCalm, 0.6),
            (EmoSurprised, 0.2),
            (Breath, 1.3),
            (Intonation, 1.1),
        ],
    },
    FactoryPreset {
        name: "Heavy heart",
        description: "Sad, falling, near to tears",
        values: &[(EmoSad, 0.85), (Intonation, 0.75), (Breath, 1.2)],
    },
    FactoryPreset {
        name: "Bittersweet",
        description: "A smile with a sigh in it",
        values: &[(EmoSad, 0.45), (EmoHappy, 0.35), (Breath, 1.1)],
    },
    FactoryPreset {
        name: "Something in the dark",
        description: "Tense and trembling",
        values: &[(EmoFearful, 0.8), (Breath, 1.4), (Intonation, 1.1)],
    },
    FactoryPreset {
        name: "Plot twist",
        description: "Wide-eyed, with sudden rises",
        values: &[(EmoSurprised, 0.9), (Intonation, 1.4)],
    },
    FactoryPreset {
        name: "Villain",
        description: "Contempt from a large body",
        values: &[
            (EmoDisgusted, 0.6),
            (EmoCalm, 0.3),
            (Pitch, -3.0),
            (Formant, -1.5),
        ],
    },
    FactoryPreset {
        name: "Small creature",
        description: "High, light and excited",
        values: &[
            (EmoHappy, 0.5),
            (EmoSurprised, 0.3),
            (Pitch, 5.0),
            (Formant, 2.5),
        ],
    },
    FactoryPreset {
        name: "Machine",
        description: "Monotone, without breath or feeling",
        values: &[(Intonation, 0.0), (Breath, 0.5)],
    },
];

impl FactoryPreset {
    /// Its sound: neutral but for what it changes. The voice, the mix, the gate and the automatic
    /// match are left as they are, for they belong to the speaker and the room.
    pub fn sound(&self) -> Sound {
        let kept = [ParamId::Mix, ParamId::Gate, ParamId::AutoPitch];
        let mut values: BTreeMap<String, f32> = ParamId::all()
            .filter(|param| param.is_sound() && !kept.contains(param))
            .map(|param| (param.spec().id.to_owned(), param.spec().default))
            .collect();
        for (param, value) in self.values {
            values.insert(param.spec().id.to_owned(), *value);
        }
        Sound {
            values,
            voices: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_within_range_and_distinct() {
        for (index, preset) in FACTORY.iter().enumerate() {
            for (param, value) in preset.values {
                assert_eq!(param.spec().clamp(*value), *value, "{}", preset.name);
            }
            for other in &FACTORY[..index] {
                assert_ne!(preset.name, other.name);
                assert_ne!(preset.sound(), other.sound(), "{}", preset.name);
            }
        }
    }
}
