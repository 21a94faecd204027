//! The emotion: a wheel with a dot for mixing, a slider for each, the strength, and presets.

use std::f32::consts::TAU;
use std::sync::Arc;

use egui::{
    Align2, Color32, CursorIcon, EventFilter, Key, Mesh, Pos2, Rect, Role, Sense, Shape, Stroke,
    Ui, Vec2, WidgetInfo, pos2, vec2,
};
use mien_face::{EMOTIONS, EmotionInfo};

use crate::context::Cx;
use crate::params::{EMOTION_PARAMS, ParamId};
use crate::presets::FACTORY;
use crate::theme::{Theme, fade, mix, oklch};
use crate::widgets::control::{FINE, is_fine};
use crate::widgets::layout::{cut_bottom, cut_right, cut_top};
use crate::widgets::{button, slider, text};
use crate::{fonts, global};

const COUNT: usize = EMOTIONS.len();
/// Nearer than this to the centre, in the wheel's radius, the dot snaps to neutral.
const SNAP: f32 = 0.14;
/// Width below which the single sliders are left out.
const COMPACT: f32 = 320.0;
/// Width of the chip that opens the list of presets.
const MORE_CHIP: f32 = 58.0;
/// Least angle between neighbours on the wheel, so that every one can be hit and read.
const GAP: f32 = TAU / COUNT as f32 * 0.86;

/// What the section remembers.
#[derive(Default)]
pub(crate) struct EmotionView {
    /// The dot while it is dragged, before snapping.
    dot: Option<Vec2>,
    /// The disc behind the wheel as it was drawn last: making it costs more than all else here.
    disc: Option<(Disc, Arc<Mesh>)>,
}

/// What the disc depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Disc {
    centre: Pos2,
    radius: f32,
    anchors: [Vec2; COUNT],
    theme: Theme,
}

/// Where the emotions lie between unpleasant and pleasant, quiet and excited, after Russell's
/// circumplex; for packs that do not tell.
const CIRCUMPLEX: [(f32, f32); COUNT] = [
    (0.85, 0.45),
    (-0.70, -0.55),
    (-0.60, 0.70),
    (-0.25, 0.85),
    (0.30, 0.90),
    (-0.85, 0.15),
    (0.60, -0.65),
];

/// The colours of feelings: hues in degrees, in the order of [`EMOTIONS`].
const HUES: [f32; COUNT] = [90.0, 255.0, 25.0, 305.0, 60.0, 135.0, 195.0];

/// Where an emotion lies between unpleasant and pleasant, quiet and excited (−1 to 1): as the pack
/// tells, or by the table.
fn place_of(index: usize, infos: &[EmotionInfo]) -> (f32, f32) {
    let told = infos
        .iter()
        .find(|info| info.name == EMOTIONS[index] && (info.valence != 0.0 || info.arousal != 0.0));
    told.map_or(CIRCUMPLEX[index], |info| (info.valence, info.arousal))
}

/// Valence and arousal (−1 to 1) of a mix at a strength.
fn reading(weights: &[f32; COUNT], strength: f32, infos: &[EmotionInfo]) -> (f32, f32) {
    let (mut valence, mut arousal, mut sum) = (0.0, 0.0, 0.0);
    for (index, weight) in weights.iter().enumerate() {
        let (pleasant, excited) = place_of(index, infos);
        valence += weight * pleasant;
        arousal += weight * excited;
        sum += weight;
    }
    // A mix of several full emotions is a place between them, not beyond.
    let scale = strength / sum.max(1.0);
    (
        (valence * scale).clamp(-1.0, 1.0),
        (arousal * scale).clamp(-1.0, 1.0),
    )
}

/// The reading in words.
fn reading_words((valence, arousal): (f32, f32)) -> String {
    let part = |value: f32, more: &str, less: &str| {
        let percent = (value * 100.0).round();
        match percent {
            0.0 => None,
            p if p > 0.0 => Some(format!("{more} {p:.0} %")),
            p => Some(format!("{less} {:.0} %", -p)),
        }
    };
    let parts = [
        part(valence, "pleasant", "unpleasant"),
        part(arousal, "excited", "quiet"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join("  ·  ")
}

/// Colour of an emotion as it is drawn on the wheel and its slider.
fn color_of(index: usize, theme: Theme) -> Color32 {
    let chroma = if theme.vivid { 0.115 } else { 0.0 };
    oklch(if theme.dark { 0.78 } else { 0.62 }, chroma, HUES[index])
}

/// Where the emotions lie on the wheel: unit vectors, up is excited, right is pleasant.
fn anchors(infos: &[EmotionInfo]) -> [Vec2; COUNT] {
    let mut angles: Vec<(usize, f32)> = EMOTIONS
        .iter()
        .enumerate()
        .map(|(index, _)| {
            let (valence, arousal) = place_of(index, infos);
            (index, (-arousal).atan2(valence).rem_euclid(TAU))
        })
        .collect();
    angles.sort_by(|a, b| a.1.total_cmp(&b.1));
    // Neighbours push each other apart until all have room.
    for _ in 0..200 {
        for place in 0..COUNT {
            let next = (place + 1) % COUNT;
            let wrap = if next == 0 { TAU } else { 0.0 };
            let lack = GAP - (angles[next].1 + wrap - angles[place].1);
            if lack > 0.0 {
                angles[place].1 -= lack * 0.5;
                angles[next].1 += lack * 0.5;
            }
        }
    }
    let mut anchors = [Vec2::ZERO; COUNT];
    for (index, angle) in angles {
        anchors[index] = Vec2::angled(angle);
    }
    anchors
}

/// The dot that a mix of emotions stands for: the weighted sum of their places.
fn dot_of(weights: &[f32; COUNT], anchors: &[Vec2; COUNT]) -> Vec2 {
    let sum = weights
        .iter()
        .zip(anchors)
        .map(|(weight, anchor)| *weight * *anchor)
        .fold(Vec2::ZERO, |a, b| a + b);
    if sum.length() > 1.0 {
        sum.normalized()
    } else {
        sum
    }
}

/// The mix that a dot stands for: the two emotions that it lies between.
fn weights_at(dot: Vec2, anchors: &[Vec2; COUNT]) -> [f32; COUNT] {
    let mut weights = [0.0; COUNT];
    let dot = if dot.length() > 1.0 {
        dot.normalized()
    } else {
        dot
    };
    if dot.length() < SNAP {
        return weights;
    }
    let mut order: Vec<usize> = (0..COUNT).collect();
    order.sort_by(|a, b| anchors[*a].angle().total_cmp(&anchors[*b].angle()));
    for place in 0..COUNT {
        let (a, b) = (order[place], order[(place + 1) % COUNT]);
        let cross = |u: Vec2, v: Vec2| u.x * v.y - u.y * v.x;
        let area = cross(anchors[a], anchors[b]);
        if area.abs() < 1e-6 {
            continue;
        }
        let (share_a, share_b) = (cross(dot, anchors[b]) / area, cross(anchors[a], dot) / area);
        if share_a >= -1e-4 && share_b >= -1e-4 {
            weights[a] = share_a.clamp(0.0, 1.0);
            weights[b] = share_b.clamp(0.0, 1.0);
            return weights;
        }
    }
    weights
}

/// Draws the section.
pub(crate) fn show(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    button::section(ui, cx, rect);
    let mut rest = rect.shrink(12.0);
    let head = cut_top(&mut rest, 24.0);
    button::title(ui, cx, head.left_center(), "Emotion");
    summary(ui, cx, head);
    chips(ui, cx, cut_bottom(&mut rest, 24.0));
    cut_bottom(&mut rest, 8.0);
    cut_top(&mut rest, 4.0);
    if rest.width() < COMPACT {
        // Without room for both, the wheel and the strength say it all.
        let strength = cut_bottom(&mut rest, 38.0);
        wheel(ui, cx, rest);
        slider::tall(ui, cx, ParamId::Strength, strength);
        return;
    }
    let width = (rest.width() * 0.44).clamp(160.0, 300.0);
    let mut sliders = cut_right(&mut rest, width);
    cut_right(&mut rest, 14.0);
    told(ui, cx, cut_bottom(&mut rest, 16.0));
    wheel(ui, cx, rest);
    let strength = cut_bottom(&mut sliders, 38.0);
    let row = ((sliders.height() - 8.0) / COUNT as f32).min(46.0);
    for (index, param) in EMOTION_PARAMS.into_iter().enumerate() {
        let place = cut_top(&mut sliders, row);
        slider::flat(ui, cx, param, place, 66.0, Some(color_of(index, cx.theme)));
    }
    slider::tall(ui, cx, ParamId::Strength, strength);
}

/// The mix in words, at the right of the title.
fn summary(ui: &mut Ui, cx: &Cx, head: Rect) {
    let words = words_of(cx);
    let drawn = text::line(
        ui,
        head.right_center(),
        Align2::RIGHT_CENTER,
        head.width() - 80.0,
        &words,
        fonts::regular(12.0),
        cx.theme.dim,
    );
    text::spoken(ui, drawn, "emotion summary", &words);
}

/// The reading of the mix on the two axes of the wheel, under it.
fn told(ui: &mut Ui, cx: &Cx, rect: Rect) {
    let weights: [f32; COUNT] = EMOTION_PARAMS.map(|param| cx.value(param));
    let told = reading(&weights, cx.value(ParamId::Strength), &cx.state.emotions);
    let words = reading_words(told);
    text::line(
        ui,
        rect.center(),
        Align2::CENTER_CENTER,
        rect.width(),
        &words,
        fonts::regular(11.0),
        cx.theme.dim,
    );
    let about = format!("Valence {:+.2}, arousal {:+.2}", told.0, told.1);
    text::spoken(ui, rect, "reading", &about).on_hover_text(
        "Where the mix lies: right on the wheel is pleasant, up is excited, in percent of the utmost.",
    );
}

fn words_of(cx: &Cx) -> String {
    let mut parts: Vec<(f32, &str)> = EMOTION_PARAMS
        .iter()
        .map(|param| (cx.value(*param), param.spec().name))
        .filter(|(weight, _)| *weight >= 0.005)
        .collect();
    parts.sort_by(|a, b| b.0.total_cmp(&a.0));
    if parts.is_empty() {
        return "Neutral: your own delivery".into();
    }
    parts
        .iter()
        .take(3)
        .map(|(weight, name)| format!("{name} {:.0} %", weight * 100.0))
        .collect::<Vec<_>>()
        .join(" · ")
}

/// The first factory presets as chips: as many as fit.
fn chips(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let mut left = rect.left();
    let mut rest = rect;
    cut_right(&mut rest, MORE_CHIP + 6.0);
    for preset in &FACTORY {
        let galley = ui.painter().layout_no_wrap(
            preset.name.to_owned(),
            fonts::regular(11.5),
            cx.theme.text,
        );
        let width = galley.size().x + 20.0;
        if left + width > rest.right() {
            break;
        }
        let place = Rect::from_min_size(pos2(left, rect.top()), vec2(width, rect.height()));
        let sound = preset.sound();
        let on = sound.values.iter().all(|(id, value)| {
            ParamId::from_id(id).is_none_or(|param| (cx.value(param) - value).abs() < 1e-3)
        });
        if button::chip(ui, cx, place, preset.name, on)
            .on_hover_text(preset.description)
            .clicked()
        {
            global::choose_factory(cx, preset);
        }
        left += width + 6.0;
    }
    let more = Rect::from_min_size(pos2(left, rect.top()), vec2(MORE_CHIP, rect.height()));
    let response = button::chip(ui, cx, more, "More…", false);
    if response.on_hover_text("All presets, and yours").clicked() {
        cx.view.presets.open = true;
    }
}

fn wheel(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let radius = (rect.height() * 0.5 - 20.0)
        .min(rect.width() * 0.5 - 26.0)
        .max(30.0);
    let centre = rect.center();
    let anchors = anchors(&cx.state.emotions);
    let id = ui.make_persistent_id("emotion wheel");
    let response = ui.interact(rect, id, Sense::click_and_drag());
    let mut weights: [f32; COUNT] = EMOTION_PARAMS.map(|param| cx.value(param));
    let shown = dot_of(&weights, &anchors);
    if let Some(dot) = moved(ui, cx, &response, centre, radius, shown) {
        weights = weights_at(dot, &anchors);
        for (param, weight) in EMOTION_PARAMS.into_iter().zip(weights) {
            cx.set(param, weight);
        }
    }
    if response.drag_stopped() {
        cx.view.emotion.dot = None;
        EMOTION_PARAMS.into_iter().for_each(|param| cx.end(param));
    }
    let once = if response.double_clicked() {
        Some(Vec2::ZERO)
    } else if response.clicked() {
        response.request_focus();
        response
            .interact_pointer_pos()
            .map(|pointer| (pointer - centre) / radius)
    } else {
        keys(ui, &response, shown)
    };
    if let Some(dot) = once {
        weights = weights_at(dot, &anchors);
        for (param, weight) in EMOTION_PARAMS.into_iter().zip(weights) {
            cx.set_once(param, weight);
        }
    }
    draw(
        ui,
        cx,
        Drawn {
            rect,
            centre,
            radius,
            anchors: &anchors,
            weights: &weights,
            held: response.dragged(),
            hovered: response.hovered(),
        },
    );
    let words = words_of(cx);
    response.widget_info(|| WidgetInfo::labeled(Role::Canvas, ui.is_enabled(), "Emotion wheel"));
    ui.ctx().accesskit_node_builder(id, |node| {
        node.set_value(words.clone());
        node.set_description(
            "Arrow keys move the dot: up is excited, right is pleasant. Home is neutral.",
        );
    });
    if response.has_focus() && cx.view.keyboard {
        ui.painter()
            .circle_stroke(centre, radius + 6.0, Stroke::new(1.5, cx.theme.accent));
    }
    let response = response.on_hover_cursor(CursorIcon::Crosshair);
    if cx.view.emotion.dot.is_none() {
        response.on_hover_text("Drag towards a feeling: further out is stronger. The middle is neutral. Shift-drag is fine, double-click goes back.");
    }
}

/// The dot after this frame's drag, if there is one.
fn moved(
    ui: &Ui,
    cx: &mut Cx,
    response: &egui::Response,
    centre: Pos2,
    radius: f32,
    shown: Vec2,
) -> Option<Vec2> {
    if response.drag_started() {
        response.request_focus();
        EMOTION_PARAMS.into_iter().for_each(|param| cx.begin(param));
        cx.view.emotion.dot = Some(shown);
    }
    if !response.dragged() {
        return None;
    }
    let dot = if is_fine(ui) {
        cx.view.emotion.dot? + response.drag_delta() / radius * FINE
    } else {
        (response.interact_pointer_pos()? - centre) / radius
    };
    let dot = if dot.length() > 1.0 {
        dot.normalized()
    } else {
        dot
    };
    cx.view.emotion.dot = Some(dot);
    Some(dot)
}

fn keys(ui: &Ui, response: &egui::Response, shown: Vec2) -> Option<Vec2> {
    if !response.has_focus() {
        return None;
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
        if input.key_pressed(Key::Home)
            || input.key_pressed(Key::Delete)
            || input.key_pressed(Key::Backspace)
        {
            return Some(Vec2::ZERO);
        }
        let presses = |key| input.num_presses(key) as f32;
        let step = vec2(
            presses(Key::ArrowRight) - presses(Key::ArrowLeft),
            presses(Key::ArrowDown) - presses(Key::ArrowUp),
        );
        // The first step leaves the neutral centre, in which smaller ones would be caught.
        let length = if shown.length() < SNAP {
            SNAP + 0.02
        } else {
            0.06
        };
        (step != Vec2::ZERO).then(|| {
            let dot = shown + length * step.normalized();
            if dot.length() < SNAP { Vec2::ZERO } else { dot }
        })
    })
}

struct Drawn<'a> {
    rect: Rect,
    centre: Pos2,
    radius: f32,
    anchors: &'a [Vec2; COUNT],
    weights: &'a [f32; COUNT],
    held: bool,
    hovered: bool,
}

fn draw(ui: &Ui, cx: &mut Cx, drawn: Drawn) {
    let Drawn {
        rect,
        centre,
        radius,
        anchors,
        weights,
        held,
        hovered,
    } = drawn;
    let theme = cx.theme;
    let disc = Disc {
        centre,
        radius,
        anchors: *anchors,
        theme,
    };
    let glow = match cx.view.emotion.disc.take() {
        Some((known, mesh)) if known == disc => mesh,
        _ => Arc::new(glow(&disc)),
    };
    cx.view.emotion.disc = Some((disc, glow.clone()));
    let painter = ui.painter();
    let strength = cx.value(ParamId::Strength);
    painter.add(Shape::Mesh(glow));
    painter.circle_stroke(centre, radius, Stroke::new(1.0, theme.line));
    painter.circle_stroke(
        centre,
        radius * 0.57,
        Stroke::new(1.0, fade(theme.line, 0.55)),
    );
    painter.circle_stroke(centre, radius * SNAP, Stroke::new(1.0, theme.line));
    let dot = centre + radius * dot_of(weights, anchors);
    for (index, anchor) in anchors.iter().enumerate() {
        let color = color_of(index, theme);
        let place = centre + radius * *anchor;
        let weight = weights[index];
        if weight > 0.005 {
            painter.line_segment(
                [place, dot],
                Stroke::new(
                    1.0 + 2.5 * weight,
                    fade(color, (0.25 + 0.6 * weight) * (0.4 + 0.6 * strength)),
                ),
            );
        }
        painter.circle(
            place,
            4.0 + 3.0 * weight,
            mix(theme.surface, color, 0.35 + 0.65 * weight),
            Stroke::new(1.5, color),
        );
        let ink = mix(theme.dim, theme.text, weight * 2.0);
        label(
            ui,
            rect,
            place,
            *anchor,
            EMOTION_PARAMS[index].spec().name,
            ink,
        );
    }
    let neutral = weights.iter().all(|weight| *weight < 0.005);
    let halo = if held {
        0.34
    } else if hovered {
        0.26
    } else {
        0.18
    };
    painter.circle_filled(dot, 15.0, fade(theme.accent, halo));
    let fill = if neutral { theme.text } else { theme.accent };
    painter.circle(dot, 8.0, fill, Stroke::new(3.0, theme.surface));
}

/// A word beside its place on the wheel: outwards, but inside the section and off the place.
fn label(ui: &Ui, bounds: Rect, place: Pos2, outward: Vec2, word: &str, ink: Color32) {
    let galley = ui
        .painter()
        .layout_no_wrap(word.to_owned(), fonts::regular(11.0), ink);
    let half = galley.size() / 2.0;
    let mut middle = place + outward * 11.0 + outward * half;
    // Not by `clamp`, which panics where the bounds are narrower than the word: a window that becomes
    // smaller is that for a frame.
    let within = |at: f32, low: f32, high: f32| at.min(high).max(low);
    middle.x = within(middle.x, bounds.left() + half.x, bounds.right() - half.x);
    middle.y = within(middle.y, bounds.top() + half.y, bounds.bottom() - half.y);
    let overlap = (middle.x - place.x).abs() < half.x + 8.0;
    if overlap {
        let away = if outward.y > 0.0 { 1.0 } else { -1.0 };
        let distance = half.y + 8.0;
        if (middle.y - place.y).abs() < distance {
            middle.y = place.y + away * distance;
        }
    }
    ui.painter().galley(middle - half, galley, ink);
}

/// A disc that is tinted towards each emotion, and plain in the middle.
fn glow(disc: &Disc) -> Mesh {
    let Disc {
        centre,
        radius,
        anchors,
        theme,
    } = *disc;
    let (dark, ground) = (theme.dark, theme.sunken);
    let vivid = if theme.vivid { 1.0 } else { 0.0 };
    const STEPS: u32 = 96;
    const RINGS: [f32; 4] = [0.35, 0.6, 0.8, 1.0];
    let mut mesh = Mesh::default();
    mesh.colored_vertex(centre, ground);
    let colors: [egui::Rgba; COUNT] = std::array::from_fn(|index| {
        let (lightness, chroma) = if dark { (0.48, 0.09) } else { (0.84, 0.10) };
        oklch(lightness, chroma * vivid, HUES[index]).into()
    });
    let tint = |direction: Vec2| {
        // Weighted by how near the direction lies to each emotion.
        let (mut sum, mut total) = (egui::Rgba::TRANSPARENT, 0.0);
        for (index, anchor) in anchors.iter().enumerate() {
            let near = ((direction.dot(*anchor) - 0.55).max(0.0) / 0.45).powi(2) + 1e-3;
            sum = sum + colors[index] * near;
            total += near;
        }
        Color32::from(sum * (1.0 / total))
    };
    for step in 0..STEPS {
        let direction = Vec2::angled(step as f32 / STEPS as f32 * TAU);
        let color = tint(direction);
        for ring in RINGS {
            let share = ((ring - 0.2) / 0.8).powf(1.4) * if dark { 0.58 } else { 0.80 };
            mesh.colored_vertex(
                centre + ring * radius * direction,
                mix(ground, color, share),
            );
        }
    }
    let rings = RINGS.len() as u32;
    for step in 0..STEPS {
        let next = (step + 1) % STEPS;
        let (a, b) = (1 + step * rings, 1 + next * rings);
        mesh.add_triangle(0, a, b);
        for ring in 0..rings - 1 {
            mesh.add_triangle(a + ring, a + ring + 1, b + ring);
            mesh.add_triangle(b + ring, a + ring + 1, b + ring + 1);
        }
    }
    mesh
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wheel_has_room_for_all() {
        let anchors = anchors(&[]);
        for (index, anchor) in anchors.iter().enumerate() {
            for other in &anchors[..index] {
                assert!(
                    anchor.dot(*other).acos() > 0.6,
                    "two emotions lie on each other"
                );
            }
        }
        // Happy is to the right, sad to the left and below, calm below.
        assert!(
            anchors[0].x > 0.5 && anchors[1].x < 0.0 && anchors[1].y > 0.0 && anchors[6].y > 0.0
        );
    }

    #[test]
    fn a_mix_is_read_on_two_axes() {
        let mut weights = [0.0; COUNT];
        assert_eq!(reading_words(reading(&weights, 1.0, &[])), "");
        weights[0] = 1.0;
        assert_eq!(
            reading_words(reading(&weights, 1.0, &[])),
            "pleasant 85 %  ·  excited 45 %"
        );
        assert_eq!(reading(&weights, 0.0, &[]), (0.0, 0.0));
        weights[1] = 1.0;
        let (valence, arousal) = reading(&weights, 1.0, &[]);
        assert!(
            valence.abs() < 0.1 && arousal.abs() < 0.1,
            "between the two"
        );
        let told = EmotionInfo {
            name: "sad".into(),
            valence: -1.0,
            arousal: -1.0,
            ..EmotionInfo::default()
        };
        weights[0] = 0.0;
        assert_eq!(reading(&weights, 0.5, &[told]), (-0.5, -0.5));
    }

    #[test]
    fn dot_and_mix_tell_the_same() {
        let anchors = anchors(&[]);
        for step in 0..200 {
            let dot = (0.15 + 0.75 * (step as f32 / 200.0)) * Vec2::angled(step as f32 * 0.37);
            let weights = weights_at(dot, &anchors);
            assert!(weights.iter().filter(|weight| **weight > 1e-4).count() <= 2);
            assert!(
                (dot_of(&weights, &anchors) - dot).length() < 0.01,
                "{dot:?} {weights:?}"
            );
        }
        assert_eq!(weights_at(vec2(0.05, -0.05), &anchors), [0.0; COUNT]);
        for (index, anchor) in anchors.iter().enumerate() {
            assert!(weights_at(*anchor, &anchors)[index] > 0.98);
        }
    }
}
