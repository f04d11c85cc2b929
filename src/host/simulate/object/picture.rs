//! Object from an image.

use crate::error::{Error, Problem, Result};
use image::imageops::{FilterType, crop_imm, resize};
use image::{ImageBuffer, Luma};
use ndarray::Array2;
use std::path::Path;

/// Brightness of a PNG image: its central square, resampled to (side, side). `rotated` rotates it by 90°.
///
/// # Errors
/// The file cannot be read or is not a PNG image.
pub(super) fn picture(path: &Path, side: usize, rotated: bool) -> Result<Array2<f64>> {
    let bytes = std::fs::read(path).map_err(|error| Error::reading(path, &error))?;
    let unusable = |reason: String| {
        Error::from(Problem::new(format!("The image cannot be read ({reason})")).expected("a PNG file").at(path))
    };
    let picture = image::load_from_memory(&bytes).map_err(|error| unusable(error.to_string()))?.to_luma32f();
    let (width, height) = picture.dimensions();
    let least = width.min(height);
    let length = u32::try_from(side).map_err(|error| unusable(error.to_string()))?;
    let square = crop_imm(&picture, (width - least) / 2, (height - least) / 2, least, least).to_image();
    let small: ImageBuffer<Luma<f32>, Vec<f32>> = resize(&square, length, length, FilterType::Triangle);
    let values: Vec<f64> = small.into_raw().into_iter().map(f64::from).collect();
    let array = Array2::from_shape_vec((side, side), values).map_err(|error| unusable(error.to_string()))?;
    Ok(if rotated { array.t().slice(ndarray::s![.., ..;-1]).to_owned() } else { array })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_upright_and_cropped_to_its_central_square() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        // 40 wide, 20 high; bright in the upper left quarter of the central square.
        let drawn =
            image::GrayImage::from_fn(40, 20, |x, y| Luma([if (10..20).contains(&x) && y < 10 { 255 } else { 0 }]));
        drawn.save(&path).unwrap();
        let upright = picture(&path, 64, false).unwrap();
        assert!(upright[[5, 5]] > 0.99 && upright[[5, 60]] < 0.01 && upright[[60, 5]] < 0.01);
        let rotated = picture(&path, 64, true).unwrap();
        assert!(rotated[[5, 60]] > 0.99 && rotated[[5, 5]] < 0.01);
        std::fs::write(&path, b"no image").unwrap();
        let error = picture(&path, 64, false).unwrap_err().to_string();
        assert!(error.contains("PNG") && error.contains("a.png"), "{error}");
    }
}
