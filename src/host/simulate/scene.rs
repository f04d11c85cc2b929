//! Scene of a simulation: object, probe, positions and detector.

use super::noise::Detector;
use super::scan::{self, ScanArea};
use super::{object, probe};
use crate::config::{Config, ObjectKind, ProbeKind, ScanKind, SimulationConfig};
use crate::error::{Error, Problem, Result};
use crate::fourier::Propagation;
use crate::metrics::probe_diameter;
use ndarray::{Array2, Array3, Axis};
use num_complex::Complex32;
use std::path::{Path, PathBuf};

/// Overlap of the scan if neither overlap nor object size is given.
const DEFAULT_OVERLAP: f64 = 0.75;
/// Number of patterns if none is given.
const DEFAULT_COUNT: usize = 500;
/// Maximum side of a generated object, pixels.
const MAX_OBJECT_SIDE: f64 = 16384.0;

/// Input files of a simulation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources {
    /// NPZ file with an object, a probe, or both.
    pub input: Option<PathBuf>,
    /// PNG image for [`ObjectKind::Image`].
    pub object_image: Option<PathBuf>,
    /// NPZ file with the probe; takes precedence over `input`.
    pub probe: Option<PathBuf>,
    /// NPZ or text file with the positions.
    pub positions: Option<PathBuf>,
}

/// Object, probe, positions and detector.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// (H, W) object.
    pub object: Array2<Complex32>,
    /// (modes, N, N) probe in arbitrary units.
    pub probe: Array3<Complex32>,
    /// True (x, y) patch centers of the patterns, object pixels.
    pub true_positions: Vec<[f64; 2]>,
    /// Recorded (x, y) patch centers, with position errors, object pixels.
    pub positions: Vec<[f64; 2]>,
    /// Propagation to the detector.
    pub propagation: Propagation,
    /// Notes for the user.
    pub notes: Vec<String>,
    pub(super) detector: Detector,
}

impl Scene {
    /// Builds the scene as configured.
    ///
    /// # Errors
    /// Contradictory fields, files that are missing or cannot be read, a scan that does not fit.
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
            return Err(Problem::new(format!("{count} patterns are requested, but the file has {found} positions"))
                .hint("Choose a smaller --n-images, or omit it to use all positions")
                .into());
        }
        check_group_size(count, config.model.gridsize)?;

        let read = match (simulation.object, &sources.input) {
            (ObjectKind::File, Some(path)) => Some(object::read(path)?),
            _ => None,
        };
        let margin = simulation.buffer.unwrap_or((side / 2) as f64) + 4.0 * simulation.position_error;
        let given = read.is_some() || simulation.object_size.is_some();
        let overlap = simulation.overlap.or(if given { None } else { Some(DEFAULT_OVERLAP) });
        let diameter = probe_diameter(probe.view());
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
                if wanted > MAX_OBJECT_SIDE {
                    return Err(Problem::new(format!("{count} patterns need an object with a side of {wanted:.0} px"))
                        .expected(format!("at most {MAX_OBJECT_SIDE} px"))
                        .hint("Choose fewer patterns (--n-images) or a larger --overlap")
                        .into());
                }
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let size = (wanted.ceil() as usize).max(side + 2);
                object::draw(simulation, size, seed, sources.object_image.as_deref())?
            }
        };
        let area = scan_area(object.dim(), side, margin, &mut notes)?;
        let true_positions = match listed {
            Some(listed) => place_positions(listed, count, &area, simulation, sources, &mut notes)?,
            None => scan::positions(simulation, &area, count, spacing, seed)?,
        };
        let errors = scan::errors(simulation.position_error, count, seed);
        let positions = true_positions.iter().zip(errors).map(|(p, e)| [p[0] + e[0], p[1] + e[1]]).collect();
        note_group_overlap(&true_positions, config.model.gridsize, diameter, &mut notes);
        let detector = Detector::new(simulation, side, seed);
        if detector.live().iter().all(|&live| !live) {
            return Err(Problem::new("Beamstop and dead pixels cover the whole detector")
                .hint("Choose a smaller --beamstop-diameter or fewer --dead-pixels")
                .into());
        }
        let propagation = simulation
            .fresnel_number
            .map_or(Propagation::FarField, |fresnel_number| Propagation::NearField { fresnel_number });
        Ok(Self { object, probe, true_positions, positions, propagation, notes, detector })
    }

    /// Side N of patterns and probe, pixels.
    pub fn patch_size(&self) -> usize {
        self.probe.len_of(Axis(1))
    }
}

/// Checks that required files are given and that given files are used.
fn check_sources(config: &SimulationConfig, sources: &Sources) -> Result<()> {
    let missing = |what: &str, flag: &str| {
        Err(Error::BadInput(
            Problem::new(format!("The {what} is to be read from a file, but none is given"))
                .hint(format!("Add {flag}")),
        ))
    };
    let unused = |flag: &str, hint: &str, path: &Path| {
        Err(Error::BadInput(Problem::new(format!("{flag} is given but not used")).hint(hint).at(path)))
    };
    let (object, probe, scan) = (config.object, config.probe, config.scan);
    match (object, &sources.input, &sources.object_image) {
        (ObjectKind::File, None, _) => return missing("object", "--input-file with objectGuess"),
        (ObjectKind::Image, _, None) => return missing("object", "--object-image with a PNG image"),
        (kind, _, Some(path)) if kind != ObjectKind::Image => {
            return unused("--object-image", "Choose --object image", path);
        }
        _ => {}
    }
    if probe == ProbeKind::File && sources.probe.is_none() && sources.input.is_none() {
        return missing("probe", "--probe-file or --input-file with probeGuess");
    }
    if let (Some(path), false) = (&sources.probe, probe == ProbeKind::File) {
        return unused("--probe-file", "Choose --probe file", path);
    }
    if let Some(path) = &sources.input
        && object != ObjectKind::File
        && (probe != ProbeKind::File || sources.probe.is_some())
    {
        return unused("--input-file", "Choose --object file or --probe file", path);
    }
    match (scan, &sources.positions) {
        (ScanKind::File, None) => missing("scan", "--positions-file with x and y of each pattern"),
        (kind, Some(path)) if kind != ScanKind::File => unused("--positions-file", "Choose --scan file", path),
        _ => Ok(()),
    }
}

fn check_group_size(count: usize, gridsize: usize) -> Result<()> {
    let needed = gridsize * gridsize;
    if count >= needed {
        return Ok(());
    }
    Err(Problem::new(format!("{count} patterns are too few for a group of gridsize {gridsize}"))
        .expected(format!("at least {needed}"))
        .hint("Choose a larger --n-images or a smaller --gridsize")
        .into())
}

/// Scan area inside a margin around an (H, W) object; a margin that leaves nothing is reduced (A§9.1).
fn scan_area((height, width): (usize, usize), side: usize, margin: f64, notes: &mut Vec<String>) -> Result<ScanArea> {
    let shorter = height.min(width);
    if shorter < side {
        return Err(Problem::new(format!("The object has {height} × {width} pixels, the probe {side} × {side}"))
            .expected("an object larger than the probe")
            .hint("Choose another object, or a smaller probe")
            .into());
    }
    let most = (shorter as f64 / 2.0 - 1.0).max(0.0);
    let used = margin.min(most);
    if used < margin {
        notes.push(format!(
            "A margin of {margin} px leaves no room for a scan in an object of {height} × {width} px; it was reduced to {used} px."
        ));
    }
    if used < (side / 2) as f64 {
        notes.push(format!(
            "Some patches extend beyond the edge of the object, where it is taken as 0: the margin is {used} px, half a \
             pattern {} px.",
            side / 2
        ));
    }
    Ok(ScanArea { low: [used; 2], high: [width as f64 - used, height as f64 - used] })
}

/// Minimum (x, y), and (width, height).
fn extent(positions: &[[f64; 2]]) -> ([f64; 2], [f64; 2]) {
    let axis = |k: usize| {
        let start = (f64::INFINITY, f64::NEG_INFINITY);
        positions.iter().fold(start, |span, p| (span.0.min(p[k]), span.1.max(p[k])))
    };
    let (x, y) = (axis(0), axis(1));
    ([x.0, y.0], [x.1 - x.0, y.1 - y.0])
}

/// First `count` positions of a file: unchanged with an object from a file, else shifted into the scan area.
fn place_positions(
    listed: Vec<[f64; 2]>,
    count: usize,
    area: &ScanArea,
    config: &SimulationConfig,
    sources: &Sources,
    notes: &mut Vec<String>,
) -> Result<Vec<[f64; 2]>> {
    let mut positions = listed;
    if config.object != ObjectKind::File && !positions.iter().all(|p| area.contains(*p)) {
        let (low, size) = extent(&positions);
        let shift: Vec<f64> =
            (0..2).map(|k| area.low[k] + (area.high[k] - area.low[k] - size[k]) / 2.0 - low[k]).collect();
        let (dx, dy) = (shift[0], shift[1]);
        positions.iter_mut().for_each(|p| *p = [p[0] + dx, p[1] + dy]);
        notes.push(format!("The positions of the file were shifted by ({dx:.2}, {dy:.2}) px (x, y) into the object."));
    }
    positions.truncate(count);
    if let Some(at) = positions.iter().position(|p| !area.contains(*p)) {
        let [x, y] = positions.get(at).copied().unwrap_or_default();
        let problem = Problem::new(format!("Position {at} of the file, ({x:.1}, {y:.1}), is outside the object"))
            .expected(format!(
                "x in {:.0} to {:.0} and y in {:.0} to {:.0}",
                area.low[0], area.high[0], area.low[1], area.high[1]
            ))
            .hint("Use positions in object pixels, a larger object, or a smaller --buffer");
        let path = sources.positions.as_deref();
        return Err(path.map_or_else(|| problem.clone(), |path| problem.clone().at(path)).into());
    }
    Ok(positions)
}

/// Adds a note if the patterns of a group hardly overlap.
fn note_group_overlap(positions: &[[f64; 2]], gridsize: usize, diameter: f64, notes: &mut Vec<String>) {
    let farthest = scan::median_neighbor_distance(positions, gridsize * gridsize - 1);
    if let Some(distance) = farthest.filter(|&distance| distance > diameter) {
        notes.push(format!(
            "Groups of gridsize {gridsize} extend over {distance:.1} px, more than the diameter of the probe ({diameter:.1} px): \
             their patterns hardly overlap. Choose a larger --overlap."
        ));
    }
}
