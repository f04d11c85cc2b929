//! Good pixels of the detector: from the mask of the file, from a separate mask file, and from invalid values.
//!
//! One mask applies to all patterns: if a file has one per pattern, a pixel that is bad in any of them is bad.

use super::context::Reading;
use super::fit::Fit;
use super::layout::Frames;
use super::role_keys::Roles;
use super::source::Source;
use super::verdict::{Status, Verdict};
use super::{cxi, mask_file};
use crate::config::MaskGood;
use crate::error::Result;
use crate::formats::npz::shape_text;
use ndarray::{Array2, ArrayD, Axis, Ix2, Zip};
use std::path::Path;

const CHECK: &str = "mask";

/// Good pixels found so far; `None` if no pixel is known to be bad.
#[derive(Default)]
pub(super) struct GoodPixels {
    /// Good pixels of the window of the stored patterns.
    window: Option<Array2<bool>>,
    /// (N, N) good pixels of the finished patterns.
    finished: Option<Array2<bool>>,
}

impl GoodPixels {
    /// Excludes pixels of the window.
    pub fn exclude(&mut self, bad: &Array2<bool>) {
        self.combine(bad.mapv(|bad| !bad));
    }

    fn combine(&mut self, good: Array2<bool>) {
        match &mut self.window {
            Some(window) => Zip::from(window).and(&good).for_each(|all, one| *all &= *one),
            None => self.window = Some(good),
        }
    }

    /// (N, N) mask of the finished patterns; `None` if there is no mask.
    pub fn finish(self, fit: &Fit, reading: &mut Reading) -> Option<Array2<bool>> {
        let all_good = || Array2::from_elem((fit.window[0].len(), fit.window[1].len()), true);
        let window = self.window.or_else(|| fit.has_unknown_border().then(all_good));
        let mask = match (window.map(|window| fit.mask(&window)), self.finished) {
            (Some(mut mask), Some(finished)) => {
                Zip::from(&mut mask).and(&finished).for_each(|all, one| *all &= *one);
                mask
            }
            (one, other) => one.or(other)?,
        };
        let masked = mask.iter().filter(|good| !**good).count();
        if 2 * masked > mask.len() && masked < mask.len() && !reading.has_warning(CHECK) {
            reading.judge(
                Verdict::warn(CHECK, format!("{masked} of {} pixels are masked", mask.len()))
                    .expected("mostly good pixels")
                    .advice("Check the mask, the saturation limit, and values that mark bad pixels"),
            );
        }
        if masked == mask.len() {
            reading.judge(
                Verdict::fail(CHECK, "Every pixel is masked")
                    .expected("good pixels")
                    .advice("Check which mask values mark good pixels"),
            );
        } else if masked > 0 {
            reading.note(format!(
                "{masked} of {} pixels of every pattern are masked: they are excluded from the loss and the misfit, and the \
                 network input holds the mean of the surrounding good pixels",
                mask.len()
            ));
        }
        Some(mask)
    }
}

/// Combines the mask of the file with that of `data.mapping.mask_file`; a pixel must be good in both. Of masks per pattern
/// only those of `rows` are used.
pub(super) fn read(reading: &mut Reading, roles: &Roles, frames: &Frames, fit: &Fit, rows: &[usize]) -> GoodPixels {
    let mut good = GoodPixels::default();
    if let Some(window) = of_file(reading, roles, frames, fit, rows) {
        good.combine(window);
    }
    let mapping = &reading.config.mapping;
    if !mapping.mask_file.is_empty() {
        let verdict = add_mask_file(Path::new(&mapping.mask_file), mapping.mask_good, frames, fit, &mut good);
        reading.judge(verdict.unwrap_or_else(|failed| failed));
    }
    good
}

/// Adds the mask of a separate file, for stored or for finished patterns. `Err` holds a failed verdict.
fn add_mask_file(
    path: &Path,
    rule: MaskGood,
    frames: &Frames,
    fit: &Fit,
    good: &mut GoodPixels,
) -> std::result::Result<Verdict, Verdict> {
    let (values, own_rule) = mask_file::read(path).map_err(|error| {
        let mut verdict = Verdict::from_error(CHECK, Status::Fail, &error);
        verdict.found = format!("The mask in {}: {}", path.display(), verdict.found);
        verdict
    })?;
    let rule = if rule == MaskGood::Auto { own_rule } else { rule };
    let (mask, meaning) = good_pixels(&values, rule, false);
    let verdict = mask_verdict(&path.display().to_string(), &mask, meaning);
    if mask.dim() == (frames.height, frames.width) {
        good.combine(window_of(&mask, frames, fit));
    } else if mask.dim() == (fit.size, fit.size) {
        good.finished = Some(mask);
    } else {
        let mut expected = format!("({}, {}) like the stored patterns", frames.height, frames.width);
        if (fit.size, fit.size) != (frames.height, frames.width) {
            expected.push_str(&format!(", or ({0}, {0}) like the finished ones", fit.size));
        }
        let found = format!("The mask in {} has shape {}", path.display(), shape_text(values.shape()));
        return Err(Verdict::fail(CHECK, found)
            .expected(expected)
            .advice("Choose the mask of this detector with --set data.mapping.mask_file=FILE, or remove the setting"));
    }
    Ok(verdict)
}

/// Good pixels of the window according to the masks in the dataset file, one or one per part. An unusable mask is ignored
/// with a warning.
fn of_file(reading: &mut Reading, roles: &Roles, frames: &Frames, fit: &Fit, rows: &[usize]) -> Option<Array2<bool>> {
    let (first, rule) = roles.mask.as_ref()?;
    let mut found: Option<(Array2<bool>, &'static str)> = None;
    let mut mask_count = 0;
    for (part, key) in std::iter::once(first).chain(&roles.more_masks).enumerate() {
        let info = reading.source.array(key);
        let shape = info.as_ref().map(|info| info.shape.clone()).unwrap_or_default();
        // More masks than patterns belong to something else, and a file can claim any number of them.
        let stored = frames.stored_count();
        let few = shape.len() < 3 || shape[0] <= stored;
        let fits =
            few && matches!(shape[..], [.., h, w] if shape.len() <= 3 && (h, w) == (frames.height, frames.width));
        if !fits && info.is_some_and(|info| info.numeric) {
            let found = format!("The mask {key:?} has shape {}", shape_text(&shape));
            let expected = format!("({0}, {1}) or ({2}, {0}, {1})", frames.height, frames.width, stored);
            reading.judge(ignored(Verdict::warn(CHECK, found).expected(expected)));
            continue;
        }
        let values = if !fits {
            // Damaged, or no numbers: reading it gives the precise error.
            reading.source.read_f64(key)
        } else if let [count, _, _] = shape[..] {
            mask_count += count;
            // Masks that belong to the patterns read: one per pattern of the scan, or of this part.
            let of_part =
                frames.parts.get(part).filter(|(_, _, length)| !roles.more_masks.is_empty() && *length == count);
            let (begin, length) = of_part.map_or((0, stored), |(_, begin, length)| (*begin, *length));
            let used: Vec<usize> = if count == length {
                rows.iter().filter(|&&row| (begin..begin + length).contains(&row)).map(|row| row - begin).collect()
            } else {
                (0..count).collect()
            };
            if used.is_empty() {
                continue;
            }
            combined_mask(reading.source, key, *rule, roles.cxi_mask, &used, frames)
        } else {
            reading.source.read_f64(key)
        };
        match values.map(|values| values.into_dimensionality::<Ix2>()) {
            Ok(Ok(values)) => {
                let (good, meaning) = good_pixels(&values, *rule, roles.cxi_mask);
                match &mut found {
                    Some((all, _)) => Zip::from(all).and(&good).for_each(|all, one| *all &= *one),
                    None => found = Some((good, meaning)),
                }
            }
            Ok(Err(_)) => {}
            Err(error) => reading.judge(ignored(Verdict::from_error(CHECK, Status::Warn, &error))),
        }
    }
    let (good, meaning) = found?;
    let name = match roles.more_masks.len() {
        0 => first.clone(),
        more => format!("{first} and {more} more"),
    };
    if mask_count > 0 {
        reading.note(format!("{mask_count} masks ({name}): a pixel that is bad in any of them is bad in all patterns"));
    }
    reading.judge(mask_verdict(&name, &good, meaning));
    Some(window_of(&good, frames, fit))
}

/// The window of an image of the stored patterns, which is shifted as they are.
pub(super) fn window_of<T: Copy>(image: &Array2<T>, frames: &Frames, fit: &Fit) -> Array2<T> {
    let (height, width) = image.dim();
    let at =
        |index: usize, length: usize| if frames.is_shifted { (index + length - length / 2) % length } else { index };
    let [rows, columns] = &fit.window;
    Array2::from_shape_fn((rows.len(), columns.len()), |(row, column)| {
        image[[at(rows.start + row, height), at(columns.start + column, width)]]
    })
}

fn ignored(verdict: Verdict) -> Verdict {
    verdict.advice("The mask is ignored; correct it, or select another with --set data.mapping.mask=KEY")
}

/// Combines several masks, read in blocks: the values of the first, replaced by a bad value at each pixel that is bad in
/// another one.
fn combined_mask(
    source: &mut Source,
    key: &str,
    rule: MaskGood,
    is_cxi: bool,
    rows: &[usize],
    frames: &Frames,
) -> Result<ArrayD<f64>> {
    let window = [0..frames.height, 0..frames.width];
    let mut combined: Option<ArrayD<f64>> = None;
    source.for_blocks(key, 0, rows, window, |_, block| {
        let first = block.index_axis(Axis(0), 0).mapv(f64::from);
        let rule = resolve(rule, is_cxi, combined.as_ref().unwrap_or(&first).iter());
        let combined = combined.get_or_insert(first);
        for mask in block.axis_iter(Axis(0)) {
            Zip::from(&mut *combined).and(mask).for_each(|combined, &value| {
                if rule.is_good(*combined) && !rule.is_good(f64::from(value)) {
                    *combined = f64::from(value);
                }
            });
        }
        Ok(())
    })?;
    Ok(combined.unwrap_or_else(|| ArrayD::zeros(vec![frames.height, frames.width])))
}

/// Rule for good values.
#[derive(Clone, Copy)]
enum Rule {
    /// No bit set, or only "has signal".
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
            Self::Zero { assumed: true } => "0 assumed good, as the majority",
            Self::NonZero { assumed: false } => "0 is bad",
            Self::NonZero { assumed: true } => "0 assumed bad, as the minority",
        }
    }
}

fn resolve<'a>(rule: MaskGood, is_cxi: bool, values: impl ExactSizeIterator<Item = &'a f64>) -> Rule {
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

/// Good pixels, and the meaning of the values.
fn good_pixels(values: &Array2<f64>, rule: MaskGood, is_cxi: bool) -> (Array2<bool>, &'static str) {
    let rule = resolve(rule, is_cxi, values.iter());
    (values.mapv(|value| rule.is_good(value)), rule.meaning())
}

fn mask_verdict(name: &str, good: &Array2<bool>, meaning: &str) -> Verdict {
    let bad = good.iter().filter(|good| !**good).count();
    if 2 * bad > good.len() {
        Verdict::warn(CHECK, format!("{name}: {bad} of {} pixels are masked ({meaning})", good.len()))
            .expected("mostly good pixels")
            .advice("The mask may be inverted: --set data.mapping.mask_good=zero or non_zero")
    } else {
        Verdict::pass(CHECK, format!("{name}: {bad} of {} pixels are bad ({meaning})", good.len()))
    }
}
