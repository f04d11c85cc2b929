//! For tests: snapshots of panels, compared with reviewed reference images.
//!
//! The references are in `tests/snapshots`; `UPDATE_SNAPSHOTS=1 cargo test looks_as_accepted` replaces those that differ:
//! review them before committing. They are drawn by a software adapter, whose versions differ slightly along edges, so
//! small differences per pixel and a few larger ones are tolerated. Panels that show a clock, a path, the version, memory
//! or a device name are not drawn here.

use eframe::egui::Theme;
use egui_kittest::{Harness, SnapshotOptions, try_image_snapshot_options};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Largest squared color difference of a pixel (YIQ) that counts as noise, about four levels, and maximum number of pixels
/// that may differ by more.
const THRESHOLD: f32 = 10.0;
const MOST_PIXELS: usize = 12;

/// The themes, with their file name suffixes.
pub(crate) const THEMES: [(Theme, &str); 2] = [(Theme::Dark, "dark"), (Theme::Light, "light")];

/// Lock held while drawing: creating and dropping graphics instances on several threads crashes some loaders.
pub(crate) fn drawing() -> MutexGuard<'static, ()> {
    static DRAWING: Mutex<()> = Mutex::new(());
    DRAWING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// True if a software adapter is available; prints a note if not, and panics if one is required.
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

/// Compares the content of a harness with the reference image of this name.
pub(crate) fn compare<T>(harness: &mut Harness<'_, T>, name: &str) {
    let _drawing = drawing();
    let image = harness.render().unwrap_or_else(|error| panic!("{error}"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    if let Err(error) = try_image_snapshot_options(&image, name, &options(folder)) {
        panic!("{error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui;
    use image::RgbaImage;

    /// A small panel; `shift` offsets a button, `all` shows it.
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
    fn rasterizer_noise_passes_but_moved_missing_and_renamed_widgets_fail() {
        if !can_draw() || std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let accepted = panel(0.0, true, "Neighboring spots overlap");
        accepted.save(folder.path().join("panel.png")).unwrap();
        let verdict = |image: &RgbaImage| {
            try_image_snapshot_options(image, "panel", &options(folder.path().to_path_buf())).is_ok()
        };
        assert!(verdict(&panel(0.0, true, "Neighboring spots overlap")));
        let mut noisy = accepted.clone();
        for (index, pixel) in noisy.pixels_mut().enumerate() {
            let off = [3, -2, 0, 4, -4][index % 5];
            pixel.0[..3].iter_mut().for_each(|value| *value = value.saturating_add_signed(off));
        }
        assert!(verdict(&noisy), "small level differences are noise");
        assert!(!verdict(&panel(1.0, true, "Neighboring spots overlap")), "moved by a point");
        assert!(!verdict(&panel(0.0, false, "Neighboring spots overlap")), "a button is missing");
        assert!(!verdict(&panel(0.0, true, "Neighboring spots overlaps")), "one more letter");
    }
}
