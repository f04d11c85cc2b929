//! Problems of a training, in plain words, with advice.

use crate::session::{CurvePoint, JobProgress, Status};
use crate::ui::widgets::loss_plot::short;
use crate::worker::message::JobOutcome;

/// Number of steps before loss and object are judged.
const EARLY_STEPS: usize = 100;
/// Number of reports whose median is judged: a single bad batch is not divergence.
const WINDOW: usize = 5;
/// Ratio of the loss to its minimum above which the training has diverged.
const DIVERGED: f64 = 4.0;
/// Spread of the amplitude, relative to its median, below which an image is flat.
const FLAT: f64 = 0.02;

/// A problem that the user should act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alarm {
    /// True if the training has failed, false for a warning.
    pub severe: bool,
    /// Name of the problem.
    pub title: &'static str,
    /// Suggested remedy.
    pub advice: String,
}

/// Alarms of a training. `flatness` is the spread of the amplitude in the newest image, relative to its median, and the
/// step of that image.
pub(super) fn alarms(job: &JobProgress, learning_rate: f64, flatness: Option<(f64, usize)>) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    let nan = job.status == Status::Finished(JobOutcome::RestoredAfterNan)
        || job.progress.loss.is_some_and(|loss| !loss.is_finite())
        || job.history.iter().any(|point| !point.train_loss.is_finite());
    if nan {
        alarms.push(Alarm {
            severe: true,
            title: "The loss is NaN",
            advice: format!(
                "The last good weights are restored. Try a learning rate of {} instead of {}, more warm-up steps \
                 or gradient clipping, and check the data for saturated or negative pixels.",
                short(learning_rate / 3.0),
                short(learning_rate)
            ),
        });
    } else if let Some(times) = divergence(&job.curve) {
        alarms.push(Alarm {
            severe: true,
            title: "The training has diverged",
            advice: format!(
                "The loss is {times:.0} times its minimum and may not recover. Stop now, then try a learning rate of {} \
                 instead of {}, or a lower limit for the gradient norm. The weights of the best epoch are kept.",
                short(learning_rate / 3.0),
                short(learning_rate)
            ),
        });
    }
    if let Some((spread, step)) = flatness
        && spread < FLAT
        && step >= EARLY_STEPS
    {
        alarms.push(Alarm {
            severe: false,
            title: "The amplitude is flat",
            advice: format!(
                "It varies by only {:.1} %. This is expected for a pure phase object; otherwise the network has not found \
                 the object yet. Check the probe and the unit of the diffraction data, or train longer.",
                100.0 * spread
            ),
        });
    }
    alarms
}

/// Ratio of the loss to its minimum if the training has diverged. Both are medians of a few reports.
fn divergence(curve: &[CurvePoint]) -> Option<f64> {
    let first = curve.partition_point(|point| point.step < EARLY_STEPS);
    let losses: Vec<f64> = curve.get(first..)?.iter().map(|point| point.loss).filter(|loss| loss.is_finite()).collect();
    let median = |window: &[f64]| {
        let mut sorted = window.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let last = median(losses.windows(WINDOW).next_back()?);
    let lowest = losses.windows(WINDOW).map(median).fold(f64::INFINITY, f64::min);
    (lowest > 0.0 && last > DIVERGED * lowest).then(|| last / lowest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::message::Progress;

    fn curve(losses: impl IntoIterator<Item = f64>) -> Vec<CurvePoint> {
        let point = |(index, loss)| CurvePoint {
            step: 20 * index,
            elapsed_s: index as f64,
            loss,
            learning_rate: 1e-3,
            gradient_norm: 1.0,
        };
        losses.into_iter().enumerate().map(point).collect()
    }

    fn titles(job: &JobProgress, flatness: Option<(f64, usize)>) -> Vec<&'static str> {
        alarms(job, 1e-3, flatness).into_iter().map(|alarm| alarm.title).collect()
    }

    #[test]
    fn a_falling_noisy_loss_raises_no_alarm() {
        let noisy = (0..200).map(|i| 10.0 / f64::from(1 + i) * if i % 7 == 0 { 2.5 } else { 1.0 });
        let job = JobProgress { curve: curve(noisy), ..JobProgress::default() };
        assert!(titles(&job, Some((0.3, 500))).is_empty());
    }

    #[test]
    fn one_bad_batch_is_no_divergence_but_a_climb_is() {
        let spike = (0..100).map(|i| if i == 99 { 90.0 } else { 1.0 });
        assert!(titles(&JobProgress { curve: curve(spike), ..JobProgress::default() }, None).is_empty());
        let climb = (0..100).map(|i| if i > 60 { 1.3f64.powi(i - 60) } else { 1.0 });
        let job = JobProgress { curve: curve(climb), ..JobProgress::default() };
        assert_eq!(titles(&job, None), ["The training has diverged"]);
        let first_steps_high = (0..20).map(|i| if i < 4 { 1.0 } else { 50.0 });
        assert!(titles(&JobProgress { curve: curve(first_steps_high), ..JobProgress::default() }, None).is_empty());
    }

    #[test]
    fn a_nan_loss_is_reported_with_a_smaller_learning_rate() {
        let job = JobProgress {
            progress: Progress { loss: Some(f64::NAN), ..Progress::default() },
            ..JobProgress::default()
        };
        let found = alarms(&job, 3e-3, None);
        assert_eq!(found.len(), 1);
        assert!(found[0].severe && found[0].advice.contains("0.00100 instead of 0.00300"), "{}", found[0].advice);
        let restored = JobProgress { status: Status::Finished(JobOutcome::RestoredAfterNan), ..JobProgress::default() };
        assert_eq!(titles(&restored, None), ["The loss is NaN"]);
    }

    #[test]
    fn a_flat_image_is_reported_after_the_first_steps() {
        let job = JobProgress::default();
        assert_eq!(titles(&job, Some((0.004, 400))), ["The amplitude is flat"]);
        assert!(titles(&job, Some((0.004, 20))).is_empty());
    }
}
