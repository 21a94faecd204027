//! The sound devices, by the names that people see.

use cpal::traits::{DeviceTrait, HostTrait};
use cpal::{Device, HostId};

/// Sample rates that are offered, in Hz, where the devices can do them.
const RATES: [u32; 6] = [22_050, 44_100, 48_000, 88_200, 96_000, 192_000];

/// Buffer sizes that are offered, in samples.
pub const BUFFERS: [u32; 7] = [32, 64, 128, 256, 512, 1024, 2048];

/// Names of ALSA that are no devices: one takes everything at once, and as a clock it would run a
/// thousand times too fast; the others are plugins to put before a device.
const ALSA_NO_DEVICES: [&str; 9] = [
    "null",
    "jack",
    "lavrate",
    "oss",
    "samplerate",
    "speex",
    "speexrate",
    "upmix",
    "vdownmix",
];

/// An audio system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// One that the `cpal` crate knows.
    Native(HostId),
    /// JACK, as one client with ports for the graph.
    Jack,
    /// No sound card: a clock drives the sound, so that files can be played and recorded.
    None,
}

impl System {
    /// All that this build knows, the usual ones first.
    pub fn all() -> Vec<Self> {
        let native = cpal::ALL_HOSTS.iter().map(|&id| Self::Native(id));
        native.chain([Self::Jack, Self::None]).collect()
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native(id) => id.name(),
            Self::Jack => "JACK",
            Self::None => "No sound card",
        }
    }

    /// Its name on the command line.
    pub fn word(self) -> String {
        match self {
            Self::None => "dummy".into(),
            other => plain(other.name()),
        }
    }

    /// The one with this name, or this word of the command line.
    pub fn from_name(name: &str) -> Option<Self> {
        let wanted = plain(name);
        Self::all()
            .into_iter()
            .find(|system| system.word() == wanted || plain(system.name()) == wanted)
    }

    /// The best one that answers: the system's own sound server before bare devices. JACK is left to
    /// those who choose it, because its graph is theirs to connect.
    pub fn usual() -> Self {
        let hosts = cpal::ALL_HOSTS.iter().copied();
        hosts
            .filter(|&id| cpal::available_hosts().contains(&id))
            .find(|&id| Devices::of(id).is_ok())
            .map_or(Self::None, Self::Native)
    }
}

fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// A device that was found.
pub struct Found {
    /// Its name, different from all others of its direction.
    pub name: String,
    /// The device.
    pub device: Device,
}

/// The devices of one system at one moment.
#[derive(Default)]
pub struct Devices {
    /// Those to listen to.
    pub inputs: Vec<Found>,
    /// Those to play on.
    pub outputs: Vec<Found>,
    /// Name of the usual input.
    pub usual_input: Option<String>,
    /// Name of the usual output.
    pub usual_output: Option<String>,
}

impl Devices {
    /// Looks.
    ///
    /// # Errors
    /// When the system does not answer; text for people.
    pub fn of(id: HostId) -> Result<Self, String> {
        let silent = |error: cpal::Error| format!("{} does not answer ({error}).", id.name());
        let host = cpal::host_from_id(id).map_err(silent)?;
        let found: Vec<Device> = host.devices().map_err(silent)?.collect();
        let inputs = named(found.iter().filter(|device| hears(id, device)));
        let outputs = named(found.iter().filter(|device| plays(id, device)));
        let name = |usual: Option<Device>, among: &[Found]| {
            let usual = usual?;
            let same = among.iter().find(|found| same(&found.device, &usual));
            same.map(|found| found.name.clone())
        };
        Ok(Self {
            usual_input: name(host.default_input_device(), &inputs),
            usual_output: name(host.default_output_device(), &outputs),
            inputs,
            outputs,
        })
    }

    /// The input with this name.
    pub fn input(&self, name: &str) -> Option<&Device> {
        find(&self.inputs, name)
    }

    /// The output with this name.
    pub fn output(&self, name: &str) -> Option<&Device> {
        find(&self.outputs, name)
    }
}

/// The name that `text` means: a whole name, or the only one that holds it.
pub fn meant(text: &str, names: &[Found]) -> Option<String> {
    let text = text.to_lowercase();
    let whole = names.iter().find(|found| found.name.to_lowercase() == text);
    let mut parts = names
        .iter()
        .filter(|found| found.name.to_lowercase().contains(&text));
    let part = parts.next().filter(|_| parts.next().is_none());
    whole.or(part).map(|found| found.name.clone())
}

fn find<'a>(among: &'a [Found], name: &str) -> Option<&'a Device> {
    let found = among.iter().find(|found| found.name == name);
    found.map(|found| &found.device)
}

fn same(a: &Device, b: &Device) -> bool {
    match (a.id(), b.id()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// ALSA would open each device to answer, and says so on the terminal when it cannot; what its names
/// tell must do.
fn hears(id: HostId, device: &Device) -> bool {
    match id.name() {
        "ALSA" => told(device).is_some_and(|told| told.supports_input()),
        _ => device.supports_input(),
    }
}

fn plays(id: HostId, device: &Device) -> bool {
    match id.name() {
        "ALSA" => told(device).is_some_and(|told| told.supports_output()),
        _ => device.supports_output(),
    }
}

fn told(device: &Device) -> Option<cpal::DeviceDescription> {
    let plugin = device
        .id()
        .is_ok_and(|id| ALSA_NO_DEVICES.contains(&id.id()));
    device.description().ok().filter(|_| !plugin)
}

/// Devices with names that differ.
fn named<'a>(devices: impl Iterator<Item = &'a Device>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for device in devices {
        let Ok(description) = device.description() else {
            continue;
        };
        let mut name = description.name().to_owned();
        if found.iter().any(|other| other.name == name)
            && let Ok(id) = device.id()
        {
            name = format!("{name} ({})", id.id());
        }
        found.push(Found {
            name,
            device: device.clone(),
        });
    }
    found
}

/// The rates that both devices can do; those of the output where there is no common one.
pub fn rates(input: Option<&Device>, output: Option<&Device>) -> Vec<u32> {
    let able = |ranges: Vec<cpal::SupportedStreamConfigRange>, rate: u32| {
        ranges.iter().any(|range| range.contains_rate(rate))
    };
    let hears = |rate: u32| {
        input.is_none_or(|device| {
            device
                .supported_input_configs()
                .is_ok_and(|ranges| able(ranges.collect(), rate))
        })
    };
    let plays = |rate: u32| {
        output.is_none_or(|device| {
            device
                .supported_output_configs()
                .is_ok_and(|ranges| able(ranges.collect(), rate))
        })
    };
    let outputs: Vec<u32> = RATES.into_iter().filter(|&rate| plays(rate)).collect();
    let both: Vec<u32> = outputs
        .iter()
        .copied()
        .filter(|&rate| hears(rate))
        .collect();
    match (both.is_empty(), outputs.is_empty()) {
        (false, _) => both,
        (true, false) => outputs,
        (true, true) => RATES.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_found_by_name_and_by_word() {
        for system in System::all() {
            assert_eq!(System::from_name(system.name()), Some(system));
            assert_eq!(System::from_name(&system.word()), Some(system));
        }
        assert_eq!(System::from_name("dummy"), Some(System::None));
        assert_eq!(System::from_name("jack"), Some(System::Jack));
        assert_eq!(System::from_name("gramophone"), None);
        #[cfg(target_os = "linux")]
        assert!(System::from_name("alsa").is_some() && System::from_name("pulseaudio").is_some());
    }
}
