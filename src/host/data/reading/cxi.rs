//! CXI files (version 1.6 of the Coherent X-ray Imaging format): patterns, translations, geometry, mask.
//!
//! Lengths are in meters, the photon energy in joules. Translations move the sample; with the usual detector axes along -x
//! (columns) and -y (rows), the beam position in the object is column +t_x, row +t_y.

use super::geometry::{Geometry, J_PER_EV, wavelength_of_ev};
use super::role_keys::{PositionKeys, Problems, Roles, Unit};
use super::units::{self, Measured, Quantity};
use super::verdict::Verdict;
use crate::config::{MaskGood, PositionOrder};
use crate::formats::hdf5::Hdf5File;

/// Above this value an energy is in electronvolts instead of joules.
const LARGEST_ENERGY_J: f64 = 1e-9;

/// Places of the photon energy, the standard one first.
const ENERGIES: [&str; 5] = [
    "instrument_1/source_1/energy",
    "instrument_1/beam_1/energy",
    "instrument_1/beam_1/incident_energy",
    "instrument_1/beam_1/incident_beam_energy",
    "instrument_1/monochromator_1/energy",
];

/// Failed verdict if two of the energies differ.
fn contradiction(energies: &[Measured]) -> Option<Verdict> {
    let (first, others) = energies.split_first()?;
    let other = others.iter().find(|other| (other.value / first.value - 1.0).abs() > 0.01)?;
    let ev = |energy: &Measured| format!("{:?} is {} ({:.4e} eV)", energy.key, energy.text, energy.value);
    Some(
        Verdict::fail("geometry", format!("The file states two photon energies: {}, but {}", ev(first), ev(other)))
            .expected("one photon energy")
            .advice("State the right one with --set data.geometry.energy_ev=…"),
    )
}

/// Roles of a CXI file; `None` if the file is not CXI.
pub(super) fn roles(file: &Hdf5File) -> Option<Roles> {
    let entry = ["entry_1", "entry"].into_iter().find(|entry| {
        let below = format!("{entry}/");
        file.arrays().iter().any(|array| array.path.starts_with(&below))
            && (file.array(&format!("{entry}/data_1/data")).is_some()
                || file.array(&format!("{entry}/instrument_1/detector_1/data")).is_some())
    })?;
    let first = |paths: &[&str]| {
        let paths: Vec<String> = paths.iter().map(|path| format!("{entry}/{path}")).collect();
        file.first_of(&paths.iter().map(String::as_str).collect::<Vec<_>>())
    };
    const DETECTOR: &str = "instrument_1/detector_1";
    let detector = |name: &str| format!("{DETECTOR}/{name}");
    let mut problems = Problems::new();
    let mut length = |quantity: Quantity, path: &str| {
        let measured = units::measure(file, &first(&[path])?, quantity, |meters| meters);
        measured.map_err(|verdict| problems.push((quantity, verdict))).ok().flatten().map(|found| found.value)
    };
    let distance_m = length(Quantity::Distance, &detector("distance")).map(f64::abs);
    let wavelength = length(Quantity::Positions, "instrument_1/source_1/wavelength").filter(|length| *length > 0.0);
    let mut side = |name: &str| length(Quantity::DetectorPixel, &detector(name)).filter(|side| *side > 0.0);
    let sides = (side("x_pixel_size"), side("y_pixel_size"));
    let energies: Vec<Measured> = ENERGIES
        .iter()
        .filter_map(|path| {
            let joules = |value: f64| if value > LARGEST_ENERGY_J { value } else { value / J_PER_EV };
            let measured = units::measure(file, &first(&[path])?, Quantity::Energy, joules);
            measured.map_err(|verdict| problems.push((Quantity::Energy, verdict))).ok().flatten()
        })
        .collect();
    problems.extend(contradiction(&energies).map(|verdict| (Quantity::Energy, verdict)));
    // The standard requires the energy; a stored wavelength is only a copy.
    let wavelength_m = energies.first().map(|energy| wavelength_of_ev(energy.value)).or(wavelength);
    let basis = first(&[&detector("basis_vectors")]).and_then(|path| basis_of(file, &path));
    let pixel = match sides {
        (Some(x), Some(y)) => Some([x, y]),
        (Some(side), None) | (None, Some(side)) => Some([side, side]),
        (None, None) => basis.map(|basis| basis.map(|[x, y]| x.hypot(y))),
    };
    let translations = first(&[
        "data_1/translation",
        "sample_1/geometry_1/translation",
        &detector("translation"),
        "instrument_1/detector_1/geometry_1/translation",
    ]);
    Some(Roles {
        format: "CXI file",
        diffraction: first(&["data_1/data", &detector("data")]).into_iter().collect(),
        positions: translations.map(|key| PositionKeys::Both { keys: vec![key], order: PositionOrder::Xy }),
        unit: Unit::Meters(1.0),
        holds_counts: true,
        problems,
        axes: axes_of(basis),
        probe: first(&[
            "instrument_1/source_1/illumination",
            &detector("illumination"),
            &detector("probe"),
            "instrument_1/source_1/probe",
            "instrument_1/source_1/data_illumination",
        ]),
        object: None,
        mask: first(&["instrument_1/detector_1/mask", "data_1/mask"]).map(|key| (key, MaskGood::Auto)),
        cxi_mask: true,
        dark: first(&[&detector("data_dark")]),
        geometry: Geometry { wavelength_m, distance_m, detector_pixel_m: pixel, ..Geometry::default() },
        ..Roles::default()
    })
}

/// (x, y) steps to the next column and to the next row; stored as (3, 2), (2, 3) or without z.
fn basis_of(file: &Hdf5File, path: &str) -> Option<[[f64; 2]; 2]> {
    let basis = file.read_f64(path).ok()?;
    let at = |row: usize, column: usize| basis.get([row, column]).copied();
    let (slow, fast) = match *basis.shape() {
        [3, 2] => ([at(0, 0)?, at(1, 0)?], [at(0, 1)?, at(1, 1)?]),
        [2, 3 | 2] => ([at(0, 0)?, at(0, 1)?], [at(1, 0)?, at(1, 1)?]),
        _ => return None,
    };
    let valid = |v: &[f64; 2]| v.iter().all(|x| x.is_finite()) && v[0].hypot(v[1]) > 0.0;
    (valid(&slow) && valid(&fast)).then_some([fast, slow])
}

/// Weights of (t_x, t_y) in column and row: the sample moves against the detector axes.
fn axes_of(basis: Option<[[f64; 2]; 2]>) -> [[f64; 2]; 2] {
    let Some(basis) = basis else { return [[1.0, 0.0], [0.0, 1.0]] };
    basis.map(|[x, y]| {
        let length = x.hypot(y);
        // Avoids -0.0.
        [0.0 - x / length, 0.0 - y / length]
    })
}

/// True if a CXI mask value marks a good pixel: no bit set, or only "has signal" (0x1000).
pub(super) fn is_good(value: f64) -> bool {
    value == 0.0 || value == 4096.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_detector_axes_leave_translations_as_they_are() {
        let usual = [[-55e-6, 0.0], [0.0, -55e-6]];
        assert_eq!(axes_of(Some(usual)), [[1.0, 0.0], [0.0, 1.0]]);
        assert_eq!(axes_of(None), [[1.0, 0.0], [0.0, 1.0]]);
        // Detector mounted upside down.
        assert_eq!(axes_of(Some([[55e-6, 0.0], [0.0, 55e-6]])), [[-1.0, 0.0], [0.0, -1.0]]);
        // Rotated by 90°.
        assert_eq!(axes_of(Some([[0.0, -55e-6], [-55e-6, 0.0]])), [[0.0, 1.0], [1.0, 0.0]]);
    }

    #[test]
    fn a_pixel_with_any_bit_but_signal_is_bad() {
        assert!(is_good(0.0) && is_good(4096.0));
        assert!(!is_good(1.0) && !is_good(4097.0) && !is_good(256.0));
    }
}
