//! Buttons: an icon, a word, a chip that can be on, and a row of choices.

use egui::{
    Align2, Color32, CursorIcon, FontId, Rect, Response, Role, Sense, Stroke, Ui, WidgetInfo, pos2,
};

use crate::context::Cx;
use crate::fonts;
use crate::theme::{fade, mix};
use crate::widgets::control::focus_ring;

/// An icon without a frame; `on` draws it in the accent. The name is its tooltip and its label.
pub(crate) fn icon(
    ui: &mut Ui,
    cx: &Cx,
    rect: Rect,
    glyph: &str,
    name: &str,
    on: bool,
    enabled: bool,
) -> Response {
    icon_with(
        ui,
        cx,
        rect,
        glyph,
        fonts::icon(17.0),
        name,
        name,
        on,
        enabled,
    )
}

/// The same with a font and a longer tooltip.
#[allow(clippy::too_many_arguments)]
pub(crate) fn icon_with(
    ui: &mut Ui,
    cx: &Cx,
    rect: Rect,
    glyph: &str,
    font: FontId,
    name: &str,
    help: &str,
    on: bool,
    enabled: bool,
) -> Response {
    let sense = if enabled {
        Sense::click()
    } else {
        Sense::hover()
    };
    let id = ui.make_persistent_id(("icon", name));
    let response = ui.interact(rect, id, sense);
    response.widget_info(|| WidgetInfo::selected(Role::Button, enabled, on, name));
    let theme = cx.theme;
    if enabled && response.hovered() {
        let down = response.is_pointer_button_down_on();
        ui.painter().rect_filled(
            rect,
            7.0,
            mix(theme.surface, theme.text, if down { 0.14 } else { 0.08 }),
        );
    }
    let color = match (enabled, on) {
        (false, _) => fade(theme.faint, 0.45),
        (true, true) => theme.accent,
        (true, false) if response.hovered() => theme.text,
        (true, false) => theme.dim,
    };
    ui.painter()
        .text(rect.center(), Align2::CENTER_CENTER, glyph, font, color);
    focus_ring(ui, cx, &response, rect.shrink(1.0), 7.0);
    let response = if enabled {
        response.on_hover_cursor(CursorIcon::PointingHand)
    } else {
        response
    };
    response.on_hover_text(help)
}

/// A word on a ground. `primary` fills it with the accent.
pub(crate) fn word(ui: &mut Ui, cx: &Cx, rect: Rect, label: &str, primary: bool) -> Response {
    let id = ui.make_persistent_id(("word", label));
    let response = ui.interact(rect, id, Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), label));
    let theme = cx.theme;
    let (ground, ink) = if primary {
        (theme.accent, theme.on_accent)
    } else {
        (theme.raised, theme.text)
    };
    let ground = if response.hovered() {
        let down = response.is_pointer_button_down_on();
        mix(
            ground,
            if primary { theme.bg } else { theme.text },
            if down { 0.16 } else { 0.08 },
        )
    } else {
        ground
    };
    ui.painter().rect_filled(rect, 7.0, ground);
    ui.painter().text(
        rect.center(),
        Align2::CENTER_CENTER,
        label,
        fonts::medium(12.0),
        ink,
    );
    focus_ring(ui, cx, &response, rect, 7.0);
    response.on_hover_cursor(CursorIcon::PointingHand)
}

/// How wide a [`word`] must be for its label.
pub(crate) fn word_width(ui: &Ui, label: &str) -> f32 {
    let galley = ui
        .painter()
        .layout_no_wrap(label.to_owned(), fonts::medium(12.0), Color32::WHITE);
    galley.size().x + 22.0
}

/// A rounded word that can be on.
pub(crate) fn chip(ui: &mut Ui, cx: &Cx, rect: Rect, label: &str, on: bool) -> Response {
    let id = ui.make_persistent_id(("chip", label));
    let response = ui.interact(rect, id, Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, ui.is_enabled(), on, label));
    let theme = cx.theme;
    let ground = match (on, response.hovered()) {
        (true, _) => theme.accent_soft,
        (false, true) => mix(theme.raised, theme.text, 0.07),
        (false, false) => theme.raised,
    };
    let ink = if on {
        theme.accent
    } else if response.hovered() {
        theme.text
    } else {
        theme.dim
    };
    ui.painter().rect_filled(rect, rect.height() / 2.0, ground);
    ui.painter().text(
        rect.center(),
        Align2::CENTER_CENTER,
        label,
        fonts::regular(11.5),
        ink,
    );
    focus_ring(ui, cx, &response, rect, rect.height() / 2.0);
    response.on_hover_cursor(CursorIcon::PointingHand)
}

/// A row of choices, one of which is on. Returns the index that was clicked. `name` goes before
/// each word for screen readers.
pub(crate) fn choice(
    ui: &mut Ui,
    cx: &Cx,
    rect: Rect,
    name: &str,
    words: &[&str],
    on: usize,
) -> Option<usize> {
    let theme = cx.theme;
    ui.painter().rect_filled(rect, 7.0, theme.sunken);
    let width = rect.width() / words.len() as f32;
    let mut clicked = None;
    for (index, word) in words.iter().enumerate() {
        let left = rect.left() + index as f32 * width;
        let cell = Rect::from_min_max(pos2(left, rect.top()), pos2(left + width, rect.bottom()))
            .shrink(2.0);
        let id = ui.make_persistent_id(("choice", name, index));
        let response = ui.interact(cell, id, Sense::click());
        let selected = index == on;
        response.widget_info(|| {
            WidgetInfo::selected(
                Role::RadioButton,
                ui.is_enabled(),
                selected,
                format!("{name}: {word}"),
            )
        });
        if selected {
            let ground = if theme.dark {
                mix(theme.raised, theme.text, 0.06)
            } else {
                theme.surface
            };
            ui.painter().rect_filled(cell, 5.5, ground);
        }
        let ink = if selected || response.hovered() {
            theme.text
        } else {
            theme.dim
        };
        ui.painter().text(
            cell.center(),
            Align2::CENTER_CENTER,
            *word,
            fonts::medium(11.5),
            ink,
        );
        focus_ring(ui, cx, &response, cell, 5.5);
        if response.on_hover_cursor(CursorIcon::PointingHand).clicked() {
            clicked = Some(index);
        }
    }
    clicked
}

/// The ground of a section.
pub(crate) fn section(ui: &Ui, cx: &Cx, rect: Rect) {
    let theme = cx.theme;
    let stroke = if theme.dark {
        Stroke::NONE
    } else {
        Stroke::new(1.0, theme.line)
    };
    ui.painter()
        .rect(rect, 12.0, theme.surface, stroke, egui::StrokeKind::Inside);
}

/// The title of a section.
pub(crate) fn title(ui: &Ui, cx: &Cx, at: egui::Pos2, words: &str) -> Rect {
    ui.painter().text(
        at,
        Align2::LEFT_CENTER,
        words,
        fonts::display(13.5),
        cx.theme.text,
    )
}
