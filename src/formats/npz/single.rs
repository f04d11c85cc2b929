//! A single array in a `.npy` file.

use super::super::npy::{self, Number};
use super::shape_text;
use crate::error::{Error, Problem, Result};
use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use num_complex::Complex32;
use std::io::{BufReader, Read};
use std::path::Path;

/// Reads a real array of any type as f64, in C order.
///
/// # Errors
/// [`Error::BadInput`] if the file cannot be read, is damaged, or does not hold real numbers.
pub fn read_npy(path: &Path) -> Result<ArrayD<f64>> {
    read(path)
}

/// Reads a real or complex array of any type as complex64, in C order.
///
/// # Errors
/// As [`read_npy`].
pub fn read_npy_complex(path: &Path) -> Result<ArrayD<Complex32>> {
    read(path)
}

fn read<T: Number>(path: &Path) -> Result<ArrayD<T>> {
    let read = |error: std::io::Error| Error::reading(path, &error);
    let unusable = |what: String| -> Error {
        Problem::new(what)
            .expected("one complete NumPy array of real numbers")
            .hint("Copy or save the file again")
            .at(path)
            .into()
    };
    let file = crate::open_file(path).map_err(read)?;
    let length = file.metadata().map_err(read)?.len();
    let mut file = BufReader::new(file);
    let header =
        npy::read_header(&mut file).map_err(|reason| unusable(format!("The file cannot be read: {reason}")))?;
    if !header.is_numeric() || (!T::COMPLEX && !header.is_real()) {
        return Err(unusable(format!("The array has type {}", header.descr)));
    }
    if header.total_bytes() != Some(length) {
        let shape = shape_text(&header.shape);
        return Err(unusable(format!(
            "The file has {length} bytes, which does not match shape {shape} of {}",
            header.descr
        )));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(read)?;
    let mut values: Vec<T> = Vec::new();
    npy::convert(&header, &bytes, &mut values);
    let shape = IxDyn(&header.shape);
    let array = if header.fortran_order {
        ArrayD::from_shape_vec(shape.f(), values).map(|array| array.as_standard_layout().into_owned())
    } else {
        ArrayD::from_shape_vec(shape, values)
    };
    array.map_err(|error| unusable(format!("The array does not fit its shape ({error})")))
}
