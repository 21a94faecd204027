//! Networks that learn, with what a stage needs to go on after a stop: optimiser, running mean, checkpoint.

use std::path::PathBuf;

use anyhow::Result;
use tch::Tensor;
use tch::nn::VarStore;

use super::checkpoint::{self, Tensors};
use super::config::OptimizerConfig;
use super::optimizer::{AdamW, WeightMean};

/// Named variables.
pub type Named = Vec<(String, Tensor)>;

/// Tensors by name; each is a handle.
pub fn by_name<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>) -> Named {
    let handle = |(name, tensor): (&str, &Tensor)| (name.to_owned(), tensor.shallow_clone());
    tensors.into_iter().map(handle).collect()
}

/// What a checkpoint needs, below `prefix`, of networks that learn beside what a stage trains.
pub fn state_beside(prefix: &str, store: &VarStore, adam: &AdamW) -> Named {
    let mut all = checkpoint::prefixed(prefix, checkpoint::named(store));
    all.extend(checkpoint::prefixed(prefix, adam.state()));
    all
}

/// Takes that back; `steps`: how many the optimiser had taken. Returns how many variables did not fit and start anew.
pub fn restore_beside(
    prefix: &str,
    store: &VarStore,
    adam: &mut AdamW,
    saved: &Tensors,
    steps: u64,
) -> usize {
    adam.restore(&checkpoint::below_prefix(prefix, saved), steps);
    checkpoint::load_into(store, saved, prefix)
}

/// What a stage trains.
#[derive(Debug)]
pub struct Learner {
    /// Everything that is kept, whether it learns in this stage or not.
    live: Named,
    adam: AdamW,
    mean: WeightMean,
    path: PathBuf,
}

/// The same variables once more.
fn handles(variables: &Named) -> Named {
    by_name(variables.iter().map(|(name, value)| (name.as_str(), value)))
}

impl Learner {
    /// Keeps `live` in the checkpoint `path`; `learning`, a part of it, learns for `steps` steps. `decay`: of
    /// the running mean.
    pub fn new(
        path: PathBuf,
        live: Named,
        learning: Named,
        (optimizer, steps): (&OptimizerConfig, u64),
        decay: f64,
    ) -> Self {
        Self {
            adam: AdamW::new(optimizer, handles(&learning), steps),
            mean: WeightMean::new(decay, learning),
            live,
            path,
        }
    }

    /// Goes on from the checkpoint, if there is one; gives it, for what else the stage keeps there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn resume(&mut self) -> Result<Option<Tensors>> {
        if !self.path.is_file() {
            return Ok(None);
        }
        let saved = checkpoint::read(&self.path)?;
        let step = checkpoint::step(&saved);
        let misfits = checkpoint::load_named(&self.live, &saved, "live");
        tracing::info!("going on at step {step}; {misfits} variables start anew");
        self.adam.restore(&saved, step);
        self.mean.restore(&saved, step);
        Ok(Some(saved))
    }

    /// Begins the running mean anew, after the variables were set from elsewhere.
    pub fn begin_mean(&mut self) {
        self.mean.restart();
    }

    /// As [`Self::begin_mean`], for some rows of one variable.
    pub fn begin_mean_of(&self, name: &str, rows: &Tensor) {
        self.mean.restart_rows(name, rows);
    }

    /// Steps taken so far.
    pub fn step(&self) -> u64 {
        self.adam.step
    }

    /// Whether all steps are done.
    pub fn done(&self) -> bool {
        self.adam.step >= self.adam.total
    }

    /// Takes one step; gives its learning rate and the gradients' norm before clipping.
    pub fn learn(&mut self, loss: &Tensor) -> (f64, f64) {
        let rate = self.adam.learning_rate();
        let norm = self.adam.backward_step(loss);
        self.mean.update();
        (rate, norm)
    }

    /// The running means.
    pub fn means(&self) -> Named {
        self.mean.named()
    }

    /// Writes the checkpoint, with `more` beside.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn save(&self, more: Named) -> Result<()> {
        let mut all = checkpoint::prefixed("live", handles(&self.live));
        all.extend(checkpoint::prefixed("ema", self.mean.named()));
        all.extend(self.adam.state());
        all.push(("step".into(), Tensor::from(self.adam.step as i64)));
        all.extend(more);
        checkpoint::write(&self.path, &all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// A learner of one matrix with that many of 20 steps taken towards ones.
    fn learner(path: PathBuf, steps: u64) -> (Learner, Tensor) {
        let like = (Kind::Float, Device::Cpu);
        let weight = Tensor::zeros([3, 3], like).set_requires_grad(true);
        let named = || vec![("weight".to_string(), weight.shallow_clone())];
        let settings = OptimizerConfig {
            learning_rate: 0.05,
            warm_up: 2,
            ..OptimizerConfig::default()
        };
        let mut learner = Learner::new(path, named(), named(), (&settings, 20), 0.9);
        learner.resume().unwrap();
        for _ in 0..steps {
            learner.learn(&(&weight - 1.0).square().sum(Kind::Float));
        }
        (learner, weight)
    }

    #[test]
    fn a_stopped_run_goes_on_as_if_it_had_not_been() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, straight) = learner(folder.path().join("whole"), 14);
        let path = folder.path().join("stopped");
        learner(path.clone(), 6).0.save(Vec::new()).unwrap();
        let (rest, resumed) = learner(path, 8);
        assert_eq!(rest.step(), 14);
        assert!(!rest.done());
        assert!(straight.equal(&resumed), "{straight:?} {resumed:?}");
        assert!(whole.means()[0].1.equal(&rest.means()[0].1));
        assert!(straight.double_value(&[0, 0]) > 0.2, "nothing was learned");
    }

    #[test]
    fn the_mean_of_some_rows_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (mut learner, weight) = learner(folder.path().join("rows"), 10);
        let before = learner.means()[0].1.copy();
        let _ = tch::no_grad(|| weight.get(1).fill_(7.0));
        let row = Tensor::from_slice(&[1_i64]);
        learner.begin_mean_of("another", &row);
        assert!(learner.means()[0].1.equal(&before));
        learner.begin_mean_of("weight", &row);
        let after = learner.means()[0].1.copy();
        assert!(after.get(1).equal(&weight.get(1)));
        assert!(after.get(0).equal(&before.get(0)) && after.get(2).equal(&before.get(2)));
        learner.begin_mean();
        assert!(learner.means()[0].1.equal(&weight));
    }
}
