//! The help page: how controls are used, keys, and what to do when it does not sound right.

use egui::{Align2, Rect, ScrollArea, Ui, UiBuilder, pos2, vec2};

use crate::context::Cx;
use crate::fonts;
use crate::settings::{heading, note, page, row};
use crate::widgets::layout::columns;
use crate::widgets::text;

const HANDS: [(&str, &str); 8] = [
    ("Drag", "moves a control"),
    ("Shift + drag", "moves it finely"),
    ("Double-click", "goes back to the neutral value"),
    ("Click the number", "lets you type: 3, −25 ct, 40 %, −12 dB"),
    ("Wheel", "moves the control under the pointer"),
    ("Right-click", "opens the host's menu, or Mien's own"),
    ("Tab, arrows", "go from control to control and move them"),
    ("Enter or a digit", "types a value for the control in focus"),
];

const KEYS: [(&str, &str); 5] = [
    ("Ctrl + Z", "Undo"),
    ("Ctrl + Shift + Z", "Redo"),
    ("Ctrl + F", "Search the voices"),
    ("F1", "This page"),
    ("Esc", "Close a page or a menu"),
];

const CURES: [(&str, &str); 7] = [
    (
        "It crackles or drops out",
        "Set the delay mode to Safe (Settings), or raise the host's buffer size.",
    ),
    (
        "It sounds harsh",
        "The input is too loud. Aim for peaks between −18 and −6 dB with the In knob.",
    ),
    (
        "Room noise turns into breaths",
        "Raise the gate until it is quiet while you are.",
    ),
    (
        "The voice is too high or too low",
        "Leave “Match pitch” on, and move Pitch by a few semitones.",
    ),
    (
        "It sounds flat",
        "Raise Intonation, or add some emotion: Mien follows how lively you speak.",
    ),
    (
        "I hear myself twice",
        "Switch off direct monitoring in your interface or host.",
    ),
    (
        "The delay disturbs me",
        "Use headphones, a buffer of 128 or less, and the delay mode Low.",
    ),
];

/// Draws the page.
pub(crate) fn show(ui: &mut Ui, cx: &mut Cx, rect: Rect) {
    let content = page(ui, cx, rect, "Help");
    let halves = columns(content, 2, 32.0);
    ui.scope_builder(
        UiBuilder::new().max_rect(halves[0]).id_salt("help left"),
        |ui| {
            ScrollArea::vertical()
                .id_salt("help left")
                .auto_shrink(false)
                .show(ui, |ui| {
                    heading(ui, cx, "By hand");
                    table(ui, cx, &HANDS);
                    ui.add_space(8.0);
                    heading(ui, cx, "Keys");
                    table(ui, cx, &KEYS);
                });
        },
    );
    ui.scope_builder(UiBuilder::new().max_rect(halves[1]).id_salt("help right"), |ui| {
        ScrollArea::vertical().id_salt("help right").auto_shrink(false).show(ui, |ui| {
            heading(ui, cx, "When it does not sound right");
            for (trouble, cure) in CURES {
                ui.label(egui::RichText::new(trouble).font(fonts::medium(12.0)).color(cx.theme.text));
                ui.add_space(-4.0);
                note(ui, cx, cure);
            }
            ui.add_space(8.0);
            heading(ui, cx, "Fair use");
            note(ui, cx, "Convert to voices that are yours to use. Tell people that a voice is converted where they would want to know.");
        });
    });
}

fn table(ui: &mut Ui, cx: &Cx, rows: &[(&str, &str)]) {
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        for (left, right) in rows {
            let place = row(ui, 20.0);
            let y = place.center().y;
            text::line(
                ui,
                pos2(place.left(), y),
                Align2::LEFT_CENTER,
                120.0,
                left,
                fonts::medium(12.0),
                cx.theme.accent,
            );
            let at = pos2(place.left() + 126.0, y);
            text::line(
                ui,
                at,
                Align2::LEFT_CENTER,
                place.width() - 126.0,
                right,
                fonts::regular(12.0),
                cx.theme.dim,
            );
            text::spoken(
                ui,
                Rect::from_min_size(place.min, vec2(place.width(), 20.0)),
                left,
                &format!("{left}: {right}"),
            );
        }
    });
}
