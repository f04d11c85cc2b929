//! What goes wrong in a training, in plain words, with advice.

use crate::session::{CurvePoint, Session, Status};
use crate::ui::widgets::loss_plot::short;
use crate::worker::message::JobOutcome;

/// Steps before which nothing is said about the loss or the object: a network has to begin somewhere.
const EARLY_STEPS: usize = 100;
/// Reports over which a loss is judged, by their median: one bad batch is no explosion.
const WINDOW: usize = 5;
/// How far above its lowest the loss has to be.
const EXPLODED: f64 = 4.0;
/// Spread of the amplitude, over its median, below which a picture is flat.
const FLAT: f64 = 0.02;

/// Something that a person should act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alarm {
    /// Whether the result is lost, or only in danger.
    pub grave: bool,
    /// What is wrong.
    pub title: &'static str,
    /// What to do.
    pub advice: String,
}

/// The alarms of a training. `flatness` is the spread of the newest picture's amplitude over its median, and the step at
/// which it was taken.
pub(super) fn alarms(job: &Session, learning_rate: f64, flatness: Option<(f64, usize)>) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    let nan = job.status == Status::Finished(JobOutcome::RestoredAfterNan)
        || job.progress.loss.is_some_and(|loss| !loss.is_finite())
        || job.history.iter().any(|point| !point.train_loss.is_finite());
    if nan {
        alarms.push(Alarm {
            grave: true,
            title: "The loss is no longer a number",
            advice: format!(
                "The last good weights are kept. Try a learning rate of {} instead of {}, more warm-up steps, \
                 or gradient clipping; look for saturated or negative pixels in the data.",
                short(learning_rate / 3.0),
                short(learning_rate)
            ),
        });
    } else if let Some(times) = exploded(&job.curve) {
        alarms.push(Alarm {
            grave: true,
            title: "The loss has exploded",
            advice: format!(
                "It is {times:.0} times its lowest value and may not come back. Stop now, then try a learning rate of {} \
                 instead of {} or a smaller limit for the gradient norm. The weights of the best epoch are kept.",
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
            grave: false,
            title: "The amplitude is flat",
            advice: format!(
                "It varies by {:.1} % over the picture. For a pure phase object this is right; otherwise the network has not \
                 found the object. Check the probe and the unit of the diffraction, or give it more time.",
                100.0 * spread
            ),
        });
    }
    alarms
}

/// How many times its lowest value the loss is, if that is alarming. Losses are judged by medians of a few reports.
fn exploded(curve: &[CurvePoint]) -> Option<f64> {
    let first = curve.partition_point(|point| point.step < EARLY_STEPS);
    let losses: Vec<f64> = curve.get(first..)?.iter().map(|point| point.loss).filter(|loss| loss.is_finite()).collect();
    let median = |window: &[f64]| {
        let mut sorted = window.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let last = median(losses.windows(WINDOW).next_back()?);
    let lowest = losses.windows(WINDOW).map(median).fold(f64::INFINITY, f64::min);
    (lowest > 0.0 && last > EXPLODED * lowest).then(|| last / lowest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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

    fn titles(job: &Session, flatness: Option<(f64, usize)>) -> Vec<&'static str> {
        alarms(job, 1e-3, flatness).into_iter().map(|alarm| alarm.title).collect()
    }

    #[test]
    fn a_falling_noisy_loss_raises_no_alarm() {
        let noisy = (0..200).map(|i| 10.0 / f64::from(1 + i) * if i % 7 == 0 { 2.5 } else { 1.0 });
        let job = Session { curve: curve(noisy), ..Session::default() };
        assert!(titles(&job, Some((0.3, 500))).is_empty());
    }

    #[test]
    fn one_bad_batch_is_no_explosion_but_a_climb_is() {
        let spike = (0..100).map(|i| if i == 99 { 90.0 } else { 1.0 });
        assert!(titles(&Session { curve: curve(spike), ..Session::default() }, None).is_empty());
        let climb = (0..100).map(|i| if i > 60 { 1.3f64.powi(i - 60) } else { 1.0 });
        let job = Session { curve: curve(climb), ..Session::default() };
        assert_eq!(titles(&job, None), ["The loss has exploded"]);
        let first_steps_high = (0..20).map(|i| if i < 4 { 1.0 } else { 50.0 });
        assert!(titles(&Session { curve: curve(first_steps_high), ..Session::default() }, None).is_empty());
    }

    #[test]
    fn a_loss_that_is_not_a_number_is_said_with_a_smaller_learning_rate() {
        let job = Session { progress: Progress { loss: Some(f64::NAN), ..Progress::default() }, ..Session::default() };
        let found = alarms(&job, 3e-3, None);
        assert_eq!(found.len(), 1);
        assert!(found[0].grave && found[0].advice.contains("0.00100 instead of 0.00300"), "{}", found[0].advice);
        let restored = Session { status: Status::Finished(JobOutcome::RestoredAfterNan), ..Session::default() };
        assert_eq!(titles(&restored, None), ["The loss is no longer a number"]);
    }

    #[test]
    fn a_flat_picture_is_said_once_the_network_had_time() {
        let job = Session::default();
        assert_eq!(titles(&job, Some((0.004, 400))), ["The amplitude is flat"]);
        assert!(titles(&job, Some((0.004, 20))).is_empty());
    }
}
