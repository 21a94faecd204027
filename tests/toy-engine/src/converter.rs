//! The toy's converter: a delay line, and one simple effect per voice.

use std::collections::VecDeque;
use std::f32::consts::TAU;

use mien_face::*;

/// What a voice does to the sound.
#[derive(Clone, Copy, PartialEq)]
enum Effect {
    /// Nothing.
    Through,
    /// Ring modulation at 70 Hz, then a one-pole low-pass filter.
    Ring,
}

pub struct ToyConverter {
    effects: Vec<Effect>,
    delay: usize,
    line: VecDeque<f32>,
    /// Samples since the reset: the modulator's phase, so that it is the same after each reset.
    clock: u64,
    filter: f32,
}

impl ToyConverter {
    pub fn new(description: &PackDescription) -> Result<Self, String> {
        if description.voices.is_empty() {
            return Err(format!("the pack {} has no voices", description.name));
        }
        let mut converter = Self {
            effects: Vec::new(),
            delay: description.delay_samples as usize,
            line: VecDeque::new(),
            clock: 0,
            filter: 0.0,
        };
        for voice in &description.voices {
            converter.add(voice);
        }
        converter.reset();
        Ok(converter)
    }

    pub fn info(&self) -> ConverterInfo {
        ConverterInfo {
            sample_rate: SAMPLE_RATE,
            frame: FRAME as u32,
            delay_samples: self.delay as u32,
            voices: self.effects.len() as u32,
        }
    }

    pub fn reset(&mut self) {
        self.line.clear();
        self.line.resize(self.delay, 0.0);
        self.clock = 0;
        self.filter = 0.0;
    }

    pub fn add(&mut self, voice: &Voice) -> u32 {
        let ring = voice.name.starts_with("Ring");
        self.effects
            .push(if ring { Effect::Ring } else { Effect::Through });
        self.effects.len() as u32 - 1
    }

    pub fn step(
        &mut self,
        input: &[f32; FRAME],
        output: &mut [f32; FRAME],
        controls: &Controls,
    ) -> StepReport {
        let ring = self.share(controls, Effect::Ring);
        let sad = controls.emotions[1].clamp(0.0, 1.0) * controls.strength.clamp(0.0, 1.0);
        let gain = 1.0 - 0.5 * sad;
        for (&x, y) in input.iter().zip(output.iter_mut()) {
            self.line.push_back(x);
            let x = self.line.pop_front().unwrap_or_default();
            let phase = (self.clock * 70 % u64::from(SAMPLE_RATE)) as f32 / SAMPLE_RATE as f32;
            self.clock += 1;
            self.filter += 0.3 * (x * (TAU * phase).cos() - self.filter);
            *y = gain * (x + ring * (self.filter - x));
        }
        let level = input.iter().map(|x| x * x).sum::<f32>() / FRAME as f32;
        let voiced = if level > 1e-6 { 1.0 } else { 0.0 };
        StepReport {
            input_f0_hz: 120.0 * voiced,
            output_f0_hz: 120.0 * voiced * (controls.pitch_semitones / 12.0).exp2(),
            mean_f0_hz: 120.0,
            voicing: voiced,
        }
    }

    /// The normalised weight of the voices with this effect.
    fn share(&self, controls: &Controls, effect: Effect) -> f32 {
        let (mut part, mut sum) = (0.0, 0.0);
        for slot in controls.voices {
            if let Some(&known) = self.effects.get(slot.index as usize) {
                let weight = slot.weight.max(0.0);
                sum += weight;
                part += if known == effect { weight } else { 0.0 };
            }
        }
        match sum > 0.0 {
            true => part / sum,
            false => f32::from(self.effects[0] == effect),
        }
    }
}
