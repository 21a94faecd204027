//! What the options of `mien convert` ask for, checked against a pack.

use std::path::PathBuf;

use anyhow::{Context, bail};
use mien::engine::search::{self, PackFile};
use mien_face::{Controls, EMOTIONS, PackDescription, VoiceWeight};

/// Options that say how it should sound.
#[derive(clap::Args)]
pub struct Recipe {
    /// Name of the voice; several, with weights, are mixed: `Ada=0.7,Ben=0.3`. See `mien voices`.
    #[arg(long, short = 'v')]
    pub voice: Option<String>,
    /// Emotions and their weights from 0 to 1: `happy=0.8,sad=0.2`.
    #[arg(long, short = 'e', default_value = "")]
    pub emotion: String,
    /// Strength of the whole emotion, 0 to 1.
    #[arg(long, default_value_t = 1.0)]
    pub strength: f32,
    /// Transposition in semitones, −24 to 24, on top of the automatic match.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pub pitch: f32,
    /// Shift of the resonances in semitones, −6 to 6.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pub formant: f32,
    /// Pitch movement in percent: 0 monotone, 100 as spoken, 200 doubled.
    #[arg(long, default_value_t = 100.0)]
    pub intonation: f32,
    /// Breath and fricatives in percent, 0 to 200.
    #[arg(long, default_value_t = 100.0)]
    pub breath: f32,
    /// Keeps the speaker's pitch instead of moving it to the voice's.
    #[arg(long)]
    pub keep_pitch: bool,
    /// The converted voice's part in percent; the rest is the input.
    #[arg(long, default_value_t = 100.0)]
    pub mix: f32,
    /// Pack to use: its name, or the path of a .mien file. The first installed one if not given.
    #[arg(long)]
    pub pack: Option<String>,
}

impl Recipe {
    /// The pack to load.
    pub fn find_pack(&self) -> anyhow::Result<PackFile> {
        let engine = search::find_engine().ok();
        if let Some(path) = self.pack.as_ref().map(PathBuf::from)
            && path.is_file()
        {
            let card = search::read_card(&path)
                .with_context(|| format!("{} is no voice pack", path.display()))?;
            return Ok(PackFile { path, card });
        }
        let packs = search::packs(engine.as_deref());
        let names: Vec<_> = packs.iter().map(|pack| pack.card.name.clone()).collect();
        let chosen = match &self.pack {
            Some(name) => packs
                .into_iter()
                .find(|pack| pack.card.name.eq_ignore_ascii_case(name)),
            None => packs.into_iter().next(),
        };
        chosen.with_context(|| match (&self.pack, names.is_empty()) {
            (Some(name), false) => {
                format!(
                    "there is no pack {name}; installed are {}",
                    names.join(", ")
                )
            }
            _ => "no voice pack is installed; `mien voices` tells where to put one".into(),
        })
    }

    /// The controls for a pack.
    pub fn controls(&self, pack: &PackDescription) -> anyhow::Result<Controls> {
        let within = |name: &str, value: f32, low: f32, high: f32| {
            if !(low..=high).contains(&value) {
                bail!("--{name} is {value}, but must lie between {low} and {high}");
            }
            Ok(value)
        };
        let mut controls = Controls {
            strength: within("strength", self.strength, 0.0, 1.0)?,
            pitch_semitones: within("pitch", self.pitch, -24.0, 24.0)?,
            formant_semitones: within("formant", self.formant, -6.0, 6.0)?,
            intonation: within("intonation", self.intonation, 0.0, 200.0)? / 100.0,
            breath: within("breath", self.breath, 0.0, 200.0)? / 100.0,
            auto_pitch: u32::from(!self.keep_pitch),
            ..Controls::default()
        };
        within("mix", self.mix, 0.0, 100.0)?;
        for (name, weight) in weights(&self.emotion)? {
            let index = EMOTIONS
                .iter()
                .position(|known| known.eq_ignore_ascii_case(&name));
            let index = index.with_context(|| {
                format!(
                    "there is no emotion {name}; there are {}",
                    EMOTIONS.join(", ")
                )
            })?;
            controls.emotions[index] = within("emotion", weight, 0.0, 1.0)?;
        }
        if let Some(voice) = &self.voice {
            let mixed = weights(voice)?;
            if mixed.len() > controls.voices.len() {
                bail!("at most {} voices can be mixed", controls.voices.len());
            }
            controls.voices = Default::default();
            for (slot, (name, weight)) in controls.voices.iter_mut().zip(mixed) {
                let same = |known: &mien_face::Voice| known.name.eq_ignore_ascii_case(&name);
                let index = pack.voices.iter().position(same).with_context(|| {
                    let names: Vec<_> = pack.voices.iter().map(|v| v.name.as_str()).collect();
                    format!(
                        "{} has no voice {name}; it has {}",
                        pack.name,
                        names.join(", ")
                    )
                })?;
                *slot = VoiceWeight {
                    index: index as u32,
                    weight,
                };
            }
        }
        Ok(controls)
    }
}

/// Reads `a=0.5,b=1,c`; a name without a weight has 1.
fn weights(text: &str) -> anyhow::Result<Vec<(String, f32)>> {
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let read = |part: &str| {
        let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
        let number: f32 = weight
            .trim()
            .parse()
            .ok()
            .filter(|w: &f32| w.is_finite())
            .with_context(|| format!("{part:?} should be a name and a number, like happy=0.8"))?;
        if number < 0.0 {
            bail!("the weight in {part:?} must not be negative");
        }
        Ok((name.trim().to_owned(), number))
    };
    parts.map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        recipe: Recipe,
    }

    fn controls(options: &str) -> anyhow::Result<Controls> {
        let voice = |name: &str| mien_face::Voice {
            name: name.into(),
            ..Default::default()
        };
        let voices = vec![voice("Ada"), voice("Ben")];
        let pack = PackDescription {
            name: "P".into(),
            voices,
            ..Default::default()
        };
        let words = std::iter::once("mien").chain(options.split_whitespace());
        Line::try_parse_from(words)?.recipe.controls(&pack)
    }

    #[test]
    fn reads_what_was_asked_for() {
        let read =
            controls("--voice ben=2,Ada --emotion happy=0.8,sad=0.2 --pitch -3.5 --intonation 150")
                .unwrap();
        assert_eq!(
            read.voices[0],
            VoiceWeight {
                index: 1,
                weight: 2.0
            }
        );
        assert_eq!(
            read.voices[1],
            VoiceWeight {
                index: 0,
                weight: 1.0
            }
        );
        assert_eq!(read.emotions[..3], [0.8, 0.2, 0.0]);
        assert_eq!((read.pitch_semitones, read.intonation), (-3.5, 1.5));
        assert_eq!(controls("").unwrap(), Controls::default());
    }

    #[test]
    fn says_what_is_wrong() {
        for (options, word) in [
            ("--voice Cleo", "Ada, Ben"),
            ("--emotion joyful=1", "surprised"),
            ("--emotion happy=x", "number"),
            ("--emotion happy=2", "between"),
            ("--pitch 30", "between"),
        ] {
            let text = controls(options).unwrap_err().to_string();
            assert!(text.contains(word), "{options}: {text}");
        }
    }
}
