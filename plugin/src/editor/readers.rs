//! Screen readers. egui knows the panel's names, values and actions; the framework's window tells
//! nobody, so on Linux this does, through AT-SPI. (On Windows and macOS it would have to subclass
//! the framework's window; that is not done yet.)
//!
//! It costs nothing until a screen reader runs: only then is the tree of names made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use accesskit_unix::Adapter;
use crossbeam::channel::{Receiver, Sender, unbounded};
use egui::accesskit::{
    ActionHandler, ActionRequest, ActivationHandler, DeactivationHandler, TreeUpdate,
};
use egui::{Context, Event, FullOutput, RawInput};

use super::wake::Wake;

/// Joins a window's context to the screen readers.
pub fn attach(ctx: &Context, wake: Wake) {
    let wanted = Arc::new(AtomicBool::new(false));
    let (sender, requests) = unbounded();
    let switch = |on| Switch {
        on,
        wanted: wanted.clone(),
        wake: wake.clone(),
    };
    let hand = Hand {
        sender,
        wake: wake.clone(),
    };
    ctx.add_plugin(Readers {
        adapter: Adapter::new(switch(true), hand, switch(false)),
        wanted,
        requests,
        focused: false,
    });
}

/// Carries names out of egui, and wishes in.
struct Readers {
    adapter: Adapter,
    wanted: Arc<AtomicBool>,
    requests: Receiver<ActionRequest>,
    focused: bool,
}

impl egui::Plugin for Readers {
    fn debug_name(&self) -> &'static str {
        "mien screen readers"
    }

    fn input_hook(&mut self, ctx: &Context, input: &mut RawInput) {
        match self.wanted.load(Ordering::Relaxed) {
            true => ctx.enable_accesskit(),
            false => ctx.disable_accesskit(),
        }
        let wishes = self.requests.try_iter();
        input
            .events
            .extend(wishes.map(Event::AccessKitActionRequest));
        let focus = input.events.iter().rev().find_map(|event| match event {
            Event::WindowFocused(focused) => Some(*focused),
            _ => None,
        });
        if let Some(focused) = focus.filter(|focused| *focused != self.focused) {
            self.focused = focused;
            self.adapter.update_window_focus_state(focused);
        }
    }

    fn output_hook(&mut self, _ctx: &Context, output: &mut FullOutput) {
        if let Some(update) = output.platform_output.accesskit_update.take() {
            self.adapter.update_if_active(|| update);
        }
    }
}

/// Notes that a screen reader came or went.
struct Switch {
    on: bool,
    wanted: Arc<AtomicBool>,
    wake: Wake,
}

impl ActivationHandler for Switch {
    /// The tree comes with the next frame.
    fn request_initial_tree(&mut self) -> Option<TreeUpdate> {
        self.wanted.store(self.on, Ordering::Relaxed);
        self.wake.call();
        None
    }
}

impl DeactivationHandler for Switch {
    fn deactivate_accessibility(&mut self) {
        self.wanted.store(self.on, Ordering::Relaxed);
    }
}

/// What a screen reader wants done.
struct Hand {
    sender: Sender<ActionRequest>,
    wake: Wake,
}

impl ActionHandler for Hand {
    fn do_action(&mut self, request: ActionRequest) {
        let _ = self.sender.send(request);
        self.wake.call();
    }
}
