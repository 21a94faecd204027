//! An on-off switch for a parameter or for anything else.

use egui::{CursorIcon, Rect, Response, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::context::Cx;
use crate::params::ParamId;
use crate::theme::mix;
use crate::widgets::control::{context_menu, focus_ring};

/// The size of the drawn switch.
pub(crate) const SIZE: egui::Vec2 = vec2(30.0, 17.0);

/// A switch for a parameter: a click is a whole gesture.
pub(crate) fn param(ui: &mut Ui, cx: &mut Cx, param: ParamId, rect: Rect) -> Response {
    let spec = param.spec();
    let response = plain(ui, cx, rect, spec.name, spec.help, cx.is_on(param));
    if response.clicked() {
        let new = if cx.is_on(param) { 0.0 } else { 1.0 };
        cx.set_once(param, new);
    }
    context_menu(cx, spec, &response);
    response
}

/// A switch for anything; the caller looks at `clicked()`.
pub(crate) fn plain(
    ui: &mut Ui,
    cx: &Cx,
    rect: Rect,
    name: &str,
    help: &str,
    on: bool,
) -> Response {
    let id = ui.make_persistent_id(("switch", name));
    let response = ui.interact(rect, id, Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Switch, ui.is_enabled(), on, name));
    let theme = cx.theme;
    let body = Rect::from_center_size(rect.center(), SIZE);
    let off = mix(
        theme.sunken,
        theme.text,
        if theme.dark { 0.18 } else { 0.16 },
    );
    let how_on = ui.ctx().animate_bool(id, on);
    ui.painter()
        .rect_filled(body, SIZE.y / 2.0, mix(off, theme.accent, how_on));
    let inset = SIZE.y / 2.0;
    let x = body.left() + inset + how_on * (SIZE.x - 2.0 * inset);
    let knob = mix(
        if theme.dark {
            theme.text
        } else {
            theme.surface
        },
        theme.on_accent,
        how_on,
    );
    ui.painter()
        .circle_filled(pos2(x, body.center().y), inset - 2.5, knob);
    focus_ring(ui, cx, &response, body, SIZE.y / 2.0);
    response
        .on_hover_cursor(CursorIcon::PointingHand)
        .on_hover_text(help)
}
