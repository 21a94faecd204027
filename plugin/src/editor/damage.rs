//! Drawing only what changed, for software renderers.
//!
//! Where the graphics driver computes every pixel on the processor, a whole frame costs five times
//! what the panel itself does. So each frame is compared with the one before, and all that is drawn
//! is cut to the few rectangles in which they differ, without what lies hidden there. That needs the
//! former picture to be in the window's back buffer still. Mesa's software drivers copy it to the screen and leave it there, so this is
//! done with them alone; anything else may give back another buffer.
//!
//! The framework clears the window before each frame. Clearing is kept off the picture by drawing
//! into no buffer until the first shape, and again after the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use egui::emath::TSTransform;
use egui::epaint::{ClippedShape, PaintCallback};
use egui::{Color32, Context, FullOutput, Mesh, Rect, Shape, TextureId, pos2};
use egui_glow::glow::{self, HasContext};
use egui_glow::{CallbackFn, Painter};

/// Names of the software renderers whose back buffer keeps the picture.
const RENDERERS: [&str; 2] = ["llvmpipe", "softpipe"];
/// Soft edges reach this far beyond a shape, in points.
const EDGE: f32 = 2.0;
/// What is nearer than this, in pixels or points, is the same place.
const TOLERANCE: f32 = 0.02;

const UNKNOWN: u8 = 0;
const OTHER: u8 = 1;
const SOFTWARE: u8 = 2;

/// What draws a window, once that is known.
#[derive(Clone, Default)]
pub struct Renderer(Arc<AtomicU8>);

impl Renderer {
    /// Whether it is a software renderer, for which every picture counts.
    pub fn is_software(&self) -> bool {
        self.0.load(Ordering::Relaxed) == SOFTWARE
    }
}

/// Has a window of this context draw only what changed, if its renderer is one of those.
pub fn attach(ctx: &Context) -> Renderer {
    let renderer = Renderer::default();
    ctx.add_plugin(Damage {
        renderer: renderer.clone(),
        before: Vec::new(),
        screen: Rect::NOTHING,
        density: 0.0,
    });
    renderer
}

struct Damage {
    /// Which kind of renderer it is; the first frame finds out.
    renderer: Renderer,
    /// The frame before.
    before: Vec<ClippedShape>,
    screen: Rect,
    /// Pixels to a point.
    density: f32,
}

impl egui::Plugin for Damage {
    fn debug_name(&self) -> &'static str {
        "mien damage"
    }

    fn output_hook(&mut self, ctx: &Context, output: &mut FullOutput) {
        let screen = ctx.content_rect();
        match self.renderer.0.load(Ordering::Relaxed) {
            UNKNOWN => output.shapes.push(ask(self.renderer.clone(), screen)),
            SOFTWARE => self.cut(output, screen),
            _ => {}
        }
    }
}

impl Damage {
    fn cut(&mut self, output: &mut FullOutput, screen: Rect) {
        let density = output.pixels_per_point;
        let fonts = output.textures_delta.set.get(&TextureId::default());
        let new_fonts = fonts.is_some_and(|deltas| deltas.iter().any(|delta| delta.is_whole()));
        let same_place = self.screen == screen && self.density == density;
        // A pass that egui discards is never seen, so nothing can be compared with it.
        let discarded = !output.platform_output.request_discard_reasons.is_empty();
        let whole = self.before.is_empty() || !same_place || new_fonts || discarded;
        let damage = match whole {
            true => vec![screen],
            false => difference(&self.before, &output.shapes),
        };
        (self.screen, self.density) = (screen, density);
        let damage = damage.into_iter().map(|rect| whole_pixels(rect, density));
        let damage = joined(damage.collect());
        let shapes = std::mem::take(&mut output.shapes);
        output.shapes.push(draw_into(glow::BACK, screen));
        for rect in damage {
            let ground = shapes.iter().rposition(|shape| hides(shape, rect));
            for shape in &shapes[ground.unwrap_or(0)..] {
                let clip_rect = shape.clip_rect.intersect(rect);
                if clip_rect.is_positive() {
                    output.shapes.push(ClippedShape {
                        clip_rect,
                        ..shape.clone()
                    });
                }
            }
        }
        output.shapes.push(draw_into(glow::NONE, screen));
        self.before = if discarded { Vec::new() } else { shapes };
    }
}

/// The least rectangle of whole pixels around one: a neighbour of half a pixel would be blended twice.
fn whole_pixels(rect: Rect, density: f32) -> Rect {
    let low = |points: f32| (points * density + TOLERANCE).floor() / density;
    let high = |points: f32| (points * density - TOLERANCE).ceil() / density;
    Rect::from_min_max(
        pos2(low(rect.min.x), low(rect.min.y)),
        pos2(high(rect.max.x), high(rect.max.y)),
    )
}

/// The rectangles in which two frames differ.
fn difference(before: &[ClippedShape], after: &[ClippedShape]) -> Vec<Rect> {
    let pairs = || before.iter().zip(after);
    let mut found: Vec<Rect> = Vec::new();
    if before.len() == after.len() {
        for (a, b) in pairs().filter(|(a, b)| !same(a, b)) {
            found.push(seen(a).union(seen(b)));
        }
    } else {
        let head = pairs().take_while(|(a, b)| same(a, b)).count();
        let tail = before[head..]
            .iter()
            .rev()
            .zip(after[head..].iter().rev())
            .take_while(|(a, b)| same(a, b))
            .count();
        for shapes in [before, after] {
            found.extend(shapes[head..shapes.len() - tail].iter().map(seen));
        }
    }
    found.retain(Rect::is_positive);
    joined(found)
}

/// Rectangles that overlap become one, so that no pixel is drawn twice. Those that only lie close do
/// not: beside a picture that hides what lies below it, a meter would have all of that drawn again.
fn joined(mut rects: Vec<Rect>) -> Vec<Rect> {
    let mut done: Vec<Rect> = Vec::new();
    while let Some(mut rect) = rects.pop() {
        while let Some(index) = done.iter().position(|other| overlap(rect, *other)) {
            rect = rect.union(done.swap_remove(index));
        }
        done.push(rect);
    }
    done
}

fn overlap(a: Rect, b: Rect) -> bool {
    a.intersect(b).shrink(TOLERANCE).is_positive()
}

/// Whether nothing below this shape is seen in the rectangle.
fn hides(shape: &ClippedShape, rect: Rect) -> bool {
    let ground = match &shape.shape {
        Shape::Rect(ground) => ground,
        Shape::Mesh(mesh) => return picture(mesh).is_some_and(|whole| covers(shape, whole, rect)),
        _ => return false,
    };
    let corner = &ground.corner_radius;
    let radius = corner.nw.max(corner.ne).max(corner.sw).max(corner.se);
    // Without the rounded corners, and without the soft edge.
    let inside = match radius {
        0 => ground.rect,
        radius => ground.rect.shrink(f32::from(radius) * 0.3 + EDGE),
    };
    ground.fill.is_opaque()
        && ground.brush.is_none()
        && ground.blur_width == 0.0
        && covers(shape, inside, rect)
}

/// Whether a part of a shape, and its clip, contain the rectangle.
fn covers(shape: &ClippedShape, part: Rect, rect: Rect) -> bool {
    let contains = |outer: Rect| outer.expand(TOLERANCE).contains_rect(rect);
    shape.transform_after_tessellation == TSTransform::IDENTITY
        && contains(shape.clip_rect)
        && contains(part)
}

/// The rectangle of a mesh that is nothing but one, with a texture of the panel's own. Those are
/// opaque, and have no soft edge.
fn picture(mesh: &Mesh) -> Option<Rect> {
    let own = mesh.texture_id != TextureId::default() && mesh.vertices.len() == 4;
    let opaque = mesh
        .vertices
        .iter()
        .all(|vertex| vertex.color == Color32::WHITE);
    (own && opaque).then(|| mesh.calc_bounds())
}

/// Where a shape is seen.
fn seen(shape: &ClippedShape) -> Rect {
    let edge = match &shape.shape {
        Shape::Rect(rect) => rect.blur_width + EDGE,
        Shape::Mesh(mesh) if picture(mesh).is_some() => 0.0,
        _ => EDGE,
    };
    let bounds = shape.shape.visual_bounding_rect().expand(edge);
    match bounds.intersect(shape.clip_rect) {
        rect if rect.is_positive() => rect,
        _ => Rect::NOTHING,
    }
}

/// Whether two shapes look the same. What is shared is not compared letter by letter.
fn same(a: &ClippedShape, b: &ClippedShape) -> bool {
    a.clip_rect == b.clip_rect
        && a.transform_after_tessellation == b.transform_after_tessellation
        && match (&a.shape, &b.shape) {
            (Shape::Mesh(a), Shape::Mesh(b)) => Arc::ptr_eq(a, b) || a == b,
            (Shape::Text(a), Shape::Text(b)) if Arc::ptr_eq(&a.galley, &b.galley) => {
                a.pos == b.pos
                    && a.fallback_color == b.fallback_color
                    && a.override_text_color == b.override_text_color
                    && a.opacity_factor == b.opacity_factor
                    && a.underline == b.underline
                    && a.angle == b.angle
            }
            (a, b) => a == b,
        }
}

/// Something to do between two shapes.
fn callback(screen: Rect, work: impl Fn(&Painter) + Send + Sync + 'static) -> ClippedShape {
    let callback = CallbackFn::new(move |_, painter| work(painter));
    ClippedShape {
        clip_rect: screen,
        shape: Shape::Callback(PaintCallback {
            rect: screen,
            callback: Arc::new(callback),
        }),
        transform_after_tessellation: TSTransform::IDENTITY,
    }
}

/// From here on, drawing goes into this buffer of the window.
fn draw_into(buffer: u32, screen: Rect) -> ClippedShape {
    // SAFETY: the painter's context is current while it paints, and a window has these buffers.
    callback(screen, move |painter| unsafe {
        painter.gl().draw_buffer(buffer);
    })
}

/// Finds out what renders.
fn ask(renderer: Renderer, screen: Rect) -> ClippedShape {
    callback(screen, move |painter| {
        // SAFETY: the painter's context is current while it paints.
        let name = unsafe { painter.gl().get_parameter_string(glow::RENDERER) };
        let known = RENDERERS.iter().any(|known| name.contains(known));
        let kind = match cfg!(target_os = "linux") && known {
            true => SOFTWARE,
            false => OTHER,
        };
        renderer.0.store(kind, Ordering::Relaxed);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::vec2;

    fn square(x: f32, color: Color32) -> ClippedShape {
        let rect = Rect::from_min_size(pos2(x, 0.0), vec2(10.0, 10.0));
        ClippedShape {
            clip_rect: Rect::EVERYTHING,
            shape: Shape::rect_filled(rect, 0.0, color),
            transform_after_tessellation: TSTransform::IDENTITY,
        }
    }

    #[test]
    fn the_difference_is_found() {
        let before = [0.0, 20.0, 40.0].map(|x| square(x, Color32::RED)).to_vec();
        assert_eq!(difference(&before, &before), []);
        let mut after = before.clone();
        after[1] = square(20.0, Color32::BLUE);
        assert_eq!(difference(&before, &after), [seen(&after[1])]);
        after = before.clone();
        after.insert(1, square(70.0, Color32::RED));
        assert_eq!(difference(&before, &after), [seen(&after[1])]);
        after = before[..2].to_vec();
        assert_eq!(difference(&before, &after), [seen(&before[2])]);
    }

    #[test]
    fn no_pixel_is_drawn_twice() {
        let rect = |x: f32, width: f32| Rect::from_min_size(pos2(x, 0.0), vec2(width, 10.0));
        let beside = joined(vec![rect(0.0, 10.0), rect(10.0, 10.0)]);
        assert_eq!(beside.len(), 2);
        let chain = joined(vec![rect(0.0, 10.0), rect(18.0, 10.0), rect(8.0, 12.0)]);
        assert_eq!(chain, [rect(0.0, 28.0)]);
    }

    #[test]
    fn a_picture_hides_what_lies_under_it_up_to_its_edge() {
        let rect = Rect::from_min_size(pos2(3.0, 4.0), vec2(30.0, 20.0));
        let mut mesh = Mesh::with_texture(TextureId::Managed(7));
        mesh.add_rect_with_uv(rect, rect, Color32::WHITE);
        let mut shape = square(0.0, Color32::RED);
        shape.shape = Shape::mesh(mesh);
        assert_eq!(seen(&shape), rect);
        assert!(hides(&shape, rect));
        assert!(!hides(&shape, rect.expand(1.0)));
        let third = Rect::from_min_max(pos2(1.0 / 3.0, 1.0), pos2(2.0 / 3.0, 2.0));
        assert_eq!(whole_pixels(third, 3.0), third);
    }

    #[test]
    fn what_is_hidden_is_found() {
        let ground = square(0.0, Color32::RED);
        let inside = Rect::from_min_size(pos2(1.0, 1.0), vec2(5.0, 5.0));
        assert!(hides(&ground, inside));
        assert!(!hides(&ground, inside.translate(vec2(6.0, 0.0))));
        let glass = square(0.0, Color32::from_black_alpha(100));
        assert!(!hides(&glass, inside));
    }
}
