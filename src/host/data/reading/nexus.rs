//! HDF5 files without standard keys: patterns, mask and geometry as NeXus files and detectors name them.

use super::geometry::{Geometry, wavelength_of_ev};
use super::role_keys::{Problems, Roles};
use super::units::{self, Quantity};
use crate::config::MaskGood;
use crate::formats::hdf5::{Element, Hdf5Array, Hdf5File};
use std::collections::BTreeMap;

/// Shortest side of a pattern.
const MIN_SIDE: usize = 16;

/// What can be found by the names of NeXus; roles that are not clear are left open. `mapped` are the patterns, if they were
/// chosen by the user.
pub(super) fn roles(file: &Hdf5File, mapped: Option<&[String]>) -> Roles {
    let diffraction = mapped.map_or_else(|| patterns(file), <[String]>::to_vec);
    let stack = diffraction.first().and_then(|key| file.array(key)).map(|array| array.shape).unwrap_or_default();
    let mask = named(file, &["pixel_mask", "bad_pixels", "mask"])
        .into_iter()
        .find(|array| array.shape.len() == 2 && stack.windows(2).any(|frame| frame == array.shape));
    let mut problems = Problems::new();
    let geometry = geometry(file, &mut problems);
    Roles {
        format: "HDF5 file",
        diffraction,
        mask: mask.map(|array| {
            let rule = if array.path.ends_with("mask") && !array.path.ends_with("pixel_mask") {
                MaskGood::Auto
            } else {
                MaskGood::Zero
            };
            (array.path, rule)
        }),
        geometry,
        problems,
        ..Roles::default()
    }
}

/// Arrays whose last name is one of these.
fn named(file: &Hdf5File, names: &[&str]) -> Vec<Hdf5Array> {
    let is = |array: &&Hdf5Array| names.contains(&array.path.rsplit('/').next().unwrap_or_default());
    file.arrays().iter().filter(is).cloned().collect()
}

/// Height and width of the last two axes.
fn frame_of(shape: &[usize]) -> [usize; 2] {
    match shape {
        [.., height, width] => [*height, *width],
        _ => [0, 0],
    }
}

/// The stack of patterns, in its parts, if there is only one: arrays of frames with numbered names in one group belong
/// together, and so do arrays of one frame each. Links that lead nowhere are parts, too, so that reading them says what is missing.
fn patterns(file: &Hdf5File) -> Vec<String> {
    if file.is_matlab() {
        return Vec::new();
    }
    let stem = |key: &str| key.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    let mut stacks: BTreeMap<(String, [usize; 2], bool), Vec<String>> = BTreeMap::new();
    for array in file.arrays() {
        let frame = frame_of(&array.shape);
        let is_real = matches!(array.element, Element::Integer { .. } | Element::Float { .. });
        if !is_real || array.problem.is_some() || frame.iter().any(|side| *side < MIN_SIDE) {
            continue;
        }
        let stem = stem(&array.path);
        match array.shape.len() {
            3 | 4 if array.shape[0] > 1 => stacks.entry((stem, frame, false)).or_default().push(array.path.clone()),
            2 if stem != array.path => stacks.entry((stem, frame, true)).or_default().push(array.path.clone()),
            _ => {}
        }
    }
    // A handful of numbered images is not a scan.
    stacks.retain(|(_, _, single), keys| !*single || keys.len() > 8);
    let mut stacks: Vec<Vec<String>> = stacks.into_values().collect();
    if stacks.len() > 1 {
        // Links and copies of one stack: the one that NeXus makes the default.
        let default = stacks.iter().position(|keys| keys.iter().all(|key| key.starts_with("entry/data/")));
        stacks = default.map(|at| vec![stacks.swap_remove(at)]).unwrap_or_default();
    }
    let mut keys = stacks.pop().unwrap_or_default();
    let of_stack = keys.first().map(|key| stem(key));
    let missing = file.arrays().iter().filter(|array| array.is_dangling).map(|array| array.path.clone());
    keys.extend(missing.filter(|key| of_stack.as_ref().is_none_or(|of_stack| stem(key) == *of_stack)));
    keys.sort_by_key(|key| (key.len(), key.clone()));
    keys
}

/// Energy, distance and detector pixel by their names in NXdetector, NXbeam and NXmonochromator.
fn geometry(file: &Hdf5File, problems: &mut Problems) -> Geometry {
    let mut find = |names: &[&str], quantity: Quantity, factor: f64| {
        // The energy of a source is that of the ring.
        let key = names.iter().find_map(|name| {
            named(file, &[*name]).into_iter().map(|array| array.path).find(|path| !path.contains("source"))
        })?;
        let found = units::measure(file, &key, quantity, |value| value * factor);
        found.map_err(|verdict| problems.push((quantity, verdict))).ok().flatten().map(|found| found.value)
    };
    let energy = find(&["incident_energy", "incident_photon_energy", "photon_energy", "energy"], Quantity::Energy, 1.0);
    // NXmx states wavelengths in angstroms.
    let wavelength = find(&["incident_wavelength", "wavelength"], Quantity::Positions, 1e-10);
    let distance_m = find(&["detector_distance", "distance"], Quantity::Distance, 1.0).map(f64::abs);
    let x = find(&["x_pixel_size"], Quantity::DetectorPixel, 1.0);
    let y = find(&["y_pixel_size"], Quantity::DetectorPixel, 1.0);
    Geometry {
        wavelength_m: energy.map(wavelength_of_ev).or(wavelength.filter(|length| *length > 0.0)),
        distance_m,
        detector_pixel_m: x.or(y).zip(y.or(x)).map(|(x, y)| [x, y]),
        ..Geometry::default()
    }
}
