//! New voices: an embedding from a recording.
//!
//! The generator stands still and the embedding is fitted by gradient descent until the generator
//! gives the recording back: a few seconds of work for 5 to 30 s of speech, and no second network
//! that could disagree with the generator (code fitting as in Chen et al. 2019, "Sample efficient
//! adaptive text-to-speech", SEA-EMB).

use anyhow::{Result, ensure};
use mien_face::{SAMPLE_RATE, Voice};
use tch::{Tensor, no_grad};

use crate::networks::{LOOK_AHEAD, MEL, PROSODY, normalise_mel, prosody_features};
use crate::pack::LoadedPack;
use crate::train::config::OptimizerConfig;
use crate::train::features::{Features, loudness};
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
    let networks = &pack.networks;
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
    let content = no_grad(|| networks.encoder.encode(&mel)).narrow(1, LOOK_AHEAD, usable);
    let target = mel.narrow(1, 0, usable);
    let mask = target.ones_like();
    let middle = Tensor::cat(&networks.voices, 0).mean_dim([0].as_slice(), true, None);
    let embedding = middle.copy().set_requires_grad(true);
    let config = OptimizerConfig {
        learning_rate: 0.03,
        warm_up: 5,
        weight_decay: 0.0,
        ..OptimizerConfig::default()
    };
    let mut adam = AdamW::new(
        &config,
        vec![("embedding".into(), embedding.shallow_clone())],
        STEPS,
    );
    for _ in 0..STEPS {
        let (out, _) = networks.generator.generate(&content, &prosody, &embedding);
        let (level, change) = mel_losses(&out, &target, &mask);
        // A weak pull to the middle keeps a short or noisy recording from a strange place.
        let pull = (&embedding - &middle).square().mean(tch::Kind::Float);
        adam.backward_step(&(level + change * 0.5 + pull * 0.02));
    }
    Ok(Vec::<f32>::try_from(&embedding.detach().view([-1]))?)
}
