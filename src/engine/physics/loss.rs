//! Losses: distance of predicted from measured diffraction, and regularizers (A§5.6).

use burn::tensor::{Device, Tensor, TensorData};
use ndarray::ArrayView2;

/// Floor of the predicted intensity, in normalized units: keeps logarithm and root finite at dark pixels.
pub const INTENSITY_FLOOR: f64 = 1e-6;

/// (1, N, N) weight of each detector pixel in a loss: 0 where masked, else such that the weighted mean over all pixels
/// is the mean over the valid ones. `None` if all pixels are valid, or none.
///
/// * `good`: (N, N), true = valid.
pub fn pixel_weight(good: ArrayView2<'_, bool>, device: &Device) -> Option<Tensor<3>> {
    let (height, width) = good.dim();
    let count = good.iter().filter(|good| **good).count();
    if count == good.len() || count == 0 {
        return None;
    }
    let weight = good.len() as f32 / count as f32;
    let values: Vec<f32> = good.iter().map(|&good| if good { weight } else { 0.0 }).collect();
    Some(Tensor::from_data(TensorData::new(values, [1, height, width]), device))
}

/// Weighted mean of one term per pixel.
fn weighted_mean<const D: usize>(terms: Tensor<D>, weight: Option<Tensor<D>>) -> Tensor<1> {
    match weight {
        Some(weight) => (terms * weight).mean(),
        None => terms.mean(),
    }
}

/// Mean Poisson deviance per pixel, `λ - k + k·ln(k/λ)`, in units of the normalized intensity.
///
/// * `intensity`: predicted, any shape. * `amplitude`: measured (square root), same shape.
/// * `weight`: weight of each pixel, see [`pixel_weight`]; `None` weights all equally.
///
/// With counts `S²·intensity` the deviance in counts is `S²` times this value, so the photon number scales the loss but
/// not its minimum. It is finite in f32 for any photon number, unlike the likelihood with lnΓ (A§5.9), and has the same
/// gradient.
pub fn poisson_deviance<const D: usize>(
    intensity: Tensor<D>,
    amplitude: Tensor<D>,
    weight: Option<Tensor<D>>,
) -> Tensor<1> {
    poisson_deviance_above(INTENSITY_FLOOR, intensity, amplitude, weight)
}

/// [`poisson_deviance`] with a given floor of the predicted intensity; the reference uses none.
pub fn poisson_deviance_above<const D: usize>(
    floor: f64,
    intensity: Tensor<D>,
    amplitude: Tensor<D>,
    weight: Option<Tensor<D>>,
) -> Tensor<1> {
    let rate = intensity + floor;
    let counts = amplitude.clone() * amplitude;
    // k·ln k has the limit 0 at k = 0, which the clamp yields without a branch.
    let entropy = counts.clone() * counts.clone().clamp_min(1e-12).log();
    weighted_mean(rate.clone() - counts.clone() + entropy - counts * rate.log(), weight)
}

/// Mean absolute error of the amplitude; `√(I + floor)` keeps the gradient finite at dark pixels. Arguments as
/// in [`poisson_deviance`].
pub fn amplitude_mae<const D: usize>(
    intensity: Tensor<D>,
    amplitude: Tensor<D>,
    weight: Option<Tensor<D>>,
) -> Tensor<1> {
    weighted_mean(((intensity + INTENSITY_FLOOR).sqrt() - amplitude).abs(), weight)
}

/// Sum of the absolute differences of neighboring pixels along both axes of (b, c, h, w) images (A§5.6).
pub fn total_variation(images: Tensor<4>) -> Tensor<1> {
    let [along_y, along_x] = differences(images);
    along_y.abs().sum() + along_x.abs().sum()
}

/// Sum of the squared differences of neighboring pixels along both axes of (b, c, h, w) images (A§5.8).
pub fn squared_variation(images: Tensor<4>) -> Tensor<1> {
    let [along_y, along_x] = differences(images);
    along_y.square().sum() + along_x.square().sum()
}

/// Sum of the absolute deviations of (b, c, h, w) images from their means over the pixels (A§5.6).
pub fn mean_deviation(images: Tensor<4>) -> Tensor<1> {
    let mean = images.clone().mean_dim(3).mean_dim(2);
    (images - mean).abs().sum()
}

fn differences(images: Tensor<4>) -> [Tensor<4>; 2] {
    [2, 3].map(|axis| {
        let length = images.dims()[axis];
        images.clone().narrow(axis, 1, length - 1) - images.clone().narrow(axis, 0, length - 1)
    })
}

/// Poisson loss of one sample as in the reference, in f64: `Σ λ - k·ln λ + lnΓ(k+1)` with `λ = (s·pred)²`,
/// `k = (s·obs)²` (A§5.6), for comparison with the original's logs. Host arrays of equal length.
pub fn reference_nll(predicted_amplitude: &[f32], observed_amplitude: &[f32], scale: f64) -> f64 {
    predicted_amplitude
        .iter()
        .zip(observed_amplitude)
        .map(|(&p, &o)| {
            let (rate, k) = ((scale * f64::from(p)).powi(2), (scale * f64::from(o)).powi(2));
            let log_term = if k > 0.0 { k * rate.max(f64::MIN_POSITIVE).ln() } else { 0.0 };
            rate - log_term + ln_gamma(k + 1.0)
        })
        .sum()
}

/// lnΓ(x) for x ≥ 1: Stirling's series after shifting the argument above 10 (error below 1e-14 relative).
fn ln_gamma(x: f64) -> f64 {
    let mut shift = 0.0;
    let mut z = x;
    while z < 10.0 {
        shift += z.ln();
        z += 1.0;
    }
    let r = 1.0 / (z * z);
    let series = (1.0 / 12.0 - r * (1.0 / 360.0 - r * (1.0 / 1260.0 - r / 1680.0))) / z;
    (z - 0.5) * z.ln() - z + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn the_deviance_is_zero_at_a_perfect_fit_and_positive_elsewhere() {
        let device = Device::flex();
        let amplitude = Tensor::<1>::from_floats([0.0, 0.5, 2.0], &device);
        let perfect: f32 = poisson_deviance(amplitude.clone().square(), amplitude.clone(), None).into_scalar();
        // The remainder is the floor at the dark pixel.
        assert!(perfect.abs() < 1e-6, "{perfect}");
        let off: f32 = poisson_deviance(amplitude.clone().square() * 1.1, amplitude, None).into_scalar();
        assert!(off > 1e-3, "{off}");
    }

    #[test]
    fn masked_pixels_are_excluded_from_sum_count_and_gradient() {
        let device = Device::flex().autodiff();
        let good = ndarray::array![[true, false], [true, true]];
        let weight = || pixel_weight(good.view(), &device);
        let measured = [[[1.0, 500.0], [2.0, 0.0]], [[0.5, 3.0], [1.5, 1.0]]];
        let amplitude = Tensor::<3>::from_floats(measured, &device);
        type Loss = fn(Tensor<3>, Tensor<3>, Option<Tensor<3>>) -> Tensor<1>;
        for loss in [poisson_deviance as Loss, amplitude_mae as Loss] {
            let intensity = Tensor::<3>::from_floats([[[2.0, 7.0], [3.0, 1.0]]; 2], &device).require_grad();
            let masked = loss(intensity.clone(), amplitude.clone(), weight());
            // Expected value: the mean over the valid pixels, each evaluated alone.
            let mut sum = 0.0;
            for n in 0..2 {
                for (y, x) in [(0, 0), (1, 0), (1, 1)] {
                    let one = |t: &Tensor<3>| t.clone().slice([n..n + 1, y..y + 1, x..x + 1]);
                    let alone: f32 = loss(one(&intensity), one(&amplitude), None).into_scalar();
                    sum += alone;
                }
            }
            let gradient = intensity.grad(&masked.backward()).unwrap();
            let gradient: Vec<f32> = gradient.into_data().try_to_vec().unwrap();
            assert!(gradient[1] == 0.0 && gradient[5] == 0.0 && gradient[0] != 0.0, "{gradient:?}");
            let masked: f32 = masked.into_scalar();
            assert!((masked - sum / 6.0).abs() < 1e-5, "{masked} {}", sum / 6.0);
        }
        assert!(pixel_weight(ndarray::Array2::from_elem((2, 2), true).view(), &device).is_none());
    }

    #[test]
    fn ln_gamma_matches_factorials() {
        let mut factorial = 1.0f64;
        for n in 1..20u32 {
            factorial *= f64::from(n);
            let value = ln_gamma(f64::from(n) + 1.0);
            assert!((value - factorial.ln()).abs() < 1e-12 * factorial.ln().max(1.0), "{n}: {value}");
        }
    }
}
