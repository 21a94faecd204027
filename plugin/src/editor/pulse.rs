//! The beat of an open window: a thread that brings the mirror up to date and has the window drawn
//! when, and only when, something that it shows has changed.
//!
//! Drawing costs a hundred times what looking costs, so a panel that shows silence is not drawn at
//! all. The spectra are made here too, off the thread that draws and that in most hosts is theirs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::damage::Renderer;
use super::mirror::Mirror;
use super::wake::Wake;

/// Time between two looks. Speech is followed well at 30 pictures a second.
const BEAT: Duration = Duration::from_millis(33);
/// The same where the processor draws every pixel: four columns of the spectra at a time.
const SLOW_BEAT: Duration = Duration::from_millis(80);

/// The thread. Dropping it ends it.
pub struct Pulse {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pulse {
    /// Starts for a window that opens.
    pub fn start(mirror: Arc<Mutex<Mirror>>, wake: Wake, renderer: Renderer) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let beat = move || {
            while !stopped.load(Ordering::Relaxed) {
                let changed = {
                    let mut mirror = mirror.lock().unwrap_or_else(PoisonError::into_inner);
                    mirror.refresh()
                };
                if changed {
                    wake.call();
                }
                std::thread::sleep(match renderer.is_software() {
                    true => SLOW_BEAT,
                    false => BEAT,
                });
            }
        };
        // Without the thread the panel still works; its meters stand still.
        let thread = std::thread::Builder::new()
            .name("mien panel".into())
            .spawn(beat)
            .ok();
        Self { stop, thread }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
