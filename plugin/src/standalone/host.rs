//! The host's thread: opens devices, carries out what the person does, and keeps watch. It alone owns
//! what can block, so neither the window nor the sound ever waits for a device.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cpal::Device;
use crossbeam::channel::{Receiver, RecvTimeoutError};
use mien::instance::{Instance, Stream};
use mien::params::DelayMode;
use mien::realtime::processor::Mode;
use mien_panel::{Standalone, StandaloneAction, System as Os};

use super::board::{Board, Message};
use super::bridge;
use super::chain::{Chain, Parts};
use super::clock::Clock;
use super::devices::{self, Devices, System};
use super::jack::Joined;
use super::midi::Midi;
use super::options::Options;
use super::player::{Player, Tape, read_aside};
use super::recorder::Recorder;
use super::running::{Driver, Headphones, Pulse, Running};
use super::settings::{self, Settings};
use super::streams::{self, Trouble};
use super::volume::Volume;

/// How often the thread looks around.
const TICK: Duration = Duration::from_millis(40);
/// How often it looks for devices and controllers that come and go.
const LOOK: Duration = Duration::from_secs(2);
/// First and longest pause between attempts to open a device again.
const RETRY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(8)];
/// A device that breaks off sooner than this after it was opened is left alone for a while.
const STABLE: Duration = Duration::from_secs(4);
/// How often changed settings and sounds are written.
const SAVE: Duration = Duration::from_secs(3);
/// A file given on the command line waits for the engine for this long.
const ENGINE: Duration = Duration::from_secs(60);
/// Blocks after a file's end, beyond the delay, until the program ends.
const LAST_BLOCKS: u64 = 4;

/// The state of the host's thread.
pub struct Host {
    instance: Instance,
    board: Board,
    messages: Receiver<Message>,
    /// What is remembered.
    settings: Settings,
    /// What is in use: the same, but for what the command line says.
    session: Settings,
    /// The settings' file as it was written last.
    saved: String,
    system: System,
    devices: Devices,
    rates: Vec<u32>,
    jack_inputs: Vec<String>,
    listening: bool,
    volume: Volume,
    player: Player,
    recorder: Recorder,
    midi: Midi,
    hotkey: &'static str,
    running: Option<Running>,
    generation: u64,
    /// What the delay was planned for.
    delay_mode: DelayMode,
    problem: Option<String>,
    opened_at: Instant,
    retry: Duration,
    retry_at: Instant,
    look_at: Instant,
    save_at: Instant,
    launch: Launch,
}

/// What the command line wants done at the start.
struct Launch {
    tape: Option<Tape>,
    patience: Instant,
    looped: bool,
    quit_at_end: bool,
    /// Number of the block at which the file's end was seen.
    ended: Option<u64>,
    played: bool,
}

impl Host {
    /// Reads what the command line wants. `hotkey` is the bypass's key in words, or empty.
    ///
    /// # Errors
    /// For names and files that are not there; text for people.
    pub fn new(
        instance: Instance,
        settings: Settings,
        options: &Options,
        board: Board,
        messages: Receiver<Message>,
        hotkey: &'static str,
    ) -> Result<Self, String> {
        let mut session = settings.clone();
        let mut system = System::from_name(&session.backend);
        if let Some(word) = &options.backend {
            system = match word.as_str() {
                "auto" => None,
                word => Some(System::from_name(word).ok_or_else(|| unknown_system(word))?),
            };
            // Another system has other devices.
            (session.input, session.output) = (None, String::new());
        }
        let system = system.unwrap_or_else(System::usual);
        let devices = match system {
            System::Native(id) => Devices::of(id).unwrap_or_default(),
            _ => Devices::default(),
        };
        if let Some(name) = &options.input_device {
            session.input = Some(wanted(name, &devices.inputs, "input")?);
        }
        if let Some(name) = &options.output_device {
            session.output = wanted(name, &devices.outputs, "output")?;
        }
        session.rate = options.sample_rate.unwrap_or(session.rate);
        session.buffer = options.period_size.unwrap_or(session.buffer);
        if let Some(name) = &options.midi_input {
            session.midi_input.clone_from(name);
        }
        let tape = options
            .play
            .as_ref()
            .map(|path| Tape::read(path))
            .transpose()?;
        let folder = options.record.clone().unwrap_or_else(settings::recordings);
        let (params, shared) = (instance.params.clone(), instance.shared.clone());
        let now = Instant::now();
        let mut host = Self {
            midi: Midi::new(params, shared, session.bindings()),
            recorder: Recorder::new(folder),
            delay_mode: instance.params.delay_mode.value(),
            instance,
            board,
            messages,
            saved: String::new(),
            settings,
            session,
            system,
            devices,
            rates: Vec::new(),
            jack_inputs: options.connect_jack_inputs.clone(),
            listening: options.listen,
            volume: Volume::default(),
            player: Player::default(),
            hotkey,
            running: None,
            generation: 0,
            problem: None,
            opened_at: now,
            retry: RETRY[0],
            retry_at: now,
            look_at: now,
            save_at: now + SAVE,
            launch: Launch {
                patience: now + ENGINE,
                looped: options.looped,
                quit_at_end: options.quit_at_end,
                ended: None,
                played: false,
                tape,
            },
        };
        host.midi.choose(&host.session.midi_input.clone(), None);
        host.open();
        if options.record.is_some() {
            host.recorder.start()?;
        }
        host.publish();
        Ok(host)
    }

    /// Works until it is told to quit.
    pub fn run(mut self) {
        let begun = Instant::now();
        loop {
            match self.messages.recv_timeout(TICK) {
                Ok(Message::Quit) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(Message::Act(action)) => self.act(action),
                Ok(Message::Tape(Ok(tape))) => self.player.open(tape),
                Ok(Message::Tape(Err(text))) => self.board.say(text),
                Ok(Message::Trouble { generation, text }) if generation == self.generation => {
                    self.lost(&text);
                }
                Ok(Message::Trouble { .. }) | Err(RecvTimeoutError::Timeout) => {}
            }
            self.watch();
            self.publish();
        }
        self.close();
        self.save();
        let dropouts = self.instance.shared.counters.read().dropouts;
        let seconds = begun.elapsed().as_secs();
        eprintln!(
            "mien: {dropouts} dropouts in {}:{:02}.",
            seconds / 60,
            seconds % 60
        );
    }

    fn act(&mut self, action: StandaloneAction) {
        match action {
            StandaloneAction::SetBackend(name) => {
                if let Some(system) = System::from_name(&name) {
                    self.system = system;
                    self.choose(|settings| {
                        settings.backend.clone_from(&name);
                        (settings.input, settings.output) = (None, String::new());
                    });
                    self.open();
                }
            }
            StandaloneAction::SetInput(name) => {
                self.choose(|settings| settings.input = Some(name.clone()));
                self.open();
            }
            StandaloneAction::SetOutput(name) => {
                self.choose(|settings| settings.output.clone_from(&name));
                self.open();
            }
            StandaloneAction::SetRate(rate) => {
                self.choose(|settings| settings.rate = rate);
                self.open();
            }
            StandaloneAction::SetBuffer(buffer) => {
                self.choose(|settings| settings.buffer = buffer);
                self.open();
            }
            StandaloneAction::Reconnect => self.open(),
            StandaloneAction::Listen(on) => self.listen(on),
            StandaloneAction::SetMonitor(db) => {
                self.choose(|settings| settings.monitor_db = db);
                self.set_volume();
            }
            StandaloneAction::StartRecording => {
                if let Err(text) = self.recorder.start() {
                    self.board.say(text);
                }
            }
            StandaloneAction::StopRecording => self.stop_recording(),
            StandaloneAction::OpenFile(path) => self.open_file(path),
            StandaloneAction::Play(on) => self.player.play(on),
            StandaloneAction::Seek(seconds) => self.player.seek(seconds),
            StandaloneAction::Loop(on) => self.player.set_looped(on),
            StandaloneAction::CloseFile => self.player.close(),
            StandaloneAction::SetMidiInput(name) => {
                self.choose(|settings| settings.midi_input.clone_from(&name));
                let jack = self.running.as_ref().and_then(Running::jack);
                self.midi.choose(&name, jack);
            }
            StandaloneAction::MidiLearn(param) => self.midi.learn(param),
            StandaloneAction::MidiForget(param) => self.midi.forget(param),
        }
    }

    /// Changes what is in use and what is remembered.
    fn choose(&mut self, change: impl Fn(&mut Settings)) {
        change(&mut self.session);
        change(&mut self.settings);
    }

    fn open_file(&mut self, path: PathBuf) {
        let done = self.board.sender();
        read_aside(path, move |tape| {
            let _ = done.send(Message::Tape(tape));
        });
    }

    fn stop_recording(&mut self) {
        if let Some(words) = self.recorder.stop() {
            self.board.say(words);
        }
    }

    /// Stops the sound. A recording ends here: what comes next may have another rate and delay.
    fn close(&mut self) {
        self.stop_recording();
        self.running = None;
    }

    /// Opens what is wanted, as far as it is there; a clock stands in for an output that is not.
    fn open(&mut self) {
        self.close();
        self.generation += 1;
        self.problem = None;
        self.delay_mode = self.instance.params.delay_mode.value();
        let opened = match self.system {
            System::Native(id) => match Devices::of(id) {
                Ok(devices) => {
                    self.devices = devices;
                    self.open_native()
                }
                Err(text) => Err(text),
            },
            System::Jack => self.open_jack(),
            System::None => self.open_clock(),
        };
        self.opened_at = Instant::now();
        match opened {
            Ok(()) => {
                if self.problem.is_some() {
                    self.put_off();
                }
                self.sync_headphones();
            }
            Err(text) => self.stand_in(text),
        }
    }

    /// A clock takes over until the devices are there. Who listened will listen again then.
    fn stand_in(&mut self, text: String) {
        self.complain(text);
        self.put_off();
        if let Err(text) = self.open_clock() {
            self.board.say(text);
        }
        self.set_volume();
    }

    /// The next attempt comes later than the last one did.
    fn put_off(&mut self) {
        self.retry_at = Instant::now() + self.retry;
        self.retry = (self.retry * 2).min(RETRY[1]);
    }

    /// A chain, and what is known of it.
    fn chain(&mut self, rate: u32, buffer: u32) -> Result<(Chain, Running), String> {
        let processor = self.instance.processor(Stream {
            rate,
            block: buffer,
            inputs: 1,
            mode: Mode::Realtime,
        })?;
        let plan = processor.plan();
        let blocks = Pulse::new();
        let parts = Parts {
            params: self.instance.params.clone(),
            processor,
            deck: self.player.deck(rate),
            tap: self.recorder.tap(rate, plan.total()),
            beats: blocks.counter(),
        };
        let mut chain = Chain::new(parts, buffer);
        let (writer, ring) = bridge::ring(rate);
        let lost = writer.lost();
        chain.monitor = Some(writer);
        let running = Running {
            driver: Driver::Idle,
            microphone: None,
            headphones: Headphones::Idle(ring, lost),
            rate,
            buffer,
            latency: plan.total(),
            converter: plan.converter,
            blocks,
            heard: Pulse::new(),
        };
        Ok((chain, running))
    }

    fn open_native(&mut self) -> Result<(), String> {
        let input = self.wanted_input()?;
        let output = self.wanted_output()?;
        self.rates = devices::rates(input.as_ref(), output.as_ref());
        let (rate, buffer) = (self.session.rate, self.session.buffer);
        let (mut chain, mut running) = self.chain(rate, buffer)?;
        if let Some(device) = &input {
            let beats = running.heard.counter();
            match streams::input(device, rate, buffer, beats, self.trouble()) {
                Ok((stream, reader)) => {
                    running.microphone = Some(stream);
                    chain.microphone = Some(reader);
                }
                Err(text) => self.complain(format!("The input cannot be opened: {text}.")),
            }
        }
        running.driver = match &output {
            None => Driver::Clock {
                _clock: Clock::start(chain, rate)?,
            },
            Some(device) => Driver::Output {
                _stream: streams::output(device, rate, buffer, chain, self.trouble())
                    .map_err(|text| format!("The output cannot be opened: {text}."))?,
            },
        };
        self.running = Some(running);
        Ok(())
    }

    /// The microphone that is wanted. One that is missing is complained about, and done without.
    fn wanted_input(&mut self) -> Result<Option<Device>, String> {
        let name = match &self.session.input {
            Some(name) if name.is_empty() => return Ok(None),
            Some(name) => Some(name.clone()),
            None => self.devices.usual_input.clone(),
        };
        let device = name
            .as_ref()
            .and_then(|name| self.devices.input(name))
            .cloned();
        if device.is_none() {
            self.complain(match name {
                Some(name) => format!("The input “{name}” is unplugged."),
                None => "No microphone was found. Plug one in, or play a file.".into(),
            });
        }
        Ok(device)
    }

    /// The output that is wanted. Where it is missing the sound would go elsewhere, so this fails.
    fn wanted_output(&self) -> Result<Option<Device>, String> {
        let name = &self.session.output;
        if name.is_empty() {
            return Ok(None);
        }
        match self.devices.output(name) {
            Some(device) => Ok(Some(device.clone())),
            None => Err(format!("The output “{name}” is unplugged.")),
        }
    }

    fn open_jack(&mut self) -> Result<(), String> {
        let joined = Joined::new()?;
        let (rate, buffer) = (joined.rate(), joined.buffer());
        let (mut chain, mut running) = self.chain(rate, buffer)?;
        chain.monitor = None;
        running.headphones = Headphones::Own;
        let fader = self.volume.fader(rate);
        running.driver = Driver::Jack(joined.run(chain, fader, &self.jack_inputs)?);
        self.rates = vec![rate];
        self.running = Some(running);
        Ok(())
    }

    fn open_clock(&mut self) -> Result<(), String> {
        let (rate, buffer) = (self.session.rate, self.session.buffer);
        let (chain, mut running) = self.chain(rate, buffer)?;
        running.driver = Driver::Clock {
            _clock: Clock::start(chain, rate)?,
        };
        self.running = Some(running);
        Ok(())
    }

    fn complain(&mut self, text: String) {
        self.problem = Some(format!("{text} Mien tries again by itself."));
    }

    fn trouble(&self) -> Trouble {
        let (sender, generation) = (self.board.sender(), self.generation);
        Arc::new(move |text| {
            let _ = sender.send(Message::Trouble { generation, text });
        })
    }

    /// A device broke off.
    fn lost(&mut self, text: &str) {
        let words = format!("The sound broke off: {}.", text.trim_end_matches('.'));
        self.board.say(words.clone());
        if self.opened_at.elapsed() > STABLE {
            self.open();
        } else {
            // One that breaks off at once would be opened without end.
            self.close();
            self.generation += 1;
            self.stand_in(words);
        }
    }

    /// Whether the output is the one that the person hears anyway.
    fn output_is_usual(&self) -> bool {
        !self.session.output.is_empty()
            && self.devices.usual_output.as_ref() == Some(&self.session.output)
    }

    fn listen(&mut self, on: bool) {
        self.listening = on;
        if !on && self.output_is_usual() {
            self.choose(|settings| settings.output.clear());
            self.board
                .say("The output is None now. Choose one to send the voice to.".into());
            self.open();
        }
        self.sync_headphones();
    }

    fn set_volume(&self) {
        let level = self.listening.then_some(self.session.monitor_db);
        self.volume.set(level);
    }

    /// Opens the headphones where somebody listens and does not hear the output anyway.
    fn sync_headphones(&mut self) {
        self.set_volume();
        let anyway = self.output_is_usual();
        let wanted = self.listening && !anyway;
        let Some(running) = &mut self.running else {
            return;
        };
        if let (Driver::Jack(jack), true) = (&running.driver, wanted) {
            jack.listen();
        }
        if !wanted || !matches!(running.headphones, Headphones::Idle(..) | Headphones::Spent) {
            return;
        }
        // Looked up anew, for a connection of its own: over one connection, PulseAudio's client
        // (pulseaudio 0.3.2) gets an “Invalid argument” for a second output.
        let fresh = match self.system {
            System::Native(id) => Devices::of(id).unwrap_or_default(),
            _ => Devices::default(),
        };
        let usual = fresh.usual_output.as_ref();
        let Some(device) = usual.and_then(|name| fresh.output(name)).cloned() else {
            self.listening = false;
            self.set_volume();
            self.board.say("There is no output to listen on.".into());
            return;
        };
        let Headphones::Idle(ring, lost) =
            std::mem::replace(&mut running.headphones, Headphones::Spent)
        else {
            // The ring went with an attempt that failed; a new chain brings a new one.
            return self.open();
        };
        let (rate, buffer) = (running.rate, running.buffer);
        let volume = self.volume.clone();
        let fader = move |rate| volume.fader(rate);
        match streams::monitor(&device, rate, buffer, (ring, lost), fader, self.trouble()) {
            Ok(stream) => {
                if let Some(running) = &mut self.running {
                    running.headphones = Headphones::Open { _stream: stream };
                }
            }
            Err(text) => {
                self.listening = false;
                self.set_volume();
                self.board
                    .say(format!("The headphones cannot be opened: {text}."));
            }
        }
    }

    /// Looks whether all is as it should be.
    fn watch(&mut self) {
        let now = Instant::now();
        self.player.tidy();
        self.start_tape(now);
        self.quit_at_end();
        if let Some(words) = self.recorder.poll() {
            self.board.say(words);
        }
        if let Some(Driver::Jack(jack)) = self.running.as_mut().map(|running| &mut running.driver) {
            jack.controllers()
                .for_each(|message| self.midi.hear(&message));
        }
        if let Some(map) = self.midi.changed() {
            self.choose(|settings| settings.set_bindings(&map));
        }
        let asleep = self
            .running
            .as_mut()
            .and_then(|running| running.asleep(now));
        if let Some(text) = asleep {
            self.lost(text);
        }
        if self.must_reopen() {
            self.open();
        }
        if now >= self.look_at {
            self.look_at = now + LOOK;
            let jack = self.running.as_ref().and_then(Running::jack);
            if let Some(words) = self.midi.look(jack) {
                self.board.say(words);
            }
            self.look_for_devices();
        }
        if self.problem.is_some() && now >= self.retry_at {
            if !self.is_back() {
                self.put_off();
            } else {
                self.open();
                if self.problem.is_none() {
                    self.board.say("The sound is back.".into());
                }
            }
        }
        if self.problem.is_none() && now > self.opened_at + STABLE {
            self.retry = RETRY[0];
        }
        if now >= self.save_at {
            self.save_at = now + SAVE;
            self.save();
        }
    }

    /// Whether the delay is to be another, or JACK's server changed.
    fn must_reopen(&self) -> bool {
        let Some(running) = &self.running else {
            return false;
        };
        let changed = matches!(&running.driver, Driver::Jack(jack) if jack.has_changed());
        let converter = self.instance.shared.converter_delay.load(Ordering::Relaxed);
        changed
            || converter > running.converter
            || self.instance.params.delay_mode.value() != self.delay_mode
    }

    /// Sees devices that come and go while all is well: a new one can be chosen, and a stream whose
    /// device went is taken back, because a sound server may have moved it to the loudspeakers.
    /// ALSA's list is not looked at: it opens what it lists.
    fn look_for_devices(&mut self) {
        if self.problem.is_some() {
            return;
        }
        if let System::Native(id) = self.system
            && id.name() != "ALSA"
            && let Ok(devices) = Devices::of(id)
        {
            self.devices = devices;
            let Some(running) = &self.running else { return };
            let output = matches!(running.driver, Driver::Output { .. });
            let input = self.session.input.as_ref();
            let input = input.filter(|name| running.microphone.is_some() && !name.is_empty());
            let gone = if output && self.devices.output(&self.session.output).is_none() {
                Some("the output was unplugged.")
            } else if input.is_some_and(|name| self.devices.input(name).is_none()) {
                Some("the input was unplugged.")
            } else {
                None
            };
            if let Some(text) = gone {
                self.lost(text);
            }
        }
    }

    /// Whether what is missing can be opened again, as far as looking tells.
    fn is_back(&self) -> bool {
        match self.system {
            System::None => true,
            // Joining is the only way to know, and harmless.
            System::Jack => Joined::new().is_ok(),
            System::Native(id) => Devices::of(id).is_ok_and(|devices| {
                let output = &self.session.output;
                let plays = output.is_empty() || devices.output(output).is_some();
                let hears = match &self.session.input {
                    None => devices.usual_input.is_some(),
                    Some(name) => name.is_empty() || devices.input(name).is_some(),
                };
                plays && hears
            }),
        }
    }

    /// Plays the command line's file once the engine is there, so that its start is not heard dry.
    fn start_tape(&mut self, now: Instant) {
        if self.instance.shared.busy() && now < self.launch.patience {
            return;
        }
        if let Some(tape) = self.launch.tape.take() {
            self.player.set_looped(self.launch.looped);
            self.player.open(tape);
            self.launch.played = true;
        }
    }

    /// Ends the program when its file has ended and has left the delay.
    fn quit_at_end(&mut self) {
        if !(self.launch.quit_at_end && self.launch.played && self.player.stopped()) {
            return;
        }
        let Some(running) = &self.running else { return };
        let count = running.blocks.count();
        let tail = u64::from(running.latency / running.buffer.max(1)) + LAST_BLOCKS;
        match self.launch.ended {
            None => self.launch.ended = Some(count),
            Some(ended) if count > ended + tail => self.board.close(),
            Some(_) => {}
        }
    }

    fn save(&mut self) {
        self.settings.sound = Some(settings::sound(&self.instance.params));
        let Ok(text) = serde_json::to_string(&self.settings) else {
            return;
        };
        if text == self.saved {
            return;
        }
        if let Err(words) = self.settings.save()
            && self.saved.is_empty()
        {
            self.board.say(words);
        }
        self.saved = text;
    }

    fn publish(&self) {
        let names = |found: &[devices::Found]| {
            let names = found.iter().map(|found| found.name.clone());
            std::iter::once(String::new())
                .chain(names)
                .collect::<Vec<_>>()
        };
        let running = self.running.as_ref();
        let rate = running.map_or(self.session.rate, |running| running.rate);
        let buffer = running.map_or(self.session.buffer, |running| running.buffer);
        let mut state = Standalone {
            backends: System::all()
                .into_iter()
                .map(|system| system.name().to_owned())
                .collect(),
            backend: self.system.name().to_owned(),
            problem: self.problem.clone(),
            listening: self.listening || self.output_is_usual(),
            monitor_db: self.session.monitor_db,
            recording_s: self.recorder.seconds(),
            recordings: self.recorder.folder().to_owned(),
            player: self.player.state(),
            bypass_hotkey: self.hotkey.to_owned(),
            system: match std::env::consts::OS {
                "macos" => Os::MacOs,
                "windows" => Os::Windows,
                _ => Os::Linux,
            },
            rates: self.rates.clone(),
            buffers: devices::BUFFERS.to_vec(),
            rate,
            buffer,
            ..Standalone::default()
        };
        match self.system {
            System::Native(_) => {
                state.inputs = names(&self.devices.inputs);
                state.outputs = names(&self.devices.outputs);
                let input = self
                    .session
                    .input
                    .as_ref()
                    .or(self.devices.usual_input.as_ref());
                state.input = input.cloned().unwrap_or_default();
                state.output.clone_from(&self.session.output);
            }
            System::Jack => {
                // Ports are connected in the graph, and JACK has the only say on rate and buffer.
                let graph = "in JACK's graph";
                (state.input, state.output) = (graph.into(), graph.into());
                state.buffers = vec![buffer];
            }
            System::None => state.rates = vec![44_100, 48_000, 96_000],
        }
        self.midi.show(&mut state);
        self.board.show(state);
    }
}

/// The device that a name on the command line means.
fn wanted(name: &str, found: &[devices::Found], kind: &str) -> Result<String, String> {
    if name.is_empty() {
        return Ok(String::new());
    }
    devices::meant(name, found).ok_or_else(|| {
        let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
        format!(
            "there is no one {kind} device “{name}”; there are: {}. See `mien live --list-devices`.",
            names.join(", ")
        )
    })
}

fn unknown_system(word: &str) -> String {
    let words: Vec<String> = System::all().into_iter().map(System::word).collect();
    format!(
        "there is no audio system {word}; this build knows auto, {}",
        words.join(", ")
    )
}
