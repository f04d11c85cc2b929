//! 3×3 convolution of many channels in the Winograd basis (see `spectrum`), with 2.25 times fewer multiplications than
//! the direct convolution.
//!
//! Hazard: this basis sums neighboring pixels before the weights are applied, so that rounding errors are a few times
//! larger, and a value that is not finite spreads to the other pixels of its tile. Remedy: only the smallest basis is
//! used, F(2×2, 3×3), whose factors are 1 and 1/2; the tests apply the same tolerance to both convolutions. Raw
//! patterns, whose pixels differ by orders of magnitude, have few channels and are convolved directly.
//!
//! Groups, runs of groups and threads are as in `direct`.

use super::direct::{Direction, MAX_PARTIAL, MAX_RUNS, parts, share};
use super::spectrum::{FREQUENCIES, Kernels, PANEL, Planes, Product, ROWS, Spectrum, Taps, Tiles, kernels};
use super::{ConvGradients, ConvShape};
use crate::buffer::{LINE, Scratch, Shared};
use crate::simd::Level;
use rayon::prelude::*;
use std::cell::RefCell;

/// Floats of a group in the Winograd basis: a part of the L2 cache. Tests use small groups, so that small images are
/// divided into strips as well.
const GROUP_FLOATS: usize = if cfg!(test) { 8 * 1024 } else { 128 * 1024 };
/// Minimum number of tiles per group, unless an image has fewer: weights and their gradients are read once per group.
const MIN_TILES: usize = if cfg!(test) { 1 } else { 64 };

/// True if a convolution can use this basis: complete panels of channels, complete tiles, and rows of complete blocks.
pub(super) fn applies(shape: &ConvShape) -> bool {
    let panels = |channels: usize| channels > 0 && channels.is_multiple_of(PANEL);
    panels(shape.channels_in) && panels(shape.channels_out) && shape.h.is_multiple_of(2) && shape.w.is_multiple_of(8)
}

/// As [`super::forward`], for shapes to which this basis applies.
pub(super) fn forward(level: Level, shape: ConvShape, x: &[f32], weight: &[f32], bias: &[f32], relu: bool) -> Vec<f32> {
    let (c_in, c_out) = (shape.channels_in, shape.channels_out);
    let kernels = kernels(level);
    let weights = Weights::new(kernels, weight, c_out, c_in, Direction::Forward);
    let groups = groups(&shape, c_in);
    let mut y = Vec::with_capacity(shape.output_len());
    let conv = Convolution { kernels, weights: &weights, bias, relu, out: Shared::new(&mut y) };
    let parts = parts(groups.len(), c_out / PANEL);
    (0..groups.len() * parts).into_par_iter().for_each(|item| {
        let (group, part) = (&groups[item / parts], item % parts);
        SCRATCH.with_borrow_mut(|scratch| {
            conv.kernels.pad(&shape, group, c_in, x, None, &mut scratch.x);
            // SAFETY: the group was just padded; only this work item writes these channels of its images and rows,
            // which are inside the output.
            unsafe { conv.run(&shape, group, share(c_out / PANEL, part, parts), Padded::X, scratch) };
        });
    });
    // SAFETY: the groups cover all images and rows, and the parts all channels: every element was written.
    unsafe { y.set_len(shape.output_len()) };
    y
}

/// As [`super::backward`], for shapes to which this basis applies.
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
    let kernels = kernels(level);
    // The gradient of the input is a convolution of `dy` with the flipped, transposed kernel.
    let flipped = wants_input.then(|| Weights::new(kernels, weight, c_in, c_out, Direction::Backward));
    let groups = groups(&shape, c_in.max(c_out));
    let mut dx = Vec::with_capacity(if wants_input { shape.input_len() } else { 0 });
    let (no_bias, out) = (vec![0.0; c_in], Shared::new(&mut dx));

    let panels = c_out / PANEL;
    let gradient_len = FREQUENCIES * c_in * c_out;
    let partial_len = gradient_len + c_out;
    let runs = groups.len().min(MAX_RUNS).min((MAX_PARTIAL / partial_len).max(1));
    let parts = parts(runs, panels);
    let mut partial = vec![0.0; runs * partial_len];
    let partial_out = Shared::new(&mut partial);
    (0..runs * parts).into_par_iter().for_each(|item| {
        let (run, part) = (item / parts, item % parts);
        SCRATCH.with_borrow_mut(|scratch| {
            for (i, group) in groups[share(groups.len(), run, runs)].iter().enumerate() {
                kernels.pad(&shape, group, c_out, dy, relu_output, &mut scratch.dy);
                if let Some(weights) = &flipped {
                    let conv = Convolution { kernels, weights, bias: &no_bias, relu: false, out };
                    // SAFETY: as in `forward`.
                    unsafe { conv.run(&shape, group, share(c_in / PANEL, part, parts), Padded::Dy, scratch) };
                }
                kernels.pad(&shape, group, c_in, x, None, &mut scratch.x);
                // SAFETY: both groups were just padded; only this work item accesses the sums of this run and these
                // panels, which have the required sizes.
                unsafe {
                    let sums = partial_out.at(run * partial_len);
                    let bias = partial_out.at(run * partial_len + gradient_len);
                    weight_gradient(kernels, &shape, group, share(panels, part, parts), i > 0, sums, bias, scratch);
                }
            }
        });
    });
    // SAFETY: as in `forward`, if it is requested.
    unsafe { dx.set_len(if wants_input { shape.input_len() } else { 0 }) };
    let (weight, bias) = add_runs(kernels, &shape, &partial, partial_len);
    ConvGradients { input: wants_input.then_some(dx), weight, bias }
}

/// Consecutive images, or a strip of rows of one image.
struct Group {
    image: usize,
    first_row: usize,
    tiles: Tiles,
}

/// Divides a batch into groups, by its shape alone.
fn groups(shape: &ConvShape, channels: usize) -> Vec<Group> {
    let (rows, columns) = (shape.h / 2, shape.w / 2);
    let mut groups = Vec::new();
    if shape.n * rows * columns == 0 {
        return groups;
    }
    let wanted = (GROUP_FLOATS / (FREQUENCIES * channels)).max(MIN_TILES);
    if rows * columns <= wanted {
        // At least four groups, for as many threads.
        let images = (wanted / (rows * columns)).min(shape.n.div_ceil(4)).max(1);
        for image in (0..shape.n).step_by(images) {
            let tiles = Tiles { images: images.min(shape.n - image), rows, columns };
            groups.push(Group { image, first_row: 0, tiles });
        }
    } else {
        let strip = (wanted / columns).max(1);
        for image in 0..shape.n {
            for first in (0..rows).step_by(strip) {
                let tiles = Tiles { images: 1, rows: strip.min(rows - first), columns };
                groups.push(Group { image, first_row: 2 * first, tiles });
            }
        }
    }
    groups
}

#[derive(Default)]
struct Buffers {
    x: Scratch,
    dy: Scratch,
    /// All channels of a group in the Winograd basis.
    spectrum: Scratch,
    /// One panel of results or gradients in the Winograd basis.
    panel: Scratch,
    /// One panel of results.
    pixels: Scratch,
}

thread_local! {
    static SCRATCH: RefCell<Buffers> = RefCell::default();
}

/// Floats from one tile to the next and from one frequency to the next: odd numbers of cache lines, so that they do not
/// map to the same cache sets.
fn steps(tiles: usize, channels: usize) -> (usize, usize) {
    let odd = |floats: usize| (floats.div_ceil(LINE) | 1) * LINE;
    let row = if channels == PANEL { PANEL } else { odd(channels) };
    (row, odd(tiles.next_multiple_of(ROWS) * row))
}

fn spectrum(scratch: &mut Scratch, tiles: usize, channels: usize) -> Spectrum {
    let (row, plane) = steps(tiles, channels);
    Spectrum { data: scratch.floats(FREQUENCIES * plane).as_mut_ptr(), plane, row }
}

impl Kernels {
    /// Pads a group of `src` (n, channels, h, w) into `dst`.
    fn pad(
        &self,
        shape: &ConvShape,
        group: &Group,
        channels: usize,
        src: &[f32],
        mask: Option<&[f32]>,
        dst: &mut Scratch,
    ) {
        let planes = group.planes(shape, channels);
        let first = group.image * planes.image_step;
        let dst = dst.floats(group.tiles.padded_pixels() * channels);
        // SAFETY: the images of the group are inside `src` and the mask, `dst` has space for their padded pixels,
        // channels and columns are multiples of the side of a block (`applies`), and `Kernels` exist only for available
        // levels.
        unsafe {
            let mask = mask.map(|mask| mask[first..].as_ptr());
            (self.pad)(&group.tiles, &planes, channels, src[first..].as_ptr(), mask, dst.as_mut_ptr());
        }
    }
}

impl Group {
    fn planes(&self, shape: &ConvShape, channels: usize) -> Planes {
        Planes { h: shape.h, first_row: self.first_row, image_step: channels * shape.h * shape.w }
    }
}

/// Padded group read by a convolution.
enum Padded {
    X,
    Dy,
}

/// A convolution, ready for any group.
struct Convolution<'a> {
    kernels: &'a Kernels,
    weights: &'a Weights,
    bias: &'a [f32],
    relu: bool,
    out: Shared,
}

impl Convolution<'_> {
    /// Convolves a padded group for some panels of output channels.
    ///
    /// # Safety
    /// The group must have been padded, `out` must be valid for all images and channels, and no other thread may write
    /// these rows and channels of it.
    unsafe fn run(
        &self,
        shape: &ConvShape,
        group: &Group,
        panels: std::ops::Range<usize>,
        from: Padded,
        scratch: &mut Buffers,
    ) {
        let &Weights { ref data, channels_in, channels_out } = self.weights;
        let (kernels, tiles) = (self.kernels, &group.tiles);
        let padded = match from {
            Padded::X => &mut scratch.x,
            Padded::Dy => &mut scratch.dy,
        };
        let padded = padded.floats(0).as_ptr();
        let input = spectrum(&mut scratch.spectrum, tiles.count(), channels_in);
        let result = spectrum(&mut scratch.panel, tiles.count(), PANEL);
        let pixels = scratch.pixels.floats(4 * tiles.count() * PANEL).as_mut_ptr();
        let planes = group.planes(shape, channels_out);
        // SAFETY: the spectra have space for all tiles, rounded up to complete blocks of rows (results of rows past the
        // last tile are never read); weights and bias contain the panel; the rest is the contract of this function.
        unsafe {
            (kernels.input)(tiles, channels_in, padded, input);
            for panel in panels {
                for frequency in 0..FREQUENCIES {
                    (kernels.product)(&Product {
                        a: input.data.add(frequency * input.plane),
                        a_row: input.row,
                        a_step: 1,
                        rows: tiles.count().next_multiple_of(ROWS),
                        steps: channels_in,
                        b: data[(panel * FREQUENCIES + frequency) * channels_in * PANEL..].as_ptr(),
                        c: result.data.add(frequency * result.plane),
                        add: false,
                    });
                }
                let plane = shape.h * shape.w;
                let out = self.out.at(group.image * planes.image_step + panel * PANEL * plane);
                let bias = self.bias[panel * PANEL..].as_ptr();
                (kernels.output)(tiles, &planes, result, bias, self.relu, pixels, out);
            }
        }
    }
}

/// Gradients of weight, (panel, frequency, channel_in, PANEL), and bias of some panels of output channels, for a padded
/// group.
///
/// # Safety
/// `sums` and `bias` must be valid for the gradients of all channels, and no other thread may access those of these
/// panels.
#[allow(clippy::too_many_arguments, reason = "pointers of disjoint parts, which no struct may own")]
unsafe fn weight_gradient(
    kernels: &Kernels,
    shape: &ConvShape,
    group: &Group,
    panels: std::ops::Range<usize>,
    add: bool,
    sums: *mut f32,
    bias: *mut f32,
    scratch: &mut Buffers,
) {
    let (c_in, c_out, tiles) = (shape.channels_in, shape.channels_out, &group.tiles);
    let input = spectrum(&mut scratch.spectrum, tiles.count(), c_in);
    let gradient = spectrum(&mut scratch.panel, tiles.count(), PANEL);
    // SAFETY: the spectra have space for all tiles; the rest is the contract of this function.
    unsafe {
        (kernels.input)(tiles, c_in, scratch.x.floats(0).as_ptr(), input);
        for panel in panels {
            let dy = scratch.dy.floats(0).as_ptr().add(panel * PANEL);
            (kernels.gradient)(tiles, c_out, dy, gradient, bias.add(panel * PANEL));
            for frequency in 0..FREQUENCIES {
                (kernels.product)(&Product {
                    a: input.data.add(frequency * input.plane),
                    a_row: 1,
                    a_step: input.row,
                    rows: c_in,
                    steps: tiles.count(),
                    b: gradient.data.add(frequency * gradient.plane),
                    c: sums.add((panel * FREQUENCIES + frequency) * c_in * PANEL),
                    add,
                });
            }
        }
    }
}

/// Weights in the Winograd basis, `G w G^T`: (panel of channels_out, frequency, channel_in, PANEL).
struct Weights {
    data: Vec<f32>,
    channels_in: usize,
    channels_out: usize,
}

impl Weights {
    /// Transforms a weight. `channels_out` and `channels_in` are those of the resulting convolution; for the backward
    /// direction, the weight is (channels_in, channels_out, 3, 3) and is transposed and flipped.
    fn new(kernels: &Kernels, weight: &[f32], channels_out: usize, channels_in: usize, direction: Direction) -> Self {
        let mut data = vec![0.0; FREQUENCIES * channels_in * channels_out];
        let (out_step, in_step) = match direction {
            Direction::Forward => (channels_in * 9, 9),
            Direction::Backward => (9, channels_out * 9),
        };
        data.par_chunks_mut(FREQUENCIES * channels_in * PANEL).enumerate().for_each(|(panel, data)| {
            let taps = Taps { data: weight[panel * PANEL * out_step..].as_ptr(), out_step, in_step, channels_in };
            // SAFETY: the weight has nine taps for each channel of the panel and each input channel, the chunk has the
            // length of their transforms, and `Kernels` exist only for available levels.
            unsafe { (kernels.weights)(&taps, direction == Direction::Backward, data.as_mut_ptr()) };
        });
        Self { data, channels_in, channels_out }
    }
}

/// Adds the partial gradients, run after run, and transforms them back: (weight, bias).
fn add_runs(kernels: &Kernels, shape: &ConvShape, partial: &[f32], partial_len: usize) -> (Vec<f32>, Vec<f32>) {
    let (channels_in, gradient_len) = (shape.channels_in, partial_len - shape.channels_out);
    let runs = partial.len() / partial_len;
    let mut weight = vec![0.0; shape.weight_len()];
    if runs > 0 {
        weight.par_chunks_mut(PANEL * channels_in * 9).enumerate().for_each(|(panel, weight)| {
            let taps = Taps { data: weight.as_mut_ptr(), out_step: channels_in * 9, in_step: 9, channels_in };
            let sums = partial[panel * FREQUENCIES * channels_in * PANEL..].as_ptr();
            // SAFETY: each run contains the sums of all panels, and the chunk the nine taps of the channels of this
            // panel.
            unsafe { (kernels.weights_gradient)(sums, runs, partial_len, &taps) };
        });
    }
    let bias = |c: usize| partial.chunks_exact(partial_len).map(|run| run[gradient_len + c]).sum();
    (weight, (0..shape.channels_out).map(bias).collect())
}
