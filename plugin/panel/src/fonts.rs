//! The fonts: Inter in three weights, and two icon fonts. See `assets/README.md`.

use std::sync::Arc;

use egui::epaint::text::VariationCoords;
use egui::{Context, FontData, FontDefinitions, FontFamily, FontId, FontTweak};

const INTER: &[u8] = include_bytes!("../assets/Inter-subset.ttf");
const ICONS: &[u8] = include_bytes!("../assets/Phosphor-subset.ttf");
const ICONS_FILLED: &[u8] = include_bytes!("../assets/Phosphor-Fill-subset.ttf");

/// Hands the fonts to egui. They can be used from the next frame on.
pub(crate) fn install(ctx: &Context) {
    let mut fonts = FontDefinitions::default();
    let fallback = fonts
        .families
        .get(&FontFamily::Proportional)
        .cloned()
        .unwrap_or_default();
    for (family, weight, size) in [
        ("regular", 430.0, 14.0),
        ("medium", 560.0, 14.0),
        ("display", 620.0, 28.0),
    ] {
        let tweak = FontTweak {
            coords: VariationCoords::new([("wght", weight), ("opsz", size)]),
            ..FontTweak::default()
        };
        let name = format!("inter-{family}");
        fonts.font_data.insert(
            name.clone(),
            Arc::new(FontData::from_static(INTER).tweak(tweak)),
        );
        let mut chain = vec![name, "icons".to_owned()];
        chain.extend(fallback.iter().cloned());
        if family == "regular" {
            fonts
                .families
                .insert(FontFamily::Proportional, chain.clone());
        }
        fonts
            .families
            .insert(FontFamily::Name(family.into()), chain);
    }
    for (name, bytes) in [("icons", ICONS), ("icons-filled", ICONS_FILLED)] {
        fonts
            .font_data
            .insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
        fonts
            .families
            .insert(FontFamily::Name(name.into()), vec![name.to_owned()]);
    }
    ctx.set_fonts(fonts);
}

/// Running text.
pub(crate) fn regular(size: f32) -> FontId {
    FontId::new(size, FontFamily::Proportional)
}

/// Names and values.
pub(crate) fn medium(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name("medium".into()))
}

/// Titles.
pub(crate) fn display(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name("display".into()))
}

/// Line icons.
pub(crate) fn icon(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name("icons".into()))
}

/// Filled icons.
pub(crate) fn icon_filled(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name("icons-filled".into()))
}
