//! Version, renderer, devices and licenses.

use crate::session::State;
use crate::ui::theme;
use crate::ui::widgets::escape_pressed;
use eframe::egui::{self, RichText, ScrollArea, TextEdit};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// All crates in the program, one per line: name, version and license, separated by tabs.
pub(in crate::ui) const LICENSES: &str = include_str!("../../../assets/licenses.txt");

/// License texts of the libraries and fonts in the program, each below a line with names and versions.
const LICENSE_TEXTS: &str = include_str!("../../../assets/license_texts.txt");

/// License texts of each library in the program, by name and version.
static TEXTS: LazyLock<BTreeMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let mut texts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let sections =
        LICENSE_TEXTS.split("\n================================================================================\n");
    for (names, text) in sections.skip(1).filter_map(|section| section.split_once("\n\n")) {
        names.split(", ").for_each(|library| texts.entry(library).or_default().push(text.trim_end()));
    }
    texts
});

/// The "About" window.
#[derive(Default)]
pub struct About {
    open: bool,
    licenses_open: bool,
    search: String,
    /// Name and version of the library whose license texts are displayed.
    library: Option<String>,
    icon: Option<egui::TextureHandle>,
    version: String,
    machine: String,
    renderer: String,
}

/// Name, version and license of each crate, in order.
pub fn crates() -> impl Iterator<Item = [&'static str; 3]> {
    LICENSES.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut parts = line.split('\t');
        Some([parts.next()?, parts.next()?, parts.next()?])
    })
}

impl About {
    /// Determines renderer and machine.
    pub fn new(creation: &eframe::CreationContext<'_>) -> Self {
        let renderer = match &creation.wgpu_render_state {
            Some(state) => {
                let info = state.adapter.get_info();
                format!("{} ({}, {})", info.name, info.backend, info.driver)
            }
            None => "OpenGL".to_owned(),
        };
        let machine = format!(
            "system    {} {}\nthreads   {}",
            std::env::consts::OS,
            std::env::consts::ARCH,
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        );
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), machine, renderer, ..Self::default() }
    }

    /// Shows the window from the next frame on.
    pub fn open(&mut self) {
        self.open = true;
    }

    /// Renderer of the window: adapter, backend and driver.
    pub fn renderer(&self) -> &str {
        &self.renderer
    }

    /// Draws the window if it is open.
    pub fn show(&mut self, context: &egui::Context, state: &State) {
        let diagnostics = self.diagnostics(state);
        let (mut open, mut licenses_open) = (self.open, self.licenses_open);
        if open && self.icon.is_none() {
            let icon = crate::ui::icon();
            let size = [icon.width as usize, icon.height as usize];
            let image = egui::ColorImage::from_rgba_unmultiplied(size, &icon.rgba);
            self.icon = Some(context.load_texture("icon", image, egui::TextureOptions::LINEAR));
        }
        let Some(icon) = &self.icon else { return };
        let middle = context.content_rect().center();
        let window = egui::Window::new("About Ptychoscope").pivot(egui::Align2::CENTER_CENTER).default_pos(middle);
        window.open(&mut open).collapsible(false).resizable(false).show(context, |ui| {
            ui.set_min_width(460.0);
            ui.horizontal(|ui| {
                ui.add(egui::Image::new((icon.id(), egui::Vec2::splat(52.0))));
                ui.vertical(|ui| {
                    ui.add_space(4.0);
                    ui.label(RichText::new(format!("Ptychoscope {}", self.version)).heading());
                    ui.label("Physics-informed neural ptychography");
                });
            });
            ui.add_space(8.0);
            ui.label(RichText::new(&diagnostics).monospace().size(11.0));
            ui.add_space(6.0);
            ui.label("License: MIT or Apache-2.0, at your option");
            ui.label("Example dataset (Siemens star): BSD-3-Clause, © 2018 UChicago Argonne, LLC");
            ui.add_space(6.0);
            ui.horizontal(|ui| {
                if ui.button("Copy diagnostics").clicked() {
                    ui.ctx().copy_text(diagnostics.clone());
                }
                let help = format!("Licenses of the {} libraries in this program", crates().count());
                if ui.button("Library licenses…").on_hover_text(help).clicked() {
                    licenses_open = true;
                }
            });
        });
        egui::Window::new("Library licenses")
            .open(&mut licenses_open)
            .collapsible(false)
            .default_size([560.0, 420.0])
            .pivot(egui::Align2::CENTER_CENTER)
            .default_pos(middle)
            .show(context, |ui| self.licenses(ui));
        // Escape closes the window in front first.
        if (open || licenses_open) && escape_pressed(context) && self.library.take().is_none() {
            (open, licenses_open) = (open && licenses_open, false);
        }
        (self.open, self.licenses_open) = (open, licenses_open);
    }

    fn licenses(&mut self, ui: &mut egui::Ui) {
        if let Some(library) = self.library.clone() {
            return self.license_texts(ui, &library);
        }
        let palette = theme::palette(ui);
        let search = self.search.to_lowercase();
        let found: Vec<[&str; 3]> = crates()
            .filter(|parts| search.is_empty() || parts.iter().any(|part| part.to_lowercase().contains(&search)))
            .collect();
        ui.horizontal(|ui| {
            let label = ui.label("Search");
            let field = TextEdit::singleline(&mut self.search).desired_width(200.0).hint_text("Name or license");
            ui.add(field).labelled_by(label.id);
            let count = if found.len() == 1 { "1 library".to_owned() } else { format!("{} libraries", found.len()) };
            ui.label(RichText::new(count).color(palette.weak));
            if ui.button("Copy list").clicked() {
                ui.ctx().copy_text(LICENSES.to_owned());
            }
        });
        ui.separator();
        let height = ui.text_style_height(&egui::TextStyle::Body);
        ScrollArea::vertical().auto_shrink([false, false]).show_rows(ui, height, found.len(), |ui, rows| {
            for [name, version, license] in found.get(rows).unwrap_or_default() {
                ui.horizontal(|ui| {
                    let wide = 0.5 * ui.available_width();
                    ui.allocate_ui_with_layout(
                        egui::vec2(wide, height),
                        egui::Layout::left_to_right(egui::Align::Center),
                        |ui| {
                            ui.set_min_width(wide);
                            let library = format!("{name} {version}");
                            if !TEXTS.contains_key(library.as_str()) {
                                ui.label(*name).on_hover_text("Not part of the program on this system");
                            } else if ui.link(*name).on_hover_text("Show the license text").clicked() {
                                self.library = Some(library);
                            }
                            ui.label(RichText::new(*version).small().color(palette.weak));
                        },
                    );
                    ui.add(egui::Label::new(RichText::new(*license).color(palette.weak)).truncate());
                });
            }
        });
    }

    fn license_texts(&mut self, ui: &mut egui::Ui, library: &str) {
        let text = TEXTS.get(library).map(|texts| texts.join("\n\n\n")).unwrap_or_default();
        ui.horizontal(|ui| {
            if ui.button("All libraries").clicked() {
                self.library = None;
            }
            if ui.button("Copy text").clicked() {
                ui.ctx().copy_text(text.clone());
            }
            ui.strong(library);
        });
        ui.separator();
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            ui.add(egui::Label::new(RichText::new(text).monospace().size(11.0)).wrap());
        });
    }

    fn diagnostics(&self, state: &State) -> String {
        let device = state.job.device.as_ref().map_or_else(
            || "chosen when a job starts".to_owned(),
            |device| format!("{} ({}, {})", device.name, device.backend, device.driver),
        );
        let mut text =
            format!("version   {}\n{}\nwindow    {}\ntraining  {device}", self.version, self.machine, self.renderer);
        for device in state.devices.iter().flatten() {
            let usable = if device.usable { "" } else { ", cannot train" };
            let (name, backend, driver, kind) = (&device.name, &device.backend, &device.driver, device.kind.label());
            text += &format!("\ndevice    {name} ({backend}, {driver}, {kind}{usable})");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::panels::harness::device;
    use crate::ui::widgets::snapshots;
    use crate::worker::message::AdapterKind;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable;

    fn about() -> About {
        About {
            open: true,
            version: "1.2.3".to_owned(),
            machine: "system    linux x86_64\nthreads   8".to_owned(),
            renderer: "Some Card (Vulkan, some driver)".to_owned(),
            ..About::default()
        }
    }

    fn harness(theme: egui::Theme) -> Harness<'static, About> {
        let devices = vec![device("Some Card", AdapterKind::Discrete), device("Some CPU", AdapterKind::Cpu)];
        let state = State { devices: Some(devices), ..State::default() };
        let mut harness = Harness::builder()
            .with_size([640.0, 520.0])
            .with_theme(theme)
            .with_context_setup(theme::install)
            .build_ui_state(move |ui, about: &mut About| about.show(ui.ctx(), &state), about());
        harness.run_ok();
        harness
    }

    #[test]
    fn about_names_version_devices_and_licenses_and_copies_them() {
        let mut window = harness(egui::Theme::Dark);
        window.get_by_label("Ptychoscope 1.2.3");
        window.get_by_label_contains("device    Some Card (vulkan, a driver, discrete GPU)");
        window.get_by_label("Copy diagnostics").click();
        window.run_ok();
        let copied = window.output().platform_output.commands.iter().any(
            |command| matches!(command, egui::OutputCommand::CopyText(text) if text.contains("window    Some Card")),
        );
        assert!(copied || window.state().diagnostics(&State::default()).contains("window    Some Card"));
        window.get_by_label("Library licenses…").click();
        window.run_ok();
        window.get_by_label("Copy list");
        window.get_by_label("Search").focus();
        window.run_ok();
        window.get_by_role_and_label(egui::accesskit::Role::TextInput, "Search").type_text("egui_plot");
        window.run_ok();
        window.get_by_label("1 library");
        window.get_by_label("MIT OR Apache-2.0");
        window.get_by_label("egui_plot").click();
        window.run_ok();
        window.get_by_label_contains("TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION");
        window.key_press(egui::Key::Escape);
        window.run_ok();
        window.get_by_label("Copy list");
        window.key_press(egui::Key::Escape);
        window.run_ok();
        assert!(window.query_by_label("Copy list").is_none() && window.query_by_label("Copy diagnostics").is_some());
        window.key_press(egui::Key::Escape);
        window.run_ok();
        assert!(window.query_by_label("Copy diagnostics").is_none());
    }

    #[test]
    fn every_library_has_a_name_a_version_and_a_license() {
        assert!(crates().count() > 300, "{}", crates().count());
        for [name, version, license] in crates() {
            assert!(!name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit()), "{name} {version}");
            assert!(!license.is_empty(), "{name} has no license");
        }
        let fonts = &TEXTS["epaint_default_fonts 0.37.0"];
        assert!(fonts.iter().any(|text| text.contains("SIL OPEN FONT LICENSE")), "{}", fonts.len());
    }

    #[test]
    fn the_about_window_looks_as_accepted() {
        if !snapshots::can_draw() {
            return;
        }
        for (theme, end) in snapshots::THEMES {
            snapshots::compare(&mut harness(theme), &format!("about-{end}"));
        }
    }
}
