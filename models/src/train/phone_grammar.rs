//! Which phone follows which: an interpolated n-gram of phones, as readers of phones have been helped by since
//! Lee and Hon (1989, "Speaker-independent phone recognition using hidden Markov models").
//!
//! It learns from transcripts, not from sound, and must not know what is asked: read sentences recur between
//! speakers, and synthetic voices say what living ones have read. [`Texts`] therefore leaves out every text
//! that a recording that is asked about says too, and counts each other text once, however many say it.

use std::collections::BTreeSet;

use super::phones::{LABELS, SILENCE};

/// The phones, and in silence's place the mark of both ends: no sequence of phones holds silence.
const SYMBOLS: usize = LABELS as usize;
/// Symbols of the longest n-gram. One more would need 43 times the memory, and what is transcribed here, about
/// 100,000 phones, hardly fills four.
pub const LONGEST: usize = 4;
/// Least discount of [`Smoothing::KneserNey`], so that no phone is impossible where all were seen often.
const LEAST_DISCOUNT: f64 = 0.05;

/// How much of a longer n-gram's probability is left to shorter ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smoothing {
    /// As much as there are different successors (Witten and Bell 1991).
    WittenBell,
    /// A constant of each count; shorter n-grams count in how many contexts they stand (Kneser and Ney 1995,
    /// interpolated as by Chen and Goodman 1999).
    KneserNey,
}

/// What was said before, as far back as the grammar looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context(usize);

/// Probabilities of each phone, and of the end, after each context.
#[derive(Clone, Debug)]
pub struct PhoneGrammar {
    /// Natural logs; the context's symbols and the next one are the digits of the index.
    logs: Vec<f32>,
    contexts: usize,
    /// Symbols of its n-grams, 1 to [`LONGEST`].
    pub order: usize,
    /// See [`Smoothing`].
    pub smoothing: Smoothing,
}

impl PhoneGrammar {
    /// Learns from sequences of labels (1 to [`LABELS`] − 1).
    pub fn learn(sequences: &[Vec<u8>], order: usize, smoothing: Smoothing) -> Self {
        let order = order.clamp(1, LONGEST);
        let mut counts: Vec<Vec<u32>> = (1..=order)
            .map(|n| vec![0; SYMBOLS.pow(n as u32)])
            .collect();
        for sequence in sequences {
            let mut place = 0;
            for &label in sequence.iter().chain([&SILENCE]) {
                place = (place * SYMBOLS + usize::from(label)) % counts[order - 1].len();
                for table in &mut counts {
                    let index = place % table.len();
                    table[index] += 1;
                }
            }
        }
        if smoothing == Smoothing::KneserNey {
            for n in 1..order {
                let (shorter, longer) = counts.split_at_mut(n);
                count_contexts(&mut shorter[n - 1], &longer[0]);
            }
        }
        let mut probabilities = vec![1.0 / SYMBOLS as f64; SYMBOLS];
        for table in &counts {
            probabilities = interpolate(table, &probabilities, smoothing);
        }
        Self {
            logs: probabilities.iter().map(|p| p.ln() as f32).collect(),
            contexts: probabilities.len() / SYMBOLS,
            order,
            smoothing,
        }
    }

    /// The grammar of those that [`Self::learn`] makes of `sequences` to which `asked` are the least surprising.
    pub fn best(sequences: &[Vec<u8>], asked: &[Vec<u8>]) -> Self {
        let kinds = [Smoothing::WittenBell, Smoothing::KneserNey];
        let orders = (1..=LONGEST).flat_map(|n| kinds.map(|kind| (n, kind)));
        let mut best = Self::learn(sequences, 1, Smoothing::WittenBell);
        let mut least = best.perplexity(asked);
        for (order, smoothing) in orders.skip(1) {
            let grammar = Self::learn(sequences, order, smoothing);
            let perplexity = grammar.perplexity(asked);
            tracing::info!("{order}-gram, {smoothing:?}: perplexity {perplexity:.2}");
            if perplexity < least {
                (best, least) = (grammar, perplexity);
            }
        }
        best
    }

    /// The context once `label` was said in `context`; [`Context::default`] is the beginning.
    pub fn after(&self, context: Context, label: u8) -> Context {
        Context((context.0 * SYMBOLS + usize::from(label)) % self.contexts)
    }

    /// Natural log of the probability of `label` in `context`; of the end where `label` is [`SILENCE`].
    pub fn log_probability(&self, context: Context, label: u8) -> f64 {
        f64::from(self.logs[context.0 * SYMBOLS + usize::from(label)])
    }

    /// Of how many equally likely symbols the choice would surprise as much, ends counted.
    pub fn perplexity(&self, sequences: &[Vec<u8>]) -> f64 {
        let (mut surprise, mut symbols) = (0.0, 0);
        for sequence in sequences {
            let mut context = Context::default();
            for &label in sequence.iter().chain([&SILENCE]) {
                surprise -= self.log_probability(context, label);
                symbols += 1;
                context = self.after(context, label);
            }
        }
        (surprise / f64::from(symbols.max(1))).exp()
    }
}

/// Puts in place of each n-gram's count how many symbols it was seen after, told by the counts with one symbol
/// more. Nothing comes before the beginning, so that n-grams from there keep their count.
fn count_contexts(table: &mut [u32], longer: &[u32]) {
    // With two symbols or more the first one is the context's, and silence there is the beginning.
    let begun = if table.len() > SYMBOLS {
        table.len() / SYMBOLS
    } else {
        0
    };
    let size = table.len();
    for (index, count) in table.iter_mut().enumerate().skip(begun) {
        let before = (0..SYMBOLS).filter(|symbol| longer[symbol * size + index] > 0);
        *count = before.count() as u32;
    }
}

/// Probabilities of n-grams by their counts and the probabilities of those one symbol shorter.
fn interpolate(counts: &[u32], shorter: &[f64], smoothing: Smoothing) -> Vec<f64> {
    let with = |count: u32| counts.iter().filter(|&&c| c == count).count() as f64;
    // Ney, Essen and Kneser (1994).
    let discount = (with(1) / (with(1) + 2.0 * with(2)).max(1.0)).max(LEAST_DISCOUNT);
    let mut probabilities = Vec::with_capacity(counts.len());
    for (context, row) in counts.chunks(SYMBOLS).enumerate() {
        let from = context * SYMBOLS % shorter.len();
        let shorter = &shorter[from..from + SYMBOLS];
        let seen = f64::from(row.iter().sum::<u32>());
        let kinds = row.iter().filter(|&&c| c > 0).count() as f64;
        let one = |(&count, &shorter): (&u32, &f64)| match smoothing {
            _ if kinds == 0.0 => shorter,
            Smoothing::WittenBell => (f64::from(count) + kinds * shorter) / (seen + kinds),
            Smoothing::KneserNey => {
                ((f64::from(count) - discount).max(0.0) + discount * kinds * shorter) / seen
            }
        };
        probabilities.extend(row.iter().zip(shorter).map(one));
    }
    probabilities
}

/// What a grammar may learn from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// Phones of each text.
    pub sequences: Vec<Vec<u8>>,
    /// Texts left out because a recording that is asked about says them.
    pub left_out: usize,
}

impl Texts {
    /// Of `learned` each text once, and none that `asked` holds; both are transcripts with their phones. Texts
    /// are the same when their words are or their phones are.
    pub fn new(learned: &[(&str, Vec<u8>)], asked: &[(&str, Vec<u8>)]) -> Self {
        let mut words: BTreeSet<String> = asked.iter().map(|(text, _)| plain(text)).collect();
        let mut phones: BTreeSet<&[u8]> = asked.iter().map(|(_, said)| said.as_slice()).collect();
        let known = (words.clone(), phones.clone());
        let mut texts = Self::default();
        let mut left_out = BTreeSet::new();
        for (text, said) in learned {
            let own = plain(text);
            if known.0.contains(&own) || known.1.contains(said.as_slice()) {
                left_out.insert(own);
            } else if words.insert(own) && phones.insert(said) {
                texts.sequences.push(said.clone());
            }
        }
        texts.left_out = left_out.len();
        texts
    }
}

/// The words of a text alone, in small letters: what tells whether two texts are the same.
pub fn plain(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
    let words: Vec<String> = words
        .filter(|w| !w.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Phones of a made-up language: after 1 comes 2 or, seldom, 3; what comes after those depends on what
    /// came before the 1.
    fn sequences() -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for i in 0..60 {
            let seldom = if i % 10 == 0 { 3 } else { 2 };
            all.push(vec![5, 1, seldom, 7, 6, 1, 2, 8]);
            all.push(vec![6, 1, seldom, 8]);
        }
        all
    }

    fn said_before(grammar: &PhoneGrammar, labels: &[u8]) -> Context {
        let begin = Context::default();
        labels.iter().fold(begin, |c, &l| grammar.after(c, l))
    }

    #[test]
    fn probabilities_sum_to_one_in_every_context() {
        for smoothing in [Smoothing::WittenBell, Smoothing::KneserNey] {
            for order in 1..=LONGEST {
                let grammar = PhoneGrammar::learn(&sequences(), order, smoothing);
                assert_eq!(grammar.contexts, SYMBOLS.pow(order as u32 - 1));
                for context in 0..grammar.contexts {
                    let each = (0..SYMBOLS as u8)
                        .map(|label| grammar.log_probability(Context(context), label).exp());
                    let sum: f64 = each.sum();
                    assert!((sum - 1.0).abs() < 1e-4, "{smoothing:?} {order}: {sum}");
                }
            }
        }
    }

    #[test]
    fn longer_contexts_tell_more_and_the_least_surprised_grammar_is_taken() {
        let asked = sequences()[..2].to_vec();
        let of = |order| {
            PhoneGrammar::learn(&sequences(), order, Smoothing::KneserNey).perplexity(&asked)
        };
        assert!(of(1) > 1.5 * of(2), "{} {}", of(1), of(2));
        // Only the fourth phone back tells 7 from 8.
        assert!(of(3) > 1.05 * of(4), "{} {}", of(3), of(4));
        let best = PhoneGrammar::best(&sequences(), &asked);
        assert_eq!(best.order, 4);
        // Pairs alone are as before: what is further back misleads.
        let shuffled = [vec![6, 1, 2, 7, 6, 1, 3, 8], vec![5, 1, 2, 8]];
        let best = PhoneGrammar::best(&sequences(), &shuffled);
        let worse = |order, smoothing| {
            let grammar = PhoneGrammar::learn(&sequences(), order, smoothing);
            grammar.perplexity(&shuffled) >= best.perplexity(&shuffled)
        };
        for order in 1..=LONGEST {
            assert!(worse(order, Smoothing::WittenBell) && worse(order, Smoothing::KneserNey));
        }
        assert!(best.order < 4, "{}", best.order);
        let nothing = PhoneGrammar::best(&[], &asked).perplexity(&asked);
        assert!((nothing - 43.0).abs() < 1e-3, "{nothing}");
    }

    #[test]
    fn beginnings_and_ends_are_told() {
        for smoothing in [Smoothing::WittenBell, Smoothing::KneserNey] {
            let grammar = PhoneGrammar::learn(&sequences(), 4, smoothing);
            let probability = |before: &[u8], label| {
                let context = said_before(&grammar, before);
                grammar.log_probability(context, label).exp()
            };
            assert!((probability(&[], 5) - 0.5).abs() < 0.05);
            assert!(probability(&[], 7) < 0.02);
            assert!(probability(&[6, 1, 2, 8], SILENCE) > 0.9);
            assert!(probability(&[5, 1, 2], SILENCE) < 0.05);
        }
    }

    /// One phone stands often, but after one other alone; in a new context it is less likely than a phone that
    /// stands as often after many.
    #[test]
    fn kneser_and_ney_count_contexts_and_not_how_often() {
        let mut said = Vec::new();
        for i in 0..12 {
            said.push(vec![20, 21]);
            said.push(vec![1 + i, 22]);
        }
        // Seen at the beginning alone, so that nothing is known of what follows.
        said.push(vec![30]);
        let next = |smoothing, label| {
            let grammar = PhoneGrammar::learn(&said, 2, smoothing);
            let context = said_before(&grammar, &[30]);
            grammar.log_probability(context, label)
        };
        use Smoothing::{KneserNey, WittenBell};
        assert!(next(KneserNey, 22) > next(KneserNey, 21) + 1.0);
        assert!((next(WittenBell, 22) - next(WittenBell, 21)).abs() < 1e-6);
    }

    #[test]
    fn texts_count_once_and_those_asked_about_not_at_all() {
        let learned = [
            ("The cat sat.", vec![1, 2]),
            ("the CAT sat", vec![1, 2]),
            ("A dog, too!", vec![3, 4]),
            ("It's late", vec![5]),
            ("to be", vec![6, 7]),
            ("new words", vec![8, 9, 10]),
        ];
        let asked = [("a dog too", vec![3, 4]), ("two bee", vec![6, 7])];
        let texts = Texts::new(&learned, &asked);
        assert_eq!(texts.sequences, [vec![1, 2], vec![5], vec![8, 9, 10]]);
        assert_eq!(texts.left_out, 2);
        assert_eq!(Texts::new(&learned, &[]).left_out, 0);
        assert_eq!(Texts::new(&learned, &[]).sequences.len(), 5);
    }
}
