use super::*;
use crate::RATE;
use std::f64::consts::TAU;

/// A voice-like sound: harmonics falling by 6 dB an octave up to 5 kHz, along a given course of pitch.
fn voice(f0: impl Fn(f64) -> f64, seconds: f64) -> Vec<f32> {
    let mut phase = 0.0;
    (0..(seconds * f64::from(RATE)) as usize)
        .map(|i| {
            let hz = f0(i as f64 / f64::from(RATE));
            phase += TAU * hz / f64::from(RATE);
            (1..=40)
                .filter(|&k| f64::from(k) * hz < 5000.0)
                .map(|k| (f64::from(k) * phase).sin() / f64::from(k))
                .sum::<f64>() as f32
                * 0.2
        })
        .collect()
}

fn seconds_of(frame: usize) -> f64 {
    ((frame + 1) * HOP) as f64 / f64::from(RATE)
        - PitchTracker::LOOKAHEAD_SAMPLES as f64 / f64::from(RATE)
}

#[test]
fn steady_pitches_over_the_whole_range() {
    for hz in [
        62.0, 80.0, 110.0, 155.0, 220.0, 333.0, 440.0, 666.0, 900.0, 980.0,
    ] {
        let frames = track(&voice(|_| hz, 0.5));
        for (n, frame) in frames.iter().enumerate().skip(8) {
            let cents = 1200.0 * (f64::from(frame.f0_hz) / hz).log2();
            assert!(
                cents.abs() < 10.0,
                "{hz} Hz, frame {n}: {frame:?}, {cents:.1} cents"
            );
            assert!(frame.voicing > 0.8, "{hz} Hz, frame {n}: {frame:?}");
        }
    }
}

#[test]
fn the_estimate_belongs_to_the_stated_instant() {
    // A glide of an octave in half a second: 10 ms beside the instant would be 24 cents.
    let glide = |t: f64| 120.0 * 2_f64.powf(2.0 * t);
    let frames = track(&voice(glide, 1.0));
    let errors: Vec<f64> = (10..frames.len() - 2)
        .map(|n| 1200.0 * (f64::from(frames[n].f0_hz) / glide(seconds_of(n))).log2())
        .collect();
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    assert!(mean.abs() < 4.0, "off by {mean:.1} cents on the average");
    assert!(errors.iter().all(|e| e.abs() < 20.0), "{errors:?}");
}

#[test]
fn noise_and_silence_are_unvoiced() {
    use rand::{RngExt, SeedableRng};
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    let noise: Vec<f32> = (0..RATE as usize)
        .map(|_| random.random_range(-0.3..0.3))
        .collect();
    let voiced = track(&noise).iter().filter(|f| f.f0_hz > 0.0).count();
    assert!(
        voiced <= 2,
        "{voiced} frames of noise were taken for a voice"
    );
    assert!(track(&vec![0.0; 4800]).iter().all(|f| *f
        == PitchFrame {
            voicing: f.voicing,
            ..Default::default()
        }));
}

#[test]
fn noise_hum_and_offset_do_not_mislead() {
    use rand::{RngExt, SeedableRng};
    for hz in [90.0, 180.0, 350.0] {
        let mut random = rand::rngs::StdRng::seed_from_u64(2);
        let mut clip = voice(|t| hz * (1.0 + 0.02 * (TAU * 5.0 * t).sin()), 1.0);
        let power = clip.iter().map(|v| v * v).sum::<f32>() / clip.len() as f32;
        // White noise 10 dB below the voice, an offset, and rumble.
        let bound = (3.0 * power * 0.1).sqrt();
        for (i, v) in clip.iter_mut().enumerate() {
            let rumble = 0.1 * (TAU * 17.0 * i as f64 / f64::from(RATE)).sin() as f32;
            *v += random.random_range(-bound..bound) + 0.2 + rumble;
        }
        let frames = track(&clip);
        let right = frames[10..]
            .iter()
            .filter(|f| (f64::from(f.f0_hz) / hz - 1.0).abs() < 0.05)
            .count();
        assert!(
            right * 100 >= (frames.len() - 10) * 97,
            "{hz} Hz: {right} of {} frames right",
            frames.len() - 10
        );
    }
}

#[test]
fn level_does_not_matter() {
    let clip = voice(|t| 150.0 + 100.0 * t, 0.6);
    let loud = track(&clip);
    let soft = track(&clip.iter().map(|v| v * 0.02).collect::<Vec<_>>());
    for (n, (a, b)) in loud.iter().zip(&soft).enumerate().skip(8) {
        assert!(
            (a.f0_hz - b.f0_hz).abs() < 0.5,
            "frame {n}: {a:?}, soft {b:?}"
        );
    }
}

#[test]
fn odd_input_does_no_harm() {
    let mut tracker = PitchTracker::new();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30] {
        let frame = tracker.process(&[bad; HOP]);
        assert!(
            frame.f0_hz.is_finite() && frame.voicing.is_finite() && frame.candidate_hz.is_finite(),
            "{bad}: {frame:?}"
        );
    }
    let clip = voice(|_| 200.0, 2.0);
    let frame = crate::mel::hops(&clip)
        .map(|hop| tracker.process(&hop))
        .last()
        .unwrap();
    assert!(
        (frame.f0_hz - 200.0).abs() < 2.0,
        "{frame:?} after bad input"
    );
}

#[test]
fn reset_starts_anew() {
    let clip = voice(|t| 100.0 + 300.0 * t, 0.4);
    let mut tracker = PitchTracker::new();
    let run = |tracker: &mut PitchTracker| {
        crate::mel::hops(&clip)
            .map(|hop| tracker.process(&hop))
            .collect::<Vec<_>>()
    };
    let first = run(&mut tracker);
    tracker.reset();
    assert_eq!(first, run(&mut tracker));
}

/// Frames whose pitch is off by more than a fifth, or which are unvoiced, in per cent of those that `which` picks.
fn wrong(frames: &[PitchFrame], f0: impl Fn(f64) -> f64, which: impl Fn(usize) -> bool) -> f64 {
    let of_interest: Vec<usize> = (0..frames.len()).filter(|&n| which(n)).collect();
    let wrong = of_interest
        .iter()
        .filter(|&&n| (f64::from(frames[n].f0_hz) / f0(seconds_of(n)) - 1.0).abs() > 0.2)
        .count();
    100.0 * wrong as f64 / of_interest.len() as f64
}

#[test]
fn glides_and_vibrato_are_followed() {
    let falling = |t: f64| 700.0 * 2_f64.powf(-2.5 * t);
    let frames = track(&voice(falling, 1.2));
    assert!(wrong(&frames, falling, |n| n > 10) <= 1.0);
    for hz in [110.0, 210.0, 420.0] {
        // A semitone up and down, six times a second.
        let vibrato = |t: f64| hz * 2_f64.powf((TAU * 6.0 * t).sin() / 12.0);
        let frames = track(&voice(vibrato, 1.0));
        assert!(wrong(&frames, vibrato, |n| n > 10) == 0.0, "{hz} Hz");
        let errors = (10..frames.len())
            .map(|n| 1200.0 * (f64::from(frames[n].f0_hz) / vibrato(seconds_of(n))).log2());
        let mean = errors.map(f64::abs).sum::<f64>() / (frames.len() - 10) as f64;
        assert!(mean < 12.0, "{hz} Hz: {mean:.1} cents on the average");
    }
}

#[test]
fn the_pitch_does_not_jump_where_the_voice_does_not() {
    let glide = |t: f64| 180.0 * 2_f64.powf(0.5 * (TAU * 0.8 * t).sin());
    let frames = track(&voice(glide, 2.0));
    for (n, pair) in frames[10..].windows(2).enumerate() {
        let octaves = f64::from(pair[1].f0_hz / pair[0].f0_hz).log2().abs();
        assert!(octaves < 0.06, "frame {}: {pair:?}", n + 10);
    }
}

#[test]
fn octave_traps() {
    // What misleads a correlation: a weak fundamental, a strong second harmonic, only odd harmonics, and a formant on a
    // harmonic.
    let traps: [(&str, &dyn Fn(f64) -> f64); 4] = [
        ("weak fundamental", &|k| {
            if k == 1.0 { 0.05 } else { 1.0 / k }
        }),
        ("strong second", &|k| if k == 2.0 { 2.0 } else { 1.0 / k }),
        ("odd", &|k| if k % 2.0 == 1.0 { 1.0 / k } else { 0.2 / k }),
        ("formant", &|k| if k == 4.0 { 1.5 } else { 0.6 / k }),
    ];
    for (name, gain) in traps {
        for hz in [100.0, 150.0, 220.0] {
            let f0 = |t: f64| hz * (1.0 + 0.05 * (TAU * 2.0 * t).sin());
            let mut phase = 0.0;
            let clip: Vec<f32> = (0..RATE as usize)
                .map(|i| {
                    phase += TAU * f0(i as f64 / f64::from(RATE)) / f64::from(RATE);
                    (1..=20)
                        .map(|k| gain(f64::from(k)) * (f64::from(k) * phase).sin())
                        .sum::<f64>() as f32
                        * 0.1
                })
                .collect();
            let off = wrong(&track(&clip), f0, |n| n > 15);
            assert!(off <= 2.0, "{name} at {hz} Hz: {off:.1} % wrong");
        }
    }
}

#[test]
fn a_voice_that_begins_to_creak_keeps_its_octave_until_the_creak_is_sure() {
    // Every second pulse a little weaker (subharmonics 14 dB down) is still the same pitch.
    let hz = 160.0;
    let clip: Vec<f32> = voice(|_| hz, 1.5)
        .iter()
        .enumerate()
        .map(|(i, v)| {
            let t = i as f64 / f64::from(RATE);
            let depth = if t > 0.7 { 0.2 } else { 0.0 };
            v * (1.0 + depth * (TAU * 0.5 * hz * t).sin()) as f32
        })
        .collect();
    let off = wrong(&track(&clip), |_| hz, |n| n > 10);
    assert!(off <= 3.0, "{off:.1} % wrong");
}

#[test]
fn a_delayed_tracker_gives_the_same_later() {
    let clip = voice(|t| 140.0 + 60.0 * t, 0.5);
    let mut late = vec![0.0; 120];
    late.extend_from_slice(&clip[..clip.len() - 120]);
    let mut delayed = PitchTracker::delayed(120);
    let held: Vec<_> = crate::mel::hops(&clip)
        .map(|hop| delayed.process(&hop))
        .collect();
    assert_eq!(held, track(&late));
    delayed.reset();
    let again: Vec<_> = crate::mel::hops(&clip)
        .map(|hop| delayed.process(&hop))
        .collect();
    assert_eq!(held, again);
}

#[test]
fn nothing_after_the_stated_instant_and_its_look_ahead_matters() {
    // What the tracker gives for an instant may not depend on anything later than LOOKAHEAD_SAMPLES after it.
    let clip = voice(|_| 200.0, 0.5);
    let mut changed = clip.clone();
    let hops = 30;
    changed[hops * HOP..].fill(0.5);
    let (a, b) = (track(&clip), track(&changed));
    assert_eq!(a[..hops], b[..hops]);
    let seconds = seconds_of(hops - 1);
    let needed = (hops * HOP) as f64 / f64::from(RATE) - seconds;
    assert!(needed <= 0.0201, "{needed} s of look-ahead");
}
