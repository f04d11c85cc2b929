//! Groups of patterns on the device.
//!
//! The normalized patterns are uploaded once; a step sends only indices and positions. If pixels are masked in single patterns, the
//! amplitudes of all masked pixels are stored with a negative sign, so that the masks need no memory.

use crate::data::{GoodPixels, GroupCoordinates, Groups};
use crate::physics::ComplexTensor;
use burn::tensor::{Device, Int, Tensor, TensorData};
use ndarray::ArrayView3;
use num_complex::Complex32;

/// Size of one resident piece in bytes: below the smallest binding limit of current adapters (128 MiB).
const PIECE_BYTES: usize = 64 << 20;

/// Input of a training step.
pub struct Batch {
    /// (b, c, N, N) normalized amplitude.
    pub amplitude: Tensor<4>,
    /// (b·c, N, N) weight of each pixel in the loss, with mean 1, if pixels are masked in single patterns: 0 where masked.
    pub pixel_weight: Option<Tensor<3>>,
    /// (b·c, 2) positions relative to the center of the group, `-(c_k - c̄)`, `(x, y)` (A§2.4).
    pub in_group: Tensor<2>,
    /// (b·c, 2) positions relative to the center of the batch, with the same sign.
    pub in_batch: Tensor<2>,
    /// (b·c, N, N) patches of the teacher's object, in the network's units, if there is a teacher.
    pub teacher: Option<ComplexTensor<3>>,
    /// The reference object, if the network learns from one.
    pub labels: Option<Labels>,
    /// Largest |x| or |y| of `in_batch`.
    pub reach: f64,
}

/// Reference object behind the patterns of a step.
#[derive(Clone)]
pub struct Labels {
    /// (b·c, N, N) in the network's units; 0 where the object is unknown.
    pub amplitude: Tensor<3>,
    /// (b·c, N, N) radians.
    pub phase: Tensor<3>,
}

/// Images, resident on a device, in pieces that any adapter can bind.
struct ImageStack {
    pieces: Vec<Tensor<3>>,
    images_per_piece: usize,
    side: usize,
    device: Device,
}

impl ImageStack {
    /// Uploads `value` of each pixel of `images`, (n, N, N).
    fn new<T>(images: ArrayView3<T>, value: impl Fn(&T) -> f32, device: &Device) -> Self {
        Self::with_pixels(images, |_, pixel| value(pixel), device)
    }

    /// As [`Self::new`]; `value` also receives the image, row and column of the pixel.
    fn with_pixels<T>(
        images: ArrayView3<T>,
        value: impl Fn((usize, usize, usize), &T) -> f32,
        device: &Device,
    ) -> Self {
        let (n, side, _) = images.dim();
        let images_per_piece = (PIECE_BYTES / (4 * side * side)).max(1);
        let pieces = (0..n)
            .step_by(images_per_piece)
            .map(|start| {
                let end = (start + images_per_piece).min(n);
                let part = images.slice(ndarray::s![start..end, .., ..]);
                let values = part.indexed_iter().map(|((n, y, x), pixel)| value((start + n, y, x), pixel));
                let values: Vec<f32> = values.collect();
                Tensor::from_data(TensorData::new(values, [end - start, side, side]), device)
            })
            .collect();
        Self { pieces, images_per_piece, side, device: device.clone() }
    }

    /// The images with these indices, (k, N, N), in this order.
    fn gather(&self, images: &[usize]) -> Tensor<3> {
        let select = |piece: usize, within: Vec<i64>| {
            let count = within.len();
            let index = Tensor::<1, Int>::from_data(TensorData::new(within, [count]), &self.device);
            self.pieces[piece].clone().select(0, index)
        };
        if self.pieces.len() == 1 {
            return select(0, images.iter().map(|&p| p as i64).collect());
        }
        // Gather piece by piece, then restore the requested order.
        let mut found = Vec::new();
        let mut index_in_found = vec![0i64; images.len()];
        let mut next = 0;
        for piece in 0..self.pieces.len() {
            let mut within = Vec::new();
            for (slot, &p) in images.iter().enumerate() {
                if p / self.images_per_piece == piece {
                    within.push((p % self.images_per_piece) as i64);
                    index_in_found[slot] = next;
                    next += 1;
                }
            }
            if !within.is_empty() {
                found.push(select(piece, within));
            }
        }
        let order = Tensor::<1, Int>::from_data(TensorData::new(index_in_found, [images.len()]), &self.device);
        Tensor::cat(found, 0).select(0, order)
    }
}

/// All patterns of a dataset, resident on a device, and their groups.
pub struct ResidentPatterns {
    amplitude: ImageStack,
    /// True if the amplitudes of masked pixels are negative.
    marks_masked: bool,
    groups: Groups,
    coordinates: GroupCoordinates,
    /// Patches of the teacher's object: real and imaginary parts.
    teacher: Option<[ImageStack; 2]>,
    /// Patches of the reference object: amplitudes and phases.
    labels: Option<[ImageStack; 2]>,
}

impl ResidentPatterns {
    /// Uploads `diffraction`, (n, N, N) amplitude, multiplied by `normalization`.
    pub fn new(
        diffraction: ArrayView3<f32>,
        good: GoodPixels<'_>,
        normalization: f64,
        groups: Groups,
        coordinates: GroupCoordinates,
        device: &Device,
    ) -> Self {
        let factor = normalization as f32;
        let marks_masked = good.each.is_some();
        let amplitude = if marks_masked {
            let value = |(n, y, x): (usize, usize, usize), v: &f32| {
                if good.is_good(n, (y, x)) { v * factor } else { -(v * factor).max(f32::MIN_POSITIVE) }
            };
            ImageStack::with_pixels(diffraction, value, device)
        } else {
            ImageStack::new(diffraction, |v| v * factor, device)
        };
        Self { amplitude, marks_masked, groups, coordinates, teacher: None, labels: None }
    }

    /// Sets the teacher: (n, N, N) patches of its object, in the network's units.
    pub fn set_teacher(&mut self, patches: ArrayView3<Complex32>) {
        let device = &self.amplitude.device;
        self.teacher = Some([ImageStack::new(patches, |z| z.re, device), ImageStack::new(patches, |z| z.im, device)]);
    }

    /// Sets the reference object: (n, N, N) patches, multiplied by `factor`.
    pub fn set_labels(&mut self, patches: ArrayView3<Complex32>, factor: f32) {
        let device = &self.amplitude.device;
        let amplitude = ImageStack::new(patches, |z| z.norm() * factor, device);
        self.labels = Some([amplitude, ImageStack::new(patches, |z| z.arg(), device)]);
    }

    /// True if there is a teacher.
    pub fn has_teacher(&self) -> bool {
        self.teacher.is_some()
    }

    /// Removes the teacher.
    pub fn clear_teacher(&mut self) {
        self.teacher = None;
    }

    /// Frees all images, to make room for those of another dataset; no batch can be taken afterwards.
    pub fn clear(&mut self) {
        (self.teacher, self.labels) = (None, None);
        self.amplitude.pieces.clear();
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.groups.indices.nrows()
    }

    /// Patterns per group.
    pub fn channels(&self) -> usize {
        self.groups.indices.ncols()
    }

    /// Gathers the groups with these indices.
    pub fn batch(&self, groups: &[usize]) -> Batch {
        self.batch_with_jitter(groups, None::<fn() -> [f64; 2]>)
    }

    /// As [`Self::batch`], with the position of every pattern displaced by a draw of `jitter`, `(x, y)` in pixels.
    pub fn batch_with_jitter(&self, groups: &[usize], mut jitter: Option<impl FnMut() -> [f64; 2]>) -> Batch {
        let (b, c, side) = (groups.len(), self.channels(), self.amplitude.side);
        let mut patterns = Vec::with_capacity(b * c);
        let mut in_group = Vec::with_capacity(2 * b * c);
        let mut in_batch = Vec::with_capacity(2 * b * c);
        let mean = |axis: usize| {
            groups.iter().map(|&g| self.coordinates.centers[[g, axis]]).sum::<f64>() / groups.len().max(1) as f64
        };
        let center = [mean(0), mean(1)];
        let mut reach = 0.0f64;
        for &g in groups {
            patterns.extend(self.groups.indices.row(g));
            for channel in 0..c {
                let displacement = jitter.as_mut().map_or([0.0; 2], |draw| draw());
                for (axis, center) in center.iter().enumerate() {
                    let relative = self.coordinates.relative[[g, channel, axis]] - displacement[axis];
                    let to_batch = relative - (self.coordinates.centers[[g, axis]] - center);
                    in_group.push(relative as f32);
                    in_batch.push(to_batch as f32);
                    reach = reach.max(to_batch.abs());
                }
            }
        }
        let mut amplitude = self.amplitude.gather(&patterns);
        let mut pixel_weight = None;
        if self.marks_masked {
            let good = amplitude.clone().greater_equal_elem(0.0).float();
            let mean = good.clone().mean().clamp_min(f32::MIN_POSITIVE).reshape([1, 1, 1]);
            pixel_weight = Some(good / mean);
            amplitude = amplitude.abs();
        }
        let upload = |values| Tensor::from_data(TensorData::new(values, [b * c, 2]), &self.amplitude.device);
        Batch {
            amplitude: amplitude.reshape([b, c, side, side]),
            pixel_weight,
            in_group: upload(in_group),
            in_batch: upload(in_batch),
            teacher: self
                .teacher
                .as_ref()
                .map(|[re, im]| ComplexTensor { re: re.gather(&patterns), im: im.gather(&patterns) }),
            labels: self.labels.as_ref().map(|[amplitude, phase]| Labels {
                amplitude: amplitude.gather(&patterns),
                phase: phase.gather(&patterns),
            }),
            reach,
        }
    }

    /// Center of each group, `(x, y)`.
    pub fn centers(&self) -> Vec<[f64; 2]> {
        self.coordinates.centers.outer_iter().map(|row| [row[0], row[1]]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PatternMasks;
    use ndarray::{Array2, Array3};

    #[test]
    fn pixels_masked_in_single_patterns_keep_their_estimate_and_have_no_weight() {
        let (count, side) = (5, 16);
        let diffraction = Array3::from_shape_fn((count, side, side), |(n, y, x)| (n + y * x) as f32 % 7.0);
        let positions: Vec<[f64; 2]> = (0..count).map(|n| [n as f64, 0.0]).collect();
        let groups = crate::data::group(&positions, 1, &crate::config::DataConfig::default(), 1).unwrap();
        let coordinates = crate::data::group_coordinates(&positions, &groups);
        let mut common = Array2::from_elem((side, side), true);
        common[[1, 2]] = false;
        let mut masks = PatternMasks::new(count, side);
        // An estimate of zero among them.
        masks.exclude(3, (0, 4));
        masks.exclude(0, (0, 0));
        let batch = |good: GoodPixels<'_>| {
            let (groups, coordinates) = (groups.clone(), coordinates.clone());
            let resident = ResidentPatterns::new(diffraction.view(), good, 2.0, groups, coordinates, &Device::flex());
            resident.batch(&[0, 3])
        };
        let found = batch(GoodPixels { common: Some(&common), each: Some(&masks) });
        let plain = batch(GoodPixels::default());
        let values = |tensor: Tensor<4>| tensor.into_data().try_to_vec::<f32>().unwrap();
        assert!(plain.pixel_weight.is_none());
        let (amplitude, expected) = (values(found.amplitude), values(plain.amplitude));
        assert!(amplitude.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-30));
        let weight = found.pixel_weight.unwrap();
        let weight: Vec<f32> = weight.into_data().try_to_vec().unwrap();
        let zero: Vec<usize> = weight.iter().enumerate().filter(|(_, w)| **w == 0.0).map(|(at, _)| at).collect();
        assert_eq!(zero, [0, side + 2, side * side + 4, side * side + side + 2]);
        assert!((weight.iter().sum::<f32>() / weight.len() as f32 - 1.0).abs() < 1e-5);
    }
}
