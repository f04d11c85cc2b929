//! The strip of the diagnosis: trials with pictures and misfits; a click applies the settings of one.

use crate::session::{Action, OpenDataset, State};
use crate::ui::theme;
use crate::ui::widgets::{elided, spinner};
use crate::worker::message::{Control, Diagnosis, JobKind, Thumbnail, Trial};
use eframe::egui::{self, Color32, ColorImage, Frame, RichText, ScrollArea, Stroke, TextureHandle, Ui, vec2};

/// Side of a picture, points.
const SIDE: f32 = 92.0;
/// Maximum letters of a name below a picture.
const LETTERS: usize = 24;

/// Pictures of the trials on the graphics device.
#[derive(Default)]
pub(super) struct Strip {
    /// Number of the job, and its pictures.
    pictures: (u64, Vec<TextureHandle>),
}

impl Strip {
    /// Draws the button and, after its use, the trials.
    pub(super) fn show(&mut self, ui: &mut Ui, state: &State, dataset: &OpenDataset, actions: &mut Vec<Action>) {
        let running = state.is_busy() && state.job.is(JobKind::Diagnose);
        let own =
            state.job.is(JobKind::Diagnose) && state.job.dataset.as_ref().is_none_or(|of| of.path == dataset.path);
        ui.horizontal_wrapped(|ui| {
            if running && own {
                spinner(ui);
                let percent = 100.0 * state.job.progress.fraction;
                ui.label(format!("Diagnosing, {} trials so far, {percent:.0} %", state.job.trials.len()));
                if ui.button("Stop").on_hover_text("End the trials; those done so far stay").clicked() {
                    actions.push(Action::Steer(Control::Stop));
                }
                return;
            }
            let reason = state.why_not_diagnose();
            let button = ui.add_enabled(reason.is_none(), egui::Button::new("Diagnose"));
            let help = "Quick trials on some patterns: unit, mask, orientation, scale of the positions, patterns left out, \
                        positions and probe refined, more modes, probe searched. Each is judged by patterns left out of its fit";
            let button = button.on_hover_text(help).on_disabled_hover_text(reason.unwrap_or_default());
            if button.clicked() {
                actions.push(Action::Diagnose);
            }
            if !own || state.job.trials.is_empty() {
                ui.weak("Finds out why a scan gives no picture");
            } else {
                let trials = &state.job.trials;
                let text = match Diagnosis::best_of(trials).and_then(|best| trials.get(best)) {
                    Some(best) => format!("“{}” helps most", best.name),
                    None => "No trial is clearly better than the data as they are".to_owned(),
                };
                ui.label(RichText::new(text).strong());
            }
        });
        if own && !state.job.trials.is_empty() {
            self.trials(ui, state, actions);
        }
    }

    fn trials(&mut self, ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
        let trials = &state.job.trials;
        if self.pictures.0 != state.job.job {
            self.pictures = (state.job.job, Vec::new());
        }
        for (number, trial) in trials.iter().enumerate().skip(self.pictures.1.len()) {
            self.pictures.1.push(texture(ui, number, &trial.picture));
        }
        let best = Diagnosis::best_of(trials);
        ScrollArea::horizontal().id_salt("trials").max_height(SIDE + 72.0).show(ui, |ui| {
            ui.horizontal_top(|ui| {
                for (number, (trial, picture)) in trials.iter().zip(&self.pictures.1).enumerate() {
                    card(ui, state, trial, picture, best == Some(number), actions);
                }
            });
        });
    }
}

/// One trial: picture, name, misfit relative to the data as they are, and the button that applies it.
fn card(ui: &mut Ui, state: &State, trial: &Trial, picture: &TextureHandle, best: bool, actions: &mut Vec<Action>) {
    let palette = theme::palette(ui);
    let color = if best { palette.good } else { ui.visuals().widgets.noninteractive.bg_stroke.color };
    Frame::group(ui.style()).stroke(Stroke::new(if best { 2.0 } else { 1.0 }, color)).inner_margin(4).show(ui, |ui| {
        ui.vertical(|ui| {
            ui.set_width(SIDE + 34.0);
            ui.spacing_mut().item_spacing.y = 2.0;
            let size = picture.size_vec2();
            let shown = size * (SIDE / size.x.max(size.y).max(1.0));
            let about = format!(
                "{}\nMisfit of patterns left out {:.4}, of those fitted {:.4}\n{}",
                trial.name,
                trial.held_out_misfit,
                trial.misfit,
                trial.arguments()
            );
            ui.allocate_ui(vec2(SIDE + 34.0, SIDE), |ui| {
                ui.set_min_size(vec2(SIDE + 34.0, SIDE));
                ui.vertical_centered(|ui| {
                    ui.add(egui::Image::new((picture.id(), shown)).alt_text(trial.name.clone())).on_hover_text(about);
                });
            });
            ui.label(RichText::new(elided(&trial.name, LETTERS)).small());
            let better = match trial.relative {
                r if r < 0.85 => palette.good,
                r if r > 1.15 => palette.weak,
                _ => ui.visuals().text_color(),
            };
            ui.horizontal(|ui| {
                ui.label(RichText::new(format!("{:.2}", trial.relative)).color(better).strong()).on_hover_text(
                    "Unexplained part of patterns left out of the fit, relative to the data as they are",
                );
                if trial.settings.is_empty() {
                    return;
                }
                let applied = trial
                    .settings
                    .iter()
                    .all(|(path, value)| state.draft.config().get(path).is_ok_and(|now| now == *value));
                let button =
                    ui.add_enabled(!applied, egui::Button::new(if applied { "Applied" } else { "Apply" }).small());
                button.widget_info(|| {
                    egui::WidgetInfo::labeled(egui::Role::Button, !applied, format!("Apply {}", trial.name))
                });
                if button.on_hover_text(trial.arguments()).clicked() {
                    actions
                        .push(Action::SetFields { label: trial.name.to_lowercase(), fields: trial.settings.clone() });
                }
            });
        });
    });
}

fn texture(ui: &Ui, number: usize, picture: &Thumbnail) -> TextureHandle {
    let pixels = picture.gray.iter().map(|gray| Color32::from_gray(*gray)).collect();
    let image = ColorImage::new(picture.size, pixels);
    ui.ctx().load_texture(format!("trial {number}"), image, egui::TextureOptions::NEAREST)
}
