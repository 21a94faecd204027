//! The excitation of the vocoder: band-limited pulses at the pitch, and noise. Where the speaker creaks, single pulses take the
//! place of most of the noise: pulses without a regular spacing are as white as noise is, so the noise's filter speaks them
//! without having been trained on any.

use std::f64::consts::TAU;

use mien_dsp::creak::CreakFrame;
use mien_face::{FRAME, SAMPLE_RATE};

use super::cycles::{Cycles, Unevenness};

/// Highest frequency that the pulse train holds, in Hz; a little under half the sample rate.
const TOP_HZ: f64 = 11_800.0;
/// Power of the noise that stays beneath creak's pulses; it was 1.
const CREAK_NOISE: f32 = 0.15;
/// Samples in which the noise fades to that and back (2 ms).
const CREAK_FADE: f32 = 48.0;
/// Most samples of noise that a pulse stands for. The mel's window hears a pulse in its middle as loud as so many samples of
/// noise, the sum of its squares (Hann, 30 ms), however long the silence around the pulse is: 270. Most pulses lie between two
/// frames, where they get 1.1 dB less.
const MOST_SPACING: usize = 345;

/// Makes one hop of source at a time. The phase runs on over hops, pitch changes glide, and the
/// noise comes from a seeded generator, so that the same input always gives the same bits.
#[derive(Clone, Debug)]
pub struct Source {
    f0_hz: f64,
    level: f64,
    cycles: Cycles,
    /// How far the noise has made place for creak, 0 to 1.
    creak: f32,
    noise: u64,
    seed: u64,
}

/// One hop of source.
#[derive(Clone, Debug)]
pub struct Hop {
    /// Pulses of unit power, faded to silence where unvoiced.
    pub pulses: [f32; FRAME],
    /// White noise of unit power; irregular pulses and a little noise, of unit power together, in creak.
    pub noise: [f32; FRAME],
}

impl Source {
    /// A source whose noise is told by `seed`.
    pub fn new(seed: u64) -> Self {
        // An all-zero state would stay zero for ever.
        let seed = seed | 1;
        Self {
            f0_hz: 150.0,
            level: 0.0,
            cycles: Cycles::default(),
            creak: 0.0,
            noise: seed,
            seed,
        }
    }

    /// Back to the start.
    pub fn reset(&mut self) {
        *self = Self::new(self.seed);
    }

    /// [`Self::next_hop`], as uneven as told and with the pulses of `creak` in the noise where it is unvoiced from end to
    /// end. All else is the same to the bit.
    pub fn next_hop_creaking(
        &mut self,
        f0_hz: f32,
        unevenness: Unevenness,
        creak: &CreakFrame,
    ) -> Hop {
        let silent = self.level == 0.0 && f0_hz <= 0.0;
        let mut hop = self.hop(f0_hz, unevenness);
        if !silent {
            self.creak = 0.0;
            return hop;
        }
        for (noise, &creaks) in hop.noise.iter_mut().zip(&creak.creaks) {
            let step = if creaks { 1.0 } else { -1.0 } / CREAK_FADE;
            self.creak = (self.creak + step).clamp(0.0, 1.0);
            if self.creak > 0.0 {
                *noise *= (1.0 - (1.0 - CREAK_NOISE) * self.creak).sqrt();
            }
        }
        for pulse in creak.pulses.iter().flatten() {
            let power = pulse.spacing.min(MOST_SPACING) as f32;
            hop.noise[pulse.at] += (power * (1.0 - CREAK_NOISE)).sqrt();
        }
        hop
    }

    /// The hop that ends at the moment whose pitch is `f0_hz` (0: unvoiced).
    pub fn next_hop(&mut self, f0_hz: f32) -> Hop {
        self.hop(f0_hz, Unevenness::default())
    }

    fn hop(&mut self, f0_hz: f32, unevenness: Unevenness) -> Hop {
        let voiced = f0_hz > 0.0;
        let target = if voiced {
            f64::from(f0_hz).clamp(30.0, 2000.0)
        } else {
            self.f0_hz
        };
        // After silence there is no pitch to glide from.
        let from = if self.level == 0.0 {
            target
        } else {
            self.f0_hz
        };
        let level_target = if voiced { 1.0 } else { 0.0 };
        let mut pulses = [0.0; FRAME];
        let glide = (target / from).ln();
        let silent = self.level == 0.0 && !voiced;
        for (i, pulse) in pulses.iter_mut().enumerate() {
            let at = (i + 1) as f64 / FRAME as f64;
            let f0 = from * (glide * at).exp();
            let (phase, gain) = self.cycles.next(f0, unevenness);
            if !silent {
                let level = self.level + (level_target - self.level) * at;
                *pulse = (level * gain * pulse_train(phase * TAU, f0)) as f32;
            }
        }
        self.f0_hz = target;
        self.level = level_target;
        let noise = std::array::from_fn(|_| self.gaussian());
        Hop { pulses, noise }
    }

    /// Sum of four uniform values: near enough to a normal distribution for noise, and cheap.
    fn gaussian(&mut self) -> f32 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        let sum: i32 = (0..4)
            .map(|i| ((self.noise >> (16 * i)) & 0xffff) as i32)
            .sum();
        // Each part is uniform over 65536 steps, so the sum's variance is 4 · 65536² / 12.
        (sum - 2 * 65_535) as f32 / (65_536.0 / 3.0_f32.sqrt())
    }
}

/// All harmonics up to [`TOP_HZ`] as cosines of one amplitude, unit power: the closed form of
/// the Dirichlet kernel, plus a share of the next harmonic so that none appears with a click.
fn pulse_train(phase: f64, f0: f64) -> f64 {
    let harmonics = TOP_HZ / f0;
    let whole = harmonics.floor();
    let half = (phase * 0.5).sin();
    let sum = if half.abs() < 1e-6 {
        whole
    } else {
        (whole * phase * 0.5).sin() * ((whole + 1.0) * phase * 0.5).cos() / half
    };
    let next = (harmonics - whole) * ((whole + 1.0) * phase).cos();
    (sum + next) * 2.0 * (f0 / f64::from(SAMPLE_RATE)).sqrt()
}

#[cfg(test)]
mod tests {
    use mien_dsp::creak::CreakPulse;

    use super::*;

    #[test]
    fn both_parts_have_unit_power() {
        for f0 in [70.0, 220.0, 700.0] {
            let mut source = Source::new(7);
            let hops: Vec<Hop> = (0..200).map(|_| source.next_hop(f0)).skip(1).collect();
            let power = |part: fn(&Hop) -> &[f32; FRAME]| {
                let sum: f32 = hops
                    .iter()
                    .flat_map(|h| part(h).iter())
                    .map(|x| x * x)
                    .sum();
                sum / (hops.len() * FRAME) as f32
            };
            assert!(
                (power(|h| &h.pulses) - 1.0).abs() < 0.06,
                "{f0} {}",
                power(|h| &h.pulses)
            );
            assert!(
                (power(|h| &h.noise) - 1.0).abs() < 0.06,
                "{}",
                power(|h| &h.noise)
            );
        }
    }

    #[test]
    fn rough_pulses_have_unit_power_and_come_in_groups() {
        for (f0, group) in [(110.0, 2), (240.0, 3), (700.0, 6)] {
            // Power of all, and the share of it that a sine at the group's rate has.
            let heard = |unevenness| {
                let mut source = Source::new(7);
                let calm = CreakFrame::default();
                let mut hop = || source.next_hop_creaking(f0, unevenness, &calm).pulses;
                hop();
                let pulses: Vec<f32> = (0..400).flat_map(|_| hop()).collect();
                let rate = f64::from(f0) / f64::from(group) * TAU / f64::from(SAMPLE_RATE);
                let (mut re, mut im) = (0.0, 0.0);
                for (i, &x) in pulses.iter().enumerate() {
                    re += f64::from(x) * (rate * i as f64).cos();
                    im += f64::from(x) * (rate * i as f64).sin();
                }
                let length = pulses.len() as f64;
                let power = pulses.iter().map(|x| x * x).sum::<f32>() / pulses.len() as f32;
                (power, 2.0 * (re * re + im * im) / length.powi(2))
            };
            let (power, share) = heard(Unevenness {
                perturbation: 0.01,
                roughness: 0.7,
            });
            assert!((power - 1.0).abs() < 0.06, "{f0}: {power}");
            assert!(share > 1e-5, "{f0}: {share}");
            let (_, even) = heard(Unevenness::default());
            assert!(even < 1e-7, "{f0}: {even}");
        }
    }

    #[test]
    fn perturbed_cycles_differ_as_told() {
        let mut source = Source::new(7);
        let unevenness = Unevenness {
            perturbation: 0.01,
            roughness: 0.0,
        };
        let calm = CreakFrame::default();
        let mut hop = || source.next_hop_creaking(100.0, unevenness, &calm).pulses;
        hop();
        let pulses: Vec<f32> = (0..600).flat_map(|_| hop()).collect();
        let peaks: Vec<f64> = (1..pulses.len() - 1)
            .filter(|&i| pulses[i] > 4.0 && pulses[i] >= pulses[i - 1] && pulses[i] > pulses[i + 1])
            .map(|i| {
                // The top of a parabola through three samples.
                let [a, b, c] = [-1, 0, 1].map(|d| f64::from(pulses[(i as i64 + d) as usize]));
                i as f64 + 0.5 * (a - c) / (a - 2.0 * b + c)
            })
            .collect();
        let periods: Vec<f64> = peaks.windows(2).map(|w| w[1] - w[0]).collect();
        let mean = periods.iter().sum::<f64>() / periods.len() as f64;
        let spread = periods.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / periods.len() as f64;
        assert!((mean - 240.0).abs() < 0.5, "{mean}");
        assert!(
            (spread.sqrt() / mean - 0.01).abs() < 2e-3,
            "{}",
            spread.sqrt() / mean
        );
    }

    #[test]
    fn unvoiced_hops_have_no_pulses_and_reset_gives_the_same_bits() {
        let mut source = Source::new(3);
        let first: Vec<f32> = (0..5).flat_map(|_| source.next_hop(120.0).pulses).collect();
        source.next_hop(0.0);
        assert!(source.next_hop(0.0).pulses.iter().all(|&x| x == 0.0));
        source.reset();
        let again: Vec<f32> = (0..5).flat_map(|_| source.next_hop(120.0).pulses).collect();
        assert_eq!(first, again);
    }

    #[test]
    fn creak_has_unit_power_and_changes_nothing_else() {
        let (mut plain, mut creaking) = (Source::new(5), Source::new(5));
        let mut frame = CreakFrame::default();
        let calm = CreakFrame::default();
        frame.creaks = [true; FRAME];
        frame.pulses[0] = Some(CreakPulse {
            at: 100,
            spacing: FRAME,
        });
        let mut power = 0.0;
        for hop in 0..440 {
            let f0 = if (400..420).contains(&hop) {
                150.0
            } else {
                0.0
            };
            let creak = if hop < 410 { &frame } else { &calm };
            let (a, b) = (
                plain.next_hop(f0),
                creaking.next_hop_creaking(f0, Unevenness::default(), creak),
            );
            assert_eq!(a.pulses, b.pulses);
            if hop < 400 {
                power += b.noise.iter().map(|x| x * x).sum::<f32>() / (400 * FRAME) as f32;
            } else {
                assert_eq!(a.noise, b.noise, "hop {hop}");
            }
        }
        assert!((power - 1.0).abs() < 0.05, "{power}");
    }
}
