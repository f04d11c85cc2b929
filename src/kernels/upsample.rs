//! Nearest-neighbor upsampling by 2 of `f32` planes, and its gradient.

use super::buffer::fill_chunks;
use super::simd::{Level, compiled_for_each_level};
use std::mem::MaybeUninit;

/// Repeats each value of `planes` planes (h, w) as a 2×2 block; returns planes (2 h, 2 w).
///
/// # Panics
/// If the length of `x` is not `planes * h * w`.
pub fn upsample2(x: &[f32], planes: usize, h: usize, w: usize) -> Vec<f32> {
    assert_eq!(x.len(), planes * h * w, "input of {planes} planes of {h} by {w}");
    let level = Level::current();
    // SAFETY: `repeat_plane` writes each of the 4 h w values of its plane.
    unsafe { fill_chunks(4 * h * w, planes, |i, y| repeat_plane(level, &x[i * h * w..][..h * w], w, y)) }
}

/// Gradient of the input, (`planes`, h, w): the sum over each 2×2 block of `dy`, (`planes`, 2 h, 2 w).
///
/// # Panics
/// If the length of `dy` is not `4 * planes * h * w`.
pub fn upsample2_backward(dy: &[f32], planes: usize, h: usize, w: usize) -> Vec<f32> {
    assert_eq!(dy.len(), 4 * planes * h * w, "output gradient of {planes} planes of {h} by {w}");
    let level = Level::current();
    // SAFETY: `gather_plane` writes each of the h w values of its plane.
    unsafe { fill_chunks(h * w, planes, |i, dx| gather_plane(level, &dy[i * 4 * h * w..][..4 * h * w], w, dx)) }
}

compiled_for_each_level! {
    fn repeat_plane = repeat(x: &[f32], w: usize, y: &mut [MaybeUninit<f32>])
}

compiled_for_each_level! {
    fn gather_plane = gather(dy: &[f32], w: usize, dx: &mut [MaybeUninit<f32>])
}

#[inline(always)]
fn repeat(x: &[f32], w: usize, y: &mut [MaybeUninit<f32>]) {
    for (x, y) in x.chunks_exact(w).zip(y.chunks_exact_mut(4 * w)) {
        let (upper, lower) = y.split_at_mut(2 * w);
        for (x, y) in x.iter().zip(upper.chunks_exact_mut(2)) {
            y[0].write(*x);
            y[1].write(*x);
        }
        lower.copy_from_slice(upper);
    }
}

#[inline(always)]
fn gather(dy: &[f32], w: usize, dx: &mut [MaybeUninit<f32>]) {
    for (dy, dx) in dy.chunks_exact(4 * w).zip(dx.chunks_exact_mut(w)) {
        let (upper, lower) = dy.split_at(2 * w);
        for ((dx, a), b) in dx.iter_mut().zip(upper.chunks_exact(2)).zip(lower.chunks_exact(2)) {
            dx.write((a[0] + a[1]) + (b[0] + b[1]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_becomes_a_block_of_four() {
        let y = upsample2(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 1, 2, 3);
        #[rustfmt::skip]
        let expected = [
            1.0, 1.0, 2.0, 2.0, 3.0, 3.0,
            1.0, 1.0, 2.0, 2.0, 3.0, 3.0,
            4.0, 4.0, 5.0, 5.0, 6.0, 6.0,
            4.0, 4.0, 5.0, 5.0, 6.0, 6.0,
        ];
        assert_eq!(y, expected);
    }

    #[test]
    fn the_gradient_is_the_adjoint() {
        for (planes, h, w) in [(1, 1, 1), (3, 5, 7), (70, 16, 16), (0, 3, 3), (2, 0, 5)] {
            let x: Vec<f32> = (0..planes * h * w).map(|i| (i % 29) as f32 - 14.0).collect();
            let dy: Vec<f32> = (0..4 * x.len()).map(|i| (i % 13) as f32 - 6.0).collect();
            let (y, dx) = (upsample2(&x, planes, h, w), upsample2_backward(&dy, planes, h, w));
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            assert_eq!((y.len(), dx.len()), (4 * x.len(), x.len()));
            assert_eq!(dot(&dy, &y), dot(&dx, &x), "{planes} {h} {w}");
        }
    }
}
