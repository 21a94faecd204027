//! The live view: both spectrograms with their pitch, the meters, the delay and its parts, the
//! load, and the engine in words. Where nothing can be heard it says what to do instead.

use egui::{Align2, Color32, Rect, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::actions::PanelAction;
use crate::context::Cx;
use crate::notices::{self, Answer, Gravity, Health, Notice};
use crate::scroll::{CORNER, share_of, snapped};
use crate::theme::{Theme, fade, mix, oklch};
use crate::widgets::layout::{cut_left, cut_right, cut_top};
use crate::widgets::{button, text};
use crate::{fonts, icons};

/// Range of the meters in dB.
const METER_LOW_DB: f32 = -60.0;

/// Colours for levels 0 to 255.
pub(crate) type Ramp = [Color32; 256];

/// From the ground of the view to a bright or deep tone. Levels below −70 dB stay ground.
pub(crate) fn ramp(theme: Theme, own: bool) -> Ramp {
    std::array::from_fn(|level| {
        let db = level as f32 / 255.0 * 90.0 - 90.0;
        let share = ((db + 72.0) / 60.0).clamp(0.0, 1.0).powf(1.25);
        let chroma = if own || !theme.vivid { 0.012 } else { 0.15 };
        let hue = theme.hue + if own { 0.0 } else { 24.0 * (share - 0.5) };
        let (from, to) = if theme.dark {
            (0.150, 0.90)
        } else {
            (0.925, 0.42)
        };
        let arch = if theme.dark {
            (share * (1.35 - 0.75 * share)).min(1.0)
        } else {
            share
        };
        oklch(
            from + (to - from) * share,
            0.010 + (chroma - 0.010) * arch,
            hue,
        )
    })
}

/// Draws the section.
pub(crate) fn show(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    button::section(ui, cx, rect);
    let mut rest = rect.shrink(10.0);
    let facts = cut_right(&mut rest, 188.0);
    cut_right(&mut rest, 12.0);
    let meters = cx.state.meters;
    let left = cut_left(&mut rest, 10.0);
    meter(
        ui,
        cx,
        left,
        "Input level",
        meters.input_db,
        meters.input_hold_db,
        meters.input_clipped,
        cx.theme.own,
    );
    cut_left(&mut rest, 6.0);
    let right = cut_right(&mut rest, 10.0);
    meter(
        ui,
        cx,
        right,
        "Output level",
        meters.output_db,
        meters.output_hold_db,
        meters.output_clipped,
        cx.theme.accent,
    );
    cut_right(&mut rest, 6.0);
    let notice = notices::current(cx.state, cx.view.waits_long(cx.now));
    match &notice {
        Some(notice) if notice.gravity == Gravity::Blocking => blocking(ui, cx, rest, notice),
        _ => pictures(ui, cx, rest),
    }
    if let Some(notice) = notice.filter(|notice| notice.gravity != Gravity::Blocking) {
        passing(ui, cx, rest, &notice);
    }
    engine_facts(ui, cx, facts);
}

fn pictures(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let live = &cx.state.live;
    let mut rest = rect;
    let half = (rect.width() - 6.0) / 2.0;
    let left = cut_left(&mut rest, half);
    cut_left(&mut rest, 6.0);
    let density = ui.ctx().pixels_per_point();
    let [left, rest] = [left, rest].map(|rect| snapped(rect, density));
    cx.view.live.update(ui.ctx(), cx.theme, [left, rest], live);
    let parts = cx.state.morph.iter().filter(|(_, share)| *share > 0.0);
    let voice = match (parts.count(), cx.state.main_voice()) {
        (2.., _) => "Morph".to_owned(),
        (_, Some(entry)) => entry.voice.name.clone(),
        (_, None) => "Mien".to_owned(),
    };
    let (own, accent) = (cx.theme.own, cx.theme.accent);
    picture(ui, cx, left, "You", own, true);
    picture(ui, cx, rest, &voice, accent, false);
}

fn picture(ui: &mut Ui, cx: &Cx, rect: Rect, title: &str, color: Color32, own: bool) {
    let theme = cx.theme;
    let live = &cx.state.live;
    let painter = ui.painter().with_clip_rect(rect);
    match cx.view.live.picture(own) {
        Some(scroll) if !live.columns.is_empty() => scroll.show(&painter, rect, theme.surface),
        _ => {
            painter.rect_filled(rect, CORNER, theme.sunken);
        }
    }
    octave_lines(&painter, rect, theme);
    let galley = painter.layout_no_wrap(title.to_owned(), fonts::medium(11.0), color);
    let place = Rect::from_min_size(
        rect.left_top() + vec2(6.0, 6.0),
        galley.size() + vec2(12.0, 4.0),
    );
    painter.rect_filled(place, 6.0, fade(theme.sunken, 0.8));
    painter.galley(place.min + vec2(6.0, 2.0), galley, color);
    let f0 = live.columns.last().map_or(0.0, |column| {
        if own {
            column.input_f0_hz
        } else {
            column.output_f0_hz
        }
    });
    let words = if f0 > 0.0 {
        format!("{f0:.0} Hz")
    } else {
        String::new()
    };
    if !words.is_empty() {
        let galley = painter.layout_no_wrap(words.clone(), fonts::medium(11.0), color);
        let size = galley.size() + vec2(12.0, 4.0);
        let place = Rect::from_min_size(pos2(rect.right() - 6.0 - size.x, rect.top() + 6.0), size);
        painter.rect_filled(place, 6.0, fade(theme.sunken, 0.8));
        painter.galley(place.min + vec2(6.0, 2.0), galley, color);
    }
    let about = format!(
        "{title}: spectrogram from 50 Hz to 10 kHz, newest at the right; the line is the pitch. {words}"
    );
    text::spoken(
        ui,
        rect,
        if own {
            "input picture"
        } else {
            "output picture"
        },
        &about,
    )
    .on_hover_text(if own {
        "What comes in, from 50 Hz to 10 kHz, newest at the right. The line is your pitch."
    } else {
        "What goes out, from 50 Hz to 10 kHz, newest at the right. The bright line is its pitch, the faint one yours."
    });
}

/// Height of a frequency in the picture.
fn y_of(rect: Rect, hz: f32) -> f32 {
    rect.bottom() - share_of(hz) * rect.height()
}

fn octave_lines(painter: &egui::Painter, rect: Rect, theme: Theme) {
    for (hz, words) in [(100.0, "100 Hz"), (1000.0, "1 kHz")] {
        let y = y_of(rect, hz);
        painter.hline(rect.x_range(), y, Stroke::new(1.0, fade(theme.faint, 0.16)));
        let galley = painter.layout_no_wrap(words.to_owned(), fonts::regular(9.0), theme.dim);
        let place = Rect::from_min_size(
            pos2(rect.left() + 6.0, y - galley.size().y / 2.0),
            galley.size(),
        );
        painter.rect_filled(place.expand2(vec2(3.0, 0.0)), 3.0, fade(theme.sunken, 0.75));
        painter.galley(place.min, galley, theme.dim);
    }
}

#[allow(clippy::too_many_arguments)]
fn meter(
    ui: &mut Ui,
    cx: &Cx,
    rect: Rect,
    name: &str,
    db: f32,
    hold: f32,
    clipped: bool,
    color: Color32,
) {
    let theme = cx.theme;
    let painter = ui.painter();
    let mut column = rect;
    let lamp = cut_top(&mut column, 6.0);
    cut_top(&mut column, 3.0);
    let rail = mix(
        theme.sunken,
        theme.text,
        if theme.dark { 0.10 } else { 0.03 },
    );
    painter.rect_filled(lamp, 2.5, if clipped { theme.bad } else { rail });
    painter.rect_filled(column, 3.0, rail);
    let y = |db: f32| {
        let share = ((db - METER_LOW_DB) / -METER_LOW_DB).clamp(0.0, 1.0);
        column.bottom() - share * column.height()
    };
    if db > METER_LOW_DB {
        let filled = Rect::from_min_max(pos2(column.left(), y(db)), column.max);
        painter.rect_filled(
            filled,
            3.0,
            if db > -6.0 {
                mix(color, theme.warn, ((db + 6.0) / 5.0).min(1.0))
            } else {
                color
            },
        );
    }
    if hold > METER_LOW_DB {
        painter.hline(
            column.x_range(),
            y(hold).max(column.top() + 1.0),
            Stroke::new(2.0, if hold > -1.0 { theme.bad } else { theme.text }),
        );
    }
    let words = if hold > -120.0 {
        format!("{name}: {db:.0} dB, peak {hold:.1} dB")
    } else {
        format!("{name}: silent")
    };
    let response = ui.interact(rect, ui.make_persistent_id(("meter", name)), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Meter, true, name));
    ui.ctx().accesskit_node_builder(response.id, |node| {
        node.set_numeric_value(f64::from(db));
        node.set_value(words.clone());
    });
    response.on_hover_text(words);
}

/// What to do, in place of the pictures.
fn blocking(ui: &mut Ui, cx: &mut Cx, rect: Rect, notice: &Notice) {
    let theme = cx.theme;
    ui.painter().rect_filled(rect, 8.0, theme.sunken);
    let mut inner = rect.shrink2(vec2(18.0, 14.0));
    let mark = cut_left(&mut inner, 38.0);
    let widest = notice
        .actions
        .iter()
        .map(|(label, _)| button::word_width(ui, label).max(96.0) + 16.0);
    let button_width = widest.fold(0.0, f32::max);
    let width = (inner.width() - button_width).min(560.0);
    // Reasons that a loader gives can be long: what does not fit is in the tooltip.
    let rows = ((inner.height() - 26.0) / 16.0).floor().max(1.0) as usize;
    let body = text::lines(
        ui,
        width,
        &notice.text,
        rows,
        fonts::regular(12.5),
        theme.dim,
    );
    let top = inner.center().y - (26.0 + body.size().y) / 2.0;
    let title = ui.painter().text(
        pos2(inner.left(), top + 10.0),
        Align2::LEFT_CENTER,
        notice.title,
        fonts::display(15.0),
        theme.text,
    );
    ui.painter().text(
        pos2(mark.left(), inner.center().y),
        Align2::LEFT_CENTER,
        icons::WARNING_CIRCLE,
        fonts::icon(26.0),
        theme.warn,
    );
    let body_rect = Rect::from_min_size(pos2(inner.left(), top + 26.0), body.size());
    let cut = body.elided;
    ui.painter().galley(body_rect.min, body, theme.dim);
    let words = format!("{}. {}", notice.title, notice.text);
    let said = text::spoken(ui, title.union(body_rect), "notice", &words);
    if cut {
        said.on_hover_text(&notice.text);
    }
    let height = 30.0 * notice.actions.len() as f32 + 6.0 * (notice.actions.len() as f32 - 1.0);
    let mut top = inner.center().y - height / 2.0;
    for (index, (label, action)) in notice.actions.iter().enumerate() {
        let size = vec2(button_width - 16.0, 30.0);
        let place = Rect::from_min_size(pos2(inner.right() - size.x, top), size);
        top += 36.0;
        if button::word(ui, cx, place, label, index == 0).clicked() {
            carry_out(cx, action);
        }
    }
}

/// A word over the pictures.
fn passing(ui: &mut Ui, cx: &mut Cx, rect: Rect, notice: &Notice) {
    let theme = cx.theme;
    let (glyph, color) = match notice.gravity {
        Gravity::Warning => (icons::WARNING, theme.warn),
        _ => (icons::INFO, theme.accent),
    };
    let button_width = notice
        .actions
        .first()
        .map_or(0.0, |(label, _)| button::word_width(ui, label) + 8.0);
    let inner_width = rect.width() - 12.0 - 40.0 - button_width;
    let body = ui.painter().layout(
        notice.text.clone(),
        fonts::regular(12.0),
        theme.text,
        inner_width - title_width(ui, notice.title) - 10.0,
    );
    let height = (body.size().y + 14.0).max(34.0);
    let strip = Rect::from_min_size(
        pos2(rect.left() + 6.0, rect.bottom() - height - 6.0),
        vec2(rect.width() - 12.0, height),
    );
    let ground = mix(theme.surface, color, if theme.dark { 0.14 } else { 0.10 });
    ui.painter().rect(
        strip,
        9.0,
        ground,
        Stroke::new(1.0, fade(color, 0.45)),
        egui::StrokeKind::Inside,
    );
    ui.painter().text(
        pos2(strip.left() + 19.0, strip.center().y),
        Align2::CENTER_CENTER,
        glyph,
        fonts::icon(17.0),
        color,
    );
    let title = ui.painter().text(
        pos2(strip.left() + 36.0, strip.center().y),
        Align2::LEFT_CENTER,
        notice.title,
        fonts::medium(12.5),
        theme.text,
    );
    ui.painter().galley(
        pos2(title.right() + 10.0, strip.center().y - body.size().y / 2.0),
        body,
        theme.text,
    );
    text::spoken(
        ui,
        strip,
        "notice",
        &format!("{}. {}", notice.title, notice.text),
    );
    if let Some((label, action)) = notice.actions.first() {
        let size = vec2(button_width - 8.0, 24.0);
        let place = Rect::from_min_size(
            pos2(strip.right() - size.x - 6.0, strip.center().y - 12.0),
            size,
        );
        if button::word(ui, cx, place, label, true).clicked() {
            carry_out(cx, action);
        }
    }
}

fn carry_out(cx: &mut Cx, answer: &Answer) {
    match answer {
        // A value is a whole gesture wherever it is set from.
        Answer::Do(PanelAction::Set(param, value)) => cx.set_once(*param, *value),
        Answer::Do(action) => cx.push(action.clone()),
        Answer::Open(page) => cx.view.page = Some(*page),
    }
}

fn title_width(ui: &Ui, title: &str) -> f32 {
    ui.painter()
        .layout_no_wrap(title.to_owned(), fonts::medium(12.5), Color32::WHITE)
        .size()
        .x
}

/// Engine, delay, load, dropouts.
fn engine_facts(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let theme = cx.theme;
    let (words, health) = notices::engine_words(cx.state);
    let color = match health {
        Health::Good => theme.good,
        Health::Waiting => theme.dim,
        Health::Poor => theme.warn,
        Health::Bad => theme.bad,
    };
    let mut rest = rect;
    let head = cut_top(&mut rest, 20.0);
    let centre = pos2(head.left() + 5.0, head.center().y);
    ui.painter().circle_filled(centre, 8.0, fade(color, 0.20));
    ui.painter().circle_filled(centre, 4.0, color);
    let said = text::line(
        ui,
        pos2(head.left() + 18.0, head.center().y),
        Align2::LEFT_CENTER,
        head.width() - 18.0,
        words,
        fonts::medium(13.0),
        theme.text,
    );
    text::spoken(ui, said, "engine", &format!("Engine: {words}"));
    cut_top(&mut rest, 3.0);
    delay(ui, cx, cut_top(&mut rest, 34.0));
    let gap = ((rest.height() - 52.0) / 2.0).clamp(2.0, 12.0);
    cut_top(&mut rest, gap);
    load(ui, cx, cut_top(&mut rest, 26.0));
    cut_top(&mut rest, gap);
    dropouts(ui, cx, cut_top(&mut rest, 18.0));
}

/// The delay in large figures; its parts on hover.
fn delay(ui: &mut Ui, cx: &Cx, rect: Rect) {
    let theme = cx.theme;
    let total = cx.state.latency_ms();
    let known = total > 0.0;
    let number = if known {
        format!("{total:.1}")
    } else {
        "0.0".into()
    };
    let ink = if known { theme.text } else { theme.faint };
    let drawn = ui.painter().text(
        pos2(rect.left(), rect.center().y),
        Align2::LEFT_CENTER,
        &number,
        fonts::display(25.0),
        ink,
    );
    ui.painter().text(
        pos2(drawn.right() + 6.0, drawn.bottom() - 7.0),
        Align2::LEFT_BOTTOM,
        "ms delay",
        fonts::regular(11.5),
        theme.dim,
    );
    let host = &cx.state.host;
    let session = format!(
        "{} · {}",
        notices::rate_words(host.sample_rate),
        host.max_block
    );
    ui.painter().text(
        pos2(rect.right(), drawn.bottom() - 7.0),
        Align2::RIGHT_BOTTOM,
        session,
        fonts::regular(10.0),
        theme.faint,
    );
    let response = text::spoken(ui, rect, "delay", &format!("Delay: {number} milliseconds"));
    let parts = &cx.state.latency;
    response.on_hover_ui(|ui| {
        ui.set_width(230.0);
        ui.label(egui::RichText::new("Delay from microphone to output").font(fonts::medium(12.5)));
        let colors = [theme.accent, theme.own, theme.good, theme.warn, theme.faint];
        let (bar, _) = ui.allocate_exact_size(vec2(ui.available_width(), 8.0), Sense::hover());
        let mut left = bar.left();
        for (part, color) in parts.iter().zip(colors.iter().cycle()) {
            let width = part.ms / total.max(0.01) * bar.width();
            let piece = Rect::from_min_size(
                pos2(left, bar.top()),
                vec2((width - 1.5).max(0.5), bar.height()),
            );
            ui.painter().rect_filled(piece, 2.0, *color);
            left += width;
        }
        for (part, color) in parts.iter().zip(colors.iter().cycle()) {
            let (row, _) = ui.allocate_exact_size(vec2(ui.available_width(), 15.0), Sense::hover());
            ui.painter()
                .circle_filled(pos2(row.left() + 4.0, row.center().y), 3.0, *color);
            ui.painter().text(
                pos2(row.left() + 14.0, row.center().y),
                Align2::LEFT_CENTER,
                &part.name,
                fonts::regular(11.5),
                theme.dim,
            );
            ui.painter().text(
                row.right_center(),
                Align2::RIGHT_CENTER,
                format!("{:.1} ms", part.ms),
                fonts::medium(11.5),
                theme.text,
            );
        }
        ui.label(
            egui::RichText::new("The host is told this figure and compensates for it.")
                .size(10.5)
                .color(theme.faint),
        );
    });
}

fn load(ui: &mut Ui, cx: &Cx, rect: Rect) {
    let theme = cx.theme;
    let load = &cx.state.load;
    let color = if load.share > 0.9 {
        theme.bad
    } else if load.share > 0.65 {
        theme.warn
    } else {
        theme.accent
    };
    let mut rest = rect;
    let head = cut_top(&mut rest, 15.0);
    ui.painter().text(
        head.left_center(),
        Align2::LEFT_CENTER,
        "Load",
        fonts::regular(11.5),
        theme.dim,
    );
    let words = format!("{:.0} %", load.share * 100.0);
    ui.painter().text(
        head.right_center(),
        Align2::RIGHT_CENTER,
        &words,
        fonts::medium(11.5),
        theme.text,
    );
    let rail = Rect::from_min_size(pos2(rest.left(), rest.top() + 2.0), vec2(rest.width(), 4.0));
    ui.painter().rect_filled(
        rail,
        2.0,
        mix(
            theme.sunken,
            theme.text,
            if theme.dark { 0.17 } else { 0.06 },
        ),
    );
    let done = rail.left() + rail.width() * load.share.clamp(0.0, 1.0);
    if done > rail.left() + 1.0 {
        ui.painter().rect_filled(
            Rect::from_min_max(rail.min, pos2(done, rail.bottom())),
            2.0,
            color,
        );
    }
    let about = format!(
        "One frame of 10 ms takes {:.1} ms on average, {:.1} ms at worst. Above 100 % the voice drops out.",
        load.mean_ms, load.worst_ms
    );
    text::spoken(ui, rect, "load", &format!("Load: {words}")).on_hover_text(about);
}

fn dropouts(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let theme = cx.theme;
    let count = cx.state.load.dropouts;
    let id = ui.make_persistent_id("dropouts");
    let sense = if count > 0 {
        Sense::click()
    } else {
        Sense::hover()
    };
    let response = ui.interact(rect, id, sense);
    response.widget_info(|| {
        WidgetInfo::labeled(
            if count > 0 { Role::Button } else { Role::Label },
            true,
            format!("Dropouts: {count}"),
        )
    });
    ui.painter().text(
        rect.left_center(),
        Align2::LEFT_CENTER,
        "Dropouts",
        fonts::regular(11.5),
        theme.dim,
    );
    let ink = if count > 0 { theme.warn } else { theme.text };
    ui.painter().text(
        rect.right_center(),
        Align2::RIGHT_CENTER,
        count.to_string(),
        fonts::medium(11.5),
        ink,
    );
    if count > 0 && response.hovered() {
        ui.painter().rect_stroke(
            rect.expand(2.0),
            4.0,
            Stroke::new(1.0, theme.line),
            egui::StrokeKind::Inside,
        );
    }
    let help = if count > 0 {
        "Frames that came too late, each 10 ms. Click to count from zero."
    } else {
        "Frames that came too late so far: none."
    };
    if response.on_hover_text(help).clicked() {
        cx.push(PanelAction::ClearDropouts);
    }
}
