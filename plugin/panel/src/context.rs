//! What every section is handed: the state to draw, the view's own state, the colours, and where
//! actions go.

use crate::actions::PanelAction;
use crate::params::ParamId;
use crate::state::PanelState;
use crate::theme::Theme;
use crate::view::View;

/// For how long after a gesture the panel shows its own value instead of the owner's, in seconds.
/// Hosts take a block or two until they report a new value back; without this the control jumps.
const SETTLE_S: f64 = 0.25;

/// A value that the panel set and the owner may not report back yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    param: ParamId,
    value: f32,
    /// When the gesture ended; `None` while it lasts.
    ended: Option<f64>,
}

/// The surroundings of a section.
pub(crate) struct Cx<'a> {
    pub state: &'a PanelState,
    pub view: &'a mut View,
    pub theme: Theme,
    pub out: Vec<PanelAction>,
    /// Time of the frame in seconds.
    pub now: f64,
}

impl Cx<'_> {
    /// The value to show: while a person moves the control it is theirs, so that automation from
    /// the host cannot tear it out of their hand.
    pub(crate) fn value(&self, param: ParamId) -> f32 {
        let held = self.view.held.iter().find(|held| held.param == param);
        held.map_or_else(|| self.state.values.get(param), |held| held.value)
    }

    /// Whether a switch is on.
    pub(crate) fn is_on(&self, param: ParamId) -> bool {
        self.value(param) > 0.5
    }

    /// The person took hold of a control.
    pub(crate) fn begin(&mut self, param: ParamId) {
        let value = self.value(param);
        let held = self.view.held.iter().position(|held| held.param == param);
        if let Some(index) = held {
            if self.view.held[index].ended.is_none() {
                return;
            }
            self.view.held.remove(index);
        }
        self.view.held.push(Held {
            param,
            value,
            ended: None,
        });
        self.out.push(PanelAction::BeginGesture(param));
    }

    /// The person moved it. Only between [`Self::begin`] and [`Self::end`].
    pub(crate) fn set(&mut self, param: ParamId, value: f32) {
        let value = param.spec().clamp(value);
        let Some(held) = self.view.held.iter_mut().find(|held| held.param == param) else {
            return;
        };
        if held.value != value {
            held.value = value;
            self.out.push(PanelAction::Set(param, value));
        }
    }

    /// The person let go.
    pub(crate) fn end(&mut self, param: ParamId) {
        let now = self.now;
        let held = self
            .view
            .held
            .iter_mut()
            .find(|held| held.param == param && held.ended.is_none());
        if let Some(held) = held {
            held.ended = Some(now);
            self.out.push(PanelAction::EndGesture(param));
        }
    }

    /// A whole gesture at once: a click, a typed value, a reset. Inside a running gesture it only
    /// moves the value.
    pub(crate) fn set_once(&mut self, param: ParamId, value: f32) {
        let running = self
            .view
            .held
            .iter()
            .any(|held| held.param == param && held.ended.is_none());
        if param.spec().clamp(value) == self.value(param) {
            return;
        }
        if running {
            self.set(param, value);
            return;
        }
        self.begin(param);
        self.set(param, value);
        self.end(param);
    }

    /// Something else to do.
    pub(crate) fn push(&mut self, action: PanelAction) {
        self.out.push(action);
    }

    /// Ends all gestures, for a window that closed in the middle of them.
    pub(crate) fn let_go(held: &mut Vec<Held>) -> Vec<PanelAction> {
        held.drain(..)
            .filter(|held| held.ended.is_none())
            .map(|held| PanelAction::EndGesture(held.param))
            .collect()
    }

    /// Forgets held values that the owner reports back, or has had time to. Returns whether some
    /// are still waiting, so that the panel must be drawn again.
    pub(crate) fn settle(held: &mut Vec<Held>, state: &PanelState, now: f64) -> bool {
        held.retain(|held| match held.ended {
            None => true,
            Some(ended) => state.values.get(held.param) != held.value && now - ended < SETTLE_S,
        });
        held.iter().any(|held| held.ended.is_some())
    }
}
