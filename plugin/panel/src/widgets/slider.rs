//! Sliders: a thin track that fills from the neutral place, a round thumb, and a number to click.

use egui::{Align2, CursorIcon, Rect, Response, Sense, Stroke, Ui, pos2, vec2};

use crate::context::Cx;
use crate::fonts;
use crate::params::{ParamId, ParamSpec};
use crate::theme::{fade, mix};
use crate::widgets::control::{Axis, Place, control, focus_ring};
use crate::widgets::layout::{cut_left, cut_right, cut_top};
use crate::widgets::{entry, text};

const THUMB: f32 = 6.5;

/// Label and number above the track; for a rectangle about 36 points high.
pub(crate) fn tall(ui: &mut Ui, cx: &mut Cx, param: ParamId, rect: Rect) -> Response {
    let spec = param.spec();
    let mut rest = rect;
    let mut head = cut_top(&mut rest, 18.0);
    let number = cut_right(&mut head, 92.0);
    let track = track_of(Rect::from_center_size(
        pos2(rect.center().x, rest.top() + 8.0),
        vec2(rect.width(), 16.0),
    ));
    let response = slider(
        ui,
        cx,
        spec,
        Rect::from_min_max(rect.min, pos2(rect.right(), rest.top() + 17.0)),
        track,
    );
    text::line(
        ui,
        pos2(head.left(), head.center().y),
        Align2::LEFT_CENTER,
        head.width(),
        spec.label,
        fonts::regular(12.0),
        cx.theme.dim,
    );
    number_field(ui, cx, spec, number);
    response
}

/// Label, track and number in one line; for a rectangle about 24 points high.
pub(crate) fn flat(
    ui: &mut Ui,
    cx: &mut Cx,
    param: ParamId,
    rect: Rect,
    label_width: f32,
    tint: Option<egui::Color32>,
) -> Response {
    let spec = param.spec();
    let mut rest = rect;
    let label = cut_left(&mut rest, label_width);
    let number = cut_right(&mut rest, 40.0);
    let grab = Rect::from_min_max(rect.min, pos2(rest.right(), rect.bottom()));
    let response = slider_tinted(
        ui,
        cx,
        spec,
        grab,
        track_of(rest.shrink2(vec2(2.0, 0.0))),
        tint,
    );
    let strong = cx.value(param) != spec.default;
    text::line(
        ui,
        pos2(label.left(), label.center().y),
        Align2::LEFT_CENTER,
        label_width - 4.0,
        spec.label,
        fonts::regular(12.0),
        if strong { cx.theme.text } else { cx.theme.dim },
    );
    number_field(ui, cx, spec, number);
    response
}

/// Where the thumb's centre can be.
fn track_of(rect: Rect) -> Rect {
    Rect::from_center_size(rect.center(), vec2(rect.width() - 2.0 * THUMB, 4.0))
}

fn slider(ui: &mut Ui, cx: &mut Cx, spec: &ParamSpec, grab: Rect, track: Rect) -> Response {
    slider_tinted(ui, cx, spec, grab, track, None)
}

fn slider_tinted(
    ui: &mut Ui,
    cx: &mut Cx,
    spec: &ParamSpec,
    grab: Rect,
    track: Rect,
    tint: Option<egui::Color32>,
) -> Response {
    let place = Place {
        rect: grab,
        track: Some(track),
        axis: Axis::Horizontal,
        travel: track.width(),
    };
    let response = control(ui, cx, spec.param, &place);
    let theme = cx.theme;
    let painter = ui.painter();
    let x = |share: f32| track.left() + share * track.width();
    let share = spec.normalise(cx.value(spec.param));
    let neutral = if spec.is_bipolar() {
        spec.normalise(spec.default)
    } else {
        0.0
    };
    let rail = Rect::from_min_max(
        pos2(track.left() - 2.0, track.top()),
        pos2(track.right() + 2.0, track.bottom()),
    );
    painter.rect_filled(
        rail,
        2.0,
        mix(
            theme.sunken,
            theme.text,
            if theme.dark { 0.17 } else { 0.06 },
        ),
    );
    if spec.is_bipolar() {
        let tick = Rect::from_center_size(pos2(x(neutral), track.center().y), vec2(1.5, 10.0));
        painter.rect_filled(tick, 0.75, theme.line);
    }
    let color = tint.unwrap_or(theme.accent);
    let (from, to) = (x(neutral.min(share)), x(neutral.max(share)));
    // A fill shorter than the thumb would only peep out beside it.
    if to - from > THUMB + 2.5 {
        let fill = Rect::from_min_max(pos2(from, track.top()), pos2(to, track.bottom()));
        painter.rect_filled(fill, 2.0, color);
    }
    let centre = pos2(x(share), track.center().y);
    let active = response.dragged() || response.is_pointer_button_down_on();
    if response.hovered() || active {
        painter.circle_filled(
            centre,
            THUMB + 5.0,
            fade(color, if active { 0.26 } else { 0.15 }),
        );
    }
    let resting = share == neutral;
    let thumb = if resting {
        mix(theme.dim, theme.text, 0.3)
    } else {
        color
    };
    painter.circle(centre, THUMB, thumb, Stroke::new(2.5, theme.surface));
    if response.has_focus() && cx.view.keyboard {
        painter.circle_stroke(centre, THUMB + 2.0, Stroke::new(1.5, color));
    }
    response
}

/// The number, which opens a field when it is clicked.
pub(crate) fn number_field(ui: &mut Ui, cx: &mut Cx, spec: &ParamSpec, rect: Rect) {
    if entry::is_open(cx, spec.param) {
        let wide = Rect::from_min_max(
            pos2(rect.right() - rect.width().max(76.0), rect.top()),
            rect.max,
        );
        let field = Rect::from_center_size(wide.center(), vec2(wide.width(), 20.0));
        entry::show(ui, cx, field);
        return;
    }
    let words = spec.format(cx.value(spec.param));
    let font = fonts::medium(12.0);
    let width = ui
        .painter()
        .layout_no_wrap(words.clone(), font.clone(), cx.theme.text)
        .size()
        .x;
    let tight = Rect::from_min_max(
        pos2(
            (rect.right() - width - 5.0).max(rect.left() - 8.0),
            rect.center().y - 9.0,
        ),
        pos2(rect.right() + 3.0, rect.center().y + 9.0),
    );
    // Not focusable: the control beside it opens the field with Enter or a digit.
    let id = ui.make_persistent_id(("number", spec.id));
    let response = ui
        .interact(tight, id, Sense::CLICK)
        .on_hover_cursor(CursorIcon::Text);
    if response.hovered() {
        ui.painter().rect_filled(tight, 4.0, cx.theme.raised);
    }
    let color = if cx.value(spec.param) == spec.default {
        cx.theme.dim
    } else {
        cx.theme.text
    };
    ui.painter().text(
        pos2(rect.right(), rect.center().y),
        Align2::RIGHT_CENTER,
        words,
        font,
        color,
    );
    if response.clicked() {
        entry::open(cx, spec.param, None, None);
    }
}

/// A plain slider that is no parameter (the monitor's level): returns the new value while it moves.
pub(crate) fn plain(
    ui: &mut Ui,
    cx: &Cx,
    rect: Rect,
    name: &str,
    value: f32,
    range: (f32, f32),
    unit: &str,
) -> Option<f32> {
    let mut rest = rect;
    let number = cut_right(&mut rest, 64.0);
    let track = track_of(rest);
    let id = ui.make_persistent_id(("plain", name));
    let response = ui.interact(rest, id, Sense::click_and_drag());
    let span = range.1 - range.0;
    let mut share = ((value - range.0) / span).clamp(0.0, 1.0);
    let before = share;
    if let Some(pointer) = response
        .interact_pointer_pos()
        .filter(|_| response.dragged() || response.clicked())
    {
        share = ((pointer.x - track.left()) / track.width()).clamp(0.0, 1.0);
        response.request_focus();
    }
    if response.has_focus() {
        ui.memory_mut(|memory| {
            memory.set_focus_lock_filter(
                id,
                egui::EventFilter {
                    horizontal_arrows: true,
                    ..egui::EventFilter::default()
                },
            );
        });
        let steps = ui.input(|input| {
            input.num_presses(egui::Key::ArrowRight) as f32
                - input.num_presses(egui::Key::ArrowLeft) as f32
        });
        share = (share + steps / span.max(1.0)).clamp(0.0, 1.0);
    }
    let new = range.0 + share * span;
    let words = format!("{new:.0} {unit}");
    response.widget_info(|| egui::WidgetInfo::slider(ui.is_enabled(), f64::from(new), name));
    let theme = cx.theme;
    let painter = ui.painter();
    painter.rect_filled(
        track.expand2(vec2(2.0, 0.0)),
        2.0,
        mix(theme.sunken, theme.text, 0.10),
    );
    let centre = pos2(track.left() + share * track.width(), track.center().y);
    painter.rect_filled(
        Rect::from_min_max(track.min, pos2(centre.x, track.bottom())),
        2.0,
        theme.accent,
    );
    painter.circle(centre, THUMB, theme.accent, Stroke::new(2.5, theme.surface));
    focus_ring(ui, cx, &response, rest.shrink2(vec2(0.0, 3.0)), 6.0);
    painter.text(
        pos2(number.right(), number.center().y),
        Align2::RIGHT_CENTER,
        words,
        fonts::medium(12.0),
        theme.text,
    );
    (share != before).then_some(new)
}
