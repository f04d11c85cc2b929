//! Direct 3×3 convolution.
//!
//! Hazard: convolution as a matrix product (im2col) writes and reads each pixel nine times, which takes more time than
//! the arithmetic. Remedy: a group of images of about the size of the L2 cache is padded once (see `tile`), and the
//! convolution runs directly on it; bias and ReLU are applied in registers.
//!
//! Groups depend only on the shape. Sums over pixels (weight and bias gradients) are computed per run of groups, and
//! the runs are added in order, so that results are bit-identical for any number of threads. If there are more threads
//! than groups, the channels of a group are distributed instead.

use super::layout::{Geometry, Group, Layout};
use super::tile::{ConvBlock, Kernels, WeightGradient, kernels};
use super::{ConvGradients, ConvShape};
use crate::buffer::{Scratch, Shared};
use crate::simd::Level;
use rayon::prelude::*;
use std::cell::RefCell;

/// As [`super::forward`].
pub(super) fn forward(level: Level, shape: ConvShape, x: &[f32], weight: &[f32], bias: &[f32], relu: bool) -> Vec<f32> {
    let kernels = kernels(level.for_width(shape.w));
    let layout = Layout::new(kernels, &shape, shape.channels_in);
    let weights = PackedWeights::new(kernels, weight, shape.channels_out, shape.channels_in, Direction::Forward);
    let mut y = Vec::with_capacity(shape.output_len());
    let out = Shared::new(&mut y);
    let conv = GroupConv { kernels, layout: &layout, weights: &weights, bias, relu };
    let parts = parts(layout.groups.len(), weights.blocks.len());
    (0..layout.groups.len() * parts).into_par_iter().for_each(|item| {
        let (group, part) = (&layout.groups[item / parts], item % parts);
        SCRATCH.with_borrow_mut(|scratch| {
            let geometry = layout.geometry(group);
            layout.pad(kernels, group, shape.channels_in, x, None, &mut scratch.x);
            let blocks = share(weights.blocks.len(), part, parts);
            // SAFETY: the planes were just padded with this geometry; only this work item writes this group and these
            // blocks of channels.
            unsafe { conv.run(geometry, group, scratch.x.floats(0), &weights.blocks[blocks], out) };
        });
    });
    // SAFETY: the groups cover all images and rows, and the parts all channels: every element was written (an empty
    // output has none).
    unsafe { y.set_len(shape.output_len()) };
    y
}

/// As [`super::backward`].
pub(super) fn backward(
    level: Level,
    shape: ConvShape,
    x: &[f32],
    weight: &[f32],
    dy: &[f32],
    relu_output: Option<&[f32]>,
    wants_input: bool,
) -> ConvGradients {
    let (c_in, c_out) = (shape.channels_in, shape.channels_out);
    let kernels = kernels(level.for_width(shape.w));
    let layout = Layout::new(kernels, &shape, c_in + c_out);
    // The gradient of the input is a convolution of `dy` with the flipped, transposed kernel.
    let dx_channels = if wants_input { c_in } else { 0 };
    let flipped = PackedWeights::new(kernels, weight, dx_channels, c_out, Direction::Backward);
    let no_bias = vec![0.0; dx_channels];
    let conv = GroupConv { kernels, layout: &layout, weights: &flipped, bias: &no_bias, relu: false };
    let mut dx = Vec::with_capacity(if wants_input { shape.input_len() } else { 0 });
    let dx_out = Shared::new(&mut dx);

    let blocks = channel_blocks(c_out, kernels.block);
    let groups = layout.groups.len();
    let partial_len = shape.weight_len() + c_out;
    let runs = groups.min(MAX_RUNS).min((MAX_PARTIAL / partial_len.max(1)).max(1));
    let parts = parts(runs, blocks.len());
    let mut partial = vec![0.0; runs * partial_len];
    let partial_out = Shared::new(&mut partial);
    (0..runs * parts).into_par_iter().for_each(|item| {
        let (run, part) = (item / parts, item % parts);
        SCRATCH.with_borrow_mut(|scratch| {
            for (i, group) in layout.groups[share(groups, run, runs)].iter().enumerate() {
                let geometry = layout.geometry(group);
                layout.pad(kernels, group, c_out, dy, relu_output, &mut scratch.dy);
                let dx_blocks = &flipped.blocks[share(flipped.blocks.len(), part, parts)];
                // SAFETY: the planes were just padded; only this work item writes this group and these blocks of
                // channels of `dx`.
                unsafe { conv.run(geometry, group, scratch.dy.floats(0), dx_blocks, dx_out) };

                layout.pad(kernels, group, c_in, x, None, &mut scratch.x);
                for block in &blocks[share(blocks.len(), part, parts)] {
                    // SAFETY: only this work item writes the part of `partial` for this run and this block.
                    unsafe {
                        let partial = partial_out.at(run * partial_len);
                        weight_gradient(kernels, geometry, &shape, block, scratch, i > 0, partial);
                    }
                }
            }
        });
    });
    // SAFETY: as in `forward`: groups and parts cover all of `dx`, if it is requested.
    unsafe { dx.set_len(if wants_input { shape.input_len() } else { 0 }) };
    let (weight, bias) = add_runs(&shape, &blocks, &partial, partial_len);
    ConvGradients { input: wants_input.then_some(dx), weight, bias }
}

/// Maximum number of partial sums of the weight gradient, and of floats in all of them together.
pub(super) const MAX_RUNS: usize = 16;
pub(super) const MAX_PARTIAL: usize = 4 << 20;

#[derive(Default)]
struct Buffers {
    x: Scratch,
    dy: Scratch,
    sums: Scratch,
}

thread_local! {
    static SCRATCH: RefCell<Buffers> = RefCell::default();
}

/// Gradients of weight and bias of one block of output channels for a group whose padded planes are in `scratch`.
///
/// # Safety
/// `partial` must be valid for the packed gradients of all channels, and no other thread may access the part of this
/// block.
#[allow(clippy::too_many_arguments, reason = "pointers of disjoint parts, which no struct may own")]
unsafe fn weight_gradient(
    kernels: &Kernels,
    geometry: &Geometry,
    shape: &ConvShape,
    block: &Block,
    scratch: &mut Buffers,
    add: bool,
    partial: *mut f32,
) {
    let (plane, channels_in) = (geometry.plane, shape.channels_in);
    let dy = &scratch.dy.floats(0)[block.first * plane..(block.first + block.r) * plane];
    let arguments = WeightGradient {
        x: scratch.x.floats(0).as_ptr(),
        dy: dy.as_ptr(),
        plane,
        row: geometry.row,
        channels_in,
        windows: &geometry.windows,
        halves: geometry.windows_are_halves,
        sums: scratch.sums.floats(channels_in * 9 * block.r * kernels.lanes).as_mut_ptr(),
        // SAFETY: inside `partial`, by the contract of this function.
        out: unsafe { partial.add(block.first * channels_in * 9) },
        add,
    };
    // SAFETY: `pad` filled `channels_in` planes of `x` and all planes of `dy` with this geometry, whose windows are
    // inside a plane (`Geometry::new`); sums and result have the required sizes; `Kernels` exist only for available
    // levels.
    unsafe {
        (kernels.weight_gradient)(block.r, &arguments);
        for r in 0..block.r {
            let first_pixel = dy[r * plane + geometry.row + 1..].as_ptr();
            let sum = (kernels.sum)(first_pixel, geometry.vectors);
            let out = partial.add(shape.weight_len() + block.first + r);
            *out = if add { *out + sum } else { sum };
        }
    }
}

/// A run of output channels computed together.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Block {
    first: usize,
    r: usize,
}

/// Divides channels into blocks of `largest`, then of smaller powers of two.
fn channel_blocks(channels: usize, largest: usize) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut first = 0;
    while first < channels {
        let mut r = largest;
        while r > channels - first {
            r /= 2;
        }
        blocks.push(Block { first, r });
        first += r;
    }
    blocks
}

/// Use of a weight: unchanged, or transposed and flipped for the gradient of the input.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// Weights in the order of access by the kernels: for each block (channels_in, 9, r).
struct PackedWeights {
    data: Vec<f32>,
    blocks: Vec<Block>,
    channels_in: usize,
    channels_out: usize,
}

impl PackedWeights {
    /// Packs a weight. `channels_out` and `channels_in` are those of the resulting convolution; for the backward
    /// direction, the weight is (channels_in, channels_out, 3, 3) and is transposed and flipped.
    fn new(kernels: &Kernels, weight: &[f32], channels_out: usize, channels_in: usize, direction: Direction) -> Self {
        let blocks = channel_blocks(channels_out, kernels.block);
        let mut data = vec![0.0; channels_out * channels_in * 9];
        for block in &blocks {
            let packed = &mut data[block.first * channels_in * 9..][..block.r * channels_in * 9];
            for (ci, packed) in packed.chunks_exact_mut(9 * block.r).enumerate() {
                for i in 0..block.r {
                    let co = block.first + i;
                    let taps = packed.iter_mut().skip(i).step_by(block.r);
                    match direction {
                        Direction::Forward => {
                            let kernel = &weight[(co * channels_in + ci) * 9..][..9];
                            taps.zip(kernel).for_each(|(to, from)| *to = *from);
                        }
                        Direction::Backward => {
                            let kernel = &weight[(ci * channels_out + co) * 9..][..9];
                            taps.zip(kernel.iter().rev()).for_each(|(to, from)| *to = *from);
                        }
                    }
                }
            }
        }
        Self { data, blocks, channels_in, channels_out }
    }
}

/// A convolution, ready for any group.
struct GroupConv<'a> {
    kernels: &'a Kernels,
    layout: &'a Layout,
    weights: &'a PackedWeights,
    bias: &'a [f32],
    relu: bool,
}

impl GroupConv<'_> {
    /// Convolves the padded planes of `group` for some blocks of output channels.
    ///
    /// # Safety
    /// `padded` must contain the planes of the group with this geometry, `out` must be valid for (n, channels_out, h,
    /// w), and no other thread may write this group and these channels of it.
    unsafe fn run(&self, geometry: &Geometry, group: &Group, padded: &[f32], blocks: &[Block], out: Shared) {
        let Self { weights, layout, .. } = self;
        let &ConvShape { h, w, .. } = &layout.shape;
        for block in blocks {
            // SAFETY: `geometry.units` are inside the padded planes and, from the first row of the group, inside the
            // planes of its images; weights and bias contain the block; `Kernels` exist only for available levels.
            unsafe {
                let first = (group.image * weights.channels_out + block.first) * h * w + group.first_row * w;
                let arguments = ConvBlock {
                    x: padded.as_ptr(),
                    plane: geometry.plane,
                    row: geometry.row,
                    channels_in: weights.channels_in,
                    weight: weights.data[block.first * weights.channels_in * 9..].as_ptr(),
                    bias: self.bias[block.first..].as_ptr(),
                    relu: self.relu,
                    units: &geometry.units,
                    unit_len: geometry.unit_len,
                    halves: geometry.halves,
                    out: out.at(first),
                    out_plane: h * w,
                    out_image: weights.channels_out * h * w,
                };
                (self.kernels.conv)(block.r, &arguments);
            }
        }
    }
}

/// Number of parts into which the channel blocks of a group are divided, if there are fewer groups than threads.
pub(super) fn parts(groups: usize, blocks: usize) -> usize {
    let threads = rayon::current_num_threads();
    if threads < 2 || groups == 0 { 1 } else { (2 * threads).div_ceil(groups).min(blocks).max(1) }
}

/// The `i`-th of `k` nearly equal parts of `0..n`.
pub(super) fn share(n: usize, i: usize, k: usize) -> std::ops::Range<usize> {
    i * n / k..(i + 1) * n / k
}

/// Adds the partial gradients, run after run, and unpacks them: (weight, bias).
fn add_runs(shape: &ConvShape, blocks: &[Block], partial: &[f32], partial_len: usize) -> (Vec<f32>, Vec<f32>) {
    let per_channel = shape.channels_in * 9;
    let total = |i: usize| {
        let mut runs = partial.iter().skip(i).step_by(partial_len.max(1));
        let first = runs.next().copied().unwrap_or(0.0);
        runs.fold(first, |sum, x| sum + x)
    };
    let mut weight = vec![0.0; shape.weight_len()];
    let mut rows: Vec<&mut [f32]> = weight.chunks_mut(per_channel.max(1)).collect();
    let mut tasks = Vec::with_capacity(blocks.len());
    for block in blocks {
        let rest = rows.split_off(block.r.min(rows.len()));
        tasks.push((block, std::mem::replace(&mut rows, rest)));
    }
    tasks.into_par_iter().with_min_len((32 * 1024 / (8 * per_channel.max(1))).max(1)).for_each(|(block, mut rows)| {
        let packed = block.first * per_channel;
        for (r, row) in rows.iter_mut().enumerate() {
            for (j, out) in row.iter_mut().enumerate() {
                // j = (channel_in, ky) * 3 + kx; the packed order is (channel_in, ky, r, kx).
                *out = total(packed + (j / 3 * block.r + r) * 3 + j % 3);
            }
        }
    });
    let bias = (0..shape.channels_out).map(|c| total(shape.weight_len() + c)).collect();
    (weight, bias)
}
