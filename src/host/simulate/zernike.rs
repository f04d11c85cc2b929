//! Zernike polynomials in the order and normalization of Noll 1976.

/// Radial order n and signed azimuthal order m of polynomial `j`, from 1; negative m is the sine.
fn orders(j: u32) -> (u32, i32) {
    let mut n = 0;
    let mut before = 0;
    while before + n + 1 < j {
        before += n + 1;
        n += 1;
    }
    // Within an order, |m| increases; the even j of a pair is the cosine.
    let place = j.saturating_sub(before + 1);
    let m = if n % 2 == 0 { 2 * place.div_ceil(2) } else { 2 * (place / 2) + 1 };
    let m = i32::try_from(m).unwrap_or(0);
    (n, if m == 0 || j.is_multiple_of(2) { m } else { -m })
}

fn factorial(k: u32) -> f64 {
    (1..=k).map(f64::from).product()
}

/// Z_j at radius `rho` (1 at the edge of the pupil) and angle `theta`; its mean square over the pupil is 1.
pub(super) fn zernike(j: u32, rho: f64, theta: f64) -> f64 {
    let (n, m) = orders(j);
    let order = m.unsigned_abs();
    let radial: f64 = (0..=(n - order) / 2)
        .map(|k| {
            let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
            let below = factorial(k) * factorial((n + order) / 2 - k) * factorial((n - order) / 2 - k);
            let power = i32::try_from(n - 2 * k).unwrap_or(0);
            sign * factorial(n - k) / below * rho.powi(power)
        })
        .sum();
    let angle = f64::from(order) * theta;
    let norm = f64::from(n + 1).sqrt();
    match m {
        0 => norm * radial,
        1.. => norm * std::f64::consts::SQRT_2 * radial * angle.cos(),
        _ => norm * std::f64::consts::SQRT_2 * radial * angle.sin(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_polynomials_are_those_of_noll() {
        let (r, t) = (0.7_f64, 0.4_f64);
        let cubic = 3.0 * r.powi(3) - 2.0 * r;
        let want = [
            (1, 1.0),
            (2, 2.0 * r * t.cos()),
            (3, 2.0 * r * t.sin()),
            (4, 3.0_f64.sqrt() * (2.0 * r * r - 1.0)),
            (5, 6.0_f64.sqrt() * r * r * (2.0 * t).sin()),
            (6, 6.0_f64.sqrt() * r * r * (2.0 * t).cos()),
            (7, 8.0_f64.sqrt() * cubic * t.sin()),
            (8, 8.0_f64.sqrt() * cubic * t.cos()),
            (9, 8.0_f64.sqrt() * r.powi(3) * (3.0 * t).sin()),
            (10, 8.0_f64.sqrt() * r.powi(3) * (3.0 * t).cos()),
            (11, 5.0_f64.sqrt() * (6.0 * r.powi(4) - 6.0 * r * r + 1.0)),
        ];
        for (j, value) in want {
            assert!((zernike(j, r, t) - value).abs() < 1e-12, "Z{j}: {} {value}", zernike(j, r, t));
        }
    }

    #[test]
    fn the_polynomials_are_orthonormal_over_the_pupil() {
        let product = |i: u32, j: u32| -> f64 {
            let (radii, angles) = (400, 64);
            let mut sum = 0.0;
            for a in 0..radii {
                // Equal areas: ρ² is uniform.
                let rho = ((f64::from(a) + 0.5) / f64::from(radii)).sqrt();
                for b in 0..angles {
                    let theta = std::f64::consts::TAU * f64::from(b) / f64::from(angles);
                    sum += zernike(i, rho, theta) * zernike(j, rho, theta);
                }
            }
            sum / f64::from(radii * angles)
        };
        for i in 1..=15 {
            for j in 1..=i {
                let want = if i == j { 1.0 } else { 0.0 };
                assert!((product(i, j) - want).abs() < 2e-3, "{i} {j}: {}", product(i, j));
            }
        }
    }
}
