//! Every hyperparameter, read from TOML. The shipped recipes in `models/recipes/` comment each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::augment::Strength;
use super::batches::Draw;
use crate::networks::{NetworkConfig, WeightNorm};
use crate::streaming::{EmotionColour, EmotionProsody};

/// A whole recipe.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Sizes of the networks.
    pub networks: NetworkConfig,
    /// Speech and how it is split.
    pub data: DataConfig,
    /// Content encoder and generator: reconstruction, then conversion with adversaries.
    pub acoustic: AcousticConfig,
    /// Vocoder.
    pub vocoder: VocoderConfig,
    /// Emotion adapter and prosody.
    pub emotion: EmotionConfig,
    /// Emotion classifier of `mien evaluate`.
    pub classifier: ClassifierConfig,
    /// Speaker encoder: verifier of `mien evaluate`, and instant voices.
    pub speaker: SpeakerTrainingConfig,
    /// The reader by which `--stage phones` measures a content encoder.
    pub phones: PhoneReaderConfig,
    /// The pack that is made.
    pub pack: PackConfig,
}

/// Speech and how it is split.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// Corpora whose weights may be used commercially; they train the voices.
    pub free_corpora: Vec<String>,
    /// Acted corpora; they train the emotion adapter, whose pack says what their licences say.
    pub emotion_corpora: Vec<String>,
    /// Corpora without a speaker label: they train the content encoder only.
    pub unlabelled_corpora: Vec<String>,
    /// Share of each corpus's speakers kept for validation.
    pub held_out: f64,
    /// Speakers kept for validation in any case.
    pub held_out_speakers: Vec<String>,
    /// Tempo-and-pitch copies of each recording (1 = as it is); others count as new speakers.
    pub rates: Vec<f64>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Threads that make batches. One is enough on the processor, a GPU wants several.
    pub workers: usize,
    /// Large products in bfloat16 (processors with AVX-512 BF16 or AMX, and CUDA, gain by it).
    pub mixed_precision: bool,
}

impl DataConfig {
    /// How a stage draws its batches, or whatever else chance decides; `stream` sets it apart from other stages.
    pub fn draw(&self, stream: u64) -> Draw {
        Draw {
            seed: self.seed.wrapping_add(stream),
            first: 0,
            workers: self.workers,
        }
    }

    /// Place of a corpus among the free ones; after them those without speaker labels, the acted ones, and all others.
    pub fn corpus_index(&self, name: &str) -> i64 {
        let all = [
            &self.free_corpora,
            &self.unlabelled_corpora,
            &self.emotion_corpora,
        ];
        let mut all = all.into_iter().flatten();
        let count = all.clone().count();
        all.position(|c| c == name).unwrap_or(count) as i64
    }
}

impl Default for DataConfig {
    fn default() -> Self {
        let names = |list: &[&str]| list.iter().map(|s| s.to_string()).collect();
        Self {
            free_corpora: names(&["librispeech", "speechocean762", "kokoro"]),
            emotion_corpora: names(&["ravdess", "savee", "nemo", "emodb"]),
            unlabelled_corpora: names(&["picovoice-s2i"]),
            held_out: 0.08,
            held_out_speakers: Vec::new(),
            rates: vec![1.0],
            seed: 1,
            workers: 1,
            mixed_precision: false,
        }
    }
}

/// An optimiser's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Steps of linear warm-up.
    pub warm_up: u64,
    /// Learning rate at the end, as a share of the peak; cosine in between.
    pub final_share: f64,
    /// Adam's first decay.
    pub beta1: f64,
    /// Adam's second decay.
    pub beta2: f64,
    /// Decoupled weight decay (Loshchilov and Hutter 2019): the L2 regularisation.
    pub weight_decay: f64,
    /// L1 regularisation of the weights, applied the same decoupled way.
    pub l1_decay: f64,
    /// Gradients are scaled down to this norm.
    pub clip_norm: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            learning_rate: 1.5e-3,
            warm_up: 200,
            final_share: 0.05,
            beta1: 0.9,
            beta2: 0.98,
            weight_decay: 0.01,
            l1_decay: 0.0,
            clip_norm: 3.0,
        }
    }
}

/// Which formulas the adversaries use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdversarialLoss {
    /// The article's: `L_D = −E[log D(x)] − E[log(1 − D(G(z)))]`, `L_G = −E[log D(G(z))]`
    /// (printed there with `D(G(z))` on the wrong side).
    CrossEntropy,
    /// Least squares (Mao et al. 2017).
    #[default]
    LeastSquares,
    /// Hinge (Lim and Ye 2017).
    Hinge,
}

/// How the matrices of encoder and generator begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initialisation {
    /// Orthogonal rows (Saxe et al. 2014).
    #[default]
    Orthogonal,
    /// Gaussian noise of the same spread (He et al. 2015).
    He,
}

/// The classifier from which the content encoder hides who speaks. By default it learns from each batch once, which with a dozen crops
/// a batch teaches it nothing (docs/training.md).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReversalConfig {
    /// Weight of hiding which of the free corpora the speech is of, each counting alike; 0: it is not looked for.
    pub corpus: f64,
    /// Batches that are remembered, the present one among them.
    pub memory: usize,
    /// Crops from which it learns in a step, drawn from all that are remembered; 0: all of them together.
    pub crops: usize,
    /// Whether a speaker's copies at other rates are the same speaker to it: fewer classes, each met more often.
    pub across_rates: bool,
    /// Whether only crops that are heard undisturbed are its business (needs `undisturbed` of the disturbance): a stretched tract is
    /// somebody else's.
    pub undisturbed: bool,
}

impl Default for ReversalConfig {
    fn default() -> Self {
        Self {
            corpus: 0.0,
            memory: 1,
            crops: 0,
            across_rates: false,
            undisturbed: false,
        }
    }
}

/// Content encoder and generator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AcousticConfig {
    /// Steps of reconstruction (stage 1).
    pub steps: u64,
    /// Steps with conversion and adversaries (stage 2); the encoder stands still.
    pub adversarial_steps: u64,
    /// With `--start`: steps before those of stage 1 in which the pack's networks stand still. What a pack does not
    /// hold (the heads of phones and teacher, the classifier of speakers, the listener) learns them, since what
    /// begins by chance would teach the networks nonsense.
    pub heads_first: u64,
    /// Crops a batch.
    pub batch: usize,
    /// Frames of a crop, 10 ms each.
    pub frames: usize,
    /// Weight of the mel's L1 distance.
    pub mel_weight: f64,
    /// Weight of the distance of its change over time and over bands, which keeps edges sharp.
    pub delta_weight: f64,
    /// Weight of the teacher's features (0: no teacher needed).
    pub teacher_weight: f64,
    /// How many of the teacher's values are used, from the one of most variance on: the last ones
    /// are mostly noise to a causal encoder.
    pub teacher_values: usize,
    /// Weight of each frame's phone, told from the content (needs transcripts and a teacher).
    pub phone_weight: f64,
    /// Weight of the crop's phone sequence by temporal classification (Graves et al. 2006).
    pub phone_sequence_weight: f64,
    /// Weight of what a listener that hears what comes later too makes of the generated mel, in both
    /// stages (see `train/listener.rs`; needs transcripts and a teacher); 0: there is none.
    pub listener_weight: f64,
    /// The listener's optimiser.
    pub listener_optimizer: OptimizerConfig,
    /// Weight of hiding the speaker from a classifier of the content (Ganin et al. 2016).
    pub speaker_reversal: f64,
    /// How that classifier is taught and asked.
    pub reversal: ReversalConfig,
    /// That classifier's optimiser; it takes two steps a batch.
    pub speaker_optimizer: OptimizerConfig,
    /// How the matrices begin; no matter with `--start`.
    pub initialisation: Initialisation,
    /// How far what the encoder hears is disturbed.
    pub disturbance: Strength,
    /// Standard deviation of the noise on the content: what the bottleneck can hide drowns in it.
    /// None where content is coded.
    pub content_noise: f64,
    /// Where content is coded (`codes` of `[networks]`): weight of how far the encoder is from its codes,
    /// which keeps it with one (van den Oord et al. 2017).
    pub commitment: f64,
    /// Where content is coded and its codes are soft: weight of the cross-entropy of each frame's phone, told by which codes it is near to. Each code
    /// stands for one phone then, and `codes` has to be a multiple of their 43 labels. 0: codes stand for no phone.
    pub code_phones: f64,
    /// Stage 2: weight of the adversarial loss.
    pub adversarial_weight: f64,
    /// Stage 2: weight of feature matching.
    pub feature_weight: f64,
    /// Stage 2: weight of the content that the encoder hears in converted sound.
    pub consistency_weight: f64,
    /// Stage 2: weight of the speaker classifier on converted sound, which learns to find the source
    /// in it (the source classifier of StarGANv2-VC, Li et al. 2021).
    pub speaker_weight: f64,
    /// Formula of the adversarial loss.
    pub adversarial_loss: AdversarialLoss,
    /// Weight of the R1 penalty (Mescheder et al. 2018); 0: off.
    pub r1_weight: f64,
    /// Channels of the discriminator's first layer.
    pub discriminator_width: i64,
    /// How the discriminator's weights are kept in bounds.
    pub discriminator_norm: WeightNorm,
    /// Stage 1.
    pub optimizer: OptimizerConfig,
    /// Stage 2, generator.
    pub generator_optimizer: OptimizerConfig,
    /// Stage 2, discriminator. The article's Adam: 2e-4, β₁ 0.5.
    pub discriminator_optimizer: OptimizerConfig,
    /// Decay of the weights' running mean, which is what is shipped.
    pub ema: f64,
}

impl AcousticConfig {
    /// Whether each code of the content stands for a phone.
    pub fn phonetic(&self) -> bool {
        self.code_phones > 0.0
    }
}

impl Default for AcousticConfig {
    fn default() -> Self {
        Self {
            steps: 5000,
            adversarial_steps: 2000,
            heads_first: 0,
            batch: 16,
            frames: 200,
            mel_weight: 4.0,
            delta_weight: 2.0,
            teacher_weight: 1.0,
            teacher_values: 32,
            phone_weight: 0.3,
            phone_sequence_weight: 0.2,
            listener_weight: 0.0,
            listener_optimizer: OptimizerConfig::default(),
            speaker_reversal: 0.15,
            reversal: ReversalConfig::default(),
            speaker_optimizer: OptimizerConfig {
                learning_rate: 2e-3,
                final_share: 0.3,
                beta1: 0.5,
                ..OptimizerConfig::default()
            },
            initialisation: Initialisation::Orthogonal,
            disturbance: Strength::default(),
            content_noise: 0.2,
            commitment: 0.25,
            code_phones: 0.0,
            adversarial_weight: 0.3,
            feature_weight: 0.5,
            consistency_weight: 1.0,
            speaker_weight: 0.1,
            adversarial_loss: AdversarialLoss::LeastSquares,
            r1_weight: 0.0,
            discriminator_width: 16,
            discriminator_norm: WeightNorm::None,
            optimizer: OptimizerConfig::default(),
            generator_optimizer: OptimizerConfig {
                learning_rate: 3e-4,
                beta1: 0.5,
                ..OptimizerConfig::default()
            },
            discriminator_optimizer: OptimizerConfig {
                learning_rate: 2e-4,
                beta1: 0.5,
                beta2: 0.999,
                ..OptimizerConfig::default()
            },
            ema: 0.998,
        }
    }
}

/// Vocoder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VocoderConfig {
    /// Steps with spectral losses.
    pub steps: u64,
    /// Steps with adversaries after them.
    pub adversarial_steps: u64,
    /// Crops a batch.
    pub batch: usize,
    /// Frames of a crop.
    pub frames: usize,
    /// Lengths of the Fourier transforms of the spectral loss.
    pub resolutions: Vec<i64>,
    /// How far the spectral loss follows the ear's sensitivity to frequency (A-weighting): 0 counts all
    /// frequencies alike, 1 wholly.
    pub ear_weight: f64,
    /// Lengths of the spectrogram discriminators' transforms; empty: none of them.
    pub discriminator_resolutions: Vec<i64>,
    /// Channels of the spectrogram discriminators.
    pub discriminator_width: i64,
    /// Periods of the waveform discriminators, in samples; empty: none of them.
    pub discriminator_periods: Vec<i64>,
    /// Channels of their first layer.
    pub period_width: i64,
    /// How the discriminators' weights are kept in bounds.
    pub discriminator_norm: WeightNorm,
    /// Weight of the adversarial loss.
    pub adversarial_weight: f64,
    /// Weight of feature matching.
    pub feature_weight: f64,
    /// Formula of the adversarial loss.
    pub adversarial_loss: AdversarialLoss,
    /// Spectral steps.
    pub optimizer: OptimizerConfig,
    /// Adversarial steps, both sides.
    pub adversarial_optimizer: OptimizerConfig,
    /// Decay of the weights' running mean.
    pub ema: f64,
}

impl Default for VocoderConfig {
    fn default() -> Self {
        Self {
            steps: 2000,
            adversarial_steps: 800,
            batch: 8,
            frames: 100,
            resolutions: vec![2048, 1024, 512, 256],
            ear_weight: 0.5,
            discriminator_resolutions: vec![1024, 512],
            discriminator_width: 16,
            discriminator_periods: vec![2, 3, 5, 7, 11],
            period_width: 8,
            discriminator_norm: WeightNorm::None,
            adversarial_weight: 0.1,
            feature_weight: 0.5,
            adversarial_loss: AdversarialLoss::LeastSquares,
            optimizer: OptimizerConfig {
                learning_rate: 1e-3,
                ..OptimizerConfig::default()
            },
            adversarial_optimizer: OptimizerConfig {
                learning_rate: 2e-4,
                beta1: 0.5,
                beta2: 0.999,
                ..OptimizerConfig::default()
            },
            ema: 0.998,
        }
    }
}

/// Emotion adapter.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmotionConfig {
    /// Steps.
    pub steps: u64,
    /// Crops a batch.
    pub batch: usize,
    /// Frames of a crop.
    pub frames: usize,
    /// How much farther than actors do a performance goes: regression learns their mean, and a
    /// converter has neither tempo nor face.
    pub exaggeration: f64,
    /// Weight of the statistics of delivery.
    pub delivery_weight: f64,
    /// Weight of content consistency.
    pub consistency_weight: f64,
    /// Share of crops that are performed at less than full strength.
    pub weaker_share: f64,
    /// Share of crops that keep the actor's own voice, the others are said by voices of the pack.
    pub own_share: f64,
    /// What an emotion does to prosody while the adapter learns, where it is not taken as measured on actors.
    pub prosody: BTreeMap<String, EmotionProsody>,
    /// What it does in the pack instead, as found afterwards on the trained adapter by
    /// `models/scripts/search_feelings.py`.
    pub performed: BTreeMap<String, EmotionProsody>,
    /// The same in low voices, where it is another (see `PitchTarget::register_of`).
    pub performed_low: BTreeMap<String, EmotionProsody>,
    /// The same in the speaker's own voice, where it is another.
    pub performed_own: BTreeMap<String, EmotionProsody>,
    /// Optimiser.
    pub optimizer: OptimizerConfig,
    /// Decay of the weights' running mean.
    pub ema: f64,
    /// The adversarial game after it.
    pub game: EmotionGameConfig,
}

/// The adversarial game of adapter and acting (`train/emotion_game.rs`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EmotionGameConfig {
    /// Steps.
    pub steps: u64,
    /// Crops a batch.
    pub batch: usize,
    /// Frames of a crop.
    pub frames: usize,
    /// Share of crops in the actor's own voice.
    pub own_share: f64,
    /// Formula of the discriminator's game.
    pub adversarial_loss: AdversarialLoss,
    /// Weight of passing for acted speech of that feeling in that voice.
    pub adversarial_weight: f64,
    /// Weight of being named as the feeling by the classifier, which learns to name converted sound as neutral.
    pub classifier_weight: f64,
    /// Weight of half the strength being heard more than none, and the whole more than half.
    pub ranking_weight: f64,
    /// By how many nats more.
    pub ranking_margin: f64,
    /// Weight of content that is lost beyond what the start loses.
    pub consistency_weight: f64,
    /// Weight of likeness to the voice that is lost beyond what the start loses.
    pub speaker_weight: f64,
    /// Weight of the distance from what the start says.
    pub anchor_weight: f64,
    /// Whether what acting does to the content learns as well as the adapter.
    pub acting: bool,
    /// Channels of the first layers of discriminator and classifier.
    pub discriminator_width: i64,
    /// How the discriminator's weights are kept from growing.
    pub discriminator_norm: WeightNorm,
    /// Optimiser of discriminator and classifier.
    pub discriminator_optimizer: OptimizerConfig,
    /// Optimiser of adapter and acting.
    pub optimizer: OptimizerConfig,
    /// Decay of the weights' running mean.
    pub ema: f64,
    /// How far the pack's adapter goes from the start's to the game's, 0 to 1.
    pub share: f64,
    /// How far the pack's acting goes, for each feeling; that of others stays.
    pub acting_share: BTreeMap<String, f64>,
}

impl Default for EmotionGameConfig {
    fn default() -> Self {
        Self {
            steps: 3000,
            batch: 32,
            frames: 200,
            own_share: 0.35,
            adversarial_loss: AdversarialLoss::LeastSquares,
            adversarial_weight: 0.5,
            classifier_weight: 0.5,
            ranking_weight: 0.5,
            ranking_margin: 0.3,
            consistency_weight: 4.0,
            speaker_weight: 4.0,
            anchor_weight: 0.2,
            acting: true,
            discriminator_width: 24,
            discriminator_norm: WeightNorm::None,
            discriminator_optimizer: OptimizerConfig {
                learning_rate: 2e-4,
                beta1: 0.5,
                beta2: 0.99,
                ..OptimizerConfig::default()
            },
            optimizer: OptimizerConfig {
                learning_rate: 3e-4,
                warm_up: 100,
                clip_norm: 1.0,
                final_share: 0.05,
                weight_decay: 0.0,
                ..OptimizerConfig::default()
            },
            ema: 0.998,
            share: 1.0,
            acting_share: mien_face::EMOTIONS
                .iter()
                .map(|name| ((*name).to_owned(), 1.0))
                .collect(),
        }
    }
}

impl Default for EmotionConfig {
    fn default() -> Self {
        Self {
            steps: 1000,
            batch: 16,
            frames: 150,
            exaggeration: 1.4,
            delivery_weight: 0.4,
            consistency_weight: 0.3,
            weaker_share: 0.25,
            own_share: 0.4,
            prosody: BTreeMap::new(),
            performed: BTreeMap::new(),
            performed_low: BTreeMap::new(),
            performed_own: BTreeMap::new(),
            optimizer: OptimizerConfig {
                learning_rate: 2e-3,
                warm_up: 30,
                clip_norm: 1.0,
                ..OptimizerConfig::default()
            },
            ema: 0.98,
            game: EmotionGameConfig::default(),
        }
    }
}

/// Emotion classifier that judges for `mien evaluate`; no part of a pack.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Steps.
    pub steps: u64,
    /// Crops a batch.
    pub batch: usize,
    /// Frames of a crop.
    pub frames: usize,
    /// Channels of the first layer.
    pub width: i64,
    /// Share of the wanted answer that is spread over all classes.
    pub label_smoothing: f64,
    /// Largest stretch of the frequency axis of what it hears, as a natural log: other actors.
    pub tract: f32,
    /// Optimiser.
    pub optimizer: OptimizerConfig,
    /// Decay of the weights' running mean.
    pub ema: f64,
}

impl Default for ClassifierConfig {
    fn default() -> Self {
        Self {
            steps: 1600,
            batch: 24,
            frames: 240,
            width: 20,
            label_smoothing: 0.1,
            tract: 0.12,
            optimizer: OptimizerConfig {
                learning_rate: 2e-3,
                warm_up: 100,
                weight_decay: 0.05,
                ..OptimizerConfig::default()
            },
            ema: 0.995,
        }
    }
}

/// Speaker encoder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeakerTrainingConfig {
    /// Steps.
    pub steps: u64,
    /// Speakers of a batch, two crops of each.
    pub speakers: usize,
    /// Frames of a crop.
    pub frames: usize,
    /// Also learn from the `emotion_corpora`. Such an encoder goes into no pack, as their licences
    /// would go with it.
    pub acted: bool,
    /// Share of each corpus's speakers that is kept for validation, besides those that `[data]` keeps:
    /// an error rate over a handful of speakers says little.
    pub held_out: f64,
    /// Copies of each speaker with the frequency axis and the tempo stretched by that factor (1 = as it
    /// is); each counts as another speaker.
    pub copies: Vec<f64>,
    /// How often the unstretched copy is drawn.
    pub original: f64,
    /// A speaker is drawn by minutes of speech to this power: 0 all alike, 1 by length.
    pub balance: f64,
    /// Additive angular margin in radians (ArcFace, Deng et al. 2019).
    pub margin: f64,
    /// Share of the steps over which the margin grows from 0.
    pub margin_ramp: f64,
    /// Scale of the cosines before the softmax.
    pub scale: f64,
    /// Weight of telling each crop's fellow among the batch's (angular prototypes, Chung et al. 2020,
    /// with one crop as the prototype).
    pub prototype_weight: f64,
    /// Largest stretch of the frequency axis within one speaker, as a natural log.
    pub tract: f32,
    /// Largest swing of the equaliser, in nepers of power: recording channels.
    pub equaliser: f32,
    /// Chance of added noise.
    pub noise: f64,
    /// Chance of a room.
    pub room: f64,
    /// Chance of a low-passed band.
    pub band_limit: f64,
    /// Optimiser.
    pub optimizer: OptimizerConfig,
    /// Decay of the weights' running mean.
    pub ema: f64,
}

impl Default for SpeakerTrainingConfig {
    fn default() -> Self {
        Self {
            steps: 1200,
            speakers: 32,
            frames: 240,
            acted: false,
            held_out: 0.1,
            copies: vec![0.88, 1.0, 1.14],
            original: 0.5,
            balance: 0.5,
            margin: 0.2,
            margin_ramp: 0.4,
            scale: 25.0,
            prototype_weight: 1.0,
            tract: 0.02,
            equaliser: 1.4,
            noise: 0.4,
            room: 0.3,
            band_limit: 0.15,
            optimizer: OptimizerConfig {
                learning_rate: 4e-3,
                warm_up: 60,
                final_share: 0.02,
                weight_decay: 0.05,
                ..OptimizerConfig::default()
            },
            ema: 0.99,
        }
    }
}

/// The reader by which `--stage phones` measures how much of what is said the content keeps. It is an
/// instrument, no part of a pack: it may hear what comes later and be as large as it needs to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PhoneReaderConfig {
    /// Steps.
    pub steps: u64,
    /// Crops a batch.
    pub batch: usize,
    /// Frames of a crop.
    pub frames: usize,
    /// Channels.
    pub width: i64,
    /// Dilation of each block's convolution over seven frames; its length is the number of blocks.
    pub dilations: Vec<i64>,
    /// Frames of content that it reads at a time.
    pub frames_together: i64,
    /// Frames of content that it reads before it must tell a phone.
    pub look_ahead: i64,
    /// How often the encoder hears each recording disturbed, besides once as it is. The content of every pass
    /// is kept, so that the encoder runs no more often than that.
    pub disturbed_passes: usize,
    /// Largest stretch of the frequency axis of those passes, as a natural log. The encoder knows the
    /// training speakers; this makes it as unsure of them as of strangers.
    pub tract: f32,
    /// Largest change of tempo of those passes, as a natural log.
    pub tempo: f64,
    /// Standard deviation of noise on the content while learning.
    pub content_noise: f64,
    /// Stretches of up to 120 ms that are blanked in each crop while learning (SpecAugment, Park et al. 2019).
    pub masks: usize,
    /// Share of the *training* speakers of each corpus that it does not learn from. Settings are chosen by
    /// the errors on those, heard disturbed; so are, by every run, how much less the blank counts in reading, and
    /// what the grammar of phones counts.
    pub held_out: f64,
    /// Readers that learn apart; the mean of their log probabilities reads.
    pub readers: usize,
    /// Optimiser.
    pub optimizer: OptimizerConfig,
    /// Decay of the weights' running mean, which reads.
    pub ema: f64,
}

impl Default for PhoneReaderConfig {
    fn default() -> Self {
        Self {
            steps: 1300,
            batch: 24,
            frames: 300,
            width: 192,
            dilations: vec![1, 2, 4, 8],
            frames_together: 2,
            look_ahead: 30,
            disturbed_passes: 3,
            tract: 0.3,
            tempo: 0.15,
            content_noise: 0.5,
            masks: 2,
            held_out: 0.04,
            readers: 2,
            optimizer: OptimizerConfig {
                learning_rate: 2e-3,
                warm_up: 100,
                ..OptimizerConfig::default()
            },
            ema: 0.99,
        }
    }
}

/// What the pack is called and which speakers become its voices.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PackConfig {
    /// Name of the pack.
    pub name: String,
    /// One line for the panel.
    pub description: String,
    /// Licence of the voice weights.
    pub licence: String,
    /// Licence of the emotion weights.
    pub emotion_licence: String,
    /// Version of the pack.
    pub version: String,
    /// How far each embedding is moved away from the middle of all speakers: 1 as trained, more
    /// makes a voice more itself and less like the average, at some cost in words.
    pub emphasis: f64,
    /// How far the generator and the voices go from stage 1 to stage 2, 0 to 1: the mean of both stages'
    /// weights keeps most of the likeness that the adversaries bring and most of the quality they take
    /// (weight interpolation, Wortsman et al. 2022). `docs/training.md` has the figures.
    pub adversarial_share: f64,
    /// Colour that all voices get: a generator that learned by regression says the mean of what it might say, so less sharp
    /// and with shallower formants than speech is. `docs/training.md` has the figures.
    pub colour: EmotionColour,
    /// What `mien evaluate` said of the voices, for the card.
    pub figures: Vec<String>,
    /// What it said of the emotions.
    pub emotion_figures: Vec<String>,
    /// The voices.
    pub voices: Vec<VoiceConfig>,
}

impl Default for PackConfig {
    fn default() -> Self {
        Self {
            name: "Mien".into(),
            description: String::new(),
            licence: String::new(),
            emotion_licence: String::new(),
            version: "1".into(),
            emphasis: 1.0,
            adversarial_share: 1.0,
            colour: EmotionColour::NONE,
            figures: Vec::new(),
            emotion_figures: Vec::new(),
            voices: Vec::new(),
        }
    }
}

/// One shipped voice.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VoiceConfig {
    /// Invented name.
    pub name: String,
    /// Speaker in the corpora.
    pub speaker: String,
    /// One line.
    pub description: String,
    /// `"f"` or `"m"`.
    pub gender: String,
}
