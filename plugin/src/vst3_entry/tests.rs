use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mien_panel::ParamId;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::ChannelContext::IInfoListener;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::*;
use nice_plug::wrapper::vst3::vst3::Steinberg::{
    IPlugView, IPluginBaseTrait, UCoord, kNotImplemented, kResultFalse,
};
use nice_plug::wrapper::vst3::vst3::{ComPtr, Interface};

use super::menu::{View, Vst3Host};
use super::*;
use crate::param_menu::{ParamMenu, Question};

/// What a host was asked for, and what happens while its menu is open.
#[derive(Default)]
struct Notes {
    menus: Mutex<Vec<(u32, [i32; 2])>>,
    is_empty: AtomicBool,
    meanwhile: Mutex<Option<Box<dyn FnOnce()>>>,
}

/// A host with menus.
struct Handler(Arc<Notes>);

impl Class for Handler {
    type Interfaces = (IComponentHandler, IComponentHandler3);
}

impl IComponentHandlerTrait for Handler {
    unsafe fn beginEdit(&self, _: ParamID) -> tresult {
        kResultOk
    }
    unsafe fn performEdit(&self, _: ParamID, _: ParamValue) -> tresult {
        kResultOk
    }
    unsafe fn endEdit(&self, _: ParamID) -> tresult {
        kResultOk
    }
    unsafe fn restartComponent(&self, _: int32) -> tresult {
        kResultOk
    }
}

impl IComponentHandler3Trait for Handler {
    unsafe fn createContextMenu(
        &self,
        view: *mut IPlugView,
        param: *const ParamID,
    ) -> *mut IContextMenu {
        assert!(!view.is_null());
        // SAFETY: the plugin hands over a number.
        let menu = Menu(self.0.clone(), unsafe { *param });
        let menu = ComWrapper::new(menu).to_com_ptr::<IContextMenu>();
        menu.unwrap().into_raw()
    }
}

/// A menu that is open for a moment only.
struct Menu(Arc<Notes>, u32);

impl Class for Menu {
    type Interfaces = (IContextMenu,);
}

impl IContextMenuTrait for Menu {
    unsafe fn getItemCount(&self) -> int32 {
        (!self.0.is_empty.load(Ordering::Relaxed)).into()
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
        self.0.menus.lock().unwrap().push((self.1, [x, y]));
        let meanwhile = self.0.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        // Nothing was chosen.
        kResultFalse
    }
}

/// How many references there are.
fn count<I: Interface>(object: &ComPtr<I>) -> u32 {
    let unknown: ComPtr<FUnknown> = object.cast().unwrap();
    let unknown = unknown.as_ptr();
    // SAFETY: the object lives, and gets back what it gave. `cast` holds one, too.
    unsafe {
        let table = &*(*unknown).vtbl;
        (table.addRef)(unknown);
        (table.release)(unknown) - 1
    }
}

/// An instance, as a host gets it.
fn instance() -> ComPtr<IComponent> {
    // SAFETY: the calls are those of a host.
    unsafe {
        let factory = ComPtr::from_raw(GetPluginFactory().cast::<IPluginFactory>()).unwrap();
        assert_eq!(factory.countClasses(), 1);
        let mut class: PClassInfo = std::mem::zeroed();
        assert_eq!(factory.getClassInfo(0, &mut class), kResultOk);
        assert_ne!(factory.getClassInfo(1, &mut class), kResultOk);
        assert_ne!(factory.getClassInfo(0, ptr::null_mut()), kResultOk);
        let mut made = ptr::null_mut();
        let iid = IComponent::IID;
        let other = [0_u8; 16];
        let create =
            |class: *const _, made| factory.createInstance(class, iid.as_ptr().cast(), made);
        assert_ne!(create(other.as_ptr().cast(), &mut made), kResultOk);
        assert!(made.is_null());
        assert_eq!(create(class.cid.as_ptr(), &mut made), kResultOk);
        ComPtr::from_raw(made.cast()).unwrap()
    }
}

fn handler() -> (ComPtr<IComponentHandler>, Arc<Notes>) {
    let notes = Arc::<Notes>::default();
    let handler = ComWrapper::new(Handler(notes.clone()));
    (handler.to_com_ptr().unwrap(), notes)
}

#[test]
fn every_interface_is_of_one_object() {
    let component = instance();
    let unknown: ComPtr<FUnknown> = component.cast().unwrap();
    fn is_of<I: Interface>(unknown: &ComPtr<FUnknown>) {
        let face: ComPtr<I> = unknown.cast().expect("the framework's object has it");
        let again: ComPtr<FUnknown> = face.cast().unwrap();
        assert_eq!(again.as_ptr(), unknown.as_ptr());
    }
    is_of::<IComponent>(&unknown);
    is_of::<IEditController>(&unknown);
    is_of::<IAudioProcessor>(&unknown);
    is_of::<IMidiMapping>(&unknown);
    is_of::<INoteExpressionController>(&unknown);
    is_of::<IProcessContextRequirements>(&unknown);
    is_of::<IUnitInfo>(&unknown);
    is_of::<IInfoListener>(&unknown);
    assert!(unknown.cast::<IContextMenu>().is_none());
    drop(unknown);
    assert_eq!(count(&component), 1);
}

#[test]
fn the_handler_is_held_as_long_as_the_host_wants() {
    let (handler, _) = handler();
    let component = instance();
    let controller: ComPtr<IEditController> = component.cast().unwrap();
    // SAFETY: the calls are those of a host.
    unsafe {
        for _ in 0..3 {
            controller.setComponentHandler(handler.as_ptr());
            // The framework's, and that of the menus.
            assert_eq!(count(&handler), 3);
        }
        controller.setComponentHandler(ptr::null_mut());
        assert_eq!(count(&handler), 1);
        controller.setComponentHandler(handler.as_ptr());
        let view = ComPtr::from_raw(controller.createView(c"editor".as_ptr())).unwrap();
        // The framework's, ours, and the host's.
        assert_eq!(count(&view), 3);
        component.terminate();
        assert_eq!(count(&view), 2);
        assert_eq!(count(&handler), 2);
        drop((component, controller));
        assert_eq!(count(&view), 1);
        assert_eq!(count(&handler), 1);
    }
}

/// The menu of an instance, whose requests the test brings to the main thread itself.
fn menu_of(object: &ComWrapper<Object>, handler: &ComPtr<IComponentHandler>) -> Arc<ParamMenu> {
    let controller = object.to_com_ptr::<IEditController>().unwrap();
    // SAFETY: the call is a host's.
    let view = unsafe { ComPtr::from_raw(controller.createView(c"editor".as_ptr())) };
    let place = View::default();
    place.put(view);
    let menus = handler.cast().unwrap();
    let menu = Arc::<ParamMenu>::default();
    let host = Vst3Host::new(menus, place, Arc::new(|| ()), object.ids());
    menu.attach(Box::new(host));
    menu.look();
    assert!(menu.is_offered());
    menu
}

fn question(param: ParamId) -> Question {
    Question {
        param,
        place: [10, 20],
    }
}

#[test]
fn the_menu_is_that_of_the_right_parameter() {
    let (handler, notes) = handler();
    let object = ComWrapper::new(Object::new());
    let menu = menu_of(&object, &handler);
    let controller = object.to_com_ptr::<IEditController>().unwrap();
    for (param, index) in ParamId::all().zip(1..) {
        let place = [index, 2 * index];
        menu.ask(Question { param, place });
        menu.arrived();
        let menus = std::mem::take(&mut *notes.menus.lock().unwrap());
        let [(id, shown)] = menus[..] else {
            panic!("{menus:?}")
        };
        assert_eq!(shown, place);
        // SAFETY: the calls are those of a host; zeros are a whole one.
        let title = unsafe {
            let listed = (0..controller.getParameterCount()).map(|index| {
                let mut info: ParameterInfo = std::mem::zeroed();
                controller.getParameterInfo(index, &mut info);
                info
            });
            listed.into_iter().find(|info| info.id == id).unwrap().title
        };
        let title = title.split(|&unit| unit == 0).next().unwrap();
        assert_eq!(String::from_utf16_lossy(title), param.spec().name);
        assert!(menu.is_offered());
    }
    // An empty one is not shown; the panel has its own.
    notes.is_empty.store(true, Ordering::Relaxed);
    menu.ask(question(ParamId::Pitch));
    menu.arrived();
    assert!(notes.menus.lock().unwrap().is_empty());
    assert!(!menu.is_offered());
    assert_eq!(menu.take_refused(), Some(ParamId::Pitch));
    assert_eq!(menu.take_refused(), None);
}

#[test]
fn an_open_menu_is_the_only_one_and_may_outlive_the_instance() {
    let (handler, notes) = handler();
    let object = ComWrapper::new(Object::new());
    let menu = menu_of(&object, &handler);
    let inside = {
        let menu = menu.clone();
        let object = object.to_com_ptr::<IEditController>().unwrap();
        move || {
            // Hands go on, and so does the host, which then ends the instance.
            menu.ask(question(ParamId::Breath));
            menu.answer();
            // SAFETY: the calls are those of a host.
            unsafe {
                object.setComponentHandler(ptr::null_mut());
                object.terminate();
            }
            menu.detach();
            drop(object);
        }
    };
    drop(object);
    *notes.meanwhile.lock().unwrap() = Some(Box::new(inside));
    // Two clicks before the main thread comes: the later one counts.
    menu.ask(question(ParamId::Pitch));
    menu.ask(question(ParamId::Formant));
    menu.arrived();
    assert!(notes.menus.lock().unwrap().is_empty());
    menu.arrived();
    assert_eq!(notes.menus.lock().unwrap().len(), 1);
    assert_eq!(count(&handler), 1);
}

#[test]
fn without_a_run_loop_the_panel_shows_its_own_menu() {
    let (handler, notes) = handler();
    let object = ComWrapper::new(Object::new());
    let controller = object.to_com_ptr::<IEditController>().unwrap();
    // SAFETY: the call is a host's.
    unsafe { controller.setComponentHandler(handler.as_ptr()) };
    let menu = object.menu.clone();
    menu.look();
    assert!(menu.is_offered());
    // On the window's thread; no window is open, so the framework takes its own thread.
    let ask = || menu.ask(question(ParamId::Pitch));
    std::thread::scope(|scope| scope.spawn(ask).join().unwrap());
    let begun = Instant::now();
    while menu.is_offered() && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!menu.is_offered());
    assert!(notes.menus.lock().unwrap().is_empty());
    // SAFETY: as above.
    unsafe { controller.setComponentHandler(ptr::null_mut()) };
}
