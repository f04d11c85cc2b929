//! Units that a file states for its numbers.

use super::source::Source;
use super::verdict::Verdict;
use crate::formats::hdf5::Hdf5File;

/// Names of the attribute that states the unit of an array.
const ATTRIBUTES: [&str; 4] = ["units", "unit", "Units", "Unit"];

/// Quantity that a unit measures, with the plausible range in an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Photon energy, eV.
    Energy,
    /// Distance from sample to detector, m.
    Distance,
    /// Side of a detector pixel, m.
    DetectorPixel,
    /// Scan position, m or pixels.
    Positions,
}

impl Quantity {
    /// Name and range, in SI units or eV, beyond which the value is rejected.
    fn plausible(self) -> (&'static str, f64, f64, &'static str) {
        match self {
            Self::Energy => ("photon energy", 1.0, 1e6, "eV"),
            Self::Distance => ("detector distance", 1e-4, 500.0, "m"),
            Self::DetectorPixel => ("detector pixel", 1e-8, 0.02, "m"),
            Self::Positions => ("position", 0.0, f64::INFINITY, "m"),
        }
    }

    /// Setting that replaces the value of the file.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Energy => "data.geometry.energy_ev",
            Self::Distance => "data.geometry.distance_m",
            Self::DetectorPixel => "data.geometry.detector_pixel_m",
            Self::Positions => "data.mapping.position_unit",
        }
    }
}

/// Unit that a text names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Named {
    /// Length, m.
    Length(f64),
    /// Energy, eV.
    Energy(f64),
    /// Pixels.
    Pixels,
}

/// The unit that a text names, in any usual spelling; `None` if it is not known.
pub(super) fn parse(text: &str) -> Option<Named> {
    let text = text.trim().trim_matches(['[', ']', '(', ')']).trim();
    // Energies by case: meV and MeV differ.
    let energy = match text {
        "eV" | "ev" | "EV" => Some(1.0),
        "keV" | "kev" | "KeV" | "kEV" => Some(1e3),
        "MeV" | "Mev" => Some(1e6),
        "GeV" | "Gev" | "gev" => Some(1e9),
        "meV" => Some(1e-3),
        "J" | "j" | "joule" | "Joule" | "joules" => Some(1.0 / super::geometry::J_PER_EV),
        _ => None,
    };
    if let Some(energy) = energy {
        return Some(Named::Energy(energy));
    }
    let length = match text.to_lowercase().as_str() {
        "m" | "meter" | "meters" | "metre" | "metres" => 1.0,
        "cm" | "centimeter" | "centimeters" => 1e-2,
        "mm" | "millimeter" | "millimeters" | "millimetre" | "millimetres" => 1e-3,
        "um" | "µm" | "\u{3bc}m" | "micron" | "microns" | "micrometer" | "micrometers" | "micrometre"
        | "micrometres" | "mum" => 1e-6,
        "nm" | "nanometer" | "nanometers" | "nanometre" | "nanometres" => 1e-9,
        "pm" | "picometer" | "picometers" => 1e-12,
        "å" | "\u{212b}" | "a" | "ang" | "angstrom" | "angstroms" | "ångström" => 1e-10,
        "px" | "pix" | "pixel" | "pixels" => return Some(Named::Pixels),
        _ => return None,
    };
    Some(Named::Length(length))
}

/// Name of a unit of this length in meters.
pub(super) fn length_name(meters: f64) -> String {
    const NAMES: [(f64, &str); 7] =
        [(1.0, "m"), (1e-2, "cm"), (1e-3, "mm"), (1e-6, "µm"), (1e-9, "nm"), (1e-10, "Å"), (1e-12, "pm")];
    let known = NAMES.iter().find(|(length, _)| (meters / length - 1.0).abs() < 1e-9);
    known.map_or_else(|| format!("units of {meters:e} m"), |(_, name)| (*name).to_owned())
}

/// Unit that the file states for an array, as written; `None` if none is stated.
pub(super) fn stated(file: &Hdf5File, key: &str) -> Option<String> {
    ATTRIBUTES.iter().find_map(|name| file.text_attribute(key, name))
}

/// A number of a file in SI units (energies in eV), with what the file states about it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    /// Path of the number.
    pub key: String,
    /// Value, m or eV.
    pub value: f64,
    /// Number and unit as in the file.
    pub text: String,
}

/// Reads a length (m) or an energy (eV); a number without a unit is multiplied by `default`. Texts such as `10 keV` are
/// understood.
///
/// # Errors
/// A failed verdict if the unit is unknown or the value implausible.
pub(super) fn measure(
    file: &Hdf5File,
    key: &str,
    quantity: Quantity,
    default: impl Fn(f64) -> f64,
) -> Result<Option<Measured>, Verdict> {
    match number_of(file, key) {
        Some((number, unit)) => converted(key, number, unit, quantity, default),
        None => Ok(None),
    }
}

/// A number, or a text that begins with one, and the unit that the file states for it.
fn number_of(file: &Hdf5File, key: &str) -> Option<(f64, Option<String>)> {
    let (number, unit) = file.number(key).map(|number| (number, None)).or_else(|| number_and_unit(&file.text(key)?))?;
    Some((number, unit.or_else(|| stated(file, key))))
}

/// The same of an attribute of an array.
fn number_of_attribute(file: &Hdf5File, key: &str, name: &str) -> Option<(f64, Option<String>)> {
    let number = file.attribute(key, name).map(|number| (number, None));
    number.or_else(|| number_and_unit(&file.text_attribute(key, name)?))
}

/// As [`measure`], of the number that a setting names as `KEY`, `KEY [unit]` or `KEY@ATTRIBUTE [unit]`.
///
/// # Errors
/// As [`measure`], or if there is no such number.
pub(super) fn measure_named(source: &mut Source, text: &str, quantity: Quantity) -> Result<Option<Measured>, Verdict> {
    let (name, unit) = match text.trim().strip_suffix(']').and_then(|text| text.rsplit_once('[')) {
        Some((name, unit)) => (name.trim(), Some(unit.trim().to_owned())),
        None => (text.trim(), None),
    };
    let (key, attribute) = name.split_once('@').map_or((name, None), |(key, attribute)| (key, Some(attribute)));
    let of_file = |file: &Hdf5File| match attribute {
        Some(attribute) => number_of_attribute(file, key, attribute),
        None => number_of(file, key),
    };
    let found = match source {
        Source::Hdf5(file) => of_file(file),
        Source::Images(stack) => stack.first_hdf5().and_then(|path| of_file(&Hdf5File::open(path).ok()?)),
        Source::Npz(archive) => archive.read_f64(key).ok().and_then(|values| Some((*values.first()?, None))),
    };
    let Some((number, stated)) = found.filter(|(number, _)| number.is_finite()) else {
        return Err(Verdict::fail("geometry", format!("There is no number {name:?} in the file"))
            .expected(format!("the {}", quantity.plausible().0))
            .advice(format!("Correct the key, or state the value with --set {}=…", quantity.setting())));
    };
    match (quantity, unit.as_deref().or(stated.as_deref()).and_then(parse)) {
        // A wavelength.
        (Quantity::Energy, Some(Named::Length(factor))) => {
            let energy = super::geometry::wavelength_of_ev(number * factor);
            converted(name, energy, None, quantity, |value| value)
        }
        _ => converted(name, number, unit.or(stated), quantity, |value| value),
    }
}

/// A number with its unit in SI units (energies in eV), if it is not zero.
fn converted(
    key: &str,
    number: f64,
    unit: Option<String>,
    quantity: Quantity,
    default: impl Fn(f64) -> f64,
) -> Result<Option<Measured>, Verdict> {
    let (name, low, high, si) = quantity.plausible();
    if number == 0.0 {
        return Ok(None);
    }
    let text = unit.as_ref().map_or_else(|| format!("{number}"), |unit| format!("{number} {unit}"));
    let value = match unit.as_deref().map(parse) {
        None => default(number),
        Some(Some(Named::Length(factor))) if quantity != Quantity::Energy => number * factor,
        Some(Some(Named::Energy(factor))) if quantity == Quantity::Energy => number * factor,
        Some(_) => {
            return Err(Verdict::fail(
                "units",
                format!("The {name} {key:?} has the unit {:?}", unit.unwrap_or_default()),
            )
            .expected(if quantity == Quantity::Energy { "eV, keV or J" } else { "a length such as m, mm or um" })
            .advice(format!("State the value with --set {}=…", quantity.setting())));
        }
    };
    if !(low..=high).contains(&value.abs()) {
        let hint = if quantity == Quantity::Energy && value > high {
            " (this may be the energy of the storage ring)"
        } else {
            ""
        };
        return Err(Verdict::fail(
            "geometry",
            format!("The {name} {key:?} is {text}, which is {value:.4e} {si}{hint}"),
        )
        .expected(format!("{low:e} to {high:e} {si}"))
        .advice(format!("Correct its unit in the file, or state the value with --set {}=…", quantity.setting())));
    }
    Ok(Some(Measured { key: key.to_owned(), value, text }))
}

/// Number and unit in a text such as `10.0 keV`.
pub(in crate::data) fn number_and_unit(text: &str) -> Option<(f64, Option<String>)> {
    let text = text.trim().trim_matches('\0').trim();
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-' | 'e' | 'E'))).unwrap_or(text.len());
    // The exponent may swallow the e of eV.
    let (number, at) = (0..=end).rev().find_map(|at| Some((text.get(..at)?.trim().parse::<f64>().ok()?, at)))?;
    let unit = text.get(at..)?.trim();
    number.is_finite().then(|| (number, (!unit.is_empty()).then(|| unit.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_known_in_their_usual_spellings() {
        for (text, unit) in [
            ("um", Named::Length(1e-6)),
            ("µm", Named::Length(1e-6)),
            ("[μm]", Named::Length(1e-6)),
            ("Microns", Named::Length(1e-6)),
            ("mm", Named::Length(1e-3)),
            ("Å", Named::Length(1e-10)),
            ("keV", Named::Energy(1e3)),
            ("GeV", Named::Energy(1e9)),
            ("pixels", Named::Pixels),
        ] {
            assert_eq!(parse(text), Some(unit), "{text}");
        }
        assert_eq!(parse("mrad"), None);
        assert!(matches!(parse("J"), Some(Named::Energy(ev)) if (ev * 1.602_176_634e-19 - 1.0).abs() < 1e-12));
    }

    #[test]
    fn named_numbers_and_texts_are_read_with_their_units_from_a_file_and_from_a_series_of_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = ptychoscope_base::testing::repository().join("tests/fuzz/corpus/series/texts.h5");
        for k in 1..3 {
            std::fs::copy(&file, folder.path().join(format!("part_{k}.h5"))).unwrap();
        }
        for path in [file, folder.path().join("part_*.h5")] {
            let mut source = Source::open(&path).unwrap();
            let mut named = |text: &str, quantity: Quantity| {
                let found = measure_named(&mut source, text, quantity).map_err(|verdict| verdict.found);
                found.map(|found| found.unwrap().value)
            };
            for (text, quantity, value) in [
                ("energy", Quantity::Energy, 8500.0),
                ("energy@lambda", Quantity::Energy, super::super::geometry::wavelength_of_ev(1.5e-10)),
                ("distance", Quantity::Distance, 2.1),
                ("distance [m]", Quantity::Distance, 2100.0),
                ("pixel", Quantity::DetectorPixel, 75e-6),
                ("pixel@binned", Quantity::DetectorPixel, 150e-6),
            ] {
                if text == "distance [m]" {
                    assert!(named(text, quantity).unwrap_err().contains("2100 m"), "{}", path.display());
                    continue;
                }
                let found = named(text, quantity).unwrap();
                assert!((found / value - 1.0).abs() < 1e-9, "{text} in {}: {found}", path.display());
            }
            assert!(named("none", Quantity::Energy).unwrap_err().contains("no number \"none\""));
        }
    }

    #[test]
    fn numbers_with_units_are_read_from_texts() {
        assert_eq!(number_and_unit("10.0 keV"), Some((10.0, Some("keV".into()))));
        assert_eq!(number_and_unit("8979eV"), Some((8979.0, Some("eV".into()))));
        assert_eq!(number_and_unit(" 1.5e-3 "), Some((1.5e-3, None)));
        assert_eq!(number_and_unit("none"), None);
    }
}
