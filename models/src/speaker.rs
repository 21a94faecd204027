//! New voices: an embedding from a recording.
//!
//! Where the pack has a speaker encoder with a map to its voices, that gives a first embedding at once.
//! Then the generator stands still and the embedding is fitted by gradient descent until the generator
//! gives the recording back: a few seconds of work for 5 to 30 s of speech (code fitting as in Chen et
//! al. 2019, "Sample efficient adaptive text-to-speech", SEA-EMB).

use anyhow::{Result, ensure};
use mien_face::{SAMPLE_RATE, Voice};
use tch::{Tensor, no_grad};

use crate::networks::{LOOK_AHEAD, MEL, PROSODY, loudness, normalise_mel, prosody_features};
use crate::pack::LoadedPack;
use crate::streaming::AutoLevel;
use crate::train::config::OptimizerConfig;
use crate::train::features::Features;
use crate::train::losses::mel_losses;
use crate::train::optimizer::AdamW;

/// Least and most speech that is used, in frames of 10 ms.
const LEAST: usize = 200;
const MOST: usize = 3000;
/// Steps of the fit; the loss is flat after about half of them.
const STEPS: u64 = 80;

/// Makes a voice of a recording: mono at `rate` Hz, best 5 to 30 s of clear speech.
///
/// # Errors
/// When the recording holds less than two seconds or no voice.
pub fn embed(pack: &LoadedPack, samples: &[f32], rate: u32) -> Result<Voice> {
    let clean: Vec<f32> = samples
        .iter()
        .map(|x| if x.is_finite() { *x } else { 0.0 })
        .collect();
    let sound = mien_audio::resample(&clean, rate, SAMPLE_RATE);
    // Voices are fitted at the level at which the converter hears and speaks.
    let (sound, _) = AutoLevel::whole(&sound);
    let mut features = Features::analyse(&sound);
    ensure!(
        features.mel.len() >= LEAST,
        "the recording is shorter than two seconds; give 5 to 30 s of speech"
    );
    features.mel.truncate(MOST);
    let voiced: Vec<f32> = features
        .pitch
        .iter()
        .take(MOST)
        .map(|p| p[0])
        .filter(|&f| f > 0.0)
        .collect();
    ensure!(
        voiced.len() >= 50,
        "no voice was found in the recording; give 5 to 30 s of clear speech"
    );
    let mut sorted = voiced.clone();
    sorted.sort_by(f32::total_cmp);
    let percentile = |p: f32| sorted[((sorted.len() - 1) as f32 * p) as usize];
    let mean = voiced.iter().map(|f| f.log2()).sum::<f32>() / voiced.len() as f32;
    Ok(Voice {
        name: "My voice".into(),
        description: format!(
            "Made from {:.0} s of a recording",
            features.mel.len() as f32 / 100.0
        ),
        gender: String::new(),
        f0_low_hz: percentile(0.05),
        f0_mean_hz: mean.exp2(),
        f0_high_hz: percentile(0.95),
        trained_minutes: features.mel.len() as f32 / 6000.0,
        embedding: fit(pack, &features)?,
    })
}

fn fit(pack: &LoadedPack, features: &Features) -> Result<Vec<f32>> {
    let recording = Spoken::new(pack, features);
    let start = recording.encoded(pack).unwrap_or_else(|| middle(pack));
    let embedding = recording.fit(pack, &start, STEPS);
    Ok(Vec::<f32>::try_from(&embedding.view([-1]))?)
}

/// The middle of the pack's voices, `[1, voice]`.
pub fn middle(pack: &LoadedPack) -> Tensor {
    Tensor::cat(&pack.networks.voices, 0).mean_dim([0].as_slice(), true, None)
}

/// A recording as the generator should give it back.
#[derive(Debug)]
pub struct Spoken {
    /// Normalised log mel `[1, frames, MEL]`.
    mel: Tensor,
    content: Tensor,
    prosody: Tensor,
}

impl Spoken {
    /// Prepares a recording of more than a few frames.
    pub fn new(pack: &LoadedPack, features: &Features) -> Self {
        let frames = features.mel.len() as i64;
        let values: Vec<f32> = features.mel.iter().flatten().map(|v| v.to_f32()).collect();
        let mel = normalise_mel(&Tensor::from_slice(&values).reshape([1, frames, MEL]));
        let prosody: Vec<f32> = features
            .mel
            .iter()
            .zip(&features.pitch)
            .flat_map(|(frame, pitch)| {
                let bands: Vec<f32> = frame.iter().map(|v| v.to_f32()).collect();
                prosody_features(pitch[0], pitch[1], loudness(&bands))
            })
            .collect();
        let usable = frames - LOOK_AHEAD;
        let prosody = Tensor::from_slice(&prosody)
            .reshape([1, frames, PROSODY])
            .narrow(1, 0, usable);
        let content = no_grad(|| pack.networks.encoder.encode(&mel));
        Self {
            content: content.narrow(1, LOOK_AHEAD, usable),
            prosody,
            mel,
        }
    }

    /// Where the pack's speaker encoder puts the voice, `[1, voice]`, if it has one.
    pub fn encoded(&self, pack: &LoadedPack) -> Option<Tensor> {
        let instant = pack.networks.instant.as_ref()?;
        Some(no_grad(|| instant.voice(&self.mel)))
    }

    /// How far the generator is from giving the recording back with that voice: level and change.
    pub fn losses(&self, pack: &LoadedPack, embedding: &Tensor) -> (Tensor, Tensor) {
        let generator = &pack.networks.generator;
        let (out, _) = generator.generate(&self.content, &self.prosody, embedding);
        let target = self.mel.narrow(1, 0, out.size()[1]);
        mel_losses(&out, &target, &target.ones_like())
    }

    /// Moves `start` (`[1, voice]`) by gradient descent until the generator gives the recording back.
    pub fn fit(&self, pack: &LoadedPack, start: &Tensor, steps: u64) -> Tensor {
        let embedding = start.copy().set_requires_grad(true);
        let config = OptimizerConfig {
            learning_rate: 0.03,
            warm_up: 5,
            weight_decay: 0.0,
            ..OptimizerConfig::default()
        };
        let named = vec![("embedding".into(), embedding.shallow_clone())];
        let mut adam = AdamW::new(&config, named, steps);
        for _ in 0..steps {
            let (level, change) = self.losses(pack, &embedding);
            // A weak pull to the start keeps a short or noisy recording from a strange place.
            let pull = (&embedding - start).square().mean(tch::Kind::Float);
            adam.backward_step(&(level + change * 0.5 + pull * 0.02));
        }
        embedding.detach()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::{ContentEncoder, Generator, InstantVoice, NetworkConfig, Vocoder};
    use crate::pack::{self, Card};
    use crate::train::checkpoint;
    use tch::nn::VarStore;
    use tch::{Device, Kind};

    /// A pack of small random networks, with or without a speaker encoder.
    fn pack(instant: bool) -> LoadedPack {
        let mut config = NetworkConfig::default();
        for trunk in [
            &mut config.content,
            &mut config.generator,
            &mut config.vocoder,
        ] {
            trunk.width = 16;
            trunk.dilations = vec![1];
        }
        let store = VarStore::new(Device::Cpu);
        let root = store.root();
        let _encoder = ContentEncoder::new(&(&root / "content"), &config);
        let _generator = Generator::new(&(&root / "generator"), &config);
        let _vocoder = Vocoder::new(&(&root / "vocoder"), &config);
        let _instant = instant.then(|| InstantVoice::new(&root, &config));
        no_grad(|| {
            // Fresh, the generator does not listen to the voice, and the map tells nothing.
            for (_, mut variable) in store.variables() {
                let noise = variable.randn_like() * 0.1;
                let _ = variable.g_add_(&noise);
            }
        });
        let mut tensors = checkpoint::named(&store);
        let voices = Tensor::randn([2, config.voice], (Kind::Float, Device::Cpu));
        tensors.push(("voices".into(), voices));
        let mut card = Card {
            kind: "voices".into(),
            networks: config,
            ..Card::default()
        };
        card.description.voices = vec![Voice::default(), Voice::default()];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.mien");
        pack::write(&path, card, &tensors).unwrap();
        LoadedPack::load(&path).unwrap()
    }

    /// A buzz at 120 Hz with a formant at its eighth harmonic, so that it repeats no slower.
    fn recording(seconds: usize) -> Vec<f32> {
        let sample = |i: usize| {
            let t = i as f32 / SAMPLE_RATE as f32;
            let phase = (t * 120.0).fract() - 0.5;
            phase * 0.3 + (t * 960.0 * std::f32::consts::TAU).sin() * phase * 0.2
        };
        (0..seconds * SAMPLE_RATE as usize).map(sample).collect()
    }

    #[test]
    fn packs_with_and_without_a_speaker_encoder_make_voices() {
        tch::manual_seed(3);
        for instant in [false, true] {
            let pack = pack(instant);
            assert_eq!(pack.networks.instant.is_some(), instant);
            let sound = recording(3);
            let voice = embed(&pack, &sound, SAMPLE_RATE).unwrap();
            assert_eq!(voice.embedding.len() as i64, pack.networks.config.voice);
            assert!(voice.embedding.iter().all(|v| v.is_finite()));
            assert!(
                (voice.f0_mean_hz - 120.0).abs() < 3.0,
                "{}",
                voice.f0_mean_hz
            );
            let spoken = Spoken::new(&pack, &Features::analyse(&sound));
            let start = spoken.encoded(&pack).unwrap_or_else(|| middle(&pack));
            let loss = |at: &Tensor| no_grad(|| spoken.losses(&pack, at).0.double_value(&[]));
            assert!(loss(&spoken.fit(&pack, &start, 20)) < loss(&start));
        }
        let error = embed(&pack(true), &recording(1), SAMPLE_RATE).unwrap_err();
        assert!(error.to_string().contains("two seconds"), "{error}");
    }
}
