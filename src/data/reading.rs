//! From an archive to arrays in the order and unit used inside, with a verdict for each step.

use super::checks;
use super::contract::{Status, Verdict};
use super::npz::{Member, NpzArchive, shape_text};
use crate::config::DiffractionUnit;
use ndarray::{Array2, Array3, ArrayD, Axis, Ix2, Ix3, IxDyn};
use num_complex::Complex32;
use std::collections::BTreeSet;

/// Pattern sizes the network is built for.
pub(super) const SUPPORTED_SIZES: [usize; 3] = [64, 128, 256];

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
    /// (n, N, N) amplitude.
    pub diffraction: Array3<f32>,
    /// (x, y) of each pattern.
    pub positions: Vec<[f64; 2]>,
    /// (modes, N, N).
    pub probe: Array3<Complex32>,
    /// (H, W).
    pub object: Option<Array2<Complex32>>,
    /// Photons per pattern, from the metadata.
    pub nphotons: Option<f64>,
}

/// Keys of the file by what they are for (A§1.1).
struct Keys {
    diffraction: Option<String>,
    x: Option<String>,
    y: Option<String>,
    probe: Option<String>,
    object: Option<String>,
}

/// Reads and judges everything that a dataset needs.
pub(super) fn read(archive: &mut NpzArchive, unit: DiffractionUnit) -> Reading {
    let mut verdicts = Vec::new();
    let mut notes = Vec::new();
    let keys = find_keys(archive, &mut verdicts, &mut notes);
    let positions = match (&keys.x, &keys.y) {
        (Some(x), Some(y)) => read_positions(archive, x, y, &mut verdicts),
        _ => None,
    };
    let mut diffraction_range = None;
    let diffraction = match (&keys.diffraction, &positions) {
        (Some(key), Some(positions)) => {
            read_diffraction(archive, key, positions.len(), unit, &mut verdicts, &mut notes, &mut diffraction_range)
        }
        _ => None,
    };
    let size = diffraction.as_ref().map(|patterns| patterns.dim().1);
    let probe = keys.probe.as_ref().and_then(|key| read_probe(archive, key, size, &mut verdicts, &mut notes));
    if let Some(positions) = &positions {
        checks::scan(positions, size, probe.as_ref(), &mut verdicts);
    }
    let object = read_object(archive, keys.object.as_deref(), &mut verdicts, &mut notes);
    if let (Some(object), Some(positions), Some(size)) = (&object, &positions, size) {
        verdicts.push(checks::inside(object.dim(), positions, size));
    }
    let nphotons = read_metadata(archive, size, &mut verdicts, &mut notes);
    let usable = verdicts.iter().all(|verdict| verdict.status != Status::Fail);
    let content = match (diffraction, positions, probe) {
        (Some(diffraction), Some(positions), Some(probe)) if usable => {
            Some(Content { diffraction, positions, probe, object, nphotons })
        }
        _ => None,
    };
    Reading { verdicts, notes, content, diffraction_range }
}

fn find_keys(archive: &NpzArchive, verdicts: &mut Vec<Verdict>, notes: &mut Vec<String>) -> Keys {
    let mut find = |names: &[&str]| -> Option<String> {
        let found = names.iter().find(|name| archive.member(name).is_some())?;
        if Some(found) != names.first() && matches!(*found, "probe" | "object") {
            notes.push(format!("The array {found:?} was taken for {:?}", names[0]));
        }
        Some((*found).to_string())
    };
    let keys = Keys {
        diffraction: find(&["diffraction", "diff3d"]),
        x: find(&["xcoords"]),
        y: find(&["ycoords"]),
        probe: find(&["probeGuess", "probe"]),
        object: find(&["objectGuess", "object"]),
    };
    let missing: Vec<&str> = [
        (&keys.diffraction, "diffraction (or diff3d)"),
        (&keys.x, "xcoords"),
        (&keys.y, "ycoords"),
        (&keys.probe, "probeGuess"),
    ]
    .into_iter()
    .filter_map(|(key, name)| key.is_none().then_some(name))
    .collect();
    verdicts.push(if missing.is_empty() {
        Verdict::pass("required keys", "diffraction, positions and probe are there")
    } else {
        let mut advice = "Store the missing arrays under these names".to_string();
        if keys.x.is_none() && ["positions", "position"].iter().any(|key| archive.member(key).is_some()) {
            advice.push_str(
                "; an array of both coordinates does not say which is x and which unit it has: store xcoords (column) \
                 and ycoords (row) in object pixels",
            );
        }
        Verdict::fail("required keys", format!("The file lacks {}; it has {}", missing.join(", "), archive.keys_text()))
            .expected("diffraction (or diff3d), xcoords, ycoords and probeGuess")
            .advice(advice)
    });
    if let (Some(one), Some(other)) = (archive.member("diffraction"), archive.member("diff3d")) {
        verdicts.push(if one.same_content(other) {
            Verdict::pass("one diffraction array", "diffraction and diff3d hold the same")
        } else {
            Verdict::fail(
                "one diffraction array",
                format!(
                    "The file holds two different diffraction arrays: diffraction {} {} and diff3d {} {}",
                    one.shape_text(),
                    one.dtype,
                    other.shape_text(),
                    other.dtype
                ),
            )
            .expected("one of them")
            .advice("Remove the one that is not to be used")
        });
    }
    keys
}

fn read_positions(archive: &mut NpzArchive, x: &str, y: &str, verdicts: &mut Vec<Verdict>) -> Option<Vec<[f64; 2]>> {
    const CHECK: &str = "positions";
    let mut axis = |key: &str| {
        let array = match archive.read_f64(key) {
            Ok(array) => array,
            Err(error) => {
                verdicts.push(Verdict::from_error(CHECK, Status::Fail, &error));
                return None;
            }
        };
        if array.shape().iter().filter(|&&length| length != 1).count() > 1 || array.ndim() == 0 {
            verdicts.push(
                Verdict::fail(CHECK, format!("The array {key:?} has shape {}", shape_text(array.shape())))
                    .expected("one number for each pattern, shape (n,)")
                    .advice("Store one coordinate for each pattern, in object pixels"),
            );
            return None;
        }
        Some(array.into_iter().collect::<Vec<f64>>())
    };
    let (xs, ys) = (axis(x), axis(y));
    let (xs, ys) = (xs?, ys?);
    if xs.len() != ys.len() || xs.is_empty() {
        verdicts.push(
            Verdict::fail(CHECK, format!("There are {} x coordinates and {} y coordinates", xs.len(), ys.len()))
                .expected("one of each for every pattern")
                .advice("Export the positions again"),
        );
        return None;
    }
    let positions: Vec<[f64; 2]> = xs.into_iter().zip(ys).map(|(x, y)| [x, y]).collect();
    if let Some((at, [x, y])) = positions.iter().enumerate().find(|(_, p)| p.iter().any(|v| !v.is_finite())) {
        verdicts.push(
            Verdict::fail(CHECK, format!("Position {at} is ({x}, {y})"))
                .expected("finite numbers, in object pixels")
                .advice("Remove the patterns without a position, or export the positions again"),
        );
        return None;
    }
    verdicts.push(Verdict::pass(CHECK, format!("{} positions, all finite", positions.len())));
    Some(positions)
}

/// Which axis counts the patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// (n, h, w)
    First,
    /// (h, w, n): the legacy layout.
    Last,
    /// All three axes are equally long: the values have to tell.
    Cube,
}

/// The layout of a cube, from the values: the energy of a pattern hardly changes along the scan, while along a detector
/// axis it falls off steeply from the direct beam. None if the difference is not clear.
fn layout_of_cube(cube: &ArrayD<f32>) -> Option<Layout> {
    let spread = |axis: usize| {
        let energies: Vec<f64> =
            cube.axis_iter(Axis(axis)).map(|slice| slice.iter().map(|&v| f64::from(v).powi(2)).sum()).collect();
        let mean = energies.iter().sum::<f64>() / energies.len() as f64;
        let variance = energies.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / energies.len() as f64;
        variance.sqrt() / mean
    };
    let (first, middle, last) = (spread(0), spread(1), spread(2));
    if 2.0 * first < middle.min(last) {
        Some(Layout::First)
    } else if 2.0 * last < first.min(middle) {
        Some(Layout::Last)
    } else {
        None
    }
}

/// The one layout in which two axes are equal and the third has as many entries as there are positions (A§1.2).
fn layout_of(key: &str, shape: &[usize], count: usize) -> Result<(Layout, Verdict), Verdict> {
    let text = shape_text(shape);
    let expected = format!("({count}, N, N) for {count} positions, or ({count} last) the legacy order (N, N, {count})");
    let &[a, b, c] = shape else {
        return Err(Verdict::fail("axis order", format!("The array {key:?} has {} axes: shape {text}", shape.len()))
            .expected(expected)
            .advice("Store one square pattern for each position"));
    };
    match (b == c && a == count, a == b && c == count) {
        (true, false) => Ok((Layout::First, Verdict::pass("axis order", format!("{text} is (n, h, w)")))),
        (false, true) => Ok((
            Layout::Last,
            Verdict::pass("axis order", format!("{text} is (h, w, n), the legacy order; transposed")),
        )),
        (true, true) => Ok((Layout::Cube, Verdict::pass("axis lengths", format!("{text}: three axes of one length")))),
        (false, false) if b == c || a == b => {
            let patterns = if b == c { a } else { c };
            Err(Verdict::fail(
                "patterns and positions",
                format!("The array {key:?} of shape {text} holds {patterns} patterns, but there are {count} positions"),
            )
            .expected(expected)
            .advice("Export patterns and positions of the same scan points"))
        }
        (false, false) if a == count || c == count => {
            Err(Verdict::fail("square patterns", format!("The patterns of {key:?} are not square: shape {text}"))
                .expected(expected)
                .advice("Crop or pad the patterns to a square centred on the direct beam"))
        }
        (false, false) => Err(Verdict::fail(
            "axis order",
            format!("Shape {text} of {key:?} fits neither axis order with {count} positions"),
        )
        .expected(expected)
        .advice("Store one square pattern for each position")),
    }
}

fn cube_verdict(key: &str, found: Option<Layout>, shape: &[usize]) -> (Option<Layout>, Verdict) {
    let text = shape_text(shape);
    let told = "told by the values: the energy is steady along the scan and falls off along the detector";
    let verdict = match found {
        Some(Layout::Last) => Verdict::pass("axis order", format!("{text} is (h, w, n), the legacy order; {told}")),
        Some(_) => Verdict::pass("axis order", format!("{text} is (n, h, w); {told}")),
        None => Verdict::fail(
            "axis order",
            format!("Shape {text} of {key:?} can be read as (n, h, w) and as (h, w, n), and the values do not tell"),
        )
        .expected("a number of patterns that differs from their size")
        .advice("Leave out one pattern and its position, so that the axes can be told apart"),
    };
    (found, verdict)
}

fn read_diffraction(
    archive: &mut NpzArchive,
    key: &str,
    count: usize,
    unit: DiffractionUnit,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
    range: &mut Option<(String, f64, f64)>,
) -> Option<Array3<f32>> {
    let member = archive.member(key)?.clone();
    if member.is_numeric() {
        let (shape, squeezed) = squeeze_trailing(&member.shape);
        let layout = match layout_of(key, &shape, count) {
            Ok((layout, verdict)) => {
                verdicts.push(verdict);
                layout
            }
            Err(verdict) => {
                verdicts.push(verdict);
                return None;
            }
        };
        verdicts.push(Verdict::pass("patterns and positions", format!("{count} patterns and {count} positions")));
        if squeezed {
            notes.push(format!("Axes of length 1 at the end of {} were dropped", member.shape_text()));
        }
        let size = shape[1];
        verdicts.push(Verdict::pass("square patterns", format!("{size} × {size} pixels")));
        verdicts.push(if SUPPORTED_SIZES.contains(&size) {
            Verdict::pass("pattern size", format!("N = {size}"))
        } else {
            Verdict::fail("pattern size", format!("The patterns have {size} × {size} pixels"))
                .expected("N = 64, 128 or 256")
                .advice(
                    "Crop, bin or pad patterns and probe to the nearest of these sizes, keeping the direct beam at N/2",
                )
        });
        if size == 0 {
            return None;
        }
        let stored = match archive.read_f32(key) {
            Ok(array) => array,
            Err(error) => {
                verdicts.push(Verdict::from_error("diffraction data", Status::Fail, &error));
                return None;
            }
        };
        let layout = if layout == Layout::Cube {
            let (found, verdict) = cube_verdict(key, layout_of_cube(&stored), &shape);
            verdicts.push(verdict);
            found?
        } else {
            layout
        };
        let mut patterns = as_patterns(stored, &shape, layout)?;
        if layout == Layout::Last {
            notes.push(format!("Patterns transposed from (h, w, n) {} to (n, h, w)", shape_text(&shape)));
        }
        let is_counts = counts(unit, &member);
        let stored = checks::stored_values(&patterns, is_counts, unit, &member.dtype, member.is_integer(), verdicts);
        if let Some((low, high)) = stored {
            *range = Some((key.to_string(), low, high));
        }
        if is_counts {
            patterns.par_mapv_inplace(f32::sqrt);
            let why = if member.is_integer() { format!("integers ({})", member.dtype) } else { "as configured".into() };
            notes.push(format!("Diffraction taken as counts ({why}); square root taken"));
        }
        checks::patterns(&patterns, verdicts);
        return Some(patterns);
    }
    // Not numeric or damaged: the reader says it best.
    if let Err(error) = archive.read_f32(key) {
        verdicts.push(Verdict::from_error("diffraction data", Status::Fail, &error));
    }
    None
}

fn counts(unit: DiffractionUnit, member: &Member) -> bool {
    match unit {
        DiffractionUnit::Auto => member.is_integer(),
        DiffractionUnit::Amplitude => false,
        DiffractionUnit::Counts => true,
    }
}

/// Drops axes of length 1 at the end while there are more than three.
fn squeeze_trailing(shape: &[usize]) -> (Vec<usize>, bool) {
    let mut squeezed = shape.to_vec();
    while squeezed.len() > 3 && squeezed.last() == Some(&1) {
        squeezed.pop();
    }
    let changed = squeezed.len() != shape.len();
    (squeezed, changed)
}

fn as_patterns(array: ArrayD<f32>, shape: &[usize], layout: Layout) -> Option<Array3<f32>> {
    let array = array.into_shape_with_order(IxDyn(shape)).ok()?.into_dimensionality::<Ix3>().ok()?;
    Some(match layout {
        Layout::First | Layout::Cube => array,
        Layout::Last => array.permuted_axes([2, 0, 1]).as_standard_layout().into_owned(),
    })
}

fn read_probe(
    archive: &mut NpzArchive,
    key: &str,
    size: Option<usize>,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<Array3<Complex32>> {
    const CHECK: &str = "probe shape";
    let array = match archive.read_c32(key) {
        Ok(array) => array,
        Err(error) => {
            verdicts.push(Verdict::from_error(CHECK, Status::Fail, &error));
            return None;
        }
    };
    let text = shape_text(array.shape());
    let mut shape = array.shape().to_vec();
    while shape.len() > 2 && shape.last() == Some(&1) {
        shape.pop();
    }
    while shape.len() > 3 && shape.first() == Some(&1) {
        shape.remove(0);
    }
    if shape.len() == 2 {
        shape.insert(0, 1);
    }
    let fits = matches!(shape[..], [modes, h, w] if modes > 0 && h > 0 && h == w && size.is_none_or(|size| size == h));
    let expected = match size {
        Some(n) => format!("({n}, {n}), ({n}, {n}, 1) or (modes, {n}, {n})"),
        None => "(N, N), (N, N, 1) or (modes, N, N)".to_string(),
    };
    let reshaped = if fits { array.into_shape_with_order(IxDyn(&shape)).ok() } else { None };
    let Some(probe) = reshaped.and_then(|probe| probe.into_dimensionality::<Ix3>().ok()) else {
        verdicts.push(
            Verdict::fail(CHECK, format!("The probe {key:?} has shape {text}"))
                .expected(expected)
                .advice("Crop or pad the probe to the size of the patterns"),
        );
        return None;
    };
    let modes = probe.len_of(Axis(0));
    let plural = if modes == 1 { "mode" } else { "modes" };
    verdicts.push(Verdict::pass(CHECK, format!("{text}, {modes} {plural}")));
    if archive.member(key).is_some_and(Member::is_real) {
        notes.push("The probe is real; its phase was taken as zero".into());
    }
    let unusable = probe.iter().filter(|value| !value.is_finite()).count();
    let energy: f64 = probe.iter().map(|value| f64::from(value.norm_sqr())).sum();
    verdicts.push(if unusable > 0 {
        Verdict::fail("probe energy", format!("{unusable} pixels of the probe are not finite"))
            .expected("finite numbers")
            .advice("Export the probe again, or start from a simulated one")
    } else if energy <= 0.0 || !energy.is_finite() {
        Verdict::fail("probe energy", format!("The probe has energy {energy}"))
            .expected("a probe that is not zero everywhere")
            .advice("Export the probe again, or start from a simulated one")
    } else {
        Verdict::pass("probe energy", format!("Σ|P|² = {energy:.4e}"))
    });
    Some(probe)
}

/// The object only serves comparison, so that an unusable one is left out with a warning.
fn read_object(
    archive: &mut NpzArchive,
    key: Option<&str>,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<Array2<Complex32>> {
    const CHECK: &str = "object";
    let Some(key) = key else {
        verdicts.push(Verdict::pass(CHECK, "no objectGuess: the result will not be compared with a known object"));
        return None;
    };
    let mut leave_out = |verdict: Verdict| {
        notes.push(format!("The object {key:?} was left out: {}", verdict.found));
        verdicts.push(verdict.advice("Nothing is compared with it; export it again if a comparison is wanted"));
    };
    let array = match archive.read_c32(key) {
        Ok(array) => array,
        Err(error) => {
            leave_out(Verdict::from_error(CHECK, Status::Warn, &error));
            return None;
        }
    };
    let text = shape_text(array.shape());
    let shape: Vec<usize> = array.shape().iter().copied().filter(|&length| length != 1).collect();
    let reshaped = array.into_shape_with_order(IxDyn(&shape)).ok().and_then(|a| a.into_dimensionality::<Ix2>().ok());
    let Some(object) = reshaped.filter(|object| !object.is_empty()) else {
        leave_out(Verdict::warn(CHECK, format!("Its shape is {text}")).expected("shape (H, W)"));
        return None;
    };
    let unusable = object.iter().filter(|value| !value.is_finite()).count();
    if unusable > 0 {
        leave_out(Verdict::warn(CHECK, format!("{unusable} of its pixels are not finite")).expected("finite numbers"));
        return None;
    }
    if object.iter().all(|value| Some(value) == object.first()) {
        leave_out(Verdict::warn(CHECK, "It has the same value everywhere: a placeholder").expected("a known object"));
        return None;
    }
    verdicts.push(Verdict::pass(CHECK, format!("{key} {text}")));
    Some(object)
}

/// Photons per pattern; the metadata are optional, so that unreadable ones are only pointed out (A§1.4).
fn read_metadata(
    archive: &mut NpzArchive,
    size: Option<usize>,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<f64> {
    archive.member("_metadata")?;
    let metadata = match archive.read_json("_metadata") {
        Ok(metadata) => metadata,
        Err(error) => {
            let verdict = Verdict::from_error("metadata", Status::Warn, &error);
            notes.push("The metadata could not be read and were left out".into());
            verdicts.push(verdict);
            return None;
        }
    };
    let physics = &metadata["physics_parameters"];
    let nphotons = physics["nphotons"].as_f64().filter(|value| value.is_finite() && *value > 0.0);
    let stated = physics["N"].as_u64().and_then(|value| usize::try_from(value).ok());
    verdicts.push(match (stated, size) {
        (Some(stated), Some(size)) if stated != size => {
            Verdict::warn("metadata", format!("The metadata say N = {stated}, the patterns have N = {size}"))
                .expected("the same size")
                .advice("The patterns were probably cropped or binned afterwards; the size of the patterns is used")
        }
        _ => Verdict::pass(
            "metadata",
            nphotons.map_or("no number of photons".into(), |value| format!("{value:e} photons per pattern")),
        ),
    });
    nphotons
}

/// Indices of positions that occur earlier already.
pub(super) fn duplicates(positions: &[[f64; 2]]) -> usize {
    let distinct: BTreeSet<[u64; 2]> = positions.iter().map(|p| p.map(|v| (v + 0.0).to_bits())).collect();
    positions.len() - distinct.len()
}
