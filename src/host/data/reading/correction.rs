//! Dark and flat fields: what is subtracted from the patterns, and what they are divided by.

use super::context::Reading;
use super::fit::Fit;
use super::layout::Frames;
use super::mask::{self, GoodPixels};
use super::mask_file;
use super::role_keys::Roles;
use super::verdict::{Status, Verdict};
use crate::error::Result;
use crate::formats::npz::shape_text;
use ndarray::{Array2, ArrayD, Axis, Ix2, Zip};
use std::path::Path;

const CHECK: &str = "dark and flat fields";

/// Dark and flat field of the window.
#[derive(Debug, Default)]
pub(super) struct Correction {
    dark: Option<Array2<f32>>,
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
        good: &mut GoodPixels,
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
        let window = |field: Array2<f32>| mask::window_of(&field, frames, fit);
        if dark.is_some() {
            reading.note("The mean dark pattern was subtracted; negative values were set to 0");
        }
        let dark = dark.map(window);
        let gain = flat.map(window).map(|flat| {
            let positive = |value: f32| value.is_finite() && value > 0.0;
            let (sum, count) = flat
                .iter()
                .filter(|value| positive(**value))
                .fold((0.0, 0usize), |(sum, count), value| (sum + f64::from(*value), count + 1));
            let mean = (sum / count.max(1) as f64) as f32;
            good.exclude(&flat.mapv(|value| !positive(value)));
            reading.note(format!("The patterns were divided by the flat field (mean {mean:.4})"));
            flat.mapv(|value| match (positive(value), is_counts) {
                (false, _) => 1.0,
                (true, true) => mean / value,
                (true, false) => (mean / value).sqrt(),
            })
        });
        Some(Self { dark, gain })
    }

    /// True if there is nothing to correct.
    pub fn is_none(&self) -> bool {
        self.dark.is_none() && self.gain.is_none()
    }

    /// Corrects a block (k, rows, columns) of the window.
    pub fn apply(&self, block: &mut ArrayD<f32>) {
        for mut pattern in block.axis_iter_mut(Axis(0)) {
            if let Some(dark) = &self.dark {
                Zip::from(&mut pattern)
                    .and(dark.view().into_dyn())
                    .for_each(|value, dark| *value = (*value - dark).max(0.0));
            }
            if let Some(gain) = &self.gain {
                Zip::from(&mut pattern).and(gain.view().into_dyn()).for_each(|value, gain| *value *= gain);
            }
        }
    }
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
    let mean = values.and_then(|values| mean_of(values, source, name, frames));
    match mean {
        Ok(mean) => Some(Some(mean)),
        Err(error) if is_asked_for => {
            reading.judge(Verdict::from_error(CHECK, Status::Fail, &error));
            None
        }
        Err(error) => {
            reading.judge(Verdict::from_error(CHECK, Status::Warn, &error).advice("The field is ignored"));
            Some(None)
        }
    }
}

fn mean_of(values: ArrayD<f32>, source: &str, name: &str, frames: &Frames) -> Result<Array2<f32>> {
    let shape = shape_text(values.shape());
    let mean = if values.ndim() == 3 { values.mean_axis(Axis(0)) } else { Some(values) };
    let mean = mean.and_then(|mean| mean.into_dimensionality::<Ix2>().ok());
    mean.filter(|mean| mean.dim() == (frames.height, frames.width)).ok_or_else(|| {
        crate::error::Problem::new(format!("The {name} field {source} has shape {shape}"))
            .expected(format!("({0}, {1}) or (n, {0}, {1}), like the stored patterns", frames.height, frames.width))
            .hint(format!("Choose another with --{name}-file"))
            .into()
    })
}
