//! A plain panel: every parameter, the meters, the engine's state.

use egui::{Grid, ProgressBar, ScrollArea, Slider, Ui};
use nice_plug::context::gui::GuiContext;
use nice_plug::prelude::Param;

use super::RemoteSlot;
use crate::params::MienParams;
use crate::shared::Shared;

/// Draws it.
pub fn panel(
    ui: &mut Ui,
    params: &MienParams,
    shared: &Shared,
    remote: &RemoteSlot,
    context: &GuiContext,
) {
    let slow = shared.slow().clone();
    ui.heading("Mien");
    ui.label(if slow.status.text.is_empty() { "The engine is live." } else { &slow.status.text });
    ui.label(&slow.status.note);
    let [input, output] = shared.meters.take();
    ui.add(ProgressBar::new(input).text("input"));
    ui.add(ProgressBar::new(output).text("output"));
    let plan = shared.plan.load();
    let (counts, stats) = (shared.counters.read(), shared.stats.load());
    ui.label(format!(
        "latency {:.1} ms, load {:.0} %, dropouts {}",
        plan.ms(plan.total()),
        stats.load() * 100.0,
        counts.dropouts
    ));
    if ui.button("Reload").clicked()
        && let Some(remote) = remote.get()
    {
        remote.reload();
    }
    ScrollArea::vertical().show(ui, |ui| {
        Grid::new("parameters").show(ui, |ui| {
            row(ui, context, &params.voice);
            params.emotions().into_iter().for_each(|emotion| row(ui, context, emotion));
            row(ui, context, &params.strength);
            row(ui, context, &params.pitch);
            row(ui, context, &params.formant);
            row(ui, context, &params.intonation);
            row(ui, context, &params.breath);
            row(ui, context, &params.auto_pitch);
            row(ui, context, &params.gate);
            row(ui, context, &params.mix);
            row(ui, context, &params.in_gain);
            row(ui, context, &params.out_gain);
            row(ui, context, &params.bypass);
            row(ui, context, &params.delay_mode);
        });
    });
}

fn row<P: Param>(ui: &mut Ui, context: &GuiContext, param: &P) {
    ui.label(param.name());
    let mut value = param.unmodulated_normalized_value();
    let response = ui.add(Slider::new(&mut value, 0.0..=1.0).show_value(false));
    let setter = context.param_setter();
    if response.drag_started() {
        setter.begin_set_parameter(param);
    }
    if response.changed() {
        let whole = !response.dragged();
        if whole {
            setter.begin_set_parameter(param);
        }
        setter.set_parameter_normalized(param, value);
        if whole {
            setter.end_set_parameter(param);
        }
    }
    if response.drag_stopped() {
        setter.end_set_parameter(param);
    }
    ui.label(param.normalized_value_to_string(value, true));
    ui.end_row();
}
