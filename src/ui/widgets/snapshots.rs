//! For tests: small pictures of panels, compared with those that were looked at and accepted.
//!
//! The accepted pictures are in `tests/snapshots`; `UPDATE_SNAPSHOTS=1 cargo test looks_as_accepted` replaces those that
//! differ, to be looked at before they are committed. They are drawn by a software adapter, whose versions differ a little
//! along edges: a pixel may be a little off, and a handful may be more. What shows a clock, a path, the version, memory or
//! a device's name is not drawn here.

use eframe::egui::Theme;
use egui_kittest::{Harness, SnapshotOptions, try_image_snapshot_options};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Largest squared difference of a pixel's colour (YIQ) that is taken for noise, which is about four levels, and most pixels
/// that may differ by more.
const THRESHOLD: f32 = 10.0;
const MOST_PIXELS: usize = 12;

/// The themes, with the end of a picture's name.
pub(crate) const THEMES: [(Theme, &str); 2] = [(Theme::Dark, "dark"), (Theme::Light, "light")];

/// Held while a picture is drawn: graphics instances that come and go on several threads crash some loaders.
pub(crate) fn drawing() -> MutexGuard<'static, ()> {
    static DRAWING: Mutex<()> = Mutex::new(());
    DRAWING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether there is a software adapter to draw with; says so if there is none, and fails if there has to be one.
pub(crate) fn can_draw() -> bool {
    use crate::worker::device::AdapterKind;
    let _drawing = drawing();
    let found = crate::worker::device::list().iter().any(|adapter| adapter.kind == AdapterKind::Software);
    if !found {
        assert!(std::env::var_os("PTYCHOSCOPE_REQUIRE_ADAPTER").is_none(), "there is no software adapter");
        println!("skipped: there is no software adapter to draw with");
    }
    found
}

fn options(folder: PathBuf) -> SnapshotOptions {
    SnapshotOptions::new().threshold(THRESHOLD).max_failed_pixels(MOST_PIXELS).output_path(folder)
}

/// Compares what a harness shows with the accepted picture of this name.
pub(crate) fn compare<T>(harness: &mut Harness<'_, T>, name: &str) {
    let _drawing = drawing();
    let image = harness.render().unwrap_or_else(|error| panic!("{error}"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    if let Err(error) = try_image_snapshot_options(&image, name, &options(folder)) {
        panic!("{error}");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use eframe::egui;
    use image::RgbaImage;

    /// A small panel; `shift` moves a button, `all` shows it.
    fn panel(shift: f32, all: bool, text: &'static str) -> RgbaImage {
        let _drawing = drawing();
        let mut harness = Harness::builder()
            .with_size([320.0, 120.0])
            .with_context_setup(crate::ui::theme::install)
            .build_ui(move |ui| {
                egui::CentralPanel::default().show(ui, |ui| {
                    ui.label(text);
                    ui.horizontal(|ui| {
                        ui.add_space(shift);
                        if all {
                            let _button = ui.button("Start");
                        }
                        ui.weak("12 patterns");
                    });
                });
            });
        harness.run();
        harness.render().unwrap()
    }

    #[test]
    fn noise_of_a_rasteriser_passes_and_a_moved_a_missing_and_a_renamed_widget_do_not() {
        if !can_draw() || std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let accepted = panel(0.0, true, "Neighbouring spots overlap");
        accepted.save(folder.path().join("panel.png")).unwrap();
        let verdict = |image: &RgbaImage| {
            try_image_snapshot_options(image, "panel", &options(folder.path().to_path_buf())).is_ok()
        };
        assert!(verdict(&panel(0.0, true, "Neighbouring spots overlap")));
        let mut noisy = accepted.clone();
        for (index, pixel) in noisy.pixels_mut().enumerate() {
            let off = [3, -2, 0, 4, -4][index % 5];
            pixel.0[..3].iter_mut().for_each(|value| *value = value.saturating_add_signed(off));
        }
        assert!(verdict(&noisy), "levels that are a little off are noise");
        assert!(!verdict(&panel(1.0, true, "Neighbouring spots overlap")), "moved by a point");
        assert!(!verdict(&panel(0.0, false, "Neighbouring spots overlap")), "a button is missing");
        assert!(!verdict(&panel(0.0, true, "Neighbouring spots overlaps")), "a letter more");
    }
}
