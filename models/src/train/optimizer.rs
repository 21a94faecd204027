//! AdamW whose state can be saved, gradient clipping, schedule, and the running mean of weights.
//!
//! tch's optimisers cannot save their moments, and a resume without them costs hundreds of steps.

use std::collections::BTreeMap;

use tch::{Tensor, no_grad};

use super::config::OptimizerConfig;

/// Decoupled Adam (Loshchilov and Hutter 2019) with decoupled L1.
#[derive(Debug)]
pub struct AdamW {
    config: OptimizerConfig,
    parameters: BTreeMap<String, Parameter>,
    /// Steps taken so far.
    pub step: u64,
    /// Steps of the whole schedule.
    pub total: u64,
}

#[derive(Debug)]
struct Parameter {
    value: Tensor,
    first: Tensor,
    second: Tensor,
}

impl AdamW {
    /// For those named variables, with a schedule of `total` steps.
    pub fn new(config: &OptimizerConfig, variables: Vec<(String, Tensor)>, total: u64) -> Self {
        let parameter = |(name, value): (String, Tensor)| {
            let (first, second) = (value.zeros_like(), value.zeros_like());
            let (first, second) = (
                first.set_requires_grad(false),
                second.set_requires_grad(false),
            );
            (
                name,
                Parameter {
                    value,
                    first,
                    second,
                },
            )
        };
        let parameters = variables.into_iter().map(parameter).collect();
        Self {
            config: config.clone(),
            parameters,
            step: 0,
            total,
        }
    }

    /// Learning rate of the next step: linear warm-up, then a cosine down to the final share.
    pub fn learning_rate(&self) -> f64 {
        let c = &self.config;
        if self.step < c.warm_up {
            return c.learning_rate * (self.step + 1) as f64 / c.warm_up as f64;
        }
        let span = self.total.saturating_sub(c.warm_up).max(1) as f64;
        let done = ((self.step - c.warm_up) as f64 / span).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        c.learning_rate * (c.final_share + (1.0 - c.final_share) * cosine)
    }

    /// Forgets gradients.
    pub fn zero_grad(&mut self) {
        for p in self.parameters.values_mut() {
            p.value.zero_grad();
        }
    }

    /// Takes one step from the gradients of `loss`. Returns the gradients' norm before clipping;
    /// a step whose norm is not finite is skipped, so that one bad batch cannot ruin the weights.
    pub fn backward_step(&mut self, loss: &Tensor) -> f64 {
        self.zero_grad();
        loss.backward();
        self.step_with_gradients()
    }

    /// As [`Self::backward_step`] after gradients were made elsewhere.
    pub fn step_with_gradients(&mut self) -> f64 {
        let rate = self.learning_rate();
        self.step += 1;
        no_grad(|| {
            let gradients: Vec<(&mut Parameter, Tensor)> = self
                .parameters
                .values_mut()
                .filter_map(|p| {
                    let gradient = p.value.grad();
                    gradient.defined().then_some((p, gradient))
                })
                .collect();
            let squares: Vec<Tensor> = gradients
                .iter()
                .map(|(_, g)| g.square().sum(None))
                .collect();
            if squares.is_empty() {
                return 0.0;
            }
            let norm = Tensor::stack(&squares, 0)
                .sum(None)
                .sqrt()
                .double_value(&[]);
            if !norm.is_finite() {
                return norm;
            }
            let c = &self.config;
            let scale = (c.clip_norm / (norm + 1e-6)).min(1.0);
            let correction1 = 1.0 - c.beta1.powi(self.step.min(1_000_000) as i32);
            let correction2 = 1.0 - c.beta2.powi(self.step.min(1_000_000) as i32);
            for (p, gradient) in gradients {
                let gradient = gradient * scale;
                let _ = p
                    .first
                    .g_mul_scalar_(c.beta1)
                    .g_add_(&(&gradient * (1.0 - c.beta1)));
                let _ = p
                    .second
                    .g_mul_scalar_(c.beta2)
                    .g_add_(&(gradient.square() * (1.0 - c.beta2)));
                let denominator = (&p.second / correction2).sqrt() + 1e-8;
                let update = (&p.first / correction1) / denominator * rate;
                // Biases, norms and scales are vectors; only matrices are regularised.
                if p.value.dim() >= 2 {
                    let _ = p.value.g_mul_scalar_(1.0 - rate * c.weight_decay);
                    if c.l1_decay > 0.0 {
                        let _ = p.value.g_sub_(&(p.value.sign() * (rate * c.l1_decay)));
                    }
                }
                let _ = p.value.g_sub_(&update);
            }
            norm
        })
    }

    /// Everything needed to go on: moments by name.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let moments = |(name, p): (&String, &Parameter)| {
            [
                (format!("adam/{name}#1"), p.first.shallow_clone()),
                (format!("adam/{name}#2"), p.second.shallow_clone()),
            ]
        };
        self.parameters.iter().flat_map(moments).collect()
    }

    /// Takes moments back; those of variables that no longer fit are started anew.
    pub fn restore(&mut self, state: &BTreeMap<String, Tensor>, step: u64) {
        self.step = step;
        no_grad(|| {
            for (name, p) in &mut self.parameters {
                for (suffix, moment) in [("#1", &mut p.first), ("#2", &mut p.second)] {
                    if let Some(saved) = state.get(&format!("adam/{name}{suffix}"))
                        && saved.size() == moment.size()
                    {
                        moment.copy_(saved);
                    }
                }
            }
        });
    }
}

/// A running mean of weights: steadier than the last step's, and what is shipped.
#[derive(Debug)]
pub struct WeightMean {
    decay: f64,
    updates: u64,
    pairs: Vec<(String, Tensor, Tensor)>,
}

impl WeightMean {
    /// Starts at the present values.
    pub fn new(decay: f64, variables: Vec<(String, Tensor)>) -> Self {
        let pair = |(name, live): (String, Tensor)| {
            let mean = live.detach().copy();
            (name, live, mean)
        };
        Self {
            decay,
            updates: 0,
            pairs: variables.into_iter().map(pair).collect(),
        }
    }

    /// Takes in the present values. Early on the mean is short, so that it does not remember the
    /// random start.
    pub fn update(&mut self) {
        self.updates += 1;
        let ramp = (1.0 + self.updates as f64) / (10.0 + self.updates as f64);
        let decay = self.decay.min(ramp);
        no_grad(|| {
            for (_, live, mean) in &mut self.pairs {
                let _ = mean
                    .g_mul_scalar_(decay)
                    .g_add_(&(live.detach() * (1.0 - decay)));
            }
        });
    }

    /// Begins anew at the present values, after they were set from elsewhere.
    pub fn restart(&mut self) {
        self.updates = 0;
        no_grad(|| {
            for (_, live, mean) in &mut self.pairs {
                mean.copy_(live);
            }
        });
    }

    /// The means by name.
    pub fn named(&self) -> Vec<(String, Tensor)> {
        self.pairs
            .iter()
            .map(|(name, _, mean)| (name.clone(), mean.shallow_clone()))
            .collect()
    }

    /// Takes saved means back.
    pub fn restore(&mut self, state: &BTreeMap<String, Tensor>, updates: u64) {
        self.updates = updates;
        no_grad(|| {
            for (name, _, mean) in &mut self.pairs {
                if let Some(saved) = state.get(&format!("ema/{name}"))
                    && saved.size() == mean.size()
                {
                    mean.copy_(saved);
                }
            }
        });
    }

    /// Copies the means into the live weights.
    pub fn apply(&mut self) {
        no_grad(|| {
            for (_, live, mean) in &mut self.pairs {
                live.copy_(mean);
            }
        });
    }
}
