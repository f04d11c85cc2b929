//! Cropping, binning and padding of patterns, mask and probe to the reconstructed size.
//!
//! Binning sums intensity, so amplitudes are squared for it. In a far field, cropping patterns enlarges the object pixel,
//! padding reduces it, and binning reduces the field of view (A§2.6 requires equal sizes throughout). In a near field,
//! patterns and object have the same grid.
//!
//! Any even size from 16 is used as it is. Odd sizes lose their last row and column, and frames that are not square are
//! padded to squares. A crop may reach beyond the edge of the frame; what was not measured there is masked.

use super::verdict::{Fix, Verdict};
use crate::config::{DataConfig, Orientation};
use ndarray::{Array2, Array3, ArrayD, ArrayView2, ArrayViewMut2, Axis, Ix3, s};
use num_complex::Complex32;
use rayon::prelude::*;
use rustfft::{FftDirection, FftPlanner};
use std::ops::Range;

/// Pattern sizes to which larger patterns are reduced, and the smallest that is used.
const USUAL_SIZES: [usize; 3] = [64, 128, 256];
pub(super) const LARGEST_USUAL: usize = 256;
pub(super) const SMALLEST: usize = 16;

/// Crop, bin, pad and orientation applied to every pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fit {
    /// Rows and columns used of the stored pattern.
    pub window: [Range<usize>; 2],
    /// Pixels summed along each axis.
    pub bin: usize,
    /// Rows and columns of the crop after binning, around the center; more than measured if it reaches beyond the frame.
    asked: [usize; 2],
    /// Rows and columns after binning.
    pub inner: [usize; 2],
    /// Row and column of the padded pattern at which those begin.
    start: [usize; 2],
    /// Side after padding.
    pub size: usize,
    /// True if the patterns are near-field ones.
    pub near_field: bool,
    /// Turn and mirror of the finished pattern.
    pub orientation: Orientation,
}

const CHECK: &str = "crop, bin and pad";

impl Fit {
    /// Configured fit for stored patterns of this height and width.
    ///
    /// # Errors
    /// The failed verdict if the configuration does not match the patterns.
    pub fn new(height: usize, width: usize, config: &DataConfig, near_field: bool) -> Result<Self, Verdict> {
        let center = [config.center_y.unwrap_or(height / 2), config.center_x.unwrap_or(width / 2)];
        Self::around(height, width, center, config, near_field)
    }

    /// As [`Self::new`], around this (row, column).
    pub fn around(
        height: usize,
        width: usize,
        center: [usize; 2],
        config: &DataConfig,
        near_field: bool,
    ) -> Result<Self, Verdict> {
        let (bin, longest) = (config.bin.max(1), height.max(width));
        let used = match config.crop {
            Some(crop) if crop > longest || crop % bin != 0 => {
                return Err(Verdict::fail(
                    CHECK,
                    format!(
                        "data.crop = {crop} does not match patterns of {height} × {width} pixels and data.bin = {bin}"
                    ),
                )
                .expected(format!("at most {longest}, and a multiple of {bin}"))
                .advice("Change the size with --crop"));
            }
            Some(crop) => [crop; 2],
            None => [height, width].map(|length| length - length % (2 * bin)),
        };
        let asked = used.map(|length| length / bin);
        let longest = asked[0].max(asked[1]);
        let size = config.pad.unwrap_or(longest);
        if size < longest || asked.contains(&0) {
            return Err(Verdict::fail(
                CHECK,
                format!("data.pad = {size} is smaller than the pattern size of {longest} pixels"),
            )
            .expected(format!("at least {longest}"))
            .advice("Change the size with --pad, or crop with --crop"));
        }
        let measured = |axis: usize, length: usize| measured(center[axis], used[axis], length, bin);
        let (Some((rows, above)), Some((columns, left))) = (measured(0, height), measured(1, width)) else {
            return Err(Verdict::fail(
                CHECK,
                format!("The center (column {}, row {}) is outside of {width} × {height} pixels", center[1], center[0]),
            )
            .expected("a center on the detector")
            .advice("Correct data.center_x and data.center_y"));
        };
        let inner = [rows.len() / bin, columns.len() / bin];
        let start = [size / 2 - asked[0] / 2 + above, size / 2 - asked[1] / 2 + left];
        let orientation = config.detector_orientation;
        Ok(Self { window: [rows, columns], bin, asked, inner, start, size, near_field, orientation })
    }

    /// True if patterns of this shape are left unchanged.
    pub fn is_plain(&self, height: usize, width: usize) -> bool {
        self.size == height
            && self.size == width
            && self.bin == 1
            && self.window == [0..height, 0..width]
            && self.orientation == Orientation::Plain
    }

    /// Side of a finished pattern in stored detector pixels.
    pub fn side(&self) -> f64 {
        (self.size * self.bin) as f64
    }

    /// Bins, pads and turns (k, rows, columns) of the window to (k, size, size); sums counts, or the squares of amplitudes.
    pub fn patterns(&self, block: ArrayD<f32>, counts: bool) -> Option<Array3<f32>> {
        let block = block.into_dimensionality::<Ix3>().ok()?;
        let (count, height, width) = block.dim();
        if (height, width) == (self.size, self.size) && self.bin == 1 && self.orientation == Orientation::Plain {
            return Some(block);
        }
        let mut out = Array3::zeros((count, self.size, self.size));
        out.axis_iter_mut(Axis(0)).into_par_iter().zip(block.axis_iter(Axis(0))).for_each(|(mut out, pattern)| {
            self.pattern(pattern, counts, out.view_mut());
            if self.orientation != Orientation::Plain {
                let turned = turned(out.view(), self.orientation);
                out.assign(&turned);
            }
        });
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
        let [rows, columns] = [0, 1].map(|axis| self.start[axis]..self.start[axis] + self.inner[axis]);
        out.slice_mut(s![rows, columns])
    }

    /// Finished pixel that contains a pixel (row, column) of the window.
    pub fn finished(&self, (row, column): (usize, usize)) -> (usize, usize) {
        let (y, x) = (self.start[0] + row / self.bin, self.start[1] + column / self.bin);
        let (swap, flip_x, flip_y) = self.orientation.swap_flip_x_flip_y();
        let (y, x) = if swap { (x, y) } else { (y, x) };
        (mirrored(y, self.size, flip_y), mirrored(x, self.size, flip_x))
    }

    /// True if finished patterns have pixels that were not measured: padding in a near field, and where the crop reaches
    /// beyond the frame.
    pub fn has_unknown_border(&self) -> bool {
        self.inner != self.asked || (self.near_field && self.inner != [self.size; 2])
    }

    /// Bins, pads and turns the good pixels of the window to (size, size): a binned pixel is good if all its pixels are. In a
    /// far field padding is good and dark, which suppresses object details beyond the resolution of the detector; in a near
    /// field it is not good, since the shadow continues there.
    pub fn mask(&self, good: &Array2<bool>) -> Array2<bool> {
        let mut out = Array2::from_elem((self.size, self.size), !self.near_field);
        let [rows, columns] = self.asked.map(|length| self.size / 2 - length / 2..self.size / 2 - length / 2 + length);
        out.slice_mut(s![rows, columns]).fill(false);
        let bin = self.bin;
        let mut view = out.view_mut();
        for ((row, column), target) in self.inner_mut(&mut view).indexed_iter_mut() {
            let (y, x) = (row * bin, column * bin);
            *target = good.slice(s![y..y + bin, x..x + bin]).iter().all(|&good| good);
        }
        turned(out.view(), self.orientation)
    }

    /// Resamples a probe for stored patterns to (size, size). A probe of the finished size is left unchanged.
    pub fn probe(&self, probe: &Array2<Complex32>) -> Array2<Complex32> {
        if probe.dim() == (self.size, self.size) {
            return probe.clone();
        }
        let [rows, columns] = self.asked;
        if self.near_field {
            // The same grid as the patterns: cropped, coarser pixels, dark border.
            let used = if probe.dim() == (self.window[0].len(), self.window[1].len()) {
                probe.clone()
            } else {
                probe.slice(s![self.window[0].clone(), self.window[1].clone()]).to_owned()
            };
            let binned = resample(&used, self.inner);
            let mut padded = Array2::zeros((self.size, self.size));
            self.inner_mut(&mut padded.view_mut()).assign(&binned);
            return padded;
        }
        let cropped = resample(probe, [rows * self.bin, columns * self.bin]);
        let start = [cropped.nrows() / 2 - rows / 2, cropped.ncols() / 2 - columns / 2];
        let binned = cropped.slice(s![start[0]..start[0] + rows, start[1]..start[1] + columns]).to_owned();
        resample(&binned, [self.size; 2])
    }
}

/// The part of `used` pixels around `center` that lies on an axis of `length` pixels, in whole bins, and the bins before it
/// that do not; `None` if the center is not on the axis or nothing is left.
fn measured(center: usize, used: usize, length: usize, bin: usize) -> Option<(Range<usize>, usize)> {
    let missing = (used / 2).saturating_sub(center).div_ceil(bin);
    let first = (center + missing * bin).checked_sub(used / 2)?;
    let last = (center + used - used / 2).min(length);
    let bins = last.checked_sub(first)? / bin;
    (center < length && bins > 0).then(|| (first..first + bins * bin, missing))
}

/// A square pattern turned and mirrored as `orientation` does with positions. The zero frequency stays at N/2, and the first
/// row or column in its place: frequencies are periodic.
pub(super) fn turned<T: Copy>(pattern: ArrayView2<'_, T>, orientation: Orientation) -> Array2<T> {
    let (swap, flip_x, flip_y) = orientation.swap_flip_x_flip_y();
    let size = pattern.nrows();
    Array2::from_shape_fn((size, size), |(y, x)| {
        let (y, x) = (mirrored(y, size, flip_y), mirrored(x, size, flip_x));
        if swap { pattern[[x, y]] } else { pattern[[y, x]] }
    })
}

/// Index of a row or column after the pattern is mirrored; its own inverse.
fn mirrored(index: usize, size: usize, flip: bool) -> usize {
    if flip { (size - index) % size } else { index }
}

/// One way to bring patterns to a usual size: crop, then bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SizeOption {
    crop: Option<usize>,
    bin: usize,
}

impl SizeOption {
    /// Command-line options, such as `--crop 256 --bin 2`.
    fn flags(self) -> String {
        let mut flags = Vec::new();
        flags.extend(self.crop.map(|side| format!("--crop {side}")));
        flags.extend((self.bin > 1).then(|| format!("--bin {}", self.bin)));
        if flags.is_empty() { "unchanged".to_owned() } else { flags.join(" ") }
    }

    /// The change of the configuration that selects this option.
    pub fn fix(self) -> Fix {
        let mut steps = Vec::new();
        steps.extend(self.crop.map(|side| format!("crop to {side} × {side}")));
        steps.extend((self.bin > 1).then(|| format!("bin by {}", self.bin)));
        let mut label = if steps.is_empty() { "use whole patterns".to_owned() } else { steps.join(", ") };
        if let Some(first) = label.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let crop = self.crop.map_or("none".to_owned(), |side| side.to_string());
        Fix::new(label, [("data.crop", crop), ("data.bin", self.bin.to_string()), ("data.pad", "none".to_owned())])
    }
}

/// Ways to bring patterns of this height and width to a usual size, largest size first.
pub(super) fn size_options(height: usize, width: usize) -> Vec<(SizeOption, usize)> {
    let side = height.min(width);
    let mut options = Vec::new();
    for size in USUAL_SIZES.into_iter().rev() {
        let Some(bin) = [8, 4, 2, 1].into_iter().find(|bin| size * bin <= side) else { continue };
        let whole = size * bin == side && height == width;
        options.push((SizeOption { crop: (!whole).then_some(size * bin), bin }, size));
    }
    options
}

/// The options with their resulting sizes, such as `--crop 64 (N = 64), or --pad 128 (N = 128)`.
pub(super) fn options_text(options: &[(SizeOption, usize)]) -> String {
    let texts: Vec<String> = options.iter().map(|(option, size)| format!("{} (N = {size})", option.flags())).collect();
    texts.join(", or ")
}

/// Resamples a complex image to (rows, columns) over the same field of view by cropping or padding its centered spectrum;
/// preserves Σ|·|² of the kept frequencies.
fn resample(image: &Array2<Complex32>, size: [usize; 2]) -> Array2<Complex32> {
    let length = [image.nrows(), image.ncols()];
    if length == size {
        return image.clone();
    }
    let spectrum = centered_fft(image, FftDirection::Forward);
    let kept = [0, 1].map(|axis| length[axis].min(size[axis]));
    let part = |of: [usize; 2]| [0, 1].map(|axis| of[axis] / 2 - kept[axis] / 2..of[axis] / 2 + kept[axis].div_ceil(2));
    let ([from_rows, from_columns], [rows, columns]) = (part(length), part(size));
    let mut fitted = Array2::zeros(size);
    fitted.slice_mut(s![rows, columns]).assign(&spectrum.slice(s![from_rows, from_columns]));
    centered_fft(&fitted, FftDirection::Inverse)
}

/// Orthonormal Fourier transform of an image, with the origin at index N/2 of each axis in both domains.
pub(super) fn centered_fft(image: &Array2<Complex32>, direction: FftDirection) -> Array2<Complex32> {
    let (height, width) = image.dim();
    // The origin moves from N/2 to 0 before the transform and back afterwards.
    let rolled = |image: &Array2<Complex32>, by: [usize; 2]| {
        Array2::from_shape_fn((height, width), |(y, x)| {
            image.get(((y + by[0]) % height, (x + by[1]) % width)).copied().unwrap_or_default()
        })
    };
    let mut image = rolled(image, [height / 2, width / 2]);
    for length in [width, height] {
        let plan = FftPlanner::new().plan_fft(length, direction);
        for mut row in image.rows_mut() {
            if let Some(row) = row.as_slice_mut() {
                plan.process(row);
            }
        }
        image = image.t().as_standard_layout().into_owned();
    }
    let norm = ((height * width) as f32).sqrt();
    rolled(&image, [height - height / 2, width - width / 2]).mapv(|value| value / norm)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(height: usize, width: usize, crop: Option<usize>, bin: usize, pad: Option<usize>) -> Result<Fit, Verdict> {
        Fit::new(height, width, &DataConfig { crop, bin, pad, ..DataConfig::default() }, false)
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

    #[test]
    fn odd_sizes_become_even_and_other_shapes_square_with_the_center_at_half() {
        let shape = |height, width, bin| {
            let fit = fit(height, width, None, bin, None).unwrap();
            (fit.inner, fit.size)
        };
        assert_eq!(shape(100, 100, 1), ([100, 100], 100));
        assert_eq!(shape(65, 65, 1), ([64, 64], 64));
        assert_eq!(shape(131, 99, 1), ([130, 98], 130));
        assert_eq!(shape(100, 98, 2), ([50, 48], 50));
        let wide = fit(20, 32, None, 1, None).unwrap();
        let mut block = Array3::<f32>::ones((1, 20, 32));
        block[[0, 10, 16]] = 9.0;
        let out = wide.patterns(block.into_dyn(), true).unwrap();
        assert_eq!((out.dim(), out[[0, 16, 16]], out.sum()), ((1, 32, 32), 9.0, 648.0));
        assert_eq!((out[[0, 5, 0]], out[[0, 6, 0]], out[[0, 25, 31]], out[[0, 26, 31]]), (0.0, 1.0, 1.0, 0.0));
    }

    #[test]
    fn a_probe_for_patterns_that_are_not_square_is_resampled_to_square_pixels() {
        // The field of view is the same along both axes, with fewer pixels along y.
        let gauss = |height: usize, width: usize| {
            Array2::from_shape_fn((height, width), |(y, x)| {
                let (dy, dx) = (y as f32 / height as f32 - 0.5, x as f32 / width as f32 - 0.5);
                Complex32::new((-(dx * dx + 2.0 * dy * dy) * 100.0).exp(), 0.0)
            })
        };
        let made = fit(48, 64, None, 1, None).unwrap().probe(&gauss(48, 64));
        let factor = (48.0f32 / 64.0).sqrt();
        assert!((made - gauss(64, 64).mapv(|v| v * factor)).iter().all(|d| d.norm() < 1e-4));
    }

    #[test]
    fn in_a_near_field_patterns_and_probe_share_one_grid_and_padding_is_unknown() {
        let config = |crop, pad| DataConfig { crop, pad, ..DataConfig::default() };
        let probe = Array2::from_shape_fn((40, 40), |(y, x)| Complex32::new(y as f32, x as f32));
        let cropped = Fit::new(40, 40, &config(Some(32), None), true).unwrap();
        assert_eq!(cropped.probe(&probe), probe.slice(s![4..36, 4..36]));
        let padded = Fit::new(40, 40, &config(None, Some(48)), true).unwrap();
        assert_eq!(padded.probe(&probe).slice(s![4..44, 4..44]), probe);
        let mask = padded.mask(&Array2::from_elem((40, 40), true));
        assert!(padded.has_unknown_border() && mask[[4, 4]] && !mask[[3, 4]]);
        assert_eq!(mask.iter().filter(|good| **good).count(), 1600);
    }

    #[test]
    fn a_crop_beyond_the_edge_keeps_the_beam_in_the_middle_and_masks_what_was_not_measured() {
        for (center, crop, bin) in
            [([10, 40], Some(40), 1), ([10, 41], Some(40), 2), ([7, 33], None, 1), ([30, 5], Some(60), 3)]
        {
            let config =
                DataConfig { crop, bin, center_y: Some(center[0]), center_x: Some(center[1]), ..Default::default() };
            let fit = Fit::new(48, 60, &config, false).unwrap();
            let mut block = Array3::<f32>::ones((1, 48, 60));
            block[[0, center[0], center[1]]] = 1000.0;
            let window = fit.window.clone();
            let cut = block.slice(s![.., window[0].clone(), window[1].clone()]).to_owned().into_dyn();
            let out = fit.patterns(cut, true).unwrap();
            let brightest = out.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
            let middle = fit.size / 2;
            assert_eq!(brightest, (0, middle, middle), "{fit:?}");
            let beam = (center[0] - window[0].start, center[1] - window[1].start);
            assert_eq!(fit.finished(beam), (middle, middle), "{fit:?}");
            let mask = fit.mask(&Array2::from_elem((window[0].len(), window[1].len()), true));
            let dark = out.index_axis(Axis(0), 0).mapv(|value| value > 0.0);
            let padding = if crop.is_none() { 60 * 12 } else { 0 };
            assert_eq!(mask.iter().zip(&dark).filter(|(good, lit)| good != lit).count(), padding, "{fit:?}");
            assert!(fit.has_unknown_border());
        }
    }

    #[test]
    fn turned_patterns_keep_the_zero_frequency_and_turn_as_positions_do() {
        let config = |orientation| DataConfig { detector_orientation: orientation, ..DataConfig::default() };
        for orientation in Orientation::ALL {
            let fit = Fit::new(16, 16, &config(orientation), false).unwrap();
            let (swap, flip_x, flip_y) = orientation.swap_flip_x_flip_y();
            let mut block = Array3::<f32>::zeros((1, 16, 16));
            block[[0, 8, 8]] = 5.0;
            // 3 to the right, 2 down.
            block[[0, 10, 11]] = 1.0;
            let out = fit.patterns(block.into_dyn(), true).unwrap();
            let [mut x, mut y] = if swap { [2i32, 3] } else { [3, 2] };
            (x, y) = (if flip_x { -x } else { x }, if flip_y { -y } else { y });
            let turned = ((8 + y) as usize, (8 + x) as usize);
            assert_eq!((out[[0, 8, 8]], out[[0, turned.0, turned.1]]), (5.0, 1.0), "{orientation:?}");
            assert_eq!(fit.finished((10, 11)), turned, "{orientation:?}");
            assert_eq!(fit.is_plain(16, 16), orientation == Orientation::Plain);
        }
    }

    fn offers(height: usize, width: usize) -> String {
        options_text(&size_options(height, width))
    }

    #[test]
    fn every_option_is_a_fix_with_all_three_settings() {
        let fixes: Vec<Fix> = size_options(600, 500).into_iter().map(|(option, _)| option.fix()).collect();
        let labels: Vec<&str> = fixes.iter().map(|fix| fix.label.as_str()).collect();
        assert_eq!(labels, ["Crop to 256 × 256", "Crop to 256 × 256, bin by 2", "Crop to 256 × 256, bin by 4"]);
        let settings = [("data.crop", "256"), ("data.bin", "2"), ("data.pad", "none")];
        assert_eq!(fixes[1].settings, settings.map(|(key, text)| (key, text.to_owned())));
    }

    #[test]
    fn impossible_sizes_are_rejected_and_possible_ones_offered() {
        assert!(fit(64, 64, Some(128), 1, None).is_err());
        assert!(fit(64, 64, Some(30), 4, None).is_err());
        let outside = DataConfig { center_x: Some(64), ..DataConfig::default() };
        assert!(Fit::new(64, 64, &outside, false).unwrap_err().found.contains("column 64"));
        assert!(fit(64, 64, None, 1, Some(32)).is_err());
        assert_eq!(offers(512, 512), "--bin 2 (N = 256), or --bin 4 (N = 128), or --bin 8 (N = 64)");
        assert_eq!(
            offers(516, 1556),
            "--crop 512 --bin 2 (N = 256), or --crop 512 --bin 4 (N = 128), or --crop 512 --bin 8 (N = 64)"
        );
    }
}
