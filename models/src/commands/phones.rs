//! The stage of `mien train` about what is said: how many phones are read wrongly off the content.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Tensor, no_grad};

use super::train::Speech;
use crate::corpus::{Recording, held_out_speakers};
use crate::train::acoustic::AcousticNetworks;
use crate::train::batches::{Pool, clean_content_input};
use crate::train::config::TrainConfig;
use crate::train::phone_beam::{self, Balance};
use crate::train::phone_grammar::{PhoneGrammar, Texts, plain};
use crate::train::phone_reader::{self, greedy};
use crate::train::phone_readers::{self, PhoneReaders};
use crate::train::phones::Mistakes;

/// A recording that was read.
struct Read<'a> {
    corpus: &'a str,
    /// Whether no recording that the readers learned from says the same.
    new: bool,
    /// Log probabilities of the labels at each step, and what is said.
    scored: (Tensor, Vec<u8>),
}

impl Speech {
    /// Prints the phone error rates of fresh readers on the content of speakers that they did not learn from:
    /// read greedily, and with a grammar of phones. What the reading needs besides (the blank's bias, the
    /// grammar's kind and weight, the bonus) is chosen on training speakers that are kept from the readers.
    ///
    /// # Errors
    /// Nothing transcribed, a full disk, losses that stay infinite.
    pub fn tell_phones(
        &self,
        config: &TrainConfig,
        networks: &AcousticNetworks,
        folder: &Path,
        deadline: Option<Instant>,
    ) -> Result<()> {
        let kept = self.kept_from_reader(config);
        let learning = self.pool(config, |item, r| {
            let known = self.said(&item.teacher_key).is_some();
            (known && !kept.contains(&r.speaker)).then_some(1.0)
        });
        if learning.items.is_empty() {
            bail!("phones need transcripts and --teacher");
        }
        let readers = readers(config, networks, &learning, (folder, deadline))?;
        let learns: BTreeSet<&str> = learning
            .items
            .iter()
            .map(|item| item.teacher_key.as_str())
            .collect();
        let learned = self.transcripts(|r| learns.contains(r.key.as_str()));
        let known = learned.iter().map(|(text, _)| plain(text)).collect();
        let mut rng = StdRng::seed_from_u64(config.data.draw(901).seed);
        let mut read = |speakers, disturbed: bool| {
            let rng = disturbed.then_some(&mut rng);
            self.read_phones(config, networks, (&readers, &known), speakers, rng)
        };
        let (mut bias, mut fused) = (0.0, None);
        if !kept.is_empty() {
            let unsure = read(&kept, true);
            let clear = read(&kept, false);
            let asked: Vec<_> = unsure.iter().map(|r| &r.scored).collect();
            bias = phone_reader::choose_blank_bias(&asked);
            println!("training speakers kept from the reader ([phones] held_out), disturbed:");
            tell_errors(&unsure, |scores| greedy(scores, 0.0));
            println!("the same, the blank counting {bias} nats less:");
            tell_errors(&unsure, |scores| greedy(scores, bias));
            println!("undisturbed:");
            tell_errors(&clear, |scores| greedy(scores, bias));
            let grammar = self.grammar(&learned, &kept);
            let mut biases = vec![0.0, bias / 2.0, bias];
            biases.dedup();
            let balance = phone_beam::choose(&asked, &grammar, &biases);
            let with = how(&balance);
            println!("training speakers kept from the reader, disturbed, {with}:");
            tell_errors(&unsure, |s| phone_beam::read(s, &grammar, balance));
            println!("undisturbed, {with}:");
            tell_errors(&clear, |s| phone_beam::read(s, &grammar, balance));
            fused = Some((grammar, balance));
        }
        let strangers = read(&self.held_out, false);
        println!("speakers that no training heard, the blank counting as it does:");
        tell_errors(&strangers, |scores| greedy(scores, 0.0));
        println!("the same, the blank counting {bias} nats less:");
        tell_errors(&strangers, |scores| greedy(scores, bias));
        if let Some((grammar, balance)) = fused {
            println!("the same, {}:", how(&balance));
            tell_errors(&strangers, |s| phone_beam::read(s, &grammar, balance));
        }
        Ok(())
    }

    /// Labels of a transcribed recording.
    fn said(&self, key: &str) -> Option<Vec<u8>> {
        let said = self.phones.as_ref()?.get(key)?;
        Some(said.iter().map(|phone| phone.label).collect())
    }

    /// Training speakers that the reader does not learn from.
    fn kept_from_reader(&self, config: &TrainConfig) -> Vec<String> {
        let free: Vec<Recording> = self.free(config, false).cloned().collect();
        held_out_speakers(&free, config.phones.held_out, &[])
    }

    /// Transcripts and phones of recordings.
    fn transcripts(&self, wanted: impl Fn(&Recording) -> bool) -> Vec<(&str, Vec<u8>)> {
        let own = self.recordings.iter().filter(|r| wanted(r));
        own.filter_map(|r| Some((r.text.as_str(), self.said(&r.key)?)))
            .collect()
    }

    /// A grammar of the transcripts `learned`, without the texts of the speakers `kept` from it and of those
    /// that no training hears; of the kind that the texts of `kept` surprise least. Prints what it learned from.
    fn grammar(&self, learned: &[(&str, Vec<u8>)], kept: &[String]) -> PhoneGrammar {
        let chosen_by = self.transcripts(|r| kept.contains(&r.speaker));
        let strangers = self.transcripts(|r| self.held_out.contains(&r.speaker));
        let asked = [chosen_by.as_slice(), strangers.as_slice()].concat();
        let texts = Texts::new(learned, &asked);
        let chosen_by = Texts::new(&chosen_by, &[]).sequences;
        let grammar = PhoneGrammar::best(&texts.sequences, &chosen_by);
        println!(
            "grammar of phones: {}-gram, {:?}, of {} texts ({} phones) of the {} recordings that the readers learn \
             from; {} texts left out that speakers who are asked about say too; perplexity {:.2} on {} texts of the \
             training speakers kept from the reader",
            grammar.order,
            grammar.smoothing,
            texts.sequences.len(),
            texts.sequences.iter().map(Vec::len).sum::<usize>(),
            learned.len(),
            texts.left_out,
            grammar.perplexity(&chosen_by),
            chosen_by.len(),
        );
        grammar
    }

    /// Reads phones off the content of whole recordings of the speakers `asked`, disturbed by draws of `rng`.
    /// `known`: the texts that the readers learned from.
    fn read_phones(
        &self,
        config: &TrainConfig,
        networks: &AcousticNetworks,
        (readers, known): (&PhoneReaders, &BTreeSet<String>),
        asked: &[String],
        mut rng: Option<&mut StdRng>,
    ) -> Vec<Read<'_>> {
        let theirs = |r: &&Recording| asked.contains(&r.speaker);
        let mut read = |r: &Recording| {
            let (said, features) = (self.said(&r.key)?, self.features.get(&r.key)?);
            let heard = match rng.as_deref_mut() {
                Some(rng) => phone_reader::disturbed(&config.phones, features, rng).0,
                None => clean_content_input(features),
            };
            let heard = heard.to_device(networks.store.device());
            let content = no_grad(|| networks.content(&heard));
            Some((readers.scores(&content), said))
        };
        let recordings = self.recordings.iter().filter(theirs);
        recordings
            .filter_map(|r| {
                let corpus = r.corpus.as_str();
                let new = !known.contains(&plain(&r.text));
                read(r).map(|scored| Read {
                    corpus,
                    new,
                    scored,
                })
            })
            .collect()
    }
}

/// The readers of the run's folder where they learned from the same, else fresh ones, which are kept there.
fn readers(
    config: &TrainConfig,
    networks: &AcousticNetworks,
    learning: &Pool,
    (folder, deadline): (&Path, Option<Instant>),
) -> Result<PhoneReaders> {
    let device = networks.store.device();
    let frames = learning.items.iter().map(|i| i.weight).sum();
    let amount = (learning.items.len(), frames);
    let from = phone_readers::learned_from(config, &networks.encoder, amount, device)?;
    if let Some(readers) = PhoneReaders::load(&config.phones, folder, &from, device) {
        let file = folder.join(phone_readers::FILE);
        tracing::info!("the readers of {file:?} learned from the same: nothing is trained");
        return Ok(readers);
    }
    let heard = phone_reader::hear(config, &networks.encoder, learning, device);
    let seed = config.data.draw(900).seed;
    let at = (folder, deadline);
    let readers = PhoneReaders::learn(&config.phones, &heard, at, seed, device)?;
    // Those that the time limit stopped have not learned all that the settings say.
    if deadline.is_none_or(|d| Instant::now() < d) {
        readers.save(folder, &from)?;
    }
    Ok(readers)
}

fn how(balance: &Balance) -> String {
    format!(
        "read with the grammar (weight {}, bonus {} nats a phone, the blank counting {} nats less)",
        balance.weight, balance.bonus, balance.blank_bias
    )
}

/// Prints the shares of phones that `reading` has wrong, by corpus, and where the readers do not know the text:
/// synthetic voices say what living speakers have read.
fn tell_errors(read: &[Read<'_>], reading: impl Fn(&Tensor) -> Vec<u8>) {
    let mut table: BTreeMap<&str, (Mistakes, usize, usize)> = BTreeMap::new();
    for Read {
        corpus,
        new,
        scored,
    } in read
    {
        let (scores, said) = scored;
        let wrong = Mistakes::between(&reading(scores), said);
        let text = if *new {
            "texts unknown to the readers"
        } else {
            "texts known to the readers"
        };
        for name in [corpus, "all", text] {
            let row = table.entry(name).or_default();
            row.0 += wrong;
            row.1 += said.len();
            row.2 += 1;
        }
    }
    for (name, (wrong, phones, recordings)) in table {
        let share = |count: usize| 100.0 * count as f64 / phones as f64;
        println!(
            "{name}: phone error rate {:.1} % ({:.1} % inserted, {:.1} % left out, {:.1} % mistaken; {phones} phones, {recordings} recordings)",
            share(wrong.all()),
            share(wrong.inserted),
            share(wrong.left_out),
            share(wrong.mistaken)
        );
    }
}
