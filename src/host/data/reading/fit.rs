//! Cropping, binning and padding of patterns, mask and probe to the reconstructed size.
//!
//! Binning sums intensity, so amplitudes are squared for it. In real space, cropping patterns enlarges the object pixel,
//! padding reduces it, and binning reduces the field of view (A§2.6 requires equal sizes throughout).

use super::verdict::{Fix, Verdict};
use crate::config::DataConfig;
use ndarray::{Array2, Array3, ArrayD, ArrayView2, ArrayViewMut2, Axis, Ix3, s};
use num_complex::Complex32;
use rayon::prelude::*;
use rustfft::{FftDirection, FftPlanner};
use std::ops::Range;

/// Pattern sizes supported by the network.
pub(super) const SUPPORTED_SIZES: [usize; 3] = [64, 128, 256];

/// Crop, bin and pad applied to every pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fit {
    /// Rows and columns used of the stored pattern.
    pub window: [Range<usize>; 2],
    /// Pixels summed along each axis.
    pub bin: usize,
    /// Side after binning.
    pub inner: usize,
    /// Side after padding.
    pub size: usize,
}

impl Fit {
    /// Configured fit for stored patterns of this height and width.
    ///
    /// # Errors
    /// The failed verdict if the configuration does not match the patterns.
    pub fn new(height: usize, width: usize, config: &DataConfig) -> Result<Self, Verdict> {
        const CHECK: &str = "crop, bin and pad";
        let bin = config.bin.max(1);
        let side = match config.crop {
            Some(crop) if crop > height.min(width) || crop % bin != 0 => {
                return Err(Verdict::fail(
                    CHECK,
                    format!(
                        "data.crop = {crop} does not match patterns of {height} × {width} pixels and data.bin = {bin}"
                    ),
                )
                .expected(format!("at most {}, and a multiple of {bin}", height.min(width)))
                .advice("Change the size with --crop"));
            }
            Some(crop) => crop,
            None if height != width => {
                return Err(Verdict::fail(
                    "square patterns",
                    format!("The patterns are not square: {height} × {width}"),
                )
                .expected("as many rows as columns")
                .advice(format!("Crop to the central square with --crop {}", height.min(width)))
                .fixes([SizeOption::crop(height.min(width)).fix()]));
            }
            None => height - height % bin,
        };
        let inner = side / bin;
        let size = config.pad.unwrap_or(inner);
        if size < inner || inner == 0 {
            return Err(Verdict::fail(
                CHECK,
                format!("data.pad = {size} is smaller than the pattern size of {inner} pixels"),
            )
            .expected(format!("at least {inner}"))
            .advice("Change the size with --pad, or crop with --crop"));
        }
        let around = |length: usize, center: Option<usize>| {
            let center = center.unwrap_or(length / 2);
            let start = center.checked_sub(side / 2).filter(|start| start + side <= length)?;
            Some(start..start + side)
        };
        match (around(height, config.center_y), around(width, config.center_x)) {
            (Some(rows), Some(columns)) => Ok(Self { window: [rows, columns], bin, inner, size }),
            _ => Err(Verdict::fail(
                CHECK,
                format!("A square of {side} pixels around the configured center reaches beyond patterns of {height} × {width}"),
            )
            .expected("a smaller square, or a center nearer to the middle")
            .advice("Crop more with --crop, or correct data.center_x and data.center_y")),
        }
    }

    /// True if patterns of this shape are left unchanged.
    pub fn is_plain(&self, height: usize, width: usize) -> bool {
        self.size == height && self.size == width && self.bin == 1 && self.window == [0..height, 0..width]
    }

    /// Side of a finished pattern in stored detector pixels.
    pub fn side(&self) -> f64 {
        (self.size * self.bin) as f64
    }

    /// Bins and pads (k, rows, columns) of the window to (k, size, size); sums counts, or the squares of amplitudes.
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

    /// Bins and pads the good pixels of the window to (size, size): a binned pixel is good if all its pixels are. Padding is
    /// good and dark, which suppresses object details beyond the resolution of the detector.
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

    /// Resamples a square probe for stored patterns to (size, size). A probe of the finished size is left unchanged.
    pub fn probe(&self, probe: &Array2<Complex32>) -> Array2<Complex32> {
        if probe.nrows() == self.size {
            return probe.clone();
        }
        let cropped = resample(probe, self.inner * self.bin);
        let start = cropped.nrows() / 2 - self.inner / 2;
        let binned = cropped.slice(s![start..start + self.inner, start..start + self.inner]).to_owned();
        resample(&binned, self.size)
    }
}

/// One way to bring patterns to a supported size: crop, then bin, then pad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SizeOption {
    crop: Option<usize>,
    bin: usize,
    pad: Option<usize>,
}

impl SizeOption {
    /// Central square of `side` pixels.
    fn crop(side: usize) -> Self {
        Self { crop: Some(side), bin: 1, pad: None }
    }

    /// Command-line options, such as `--crop 256 --bin 2`.
    fn flags(self) -> String {
        let mut flags = Vec::new();
        flags.extend(self.crop.map(|side| format!("--crop {side}")));
        flags.extend((self.bin > 1).then(|| format!("--bin {}", self.bin)));
        flags.extend(self.pad.map(|side| format!("--pad {side}")));
        if flags.is_empty() { "unchanged".to_owned() } else { flags.join(" ") }
    }

    /// The change of the configuration that selects this option.
    pub fn fix(self) -> Fix {
        let mut steps = Vec::new();
        steps.extend(self.crop.map(|side| format!("crop to {side} × {side}")));
        steps.extend((self.bin > 1).then(|| format!("bin by {}", self.bin)));
        steps.extend(self.pad.map(|side| format!("pad to {side} × {side}")));
        let mut label = if steps.is_empty() { "use whole patterns".to_owned() } else { steps.join(", ") };
        if let Some(first) = label.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let text = |side: Option<usize>| side.map_or("none".to_owned(), |side| side.to_string());
        Fix::new(
            label,
            [("data.crop", text(self.crop)), ("data.bin", self.bin.to_string()), ("data.pad", text(self.pad))],
        )
    }
}

/// Ways to bring patterns of this height and width to a supported size, largest size first.
pub(super) fn size_options(height: usize, width: usize) -> Vec<(SizeOption, usize)> {
    let side = height.min(width);
    let mut options = Vec::new();
    for size in SUPPORTED_SIZES.into_iter().rev() {
        let Some(bin) = [8, 4, 2, 1].into_iter().find(|bin| size * bin <= side) else { continue };
        let whole = size * bin == side && height == width;
        options.push((SizeOption { crop: (!whole).then_some(size * bin), bin, pad: None }, size));
    }
    if let Some(size) = SUPPORTED_SIZES.into_iter().find(|&size| size >= side && height == width) {
        options.push((SizeOption { crop: None, bin: 1, pad: Some(size) }, size));
    }
    options
}

/// The options with their resulting sizes, such as `--crop 64 (N = 64), or --pad 128 (N = 128)`.
pub(super) fn options_text(options: &[(SizeOption, usize)]) -> String {
    let texts: Vec<String> = options.iter().map(|(option, size)| format!("{} (N = {size})", option.flags())).collect();
    texts.join(", or ")
}

/// Resamples a square complex image to `size` pixels over the same field of view by cropping or padding its centered
/// spectrum; preserves Σ|·|² of the kept frequencies.
fn resample(image: &Array2<Complex32>, size: usize) -> Array2<Complex32> {
    let length = image.nrows();
    if length == size {
        return image.clone();
    }
    let spectrum = centered_fft(image, FftDirection::Forward);
    let kept = length.min(size);
    let (from, to) = (length / 2 - kept / 2, size / 2 - kept / 2);
    let mut fitted = Array2::zeros((size, size));
    fitted
        .slice_mut(s![to..to + kept, to..to + kept])
        .assign(&spectrum.slice(s![from..from + kept, from..from + kept]));
    centered_fft(&fitted, FftDirection::Inverse)
}

/// Orthonormal Fourier transform of a square image, with the origin at index N/2 in both domains.
pub(super) fn centered_fft(image: &Array2<Complex32>, direction: FftDirection) -> Array2<Complex32> {
    let length = image.nrows();
    let plan = FftPlanner::new().plan_fft(length, direction);
    // The origin moves from N/2 to 0 before the transform and back afterwards.
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
mod tests {
    use super::*;

    fn fit(height: usize, width: usize, crop: Option<usize>, bin: usize, pad: Option<usize>) -> Result<Fit, Verdict> {
        Fit::new(height, width, &DataConfig { crop, bin, pad, ..DataConfig::default() })
    }

    #[test]
    fn the_center_stays_at_half_of_the_side() {
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
    fn binning_sums_intensity_in_both_units() {
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

    fn offers(height: usize, width: usize) -> String {
        options_text(&size_options(height, width))
    }

    #[test]
    fn every_option_is_a_fix_with_all_three_settings() {
        let fixes: Vec<Fix> = size_options(600, 500).into_iter().map(|(option, _)| option.fix()).collect();
        let labels: Vec<&str> = fixes.iter().map(|fix| fix.label.as_str()).collect();
        assert_eq!(labels, ["Crop to 256 × 256", "Crop to 256 × 256, bin by 2", "Crop to 256 × 256, bin by 4"]);
        let pad = size_options(100, 100)[1].0.fix();
        assert_eq!(pad.label, "Pad to 128 × 128");
        let settings = [("data.crop", "none"), ("data.bin", "1"), ("data.pad", "128")];
        assert_eq!(pad.settings, settings.map(|(key, text)| (key, text.to_owned())));
    }

    #[test]
    fn impossible_sizes_are_rejected_and_possible_ones_offered() {
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
