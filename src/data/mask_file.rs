//! A mask in a file of its own: `.npy`, `.npz`, HDF5, PNG or TIFF, told by its content.

use super::npz::{NpzArchive, read_npy, shape_text};
use super::roles;
use super::source::Source;
use super::tiff;
use crate::config::{Mapping, MaskGood};
use crate::error::{Error, Problem, Result};
use ndarray::{Array2, ArrayD, Ix2};
use std::io::Read;
use std::path::Path;

/// Largest picture read.
const MAX_BYTES: u64 = 1 << 30;

/// (h, w) values as stored, and which are good where the file says it.
///
/// # Errors
/// [`Error::BadInput`] if the file cannot be read, or holds no single mask.
pub(super) fn read(path: &Path) -> Result<(Array2<f64>, MaskGood)> {
    let mut start = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| Error::reading(path, &error))?;
    file.take(16).read_to_end(&mut start).map_err(|error| Error::reading(path, &error))?;
    let starts = |magic: &[u8]| start.starts_with(magic);
    let (values, rule) = if starts(b"\x93NUMPY") {
        (read_npy(path)?, MaskGood::Auto)
    } else if starts(b"\x89PNG") || starts(b"II") || starts(b"MM") {
        let bytes = whole(path)?;
        let values = if starts(b"\x89PNG") { png(&bytes) } else { tiff::decode(&bytes) };
        (values.map_err(|reason| unusable(path, &format!("The picture cannot be read: {reason}")))?, MaskGood::Auto)
    } else {
        of_dataset(path)?
    };
    let shape = shape_text(values.shape());
    let plain: Vec<usize> = values.shape().iter().copied().filter(|&length| length != 1).collect();
    let values = values.into_shape_with_order(plain).ok().and_then(|values| values.into_dimensionality::<Ix2>().ok());
    Ok((values.ok_or_else(|| unusable(path, &format!("The mask has shape {shape}")))?, rule))
}

fn unusable(path: &Path, what: &str) -> Error {
    Problem::new(what)
        .expected("one mask (h, w) as .npy, .npz, HDF5, PNG or uncompressed TIFF")
        .hint("Choose another file with --set data.mapping.mask_file=FILE")
        .at(path)
        .into()
}

fn whole(path: &Path) -> Result<Vec<u8>> {
    let read = |error: std::io::Error| Error::reading(path, &error);
    let file = std::fs::File::open(path).map_err(read)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(read)?;
    Ok(bytes)
}

fn png(bytes: &[u8]) -> std::result::Result<ArrayD<f64>, String> {
    if !palettes_are_whole(bytes) {
        return Err("its palette is damaged".into());
    }
    let picture = image::load_from_memory_with_format(bytes, image::ImageFormat::Png).map_err(|e| e.to_string())?;
    let gray = picture.to_luma16();
    let shape = vec![gray.height() as usize, gray.width() as usize];
    ArrayD::from_shape_vec(shape, gray.into_raw().into_iter().map(f64::from).collect()).map_err(|e| e.to_string())
}

/// Hazard: the decoder (png 0.18.1) panics at a palette that is no whole number of colours.
/// Remedy: the lengths of all palettes are looked at before.
fn palettes_are_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(8..).unwrap_or_default();
    // length, type, data, checksum
    while let Some((&[a, b, c, d, ref kind @ ..], _)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if kind == b"PLTE" && !length.is_multiple_of(3) {
            return false;
        }
        rest = rest.get(length.saturating_add(12)..).unwrap_or_default();
    }
    true
}

/// The mask of a dataset, or the only array of an archive.
fn of_dataset(path: &Path) -> Result<(ArrayD<f64>, MaskGood)> {
    let mut source = Source::open(path)?;
    let found = roles::find(&mut source, &Mapping::default());
    let only = |archive: &NpzArchive| match archive.members() {
        [one] => Some((one.key.clone(), MaskGood::Auto)),
        _ => None,
    };
    let mask = found.mask.or_else(|| match &source {
        Source::Npz(archive) => only(archive),
        Source::Hdf5(file) => match file.arrays() {
            [one] => Some((one.path.clone(), MaskGood::Auto)),
            _ => file.first_of(&["mask", "bad_pixels"]).map(|key| (key, MaskGood::Auto)),
        },
    });
    let Some((key, rule)) = mask else {
        return Err(unusable(path, &format!("The file has no array \"mask\"; it has {}", source.keys_text())));
    };
    let values = source.read_f64(&key)?;
    // The bits of CXI, as 0 and 1.
    if found.cxi_mask && rule == MaskGood::Auto {
        return Ok((values.mapv(|value| f64::from(u8::from(!super::cxi::is_good(value)))), MaskGood::Zero));
    }
    Ok((values, rule))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::npz::{NpyArray, npy_bytes, write_npz};
    use super::*;

    #[test]
    fn a_mask_reads_the_same_from_every_kind_of_file() {
        let folder = tempfile::tempdir().unwrap();
        let mask = Array2::from_shape_fn((6, 9), |(y, x)| u16::from((y, x) == (2, 7)));
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            read(&path).unwrap()
        };
        let expected = mask.mapv(f64::from);
        let array = NpyArray::U16(mask.view().into_dyn());
        assert_eq!(file("a.npy", &npy_bytes(&array).unwrap()), (expected.clone(), MaskGood::Auto));
        let path = folder.path().join("a.npz");
        for (key, rule) in [("bad_pixels", MaskGood::Zero), ("detector_mask", MaskGood::NonZero), ("x", MaskGood::Auto)]
        {
            write_npz(&path, &[(key, array.view())]).unwrap();
            assert_eq!(read(&path).unwrap(), (expected.clone(), rule), "{key}");
        }
        let mut png = Vec::new();
        let gray = image::ImageBuffer::<image::Luma<u8>, _>::from_fn(9, 6, |x, y| {
            image::Luma([mask[[y as usize, x as usize]] as u8 * 255])
        });
        gray.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
        assert_eq!(file("a.png", &png).0.mapv(|v| u16::from(v > 0.0)), mask);
        assert_eq!(file("a.tif", &tiff::tests::one_strip(&mask)).0, expected);
    }

    #[test]
    fn what_is_no_mask_is_refused_with_what_was_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let array = Array2::<u16>::zeros((3, 3));
        let array = NpyArray::U16(array.view().into_dyn());
        write_npz(&path, &[("one", array.view()), ("two", array.view())]).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("one, two") && error.contains("mask_file"), "{error}");
        assert!(read(&folder.path().join("none.npy")).unwrap_err().to_string().contains("none.npy"));
        std::fs::write(&path, b"\x89PNG and no more").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("cannot be read"));
    }
}
