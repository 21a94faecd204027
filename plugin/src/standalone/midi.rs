//! MIDI controllers that move parameters: learned, forgotten, remembered.
//!
//! The MIDI system calls back on a thread of its own, which sets the parameters at once; they are
//! atomics. That thread and the host's share the map. Where the sound goes through JACK, controllers
//! come through it as well, and the host's thread hands them over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use midir::{Ignore, MidiInput, MidiInputConnection};
use mien::params::MienParams;
use mien::shared::Shared;
use mien_panel::{MidiBinding, ParamId, ParamKind};

use super::jack::Jack;

/// Name of the program to other MIDI programs.
const CLIENT: &str = "Mien";
/// Status byte of a control change on channel 1.
const CONTROL_CHANGE: u8 = 0xB0;

/// Which controller moves what, and which parameter waits for one.
#[derive(Default)]
struct Map {
    bindings: Vec<MidiBinding>,
    learning: Option<ParamId>,
    /// Set when the map was changed by a controller that was learned.
    changed: bool,
}

impl Map {
    /// Takes a message; gives the parameter to move and where to, 0 to 127.
    fn take(&mut self, message: &[u8]) -> Vec<(ParamId, u8)> {
        let &[status, controller, value] = message else {
            return Vec::new();
        };
        // Controllers from 120 on are the standard's channel modes (all notes off, …).
        if status & 0xF0 != CONTROL_CHANGE || controller >= 120 {
            return Vec::new();
        }
        let channel = (status & 0x0F) + 1;
        if let Some(param) = self.learning.take() {
            // One controller per parameter, and one parameter per controller.
            self.bindings.retain(|held| {
                held.param != param && (held.channel, held.controller) != (channel, controller)
            });
            self.bindings.push(MidiBinding {
                param,
                channel,
                controller,
            });
            self.changed = true;
        }
        let bound = self
            .bindings
            .iter()
            .filter(|held| (held.channel, held.controller) == (channel, controller));
        bound.map(|held| (held.param, value.min(127))).collect()
    }
}

/// The plain value for a controller's position. The middle of the range is at 64, so that a control
/// whose neutral place is there can be brought to it exactly. `voices` is the number of voices that
/// there are.
fn plain(param: ParamId, position: u8, voices: usize) -> f32 {
    let spec = param.spec();
    let position = f32::from(position);
    let share = if position <= 64.0 {
        position / 128.0
    } else {
        0.5 + (position - 64.0) / 126.0
    };
    match spec.kind {
        ParamKind::Bool => f32::from(position >= 64.0),
        ParamKind::Choice(words) => (share * words.len() as f32)
            .min(words.len() as f32 - 1.0)
            .floor(),
        ParamKind::Int => {
            let last = if param == ParamId::Voice && voices > 0 {
                (voices as f32 - 1.0).min(spec.max)
            } else {
                spec.max
            };
            (spec.min + share * (last - spec.min)).round()
        }
        ParamKind::Float => spec.min + share * (spec.max - spec.min),
    }
}

/// Moves what a controller moves.
#[derive(Clone)]
struct Hand {
    map: Arc<Mutex<Map>>,
    params: Arc<MienParams>,
    shared: Arc<Shared>,
}

impl Hand {
    fn hear(&self, message: &[u8]) {
        for (param, position) in lock(&self.map).take(message) {
            let slow = self.shared.slow();
            let voices = slow.pack.as_ref().map_or(0, |pack| pack.voices.len());
            drop(slow);
            self.params.set(param, plain(param, position, voices));
        }
    }
}

/// The MIDI side of the standalone.
pub struct Midi {
    hand: Hand,
    connection: Option<MidiInputConnection<()>>,
    /// Name of the input that is wanted, connected or not; empty for none.
    wanted: String,
    inputs: Vec<String>,
}

impl Midi {
    /// Nothing connected yet.
    pub fn new(params: Arc<MienParams>, shared: Arc<Shared>, bindings: Vec<MidiBinding>) -> Self {
        let map = Map {
            bindings,
            ..Map::default()
        };
        Self {
            hand: Hand {
                map: Arc::new(Mutex::new(map)),
                params,
                shared,
            },
            connection: None,
            wanted: String::new(),
            inputs: Vec::new(),
        }
    }

    /// Uses this input; empty for none. One that is not there is waited for.
    pub fn choose(&mut self, input: &str, jack: Option<&Jack>) {
        self.connection = None;
        if let Some(jack) = jack.filter(|_| !self.wanted.is_empty()) {
            jack.unhear(&self.wanted);
        }
        self.wanted = input.to_owned();
        self.look(jack);
    }

    /// Looks which inputs there are, and connects the wanted one when it comes (back). Tells what
    /// changed, in words.
    pub fn look(&mut self, jack: Option<&Jack>) -> Option<String> {
        let words = self.look_at_system();
        let Some(jack) = jack else { return words };
        let ports = jack.midi_ports();
        if ports.contains(&self.wanted) {
            jack.hear(&self.wanted);
        }
        self.inputs.extend(ports);
        words
    }

    fn look_at_system(&mut self) -> Option<String> {
        let client = system_has_midi().then(|| MidiInput::new(CLIENT));
        let Some(Ok(mut client)) = client else {
            (self.inputs, self.connection) = (Vec::new(), None);
            return None;
        };
        client.ignore(Ignore::All);
        let ports = client.ports();
        let names: Vec<String> = ports
            .iter()
            .map(|port| client.port_name(port).unwrap_or_default())
            .collect();
        self.inputs = names
            .iter()
            .filter(|name| !name.is_empty())
            .cloned()
            .collect();
        let found = names.iter().position(|name| *name == self.wanted);
        let Some(found) = found.filter(|_| !self.wanted.is_empty()) else {
            let lost = self.connection.take().is_some();
            return lost.then(|| format!("{} is gone. Mien waits for it.", self.wanted));
        };
        if self.connection.is_some() {
            return None;
        }
        let hand = self.hand.clone();
        let heard = move |_time: u64, message: &[u8], _: &mut ()| hand.hear(message);
        match client.connect(&ports[found], CLIENT, heard, ()) {
            Ok(connection) => {
                self.connection = Some(connection);
                None
            }
            Err(error) => Some(format!("{} cannot be opened: {error}", self.wanted)),
        }
    }

    /// A message that came another way than from the system.
    pub fn hear(&self, message: &[u8]) {
        self.hand.hear(message);
    }

    /// The next controller that moves is to move this parameter; `None` stops waiting.
    pub fn learn(&mut self, param: Option<ParamId>) {
        lock(&self.hand.map).learning = param;
    }

    /// No controller moves this parameter any more.
    pub fn forget(&mut self, param: ParamId) {
        let mut map = lock(&self.hand.map);
        map.bindings.retain(|held| held.param != param);
        map.changed = true;
    }

    /// The map, where it changed since the last call.
    pub fn changed(&mut self) -> Option<Vec<MidiBinding>> {
        let mut map = lock(&self.hand.map);
        std::mem::take(&mut map.changed).then(|| map.bindings.clone())
    }

    /// Fills in what the panel shows.
    pub fn show(&self, state: &mut mien_panel::Standalone) {
        let map = lock(&self.hand.map);
        state.midi_inputs.clone_from(&self.inputs);
        if !self.wanted.is_empty() && !self.inputs.contains(&self.wanted) {
            // An input that is unplugged stays the chosen one.
            state.midi_inputs.push(self.wanted.clone());
        }
        state.midi_input.clone_from(&self.wanted);
        state.midi_map.clone_from(&map.bindings);
        state.midi_learning = map.learning;
    }
}

/// ALSA's library complains on the terminal each time that it is asked in vain.
fn system_has_midi() -> bool {
    !cfg!(target_os = "linux") || std::path::Path::new("/dev/snd/seq").exists()
}

fn lock(map: &Mutex<Map>) -> MutexGuard<'_, Map> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_is_learned_moves_and_is_forgotten() {
        let mut map = Map::default();
        assert!(map.take(&[0xB2, 7, 100]).is_empty());
        map.learning = Some(ParamId::Mix);
        // A note is no controller, and does not end the wait.
        assert!(map.take(&[0x92, 60, 100]).is_empty());
        assert_eq!(map.take(&[0xB2, 7, 100]), [(ParamId::Mix, 100)]);
        assert!(map.learning.is_none() && map.changed);
        assert_eq!(map.take(&[0xB2, 7, 0]), [(ParamId::Mix, 0)]);
        assert!(map.take(&[0xB3, 7, 0]).is_empty());
        // The same knob for something else moves only that.
        map.learning = Some(ParamId::Pitch);
        assert_eq!(map.take(&[0xB2, 7, 64]), [(ParamId::Pitch, 64)]);
        assert_eq!(map.bindings.len(), 1);
    }

    #[test]
    fn channel_modes_and_cut_messages_are_left_alone() {
        let mut map = Map {
            learning: Some(ParamId::Mix),
            ..Map::default()
        };
        for message in [&[0xB0, 123, 0][..], &[0xB0, 1], &[], &[0xF8]] {
            assert!(map.take(message).is_empty());
        }
        assert!(map.learning.is_some());
    }

    #[test]
    fn positions_cover_the_range_and_the_middle_is_exact() {
        for spec in &mien_panel::PARAMS {
            if spec.param != ParamId::Voice {
                assert_eq!(plain(spec.param, 0, 3), spec.min, "{}", spec.id);
                assert_eq!(plain(spec.param, 127, 3), spec.max, "{}", spec.id);
            }
        }
        assert_eq!(plain(ParamId::Pitch, 64, 0), 0.0);
        assert_eq!(plain(ParamId::Bypass, 63, 0), 0.0);
        assert_eq!(plain(ParamId::Bypass, 64, 0), 1.0);
        // The last of three voices, not the last that a host could automate.
        assert_eq!(plain(ParamId::Voice, 127, 3), 2.0);
        assert_eq!(plain(ParamId::Voice, 64, 3), 1.0);
    }
}
