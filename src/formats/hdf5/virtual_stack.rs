//! Blocks of virtual datasets, read from their sources.
//!
//! The library assembles a virtual dataset as a whole for every block that is read from it. Here only the sources of the
//! block are read. Both sides of a mapping have to be grids: a set of indices along each axis (blocks, steps, single frames).
//! The sources may be virtual themselves.

use super::describe::Hdf5Array;
use super::guard::sources;
use super::objects::Objects;
use super::read::Hdf5File;
use crate::error::{Error, Result};
use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Axis, IxDyn, Slice};
use rust_hdf5::{Hyperslab, Selection, VirtualMapping};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

/// Indices along each axis.
type Grid = Vec<Vec<usize>>;

/// Ascending indices along each axis that a selection of an array of this shape consists of; None if it is no grid.
fn grid_of(selection: &Selection, shape: &[usize]) -> Option<Grid> {
    let axis = |start: u64, stride: u64, count: u64, block: u64, length: usize| -> Option<Vec<usize>> {
        // The last index first, so that nothing beyond the array is listed.
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
            // Older files list the blocks of a grid one by one; those on the same range of an axis share its indices.
            if blocks.iter().any(|block| [block.start.len(), block.end.len()] != [shape.len(); 2]) {
                return None;
            }
            let ranges: Vec<BTreeSet<(u64, u64)>> =
                (0..shape.len()).map(|k| blocks.iter().map(|block| (block.start[k], block.end[k])).collect()).collect();
            let cells = ranges.iter().try_fold(1usize, |cells, axis| cells.checked_mul(axis.len()))?;
            let distinct: BTreeSet<_> = blocks.iter().map(|block| &block.start).collect();
            if cells != blocks.len() || distinct.len() != cells {
                return None;
            }
            let along = |(k, ranges): (usize, &BTreeSet<(u64, u64)>)| -> Option<Vec<usize>> {
                let mut indices = Vec::new();
                for &(first, last) in ranges {
                    let range = axis(first, 1, 1, last.checked_sub(first)?.checked_add(1)?, shape[k])?;
                    if indices.last() >= range.first() {
                        return None;
                    }
                    indices.extend(range);
                }
                Some(indices)
            };
            ranges.iter().enumerate().map(along).collect()
        }
        _ => None,
    }
}

/// A virtual dataset to be read from its sources.
pub(super) struct Virtual<'a> {
    /// Path of the file.
    pub path: &'a Path,
    pub array: &'a Hdf5Array,
    pub mappings: &'a [VirtualMapping],
    /// Value of elements without a source.
    pub fill: f32,
}

impl Virtual<'_> {
    /// Reads `counts` elements from `starts` on, per axis, as f32. None if the mappings are no grids.
    pub fn read(&self, starts: &[usize], counts: &[usize]) -> Option<Result<Vec<f32>>> {
        if starts.len() != self.array.shape.len() || counts.len() != starts.len() {
            return None;
        }
        let length = counts.iter().try_fold(1usize, |product, count| product.checked_mul(*count))?;
        let mut values: Vec<f32> = Vec::new();
        values.try_reserve_exact(length).ok()?;
        values.resize(length, self.fill);
        let mut view = ArrayViewMutD::from_shape(IxDyn(counts), &mut values).ok()?;
        for mapping in self.mappings {
            if let Err(error) = self.read_mapping(mapping, starts, view.view_mut())? {
                return Some(Err(error));
            }
        }
        Some(Ok(values))
    }

    /// Copies the part of a mapping that lies in the block from `starts` on.
    fn read_mapping(
        &self,
        mapping: &VirtualMapping,
        starts: &[usize],
        mut into: ArrayViewMutD<'_, f32>,
    ) -> Option<Result<()>> {
        if matches!(mapping.virtual_selection, Selection::None) {
            return Some(Ok(()));
        }
        // Indices into the lists of a grid that lie in the block; None if there are none along some axis.
        let ends: Vec<usize> = starts.iter().zip(into.shape()).map(|(start, count)| start + count).collect();
        let inside = |grid: &Grid| -> Option<Vec<Range<usize>>> {
            let ranges = grid.iter().zip(starts.iter().zip(&ends)).map(|(indices, (start, end))| {
                indices.partition_point(|at| at < start)..indices.partition_point(|at| at < end)
            });
            let ranges: Vec<_> = ranges.collect();
            (!ranges.iter().any(Range::is_empty)).then_some(ranges)
        };
        let bounded = mapping.virtual_selection.unlim_dim().is_none();
        // No file is opened for a mapping elsewhere.
        if bounded && inside(&grid_of(&mapping.virtual_selection, &self.array.shape)?).is_none() {
            return Some(Ok(()));
        }
        let mut objects = Objects::open(self.path)?;
        let sources = match sources(self.path, &mut objects, mapping) {
            Ok(sources) => sources,
            Err(reason) => {
                return Some(Err(Error::bad_input(format!("A virtual dataset is damaged: {reason}")).at(self.path)));
            }
        };
        let unlimited = mapping.virtual_selection.unlim_dim();
        for (block, (file, name)) in sources.into_iter().enumerate() {
            // Without a source of known shape, the ends of unlimited selections are not known.
            let mut source = None;
            let (target, selection) =
                match (unlimited, mapping.source_selection.unlim_dim(), &mapping.virtual_selection) {
                    (Some(_), Some(axis), Selection::Hyperslab { form: Hyperslab::Regular(regular), .. }) => {
                        let Selection::Hyperslab { form: Hyperslab::Regular(of_source), .. } =
                            &mapping.source_selection
                        else {
                            return None;
                        };
                        let opened = match self.open(file.as_deref(), &name) {
                            Ok(Some(opened)) => opened,
                            Ok(None) => continue,
                            Err(error) => return Some(Err(error)),
                        };
                        let end = *opened.1.shape.get(axis)? as u64;
                        let clip = regular.clip_extent(of_source.num_slices(end), false);
                        source = Some(opened);
                        (
                            mapping.virtual_selection.clip_unlimited(clip).ok()?,
                            mapping.source_selection.clip_unlimited(end).ok()?,
                        )
                    }
                    (Some(axis), None, Selection::Hyperslab { rank, form: Hyperslab::Regular(regular) }) => {
                        let one = regular.unlim_block(block as u64);
                        let first = *one.start.get(axis)?;
                        if first >= *self.array.shape.get(axis)? as u64 {
                            break;
                        }
                        (
                            Selection::Hyperslab { rank: *rank, form: Hyperslab::Regular(one) },
                            mapping.source_selection.clone(),
                        )
                    }
                    _ => (mapping.virtual_selection.clone(), mapping.source_selection.clone()),
                };
            if matches!(target, Selection::None) {
                continue;
            }
            let target = grid_of(&target, &self.array.shape)?;
            let Some(wanted) = inside(&target) else { continue };
            let opened = match source.map_or_else(|| self.open(file.as_deref(), &name), |source| Ok(Some(source))) {
                Ok(Some(opened)) => opened,
                Ok(None) => continue,
                Err(error) => return Some(Err(error)),
            };
            let part = match of_source(self.path, &opened, &selection, &target, &wanted)? {
                Ok(part) => part,
                Err(error) => return Some(Err(error)),
            };
            let places: Grid = (0..starts.len())
                .map(|axis| target[axis][wanted[axis].clone()].iter().map(|at| at - starts[axis]).collect())
                .collect();
            put(into.view_mut(), part.view(), &places);
        }
        Some(Ok(()))
    }

    /// Opens a source; None if the file or the dataset in it is missing.
    fn open(&self, file: Option<&Path>, name: &str) -> Result<Option<(Hdf5File, Hdf5Array)>> {
        let source = Hdf5File::open(file.unwrap_or(self.path))?;
        Ok(source.array(name).map(|array| (source, array)))
    }
}

/// Copies a block to these indices along each axis.
fn put(mut into: ArrayViewMutD<'_, f32>, block: ArrayViewD<'_, f32>, places: &[Vec<usize>]) {
    // Axes with consecutive indices are sliced, the others are iterated over.
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

/// Elements of a source for the wanted indices of a selection, in the shape of those.
fn of_source(
    path: &Path,
    (source, array): &(Hdf5File, Hdf5Array),
    selection: &Selection,
    target: &[Vec<usize>],
    wanted: &[Range<usize>],
) -> Option<Result<ArrayD<f32>>> {
    let grid = grid_of(selection, &array.shape)?;
    // Both sides go in the same order; axes of a single index may be there or not.
    let long = |grid: &[Vec<usize>]| -> Vec<usize> { (0..grid.len()).filter(|&axis| grid[axis].len() > 1).collect() };
    let (of_target, of_grid) = (long(target), long(&grid));
    let same = of_target.len() == of_grid.len()
        && of_target.iter().zip(&of_grid).all(|(&one, &other)| target[one].len() == grid[other].len());
    if !same || grid.is_empty() {
        return None;
    }
    let mut indices: Grid = grid.iter().map(|indices| indices[..indices.len().min(1)].to_vec()).collect();
    for (&one, &other) in of_target.iter().zip(&of_grid) {
        indices[other] = grid[other][wanted[one].clone()].to_vec();
    }
    let shape: Vec<usize> = wanted.iter().map(Range::len).collect();
    Some(gather(source, &array.path, &indices).and_then(|block| {
        block
            .into_shape_with_order(IxDyn(&shape))
            .map_err(|error| Error::failed(format!("A virtual dataset does not fit its source ({error})")).at(path))
    }))
}

/// Elements at these indices along each axis.
fn gather(source: &Hdf5File, name: &str, indices: &[Vec<usize>]) -> Result<ArrayD<f32>> {
    let shape: Vec<usize> = indices.iter().map(Vec::len).collect();
    let mut out = ArrayD::zeros(IxDyn(&shape));
    // Consecutive frames are read together; along the other axes, everything between the first and the last index.
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
        let mut block = source.read_block(name, &starts, &counts)?;
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
