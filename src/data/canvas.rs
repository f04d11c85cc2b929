//! Where patches land.

/// The pixels that patches at some positions touch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Canvas {
    /// Dataset coordinates `(x, y)` of the centre of pixel `[0, 0]`; whole numbers.
    pub origin: [f64; 2],
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Canvas {
    /// The smallest canvas for N × N patches with these centres (index N/2), `(x, y)`, one of them at least.
    pub fn around(positions: &[[f64; 2]], n: usize) -> Self {
        let bound =
            |axis: usize, pick: fn(f64, f64) -> f64, start: f64| positions.iter().map(|p| p[axis]).fold(start, pick);
        let half = (n / 2) as f64;
        let low = |axis| bound(axis, f64::min, f64::INFINITY).floor() - half;
        let high = |axis| bound(axis, f64::max, f64::NEG_INFINITY).ceil() + (n as f64 - half);
        let origin = [low(0), low(1)];
        // One pixel more than the patches need, for the second corner of the interpolation.
        let side = |axis: usize| (high(axis) - origin[axis]) as usize + 1;
        Self { origin, height: side(1), width: side(0) }
    }

    /// Top left pixel and the fraction `(fy, fx)` beyond it of an N × N patch with this centre.
    pub fn corner(&self, position: [f64; 2], n: usize) -> (usize, usize, f32, f32) {
        let left = position[0] - (n / 2) as f64 - self.origin[0];
        let top = position[1] - (n / 2) as f64 - self.origin[1];
        let (x, y) = (left.floor().max(0.0), top.floor().max(0.0));
        (y as usize, x as usize, (top - y) as f32, (left - x) as f32)
    }
}
