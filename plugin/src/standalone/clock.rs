//! Drives the sound where no output device does: without a sound card, while one is unplugged, or
//! when the voice goes nowhere yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::chain::Chain;

/// A clock that is later than this does not catch up: the machine slept.
const LATEST: Duration = Duration::from_millis(200);

/// A thread that runs the chain in the time of the wall's clock. Dropping it ends it.
pub struct Clock {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Clock {
    /// Starts.
    ///
    /// # Errors
    /// When the system refuses a thread; text for people.
    pub fn start(mut chain: Chain, rate: u32) -> Result<Self, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        let thread = std::thread::Builder::new()
            .name("mien clock".into())
            .spawn(move || {
                mien::priority::raise();
                let mut block = vec![0.0; chain.block()];
                let interval = Duration::from_secs_f64(block.len() as f64 / f64::from(rate));
                let mut next = Instant::now();
                while !asked.load(Ordering::Relaxed) {
                    chain.process(None, &mut block);
                    next += interval;
                    let now = Instant::now();
                    if now > next + LATEST {
                        next = now;
                    }
                    std::thread::sleep(next.saturating_duration_since(now));
                }
            })
            .map_err(|error| format!("Mien cannot start a thread: {error}"))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
