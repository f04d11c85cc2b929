//! Convolutional block attention (A§4.6) in five launches, and its gradients in eight; composed of Burn's operations it
//! takes a hundred.
//!
//! Intermediate buffers: `statistics` (n, c, 3): mean and maximum of a channel, and the pixel of the maximum. `hidden`
//! (n, 2, u): hidden units for the means and for the maxima. `gates` (n, c): channel gates. `maps` (n, 3, h, w):
//! maximum and mean over the weighted channels, and the channel of the maximum. `pixel_gates` (n, h, w).

use super::launch::{Shader, bindings, launch};
use super::like;
use super::partial_sums::AddPartialSums;
use crate::attention::AttentionShape;
use burn_cubecl::tensor::CubeTensor;

/// Threads per work group.
const THREADS: usize = 256;
/// Pixels per work group in the sum for the gradient of the kernel.
const CHUNK: usize = 256;

/// Intermediate results for the gradients: statistics, hidden units, channel gates, maps, pixel gates.
pub(crate) type State = [CubeTensor; 5];

/// Applies the attention to images `x`, (n, c, h, w). All tensors are contiguous; the parameters have the order and
/// shapes of [`AttentionParameters`](crate::attention::AttentionParameters).
pub(crate) fn forward(
    shape: AttentionShape,
    x: &CubeTensor,
    [hidden_weight, hidden_bias, last_weight, last_bias, kernel]: &[CubeTensor; 5],
) -> (CubeTensor, State) {
    let AttentionShape { n, channels, h, w, units, .. } = shape;
    let (statistics, hidden) = (like(x, &[n, channels, 3]), like(x, &[n, 2, units]));
    let (gates, maps, pixel_gates) = (like(x, &[n, channels]), like(x, &[n, 3, h, w]), like(x, &[n, h, w]));
    let y = like(x, &[n, channels, h, w]);
    let run = |step: &'static Step, tensors: &[&CubeTensor]| step.run(shape, tensors);
    run(&STATISTICS, &[x, &statistics]);
    run(&GATES, &[&statistics, hidden_weight, hidden_bias, last_weight, last_bias, &hidden, &gates]);
    run(&MAPS, &[x, &gates, &maps]);
    run(&PIXEL_GATES, &[&maps, kernel, &pixel_gates]);
    run(&APPLY, &[x, &gates, &pixel_gates, &y]);
    (y, [statistics, hidden, gates, maps, pixel_gates])
}

/// Gradients of `x` and of the parameters from that of the output, `dy`.
pub(crate) fn backward(
    shape: AttentionShape,
    x: &CubeTensor,
    [hidden_weight, hidden_bias, last_weight, last_bias, kernel]: &[CubeTensor; 5],
    [statistics, hidden, gates, maps, pixel_gates]: &State,
    dy: &CubeTensor,
) -> (CubeTensor, [CubeTensor; 5]) {
    let AttentionShape { n, channels, h, w, units, side } = shape;
    let taps = 2 * side * side;
    let of = |parameter: &CubeTensor| {
        let dims: Vec<usize> = parameter.meta.shape().iter().copied().collect();
        like(x, &dims)
    };
    let gradients = [hidden_weight, hidden_bias, last_weight, last_bias, kernel].map(of);
    let [of_hidden_weight, of_hidden_bias, of_last_weight, of_last_bias, of_kernel] = &gradients;
    let run = |step: &'static Step, tensors: &[&CubeTensor]| step.run(shape, tensors);
    let pixel_scores = like(x, &[n, h, w]);
    run(&PIXEL_SCORES, &[x, dy, gates, pixel_gates, &pixel_scores]);
    let of_maps = like(x, &[n, 2, h, w]);
    run(&MAP_GRADIENTS, &[&pixel_scores, kernel, &of_maps]);
    let parts = n * (h * w).div_ceil(CHUNK);
    let sums = like(x, &[parts, taps]);
    run(&KERNEL_GRADIENTS, &[&pixel_scores, maps, &sums]);
    AddPartialSums { sizes: [taps, 0] }.launch(&sums, &[of_kernel]);
    let channel_scores = like(x, &[n, channels]);
    run(&CHANNEL_SCORES, &[x, dy, gates, pixel_gates, maps, &of_maps, &channel_scores]);
    let (of_hidden, of_statistics) = (like(x, &[n, 2, units]), like(x, &[n, channels, 2]));
    run(&STATISTICS_GRADIENTS, &[&channel_scores, hidden, hidden_weight, last_weight, &of_hidden, &of_statistics]);
    let (from, to) = ([statistics, hidden, &channel_scores, &of_hidden], [of_hidden_weight, of_hidden_bias]);
    run(&PARAMETER_GRADIENTS, &[&from[..], &to[..], &[of_last_weight, of_last_bias]].concat());
    let dx = like(x, &[n, channels, h, w]);
    run(&INPUT_GRADIENT, &[dy, gates, pixel_gates, maps, &of_maps, statistics, &of_statistics, &dx]);
    (dx, gradients)
}

/// A kernel of the sequence.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Step {
    name: &'static str,
    tensors: &'static [&'static str],
    source: &'static str,
    groups: Groups,
}

/// Work assigned to each work group; the second dimension of the grid are the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Groups {
    /// One channel of an image.
    Channels,
    /// One image.
    Images,
    /// A number of pixels of an image.
    Pixels(usize),
    /// Values of an image, one per thread.
    Values,
    /// Parameters between statistics and gates, one per thread; all images together.
    Parameters,
}

impl Step {
    fn run(&'static self, shape: AttentionShape, tensors: &[&CubeTensor]) {
        let AttentionShape { n, channels, h, w, units, .. } = shape;
        let groups = match self.groups {
            Groups::Channels => [channels, n, 1],
            Groups::Images => [1, n, 1],
            Groups::Pixels(pixels) => [(h * w).div_ceil(pixels), n, 1],
            Groups::Values => [(channels * h * w).div_ceil(THREADS), n, 1],
            Groups::Parameters => [((2 * units + 1) * channels + units).div_ceil(THREADS), 1, 1],
        };
        // The source is the same for every number of images.
        launch(Attention { step: self, shape: AttentionShape { n: 0, ..shape } }, groups, tensors);
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Attention {
    step: &'static Step,
    shape: AttentionShape,
}

impl Shader for Attention {
    fn threads(&self) -> usize {
        THREADS
    }

    fn source(&self) -> String {
        let AttentionShape { channels, h, w, units, side, .. } = self.shape;
        format!(
            "{}const CHANNELS: u32 = {channels}u;
const HEIGHT: i32 = {h};
const WIDTH: i32 = {w};
const PIXELS: u32 = {pixels}u;
const UNITS: u32 = {units}u;
const BOTH: u32 = {both}u;
const SIDE: i32 = {side};
const RADIUS: i32 = {radius};
const TAPS: u32 = {taps}u;
{}",
            bindings(self.step.tensors.iter().copied()),
            self.step.source,
            pixels = h * w,
            both = 2 * units,
            radius = side / 2,
            taps = side * side,
        )
    }
}

/// WGSL function: gradient of a value after the channel gate, through the pixel gate and through the maps.
macro_rules! gradient_of_weighted {
    () => {
        "fn gradient_of_weighted(image: u32, channel: u32, pixel: u32) -> f32 {
    let at = (image * CHANNELS + channel) * PIXELS + pixel;
    let mean = of_maps[(image * 2u + 1u) * PIXELS + pixel] / f32(CHANNELS);
    let leads = u32(maps[(image * 3u + 2u) * PIXELS + pixel]) == channel;
    return dy[at] * pixel_gates[image * PIXELS + pixel] + mean + select(0.0, of_maps[image * 2u * PIXELS + pixel], leads);
}
"
    };
}

const STATISTICS: Step = Step {
    name: "statistics",
    tensors: &["x", "statistics"],
    groups: Groups::Channels,
    source: "var<workgroup> sums: array<f32, 256>;
var<workgroup> tops: array<f32, 256>;
var<workgroup> places: array<u32, 256>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let channel = group.y * CHANNELS + group.x;
    var sum = 0.0;
    var top = -3.0e38;
    var place = 0u;
    for (var pixel = me; pixel < PIXELS; pixel += 256u) {
        let value = x[channel * PIXELS + pixel];
        sum += value;
        if (value > top) { top = value; place = pixel; }
    }
    sums[me] = sum;
    tops[me] = top;
    places[me] = place;
    for (var others = 128u; others > 0u; others /= 2u) {
        workgroupBarrier();
        if (me < others) {
            let other = me + others;
            sums[me] += sums[other];
            if (tops[other] > tops[me] || (tops[other] == tops[me] && places[other] < places[me])) {
                tops[me] = tops[other];
                places[me] = places[other];
            }
        }
    }
    if (me == 0u) {
        statistics[channel * 3u] = sums[0] / f32(PIXELS);
        statistics[channel * 3u + 1u] = tops[0];
        statistics[channel * 3u + 2u] = f32(places[0]);
    }
}
",
};

const GATES: Step = Step {
    name: "gates",
    tensors: &["statistics", "hidden_weight", "hidden_bias", "last_weight", "last_bias", "hidden", "gates"],
    groups: Groups::Images,
    source: "var<workgroup> parts: array<f32, 256>;
var<workgroup> units: array<f32, BOTH>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let image = group.y;
    for (var first = 0u; first < BOTH; first += 32u) {
        let at = first + me / 8u;
        let unit = at % UNITS;
        var part = 0.0;
        if (at < BOTH) {
            for (var channel = me % 8u; channel < CHANNELS; channel += 8u) {
                let statistic = statistics[(image * CHANNELS + channel) * 3u + at / UNITS];
                part += hidden_weight[unit * CHANNELS + channel] * statistic;
            }
        }
        parts[me] = part;
        workgroupBarrier();
        if (at < BOTH && me % 8u == 0u) {
            for (var lane = 1u; lane < 8u; lane++) { part += parts[me + lane]; }
            units[at] = max(part + hidden_bias[unit], 0.0);
            hidden[image * BOTH + at] = units[at];
        }
        workgroupBarrier();
    }
    for (var channel = me; channel < CHANNELS; channel += 256u) {
        var score = 2.0 * last_bias[channel];
        for (var unit = 0u; unit < UNITS; unit++) {
            score += last_weight[channel * UNITS + unit] * (units[unit] + units[UNITS + unit]);
        }
        gates[image * CHANNELS + channel] = 1.0 / (1.0 + exp(-score));
    }
}
",
};

const MAPS: Step = Step {
    name: "maps",
    tensors: &["x", "gates", "maps"],
    groups: Groups::Pixels(32),
    source: "var<workgroup> sums: array<f32, 256>;
var<workgroup> tops: array<f32, 256>;
var<workgroup> leaders: array<u32, 256>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let image = group.y;
    let pixel = group.x * 32u + me % 32u;
    var sum = 0.0;
    var top = -3.0e38;
    var leader = 0u;
    if (pixel < PIXELS) {
        for (var k = me / 32u; k < CHANNELS; k += 8u) {
            let channel = image * CHANNELS + k;
            let value = x[channel * PIXELS + pixel] * gates[channel];
            sum += value;
            if (value > top) { top = value; leader = k; }
        }
    }
    sums[me] = sum;
    tops[me] = top;
    leaders[me] = leader;
    workgroupBarrier();
    if (me < 32u && pixel < PIXELS) {
        for (var other = me + 32u; other < 256u; other += 32u) {
            sum += sums[other];
            if (tops[other] > top || (tops[other] == top && leaders[other] < leader)) {
                top = tops[other];
                leader = leaders[other];
            }
        }
        maps[image * 3u * PIXELS + pixel] = top;
        maps[(image * 3u + 1u) * PIXELS + pixel] = sum / f32(CHANNELS);
        maps[(image * 3u + 2u) * PIXELS + pixel] = f32(leader);
    }
}
",
};

const PIXEL_GATES: Step = Step {
    name: "pixel gates",
    tensors: &["maps", "kernel", "pixel_gates"],
    groups: Groups::Pixels(THREADS),
    source: "@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let pixel = group.x * 256u + me;
    if (pixel >= PIXELS) { return; }
    var score = 0.0;
    for (var map = 0u; map < 2u; map++) {
        for (var r = 0; r < SIDE; r++) {
            for (var c = 0; c < SIDE; c++) {
                let row = i32(pixel) / WIDTH + r - RADIUS;
                let column = i32(pixel) % WIDTH + c - RADIUS;
                if (row >= 0 && row < HEIGHT && column >= 0 && column < WIDTH) {
                    let value = maps[(group.y * 3u + map) * PIXELS + u32(row * WIDTH + column)];
                    score += kernel[map * TAPS + u32(r * SIDE + c)] * value;
                }
            }
        }
    }
    pixel_gates[group.y * PIXELS + pixel] = 1.0 / (1.0 + exp(-score));
}
",
};

const APPLY: Step = Step {
    name: "apply",
    tensors: &["x", "gates", "pixel_gates", "y"],
    groups: Groups::Values,
    source: "@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let at = group.x * 256u + me;
    if (at >= CHANNELS * PIXELS) { return; }
    let channel = group.y * CHANNELS + at / PIXELS;
    let place = channel * PIXELS + at % PIXELS;
    y[place] = x[place] * gates[channel] * pixel_gates[group.y * PIXELS + at % PIXELS];
}
",
};

const PIXEL_SCORES: Step = Step {
    name: "gradient of the pixel scores",
    tensors: &["x", "dy", "gates", "pixel_gates", "pixel_scores"],
    groups: Groups::Pixels(32),
    source: "var<workgroup> sums: array<f32, 256>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let image = group.y;
    let pixel = group.x * 32u + me % 32u;
    var sum = 0.0;
    if (pixel < PIXELS) {
        for (var k = me / 32u; k < CHANNELS; k += 8u) {
            let channel = image * CHANNELS + k;
            let at = channel * PIXELS + pixel;
            sum += dy[at] * x[at] * gates[channel];
        }
    }
    sums[me] = sum;
    workgroupBarrier();
    if (me < 32u && pixel < PIXELS) {
        for (var other = me + 32u; other < 256u; other += 32u) { sum += sums[other]; }
        let gate = pixel_gates[image * PIXELS + pixel];
        pixel_scores[image * PIXELS + pixel] = sum * gate * (1.0 - gate);
    }
}
",
};

const MAP_GRADIENTS: Step = Step {
    name: "gradients of the maps",
    tensors: &["pixel_scores", "kernel", "of_maps"],
    groups: Groups::Pixels(THREADS),
    source: "@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let pixel = group.x * 256u + me;
    if (pixel >= PIXELS) { return; }
    var largest = 0.0;
    var mean = 0.0;
    for (var r = 0; r < SIDE; r++) {
        for (var c = 0; c < SIDE; c++) {
            let row = i32(pixel) / WIDTH - r + RADIUS;
            let column = i32(pixel) % WIDTH - c + RADIUS;
            if (row >= 0 && row < HEIGHT && column >= 0 && column < WIDTH) {
                let score = pixel_scores[group.y * PIXELS + u32(row * WIDTH + column)];
                largest += kernel[u32(r * SIDE + c)] * score;
                mean += kernel[TAPS + u32(r * SIDE + c)] * score;
            }
        }
    }
    of_maps[group.y * 2u * PIXELS + pixel] = largest;
    of_maps[(group.y * 2u + 1u) * PIXELS + pixel] = mean;
}
",
};

const KERNEL_GRADIENTS: Step = Step {
    name: "gradient of the kernel",
    tensors: &["pixel_scores", "maps", "sums"],
    groups: Groups::Pixels(CHUNK),
    source: "@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {
    let image = group.y;
    for (var at = me; at < 2u * TAPS; at += 256u) {
        let tap = i32(at % TAPS);
        let map = (image * 3u + at / TAPS) * PIXELS;
        var sum = 0.0;
        for (var pixel = group.x * 256u; pixel < min(group.x * 256u + 256u, PIXELS); pixel++) {
            let row = i32(pixel) / WIDTH + tap / SIDE - RADIUS;
            let column = i32(pixel) % WIDTH + tap % SIDE - RADIUS;
            let there = row >= 0 && row < HEIGHT && column >= 0 && column < WIDTH;
            let value = maps[map + select(0u, u32(row * WIDTH + column), there)];
            sum += select(0.0, value * pixel_scores[image * PIXELS + pixel], there);
        }
        sums[(image * groups.x + group.x) * 2u * TAPS + at] = sum;
    }
}
",
};

const CHANNEL_SCORES: Step = Step {
    name: "gradient of the channel scores",
    tensors: &["x", "dy", "gates", "pixel_gates", "maps", "of_maps", "channel_scores"],
    groups: Groups::Channels,
    source: concat!(
        gradient_of_weighted!(),
        "var<workgroup> sums: array<f32, 256>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let image = group.y;
    let channel = image * CHANNELS + group.x;
    var sum = 0.0;
    for (var pixel = me; pixel < PIXELS; pixel += 256u) {
        sum += gradient_of_weighted(image, group.x, pixel) * x[channel * PIXELS + pixel];
    }
    sums[me] = sum;
    for (var others = 128u; others > 0u; others /= 2u) {
        workgroupBarrier();
        if (me < others) { sums[me] += sums[me + others]; }
    }
    if (me == 0u) { channel_scores[channel] = sums[0] * gates[channel] * (1.0 - gates[channel]); }
}
"
    ),
};

const STATISTICS_GRADIENTS: Step = Step {
    name: "gradients of the statistics",
    tensors: &["channel_scores", "hidden", "hidden_weight", "last_weight", "of_hidden", "of_statistics"],
    groups: Groups::Images,
    source: "var<workgroup> parts: array<f32, 256>;
var<workgroup> units: array<f32, BOTH>;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let image = group.y;
    for (var first = 0u; first < BOTH; first += 32u) {
        let at = first + me / 8u;
        var part = 0.0;
        if (at < BOTH) {
            for (var channel = me % 8u; channel < CHANNELS; channel += 8u) {
                part += last_weight[channel * UNITS + at % UNITS] * channel_scores[image * CHANNELS + channel];
            }
        }
        parts[me] = part;
        workgroupBarrier();
        if (at < BOTH && me % 8u == 0u) {
            for (var lane = 1u; lane < 8u; lane++) { part += parts[me + lane]; }
            units[at] = select(0.0, part, hidden[image * BOTH + at] > 0.0);
            of_hidden[image * BOTH + at] = units[at];
        }
        workgroupBarrier();
    }
    for (var at = me; at < 2u * CHANNELS; at += 256u) {
        let pool = at / CHANNELS;
        var sum = 0.0;
        for (var unit = 0u; unit < UNITS; unit++) {
            sum += hidden_weight[unit * CHANNELS + at % CHANNELS] * units[pool * UNITS + unit];
        }
        of_statistics[(image * CHANNELS + at % CHANNELS) * 2u + pool] = sum;
    }
}
",
};

const PARAMETER_GRADIENTS: Step = Step {
    name: "gradients of the parameters",
    tensors: &[
        "statistics",
        "hidden",
        "channel_scores",
        "of_hidden",
        "of_hidden_weight",
        "of_hidden_bias",
        "of_last_weight",
        "of_last_bias",
    ],
    groups: Groups::Parameters,
    source: "const WEIGHTS: u32 = UNITS * CHANNELS;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let images = arrayLength(&channel_scores) / CHANNELS;
    let at = group.x * 256u + me;
    var sum = 0.0;
    if (at < WEIGHTS) {
        let unit = at / CHANNELS;
        for (var image = 0u; image < images; image++) {
            let channel = (image * CHANNELS + at % CHANNELS) * 3u;
            sum += of_hidden[image * BOTH + unit] * statistics[channel];
            sum += of_hidden[image * BOTH + UNITS + unit] * statistics[channel + 1u];
        }
        of_hidden_weight[at] = sum;
    } else if (at < 2u * WEIGHTS) {
        let channel = (at - WEIGHTS) / UNITS;
        let unit = (at - WEIGHTS) % UNITS;
        for (var image = 0u; image < images; image++) {
            let units = hidden[image * BOTH + unit] + hidden[image * BOTH + UNITS + unit];
            sum += channel_scores[image * CHANNELS + channel] * units;
        }
        of_last_weight[at - WEIGHTS] = sum;
    } else if (at < 2u * WEIGHTS + CHANNELS) {
        let channel = at - 2u * WEIGHTS;
        for (var image = 0u; image < images; image++) { sum += channel_scores[image * CHANNELS + channel]; }
        of_last_bias[channel] = 2.0 * sum;
    } else if (at < 2u * WEIGHTS + CHANNELS + UNITS) {
        let unit = at - 2u * WEIGHTS - CHANNELS;
        for (var image = 0u; image < images; image++) {
            sum += of_hidden[image * BOTH + unit] + of_hidden[image * BOTH + UNITS + unit];
        }
        of_hidden_bias[unit] = sum;
    }
}
",
};

const INPUT_GRADIENT: Step = Step {
    name: "gradient of the input",
    tensors: &["dy", "gates", "pixel_gates", "maps", "of_maps", "statistics", "of_statistics", "dx"],
    groups: Groups::Values,
    source: concat!(
        gradient_of_weighted!(),
        "@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {
    let place = group.x * 256u + me;
    if (place >= CHANNELS * PIXELS) { return; }
    let image = group.y;
    let pixel = place % PIXELS;
    let channel = image * CHANNELS + place / PIXELS;
    let gradient = gradient_of_weighted(image, place / PIXELS, pixel);
    let tops = u32(statistics[channel * 3u + 2u]) == pixel;
    dx[channel * PIXELS + pixel] = gradient * gates[channel] + of_statistics[channel * 2u] / f32(PIXELS)
        + select(0.0, of_statistics[channel * 2u + 1u], tops);
}
"
    ),
};
