//! A small knob with its name beside it and its number below, for the bar.

use std::f32::consts::PI;

use egui::{Align2, Rect, Response, Shape, Stroke, Ui, pos2, vec2};

use crate::context::Cx;
use crate::fonts;
use crate::params::ParamId;
use crate::theme::{fade, mix};
use crate::widgets::control::{Axis, Place, control, focus_ring};
use crate::widgets::layout::cut_left;
use crate::widgets::slider::number_field;

/// Knob on the left, label above number on the right; for a rectangle about 78 × 36 points.
pub(crate) fn small(ui: &mut Ui, cx: &mut Cx, param: ParamId, rect: Rect) -> Response {
    let spec = param.spec();
    let mut rest = rect;
    let dial = cut_left(&mut rest, 30.0);
    let place = Place {
        rect: dial,
        track: None,
        axis: Axis::Vertical,
        travel: 160.0,
    };
    let response = control(ui, cx, param, &place);
    let theme = cx.theme;
    let (centre, radius) = (dial.center(), 11.0);
    let share = spec.normalise(cx.value(param));
    let neutral = if spec.is_bipolar() {
        spec.normalise(spec.default)
    } else {
        0.0
    };
    let angle = |share: f32| (0.75 + 1.5 * share) * PI;
    let painter = ui.painter();
    let arc = |from: f32, to: f32| -> Vec<egui::Pos2> {
        let count = 2 + ((to - from).abs() * 40.0) as usize;
        (0..=count)
            .map(|step| {
                let share = from + (to - from) * step as f32 / count as f32;
                centre + radius * egui::Vec2::angled(angle(share))
            })
            .collect()
    };
    let rail = mix(
        theme.sunken,
        theme.text,
        if theme.dark { 0.14 } else { 0.10 },
    );
    painter.add(Shape::line(arc(0.0, 1.0), Stroke::new(3.0, rail)));
    if (share - neutral).abs() > 0.004 {
        painter.add(Shape::line(
            arc(neutral, share),
            Stroke::new(3.0, theme.accent),
        ));
    }
    let active = response.hovered() || response.dragged();
    if active {
        painter.circle_filled(centre, 7.5, fade(theme.accent, 0.18));
    }
    let direction = egui::Vec2::angled(angle(share));
    painter.line_segment(
        [centre + 3.0 * direction, centre + 8.0 * direction],
        Stroke::new(2.0, if active { theme.text } else { theme.dim }),
    );
    focus_ring(
        ui,
        cx,
        &response,
        Rect::from_center_size(centre, vec2(28.0, 28.0)),
        14.0,
    );
    let text_left = rest.left() + 4.0;
    painter.text(
        pos2(text_left, rest.center().y - 8.0),
        Align2::LEFT_CENTER,
        spec.label,
        fonts::regular(10.5),
        theme.dim,
    );
    let words = spec.format(cx.value(param));
    let width = ui
        .painter()
        .layout_no_wrap(words, fonts::medium(12.0), theme.text)
        .size()
        .x;
    let number = Rect::from_min_max(
        pos2(text_left, rest.center().y - 2.0),
        pos2(text_left + width, rest.center().y + 16.0),
    );
    number_field(ui, cx, spec, number);
    response
}
