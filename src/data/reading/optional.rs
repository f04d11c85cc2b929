//! What a dataset may bring along: an object to compare with, metadata.

use super::super::contract::{Status, Verdict};
use super::super::npz::shape_text;
use super::super::source::Source;
use ndarray::{Array2, Ix2, IxDyn};
use num_complex::Complex32;

/// The object only serves comparison, so that an unusable one is left out with a warning.
pub(super) fn read_object(
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
pub(super) fn read_metadata(
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
