//! Mien: another voice, and another feeling, on the voice that comes in. CLAP and VST3.
//!
//! * [`params`]: what a host can automate, and what is saved.
//! * [`realtime`]: the audio thread's side.
//! * [`engine`]: the thread that converts, and the one that loads.
//! * [`editor`]: the panel.
//! * [`param_menu`]: the host's menu of a parameter; [`clap_entry`](mod@clap_entry) finds it in CLAP,
//!   [`vst3_entry`] in VST3.
//! * [`instance`]: all of them together, whatever hosts them.
//! * [`shared`]: what they all know.
//!
//! Arrows run one way: editor → params and shared; realtime → rings; engine → rings and the face of
//! the engine library. This library never links libtorch, so that a host's scan costs nothing.

pub mod clap_entry;
pub mod editor;
pub mod engine;
pub mod files;
pub mod instance;
pub mod param_menu;
pub mod params;
pub mod priority;
pub mod realtime;
pub mod shared;
pub mod vst3_entry;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nice_plug::prelude::*;

pub use clap_entry::clap_entry;
use editor::PanelEditor;
use instance::{Instance, Stream};
use param_menu::ParamMenu;
use realtime::processor::Mode;
use realtime::{Plan, Processor};

/// How long an activation for an offline render waits for the engine.
const LOAD_LIMIT: Duration = Duration::from_secs(60);

/// How long the first VST3 activation waits for the engine. There the mode cannot be known yet
/// (nice-plug 0.4.2 stores it after the buffer configuration), and a bounce must not start dry.
const FIRST_VST3_LIMIT: Duration = Duration::from_secs(5);

/// Asks the main thread for the menu of [`ParamMenu::ask`].
pub struct ShowMenu;

/// The plugin.
pub struct Mien {
    instance: Instance,
    menu: Arc<ParamMenu>,
    processor: Option<Processor>,
    mode: Mode,
    /// What the present latency was planned for.
    delay_mode: params::DelayMode,
    restart_asked: bool,
}

impl Default for Mien {
    fn default() -> Self {
        Self {
            instance: Instance::default(),
            menu: param_menu::menu_of_this_instance(),
            processor: None,
            mode: Mode::Realtime,
            delay_mode: params::DelayMode::Low,
            restart_asked: false,
        }
    }
}

impl Plugin for Mien {
    const NAME: &'static str = "Mien";
    const VENDOR: &'static str = "Mien";
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[
        layout("Stereo", 2, 2),
        layout("Mono", 1, 1),
        layout("Mono to stereo", 1, 2),
    ];

    type Editor = PanelEditor;
    type SysExMessage = ();
    type BackgroundTask = ShowMenu;

    fn task_executor(&mut self) -> TaskExecutor<Self> {
        let menu = self.menu.clone();
        Box::new(move |ShowMenu| {
            // The framework has this called by the host, which no panic may reach.
            let _ = catch_unwind(AssertUnwindSafe(|| menu.arrived()));
        })
    }

    fn params(&self) -> Arc<dyn Params> {
        self.instance.params.clone()
    }

    fn editor(&mut self, executor: AsyncExecutor<Self>) -> Option<Self::Editor> {
        self.menu
            .keep_post(Arc::new(move || executor.execute_gui(ShowMenu)));
        editor::create(
            self.instance.params.clone(),
            self.instance.shared.clone(),
            self.instance.remote.clone(),
            self.menu.clone(),
            None,
        )
    }

    fn activate(
        &mut self,
        layout: &AudioIOLayout,
        config: &BufferConfig,
        context: &mut impl ActivateContext<Self>,
    ) -> bool {
        self.mode = match config.process_mode {
            ProcessMode::Offline => Mode::Offline,
            ProcessMode::Realtime | ProcessMode::Buffered => Mode::Realtime,
        };
        self.delay_mode = self.instance.params.delay_mode.value();
        let stream = Stream {
            rate: config.sample_rate.round().max(1.0) as u32,
            block: config.max_buffer_size,
            inputs: layout.main_input_channels.map_or(1, NonZeroU32::get) as usize,
            mode: self.mode,
        };
        let made = self.instance.start().and_then(|first| {
            let processor = self.instance.processor(stream)?;
            Ok((first, processor))
        });
        let (first, processor) = match made {
            Ok(made) => made,
            Err(error) => {
                nice_error!("{error}");
                // The panel says what to do about it.
                self.instance.shared.plan.store(Plan {
                    rate: stream.rate,
                    block: config.max_buffer_size,
                    ..Plan::default()
                });
                return false;
            }
        };
        let latency = processor.plan().total();
        self.processor = Some(processor);
        self.restart_asked = false;
        let api = context.plugin_api();
        if self.mode == Mode::Offline {
            self.instance.wait_ready(LOAD_LIMIT);
        } else if first && api == PluginApi::Vst3 {
            self.instance.wait_ready(FIRST_VST3_LIMIT);
        }
        context.set_latency_samples(latency);
        true
    }

    fn reset(&mut self) {
        if let Some(processor) = &mut self.processor {
            processor.reset(&self.instance.params);
        }
    }

    fn process(
        &mut self,
        buffer: &mut Buffer,
        _aux: &mut AuxiliaryBuffers,
        context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        let Some(processor) = &mut self.processor else {
            return ProcessStatus::Error("Mien is asked to process before it was activated");
        };
        processor.process(buffer.as_slice(), &self.instance.params, self.mode);
        // A latency may only change around an activation, so one is asked for, once.
        let longer = self.instance.shared.converter_delay.load(Ordering::Relaxed)
            > processor.plan().converter;
        if !self.restart_asked
            && (longer || self.instance.params.delay_mode.value() != self.delay_mode)
        {
            self.restart_asked = true;
            context.request_restart();
        }
        // The voice goes on for the latency after the input fell silent.
        ProcessStatus::Tail(processor.plan().total())
    }

    fn deactivate(&mut self) {
        self.processor = None;
    }
}

impl ClapPlugin for Mien {
    const CLAP_ID: &'static str = "org.mien.mien";
    const CLAP_DESCRIPTION: Option<&'static str> =
        Some("Another voice, and another feeling, on the voice that comes in");
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] = &[
        ClapFeature::AudioEffect,
        ClapFeature::PitchShifter,
        ClapFeature::Mono,
        ClapFeature::Stereo,
    ];
}

impl Vst3Plugin for Mien {
    const VST3_CLASS_ID: [u8; 16] = *b"MienVoiceAndFace";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] =
        &[Vst3SubCategory::Fx, Vst3SubCategory::PitchShift];
}

/// An audio layout with a main input and a main output.
const fn layout(name: &'static str, inputs: u32, outputs: u32) -> AudioIOLayout {
    AudioIOLayout {
        main_input_channels: NonZeroU32::new(inputs),
        main_output_channels: NonZeroU32::new(outputs),
        names: PortNames {
            layout: Some(name),
            ..PortNames::const_default()
        },
        ..AudioIOLayout::const_default()
    }
}
