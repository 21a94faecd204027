//! Voices by name and voices by number.
//!
//! The state keeps names, the engine wants indices, and a host automates a number. The rules:
//!
//! * A selection belongs to one value of the `voice` parameter. While the parameter stays there, the
//!   names count, wherever they are in the pack now.
//! * When the parameter moves, somebody chose another voice by its number: the selection becomes
//!   that voice alone.
//! * A name that the pack does not have falls back to the first voice, and a note says so.

use mien_face::{MORPH_SLOTS, PackDescription, VoiceWeight};

use crate::params::{Selection, Slot};
use crate::shared::ResolvedVoices;

/// Looks the selection's names up in the pack; fills in the name where only a number is known. The
/// second part is a note about names that are not there, or empty.
pub fn resolve(selection: &mut Selection, pack: &PackDescription) -> (ResolvedVoices, String) {
    if selection.slots.is_empty() {
        follow(selection, selection.parameter, pack);
    }
    let mut weights = [VoiceWeight::default(); MORPH_SLOTS];
    let mut lost = Vec::new();
    let mut used = 0;
    for slot in selection.slots.iter().take(MORPH_SLOTS) {
        match pack
            .voices
            .iter()
            .position(|voice| voice.name == slot.voice)
        {
            Some(index) => {
                weights[used] = VoiceWeight {
                    index: index as u32,
                    weight: slot.weight,
                };
                used += 1;
            }
            None => lost.push(slot.voice.as_str()),
        }
    }
    let note = match (lost.is_empty(), used) {
        (true, _) => String::new(),
        (false, 0) => {
            let first = pack
                .voices
                .first()
                .map_or("none", |voice| voice.name.as_str());
            let lost = lost.join(", ");
            format!(
                "The pack {} has no voice {lost}; {first} speaks instead. Choose another.",
                pack.name
            )
        }
        (false, _) => {
            format!(
                "The pack {} has no voice {}; the others of the mix speak.",
                pack.name,
                lost.join(", ")
            )
        }
    };
    if used == 0 {
        weights[0] = VoiceWeight {
            index: 0,
            weight: 1.0,
        };
    }
    let count = pack.voices.len() as u32;
    (
        ResolvedVoices {
            parameter: selection.parameter,
            weights,
            count,
        },
        note,
    )
}

/// Makes the selection the one voice that the parameter names, unless it belongs to that value.
pub fn follow(selection: &mut Selection, parameter: i32, pack: &PackDescription) {
    if selection.parameter == parameter && !selection.slots.is_empty() {
        return;
    }
    selection.parameter = parameter;
    let last = pack.voices.len().saturating_sub(1);
    let voice = pack.voices.get((parameter.max(0) as usize).min(last));
    selection.slots = voice
        .map(|voice| Slot {
            voice: voice.name.clone(),
            weight: 1.0,
        })
        .into_iter()
        .collect();
}

/// The voices for a value of the parameter that the selection does not belong to.
pub fn single(parameter: i32, count: u32) -> [VoiceWeight; MORPH_SLOTS] {
    let index = (parameter.max(0) as u32).min(count.saturating_sub(1));
    let mut weights = [VoiceWeight::default(); MORPH_SLOTS];
    weights[0] = VoiceWeight { index, weight: 1.0 };
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use mien_face::Voice;

    fn pack(names: &[&str]) -> PackDescription {
        let voice = |name: &&str| Voice {
            name: name.to_string(),
            ..Voice::default()
        };
        let voices = names.iter().map(voice).collect();
        PackDescription {
            name: "P".into(),
            voices,
            ..PackDescription::default()
        }
    }

    #[test]
    fn a_name_survives_another_order() {
        let mut selection = Selection {
            parameter: 1,
            ..Selection::default()
        };
        let (voices, _) = resolve(&mut selection, &pack(&["Ada", "Ben", "Cleo"]));
        assert_eq!(voices.weights[0].index, 1);
        assert_eq!(selection.slots[0].voice, "Ben");
        let (voices, note) = resolve(&mut selection, &pack(&["Ben", "Cleo", "Ada"]));
        assert_eq!((voices.weights[0].index, note.as_str()), (0, ""));
        assert_eq!(voices.weights[0], single(0, 3)[0]);
    }

    #[test]
    fn an_unknown_name_is_the_first_voice_and_a_note() {
        let slots = vec![Slot {
            voice: "Zoe".into(),
            weight: 1.0,
        }];
        let mut selection = Selection {
            slots: slots.clone(),
            ..Selection::default()
        };
        let (voices, note) = resolve(&mut selection, &pack(&["Ada", "Ben"]));
        assert_eq!(voices.weights, single(0, 2));
        assert!(note.contains("Zoe") && note.contains("Ada"));
        assert_eq!(
            selection.slots, slots,
            "the state keeps the name, for when the pack is back"
        );
    }

    #[test]
    fn moving_the_parameter_chooses_by_number() {
        let pack = pack(&["Ada", "Ben"]);
        let mut selection = Selection::default();
        resolve(&mut selection, &pack);
        follow(&mut selection, 0, &pack);
        assert_eq!(selection.slots[0].voice, "Ada");
        follow(&mut selection, 31, &pack);
        assert_eq!(selection.slots[0].voice, "Ben");
        assert_eq!(single(31, 2)[0].index, 1);
    }
}
