//! Misfit between a stitched object and the diffraction data it was reconstructed from.

use super::mask::GoodPixels;
use ndarray::{Array2, ArrayView2, ArrayView3, Axis};
use num_complex::Complex32;
use rayon::prelude::*;

use crate::error::{Problem, Result};
use crate::fourier::{Propagation, Propagator, Scratch};

/// Measured patterns, and what predicts them from an object.
#[derive(Debug, Clone, Copy)]
pub struct Measured<'a> {
    /// (n, N, N) amplitude √I; in a far field, DC at \[N/2, N/2\].
    pub diffraction: ArrayView3<'a, f32>,
    /// n × \[x, y\], pixels; patches are interpolated bilinearly, index N/2 at the position (A§7.2).
    pub positions: &'a [[f64; 2]],
    /// (modes, N, N) complex. Modes add incoherently: |F|² = Σ_modes |FFT(patch · mode)|².
    pub probe: ArrayView3<'a, Complex32>,
    /// Pixels that count.
    pub good: GoodPixels<'a>,
    /// (N, N) intensity that every pattern contains besides |F|², ≥ 0, in the units of I; `None` for none.
    pub background: Option<ArrayView2<'a, f32>>,
    /// Propagation to the detector.
    pub propagation: Propagation,
}

/// R = Σ (√(|F|² + B) − √I)² / ΣI over all patterns and good pixels, with the background B; 0 is perfect, without a background
/// an object that is zero everywhere has 1.
///
/// `object`: (h, w) complex; its pixel \[0, 0\] lies at dataset coordinate `origin_xy` = \[x, y\], pixels; 0 outside.
///
/// In a near field, the propagated wave takes the place of the transform. The transform is orthonormal. No scale is fitted: object and probe must be in the units of the data.
/// Patterns are summed in order regardless of the number of threads, so the result is reproducible to the bit.
///
/// # Errors
/// Inconsistent shapes, no patterns, all-zero data, an origin or position that is not finite.
pub fn consistency_r(object: ArrayView2<'_, Complex32>, origin_xy: [f64; 2], measured: &Measured<'_>) -> Result<f64> {
    let sums = misfits(object, origin_xy, measured)?;
    let (misfit, intensity) = sums.iter().fold((0.0, 0.0), |sum, s| (sum.0 + s[0], sum.1 + s[1]));
    if intensity.is_nan() || intensity <= 0.0 {
        return Err(Problem::new("The diffraction patterns have no intensity").expected("amplitude above zero").into());
    }
    Ok(misfit / intensity)
}

/// R of each pattern, in order; NaN for a pattern without intensity.
///
/// Arguments and errors as in [`consistency_r`], except that all-zero data are not an error.
pub fn pattern_residuals(
    object: ArrayView2<'_, Complex32>,
    origin_xy: [f64; 2],
    measured: &Measured<'_>,
) -> Result<Vec<f64>> {
    let sums = misfits(object, origin_xy, measured)?;
    Ok(sums.iter().map(|[misfit, intensity]| misfit / intensity).collect())
}

/// Amplitude |F| of the pattern at `position`, (N, N), DC at \[N/2, N/2\], without a background; arguments as in
/// [`consistency_r`]. `None` if the probe is not square or empty, or the position not finite.
pub fn calculated_pattern(
    object: ArrayView2<'_, Complex32>,
    origin_xy: [f64; 2],
    probe: ArrayView3<'_, Complex32>,
    position: [f64; 2],
    propagation: Propagation,
) -> Option<Array2<f32>> {
    let (modes, side, columns) = probe.dim();
    let corner = [position[0] - origin_xy[0], position[1] - origin_xy[1]];
    if modes == 0 || side == 0 || side != columns || !corner.iter().all(|v| v.is_finite()) {
        return None;
    }
    let propagator = Propagator::new(side, propagation);
    let intensity = intensity(&extract_patch(object, corner, side), probe, &propagator);
    Some(Array2::from_shape_fn((side, side), |at| counts(&intensity, &propagator, side, at).sqrt()))
}

/// `[misfit, intensity]` of each pattern.
fn misfits(object: ArrayView2<'_, Complex32>, origin_xy: [f64; 2], measured: &Measured<'_>) -> Result<Vec<[f64; 2]>> {
    let (n, side, columns) = measured.diffraction.dim();
    let (modes, probe_rows, probe_columns) = measured.probe.dim();
    let positions = measured.positions;
    if n != positions.len() || side != columns || side == 0 || n == 0 {
        return Err(Problem::new(format!(
            "Diffraction of shape ({n}, {side}, {columns}) and {} positions do not match",
            positions.len()
        ))
        .expected("at least one square pattern, and one position per pattern")
        .into());
    }
    if modes == 0 || probe_rows != side || probe_columns != side {
        return Err(Problem::new(format!("The probe has shape ({modes}, {probe_rows}, {probe_columns})"))
            .expected(format!("(modes, {side}, {side}), like the patterns"))
            .into());
    }
    let mask = measured.good.common.map(|good| ("mask", good.dim()));
    let background = measured.background.map(|background| ("background", background.dim()));
    if let Some((name, shape)) = mask.into_iter().chain(background).find(|(_, shape)| *shape != (side, side)) {
        return Err(Problem::new(format!("The {name} has shape {shape:?}"))
            .expected(format!("({side}, {side}), like the patterns"))
            .into());
    }
    if !origin_xy.iter().chain(positions.iter().flatten()).all(|v| v.is_finite()) {
        return Err(Problem::new("A scan position or the origin of the object is not finite").into());
    }

    let propagator = Propagator::new(side, measured.propagation);
    Ok((0..n)
        .into_par_iter()
        .map(|pattern| {
            let position = positions[pattern];
            let corner = [position[0] - origin_xy[0], position[1] - origin_xy[1]];
            let intensity = intensity(&extract_patch(object, corner, side), measured.probe, &propagator);
            pattern_sums(&intensity, measured, pattern, &propagator)
        })
        .collect())
}

/// `[misfit, intensity]` of one pattern with this calculated intensity.
fn pattern_sums(intensity: &[f32], measured: &Measured<'_>, pattern: usize, propagator: &Propagator) -> [f64; 2] {
    let side = measured.diffraction.dim().1;
    let mut sums = [0.0_f64; 2];
    for (at, amplitude) in measured.diffraction.index_axis(Axis(0), pattern).indexed_iter() {
        if !measured.good.is_good(pattern, at) {
            continue;
        }
        let background = measured.background.and_then(|background| background.get(at).copied()).unwrap_or(0.0);
        let calculated = (counts(intensity, propagator, side, at) + background).sqrt();
        let misfit = f64::from(calculated) - f64::from(*amplitude);
        sums[0] += misfit * misfit;
        sums[1] += f64::from(*amplitude).powi(2);
    }
    sums
}

/// Summed intensity of all modes, N² times the orthonormal one, in the order of [`Propagator::index_of`].
fn intensity(patch: &[Complex32], probe: ArrayView3<'_, Complex32>, propagator: &Propagator) -> Vec<f32> {
    let mut wave = vec![Complex32::default(); patch.len()];
    let mut field = vec![Complex32::default(); patch.len()];
    let mut scratch = Scratch::default();
    let mut intensity = vec![0.0_f32; patch.len()];
    for mode in probe.axis_iter(Axis(0)) {
        for ((wave, patch), probe) in wave.iter_mut().zip(patch).zip(mode) {
            *wave = patch * probe;
        }
        propagator.forward(&mut wave, &mut field, &mut scratch);
        for (sum, value) in intensity.iter_mut().zip(&field) {
            *sum += value.norm_sqr();
        }
    }
    intensity
}

/// |F|² at a (row, column) of the pattern.
fn counts(intensity: &[f32], propagator: &Propagator, side: usize, (row, column): (usize, usize)) -> f32 {
    intensity.get(propagator.index_of(row, column)).copied().unwrap_or_default() / (side * side) as f32
}

/// Row-major N × N patch with its index N/2 at `center_xy`, in pixels of the object array; bilinear, 0 outside.
fn extract_patch(object: ArrayView2<'_, Complex32>, center_xy: [f64; 2], side: usize) -> Vec<Complex32> {
    let half = (side / 2) as f64;
    let (left, top) = ((center_xy[0] - half).floor(), (center_xy[1] - half).floor());
    let (fx, fy) = ((center_xy[0] - half - left) as f32, (center_xy[1] - half - top) as f32);
    let (left, top) = (left as i64, top as i64);
    let pixel = |row: i64, column: i64| match (usize::try_from(row), usize::try_from(column)) {
        (Ok(row), Ok(column)) => object.get((row, column)).copied().unwrap_or_default(),
        _ => Complex32::default(),
    };
    let mut patch = Vec::with_capacity(side * side);
    for row in (0..side as i64).map(|k| top.saturating_add(k)) {
        for column in (0..side as i64).map(|l| left.saturating_add(l)) {
            let upper = pixel(row, column) * (1.0 - fx) + pixel(row, column.saturating_add(1)) * fx;
            let below = row.saturating_add(1);
            let lower = pixel(below, column) * (1.0 - fx) + pixel(below, column.saturating_add(1)) * fx;
            patch.push(upper * (1.0 - fy) + lower * fy);
        }
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::super::mask::PatternMasks;
    use super::*;
    use ndarray::Array3;

    const SIDE: usize = 16;

    fn object() -> Array2<Complex32> {
        Array2::from_shape_fn((50, 60), |(y, x)| {
            Complex32::from_polar(1.0 + 0.2 * (0.7 * x as f32).sin(), 0.5 * (0.3 * y as f32 + 0.1 * x as f32).sin())
        })
    }

    fn probe() -> Array3<Complex32> {
        Array3::from_shape_fn((2, SIDE, SIDE), |(m, y, x)| {
            let (dy, dx) = (y as f32 - 8.0, x as f32 - 7.5);
            Complex32::from_polar((-(dy * dy + dx * dx) / 20.0).exp() / (1.0 + m as f32), 0.1 * dx * (m as f32 + 0.5))
        })
    }

    fn measured<'a>(
        data: &'a Array3<f32>,
        probe: &'a Array3<Complex32>,
        positions: &'a [[f64; 2]],
        good: GoodPixels<'a>,
    ) -> Measured<'a> {
        let (diffraction, probe) = (data.view(), probe.view());
        Measured { diffraction, positions, probe, good, background: None, propagation: Propagation::FarField }
    }

    fn all<'a>() -> GoodPixels<'a> {
        GoodPixels::default()
    }

    /// |F| by the definition of the transform, in f64, patches from whole-pixel positions.
    fn simulate(positions: &[[f64; 2]]) -> Array3<f32> {
        let (object, probe) = (object(), probe());
        Array3::from_shape_fn((positions.len(), SIDE, SIDE), |(j, row, column)| {
            let mut intensity = 0.0;
            for mode in 0..2 {
                let mut sum = num_complex::Complex64::default();
                for k in 0..SIDE {
                    for l in 0..SIDE {
                        let pixel = object[(positions[j][1] as usize + k - 8, positions[j][0] as usize + l - 8)];
                        let wave = pixel * probe[(mode, k, l)];
                        let turn = (row as f64 - 8.0) * k as f64 + (column as f64 - 8.0) * l as f64;
                        sum += num_complex::Complex64::new(f64::from(wave.re), f64::from(wave.im))
                            * num_complex::Complex64::from_polar(1.0, -std::f64::consts::TAU * turn / SIDE as f64);
                    }
                }
                intensity += sum.norm_sqr() / (SIDE * SIDE) as f64;
            }
            intensity.sqrt() as f32
        })
    }

    #[test]
    fn the_true_object_is_consistent_with_its_data() {
        let positions = [[20.0, 15.0], [33.0, 22.0], [41.0, 30.0]];
        let data = simulate(&positions);
        let r = consistency_r(object().view(), [0.0, 0.0], &measured(&data, &probe(), &positions, all())).unwrap();
        assert!(r < 1e-10, "{r}");
        let crop = object().slice(ndarray::s![4.., 6..]).to_owned();
        let r = consistency_r(crop.view(), [6.0, 4.0], &measured(&data, &probe(), &positions, all())).unwrap();
        assert!(r < 1e-10, "{r}");
    }

    #[test]
    fn wrong_objects_positions_and_scales_are_inconsistent() {
        let positions = [[20.0, 15.0], [33.0, 22.0], [41.0, 30.0]];
        let data = simulate(&positions);
        let at = |object: &Array2<Complex32>, origin, positions: &[[f64; 2]]| {
            consistency_r(object.view(), origin, &measured(&data, &probe(), positions, all())).unwrap()
        };
        assert!(at(&object(), [1.0, 0.0], &positions) > 1e-4);
        assert!(at(&object(), [0.0, 0.0], &positions.map(|p| [p[1], p[0]])) > 1e-4);
        assert!(at(&object().t().to_owned(), [0.0, 0.0], &positions) > 1e-4);
        let dark = at(&(object() * Complex32::default()), [0.0, 0.0], &positions);
        assert!((dark - 1.0).abs() < 1e-12, "{dark}");
        let half = at(&(object() * Complex32::new(0.5, 0.0)), [0.0, 0.0], &positions);
        assert!((half - 0.25).abs() < 1e-5, "no scale is fitted: {half}");
    }

    #[test]
    fn sub_pixel_patches_are_bilinear_and_zero_outside() {
        let ramp = Array2::from_shape_fn((20, 20), |(y, x)| Complex32::new(x as f32, y as f32));
        let patch = extract_patch(ramp.view(), [9.25, 10.5], 4);
        assert_eq!(patch[0], Complex32::new(7.25, 8.5));
        assert_eq!(patch[2 * 4 + 2], Complex32::new(9.25, 10.5));
        let outside = extract_patch(ramp.view(), [0.0, -30.0], 4);
        assert!(outside.iter().all(|v| v.norm() == 0.0));
    }

    #[test]
    fn masked_pixels_are_excluded_regardless_of_their_values() {
        let positions = [[20.0, 15.0], [33.0, 22.0], [41.0, 30.0]];
        let mut data = simulate(&positions);
        let mut good = Array2::from_elem((SIDE, SIDE), true);
        for at in [(8, 8), (3, 11)] {
            good[at] = false;
            data.slice_mut(ndarray::s![.., at.0, at.1]).fill(1e3);
        }
        let r = |good: GoodPixels<'_>| {
            consistency_r(object().view(), [0.0; 2], &measured(&data, &probe(), &positions, good))
        };
        let of = |common| GoodPixels { common: Some(common), each: None };
        assert!(r(of(&good)).unwrap() < 1e-10 && r(all()).unwrap() > 0.5);
        assert!(r(of(&Array2::from_elem((4, 4), true))).unwrap_err().to_string().contains("(4, 4)"));
    }

    #[test]
    fn pixels_masked_in_one_pattern_count_in_the_others() {
        let positions = [[20.0, 15.0], [33.0, 22.0], [41.0, 30.0]];
        let mut data = simulate(&positions);
        data[[1, 8, 9]] = 1e3;
        let mut masks = PatternMasks::new(3, SIDE);
        masks.exclude(1, (8, 9));
        let good = GoodPixels { common: None, each: Some(&masks) };
        let r = |data: &Array3<f32>| {
            pattern_residuals(object().view(), [0.0; 2], &measured(data, &probe(), &positions, good)).unwrap()
        };
        assert!(r(&data).iter().all(|r| *r < 1e-10), "{:?}", r(&data));
        data[[2, 8, 9]] = 1e3;
        assert!(r(&data)[2] > 0.5);
    }

    #[test]
    fn a_background_is_added_to_the_calculated_intensity() {
        let positions = [[20.0, 15.0], [33.0, 22.0], [41.0, 30.0]];
        let clean = simulate(&positions);
        let background = Array2::from_shape_fn((SIDE, SIDE), |(y, x)| 0.5 + 0.02 * (y * x) as f32);
        let data = clean.mapv(|a| a * a) + &background;
        let data = data.mapv(f32::sqrt);
        let probe = probe();
        let without = measured(&data, &probe, &positions, all());
        let with = Measured { background: Some(background.view()), ..without };
        let r = |measured: &Measured<'_>| consistency_r(object().view(), [0.0; 2], measured).unwrap();
        assert!(r(&with) < 1e-9 && r(&without) > 0.05, "{} {}", r(&with), r(&without));
    }

    #[test]
    fn error_messages_state_the_inconsistent_shapes() {
        let data = Array3::<f32>::ones((2, SIDE, SIDE));
        let error = |probe: Array3<Complex32>, data: &Array3<f32>, positions: &[[f64; 2]]| {
            consistency_r(object().view(), [0.0; 2], &measured(data, &probe, positions, all())).unwrap_err().to_string()
        };
        assert!(error(probe(), &data, &[[1.0, 1.0]]).contains("(2, 16, 16) and 1 positions"));
        assert!(error(Array3::zeros((1, 8, 8)), &data, &[[1.0; 2]; 2]).contains("(1, 8, 8)"));
        assert!(error(probe(), &(data.clone() * 0.0), &[[1.0; 2]; 2]).contains("no intensity"));
        assert!(error(probe(), &data, &[[f64::NAN, 0.0]; 2]).contains("not finite"));
    }
}
