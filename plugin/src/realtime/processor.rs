//! One block of the host, from its input to its output.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Thread;
use std::time::{Duration, Instant};

use ringbuf::traits::Producer;

use super::dry::{DryDelay, MAX_CHANNELS};
use super::fader::Fader;
use super::gate::Gate;
use super::latency::Plan;
use super::meters::peak;
use super::pace::Pace;
use super::ramp::Ramp;
use super::rings::AudioEnd;
use super::wet::WetReader;
use crate::params::MienParams;
use crate::shared::Shared;

/// Ramps of gains and mix, in ms.
const SMOOTH_MS: f32 = 20.0;
/// Bypass is pressed when something is wrong, so it is quicker.
const BYPASS_MS: f32 = 8.0;
/// From the dry voice to the converted one, when the engine becomes ready or goes away.
const LIVE_MS: f32 = 20.0;

/// Longest wait for one offline block. Beyond it the engine is stuck, and a host that never comes
/// back is worse than a bounce with a hole, which is counted.
const OFFLINE_LIMIT: Duration = Duration::from_secs(60);

/// How a block is to be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing may wait, unless [`Pace`] proves that the host is not in real time.
    Realtime,
    /// Waits for the engine, so that nothing is lost.
    Offline,
}

/// Everything that the audio thread owns between two activations.
pub struct Processor {
    plan: Plan,
    inputs: usize,
    end: AudioEnd,
    engine: Thread,
    reader: WetReader,
    shared: Arc<Shared>,
    /// Input samples pushed since the rings were made.
    pushed: u64,
    dry: DryDelay,
    gate: Gate,
    /// Lets the input rise where the engine starts anew in the middle of a sound.
    entry: Fader,
    pace: Pace,
    in_gain: Ramp,
    out_gain: Ramp,
    mix: Ramp,
    bypass: Ramp,
    live: Ramp,
    /// True until the first block of an epoch knows whether the engine converts.
    fresh: bool,
    mono: Vec<f32>,
    wet: Vec<f32>,
}

impl Processor {
    /// A processor for `inputs` channels and blocks of usually at most `block` samples. `engine`
    /// is the thread at the other end of the rings. Allocates.
    pub fn new(
        plan: Plan,
        block: u32,
        inputs: usize,
        end: AudioEnd,
        engine: Thread,
        shared: Arc<Shared>,
    ) -> Self {
        let rate = plan.rate;
        Self {
            plan,
            inputs: inputs.clamp(1, MAX_CHANNELS),
            reader: WetReader::new(plan.prefill(), rate),
            end,
            engine,
            shared,
            pushed: 0,
            dry: DryDelay::new(plan.total() as usize),
            gate: Gate::new(rate),
            entry: Fader::new(rate),
            pace: Pace::new(),
            in_gain: Ramp::new(1.0, SMOOTH_MS, rate),
            out_gain: Ramp::new(1.0, SMOOTH_MS, rate),
            mix: Ramp::new(1.0, SMOOTH_MS, rate),
            bypass: Ramp::new(0.0, BYPASS_MS, rate),
            live: Ramp::new(0.0, LIVE_MS, rate),
            fresh: true,
            mono: vec![0.0; block.max(1) as usize],
            wet: vec![0.0; block.max(1) as usize],
        }
    }

    /// The latency that this processor keeps.
    pub fn plan(&self) -> Plan {
        self.plan
    }

    /// Starts anew, as if nothing had been heard. Real-time safe.
    pub fn reset(&mut self, params: &MienParams) {
        self.reader.reset(&self.end, self.pushed);
        self.live.jump(0.0);
        self.fresh = true;
        self.dry.reset();
        self.gate.reset();
        self.entry.reset();
        self.pace.reset();
        self.in_gain.jump(gain(params.in_gain.value()));
        self.out_gain.jump(gain(params.out_gain.value()));
        self.mix.jump(params.mix.value());
        self.bypass.jump(f32::from(params.bypass.value()));
    }

    /// Gives up what is queued. The host's next `lost` samples are part of that. The dry voice steps
    /// in until the engine has noticed; all of it is faded.
    fn resync(&mut self, lost: usize) {
        self.reader.resync(&self.end, self.pushed, lost);
        self.entry.cut_to_silence();
        self.fresh = false;
    }

    /// Converts a block in place. `channels` are all of one length; the first of them hold the
    /// input. Real-time safe in [`Mode::Realtime`].
    #[rtsan_standalone::nonblocking]
    pub fn process(&mut self, channels: &mut [&mut [f32]], params: &MienParams, mode: Mode) {
        let length = channels.first().map_or(0, |channel| channel.len());
        self.in_gain.set(gain(params.in_gain.value()));
        self.out_gain.set(gain(params.out_gain.value()));
        self.mix.set(params.mix.value());
        self.bypass.set(f32::from(params.bypass.value()));
        self.end.controls.write(params.snapshot());
        let allowance = self.pace.allowance(Instant::now(), length, self.plan.rate);
        let mut start = 0;
        // A host may send more than it announced.
        while start < length {
            let part = start..length.min(start + self.mono.len());
            start = part.end;
            self.mix_down(channels, part.clone(), params.gate.value());
            let samples = part.len();
            match mode {
                Mode::Offline => self.feed_offline(samples),
                Mode::Realtime => self.feed(samples, allowance),
            }
            let read = self.reader.read(&mut self.end, &mut self.wet[..samples]);
            if self.live_from() != super::rings::NEVER {
                self.shared.counters.missing(read.missing, read.dropout);
            }
            self.mix_up(channels, part);
        }
    }

    /// Fills `self.mono` from the input channels.
    fn mix_down(&mut self, channels: &[&mut [f32]], part: std::ops::Range<usize>, gate_db: f32) {
        let inputs = self.inputs.min(channels.len()).max(1);
        let scale = 1.0 / inputs as f32;
        let mono = &mut self.mono[..part.len()];
        for (i, sample) in mono.iter_mut().enumerate() {
            let sum: f32 = channels[..inputs]
                .iter()
                .map(|channel| channel[part.start + i])
                .sum();
            let value = sum * scale * self.in_gain.advance();
            // A broken plugin before this one must not poison the converter's state for good.
            *sample = if value.is_finite() { value } else { 0.0 };
        }
        self.shared.meters.input(peak(mono));
        self.shared.scope.input(mono);
        self.gate.process(mono, gate_db);
        self.entry.sound(mono);
    }

    /// Hands the block to the engine. A full ring means that the engine slept for a second: what
    /// is queued is of no use any more.
    fn push(&mut self, samples: usize) {
        let pushed = self.end.input.push_slice(&self.mono[..samples]);
        self.pushed += pushed as u64;
        if pushed < samples {
            self.shared.counters.resync();
            self.resync(samples);
        }
    }

    fn feed(&mut self, samples: usize, allowance: Duration) {
        self.push(samples);
        if !allowance.is_zero() && self.reader.lacking(&mut self.end, samples) > 0 {
            self.shared.counters.fast_render();
            self.wait(allowance, |this| {
                this.reader.lacking(&mut this.end, samples) == 0
            });
        }
    }

    fn feed_offline(&mut self, samples: usize) {
        // An engine that is still being loaded would leave the bounce's start dry.
        self.wait(OFFLINE_LIMIT, |this| !this.shared.busy());
        self.push(samples);
        self.wait(OFFLINE_LIMIT, |this| {
            this.end.clocks.done.load(Ordering::Acquire) == this.pushed
                && this.reader.lacking(&mut this.end, samples) == 0
        });
    }

    /// Waits until `ready`. Never called where the host is in real time.
    fn wait(&mut self, limit: Duration, mut ready: impl FnMut(&mut Self) -> bool) {
        if ready(self) {
            return;
        }
        let _permit = rtsan_standalone::ScopedDisabler::default();
        let deadline = Instant::now() + limit;
        self.end.clocks.waiting.store(true, Ordering::Relaxed);
        self.engine.unpark();
        while !ready(self) && Instant::now() < deadline {
            self.end.parker.park_timeout(Duration::from_millis(1));
        }
        self.end.clocks.waiting.store(false, Ordering::Relaxed);
    }

    fn live_from(&self) -> i64 {
        match self.reader.synced() {
            true => self.end.clocks.live_from.load(Ordering::Acquire),
            false => super::rings::NEVER,
        }
    }

    /// Mixes `self.wet` with the delayed dry voice into the output channels.
    fn mix_up(&mut self, channels: &mut [&mut [f32]], part: std::ops::Range<usize>) {
        let live_from = self.live_from();
        if self.fresh && self.reader.synced() {
            self.live.jump(f32::from(live_from <= 0));
            self.fresh = false;
        }
        let first = self.reader.want() - part.len() as i64;
        let mut level = 0.0_f32;
        for (i, at) in part.enumerate() {
            let mut dry = [0.0; MAX_CHANNELS];
            for (channel, sample) in dry.iter_mut().enumerate() {
                let source = channel.min(self.inputs - 1).min(channels.len() - 1);
                *sample = channels[source][at];
            }
            self.dry.swap(&mut dry);
            // A stream that is a voice from its start on is one in the prefill, too.
            self.live
                .set(f32::from(live_from <= 0 || first + i as i64 >= live_from));
            let (live, mix, bypass) = (
                self.live.advance(),
                self.mix.advance(),
                self.bypass.advance(),
            );
            // The input's ramp has moved on by the latency; for a gain that stands still, and it
            // nearly always does, this is the same.
            let (in_gain, out_gain) = (self.in_gain.value(), self.out_gain.advance());
            let wet = self.wet[i];
            for (channel, &raw) in channels.iter_mut().zip(&dry) {
                let dry = raw * in_gain;
                let voice = blend(dry, wet, live);
                let mixed = blend(dry, voice, mix) * out_gain;
                let out = blend(mixed, raw, bypass);
                channel[at] = out;
                level = level.max(out.abs());
            }
            self.wet[i] = channels[0][at];
        }
        self.shared.meters.output(level);
        self.shared
            .scope
            .output(&self.wet[..(self.reader.want() - first) as usize]);
    }
}

/// From `a` at 0 to `b` at 1, and exactly `a` and `b` at the ends.
fn blend(a: f32, b: f32, part: f32) -> f32 {
    match part {
        0.0 => a,
        1.0 => b,
        part => a + (b - a) * part,
    }
}

/// Linear gain of a level in dB; exactly 1 for 0.
fn gain(db: f32) -> f32 {
    if db == 0.0 {
        1.0
    } else {
        10_f32.powf(db / 20.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::DelayMode;
    use crate::realtime::latency::PipelineShape;
    use crate::realtime::rings::{EngineEnd, connect};
    use ringbuf::traits::{Consumer, Observer};

    const RATE: u32 = 48_000;
    const BLOCK: usize = 128;
    const DELAY: usize = 600;

    /// An engine that delays and does nothing else.
    #[derive(Default)]
    struct Delay {
        epoch: Option<u32>,
        taken: u64,
        written: u64,
    }

    impl Delay {
        fn turn(&mut self, end: &mut EngineEnd) {
            let epoch = end.clocks.epoch.load(Ordering::Acquire);
            if self.epoch != Some(epoch) {
                self.epoch = Some(epoch);
                let start = end.clocks.reset_at.load(Ordering::Relaxed);
                self.taken += end.input.skip((start - self.taken) as usize) as u64;
                end.clocks.live_from.store(0, Ordering::Relaxed);
                end.clocks.out_start.store(self.written, Ordering::Relaxed);
                end.clocks.epoch_reached.store(epoch, Ordering::Release);
                self.written += end.output.push_slice(&[0.0; DELAY]) as u64;
            }
            let mut input = vec![0.0; end.input.occupied_len()];
            self.taken += end.input.pop_slice(&mut input) as u64;
            self.written += end.output.push_slice(&input) as u64;
        }
    }

    #[test]
    fn a_new_start_after_a_standstill_does_not_click() {
        let shape = PipelineShape {
            delay: DELAY as u32,
            hold_back: 0,
            converter: 0,
        };
        let plan = Plan::new(RATE, BLOCK as u32, DelayMode::Low, shape);
        let tone = |n: usize| 0.5 * (n as f32 * 440.0 / RATE as f32 * std::f32::consts::TAU).sin();
        let input: Vec<f32> = (0..2 * RATE as usize).map(tone).collect();
        let params = MienParams::new(Arc::default());
        // Each length of the standstill cuts the tone at another phase.
        for stuck in 380..420 {
            let (audio, mut engine) = connect(plan, BLOCK as u32);
            let shared = Shared::new();
            let this = std::thread::current();
            let mut processor = Processor::new(plan, BLOCK as u32, 1, audio, this, shared.clone());
            let mut delay = Delay::default();
            delay.turn(&mut engine);
            let mut output = input.clone();
            for (number, block) in output.chunks_mut(BLOCK).enumerate() {
                // No block of this test may wait, fast as it is.
                processor.pace.reset();
                processor.process(&mut [block], &params, Mode::Realtime);
                if !(100..100 + stuck).contains(&number) {
                    delay.turn(&mut engine);
                }
            }
            assert!(shared.counters.read().resyncs > 0);
            let steepest = crate::realtime::fader::steepest(&output);
            assert!(steepest < 0.1, "{steepest} after {stuck} blocks");
            let late = plan.total() as usize;
            for n in output.len() - 5_000..output.len() {
                assert!((output[n] - input[n - late]).abs() < 1e-5, "{stuck}: {n}");
            }
        }
    }
}
