//! The streaming resampler must not touch the heap once it is built.

use mien_audio::StreamResampler;
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
fn resampling_does_not_allocate() {
    let input = [0.1; 700];
    let mut output = [0.0; 6000];
    for (from, to) in [
        (22_050, 24_000),
        (44_100, 24_000),
        (192_000, 24_000),
        (24_000, 192_000),
        (24_000, 37_123),
    ] {
        let mut resampler = StreamResampler::new(from, to).unwrap();
        let before = COUNT.with(Cell::get);
        for len in [700, 1, 64, 0, 333] {
            assert_eq!(resampler.process(&input[..len], &mut output).consumed, len);
        }
        resampler.reset();
        assert_eq!(COUNT.with(Cell::get), before, "{from} to {to}");
    }
}
