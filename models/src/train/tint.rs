//! [`Colour::shape`](crate::streaming::Colour::shape) on whole batches, with gradients; a test holds both equal.

use mien_dsp::mel::filterbank;
use tch::{Device, Kind, Tensor};

use crate::networks::{BANDS, MEL, MEL_SCALE, place};
use crate::streaming::{AROUND, EmotionColour, MOST, MOST_SHARP, OCTAVES, SLOW};

/// The colours of a batch's frames, ready for use.
#[derive(Debug)]
pub struct Tints {
    /// Tilt with what of it follows stress, contrast (as a factor less one) and sharpness, `[batch, frames, 1]` each.
    tilt: Tensor,
    clearer: Tensor,
    sharpness: Tensor,
    /// What moves the formants of each row, `[batch, MEL (from), MEL (to)]`.
    formants: Tensor,
    /// Share of the speaker's own voice, `[batch, 1, 1]`.
    own: Tensor,
}

/// Rows of colours, as they are gathered.
#[derive(Clone, Debug, Default)]
pub struct Tinting {
    frames: Vec<f32>,
    formants: Vec<f32>,
}

impl Tinting {
    /// The next frame of the row.
    pub fn frame(&mut self, colour: &EmotionColour, stress: f32) {
        let tilt = colour.tilt + colour.tilt_follow * stress;
        self.frames
            .extend([tilt, colour.contrast.exp() - 1.0, colour.sharpness]);
    }

    /// Ends the row, whose formants move by so many semitones.
    pub fn row(&mut self, semitones: f32) {
        self.formants.push(semitones);
    }

    /// All rows. `own`: share of the speaker's own voice, `[batch, 1, 1]`.
    pub fn tints(&self, own: &Tensor) -> Tints {
        let batch = self.formants.len() as i64;
        let frames = Tensor::from_slice(&self.frames).reshape([batch, -1, 3]);
        let column = |i: i64| frames.narrow(2, i, 1).contiguous();
        let moves: Vec<Tensor> = self.formants.iter().map(|&s| shift(s)).collect();
        Tints {
            tilt: column(0),
            clearer: column(1),
            sharpness: column(2),
            formants: Tensor::stack(&moves, 0),
            own: own.shallow_clone(),
        }
    }
}

/// What shapes mels of one length, made once.
#[derive(Debug)]
pub struct Tinter {
    /// Octaves of each band from 1 kHz, `[MEL]`.
    octaves: Tensor,
    /// `[MEL, MEL]`: each band's mean with those around it.
    around: Tensor,
    /// `[frames, frames]`: the mel followed over 50 ms.
    slow: Tensor,
}

impl Tints {
    /// The same on another device.
    pub fn to_device(&self, device: Device) -> Self {
        Self {
            tilt: self.tilt.to_device(device),
            clearer: self.clearer.to_device(device),
            sharpness: self.sharpness.to_device(device),
            formants: self.formants.to_device(device),
            own: self.own.to_device(device),
        }
    }
}

impl Tinter {
    /// For mels of so many frames.
    pub fn new(frames: usize, device: Device) -> Self {
        Self {
            octaves: Tensor::from_slice(&*OCTAVES).to_device(device),
            around: averaging().to_device(device),
            slow: slowing(frames).to_device(device),
        }
    }

    /// A normalised log mel `[batch, frames, MEL]` in its colours.
    pub fn shape(&self, mel: &Tensor, tints: &Tints) -> Tensor {
        let around = mel.matmul(&self.around);
        let most = f64::from(MOST) * MEL_SCALE;
        let most_sharp = f64::from(MOST_SHARP) * MEL_SCALE;
        let sharper = ((mel - self.slow.matmul(mel)) * &tints.sharpness).clamp_max(most_sharp);
        let change =
            &tints.tilt * MEL_SCALE * &self.octaves + (mel - around) * &tints.clearer + sharper;
        let shaped = (mel + change.clamp(-most, most)).bmm(&tints.formants);
        let lost = (loudness(mel) - loudness(&shaped)) * MEL_SCALE * &tints.own;
        shaped + lost
    }
}

/// Natural log of each frame's power, but for a constant.
fn loudness(mel: &Tensor) -> Tensor {
    (mel / MEL_SCALE).logsumexp([2].as_slice(), true)
}

/// `[frames, frames]`: a mel followed over 50 ms, from its first frame on.
fn slowing(frames: usize) -> Tensor {
    let mut matrix = vec![0.0_f32; frames * frames];
    for t in 0..frames {
        for past in 0..=t {
            let kept = (1.0 - SLOW).powi((t - past) as i32);
            // Before the first frame all was as it is.
            matrix[t * frames + past] = if past == 0 { kept } else { SLOW * kept };
        }
    }
    Tensor::from_slice(&matrix).reshape([frames as i64, frames as i64])
}

/// `[MEL, MEL]`: each band's mean with those around it.
fn averaging() -> Tensor {
    let mut matrix = vec![0.0_f32; BANDS * BANDS];
    for b in 0..BANDS {
        let (from, to) = (b.saturating_sub(AROUND), (b + AROUND + 1).min(BANDS));
        for a in from..to {
            matrix[a * BANDS + b] = 1.0 / (to - from) as f32;
        }
    }
    Tensor::from_slice(&matrix).reshape([MEL, MEL])
}

/// `[MEL, MEL]`: moves a frame's formants up by so many semitones, as the live path does.
fn shift(semitones: f32) -> Tensor {
    if semitones.abs() <= 1e-3 {
        return Tensor::eye(MEL, (Kind::Float, Device::Cpu));
    }
    let centres = &filterbank().centres;
    let factor = (semitones / 12.0).exp2();
    let mut matrix = vec![0.0_f32; BANDS * BANDS];
    for (band, &centre) in centres.iter().enumerate().take(BANDS) {
        let (below, above, share) = place(centres, centre / factor);
        matrix[below * BANDS + band] += 1.0 - share;
        matrix[above * BANDS + band] += share;
    }
    Tensor::from_slice(&matrix).reshape([MEL, MEL])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streaming::Colour;

    #[test]
    fn batches_are_tinted_as_live_frames_are() {
        let colour = EmotionColour {
            tilt: 0.2,
            tilt_follow: -0.05,
            formants: -0.8,
            contrast: 0.3,
            sharpness: 0.4,
            breath: 0.0,
        };
        let frames = 60;
        let frame = |t: usize| -> [f32; BANDS] {
            std::array::from_fn(|b| ((b + 7 * t) as f32 * 0.37).sin() - b as f32 * 0.01)
        };
        let stress = |t: usize| (t as f32 * 0.1).cos();
        for own in [0.0_f32, 1.0] {
            let (mut live, mut given) = (Vec::new(), Vec::new());
            let (mut state, mut tinting) = (Colour::default(), Tinting::default());
            for t in 0..frames {
                let mut one = frame(t);
                given.extend(one);
                state.shape(&mut one, &colour, stress(t), own);
                live.extend(one);
                tinting.frame(&colour, stress(t));
            }
            tinting.row(colour.formants);
            let tints = tinting.tints(&Tensor::from_slice(&[own]).reshape([1, 1, 1]));
            let mel = Tensor::from_slice(&given).reshape([1, frames as i64, MEL]);
            let shaped = Tinter::new(frames, Device::Cpu).shape(&mel, &tints);
            let shaped = Vec::<f32>::try_from(&shaped.reshape([-1])).unwrap();
            let apart = |(a, b): (&f32, &f32)| (a - b).abs();
            let most = live.iter().zip(&shaped).map(apart).fold(0.0, f32::max);
            assert!(most < 2e-3, "{own}: {most}");
        }
    }
}
