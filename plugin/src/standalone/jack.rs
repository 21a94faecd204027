//! Mien in JACK's graph: one client with an input, two outputs, two monitors that are only heard
//! while one listens to oneself, and an input for MIDI controllers. Its clock is the graph's, so
//! nothing needs a bridge.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jack::jack_sys;

use jack::{
    AsyncClient, AudioIn, AudioOut, Client, ClientOptions, ClientStatus, Control, Frames, MidiIn,
    NotificationHandler, Port, PortFlags, ProcessHandler, ProcessScope,
};
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use super::chain::Chain;
use super::volume::Fader;

/// Name of the client.
const CLIENT: &str = "Mien";
/// JACK's name for sound, among port types.
const AUDIO: &str = "32 bit float mono audio";
/// JACK's name for MIDI, among port types.
const MIDI: &str = "8 bit raw midi";
/// Messages of controllers that may wait for the host's thread: more than a knob sends meanwhile.
const CONTROLLERS: usize = 256;

/// A client that does not run yet.
pub struct Joined(Client);

impl Joined {
    /// Joins the graph. No server is started for it.
    ///
    /// # Errors
    /// Text for people.
    pub fn new() -> Result<Self, String> {
        jack::set_logger(jack::LoggerType::None);
        let (client, _) = Client::new(CLIENT, ClientOptions::NO_START_SERVER)
            .map_err(|_| "JACK does not run. Start it (or PipeWire with pipewire-jack).")?;
        Ok(Self(client))
    }

    /// The graph's sample rate in Hz.
    pub fn rate(&self) -> u32 {
        self.0.sample_rate()
    }

    /// The graph's buffer in samples.
    pub fn buffer(&self) -> u32 {
        self.0.buffer_size()
    }

    /// Runs the chain. `inputs` are ports to listen to; where there are none, the first microphone.
    ///
    /// # Errors
    /// Text for people.
    pub fn run(self, chain: Chain, fader: Fader, inputs: &[String]) -> Result<Jack, String> {
        let client = self.0;
        let failed = |error: jack::Error| format!("JACK refuses Mien's ports: {error}");
        let output = |name: &str| client.register_port(name, AudioOut::default());
        let changed = Arc::new(AtomicBool::new(false));
        let (controllers, heard) = HeapRb::new(CONTROLLERS).split();
        let process = Process {
            midi: client
                .register_port("midi_in", MidiIn::default())
                .map_err(failed)?,
            controllers,
            input: client
                .register_port("input", AudioIn::default())
                .map_err(failed)?,
            outputs: [
                output("output_1").map_err(failed)?,
                output("output_2").map_err(failed)?,
            ],
            monitors: [
                output("monitor_1").map_err(failed)?,
                output("monitor_2").map_err(failed)?,
            ],
            chain,
            fader,
            buffer: client.buffer_size(),
            changed: changed.clone(),
        };
        let notices = Notices {
            changed: changed.clone(),
        };
        let latency = Box::new(Latency {
            input: process.input.raw(),
            outputs: [&process.outputs[0], &process.outputs[1]].map(Port::raw),
            samples: process.chain.processor.plan().total(),
        });
        let told: *const Latency = &raw const *latency;
        // SAFETY: the client is not active yet, as JACK asks for. What the callback reads lives in
        // [`Jack`], which ends the client before it.
        unsafe {
            jack_sys::jack_set_latency_callback(
                client.raw(),
                Some(report_latency),
                told.cast_mut().cast::<c_void>(),
            );
        }
        let client = client
            .activate_async(notices, process)
            .map_err(|error| format!("JACK refuses Mien: {error}"))?;
        let jack = Jack {
            client,
            changed,
            controllers: heard,
            _latency: latency,
        };
        let microphones = jack.physical(PortFlags::IS_OUTPUT);
        let wanted = match inputs {
            [] => microphones.get(..1).unwrap_or_default(),
            named => named,
        };
        for port in wanted {
            let _ = jack.connect(port, &jack.own("input"));
        }
        Ok(jack)
    }
}

/// A running client. Dropping it leaves the graph.
pub struct Jack {
    client: AsyncClient<Notices, Process>,
    changed: Arc<AtomicBool>,
    controllers: HeapCons<[u8; 3]>,
    /// For the callback; after the client, which must end first.
    _latency: Box<Latency>,
}

/// What JACK is told of the delay between the input and the outputs. The crate has a way to tell it,
/// but none to be asked.
struct Latency {
    input: *mut jack_sys::jack_port_t,
    outputs: [*mut jack_sys::jack_port_t; 2],
    samples: u32,
}

// SAFETY: the pointers are handles of JACK's, which may be used from any thread.
unsafe impl Send for Latency {}

/// JACK asks, whenever the graph changes: how old is what comes out (`JackCaptureLatency`), and how long
/// does it take what comes in to be heard?
///
/// # Safety
/// `told` is a [`Latency`] whose ports exist.
unsafe extern "C" fn report_latency(
    mode: jack_sys::jack_latency_callback_mode_t,
    told: *mut c_void,
) {
    // SAFETY: as promised; the ranges outlive the calls.
    unsafe {
        let told = &*told.cast::<Latency>();
        let range = |port| {
            let mut range = jack_sys::jack_latency_range_t { min: 0, max: 0 };
            jack_sys::jack_port_get_latency_range(port, mode, &mut range);
            (range.min, range.max)
        };
        let set = |port, (min, max): (u32, u32)| {
            let mut range = jack_sys::jack_latency_range_t {
                min: min + told.samples,
                max: max + told.samples,
            };
            jack_sys::jack_port_set_latency_range(port, mode, &mut range);
        };
        if mode == jack_sys::JackCaptureLatency {
            let heard = range(told.input);
            told.outputs.iter().for_each(|&port| set(port, heard));
        } else {
            let [(low, high), (other_low, other_high)] = told.outputs.map(range);
            set(told.input, (low.min(other_low), high.max(other_high)));
        }
    }
}

impl Jack {
    /// Whether the server went away or changed its buffer, so that all must be opened again.
    pub fn has_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    /// Connects the monitors to the system's output.
    pub fn listen(&self) {
        let outputs = self.physical(PortFlags::IS_INPUT);
        for (name, output) in ["monitor_1", "monitor_2"].iter().zip(&outputs) {
            let _ = self.connect(&self.own(name), output);
        }
    }

    /// What controllers sent since the last call, in its order.
    pub fn controllers(&mut self) -> impl Iterator<Item = [u8; 3]> {
        self.controllers.pop_iter()
    }

    /// The ports that MIDI comes from.
    pub fn midi_ports(&self) -> Vec<String> {
        let client = self.client.as_client();
        client.ports(None, Some(MIDI), PortFlags::IS_OUTPUT)
    }

    /// Listens to the controllers of this port; it may be connected already.
    pub fn hear(&self, port: &str) {
        let _ = self.connect(port, &self.own("midi_in"));
    }

    /// Listens to them no more.
    pub fn unhear(&self, port: &str) {
        let client = self.client.as_client();
        let _ = client.disconnect_ports_by_name(port, &self.own("midi_in"));
    }

    fn own(&self, port: &str) -> String {
        format!("{}:{port}", self.client.as_client().name())
    }

    fn physical(&self, direction: PortFlags) -> Vec<String> {
        let flags = PortFlags::IS_PHYSICAL | direction;
        self.client.as_client().ports(None, Some(AUDIO), flags)
    }

    fn connect(&self, from: &str, to: &str) -> Result<(), jack::Error> {
        self.client.as_client().connect_ports_by_name(from, to)
    }
}

struct Process {
    midi: Port<MidiIn>,
    controllers: HeapProd<[u8; 3]>,
    input: Port<AudioIn>,
    outputs: [Port<AudioOut>; 2],
    monitors: [Port<AudioOut>; 2],
    chain: Chain,
    fader: Fader,
    buffer: Frames,
    changed: Arc<AtomicBool>,
}

impl ProcessHandler for Process {
    fn process(&mut self, _: &Client, scope: &ProcessScope) -> Control {
        for event in self.midi.iter(scope) {
            // Controllers' messages have three bytes. What does not fit is lost: the knob's next
            // place comes soon.
            if let &[status, controller, value] = event.bytes {
                let _ = self.controllers.try_push([status, controller, value]);
            }
        }
        let [left, right] = &mut self.outputs;
        let left = left.as_mut_slice(scope);
        self.chain.process(Some(self.input.as_slice(scope)), left);
        right.as_mut_slice(scope).copy_from_slice(left);
        let [first, second] = &mut self.monitors;
        let first = first.as_mut_slice(scope);
        first.copy_from_slice(left);
        self.fader.apply(first);
        second.as_mut_slice(scope).copy_from_slice(first);
        Control::Continue
    }

    fn buffer_size(&mut self, _: &Client, size: Frames) -> Control {
        // The chain takes any length, but its delay was planned for another.
        if size != self.buffer {
            self.changed.store(true, Ordering::Relaxed);
        }
        Control::Continue
    }
}

struct Notices {
    changed: Arc<AtomicBool>,
}

impl NotificationHandler for Notices {
    // SAFETY: one store, which may be done in a signal handler.
    unsafe fn shutdown(&mut self, _: ClientStatus, _: &str) {
        self.changed.store(true, Ordering::Relaxed);
    }
}
