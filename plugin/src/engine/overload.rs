//! What to do when the engine is too slow: give up what would come too late anyway.
//!
//! A late sample is dropped by the audio thread, so a backlog that is worked off sample by sample
//! would be silence for as long as the machine stays busy. When a whole frame is late, everything
//! that waits is skipped: the next frame is made of the newest input, and is on time again. The
//! skipped stretch goes to the audio thread as a gap, so that the numbers, and with them the delay,
//! stay what they were.

/// Whether the input that waits should be skipped. `emitted` and `want` are output samples of the
/// epoch: the one that the engine makes next, and the one that the audio thread wants next;
/// `frame` is the length of a frame in host samples.
pub fn expired(emitted: i64, want: i64, frame: usize) -> bool {
    emitted + frame as i64 <= want
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_partly_in_time_is_still_made() {
        assert!(!expired(0, 0, 480));
        assert!(!expired(1000, 1479, 480));
        assert!(expired(1000, 1480, 480));
        assert!(!expired(0, -900, 480));
    }
}
