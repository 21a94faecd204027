//! Typing a value: click the number, type, press Enter.

use egui::{Align2, Id, Key, Rect, TextEdit, Ui};

use crate::context::Cx;
use crate::fonts;
use crate::params::ParamId;

/// A value that is being typed.
#[derive(Clone, Debug)]
pub(crate) struct Typing {
    param: ParamId,
    text: String,
    /// The field still has to take the focus and select its text.
    fresh: bool,
    /// What the focus goes back to, so that the keyboard stays where it was.
    back: Option<Id>,
}

/// Opens the field for a parameter. `first` is what was typed already; `back` had the focus.
pub(crate) fn open(cx: &mut Cx, param: ParamId, first: Option<&str>, back: Option<Id>) {
    let text = first.map_or_else(|| param.spec().format(cx.value(param)), str::to_owned);
    cx.view.typing = Some(Typing {
        param,
        text,
        fresh: true,
        back,
    });
}

/// Whether the field of this parameter is open.
pub(crate) fn is_open(cx: &Cx, param: ParamId) -> bool {
    cx.view
        .typing
        .as_ref()
        .is_some_and(|typing| typing.param == param)
}

/// Draws the open field. Returns true when it closed.
pub(crate) fn show(ui: &mut Ui, cx: &mut Cx, rect: Rect) -> bool {
    let Some(mut typing) = cx.view.typing.take() else {
        return true;
    };
    let spec = typing.param.spec();
    let readable = spec.parse(&typing.text).is_some();
    let color = if readable {
        cx.theme.text
    } else {
        cx.theme.bad
    };
    let id = ui.make_persistent_id(("typing", spec.id));
    let first = typing.fresh && typing.text.chars().count() == 1;
    let edit = TextEdit::singleline(&mut typing.text)
        .id(id)
        .font(fonts::medium(12.0))
        .text_color(color)
        .align(Align2::RIGHT_CENTER)
        .margin(egui::Margin::symmetric(5, 1))
        .desired_width(rect.width());
    let response = ui
        .put(rect, edit)
        .accessible_name(format!("{} value", spec.name));
    if typing.fresh {
        typing.fresh = false;
        response.request_focus();
        let end = typing.text.chars().count();
        let start = if first { end } else { 0 };
        let mut state = egui::text_edit::TextEditState::load(ui.ctx(), id).unwrap_or_default();
        let range = egui::text::CCursorRange::two(
            egui::text::CCursor::new(egui::text::CharIndex::from(start)),
            egui::text::CCursor::new(egui::text::CharIndex::from(end)),
        );
        state.cursor.set_char_range(Some(range));
        state.store(ui.ctx(), id);
        cx.view.typing = Some(typing);
        return false;
    }
    if response.lost_focus() {
        let cancelled = ui.input(|input| input.key_pressed(Key::Escape));
        if let Some(value) = spec.parse(&typing.text).filter(|_| !cancelled) {
            cx.set_once(typing.param, value);
        }
        let by_key = cancelled || ui.input(|input| input.key_pressed(Key::Enter));
        if let Some(back) = typing.back.filter(|_| by_key) {
            ui.memory_mut(|memory| memory.request_focus(back));
        }
        return true;
    }
    cx.view.typing = Some(typing);
    false
}
