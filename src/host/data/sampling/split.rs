//! Training and validation patterns.

use super::random::{choose, generator};
use crate::error::{Problem, Result};

/// Indices of the patterns used for training and for validation, each ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Training patterns.
    pub train: Vec<usize>,
    /// Validation patterns.
    pub validation: Vec<usize>,
}

/// Holds out a random `fraction` of `count` patterns for validation: rounded, at least one if the fraction is not zero, and
/// never all.
///
/// # Errors
/// [`crate::error::Error::BadInput`] if the fraction is not in 0 … 1 (1 excluded).
pub fn split(count: usize, fraction: f64, seed: u64) -> Result<Split> {
    if !(0.0..1.0).contains(&fraction) {
        return Err(Problem::new(format!("validation_fraction is {fraction}"))
            .expected("a fraction of at least 0 and below 1")
            .hint("Use for example 0.1, or 0 to disable validation")
            .into());
    }
    let mut held_out = (count as f64 * fraction).round() as usize;
    if fraction > 0.0 {
        held_out = held_out.max(1).min(count.saturating_sub(1));
    }
    let mut validation = choose(&mut generator(seed, 1), count, held_out);
    validation.sort_unstable();
    let train = (0..count).filter(|index| validation.binary_search(index).is_err()).collect();
    Ok(Split { train, validation })
}

/// Holds out the `fraction` of the patterns farthest along x (`axis` 0) or y (1), as many as [`split`].
///
/// # Errors
/// As [`split`].
pub fn split_along(positions: &[[f64; 2]], axis: usize, fraction: f64) -> Result<Split> {
    let kept = split(positions.len(), fraction, 0)?.train.len();
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by(|&a, &b| positions[a][axis].total_cmp(&positions[b][axis]).then(a.cmp(&b)));
    let (mut train, mut validation) = (order[..kept].to_vec(), order[kept..].to_vec());
    train.sort_unstable();
    validation.sort_unstable();
    Ok(Split { train, validation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_on_exactly_one_side() {
        for (count, fraction, held_out) in
            [(100, 0.1, 10), (10, 0.01, 1), (3, 0.9, 2), (1, 0.5, 0), (7, 0.0, 0), (0, 0.3, 0)]
        {
            let split = split(count, fraction, 4).unwrap();
            assert_eq!(split.validation.len(), held_out, "{count} {fraction}");
            let mut all = [split.train.clone(), split.validation.clone()].concat();
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
            assert!(split.train.is_sorted() && split.validation.is_sorted());
        }
    }

    #[test]
    fn the_far_side_of_the_scan_is_held_out() {
        let positions = [[3.0, 0.0], [1.0, 9.0], [2.0, 5.0], [0.0, 7.0]];
        let by_x = split_along(&positions, 0, 0.5).unwrap();
        assert_eq!((by_x.train, by_x.validation), (vec![1, 3], vec![0, 2]));
        let by_y = split_along(&positions, 1, 0.25).unwrap();
        assert_eq!((by_y.train, by_y.validation), (vec![0, 2, 3], vec![1]));
        assert!(split_along(&positions, 0, 1.0).is_err());
    }

    #[test]
    fn the_split_depends_on_the_seed() {
        assert_eq!(split(50, 0.2, 1).unwrap(), split(50, 0.2, 1).unwrap());
        assert_ne!(split(50, 0.2, 1).unwrap(), split(50, 0.2, 2).unwrap());
    }

    #[test]
    fn impossible_fractions_are_rejected() {
        for fraction in [1.0, -0.1, f64::NAN, f64::INFINITY] {
            assert!(split(10, fraction, 1).is_err(), "{fraction}");
        }
    }
}
