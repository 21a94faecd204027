//! Glottal pulses that are too far apart to be a pitch: creak, the clicks of glottal stops, a voice's first pulses.
//!
//! Creak (vocal fry) has irregular pulses, 25 to 60 a second, which are below [`crate::pitch`]'s range: it calls them
//! unvoiced. A pulse is told from noise by its suddenness. The power of the first formants jumps within a millisecond, out of
//! a silence into which the vocal tract has rung down, and the power of the consonants' range jumps with it. Noise does
//! either by chance, but seldom both at once, and hardly ever twice with much the same power.
//!
//! Breath that clicks would be worse than creak that whispers, so everything in doubt is noise.

use std::f32::consts::PI;

use crate::{HOP, RATE};

/// Part of the spectrum in which pulses are looked for: the first formants, in Hz.
const LOW_HZ: [f32; 2] = [100.0, 1500.0];
/// Part of the spectrum that must agree, in Hz: nearly independent of the other one in noise, and seldom left out by a codec.
const HIGH_HZ: [f32; 2] = [2000.0, 6000.0];
/// Samples over which powers are smoothed (1 ms).
const SMOOTH: usize = 24;
/// Samples after an instant that decide on it (8 ms): nothing stronger may follow so soon, and what follows must be weaker on
/// average, or each start of a consonant would be a pulse.
const AFTER: usize = 192;
/// Samples before it that its power is also compared with (17 ms).
const BEFORE: usize = 400;
/// The silence before a pulse: so many samples (6 ms) …
const REST: usize = 144;
/// … that end so many samples before it (2.5 ms). A low first formant takes as long to come to its peak; the higher ones are
/// at theirs in between.
const GAP: usize = 60;
/// Least power of a pulse over the mean of the 25 ms around it.
const PEAK: f32 = 4.5;
/// Least power of a pulse over the silence before it, in [`LOW_HZ`].
const RISE: f32 = 14.0;
/// The same in [`HIGH_HZ`], whose peak tells the pulse's instant.
const HIGH_RISE: f32 = 5.0;
/// Share of these three that is enough while creak goes on, after two pulses that go together.
const GOING_ON: f32 = 0.6;
/// Quietest pulse: power, full-scale square = 1 (−70 dB).
const FLOOR: f32 = 1e-7;
/// Added to what powers are divided by.
const TINY: f32 = 1e-9;
/// Most samples between two pulses of one creak (45 ms).
const FAR: i32 = 1080;
/// Largest ratio of their powers.
const LIKE: f32 = 10.0;
/// Samples for which creak is taken to go on after a pulse when no next one is known yet (20 ms).
const HOLD: i32 = 480;
/// Samples from a pulse to the peak of its power in [`HIGH_HZ`]: measured on pulses in vowels.
const LAG: i32 = 16;
/// Samples of power that are kept.
const KEPT: usize = 4 * HOP;
/// Where in them the instants lie that a hop decides on.
const DECIDED: usize = KEPT - AFTER - SMOOTH / 2 - HOP;
/// Pulses that are remembered: more than the time in question can hold.
const PULSES: usize = 12;
/// Most pulses in one hop, as they are `AFTER` apart.
pub const MOST: usize = 2;

/// A pulse that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreakPulse {
    /// Sample of the hop in which it lies.
    pub at: usize,
    /// Samples to the nearer one of its neighbours, about 192 to 1080.
    pub spacing: usize,
}

/// What one hop has of creak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreakFrame {
    /// Its pulses, in order.
    pub pulses: [Option<CreakPulse>; MOST],
    /// Which samples lie in creak: from the silence before a pulse to the next one, or as long as a next one may come.
    pub creaks: [bool; HOP],
}

impl Default for CreakFrame {
    /// No creak.
    fn default() -> Self {
        Self {
            pulses: [None; MOST],
            creaks: [false; HOP],
        }
    }
}

/// Finds glottal pulses in a running stream.
pub struct Creak {
    low: Band,
    high: Band,
    /// Pulses known by now, oldest first.
    pulses: [Found; PULSES],
    count: usize,
}

#[derive(Clone, Copy, Default)]
struct Found {
    /// Samples from the end of the input, negative.
    at: i32,
    power: f32,
}

impl Found {
    /// Whether two pulses can be neighbours in one creak.
    fn goes_with(&self, next: &Self) -> bool {
        let ratio = next.power / self.power;
        next.at - self.at <= FAR && (1.0 / LIKE..LIKE).contains(&ratio)
    }
}

impl Default for Creak {
    fn default() -> Self {
        Self::new()
    }
}

impl Creak {
    /// How far the end of the hop that [`Self::process`] tells about lies before the end of the input, in samples at 24 kHz
    /// (25 ms).
    pub const LOOKAHEAD_SAMPLES: usize = 600;

    /// A finder that has heard nothing.
    pub fn new() -> Self {
        Self {
            low: Band::new(LOW_HZ),
            high: Band::new(HIGH_HZ),
            pulses: [Found::default(); PULSES],
            count: 0,
        }
    }

    /// Forgets the stream: the next hop is the first one.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// Takes the next hop and gives the pulses of the hop that ends [`Self::LOOKAHEAD_SAMPLES`] before its end, whether the
    /// tracker finds a pitch there or not. Allocates nothing.
    pub fn process(&mut self, hop: &[f32; HOP]) -> CreakFrame {
        self.low.push(hop);
        self.high.push(hop);
        for pulse in &mut self.pulses[..self.count] {
            pulse.at -= HOP as i32;
        }
        for at in DECIDED..DECIDED + HOP {
            if let Some(instant) = self.pulse(at) {
                self.remember(Found {
                    at: instant as i32 - KEPT as i32 - LAG,
                    power: self.low.smooth[at],
                });
            }
        }
        self.spoken()
    }

    /// The instant, [`LAG`] late, of the pulse whose power is at its peak at `at`, if one is.
    fn pulse(&self, at: usize) -> Option<usize> {
        let (low, high) = (&self.low, &self.high);
        let power = low.smooth[at];
        // The cheapest questions first: most samples are no peaks.
        if power < FLOOR || power < low.smooth[at - 1] || power <= low.smooth[at + 1] {
            return None;
        }
        if low.smooth[at - AFTER..=at + AFTER]
            .iter()
            .any(|&p| p > power)
        {
            return None;
        }
        let rest = at - GAP - REST..at - GAP;
        let clear = if self.goes_on(at) { GOING_ON } else { 1.0 };
        if power < clear * PEAK * (mean(&low.power[at - BEFORE..at + AFTER]) + TINY)
            || power < clear * RISE * (mean(&low.power[rest.clone()]) + TINY)
        {
            return None;
        }
        let near = at - GAP..=at + SMOOTH / 2;
        let instant = near.max_by(|&a, &b| high.smooth[a].total_cmp(&high.smooth[b]))?;
        let sudden = high.smooth[instant] > clear * HIGH_RISE * (mean(&high.power[rest]) + TINY);
        sudden.then_some(instant)
    }

    /// Whether the last two pulses go together, and a pulse at `at` could with them.
    fn goes_on(&self, at: usize) -> bool {
        let Some([first, second]) = self.pulses[..self.count].last_chunk() else {
            return false;
        };
        let next = Found {
            at: at as i32 - KEPT as i32 - LAG,
            power: self.low.smooth[at],
        };
        first.goes_with(second) && second.goes_with(&next)
    }

    fn remember(&mut self, pulse: Found) {
        if self.count == PULSES {
            self.pulses.copy_within(1.., 0);
            self.count -= 1;
        }
        self.pulses[self.count] = pulse;
        self.count += 1;
    }

    /// The pulses of the hop in question that have a neighbour.
    fn spoken(&self) -> CreakFrame {
        let begin = -((Self::LOOKAHEAD_SAMPLES + HOP) as i32);
        let inside = |at: i32| (at - begin).clamp(0, HOP as i32) as usize;
        let known = &self.pulses[..self.count];
        let mut frame = CreakFrame::default();
        let mut free = frame.pulses.iter_mut();
        for (i, pulse) in known.iter().enumerate() {
            let before = i.checked_sub(1).map(|i| known[i]);
            let before = before.filter(|p| p.goes_with(pulse));
            let after = known.get(i + 1).filter(|p| pulse.goes_with(p));
            let since = before.map(|p| pulse.at - p.at);
            let until = after.map(|p| p.at - pulse.at);
            let Some(spacing) = since.into_iter().chain(until).min() else {
                continue;
            };
            let from = inside(pulse.at - (REST + GAP) as i32);
            frame.creaks[from..inside(pulse.at + until.unwrap_or(HOLD))].fill(true);
            if (begin..begin + HOP as i32).contains(&pulse.at)
                && let Some(place) = free.next()
            {
                *place = Some(CreakPulse {
                    at: inside(pulse.at),
                    spacing: spacing as usize,
                });
            }
        }
        frame
    }
}

/// The creak of a whole clip, by the same code as the stream: frame n is what hop n gives. A last hop that is not full is filled
/// with silence.
pub fn track(samples: &[f32]) -> Vec<CreakFrame> {
    let mut creak = Creak::new();
    crate::mel::hops(samples)
        .map(|hop| creak.process(&hop))
        .collect()
}

fn mean(powers: &[f32]) -> f32 {
    powers.iter().sum::<f32>() / powers.len() as f32
}

/// The power in one part of the spectrum.
struct Band {
    filter: BandPass,
    /// Squares of the last samples.
    power: [f32; KEPT],
    /// Their mean over [`SMOOTH`] samples around each; the last `SMOOTH / 2` are not known yet.
    smooth: [f32; KEPT],
}

impl Band {
    fn new(hz: [f32; 2]) -> Self {
        Self {
            filter: BandPass::new(hz),
            power: [0.0; KEPT],
            smooth: [0.0; KEPT],
        }
    }

    fn push(&mut self, hop: &[f32; HOP]) {
        self.power.copy_within(HOP.., 0);
        self.smooth.copy_within(HOP.., 0);
        for (power, &x) in self.power[KEPT - HOP..].iter_mut().zip(hop) {
            *power = self.filter.step(x).powi(2);
        }
        self.filter.settle();
        let first = KEPT - HOP - SMOOTH / 2;
        let windows = self.power[first - SMOOTH / 2..].windows(SMOOTH);
        for (smooth, window) in self.smooth[first..first + HOP].iter_mut().zip(windows) {
            *smooth = mean(window);
        }
    }
}

/// Butterworth band-pass of the second order (6 dB per octave on either side), so that it hardly rings.
struct BandPass {
    gain: f32,
    back: [f32; 2],
    state: [f32; 2],
}

impl BandPass {
    fn new(hz: [f32; 2]) -> Self {
        let [from, to] = hz.map(|f| (PI * f / RATE as f32).tan());
        let (width, centre) = (to - from, from * to);
        let scale = 1.0 / (1.0 + width + centre);
        Self {
            gain: width * scale,
            back: [2.0 * (centre - 1.0) * scale, (1.0 - width + centre) * scale],
            state: [0.0; 2],
        }
    }

    fn step(&mut self, x: f32) -> f32 {
        // What is no number, or far past full scale, is an error of the source; it must not stay in the filter.
        let x = if x.is_finite() {
            x.clamp(-8.0, 8.0)
        } else {
            0.0
        };
        let y = self.gain * x + self.state[0];
        self.state[0] = self.state[1] - self.back[0] * y;
        self.state[1] = -self.gain * x - self.back[1] * y;
        y
    }

    /// Ends what rings on below anything audible: numbers that small are slow to compute with.
    fn settle(&mut self) {
        if self.state.iter().all(|s| s.abs() < 1e-15) {
            self.state = [0.0; 2];
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Instants of all pulses in a sound, in samples.
    fn pulses(sound: &[f32]) -> Vec<usize> {
        let mut creak = Creak::new();
        let mut instants = Vec::new();
        let silence = [[0.0; HOP]; 4];
        for (n, hop) in sound
            .as_chunks::<HOP>()
            .0
            .iter()
            .chain(&silence)
            .enumerate()
        {
            for pulse in creak.process(hop).pulses.into_iter().flatten() {
                let begin = ((n + 1) * HOP).checked_sub(Creak::LOOKAHEAD_SAMPLES + HOP);
                instants.push(begin.expect("a pulse before the start") + pulse.at);
            }
        }
        instants
    }

    /// Lets a sound ring in formants, (Hz, bandwidth), at a peak of 0.3.
    fn ring(mut sound: Vec<f32>, formants: &[(f32, f32)]) -> Vec<f32> {
        for &(hz, width) in formants {
            let radius = (-PI * width / RATE as f32).exp();
            let turn = 2.0 * radius * (TAU * hz / RATE as f32).cos();
            let (mut last, mut before) = (0.0, 0.0);
            for x in &mut sound {
                let y = *x + turn * last - radius * radius * before;
                (before, last) = (last, y);
                *x = y;
            }
        }
        let peak = sound.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        sound.iter().map(|x| x * 0.3 / peak).collect()
    }

    const VOWEL: [(f32, f32); 4] = [
        (600.0, 80.0),
        (1100.0, 100.0),
        (2500.0, 150.0),
        (3500.0, 200.0),
    ];
    const OPEN: [(f32, f32); 4] = [
        (800.0, 250.0),
        (1400.0, 250.0),
        (2700.0, 300.0),
        (3700.0, 400.0),
    ];

    fn noise(seconds: usize, seed: u64) -> Vec<f32> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut gauss = || (0..6).map(|_| random.random_range(-0.5_f32..0.5)).sum();
        (0..seconds * RATE as usize).map(|_| gauss()).collect()
    }

    #[test]
    fn creak_gives_its_pulses_within_a_millisecond() {
        for (seed, vowel) in [
            VOWEL,
            OPEN,
            [
                (300.0, 60.0),
                (2200.0, 120.0),
                (2900.0, 160.0),
                (3600.0, 200.0),
            ],
        ]
        .iter()
        .enumerate()
        {
            let mut random = StdRng::seed_from_u64(seed as u64);
            let mut sound = vec![0.0; 3 * RATE as usize];
            let (mut made, mut at) = (Vec::new(), 7200);
            while at < 64_000 {
                sound[at] = random.random_range(0.5..1.0);
                made.push(at);
                at += RATE as usize * 10 / random.random_range(320..550);
            }
            let found = pulses(&ring(sound, vowel));
            let near = |a: &usize, all: &[usize]| all.iter().any(|b| a.abs_diff(*b) <= 24);
            assert!(
                found.iter().all(|p| near(p, &made)),
                "{vowel:?}: a false pulse"
            );
            let heard = made.iter().filter(|p| near(p, &found)).count();
            assert!(heard * 100 >= made.len() * 97, "{heard} of {}", made.len());
        }
    }

    #[test]
    fn noise_gives_no_pulses() {
        let white = noise(60, 1);
        let mut last = 0.0;
        let brown: Vec<f32> = white
            .iter()
            .map(|x| {
                last = 0.97 * last + x;
                last
            })
            .collect();
        // Three poles and the noise itself: near enough to 1/f.
        let mut poles = [0.0_f32; 3];
        let pink: Vec<f32> = white
            .iter()
            .map(|x| {
                for (pole, (keep, share)) in
                    poles
                        .iter_mut()
                        .zip([(0.997, 0.03), (0.97, 0.08), (0.75, 0.3)])
                {
                    *pole = keep * *pole + share * x;
                }
                poles.iter().sum::<f32>() + 0.1 * x
            })
            .collect();
        let breath: Vec<f32> = ring(white.clone(), &OPEN)
            .iter()
            .enumerate()
            .map(|(i, x)| x * (PI * i as f32 / 28_800.0).sin().powi(2))
            .collect();
        // A hiss that starts and ends, as consonants do, and a hum beneath it.
        let hiss: Vec<f32> = white
            .windows(2)
            .enumerate()
            .map(|(i, x)| {
                let on = i % 6000 < 2400;
                0.1 * (TAU * 50.0 * i as f32 / RATE as f32).sin()
                    + if on { x[1] - x[0] } else { 0.0 }
            })
            .collect();
        for (name, sound) in [
            ("white", &white),
            ("brown", &brown),
            ("pink", &pink),
            ("breath", &breath),
            ("hiss", &hiss),
        ] {
            for gain in [0.003, 0.1, 1.0] {
                let sound: Vec<f32> = sound.iter().map(|x| x * gain).collect();
                let found = pulses(&sound).len();
                assert!(
                    found <= if name == "breath" { 2 } else { 0 },
                    "{name} at {gain}: {found} pulses a minute"
                );
            }
        }
    }

    #[test]
    fn a_voice_gives_no_pulses() {
        for hz in [100.0_f32, 140.0, 220.0, 440.0] {
            let mut phase = 0.0_f32;
            let mut sound = vec![0.0; 2 * RATE as usize];
            for x in &mut sound {
                phase += hz / RATE as f32;
                if phase >= 1.0 {
                    phase -= 1.0;
                    *x = 1.0;
                }
            }
            let found = pulses(&ring(sound, &VOWEL)).len();
            assert_eq!(found, 0, "at {hz} Hz");
        }
    }

    #[test]
    fn reset_gives_the_same_pulses_and_nonsense_does_no_harm() {
        let mut creak = Creak::new();
        let mut hops = [[0.0; HOP]; 30];
        for i in (5..30).step_by(3) {
            hops[i][77] = 0.5;
        }
        let run = |creak: &mut Creak| hops.map(|hop| creak.process(&hop));
        let first = run(&mut creak);
        assert!(first.iter().flat_map(|f| f.pulses).flatten().count() > 5);
        for _ in 0..4 {
            creak.process(&[f32::NAN; HOP]);
            creak.process(&[1e30; HOP]);
        }
        creak.reset();
        assert_eq!(run(&mut creak), first);
    }
}
