//! The morph pad: up to eight voices on a ring, and a dot between them.

use std::f32::consts::{FRAC_PI_2, TAU};

use egui::{
    Align2, CursorIcon, EventFilter, Key, Pos2, Rect, Role, Sense, Stroke, Ui, Vec2, WidgetInfo,
    vec2,
};

use crate::actions::PanelAction;
use crate::context::Cx;
use crate::fonts;
use crate::theme::{fade, mix};
use crate::widgets::control::{FINE, is_fine};
use crate::widgets::text;

/// Nearer than this to a voice, in the pad's radius, the dot snaps to it.
const SNAP: f32 = 0.12;

/// Places of the voices on a circle of radius 1, the first at the top; two lie left and right.
fn corners(count: usize) -> Vec<Vec2> {
    let start = if count == 2 {
        std::f32::consts::PI
    } else {
        -FRAC_PI_2
    };
    (0..count)
        .map(|index| Vec2::angled(start + index as f32 / count as f32 * TAU))
        .collect()
}

/// Shares of the corners whose weighted mean is the dot (mean value coordinates), so that the
/// dot's place and the shares always tell the same. Outside the polygon the dot is pulled in.
pub(crate) fn shares_at(dot: Vec2, corners: &[Vec2]) -> Vec<f32> {
    let count = corners.len();
    if count == 1 {
        return vec![1.0];
    }
    if let Some(near) = corners
        .iter()
        .position(|corner| (*corner - dot).length() < SNAP)
    {
        return (0..count).map(|index| f32::from(index == near)).collect();
    }
    if count == 2 {
        let along = corners[1] - corners[0];
        let t = ((dot - corners[0]).dot(along) / along.length_sq()).clamp(0.0, 1.0);
        return vec![1.0 - t, t];
    }
    let dot = pulled_in(dot, corners);
    let to: Vec<Vec2> = corners.iter().map(|corner| *corner - dot).collect();
    // Half-angle tangents between neighbours as seen from the dot.
    let tangent = |a: Vec2, b: Vec2| {
        let cross = a.x * b.y - a.y * b.x;
        let divisor = a.length() * b.length() + a.dot(b);
        cross.abs() / divisor.max(1e-6)
    };
    let mut shares: Vec<f32> = (0..count)
        .map(|index| {
            let (before, after) = (to[(index + count - 1) % count], to[(index + 1) % count]);
            (tangent(before, to[index]) + tangent(to[index], after)) / to[index].length().max(1e-6)
        })
        .collect();
    let sum: f32 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share /= sum);
    shares
}

/// The nearest point that lies a little inside the polygon.
fn pulled_in(dot: Vec2, corners: &[Vec2]) -> Vec2 {
    let mut dot = dot;
    for _ in 0..3 {
        for (index, corner) in corners.iter().enumerate() {
            let edge = corners[(index + 1) % corners.len()] - *corner;
            let inward = vec2(-edge.y, edge.x).normalized();
            let depth = (dot - *corner).dot(inward);
            if depth < 0.004 {
                dot += (0.004 - depth) * inward;
            }
        }
    }
    dot
}

/// Draws the pad.
pub(crate) fn show(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let theme = cx.theme;
    ui.painter().rect_filled(rect, 10.0, theme.sunken);
    let mut members = cx.state.morph.clone();
    if members.is_empty() {
        members.extend(
            cx.state
                .main_voice()
                .map(|entry| (entry.voice.name.clone(), 1.0)),
        );
    }
    if members.len() < 2 {
        let words = "Click two to eight voices below, then move the dot between them.";
        let drawn = text::block(
            ui,
            rect.center() - vec2(rect.width() * 0.38, 18.0),
            rect.width() * 0.76,
            words,
            fonts::regular(12.0),
            theme.dim,
        );
        text::spoken(ui, drawn, "morph hint", words);
        return;
    }
    let corners = corners(members.len());
    let radius = vec2(rect.width() * 0.5 - 38.0, rect.height() * 0.5 - 32.0);
    let at = |point: Vec2| rect.center() + point * radius;
    let id = ui.make_persistent_id("morph pad");
    let response = ui.interact(rect, id, Sense::click_and_drag());
    let mut dot: Vec2 = members
        .iter()
        .zip(&corners)
        .map(|((_, share), corner)| *share * *corner)
        .fold(Vec2::ZERO, |a, b| a + b);
    let before = dot;
    if response.dragged() || response.clicked() {
        response.request_focus();
        if let Some(pointer) = response.interact_pointer_pos() {
            let target = (pointer - rect.center()) / radius;
            dot = if response.dragged() && is_fine(ui) {
                dot + response.drag_delta() / radius * FINE
            } else {
                target
            };
        }
    }
    if response.double_clicked() {
        dot = Vec2::ZERO;
    }
    dot += key_steps(ui, &response);
    if dot != before {
        let shares = shares_at(dot, &corners);
        let moved: Vec<(String, f32)> = members
            .iter()
            .zip(&shares)
            .map(|((name, _), share)| (name.clone(), *share))
            .collect();
        if moved != members {
            members = moved.clone();
            cx.push(PanelAction::SetMorph(moved));
        }
    }
    draw(ui, cx, &members, &corners, &at);
    let words = members
        .iter()
        .map(|(name, share)| format!("{name} {:.0} %", share * 100.0))
        .collect::<Vec<_>>()
        .join(", ");
    response.widget_info(|| WidgetInfo::labeled(Role::Canvas, ui.is_enabled(), "Morph pad"));
    ui.ctx().accesskit_node_builder(id, |node| {
        node.set_value(words.clone());
        node.set_description("Arrow keys move the dot between the voices.");
    });
    if response.has_focus() && cx.view.keyboard {
        ui.painter().rect_stroke(
            rect,
            10.0,
            Stroke::new(1.5, theme.accent),
            egui::StrokeKind::Inside,
        );
    }
    response
        .on_hover_cursor(CursorIcon::Crosshair)
        .on_hover_text("Move the dot to mix the voices. Shift-drag is fine, double-click is the middle, right next to a voice it snaps.");
}

fn key_steps(ui: &Ui, response: &egui::Response) -> Vec2 {
    if !response.has_focus() {
        return Vec2::ZERO;
    }
    ui.memory_mut(|memory| {
        let filter = EventFilter {
            horizontal_arrows: true,
            vertical_arrows: true,
            ..EventFilter::default()
        };
        memory.set_focus_lock_filter(response.id, filter);
    });
    ui.input(|input| {
        let presses = |key| input.num_presses(key) as f32;
        0.08 * vec2(
            presses(Key::ArrowRight) - presses(Key::ArrowLeft),
            presses(Key::ArrowDown) - presses(Key::ArrowUp),
        )
    })
}

fn draw(ui: &Ui, cx: &Cx, members: &[(String, f32)], corners: &[Vec2], at: &dyn Fn(Vec2) -> Pos2) {
    let theme = cx.theme;
    let painter = ui.painter();
    let count = corners.len();
    let dot = members
        .iter()
        .zip(corners)
        .map(|((_, share), corner)| *share * *corner)
        .fold(Vec2::ZERO, |a, b| a + b);
    for index in 0..count {
        if count > 2 || index == 0 {
            painter.line_segment(
                [at(corners[index]), at(corners[(index + 1) % count])],
                Stroke::new(1.0, theme.line),
            );
        }
    }
    for ((name, share), corner) in members.iter().zip(corners) {
        let color = cx.view.portrait(name).color(theme.dark);
        if *share > 0.01 {
            painter.line_segment(
                [at(*corner), at(dot)],
                Stroke::new(1.0 + 3.0 * share, fade(color, 0.15 + 0.6 * share)),
            );
        }
    }
    for ((name, share), corner) in members.iter().zip(corners) {
        let portrait = cx.view.portrait(name);
        let size = 18.0 + 8.0 * share;
        let tile = Rect::from_center_size(at(*corner), vec2(size, size));
        portrait.paint(painter, tile, theme.dark, 0.55 + 0.45 * share);
        let up = corner.y <= 0.01;
        let y = if up {
            tile.top() - 8.0
        } else {
            tile.bottom() + 8.0
        };
        let ink = mix(theme.dim, theme.text, *share * 2.0);
        text::line(
            ui,
            egui::pos2(tile.center().x, y),
            Align2::CENTER_CENTER,
            74.0,
            name,
            fonts::regular(10.5),
            ink,
        );
    }
    painter.circle_filled(at(dot), 13.0, fade(theme.accent, 0.22));
    painter.circle(at(dot), 7.0, theme.accent, Stroke::new(2.5, theme.sunken));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_place_the_dot_where_it_was_put() {
        for count in 3..=8 {
            let corners = corners(count);
            for step in 0..40 {
                let dot = 0.45 * (step as f32 / 40.0) * Vec2::angled(step as f32 * 0.7);
                let shares = shares_at(dot, &corners);
                let sum: f32 = shares.iter().sum();
                let mean = shares
                    .iter()
                    .zip(&corners)
                    .map(|(share, corner)| *share * *corner)
                    .fold(Vec2::ZERO, |a, b| a + b);
                assert!((sum - 1.0).abs() < 1e-4 && shares.iter().all(|share| *share >= 0.0));
                assert!((mean - dot).length() < 2e-3, "{count} {dot:?} {mean:?}");
            }
            assert_eq!(
                shares_at(corners[1] * 0.95, &corners)[1],
                1.0,
                "it snaps to a voice"
            );
        }
        assert_eq!(shares_at(Vec2::ZERO, &corners(2)), vec![0.5, 0.5]);
    }
}
