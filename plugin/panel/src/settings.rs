//! The settings: looks, delay, packs, engine.

use std::path::PathBuf;

use egui::{Align2, Rect, RichText, ScrollArea, Sense, TextEdit, Ui, UiBuilder, pos2, vec2};

use crate::actions::{FilePurpose, PanelAction};
use crate::context::Cx;
use crate::params::ParamId;
use crate::state::EngineStatus;
use crate::widgets::layout::{columns, cut_left, cut_right, cut_top};
use crate::widgets::{button, text};
use crate::{fonts, icons, notices};

const ZOOMS: [f32; 6] = [0.75, 1.0, 1.25, 1.5, 1.75, 2.0];

/// What the page remembers.
#[derive(Default)]
pub(crate) struct SettingsView {
    pack_path: String,
    engine_path: String,
}

/// A field for a path, where there is no file dialog. Returns what was typed when it is to be used.
fn path_field(ui: &mut Ui, cx: &Cx, typed: &mut String, name: &str, hint: &str) -> Option<PathBuf> {
    let mut place = row(ui, 28.0);
    let take = cut_right(&mut place, 52.0);
    cut_right(&mut place, 6.0);
    let edit = TextEdit::singleline(typed)
        .hint_text(hint)
        .margin(egui::Margin::symmetric(8, 6));
    let field = ui.put(place, edit).accessible_name(name);
    let entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
    let used = ui
        .push_id(name, |ui| button::word(ui, cx, take, "Use", false))
        .inner
        .clicked();
    let wanted = (used || entered) && !typed.trim().is_empty();
    wanted.then(|| std::mem::take(typed).trim().into())
}

/// A row of buttons as wide as their words; returns the label of the one that was clicked.
fn buttons<'a>(ui: &mut Ui, cx: &Cx, labels: &[&'a str]) -> Option<&'a str> {
    let mut place = row(ui, 28.0);
    let mut clicked = None;
    for label in labels {
        let width = button::word_width(ui, label);
        if width > place.width() {
            place = row(ui, 28.0);
        }
        if button::word(ui, cx, cut_left(&mut place, width), label, false).clicked() {
            clicked = Some(*label);
        }
        cut_left(&mut place, 8.0);
    }
    clicked
}

/// The frame that all pages share: title and close button. Returns where the content goes.
pub(crate) fn page(ui: &mut Ui, cx: &mut Cx, rect: Rect, title: &str) -> Rect {
    button::section(ui, cx, rect);
    let mut rest = rect.shrink2(vec2(20.0, 14.0));
    let mut head = cut_top(&mut rest, 28.0);
    let close = cut_right(&mut head, 28.0);
    ui.painter().text(
        head.left_center(),
        Align2::LEFT_CENTER,
        title,
        fonts::display(18.0),
        cx.theme.text,
    );
    if button::icon(ui, cx, close, icons::X, "Close the page", false, true).clicked() {
        cx.view.page = None;
    }
    cut_top(&mut rest, 10.0);
    rest
}

/// A heading inside a page.
pub(crate) fn heading(ui: &mut Ui, cx: &Cx, words: &str) {
    ui.add_space(4.0);
    ui.label(
        RichText::new(words)
            .font(fonts::medium(13.0))
            .color(cx.theme.text),
    );
}

/// A paragraph inside a page.
pub(crate) fn note(ui: &mut Ui, cx: &Cx, words: &str) {
    ui.label(
        RichText::new(words)
            .font(fonts::regular(12.0))
            .color(cx.theme.dim),
    );
}

/// A row of this height over the whole width.
pub(crate) fn row(ui: &mut Ui, height: f32) -> Rect {
    ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover())
        .0
}

/// Draws the page.
pub(crate) fn show(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let content = page(ui, cx, rect, "Settings");
    let halves = columns(content, 2, 32.0);
    ui.scope_builder(
        UiBuilder::new()
            .max_rect(halves[0])
            .id_salt("settings left"),
        |ui| {
            ScrollArea::vertical()
                .id_salt("settings left")
                .auto_shrink(false)
                .show(ui, |ui| {
                    looks(ui, cx);
                    delay(ui, cx);
                    engine(ui, cx);
                });
        },
    );
    ui.scope_builder(
        UiBuilder::new()
            .max_rect(halves[1])
            .id_salt("settings right"),
        |ui| {
            ScrollArea::vertical()
                .id_salt("settings right")
                .auto_shrink(false)
                .show(ui, |ui| packs(ui, cx));
        },
    );
}

fn looks(ui: &mut Ui, cx: &mut Cx) {
    heading(ui, cx, "Look");
    let place = row(ui, 28.0);
    let place = Rect::from_min_size(place.min, vec2(place.width().min(200.0), 28.0));
    let on = usize::from(!cx.view.memory.dark);
    if let Some(clicked) = button::choice(ui, cx, place, "Theme", &["Dark", "Light"], on) {
        cx.view.remember(|memory| memory.dark = clicked == 0);
    }
    let place = row(ui, 28.0);
    let place = Rect::from_min_size(place.min, vec2(place.width().min(340.0), 28.0));
    let words: Vec<String> = ZOOMS
        .iter()
        .map(|zoom| format!("{:.0} %", zoom * 100.0))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let now = cx.view.memory.zoom;
    let on = ZOOMS
        .iter()
        .position(|zoom| (zoom - now).abs() < 0.01)
        .unwrap_or(ZOOMS.len());
    if let Some(clicked) = button::choice(ui, cx, place, "Size", &words, on) {
        cx.push(PanelAction::SetZoom(ZOOMS[clicked]));
    }
    let again = row(ui, 28.0);
    let width = button::word_width(ui, "Show the first steps again");
    if button::word(
        ui,
        cx,
        Rect::from_min_size(again.min, vec2(width, 28.0)),
        "Show the first steps again",
        false,
    )
    .clicked()
    {
        cx.view.page = None;
        cx.view.tour = Some(0);
    }
}

fn delay(ui: &mut Ui, cx: &mut Cx) {
    ui.add_space(8.0);
    heading(ui, cx, "Delay");
    let place = row(ui, 28.0);
    let place = Rect::from_min_size(place.min, vec2(place.width().min(200.0), 28.0));
    let on = cx.value(ParamId::DelayMode) as usize;
    if let Some(clicked) = button::choice(ui, cx, place, "Delay mode", &["Low", "Safe"], on) {
        cx.set_once(ParamId::DelayMode, clicked as f32);
    }
    let session = &cx.state.host;
    let words = format!(
        "{} The session runs at {} in blocks of up to {}; the delay is {:.1} ms now.",
        ParamId::DelayMode.spec().help,
        notices::rate_words(session.sample_rate),
        session.max_block,
        cx.state.latency_ms(),
    );
    note(ui, cx, &words);
}

fn engine(ui: &mut Ui, cx: &mut Cx) {
    ui.add_space(8.0);
    heading(ui, cx, "Engine");
    let (words, _) = notices::engine_words(cx.state);
    let path = cx.state.engine_path.display().to_string();
    note(
        ui,
        cx,
        &if path.is_empty() {
            words.to_owned()
        } else {
            format!("{words}. {path}")
        },
    );
    if let EngineStatus::EngineMissing { searched, .. } = &cx.state.engine {
        note(ui, cx, "Looked for it here:");
        for path in searched {
            note(ui, cx, &format!("    {}", path.display()));
        }
    }
    let labels: &[&str] = match cx.state.can_browse {
        true => &["Look for the engine again", "Choose a library…"],
        false => &["Look for the engine again"],
    };
    match buttons(ui, cx, labels) {
        Some("Choose a library…") => cx.push(PanelAction::Browse(FilePurpose::Engine)),
        Some(_) => cx.push(PanelAction::Retry),
        None => {}
    }
    if !cx.state.can_browse {
        let mut typed = std::mem::take(&mut cx.view.settings.engine_path);
        let hint = "Path of the engine library";
        if let Some(path) = path_field(ui, cx, &mut typed, "Engine library", hint) {
            cx.push(PanelAction::SetEngine(path));
        }
        cx.view.settings.engine_path = typed;
    }
    note(ui, cx, &format!("Mien {}", cx.state.version));
}

fn packs(ui: &mut Ui, cx: &mut Cx) {
    heading(ui, cx, "Voice packs");
    let state = cx.state;
    if state.packs.is_empty() {
        note(ui, cx, "None found.");
    }
    for pack in &state.packs {
        let place = row(ui, 76.0);
        let theme = cx.theme;
        let ground = if pack.loaded {
            theme.accent_soft
        } else {
            theme.sunken
        };
        ui.painter().rect_filled(place, 10.0, ground);
        let mut inner = place.shrink2(vec2(12.0, 8.0));
        let side = cut_right(&mut inner, 66.0);
        let top = inner.left_top();
        text::line(
            ui,
            top + vec2(0.0, 8.0),
            Align2::LEFT_CENTER,
            inner.width(),
            &pack.name,
            fonts::medium(13.0),
            theme.text,
        );
        let font = fonts::regular(11.0);
        let about = text::lines(ui, inner.width(), &pack.description, 2, font, theme.dim);
        let below = top.y + 18.0 + about.size().y;
        ui.painter().galley(top + vec2(0.0, 17.0), about, theme.dim);
        let (licence, ink) = if pack.non_commercial {
            (
                format!("{} · not for commercial use", pack.licence),
                theme.warn,
            )
        } else {
            (pack.licence.clone(), theme.dim)
        };
        text::line(
            ui,
            pos2(top.x, below + 8.0),
            Align2::LEFT_CENTER,
            inner.width(),
            &licence,
            fonts::regular(10.5),
            ink,
        );
        let loading = matches!(
            &cx.state.engine,
            EngineStatus::LoadingPack { name, .. } if *name == pack.name
        );
        if pack.loaded || loading {
            let (words, ink) = if loading {
                ("Loading …", theme.dim)
            } else {
                ("In use", theme.accent)
            };
            ui.painter().text(
                side.right_center(),
                Align2::RIGHT_CENTER,
                words,
                fonts::medium(11.5),
                ink,
            );
        } else {
            let place = Rect::from_center_size(side.center(), vec2(60.0, 26.0));
            let clicked = ui
                .push_id(&pack.path, |ui| button::word(ui, cx, place, "Load", false))
                .inner;
            if clicked
                .on_hover_text(format!("Load {}", pack.name))
                .clicked()
            {
                cx.push(PanelAction::LoadPack(pack.path.clone()));
            }
        }
    }
    ui.add_space(4.0);
    let mut labels = vec!["Show folder", "Look again"];
    if cx.state.can_browse {
        labels.splice(0..0, ["Open a pack…", "Set folder…"]);
    }
    if cx.state.packs_folder_chosen {
        labels.push("Usual folder");
    }
    match buttons(ui, cx, &labels) {
        Some("Open a pack…") => cx.push(PanelAction::Browse(FilePurpose::Pack)),
        Some("Set folder…") => cx.push(PanelAction::Browse(FilePurpose::PacksFolder)),
        Some("Show folder") => {
            cx.push(PanelAction::OpenFolder(cx.state.packs_folder.clone()));
        }
        Some("Usual folder") => cx.push(PanelAction::SetPacksFolder(PathBuf::new())),
        Some(_) => cx.push(PanelAction::Retry),
        None => {}
    }
    if !cx.state.can_browse {
        let mut typed = std::mem::take(&mut cx.view.settings.pack_path);
        let hint = "Path of a pack, or of a folder of them";
        if let Some(path) = path_field(ui, cx, &mut typed, "Pack or folder", hint) {
            cx.push(match path.extension() {
                Some(ending) if ending == "mien" => PanelAction::OpenPack(path),
                _ => PanelAction::SetPacksFolder(path),
            });
        }
        cx.view.settings.pack_path = typed;
    }
    let folder = cx.state.packs_folder.display().to_string();
    if !folder.is_empty() {
        note(ui, cx, &format!("Packs are looked for in {folder}"));
    }
}
