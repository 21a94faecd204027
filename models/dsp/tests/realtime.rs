//! The analysers must not touch the heap once they are built.

use mien_dsp::creak::Creak;
use mien_dsp::mel::MelAnalyser;
use mien_dsp::noise::NoiseFloor;
use mien_dsp::pitch::PitchTracker;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn analysis_does_not_allocate() {
    let mut pitch = PitchTracker::new();
    let mut mel = MelAnalyser::new();
    let mut noise = NoiseFloor::new();
    let mut creak = Creak::new();
    let before = COUNT.with(Cell::get);
    for n in 0..100 {
        let hop = std::array::from_fn(|i| ((n * 240 + i) as f32 * 0.05).sin() * 0.3);
        pitch.process(&hop);
        creak.process(&hop);
        noise.process(&mel.process(&hop).bands);
        if n == 50 {
            pitch.reset();
            mel.reset();
            noise.reset();
            creak.reset();
        }
    }
    assert_eq!(COUNT.with(Cell::get), before);
}
