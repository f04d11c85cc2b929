//! Inner product of two patches over their common pixels.

use super::simd::{Level, compiled_for_each_level};
use num_complex::{Complex32, Complex64};

/// Number of partial sums per row; fixed, so that every instruction level gives the same bits.
const LANES: usize = 16;

/// `Σ a · w · conj(b)` over the common pixels of two overlapping square patches.
///
/// * `a`: real and imaginary part, (side, side) each.
/// * `b`: (side, side). * `weight`: (side, side), of the pixels of `b`.
/// * `shift`: rows and columns from the corner of `a` to that of `b`.
///
/// # Panics
/// If the length of a patch is not `side * side`.
pub fn overlap_product(a: [&[f32]; 2], b: &[Complex32], weight: &[f32], side: usize, shift: [isize; 2]) -> Complex64 {
    let pixels = side * side;
    assert!(a.iter().all(|part| part.len() == pixels) && b.len() == pixels && weight.len() == pixels);
    let mut sum = Complex64::default();
    sum_rows(Level::current(), a, b, weight, side, shift, &mut sum);
    sum
}

compiled_for_each_level! {
    fn sum_rows = rows(
        a: [&[f32]; 2],
        b: &[Complex32],
        weight: &[f32],
        side: usize,
        shift: [isize; 2],
        sum: &mut Complex64,
    )
}

#[inline(always)]
fn rows(a: [&[f32]; 2], b: &[Complex32], weight: &[f32], side: usize, shift: [isize; 2], sum: &mut Complex64) {
    let common = shift.map(|d| side.saturating_sub(d.unsigned_abs()));
    if common.contains(&0) {
        return;
    }
    // First common row and column in each patch.
    let (in_a, in_b) = (shift.map(|d| d.max(0).unsigned_abs()), shift.map(|d| d.min(0).unsigned_abs()));
    for row in 0..common[0] {
        let (at_a, at_b) = ((in_a[0] + row) * side + in_a[1], (in_b[0] + row) * side + in_b[1]);
        let (re, im) = (&a[0][at_a..][..common[1]], &a[1][at_a..][..common[1]]);
        let (b, weight) = (&b[at_b..][..common[1]], &weight[at_b..][..common[1]]);
        let (mut sum_re, mut sum_im) = ([0.0f32; LANES], [0.0f32; LANES]);
        let whole = common[1] / LANES * LANES;
        for at in (0..whole).step_by(LANES) {
            let (re, im) = (&re[at..][..LANES], &im[at..][..LANES]);
            let (b, weight) = (&b[at..][..LANES], &weight[at..][..LANES]);
            for lane in 0..LANES {
                let (b_re, b_im) = (b[lane].re * weight[lane], b[lane].im * weight[lane]);
                sum_re[lane] += re[lane] * b_re + im[lane] * b_im;
                sum_im[lane] += im[lane] * b_re - re[lane] * b_im;
            }
        }
        for at in whole..common[1] {
            let (b_re, b_im) = (b[at].re * weight[at], b[at].im * weight[at]);
            sum_re[at - whole] += re[at] * b_re + im[at] * b_im;
            sum_im[at - whole] += im[at] * b_re - re[at] * b_im;
        }
        let total = |lanes: [f32; LANES]| lanes.iter().map(|v| f64::from(*v)).sum::<f64>();
        *sum += Complex64::new(total(sum_re), total(sum_im));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(i: usize) -> f32 {
        ((i * 7919) % 1009) as f32 / 504.5 - 1.0
    }

    #[test]
    fn equals_the_plain_sum_for_every_shift_and_level() {
        for side in [1_usize, 5, 20, 33] {
            let pixels = side * side;
            let complex = |phase: usize| -> Vec<Complex32> {
                (0..pixels).map(|i| Complex32::new(number(i + phase), number(3 * i + phase + 1))).collect()
            };
            let (a, b) = (complex(0), complex(11));
            let weight: Vec<f32> = (0..pixels).map(|i| number(i).abs()).collect();
            let (re, im): (Vec<f32>, Vec<f32>) = a.iter().map(|z| (z.re, z.im)).unzip();
            let far = side as isize + 1;
            for (dy, dx) in [(0, 0), (1, -2), (-3, 4), (2, 0), (-1, -1), (far, 0), (0, -far)] {
                let mut expected = Complex64::default();
                for row in 0..side as isize {
                    for col in 0..side as isize {
                        let (row_b, col_b) = (row - dy, col - dx);
                        if (0..side as isize).contains(&row_b) && (0..side as isize).contains(&col_b) {
                            let at = (row * side as isize + col).unsigned_abs();
                            let at_b = (row_b * side as isize + col_b).unsigned_abs();
                            let product = a[at] * b[at_b].conj() * weight[at_b];
                            expected += Complex64::new(f64::from(product.re), f64::from(product.im));
                        }
                    }
                }
                let found = overlap_product([&re, &im], &b, &weight, side, [dy, dx]);
                let bound = 1e-5 * (1.0 + expected.norm());
                assert!((found - expected).norm() < bound, "{side} {dy} {dx}: {found} for {expected}");
                for level in Level::available() {
                    let mut again = Complex64::default();
                    sum_rows(level, [&re, &im], &b, &weight, side, [dy, dx], &mut again);
                    assert_eq!(again, found, "{}", level.name());
                }
            }
        }
    }
}
