//! A CLAP host with a window: a thread that plays a sound through the plugin at the pace of a sound
//! card, and the main thread that the plugin may call back to.

use anyhow::{Context, Result, anyhow};
use clack_extensions::gui::{
    GuiApiType, GuiConfiguration, GuiSize, HostGui, HostGuiImpl, PluginGui, Window as ClapWindow,
};
use clack_extensions::latency::{HostLatency, HostLatencyImpl};
use clack_extensions::params::{ParamInfoBuffer, PluginParams};
use clack_host::events::event_types::ParamValueEvent;
use clack_host::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Blocks to a second.
const BLOCKS: u32 = 100;

/// What the plugin asked for.
#[derive(Default)]
pub struct Asked {
    callback: AtomicBool,
    restart: AtomicBool,
    /// A size, packed, or 0.
    size: AtomicU64,
}

impl SharedHandler<'_> for Asked {
    fn request_restart(&self) {
        self.restart.store(true, Ordering::Relaxed);
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

struct Main;
impl MainThreadHandler<'_> for Main {}
impl HostLatencyImpl for Main {
    fn changed(&self) {}
}

struct WindowHost;
impl HostHandlers for WindowHost {
    type Shared<'a> = Asked;
    type MainThread<'a> = Main;
    type AudioProcessor<'a> = ();
    fn declare_extensions(builder: &mut HostExtensions<Self>, _: &Asked) {
        builder.register::<HostLatency>().register::<HostGui>();
    }
}

/// A plugin that plays.
pub struct Host {
    instance: PluginInstance<WindowHost>,
    gui: PluginGui,
    rate: u32,
    sound: Arc<Vec<f32>>,
    playing: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    events: mpsc::Sender<ParamValueEvent>,
    audio: Option<JoinHandle<StartedPluginAudioProcessor<WindowHost>>>,
}

impl Host {
    /// Loads a plugin and plays `sound` (mono, at `rate` Hz) through it. A plugin that does not
    /// switch on at that rate stays off, and its window can be opened still.
    pub fn new(file: &Path, rate: u32, sound: Vec<f32>) -> Result<Self> {
        // SAFETY: loading a library runs its code; it is the plugin that is to be looked at.
        let entry = unsafe { PluginEntry::load(file) }
            .map_err(|error| anyhow!("{}: {error}", file.display()))?;
        let factory = entry.get_plugin_factory().context("no plugin factory")?;
        let descriptor = factory.plugin_descriptors().next().context("no plugin")?;
        let id = descriptor.id().context("the plugin has no identifier")?;
        let info = HostInfo::new("Mien window", "Mien", "", "1")?;
        let mut instance =
            PluginInstance::<WindowHost>::new(|()| Asked::default(), |_| Main, &entry, id, &info)
                .map_err(|error| anyhow!("{error}"))?;
        let gui = instance
            .plugin_handle()
            .get_extension()
            .context("the plugin has no window")?;
        let mut host = Self {
            instance,
            gui,
            rate,
            sound: Arc::new(sound),
            playing: Arc::new(AtomicBool::new(true)),
            stop: Arc::default(),
            events: mpsc::channel().0,
            audio: None,
        };
        if let Err(error) = host.start() {
            println!("{error}");
        }
        Ok(host)
    }

    fn start(&mut self) -> Result<()> {
        let configuration = PluginAudioConfiguration {
            sample_rate: f64::from(self.rate),
            min_frames_count: 1,
            max_frames_count: self.rate / BLOCKS,
        };
        let processor = self
            .instance
            .activate(|_, _| (), configuration)
            .map_err(|error| anyhow!("the plugin does not switch on: {error}"))?;
        let processor = processor
            .start_processing()
            .map_err(|error| anyhow!("the plugin does not start: {error}"))?;
        let (sender, events) = mpsc::channel();
        self.events = sender;
        self.stop = Arc::default();
        let (sound, playing, stop) = (self.sound.clone(), self.playing.clone(), self.stop.clone());
        let block = (self.rate / BLOCKS) as usize;
        let thread = std::thread::Builder::new().name("host audio".into());
        let work = move || play(processor, block, &sound, &playing, &stop, &events);
        self.audio = Some(thread.spawn(work)?);
        Ok(())
    }

    fn halt(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Ok(processor)) = self.audio.take().map(JoinHandle::join) {
            self.instance.deactivate(processor.stop_processing());
        }
    }

    /// Lets the sound through, or silence.
    pub fn play(&self, on: bool) {
        self.playing.store(on, Ordering::Relaxed);
    }

    /// Moves a parameter, as automation does.
    pub fn set(&mut self, name: &str, value: f64) -> Result<()> {
        let handle = self.instance.plugin_handle();
        let params: PluginParams = handle.get_extension().context("no parameters")?;
        let mut buffer = ParamInfoBuffer::new();
        let id = (0..params.count(&handle)).find_map(|index| {
            let info = params.get_info(&handle, index, &mut buffer)?;
            let text = info.name.split(|&byte| byte == 0).next()?;
            (text == name.as_bytes()).then_some(info.id)
        });
        let id = id.with_context(|| format!("there is no parameter {name}"))?;
        let event = ParamValueEvent::new(0, id, Pckn::match_all(), value);
        Ok(self.events.send(event)?)
    }

    /// Opens the plugin's window; gives its size.
    pub fn open(&mut self) -> Result<GuiSize> {
        let configuration = GuiConfiguration {
            api_type: GuiApiType::X11,
            is_floating: false,
        };
        let handle = self.instance.plugin_handle();
        self.gui
            .create(&handle, configuration)
            .map_err(|error| anyhow!("{error}"))?;
        self.gui.get_size(&handle).context("the window has no size")
    }

    /// Puts the plugin's window into this one.
    pub fn embed(&mut self, window: u32) -> Result<()> {
        let handle = self.instance.plugin_handle();
        let parent = ClapWindow::from_x11_handle(window.into());
        // SAFETY: the window stays until `close`.
        unsafe { self.gui.set_parent(&handle, parent) }.map_err(|error| anyhow!("{error}"))?;
        self.gui.show(&handle).map_err(|error| anyhow!("{error}"))
    }

    /// Offers the plugin's window a size; gives the one that it takes.
    pub fn resize(&mut self, width: u32, height: u32) -> Result<GuiSize> {
        let handle = self.instance.plugin_handle();
        let size = self
            .gui
            .adjust_size(&handle, GuiSize { width, height })
            .context("the window keeps its size")?;
        self.gui
            .set_size(&handle, size)
            .map_err(|error| anyhow!("{error}"))?;
        Ok(size)
    }

    /// Closes the plugin's window.
    pub fn close(&mut self) {
        self.gui.destroy(&self.instance.plugin_handle());
    }

    /// Does what the plugin asked the main thread for; gives a size that it wants its window to have.
    pub fn idle(&mut self) -> Result<Option<GuiSize>> {
        let asked = |of: fn(&Asked) -> &AtomicBool, instance: &PluginInstance<WindowHost>| {
            instance.access_shared_handler(|shared| of(shared).swap(false, Ordering::Relaxed))
        };
        if asked(|shared| &shared.callback, &self.instance) {
            self.instance.call_on_main_thread_callback();
        }
        if asked(|shared| &shared.restart, &self.instance) {
            self.halt();
            self.start()?;
        }
        let size = self
            .instance
            .access_shared_handler(|shared| shared.size.swap(0, Ordering::Relaxed));
        Ok((size > 0).then(|| GuiSize::unpack_from_u64(size)))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.halt();
    }
}

/// Plays until it is told to stop, one block each 10 ms.
fn play(
    mut processor: StartedPluginAudioProcessor<WindowHost>,
    block: usize,
    sound: &[f32],
    playing: &AtomicBool,
    stop: &AtomicBool,
    changes: &mpsc::Receiver<ParamValueEvent>,
) -> StartedPluginAudioProcessor<WindowHost> {
    let mut input_ports = AudioPorts::with_capacity(2, 1);
    let mut output_ports = AudioPorts::with_capacity(2, 1);
    let mut events = EventBuffer::new();
    let mut events_out = EventBuffer::new();
    let mut inputs = vec![vec![0.0_f32; block]; 2];
    let mut outputs = vec![vec![0.0_f32; block]; 2];
    let (mut at, mut due) = (0, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        due += Duration::from_millis(10);
        for index in 0..block {
            let silent = sound.is_empty() || !playing.load(Ordering::Relaxed);
            let sample = if silent { 0.0 } else { sound[at % sound.len()] };
            at += usize::from(!silent);
            inputs
                .iter_mut()
                .for_each(|channel| channel[index] = sample);
        }
        events.clear();
        changes.try_iter().for_each(|change| events.push(&change));
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
        events_out.clear();
        let _ = processor.process(
            &audio_in,
            &mut audio_out,
            &events.as_input(),
            &mut events_out.as_output(),
            None,
            None,
        );
    }
    processor
}
