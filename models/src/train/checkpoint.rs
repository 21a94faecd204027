//! Checkpoints: weights, running means, optimiser moments and the step, in one safetensors file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
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
