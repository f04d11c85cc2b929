//! Check that a file has all arrays a dataset needs.

use super::context::Reading;
use super::role_keys::Roles;
use super::roles;
use super::source::Source;
use super::units::Quantity;
use super::verdict::Verdict;
use crate::config::PositionUnit;
use crate::formats::hdf5::Hdf5File;

const CHECK: &str = "required keys";

/// Finds the roles of the arrays and judges whether any are missing.
pub(super) fn find_roles(reading: &mut Reading) -> Roles {
    let roles = roles::find(reading.source, &reading.config.mapping);
    let is_hdf5 = matches!(reading.source, Source::Hdf5(_));
    if is_hdf5 || roles.format != "NumPy dataset" {
        reading.note(format!("Read as {}", roles.format));
    }
    for (key, name) in [(&roles.probe, "probeGuess"), (&roles.object, "objectGuess")] {
        if let Some(key) = key.as_ref().filter(|key| !is_hdf5 && matches!(key.as_str(), "probe" | "object")) {
            reading.note(format!("The array {key:?} is used as {name:?}"));
        }
    }
    let geometry = &reading.config.geometry;
    let problems = roles.problems.iter().filter(|(quantity, _)| match quantity {
        Quantity::Energy => geometry.energy_ev.is_none() && geometry.pixel_size_m.is_none(),
        Quantity::Distance => geometry.distance_m.is_none() && geometry.pixel_size_m.is_none(),
        Quantity::DetectorPixel => geometry.detector_pixel_m.is_none() && geometry.pixel_size_m.is_none(),
        Quantity::Positions => true,
    });
    reading.verdicts.extend(problems.map(|(_, verdict)| verdict.clone()));
    if let (Some(unit), true) = (&roles.stated_unit, reading.config.mapping.position_unit == PositionUnit::Auto) {
        reading.note(format!("The file states the unit of the positions: {unit}"));
    }
    if roles.format == "HDF5 file" && reading.config.mapping.diffraction.is_empty() && !roles.diffraction.is_empty() {
        reading.note(format!("The patterns are taken from {}", roles.diffraction.join(", ")));
    }
    let missing = missing_arrays(reading, &roles, is_hdf5);
    let verdict = if missing.is_empty() {
        let arrays =
            if roles.probe.is_some() { "diffraction, positions and probe" } else { "diffraction and positions" };
        Verdict::pass(CHECK, format!("{arrays} are present"))
    } else {
        judge_dangling(reading, &roles);
        missing_verdict(reading, &roles, is_hdf5, &missing)
    };
    reading.judge(verdict);
    if reading.config.mapping.diffraction.is_empty() {
        judge_duplicate_diffraction(reading);
    }
    roles
}

/// Judges patterns behind links that lead nowhere, which would be found only once nothing else is missing.
fn judge_dangling(reading: &mut Reading, roles: &Roles) {
    for key in &roles.diffraction {
        let is_dangling = |file: &Hdf5File| file.array(key).is_some_and(|array| array.is_dangling);
        if matches!(&*reading.source, Source::Hdf5(file) if is_dangling(file)) {
            let verdict = reading.source.unreadable_verdict(key);
            reading.judge(verdict);
        }
    }
}

/// Names of the required arrays that the file lacks.
fn missing_arrays(reading: &Reading, roles: &Roles, is_hdf5: bool) -> Vec<String> {
    let mapping = &reading.config.mapping;
    let no_diffraction = roles.diffraction.is_empty();
    if !mapping.positions_file.is_empty() {
        return no_diffraction.then(|| "diffraction patterns".to_owned()).into_iter().collect();
    }
    let missing = if is_hdf5 || !mapping.diffraction.is_empty() || is_product(roles) {
        [no_diffraction.then_some("diffraction patterns"), roles.positions.is_none().then_some("positions"), None]
    } else {
        let lacks_axis = |axis: &str| roles.positions.is_none() && reading.source.array(axis).is_none();
        [
            no_diffraction.then_some("diffraction (or diff3d)"),
            lacks_axis("xcoords").then_some("xcoords"),
            lacks_axis("ycoords").then_some("ycoords"),
        ]
    };
    missing.into_iter().flatten().map(str::to_owned).collect()
}

fn is_product(roles: &Roles) -> bool {
    roles.format == "Ptychodus product"
}

fn missing_verdict(reading: &Reading, roles: &Roles, is_hdf5: bool, missing: &[String]) -> Verdict {
    if is_product(roles) && roles.diffraction.is_empty() {
        let title = "This is a Ptychodus product: positions, probe and object of a reconstruction, without diffraction patterns";
        return Verdict::fail(CHECK, title).expected("a file with diffraction patterns").advice(
            "Choose the file with the patterns; to use the probe of the product, set --set data.mapping.probe_file=FILE",
        );
    }
    let by_mapping = "assign the arrays with --set data.mapping.diffraction=KEY, data.mapping.positions=KEY, \
                      data.mapping.position_order=xy or yx and data.mapping.position_unit=px or m; positions in \
                      another file are given with --positions-file FILE";
    let source = &reading.source;
    let advice = if is_hdf5 || !reading.config.mapping.diffraction.is_empty() {
        by_mapping.replacen("assign", "Assign", 1)
    } else {
        let both = ["positions", "position"].iter().any(|key| source.array(key).is_some());
        let ambiguous = if roles.positions.is_none() && both {
            "; an array of both coordinates does not define which is x and which unit it has"
        } else {
            ""
        };
        format!("Store the missing arrays under these names{ambiguous}. Or {by_mapping}")
    };
    Verdict::fail(CHECK, format!("The file lacks {}; it has {}", missing.join(", "), source.keys_text()))
        .expected("diffraction (or diff3d), xcoords, ycoords and, if known, probeGuess")
        .advice(advice)
}

/// Judges a file with both `diffraction` and `diff3d`.
fn judge_duplicate_diffraction(reading: &mut Reading) {
    const CHECK: &str = "one diffraction array";
    let source = &reading.source;
    let (Some(one), Some(other)) = (source.array("diffraction"), source.array("diff3d")) else { return };
    let verdict = if source.same_content("diffraction", "diff3d") {
        Verdict::pass(CHECK, "diffraction and diff3d are identical")
    } else {
        Verdict::fail(
            CHECK,
            format!(
                "The file has two different diffraction arrays: diffraction {} {} and diff3d {} {}",
                one.shape_text(),
                one.dtype,
                other.shape_text(),
                other.dtype
            ),
        )
        .expected("one of them")
        .advice("Remove the unwanted array, or select the other one with --set data.mapping.diffraction=KEY")
    };
    reading.judge(verdict);
}
