//! Our own verifier's place in the evaluation: whether it is the wanted voice that is heard.

/// Tells voices apart: recordings of one speaker lie close together.
pub trait Verifier {
    /// The direction of a voice, of length 1, from sound at 24 kHz.
    fn embed(&self, sound: &[f32]) -> Vec<f32>;
}

/// The middle of several recordings' directions, of length 1; `None` for none.
pub fn centroid(embeddings: &[Vec<f32>]) -> Option<Vec<f32>> {
    let mut sum = embeddings.first()?.clone();
    for other in &embeddings[1..] {
        sum.iter_mut().zip(other).for_each(|(a, b)| *a += b);
    }
    let length = sum.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-9);
    sum.iter_mut().for_each(|v| *v /= length);
    Some(sum)
}

/// Cosine of two directions of length 1.
pub fn similarity(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum()
}
