//! A CLAP host in this process, so that the test owns the audio thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clack_extensions::latency::{HostLatency, HostLatencyImpl, PluginLatency};
use clack_extensions::params::{ParamInfoBuffer, PluginParams};
use clack_extensions::render::{PluginRender, RenderMode};
use clack_extensions::state::PluginState;
use clack_host::entry::EntryDescriptor;
use clack_host::events::event_types::ParamValueEvent;
use clack_host::prelude::*;

/// What the plugin asked the host for.
#[derive(Default)]
pub struct HostShared {
    restarts: AtomicUsize,
}

impl SharedHandler<'_> for HostShared {
    fn request_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }
    fn request_process(&self) {}
    fn request_callback(&self) {}
}

/// The main thread's side.
pub struct HostMain;

impl MainThreadHandler<'_> for HostMain {}

impl HostLatencyImpl for HostMain {
    fn changed(&self) {}
}

/// The host's type.
pub struct TestHost;

impl HostHandlers for TestHost {
    type Shared<'a> = HostShared;
    type MainThread<'a> = HostMain;
    type AudioProcessor<'a> = ();

    fn declare_extensions(builder: &mut HostExtensions<Self>, _shared: &HostShared) {
        builder.register::<HostLatency>();
    }
}

/// A parameter as the plugin lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// The host's identifier of it.
    pub id: ClapId,
    /// Shown name.
    pub name: String,
    /// Range and default, plain.
    pub range: [f64; 3],
}

/// A loaded instance of the plugin.
pub struct Host {
    instance: PluginInstance<TestHost>,
    processor: Option<StartedPluginAudioProcessor<TestHost>>,
    events: EventBuffer,
    channels: usize,
    rate: u32,
}

/// How fast blocks are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as they come back.
    Free,
    /// At the pace of the sound.
    Realtime,
}

impl Host {
    /// An instance of the plugin in this program.
    pub fn new() -> Self {
        // SAFETY: the entry is a CLAP entry; clack and nice-plug use the same bindings to CLAP.
        let entry = unsafe {
            let descriptor = &*(&raw const mien::clap_entry).cast::<EntryDescriptor>();
            PluginEntry::load_from_raw(descriptor, c"/test/mien.clap").expect("load the entry")
        };
        Self::of(&entry)
    }

    /// An instance of the plugin of an entry.
    pub fn of(entry: &PluginEntry) -> Self {
        let factory = entry.get_plugin_factory().expect("a plugin factory");
        let descriptor = factory.plugin_descriptors().next().expect("a plugin");
        let info = HostInfo::new("Mien tests", "Mien", "", "1").expect("host info");
        let id = descriptor.id().expect("an identifier");
        let instance = PluginInstance::<TestHost>::new(
            |()| HostShared::default(),
            |_| HostMain,
            entry,
            id,
            &info,
        );
        Self {
            instance: instance.expect("an instance"),
            processor: None,
            events: EventBuffer::new(),
            channels: 2,
            rate: 48_000,
        }
    }

    /// Activates for blocks of up to `block` samples, and starts processing.
    pub fn activate(&mut self, rate: u32, block: u32, mode: RenderMode) -> &mut Self {
        self.deactivate();
        let render: PluginRender = self
            .instance
            .plugin_handle()
            .get_extension()
            .expect("the render extension");
        render
            .set(&self.instance.plugin_handle(), mode)
            .expect("set the render mode");
        let configuration = PluginAudioConfiguration {
            sample_rate: f64::from(rate),
            min_frames_count: 1,
            max_frames_count: block,
        };
        let processor = self
            .instance
            .activate(|_, _| (), configuration)
            .expect("activate");
        self.processor = Some(processor.start_processing().expect("start"));
        self.rate = rate;
        self
    }

    /// Stops processing and deactivates.
    pub fn deactivate(&mut self) {
        if let Some(processor) = self.processor.take() {
            self.instance.deactivate(processor.stop_processing());
        }
    }

    /// The latency that the plugin reports, in samples.
    pub fn latency(&mut self) -> usize {
        let latency: PluginLatency = self
            .instance
            .plugin_handle()
            .get_extension()
            .expect("the latency extension");
        latency.get(&self.instance.plugin_handle()) as usize
    }

    /// How often the plugin asked for a restart.
    pub fn restarts(&self) -> usize {
        self.instance
            .access_shared_handler(|shared| shared.restarts.load(Ordering::Relaxed))
    }

    /// Has the plugin forget what it heard, as a host does when the transport jumps.
    pub fn reset(&mut self) {
        self.processor.as_mut().expect("an active plugin").reset();
    }

    /// Every parameter.
    pub fn params(&mut self) -> Vec<Param> {
        let handle = self.instance.plugin_handle();
        let params: PluginParams = handle.get_extension().expect("the params extension");
        let mut buffer = ParamInfoBuffer::new();
        (0..params.count(&handle))
            .map(|index| {
                let info = params
                    .get_info(&handle, index, &mut buffer)
                    .expect("a parameter");
                let name = info
                    .name
                    .split(|&byte| byte == 0)
                    .next()
                    .unwrap_or_default();
                Param {
                    id: info.id,
                    name: String::from_utf8_lossy(name).into_owned(),
                    range: [info.min_value, info.max_value, info.default_value],
                }
            })
            .collect()
    }

    fn param(&mut self, name: &str) -> Param {
        let found = self.params().into_iter().find(|param| param.name == name);
        found.unwrap_or_else(|| panic!("there is no parameter {name}"))
    }

    /// Sets a parameter (plain, as the host sees it) with the next block.
    pub fn set(&mut self, name: &str, value: f64) -> &mut Self {
        let id = self.param(name).id;
        self.events
            .push(&ParamValueEvent::new(0, id, Pckn::match_all(), value));
        self
    }

    /// A parameter's value, plain.
    pub fn get(&mut self, name: &str) -> f64 {
        let id = self.param(name).id;
        let handle = self.instance.plugin_handle();
        let params: PluginParams = handle.get_extension().expect("the params extension");
        params.get_value(&handle, id).expect("a value")
    }

    /// A value of a parameter in words.
    pub fn text(&mut self, name: &str, value: f64) -> String {
        let id = self.param(name).id;
        let handle = self.instance.plugin_handle();
        let params: PluginParams = handle.get_extension().expect("the params extension");
        let mut buffer = [0; 256];
        let text = params
            .value_to_text(&handle, id, value, &mut buffer)
            .expect("a text");
        String::from_utf8_lossy(text)
            .trim_end_matches('\0')
            .to_owned()
    }

    /// The plugin's state.
    pub fn save(&mut self) -> Vec<u8> {
        let handle = self.instance.plugin_handle();
        let state: PluginState = handle.get_extension().expect("the state extension");
        let mut bytes = Vec::new();
        state.save(&handle, &mut bytes).expect("save");
        bytes
    }

    /// Restores a state.
    pub fn load(&mut self, bytes: &[u8]) {
        let handle = self.instance.plugin_handle();
        let state: PluginState = handle.get_extension().expect("the state extension");
        state.load(&handle, &mut &*bytes).expect("load");
    }

    /// Sends a mono sound on both channels in blocks of these sizes (repeated), and gives back what
    /// came out on the left one; fails when the right one differs.
    pub fn render(&mut self, input: &[f32], blocks: &[usize], speed: Speed) -> Vec<f32> {
        let mut output = Vec::with_capacity(input.len());
        let mut sizes = blocks.iter().copied().cycle();
        let started = Instant::now();
        while output.len() < input.len() {
            if speed == Speed::Realtime {
                let due = Duration::from_secs_f64(output.len() as f64 / f64::from(self.rate));
                std::thread::sleep((started + due).saturating_duration_since(Instant::now()));
            }
            let size = sizes.next().unwrap_or(64).min(input.len() - output.len());
            let part = &input[output.len()..output.len() + size];
            let done = self.block(part);
            assert_eq!(done[0], done[1], "both channels carry the voice");
            output.extend_from_slice(&done[0]);
        }
        output
    }

    /// Processes one block, the same on all channels.
    pub fn block(&mut self, input: &[f32]) -> Vec<Vec<f32>> {
        let mut inputs = vec![input.to_vec(); self.channels];
        let mut outputs = vec![vec![f32::NAN; input.len()]; self.channels];
        let mut input_ports = AudioPorts::with_capacity(self.channels, 1);
        let mut output_ports = AudioPorts::with_capacity(self.channels, 1);
        let audio_in = input_ports.with_input_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_input_only(
                inputs
                    .iter_mut()
                    .map(|channel| InputChannel::variable(channel.as_mut_slice())),
            ),
        }]);
        let mut audio_out = output_ports.with_output_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_output_only(
                outputs.iter_mut().map(|channel| channel.as_mut_slice()),
            ),
        }]);
        let mut events_out = EventBuffer::new();
        let processor = self.processor.as_mut().expect("an active plugin");
        processor
            .process(
                &audio_in,
                &mut audio_out,
                &self.events.as_input(),
                &mut events_out.as_output(),
                None,
                None,
            )
            .expect("process");
        self.events.clear();
        outputs
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.deactivate();
    }
}
