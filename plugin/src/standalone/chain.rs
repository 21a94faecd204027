//! One block of sound, from the microphone or the file to the outputs. Whatever drives it (a sound
//! card, JACK, a clock without a card) calls [`Chain::process`] on its own audio thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mien::params::MienParams;
use mien::realtime::Processor;
use mien::realtime::processor::Mode;

use super::bridge::{Reader, Writer};
use super::player::Deck;
use super::recorder::Tap;

/// Everything that the audio thread of one stream owns. Mono: a voice is.
pub struct Chain {
    /// What the sound is made of, as the panel and the controllers set it.
    pub params: Arc<MienParams>,
    /// The same processor as the plugin's.
    pub processor: Processor,
    /// The microphone, where it comes with another clock than this thread's.
    pub microphone: Option<Reader>,
    /// The file in its place.
    pub deck: Deck,
    /// The recorder's end.
    pub tap: Tap,
    /// The way to the headphones, where they are another device.
    pub monitor: Option<Writer>,
    /// Counts blocks, so that the host sees a device that fell asleep.
    pub beats: Arc<AtomicU64>,
    /// The input of a part of a block; its length is the longest part.
    input: Vec<f32>,
}

/// The parts of a [`Chain`].
pub struct Parts {
    /// See [`Chain::params`].
    pub params: Arc<MienParams>,
    /// See [`Chain::processor`].
    pub processor: Processor,
    /// See [`Chain::deck`].
    pub deck: Deck,
    /// See [`Chain::tap`].
    pub tap: Tap,
    /// See [`Chain::beats`].
    pub beats: Arc<AtomicU64>,
}

impl Chain {
    /// A chain without microphone and headphones, for blocks of usually `block` samples. Allocates.
    pub fn new(parts: Parts, block: u32) -> Self {
        Self {
            params: parts.params,
            processor: parts.processor,
            microphone: None,
            deck: parts.deck,
            tap: parts.tap,
            monitor: None,
            beats: parts.beats,
            input: vec![0.0; block.max(1) as usize],
        }
    }

    /// Longest part that [`Self::process`] handles at a time, in samples.
    pub fn block(&self) -> usize {
        self.input.len()
    }

    /// Makes the next samples of the output. `input` is the microphone, where it comes with this
    /// thread's clock, and is as long as `output`. Real-time safe.
    pub fn process(&mut self, input: Option<&[f32]>, output: &mut [f32]) {
        nice_assert_no_alloc::assert_no_alloc(|| self.render(input, output));
    }

    #[rtsan_standalone::nonblocking]
    fn render(&mut self, input: Option<&[f32]>, output: &mut [f32]) {
        self.beats.fetch_add(1, Ordering::Relaxed);
        let longest = self.input.len();
        for (i, output) in output.chunks_mut(longest).enumerate() {
            let part = &mut self.input[..output.len()];
            // The microphone is read even while a file plays, so that it is in time afterwards.
            match (&mut self.microphone, input) {
                (Some(microphone), _) => microphone.read(part),
                (None, Some(input)) => {
                    let from = i * longest;
                    part.copy_from_slice(&input[from..from + part.len()]);
                }
                (None, None) => part.fill(0.0),
            }
            self.deck.render(part);
            output.copy_from_slice(part);
            self.processor
                .process(&mut [&mut *output], &self.params, Mode::Realtime);
            self.tap.take(part, output);
            if let Some(monitor) = &mut self.monitor {
                monitor.write(output.iter().copied());
            }
        }
    }
}
