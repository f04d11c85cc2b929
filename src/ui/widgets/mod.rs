//! Widgets and number formats shared by several panels.

use eframe::egui;

pub mod background;
pub mod decimate;
pub mod histogram;
pub mod image_view;
pub mod loss_plot;
pub mod mark;
pub mod markdown;
pub mod memory;
pub mod numbers;
#[cfg(test)]
pub(crate) mod snapshots;
#[cfg(test)]
pub(crate) mod test_pictures;

/// The primary button of a panel: in the accent color, or disabled with a reason as tooltip.
pub fn primary_button(ui: &mut egui::Ui, text: &str, reason: Option<&str>) -> egui::Response {
    let palette = super::theme::palette(ui);
    let text = egui::RichText::new(text).size(16.0).strong();
    let text = if reason.is_none() { text.color(palette.on_accent) } else { text };
    let mut button = egui::Button::new(text).min_size(egui::vec2(170.0, 38.0));
    if reason.is_none() {
        button = button.fill(palette.accent);
    }
    let button = ui.add_enabled(reason.is_none(), button);
    match reason {
        Some(reason) => button.on_disabled_hover_text(reason),
        None => button,
    }
}

/// Marks a context whose frames are drawn by the CPU, on which nothing should move without need.
pub fn mark_as_software(context: &egui::Context) {
    context.data_mut(|data| data.insert_temp(software_id(), true));
}

fn software_id() -> egui::Id {
    egui::Id::unique("drawn by the CPU")
}

/// A mark for work in progress. It turns in few steps: one that moves in every frame keeps the whole window drawing, which
/// without a GPU takes the processor from the work that is waited for.
pub fn spinner(ui: &mut egui::Ui) -> egui::Response {
    const DOTS: usize = 8;
    let steps_per_s = if ui.data(|data| data.get_temp::<bool>(software_id())).unwrap_or(false) { 2.0 } else { 8.0 };
    let size = ui.spacing().interact_size.y;
    let (rect, response) = ui.allocate_exact_size(egui::Vec2::splat(size), egui::Sense::hover());
    if ui.is_rect_visible(rect) {
        let color = ui.visuals().strong_text_color();
        let step = (ui.input(|input| input.time) * steps_per_s) as usize;
        for dot in 0..DOTS {
            let age = (step + DOTS - dot) % DOTS;
            let direction = egui::Vec2::angled(std::f32::consts::TAU * dot as f32 / DOTS as f32);
            let color = color.gamma_multiply(1.0 - age as f32 / (DOTS + 1) as f32);
            ui.painter().circle_filled(rect.center() + 0.36 * size * direction, 0.09 * size, color);
        }
        ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(1.0 / steps_per_s));
    }
    response.widget_info(|| egui::WidgetInfo::new(egui::Role::ProgressIndicator));
    response
}

/// True if Escape was pressed and no modal dialog is open to handle it.
pub fn escape_pressed(context: &egui::Context) -> bool {
    context.memory(|memory| memory.top_modal_layer().is_none())
        && context.input(|input| input.key_pressed(egui::Key::Escape))
}

/// Shortens a long name in the middle: run names begin with the dataset and end with the time.
pub fn elided(name: &str, most: usize) -> String {
    let length = name.chars().count();
    if length <= most {
        return name.to_owned();
    }
    let (first, last) = (most / 2, most.saturating_sub(1) / 2);
    let part = |skip: usize, take: usize| name.chars().skip(skip).take(take).collect::<String>();
    format!("{}…{}", part(0, first), part(length - last, last))
}

/// Number of letters in body text that safely fit into a width in points.
pub fn letters_in(width: f32) -> usize {
    (width / 8.5) as usize
}

/// Formats a duration in seconds: `8 s`, `3 min 20 s`, `2 h 5 min`, `3 days 4 h`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..172_800 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} days {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn long_names_are_shortened_in_the_middle() {
        assert_eq!(super::elided("siemens_star_n64-20260131-120000", 16), "siemens_…-120000");
        assert_eq!(super::elided("größte Probe", 12), "größte Probe");
    }

    #[test]
    fn durations_are_formatted_for_people() {
        assert_eq!(super::duration(7.6), "8 s");
        assert_eq!(super::duration(200.0), "3 min 20 s");
        assert_eq!(super::duration(7500.0), "2 h 5 min");
        assert_eq!(super::duration(273_700.0), "3 days 4 h");
        assert_eq!(super::duration(f64::NAN), "unknown");
    }
}
