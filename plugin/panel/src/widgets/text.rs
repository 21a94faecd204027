//! Text at a place, cut with an ellipsis where it does not fit, and known to screen readers.

use egui::text::{LayoutJob, TextWrapping};
use egui::{Align2, Color32, FontId, Id, Pos2, Rect, Role, Sense, Ui, WidgetInfo};

/// Draws a line of text, at most as wide as told, and returns where it landed.
pub(crate) fn line(
    ui: &Ui,
    anchor: Pos2,
    align: Align2,
    width: f32,
    text: &str,
    font: FontId,
    color: Color32,
) -> Rect {
    let mut job = LayoutJob::simple_singleline(text.to_owned(), font, color);
    job.wrap = TextWrapping::truncate_at_width(width.max(0.0));
    let galley = ui.painter().layout_job(job);
    let rect = align.anchor_size(anchor, galley.size());
    ui.painter().galley(rect.min, galley, color);
    rect
}

/// Draws text that may take several lines inside a width; returns where it landed.
pub(crate) fn block(ui: &Ui, top_left: Pos2, width: f32, text: &str, font: FontId, color: Color32) -> Rect {
    let galley = ui.painter().layout(text.to_owned(), font, color, width);
    let rect = Rect::from_min_size(top_left, galley.size());
    ui.painter().galley(top_left, galley, color);
    rect
}

/// Makes drawn text known to screen readers and to tests.
pub(crate) fn spoken(ui: &Ui, rect: Rect, salt: &str, text: &str) -> egui::Response {
    let id: Id = ui.make_persistent_id(("spoken", salt));
    let response = ui.interact(rect, id, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
    response
}
