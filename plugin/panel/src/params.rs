//! The one table of parameters: name, unit, range, default, words, formatting and parsing.
//!
//! The plugin builds its host parameters from it and the panel its controls, so the two can not
//! disagree. Values are plain: semitones, decibels, 0 to 1 for shares; never normalised, except
//! through [`ParamSpec::normalise`].

use serde::{Deserialize, Serialize};

/// A parameter of the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamId {
    /// Index of the voice in the loaded pack.
    Voice,
    /// Weight of "happy".
    EmoHappy,
    /// Weight of "sad".
    EmoSad,
    /// Weight of "angry".
    EmoAngry,
    /// Weight of "fearful".
    EmoFearful,
    /// Weight of "surprised".
    EmoSurprised,
    /// Weight of "disgusted".
    EmoDisgusted,
    /// Weight of "calm".
    EmoCalm,
    /// Strength of the whole emotion.
    Strength,
    /// Transposition.
    Pitch,
    /// Shift of the resonances.
    Formant,
    /// Pitch movement.
    Intonation,
    /// Part of the noise.
    Breath,
    /// Whether the speaker's mean pitch is moved to the voice's.
    AutoPitch,
    /// Threshold of the gate.
    Gate,
    /// Share of the converted sound.
    Mix,
    /// Gain before the converter.
    InGain,
    /// Gain after it.
    OutGain,
    /// Bypass.
    Bypass,
    /// Whether more delay is spent on safety.
    DelayMode,
}

/// How many parameters there are.
pub const PARAM_COUNT: usize = 20;

/// The emotions' parameters, in the order of [`mien_face::EMOTIONS`].
pub const EMOTION_PARAMS: [ParamId; mien_face::EMOTIONS.len()] = [
    ParamId::EmoHappy,
    ParamId::EmoSad,
    ParamId::EmoAngry,
    ParamId::EmoFearful,
    ParamId::EmoSurprised,
    ParamId::EmoDisgusted,
    ParamId::EmoCalm,
];

/// What kind of value a parameter has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// A continuous value.
    Float,
    /// A whole number.
    Int,
    /// On (1) or off (0).
    Bool,
    /// One of these words; the value is the index.
    Choice(&'static [&'static str]),
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A bare number or word.
    None,
    /// 0 to 1, written as 0 to 100 %.
    Percent,
    /// Semitones, written with cents.
    Semitones,
    /// Decibels.
    Decibels,
}

/// Everything there is to know about a parameter.
#[derive(Clone, Copy, Debug)]
pub struct ParamSpec {
    /// Which one.
    pub param: ParamId,
    /// Stable identifier for hosts and preset files.
    pub id: &'static str,
    /// Name for people, also for screen readers.
    pub name: &'static str,
    /// Short name for a control.
    pub label: &'static str,
    /// Kind of value.
    pub kind: ParamKind,
    /// Unit.
    pub unit: Unit,
    /// Smallest value.
    pub min: f32,
    /// Largest value.
    pub max: f32,
    /// Value after a reset.
    pub default: f32,
    /// What an arrow key moves it by.
    pub step: f32,
    /// What it does, in one or two sentences with its unit.
    pub help: &'static str,
}

const DELAY_MODES: &[&str] = &["Low", "Safe"];

/// The gate's lowest threshold means "off".
pub const GATE_OFF_DB: f32 = -90.0;

const fn float(
    param: ParamId,
    id: &'static str,
    name: &'static str,
    label: &'static str,
    unit: Unit,
    (min, max, default, step): (f32, f32, f32, f32),
    help: &'static str,
) -> ParamSpec {
    ParamSpec {
        param,
        id,
        name,
        label,
        kind: ParamKind::Float,
        unit,
        min,
        max,
        default,
        step,
        help,
    }
}

const fn switch(
    param: ParamId,
    id: &'static str,
    name: &'static str,
    default: f32,
    help: &'static str,
) -> ParamSpec {
    ParamSpec {
        param,
        id,
        name,
        label: name,
        kind: ParamKind::Bool,
        unit: Unit::None,
        min: 0.0,
        max: 1.0,
        default,
        step: 1.0,
        help,
    }
}

const SHARE: (f32, f32, f32, f32) = (0.0, 1.0, 0.0, 0.01);

/// The table, in the order of [`ParamId`].
pub static PARAMS: [ParamSpec; PARAM_COUNT] = [
    ParamSpec {
        param: ParamId::Voice,
        id: "voice",
        name: "Voice",
        label: "Voice",
        kind: ParamKind::Int,
        unit: Unit::None,
        min: 0.0,
        max: 31.0,
        default: 0.0,
        step: 1.0,
        help: "The voice that is heard: its place in the loaded pack.",
    },
    float(
        ParamId::EmoHappy,
        "emo_happy",
        "Happy",
        "Happy",
        Unit::Percent,
        SHARE,
        "How happy the voice sounds, in percent: brighter, higher, livelier.",
    ),
    float(
        ParamId::EmoSad,
        "emo_sad",
        "Sad",
        "Sad",
        Unit::Percent,
        SHARE,
        "How sad the voice sounds, in percent: lower, flatter, softer.",
    ),
    float(
        ParamId::EmoAngry,
        "emo_angry",
        "Angry",
        "Angry",
        Unit::Percent,
        SHARE,
        "How angry the voice sounds, in percent: harder, louder, with steep falls.",
    ),
    float(
        ParamId::EmoFearful,
        "emo_fearful",
        "Fearful",
        "Fearful",
        Unit::Percent,
        SHARE,
        "How afraid the voice sounds, in percent: tense, high, trembling.",
    ),
    float(
        ParamId::EmoSurprised,
        "emo_surprised",
        "Surprised",
        "Surprised",
        Unit::Percent,
        SHARE,
        "How surprised the voice sounds, in percent: wide rises, sudden starts.",
    ),
    float(
        ParamId::EmoDisgusted,
        "emo_disgusted",
        "Disgusted",
        "Disgusted",
        Unit::Percent,
        SHARE,
        "How disgusted the voice sounds, in percent: dark, pressed, reluctant.",
    ),
    float(
        ParamId::EmoCalm,
        "emo_calm",
        "Calm",
        "Calm",
        Unit::Percent,
        SHARE,
        "How calm the voice sounds, in percent: even, soft, unhurried.",
    ),
    float(
        ParamId::Strength,
        "strength",
        "Emotion strength",
        "Strength",
        Unit::Percent,
        (0.0, 1.0, 1.0, 0.01),
        "Scales the whole emotion, in percent. At 0 % your own delivery stays as it is.",
    ),
    float(
        ParamId::Pitch,
        "pitch",
        "Pitch",
        "Pitch",
        Unit::Semitones,
        (-24.0, 24.0, 0.0, 0.125),
        "Moves the pitch up or down, in semitones and cents, on top of the automatic match.",
    ),
    float(
        ParamId::Formant,
        "formant",
        "Formant",
        "Formant",
        Unit::Semitones,
        (-6.0, 6.0, 0.0, 0.05),
        "Moves the resonances of the throat and mouth, in semitones: down for a larger body, up for a smaller one.",
    ),
    float(
        ParamId::Intonation,
        "intonation",
        "Intonation",
        "Intonation",
        Unit::Percent,
        (0.0, 2.0, 1.0, 0.01),
        "How much the melody of speech moves, in percent: 0 % is monotone, 100 % as spoken, 200 % doubled.",
    ),
    float(
        ParamId::Breath,
        "breath",
        "Breath",
        "Breath",
        Unit::Percent,
        (0.0, 2.0, 1.0, 0.01),
        "How much breath and noise is in the voice, in percent: 0 % none, 100 % as modelled, 200 % doubled.",
    ),
    switch(
        ParamId::AutoPitch,
        "auto_pitch",
        "Match pitch",
        1.0,
        "Moves your average pitch to that of the chosen voice. Switch off to keep your own height.",
    ),
    float(
        ParamId::Gate,
        "gate",
        "Gate",
        "Gate",
        Unit::Decibels,
        (GATE_OFF_DB, -20.0, GATE_OFF_DB, 1.0),
        "Silences the input below this level, in decibels, so that room noise does not turn into breaths. Fully left is off.",
    ),
    float(
        ParamId::Mix,
        "mix",
        "Mix",
        "Mix",
        Unit::Percent,
        (0.0, 1.0, 1.0, 0.01),
        "Share of the converted voice, in percent. The dry voice is delayed to stay in time with it.",
    ),
    float(
        ParamId::InGain,
        "in_gain",
        "Input gain",
        "In",
        Unit::Decibels,
        (-24.0, 24.0, 0.0, 0.5),
        "Gain before the converter, in decibels. Aim for peaks between −18 and −6 dB.",
    ),
    float(
        ParamId::OutGain,
        "out_gain",
        "Output gain",
        "Out",
        Unit::Decibels,
        (-24.0, 24.0, 0.0, 0.5),
        "Gain of the sound that leaves, in decibels.",
    ),
    switch(
        ParamId::Bypass,
        "bypass",
        "Bypass",
        0.0,
        "Lets your own voice through, delayed as the converted one is, so that nothing jumps.",
    ),
    ParamSpec {
        param: ParamId::DelayMode,
        id: "delay_mode",
        name: "Delay mode",
        label: "Delay",
        kind: ParamKind::Choice(DELAY_MODES),
        unit: Unit::None,
        min: 0.0,
        max: 1.0,
        default: 0.0,
        step: 1.0,
        help: "Low keeps the delay short. Safe spends more delay so that a busy machine does not drop out.",
    },
];

impl ParamId {
    /// All parameters, in the table's order.
    pub fn all() -> impl Iterator<Item = ParamId> {
        PARAMS.iter().map(|spec| spec.param)
    }

    /// Its place in the table.
    pub fn index(self) -> usize {
        self as usize
    }

    /// What there is to know about it.
    pub fn spec(self) -> &'static ParamSpec {
        &PARAMS[self.index()]
    }

    /// The parameter with this stable identifier.
    pub fn from_id(id: &str) -> Option<ParamId> {
        PARAMS
            .iter()
            .find(|spec| spec.id == id)
            .map(|spec| spec.param)
    }

    /// Whether it belongs to the sound (and so to presets, undo and A/B) and not to the session.
    pub fn is_sound(self) -> bool {
        !matches!(
            self,
            Self::Voice | Self::InGain | Self::OutGain | Self::Bypass | Self::DelayMode
        )
    }
}

impl ParamSpec {
    /// The nearest value the parameter can take; a NaN becomes the default.
    pub fn clamp(&self, value: f32) -> f32 {
        if value.is_nan() {
            return self.default;
        }
        let value = value.clamp(self.min, self.max);
        match self.kind {
            ParamKind::Float => value,
            _ => value.round(),
        }
    }

    /// 0 to 1 over the range.
    pub fn normalise(&self, value: f32) -> f32 {
        (self.clamp(value) - self.min) / (self.max - self.min)
    }

    /// The value at a place between 0 and 1 of the range.
    pub fn at(&self, share: f32) -> f32 {
        self.clamp(self.min + share * (self.max - self.min))
    }

    /// Whether the range runs to both sides of the default, so that a control fills from there.
    pub fn is_bipolar(&self) -> bool {
        self.default > self.min && self.default < self.max
    }

    /// The value in words and units, as the panel, hosts and screen readers show it.
    pub fn format(&self, value: f32) -> String {
        let value = self.clamp(value);
        match self.kind {
            ParamKind::Bool => return if value > 0.5 { "On" } else { "Off" }.into(),
            ParamKind::Choice(words) => {
                return words
                    .get(value as usize)
                    .copied()
                    .unwrap_or_default()
                    .into();
            }
            ParamKind::Int => return format!("{}", value as i32),
            ParamKind::Float => {}
        }
        match self.unit {
            Unit::None => format!("{value:.2}"),
            Unit::Percent => format!("{:.0} %", value * 100.0),
            Unit::Decibels if self.param == ParamId::Gate && value <= GATE_OFF_DB => "Off".into(),
            Unit::Decibels => {
                let text = format!("{:.1} dB", value.abs());
                format!(
                    "{}{text}",
                    sign(value, 0.05, self.min < 0.0 && self.max > 0.0)
                )
            }
            Unit::Semitones => {
                let cents = (value * 100.0).round() as i32;
                let (whole, rest) = (cents.abs() / 100, cents.abs() % 100);
                let sign = sign(cents as f32, 0.5, true);
                if whole == 0 && rest != 0 {
                    format!("{sign}{rest} ct")
                } else if rest == 0 {
                    format!("{sign}{whole} st")
                } else {
                    format!("{sign}{whole} st {rest:02} ct")
                }
            }
        }
    }

    /// Reads what a person types: `"3"`, `"+3 st 25 ct"`, `"-25ct"`, `"40%"`, `"−12 dB"`, `"off"`,
    /// a comma for the point. The result is inside the range. `None`: it is no value at all.
    pub fn parse(&self, text: &str) -> Option<f32> {
        let text = text
            .trim()
            .to_lowercase()
            .replace('−', "-")
            .replace(',', ".");
        match self.kind {
            ParamKind::Bool => {
                return match text.as_str() {
                    "on" | "yes" | "true" | "1" => Some(1.0),
                    "off" | "no" | "false" | "0" => Some(0.0),
                    _ => None,
                };
            }
            ParamKind::Choice(words) => {
                let found = words.iter().position(|word| word.to_lowercase() == text);
                return found
                    .map(|index| index as f32)
                    .or_else(|| Some(self.clamp(text.parse().ok()?)));
            }
            _ => {}
        }
        if self.param == ParamId::Gate && text == "off" {
            return Some(GATE_OFF_DB);
        }
        let value = match self.unit {
            Unit::Percent => text.trim_end_matches('%').trim().parse::<f32>().ok()? / 100.0,
            Unit::Decibels => text.trim_end_matches("db").trim().parse().ok()?,
            Unit::Semitones => parse_semitones(&text)?,
            Unit::None => text.parse().ok()?,
        };
        value.is_finite().then(|| self.clamp(value))
    }
}

/// "+", "−" or nothing; values that are shown as zero get none.
fn sign(value: f32, zero_below: f32, show_plus: bool) -> &'static str {
    if value <= -zero_below {
        "−"
    } else if value >= zero_below && show_plus {
        "+"
    } else {
        ""
    }
}

fn parse_semitones(text: &str) -> Option<f32> {
    let negative = text.starts_with('-');
    let text = text.trim_start_matches(['-', '+']).trim();
    let (semitones, cents) = match text.split_once("st") {
        Some((semitones, cents)) => (semitones.trim().parse::<f32>().ok()?, cents.trim()),
        None if text.ends_with("ct") => (0.0, text),
        None => (text.parse::<f32>().ok()?, ""),
    };
    let cents = match cents.trim_end_matches("ct").trim() {
        "" => 0.0,
        cents => cents.parse::<f32>().ok()?,
    };
    let value = semitones + cents / 100.0;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_ids() {
        for (index, spec) in PARAMS.iter().enumerate() {
            assert_eq!(spec.param.index(), index);
            assert_eq!(ParamId::from_id(spec.id), Some(spec.param));
            assert!(
                spec.min <= spec.default && spec.default <= spec.max,
                "{}",
                spec.id
            );
            assert!(spec.help.ends_with('.'), "{} has no sentence", spec.id);
        }
    }

    #[test]
    fn what_is_written_can_be_read_back() {
        for spec in &PARAMS {
            for step in 0..=40 {
                let value = spec.at(step as f32 / 40.0);
                let text = spec.format(value);
                let back = spec
                    .parse(&text)
                    .unwrap_or_else(|| panic!("{}: {text}", spec.id));
                assert!(
                    (back - value).abs() <= 0.051,
                    "{}: {value} → {text} → {back}",
                    spec.id
                );
            }
        }
    }

    #[test]
    fn typed_values_are_read_generously() {
        let pitch = ParamId::Pitch.spec();
        assert_eq!(pitch.parse("-3 st 50 ct"), Some(-3.5));
        assert_eq!(pitch.parse("-25ct"), Some(-0.25));
        assert_eq!(pitch.parse("2,5"), Some(2.5));
        assert_eq!(pitch.parse("99"), Some(24.0));
        assert_eq!(pitch.parse("high"), None);
        assert_eq!(ParamId::Gate.spec().parse("off"), Some(GATE_OFF_DB));
        assert_eq!(ParamId::OutGain.spec().parse("−6 dB"), Some(-6.0));
        assert_eq!(ParamId::Mix.spec().parse("40"), Some(0.4));
        assert_eq!(ParamId::DelayMode.spec().parse("safe"), Some(1.0));
        assert_eq!(ParamId::Pitch.spec().format(-0.001), "0 st");
        assert_eq!(ParamId::OutGain.spec().format(-0.01), "0.0 dB");
    }
}
