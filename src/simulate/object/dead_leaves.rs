//! Dead leaves: disks of many sizes that cover each other, as things do in natural pictures (Lee, Mumford and Huang 2001).

use crate::simulate::filter::gaussian;
use crate::simulate::random::uniform;
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;

/// Radius of the smallest leaf in pixels.
const SMALLEST: f64 = 3.0;
/// Standard deviation of the blur that softens the edges, in pixels.
const SOFTNESS: f64 = 0.75;

/// Leaves with a density of radii r^-3 from 3 pixels to a sixth of the side, each of one uniform value.
///
/// They fall from front to back: a pixel belongs to the first leaf that covers it.
pub(super) fn dead_leaves(side: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
    let mut image = Array2::from_elem((side, side), f64::NAN);
    let mut bare = side * side;
    let (length, largest) = (side as f64, (side as f64 / 6.0).max(2.0 * SMALLEST));
    let ratio = (SMALLEST / largest).powi(2);
    while bare > 0 {
        let radius = SMALLEST / (1.0 - uniform(rng) * (1.0 - ratio)).sqrt();
        let mut centre = || uniform(rng) * (length + 2.0 * largest) - largest;
        let (cy, cx) = (centre(), centre());
        let value = uniform(rng);
        let span = |centre: f64| {
            let low = (centre - radius).ceil().clamp(0.0, length) as usize;
            low..((centre + radius).floor() + 1.0).clamp(0.0, length) as usize
        };
        for y in span(cy) {
            for x in span(cx) {
                let inside = (y as f64 - cy).powi(2) + (x as f64 - cx).powi(2) <= radius * radius;
                if let Some(pixel) = image.get_mut((y, x)).filter(|pixel| inside && pixel.is_nan()) {
                    *pixel = value;
                    bare -= 1;
                }
            }
        }
    }
    gaussian(&image, SOFTNESS)
}
