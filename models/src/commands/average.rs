//! `mien average`: weights that lie between those of two checkpoints.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::train::checkpoint;

/// Writes a checkpoint whose weights lie between those of two.
///
/// Weights that were learned on from one beginning can be averaged, and the mean often does better than
/// the straight line between the two (Wortsman et al. 2022, "Model soups" and "Robust fine-tuning of zero-shot models").
#[derive(Debug, clap::Parser)]
pub struct AverageArguments {
    /// Checkpoint of a stage, as `acoustic.safetensors` of a run; gives all that is no weight (step, optimiser, adversaries).
    first: PathBuf,
    /// Another of the same stage, learned on from the first or from what the first was.
    second: PathBuf,
    /// How far toward the second, 0 to 1.
    #[arg(long, default_value_t = 0.5, value_parser = share)]
    share: f64,
    /// Where to write the mean: in the folder of a new run, the stages after go on from it.
    #[arg(long)]
    out: PathBuf,
}

/// A share as it is written on the command line.
fn share(text: &str) -> Result<f64, String> {
    let value: f64 = text
        .parse()
        .map_err(|_| "a number from 0 to 1 is wanted".to_owned())?;
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err("the share lies between 0 (the first) and 1 (the second)".to_owned())
    }
}

impl AverageArguments {
    /// Reads both, writes the mean.
    ///
    /// # Errors
    /// A file that is no checkpoint, checkpoints of other networks than each other's, a full disk.
    pub fn run(&self) -> Result<()> {
        let first = checkpoint::read(&self.first)?;
        let second = checkpoint::read(&self.second)?;
        let mean = checkpoint::between(&first, &second, self.share)
            .with_context(|| format!("{:?} and {:?}", self.first, self.second))?;
        checkpoint::write(&self.out, &mean.into_iter().collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_beyond_both_checkpoints_are_refused() {
        assert_eq!(share("0.35"), Ok(0.35));
        for wrong in ["-0.1", "1.01", "NaN", "half"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
