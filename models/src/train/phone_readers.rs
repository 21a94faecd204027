//! Several phone readers that learn apart and read together, and how a run keeps them.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor, no_grad};

use super::checkpoint;
use super::config::{PhoneReaderConfig, TrainConfig};
use super::phone_reader::{Heard, PhoneReader, learn};
use crate::networks::ContentEncoder;

/// The readers of a run, in its folder.
pub const FILE: &str = "phone-readers.safetensors";
/// Name of what they learned from, in the file.
const LEARNED_FROM: &str = "learned_from";

/// Readers, the mean of whose log probabilities reads.
#[derive(Debug)]
pub struct PhoneReaders {
    readers: Vec<PhoneReader>,
    stores: Vec<VarStore>,
}

impl PhoneReaders {
    /// Fresh readers, as many as `config` says.
    pub fn new(config: &PhoneReaderConfig, device: Device) -> Self {
        let stores: Vec<VarStore> = (0..config.readers.max(1))
            .map(|_| VarStore::new(device))
            .collect();
        let reader = |store: &VarStore| PhoneReader::of(config, &store.root());
        Self {
            readers: stores.iter().map(reader).collect(),
            stores,
        }
    }

    /// Trains fresh readers on content, one after the other, for as long as there is time.
    ///
    /// # Errors
    /// Nothing to read, a full disk, losses that stay infinite.
    pub fn learn(
        config: &PhoneReaderConfig,
        heard: &[Heard],
        (folder, deadline): (&Path, Option<Instant>),
        seed: u64,
        device: Device,
    ) -> Result<Self> {
        let (mut readers, mut stores) = (Vec::new(), Vec::new());
        for i in 0..config.readers.max(1) as u64 {
            let late = deadline.is_some_and(|d| Instant::now() >= d);
            if i == 0 || !late {
                let at = (folder, deadline);
                let (reader, store) = learn(config, heard, at, seed.wrapping_add(i), device)?;
                readers.push(reader);
                stores.push(store);
            }
        }
        Ok(Self { readers, stores })
    }

    /// The readers that an earlier run wrote to `folder`, if they learned from the same.
    pub fn load(
        config: &PhoneReaderConfig,
        folder: &Path,
        learned_from: &str,
        device: Device,
    ) -> Option<Self> {
        let saved = checkpoint::read(&folder.join(FILE)).ok()?;
        let own = saved.get(LEARNED_FROM)?;
        let same = *own == Tensor::from_slice(learned_from.as_bytes());
        let all = Self::new(config, device);
        let fits = |(i, store): (usize, &VarStore)| {
            checkpoint::load_into(store, &saved, &i.to_string()) == 0
        };
        (same && all.stores.iter().enumerate().all(fits)).then_some(all)
    }

    /// Writes the readers to `folder`, with what they learned from.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn save(&self, folder: &Path, learned_from: &str) -> Result<()> {
        let own = Tensor::from_slice(learned_from.as_bytes());
        let mut tensors = vec![(LEARNED_FROM.to_owned(), own)];
        for (i, store) in self.stores.iter().enumerate() {
            let named = checkpoint::named(store);
            tensors.extend(checkpoint::prefixed(&i.to_string(), named));
        }
        checkpoint::write(&folder.join(FILE), &tensors)
    }

    /// The mean log probabilities for the content of one recording, `[1, frames, CONTENT]`: `[steps, LABELS]`.
    pub fn scores(&self, content: &Tensor) -> Tensor {
        let each: Vec<Tensor> = self
            .readers
            .iter()
            .map(|r| no_grad(|| r.logits(content)).log_softmax(-1, Kind::Float))
            .collect();
        Tensor::stack(&each, 0)
            .mean_dim(0, false, Kind::Float)
            .squeeze_dim(0)
    }
}

/// What readers learn from, so far that those of another run are known to be others: the settings, what the
/// encoder gives for a fixed input, and how much speech there is.
pub fn learned_from(
    config: &TrainConfig,
    encoder: &ContentEncoder,
    (recordings, frames): (usize, f64),
    device: Device,
) -> Result<String> {
    let input = Tensor::arange(200 * crate::networks::CONTENT_MEL, (Kind::Float, device));
    let heard = (input * 0.37).sin().view([1, 200, -1]) * 3.0 - 4.0;
    let content = no_grad(|| encoder.encode(&heard)).to_kind(Kind::Double);
    let sums = [&content, &content.square()].map(|t| t.sum(Kind::Double).double_value(&[]));
    let settings = serde_json::to_string(&(&config.data, &config.phones))?;
    Ok(format!(
        "{settings} {sums:.3?} {recordings} recordings {frames:.0} frames"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::CONTENT;
    use crate::networks::NetworkConfig;
    use crate::train::phones::{LABELS, Phone};

    fn settings() -> PhoneReaderConfig {
        PhoneReaderConfig {
            width: 16,
            dilations: vec![1],
            ..PhoneReaderConfig::default()
        }
    }

    fn content() -> Tensor {
        Tensor::randn([1, 20, CONTENT], (Kind::Float, Device::Cpu))
    }

    fn apart(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).abs().max().double_value(&[])
    }

    #[test]
    fn as_many_readers_learn_as_the_settings_say_and_no_two_alike() {
        tch::manual_seed(4);
        let folder = tempfile::tempdir().unwrap();
        let heard = Heard {
            passes: vec![(content().squeeze_dim(0).to_kind(Kind::Half), 1.0)],
            said: vec![Phone {
                label: 3,
                start: 0.05,
                end: 0.1,
            }],
            weight: 1.0,
        };
        let config = PhoneReaderConfig {
            steps: 2,
            batch: 2,
            frames: 20,
            readers: 3,
            ..settings()
        };
        let at = (folder.path(), None);
        let mut readers = PhoneReaders::learn(&config, &[heard], at, 1, Device::Cpu).unwrap();
        assert_eq!(readers.readers.len(), 3);
        let content = content();
        let all = readers.scores(&content);
        readers.readers.truncate(1);
        assert!(apart(&all, &readers.scores(&content)) > 1e-3);
    }

    #[test]
    fn several_readers_give_the_mean_of_what_each_gives() {
        tch::manual_seed(5);
        let content = content();
        let mut readers = PhoneReaders::new(&settings(), Device::Cpu);
        let both = readers.scores(&content);
        assert_eq!(both.size(), [10, LABELS]);
        let second = readers.readers.split_off(1);
        let one = readers.scores(&content);
        readers.readers = second;
        let two = readers.scores(&content);
        assert!(apart(&one, &two) > 1e-3);
        assert!(apart(&(both * 2.0), &(one + two)) < 1e-4);
    }

    #[test]
    fn readers_are_found_again_where_they_learned_from_the_same() {
        tch::manual_seed(6);
        let folder = tempfile::tempdir().unwrap();
        let content = content();
        let readers = PhoneReaders::new(&settings(), Device::Cpu);
        let load = |config: &PhoneReaderConfig, from: &str| {
            PhoneReaders::load(config, folder.path(), from, Device::Cpu)
        };
        assert!(load(&settings(), "this").is_none());
        readers.save(folder.path(), "this").unwrap();
        let again = load(&settings(), "this").unwrap();
        assert_eq!(
            apart(&readers.scores(&content), &again.scores(&content)),
            0.0
        );
        assert!(load(&settings(), "that").is_none());
        assert!(load(&settings(), "longer than this").is_none());
        let more = PhoneReaderConfig {
            readers: 3,
            ..settings()
        };
        assert!(load(&more, "this").is_none());
    }

    #[test]
    fn another_encoder_and_other_settings_are_something_else_to_learn_from() {
        tch::manual_seed(7);
        let store = VarStore::new(Device::Cpu);
        let networks = NetworkConfig::default();
        let encoders =
            ["a", "b"].map(|name| ContentEncoder::new(&(store.root() / name), &networks));
        let config = TrainConfig::default();
        let of = |config: &TrainConfig, i: usize| {
            learned_from(config, &encoders[i], (3, 500.0), Device::Cpu).unwrap()
        };
        assert_eq!(of(&config, 0), of(&config, 0));
        assert_ne!(of(&config, 0), of(&config, 1));
        let mut other = config.clone();
        other.phones.steps += 1;
        assert_ne!(of(&config, 0), of(&other, 0));
    }
}
