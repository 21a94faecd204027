//! The audio side of a plugin.

use anyhow::{Result, anyhow};
use clack_host::events::event_types::ParamValueEvent;
use clack_host::events::spaces::CoreEventSpace;
use clack_host::prelude::*;

use crate::asked::Handlers;

/// What a hand on the panel does to a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Touch {
    /// It takes hold of it.
    Begin,
    /// It moves it here, plain, as the host sees it.
    Value(f64),
    /// It lets go.
    End,
}

/// A touch, and of which parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Touched {
    /// The host's identifier of the parameter.
    pub param: ClapId,
    /// What was done.
    pub touch: Touch,
}

/// Sends blocks through an active plugin.
pub struct Player {
    pub(crate) processor: StartedPluginAudioProcessor<Handlers>,
    changes: EventBuffer,
    told: EventBuffer,
    input_ports: AudioPorts,
    output_ports: AudioPorts,
}

impl Player {
    pub(crate) fn new(processor: StartedPluginAudioProcessor<Handlers>) -> Self {
        Self {
            processor,
            changes: EventBuffer::new(),
            told: EventBuffer::new(),
            input_ports: AudioPorts::with_capacity(2, 1),
            output_ports: AudioPorts::with_capacity(2, 1),
        }
    }

    /// Sets a parameter (plain, as the host sees it) with the next block.
    pub fn set(&mut self, param: ClapId, value: f64) {
        self.changes
            .push(&ParamValueEvent::new(0, param, Pckn::match_all(), value));
    }

    /// Has the plugin forget what it heard, as a host does when the transport jumps.
    pub fn reset(&mut self) {
        self.processor.reset();
    }

    /// Processes one block. Both sides have the same number of channels, all of one length.
    ///
    /// # Errors
    /// When the plugin says that it failed.
    pub fn block(&mut self, inputs: &mut [Vec<f32>], outputs: &mut [Vec<f32>]) -> Result<()> {
        let audio_in = self.input_ports.with_input_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_input_only(
                inputs
                    .iter_mut()
                    .map(|channel| InputChannel::variable(channel.as_mut_slice())),
            ),
        }]);
        let mut audio_out = self.output_ports.with_output_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_output_only(
                outputs.iter_mut().map(|channel| channel.as_mut_slice()),
            ),
        }]);
        self.told.clear();
        let done = self.processor.process(
            &audio_in,
            &mut audio_out,
            &self.changes.as_input(),
            &mut self.told.as_output(),
            None,
            None,
        );
        self.changes.clear();
        done.map(drop).map_err(|error| anyhow!("{error}"))
    }

    /// What the last block told about hands on the panel.
    pub fn touched(&self) -> impl Iterator<Item = Touched> {
        self.told.iter().filter_map(|event| {
            let (param, touch) = match event.as_core_event()? {
                CoreEventSpace::ParamGestureBegin(event) => (event.param_id(), Touch::Begin),
                CoreEventSpace::ParamValue(event) => {
                    (event.param_id(), Touch::Value(event.value()))
                }
                CoreEventSpace::ParamGestureEnd(event) => (event.param_id(), Touch::End),
                _ => return None,
            };
            Some(Touched {
                param: param?,
                touch,
            })
        })
    }
}
