//! The running or latest job: controls, progress, curves and live preview.

mod alarms;
mod controls;
mod curves;
mod done;
mod movie;
mod picture;
mod progress;

pub(super) use picture::Latest;
pub(super) use progress::{activity, remaining};

use super::{Outbox, method};
use crate::session::{Action, Level, State, Status};
use crate::ui::theme;
use crate::ui::widgets::mark::mark;
use crate::ui::widgets::memory::Memory;
use crate::worker::message::JobKind;
use eframe::egui::{self, Frame, RichText, ScrollArea, Ui};

/// Minimum width, in points, to show curves and images side by side.
const WIDE: f32 = 820.0;

/// Display state of the panel.
#[derive(Default)]
pub struct View {
    controls: controls::Controls,
    curves: curves::Curves,
    pictures: picture::LivePictures,
    memory: Memory,
    plan: done::Plan,
    alarms: Option<(AlarmKey, Vec<alarms::Alarm>)>,
}

/// Cache key of the alarms: job, status, number of reports, last step, number of epochs, learning rate and flatness.
type AlarmKey = (u64, Status, usize, usize, usize, u64, Option<(u64, usize)>);

impl View {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            if state.job.job == 0 && !state.is_busy() {
                done::before(ui, state, &mut self.plan, actions);
            } else {
                self.job(ui, state, outbox, actions);
            }
        });
    }

    fn job(&mut self, ui: &mut Ui, state: &State, outbox: &mut Outbox, actions: &mut Vec<Action>) {
        let bottom = ui.max_rect().bottom();
        ui.horizontal_wrapped(|ui| self.controls.show(ui, state, outbox, actions));
        if !state.is_busy() {
            method::choose(ui, state, actions);
        }
        if state.is_busy() {
            let resident = self.memory.at(ui.input(|input| input.time));
            progress::show(ui, state, resident);
            // Memory and times change even without events.
            ui.ctx().request_repaint_after(std::time::Duration::from_secs(1));
        } else if state.job.has_ended() {
            done::after(ui, state, actions);
        }
        let learning_rate = state.draft.config().training.learning_rate;
        let flatness = self.pictures.flatness(ui.ctx(), state);
        let (job, curve) = (&state.job, &state.job.curve);
        let key = (
            job.job,
            job.status,
            curve.len(),
            curve.last().map_or(0, |point| point.step),
            job.history.len(),
            learning_rate.to_bits(),
            flatness.map(|(spread, step)| (spread.to_bits(), step)),
        );
        // Recomputed only on news, not every frame: a curve is long.
        let alarms = match self.alarms.take() {
            Some((known, alarms)) if known == key => alarms,
            _ => alarms::alarms(job, learning_rate, flatness),
        };
        for alarm in &alarms {
            warn(ui, alarm);
        }
        self.alarms = Some((key, alarms));
        if state.job.is(JobKind::Simulate) || state.job.is(JobKind::Diagnose) {
            return;
        }
        let trained =
            !state.job.curve.is_empty() || !state.job.history.is_empty() || !state.live_pictures.frames().is_empty();
        if !trained && (state.job.is(JobKind::Infer) || state.job.status == Status::Failed) {
            return;
        }
        ui.add_space(4.0);
        let rest = bottom - ui.cursor().top();
        if ui.available_width() >= WIDE {
            let height = rest.max(360.0);
            ui.columns(2, |columns| {
                if let [left, right] = columns {
                    self.curves.show(left, &state.job, height);
                    self.pictures.show(right, state, height, outbox, actions);
                }
            });
        } else {
            self.curves.show(ui, &state.job, 400.0);
            ui.add_space(8.0);
            self.pictures.show(ui, state, 330.0, outbox, actions);
        }
    }
}

fn warn(ui: &mut Ui, alarm: &alarms::Alarm) {
    let palette = theme::palette(ui);
    let level = if alarm.severe { Level::Error } else { Level::Warning };
    let color = palette.level(level);
    Frame::group(ui.style()).stroke(egui::Stroke::new(1.0, color)).inner_margin(8).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_wrapped(|ui| {
            mark(ui, level, 16.0);
            ui.label(RichText::new(alarm.title).color(color).strong());
            ui.label(&alarm.advice);
        });
    });
}

#[cfg(test)]
mod tests;
