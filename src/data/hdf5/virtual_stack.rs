//! Virtual arrays over arrays that the library cannot unpack: detectors write LZ4, and a virtual stack over it.
//!
//! What is followed: on both sides a grid of elements, that is some indices along each axis (blocks, steps, single frames),
//! and virtual arrays over virtual arrays.

use super::describe::Hdf5Array;
use super::read::Hdf5File;
use crate::error::{Error, Result};
use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Axis, IxDyn, Slice};
use rust_hdf5::{Hyperslab, Selection, VirtualMapping};
use std::collections::BTreeSet;
use std::path::Path;

/// Most virtual arrays that lie over one another.
const MOST_LEVELS: usize = 8;

/// The indices along each axis, ascending, that a selection of an array of this shape consists of; none if it is no grid.
fn grid_of(selection: &Selection, shape: &[usize]) -> Option<Vec<Vec<usize>>> {
    let axis = |start: u64, stride: u64, count: u64, block: u64, length: usize| -> Option<Vec<usize>> {
        // The last index first, so that nothing is listed that the array has not.
        let last = start.checked_add(count.checked_sub(1)?.checked_mul(stride)?)?.checked_add(block.checked_sub(1)?)?;
        if last >= length as u64 || (count > 1 && stride < block) {
            return None;
        }
        Some((0..count).flat_map(|k| (0..block).map(move |b| (start + k * stride + b) as usize)).collect())
    };
    match selection {
        Selection::All => Some(shape.iter().map(|&length| (0..length).collect()).collect()),
        Selection::Hyperslab { form: Hyperslab::Regular(regular), .. } => {
            let lengths = [&regular.start, &regular.stride, &regular.count, &regular.block].map(Vec::len);
            if lengths != [shape.len(); 4] {
                return None;
            }
            (0..shape.len())
                .map(|k| axis(regular.start[k], regular.stride[k], regular.count[k], regular.block[k], shape[k]))
                .collect()
        }
        Selection::Hyperslab { form: Hyperslab::Blocks(blocks), .. } => {
            // Older files list the blocks of a grid one by one: all that lie at the same stretch of an axis are one there.
            if blocks.iter().any(|block| [block.start.len(), block.end.len()] != [shape.len(); 2]) {
                return None;
            }
            let stretches: Vec<BTreeSet<(u64, u64)>> =
                (0..shape.len()).map(|k| blocks.iter().map(|block| (block.start[k], block.end[k])).collect()).collect();
            let cells = stretches.iter().try_fold(1usize, |cells, axis| cells.checked_mul(axis.len()))?;
            let distinct: BTreeSet<_> = blocks.iter().map(|block| &block.start).collect();
            if cells != blocks.len() || distinct.len() != cells {
                return None;
            }
            let along = |(k, stretches): (usize, &BTreeSet<(u64, u64)>)| -> Option<Vec<usize>> {
                let mut indices = Vec::new();
                for &(first, last) in stretches {
                    let stretch = axis(first, 1, 1, last.checked_sub(first)?.checked_add(1)?, shape[k])?;
                    if indices.last() >= stretch.first() {
                        return None;
                    }
                    indices.extend(stretch);
                }
                Some(indices)
            };
            stretches.iter().enumerate().map(along).collect()
        }
        _ => None,
    }
}

/// Reads part of a virtual array from its sources, as f32; 0 where there is none. None if this is no virtual array, or one
/// that is not made of grids. `level`: how many virtual arrays lie over this one.
pub(super) fn read(
    path: &Path,
    array: &Hdf5Array,
    mappings: &[VirtualMapping],
    starts: &[usize],
    counts: &[usize],
    level: usize,
) -> Option<Result<Vec<f32>>> {
    if mappings.is_empty() || starts.len() != array.shape.len() || counts.len() != starts.len() {
        return None;
    }
    if level >= MOST_LEVELS {
        return Some(Err(Error::bad_input("Virtual arrays lie over one another without end").at(path)));
    }
    let length = counts.iter().try_fold(1usize, |product, count| product.checked_mul(*count))?;
    let mut values: Vec<f32> = Vec::new();
    values.try_reserve_exact(length).ok()?;
    values.resize(length, 0.0);
    let mut view = ArrayViewMutD::from_shape(IxDyn(counts), &mut values).ok()?;
    for mapping in mappings {
        let target = grid_of(&mapping.virtual_selection, &array.shape)?;
        // What is wanted of each axis: places within the selection.
        let wanted: Vec<std::ops::Range<usize>> = target
            .iter()
            .zip(starts.iter().zip(counts))
            .map(|(indices, (&start, &count))| {
                indices.partition_point(|&at| at < start)..indices.partition_point(|&at| at < start + count)
            })
            .collect();
        if wanted.iter().any(std::ops::Range::is_empty) {
            continue;
        }
        let block = match of_source(path, mapping, &target, &wanted, level)? {
            Ok(block) => block,
            Err(error) => return Some(Err(error)),
        };
        let places: Vec<Vec<usize>> = (0..starts.len())
            .map(|axis| target[axis][wanted[axis].clone()].iter().map(|at| at - starts[axis]).collect())
            .collect();
        put(view.view_mut(), block.view(), &places);
    }
    Some(Ok(values))
}

/// Copies a block to these indices along each axis.
fn put(mut into: ArrayViewMutD<'_, f32>, block: ArrayViewD<'_, f32>, places: &[Vec<usize>]) {
    // Axes on which the indices follow each other are cut out; the others are gone through.
    let scattered = places.iter().position(|places| places.windows(2).any(|pair| pair[1] != pair[0] + 1));
    let Some(axis) = scattered else {
        for (axis, places) in places.iter().enumerate() {
            let first = places.first().copied().unwrap_or(0);
            into.slice_axis_inplace(Axis(axis), Slice::from(first..first + places.len()));
        }
        into.assign(&block);
        return;
    };
    let mut one = places.to_vec();
    for (at, &place) in places[axis].iter().enumerate() {
        let slice = Slice::from(at..at + 1);
        one[axis] = vec![place];
        put(into.view_mut(), block.slice_axis(Axis(axis), slice), &one);
    }
}

/// What a source has for the wanted places of a selection, in the shape of those places.
fn of_source(
    path: &Path,
    mapping: &VirtualMapping,
    target: &[Vec<usize>],
    wanted: &[std::ops::Range<usize>],
    level: usize,
) -> Option<Result<ArrayD<f32>>> {
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
    let grid = grid_of(&mapping.source_selection, &array.shape)?;
    // Both sides go in the same order; axes of a single index may be there or not.
    let long = |grid: &[Vec<usize>]| -> Vec<usize> { (0..grid.len()).filter(|&axis| grid[axis].len() > 1).collect() };
    let (of_target, of_grid) = (long(target), long(&grid));
    let same = of_target.len() == of_grid.len()
        && of_target.iter().zip(&of_grid).all(|(&one, &other)| target[one].len() == grid[other].len());
    if !same || grid.is_empty() {
        return None;
    }
    let mut indices: Vec<Vec<usize>> = grid.iter().map(|indices| indices[..indices.len().min(1)].to_vec()).collect();
    for (&one, &other) in of_target.iter().zip(&of_grid) {
        indices[other] = grid[other][wanted[one].clone()].to_vec();
    }
    let shape: Vec<usize> = wanted.iter().map(std::ops::Range::len).collect();
    Some(gather(&source, &mapping.source_dset_name, &indices, level).and_then(|block| {
        block
            .into_shape_with_order(IxDyn(&shape))
            .map_err(|error| Error::failed(format!("A virtual array does not fit its source ({error})")).at(path))
    }))
}

/// The elements at these indices along each axis.
fn gather(source: &Hdf5File, name: &str, indices: &[Vec<usize>], level: usize) -> Result<ArrayD<f32>> {
    let shape: Vec<usize> = indices.iter().map(Vec::len).collect();
    let mut out = ArrayD::zeros(IxDyn(&shape));
    // Frames that follow each other are read together; of what lies further in, all that is between the first and the last.
    let (first, inner) = indices.split_first().ok_or_else(|| Error::failed("A source without axes"))?;
    let bounds = |indices: &Vec<usize>| {
        let (low, high) = (indices.first().copied().unwrap_or(0), indices.last().copied().unwrap_or(0));
        (low, high + 1 - low)
    };
    let mut at = 0;
    for run in first.chunk_by(|one, next| one + 1 == *next) {
        let (mut starts, mut counts) = (vec![run[0]], vec![run.len()]);
        for indices in inner {
            let (start, count) = bounds(indices);
            starts.push(start);
            counts.push(count);
        }
        let mut block = source.read_block_below(name, &starts, &counts, level + 1)?;
        for (axis, indices) in inner.iter().enumerate() {
            if indices.len() != counts[axis + 1] {
                let chosen: Vec<usize> = indices.iter().map(|index| index - starts[axis + 1]).collect();
                block = block.select(Axis(axis + 1), &chosen);
            }
        }
        out.slice_axis_mut(Axis(0), Slice::from(at..at + run.len())).assign(&block);
        at += run.len();
    }
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use rust_hdf5::format::selection::{HyperslabBlock, RegularHyperslab};

    fn regular(parts: [[u64; 2]; 4]) -> Selection {
        let [start, stride, count, block] = parts.map(|part| part.to_vec());
        Selection::Hyperslab { rank: 2, form: Hyperslab::Regular(RegularHyperslab { start, stride, count, block }) }
    }

    #[test]
    fn blocks_and_steps_are_grids_of_indices_within_the_array() {
        let grid = grid_of(&regular([[1, 0], [3, 1], [2, 1], [2, 4]]), &[6, 4]).unwrap();
        assert_eq!(grid, [vec![1, 2, 4, 5], vec![0, 1, 2, 3]]);
        // Beyond the end, overlapping, empty, without end.
        for parts in [
            [[2, 0], [3, 1], [2, 1], [2, 4]],
            [[0, 0], [1, 1], [2, 1], [2, 4]],
            [[0, 0], [1, 1], [0, 1], [1, 1]],
            [[0, 0], [1, 1], [u64::MAX, 1], [1, 1]],
        ] {
            assert_eq!(grid_of(&regular(parts), &[6, 4]), None, "{parts:?}");
        }
        assert_eq!(grid_of(&Selection::All, &[2, 1]).unwrap(), [vec![0, 1], vec![0]]);
    }

    #[test]
    fn blocks_listed_one_by_one_are_a_grid_if_each_place_of_it_is_there_once() {
        let listed = |blocks: &[[[u64; 2]; 2]]| Selection::Hyperslab {
            rank: 2,
            form: Hyperslab::Blocks(
                blocks.iter().map(|[start, end]| HyperslabBlock { start: start.to_vec(), end: end.to_vec() }).collect(),
            ),
        };
        let steps = listed(&[[[0, 0], [0, 3]], [[2, 0], [2, 3]], [[4, 0], [5, 3]]]);
        assert_eq!(grid_of(&steps, &[6, 4]).unwrap(), [vec![0, 2, 4, 5], vec![0, 1, 2, 3]]);
        for blocks in [
            // A corner is missing, a block is there twice, two overlap, one is beyond the end, one runs backwards.
            listed(&[[[0, 0], [0, 0]], [[2, 2], [2, 2]]]),
            listed(&[[[0, 0], [0, 3]], [[0, 0], [0, 3]]]),
            listed(&[[[0, 0], [2, 3]], [[1, 0], [3, 3]]]),
            listed(&[[[0, 0], [0, 4]]]),
            listed(&[[[3, 0], [2, 3]]]),
        ] {
            assert_eq!(grid_of(&blocks, &[6, 4]), None, "{blocks:?}");
        }
    }

    #[test]
    fn a_block_is_put_to_scattered_places() {
        let block = ArrayD::from_shape_fn(IxDyn(&[2, 3]), |i| (10 * i[0] + i[1] + 1) as f32);
        let mut into = ArrayD::zeros(IxDyn(&[4, 5]));
        put(into.view_mut(), block.view(), &[vec![0, 3], vec![0, 2, 4]]);
        for (y, row) in [0, 3].into_iter().enumerate() {
            for (x, column) in [0, 2, 4].into_iter().enumerate() {
                assert_eq!(into[[row, column]], block[[y, x]]);
            }
        }
        assert_eq!(into.iter().filter(|v| **v != 0.0).count(), 6);
    }
}
