//! Two-dimensional discrete Fourier transforms in main memory.

use num_complex::Complex;
use rustfft::{Fft, FftNum, FftPlanner};
use std::sync::Arc;

/// Planned, unnormalized transforms of (height, width) images: kernel exp(-2πi·) forward, exp(2πi·) inverse.
pub struct Fft2<T: FftNum> {
    height: usize,
    width: usize,
    forward: [Arc<dyn Fft<T>>; 2],
    inverse: [Arc<dyn Fft<T>>; 2],
}

/// Scratch memory of one thread, reused for every image.
#[derive(Debug, Clone, Default)]
pub struct Scratch<T>(Vec<Complex<T>>);

impl<T: FftNum> Fft2<T> {
    /// Plans the transforms of images of this shape; both sides must be at least 1.
    pub fn new(height: usize, width: usize) -> Self {
        let mut planner = FftPlanner::new();
        // Along the rows, then along the columns.
        let forward = [planner.plan_fft_forward(width), planner.plan_fft_forward(height)];
        let inverse = [planner.plan_fft_inverse(width), planner.plan_fft_inverse(height)];
        Self { height, width, forward, inverse }
    }

    /// Transforms a row-major (height, width) image. The result is in `transposed` as (width, height): the value at
    /// frequency (row ky, column kx) is `transposed[kx * height + ky]`. Overwrites `image`.
    pub fn forward(&self, image: &mut [Complex<T>], transposed: &mut [Complex<T>], scratch: &mut Scratch<T>) {
        let [rows, columns] = &self.forward;
        transform_rows(rows, image, scratch);
        transpose(image, transposed, self.height, self.width);
        transform_rows(columns, transposed, scratch);
    }

    /// Inverse without the factor 1 / (height · width): from the layout of [`Fft2::forward`], which is overwritten, to a
    /// row-major image.
    pub fn inverse(&self, transposed: &mut [Complex<T>], image: &mut [Complex<T>], scratch: &mut Scratch<T>) {
        let [rows, columns] = &self.inverse;
        transform_rows(columns, transposed, scratch);
        transpose(transposed, image, self.width, self.height);
        transform_rows(rows, image, scratch);
    }

    /// As [`Fft2::forward`], in place with a row-major result.
    pub fn forward_in_place(&self, image: &mut [Complex<T>]) {
        let mut transposed = image.to_vec();
        self.forward(image, &mut transposed, &mut Scratch(Vec::new()));
        transpose(&transposed, image, self.width, self.height);
    }

    /// As [`Fft2::inverse`], in place from a row-major spectrum.
    pub fn inverse_in_place(&self, image: &mut [Complex<T>]) {
        let mut transposed = image.to_vec();
        transpose(image, &mut transposed, self.height, self.width);
        self.inverse(&mut transposed, image, &mut Scratch(Vec::new()));
    }
}

/// Transforms every row of an image.
fn transform_rows<T: FftNum>(fft: &Arc<dyn Fft<T>>, image: &mut [Complex<T>], Scratch(scratch): &mut Scratch<T>) {
    let zero = Complex { re: T::zero(), im: T::zero() };
    if scratch.len() < fft.get_inplace_scratch_len() {
        scratch.resize(fft.get_inplace_scratch_len(), zero);
    }
    fft.process_with_scratch(image, scratch);
}

/// Transposes a row-major (height, width) image in blocks that fit into the cache.
fn transpose<T: Copy>(from: &[T], to: &mut [T], height: usize, width: usize) {
    const BLOCK: usize = 16;
    for top in (0..height).step_by(BLOCK) {
        for left in (0..width).step_by(BLOCK) {
            for y in top..(top + BLOCK).min(height) {
                for x in left..(left + BLOCK).min(width) {
                    to[x * height + y] = from[y * width + x];
                }
            }
        }
    }
}

/// Row-major (side, side) image with index 0 moved to the center N/2 along both axes, or back; N is even.
pub fn swap_halves<T: Copy>(image: &[T], side: usize) -> Vec<T> {
    let half = side / 2;
    let at = |index: usize| (index + half) % side;
    (0..side * side).filter_map(|i| image.get(at(i / side) * side + at(i % side)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_wave_has_one_peak_at_its_frequency_and_is_restored_by_the_inverse() {
        for (height, width) in [(6_usize, 10_usize), (12, 12)] {
            let (ky, kx) = (2_usize, 7_usize);
            let wave: Vec<Complex<f64>> = (0..height * width)
                .map(|i| {
                    let cycles = (ky * (i / width)) as f64 / height as f64 + (kx * (i % width)) as f64 / width as f64;
                    Complex::from_polar(1.0, std::f64::consts::TAU * cycles)
                })
                .collect();
            let pixels = (height * width) as f64;
            let fft = Fft2::new(height, width);
            let mut scratch = Scratch::default();
            let (mut image, mut transposed) = (wave.clone(), vec![Complex::default(); wave.len()]);
            fft.forward(&mut image, &mut transposed, &mut scratch);
            let mut in_place = wave.clone();
            fft.forward_in_place(&mut in_place);
            for i in 0..wave.len() {
                let expected = if i == kx * height + ky { pixels } else { 0.0 };
                assert!((transposed[i] - Complex::new(expected, 0.0)).norm() < 1e-10, "bin {i}: {}", transposed[i]);
                let expected = if i == ky * width + kx { pixels } else { 0.0 };
                assert!((in_place[i] - Complex::new(expected, 0.0)).norm() < 1e-10, "{i}: {}", in_place[i]);
            }
            fft.inverse(&mut transposed, &mut image, &mut scratch);
            fft.inverse_in_place(&mut in_place);
            for restored in [image, in_place] {
                assert!(restored.iter().zip(&wave).all(|(is, was)| (is / pixels - was).norm() < 1e-12));
            }
        }
    }

    #[test]
    fn halves_are_swapped_and_restored() {
        let numbers: Vec<usize> = (0..16).collect();
        assert_eq!(swap_halves(&numbers, 4)[0], 10);
        assert_eq!(swap_halves(&swap_halves(&numbers, 4), 4), numbers);
    }
}
