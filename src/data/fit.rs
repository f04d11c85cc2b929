//! Patterns cut, binned and padded to the size that is reconstructed, and the mask and the probe with them.
//!
//! Binning sums intensity, so amplitudes are squared for it. In real space cropping patterns makes the object pixel
//! larger, padding makes it smaller, and binning cuts the field of view (A§2.6 calls for equal sizes throughout).

use super::contract::Verdict;
use crate::config::DataConfig;
use ndarray::{Array2, Array3, ArrayD, ArrayView2, ArrayViewMut2, Axis, Ix3, s};
use num_complex::Complex32;
use rayon::prelude::*;
use rustfft::{FftDirection, FftPlanner};
use std::ops::Range;

/// Pattern sizes the network is built for.
pub(super) const SUPPORTED_SIZES: [usize; 3] = [64, 128, 256];

/// What happens to every pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fit {
    /// Rows and columns of the stored pattern that are used.
    pub window: [Range<usize>; 2],
    /// Pixels summed along each axis.
    pub bin: usize,
    /// Side after binning.
    pub inner: usize,
    /// Side after padding.
    pub size: usize,
}

impl Fit {
    /// For stored patterns of this height and width.
    pub fn new(height: usize, width: usize, config: &DataConfig) -> Result<Self, Verdict> {
        const CHECK: &str = "crop, bin and pad";
        let bin = config.bin.max(1);
        let side = match config.crop {
            Some(crop) if crop > height.min(width) || crop % bin != 0 => {
                return Err(Verdict::fail(
                    CHECK,
                    format!(
                        "data.crop = {crop} does not suit patterns of {height} × {width} pixels and data.bin = {bin}"
                    ),
                )
                .expected(format!("at most {}, and a multiple of {bin}", height.min(width)))
                .advice("Change it with --crop"));
            }
            Some(crop) => crop,
            None if height != width => {
                return Err(Verdict::fail(
                    "square patterns",
                    format!("The patterns are not square: {height} × {width}"),
                )
                .expected("as many rows as columns")
                .advice(format!("Cut out the central square with --crop {}", height.min(width))));
            }
            None => height - height % bin,
        };
        let inner = side / bin;
        let size = config.pad.unwrap_or(inner);
        if size < inner || inner == 0 {
            return Err(Verdict::fail(
                CHECK,
                format!("data.pad = {size} is smaller than the patterns of {inner} pixels"),
            )
            .expected(format!("at least {inner}"))
            .advice("Change it with --pad, or crop with --crop"));
        }
        let around = |length: usize| length / 2 - side / 2..length / 2 - side / 2 + side;
        Ok(Self { window: [around(height), around(width)], bin, inner, size })
    }

    /// Whether patterns of this shape stay as they are.
    pub fn is_plain(&self, height: usize, width: usize) -> bool {
        self.size == height && self.size == width && self.bin == 1 && self.window == [0..height, 0..width]
    }

    /// Stored detector pixels that the side of a finished pattern stands for.
    pub fn side(&self) -> f64 {
        (self.size * self.bin) as f64
    }

    /// (k, rows, columns) of the window → (k, size, size); intensity is summed if `counts`, else the squares.
    pub fn patterns(&self, block: ArrayD<f32>, counts: bool) -> Option<Array3<f32>> {
        let block = block.into_dimensionality::<Ix3>().ok()?;
        let (count, height, width) = block.dim();
        if (height, width) == (self.size, self.size) && self.bin == 1 {
            return Some(block);
        }
        let mut out = Array3::zeros((count, self.size, self.size));
        out.axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(block.axis_iter(Axis(0)))
            .for_each(|(out, pattern)| self.pattern(pattern, counts, out));
        Some(out)
    }

    fn pattern(&self, pattern: ArrayView2<'_, f32>, counts: bool, mut out: ArrayViewMut2<'_, f32>) {
        let mut inner = self.inner_mut(&mut out);
        if self.bin == 1 {
            return inner.assign(&pattern);
        }
        for ((row, column), target) in inner.indexed_iter_mut() {
            let (y, x) = (row * self.bin, column * self.bin);
            let values = pattern.slice(s![y..y + self.bin, x..x + self.bin]);
            let sum: f64 = if counts {
                values.iter().map(|&v| f64::from(v)).sum()
            } else {
                values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt()
            };
            *target = sum as f32;
        }
    }

    fn inner_mut<'a, T>(&self, out: &'a mut ArrayViewMut2<'_, T>) -> ArrayViewMut2<'a, T> {
        let start = self.size / 2 - self.inner / 2;
        out.slice_mut(s![start..start + self.inner, start..start + self.inner])
    }

    /// Good pixels of the window → (size, size): a binned pixel is good if all its pixels are. Padding is good: it stands for
    /// darkness, which keeps the object from having details that the detector did not see.
    pub fn mask(&self, good: &Array2<bool>) -> Array2<bool> {
        let mut out = Array2::from_elem((self.size, self.size), true);
        let bin = self.bin;
        let mut view = out.view_mut();
        for ((row, column), target) in self.inner_mut(&mut view).indexed_iter_mut() {
            let (y, x) = (row * bin, column * bin);
            *target = good.slice(s![y..y + bin, x..x + bin]).iter().all(|&good| good);
        }
        out
    }

    /// A square probe for stored patterns → (size, size). One that has the size of the finished patterns stays as it is.
    pub fn probe(&self, probe: &Array2<Complex32>) -> Array2<Complex32> {
        if probe.nrows() == self.size {
            return probe.clone();
        }
        let cut = resample(probe, self.inner * self.bin);
        let start = cut.nrows() / 2 - self.inner / 2;
        let cut = cut.slice(s![start..start + self.inner, start..start + self.inner]).to_owned();
        resample(&cut, self.size)
    }
}

/// What to write on the command line so that patterns of this height and width get a supported size.
pub(super) fn offers(height: usize, width: usize) -> String {
    let side = height.min(width);
    let mut offers = Vec::new();
    for size in SUPPORTED_SIZES.into_iter().rev() {
        let Some(bin) = [8, 4, 2, 1].into_iter().find(|bin| size * bin <= side) else { continue };
        let crop =
            if size * bin == side && height == width { String::new() } else { format!("--crop {} ", size * bin) };
        let bin = if bin == 1 { String::new() } else { format!("--bin {bin} ") };
        offers.push(format!("{crop}{bin}(N = {size})"));
    }
    if let Some(size) = SUPPORTED_SIZES.into_iter().find(|&size| size >= side && height == width) {
        offers.push(format!("--pad {size} (N = {size})"));
    }
    offers.join(", or ")
}

/// A square complex image on `size` pixels over the same field of view: its centred spectrum is cut or padded. Keeps
/// Σ|·|² of what is kept.
fn resample(image: &Array2<Complex32>, size: usize) -> Array2<Complex32> {
    let length = image.nrows();
    if length == size {
        return image.clone();
    }
    let spectrum = centred_fft(image, FftDirection::Forward);
    let kept = length.min(size);
    let (from, to) = (length / 2 - kept / 2, size / 2 - kept / 2);
    let mut fitted = Array2::zeros((size, size));
    fitted
        .slice_mut(s![to..to + kept, to..to + kept])
        .assign(&spectrum.slice(s![from..from + kept, from..from + kept]));
    centred_fft(&fitted, FftDirection::Inverse)
}

/// Orthonormal Fourier transform of a square image with the origin at index N/2 on both sides.
pub(super) fn centred_fft(image: &Array2<Complex32>, direction: FftDirection) -> Array2<Complex32> {
    let length = image.nrows();
    let plan = FftPlanner::new().plan_fft(length, direction);
    // The origin goes from N/2 to 0 before the transform and back after it.
    let rolled = |image: &Array2<Complex32>, by: usize| {
        Array2::from_shape_fn((length, length), |(y, x)| {
            image.get(((y + by) % length, (x + by) % length)).copied().unwrap_or_default()
        })
    };
    let mut image = rolled(image, length / 2);
    for _ in 0..2 {
        for mut row in image.rows_mut() {
            if let Some(row) = row.as_slice_mut() {
                plan.process(row);
            }
        }
        image = image.t().as_standard_layout().into_owned();
    }
    rolled(&image, length - length / 2).mapv(|value| value / length as f32)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn fit(height: usize, width: usize, crop: Option<usize>, bin: usize, pad: Option<usize>) -> Result<Fit, Verdict> {
        Fit::new(height, width, &DataConfig { crop, bin, pad, ..DataConfig::default() })
    }

    #[test]
    fn the_centre_stays_at_half_of_the_side() {
        for (height, width, crop, bin, pad) in [
            (100, 120, Some(64), 1, None),
            (101, 101, Some(64), 2, None),
            (60, 60, None, 1, Some(64)),
            (65, 65, None, 2, None),
        ] {
            let fit = fit(height, width, crop, bin, pad).unwrap();
            let mut block = Array3::<f32>::zeros((2, height, width));
            block[[1, height / 2, width / 2]] = 9.0;
            let cut = block.slice(s![.., fit.window[0].clone(), fit.window[1].clone()]).to_owned().into_dyn();
            let out = fit.patterns(cut, true).unwrap();
            assert_eq!(out.dim(), (2, fit.size, fit.size));
            assert_eq!(out[[1, fit.size / 2, fit.size / 2]], 9.0, "{fit:?}");
            assert_eq!(out.sum(), 9.0);
        }
    }

    #[test]
    fn binning_sums_intensity_whatever_the_unit() {
        let fit = fit(4, 4, None, 2, None).unwrap();
        let counts = Array3::from_shape_fn((1, 4, 4), |(_, y, x)| (4 * y + x) as f32);
        let summed = fit.patterns(counts.clone().into_dyn(), true).unwrap();
        assert_eq!(summed[[0, 0, 0]], 0.0 + 1.0 + 4.0 + 5.0);
        let amplitude = fit.patterns(counts.mapv(f32::sqrt).into_dyn(), false).unwrap();
        assert!((amplitude.mapv(|v| v * v) - summed).iter().all(|d| d.abs() < 1e-5));
    }

    #[test]
    fn a_binned_pixel_is_good_only_if_all_its_pixels_are_and_padding_is_dark() {
        let fit = fit(4, 4, None, 2, Some(4)).unwrap();
        let mut good = Array2::from_elem((4, 4), true);
        good[[0, 3]] = false;
        let mask = fit.mask(&good);
        let bad: Vec<_> = mask.indexed_iter().filter(|(_, good)| !**good).map(|(at, _)| at).collect();
        assert_eq!(bad, [(1, 2)]);
    }

    #[test]
    fn a_band_limited_probe_keeps_its_values_and_its_energy_on_a_coarser_grid() {
        let gauss = |n: usize, width: f32| {
            Array2::from_shape_fn((n, n), |(y, x)| {
                let (dy, dx) = (y as f32 - (n / 2) as f32, x as f32 - (n / 2) as f32);
                Complex32::from_polar((-(dx * dx + dy * dy) / (2.0 * width * width)).exp(), 0.1 * dx)
            })
        };
        let probe = gauss(128, 8.0);
        let energy = |image: &Array2<Complex32>| image.iter().map(|v| v.norm_sqr()).sum::<f32>();
        let cropped = fit(128, 128, Some(64), 1, None).unwrap().probe(&probe);
        assert_eq!(cropped.dim(), (64, 64));
        assert!((energy(&cropped) / energy(&probe) - 1.0).abs() < 1e-5);
        // Every second value, times two: a coarser pixel holds four times the energy.
        assert!((cropped[[32, 34]] - probe[[64, 68]] * 2.0).norm() < 1e-4);
        let binned = fit(128, 128, None, 2, None).unwrap().probe(&probe);
        assert_eq!(binned, probe.slice(s![32..96, 32..96]));
        let padded = fit(64, 64, None, 1, Some(128)).unwrap().probe(&cropped);
        assert!((padded - &probe).iter().all(|d| d.norm() < 1e-4));
    }

    #[test]
    fn impossible_sizes_are_refused_and_possible_ones_offered() {
        assert!(fit(64, 64, Some(128), 1, None).is_err());
        assert!(fit(64, 64, Some(30), 4, None).is_err());
        assert!(fit(64, 64, None, 1, Some(32)).is_err());
        assert!(fit(64, 60, None, 1, None).unwrap_err().advice.contains("--crop 60"));
        assert_eq!(offers(512, 512), "--bin 2 (N = 256), or --bin 4 (N = 128), or --bin 8 (N = 64)");
        assert_eq!(offers(100, 100), "--crop 64 (N = 64), or --pad 128 (N = 128)");
        assert_eq!(
            offers(516, 1556),
            "--crop 512 --bin 2 (N = 256), or --crop 512 --bin 4 (N = 128), or --crop 512 --bin 8 (N = 64)"
        );
    }
}
