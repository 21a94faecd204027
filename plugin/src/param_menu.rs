//! The host's menu of a parameter, which a right click asks for.
//!
//! The panel asks on the window's thread, the host may be spoken to on its main thread only. So a
//! question lies here until the plugin gets there. Where a host has no such menu, or there is no way
//! to it, nobody is there to ask ([`ParamMenu::is_offered`]).

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use mien_panel::ParamId;
use nice_plug::prelude::Params;

use crate::params::MienParams;

/// What the format's side does for the menu.
pub trait MenuHost: Send + Sync {
    /// Whether the host shows menus. On its main thread.
    fn offers_menu(&self) -> bool;

    /// Sees to it that [`ParamMenu::answer`] or [`ParamMenu::arrived`] is called on the main thread
    /// soon. On any thread.
    fn call_back(&self);

    /// What shows a menu, apart from `self`, since a menu may stay open for long. On the main thread.
    fn opener(&self) -> Box<dyn FnOnce(Question) -> bool>;
}

/// How long the main thread may take to come. Some hosts never send it.
const PATIENCE: Duration = Duration::from_millis(500);

/// The framework's way to the main thread, which ends in [`ParamMenu::arrived`].
pub type Post = Arc<dyn Fn() + Send + Sync>;

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
    post: OnceLock<Post>,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
    turn: Mutex<Turn>,
    offered: AtomicBool,
}

/// Whose turn it is.
#[derive(Default)]
struct Turn {
    question: Option<Question>,
    /// When that was asked.
    asked: Option<Instant>,
    /// How many requests are on their way to the main thread.
    posted: usize,
    /// A menu is open.
    open: bool,
    /// Whose menu the host did not have after all.
    refused: Option<ParamId>,
}

impl Turn {
    fn left(&self) -> Option<Duration> {
        let asked = self.question.and(self.asked)?;
        Some(PATIENCE.saturating_sub(asked.elapsed()))
    }
}

thread_local! {
    /// The menu of the instance that is being made on this thread, for the framework makes
    /// [`Mien`](crate::Mien) without arguments.
    static MAKING: RefCell<Option<Arc<ParamMenu>>> = const { RefCell::new(None) };
}

/// Has the framework make an instance whose menu is this one.
pub fn making<T>(menu: &Arc<ParamMenu>, make: impl FnOnce() -> T) -> T {
    MAKING.set(Some(menu.clone()));
    let made = make();
    MAKING.set(None);
    made
}

/// The menu of the instance that is being made: that of its format, where it has one.
pub fn menu_of_this_instance() -> Arc<ParamMenu> {
    MAKING.take().unwrap_or_default()
}

/// A parameter's place in the list that the framework shows to hosts: the order of the map that it
/// was given. It numbers them in a way of its own.
pub fn place_in_list(param: ParamId) -> Option<usize> {
    static ORDER: OnceLock<Vec<String>> = OnceLock::new();
    let order = ORDER.get_or_init(|| {
        let map = MienParams::new(Arc::default()).param_map();
        map.into_iter().map(|(id, ..)| id).collect()
    });
    order.iter().position(|id| id == param.spec().id)
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
        let mut place = self.host.write().unwrap_or_else(PoisonError::into_inner);
        let former = std::mem::replace(&mut *place, host);
        drop(place);
        // It may let go of things of the host's, which is then free to come back here.
        drop(former);
    }

    /// Tells the host something, where there is one.
    fn tell<T>(&self, tell: impl FnOnce(&dyn MenuHost) -> T) -> Option<T> {
        let host = self.host.read().unwrap_or_else(PoisonError::into_inner);
        host.as_deref().map(tell)
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the framework's way to the main thread, for formats that have none of their own.
    pub fn keep_post(&self, post: Post) {
        let _ = self.post.set(post);
    }

    /// Keeps what has the window draw again, once a menu is refused.
    pub fn keep_wake(&self, wake: Box<dyn Fn() + Send + Sync>) {
        let _ = self.wake.set(wake);
    }

    /// Whose menu the host did not show after all, once, or not in time: the panel shows its own.
    pub fn take_refused(&self) -> Option<ParamId> {
        let mut turn = self.turn();
        if turn.left() == Some(Duration::ZERO) {
            self.offered.store(false, Ordering::Relaxed);
            turn.refused = turn.question.take().map(|question| question.param);
        }
        turn.refused.take()
    }

    /// How long the host may still take to answer what is asked.
    pub fn left(&self) -> Option<Duration> {
        self.turn().left()
    }

    /// The framework's way to the main thread.
    pub fn post(&self) -> Option<Post> {
        self.post.get().cloned()
    }

    /// Asks the host whether it shows menus: before each window, since that may depend on the window
    /// system. On the main thread.
    pub fn look(&self) {
        let offers = self.tell(|host| host.offers_menu()).unwrap_or(false);
        // A request that got lost with a former window may come yet: see `arrived`.
        let offers = offers && self.turn().posted == 0;
        self.offered.store(offers, Ordering::Relaxed);
    }

    /// Whether the host shows menus.
    pub fn is_offered(&self) -> bool {
        self.offered.load(Ordering::Relaxed)
    }

    /// Asks for a menu. On any thread; the menu opens later. While one is open there is no other.
    pub fn ask(&self, question: Question) {
        let mut turn = self.turn();
        if turn.open {
            return;
        }
        turn.question = Some(question);
        turn.asked = Some(Instant::now());
        turn.posted += 1;
        drop(turn);
        self.tell(|host| host.call_back());
    }

    /// Shows the menu that was asked for, if one was. On the main thread.
    ///
    /// Where windows have the main thread too, the host goes on with its work while the menu is open,
    /// and may come here again: that must not open a second one. It may even end the plugin. So
    /// nothing is held meanwhile.
    pub fn answer(&self) {
        let mut turn = self.turn();
        turn.posted = 0;
        self.show(turn);
    }

    /// The same where the framework brought the request: it holds a lock of its own meanwhile, for
    /// which a second request would wait for ever if it came while the menu is open. So the last one
    /// that is on its way opens the menu, and an open menu keeps [`Self::ask`] from sending more.
    pub fn arrived(&self) {
        let mut turn = self.turn();
        turn.posted = turn.posted.saturating_sub(1);
        if turn.posted == 0 {
            self.show(turn);
        }
    }

    fn show(&self, mut turn: MutexGuard<'_, Turn>) {
        if turn.open {
            return;
        }
        let Some(question) = turn.question.take() else {
            return;
        };
        turn.open = true;
        drop(turn);
        let _open = Open(self);
        let Some(open) = self.tell(|host| host.opener()) else {
            return;
        };
        if !open(question) {
            // The panel's own menu, now and until the next window.
            self.offered.store(false, Ordering::Relaxed);
            self.turn().refused = Some(question.param);
            if let Some(wake) = self.wake.get() {
                wake();
            }
        }
    }
}

/// A menu is open as long as this lives.
struct Open<'a>(&'a ParamMenu);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.turn().open = false;
    }
}
