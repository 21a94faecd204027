//! A listener that judges words: it reads phones off mels with the future in sight, as people do, which
//! the content encoder cannot. What it hears in generated sound is held to what it hears in the source
//! (a perceptual loss, Johnson et al. 2016, through a recogniser as in StarGANv2-VC, Li et al. 2021).

use tch::nn::VarStore;
use tch::{Device, Kind, Reduction, Tensor};

use super::batches::{FrameBatch, UNLABELLED};
use super::checkpoint::{self, Tensors};
use super::config::OptimizerConfig;
use super::learner::{restore_beside, state_beside};
use super::losses::masked_mean;
use super::optimizer::AdamW;
use super::phones::LABELS;
use crate::networks::CONTENT_MEL;
use crate::nn::{ConvNeXtConfig, Linear, Trunk};

/// Frames after the present one that it hears.
pub const AHEAD: i64 = 16;
/// Channels.
const WIDTH: i64 = 192;

/// Tells each frame's phone and the teacher's values from a mel. Trained beside stage 1 on natural,
/// disturbed speech only, by an optimiser of its own.
#[derive(Debug)]
pub struct Listener {
    store: VarStore,
    input: Linear,
    trunk: Trunk,
    phones: Linear,
    teacher: Linear,
    adam: AdamW,
}

/// What it hears in the frames that have [`AHEAD`] more behind them.
struct Heard {
    /// `[batch, frames − AHEAD, WIDTH]`.
    hidden: Tensor,
    /// `[batch, frames − AHEAD, LABELS]`.
    phones: Tensor,
    /// `[batch, frames − AHEAD, teacher]`.
    teacher: Tensor,
}

impl Listener {
    /// A fresh one for a run of `steps` batches with that many of the teacher's values.
    pub fn new(teacher: i64, steps: u64, settings: &OptimizerConfig, device: Device) -> Self {
        let store = VarStore::new(device);
        let root = store.root();
        let shape = ConvNeXtConfig {
            width: WIDTH,
            expansion: 2,
            kernel: 7,
            dilations: vec![1, 2, 4, 2, 1],
            ..ConvNeXtConfig::default()
        };
        let input = Linear::new(&(&root / "input"), CONTENT_MEL, WIDTH, 1.0);
        let trunk = Trunk::new(&(&root / "trunk"), &shape, None);
        let phones = Linear::new(&(&root / "phones"), WIDTH, LABELS, 0.5);
        let teacher = Linear::new(&(&root / "teacher"), WIDTH, teacher.max(1), 0.5);
        let adam = AdamW::new(settings, checkpoint::named(&store), steps);
        Self {
            store,
            input,
            trunk,
            phones,
            teacher,
            adam,
        }
    }

    /// `mel`: normalised, `[batch, frames, ≥ CONTENT_MEL]`.
    fn hear(&self, mel: &Tensor) -> Heard {
        let h = self
            .input
            .forward(&mel.narrow(-1, 0, CONTENT_MEL).contiguous());
        let mut state = self.trunk.state(h.size()[0], &h);
        let h = self
            .trunk
            .forward(&h, &self.trunk.modulate(None), &mut state);
        let hidden = h.narrow(1, AHEAD, h.size()[1] - AHEAD);
        Heard {
            phones: self.phones.forward(&hidden),
            teacher: self.teacher.forward(&hidden),
            hidden,
        }
    }

    /// Learns from a batch of natural speech. Returns its loss: cross-entropy of the phones and half the squared distance
    /// to the teacher.
    pub fn learn(&mut self, batch: &FrameBatch) -> f64 {
        let frames = batch.mel.size()[1];
        let heard = self.hear(&batch.heard.narrow(1, 0, frames));
        let now = |t: &Tensor| t.narrow(1, 0, frames - AHEAD);
        let labels = now(&batch.phones).reshape([-1]);
        let labelled = labels.not_equal(UNLABELLED).to_kind(Kind::Float);
        let each = heard.phones.reshape([-1, LABELS]).cross_entropy_loss(
            &labels,
            None::<&Tensor>,
            Reduction::None,
            UNLABELLED,
            0.05,
        );
        let error = (&heard.teacher - now(&batch.teacher)).square();
        let mask = now(&batch.teacher_mask);
        let loss =
            masked_mean(&each, &labelled) + masked_mean(&error, &mask.expand_as(&error)) * 0.5;
        let value = loss.double_value(&[]);
        self.adam.backward_step(&loss);
        value
    }

    /// How differently it hears `said` than `clean`, both `[batch, frames, ≥ CONTENT_MEL]`: the divergence of
    /// the phones (Kullback and Leibler) and the distance of what lies beneath, relative to its size.
    /// The optimiser of whoever made `said` takes the gradients; the listener learns by [`Self::learn`] alone.
    pub fn misheard(&self, clean: &Tensor, said: &Tensor) -> Tensor {
        let truth = tch::no_grad(|| self.hear(clean));
        let heard = self.hear(said);
        let expected = truth.phones.log_softmax(-1, Kind::Float);
        let told = heard.phones.log_softmax(-1, Kind::Float);
        let divergence = (expected.exp() * (&expected - &told))
            .sum_dim_intlist([-1].as_slice(), false, Kind::Float)
            .mean(Kind::Float);
        let beneath = (&truth.hidden - &heard.hidden).abs().mean(Kind::Float)
            / (truth.hidden.abs().mean(Kind::Float) + 1e-5);
        divergence + beneath
    }

    /// What a checkpoint needs to go on.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        state_beside("listener", &self.store, &self.adam)
    }

    /// Takes a checkpoint of batch `step` back.
    pub fn restore(&mut self, saved: &Tensors, step: u64) {
        restore_beside("listener", &self.store, &mut self.adam, saved, step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(mel: &Tensor) -> FrameBatch {
        let size = mel.size();
        let (rows, frames) = (size[0], size[1]);
        let like = (Kind::Float, Device::Cpu);
        // The phone is told by what comes eight frames later: only a look ahead finds it.
        let later = mel.narrow(2, 3, 1).roll([-8], [1]).squeeze_dim(2);
        FrameBatch {
            heard: mel.shallow_clone(),
            clean: mel.shallow_clone(),
            mel: mel.shallow_clone(),
            prosody: Tensor::zeros([rows, frames, 4], like),
            teacher: Tensor::zeros([rows, frames, 2], like),
            teacher_mask: Tensor::ones([rows, frames, 1], like),
            phones: later.gt(0.0).to_kind(Kind::Int64) * 5,
            sequences: vec![Vec::new(); rows as usize],
            mask: Tensor::ones([rows, frames, CONTENT_MEL], like),
            speaker: Tensor::zeros([rows], (Kind::Int64, Device::Cpu)),
            person: Tensor::zeros([rows], (Kind::Int64, Device::Cpu)),
            known: Tensor::ones([rows], like),
            disturbed: Tensor::zeros([rows], like),
            corpus: Tensor::zeros([rows], (Kind::Int64, Device::Cpu)),
            emotion: Tensor::zeros([rows], (Kind::Int64, Device::Cpu)),
        }
    }

    #[test]
    fn it_hears_with_the_future_in_sight_and_tells_which_way_to_better_words() {
        tch::manual_seed(3);
        let settings = OptimizerConfig {
            learning_rate: 3e-3,
            warm_up: 5,
            ..OptimizerConfig::default()
        };
        let mut listener = Listener::new(2, 60, &settings, Device::Cpu);
        let speech = || Tensor::randn([4, 80, CONTENT_MEL], (Kind::Float, Device::Cpu));
        let first = listener.learn(&batch(&speech()));
        let last = (0..60).fold(first, |_, _| listener.learn(&batch(&speech())));
        assert!(last < first / 3.0, "{first} {last}");
        let clean = speech();
        assert!(listener.misheard(&clean, &clean).double_value(&[]) < 1e-5);
        let wrong = clean.copy();
        let _ = wrong.narrow(2, 3, 1).neg_();
        let wrong = wrong.set_requires_grad(true);
        let before = listener.misheard(&clean, &wrong);
        before.backward();
        let gradient = wrong.grad();
        let better = tch::no_grad(|| &wrong - gradient.sign() * 0.05);
        let after = listener.misheard(&clean, &better).double_value(&[]);
        assert!(after < before.double_value(&[]), "{after}");
    }
}
