//! Fourier ring correlation: agreement of two images as a function of spatial frequency.

use ndarray::{Array2, ArrayView2, s};
use num_complex::Complex64;
use serde::Serialize;

use super::ms_ssim::mirrored;
use crate::error::{Error, Problem, Result};
use crate::fourier::{Fft2, Scratch};

/// Ring correlation and its cutoffs as in the reference, under its names (A§8.4).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FrcCutoffs {
    /// Correlation of each ring, 0 to 1. Ring r has radius r frequency pixels; the last rings are the corners beyond
    /// Nyquist.
    pub frc: Vec<f64>,
    /// Ring at which the curve falls below 1/2, interpolated; the length of the curve if it never does.
    pub frc50: f64,
    /// Ring at which the curve falls below 1/7, interpolated; the length of the curve if it never does.
    pub frc1over7: f64,
}

/// Fourier ring correlation as in the reference (A§8.4), for comparison with its numbers.
///
/// Real (h, w) images, cropped to the central square, without a window. Uses the magnitude of the ring means, which is
/// never negative, and includes the corners beyond Nyquist. `frc_sigma` smooths the curve, in rings.
/// [`ring_correlation`] has none of these peculiarities. A target of zeros gives an empty curve and NaN.
///
/// # Errors
/// Different or empty shapes; NaN or infinity.
pub fn frc_cutoffs(target: ArrayView2<'_, f64>, prediction: ArrayView2<'_, f64>, frc_sigma: f64) -> Result<FrcCutoffs> {
    let (height, width) = target.dim();
    check(target.dim(), prediction.dim())?;
    if !target.iter().chain(prediction).all(|v| v.is_finite()) {
        return Err(Error::bad_input("An image for the ring correlation contains NaN or infinity"));
    }
    if target.iter().all(|v| *v == 0.0) {
        return Ok(FrcCutoffs { frc: Vec::new(), frc50: f64::NAN, frc1over7: f64::NAN });
    }
    let side = height.min(width);
    let square = |image: ArrayView2<'_, f64>| {
        let (top, left) = ((height - side) / 2, (width - side) / 2);
        image.slice(s![top..top + side, left..left + side]).mapv(|v| Complex64::new(v, 0.0))
    };
    let rings = Rings::of(&square(target), &square(prediction));
    let curve = rings.cross.iter().zip(&rings.power).map(|(c, [a, b])| {
        let power = (a * b).sqrt();
        if power > 0.0 { c.norm() / power } else { 0.0 }
    });
    let frc = smooth(curve.collect(), frc_sigma);
    let frc50 = ring_cutoff(&frc, 0.5);
    let frc1over7 = ring_cutoff(&frc, 1.0 / 7.0);
    Ok(FrcCutoffs { frc, frc50, frc1over7 })
}

/// First ring below the threshold, interpolated with the one before; 0 if it is the first, the length if there is none.
fn ring_cutoff(curve: &[f64], threshold: f64) -> f64 {
    let Some(at) = curve.iter().position(|value| *value < threshold) else { return curve.len() as f64 };
    match (at.checked_sub(1).and_then(|before| curve.get(before)), curve.get(at)) {
        (Some(before), Some(value)) => at as f64 - 1.0 + (before - threshold) / (before - value),
        _ => 0.0,
    }
}

/// Gaussian filter of a curve, mirrored at both ends.
fn smooth(curve: Vec<f64>, sigma: f64) -> Vec<f64> {
    if sigma.is_nan() || sigma <= 0.0 || curve.is_empty() {
        return curve;
    }
    let radius = (4.0 * sigma + 0.5) as usize;
    let weight = |i: usize| (-0.5 * ((i as f64 - radius as f64) / sigma).powi(2)).exp();
    let total: f64 = (0..=2 * radius).map(weight).sum();
    let value = |at: usize| curve.get(mirrored(at, radius, curve.len())).copied().unwrap_or_default();
    (0..curve.len()).map(|r| (0..=2 * radius).map(|i| weight(i) * value(r + i)).sum::<f64>() / total).collect()
}

/// Threshold below which a ring correlation no longer counts as agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrcThreshold {
    /// 1/2, customary against a known object.
    Half,
    /// 1/7 (Rosenthal & Henderson 2003), for two halves of the data.
    OneSeventh,
    /// Half a bit of information per pixel (van Heel & Schatz 2005), for two halves of the data.
    HalfBit,
}

impl FrcThreshold {
    /// Threshold for a ring with this many independent pixels.
    pub fn value(self, pixels: f64) -> f64 {
        match self {
            Self::Half => 0.5,
            Self::OneSeventh => 1.0 / 7.0,
            Self::HalfBit => {
                let noise = 1.0 / pixels.max(1.0).sqrt();
                (0.2071 + 1.9102 * noise) / (1.2071 + 0.9102 * noise)
            }
        }
    }
}

/// Ring correlation of two complex images, from the first ring to Nyquist.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RingCorrelation {
    /// Spatial frequency of each ring, cycles per pixel, at most 1/2.
    pub frequency: Vec<f64>,
    /// Real part of the normalized correlation, −1 to 1.
    pub value: Vec<f64>,
    /// Number of independent pixels of each ring: its pixels, reduced by the effect of the window.
    pub pixels: Vec<f64>,
}

impl RingCorrelation {
    /// Threshold for each ring.
    pub fn threshold(&self, threshold: FrcThreshold) -> Vec<f64> {
        self.pixels.iter().map(|pixels| threshold.value(*pixels)).collect()
    }

    /// Spatial frequency, cycles per pixel, at which the curve first falls below the threshold, interpolated between
    /// rings; 0 if the first ring is below, `None` if no ring up to Nyquist is.
    pub fn crossing(&self, threshold: FrcThreshold) -> Option<f64> {
        let mut before: Option<(f64, f64)> = None;
        for ((frequency, value), pixels) in self.frequency.iter().zip(&self.value).zip(&self.pixels) {
            let above = value - threshold.value(*pixels);
            if above < 0.0 {
                return Some(before.map_or(0.0, |(f, a)| f + (frequency - f) * a / (a - above)));
            }
            before = Some((*frequency, above));
        }
        None
    }
}

/// Fraction of each side over which the window rises from 0 to 1.
const TAPER: f64 = 0.125;

/// Fourier ring correlation of two complex images of equal shape (h, w), aligned with each other.
///
/// The means are subtracted and the edges tapered by a cosine over an eighth of each side, so that the frame does not
/// correlate with itself. `Re Σ F₁F₂* / √(Σ|F₁|² Σ|F₂|²)` over rings one frequency pixel wide, up to Nyquist. Images
/// need not be square. Rings without power have the value 0.
///
/// # Errors
/// Different shapes, a side below 8 pixels, NaN or infinity.
pub fn ring_correlation(a: ArrayView2<'_, Complex64>, b: ArrayView2<'_, Complex64>) -> Result<RingCorrelation> {
    check(a.dim(), b.dim())?;
    let (height, width) = a.dim();
    let side = height.min(width);
    if side < 8 {
        return Err(Error::BadInput(
            Problem::new(format!("Images of shape ({height}, {width}) are too small for a ring correlation"))
                .expected("at least 8 × 8 pixels"),
        ));
    }
    if !a.iter().chain(b).all(|v| v.re.is_finite() && v.im.is_finite()) {
        return Err(Error::bad_input("An image for the ring correlation contains NaN or infinity"));
    }
    let (rows, columns) = (taper(height), taper(width));
    let rings = Rings::of(&tapered(a, &rows, &columns), &tapered(b, &rows, &columns));
    // A window reduces the fraction of independent values in the transform to (Σw²)² / (n Σw⁴) per axis.
    let kept = |window: &[f64]| {
        let sum = |power: i32| window.iter().map(|w| w.powi(power)).sum::<f64>();
        sum(2).powi(2) / (window.len() as f64 * sum(4))
    };
    let kept = kept(&rows) * kept(&columns);
    let mut found = RingCorrelation { frequency: Vec::new(), value: Vec::new(), pixels: Vec::new() };
    for ring in 1..=side / 2 {
        let (Some(cross), Some([p, q]), Some(count)) =
            (rings.cross.get(ring), rings.power.get(ring), rings.count.get(ring))
        else {
            break;
        };
        let power = (p * q).sqrt();
        found.frequency.push(ring as f64 / side as f64);
        found.value.push(if power > 0.0 { (cross.re / power).clamp(-1.0, 1.0) } else { 0.0 });
        found.pixels.push(*count as f64 * kept);
    }
    Ok(found)
}

/// Window of this length with cosine edges.
pub(super) fn taper(length: usize) -> Vec<f64> {
    let edge = (TAPER * length as f64).max(1.0);
    let at = |i: usize| {
        let inside = (i.min(length - 1 - i) as f64 + 0.5) / edge;
        if inside < 1.0 { 0.5 - 0.5 * (std::f64::consts::PI * inside).cos() } else { 1.0 }
    };
    (0..length).map(at).collect()
}

/// Image minus its mean, times the window.
pub(super) fn tapered(image: ArrayView2<'_, Complex64>, rows: &[f64], columns: &[f64]) -> Array2<Complex64> {
    let mean = image.sum() / image.len().max(1) as f64;
    let weight = |window: &[f64], i: usize| window.get(i).copied().unwrap_or_default();
    Array2::from_shape_fn(image.dim(), |(y, x)| (image[(y, x)] - mean) * (weight(rows, y) * weight(columns, x)))
}

fn check(a: (usize, usize), b: (usize, usize)) -> Result<()> {
    if a != b || a.0 == 0 || a.1 == 0 {
        return Err(Error::BadInput(
            Problem::new(format!("The ring correlation of images of shape {a:?} and {b:?} is not defined"))
                .expected("equal shapes, not empty"),
        ));
    }
    Ok(())
}

/// Sums over rings of radius 0, 1, 2 … frequency pixels of the shorter side, corners included.
struct Rings {
    cross: Vec<Complex64>,
    power: Vec<[f64; 2]>,
    count: Vec<usize>,
}

impl Rings {
    fn of(a: &Array2<Complex64>, b: &Array2<Complex64>) -> Self {
        let (height, width) = a.dim();
        let fft = Fft2::new(height, width);
        let transform = |image: &Array2<Complex64>| {
            let mut values: Vec<Complex64> = image.iter().copied().collect();
            let mut out = vec![Complex64::default(); values.len()];
            fft.forward(&mut values, &mut out, &mut Scratch::default());
            out
        };
        let (fa, fb) = (transform(a), transform(b));
        let side = height.min(width) as f64;
        // Signed frequency in cycles per pixel.
        let cycles = |k: usize, n: usize| (if 2 * k < n { k as f64 } else { k as f64 - n as f64 }) / n as f64;
        let mut rings = Self { cross: Vec::new(), power: Vec::new(), count: Vec::new() };
        for (i, (u, v)) in fa.iter().zip(&fb).enumerate() {
            // The spectrum is transposed: (kx, ky).
            let radius = cycles(i / height, width).hypot(cycles(i % height, height)) * side;
            let ring = radius.round_ties_even() as usize;
            if ring >= rings.cross.len() {
                rings.cross.resize(ring + 1, Complex64::default());
                rings.power.resize(ring + 1, [0.0; 2]);
                rings.count.resize(ring + 1, 0);
            }
            if let (Some(cross), Some(power), Some(count)) =
                (rings.cross.get_mut(ring), rings.power.get_mut(ring), rings.count.get_mut(ring))
            {
                *cross += u * v.conj();
                power[0] += u.norm_sqr();
                power[1] += v.norm_sqr();
                *count += 1;
            }
        }
        rings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    /// Complex white noise of unit variance; one seed per image.
    fn noise(seed: u64, shape: (usize, usize)) -> Array2<Complex64> {
        let mut generator = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut uniform = || generator.random::<f64>();
        Array2::from_shape_fn(shape, |_| {
            let (u, v) = (uniform().max(1e-300), uniform());
            Complex64::from_polar((-u.ln()).sqrt(), std::f64::consts::TAU * v)
        })
    }

    #[test]
    fn an_image_agrees_with_itself_up_to_nyquist_and_independent_noise_nowhere() {
        let (a, b) = (noise(1, (64, 80)), noise(2, (64, 80)));
        let same = ring_correlation(a.view(), a.view()).unwrap();
        assert_eq!((same.frequency.len(), *same.frequency.last().unwrap()), (32, 0.5));
        assert!(same.value.iter().all(|v| (v - 1.0).abs() < 1e-12));
        assert_eq!(same.crossing(FrcThreshold::HalfBit), None);
        let other = ring_correlation(a.view(), b.view()).unwrap();
        assert!(other.crossing(FrcThreshold::HalfBit).unwrap() < 0.05, "{other:?}");
        let mean = other.value.iter().sum::<f64>() / 32.0;
        assert!(mean.abs() < 0.05 && other.value.iter().any(|v| *v < 0.0), "{mean}");
    }

    #[test]
    fn an_image_without_its_high_frequencies_agrees_up_to_the_cutoff() {
        // Common signal up to a quarter cycle per pixel, independent noise beyond.
        let (side, cut) = (96_usize, 0.25);
        let fft = Fft2::new(side, side);
        let (signal, one, two) = (noise(3, (side, side)), noise(4, (side, side)), noise(5, (side, side)));
        let mixed = |own: &Array2<Complex64>| {
            let mut image = Array2::from_shape_fn((side, side), |(ky, kx)| {
                let cycles = |k: usize| k.min(side - k) as f64 / side as f64;
                if cycles(ky).hypot(cycles(kx)) < cut { signal[(ky, kx)] } else { own[(ky, kx)] }
            });
            let mut out = vec![Complex64::default(); side * side];
            fft.forward(image.as_slice_mut().unwrap(), &mut out, &mut Scratch::default());
            Array2::from_shape_vec((side, side), out).unwrap()
        };
        let curve = ring_correlation(mixed(&one).view(), mixed(&two).view()).unwrap();
        for threshold in [FrcThreshold::Half, FrcThreshold::OneSeventh, FrcThreshold::HalfBit] {
            let found = curve.crossing(threshold).unwrap();
            assert!((found - cut).abs() < 0.02, "{threshold:?}: {found}");
        }
    }

    #[test]
    fn the_half_bit_threshold_has_its_known_limits() {
        assert!((FrcThreshold::HalfBit.value(1e12) - 0.2071 / 1.2071).abs() < 1e-5);
        assert!((FrcThreshold::HalfBit.value(1.0) - 1.0).abs() < 1e-12);
        assert!((FrcThreshold::HalfBit.value(100.0) - 0.398_12 / 1.298_12).abs() < 1e-12);
    }

    #[test]
    fn crossings_are_interpolated() {
        let curve =
            RingCorrelation { frequency: vec![0.1, 0.2, 0.3], value: vec![1.0, 0.6, 0.2], pixels: vec![1e9; 3] };
        assert!((curve.crossing(FrcThreshold::Half).unwrap() - 0.225).abs() < 1e-12);
        assert_eq!(curve.crossing(FrcThreshold::OneSeventh), None);
        assert!((ring_cutoff(&curve.value, 0.5) - 1.25).abs() < 1e-12);
        assert_eq!((ring_cutoff(&curve.value, 0.1), ring_cutoff(&[0.3], 0.5)), (3.0, 0.0));
    }

    #[test]
    fn the_special_cases_of_the_reference_are_kept() {
        let zero = Array2::<f64>::zeros((16, 20));
        let image = Array2::from_shape_fn((16, 20), |(y, x)| (y * x) as f64);
        let found = frc_cutoffs(zero.view(), image.view(), 0.0).unwrap();
        assert!(found.frc.is_empty() && found.frc50.is_nan() && found.frc1over7.is_nan());
        assert!(frc_cutoffs(image.view(), image.mapv(|_| f64::NAN).view(), 0.0).is_err());
        let same = frc_cutoffs(image.view(), image.view(), 0.0).unwrap();
        assert_eq!(same.frc50, same.frc.len() as f64, "a curve that never falls is as long as it is");
        assert_eq!(same.frc.len(), 12, "the corners are counted");
        let smoothed = frc_cutoffs(image.view(), image.view(), 1.5).unwrap();
        assert!(smoothed.frc.iter().all(|v| (v - 1.0).abs() < 1e-9));
    }

    #[test]
    fn unequal_small_or_broken_images_are_errors() {
        let a = noise(1, (16, 16));
        assert!(ring_correlation(a.view(), noise(1, (16, 17)).view()).is_err());
        assert!(ring_correlation(noise(1, (7, 16)).view(), noise(1, (7, 16)).view()).is_err());
        assert!(ring_correlation(a.view(), (&a * f64::NAN).view()).is_err());
        assert!(frc_cutoffs(Array2::zeros((0, 3)).view(), Array2::zeros((0, 3)).view(), 0.0).is_err());
    }
}
