//! The states of Mien in words: what is going on, and what to do about it.

use crate::actions::{FilePurpose, PanelAction, StandaloneAction};
use crate::params::ParamId;
use crate::state::{EngineStatus, PanelState, Standalone};
use crate::view::Page;

/// How serious a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gravity {
    /// Good to know.
    Info,
    /// Look at this.
    Warning,
    /// The converted voice is not heard.
    Blocking,
}

/// What a button of a notice does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// Asks the owner for this.
    Do(PanelAction),
    /// Opens a page.
    Open(Page),
}

/// One notice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notice {
    pub gravity: Gravity,
    pub title: &'static str,
    pub text: String,
    /// Labels and meanings of its buttons, the most likely first.
    pub actions: Vec<(&'static str, Answer)>,
}

/// Silence for longer than this is worth a word, in seconds.
const SILENT_S: f32 = 6.0;

fn notice(gravity: Gravity, title: &'static str, text: String) -> Notice {
    Notice {
        gravity,
        title,
        text,
        actions: Vec::new(),
    }
}

/// The most important notice, if any. `long`: the engine has been waited for longer than usual.
pub(crate) fn current(state: &PanelState, long: bool) -> Option<Notice> {
    blocking(state).or_else(|| passing(state, long))
}

/// What keeps the converted voice from being heard.
fn blocking(state: &PanelState) -> Option<Notice> {
    let blocking = |title, text, actions| {
        Some(Notice {
            gravity: Gravity::Blocking,
            title,
            text,
            actions,
        })
    };
    if let Some(problem) = state
        .standalone
        .as_ref()
        .and_then(|own| own.problem.clone())
    {
        let action = PanelAction::Standalone(StandaloneAction::Reconnect);
        return blocking(
            "The sound device is gone",
            problem,
            vec![("Reconnect", Answer::Do(action))],
        );
    }
    match &state.engine {
        EngineStatus::EngineMissing { reason, .. } => {
            let text = format!(
                "Your own voice passes unchanged. Run the installer (or `cargo xtask install`), then look again. {reason}"
            );
            return blocking(
                "The engine is missing",
                text,
                vec![("Look again", Answer::Do(PanelAction::Retry))],
            );
        }
        EngineStatus::PackMissing { folder } => {
            let text = format!(
                "Your own voice passes unchanged. Put a voice pack (a .mien file) into {} and look again.",
                folder.display()
            );
            let mut actions = vec![("Look again", Answer::Do(PanelAction::Retry))];
            if state.can_browse {
                let browse = PanelAction::Browse(FilePurpose::Pack);
                actions.push(("Open a pack…", Answer::Do(browse)));
            } else {
                let show = PanelAction::OpenFolder(folder.clone());
                actions.push(("Show folder", Answer::Do(show)));
            }
            return blocking("No voice pack was found", text, actions);
        }
        EngineStatus::Failed(text) => {
            return blocking(
                "The engine stopped",
                text.clone(),
                vec![("Start again", Answer::Do(PanelAction::Retry))],
            );
        }
        _ => {}
    }
    if !state.host.rate_supported {
        let text = format!(
            "The session runs at {}, and Mien stays off. Set it to a rate between 22.05 and 192 kHz; 48 kHz is best.",
            rate_words(state.host.sample_rate)
        );
        return blocking("This sample rate is out of reach", text, Vec::new());
    }
    None
}

/// What one should know while it works.
fn passing(state: &PanelState, long: bool) -> Option<Notice> {
    match &state.engine {
        EngineStatus::Starting => {
            let text = if long {
                "Still warming up: a slow disk or a first start takes longer. Your own voice passes until then."
            } else {
                "The engine warms up; this takes a second or two. Your own voice passes until then."
            };
            return Some(notice(Gravity::Info, "Starting", text.into()));
        }
        EngineStatus::LoadingPack { name, progress } => {
            let done =
                progress.map_or_else(String::new, |share| format!(" {:.0} %", share * 100.0));
            let text = if long {
                format!(
                    "Still reading “{name}”{done}: a slow disk takes longer. The sound goes on with what was loaded before."
                )
            } else {
                format!("Reading “{name}”{done}. The sound goes on with what was loaded before.")
            };
            return Some(notice(Gravity::Info, "Loading voices", text));
        }
        _ => {}
    }
    if state.values.is_on(ParamId::Bypass) {
        let text = "You hear your own voice, delayed as the converted one is. Press the power button to come back.";
        return Some(notice(Gravity::Info, "Bypassed", text.into()));
    }
    if state.load.overloaded {
        let text = "This machine is too slow for a moment. Set the delay mode to Safe, raise the buffer size, or close other programs.";
        return Some(Notice {
            gravity: Gravity::Warning,
            title: "Overload",
            text: text.into(),
            actions: (state.values.get(ParamId::DelayMode) < 0.5)
                .then_some(PanelAction::Set(ParamId::DelayMode, 1.0))
                .map(|set| ("Use Safe", Answer::Do(set)))
                .into_iter()
                .collect(),
        });
    }
    let meters = &state.meters;
    if meters.input_clipped {
        let text = "The input reaches full scale, and the voice will sound harsh. Lower the microphone's level or the In knob.";
        return Some(notice(Gravity::Warning, "Input too loud", text.into()));
    }
    if meters.output_clipped {
        let text = "The output reaches full scale. Turn the Out knob down a little.";
        return Some(notice(Gravity::Warning, "Output too loud", text.into()));
    }
    if meters.silent_for_s > SILENT_S {
        let text = if state.standalone.is_some() {
            "Nothing comes in. Is the microphone muted, or another input chosen under Audio?"
        } else {
            "Nothing comes in. Is the track armed or playing, and is its input the right one?"
        };
        return Some(notice(Gravity::Info, "No input", text.into()));
    }
    if state.standalone.as_ref().is_some_and(is_unheard) {
        let text = "Choose an output, or listen to yourself with headphones.";
        return Some(Notice {
            gravity: Gravity::Info,
            title: "Not heard yet",
            text: text.into(),
            actions: vec![("Choose", Answer::Open(Page::Standalone))],
        });
    }
    None
}

/// Whether the voice goes nowhere, though there is an output that it could go to.
pub(crate) fn is_unheard(own: &Standalone) -> bool {
    let possible = own.outputs.iter().any(|name| !name.is_empty());
    possible && own.output.is_empty() && !own.listening
}

/// The engine in a word or two, and whether all is well.
pub(crate) fn engine_words(state: &PanelState) -> (&'static str, Health) {
    if state
        .standalone
        .as_ref()
        .is_some_and(|own| own.problem.is_some())
    {
        return ("No sound device", Health::Bad);
    }
    if !state.host.rate_supported {
        return ("Rate unsupported", Health::Bad);
    }
    match &state.engine {
        EngineStatus::Starting => ("Starting", Health::Waiting),
        EngineStatus::LoadingPack { .. } => ("Loading voices", Health::Waiting),
        EngineStatus::EngineMissing { .. } => ("Engine missing", Health::Bad),
        EngineStatus::PackMissing { .. } => ("No voices", Health::Bad),
        EngineStatus::Failed(_) => ("Stopped", Health::Bad),
        EngineStatus::Ready if state.values.is_on(ParamId::Bypass) => ("Bypassed", Health::Waiting),
        EngineStatus::Ready if state.load.overloaded => ("Overloaded", Health::Poor),
        EngineStatus::Ready if state.host.offline => ("Rendering", Health::Good),
        EngineStatus::Ready if state.meters.gated => ("Gate closed", Health::Good),
        EngineStatus::Ready => ("Converting", Health::Good),
    }
}

/// How well it goes, for the colour of a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Good,
    Waiting,
    Poor,
    Bad,
}

/// "48 kHz", "44.1 kHz", "22.05 kHz".
pub(crate) fn rate_words(rate: f32) -> String {
    let text = format!("{:.2}", rate / 1000.0);
    format!("{} kHz", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_as_people_say_them() {
        assert_eq!(rate_words(48_000.0), "48 kHz");
        assert_eq!(rate_words(44_100.0), "44.1 kHz");
        assert_eq!(rate_words(22_050.0), "22.05 kHz");
    }

    #[test]
    fn what_blocks_comes_first() {
        let mut state = PanelState {
            engine: EngineStatus::Ready,
            ..PanelState::default()
        };
        assert_eq!(current(&state, false), None);
        state.meters.input_clipped = true;
        assert_eq!(
            current(&state, false).map(|n| n.title),
            Some("Input too loud")
        );
        state.engine = EngineStatus::PackMissing {
            folder: "/packs".into(),
        };
        assert_eq!(
            current(&state, false).map(|n| n.gravity),
            Some(Gravity::Blocking)
        );
    }
}
