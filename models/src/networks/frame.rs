//! What a frame is, live and in training: its bands, its floor, its instant and its loudness.

use mien_dsp::pitch::PitchTracker;
use mien_face::FRAME;

use super::{CONTENT_MEL, MEL};

/// Bands of a frame.
pub const BANDS: usize = MEL as usize;
/// Quietest band value that is kept: −90 dB. Digital silence would else be an outlier that no
/// recorded voice has.
pub const FLOOR: f32 = -20.723;
/// Samples from the end of a hop back to its mel frame's centre.
pub const CENTRE: usize = 360;
/// Samples that the pitch tracker's input is held back (5 ms). The tracker looks 20 ms ahead; with these its instants are the
/// centres of the mel frames one hop before, whose content the encoder tells at the same time.
pub const PITCH_HELD: usize = CENTRE + FRAME - PitchTracker::LOOKAHEAD_SAMPLES;

/// Loudness of a frame: log power of the bands that every corpus has.
pub fn loudness(mel: &[f32]) -> f32 {
    let power: f32 = mel[..CONTENT_MEL as usize].iter().map(|v| v.exp()).sum();
    power.max(1e-9).ln()
}
