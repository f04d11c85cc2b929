//! Which pixels of the detector are good: the mask of the file, a mask of its own, and values that are no counts.
//!
//! There is one mask for all patterns: where a file has one for each, a pixel that is bad in any of them is bad.

use super::super::contract::{Status, Verdict};
use super::super::cxi;
use super::super::fit::Fit;
use super::super::mask_file;
use super::super::npz::shape_text;
use super::super::roles::Roles;
use super::super::source::Source;
use super::layout::Frames;
use crate::config::{DataConfig, MaskGood};
use crate::error::Result;
use ndarray::{Array2, ArrayD, Axis, Ix2, Zip, s};
use std::path::Path;

const CHECK: &str = "mask";

/// Good pixels, as far as they are known; none stands for all good.
#[derive(Default)]
pub(super) struct Good {
    /// Of the window of the stored patterns.
    window: Option<Array2<bool>>,
    /// (N, N), of the finished patterns.
    finished: Option<Array2<bool>>,
}

impl Good {
    /// Leaves out pixels of the window.
    pub fn leave_out(&mut self, bad: &Array2<bool>) {
        self.combine(bad.mapv(|bad| !bad));
    }

    fn combine(&mut self, good: Array2<bool>) {
        match &mut self.window {
            Some(window) => Zip::from(window).and(&good).for_each(|all, one| *all &= *one),
            None => self.window = Some(good),
        }
    }

    /// (N, N) mask of the finished patterns; none if nothing was said about any pixel.
    pub fn finish(self, fit: &Fit, verdicts: &mut Vec<Verdict>, notes: &mut Vec<String>) -> Option<Array2<bool>> {
        let mask = match (self.window.map(|window| fit.mask(&window)), self.finished) {
            (Some(mut mask), Some(finished)) => {
                Zip::from(&mut mask).and(&finished).for_each(|all, one| *all &= *one);
                mask
            }
            (one, other) => one.or(other)?,
        };
        let masked = mask.iter().filter(|good| !**good).count();
        if masked == mask.len() {
            verdicts.push(
                Verdict::fail(CHECK, "Every pixel is masked")
                    .expected("good pixels")
                    .advice("Check which values of the mask are good"),
            );
        } else if masked > 0 {
            notes.push(format!(
                "{masked} of {} pixels of every pattern are masked: losses and misfits leave them out, and the network \
                 sees the mean of the good pixels around them",
                mask.len()
            ));
        }
        Some(mask)
    }
}

/// The mask of the file and that of `data.mapping.mask_file`; a pixel has to be good in both. Of masks for each
/// pattern those of `rows` count.
#[allow(clippy::too_many_arguments)]
pub(super) fn read(
    source: &mut Source,
    roles: &Roles,
    frames: &Frames,
    fit: &Fit,
    config: &DataConfig,
    rows: &[usize],
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Good {
    let mut good = Good::default();
    if let Some(window) = of_file(source, roles, frames, fit, rows, verdicts, notes) {
        good.combine(window);
    }
    if !config.mapping.mask_file.is_empty() {
        let path = Path::new(&config.mapping.mask_file);
        match from_elsewhere(path, config.mapping.mask_good, frames, fit, &mut good) {
            Ok(verdict) => verdicts.push(verdict),
            Err(verdict) => verdicts.push(verdict),
        }
    }
    good
}

/// Adds the mask of another file: of stored patterns, or of finished ones.
fn from_elsewhere(
    path: &Path,
    rule: MaskGood,
    frames: &Frames,
    fit: &Fit,
    good: &mut Good,
) -> std::result::Result<Verdict, Verdict> {
    let (values, own_rule) = mask_file::read(path).map_err(|error| {
        let mut verdict = Verdict::from_error(CHECK, Status::Fail, &error);
        verdict.found = format!("The mask in {}: {}", path.display(), verdict.found);
        verdict
    })?;
    let rule = if rule == MaskGood::Auto { own_rule } else { rule };
    let (mask, meaning) = judged(&values, rule, false);
    let verdict = verdict_on(&path.display().to_string(), &mask, meaning);
    if mask.dim() == (frames.height, frames.width) {
        good.combine(mask.slice(s![fit.window[0].clone(), fit.window[1].clone()]).to_owned());
    } else if mask.dim() == (fit.size, fit.size) {
        good.finished = Some(mask);
    } else {
        let mut expected = format!("({}, {}) as the patterns are stored", frames.height, frames.width);
        if (fit.size, fit.size) != (frames.height, frames.width) {
            expected.push_str(&format!(", or ({0}, {0}) as they are used", fit.size));
        }
        let found = format!("The mask in {} has shape {}", path.display(), shape_text(values.shape()));
        return Err(Verdict::fail(CHECK, found)
            .expected(expected)
            .advice("Choose the mask of this detector with --set data.mapping.mask_file=FILE, or leave it out"));
    }
    Ok(verdict)
}

/// Good pixels of the window of the stored patterns, as the dataset's file has it, in one array or in parts. An unusable
/// mask is left out with a warning.
fn of_file(
    source: &mut Source,
    roles: &Roles,
    frames: &Frames,
    fit: &Fit,
    rows: &[usize],
    verdicts: &mut Vec<Verdict>,
    notes: &mut Vec<String>,
) -> Option<Array2<bool>> {
    let (first, rule) = roles.mask.as_ref()?;
    let mut found: Option<(Array2<bool>, &'static str)> = None;
    let mut of_many = 0;
    for (part, key) in std::iter::once(first).chain(&roles.more_masks).enumerate() {
        let info = source.array(key);
        let shape = info.as_ref().map(|info| info.shape.clone()).unwrap_or_default();
        // More masks than patterns belong to something else, and a file can claim any number of them.
        let few = shape.len() < 3 || shape[0] <= frames.count;
        let fits =
            few && matches!(shape[..], [.., h, w] if shape.len() <= 3 && (h, w) == (frames.height, frames.width));
        if !fits && info.is_some_and(|info| info.numeric) {
            verdicts.push(unusable(
                Verdict::warn(CHECK, format!("The mask {key:?} has shape {}", shape_text(&shape)))
                    .expected(format!("({0}, {1}) or ({2}, {0}, {1})", frames.height, frames.width, frames.count)),
            ));
            continue;
        }
        let values = if let [count, _, _] = shape[..] {
            of_many += count;
            // Which of them belong to the patterns that are read: those of all, or those of one part.
            let of_part =
                frames.parts.get(part).filter(|(_, _, length)| !roles.more_masks.is_empty() && *length == count);
            let (begin, length) = of_part.map_or((0, frames.count), |(_, begin, length)| (*begin, *length));
            let used: Vec<usize> = if count == length {
                rows.iter().filter(|&&row| (begin..begin + length).contains(&row)).map(|row| row - begin).collect()
            } else {
                (0..count).collect()
            };
            if used.is_empty() {
                continue;
            }
            worst_of_many(source, key, *rule, roles.cxi_mask, &used, frames)
        } else {
            source.read_f64(key)
        };
        match values.map(|values| values.into_dimensionality::<Ix2>()) {
            Ok(Ok(values)) => {
                let (good, meaning) = judged(&values, *rule, roles.cxi_mask);
                match &mut found {
                    Some((all, _)) => Zip::from(all).and(&good).for_each(|all, one| *all &= *one),
                    None => found = Some((good, meaning)),
                }
            }
            Ok(Err(_)) => {}
            Err(error) => verdicts.push(unusable(Verdict::from_error(CHECK, Status::Warn, &error))),
        }
    }
    let (good, meaning) = found?;
    let name = match roles.more_masks.len() {
        0 => first.clone(),
        more => format!("{first} and {more} more"),
    };
    if of_many > 0 {
        notes.push(format!("Of {of_many} masks ({name}) a pixel that is bad in any of them is bad in all patterns"));
    }
    verdicts.push(verdict_on(&name, &good, meaning));
    Some(good.slice(s![fit.window[0].clone(), fit.window[1].clone()]).to_owned())
}

fn unusable(verdict: Verdict) -> Verdict {
    verdict.advice("The mask is not used; correct it, or name another with --set data.mapping.mask=KEY")
}

/// One mask for many, read in blocks: the values of the first one, and at each pixel that is bad in another one a value
/// that is bad too.
fn worst_of_many(
    source: &mut Source,
    key: &str,
    rule: MaskGood,
    is_cxi: bool,
    rows: &[usize],
    frames: &Frames,
) -> Result<ArrayD<f64>> {
    let window = [0..frames.height, 0..frames.width];
    let mut worst: Option<ArrayD<f64>> = None;
    source.for_blocks(key, 0, rows, window, |_, block| {
        let first = block.index_axis(Axis(0), 0).mapv(f64::from);
        let rule = settled(rule, is_cxi, worst.as_ref().unwrap_or(&first).iter());
        let worst = worst.get_or_insert(first);
        for mask in block.axis_iter(Axis(0)) {
            Zip::from(&mut *worst).and(mask).for_each(|worst, &value| {
                if rule.is_good(*worst) && !rule.is_good(f64::from(value)) {
                    *worst = f64::from(value);
                }
            });
        }
        Ok(())
    })?;
    Ok(worst.unwrap_or_else(|| ArrayD::zeros(vec![frames.height, frames.width])))
}

/// Which values are good, decided.
#[derive(Clone, Copy)]
enum Rule {
    /// Nothing set, or only the bit "has signal".
    Cxi,
    /// 0 is good.
    Zero { assumed: bool },
    /// 0 is bad.
    NonZero { assumed: bool },
}

impl Rule {
    fn is_good(self, value: f64) -> bool {
        match self {
            Self::Cxi => cxi::is_good(value),
            Self::Zero { .. } => value == 0.0,
            Self::NonZero { .. } => value != 0.0,
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Cxi => "0 and 0x1000 are good, as in CXI",
            Self::Zero { assumed: false } => "0 is good",
            Self::Zero { assumed: true } => "0 taken as good, being the majority",
            Self::NonZero { assumed: false } => "0 is bad",
            Self::NonZero { assumed: true } => "0 taken as bad, being the minority",
        }
    }
}

fn settled<'a>(rule: MaskGood, is_cxi: bool, values: impl ExactSizeIterator<Item = &'a f64>) -> Rule {
    match rule {
        MaskGood::Zero => Rule::Zero { assumed: false },
        MaskGood::NonZero => Rule::NonZero { assumed: false },
        MaskGood::Auto if is_cxi => Rule::Cxi,
        MaskGood::Auto => {
            let count = values.len();
            let zeros = values.filter(|value| **value == 0.0).count();
            if 2 * zeros >= count { Rule::Zero { assumed: true } } else { Rule::NonZero { assumed: true } }
        }
    }
}

/// Good pixels, and which values were taken as good.
fn judged(values: &Array2<f64>, rule: MaskGood, is_cxi: bool) -> (Array2<bool>, &'static str) {
    let rule = settled(rule, is_cxi, values.iter());
    (values.mapv(|value| rule.is_good(value)), rule.meaning())
}

fn verdict_on(name: &str, good: &Array2<bool>, meaning: &str) -> Verdict {
    let bad = good.iter().filter(|good| !**good).count();
    if 2 * bad > good.len() {
        Verdict::warn(CHECK, format!("{name}: {bad} of {} pixels are masked ({meaning})", good.len()))
            .expected("mostly good pixels")
            .advice("The mask may be the other way round: --set data.mapping.mask_good=zero or non_zero")
    } else {
        Verdict::pass(CHECK, format!("{name}: {bad} of {} pixels are bad ({meaning})", good.len()))
    }
}
