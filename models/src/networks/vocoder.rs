//! The vocoder: a log mel and a pitch in, sound out.
//!
//! A pulse train and noise (`streaming::Source`) are shaped by two minimum-phase filters a frame,
//! in the short-time Fourier domain. The source carries the periodicity and its phase runs on
//! over frame borders, so the sound is right from the first training steps (the source-filter
//! networks of Wang et al. 2019 and Engel et al. 2020; minimum phase as in WORLD, Morise 2016).
//!
//! Each hop of the source is cross-faded from the last frame's filter to this frame's, so nothing
//! of the future is needed: the vocoder adds no delay.

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::{MEL, NetworkConfig, denormalise_mel, place};
use crate::nn::{Linear, Trunk, TrunkState};

/// Length of the filters' Fourier transform: a hop of 240 samples and a tail of 784.
pub const FFT: i64 = 1024;
/// Bins of its spectrum.
pub const SPECTRUM: i64 = FFT / 2 + 1;
const HOP: i64 = mien_face::FRAME as i64;

/// The vocoder's network and its fixed tables.
#[derive(Debug)]
pub struct Vocoder {
    input: Linear,
    trunk: Trunk,
    output: Linear,
    /// `[MEL]`: from a band's log power to the log amplitude of a bin in it.
    band_offset: Tensor,
    /// `[SPECTRUM, MEL]`: log magnitude of each bin from band values.
    magnitude: FixedMap,
    /// `[SPECTRUM, MEL]`: the minimum phase that belongs to it.
    phase: FixedMap,
    /// `[HOP]`: cross-fade to the new filter.
    fade_in: Tensor,
}

/// A fixed linear map without bias.
type FixedMap = Tensor;

/// Past of one stream.
#[derive(Debug)]
pub struct VocoderState {
    trunk: TrunkState,
    /// The last frame's filters as complex spectra, `[batch, 1, 2, SPECTRUM]`.
    spectra: Option<Tensor>,
    /// Sound that is still to come out, `[batch, FFT − HOP]`.
    tail: Tensor,
}

/// One stretch of source: `[batch, frames, HOP]` each, pulses already silent where unvoiced.
#[derive(Debug)]
pub struct SourceSpectra {
    /// Band-limited pulses of unit power.
    pub pulses: Tensor,
    /// White noise of unit power.
    pub noise: Tensor,
}

impl Vocoder {
    /// A fresh vocoder below `path`.
    pub fn new(path: &Path, config: &NetworkConfig) -> Self {
        let width = config.vocoder.width;
        let device = path.device();
        let bank = mien_dsp::mel::filterbank();
        let magnitude = interpolation(&bank.centres).to_device(device);
        let phase = minimum_phase(&magnitude);
        // White noise of unit variance has a one-sided power of 2, spread evenly over the bins.
        let bin = 2.0 / (SPECTRUM - 1) as f32;
        let offset: Vec<f32> = (0..MEL as usize)
            .map(|band| (bank.row(band).iter().sum::<f32>() * bin).ln())
            .collect();
        let ramp = Tensor::arange(HOP, (Kind::Float, device)) + 0.5;
        Self {
            input: Linear::new(&(path / "input"), MEL + 2, width, 1.0),
            trunk: Trunk::new(&(path / "trunk"), &config.vocoder, None),
            output: Linear::new(&(path / "output"), width, 2 * MEL, 0.05),
            band_offset: Tensor::from_slice(&offset).to_device(device),
            magnitude,
            phase,
            fade_in: (ramp * (std::f64::consts::PI / HOP as f64)).cos() * -0.5 + 0.5,
        }
    }

    /// Prepares for live frames; see [`Linear::settle`].
    pub fn settle(&mut self) {
        self.input.settle();
        self.trunk.settle();
        self.output.settle();
    }

    /// An empty past.
    pub fn state(&self, batch: i64, like: &Tensor) -> VocoderState {
        VocoderState {
            trunk: self.trunk.state(batch, like),
            spectra: None,
            tail: Tensor::zeros([batch, FFT - HOP], (Kind::Float, like.device())),
        }
    }

    /// Log amplitudes of both filters, `[batch, frames, 2, MEL]` (pulses, noise).
    fn filters(&self, mel: &Tensor, prosody: &Tensor, state: &mut TrunkState) -> Tensor {
        let pitch = prosody.narrow(-1, 0, 2);
        let h = self.input.forward(&Tensor::cat(&[mel, &pitch], -1));
        let h = self.trunk.forward(&h, &self.trunk.modulate(None), state);
        let size = h.size();
        let change = self.output.forward(&h).reshape([size[0], size[1], 2, MEL]);
        // The network only corrects the envelope that the mel tells, which is right on average.
        let envelope = (denormalise_mel(mel) - &self.band_offset) * 0.5;
        (change * 3.0 + envelope.unsqueeze(2)).clamp(-14.0, 5.0)
    }

    /// Complex spectra `[batch, frames, 2, SPECTRUM]` of the filters.
    fn spectra(&self, filters: &Tensor) -> Tensor {
        let magnitude = filters.matmul(&self.magnitude.tr()).exp();
        Tensor::polar(&magnitude, &filters.matmul(&self.phase.tr()))
    }

    /// `mel`: normalised log mel `[batch, frames, MEL]`; `prosody`: `[batch, frames, ≥ 2]`
    /// (voiced, pitch first); `source`: as many frames; `noise_gain` scales the noise part.
    /// Returns sound `[batch, frames · HOP]` that ends at the centre of the last frame.
    pub fn forward(
        &self,
        mel: &Tensor,
        prosody: &Tensor,
        source: &SourceSpectra,
        noise_gain: f64,
        state: &mut VocoderState,
    ) -> Tensor {
        let size = mel.size();
        let (batch, frames) = (size[0], size[1]);
        let filters = self.filters(mel, prosody, &mut state.trunk);
        let spectra = self.spectra(&filters);
        let last = match &state.spectra {
            Some(last) => last.shallow_clone(),
            None => spectra.narrow(1, 0, 1),
        };
        state.spectra = Some(spectra.narrow(1, frames - 1, 1));
        let before = if frames == 1 {
            last
        } else {
            Tensor::cat(&[&last, &spectra.narrow(1, 0, frames - 1)], 1)
        };
        // [batch, frames, 2 (pulses, noise), HOP]
        let source = Tensor::stack(&[&source.pulses, &(&source.noise * noise_gain)], 2);
        let new = (&source * &self.fade_in).fft_rfft(FFT, -1, "backward") * spectra;
        let old = (&source * (&self.fade_in * -1.0 + 1.0)).fft_rfft(FFT, -1, "backward") * before;
        let sum = (new + old).sum_dim_intlist(2, false, None);
        let pieces = sum.fft_irfft(FFT, -1, "backward");
        self.overlap_add(&pieces, batch, frames, state)
    }

    /// Adds the tails of earlier frames: `[batch, frames, FFT]` → `[batch, frames · HOP]`.
    fn overlap_add(
        &self,
        pieces: &Tensor,
        batch: i64,
        frames: i64,
        state: &mut VocoderState,
    ) -> Tensor {
        let length = (frames - 1) * HOP + FFT;
        let parts = FFT.div_euclid(HOP) + i64::from(FFT % HOP != 0);
        let padded = pieces.constant_pad_nd([0, parts * HOP - FFT]);
        let total = (frames + parts - 1) * HOP;
        let mut sum = state.tail.constant_pad_nd([0, total - (FFT - HOP)]);
        for part in 0..parts {
            let chunk = padded
                .narrow(2, part * HOP, HOP)
                .reshape([batch, frames * HOP]);
            sum += chunk.constant_pad_nd([part * HOP, total - frames * HOP - part * HOP]);
        }
        state.tail = sum.narrow(1, frames * HOP, length - frames * HOP);
        sum.narrow(1, 0, frames * HOP)
    }

    /// A whole recording from an empty past.
    pub fn vocode(&self, mel: &Tensor, prosody: &Tensor, source: &SourceSpectra) -> Tensor {
        let mut state = self.state(mel.size()[0], mel);
        self.forward(mel, prosody, source, 1.0, &mut state)
    }
}

/// `[SPECTRUM, MEL]`: linear interpolation between band centres, flat beyond the ends.
fn interpolation(centres: &[f32]) -> Tensor {
    let bands = centres.len();
    let mut table = vec![0.0_f32; SPECTRUM as usize * bands];
    for bin in 0..SPECTRUM as usize {
        let hz = bin as f32 * mien_face::SAMPLE_RATE as f32 / FFT as f32;
        let (below, above, share) = place(centres, hz);
        let row = &mut table[bin * bands..(bin + 1) * bands];
        row[below] = 1.0 - share;
        row[above] += share;
    }
    Tensor::from_slice(&table).reshape([SPECTRUM, bands as i64])
}

/// The minimum phase that belongs to each column of log magnitudes: the Hilbert transform, by
/// folding the cepstrum (Oppenheim and Schafer, Discrete-Time Signal Processing, 13.3).
fn minimum_phase(magnitude: &Tensor) -> Tensor {
    let cepstrum = magnitude.tr().fft_irfft(FFT, -1, "backward");
    let fold = Tensor::zeros([FFT], (Kind::Float, magnitude.device()));
    let _ = fold.narrow(0, 1, FFT / 2 - 1).fill_(2.0);
    let _ = fold.narrow(0, 0, 1).fill_(1.0);
    let _ = fold.narrow(0, FFT / 2, 1).fill_(1.0);
    (cepstrum * fold)
        .fft_rfft(FFT, -1, "backward")
        .imag()
        .tr()
        .contiguous()
}
