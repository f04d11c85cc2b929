//! Dead leaves: overlapping opaque disks of many sizes, as in natural images (Lee, Mumford and Huang 2001).

use crate::simulate::filter::gaussian;
use crate::simulate::random::uniform;
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;

/// Radius of the smallest leaf, pixels.
const SMALLEST: f64 = 3.0;
/// Standard deviation of the blur that softens the edges, pixels.
const SOFTNESS: f64 = 0.75;

/// Leaves with a density of radii r^-3 from 3 pixels to a sixth of the side, each of constant, uniformly distributed value.
///
/// Drawn from front to back: a pixel belongs to the first leaf that covers it.
pub(super) fn dead_leaves(side: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
    let mut image = Array2::from_elem((side, side), f64::NAN);
    let mut uncovered = side * side;
    let (length, largest) = (side as f64, (side as f64 / 6.0).max(2.0 * SMALLEST));
    let ratio = (SMALLEST / largest).powi(2);
    while uncovered > 0 {
        let radius = SMALLEST / (1.0 - uniform(rng) * (1.0 - ratio)).sqrt();
        let mut center = || uniform(rng) * (length + 2.0 * largest) - largest;
        let (cy, cx) = (center(), center());
        let value = uniform(rng);
        let span = |center: f64| {
            let low = (center - radius).ceil().clamp(0.0, length) as usize;
            low..((center + radius).floor() + 1.0).clamp(0.0, length) as usize
        };
        for y in span(cy) {
            for x in span(cx) {
                let inside = (y as f64 - cy).powi(2) + (x as f64 - cx).powi(2) <= radius * radius;
                if let Some(pixel) = image.get_mut((y, x)).filter(|pixel| inside && pixel.is_nan()) {
                    *pixel = value;
                    uncovered -= 1;
                }
            }
        }
    }
    gaussian(&image, SOFTNESS)
}
