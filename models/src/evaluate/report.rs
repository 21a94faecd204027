//! The report: `report.json` for programs, `report.html` for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use super::diversity::Diversity;
use super::emotion::{EmotionReport, StrengthLine};
use super::pictures::{pitch_curves, spectrogram};
use super::rows::{COLUMNS, Clip, Row, Source, Summary, file_name, shown_columns};
use crate::train::classifier::CLASSES;
use crate::train::features::Features;

const STYLE: &str = include_str!("report.css");

/// Everything that a report tells.
pub struct Report<'a> {
    /// Name and version of the pack.
    pub pack: String,
    /// The rows of the table.
    pub rows: Vec<Summary>,
    /// Largest difference of the streaming and the offline path, and of how many recordings.
    pub streaming_error: (f64, usize),
    /// Time to convert over the time of the sound, on one core.
    pub real_time_factor: f64,
    /// How different the voices come out, by row.
    pub diversity: Vec<(Row, Diversity)>,
    /// Whether feelings are heard.
    pub emotion: Option<EmotionReport>,
    /// What was converted.
    pub sources: &'a [Source],
    /// What came out.
    pub clips: &'a [Clip],
    /// A recording of each voice's own, where there is one.
    pub voices: &'a BTreeMap<String, (PathBuf, Features)>,
}

impl Report<'_> {
    /// Writes both files into `folder`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let diversity: BTreeMap<&str, Diversity> = self
            .diversity
            .iter()
            .map(|(row, d)| (row.name(), *d))
            .collect();
        let clips: Vec<_> = self.clips.iter().map(|c| c.json(self.sources)).collect();
        let all = json!({
            "pack": self.pack, "rows": self.rows, "streaming_error": self.streaming_error.0,
            "streaming_error_recordings": self.streaming_error.1,
            "real_time_factor": self.real_time_factor, "diversity": diversity, "emotion": self.emotion,
            "clips": clips,
        });
        let save = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {path:?}"))
        };
        save("report.json", serde_json::to_string_pretty(&all)?)?;
        save("report.html", self.html()?)
    }

    fn html(&self) -> Result<String> {
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{0} – evaluation</title><style>{STYLE}</style></head><body>\n\
             <h1>{0}</h1><p class=\"soft\">{1} recordings of {2} speakers that training never saw. What the \
             columns mean: point at their heads, or see docs/evaluation.md.</p>\n",
            escape(&self.pack),
            self.sources.len(),
            self.speakers(),
        );
        page.push_str(&self.table());
        page.push_str(&self.notes());
        if let Some(emotion) = &self.emotion {
            page.push_str(&emotion_section(emotion));
        }
        page.push_str("<h2>Listen</h2>\n<p class=\"soft\">Spectrograms: 0 to 12 kHz on the mel scale. Pitch: the \
                       source in grey, the clip in colour.</p>\n");
        for (index, source) in self.sources.iter().enumerate() {
            page.push_str(&self.source(index, source)?);
        }
        page.push_str("</body></html>\n");
        Ok(page)
    }

    fn speakers(&self) -> usize {
        let names: std::collections::BTreeSet<&str> =
            self.sources.iter().map(|s| s.speaker.as_str()).collect();
        names.len()
    }

    fn table(&self) -> String {
        let cells: Vec<Vec<String>> = self.rows.iter().map(Summary::cells).collect();
        let kept = shown_columns(&cells);
        let mut html = "<div class=\"scroll\"><table><tr><th>row</th><th>n</th>".to_owned();
        for &column in &kept {
            let (name, meaning) = COLUMNS[column];
            let _ = write!(
                html,
                "<th title=\"{}\">{}</th>",
                escape(meaning),
                escape(name)
            );
        }
        html.push_str("</tr>\n");
        for (row, cells) in self.rows.iter().zip(&cells) {
            let class = if row.row >= Row::Converted {
                " class=\"ours\""
            } else {
                ""
            };
            let _ = write!(
                html,
                "<tr{class}><td>{}</td><td>{}</td>",
                row.row.name(),
                row.n
            );
            for &column in &kept {
                let _ = write!(html, "<td>{}</td>", cells[column]);
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</table></div>\n");
        html
    }

    fn notes(&self) -> String {
        let mut html = format!(
            "<p>Streaming against offline: at most {:.1e} apart over {} recordings. Real-time factor on one core: {:.3}.</p>\n",
            self.streaming_error.0, self.streaming_error.1, self.real_time_factor
        );
        for (row, d) in &self.diversity {
            let natural = match (d.natural_db, d.share) {
                (Some(natural), Some(share)) => format!(
                    "; the voices' own recordings differ by {natural:.2} dB, so {:.0} % of that came out",
                    share * 100.0
                ),
                _ => String::new(),
            };
            let _ = writeln!(
                html,
                "<p>Diversity, row {}: conversions of one source to two voices differ by {:.2} dB in their average \
                 spectrum{natural}.</p>",
                row.name(),
                d.converted_db
            );
        }
        html
    }

    fn source(&self, index: usize, source: &Source) -> Result<String> {
        let open = if index == 0 { " open" } else { "" };
        let mut html = format!(
            "<details{open}><summary>{}</summary>\n<blockquote>{}</blockquote><div class=\"grid\">\n",
            escape(&format!("{} – {}", source.speaker, file_name(&source.path))),
            escape(&source.text)
        );
        let own: Vec<&Clip> = self.clips.iter().filter(|c| c.source == index).collect();
        let mut shown: Vec<&str> = Vec::new();
        let (plain, voiced): (Vec<&Clip>, Vec<&Clip>) =
            own.into_iter().partition(|c| c.voice.is_empty());
        for clip in plain {
            let compared = (clip.row != Row::Source).then_some(&clip.features);
            let picture = (&clip.features, pitch_curves(&source.features, compared));
            html.push_str(&figure(
                &clip.path,
                clip.row.name(),
                &details(clip),
                picture,
                false,
            )?);
        }
        for clip in voiced {
            if !shown.contains(&clip.voice.as_str()) {
                shown.push(&clip.voice);
                if let Some((path, features)) = self.voices.get(&clip.voice) {
                    let picture = (features, pitch_curves(features, None));
                    let title = format!("{}: own recording", clip.voice);
                    html.push_str(&figure(path, &title, "another text", picture, false)?);
                }
            }
            let feeling = match clip.row {
                Row::Performed => format!(", {} {:.0} %", clip.emotion, clip.strength),
                _ => String::new(),
            };
            let title = format!("{}: {}{feeling}", clip.voice, clip.row.name());
            let picture = (
                &clip.features,
                pitch_curves(&source.features, Some(&clip.features)),
            );
            let ours = clip.row >= Row::Converted;
            html.push_str(&figure(&clip.path, &title, &details(clip), picture, ours)?);
        }
        html.push_str("</div></details>\n");
        Ok(html)
    }
}

/// The few figures that stand beside a clip.
fn details(clip: &Clip) -> String {
    let mut parts = Vec::new();
    let judged = clip.judged.as_ref();
    if let Some(words) = judged.and_then(|j| j.words_converted) {
        parts.push(format!("{}/{} words lost", words.errors, words.words));
    }
    if let Some(likeness) = judged.and_then(|j| j.similarity.get("to_target")) {
        parts.push(format!("target {likeness:.2}"));
    }
    if let Some(quality) = judged.and_then(|j| j.dnsmos.get("overall")) {
        parts.push(format!("DNSMOS {quality:.2}"));
    }
    if parts.is_empty() && clip.measures.mean_f0_hz > 0.0 {
        parts.push(format!("{:.0} Hz", clip.measures.mean_f0_hz));
    }
    parts.join(", ")
}

fn figure(
    sound: &Path,
    title: &str,
    details: &str,
    (features, pitch): (&Features, String),
    ours: bool,
) -> Result<String> {
    Ok(format!(
        "<figure{}><figcaption>{title}<span>{}</span></figcaption><img src=\"{}\" alt=\"spectrogram\">{pitch}\
         <audio controls preload=\"none\" src=\"{}\"></audio></figure>\n",
        if ours { " class=\"ours\"" } else { "" },
        escape(details),
        spectrogram(features)?,
        address(&file_name(sound)),
        title = escape(title),
    ))
}

fn emotion_section(emotion: &EmotionReport) -> String {
    let mut html = format!(
        "<h2>Emotion</h2>\n<p>Our classifier, which heard natural acting only, names {:.1} % rightly (balanced over \
         what was asked for, of which each answer is one; with the untouched source {:.1} %). On natural acting by \
         actors it never heard it names {:.1} % of these classes rightly, and {:.1} % of all.</p>\n",
        100.0 * emotion.accuracy,
        100.0 * emotion.accuracy_of_source,
        100.0 * emotion.natural_accuracy_of_asked,
        100.0 * emotion.natural_accuracy,
    );
    html.push_str("<h3>Confusion: asked for (rows), heard (columns)</h3>\n");
    html.push_str(&confusion(emotion, &emotion.confusion));
    html.push_str("<details><summary>The same on natural acting by unseen actors</summary>\n");
    html.push_str(&confusion(emotion, &emotion.natural_confusion));
    html.push_str("</details>\n<h3>Strength</h3>\n");
    html.push_str(&strengths(&emotion.strengths));
    if let Some(monotony) = emotion.monotony {
        let _ = writeln!(
            html,
            "<p>The wanted emotion gets more probable at {:.0} % of the steps.</p>",
            monotony * 100.0
        );
    }
    html.push_str(
        "<h3>Prosody: change from neutral</h3>\n<div class=\"scroll\"><table><tr><th>emotion</th><th>statistic</th>\
         <th>performed</th><th>natural acting</th><th title=\"in standard deviations over actors\">distance</th></tr>\n",
    );
    for line in &emotion.prosody {
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{:+.2} {unit}</td><td>{:+.2} {unit}</td><td>{:.1}</td></tr>",
            line.emotion,
            line.statistic,
            line.performed,
            line.natural,
            line.distance,
            unit = line.unit
        );
    }
    html.push_str("</table></div>\n");
    html
}

fn confusion(emotion: &EmotionReport, counts: &[[f64; CLASSES]; CLASSES]) -> String {
    let mut html = "<div class=\"scroll\"><table class=\"heat\"><tr><th></th>".to_owned();
    for class in emotion.classes {
        let _ = write!(html, "<th>{class}</th>");
    }
    html.push_str("</tr>\n");
    for (class, row) in emotion.classes.iter().zip(counts) {
        let all: f64 = row.iter().sum();
        if all == 0.0 {
            continue;
        }
        let _ = write!(html, "<tr><td>{class}</td>");
        for count in row {
            let _ = write!(
                html,
                "<td style=\"background: rgba(var(--heat), {:.2})\">{count:.0}</td>",
                0.75 * count / all
            );
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
    html
}

fn strengths(lines: &[StrengthLine]) -> String {
    let mut html = "<div class=\"scroll\"><table><tr><th>strength</th><th>n</th><th>heard</th><th>probability</th>\
                    <th>verifier</th><th>to target</th><th>WER</th><th>words lost since 0</th></tr>\n"
        .to_owned();
    let number = |v: Option<f64>| v.map_or("–".into(), |v| format!("{v:.3}"));
    let percent = |v: Option<f64>| v.map_or("–".into(), |v| format!("{:.1} %", v * 100.0));
    for line in lines {
        let _ = writeln!(
            html,
            "<tr><td>{:.0} %</td><td>{}</td><td>{}</td><td>{:.3}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            line.strength,
            line.n,
            percent(Some(line.heard)),
            line.probability,
            number(line.similarity),
            number(line.judged.and_then(|j| j.to_target)),
            percent(line.judged.and_then(|j| j.wer)),
            percent(line.words_lost),
        );
    }
    html.push_str("</table></div>\n");
    html
}

/// Text that HTML shows as it is.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A file's name as a relative address.
fn address(name: &str) -> String {
    name.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => (b as char).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::measures::Measures;
    use crate::evaluate::rows::summarise;

    #[test]
    fn the_page_has_every_row_and_escapes_what_was_said() {
        let sources = [Source {
            path: "000 source.wav".into(),
            speaker: "a<b".into(),
            text: "\"one\" & two".into(),
            features: Features::default(),
        }];
        let clip = |row| Clip {
            row,
            source: 0,
            voice: if row >= Row::World {
                "Ada".into()
            } else {
                String::new()
            },
            emotion: "neutral".into(),
            strength: 0.0,
            path: "000 source.wav".into(),
            features: Features::default(),
            measures: Measures::default(),
            similarity: None,
            judged: None,
        };
        let clips = Row::ALL.map(clip);
        let report = Report {
            pack: "Mien <One>".into(),
            rows: summarise(&clips),
            streaming_error: (1e-6, 1),
            real_time_factor: 0.1,
            diversity: Vec::new(),
            emotion: None,
            sources: &sources,
            clips: &clips,
            voices: &BTreeMap::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        report.write(folder.path()).unwrap();
        let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
        for row in Row::ALL {
            assert!(
                page.contains(&format!("<td>{}</td>", row.name())),
                "{}",
                row.name()
            );
        }
        assert!(page.contains("&quot;one&quot; &amp; two") && page.contains("a&lt;b"));
        assert!(page.contains("src=\"000%20source.wav\"") && !page.contains("<One>"));
        assert_eq!(page.matches("<audio").count(), Row::ALL.len());
        let text = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["rows"].as_array().unwrap().len(), Row::ALL.len());
        assert_eq!(json["clips"][1]["row"], "resynthesis");
    }
}
