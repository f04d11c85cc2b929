//! Reading of a file to arrays in the internal order and units, with a verdict for each step.

use super::context::{Reading, Selection};
use super::fit::Fit;
use super::geometry::far_field;
use super::layout::{self, Frames};
use super::placing::{self, Placed};
use super::role_keys::Roles;
use super::source::Source;
use super::verdict::{Status, Verdict};
use super::{checks, optional, patterns, position_sets, probe, required_arrays};
use crate::config::{DataConfig, Orientation};
use ndarray::{Array2, Array3};
use num_complex::Complex32;

/// Result of reading a file. `content` is `Some` exactly if no verdict is [`Status::Fail`].
pub(in crate::data) struct Outcome {
    pub verdicts: Vec<Verdict>,
    pub notes: Vec<String>,
    pub content: Option<Content>,
    /// Key of the diffraction array, smallest and largest finite value as stored.
    pub diffraction_range: Option<(String, f64, f64)>,
}

/// Arrays of a usable file.
pub(in crate::data) struct Content {
    /// (k, N, N) amplitude.
    pub diffraction: Array3<f32>,
    /// (x, y) of each pattern, in object pixels.
    pub positions: Vec<[f64; 2]>,
    /// Index of each pattern in the file.
    pub rows: Vec<usize>,
    /// Number of patterns in the file.
    pub total: usize,
    /// (modes, N, N).
    pub probe: Array3<Complex32>,
    /// True if the file has no probe.
    pub probe_is_estimated: bool,
    /// (H, W).
    pub object: Option<Array2<Complex32>>,
    /// Photons per pattern, from the metadata.
    pub nphotons: Option<f64>,
    /// (N, N), true = good.
    pub mask: Option<Array2<bool>>,
    /// Side of an object pixel, m.
    pub pixel_size_m: Option<f64>,
}

/// Position (x, y) of each pattern, in object pixels, and the size of the finished patterns, without reading a pattern; `None` if
/// the file is not usable.
pub(in crate::data) fn positions_and_size(source: &mut Source, config: &DataConfig) -> Option<(Vec<[f64; 2]>, usize)> {
    let mut reading = Reading::new(source, config);
    let roles = required_arrays::find_roles(&mut reading);
    let stored = placing::read(&mut reading, &roles)?;
    let frames = layout::frames(&mut reading, &roles, stored.len())?;
    let fit = Fit::new(frames.height, frames.width, config).ok()?;
    let placed = place(&mut reading, &roles, &frames, &stored)?;
    (placed.positions.len() == frames.count).then_some((placed.positions, fit.size))
}

/// Reads and judges all arrays of a dataset.
pub(in crate::data) fn read(source: &mut Source, config: &DataConfig, selection: Selection) -> Outcome {
    let mut reading = Reading::new(source, config);
    let content = read_content(&mut reading, selection);
    let is_usable = reading.verdicts.iter().all(|verdict| verdict.status != Status::Fail);
    Outcome {
        verdicts: reading.verdicts,
        notes: reading.notes,
        content: content.filter(|_| is_usable),
        diffraction_range: reading.diffraction_range,
    }
}

/// Reads as much as possible, so that the verdicts are complete even if a required array is missing or unusable.
fn read_content(reading: &mut Reading, selection: Selection) -> Option<Content> {
    let config = reading.config;
    let roles = required_arrays::find_roles(reading);
    let stored = placing::read(reading, &roles);
    if let Some(stored) = &stored {
        let verdict = position_sets::compare(reading, &roles, stored);
        reading.verdicts.extend(verdict);
    }
    let (mut patterns, mut placed, mut stored_frame) = (None, None, None);
    if let Some(stored) = &stored {
        if roles.diffraction.is_empty() {
            placed = placing::place_for_object(&roles, stored, config);
        } else if let Some(frames) = layout::frames(reading, &roles, stored.len()) {
            placed = place(reading, &roles, &frames, stored);
            patterns = patterns::read_patterns(reading, &roles, &frames, selection);
            stored_frame = Some([frames.height, frames.width]);
        }
    }
    let size = patterns.as_ref().map(|patterns| patterns.diffraction.dim().1);
    let probe = probe::read_probe(reading, &roles, patterns.as_ref(), stored_frame);
    let probe = probe.and_then(|probe| probe::apply_config(reading, probe));
    let positions = placed.as_ref().map(|placed| &placed.positions);
    if let Some(positions) = positions {
        checks::scan(positions, size, probe.as_ref(), &mut reading.verdicts);
    }
    let keeps_object =
        config.orientation == Orientation::Plain && placed.as_ref().is_none_or(|placed| placed.scale == 1.0);
    let object = if keeps_object || roles.object.is_none() {
        optional::read_object(reading, roles.object.as_deref())
    } else {
        reading.note("The object of the file is ignored: crop, pad or orientation changed the scan coordinates");
        None
    };
    let patch_size = size.or_else(|| probe.as_ref().map(|probe| probe.dim().1));
    if let (Some(object), Some(positions), Some(patch_size)) = (&object, positions, patch_size) {
        reading.judge(checks::inside(object.dim(), positions, patch_size));
    }
    let nphotons = optional::read_metadata(reading, size);
    let (patterns, placed, probe) = (patterns?, placed?, probe?);
    Some(Content {
        positions: patterns.rows.iter().filter_map(|&row| placed.positions.get(row).copied()).collect(),
        total: placed.positions.len(),
        diffraction: patterns.diffraction,
        rows: patterns.rows,
        probe,
        probe_is_estimated: roles.probe.is_none() && config.mapping.probe_file.is_empty(),
        object,
        nphotons,
        mask: patterns.mask,
        pixel_size_m: placed.pixel_m.map(|[x, y]| (x * y).sqrt()),
    })
}

/// Positions in object pixels, with the verdicts on the geometry.
fn place(reading: &mut Reading, roles: &Roles, frames: &Frames, stored: &[[f64; 2]]) -> Option<Placed> {
    let config = reading.config;
    let geometry = roles.geometry.with(&config.geometry);
    if let (Some(meters), true) = (placing::in_meters(roles, stored), config.geometry.pixel_size_m.is_none()) {
        reading.verdicts.extend(far_field(&geometry, &meters));
    }
    let fit = Fit::new(frames.height, frames.width, config).map_err(|verdict| reading.judge(verdict)).ok()?;
    reading.verdicts.extend(roles.geometry.contradiction(&config.geometry, frames.height, fit.side()));
    placing::place(reading, roles, &geometry, &fit, frames.height, stored)
}
