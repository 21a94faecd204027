//! What a feeling's performance is made of, beside a pack's frozen networks, on batches and with gradients: adapter and acting as they
//! learn in the game of feelings (`emotion_game.rs`), and as they began.

use std::path::Path;

use anyhow::{Context, Result};
use mien_face::EMOTIONS;
use tch::nn::{Init, VarStore};
use tch::{Device, Kind, Tensor};

use super::checkpoint;
use super::rehearsal::{Performed, RehearsalBatch, STRENGTHS};
use super::tint::Tinter;
use crate::networks::{
    ActedContent, CONTENT, ContentEncoder, EmotionAdapter, Generator, InstantVoice, LOOK_AHEAD,
    NetworkConfig,
};
use crate::pack;

/// What a pack begins with and what learns.
#[derive(Debug)]
pub struct GameNetworks {
    /// Adapter and acting as they learn.
    learning: VarStore,
    pub(super) performer: Performer,
    /// The same as they began.
    pub(super) start: Performer,
    encoder: ContentEncoder,
    generator: Generator,
    pub(super) instant: InstantVoice,
    tinter: Tinter,
    /// `[voices, voice]`, the speaker's own last.
    pub(super) voices: Tensor,
    /// Hold what stands still.
    _frozen: [VarStore; 2],
}

/// What makes a feeling heard beside prosody and colour.
#[derive(Debug)]
pub(super) struct Performer {
    adapter: EmotionAdapter,
    acting: ActedContent,
}

impl Performer {
    /// Below `store`'s root, as a pack names its weights.
    fn new(store: &VarStore, config: &NetworkConfig) -> Result<Self> {
        let root = store.root();
        let adapter = EmotionAdapter::new(&(&root / "emotion"), config);
        let emotions = EMOTIONS.len() as i64;
        let part = |name: &str, size: &[i64]| (&root / "acting").var(name, size, Init::Const(0.0));
        let shift = part("shift", &[emotions, CONTENT]);
        let middle = part("middle", &[emotions, CONTENT]);
        let slope = part("slope", &[emotions, CONTENT, CONTENT]);
        Ok(Self {
            adapter,
            acting: ActedContent::new(shift, middle, slope)?,
        })
    }
}

impl GameNetworks {
    /// Those of the voice pack `path` and of the emotion pack beside it, for crops of so many `frames`.
    ///
    /// # Errors
    /// When either cannot be read, or lacks acting or the speaker encoder.
    pub fn of_pack(path: &Path, frames: usize, device: Device) -> Result<Self> {
        let (card, voices) = pack::read(path)?;
        let beside = pack::emotion_path(path);
        let (_, feelings) = pack::read(&beside)
            .with_context(|| format!("the game begins with the emotion pack {beside:?}"))?;
        let mut base = VarStore::new(device);
        let root = base.root();
        let networks = &card.networks;
        let encoder = ContentEncoder::new(&(&root / "content"), networks);
        let generator = Generator::new(&(&root / "generator"), &card.networks);
        let instant = InstantVoice::new(&root, &card.networks);
        pack::fill(&mut base, &voices).with_context(|| format!("the pack {path:?}"))?;
        let performer = |store: &mut VarStore| {
            let performer = Performer::new(store, &card.networks)?;
            pack::fill(store, &feelings).with_context(|| format!("the emotion pack {beside:?}"))?;
            Ok::<_, anyhow::Error>(performer)
        };
        let mut frozen = VarStore::new(device);
        let start = performer(&mut frozen)?;
        let mut learning = VarStore::new(device);
        let performer = performer(&mut learning)?;
        learning.unfreeze();
        let table = voices.get("voices").context("the pack has no voices")?;
        let own = table.mean_dim([0].as_slice(), true, None);
        Ok(Self {
            learning,
            performer,
            start,
            encoder,
            generator,
            instant,
            tinter: Tinter::new(frames, device),
            voices: Tensor::cat(&[table, &own], 0).to_device(device),
            _frozen: [base, frozen],
        })
    }

    /// What learns, by the names of a pack.
    pub(super) fn learning(&self, acting: bool) -> Vec<(String, Tensor)> {
        let learns = |name: &str| match name.strip_prefix("acting.") {
            // Where a map is fixed to is no more than its shift says.
            Some(part) => acting && part != "middle",
            None => true,
        };
        checkpoint::named(&self.learning)
            .into_iter()
            .filter(|(name, _)| learns(name))
            .collect()
    }

    /// Content of each frame of a mel `[batch, frames + LOOK_AHEAD, MEL]`.
    fn content(&self, mel: &Tensor) -> Tensor {
        let frames = mel.size()[1] - LOOK_AHEAD;
        self.encoder.encode(mel).narrow(1, LOOK_AHEAD, frames)
    }

    /// What the generator leaves out of what a mel's own speaker says, `[batch, frames, MEL]`.
    fn left_out(&self, mel: &Tensor, content: &Tensor, as_heard: &Tensor) -> Tensor {
        let count = mel.size()[0];
        let own = self.voices.narrow(0, self.voices.size()[0] - 1, 1);
        let own = own.expand([count, -1], false);
        let (again, _) = self.generator.generate(content, as_heard, &own);
        mel.narrow(1, 0, again.size()[1]) - again
    }

    /// The acted takes as they are to be: in the voice, or as they are.
    pub(super) fn real(&self, batch: &RehearsalBatch, spoken: &Spoken) -> Tensor {
        let content = self.content(&batch.acted_mel);
        let left_out = self.left_out(&batch.acted_mel, &content, &batch.acted_as_heard);
        let (mel, _) = self
            .generator
            .generate(&content, &batch.acted_prosody, &spoken.voices);
        let mel = mel + &left_out * &batch.own;
        self.tinter.shape(&mel, &batch.acted_tints) + spoken.of_acting(&left_out, &batch.own)
    }

    pub(super) fn hear(&self, batch: &RehearsalBatch) -> Spoken {
        let voices = self.voices.index_select(0, &batch.voice);
        let content = self.content(&batch.mel);
        let left_out = self.left_out(&batch.mel, &content, &batch.as_heard);
        let over = |x: &Tensor| x.sum_dim_intlist([1].as_slice(), true, Kind::Float);
        let mean_left_out = over(&(&left_out * &batch.speech)) / (over(&batch.speech) + 1.0);
        Spoken {
            voices,
            content,
            left_out,
            mean_left_out,
        }
    }

    /// The mel of a neutral crop performed at that index of [`STRENGTHS`], as the live path makes it, but for its articulation,
    /// which real takes have no more.
    pub(super) fn say(
        &self,
        performer: &Performer,
        batch: &RehearsalBatch,
        spoken: &Spoken,
        strength: usize,
    ) -> Tensor {
        let performed: &Performed = &batch.performed[strength];
        let strength = STRENGTHS[strength];
        let feels = strength > 0.0;
        let content = match feels {
            true => performer.acting.act_each(
                &spoken.content,
                &(&batch.emotion - 1),
                &(&batch.acting * f64::from(strength)),
                &performed.acted,
            ),
            false => spoken.content.shallow_clone(),
        };
        let (mel, hidden) = self
            .generator
            .generate(&content, &performed.meant, &spoken.voices);
        let mut mel = mel + &spoken.left_out * &batch.own - &performed.effort;
        if feels {
            let weights = batch.weights(strength);
            let change = performer
                .adapter
                .change(&hidden, &mel, &performed.prosody, &weights);
            mel += change * &performed.timbre;
        }
        self.tinter.shape(&mel, &performed.tints)
    }

    /// How far the content that is heard in a mel lies from `content`, for each row, `[batch]`.
    pub(super) fn words_lost(&self, mel: &Tensor, content: &Tensor, speech: &Tensor) -> Tensor {
        let heard = self.content(mel);
        let frames = heard.size()[1];
        let speech = speech.narrow(1, 0, frames);
        let far = (heard - content.narrow(1, 0, frames)).abs().mean_dim(
            [2].as_slice(),
            true,
            Kind::Float,
        );
        let over = |x: &Tensor| x.sum_dim_intlist([1, 2].as_slice(), false, Kind::Float);
        over(&(far * &speech)) / (over(&speech) + 1.0)
    }
}

/// A neutral crop on its way to be performed.
pub(super) struct Spoken {
    voices: Tensor,
    pub(super) content: Tensor,
    /// What the generator leaves out of the speaker, `[batch, frames, MEL]`, and the mean of that over speech, `[batch, 1, MEL]`.
    pub(super) left_out: Tensor,
    mean_left_out: Tensor,
}

impl Spoken {
    /// Of what the generator leaves out that which is not always left out of this speaker: acting, for the most part. Nothing in the own
    /// voice, which keeps all. The generator loses happiness and anger (docs/emotion.md, "Where it is lost"), so takes that it says are
    /// real only with it; and neutral takes are looked at with it, too, since nobody shall go by that.
    pub(super) fn of_acting(&self, left_out: &Tensor, own: &Tensor) -> Tensor {
        (left_out - &self.mean_left_out) * (1.0 - own)
    }
}
