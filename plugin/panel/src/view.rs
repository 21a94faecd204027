//! The panel itself: its own state, the order of the sections, undo and A/B.

use std::collections::HashMap;

use egui::{Popup, Pos2, Rect, Ui, Vec2};

use crate::actions::{PanelAction, Sound};
use crate::context::{Cx, Held};
use crate::params::ParamId;
use crate::portrait::{self, Portrait};
use crate::scroll::LiveView;
use crate::state::{EngineStatus, Memory, PanelState};
use crate::theme::{TOOLTIP_DELAY_S, TOOLTIP_GRACE_S, Theme};
use crate::widgets::layout::{cut_bottom, cut_left, cut_right, cut_top};
use crate::widgets::{control::Drag, entry::Typing};
use crate::{
    emotion, fonts, global, help, live, onboarding, settings, shape, standalone, toast, voices,
};

/// A page that covers the sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Settings.
    Settings,
    /// Help.
    Help,
    /// Devices, recorder, player, routing and MIDI of the standalone.
    Standalone,
}

/// How far a repeated step of the same kind joins the one before in the undo history, in seconds.
const JOIN_S: f64 = 0.8;
/// How long the engine usually takes to start or to read a pack at most, in seconds.
const USUAL_WAIT_S: f64 = 4.0;
/// Steps that undo remembers.
const UNDO_DEPTH: usize = 100;

/// How far a resting hand may move the pointer, in points.
const REST: f32 = 3.0;
/// A delay of tooltips that nobody waits for, in seconds.
const NEVER_S: f32 = 1.0e6;

/// Which of the two sounds is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Slot {
    #[default]
    A,
    B,
}

/// What is done to the whole sound at the end of a frame.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Undo,
    Redo,
    Apply(Sound),
    Switch(Slot),
    CopyToOther,
    /// Hear this while a button is held; it is no step of undo.
    Audition(Sound),
    /// Back to what was heard before.
    EndAudition,
}

/// Which kind of step came last, for joining.
#[derive(Clone, Copy, Debug, PartialEq)]
enum StepKind {
    Param(ParamId),
    Voices,
    Many,
}

/// Sounds to go back to.
#[derive(Debug, Default)]
pub(crate) struct History {
    undo: Vec<Sound>,
    redo: Vec<Sound>,
    /// The sound before the running gestures.
    open: Option<Sound>,
    running: usize,
    kind: Option<StepKind>,
    last: Option<(StepKind, f64)>,
}

impl History {
    pub(crate) fn can_undo(&self) -> bool {
        !self.undo.is_empty()
    }

    pub(crate) fn can_redo(&self) -> bool {
        !self.redo.is_empty()
    }

    fn remember(&mut self, sound: Sound) {
        self.undo.push(sound);
        if self.undo.len() > UNDO_DEPTH {
            self.undo.remove(0);
        }
        self.redo.clear();
    }

    /// Takes note of what a frame did.
    fn observe(&mut self, state: &PanelState, actions: &[PanelAction], now: f64) {
        for action in actions {
            let kind = match action {
                PanelAction::BeginGesture(param) if param.is_sound() => {
                    self.running += 1;
                    StepKind::Param(*param)
                }
                PanelAction::EndGesture(param) if param.is_sound() => {
                    self.running = self.running.saturating_sub(1);
                    continue;
                }
                PanelAction::ChooseVoice(_) | PanelAction::SetMorph(_) => StepKind::Voices,
                _ => continue,
            };
            if self.open.is_none() {
                self.open = Some(Sound::of(state));
                self.kind = Some(kind);
            } else if self.kind != Some(kind) {
                self.kind = Some(StepKind::Many);
            }
        }
        if self.running > 0 {
            return;
        }
        let (Some(before), Some(kind)) = (self.open.take(), self.kind.take()) else {
            return;
        };
        let joins = self
            .last
            .is_some_and(|(last, at)| last == kind && now - at < JOIN_S);
        if !joins || self.undo.is_empty() {
            self.remember(before);
        }
        self.last = Some((kind, now));
    }
}

/// The panel's own state.
pub(crate) struct View {
    pub memory: Memory,
    pub page: Option<Page>,
    /// Step of the first-start tour, while it is shown.
    pub tour: Option<usize>,
    pub held: Vec<Held>,
    pub drag: Option<Drag>,
    pub typing: Option<Typing>,
    /// The pack that is being read (none while the engine starts), and since when it is seen to be.
    waiting: Option<(Option<String>, f64)>,
    /// A list closed under the resting pointer, which stood here.
    hushed_at: Option<Pos2>,
    had_list: bool,
    /// Whose menu the host was asked for last, and where.
    pub asked_menu: Option<(ParamId, Pos2)>,
    /// Whose menu of our own is to open with the next frame.
    pub own_menu: Option<ParamId>,
    pub history: History,
    pub slot: Slot,
    /// The sound that is not heard.
    pub other: Option<Sound>,
    pub command: Option<Command>,
    /// The sound to go back to after a preset was listened to.
    pub before_audition: Option<Sound>,
    /// The last input came from the keyboard: show where the focus is.
    pub keyboard: bool,
    pub live: LiveView,
    pub voices: voices::VoicesView,
    pub presets: global::PresetsView,
    pub standalone: standalone::StandaloneView,
    pub settings: settings::SettingsView,
    pub emotion: emotion::EmotionView,
    portraits: HashMap<String, Portrait>,
    portraits_of: u64,
    themed: Option<Theme>,
}

impl View {
    /// The portrait of a voice; made once.
    pub(crate) fn portrait(&self, name: &str) -> Portrait {
        self.portraits
            .get(name)
            .copied()
            .unwrap_or_else(|| portrait::from_name(name))
    }

    /// Takes note of what the engine is busy with; tells in how many seconds words about it change.
    fn watch_engine(&mut self, engine: &EngineStatus, now: f64) -> Option<f64> {
        let pack = match engine {
            EngineStatus::Starting => None,
            EngineStatus::LoadingPack { name, .. } => Some(name),
            _ => {
                self.waiting = None;
                return None;
            }
        };
        let since = match &self.waiting {
            Some((same, since)) if same.as_ref() == pack => *since,
            _ => {
                self.waiting = Some((pack.cloned(), now));
                now
            }
        };
        Some(since + USUAL_WAIT_S - now).filter(|&left| left > 0.0)
    }

    /// Whether the engine has been waited for longer than usual.
    pub(crate) fn waits_long(&self, now: f64) -> bool {
        let since = self.waiting.as_ref().map(|(_, since)| *since);
        since.is_some_and(|since| now - since >= USUAL_WAIT_S)
    }

    /// Keeps tooltips away after a list closed, until the pointer moves on: nobody asked for the one
    /// of what happens to lie under it.
    fn hush(&mut self, ctx: &egui::Context) {
        let has_list = Popup::is_any_open(ctx);
        let pointer = ctx.input(|input| input.pointer.latest_pos());
        if std::mem::replace(&mut self.had_list, has_list) && !has_list {
            self.hushed_at = pointer;
        }
        let rests = |at: Pos2| pointer.is_some_and(|pointer| pointer.distance(at) < REST);
        self.hushed_at = self.hushed_at.filter(|&at| rests(at));
        let (delay, grace) = match self.hushed_at {
            Some(_) => (NEVER_S, 0.0),
            None => (TOOLTIP_DELAY_S, TOOLTIP_GRACE_S),
        };
        let present = ctx.global_style().interaction.tooltip_delay;
        if present != delay {
            ctx.global_style_mut(|style| {
                style.interaction.tooltip_delay = delay;
                style.interaction.tooltip_grace_time = grace;
            });
        }
    }

    /// Changes what is kept for the next time.
    pub(crate) fn remember(&mut self, change: impl FnOnce(&mut Memory)) {
        change(&mut self.memory);
    }
}

/// The panel. One per open window; cheap to make.
pub struct Panel {
    view: View,
    remembered: Memory,
}

impl Panel {
    /// A panel that continues from what the last one asked to remember.
    pub fn new(memory: Memory) -> Self {
        let tour = (!memory.welcomed).then_some(0);
        Self {
            remembered: memory.clone(),
            view: View {
                memory,
                page: None,
                tour,
                held: Vec::new(),
                drag: None,
                typing: None,
                waiting: None,
                hushed_at: None,
                had_list: false,
                asked_menu: None,
                own_menu: None,
                history: History::default(),
                slot: Slot::default(),
                other: None,
                command: None,
                before_audition: None,
                keyboard: false,
                live: LiveView::default(),
                voices: voices::VoicesView::default(),
                presets: global::PresetsView::default(),
                standalone: standalone::StandaloneView::default(),
                settings: settings::SettingsView::default(),
                emotion: emotion::EmotionView::default(),
                portraits: HashMap::new(),
                portraits_of: 0,
                themed: None,
            },
        }
    }

    /// Installs the panel's fonts. Call it once for each context before the first frame; without
    /// it the first frame stays empty.
    pub fn install(ctx: &egui::Context) {
        fonts::install(ctx);
        ctx.data_mut(|data| data.insert_temp(installed_id(), true));
    }

    /// Opens a page, or goes back to the sections.
    pub fn open_page(&mut self, page: Option<Page>) {
        self.view.page = page;
    }

    /// What is to be kept for the next time.
    pub fn memory(&self) -> &Memory {
        &self.view.memory
    }

    /// Takes over what another window or instance remembered meanwhile.
    pub fn set_memory(&mut self, memory: Memory) {
        if memory.welcomed {
            self.view.tour = None;
        }
        self.remembered = memory.clone();
        self.view.memory = memory;
    }

    /// Takes note of the window's size in points, and of the zoom that fills it. The owner keeps
    /// both; they do not come back as [`PanelAction::Remember`].
    pub fn set_window(&mut self, points: [f32; 2], zoom: f32) {
        for memory in [&mut self.view.memory, &mut self.remembered] {
            memory.window = Some(points);
            memory.zoom = zoom;
        }
    }

    /// Opens the panel's own menu of a parameter with the next frame, where the host's was asked
    /// for: it has none for it after all.
    pub fn show_own_menu(&mut self, param: ParamId) {
        self.view.own_menu = Some(param);
    }

    /// Lets go of all controls, for a window that closes: returns what must be done.
    pub fn let_go(&mut self) -> Vec<PanelAction> {
        self.view.drag = None;
        self.view.typing = None;
        Cx::let_go(&mut self.view.held)
    }

    /// Takes over a preset that the owner read from a file: returns what must be done, and makes
    /// it one step of undo.
    pub fn apply_preset(
        &mut self,
        name: String,
        sound: &Sound,
        state: &PanelState,
    ) -> Vec<PanelAction> {
        self.view.presets.chosen = Some((name, sound.clone()));
        let actions = sound.actions_from(state);
        if !actions.is_empty() {
            self.view.history.remember(Sound::of(state));
        }
        actions
    }

    /// Draws one frame into all of `ui` and returns what the person did.
    pub fn ui(&mut self, ui: &mut Ui, state: &PanelState) -> Vec<PanelAction> {
        let ctx = ui.ctx().clone();
        if !ctx.data(|data| data.get_temp::<bool>(installed_id()).unwrap_or(false)) {
            Self::install(&ctx);
            ctx.request_repaint();
            return Vec::new();
        }
        let now = ctx.input(|input| input.time);
        let view = &mut self.view;
        let mut left_open = Vec::new();
        if !ctx.data(|data| data.get_temp::<bool>(drawn_id()).unwrap_or(false)) {
            // A new window: the old one's textures and style are gone, and a control that was in
            // the hand when it closed is let go of.
            ctx.data_mut(|data| data.insert_temp(drawn_id(), true));
            view.live = LiveView::default();
            view.themed = None;
            view.drag = None;
            view.typing = None;
            left_open = Cx::let_go(&mut view.held);
        }
        if Cx::settle(&mut view.held, state, now) {
            ctx.request_repaint_after_secs(0.1);
        }
        refresh_portraits(view, state);
        let vivid = !state.values.is_on(ParamId::Bypass);
        let (dark, hue) = (view.memory.dark, accent_hue(view, state));
        let theme = match view.themed {
            Some(theme) if theme.is_for(dark, hue, vivid) => theme,
            _ => Theme::new(dark, hue, vivid),
        };
        if view.themed != Some(theme) {
            theme.apply(&ctx);
            ui.set_style(ctx.global_style());
            view.themed = Some(theme);
        }
        view.hush(&ctx);
        if let Some(left) = view.watch_engine(&state.engine, now) {
            ctx.request_repaint_after_secs(left as f32);
        }
        watch_keyboard(&ctx, view);
        let mut cx = Cx {
            state,
            view,
            theme,
            out: left_open,
            now,
        };
        sections(ui, &mut cx);
        toast::show(ui, &cx);
        let mut actions = std::mem::take(&mut cx.out);
        let view = cx.view;
        view.own_menu = None;
        if view.before_audition.is_none() {
            view.history.observe(state, &actions, now);
        }
        if let Some(command) = view.command.take() {
            actions.extend(carry_out(command, view, state));
            ctx.request_repaint();
        }
        if self.remembered != self.view.memory {
            self.remembered = self.view.memory.clone();
            actions.push(PanelAction::Remember(self.remembered.clone()));
        }
        if !actions.is_empty() {
            ctx.request_repaint();
        }
        actions
    }
}

fn drawn_id() -> egui::Id {
    egui::Id::unique("mien panel drawn")
}

fn installed_id() -> egui::Id {
    egui::Id::unique("mien fonts installed")
}

/// Undo, redo, A/B and presets.
fn carry_out(command: Command, view: &mut View, state: &PanelState) -> Vec<PanelAction> {
    let current = Sound::of(state);
    view.held.clear();
    match command {
        Command::Undo => {
            let Some(sound) = view.history.undo.pop() else {
                return Vec::new();
            };
            view.history.redo.push(current);
            view.history.last = None;
            sound.actions_from(state)
        }
        Command::Redo => {
            let Some(sound) = view.history.redo.pop() else {
                return Vec::new();
            };
            view.history.undo.push(current);
            view.history.last = None;
            sound.actions_from(state)
        }
        Command::Apply(sound) => {
            let actions = sound.actions_from(state);
            if !actions.is_empty() {
                view.history.remember(current);
            }
            actions
        }
        Command::Switch(slot) => {
            if slot == view.slot {
                return Vec::new();
            }
            view.slot = slot;
            let sound = view.other.replace(current.clone()).unwrap_or(current);
            sound.actions_from(state)
        }
        Command::CopyToOther => {
            view.other = Some(current);
            Vec::new()
        }
        Command::Audition(sound) => {
            view.before_audition.get_or_insert(current);
            sound.actions_from(state)
        }
        Command::EndAudition => match view.before_audition.take() {
            Some(sound) => sound.actions_from(state),
            None => Vec::new(),
        },
    }
}

fn watch_keyboard(ctx: &egui::Context, view: &mut View) {
    use egui::{Event, Key, KeyboardShortcut, Modifiers};
    ctx.input(|input| {
        for event in &input.events {
            match event {
                Event::PointerButton { pressed: true, .. } => view.keyboard = false,
                Event::Key { pressed: true, .. } => view.keyboard = true,
                _ => {}
            }
        }
    });
    let pressed = |modifiers, key| {
        ctx.input_mut(|input| input.consume_shortcut(&KeyboardShortcut::new(modifiers, key)))
    };
    let typing = ctx.text_edit_focused();
    if !typing {
        if pressed(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z)
            || pressed(Modifiers::COMMAND, Key::Y)
        {
            view.command = Some(Command::Redo);
        } else if pressed(Modifiers::COMMAND, Key::Z) {
            view.command = Some(Command::Undo);
        }
        // An open list takes the key for itself.
        let free = view.tour.is_none() && !Popup::is_any_open(ctx);
        if free && view.page.is_some() && pressed(Modifiers::NONE, Key::Escape) {
            view.page = None;
        }
    }
    if pressed(Modifiers::COMMAND, Key::F) {
        view.page = None;
        view.voices.focus_search = true;
    }
    if pressed(Modifiers::NONE, Key::F1) {
        view.page = if view.page == Some(Page::Help) {
            None
        } else {
            Some(Page::Help)
        };
    }
}

/// Makes the portraits anew when the voices are others.
fn refresh_portraits(view: &mut View, state: &PanelState) {
    let key = portrait::fingerprint(&state.voices);
    if key != view.portraits_of || view.portraits.len() != state.voices.len() {
        view.portraits = portrait::of_voices(&state.voices);
        view.portraits_of = key;
    }
}

/// The hue of what is heard: of the voice, or in a morph between those of its voices.
fn accent_hue(view: &View, state: &PanelState) -> f32 {
    let mut sum = egui::Vec2::ZERO;
    for (name, share) in &state.morph {
        if let Some(portrait) = view.portraits.get(name) {
            sum += *share * egui::Vec2::angled(portrait.hue.to_radians());
        }
    }
    if sum.length() > 1e-3 {
        // In whole degrees, so that a moving dot does not recolour everything in every frame.
        return sum.angle().to_degrees().rem_euclid(360.0).round();
    }
    state.main_voice().map_or(portrait::NEUTRAL_HUE, |entry| {
        view.portrait(&entry.voice.name).hue
    })
}

/// Where the sections lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    pub bar: Rect,
    pub voices: Rect,
    pub emotion: Rect,
    pub shape: Rect,
    pub live: Rect,
    /// All but the bar.
    pub page: Rect,
}

/// The least room that the sections are laid out for.
const LEAST: Vec2 = Vec2::new(640.0, 400.0);
const MARGIN: f32 = 10.0;
const GAP: f32 = 8.0;

fn places(all: Rect) -> Places {
    let mut rest = all.shrink(MARGIN);
    let bar = cut_top(&mut rest, 44.0);
    cut_top(&mut rest, GAP);
    let page = rest;
    // Height beyond the default goes to the sections and to the live view in equal parts.
    let live = cut_bottom(
        &mut rest,
        (146.0 + (all.height() - 560.0) * 0.5).clamp(124.0, 320.0),
    );
    cut_bottom(&mut rest, GAP);
    let spare = (all.width() - 900.0).max(-120.0);
    let voices = cut_left(&mut rest, 214.0 + spare * 0.3);
    cut_left(&mut rest, GAP);
    let shape = cut_right(&mut rest, 228.0 + spare * 0.25);
    cut_right(&mut rest, GAP);
    Places {
        bar,
        voices,
        emotion: rest,
        shape,
        live,
        page,
    }
}

fn sections(ui: &mut Ui, cx: &mut Cx) {
    // The whole window, whatever margins the owner's container leaves.
    let all = ui.ctx().content_rect();
    ui.set_clip_rect(all);
    ui.painter().rect_filled(all, 0.0, cx.theme.bg);
    // A window that becomes smaller is drawn once or twice with the old zoom. What does not fit then
    // is cut off; sections of no size at all could not be laid out.
    let places = places(Rect::from_min_size(all.min, all.size().max(LEAST)));
    global::show(ui, cx, places.bar);
    match cx.view.page {
        None => {
            voices::show(ui, cx, places.voices);
            emotion::show(ui, cx, places.emotion);
            shape::show(ui, cx, places.shape);
            live::show(ui, cx, places.live);
        }
        Some(Page::Settings) => settings::show(ui, cx, places.page),
        Some(Page::Help) => help::show(ui, cx, places.page),
        Some(Page::Standalone) => standalone::show(ui, cx, places.page),
    }
    onboarding::show(ui, cx, &places);
}
