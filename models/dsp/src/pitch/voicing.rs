use super::front::Front;

/// Decides between voiced and unvoiced.
#[derive(Default)]
pub(super) struct Voicing {
    voiced: bool,
}

impl Voicing {
    /// Confidence and decision.
    pub(super) fn step(&mut self, front: &Front, strength: f32) -> (f32, bool) {
        let full = front.full();
        let power = full.iter().map(|x| x * x).sum::<f32>() / full.len() as f32;
        let crossings = full
            .windows(2)
            .filter(|w| (w[0] < 0.0) != (w[1] < 0.0))
            .count() as f32
            / full.len() as f32;
        let level_db = 10.0 * (power + 1e-12).log10();
        let score = 12.0 * (strength - 0.62) - 8.0 * (crossings - 0.15).max(0.0)
            + 0.15 * (level_db + 60.0).min(0.0);
        let confidence = 1.0 / (1.0 + (-score).exp());
        self.voiced = confidence > if self.voiced { 0.4 } else { 0.5 };
        (confidence, self.voiced)
    }
}
