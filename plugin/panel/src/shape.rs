//! The voice's shape: pitch, formant, intonation, the automatic match with both ranges, breath, gate.

use egui::{Align2, Rect, ScrollArea, Sense, Stroke, Ui, UiBuilder, pos2, vec2};

use crate::context::Cx;
use crate::fonts;
use crate::params::{GATE_OFF_DB, ParamId};
use crate::theme::{fade, mix};
use crate::widgets::layout::{cut_left, cut_right, cut_top};
use crate::widgets::{button, slider, switch, text};

/// Ends of the drawn range of pitch in Hz.
const LOW_HZ: f32 = 60.0;
const HIGH_HZ: f32 = 500.0;
/// Height below which the controls scroll.
const LEAST_HEIGHT: f32 = 36.0 * 6.35;

/// Draws the section.
pub(crate) fn show(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    button::section(ui, cx, rect);
    let mut rest = rect.shrink(12.0);
    let head = cut_top(&mut rest, 24.0);
    button::title(ui, cx, head.left_center(), "Shape");
    if rest.height() >= LEAST_HEIGHT {
        controls(ui, cx, rest);
        return;
    }
    ui.scope_builder(UiBuilder::new().max_rect(rest), |ui| {
        ScrollArea::vertical()
            .id_salt("shape")
            .auto_shrink(false)
            .show(ui, |ui| {
                let size = vec2(rest.width(), LEAST_HEIGHT);
                let (all, _) = ui.allocate_exact_size(size, Sense::hover());
                controls(ui, cx, all);
            });
    });
}

fn controls(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let mut rest = rect;
    // Six blocks share the height.
    let row = (rest.height() / 6.35).clamp(36.0, 60.0);
    let gap = (row - 36.0) / 2.0;
    let block = |rest: &mut Rect| {
        let strip = cut_top(rest, row);
        Rect::from_min_size(
            pos2(strip.left(), strip.top() + gap),
            vec2(strip.width(), 36.0),
        )
    };
    slider::tall(ui, cx, ParamId::Pitch, block(&mut rest));
    let matched = cut_top(&mut rest, row * 1.35);
    ranges(ui, cx, matched);
    for param in [ParamId::Formant, ParamId::Intonation, ParamId::Breath] {
        slider::tall(ui, cx, param, block(&mut rest));
    }
    gate(ui, cx, block(&mut rest));
}

/// The automatic match: its switch, and on a scale of pitch your range, the voice's, and where
/// yours ends up.
fn ranges(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let theme = cx.theme;
    let mut rest = rect;
    let mut head = cut_top(&mut rest, 20.0);
    let toggle = cut_right(&mut head, switch::SIZE.x);
    let label = ParamId::AutoPitch.spec().label;
    let named = text::line(
        ui,
        head.left_center(),
        Align2::LEFT_CENTER,
        100.0,
        label,
        fonts::regular(12.0),
        theme.dim,
    );
    switch::param(ui, cx, ParamId::AutoPitch, toggle);
    cut_right(&mut head, 8.0);
    let x = |hz: f32| {
        let share = (hz.max(1.0) / LOW_HZ).ln() / (HIGH_HZ / LOW_HZ).ln();
        rest.left() + 30.0 + share.clamp(0.0, 1.0) * (rest.width() - 32.0)
    };
    let live = &cx.state.live;
    let heard = live.mean_f0_hz > 0.0;
    let mean = live.mean_f0_hz;
    let (low, high) = live.range_f0_hz;
    let voice = cx
        .state
        .main_voice()
        .map(|entry| &entry.voice)
        .filter(|voice| voice.f0_mean_hz > 0.0);
    // What the converter does: the mean goes to the voice's, then the pitch slider moves it, and
    // intonation spreads the range around it.
    let semitones = cx.value(ParamId::Pitch);
    let matched = cx.is_on(ParamId::AutoPitch);
    let base = match voice {
        Some(voice) if matched => voice.f0_mean_hz,
        _ => mean,
    };
    let goal = base * (semitones / 12.0).exp2();
    // The figures of both means, where there is room beside the label.
    if heard {
        let words = format!("{mean:.0} → {goal:.0} Hz");
        let font = fonts::medium(11.0);
        let figures = ui.painter().layout_no_wrap(words, font, theme.text);
        if figures.size().x <= head.right() - named.right() - 8.0 {
            let place = Align2::RIGHT_CENTER.anchor_size(head.right_center(), figures.size());
            ui.painter().galley(place.min, figures, theme.text);
        }
    }
    let bar_height = 5.0;
    let top = rest.top() + 8.0;
    let bottom = (rest.bottom() - 6.0).min(top + 17.0);
    for (words, y) in [("You", top), ("Mien", bottom)] {
        ui.painter().text(
            pos2(rest.left(), y),
            Align2::LEFT_CENTER,
            words,
            fonts::regular(10.5),
            theme.dim,
        );
        let rail = Rect::from_min_max(
            pos2(x(LOW_HZ), y - bar_height / 2.0),
            pos2(x(HIGH_HZ), y + bar_height / 2.0),
        );
        ui.painter()
            .rect_filled(rail, bar_height / 2.0, mix(theme.sunken, theme.text, 0.10));
    }
    let bar = |low: f32, high: f32, y: f32, color: egui::Color32| {
        let (left, right) = (x(low), x(high).max(x(low) + bar_height));
        let rect = Rect::from_min_max(
            pos2(left, y - bar_height / 2.0),
            pos2(right, y + bar_height / 2.0),
        );
        ui.painter().rect_filled(rect, bar_height / 2.0, color);
    };
    if let Some(voice) = voice {
        bar(
            voice.f0_low_hz,
            voice.f0_high_hz,
            bottom,
            fade(theme.accent, 0.38),
        );
    }
    let words = if heard {
        bar(low, high, top, fade(theme.own, 0.45));
        let path = [pos2(x(mean), top), pos2(x(goal), bottom)];
        ui.painter()
            .line_segment(path, Stroke::new(1.0, fade(theme.accent, 0.7)));
        ui.painter().circle_filled(path[0], 4.0, theme.own);
        ui.painter().circle_filled(path[1], 4.5, theme.accent);
        let moved = 12.0 * (goal / mean).log2();
        format!(
            "You speak at {mean:.0} Hz on average, Mien at {goal:.0} Hz: {moved:+.1} semitones."
        )
    } else {
        "Speak, and your range appears here.".to_owned()
    };
    let area = Rect::from_min_max(
        pos2(rest.left(), rest.top() - 4.0),
        pos2(rest.right(), bottom + 8.0),
    );
    text::spoken(ui, area, "pitch ranges", &words).on_hover_text(words);
    if !heard {
        let mut hint = area;
        cut_left(&mut hint, 28.0);
        let at = pos2(hint.center().x, (top + bottom) / 2.0);
        text::line(
            ui,
            at,
            Align2::CENTER_CENTER,
            hint.width(),
            "speak to see yours",
            fonts::regular(10.5),
            theme.dim,
        );
    }
}

/// The gate, with a mark on its track at the level that comes in.
fn gate(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let spec = ParamId::Gate.spec();
    let level = spec.normalise(cx.state.meters.input_db);
    let on = cx.value(ParamId::Gate) > GATE_OFF_DB;
    slider::tall(ui, cx, ParamId::Gate, rect);
    let heard = cx.state.meters.input_db;
    if heard > spec.min && heard < spec.max {
        let (left, right) = (rect.left() + 6.5, rect.right() - 6.5);
        let x = left + level * (right - left);
        let shut = on && cx.state.meters.gated;
        let color = if shut { cx.theme.faint } else { cx.theme.own };
        let mark = Rect::from_center_size(pos2(x, rect.top() + 26.0), vec2(2.0, 12.0));
        ui.painter().rect_filled(mark, 1.0, color);
    }
}
