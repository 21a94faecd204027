//! What the host gets for a plugin: all interfaces of the framework's object, in one of our own that
//! has the framework's inside.
//!
//! It is a whole object with its own count of references, not a stand-in beside another: whichever
//! interface a host asks for, it comes from here. The calls go on to the framework as plain calls of
//! functions, which the compiler can put in line; for the audio thread nothing is added.

use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use nice_plug::wrapper::vst3::Wrapper;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::ChannelContext::IInfoListenerTrait;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::*;
use nice_plug::wrapper::vst3::vst3::Steinberg::{
    FIDString, FUnknown, IBStream, IPlugView, IPluginBaseTrait, TBool, TUID, int16, int32,
    kResultOk, tresult, uint32,
};
use nice_plug::wrapper::vst3::vst3::{Class, ComRef};

use super::menu::{View, Vst3Host};
use crate::Mien;
use crate::param_menu::{ParamMenu, making};

/// One instance.
pub(super) struct Object {
    framework: ManuallyDrop<Wrapper<Mien>>,
    pub(super) menu: Arc<ParamMenu>,
    view: View,
}

impl Class for Object {
    /// Those of the framework's object, in its order.
    type Interfaces = <Wrapper<Mien> as Class>::Interfaces;
}

impl Object {
    pub(super) fn new() -> Self {
        let menu = Arc::<ParamMenu>::default();
        Self {
            framework: ManuallyDrop::new(making(&menu, Wrapper::new)),
            menu,
            view: View::default(),
        }
    }

    /// A host came, or went.
    fn meet(&self, handler: Option<ComRef<IComponentHandler>>) {
        let menus = handler.and_then(|handler| handler.cast::<IComponentHandler3>());
        match (menus, self.menu.post()) {
            (Some(menus), Some(post)) => {
                let host = Vst3Host::new(menus, self.view.clone(), post, self.ids());
                self.menu.attach(Box::new(host));
            }
            _ => self.menu.detach(),
        }
    }

    /// The parameters' numbers, in the order in which the framework lists them.
    pub(super) fn ids(&self) -> Arc<[ParamID]> {
        // SAFETY: it is called as by a host, which may ask that at any time.
        let count = unsafe { self.framework.getParameterCount() };
        let id = |index| {
            let mut info = MaybeUninit::<ParameterInfo>::zeroed();
            // SAFETY: as above; zeros are what a host hands over, too.
            let told = unsafe { self.framework.getParameterInfo(index, info.as_mut_ptr()) };
            // SAFETY: numbers and letters may be zero, so it is whole whatever the framework wrote.
            (told == kResultOk).then(|| unsafe { info.assume_init() }.id)
        };
        (0..count).map_while(id).collect()
    }

    /// Nothing of the host's is held from now on.
    fn forget_host(&self) {
        self.menu.detach();
        self.view.put(None);
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // The host let go of the last reference, and no panic may reach it. The framework's object
        // panics at its end where a thread of its own did before, as in hosts without a run loop.
        let _ = catch_unwind(AssertUnwindSafe(|| self.forget_host()));
        let framework = &mut self.framework;
        // SAFETY: this is the end, and nobody looks at it afterwards.
        let _ = catch_unwind(AssertUnwindSafe(|| unsafe {
            ManuallyDrop::drop(framework);
        }));
    }
}

/// Functions of an interface that the framework answers.
macro_rules! hand_on {
    ($interface:ident; $(fn $name:ident($($word:ident: $kind:ty),* $(,)?) -> $answer:ty;)*) => {
        $(
            unsafe fn $name(&self, $($word: $kind),*) -> $answer {
                // SAFETY: the host made its promises for this very function of the framework's.
                unsafe { $interface::$name(&*self.framework, $($word),*) }
            }
        )*
    };
}

impl IPluginBaseTrait for Object {
    hand_on! { IPluginBaseTrait;
        fn initialize(context: *mut FUnknown) -> tresult;
    }

    unsafe fn terminate(&self) -> tresult {
        let _ = catch_unwind(AssertUnwindSafe(|| self.forget_host()));
        // SAFETY: as for all calls that are handed on.
        unsafe { self.framework.terminate() }
    }
}

impl IComponentTrait for Object {
    hand_on! { IComponentTrait;
        fn getControllerClassId(class_id: *mut TUID) -> tresult;
        fn setIoMode(mode: IoMode) -> tresult;
        fn getBusCount(kind: MediaType, dir: BusDirection) -> int32;
        fn getBusInfo(kind: MediaType, dir: BusDirection, index: int32, bus: *mut BusInfo) -> tresult;
        fn getRoutingInfo(in_info: *mut RoutingInfo, out_info: *mut RoutingInfo) -> tresult;
        fn activateBus(kind: MediaType, dir: BusDirection, index: int32, state: TBool) -> tresult;
        fn setActive(state: TBool) -> tresult;
        fn setState(state: *mut IBStream) -> tresult;
        fn getState(state: *mut IBStream) -> tresult;
    }
}

impl IEditControllerTrait for Object {
    hand_on! { IEditControllerTrait;
        fn setComponentState(state: *mut IBStream) -> tresult;
        fn setState(state: *mut IBStream) -> tresult;
        fn getState(state: *mut IBStream) -> tresult;
        fn getParameterCount() -> int32;
        fn getParameterInfo(param_index: int32, info: *mut ParameterInfo) -> tresult;
        fn getParamStringByValue(id: ParamID, value_normalized: ParamValue, string: *mut String128) -> tresult;
        fn getParamValueByString(id: ParamID, string: *mut TChar, value_normalized: *mut ParamValue) -> tresult;
        fn normalizedParamToPlain(id: ParamID, value_normalized: ParamValue) -> ParamValue;
        fn plainParamToNormalized(id: ParamID, plain_value: ParamValue) -> ParamValue;
        fn getParamNormalized(id: ParamID) -> ParamValue;
        fn setParamNormalized(id: ParamID, value: ParamValue) -> tresult;
    }

    unsafe fn setComponentHandler(&self, handler: *mut IComponentHandler) -> tresult {
        // SAFETY: the host hands over a handler, or none.
        let given = unsafe { ComRef::from_raw(handler) };
        let _ = catch_unwind(AssertUnwindSafe(|| self.meet(given)));
        // SAFETY: as for all calls that are handed on.
        unsafe { self.framework.setComponentHandler(handler) }
    }

    unsafe fn createView(&self, name: FIDString) -> *mut IPlugView {
        // SAFETY: as for all calls that are handed on.
        let view = unsafe { self.framework.createView(name) };
        // SAFETY: the framework made a view, or none. It is the host's; we take a reference of our own.
        let ours = unsafe { ComRef::from_raw(view) }.map(|view| view.to_com_ptr());
        let _ = catch_unwind(AssertUnwindSafe(|| self.view.put(ours)));
        view
    }
}

impl IAudioProcessorTrait for Object {
    hand_on! { IAudioProcessorTrait;
        fn setBusArrangements(inputs: *mut SpeakerArrangement, num_ins: int32, outputs: *mut SpeakerArrangement, num_outs: int32) -> tresult;
        fn getBusArrangement(dir: BusDirection, index: int32, arr: *mut SpeakerArrangement) -> tresult;
        fn canProcessSampleSize(symbolic_sample_size: int32) -> tresult;
        fn getLatencySamples() -> uint32;
        fn setupProcessing(setup: *mut ProcessSetup) -> tresult;
        fn setProcessing(state: TBool) -> tresult;
        fn process(data: *mut ProcessData) -> tresult;
        fn getTailSamples() -> uint32;
    }
}

impl IMidiMappingTrait for Object {
    hand_on! { IMidiMappingTrait;
        fn getMidiControllerAssignment(bus_index: int32, channel: int16, midi_controller_number: CtrlNumber, id: *mut ParamID) -> tresult;
    }
}

impl INoteExpressionControllerTrait for Object {
    hand_on! { INoteExpressionControllerTrait;
        fn getNoteExpressionCount(bus_index: int32, channel: int16) -> int32;
        fn getNoteExpressionInfo(bus_index: int32, channel: int16, note_expression_index: int32, info: *mut NoteExpressionTypeInfo) -> tresult;
        fn getNoteExpressionStringByValue(bus_index: int32, channel: int16, id: NoteExpressionTypeID, value_normalized: NoteExpressionValue, string: *mut String128) -> tresult;
        fn getNoteExpressionValueByString(bus_index: int32, channel: int16, id: NoteExpressionTypeID, string: *const TChar, value_normalized: *mut NoteExpressionValue) -> tresult;
    }
}

impl IProcessContextRequirementsTrait for Object {
    hand_on! { IProcessContextRequirementsTrait;
        fn getProcessContextRequirements() -> uint32;
    }
}

impl IUnitInfoTrait for Object {
    hand_on! { IUnitInfoTrait;
        fn getUnitCount() -> int32;
        fn getUnitInfo(unit_index: int32, info: *mut UnitInfo) -> tresult;
        fn getProgramListCount() -> int32;
        fn getProgramListInfo(list_index: int32, info: *mut ProgramListInfo) -> tresult;
        fn getProgramName(list_id: ProgramListID, program_index: int32, name: *mut String128) -> tresult;
        fn getProgramInfo(list_id: ProgramListID, program_index: int32, attribute_id: CString, attribute_value: *mut String128) -> tresult;
        fn hasProgramPitchNames(list_id: ProgramListID, program_index: int32) -> tresult;
        fn getProgramPitchName(list_id: ProgramListID, program_index: int32, midi_pitch: int16, name: *mut String128) -> tresult;
        fn getSelectedUnit() -> UnitID;
        fn selectUnit(unit_id: UnitID) -> tresult;
        fn getUnitByBus(kind: MediaType, dir: BusDirection, bus_index: int32, channel: int32, unit_id: *mut UnitID) -> tresult;
        fn setUnitProgramData(list_or_unit_id: int32, program_index: int32, data: *mut IBStream) -> tresult;
    }
}

impl IInfoListenerTrait for Object {
    hand_on! { IInfoListenerTrait;
        fn setChannelContextInfos(list: *mut IAttributeList) -> tresult;
    }
}
