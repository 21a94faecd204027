//! How late the voice is, and why: computed once per activation, reported to the host, and kept.
//!
//! The sum has three parts, as anira counts them:
//!
//! * *buffer adaptation*: the converter eats frames of 10 ms, the host brings blocks of any size. At
//!   worst a frame lacks one sample when a block ends, so all but one of its samples (and what the
//!   resamplers hold back) must already be in hand. Hosts may send blocks smaller than the
//!   maximum, and VST3 never tells the minimum, so the bound for all sizes is taken.
//! * *inference*: the time that the frames of one block may take, in whole host blocks, because a
//!   block's voice can only be fetched by a later call.
//! * *pipeline*: the delay of resamplers and converter themselves.
//!
//! The first two are silence that the output starts with; the third is in the sound.

use crate::params::DelayMode;

/// Time allowed for the slowest frame, in ms: the "must" figure of the 99.9th percentile is 8, of
/// which 1 goes to the engine thread's polling.
const FIRST_FRAME_MS: f64 = 8.0;

/// Time allowed for each further frame that the same block completes, in ms: slow frames are rare,
/// so only one of them is expected to be slow.
const NEXT_FRAME_MS: f64 = 2.5;

/// What [`DelayMode::Safe`] adds, in ms: two frames.
const SAFE_MS: f64 = 20.0;

/// What a pipeline does to time, in host samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipelineShape {
    /// Its output's sample `n` belongs to its input's sample `n - delay`.
    pub delay: u32,
    /// By how many samples its output can be behind its input in number.
    pub hold_back: u32,
    /// The converter's part of the delay, in samples at 24 kHz.
    pub converter: u32,
}

/// The parts of the latency, in host samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Sample rate of the host in Hz.
    pub rate: u32,
    /// Waiting for a frame to fill.
    pub adaptation: u32,
    /// Time for the converter to compute.
    pub inference: u32,
    /// Delay of resamplers and converter.
    pub pipeline: u32,
    /// The converter's part of [`Self::pipeline`], in samples at 24 kHz.
    pub converter: u32,
    /// Largest block of the host, in samples.
    pub block: u32,
    /// Whether the host renders offline.
    pub offline: bool,
}

impl Plan {
    /// The latency for a host of `rate` Hz with blocks of at most `block` samples.
    pub fn new(rate: u32, block: u32, mode: DelayMode, shape: PipelineShape) -> Self {
        let block = block.max(1);
        let ms = f64::from(rate) / 1000.0;
        let frames = (f64::from(block) / (10.0 * ms)).ceil().max(1.0);
        let spare = if mode == DelayMode::Safe {
            SAFE_MS
        } else {
            0.0
        };
        let time = FIRST_FRAME_MS + (frames - 1.0) * NEXT_FRAME_MS + spare;
        let blocks = (time * ms / f64::from(block)).ceil() as u32;
        Self {
            rate,
            adaptation: shape.hold_back,
            inference: blocks * block,
            pipeline: shape.delay,
            converter: shape.converter,
            block,
            offline: false,
        }
    }

    /// Samples of silence before the pipeline's first output.
    pub fn prefill(&self) -> u32 {
        self.adaptation + self.inference
    }

    /// What the host is told.
    pub fn total(&self) -> u32 {
        self.prefill() + self.pipeline
    }

    /// A number of samples in milliseconds.
    pub fn ms(&self, samples: u32) -> f32 {
        samples as f32 * 1000.0 / self.rate.max(1) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: PipelineShape = PipelineShape {
        delay: 1000,
        hold_back: 479,
        converter: 0,
    };

    #[test]
    fn small_blocks_pay_for_inference_only_once() {
        let plan = |block, mode| Plan::new(48_000, block, mode, SHAPE).prefill();
        assert_eq!(plan(128, DelayMode::Low), 479 + 384);
        assert_eq!(plan(1, DelayMode::Low), 479 + 384);
        assert_eq!(plan(512, DelayMode::Low), 479 + 512);
        assert_eq!(plan(8192, DelayMode::Low), 479 + 8192);
        assert_eq!(plan(128, DelayMode::Safe), 479 + 11 * 128);
    }

    #[test]
    fn the_parts_sum_up() {
        let plan = Plan::new(44_100, 256, DelayMode::Low, SHAPE);
        assert_eq!(
            plan.total(),
            plan.adaptation + plan.inference + plan.pipeline
        );
        assert!((plan.ms(441) - 10.0).abs() < 1e-4);
    }
}
