//! Scale bar of a round length.

/// Length and label of a scale bar.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaleBar {
    /// Length in image pixels.
    pub pixels: f64,
    /// Label: `5 µm`, `200 nm`, `50 px`.
    pub text: String,
}

/// Longest scale bar of 1, 2 or 5 times a power of ten that fits into `longest` image pixels: a physical length if the
/// pixel size (meters) is known, else in pixels. `None` if `longest` is not positive.
pub fn scale_bar(longest: f64, pixel_size_m: Option<f64>) -> Option<ScaleBar> {
    let pixel = pixel_size_m.filter(|size| size.is_finite() && *size > 0.0);
    let reach = longest * pixel.unwrap_or(1.0);
    if !(reach.is_finite() && reach > 0.0) {
        return None;
    }
    let power = 10f64.powf(reach.log10().floor());
    // The tolerance keeps a length that just fits despite rounding.
    let nice = [5.0, 2.0, 1.0].into_iter().find(|n| n * power <= reach * (1.0 + 1e-9)).unwrap_or(1.0) * power;
    let text = if pixel.is_some() { length_text(nice) } else { format!("{} px", digits(nice)) };
    Some(ScaleBar { pixels: nice / pixel.unwrap_or(1.0), text })
}

/// Length in meters as text with a suitable unit: `1.25 µm`, `40 nm`.
pub fn length_text(meters: f64) -> String {
    let (unit, size) = match meters.abs() {
        0.0 => ("µm", 1e-6),
        m if m < 0.9995e-9 => ("pm", 1e-12),
        m if m < 0.9995e-6 => ("nm", 1e-9),
        m if m < 0.9995e-3 => ("µm", 1e-6),
        m if m < 0.9995 => ("mm", 1e-3),
        _ => ("m", 1.0),
    };
    format!("{} {unit}", digits(meters / size))
}

/// Three significant digits without trailing zeros.
fn digits(value: f64) -> String {
    let magnitude = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let decimals = usize::try_from(2 - magnitude).unwrap_or(0).min(12);
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_round_lengths_that_fit() {
        for (longest, pixel, text, pixels) in [
            (100.0, None, "100 px", 100.0),
            (99.0, None, "50 px", 50.0),
            (0.3, None, "0.2 px", 0.2),
            (100.0, Some(8e-9), "500 nm", 62.5),
            (300.0, Some(8e-9), "2 µm", 250.0),
            (1.3e6, Some(8e-9), "10 mm", 1.25e6),
        ] {
            let bar = scale_bar(longest, pixel).unwrap();
            assert_eq!(bar.text, text);
            assert!((bar.pixels - pixels).abs() < 1e-6 * pixels, "{bar:?}");
        }
        assert_eq!(scale_bar(0.0, None), None);
        assert_eq!(scale_bar(f64::NAN, Some(1.0)), None);
        assert_eq!(scale_bar(10.0, Some(0.0)).unwrap().text, "10 px");
    }

    #[test]
    fn lengths_have_a_suitable_unit() {
        assert_eq!(length_text(1.2345e-6), "1.23 µm");
        assert_eq!(length_text(4e-8), "40 nm");
        assert_eq!(length_text(-2e-3), "-2 mm");
        assert_eq!(length_text(9.999e-7), "1 µm");
        assert_eq!(length_text(0.0), "0 µm");
    }
}
