//! Reading of a file to arrays in the internal order and units, with a verdict for each step.

use super::context::{Reading, Selection};
use super::fit::Fit;
use super::geometry::{far_field, near_field};
use super::layout::{self, Frames};
use super::placing::{self, Placed};
use super::role_keys::{Roles, Unit};
use super::source::Source;
use super::verdict::{Status, Verdict};
use super::{checks, exclusion, optional, patterns, position_file, position_sets, probe, required_arrays};
use crate::config::{DataConfig, Orientation, Unmatched};
use crate::fourier::Propagation;
use crate::metrics::PatternMasks;
use ndarray::{Array2, Array3};
use num_complex::Complex32;
use std::path::Path;

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
    /// Bad pixels of single patterns.
    pub pattern_masks: Option<PatternMasks>,
    /// (N, N) intensity in every pattern besides the diffraction of the object, in the units of the squared amplitude.
    pub background: Option<Array2<f32>>,
    /// Side of an object pixel, m.
    pub pixel_size_m: Option<f64>,
    /// Propagation to the detector.
    pub propagation: Propagation,
}

/// Position (x, y) of each pattern, in object pixels, and the size of the finished patterns, without reading a pattern; `None` if
/// the file is not usable.
pub(in crate::data) fn positions_and_size(source: &mut Source, config: &DataConfig) -> Option<(Vec<[f64; 2]>, usize)> {
    let mut reading = Reading::new(source, config);
    let mut roles = required_arrays::find_roles(&mut reading);
    let (frames, stored) = arrange(&mut reading, &mut roles)?;
    let fit = fit_of(&roles, &frames, config).ok()?;
    let placed = place(&mut reading, &roles, &frames, &stored)?;
    (placed.positions.len() == frames.count).then_some((placed.positions, fit.size))
}

/// Position (x, y) of each pattern of a file in object pixels, without reading a pattern, also of those that the configuration
/// leaves out; `None` if the file is not usable.
pub fn all_positions(path: &Path, config: &DataConfig) -> Option<Vec<[f64; 2]>> {
    let config = DataConfig { exclude: String::new(), ..config.clone() };
    let mut source = Source::open_as(path, &config.mapping).ok()?;
    positions_and_size(&mut source, &config).map(|(positions, _)| positions)
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
    let mut roles = required_arrays::find_roles(reading);
    let (mut patterns, mut placed, mut stored_frame, mut stored_rows) = (None, None, None, Vec::new());
    if roles.diffraction.is_empty() {
        let stored = positions(reading, &mut roles);
        placed = stored.and_then(|stored| {
            placing::judge_finite(reading, &stored, &placing::unplaced(&stored))?;
            placing::place_for_object(&roles, &stored, config)
        });
    } else if let Some((mut frames, stored)) = arrange(reading, &mut roles) {
        placed = place(reading, &roles, &frames, &stored);
        patterns = patterns::read_patterns(reading, &roles, &mut frames, selection);
        stored_frame = Some([frames.height, frames.width]);
        stored_rows = patterns.as_ref().map(|patterns| frames.stored_rows(&patterns.rows)).unwrap_or_default();
    }
    let size = patterns.as_ref().map(|patterns| patterns.diffraction.dim().1);
    let probe = probe::read_probe(reading, &roles, patterns.as_ref(), stored_frame);
    let probe = probe.and_then(|probe| probe::apply_config(reading, probe));
    let positions = placed.as_ref().map(|placed| &placed.positions);
    if let Some(positions) = positions {
        let origin = placed.as_ref().and_then(|placed| placed.origin.as_deref());
        checks::scan(positions, size, probe.as_ref(), origin, &mut reading.verdicts);
    }
    let keeps_object =
        config.orientation == Orientation::Plain && placed.as_ref().is_none_or(|placed| placed.scale == [1.0; 2]);
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
    let propagation = roles.geometry.with(&config.geometry).propagation(&patterns.fit)?;
    Some(Content {
        positions: patterns.rows.iter().filter_map(|&row| placed.positions.get(row).copied()).collect(),
        total: placed.positions.len(),
        diffraction: patterns.diffraction,
        rows: stored_rows,
        probe,
        probe_is_estimated: roles.probe.is_none()
            && roles.probe_parts.is_none()
            && config.mapping.probe_file.is_empty(),
        object,
        nphotons,
        mask: patterns.mask,
        pattern_masks: patterns.pattern_masks,
        background: patterns.background,
        pixel_size_m: placed.pixel_m.map(|[x, y]| (x * y).sqrt()),
        propagation,
    })
}

/// (x, y) of each position as stored: of the dataset, or of a separate file matched to the patterns.
fn positions(reading: &mut Reading, roles: &mut Roles) -> Option<Vec<[f64; 2]>> {
    let config = reading.config;
    let file = &config.mapping.positions_file;
    let mut stored = if file.is_empty() {
        placing::read(reading, roles)?
    } else {
        let path = Path::new(file);
        let listed = position_file::read(path, &config.mapping);
        let listed =
            listed.map_err(|error| reading.judge(Verdict::of_file(position_file::CHECK, path, &error))).ok()?;
        reading.note(format!("The positions are taken from {file}: {}", listed.note));
        position_file::use_unit(roles, &listed, config.mapping.position_unit);
        let count = layout::number_of_patterns(reading, roles).unwrap_or(listed.xy.len());
        position_file::matched(&listed, count)
            .map_err(|reason| reading.judge(Verdict::fail(position_file::CHECK, reason).expected(format!("indices of {count} patterns, from 0 or 1")).advice("Choose the columns with --set data.mapping.position_columns=X,Y,INDEX, or X,Y to use the order instead")))
            .ok()?
    };
    if file.is_empty() {
        let verdict = position_sets::compare(reading, roles, &stored);
        reading.verdicts.extend(verdict);
    }
    placing::transform(reading, &mut stored)?;
    Some(stored)
}

/// The patterns that are used, and their positions as stored: matched in number, without those that are left out.
fn arrange(reading: &mut Reading, roles: &mut Roles) -> Option<(Frames, Vec<[f64; 2]>)> {
    let config = reading.config;
    let mut stored = positions(reading, roles)?;
    let mut count = stored.len();
    if let (Unmatched::First, Some(number)) = (config.mapping.unmatched, layout::number_of_patterns(reading, roles)) {
        if number != count {
            let used = number.min(count);
            reading
                .note(format!("The first {used} of {number} patterns and {count} positions are used, as configured"));
            stored.truncate(used);
        }
        count = number;
    }
    let mut frames = layout::frames(reading, roles, count)?;
    frames.count = frames.count.min(stored.len());
    let unplaced = placing::unplaced(&stored);
    let mut excluded = exclusion::excluded(reading, &frames, &unplaced, roles.holds_counts)?;
    if !config.mapping.positions_file.is_empty() && !unplaced.is_empty() && unplaced.len() < stored.len() {
        reading.note(format!(
            "{} patterns without a position in the position file are left out: {}",
            unplaced.len(),
            exclusion::text_of(&unplaced)
        ));
        excluded.extend(&unplaced);
    }
    placing::judge_finite(reading, &stored, &unplaced.difference(&excluded).copied().collect())?;
    frames.exclude(&excluded);
    let stored: Vec<[f64; 2]> =
        stored.into_iter().enumerate().filter(|(at, _)| !excluded.contains(at)).map(|(_, position)| position).collect();
    if roles.unit == Unit::Unknown {
        let geometry = roles.geometry.with(&config.geometry);
        let fit = fit_of(roles, &frames, config).map_err(|verdict| reading.judge(verdict)).ok()?;
        let size = [frames.width, frames.height];
        let pixel = config.geometry.pixel_size_m.or_else(|| Some(geometry.pixel_m(size, &fit)?[0]));
        roles.unit = position_file::find_unit(reading, &stored, pixel, fit.size)?;
    }
    Some((frames, stored))
}

/// Positions in object pixels, with the verdicts on the geometry.
fn place(reading: &mut Reading, roles: &Roles, frames: &Frames, stored: &[[f64; 2]]) -> Option<Placed> {
    let config = reading.config;
    let geometry = roles.geometry.with(&config.geometry);
    let near = geometry.is_near_field();
    if let (Some(meters), true) = (placing::in_meters(roles, stored), config.geometry.pixel_size_m.is_none() && !near) {
        reading.verdicts.extend(far_field(&geometry, &meters));
    }
    let fit = fit_of(roles, frames, config).map_err(|verdict| reading.judge(verdict)).ok()?;
    reading.verdicts.extend(near_field(&geometry, &fit));
    let size = [frames.width, frames.height];
    reading.verdicts.extend(roles.geometry.contradiction(&config.geometry, size, &fit));
    placing::place(reading, roles, &geometry, &fit, size, stored)
}

/// Crop, bin and pad of the patterns as configured.
pub(super) fn fit_of(roles: &Roles, frames: &Frames, config: &DataConfig) -> Result<Fit, Verdict> {
    Fit::new(frames.height, frames.width, config, roles.geometry.with(&config.geometry).is_near_field())
}
