//! A CLAP host in this process, so that the test owns the audio thread. What cannot be done fails
//! the test.

use std::time::{Duration, Instant};

use mien_host::{EntryDescriptor, Player, Plugin, PluginEntry, RenderMode};

pub use mien_host::Param;

/// A loaded instance of the plugin.
pub struct Host {
    plugin: Plugin,
    player: Option<Player>,
    /// What the next block is to set.
    changes: Vec<(String, f64)>,
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
        // SAFETY: the entry is a CLAP entry; clack and the plugin use the same bindings to CLAP.
        let entry = unsafe {
            let descriptor = &*(&raw const mien::clap_entry).cast::<EntryDescriptor>();
            PluginEntry::load_from_raw(descriptor, c"/test/mien.clap").expect("load the entry")
        };
        Self::of(&entry)
    }

    /// An instance of the plugin of an entry.
    pub fn of(entry: &PluginEntry) -> Self {
        Self {
            plugin: Plugin::new(entry).expect("an instance"),
            player: None,
            changes: Vec::new(),
            channels: 2,
            rate: 48_000,
        }
    }

    /// Activates for blocks of up to `block` samples, and starts processing.
    pub fn activate(&mut self, rate: u32, block: u32, mode: RenderMode) -> &mut Self {
        self.deactivate();
        self.plugin.set_mode(mode).expect("set the render mode");
        self.player = Some(self.plugin.activate(rate, block).expect("activate"));
        self.rate = rate;
        self
    }

    /// Stops processing and deactivates.
    pub fn deactivate(&mut self) {
        if let Some(player) = self.player.take() {
            self.plugin.deactivate(player);
        }
    }

    /// The latency that the plugin reports, in samples.
    pub fn latency(&mut self) -> usize {
        self.plugin.latency().expect("a latency")
    }

    /// How often the plugin asked for a restart.
    pub fn restarts(&self) -> usize {
        self.plugin.asked(|asked| asked.restarts())
    }

    /// Has the plugin forget what it heard, as a host does when the transport jumps.
    pub fn reset(&mut self) {
        self.player.as_mut().expect("an active plugin").reset();
    }

    /// Every parameter.
    pub fn params(&mut self) -> Vec<Param> {
        self.plugin.params().expect("parameters")
    }

    /// Sets a parameter (plain, as the host sees it) with the next block.
    pub fn set(&mut self, name: &str, value: f64) -> &mut Self {
        self.changes.push((name.into(), value));
        self
    }

    /// A parameter's value, plain.
    pub fn get(&mut self, name: &str) -> f64 {
        self.plugin.get(name).expect("a value")
    }

    /// A value of a parameter in words.
    pub fn text(&mut self, name: &str, value: f64) -> String {
        self.plugin.text(name, value).expect("words")
    }

    /// The plugin's state.
    pub fn save(&mut self) -> Vec<u8> {
        self.plugin.save().expect("save")
    }

    /// Restores a state.
    pub fn load(&mut self, bytes: &[u8]) {
        self.plugin.load(bytes).expect("load");
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
        let player = self.player.as_mut().expect("an active plugin");
        for (name, value) in self.changes.drain(..) {
            let id = self.plugin.param(&name).expect("a parameter").id;
            player.set(id, value);
        }
        player.block(&mut inputs, &mut outputs).expect("process");
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
