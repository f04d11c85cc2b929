//! A dataset in memory, in the conventions of the house.

use super::contract::refusal;
use super::numpy_groups::numpy_seed;
use super::random::subsample;
use super::reading::{self, Want};
use super::source::Source;
use super::training_folder::file_of;
use crate::config::{DataConfig, RandomGenerator};
use crate::error::{Error, Problem, Result};
use ndarray::{Array2, Array3, Axis};
use num_complex::Complex32;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A scan: patterns, positions, probe, and the object if it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of the file, in hexadecimal.
    pub fingerprint: String,
    /// (n, N, N) amplitude, the square root of counts; zero frequency at `[N/2, N/2]`.
    pub diffraction: Array3<f32>,
    /// (x, y) = (column, row) of each patch centre (index N/2), in object pixels.
    pub positions: Vec<[f64; 2]>,
    /// (modes, N, N) probe as given, not normalised.
    pub probe: Array3<Complex32>,
    /// (H, W) object the file brings for comparison.
    pub object: Option<Array2<Complex32>>,
    /// Photons per pattern, from the metadata of the file.
    pub nphotons: Option<f64>,
    /// (N, N) good pixels of the detector: true is good. The others hold an estimate in [`Self::diffraction`], the mean of
    /// the good pixels around them, which nothing may be judged by.
    pub mask: Option<Array2<bool>>,
    /// Side of an object pixel, m, if it is known.
    pub pixel_size_m: Option<f64>,
    /// Number of each pattern in the file.
    pub rows: Vec<usize>,
    /// What was done on reading, in plain words.
    pub notes: Vec<String>,
}

impl Dataset {
    /// A dataset that was made, not read: nothing is known but patterns, positions and probe, in the shapes of the fields.
    pub fn made(diffraction: Array3<f32>, positions: Vec<[f64; 2]>, probe: Array3<Complex32>) -> Self {
        Self {
            path: "made.npz".into(),
            fingerprint: String::new(),
            diffraction,
            positions,
            probe,
            object: None,
            nphotons: None,
            mask: None,
            pixel_size_m: None,
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Reads and checks a dataset, NPZ (A§1), CXI or other HDF5, told by its content, and keeps `config.n_subsample`
    /// patterns chosen with `seed` (A§2.2); of HDF5 files only those are read.
    ///
    /// # Errors
    /// [`Error::BadInput`] if the file cannot be read, exactly if a verdict of [`super::inspect_with`] fails, or if no pattern
    /// is asked for.
    pub fn load(path: &Path, config: &DataConfig, seed: u64) -> Result<Self> {
        if config.n_subsample == Some(0) {
            return Err(Problem::new("n_subsample is 0")
                .expected("at least one pattern")
                .hint("Leave n_subsample out to use all patterns")
                .into());
        }
        if config.rng == RandomGenerator::Numpy {
            numpy_seed(seed)?;
        }
        let want = config.n_subsample.map_or(Want::All, |count| Want::Chosen { count, seed, by: config.rng });
        let (mut dataset, count) = Self::read(path, config, want, fingerprint(path)?)?;
        if dataset.len() < count {
            dataset
                .notes
                .push(format!("{} of {count} patterns kept, chosen at random with seed {seed}", dataset.len()));
        } else if let Some(kept) = config.n_subsample.filter(|&kept| kept < count) {
            let indices = subsample(config.rng, seed, count, kept)?;
            dataset = dataset.subset(&indices);
            dataset.notes.push(format!("{kept} of {count} patterns kept, chosen at random with seed {seed}"));
        }
        Ok(dataset)
    }

    /// The patterns of a dataset with these numbers, ascending. Its fingerprint is taken for granted where it is known: large
    /// files are read part by part.
    ///
    /// # Errors
    /// As [`Self::load`]; also if there is no such pattern.
    pub fn load_rows(path: &Path, config: &DataConfig, rows: &[usize], known: Option<&str>) -> Result<Self> {
        let fingerprint = known.map_or_else(|| fingerprint(path), |known| Ok(known.to_owned()))?;
        let (dataset, count) = Self::read(path, config, Want::Listed(rows), fingerprint)?;
        let (first, last) = (rows.first().copied().unwrap_or(count), rows.last().copied().unwrap_or(count));
        if last >= count {
            return Err(Error::failed(format!("Patterns {first} to {last} were asked for, of {count}")).at(path));
        }
        // Where a file cannot be read in part, all of it was.
        Ok(if dataset.len() > rows.len() { dataset.subset(rows) } else { dataset })
    }

    /// Position (x, y) of each pattern of a dataset, in object pixels, and the side of the patterns, as they will be read, without
    /// reading a pattern; none if it is not usable.
    ///
    /// # Errors
    /// [`Error::BadInput`] if the file cannot be read.
    pub fn extent(path: &Path, config: &DataConfig) -> Result<Option<(Vec<[f64; 2]>, usize)>> {
        Ok(reading::extent(&mut Source::open(path)?, config))
    }

    /// What is wanted of a dataset, and the number of patterns that there are.
    fn read(path: &Path, config: &DataConfig, want: Want<'_>, fingerprint: String) -> Result<(Self, usize)> {
        let reading = reading::read(&mut Source::open(path)?, config, want);
        if let Some(error) = refusal(&reading.verdicts, path) {
            return Err(error);
        }
        let Some(content) = reading.content else {
            return Err(Error::failed("The file passed its checks but could not be read").at(path));
        };
        let dataset = Self {
            path: path.to_path_buf(),
            fingerprint,
            diffraction: content.diffraction,
            positions: content.positions,
            probe: content.probe,
            object: content.object,
            nphotons: content.nphotons,
            mask: content.mask,
            pixel_size_m: content.pixel_size_m,
            rows: content.rows,
            notes: reading.notes,
        };
        if let Some(side) = config.pattern_size.filter(|side| *side != dataset.patch_size()) {
            return Err(Problem::new(format!("The patterns have {n} × {n} pixels", n = dataset.patch_size()))
                .expected(format!("{side} × {side}, as data.pattern_size says"))
                .hint("Crop, bin or pad the patterns, or leave data.pattern_size out")
                .at(path)
                .into());
        }
        Ok((dataset, content.total))
    }

    /// Number of patterns.
    pub fn len(&self) -> usize {
        self.diffraction.len_of(Axis(0))
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Side N of the patterns, in pixels.
    pub fn patch_size(&self) -> usize {
        self.diffraction.len_of(Axis(2))
    }

    /// The patterns with these indices, in this order, with everything else as it is. Indices out of range are
    /// left out.
    #[must_use]
    pub fn subset(&self, indices: &[usize]) -> Self {
        let count = self.len().min(self.positions.len());
        let indices: Vec<usize> = indices.iter().copied().filter(|&index| index < count).collect();
        Self {
            path: self.path.clone(),
            fingerprint: self.fingerprint.clone(),
            diffraction: self.diffraction.select(Axis(0), &indices),
            positions: indices.iter().filter_map(|&index| self.positions.get(index).copied()).collect(),
            probe: self.probe.clone(),
            object: self.object.clone(),
            nphotons: self.nphotons,
            mask: self.mask.clone(),
            pixel_size_m: self.pixel_size_m,
            rows: indices.iter().filter_map(|&index| self.rows.get(index).copied()).collect(),
            notes: self.notes.clone(),
        }
    }
}

/// SHA-256 of a file, in hexadecimal.
///
/// # Errors
/// [`Error::BadInput`] if the file cannot be read.
pub fn fingerprint(path: &Path) -> Result<String> {
    let path = &file_of(path);
    let read = |error: std::io::Error| Error::reading(path, &error);
    let mut file = std::fs::File::open(path).map_err(read)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 18];
    loop {
        let count = file.read(&mut buffer).map_err(read)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::npz::{NpyArray, write_npz};
    use super::super::test_support::{Synthetic, fixtures, shared};
    use super::*;
    use crate::config::DiffractionUnit;
    use num_complex::Complex64;

    fn load(path: &Path) -> Dataset {
        Dataset::load(path, &DataConfig::default(), 1).unwrap()
    }

    /// Writes the synthetic data in the layout of the Run1084 file: (h, w, n) float64, complex128.
    fn write_legacy(data: &Synthetic, path: &Path) {
        let amplitude = data.counts.mapv(f64::sqrt).permuted_axes([1, 2, 0]);
        let wide = |array: &Array2<Complex32>| array.mapv(|v| Complex64::new(v.re.into(), v.im.into()));
        let (probe, object, (xs, ys)) = (wide(&data.probe), wide(&data.object), data.coordinates());
        let arrays = [
            ("diffraction", NpyArray::F64(amplitude.view().into_dyn())),
            ("probeGuess", NpyArray::C64(probe.view().into_dyn())),
            ("objectGuess", NpyArray::C64(object.view().into_dyn())),
            ("xcoords", NpyArray::F64(xs.view())),
            ("ycoords", NpyArray::F64(ys.view())),
            ("xcoords_start", NpyArray::F64(xs.view())),
            ("ycoords_start", NpyArray::F64(ys.view())),
        ];
        write_npz(path, &arrays).unwrap();
    }

    #[test]
    #[ignore = "writes fixtures/legacy_layout_n64.npz again"]
    fn regenerate_the_legacy_layout_fixture() {
        std::fs::create_dir_all(fixtures()).unwrap();
        write_legacy(&Synthetic::new(12), &fixtures().join("legacy_layout_n64.npz"));
    }

    #[test]
    fn the_legacy_layout_loads_as_the_canonical_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("canonical.npz");
        let data = Synthetic::new(12);
        data.write(&path);
        let canonical = load(&path);
        let legacy = load(&fixtures().join("legacy_layout_n64.npz"));
        assert_eq!((legacy.len(), legacy.patch_size()), (12, 64));
        assert!(legacy.notes.iter().any(|note| note.contains("transposed")), "{:?}", legacy.notes);
        assert!(legacy.diffraction.is_standard_layout());
        let difference = (&legacy.diffraction - &canonical.diffraction).mapv(f32::abs).fold(0.0, |a: f32, &b| a.max(b));
        assert!(difference < 0.05, "{difference}");
        assert_eq!(legacy.positions.len(), 12);
        assert_eq!((legacy.fingerprint.len(), legacy.probe.dim()), (64, (1, 64, 64)));
        assert!(std::fs::metadata(fixtures().join("legacy_layout_n64.npz")).unwrap().len() < 300_000);
    }

    #[test]
    fn integer_counts_become_amplitude_and_the_unit_can_be_overridden() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counts.npz");
        let data = Synthetic::new(9);
        let counts = data.counts.mapv(|v| v as u16);
        data.write_with(&path, "diff3d", NpyArray::U16(counts.view().into_dyn()));
        let dataset = load(&path);
        assert!(dataset.notes.iter().any(|note| note.contains("<u2") && note.contains("root")), "{:?}", dataset.notes);
        for (amplitude, &count) in dataset.diffraction.iter().zip(&data.counts) {
            assert!((f64::from(amplitude * amplitude) - count).abs() <= 1e-5 * count.max(1.0));
        }
        let config = DataConfig { diffraction_unit: DiffractionUnit::Amplitude, ..DataConfig::default() };
        let as_is = Dataset::load(&path, &config, 1).unwrap();
        assert_eq!(f64::from(as_is.diffraction[[3, 32, 32]]), data.counts[[3, 32, 32]]);
    }

    #[test]
    fn probes_of_all_accepted_shapes_become_modes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probe.npz");
        let data = Synthetic::new(9);
        let (amplitude, (xs, ys)) = (data.amplitude(), data.coordinates());
        let load_with = |probe: ndarray::ArrayViewD<'_, Complex32>| {
            let arrays = [
                ("diffraction", NpyArray::F32(amplitude.view())),
                ("xcoords", NpyArray::F64(xs.view())),
                ("ycoords", NpyArray::F64(ys.view())),
                ("probeGuess", NpyArray::C32(probe)),
            ];
            write_npz(&path, &arrays).unwrap();
            Dataset::load(&path, &DataConfig::default(), 1)
        };
        let flat = data.probe.view();
        assert_eq!(load_with(flat.into_dyn()).unwrap().probe.dim(), (1, 64, 64));
        assert_eq!(load_with(flat.insert_axis(Axis(2)).into_dyn()).unwrap().probe.dim(), (1, 64, 64));
        let two = ndarray::stack(Axis(0), &[flat, flat]).unwrap();
        let loaded = load_with(two.view().into_dyn()).unwrap();
        assert_eq!((loaded.probe.dim(), loaded.object), ((2, 64, 64), None));
        let error = load_with(flat.slice(ndarray::s![..32, ..32]).into_dyn()).unwrap_err().to_string();
        assert!(error.contains("(32, 32)") && error.contains("(64, 64)") && error.contains("probe.npz"), "{error}");
    }

    #[test]
    fn subsampling_is_sorted_distinct_and_decided_by_the_seed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        Synthetic::new(30).write(&path);
        let all = load(&path);
        let config = DataConfig { n_subsample: Some(11), ..DataConfig::default() };
        let kept = |seed| Dataset::load(&path, &config, seed).unwrap();
        let (one, again, other) = (kept(5), kept(5), kept(6));
        assert_eq!((one.len(), one.positions.len()), (11, 11));
        assert_eq!(one, again);
        assert_ne!(one.positions, other.positions);
        let indices: Vec<usize> =
            one.positions.iter().map(|p| all.positions.iter().position(|q| q == p).unwrap()).collect();
        assert!(indices.is_sorted_by(|a, b| a < b), "{indices:?}");
        assert_eq!(one.diffraction, all.diffraction.select(Axis(0), &indices));
        assert_eq!(all.subset(&[29, 30, 2]).positions, [all.positions[29], all.positions[2]]);
        let none = DataConfig { n_subsample: Some(0), ..DataConfig::default() };
        assert!(Dataset::load(&path, &none, 1).is_err());
    }

    #[test]
    fn a_truncated_file_is_refused_in_one_paragraph() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.npz");
        Synthetic::new(9).write(&path);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = Dataset::load(&path, &DataConfig::default(), 1).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("cut.npz") && text.contains("cut short") && !text.contains('\n'), "{text}");
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn the_real_fixture_loads_with_its_object() {
        let dataset = load(&fixtures().join("siemens_star_n64.npz"));
        assert_eq!((dataset.len(), dataset.patch_size()), (516, 64));
        assert_eq!(dataset.object.unwrap().dim(), (405, 402));
        assert_eq!(dataset.nphotons, None);
        let peak = dataset.diffraction.iter().copied().fold(0.0, f32::max);
        assert!((peak - 59.169_25).abs() < 1e-4, "{peak}");
    }

    #[test]
    fn both_layouts_of_the_synthetic_lines_load() {
        let Some(shared) = shared() else { return };
        let dataset = load(&shared.join("data/lines64_run1084like.npz"));
        assert_eq!((dataset.len(), dataset.nphotons), (1087, Some(1e6)));
        let legacy = load(&shared.join("data/lines64_run1084like_legacylayout.npz"));
        assert_eq!((legacy.len(), legacy.patch_size(), legacy.object.unwrap().dim()), (1087, 64, (227, 226)));
    }
}
