//! The progress of a job on standard error: a bar on a terminal, an occasional line in a log file.

use super::console::print_message;
use crate::session::JobProgress;
use crate::worker::message::{EventKind, Progress, Stage};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Resolution of the bar.
const TICKS: u64 = 1000;
/// Time between lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Display of the progress of a job.
pub(super) struct ProgressView {
    bar: ProgressBar,
    terminal: bool,
    last_line: Option<Instant>,
}

impl ProgressView {
    /// A view on standard error, or one that draws nothing.
    pub(super) fn new(visible: bool) -> Self {
        let terminal = visible && std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr_with_hz(8) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(TICKS), target);
        let style = ProgressStyle::with_template("{prefix:>14} [{bar:30}] {percent:>3} % {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Self { bar, terminal, last_line: (!visible).then(Instant::now) }
    }

    /// Updates the bar from an event, or prints a line if there is no terminal and the last one is old enough.
    pub(super) fn show(&mut self, session: &JobProgress, kind: &EventKind) {
        match kind {
            EventKind::Stage { stage } => {
                self.bar.set_prefix(stage.label());
                self.bar.set_position(0);
                self.bar.set_message("");
                if self.terminal {
                    self.bar.tick();
                }
            }
            EventKind::Progress(progress) => {
                let message = describe(progress, session);
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                self.bar.set_position((progress.fraction.clamp(0.0, 1.0) * TICKS as f64) as u64);
                let due = self.last_line.is_none_or(|last| last.elapsed() >= LINE_INTERVAL);
                if !self.terminal && due && !self.bar.is_finished() {
                    self.last_line = Some(Instant::now());
                    let stage = session.stage.map_or("", Stage::label);
                    print_message(&format!("{stage} {:.0} % {message}", 100.0 * progress.fraction));
                }
                self.bar.set_message(message);
            }
            EventKind::Finished(_) | EventKind::Failed(_) => self.bar.finish_and_clear(),
            _ => {}
        }
    }

    /// Prints a line on standard error, above the bar.
    pub(super) fn line(&self, text: &str) {
        self.bar.suspend(|| print_message(text));
    }
}

/// Epoch, loss, steps per second, time left and device in one line.
fn describe(progress: &Progress, session: &JobProgress) -> String {
    let mut parts = Vec::new();
    if progress.epoch > 0 {
        parts.push(match progress.epochs {
            Some(epochs) => format!("epoch {}/{epochs}", progress.epoch),
            None => format!("epoch {}", progress.epoch),
        });
    }
    if let Some(loss) = progress.loss {
        parts.push(format!("loss {loss:.4e}"));
    }
    if let Some(rate) = progress.steps_per_second {
        parts.push(format!("{rate:.1} steps/s"));
    }
    if let Some(remaining) = progress.remaining_s {
        parts.push(format!("{} left", duration(remaining)));
    }
    if let Some(device) = &session.device {
        parts.push(device.name.clone());
    }
    parts.join(", ")
}

/// A duration in seconds, minutes or hours, as is easiest to read.
pub(super) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let whole = seconds.round() as u64;
    match whole {
        0..120 => format!("{whole} s"),
        120..7200 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well_from_tenths_of_seconds_to_hours() {
        let cases = [(0.34, "0.3 s"), (14.6, "15 s"), (119.4, "119 s"), (125.0, "2 min 05 s"), (7260.0, "2 h 01 min")];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn the_line_shows_epoch_loss_speed_and_time_left() {
        let progress = Progress {
            epoch: 3,
            epochs: Some(10),
            loss: Some(1.5),
            steps_per_second: Some(7.04),
            remaining_s: Some(42.0),
            ..Progress::default()
        };
        let line = describe(&progress, &JobProgress::default());
        assert_eq!(line, "epoch 3/10, loss 1.5000e0, 7.0 steps/s, 42 s left");
    }
}
