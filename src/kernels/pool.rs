//! 2×2 max pooling with stride 2 of `f32` planes, and its gradient.

use super::buffer::fill_chunks;
use super::simd::{Level, compiled_for_each_level};
use std::mem::MaybeUninit;

/// Maximum of each 2×2 block of `planes` planes (h, w); returns planes (h / 2, w / 2). An odd last row or column is
/// ignored.
///
/// # Panics
/// If the length of `x` is not `planes * h * w`.
pub fn max_pool2(x: &[f32], planes: usize, h: usize, w: usize) -> Vec<f32> {
    assert_eq!(x.len(), planes * h * w, "input of {planes} planes of {h} by {w}");
    let level = Level::current();
    // SAFETY: `pool_plane` writes each of the h / 2 * (w / 2) values of its plane.
    unsafe { fill_chunks((h / 2) * (w / 2), planes, |i, y| pool_plane(level, &x[i * h * w..][..h * w], w, y)) }
}

/// Gradient of the input: that of each block goes to its first maximum (row by row).
///
/// # Panics
/// If `x` or `dy` does not have the length of the input or output.
pub fn max_pool2_backward(x: &[f32], dy: &[f32], planes: usize, h: usize, w: usize) -> Vec<f32> {
    let out = (h / 2) * (w / 2);
    assert_eq!(x.len(), planes * h * w, "input of {planes} planes of {h} by {w}");
    assert_eq!(dy.len(), planes * out, "output gradient of {planes} planes of {h} by {w}");
    let level = Level::current();
    // SAFETY: `unpool_plane` writes each of the h * w values of its plane.
    unsafe {
        fill_chunks(h * w, planes, |i, dx| {
            unpool_plane(level, &x[i * h * w..][..h * w], w, &dy[i * out..][..out], dx);
        })
    }
}

compiled_for_each_level! {
    fn pool_plane = pool(x: &[f32], w: usize, y: &mut [MaybeUninit<f32>])
}

compiled_for_each_level! {
    fn unpool_plane = unpool(x: &[f32], w: usize, dy: &[f32], dx: &mut [MaybeUninit<f32>])
}

#[inline(always)]
fn pool(x: &[f32], w: usize, y: &mut [MaybeUninit<f32>]) {
    if w < 2 {
        return; // no output
    }
    for (rows, y) in x.chunks_exact(2 * w).zip(y.chunks_exact_mut(w / 2)) {
        let (upper, lower) = rows.split_at(w);
        for ((y, a), b) in y.iter_mut().zip(upper.chunks_exact(2)).zip(lower.chunks_exact(2)) {
            let (up, low) = (if a[1] > a[0] { a[1] } else { a[0] }, if b[1] > b[0] { b[1] } else { b[0] });
            y.write(if low > up { low } else { up });
        }
    }
}

#[inline(always)]
fn unpool(x: &[f32], w: usize, dy: &[f32], dx: &mut [MaybeUninit<f32>]) {
    let odd_row = (x.len() / w.max(1)) % 2 == 1;
    if w < 2 || odd_row || w % 2 == 1 {
        dx.fill(MaybeUninit::new(0.0)); // pixels outside of all blocks
    }
    if w < 2 {
        return;
    }
    for ((rows, dx), dy) in x.chunks_exact(2 * w).zip(dx.chunks_exact_mut(2 * w)).zip(dy.chunks_exact(w / 2)) {
        let (upper, lower) = rows.split_at(w);
        let (dx_upper, dx_lower) = dx.split_at_mut(w);
        let values = upper.chunks_exact(2).zip(lower.chunks_exact(2));
        let gradients = dx_upper.chunks_exact_mut(2).zip(dx_lower.chunks_exact_mut(2));
        for ((&d, (a, b)), (da, db)) in dy.iter().zip(values).zip(gradients) {
            let (right_up, right_low) = (a[1] > a[0], b[1] > b[0]);
            let (up, low) = (if right_up { a[1] } else { a[0] }, if right_low { b[1] } else { b[0] });
            let (d_up, d_low) = if low > up { (0.0, d) } else { (d, 0.0) };
            da[0].write(if right_up { 0.0 } else { d_up });
            da[1].write(if right_up { d_up } else { 0.0 });
            db[0].write(if right_low { 0.0 } else { d_low });
            db[1].write(if right_low { d_low } else { 0.0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_maximum_of_each_block_and_ignores_an_odd_edge() {
        #[rustfmt::skip]
        let x = [
            1.0, 2.0, -3.0, -4.0, 9.0,
            4.0, 3.0, -1.0, -2.0, 9.0,
            9.0, 9.0,  9.0,  9.0, 9.0,
        ];
        assert_eq!(max_pool2(&x, 1, 3, 5), [4.0, -1.0]);
        let dx = max_pool2_backward(&x, &[10.0, 20.0], 1, 3, 5);
        let mut expected = [0.0; 15];
        (expected[5], expected[7]) = (10.0, 20.0);
        assert_eq!(dx, expected);
    }

    #[test]
    fn the_gradient_goes_to_the_first_of_equal_values() {
        for (x, first) in [([5.0, 5.0, 5.0, 5.0], 0), ([1.0, 5.0, 5.0, 5.0], 1), ([1.0, 2.0, 5.0, 5.0], 2)] {
            let dx = max_pool2_backward(&x, &[3.0], 1, 2, 2);
            let expected: Vec<f32> = (0..4).map(|i| if i == first { 3.0 } else { 0.0 }).collect();
            assert_eq!(dx, expected);
        }
    }

    #[test]
    fn the_gradient_is_the_adjoint_for_many_shapes_and_levels() {
        // Max pooling is linear near a point without ties: <dy, pool(x)> = <gradient, x>.
        for (planes, h, w) in [(1, 2, 2), (3, 7, 9), (40, 16, 34), (5, 64, 64), (2, 1, 8), (2, 8, 1), (0, 4, 4)] {
            let x: Vec<f32> = (0..planes * h * w).map(|i| ((i * 7919) % 10_007) as f32).collect();
            let y = max_pool2(&x, planes, h, w);
            let dy: Vec<f32> = (0..y.len()).map(|i| (i % 13) as f32 - 6.0).collect();
            let dx = max_pool2_backward(&x, &dy, planes, h, w);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            assert_eq!((y.len(), dx.len()), (planes * (h / 2) * (w / 2), planes * h * w));
            assert_eq!(dot(&dy, &y), dot(&dx, &x), "{planes} {h} {w}");
            for level in Level::available() {
                let mut again = vec![MaybeUninit::new(0.0); (h / 2) * (w / 2)];
                if planes > 0 {
                    pool_plane(level, &x[..h * w], w, &mut again);
                }
                // SAFETY: the vector was created from initialized values.
                assert!(again.iter().zip(&y).all(|(a, y)| unsafe { a.assume_init() } == *y));
            }
        }
    }
}
