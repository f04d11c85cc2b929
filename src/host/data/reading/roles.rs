//! Assignment of roles to the arrays of a file: by the names of its format, or as configured.

use super::geometry::{Geometry, wavelength_of_ev};
use super::role_keys::{PositionKeys, Problems, Roles, Unit};
use super::source::{IMAGES, Source, first_key};
use super::units::{self, Named, Quantity};
use super::verdict::Verdict;
use super::{cxi, nexus, product};
use crate::config::{Mapping, MaskGood, PositionOrder, PositionUnit};
use crate::formats::hdf5::Hdf5File;
use crate::formats::images::matches;

/// Roles by the key names of the format; configured keys take precedence.
pub(super) fn find(source: &mut Source, mapping: &Mapping) -> Roles {
    let chosen = first_present(source, mapping);
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let mapped = given(&chosen.diffraction).map(|key| {
        let parts = matching(source, &key);
        if parts.is_empty() { vec![key] } else { parts }
    });
    let mapping = &chosen;
    let mut roles = match source {
        Source::Npz(archive) if product::is_npz_product(archive) => product::npz_roles(archive),
        Source::Npz(_) => by_keys(source),
        Source::Hdf5(_) => hdf5(source, mapped.as_deref()),
        Source::Images(stack) => {
            // What the first of several HDF5 files says about the experiment.
            let first = stack.first_hdf5().and_then(|path| Hdf5File::open(path).ok());
            let found = first.map(|file| nexus::roles(&file, mapped.as_deref())).unwrap_or_default();
            Roles {
                format: "stack of images",
                diffraction: vec![IMAGES.to_owned()],
                holds_counts: true,
                geometry: found.geometry,
                problems: found.problems,
                ..Roles::default()
            }
        }
    };
    if !matches!(source, Source::Images(_)) {
        roles.diffraction = mapped.unwrap_or(roles.diffraction);
    }
    // With a position file, the keys are those of that file.
    if !mapping.positions_file.is_empty() {
        roles.positions = None;
    } else if let (Some(step), Some(key)) = (mapping.scan_step, roles.diffraction.first()) {
        roles.positions = Some(PositionKeys::Raster { patterns: key.clone(), step });
    } else if let (Some(x), Some(y)) = (given(&mapping.x), given(&mapping.y)) {
        roles.positions = Some(PositionKeys::Pair { x, y });
    } else if let Some(key) = given(&mapping.positions) {
        roles.positions = Some(PositionKeys::Both { keys: vec![key], order: mapping.position_order });
    }
    if mapping.position_unit == PositionUnit::Auto {
        use_stated_unit(source, &mut roles);
    }
    if let Some(meters) = mapping.position_unit.meters() {
        roles.unit = Unit::Meters(meters);
    } else if mapping.position_unit == PositionUnit::Px {
        roles.unit = Unit::Px;
    }
    if mapping.probe_file.is_empty() {
        roles.probe = given(&mapping.probe).or(roles.probe);
    }
    use_named_geometry(source, mapping, &mut roles);
    roles.dark = given(&mapping.dark).or(roles.dark);
    roles.flat = given(&mapping.flat).or(roles.flat);
    roles.background = given(&mapping.background).or(roles.background);
    roles.object = given(&mapping.object).or(roles.object);
    if let Some(key) = given(&mapping.mask) {
        roles.mask = Some((key, MaskGood::Auto));
        roles.more_masks.clear();
    }
    // If the mask comes from another file, the rule applies to that one.
    let rule_applies = !mapping.mask.is_empty() || mapping.mask_file.is_empty();
    if let (Some((_, good)), true) = (&mut roles.mask, rule_applies && mapping.mask_good != MaskGood::Auto) {
        *good = mapping.mask_good;
    }
    roles
}

/// The mapping with the first key that the file has in place of several, separated by `|`; the last one if it has none.
fn first_present(source: &Source, mapping: &Mapping) -> Mapping {
    let mut chosen = mapping.clone();
    let plain = |key: &str| key.split(['@', '[']).next().unwrap_or_default().trim().to_owned();
    let exists = |key: &str| source.array(&plain(key)).is_some() || !matching(source, key).is_empty();
    for text in [
        &mut chosen.diffraction,
        &mut chosen.positions,
        &mut chosen.x,
        &mut chosen.y,
        &mut chosen.energy,
        &mut chosen.distance,
        &mut chosen.detector_pixel,
        &mut chosen.probe,
        &mut chosen.object,
        &mut chosen.mask,
        &mut chosen.dark,
        &mut chosen.flat,
        &mut chosen.background,
    ] {
        if text.contains('|') {
            *text = first_key(text, &exists).to_owned();
        }
    }
    chosen
}

/// Uses the energy, the distance and the detector pixel that the mapping names.
fn use_named_geometry(source: &mut Source, mapping: &Mapping, roles: &mut Roles) {
    let mut named = |text: &str, quantity: Quantity| {
        if text.is_empty() {
            return None;
        }
        roles.problems.retain(|(other, _)| *other != quantity);
        let found = units::measure_named(source, text, quantity);
        found.map_err(|verdict| roles.problems.push((quantity, verdict))).ok().flatten().map(|found| found.value)
    };
    let energy = named(&mapping.energy, Quantity::Energy);
    let distance = named(&mapping.distance, Quantity::Distance);
    let side = named(&mapping.detector_pixel, Quantity::DetectorPixel);
    let geometry = &mut roles.geometry;
    geometry.wavelength_m = energy.map(wavelength_of_ev).or(geometry.wavelength_m);
    geometry.distance_m = distance.map(f64::abs).or(geometry.distance_m);
    geometry.detector_pixel_m = side.map(|side| [side, side]).or(geometry.detector_pixel_m);
}

/// Uses the unit that the file states for its positions.
fn use_stated_unit(source: &Source, roles: &mut Roles) {
    let Source::Hdf5(file) = source else { return };
    let keys = match &roles.positions {
        Some(PositionKeys::Pair { x, y }) => vec![x.clone(), y.clone()],
        Some(PositionKeys::Both { keys, .. }) => keys.clone(),
        Some(PositionKeys::Raster { .. }) | None => return,
    };
    let stated: Vec<(String, String)> =
        keys.into_iter().filter_map(|key| units::stated(file, &key).map(|unit| (key, unit))).collect();
    let Some((key, text)) = stated.first() else { return };
    if let Some((other, unit)) = stated.iter().find(|(_, unit)| units::parse(unit) != units::parse(text)) {
        let found = format!("The positions have two units: {key:?} is in {text}, but {other:?} in {unit}");
        roles.problems.push((
            Quantity::Positions,
            Verdict::fail("units", found)
                .expected("one unit")
                .advice("Correct the units in the file, or state one with --set data.mapping.position_unit=…"),
        ));
        return;
    }
    match units::parse(text) {
        Some(Named::Length(meters)) => roles.unit = Unit::Meters(meters),
        Some(Named::Pixels) => roles.unit = Unit::Px,
        _ => {
            let found = format!("The positions {key:?} have the unit {text:?}");
            roles.problems.push((
                Quantity::Positions,
                Verdict::fail("units", found)
                    .expected("pixels, or a length such as m, mm, um or nm")
                    .advice("State the unit with --set data.mapping.position_unit=m, mm, um, nm or px"),
            ));
        }
    }
    roles.stated_unit = Some(text.clone());
}

/// Keys that match a pattern with `*`, shorter ones first so that part 10 follows part 9.
fn matching(source: &Source, pattern: &str) -> Vec<String> {
    if !pattern.contains('*') {
        return Vec::new();
    }
    let mut keys = source.keys();
    if let (Source::Hdf5(file), Some((group, _))) = (source, pattern.rsplit_once('/')) {
        // Links to other files are not listed among the arrays.
        keys.extend(file.below(group));
    }
    keys.retain(|key| matches(key, pattern.trim_start_matches('/')));
    keys.sort_by_key(|key| (key.len(), key.clone()));
    keys.dedup();
    keys
}

/// Names of the two parts of a probe.
const PROBE_PARTS: [[&str; 2]; 5] = [
    ["probe_real", "probe_imag"],
    ["probe_re", "probe_im"],
    ["probe_r", "probe_i"],
    ["probeGuess_real", "probeGuess_imag"],
    ["probe/real", "probe/imag"],
];

/// Roles by the keys of an NPZ dataset (A§1.1), which HDF5 and MATLAB files may have, too.
fn by_keys(source: &mut Source) -> Roles {
    let mut number = |key: &str| {
        source.array(key).filter(|info| info.numeric && info.real)?;
        let value = source.read_f64(key).ok()?.first().copied();
        value.filter(|value| value.is_finite() && *value > 0.0)
    };
    let object_pixel_m = number("pixel_size_m").map(|side| [side, side]);
    let fresnel_number = number("fresnel_number");
    let first = |names: &[&str]| names.iter().find(|name| source.array(name).is_some()).map(|name| (*name).to_owned());
    let positions = match (first(&["xcoords"]), first(&["ycoords"])) {
        (Some(x), Some(y)) => Some(PositionKeys::Pair { x, y }),
        _ => None,
    };
    Roles {
        format: if matches!(source, Source::Npz(_)) { "NumPy dataset" } else { "HDF5 dataset" },
        diffraction: first(&["diffraction", "diff3d"]).into_iter().collect(),
        positions,
        probe: first(&["probeGuess", "probe"]),
        probe_parts: PROBE_PARTS.iter().find_map(|[re, im]| Some([first(&[re])?, first(&[im])?])),
        object: first(&["objectGuess", "object"]),
        mask: first(&["bad_pixels", "mask", "detector_mask"]).map(|key| {
            let good = match key.as_str() {
                "bad_pixels" => MaskGood::Zero,
                // Written by `simulate`.
                "detector_mask" => MaskGood::NonZero,
                _ => MaskGood::Auto,
            };
            (key, good)
        }),
        background: first(&["background"]),
        geometry: Geometry { object_pixel_m, fresnel_number, ..Geometry::default() },
        ..Roles::default()
    }
}

/// Roles of an HDF5 file; `mapped` are the patterns, if they were chosen by the user.
fn hdf5(source: &mut Source, mapped: Option<&[String]>) -> Roles {
    let Source::Hdf5(file) = &*source else { return Roles::default() };
    let known = cxi::roles(file)
        .or_else(|| product::roles(file))
        .or_else(|| ptyd(file))
        .or_else(|| ptyr(file))
        .or_else(|| assembled(file));
    if let Some(known) = known {
        return known;
    }
    if file.array("diffraction").is_some() || file.array("diff3d").is_some() {
        return by_keys(source);
    }
    nexus::roles(file, mapped)
}

/// A result of PtyPy: probe and object of the first storage.
fn ptyr(file: &Hdf5File) -> Option<Roles> {
    let first = |group: &str| {
        let paths = file.arrays().iter().map(|array| array.path.as_str());
        paths.into_iter().find(|path| path.starts_with(group) && path.ends_with("/data")).map(str::to_owned)
    };
    Some(Roles {
        format: "PtyPy result (.ptyr)",
        probe: Some(first("content/probe/")?),
        object: first("content/obj/"),
        ..Roles::default()
    })
}

/// PtyPy's prepared data: chunks of patterns, weights and positions (m, (row, column)); energy in keV.
fn ptyd(file: &Hdf5File) -> Option<Roles> {
    let chunks: Vec<String> = (0..)
        .map(|at| format!("chunks/{at}"))
        .take_while(|chunk| file.array(&format!("{chunk}/data")).is_some())
        .collect();
    let first = chunks.first()?;
    let each = |name: &str| chunks.iter().map(|chunk| format!("{chunk}/{name}")).collect::<Vec<_>>();
    let mut problems = Problems::new();
    let mut measure = |names: &[&str], quantity: Quantity, factor: f64| {
        let key = names.iter().find(|name| file.array(name).is_some())?;
        let found = units::measure(file, key, quantity, |value| value * factor);
        found.map_err(|verdict| problems.push((quantity, verdict))).ok().flatten().map(|found| found.value)
    };
    let energy_ev = measure(&["meta/energy", "info/energy"], Quantity::Energy, 1e3);
    let distance_m = measure(&["meta/distance", "info/distance"], Quantity::Distance, 1.0);
    let pixel = file.read_f64("meta/psize").or_else(|_| file.read_f64("info/psize")).ok();
    let detector_pixel_m = pixel.and_then(|pixel| {
        let values: Vec<f64> = pixel.into_iter().collect();
        match values[..] {
            [side] => Some([side, side]),
            [y, x] => Some([x, y]),
            _ => None,
        }
    });
    // Weights of the whole scan, or of each pattern: 0 for a bad pixel.
    let mut weights: Vec<String> = match file.first_of(&["info/weight2d", "meta/weight2d"]) {
        Some(common) => vec![common],
        None => each("weights").into_iter().filter(|key| file.array(key).is_some()).collect(),
    };
    let more_masks = weights.split_off(weights.len().min(1));
    Some(Roles {
        format: "PtyPy data file (.ptyd)",
        positions: file
            .array(&format!("{first}/positions"))
            .map(|_| PositionKeys::Both { keys: each("positions"), order: PositionOrder::Yx }),
        diffraction: each("data"),
        unit: Unit::Meters(1.0),
        holds_counts: true,
        problems,
        mask: weights.pop().map(|key| (key, MaskGood::NonZero)),
        more_masks,
        geometry: Geometry {
            wavelength_m: energy_ev.map(wavelength_of_ev),
            distance_m,
            detector_pixel_m,
            ..Geometry::default()
        },
        ..Roles::default()
    })
}

/// Ptychodus' file of assembled patterns.
fn assembled(file: &Hdf5File) -> Option<Roles> {
    file.array("patterns")?;
    file.array("bad_pixels")?;
    let pixel = |name: &str| file.attribute("patterns", name);
    Some(Roles {
        format: "Ptychodus diffraction file",
        diffraction: vec!["patterns".into()],
        mask: Some(("bad_pixels".into(), MaskGood::Zero)),
        holds_counts: true,
        geometry: Geometry {
            detector_pixel_m: Some([pixel("detector_pixel_width_m")?, pixel("detector_pixel_height_m")?]),
            ..Geometry::default()
        },
        ..Roles::default()
    })
}
