//! Assignment of roles to the arrays of a file: by the names of its format, or as configured.

use super::geometry::{Geometry, wavelength_of_ev};
use super::role_keys::{PositionKeys, Roles, Unit};
use super::source::Source;
use super::{cxi, product};
use crate::config::{Mapping, MaskGood, PositionOrder, PositionUnit};
use crate::formats::hdf5::Hdf5File;

/// Roles by the key names of the format; configured keys take precedence.
pub(super) fn find(source: &mut Source, mapping: &Mapping) -> Roles {
    let mut roles = match source {
        Source::Npz(archive) if product::is_npz_product(archive) => product::npz_roles(archive),
        Source::Npz(_) => numpy(source),
        Source::Hdf5(file) => hdf5(file),
    };
    let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    if let Some(key) = given(&mapping.diffraction) {
        let parts = matching(source, &key);
        roles.diffraction = if parts.is_empty() { vec![key] } else { parts };
    }
    if let (Some(step), Some(key)) = (mapping.scan_step, roles.diffraction.first()) {
        roles.positions = Some(PositionKeys::Raster { patterns: key.clone(), step });
    } else if let (Some(x), Some(y)) = (given(&mapping.x), given(&mapping.y)) {
        roles.positions = Some(PositionKeys::Pair { x, y });
    } else if let Some(key) = given(&mapping.positions) {
        roles.positions = Some(PositionKeys::Both { keys: vec![key], order: mapping.position_order });
    }
    if let Some(meters) = mapping.position_unit.meters() {
        roles.unit = Unit::Meters(meters);
    } else if mapping.position_unit == PositionUnit::Px {
        roles.unit = Unit::Px;
    }
    roles.probe = given(&mapping.probe).or(roles.probe);
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
    keys.retain(|key| matches(key, pattern));
    keys.sort_by_key(|key| (key.len(), key.clone()));
    keys.dedup();
    keys
}

/// True if a name matches a pattern in which `*` stands for any text.
fn matches(name: &str, pattern: &str) -> bool {
    match pattern.trim_start_matches('/').split_once('*') {
        None => name == pattern.trim_start_matches('/'),
        Some((start, rest)) => name
            .strip_prefix(start)
            .is_some_and(|name| (0..=name.len()).filter_map(|at| name.get(at..)).any(|name| matches(name, rest))),
    }
}

/// Roles of an NPZ dataset (A§1.1).
fn numpy(source: &mut Source) -> Roles {
    let pixel_size = match source.array("pixel_size_m") {
        Some(info) if info.numeric && info.real => source.read_f64("pixel_size_m").ok(),
        _ => None,
    };
    let pixel_size = pixel_size
        .and_then(|size| size.first().copied())
        .filter(|size| size.is_finite() && *size > 0.0)
        .map(|side| [side, side]);
    let first = |names: &[&str]| names.iter().find(|name| source.array(name).is_some()).map(|name| (*name).to_owned());
    let positions = match (first(&["xcoords"]), first(&["ycoords"])) {
        (Some(x), Some(y)) => Some(PositionKeys::Pair { x, y }),
        _ => None,
    };
    Roles {
        format: "NumPy dataset",
        diffraction: first(&["diffraction", "diff3d"]).into_iter().collect(),
        positions,
        probe: first(&["probeGuess", "probe"]),
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
        geometry: Geometry { object_pixel_m: pixel_size, ..Geometry::default() },
        ..Roles::default()
    }
}

fn hdf5(file: &Hdf5File) -> Roles {
    cxi::roles(file)
        .or_else(|| product::roles(file))
        .or_else(|| ptyd(file))
        .or_else(|| flat(file))
        .unwrap_or(Roles { format: "HDF5 file", ..Roles::default() })
}

/// PtyPy's prepared data: chunks of patterns, weights and positions (m, (row, column)); energy in keV.
fn ptyd(file: &Hdf5File) -> Option<Roles> {
    let chunks: Vec<String> = (0..)
        .map(|at| format!("chunks/{at}"))
        .take_while(|chunk| file.array(&format!("{chunk}/data")).is_some())
        .collect();
    let first = chunks.first()?;
    let each = |name: &str| chunks.iter().map(|chunk| format!("{chunk}/{name}")).collect::<Vec<_>>();
    let number = |names: &[&str]| names.iter().find_map(|name| file.number(name));
    let pixel = file.read_f64("meta/psize").or_else(|_| file.read_f64("info/psize")).ok();
    let detector_pixel_m = pixel.and_then(|pixel| {
        let values: Vec<f64> = pixel.into_iter().collect();
        match values[..] {
            [side] => Some([side, side]),
            [y, x] => Some([x, y]),
            _ => None,
        }
    });
    let energy_kev = number(&["meta/energy", "info/energy"]);
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
        mask: weights.pop().map(|key| (key, MaskGood::NonZero)),
        more_masks,
        geometry: Geometry {
            wavelength_m: energy_kev.map(|kev| wavelength_of_ev(kev * 1e3)),
            distance_m: number(&["meta/distance", "info/distance"]),
            detector_pixel_m,
            object_pixel_m: None,
        },
        ..Roles::default()
    })
}

/// Keys of an NPZ dataset in an HDF5 file, or of Ptychodus' file of assembled patterns.
fn flat(file: &Hdf5File) -> Option<Roles> {
    if file.array("patterns").is_some() && file.array("bad_pixels").is_some() {
        let pixel = |name: &str| file.attribute("patterns", name);
        return Some(Roles {
            format: "Ptychodus diffraction file",
            diffraction: vec!["patterns".into()],
            mask: Some(("bad_pixels".into(), MaskGood::Zero)),
            geometry: Geometry {
                detector_pixel_m: Some([pixel("detector_pixel_width_m")?, pixel("detector_pixel_height_m")?]),
                ..Geometry::default()
            },
            ..Roles::default()
        });
    }
    let diffraction = file.first_of(&["diffraction", "diff3d"])?;
    let positions = match (file.first_of(&["xcoords"]), file.first_of(&["ycoords"])) {
        (Some(x), Some(y)) => Some(PositionKeys::Pair { x, y }),
        _ => None,
    };
    Some(Roles {
        format: "HDF5 dataset",
        diffraction: vec![diffraction],
        positions,
        probe: file.first_of(&["probeGuess", "probe"]),
        object: file.first_of(&["objectGuess", "object"]),
        mask: file.first_of(&["mask"]).map(|key| (key, MaskGood::Auto)),
        ..Roles::default()
    })
}
