//! A sound file in place of the microphone, so that one can try without one.
//!
//! [`Player`] is held by the host's thread: it has files decoded and hands them over. [`Deck`] is the
//! audio thread's end. What a person does (play, seek, loop) travels through atomics.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use mien::realtime::ramp::Ramp;
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

/// Fade at pauses and jumps, in ms.
const FADE_MS: f32 = 5.0;
/// Clips that can be on their way, in each direction.
const QUEUE: usize = 4;
/// Value of [`Transport::seek`] while nobody asked.
const NOWHERE: i64 = -1;

/// A file that was read: mono, at its own rate.
pub struct Tape {
    name: String,
    samples: Vec<f32>,
    rate: u32,
}

impl Tape {
    /// Reads a file whole. Slow.
    ///
    /// # Errors
    /// Text for people: what is wrong with the file, and what to do.
    pub fn read(path: &Path) -> Result<Self, String> {
        let sound = mien_audio::decode(path).map_err(|error| error.to_string())?;
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            samples: sound.mono(),
            rate: sound.rate,
        })
    }
}

/// The samples at the stream's rate.
struct Clip(Vec<f32>);

/// What both threads see.
struct Transport {
    playing: AtomicBool,
    looped: AtomicBool,
    /// Sample to go to, or [`NOWHERE`].
    seek: AtomicI64,
    /// Sample that is played next.
    position: AtomicU64,
}

/// The host's end.
pub struct Player {
    transport: Arc<Transport>,
    tape: Option<Tape>,
    clip: Option<Arc<Clip>>,
    rate: u32,
    to_deck: Option<HeapProd<Option<Arc<Clip>>>>,
    from_deck: Option<HeapCons<Arc<Clip>>>,
}

impl Default for Player {
    fn default() -> Self {
        Self {
            transport: Arc::new(Transport {
                playing: AtomicBool::new(false),
                looped: AtomicBool::new(false),
                seek: AtomicI64::new(NOWHERE),
                position: AtomicU64::new(0),
            }),
            tape: None,
            clip: None,
            rate: 48_000,
            to_deck: None,
            from_deck: None,
        }
    }
}

impl Player {
    /// The end for the audio thread of a new stream at this rate. The file goes on where it was.
    pub fn deck(&mut self, rate: u32) -> Deck {
        if rate != self.rate {
            let share = f64::from(rate) / f64::from(self.rate);
            let scaled = (self.transport.position.load(Ordering::Relaxed) as f64 * share) as u64;
            self.transport.position.store(scaled, Ordering::Relaxed);
            self.rate = rate;
            self.clip = self.tape.as_ref().map(|tape| clip(tape, rate));
        }
        let (to_deck, incoming) = HeapRb::new(QUEUE).split();
        let (outgoing, from_deck) = HeapRb::new(QUEUE).split();
        (self.to_deck, self.from_deck) = (Some(to_deck), Some(from_deck));
        Deck {
            position: self.transport.position.load(Ordering::Relaxed) as usize,
            transport: self.transport.clone(),
            clip: self.clip.clone(),
            incoming,
            outgoing,
            gain: Ramp::new(0.0, FADE_MS, rate),
        }
    }

    /// Plays this file from its start.
    pub fn open(&mut self, tape: Tape) {
        self.clip = Some(clip(&tape, self.rate));
        self.tape = Some(tape);
        self.hand_over();
        self.seek(0.0);
        self.play(true);
    }

    /// Back to the microphone.
    pub fn close(&mut self) {
        (self.tape, self.clip) = (None, None);
        self.play(false);
        self.hand_over();
    }

    /// Plays or pauses. From the end it starts again.
    pub fn play(&mut self, on: bool) {
        let position = self.transport.position.load(Ordering::Relaxed);
        if on && position >= self.length() as u64 {
            self.seek(0.0);
        }
        self.transport.playing.store(on, Ordering::Release);
    }

    /// Goes to this second.
    pub fn seek(&mut self, seconds: f32) {
        let sample = (f64::from(seconds.max(0.0)) * f64::from(self.rate)) as i64;
        let sample = sample.min(self.length() as i64);
        self.transport.seek.store(sample, Ordering::Release);
    }

    /// Starts again at the end, or stops there.
    pub fn set_looped(&mut self, on: bool) {
        self.transport.looped.store(on, Ordering::Relaxed);
    }

    /// Whether a file that is open has stopped by itself, or was paused.
    pub fn stopped(&self) -> bool {
        self.clip.is_some() && !self.transport.playing.load(Ordering::Acquire)
    }

    /// Drops what the audio thread gave back. Call it now and then.
    pub fn tidy(&mut self) {
        if let Some(from_deck) = &mut self.from_deck {
            from_deck.clear();
        }
    }

    /// What the panel shows.
    pub fn state(&self) -> Option<mien_panel::Player> {
        let tape = self.tape.as_ref()?;
        let seconds = |samples: f64| (samples / f64::from(self.rate)) as f32;
        // A jump that was asked for is shown at once.
        let position = match self.transport.seek.load(Ordering::Relaxed) {
            NOWHERE => self.transport.position.load(Ordering::Relaxed) as f64,
            asked => asked as f64,
        };
        Some(mien_panel::Player {
            name: tape.name.clone(),
            position_s: seconds(position),
            length_s: seconds(self.length() as f64),
            playing: self.transport.playing.load(Ordering::Relaxed),
            looped: self.transport.looped.load(Ordering::Relaxed),
        })
    }

    fn length(&self) -> usize {
        self.clip.as_ref().map_or(0, |clip| clip.0.len())
    }

    fn hand_over(&mut self) {
        self.tidy();
        if let Some(to_deck) = &mut self.to_deck {
            // A full ring means an audio thread that stands still; the next one gets the clip anew.
            let _ = to_deck.try_push(self.clip.clone());
        }
    }
}

fn clip(tape: &Tape, rate: u32) -> Arc<Clip> {
    Arc::new(Clip(mien_audio::resample(&tape.samples, tape.rate, rate)))
}

/// Reads a file on a thread of its own, and hands it to `done`.
pub fn read_aside(path: PathBuf, done: impl FnOnce(Result<Tape, String>) + Send + 'static) {
    std::thread::spawn(move || done(Tape::read(&path)));
}

/// The audio thread's end.
pub struct Deck {
    transport: Arc<Transport>,
    clip: Option<Arc<Clip>>,
    position: usize,
    incoming: HeapCons<Option<Arc<Clip>>>,
    /// Clips are dropped by the host's thread, which can free memory.
    outgoing: HeapProd<Arc<Clip>>,
    gain: Ramp,
}

impl Deck {
    /// Writes the file's next samples; `false`, and nothing written, where the microphone is to be
    /// heard. Real-time safe.
    pub fn render(&mut self, output: &mut [f32]) -> bool {
        self.exchange();
        let Some(clip) = &self.clip else { return false };
        let samples = &clip.0;
        let transport = &self.transport;
        let mut playing = transport.playing.load(Ordering::Acquire);
        let mut seek = transport.seek.load(Ordering::Acquire);
        for sample in output {
            if seek != NOWHERE && (self.gain.value() == 0.0 || self.position >= samples.len()) {
                self.position = seek as usize;
                self.gain.jump(0.0);
                let _ = transport.seek.compare_exchange(
                    seek,
                    NOWHERE,
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                );
                seek = NOWHERE;
            }
            if playing && seek == NOWHERE && self.position >= samples.len() {
                if transport.looped.load(Ordering::Relaxed) && !samples.is_empty() {
                    self.position = 0;
                } else {
                    playing = false;
                    transport.playing.store(false, Ordering::Release);
                }
            }
            if playing && seek == NOWHERE && self.position == 0 {
                // A file's first samples are its own; there is nothing to fade in from.
                self.gain.jump(1.0);
            }
            self.gain.set(f32::from(playing && seek == NOWHERE));
            let gain = self.gain.advance();
            *sample = match samples.get(self.position) {
                Some(value) if gain > 0.0 => {
                    self.position += 1;
                    value * gain
                }
                _ => {
                    self.gain.jump(0.0);
                    0.0
                }
            };
        }
        transport
            .position
            .store(self.position as u64, Ordering::Relaxed);
        true
    }

    fn exchange(&mut self) {
        while self.outgoing.vacant_len() > 0 {
            let Some(new) = self.incoming.try_pop() else {
                return;
            };
            let old = std::mem::replace(&mut self.clip, new);
            self.position = 0;
            self.gain.jump(0.0);
            if let Some(old) = old {
                let _ = self.outgoing.try_push(old);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tape(length: usize) -> Tape {
        Tape {
            name: "a.wav".into(),
            samples: (1..=length).map(|i| i as f32).collect(),
            rate: 1000,
        }
    }

    fn playing(length: usize) -> (Player, Deck) {
        let mut player = Player::default();
        let deck = player.deck(1000);
        player.open(tape(length));
        (player, deck)
    }

    #[test]
    fn a_file_plays_to_its_end_sample_by_sample_and_stops() {
        let (mut player, mut deck) = playing(10);
        let mut block = [9.0; 8];
        assert!(deck.render(&mut block));
        assert_eq!(block, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert!((player.state().unwrap().position_s - 0.008).abs() < 1e-6);
        deck.render(&mut block);
        assert_eq!(block, [9.0, 10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert!(player.stopped());
        // Play again starts at the beginning.
        player.play(true);
        deck.render(&mut block);
        assert_eq!(block[..2], [1.0, 2.0]);
    }

    #[test]
    fn a_loop_has_no_gap() {
        let (mut player, mut deck) = playing(3);
        player.set_looped(true);
        let mut block = [0.0; 7];
        deck.render(&mut block);
        assert_eq!(block, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0]);
    }

    #[test]
    fn a_jump_fades_out_and_in() {
        let (mut player, mut deck) = playing(1000);
        let mut block = [0.0; 20];
        deck.render(&mut block);
        player.seek(0.5);
        assert!((player.state().unwrap().position_s - 0.5).abs() < 1e-6);
        deck.render(&mut block);
        let silent = block.iter().position(|&x| x == 0.0);
        assert!(silent.is_some_and(|at| at <= 6), "{block:?}");
        assert!(block[19] > 500.0 && block[19] < 520.0, "{block:?}");
    }

    #[test]
    fn a_pause_is_silence_and_closing_gives_the_microphone_back() {
        let (mut player, mut deck) = playing(1000);
        let mut block = [0.0; 20];
        deck.render(&mut block);
        player.play(false);
        deck.render(&mut block);
        assert!(deck.render(&mut block));
        assert_eq!(block, [0.0; 20]);
        let held = player.state().unwrap().position_s;
        deck.render(&mut block);
        assert_eq!(player.state().unwrap().position_s, held);
        player.close();
        assert!(!deck.render(&mut block));
        assert_eq!(player.state(), None);
    }

    #[test]
    fn another_rate_keeps_the_place() {
        let (mut player, mut deck) = playing(1000);
        deck.render(&mut [0.0; 500]);
        let mut deck = player.deck(2000);
        let state = player.state().unwrap();
        assert!((state.position_s - 0.5).abs() < 1e-3 && (state.length_s - 1.0).abs() < 1e-3);
        let mut block = [0.0; 40];
        assert!(deck.render(&mut block));
        assert!((block[39] - 520.0).abs() < 3.0, "{}", block[39]);
    }

    #[test]
    fn a_file_that_is_no_sound_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        std::fs::write(&path, "hello").unwrap();
        let error = Tape::read(&path).err().unwrap();
        assert!(error.contains("a.wav"), "{error}");
    }
}
