//! The bar: preset, undo, A/B, gains, mix, pages, and the power button.

use egui::{
    Align2, CursorIcon, Popup, PopupCloseBehavior, Rect, Role, ScrollArea, Sense, Stroke, TextEdit,
    Ui, WidgetInfo, pos2, vec2,
};

use crate::actions::{FilePurpose, PanelAction, Sound};
use crate::context::Cx;
use crate::params::ParamId;
use crate::presets::{FACTORY, FactoryPreset};
use crate::theme::mix;
use crate::view::{Command, Page, Slot};
use crate::widgets::control::{context_menu, focus_ring};
use crate::widgets::layout::{columns, cut_left, cut_right};
use crate::widgets::{button, knob, menu, text};
use crate::{fonts, icons, notices};

/// What the bar remembers.
#[derive(Default)]
pub(crate) struct PresetsView {
    /// The preset that was chosen last: its name and its sound.
    pub chosen: Option<(String, Sound)>,
    /// Name under which to save.
    save_as: String,
    /// What was pasted to be imported.
    pasted: String,
    /// The list opens in the next frame.
    pub open: bool,
}

/// Width of the list of presets.
const MENU: f32 = 300.0;
/// Width of a knob with its words.
const KNOB: f32 = 86.0;
/// Width of A, B and the copy button.
const COMPARE: f32 = 90.0;

/// Draws the bar.
pub(crate) fn show(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let mut rest = rect;
    let logo = cut_left(&mut rest, 72.0);
    wordmark(ui, cx, logo);
    cut_left(&mut rest, 10.0);
    let square = |rect: Rect, size: f32| Rect::from_center_size(rect.center(), vec2(size, size));
    // In a narrow window A/B goes first, then the preset's name gets shorter; the knobs stay.
    let pages = pages(cx);
    let right = 48.0 + 30.0 * pages.len() as f32 + 3.0 * KNOB;
    let spare = rest.width() - right - 72.0;
    let comparing = spare > 120.0 + COMPARE;
    let preset_width = if comparing { spare - COMPARE } else { spare }.clamp(90.0, 186.0);
    let preset = cut_left(&mut rest, preset_width);
    preset_box(
        ui,
        cx,
        Rect::from_center_size(preset.center(), vec2(preset.width(), 30.0)),
    );
    cut_left(&mut rest, 6.0);
    let (can_undo, can_redo) = (cx.view.history.can_undo(), cx.view.history.can_redo());
    let undo = cut_left(&mut rest, 28.0);
    if button::icon(
        ui,
        cx,
        square(undo, 28.0),
        icons::ARROW_U_UP_LEFT,
        "Undo",
        false,
        can_undo,
    )
    .clicked()
    {
        cx.view.command = Some(Command::Undo);
    }
    let redo = cut_left(&mut rest, 28.0);
    if button::icon(
        ui,
        cx,
        square(redo, 28.0),
        icons::ARROW_U_UP_RIGHT,
        "Redo",
        false,
        can_redo,
    )
    .clicked()
    {
        cx.view.command = Some(Command::Redo);
    }
    cut_left(&mut rest, 6.0);
    if comparing {
        compare(ui, cx, &mut rest);
    }
    let power = cut_right(&mut rest, 36.0);
    bypass(ui, cx, square(power, 34.0));
    cut_right(&mut rest, 4.0);
    for (page, glyph, name) in pages {
        let place = cut_right(&mut rest, 30.0);
        let on = cx.view.page == Some(page);
        if button::icon(ui, cx, square(place, 30.0), glyph, name, on, true).clicked() {
            cx.view.page = if on { None } else { Some(page) };
        }
    }
    cut_right(&mut rest, 8.0);
    for param in [ParamId::OutGain, ParamId::Mix, ParamId::InGain] {
        knob::small(ui, cx, param, cut_right(&mut rest, KNOB));
    }
    end_audition(ui, cx);
}

fn pages(cx: &Cx) -> Vec<(Page, &'static str, &'static str)> {
    let mut pages = vec![
        (Page::Settings, icons::GEAR_SIX, "Settings"),
        (Page::Help, icons::QUESTION, "Help"),
    ];
    if cx.state.standalone.is_some() {
        pages.push((Page::Standalone, icons::MICROPHONE, "Audio"));
    }
    pages
}

/// The name, with the voice's mark before it.
fn wordmark(ui: &Ui, cx: &Cx, rect: Rect) {
    let mark = Rect::from_min_size(pos2(rect.left(), rect.center().y - 12.0), vec2(24.0, 24.0));
    match cx.state.main_voice() {
        Some(entry) => cx.view.portrait(&entry.voice.name).shapes(
            ui.painter(),
            mark.center(),
            14.0,
            cx.theme.dark,
            1.0,
        ),
        None => {
            ui.painter()
                .circle_filled(mark.center(), 9.0, cx.theme.faint);
        }
    }
    ui.painter().text(
        pos2(mark.right() + 6.0, rect.center().y),
        Align2::LEFT_CENTER,
        "mien",
        fonts::display(18.0),
        cx.theme.text,
    );
}

/// The power button: on is converting, off is bypassed.
fn bypass(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let spec = ParamId::Bypass.spec();
    let bypassed = cx.is_on(ParamId::Bypass);
    let id = ui.make_persistent_id("bypass");
    let response = ui.interact(rect, id, Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Switch, true, bypassed, spec.name));
    let theme = cx.theme;
    let (ground, ink) = if bypassed {
        (theme.raised, theme.faint)
    } else {
        (theme.accent, theme.on_accent)
    };
    let ground = if response.hovered() {
        mix(ground, theme.text, 0.10)
    } else {
        ground
    };
    ui.painter()
        .circle_filled(rect.center(), rect.width() / 2.0 - 1.0, ground);
    ui.painter().text(
        rect.center(),
        Align2::CENTER_CENTER,
        icons::POWER,
        fonts::icon(18.0),
        ink,
    );
    focus_ring(ui, cx, &response, rect, rect.width() / 2.0);
    context_menu(cx, spec, &response);
    let clicked = response.clicked();
    let words = match (bypassed, notices::engine_words(cx.state)) {
        (true, _) => "Bypassed. Click to convert again.",
        (false, ("Converting", _)) => "Converting. Click to bypass.",
        (false, _) => "On. Click to bypass.",
    };
    response
        .on_hover_cursor(CursorIcon::PointingHand)
        .on_hover_text(format!("{words} {}", spec.help));
    if clicked {
        cx.set_once(ParamId::Bypass, if bypassed { 0.0 } else { 1.0 });
    }
}

/// A and B, and copying the one to the other.
fn compare(ui: &mut Ui, cx: &mut Cx, rest: &mut Rect) {
    let place = cut_left(rest, 60.0);
    let place = Rect::from_center_size(place.center(), vec2(60.0, 26.0));
    let on = usize::from(cx.view.slot == Slot::B);
    if let Some(clicked) = button::choice(ui, cx, place, "Compare", &["A", "B"], on) {
        let slot = if clicked == 0 { Slot::A } else { Slot::B };
        cx.view.command = Some(Command::Switch(slot));
    }
    let copy = cut_left(rest, 28.0);
    let copy = Rect::from_center_size(copy.center(), vec2(26.0, 26.0));
    let name = if on == 0 {
        "Copy A to B"
    } else {
        "Copy B to A"
    };
    if button::icon(ui, cx, copy, icons::COPY, name, false, true).clicked() {
        cx.view.command = Some(Command::CopyToOther);
    }
}

/// The preset's name between arrows; the name opens the list.
fn preset_box(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let theme = cx.theme;
    ui.painter().rect_filled(rect, 8.0, theme.surface);
    if !theme.dark {
        ui.painter().rect_stroke(
            rect,
            8.0,
            Stroke::new(1.0, theme.line),
            egui::StrokeKind::Inside,
        );
    }
    let mut middle = rect;
    let previous = cut_left(&mut middle, 26.0);
    let next = cut_right(&mut middle, 26.0);
    if button::icon_with(
        ui,
        cx,
        previous,
        icons::CARET_LEFT,
        fonts::icon(13.0),
        "Previous preset",
        "Previous preset",
        false,
        true,
    )
    .clicked()
    {
        step(cx, -1);
    }
    if button::icon_with(
        ui,
        cx,
        next,
        icons::CARET_RIGHT,
        fonts::icon(13.0),
        "Next preset",
        "Next preset",
        false,
        true,
    )
    .clicked()
    {
        step(cx, 1);
    }
    let id = ui.make_persistent_id("presets");
    let response = ui.interact(middle, id, Sense::click());
    let chosen = cx.view.presets.chosen.as_ref();
    let name = chosen.map_or_else(|| "Presets".into(), |(name, _)| name.clone());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Presets"));
    ui.ctx()
        .accesskit_node_builder(id, |node| node.set_value(name.clone()));
    let shown = match is_edited(cx) {
        true => format!("{name} ·  edited"),
        false => name,
    };
    let ink = if cx.view.presets.chosen.is_some() || response.hovered() {
        theme.text
    } else {
        theme.dim
    };
    text::line(
        ui,
        middle.center(),
        Align2::CENTER_CENTER,
        middle.width() - 4.0,
        &shown,
        fonts::medium(12.5),
        ink,
    );
    focus_ring(ui, cx, &response, middle, 6.0);
    if std::mem::take(&mut cx.view.presets.open) {
        Popup::open_id(ui.ctx(), Popup::default_response_id(&response));
    }
    // It stays open while one listens and types; a choice closes it.
    Popup::menu(&response)
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .gap(6.0)
        .width(MENU)
        .show(|ui| preset_menu(ui, cx));
    response
        .on_hover_cursor(CursorIcon::PointingHand)
        .on_hover_text("Presets: factory ones and yours");
}

/// Whether the sound is no longer that of the chosen preset.
fn is_edited(cx: &Cx) -> bool {
    let Some((_, sound)) = &cx.view.presets.chosen else {
        return false;
    };
    let moved = sound.values.iter().any(|(id, value)| {
        ParamId::from_id(id).is_some_and(|param| (cx.value(param) - value).abs() > 1e-3)
    });
    moved || (!sound.voices.is_empty() && sound.voices != cx.state.morph)
}

/// The preset before or after the chosen one; the factory's come first, then the user's.
fn step(cx: &mut Cx, by: isize) {
    let own = &cx.state.presets;
    let names: Vec<&str> = FACTORY
        .iter()
        .map(|preset| preset.name)
        .chain(own.iter().map(|preset| preset.name.as_str()))
        .collect();
    let chosen = cx.view.presets.chosen.as_ref();
    let now = chosen.and_then(|(name, _)| names.iter().position(|other| other == name));
    let next = match now {
        Some(now) => (now as isize + by).rem_euclid(names.len() as isize) as usize,
        None if by < 0 => names.len() - 1,
        None => 0,
    };
    choose(cx, next);
}

fn choose(cx: &mut Cx, index: usize) {
    if let Some(preset) = FACTORY.get(index) {
        choose_factory(cx, preset);
    } else if let Some(preset) = cx.state.presets.get(index - FACTORY.len()) {
        cx.push(PanelAction::LoadPreset(preset.path.clone()));
    }
}

/// Takes over a preset of the factory's.
pub(crate) fn choose_factory(cx: &mut Cx, preset: &FactoryPreset) {
    let sound = preset.sound();
    cx.view.presets.chosen = Some((preset.name.to_owned(), sound.clone()));
    cx.view.command = Some(Command::Apply(sound));
}

/// Goes back to the own sound when the button that lets a preset be heard is let go of.
fn end_audition(ui: &Ui, cx: &mut Cx) {
    if cx.view.before_audition.is_some() && !ui.input(|input| input.pointer.primary_down()) {
        cx.view.command = Some(Command::EndAudition);
    }
}

fn preset_menu(ui: &mut Ui, cx: &mut Cx) {
    let theme = cx.theme;
    ui.spacing_mut().item_spacing.y = 1.0;
    ui.set_width(MENU);
    let chosen = cx
        .view
        .presets
        .chosen
        .as_ref()
        .map(|(name, _)| name.clone());
    let list = (ui.ctx().content_rect().height() - 260.0).clamp(120.0, 330.0);
    ScrollArea::vertical().max_height(list).show(ui, |ui| {
        ui.set_min_width(MENU);
        if !cx.state.presets.is_empty() {
            menu::title(ui, theme, "Yours");
        }
        for (index, preset) in cx.state.presets.iter().enumerate() {
            let on = chosen.as_deref() == Some(preset.name.as_str());
            if menu::item(ui, theme, &preset.name, if on { "●" } else { "" }, true) {
                choose(cx, FACTORY.len() + index);
            }
        }
        menu::title(ui, theme, "Factory  ·  hold an arrow to listen");
        for (index, preset) in FACTORY.iter().enumerate() {
            let on = chosen.as_deref() == Some(preset.name);
            let row = menu::described(ui, theme, preset.name, preset.description, on);
            audition(ui, cx, row.rect, preset);
            if row.clicked {
                choose(cx, index);
            }
        }
    });
    menu::rule(ui, theme);
    save_row(ui, cx);
    exchange(ui, cx);
    let own = chosen.and_then(|name| cx.state.presets.iter().find(|preset| preset.name == name));
    if let Some(preset) = own
        && menu::item(ui, theme, &format!("Delete “{}”", preset.name), "", true)
    {
        cx.push(PanelAction::DeletePreset(preset.path.clone()));
        cx.view.presets.chosen = None;
    }
}

/// A button at the end of a preset's row: while it is held, the preset is heard.
fn audition(ui: &mut Ui, cx: &mut Cx, row: Rect, preset: &FactoryPreset) {
    let place = Rect::from_center_size(pos2(row.right() - 20.0, row.center().y), vec2(28.0, 28.0));
    let id = ui.make_persistent_id(("listen", preset.name));
    // Not in the way of Tab: with the keyboard a preset is chosen, and taken back with Undo.
    let response = ui.interact(place, id, Sense::CLICK);
    let name = format!("Listen to {}", preset.name);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    let held = response.is_pointer_button_down_on();
    if held && cx.view.before_audition.is_none() {
        cx.view.command = Some(Command::Audition(preset.sound()));
    }
    let theme = cx.theme;
    let ink = match (held, response.hovered()) {
        (true, _) => theme.on_accent,
        (false, true) => theme.accent,
        (false, false) => theme.faint,
    };
    if held {
        ui.painter()
            .circle_filled(place.center(), 13.0, theme.accent);
    }
    ui.painter().text(
        place.center(),
        Align2::CENTER_CENTER,
        icons::PLAY,
        fonts::icon(14.0),
        ink,
    );
    response
        .on_hover_cursor(CursorIcon::PointingHand)
        .on_hover_text("Hold to listen: speak meanwhile. Letting go brings your own sound back.");
}

/// Handing presets on: as files, or as text, which works wherever there is a clipboard. What is
/// pasted may also be the path of a preset file.
fn exchange(ui: &mut Ui, cx: &mut Cx) {
    let (row, _) = ui.allocate_exact_size(vec2(ui.available_width(), 32.0), Sense::hover());
    let mut rest = row.shrink2(vec2(4.0, 2.0));
    let take = cut_right(&mut rest, 60.0);
    cut_right(&mut rest, 6.0);
    let edit = TextEdit::singleline(&mut cx.view.presets.pasted)
        .hint_text("Paste a preset or a path")
        .margin(egui::Margin::symmetric(8, 6));
    ui.put(rest, edit).accessible_name("Preset to import");
    let pasted = cx.view.presets.pasted.trim().to_owned();
    if button::word(ui, cx, take, "Import", false).clicked() && !pasted.is_empty() {
        cx.view.presets.pasted.clear();
        match serde_json::from_str::<Sound>(&pasted) {
            Ok(sound) => cx.view.command = Some(Command::Apply(sound)),
            Err(_) => cx.push(PanelAction::ImportPreset(pasted.into())),
        }
        ui.close();
    }
    let (row, _) = ui.allocate_exact_size(vec2(ui.available_width(), 32.0), Sense::hover());
    let row = row.shrink2(vec2(4.0, 2.0));
    let mut labels = vec!["Copy as text"];
    if cx.state.can_browse {
        labels.extend(["From file…", "To file…"]);
    } else {
        labels.push("Show the files");
    }
    let places = columns(row, labels.len(), 6.0);
    for (label, place) in labels.into_iter().zip(places) {
        if !button::word(ui, cx, place, label, false).clicked() {
            continue;
        }
        match label {
            "Copy as text" => {
                if let Ok(text) = serde_json::to_string(&Sound::of(cx.state)) {
                    ui.ctx().copy_text(text);
                }
            }
            "From file…" => cx.push(PanelAction::Browse(FilePurpose::ImportPreset)),
            "To file…" => {
                let chosen = cx.view.presets.chosen.as_ref();
                cx.push(PanelAction::Browse(FilePurpose::ExportPreset {
                    name: chosen.map_or_else(|| "Preset".into(), |(name, _)| name.clone()),
                    sound: Sound::of(cx.state),
                }));
            }
            _ => cx.push(PanelAction::OpenFolder(cx.state.presets_folder.clone())),
        }
        ui.close();
    }
}

fn save_row(ui: &mut Ui, cx: &mut Cx) {
    let (row, _) = ui.allocate_exact_size(vec2(ui.available_width(), 32.0), Sense::hover());
    let mut rest = row.shrink2(vec2(4.0, 2.0));
    let save = cut_right(&mut rest, 60.0);
    cut_right(&mut rest, 6.0);
    let edit = TextEdit::singleline(&mut cx.view.presets.save_as)
        .hint_text("Save the sound as …")
        .margin(egui::Margin::symmetric(8, 6));
    let field = ui.put(rest, edit).accessible_name("Name of the preset");
    let entered = field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
    let name = cx.view.presets.save_as.trim().to_owned();
    let replaces = cx.state.presets.iter().any(|preset| preset.name == name);
    let label = if replaces { "Replace" } else { "Save" };
    let mut clicked = button::word(ui, cx, save, label, true);
    if replaces {
        clicked = clicked.on_hover_text("The former one is kept among the preset files.");
    }
    if (clicked.clicked() || entered) && !name.is_empty() {
        let sound = Sound::of(cx.state);
        cx.view.presets.chosen = Some((name.clone(), sound.clone()));
        cx.push(PanelAction::SavePreset { name, sound });
        cx.view.presets.save_as.clear();
        ui.close();
    }
}
