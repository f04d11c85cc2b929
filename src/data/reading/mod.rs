//! From a file to arrays in the order and unit used inside, with a verdict for each step.
//!
//! * `keys`: which arrays there are. * `layout`: axis order. * `patterns`: values, size, unit. * `mask`: bad pixels.
//! * `position_sets`: which of several. * `probe`: of the file, of another one, or estimated. * `optional`: object and metadata.

mod keys;
mod layout;
mod mask;
mod optional;
mod patterns;
mod position_sets;
mod probe;

use super::checks;
use super::contract::{Status, Verdict};
use super::fit::Fit;
use super::geometry::far_field;
use super::placing::{self, Placed};
use super::roles::Roles;
use super::source::Source;
use crate::config::{DataConfig, Orientation, RandomGenerator};
use layout::Frames;
use ndarray::{Array2, Array3};
use num_complex::Complex32;

/// What was read and how it was judged. The arrays are there only if they could be read; no verdict is
/// [`Status::Fail`] exactly when [`Reading::content`] is some.
pub(super) struct Reading {
    pub verdicts: Vec<Verdict>,
    pub notes: Vec<String>,
    pub content: Option<Content>,
    /// Key of the diffraction array, smallest and largest finite value as stored.
    pub diffraction_range: Option<(String, f64, f64)>,
}

/// The arrays of a usable file.
pub(super) struct Content {
    /// (k, N, N) amplitude.
    pub diffraction: Array3<f32>,
    /// (x, y) of each pattern.
    pub positions: Vec<[f64; 2]>,
    /// Number of each pattern in the file.
    pub rows: Vec<usize>,
    /// Number of patterns in the file.
    pub total: usize,
    /// (modes, N, N).
    pub probe: Array3<Complex32>,
    /// (H, W).
    pub object: Option<Array2<Complex32>>,
    /// Photons per pattern, from the metadata.
    pub nphotons: Option<f64>,
    /// (N, N), true = good.
    pub mask: Option<Array2<bool>>,
    /// Side of an object pixel, m.
    pub pixel_size_m: Option<f64>,
}

/// Which patterns are read. Of a small NPZ file all are; of a large one and of an HDF5 file only the wanted ones, and only
/// they are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want<'a> {
    /// All of them.
    All,
    /// So many, chosen with a seed.
    Chosen { count: usize, seed: u64, by: RandomGenerator },
    /// Those with these numbers, ascending.
    Listed(&'a [usize]),
    /// As many as fit into a reasonable amount of memory, evenly spread.
    Sample,
}

/// Position (x, y) of each pattern, in object pixels, and the side of the patterns after cropping, binning and padding, without
/// reading a pattern; none if the file is not usable.
pub(super) fn extent(source: &mut Source, config: &DataConfig) -> Option<(Vec<[f64; 2]>, usize)> {
    let (mut verdicts, mut notes) = (Vec::new(), Vec::new());
    let roles = keys::find_roles(source, config, &mut verdicts, &mut notes);
    let stored = roles.positions.as_ref().and_then(|_| placing::read(source, &roles, &mut verdicts))?;
    let frames = layout::frames(source, &roles, stored.len(), config.mapping.axis_order, &mut verdicts, &mut notes)?;
    let fit = Fit::new(frames.height, frames.width, config).ok()?;
    let placed = place(&frames, &roles, &stored, config, &mut verdicts, &mut notes)?;
    (placed.positions.len() == frames.count).then_some((placed.positions, fit.size))
}

/// Reads and judges everything that a dataset needs.
pub(super) fn read(source: &mut Source, config: &DataConfig, want: Want) -> Reading {
    let mut verdicts = Vec::new();
    let mut notes = Vec::new();
    let roles = keys::find_roles(source, config, &mut verdicts, &mut notes);
    let stored = roles.positions.as_ref().and_then(|_| placing::read(source, &roles, &mut verdicts));
    if let Some(stored) = &stored {
        verdicts.extend(position_sets::judge(source, &roles, &config.mapping, stored));
    }
    let mut patterns = None;
    let mut placed = None;
    let mut diffraction_range = None;
    if let Some(stored) = &stored {
        if roles.diffraction.is_empty() {
            placed = placing::place_for_object(&roles, stored, config);
        } else if let Some(frames) =
            layout::frames(source, &roles, stored.len(), config.mapping.axis_order, &mut verdicts, &mut notes)
        {
            placed = place(&frames, &roles, stored, config, &mut verdicts, &mut notes);
            patterns = patterns::read_patterns(
                source,
                &roles,
                &frames,
                config,
                want,
                &mut verdicts,
                &mut notes,
                &mut diffraction_range,
            )
            .map(|patterns| (patterns, frames));
        }
    }
    let size = patterns.as_ref().map(|(patterns, _)| patterns.diffraction.dim().1);
    let probe = probe::read_any_probe(source, &roles, config, patterns.as_ref(), &mut verdicts, &mut notes);
    let probe = probe.and_then(|probe| probe::shaped(probe, config, &mut verdicts, &mut notes));
    let positions = placed.as_ref().map(|placed| &placed.positions);
    if let Some(positions) = positions {
        checks::scan(positions, size, probe.as_ref(), &mut verdicts);
    }
    let keeps_object =
        config.orientation == Orientation::Plain && placed.as_ref().is_none_or(|placed| placed.scale == 1.0);
    let object = if keeps_object || roles.object.is_none() {
        optional::read_object(source, roles.object.as_deref(), &mut verdicts, &mut notes)
    } else {
        notes.push("The object of the file was left out: crop, pad or orientation moved the scan away from it".into());
        None
    };
    let inside = size.or_else(|| probe.as_ref().map(|probe| probe.dim().1));
    if let (Some(object), Some(positions), Some(size)) = (&object, positions, inside) {
        verdicts.push(checks::inside(object.dim(), positions, size));
    }
    let nphotons = optional::read_metadata(source, size, &mut verdicts, &mut notes);
    let usable = verdicts.iter().all(|verdict| verdict.status != Status::Fail);
    let content = match (patterns, placed, probe) {
        (Some((patterns, _)), Some(placed), Some(probe)) if usable => {
            let total = placed.positions.len();
            let positions =
                patterns.rows.iter().filter_map(|&row| placed.positions.get(row).copied()).collect::<Vec<_>>();
            Some(Content {
                diffraction: patterns.diffraction,
                positions,
                rows: patterns.rows,
                total,
                probe,
                object,
                nphotons,
                mask: patterns.mask,
                pixel_size_m: placed.pixel_m.map(|[x, y]| (x * y).sqrt()),
            })
        }
        _ => None,
    };
    Reading { verdicts, notes, content, diffraction_range }
}

/// Positions in object pixels, with the verdicts on the geometry.
fn place(
    frames: &Frames,
    roles: &Roles,
    stored: &[[f64; 2]],
    config: &DataConfig,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<Placed> {
    let geometry = roles.geometry.with(&config.geometry);
    if let (Some(metres), true) = (placing::in_metres(roles, stored), config.geometry.pixel_size_m.is_none()) {
        verdicts.extend(far_field(&geometry, &metres));
    }
    let fit = match Fit::new(frames.height, frames.width, config) {
        Ok(fit) => fit,
        Err(verdict) => {
            verdicts.push(verdict);
            return None;
        }
    };
    placing::place(&fit, frames.height, roles, &geometry, stored, config, verdicts, notes)
}
