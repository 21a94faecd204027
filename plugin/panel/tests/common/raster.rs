//! Paints what egui tessellates into a picture, without a graphics card or driver: triangles,
//! filled and textured, blended like egui's own painters do (premultiplied, in gamma space).
//!
//! It exists because a wgpu renderer costs CI more minutes to compile than all else here together.

use std::collections::HashMap;

use egui::epaint::{Primitive, Vertex};
use egui::{
    Color32, ImageData, Mesh, Rect, TextureFilter, TextureId, TextureOptions, TextureWrapMode,
    TexturesDelta,
};
use egui_kittest::TestRenderer;
use image::{Rgba, RgbaImage};

struct Texture {
    size: [usize; 2],
    pixels: Vec<Color32>,
    options: TextureOptions,
}

impl Texture {
    fn sample(&self, u: f32, v: f32) -> [f32; 4] {
        let x = u * self.size[0] as f32 - 0.5;
        let y = v * self.size[1] as f32 - 0.5;
        if self.options.magnification == TextureFilter::Nearest {
            return self.at(x.round() as i64, y.round() as i64);
        }
        let (fx, fy) = (x - x.floor(), y - y.floor());
        let (x, y) = (x.floor() as i64, y.floor() as i64);
        let mut sum = [0.0; 4];
        for (dx, dy, weight) in [
            (0, 0, (1.0 - fx) * (1.0 - fy)),
            (1, 0, fx * (1.0 - fy)),
            (0, 1, (1.0 - fx) * fy),
            (1, 1, fx * fy),
        ] {
            if weight > 0.0 {
                let texel = self.at(x + dx, y + dy);
                for channel in 0..4 {
                    sum[channel] += weight * texel[channel];
                }
            }
        }
        sum
    }

    fn at(&self, x: i64, y: i64) -> [f32; 4] {
        let (width, height) = (self.size[0] as i64, self.size[1] as i64);
        let (x, y) = match self.options.wrap_mode {
            TextureWrapMode::Repeat => (x.rem_euclid(width), y.clamp(0, height - 1)),
            _ => (x.clamp(0, width - 1), y.clamp(0, height - 1)),
        };
        self.pixels[(y * width + x) as usize]
            .to_array()
            .map(|part| f32::from(part) / 255.0)
    }
}

/// The renderer for [`egui_kittest::Harness`].
#[derive(Default)]
pub struct Raster {
    textures: HashMap<TextureId, Texture>,
}

impl TestRenderer for Raster {
    fn handle_delta(&mut self, delta: &mut TexturesDelta) {
        for (id, deltas) in delta.set.drain() {
            for delta in deltas {
                let ImageData::Color(image) = &delta.image;
                match delta.pos {
                    None => {
                        let texture = Texture {
                            size: image.size,
                            pixels: image.pixels.clone(),
                            options: delta.options,
                        };
                        self.textures.insert(id, texture);
                    }
                    Some([left, top]) => {
                        let Some(texture) = self.textures.get_mut(&id) else {
                            continue;
                        };
                        for row in 0..image.size[1] {
                            let to = (top + row) * texture.size[0] + left;
                            let from = row * image.size[0];
                            texture.pixels[to..to + image.size[0]]
                                .copy_from_slice(&image.pixels[from..from + image.size[0]]);
                        }
                    }
                }
            }
        }
        for id in delta.free.drain() {
            self.textures.remove(&id);
        }
    }

    fn render(
        &mut self,
        ctx: &egui::Context,
        output: &egui::FullOutput,
    ) -> Result<RgbaImage, String> {
        let scale = output.pixels_per_point;
        let size = ctx.content_rect().size() * scale;
        let mut canvas = Canvas::new(size.x.round() as usize, size.y.round() as usize, scale);
        for primitive in ctx.tessellate(output.shapes.clone(), scale) {
            if let Primitive::Mesh(mesh) = &primitive.primitive {
                let texture = self
                    .textures
                    .get(&mesh.texture_id)
                    .ok_or("a texture is missing")?;
                canvas.mesh(mesh, primitive.clip_rect, texture);
            }
        }
        Ok(canvas.finish())
    }
}

struct Canvas {
    width: usize,
    height: usize,
    scale: f32,
    pixels: Vec<[f32; 4]>,
}

impl Canvas {
    fn new(width: usize, height: usize, scale: f32) -> Self {
        Self {
            width,
            height,
            scale,
            pixels: vec![[0.0, 0.0, 0.0, 1.0]; width * height],
        }
    }

    fn mesh(&mut self, mesh: &Mesh, clip: Rect, texture: &Texture) {
        let clip = [
            (clip.left() * self.scale)
                .round()
                .clamp(0.0, self.width as f32) as usize,
            (clip.top() * self.scale)
                .round()
                .clamp(0.0, self.height as f32) as usize,
            (clip.right() * self.scale)
                .round()
                .clamp(0.0, self.width as f32) as usize,
            (clip.bottom() * self.scale)
                .round()
                .clamp(0.0, self.height as f32) as usize,
        ];
        for corners in mesh.indices.chunks_exact(3) {
            let corners = [0, 1, 2].map(|corner| mesh.vertices[corners[corner] as usize]);
            self.triangle(corners, clip, texture);
        }
    }

    fn triangle(&mut self, mut corners: [Vertex; 3], clip: [usize; 4], texture: &Texture) {
        let at = |vertex: &Vertex| {
            (
                f64::from(vertex.pos.x * self.scale),
                f64::from(vertex.pos.y * self.scale),
            )
        };
        let edge = |a: (f64, f64), b: (f64, f64), p: (f64, f64)| {
            (b.0 - a.0) * (p.1 - a.1) - (b.1 - a.1) * (p.0 - a.0)
        };
        let mut area = edge(at(&corners[0]), at(&corners[1]), at(&corners[2]));
        if area.abs() < 1e-9 {
            return;
        }
        if area < 0.0 {
            corners.swap(1, 2);
            area = -area;
        }
        let points = [at(&corners[0]), at(&corners[1]), at(&corners[2])];
        let low = |of: fn(&(f64, f64)) -> f64| {
            points
                .iter()
                .map(of)
                .fold(f64::INFINITY, f64::min)
                .floor()
                .max(0.0) as usize
        };
        let high =
            |of: fn(&(f64, f64)) -> f64| points.iter().map(of).fold(0.0, f64::max).ceil() as usize;
        let (x0, x1) = (low(|p| p.0).max(clip[0]), high(|p| p.0).min(clip[2]));
        let (y0, y1) = (low(|p| p.1).max(clip[1]), high(|p| p.1).min(clip[3]));
        // A pixel on a shared edge belongs to one of the two triangles only: the top-left rule.
        let owns = [(1, 2), (2, 0), (0, 1)].map(|(a, b)| {
            let (dx, dy) = (points[b].0 - points[a].0, points[b].1 - points[a].1);
            dy < 0.0 || (dy == 0.0 && dx > 0.0)
        });
        let colors =
            corners.map(|corner| corner.color.to_array().map(|part| f32::from(part) / 255.0));
        let plain = corners.iter().all(|corner| corner.uv == corners[0].uv);
        let texel = plain.then(|| texture.sample(corners[0].uv.x, corners[0].uv.y));
        for y in y0..y1 {
            for x in x0..x1 {
                let p = (x as f64 + 0.5, y as f64 + 0.5);
                let edges = [
                    edge(points[1], points[2], p),
                    edge(points[2], points[0], p),
                    edge(points[0], points[1], p),
                ];
                let inside = edges
                    .iter()
                    .zip(owns)
                    .all(|(edge, owns)| *edge > 0.0 || (*edge == 0.0 && owns));
                if !inside {
                    continue;
                }
                let shares = edges.map(|edge| (edge / area) as f32);
                let texel = texel.unwrap_or_else(|| {
                    let mix = |of: fn(&Vertex) -> f32| {
                        (0..3)
                            .map(|corner| shares[corner] * of(&corners[corner]))
                            .sum::<f32>()
                    };
                    texture.sample(mix(|v| v.uv.x), mix(|v| v.uv.y))
                });
                let pixel = &mut self.pixels[y * self.width + x];
                let mut source = [0.0; 4];
                for channel in 0..4 {
                    let color: f32 = (0..3)
                        .map(|corner| shares[corner] * colors[corner][channel])
                        .sum();
                    source[channel] = color * texel[channel];
                }
                for channel in 0..4 {
                    pixel[channel] =
                        (source[channel] + pixel[channel] * (1.0 - source[3])).clamp(0.0, 1.0);
                }
            }
        }
    }

    fn finish(self) -> RgbaImage {
        let mut image = RgbaImage::new(self.width as u32, self.height as u32);
        for (pixel, color) in image.pixels_mut().zip(self.pixels) {
            *pixel = Rgba(color.map(|part| (part * 255.0).round() as u8));
        }
        image
    }
}
