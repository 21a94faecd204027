//! The outside judges: a Python environment that is made on first use, and what they say.
//!
//! They are no dependency of the product: `models/scripts/judge.py` and its list of packages are
//! carried inside this library as text, and run only when `--judges` asks for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

const SCRIPT: &str = include_str!("../../scripts/judge.py");
const EMOTION_SCRIPT: &str = include_str!("../../scripts/emotion_judge.py");
const REQUIREMENTS: &str = include_str!("../../scripts/requirements-judges.txt");
/// Left in an environment once everything is installed; it holds the list that was.
const STAMP: &str = "mien-judges.txt";
/// Interpreters to make the environment with: the packages' versions are pinned for 3.11.
const PYTHONS: [&str; 3] = ["python3.11", "python3", "python"];

/// What the judges said of one clip.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Judged {
    /// Whether nothing was to be heard.
    pub silent: bool,
    /// Words and errors of the clip.
    pub words_converted: Option<Words>,
    /// Words and errors of its source.
    pub words_source: Option<Words>,
    /// Where the words come from that should be heard: `text`, or `source` as the judge heard it.
    pub reference_from: String,
    /// What the recogniser heard.
    pub heard: String,
    /// Resemblyzer's cosines: `to_target`, `to_source`, `source_to_target`.
    pub similarity: BTreeMap<String, f64>,
    /// DNSMOS of the clip: `overall`, `signal`, `background`, `p808`.
    pub dnsmos: BTreeMap<String, f64>,
    /// DNSMOS of its source.
    pub dnsmos_source: BTreeMap<String, f64>,
    /// The feeling that was asked for.
    pub emotion: Option<String>,
    /// The feeling that the openSMILE judge heard.
    pub feeling: Option<Feeling>,
}

/// Words that were said, and how many were not heard as such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Words {
    /// Substitutions, deletions and insertions.
    pub errors: usize,
    /// Words of the reference.
    pub words: usize,
}

/// A feeling that was heard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Feeling {
    /// Its name.
    pub heard: String,
}

/// What the judges say of several clips together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Verdict {
    /// Errors over words, over all clips.
    pub wer: Option<f64>,
    /// Mean cosine with the wanted voice.
    pub to_target: Option<f64>,
    /// Mean cosine with the source.
    pub to_source: Option<f64>,
    /// Mean overall quality.
    pub dnsmos: Option<f64>,
    /// Mean quality by the P.808 model.
    pub p808: Option<f64>,
    /// Share of clips in which the wanted feeling was heard, where that was asked.
    pub emotion_heard: Option<f64>,
}

impl Verdict {
    /// Over clips; `None` for none.
    pub fn of<'a>(clips: impl Iterator<Item = &'a Judged> + Clone) -> Option<Self> {
        clips.clone().next()?;
        let mut words = Words::default();
        for own in clips.clone().filter_map(|c| c.words_converted) {
            words.errors += own.errors;
            words.words += own.words;
        }
        let value = |part: fn(&Judged) -> &BTreeMap<String, f64>, name: &str| {
            super::rows::mean(clips.clone().filter_map(|c| part(c).get(name).copied()))
        };
        let asked = clips
            .clone()
            .filter_map(|c| Some((c.emotion.as_ref()?, c.feeling.as_ref()?)));
        Some(Self {
            wer: (words.words > 0).then(|| words.errors as f64 / words.words as f64),
            to_target: value(|c| &c.similarity, "to_target"),
            to_source: value(|c| &c.similarity, "to_source"),
            dnsmos: value(|c| &c.dnsmos, "overall"),
            p808: value(|c| &c.dnsmos, "p808"),
            emotion_heard: super::rows::mean(
                asked.map(|(asked, heard)| f64::from(u8::from(*asked == heard.heard))),
            ),
        })
    }
}

impl Judged {
    /// What the judges said of the clip's source, as a clip of its own.
    pub fn of_source(&self) -> Self {
        Self {
            // Where the source's own words are the reference, it cannot be wrong: that says nothing.
            words_converted: self.words_source.filter(|_| self.reference_from == "text"),
            dnsmos: self.dnsmos_source.clone(),
            similarity: self
                .similarity
                .get("source_to_target")
                .map(|&v| ("to_target".into(), v))
                .into_iter()
                .collect(),
            reference_from: self.reference_from.clone(),
            ..Self::default()
        }
    }
}

/// One entry of the judges' list.
#[derive(Clone, Debug, Serialize)]
pub struct Question {
    /// The clip.
    pub path: PathBuf,
    /// What was said originally.
    pub source: PathBuf,
    /// Recordings of the wanted voice.
    pub target: Vec<PathBuf>,
    /// What is said, where known.
    pub text: Option<String>,
    /// The feeling asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emotion: Option<String>,
}

/// What the openSMILE judge of feelings learns from.
#[derive(Clone, Debug)]
pub struct EmotionCorpus {
    /// A `manifest.csv` with acted speech.
    pub manifest: PathBuf,
    /// Speakers it must not know.
    pub leave_out: Vec<String>,
}

/// Asks the judges, in `folder`, where the list and their answer stay as `judges.json` and
/// `judged.json`. The answers are in the order of the questions.
///
/// # Errors
/// When they cannot be installed or started, or fail.
pub fn ask(
    judges: &Path,
    questions: &[Question],
    folder: &Path,
    emotions: Option<&EmotionCorpus>,
) -> Result<Vec<Judged>> {
    let list = folder.join("judges.json");
    std::fs::write(&list, serde_json::to_string_pretty(questions)?)?;
    let python = interpreter(judges)?;
    let scripts = folder.join("judges");
    std::fs::create_dir_all(&scripts)?;
    std::fs::write(scripts.join("judge.py"), SCRIPT)?;
    std::fs::write(scripts.join("emotion_judge.py"), EMOTION_SCRIPT)?;
    let answer = folder.join("judged.json");
    let mut command = Command::new(&python);
    command
        .arg(scripts.join("judge.py"))
        .arg(&list)
        .arg(&answer);
    if let Some(corpus) = emotions {
        command.arg("--emotion-corpus").arg(&corpus.manifest);
        command
            .arg("--emotion-leave-out")
            .arg(corpus.leave_out.join(","));
        command.arg("--cache").arg(&scripts);
    }
    // What they print goes to the log's stream: the table is the command's output.
    command.stdout(std::process::Stdio::null());
    let status = command
        .status()
        .with_context(|| format!("cannot start the judges' {python:?}"))?;
    ensure!(
        status.success(),
        "the judges failed on {list:?}; what they said stands above"
    );
    #[derive(Deserialize)]
    struct Answer {
        clips: Vec<Judged>,
    }
    let text = std::fs::read_to_string(&answer)?;
    let answer: Answer = serde_json::from_str(&text)
        .with_context(|| format!("{answer:?} is not what the judges should write"))?;
    ensure!(
        answer.clips.len() == questions.len(),
        "the judges left clips out of {list:?}"
    );
    Ok(answer.clips)
}

/// The interpreter that `judges` names: itself, or that of the environment in a folder, which is made
/// and filled when it is not there yet.
fn interpreter(judges: &Path) -> Result<PathBuf> {
    if judges.is_file() {
        return Ok(judges.to_owned());
    }
    let inside = if cfg!(windows) {
        judges.join("Scripts").join("python.exe")
    } else {
        judges.join("bin").join("python")
    };
    let stamp = judges.join(STAMP);
    if inside.is_file() && std::fs::read_to_string(&stamp).is_ok_and(|t| t == REQUIREMENTS) {
        return Ok(inside);
    }
    if !inside.is_file() {
        make_environment(judges)?;
    }
    eprintln!("installing the judges into {judges:?} (about 1.5 GB, once) …");
    std::fs::write(judges.join("requirements.txt"), REQUIREMENTS)?;
    let install = Command::new(&inside)
        .args(["-m", "pip", "install", "--quiet", "--requirement"])
        .arg(judges.join("requirements.txt"))
        .status()
        .with_context(|| format!("cannot start {inside:?}"))?;
    ensure!(
        install.success(),
        "the judges could not be installed into {judges:?}: they need Python 3.11, a C compiler and the network; \
         see models/scripts/requirements-judges.txt"
    );
    std::fs::write(stamp, REQUIREMENTS)?;
    Ok(inside)
}

fn make_environment(folder: &Path) -> Result<()> {
    let mut said = Vec::new();
    for python in PYTHONS {
        let made = Command::new(python)
            .args(["-m", "venv"])
            .arg(folder)
            .status();
        match made {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => said.push(format!("{python}: {status}")),
            Err(error) => said.push(format!("{python}: {error}")),
        }
    }
    bail!(
        "no Python environment could be made in {folder:?} ({}); install Python 3.11 with its venv module",
        said.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_over_all_clips() {
        let clip = |errors, words| Judged {
            words_converted: Some(Words { errors, words }),
            dnsmos: BTreeMap::from([("overall".into(), words as f64 / 10.0)]),
            ..Judged::default()
        };
        let clips = [clip(1, 10), clip(9, 30)];
        let verdict = Verdict::of(clips.iter()).unwrap();
        assert_eq!(verdict.wer, Some(0.25));
        assert_eq!(verdict.dnsmos, Some(2.0));
        assert_eq!(verdict.to_target, None);
        assert_eq!(Verdict::of([].iter()), None);
    }

    #[test]
    fn a_source_cannot_judge_its_own_words() {
        let mut clip = Judged {
            words_source: Some(Words {
                errors: 0,
                words: 9,
            }),
            reference_from: "source".into(),
            ..Judged::default()
        };
        assert_eq!(clip.of_source().words_converted, None);
        clip.reference_from = "text".into();
        assert!(clip.of_source().words_converted.is_some());
    }

    #[cfg(unix)]
    #[test]
    fn judges_that_fail_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = ask(Path::new("/bin/false"), &[], folder.path(), None).unwrap_err();
        assert!(
            format!("{error:#}").contains("the judges failed"),
            "{error:#}"
        );
    }
}
