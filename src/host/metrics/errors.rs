//! Pixel errors between a reconstruction and a known object, prepared as in the reference (A§8).

use ndarray::{Array2, ArrayView2, s};
use num_complex::Complex32;

use super::correlation::solve3;
use super::ssim::ssim;
use crate::error::{Problem, Result};

/// Peak of the reference's PSNR, although the data are of order one; [`psnr_data_range`] is the usual definition.
pub const PSNR_PEAK: f64 = 255.0;

/// Term subtracted from the phase of each image before the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseAlignment {
    /// Least-squares plane, fitted to each image separately.
    Plane,
    /// Mean of each image.
    Mean,
}

/// Reconstruction and truth, prepared for comparison; all (h, w), in f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// Amplitude of the truth.
    pub truth_amplitude: Array2<f64>,
    /// Amplitude of the reconstruction, scaled to the mean of the truth.
    pub amplitude: Array2<f64>,
    /// Phase of the truth after alignment, radians.
    pub truth_phase: Array2<f64>,
    /// Phase of the reconstruction after alignment, radians.
    pub phase: Array2<f64>,
}

/// Errors of a real image against a true one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImageErrors {
    /// Mean absolute error, in the unit of the image.
    pub mae: f64,
    /// Mean squared error.
    pub mse: f64,
    /// PSNR with peak 255 as in the reference, dB.
    pub psnr: f64,
    /// PSNR with the range of the truth as peak, dB; NaN if the truth is constant.
    pub psnr_data_range: f64,
    /// Structural similarity as in the reference: amplitude with its range, phase mapped from ±π to 0..1.
    pub ssim: f64,
}

/// Trims `trim` pixels from each side of two (H, W) objects, scales the amplitude by the ratio of means and aligns the
/// phases (A§8.1). The phase is the wrapped angle; nothing is unwrapped.
///
/// # Errors
/// Different shapes, images too small for the trim, NaN or infinity, a reconstruction that is zero everywhere.
pub fn prepare(
    truth: ArrayView2<'_, Complex32>,
    reconstruction: ArrayView2<'_, Complex32>,
    trim: usize,
    alignment: PhaseAlignment,
) -> Result<Prepared> {
    let (height, width) = truth.dim();
    if truth.dim() != reconstruction.dim() || height <= 2 * trim || width <= 2 * trim {
        return Err(Problem::new(format!(
            "Objects of shape ({height}, {width}) and {:?} cannot be compared after trimming {trim} pixels",
            reconstruction.dim()
        ))
        .expected("equal shapes with pixels left after trimming")
        .into());
    }
    if !truth.iter().chain(reconstruction).all(|v| v.re.is_finite() && v.im.is_finite()) {
        return Err(Problem::new("An object to be compared contains NaN or infinity").into());
    }
    let inside = s![trim..height - trim, trim..width - trim];
    let (truth, reconstruction) = (truth.slice(inside), reconstruction.slice(inside));
    let amplitude_of = |v: &Complex32| f64::from(v.re).hypot(f64::from(v.im));
    let phase_of = |v: &Complex32| f64::from(v.im).atan2(f64::from(v.re));

    let truth_amplitude = truth.mapv(|v| amplitude_of(&v));
    let amplitude = reconstruction.mapv(|v| amplitude_of(&v));
    let scale = truth_amplitude.sum() / amplitude.sum();
    if !scale.is_finite() {
        return Err(Problem::new("The reconstruction is zero everywhere").into());
    }
    let align = |phase: Array2<f64>| match alignment {
        PhaseAlignment::Plane => remove_plane(phase.view()),
        PhaseAlignment::Mean => {
            let mean = phase.sum() / phase.len() as f64;
            phase - mean
        }
    };
    Ok(Prepared {
        truth_amplitude,
        amplitude: amplitude * scale,
        truth_phase: align(truth.mapv(|v| phase_of(&v))),
        phase: align(reconstruction.mapv(|v| phase_of(&v))),
    })
}

/// Errors of the amplitude and of the phase of prepared images (A§8.2).
///
/// # Errors
/// Images below 7 × 7 pixels or a truth of constant amplitude, for which SSIM is not defined.
pub fn image_errors(prepared: &Prepared) -> Result<(ImageErrors, ImageErrors)> {
    let of = |truth: &Array2<f64>, image: &Array2<f64>, ssim: f64| ImageErrors {
        mae: mae(truth.view(), image.view()),
        mse: mse(truth.view(), image.view()),
        psnr: psnr(truth.view(), image.view(), PSNR_PEAK),
        psnr_data_range: psnr_data_range(truth.view(), image.view()),
        ssim,
    };
    let Prepared { truth_amplitude, amplitude, truth_phase, phase } = prepared;
    let amplitude_ssim = ssim(truth_amplitude.view(), amplitude.view(), span(truth_amplitude.view()))?;
    let unit = |phase: &Array2<f64>| phase.mapv(|p| (p + std::f64::consts::PI) / std::f64::consts::TAU);
    let phase_ssim = ssim(unit(truth_phase).view(), unit(phase).view(), 1.0)?;
    Ok((of(truth_amplitude, amplitude, amplitude_ssim), of(truth_phase, phase, phase_ssim)))
}

/// Mean absolute error of two images of equal shape; NaN if empty.
pub fn mae(truth: ArrayView2<'_, f64>, image: ArrayView2<'_, f64>) -> f64 {
    truth.iter().zip(image).map(|(t, p)| (t - p).abs()).sum::<f64>() / truth.len() as f64
}

/// Mean squared error of two images of equal shape; NaN if empty.
pub fn mse(truth: ArrayView2<'_, f64>, image: ArrayView2<'_, f64>) -> f64 {
    truth.iter().zip(image).map(|(t, p)| (t - p).powi(2)).sum::<f64>() / truth.len() as f64
}

/// Peak signal-to-noise ratio in dB: 20·log10(peak / (√MSE + ε)), with the f64 epsilon ε, so it is finite for equal
/// images.
pub fn psnr(truth: ArrayView2<'_, f64>, image: ArrayView2<'_, f64>, peak: f64) -> f64 {
    20.0 * (peak / (mse(truth, image).sqrt() + f64::EPSILON)).log10()
}

/// [`psnr`] with the range of the truth as peak; NaN if the truth is constant.
pub fn psnr_data_range(truth: ArrayView2<'_, f64>, image: ArrayView2<'_, f64>) -> f64 {
    let peak = span(truth);
    if peak > 0.0 { psnr(truth, image, peak) } else { f64::NAN }
}

/// Range of the values: largest minus smallest.
pub(super) fn span(image: ArrayView2<'_, f64>) -> f64 {
    let (low, high) = image.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    high - low
}

/// (h, w) image minus its least-squares plane `α·x + β·y + γ`; minus its mean if it is a single row or column.
pub fn remove_plane(image: ArrayView2<'_, f64>) -> Array2<f64> {
    let (height, width) = image.dim();
    // Centered coordinates keep the system well conditioned.
    let at = |y: usize, x: usize| [1.0, y as f64 - (height as f64 - 1.0) / 2.0, x as f64 - (width as f64 - 1.0) / 2.0];
    let mut matrix = [[0.0; 3]; 3];
    let mut right = [0.0; 3];
    for ((y, x), value) in image.indexed_iter() {
        let basis = at(y, x);
        for i in 0..3 {
            right[i] += basis[i] * value;
            for j in 0..3 {
                matrix[i][j] += basis[i] * basis[j];
            }
        }
    }
    let mean = image.sum() / image.len().max(1) as f64;
    let fit = solve3(matrix, right).unwrap_or([mean, 0.0, 0.0]);
    Array2::from_shape_fn(image.dim(), |(y, x)| {
        image[(y, x)] - fit.iter().zip(at(y, x)).map(|(a, b)| a * b).sum::<f64>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn close(found: f64, expected: f64, relative: f64, what: &str) {
        assert!((found - expected).abs() <= relative * expected.abs(), "{what}: {found}, expected {expected}");
    }

    #[test]
    fn the_metrics_match_the_reference() {
        let file = std::fs::File::open(ptychoscope_base::testing::golden("metrics.npz")).unwrap();
        let mut archive = zip::ZipArchive::new(file).unwrap();
        let mut read = |name: &str| {
            let mut bytes = Vec::new();
            archive.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        };
        let mut complex = |name: &str| {
            let values = npyz::NpyFile::new(&read(name)[..]).unwrap().into_vec::<Complex32>().unwrap();
            Array2::from_shape_vec((96, 96), values).unwrap()
        };
        let (truth, rec) = (complex("gt"), complex("rec"));
        for (tag, alignment) in [("plane", PhaseAlignment::Plane), ("mean", PhaseAlignment::Mean)] {
            let prepared = prepare(truth.view(), rec.view(), 2, alignment).unwrap();
            let (amplitude, phase) = image_errors(&prepared).unwrap();
            for (kind, errors) in [("amp", amplitude), ("phase", phase)] {
                let mut golden = |metric: &str| {
                    let bytes = read(&format!("{tag}/{metric}_{kind}"));
                    let file = npyz::NpyFile::new(&bytes[..]).unwrap();
                    // The reference stores some scalars in f32.
                    match file.try_data::<f64>() {
                        Ok(data) => data.map(std::result::Result::unwrap).next().unwrap(),
                        Err(file) => f64::from(file.into_vec::<f32>().unwrap()[0]),
                    }
                };
                close(errors.mae, golden("mae"), 2e-6, &format!("{tag} mae {kind}"));
                close(errors.mse, golden("mse"), 2e-6, &format!("{tag} mse {kind}"));
                close(errors.psnr, golden("psnr"), 1e-6, &format!("{tag} psnr {kind}"));
                close(errors.ssim, golden("ssim"), 2e-6, &format!("{tag} ssim {kind}"));
            }
        }
    }

    #[test]
    fn the_plane_of_a_tilted_image_is_removed_and_its_structure_kept() {
        let structure = Array2::from_shape_fn((20, 30), |(y, x)| if (y + x) % 2 == 0 { 0.1 } else { -0.1 });
        let tilted = Array2::from_shape_fn((20, 30), |(y, x)| 3.0 + 0.2 * y as f64 - 0.05 * x as f64) + &structure;
        let flat = remove_plane(tilted.view());
        assert!(flat.iter().zip(&structure).all(|(a, b)| (a - b).abs() < 1e-3));
        let row = remove_plane(Array2::from_shape_fn((1, 4), |(_, x)| x as f64).view());
        assert!(row.sum().abs() < 1e-12);
    }

    #[test]
    fn psnr_of_equal_images_is_finite_and_of_a_constant_truth_has_no_range() {
        let image = Array2::from_elem((8, 8), 0.5);
        assert!(psnr(image.view(), image.view(), 1.0) > 300.0);
        assert!(psnr_data_range(image.view(), image.view()).is_nan());
    }

    #[test]
    fn objects_that_cannot_be_compared_are_errors() {
        let one = Array2::from_elem((12, 12), Complex32::new(1.0, 0.0));
        let dark = Array2::from_elem((12, 12), Complex32::default());
        let nan = Array2::from_elem((12, 12), Complex32::new(0.0, f32::NAN));
        let small = Array2::from_elem((4, 4), Complex32::new(1.0, 0.0));
        let mean = PhaseAlignment::Mean;
        assert!(prepare(one.view(), small.view(), 0, mean).is_err());
        assert!(prepare(small.view(), small.view(), 2, mean).is_err());
        assert!(prepare(one.view(), dark.view(), 2, mean).is_err());
        assert!(prepare(one.view(), nan.view(), 2, mean).is_err());
        let flat = prepare(one.view(), one.view(), 2, mean).unwrap();
        assert!(image_errors(&flat).is_err(), "a constant truth has no SSIM of the amplitude");
    }
}
