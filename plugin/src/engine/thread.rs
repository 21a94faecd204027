//! The engine thread: one per plugin instance, for as long as the instance lives, because libtorch
//! leaks and slows down when its forward passes come from ever new threads.
//!
//! The audio thread may not wake it, since that is a system call. So it polls: it sleeps
//! for half a millisecond whenever no input waits, which costs about 1 % of a core and is part of
//! the latency's inference budget, and for longer when nothing was heard for a while. Where the
//! audio thread may wait (offline), it wakes this thread itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender};
use mien_face::{Controls, FRAME, StepReport};
use ringbuf::traits::{Consumer, Observer, Producer};

use super::loader::Job;
use super::overload::expired;
use super::pipeline::{Convert, Pipeline, Port};
use super::selection::single;
use super::stats::StepTimes;
use crate::realtime::rings::{EngineEnd, Gap, NEVER};
use crate::shared::Shared;

/// Sleep while sound is coming in.
const POLL: Duration = Duration::from_micros(500);
/// Sleep when the host does not play.
const IDLE_POLL: Duration = Duration::from_millis(4);
/// The host does not play when nothing came for this long.
const IDLE_AFTER: Duration = Duration::from_millis(300);
/// The host plays while input came within this time.
const PLAYING: Duration = Duration::from_millis(250);
/// Most samples taken from the ring at once, so that commands are seen between frames.
const BITE: usize = 256;

/// What the engine thread can be told.
pub enum Command {
    /// Work on these rings from now on, then answer.
    Attach(Box<EngineEnd>, Sender<()>),
    /// Convert with this from now on; the former converter is sent back when it has faded out.
    Adopt(Box<dyn Convert>, Sender<Option<Box<dyn Convert>>>),
    /// Convert no more; the converter is sent back.
    Retire(Sender<Option<Box<dyn Convert>>>),
    /// End.
    Quit,
}

/// The thread's work, until [`Command::Quit`].
pub fn run(commands: Receiver<Command>, to_loader: Sender<Job>, shared: Arc<Shared>) {
    let mut worker = Worker {
        stream: None,
        idle_converter: None,
        handover: None,
        times: StepTimes::default(),
        followed: None,
        last_input: Instant::now(),
        to_loader,
        shared,
    };
    loop {
        while let Ok(command) = commands.try_recv() {
            match command {
                Command::Quit => return,
                command => worker.obey(command),
            }
        }
        if worker.turn() {
            worker.last_input = Instant::now();
        } else {
            let silent = worker.last_input.elapsed();
            if silent > PLAYING {
                worker.finish_handover();
            }
            let idle = silent > IDLE_AFTER;
            std::thread::park_timeout(if idle { IDLE_POLL } else { POLL });
        }
    }
}

struct Worker {
    stream: Option<Stream>,
    /// The converter, while there are no rings to work on.
    idle_converter: Option<Box<dyn Convert>>,
    /// Where the converter goes that is fading out.
    handover: Option<Sender<Option<Box<dyn Convert>>>>,
    times: StepTimes,
    /// The `voice` parameter's value that the loader was last told of.
    followed: Option<i32>,
    last_input: Instant,
    to_loader: Sender<Job>,
    shared: Arc<Shared>,
}

/// One pair of rings and the pipeline between them.
struct Stream {
    end: Box<EngineEnd>,
    pipeline: Pipeline,
    epoch: u32,
    /// Input samples taken since the rings were made.
    taken: u64,
    /// Output samples written since the rings were made.
    written: u64,
    /// Output samples of the epoch that are written or left out.
    emitted: i64,
    /// Input samples of the epoch that were taken.
    heard: i64,
}

impl Worker {
    fn obey(&mut self, command: Command) {
        match command {
            Command::Attach(end, reply) => {
                let converter = self.take_converter();
                let made = Pipeline::new(end.plan.rate, end.plan.converter as usize);
                let Ok(mut pipeline) = made else {
                    // The activation has tried this rate before it made the rings.
                    self.idle_converter = converter;
                    return;
                };
                pipeline.set(converter);
                let stream = Stream {
                    end,
                    pipeline,
                    epoch: 0,
                    taken: 0,
                    written: 0,
                    emitted: 0,
                    heard: 0,
                };
                stream.announce();
                self.stream = Some(stream);
                let _ = reply.send(());
            }
            Command::Adopt(converter, reply) => {
                self.finish_handover();
                match &mut self.stream {
                    // While the audio thread waits for this very exchange, no frame would end it.
                    Some(stream)
                        if stream.pipeline.is_live()
                            && self.last_input.elapsed() < PLAYING
                            && !stream.end.clocks.waiting.load(Ordering::Relaxed) =>
                    {
                        stream.pipeline.crossfade(converter);
                        self.handover = Some(reply);
                    }
                    Some(stream) => {
                        let former = stream.go_live(converter);
                        let _ = reply.send(former);
                    }
                    None => {
                        let former = self.idle_converter.replace(converter);
                        let _ = reply.send(former);
                    }
                }
            }
            Command::Retire(reply) => {
                self.finish_handover();
                let _ = reply.send(self.take_converter());
                if let Some(stream) = &mut self.stream {
                    stream.go_dry();
                }
            }
            Command::Quit => {}
        }
    }

    fn take_converter(&mut self) -> Option<Box<dyn Convert>> {
        self.finish_handover();
        let playing = self
            .stream
            .as_mut()
            .and_then(|stream| stream.pipeline.take());
        playing.or_else(|| self.idle_converter.take())
    }

    /// Ends a crossfade at once.
    fn finish_handover(&mut self) {
        if let Some(reply) = self.handover.take() {
            let former = self
                .stream
                .as_mut()
                .and_then(|stream| stream.pipeline.end_crossfade());
            let _ = reply.send(former);
        }
    }

    /// Works on what waits in the rings. False when nothing did.
    fn turn(&mut self) -> bool {
        let Some(stream) = &mut self.stream else {
            return false;
        };
        // Counted before the epoch is read: input of a new epoch is never seen before its number.
        let visible = stream.end.input.occupied_len();
        let epoch = stream.end.clocks.epoch.load(Ordering::Acquire);
        if epoch != stream.epoch {
            stream.start_epoch(epoch);
            return true;
        }
        if visible == 0 {
            return false;
        }
        if !stream.pipeline.is_live() {
            stream.pass_silence(visible.min(BITE));
        } else if stream.is_late() {
            let skipped = stream.skip(visible);
            self.shared.counters.expired(skipped);
        } else {
            let mut bite = [0.0; BITE];
            let taken = stream.end.input.pop_slice(&mut bite[..visible.min(BITE)]);
            stream.taken += taken as u64;
            stream.heard += taken as i64;
            let mut port = StreamPort {
                end: &mut stream.end,
                written: &mut stream.written,
                emitted: &mut stream.emitted,
                times: &mut self.times,
                followed: &mut self.followed,
                to_loader: &self.to_loader,
                shared: &self.shared,
            };
            let result = stream.pipeline.push(&bite[..taken], &mut port);
            if let Err(text) = result {
                self.finish_handover();
                let converter = self.take_converter();
                if let Some(stream) = &mut self.stream {
                    stream.go_dry();
                }
                if let Some(converter) = converter {
                    self.shared.begin();
                    if self.to_loader.send(Job::Broken(text, converter)).is_err() {
                        self.shared.finish();
                    }
                }
            } else if self.handover.is_some() && !stream.pipeline.is_crossfading() {
                self.finish_handover();
            }
        }
        if let Some(stream) = &self.stream {
            stream
                .end
                .clocks
                .done
                .store(stream.taken, Ordering::Release);
            if stream.end.clocks.waiting.load(Ordering::Relaxed) {
                stream.end.unparker.unpark();
            }
        }
        true
    }
}

impl Stream {
    fn start_epoch(&mut self, epoch: u32) {
        let start = self.end.clocks.reset_at.load(Ordering::Relaxed);
        self.taken += self
            .end
            .input
            .skip(start.saturating_sub(self.taken) as usize) as u64;
        self.pipeline.reset();
        (self.epoch, self.emitted, self.heard) = (epoch, 0, 0);
        self.announce();
        self.end.clocks.done.store(self.taken, Ordering::Relaxed);
        self.end
            .clocks
            .out_start
            .store(self.written, Ordering::Relaxed);
        self.end
            .clocks
            .epoch_reached
            .store(epoch, Ordering::Release);
        self.end.unparker.unpark();
    }

    /// Tells the audio thread from which sample on the output is a voice.
    fn announce(&self) {
        let settled = match self.heard {
            0 => 0,
            // In the middle of a stream the pipeline starts empty, and fills up within its delay.
            heard => heard + i64::from(self.end.plan.pipeline),
        };
        let live_from = if self.pipeline.is_live() {
            settled
        } else {
            NEVER
        };
        self.end
            .clocks
            .live_from
            .store(live_from, Ordering::Release);
    }

    fn go_live(&mut self, converter: Box<dyn Convert>) -> Option<Box<dyn Convert>> {
        let former = self.pipeline.take();
        self.catch_up();
        self.pipeline.set(Some(converter));
        self.announce();
        former
    }

    fn go_dry(&mut self) {
        self.end.clocks.live_from.store(NEVER, Ordering::Release);
        self.catch_up();
    }

    /// Writes silence for what an emptied pipeline still held.
    fn catch_up(&mut self) {
        while self.emitted < self.heard {
            let length = ((self.heard - self.emitted) as usize).min(BITE);
            self.write_silence(length);
        }
    }

    fn pass_silence(&mut self, length: usize) {
        let taken = self.end.input.skip(length);
        self.taken += taken as u64;
        self.heard += taken as i64;
        self.write_silence(taken);
    }

    fn write_silence(&mut self, length: usize) {
        self.written += self.end.output.push_slice(&[0.0; BITE][..length]) as u64;
        self.emitted += length as i64;
    }

    fn is_late(&self) -> bool {
        let frame = self.end.plan.rate as usize / 100;
        let want = self.end.clocks.want.load(Ordering::Relaxed);
        expired(self.emitted, want, frame) && !self.end.gaps.is_full()
    }

    /// Leaves out the next `length` samples; gives how many it were.
    fn skip(&mut self, length: usize) -> u64 {
        let skipped = self.end.input.skip(length) as u64;
        let gap = Gap {
            epoch: self.epoch,
            at: self.written,
            samples: skipped,
        };
        // There is room: `is_late` looked, and this thread is the only one that writes.
        let _ = self.end.gaps.try_push(gap);
        self.pipeline.cut();
        self.taken += skipped;
        self.heard += skipped as i64;
        self.emitted += skipped as i64;
        skipped
    }
}

/// What the pipeline sees of the stream.
struct StreamPort<'a> {
    end: &'a mut EngineEnd,
    written: &'a mut u64,
    emitted: &'a mut i64,
    times: &'a mut StepTimes,
    followed: &'a mut Option<i32>,
    to_loader: &'a Sender<Job>,
    shared: &'a Shared,
}

impl Port for StreamPort<'_> {
    fn controls(&mut self) -> Controls {
        let snapshot = *self.end.controls.read();
        let voices = self.shared.slow().voices;
        let moved = snapshot.voice != voices.parameter;
        if moved && *self.followed != Some(snapshot.voice) {
            self.shared.begin();
            if self.to_loader.send(Job::Follow(snapshot.voice)).is_err() {
                self.shared.finish();
            }
        }
        *self.followed = moved.then_some(snapshot.voice);
        let voices = if moved {
            single(snapshot.voice, voices.count)
        } else {
            voices.weights
        };
        Controls {
            voices,
            ..snapshot.controls
        }
    }

    fn emit(&mut self, samples: &[f32]) {
        // The ring holds the answer to all input that can wait, so nothing is lost here; if it
        // were, the sample numbers would say so to the audio thread.
        *self.written += self.end.output.push_slice(samples) as u64;
        *self.emitted += samples.len() as i64;
    }

    fn stepped(&mut self, took: Duration, report: StepReport) {
        if let Some(stats) = self.times.add(took) {
            self.shared.stats.store(stats);
        }
        self.shared.reports.force_push(report);
    }
}

const _: () = assert!(FRAME <= BITE);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::pipeline::tests::Delay;
    use crate::params::DelayMode;
    use crate::realtime::Plan;
    use crate::realtime::rings::connect;
    use crate::realtime::wet::WetReader;
    use crossbeam::channel::unbounded;

    const RATE: u32 = 48_000;
    const BLOCK: usize = 128;
    /// Delay of the converter, in samples at 24 kHz.
    const DELAY: usize = 300;

    /// A worker with a converter that does nothing but delay.
    fn worker() -> (Worker, Receiver<Job>) {
        let (to_loader, jobs) = unbounded();
        let worker = Worker {
            stream: None,
            idle_converter: Delay::boxed(DELAY),
            handover: None,
            times: StepTimes::default(),
            followed: None,
            last_input: Instant::now(),
            to_loader,
            shared: Shared::new(),
        };
        (worker, jobs)
    }

    #[test]
    fn after_a_gap_the_voice_goes_on_in_line_and_without_a_click() {
        let shape = Pipeline::shape(RATE, DELAY).unwrap();
        let plan = Plan::new(RATE, BLOCK as u32, DelayMode::Low, shape);
        let tone = |n: usize| 0.5 * (n as f32 * 440.0 / RATE as f32 * std::f32::consts::TAU).sin();
        let input: Vec<f32> = (0..RATE as usize / 2).map(tone).collect();
        // Each length of the standstill joins two other phases of the tone.
        for stuck in 20..60 {
            let (mut audio, engine) = connect(plan, BLOCK as u32);
            let mut reader = WetReader::new(plan.prefill(), RATE);
            let (mut worker, _jobs) = worker();
            let (attached, _done) = unbounded();
            worker.obey(Command::Attach(Box::new(engine), attached));
            let mut output = Vec::new();
            for (number, block) in input.chunks(BLOCK).enumerate() {
                audio.input.push_slice(block);
                while !(50..50 + stuck).contains(&number) && worker.turn() {}
                let mut wet = vec![0.0; block.len()];
                reader.read(&mut audio, &mut wet);
                output.extend(wet);
            }
            assert!(worker.shared.counters.read().expired > 0);
            let steepest = crate::realtime::fader::steepest(&output);
            assert!(steepest < 0.1, "{steepest} after {stuck} blocks");
            let late = plan.total() as usize;
            for n in RATE as usize / 2 - 5_000..RATE as usize / 2 {
                assert!((output[n] - input[n - late]).abs() < 0.05, "{stuck}: {n}");
            }
        }
    }
}
