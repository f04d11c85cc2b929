//! From a file to arrays in the order and unit used inside, with a verdict for each step.

use super::checks;
use super::contract::{Status, Verdict};
use super::cxi;
use super::fit::{Fit, SUPPORTED_SIZES, offers};
use super::geometry::far_field;
use super::npz::shape_text;
use super::placing::{self, Placed};
use super::probe_guess;
use super::random::{choose, generator};
use super::roles::{self, Roles};
use super::source::{ArrayInfo, Source};
use crate::config::{DataConfig, DiffractionUnit, MaskGood, Orientation};
use ndarray::{Array2, Array3, ArrayD, Axis, Ix2, Ix3, IxDyn, Zip, s};
use num_complex::Complex32;
use std::collections::BTreeSet;
use std::path::Path;

/// Patterns of an HDF5 file that are read to inspect it, in f32 values.
const INSPECTED_VALUES: usize = 1 << 28;

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

/// Which patterns are read. Of an NPZ file all are; of an HDF5 file only the wanted ones, and only they are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// All of them.
    All,
    /// So many, chosen with a seed.
    Chosen { count: usize, seed: u64 },
    /// As many as fit into a reasonable amount of memory, evenly spread.
    Sample,
}

/// Reads and judges everything that a dataset needs.
pub(super) fn read(source: &mut Source, config: &DataConfig, want: Want) -> Reading {
    let mut verdicts = Vec::new();
    let mut notes = Vec::new();
    let roles = find_roles(source, config, &mut verdicts, &mut notes);
    let stored = roles.positions.as_ref().and_then(|_| placing::read(source, &roles, &mut verdicts));
    let mut patterns = None;
    let mut placed = None;
    let mut diffraction_range = None;
    if let Some(stored) = &stored {
        if roles.diffraction.is_empty() {
            placed = placing::place_for_object(&roles, stored, config);
        } else if let Some(frames) = frames(source, &roles, stored.len(), &mut verdicts, &mut notes) {
            placed = place(&frames, &roles, stored, config, &mut verdicts, &mut notes);
            patterns =
                read_patterns(source, &roles, &frames, config, want, &mut verdicts, &mut notes, &mut diffraction_range)
                    .map(|patterns| (patterns, frames));
        }
    }
    let size = patterns.as_ref().map(|(patterns, _)| patterns.diffraction.dim().1);
    let probe = read_any_probe(source, &roles, config, patterns.as_ref(), &mut verdicts, &mut notes);
    let positions = placed.as_ref().map(|placed| &placed.positions);
    if let Some(positions) = positions {
        checks::scan(positions, size, probe.as_ref(), &mut verdicts);
    }
    let keeps_object =
        config.orientation == Orientation::Plain && placed.as_ref().is_none_or(|placed| placed.scale == 1.0);
    let object = if keeps_object || roles.object.is_none() {
        read_object(source, roles.object.as_deref(), &mut verdicts, &mut notes)
    } else {
        notes.push("The object of the file was left out: crop, pad or orientation moved the scan away from it".into());
        None
    };
    let inside = size.or_else(|| probe.as_ref().map(|probe| probe.dim().1));
    if let (Some(object), Some(positions), Some(size)) = (&object, positions, inside) {
        verdicts.push(checks::inside(object.dim(), positions, size));
    }
    let nphotons = read_metadata(source, size, &mut verdicts, &mut notes);
    let usable = verdicts.iter().all(|verdict| verdict.status != Status::Fail);
    let content = match (patterns, placed, probe) {
        (Some((patterns, _)), Some(placed), Some(probe)) if usable => {
            let total = placed.positions.len();
            let positions =
                patterns.rows.iter().filter_map(|&row| placed.positions.get(row).copied()).collect::<Vec<_>>();
            Some(Content {
                diffraction: patterns.diffraction,
                positions,
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

fn find_roles(source: &mut Source, config: &DataConfig, verdicts: &mut Vec<Verdict>, notes: &mut Vec<String>) -> Roles {
    let roles = roles::find(source, &config.mapping);
    let hdf5 = matches!(source, Source::Hdf5(_));
    if hdf5 || roles.format != "NumPy dataset" {
        notes.push(format!("Read as {}", roles.format));
    }
    for (key, name) in [(&roles.probe, "probeGuess"), (&roles.object, "objectGuess")] {
        if let Some(key) = key.as_ref().filter(|key| !hdf5 && matches!(key.as_str(), "probe" | "object")) {
            notes.push(format!("The array {key:?} was taken for {name:?}"));
        }
    }
    let mapped = !config.mapping.diffraction.is_empty();
    let no_axis = |axis: &str| {
        if roles.positions.is_some() || source.array(axis).is_some() { None } else { Some(axis.to_owned()) }
    };
    let product = roles.format == "Ptychodus product";
    let no_probe = roles.probe.is_none() && !roles.estimate_probe && config.mapping.probe_file.is_empty();
    let missing: Vec<String> = if hdf5 || mapped || product {
        [
            roles.diffraction.is_empty().then(|| "diffraction patterns".to_owned()),
            roles.positions.is_none().then(|| "positions".to_owned()),
            no_probe.then(|| "a probe".to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect()
    } else {
        [
            roles.diffraction.is_empty().then(|| "diffraction (or diff3d)".to_owned()),
            no_axis("xcoords"),
            no_axis("ycoords"),
            no_probe.then(|| "probeGuess".to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect()
    };
    let by_mapping = "Say which array is what with --set data.mapping.diffraction=KEY, data.mapping.positions=KEY, \
                      data.mapping.position_order=xy or yx and data.mapping.position_unit=px or m";
    verdicts.push(if missing.is_empty() {
        let probe = if roles.probe.is_some() { "diffraction, positions and probe are there" } else { "diffraction and positions are there" };
        Verdict::pass("required keys", probe)
    } else if product && roles.diffraction.is_empty() {
        Verdict::fail("required keys", "This is a Ptychodus product: positions, probe and object of a reconstruction, without diffraction patterns")
            .expected("a file with diffraction patterns")
            .advice("Choose the file with the patterns; a probe is taken from the product with --set data.mapping.probe_file=FILE")
    } else {
        let mut advice = if hdf5 || mapped { by_mapping.to_owned() } else { "Store the missing arrays under these names".to_owned() };
        if !hdf5 && !mapped {
            if roles.positions.is_none() && ["positions", "position"].iter().any(|key| source.array(key).is_some()) {
                advice.push_str("; an array of both coordinates does not say which is x and which unit it has");
            }
            advice = format!("{advice}. Or: {}{}", by_mapping[..1].to_lowercase(), &by_mapping[1..]);
        }
        Verdict::fail("required keys", format!("The file lacks {}; it has {}", missing.join(", "), source.keys_text()))
            .expected("diffraction (or diff3d), xcoords, ycoords and probeGuess")
            .advice(advice)
    });
    if let (Some(one), Some(other)) = (source.array("diffraction"), source.array("diff3d"))
        && !mapped
    {
        verdicts.push(if source.same_content("diffraction", "diff3d") {
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
            .advice("Remove the one that is not to be used, or name the other with --set data.mapping.diffraction=KEY")
        });
    }
    roles
}

/// The diffraction arrays as they are stored: their parts, axis order and frame.
struct Frames {
    /// Key, first pattern and number of patterns of each part.
    parts: Vec<(String, usize, usize)>,
    info: ArrayInfo,
    layout: Layout,
    height: usize,
    width: usize,
    count: usize,
}

impl Frames {
    fn axis(&self) -> usize {
        if self.layout == Layout::Last { 2 } else { 0 }
    }
}

/// Finds the axis order from the shapes.
fn frames(
    source: &mut Source,
    roles: &Roles,
    count: usize,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<Frames> {
    let mut infos = Vec::new();
    for key in &roles.diffraction {
        match source.array(key) {
            Some(info) if info.numeric && info.real => infos.push(info),
            // Missing, not numeric or damaged: the reader says it best.
            _ => {
                verdicts.push(source.why_unreadable(key));
                return None;
            }
        }
    }
    let info = infos.first()?.clone();
    let (mut shape, squeezed) = squeeze_trailing(&info.shape);
    if squeezed {
        notes.push(format!("Axes of length 1 at the end of {} were dropped", info.shape_text()));
    }
    let mut parts = Vec::new();
    let mut first = 0;
    if infos.len() > 1 {
        for part in &infos {
            let length = part.shape.first().copied().unwrap_or(0);
            parts.push((part.key.clone(), first, length));
            first += length;
        }
        if let Some(length) = shape.first_mut() {
            *length = first;
        }
    }
    let layout = match layout_of(&info.key, &shape, count) {
        Ok((layout, verdict)) => {
            verdicts.push(verdict);
            layout
        }
        Err(verdict) => {
            verdicts.push(verdict);
            return None;
        }
    };
    if parts.is_empty() {
        parts.push((info.key.clone(), 0, count));
    }
    verdicts.push(Verdict::pass("patterns and positions", format!("{count} patterns and {count} positions")));
    let (height, width) = match (layout, shape.as_slice()) {
        (Layout::Last, [h, w, _]) | (_, [_, h, w]) => (*h, *w),
        _ => return None,
    };
    Some(Frames { parts, info, layout, height, width, count })
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

/// What is read of the patterns.
struct Patterns {
    diffraction: Array3<f32>,
    /// Indices of the patterns read, ascending.
    rows: Vec<usize>,
    mask: Option<Array2<bool>>,
    fit: Fit,
}

#[allow(clippy::too_many_arguments)]
fn read_patterns(
    source: &mut Source,
    roles: &Roles,
    frames: &Frames,
    config: &DataConfig,
    want: Want,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
    range: &mut Option<(String, f64, f64)>,
) -> Option<Patterns> {
    let fit = Fit::new(frames.height, frames.width, config).ok()?;
    let plain = fit.is_plain(frames.height, frames.width);
    verdicts.push(Verdict::pass(
        "square patterns",
        if plain {
            format!("{0} × {0} pixels", fit.size)
        } else {
            format!("{0} × {0} pixels, from {1} × {2}", fit.size, frames.height, frames.width)
        },
    ));
    verdicts.push(if SUPPORTED_SIZES.contains(&fit.size) {
        Verdict::pass("pattern size", format!("N = {}", fit.size))
    } else {
        Verdict::fail("pattern size", format!("The patterns have {0} × {0} pixels", fit.size))
            .expected("N = 64, 128 or 256")
            .advice(format!(
                "Crop, bin or pad patterns and probe on reading, the direct beam stays at N/2: {}",
                offers(frames.height, frames.width)
            ))
    });
    if fit.size == 0 {
        return None;
    }
    if !plain {
        notes.push(format!(
            "Patterns of {} × {} pixels: central {} × {} used, {} × {} pixels summed{}; N = {}",
            frames.height,
            frames.width,
            fit.window[0].len(),
            fit.window[1].len(),
            fit.bin,
            fit.bin,
            if fit.size > fit.inner { format!(", padded from {} with zeros", fit.inner) } else { String::new() },
            fit.size
        ));
    }
    let is_counts = counts(config.diffraction_unit, &frames.info);
    let mut axis = frames.axis();
    if frames.layout == Layout::Cube {
        if let Source::Npz(_) = source {
            let stored = match source.read_f32(&frames.info.key) {
                Ok(array) => array,
                Err(error) => {
                    verdicts.push(Verdict::from_error("diffraction data", Status::Fail, &error));
                    return None;
                }
            };
            let stored = stored.into_shape_with_order(IxDyn(&[frames.count, frames.height, frames.width])).ok()?;
            let (found, verdict) = cube_verdict(&frames.info.key, layout_of_cube(&stored), &frames.info.shape);
            verdicts.push(verdict);
            axis = if found? == Layout::Last { 2 } else { 0 };
        } else {
            verdicts.push(Verdict::pass("axis order", "(n, h, w), as HDF5 files have it"));
        }
    }
    let rows = wanted(source, frames, &fit, want, notes);
    let mut good = read_mask(source, roles, frames, &fit, verdicts, notes);
    let dark = read_dark(source, roles, frames, &fit, notes);
    let marks_bad = matches!(source, Source::Hdf5(_)) && is_counts;
    let mut diffraction = Array3::zeros((0, 0, 0));
    let mut found_bad = Array2::from_elem((fit.window[0].len(), fit.window[1].len()), false);
    if rows.len().checked_mul(fit.size * fit.size).is_none_or(|count| {
        let mut probe: Vec<f32> = Vec::new();
        probe.try_reserve_exact(count).is_err()
    }) {
        verdicts.push(
            Verdict::fail(
                "diffraction data",
                format!("{} patterns of {1} × {1} pixels do not fit into memory", rows.len(), fit.size),
            )
            .expected("patterns that fit into memory")
            .advice("Use a part of them with --n-subsample, or smaller ones with --crop or --bin"),
        );
        return None;
    }
    let single = frames.parts.len() == 1 && matches!(source, Source::Npz(_));
    if !single {
        diffraction = Array3::zeros((rows.len(), fit.size, fit.size));
    }
    let mut done = 0;
    for (key, first, length) in &frames.parts {
        let local: Vec<usize> =
            rows.iter().filter(|&&row| row >= *first && row < first + length).map(|row| row - first).collect();
        let outcome = source.for_blocks(key, axis, &local, fit.window.clone(), |at, mut block| {
            if marks_bad || config.saturation.is_some() {
                mark_bad(&mut block, &mut found_bad, marks_bad, frames.info.invalid, config.saturation);
            }
            if let Some(dark) = &dark {
                for mut pattern in block.axis_iter_mut(Axis(0)) {
                    Zip::from(&mut pattern)
                        .and(dark.view().into_dyn())
                        .for_each(|value, dark| *value = (*value - dark).max(0.0));
                }
            }
            let finished =
                fit.patterns(block, is_counts).ok_or_else(|| crate::error::Error::failed("Not three axes"))?;
            if single {
                diffraction = finished;
            } else {
                let start = done + at;
                diffraction.slice_mut(s![start..start + finished.dim().0, .., ..]).assign(&finished);
            }
            Ok(())
        });
        if let Err(error) = outcome {
            verdicts.push(Verdict::from_error("diffraction data", Status::Fail, &error));
            return None;
        }
        done += local.len();
    }
    if axis == 2 {
        notes.push(format!("Patterns transposed from (h, w, n) {} to (n, h, w)", frames.info.shape_text()));
    }
    if found_bad.iter().any(|&bad| bad) {
        let count = found_bad.iter().filter(|&&bad| bad).count();
        notes.push(format!(
            "{count} pixels masked because they hold negative, invalid{} values",
            if config.saturation.is_some() { " or saturated" } else { "" }
        ));
        let good = good.get_or_insert_with(|| Array2::from_elem(found_bad.dim(), true));
        Zip::from(good).and(&found_bad).for_each(|good, bad| *good &= !bad);
    }
    let mask = apply_mask(&mut diffraction, good, &fit, verdicts, notes);
    let unit = config.diffraction_unit;
    let stored =
        checks::stored_values(&diffraction, is_counts, unit, &frames.info.dtype, frames.info.integer, verdicts);
    if let (Some((low, high)), true) =
        (stored, plain && mask.is_none() && rows.len() == frames.count && frames.parts.len() == 1)
    {
        *range = Some((frames.info.key.clone(), low, high));
    }
    if is_counts {
        diffraction.par_mapv_inplace(|value| value.max(0.0).sqrt());
        let why =
            if frames.info.integer { format!("integers ({})", frames.info.dtype) } else { "as configured".into() };
        notes.push(format!("Diffraction taken as counts ({why}); square root taken"));
    }
    checks::patterns(&diffraction, verdicts);
    Some(Patterns { diffraction, rows, mask, fit })
}

/// Indices of the patterns to read, ascending.
fn wanted(source: &Source, frames: &Frames, fit: &Fit, want: Want, notes: &mut Vec<String>) -> Vec<usize> {
    let count = frames.count;
    if let Source::Npz(_) = source {
        return (0..count).collect();
    }
    match want {
        Want::Chosen { count: kept, seed } if kept < count => {
            let mut rows = choose(&mut generator(seed, 0), count, kept);
            rows.sort_unstable();
            rows
        }
        Want::Sample if count * fit.size * fit.size > INSPECTED_VALUES => {
            let kept = (INSPECTED_VALUES / (fit.size * fit.size)).max(1);
            notes.push(format!("Only {kept} of {count} patterns, evenly spread, were read to judge the values"));
            (0..kept).map(|at| at * count / kept).collect()
        }
        _ => (0..count).collect(),
    }
}

/// Marks pixels with values that are no counts, and sets them to zero.
fn mark_bad(
    block: &mut ArrayD<f32>,
    bad: &mut Array2<bool>,
    marks: bool,
    invalid: Option<f32>,
    saturation: Option<f64>,
) {
    let limit = saturation.unwrap_or(f64::INFINITY);
    for mut pattern in block.axis_iter_mut(Axis(0)) {
        for (value, bad) in pattern.iter_mut().zip(bad.iter_mut()) {
            let no_count = marks && (value.is_nan() || *value < 0.0 || invalid == Some(*value));
            if no_count || f64::from(*value) >= limit {
                *bad = true;
                *value = 0.0;
            }
        }
    }
}

/// Good pixels of the window of the stored patterns.
fn read_mask(
    source: &mut Source,
    roles: &Roles,
    frames: &Frames,
    fit: &Fit,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<Array2<bool>> {
    const CHECK: &str = "mask";
    let (key, rule) = roles.mask.as_ref()?;
    let unusable = |verdict: Verdict| {
        verdict.advice("The mask is not used; correct it, or name another with --set data.mapping.mask=KEY")
    };
    let mut values = match source.read_f64(key) {
        Ok(values) => values,
        Err(error) => {
            verdicts.push(unusable(Verdict::from_error(CHECK, Status::Warn, &error)));
            return None;
        }
    };
    let text = shape_text(values.shape());
    if values.ndim() == 3 && !values.is_empty() {
        // One mask for each pattern: the first one stands for all.
        notes.push(format!("Of the masks {key:?} {text} the first one is used for all patterns"));
        values = values.index_axis_move(Axis(0), 0);
    }
    let fits = values.shape() == [frames.height, frames.width];
    let Some(values) = values.into_dimensionality::<Ix2>().ok().filter(|_| fits) else {
        verdicts.push(unusable(
            Verdict::warn(CHECK, format!("The mask {key:?} has shape {text}"))
                .expected(format!("({}, {})", frames.height, frames.width)),
        ));
        return None;
    };
    let zeros = values.iter().filter(|&&value| value == 0.0).count();
    let (good, meaning): (Array2<bool>, &str) = match rule {
        MaskGood::Auto if roles.cxi_mask => (values.mapv(cxi::is_good), "0 and 0x1000 are good, as in CXI"),
        MaskGood::Auto if 2 * zeros >= values.len() => {
            (values.mapv(|v| v == 0.0), "0 taken as good, being the majority")
        }
        MaskGood::Zero => (values.mapv(|v| v == 0.0), "0 is good"),
        MaskGood::Auto => (values.mapv(|v| v != 0.0), "0 taken as bad, being the minority"),
        MaskGood::NonZero => (values.mapv(|v| v != 0.0), "0 is bad"),
    };
    let bad = good.iter().filter(|good| !**good).count();
    verdicts.push(if 2 * bad > good.len() {
        Verdict::warn(CHECK, format!("{bad} of {} pixels are masked ({meaning})", good.len()))
            .expected("mostly good pixels")
            .advice("The mask may be the other way round: --set data.mapping.mask_good=zero or non_zero")
    } else {
        Verdict::pass(CHECK, format!("{key}: {bad} of {} pixels are bad ({meaning})", good.len()))
    });
    Some(good.slice(s![fit.window[0].clone(), fit.window[1].clone()]).to_owned())
}

/// Mean of the patterns without beam, cut to the window.
fn read_dark(
    source: &mut Source,
    roles: &Roles,
    frames: &Frames,
    fit: &Fit,
    notes: &mut Vec<String>,
) -> Option<Array2<f32>> {
    let key = roles.dark.as_ref()?;
    let dark = source.read_f32(key).ok()?;
    let dark = if dark.ndim() == 3 { dark.mean_axis(Axis(0))? } else { dark };
    if dark.shape() != [frames.height, frames.width] {
        notes.push(format!("The dark patterns {key:?} were left out: their shape is {}", shape_text(dark.shape())));
        return None;
    }
    notes.push(format!("The mean dark pattern {key:?} was subtracted; negative values became 0"));
    let dark = dark.into_dimensionality::<Ix2>().ok()?;
    Some(dark.slice(s![fit.window[0].clone(), fit.window[1].clone()]).to_owned())
}

/// Sets masked pixels to zero; gives back the mask of the finished patterns.
fn apply_mask(
    diffraction: &mut Array3<f32>,
    good: Option<Array2<bool>>,
    fit: &Fit,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<Array2<bool>> {
    let padded = fit.size > fit.inner;
    if good.is_none() && !padded {
        return None;
    }
    let good = good.unwrap_or_else(|| Array2::from_elem((fit.window[0].len(), fit.window[1].len()), true));
    let mask = fit.mask(&good);
    let masked = mask.iter().filter(|good| !**good).count();
    if masked == 0 {
        return Some(mask);
    }
    if masked == mask.len() {
        verdicts.push(
            Verdict::fail("mask", "Every pixel is masked")
                .expected("good pixels")
                .advice("Check which values of the mask are good"),
        );
    }
    for mut pattern in diffraction.axis_iter_mut(Axis(0)) {
        Zip::from(&mut pattern).and(&mask).for_each(|value, &good| {
            if !good {
                *value = 0.0;
            }
        });
    }
    notes.push(format!("{masked} of {} pixels of every pattern are masked and were set to 0", mask.len()));
    Some(mask)
}

/// The probe of the file, of another file, or an estimate.
fn read_any_probe(
    source: &mut Source,
    roles: &Roles,
    config: &DataConfig,
    patterns: Option<&(Patterns, Frames)>,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<Array3<Complex32>> {
    const CHECK: &str = "probe shape";
    if !config.mapping.probe_file.is_empty() {
        let path = Path::new(&config.mapping.probe_file);
        let mut other = match Source::open(path) {
            Ok(other) => other,
            Err(error) => {
                verdicts.push(Verdict::from_error(CHECK, Status::Fail, &error));
                return None;
            }
        };
        let other_roles = roles::find(&mut other, &crate::config::Mapping::default());
        notes.push(format!("The probe was taken from {}", path.display()));
        return match &other_roles.probe {
            Some(key) => read_probe(&mut other, key, patterns, verdicts, notes),
            None => {
                verdicts.push(
                    Verdict::fail(CHECK, format!("There is no probe in {}", path.display()))
                        .expected("a product or a dataset with a probe")
                        .advice("Choose another file with --set data.mapping.probe_file=FILE"),
                );
                None
            }
        };
    }
    if let Some(key) = &roles.probe {
        return read_probe(source, key, patterns, verdicts, notes);
    }
    let (patterns, _) = patterns.filter(|_| roles.estimate_probe)?;
    verdicts.push(
        Verdict::warn(
            "probe",
            "The file has no probe: one was estimated from the mean pattern (a Gaussian inside a disk)",
        )
        .expected("a measured or reconstructed probe")
        .advice(
            "Good enough for a smooth, nearly flat probe; a strongly curved one needs a real guess: \
                 --set data.mapping.probe=KEY or data.mapping.probe_file=FILE",
        ),
    );
    Some(probe_guess::from_patterns(&patterns.diffraction))
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

fn counts(unit: DiffractionUnit, info: &ArrayInfo) -> bool {
    match unit {
        DiffractionUnit::Auto => info.integer,
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

fn read_probe(
    archive: &mut Source,
    key: &str,
    patterns: Option<&(Patterns, Frames)>,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<Array3<Complex32>> {
    const CHECK: &str = "probe shape";
    let size = patterns.map(|(patterns, _)| patterns.fit.size);
    let stored = patterns.map(|(patterns, frames)| {
        let window = patterns.fit.window[0].len();
        if frames.height == frames.width { [window, frames.height] } else { [window, window] }
    });
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
    let mut array = array;
    if let (4, Some(coherent)) = (shape.len(), shape.first().copied().filter(|&coherent| coherent > 1)) {
        notes.push(format!("Of the {coherent} coherent modes of the probe {text} the first one is used"));
        array.slice_axis_inplace(Axis(0), ndarray::Slice::from(0..1));
        array = array.as_standard_layout().into_owned();
        shape.splice(..1, [1]);
    }
    while shape.len() > 3 && shape.first() == Some(&1) {
        shape.remove(0);
    }
    if shape.len() == 2 {
        shape.insert(0, 1);
    }
    let fits = matches!(shape[..], [modes, h, w] if modes > 0 && h > 0 && h == w && (size.is_none_or(|size| size == h) || stored.is_some_and(|stored| stored.contains(&h))));
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
    if archive.array(key).is_some_and(|info| info.real) {
        notes.push("The probe is real; its phase was taken as zero".into());
    }
    let probe = match patterns {
        Some((patterns, _)) if probe.dim().1 != patterns.fit.size => {
            notes.push(format!("The probe was brought from {text} to the size of the patterns"));
            let fitted: Vec<Array2<Complex32>> =
                probe.axis_iter(Axis(0)).map(|mode| patterns.fit.probe(&mode.to_owned())).collect();
            let views: Vec<_> = fitted.iter().map(|mode| mode.view()).collect();
            ndarray::stack(Axis(0), &views).ok()?
        }
        _ => probe,
    };
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
    archive: &mut Source,
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
    archive: &mut Source,
    size: Option<usize>,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<f64> {
    archive.array("_metadata")?;
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
