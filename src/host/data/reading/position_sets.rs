//! Comparison of several position sets in one file: nominal, measured, true.

use super::context::Reading;
use super::role_keys::{PositionKeys, Roles};
use super::source::Source;
use super::verdict::{Fix, Verdict};

const CHECK: &str = "position set";
/// Two sets are the same below this largest distance, in the unit of the file.
const TOLERANCE: f64 = 1e-3;

/// Compares the position set in use with the others of the file (`…xcoords…` and `…ycoords…` of the same length); `None` if
/// there is no other. A configured set passes.
pub(super) fn compare(reading: &mut Reading, roles: &Roles, used: &[[f64; 2]]) -> Option<Verdict> {
    let mapping = &reading.config.mapping;
    let Some(PositionKeys::Pair { x, y }) = &roles.positions else { return None };
    let mut others = Vec::new();
    for key in reading.source.keys() {
        let partner = key.replacen("xcoords", "ycoords", 1);
        if partner == key || key == *x {
            continue;
        }
        if let Some(distance) = distance(reading.source, &key, &partner, used) {
            others.push((key, partner, distance));
        }
    }
    let differs = |(key, partner, (rms, max)): &(String, String, (f64, f64))| {
        format!("{key}/{partner} differs by {rms:.2} px rms, at most {max:.2} px")
    };
    let (same, different): (Vec<_>, Vec<_>) = others.iter().partition(|(_, _, (_, max))| *max <= TOLERANCE);
    let mut texts: Vec<String> = different.iter().map(|other| differs(other)).collect();
    texts.extend(same.iter().map(|(key, partner, _)| format!("{key}/{partner} is identical")));
    let is_configured = !mapping.x.is_empty() && !mapping.y.is_empty();
    if texts.is_empty() {
        return None;
    }
    let how = if is_configured { "is used, as configured" } else { "is used" };
    let found = format!("{x}/{y} {how}; {}", texts.join("; "));
    if different.is_empty() || is_configured {
        return Some(Verdict::pass(CHECK, found));
    }
    let ways: Vec<String> = different
        .iter()
        .map(|(key, partner, _)| format!("data.mapping.x to {key:?} and data.mapping.y to {partner:?}"))
        .collect();
    Some(
        Verdict::warn(CHECK, found)
            .expected("one set of positions, or sets that agree")
            .advice(format!("To use another set, set {}", ways.join(", or ")))
            .fixes(different.iter().map(|(key, partner, _)| {
                Fix::new(
                    format!("Use {key} and {partner}"),
                    [("data.mapping.x", key.clone()), ("data.mapping.y", partner.clone())],
                )
            })),
    )
}

/// Root mean square and largest distance of two sets after removing a common shift; `None` if there is no second set.
fn distance(source: &mut Source, x: &str, y: &str, used: &[[f64; 2]]) -> Option<(f64, f64)> {
    let mut axis = |key: &str| {
        let is_numbers = source.array(key).is_some_and(|info| info.numeric && info.real);
        let values = is_numbers.then(|| source.read_f64(key).ok()).flatten()?;
        (values.len() == used.len()).then(|| values.into_iter().collect::<Vec<f64>>())
    };
    let (xs, ys) = (axis(x)?, axis(y)?);
    let steps: Vec<[f64; 2]> = used.iter().zip(xs.iter().zip(&ys)).map(|(p, (x, y))| [x - p[0], y - p[1]]).collect();
    let count = steps.len().max(1) as f64;
    let mean = [0, 1].map(|axis| steps.iter().filter_map(|step| step.get(axis)).sum::<f64>() / count);
    let lengths: Vec<f64> = steps.iter().map(|[x, y]| (x - mean[0]).hypot(y - mean[1])).collect();
    let rms = (lengths.iter().map(|length| length * length).sum::<f64>() / count).sqrt();
    let max = lengths.iter().copied().fold(0.0, f64::max);
    rms.is_finite().then_some((rms, max))
}
