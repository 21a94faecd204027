//! Reads phones off the content: the head of the temporal classification in training, and, trained
//! afresh on an encoder that stands still, the measure of how much of what is said the content keeps.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use tch::nn::VarStore;
use tch::{Device, Kind, Reduction, Tensor, no_grad};

use super::augment::Strength;
use super::batches::{Pool, Shape, frame_batches};
use super::checkpoint;
use super::config::{OptimizerConfig, TrainConfig};
use super::optimizer::AdamW;
use super::phones::{LABELS, SILENCE, collapse, edit_distance};
use super::session::Session;
use crate::networks::{CONTENT, ContentEncoder, LOOK_AHEAD};
use crate::nn::{ConvNeXtConfig, Linear, Trunk};

/// A small causal network from content to phones, for connectionist temporal classification (Graves
/// et al. 2006) with silence as the blank.
#[derive(Debug)]
pub struct PhoneReader {
    input: Linear,
    trunk: Trunk,
    output: Linear,
}

impl PhoneReader {
    /// A fresh reader below `path` with blocks of that width and those dilations.
    pub fn new(path: &tch::nn::Path, width: i64, dilations: &[i64]) -> Self {
        let shape = ConvNeXtConfig {
            width,
            expansion: 2,
            kernel: 7,
            dilations: dilations.to_vec(),
            ..ConvNeXtConfig::default()
        };
        Self {
            input: Linear::new(&(path / "input"), CONTENT, width, 1.0),
            trunk: Trunk::new(&(path / "trunk"), &shape, None),
            output: Linear::new(&(path / "output"), width, LABELS, 0.5),
        }
    }

    /// Content `[batch, frames, CONTENT]` → logits `[batch, frames, LABELS]`.
    pub fn logits(&self, content: &Tensor) -> Tensor {
        let mut state = self.trunk.state(content.size()[0], content);
        let h = self.input.forward(content);
        let h = self
            .trunk
            .forward(&h, &self.trunk.modulate(None), &mut state);
        self.output.forward(&h)
    }

    /// The classification's loss a phone; `said` tells the labels of each row of `content`.
    pub fn loss(&self, content: &Tensor, said: &[&[i64]]) -> Tensor {
        let logits = self.logits(content).transpose(0, 1);
        let targets: Vec<i64> = said.iter().flat_map(|s| s.iter().copied()).collect();
        let lengths: Vec<i64> = said.iter().map(|s| s.len() as i64).collect();
        let frames = vec![logits.size()[0]; said.len()];
        Tensor::ctc_loss(
            &logits.log_softmax(-1, Kind::Float),
            &Tensor::from_slice(&targets).to_device(content.device()),
            &frames,
            &lengths,
            i64::from(SILENCE),
            Reduction::Mean,
            true,
        )
    }

    /// Phones read wrongly (inserted, left out, mistaken) and phones said, over the rows whose
    /// sequence is known. The reading is greedy.
    pub fn errors(&self, content: &Tensor, sequences: &[Vec<i64>]) -> (usize, usize) {
        let read = no_grad(|| self.logits(content).argmax(-1, false));
        let (mut wrong, mut said) = (0, 0);
        for (row, sequence) in sequences.iter().enumerate().filter(|(_, s)| !s.is_empty()) {
            let frames = Vec::<i64>::try_from(&read.get(row as i64)).unwrap_or_default();
            let truth: Vec<u8> = sequence.iter().map(|&l| l as u8).collect();
            wrong += edit_distance(&collapse(&frames), &truth);
            said += truth.len();
        }
        (wrong, said)
    }
}

/// Trains a fresh reader on the content of an encoder that stands still. The reader is causal as the
/// encoder is, but may tell a phone as late as it likes.
///
/// # Errors
/// A full disk, losses that stay infinite.
pub fn train(
    config: &TrainConfig,
    encoder: &ContentEncoder,
    pool: Arc<Pool>,
    folder: &Path,
    deadline: Option<Instant>,
    device: Device,
) -> Result<PhoneReader> {
    const STEPS: u64 = 1500;
    let store = VarStore::new(device);
    let reader = PhoneReader::new(&store.root(), 192, &[1, 2, 4, 8]);
    let settings = OptimizerConfig {
        learning_rate: 2e-3,
        warm_up: 100,
        ..OptimizerConfig::default()
    };
    let mut adam = AdamW::new(&settings, checkpoint::named(&store), STEPS);
    let shape = Shape {
        batch: config.acoustic.batch,
        frames: 300,
    };
    let mild = Strength {
        tract: 0.08,
        ..Strength::default()
    };
    let batches = frame_batches(pool, shape, mild, config.data.draw(900));
    let mut session = Session::new(folder, "phones", &["sequence"], (0, STEPS), deadline)?;
    while adam.step < STEPS && !session.over() {
        let batch = batches.recv()?.to_device(device);
        let rows: Vec<i64> = (0..batch.sequences.len() as i64)
            .filter(|&row| !batch.sequences[row as usize].is_empty())
            .collect();
        if rows.is_empty() {
            continue;
        }
        let said: Vec<&[i64]> = rows
            .iter()
            .map(|&r| batch.sequences[r as usize].as_slice())
            .collect();
        let heard = batch
            .heard
            .index_select(0, &Tensor::from_slice(&rows).to_device(device));
        let content = no_grad(|| content(encoder, &heard));
        let loss = reader.loss(&content, &said);
        let rate = adam.learning_rate();
        let norm = adam.backward_step(&loss);
        session.record(adam.step, rate, norm, &[loss.double_value(&[])])?;
    }
    session.finish();
    Ok(reader)
}

/// Content that belongs to the frames of `heard` (`[batch, frames + LOOK_AHEAD, bands]`).
pub fn content(encoder: &ContentEncoder, heard: &Tensor) -> Tensor {
    let frames = heard.size()[1] - LOOK_AHEAD;
    encoder.encode(heard).narrow(1, LOOK_AHEAD, frames)
}
