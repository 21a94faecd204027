//! The host's menu of a parameter, which a right click asks for.
//!
//! The panel asks on the window's thread, the host may be spoken to on its main thread only. So a
//! question lies here until the host calls the plugin back there. Where a format has no such menu,
//! or the framework no way to it, nobody is there to ask ([`ParamMenu::is_offered`]).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use mien_panel::ParamId;

/// What the format's side does for the menu.
pub trait MenuHost: Send + Sync {
    /// Whether the host shows menus. On its main thread.
    fn offers_menu(&self) -> bool;

    /// Has the host call [`ParamMenu::answer`] on its main thread soon. On any thread.
    fn call_back(&self);

    /// What shows a menu, apart from `self`, since a menu may stay open for long. On the main thread.
    fn opener(&self) -> Box<dyn FnOnce(Question) -> bool>;
}

/// A parameter's menu that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Whose menu.
    pub param: ParamId,
    /// Where, from the window's upper left corner, in the units of the format's window.
    pub place: [i32; 2],
}

/// The way from the panel to the host's menu.
#[derive(Default)]
pub struct ParamMenu {
    /// Taken away before the instance ends, so that no thread can reach a host that is gone. Readers
    /// do not shut each other out: some hosts call back from within the request to do so.
    host: RwLock<Option<Box<dyn MenuHost>>>,
    question: Mutex<Option<Question>>,
    offered: AtomicBool,
    open: AtomicBool,
}

impl ParamMenu {
    /// A host came.
    pub fn attach(&self, host: Box<dyn MenuHost>) {
        self.put(Some(host));
    }

    /// The instance ends. When this returns, no thread speaks to the host, nor will.
    pub fn detach(&self) {
        self.put(None);
        self.offered.store(false, Ordering::Relaxed);
    }

    fn put(&self, host: Option<Box<dyn MenuHost>>) {
        *self.host.write().unwrap_or_else(PoisonError::into_inner) = host;
    }

    /// Tells the host something, where there is one.
    fn tell<T>(&self, tell: impl FnOnce(&dyn MenuHost) -> T) -> Option<T> {
        let host = self.host.read().unwrap_or_else(PoisonError::into_inner);
        host.as_deref().map(tell)
    }

    /// Asks the host whether it shows menus: before each window, since that may depend on the window
    /// system. On the main thread.
    pub fn look(&self) {
        let offers = self.tell(|host| host.offers_menu()).unwrap_or(false);
        self.offered.store(offers, Ordering::Relaxed);
    }

    /// Whether the host shows menus.
    pub fn is_offered(&self) -> bool {
        self.offered.load(Ordering::Relaxed)
    }

    /// Asks for a menu. On any thread; the menu opens later.
    pub fn ask(&self, question: Question) {
        self.question
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(question);
        self.tell(|host| host.call_back());
    }

    /// Shows the menu that was asked for, if one was. On the main thread.
    ///
    /// Where windows have the main thread too, the host goes on with its work while the menu is open,
    /// and may come here again: that must not open a second one. It may even end the plugin. So
    /// nothing is held meanwhile.
    pub fn answer(&self) {
        let question = self
            .question
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(question) = question else { return };
        let Some(open) = self.tell(|host| host.opener()) else {
            return;
        };
        if self.open.swap(true, Ordering::Relaxed) {
            return;
        }
        if !open(question) {
            // The panel's own menu from now on, until the next window.
            self.offered.store(false, Ordering::Relaxed);
        }
        self.open.store(false, Ordering::Relaxed);
    }
}
