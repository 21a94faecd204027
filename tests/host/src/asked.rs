//! What the plugin asked the host for, and the host's side of the extensions that the plugin uses.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use clack_extensions::context_menu::{
    ContextMenuBuilder, ContextMenuTarget, HostContextMenu, HostContextMenuImpl,
};
use clack_extensions::gui::{GuiSize, HostGui, HostGuiImpl};
use clack_extensions::latency::{HostLatency, HostLatencyImpl};
use clack_extensions::params::{
    HostParams, HostParamsImplMainThread, HostParamsImplShared, ParamClearFlags, ParamRescanFlags,
};
use clack_host::prelude::*;

/// What was asked for on any thread.
#[derive(Default)]
pub struct Asked {
    restarts: AtomicUsize,
    callback: AtomicBool,
    /// A size, packed, or 0.
    size: AtomicU64,
}

impl Asked {
    /// How often a restart was asked for.
    pub fn restarts(&self) -> usize {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Whether a call on the main thread is asked for, once.
    pub(crate) fn take_callback(&self) -> bool {
        self.callback.swap(false, Ordering::Relaxed)
    }

    /// The size that the window is to have, once.
    pub fn take_size(&self) -> Option<GuiSize> {
        let size = self.size.swap(0, Ordering::Relaxed);
        (size > 0).then(|| GuiSize::unpack_from_u64(size))
    }
}

impl SharedHandler<'_> for Asked {
    fn request_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }
    fn request_process(&self) {}
    fn request_callback(&self) {
        self.callback.store(true, Ordering::Relaxed);
    }
}

impl HostGuiImpl for Asked {
    fn resize_hints_changed(&self) {}
    fn request_resize(&self, size: GuiSize) -> Result<(), HostError> {
        self.size.store(size.pack_to_u64(), Ordering::Relaxed);
        Ok(())
    }
    fn request_show(&self) -> Result<(), HostError> {
        Ok(())
    }
    fn request_hide(&self) -> Result<(), HostError> {
        Ok(())
    }
    fn closed(&self, _was_destroyed: bool) {}
}

impl HostParamsImplShared for Asked {
    fn request_flush(&self) {}
}

/// A menu that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Menu {
    /// Whose; `None` for that of the whole window.
    pub param: Option<ClapId>,
    /// Where in the window.
    pub place: [i32; 2],
}

/// What was asked for on the main thread.
#[derive(Default)]
pub(crate) struct Main {
    pub menus: RefCell<Vec<Menu>>,
}

impl MainThreadHandler<'_> for Main {}

impl HostLatencyImpl for Main {
    fn changed(&self) {}
}

impl HostParamsImplMainThread for Main {
    fn rescan(&self, _flags: ParamRescanFlags) {}
    fn clear(&self, _param: ClapId, _flags: ParamClearFlags) {}
}

/// The menu itself is not shown: that it was asked for is what counts.
impl HostContextMenuImpl for Main {
    fn populate(
        &self,
        _target: ContextMenuTarget,
        _builder: &mut ContextMenuBuilder,
    ) -> Result<(), HostError> {
        Ok(())
    }

    fn perform(&self, _target: ContextMenuTarget, _action: ClapId) -> Result<(), HostError> {
        Ok(())
    }

    fn can_popup(&self) -> bool {
        true
    }

    fn popup(
        &self,
        target: ContextMenuTarget,
        _screen: i32,
        x: i32,
        y: i32,
    ) -> Result<(), HostError> {
        let param = match target {
            ContextMenuTarget::Param(id) => Some(id),
            _ => None,
        };
        let place = [x, y];
        self.menus.borrow_mut().push(Menu { param, place });
        Ok(())
    }
}

/// The host's type, for clack.
pub(crate) struct Handlers;

impl HostHandlers for Handlers {
    type Shared<'a> = Asked;
    type MainThread<'a> = Main;
    type AudioProcessor<'a> = ();

    fn declare_extensions(builder: &mut HostExtensions<Self>, _: &Asked) {
        builder
            .register::<HostLatency>()
            .register::<HostGui>()
            .register::<HostParams>()
            .register::<HostContextMenu>();
    }
}
