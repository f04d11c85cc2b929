//! Results in the formats of other programs.

use crate::checkpoint::{RunFolder, write_atomic};
use crate::config::Config;
use crate::data::{Dataset, Reconstruction, Refined};
use crate::error::{Error, Problem, Result};
use crate::imaging;
use crate::system::file_name;
use std::path::{Path, PathBuf};

/// Format of an exported result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResultFormat {
    /// Object, probe and positions as a product of Ptychodus (HDF5).
    Product,
    /// The complex object as image 1 of a CXI file.
    Cxi,
    /// Amplitude and phase as 32-bit TIFF files.
    Tiff,
}

impl ResultFormat {
    /// All, in the order of the menus.
    pub const ALL: [Self; 3] = [Self::Product, Self::Cxi, Self::Tiff];

    /// Name of the file for a run of this name.
    pub fn file_name(self, run: &str) -> String {
        match self {
            Self::Product => format!("{run}_product.h5"),
            Self::Cxi => format!("{run}_object.cxi"),
            Self::Tiff => format!("{run}.tif"),
        }
    }
}

/// Writes the result in a run folder; returns the files written. TIFF files get `_amplitude` and `_phase` in their names.
///
/// # Errors
/// The result cannot be read, or its product lacks the dataset or the size of a pixel, or a file cannot be written.
pub(super) fn export(folder: &Path, path: &Path, format: ResultFormat) -> Result<Vec<PathBuf>> {
    let names = RunFolder::at(folder);
    let reconstruction = Reconstruction::load(&names.reconstruction())?;
    match format {
        ResultFormat::Cxi => reconstruction.save_cxi(path)?,
        ResultFormat::Product => product(folder, &reconstruction, path)?,
        ResultFormat::Tiff => {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let object = &reconstruction.object;
            let images = [("amplitude", object.mapv(|v| v.norm())), ("phase", object.mapv(|v| v.arg()))];
            let mut written = Vec::new();
            for (quantity, image) in images {
                let path = path.with_file_name(format!("{stem}_{quantity}.tif"));
                write_atomic(&path, &imaging::encode_tiff_f32(image.view(), reconstruction.pixel_size_m)?)?;
                written.push(path);
            }
            return Ok(written);
        }
    }
    Ok(vec![path.to_path_buf()])
}

fn product(folder: &Path, reconstruction: &Reconstruction, path: &Path) -> Result<()> {
    let names = RunFolder::at(folder);
    let summary = super::result::read_json(&names.summary());
    let named = summary.as_ref().and_then(|summary| summary.pointer("/dataset/path")?.as_str()).map(PathBuf::from);
    let missing = || Error::from(Problem::new("The summary of the run does not name its dataset").at(folder));
    let dataset_path = named.ok_or_else(missing)?;
    let config = Config::load(names.config()).unwrap_or_default();
    let mut dataset = Dataset::load(&dataset_path, &config.data, config.execution.seeds.subsample)?;
    let Some(pixel) = reconstruction.pixel_size_m.or(dataset.pixel_size_m).filter(|size| *size > 0.0) else {
        return Err(Problem::new("A product needs the size of an object pixel, which the dataset does not state")
            .expected("energy, distance and detector pixel, or the object pixel, among the reading settings")
            .hint("Set “Object pixel” in the Data panel and reconstruct again, or export as CXI")
            .at(folder)
            .into());
    };
    Refined::load(&names.reconstruction())?.apply(&mut dataset);
    reconstruction.to_product(&dataset, pixel, &file_name(&dataset.path)).save(path)
}
