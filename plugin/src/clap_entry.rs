//! The CLAP entry: the framework's plugin, with the host's menu of a parameter beside it.
//!
//! nice-plug 0.4.2 keeps its pointer to the host to itself, and does not speak `clap.context-menu`.
//! So this stands in for its macro `nice_export_clap!` and makes instances itself: it notes the host,
//! hands out the framework's table of functions, and steps in where the host calls back on its main
//! thread, and where it ends the instance.

use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::{Arc, OnceLock};

use clap_sys::entry::clap_plugin_entry;
use clap_sys::ext::context_menu::{
    CLAP_CONTEXT_MENU_TARGET_KIND_PARAM, CLAP_EXT_CONTEXT_MENU, CLAP_EXT_CONTEXT_MENU_COMPAT,
    clap_context_menu_target, clap_host_context_menu,
};
use clap_sys::ext::params::{CLAP_EXT_PARAMS, clap_param_info, clap_plugin_params};
use clap_sys::factory::plugin_factory::{CLAP_PLUGIN_FACTORY_ID, clap_plugin_factory};
use clap_sys::host::clap_host;
use clap_sys::plugin::{clap_plugin, clap_plugin_descriptor};
use clap_sys::version::CLAP_VERSION;
use mien_panel::ParamId;
use nice_plug::wrapper::clap::{PluginDescriptor, Wrapper};
use nice_plug::wrapper::setup_logger;

use crate::Mien;
use crate::param_menu::{MenuHost, ParamMenu, Question, making, place_in_list};

/// The CLAP entry point.
// SAFETY: the symbol is CLAP's, and this library has no other of the name.
#[unsafe(no_mangle)]
#[used]
pub static clap_entry: clap_plugin_entry = clap_plugin_entry {
    clap_version: CLAP_VERSION,
    init: Some(init),
    deinit: Some(deinit),
    get_factory: Some(get_factory),
};

static FACTORY: clap_plugin_factory = clap_plugin_factory {
    get_plugin_count: Some(count),
    get_plugin_descriptor: Some(descriptor),
    create_plugin: Some(create),
};

/// What the host holds: the framework's table of functions, and what we need beside it. The host
/// sees the table only, which therefore comes first.
#[repr(C)]
struct Exported {
    table: clap_plugin,
    /// The framework's own.
    framework: clap_plugin,
    menu: Arc<ParamMenu>,
}

unsafe extern "C" fn init(_path: *const c_char) -> bool {
    catch_unwind(setup_logger::<Mien>).is_ok()
}

unsafe extern "C" fn deinit() {}

unsafe extern "C" fn get_factory(id: *const c_char) -> *const c_void {
    // SAFETY: the host hands over a text that ends with 0, or nothing.
    let known = !id.is_null() && unsafe { CStr::from_ptr(id) } == CLAP_PLUGIN_FACTORY_ID;
    if known {
        (&raw const FACTORY).cast()
    } else {
        ptr::null()
    }
}

fn described() -> &'static PluginDescriptor {
    static DESCRIBED: OnceLock<PluginDescriptor> = OnceLock::new();
    DESCRIBED.get_or_init(PluginDescriptor::for_plugin::<Mien>)
}

unsafe extern "C" fn count(_: *const clap_plugin_factory) -> u32 {
    1
}

unsafe extern "C" fn descriptor(
    _: *const clap_plugin_factory,
    index: u32,
) -> *const clap_plugin_descriptor {
    if index == 0 {
        described().clap_plugin_descriptor()
    } else {
        ptr::null()
    }
}

unsafe extern "C" fn create(
    _: *const clap_plugin_factory,
    host: *const clap_host,
    id: *const c_char,
) -> *const clap_plugin {
    // SAFETY: the host hands over a text that ends with 0, or nothing.
    if host.is_null() || id.is_null() || unsafe { CStr::from_ptr(id) } != described().clap_id() {
        return ptr::null();
    }
    // SAFETY: CLAP has the host's table live until the plugin is destroyed.
    catch_unwind(|| unsafe { make(host) }).unwrap_or(ptr::null())
}

/// Makes an instance; `destroy` ends it.
///
/// # Safety
/// `host` lives until then.
unsafe fn make(host: *const clap_host) -> *const clap_plugin {
    let menu = Arc::<ParamMenu>::default();
    // SAFETY: the caller's promise is the framework's condition.
    let wrapper = making(&menu, || unsafe { Wrapper::<Mien>::new(host) });
    let framework = *wrapper.clap_plugin.borrow();
    // The framework finds itself by `plugin_data`, and takes this reference back when destroyed.
    let _ = Arc::into_raw(wrapper);
    let exported = Box::into_raw(Box::new(Exported {
        table: clap_plugin {
            destroy: Some(destroy),
            on_main_thread: Some(on_main_thread),
            ..framework
        },
        framework,
        menu: menu.clone(),
    }));
    menu.attach(Box::new(ClapHost {
        host,
        plugin: exported.cast(),
    }));
    exported.cast()
}

unsafe extern "C" fn destroy(plugin: *const clap_plugin) {
    let Some(exported) = NonNull::new(plugin.cast_mut().cast::<Exported>()) else {
        return;
    };
    // SAFETY: it was made by `make`, and the host names it the last time.
    let exported = unsafe { Box::from_raw(exported.as_ptr()) };
    let _ = catch_unwind(AssertUnwindSafe(|| exported.menu.detach()));
    if let Some(destroy) = exported.framework.destroy {
        // SAFETY: the framework looks at `plugin_data` only, which is the same in both tables.
        unsafe { destroy(&exported.framework) };
    }
}

unsafe extern "C" fn on_main_thread(plugin: *const clap_plugin) {
    // SAFETY: the host calls this between `make` and `destroy`.
    let Some(exported) = (unsafe { plugin.cast::<Exported>().as_ref() }) else {
        return;
    };
    // An open menu may bring the end of the instance: it must not be looked at afterwards.
    let menu = exported.menu.clone();
    if let Some(call) = exported.framework.on_main_thread {
        // SAFETY: as for `destroy`.
        unsafe { call(plugin) };
    }
    let _ = catch_unwind(AssertUnwindSafe(|| menu.answer()));
}

/// The host of one instance. [`ParamMenu`] lets go of it in `destroy`, before both pointers end.
struct ClapHost {
    host: *const clap_host,
    plugin: *const clap_plugin,
}

// SAFETY: other threads than the main one call `call_back` alone, which CLAP allows on every thread.
unsafe impl Send for ClapHost {}
// SAFETY: as above.
unsafe impl Sync for ClapHost {}

impl ClapHost {
    /// The host's menu functions, of this version of the extension or of its draft, which is the same.
    fn extension(&self) -> Option<&clap_host_context_menu> {
        // SAFETY: the host lives as long as `self`.
        let get = unsafe { (*self.host).get_extension }?;
        [CLAP_EXT_CONTEXT_MENU, CLAP_EXT_CONTEXT_MENU_COMPAT]
            .into_iter()
            // SAFETY: what is found under this name has this type, and lives as long as the host.
            .find_map(|name| unsafe {
                get(self.host, name.as_ptr())
                    .cast::<clap_host_context_menu>()
                    .as_ref()
            })
    }
}

impl MenuHost for ClapHost {
    fn offers_menu(&self) -> bool {
        let can_popup = self.extension().and_then(|menu| menu.can_popup);
        // SAFETY: the host lives, and this is its main thread.
        can_popup.is_some_and(|can_popup| unsafe { can_popup(self.host) })
    }

    fn call_back(&self) {
        // SAFETY: the host lives.
        if let Some(request) = unsafe { (*self.host).request_callback } {
            // SAFETY: as above; every thread may.
            unsafe { request(self.host) };
        }
    }

    fn opener(&self) -> Box<dyn FnOnce(Question) -> bool> {
        let popup = self.extension().and_then(|menu| menu.popup);
        let (host, plugin) = (self.host, self.plugin);
        Box::new(move |question| {
            // SAFETY: it is called on the main thread at once, so the instance has not ended.
            let id = unsafe { host_id(plugin, question.param) };
            let (Some(popup), Some(id)) = (popup, id) else {
                return false;
            };
            let target = clap_context_menu_target {
                kind: CLAP_CONTEXT_MENU_TARGET_KIND_PARAM,
                id,
            };
            let [x, y] = question.place;
            // SAFETY: as above. An embedded window has no screen of its own to name.
            unsafe { popup(host, &target, 0, x, y) }
        })
    }
}

/// The host's number of a parameter.
///
/// # Safety
/// `plugin` is an instance that was initialised; this is the main thread.
unsafe fn host_id(plugin: *const clap_plugin, param: ParamId) -> Option<u32> {
    let index = place_in_list(param)?;
    // SAFETY: the caller's promise; what is found under this name has this type.
    unsafe {
        let get_extension = (*plugin).get_extension?;
        let params = get_extension(plugin, CLAP_EXT_PARAMS.as_ptr())
            .cast::<clap_plugin_params>()
            .as_ref()?;
        let mut info: clap_param_info = std::mem::zeroed();
        (params.get_info?)(plugin, index as u32, &mut info).then_some(info.id)
    }
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// What a host was asked for.
    #[derive(Default)]
    struct Asked {
        callbacks: AtomicUsize,
        menus: Mutex<Vec<(u32, u32, [i32; 2])>>,
    }

    unsafe fn asked(host: *const clap_host) -> &'static Asked {
        // SAFETY: `host` below puts it there, and leaks it.
        unsafe { &*(*host).host_data.cast::<Asked>() }
    }

    unsafe extern "C" fn extension(_: *const clap_host, name: *const c_char) -> *const c_void {
        static MENU: clap_host_context_menu = clap_host_context_menu {
            populate: None,
            perform: None,
            can_popup: Some(can_popup),
            popup: Some(popup),
        };
        // SAFETY: the plugin hands over a text.
        if unsafe { CStr::from_ptr(name) } == CLAP_EXT_CONTEXT_MENU {
            (&raw const MENU).cast()
        } else {
            ptr::null()
        }
    }

    unsafe extern "C" fn can_popup(_: *const clap_host) -> bool {
        true
    }

    unsafe extern "C" fn popup(
        host: *const clap_host,
        target: *const clap_context_menu_target,
        _screen: i32,
        x: i32,
        y: i32,
    ) -> bool {
        // SAFETY: the plugin hands over both.
        let (asked, target) = unsafe { (asked(host), *target) };
        asked
            .menus
            .lock()
            .unwrap()
            .push((target.kind, target.id, [x, y]));
        // The last one is refused.
        y < 1000
    }

    unsafe extern "C" fn nothing(_: *const clap_host) {}

    unsafe extern "C" fn callback(host: *const clap_host) {
        // SAFETY: the plugin hands over its host.
        unsafe { asked(host) }
            .callbacks
            .fetch_add(1, Ordering::Relaxed);
    }

    /// A host with a menu; it is leaked, so that a plugin that holds on to it fails the test and
    /// does not crash.
    fn host() -> (&'static clap_host, &'static Asked) {
        let asked: &Asked = Box::leak(Box::default());
        let host = clap_host {
            clap_version: CLAP_VERSION,
            host_data: ptr::from_ref(asked).cast_mut().cast(),
            name: c"Test".as_ptr(),
            vendor: c"".as_ptr(),
            url: c"".as_ptr(),
            version: c"1".as_ptr(),
            get_extension: Some(extension),
            request_restart: Some(nothing),
            request_process: Some(nothing),
            request_callback: Some(callback),
        };
        (Box::leak(Box::new(host)), asked)
    }

    fn instance(host: &'static clap_host) -> (&'static clap_plugin, Arc<ParamMenu>) {
        // SAFETY: the calls are those of a host, in their order.
        unsafe {
            let factory =
                get_factory(CLAP_PLUGIN_FACTORY_ID.as_ptr()).cast::<clap_plugin_factory>();
            let create = (*factory).create_plugin.unwrap();
            let plugin = create(factory, host, described().clap_id().as_ptr());
            assert!((*plugin).init.unwrap()(plugin));
            (
                &*plugin,
                (*ptr::from_ref(&*plugin).cast::<Exported>()).menu.clone(),
            )
        }
    }

    /// Identifier and name of every parameter, as a host reads them.
    fn params(plugin: &clap_plugin) -> Vec<(u32, String)> {
        // SAFETY: as above.
        unsafe {
            let params = plugin.get_extension.unwrap()(plugin, CLAP_EXT_PARAMS.as_ptr());
            let params = &*params.cast::<clap_plugin_params>();
            let read = |index| {
                let mut info = MaybeUninit::<clap_param_info>::zeroed();
                assert!(params.get_info.unwrap()(plugin, index, info.as_mut_ptr()));
                let info = info.assume_init();
                let name = CStr::from_ptr(info.name.as_ptr()).to_string_lossy();
                (info.id, name.into_owned())
            };
            (0..params.count.unwrap()(plugin)).map(read).collect()
        }
    }

    #[test]
    fn each_instance_asks_its_own_host_for_the_menu_of_the_right_parameter() {
        let hosts = [host(), host()];
        let made = hosts.map(|(host, _)| instance(host));
        for (index, ((plugin, menu), (_, asked))) in made.iter().zip(hosts).enumerate() {
            menu.look();
            assert!(menu.is_offered());
            for (param, id) in ParamId::all().map(|param| {
                let name = param.spec().name;
                let listed = params(plugin)
                    .into_iter()
                    .find(|(_, listed)| listed == name);
                (param, listed.unwrap_or_else(|| panic!("{name}")).0)
            }) {
                let place = [10 + index as i32, 20];
                let question = Question { param, place };
                // The window's thread asks; the host is to be spoken to on its own.
                std::thread::scope(|scope| scope.spawn(|| menu.ask(question)).join().unwrap());
                assert!(asked.menus.lock().unwrap().is_empty());
                assert_eq!(asked.callbacks.swap(0, Ordering::Relaxed), 1);
                // SAFETY: the calls are those of a host.
                unsafe { plugin.on_main_thread.unwrap()(*plugin) };
                let menus = std::mem::take(&mut *asked.menus.lock().unwrap());
                assert_eq!(menus, [(CLAP_CONTEXT_MENU_TARGET_KIND_PARAM, id, place)]);
                // SAFETY: as above. Nothing is left to show.
                unsafe { plugin.on_main_thread.unwrap()(*plugin) };
                assert!(asked.menus.lock().unwrap().is_empty());
            }
        }
        for (plugin, _) in made {
            // SAFETY: the last call.
            unsafe { plugin.destroy.unwrap()(plugin) };
        }
    }

    #[test]
    fn a_host_is_left_alone_once_its_instance_ended() {
        let (host, asked) = host();
        let (plugin, menu) = instance(host);
        menu.look();
        let question = Question {
            param: ParamId::Mix,
            place: [0, 0],
        };
        menu.ask(question);
        // SAFETY: the last call.
        unsafe { plugin.destroy.unwrap()(plugin) };
        asked.callbacks.store(0, Ordering::Relaxed);
        menu.ask(question);
        menu.answer();
        menu.look();
        assert!(!menu.is_offered());
        assert_eq!(asked.callbacks.load(Ordering::Relaxed), 0);
        assert!(asked.menus.lock().unwrap().is_empty());
    }

    #[test]
    fn a_menu_that_the_host_refuses_leaves_the_panel_its_own() {
        let (host, asked) = host();
        let (plugin, menu) = instance(host);
        menu.look();
        menu.ask(Question {
            param: ParamId::Mix,
            place: [0, 1000],
        });
        // SAFETY: the calls are those of a host.
        unsafe { plugin.on_main_thread.unwrap()(plugin) };
        assert_eq!(asked.menus.lock().unwrap().len(), 1);
        assert!(!menu.is_offered());
        // SAFETY: the last call.
        unsafe { plugin.destroy.unwrap()(plugin) };
    }

    #[test]
    fn a_plugin_of_another_name_is_not_made() {
        let (host, _) = host();
        // SAFETY: the calls are those of a host.
        unsafe {
            assert!(create(&FACTORY, host, c"org.mien.other".as_ptr()).is_null());
            assert!(create(&FACTORY, ptr::null(), described().clap_id().as_ptr()).is_null());
            assert!(get_factory(c"clap.other".as_ptr()).is_null());
        }
    }
}
