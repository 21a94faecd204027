//! The formulas of the adversarial game.

use tch::Tensor;

use super::config::AdversarialLoss;
use crate::networks::Verdict;

/// What the discriminator pays: it should score `real` high and `fake` low.
pub fn discriminator_loss(formula: AdversarialLoss, real: &Tensor, fake: &Tensor) -> Tensor {
    let mean = tch::Kind::Float;
    match formula {
        // −log σ(x) = softplus(−x), which stays finite for any score.
        AdversarialLoss::CrossEntropy => (-real).softplus().mean(mean) + fake.softplus().mean(mean),
        AdversarialLoss::LeastSquares => {
            (real - 1.0).square().mean(mean) + fake.square().mean(mean)
        }
        AdversarialLoss::Hinge => {
            (real * -1.0 + 1.0).relu().mean(mean) + (fake + 1.0).relu().mean(mean)
        }
    }
}

/// What the generator pays: its output should be scored high.
pub fn generator_loss(formula: AdversarialLoss, fake: &Tensor) -> Tensor {
    match formula {
        AdversarialLoss::CrossEntropy => (-fake).softplus().mean(tch::Kind::Float),
        AdversarialLoss::LeastSquares => (fake - 1.0).square().mean(tch::Kind::Float),
        AdversarialLoss::Hinge => -fake.mean(tch::Kind::Float),
    }
}

/// Mean L1 distance of inner activations, relative to their size.
pub fn feature_matching(real: &Verdict, fake: &Verdict) -> Tensor {
    let pairs = real.features.iter().zip(&fake.features);
    let terms: Vec<Tensor> = pairs
        .map(|(real, fake)| {
            let real = real.detach();
            (&real - fake).abs().mean(tch::Kind::Float) / (real.abs().mean(tch::Kind::Float) + 1e-5)
        })
        .collect();
    Tensor::stack(&terms, 0).mean(tch::Kind::Float)
}

/// R1: mean squared gradient of the scores at real samples (Mescheder et al. 2018). `input` must
/// require a gradient and `scores` come from it.
pub fn r1_penalty(scores: &Tensor, input: &Tensor) -> Tensor {
    let gradients = Tensor::run_backward(&[scores.sum(None)], &[input], true, true);
    gradients[0]
        .square()
        .flatten(1, -1)
        .sum_dim_intlist(1, false, None)
        .mean(tch::Kind::Float)
}

/// Share of real samples scored as real and of fakes scored as real (false accepts).
pub fn accuracy(formula: AdversarialLoss, real: &Tensor, fake: &Tensor) -> (f64, f64) {
    let border = if formula == AdversarialLoss::LeastSquares {
        0.5
    } else {
        0.0
    };
    let share = |t: &Tensor| {
        t.gt(border)
            .to_kind(tch::Kind::Float)
            .mean(tch::Kind::Float)
            .double_value(&[])
    };
    (share(real), share(fake))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_is_the_formula_of_the_design() {
        let real = Tensor::from_slice(&[0.3_f32, -0.2]);
        let fake = Tensor::from_slice(&[0.7_f32, -1.0]);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let mean = |f: &dyn Fn(f64) -> f64, xs: [f64; 2]| (f(xs[0]) + f(xs[1])) / 2.0;
        let d = -mean(&|x| sigmoid(x).ln(), [0.3, -0.2])
            - mean(&|x| (1.0 - sigmoid(x)).ln(), [0.7, -1.0]);
        let g = -mean(&|x| sigmoid(x).ln(), [0.7, -1.0]);
        let formula = AdversarialLoss::CrossEntropy;
        assert!((discriminator_loss(formula, &real, &fake).double_value(&[]) - d).abs() < 1e-5);
        assert!((generator_loss(formula, &fake).double_value(&[]) - g).abs() < 1e-5);
    }

    #[test]
    fn each_formula_rewards_the_right_side() {
        let (high, low) = (
            Tensor::from_slice(&[2.0_f32]),
            Tensor::from_slice(&[-2.0_f32]),
        );
        for formula in [
            AdversarialLoss::CrossEntropy,
            AdversarialLoss::LeastSquares,
            AdversarialLoss::Hinge,
        ] {
            let right =
                discriminator_loss(formula, &(&high / 2.0), &(&low / 4.0)).double_value(&[]);
            let wrong = discriminator_loss(formula, &low, &high).double_value(&[]);
            assert!(right < wrong, "{formula:?}");
            let fooled = generator_loss(formula, &(&high / 2.0)).double_value(&[]);
            let caught = generator_loss(formula, &low).double_value(&[]);
            assert!(fooled < caught, "{formula:?}");
        }
    }
}
