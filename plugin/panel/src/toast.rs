//! What the owner has to say: a line over the lower edge that comes and goes.

use egui::{Align2, Area, Order, Sense, Stroke, Ui, pos2, vec2};

use crate::context::Cx;
use crate::fonts;
use crate::widgets::text;

/// Widest line in points; longer words take a second and a third.
const WIDEST: f32 = 520.0;

/// Draws the message, if there is one.
pub(crate) fn show(ui: &mut Ui, cx: &Cx) {
    let Some(message) = &cx.state.message else {
        return;
    };
    let theme = cx.theme;
    let screen = ui.ctx().content_rect();
    let width = (screen.width() - 80.0).min(WIDEST);
    let words = text::lines(ui, width, message, 3, fonts::medium(12.5), theme.text);
    let size = words.size() + vec2(32.0, 18.0);
    let place =
        Align2::CENTER_BOTTOM.anchor_size(pos2(screen.center().x, screen.bottom() - 24.0), size);
    let id = ui.make_persistent_id("toast");
    Area::new(id)
        .order(Order::Foreground)
        .fixed_pos(place.min)
        .interactable(false)
        .show(ui.ctx(), |ui| {
            let (place, _) = ui.allocate_exact_size(size, Sense::hover());
            let painter = ui.painter();
            painter.add(ui.visuals().popup_shadow.as_shape(place, 12));
            painter.rect(
                place,
                12.0,
                theme.raised,
                Stroke::new(1.0, theme.line),
                egui::StrokeKind::Inside,
            );
            painter.galley(place.min + vec2(16.0, 9.0), words, theme.text);
            text::spoken(ui, place, "message", message);
        });
}
