//! Checkpoints: weights, running means, optimiser moments and the step, in one safetensors file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use tch::nn::VarStore;
use tch::{Tensor, no_grad};

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// Writes tensors; the old file stays whole until the new one is complete.
pub fn write(path: &Path, tensors: &[(String, Tensor)]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let partial = path.with_extension("partial");
    Tensor::write_safetensors(tensors, &partial)
        .with_context(|| format!("cannot write the checkpoint {path:?}: is the disk full?"))?;
    fs::rename(&partial, path)?;
    Ok(())
}

/// Reads a file of tensors.
pub fn read(path: &Path) -> Result<Tensors> {
    let tensors = Tensor::read_safetensors(path)
        .with_context(|| format!("cannot read the checkpoint {path:?}"))?;
    Ok(tensors.into_iter().collect())
}

/// The step at which a checkpoint was written; 0 where it does not tell.
pub fn step(tensors: &Tensors) -> u64 {
    tensors
        .get("step")
        .map_or(0, |t| t.int64_value(&[]).max(0) as u64)
}

/// Copies `prefix/name` into each variable `name` of the store; returns how many did not fit.
pub fn load_into(store: &VarStore, tensors: &Tensors, prefix: &str) -> usize {
    load_named(&named(store), tensors, prefix)
}

/// As [`load_into`], for variables by name.
pub fn load_named(variables: &[(String, Tensor)], tensors: &Tensors, prefix: &str) -> usize {
    let mut misfits = 0;
    no_grad(|| {
        for (name, variable) in variables {
            let mut variable = variable.shallow_clone();
            match tensors.get(&format!("{prefix}/{name}")) {
                Some(saved) if saved.size() == variable.size() => variable.copy_(saved),
                _ => misfits += 1,
            }
        }
    });
    misfits
}

/// All variables of a store by name.
pub fn named(store: &VarStore) -> Vec<(String, Tensor)> {
    let mut all: Vec<(String, Tensor)> = store.variables().into_iter().collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// Only those whose name begins with one of `prefixes`.
pub fn named_below(store: &VarStore, prefixes: &[&str]) -> Vec<(String, Tensor)> {
    let below = |name: &str| prefixes.iter().any(|p| name.starts_with(p));
    named(store)
        .into_iter()
        .filter(|(name, _)| below(name))
        .collect()
}

/// The names with `prefix/` before them.
pub fn prefixed(prefix: &str, tensors: Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
    tensors
        .into_iter()
        .map(|(name, t)| (format!("{prefix}/{name}"), t))
        .collect()
}

/// Those whose names begin with `prefix/`, without it: the inverse of [`prefixed`].
pub fn below_prefix(prefix: &str, tensors: &Tensors) -> Tensors {
    tensors
        .iter()
        .filter_map(|(name, tensor)| {
            let name = name.strip_prefix(prefix)?.strip_prefix('/')?;
            Some((name.to_owned(), tensor.shallow_clone()))
        })
        .collect()
}

/// Where a checkpoint keeps weights and their running means; all else (moments, adversaries, the step) is of one run alone.
const WEIGHTS: [&str; 2] = ["live/", "ema/"];

/// The first checkpoint with its weights and their running means moved by `share` (0 to 1) toward the second's.
///
/// # Errors
/// When there are no weights, or the two do not hold the same ones.
pub fn between(first: &Tensors, second: &Tensors, share: f64) -> Result<Tensors> {
    let weighs = |name: &str| WEIGHTS.iter().any(|prefix| name.starts_with(prefix));
    let weights = |tensors: &Tensors| -> BTreeSet<(String, Vec<i64>)> {
        let own = tensors.iter().filter(|(name, _)| weighs(name));
        own.map(|(name, t)| (name.clone(), t.size())).collect()
    };
    let own = weights(first);
    ensure!(
        !own.is_empty(),
        "no weights are in it: give a checkpoint that a stage of `mien train` wrote to its run's folder"
    );
    if let Some((name, size)) = own.symmetric_difference(&weights(second)).next() {
        bail!(
            "only one of them has {name} as {size:?}: both must come from one stage and one [networks]"
        );
    }
    let mixed = first.iter().map(|(name, tensor)| {
        let tensor = match weighs(name) {
            true => tensor.lerp(&second[name], share),
            false => tensor.shallow_clone(),
        };
        (name.clone(), tensor)
    });
    Ok(mixed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A checkpoint of one weight of that value, and of a step.
    fn one_weight(value: f64, width: i64, step: i64) -> Tensors {
        let weight = || Tensor::full([width], value, (tch::Kind::Float, tch::Device::Cpu));
        let state = ["live/w", "ema/w", "adam/w#1"].map(|name| (name.to_owned(), weight()));
        let mut all: Tensors = state.into_iter().collect();
        all.insert("step".into(), Tensor::from(step));
        all
    }

    #[test]
    fn a_mean_lies_between_the_weights_and_keeps_all_else_of_the_first() {
        let mean = between(&one_weight(1.0, 3, 7), &one_weight(3.0, 3, 9), 0.25).unwrap();
        for (name, expected) in [("live/w", 1.5), ("ema/w", 1.5), ("adam/w#1", 1.0)] {
            let values: Vec<f32> = (&mean[name]).try_into().unwrap();
            assert_eq!(values, [expected; 3], "{name}");
        }
        assert_eq!(step(&mean), 7);
    }

    #[test]
    fn checkpoints_of_other_networks_have_no_mean() {
        let told = |first: &Tensors, second: &Tensors| {
            format!("{:#}", between(first, second, 0.5).unwrap_err())
        };
        let narrow = one_weight(1.0, 3, 0);
        assert!(told(&narrow, &one_weight(1.0, 4, 0)).contains("ema/w"));
        let mut more = one_weight(1.0, 3, 0);
        more.insert("ema/x".into(), Tensor::from(1.0));
        assert!(told(&narrow, &more).contains("ema/x"));
        assert!(told(&Tensors::new(), &narrow).contains("no weights"));
    }
}
