//! Object, probe, positions and detector of a simulation, put together.

use super::noise::Detector;
use super::scan::{self, Field};
use super::{object, probe};
use crate::config::{Config, ObjectKind, ProbeKind, ScanKind, SimulationConfig};
use crate::error::{Error, Problem, Result};
use ndarray::{Array2, Array3, Axis};
use num_complex::Complex32;
use std::path::{Path, PathBuf};

/// Overlap for which a drawn object is made where neither overlap nor its size is given.
const DEFAULT_OVERLAP: f64 = 0.75;
/// Patterns made where no number is given.
const DEFAULT_COUNT: usize = 500;
/// Largest side of a drawn object, in pixels.
const LARGEST_OBJECT: f64 = 16384.0;

/// Files that a simulation starts from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    /// NPZ file for an object, a probe, or both.
    pub input: Option<PathBuf>,
    /// PNG picture for [`ObjectKind::Image`].
    pub object_image: Option<PathBuf>,
    /// NPZ file for the probe, before `input`.
    pub probe: Option<PathBuf>,
    /// Positions, as NPZ or text.
    pub positions: Option<PathBuf>,
}

/// All that is needed to calculate patterns.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// (H, W) object.
    pub object: Array2<Complex32>,
    /// (modes, N, N) probe in arbitrary units.
    pub probe: Array3<Complex32>,
    /// (x, y) patch centres at which the patterns are made, in pixels of the object.
    pub true_positions: Vec<[f64; 2]>,
    /// The same as recorded, with their errors.
    pub positions: Vec<[f64; 2]>,
    /// What a person should know.
    pub notes: Vec<String>,
    pub(super) detector: Detector,
}

impl Scene {
    /// Builds what is configured.
    ///
    /// # Errors
    /// Fields that contradict each other, files that are missing or cannot be read, a scan that does not fit.
    pub fn build(config: &Config, sources: &Sources) -> Result<Self> {
        let simulation = &config.simulation;
        let seed = config.execution.seeds.noise;
        simulation.check()?;
        check_sources(simulation, sources)?;
        let mut notes = Vec::new();
        let probe = probe::build(simulation, sources.probe.as_deref().or(sources.input.as_deref()))?;
        let side = probe.len_of(Axis(1));
        let listed = match (&sources.positions, simulation.scan) {
            (Some(path), ScanKind::File) => Some(scan::read(path)?),
            _ => None,
        };
        let listed_count = listed.as_ref().map(Vec::len);
        let count = simulation.n_images.unwrap_or(listed_count.unwrap_or(DEFAULT_COUNT));
        if let Some(found) = listed_count.filter(|&found| found < count) {
            return Err(Problem::new(format!("{count} patterns are asked for, but the file has {found} positions"))
                .hint("Give a smaller --n-images, or leave it out to take all positions")
                .into());
        }
        enough_for_a_group(count, config.model.gridsize)?;

        let read = match (simulation.object, &sources.input) {
            (ObjectKind::File, Some(path)) => Some(object::read(path)?),
            _ => None,
        };
        let margin = simulation.buffer.unwrap_or((side / 2) as f64) + 4.0 * simulation.position_error;
        let given = read.is_some() || simulation.object_size.is_some();
        let overlap = simulation.overlap.or(if given { None } else { Some(DEFAULT_OVERLAP) });
        let diameter = probe::effective_diameter(&probe);
        let spacing = overlap.map(|overlap| diameter * (1.0 - overlap));

        let object = match read {
            Some(object) => object,
            None => {
                let wanted = match (simulation.object_size, &listed) {
                    (Some(size), _) => size as f64,
                    (None, Some(positions)) => {
                        let [width, height] = extent(positions).1;
                        width.max(height) + 2.0 * margin
                    }
                    (None, None) => scan::needed_side(simulation, count, spacing.unwrap_or(diameter)) + 2.0 * margin,
                };
                if wanted > LARGEST_OBJECT {
                    return Err(Problem::new(format!("{count} patterns need an object of {wanted:.0} px a side"))
                        .expected(format!("at most {LARGEST_OBJECT}"))
                        .hint("Give fewer patterns (--n-images) or more --overlap")
                        .into());
                }
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let size = (wanted.ceil() as usize).max(side + 2);
                object::draw(simulation, size, seed, sources.object_image.as_deref())?
            }
        };
        let field = field_of(object.dim(), side, margin, &mut notes)?;
        let true_positions = match listed {
            Some(listed) => placed(listed, count, &field, simulation, sources, &mut notes)?,
            None => scan::positions(simulation, &field, count, spacing, seed)?,
        };
        let errors = scan::errors(simulation.position_error, count, seed);
        let positions = true_positions.iter().zip(errors).map(|(p, e)| [p[0] + e[0], p[1] + e[1]]).collect();
        group_overlap(&true_positions, config.model.gridsize, diameter, &mut notes);
        let detector = Detector::new(simulation, side, seed);
        if detector.live().iter().all(|&live| !live) {
            return Err(Problem::new("The beamstop and the dead pixels leave nothing of the detector")
                .hint("Give a smaller --beamstop-diameter or fewer --dead-pixels")
                .into());
        }
        Ok(Self { object, probe, true_positions, positions, notes, detector })
    }

    /// Side N of patterns and probe, in pixels.
    pub fn patch_size(&self) -> usize {
        self.probe.len_of(Axis(1))
    }
}

/// Files that are asked for must be given, and those given must be used.
fn check_sources(config: &SimulationConfig, sources: &Sources) -> Result<()> {
    let missing = |what: &str, flag: &str| {
        Err(Error::BadInput(
            Problem::new(format!("The {what} is to come from a file, but none is given")).hint(format!("Give {flag}")),
        ))
    };
    let unused = |flag: &str, hint: &str, path: &Path| {
        Err(Error::BadInput(Problem::new(format!("{flag} is given, but nothing of it is used")).hint(hint).at(path)))
    };
    let (object, probe, scan) = (config.object, config.probe, config.scan);
    match (object, &sources.input, &sources.object_image) {
        (ObjectKind::File, None, _) => return missing("object", "--input-file with objectGuess"),
        (ObjectKind::Image, _, None) => return missing("object", "--object-image with a PNG picture"),
        (kind, _, Some(path)) if kind != ObjectKind::Image => {
            return unused("--object-image", "Give --object image", path);
        }
        _ => {}
    }
    if probe == ProbeKind::File && sources.probe.is_none() && sources.input.is_none() {
        return missing("probe", "--probe-file or --input-file with probeGuess");
    }
    if let (Some(path), false) = (&sources.probe, probe == ProbeKind::File) {
        return unused("--probe-file", "Give --probe file", path);
    }
    if let Some(path) = &sources.input
        && object != ObjectKind::File
        && (probe != ProbeKind::File || sources.probe.is_some())
    {
        return unused("--input-file", "Give --object file or --probe file", path);
    }
    match (scan, &sources.positions) {
        (ScanKind::File, None) => missing("scan", "--positions-file with x and y of each pattern"),
        (kind, Some(path)) if kind != ScanKind::File => unused("--positions-file", "Give --scan file", path),
        _ => Ok(()),
    }
}

fn enough_for_a_group(count: usize, gridsize: usize) -> Result<()> {
    let needed = gridsize * gridsize;
    if count >= needed {
        return Ok(());
    }
    Err(Problem::new(format!("{count} patterns do not make a group of gridsize {gridsize}"))
        .expected(format!("at least {needed}"))
        .hint("Give a larger --n-images or a smaller --gridsize")
        .into())
}

/// The rectangle left by a margin around an (H, W) object; a margin that leaves nothing is made smaller (A§9.1).
fn field_of((height, width): (usize, usize), side: usize, margin: f64, notes: &mut Vec<String>) -> Result<Field> {
    let shorter = height.min(width);
    if shorter < side {
        return Err(Problem::new(format!("The object has {height} × {width} pixels, the probe {side} × {side}"))
            .expected("an object larger than the probe")
            .hint("Give another object, or a smaller probe")
            .into());
    }
    let most = (shorter as f64 / 2.0 - 1.0).max(0.0);
    let used = margin.min(most);
    if used < margin {
        notes.push(format!(
            "The margin of {margin} px leaves nothing of an object of {height} × {width} px: {used} px are used."
        ));
    }
    if used < (side / 2) as f64 {
        notes.push(format!(
            "Some patches reach beyond the edge of the object, where it is taken as 0: the margin is {used} px, half a \
             pattern {}.",
            side / 2
        ));
    }
    Ok(Field { low: [used; 2], high: [width as f64 - used, height as f64 - used] })
}

/// Smallest (x, y), and width and height.
fn extent(positions: &[[f64; 2]]) -> ([f64; 2], [f64; 2]) {
    let axis = |k: usize| {
        let start = (f64::INFINITY, f64::NEG_INFINITY);
        positions.iter().fold(start, |span, p| (span.0.min(p[k]), span.1.max(p[k])))
    };
    let (x, y) = (axis(0), axis(1));
    ([x.0, y.0], [x.1 - x.0, y.1 - y.0])
}

/// The first `count` positions of a file: as they are in an object of a file, moved into the field of a drawn one.
fn placed(
    listed: Vec<[f64; 2]>,
    count: usize,
    field: &Field,
    config: &SimulationConfig,
    sources: &Sources,
    notes: &mut Vec<String>,
) -> Result<Vec<[f64; 2]>> {
    let mut positions = listed;
    if config.object != ObjectKind::File && !positions.iter().all(|p| field.contains(*p)) {
        let (low, size) = extent(&positions);
        let shift: Vec<f64> =
            (0..2).map(|k| field.low[k] + (field.high[k] - field.low[k] - size[k]) / 2.0 - low[k]).collect();
        let (dx, dy) = (shift[0], shift[1]);
        positions.iter_mut().for_each(|p| *p = [p[0] + dx, p[1] + dy]);
        notes.push(format!("The positions of the file were moved by ({dx:.2}, {dy:.2}) px (x, y) into the object."));
    }
    positions.truncate(count);
    if let Some(at) = positions.iter().position(|p| !field.contains(*p)) {
        let [x, y] = positions.get(at).copied().unwrap_or_default();
        let problem =
            Problem::new(format!("Position {at} of the file, ({x:.1}, {y:.1}), does not lie inside the object"))
                .expected(format!(
                    "x in {:.0} to {:.0} and y in {:.0} to {:.0}",
                    field.low[0], field.high[0], field.low[1], field.high[1]
                ))
                .hint("Give positions in object pixels, a larger object, or a smaller --buffer");
        let path = sources.positions.as_deref();
        return Err(path.map_or_else(|| problem.clone(), |path| problem.clone().at(path)).into());
    }
    Ok(positions)
}

/// Says so if the patterns that would form a group hardly overlap.
fn group_overlap(positions: &[[f64; 2]], gridsize: usize, diameter: f64, notes: &mut Vec<String>) {
    let farthest = scan::median_neighbour_distance(positions, gridsize * gridsize - 1);
    if let Some(distance) = farthest.filter(|&distance| distance > diameter) {
        notes.push(format!(
            "Groups of gridsize {gridsize} reach {distance:.1} px, farther than the probe is wide ({diameter:.1} px): their \
             patterns hardly overlap. Give more --overlap."
        ));
    }
}
