//! An object from a picture.

use crate::error::{Error, Problem, Result};
use image::imageops::{FilterType, crop_imm, resize};
use image::{ImageBuffer, Luma};
use ndarray::Array2;
use std::path::Path;

/// The brightness of a PNG picture: its central square, brought to (side, side). `turned` turns it by a quarter.
///
/// # Errors
/// The file cannot be read or is no PNG picture.
pub(super) fn picture(path: &Path, side: usize, turned: bool) -> Result<Array2<f64>> {
    let bytes = std::fs::read(path).map_err(|error| Error::reading(path, &error))?;
    let unusable = |reason: String| {
        Error::from(Problem::new(format!("The picture cannot be read ({reason})")).expected("a PNG file").at(path))
    };
    let picture = image::load_from_memory(&bytes).map_err(|error| unusable(error.to_string()))?.to_luma32f();
    let (width, height) = picture.dimensions();
    let least = width.min(height);
    let length = u32::try_from(side).map_err(|error| unusable(error.to_string()))?;
    let square = crop_imm(&picture, (width - least) / 2, (height - least) / 2, least, least).to_image();
    let small: ImageBuffer<Luma<f32>, Vec<f32>> = resize(&square, length, length, FilterType::Triangle);
    let values: Vec<f64> = small.into_raw().into_iter().map(f64::from).collect();
    let array = Array2::from_shape_vec((side, side), values).map_err(|error| unusable(error.to_string()))?;
    Ok(if turned { array.t().slice(ndarray::s![.., ..;-1]).to_owned() } else { array })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_stands_upright_and_is_cropped_to_its_central_square() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        // 40 wide, 20 high; bright in the upper left quarter of the central square.
        let drawn =
            image::GrayImage::from_fn(40, 20, |x, y| Luma([if (10..20).contains(&x) && y < 10 { 255 } else { 0 }]));
        drawn.save(&path).unwrap();
        let upright = picture(&path, 64, false).unwrap();
        assert!(upright[[5, 5]] > 0.99 && upright[[5, 60]] < 0.01 && upright[[60, 5]] < 0.01);
        let turned = picture(&path, 64, true).unwrap();
        assert!(turned[[5, 60]] > 0.99 && turned[[5, 5]] < 0.01);
        std::fs::write(&path, b"no picture").unwrap();
        let error = picture(&path, 64, false).unwrap_err().to_string();
        assert!(error.contains("PNG") && error.contains("a.png"), "{error}");
    }
}
