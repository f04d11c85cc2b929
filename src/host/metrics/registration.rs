//! Sub-pixel registration: translation between two images.

use ndarray::{Array2, ArrayView2};
use num_complex::{Complex64, ComplexFloat};

use crate::error::{Error, Problem, Result};
use crate::fourier::{Fft2, Scratch};

/// Weighting of the cross-correlation before its peak is located.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalization {
    /// All frequencies equally (phase correlation), as in the reference. Noise at high frequencies has full weight, so
    /// shifts may be wrong by a tenth of a pixel.
    Phase,
    /// Frequencies by their power (Guizar-Sicairos, Thurman & Fienup 2008).
    None,
}

/// Upsampling of the reference's registration: steps of 1/50 pixel.
pub const REFERENCE_UPSAMPLING: usize = 50;

/// Shift \[rows, columns\] in pixels that registers the (h, w) image `moving` to `fixed`, to 1/`upsampling` pixel.
///
/// The peak of the circular cross-correlation is located on whole pixels; its neighborhood of ± 3/4 pixel is then
/// computed on a finer grid by matrix products (Guizar-Sicairos et al. 2008).
///
/// # Errors
/// Different or empty shapes, NaN or infinity, an upsampling of 0.
pub fn register(
    fixed: ArrayView2<'_, Complex64>,
    moving: ArrayView2<'_, Complex64>,
    upsampling: usize,
    normalization: Normalization,
) -> Result<[f64; 2]> {
    let (height, width) = fixed.dim();
    if fixed.dim() != moving.dim() || fixed.is_empty() || upsampling == 0 {
        return Err(Error::BadInput(
            Problem::new(format!(
                "Images of shape ({height}, {width}) and {:?} cannot be registered to 1/{upsampling} pixel",
                moving.dim()
            ))
            .expected("equal shapes, not empty, and an upsampling of at least 1"),
        ));
    }
    if !fixed.iter().chain(moving).all(|v| v.re.is_finite() && v.im.is_finite()) {
        return Err(Error::bad_input("An image to be registered contains NaN or infinity"));
    }
    let fft = Fft2::new(height, width);
    let transform = |image: ArrayView2<'_, Complex64>| {
        let mut values: Vec<Complex64> = image.iter().copied().collect();
        let mut out = vec![Complex64::default(); values.len()];
        fft.forward(&mut values, &mut out, &mut Scratch::default());
        out
    };
    // Both spectra are transposed, (kx, ky).
    let (f, m) = (transform(fixed), transform(moving));
    let mut product: Vec<Complex64> = f.iter().zip(&m).map(|(f, m)| f * m.conj()).collect();
    if normalization == Normalization::Phase {
        // Floor of the reference: a hundred times the f32 epsilon.
        product.iter_mut().for_each(|p| *p /= p.abs().max(100.0 * f64::from(f32::EPSILON)));
    }
    // The inverse transform is the conjugate of the forward transform of the conjugate; only magnitudes matter here.
    let conjugate = Array2::from_shape_fn((height, width), |(ky, kx)| {
        product.get(kx * height + ky).copied().unwrap_or_default().conj()
    });
    let coarse = transform(conjugate.view());
    let peak = largest(coarse.iter());
    let signed = |at: usize, n: usize| if at > n / 2 { at as f64 - n as f64 } else { at as f64 };
    let whole = [signed(peak % height, height), signed(peak / height, width)];
    if upsampling == 1 {
        return Ok(whole);
    }
    let fine = upsampling as f64;
    let size = (1.5 * fine).ceil() as usize;
    let center = (size / 2) as f64;
    // Transform to the fine grid around the peak, for rows and columns.
    let kernel = |n: usize, whole: f64| {
        Array2::from_shape_fn((size, n), |(i, k)| {
            let cycles = if 2 * k < n { k as f64 } else { k as f64 - n as f64 } / n as f64;
            let at = (i as f64 - center) / fine + whole;
            Complex64::from_polar(1.0, -std::f64::consts::TAU * cycles * at)
        })
    };
    let along_rows = kernel(height, whole[0]);
    let along_columns = kernel(width, whole[1]);
    let neighborhood = along_rows.dot(&conjugate).dot(&along_columns.t());
    let peak = largest(neighborhood.iter());
    let step = |at: usize, whole: f64| whole + (at as f64 - center) / fine;
    Ok([step(peak / size, whole[0]), step(peak % size, whole[1])])
}

/// Index of the largest magnitude; the first of equal ones.
fn largest<'a>(values: impl Iterator<Item = &'a Complex64>) -> usize {
    let mut best = (0, -1.0);
    for (i, value) in values.enumerate() {
        if value.norm_sqr() > best.1 {
            best = (i, value.norm_sqr());
        }
    }
    best.0
}

/// Offset \[rows, columns\] of a reconstruction as in the reference (A§8.5): [`register`] of the amplitudes with
/// [`Normalization::Phase`], to 1/50 pixel.
///
/// # Errors
/// As [`register`].
pub fn find_translation_offset(
    reconstruction: ArrayView2<'_, Complex64>,
    truth: ArrayView2<'_, Complex64>,
) -> Result<[f64; 2]> {
    // In f32, as in the reference.
    let amplitude = |image: ArrayView2<'_, Complex64>| image.mapv(|v| Complex64::new(f64::from(v.norm() as f32), 0.0));
    let (truth, reconstruction) = (amplitude(truth), amplitude(reconstruction));
    register(truth.view(), reconstruction.view(), REFERENCE_UPSAMPLING, Normalization::Phase)
}

/// (h, w) image shifted circularly by \[rows, columns\] pixels, by a phase ramp on its spectrum.
pub fn shift_circularly(image: ArrayView2<'_, Complex64>, shift: [f64; 2]) -> Array2<Complex64> {
    let (height, width) = image.dim();
    if image.is_empty() {
        return image.to_owned();
    }
    let mut values: Vec<Complex64> = image.iter().copied().collect();
    let mut spectrum = vec![Complex64::default(); values.len()];
    Fft2::new(height, width).forward(&mut values, &mut spectrum, &mut Scratch::default());
    let cycles = |k: usize, n: usize| (if 2 * k < n { k as f64 } else { k as f64 - n as f64 }) / n as f64;
    // Conjugated: a second forward transform of the (width, height) array then gives the conjugate of the inverse.
    for (i, value) in spectrum.iter_mut().enumerate() {
        let turns = shift[0] * cycles(i % height, height) + shift[1] * cycles(i / height, width);
        *value = (*value * Complex64::from_polar(1.0, -std::f64::consts::TAU * turns)).conj();
    }
    Fft2::new(width, height).forward(&mut spectrum, &mut values, &mut Scratch::default());
    let count = values.len() as f64;
    Array2::from_shape_fn((height, width), |(y, x)| {
        values.get(y * width + x).copied().unwrap_or_default().conj() / count
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs(height: usize, width: usize) -> Array2<Complex64> {
        Array2::from_shape_fn((height, width), |(y, x)| {
            let blob = |cy: f64, cx: f64, s: f64| (-((y as f64 - cy).powi(2) + (x as f64 - cx).powi(2)) / s).exp();
            Complex64::from_polar(0.1 + blob(20.0, 18.0, 30.0) + 0.6 * blob(31.0, 40.0, 12.0), blob(15.0, 37.0, 50.0))
        })
    }

    #[test]
    fn shifts_are_found_with_their_sign_and_axis_to_the_step() {
        let fixed = blobs(50, 64);
        for shift in [[0.0, 0.0], [3.0, -7.0], [1.26, -2.41], [-8.33, 0.05]] {
            let moving = shift_circularly(fixed.view(), [-shift[0], -shift[1]]);
            let found = register(fixed.view(), moving.view(), 100, Normalization::None).unwrap();
            assert!(found.iter().zip(shift).all(|(a, b)| (a - b).abs() < 0.006), "{found:?} {shift:?}");
        }
        let moving = shift_circularly(fixed.view(), [-4.0, 5.0]);
        let whole = register(fixed.view(), moving.view(), 1, Normalization::Phase).unwrap();
        assert_eq!(whole, [4.0, -5.0]);
    }

    #[test]
    fn integer_shifts_are_rolls_and_can_be_undone() {
        let image = blobs(21, 34);
        let moved = shift_circularly(image.view(), [2.0, -3.0]);
        for ((y, x), value) in moved.indexed_iter() {
            assert!((value - image[((y + 21 - 2) % 21, (x + 3) % 34)]).norm() < 1e-12);
        }
        let back = shift_circularly(moved.view(), [-2.0, 3.0]);
        assert!(back.iter().zip(&image).all(|(a, b)| (a - b).norm() < 1e-12));
    }

    #[test]
    fn invalid_input_is_an_error() {
        let image = blobs(50, 64);
        let none = Normalization::None;
        assert!(register(image.view(), blobs(50, 63).view(), 10, none).is_err());
        assert!(register(image.view(), image.view(), 0, none).is_err());
        assert!(register(image.view(), (&image * f64::NAN).view(), 10, none).is_err());
        assert!(register(Array2::zeros((0, 0)).view(), Array2::zeros((0, 0)).view(), 10, none).is_err());
    }
}
