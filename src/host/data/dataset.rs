//! A dataset in memory, in the internal conventions.

use super::reading::context::Selection;
use super::reading::inspect::rejection;
use super::reading::read;
use super::reading::source::Source;
use super::reading::training_folder::file_of;
use super::reading::verdict::{Status, Verdict};
use super::sampling::numpy_random::numpy_seed;
use super::sampling::random::subsample;
use crate::config::{DataConfig, RandomGenerator};
use crate::error::{Error, Problem, Result};
use crate::formats::images::ImageStack;
use crate::fourier::Propagation;
use crate::metrics::{GoodPixels, Measured, PatternMasks};
use ndarray::{Array2, Array3, Axis};
use num_complex::Complex32;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A scan: patterns, positions, probe, and the object if known.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Path of the dataset file or training folder.
    pub path: PathBuf,
    /// SHA-256 of the file, in hexadecimal.
    pub fingerprint: String,
    /// (n, N, N) amplitude, the square root of counts; zero frequency at `[N/2, N/2]`.
    pub diffraction: Array3<f32>,
    /// (x, y) = (column, row) of each patch center (index N/2), in object pixels.
    pub positions: Vec<[f64; 2]>,
    /// (modes, N, N) probe as stored, not normalized.
    pub probe: Array3<Complex32>,
    /// True if the file has no probe and [`Self::probe`] is only a first guess.
    pub probe_is_estimated: bool,
    /// (H, W) reference object stored in the file.
    pub object: Option<Array2<Complex32>>,
    /// Photons per pattern, from the metadata of the file.
    pub nphotons: Option<f64>,
    /// (N, N) good pixels of the detector: true is good. In [`Self::diffraction`] the others hold an estimate, the mean of the
    /// surrounding good pixels, which must not enter any loss or misfit.
    pub mask: Option<Array2<bool>>,
    /// Bad pixels of single patterns, which hold such an estimate as well; `None` if there are none.
    pub pattern_masks: Option<PatternMasks>,
    /// (N, N) known intensity that every pattern contains besides the diffraction of the object, in the units of the squared
    /// amplitude; it is part of the patterns, and the forward model adds it.
    pub background: Option<Array2<f32>>,
    /// Side of an object pixel, m, if known.
    pub pixel_size_m: Option<f64>,
    /// Propagation from the sample to the detector.
    pub propagation: Propagation,
    /// Index of each pattern in the file.
    pub rows: Vec<usize>,
    /// Conversions applied on reading, as sentences.
    pub notes: Vec<String>,
    /// What is questionable about the dataset, as sentences.
    pub warnings: Vec<String>,
}

impl Dataset {
    /// A dataset that was computed, not read: patterns, positions and probe in the shapes of the fields, without metadata.
    pub fn from_arrays(diffraction: Array3<f32>, positions: Vec<[f64; 2]>, probe: Array3<Complex32>) -> Self {
        Self {
            path: "made.npz".into(),
            fingerprint: String::new(),
            diffraction,
            positions,
            probe,
            probe_is_estimated: false,
            object: None,
            nphotons: None,
            mask: None,
            pattern_masks: None,
            background: None,
            pixel_size_m: None,
            propagation: Propagation::FarField,
            rows: Vec::new(),
            notes: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Reads and checks a dataset: NPZ (A§1), CXI or other HDF5, recognized by its content. Keeps `config.n_subsample` random
    /// patterns (A§2.2); only those are read from HDF5 files.
    ///
    /// # Errors
    /// [`Error::BadInput`] if the file cannot be read, if a verdict of [`super::inspect_with`] fails (with `config.strict` also
    /// if one warns), and only then, or if `n_subsample` is 0.
    pub fn load(path: &Path, config: &DataConfig, seed: u64) -> Result<Self> {
        if config.n_subsample == Some(0) {
            return Err(Problem::new("n_subsample is 0")
                .expected("at least one pattern")
                .hint("Remove n_subsample to use all patterns")
                .into());
        }
        if config.rng == RandomGenerator::Numpy {
            numpy_seed(seed)?;
        }
        let selection =
            config.n_subsample.map_or(Selection::All, |count| Selection::Random { count, seed, by: config.rng });
        let (mut dataset, count) = Self::read(path, config, selection, fingerprint(path)?)?;
        if dataset.len() < count {
            dataset.notes.push(format!("{} of {count} patterns selected at random with seed {seed}", dataset.len()));
        } else if let Some(kept) = config.n_subsample.filter(|&kept| kept < count) {
            let indices = subsample(config.rng, seed, count, kept)?;
            dataset = dataset.subset(&indices);
            dataset.notes.push(format!("{kept} of {count} patterns selected at random with seed {seed}"));
        }
        Ok(dataset)
    }

    /// Reads the patterns with these indices, ascending. A known fingerprint is not computed again: large files are read in
    /// parts.
    ///
    /// # Errors
    /// As [`Self::load`]; also if an index is out of range.
    pub fn load_rows(path: &Path, config: &DataConfig, rows: &[usize], known: Option<&str>) -> Result<Self> {
        let fingerprint = known.map_or_else(|| fingerprint(path), |known| Ok(known.to_owned()))?;
        let (dataset, count) = Self::read(path, config, Selection::Listed(rows), fingerprint)?;
        let (first, last) = (rows.first().copied().unwrap_or(count), rows.last().copied().unwrap_or(count));
        if last >= count {
            return Err(Error::failed(format!("Patterns {first} to {last} of {count} were requested")).at(path));
        }
        // Files without partial reads were read completely.
        Ok(if dataset.len() > rows.len() { dataset.subset(rows) } else { dataset })
    }

    /// Position (x, y) of each pattern, in object pixels, and the size of the patterns as configured, without reading a
    /// pattern; `None` if the dataset is not usable.
    ///
    /// # Errors
    /// [`Error::BadInput`] if the file cannot be read.
    pub fn read_positions(path: &Path, config: &DataConfig) -> Result<Option<(Vec<[f64; 2]>, usize)>> {
        Ok(read::positions_and_size(&mut Source::open_as(path, &config.mapping)?, config))
    }

    /// Reads the selected patterns; also returns the number of patterns in the file.
    fn read(path: &Path, config: &DataConfig, selection: Selection<'_>, fingerprint: String) -> Result<(Self, usize)> {
        let outcome = read::read(&mut Source::open_as(path, &config.mapping)?, config, selection);
        if let Some(error) = rejection(&outcome.verdicts, path) {
            return Err(error);
        }
        let Some(content) = outcome.content else {
            return Err(Error::failed("The file passed its checks but could not be read").at(path));
        };
        let dataset = Self {
            path: path.to_path_buf(),
            fingerprint,
            diffraction: content.diffraction,
            positions: content.positions,
            probe: content.probe,
            probe_is_estimated: content.probe_is_estimated,
            object: content.object,
            nphotons: content.nphotons,
            mask: content.mask,
            pattern_masks: content.pattern_masks,
            background: content.background,
            pixel_size_m: content.pixel_size_m,
            propagation: content.propagation,
            rows: content.rows,
            notes: outcome.notes,
            warnings: outcome.verdicts.iter().filter(|one| one.status == Status::Warn).map(Verdict::sentence).collect(),
        };
        if let (true, Some(first)) = (config.strict, dataset.warnings.first()) {
            return Err(Problem::new(format!("Strict reading rejects the dataset: {first}"))
                .hint("Resolve the warnings that `ptychoscope inspect` lists, or read without --strict")
                .at(path)
                .into());
        }
        if let Some(side) = config.pattern_size.filter(|side| *side != dataset.patch_size()) {
            return Err(Problem::new(format!("The patterns have {n} × {n} pixels", n = dataset.patch_size()))
                .expected(format!("{side} × {side}, as configured in data.pattern_size"))
                .hint("Crop, bin or pad the patterns, or remove data.pattern_size")
                .at(path)
                .into());
        }
        Ok((dataset, content.total))
    }

    /// Number of patterns.
    pub fn len(&self) -> usize {
        self.diffraction.len_of(Axis(0))
    }

    /// True if there are no patterns.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if the probe is only the mean of near-field patterns, carried back to the sample, which has to be refined.
    pub fn starts_from_near_field(&self) -> bool {
        self.probe_is_estimated && self.propagation != Propagation::FarField
    }

    /// Side N of the patterns, in pixels.
    pub fn patch_size(&self) -> usize {
        self.diffraction.len_of(Axis(2))
    }

    /// Pixels that enter a loss or misfit.
    pub fn good(&self) -> GoodPixels<'_> {
        GoodPixels { common: self.mask.as_ref(), each: self.pattern_masks.as_ref() }
    }

    /// The patterns as a misfit needs them.
    pub fn measured(&self) -> Measured<'_> {
        Measured {
            diffraction: self.diffraction.view(),
            positions: &self.positions,
            probe: self.probe.view(),
            good: self.good(),
            background: self.background.as_ref().map(|background| background.view()),
            propagation: self.propagation,
        }
    }

    /// Selects the patterns with these indices, in this order; everything else is kept. Indices out of range are skipped.
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
            probe_is_estimated: self.probe_is_estimated,
            object: self.object.clone(),
            nphotons: self.nphotons,
            mask: self.mask.clone(),
            pattern_masks: self.pattern_masks.as_ref().and_then(|masks| masks.selected(&indices)),
            background: self.background.clone(),
            pixel_size_m: self.pixel_size_m,
            propagation: self.propagation,
            rows: indices.iter().filter_map(|&index| self.rows.get(index).copied()).collect(),
            notes: self.notes.clone(),
            warnings: self.warnings.clone(),
        }
    }
}

/// SHA-256 of a file, or of all images of a stack, in hexadecimal.
///
/// # Errors
/// [`Error::BadInput`] if the file cannot be read.
pub fn fingerprint(path: &Path) -> Result<String> {
    let path = file_of(path);
    let mut files = ImageStack::files(&path);
    if files.is_empty() {
        files.push(path.to_path_buf());
    }
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 18];
    for path in files {
        let read = |error: std::io::Error| Error::reading(&path, &error);
        let mut file = crate::formats::open_file(&path).map_err(read)?;
        loop {
            let count = file.read(&mut buffer).map_err(read)?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
