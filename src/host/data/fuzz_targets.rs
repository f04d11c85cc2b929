//! Fuzz targets: the readers of datasets and of their formats, applied to arbitrary bytes, and a test that replays the corpus.
//!
//! No target may panic, allocate without bound, or take long. Results are dropped; the tests of each reader check them.

use super::reading::{mask_file, units};
use super::{Canvas, Dataset, Product, Reconstruction, Status, group, group_coordinates, inspect_with, metadata_of};
use crate::config::{Center, DataConfig, DiffractionUnit, Orientation, Unmatched, ZeroFrequency};
use crate::formats::hdf5::{Hdf5File, Hdf5Writer, filter_bytes, is_hdf5};
use crate::formats::npz::{NpyArray, NpzArchive, npz_bytes, read_npy};
use crate::formats::pickle::{self, Pickle};
use crate::formats::{images, table, tiff};
use ndarray::{Array3, ArrayD, IxDyn};
use num_complex::Complex32;
use ptychoscope_base::testing::Target;
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;

/// Name and reader of each target.
pub const TARGETS: &[Target] = &[
    ("npz", npz),
    ("dataset", dataset),
    ("hdf5", hdf5),
    ("decoders", decoders),
    ("pickle", pickle_bytes),
    ("tiff", tiff_bytes),
    ("mask", mask),
    ("table", table_bytes),
    ("images", images_bytes),
    ("series", series),
    ("stack", stack),
    ("settings", settings),
];

/// Largest number of values in a generated array.
const MAX_VALUES: usize = 1 << 16;

/// A table of positions, and what is chosen of it.
fn table_bytes(bytes: &[u8]) {
    if let Ok(table) = table::parse(bytes) {
        assert!(table.rows.iter().all(|row| row.len() == table.width()));
    }
    with_file(bytes, |path| {
        let _positions = super::positions_in_file(path);
    });
}

/// An image of a detector, or a stack in one file.
fn images_bytes(bytes: &[u8]) {
    let _cbf = images::decode_cbf(bytes);
    let _edf = images::decode_edf(bytes);
    with_file(bytes, |path| {
        let raw = images::RawLayout::parse("u2,4,4,16");
        for raw in [None, raw] {
            if let Ok(Some(stack)) = images::ImageStack::open(path, raw, &|_| None) {
                let _last = stack.read(&[stack.shape()[0].min(20) - 1]);
            }
        }
    });
}

/// Positions (x, y) of the scan that the targets below read, pixels.
fn scan() -> impl Iterator<Item = [f64; 2]> {
    (0..9u8).map(|k| [f64::from(k % 3) * 2.0 + f64::from(k) / 10.0, f64::from(k / 3) * 2.0])
}

/// Files of one scan, all with these bytes, in a folder of their own.
fn with_files(bytes: &[u8], extension: &str, reader: impl FnOnce(&Path)) {
    let Ok(folder) = tempfile::tempdir() else { return };
    if (1..=3).all(|k| std::fs::write(folder.path().join(format!("part_{k}.{extension}")), bytes).is_ok()) {
        reader(folder.path());
    }
}

/// HDF5 files of a scan, read one after the other, with energy, distance and pixel of the first.
fn series(bytes: &[u8]) {
    with_files(bytes, "h5", |folder| {
        let mut config = DataConfig::default();
        config.mapping.diffraction = "entry/data/data|data|*/frames".into();
        (config.mapping.x, config.mapping.y) = ("x|entry/x".into(), "y|entry/y".into());
        config.mapping.energy = "entry/energy".into();
        config.mapping.distance = "entry/energy@distance [mm]".into();
        config.mapping.detector_pixel = "pixel|x [um]".into();
        config.mapping.unmatched = Unmatched::First;
        check_consistency(&folder.join("part_*.h5"), &config);
    });
}

/// A folder of images as patterns, with a table of positions and one of the images as dark; the first line is the layout of raw
/// files.
fn stack(bytes: &[u8]) {
    let (first, image) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or_default());
    with_files(image.get(1..).unwrap_or_default(), "raw", |folder| {
        let table: String = scan().map(|[x, y]| format!("{x},{y}\n")).collect();
        let positions = folder.join("positions.csv");
        if std::fs::write(&positions, table).is_err() {
            return;
        }
        let mut config = DataConfig::default();
        config.mapping.raw_layout = String::from_utf8_lossy(first).into_owned();
        config.mapping.positions_file = positions.display().to_string();
        config.mapping.unmatched = Unmatched::First;
        check_consistency(&folder.join("part_*.raw"), &config);
        config.mapping.dark_file = folder.join("part_1.raw").display().to_string();
        config.mapping.mask_file.clone_from(&config.mapping.dark_file);
        check_consistency(&folder.join("part_*.raw"), &config);
    });
}

/// A file of nine patterns, with positions, energy, distance and pixel size.
fn scan_file() -> &'static Path {
    static FOLDER: OnceLock<Option<tempfile::TempDir>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().ok()?;
        let writer = Hdf5Writer::create(&folder.path().join("scan.h5")).ok()?;
        let counts = Array3::from_shape_fn((9, 16, 16), |(k, y, x)| {
            let r2 = (y as f64 - 8.0).powi(2) + (x as f64 - 8.0).powi(2);
            (1e4 * (-r2 / 8.0).exp() * (1.2 + (0.7 * (k * y) as f64).cos())) as u16
        });
        writer.array("data", &[9, 16, 16], &counts.into_raw_vec_and_offset().0).ok()?;
        for axis in [0, 1] {
            let values: Vec<f64> = scan().map(|at| 1e-7 * at[axis]).collect();
            writer.array(["x", "y"][axis], &[9], &values).ok()?;
        }
        for (key, value) in [("energy", 8.0), ("distance", 2.0), ("pixel", 75e-6)] {
            let dataset = writer.array(key, &[], &[value]).ok()?;
            writer.attribute(&dataset, "here", value).ok()?;
        }
        writer.commit().ok()?;
        Some(folder)
    });
    folder.as_ref().map_or(Path::new("none"), tempfile::TempDir::path)
}

/// Settings in words, one a line, for a good file; what follows is a table of positions.
fn settings(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let mut config = DataConfig::default();
    config.mapping.diffraction = "data".into();
    for setting in [
        &mut config.mapping.energy,
        &mut config.mapping.distance,
        &mut config.mapping.detector_pixel,
        &mut config.mapping.x,
        &mut config.mapping.y,
        &mut config.mapping.position_columns,
        &mut config.mapping.position_matrix,
        &mut config.exclude,
    ] {
        let line = lines.next().unwrap_or_default();
        let _number = units::number_and_unit(line);
        // No other files.
        *setting = line.replace(['/', '\\'], "_");
    }
    let table: Vec<&str> = lines.collect();
    with_file(table.join("\n").as_bytes(), |path| {
        if !table.is_empty() {
            config.mapping.positions_file = path.display().to_string();
        }
        check_consistency(&scan_file().join("scan.h5"), &config);
    });
}

/// Passes a file with these bytes to `reader`.
fn with_file(bytes: &[u8], reader: impl FnOnce(&Path)) {
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    if file.write_all(bytes).is_ok() {
        reader(file.path());
    }
}

/// An NPZ archive, a single NPY array, or anything recognized as one.
fn npz(bytes: &[u8]) {
    with_file(bytes, |path| {
        let _array = read_npy(path);
        let _object = Reconstruction::load(path);
        if let Ok(mut archive) = NpzArchive::open(path) {
            for member in archive.members().to_vec() {
                let key = member.key.as_str();
                let _text = archive.read_text(key);
                let _json = archive.read_json(key);
                let _range = archive.value_range(key);
                if member.is_real() {
                    let _values = archive.read_f32(key);
                    let count = member.shape.first().copied().unwrap_or(1);
                    let rows: Vec<usize> = (0..count.min(64)).step_by(3).collect();
                    let _rows = archive.for_entries(key, count, &rows, 2, |_, _| Ok(()));
                } else {
                    let _values = archive.read_c32(key);
                }
            }
        }
        let _metadata = metadata_of(path);
        check_consistency(path, &DataConfig::default());
    });
}

/// An HDF5 file.
fn hdf5(bytes: &[u8]) {
    with_file(bytes, |path| {
        if !is_hdf5(path) {
            return;
        }
        if let Ok(file) = Hdf5File::open(path) {
            for array in file.arrays() {
                let _text = file.text(&array.path);
                let _number = file.number(&array.path);
                let _attribute = file.attribute(&array.path, "pixel_width_m");
                let _values = file.read_c32(&array.path);
                let first: Vec<usize> = array.shape.iter().map(|&length| length.min(1)).collect();
                let _first = file.read_block(&array.path, &vec![0; first.len()], &first);
            }
            let _below = (file.below(""), file.below("entry_1/data_1"));
            let _root = (file.root_number(&["probe_energy_eV"]), file.root_text("name"));
        }
        check_consistency(path, &DataConfig::default());
    });
}

/// A possible dataset or product: inspection and loading have to agree.
fn check_consistency(path: &Path, config: &DataConfig) {
    let _product = Product::load(path);
    let inspection = inspect_with(path, config);
    let loaded = Dataset::load(path, config, 1);
    if config.n_subsample == Some(0) {
        // Rejected for any file.
        assert!(loaded.is_err());
        return;
    }
    match (&inspection, &loaded) {
        (Ok(inspection), Ok(_)) => assert_ne!(inspection.status(), Status::Fail, "{:?}", inspection.verdicts),
        (Ok(inspection), Err(error)) => assert_eq!(inspection.status(), Status::Fail, "{error}"),
        (Err(_), Ok(_)) => panic!("a file that cannot be inspected was loaded"),
        (Err(_), Err(_)) => {}
    }
    let Ok(dataset) = loaded else { return };
    assert!(dataset.diffraction.iter().all(|value| value.is_finite() && *value >= 0.0));
    assert!(dataset.positions.iter().flatten().all(|value| value.is_finite()));
    let (canvas, side) = (Canvas::around(&dataset.positions, dataset.patch_size()), dataset.patch_size());
    for &position in &dataset.positions {
        let (top, left, dy, dx) = canvas.corner(position, side);
        assert!(top + side < canvas.height && left + side < canvas.width, "{position:?} on {canvas:?}");
        assert!((0.0..=1.0).contains(&dy) && (0.0..=1.0).contains(&dx), "{position:?} on {canvas:?}");
    }
    for gridsize in [1, 2] {
        if let Ok(groups) = group(&dataset.positions, gridsize, config, 3) {
            let _coordinates = group_coordinates(&dataset.positions, &groups);
        }
    }
}

/// Bytes consumed from the front; zeros at the end.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn choice<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        choices.get(usize::from(self.byte()) % choices.len().max(1)).copied()
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// A well-formed archive with keys, types, shapes and values derived from the bytes: a randomly damaged archive rarely passes
/// its checksums.
fn dataset(bytes: &[u8]) {
    const KEYS: [&str; 24] = [
        "diffraction",
        "diff3d",
        "xcoords",
        "ycoords",
        "xcoords_start",
        "ycoords_start",
        "probeGuess",
        "probe",
        "objectGuess",
        "object",
        "scan_index",
        "mask",
        "bad_pixels",
        "detector_mask",
        "pixel_size_m",
        "_metadata",
        "position",
        "reciprocal",
        "probe_position_x_m",
        "probe_position_y_m",
        "object_pixel_width_m",
        "object_pixel_height_m",
        "coords_nominal",
        "Y",
    ];
    const LENGTHS: [usize; 16] = [64, 3, 1, 0, 2, 4, 5, 9, 16, 32, 63, 65, 100, 128, 130, 256];
    let mut input = Input(bytes);
    let mut config = DataConfig {
        crop: input.choice(&[None, None, Some(64), Some(16), Some(0), Some(1000)]).flatten(),
        bin: input.choice(&[1, 1, 2, 3, 0, 64]).unwrap_or(1),
        pad: input.choice(&[None, None, Some(64), Some(128), Some(0)]).flatten(),
        saturation: input.choice(&[None, None, Some(10.0), Some(0.0), Some(f64::NAN)]).flatten(),
        orientation: input.choice(&Orientation::ALL).unwrap_or_default(),
        diffraction_unit: input
            .choice(&[DiffractionUnit::Auto, DiffractionUnit::Counts, DiffractionUnit::Amplitude])
            .unwrap_or_default(),
        ..DataConfig::default()
    };
    // From the other end, so that older files keep their meaning.
    let last = bytes.last().copied().unwrap_or_default();
    config.center = if last & 1 == 0 { Center::Middle } else { Center::Auto };
    config.center_x = (last & 2 != 0).then_some(3);
    config.center_y = (last & 4 != 0).then_some(61);
    config.detector_orientation = Orientation::ALL[usize::from(last >> 3) % Orientation::ALL.len()];
    config.zero_frequency = if last & 64 == 0 { ZeroFrequency::Auto } else { ZeroFrequency::Corner };
    config.n_subsample = input.choice(&[None, None, Some(2), Some(0), Some(100)]).flatten();
    let mut arrays: Vec<(&str, Generated)> = Vec::new();
    for _ in 0..10 {
        let Some(key) = input.choice(&KEYS).filter(|key| !input.0.is_empty() && arrays.iter().all(|(k, _)| k != key))
        else {
            break;
        };
        let axes = usize::from(input.byte() % 5);
        let mut shape: Vec<usize> = (0..axes).map(|_| input.choice(&LENGTHS).unwrap_or(1)).collect();
        while shape.iter().product::<usize>() > MAX_VALUES {
            shape.pop();
        }
        let array = Generated::new(&mut input, shape);
        arrays.push((key, array));
    }
    let views: Vec<(&str, NpyArray<'_>)> = arrays.iter().map(|(key, array)| (*key, array.view())).collect();
    if let Ok(bytes) = npz_bytes(&views) {
        with_file(&bytes, |path| check_consistency(path, &config));
    }
}

/// An array generated from bytes.
enum Generated {
    F32(ArrayD<f32>),
    F64(ArrayD<f64>),
    Complex(ArrayD<Complex32>),
    Counts(ArrayD<u16>),
    Whole(ArrayD<i64>),
    Text(String),
}

impl Generated {
    fn new(input: &mut Input<'_>, shape: Vec<usize>) -> Self {
        let kind = input.byte() % 6;
        if kind == 5 {
            let length = usize::from(input.byte());
            return Self::Text(String::from_utf8_lossy(input.take(length)).into_owned());
        }
        // A Gaussian, a ramp, a constant, or the bytes themselves; some values may be replaced by invalid ones.
        let (fill, scale, odd) = (input.byte() % 4, input.byte(), input.byte());
        let scale = [1.0, 1e-9, 30.0, 1e6, 1e12, -1.0, 0.0, 1e30][usize::from(scale % 8)];
        let odd_value = [f64::NAN, f64::INFINITY, -1.0, 0.0][usize::from(odd % 4)];
        let odd_step = usize::from(odd / 4);
        let length = usize::from(input.byte());
        let raw = input.take(length);
        let count: usize = shape.iter().product();
        let middle = |length: usize, at: usize| (at as f64 - length as f64 / 2.0) / (length as f64 / 6.0);
        let value = |k: usize, at: &[usize]| -> f64 {
            if odd_step > 0 && k % (odd_step * 7) == 3 {
                return odd_value;
            }
            let value = match fill {
                0 => {
                    let last = at.iter().zip(&shape).rev().take(2);
                    (-last.map(|(&at, &length)| middle(length, at).powi(2)).sum::<f64>() / 2.0).exp()
                }
                1 => k as f64,
                2 => 1.0,
                _ => raw.get(k % raw.len().max(1)).map_or(0.0, |byte| f64::from(*byte)),
            };
            scale * value
        };
        let mut numbers = Vec::with_capacity(count);
        let mut at = vec![0; shape.len()];
        for k in 0..count {
            numbers.push(value(k, &at));
            for (at, length) in at.iter_mut().zip(&shape).rev() {
                *at += 1;
                if *at < *length {
                    break;
                }
                *at = 0;
            }
        }
        let numbers = ArrayD::from_shape_vec(IxDyn(&shape), numbers).unwrap_or_else(|_| ArrayD::zeros(IxDyn(&[])));
        match kind {
            0 => Self::F32(numbers.mapv(|v| v as f32)),
            1 => Self::F64(numbers),
            2 => Self::Complex(numbers.mapv(|v| Complex32::new(v as f32, 0.5))),
            3 => Self::Counts(numbers.mapv(|v| v as u16)),
            _ => Self::Whole(numbers.mapv(|v| v as i64)),
        }
    }

    fn view(&self) -> NpyArray<'_> {
        match self {
            Self::F32(array) => NpyArray::F32(array.view()),
            Self::F64(array) => NpyArray::F64(array.view()),
            Self::Complex(array) => NpyArray::C32(array.view()),
            Self::Counts(array) => NpyArray::U16(array.view()),
            Self::Whole(array) => NpyArray::I64(array.view()),
            Self::Text(text) => NpyArray::Text(text),
        }
    }
}

/// One chunk for a decompressor: which one, bytes per element, bytes of the chunk.
fn decoders(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (which, element) = (input.byte(), usize::from(input.byte()));
    let length = 64 * (usize::from(input.byte()) << 8 | usize::from(input.byte()));
    filter_bytes(which, element, length, input.0);
}

/// A pickle, and every value in it.
fn pickle_bytes(bytes: &[u8]) {
    let _text = pickle::read_text(bytes);
    let Ok(pickle) = Pickle::read(bytes) else { return };
    let root = pickle.root();
    let _parts = (pickle.parts(root).len(), pickle.entries(root).map(<[_]>::len), pickle.entry(root, "a"));
}

fn tiff_bytes(bytes: &[u8]) {
    let _values = tiff::decode(bytes);
}

fn mask(bytes: &[u8]) {
    with_file(bytes, |path| {
        let _mask = mask_file::read(path);
        let _images = mask_file::read_images(path, "", &["dark", "data"]);
    });
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpus_is_read_without_panics() {
        ptychoscope_base::testing::replay(super::TARGETS);
    }

    /// `PTYCHOSCOPE_MUTATE=table,images:600` mutates the corpus of these targets for so many seconds.
    #[test]
    #[ignore = "takes as long as it is told to"]
    fn mutations_of_the_corpus_are_harmless() {
        let Ok(wish) = std::env::var("PTYCHOSCOPE_MUTATE") else { return };
        let (names, seconds) = wish.split_once(':').unwrap();
        let chosen: Vec<_> =
            super::TARGETS.iter().filter(|(name, _)| names.split(',').any(|one| one == *name)).copied().collect();
        ptychoscope_base::testing::mutate(&chosen, seconds.parse().unwrap());
    }
}
