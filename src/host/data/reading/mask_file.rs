//! Mask in a separate file: `.npy`, `.npz`, HDF5, PNG or TIFF, recognized by its content.

use super::source::{IMAGES, Source};
use super::{cxi, roles};
use crate::config::{Mapping, MaskGood};
use crate::error::{Error, Problem, Result};
use crate::formats::images::ImageStack;
use crate::formats::npz::{NpyArray, NpzArchive, npy_bytes, read_npy, shape_text};
use crate::formats::tiff;
use ndarray::{Array2, ArrayD};
use std::io::Read;
use std::path::Path;

/// Largest image read.
const MAX_BYTES: u64 = 1 << 30;

/// (h, w) or (n, h, w) values as stored, and which of them are good, if the file specifies it. Several images (the pages of a
/// TIFF file, a folder, a name with `*`) are one mask for each pattern.
///
/// # Errors
/// [`Error::BadInput`] if the file cannot be read or does not hold exactly one mask.
pub(in crate::data) fn read(path: &Path) -> Result<(ArrayD<f64>, MaskGood)> {
    let (values, rule) = match image(path)? {
        Some(values) => (values, MaskGood::Auto),
        None => mask_of_dataset(path)?,
    };
    let shape = shape_text(values.shape());
    let plain: Vec<usize> = values.shape().iter().copied().filter(|&length| length != 1).collect();
    let values = values.into_shape_with_order(plain).ok().filter(|values| matches!(values.ndim(), 2 | 3));
    Ok((values.ok_or_else(|| unusable(path, &format!("The mask has shape {shape}")))?, rule))
}

/// Images (h, w) or (n, h, w) of a file: its array `key`, or else its only array, or the first of these names.
///
/// # Errors
/// [`Error::BadInput`] if the file cannot be read, or it is not clear which of its arrays is meant.
pub(in crate::data) fn read_images(path: &Path, key: &str, names: &[&str]) -> Result<ArrayD<f64>> {
    if let Some(values) = image(path)? {
        return Ok(values);
    }
    let mut source = Source::open(path).map_err(|error| {
        Problem::new(error.problem().title.clone())
            .expected("images (h, w) or (n, h, w), as .npy, .npz, HDF5, PNG, TIFF, EDF or CBF")
            .hint("Choose another file")
            .at(path)
    })?;
    let images: Vec<String> = source
        .keys()
        .into_iter()
        .filter(|key| source.array(key).is_some_and(|info| info.numeric && info.real && info.shape.len() >= 2))
        .collect();
    let named = names.iter().find_map(|name| images.iter().find(|key| key.rsplit('/').next() == Some(*name)));
    let chosen = match (&images[..], key) {
        ([only], "") => Some(only.clone()),
        (_, "") => named.cloned(),
        (_, key) => Some(source.chosen(key).to_owned()),
    };
    let Some(chosen) = chosen else {
        let what = format!("It is not clear which array holds the images; the file has {}", source.keys_text());
        return Err(Problem::new(what)
            .expected(format!("an array named {}", names.join(" or ")))
            .hint("Name the array with --set data.mapping.dark=KEY or data.mapping.flat=KEY")
            .at(path)
            .into());
    };
    source.read_f64(&chosen)
}

/// Values of an image or NPY file; `None` for several images and for another kind of file.
fn image(path: &Path) -> Result<Option<ArrayD<f64>>> {
    let is_stack = path.is_dir() || tiff::pages(path) > 1 || !ImageStack::files(path).is_empty() && !path.exists();
    if is_stack {
        return Ok(None);
    }
    let mut start = Vec::new();
    let file = crate::formats::open_file(path).map_err(|error| Error::reading(path, &error))?;
    file.take(16).read_to_end(&mut start).map_err(|error| Error::reading(path, &error))?;
    let starts = |magic: &[u8]| start.starts_with(magic);
    if starts(b"\x93NUMPY") {
        return read_npy(path).map(Some);
    }
    if !(starts(b"\x89PNG") || starts(b"II") || starts(b"MM\0")) {
        return Ok(None);
    }
    let bytes = read_bytes(path)?;
    let values = if starts(b"\x89PNG") { png(&bytes) } else { tiff::decode(&bytes) };
    values.map(Some).map_err(|reason| unusable(path, &format!("The image cannot be read: {reason}")))
}

/// Content of an NPY mask file, u16 (h, w) with 1 for good and 0 for bad pixels, from the bad pixels.
///
/// # Errors
/// [`Error::Failed`] if the array cannot be encoded.
pub fn mask_file_bytes(bad: &Array2<bool>) -> Result<Vec<u8>> {
    npy_bytes(&NpyArray::U16(bad.mapv(|bad| u16::from(!bad)).view().into_dyn()))
}

fn unusable(path: &Path, title: &str) -> Error {
    Problem::new(title)
        .expected("one mask (h, w), or one per pattern (n, h, w), as .npy, .npz, HDF5, PNG or TIFF")
        .hint("Choose another file with --set data.mapping.mask_file=FILE")
        .at(path)
        .into()
}

fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let read = |error: std::io::Error| Error::reading(path, &error);
    let file = crate::formats::open_file(path).map_err(read)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(read)?;
    Ok(bytes)
}

fn png(bytes: &[u8]) -> std::result::Result<ArrayD<f64>, String> {
    if !has_valid_palettes(bytes) {
        return Err("its palette is damaged".into());
    }
    let picture = image::load_from_memory_with_format(bytes, image::ImageFormat::Png).map_err(|e| e.to_string())?;
    let gray = picture.to_luma16();
    let shape = vec![gray.height() as usize, gray.width() as usize];
    let mut values = gray.into_raw();
    // A mask that was drawn into the transparency of a uniform picture.
    if picture.color().has_alpha() && values.windows(2).all(|pair| pair[0] == pair[1]) {
        values = picture.to_luma_alpha16().pixels().map(|pixel| pixel.0[1]).collect();
    }
    ArrayD::from_shape_vec(shape, values.into_iter().map(f64::from).collect()).map_err(|e| e.to_string())
}

/// Hazard: the decoder (png 0.18.1) panics on a palette whose length is not a multiple of 3.
/// Remedy: the lengths of all palettes are checked first.
fn has_valid_palettes(bytes: &[u8]) -> bool {
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
fn mask_of_dataset(path: &Path) -> Result<(ArrayD<f64>, MaskGood)> {
    let mut source = Source::open(path).map_err(|error| unusable(path, &error.problem().title))?;
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
        Source::Images(_) => Some((IMAGES.to_owned(), MaskGood::Auto)),
    });
    let Some((key, rule)) = mask else {
        return Err(unusable(path, &format!("The file has no array \"mask\"; it has {}", source.keys_text())));
    };
    let values = source.read_f64(&key)?;
    // CXI bits become 0 and 1.
    if found.cxi_mask && rule == MaskGood::Auto {
        return Ok((values.mapv(|value| f64::from(u8::from(!cxi::is_good(value)))), MaskGood::Zero));
    }
    Ok((values, rule))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::npz::write_npz;

    #[test]
    fn a_mask_reads_the_same_from_every_kind_of_file() {
        let folder = tempfile::tempdir().unwrap();
        let mask = Array2::from_shape_fn((6, 9), |(y, x)| u16::from((y, x) == (2, 7)));
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            read(&path).unwrap()
        };
        let expected = mask.mapv(f64::from).into_dyn();
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
        assert_eq!(file("a.png", &png).0.mapv(|v| u16::from(v > 0.0)), mask.clone().into_dyn());
        assert_eq!(file("a.tif", &crate::formats::testing::one_strip(&mask)).0, expected);
    }

    #[test]
    fn files_without_a_mask_are_rejected_with_their_contents() {
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

    #[cfg(unix)]
    #[test]
    fn pipes_are_refused_as_masks_and_datasets() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let config = crate::config::DataConfig::default();
        let errors = [
            read(&pipe).unwrap_err(),
            crate::data::Dataset::load(&pipe, &config, 1).unwrap_err(),
            crate::data::inspect_with(&pipe, &config).unwrap_err(),
            crate::data::Product::load(&pipe).unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains("not a regular file") && error.to_string().contains("pipe"), "{error}");
        }
    }
}
