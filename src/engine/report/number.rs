//! Numbers and axis ticks as text.

/// A number with `digits` significant digits, in exponential notation if very large or small; "–" for NaN.
pub fn significant(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "–".to_owned();
    }
    if value == 0.0 || value.is_infinite() {
        return if value == 0.0 { "0".to_owned() } else { value.to_string().replace("inf", "∞").replace('-', "−") };
    }
    let digits = digits.max(1);
    // Rounding can carry into the next power of ten, so the exponent is taken from the rounded number.
    let scientific = format!("{value:.*e}", digits - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let text = if (-4..6).contains(&exponent) {
        let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
        format!("{value:.decimals$}")
    } else {
        format!("{mantissa}e{exponent}")
    };
    text.replace('-', "−")
}

/// About `count` ticks in `low..=high` at multiples of 1, 2 or 5 times a power of ten, with labels.
pub(super) fn ticks(low: f64, high: f64, count: usize) -> Vec<(f64, String)> {
    let span = high - low;
    if !(span > 0.0 && span.is_finite()) {
        return Vec::new();
    }
    let raw = span / count.max(1) as f64;
    let power = 10.0_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|s| s * power >= 0.999 * raw).unwrap_or(10.0) * power;
    let decimals = usize::try_from((-step.log10() - 1e-9).ceil().max(0.0) as i64).unwrap_or(0);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    let label = |value: f64| {
        if decimals > 6 || value.abs() >= 1e6 {
            return significant(value, 3);
        }
        let value = if value.abs() < step / 2.0 { 0.0 } else { value };
        format!("{value:.decimals$}").replace('-', "−")
    };
    (first..=last).take(100).map(|i| (i as f64 * step, label(i as f64 * step))).collect()
}

/// Ticks of a logarithmic axis with limits and positions as log10: powers of ten, with 2 and 5 on short axes.
pub(super) fn log_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let mantissas: &[f64] = if high - low < 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let stride = (((high - low) / 8.0).ceil() as i64).max(1);
    let mut found = Vec::new();
    for power in low.floor() as i64..=high.ceil() as i64 {
        for mantissa in mantissas {
            let at = power as f64 + mantissa.log10();
            if at >= low - 1e-9 && at <= high + 1e-9 && power.rem_euclid(stride) == 0 {
                found.push((at, significant(mantissa * 10.0_f64.powi(power as i32), 1)));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn significant_digits_are_kept_when_rounding_carries() {
        let cases = [
            (0.0, "0"),
            (1.0, "1.000"),
            (0.012_345_6, "0.01235"),
            (-2.5, "−2.500"),
            (9.999_96, "10.00"),
            (123_456.0, "123456"),
            (1.234_56e7, "1.235e7"),
            (-4.2e-9, "−4.200e−9"),
            (f64::NAN, "–"),
            (f64::INFINITY, "∞"),
        ];
        for (value, text) in cases {
            assert_eq!(significant(value, 4), text);
        }
    }

    #[test]
    fn ticks_are_round_numbers_inside_the_axis() {
        let labels = |low, high| ticks(low, high, 5).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels(0.0, 0.5), ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(labels(-1.3, 1.1), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(labels(0.0, 385.0), ["0", "100", "200", "300"]);
        assert!(ticks(1.0, 1.0, 5).is_empty() && ticks(0.0, f64::NAN, 5).is_empty());
        let log: Vec<String> = log_ticks(-2.1, 1.0).into_iter().map(|(_, label)| label).collect();
        assert_eq!(log, ["0.01", "0.1", "1", "10"]);
        assert_eq!(log_ticks(0.0, 1.0).len(), 4);
    }
}
