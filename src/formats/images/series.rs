//! Stacks of HDF5 files, each with one image or several: files of the lines or points of a scan.

use super::{Array2, Path, Problem, Result};
use crate::hdf5::{Hdf5File, is_hdf5};
use crate::npz::shape_text;
use ndarray::{ArrayD, Ix2};
use rayon::prelude::*;
use std::path::PathBuf;

/// Names the array with the images of a file.
pub type FindArray<'a> = &'a dyn Fn(&Hdf5File) -> Option<String>;

/// The array with the images in each file.
#[derive(Debug)]
pub(super) struct Series {
    key: String,
    /// Shape in the first file: (h, w) or (n, h, w).
    shape: Vec<usize>,
    dtype: String,
}

impl Series {
    /// The array in the first file; `None` if it is not HDF5.
    pub fn open(first: &Path, find: FindArray<'_>) -> Result<Option<Self>> {
        if !is_hdf5(first) {
            return Ok(None);
        }
        let file = Hdf5File::open(first)?;
        let found = find(&file).and_then(|key| file.array(&key));
        let Some(array) = found.filter(|array| matches!(array.shape.len(), 2 | 3)) else {
            let names: Vec<&str> = file.arrays().iter().take(20).map(|array| array.path.as_str()).collect();
            return Err(Problem::new(format!(
                "It is not clear which array holds the images; the file has {}",
                names.join(", ")
            ))
            .expected("one image (h, w) or several (n, h, w)")
            .hint("Name the array with --set data.mapping.diffraction=KEY")
            .at(first)
            .into());
        };
        Ok(Some(Self { key: array.path, shape: array.shape, dtype: array.dtype }))
    }

    /// Height and width.
    pub fn frame(&self) -> [usize; 2] {
        let axes = self.shape.len();
        [self.shape[axes - 2], self.shape[axes - 1]]
    }

    pub fn dtype(&self) -> &str {
        &self.dtype
    }

    /// Number of images in each file.
    pub fn counts(&self, files: &[PathBuf]) -> Result<Vec<usize>> {
        if self.shape.len() == 2 {
            return Ok(vec![1; files.len()]);
        }
        files.par_iter().map(|path| Ok(self.shape_in(&Hdf5File::open(path)?)?[0])).collect()
    }

    fn shape_in(&self, file: &Hdf5File) -> Result<Vec<usize>> {
        let shape = file.array(&self.key).map(|array| array.shape);
        if let Some(shape) = shape.as_ref().filter(|shape| shape.len() == self.shape.len()) {
            return Ok(shape.clone());
        }
        let found = shape.map_or("no such array".to_owned(), |shape| shape_text(&shape));
        Err(Problem::new(format!("The array {:?} has another shape than in the first file: {found}", self.key))
            .expected(shape_text(&self.shape))
            .hint("Choose the files of one scan")
            .at(file.path())
            .into())
    }

    /// Images of a file.
    pub fn read(&self, path: &Path, pages: &[usize]) -> Result<Vec<Array2<f32>>> {
        let file = Hdf5File::open(path)?;
        let shape = self.shape_in(&file)?;
        let image = |values: ArrayD<f32>| {
            values.into_dimensionality::<Ix2>().map_err(|error| crate::error::Error::failed(error.to_string()).at(path))
        };
        if shape.len() == 2 {
            return Ok(vec![image(file.read_f32(&self.key)?)?]);
        }
        let mut images = Vec::with_capacity(pages.len());
        for run in pages.chunk_by(|one, next| one + 1 == *next) {
            let block = file.read_block(&self.key, &[run[0], 0, 0], &[run.len(), shape[1], shape[2]])?;
            for values in block.outer_iter() {
                images.push(image(values.to_owned())?);
            }
        }
        Ok(images)
    }
}

/// Values of an array in each file, one after the other.
pub(super) fn read_f64(files: &[&Path], key: &str) -> Result<Vec<f64>> {
    let each: Result<Vec<Vec<f64>>> =
        files.par_iter().map(|path| Ok(Hdf5File::open(path)?.read_f64(key)?.into_iter().collect())).collect();
    Ok(each?.concat())
}

#[cfg(test)]
mod tests {
    use super::super::ImageStack;
    use super::*;
    use crate::hdf5::Hdf5Writer;

    #[test]
    fn files_with_any_number_of_images_follow_each_other_with_their_positions() {
        let folder = tempfile::tempdir().unwrap();
        let mut value = 0u16;
        for (line, count) in [(2, 3usize), (10, 2), (1, 4)] {
            let writer = Hdf5Writer::create(&folder.path().join(format!("line_{line}.h5"))).unwrap();
            let values: Vec<u16> = (0..count * 6)
                .map(|_| {
                    value += 1;
                    value
                })
                .collect();
            writer.array("data", &[count, 2, 3], &values).unwrap();
            let x: Vec<f64> = (0..count).map(|k| f64::from(line) + k as f64 / 10.0).collect();
            writer.array("x", &[count], &x).unwrap();
            writer.commit().unwrap();
        }
        let find = |file: &Hdf5File| file.array("data").map(|array| array.path);
        let stack = ImageStack::open(&folder.path().join("line_*.h5"), None, &find).unwrap().unwrap();
        assert_eq!((stack.shape(), stack.dtype()), ([9, 2, 3], "<u2"));
        let first: Vec<f32> = stack.read(&[0, 3, 4, 8]).unwrap().iter().map(|image| image[[0, 0]]).collect();
        assert_eq!(first, [31.0, 49.0, 1.0, 25.0]);
        assert_eq!(stack.read_f64("x").unwrap(), [1.0, 1.1, 1.2, 1.3, 2.0, 2.1, 2.2, 10.0, 10.1]);
        assert!(stack.first_hdf5().unwrap().ends_with("line_1.h5"));
        let error = ImageStack::open(&folder.path().join("line_*.h5"), None, &|_| None).unwrap_err().to_string();
        assert!(error.contains("data, x") && error.contains("data.mapping.diffraction"), "{error}");
    }
}
