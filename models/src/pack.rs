//! Packs: one safetensors file with a JSON card in its header.
//!
//! Loading never runs code from the file: it holds numbers and text only. Emotion weights, whose
//! corpora have another licence, lie in a second file beside it, `NAME.emotion.mien`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use half::f16;
use mien_face::{EMOTIONS, EmotionInfo, PackDescription, Voice};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor, no_grad};

use crate::networks::{
    ActedContent, ContentEncoder, EmotionAdapter, Generator, InstantVoice, NetworkConfig, Vocoder,
};
use crate::streaming::{
    DELAY_SAMPLES, EmotionColour, EmotionProsody, Feelings, PROSODY_DEFAULTS, PitchTarget,
};

/// Version of the file format.
pub const FORMAT: u32 = 1;
/// That of packs with coded content: programs that know of no codes would pass over them, so they shall not read it.
pub const CODED_FORMAT: u32 = 2;
/// That of packs with coded content whose bias is taken away, for the same reason.
pub const UNBIASED_FORMAT: u32 = 3;
/// File name extension of packs.
pub const EXTENSION: &str = "mien";

/// What stands in a pack's header.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Card {
    /// [`FORMAT`], [`CODED_FORMAT`] or [`UNBIASED_FORMAT`].
    pub format: u32,
    /// `"voices"` or `"emotion"`.
    pub kind: String,
    /// What the panel and `mien voices` show.
    pub description: PackDescription,
    /// Sizes of the networks.
    pub networks: NetworkConfig,
    /// Prosody of each emotion in a voice of the pack (emotion packs).
    #[serde(default)]
    pub prosody: Vec<EmotionProsody>,
    /// The same in a low voice of the pack; none where it is no other.
    #[serde(default)]
    pub low_prosody: Vec<EmotionProsody>,
    /// The same in the speaker's own voice; none where it is no other.
    #[serde(default)]
    pub own_prosody: Vec<EmotionProsody>,
    /// Colour of all voices (voice packs).
    #[serde(default)]
    pub colour: EmotionColour,
    /// SHA-256 of all tensors' bytes in the order of their names.
    #[serde(default)]
    pub sha256: String,
}

/// Name of the voice that every pack has beside its own: the speaker's, whose colour stays as it is while
/// feelings and the performer's controls act on it.
pub const OWN_VOICE: &str = "Yourself";

/// A pack's networks, ready to run; shared by all its converters.
#[derive(Debug)]
pub struct Networks {
    /// Sizes.
    pub config: NetworkConfig,
    /// Content encoder.
    pub encoder: ContentEncoder,
    /// Generator.
    pub generator: Generator,
    /// Vocoder.
    pub vocoder: Vocoder,
    /// Emotion adapter, where the emotion pack is there.
    pub emotion: Option<EmotionAdapter>,
    /// What feelings do to the content, where the emotion pack tells.
    pub acting: Option<ActedContent>,
    /// What makes a voice of a recording at once, where the pack has it.
    pub instant: Option<InstantVoice>,
    /// Embedding of each voice, `[1, voice]`; the middle of the others for [`Self::own_voice`].
    pub voices: Vec<Tensor>,
    /// Mean pitch of each voice in Hz; 0 for [`Self::own_voice`].
    pub voice_f0_hz: Vec<f32>,
    /// Index of the voice that leaves the speaker's own as it is.
    pub own_voice: usize,
    /// What each emotion does to delivery.
    pub feelings: Feelings,
    /// Colour of all voices but [`Self::own_voice`].
    pub colour: EmotionColour,
    _stores: Vec<VarStore>,
}

impl Networks {
    /// Where the pitch of a voice lies that is not mixed with others.
    pub fn target(&self, voice: usize) -> PitchTarget {
        PitchTarget {
            own: if voice == self.own_voice { 1.0 } else { 0.0 },
            ..PitchTarget::of_voice(self.voice_f0_hz[voice])
        }
    }
}

// SAFETY: tensors are counted atomically inside libtorch, and nothing writes these after loading.
unsafe impl Send for Networks {}
// SAFETY: as above: they are only read.
unsafe impl Sync for Networks {}

/// A pack in memory.
#[derive(Debug)]
pub struct LoadedPack {
    /// What is in it.
    pub description: PackDescription,
    /// Its networks.
    pub networks: std::sync::Arc<Networks>,
}

/// Writes a pack. Values are kept in half precision, which changes the sound by less than −60 dB.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, mut card: Card, tensors: &[(String, Tensor)]) -> Result<()> {
    let mut sorted: Vec<&(String, Tensor)> = tensors.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let mut bytes = Vec::new();
    for (name, tensor) in sorted {
        let flat = tensor
            .detach()
            .to_device(Device::Cpu)
            .to_kind(Kind::Float)
            .contiguous()
            .view([-1]);
        let values: Vec<f32> = Vec::<f32>::try_from(&flat)?;
        let data: Vec<u8> = values
            .iter()
            .flat_map(|v| f16::from_f32(*v).to_le_bytes())
            .collect();
        let shape: Vec<usize> = tensor.size().iter().map(|&s| s as usize).collect();
        bytes.push((name.as_str(), shape, data));
    }
    card.format = format_of(&card.networks);
    card.sha256 = checksum(bytes.iter().map(|(name, _, data)| (*name, data.as_slice())));
    let views = bytes
        .iter()
        .map(|(name, shape, data)| Ok((*name, TensorView::new(Dtype::F16, shape.clone(), data)?)))
        .collect::<Result<Vec<_>>>()?;
    let header = HashMap::from([("mien.card".to_string(), serde_json::to_string(&card)?)]);
    // Not the crate's own writer: its files can be read by their owner alone.
    let file = safetensors::serialize(views, Some(header))?;
    std::fs::write(path, file).with_context(|| format!("cannot write the pack {path:?}"))
}

fn format_of(networks: &NetworkConfig) -> u32 {
    match networks.codes {
        0 => FORMAT,
        _ if networks.code_bias_prior > 0.0 => UNBIASED_FORMAT,
        _ => CODED_FORMAT,
    }
}

fn checksum<'a>(tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hash = Sha256::new();
    for (name, data) in tensors {
        hash.update(name.as_bytes());
        hash.update(data);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// Reads a file's card and tensors, checking both.
pub fn read(path: &Path) -> Result<(Card, HashMap<String, Tensor>)> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the pack {path:?}"))?;
    let broken = || format!("{path:?} is no Mien pack, or was damaged on the way; get it again");
    let (_, metadata) = SafeTensors::read_metadata(&bytes).with_context(broken)?;
    let header = metadata.metadata().clone().unwrap_or_default();
    let text = header.get("mien.card").with_context(broken)?;
    let card: Card = serde_json::from_str(text).with_context(broken)?;
    ensure!(
        card.format == format_of(&card.networks),
        "the pack {path:?} has format {}, this version reads {FORMAT} and, coded, {CODED_FORMAT} and {UNBIASED_FORMAT}; update Mien or get the pack anew",
        card.format
    );
    let file = SafeTensors::deserialize(&bytes).with_context(broken)?;
    let mut views: Vec<(String, TensorView)> = file
        .tensors()
        .into_iter()
        .map(|(n, v)| (n.to_string(), v))
        .collect();
    views.sort_by(|a, b| a.0.cmp(&b.0));
    let found = checksum(
        views
            .iter()
            .map(|(name, view)| (name.as_str(), view.data())),
    );
    ensure!(
        found == card.sha256,
        "the pack {path:?} was damaged (its checksum differs); get it again"
    );
    let mut tensors = HashMap::new();
    for (name, view) in &views {
        ensure!(
            view.dtype() == Dtype::F16,
            "the pack {path:?} holds {:?} values; this version reads F16",
            view.dtype()
        );
        let values: Vec<f32> = view
            .data()
            .chunks_exact(2)
            .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect();
        ensure!(
            values.iter().all(|v| v.is_finite()),
            "the pack {path:?} holds values that are no numbers"
        );
        let shape: Vec<i64> = view.shape().iter().map(|&s| s as i64).collect();
        tensors.insert(name.clone(), Tensor::from_slice(&values).reshape(&shape));
    }
    Ok((card, tensors))
}

/// Where the emotion weights of a pack lie, if anywhere.
pub fn emotion_path(path: &Path) -> PathBuf {
    path.with_extension(format!("emotion.{EXTENSION}"))
}

impl LoadedPack {
    /// Reads a voice pack and, where it lies beside it, its emotion pack.
    ///
    /// # Errors
    /// A file that is missing, damaged, of another format, or without the weights it should have.
    pub fn load(path: &Path) -> Result<Self> {
        let (card, tensors) = read(path)?;
        if card.kind != "voices" {
            bail!(
                "{path:?} holds {} weights only; choose the voice pack it belongs to",
                card.kind
            );
        }
        check_sizes(&card.networks).with_context(|| format!("the pack {path:?}"))?;
        let mut store = VarStore::new(Device::Cpu);
        let root = store.root();
        let config = card.networks.clone();
        let mut encoder = ContentEncoder::new(&(&root / "content"), &config);
        let mut generator = Generator::new(&(&root / "generator"), &config);
        let mut vocoder = Vocoder::new(&(&root / "vocoder"), &config);
        fill(&mut store, &tensors).with_context(|| format!("the pack {path:?}"))?;
        encoder.settle();
        generator.settle();
        vocoder.settle();
        let table = tensors
            .get("voices")
            .with_context(|| format!("the pack {path:?} has no voices"))?;
        let count = card.description.voices.len() as i64;
        ensure!(
            count > 0 && table.size() == [count, config.voice],
            "the pack {path:?} names {count} voices but holds a table of {:?}",
            table.size()
        );
        let mut description = card.description;
        description.delay_samples = DELAY_SAMPLES as u32;
        for (row, voice) in description.voices.iter_mut().enumerate() {
            voice.embedding = Vec::<f32>::try_from(&table.get(row as i64))?;
        }
        let mut stores = vec![store];
        let mut instant = None;
        // Older packs, and those of runs without a speaker encoder, do not have it.
        if tensors.contains_key("instant.weight") {
            let mut store = VarStore::new(Device::Cpu);
            let voice = InstantVoice::new(&store.root(), &config);
            fill(&mut store, &tensors).with_context(|| format!("the pack {path:?}"))?;
            stores.push(store);
            instant = Some(voice);
        }
        let mut feelings = Feelings::from(PROSODY_DEFAULTS);
        let mut emotion = None;
        let mut acting = None;
        let beside = emotion_path(path);
        if beside.is_file() {
            let (card, tensors) = read(&beside)?;
            ensure!(card.kind == "emotion", "{beside:?} is no emotion pack");
            let mut store = VarStore::new(Device::Cpu);
            let mut adapter = EmotionAdapter::new(&(store.root() / "emotion"), &config);
            fill(&mut store, &tensors).with_context(|| format!("the emotion pack {beside:?}"))?;
            adapter.settle();
            stores.push(store);
            emotion = Some(adapter);
            acting = ActedContent::of_pack(&tensors)
                .with_context(|| format!("the emotion pack {beside:?}"))?;
            if let Ok(learned) = <[EmotionProsody; EMOTIONS.len()]>::try_from(card.prosody) {
                feelings = Feelings::from(learned);
            }
            if let Ok(low) = card.low_prosody.try_into() {
                feelings.low = low;
            }
            if let Ok(own) = card.own_prosody.try_into() {
                feelings.own = own;
            }
            description.non_commercial |= card.description.non_commercial;
            description.licence = format!(
                "{}; emotions: {}",
                description.licence, card.description.licence
            );
            description.trained_on.extend(card.description.trained_on);
            description.steps.extend(card.description.steps);
            description.figures.extend(card.description.figures);
        }
        description.emotions = emotion_infos();
        let mut voices: Vec<Tensor> = (0..count)
            .map(|row| table.narrow(0, row, 1).contiguous())
            .collect();
        let own_voice = voices.len();
        let middle = table.mean_dim([0].as_slice(), true, None);
        description.voices.push(Voice {
            name: OWN_VOICE.into(),
            description: "Your own voice, with feeling and shape".into(),
            embedding: Vec::<f32>::try_from(&middle.get(0))?,
            ..Voice::default()
        });
        voices.push(middle);
        let voice_f0_hz = description.voices.iter().map(|v| v.f0_mean_hz).collect();
        let networks = Networks {
            config,
            encoder,
            generator,
            vocoder,
            emotion,
            acting,
            instant,
            voices,
            voice_f0_hz,
            own_voice,
            feelings,
            colour: card.colour,
            _stores: stores,
        };
        Ok(Self {
            description,
            networks: std::sync::Arc::new(networks),
        })
    }
}

/// A damaged or hostile card must not make this program allocate without end.
fn check_sizes(config: &NetworkConfig) -> Result<()> {
    for trunk in [
        &config.content,
        &config.generator,
        &config.vocoder,
        &config.emotion,
    ] {
        let blocks = trunk.dilations.len();
        ensure!(
            (1..=2048).contains(&trunk.width)
                && (1..=8).contains(&trunk.expansion)
                && (1..=31).contains(&trunk.kernel)
                && (1..=32).contains(&blocks)
                && trunk.dilations.iter().all(|d| (1..=32).contains(d)),
            "its networks have sizes that make no sense: {trunk:?}"
        );
    }
    ensure!(
        (0..=4096).contains(&config.codes),
        "its content has {} codes",
        config.codes
    );
    ensure!(
        (0.0..=10.0).contains(&config.code_softness),
        "its codes are {} soft",
        config.code_softness
    );
    config.check_bias()?;
    ensure!(
        (1..=1024).contains(&config.voice),
        "its voices have {} values each",
        config.voice
    );
    ensure!(
        config.speaker.sensible(),
        "its speaker encoder has sizes that make no sense: {:?}",
        config.speaker
    );
    Ok(())
}

/// Takes each variable's values from a pack's tensors; they do not learn then.
///
/// # Errors
/// When one is missing or of another size.
pub(crate) fn fill(store: &mut VarStore, tensors: &HashMap<String, Tensor>) -> Result<()> {
    for (name, mut variable) in store.variables() {
        let saved = tensors
            .get(&name)
            .with_context(|| format!("lacks the weights {name}"))?;
        ensure!(
            saved.size() == variable.size(),
            "has weights {name} of size {:?}, not {:?}",
            saved.size(),
            variable.size()
        );
        no_grad(|| variable.copy_(saved));
    }
    store.freeze();
    Ok(())
}

/// The emotions with places on the circumplex of affect (Russell 1980) and words for tooltips.
pub fn emotion_infos() -> Vec<EmotionInfo> {
    let table = [
        ("Bright, quick and lifted", 0.8, 0.5),
        ("Low, slow and falling", -0.7, -0.5),
        ("Hard, loud and pressed", -0.6, 0.8),
        ("High, thin and unsteady", -0.75, 0.55),
        ("High, wide and sudden", 0.3, 0.85),
        ("Tight, dark and drawn out", -0.7, 0.2),
        ("Soft, even and unhurried", 0.55, -0.65),
    ];
    let info = |(name, (text, valence, arousal)): (&&str, (&str, f32, f32))| EmotionInfo {
        name: name.to_string(),
        description: text.into(),
        valence,
        arousal,
    };
    EMOTIONS.iter().zip(table).map(info).collect()
}
