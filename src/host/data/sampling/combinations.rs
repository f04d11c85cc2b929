//! Choices of k of n.

/// Number of ways to choose `k` of `n`, or `usize::MAX` on overflow.
pub(super) fn combinations(n: usize, k: usize) -> usize {
    let k = k.min(n.saturating_sub(k));
    let mut result: u128 = 1;
    for step in 0..k {
        result = match result.checked_mul((n - step) as u128) {
            Some(product) => product / (step as u128 + 1),
            None => return usize::MAX,
        };
    }
    usize::try_from(result).unwrap_or(usize::MAX)
}

/// All ways to choose `k` of `n`, in lexicographic order.
pub(super) fn all_combinations(n: usize, k: usize) -> Vec<Vec<usize>> {
    let mut all = Vec::new();
    if k > n {
        return all;
    }
    let mut one: Vec<usize> = (0..k).collect();
    loop {
        all.push(one.clone());
        let Some(at) = (0..k).rev().find(|&at| one[at] < n - k + at) else { return all };
        let value = one[at];
        for (step, slot) in one[at..].iter_mut().enumerate() {
            *slot = value + 1 + step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_are_complete_and_in_order() {
        assert_eq!(all_combinations(4, 2), [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]);
        assert_eq!(all_combinations(7, 4).len(), combinations(7, 4));
        assert_eq!((combinations(7, 3), combinations(3, 4), combinations(500, 250)), (35, 1, usize::MAX));
    }
}
