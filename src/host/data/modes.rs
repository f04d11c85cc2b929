//! Incoherent probe modes: initialization and orthogonalization.

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis};
use num_complex::{Complex32, Complex64};

/// Initial share of each added mode in the total power.
const ADDED_MODE_SHARE: f32 = 0.03;
/// Maximum number of Jacobi sweeps.
const MAX_SWEEPS: usize = 30;

/// Changes the number of modes at constant total power: keeps the strongest ones, or adds new ones, which are the first mode
/// times polynomials of increasing degree, orthogonalized against the previous modes.
pub fn with_modes(probe: ArrayView3<'_, Complex32>, count: usize) -> Array3<Complex32> {
    let (had, height, width) = probe.dim();
    let power = |probe: ArrayView3<'_, Complex32>| probe.iter().map(Complex32::norm_sqr).sum::<f32>();
    let total = power(probe);
    let mut modes = Array3::zeros((count, height, width));
    let mut orthogonal = probe.to_owned();
    orthogonalize(&mut [&mut orthogonal]);
    let kept = had.min(count);
    modes.slice_mut(ndarray::s![..kept, .., ..]).assign(&orthogonal.slice(ndarray::s![..kept, .., ..]));
    let (center, radius) = center(orthogonal.index_axis(Axis(0), 0).mapv(|value| value.norm_sqr()));
    let mut degrees = (1..).flat_map(|degree: i32| (0..=degree).map(move |y| (degree - y, y)));
    for mode in kept..count {
        let (px, py) = degrees.next().unwrap_or((1, 0));
        let mut added = Array2::from_shape_fn((height, width), |(y, x)| {
            let along = |at: usize, axis: usize| (at as f32 - center[axis]) / radius;
            orthogonal[(0, y, x)] * along(x, 1).powi(px) * along(y, 0).powi(py)
        });
        for before in modes.slice(ndarray::s![..mode, .., ..]).axis_iter(Axis(0)) {
            let (mut overlap, mut norm) = (Complex32::default(), f32::MIN_POSITIVE);
            for (added, before) in added.iter().zip(before) {
                overlap += added * before.conj();
                norm += before.norm_sqr();
            }
            added.zip_mut_with(&before, |added, before| *added -= before * (overlap / norm));
        }
        let scale = (ADDED_MODE_SHARE * total
            / added.iter().map(Complex32::norm_sqr).sum::<f32>().max(f32::MIN_POSITIVE))
        .sqrt();
        modes.index_axis_mut(Axis(0), mode).assign(&added.mapv(|value| value * scale));
    }
    let scale = (total / power(modes.view()).max(f32::MIN_POSITIVE)).sqrt();
    modes.mapv_inplace(|value| value * scale);
    modes
}

/// Share of each mode of a probe (modes, N, N) in its power.
pub fn mode_shares(probe: ArrayView3<'_, Complex32>) -> Vec<f64> {
    let power = |mode: ArrayView2<'_, Complex32>| mode.iter().map(|value| f64::from(value.norm_sqr())).sum::<f64>();
    let powers: Vec<f64> = probe.outer_iter().map(power).collect();
    let total = powers.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    powers.into_iter().map(|power| power / total).collect()
}

/// Center of mass (row, column) and root mean square radius of an intensity.
fn center(intensity: Array2<f32>) -> ([f32; 2], f32) {
    let total = intensity.sum().max(f32::MIN_POSITIVE);
    let mean = |coordinate: &dyn Fn((usize, usize)) -> f32| {
        intensity.indexed_iter().map(|(at, value)| coordinate(at) * value).sum::<f32>() / total
    };
    let (y, x) = (mean(&|at| at.0 as f32), mean(&|at| at.1 as f32));
    let square = mean(&|at| (at.0 as f32 - y).powi(2) + (at.1 as f32 - x).powi(2));
    ([y, x], square.sqrt().max(1.0))
}

/// Orthogonalizes modes by a unitary rotation, which leaves all patterns unchanged, strongest mode first. All probes are rotated
/// by the matrix that orthogonalizes the first one.
pub fn orthogonalize(probes: &mut [&mut Array3<Complex32>]) {
    let Some(first) = probes.first() else { return };
    let count = first.len_of(Axis(0));
    if count < 2 {
        return;
    }
    let rotation = eigenvectors(gram(first.view()));
    for probe in probes {
        let (_, height, width) = probe.dim();
        let before = probe.to_owned();
        for (to, row) in rotation.iter().enumerate() {
            let mut sum = Array2::<Complex32>::zeros((height, width));
            for (from, weight) in row.iter().enumerate() {
                let weight = Complex32::new(weight.re as f32, weight.im as f32);
                sum.zip_mut_with(&before.index_axis(Axis(0), from), |sum, value| *sum += value * weight);
            }
            probe.index_axis_mut(Axis(0), to).assign(&sum);
        }
    }
}

/// Gram matrix `G_ab = Σ P_a · conj(P_b)`.
fn gram(probe: ArrayView3<'_, Complex32>) -> Vec<Vec<Complex64>> {
    let wide = |value: Complex32| Complex64::new(value.re.into(), value.im.into());
    let product = |a: usize, b: usize| {
        let (a, b) = (probe.index_axis(Axis(0), a), probe.index_axis(Axis(0), b));
        a.iter().zip(b).map(|(a, b)| wide(*a) * wide(*b).conj()).sum()
    };
    let count = probe.len_of(Axis(0));
    (0..count).map(|a| (0..count).map(|b| product(a, b)).collect()).collect()
}

/// Unitary `u` with `u G uᴴ` diagonal and descending, for a Hermitian `G`, by Jacobi rotations.
fn eigenvectors(mut g: Vec<Vec<Complex64>>) -> Vec<Vec<Complex64>> {
    let count = g.len();
    let mut u: Vec<Vec<Complex64>> =
        (0..count).map(|a| (0..count).map(|b| Complex64::new(f64::from(u8::from(a == b)), 0.0)).collect()).collect();
    let total: f64 = (0..count).map(|a| g[a][a].re).sum();
    for _ in 0..MAX_SWEEPS {
        let mut largest = 0.0f64;
        for a in 0..count {
            for b in a + 1..count {
                let off = g[a][b];
                largest = largest.max(off.norm());
                if off.norm() <= 1e-12 * total {
                    continue;
                }
                let phase = off / off.norm();
                let angle = 0.5 * (2.0 * off.norm()).atan2(g[a][a].re - g[b][b].re);
                let (sine, cosine) = angle.sin_cos();
                // Row a becomes cos·a + sin·phase·b, row b becomes −sin·a + cos·phase·b: both for `u`, and on both sides of `g`.
                let rotate = |rows: &mut [Vec<Complex64>]| {
                    let (first, second) = rows.split_at_mut(b);
                    for (of_a, of_b) in first[a].iter_mut().zip(&mut second[0]) {
                        let (at_a, at_b) = (*of_a, phase * *of_b);
                        *of_a = at_a * cosine + at_b * sine;
                        *of_b = at_b * cosine - at_a * sine;
                    }
                };
                rotate(&mut u);
                rotate(&mut g);
                for row in &mut g {
                    let (at_a, at_b) = (row[a], phase.conj() * row[b]);
                    row[a] = at_a * cosine + at_b * sine;
                    row[b] = at_b * cosine - at_a * sine;
                }
            }
        }
        if largest <= 1e-10 * total {
            break;
        }
    }
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| g[b][b].re.total_cmp(&g[a][a].re).then(a.cmp(&b)));
    order.into_iter().map(|at| u[at].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (h, w) sum of the squared moduli of all modes.
    fn intensity(probe: &Array3<Complex32>) -> ndarray::Array2<f32> {
        probe.map(|value| value.norm_sqr()).sum_axis(ndarray::Axis(0))
    }

    fn probe(modes: usize) -> Array3<Complex32> {
        Array3::from_shape_fn((modes, 16, 16), |(m, y, x)| {
            let (y, x) = (y as f32 - 8.0, x as f32 - 7.0);
            Complex32::from_polar((-(y * y + x * x) / 20.0).exp(), 0.2 * y * m as f32 + 0.1 * x) * (m as f32 + 1.0)
        })
    }

    #[test]
    fn orthogonalized_modes_are_sorted_and_give_the_same_intensity() {
        let was = probe(4);
        let (mut turned, mut along) = (was.clone(), was.mapv(|value| value * 2.0));
        orthogonalize(&mut [&mut turned, &mut along]);
        let gram = gram(turned.view());
        for (a, row) in gram.iter().enumerate() {
            for (b, value) in row.iter().enumerate() {
                assert!(a == b || value.norm() < 1e-5 * gram[0][0].re, "{a} {b} {value}");
            }
            assert!(a == 0 || row[a].re <= gram[a - 1][a - 1].re);
        }
        let (before, after) = (intensity(&was), intensity(&turned));
        assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-4 * gram[0][0].re as f32));
        assert!(along.iter().zip(&turned).all(|(along, turned)| (along - turned * 2.0).norm() < 1e-4));
    }

    #[test]
    fn adding_and_removing_modes_keeps_the_power() {
        let power = |probe: &Array3<Complex32>| probe.iter().map(Complex32::norm_sqr).sum::<f32>();
        let one = probe(1);
        let many = with_modes(one.view(), 5);
        assert_eq!(many.dim(), (5, 16, 16));
        assert!((power(&many) / power(&one) - 1.0).abs() < 1e-4);
        let gram = gram(many.view());
        assert!((1..5).all(|m| gram[m][m].re > 0.01 * gram[0][0].re && gram[0][m].norm() < 1e-3 * gram[0][0].re));
        let fewer = with_modes(many.view(), 2);
        assert!(fewer.dim().0 == 2 && (power(&fewer) / power(&one) - 1.0).abs() < 1e-4);
    }
}
