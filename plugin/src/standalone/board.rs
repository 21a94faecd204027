//! What the host's thread and the window's share: the state to show, words to say, and the way for
//! what the person did.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam::channel::Sender;
use mien::editor::Desk;
use mien_panel::{Standalone, StandaloneAction};

use super::player::Tape;

/// Something for the host's thread to do.
pub enum Message {
    /// The person did something.
    Act(StandaloneAction),
    /// A file was read.
    Tape(Result<Tape, String>),
    /// A stream of this generation broke off, with what the system says.
    Trouble {
        /// Counts the openings of devices; an older one is of no interest.
        generation: u64,
        /// What the system says.
        text: String,
    },
    /// The program ends.
    Quit,
}

/// The shared part.
#[derive(Clone)]
pub struct Board {
    inner: Arc<Inner>,
    to_host: Sender<Message>,
}

struct Inner {
    state: Mutex<Standalone>,
    words: Mutex<VecDeque<String>>,
    closing: AtomicBool,
}

impl Board {
    /// An empty board; messages go to `to_host`.
    pub fn new(to_host: Sender<Message>) -> Self {
        let inner = Inner {
            state: Mutex::default(),
            words: Mutex::default(),
            closing: AtomicBool::new(false),
        };
        Self {
            inner: Arc::new(inner),
            to_host,
        }
    }

    /// A way to send messages.
    pub fn sender(&self) -> Sender<Message> {
        self.to_host.clone()
    }

    /// Shows this.
    pub fn show(&self, state: Standalone) {
        *self
            .inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Says this: in the window when there is one, and on the terminal.
    pub fn say(&self, words: String) {
        eprintln!("mien: {words}");
        let mut queue = self
            .inner
            .words
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        queue.push_back(words);
    }

    /// Has the window close.
    pub fn close(&self) {
        self.inner.closing.store(true, Ordering::Release);
    }
}

impl Desk for Board {
    fn state(&self) -> Standalone {
        let state = self.inner.state.lock();
        state.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn act(&self, action: StandaloneAction) {
        let _ = self.to_host.send(Message::Act(action));
    }

    fn message(&self) -> Option<String> {
        let queue = self.inner.words.lock();
        queue.unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn closing(&self) -> bool {
        self.inner.closing.load(Ordering::Acquire)
    }
}
