//! Export of a reconstruction as a Ptychodus product or a CXI image.

use super::dataset::Dataset;
use super::reading::product::Product;
use super::reconstruction::Reconstruction;
use crate::error::Result;
use crate::formats::hdf5::{Hdf5Writer, complex32};
use ndarray::Axis;
use std::path::Path;

impl Reconstruction {
    /// Product with the positions and probe of a dataset and this object. `pixel_size_m` is the side of an object pixel; the
    /// object's center is set such that every position is at the pixel where it was reconstructed.
    pub fn to_product(&self, dataset: &Dataset, pixel_size_m: f64, name: &str) -> Product {
        let (height, width) = self.object.dim();
        let [x, y] = self.origin_xy;
        let center = [x + width as f64 / 2.0, y + height as f64 / 2.0];
        Product {
            name: name.to_owned(),
            comments: "Reconstructed with Ptychoscope".to_owned(),
            position_indexes: (0..dataset.len() as i64).collect(),
            positions_m: dataset.positions.iter().map(|position| position.map(|v| v * pixel_size_m)).collect(),
            probe: dataset.probe.clone(),
            probe_pixel_m: [pixel_size_m; 2],
            object: self.object.clone().insert_axis(Axis(0)),
            object_pixel_m: [pixel_size_m; 2],
            object_center_m: center.map(|v| v * pixel_size_m),
            probe_photon_count: dataset.nphotons.unwrap_or(0.0),
            ..Product::default()
        }
    }

    /// Writes the object as image 1 of a CXI file: `entry_1/image_1/data` (H, W) complex, linked from `data_1`.
    ///
    /// # Errors
    /// [`crate::error::Error::Failed`] if the file cannot be written.
    pub fn save_cxi(&self, path: &Path) -> Result<()> {
        let writer = Hdf5Writer::create(path)?;
        for group in ["entry_1", "entry_1/image_1", "entry_1/data_1"] {
            writer.group(group)?;
        }
        writer.array("cxi_version", &[], &[160i64])?;
        let (height, width) = self.object.dim();
        writer.array("entry_1/image_1/data", &[height, width], &complex32(self.object.iter().copied()))?;
        let covered: Vec<u32> = self.coverage.iter().map(|&weight| u32::from(weight <= 0.0)).collect();
        writer.array("entry_1/image_1/mask", &[height, width], &covered)?;
        if let Some(size) = self.pixel_size_m {
            writer.array("entry_1/image_1/image_size", &[2], &[width as f64 * size, height as f64 * size])?;
        }
        let failed = |error: rust_hdf5::Hdf5Error| writer.failed(&error);
        let data = writer.file().root_group().group("entry_1").map_err(failed)?.group("data_1").map_err(failed)?;
        data.create_soft_link("data", "/entry_1/image_1/data").map_err(failed)?;
        writer.commit()
    }
}
