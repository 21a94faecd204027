//! Reads phones off a reader's scores with a grammar: the prefix beam search of connectionist temporal
//! classification (Graves 2012, "Supervised Sequence Labelling with Recurrent Neural Networks", 7.5; Hannun et
//! al. 2014, "First-pass large vocabulary continuous speech recognition using bi-directional recurrent DNNs").
//!
//! The greedy reading takes each step's likeliest label. The probability of a sequence is the sum over all ways
//! to say it in those steps, so that another sequence may be likelier. The search keeps the few likeliest
//! beginnings. Weighted log probabilities of a grammar, and a bonus a phone against its liking for short
//! readings, are added to theirs ("shallow fusion", Gülçehre et al. 2015).

use std::collections::BTreeMap;

use rayon::prelude::*;
use tch::{Kind, Tensor};

use super::phone_grammar::{Context, PhoneGrammar};
use super::phones::{LABELS, Mistakes, SILENCE};

/// Beginnings that are kept at each step.
const WIDTH: usize = 16;
/// A label less likely than the step's likeliest by more nats than that begins nothing new: no grammar makes up
/// for it, and most labels are.
const FAR: f32 = 9.0;
/// Weights of the grammar that are tried.
const WEIGHTS: [f64; 7] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2];
/// Bonuses of a phone that are tried, in nats.
const BONUSES: [f64; 7] = [-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5];

/// How much counts what in a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Balance {
    /// What the grammar's log probabilities are multiplied by.
    pub weight: f64,
    /// Nats that each phone is given.
    pub bonus: f64,
    /// Nats by which the blank counts less, as in [`super::phone_reader::greedy`].
    pub blank_bias: f64,
}

/// A beginning of a reading, as the last phone of another one.
struct Prefix {
    before: usize,
    label: u8,
    context: Context,
    /// What grammar and bonus say of it.
    worth: f64,
}

/// Log probabilities of all ways to a prefix that end with the blank, and with its last phone.
#[derive(Clone, Copy)]
struct Ways {
    blank: f64,
    phone: f64,
}

const NO_WAY: Ways = Ways {
    blank: f64::NEG_INFINITY,
    phone: f64::NEG_INFINITY,
};

/// The prefixes seen so far.
struct Prefixes<'a> {
    all: Vec<Prefix>,
    longer: BTreeMap<(usize, u8), usize>,
    grammar: &'a PhoneGrammar,
    balance: Balance,
}

impl Prefixes<'_> {
    /// The prefix with `label` after it.
    fn with(&mut self, before: usize, label: u8) -> usize {
        if let Some(&known) = self.longer.get(&(before, label)) {
            return known;
        }
        let Prefix { context, worth, .. } = self.all[before];
        let likely = self.grammar.log_probability(context, label);
        self.all.push(Prefix {
            before,
            label,
            context: self.grammar.after(context, label),
            worth: worth + self.balance.weight * likely + self.balance.bonus,
        });
        self.longer.insert((before, label), self.all.len() - 1);
        self.all.len() - 1
    }

    /// The labels up to a prefix.
    fn labels(&self, mut at: usize) -> Vec<u8> {
        let mut labels = Vec::new();
        while at != 0 {
            labels.push(self.all[at].label);
            at = self.all[at].before;
        }
        labels.reverse();
        labels
    }
}

/// The likeliest sequence that the search finds in `scores`, `[steps, LABELS]` log probabilities.
pub fn read(scores: &Tensor, grammar: &PhoneGrammar, balance: Balance) -> Vec<u8> {
    read_steps(&values(scores), grammar, balance)
}

fn values(scores: &Tensor) -> Vec<f32> {
    let flat = scores.to_kind(Kind::Float).contiguous().view([-1]);
    Vec::try_from(&flat).unwrap_or_default()
}

fn read_steps(scores: &[f32], grammar: &PhoneGrammar, balance: Balance) -> Vec<u8> {
    let empty = Prefix {
        before: 0,
        label: SILENCE,
        context: Context::default(),
        worth: 0.0,
    };
    let mut prefixes = Prefixes {
        all: vec![empty],
        longer: BTreeMap::new(),
        grammar,
        balance,
    };
    let begin = Ways {
        blank: 0.0,
        ..NO_WAY
    };
    let mut beam = vec![(0, begin)];
    for step in scores.chunks(LABELS as usize) {
        let blank = f64::from(step[usize::from(SILENCE)]) - balance.blank_bias;
        let likeliest = step.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let near: Vec<(u8, f64)> = (1..LABELS as u8)
            .map(|label| (label, step[usize::from(label)]))
            .filter(|(_, score)| *score >= likeliest - FAR)
            .map(|(label, score)| (label, f64::from(score)))
            .collect();
        // By number, so that equals are ordered alike in every run.
        let mut next: BTreeMap<usize, Ways> = BTreeMap::new();
        for &(at, ways) in &beam {
            let last = prefixes.all[at].label;
            let any = add(ways.blank, ways.phone);
            let same = next.entry(at).or_insert(NO_WAY);
            same.blank = add(same.blank, any + blank);
            if last != SILENCE {
                let held = ways.phone + f64::from(step[usize::from(last)]);
                same.phone = add(same.phone, held);
            }
            for &(label, score) in &near {
                // The same phone twice needs a blank between.
                let from = if label == last { ways.blank } else { any };
                if from > f64::NEG_INFINITY {
                    let longer = next.entry(prefixes.with(at, label)).or_insert(NO_WAY);
                    longer.phone = add(longer.phone, from + score);
                }
            }
        }
        beam = next.into_iter().collect();
        let worth = |(at, w): &(usize, Ways)| add(w.blank, w.phone) + prefixes.all[*at].worth;
        beam.sort_by(|a, b| worth(b).total_cmp(&worth(a)));
        beam.truncate(WIDTH);
    }
    let whole = |(at, ways): &(usize, Ways)| {
        let prefix = &prefixes.all[*at];
        let end = grammar.log_probability(prefix.context, SILENCE);
        add(ways.blank, ways.phone) + prefix.worth + balance.weight * end
    };
    let best = beam.iter().max_by(|a, b| whole(a).total_cmp(&whole(b)));
    best.map(|(at, _)| prefixes.labels(*at)).unwrap_or_default()
}

/// The log of the sum of what `a` and `b` are the logs of.
fn add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY {
        high
    } else {
        high + (low - high).exp().ln_1p()
    }
}

/// The weight and the bonus with which the fewest mistakes are made in `asked`, pairs of scores and what is
/// said; with each of `blank_biases`, since bonus and bias both bring phones.
pub fn choose(
    asked: &[&(Tensor, Vec<u8>)],
    grammar: &PhoneGrammar,
    blank_biases: &[f64],
) -> Balance {
    let asked: Vec<(Vec<f32>, &[u8])> = asked
        .iter()
        .map(|(scores, said)| (values(scores), said.as_slice()))
        .collect();
    let wrong = |balance: &Balance| -> usize {
        let mistakes = |(scores, said): &(Vec<f32>, &[u8])| {
            Mistakes::between(&read_steps(scores, grammar, *balance), said).all()
        };
        asked.par_iter().map(mistakes).sum()
    };
    let mut tried = Vec::new();
    for &blank_bias in blank_biases {
        for weight in WEIGHTS {
            tried.extend(BONUSES.map(|bonus| Balance {
                weight,
                bonus,
                blank_bias,
            }));
        }
    }
    // Among equals the first: the lightest grammar.
    tried.into_iter().min_by_key(wrong).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::phone_grammar::Smoothing;
    use crate::train::phone_reader::greedy;
    use tch::Device;

    fn grammar(said: &[Vec<u8>]) -> PhoneGrammar {
        PhoneGrammar::learn(said, 3, Smoothing::WittenBell)
    }

    /// Log probabilities of steps that each name some labels' probabilities; the others share what is left.
    fn scores(steps: &[&[(u8, f64)]]) -> Tensor {
        let rows: Vec<Tensor> = steps
            .iter()
            .map(|named| {
                let left = 1.0 - named.iter().map(|(_, p)| p).sum::<f64>();
                let each = left / (LABELS - named.len() as i64) as f64;
                let row = Tensor::full([LABELS], each, (Kind::Float, Device::Cpu));
                for (label, p) in *named {
                    let _ = row.get(i64::from(*label)).fill_(*p);
                }
                row.log()
            })
            .collect();
        Tensor::stack(&rows, 0)
    }

    fn plain() -> Balance {
        Balance::default()
    }

    #[test]
    fn the_sum_over_all_ways_is_read_and_not_the_likeliest_way() {
        // Graves' case: the blank twice is the likeliest way (0.36), yet "4" in any of three ways has 0.63.
        let two = scores(&[&[(0, 0.6), (4, 0.39)], &[(0, 0.6), (4, 0.39)]]);
        assert_eq!(greedy(&two, 0.0), Vec::<u8>::new());
        assert_eq!(read(&two, &grammar(&[]), plain()), [4]);
    }

    #[test]
    fn clear_scores_are_read_as_the_greedy_reading_does() {
        let clear = |label| [(label, 0.95)];
        let say = [0, 5, 5, 0, 5, 7, 7, 0, 9].map(clear);
        let rows: Vec<&[(u8, f64)]> = say.iter().map(|r| r.as_slice()).collect();
        let clear = scores(&rows);
        assert_eq!(greedy(&clear, 0.0), [5, 5, 7, 9]);
        assert_eq!(read(&clear, &grammar(&[]), plain()), [5, 5, 7, 9]);
    }

    #[test]
    fn the_grammar_decides_where_the_scores_hardly_do() {
        let sure = |label| vec![(label, 0.97)];
        let unsure = vec![(2, 0.45), (3, 0.44), (0, 0.1)];
        let rows = [sure(1), sure(0), unsure, sure(0), sure(6), sure(0)];
        let rows: Vec<&[(u8, f64)]> = rows.iter().map(Vec::as_slice).collect();
        let heard = scores(&rows);
        let knows = grammar(&vec![vec![1, 3, 6]; 20]);
        let with = |weight| Balance { weight, ..plain() };
        assert_eq!(read(&heard, &knows, with(0.0)), [1, 2, 6]);
        assert_eq!(read(&heard, &knows, with(0.5)), [1, 3, 6]);
        // The other way round, it stays with the scores.
        let other = grammar(&vec![vec![1, 2, 6]; 20]);
        assert_eq!(read(&heard, &other, with(0.5)), [1, 2, 6]);
    }

    #[test]
    fn the_end_counts_too() {
        // The last phone is unsure; only one of the two ends a text.
        let heard = scores(&[&[(1, 0.98)], &[(0, 0.98)], &[(2, 0.5), (3, 0.48)]]);
        let knows = grammar(&[vec![1, 2, 5], vec![1, 2, 5], vec![1, 3], vec![1, 2, 4]]);
        let balance = Balance {
            weight: 1.0,
            ..plain()
        };
        assert_eq!(read(&heard, &knows, plain()), [1, 2]);
        assert_eq!(read(&heard, &knows, balance), [1, 3]);
    }

    #[test]
    fn a_bonus_and_a_lighter_blank_bring_phones() {
        let heard = scores(&[&[(1, 0.98)], &[(0, 0.8), (2, 0.19)], &[(6, 0.98)]]);
        let grammar = grammar(&[]);
        assert_eq!(read(&heard, &grammar, plain()), [1, 6]);
        let bonus = Balance {
            bonus: 2.0,
            ..plain()
        };
        assert_eq!(read(&heard, &grammar, bonus), [1, 2, 6]);
        let light = Balance {
            blank_bias: 2.0,
            ..plain()
        };
        assert_eq!(read(&heard, &grammar, light), [1, 2, 6]);
    }

    #[test]
    fn the_balance_with_the_fewest_mistakes_is_chosen() {
        let heard = scores(&[
            &[(1, 0.97)],
            &[(0, 0.97)],
            &[(2, 0.45), (3, 0.44)],
            &[(0, 0.97)],
            &[(6, 0.97)],
        ]);
        let knows = grammar(&vec![vec![1, 3, 6]; 20]);
        let pair = (heard.shallow_clone(), vec![1, 3, 6]);
        let helped = choose(&[&pair], &knows, &[0.0]);
        assert!(helped.weight > 0.0, "{helped:?}");
        assert_eq!(read(&heard, &knows, helped), [1, 3, 6]);
        // Where the scores alone are right the grammar is not needed.
        let alone = choose(&[&(heard, vec![1, 2, 6])], &knows, &[0.0]);
        assert_eq!(alone.weight, 0.0);
    }
}
