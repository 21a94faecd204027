//! A VST3 host, as small as a window needs it: a component, its controller, the handler with menus,
//! and a frame that lends its run loop. It notes what the plugin asks for. It plays nothing.

use anyhow::{Context, Result, bail, ensure};
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::path::Path;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};
use vst3::Steinberg::Linux::{
    FileDescriptor, IEventHandler, IEventHandlerTrait, IRunLoop, IRunLoopTrait, ITimerHandler,
    TimerInterval,
};
use vst3::Steinberg::Vst::*;
use vst3::Steinberg::{
    FUnknown, IPlugFrame, IPlugFrameTrait, IPlugView, IPlugViewTrait, IPluginBaseTrait,
    IPluginFactory, IPluginFactoryTrait, PClassInfo, TUID, UCoord, ViewRect, int32,
    kInvalidArgument, kNotImplemented, kPlatformTypeX11EmbedWindowID, kResultFalse, kResultOk,
    tresult,
};
use vst3::{Class, ComPtr, ComRef, ComWrapper, Interface};

use crate::player::Touch;

/// A menu that the plugin asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vst3Menu {
    /// Whose, if it is a parameter's.
    pub param: Option<u32>,
    /// Where it is to open, in the view.
    pub place: [i32; 2],
    /// It is for the open window's view, and was asked for on the main thread.
    pub proper: bool,
}

/// What a host is like.
pub struct Manner {
    /// It has entries for the menu of a parameter.
    pub has_menu: bool,
    /// It lends its run loop to windows.
    pub has_loop: bool,
}

/// What is done while a menu is open; the run loop goes on meanwhile.
pub type Meanwhile = Box<dyn FnMut() + Send>;

/// For how long the run loop goes on in an open menu.
const OPEN_FOR: Duration = Duration::from_millis(800);

/// What the plugin asked for.
#[derive(Default)]
struct Asked {
    touches: Vec<(u32, Touch)>,
    menus: Vec<Vst3Menu>,
    restarts: usize,
    size: Option<[u32; 2]>,
    handlers: Vec<(ComPtr<IEventHandler>, RawFd)>,
    view: usize,
}

/// A place for it that host and handlers share.
struct Notes {
    asked: Mutex<Asked>,
    main: ThreadId,
    has_menu: bool,
    meanwhile: Mutex<Option<Meanwhile>>,
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meanwhile(&self) -> MutexGuard<'_, Option<Meanwhile>> {
        self.meanwhile
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn is_main(&self) -> bool {
        thread::current().id() == self.main
    }

    /// Does what handlers wait for.
    fn run_loop(&self) -> Result<()> {
        let handlers = self.lock().handlers.clone();
        for (handler, fd) in handlers {
            let mut look = libc::pollfd {
                fd,
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: it is one place, and lives.
            let ready = unsafe { libc::poll(&mut look, 1, 0) };
            if ready < 0 {
                bail!(std::io::Error::last_os_error());
            }
            if look.revents & libc::POLLIN != 0 {
                // SAFETY: the handler is held, and waits for this file.
                unsafe { handler.onFDIsSet(fd) };
            }
        }
        Ok(())
    }

    fn touch(&self, param: ParamID, touch: Touch) -> tresult {
        self.lock().touches.push((param, touch));
        kResultOk
    }
}

/// The host's side of the controller.
struct Handler(std::sync::Arc<Notes>);

impl Class for Handler {
    type Interfaces = (IComponentHandler, IComponentHandler3);
}

/// The host's side of the view. It is apart, for the framework (0.4.2) never lets go of a run loop.
struct Frame(std::sync::Arc<Notes>);

impl Class for Frame {
    type Interfaces = (IPlugFrame, IRunLoop);
}

impl IComponentHandlerTrait for Handler {
    unsafe fn beginEdit(&self, id: ParamID) -> tresult {
        self.0.touch(id, Touch::Begin)
    }

    unsafe fn performEdit(&self, id: ParamID, value: ParamValue) -> tresult {
        self.0.touch(id, Touch::Value(value))
    }

    unsafe fn endEdit(&self, id: ParamID) -> tresult {
        self.0.touch(id, Touch::End)
    }

    unsafe fn restartComponent(&self, _flags: int32) -> tresult {
        self.0.lock().restarts += 1;
        kResultOk
    }
}

impl IComponentHandler3Trait for Handler {
    unsafe fn createContextMenu(
        &self,
        view: *mut IPlugView,
        param: *const ParamID,
    ) -> *mut IContextMenu {
        let menu = MenuOfHost {
            notes: self.0.clone(),
            // SAFETY: the plugin hands over a number, or nothing.
            param: unsafe { param.as_ref() }.copied(),
            proper: self.0.is_main() && view as usize == self.0.lock().view,
        };
        let menu = ComWrapper::new(menu).to_com_ptr::<IContextMenu>();
        menu.map_or(ptr::null_mut(), ComPtr::into_raw)
    }
}

impl IPlugFrameTrait for Frame {
    unsafe fn resizeView(&self, _view: *mut IPlugView, size: *mut ViewRect) -> tresult {
        // SAFETY: the plugin hands over a size, or nothing.
        unsafe { take_size(&self.0, size) }
    }
}

/// A frame that lends no run loop.
struct BareFrame(std::sync::Arc<Notes>);

impl Class for BareFrame {
    type Interfaces = (IPlugFrame,);
}

impl IPlugFrameTrait for BareFrame {
    unsafe fn resizeView(&self, _view: *mut IPlugView, size: *mut ViewRect) -> tresult {
        // SAFETY: as above.
        unsafe { take_size(&self.0, size) }
    }
}

/// The plugin wants its window to have another size.
///
/// # Safety
/// `size` is one, or null.
unsafe fn take_size(notes: &Notes, size: *mut ViewRect) -> tresult {
    // SAFETY: the caller's promise.
    let Some(size) = (unsafe { size.as_ref() }) else {
        return kInvalidArgument;
    };
    notes.lock().size = Some(extent(size));
    kResultOk
}

impl IRunLoopTrait for Frame {
    unsafe fn registerEventHandler(
        &self,
        handler: *mut IEventHandler,
        fd: FileDescriptor,
    ) -> tresult {
        // SAFETY: the plugin hands over a handler, or nothing.
        let Some(handler) = (unsafe { ComRef::from_raw(handler) }) else {
            return kInvalidArgument;
        };
        self.0.lock().handlers.push((handler.to_com_ptr(), fd));
        kResultOk
    }

    unsafe fn unregisterEventHandler(&self, handler: *mut IEventHandler) -> tresult {
        let mut asked = self.0.lock();
        let (gone, rest) = std::mem::take(&mut asked.handlers)
            .into_iter()
            .partition::<Vec<_>, _>(|(held, _)| held.as_ptr() == handler);
        asked.handlers = rest;
        drop(asked);
        if gone.is_empty() {
            kResultFalse
        } else {
            kResultOk
        }
    }

    unsafe fn registerTimer(&self, _: *mut ITimerHandler, _: TimerInterval) -> tresult {
        kNotImplemented
    }

    unsafe fn unregisterTimer(&self, _: *mut ITimerHandler) -> tresult {
        kNotImplemented
    }
}

/// A menu with one entry of the host's.
struct MenuOfHost {
    notes: std::sync::Arc<Notes>,
    param: Option<u32>,
    proper: bool,
}

impl Class for MenuOfHost {
    type Interfaces = (IContextMenu,);
}

impl IContextMenuTrait for MenuOfHost {
    unsafe fn getItemCount(&self) -> int32 {
        self.notes.has_menu.into()
    }

    unsafe fn getItem(
        &self,
        _: int32,
        _: *mut IContextMenu_::Item,
        _: *mut *mut IContextMenuTarget,
    ) -> tresult {
        kNotImplemented
    }

    unsafe fn addItem(&self, _: *const IContextMenu_::Item, _: *mut IContextMenuTarget) -> tresult {
        kNotImplemented
    }

    unsafe fn removeItem(
        &self,
        _: *const IContextMenu_::Item,
        _: *mut IContextMenuTarget,
    ) -> tresult {
        kNotImplemented
    }

    unsafe fn popup(&self, x: UCoord, y: UCoord) -> tresult {
        self.notes.lock().menus.push(Vst3Menu {
            param: self.param,
            place: [x, y],
            proper: self.proper && self.notes.is_main(),
        });
        let meanwhile = self.notes.meanwhile().take();
        if let Some(mut meanwhile) = meanwhile {
            meanwhile();
            let begun = Instant::now();
            while begun.elapsed() < OPEN_FOR {
                if self.notes.run_loop().is_err() {
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        kResultOk
    }
}

fn extent(rect: &ViewRect) -> [u32; 2] {
    [rect.right - rect.left, rect.bottom - rect.top].map(|side| side.max(0) as u32)
}

fn done(result: tresult, what: &str) -> Result<()> {
    ensure!(result == kResultOk, "the plugin does not {what}: {result}");
    Ok(())
}

/// A loaded plugin. The library stays in memory, since the framework leaves handlers behind.
pub struct Vst3 {
    view: Option<ComPtr<IPlugView>>,
    controller: ComPtr<IEditController>,
    processor: ComPtr<IAudioProcessor>,
    component: ComPtr<IComponent>,
    handler: ComWrapper<Handler>,
    frame: ComPtr<IPlugFrame>,
    notes: std::sync::Arc<Notes>,
}

impl Vst3 {
    /// An instance of the first plugin in a library, switched on.
    ///
    /// # Errors
    /// When the library has none, or it cannot be made.
    ///
    /// # Safety
    /// The library's code is run.
    pub unsafe fn load(file: &Path, rate: f64, manner: &Manner) -> Result<Self> {
        // SAFETY: the caller's promise; the functions have these types in VST3.
        let factory = unsafe {
            let library = Box::leak(Box::new(libloading::Library::new(file)?));
            let enter: libloading::Symbol<'_, unsafe extern "C" fn(*mut c_void) -> bool> =
                library.get(b"ModuleEntry")?;
            ensure!(enter(ptr::null_mut()), "the library does not start");
            let factory: libloading::Symbol<'_, unsafe extern "system" fn() -> *mut c_void> =
                library.get(b"GetPluginFactory")?;
            ComPtr::from_raw(factory().cast::<IPluginFactory>()).context("no factory")?
        };
        let mut info = MaybeUninit::<PClassInfo>::zeroed();
        let mut component = ptr::null_mut();
        let wanted = IComponent::IID;
        // SAFETY: the calls are those of a host, in their order; the object comes with a reference.
        let component = unsafe {
            done(factory.getClassInfo(0, info.as_mut_ptr()), "tell its class")?;
            let class = info.assume_init().cid;
            let made =
                factory.createInstance(class.as_ptr(), wanted.as_ptr().cast(), &mut component);
            done(made, "make an instance")?;
            ComPtr::from_raw(component.cast::<IComponent>()).context("no component")?
        };
        let notes = std::sync::Arc::new(Notes {
            asked: Mutex::default(),
            main: thread::current().id(),
            has_menu: manner.has_menu,
            meanwhile: Mutex::default(),
        });
        let frame = match manner.has_loop {
            true => ComWrapper::new(Frame(notes.clone())).to_com_ptr(),
            false => ComWrapper::new(BareFrame(notes.clone())).to_com_ptr(),
        };
        let host = Self {
            view: None,
            controller: component.cast().context("no controller")?,
            processor: component.cast().context("no processor")?,
            component,
            handler: ComWrapper::new(Handler(notes.clone())),
            frame: frame.context("no frame")?,
            notes,
        };
        host.start(rate)?;
        Ok(host)
    }

    fn start(&self, rate: f64) -> Result<()> {
        let mut setup = ProcessSetup {
            processMode: ProcessModes_::kRealtime as i32,
            symbolicSampleSize: SymbolicSampleSizes_::kSample32 as i32,
            maxSamplesPerBlock: 512,
            sampleRate: rate,
        };
        // SAFETY: the calls are those of a host, in their order.
        unsafe {
            done(self.component.initialize(ptr::null_mut()), "begin")?;
            let handler = self.handler.as_com_ref::<IComponentHandler>();
            let handler = handler.context("no handler")?.as_ptr();
            done(
                self.controller.setComponentHandler(handler),
                "take a handler",
            )?;
            done(self.processor.setupProcessing(&mut setup), "set up")?;
            done(self.component.setActive(1), "switch on")
        }
    }

    /// Number and name of every parameter.
    pub fn params(&self) -> Vec<(u32, String)> {
        // SAFETY: the calls are those of a host.
        let count = unsafe { self.controller.getParameterCount() };
        let read = |index| {
            let mut info = MaybeUninit::<ParameterInfo>::zeroed();
            // SAFETY: as above; zeros are a whole one, too.
            let info = unsafe {
                self.controller.getParameterInfo(index, info.as_mut_ptr());
                info.assume_init()
            };
            let title = info.title.split(|&unit| unit == 0).next();
            (info.id, String::from_utf16_lossy(title.unwrap_or_default()))
        };
        (0..count).map(read).collect()
    }

    /// The number of the parameter of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn param(&self, name: &str) -> Result<u32> {
        let found = self.params().into_iter().find(|(_, title)| title == name);
        Ok(found
            .with_context(|| format!("there is no parameter {name}"))?
            .0)
    }

    /// A parameter's value, from 0 to 1.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn get(&self, name: &str) -> Result<f64> {
        let id = self.param(name)?;
        // SAFETY: the call is a host's.
        Ok(unsafe { self.controller.getParamNormalized(id) })
    }

    /// What hands did since the last look.
    pub fn take_touches(&self) -> Vec<(u32, Touch)> {
        std::mem::take(&mut self.notes.lock().touches)
    }

    /// The menus that were asked for since the last look.
    pub fn take_menus(&self) -> Vec<Vst3Menu> {
        std::mem::take(&mut self.notes.lock().menus)
    }

    /// Does this in the next menu, once, and runs the loop while that is open.
    pub fn in_next_menu(&self, meanwhile: Meanwhile) {
        *self.notes.meanwhile() = Some(meanwhile);
    }

    /// The size that the window is to have, once.
    pub fn take_size(&self) -> Option<[u32; 2]> {
        self.notes.lock().size.take()
    }

    /// Makes the view of a window; gives its size.
    ///
    /// # Errors
    /// When the plugin has none.
    pub fn open(&mut self) -> Result<[u32; 2]> {
        let mut size = ViewRect {
            left: 0,
            top: 0,
            right: 0,
            bottom: 0,
        };
        // SAFETY: the calls are those of a host; the view comes with a reference.
        let view = unsafe {
            let view = self.controller.createView(c"editor".as_ptr());
            let view = ComPtr::from_raw(view).context("no view")?;
            done(view.setFrame(self.frame.as_ptr()), "take a frame")?;
            done(view.getSize(&mut size), "tell its size")?;
            view
        };
        self.notes.lock().view = view.as_ptr() as usize;
        self.view = Some(view);
        Ok(extent(&size))
    }

    /// Puts the view into this window of the X server's.
    ///
    /// # Errors
    /// When there is no view, or it does not want to.
    ///
    /// # Safety
    /// The window stays until [`Self::close`].
    pub unsafe fn embed(&self, window: u32) -> Result<()> {
        let view = self.view.as_ref().context("no view")?;
        let parent = ptr::without_provenance_mut(window as usize);
        // SAFETY: the caller's promise.
        let attached = unsafe { view.attached(parent, kPlatformTypeX11EmbedWindowID) };
        done(attached, "open its window")
    }

    /// Gives the view a size.
    ///
    /// # Errors
    /// When there is no view, or it keeps its size.
    pub fn resize(&self, [width, height]: [u32; 2]) -> Result<[u32; 2]> {
        let view = self.view.as_ref().context("no view")?;
        let mut size = ViewRect {
            left: 0,
            top: 0,
            right: width as i32,
            bottom: height as i32,
        };
        // SAFETY: the calls are those of a host.
        unsafe {
            done(view.checkSizeConstraint(&mut size), "take the size")?;
            done(view.onSize(&mut size), "take the size")?;
        }
        Ok(extent(&size))
    }

    /// Closes the window, and lets go of the view.
    ///
    /// # Errors
    /// When there is none.
    pub fn close(&mut self) -> Result<()> {
        let view = self.view.take().context("no view")?;
        self.notes.lock().view = 0;
        // SAFETY: the calls are those of a host.
        unsafe {
            done(view.removed(), "close its window")?;
            done(view.setFrame(ptr::null_mut()), "let go of the frame")
        }
    }

    /// Does what the plugin waits for on the main thread.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn idle(&self) -> Result<()> {
        self.notes.run_loop()
    }

    /// How many references to the host's handler others hold.
    pub fn held(&self) -> u32 {
        let unknown = self.handler.as_com_ref::<FUnknown>();
        let Some(unknown) = unknown.map(|unknown| unknown.as_ptr()) else {
            return 0;
        };
        // SAFETY: the handler lives, and gets back what it gave.
        let count = unsafe {
            let table = &*(*unknown).vtbl;
            (table.addRef)(unknown);
            (table.release)(unknown)
        };
        count - 1
    }

    /// Ends the instance as hosts do; tells how many references to the handler are left.
    ///
    /// # Errors
    /// When the plugin does not want to.
    pub fn end(mut self) -> Result<u32> {
        if self.view.is_some() {
            self.close()?;
        }
        // SAFETY: the calls are those of a host, in their order.
        unsafe {
            done(self.component.setActive(0), "switch off")?;
            done(
                self.controller.setComponentHandler(ptr::null_mut()),
                "let go",
            )?;
            done(self.component.terminate(), "end")?;
        }
        self.notes.lock().handlers.clear();
        Ok(self.held())
    }
}

// Names of interfaces are bytes; hosts hand them over as text.
const _: () = assert!(size_of::<TUID>() == 16);
