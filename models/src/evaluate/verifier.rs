//! Our own verifier: whether it is the wanted voice that is heard.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use mien_dsp::mel::mel_spectrogram;
use tch::nn::VarStore;
use tch::{Device, Tensor, no_grad};

use crate::networks::{CONTENT_MEL, SpeakerConfig, SpeakerEncoder, normalise_value};
use crate::train::checkpoint;
use crate::train::features::FLOOR;

/// Most frames that are heard at once: 30 s.
const MOST: usize = 3000;

/// Tells voices apart: recordings of one speaker lie close together.
pub trait Verifier {
    /// The direction of a voice, of length 1, from sound at 24 kHz.
    fn embed(&self, sound: &[f32]) -> Vec<f32>;
}

/// The speaker encoder of `mien train --stage speaker`.
#[derive(Debug)]
pub struct SpeakerVerifier {
    encoder: SpeakerEncoder,
    /// Holds the weights.
    _store: VarStore,
}

impl SpeakerVerifier {
    /// Reads the encoder from a run's checkpoint or from the small file beside it.
    ///
    /// # Errors
    /// When the file cannot be read or holds no speaker encoder.
    pub fn load(path: &Path) -> Result<Self> {
        let advice = || {
            format!("{path:?} is no speaker encoder: make one with `mien train --stage speaker`")
        };
        let saved = checkpoint::read(path).with_context(advice)?;
        let sizes = saved.get("sizes").with_context(advice)?;
        let config = config_of(sizes).with_context(advice)?;
        let mut store = VarStore::new(Device::Cpu);
        let encoder = SpeakerEncoder::new(&(store.root() / "speaker"), &config);
        let misfits = checkpoint::load_into(&store, &saved, "ema");
        ensure!(misfits == 0, advice());
        let sound = |t: &Tensor| t.isfinite().all().int64_value(&[]) == 1;
        ensure!(
            store.variables().values().all(sound),
            "{path:?} holds values that are no numbers; train it again"
        );
        store.freeze();
        Ok(Self {
            encoder,
            _store: store,
        })
    }

    /// The network.
    pub fn encoder(&self) -> &SpeakerEncoder {
        &self.encoder
    }
}

impl Verifier for SpeakerVerifier {
    fn embed(&self, sound: &[f32]) -> Vec<f32> {
        let mel = mel_spectrogram(sound);
        let frames: Vec<f32> = mel
            .iter()
            .flat_map(|frame| &frame[..CONTENT_MEL as usize])
            .map(|v| normalise_value(v.max(FLOOR)))
            .collect();
        embed_mel(&self.encoder, &frames)
    }
}

/// The direction of a voice from normalised log mel, `CONTENT_MEL` values a frame. Long recordings
/// are heard in pieces of 30 s.
pub fn embed_mel(encoder: &SpeakerEncoder, mel: &[f32]) -> Vec<f32> {
    if mel.is_empty() {
        return Vec::new();
    }
    let one = |piece: &[f32]| {
        let mel = Tensor::from_slice(piece).reshape([1, -1, CONTENT_MEL]);
        let embedding = no_grad(|| encoder.embed(&mel)).view([-1]);
        Vec::<f32>::try_from(&embedding).unwrap_or_default()
    };
    let pieces: Vec<Vec<f32>> = mel.chunks(MOST * CONTENT_MEL as usize).map(one).collect();
    centroid(&pieces).unwrap_or_default()
}

/// A configuration as a checkpoint keeps it: the channels, then the size of the embedding.
pub fn sizes_of(config: &SpeakerConfig) -> Tensor {
    let mut sizes = config.channels.clone();
    sizes.push(config.embedding);
    Tensor::from_slice(&sizes)
}

/// The inverse of [`sizes_of`]; `None` for sizes that make no sense.
pub fn config_of(sizes: &Tensor) -> Option<SpeakerConfig> {
    let mut channels = Vec::<i64>::try_from(sizes).ok()?;
    let embedding = channels.pop()?;
    let config = SpeakerConfig {
        channels,
        embedding,
    };
    config.sensible().then_some(config)
}

/// The middle of several recordings' directions, of length 1; `None` for none.
pub fn centroid(embeddings: &[Vec<f32>]) -> Option<Vec<f32>> {
    let mut sum = embeddings.first()?.clone();
    for other in &embeddings[1..] {
        sum.iter_mut().zip(other).for_each(|(a, b)| *a += b);
    }
    let length = sum.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-9);
    sum.iter_mut().for_each(|v| *v /= length);
    Some(sum)
}

/// Cosine of two directions of length 1.
pub fn similarity(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(tensors: &[(String, Tensor)]) -> Result<SpeakerVerifier> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speaker.safetensors");
        checkpoint::write(&path, tensors).unwrap();
        SpeakerVerifier::load(&path)
    }

    #[test]
    fn a_file_that_is_no_verifier_says_how_to_make_one() {
        let said = |outcome: Result<SpeakerVerifier>| {
            format!("{:#}", outcome.map(drop).expect_err("it loaded"))
        };
        let advice = "--stage speaker";
        assert!(said(SpeakerVerifier::load(Path::new("none"))).contains(advice));
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text.safetensors");
        std::fs::write(&text, "no tensors at all").unwrap();
        assert!(said(SpeakerVerifier::load(&text)).contains(advice));
        let other = vec![("ema/other".to_string(), Tensor::from(1.0))];
        assert!(said(written(&other)).contains(advice));
        let strange = vec![("sizes".to_string(), Tensor::from_slice(&[-5_i64, 1 << 40]))];
        assert!(said(written(&strange)).contains(advice));
        let empty = vec![("sizes".to_string(), sizes_of(&SpeakerConfig::default()))];
        assert!(said(written(&empty)).contains(advice));
    }

    #[test]
    fn half_precision_is_enough_and_level_does_not_matter() {
        tch::manual_seed(4);
        let store = VarStore::new(Device::Cpu);
        let config = SpeakerConfig::default();
        let encoder = SpeakerEncoder::new(&(store.root() / "speaker"), &config);
        let mut kept = checkpoint::prefixed("ema", checkpoint::named(&store));
        kept.iter_mut()
            .for_each(|(_, t)| *t = t.detach().to_kind(tch::Kind::Half));
        kept.push(("sizes".into(), sizes_of(&config)));
        let verifier = written(&kept).unwrap();
        let sound: Vec<f32> = (0..48_000_i32)
            .map(|i| (i as f32 * 0.05).sin() * 0.1 + (i as f32 * i as f32 * 1e-4).sin() * 0.05)
            .collect();
        let louder: Vec<f32> = sound.iter().map(|s| s * 4.0).collect();
        let own = verifier.embed(&sound);
        assert_eq!(own.len(), 128);
        assert!((similarity(&own, &own) - 1.0).abs() < 1e-4);
        assert!(similarity(&own, &verifier.embed(&louder)) > 0.999);
        let mel: Vec<f32> = mel_spectrogram(&sound)
            .iter()
            .flat_map(|f| &f[..CONTENT_MEL as usize])
            .map(|v| normalise_value(v.max(FLOOR)))
            .collect();
        assert!(similarity(&own, &embed_mel(&encoder, &mel)) > 0.999);
        assert!(verifier.embed(&[]).is_empty());
    }
}
