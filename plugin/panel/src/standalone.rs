//! The page of the standalone: devices, monitor, recorder, file player, routing, MIDI.

use egui::{Align2, ComboBox, Rect, RichText, ScrollArea, TextEdit, Ui, UiBuilder, pos2, vec2};

use crate::actions::{FilePurpose, PanelAction, StandaloneAction};
use crate::context::Cx;
use crate::params::{PARAMS, ParamId};
use crate::settings::{heading, note, page, row};
use crate::state::Standalone;
use crate::theme::mix;
use crate::widgets::layout::{columns, cut_bottom, cut_left, cut_right, cut_top};
use crate::widgets::{button, slider, switch, text};
use crate::{fonts, icons, notices, routing};

/// The page's parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Tab {
    #[default]
    Devices,
    Files,
    Routing,
    Midi,
}

const TABS: [(Tab, &str); 4] = [
    (Tab::Devices, "Devices"),
    (Tab::Files, "Record & play"),
    (Tab::Routing, "Routing"),
    (Tab::Midi, "MIDI & keys"),
];

/// What the page remembers.
#[derive(Default)]
pub(crate) struct StandaloneView {
    tab: Tab,
    path: String,
    /// Which way of routing is read: index into the system's guides.
    guide: usize,
}

fn act(cx: &mut Cx, action: StandaloneAction) {
    cx.push(PanelAction::Standalone(action));
}

/// Draws the page.
pub(crate) fn show(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let Some(own) = &cx.state.standalone else {
        cx.view.page = None;
        return;
    };
    let mut content = page(ui, cx, rect, "Audio");
    let names: Vec<&str> = TABS.iter().map(|(_, name)| *name).collect();
    let on = TABS
        .iter()
        .position(|(tab, _)| *tab == cx.view.standalone.tab)
        .unwrap_or(0);
    let place = Rect::from_min_size(
        pos2(content.left() + 74.0, rect.top() + 14.0),
        vec2(400.0, 28.0),
    );
    if let Some(clicked) = button::choice(ui, cx, place, "Audio", &names, on) {
        cx.view.standalone.tab = TABS[clicked].0;
    }
    cut_top(&mut content, 4.0);
    let tab = cx.view.standalone.tab;
    if matches!(tab, Tab::Devices | Tab::Files) && content.height() > ROOM_FOR_WAY {
        way(ui, cx, own, cut_bottom(&mut content, WAY));
        cut_bottom(&mut content, 12.0);
    }
    match tab {
        Tab::Devices => devices(ui, cx, own, content),
        Tab::Files => files(ui, cx, own, content),
        Tab::Routing => routing_page(ui, cx, own, content),
        Tab::Midi => midi(ui, cx, own, content),
    }
}

fn inside(ui: &mut Ui, rect: Rect, salt: &str, add: impl FnOnce(&mut Ui)) {
    ui.scope_builder(UiBuilder::new().max_rect(rect).id_salt(salt), |ui| {
        ScrollArea::vertical()
            .id_salt(salt)
            .auto_shrink(false)
            .show(ui, |ui| {
                ui.set_max_width(rect.width());
                add(ui);
            });
    });
}

/// A labelled list to choose one from. Returns what was chosen.
fn pick(ui: &mut Ui, cx: &Cx, label: &str, now: &str, items: &[String]) -> Option<String> {
    let place = row(ui, 28.0);
    let mut field = place;
    let head = cut_left(&mut field, 88.0);
    text::line(
        ui,
        head.left_center(),
        Align2::LEFT_CENTER,
        84.0,
        label,
        fonts::regular(12.0),
        cx.theme.dim,
    );
    let mut chosen = None;
    ui.scope_builder(UiBuilder::new().max_rect(field), |ui| {
        let shown = if now.is_empty() { "None" } else { now };
        let combo = ComboBox::from_id_salt(label)
            .selected_text(shown)
            .width(field.width())
            .icon(caret)
            .truncate();
        let response = combo.show_ui(ui, |ui| {
            for item in items {
                let words = if item.is_empty() { "None" } else { item };
                if ui.selectable_label(item == now, words).clicked() && item != now {
                    chosen = Some(item.clone());
                }
            }
        });
        response.response.accessible_name(label);
    });
    chosen
}

/// Height of the picture of the signal's way, and of the page below which there is no room for it.
const WAY: f32 = 104.0;
const ROOM_FOR_WAY: f32 = 350.0;

/// The mark of a list that opens, as thin as the other icons.
fn caret(ui: &Ui, rect: Rect, visuals: &egui::style::WidgetVisuals, _: bool) {
    let tip = rect.center() + vec2(0.0, 2.0);
    let points = [tip + vec2(-4.0, -4.0), tip, tip + vec2(4.0, -4.0)];
    let stroke = egui::Stroke::new(1.5, visuals.fg_stroke.color);
    ui.painter().line(points.into(), stroke);
}

fn devices(ui: &mut Ui, cx: &mut Cx, own: &Standalone, rect: Rect) {
    let halves = columns(rect, 2, 36.0);
    inside(ui, halves[0], "devices", |ui| {
        heading(ui, cx, "Devices");
        if let Some(backend) = pick(ui, cx, "System", &own.backend, &own.backends) {
            act(cx, StandaloneAction::SetBackend(backend));
        }
        if let Some(input) = pick(ui, cx, "Input", &own.input, &own.inputs) {
            act(cx, StandaloneAction::SetInput(input));
        }
        if let Some(output) = pick(ui, cx, "Output", &own.output, &own.outputs) {
            act(cx, StandaloneAction::SetOutput(output));
        }
        let rates: Vec<String> = own.rates.iter().map(|rate| format!("{rate} Hz")).collect();
        if let Some(rate) = pick(ui, cx, "Sample rate", &format!("{} Hz", own.rate), &rates)
            && let Some(index) = rates.iter().position(|other| *other == rate)
        {
            act(cx, StandaloneAction::SetRate(own.rates[index]));
        }
        let ms = |buffer: u32| {
            format!(
                "{buffer} samples, {:.1} ms",
                buffer as f32 * 1000.0 / own.rate.max(1) as f32
            )
        };
        let buffers: Vec<String> = own.buffers.iter().map(|buffer| ms(*buffer)).collect();
        if let Some(buffer) = pick(ui, cx, "Buffer", &ms(own.buffer), &buffers)
            && let Some(index) = buffers.iter().position(|other| *other == buffer)
        {
            act(cx, StandaloneAction::SetBuffer(own.buffers[index]));
        }
        match &own.problem {
            Some(problem) => {
                let words = RichText::new(problem)
                    .font(fonts::regular(12.0))
                    .color(cx.theme.bad);
                ui.label(words);
                let place = row(ui, 28.0);
                let width = button::word_width(ui, "Reconnect");
                if button::word(
                    ui,
                    cx,
                    Rect::from_min_size(place.min, vec2(width, 28.0)),
                    "Reconnect",
                    true,
                )
                .clicked()
                {
                    act(cx, StandaloneAction::Reconnect);
                }
            }
            None => note(
                ui,
                cx,
                "48 kHz and 128 samples are a good start. Smaller buffers shorten the delay and ask more of the machine.",
            ),
        }
    });
    inside(ui, halves[1], "monitor", |ui| {
        heading(ui, cx, "Levels");
        level(
            ui,
            cx,
            "Input",
            cx.state.meters.input_db,
            cx.state.meters.input_hold_db,
        );
        level(
            ui,
            cx,
            "Output",
            cx.state.meters.output_db,
            cx.state.meters.output_hold_db,
        );
        ui.add_space(8.0);
        heading(ui, cx, "Monitor");
        let place = row(ui, 24.0);
        let mut rest = place;
        let toggle = cut_left(&mut rest, 30.0);
        let help = "Plays the converted voice on this computer's usual output too, while the output on the left feeds another program.";
        if switch::plain(ui, cx, toggle, "Listen to myself", help, own.listening).clicked() {
            act(cx, StandaloneAction::Listen(!own.listening));
        }
        let words = if own.listening {
            "Listen to myself: on"
        } else {
            "Listen to myself: off"
        };
        text::line(
            ui,
            pos2(rest.left() + 10.0, rest.center().y),
            Align2::LEFT_CENTER,
            rest.width() - 10.0,
            words,
            fonts::regular(12.0),
            cx.theme.text,
        );
        let place = row(ui, 26.0);
        let mut rest = place;
        let head = cut_left(&mut rest, 60.0);
        text::line(
            ui,
            head.left_center(),
            Align2::LEFT_CENTER,
            60.0,
            "Level",
            fonts::regular(12.0),
            cx.theme.dim,
        );
        if let Some(new) = slider::plain(
            ui,
            cx,
            rest,
            "Monitor level",
            own.monitor_db,
            (-40.0, 6.0),
            "dB",
        ) {
            act(cx, StandaloneAction::SetMonitor(new));
        }
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            ui.label(
                RichText::new(icons::WARNING)
                    .font(fonts::icon(15.0))
                    .color(cx.theme.warn),
            );
            let words =
                "Use headphones. With loudspeakers the microphone hears the output, and it howls.";
            ui.label(
                RichText::new(words)
                    .font(fonts::regular(12.0))
                    .color(cx.theme.dim),
            );
        });
    });
}

/// The way of the sound: where it comes from, what Mien makes of it, where it goes, and how long
/// that takes.
fn way(ui: &mut Ui, cx: &Cx, own: &Standalone, rect: Rect) {
    let theme = cx.theme;
    let state = cx.state;
    let buffer_ms = own.buffer as f32 * 1000.0 / own.rate.max(1) as f32;
    let none = |name: &str, words: &str| match name {
        "" => words.to_owned(),
        name => name.to_owned(),
    };
    // What the devices add. JACK's graph has no buffers of ours in it.
    let buffers = |device: bool| match device && own.backend != "JACK" {
        true => format!("2 × {buffer_ms:.1} ms"),
        false => String::new(),
    };
    let playing = own.player.as_ref().filter(|player| player.playing);
    let plays = playing.is_some();
    let source = match playing {
        Some(player) => player.name.clone(),
        _ => none(&own.input, "No input"),
    };
    let voice = state
        .main_voice()
        .map_or("No voice", |entry| entry.voice.name.as_str());
    let bypassed = state.values.is_on(ParamId::Bypass);
    let voice = if bypassed { "Bypassed" } else { voice };
    let target = match (own.output.is_empty(), own.listening) {
        (true, true) => "Your headphones".into(),
        (true, false) => "Nowhere yet".into(),
        (false, _) => own.output.clone(),
    };
    let heard = !notices::is_unheard(own);
    let stations = [
        (
            "In",
            source,
            buffers(!plays && !own.input.is_empty()),
            plays || !own.input.is_empty(),
        ),
        (
            "Mien",
            voice.to_owned(),
            format!("{:.1} ms", state.latency_ms()),
            true,
        ),
        ("Out", target, buffers(!own.output.is_empty()), heard),
    ];
    let gap = 40.0;
    for (index, (place, station)) in columns(rect, 3, gap).into_iter().zip(stations).enumerate() {
        let (kind, name, time, works) = station;
        ui.painter().rect_filled(place, 10.0, theme.sunken);
        let inner = place.shrink2(vec2(14.0, 12.0));
        let middle = index == 1;
        let ink = if middle && !bypassed {
            theme.accent
        } else {
            theme.dim
        };
        ui.painter().text(
            inner.left_top(),
            Align2::LEFT_TOP,
            kind,
            fonts::medium(11.0),
            ink,
        );
        ui.painter().text(
            inner.right_top(),
            Align2::RIGHT_TOP,
            time,
            fonts::regular(11.0),
            theme.dim,
        );
        text::line(
            ui,
            pos2(inner.left(), inner.top() + 32.0),
            Align2::LEFT_CENTER,
            inner.width(),
            &name,
            fonts::medium(13.5),
            if works { theme.text } else { theme.warn },
        );
        let meters = &state.meters;
        let db = if index == 0 {
            meters.input_db
        } else {
            meters.output_db
        };
        let rail = Rect::from_min_max(inner.left_bottom() - vec2(0.0, 14.0), inner.max);
        if middle {
            let rate = notices::rate_words(own.rate as f32);
            let words = format!("{rate}, {} samples a block", own.buffer);
            let font = fonts::regular(11.0);
            text::line(
                ui,
                rail.left_center(),
                Align2::LEFT_CENTER,
                rail.width(),
                &words,
                font,
                theme.dim,
            );
        } else {
            let rail = Rect::from_center_size(rail.center(), vec2(rail.width(), 4.0));
            ui.painter()
                .rect_filled(rail, 2.0, mix(theme.sunken, theme.text, RAIL));
            let share = ((db + 60.0) / 60.0).clamp(0.0, 1.0);
            let color = if index == 0 { theme.own } else { theme.accent };
            if share > 0.01 {
                let filled = vec2(share * rail.width(), rail.height());
                ui.painter()
                    .rect_filled(Rect::from_min_size(rail.min, filled), 2.0, color);
            }
        }
        let about = format!("{kind}: {name}");
        text::spoken(ui, place, &format!("way {index}"), &about);
        if index < 2 {
            let at = pos2(place.right() + gap / 2.0, place.center().y);
            ui.painter().text(
                at,
                Align2::CENTER_CENTER,
                icons::CARET_RIGHT,
                fonts::icon(16.0),
                theme.faint,
            );
        }
    }
}

/// How much a rail differs from the ground that it lies in.
const RAIL: f32 = 0.14;

fn level(ui: &mut Ui, cx: &Cx, name: &str, db: f32, hold: f32) {
    let theme = cx.theme;
    let place = row(ui, 22.0);
    let mut rest = place;
    let head = cut_left(&mut rest, 60.0);
    let number = cut_right(&mut rest, 60.0);
    text::line(
        ui,
        head.left_center(),
        Align2::LEFT_CENTER,
        60.0,
        name,
        fonts::regular(12.0),
        theme.dim,
    );
    let rail = Rect::from_center_size(rest.center(), vec2(rest.width(), 6.0));
    ui.painter()
        .rect_filled(rail, 3.0, mix(theme.sunken, theme.text, RAIL));
    let share = |db: f32| ((db + 60.0) / 60.0).clamp(0.0, 1.0);
    if db > -60.0 {
        let filled = Rect::from_min_max(
            rail.min,
            pos2(rail.left() + share(db) * rail.width(), rail.bottom()),
        );
        ui.painter().rect_filled(
            filled,
            3.0,
            if db > -1.0 { theme.bad } else { theme.accent },
        );
    }
    if hold > -60.0 {
        let x = rail.left() + share(hold) * rail.width();
        ui.painter()
            .vline(x, rail.y_range(), egui::Stroke::new(2.0, theme.text));
    }
    let words = if hold > -100.0 {
        format!("{hold:.1} dB")
    } else {
        "silent".into()
    };
    ui.painter().text(
        number.right_center(),
        Align2::RIGHT_CENTER,
        &words,
        fonts::medium(11.5),
        theme.text,
    );
    text::spoken(ui, place, name, &format!("{name} peak: {words}"));
}

fn files(ui: &mut Ui, cx: &mut Cx, own: &Standalone, rect: Rect) {
    let halves = columns(rect, 2, 36.0);
    inside(ui, halves[0], "recorder", |ui| {
        heading(ui, cx, "Recorder");
        note(
            ui,
            cx,
            "Writes what comes in and what goes out as two WAV files, in time with each other.",
        );
        let place = row(ui, 34.0);
        let mut rest = place;
        match own.recording_s {
            Some(seconds) => {
                if button::word(ui, cx, cut_left(&mut rest, 120.0), "Stop recording", true)
                    .clicked()
                {
                    act(cx, StandaloneAction::StopRecording);
                }
                let at = pos2(rest.left() + 18.0, rest.center().y);
                ui.painter().circle_filled(at, 4.5, cx.theme.bad);
                ui.painter().text(
                    at + vec2(12.0, 0.0),
                    Align2::LEFT_CENTER,
                    clock(seconds),
                    fonts::medium(14.0),
                    cx.theme.text,
                );
            }
            None => {
                if button::word(ui, cx, cut_left(&mut rest, 120.0), "Record", true).clicked() {
                    act(cx, StandaloneAction::StartRecording);
                }
            }
        }
        let folder = own.recordings.display().to_string();
        if !folder.is_empty() {
            note(ui, cx, &format!("Recordings go to {folder}"));
            let place = row(ui, 28.0);
            let width = button::word_width(ui, "Show recordings");
            if button::word(
                ui,
                cx,
                Rect::from_min_size(place.min, vec2(width, 28.0)),
                "Show recordings",
                false,
            )
            .clicked()
            {
                cx.push(PanelAction::OpenFolder(own.recordings.clone()));
            }
        }
    });
    inside(ui, halves[1], "player", |ui| {
        heading(ui, cx, "Play a file instead of the microphone");
        note(
            ui,
            cx,
            "To try voices without a microphone: WAV, FLAC, MP3, OGG and more.",
        );
        player(ui, cx, own);
        let place = row(ui, 30.0);
        let mut rest = place;
        if cx.state.can_browse {
            if button::word(
                ui,
                cx,
                cut_left(&mut rest, 120.0),
                "Open a file…",
                own.player.is_none(),
            )
            .clicked()
            {
                cx.push(PanelAction::Browse(FilePurpose::Player));
            }
        } else {
            let open = cut_right(&mut rest, 60.0);
            cut_right(&mut rest, 6.0);
            let edit = TextEdit::singleline(&mut cx.view.standalone.path)
                .hint_text("Path of a sound file")
                .margin(egui::Margin::symmetric(8, 6));
            ui.put(rest, edit)
                .accessible_name("Path of the file to play");
            if button::word(ui, cx, open, "Open", false).clicked()
                && !cx.view.standalone.path.trim().is_empty()
            {
                let path = cx.view.standalone.path.trim().into();
                act(cx, StandaloneAction::OpenFile(path));
            }
        }
    });
}

fn player(ui: &mut Ui, cx: &mut Cx, own: &Standalone) {
    let Some(player) = &own.player else { return };
    let theme = cx.theme;
    let place = row(ui, 76.0);
    ui.painter().rect_filled(place, 10.0, theme.raised);
    let mut inner = place.shrink(10.0);
    let mut top = cut_top(&mut inner, 30.0);
    let (glyph, name) = if player.playing {
        (icons::PAUSE, "Pause")
    } else {
        (icons::PLAY, "Play")
    };
    let play = cut_left(&mut top, 30.0);
    if button::icon_with(
        ui,
        cx,
        play,
        glyph,
        fonts::icon_filled(17.0),
        name,
        name,
        true,
        true,
    )
    .clicked()
    {
        act(cx, StandaloneAction::Play(!player.playing));
    }
    let close = cut_right(&mut top, 28.0);
    if button::icon(
        ui,
        cx,
        close,
        icons::X,
        "Back to the microphone",
        false,
        true,
    )
    .clicked()
    {
        act(cx, StandaloneAction::CloseFile);
    }
    let again = cut_right(&mut top, 28.0);
    if button::icon(
        ui,
        cx,
        again,
        icons::ARROWS_CLOCKWISE,
        "Loop",
        player.looped,
        true,
    )
    .clicked()
    {
        act(cx, StandaloneAction::Loop(!player.looped));
    }
    let at = pos2(top.left() + 8.0, top.center().y);
    text::line(
        ui,
        at,
        Align2::LEFT_CENTER,
        top.width() - 12.0,
        &player.name,
        fonts::medium(12.5),
        theme.text,
    );
    cut_top(&mut inner, 4.0);
    let number = cut_right(&mut inner, 84.0);
    let words = format!("{} / {}", clock(player.position_s), clock(player.length_s));
    ui.painter().text(
        number.right_center(),
        Align2::RIGHT_CENTER,
        words,
        fonts::regular(11.5),
        theme.dim,
    );
    seek(ui, cx, inner, player.position_s, player.length_s);
}

/// The position in the file; a click or a drag goes there.
fn seek(ui: &mut Ui, cx: &mut Cx, rect: Rect, position: f32, length: f32) {
    let theme = cx.theme;
    let id = ui.make_persistent_id("seek");
    let response = ui.interact(rect, id, egui::Sense::click_and_drag());
    response.widget_info(|| egui::WidgetInfo::slider(true, f64::from(position), "Position"));
    let rail = Rect::from_center_size(rect.center(), vec2(rect.width(), 4.0));
    ui.painter()
        .rect_filled(rail, 2.0, mix(theme.sunken, theme.text, 0.1));
    let share = if length > 0.0 {
        (position / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    let x = rail.left() + share * rail.width();
    ui.painter().rect_filled(
        Rect::from_min_max(rail.min, pos2(x, rail.bottom())),
        2.0,
        theme.accent,
    );
    ui.painter()
        .circle_filled(pos2(x, rail.center().y), 5.0, theme.accent);
    if (response.clicked() || response.dragged())
        && let Some(pointer) = response.interact_pointer_pos()
    {
        let share = ((pointer.x - rail.left()) / rail.width()).clamp(0.0, 1.0);
        act(cx, StandaloneAction::Seek(share * length));
    }
    if response.has_focus() {
        ui.memory_mut(|memory| {
            let filter = egui::EventFilter {
                horizontal_arrows: true,
                ..egui::EventFilter::default()
            };
            memory.set_focus_lock_filter(id, filter);
        });
        let steps = ui.input(|input| {
            input.num_presses(egui::Key::ArrowRight) as f32
                - input.num_presses(egui::Key::ArrowLeft) as f32
        });
        if steps != 0.0 {
            act(
                cx,
                StandaloneAction::Seek((position + 5.0 * steps).clamp(0.0, length)),
            );
        }
    }
}

fn clock(seconds: f32) -> String {
    let seconds = seconds.max(0.0) as u32;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn routing_page(ui: &mut Ui, cx: &mut Cx, own: &Standalone, rect: Rect) {
    let guides = routing::guides(own.system);
    let mut rest = rect;
    let head = cut_top(&mut rest, 28.0);
    let names: Vec<&str> = guides.iter().map(|guide| guide.name).collect();
    let chosen = cx.view.standalone.guide.min(guides.len() - 1);
    let place = Rect::from_min_size(
        head.min,
        vec2((names.len() as f32 * 130.0).min(head.width()), 28.0),
    );
    if let Some(clicked) = button::choice(ui, cx, place, "System", &names, chosen) {
        cx.view.standalone.guide = clicked;
    }
    cut_top(&mut rest, 10.0);
    let guide = &guides[chosen];
    let halves = columns(rest, 2, 36.0);
    inside(ui, halves[0], "routing left", |ui| {
        heading(ui, cx, "Make a microphone of Mien");
        for (index, step) in guide.steps.iter().enumerate() {
            steps_line(ui, cx, index + 1, step);
        }
        for command in guide.commands {
            ui.add_space(2.0);
            let place = row(ui, 28.0);
            ui.painter().rect_filled(place, 6.0, cx.theme.sunken);
            let mut inner = place.shrink2(vec2(10.0, 0.0));
            let copy = cut_right(&mut inner, 24.0);
            let font = egui::FontId::new(10.5, egui::FontFamily::Monospace);
            text::line(
                ui,
                inner.left_center(),
                Align2::LEFT_CENTER,
                inner.width(),
                command,
                font,
                cx.theme.text,
            );
            let copied = ui
                .push_id(command, |ui| {
                    button::icon(ui, cx, copy, icons::COPY, "Copy the command", false, true)
                })
                .inner;
            text::spoken(ui, inner, command, command).on_hover_text(*command);
            if copied.clicked() {
                ui.ctx().copy_text((*command).to_owned());
            }
        }
    });
    inside(ui, halves[1], "routing right", |ui| {
        heading(ui, cx, "Choose it in the other program");
        for (program, path) in routing::PROGRAMS {
            ui.label(
                RichText::new(program)
                    .font(fonts::medium(12.0))
                    .color(cx.theme.text),
            );
            ui.add_space(-4.0);
            note(ui, cx, &path.replace("{device}", guide.device));
        }
    });
}

fn steps_line(ui: &mut Ui, cx: &Cx, number: usize, words: &str) {
    let theme = cx.theme;
    let width = ui.available_width() - 28.0;
    let galley = ui
        .painter()
        .layout(words.to_owned(), fonts::regular(12.0), theme.dim, width);
    let place = row(ui, galley.size().y.max(18.0));
    let at = pos2(place.left() + 9.0, place.top() + 8.0);
    ui.painter().circle_filled(at, 9.0, theme.accent_soft);
    ui.painter().text(
        at,
        Align2::CENTER_CENTER,
        number.to_string(),
        fonts::medium(11.0),
        theme.accent,
    );
    let size = galley.size();
    ui.painter()
        .galley(pos2(place.left() + 28.0, place.top()), galley, theme.dim);
    text::spoken(
        ui,
        Rect::from_min_size(place.min, size + vec2(28.0, 0.0)),
        words,
        &format!("{number}. {words}"),
    );
}

fn midi(ui: &mut Ui, cx: &mut Cx, own: &Standalone, rect: Rect) {
    let halves = columns(rect, 2, 36.0);
    inside(ui, halves[0], "midi left", |ui| {
        heading(ui, cx, "MIDI");
        let mut inputs = vec![String::new()];
        inputs.extend(own.midi_inputs.iter().cloned());
        if let Some(input) = pick(ui, cx, "MIDI input", &own.midi_input, &inputs) {
            act(cx, StandaloneAction::SetMidiInput(input));
        }
        note(
            ui,
            cx,
            "Right-click a control and choose “Learn MIDI controller”, or press Learn here, then move a knob of your controller.",
        );
        ui.add_space(8.0);
        heading(ui, cx, "Bypass from anywhere");
        let words = if own.bypass_hotkey.is_empty() {
            "This system does not let a program see keys while another has the focus. Map the bypass to a MIDI button instead.".to_owned()
        } else {
            format!(
                "{} switches the bypass while another program has the focus.",
                own.bypass_hotkey
            )
        };
        note(ui, cx, &words);
    });
    inside(ui, halves[1], "midi right", |ui| {
        heading(ui, cx, "Controllers");
        ui.spacing_mut().item_spacing.y = 2.0;
        for spec in &PARAMS {
            binding(ui, cx, own, spec.param);
        }
    });
}

fn binding(ui: &mut Ui, cx: &mut Cx, own: &Standalone, param: ParamId) {
    let theme = cx.theme;
    let spec = param.spec();
    let place = row(ui, 26.0);
    let mut rest = place;
    let bound = own.midi_map.iter().find(|bound| bound.param == param);
    let learning = own.midi_learning == Some(param);
    let learn = cut_right(&mut rest, 64.0).shrink2(vec2(0.0, 1.0));
    cut_right(&mut rest, 4.0);
    let forget = cut_right(&mut rest, 24.0);
    let number = cut_right(&mut rest, 92.0);
    text::line(
        ui,
        rest.left_center(),
        Align2::LEFT_CENTER,
        rest.width(),
        spec.name,
        fonts::regular(12.0),
        theme.text,
    );
    let (words, ink) = match bound {
        _ if learning => ("move a knob …".to_owned(), theme.accent),
        Some(bound) => (
            format!("CC {} · ch {}", bound.controller, bound.channel),
            theme.text,
        ),
        None => ("–".to_owned(), theme.faint),
    };
    ui.painter().text(
        number.right_center(),
        Align2::RIGHT_CENTER,
        words,
        fonts::regular(11.5),
        ink,
    );
    let label = if learning { "Stop" } else { "Learn" };
    let clicked = ui
        .push_id(spec.id, |ui| button::word(ui, cx, learn, label, learning))
        .inner;
    let name = format!("{label} {}", spec.name);
    if clicked.accessible_name(name).clicked() {
        act(
            cx,
            StandaloneAction::MidiLearn((!learning).then_some(param)),
        );
    }
    if bound.is_some() {
        let name = format!("Forget the controller of {}", spec.name);
        if button::icon_with(
            ui,
            cx,
            forget,
            icons::X,
            fonts::icon(13.0),
            &name,
            &name,
            false,
            true,
        )
        .clicked()
        {
            act(cx, StandaloneAction::MidiForget(param));
        }
    }
}
