//! Results in the formats of other programs.

use crate::checkpoint::{RunFolder, write_atomic};
use crate::config::Config;
use crate::data::{Dataset, NpyArray, Reconstruction, Refined, npy_bytes};
use crate::error::{Error, Problem, Result};
use crate::imaging;
use crate::system::file_stem;
use std::path::{Path, PathBuf};

/// Format of an exported result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResultFormat {
    /// Object, probe and positions as a product of Ptychodus (HDF5).
    Product,
    /// The complex object as image 1 of a CXI file.
    Cxi,
    /// Amplitude and phase as 32-bit floating-point TIFF files, with the pixel size.
    Tiff,
    /// Amplitude and phase as 16-bit grayscale PNG files.
    Png,
    /// The complex object as one NumPy array.
    Npy,
}

/// Fraction of the covered values outside the limits of a 16-bit image, at each end.
const TAIL: f64 = 0.0005;

impl ResultFormat {
    /// All, in the order of the menus.
    pub const ALL: [Self; 5] = [Self::Product, Self::Cxi, Self::Tiff, Self::Png, Self::Npy];

    /// Name of the file for a run of this name.
    pub fn file_name(self, run: &str) -> String {
        match self {
            Self::Product => format!("{run}_product.h5"),
            Self::Cxi => format!("{run}_object.cxi"),
            Self::Tiff => format!("{run}.tif"),
            Self::Png => format!("{run}.png"),
            Self::Npy => format!("{run}.npy"),
        }
    }
}

/// Writes a result, read from `file`, in one format; returns the files written. `target` gives the path for a quantity and an
/// ending, `for_product` the dataset and the side of an object pixel in meters, which only a product needs.
///
/// # Errors
/// Refined parameters that cannot be read, an error of `for_product`, or a file that cannot be written.
pub fn write_result(
    format: ResultFormat,
    reconstruction: &Reconstruction,
    file: &Path,
    target: &dyn Fn(&str, &str) -> PathBuf,
    for_product: &dyn Fn() -> Result<(Dataset, f64)>,
) -> Result<Vec<PathBuf>> {
    let object = &reconstruction.object;
    let images = |ending: &str, encode: &dyn Fn(&ndarray::Array2<f32>) -> Result<Vec<u8>>| {
        let images = [("amplitude", object.mapv(|v| v.norm())), ("phase", object.mapv(|v| v.arg()))];
        let write = |(quantity, image): (&str, ndarray::Array2<f32>)| {
            let path = target(quantity, ending);
            write_atomic(&path, &encode(&image)?)?;
            Ok(path)
        };
        images.into_iter().map(write).collect::<Result<Vec<PathBuf>>>()
    };
    let path = match format {
        ResultFormat::Tiff => {
            return images("tif", &|image| imaging::encode_tiff_f32(image.view(), reconstruction.pixel_size_m));
        }
        ResultFormat::Png => {
            let covered = imaging::covered_mask(reconstruction.coverage.view(), imaging::COVERED_FRACTION);
            return images("png", &|image| {
                let limits = imaging::robust_limits(image.view(), covered.view(), TAIL, 1.0 - TAIL);
                imaging::encode_gray16(image.view(), covered.view(), limits)
            });
        }
        ResultFormat::Npy => {
            let path = target("object", "npy");
            write_atomic(&path, &npy_bytes(&NpyArray::C32(object.view().into_dyn()))?)?;
            path
        }
        ResultFormat::Cxi => {
            let path = target("object", "cxi");
            reconstruction.save_cxi(&path)?;
            path
        }
        ResultFormat::Product => {
            let (mut dataset, pixel) = for_product()?;
            let path = target("product", "h5");
            Refined::load(file)?.apply(&mut dataset);
            reconstruction.to_product(&dataset, pixel, &file_stem(&dataset.path)).save(&path)?;
            path
        }
    };
    Ok(vec![path])
}

/// Writes the result in a run folder; returns the files written. Those of amplitude and phase get these words in their names.
///
/// # Errors
/// The result cannot be read, or its product lacks the dataset or the size of a pixel, or a file cannot be written.
pub(super) fn export(folder: &Path, path: &Path, format: ResultFormat) -> Result<Vec<PathBuf>> {
    let file = RunFolder::at(folder).reconstruction();
    let reconstruction = Reconstruction::load(&file)?;
    let target = |quantity: &str, ending: &str| match format {
        ResultFormat::Tiff | ResultFormat::Png => {
            path.with_file_name(format!("{}_{quantity}.{ending}", file_stem(path)))
        }
        ResultFormat::Product | ResultFormat::Cxi | ResultFormat::Npy => path.to_path_buf(),
    };
    write_result(format, &reconstruction, &file, &target, &|| for_product(folder, &reconstruction))
}

/// Dataset and pixel size of a run.
fn for_product(folder: &Path, reconstruction: &Reconstruction) -> Result<(Dataset, f64)> {
    let names = RunFolder::at(folder);
    let summary = super::result::read_json(&names.summary());
    let named = summary.as_ref().and_then(|summary| summary.pointer("/dataset/path")?.as_str()).map(PathBuf::from);
    let missing = || Error::from(Problem::new("The summary of the run does not name its dataset").at(folder));
    let dataset_path = named.ok_or_else(missing)?;
    let config = Config::load(names.config()).unwrap_or_default();
    let dataset = Dataset::load(&dataset_path, &config.data, config.execution.seeds.subsample)?;
    let Some(pixel) = reconstruction.pixel_size_m.or(dataset.pixel_size_m).filter(|size| *size > 0.0) else {
        return Err(Problem::new("A product needs the size of an object pixel, which the dataset does not state")
            .expected("energy, distance and detector pixel, or the object pixel, among the reading settings")
            .hint("Set “Object pixel” in the Data panel and reconstruct again, or export as CXI")
            .at(folder)
            .into());
    };
    Ok((dataset, pixel))
}
