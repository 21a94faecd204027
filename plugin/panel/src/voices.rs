//! The voices: cards to choose from, favourites, a pad to morph between several, and making a
//! voice of one's own.

use egui::{
    Align2, CursorIcon, Rect, Response, Role, ScrollArea, Sense, Stroke, TextEdit, Ui, UiBuilder,
    WidgetInfo, pos2, vec2,
};
use mien_face::MORPH_SLOTS;

use crate::actions::{FilePurpose, PanelAction};
use crate::context::Cx;
use crate::state::{EngineStatus, MyVoice, VoiceEntry};
use crate::theme::mix;
use crate::widgets::control::focus_ring;
use crate::widgets::layout::{cut_bottom, cut_right, cut_top};
use crate::widgets::{button, menu, text};
use crate::{fonts, icons, morph};

/// Height of a card: at the default size the list ends within one, so that one sees that it goes on.
const CARD: f32 = 54.0;
/// How long one's own voice is recorded, in s.
const RECORD_S: f32 = 15.0;

/// What the section remembers.
#[derive(Default)]
pub(crate) struct VoicesView {
    search: String,
    only_favourites: bool,
    /// The search takes the focus in the next frame.
    pub focus_search: bool,
    /// Cards add to the morph instead of replacing the voice.
    pub morphing: bool,
    sheet: Option<Sheet>,
    /// The voice that the list last brought into sight.
    seen: String,
}

/// The page that makes a voice of one's own.
#[derive(Default)]
struct Sheet {
    name: String,
    path: String,
}

/// Draws the section.
pub(crate) fn show(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    button::section(ui, cx, rect);
    let mut rest = rect.shrink(12.0);
    let mut head = cut_top(&mut rest, 24.0);
    button::title(ui, cx, head.left_center(), "Voice");
    if cx.state.morph.len() > 1 {
        cx.view.voices.morphing = true;
    }
    if cx.view.voices.sheet.is_some() {
        let close = cut_right(&mut head, 24.0);
        if button::icon(ui, cx, close, icons::X, "Back to the voices", false, true).clicked() {
            cx.view.voices.sheet = None;
        } else {
            sheet(ui, cx, rest);
        }
        return;
    }
    mode_switch(ui, cx, cut_right(&mut head, 116.0));
    cut_top(&mut rest, 8.0);
    if cx.view.voices.morphing {
        let height = (rest.height() * 0.46).clamp(110.0, 240.0);
        morph::show(ui, cx, cut_top(&mut rest, height));
        cut_top(&mut rest, 8.0);
    }
    tools(ui, cx, cut_top(&mut rest, 28.0));
    cut_top(&mut rest, 6.0);
    list(ui, cx, rest);
}

fn mode_switch(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let on = usize::from(cx.view.voices.morphing);
    let Some(clicked) = button::choice(ui, cx, rect, "Voices", &["One", "Morph"], on) else {
        return;
    };
    if clicked == on {
        return;
    }
    cx.view.voices.morphing = clicked == 1;
    if clicked == 0 && cx.state.morph.len() > 1 {
        // The heaviest stays.
        if let Some(entry) = cx.state.main_voice() {
            cx.push(PanelAction::ChooseVoice(entry.voice.name.clone()));
        }
    }
}

/// Search, favourites, add.
fn tools(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let mut rest = rect;
    let add = cut_right(&mut rest, 28.0);
    let star = cut_right(&mut rest, 28.0);
    cut_right(&mut rest, 4.0);
    let field = rest;
    let ground = cx.theme.sunken;
    ui.painter().rect_filled(field, 7.0, ground);
    let glyph = pos2(field.left() + 14.0, field.center().y);
    ui.painter().text(
        glyph,
        Align2::CENTER_CENTER,
        icons::MAGNIFYING_GLASS,
        fonts::icon(14.0),
        cx.theme.faint,
    );
    let edit = TextEdit::singleline(&mut cx.view.voices.search)
        .hint_text("Search")
        .frame(egui::Frame::NONE)
        .align(Align2::LEFT_CENTER)
        .font(fonts::regular(12.0));
    let inner = Rect::from_min_max(pos2(field.left() + 26.0, field.top()), field.max);
    let response = ui.put(inner, edit).accessible_name("Search voices");
    if response.has_focus() {
        ui.painter().rect_stroke(
            field,
            7.0,
            Stroke::new(1.5, cx.theme.accent),
            egui::StrokeKind::Inside,
        );
    }
    let done = response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
    if done && !cx.view.voices.search.is_empty() {
        let first = shown(cx).first().map(|entry| entry.voice.name.clone());
        first.into_iter().for_each(|name| choose(cx, &name));
    }
    if std::mem::take(&mut cx.view.voices.focus_search) {
        response.request_focus();
    }
    let only = cx.view.voices.only_favourites;
    let font = if only {
        fonts::icon_filled(16.0)
    } else {
        fonts::icon(16.0)
    };
    if button::icon_with(
        ui,
        cx,
        star,
        icons::STAR,
        font,
        "Favourites only",
        "Show favourites only",
        only,
        true,
    )
    .clicked()
    {
        cx.view.voices.only_favourites = !only;
    }
    let possible = cx.state.engine == EngineStatus::Ready;
    if button::icon(ui, cx, add, icons::PLUS, "Add my voice", false, possible).clicked() {
        cx.view.voices.sheet = Some(Sheet::default());
    }
}

fn is_favourite(cx: &Cx, name: &str) -> bool {
    cx.view
        .memory
        .favourites
        .iter()
        .any(|favourite| favourite == name)
}

/// Whether the search and the filter let a voice through.
fn is_shown(cx: &Cx, entry: &VoiceEntry) -> bool {
    let wanted = cx.view.voices.search.to_lowercase();
    let voice = &entry.voice;
    let found = wanted.split_whitespace().all(|word| {
        voice.name.to_lowercase().contains(word) || voice.description.to_lowercase().contains(word)
    });
    found && (!cx.view.voices.only_favourites || is_favourite(cx, &voice.name))
}

/// The voices in the list's order.
fn shown<'a>(cx: &Cx<'a>) -> Vec<&'a VoiceEntry> {
    let voices = cx.state.voices.iter();
    let mut shown: Vec<&VoiceEntry> = voices.filter(|entry| is_shown(cx, entry)).collect();
    // Favourites first; otherwise the pack's order, which people learn.
    shown.sort_by_key(|entry| !is_favourite(cx, &entry.voice.name));
    shown
}

fn list(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let shown = shown(cx);
    if shown.is_empty() {
        nothing(ui, cx, rect);
        return;
    }
    // A voice that something else than a click brought (a session, the host, a recording) is shown.
    let state = cx.state;
    let main = state.main_voice().map(|entry| entry.voice.name.as_str());
    let new = main.filter(|name| *name != cx.view.voices.seen);
    if let Some(name) = new {
        cx.view.voices.seen = name.to_owned();
    }
    ui.scope_builder(
        UiBuilder::new().max_rect(rect.expand2(vec2(4.0, 0.0))),
        |ui| {
            ScrollArea::vertical()
                .auto_shrink(false)
                .id_salt("voices")
                .show(ui, |ui| {
                    ui.spacing_mut().item_spacing.y = 2.0;
                    for entry in &shown {
                        let response = card(ui, cx, entry);
                        if new == Some(entry.voice.name.as_str()) {
                            response.scroll_to_me(None);
                        }
                    }
                    if cx.state.engine == EngineStatus::Ready && cx.view.voices.search.is_empty() {
                        add_card(ui, cx);
                    }
                });
        },
    );
}

/// Why there is no card to see.
fn nothing(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let (words, clear) = if cx.state.voices.is_empty() {
        let words = match cx.state.engine {
            _ if !cx.state.host.rate_supported => "Mien is off.\nBelow you see why.",
            EngineStatus::Starting | EngineStatus::LoadingPack { .. } => "Loading the voices…",
            _ => "No voices yet.\nBelow you see what to do.",
        };
        (words, false)
    } else if cx.view.voices.only_favourites && cx.view.voices.search.is_empty() {
        (
            "No favourites yet. Click the star of a voice to keep it at hand.",
            true,
        )
    } else {
        ("No voice fits the search.", true)
    };
    let glyph = if clear {
        icons::MAGNIFYING_GLASS
    } else {
        icons::USER
    };
    let at = rect.center() - vec2(0.0, 50.0);
    ui.painter().text(
        at,
        Align2::CENTER_CENTER,
        glyph,
        fonts::icon(26.0),
        cx.theme.faint,
    );
    let drawn = text::centred(
        ui,
        at + vec2(0.0, 24.0),
        rect.width() - 20.0,
        words,
        fonts::regular(12.0),
        cx.theme.dim,
    );
    text::spoken(ui, drawn, "no voices", words);
    if clear {
        let place = Rect::from_min_size(
            pos2(rect.center().x - 46.0, drawn.bottom() + 10.0),
            vec2(92.0, 26.0),
        );
        if button::word(ui, cx, place, "Show all", false).clicked() {
            cx.view.voices.search.clear();
            cx.view.voices.only_favourites = false;
        }
    }
}

/// The share of a voice in what is heard, if it takes part.
fn share_of(cx: &Cx, name: &str) -> Option<f32> {
    let morph = &cx.state.morph;
    if morph.is_empty() {
        return cx
            .state
            .main_voice()
            .filter(|entry| entry.voice.name == name)
            .map(|_| 1.0);
    }
    morph
        .iter()
        .find(|(member, _)| member == name)
        .map(|(_, share)| *share)
}

fn card(ui: &mut Ui, cx: &mut Cx, entry: &VoiceEntry) -> Response {
    let voice = &entry.voice;
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), CARD), Sense::hover());
    let rect = rect.shrink2(vec2(4.0, 0.0));
    let id = ui.make_persistent_id(("voice", &voice.name));
    let response = ui.interact(rect, id, Sense::click());
    if response.gained_focus() {
        response.scroll_to_me(None);
    }
    let share = share_of(cx, &voice.name);
    let morphing = cx.view.voices.morphing;
    let role = if morphing {
        Role::CheckBox
    } else {
        Role::RadioButton
    };
    response
        .widget_info(|| WidgetInfo::selected(role, ui.is_enabled(), share.is_some(), &voice.name));
    ui.ctx()
        .accesskit_node_builder(id, |node| node.set_description(voice.description.clone()));
    let portrait = cx.view.portrait(&voice.name);
    let theme = cx.theme;
    let ground = match (share, response.hovered()) {
        (Some(_), _) => Some(theme.accent_soft),
        (None, true) => Some(mix(theme.surface, theme.text, 0.05)),
        (None, false) => None,
    };
    if let Some(ground) = ground {
        ui.painter().rect_filled(rect, 10.0, ground);
    }
    let tile = tile_of(rect);
    portrait.paint(ui.painter(), tile, theme.dark, 1.0);
    let left = tile.right() + 10.0;
    let star = Rect::from_min_size(
        pos2(rect.right() - 30.0, rect.top() + 4.0),
        vec2(26.0, 22.0),
    );
    let about = if entry.own && voice.description.is_empty() {
        "Made from your recording"
    } else {
        &voice.description
    };
    let about = text::lines(
        ui,
        rect.right() - left - 6.0,
        about,
        2,
        fonts::regular(11.0),
        theme.dim,
    );
    let top = rect.center().y - (17.0 + about.size().y) / 2.0;
    text::line(
        ui,
        pos2(left, top + 8.0),
        Align2::LEFT_CENTER,
        star.left() - left,
        &voice.name,
        fonts::medium(13.0),
        theme.text,
    );
    ui.painter()
        .galley(pos2(left, top + 17.0), about, theme.dim);
    focus_ring(ui, cx, &response, rect.shrink(1.0), 10.0);
    if let (true, Some(share)) = (morphing, share) {
        let words = format!("{:.0}%", share * 100.0);
        ui.painter().text(
            star.right_center() - vec2(4.0, 0.0),
            Align2::RIGHT_CENTER,
            words,
            fonts::medium(11.0),
            theme.accent,
        );
    } else {
        favourite_star(
            ui,
            cx,
            star,
            &voice.name,
            response.hovered() || response.has_focus(),
        );
    }
    if response.clicked() {
        choose(cx, &voice.name);
    }
    about_menu(cx, &response, entry);
    response
        .on_hover_cursor(CursorIcon::PointingHand)
        .on_hover_ui(|ui| about_voice(ui, entry, theme))
}

/// Where a card's portrait lies.
fn tile_of(card: Rect) -> Rect {
    let side = 42.0;
    Rect::from_min_size(
        pos2(card.left() + 7.0, card.center().y - side / 2.0),
        vec2(side, side),
    )
}

fn favourite_star(ui: &mut Ui, cx: &mut Cx, rect: Rect, name: &str, near: bool) {
    let on = is_favourite(cx, name);
    let label = if on {
        format!("Remove {name} from the favourites")
    } else {
        format!("Make {name} a favourite")
    };
    let id = ui.make_persistent_id(("star", name));
    let response = ui.interact(rect, id, Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, &label));
    let visible = on || near || response.hovered() || response.has_focus();
    if visible {
        let font = if on {
            fonts::icon_filled(15.0)
        } else {
            fonts::icon(15.0)
        };
        let ink = if response.hovered() || on {
            cx.theme.accent
        } else {
            cx.theme.faint
        };
        ui.painter()
            .text(rect.center(), Align2::CENTER_CENTER, icons::STAR, font, ink);
    }
    focus_ring(ui, cx, &response, rect, 6.0);
    if response.on_hover_text(label).clicked() {
        cx.view.remember(|memory| {
            if on {
                memory.favourites.retain(|favourite| favourite != name);
            } else {
                memory.favourites.push(name.to_owned());
            }
        });
    }
}

/// Chooses a voice, or lets it join or leave the morph.
fn choose(cx: &mut Cx, name: &str) {
    if !cx.view.voices.morphing {
        cx.push(PanelAction::ChooseVoice(name.to_owned()));
        return;
    }
    let mut members = cx.state.morph.clone();
    if members.is_empty() {
        members.extend(
            cx.state
                .main_voice()
                .map(|entry| (entry.voice.name.clone(), 1.0)),
        );
    }
    if let Some(index) = members.iter().position(|(member, _)| member == name) {
        if members.len() == 1 {
            return;
        }
        members.remove(index);
    } else if members.len() < MORPH_SLOTS {
        members.push((name.to_owned(), 0.0));
    } else {
        return;
    }
    let sum: f32 = members.iter().map(|(_, share)| share).sum();
    let count = members.len() as f32;
    for (_, share) in &mut members {
        *share = if sum > 1e-4 {
            *share / sum
        } else {
            1.0 / count
        };
    }
    cx.push(match members.len() {
        1 => PanelAction::ChooseVoice(members.remove(0).0),
        _ => PanelAction::SetMorph(members),
    });
}

fn about_menu(cx: &mut Cx, response: &Response, entry: &VoiceEntry) {
    if !entry.own {
        return;
    }
    response.context_menu(|ui| {
        ui.set_width(menu::WIDTH);
        if menu::item(ui, cx.theme, "Remove this voice", "", true) {
            cx.push(PanelAction::RemoveMyVoice(entry.voice.name.clone()));
        }
    });
}

fn about_voice(ui: &mut Ui, entry: &VoiceEntry, theme: crate::theme::Theme) {
    let voice = &entry.voice;
    ui.set_max_width(240.0);
    ui.label(egui::RichText::new(&voice.name).font(fonts::medium(12.5)));
    if !voice.description.is_empty() {
        ui.label(egui::RichText::new(&voice.description).color(theme.dim));
    }
    if voice.f0_high_hz > 0.0 {
        let range = format!(
            "Speaks between {:.0} and {:.0} Hz, {:.0} Hz on average",
            voice.f0_low_hz, voice.f0_high_hz, voice.f0_mean_hz
        );
        ui.label(egui::RichText::new(range).size(11.0).color(theme.faint));
    }
    if voice.trained_minutes > 0.0 {
        let learnt = format!("Learnt from {:.0} minutes of speech", voice.trained_minutes);
        ui.label(egui::RichText::new(learnt).size(11.0).color(theme.faint));
    }
}

fn add_card(ui: &mut Ui, cx: &mut Cx) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), CARD), Sense::hover());
    let rect = rect.shrink2(vec2(4.0, 0.0));
    let id = ui.make_persistent_id("add my voice card");
    let response = ui.interact(rect, id, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Add my voice card"));
    let theme = cx.theme;
    let ink = if response.hovered() {
        theme.accent
    } else {
        theme.faint
    };
    let tile = tile_of(rect);
    let outline = [
        tile.left_top(),
        tile.right_top(),
        tile.right_bottom(),
        tile.left_bottom(),
        tile.left_top(),
    ];
    ui.painter().extend(egui::Shape::dashed_line(
        &outline,
        Stroke::new(1.0, ink),
        4.0,
        4.0,
    ));
    ui.painter().text(
        tile.center(),
        Align2::CENTER_CENTER,
        icons::MICROPHONE,
        fonts::icon(17.0),
        ink,
    );
    let left = tile.right() + 10.0;
    let width = rect.right() - left - 6.0;
    text::line(
        ui,
        pos2(left, rect.center().y - 9.0),
        Align2::LEFT_CENTER,
        width,
        "Add my voice",
        fonts::medium(13.0),
        if response.hovered() {
            theme.text
        } else {
            theme.dim
        },
    );
    text::line(
        ui,
        pos2(left, rect.center().y + 8.0),
        Align2::LEFT_CENTER,
        width,
        "From 15 s of speech",
        fonts::regular(11.0),
        theme.faint,
    );
    focus_ring(ui, cx, &response, rect.shrink(1.0), 10.0);
    if response.on_hover_cursor(CursorIcon::PointingHand).clicked() {
        cx.view.voices.sheet = Some(Sheet::default());
    }
}

/// Making a voice of one's own: name, then a recording or a file.
fn sheet(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let Some(mut sheet) = cx.view.voices.sheet.take() else {
        return;
    };
    let theme = cx.theme;
    let mut rest = rect;
    cut_top(&mut rest, 10.0);
    let intro = "Name it, then read aloud for 15 seconds in a quiet room, or choose a recording of 5 to 30 seconds.";
    let drawn = text::block(
        ui,
        rest.min,
        rest.width(),
        intro,
        fonts::regular(12.0),
        theme.dim,
    );
    cut_top(&mut rest, drawn.height() + 12.0);
    let field = cut_top(&mut rest, 28.0);
    let edit = TextEdit::singleline(&mut sheet.name)
        .hint_text("Name")
        .margin(egui::Margin::symmetric(8, 6));
    ui.put(field, edit).accessible_name("Name of my voice");
    cut_top(&mut rest, 8.0);
    let name = if sheet.name.trim().is_empty() {
        "My voice".to_owned()
    } else {
        sheet.name.trim().to_owned()
    };
    let busy = matches!(
        cx.state.my_voice,
        MyVoice::Recording { .. } | MyVoice::Working
    );
    if !busy {
        if button::word(ui, cx, cut_top(&mut rest, 30.0), "Record 15 seconds", true).clicked() {
            cx.push(PanelAction::RecordMyVoice {
                name: name.clone(),
                seconds: RECORD_S,
            });
        }
        cut_top(&mut rest, 8.0);
        if cx.state.can_browse {
            if button::word(
                ui,
                cx,
                cut_top(&mut rest, 30.0),
                "Choose a recording…",
                false,
            )
            .clicked()
            {
                cx.push(PanelAction::Browse(FilePurpose::MyVoice(name.clone())));
            }
            cut_top(&mut rest, 8.0);
        } else {
            let mut row = cut_top(&mut rest, 28.0);
            let use_it = cut_right(&mut row, 52.0);
            cut_right(&mut row, 6.0);
            let edit = TextEdit::singleline(&mut sheet.path)
                .hint_text("Path of a sound file")
                .margin(egui::Margin::symmetric(8, 6));
            ui.put(row, edit).accessible_name("Path of the recording");
            if button::word(ui, cx, use_it, "Use", false).clicked() && !sheet.path.trim().is_empty()
            {
                cx.push(PanelAction::AddMyVoice {
                    name: name.clone(),
                    path: sheet.path.trim().into(),
                });
            }
            cut_top(&mut rest, 8.0);
        }
    }
    progress(ui, cx, &mut rest);
    let own = "Use only your own voice, or one whose owner agreed.";
    let foot = cut_bottom(&mut rest, 30.0);
    text::block(
        ui,
        foot.min,
        foot.width(),
        own,
        fonts::regular(11.0),
        theme.faint,
    );
    if !matches!(cx.state.my_voice, MyVoice::Done(_)) || cx.view.voices.sheet.is_some() {
        cx.view.voices.sheet.get_or_insert(sheet);
    }
}

fn progress(ui: &mut Ui, cx: &mut Cx, rest: &mut Rect) {
    let theme = cx.theme;
    let (words, color, share) = match &cx.state.my_voice {
        MyVoice::Idle | MyVoice::Done(_) => return,
        MyVoice::Recording { seconds, wanted } => {
            let left = (wanted - seconds).max(0.0).ceil();
            (
                format!("Recording. Keep speaking, {left:.0} seconds to go."),
                theme.text,
                Some(seconds / wanted.max(0.1)),
            )
        }
        MyVoice::Working => ("Listening to your recording …".to_owned(), theme.text, None),
        MyVoice::Failed(reason) => (reason.clone(), theme.bad, None),
    };
    cut_top(rest, 4.0);
    let drawn = text::block(
        ui,
        rest.min,
        rest.width(),
        &words,
        fonts::regular(12.0),
        color,
    );
    text::spoken(ui, drawn, "my voice", &words);
    cut_top(rest, drawn.height() + 8.0);
    if let Some(share) = share {
        let bar = cut_top(rest, 6.0);
        ui.painter().rect_filled(bar, 3.0, theme.sunken);
        let done = Rect::from_min_max(
            bar.min,
            pos2(
                bar.left() + bar.width() * share.clamp(0.0, 1.0),
                bar.bottom(),
            ),
        );
        ui.painter().rect_filled(done, 3.0, theme.accent);
        cut_top(rest, 8.0);
        if button::word(ui, cx, cut_top(rest, 28.0), "Cancel", false).clicked() {
            cx.push(PanelAction::CancelMyVoice);
        }
        cut_top(rest, 8.0);
    }
}
