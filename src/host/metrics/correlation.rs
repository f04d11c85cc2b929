//! The project's quality metric: correlation with a known object, independent of the gauge.
//!
//! Ptychography determines an object only up to a global phase and (with an unknown tilt of the probe) a linear phase
//! ramp. Both are fitted and removed before the comparison.

use ndarray::{Array2, ArrayView2};
use num_complex::{Complex32, Complex64};

use super::hull::ConvexHull;
use super::registration::{Normalization, register};
use crate::error::{Problem, Result};
use crate::fourier::{Fft2, Scratch};

/// Steps per pixel of the registration.
const SHIFT_STEPS: usize = 16;

/// Iterations of the ramp fit; it converges in two or three.
const ITERATIONS: usize = 8;

/// Agreement of a reconstruction with a known object inside the convex hull of the scan positions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// Pearson correlation of the phases, −1 to 1; NaN if one of them is constant.
    pub phase: f64,
    /// Pearson correlation of the amplitudes, −1 to 1; NaN if one of them is constant.
    pub amplitude: f64,
    /// Least-squares factor from the amplitude of the reconstruction to that of the truth.
    pub amplitude_scale: f64,
    /// Compared rows of the truth: first, and one past the last.
    pub rows: [usize; 2],
    /// Compared columns of the truth: first, and one past the last.
    pub columns: [usize; 2],
}

/// Correlates a reconstruction with the truth.
///
/// * `reconstruction`: (h, w) complex object; its pixel \[0, 0\] lies at dataset coordinate `origin_xy` = \[x, y\] in
///   pixels. Integer origins are compared pixel by pixel, others after bilinear resampling. Pixels outside are 0.
/// * `truth`: (H, W) complex object; its array indices are dataset coordinates.
/// * `positions`: \[x, y\] of each pattern, pixels. Pixels inside their convex hull are compared: a round scan leaves the
///   corners of its bounding box dark.
///
/// Global phase and linear ramp of the reconstruction are fitted by least squares to `arg(rec·conj(truth))` with
/// weights `|rec·conj(truth)|`, and removed. The compared phase is then `arg(truth) + arg(rec·conj(truth))`, which does
/// not wrap where the two agree.
///
/// # Errors
/// No positions, a scanned area of less than 2 × 2 pixels inside the truth, a reconstruction outside of it, NaN or
/// infinity.
pub fn phase_correlation(
    reconstruction: ArrayView2<'_, Complex32>,
    origin_xy: [f64; 2],
    truth: ArrayView2<'_, Complex32>,
    positions: &[[f64; 2]],
) -> Result<Correlation> {
    let (truth_height, truth_width) = truth.dim();
    let columns = scan_extent(positions.iter().map(|p| p[0]), truth_width);
    let rows = scan_extent(positions.iter().map(|p| p[1]), truth_height);
    let (Some(rows), Some(columns)) = (rows, columns) else {
        return Err(Problem::new(format!(
            "The scan positions span less than 2 × 2 pixels of the object of shape ({truth_height}, {truth_width})"
        ))
        .expected("positions in pixels of that object, [x, y]")
        .hint("Check the unit of the positions and that x and y are not swapped")
        .into());
    };
    if !origin_xy.iter().all(|v| v.is_finite()) {
        return Err(Problem::new("The origin of the reconstruction is not finite").into());
    }

    let shape = (rows[1] - rows[0], columns[1] - columns[0]);
    let target = Array2::from_shape_fn(shape, |(y, x)| {
        widen(truth.get((rows[0] + y, columns[0] + x)).copied().unwrap_or_default())
    });
    let sampler = Bilinear::new(reconstruction, origin_xy);
    let hull = ConvexHull::of(positions);
    let inside = Array2::from_shape_fn(shape, |(y, x)| hull.contains([(columns[0] + x) as f64, (rows[0] + y) as f64]));
    let zero = Complex64::default();
    let target = ndarray::Zip::from(&target).and(&inside).map_collect(|v, inside| if *inside { *v } else { zero });
    let sampled =
        Array2::from_shape_fn(
            shape,
            |(y, x)| {
                if inside[[y, x]] { sampler.at(rows[0] + y, columns[0] + x) } else { zero }
            },
        );
    for (what, image) in [("reconstruction", &sampled), ("known object", &target)] {
        if !image.iter().all(|v| v.re.is_finite() && v.im.is_finite()) {
            return Err(Problem::new(format!("The {what} contains NaN or infinity inside the scanned area")).into());
        }
    }
    if sampled.iter().all(|v| v.norm_sqr() == 0.0) {
        return Err(Problem::new(format!(
            "The reconstruction (origin x {}, y {}) is zero in the scanned area (rows {} to {}, columns {} to {})",
            origin_xy[0], origin_xy[1], rows[0], rows[1], columns[0], columns[1]
        ))
        .hint("Check that the reconstruction belongs to this dataset")
        .into());
    }

    let matched = remove_ramp(&sampled, &target);
    let compared = || matched.iter().zip(&target).zip(&inside).filter(|(_, inside)| **inside).map(|(pair, _)| pair);
    let truth_phase: Vec<f64> = compared().map(|(_, truth)| phase(*truth)).collect();
    let rec_phase: Vec<f64> = compared().map(|(rec, truth)| phase(*truth) + phase(rec * truth.conj())).collect();
    let truth_amplitude: Vec<f64> = compared().map(|(_, truth)| truth.norm()).collect();
    let rec_amplitude: Vec<f64> = compared().map(|(rec, _)| rec.norm()).collect();
    let energy: f64 = rec_amplitude.iter().map(|a| a * a).sum();
    let product: f64 = rec_amplitude.iter().zip(&truth_amplitude).map(|(a, b)| a * b).sum();

    Ok(Correlation {
        phase: pearson(&truth_phase, &rec_phase),
        amplitude: pearson(&rec_amplitude, &truth_amplitude),
        amplitude_scale: product / energy,
        rows,
        columns,
    })
}

/// As [`phase_correlation`], after a common shift of object and truth of up to `max_shift` pixels was removed: a probe that
/// was found together with the object leaves it open. Second value: the shift \[x, y\] of the object.
///
/// # Errors
/// As [`phase_correlation`].
pub fn registered_phase_correlation(
    reconstruction: ArrayView2<'_, Complex32>,
    origin_xy: [f64; 2],
    truth: ArrayView2<'_, Complex32>,
    positions: &[[f64; 2]],
    max_shift: f64,
) -> Result<(Correlation, [f64; 2])> {
    let plain = phase_correlation(reconstruction, origin_xy, truth, positions)?;
    if max_shift <= 0.0 {
        return Ok((plain, [0.0; 2]));
    }
    let ([top, bottom], [left, right]) = (plain.rows, plain.columns);
    let shape = (bottom - top, right - left);
    let target =
        Array2::from_shape_fn(shape, |(y, x)| widen(truth.get((top + y, left + x)).copied().unwrap_or_default()));
    let sampler = Bilinear::new(reconstruction, origin_xy);
    let sampled = Array2::from_shape_fn(shape, |(y, x)| sampler.at(top + y, left + x));
    let matched = remove_ramp(&sampled, &target);
    let [dy, dx] = register(target.view(), matched.view(), SHIFT_STEPS, Normalization::None)?;
    if dy.hypot(dx) > max_shift {
        return Ok((plain, [0.0; 2]));
    }
    let shifted = phase_correlation(reconstruction, [origin_xy[0] + dx, origin_xy[1] + dy], truth, positions)?;
    Ok(if shifted.phase > plain.phase { (shifted, [dx, dy]) } else { (plain, [0.0; 2]) })
}

/// Range `[ceil(min), floor(max))` of the coordinates inside an axis of this length; `None` below 2 pixels.
pub(super) fn scan_extent(coordinates: impl Iterator<Item = f64>, length: usize) -> Option<[usize; 2]> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for v in coordinates {
        if !v.is_finite() {
            return None;
        }
        low = low.min(v);
        high = high.max(v);
    }
    if !(low.is_finite() && high.is_finite()) {
        return None;
    }
    // Casts saturate: coordinates outside the array are clipped to its edge.
    let start = low.ceil().max(0.0) as usize;
    let end = (high.floor().max(0.0) as usize).min(length);
    (end >= start.saturating_add(2)).then_some([start, end])
}

/// Bilinear sampler of an image at an offset in dataset coordinates; zero outside.
struct Bilinear<'a> {
    image: ArrayView2<'a, Complex32>,
    /// Integer part of the origin, (row, column).
    whole: (i64, i64),
    /// (row step, column step, weight) of the four neighbors; zero weights are omitted.
    corners: Vec<(i64, i64, f64)>,
}

impl<'a> Bilinear<'a> {
    fn new(image: ArrayView2<'a, Complex32>, origin_xy: [f64; 2]) -> Self {
        // Pixel p of the truth is pixel p − origin of the image: integer part −ceil(origin), fraction ceil(origin) −
        // origin.
        let (cx, cy) = (origin_xy[0].ceil(), origin_xy[1].ceil());
        let (fx, fy) = (cx - origin_xy[0], cy - origin_xy[1]);
        let corners =
            [(0, 0, (1.0 - fy) * (1.0 - fx)), (0, 1, (1.0 - fy) * fx), (1, 0, fy * (1.0 - fx)), (1, 1, fy * fx)];
        Self { image, whole: (cy as i64, cx as i64), corners: corners.into_iter().filter(|c| c.2 != 0.0).collect() }
    }

    /// Value at this row and column in dataset coordinates.
    fn at(&self, row: usize, column: usize) -> Complex64 {
        let (row, column) = ((row as i64).saturating_sub(self.whole.0), (column as i64).saturating_sub(self.whole.1));
        let mut sum = Complex64::default();
        for &(dy, dx, weight) in &self.corners {
            let (Ok(y), Ok(x)) = (usize::try_from(row.saturating_add(dy)), usize::try_from(column.saturating_add(dx)))
            else {
                continue;
            };
            if let Some(value) = self.image.get((y, x)) {
                sum += widen(*value) * weight;
            }
        }
        sum
    }
}

/// Reconstruction without its global phase and linear ramp relative to the truth; both (h, w).
///
/// The fit uses wrapped angles and would miss a ramp of more than one turn across the image. It therefore starts twice,
/// from no ramp and from the strongest plane wave in `rec·conj(truth)`, and the more coherent result is used.
pub(super) fn remove_ramp(reconstruction: &Array2<Complex64>, truth: &Array2<Complex64>) -> Array2<Complex64> {
    let plain = fit_ramp(reconstruction.clone(), truth);
    let [fy, fx] = strongest_plane_wave(reconstruction, truth);
    if fy == 0.0 && fx == 0.0 {
        return plain;
    }
    let mut started = reconstruction.clone();
    for ((y, x), value) in started.indexed_iter_mut() {
        *value *= Complex64::from_polar(1.0, -std::f64::consts::TAU * (fy * y as f64 + fx * x as f64));
    }
    let started = fit_ramp(started, truth);
    if coherence(&started, truth) > coherence(&plain, truth) + 1e-6 { started } else { plain }
}

/// |Σ c| / Σ |c| of c = rec·conj(truth): 1 if the phases agree everywhere.
fn coherence(reconstruction: &Array2<Complex64>, truth: &Array2<Complex64>) -> f64 {
    let (mut sum, mut total) = (Complex64::default(), 0.0);
    for (rec, truth) in reconstruction.iter().zip(truth) {
        let c = rec * truth.conj();
        sum += c;
        total += c.norm();
    }
    if total > 0.0 { sum.norm() / total } else { 0.0 }
}

/// Frequency (rows, columns) of the largest bin of the spectrum of rec·conj(truth), cycles per pixel.
fn strongest_plane_wave(reconstruction: &Array2<Complex64>, truth: &Array2<Complex64>) -> [f64; 2] {
    let (height, width) = truth.dim();
    let mut image: Vec<Complex64> = reconstruction.iter().zip(truth).map(|(rec, truth)| rec * truth.conj()).collect();
    let mut spectrum = vec![Complex64::default(); image.len()];
    Fft2::new(height, width).forward(&mut image, &mut spectrum, &mut Scratch::default());
    let mut best = (0, -1.0);
    for (i, value) in spectrum.iter().enumerate() {
        if value.norm_sqr() > best.1 {
            best = (i, value.norm_sqr());
        }
    }
    let signed = |bin: usize, length: usize| {
        let turns = bin as f64 / length as f64;
        if turns >= 0.5 { turns - 1.0 } else { turns }
    };
    [signed(best.0 % height, height), signed(best.0 / height, width)]
}

/// Repeatedly removes the mean phase, then fits an offset and two slopes to the angles and removes them.
fn fit_ramp(mut image: Array2<Complex64>, truth: &Array2<Complex64>) -> Array2<Complex64> {
    let (height, width) = truth.dim();
    let at = |y: usize, x: usize| [1.0, y as f64 / height as f64 - 0.5, x as f64 / width as f64 - 0.5];
    for _ in 0..ITERATIONS {
        let mean: Complex64 = image.iter().zip(truth).map(|(rec, truth)| rec * truth.conj()).sum();
        let turn = Complex64::from_polar(1.0, -phase(mean));
        let mut matrix = [[0.0; 3]; 3];
        let mut right = [0.0; 3];
        for (((y, x), value), truth) in image.indexed_iter_mut().zip(truth) {
            *value *= turn;
            let c = *value * truth.conj();
            let (weight, angle, basis) = (c.norm(), phase(c), at(y, x));
            for i in 0..3 {
                right[i] += weight * basis[i] * angle;
                for j in 0..3 {
                    matrix[i][j] += weight * basis[i] * basis[j];
                }
            }
        }
        let Some(fit) = solve3(matrix, right) else { break };
        for ((y, x), value) in image.indexed_iter_mut() {
            let basis = at(y, x);
            let angle: f64 = fit.iter().zip(basis).map(|(a, b)| a * b).sum();
            *value *= Complex64::from_polar(1.0, -angle);
        }
    }
    image
}

/// Solution of a 3 × 3 system by elimination with pivoting; `None` if singular.
pub(super) fn solve3(mut a: [[f64; 3]; 3], mut b: [f64; 3]) -> Option<[f64; 3]> {
    let scale = a.iter().flatten().fold(0.0_f64, |m, v| m.max(v.abs()));
    for k in 0..3 {
        let pivot = (k..3).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs()))?;
        if a[pivot][k].abs() <= 1e-13 * scale {
            return None;
        }
        a.swap(k, pivot);
        b.swap(k, pivot);
        let pivot_row = a[k];
        for i in k + 1..3 {
            let factor = a[i][k] / pivot_row[k];
            for (value, above) in a[i].iter_mut().zip(pivot_row) {
                *value -= factor * above;
            }
            b[i] -= factor * b[k];
        }
    }
    let mut x = [0.0; 3];
    for k in (0..3).rev() {
        let rest: f64 = (k + 1..3).map(|j| a[k][j] * x[j]).sum();
        x[k] = (b[k] - rest) / a[k][k];
    }
    Some(x)
}

/// Pearson correlation of two series of equal length; NaN if one is constant.
fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().max(1) as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    // The rounding errors of a constant series are not variation.
    let noise = |mean: f64| n * (mean * 1e-12).powi(2);
    if aa <= noise(mean_a) || bb <= noise(mean_b) { f64::NAN } else { (ab / (aa.sqrt() * bb.sqrt())).clamp(-1.0, 1.0) }
}

/// Angle in radians; 0 for a zero of any sign.
fn phase(value: Complex64) -> f64 {
    if value.norm_sqr() == 0.0 { 0.0 } else { value.arg() }
}

pub(super) fn widen(value: Complex32) -> Complex64 {
    Complex64::new(f64::from(value.re), f64::from(value.im))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asymmetric object with structure in amplitude and phase.
    fn object(height: usize, width: usize) -> Array2<Complex32> {
        Array2::from_shape_fn((height, width), |(y, x)| {
            let (y, x) = (y as f32, x as f32);
            let amplitude = 0.8 + 0.15 * (0.21 * x + 0.05 * y).sin();
            let phase = 0.7 * (0.13 * y).sin() * (0.09 * x + 0.4).cos() + 0.004 * y;
            Complex32::from_polar(amplitude, phase)
        })
    }

    const SCAN: [[f64; 2]; 5] = [[12.3, 9.0], [71.7, 60.9], [12.4, 60.8], [71.5, 9.1], [40.0, 30.0]];

    #[test]
    fn the_object_itself_correlates_fully_in_the_scanned_area() {
        let truth = object(80, 90);
        let found = phase_correlation(truth.view(), [0.0, 0.0], truth.view(), &SCAN).unwrap();
        assert_eq!((found.rows, found.columns), ([9, 60], [13, 71]));
        assert!(found.phase > 1.0 - 1e-12 && found.amplitude > 1.0 - 1e-12, "{found:?}");
        assert!((found.amplitude_scale - 1.0).abs() < 1e-12);
    }

    #[test]
    fn global_phase_scale_and_even_a_ramp_of_many_turns_do_not_matter() {
        let truth = object(80, 90);
        for slope in [[0.01, -0.02], [0.35, -0.8], [-1.3, 0.9]] {
            let rec = Array2::from_shape_fn(truth.dim(), |(y, x)| {
                truth[(y, x)] * Complex32::from_polar(0.5, 2.0 + slope[0] * y as f32 + slope[1] * x as f32)
            });
            let found = phase_correlation(rec.view(), [0.0, 0.0], truth.view(), &SCAN).unwrap();
            assert!(found.phase > 0.9999 && found.amplitude > 0.9999, "{slope:?}: {found:?}");
            assert!((found.amplitude_scale - 2.0).abs() < 1e-4);
        }
    }

    #[test]
    fn a_wrong_origin_or_a_mirrored_reconstruction_lowers_the_correlation() {
        let truth = object(80, 90);
        let crop = truth.slice(ndarray::s![5..70, 7..85]).to_owned();
        let right = phase_correlation(crop.view(), [7.0, 5.0], truth.view(), &SCAN).unwrap();
        assert!(right.phase > 1.0 - 1e-12 && right.amplitude > 1.0 - 1e-12);
        let wrong = phase_correlation(crop.view(), [5.0, 7.0], truth.view(), &SCAN).unwrap();
        assert!(wrong.amplitude < 0.95, "{wrong:?}");
        let mirrored = truth.slice(ndarray::s![..;-1, ..]).to_owned();
        let mirrored = phase_correlation(mirrored.view(), [0.0, 0.0], truth.view(), &SCAN).unwrap();
        assert!(mirrored.phase < 0.9, "{mirrored:?}");
    }

    #[test]
    fn a_sub_pixel_origin_is_resampled() {
        // Linear in x and y, so that bilinear resampling is exact.
        let linear = |x: f64, y: f64| Complex32::new((1.0 + 0.01 * x + 0.004 * y) as f32, (0.2 + 0.003 * y) as f32);
        let truth = Array2::from_shape_fn((40, 50), |(y, x)| linear(x as f64, y as f64));
        let origin = [-2.25, 1.6];
        let rec = Array2::from_shape_fn((40, 60), |(y, x)| linear(x as f64 + origin[0], y as f64 + origin[1]));
        let positions = [[5.0, 4.0], [44.0, 36.0]];
        let found = phase_correlation(rec.view(), origin, truth.view(), &positions).unwrap();
        assert!(found.amplitude > 1.0 - 1e-9 && (found.amplitude_scale - 1.0).abs() < 1e-6, "{found:?}");
        let off = phase_correlation(rec.view(), [-2.0, 1.6], truth.view(), &positions).unwrap();
        assert!((off.amplitude_scale - 1.0).abs() > 1e-4, "{off:?}");
    }

    #[test]
    fn a_flat_reconstruction_has_no_correlation_and_uncovered_pixels_count_as_zero() {
        let truth = object(80, 90);
        let flat = Array2::from_elem(truth.dim(), Complex32::new(1.0, 0.0));
        let found = phase_correlation(flat.view(), [0.0, 0.0], truth.view(), &SCAN).unwrap();
        assert!(found.amplitude.is_nan(), "{found:?}");
        assert!(found.phase.is_nan() || found.phase < 0.8, "{found:?}");
        let half = truth.slice(ndarray::s![..35, ..]).to_owned();
        let found = phase_correlation(half.view(), [0.0, 0.0], truth.view(), &SCAN).unwrap();
        assert!(found.amplitude < 0.9, "half of the amplitude is missing: {found:?}");
    }

    #[test]
    fn invalid_input_is_an_error_and_no_panic() {
        let truth = object(80, 90);
        let nan = Array2::from_elem(truth.dim(), Complex32::new(f32::NAN, 0.0));
        let none: &[[f64; 2]] = &[];
        let cases = [
            (truth.view(), [0.0, 0.0], none, "positions span"),
            (truth.view(), [0.0, 0.0], &[[3.0, 3.0], [4.5, 50.0]], "positions span"),
            (truth.view(), [0.0, 0.0], &[[1e9, 3.0], [2e9, 50.0]], "positions span"),
            (truth.view(), [500.0, 0.0], &SCAN, "is zero"),
            (truth.view(), [f64::NAN, 0.0], &SCAN, "not finite"),
            (nan.view(), [0.0, 0.0], &SCAN, "NaN or infinity"),
        ];
        for (rec, origin, positions, expected) in cases {
            let error = phase_correlation(rec, origin, truth.view(), positions).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(phase_correlation(truth.view(), [-1e300, 0.0], truth.view(), &SCAN).is_err());
    }
}
