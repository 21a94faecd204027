//! Sound for evaluation, by the same streaming code as the plugin.

use mien_face::{Controls, FRAME};
use tch::{Tensor, no_grad};

use crate::networks::{MEL, PROSODY, SourceSpectra, normalise_mel, prosody_features};
use crate::pack::LoadedPack;
use crate::streaming::{Converter, DELAY_SAMPLES, Source};
use crate::train::features::{CENTRE, Features, loudness};

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
    for (frame, pitch) in features.mel.iter().zip(&features.pitch) {
        let bands: Vec<f32> = frame.iter().map(|v| v.to_f32()).collect();
        prosody.extend(prosody_features(pitch[0], pitch[1], loudness(&bands)));
        let hop = source.next_hop(pitch[0]);
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
    let flat = spoken.contiguous().view([-1]);
    let mut samples = vec![0.0_f32; flat.numel()];
    flat.copy_data(&mut samples, flat.numel());
    samples.drain(..CENTRE.min(samples.len()));
    samples.resize(sound.len(), 0.0);
    samples
}
