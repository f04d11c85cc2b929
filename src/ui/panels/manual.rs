//! The manual in a window: the pages of `assets/manual` with their pictures.

use crate::ui::widgets::{escape_pressed, markdown};
use eframe::egui::{self, Context, ScrollArea, TextureHandle, TextureOptions, Ui, vec2};
use std::collections::BTreeMap;

/// File name, title and text of each page.
const PAGES: [(&str, &str, &str); 11] = [
    ("getting-started.md", "Getting started", include_str!("../../../assets/manual/getting-started.md")),
    ("window.md", "The window", include_str!("../../../assets/manual/window.md")),
    ("data.md", "Data", include_str!("../../../assets/manual/data.md")),
    ("methods.md", "Methods", include_str!("../../../assets/manual/methods.md")),
    ("configuration.md", "Configuration", include_str!("../../../assets/manual/configuration.md")),
    ("results.md", "Results", include_str!("../../../assets/manual/results.md")),
    ("troubleshooting.md", "Troubleshooting", include_str!("../../../assets/manual/troubleshooting.md")),
    ("performance.md", "Performance", include_str!("../../../assets/manual/performance.md")),
    ("command-line.md", "Command line", include_str!("../../../assets/manual/command-line.md")),
    ("python.md", "Python", include_str!("../../../assets/manual/python.md")),
    ("ptychopinn.md", "PtychoPINN and Ptychodus", include_str!("../../../assets/manual/ptychopinn.md")),
];
/// Pictures that the pages show, by file name.
const PICTURES: [(&str, &[u8]); 5] = [
    ("data-dark.png", include_bytes!("../../../tests/snapshots/data-dark.png")),
    ("configure-dark.png", include_bytes!("../../../tests/snapshots/configure-dark.png")),
    ("train-running-dark.png", include_bytes!("../../../tests/snapshots/train-running-dark.png")),
    ("result-dark.png", include_bytes!("../../../tests/snapshots/result-dark.png")),
    ("runs-dark.png", include_bytes!("../../../tests/snapshots/runs-dark.png")),
];

/// State of the window.
#[derive(Default)]
pub struct Manual {
    open: bool,
    page: usize,
    pictures: BTreeMap<String, Option<TextureHandle>>,
}

impl Manual {
    /// Opens the window.
    pub fn open(&mut self) {
        self.open = true;
    }

    /// Draws the window while it is open.
    pub fn show(&mut self, context: &Context) {
        if !self.open {
            return;
        }
        let mut open = true;
        let screen = context.content_rect().size();
        egui::Window::new("Manual")
            .open(&mut open)
            .default_size(vec2((0.8 * screen.x).min(980.0), 0.8 * screen.y))
            .default_pos(egui::pos2(0.1 * screen.x, 0.08 * screen.y))
            .show(context, |ui| {
                ui.horizontal_top(|ui| {
                    ui.vertical(|ui| {
                        ui.set_width(180.0);
                        for (number, (_, title, _)) in PAGES.iter().enumerate() {
                            ui.selectable_value(&mut self.page, number, *title);
                        }
                    });
                    ui.separator();
                    let page = self.page;
                    ui.vertical(|ui| {
                        let area =
                            ScrollArea::vertical().id_salt(("page of the manual", page)).auto_shrink([false, false]);
                        area.show(ui, |ui| self.page(ui));
                    });
                });
            });
        self.open = open && !escape_pressed(context);
    }

    fn page(&mut self, ui: &mut Ui) {
        let Some((_, _, text)) = PAGES.get(self.page) else { return };
        let pictures = &mut self.pictures;
        let clicked = markdown::show(ui, text, &mut |ui, name, path| picture(ui, pictures, name, path));
        let Some(target) = clicked else { return };
        let file = target.split('#').next().unwrap_or_default();
        match PAGES.iter().position(|(known, ..)| file.ends_with(known)) {
            Some(page) => self.page = page,
            None if target.starts_with("http") => ui.ctx().open_url(egui::OpenUrl::new_tab(&target)),
            None => ui.ctx().copy_text(target),
        }
    }
}

fn picture(ui: &mut Ui, known: &mut BTreeMap<String, Option<TextureHandle>>, name: &str, path: &str) {
    let file = path.rsplit('/').next().unwrap_or(path);
    let texture = known.entry(file.to_owned()).or_insert_with(|| {
        let (_, bytes) = PICTURES.iter().find(|(known, _)| *known == file)?;
        let image = image::load_from_memory(bytes).ok()?.to_rgba8();
        let size = [image.width() as usize, image.height() as usize];
        let pixels = egui::ColorImage::from_rgba_unmultiplied(size, image.as_raw());
        Some(ui.ctx().load_texture(file, pixels, TextureOptions::LINEAR))
    });
    if let Some(texture) = texture {
        let width = ui.available_width().min(texture.size_vec2().x);
        let size = texture.size_vec2() * (width / texture.size_vec2().x);
        ui.add(egui::Image::new((texture.id(), size)).alt_text(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_of_the_manual_is_listed_and_every_picture_is_there() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/manual");
        let names = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
        let mut pages: Vec<String> = names.filter(|name| name != "README.md").collect();
        pages.sort();
        let mut listed: Vec<&str> = PAGES.iter().map(|(name, ..)| *name).collect();
        listed.sort_unstable();
        assert_eq!(pages, listed);
        for (page, _, text) in PAGES {
            for path in text.lines().filter_map(|line| line.strip_prefix("![")?.strip_suffix(')')?.split_once("](")) {
                let file = path.1.rsplit('/').next().unwrap();
                assert!(PICTURES.iter().any(|(known, _)| *known == file), "{page}: {file}");
            }
        }
    }
}
