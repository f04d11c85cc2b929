//! Files with several sets of positions: nominal, measured, true.

use super::super::contract::Verdict;
use super::super::roles::{PositionKeys, Roles};
use super::super::source::Source;
use crate::config::Mapping;

const CHECK: &str = "position set";
/// Largest distance, in the unit of the file, below which two sets are the same.
const SAME: f64 = 1e-3;

/// Compares the set that is used with the others of the file, `…xcoords…` with `…ycoords…` of the same length; none where
/// there is no other. A set that was chosen is not doubted.
pub(super) fn judge(source: &mut Source, roles: &Roles, mapping: &Mapping, used: &[[f64; 2]]) -> Option<Verdict> {
    let Some(PositionKeys::Pair { x, y }) = &roles.positions else { return None };
    let mut others = Vec::new();
    for key in source.keys() {
        let partner = key.replacen("xcoords", "ycoords", 1);
        if partner == key || key == *x {
            continue;
        }
        if let Some(apart) = apart(source, &key, &partner, used) {
            others.push((key, partner, apart));
        }
    }
    let differs = |(key, partner, (rms, most)): &(String, String, (f64, f64))| {
        format!("{key}/{partner} differs by {rms:.2} px rms, at most {most:.2} px")
    };
    let (same, different): (Vec<_>, Vec<_>) = others.iter().partition(|(_, _, (_, most))| *most <= SAME);
    let mut words: Vec<String> = different.iter().map(|other| differs(other)).collect();
    words.extend(same.iter().map(|(key, partner, _)| format!("{key}/{partner} holds the same")));
    let chosen = !mapping.x.is_empty() && !mapping.y.is_empty();
    let (first, _) = words.split_first()?;
    let how = if chosen { "is used, as configured" } else { "is used" };
    let found = format!("{x}/{y} {how}; {}", if words.len() == 1 { first.clone() } else { words.join("; ") });
    if different.is_empty() || chosen {
        return Some(Verdict::pass(CHECK, found));
    }
    let ways: Vec<String> = different
        .iter()
        .map(|(key, partner, _)| format!("data.mapping.x to {key:?} and data.mapping.y to {partner:?}"))
        .collect();
    Some(
        Verdict::warn(CHECK, found)
            .expected("one set of positions, or sets that agree")
            .advice(format!("To use another set, set {}", ways.join(", or "))),
    )
}

/// Root mean square and largest distance of two sets, apart from a common shift; none if there is no second set.
fn apart(source: &mut Source, x: &str, y: &str, used: &[[f64; 2]]) -> Option<(f64, f64)> {
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
    let most = lengths.iter().copied().fold(0.0, f64::max);
    rms.is_finite().then_some((rms, most))
}
