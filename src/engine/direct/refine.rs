//! Refinement of the probe, the positions and the intensity of each pattern.

use super::solver::Solver;
use super::wave::{PatternGradient, ShiftNormalEquations};
use ndarray::{Array2, Array3, ArrayView3, Axis};
use num_complex::Complex32;
use rayon::prelude::*;

/// Pull of a held probe towards its anchor, as a fraction of the maximum summed object power.
const PULL: f32 = 0.1;
/// The given modes stay free if they change in a round by more than this multiple of the misfit (both relative to the power
/// of the probe).
const STILL_CHANGING: f64 = 0.7;
/// Added modes count as given if their power exceeds this multiple of the misfit (likewise).
const NEEDED_MODES: f64 = 3.0;
/// Damping of the steps of positions and intensities, since the object moves with them.
const DAMPING: f64 = 0.7;
/// Longest step of a position per epoch, in pixels.
const MAX_STEP: f64 = 0.5;
/// Fraction of the mean curvature added as damping, so that patterns without features do not move.
const STIFFNESS: f64 = 0.05;
/// Range of the amplitude scale of the probe for a pattern.
const SCALE_RANGE: [f32; 2] = [0.5, 2.0];

impl Solver<'_> {
    /// Adds the probe gradients of the patterns, each shifted back from its sub-pixel position, to `sum`.
    pub(super) fn accumulate_probe_gradient(
        &self,
        chunk: &[usize],
        gradients: &[PatternGradient],
        sum: &mut Array3<Complex32>,
    ) {
        let shape = self.probe.dim();
        let moved: Vec<Array3<Complex32>> = chunk
            .par_iter()
            .zip(gradients)
            .map(|(&index, gradient)| {
                let (.., rest) = self.patch_corner(index);
                let gradient =
                    Array3::from_shape_vec(shape, gradient.probe.clone()).unwrap_or_else(|_| Array3::zeros(shape));
                let mut back = self.model.shifted(gradient.view(), [-rest[0], -rest[1]]);
                back.mapv_inplace(|value| value * self.intensity_scales[index]);
                back
            })
            .collect();
        moved.iter().for_each(|gradient| *sum += gradient);
    }

    /// Probe after a step from the extrapolated probe that minimizes the quadratic majorant of misfit and pull.
    pub(super) fn updated_probe(
        &self,
        gradient: &Array3<Complex32>,
        object: &Array2<Complex32>,
        step_size: f32,
    ) -> Array3<Complex32> {
        let mut object_power = Array2::<f32>::zeros((self.side, self.side));
        for (index, scale) in self.intensity_scales.iter().enumerate() {
            let (top, left, _) = self.patch_corner(index);
            let window = object.slice(ndarray::s![top..top + self.side, left..left + self.side]);
            object_power.zip_mut_with(&window, |sum, value| *sum += value.norm_sqr() * scale * scale);
        }
        let largest = object_power.iter().copied().fold(0.0f32, f32::max);
        let floor = self.config.regularization as f32 * largest;
        let mut probe = self.extrapolated_probe.clone();
        let modes = probe.axis_iter_mut(Axis(0)).zip(gradient.axis_iter(Axis(0))).zip(self.anchor.axis_iter(Axis(0)));
        for (number, ((mut mode, gradient), anchor)) in modes.enumerate() {
            let is_free = number < self.given_modes && !self.anchored;
            let pull = if is_free { 0.0 } else { PULL * largest };
            ndarray::Zip::from(&mut mode).and(&gradient).and(&object_power).and(&anchor).for_each(
                |probe, gradient, object_power, anchor| {
                    *probe -= (gradient + (*probe - anchor) * pull) * step_size / (object_power + floor + pull);
                },
            );
        }
        probe
    }

    /// Ends a round of refinement of the probe, and decides whether the given modes are free in the next one.
    ///
    /// They are if they changed by more than most of the remaining misfit: the probe at the start of the round was wrong.
    /// Otherwise the data do not ask for another probe, and further slow changes follow noise and errors of the model: the
    /// probe is held near the one at the start of the round. Added modes that are strong in spite of the pull to zero count
    /// as given from then on.
    ///
    /// * `misfit`: relative to ΣI.
    pub(super) fn end_round(&mut self, misfit: f64) {
        let power = |values: ArrayView3<'_, Complex32>| values.iter().map(|v| f64::from(v.norm_sqr())).sum::<f64>();
        let (given, added) = self.probe.view().split_at(Axis(0), self.given_modes);
        let anchor = self.anchor.slice(ndarray::s![..self.given_modes, .., ..]);
        let allowed = misfit * power(anchor);
        if power(added) > NEEDED_MODES * allowed {
            self.given_modes = self.probe.len_of(Axis(0));
        } else if power((&given - &anchor).view()) <= STILL_CHANGING * allowed {
            self.anchored = true;
            return;
        }
        let free = ndarray::s![..self.given_modes, .., ..];
        self.anchor.slice_mut(free).assign(&self.probe.slice(free));
    }

    /// Restores the total power of the probe, (N/2)², and scales the object inversely.
    pub(super) fn normalize_probe_power(&mut self) {
        let power = (self.side as f32 / 2.0).powi(2);
        let now: f32 = self.probe.iter().map(Complex32::norm_sqr).sum();
        let back = (power / now.max(f32::MIN_POSITIVE)).sqrt();
        for probe in [&mut self.probe, &mut self.previous_probe] {
            probe.mapv_inplace(|value| value * back);
        }
        for object in [&mut self.object, &mut self.previous_object] {
            object.mapv_inplace(|value| value / back);
        }
    }

    /// Normal equations of each pattern for a shift of its probe.
    pub(super) fn shift_normal_equations(&self, object: &Array2<Complex32>) -> Vec<ShiftNormalEquations> {
        (0..self.positions.len())
            .into_par_iter()
            .map(|index| {
                let (.., rest) = self.patch_corner(index);
                let patch = self.patch(object, index);
                self.model.shift_normal_equations(
                    &patch,
                    &self.probe_spectra,
                    rest,
                    self.intensity_scales[index],
                    &self.amplitudes[index],
                )
            })
            .collect()
    }

    /// Corrected positions (x, y): a damped Gauss–Newton step for each pattern, at most half a pixel long, within
    /// `max_shift` of the initial position, and without the common shift, which the patterns do not determine.
    pub(super) fn correct_positions(&self, equations: &[ShiftNormalEquations]) -> Vec<[f64; 2]> {
        let curvature = equations.iter().map(|equation| equation.yy + equation.xx).sum::<f64>()
            / (2 * equations.len()).max(1) as f64;
        let damping = STIFFNESS * curvature + f64::MIN_POSITIVE;
        let step = |equation: &ShiftNormalEquations| {
            let (yy, xx) = (equation.yy + damping, equation.xx + damping);
            let determinant = yy * xx - equation.xy * equation.xy;
            let step = [
                (yy * equation.x - equation.xy * equation.y) / determinant,
                (xx * equation.y - equation.xy * equation.x) / determinant,
            ];
            if step.iter().all(|value| value.is_finite()) { clip_length(step, MAX_STEP) } else { [0.0; 2] }
        };
        let mut shifts: Vec<[f64; 2]> = equations
            .iter()
            .zip(self.positions.iter().zip(self.initial_positions))
            .map(|(equation, (position, initial))| {
                let step = step(equation);
                [0, 1].map(|axis| position[axis] + DAMPING * step[axis] - initial[axis])
            })
            .collect();
        let mean = [0, 1].map(|axis| shifts.iter().map(|shift| shift[axis]).sum::<f64>() / shifts.len().max(1) as f64);
        for shift in &mut shifts {
            *shift = clip_length([shift[0] - mean[0], shift[1] - mean[1]], self.config.max_shift);
        }
        shifts
            .iter()
            .zip(self.initial_positions)
            .map(|(shift, initial)| [initial[0] + shift[0], initial[1] + shift[1]])
            .collect()
    }

    /// Moves the intensity scale of each pattern towards its best fit (damped), keeping the mean intensity at 1.
    ///
    /// * `corrections`: best amplitude scale of each pattern relative to its current one.
    pub(super) fn update_intensity_scales(&mut self, corrections: &[f32]) {
        for (scale, correction) in self.intensity_scales.iter_mut().zip(corrections) {
            let updated = *scale * correction.max(f32::MIN_POSITIVE).powf(DAMPING as f32);
            *scale = if updated.is_finite() { updated.clamp(SCALE_RANGE[0], SCALE_RANGE[1]) } else { *scale };
        }
        let mean = self.intensity_scales.iter().map(|scale| scale * scale).sum::<f32>()
            / self.intensity_scales.len().max(1) as f32;
        let back = mean.max(f32::MIN_POSITIVE).sqrt().recip();
        self.intensity_scales.iter_mut().for_each(|scale| *scale *= back);
    }
}

/// `step` shortened to at most this length.
fn clip_length(step: [f64; 2], longest: f64) -> [f64; 2] {
    let length = step[0].hypot(step[1]);
    if length <= longest { step } else { step.map(|value| value * longest / length) }
}

#[cfg(test)]
mod tests;
