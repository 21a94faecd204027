//! The clips of a report and the rows they are averaged in.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};

use super::discriminator::Discrimination;
use super::judges::{Judged, Verdict};
use super::measures::Measures;
use crate::train::features::Features;

/// What was done to a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Row {
    /// Nothing.
    Source,
    /// The vocoder alone: the same speaker again.
    Resynthesis,
    /// A WORLD-style shift of pitch and formants to the voice's mean pitch.
    World,
    /// The pack's conversion, without a feeling.
    Converted,
    /// The pack's conversion with a feeling.
    Performed,
}

impl Row {
    /// All rows, in the order of the table.
    pub const ALL: [Self; 5] = [
        Self::Source,
        Self::Resynthesis,
        Self::World,
        Self::Converted,
        Self::Performed,
    ];

    /// As the table and the report call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Resynthesis => "resynthesis",
            Self::World => "world",
            Self::Converted => "converted",
            Self::Performed => "performed",
        }
    }

    /// Whether the waveform of the source should come back.
    pub fn gives_back(self) -> bool {
        matches!(self, Self::Source | Self::Resynthesis)
    }
}

/// One recording that was converted.
#[derive(Debug)]
pub struct Source {
    /// Its file in the report's folder.
    pub path: PathBuf,
    /// Who speaks.
    pub speaker: String,
    /// What is said, where known.
    pub text: String,
    /// Its features.
    pub features: Features,
}

/// One sound of the report.
#[derive(Debug)]
pub struct Clip {
    /// What was done.
    pub row: Row,
    /// Index of the source.
    pub source: usize,
    /// The wanted voice; empty for the speaker's own.
    pub voice: String,
    /// The wanted feeling; `neutral` for none.
    pub emotion: String,
    /// Its strength, 0 to 100.
    pub strength: f32,
    /// Its file.
    pub path: PathBuf,
    /// Its features.
    pub features: Features,
    /// Against the source.
    pub measures: Measures,
    /// Our verifier's cosine to the wanted voice's own recordings.
    pub similarity: Option<f64>,
    /// What the outside judges said.
    pub judged: Option<Judged>,
}

impl Clip {
    /// Its entry in `report.json`.
    pub fn json(&self, sources: &[Source]) -> Value {
        json!({
            "row": self.row, "voice": self.voice, "emotion": self.emotion, "strength": self.strength,
            "speaker": sources[self.source].speaker, "text": sources[self.source].text,
            "path": file_name(&self.path), "source": file_name(&sources[self.source].path),
            "measures": self.measures, "similarity": self.similarity, "judged": self.judged,
        })
    }
}

/// The name of a file beside the report.
pub fn file_name(path: &std::path::Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The mean of a row's clips.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Which row.
    pub row: Row,
    /// Its clips.
    pub n: usize,
    /// Mean of every measure; those of waveforms only where they mean something.
    #[serde(flatten)]
    pub measures: Measures,
    /// Our verifier's similarity to the wanted voice.
    pub similarity: Option<f64>,
    /// What a fresh discriminator says.
    pub discrimination: Option<Discrimination>,
    /// What the outside judges say.
    pub judged: Option<Verdict>,
}

/// Averages each row that has clips.
pub fn summarise(clips: &[Clip]) -> Vec<Summary> {
    let one = |row: Row| {
        let own: Vec<&Clip> = clips.iter().filter(|c| c.row == row).collect();
        (!own.is_empty()).then(|| Summary {
            row,
            n: own.len(),
            measures: Measures::mean(own.iter().map(|c| &c.measures)),
            similarity: mean(own.iter().filter_map(|c| c.similarity)),
            discrimination: None,
            judged: Verdict::of(own.iter().filter_map(|c| c.judged.as_ref())),
        })
    };
    Row::ALL.into_iter().filter_map(one).collect()
}

/// Mean of values; `None` for none.
pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0.0);
    values.for_each(|v| {
        sum += v;
        count += 1.0;
    });
    (count > 0.0).then(|| sum / count)
}

/// Heads of the table's columns, with what a reader should know of each.
pub const COLUMNS: [(&str, &str); 17] = [
    (
        "f0 corr",
        "correlation of log pitch with the source, over frames voiced in both",
    ),
    (
        "f0 rmse st",
        "root mean square difference of log pitch in semitones, means taken out",
    ),
    (
        "voicing err",
        "share of audible frames whose voicing differs",
    ),
    ("loudness corr", "correlation of loudness with the source"),
    (
        "MCD dB",
        "mel-cepstral distortion; large by right where the voice is another",
    ),
    (
        "LSD dB",
        "multi-resolution log-spectral distance; large by right where the voice is another",
    ),
    (
        "wave corr",
        "correlation of the waveforms after alignment within ±20 ms",
    ),
    (
        "local corr",
        "the same in pieces of 40 ms, each aligned on its own",
    ),
    (
        "discr acc",
        "accuracy of a fresh discriminator on unheard crops; 0.5 is perfect",
    ),
    ("false acc", "share of made crops that pass as real"),
    (
        "verifier",
        "cosine of our verifier with the wanted voice's recordings",
    ),
    ("WER", "words an outside recogniser gets wrong"),
    (
        "to target",
        "Resemblyzer: cosine with the wanted voice's recordings",
    ),
    ("to source", "Resemblyzer: cosine with the source"),
    ("DNSMOS", "overall quality, 1 to 5"),
    ("P.808", "quality as listeners would rate it, 1 to 5"),
    (
        "emotion",
        "share of clips in which the openSMILE judge hears the wanted feeling",
    ),
];

impl Summary {
    /// The row's cells under [`COLUMNS`]; `–` where a figure was not taken or means nothing.
    pub fn cells(&self) -> Vec<String> {
        let m = &self.measures;
        let number = |value: Option<f64>, places: usize| {
            value.map_or("–".to_owned(), |v| format!("{v:.places$}"))
        };
        let waveform = |value| self.row.gives_back().then_some(value);
        let discrimination = self.discrimination;
        let judged = self.judged.as_ref();
        let percent =
            |value: Option<f64>| value.map_or("–".into(), |v| format!("{:.1} %", v * 100.0));
        vec![
            number(Some(m.log_f0_correlation), 3),
            number(Some(m.log_f0_rmse_semitones), 2),
            number(Some(m.voicing_error), 3),
            number(Some(m.loudness_correlation), 3),
            number(Some(m.mel_cepstral_distortion_db), 2),
            number(Some(m.spectral_distance_db), 2),
            number(waveform(m.waveform_correlation), 3),
            number(waveform(m.local_waveform_correlation), 3),
            number(discrimination.map(|d| d.accuracy), 3),
            number(discrimination.map(|d| d.false_accept_rate), 3),
            number(self.similarity, 3),
            percent(judged.and_then(|j| j.wer)),
            number(judged.and_then(|j| j.to_target), 3),
            number(judged.and_then(|j| j.to_source), 3),
            number(judged.and_then(|j| j.dnsmos), 2),
            number(judged.and_then(|j| j.p808), 2),
            percent(judged.and_then(|j| j.emotion_heard)),
        ]
    }
}

/// The table as text. Columns in which no row has a figure are left out.
pub fn table(rows: &[Summary]) -> String {
    let cells: Vec<Vec<String>> = rows.iter().map(Summary::cells).collect();
    let kept: Vec<usize> = shown_columns(&cells);
    let mut text = format!("{:12} {:>4}", "row", "n");
    for &column in &kept {
        text.push_str(&format!(" {:>13}", COLUMNS[column].0));
    }
    for (row, cells) in rows.iter().zip(&cells) {
        text.push_str(&format!("\n{:12} {:4}", row.row.name(), row.n));
        for &column in &kept {
            text.push_str(&format!(" {:>13}", cells[column]));
        }
    }
    text
}

/// Columns in which some row has a figure; the verifier's stays, so that its absence is seen.
pub fn shown_columns(cells: &[Vec<String>]) -> Vec<usize> {
    let told = |&c: &usize| COLUMNS[c].0 == "verifier" || cells.iter().any(|row| row[c] != "–");
    (0..COLUMNS.len()).filter(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(row: Row, correlation: f64) -> Clip {
        Clip {
            row,
            source: 0,
            voice: String::new(),
            emotion: "neutral".into(),
            strength: 0.0,
            path: "a.wav".into(),
            features: Features::default(),
            measures: Measures {
                log_f0_correlation: correlation,
                waveform_correlation: 0.5,
                ..Measures::default()
            },
            similarity: None,
            judged: None,
        }
    }

    #[test]
    fn rows_are_means_of_their_clips_in_order() {
        let clips = [
            clip(Row::Converted, 0.6),
            clip(Row::Source, 1.0),
            clip(Row::Converted, 0.8),
        ];
        let rows = summarise(&clips);
        assert_eq!(
            rows.iter().map(|r| r.row).collect::<Vec<_>>(),
            [Row::Source, Row::Converted]
        );
        assert_eq!(rows[1].n, 2);
        assert!((rows[1].measures.log_f0_correlation - 0.7).abs() < 1e-12);
        let text = table(&rows);
        assert!(
            text.contains("wave corr") && !text.contains("DNSMOS"),
            "{text}"
        );
        // A waveform that should not come back is not compared.
        assert!(rows[1].cells()[6] == "–" && rows[0].cells()[6] == "0.500");
        assert_eq!(rows[0].cells().len(), COLUMNS.len());
    }
}
