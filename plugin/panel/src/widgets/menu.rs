//! Rows of menus.

use egui::{Align2, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::fonts;
use crate::theme::{Theme, mix};
use crate::widgets::text;

/// Width of a menu that belongs to a control.
pub(crate) const WIDTH: f32 = 216.0;

/// A line that is only read.
pub(crate) fn title(ui: &mut Ui, theme: Theme, words: &str) {
    let (rect, _) =
        ui.allocate_exact_size(vec2(ui.available_width().max(180.0), 22.0), Sense::hover());
    let at = pos2(rect.left() + 8.0, rect.center().y);
    text::line(
        ui,
        at,
        Align2::LEFT_CENTER,
        rect.width() - 16.0,
        words,
        fonts::medium(11.0),
        theme.faint,
    );
}

/// A row as it was drawn.
pub(crate) struct Row {
    /// Where it lies.
    pub rect: Rect,
    /// It was chosen; the menu closes.
    pub clicked: bool,
}

/// Room at the end of a described row, for a button.
const BUTTON: f32 = 36.0;

/// A row with something said at its right; true when chosen. Closes the menu.
pub(crate) fn item(ui: &mut Ui, theme: Theme, label: &str, aside: &str, enabled: bool) -> bool {
    row(ui, theme, label, aside, enabled, 26.0, None).clicked
}

/// A row with a second line, and room for a button at its end.
pub(crate) fn described(
    ui: &mut Ui,
    theme: Theme,
    label: &str,
    description: &str,
    on: bool,
) -> Row {
    row(
        ui,
        theme,
        label,
        if on { "●" } else { "" },
        true,
        40.0,
        Some(description),
    )
}

fn row(
    ui: &mut Ui,
    theme: Theme,
    label: &str,
    aside: &str,
    enabled: bool,
    height: f32,
    below: Option<&str>,
) -> Row {
    let sense = if enabled {
        Sense::click()
    } else {
        Sense::hover()
    };
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width().max(180.0), height), sense);
    response.widget_info(|| WidgetInfo::labeled(Role::MenuItem, enabled, label));
    if enabled && (response.hovered() || response.has_focus()) {
        ui.painter()
            .rect_filled(rect, 6.0, mix(theme.surface, theme.text, 0.08));
    }
    let ink = if enabled { theme.text } else { theme.faint };
    let end = if below.is_some() { BUTTON } else { 8.0 };
    let (left, right) = (rect.left() + 8.0, rect.right() - end);
    let said = text::line(
        ui,
        pos2(right, rect.top() + 13.0),
        Align2::RIGHT_CENTER,
        120.0,
        aside,
        fonts::regular(11.0),
        theme.accent,
    );
    let width = said.left() - left - 6.0;
    let y = if below.is_some() {
        rect.top() + 13.0
    } else {
        rect.center().y
    };
    text::line(
        ui,
        pos2(left, y),
        Align2::LEFT_CENTER,
        width,
        label,
        fonts::medium(12.0),
        ink,
    );
    if let Some(below) = below {
        let at = pos2(left, rect.top() + 28.0);
        text::line(
            ui,
            at,
            Align2::LEFT_CENTER,
            right - left,
            below,
            fonts::regular(11.0),
            theme.dim,
        );
    }
    let clicked = response.clicked();
    if clicked {
        ui.close();
    }
    Row { rect, clicked }
}

/// A thin line between groups.
pub(crate) fn rule(ui: &mut Ui, theme: Theme) {
    let (rect, _) =
        ui.allocate_exact_size(vec2(ui.available_width().max(120.0), 7.0), Sense::hover());
    let line = Rect::from_center_size(rect.center(), vec2(rect.width() - 8.0, 1.0));
    ui.painter().rect_filled(line, 0.0, theme.line);
}
