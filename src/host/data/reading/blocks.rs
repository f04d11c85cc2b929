//! Blockwise reading of patterns, so that memory does not grow with the file.

use super::source::Source;
use crate::error::{Error, Result};
use crate::formats::hdf5::Hdf5File;
use ndarray::{ArrayD, Axis, Slice, s};
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
            Self::Hdf5(_) | Self::Images(_) => true,
        }
    }

    /// Passes the entries `rows` (ascending) of an array to `consume` in blocks: the index into `rows` at which the block
    /// begins, and the block (k, height, width).
    ///
    /// `axis` is the axis of the entries, 0 or 2, in arrays of three axes; arrays (ny, nx, h, w), or (h, w, ny, nx) for 2, are
    /// traversed row by row, and an array (h, w) is a single entry.
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
                let mut whole = flatten_grid(archive.read_f32(key)?, axis)?;
                if axis == 2 {
                    whole = whole.permuted_axes(vec![2, 0, 1]);
                }
                whole.slice_axis_inplace(Axis(1), Slice::from(height));
                whole.slice_axis_inplace(Axis(2), Slice::from(width));
                let all = rows.len() == whole.len_of(Axis(0));
                let block = if all { whole } else { whole.select(Axis(0), rows) };
                consume(0, if block.is_standard_layout() { block } else { block.as_standard_layout().into_owned() })
            }
            Self::Hdf5(file) => hdf5_blocks(file, key, axis, rows, [height, width], consume),
            Self::Images(stack) => {
                let step = (BLOCK_ELEMENTS / height.len().saturating_mul(width.len()).max(1)).max(1);
                for (part, rows) in rows.chunks(step).enumerate() {
                    let shape = vec![rows.len(), height.len(), width.len()];
                    let mut values = Vec::with_capacity(shape.iter().product());
                    for image in stack.read(rows)? {
                        values.extend(image.slice(s![height.clone(), width.clone()]));
                    }
                    let block = ArrayD::from_shape_vec(shape, values)
                        .map_err(|error| Error::failed(format!("A block of patterns has the wrong shape ({error})")))?;
                    consume(part * step, block)?;
                }
                Ok(())
            }
        }
    }
}

/// Reshapes an array with trailing axes of length 1, or a grid (ny, nx, h, w), to (n, h, w); for `axis` 2 a grid (h, w, ny, nx)
/// to (h, w, n). A single pattern (h, w) becomes (1, h, w).
fn flatten_grid(array: ArrayD<f32>, axis: usize) -> Result<ArrayD<f32>> {
    let shape = match squeezed(array.shape())[..] {
        [height, width] => vec![1, height, width],
        [height, width, ny, nx] if axis == 2 => vec![height, width, ny * nx],
        [ny, nx, height, width] => vec![ny * nx, height, width],
        ref shape => shape.to_vec(),
    };
    array
        .into_shape_with_order(shape)
        .map_err(|error| Error::failed(format!("The grid of patterns cannot be reshaped to a stack ({error})")))
}

/// Axes of a stored stack of patterns.
struct Axes {
    /// Axis of the rows of a grid.
    slow: Option<usize>,
    /// Axis of the entries, or of the columns of a grid; `None` for a single pattern.
    fast: Option<usize>,
    /// Axes of the detector.
    detector: [usize; 2],
}

impl Axes {
    fn of(rank: usize, axis: usize) -> Option<Self> {
        Some(match (rank, axis) {
            (2, _) => Self { slow: None, fast: None, detector: [0, 1] },
            (3, 0) => Self { slow: None, fast: Some(0), detector: [1, 2] },
            (3, _) => Self { slow: None, fast: Some(2), detector: [0, 1] },
            (4, 0) => Self { slow: Some(0), fast: Some(1), detector: [2, 3] },
            (4, _) => Self { slow: Some(2), fast: Some(3), detector: [0, 1] },
            _ => return None,
        })
    }
}

fn hdf5_blocks(
    file: &Hdf5File,
    key: &str,
    axis: usize,
    rows: &[usize],
    [height, width]: [Range<usize>; 2],
    mut consume: impl FnMut(usize, ArrayD<f32>) -> Result<()>,
) -> Result<()> {
    let (mut stored, mut chunk) = file.array(key).map(|array| (array.shape, array.chunk)).unwrap_or_default();
    // MATLAB stores the axes in reverse order.
    if file.is_matlab() {
        stored.reverse();
        chunk.reverse();
    }
    let shape = squeezed(&stored);
    let axes = Axes::of(shape.len(), axis).ok_or_else(|| Error::failed("The patterns have too few axes"))?;
    let length_of = |axis: Option<usize>| axis.map_or(1, |axis| shape[axis]);
    // Columns of a grid; a plain stack is a single row.
    let columns = if axes.slow.is_some() { length_of(axes.fast).max(1) } else { usize::MAX };
    let length = length_of(axes.slow).saturating_mul(length_of(axes.fast));
    let frame = height.len().saturating_mul(width.len()).max(1);
    let step = (BLOCK_ELEMENTS / frame).max(1);
    let gap = MAX_GAP.max(axes.fast.and_then(|axis| chunk.get(axis).copied()).unwrap_or_default());
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
        let (mut starts, mut counts) = (vec![0; stored.len()], vec![1; stored.len()]);
        let ranges = [
            (axes.slow, first / columns, 1),
            (axes.fast, first % columns, count),
            (Some(axes.detector[0]), height.start, height.len()),
            (Some(axes.detector[1]), width.start, width.len()),
        ];
        for (axis, start, number) in ranges {
            if let Some(axis) = axis {
                (starts[axis], counts[axis]) = (start, number);
            }
        }
        let block = read_block(file, key, starts, counts)?;
        let block = stacked(block, &axes);
        let offsets: Vec<usize> = wanted.iter().map(|row| row - first).collect();
        let whole = offsets.len() == block.len_of(Axis(0));
        let block = if whole { block } else { block.select(Axis(0), &offsets) };
        consume(at, if block.is_standard_layout() { block } else { block.as_standard_layout().into_owned() })?;
        at = until;
    }
    Ok(())
}

/// A block by its axes as NumPy would have them; those of a MATLAB file are reversed.
fn read_block(file: &Hdf5File, key: &str, mut starts: Vec<usize>, mut counts: Vec<usize>) -> Result<ArrayD<f32>> {
    if !file.is_matlab() {
        return file.read_block(key, &starts, &counts);
    }
    starts.reverse();
    counts.reverse();
    Ok(file.read_block(key, &starts, &counts)?.reversed_axes())
}

/// (k, height, width) of a block in which all other axes have the length 1.
fn stacked(mut block: ArrayD<f32>, axes: &Axes) -> ArrayD<f32> {
    let kept: Vec<usize> = axes.fast.into_iter().chain(axes.detector).collect();
    let mut order = kept.clone();
    order.extend((0..block.ndim()).filter(|axis| !kept.contains(axis)));
    block = block.permuted_axes(order);
    while block.ndim() > kept.len() {
        block = block.index_axis_move(Axis(kept.len()), 0);
    }
    if axes.fast.is_none() { block.insert_axis(Axis(0)) } else { block }
}
