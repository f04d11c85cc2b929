//! What is written: the picture as it is seen, and the numbers that are meant.
//!
//! Everything is made in the background; a large picture takes a noticeable time to compress.

use super::scene::{Layer, Quantity, Scene};
use crate::data::{NpyArray, npy_bytes, npz_bytes};
use crate::error::Result;
use crate::imaging::{self, Sheet, encode_gray16, encode_rgba};
use crate::worker::message::ResultData;
use ndarray::{Array2, arr0, arr1};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// The pictures as they are seen, as a PNG.
    Shown,
    /// The same, for the clipboard.
    Copy,
    /// The stored object, coverage and origin.
    Npz,
    /// The values of amplitude or phase, f32.
    Npy(Quantity),
    /// The same as TIFF, f32.
    Tiff(Quantity),
    /// The same in 16 bits.
    Gray16(Quantity),
}

impl Export {
    /// All that make files of numbers, in the order they are offered.
    pub const NUMBERS: [Self; 7] = [
        Self::Npz,
        Self::Npy(Quantity::Amplitude),
        Self::Npy(Quantity::Phase),
        Self::Tiff(Quantity::Amplitude),
        Self::Tiff(Quantity::Phase),
        Self::Gray16(Quantity::Amplitude),
        Self::Gray16(Quantity::Phase),
    ];

    /// What a person is shown.
    pub fn label(self) -> String {
        match self {
            Self::Shown => "Picture as shown (PNG)…".to_owned(),
            Self::Copy => "Copy picture".to_owned(),
            Self::Npz => "Object as stored (NPZ)…".to_owned(),
            Self::Npy(quantity) => format!("{} values (NPY)…", quantity.label()),
            Self::Tiff(quantity) => format!("{} values (TIFF)…", quantity.label()),
            Self::Gray16(quantity) => format!("{} in 16 bits (PNG)…", quantity.label()),
        }
    }

    /// What it holds, in a sentence.
    pub fn help(self) -> &'static str {
        match self {
            Self::Shown => "The visible part of every picture, with colour bars and scale bar",
            Self::Copy => "The same picture, for the clipboard",
            Self::Npz => "object (complex64), coverage, origin_xy and pixel_size_m, as in reconstruction.npz",
            Self::Npy(_) | Self::Tiff(_) => {
                "(H, W) float32 in the frame of the stored object, phase as shown; NaN where nothing was seen"
            }
            Self::Gray16(_) => {
                "One pixel each, 1 to 65535 from the smallest to the largest value; 0 where nothing was seen"
            }
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Product {
    /// A file to be saved under a proposed name.
    File(String, Vec<u8>),
    /// Columns, rows and RGBA pixels for the clipboard.
    Picture([usize; 2], Vec<u8>),
}

/// Makes it. `sheets` are the pictures as they are seen, `columns` to a row.
///
/// # Errors
/// The encoder's, in words.
pub fn make(
    export: Export,
    data: &ResultData,
    scene: &Scene,
    sheets: &[Sheet],
    columns: usize,
) -> std::result::Result<Product, String> {
    let stem = data.folder.file_name().map_or_else(|| "result".into(), |name| name.to_string_lossy().into_owned());
    let made: Result<Product> = match export {
        Export::Shown => encode_rgba(imaging::sheet(sheets, columns)).map(|b| Product::File(format!("{stem}.png"), b)),
        Export::Copy => {
            let image = imaging::sheet(sheets, columns);
            let size = [image.width() as usize, image.height() as usize];
            Ok(Product::Picture(size, image.into_raw()))
        }
        Export::Npz => npz(data).map(|bytes| Product::File(format!("{stem}.npz"), bytes)),
        Export::Npy(quantity) => {
            let values = in_stored_frame(scene, &scene.result, quantity, data.reconstruction.object.dim());
            let name = format!("{stem}_{}.npy", quantity.label().to_lowercase());
            npy_bytes(&NpyArray::F32(values.view().into_dyn())).map(|bytes| Product::File(name, bytes))
        }
        Export::Tiff(quantity) => {
            let values = in_stored_frame(scene, &scene.result, quantity, data.reconstruction.object.dim());
            let name = format!("{stem}_{}.tif", quantity.label().to_lowercase());
            imaging::encode_tiff_f32(values.view(), scene.pixel_size_m).map(|bytes| Product::File(name, bytes))
        }
        Export::Gray16(quantity) => match scene.result.plane(quantity) {
            None => Err(crate::error::Error::failed("This quantity is not known")),
            Some(plane) => {
                let limits = plane.ordered.limits(0.0, 1.0);
                let ends = [limits.low, limits.high].map(imaging::short_number);
                let name = format!("{stem}_{}_{}_to_{}.png", quantity.label().to_lowercase(), ends[0], ends[1]);
                let finite = plane.values.mapv(f32::is_finite);
                encode_gray16(plane.values.view(), (&finite & &scene.result.seen).view(), limits)
                    .map(|bytes| Product::File(name, bytes))
            }
        },
    };
    made.map_err(|error| error.to_string())
}

fn npz(data: &ResultData) -> Result<Vec<u8>> {
    let stored = &data.reconstruction;
    let (origin, pixel) = (arr1(&stored.origin_xy), arr0(stored.pixel_size_m.unwrap_or_default()));
    let mut arrays = vec![
        ("object", NpyArray::C32(stored.object.view().into_dyn())),
        ("coverage", NpyArray::F32(stored.coverage.view().into_dyn())),
        ("origin_xy", NpyArray::F64(origin.view().into_dyn())),
    ];
    if stored.pixel_size_m.is_some() {
        arrays.push(("pixel_size_m", NpyArray::F64(pixel.view().into_dyn())));
    }
    npz_bytes(&arrays)
}

/// Values in the frame of the stored object; NaN where nothing was seen.
fn in_stored_frame(scene: &Scene, layer: &Layer, quantity: Quantity, shape: (usize, usize)) -> Array2<f32> {
    let [left, top] = scene.corner;
    Array2::from_shape_fn(shape, |(y, x)| {
        let at = y.checked_sub(top).zip(x.checked_sub(left));
        at.filter(|at| layer.seen.get(*at).copied().unwrap_or(false))
            .and_then(|at| layer.plane(quantity)?.values.get(at).copied())
            .unwrap_or(f32::NAN)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::scene::tests::{OPTIONS, example};
    use super::*;
    use crate::data::{NpzArchive, Reconstruction};

    fn file(export: Export) -> (String, Vec<u8>) {
        let data = example(64);
        let scene = Scene::new(&data, None, OPTIONS);
        match make(export, &data, &scene, &[], 1).unwrap() {
            Product::File(name, bytes) => (name, bytes),
            Product::Picture(..) => (String::new(), Vec::new()),
        }
    }

    #[test]
    fn the_stored_object_survives_its_export() {
        let (name, bytes) = file(Export::Npz);
        assert_eq!(name, "example.npz");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(Reconstruction::load(&path).unwrap(), example(64).reconstruction);
        assert!(NpzArchive::open(&path).unwrap().member("pixel_size_m").is_some());
    }

    #[test]
    fn numbers_are_those_seen_in_the_frame_of_the_object() {
        let (name, bytes) = file(Export::Npy(Quantity::Amplitude));
        assert_eq!(name, "example_amplitude.npy");
        let read = npyz::NpyFile::new(bytes.as_slice()).unwrap();
        assert_eq!(read.shape(), [64, 64]);
        let values: Vec<f32> = read.into_vec().unwrap();
        assert!(values[0].is_nan());
        assert!((values[20 * 64 + 20] - example(64).reconstruction.object[(20, 20)].norm()).abs() < 1e-5);
        let (name, bytes) = file(Export::Gray16(Quantity::Amplitude));
        assert_eq!(name, "example_amplitude_0.75_to_1.25.png");
        let image = image::load_from_memory(&bytes).unwrap().to_luma16();
        assert_eq!((image.width(), image.height()), (48, 48));
        assert_eq!(image.iter().copied().max(), Some(65535));
    }
}
