//! Our own verifier: whether it is the wanted voice that is heard.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use mien_dsp::mel::{BANDS, filterbank, mel_spectrogram};
use tch::nn::VarStore;
use tch::{Device, Tensor, no_grad};

use super::verification::Cohort;
use crate::networks::{
    CONTENT_MEL, FLOOR, SpeakerConfig, SpeakerEncoder, normalise_value, stretched,
};
use crate::train::checkpoint;

/// Most frames that are heard at once: 30 s.
const MOST: usize = 3000;

/// How fast recordings are heard where a file does not tell.
const RATES: [f32; 3] = [0.88, 1.0, 1.14];

/// Tells voices apart: recordings of one speaker lie close together.
pub trait Verifier {
    /// The direction of a voice, of length 1, from sound at 24 kHz.
    fn embed(&self, sound: &[f32]) -> Vec<f32>;
}

/// The speaker encoder of `mien train --stage speaker`.
#[derive(Debug)]
pub struct SpeakerVerifier {
    encoder: SpeakerEncoder,
    /// How fast each recording is heard: see [`embed_views`].
    rates: Vec<f32>,
    cohort: Option<Cohort>,
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
        let rates = match saved.get("copies") {
            None => RATES.to_vec(),
            Some(t) => Vec::<f32>::try_from(t).with_context(advice)?,
        };
        ensure!(
            (1..=8).contains(&rates.len()) && rates.iter().all(|r| (0.5..=2.0).contains(r)),
            advice()
        );
        let cohort = saved.get("cohort").map(Cohort::from_tensor).transpose()?;
        Ok(Self {
            encoder,
            rates,
            cohort,
            _store: store,
        })
    }

    /// The network.
    pub fn encoder(&self) -> &SpeakerEncoder {
        &self.encoder
    }

    /// The voices that scores can be normalised by, where the file has them.
    pub fn cohort(&self) -> Option<&Cohort> {
        self.cohort.as_ref()
    }

    /// The direction of a voice from its log mel.
    pub fn embed_frames(&self, frames: &[[f32; BANDS]]) -> Vec<f32> {
        embed_views(&self.encoder, &self.rates, frames)
    }
}

impl Verifier for SpeakerVerifier {
    fn embed(&self, sound: &[f32]) -> Vec<f32> {
        let mut mel = mel_spectrogram(sound);
        mel.iter_mut().flatten().for_each(|v| *v = v.max(FLOOR));
        self.embed_frames(&mel)
    }
}

/// The direction of a voice from its log mel, heard at each of `rates`: each is another look at the same vocal tract, and the
/// training has heard voices stretched so. The directions one after another, of length 1 together: the cosine of two of
/// these is the mean of the looks' cosines.
pub fn embed_views(encoder: &SpeakerEncoder, rates: &[f32], frames: &[[f32; BANDS]]) -> Vec<f32> {
    let Some(last) = frames.len().checked_sub(1) else {
        return Vec::new();
    };
    let share = (rates.len() as f32).sqrt().recip();
    let view = |&rate: &f32| {
        let count = ((frames.len() as f32 / rate) as usize).max(1);
        let heard =
            stretched::<{ CONTENT_MEL as usize }>(count, rate, &filterbank().centres, |t, band| {
                frames[t.min(last)][band]
            });
        let mel: Vec<f32> = heard
            .iter()
            .flatten()
            .map(|v| normalise_value(*v))
            .collect();
        embed_mel(encoder, &mel)
    };
    let views = rates.iter().flat_map(view);
    views.map(|v| v * share).collect()
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
        assert_eq!(own.len(), RATES.len() * 128);
        assert!((similarity(&own, &own) - 1.0).abs() < 1e-4);
        assert!(similarity(&own, &verifier.embed(&louder)) > 0.999);
        let mut mel = mel_spectrogram(&sound);
        mel.iter_mut().flatten().for_each(|v| *v = v.max(FLOOR));
        assert!(similarity(&own, &embed_views(&encoder, &RATES, &mel)) > 0.999);
        // The look at rate 1 is the recording as it is.
        let plain: Vec<f32> = mel
            .iter()
            .flat_map(|f| &f[..CONTENT_MEL as usize])
            .map(|v| normalise_value(*v))
            .collect();
        let looks = [
            embed_views(&encoder, &[1.0], &mel),
            embed_mel(&encoder, &plain),
        ];
        assert!(similarity(&looks[0], &looks[1]) > 0.9999);
        assert!(verifier.embed(&[]).is_empty());
    }
}
