//! What acting does to the content: sounds that are pressed, slurred or thin are other sounds, and the encoder hears them so.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use mien_face::EMOTIONS;
use tch::Tensor;

use super::CONTENT;

/// For each emotion an affine map from the content of neutral speech to the change that acting makes of it.
///
/// The mean change says what a feeling does to all sounds, the slope what it does to each beyond that.
#[derive(Debug)]
pub struct ActedContent {
    /// Mean change, `[emotions, CONTENT]`.
    shift: Tensor,
    /// Mean content, `[emotions, CONTENT]`.
    middle: Tensor,
    /// Change of the change, `[emotions, CONTENT (heard), CONTENT (change)]`.
    slope: Tensor,
}

/// The maps of several feelings as one.
#[derive(Debug)]
pub struct ActingMix {
    offset: Tensor,
    slope: Tensor,
}

/// How much of each emotion's mean change, and of what it changes beyond that, is made.
pub type ActingWeights = [[f32; 2]; EMOTIONS.len()];

impl ActedContent {
    /// The map that changes by `shift` and `slope` around `middle`; see the fields for shapes.
    ///
    /// # Errors
    /// When a shape is another.
    pub fn new(shift: Tensor, middle: Tensor, slope: Tensor) -> Result<Self> {
        let emotions = EMOTIONS.len() as i64;
        ensure!(
            shift.size() == [emotions, CONTENT]
                && middle.size() == [emotions, CONTENT]
                && slope.size() == [emotions, CONTENT, CONTENT],
            "what acting does to the content is given as {:?}, {:?} and {:?}",
            shift.size(),
            middle.size(),
            slope.size()
        );
        Ok(Self {
            shift,
            middle,
            slope,
        })
    }

    /// That of a pack's tensors, if it has one.
    ///
    /// # Errors
    /// When it has only a part of it.
    pub fn of_pack(tensors: &HashMap<String, Tensor>) -> Result<Option<Self>> {
        if !tensors.contains_key("acting.shift") {
            return Ok(None);
        }
        let part = |name: &str| {
            let tensor = tensors.get(&format!("acting.{name}"));
            tensor
                .map(Tensor::shallow_clone)
                .with_context(|| format!("lacks the weights acting.{name}"))
        };
        Self::new(part("shift")?, part("middle")?, part("slope")?).map(Some)
    }

    /// Its tensors as a pack holds them.
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        let parts = [
            ("acting.shift", &self.shift),
            ("acting.middle", &self.middle),
            ("acting.slope", &self.slope),
        ];
        parts
            .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()))
            .into()
    }

    /// Content of several recordings, each acted with one emotion, as a training needs it: a gradient passes through. `content`:
    /// `[batch, frames, CONTENT]`; `emotion`: index of [`EMOTIONS`], `[batch]`; `weights`: how much of the mean change and of the
    /// slope, `[batch, 2]`; `share`: as for [`ActingMix::act`].
    pub fn act_each(
        &self,
        content: &Tensor,
        emotion: &Tensor,
        weights: &Tensor,
        share: &Tensor,
    ) -> Tensor {
        let of = |all: &Tensor| all.index_select(0, emotion);
        let column = |i: i64| weights.narrow(1, i, 1).unsqueeze(-1);
        let beyond = (content - of(&self.middle).unsqueeze(1)).bmm(&of(&self.slope));
        let change = of(&self.shift).unsqueeze(1) * column(0) + beyond * column(1);
        content + change * share
    }

    /// Prepares a mix of emotions.
    pub fn mix(&self, weights: &ActingWeights) -> ActingMix {
        let column = |i: usize| Tensor::from_slice(&weights.map(|w| w[i])).reshape([-1, 1]);
        let (shifts, slopes) = (column(0), column(1));
        let unmoved = self.middle.unsqueeze(1).matmul(&self.slope).squeeze_dim(1);
        let offset = &self.shift * shifts - unmoved * &slopes;
        ActingMix {
            offset: offset.sum_dim_intlist([0].as_slice(), true, None),
            slope: (&self.slope * slopes.unsqueeze(-1)).sum_dim_intlist(
                [0].as_slice(),
                false,
                None,
            ),
        }
    }
}

impl ActingMix {
    /// Content as it is acted. `content`: `[batch, frames, CONTENT]`; `share`: how far it is, 0 to 1, `[batch, frames, 1]`.
    pub fn act(&self, content: &Tensor, share: &Tensor) -> Tensor {
        content + (content.matmul(&self.slope) + &self.offset) * share
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    #[test]
    fn the_middle_moves_by_the_shift_and_the_rest_by_the_slope() {
        let emotions = EMOTIONS.len() as i64;
        let options = (Kind::Float, tch::Device::Cpu);
        let shift = Tensor::ones([emotions, CONTENT], options) * 3.0;
        let middle = Tensor::ones([emotions, CONTENT], options) * 2.0;
        let slope = Tensor::eye(CONTENT, options).expand([emotions, CONTENT, CONTENT], false);
        let acted = ActedContent::new(shift, middle, slope.copy()).unwrap();
        let mut weights = ActingWeights::default();
        weights[1] = [0.5, 0.25];
        let mix = acted.mix(&weights);
        let all = Tensor::ones([1, 1, 1], options);
        let of = |value: f64| {
            let content = Tensor::ones([1, 1, CONTENT], options) * value;
            mix.act(&content, &all).double_value(&[0, 0, 0])
        };
        assert!((of(2.0) - 3.5).abs() < 1e-5);
        assert!((of(6.0) - 8.5).abs() < 1e-5);
        let content = Tensor::randn([1, 3, CONTENT], options);
        let silent = mix.act(&content, &(&all * 0.0));
        assert_eq!(silent, content);
        let content = Tensor::randn([2, 3, CONTENT], options);
        let each = acted.act_each(
            &content,
            &Tensor::from_slice(&[1_i64, 1]),
            &Tensor::from_slice(&[0.5_f32, 0.25, 0.5, 0.25]).reshape([2, 2]),
            &all,
        );
        let apart = (each - mix.act(&content, &all)).abs().max();
        assert!(apart.double_value(&[]) < 1e-5);
    }

    #[test]
    fn a_pack_holds_all_of_it_or_nothing() {
        let options = (Kind::Float, tch::Device::Cpu);
        let mut tensors = HashMap::new();
        assert!(ActedContent::of_pack(&tensors).unwrap().is_none());
        let shift = Tensor::zeros([EMOTIONS.len() as i64, CONTENT], options);
        tensors.insert("acting.shift".to_owned(), shift);
        let error = ActedContent::of_pack(&tensors).unwrap_err().to_string();
        assert!(error.contains("acting.middle"), "{error}");
    }
}
