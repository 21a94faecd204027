//! The map from the speaker encoder's directions to a generator's voices, fitted to the training
//! speakers: both are known of them.

use tch::{Kind, Tensor};

/// Strengths of the pull to the mean that are tried, relative to the directions' mean square.
const RIDGES: [f64; 7] = [1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3];
/// Parts of the speakers; each is held out once.
const FOLDS: usize = 5;

/// A linear map `voice = weight · direction + bias`.
#[derive(Debug)]
pub struct VoiceMap {
    /// `[voice, direction]`.
    pub weight: Tensor,
    /// `[voice]`.
    pub bias: Tensor,
    /// Share of the variance of speakers that were left out which the map tells rightly, from their
    /// recordings: 1 is all, 0 no more than the middle voice.
    pub told: f64,
}

/// Fits by ridge regression (Hoerl and Kennard 1970); how strong the pull is, cross-validation over
/// speakers decides. `directions`: `[examples, direction]`, `speakers`: the row of `voices`
/// (`[speakers, voice]`) that each example belongs to. `None` with fewer than ten speakers.
pub fn fit(directions: &Tensor, speakers: &[i64], voices: &Tensor) -> Option<VoiceMap> {
    let mut known: Vec<i64> = speakers.to_vec();
    known.sort_unstable();
    known.dedup();
    if known.len() < 2 * FOLDS {
        return None;
    }
    let x = directions.to_kind(Kind::Double);
    let y = voices
        .detach()
        .to_kind(Kind::Double)
        .index_select(0, &Tensor::from_slice(speakers));
    let fold = |speaker: &i64| known.binary_search(speaker).unwrap_or(0) % FOLDS;
    let rows = |keep: &dyn Fn(usize) -> bool| {
        let kept = (0..speakers.len()).filter(|&i| keep(fold(&speakers[i])));
        Tensor::from_slice(&kept.map(|i| i as i64).collect::<Vec<_>>())
    };
    let mut errors = [0.0; RIDGES.len()];
    let mut spread = 0.0;
    for out in 0..FOLDS {
        let (learn, ask) = (rows(&|f| f != out), rows(&|f| f == out));
        let (xl, yl) = (x.index_select(0, &learn), y.index_select(0, &learn));
        let (xa, ya) = (x.index_select(0, &ask), y.index_select(0, &ask));
        let middle = yl.mean_dim([0].as_slice(), true, Kind::Double);
        spread += squares(&(&ya - middle));
        for (error, ridge) in errors.iter_mut().zip(RIDGES) {
            let (weight, bias) = solve(&xl, &yl, ridge);
            *error += squares(&(xa.matmul(&weight.tr()) + bias - &ya));
        }
    }
    let (best, error) = (0..RIDGES.len())
        .map(|i| (i, errors[i]))
        .min_by(|a, b| a.1.total_cmp(&b.1))?;
    let (weight, bias) = solve(&x, &y, RIDGES[best]);
    Some(VoiceMap {
        weight: weight.to_kind(Kind::Float),
        bias: bias.to_kind(Kind::Float),
        told: 1.0 - error / spread.max(1e-12),
    })
}

fn solve(x: &Tensor, y: &Tensor, ridge: f64) -> (Tensor, Tensor) {
    let mean_x = x.mean_dim([0].as_slice(), true, Kind::Double);
    let mean_y = y.mean_dim([0].as_slice(), true, Kind::Double);
    let (x, y) = (x - &mean_x, y - &mean_y);
    let size = x.size()[1];
    let gram = x.tr().matmul(&x);
    let pull = Tensor::eye(size, (Kind::Double, x.device())) * (ridge * x.size()[0] as f64);
    let weight = Tensor::linalg_solve(&(gram + pull), &x.tr().matmul(&y), true).tr();
    let bias = (mean_y - mean_x.matmul(&weight.tr())).view([-1]);
    (weight.contiguous(), bias)
}

fn squares(x: &Tensor) -> f64 {
    x.square().sum(Kind::Double).double_value(&[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn a_linear_relation_is_found_and_chance_is_not() {
        tch::manual_seed(11);
        let options = (Kind::Float, Device::Cpu);
        let places = Tensor::randn([60, 16], options);
        let voices = places.matmul(&Tensor::randn([16, 8], options)) + 3.0;
        let speakers: Vec<i64> = (0..240).map(|i| i % 60).collect();
        let own = places.index_select(0, &Tensor::from_slice(&speakers));
        let directions = own + Tensor::randn([240, 16], options) * 0.05;
        let map = fit(&directions, &speakers, &voices).unwrap();
        assert!(map.told > 0.95, "{}", map.told);
        assert_eq!(map.weight.size(), [8, 16]);
        let told = directions.matmul(&map.weight.tr()) + &map.bias;
        let truth = voices.index_select(0, &Tensor::from_slice(&speakers));
        assert!((told - truth).abs().mean(Kind::Float).double_value(&[]) < 0.4);
        let other = Tensor::randn([60, 8], options);
        let map = fit(&directions, &speakers, &other).unwrap();
        assert!(map.told < 0.3, "{}", map.told);
        assert!(fit(&directions.narrow(0, 0, 9), &speakers[..9], &voices).is_none());
    }
}
