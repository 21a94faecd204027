//! A CLAP host that plays: a thread sends a sound through the plugin at the pace of a sound card.

use anyhow::{Context, Result, anyhow};
use mien_host::{Asked, ClapId, GuiSize, Menu, Player, Plugin, PluginEntry, Touch, Touched};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::host::Host;

/// Blocks to a second.
const BLOCKS: u32 = 100;

/// A plugin that plays.
pub struct ClapHost {
    plugin: Plugin,
    rate: u32,
    sound: Arc<Vec<f32>>,
    playing: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    changes: mpsc::Sender<(ClapId, f64)>,
    touches: (mpsc::Sender<Touched>, mpsc::Receiver<Touched>),
    restarts: usize,
    audio: Option<JoinHandle<Player>>,
}

impl ClapHost {
    /// Loads a plugin and plays `sound` (mono, at `rate` Hz) through it. A plugin that does not
    /// switch on at that rate stays off, and its window can be opened still.
    pub fn new(file: &Path, rate: u32, sound: Vec<f32>) -> Result<Self> {
        // SAFETY: loading a library runs its code; it is the plugin that is to be looked at.
        let entry = unsafe { PluginEntry::load(file) }
            .map_err(|error| anyhow!("{}: {error}", file.display()))?;
        let mut host = Self {
            plugin: Plugin::new(&entry)?,
            rate,
            sound: Arc::new(sound),
            playing: Arc::new(AtomicBool::new(true)),
            stop: Arc::default(),
            changes: mpsc::channel().0,
            touches: mpsc::channel(),
            restarts: 0,
            audio: None,
        };
        if let Err(error) = host.start() {
            println!("{error}");
        }
        Ok(host)
    }

    fn start(&mut self) -> Result<()> {
        let player = self.plugin.activate(self.rate, self.rate / BLOCKS)?;
        let (sender, changes) = mpsc::channel();
        self.changes = sender;
        self.stop = Arc::default();
        let track = Track {
            sound: self.sound.clone(),
            playing: self.playing.clone(),
            stop: self.stop.clone(),
            changes,
            touches: self.touches.0.clone(),
        };
        let block = (self.rate / BLOCKS) as usize;
        let thread = std::thread::Builder::new().name("host audio".into());
        self.audio = Some(thread.spawn(move || track.play(player, block))?);
        Ok(())
    }

    fn halt(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Ok(player)) = self.audio.take().map(JoinHandle::join) {
            self.plugin.deactivate(player);
        }
    }
}

impl Host for ClapHost {
    fn play(&mut self, on: bool) -> Result<()> {
        self.playing.store(on, Ordering::Relaxed);
        Ok(())
    }

    fn set(&mut self, name: &str, value: f64) -> Result<()> {
        let id = self.plugin.param(name)?.id;
        Ok(self.changes.send((id, value))?)
    }

    fn get(&mut self, name: &str) -> Result<f64> {
        self.plugin.get(name)
    }

    fn param(&mut self, name: &str) -> Result<u32> {
        Ok(self.plugin.param(name)?.id.get())
    }

    /// JSON after the framework's few bytes, in which texts lie that are JSON again.
    fn state(&mut self) -> Result<String> {
        let bytes = self.plugin.save()?;
        let text = String::from_utf8_lossy(&bytes).replace('\\', "");
        let start = text.find('{').unwrap_or_default();
        Ok(text[start..].to_owned())
    }

    fn take_touches(&mut self) -> Vec<(u32, Touch)> {
        let touches = self.touches.1.try_iter();
        touches.map(|it| (it.param.get(), it.touch)).collect()
    }

    fn menu(&mut self) -> Result<(String, [i32; 2])> {
        let menus = self.plugin.take_menus();
        let [
            Menu {
                param: Some(id),
                place,
            },
        ] = menus[..]
        else {
            anyhow::bail!("the host was asked for {menus:?}");
        };
        let params = self.plugin.params()?;
        let param = params.into_iter().find(|param| param.id == id);
        Ok((param.context("a menu of no parameter")?.name, place))
    }

    fn open(&mut self) -> Result<[u32; 2]> {
        Ok(extent(self.plugin.open()?))
    }

    fn embed(&mut self, window: u32) -> Result<()> {
        // SAFETY: the window stays until `close`.
        unsafe { self.plugin.embed(window) }
    }

    fn resize(&mut self, [width, height]: [u32; 2]) -> Result<[u32; 2]> {
        Ok(extent(self.plugin.resize(GuiSize { width, height })?))
    }

    fn close(&mut self) -> Result<()> {
        self.plugin.close()
    }

    fn idle(&mut self) -> Result<Option<[u32; 2]>> {
        self.plugin.idle();
        let restarts = self.plugin.asked(Asked::restarts);
        if std::mem::replace(&mut self.restarts, restarts) != restarts {
            self.halt();
            self.start()?;
        }
        Ok(self.plugin.asked(Asked::take_size).map(extent))
    }

    fn end(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

fn extent(size: GuiSize) -> [u32; 2] {
    [size.width, size.height]
}

impl Drop for ClapHost {
    fn drop(&mut self) {
        self.halt();
    }
}

/// What the audio thread plays, and what it hears of.
struct Track {
    sound: Arc<Vec<f32>>,
    playing: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    changes: mpsc::Receiver<(ClapId, f64)>,
    touches: mpsc::Sender<Touched>,
}

impl Track {
    /// Plays until it is told to stop, one block each 10 ms.
    fn play(self, mut player: Player, block: usize) -> Player {
        let mut inputs = vec![vec![0.0_f32; block]; 2];
        let mut outputs = vec![vec![0.0_f32; block]; 2];
        let (mut at, mut due) = (0, Instant::now());
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            due += Duration::from_millis(10);
            let silent = self.sound.is_empty() || !self.playing.load(Ordering::Relaxed);
            for index in 0..block {
                let sample = if silent {
                    0.0
                } else {
                    self.sound[at % self.sound.len()]
                };
                at += usize::from(!silent);
                inputs
                    .iter_mut()
                    .for_each(|channel| channel[index] = sample);
            }
            let changes = self.changes.try_iter();
            changes.for_each(|(param, value)| player.set(param, value));
            // A plugin that failed falls silent, and the panel says so.
            let _ = player.block(&mut inputs, &mut outputs);
            player.touched().for_each(|touched| {
                let _ = self.touches.send(touched);
            });
        }
        player
    }
}
