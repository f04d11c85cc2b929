//! Good pixels of the detector: from the mask of the file, from a separate mask file, and from invalid values.
//!
//! A mask (h, w) applies to all patterns, one (n, h, w) to one pattern each.

use super::context::Reading;
use super::fit::Fit;
use super::layout::Frames;
use super::role_keys::Roles;
use super::source::Source;
use super::verdict::{Status, Verdict};
use super::{cxi, exclusion, mask_file};
use crate::config::MaskGood;
use crate::error::Result;
use crate::formats::npz::shape_text;
use crate::metrics::{GoodPixels, PatternMasks};
use ndarray::{Array2, ArrayD, ArrayViewD, Axis, Ix2, Zip};
use std::collections::BTreeSet;
use std::path::Path;

const CHECK: &str = "mask";

/// Good pixels found so far.
#[derive(Default)]
pub(super) struct Masks {
    /// Good pixels of the window of the stored patterns; `None` if no pixel is known to be bad.
    window: Option<Array2<bool>>,
    /// (N, N) good pixels of the finished patterns; likewise.
    finished: Option<Array2<bool>>,
    /// Bad pixels of single finished patterns.
    each: Option<PatternMasks>,
}

impl Masks {
    /// Excludes pixels of the window.
    pub fn exclude(&mut self, bad: &Array2<bool>) {
        restrict(&mut self.window, bad.mapv(|bad| !bad));
    }

    /// Excludes pixels of the finished patterns.
    pub fn exclude_finished(&mut self, bad: &Array2<bool>) {
        restrict(&mut self.finished, bad.mapv(|bad| !bad));
    }

    /// Excludes pixels in single finished patterns, and reports their number and the reason.
    pub fn exclude_in_patterns(&mut self, masks: PatternMasks, reason: &str, reading: &mut Reading) {
        let (total, patterns) = (masks.total(), (0..masks.len()).filter(|&at| masks.bad_in(at) > 0).count());
        if total == 0 {
            return;
        }
        reading.note(format!(
            "{total} pixels are masked in single patterns, in {patterns} of {}, because of {reason}",
            masks.len()
        ));
        self.each = PatternMasks::union(self.each.take(), Some(masks));
    }

    /// (N, N) good pixels of all finished patterns, and bad ones of single patterns; each `None` if there are none.
    pub fn finish(self, fit: &Fit, reading: &mut Reading) -> (Option<Array2<bool>>, Option<PatternMasks>) {
        let all_good = || Array2::from_elem((fit.window[0].len(), fit.window[1].len()), true);
        let window = self.window.or_else(|| fit.has_unknown_border().then(all_good));
        let mut mask = window.map(|window| fit.mask(&window));
        if let Some(finished) = self.finished {
            restrict(&mut mask, finished);
        }
        let mut each = self.each;
        if let (Some(mask), Some(each)) = (&mask, &mut each) {
            each.remove(&mask.mapv(|good| !good));
        }
        if let Some(mask) = &mask {
            judge_masked(mask, reading);
        }
        (mask, each.filter(|each| !each.is_empty()))
    }
}

/// Judges the number of pixels that are masked in all patterns.
fn judge_masked(mask: &Array2<bool>, reading: &mut Reading) {
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
            "{masked} of {} pixels of every pattern are masked: they are excluded from the loss and the misfit, and the network \
             input holds the mean of the surrounding good pixels",
            mask.len()
        ));
    }
}

/// Judges patterns of which most pixels are masked, with these indices in the file.
pub(super) fn judge_patterns(good: GoodPixels<'_>, side: usize, rows: &[usize], reading: &mut Reading) {
    let Some(each) = good.each else { return };
    let common = good.common.map_or(0, |good| good.iter().filter(|good| !**good).count());
    let is_mostly_bad = |at: usize| 2 * (common + each.bad_in(at)) > side * side;
    let found: BTreeSet<usize> =
        rows.iter().enumerate().filter(|(at, _)| is_mostly_bad(*at)).map(|(_, row)| *row).collect();
    if found.is_empty() || 2 * common > side * side {
        return;
    }
    let text = exclusion::text_of(&found);
    reading.judge(
        Verdict::warn(CHECK, format!("More than half of the pixels are masked in {} patterns: {text}", found.len()))
            .expected("mostly good pixels")
            .advice(format!("Leave these patterns out with --exclude {text}, or check mask and saturation limit"))
            .fixes([exclusion::fix(&reading.config.exclude, &found)]),
    );
}

/// Good pixels that are good in another mask as well.
fn restrict(mask: &mut Option<Array2<bool>>, good: Array2<bool>) {
    match mask {
        Some(mask) => Zip::from(mask).and(&good).for_each(|all, one| *all &= *one),
        None => *mask = Some(good),
    }
}

/// Combines the mask of the file with that of `data.mapping.mask_file`; a pixel must be good in both. Of masks per pattern
/// only those of `rows` are used.
pub(super) fn read(reading: &mut Reading, roles: &Roles, frames: &Frames, fit: &Fit, rows: &[usize]) -> Masks {
    let mut masks = Masks::default();
    let target = Target { frames, fit, rows };
    of_file(reading, roles, &target, &mut masks);
    let mapping = &reading.config.mapping;
    if !mapping.mask_file.is_empty() {
        let (file, rule) = (mapping.mask_file.clone(), mapping.mask_good);
        let verdict = add_mask_file(Path::new(&file), rule, &target, &mut masks, reading);
        reading.judge(verdict.unwrap_or_else(|failed| failed));
    }
    masks
}

/// What the masks are for.
struct Target<'a> {
    frames: &'a Frames,
    fit: &'a Fit,
    /// Indices in the file of the patterns read, ascending.
    rows: &'a [usize],
}

impl Target<'_> {
    /// Adds the bad pixels of a stored mask (h, w) of the pattern with this number among those read.
    fn add(&self, masks: &mut PatternMasks, pattern: usize, values: ArrayViewD<'_, f32>, rule: Rule) {
        let Ok(values) = values.into_dimensionality::<Ix2>() else { return };
        let good = values.mapv(|value| rule.is_good(f64::from(value)));
        if good.iter().all(|good| *good) {
            return;
        }
        for (at, _) in window_of(&good, self.frames, self.fit).indexed_iter().filter(|(_, good)| !**good) {
            masks.exclude(pattern, self.fit.finished(at));
        }
    }
}

/// Adds the mask of a separate file, for stored or for finished patterns, or one for each stored pattern. `Err` holds a failed
/// verdict.
fn add_mask_file(
    path: &Path,
    rule: MaskGood,
    target: &Target,
    masks: &mut Masks,
    reading: &mut Reading,
) -> std::result::Result<Verdict, Verdict> {
    let Target { frames, fit, rows } = target;
    let (values, own_rule) = mask_file::read(path).map_err(|error| Verdict::of_file(CHECK, path, &error))?;
    let rule = if rule == MaskGood::Auto { own_rule } else { rule };
    let name = path.display().to_string();
    let (stored, size) = ((frames.height, frames.width), (fit.size, fit.size));
    match values.shape() {
        &[count, h, w] if count == frames.stored_count() && (h, w) == stored => {
            let rule = resolve(rule, false, values.iter());
            let mut each = PatternMasks::new(rows.len(), fit.size);
            for (at, &row) in rows.iter().enumerate() {
                target.add(&mut each, at, values.index_axis(Axis(0), row).mapv(|value| value as f32).view(), rule);
            }
            return Ok(add_each(each, &name, rule, masks, reading));
        }
        &[h, w] if (h, w) == stored || (h, w) == size => {}
        shape => {
            let several = if shape.len() == 3 { " (several images are one mask for each pattern)" } else { "" };
            let mut expected = format!(
                "({0}, {1}) like the stored patterns, or ({2}, {0}, {1}) for one mask per pattern",
                stored.0,
                stored.1,
                frames.stored_count()
            );
            if size != stored {
                expected.push_str(&format!(", or ({0}, {0}) like the finished ones", fit.size));
            }
            let advice =
                "Choose the mask of this detector with --set data.mapping.mask_file=FILE, or remove the setting";
            let found = format!("The mask in {name} has shape {}{several}", shape_text(shape));
            return Err(Verdict::fail(CHECK, found).expected(expected).advice(advice));
        }
    }
    let values = values.into_dimensionality::<Ix2>().map_err(|_| Verdict::fail(CHECK, "The mask has no two axes"))?;
    let (mask, meaning) = good_pixels(&values, rule, false);
    let verdict = mask_verdict(&name, &mask, meaning);
    if mask.dim() == stored {
        restrict(&mut masks.window, window_of(&mask, frames, fit));
    } else {
        restrict(&mut masks.finished, mask);
    }
    Ok(verdict)
}

/// Adds masks of single patterns; pixels that are bad in all of them are bad in every pattern.
fn add_each(mut each: PatternMasks, name: &str, rule: Rule, masks: &mut Masks, reading: &mut Reading) -> Verdict {
    let common = each.take_common(1.0);
    let good = common.mapv(|bad| !bad);
    masks.exclude_in_patterns(each, &format!("the mask {name}, which has one image for each pattern"), reading);
    if common.iter().any(|bad| *bad) {
        masks.exclude_finished(&common);
    }
    mask_verdict(name, &good, rule.meaning())
}

/// Adds the masks in the dataset file, one or one per part. An unusable mask is ignored with a warning.
fn of_file(reading: &mut Reading, roles: &Roles, target: &Target, masks: &mut Masks) {
    let Some((first, rule)) = &roles.mask else { return };
    let frames = target.frames;
    let stored = frames.stored_count();
    let mut found: Option<(Array2<bool>, &'static str)> = None;
    let mut each: Option<(PatternMasks, Rule)> = None;
    for (part, key) in std::iter::once(first).chain(&roles.more_masks).enumerate() {
        let info = reading.source.array(key);
        let shape = info.as_ref().map(|info| info.shape.clone()).unwrap_or_default();
        // More masks than patterns belong to something else, and a file can claim any number of them.
        let few = shape.len() < 3 || shape[0] <= stored;
        let fits =
            few && matches!(shape[..], [.., h, w] if shape.len() <= 3 && (h, w) == (frames.height, frames.width));
        if !fits && info.is_some_and(|info| info.numeric) {
            let found = format!("The mask {key:?} has shape {}", shape_text(&shape));
            let expected = format!("({0}, {1}) or ({2}, {0}, {1})", frames.height, frames.width, stored);
            reading.judge(ignored(Verdict::warn(CHECK, found).expected(expected)));
            continue;
        }
        let of_part =
            frames.parts.get(part).filter(|(_, _, length)| !roles.more_masks.is_empty() && shape[..1] == [*length]);
        let (begin, length) = of_part.map_or((0, stored), |(_, begin, length)| (*begin, *length));
        let values = match shape[..] {
            [count, ..] if fits && shape.len() == 3 && count == length => {
                let (rule, of) = ((*rule, roles.cxi_mask), begin..begin + length);
                if let Err(error) = masks_of_patterns(reading.source, key, rule, of, target, &mut each) {
                    reading.judge(ignored(Verdict::from_error(CHECK, Status::Warn, &error)));
                }
                continue;
            }
            [count, _, _] if fits => {
                reading
                    .note(format!("{count} masks ({key}): a pixel that is bad in any of them is bad in all patterns"));
                combined_mask(reading.source, key, *rule, roles.cxi_mask, &(0..count).collect::<Vec<_>>(), frames)
            }
            // If it is damaged, or no numbers, reading it gives the precise error.
            _ => reading.source.read_f64(key),
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
    let name = match roles.more_masks.len() {
        0 => first.clone(),
        more => format!("{first} and {more} more"),
    };
    if let Some((each, rule)) = each {
        let verdict = add_each(each, &name, rule, masks, reading);
        reading.judge(verdict);
    }
    if let Some((good, meaning)) = found {
        reading.judge(mask_verdict(&name, &good, meaning));
        restrict(&mut masks.window, window_of(&good, frames, target.fit));
    }
}

/// Masks of single patterns from an array (n, h, w) that belongs to the stored patterns `of`, added to those known already;
/// read in blocks.
fn masks_of_patterns(
    source: &mut Source,
    key: &str,
    (rule, is_cxi): (MaskGood, bool),
    of: std::ops::Range<usize>,
    target: &Target,
    each: &mut Option<(PatternMasks, Rule)>,
) -> Result<()> {
    let begin = target.rows.partition_point(|row| *row < of.start);
    let used: Vec<usize> =
        target.rows[begin..].iter().take_while(|row| **row < of.end).map(|row| row - of.start).collect();
    if used.is_empty() {
        return Ok(());
    }
    let window = [0..target.frames.height, 0..target.frames.width];
    source.for_blocks(key, 0, &used, window, |at, block| {
        let first = block.index_axis(Axis(0), 0).mapv(f64::from);
        let empty = || PatternMasks::new(target.rows.len(), target.fit.size);
        let (masks, rule) = each.get_or_insert_with(|| (empty(), resolve(rule, is_cxi, first.iter())));
        for (number, mask) in block.axis_iter(Axis(0)).enumerate() {
            target.add(masks, begin + at + number, mask, *rule);
        }
        Ok(())
    })
}

/// Good pixels (h, w) of the stored patterns by the masks that apply to all of them; `None` without such a mask. Masks that
/// cannot be used are judged by [`read`].
pub(super) fn common(reading: &mut Reading, roles: &Roles, frames: &Frames) -> Option<Array2<bool>> {
    let mapping = &reading.config.mapping;
    let size = (frames.height, frames.width);
    let mut all = None;
    let mut add = |values: Result<ArrayD<f64>>, rule: MaskGood, is_cxi: bool| {
        let values = values.ok().and_then(|values| values.into_dimensionality::<Ix2>().ok());
        if let Some(values) = values.filter(|values| values.dim() == size) {
            restrict(&mut all, good_pixels(&values, rule, is_cxi).0);
        }
    };
    if !mapping.mask_file.is_empty()
        && let Ok((values, own_rule)) = mask_file::read(Path::new(&mapping.mask_file))
    {
        add(Ok(values), if mapping.mask_good == MaskGood::Auto { own_rule } else { mapping.mask_good }, false);
    }
    if let Some((key, rule)) = &roles.mask
        && reading.source.array(key).is_some_and(|info| info.shape == [size.0, size.1])
    {
        add(reading.source.read_f64(key), *rule, roles.cxi_mask);
    }
    all
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
