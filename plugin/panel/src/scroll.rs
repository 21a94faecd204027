//! The two scrolling pictures of the live view: textures that hold the spectrum and the pitch, one
//! texel to a pixel of the screen, and are written like a ring.
//!
//! The pitch is drawn here too, and not as lines over the pictures: a frame is then two rectangles
//! with a texture each, whatever was said, and only the columns that came since the last one are
//! computed. As lines, three curves of some thousand thin triangles cost a software renderer more
//! than the rest of the panel.

use egui::epaint::{Mesh, Vertex, WHITE_UV};
use egui::{
    Color32, ColorImage, Context, Painter, Pos2, Rect, Shape, TextureHandle, TextureOptions,
    TextureWrapMode, Vec2, pos2, vec2,
};

use crate::live::{Ramp, ramp};
use crate::state::{LIVE_BANDS, LIVE_COLUMNS, LIVE_HIGH_HZ, LIVE_LOW_HZ, Live, LiveColumn};
use crate::theme::{Theme, fade};

/// Radius of the pictures' corners.
pub(crate) const CORNER: f32 = 8.0;
/// Half the width of a pitch curve, and of the edge that parts it from the spectrum, in points.
const LINE: f32 = 0.9;
const EDGE: f32 = 1.9;
/// A steeper curve than this is drawn as if it were no steeper.
const STEEPEST: f32 = 24.0;
/// Sides of a picture in pixels: no driver refuses these.
const SIDES: std::ops::RangeInclusive<usize> = 8..=4096;

/// How high a frequency lies in a picture, from 0 to 1.
pub(crate) fn share_of(hz: f32) -> f32 {
    let share = (hz / LIVE_LOW_HZ).ln() / (LIVE_HIGH_HZ / LIVE_LOW_HZ).ln();
    share.clamp(0.0, 1.0)
}

/// Both pictures.
#[derive(Default)]
pub(crate) struct LiveView {
    pictures: Option<[Scroll; 2]>,
    /// What the pictures depend on beside the columns.
    ground: Option<Ground>,
    /// How many columns there were when they were last written.
    seen: u64,
}

#[derive(Clone, Copy, PartialEq)]
struct Ground {
    theme: Theme,
    sizes: [[usize; 2]; 2],
    density: f32,
}

impl LiveView {
    /// Writes what came since the last frame. `places` are those of the input's and the output's
    /// picture.
    pub(crate) fn update(&mut self, ctx: &Context, theme: Theme, places: [Rect; 2], live: &Live) {
        let density = ctx.pixels_per_point();
        let ground = Ground {
            theme,
            sizes: places.map(|rect| pixels(rect, density)),
            density,
        };
        let anew = self.ground != Some(ground) || live.total < self.seen;
        if anew {
            let of = |own: bool, name| Scroll::new(ctx, name, Look::new(theme, own, density));
            let mut pictures = [of(true, "mien input"), of(false, "mien output")];
            for (picture, size) in pictures.iter_mut().zip(ground.sizes) {
                picture.resize(size);
            }
            self.pictures = Some(pictures);
            self.ground = Some(ground);
        } else if live.total == self.seen {
            return;
        }
        for picture in self.pictures.iter_mut().flatten() {
            picture.write(live);
        }
        self.seen = live.total;
    }

    /// One of the pictures, once there is one.
    pub(crate) fn picture(&self, own: bool) -> Option<&Scroll> {
        let [input, output] = self.pictures.as_ref()?;
        Some(if own { input } else { output })
    }
}

/// Width and height in pixels.
fn pixels(rect: Rect, density: f32) -> [usize; 2] {
    let side = |points: f32| {
        let pixels = (points * density).round().max(0.0) as usize;
        pixels.clamp(*SIDES.start(), *SIDES.end())
    };
    [side(rect.width()), side(rect.height())]
}

/// Colours of one picture.
struct Look {
    own: bool,
    ramp: Ramp,
    edge: Color32,
    line: Color32,
    /// The pitch that came in, faintly in the picture of what goes out: one sees what was made of it.
    theirs: Option<Color32>,
    density: f32,
}

impl Look {
    fn new(theme: Theme, own: bool, density: f32) -> Self {
        Self {
            own,
            ramp: ramp(theme, own),
            edge: match theme.dark {
                true => Color32::from_black_alpha(150),
                false => Color32::from_white_alpha(190),
            },
            line: if own { theme.own } else { theme.accent },
            theirs: (!own).then(|| fade(theme.own, 0.55)),
            density,
        }
    }
}

/// One picture.
pub(crate) struct Scroll {
    texture: TextureHandle,
    look: Look,
    /// In pixels.
    size: [usize; 2],
    /// Pixel columns that were written since ever; the last `size[0]` of them are on the texture.
    written: u64,
    /// For each row: the band below its middle, and how far it is to the next.
    rows: Vec<(usize, f32)>,
}

impl Scroll {
    fn new(ctx: &Context, name: &str, look: Look) -> Self {
        let image = ColorImage::filled([1, 1], look.ramp[0]);
        Self {
            texture: ctx.load_texture(name, image, options()),
            look,
            size: [1, 1],
            written: 0,
            rows: Vec::new(),
        }
    }

    fn resize(&mut self, size: [usize; 2]) {
        self.size = size;
        let ground = ColorImage::filled(size, self.look.ramp[0]);
        self.texture.set(ground, options());
        let height = size[1] as f32;
        let band = |row: usize| {
            let at = (1.0 - (row as f32 + 0.5) / height) * LIVE_BANDS as f32 - 0.5;
            let at = at.clamp(0.0, (LIVE_BANDS - 1) as f32);
            let below = (at as usize).min(LIVE_BANDS - 2);
            (below, at - below as f32)
        };
        self.rows = (0..size[1]).map(band).collect();
    }

    /// Writes the pixels up to the newest column.
    fn write(&mut self, live: &Live) {
        let [width, height] = self.size;
        let columns = &live.columns[live.columns.len().saturating_sub(LIVE_COLUMNS)..];
        let first = live.total - columns.len() as u64;
        // Pixels to a column. A pixel lies between two columns, so the newest has none of its own.
        let scale = width as f64 / LIVE_COLUMNS as f64;
        let pixel_of = |column: u64| (column as f64 * scale).ceil() as u64;
        let end = pixel_of(live.total.saturating_sub(1));
        let start = self.written.max(pixel_of(first));
        let start = start.max(end.saturating_sub(width as u64));
        let mut at = start;
        while at < end {
            // Those that lie together on the texture go there together.
            let left = (at % width as u64) as usize;
            let count = ((end - at) as usize).min(width - left);
            let mut texels = vec![self.look.ramp[0]; count * height];
            for i in 0..count {
                let place = (at + i as u64) as f64 / scale - first as f64;
                let index = (place.max(0.0) as usize).min(columns.len().saturating_sub(2));
                if let [before, after, ..] = &columns[index..] {
                    let share = (place - index as f64).clamp(0.0, 1.0) as f32;
                    self.draw(
                        &mut texels[i..],
                        count,
                        [before, after],
                        share,
                        scale as f32,
                    );
                }
            }
            let strip = ColorImage::new([count, height], texels);
            self.texture.set_partial([left, 0], strip, options());
            at += count as u64;
        }
        self.written = end.max(self.written);
    }

    /// Draws one pixel wide, `share` of the way between two columns. Texels of it are `stride` apart.
    fn draw(
        &self,
        texels: &mut [Color32],
        stride: usize,
        [before, after]: [&LiveColumn; 2],
        share: f32,
        scale: f32,
    ) {
        let look = &self.look;
        let bands = |column: &'_ LiveColumn| match look.own {
            true => column.input,
            false => column.output,
        };
        let (early, late) = (bands(before), bands(after));
        let levels: [f32; LIVE_BANDS] = std::array::from_fn(|band| {
            let (early, late) = (f32::from(early[band]), f32::from(late[band]));
            early + share * (late - early)
        });
        for (row, (band, part)) in self.rows.iter().enumerate() {
            let level = levels[*band] + part * (levels[band + 1] - levels[*band]);
            texels[row * stride] = look.ramp[level as usize];
        }
        let height = self.size[1] as f32;
        let mut curve = |pitches: [f32; 2], color: Color32, half: f32| {
            let Some((y, slope)) = curve_at(pitches, share, scale, height) else {
                return;
            };
            let long = (1.0 + slope * slope).sqrt();
            let half = half * look.density;
            let reach = (half + 0.5) * long;
            let from = (y - reach).floor().max(0.0) as usize;
            let to = ((y + reach).ceil().max(0.0) as usize).min(self.size[1]);
            for row in from..to {
                let off = (row as f32 + 0.5 - y).abs() / long;
                let cover = (half + 0.5 - off).clamp(0.0, 1.0);
                let texel = &mut texels[row * stride];
                *texel = texel.blend(color.gamma_multiply(cover));
            }
        };
        let input = [before.input_f0_hz, after.input_f0_hz];
        if let Some(color) = look.theirs {
            curve(input, color, LINE);
        }
        let pitches = match look.own {
            true => input,
            false => [before.output_f0_hz, after.output_f0_hz],
        };
        curve(pitches, look.edge, EDGE);
        curve(pitches, look.line, LINE);
    }

    /// Draws the picture into `rect`, which is [`snapped`], newest at the right, on a section of this
    /// colour.
    pub(crate) fn show(&self, painter: &Painter, rect: Rect, section: Color32) {
        let width = self.size[0] as u64;
        let offset = (self.written % width) as f32 / width as f32;
        let uv = Rect::from_min_max(pos2(offset, 0.0), pos2(offset + 1.0, 1.0));
        // Not `Painter::image`, whose soft edge would show the oldest pixels beside the newest.
        let mut mesh = Mesh::with_texture(self.texture.id());
        mesh.add_rect_with_uv(rect, uv, Color32::WHITE);
        painter.add(Shape::mesh(mesh));
        painter.add(corners(rect, 1.0 / self.look.density, section));
    }
}

/// A rectangle of whole pixels: a texel to a pixel, so that the nearest one is the right one.
pub(crate) fn snapped(rect: Rect, density: f32) -> Rect {
    let corner = |at: Pos2| ((at.to_vec2() * density).round() / density).to_pos2();
    Rect::from_min_max(corner(rect.min), corner(rect.max))
}

/// Where a curve lies between two columns: the distance from the top, and how steep it is, both in
/// pixels.
fn curve_at(pitches: [f32; 2], share: f32, scale: f32, height: f32) -> Option<(f32, f32)> {
    let y = |hz: f32| (1.0 - share_of(hz)) * height;
    match pitches.map(|hz| hz > 0.0) {
        [true, true] => {
            let [early, late] = pitches.map(y);
            let slope = ((late - early) / scale.max(0.01)).clamp(-STEEPEST, STEEPEST);
            Some((early + share * (late - early), slope))
        }
        [true, false] if share < 0.5 => Some((y(pitches[0]), 0.0)),
        [false, true] if share >= 0.5 => Some((y(pitches[1]), 0.0)),
        _ => None,
    }
}

fn options() -> TextureOptions {
    TextureOptions {
        wrap_mode: TextureWrapMode::Repeat,
        ..TextureOptions::NEAREST
    }
}

/// What rounds the corners of a picture off: the four places between its corners and their arcs.
/// A rounded rectangle of many triangles would cost more.
fn corners(rect: Rect, pixel: f32, color: Color32) -> Shape {
    const STEPS: u32 = 6;
    let mut mesh = Mesh::default();
    let mut add = |pos: Pos2, color: Color32| {
        mesh.vertices.push(Vertex {
            pos,
            uv: WHITE_UV,
            color,
        });
        mesh.vertices.len() as u32 - 1
    };
    let mut triangles = Vec::new();
    for (corner, inward) in [
        (rect.left_top(), vec2(1.0, 1.0)),
        (rect.right_top(), vec2(-1.0, 1.0)),
        (rect.right_bottom(), vec2(-1.0, -1.0)),
        (rect.left_bottom(), vec2(1.0, -1.0)),
    ] {
        let centre = corner + CORNER * inward;
        let tip = add(corner, color);
        let mut former = None;
        for step in 0..=STEPS {
            let angle = step as f32 / STEPS as f32 * std::f32::consts::FRAC_PI_2;
            let outward = -Vec2::angled(angle) * inward;
            let outer = add(centre + (CORNER + pixel / 2.0) * outward, color);
            let inner = add(
                centre + (CORNER - pixel / 2.0) * outward,
                Color32::TRANSPARENT,
            );
            if let Some((before, within)) = former.replace((outer, inner)) {
                triangles.extend([tip, before, outer]);
                triangles.extend([before, within, outer, within, outer, inner]);
            }
        }
    }
    mesh.indices = triangles;
    Shape::mesh(mesh)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(level: u8, hz: f32) -> LiveColumn {
        LiveColumn {
            input: [level; LIVE_BANDS],
            output: [0; LIVE_BANDS],
            input_f0_hz: hz,
            output_f0_hz: 0.0,
        }
    }

    #[test]
    fn a_curve_is_where_the_pitch_is_and_ends_with_it() {
        let middle = (LIVE_LOW_HZ * LIVE_HIGH_HZ).sqrt();
        let at = |pitches, share| curve_at(pitches, share, 1.0, 100.0);
        let (y, slope) = at([middle, middle], 0.3).unwrap();
        assert!((y - 50.0).abs() < 0.01 && slope.abs() < 0.01);
        let (y, slope) = at([middle, LIVE_HIGH_HZ], 0.5).unwrap();
        assert!((y - 25.0).abs() < 0.01 && slope == -STEEPEST);
        assert!(at([middle, 0.0], 0.4).is_some());
        assert!(at([middle, 0.0], 0.6).is_none());
        assert!(at([0.0, 0.0], 0.5).is_none());
    }

    #[test]
    fn what_comes_in_parts_is_drawn_as_what_comes_at_once() {
        let ctx = Context::default();
        let theme = Theme::new(true, 80.0, true);
        for size in [[310, 126], [620, 252], [100, 40]] {
            let picture = || {
                let mut picture = Scroll::new(&ctx, "test", Look::new(theme, true, 1.0));
                picture.resize(size);
                picture
            };
            let columns: Vec<LiveColumn> = (0..LIVE_COLUMNS as u32)
                .map(|i| column((i * 7 % 256) as u8, if i % 9 < 6 { 200.0 } else { 0.0 }))
                .collect();
            let (mut parts, mut whole) = (picture(), picture());
            for end in [0, 1, 2, 100, 256] {
                let live = Live {
                    columns: columns[..end].to_vec(),
                    total: end as u64,
                    ..Live::default()
                };
                parts.write(&live);
                if end == 256 {
                    whole.write(&live);
                }
            }
            assert_eq!(parts.written, whole.written);
            assert!(parts.written > (size[0] - size[0] / 100 - 3) as u64);
            assert!(parts.written <= size[0] as u64);
        }
    }
}
