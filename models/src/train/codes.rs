//! How a codebook of content begins, learns, and is kept in use.

use anyhow::{Result, ensure};
use tch::{Device, Kind, Reduction, Tensor, no_grad};

use super::batches::UNLABELLED;
use super::checkpoint::{self, Tensors};
use super::config::TrainConfig;
use super::learner::{Named, by_name};
use super::phones::LABELS;
use crate::networks::{Codebook, nearest};

/// Rounds of Lloyd's iteration, with which k-means has all but settled.
const ROUNDS: usize = 15;
/// Frames that a phone must have to get centres of its own.
const FRAMES_OF_PHONE: i64 = 20;
/// Decay of the running sums whose means the codes are, a memory of twenty batches. An encoder that learns fast leaves
/// slower codes behind, among them those that learn by gradient (docs/training.md).
const DECAY: f64 = 0.95;
/// Batches for which a code may stand for no frame before it is put elsewhere.
const PATIENCE: i64 = 200;
/// Share of the steps after which unused codes stay where they are: the generator would have no time left
/// to learn what a new one sounds like.
const RENEWED_UNTIL: f64 = 0.75;
/// Where a checkpoint keeps what [`Upkeep`] remembers.
const KEPT: &str = "upkeep";

/// What coding does in one batch.
#[derive(Debug)]
pub struct CodeTerms {
    /// Content before the codebook, `[frames of all crops, CONTENT]`, without gradient.
    raw: Tensor,
    /// Code of each of them, `[frames of all crops]`.
    chosen: Tensor,
    /// Frames that each code stands for, `[codes]`.
    frames: Tensor,
    /// Mean squared distance of the content to its codes; its gradient reaches the encoder alone.
    commitment: Tensor,
    /// Cross-entropy of the phones that the codes stand for; 0 where they stand for none. Its gradient reaches the encoder alone.
    phone: Tensor,
}

impl CodeTerms {
    /// `raw`: `[batch, frames, CONTENT]`. `phones` `[batch, frames]`: what is said, where codes stand for phones.
    /// A frame whose phone is known then has the nearest of that phone's codes.
    pub fn of(book: &Codebook, raw: &Tensor, phones: Option<&Tensor>) -> Self {
        let (chosen, phone) = match phones {
            Some(phones) => {
                let nearness = book.nearness(raw);
                (
                    nearest_of_phone(&nearness, phones),
                    phone_entropy(book, &nearness, phones),
                )
            }
            None => (
                book.nearest(raw),
                Tensor::zeros([], (Kind::Float, raw.device())),
            ),
        };
        let apart = raw - book.look_up(&chosen).detach();
        let chosen = chosen.reshape([-1]);
        Self {
            phone,
            frames: chosen.bincount(None::<&Tensor>, book.entries().size()[0]),
            chosen,
            commitment: apart.square().mean(Kind::Float),
            raw: raw.detach().reshape([-1, raw.size()[2]]),
        }
    }

    /// What draws the encoder to its codes.
    pub fn commitment(&self) -> &Tensor {
        &self.commitment
    }

    /// What makes each frame nearest to a code of its phone: with codes as the middles of their phones' frames, a prototypical network
    /// (Snell et al. 2017), and the content a phonetic posteriorgram (Hazen et al. 2009; Sun et al. 2016).
    pub fn phone(&self) -> &Tensor {
        &self.phone
    }

    /// Share of the codes that stand for any frame, the distance of the content to its codes, and the cross-entropy of
    /// their phones.
    pub fn told(&self) -> [f64; 3] {
        let used = self.frames.gt(0).to_kind(Kind::Float).mean(Kind::Float);
        [&used, &self.commitment, &self.phone].map(|t| t.double_value(&[]))
    }
}

/// Whether the recipe's codes can stand for phones, where it wants them to, and lose their bias.
///
/// # Errors
/// As [`NetworkConfig::check_bias`](crate::networks::NetworkConfig::check_bias); codes that cannot be shared out alike among the phones, or that are not soft: the nearest code alone has no slope.
pub fn check(config: &TrainConfig) -> Result<()> {
    let networks = &config.networks;
    let shared = networks.codes > 0 && networks.codes % LABELS == 0;
    ensure!(
        config.acoustic.code_phones == 0.0 || (shared && networks.code_softness > 0.0),
        "code_phones of [acoustic] needs codes that are a multiple of {LABELS} and a code_softness above 0 in [networks], which has {} and {}",
        networks.codes,
        networks.code_softness
    );
    networks.check_bias()
}

/// Label of the phone that each of so many codes stands for, where they stand for phones; one code after another, so that any
/// multiple of [`LABELS`] shares them out alike.
fn phone_of(codes: i64, device: Device) -> Tensor {
    Tensor::arange(codes, (Kind::Int64, device)).remainder(LABELS)
}

/// Code of each frame, `[batch, frames]`: the nearest one of its phone, or of all where the phone is not known. `nearness`
/// `[batch, frames, codes]`.
fn nearest_of_phone(nearness: &Tensor, phones: &Tensor) -> Tensor {
    let codes = nearness.size()[2];
    let phones = phones.unsqueeze(-1);
    let other = phone_of(codes, nearness.device()).ne_tensor(&phones);
    let other = other.logical_and(&phones.ne(UNLABELLED));
    no_grad(|| nearness.masked_fill(&other, f64::NEG_INFINITY)).argmax(-1, false)
}

/// Cross-entropy of the frames' phones, a phone having the shares of all its codes.
fn phone_entropy(book: &Codebook, nearness: &Tensor, phones: &Tensor) -> Tensor {
    let shares = book.log_shares(nearness).reshape([-1, nearness.size()[2]]);
    let shares = shares.reshape([shares.size()[0], -1, LABELS]);
    let known = phones.ne(UNLABELLED).sum(Kind::Float).clamp_min(1.0);
    // These are logarithms of shares that add up to 1, which the softmax inside leaves as they are.
    let sum = shares.logsumexp([1].as_slice(), false).cross_entropy_loss(
        &phones.reshape([-1]),
        None::<&Tensor>,
        Reduction::Sum,
        UNLABELLED,
        0.0,
    );
    sum / known
}

/// Lets codes learn: each is the running mean of the content that it stands for (van den Oord et al. 2017, appendix
/// A.1), and one that stands for nothing is put where there is content, since nothing else would bring it back.
#[derive(Debug)]
pub struct Upkeep {
    /// Running number of frames of each code in a batch, `[codes, 1]`.
    frames: Tensor,
    /// Running sum of their content, `[codes, CONTENT]`.
    sums: Tensor,
    /// Batches since each code stood for any frame, `[codes]`.
    unused: Tensor,
    /// Whether codes stand for phones: they stay with them however seldom they are said.
    phonetic: bool,
}

impl Upkeep {
    /// For a codebook all of whose codes count as just used, alike often, by batches of so many `frames`. `phonetic`: whether
    /// they stand for phones.
    pub fn new(book: &Codebook, frames: usize, phonetic: bool) -> Self {
        let entries = book.entries().detach();
        let codes = entries.size()[0];
        let each = frames as f64 / codes as f64;
        Self {
            frames: Tensor::full([codes, 1], each, (entries.kind(), entries.device())),
            sums: &entries * each,
            unused: Tensor::zeros([codes], (Kind::Int64, entries.device())),
            phonetic,
        }
    }

    /// Its tensors by name.
    fn running(&self) -> Named {
        by_name([
            ("frames", &self.frames),
            ("sums", &self.sums),
            ("unused", &self.unused),
        ])
    }

    /// What a checkpoint needs to go on.
    pub fn state(&self) -> Named {
        checkpoint::prefixed(KEPT, self.running())
    }

    /// Takes it back; a checkpoint of other codes, or of before it was kept, changes nothing.
    pub fn restore(&mut self, saved: &Tensors) {
        checkpoint::load_named(&self.running(), saved, KEPT);
    }

    /// Takes in a batch of step `step` of `steps`. Codes that had too many batches without a frame become random
    /// frames of this one; returns which.
    pub fn learn(
        &mut self,
        book: &Codebook,
        terms: &CodeTerms,
        step: u64,
        steps: u64,
    ) -> Option<Tensor> {
        no_grad(|| {
            let mut entries = book.entries().shallow_clone();
            let sums = entries.zeros_like();
            let sums = sums.index_add(0, &terms.chosen, &terms.raw);
            self.frames = &self.frames * DECAY + terms.frames.unsqueeze(1) * (1.0 - DECAY);
            self.sums = &self.sums * DECAY + sums * (1.0 - DECAY);
            // The mean of what was last heard very long ago would be nothing by nothing.
            let means = (&self.sums / &self.frames).where_self(&self.frames.gt(1e-9), &entries);
            entries.copy_(&means);
            self.unused = (&self.unused + 1) * terms.frames.eq(0).to_kind(Kind::Int64);
            let rows = self.unused.ge(PATIENCE).nonzero().reshape([-1]);
            let count = rows.size()[0];
            if self.phonetic || count == 0 || step as f64 > steps as f64 * RENEWED_UNTIL {
                return None;
            }
            let frames = terms.raw.size()[0];
            let picked = Tensor::randint(frames, [count], (Kind::Int64, rows.device()));
            let begun = terms.raw.index_select(0, &picked);
            let _ = entries.index_copy_(0, &rows, &begun);
            let each = frames as f64 / entries.size()[0] as f64;
            let _ = self.frames.index_fill_(0, &rows, each);
            let _ = self.sums.index_copy_(0, &rows, &(begun * each));
            let _ = self.unused.index_fill_(0, &rows, 0);
            Some(rows)
        })
    }
}

/// Fills a codebook with centres of `raw` `[frames, CONTENT]`. Where `phones` `[frames]` tells enough of what is
/// said, each phone gets about as many as the others, so that the codes tell phones rather than speakers. `phonetic`: each code is
/// to stand for one phone, in the order of the labels, over and over.
///
/// # Errors
/// When there are fewer frames than codes.
pub fn seed(book: &Codebook, raw: &Tensor, phones: &Tensor, phonetic: bool) -> Result<()> {
    let codes = book.entries().size()[0];
    ensure!(
        raw.size()[0] >= codes,
        "{codes} codes need as many frames to begin with; raise batch or frames of [acoustic]"
    );
    no_grad(|| {
        let centres = match phonetic {
            true => centres_of_phones(raw, phones, codes),
            false => centres_by_phone(raw, phones, codes).unwrap_or_else(|| k_means(raw, codes)),
        };
        book.entries().shallow_clone().copy_(&centres);
    });
    Ok(())
}

/// So many centres, shared out among the phones that have frames enough, those of most frames getting one more where it
/// does not come out even; none where there are fewer centres than such phones, or not frames enough.
fn centres_by_phone(raw: &Tensor, phones: &Tensor, count: i64) -> Option<Tensor> {
    let mut said: Vec<Tensor> = (0..LABELS)
        .map(|label| phones.eq(label).nonzero().reshape([-1]))
        .filter(|rows| rows.size()[0] >= FRAMES_OF_PHONE)
        .collect();
    said.sort_by_key(|rows| -rows.size()[0]);
    let all = said.len() as i64;
    if all == 0 || count < all || count > all * FRAMES_OF_PHONE {
        return None;
    }
    let (each, more) = (count / all, count % all);
    let of_phone = |(at, rows): (usize, &Tensor)| {
        let own = each + i64::from((at as i64) < more);
        k_means(&raw.index_select(0, rows), own)
    };
    let centres: Vec<Tensor> = said.iter().enumerate().map(of_phone).collect();
    Some(Tensor::cat(&centres, 0))
}

/// Centres of each phone's frames, in the order of [`phone_of`]; of any frames for a phone that has fewer frames than codes. They become
/// those of the phone as soon as it is said.
fn centres_of_phones(raw: &Tensor, phones: &Tensor, codes: i64) -> Tensor {
    let each = codes / LABELS;
    let of_phone = |label: i64| {
        let rows = phones.eq(label).nonzero().reshape([-1]);
        match rows.size()[0] >= each {
            true => k_means(&raw.index_select(0, &rows), each),
            false => {
                let like = (Kind::Int64, raw.device());
                raw.index_select(0, &Tensor::randint(raw.size()[0], [each], like))
            }
        }
    };
    let centres: Vec<Tensor> = (0..LABELS).map(of_phone).collect();
    Tensor::stack(&centres, 1).reshape([codes, raw.size()[1]])
}

/// `count` centres of `frames` `[frames, values]`, of which there are as many or more: begun apart from one another
/// (k-means++, Arthur and Vassilvitskii 2007), then moved by Lloyd's iteration.
fn k_means(frames: &Tensor, count: i64) -> Tensor {
    let size = frames.size();
    let like = (frames.kind(), frames.device());
    let far = |centre: &Tensor| {
        (frames - centre)
            .square()
            .sum_dim_intlist([-1].as_slice(), false, Kind::Float)
    };
    let first = Tensor::randint(size[0], [1], (Kind::Int64, frames.device()));
    let mut begun = vec![frames.index_select(0, &first)];
    let mut apart = far(&begun[0]);
    while (begun.len() as i64) < count {
        // Equal frames are at no distance from one another, and something must be drawn.
        let next = frames.index_select(0, &(&apart + 1e-9).multinomial(1, true));
        apart = apart.minimum(&far(&next));
        begun.push(next);
    }
    let mut centres = Tensor::cat(&begun, 0);
    for _ in 0..ROUNDS {
        let own = nearest(&centres, frames);
        let sums = Tensor::zeros([count, size[1]], like).index_add(0, &own, frames);
        let members = own.bincount(None::<&Tensor>, count).unsqueeze(1);
        let means = sums / members.clamp_min(1);
        // One that lost all its frames stays.
        centres = means.where_self(&members.gt(0), &centres);
    }
    centres
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::CONTENT;
    use crate::train::batches::UNLABELLED;
    use tch::nn::VarStore;
    use tch::{Device, Kind};

    const LIKE: (Kind, Device) = (Kind::Float, Device::Cpu);

    fn book(codes: i64) -> (VarStore, Codebook) {
        book_of(codes, 0.0)
    }

    fn soft_book(codes: i64) -> (VarStore, Codebook) {
        book_of(codes, 0.05)
    }

    fn book_of(codes: i64, softness: f64) -> (VarStore, Codebook) {
        tch::manual_seed(4);
        let store = VarStore::new(Device::Cpu);
        let book = Codebook::new(&store.root(), codes, softness, 0.0);
        (store, book)
    }

    /// `each` frames around each of so many places far apart, one place after another.
    fn heaps(places: i64, each: i64) -> (Tensor, Tensor) {
        let middles = Tensor::randn([places, 1, CONTENT], LIKE) * 5.0;
        let frames = &middles + Tensor::randn([places, each, CONTENT], LIKE) * 0.1;
        (
            middles.reshape([-1, CONTENT]),
            frames.reshape([-1, CONTENT]),
        )
    }

    #[test]
    fn codes_begin_in_the_middle_of_what_is_there() {
        let (_store, book) = book(12);
        let (middles, frames) = heaps(12, 50);
        let unlabelled = Tensor::full([600], UNLABELLED, (Kind::Int64, Device::Cpu));
        seed(&book, &frames, &unlabelled, false).unwrap();
        let entries = book.look_up(&book.nearest(&middles));
        let error = (entries - middles).abs().max().double_value(&[]);
        assert!(error < 0.1, "{error}");
        assert!(seed(&book, &frames.narrow(0, 0, 11), &unlabelled, false).is_err());
    }

    #[test]
    fn each_phone_gets_its_share_of_the_codes() {
        let (_store, book) = book(7);
        let (middles, frames) = heaps(3, 400);
        // The second place is two phones', the third is not labelled.
        let label = |frame: i64| match frame {
            0..400 => 5,
            400..700 => 9,
            700..800 => 11,
            _ => UNLABELLED,
        };
        let phones: Vec<i64> = (0..1200).map(label).collect();
        seed(&book, &frames, &Tensor::from_slice(&phones), false).unwrap();
        let places = nearest(&middles, book.entries());
        let own = places.bincount(None::<&Tensor>, 3);
        assert_eq!(Vec::<i64>::try_from(&own).unwrap(), [3, 4, 0]);
    }

    #[test]
    fn codes_come_to_the_content_and_the_content_to_its_codes() {
        let (_store, book) = book(5);
        let before = book.entries().copy();
        let raw = Tensor::randn([2, 30, CONTENT], LIKE).set_requires_grad(true);
        let terms = CodeTerms::of(&book, &raw, None);
        let [used, distance, phone] = terms.told();
        assert!(used > 0.5 && distance > 0.1, "{used} {distance}");
        assert_eq!(phone, 0.0);
        terms.commitment().backward();
        let apart = (&raw - book.quantise(&raw)).detach();
        let wanted = &apart * (2.0 / raw.numel() as f64);
        assert!(raw.grad().allclose(&wanted, 1e-4, 1e-7, false));
        assert!(!book.entries().grad().defined());
        // The codes go to the middle of their frames, and stay where they were without any.
        let mut upkeep = Upkeep::new(&book, 60, false);
        for step in 0..100 {
            assert!(upkeep.learn(&book, &terms, step, 1000).is_none());
        }
        for code in 0..5 {
            let own = terms.chosen.eq(code).nonzero().reshape([-1]);
            let middle = match own.size()[0] {
                0 => before.get(code),
                _ => {
                    let own = terms.raw.index_select(0, &own);
                    own.mean_dim([0].as_slice(), false, Kind::Float)
                }
            };
            let error = (book.entries().get(code) - middle).abs().max();
            assert!(error.double_value(&[]) < 0.2, "{error:?}");
        }
        let after = CodeTerms::of(&book, &raw, None).told()[1];
        assert!(after < distance * 0.9, "{after} {distance}");
    }

    /// What is said in each of so many frames: each phone as often, the last frames not known.
    fn said(frames: i64, unknown: i64) -> Tensor {
        let labels = phone_of(frames, Device::Cpu);
        let _ = labels
            .narrow(0, frames - unknown, unknown)
            .fill_(UNLABELLED);
        labels
    }

    #[test]
    fn codes_that_stand_for_phones_are_the_middles_of_theirs() {
        let (_store, book) = soft_book(2 * LABELS);
        let (frames, unknown) = (LABELS * 40, 7);
        let phones = said(frames, unknown);
        // Two ways to say each phone.
        let ways = Tensor::randn([2, LABELS, CONTENT], LIKE) * 3.0;
        let raw = ways.repeat([20, 1, 1]).reshape([frames, CONTENT]);
        let raw = &raw + raw.randn_like() * 0.01;
        seed(&book, &raw, &phones, true).unwrap();
        let own = phone_of(2 * LABELS, Device::Cpu);
        let nearest = ways.reshape([-1, CONTENT]);
        let told = book.nearest(&nearest);
        assert!(own.index_select(0, &told).equal(&own), "{told:?}");
        // Codes of a phone keep it, whatever is nearer.
        let (raw, phones) = (raw.unsqueeze(0), phones.unsqueeze(0));
        let wrong = (&phones + 1).remainder(LABELS);
        let wrong = wrong.where_self(&phones.ne(UNLABELLED), &phones);
        let terms = CodeTerms::of(&book, &raw, Some(&wrong));
        let known = frames - unknown;
        let chosen = terms.chosen.remainder(LABELS).narrow(0, 0, known);
        assert!(chosen.equal(&wrong.get(0).narrow(0, 0, known)));
        let unlabelled = terms.chosen.narrow(0, known, unknown);
        assert!(unlabelled.equal(&book.nearest(&raw.get(0)).narrow(0, known, unknown)));
    }

    #[test]
    fn codes_that_cannot_stand_for_phones_are_refused() {
        let checked = |codes: i64, softness: f64, weight: f64| {
            let mut config = TrainConfig::default();
            config.networks.codes = codes;
            config.networks.code_softness = softness;
            config.acoustic.code_phones = weight;
            check(&config)
        };
        assert!(checked(100, 0.0, 0.0).is_ok());
        assert!(checked(0, 0.0, 0.0).is_ok());
        assert!(checked(2 * LABELS, 0.05, 1.0).is_ok());
        for (codes, softness) in [(100, 0.05), (0, 0.05), (LABELS, 0.0)] {
            let told = checked(codes, softness, 1.0).unwrap_err().to_string();
            assert!(told.contains("43"), "{told}");
        }
    }

    #[test]
    fn only_soft_codes_can_lose_their_bias() {
        let checked = |codes: i64, softness: f64, prior: f64| {
            let mut config = TrainConfig::default();
            config.networks.codes = codes;
            config.networks.code_softness = softness;
            config.networks.code_bias_prior = prior;
            check(&config)
        };
        assert!(checked(100, 0.04, 1.0).is_ok());
        for (codes, softness, prior) in [
            (0, 0.04, 1.0),
            (100, 0.0, 1.0),
            (100, 0.04, -1.0),
            (100, 0.04, f64::NAN),
        ] {
            let told = checked(codes, softness, prior).unwrap_err().to_string();
            assert!(told.contains("code_bias_prior"), "{told}");
        }
    }

    #[test]
    fn the_encoder_learns_to_be_near_codes_of_the_phone() {
        let (_store, book) = soft_book(LABELS);
        let phones = said(90, 10).unsqueeze(0);
        let raw = Tensor::randn([1, 90, CONTENT], LIKE).set_requires_grad(true);
        let terms = CodeTerms::of(&book, &raw, Some(&phones));
        terms.phone().backward();
        let entropy = terms.told()[2];
        assert!(entropy > 1.0, "{entropy}");
        // Frames whose phone is not known teach nothing; nor do the codes follow the gradient.
        let gradient = raw.grad();
        assert_eq!(
            gradient.narrow(1, 80, 10).abs().max().double_value(&[]),
            0.0
        );
        assert!(!book.entries().grad().defined());
        let nearer = (&raw - gradient * 30.0).detach();
        let after = CodeTerms::of(&book, &nearer, Some(&phones)).told()[2];
        assert!(after < entropy, "{after} {entropy}");
        // Where nothing is known there is nothing to learn.
        let unknown = phones.full_like(UNLABELLED);
        let terms = CodeTerms::of(&book, &raw, Some(&unknown));
        assert_eq!(terms.told()[2], 0.0);
        // And they are not put elsewhere, however seldom they are said.
        let mut upkeep = Upkeep::new(&book, 90, true);
        let silence = phones.zeros_like();
        let terms = CodeTerms::of(&book, &raw, Some(&silence));
        assert!(
            (0..=PATIENCE as u64 + 1).all(|step| upkeep.learn(&book, &terms, step, 1000).is_none())
        );
    }

    #[test]
    fn a_code_that_stands_for_nothing_is_put_where_content_is() {
        let (_store, book) = book(4);
        let raw = Tensor::randn([1, 50, CONTENT], LIKE) * 0.1;
        no_grad(|| {
            let mut entries = book.entries().shallow_clone();
            let _ = entries.fill_(0.05);
            let _ = entries.get(0).fill_(0.0);
            let _ = entries.get(2).fill_(9.0);
        });
        let batch = |upkeep: &mut Upkeep, step| {
            upkeep.learn(&book, &CodeTerms::of(&book, &raw, None), step, 1000)
        };
        let mut upkeep = Upkeep::new(&book, 50, false);
        let renewed: Vec<(u64, Tensor)> = (1..=PATIENCE as u64)
            .filter_map(|step| Some((step, batch(&mut upkeep, step)?)))
            .collect();
        let [(step, rows)] = renewed.as_slice() else {
            panic!("{renewed:?}");
        };
        assert_eq!(*step, PATIENCE as u64);
        let rows = Vec::<i64>::try_from(rows).unwrap();
        assert!(rows.contains(&2) && !rows.contains(&0), "{rows:?}");
        assert!(book.entries().get(2).max().double_value(&[]) < 1.0);
        // Late in a training they stay.
        let _ = no_grad(|| book.entries().get(2).fill_(9.0));
        let mut upkeep = Upkeep::new(&book, 50, false);
        assert!((760..1000).all(|step| batch(&mut upkeep, step).is_none()));
        assert!(book.entries().get(2).min().double_value(&[]) > 8.9);
        assert!(batch(&mut upkeep, 700).is_some());
    }
}
