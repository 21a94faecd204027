//! The first start: three steps, shown once, each beside what it is about.

use egui::{Align2, Area, Color32, Key, Order, Pos2, Rect, Sense, Stroke, Ui, pos2, vec2};

use crate::context::Cx;
use crate::fonts;
use crate::theme::fade;
use crate::view::Places;
use crate::widgets::layout::{cut_bottom, cut_right};
use crate::widgets::{button, text};

struct Step {
    title: &'static str,
    text: &'static str,
}

const STEPS: [Step; 3] = [
    Step {
        title: "Choose a voice",
        text: "Click a card and speak. The colour of the panel is the colour of the voice. “Morph” mixes several.",
    },
    Step {
        title: "Give it a feeling",
        text: "Drag the dot towards an emotion: further out is stronger, the middle is your own delivery. Below are moods to start from.",
    },
    Step {
        title: "Watch and listen",
        text: "Left is you, right is Mien; the lines are the pitch. Here you also see the delay and whether all is well. Headphones are best.",
    },
];

/// Draws the tour over the sections while it runs.
pub(crate) fn show(ui: &mut Ui, cx: &mut Cx, places: &Places) {
    let Some(step) = cx.view.tour else { return };
    if cx.view.page.is_some() {
        return;
    }
    let target = [places.voices, places.emotion, places.live][step.min(2)];
    let screen = ui.ctx().content_rect();
    let size = vec2(248.0, 164.0);
    let at = bubble_place(step, target, size).min(screen.max - size - vec2(10.0, 10.0));
    let id = ui.make_persistent_id("tour");
    let mut next = None;
    Area::new(id)
        .order(Order::Foreground)
        .fixed_pos(screen.min)
        .show(ui.ctx(), |ui| {
            // What lies below cannot be clicked meanwhile.
            ui.allocate_rect(screen, Sense::click_and_drag());
            shade(ui, screen, target, cx.theme.dark);
            ui.painter().rect_stroke(
                target,
                12.0,
                Stroke::new(2.0, cx.theme.accent),
                egui::StrokeKind::Inside,
            );
            next = bubble(ui, cx, Rect::from_min_size(at, size), step);
        });
    if ui.input(|input| input.key_pressed(Key::Escape)) {
        next = Some(STEPS.len());
    }
    let Some(next) = next else { return };
    cx.view.tour = Some(next).filter(|next| *next < STEPS.len());
    if cx.view.tour.is_none() {
        cx.view.remember(|memory| memory.welcomed = true);
    }
}

fn bubble_place(step: usize, target: Rect, size: egui::Vec2) -> Pos2 {
    match step {
        0 | 1 => pos2(target.right() + 16.0, target.top() + 60.0),
        _ => pos2(
            target.center().x - size.x / 2.0,
            target.top() - size.y - 16.0,
        ),
    }
}

/// Darkens all but the target.
fn shade(ui: &Ui, screen: Rect, target: Rect, dark: bool) {
    let color = Color32::from_black_alpha(if dark { 165 } else { 110 });
    let around = [
        Rect::from_min_max(screen.min, pos2(screen.right(), target.top())),
        Rect::from_min_max(pos2(screen.left(), target.bottom()), screen.max),
        Rect::from_min_max(
            pos2(screen.left(), target.top()),
            pos2(target.left(), target.bottom()),
        ),
        Rect::from_min_max(
            pos2(target.right(), target.top()),
            pos2(screen.right(), target.bottom()),
        ),
    ];
    for rect in around {
        ui.painter().rect_filled(rect, 0.0, color);
    }
}

/// Returns the step to go to, if a button was pressed.
fn bubble(ui: &mut Ui, cx: &mut Cx, rect: Rect, step: usize) -> Option<usize> {
    let theme = cx.theme;
    ui.painter().rect(
        rect,
        12.0,
        theme.raised,
        Stroke::new(1.0, theme.line),
        egui::StrokeKind::Inside,
    );
    let mut inner = rect.shrink(16.0);
    let words = &STEPS[step];
    let mut foot = cut_bottom(&mut inner, 28.0);
    let count = format!("{} of {}", step + 1, STEPS.len());
    ui.painter().text(
        inner.left_top(),
        Align2::LEFT_TOP,
        &count,
        fonts::regular(10.5),
        theme.accent,
    );
    ui.painter().text(
        inner.left_top() + vec2(0.0, 15.0),
        Align2::LEFT_TOP,
        words.title,
        fonts::display(15.5),
        theme.text,
    );
    let body = text::block(
        ui,
        inner.left_top() + vec2(0.0, 38.0),
        inner.width(),
        words.text,
        fonts::regular(12.0),
        theme.dim,
    );
    text::spoken(
        ui,
        body,
        "tour",
        &format!("Step {count}. {}. {}", words.title, words.text),
    );
    let last = step + 1 == STEPS.len();
    let label = if last { "Start" } else { "Next" };
    let next = button::word(ui, cx, cut_right(&mut foot, 76.0), label, true);
    if next.clicked() {
        return Some(step + 1);
    }
    if !last {
        let skip = Rect::from_min_size(foot.left_top(), vec2(52.0, 28.0));
        ui.painter().rect_filled(skip, 7.0, fade(theme.raised, 0.0));
        if button::word(ui, cx, skip, "Skip", false).clicked() {
            return Some(STEPS.len());
        }
    }
    None
}
