//! The VST3 entry: the framework's plugin, with the host's menu of a parameter beside it.
//!
//! nice-plug 0.4.2 keeps the host's handler to itself, and does not speak `IComponentHandler3`. So
//! this stands in for its macro `nice_export_vst3!`:
//!
//! * `mod`: the library's functions, and the factory.
//! * `object`: what the host gets: an object of our own that has the framework's in it and hands
//!   every call on, but looks at the handler and the window's view as they come by.
//! * `menu`: the host's menu.

mod menu;
mod object;
#[cfg(test)]
mod tests;

use std::ffi::c_void;
use std::panic::catch_unwind;
use std::ptr;

use nice_plug::wrapper::setup_logger;
use nice_plug::wrapper::vst3::PluginInfo;
use nice_plug::wrapper::vst3::vst3::Steinberg::{
    FIDString, FUnknown, IPluginFactory, IPluginFactory2, IPluginFactory2Trait, IPluginFactory3,
    IPluginFactory3Trait, IPluginFactoryTrait, PClassInfo, PClassInfo2, PClassInfoW, PFactoryInfo,
    TUID, int32, kInternalError, kInvalidArgument, kResultOk, tresult,
};
use nice_plug::wrapper::vst3::vst3::{Class, ComWrapper};

use crate::Mien;
use object::Object;

/// The VST3 entry point.
// SAFETY: the symbol is VST3's, and this library has no other of the name.
#[unsafe(no_mangle)]
pub extern "system" fn GetPluginFactory() -> *mut c_void {
    let made = catch_unwind(|| ComWrapper::new(Factory::new()).to_com_ptr::<IPluginFactory>());
    match made {
        Ok(Some(factory)) => factory.into_raw().cast(),
        _ => ptr::null_mut(),
    }
}

fn begin() -> bool {
    catch_unwind(setup_logger::<Mien>).is_ok()
}

/// The library was loaded.
// SAFETY: as above.
#[cfg(all(target_family = "unix", not(target_os = "macos")))]
#[unsafe(no_mangle)]
pub extern "C" fn ModuleEntry(_library: *mut c_void) -> bool {
    begin()
}

/// The library will be unloaded.
// SAFETY: as above.
#[cfg(all(target_family = "unix", not(target_os = "macos")))]
#[unsafe(no_mangle)]
pub extern "C" fn ModuleExit() -> bool {
    true
}

/// The library was loaded.
// SAFETY: as above.
#[cfg(target_os = "macos")]
#[unsafe(no_mangle)]
pub extern "C" fn bundleEntry(_bundle: *mut c_void) -> bool {
    begin()
}

/// The library will be unloaded.
// SAFETY: as above.
#[cfg(target_os = "macos")]
#[unsafe(no_mangle)]
pub extern "C" fn bundleExit() -> bool {
    true
}

/// The library was loaded.
// SAFETY: as above.
#[cfg(target_os = "windows")]
#[unsafe(no_mangle)]
pub extern "system" fn InitDll() -> bool {
    begin()
}

/// The library will be unloaded.
// SAFETY: as above.
#[cfg(target_os = "windows")]
#[unsafe(no_mangle)]
pub extern "system" fn ExitDll() -> bool {
    true
}

/// Tells hosts of the one plugin in here, and makes instances of it.
struct Factory {
    plugin: PluginInfo,
}

impl Factory {
    fn new() -> Self {
        Self {
            plugin: PluginInfo::for_plugin::<Mien>(),
        }
    }
}

impl Class for Factory {
    type Interfaces = (IPluginFactory, IPluginFactory2, IPluginFactory3);
}

/// Writes what a host asked for to where it wants it.
///
/// # Safety
/// `place` is null or can be written.
unsafe fn tell<T>(place: *mut T, what: impl FnOnce() -> T) -> tresult {
    if place.is_null() {
        return kInvalidArgument;
    }
    // SAFETY: the caller's promise.
    unsafe { place.write(what()) };
    kResultOk
}

impl IPluginFactoryTrait for Factory {
    unsafe fn getFactoryInfo(&self, info: *mut PFactoryInfo) -> tresult {
        // SAFETY: the host hands over a place.
        unsafe { tell(info, || self.plugin.create_factory_info()) }
    }

    unsafe fn countClasses(&self) -> int32 {
        1
    }

    unsafe fn getClassInfo(&self, index: int32, info: *mut PClassInfo) -> tresult {
        if index != 0 {
            return kInvalidArgument;
        }
        // SAFETY: as above.
        unsafe { tell(info, || self.plugin.create_class_info()) }
    }

    unsafe fn createInstance(
        &self,
        cid: FIDString,
        iid: FIDString,
        obj: *mut *mut c_void,
    ) -> tresult {
        if cid.is_null() || iid.is_null() || obj.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: the host hands over the sixteen bytes of a class's name.
        if unsafe { &*cid.cast::<[u8; 16]>() } != self.plugin.cid {
            return kInvalidArgument;
        }
        let Ok(object) = catch_unwind(|| ComWrapper::new(Object::new())) else {
            return kInternalError;
        };
        let Some(unknown) = object.as_com_ref::<FUnknown>() else {
            return kInternalError;
        };
        let unknown = unknown.as_ptr();
        // SAFETY: the object lives, and `iid` are the sixteen bytes of an interface's name. The host
        // gets a reference of its own; ours ends with this function.
        unsafe { ((*(*unknown).vtbl).queryInterface)(unknown, iid.cast::<TUID>(), obj) }
    }
}

impl IPluginFactory2Trait for Factory {
    unsafe fn getClassInfo2(&self, index: int32, info: *mut PClassInfo2) -> tresult {
        if index != 0 {
            return kInvalidArgument;
        }
        // SAFETY: the host hands over a place.
        unsafe { tell(info, || self.plugin.create_class_info_2()) }
    }
}

impl IPluginFactory3Trait for Factory {
    unsafe fn getClassInfoUnicode(&self, index: int32, info: *mut PClassInfoW) -> tresult {
        if index != 0 {
            return kInvalidArgument;
        }
        // SAFETY: the host hands over a place.
        unsafe { tell(info, || self.plugin.create_class_info_unicode()) }
    }

    unsafe fn setHostContext(&self, _context: *mut FUnknown) -> tresult {
        kResultOk
    }
}
