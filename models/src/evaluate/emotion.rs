//! Whether a feeling is heard: our own classifier's verdicts, and prosody beside natural acting.

use std::path::Path;

use anyhow::Result;
use mien_face::EMOTIONS;
use serde::Serialize;

use super::judges::Verdict;
use super::prosody;
use super::rows::{Clip, Row, mean};
use crate::train::classifier::{
    CLASSES, ClassifierNetwork, Heard, balanced_accuracy, class_names, confusion, load, loudest,
};

/// The classifier of `mien train --stage classifier`, with what its training found.
pub struct EmotionJudge {
    network: ClassifierNetwork,
    /// Recordings of actors that it never heard.
    natural: Vec<Heard>,
    /// Mean and spread over actors of what each emotion does to each statistic.
    prosody: Vec<[Option<(f64, f64)>; prosody::COUNT]>,
}

/// Everything said of emotions.
#[derive(Debug, Serialize)]
pub struct EmotionReport {
    /// The classes, in the order of the confusion's rows and columns.
    pub classes: [&'static str; CLASSES],
    /// The classifier's balanced accuracy on natural speech of actors it never heard.
    pub natural_accuracy: f64,
    /// Its confusion there: rows acted, columns heard.
    pub natural_confusion: [[f64; CLASSES]; CLASSES],
    /// Its balanced accuracy there over the classes that were asked for here. Here and in all that follows nothing else can be the
    /// answer, as with the outside judges.
    pub natural_accuracy_of_asked: f64,
    /// Balanced accuracy on the conversions at the greatest strength, neutral ones among them.
    pub accuracy: f64,
    /// Confusion of these conversions: rows asked for, columns heard.
    pub confusion: [[f64; CLASSES]; CLASSES],
    /// Balanced accuracy when the untouched source stands for every answer: doing nothing.
    pub accuracy_of_source: f64,
    /// Each strength, neutral (0) first.
    pub strengths: Vec<StrengthLine>,
    /// Share of steps from one strength to the next, over sources, voices and emotions, at which the
    /// wanted emotion gets more probable; `None` with a single strength.
    pub monotony: Option<f64>,
    /// Prosody of each asked emotion.
    pub prosody: Vec<ProsodyLine>,
}

/// What one strength does.
#[derive(Debug, Serialize)]
pub struct StrengthLine {
    /// 0 to 100.
    pub strength: f32,
    /// Clips.
    pub n: usize,
    /// Share named as the wanted emotion; for strength 0, how often the neutral conversion is taken
    /// for it.
    pub heard: f64,
    /// Mean probability of the wanted emotion.
    pub probability: f64,
    /// Mean cosine of our verifier with the wanted voice, and what was lost of it since strength 0.
    pub similarity: Option<f64>,
    /// See [`Self::similarity`].
    pub similarity_lost: Option<f64>,
    /// Outside judges: words lost and cosine with the wanted voice.
    pub judged: Option<Verdict>,
    /// Words lost above those at strength 0, as a share.
    pub words_lost: Option<f64>,
}

/// What one emotion does to one statistic of prosody.
#[derive(Clone, Debug, Serialize)]
pub struct ProsodyLine {
    /// The emotion.
    pub emotion: String,
    /// The statistic and its unit.
    pub statistic: &'static str,
    /// See [`Self::statistic`].
    pub unit: &'static str,
    /// Change from the neutral conversion of the same source to the same voice.
    pub performed: f64,
    /// Change of natural actors from their own neutral delivery, mean over actors.
    pub natural: f64,
    /// Distance of both in standard deviations over actors: under 1 is within how actors differ.
    pub distance: f64,
}

impl EmotionJudge {
    /// Reads the classifier.
    ///
    /// # Errors
    /// When the file is no finished classifier.
    pub fn load(path: &Path) -> Result<Self> {
        let (network, natural, saved) = load(path)?;
        let flat = |name: &str| -> Vec<f64> {
            let tensor = saved
                .get(name)
                .map(|t| t.flatten(0, -1).to_kind(tch::Kind::Double));
            tensor
                .and_then(|t| Vec::try_from(t).ok())
                .unwrap_or_default()
        };
        let values = flat("prosody");
        let known = |emotion: usize, statistic: usize| {
            let at = 2 * (emotion * prosody::COUNT + statistic);
            let (mean, spread) = (*values.get(at)?, *values.get(at + 1)?);
            (mean.is_finite() && spread > 0.0).then_some((mean, spread))
        };
        Ok(Self {
            network,
            natural,
            prosody: (0..EMOTIONS.len())
                .map(|e| std::array::from_fn(|s| known(e, s)))
                .collect(),
        })
    }

    /// Judges all conversions; `None` where no emotion was asked for.
    pub fn report(&self, clips: &[Clip]) -> Option<EmotionReport> {
        let converted: Vec<&Clip> = clips
            .iter()
            .filter(|c| matches!(c.row, Row::Converted | Row::Performed))
            .collect();
        let most = converted.iter().map(|c| c.strength).fold(0.0, f32::max);
        if most == 0.0 {
            return None;
        }
        let at_most = |c: &Clip| class_of(&c.emotion) == 0 || c.strength == most;
        let wanted: Vec<usize> = (0..CLASSES)
            .filter(|&class| converted.iter().any(|c| class_of(&c.emotion) == class))
            .collect();
        let asked: Vec<Asked> = converted
            .into_iter()
            .map(|clip| Asked {
                clip,
                heard: self.hear(clip, &wanted),
            })
            .collect();
        let counts = confusion(asked.iter().filter(|a| at_most(a.clip)).map(|a| a.heard));
        let natural = self.natural.iter().copied();
        let natural_counts = confusion(natural.clone());
        let of_wanted = natural
            .filter(|h| wanted.contains(&h.acted))
            .map(|h| h.among(&wanted));
        Some(EmotionReport {
            classes: class_names(),
            natural_accuracy: balanced_accuracy(&natural_counts),
            natural_confusion: natural_counts,
            natural_accuracy_of_asked: balanced_accuracy(&confusion(of_wanted)),
            accuracy: balanced_accuracy(&counts),
            confusion: counts,
            accuracy_of_source: self.of_source(clips, &wanted),
            strengths: strengths(&asked, &wanted),
            monotony: monotony(&asked),
            prosody: self.prosody(&asked, most),
        })
    }

    /// What is heard in a clip, where it can be one of `wanted` alone.
    fn hear(&self, clip: &Clip, wanted: &[usize]) -> Heard {
        let heard = Heard {
            acted: class_of(&clip.emotion),
            shares: self.network.probabilities(&clip.features),
        };
        heard.among(wanted)
    }

    /// Every source counts once for every class that was asked for.
    fn of_source(&self, clips: &[Clip], wanted: &[usize]) -> f64 {
        let heard = clips.iter().filter(|c| c.row == Row::Source);
        let heard: Vec<usize> = heard
            .map(|c| loudest(&self.hear(c, wanted).shares))
            .collect();
        let right = |&class: &usize| {
            heard.iter().filter(|&&h| h == class).count() as f64 / heard.len().max(1) as f64
        };
        wanted.iter().map(right).sum::<f64>() / wanted.len().max(1) as f64
    }

    fn prosody(&self, asked: &[Asked], most: f32) -> Vec<ProsodyLine> {
        let mut lines = Vec::new();
        for (emotion, name) in EMOTIONS.iter().enumerate() {
            let changes: Vec<_> = asked
                .iter()
                .filter(|a| a.heard.acted == emotion + 1 && a.clip.strength == most)
                .filter_map(|a| {
                    let neutral = prosody::statistics(&a.neutral(asked)?.clip.features)?;
                    let acted = prosody::statistics(&a.clip.features)?;
                    Some(prosody::difference(&neutral, &acted))
                })
                .collect();
            let Some(change) = prosody::mean(&changes) else {
                continue;
            };
            for (i, (statistic, unit)) in prosody::NAMES.into_iter().enumerate() {
                let Some((natural, spread)) = self.prosody[emotion][i] else {
                    continue;
                };
                lines.push(ProsodyLine {
                    emotion: (*name).to_owned(),
                    statistic,
                    unit,
                    performed: change[i],
                    natural,
                    distance: (change[i] - natural).abs() / spread,
                });
            }
        }
        lines
    }
}

/// A conversion with what the classifier says of it.
struct Asked<'a> {
    clip: &'a Clip,
    /// What was asked for, and what is heard.
    heard: Heard,
}

impl Asked<'_> {
    /// The neutral conversion of the same source to the same voice.
    fn neutral<'a>(&self, all: &'a [Self]) -> Option<&'a Self> {
        let same = |a: &&Self| {
            a.heard.acted == 0
                && a.clip.source == self.clip.source
                && a.clip.voice == self.clip.voice
        };
        all.iter().find(same)
    }
}

fn class_of(emotion: &str) -> usize {
    crate::corpus::emotion_index(emotion) as usize
}

/// One line a strength; strength 0 has the neutral conversions, each asked about every emotion of `wanted`.
fn strengths(asked: &[Asked], wanted: &[usize]) -> Vec<StrengthLine> {
    let emotions: Vec<usize> = wanted.iter().copied().filter(|&c| c > 0).collect();
    let mut levels: Vec<f32> = asked.iter().map(|a| a.clip.strength).collect();
    levels.sort_by(f32::total_cmp);
    levels.dedup();
    let mut lines: Vec<StrengthLine> = Vec::new();
    for strength in levels {
        let own: Vec<&Asked> = asked
            .iter()
            .filter(|a| a.clip.strength == strength)
            .collect();
        let pairs: Vec<(&Asked, usize)> = own
            .iter()
            .flat_map(|&a| {
                let classes = if a.heard.acted == 0 {
                    emotions.clone()
                } else {
                    vec![a.heard.acted]
                };
                classes.into_iter().map(move |class| (a, class))
            })
            .collect();
        let heard =
            |(a, class): &(&Asked, usize)| f64::from(u8::from(loudest(&a.heard.shares) == *class));
        let similarity = mean(own.iter().filter_map(|a| a.clip.similarity));
        let judged = Verdict::of(own.iter().filter_map(|a| a.clip.judged.as_ref()));
        let (similarity_first, words_first) = lines.first().map_or((None, None), |f| {
            (f.similarity, f.judged.and_then(|j| j.wer))
        });
        let since = |now: Option<f64>, then: Option<f64>| Some(now? - then?);
        lines.push(StrengthLine {
            strength,
            n: own.len(),
            heard: mean(pairs.iter().map(heard)).unwrap_or(0.0),
            probability: mean(pairs.iter().map(|(a, class)| a.heard.shares[*class])).unwrap_or(0.0),
            similarity,
            similarity_lost: since(similarity_first, similarity),
            words_lost: since(judged.and_then(|j| j.wer), words_first),
            judged,
        });
    }
    lines
}

/// See [`EmotionReport::monotony`].
fn monotony(asked: &[Asked]) -> Option<f64> {
    let mut steps = Vec::new();
    for a in asked.iter().filter(|a| a.heard.acted > 0) {
        // The next weaker one of the same source, voice and emotion; the neutral one at the end.
        let weaker = asked
            .iter()
            .filter(|b| {
                b.heard.acted == a.heard.acted
                    && b.clip.source == a.clip.source
                    && b.clip.voice == a.clip.voice
                    && b.clip.strength < a.clip.strength
            })
            .max_by(|b, c| b.clip.strength.total_cmp(&c.clip.strength))
            .or_else(|| a.neutral(asked));
        if let Some(weaker) = weaker {
            steps.push(f64::from(u8::from(
                a.heard.shares[a.heard.acted] > weaker.heard.shares[a.heard.acted],
            )));
        }
    }
    mean(steps.into_iter())
}

impl EmotionReport {
    /// The report as text.
    pub fn text(&self) -> String {
        let percent = |v: f64| format!("{:.1} %", 100.0 * v);
        let optional = |v: Option<String>| v.unwrap_or_else(|| "–".into());
        let mut text = format!(
            "emotion heard by our classifier: {} balanced (untouched source {}; natural acting by unseen actors {} \
             of these classes, {} of all)",
            percent(self.accuracy),
            percent(self.accuracy_of_source),
            percent(self.natural_accuracy_of_asked),
            percent(self.natural_accuracy),
        );
        text.push_str("\n\nasked \\ heard ");
        self.classes
            .iter()
            .for_each(|c| text.push_str(&format!("{c:>10}")));
        for (class, row) in self.classes.iter().zip(&self.confusion) {
            if row.iter().sum::<f64>() > 0.0 {
                text.push_str(&format!("\n{class:14}"));
                row.iter().for_each(|n| text.push_str(&format!("{n:10.0}")));
            }
        }
        text.push_str(
            "\n\nstrength    n   heard  probability  verifier  WER  words lost  to target",
        );
        for s in &self.strengths {
            text.push_str(&format!(
                "\n{:8.0} {:4} {:>7} {:12.3} {:>9} {:>7} {:>9} {:>8}",
                s.strength,
                s.n,
                percent(s.heard),
                s.probability,
                optional(s.similarity.map(|v| format!("{v:.3}"))),
                optional(s.judged.and_then(|j| j.wer).map(percent)),
                optional(s.words_lost.map(percent)),
                optional(
                    s.judged
                        .and_then(|j| j.to_target)
                        .map(|v| format!("{v:.3}"))
                ),
            ));
        }
        if let Some(monotony) = self.monotony {
            text.push_str(&format!(
                "\nsteps of strength at which the wanted emotion gets more probable: {}",
                percent(monotony)
            ));
        }
        text.push_str("\n\nchange of prosody at full strength, performed / natural acting (distance in actors' standard deviations)");
        let mut last = "";
        for line in &self.prosody {
            if line.emotion != last {
                last = &line.emotion;
                text.push_str(&format!("\n{:10}", line.emotion));
            }
            text.push_str(&format!(
                "  {} {:+.1}/{:+.1} {} ({:.1})",
                line.statistic, line.performed, line.natural, line.unit, line.distance
            ));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::measures::Measures;
    use crate::train::features::Features;

    fn clip(emotion: &str, strength: f32) -> Clip {
        Clip {
            row: if strength > 0.0 {
                Row::Performed
            } else {
                Row::Converted
            },
            source: 0,
            voice: "A".into(),
            emotion: emotion.into(),
            strength,
            path: "x.wav".into(),
            features: Features::default(),
            measures: Measures::default(),
            similarity: Some(0.8 - f64::from(strength) / 1000.0),
            judged: None,
        }
    }

    /// Each class acted and heard as each.
    fn acted_evenly() -> Vec<Heard> {
        let sure = |class: usize| std::array::from_fn(|i| f64::from(u8::from(i == class)));
        let one = |i: usize| Heard {
            acted: i / CLASSES,
            shares: sure(i % CLASSES),
        };
        (0..CLASSES * CLASSES).map(one).collect()
    }

    fn judge() -> EmotionJudge {
        EmotionJudge {
            network: ClassifierNetwork::new(4, tch::Device::Cpu),
            natural: acted_evenly(),
            prosody: vec![[Some((1.0, 0.5)); prosody::COUNT]; EMOTIONS.len()],
        }
    }

    #[test]
    fn every_conversion_stands_once_in_the_confusion() {
        let clips = [
            clip("neutral", 0.0),
            clip("happy", 50.0),
            clip("happy", 100.0),
            clip("sad", 100.0),
        ];
        let report = judge().report(&clips).unwrap();
        let rows: Vec<f64> = report
            .confusion
            .iter()
            .map(|row| row.iter().sum())
            .collect();
        assert_eq!(rows, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert!((report.natural_accuracy - 0.125).abs() < 1e-9);
        let elsewhere: f64 = report
            .confusion
            .iter()
            .map(|row| row[3..].iter().sum::<f64>())
            .sum();
        assert_eq!(elsewhere, 0.0, "only what was asked for can be heard");
        assert_eq!(report.strengths.len(), 3);
        assert!((report.strengths[2].similarity_lost.unwrap() - 0.1).abs() < 1e-9);
        assert!(report.text().contains("asked \\ heard"));
        assert!(
            judge().report(&clips[..1]).is_none(),
            "nothing was asked for"
        );
    }

    #[test]
    fn steps_are_counted_from_neutral_on() {
        let clips = [
            clip("neutral", 0.0),
            clip("happy", 50.0),
            clip("happy", 100.0),
        ];
        let asked = |shares: [f64; 3]| -> Vec<Asked> {
            let one = |(clip, share)| {
                let mut all = [0.0; CLASSES];
                all[1] = share;
                Asked {
                    clip,
                    heard: Heard {
                        acted: class_of(&clip.emotion),
                        shares: all,
                    },
                }
            };
            clips.iter().zip(shares).map(one).collect()
        };
        assert_eq!(monotony(&asked([0.1, 0.4, 0.7])), Some(1.0));
        assert_eq!(monotony(&asked([0.1, 0.4, 0.3])), Some(0.5));
        assert_eq!(monotony(&asked([0.1, 0.4, 0.3])[..1]), None);
    }
}
