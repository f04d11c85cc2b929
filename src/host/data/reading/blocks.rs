//! Blockwise reading of patterns, so that memory does not grow with the file.

use super::source::Source;
use crate::error::{Error, Result};
use crate::formats::hdf5::Hdf5File;
use ndarray::{ArrayD, Axis, IxDyn, Slice};
use std::ops::Range;

/// Elements of an HDF5 array read at a time.
const BLOCK_ELEMENTS: usize = 1 << 23;

/// Largest distance between selected entries that are read together (at least the length of a chunk): every separate read
/// of an HDF5 array searches the whole chunk index and unpacks whole chunks.
const MAX_GAP: usize = 32;

/// Removes trailing axes of length 1 while there are more than three axes.
pub(super) fn squeezed(shape: &[usize]) -> Vec<usize> {
    let mut squeezed = shape.to_vec();
    while squeezed.len() > 3 && squeezed.last() == Some(&1) {
        squeezed.pop();
    }
    squeezed
}

impl Source {
    /// True if single patterns can be read without the others; `axis` is the axis of the patterns.
    pub fn supports_partial_reads(&self, key: &str, axis: usize) -> bool {
        match self {
            Self::Npz(archive) => axis == 0 && archive.is_large(key),
            Self::Hdf5(_) => true,
        }
    }

    /// Passes the entries `rows` (ascending) of an array to `consume` in blocks: the index into `rows` at which the block
    /// begins, and the block (k, height, width).
    ///
    /// `axis` is the axis of the entries, 0 or 2, in arrays of three axes; arrays (ny, nx, h, w) are traversed row by row.
    /// `window` limits the other two axes, in their order. A small NPZ member is passed as one block.
    ///
    /// # Errors
    /// Errors of reading and of `consume`.
    pub fn for_blocks(
        &mut self,
        key: &str,
        axis: usize,
        rows: &[usize],
        window: [Range<usize>; 2],
        mut consume: impl FnMut(usize, ArrayD<f32>) -> Result<()>,
    ) -> Result<()> {
        let [height, width] = window;
        match self {
            Self::Npz(archive) if axis == 0 && archive.is_large(key) => {
                let shape = squeezed(archive.member(key).map(|member| member.shape.as_slice()).unwrap_or_default());
                let [lead @ .., h, w] = &shape[..] else { return Err(Error::failed("The patterns have too few axes")) };
                let (count, h, w) = (lead.iter().product(), *h, *w);
                archive.for_entries(key, count, rows, BLOCK_ELEMENTS / (h * w).max(1), |at, values| {
                    let mut block = ArrayD::from_shape_vec(vec![values.len() / (h * w).max(1), h, w], values)
                        .map_err(|error| Error::failed(format!("A block of patterns has the wrong shape ({error})")))?;
                    block.slice_axis_inplace(Axis(1), Slice::from(height.clone()));
                    block.slice_axis_inplace(Axis(2), Slice::from(width.clone()));
                    consume(
                        at,
                        if block.is_standard_layout() { block } else { block.as_standard_layout().into_owned() },
                    )
                })
            }
            Self::Npz(archive) => {
                let mut whole = flatten_grid(archive.read_f32(key)?)?;
                if axis == 2 {
                    whole = whole.permuted_axes(vec![2, 0, 1]);
                }
                whole.slice_axis_inplace(Axis(1), Slice::from(height));
                whole.slice_axis_inplace(Axis(2), Slice::from(width));
                let all = rows.len() == whole.len_of(Axis(0));
                let block = if all { whole } else { whole.select(Axis(0), rows) };
                consume(0, if block.is_standard_layout() { block } else { block.as_standard_layout().into_owned() })
            }
            // The axes are stored in reverse order.
            Self::Hdf5(file) if file.is_matlab() => {
                hdf5_blocks(file, key, 2 - axis, rows, [width, height], |at, block| {
                    consume(at, block.permuted_axes(vec![0, 2, 1]).as_standard_layout().into_owned())
                })
            }
            Self::Hdf5(file) => hdf5_blocks(file, key, axis, rows, [height, width], consume),
        }
    }
}

/// Reshapes an array with trailing axes of length 1, or a grid (ny, nx, h, w), to (n, h, w).
fn flatten_grid(array: ArrayD<f32>) -> Result<ArrayD<f32>> {
    let mut shape = squeezed(array.shape());
    if let [ny, nx, height, width] = shape[..] {
        shape = vec![ny * nx, height, width];
    }
    array
        .into_shape_with_order(shape)
        .map_err(|error| Error::failed(format!("The grid of patterns cannot be reshaped to a stack ({error})")))
}

fn hdf5_blocks(
    file: &Hdf5File,
    key: &str,
    axis: usize,
    rows: &[usize],
    [height, width]: [Range<usize>; 2],
    mut consume: impl FnMut(usize, ArrayD<f32>) -> Result<()>,
) -> Result<()> {
    let (stored, chunk) = file.array(key).map(|array| (array.shape, array.chunk)).unwrap_or_default();
    let shape = squeezed(&stored);
    // Columns of a grid; a plain stack is a single row.
    let (columns, length) = match shape[..] {
        [ny, nx, _, _] => (nx, ny.saturating_mul(nx)),
        _ => (usize::MAX, shape.get(axis).copied().unwrap_or(0)),
    };
    let frame = height.len().saturating_mul(width.len()).max(1);
    let step = (BLOCK_ELEMENTS / frame).max(1);
    let chunk_length = chunk.get(if shape.len() == 4 { 1 } else { axis }).copied().unwrap_or_default();
    let gap = MAX_GAP.max(chunk_length);
    let mut at = 0;
    while at < rows.len() {
        let first = rows.get(at).copied().unwrap_or_default();
        // A block ends with its row of the grid.
        let end = first.saturating_add(step).min((first / columns).saturating_add(1).saturating_mul(columns));
        let left = rows.get(at..).unwrap_or_default();
        let near = left.windows(2).take_while(|pair| pair[1] < end && pair[1] - pair[0] <= gap).count() + 1;
        let until = at + near;
        let wanted = rows.get(at..until).unwrap_or_default();
        let last = wanted.last().copied().unwrap_or(first);
        if last >= length {
            return Err(Error::failed(format!("Pattern {last} of {length} was requested")).at(file.path()));
        }
        let count = last + 1 - first;
        let (mut starts, mut counts) = match (shape.len(), axis) {
            (4, _) => (
                vec![first / columns, first % columns, height.start, width.start],
                vec![1, count, height.len(), width.len()],
            ),
            (_, 0) => (vec![first, height.start, width.start], vec![count, height.len(), width.len()]),
            _ => (vec![height.start, width.start, first], vec![height.len(), width.len(), count]),
        };
        starts.resize(stored.len().max(starts.len()), 0);
        counts.resize(stored.len().max(counts.len()), 1);
        let block = file.read_block(key, &starts, &counts)?;
        let lengths = if axis == 0 { [count, height.len(), width.len()] } else { [height.len(), width.len(), count] };
        let block = block
            .into_shape_with_order(IxDyn(&lengths))
            .map_err(|error| Error::failed(format!("A block of patterns has the wrong shape ({error})")))?;
        let block = if axis == 0 { block } else { block.permuted_axes(vec![2, 0, 1]) };
        let offsets: Vec<usize> = wanted.iter().map(|row| row - first).collect();
        let whole = offsets.len() == block.len_of(Axis(0)) && block.is_standard_layout();
        consume(at, if whole { block } else { block.select(Axis(0), &offsets) })?;
        at = until;
    }
    Ok(())
}
