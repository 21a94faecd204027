//! Sound for evaluation, by the same streaming code as the plugin.

use std::path::Path;

use anyhow::Result;
use mien_dsp::creak::{self, CreakFrame};
use mien_face::{Controls, FRAME, SAMPLE_RATE};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tch::{Tensor, no_grad};

use super::Offline;
use super::signal::largest_difference;
use crate::networks::{
    CENTRE, MEL, PROSODY, SourceSpectra, loudness, normalise_mel, prosody_features,
};
use crate::pack::LoadedPack;
use crate::streaming::{Converter, DELAY_SAMPLES, Source, Unevenness};
use crate::train::features::Features;

/// Most samples of a piece in which a host hands sound over, for [`streaming_error`].
const LARGEST_PIECE: usize = 2048;

/// A recording as mono samples at 24 kHz.
///
/// # Errors
/// When the file cannot be read or decoded.
pub fn decode(path: &Path) -> Result<Vec<f32>> {
    let sound = mien_audio::decode(path)?;
    Ok(mien_audio::resample(&sound.mono(), sound.rate, SAMPLE_RATE))
}

/// Converts a whole recording at 24 kHz frame by frame, without the delay: as long as the input.
pub fn convert(converter: &mut Converter, sound: &[f32], controls: &Controls) -> Vec<f32> {
    converter.reset();
    let mut output = Vec::with_capacity(sound.len() + 2 * FRAME);
    let mut input = [0.0; FRAME];
    let mut frame = [0.0; FRAME];
    let mut from = 0;
    while output.len() < sound.len() + DELAY_SAMPLES {
        let chunk = &sound[from.min(sound.len())..(from + FRAME).min(sound.len())];
        input.fill(0.0);
        input[..chunk.len()].copy_from_slice(chunk);
        converter.step(&input, &mut frame, controls);
        output.extend_from_slice(&frame);
        from += FRAME;
    }
    output.drain(..DELAY_SAMPLES);
    output.truncate(sound.len());
    output
}

/// The vocoder alone: the recording's own mel and pitch made sound again.
pub fn resynthesise(pack: &LoadedPack, sound: &[f32]) -> Vec<f32> {
    let features = Features::analyse(sound);
    let frames = features.mel.len() as i64;
    if frames == 0 {
        return Vec::new();
    }
    let values: Vec<f32> = features.mel.iter().flatten().map(|v| v.to_f32()).collect();
    let mut prosody = Vec::new();
    let (mut pulses, mut noise) = (Vec::new(), Vec::new());
    let mut source = Source::new(1);
    let creaks = creak::track(sound);
    // As the pitch, creak comes one hop after the mel does.
    let calm = CreakFrame::default();
    let creaks = creaks.iter().skip(1).chain(std::iter::once(&calm));
    for ((frame, pitch), creak) in features.mel.iter().zip(&features.pitch).zip(creaks) {
        let bands: Vec<f32> = frame.iter().map(|v| v.to_f32()).collect();
        prosody.extend(prosody_features(pitch[0], pitch[1], loudness(&bands)));
        let hop = source.next_hop_creaking(pitch[0], Unevenness::default(), creak);
        pulses.extend(hop.pulses);
        noise.extend(hop.noise);
    }
    let hop = FRAME as i64;
    let spoken = no_grad(|| {
        let mel = normalise_mel(&Tensor::from_slice(&values).reshape([1, frames, MEL]));
        let prosody = Tensor::from_slice(&prosody).reshape([1, frames, PROSODY]);
        let source = SourceSpectra {
            pulses: Tensor::from_slice(&pulses).reshape([1, frames, hop]),
            noise: Tensor::from_slice(&noise).reshape([1, frames, hop]),
        };
        pack.networks.vocoder.vocode(&mel, &prosody, &source)
    });
    let mut samples = samples_of(&spoken);
    samples.drain(..CENTRE.min(samples.len()));
    samples.resize(sound.len(), 0.0);
    samples
}

/// Largest difference, sample by sample, between the streaming converter, fed in pieces of random
/// lengths as by a host, and the networks run once over the whole. Full scale is 1.
pub fn streaming_error(pack: &LoadedPack, sound: &[f32], voice: usize, seed: u64) -> f64 {
    let mut controls = Controls::default();
    controls.voices[0].index = voice as u32;
    let mut converter = Converter::new(pack.networks.clone());
    let mut rng = StdRng::seed_from_u64(seed);
    let whole = Offline::new(pack, sound).say(&controls, &pack.networks.feelings);
    let (mut waiting, mut streamed) = (Vec::new(), Vec::with_capacity(whole.len()));
    let mut from = 0;
    while streamed.len() < whole.len() {
        let piece = rng.random_range(1..=LARGEST_PIECE);
        let end = (from + piece).min(sound.len());
        waiting.extend_from_slice(&sound[from.min(end)..end]);
        if end == sound.len() {
            waiting.resize(waiting.len().next_multiple_of(FRAME), 0.0);
        }
        from = end;
        let frames = waiting.len() / FRAME;
        for frame in waiting
            .drain(..frames * FRAME)
            .as_slice()
            .chunks_exact(FRAME)
        {
            let (mut input, mut output) = ([0.0; FRAME], [0.0; FRAME]);
            input.copy_from_slice(frame);
            converter.step(&input, &mut output, &controls);
            streamed.extend_from_slice(&output);
        }
    }
    largest_difference(&streamed, &whole)
}

pub(super) fn samples_of(sound: &Tensor) -> Vec<f32> {
    let flat = sound.contiguous().view([-1]);
    let mut samples = vec![0.0_f32; flat.numel()];
    flat.copy_data(&mut samples, flat.numel());
    samples
}
