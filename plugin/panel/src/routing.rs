//! How the converted voice reaches other programs, for each system.

use crate::state::System;

/// One way to do it.
pub(crate) struct Guide {
    /// Name of the way.
    pub name: &'static str,
    /// What to do, in order.
    pub steps: &'static [&'static str],
    /// Commands to copy.
    pub commands: &'static [&'static str],
    /// What the microphone is called in the other program.
    pub device: &'static str,
}

/// Where the microphone is chosen.
pub(crate) const PROGRAMS: [(&str, &str); 4] = [
    (
        "Discord",
        "Settings › Voice & Video › Input Device: “{device}”. Switch off Krisp noise suppression, which would work against the converted voice.",
    ),
    (
        "OBS Studio",
        "Sources › + › Audio Input Capture: “{device}”. Set the sync offset to 0; the delay is small.",
    ),
    (
        "Zoom",
        "Settings › Audio › Microphone: “{device}”. Choose “Original sound for musicians”, so that Zoom leaves the voice alone.",
    ),
    (
        "Games and browsers",
        "Choose “{device}” as the system's default input before the program starts.",
    ),
];

const PIPEWIRE: Guide = Guide {
    name: "PipeWire / Pulse",
    steps: &[
        "Make a virtual speaker and a microphone from it with the two commands below (PipeWire understands them too).",
        "Here under Devices choose the output “Mien”; if it is not listed, send Mien there in pavucontrol › Playback.",
        "In the other program choose the microphone “Mien-Microphone”.",
    ],
    commands: &[
        "pactl load-module module-null-sink sink_name=mien sink_properties=device.description=Mien",
        "pactl load-module module-remap-source master=mien.monitor source_name=mien_mic source_properties=device.description=Mien-Microphone",
    ],
    device: "Mien-Microphone",
};

const JACK: Guide = Guide {
    name: "JACK",
    steps: &[
        "Choose the system “JACK” under Devices. Mien appears in the graph with an input and an output.",
        "In qpwgraph, Carla or qjackctl connect your microphone to Mien's input, and Mien's output to the other program.",
        "Programs without JACK: use PipeWire, whose graph holds both kinds.",
    ],
    commands: &["qpwgraph"],
    device: "Mien",
};

const BLACKHOLE: Guide = Guide {
    name: "BlackHole",
    steps: &[
        "Install BlackHole 2ch (existential.audio/blackhole, free), then restart Mien.",
        "Here under Devices choose the output “BlackHole 2ch”.",
        "In the other program choose the microphone “BlackHole 2ch”.",
        "To hear yourself too, make a Multi-Output Device in Audio MIDI Setup and choose it as the output here.",
    ],
    commands: &["brew install blackhole-2ch"],
    device: "BlackHole 2ch",
};

const VB_CABLE: Guide = Guide {
    name: "VB-CABLE",
    steps: &[
        "Install VB-CABLE (vb-audio.com/Cable, donationware) and restart the computer.",
        "Here under Devices choose the output “CABLE Input”.",
        "In the other program choose the microphone “CABLE Output”.",
    ],
    commands: &[],
    device: "CABLE Output",
};

/// The ways on a system, the usual one first; the others' follow, for people who look things up.
pub(crate) fn guides(system: System) -> [&'static Guide; 4] {
    match system {
        System::Linux => [&PIPEWIRE, &JACK, &BLACKHOLE, &VB_CABLE],
        System::MacOs => [&BLACKHOLE, &JACK, &PIPEWIRE, &VB_CABLE],
        System::Windows => [&VB_CABLE, &JACK, &PIPEWIRE, &BLACKHOLE],
    }
}
