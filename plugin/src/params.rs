//! Every parameter of the plugin, and why it is there. Names, ranges, units and words come from the
//! panel's table ([`mien_panel::PARAMS`]), so that host and panel say the same.
//!
//! The voice is the one thing that is not only a parameter. A host can automate the number of a
//! voice, but a number means another voice in another version of a pack, so the state keeps the
//! voice's *name* in [`Selection`]; see [`crate::engine::selection`] for how the two follow each
//! other.

use std::sync::{Arc, Mutex, PoisonError};

use mien_face::{Controls, EMOTIONS, MORPH_SLOTS, Voice};
use mien_panel::{ParamId, Unit};
use nice_plug::prelude::*;
use serde::{Deserialize, Serialize};

/// Highest value of the `voice` parameter: hosts want a fixed range, whatever the pack holds.
pub const LAST_VOICE: i32 = 31;

/// Value of the `gate` parameter, in dB, at and below which the gate is off.
pub const GATE_OFF_DB: f32 = mien_panel::params::GATE_OFF_DB;

/// How much time is kept in hand for the converter.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DelayMode {
    /// As little as a machine with a core to spare needs.
    #[id = "low"]
    #[name = "Low"]
    Low,
    /// 20 ms more, for a busy machine.
    #[id = "safe"]
    #[name = "Safe"]
    Safe,
}

/// Which voices are heard, by name, so that the state survives another order of voices in a pack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Name of the pack; empty for the first one found.
    pub pack: String,
    /// The voices to mix, at most [`MORPH_SLOTS`]; empty for the one that the `voice` parameter
    /// names by its number.
    pub slots: Vec<Slot>,
    /// Value of the `voice` parameter that these slots belong to. When the parameter moves away
    /// from it, somebody chose another voice, and the slots follow.
    pub parameter: i32,
    /// Those of the slots' voices that the user made, with their embeddings, so that the state
    /// sounds the same on a machine that does not have them.
    pub own: Vec<Voice>,
}

/// One voice of a mix.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slot {
    /// Name of the voice in the pack.
    pub voice: String,
    /// Its share, ≥ 0.
    pub weight: f32,
}

/// Names of the loaded pack's voices, for the host's display of the `voice` parameter.
#[derive(Default)]
pub struct VoiceNames(Mutex<(Vec<String>, Selection)>);

impl VoiceNames {
    /// Keeps the names of the voices in the pack's order, and what is selected of them.
    pub fn set(&self, names: Vec<String>, selection: Selection) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (names, selection);
    }

    /// The name that a value of the `voice` parameter stands for. While the value is the one that
    /// the selection belongs to, this is the selected voice's, wherever it now is in the pack.
    fn name(&self, value: i32) -> String {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (names, selection) = &*held;
        let selected = selection.slots.first();
        match (selected, names.get(value as usize)) {
            (Some(slot), _) if selection.parameter == value && names.contains(&slot.voice) => {
                slot.voice.clone()
            }
            (_, Some(name)) => name.clone(),
            _ => format!("Voice {}", value + 1),
        }
    }

    /// The value whose voice has this name, or the number that the text is.
    fn value(&self, text: &str) -> Option<i32> {
        let text = text.trim();
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let named = |name: &String| name.eq_ignore_ascii_case(text);
        if let Some(index) = held.0.iter().position(named) {
            return Some(index as i32);
        }
        let number = text.strip_prefix("Voice ").unwrap_or(text);
        number.parse::<i32>().ok().map(|number| number - 1)
    }
}

/// The plugin's parameters and the rest of its saved state.
#[derive(Params)]
pub struct MienParams {
    /// Kept by name; the audio thread never looks at it.
    #[persist = "selection"]
    pub selection: Arc<Mutex<Selection>>,

    /// Number of the voice in the loaded pack, so that a host can automate it.
    #[id = "voice"]
    pub voice: IntParam,

    /// One weight per emotion, in the order of [`EMOTIONS`]: a mix of them is a point in the
    /// emotion space.
    #[id = "emo_happy"]
    pub happy: FloatParam,
    /// See [`Self::happy`].
    #[id = "emo_sad"]
    pub sad: FloatParam,
    /// See [`Self::happy`].
    #[id = "emo_angry"]
    pub angry: FloatParam,
    /// See [`Self::happy`].
    #[id = "emo_fearful"]
    pub fearful: FloatParam,
    /// See [`Self::happy`].
    #[id = "emo_surprised"]
    pub surprised: FloatParam,
    /// See [`Self::happy`].
    #[id = "emo_disgusted"]
    pub disgusted: FloatParam,
    /// See [`Self::happy`].
    #[id = "emo_calm"]
    pub calm: FloatParam,
    /// Scales all emotions together, so that a performer can ride one fader.
    #[id = "strength"]
    pub strength: FloatParam,

    /// Transposition in semitones on top of the automatic match.
    #[id = "pitch"]
    pub pitch: FloatParam,
    /// Shift of the vocal tract's resonances in semitones: size of the speaker.
    #[id = "formant"]
    pub formant: FloatParam,
    /// Pitch movement: 0 monotone, 1 as spoken, 2 doubled.
    #[id = "intonation"]
    pub intonation: FloatParam,
    /// Part of breath and fricatives.
    #[id = "breath"]
    pub breath: FloatParam,
    /// Moves the speaker's mean pitch to the target's; off for singing.
    #[id = "auto_pitch"]
    pub auto_pitch: BoolParam,

    /// Level under which the input is silenced before conversion, so that room noise does not
    /// turn into breaths.
    #[id = "gate"]
    pub gate: FloatParam,
    /// 0 the voice that came in, 1 the converted one.
    #[id = "mix"]
    pub mix: FloatParam,
    /// Gain before everything, in dB.
    #[id = "in_gain"]
    pub in_gain: FloatParam,
    /// Gain after everything, in dB.
    #[id = "out_gain"]
    pub out_gain: FloatParam,
    /// The host's bypass: the input, delayed by the reported latency and otherwise untouched.
    #[id = "bypass"]
    pub bypass: BoolParam,
    /// Changes the latency, so it restarts the plugin and cannot be automated.
    #[id = "delay_mode"]
    pub delay_mode: EnumParam<DelayMode>,
}

impl MienParams {
    /// The parameters at their defaults; `names` gives the voices' names to the host.
    pub fn new(names: Arc<VoiceNames>) -> Self {
        let (to_text, to_value) = (names.clone(), names);
        Self {
            selection: Arc::default(),
            voice: IntParam::new(
                ParamId::Voice.spec().name,
                0,
                IntRange::Linear {
                    min: 0,
                    max: LAST_VOICE,
                },
            )
            .with_value_to_string(Arc::new(move |value| to_text.name(value)))
            .with_string_to_value(Arc::new(move |text| to_value.value(text))),
            happy: float(ParamId::EmoHappy),
            sad: float(ParamId::EmoSad),
            angry: float(ParamId::EmoAngry),
            fearful: float(ParamId::EmoFearful),
            surprised: float(ParamId::EmoSurprised),
            disgusted: float(ParamId::EmoDisgusted),
            calm: float(ParamId::EmoCalm),
            strength: float(ParamId::Strength),
            pitch: float(ParamId::Pitch),
            formant: float(ParamId::Formant),
            intonation: float(ParamId::Intonation),
            breath: float(ParamId::Breath),
            auto_pitch: BoolParam::new(ParamId::AutoPitch.spec().name, true),
            gate: float(ParamId::Gate),
            mix: float(ParamId::Mix),
            in_gain: float(ParamId::InGain),
            out_gain: float(ParamId::OutGain),
            bypass: BoolParam::new(ParamId::Bypass.spec().name, false).make_bypass(),
            delay_mode: EnumParam::new(ParamId::DelayMode.spec().name, DelayMode::Low)
                .non_automatable(),
        }
    }

    /// The framework's pointer to a parameter. It is valid as long as `self`.
    pub fn pointer(&self, param: ParamId) -> ParamPtr {
        match param {
            ParamId::Voice => self.voice.as_ptr(),
            ParamId::EmoHappy => self.happy.as_ptr(),
            ParamId::EmoSad => self.sad.as_ptr(),
            ParamId::EmoAngry => self.angry.as_ptr(),
            ParamId::EmoFearful => self.fearful.as_ptr(),
            ParamId::EmoSurprised => self.surprised.as_ptr(),
            ParamId::EmoDisgusted => self.disgusted.as_ptr(),
            ParamId::EmoCalm => self.calm.as_ptr(),
            ParamId::Strength => self.strength.as_ptr(),
            ParamId::Pitch => self.pitch.as_ptr(),
            ParamId::Formant => self.formant.as_ptr(),
            ParamId::Intonation => self.intonation.as_ptr(),
            ParamId::Breath => self.breath.as_ptr(),
            ParamId::AutoPitch => self.auto_pitch.as_ptr(),
            ParamId::Gate => self.gate.as_ptr(),
            ParamId::Mix => self.mix.as_ptr(),
            ParamId::InGain => self.in_gain.as_ptr(),
            ParamId::OutGain => self.out_gain.as_ptr(),
            ParamId::Bypass => self.bypass.as_ptr(),
            ParamId::DelayMode => self.delay_mode.as_ptr(),
        }
    }

    /// A parameter's present value, plain.
    pub fn value(&self, param: ParamId) -> f32 {
        // SAFETY: `self` outlives the pointers.
        unsafe {
            let pointer = self.pointer(param);
            pointer.preview_plain(pointer.unmodulated_normalized_value())
        }
    }

    /// Sets a parameter to a plain value, where no host does it. Real-time safe.
    pub fn set(&self, param: ParamId, value: f32) {
        let pointer = self.pointer(param);
        // SAFETY: `self` outlives the pointer; values are atomics.
        unsafe {
            pointer._internal_set_normalized_value(pointer.preview_normalized(value));
        }
    }

    /// The emotion weights in the order of [`EMOTIONS`].
    pub fn emotions(&self) -> [&FloatParam; EMOTIONS.len()] {
        [
            &self.happy,
            &self.sad,
            &self.angry,
            &self.fearful,
            &self.surprised,
            &self.disgusted,
            &self.calm,
        ]
    }

    /// What the engine needs of the parameters' present values. Real-time safe.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            voice: self.voice.value(),
            controls: Controls {
                voices: Default::default(),
                emotions: self.emotions().map(FloatParam::value),
                strength: self.strength.value(),
                pitch_semitones: self.pitch.value(),
                formant_semitones: self.formant.value(),
                intonation: self.intonation.value(),
                breath: self.breath.value(),
                auto_pitch: u32::from(self.auto_pitch.value()),
            },
        }
    }
}

/// The parameters as the engine thread reads them, once a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// Value of the `voice` parameter.
    pub voice: i32,
    /// The rest; its `voices` are filled in by the engine thread.
    pub controls: Controls,
}

impl Default for Snapshot {
    fn default() -> Self {
        let controls = Controls {
            voices: Default::default(),
            ..Controls::default()
        };
        Self { voice: 0, controls }
    }
}

/// A continuous parameter, as the panel's table has it. Its text is a number and a unit, since hosts
/// and their scripts read numbers; what is typed is read as generously as in the panel.
fn float(param: ParamId) -> FloatParam {
    let spec = param.spec();
    let range = FloatRange::Linear {
        min: spec.min,
        max: spec.max,
    };
    let parameter = FloatParam::new(spec.name, spec.default, range)
        .with_string_to_value(Arc::new(|text| spec.parse(text)));
    match spec.unit {
        Unit::Percent => parameter
            .with_unit(" %")
            .with_value_to_string(formatters::v2s_f32_percentage(1)),
        Unit::Semitones => parameter
            .with_unit(" st")
            .with_value_to_string(formatters::v2s_f32_rounded(2)),
        Unit::Decibels => parameter
            .with_unit(" dB")
            .with_value_to_string(formatters::v2s_f32_rounded(1)),
        Unit::None => parameter.with_value_to_string(formatters::v2s_f32_rounded(2)),
    }
}

const _: () = assert!(MORPH_SLOTS <= LAST_VOICE as usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_is_shown_by_name_wherever_it_moved() {
        let names = VoiceNames::default();
        assert_eq!(names.name(2), "Voice 3");
        let selection = Selection {
            slots: vec![Slot {
                voice: "Ada".into(),
                weight: 1.0,
            }],
            parameter: 0,
            ..Selection::default()
        };
        names.set(vec!["Ben".into(), "Ada".into()], selection);
        assert_eq!(names.name(0), "Ada");
        assert_eq!(names.name(1), "Ada");
        assert_eq!(names.value("ben"), Some(0));
        assert_eq!(names.value("Voice 4"), Some(3));
    }

    #[test]
    fn defaults_are_the_face_s_neutral_controls() {
        let params = MienParams::new(Arc::default());
        assert_eq!(params.snapshot(), Snapshot::default());
    }

    #[test]
    fn host_and_panel_agree() {
        let params = MienParams::new(Arc::default());
        let map = params.param_map();
        assert_eq!(map.len(), mien_panel::PARAM_COUNT);
        for (id, pointer, _) in map {
            let param = ParamId::from_id(&id).expect("in the panel's table");
            assert_eq!(params.pointer(param), pointer, "{id}");
            let spec = param.spec();
            // SAFETY: `params` is alive.
            unsafe {
                assert_eq!(pointer.name(), spec.name);
                assert_eq!(pointer.preview_plain(0.0), spec.min, "{id}");
                assert_eq!(pointer.preview_plain(1.0), spec.max, "{id}");
                assert_eq!(params.value(param), spec.default, "{id}");
            }
        }
    }
}
