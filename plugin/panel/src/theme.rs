//! Colours: a dark and a light set, and one accent a voice, all in OKLCH so that every accent is
//! equally light and equally strong whatever its hue.

use egui::{Color32, Context, CornerRadius, Margin, Shadow, Stroke, Visuals};
use palette::{IntoColor, Oklch, Srgb};

use crate::fonts;

/// How long the pointer rests on something before its tooltip comes, in seconds.
pub(crate) const TOOLTIP_DELAY_S: f32 = 0.45;
/// For how long after a tooltip the next one comes at once, in seconds.
pub(crate) const TOOLTIP_GRACE_S: f32 = 0.2;

/// A colour of this lightness (0 to 1), chroma (0 to about 0.3) and hue (degrees). Chroma that
/// sRGB cannot show at that lightness is reduced, which keeps lightness and hue.
pub(crate) fn oklch(lightness: f32, chroma: f32, hue: f32) -> Color32 {
    let mut chroma = chroma;
    loop {
        let rgb: Srgb = Oklch::new(lightness, chroma, hue).into_color();
        let inside = |part: f32| (-0.002..=1.002).contains(&part);
        if chroma <= 0.002 || (inside(rgb.red) && inside(rgb.green) && inside(rgb.blue)) {
            let byte = |part: f32| (part.clamp(0.0, 1.0) * 255.0).round() as u8;
            return Color32::from_rgb(byte(rgb.red), byte(rgb.green), byte(rgb.blue));
        }
        chroma -= 0.004;
    }
}

/// The same colour, this opaque (0 to 1).
pub(crate) fn fade(color: Color32, opacity: f32) -> Color32 {
    color.gamma_multiply(opacity)
}

/// A colour on the way from one to another.
pub(crate) fn mix(from: Color32, to: Color32, share: f32) -> Color32 {
    from.lerp_to_gamma(to, share.clamp(0.0, 1.0))
}

/// The colours in use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Theme {
    /// Dark or light.
    pub dark: bool,
    /// Hue of the accent in degrees.
    pub hue: f32,
    /// False while bypassed: the colour drains from the panel.
    pub vivid: bool,
    /// Behind everything.
    pub bg: Color32,
    /// Sections.
    pub surface: Color32,
    /// Buttons, hovered cards.
    pub raised: Color32,
    /// Tracks, text fields, the live view.
    pub sunken: Color32,
    /// Thin lines.
    pub line: Color32,
    /// Text.
    pub text: Color32,
    /// Less important text.
    pub dim: Color32,
    /// Least important text that is still to be read; ticks.
    pub faint: Color32,
    /// The voice's colour.
    pub accent: Color32,
    /// The voice's colour as a tint of a surface.
    pub accent_soft: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// The speaker's own colour, beside the accent.
    pub own: Color32,
    /// All is well.
    pub good: Color32,
    /// Look at this.
    pub warn: Color32,
    /// This is wrong.
    pub bad: Color32,
}

impl Theme {
    /// The colours for an accent of this hue.
    pub(crate) fn new(dark: bool, hue: f32, vivid: bool) -> Self {
        let accent = |lightness, chroma| oklch(lightness, if vivid { chroma } else { 0.0 }, hue);
        if dark {
            // A breath of the accent in the greys keeps them from looking dead beside it.
            let grey = |lightness| oklch(lightness, 0.006, hue);
            Self {
                dark,
                hue,
                vivid,
                bg: grey(0.175),
                surface: grey(0.215),
                raised: grey(0.270),
                sunken: grey(0.150),
                line: grey(0.300),
                text: grey(0.945),
                dim: grey(0.740),
                faint: grey(0.600),
                accent: accent(0.790, 0.130),
                accent_soft: accent(0.290, 0.045),
                on_accent: accent(0.180, 0.030),
                own: grey(0.800),
                good: oklch(0.780, 0.140, 155.0),
                warn: oklch(0.810, 0.140, 80.0),
                bad: oklch(0.700, 0.170, 25.0),
            }
        } else {
            let grey = |lightness| oklch(lightness, 0.004, hue);
            Self {
                dark,
                hue,
                vivid,
                bg: grey(0.945),
                surface: grey(0.988),
                raised: grey(0.940),
                sunken: grey(0.925),
                line: grey(0.880),
                text: grey(0.240),
                dim: grey(0.450),
                faint: grey(0.560),
                accent: accent(0.515, 0.140),
                accent_soft: accent(0.930, 0.040),
                on_accent: accent(0.990, 0.006),
                own: grey(0.480),
                good: oklch(0.560, 0.130, 155.0),
                warn: oklch(0.600, 0.130, 65.0),
                bad: oklch(0.560, 0.180, 25.0),
            }
        }
    }

    /// Whether these are the colours for an accent of this hue.
    pub(crate) fn is_for(&self, dark: bool, hue: f32, vivid: bool) -> bool {
        (self.dark, self.hue, self.vivid) == (dark, hue, vivid)
    }

    /// Makes egui's own widgets (text fields, scroll bars, menus, tooltips) look alike.
    pub(crate) fn apply(&self, ctx: &Context) {
        let base = if self.dark {
            egui::Theme::Dark
        } else {
            egui::Theme::Light
        };
        ctx.set_theme(base);
        let theme = *self;
        ctx.style_mut_of(base, move |style| theme.write(style));
    }

    fn write(&self, style: &mut egui::Style) {
        use egui::TextStyle::{Body, Button, Heading, Monospace, Small};
        style.text_styles = [
            (Small, fonts::regular(11.0)),
            (Body, fonts::regular(12.5)),
            (Button, fonts::medium(12.5)),
            (Heading, fonts::display(16.0)),
            (Monospace, fonts::regular(12.5)),
        ]
        .into();
        style.spacing.item_spacing = egui::vec2(8.0, 6.0);
        style.spacing.button_padding = egui::vec2(10.0, 5.0);
        style.spacing.menu_margin = Margin::same(6);
        style.spacing.scroll = egui::style::ScrollStyle::floating();
        style.spacing.interact_size.y = 26.0;
        style.spacing.tooltip_width = 280.0;
        style.interaction.tooltip_delay = TOOLTIP_DELAY_S;
        style.interaction.tooltip_grace_time = TOOLTIP_GRACE_S;
        style.interaction.selectable_labels = false;
        style.animation_time = 0.10;
        style.visuals = if self.dark {
            Visuals::dark()
        } else {
            Visuals::light()
        };
        let visuals = &mut style.visuals;
        visuals.override_text_color = Some(self.text);
        visuals.weak_text_color = Some(self.dim);
        // Lists lie on sections, and scroll areas fade into this colour.
        visuals.panel_fill = self.surface;
        visuals.window_fill = self.surface;
        visuals.window_stroke = Stroke::new(1.0, self.line);
        visuals.window_corner_radius = CornerRadius::same(12);
        visuals.menu_corner_radius = CornerRadius::same(10);
        visuals.extreme_bg_color = self.sunken;
        visuals.text_edit_bg_color = Some(self.sunken);
        visuals.selection.bg_fill = fade(self.accent, 0.35);
        visuals.selection.stroke = Stroke::new(1.0, self.accent);
        visuals.hyperlink_color = self.accent;
        let shadow = Shadow {
            offset: [0, 6],
            blur: 20,
            spread: 0,
            color: Color32::from_black_alpha(if self.dark { 110 } else { 45 }),
        };
        visuals.popup_shadow = shadow;
        visuals.window_shadow = shadow;
        for (widget, fill) in [
            (&mut visuals.widgets.noninteractive, self.surface),
            (&mut visuals.widgets.inactive, self.raised),
            (
                &mut visuals.widgets.hovered,
                mix(self.raised, self.text, 0.06),
            ),
            (
                &mut visuals.widgets.active,
                mix(self.raised, self.text, 0.12),
            ),
            (&mut visuals.widgets.open, self.raised),
        ] {
            widget.bg_fill = fill;
            widget.weak_bg_fill = fill;
            widget.bg_stroke = Stroke::NONE;
            widget.corner_radius = CornerRadius::same(7);
            widget.fg_stroke = Stroke::new(1.0, self.text);
            widget.expansion = 0.0;
        }
        visuals.widgets.noninteractive.bg_stroke = Stroke::new(1.0, self.line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contrast as WCAG 2 defines it.
    fn contrast(a: Color32, b: Color32) -> f32 {
        let luminance = |color: Color32| {
            let linear = egui::Rgba::from(color);
            0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b()
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_can_be_read_in_every_hue() {
        for dark in [true, false] {
            for hue in (0..360).step_by(15) {
                let theme = Theme::new(dark, hue as f32, true);
                for ground in [theme.bg, theme.surface, theme.sunken, theme.raised] {
                    assert!(contrast(theme.text, ground) >= 7.0, "text, {dark} {hue}");
                    assert!(
                        contrast(theme.dim, ground) >= 4.5,
                        "dim, {dark} {hue}: {}",
                        contrast(theme.dim, ground)
                    );
                    assert!(
                        contrast(theme.faint, ground) >= 3.0,
                        "faint, {dark} {hue}: {}",
                        contrast(theme.faint, ground)
                    );
                    assert!(
                        contrast(theme.accent, ground) >= 3.0,
                        "accent, {dark} {hue}: {}",
                        contrast(theme.accent, ground)
                    );
                }
                assert!(
                    contrast(theme.on_accent, theme.accent) >= 4.5,
                    "on accent, {dark} {hue}: {}",
                    contrast(theme.on_accent, theme.accent)
                );
            }
        }
    }
}
