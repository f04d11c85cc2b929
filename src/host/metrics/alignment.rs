//! Alignment of a reconstruction with a known object: origin, sub-pixel shift, phase ramp and scale.

use ndarray::{Array2, ArrayView2};
use num_complex::{Complex32, Complex64};
use serde::Serialize;

use super::correlation::{remove_ramp, scan_extent, widen};
use super::frc::{taper, tapered};
use super::registration::{Normalization, register};
use crate::error::{Error, Problem, Result};

/// Placement of a reconstruction on a known object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// By its origin.
    Origin,
    /// By its origin, then shifted to the peak of the cross-correlation with the known object.
    Registered,
}

/// Rectangle of pixels of the known object: first, and one past the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Region {
    /// First row, and one past the last.
    pub rows: [usize; 2],
    /// First column, and one past the last.
    pub columns: [usize; 2],
}

impl Region {
    /// Bounding box of the scan positions (\[x, y\], object pixels) inside an object of shape (H, W).
    ///
    /// # Errors
    /// If they span less than 2 × 2 pixels of it.
    pub fn of_scan(positions: &[[f64; 2]], shape: (usize, usize)) -> Result<Self> {
        let columns = scan_extent(positions.iter().map(|p| p[0]), shape.1);
        let rows = scan_extent(positions.iter().map(|p| p[1]), shape.0);
        match (rows, columns) {
            (Some(rows), Some(columns)) => Ok(Self { rows, columns }),
            _ => Err(Problem::new(format!(
                "The scan positions span less than 2 × 2 pixels of the object of shape {shape:?}"
            ))
            .expected("positions in pixels of that object, [x, y]")
            .into()),
        }
    }

    /// Fully covered rectangle of an (H, W) coverage mask: the side with the largest uncovered fraction is removed
    /// repeatedly until no pixel inside is uncovered. `None` if nothing is left.
    pub fn fully_covered(covered: ArrayView2<'_, bool>) -> Option<Self> {
        let (height, width) = covered.dim();
        let mut region = Self { rows: [0, height], columns: [0, width] };
        // Integral image of the uncovered pixels.
        let mut sums = Array2::<usize>::zeros((height + 1, width + 1));
        for ((y, x), covered) in covered.indexed_iter() {
            sums[(y + 1, x + 1)] = sums[(y, x + 1)] + sums[(y + 1, x)] + usize::from(!covered) - sums[(y, x)];
        }
        let uncovered = |r: Region| {
            sums[(r.rows[1], r.columns[1])] + sums[(r.rows[0], r.columns[0])]
                - sums[(r.rows[0], r.columns[1])]
                - sums[(r.rows[1], r.columns[0])]
        };
        while region.rows[0] < region.rows[1] && region.columns[0] < region.columns[1] {
            if uncovered(region) == 0 {
                return Some(region);
            }
            let Self { rows: [top, bottom], columns: [left, right] } = region;
            // Each side: the line itself, and the region without it. Fractions, so that long sides are not preferred.
            let sides = [
                (Self { rows: [top, top + 1], ..region }, Self { rows: [top + 1, bottom], ..region }),
                (Self { rows: [bottom - 1, bottom], ..region }, Self { rows: [top, bottom - 1], ..region }),
                (Self { columns: [left, left + 1], ..region }, Self { columns: [left + 1, right], ..region }),
                (Self { columns: [right - 1, right], ..region }, Self { columns: [left, right - 1], ..region }),
            ];
            let fraction = |line: Region| uncovered(line) as f64 / (line.shape().0 * line.shape().1) as f64;
            let mut worst = (-1.0, region);
            for (line, rest) in sides {
                if fraction(line) > worst.0 {
                    worst = (fraction(line), rest);
                }
            }
            region = worst.1;
        }
        None
    }

    /// Number of rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        (self.rows[1].saturating_sub(self.rows[0]), self.columns[1].saturating_sub(self.columns[0]))
    }
}

/// Reconstruction aligned with a known object; all arrays have the shape of the region.
#[derive(Debug, Clone, PartialEq)]
pub struct Aligned {
    /// Compared region of the known object.
    pub region: Region,
    /// Known object in the region.
    pub truth: Array2<Complex64>,
    /// Shifted reconstruction with its own gauge and scale: input of the reference's metrics.
    pub placed: Array2<Complex64>,
    /// Shifted reconstruction without global phase and ramp relative to the truth, and scaled to it.
    pub matched: Array2<Complex64>,
    /// Transformation applied.
    pub alignment: Alignment,
}

/// Transformation that aligned a reconstruction with a known object.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Alignment {
    /// Placement method.
    pub placement: Placement,
    /// Shift \[x, y\] of the reconstruction relative to its origin, pixels.
    pub shift_xy: [f64; 2],
    /// True if the shift was plausible and applied; false with placement by origin.
    pub registered: bool,
    /// Removed phase ramp, radians per pixel along \[x, y\].
    pub ramp_xy: [f64; 2],
    /// Factor applied to the amplitude (least squares).
    pub scale: f64,
}

/// Steps per pixel of the registration.
const UPSAMPLING: usize = 100;
/// Iterations of ramp removal and registration.
const ITERATIONS: usize = 3;
/// Largest plausible shift, as a fraction of the shorter side of the region.
const MAX_SHIFT: f64 = 0.125;

/// Aligns a reconstruction with a known object.
///
/// * `reconstruction`: (h, w); its pixel \[0, 0\] lies at `origin_xy` = \[x, y\] in pixels of `truth`.
/// * `truth`: (H, W), compared inside `region`.
///
/// The reconstruction is resampled with a Lanczos window of three lobes (exactly, where pixels coincide). Global phase
/// and linear ramp are fitted as in [`super::phase_correlation`]. The shift is the peak of the cross-correlation of the
/// complex objects, without their means and tapered at the edges, to 1/100 pixel. A shift of more than an eighth of the
/// region is implausible and not applied. The scale is the least-squares fit of the amplitudes.
///
/// # Errors
/// A region outside the truth or below 8 × 8 pixels, a reconstruction outside of the region, NaN or infinity.
pub fn align(
    reconstruction: ArrayView2<'_, Complex32>,
    origin_xy: [f64; 2],
    truth: ArrayView2<'_, Complex32>,
    region: Region,
    placement: Placement,
) -> Result<Aligned> {
    let (height, width) = region.shape();
    if height < 8 || width < 8 || region.rows[1] > truth.nrows() || region.columns[1] > truth.ncols() {
        return Err(Error::BadInput(
            Problem::new(format!(
                "Rows {} to {} and columns {} to {} of an object of shape {:?} cannot be compared",
                region.rows[0],
                region.rows[1],
                region.columns[0],
                region.columns[1],
                truth.dim()
            ))
            .expected("at least 8 × 8 pixels inside the object"),
        ));
    }
    if !origin_xy.iter().all(|v| v.is_finite()) {
        return Err(Error::bad_input("The origin of the reconstruction is not finite"));
    }
    let target = Array2::from_shape_fn((height, width), |(y, x)| {
        widen(truth.get((region.rows[0] + y, region.columns[0] + x)).copied().unwrap_or_default())
    });
    let sampled = |shift: [f64; 2]| {
        let corner =
            [region.columns[0] as f64 - origin_xy[0] - shift[0], region.rows[0] as f64 - origin_xy[1] - shift[1]];
        resample(reconstruction, corner, (height, width))
    };
    let mut placed = sampled([0.0; 2]);
    for (what, image) in [("reconstruction", &placed), ("known object", &target)] {
        if !image.iter().all(|v| v.re.is_finite() && v.im.is_finite()) {
            return Err(Error::bad_input(format!("The {what} contains NaN or infinity inside the compared region")));
        }
        if image.iter().all(|v| v.norm_sqr() == 0.0) {
            return Err(Error::BadInput(
                Problem::new(format!("The {what} is zero in the entire compared region"))
                    .hint("Check that the reconstruction belongs to this dataset"),
            ));
        }
    }
    let mut matched = remove_ramp(&placed, &target);
    let (mut shift, mut registered) = ([0.0; 2], false);
    if placement == Placement::Registered {
        let (rows, columns) = (taper(height), taper(width));
        let fixed = tapered(target.view(), &rows, &columns);
        let farthest = MAX_SHIFT * height.min(width) as f64;
        registered = true;
        for _ in 0..ITERATIONS {
            let moving = tapered(matched.view(), &rows, &columns);
            let [dy, dx] = register(fixed.view(), moving.view(), UPSAMPLING, Normalization::None)?;
            let next = [shift[0] + dx, shift[1] + dy];
            let image = if next[0].hypot(next[1]) > farthest { None } else { Some(sampled(next)) };
            let Some(image) = image.filter(|image| image.iter().any(|v| v.norm_sqr() > 0.0)) else {
                (shift, registered) = ([0.0; 2], false);
                placed = sampled(shift);
                matched = remove_ramp(&placed, &target);
                break;
            };
            shift = next;
            placed = image;
            matched = remove_ramp(&placed, &target);
            if dx == 0.0 && dy == 0.0 {
                break;
            }
        }
    }
    let ramp_xy = ramp_between(&placed, &matched);
    let energy: f64 = matched.iter().map(|v| v.norm_sqr()).sum();
    let product: f64 = matched.iter().zip(&target).map(|(a, b)| a.norm() * b.norm()).sum();
    let scale = product / energy;
    matched.mapv_inplace(|v| v * scale);
    let alignment = Alignment { placement, shift_xy: shift, registered, ramp_xy, scale };
    Ok(Aligned { region, truth: target, placed, matched, alignment })
}

/// Slopes \[x, y\] of the plane wave `before / after`, radians per pixel.
fn ramp_between(before: &Array2<Complex64>, after: &Array2<Complex64>) -> [f64; 2] {
    let ratio = Array2::from_shape_fn(before.dim(), |i| before[i] * after[i].conj());
    let slope = |dy: usize, dx: usize| {
        let (height, width) = (ratio.nrows() - dy, ratio.ncols() - dx);
        let mut sum = Complex64::default();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            sum += ratio[(y, x)].conj() * ratio[(y + dy, x + dx)];
        }
        if sum.norm_sqr() == 0.0 { 0.0 } else { sum.arg() }
    };
    [slope(0, 1), slope(1, 0)]
}

/// Lobes of the Lanczos window on each side.
const LOBES: i64 = 3;

/// Image resampled to `shape` pixels, the first one at its coordinate `corner_xy`; 0 outside.
fn resample(image: ArrayView2<'_, Complex32>, corner_xy: [f64; 2], shape: (usize, usize)) -> Array2<Complex64> {
    let [columns, rows] = corner_xy.map(|at| (at.floor() as i64, weights(at - at.floor())));
    let (height, width) = image.dim();
    let inside = |whole: i64, step: i64, at: usize, length: usize| {
        let index = whole.saturating_add(step).saturating_add(at as i64);
        usize::try_from(index).ok().filter(|i| *i < length)
    };
    // Along x first: every row of the image, only the required columns.
    let along = Array2::from_shape_fn((height, shape.1), |(y, x)| {
        let mut sum = Complex64::default();
        for &(step, weight) in &columns.1 {
            if let Some(value) = inside(columns.0, step, x, width).and_then(|x| image.get((y, x))) {
                sum += widen(*value) * weight;
            }
        }
        sum
    });
    Array2::from_shape_fn(shape, |(y, x)| {
        let mut sum = Complex64::default();
        for &(step, weight) in &rows.1 {
            if let Some(value) = inside(rows.0, step, y, height).and_then(|y| along.get((y, x))) {
                sum += value * weight;
            }
        }
        sum
    })
}

/// Offsets and weights of the neighbors of a point at this fraction (0 to 1) of a pixel; the weights sum to 1.
fn weights(fraction: f64) -> Vec<(i64, f64)> {
    if fraction == 0.0 {
        return vec![(0, 1.0)];
    }
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) };
    let weight = |step: i64| {
        let x = step as f64 - fraction;
        sinc(x) * sinc(x / LOBES as f64)
    };
    let steps = 1 - LOBES..=LOBES;
    let total: f64 = steps.clone().map(weight).sum();
    steps.map(|step| (step, weight(step) / total)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Smooth object, asymmetric in x and y, at continuous coordinates.
    fn value(x: f64, y: f64) -> Complex64 {
        let amplitude = 0.8 + 0.1 * (0.31 * x + 0.05 * y).sin() + 0.08 * (0.43 * y).cos();
        Complex64::from_polar(amplitude, 0.5 * (0.23 * y).sin() * (0.19 * x + 0.4).cos() + 0.3 * (0.37 * x).sin())
    }

    fn narrow(value: Complex64) -> Complex32 {
        Complex32::new(value.re as f32, value.im as f32)
    }

    fn truth() -> Array2<Complex32> {
        Array2::from_shape_fn((90, 110), |(y, x)| narrow(value(x as f64, y as f64)))
    }

    const REGION: Region = Region { rows: [12, 78], columns: [15, 95] };

    #[test]
    fn shift_ramp_and_scale_are_found_and_removed() {
        let (origin, error) = ([3.25, -1.5], [1.37, -2.44]);
        // The true position of pixel (0, 0) is origin + error, and the object has another gauge and scale.
        let reconstruction = Array2::from_shape_fn((100, 105), |(y, x)| {
            let (x, y) = (x as f64, y as f64);
            let gauge = Complex64::from_polar(0.4, 1.1 + 0.02 * x - 0.035 * y);
            narrow(value(x + origin[0] + error[0], y + origin[1] + error[1]) * gauge)
        });
        let aligned = align(reconstruction.view(), origin, truth().view(), REGION, Placement::Registered).unwrap();
        let found = aligned.alignment;
        assert!(found.registered);
        for (a, b) in [(found.shift_xy, error), (found.ramp_xy, [0.02, -0.035])] {
            assert!((a[0] - b[0]).abs() < 0.03 && (a[1] - b[1]).abs() < 0.03, "{found:?}");
        }
        assert!((found.scale - 2.5).abs() < 0.01, "{found:?}");
        let worst = aligned.matched.iter().zip(&aligned.truth).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max);
        assert!(worst < 0.02, "{worst}");
        let unmoved = align(reconstruction.view(), origin, truth().view(), REGION, Placement::Origin).unwrap();
        assert_eq!((unmoved.alignment.shift_xy, unmoved.alignment.registered), ([0.0; 2], false));
        let worst = unmoved.matched.iter().zip(&unmoved.truth).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max);
        assert!(worst > 0.1, "without registration the shift remains: {worst}");
    }

    #[test]
    fn coinciding_pixels_are_copied_and_others_interpolated_more_accurately_than_linearly() {
        let crop = truth().slice(ndarray::s![5.., 7..]).to_owned();
        let aligned = align(crop.view(), [7.0, 5.0], truth().view(), REGION, Placement::Origin).unwrap();
        assert_eq!(aligned.placed, aligned.truth);
        let truth = truth();
        let sampled = resample(truth.view(), [20.5, 30.25], (20, 20));
        let linear = |y: usize, x: usize| {
            let at = |y: usize, x: usize| widen(truth[(y + 30, x + 20)]);
            (at(y, x) + at(y, x + 1)) * 0.375 + (at(y + 1, x) + at(y + 1, x + 1)) * 0.125
        };
        let mut worst = [0.0_f64; 2];
        for ((y, x), found) in sampled.indexed_iter() {
            let expected = value(x as f64 + 20.5, y as f64 + 30.25);
            worst = [worst[0].max((found - expected).norm()), worst[1].max((linear(y, x) - expected).norm())];
        }
        assert!(worst[0] < 2e-3 && worst[0] < worst[1] / 4.0, "{worst:?}");
    }

    #[test]
    fn an_implausible_shift_is_not_applied() {
        // A spot far from that of the truth.
        let spot = |cy: f64, cx: f64| {
            Array2::from_shape_fn((90, 110), |(y, x)| {
                let r2 = (y as f64 - cy).powi(2) + (x as f64 - cx).powi(2);
                Complex32::new((1.0 + 3.0 * (-r2 / 20.0).exp()) as f32, 0.0)
            })
        };
        let aligned =
            align(spot(60.0, 80.0).view(), [0.0; 2], spot(30.0, 30.0).view(), REGION, Placement::Registered).unwrap();
        assert_eq!((aligned.alignment.registered, aligned.alignment.shift_xy), (false, [0.0; 2]));
    }

    #[test]
    fn the_fully_covered_region_excludes_a_ragged_edge() {
        let covered = Array2::from_shape_fn((30, 40), |(y, x)| y >= 3 && x < 36 && (x >= 5 || y % 7 == 0) && y < 30);
        assert_eq!(Region::fully_covered(covered.view()), Some(Region { rows: [3, 30], columns: [5, 36] }));
        assert_eq!(Region::fully_covered(covered.mapv(|_| false).view()), None);
        let all = Region::fully_covered(covered.mapv(|_| true).view()).unwrap();
        assert_eq!(all.shape(), (30, 40));
    }

    #[test]
    fn invalid_input_is_an_error() {
        let truth = truth();
        let at = |image: &Array2<Complex32>, origin, region| {
            align(image.view(), origin, truth.view(), region, Placement::Registered)
                .map(|_| ())
                .unwrap_err()
                .to_string()
        };
        let small = Region { rows: [10, 15], columns: [10, 80] };
        let outside = Region { rows: [10, 91], columns: [10, 80] };
        assert!(at(&truth, [0.0; 2], small).contains("8 × 8"));
        assert!(at(&truth, [0.0; 2], outside).contains("inside"));
        assert!(at(&truth, [500.0, 0.0], REGION).contains("is zero"));
        assert!(at(&truth, [1e300, 0.0], REGION).contains("is zero"));
        assert!(at(&truth, [f64::NAN, 0.0], REGION).contains("not finite"));
        assert!(at(&(&truth * f32::NAN), [0.0; 2], REGION).contains("NaN"));
        assert!(Region::of_scan(&[[3.0, 3.0], [4.0, 80.0]], (90, 110)).is_err());
    }
}
