//! Direct 3×3 convolution, stride 1, padding 1, of `f32` images in (n, c, h, w) order, with its gradients.
//!
//! Hazard: convolution as matrix product (im2col) writes and reads each pixel nine times, and libraries that do so
//! spend more time on that than on arithmetic. Remedy: a group of images about as large as the second-level cache is
//! padded once (see `tile`), and the convolution runs on it directly; bias and ReLU are applied in registers.
//!
//! Groups depend on the shape only. A sum over pixels (weight and bias gradient) is made for each run of groups and
//! the runs are added in order, so results have the same bits whatever the number of threads. Threads beyond the
//! number of groups share out the channels of a group instead.

use super::buffer::{Scratch, Shared};
use super::layout::{Geometry, Group, Layout};
use super::simd::Level;
use super::tile::{ConvBlock, Kernels, WeightGradient, kernels};
use rayon::prelude::*;
use std::cell::RefCell;

/// Shape of a convolution: input (n, channels_in, h, w), weight (channels_out, channels_in, 3, 3), output
/// (n, channels_out, h, w).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Images.
    pub n: usize,
    /// Channels of the input.
    pub channels_in: usize,
    /// Channels of the output.
    pub channels_out: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
}

impl ConvShape {
    /// Floats in the input.
    pub fn input_len(&self) -> usize {
        self.n * self.channels_in * self.h * self.w
    }
    /// Floats in the output.
    pub fn output_len(&self) -> usize {
        self.n * self.channels_out * self.h * self.w
    }
    /// Floats in the weight.
    pub fn weight_len(&self) -> usize {
        self.channels_out * self.channels_in * 9
    }
    /// Floating-point operations of one pass (a multiplication and an addition count as two); the forward pass is
    /// one, the gradients for input and weight are one each.
    pub fn operations(&self) -> f64 {
        2.0 * (self.weight_len() * self.n * self.h * self.w) as f64
    }
}

/// Gradients of a convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvGradients {
    /// For the input, (n, channels_in, h, w), if asked for.
    pub input: Option<Vec<f32>>,
    /// For the weight, (channels_out, channels_in, 3, 3).
    pub weight: Vec<f32>,
    /// For the bias, (channels_out).
    pub bias: Vec<f32>,
}

/// `y = x * weight + bias`, then `max(y, 0)` if `relu`; the kernel is not flipped, as everywhere in machine learning.
///
/// # Panics
/// If a length does not fit the shape.
pub fn forward(shape: ConvShape, x: &[f32], weight: &[f32], bias: Option<&[f32]>, relu: bool) -> Vec<f32> {
    forward_at(Level::current(), shape, x, weight, bias, relu)
}

/// Gradients from the output gradient `dy`. If the forward pass had a ReLU, `relu_output` is its output.
///
/// # Panics
/// If a length does not fit the shape.
pub fn backward(
    shape: ConvShape,
    x: &[f32],
    weight: &[f32],
    dy: &[f32],
    relu_output: Option<&[f32]>,
    input_wanted: bool,
) -> ConvGradients {
    backward_at(Level::current(), shape, x, weight, dy, relu_output, input_wanted)
}

/// [`forward`] with the instructions of `level`.
///
/// # Panics
/// If a length does not fit the shape.
pub fn forward_at(
    level: Level,
    shape: ConvShape,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    relu: bool,
) -> Vec<f32> {
    assert_eq!(x.len(), shape.input_len(), "input of {shape:?}");
    assert_eq!(weight.len(), shape.weight_len(), "weight of {shape:?}");
    let bias = bias.map_or_else(|| vec![0.0; shape.channels_out], <[f32]>::to_vec);
    assert_eq!(bias.len(), shape.channels_out, "bias of {shape:?}");

    let kernels = kernels(level.for_width(shape.w));
    let layout = Layout::new(kernels, &shape, shape.channels_in);
    let weights = PackedWeights::new(kernels, weight, shape.channels_out, shape.channels_in, Direction::Forward);
    let mut y = Vec::with_capacity(shape.output_len());
    let out = Shared::new(&mut y);
    let conv = GroupConv { kernels, layout: &layout, weights: &weights, bias: &bias, relu };
    let parts = parts(layout.groups.len(), weights.blocks.len());
    (0..layout.groups.len() * parts).into_par_iter().for_each(|item| {
        let (group, part) = (&layout.groups[item / parts], item % parts);
        SCRATCH.with_borrow_mut(|scratch| {
            let geometry = layout.geometry(group);
            layout.pad(kernels, group, shape.channels_in, x, None, &mut scratch.x);
            let blocks = share(weights.blocks.len(), part, parts);
            // SAFETY: the planes were padded just now with this geometry; this group and these blocks of channels
            // are written by this work item only.
            unsafe { conv.run(geometry, group, scratch.x.floats(0), &weights.blocks[blocks], out) };
        });
    });
    // SAFETY: the groups cover all images and rows, and the parts all channels: every element was written (an output
    // without elements has none to write).
    unsafe { y.set_len(shape.output_len()) };
    y
}

/// [`backward`] with the instructions of `level`.
///
/// # Panics
/// If a length does not fit the shape.
pub fn backward_at(
    level: Level,
    shape: ConvShape,
    x: &[f32],
    weight: &[f32],
    dy: &[f32],
    relu_output: Option<&[f32]>,
    input_wanted: bool,
) -> ConvGradients {
    assert_eq!(x.len(), shape.input_len(), "input of {shape:?}");
    assert_eq!(weight.len(), shape.weight_len(), "weight of {shape:?}");
    assert_eq!(dy.len(), shape.output_len(), "output gradient of {shape:?}");
    assert!(relu_output.is_none_or(|y| y.len() == shape.output_len()), "output of {shape:?}");

    let (c_in, c_out) = (shape.channels_in, shape.channels_out);
    let kernels = kernels(level.for_width(shape.w));
    let layout = Layout::new(kernels, &shape, c_in + c_out);
    // The gradient for the input is a convolution of `dy` with the flipped, transposed kernel.
    let wanted = if input_wanted { c_in } else { 0 };
    let flipped = PackedWeights::new(kernels, weight, wanted, c_out, Direction::Backward);
    let no_bias = vec![0.0; wanted];
    let conv = GroupConv { kernels, layout: &layout, weights: &flipped, bias: &no_bias, relu: false };
    let mut dx = Vec::with_capacity(if input_wanted { shape.input_len() } else { 0 });
    let dx_out = Shared::new(&mut dx);

    let blocks = cut_channels(c_out, kernels.block);
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
                // SAFETY: the planes were padded just now; this group and these blocks of channels of `dx` are
                // written by this work item only.
                unsafe { conv.run(geometry, group, scratch.dy.floats(0), dx_blocks, dx_out) };

                layout.pad(kernels, group, c_in, x, None, &mut scratch.x);
                for block in &blocks[share(blocks.len(), part, parts)] {
                    // SAFETY: the part of `partial` for this run and this block is written by this work item only.
                    unsafe {
                        let partial = partial_out.at(run * partial_len);
                        weight_gradient(kernels, geometry, &shape, block, scratch, i > 0, partial);
                    }
                }
            }
        });
    });
    // SAFETY: as in `forward_at`: groups and parts cover the whole of `dx`, if it is wanted.
    unsafe { dx.set_len(if input_wanted { shape.input_len() } else { 0 }) };
    let (weight, bias) = add_runs(&shape, &blocks, &partial, partial_len);
    ConvGradients { input: input_wanted.then_some(dx), weight, bias }
}

/// Partial sums of the weight gradient, and floats in all of them together.
const MAX_RUNS: usize = 16;
const MAX_PARTIAL: usize = 4 << 20;

#[derive(Default)]
struct Buffers {
    x: Scratch,
    dy: Scratch,
    sums: Scratch,
}

thread_local! {
    static SCRATCH: RefCell<Buffers> = RefCell::default();
}

/// Weight and bias gradient of one block of output channels for a group whose padded planes are in `scratch`.
///
/// # Safety
/// `partial` must be valid for the packed gradients of all channels, and nobody else may use this block's part.
#[allow(clippy::too_many_arguments)]
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
        // SAFETY: inside `partial` by the caller's promise.
        out: unsafe { partial.add(block.first * channels_in * 9) },
        add,
    };
    // SAFETY: `pad` filled `channels_in` planes of `x` and all planes of `dy` with this geometry, whose windows
    // stay inside a plane (`Geometry::new`); sums and result have the sizes asked for; the level is available.
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

/// A run of output channels that are computed together.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Block {
    first: usize,
    r: usize,
}

/// Cuts channels into blocks of `largest`, then of smaller powers of two.
fn cut_channels(channels: usize, largest: usize) -> Vec<Block> {
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

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Forward,
    Backward,
}

/// Weights in the order in which the kernels read them: for each block (channels_in, 9, r).
struct PackedWeights {
    data: Vec<f32>,
    blocks: Vec<Block>,
    channels_in: usize,
    channels_out: usize,
}

impl PackedWeights {
    /// `channels_out` and `channels_in` as seen by the convolution to be made; backward, the weight is
    /// (channels_in, channels_out, 3, 3) and is transposed and flipped.
    fn new(kernels: &Kernels, weight: &[f32], channels_out: usize, channels_in: usize, direction: Direction) -> Self {
        let blocks = cut_channels(channels_out, kernels.block);
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
    /// `padded` must hold the group's planes with this geometry, `out` be valid for (n, channels_out, h, w), and
    /// nobody else may write this group and these channels of it.
    unsafe fn run(&self, geometry: &Geometry, group: &Group, padded: &[f32], blocks: &[Block], out: Shared) {
        let Self { weights, layout, .. } = self;
        let &ConvShape { h, w, .. } = &layout.shape;
        for block in blocks {
            // SAFETY: `geometry.units` stay inside the padded planes and, from the group's first row on, inside the
            // planes of its images; weights and bias hold the block; the level is available.
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

/// Into how many parts the channel blocks of a group are cut, for threads that would find no group to work on.
fn parts(groups: usize, blocks: usize) -> usize {
    let threads = rayon::current_num_threads();
    if threads < 2 || groups == 0 { 1 } else { (2 * threads).div_ceil(groups).min(blocks).max(1) }
}

/// Share number `i` of `0..n` in `k` nearly equal shares.
fn share(n: usize, i: usize, k: usize) -> std::ops::Range<usize> {
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
                // j = (channel_in, ky) * 3 + kx; packed order is (channel_in, ky, r, kx)
                *out = total(packed + (j / 3 * block.r + r) * 3 + j % 3);
            }
        }
    });
    let bias = (0..shape.channels_out).map(|c| total(shape.weight_len() + c)).collect();
    (weight, bias)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    /// Seeded numbers in [-0.5, 0.5).
    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        (0..n).map(|_| next()).collect()
    }

    fn naive(s: ConvShape, x: &[f32], weight: &[f32], bias: &[f32], relu: bool) -> Vec<f64> {
        let mut y = Vec::new();
        for n in 0..s.n {
            for co in 0..s.channels_out {
                for row in 0..s.h {
                    for col in 0..s.w {
                        let mut sum = f64::from(bias[co]);
                        for ci in 0..s.channels_in {
                            for (k, w) in weight[(co * s.channels_in + ci) * 9..][..9].iter().enumerate() {
                                let (r, c) = (row + k / 3, col + k % 3);
                                if (1..=s.h).contains(&r) && (1..=s.w).contains(&c) {
                                    let i = ((n * s.channels_in + ci) * s.h + r - 1) * s.w + c - 1;
                                    sum += f64::from(x[i]) * f64::from(*w);
                                }
                            }
                        }
                        y.push(if relu { sum.max(0.0) } else { sum });
                    }
                }
            }
        }
        y
    }

    fn dot(a: &[f32], b: impl IntoIterator<Item = f64>) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * b).sum()
    }

    fn wide(v: &[f32]) -> impl Iterator<Item = f64> + '_ {
        v.iter().map(|x| f64::from(*x))
    }

    /// Forward against plain loops; gradients through `<dy, J v> = <gradient, v>` for random directions `v`.
    fn check(level: Level, s: ConvShape, relu: bool, seed: u64) {
        let x = numbers(s.input_len(), seed);
        let weight = numbers(s.weight_len(), seed + 1);
        let bias = numbers(s.channels_out, seed + 2);
        let dy = numbers(s.output_len(), seed + 3);
        let what = format!("{} {s:?} relu {relu}", level.name());

        let y = forward_at(level, s, &x, &weight, Some(&bias), relu);
        let expected = naive(s, &x, &weight, &bias, relu);
        let error = y.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        let tolerance = 1e-6 * (4.0 + (s.channels_in * 9) as f64).sqrt();
        assert!(error < tolerance, "{what}: forward differs by {error:e}, allowed {tolerance:e}");

        // with a ReLU, J is the Jacobian of the active part
        let active: Vec<f32> = dy.iter().zip(&y).map(|(d, y)| if relu && *y <= 0.0 { 0.0 } else { *d }).collect();
        let g = backward_at(level, s, &x, &weight, &dy, relu.then_some(&y), true);
        let (no_bias, no_weight) = (vec![0.0; s.channels_out], vec![0.0; s.weight_len()]);
        for repeat in 0..2 {
            let [vx, vw, vb] =
                [x.len(), weight.len(), bias.len()].map(|n| numbers(n, seed + 10 + 100 * repeat + n as u64));
            let close = |name: &str, left: f64, gradient: &[f32], direction: &[f32]| {
                let right = dot(gradient, wide(direction));
                let scale = (dot(&active, wide(&active)) + 1.0).sqrt()
                    * (dot(direction, wide(direction)) + 1.0).sqrt()
                    * (s.channels_in * 9) as f64;
                assert!((left - right).abs() < 1e-6 * scale, "{what}: {name} {left} against {right}");
            };
            let dx = g.input.as_deref().unwrap_or_default();
            close("input", dot(&active, naive(s, &vx, &weight, &no_bias, false)), dx, &vx);
            close("weight", dot(&active, naive(s, &x, &vw, &no_bias, false)), &g.weight, &vw);
            close("bias", dot(&active, naive(s, &x, &no_weight, &vb, false)), &g.bias, &vb);
        }
        assert_eq!(g.input.as_ref().map(Vec::len), Some(x.len()));
        let without = backward_at(level, s, &x, &weight, &dy, relu.then_some(&y), false);
        assert_eq!((without.input, without.weight, without.bias), (None, g.weight, g.bias), "{what}");
    }

    fn shape(n: usize, channels_in: usize, channels_out: usize, h: usize, w: usize) -> ConvShape {
        ConvShape { n, channels_in, channels_out, h, w }
    }

    #[test]
    fn agrees_with_plain_loops_on_random_small_shapes() {
        for case in 0..120u64 {
            let pick = |k: u64, n: u64| 1 + (numbers(1, case * 7 + k)[0] + 0.5).mul_add(n as f32, 0.0) as usize;
            let s = shape(pick(1, 5), pick(2, 9), pick(3, 9), pick(4, 20), pick(5, 37));
            for level in Level::available() {
                check(level, s, case % 2 == 0, case);
            }
        }
    }

    #[test]
    fn agrees_with_plain_loops_where_layout_changes() {
        let shapes = [
            shape(1, 1, 1, 1, 1),
            shape(3, 2, 3, 5, 8),   // half vectors, odd number
            shape(1, 17, 16, 7, 8), // one group, odd half vectors
            shape(2, 8, 12, 8, 16), // whole vectors
            shape(2, 9, 31, 9, 17), // overlapping vectors
            shape(17, 1, 8, 6, 4),  // groups of several images, the last one smaller
            shape(5, 64, 4, 8, 8),
            shape(1, 40, 44, 50, 50),  // strips, ragged rows
            shape(2, 130, 2, 40, 32),  // strips, whole vectors
            shape(1, 300, 20, 37, 13), // strips of overlapping vectors
            shape(1, 200, 20, 37, 5),  // strips of half vectors
            shape(1, 400, 60, 35, 3),
            shape(2, 2, 40, 64, 33),
        ];
        for s in shapes {
            for level in Level::available() {
                check(level, s, true, 5);
            }
        }
    }

    #[test]
    fn results_have_the_same_bits_for_any_number_of_threads() {
        for s in [shape(16, 16, 24, 8, 8), shape(7, 3, 9, 20, 12), shape(1, 40, 44, 50, 50), shape(33, 20, 5, 24, 32)] {
            let x = numbers(s.input_len(), 1);
            let weight = numbers(s.weight_len(), 2);
            let dy = numbers(s.output_len(), 3);
            for level in Level::available() {
                let run = |threads: usize| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    pool.install(|| {
                        let y = forward_at(level, s, &x, &weight, None, true);
                        let g = backward_at(level, s, &x, &weight, &dy, Some(&y), true);
                        [y, g.input.unwrap_or_default(), g.weight, g.bias]
                            .map(|v| v.into_iter().map(f32::to_bits).collect::<Vec<_>>())
                    })
                };
                let one = run(1);
                for threads in [2, 3, 16] {
                    assert!(one == run(threads), "{} {s:?}: {threads} threads", level.name());
                }
            }
        }
    }

    #[test]
    fn a_nan_passes_the_relu_and_its_gradient() {
        let s = shape(1, 1, 1, 8, 16);
        let mut x = vec![1.0; s.input_len()];
        x[20] = f32::NAN;
        for level in Level::available() {
            let y = forward_at(level, s, &x, &[1.0; 9], Some(&[0.0]), true);
            assert_eq!(y.iter().filter(|y| y.is_nan()).count(), 9);
            let g = backward_at(level, s, &x, &[1.0; 9], &y, Some(&y), true);
            assert!(g.weight.iter().all(|w| w.is_nan()));
        }
    }

    #[test]
    fn an_empty_batch_gives_an_empty_output_and_zero_gradients() {
        let s = shape(0, 3, 2, 8, 8);
        assert!(forward(s, &[], &[1.0; 54], None, false).is_empty());
        let g = backward(s, &[], &[1.0; 54], &[], None, true);
        assert_eq!(g, ConvGradients { input: Some(vec![]), weight: vec![0.0; 54], bias: vec![0.0; 2] });
    }

    #[test]
    #[should_panic(expected = "weight of")]
    fn a_wrong_length_is_refused() {
        forward(shape(1, 2, 2, 4, 4), &[0.0; 32], &[0.0; 35], None, false);
    }
}
