//! Dark and flat fields, what is subtracted from the patterns and what they are divided by, and the background.
//!
//! A dark field is an offset of the detector, and is subtracted. A background is light: it adds its own counting noise, and stays
//! in the patterns. The model adds it to the intensity that it calculates, so that the noise remains that of the counts and no
//! pixel becomes negative.

use super::context::Reading;
use super::fit::Fit;
use super::layout::Frames;
use super::limits::Clipped;
use super::mask::{self, Masks};
use super::mask_file;
use super::role_keys::Roles;
use super::verdict::{Status, Verdict};
use crate::data::normalize::mean_counts;
use crate::error::Result;
use crate::formats::npz::shape_text;
use ndarray::{Array2, Array3, ArrayD, Axis, Ix2, Zip};
use std::path::Path;

const CHECK: &str = "dark and flat fields";
const BACKGROUND: &str = "background";
/// Share of the counts from which a background leaves little for the object.
const MOST_BACKGROUND: f64 = 0.9;

/// Dark and flat field and background of the window.
#[derive(Debug, Default)]
pub(super) struct Correction {
    dark: Option<Array2<f32>>,
    /// Counts of each pixel after the division by the flat field.
    background: Option<Array2<f32>>,
    /// Factor of each pixel.
    gain: Option<Array2<f32>>,
}

impl Correction {
    /// Reads the fields of the dataset or of separate files; pixels without a response are excluded. `None` with a failed
    /// verdict if a configured one cannot be used.
    pub fn read(
        reading: &mut Reading,
        roles: &Roles,
        frames: &Frames,
        fit: &Fit,
        masks: &mut Masks,
        is_counts: bool,
    ) -> Option<Self> {
        let mapping = reading.config.mapping.clone();
        let dark = field(reading, "dark", (&mapping.dark_file, &mapping.dark), roles.dark.as_deref(), frames)?;
        let flat = field(reading, "flat", (&mapping.flat_file, &mapping.flat), roles.flat.as_deref(), frames)?;
        let dark = dark.filter(|_| {
            if !is_counts {
                reading.judge(
                    Verdict::warn(CHECK, "The dark field is ignored: the patterns are amplitudes")
                        .expected("counts")
                        .advice("Set diffraction_unit to \"counts\" if the square root has not been taken"),
                );
            }
            is_counts
        });
        let background = field(
            reading,
            BACKGROUND,
            (&mapping.background_file, &mapping.background),
            roles.background.as_deref(),
            frames,
        )?;
        let window = |field: Array2<f32>| mask::window_of(&field, frames, fit);
        if dark.is_some() {
            reading.note("The mean dark pattern was subtracted");
        }
        let dark = dark.map(window);
        let gain = flat.map(window).map(|flat| {
            let positive = |value: f32| value.is_finite() && value > 0.0;
            let (sum, count) = flat
                .iter()
                .filter(|value| positive(**value))
                .fold((0.0, 0usize), |(sum, count), value| (sum + f64::from(*value), count + 1));
            let mean = (sum / count.max(1) as f64) as f32;
            masks.exclude(&flat.mapv(|value| !positive(value)));
            reading.note(format!("The patterns were divided by the flat field (mean {mean:.4})"));
            flat.mapv(|value| match (positive(value), is_counts) {
                (false, _) => 1.0,
                (true, true) => mean / value,
                (true, false) => (mean / value).sqrt(),
            })
        });
        let mut background = background.map(window);
        let constant = reading.config.background as f32;
        if constant > 0.0 {
            let shape = [fit.window[0].len(), fit.window[1].len()];
            background = Some(background.unwrap_or_else(|| Array2::zeros(shape)) + constant);
        }
        if let Some(background) = &mut background {
            use_background(background, gain.as_ref(), is_counts, reading);
        }
        Some(Self { dark, gain, background })
    }

    /// True if there is nothing to correct.
    pub fn is_none(&self) -> bool {
        self.dark.is_none() && self.gain.is_none()
    }

    /// (N, N) background of the finished patterns, in the units of the squared amplitude.
    pub fn background(&self, fit: &Fit) -> Option<Array2<f32>> {
        let stack = self.background.clone()?.insert_axis(Axis(0));
        Some(fit.patterns(stack.into_dyn(), true)?.index_axis_move(Axis(0), 0))
    }

    /// Corrects a block (k, rows, columns) of the window; counts below the dark field become 0.
    pub fn apply(&self, block: &mut ArrayD<f32>, clipped: &mut Clipped) {
        for mut pattern in block.axis_iter_mut(Axis(0)) {
            if let Some(dark) = &self.dark {
                Zip::from(&mut pattern).and(dark.view().into_dyn()).for_each(|value, dark| {
                    *value -= dark;
                    clipped.add(*value);
                    *value = value.max(0.0);
                });
            }
            if let Some(gain) = &self.gain {
                Zip::from(&mut pattern).and(gain.view().into_dyn()).for_each(|value, gain| *value *= gain);
            }
        }
    }
}

/// Brings a background of the window to the scale of the corrected patterns; values that are no counts become 0.
fn use_background(background: &mut Array2<f32>, gain: Option<&Array2<f32>>, is_counts: bool, reading: &mut Reading) {
    let wrong = background.iter().filter(|value| !value.is_finite() || **value < 0.0).count();
    if wrong > 0 {
        reading.note(format!("{wrong} negative or invalid values of the background were set to 0"));
    }
    background.mapv_inplace(|value| if value.is_finite() { value.max(0.0) } else { 0.0 });
    if let Some(gain) = gain {
        let power = if is_counts { 1 } else { 2 };
        Zip::from(background).and(gain).for_each(|value, gain| *value *= gain.powi(power));
    }
}

/// Reports the share of a background (N, N) in the counts of (n, N, N) amplitudes.
pub(super) fn judge_background(background: &Array2<f32>, patterns: &Array3<f32>, reading: &mut Reading) {
    let Ok(counts) = mean_counts(patterns.view()) else { return };
    let theirs: f64 = background.iter().map(|value| f64::from(*value)).sum();
    let share = theirs / counts;
    let text = format!("the background has {:.1} % of the counts of the patterns", 100.0 * share);
    reading.note(format!(
        "The model adds a background to every pattern: {theirs:.4} counts, {:.1} % of all",
        100.0 * share
    ));
    reading.judge(if share > MOST_BACKGROUND {
        Verdict::warn(BACKGROUND, text)
            .expected(format!("less than {:.0} %", 100.0 * MOST_BACKGROUND))
            .advice("Give the background in counts of one pattern as stored (--set data.background, --background-file)")
    } else {
        Verdict::pass(BACKGROUND, text)
    });
}

/// Mean of a field (h, w) or (n, h, w). The outer `None` comes with a failed verdict: a field that was asked for cannot be
/// used; one of the file that does not fit is ignored with a warning.
fn field(
    reading: &mut Reading,
    name: &str,
    (file, key): (&str, &str),
    found: Option<&str>,
    frames: &Frames,
) -> Option<Option<Array2<f32>>> {
    let is_asked_for = !file.is_empty() || !key.is_empty();
    let values = if !file.is_empty() {
        mask_file::read_images(Path::new(file), key, &[name, "data"]).map(|array| array.mapv(|value| value as f32))
    } else if let Some(key) = found {
        reading.source.read_f32(key)
    } else {
        return Some(None);
    };
    let source = if file.is_empty() { found.unwrap_or_default() } else { file };
    let mean = values.and_then(|values| mean_of(values, name, frames));
    match mean {
        Ok(mean) => Some(Some(mean)),
        Err(error) if is_asked_for => {
            reading.judge(Verdict::of_file(CHECK, Path::new(source), &error));
            None
        }
        Err(error) => {
            let mut verdict = Verdict::from_error(CHECK, Status::Warn, &error).advice("The field is ignored");
            verdict.found = format!("{source}: {}", verdict.found);
            reading.judge(verdict);
            Some(None)
        }
    }
}

fn mean_of(values: ArrayD<f32>, name: &str, frames: &Frames) -> Result<Array2<f32>> {
    let shape = shape_text(values.shape());
    let mean = if values.ndim() == 3 { values.mean_axis(Axis(0)) } else { Some(values) };
    let mean = mean.and_then(|mean| mean.into_dimensionality::<Ix2>().ok());
    mean.filter(|mean| mean.dim() == (frames.height, frames.width)).ok_or_else(|| {
        crate::error::Problem::new(format!("It has shape {shape}"))
            .expected(format!("({0}, {1}) or (n, {0}, {1}), like the stored patterns", frames.height, frames.width))
            .hint(format!("Choose another with --{name}-file"))
            .into()
    })
}
