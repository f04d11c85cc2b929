//! Which arrays there are, and whether they are all a dataset needs.

use super::super::contract::Verdict;
use super::super::roles::{self, Roles};
use super::super::source::Source;
use crate::config::DataConfig;

/// The roles of the arrays, with the verdict on what is missing.
pub(super) fn find_roles(
    source: &mut Source,
    config: &DataConfig,
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Roles {
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
