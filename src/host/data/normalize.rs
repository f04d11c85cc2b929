//! Scaling of the diffraction patterns (A§3.1).

use crate::error::{Problem, Result};
use ndarray::{ArrayView3, Axis};
use rayon::prelude::*;

/// Factor that scales the mean energy per pattern, Σ X², to (N/2)²: `sqrt((N/2)² / mean_counts)` (A§3.1).
///
/// `diffraction` is (n, N, N) amplitude; multiply it by the factor.
///
/// # Errors
/// [`crate::error::Error::BadInput`] if there are no patterns, no signal, or non-finite values.
pub fn normalization_factor(diffraction: ArrayView3<'_, f32>) -> Result<f64> {
    let half = diffraction.len_of(Axis(2)) as f64 / 2.0;
    Ok((half * half / mean_counts(diffraction)?).sqrt())
}

/// Mean counts per pattern, Σ amplitude².
///
/// `diffraction` is (n, N, N) amplitude. Sums are f64 and do not depend on the number of threads.
///
/// # Errors
/// As [`normalization_factor`].
pub fn mean_counts(diffraction: ArrayView3<'_, f32>) -> Result<f64> {
    let energies: Vec<f64> = diffraction
        .axis_iter(Axis(0))
        .into_par_iter()
        .map(|pattern| pattern.iter().map(|&value| f64::from(value) * f64::from(value)).sum())
        .collect();
    let mean = energies.iter().sum::<f64>() / energies.len() as f64;
    if mean.is_finite() && mean > 0.0 {
        return Ok(mean);
    }
    Err(Problem::new(format!("The mean energy of {} diffraction patterns is {mean}", energies.len()))
        .expected("patterns with signal and finite values")
        .hint("Run `ptychoscope inspect` on the file to find the unusable patterns")
        .into())
}

/// Intensity of one count in some amplitudes: the smallest value, if the other small ones are whole multiples of it.
pub fn count_unit(amplitudes: impl Iterator<Item = f32> + Clone) -> Option<f64> {
    let intensities = amplitudes.map(|value| f64::from(value).powi(2)).filter(|value| *value > 0.0);
    let one = intensities.clone().fold(f64::INFINITY, f64::min);
    let (mut small, mut whole) = (0usize, 0usize);
    for multiple in intensities.map(|value| value / one).filter(|multiple| *multiple < 20.5) {
        small += 1;
        whole += usize::from((multiple - multiple.round()).abs() < 0.05);
    }
    (small >= 100 && whole as f64 > 0.97 * small as f64).then_some(one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::npz::NpzArchive;
    use ndarray::{Array3, ArrayD, Ix4};
    use ptychoscope_base::testing::golden;

    /// (b, n, n, c) → (b · c, n, n) patterns.
    fn patterns(array: ArrayD<f32>) -> Array3<f32> {
        let array = array.into_dimensionality::<Ix4>().unwrap().permuted_axes([0, 3, 1, 2]);
        let (b, c, h, w) = array.dim();
        array.as_standard_layout().into_owned().into_shape_with_order((b * c, h, w)).unwrap()
    }

    #[test]
    fn normalization_agrees_with_the_reference_for_floats_and_16_bit_integers() {
        let mut golden = NpzArchive::open(golden("normalization.npz")).unwrap();
        for (input, output) in [("a_in", "a_N64"), ("u_in", "u_N32")] {
            let (input, output) =
                (patterns(golden.read_f32(input).unwrap()), patterns(golden.read_f32(output).unwrap()));
            let factor = normalization_factor(input.view()).unwrap();
            let worst = input
                .iter()
                .zip(&output)
                .map(|(&x, &want)| (f64::from(x) * factor - f64::from(want)).abs() / f64::from(want).abs().max(1e-6))
                .fold(0.0, f64::max);
            println!("normalization: worst relative difference {worst:e}");
            assert!(worst <= 1e-6, "{worst}");
        }
        // sqrt(nphotons / mean counts), in single precision there
        let input = patterns(golden.read_f32("a_in").unwrap());
        let scale = (1e6 / mean_counts(input.view()).unwrap()).sqrt();
        let want = golden.read_f64("intensity_scale_nphotons1e6").unwrap()[[]];
        assert!((scale / want - 1.0).abs() <= 1e-6, "{scale} {want}");
    }

    #[test]
    fn normalized_patterns_have_the_specified_mean_energy() {
        let input = Array3::from_shape_fn((5, 8, 8), |(n, y, x)| (n + 2 * y + x) as f32);
        let factor = normalization_factor(input.view()).unwrap();
        let scaled = input.mapv(|v| (f64::from(v) * factor) as f32);
        assert!((mean_counts(scaled.view()).unwrap() - 16.0).abs() < 1e-5);
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let input = Array3::from_shape_fn((97, 16, 16), |(n, y, x)| ((n * 7 + y * 3 + x) as f32).sin());
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| mean_counts(input.view()).unwrap().to_bits())
        };
        assert_eq!(with(1), with(4));
    }

    #[test]
    fn no_signal_is_an_error() {
        assert!(normalization_factor(Array3::zeros((3, 8, 8)).view()).is_err());
        assert!(normalization_factor(Array3::zeros((0, 8, 8)).view()).is_err());
        assert!(normalization_factor(Array3::from_elem((1, 8, 8), f32::NAN).view()).is_err());
    }

    #[test]
    fn the_unit_of_counts_is_found_if_there_is_one() {
        let counts = Array3::from_shape_fn((4, 16, 16), |(n, y, x)| ((n + 3 * y + x) % 7) as f32);
        let unit = count_unit(counts.iter().map(|count: &f32| (0.25 * count).sqrt()));
        assert!(unit.is_some_and(|one| (one - 0.25).abs() < 1e-6));
        assert_eq!(count_unit(counts.iter().map(|count| (0.3 + 0.37 * count).sqrt())), None);
    }
}
