//! `cargo xtask screenshots`: the panel in real windows, as pictures for docs/images, and what it costs.
//!
//! `tests/window` does the work; this starts an X server and a sound server of its own, gives every run a home of
//! its own, so that no picture depends on what somebody did before, and says which pictures there are.

use crate::{bundle, bundle::Bundled, command, places::Places, run, system};
use anyhow::{Context, Result};
use clap::Args;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What to take.
#[derive(Debug, Args)]
pub struct Options {
    /// Where the pictures go.
    #[arg(long, value_name = "FOLDER", default_value = "docs/images")]
    out: PathBuf,
    /// Measure too what the open panel costs, for a minute and a half.
    #[arg(long)]
    cpu: bool,
}

/// One picture: its name, whether it is dark, what is opened, and what is done before it is taken.
struct Picture {
    name: &'static str,
    dark: bool,
    plugin: bool,
    steps: &'static [&'static str],
}

/// The delay mode is Safe, so that a busy machine does not put its warning into the picture.
const PICTURES: [Picture; 5] = [
    Picture {
        name: "panel",
        dark: true,
        plugin: true,
        steps: &[
            "set=Delay mode,1",
            "set=Happy,0.6",
            "set=Surprised,0.25",
            "set=Output gain,0.4",
            "wait=9",
        ],
    },
    Picture {
        name: "panel-light",
        dark: false,
        plugin: true,
        // The second voice of the list, and a preset from the chips.
        steps: &[
            "set=Delay mode,1",
            "wait=2",
            "click=120,230",
            "click=362,372",
            "move=450,20",
            "wait=9",
        ],
    },
    Picture {
        name: "panel-morph",
        dark: true,
        plugin: true,
        // "Morph", a second card, and the dot between the two.
        steps: &[
            "set=Delay mode,1",
            "wait=2",
            "click=182,86",
            "wait=0.5",
            "click=120,360",
            "wait=0.5",
            "drag=60,170,115,170",
            "move=450,20",
            "wait=9",
        ],
    },
    Picture {
        name: "standalone",
        dark: true,
        plugin: false,
        steps: &["wait=9"],
    },
    Picture {
        name: "standalone-devices",
        dark: true,
        plugin: false,
        // The microphone in the bar opens the page.
        steps: &["wait=2", "click=772,32", "move=450,370", "wait=3"],
    },
];

/// Takes the pictures.
pub fn screenshots(places: &Places, options: Options) -> Result<()> {
    system::ensure(system::Need::Gui)?;
    let bundled = bundle::bundle(places)?;
    command::run(command::cargo(&places.root).args(["build", "--package", "mien-window"]))?;
    let out = places.root.join(&options.out);
    let server = Server::start()?;
    let sound = Sound::start()?;
    for picture in &PICTURES {
        let home = Home::new(places, picture.dark)?;
        let mut command = looker(places, &bundled, &server, &home, picture.plugin)?;
        if !picture.plugin {
            sound.play_through(&mut command, &run::sample(&places.root)?);
        }
        command.args(picture.steps);
        let shot = out.join(picture.name).with_extension("png");
        command::run(command.arg(format!("shot={}", shot.display())))?;
    }
    if options.cpu {
        let home = Home::new(places, true)?;
        let mut command = looker(places, &bundled, &server, &home, true)?;
        command::run(command.args([
            "wait=4",
            "cpu=20,speech",
            "sound=off",
            "wait=13",
            "cpu=20,silence",
            "close",
            "wait=1",
            "cpu=20,closed",
        ]))?;
    }
    Ok(())
}

/// `mien-window` for the plugin, fed with the sample speech, or for the standalone.
fn looker(
    places: &Places,
    bundled: &Bundled,
    server: &Server,
    home: &Home,
    plugin: bool,
) -> Result<Command> {
    let mut command = Command::new(places.target.join("debug").join("mien-window"));
    command
        .env("DISPLAY", &server.display)
        .env("XDG_DATA_HOME", &home.0)
        .env("XDG_CONFIG_HOME", &home.0);
    if plugin {
        command.arg("--plugin").arg(bundled.dir.join("mien.clap"));
        command.arg("--sound").arg(run::sample(&places.root)?);
    } else {
        command.arg("--program").arg(bundled.program());
    }
    Ok(command)
}

/// An empty folder for what Mien keeps, in which the first steps were shown.
struct Home(PathBuf);

impl Home {
    fn new(places: &Places, dark: bool) -> Result<Self> {
        let folder = places.target.join("screenshots-home");
        crate::copy::remove(&folder)?;
        let memory = format!("{{\"dark\": {dark}, \"welcomed\": true}}");
        write(&folder.join("mien/panel.json"), &memory)?;
        Ok(Self(folder))
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}

/// An X server of our own, so that pictures do not depend on the desktop's fonts, scale and windows.
struct Server {
    process: Child,
    display: String,
}

impl Server {
    fn start() -> Result<Self> {
        let mut process = Command::new("Xvfb")
            .args(["-screen", "0", "2000x1300x24", "-displayfd", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("Xvfb does not start")?;
        let mut number = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output).read_line(&mut number)?;
        }
        let display = format!(":{}", number.trim());
        Ok(Self { process, display })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A PulseAudio of our own with a cable and a microphone that nobody speaks into, so that the pictures of the
/// devices show some wherever they are taken.
struct Sound {
    /// `None` where there is no PulseAudio: then the standalone runs without a sound card.
    process: Option<Child>,
    folder: PathBuf,
}

impl Sound {
    fn start() -> Result<Self> {
        // The system's temporary folder: the path of a socket must be short.
        let folder = std::env::temp_dir().join(format!("mien-sound-{}", std::process::id()));
        crate::copy::remove(&folder)?;
        std::fs::create_dir_all(&folder)?;
        const MODULES: [&str; 4] = [
            "module-native-protocol-unix",
            "module-null-sink sink_name=room sink_properties=device.description=Headphones",
            "module-null-sink sink_name=mien sink_properties=device.description=Mien",
            "module-remap-source master=room.monitor source_properties=device.description=Microphone",
        ];
        let process = Command::new("pulseaudio")
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1"])
            .args(MODULES.iter().flat_map(|module| ["-L", module]))
            .env("HOME", &folder)
            .env("XDG_RUNTIME_DIR", &folder)
            .stderr(Stdio::null())
            .spawn()
            .ok();
        if process.is_some() {
            std::thread::sleep(std::time::Duration::from_secs(2));
        }
        Ok(Self { process, folder })
    }

    /// Has the standalone play a file to the cable.
    fn play_through(&self, command: &mut Command, file: &Path) {
        let file = file.display().to_string();
        let device = match self.process {
            Some(_) => ["-b", "pulseaudio", "--output-device", "Mien"],
            None => ["-b", "dummy", "-p", "128"],
        };
        let words = ["live"].into_iter().chain(device);
        for word in words.chain(["--loop", "--play", &file]) {
            command.arg(format!("--argument={word}"));
        }
        // Where the client looks for the server, and for what it is to show there.
        command.env("XDG_RUNTIME_DIR", &self.folder);
        command.env("PULSE_COOKIE", self.folder.join(".config/pulse/cookie"));
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
