//! What joins the audio thread and the engine thread: two rings of samples, one of gaps, the latest
//! controls, and a handful of counters. Single producer, single consumer, no locks.
//!
//! Both sides count samples, and everything follows from the counts. Within an *epoch* (the time
//! since the last reset) sample `n` of the engine's output belongs to sample `n` of its input, and
//! the audio thread wants sample `n` when the host has brought `n + prefill` samples. So a late
//! sample is recognised by its number, and dropping it keeps the delay what was reported.
//!
//! A reset travels in-band: the audio thread notes at which input sample the new epoch starts, the
//! engine drops what came before, starts anew, and notes at which output sample its new epoch
//! starts. Neither side waits for the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64};

use crossbeam::sync::{Parker, Unparker};
use ringbuf::traits::Split;
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::latency::Plan;
use crate::params::Snapshot;

/// Value of [`Clocks::live_from`] while the engine converts nothing.
pub const NEVER: i64 = i64::MAX;

/// How many gaps can be on their way to the audio thread. With a full ring the engine skips nothing.
const GAPS: usize = 64;

/// The counters that both threads see. Input and output are counted since the rings were made,
/// unless an epoch is named.
pub struct Clocks {
    /// Number of the present epoch, set by the audio thread after [`Self::reset_at`].
    pub epoch: AtomicU32,
    /// Input sample at which the present epoch starts.
    pub reset_at: AtomicU64,
    /// Epoch that the engine has reached, set after [`Self::out_start`].
    pub epoch_reached: AtomicU32,
    /// Output sample at which that epoch starts.
    pub out_start: AtomicU64,
    /// Output sample of the epoch that the audio thread wants next; negative in the prefill.
    pub want: AtomicI64,
    /// Input samples that the engine has finished with.
    pub done: AtomicU64,
    /// Output sample of the epoch from which on the engine's output is a converted voice;
    /// [`NEVER`] while there is no converter.
    pub live_from: AtomicI64,
    /// Set while the audio thread waits, so that the engine wakes it after each frame.
    pub waiting: AtomicBool,
}

/// A stretch of the output that the engine left out, because it would have come too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The epoch that it belongs to.
    pub epoch: u32,
    /// The number of output samples that were written before it.
    pub at: u64,
    /// How many samples are left out there.
    pub samples: u64,
}

/// The audio thread's end.
pub struct AudioEnd {
    /// The mono input.
    pub input: HeapProd<f32>,
    /// The engine's output.
    pub output: HeapCons<f32>,
    /// The gaps in it.
    pub gaps: HeapCons<Gap>,
    /// The controls; the engine sees the latest.
    pub controls: triple_buffer::Input<Snapshot>,
    /// The counters.
    pub clocks: Arc<Clocks>,
    /// For waiting in offline mode.
    pub parker: Parker,
}

/// The engine thread's end.
pub struct EngineEnd {
    /// The mono input.
    pub input: HeapCons<f32>,
    /// The engine's output.
    pub output: HeapProd<f32>,
    /// The gaps in it.
    pub gaps: HeapProd<Gap>,
    /// The latest controls.
    pub controls: triple_buffer::Output<Snapshot>,
    /// The counters.
    pub clocks: Arc<Clocks>,
    /// Wakes a waiting audio thread.
    pub unparker: Unparker,
    /// Rates and delays of this stream.
    pub plan: Plan,
}

/// Makes both ends for blocks of at most `block` samples. Allocates.
pub fn connect(plan: Plan, block: u32) -> (AudioEnd, EngineEnd) {
    // A second of input can queue up before the audio thread gives up and starts anew; the output
    // can hold the answer to all of that.
    let queue = plan.rate as usize + 4 * block as usize;
    let (input, input_end) = HeapRb::new(queue).split();
    let (output_end, output) = HeapRb::new(2 * queue + plan.total() as usize).split();
    let (gaps_end, gaps) = HeapRb::new(GAPS).split();
    let (controls, controls_end) = triple_buffer::triple_buffer(&Snapshot::default());
    let clocks = Arc::new(Clocks {
        epoch: AtomicU32::new(0),
        reset_at: AtomicU64::new(0),
        epoch_reached: AtomicU32::new(0),
        out_start: AtomicU64::new(0),
        want: AtomicI64::new(-i64::from(plan.prefill())),
        done: AtomicU64::new(0),
        live_from: AtomicI64::new(NEVER),
        waiting: AtomicBool::new(false),
    });
    let parker = Parker::new();
    let engine = EngineEnd {
        input: input_end,
        output: output_end,
        gaps: gaps_end,
        controls: controls_end,
        clocks: clocks.clone(),
        unparker: parker.unparker().clone(),
        plan,
    };
    let audio = AudioEnd {
        input,
        output,
        gaps,
        controls,
        clocks,
        parker,
    };
    (audio, engine)
}
