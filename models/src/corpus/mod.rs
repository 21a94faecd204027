//! Speech on disk: what there is, who speaks, what feeling, what words.

mod layouts;

pub use layouts::read;

use std::collections::BTreeMap;
use std::path::PathBuf;

/// One recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// The file.
    pub path: PathBuf,
    /// Path inside its corpus: the key in feature caches.
    pub key: String,
    /// Name of the corpus.
    pub corpus: String,
    /// Unique name of the speaker; empty where unknown.
    pub speaker: String,
    /// `"f"`, `"m"` or empty.
    pub gender: String,
    /// Language tag such as `en`; empty where unknown.
    pub language: String,
    /// One of [`mien_face::EMOTIONS`] or `neutral`; empty where unknown.
    pub emotion: String,
    /// How strongly a feeling is acted: `strong`, `normal`, or empty where unknown.
    pub intensity: String,
    /// What is said, where known.
    pub text: String,
    /// Licence, as the corpus's manifest tells it; empty where unknown.
    pub licence: String,
}

/// What is said, so far that an actor's takes of the same words can be found: the text, or the sentence's
/// number in the file names of EmoDB (`03a01Fa`: sentence `a01`) and SAVEE, whose first three
/// sentences are said with every feeling (`sa02`). Empty where unknown.
pub fn sentence(recording: &Recording) -> String {
    if !recording.text.is_empty() {
        return recording.text.to_lowercase();
    }
    let name = recording.path.file_stem().and_then(|s| s.to_str());
    let name = name.unwrap_or_default();
    match recording.corpus.as_str() {
        "emodb" => name.get(2..5).unwrap_or_default().to_owned(),
        "savee" => {
            let number = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
            let common = matches!(number, "01" | "02" | "03");
            if common {
                number.to_owned()
            } else {
                String::new()
            }
        }
        _ => String::new(),
    }
}

/// Index of an emotion for the networks: 0 is neutral (or unknown), 1 + i is `EMOTIONS[i]`.
pub fn emotion_index(name: &str) -> i64 {
    mien_face::EMOTIONS
        .iter()
        .position(|&e| e == name)
        .map_or(0, |i| i as i64 + 1)
}

/// The project's name for a corpus's own word for an emotion.
pub fn emotion_name(word: &str) -> &'static str {
    match word.to_ascii_lowercase().as_str() {
        "happy" | "happiness" | "joy" | "amused" => "happy",
        "sad" | "sadness" => "sad",
        "angry" | "anger" => "angry",
        "fearful" | "fear" | "anxious" => "fearful",
        "surprised" | "surprise" => "surprised",
        "disgusted" | "disgust" => "disgusted",
        "calm" => "calm",
        "neutral" => "neutral",
        _ => "",
    }
}

/// Speakers kept away from training, `share` of each corpus's speakers (at least one where it has
/// three or more), chosen by a hash of the name, so that the choice never depends on order.
pub fn held_out_speakers(recordings: &[Recording], share: f64, named: &[String]) -> Vec<String> {
    let mut corpora: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for r in recordings.iter().filter(|r| !r.speaker.is_empty()) {
        let speakers = corpora.entry(&r.corpus).or_default();
        if !speakers.contains(&r.speaker.as_str()) {
            speakers.push(&r.speaker);
        }
    }
    let mut held: Vec<String> = named.to_vec();
    for speakers in corpora.values_mut() {
        let named_here = speakers
            .iter()
            .filter(|s| named.iter().any(|n| n == *s))
            .count();
        if named_here > 0 || speakers.len() < 3 || share <= 0.0 {
            continue;
        }
        speakers.sort_by_key(|name| fnv(name));
        let count = ((speakers.len() as f64 * share).round() as usize).max(1);
        held.extend(speakers.iter().take(count).map(|s| s.to_string()));
    }
    held.sort();
    held.dedup();
    held
}

/// Fowler-Noll-Vo hash (1a, 64 bit): the same on every machine and in every version.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(corpus: &str, speaker: &str) -> Recording {
        Recording {
            corpus: corpus.into(),
            speaker: speaker.into(),
            ..Default::default()
        }
    }

    #[test]
    fn held_out_speakers_do_not_depend_on_order_and_named_ones_win() {
        let mut all: Vec<Recording> = (0..20).map(|i| recording("a", &format!("s{i}"))).collect();
        all.extend((0..5).map(|i| recording("b", &format!("t{i}"))));
        let held = held_out_speakers(&all, 0.1, &["t3".into()]);
        assert_eq!(held.iter().filter(|s| s.starts_with('s')).count(), 2);
        assert_eq!(held.iter().filter(|s| s.starts_with('t')).count(), 1);
        assert!(held.contains(&"t3".to_string()));
        all.reverse();
        assert_eq!(held_out_speakers(&all, 0.1, &["t3".into()]), held);
    }

    #[test]
    fn every_emotion_has_an_index_and_neutral_is_zero() {
        assert_eq!(emotion_index("neutral"), 0);
        let indices: Vec<i64> = mien_face::EMOTIONS
            .iter()
            .map(|e| emotion_index(e))
            .collect();
        assert_eq!(indices, (1..=7).collect::<Vec<i64>>());
        assert_eq!(emotion_name("Surprise"), "surprised");
    }
}
