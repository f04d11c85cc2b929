//! Convolutional block attention on the CPU: each channel is weighted by a gate computed from its mean and its maximum,
//! then each pixel by a gate computed from the maximum and the mean over the channels (A§4.6). Each image is processed
//! completely while it is in the cache, instead of some twenty passes over all images.

use super::buffer::fill_chunks_with;
use super::simd::{Level, compiled_for_each_level};
use std::mem::MaybeUninit;

/// Number of partial sums; fixed, so that every instruction level sums in the same order.
const LANES: usize = 16;

/// Shape of an attention layer and its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttentionShape {
    /// Number of images.
    pub n: usize,
    /// Channels per image.
    pub channels: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
    /// Units of the hidden layer between the channel statistics and the channel scores.
    pub units: usize,
    /// Side of the spatial kernel, odd.
    pub side: usize,
}

impl AttentionShape {
    fn pixels(&self) -> usize {
        self.h * self.w
    }

    /// Number of values per image.
    fn image(&self) -> usize {
        self.channels * self.pixels()
    }

    /// Rows and columns of a map padded with zeros for the kernel.
    fn padded(&self) -> [usize; 2] {
        [self.h + self.side - 1, self.w + self.side - 1]
    }

    fn kernel(&self) -> usize {
        2 * self.side * self.side
    }
}

/// Parameters of the attention.
#[derive(Debug, Clone, Copy)]
pub struct AttentionParameters<'a> {
    /// (units, channels)
    pub hidden_weight: &'a [f32],
    /// (units,)
    pub hidden_bias: &'a [f32],
    /// (channels, units)
    pub last_weight: &'a [f32],
    /// (channels,)
    pub last_bias: &'a [f32],
    /// (2, side, side): for the maximum, then for the mean.
    pub kernel: &'a [f32],
}

impl AttentionParameters<'_> {
    fn check(&self, shape: AttentionShape) {
        let AttentionShape { channels, units, side, .. } = shape;
        assert_eq!(side % 2, 1, "the kernel's side is odd");
        assert_eq!(self.hidden_weight.len(), units * channels, "hidden weight");
        assert_eq!(self.hidden_bias.len(), units, "hidden bias");
        assert_eq!(self.last_weight.len(), units * channels, "last weight");
        assert_eq!(self.last_bias.len(), channels, "last bias");
        assert_eq!(self.kernel.len(), shape.kernel(), "kernel");
    }
}

/// Intermediate results of one image for its gradients.
#[derive(Debug, Clone)]
pub struct AttentionState {
    /// Mean, maximum and pixel of the maximum of each channel, (channels,) each.
    mean: Vec<f32>,
    max: Vec<f32>,
    max_at: Vec<usize>,
    /// (channels,)
    channel_gate: Vec<f32>,
    /// Maximum and mean over the weighted channels, padded with zeros: (2, h + side - 1, w + side - 1).
    maps: Vec<f32>,
    /// Channel of the maximum, (h, w).
    max_channel: Vec<u32>,
    /// (h, w)
    pixel_gate: Vec<f32>,
}

/// Gradients of the input and of the parameters, with the layout of [`AttentionParameters`].
#[derive(Debug, Clone)]
pub struct AttentionGradients {
    /// (n, channels, h, w)
    pub input: Vec<f32>,
    /// (units, channels)
    pub hidden_weight: Vec<f32>,
    /// (units,)
    pub hidden_bias: Vec<f32>,
    /// (channels, units)
    pub last_weight: Vec<f32>,
    /// (channels,)
    pub last_bias: Vec<f32>,
    /// (2, side, side)
    pub kernel: Vec<f32>,
}

/// Applies the attention to images `x`, (n, channels, h, w); also returns the intermediate results for the gradients.
///
/// # Panics
/// If a length does not match `shape`.
pub fn forward(
    shape: AttentionShape,
    x: &[f32],
    parameters: AttentionParameters<'_>,
) -> (Vec<f32>, Vec<AttentionState>) {
    parameters.check(shape);
    let image = shape.image();
    assert_eq!(x.len(), shape.n * image, "input of {shape:?}");
    let level = Level::current();
    // SAFETY: `attend_image` writes each of the channels * h * w values of its image.
    unsafe {
        fill_chunks_with(image, shape.n, |i, y| {
            let mut state = AttentionState {
                mean: vec![0.0; shape.channels],
                max: vec![0.0; shape.channels],
                max_at: vec![0; shape.channels],
                channel_gate: vec![0.0; shape.channels],
                maps: vec![0.0; 2 * shape.padded()[0] * shape.padded()[1]],
                max_channel: vec![0; shape.pixels()],
                pixel_gate: vec![0.0; shape.pixels()],
            };
            attend_image(level, shape, &x[i * image..][..image], parameters, y, &mut state);
            state
        })
    }
}

/// Gradients from that of the output, `dy`, (n, channels, h, w).
///
/// # Panics
/// If a length does not match `shape`.
pub fn backward(
    shape: AttentionShape,
    x: &[f32],
    parameters: AttentionParameters<'_>,
    states: &[AttentionState],
    dy: &[f32],
) -> AttentionGradients {
    parameters.check(shape);
    let image = shape.image();
    assert_eq!(x.len(), shape.n * image, "input of {shape:?}");
    assert_eq!(dy.len(), shape.n * image, "output gradient of {shape:?}");
    assert_eq!(states.len(), shape.n, "states of {shape:?}");
    let level = Level::current();
    let zeros = || AttentionGradients {
        input: Vec::new(),
        hidden_weight: vec![0.0; shape.units * shape.channels],
        hidden_bias: vec![0.0; shape.units],
        last_weight: vec![0.0; shape.units * shape.channels],
        last_bias: vec![0.0; shape.channels],
        kernel: vec![0.0; shape.kernel()],
    };
    // SAFETY: `attend_image_backward` writes each of the channels * h * w values of its image.
    let (input, of_images) = unsafe {
        fill_chunks_with(image, shape.n, |i, dx| {
            let x_and_dy = [x, dy].map(|values| &values[i * image..][..image]);
            let mut gradients = zeros();
            attend_image_backward(level, shape, x_and_dy, parameters, &states[i], dx, &mut gradients);
            gradients
        })
    };
    let mut sum = zeros();
    sum.input = input;
    for one in &of_images {
        for (sum, one) in [
            (&mut sum.hidden_weight, &one.hidden_weight),
            (&mut sum.hidden_bias, &one.hidden_bias),
            (&mut sum.last_weight, &one.last_weight),
            (&mut sum.last_bias, &one.last_bias),
            (&mut sum.kernel, &one.kernel),
        ] {
            for (sum, one) in sum.iter_mut().zip(one) {
                *sum += one;
            }
        }
    }
    sum
}

compiled_for_each_level! {
    fn attend_image = attend(
        shape: AttentionShape,
        x: &[f32],
        parameters: AttentionParameters<'_>,
        y: &mut [MaybeUninit<f32>],
        state: &mut AttentionState,
    )
}

compiled_for_each_level! {
    fn attend_image_backward = attend_backward(
        shape: AttentionShape,
        x_and_dy: [&[f32]; 2],
        parameters: AttentionParameters<'_>,
        state: &AttentionState,
        dx: &mut [MaybeUninit<f32>],
        gradients: &mut AttentionGradients,
    )
}

fn sigmoid(z: f32) -> f32 {
    1.0 / (1.0 + (-z).exp())
}

/// Σ term(i) for i < n, in LANES partial sums.
#[inline(always)]
fn sum_of(n: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let whole = n / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += term(at + lane);
        }
    }
    for at in whole..n {
        lanes[at - whole] += term(at);
    }
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Maximum of a plane and its first position; if all values are NaN, the first value.
#[inline(always)]
fn max_of(plane: &[f32]) -> (f32, usize) {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let whole = plane.len() / LANES * LANES;
    for values in plane[..whole].chunks_exact(LANES) {
        for (max, v) in lanes.iter_mut().zip(values) {
            *max = if *v > *max { *v } else { *max };
        }
    }
    let max = lanes.iter().chain(&plane[whole..]).fold(f32::NEG_INFINITY, |max, v| if *v > max { *v } else { max });
    match plane.iter().position(|v| *v == max) {
        Some(at) => (max, at),
        None => (plane.first().copied().unwrap_or_default(), 0),
    }
}

/// A hidden unit for one channel statistic, before its activation.
#[inline(always)]
fn hidden(shape: AttentionShape, parameters: AttentionParameters<'_>, statistic: &[f32], unit: usize) -> f32 {
    let weight = &parameters.hidden_weight[unit * shape.channels..][..shape.channels];
    parameters.hidden_bias[unit] + weight.iter().zip(statistic).map(|(w, v)| w * v).sum::<f32>()
}

#[inline(always)]
fn attend(
    shape: AttentionShape,
    x: &[f32],
    parameters: AttentionParameters<'_>,
    y: &mut [MaybeUninit<f32>],
    state: &mut AttentionState,
) {
    let (pixels, channels) = (shape.pixels(), shape.channels);
    for (c, plane) in x.chunks_exact(pixels).enumerate() {
        state.mean[c] = sum_of(pixels, |i| plane[i]) / pixels as f32;
        (state.max[c], state.max_at[c]) = max_of(plane);
    }
    let mut units = vec![0.0f32; shape.units];
    for (unit, both) in units.iter_mut().enumerate() {
        *both = hidden(shape, parameters, &state.mean, unit).max(0.0)
            + hidden(shape, parameters, &state.max, unit).max(0.0);
    }
    for (c, gate) in state.channel_gate.iter_mut().enumerate() {
        let weight = &parameters.last_weight[c * shape.units..][..shape.units];
        let score = 2.0 * parameters.last_bias[c] + weight.iter().zip(&units).map(|(w, u)| w * u).sum::<f32>();
        *gate = sigmoid(score);
    }

    let (mut max, mut mean) = (vec![f32::NEG_INFINITY; pixels], vec![0.0f32; pixels]);
    for (c, plane) in x.chunks_exact(pixels).enumerate() {
        let gate = state.channel_gate[c];
        let values = plane.iter().zip(&mut max).zip(&mut mean).zip(&mut state.max_channel);
        for (((x, max), mean), max_channel) in values {
            let v = x * gate;
            *max_channel = if v > *max { c as u32 } else { *max_channel };
            *max = if v > *max { v } else { *max };
            *mean += v;
        }
    }
    let share = 1.0 / channels as f32;
    mean.iter_mut().for_each(|v| *v *= share);
    let [rows, columns] = shape.padded();
    let padding = shape.side / 2;
    for (map, values) in state.maps.chunks_exact_mut(rows * columns).zip([&max, &mean]) {
        for (row, values) in values.chunks_exact(shape.w).enumerate() {
            map[(row + padding) * columns + padding..][..shape.w].copy_from_slice(values);
        }
    }
    correlate(shape, &state.maps, parameters.kernel, &mut state.pixel_gate);
    state.pixel_gate.iter_mut().for_each(|z| *z = sigmoid(*z));

    for ((x, y), gate) in x.chunks_exact(pixels).zip(y.chunks_exact_mut(pixels)).zip(&state.channel_gate) {
        for ((x, y), pixel_gate) in x.iter().zip(y).zip(&state.pixel_gate) {
            y.write(x * gate * pixel_gate);
        }
    }
}

/// `out[p] = Σ kernel[m, k] · maps[m, p + k]` for padded maps, (2, rows, columns); `out` is (h, w).
#[inline(always)]
fn correlate(shape: AttentionShape, maps: &[f32], kernel: &[f32], out: &mut [f32]) {
    let [rows, columns] = shape.padded();
    out.fill(0.0);
    for (map, kernel) in maps.chunks_exact(rows * columns).zip(kernel.chunks_exact(shape.side * shape.side)) {
        for (row, out) in out.chunks_exact_mut(shape.w).enumerate() {
            for (ky, kernel) in kernel.chunks_exact(shape.side).enumerate() {
                let line = &map[(row + ky) * columns..][..columns];
                for (kx, k) in kernel.iter().enumerate() {
                    for (out, v) in out.iter_mut().zip(&line[kx..][..shape.w]) {
                        *out += k * v;
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn attend_backward(
    shape: AttentionShape,
    [x, dy]: [&[f32]; 2],
    parameters: AttentionParameters<'_>,
    state: &AttentionState,
    dx: &mut [MaybeUninit<f32>],
    gradients: &mut AttentionGradients,
) {
    let (pixels, channels, side) = (shape.pixels(), shape.channels, shape.side);
    // Gradient of the pixel scores.
    let mut score = vec![0.0f32; pixels];
    for (c, (x, dy)) in x.chunks_exact(pixels).zip(dy.chunks_exact(pixels)).enumerate() {
        let gate = state.channel_gate[c];
        for ((sum, x), dy) in score.iter_mut().zip(x).zip(dy) {
            *sum += dy * (x * gate);
        }
    }
    for (d, gate) in score.iter_mut().zip(&state.pixel_gate) {
        *d *= gate * (1.0 - gate);
    }

    // Gradients of the kernel and of the two maps; the latter by a correlation with the flipped kernel.
    let [rows, columns] = shape.padded();
    for (m, map) in state.maps.chunks_exact(rows * columns).enumerate() {
        for ky in 0..side {
            for kx in 0..side {
                let mut sum = 0.0;
                for (row, d) in score.chunks_exact(shape.w).enumerate() {
                    let line = &map[(row + ky) * columns + kx..][..shape.w];
                    sum += sum_of(shape.w, |i| d[i] * line[i]);
                }
                gradients.kernel[(m * side + ky) * side + kx] = sum;
            }
        }
    }
    let padding = side / 2;
    let mut padded = vec![0.0f32; rows * columns];
    for (row, d) in score.chunks_exact(shape.w).enumerate() {
        padded[(row + padding) * columns + padding..][..shape.w].copy_from_slice(d);
    }
    let (mut of_max, mut of_mean) = (vec![0.0f32; pixels], vec![0.0f32; pixels]);
    for (kernel, out) in parameters.kernel.chunks_exact(side * side).zip([&mut of_max, &mut of_mean]) {
        let flipped: Vec<f32> = kernel.iter().rev().copied().collect();
        correlate(shape, &padded, &flipped, out);
    }
    let share = 1.0 / channels as f32;
    of_mean.iter_mut().for_each(|v| *v *= share);

    // Gradient of the channel scores.
    let mut of_gate = vec![0.0f32; channels];
    for (c, (x, dy)) in x.chunks_exact(pixels).zip(dy.chunks_exact(pixels)).enumerate() {
        let gate = state.channel_gate[c];
        let sum = sum_of(pixels, |i| x[i] * weighted_gradient(state, &of_max, &of_mean, dy[i], i, c as u32));
        of_gate[c] = sum * gate * (1.0 - gate);
    }
    let (of_channel_mean, of_channel_max) = perceptron_backward(shape, parameters, state, &of_gate, gradients);

    for (c, (dy, dx)) in dy.chunks_exact(pixels).zip(dx.chunks_exact_mut(pixels)).enumerate() {
        let (gate, even) = (state.channel_gate[c], of_channel_mean[c] / pixels as f32);
        for (i, (dy, dx)) in dy.iter().zip(dx.iter_mut()).enumerate() {
            dx.write(weighted_gradient(state, &of_max, &of_mean, *dy, i, c as u32) * gate + even);
        }
        let at = state.max_at[c];
        let total = weighted_gradient(state, &of_max, &of_mean, dy[at], at, c as u32) * gate + even + of_channel_max[c];
        dx[at].write(total);
    }
}

/// Gradient of a value after the channel gate and before the pixel gate.
#[inline(always)]
fn weighted_gradient(
    state: &AttentionState,
    of_max: &[f32],
    of_mean: &[f32],
    dy: f32,
    pixel: usize,
    channel: u32,
) -> f32 {
    let through_max = if state.max_channel[pixel] == channel { of_max[pixel] } else { 0.0 };
    dy * state.pixel_gate[pixel] + of_mean[pixel] + through_max
}

/// Backward pass of the layers between channel statistics and channel scores; returns the gradients of means and
/// maxima.
#[inline(always)]
fn perceptron_backward(
    shape: AttentionShape,
    parameters: AttentionParameters<'_>,
    state: &AttentionState,
    of_score: &[f32],
    gradients: &mut AttentionGradients,
) -> (Vec<f32>, Vec<f32>) {
    let channels = shape.channels;
    for (gradient, d) in gradients.last_bias.iter_mut().zip(of_score) {
        *gradient = 2.0 * d;
    }
    let mut of_statistics = [vec![0.0f32; channels], vec![0.0f32; channels]];
    for unit in 0..shape.units {
        let weight = &parameters.hidden_weight[unit * channels..][..channels];
        let from_score: f32 =
            of_score.iter().enumerate().map(|(c, d)| d * parameters.last_weight[c * shape.units + unit]).sum();
        for (statistic, of_statistic) in [&state.mean, &state.max].into_iter().zip(&mut of_statistics) {
            let z = hidden(shape, parameters, statistic, unit);
            for (c, d) in of_score.iter().enumerate() {
                gradients.last_weight[c * shape.units + unit] += d * z.max(0.0);
            }
            if z > 0.0 {
                gradients.hidden_bias[unit] += from_score;
                let of_weight = &mut gradients.hidden_weight[unit * channels..][..channels];
                for c in 0..channels {
                    of_weight[c] += from_score * statistic[c];
                    of_statistic[c] += from_score * weight[c];
                }
            }
        }
    }
    let [of_mean, of_max] = of_statistics;
    (of_mean, of_max)
}
