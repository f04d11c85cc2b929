//! Movies as animated GIF with one palette: no color is approximated.

use crate::error::{Error, Result};
use gif::{Encoder, Frame, Repeat};

/// Encodes frames that repeat without end; the last one is shown for two seconds.
///
/// * `frames`: rows × columns indices of the palette. * `size`: columns and rows. * `delay_s`: time per frame, seconds.
///
/// # Errors
/// A frame does not have this size, or it is too large for the format (65535 pixels per side).
pub fn movie_gif(frames: &[Vec<u8>], size: [usize; 2], palette: &[[u8; 3]], delay_s: f64) -> Result<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| Error::failed(format!("The movie cannot be encoded ({error})"));
    let [width, height] = [u16::try_from(size[0]), u16::try_from(size[1])];
    let (width, height) = (width.map_err(|error| failed(&error))?, height.map_err(|error| failed(&error))?);
    if frames.iter().any(|frame| frame.len() != size[0] * size[1]) {
        return Err(Error::failed("The frames of a movie have different sizes"));
    }
    let mut bytes = Vec::new();
    let mut encoder =
        Encoder::new(&mut bytes, width, height, palette.as_flattened()).map_err(|error| failed(&error))?;
    encoder.set_repeat(Repeat::Infinite).map_err(|error| failed(&error))?;
    for (number, pixels) in frames.iter().enumerate() {
        let seconds = if number + 1 == frames.len() { 2.0 } else { delay_s };
        let delay = (100.0 * seconds).round().clamp(1.0, 65535.0) as u16;
        let frame = Frame { delay, width, height, buffer: pixels.as_slice().into(), ..Frame::default() };
        encoder.write_frame(&frame).map_err(|error| failed(&error))?;
    }
    drop(encoder);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_read_back_as_written() {
        let palette: Vec<[u8; 3]> = (0..=255).map(|at| [at, 255 - at, 7]).collect();
        let frames: Vec<Vec<u8>> = (0..3).map(|n| (0..12).map(|at| at * 20 + n).collect()).collect();
        let bytes = movie_gif(&frames, [4, 3], &palette, 0.1).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::Indexed);
        let mut reader = options.read_info(bytes.as_slice()).unwrap();
        assert_eq!(reader.global_palette().unwrap(), palette.as_flattened());
        for (number, frame) in frames.iter().enumerate() {
            let read = reader.read_next_frame().unwrap().unwrap();
            assert_eq!((read.buffer.as_ref(), read.delay), (frame.as_slice(), if number == 2 { 200 } else { 10 }));
        }
        assert!(movie_gif(&[vec![0; 11]], [4, 3], &palette, 0.1).is_err());
    }
}
