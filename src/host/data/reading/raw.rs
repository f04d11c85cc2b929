//! What a file shows before it can be used: the mean of some patterns and the positions, as stored.
//!
//! Nothing is judged here, so that center, crop, mask and scan can be seen while arrays and geometry are still being assigned.

use super::blocks::squeezed;
use super::context::Reading;
use super::layout::{Frames, layout_by_shape};
use super::source::{ArrayInfo, Source};
use super::{center, placing, position_file, roles};
use crate::config::{AxisOrder, DataConfig};
use crate::error::Result;
use ndarray::{Array2, Axis};
use std::path::Path;

/// Largest number of values of the patterns that are read.
const VALUES: usize = 1 << 25;
/// Largest number of patterns that are read.
const PATTERNS: usize = 48;
/// Smallest side of a frame.
const SIDE: usize = 8;

/// Patterns and positions of a file as stored, as far as they are found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RawPreview {
    /// Key of the first array with patterns; empty if none was found.
    pub key: String,
    /// True if the key is a guess by the shape of the array.
    pub is_guess: bool,
    /// (h, w) mean of the patterns read; invalid and negative values count as 0. Empty if none was found.
    pub mean: Array2<f32>,
    /// (x, y) of the direct beam in the mean, as `data.center = auto` finds it.
    pub center: Option<[usize; 2]>,
    /// Number of patterns in the file, and of those in the mean.
    pub patterns: [usize; 2],
    /// (x, y) of each position in the unit of the file; empty if they are not found.
    pub positions: Vec<[f64; 2]>,
}

impl RawPreview {
    /// True if there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.mean.is_empty() && self.positions.is_empty()
    }
}

/// Reads some patterns and the positions of a file with the configured mapping, whether or not the file can be used.
///
/// # Errors
/// The file cannot be opened at all.
pub fn raw_preview(path: &Path, config: &DataConfig) -> Result<RawPreview> {
    let mut source = Source::open_as(path, &config.mapping)?;
    let roles = roles::find(&mut source, &config.mapping);
    let (keys, is_guess) = match roles.diffraction.is_empty() {
        true => (largest_stack(&source).into_iter().collect(), true),
        false => (roles.diffraction.clone(), false),
    };
    let mut preview = RawPreview { is_guess, ..RawPreview::default() };
    let mut reading = Reading::new(&mut source, config);
    let file = &config.mapping.positions_file;
    preview.positions = if file.is_empty() {
        placing::read(&mut reading, &roles).unwrap_or_default()
    } else {
        position_file::read(Path::new(file), &config.mapping).map(|listed| listed.xy).unwrap_or_default()
    };
    placing::transform(&mut reading, &mut preview.positions);
    preview.positions.retain(|position| position.iter().all(|value| value.is_finite()));
    if let Some(frames) = frames(reading.source, &keys, config.mapping.axis_order) {
        preview.key.clone_from(&frames.info.key);
        // An array that cannot be read has no mean; its verdict says why.
        if let Ok((mean, count)) = mean(reading.source, &frames) {
            let beam = center::find(&mean.mapv(f64::from), &mean.mapv(f32::is_finite));
            preview.center = beam.map(|beam| [beam.center[1], beam.center[0]]);
            (preview.mean, preview.patterns) = (mean, [frames.count, count]);
        }
    }
    Ok(preview)
}

/// Key of the largest array of real numbers that has the shape of a stack of frames.
fn largest_stack(source: &Source) -> Option<String> {
    let stacks = source.keys().into_iter().filter_map(|key| source.array(&key));
    let is_stack = |info: &ArrayInfo| {
        let shape = squeezed(&info.shape);
        info.numeric
            && info.real
            && matches!(shape.len(), 3 | 4)
            && shape.iter().filter(|side| **side >= SIDE).count() >= 2
    };
    stacks
        .filter(is_stack)
        .max_by_key(|info| info.shape.iter().fold(1_usize, |all, side| all.saturating_mul(*side)))
        .map(|info| info.key)
}

/// Parts and frame of the patterns by the shapes alone.
fn frames(source: &Source, keys: &[String], order: AxisOrder) -> Option<Frames> {
    let infos: Vec<ArrayInfo> = keys.iter().filter_map(|key| source.array(key)).collect();
    let info = infos.first().filter(|info| info.numeric && info.real)?.clone();
    let (layout, [_, height, width]) = layout_by_shape(&info.shape, order)?;
    // A damaged header may state any size.
    height.checked_mul(width).filter(|pixels| (1..=VALUES).contains(pixels))?;
    let (mut parts, mut count) = (Vec::new(), 0);
    for part in &infos {
        let (_, [length, h, w]) = layout_by_shape(&part.shape, order)?;
        if (h, w) == (height, width) {
            parts.push((part.key.clone(), count, length));
            count = length.saturating_add(count);
        }
    }
    Some(Frames { parts, info, layout, height, width, count, kept: None, is_shifted: false })
}

/// Mean of evenly spread patterns, and their number.
fn mean(source: &mut Source, frames: &Frames) -> Result<(Array2<f32>, usize)> {
    let most = (VALUES / (frames.height * frames.width).max(1)).clamp(1, PATTERNS);
    let rows: Vec<usize> = (0..frames.count).step_by(frames.count.div_ceil(most).max(1)).collect();
    let mut sum = Array2::<f32>::zeros((frames.height, frames.width));
    let mut count = 0;
    for (key, first, length) in &frames.parts {
        let local: Vec<usize> =
            rows.iter().filter_map(|row| row.checked_sub(*first).filter(|at| at < length)).collect();
        if local.is_empty() {
            continue;
        }
        source.for_blocks(key, frames.axis(), &local, [0..frames.height, 0..frames.width], |_, block| {
            for pattern in block.axis_iter(Axis(0)) {
                count += 1;
                for (sum, &value) in sum.iter_mut().zip(pattern) {
                    *sum += if frames.info.is_signal(value) { value } else { 0.0 };
                }
            }
            Ok(())
        })?;
    }
    Ok((sum / count.max(1) as f32, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::npz::{NpyArray, write_npz};
    use ndarray::{Array1, Array3};

    #[test]
    fn patterns_and_positions_of_an_unknown_file_are_seen_before_it_can_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("raw.npz");
        let patterns = Array3::from_shape_fn((20, 30, 40), |(n, y, x)| match (n, y, x) {
            (_, 0, 0) => -1.0,
            (3, 1, 1) => f32::NAN,
            _ => (y * 40 + x) as f32,
        });
        let x = Array1::from_shape_fn(20, |n| n as f64);
        let arrays = [
            ("frames", NpyArray::F32(patterns.view().into_dyn())),
            ("samx", NpyArray::F64(x.view().into_dyn())),
            ("samy", NpyArray::F64(x.view().into_dyn())),
        ];
        write_npz(&path, &arrays).unwrap();
        let unknown = raw_preview(&path, &DataConfig::default()).unwrap();
        assert!(unknown.is_guess && unknown.positions.is_empty());
        assert_eq!((unknown.key.as_str(), unknown.mean.dim(), unknown.patterns), ("frames", (30, 40), [20, 20]));
        assert_eq!((unknown.mean[[0, 0]], unknown.mean[[5, 6]]), (0.0, 206.0));
        let mut config = DataConfig::default();
        (config.mapping.diffraction, config.mapping.x, config.mapping.y) =
            ("frames".into(), "samx".into(), "samy".into());
        let known = raw_preview(&path, &config).unwrap();
        assert!(!known.is_guess && known.positions.len() == 20 && known.positions[7] == [7.0, 7.0]);
        std::fs::write(&path, "a letter").unwrap();
        assert!(raw_preview(&path, &config).is_err());
    }
}
