//! AdamW whose state can be saved, gradient clipping, schedule, and the running mean of weights.
//!
//! tch's optimisers cannot save their moments, and a resume without them costs hundreds of steps. All
//! variables are worked on as one long vector: a network of 250 variables would else take thousands of
//! small operations a step, which on a GPU cost more than the network itself.

use std::collections::BTreeMap;

use tch::{Kind, Tensor, no_grad};

use super::config::OptimizerConfig;

/// Named variables and where each lies in a vector of all.
#[derive(Debug)]
struct Layout {
    names: Vec<String>,
    values: Vec<Tensor>,
}

impl Layout {
    fn new(variables: Vec<(String, Tensor)>) -> Self {
        let (names, values) = variables.into_iter().unzip();
        Self { names, values }
    }

    /// All variables one after another.
    fn gather(&self) -> Tensor {
        let flat: Vec<Tensor> = self
            .values
            .iter()
            .map(|v| v.detach().reshape([-1]))
            .collect();
        Tensor::cat(&flat, 0)
    }

    /// The parts of a vector of all, in the variables' shapes.
    fn parts<'a>(&'a self, all: &'a Tensor) -> impl Iterator<Item = (&'a Tensor, Tensor)> + 'a {
        let mut from = 0;
        self.values.iter().map(move |value| {
            let length = value.numel() as i64;
            let part = all.narrow(0, from, length).view(&*value.size());
            from += length;
            (value, part)
        })
    }

    fn named(&self, all: &Tensor) -> Vec<(String, Tensor)> {
        let parts = self.parts(all).map(|(_, part)| part);
        self.names.iter().cloned().zip(parts).collect()
    }

    /// Sets the variables from a vector of all.
    fn scatter(&self, all: &Tensor) {
        for (value, part) in self.parts(all) {
            value.shallow_clone().copy_(&part);
        }
    }

    /// Sets the parts of `all` that `saved` has in this shape; `key` makes its name there.
    fn restore(
        &self,
        all: &Tensor,
        saved: &BTreeMap<String, Tensor>,
        key: impl Fn(&str) -> String,
    ) {
        for (name, (_, mut part)) in self.names.iter().zip(self.parts(all)) {
            if let Some(saved) = saved.get(&key(name))
                && saved.size() == part.size()
            {
                part.copy_(saved);
            }
        }
    }
}

/// Decoupled Adam (Loshchilov and Hutter 2019) with decoupled L1.
#[derive(Debug)]
pub struct AdamW {
    config: OptimizerConfig,
    variables: Layout,
    first: Tensor,
    second: Tensor,
    /// 1 where a matrix lies: biases, norms and scales are vectors, and are not regularised.
    regularised: Tensor,
    /// Steps taken so far.
    pub step: u64,
    /// Steps of the whole schedule.
    pub total: u64,
}

impl AdamW {
    /// For those named variables, with a schedule of `total` steps.
    pub fn new(config: &OptimizerConfig, variables: Vec<(String, Tensor)>, total: u64) -> Self {
        let variables = Layout::new(variables);
        let matrix = |value: &Tensor| {
            let one = if value.dim() >= 2 { 1.0 } else { 0.0 };
            value.detach().full_like(one).reshape([-1])
        };
        let (all, regularised) = no_grad(|| {
            let masks: Vec<Tensor> = variables.values.iter().map(matrix).collect();
            (variables.gather(), Tensor::cat(&masks, 0))
        });
        Self {
            config: config.clone(),
            first: all.zeros_like(),
            second: all.zeros_like(),
            variables,
            regularised,
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

    /// Takes one step from the gradients of `loss`; they reach these variables alone. Returns the
    /// gradients' norm before clipping; a step whose norm is not finite is skipped, so that one bad
    /// batch cannot ruin the weights.
    pub fn backward_step(&mut self, loss: &Tensor) -> f64 {
        let rate = self.learning_rate();
        self.step += 1;
        let values = &self.variables.values;
        let gradients = Tensor::run_backward(&[loss], values, false, false);
        no_grad(|| {
            let flat: Vec<Tensor> = gradients
                .iter()
                .zip(values)
                .map(|(gradient, value)| {
                    // What the loss does not hang on has no gradient.
                    if gradient.defined() {
                        gradient.reshape([-1])
                    } else {
                        value.detach().zeros_like().reshape([-1])
                    }
                })
                .collect();
            let gradient = Tensor::cat(&flat, 0);
            let norm = gradient.square().sum(Kind::Float).sqrt().double_value(&[]);
            if !norm.is_finite() {
                return norm;
            }
            let c = &self.config;
            let gradient = gradient * (c.clip_norm / (norm + 1e-6)).min(1.0);
            let correction1 = 1.0 - c.beta1.powi(self.step.min(1_000_000) as i32);
            let correction2 = 1.0 - c.beta2.powi(self.step.min(1_000_000) as i32);
            let _ = self
                .first
                .g_mul_scalar_(c.beta1)
                .g_add_(&(&gradient * (1.0 - c.beta1)));
            let _ = self
                .second
                .g_mul_scalar_(c.beta2)
                .g_add_(&(gradient.square() * (1.0 - c.beta2)));
            let denominator = (&self.second / correction2).sqrt() + 1e-8;
            let update = (&self.first / correction1) / denominator * rate;
            let mut all = self.variables.gather();
            let kept = &self.regularised * (-rate * c.weight_decay) + 1.0;
            let _ = all.g_mul_(&kept);
            if c.l1_decay > 0.0 {
                let smaller = all.sign() * &self.regularised * (rate * c.l1_decay);
                let _ = all.g_sub_(&smaller);
            }
            let _ = all.g_sub_(&update);
            self.variables.scatter(&all);
            norm
        })
    }

    /// Everything needed to go on: moments by name.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let moments = |moment: &Tensor, suffix: &str| -> Vec<(String, Tensor)> {
            let named = self.variables.named(moment).into_iter();
            named
                .map(|(name, part)| (format!("adam/{name}{suffix}"), part))
                .collect()
        };
        let mut all = moments(&self.first, "#1");
        all.extend(moments(&self.second, "#2"));
        all
    }

    /// Takes moments back; those of variables that no longer fit are started anew, and so are all before the first step:
    /// what is saved by these names then is of another optimiser of the same variables.
    pub fn restore(&mut self, state: &BTreeMap<String, Tensor>, step: u64) {
        self.step = step;
        if step == 0 {
            return;
        }
        no_grad(|| {
            for (suffix, moment) in [("#1", &self.first), ("#2", &self.second)] {
                self.variables
                    .restore(moment, state, |name| format!("adam/{name}{suffix}"));
            }
        });
    }
}

/// A running mean of weights: steadier than the last step's, and what is shipped.
#[derive(Debug)]
pub struct WeightMean {
    decay: f64,
    updates: u64,
    variables: Layout,
    mean: Tensor,
}

impl WeightMean {
    /// Starts at the present values.
    pub fn new(decay: f64, variables: Vec<(String, Tensor)>) -> Self {
        let variables = Layout::new(variables);
        let mean = no_grad(|| variables.gather());
        Self {
            decay,
            updates: 0,
            variables,
            mean,
        }
    }

    /// Takes in the present values. Early on the mean is short, so that it does not remember the
    /// random start.
    pub fn update(&mut self) {
        self.updates += 1;
        let ramp = (1.0 + self.updates as f64) / (10.0 + self.updates as f64);
        let decay = self.decay.min(ramp);
        no_grad(|| {
            let now = self.variables.gather() * (1.0 - decay);
            let _ = self.mean.g_mul_scalar_(decay).g_add_(&now);
        });
    }

    /// Begins anew at the present values, after they were set from elsewhere.
    pub fn restart(&mut self) {
        self.updates = 0;
        self.mean = no_grad(|| self.variables.gather());
    }

    /// As [`Self::restart`], for these rows of the variable `name`. No other is touched.
    pub fn restart_rows(&self, name: &str, rows: &Tensor) {
        let names = self.variables.names.iter();
        let mut named = names.zip(self.variables.parts(&self.mean));
        if let Some((_, (value, mut part))) = named.find(|(own, _)| *own == name) {
            let _ = no_grad(|| part.index_copy_(0, rows, &value.index_select(0, rows)));
        }
    }

    /// The means by name.
    pub fn named(&self) -> Vec<(String, Tensor)> {
        self.variables.named(&self.mean)
    }

    /// Takes saved means back.
    pub fn restore(&mut self, state: &BTreeMap<String, Tensor>, updates: u64) {
        self.updates = updates;
        no_grad(|| {
            self.variables
                .restore(&self.mean, state, |name| format!("ema/{name}"));
        });
    }
}
