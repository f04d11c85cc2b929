//! Virtual arrays over arrays that the library cannot unpack: detectors write LZ4, and a virtual stack over it.
//!
//! Only plain boxes are followed: one block of a source, or all of it, at one block of the virtual array.

use super::describe::Hdf5Array;
use super::read::Hdf5File;
use crate::error::{Error, Result};
use ndarray::{ArrayViewMutD, IxDyn, Slice};
use rust_hdf5::{Hyperslab, Selection, VirtualMapping};
use std::path::Path;

/// Part of an array: first elements and lengths, per axis.
struct Part {
    starts: Vec<usize>,
    counts: Vec<usize>,
}

impl Part {
    /// The box that a selection of an array of this shape is; none if it is none.
    fn of(selection: &Selection, shape: &[usize]) -> Option<Self> {
        let sizes = |values: &[u64]| values.iter().map(|&v| usize::try_from(v).ok()).collect::<Option<Vec<usize>>>();
        let part = match selection {
            Selection::All => Self { starts: vec![0; shape.len()], counts: shape.to_vec() },
            Selection::Hyperslab { form: Hyperslab::Regular(regular), .. } => {
                let lengths =
                    regular.count.iter().zip(&regular.block).zip(&regular.stride).map(|((&count, &block), &stride)| {
                        if count == 1 || stride == block { count.checked_mul(block) } else { None }
                    });
                Self { starts: sizes(&regular.start)?, counts: sizes(&lengths.collect::<Option<Vec<u64>>>()?)? }
            }
            Selection::Hyperslab { form: Hyperslab::Blocks(blocks), .. } => {
                let [one] = blocks.as_slice() else { return None };
                let lengths =
                    one.start.iter().zip(&one.end).map(|(&start, &end)| end.checked_sub(start)?.checked_add(1));
                Self { starts: sizes(&one.start)?, counts: sizes(&lengths.collect::<Option<Vec<u64>>>()?)? }
            }
            _ => return None,
        };
        let ends = part.starts.iter().zip(&part.counts).map(|(start, count)| start.checked_add(*count));
        let fits =
            part.starts.len() == shape.len() && ends.zip(shape).all(|(end, all)| end.is_some_and(|end| end <= *all));
        fits.then_some(part)
    }
}

/// Reads part of a virtual array from its sources, as f32; 0 where there is none. None if this is no virtual array, or one
/// that is not made of boxes.
pub(super) fn read(
    path: &Path,
    array: &Hdf5Array,
    mappings: &[VirtualMapping],
    starts: &[usize],
    counts: &[usize],
) -> Option<Result<Vec<f32>>> {
    if mappings.is_empty() || starts.len() != array.shape.len() {
        return None;
    }
    let targets: Option<Vec<Part>> =
        mappings.iter().map(|mapping| Part::of(&mapping.virtual_selection, &array.shape)).collect();
    let length = counts.iter().try_fold(1usize, |product, count| product.checked_mul(*count))?;
    let mut values: Vec<f32> = Vec::new();
    values.try_reserve_exact(length).ok()?;
    values.resize(length, 0.0);
    let mut view = ArrayViewMutD::from_shape(IxDyn(counts), &mut values).ok()?;
    for (mapping, target) in mappings.iter().zip(targets?) {
        // What is wanted of this block, in the virtual array.
        let axes = 0..starts.len();
        let from: Vec<usize> = axes.clone().map(|axis| starts[axis].max(target.starts[axis])).collect();
        let until = |axis: usize| (starts[axis] + counts[axis]).min(target.starts[axis] + target.counts[axis]);
        let lengths: Vec<usize> = axes.clone().map(|axis| until(axis).saturating_sub(from[axis])).collect();
        if lengths.contains(&0) {
            continue;
        }
        match of_source(path, mapping, &target, &from, &lengths)? {
            Ok(block) => {
                let mut place = view.view_mut();
                for axis in axes {
                    let begin = from[axis] - starts[axis];
                    place.slice_axis_inplace(ndarray::Axis(axis), Slice::from(begin..begin + lengths[axis]));
                }
                place.assign(&block);
            }
            Err(error) => return Some(Err(error)),
        }
    }
    Some(Ok(values))
}

/// The part of a source that lies at `from` of the virtual array.
fn of_source(
    path: &Path,
    mapping: &VirtualMapping,
    target: &Part,
    from: &[usize],
    lengths: &[usize],
) -> Option<Result<ndarray::ArrayD<f32>>> {
    let name = mapping.source_file_name.as_str();
    let file = match name {
        "." => path.to_path_buf(),
        name => path.parent().unwrap_or(Path::new(".")).join(name),
    };
    let source = match Hdf5File::open(&file) {
        Ok(source) => source,
        Err(error) => return Some(Err(error)),
    };
    let Some(array) = source.array(&mapping.source_dset_name) else {
        let text = format!("The virtual array needs {:?} of {}", mapping.source_dset_name, file.display());
        return Some(Err(Error::bad_input(text).at(path)));
    };
    // Virtual arrays over virtual ones could lead back to themselves.
    if source.is_virtual(&mapping.source_dset_name) {
        return None;
    }
    let part = Part::of(&mapping.source_selection, &array.shape).filter(|part| part.counts == target.counts)?;
    let starts: Vec<usize> = (0..from.len()).map(|axis| part.starts[axis] + from[axis] - target.starts[axis]).collect();
    Some(source.read_block(&mapping.source_dset_name, &starts, lengths))
}
