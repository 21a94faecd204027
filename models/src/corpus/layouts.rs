//! Readers of the layouts that people have on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{Recording, emotion_name};

const SOUND: [&str; 6] = ["wav", "flac", "ogg", "mp3", "m4a", "opus"];

/// Reads a corpus: a `manifest.csv` (or a folder that holds one), LibriSpeech, VCTK, ESD,
/// RAVDESS, or else a folder per speaker. The layout is recognised by its files.
///
/// # Errors
/// When the folder cannot be read, or holds no recordings that a layout explains.
pub fn read(path: &Path) -> Result<Vec<Recording>> {
    let manifest = if path.is_dir() {
        path.join("manifest.csv")
    } else {
        path.to_owned()
    };
    let mut recordings = if manifest.is_file() {
        read_manifest(&manifest)?
    } else {
        let files = sound_files(path)?;
        let corpus = file_name(path);
        let genders = genders(path);
        files
            .iter()
            .filter(|file| !is_second_microphone(file))
            .filter_map(|file| describe(path, file, &corpus))
            .map(|mut recording| {
                if let Some(gender) = genders.get(&recording.speaker) {
                    recording.gender = (*gender).into();
                }
                recording
            })
            .collect()
    };
    if recordings.is_empty() {
        bail!(
            "{path:?} holds no recordings: give a manifest.csv, a LibriSpeech, VCTK, ESD or RAVDESS folder, or a folder per speaker with {} files",
            SOUND.join("/")
        );
    }
    recordings.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(recordings)
}

fn read_manifest(path: &Path) -> Result<Vec<Recording>> {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Row {
        path: String,
        corpus: String,
        speaker: String,
        gender: String,
        language: String,
        emotion: String,
        intensity: String,
        text: String,
        licence: String,
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut reader =
        csv::Reader::from_path(path).with_context(|| format!("cannot read {path:?}"))?;
    let mut recordings = Vec::new();
    for (line, row) in reader.deserialize::<Row>().enumerate() {
        let row = row.with_context(|| {
            format!(
                "{path:?}, record {}: it needs the columns path, corpus, speaker",
                line + 1
            )
        })?;
        recordings.push(Recording {
            path: folder.join(&row.path),
            key: row.path,
            corpus: row.corpus,
            speaker: row.speaker,
            gender: row.gender,
            language: row.language,
            emotion: emotion_name(&row.emotion).into(),
            intensity: row.intensity,
            text: row.text,
            licence: row.licence,
        });
    }
    Ok(recordings)
}

fn sound_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in
            fs::read_dir(&next).with_context(|| format!("cannot read the folder {next:?}"))?
        {
            let path = entry?.path();
            let extension = path
                .extension()
                .and_then(|e| e.to_str())
                .map(str::to_ascii_lowercase);
            if path.is_dir() {
                folders.push(path);
            } else if extension.is_some_and(|e| SOUND.contains(&e.as_str())) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// One file by its place and name; `None` where it lies directly in the corpus folder.
fn describe(root: &Path, file: &Path, corpus: &str) -> Option<Recording> {
    let key = file
        .strip_prefix(root)
        .ok()?
        .to_string_lossy()
        .replace('\\', "/");
    let stem = file.file_stem()?.to_str()?.to_owned();
    let parent = file_name(file.parent()?);
    let base = Recording {
        path: file.to_owned(),
        corpus: corpus.into(),
        ..Default::default()
    };
    let fields: Vec<&str> = stem.split('-').collect();
    let numbers = |wanted: usize| {
        fields.len() == wanted && fields.iter().all(|f| f.bytes().all(|b| b.is_ascii_digit()))
    };
    if numbers(7) {
        return Some(ravdess(base, key, &fields));
    }
    if numbers(3) {
        return Some(Recording {
            speaker: format!("libri-{}", fields[0]),
            language: "en".into(),
            emotion: "neutral".into(),
            text: librispeech_text(file, &stem),
            key,
            ..base
        });
    }
    if let Some((speaker, _)) = stem.split_once('_') {
        let parts: Vec<&str> = key.split('/').collect();
        if speaker.starts_with(['p', 's'])
            && speaker[1..].parse::<u32>().is_ok()
            && parent == speaker
        {
            return Some(Recording {
                speaker: format!("vctk-{speaker}"),
                language: "en".into(),
                emotion: "neutral".into(),
                text: vctk_text(file, speaker, &stem),
                key,
                ..base
            });
        }
        // ESD: 0011/Angry/0011_000351.wav, or one folder deeper for its splits.
        let emotion = parts
            .iter()
            .map(|p| emotion_name(p))
            .find(|e| !e.is_empty());
        if let (4, Ok(number), Some(emotion)) = (speaker.len(), speaker.parse::<u32>(), emotion) {
            return Some(Recording {
                speaker: format!("esd-{speaker}"),
                language: if number > 10 { "en" } else { "zh" }.into(),
                emotion: emotion.into(),
                text: esd_text(file, speaker, &stem),
                key,
                ..base
            });
        }
    }
    let speaker = key.split_once('/')?.0.to_owned();
    Some(Recording {
        speaker: format!("{corpus}-{speaker}"),
        key,
        ..base
    })
}

/// RAVDESS: modality-channel-emotion-intensity-statement-repetition-actor; odd actors are men.
fn ravdess(base: Recording, key: String, fields: &[&str]) -> Recording {
    let emotions = [
        "neutral",
        "calm",
        "happy",
        "sad",
        "angry",
        "fearful",
        "disgusted",
        "surprised",
    ];
    let emotion = fields[2]
        .parse::<usize>()
        .ok()
        .and_then(|n| emotions.get(n.checked_sub(1)?));
    let odd = fields[6].parse::<u32>().is_ok_and(|n| n % 2 == 1);
    let intensity = match fields[3] {
        "01" => "normal",
        "02" => "strong",
        _ => "",
    };
    let text = match fields[4] {
        "01" => "kids are talking by the door",
        "02" => "dogs are sitting by the door",
        _ => "",
    };
    Recording {
        speaker: format!("ravdess-{}", fields[6]),
        gender: if odd { "m" } else { "f" }.into(),
        language: "en".into(),
        emotion: emotion.copied().unwrap_or_default().into(),
        intensity: intensity.into(),
        text: text.into(),
        key,
        ..base
    }
}

fn librispeech_text(file: &Path, stem: &str) -> String {
    let chapter = stem.rsplit_once('-').map_or(stem, |(chapter, _)| chapter);
    listed(&file.with_file_name(format!("{chapter}.trans.txt")), stem).to_lowercase()
}

/// What a list of texts has behind a recording's name; empty where it does not have it.
fn listed(list: &Path, stem: &str) -> String {
    // ESD's lists of Chinese speakers are not all UTF-8.
    let list = fs::read(list).unwrap_or_default();
    let list = String::from_utf8_lossy(&list);
    let line = list.lines().find_map(|line| line.strip_prefix(stem));
    line.unwrap_or_default().trim().to_owned()
}

fn vctk_text(file: &Path, speaker: &str, stem: &str) -> String {
    let root = file.ancestors().nth(3);
    let name = stem.trim_end_matches("_mic1").trim_end_matches("_mic2");
    let path = root.map(|root| root.join("txt").join(speaker).join(format!("{name}.txt")));
    path.and_then(|p| fs::read_to_string(p).ok())
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// ESD has a list in each speaker's folder: name, text and emotion, parted by tabs.
fn esd_text(file: &Path, speaker: &str, stem: &str) -> String {
    let folder = file.ancestors().find(|a| file_name(a) == speaker);
    let list = folder.map(|f| listed(&f.join(format!("{speaker}.txt")), stem));
    let text = list.unwrap_or_default();
    text.split('\t')
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// VCTK says all twice, once a microphone; the first is the one in use.
fn is_second_microphone(file: &Path) -> bool {
    let name = file_name(file);
    name.contains("_mic2.")
        && file
            .with_file_name(name.replace("_mic2.", "_mic1."))
            .is_file()
}

/// Genders by speaker, from the tables that LibriSpeech (`SPEAKERS.TXT`) and VCTK (`speaker-info.txt`) have in
/// their root, which may be the folder above the one that was given.
fn genders(root: &Path) -> BTreeMap<String, &'static str> {
    let table = |name: &str| {
        let mut places = root.ancestors().take(2);
        places.find_map(|folder| fs::read_to_string(folder.join(name)).ok())
    };
    let gender = |field: Option<&str>| match field?.trim() {
        "F" => Some("f"),
        "M" => Some("m"),
        _ => None,
    };
    let mut genders = BTreeMap::new();
    for line in table("SPEAKERS.TXT").unwrap_or_default().lines() {
        let mut fields = line.split('|');
        let speaker = fields.next().unwrap_or_default().trim();
        if let Some(gender) = gender(fields.next()) {
            genders.insert(format!("libri-{speaker}"), gender);
        }
    }
    for line in table("speaker-info.txt").unwrap_or_default().lines() {
        let mut fields = line.split_whitespace();
        let speaker = fields.next().unwrap_or_default();
        if let Some(gender) = gender(fields.nth(1)) {
            // Its first edition writes 225 for p225.
            let p = if speaker.starts_with(['p', 's']) {
                ""
            } else {
                "p"
            };
            genders.insert(format!("vctk-{p}{speaker}"), gender);
        }
    }
    genders
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        root
    }

    #[test]
    fn recognises_each_layout() {
        let root = tree(&[
            "84/121123/84-121123-0001.flac",
            "Actor_04/03-01-05-02-01-01-04.wav",
            "wav48/p225/p225_001_mic1.flac",
            "wav48/p225/p225_001_mic2.flac",
            "0011/Angry/0011_000351.wav",
            "anna/one.mp3",
        ]);
        fs::write(
            root.path().join("84/121123/84-121123.trans.txt"),
            "84-121123-0001 HELLO YOU\n",
        )
        .unwrap();
        let tables = [
            (
                "SPEAKERS.TXT",
                "; ID |SEX| SUBSET\n84   | F | dev-clean | 8.02 | C\n",
            ),
            (
                "speaker-info.txt",
                "ID  AGE  GENDER  ACCENTS\np225  23  M    English\n",
            ),
            ("0011/0011.txt", "0011_000351\tThe nine the eggs.\tAngry\n"),
            ("txt/p225/p225_001.txt", "Please call Stella.\n"),
        ];
        for (path, text) in tables {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let all = read(root.path()).unwrap();
        let by = |part: &str| all.iter().find(|r| r.key.contains(part)).unwrap();
        assert_eq!(
            (by("84-12").speaker.as_str(), by("84-12").text.as_str()),
            ("libri-84", "hello you")
        );
        let actor = by("Actor");
        assert_eq!(
            (actor.emotion.as_str(), actor.gender.as_str()),
            ("angry", "f")
        );
        let reader = by("p225");
        assert_eq!(
            [&reader.speaker, &reader.text, &reader.gender],
            ["vctk-p225", "Please call Stella.", "m"]
        );
        assert!(all.iter().all(|r| !r.key.contains("mic2")));
        assert_eq!(by("84-12").gender, "f");
        assert_eq!(by("0011").text, "The nine the eggs.");
        assert_eq!(
            (by("0011").speaker.as_str(), by("0011").emotion.as_str()),
            ("esd-0011", "angry")
        );
        assert!(by("anna").speaker.ends_with("-anna"));
    }

    #[test]
    fn an_empty_folder_says_what_to_give() {
        let root = tree(&["notes.txt"]);
        assert!(
            read(root.path())
                .unwrap_err()
                .to_string()
                .contains("manifest.csv")
        );
    }
}
