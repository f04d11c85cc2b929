//! All colors and sizes of the window, dark and light.

use super::widgets::numbers::signed;
use crate::session::Level;
use eframe::egui::style::NumberFormatter;
use eframe::egui::{self, Color32, CornerRadius, FontFamily, FontId, Stroke, TextStyle, Theme, vec2};

/// Colors by meaning, for one theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    /// Accent: selection and primary action.
    pub accent: Color32,
    /// Text on the accent color.
    pub on_accent: Color32,
    /// Success.
    pub good: Color32,
    /// Warning.
    pub warning: Color32,
    /// Error.
    pub bad: Color32,
    /// Secondary text: explanations and units.
    pub weak: Color32,
    /// Background of images.
    pub canvas: Color32,
    /// NaN values.
    pub nan: Color32,
    /// Pixels that no pattern covers.
    pub unseen: Color32,
    /// Lines between enlarged pixels.
    pub grid: Color32,
    /// Marks over images, drawn with an outline in `over_dark` to be visible on every color.
    pub over_light: Color32,
    /// Outline and background of marks over images.
    pub over_dark: Color32,
    /// Active mark over an image: a profile, a region, a handle.
    pub over_accent: Color32,
    /// Lines of plots, in order: training, validation, others.
    pub lines: [Color32; 6],
}

const DARK: Palette = Palette {
    accent: Color32::from_rgb(0x4c, 0x9a, 0xff),
    on_accent: Color32::from_rgb(0x08, 0x12, 0x20),
    good: Color32::from_rgb(0x5c, 0xc9, 0x8a),
    warning: Color32::from_rgb(0xf0, 0xb4, 0x4c),
    bad: Color32::from_rgb(0xff, 0x7b, 0x72),
    weak: Color32::from_rgb(0x9a, 0xa4, 0xb2),
    canvas: Color32::from_rgb(0x10, 0x12, 0x16),
    nan: Color32::from_rgb(0xe0, 0x3f, 0xd8),
    unseen: Color32::from_rgb(0x2a, 0x2f, 0x37),
    grid: Color32::from_rgba_premultiplied(0x28, 0x28, 0x28, 0x60),
    over_light: Color32::from_rgb(0xff, 0xff, 0xff),
    over_dark: Color32::from_rgba_premultiplied(0, 0, 0, 0xa0),
    over_accent: Color32::from_rgb(0xff, 0xd2, 0x3f),
    lines: [
        Color32::from_rgb(0x4c, 0x9a, 0xff),
        Color32::from_rgb(0xf0, 0xb4, 0x4c),
        Color32::from_rgb(0x5c, 0xc9, 0x8a),
        Color32::from_rgb(0xd0, 0x8c, 0xf0),
        Color32::from_rgb(0xff, 0x7b, 0x72),
        Color32::from_rgb(0x58, 0xc4, 0xd4),
    ],
};

const LIGHT: Palette = Palette {
    accent: Color32::from_rgb(0x1f, 0x6f, 0xd6),
    on_accent: Color32::WHITE,
    good: Color32::from_rgb(0x1d, 0x7f, 0x4c),
    warning: Color32::from_rgb(0x9a, 0x62, 0x00),
    bad: Color32::from_rgb(0xc6, 0x30, 0x2b),
    weak: Color32::from_rgb(0x5a, 0x64, 0x72),
    canvas: Color32::from_rgb(0xe4, 0xe7, 0xec),
    nan: Color32::from_rgb(0xd8, 0x3a, 0xd0),
    unseen: Color32::from_rgb(0xc9, 0xd0, 0xda),
    lines: [
        Color32::from_rgb(0x1f, 0x6f, 0xd6),
        Color32::from_rgb(0xb8, 0x6e, 0x00),
        Color32::from_rgb(0x1d, 0x7f, 0x4c),
        Color32::from_rgb(0x8a, 0x3f, 0xb8),
        Color32::from_rgb(0xc6, 0x30, 0x2b),
        Color32::from_rgb(0x0e, 0x7f, 0x90),
    ],
    ..DARK
};

/// Palette of the current theme.
pub fn palette(ui: &egui::Ui) -> &'static Palette {
    if ui.visuals().dark_mode { &DARK } else { &LIGHT }
}

impl Palette {
    /// Color of a message of this level.
    pub fn level(&self, level: Level) -> Color32 {
        match level {
            Level::Info => self.weak,
            Level::Success => self.good,
            Level::Warning => self.warning,
            Level::Error => self.bad,
        }
    }
}

/// Sets up both themes and the fonts. Call once.
pub fn install(context: &egui::Context) {
    let mut fonts = egui::FontDefinitions::default();
    // The proportional font lacks arrows, triangles and circles; the monospace font has them.
    fonts.families.entry(FontFamily::Proportional).or_default().push("Hack".to_owned());
    context.set_fonts(fonts);
    for (theme, palette) in [(Theme::Dark, DARK), (Theme::Light, LIGHT)] {
        context.style_mut_of(theme, |style| {
            let visuals = &mut style.visuals;
            visuals.selection.bg_fill = palette.accent.gamma_multiply(0.35);
            visuals.selection.stroke = Stroke::new(1.0, palette.accent);
            visuals.hyperlink_color = palette.accent;
            visuals.warn_fg_color = palette.warning;
            visuals.error_fg_color = palette.bad;
            visuals.weak_text_color = Some(palette.weak);
            match theme {
                Theme::Dark => {
                    visuals.panel_fill = Color32::from_rgb(0x18, 0x1b, 0x20);
                    visuals.window_fill = Color32::from_rgb(0x1d, 0x21, 0x27);
                    visuals.extreme_bg_color = Color32::from_rgb(0x10, 0x12, 0x16);
                    visuals.faint_bg_color = Color32::from_rgb(0x20, 0x24, 0x2a);
                    visuals.override_text_color = Some(Color32::from_rgb(0xe2, 0xe6, 0xec));
                }
                Theme::Light => {
                    visuals.panel_fill = Color32::from_rgb(0xf6, 0xf7, 0xf9);
                    visuals.window_fill = Color32::WHITE;
                    visuals.extreme_bg_color = Color32::WHITE;
                    visuals.faint_bg_color = Color32::from_rgb(0xec, 0xee, 0xf2);
                    visuals.override_text_color = Some(Color32::from_rgb(0x1c, 0x22, 0x2b));
                }
            }
            let corner = CornerRadius::same(5);
            for state in [
                &mut visuals.widgets.noninteractive,
                &mut visuals.widgets.inactive,
                &mut visuals.widgets.hovered,
                &mut visuals.widgets.active,
                &mut visuals.widgets.open,
            ] {
                state.corner_radius = corner;
            }
            // Number fields also parse this minus sign.
            style.number_formatter = NumberFormatter::new(|value, decimals| {
                signed(egui::emath::format_with_decimals_in_range(value, decimals))
            });
            style.spacing.item_spacing = vec2(8.0, 6.0);
            style.spacing.menu_margin = egui::Margin::same(9);
            style.spacing.button_padding = vec2(9.0, 4.0);
            style.spacing.interact_size.y = 24.0;
            style.text_styles.insert(TextStyle::Heading, FontId::new(19.0, FontFamily::Proportional));
            style.text_styles.insert(TextStyle::Body, FontId::new(13.5, FontFamily::Proportional));
            style.text_styles.insert(TextStyle::Button, FontId::new(13.5, FontFamily::Proportional));
            style.text_styles.insert(TextStyle::Monospace, FontId::new(12.5, FontFamily::Monospace));
            style.text_styles.insert(TextStyle::Small, FontId::new(11.0, FontFamily::Proportional));
        });
    }
}
