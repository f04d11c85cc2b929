//! Middle and spread of numbers among which some may be far off.

/// Median; the upper one of two middle values. `None` if there are none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// Median and robust standard deviation (1.4826 times the median absolute deviation) of the logarithms of the positive values;
/// 0 and 0 if there are none.
pub fn spread_of_logarithms(values: &[f64]) -> (f64, f64) {
    let logarithms: Vec<f64> = values.iter().filter(|value| **value > 0.0).map(|value| value.ln()).collect();
    let middle = median(&logarithms).unwrap_or(0.0);
    let deviations: Vec<f64> = logarithms.iter().map(|value| (value - middle).abs()).collect();
    (middle, 1.4826 * median(&deviations).unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_far_off_changes_neither_middle_nor_spread_much() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!((median(&[2.0, 1.0]), median(&[])), (Some(2.0), None));
        let (middle, deviation) = spread_of_logarithms(&[0.0, -1.0, 1.0, 2.0, 4.0, 1e9, f64::NAN]);
        assert!((middle - 4f64.ln()).abs() < 1e-12 && (deviation - 1.4826 * 4f64.ln()).abs() < 1e-12);
        assert_eq!(spread_of_logarithms(&[0.0]), (0.0, 0.0));
    }
}
