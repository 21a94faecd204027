//! What sliders, knobs and pads have in common: dragging (fine with shift), double-click, wheel,
//! arrow keys, typed values, the menu, the tooltip, and the words for screen readers.

use egui::accesskit::{Action, ActionData};
use egui::{
    CursorIcon, EventFilter, Key, Modifiers, MouseWheelUnit, Popup, Pos2, Rect, Response, Sense,
    SetOpenCommand, Stroke, Ui, WidgetInfo,
};

use crate::actions::{PanelAction, StandaloneAction};
use crate::context::Cx;
use crate::fonts;
use crate::params::{ParamId, ParamSpec};
use crate::theme::Theme;
use crate::widgets::{entry, menu};

/// How much slower shift makes a drag.
pub(crate) const FINE: f32 = 0.1;
/// How far a track pad glides for what a wheel does in one click.
const POINTS_PER_NOTCH: f32 = 40.0;
/// How much faster shift makes an arrow key.
const COARSE_KEYS: f32 = 10.0;

/// A drag under way. The share of the range is kept beside the value, since a value that is
/// rounded or clamped must not swallow small movements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drag {
    pub param: ParamId,
    pub share: f32,
}

/// Which way a drag moves the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    /// To the right is more.
    Horizontal,
    /// Up is more.
    Vertical,
}

/// Where a control lies and how it is dragged.
pub(crate) struct Place {
    /// What can be taken hold of.
    pub rect: Rect,
    /// Where pressing jumps to the value under the pointer (the track), if anywhere.
    pub track: Option<Rect>,
    pub axis: Axis,
    /// Points of movement for the whole range.
    pub travel: f32,
}

/// Handles everything a person can do to a parameter at this place, and describes it to screen
/// readers. Draws nothing.
pub(crate) fn control(ui: &mut Ui, cx: &mut Cx, param: ParamId, place: &Place) -> Response {
    let spec = param.spec();
    let id = ui.make_persistent_id(("param", spec.id));
    let mut response = ui.interact(place.rect, id, Sense::click_and_drag());
    let before = cx.value(param);
    drag(ui, cx, spec, place, &response);
    if response.double_clicked() {
        cx.set_once(param, spec.default);
    }
    if response.clicked() || response.drag_started() {
        response.request_focus();
    }
    wheel(ui, cx, spec, &response);
    keys(ui, cx, spec, &response, place.axis);
    spoken_requests(ui, cx, spec, &response);
    context_menu(cx, spec, &response);
    if cx.value(param) != before {
        response.mark_changed();
    }
    describe(ui, cx, spec, &response);
    if cx.view.drag.is_none() {
        response = tooltip(response, spec, cx.theme);
    }
    let cursor = match place.axis {
        Axis::Horizontal => CursorIcon::ResizeHorizontal,
        Axis::Vertical => CursorIcon::ResizeVertical,
    };
    response.on_hover_and_drag_cursor(cursor)
}

fn drag(ui: &Ui, cx: &mut Cx, spec: &ParamSpec, place: &Place, response: &Response) {
    let param = spec.param;
    if response.drag_started_by(egui::PointerButton::Primary) {
        cx.begin(param);
        let mut share = spec.normalise(cx.value(param));
        let origin = ui.input(|input| input.pointer.press_origin());
        if let (Some(track), Some(origin)) = (place.track, origin) {
            let under = share_at(track, place.axis, origin);
            let near = (under - share).abs() * place.travel < 12.0;
            if track.expand(7.0).contains(origin) && !near {
                share = under;
            }
        }
        cx.view.drag = Some(Drag { param, share });
        // The movement that made it a drag counts too.
        let total = response.total_drag_delta().unwrap_or_default();
        move_by(ui, cx, spec, place, total);
    } else if response.dragged_by(egui::PointerButton::Primary) {
        move_by(ui, cx, spec, place, response.drag_delta());
    }
    if response.drag_stopped() {
        cx.view.drag = None;
        cx.end(param);
    }
}

fn share_at(track: Rect, axis: Axis, pointer: Pos2) -> f32 {
    match axis {
        Axis::Horizontal => ((pointer.x - track.left()) / track.width()).clamp(0.0, 1.0),
        Axis::Vertical => ((track.bottom() - pointer.y) / track.height()).clamp(0.0, 1.0),
    }
}

fn move_by(ui: &Ui, cx: &mut Cx, spec: &ParamSpec, place: &Place, delta: egui::Vec2) {
    let Some(mut drag) = cx.view.drag.filter(|drag| drag.param == spec.param) else {
        return;
    };
    let along = match place.axis {
        Axis::Horizontal => delta.x,
        Axis::Vertical => -delta.y,
    };
    let fine = if ui.input(|input| input.modifiers.shift) {
        FINE
    } else {
        1.0
    };
    drag.share = (drag.share + along * fine / place.travel).clamp(0.0, 1.0);
    cx.view.drag = Some(drag);
    cx.set(spec.param, snapped(spec, drag.share, fine < 1.0));
}

/// Values near the default snap to it, so that the neutral place is easy to hit; not in a fine drag.
fn snapped(spec: &ParamSpec, share: f32, fine: bool) -> f32 {
    let neutral = spec.normalise(spec.default);
    if spec.is_bipolar() && !fine && (share - neutral).abs() < 0.012 {
        return spec.default;
    }
    spec.at(share)
}

fn wheel(ui: &Ui, cx: &mut Cx, spec: &ParamSpec, response: &Response) {
    if !response.hovered() {
        return;
    }
    let (notches, fine) = ui.input(|input| {
        let notches: f32 = input
            .events
            .iter()
            .map(|event| match event {
                // A wheel clicks in lines; a track pad glides in points.
                egui::Event::MouseWheel { unit, delta, .. } => {
                    let per_notch = match unit {
                        MouseWheelUnit::Point => POINTS_PER_NOTCH,
                        MouseWheelUnit::Line | MouseWheelUnit::Page => 1.0,
                    };
                    (delta.x + delta.y) / per_notch
                }
                _ => 0.0,
            })
            .sum();
        (notches, input.modifiers.shift)
    });
    if notches != 0.0 {
        let step = if fine {
            spec.step
        } else {
            spec.step.max((spec.max - spec.min) / 50.0)
        };
        cx.set_once(spec.param, cx.value(spec.param) + notches * step);
    }
}

fn keys(ui: &Ui, cx: &mut Cx, spec: &ParamSpec, response: &Response, axis: Axis) {
    if !response.has_focus() {
        return;
    }
    // Along its axis the arrows move the value; across it they move the focus.
    ui.memory_mut(|memory| {
        memory.set_focus_lock_filter(
            response.id,
            EventFilter {
                horizontal_arrows: axis == Axis::Horizontal,
                vertical_arrows: axis == Axis::Vertical,
                ..EventFilter::default()
            },
        );
    });
    let (less, more) = match axis {
        Axis::Horizontal => (Key::ArrowLeft, Key::ArrowRight),
        Axis::Vertical => (Key::ArrowDown, Key::ArrowUp),
    };
    let (steps, shift, home, end, reset, enter, typed) = ui.input(|input| {
        let presses = |key| input.num_presses(key) as f32;
        let typed = input.events.iter().find_map(|event| match event {
            egui::Event::Text(text)
                if text
                    .chars()
                    .all(|c| c.is_ascii_digit() || "+-.,".contains(c)) =>
            {
                Some(text.clone())
            }
            _ => None,
        });
        (
            presses(more) - presses(less) + 10.0 * (presses(Key::PageUp) - presses(Key::PageDown)),
            input.modifiers.shift,
            input.key_pressed(Key::Home),
            input.key_pressed(Key::End),
            input.key_pressed(Key::Delete) || input.key_pressed(Key::Backspace),
            input.key_pressed(Key::Enter),
            typed,
        )
    });
    let param = spec.param;
    if steps != 0.0 {
        let factor = if shift { COARSE_KEYS } else { 1.0 };
        cx.set_once(param, cx.value(param) + steps * factor * spec.step);
    } else if home {
        cx.set_once(param, spec.min);
    } else if end {
        cx.set_once(param, spec.max);
    } else if reset {
        cx.set_once(param, spec.default);
    } else if enter {
        entry::open(cx, param, None, Some(response.id));
    } else if let Some(typed) = typed.filter(|typed| !typed.is_empty()) {
        entry::open(cx, param, Some(&typed), Some(response.id));
    }
}

fn spoken_requests(ui: &Ui, cx: &mut Cx, spec: &ParamSpec, response: &Response) {
    let (steps, value) = ui.input(|input| {
        let count = |action| input.num_accesskit_action_requests(response.id, action) as f32;
        let value = input
            .accesskit_action_requests(response.id, Action::SetValue)
            .filter_map(|request| match &request.data {
                Some(ActionData::NumericValue(value)) => Some(*value as f32),
                Some(ActionData::Value(text)) => spec.parse(text),
                _ => None,
            })
            .last();
        (count(Action::Increment) - count(Action::Decrement), value)
    });
    if let Some(value) = value {
        cx.set_once(spec.param, value);
    } else if steps != 0.0 {
        cx.set_once(spec.param, cx.value(spec.param) + steps * spec.step);
    }
}

/// Tells screen readers and tests what this is and what it is worth.
fn describe(ui: &Ui, cx: &Cx, spec: &ParamSpec, response: &Response) {
    let value = cx.value(spec.param);
    response.widget_info(|| WidgetInfo::slider(ui.is_enabled(), f64::from(value), spec.name));
    ui.ctx().accesskit_node_builder(response.id, |node| {
        node.set_min_numeric_value(f64::from(spec.min));
        node.set_max_numeric_value(f64::from(spec.max));
        node.set_numeric_value_step(f64::from(spec.step));
        node.set_value(spec.format(value));
        node.set_description(spec.help);
        node.add_action(Action::SetValue);
        node.add_action(Action::Increment);
        node.add_action(Action::Decrement);
    });
}

/// The right-click menu: the host's where there is one, else our own.
pub(crate) fn context_menu(cx: &mut Cx, spec: &ParamSpec, response: &Response) {
    let param = spec.param;
    let refused = cx
        .view
        .own_menu
        .take_if(|wanted| *wanted == param)
        .is_some();
    if cx.state.host.has_param_menu && !refused {
        if response.secondary_clicked() {
            let at = response
                .interact_pointer_pos()
                .unwrap_or_else(|| response.rect.center());
            cx.view.asked_menu = Some((param, at));
            cx.push(PanelAction::HostMenu(param, at));
        }
        return;
    }
    if response.secondary_clicked() {
        cx.view.asked_menu = None;
    }
    let standalone = cx.state.standalone.as_ref();
    let bound = standalone.is_some_and(|own| own.midi_map.iter().any(|bound| bound.param == param));
    let has_midi = standalone.is_some();
    let mut popup = Popup::context_menu(response);
    if refused {
        popup = popup.open_memory(Some(SetOpenCommand::Bool(true)));
    }
    if let Some((_, at)) = cx.view.asked_menu.filter(|(asked, _)| *asked == param) {
        popup = popup.at_position(at);
    }
    popup.show(|ui| {
        // Left alone, a menu is as wide as its first frame had room for.
        ui.set_width(menu::WIDTH);
        menu::title(
            ui,
            cx.theme,
            &format!("{}  {}", spec.name, spec.format(cx.value(param))),
        );
        if menu::item(ui, cx.theme, "Type a value…", "", true) {
            entry::open(cx, param, None, Some(response.id));
        }
        if menu::item(ui, cx.theme, "Reset", &spec.format(spec.default), true) {
            cx.set_once(param, spec.default);
        }
        if has_midi && menu::item(ui, cx.theme, "Learn MIDI controller", "", true) {
            cx.push(PanelAction::Standalone(StandaloneAction::MidiLearn(Some(
                param,
            ))));
        }
        if bound && menu::item(ui, cx.theme, "Forget MIDI controller", "", true) {
            cx.push(PanelAction::Standalone(StandaloneAction::MidiForget(param)));
        }
    });
}

/// What the parameter means, with its unit, and how the control is used.
pub(crate) fn tooltip(response: Response, spec: &ParamSpec, theme: Theme) -> Response {
    response.on_hover_ui(|ui| {
        ui.set_max_width(270.0);
        ui.spacing_mut().item_spacing.y = 4.0;
        ui.label(egui::RichText::new(spec.name).font(fonts::medium(12.5)));
        ui.label(egui::RichText::new(spec.help).color(theme.dim));
        let hint = "Double-click resets · Shift-drag is fine · click the number to type";
        ui.label(egui::RichText::new(hint).size(10.5).color(theme.faint));
    })
}

/// Shows where the keyboard is, when it is the keyboard that is used.
pub(crate) fn focus_ring(ui: &Ui, cx: &Cx, response: &Response, rect: Rect, radius: f32) {
    if response.has_focus() && cx.view.keyboard {
        let stroke = Stroke::new(1.5, cx.theme.accent);
        ui.painter()
            .rect_stroke(rect, radius, stroke, egui::StrokeKind::Outside);
    }
}

/// Whether fine movement is asked for.
pub(crate) fn is_fine(ui: &Ui) -> bool {
    ui.input(|input| input.modifiers.contains(Modifiers::SHIFT))
}
