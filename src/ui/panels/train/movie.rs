//! Movie of a training: amplitude and phase of all frames, in the colors of the last one, with a bar for the time.

use super::picture::{Values, values};
use crate::imaging::{Colormap, Limits, movie_gif};
use crate::worker::message::Picture;
use ndarray::ArrayView2;
use std::sync::Arc;

/// Colors of each of the two images; one more is the background.
const SHADES: usize = 127;
/// Index of the background.
const NOTHING: u8 = 2 * SHADES as u8;
/// Index of the bar.
const BAR: u8 = NOTHING + 1;
/// Height of the bar and gap between the images, pixels.
const GAP: usize = 4;
/// Largest side of an image, pixels.
const SIDE: usize = 320;
/// Time per frame, seconds.
const DELAY: f64 = 0.12;

/// Animated GIF of these frames, in order.
///
/// # Errors
/// No frame shows anything, or it cannot be encoded.
pub(super) fn movie(frames: &[Arc<Picture>]) -> Result<Vec<u8>, String> {
    let frames: Vec<Values> = frames.iter().filter_map(|frame| values(frame)).collect();
    let last = frames.last().ok_or("No frame has covered pixels")?;
    let (amplitude, phase, map) = last.limits();
    let (rows, columns) = last.amplitude.dim();
    // Noise hardly compresses, so that larger frames would make files too large to show.
    let step = rows.max(columns).div_ceil(SIDE).max(1);
    let (height, width) = (rows.div_ceil(step), columns.div_ceil(step));
    let size = [2 * width + GAP, height + 2 * GAP];
    let count = frames.len();
    let drawn: Vec<Vec<u8>> = frames
        .iter()
        .enumerate()
        .map(|(number, frame)| {
            let mut pixels = vec![NOTHING; size[0] * size[1]];
            for (values, limits, first, left) in
                [(&frame.amplitude, amplitude, 0, 0), (&frame.phase, phase, SHADES, width + GAP)]
            {
                draw(&mut pixels, size[0], values.view(), frame.covered.view(), (limits, first, left), [height, width]);
            }
            let done = size[0] * (number + 1) / count;
            for row in height + GAP..size[1] {
                pixels[row * size[0]..row * size[0] + done].fill(BAR);
            }
            pixels
        })
        .collect();
    movie_gif(&drawn, size, &palette(map), DELAY).map_err(|error| error.to_string())
}

/// Draws an image into `pixels`, scaled to `[height, width]`; `place` is limits, first color and left edge.
fn draw(
    pixels: &mut [u8],
    row_length: usize,
    values: ArrayView2<'_, f32>,
    covered: ArrayView2<'_, bool>,
    (limits, first, left): (Limits, usize, usize),
    [height, width]: [usize; 2],
) {
    let (rows, columns) = values.dim();
    for y in 0..height {
        for x in 0..width {
            let at = (y * rows / height, x * columns / width);
            if covered.get(at).copied().unwrap_or(false) {
                let value = f64::from(values.get(at).copied().unwrap_or(0.0));
                let shade = (limits.fraction(value) * (SHADES - 1) as f64).round() as usize;
                pixels[y * row_length + left + x] = (first + shade.min(SHADES - 1)) as u8;
            }
        }
    }
}

fn palette(phase: Colormap) -> Vec<[u8; 3]> {
    let shades = |map: Colormap| (0..SHADES).map(move |at| map.rgb(at as f64 / (SHADES - 1) as f64));
    shades(Colormap::Gray).chain(shades(phase)).chain([[24, 24, 28], [90, 150, 230]]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(step: usize, side: usize, level: f32) -> Arc<Picture> {
        let count = side * side;
        Arc::new(Picture {
            job: 1,
            taken: Some((1, step)),
            width: side,
            height: side,
            amplitude: (0..count).map(|at| level * (1.0 + (at % 7) as f32)).collect(),
            phase: (0..count).map(|at| 0.01 * (at % 11) as f32).collect(),
            coverage: vec![1.0; count],
            origin_xy: [0.0; 2],
        })
    }

    #[test]
    fn frames_of_different_sizes_become_one_movie() {
        let frames = [picture(1, 20, 0.5), picture(2, 24, 0.8), picture(3, 24, 1.0)];
        let bytes = movie(&frames).unwrap();
        assert!(bytes.starts_with(b"GIF89a"));
        assert_eq!([u16::from_le_bytes([bytes[6], bytes[7]]), u16::from_le_bytes([bytes[8], bytes[9]])], [52, 32]);
        let empty = Arc::new(Picture { coverage: vec![0.0; 400], ..(*picture(1, 20, 1.0)).clone() });
        assert!(movie(&[empty]).is_err());
    }
}
