//! Text at a place, cut with an ellipsis where it does not fit, and known to screen readers.

use std::sync::Arc;

use egui::text::{Galley, LayoutJob, TextWrapping};
use egui::{Align, Align2, Color32, FontId, Id, Pos2, Rect, Role, Sense, Ui, WidgetInfo};

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
pub(crate) fn block(
    ui: &Ui,
    top_left: Pos2,
    width: f32,
    text: &str,
    font: FontId,
    color: Color32,
) -> Rect {
    let galley = ui.painter().layout(text.to_owned(), font, color, width);
    let rect = Rect::from_min_size(top_left, galley.size());
    ui.painter().galley(top_left, galley, color);
    rect
}

/// Lays out text in at most so many lines; to be painted by the caller.
pub(crate) fn lines(
    ui: &Ui,
    width: f32,
    text: &str,
    rows: usize,
    font: FontId,
    color: Color32,
) -> Arc<Galley> {
    let mut job = LayoutJob::simple(text.to_owned(), font, color, width.max(0.0));
    job.wrap.max_rows = rows;
    ui.painter().layout_job(job)
}

/// Draws centred text that may take several lines; returns where it landed.
pub(crate) fn centred(
    ui: &Ui,
    top: Pos2,
    width: f32,
    text: &str,
    font: FontId,
    color: Color32,
) -> Rect {
    let mut job = LayoutJob::simple(text.to_owned(), font, color, width);
    job.halign = Align::Center;
    let galley = ui.painter().layout_job(job);
    let rect = Align2::CENTER_TOP.anchor_size(top, galley.size());
    ui.painter().galley(top, galley, color);
    rect
}

/// Makes drawn text known to screen readers and to tests.
pub(crate) fn spoken(ui: &Ui, rect: Rect, salt: &str, text: &str) -> egui::Response {
    let id: Id = ui.make_persistent_id(("spoken", salt));
    let response = ui.interact(rect, id, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
    response
}
