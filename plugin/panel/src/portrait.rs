//! Portraits of voices: nested soft shapes whose outline, turn and colour come from the voice's
//! embedding. Like voices look alike, and a voice looks the same wherever it is shown.

use std::collections::HashMap;
use std::f32::consts::TAU;
use std::hash::{DefaultHasher, Hash, Hasher};

use std::cell::RefCell;
use std::sync::Arc;

use egui::{Color32, Mesh, Painter, Pos2, Rect, Shape, Vec2};

use crate::state::VoiceEntry;
use crate::theme::{fade, mix, oklch};

/// Hue in degrees while there is no voice.
pub(crate) const NEUTRAL_HUE: f32 = 250.0;

/// How many numbers a portrait is drawn from.
const FEATURES: usize = 12;
/// Points of an outline.
const POINTS: usize = 72;
/// Nested shapes.
const LAYERS: usize = 4;

/// Most shapes that are kept: those of a long list, and those of a morph whose sizes change.
const KEPT: usize = 96;

thread_local! {
    /// The shapes that were made last. A portrait takes a thousand sines, and moves rarely.
    static SHAPES: RefCell<HashMap<Key, Arc<Mesh>>> = RefCell::default();
}

/// What shapes depend on: the portrait's numbers, the place, and the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    portrait: [u32; FEATURES],
    place: [u32; 3],
    opacity: u32,
    dark: bool,
}

/// What a portrait is drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Portrait {
    /// Hue of the voice in degrees.
    pub hue: f32,
    /// About normally distributed, spread 1.
    features: [f32; FEATURES],
}

/// The portraits of a list of voices, by name.
pub(crate) fn of_voices(voices: &[VoiceEntry]) -> HashMap<String, Portrait> {
    let centre = centre(voices);
    voices
        .iter()
        .map(|entry| {
            let voice = &entry.voice;
            let portrait = if voice.embedding.len() == centre.len() && !centre.is_empty() {
                from_embedding(&voice.embedding, &centre)
            } else {
                from_name(&voice.name)
            };
            (voice.name.clone(), portrait)
        })
        .collect()
}

/// A number that changes when the voices do.
pub(crate) fn fingerprint(voices: &[VoiceEntry]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for entry in voices {
        entry.voice.name.hash(&mut hasher);
        for value in entry.voice.embedding.iter().take(4) {
            value.to_bits().hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// The mean embedding of the pack's voices. What all voices share says nothing about one of them.
/// The user's own are left out, so that adding one does not recolour the others.
fn centre(voices: &[VoiceEntry]) -> Vec<f32> {
    let mut of_pack = voices
        .iter()
        .filter(|entry| !entry.own && !entry.voice.embedding.is_empty());
    let Some(first) = of_pack.next() else {
        return Vec::new();
    };
    let mut sum = first.voice.embedding.clone();
    let mut count = 1.0;
    for entry in of_pack {
        if entry.voice.embedding.len() != sum.len() {
            return Vec::new();
        }
        for (sum, value) in sum.iter_mut().zip(&entry.voice.embedding) {
            *sum += value;
        }
        count += 1.0;
    }
    // A pack of one voice would have itself as its centre.
    if count < 2.0 {
        return vec![0.0; sum.len()];
    }
    sum.iter().map(|value| value / count).collect()
}

/// Projects onto fixed directions of random signs: for any embedding these are close to
/// independent and normal, so colours spread evenly over the circle of hues.
fn from_embedding(embedding: &[f32], centre: &[f32]) -> Portrait {
    let offset: Vec<f32> = embedding
        .iter()
        .zip(centre)
        .map(|(value, centre)| value - centre)
        .collect();
    let length = offset.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length < 1e-6 {
        return from_features([0.0; FEATURES]);
    }
    from_features(std::array::from_fn(|feature| {
        let sum: f32 = offset
            .iter()
            .enumerate()
            .map(|(index, value)| {
                if scramble(index as u64, feature as u64) & 1 == 0 {
                    *value
                } else {
                    -value
                }
            })
            .sum();
        sum / length
    }))
}

/// For voices without an embedding.
pub(crate) fn from_name(name: &str) -> Portrait {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    from_features(std::array::from_fn(|feature| {
        let unit = (scramble(seed, feature as u64) >> 40) as f32 / (1u64 << 24) as f32;
        (unit - 0.5) * 3.4
    }))
}

fn from_features(features: [f32; FEATURES]) -> Portrait {
    let hue = features[1]
        .atan2(features[0])
        .to_degrees()
        .rem_euclid(360.0);
    Portrait { hue, features }
}

/// SplitMix64's finaliser: a fixed, well-mixed number for each pair.
fn scramble(a: u64, b: u64) -> u64 {
    let mut x = a
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(b.wrapping_mul(0xd1b5_4a32_d192_ed03));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Portrait {
    /// The voice's colour as it is drawn on a dark or light ground.
    pub(crate) fn color(&self, dark: bool) -> Color32 {
        if dark {
            oklch(0.79, 0.13, self.hue)
        } else {
            oklch(0.515, 0.14, self.hue)
        }
    }

    /// Paints the portrait into a rounded tile.
    pub(crate) fn paint(&self, painter: &Painter, rect: Rect, dark: bool, opacity: f32) {
        let ground = if dark {
            oklch(0.29, 0.06, self.hue)
        } else {
            oklch(0.90, 0.05, self.hue)
        };
        painter.rect_filled(rect, rect.width() * 0.24, fade(ground, opacity));
        self.shapes(painter, rect.center(), rect.width() * 0.42, dark, opacity);
    }

    /// Paints only the nested shapes, inside a circle of this radius.
    pub(crate) fn shapes(
        &self,
        painter: &Painter,
        centre: Pos2,
        radius: f32,
        dark: bool,
        opacity: f32,
    ) {
        let key = Key {
            portrait: self.features.map(f32::to_bits),
            place: [centre.x, centre.y, radius].map(f32::to_bits),
            opacity: opacity.to_bits(),
            dark,
        };
        let mesh = SHAPES.with_borrow_mut(|shapes| {
            if shapes.len() >= KEPT && !shapes.contains_key(&key) {
                shapes.clear();
            }
            let make = || Arc::new(self.mesh(centre, radius, dark, opacity));
            shapes.entry(key).or_insert_with(make).clone()
        });
        painter.add(Shape::Mesh(mesh));
    }

    /// The nested shapes in one.
    fn mesh(&self, centre: Pos2, radius: f32, dark: bool, opacity: f32) -> Mesh {
        let mut all = Mesh::default();
        let f = |index: usize| self.features[index].clamp(-2.0, 2.0);
        for layer in 0..LAYERS {
            let depth = layer as f32 / (LAYERS - 1) as f32;
            let size = radius * (1.0 - 0.62 * depth);
            let (lightness, chroma) = if dark {
                (0.42 + 0.44 * depth, 0.10 + 0.05 * depth)
            } else {
                (0.80 - 0.34 * depth, 0.09 + 0.06 * depth)
            };
            let color = fade(
                oklch(
                    lightness,
                    chroma,
                    self.hue + (depth - 0.4) * 22.0 * (1.0 + 0.3 * f(9)),
                ),
                opacity,
            );
            let inner = mix(
                color,
                fade(oklch(lightness + 0.06, chroma, self.hue + 18.0), opacity),
                0.6,
            );
            let turn = f(8) * 0.6 + depth * f(7) * 0.9;
            let drift = size * 0.16 * depth * Vec2::new(f(10), f(11)) * 0.5;
            let outline: Vec<Vec2> = (0..POINTS)
                .map(|step| {
                    let angle = step as f32 / POINTS as f32 * TAU;
                    let wave: f32 = (2..=5)
                        .map(|k| {
                            let strength = 0.16 * f(k) / (k as f32).sqrt();
                            strength
                                * ((k as f32) * (angle + turn)
                                    + 1.7 * f((k + 4) % FEATURES) * (1.0 - 0.5 * depth))
                                    .cos()
                        })
                        .sum();
                    size * (0.80 + wave.clamp(-0.34, 0.20)) * Vec2::angled(angle)
                })
                .collect();
            all.append(star(centre + drift, &outline, color, inner));
        }
        all
    }
}

/// A filled star-shaped outline with a soft edge one point wide.
fn star(centre: Pos2, outline: &[Vec2], edge: Color32, middle: Color32) -> Mesh {
    let count = outline.len() as u32;
    let mut mesh = Mesh::default();
    mesh.colored_vertex(centre, middle);
    for offset in outline {
        mesh.colored_vertex(centre + *offset, edge);
    }
    for offset in outline {
        mesh.colored_vertex(centre + *offset + offset.normalized(), Color32::TRANSPARENT);
    }
    for step in 0..count {
        let next = (step + 1) % count;
        let (a, b) = (1 + step, 1 + next);
        mesh.add_triangle(0, a, b);
        mesh.add_triangle(a, b, a + count);
        mesh.add_triangle(b, b + count, a + count);
    }
    mesh
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voices(count: usize) -> Vec<VoiceEntry> {
        (0..count)
            .map(|voice| {
                let mut entry = VoiceEntry::default();
                entry.voice.name = format!("voice {voice}");
                // All share a large common part, as speaker embeddings do.
                entry.voice.embedding = (0..128)
                    .map(|index| {
                        1.0 + (scramble(index, 1000 + voice as u64) >> 40) as f32
                            / (1u64 << 24) as f32
                    })
                    .collect();
                entry
            })
            .collect()
    }

    #[test]
    fn hues_spread_and_stay() {
        let voices = voices(24);
        let portraits = of_voices(&voices);
        let mut quarters = [0; 4];
        for portrait in portraits.values() {
            quarters[(portrait.hue / 90.0) as usize % 4] += 1;
        }
        assert!(quarters.iter().all(|count| *count >= 2), "{quarters:?}");
        let mut with_own = voices.clone();
        with_own.push(VoiceEntry {
            own: true,
            ..voices[3].clone()
        });
        with_own[24].voice.name = "mine".into();
        let again = of_voices(&with_own);
        assert_eq!(again["voice 5"], portraits["voice 5"]);
        assert_eq!(
            again["mine"], portraits["voice 3"],
            "a like voice looks alike"
        );
    }

    #[test]
    fn a_voice_without_embedding_has_a_portrait() {
        let mut entry = VoiceEntry::default();
        entry.voice.name = "Plain".into();
        assert_eq!(of_voices(&[entry])["Plain"], from_name("Plain"));
    }
}
