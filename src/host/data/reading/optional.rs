//! Optional arrays of a dataset: an object for comparison, and metadata.

use super::context::Reading;
use super::verdict::{Status, Verdict};
use crate::formats::npz::shape_text;
use ndarray::{Array2, Ix2, IxDyn};
use num_complex::Complex32;

/// Reads the object; it is only used for comparison, so an unusable one is ignored with a warning.
pub(super) fn read_object(reading: &mut Reading, key: Option<&str>) -> Option<Array2<Complex32>> {
    const CHECK: &str = "object";
    let Some(key) = key else {
        reading.judge(Verdict::pass(CHECK, "no objectGuess: the result will not be compared with a known object"));
        return None;
    };
    let result = reading.source.read_c32(key);
    let mut ignore = |verdict: Verdict| {
        reading.note(format!("The object {key:?} is ignored: {}", verdict.found));
        reading.judge(verdict.advice("Nothing will be compared with it; export it again if you need the comparison"));
    };
    let array = match result {
        Ok(array) => array,
        Err(error) => {
            ignore(Verdict::from_error(CHECK, Status::Warn, &error));
            return None;
        }
    };
    let text = shape_text(array.shape());
    let shape: Vec<usize> = array.shape().iter().copied().filter(|&length| length != 1).collect();
    let reshaped = array.into_shape_with_order(IxDyn(&shape)).ok().and_then(|a| a.into_dimensionality::<Ix2>().ok());
    let Some(object) = reshaped.filter(|object| !object.is_empty()) else {
        ignore(Verdict::warn(CHECK, format!("The object has shape {text}")).expected("shape (H, W)"));
        return None;
    };
    let unusable = object.iter().filter(|value| !value.is_finite()).count();
    if unusable > 0 {
        ignore(
            Verdict::warn(CHECK, format!("{unusable} pixels of the object are not finite")).expected("finite numbers"),
        );
        return None;
    }
    if object.iter().all(|value| Some(value) == object.first()) {
        ignore(
            Verdict::warn(CHECK, "The object has the same value everywhere: a placeholder").expected("a known object"),
        );
        return None;
    }
    reading.judge(Verdict::pass(CHECK, format!("{key} {text}")));
    Some(object)
}

/// Photons per pattern; metadata are optional, so unreadable ones only give a warning (A§1.4). `size`: side of the patterns.
pub(super) fn read_metadata(reading: &mut Reading, size: Option<usize>) -> Option<f64> {
    const CHECK: &str = "metadata";
    reading.source.array("_metadata")?;
    let metadata = match reading.source.read_json("_metadata") {
        Ok(metadata) => metadata,
        Err(error) => {
            reading.note("The metadata could not be read and are ignored");
            reading.judge(Verdict::from_error(CHECK, Status::Warn, &error));
            return None;
        }
    };
    let physics = &metadata["physics_parameters"];
    let nphotons = physics["nphotons"].as_f64().filter(|value| value.is_finite() && *value > 0.0);
    let stated = physics["N"].as_u64().and_then(|value| usize::try_from(value).ok());
    reading.judge(match (stated, size) {
        (Some(stated), Some(size)) if stated != size => {
            Verdict::warn(CHECK, format!("The metadata state N = {stated}, but the patterns have N = {size}"))
                .expected("the same size")
                .advice("The patterns were probably cropped or binned later; the size of the patterns is used")
        }
        _ => Verdict::pass(
            CHECK,
            nphotons.map_or("number of photons not stated".into(), |value| format!("{value:e} photons per pattern")),
        ),
    });
    nphotons
}
