//! The host's menu of a parameter in VST3: `IComponentHandler3` makes it, and it opens in the view
//! of the window.
//!
//! VST3 has no call back on the main thread. The framework has a way: on Linux the run loop that the
//! host lends to an open window, elsewhere the system's own. Where a host lends none, the framework
//! goes on with a thread of its own, and the panel shows its own menu.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use nice_plug::wrapper::vst3::vst3::ComPtr;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::{
    IComponentHandler3, IComponentHandler3Trait, IContextMenuTrait, ParamID,
};
use nice_plug::wrapper::vst3::vst3::Steinberg::{IPlugView, kResultFalse, kResultOk};

use crate::param_menu::{MenuHost, Post, Question, place_in_list};

/// The view that the window lies in, which the host makes after it gave its handler.
#[derive(Clone, Default)]
pub(super) struct View(Arc<Mutex<Option<ComPtr<IPlugView>>>>);

impl View {
    /// Another one, or none.
    pub(super) fn put(&self, view: Option<ComPtr<IPlugView>>) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let former = std::mem::replace(&mut *place, view);
        drop(place);
        drop(former);
    }

    fn get(&self) -> Option<ComPtr<IPlugView>> {
        let place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        place.clone()
    }
}

/// The host of one instance. [`ParamMenu`](crate::param_menu::ParamMenu) lets go of it when another
/// handler comes, and when the instance ends.
pub(super) struct Vst3Host {
    handler: ComPtr<IComponentHandler3>,
    view: View,
    post: Post,
    /// The host's numbers of the parameters, in the order in which they are listed.
    ids: Arc<[ParamID]>,
    /// The thread on which the window was opened: the host's main one.
    main: Mutex<Option<ThreadId>>,
}

impl Vst3Host {
    pub(super) fn new(
        handler: ComPtr<IComponentHandler3>,
        view: View,
        post: Post,
        ids: Arc<[ParamID]>,
    ) -> Self {
        Self {
            handler,
            view,
            post,
            ids,
            main: Mutex::default(),
        }
    }

    fn is_main_thread(&self) -> bool {
        let main = self.main.lock().unwrap_or_else(PoisonError::into_inner);
        *main == Some(thread::current().id())
    }
}

impl MenuHost for Vst3Host {
    fn offers_menu(&self) -> bool {
        let mut main = self.main.lock().unwrap_or_else(PoisonError::into_inner);
        *main = Some(thread::current().id());
        true
    }

    fn call_back(&self) {
        if self.is_main_thread() {
            // Windows and macOS draw here, in the middle of which no menu may open; and what is
            // asked for here the framework would do at once.
            let post = self.post.clone();
            let thread = thread::Builder::new().name("mien menu".into());
            let _ = thread.spawn(move || post());
        } else {
            (self.post)();
        }
    }

    fn opener(&self) -> Box<dyn FnOnce(Question) -> bool> {
        let is_main_thread = self.is_main_thread();
        let (handler, view, ids) = (self.handler.clone(), self.view.get(), self.ids.clone());
        Box::new(move |question| {
            let id = place_in_list(question.param).and_then(|place| ids.get(place));
            let (true, Some(view), Some(id)) = (is_main_thread, view, id) else {
                return false;
            };
            let [x, y] = question.place;
            // SAFETY: this is the main thread. Handler, view and menu are held by references of our
            // own, and the number lives until the menu is made. A menu comes with a reference for us.
            unsafe {
                let menu = ComPtr::from_raw(handler.createContextMenu(view.as_ptr(), id));
                // Some hosts make a menu for a plug-in to fill, without anything of their own.
                let Some(menu) = menu.filter(|menu| menu.getItemCount() > 0) else {
                    return false;
                };
                // It may say that nothing was chosen.
                [kResultOk, kResultFalse].contains(&menu.popup(x, y))
            }
        })
    }
}
