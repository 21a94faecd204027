//! Cutting rectangles: the sections are laid out by hand, so that nothing moves when texts change.

use egui::{Rect, pos2};

/// Takes a strip of this height off the top.
pub(crate) fn cut_top(rect: &mut Rect, height: f32) -> Rect {
    let split = (rect.top() + height).min(rect.bottom());
    let strip = Rect::from_min_max(rect.min, pos2(rect.right(), split));
    rect.set_top(split);
    strip
}

/// Takes a strip of this height off the bottom.
pub(crate) fn cut_bottom(rect: &mut Rect, height: f32) -> Rect {
    let split = (rect.bottom() - height).max(rect.top());
    let strip = Rect::from_min_max(pos2(rect.left(), split), rect.max);
    rect.set_bottom(split);
    strip
}

/// Takes a strip of this width off the left.
pub(crate) fn cut_left(rect: &mut Rect, width: f32) -> Rect {
    let split = (rect.left() + width).min(rect.right());
    let strip = Rect::from_min_max(rect.min, pos2(split, rect.bottom()));
    rect.set_left(split);
    strip
}

/// Takes a strip of this width off the right.
pub(crate) fn cut_right(rect: &mut Rect, width: f32) -> Rect {
    let split = (rect.right() - width).max(rect.left());
    let strip = Rect::from_min_max(pos2(split, rect.top()), rect.max);
    rect.set_right(split);
    strip
}

/// Cuts a row into equal columns with gaps.
pub(crate) fn columns(rect: Rect, count: usize, gap: f32) -> Vec<Rect> {
    let width = (rect.width() - gap * (count as f32 - 1.0)) / count as f32;
    (0..count)
        .map(|index| {
            let left = rect.left() + index as f32 * (width + gap);
            Rect::from_min_max(pos2(left, rect.top()), pos2(left + width, rect.bottom()))
        })
        .collect()
}
