//! How a scan was displaced as a whole: the affine map between two sets of positions.

/// Best affine map x' = A x + t from some positions to others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AffineFit {
    /// Change of the length along x and y, percent.
    pub scale_percent: [f64; 2],
    /// Mean rotation, degrees, from x to y.
    pub rotation_degrees: f64,
    /// Change of the angle between the axes, degrees.
    pub shear_degrees: f64,
    /// Share of the squared displacement that the map explains, apart from a common shift; 0 to 1.
    pub explained: f64,
}

/// Fits the map by least squares; `None` for fewer than three positions or positions in a row.
pub fn affine_fit(from: &[[f64; 2]], to: &[[f64; 2]]) -> Option<AffineFit> {
    let count = from.len().min(to.len());
    if count < 3 {
        return None;
    }
    let mean = |list: &[[f64; 2]], axis: usize| list.iter().take(count).map(|p| p[axis]).sum::<f64>() / count as f64;
    let (before, after) = ([mean(from, 0), mean(from, 1)], [mean(to, 0), mean(to, 1)]);
    let centered = from.iter().zip(to).take(count).map(|(p, q)| {
        let p = [p[0] - before[0], p[1] - before[1]];
        (p, [q[0] - after[0] - p[0], q[1] - after[1] - p[1]])
    });
    // Normal equations of the displacement d = B p.
    let (mut xx, mut xy, mut yy, mut b, mut all) = (0.0, 0.0, 0.0, [[0.0; 2]; 2], 0.0);
    for (p, d) in centered {
        xx += p[0] * p[0];
        xy += p[0] * p[1];
        yy += p[1] * p[1];
        for row in 0..2 {
            b[row][0] += d[row] * p[0];
            b[row][1] += d[row] * p[1];
        }
        all += d[0] * d[0] + d[1] * d[1];
    }
    let determinant = xx * yy - xy * xy;
    if determinant <= 1e-9 * (xx + yy).powi(2) {
        return None;
    }
    let solved = b.map(|[x, y]| [(x * yy - y * xy) / determinant, (y * xx - x * xy) / determinant]);
    let explained: f64 = solved.iter().zip(&b).map(|(row, b)| row[0] * b[0] + row[1] * b[1]).sum();
    let [[a, c], [d, e]] = [[1.0 + solved[0][0], solved[0][1]], [solved[1][0], 1.0 + solved[1][1]]];
    // Directions of the images of the axes.
    let (of_x, of_y) = (d.atan2(a), (-c).atan2(e));
    Some(AffineFit {
        scale_percent: [100.0 * (a.hypot(d) - 1.0), 100.0 * (c.hypot(e) - 1.0)],
        rotation_degrees: ((of_x + of_y) / 2.0).to_degrees(),
        shear_degrees: (of_y - of_x).to_degrees(),
        explained: if all > 0.0 { (explained / all).clamp(0.0, 1.0) } else { 0.0 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_rotation_and_shift_are_told_apart() {
        let from: Vec<[f64; 2]> = (0..49).map(|n| [f64::from(n % 7) * 10.0, f64::from(n / 7) * 9.0]).collect();
        let (sine, cosine) = 1.5_f64.to_radians().sin_cos();
        let to = |[x, y]: &[f64; 2]| {
            let (x, y) = (1.02 * x, 0.99 * y);
            [cosine * x - sine * y + 40.0, sine * x + cosine * y - 7.0]
        };
        let moved: Vec<[f64; 2]> = from.iter().map(to).collect();
        let fit = affine_fit(&from, &moved).unwrap();
        assert!((fit.scale_percent[0] - 2.0).abs() < 1e-9 && (fit.scale_percent[1] + 1.0).abs() < 1e-9, "{fit:?}");
        assert!((fit.rotation_degrees - 1.5).abs() < 1e-9 && fit.shear_degrees.abs() < 1e-9, "{fit:?}");
        assert!(fit.explained > 0.999_999);
        let noise: Vec<[f64; 2]> = from
            .iter()
            .enumerate()
            .map(|(n, [x, y])| [x + f64::from(n as u32 * 7 % 5) - 2.0, y + f64::from(n as u32 * 11 % 3) - 1.0])
            .collect();
        assert!(affine_fit(&from, &noise).unwrap().explained < 0.3);
        assert_eq!(affine_fit(&[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], &from[..3]), None);
    }
}
