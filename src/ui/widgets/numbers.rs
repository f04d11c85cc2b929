//! Number formats for people.

/// Replaces the hyphen by the minus sign U+2212, also in the exponent.
pub fn signed(text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    // A value rounded to zero has no sign.
    match text.strip_prefix('-') {
        Some(zero) if zero.contains('0') && !zero.contains(|c: char| ('1'..='9').contains(&c)) => zero.to_owned(),
        _ => text.replace('-', "−"),
    }
}

/// Formats an integer with grouped thousands: `1 087`.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            // Non-breaking space.
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

/// Formats a count with its noun: `1 pixel`, `42 pixels`.
pub fn count_of(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count as u64))
}

/// Formats a number with about four significant digits: `1 234`, `0.01235`, `1.2e9`.
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "not a number".to_owned() } else { signed(format!("{value}")) };
    }
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if (1000.0..1e7).contains(&size) {
        let sign = if value < 0.0 { "−" } else { "" };
        format!("{sign}{}", grouped(size.round() as u64))
    } else if (1e-3..1000.0).contains(&size) {
        let decimals = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
        let text = signed(format!("{value:.decimals$}"));
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        signed(format!("{value:.2e}"))
    }
}

/// Formats a value with its noun: `1 count`, `12.5 counts`.
pub fn quantity(value: f64, noun: &str) -> String {
    let text = short(value);
    let plural = if text == "1" { "" } else { "s" };
    format!("{text} {noun}{plural}")
}

/// Formats a large number in words: `187 million`, `2.4 billion`.
pub fn in_words(value: f64) -> String {
    for (word, size) in [("billion", 1e9), ("million", 1e6)] {
        if value >= size {
            let amount = value / size;
            let decimals = if amount < 10.0 { 1 } else { 0 };
            return format!("{amount:.decimals$} {word}");
        }
    }
    grouped(value.round() as u64)
}

/// Formats a size in bytes: `12 MB`.
pub fn bytes(value: u64) -> String {
    let value = value as f64;
    for (unit, size) in [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] {
        if value >= size {
            let amount = value / size;
            return if amount < 10.0 { format!("{amount:.1} {unit}") } else { format!("{amount:.0} {unit}") };
        }
    }
    format!("{value:.0} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_formatted_with_few_digits() {
        let plain = |text: String| text.replace('\u{a0}', " ");
        assert_eq!(plain(grouped(1087)), "1 087");
        assert_eq!(plain(grouped(12_345_678)), "12 345 678");
        assert_eq!(grouped(7), "7");
        assert_eq!((quantity(1.0, "count"), quantity(0.5, "count")), ("1 count".into(), "0.5 counts".into()));
        assert_eq!((count_of(1, "pixel"), count_of(0, "pixel")), ("1 pixel".into(), "0 pixels".into()));
        assert_eq!(plain(short(1234.4)), "1 234");
        assert_eq!(short(59.169_25), "59.17");
        assert_eq!(short(0.012_345), "0.01235");
        assert_eq!((short(2.0), short(0.0), short(-0.5)), ("2".into(), "0".into(), "−0.5".into()));
        assert_eq!((plain(short(-1234.4)), signed("-1.5e-7")), ("−1 234".into(), "−1.5e−7".into()));
        assert_eq!((signed("-0.000"), signed("-0.001")), ("0.000".into(), "−0.001".into()));
        assert_eq!((short(1.234e9), short(1e-5)), ("1.23e9".into(), "1.00e−5".into()));
        assert_eq!(
            (plain(in_words(12_300.0)), in_words(1.87e8), in_words(2.44e9)),
            ("12 300".into(), "187 million".into(), "2.4 billion".into())
        );
        assert_eq!(
            (bytes(999), bytes(1_500_000), bytes(52_000_000)),
            ("999 bytes".into(), "1.5 MB".into(), "52 MB".into())
        );
    }
}
