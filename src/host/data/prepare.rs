//! Editing of datasets with a record of each step in the metadata (A§1.4).

use super::dataset::Dataset;
use super::sampling::random::{choose, generator};
use crate::error::{Problem, Result};
use crate::formats::npz::{NpyArray, NpzArchive, write_npz};
use crate::metrics::PatternMasks;
use ndarray::{Array1, Array3, Axis, arr0, concatenate};
use num_complex::Complex32;
use serde_json::{Value, json};
use std::path::Path;

/// Metadata of an NPZ file, or empty metadata if there are none or they cannot be read.
pub fn metadata_of(path: &Path) -> Value {
    let read = |path: &Path| NpzArchive::open(path).ok()?.read_json("_metadata").ok();
    read(path).filter(Value::is_object).unwrap_or_else(|| json!({ "schema_version": "1.0.0" }))
}

/// Adds an entry `{tool, timestamp, operation, parameters}` to `data_transformations` and updates the stated size.
pub fn record(metadata: &mut Value, dataset: &Dataset, timestamp: &str, operation: &str, parameters: Value) {
    if !metadata["data_transformations"].is_array() {
        metadata["data_transformations"] = json!([]);
    }
    if let Some(list) = metadata["data_transformations"].as_array_mut() {
        list.push(json!({
            "tool": format!("ptychoscope prepare {operation}"),
            "timestamp": timestamp,
            "operation": operation,
            "parameters": parameters,
        }));
    }
    if metadata["physics_parameters"].is_object() {
        metadata["physics_parameters"]["N"] = json!(dataset.patch_size());
    }
}

/// Relative difference below which pixel sizes, and the power of the difference of probes, are the same.
const SAME: f64 = 1e-3;

impl Dataset {
    /// Shuffles the patterns with a seed.
    #[must_use]
    pub fn shuffled(&self, seed: u64) -> Self {
        self.subset(&choose(&mut generator(seed, 3), self.len(), self.len()))
    }

    /// Swaps x and y: transposes patterns, probe, object, masks and background, and swaps the positions. The physics is unchanged.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let transposed = |array: &Array3<f32>| array.view().permuted_axes([0, 2, 1]).as_standard_layout().into_owned();
        Self {
            diffraction: transposed(&self.diffraction),
            positions: self.positions.iter().map(|[x, y]| [*y, *x]).collect(),
            probe: self.probe.view().permuted_axes([0, 2, 1]).as_standard_layout().into_owned(),
            object: self.object.as_ref().map(|object| object.t().as_standard_layout().into_owned()),
            mask: self.mask.as_ref().map(|mask| mask.t().as_standard_layout().into_owned()),
            pattern_masks: self.pattern_masks.as_ref().map(PatternMasks::transposed),
            background: self.background.as_ref().map(|background| background.t().as_standard_layout().into_owned()),
            ..self.clone()
        }
    }

    /// Appends the patterns of another dataset; keeps probe and object of this one. Masks are combined.
    ///
    /// # Errors
    /// [`crate::error::Error::BadInput`] if the patterns differ in size.
    pub fn merged(&self, other: &Self) -> Result<Self> {
        if self.patch_size() != other.patch_size() {
            return Err(Problem::new(format!(
                "The patterns have different sizes: {} and {} pixels",
                self.patch_size(),
                other.patch_size()
            ))
            .expected("patterns of the same size")
            .hint("Crop or bin one of them first")
            .at(&other.path)
            .into());
        }
        self.check_same_optics(other)?;
        let diffraction = concatenate(Axis(0), &[self.diffraction.view(), other.diffraction.view()])
            .map_err(|error| Problem::new(format!("The patterns cannot be merged ({error})")))?;
        let mask = match (&self.mask, &other.mask) {
            (Some(one), Some(other)) => {
                let mut both = one.clone();
                both.zip_mut_with(other, |one, other| *one &= *other);
                Some(both)
            }
            (one, other) => one.clone().or_else(|| other.clone()),
        };
        let masks_of =
            |one: &Self| one.pattern_masks.clone().unwrap_or_else(|| PatternMasks::new(one.len(), one.patch_size()));
        let has_masks = self.pattern_masks.is_some() || other.pattern_masks.is_some();
        let pattern_masks = has_masks.then(|| masks_of(self).followed_by(&masks_of(other)));
        let positions = [self.positions.as_slice(), other.positions.as_slice()].concat();
        Ok(Self { diffraction, positions, mask, pattern_masks, ..self.clone() })
    }

    /// Checks that probe and pixel size are those of another dataset.
    fn check_same_optics(&self, other: &Self) -> Result<()> {
        let incompatible = |what: String, hint: &str| -> Result<()> {
            Err(Problem::new(what).expected("scans of the same optics").hint(hint).at(&other.path).into())
        };
        if let (Some(one), Some(two)) = (self.pixel_size_m, other.pixel_size_m)
            && (one / two - 1.0).abs() > SAME
        {
            return incompatible(
                format!("The object pixels differ: {:.4} and {:.4} nm", one * 1e9, two * 1e9),
                "Crop or pad the patterns of one of them to the same pixel size first",
            );
        }
        if self.propagation != other.propagation {
            return incompatible(
                "The propagation to the detector differs: near field and far field, or different Fresnel numbers"
                    .into(),
                "Merge scans that were measured at the same distances",
            );
        }
        if self.background != other.background {
            return incompatible(
                "The backgrounds of the two datasets differ".into(),
                "Keep the scans apart, and train on both with --also",
            );
        }
        if self.probe_is_estimated || other.probe_is_estimated {
            return Ok(());
        }
        if self.probe.dim() != other.probe.dim() {
            return incompatible(
                format!("The probes have different shapes: {:?} and {:?}", self.probe.dim(), other.probe.dim()),
                "Keep the scans apart, and train on both with --also",
            );
        }
        let power = |values: &mut dyn Iterator<Item = Complex32>| values.map(|v| f64::from(v.norm_sqr())).sum::<f64>();
        let difference = power(&mut self.probe.iter().zip(&other.probe).map(|(one, two)| one - two));
        if difference > SAME * power(&mut self.probe.iter().copied()) {
            return incompatible(
                "The probes of the two datasets differ".into(),
                "Keep the scans apart, and train on both with --also; or give both the same probe with --probe-file",
            );
        }
        Ok(())
    }

    /// Writes the dataset atomically under the keys of A§1.1 (amplitude as f32, (n, h, w)) with these metadata, masked pixels as
    /// `bad_pixels` (1 = bad; (n, N, N) if pixels are masked in single patterns), a known `background` (N, N) in counts,
    /// `pixel_size_m` if known, and `fresnel_number` in a near field.
    ///
    /// # Errors
    /// [`crate::error::Error::Failed`] if the file cannot be written.
    pub fn save(&self, path: &Path, metadata: &Value) -> Result<()> {
        let axis =
            |axis: usize| self.positions.iter().map(|position| position[axis]).collect::<Array1<f64>>().into_dyn();
        let (xs, ys) = (axis(0), axis(1));
        let diffraction = self.diffraction.as_standard_layout();
        let single = self.probe.len_of(Axis(0)) == 1;
        let probe = if single { self.probe.index_axis(Axis(0), 0).into_dyn() } else { self.probe.view().into_dyn() };
        let bad = match (&self.mask, &self.pattern_masks) {
            (Some(mask), None) => Some(mask.mapv(|good| u16::from(!good)).into_dyn()),
            (_, Some(_)) => Some(self.good().bad(self.len(), self.patch_size()).into_dyn()),
            (None, None) => None,
        };
        let pixel_size = self.pixel_size_m.map(arr0);
        let fresnel_number = self.propagation.fresnel_number().map(arr0);
        let text = metadata.to_string();
        let mut arrays = vec![
            ("diffraction", NpyArray::F32(diffraction.view().into_dyn())),
            ("xcoords", NpyArray::F64(xs.view())),
            ("ycoords", NpyArray::F64(ys.view())),
            ("xcoords_start", NpyArray::F64(xs.view())),
            ("ycoords_start", NpyArray::F64(ys.view())),
            ("probeGuess", NpyArray::C32(probe)),
        ];
        if let Some(object) = &self.object {
            arrays.push(("objectGuess", NpyArray::C32(object.view().into_dyn())));
        }
        if let Some(size) = &pixel_size {
            arrays.push(("pixel_size_m", NpyArray::F64(size.view().into_dyn())));
        }
        if let Some(number) = &fresnel_number {
            arrays.push(("fresnel_number", NpyArray::F64(number.view().into_dyn())));
        }
        if let Some(bad) = &bad {
            arrays.push(("bad_pixels", NpyArray::U16(bad.view())));
        }
        if let Some(background) = &self.background {
            arrays.push(("background", NpyArray::F32(background.view().into_dyn())));
        }
        arrays.push(("_metadata", NpyArray::Text(&text)));
        write_npz(path, &arrays)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::Synthetic;
    use super::*;
    use crate::config::DataConfig;

    fn synthetic(folder: &Path) -> Dataset {
        let path = folder.join("a.npz");
        Synthetic::new(9).write(&path);
        Dataset::load(&path, &DataConfig::default(), 1).unwrap()
    }

    #[test]
    fn a_saved_dataset_reloads_unchanged_and_records_every_step() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = synthetic(folder.path());
        let path = folder.path().join("b.npz");
        let mut metadata = metadata_of(&dataset.path);
        record(&mut metadata, &dataset, "2026-01-01T00:00:00Z", "crop", json!({ "crop": 64 }));
        dataset.save(&path, &metadata).unwrap();
        let again = Dataset::load(&path, &DataConfig::default(), 1).unwrap();
        assert_eq!((&again.diffraction, &again.positions), (&dataset.diffraction, &dataset.positions));
        assert_eq!((&again.probe, &again.object), (&dataset.probe, &dataset.object));
        let mut metadata = metadata_of(&path);
        record(&mut metadata, &dataset, "2026-01-01T00:00:01Z", "shuffle", json!({ "seed": 3 }));
        again.shuffled(3).save(&path, &metadata).unwrap();
        let steps = metadata_of(&path)["data_transformations"].clone();
        let names: Vec<_> = steps.as_array().unwrap().iter().map(|step| step["operation"].clone()).collect();
        assert_eq!(names, ["crop", "shuffle"]);
        assert_eq!(steps[1]["parameters"]["seed"], 3);
    }

    #[test]
    fn shuffling_keeps_every_pattern_with_its_position() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = synthetic(folder.path());
        let shuffled = dataset.shuffled(5);
        assert_ne!(shuffled.positions, dataset.positions);
        for (at, position) in shuffled.positions.iter().enumerate() {
            let was = dataset.positions.iter().position(|other| other == position).unwrap();
            assert_eq!(shuffled.diffraction.index_axis(Axis(0), at), dataset.diffraction.index_axis(Axis(0), was));
        }
    }

    #[test]
    fn transposing_twice_changes_nothing_and_once_everything() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = synthetic(folder.path());
        let once = dataset.transposed();
        assert_eq!(once.diffraction[[2, 5, 9]], dataset.diffraction[[2, 9, 5]]);
        assert_eq!(once.object.as_ref().unwrap().dim(), (120, 110));
        assert_eq!(once.transposed(), dataset);
    }

    #[test]
    fn merging_requires_patterns_of_the_same_size() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = synthetic(folder.path());
        let both = dataset.merged(&dataset.subset(&[1, 2])).unwrap();
        assert_eq!((both.len(), both.positions.len()), (11, 11));
        assert_eq!(both.positions[10], dataset.positions[2]);
        let mut small = dataset.clone();
        small.diffraction = Array3::zeros((9, 32, 32));
        assert!(dataset.merged(&small).unwrap_err().to_string().contains("64 and 32"));
    }
}
