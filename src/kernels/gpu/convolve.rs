//! Convolution of images and, with flipped weights, the gradient of its input.
//!
//! A work group computes some output channels of one tile of one image. For a few input channels at a time it holds the
//! tile with its border, and the weights, in shared memory; each thread computes two vertically adjacent pixels in up
//! to 16 channels.

use super::Layer;
use super::launch::{GROUPS, LARGEST_GROUP, LOADS, SHARED, SMALLEST_GROUP, Shader, THREADS, bindings, launch};
use burn_cubecl::tensor::CubeTensor;
use std::fmt::Write;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Convolve {
    layer: Layer,
    kind: Kind,
    plan: Plan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    /// Uses the weights of the reversed layer.
    pub flipped: bool,
    pub bias: bool,
    pub relu: bool,
    /// Inputs are zero where a further tensor is not positive.
    pub masked: bool,
}

/// Distribution of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Plan {
    /// Columns and rows of a tile; the number of rows is even.
    columns: usize,
    rows: usize,
    /// Output channels per thread, in multiples of four.
    fours: usize,
    /// Sets of threads in a work group; each computes its own channels.
    sets: usize,
    /// Input channels in shared memory at a time.
    channels: usize,
}

impl Plan {
    /// Small batches of small images offer little parallel work: then a thread has fewer channels, and a group fewer
    /// threads.
    fn new(layer: Layer, n: usize) -> Self {
        let Layer { channels_in, channels_out, h, w, .. } = layer;
        let (columns, rows) = (w.next_power_of_two().min(16), h.next_power_of_two().clamp(2, 16));
        let (pairs, tiles) = (columns * rows / 2, h.div_ceil(rows) * w.div_ceil(columns));
        let quads = channels_out.div_ceil(4);
        let busy = |fours: &usize| n * tiles * pairs * quads.div_ceil(*fours) >= THREADS;
        let fours = [4, 2].into_iter().filter(|fours| *fours < 2 * quads).find(busy).unwrap_or(1);
        let most = (LARGEST_GROUP / pairs).clamp(1, quads.div_ceil(fours).next_power_of_two());
        let enough =
            |sets: &usize| sets * pairs <= SMALLEST_GROUP || n * tiles * quads.div_ceil(fours * sets) >= GROUPS;
        let sets = (0..=most.ilog2()).rev().map(|power| 1 << power).find(enough).unwrap_or(1);
        let plan = |channels| Self { columns, rows, fours, sets, channels };
        let fits = |channels: &usize| {
            let plan = plan(*channels);
            let loads = plan.tile(layer).div_ceil(plan.threads()) + plan.weights(layer).div_ceil(plan.threads());
            4 * (plan.tile(layer) + plan.weights(layer)) <= SHARED && loads <= LOADS
        };
        plan((1..=channels_in.min(8)).rev().find(fits).unwrap_or(1))
    }

    fn threads(&self) -> usize {
        self.columns * self.rows / 2 * self.sets
    }

    /// Output channels per work group.
    fn block(&self) -> usize {
        4 * self.fours * self.sets
    }

    /// Inputs in shared memory.
    fn tile(&self, layer: Layer) -> usize {
        self.channels * (self.rows + layer.side - 1) * (self.columns + layer.side - 1)
    }

    /// Weights in shared memory.
    fn weights(&self, layer: Layer) -> usize {
        self.channels * layer.taps() * self.block()
    }
}

impl Convolve {
    pub(super) fn new(layer: Layer, kind: Kind, n: usize) -> Self {
        Self { layer, kind, plan: Plan::new(layer, n) }
    }

    pub(super) fn launch(self, n: usize, tensors: &[&CubeTensor]) {
        let Self { layer, plan, .. } = self;
        let tiles = layer.h.div_ceil(plan.rows) * layer.w.div_ceil(plan.columns);
        launch(self, [tiles, layer.channels_out.div_ceil(plan.block()), n], tensors);
    }
}

impl Shader for Convolve {
    fn threads(&self) -> usize {
        self.plan.threads()
    }

    #[allow(clippy::too_many_lines, reason = "follows the generated kernel from top to bottom")]
    fn source(&self) -> String {
        let Self { layer, kind: Kind { flipped, bias, relu, masked }, plan } = *self;
        let Layer { channels_in, channels_out, h, w, side } = layer;
        let Plan { columns, rows, fours, sets, channels } = plan;
        let (taps, radius, threads) = (layer.taps(), side / 2, plan.threads());
        let (tile_columns, tile_rows) = (columns + side - 1, rows + side - 1);
        let (tile, quads, pairs) = (tile_rows * tile_columns, fours * sets, columns * rows / 2);
        let (inputs, weights) = (plan.tile(layer), plan.weights(layer));
        let whole = channels_in.is_multiple_of(channels);
        let mut names = vec!["x", "weight", "y"];
        names.extend(bias.then_some("bias"));
        names.extend(masked.then_some("kept"));
        let mut text = String::new();
        let mut line = |written: std::fmt::Arguments<'_>| {
            let _never_fails = writeln!(text, "{written}");
        };
        line(format_args!(
            "{}var<workgroup> tile: array<f32, {inputs}>;
var<workgroup> taps: array<vec4<f32>, {}>;
@compute @workgroup_size({threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {{
let top = (group.x / {across}u) * {rows}u;
let left = (group.x % {across}u) * {columns}u;
let first_out = group.y * {block}u;
let pair = me % {pairs}u;
let block = me / {pairs}u;
let column = pair % {columns}u;
let row = (pair / {columns}u) * 2u;",
            bindings(names.into_iter()),
            weights / 4,
            across = w.div_ceil(columns),
            block = plan.block(),
        ));
        for q in 0..fours {
            line(format_args!("var a{q} = vec4<f32>(); var b{q} = vec4<f32>();"));
        }
        // Addresses of the inputs and weights that a thread loads; only the channel changes between iterations.
        for slot in 0..inputs.div_ceil(threads) {
            line(format_args!(
                "let i{slot} = me + {first}u;
let ci{slot} = i{slot} / {tile}u;
let ri{slot} = i32(top + (i{slot} / {tile_columns}u) % {tile_rows}u) - {radius};
let li{slot} = i32(left + i{slot} % {tile_columns}u) - {radius};
let oki{slot} = i{slot} < {inputs}u && ri{slot} >= 0 && ri{slot} < {h} && li{slot} >= 0 && li{slot} < {w};
let ati{slot} = ((group.z * {channels_in}u + ci{slot}) * {h}u + u32(ri{slot})) * {w}u + u32(li{slot});
var i{slot}_value = 0.0;",
                first = slot * threads
            ));
        }
        // Weights are read in memory order: (out, in, tap), or (in, out, tap) of the reversed layer.
        let (run, outer) = if flipped { (plan.block() * taps, taps) } else { (channels * taps, channels * taps) };
        for slot in 0..weights.div_ceil(threads) {
            let (channel, out, tap) = if flipped {
                (
                    format!("w{slot} / {run}u"),
                    format!("(w{slot} % {run}u) / {outer}u"),
                    format!("{}u - w{slot} % {taps}u", taps - 1),
                )
            } else {
                (format!("(w{slot} % {run}u) / {taps}u"), format!("w{slot} / {run}u"), format!("w{slot} % {taps}u"))
            };
            let at = if flipped {
                format!("(cw{slot} * {channels_out}u + first_out + ow{slot}) * {taps}u + w{slot} % {taps}u")
            } else {
                format!("((first_out + ow{slot}) * {channels_in}u + cw{slot}) * {taps}u + w{slot} % {taps}u")
            };
            line(format_args!(
                "let w{slot} = me + {first}u;
let cw{slot} = {channel};
let ow{slot} = {out};
let tow{slot} = (cw{slot} * {taps}u + {tap}) * {quads}u + ow{slot} / 4u;
let okw{slot} = w{slot} < {weights}u && first_out + ow{slot} < {channels_out}u;
let atw{slot} = {at};
var w{slot}_value = 0.0;",
                first = slot * threads
            ));
        }
        // All loads of a thread are issued together, and overlap with the computation of the previous channels.
        let load = |line: &mut dyn FnMut(std::fmt::Arguments<'_>), from: &str| {
            let there = |name: &str, slot: usize| {
                if whole {
                    format!("ok{name}{slot}")
                } else {
                    format!("ok{name}{slot} && {from} + c{name}{slot} < {channels_in}u")
                }
            };
            for slot in 0..inputs.div_ceil(threads) {
                let (there, at) = (there("i", slot), format!("ati{slot} + {from} * {}u", h * w));
                let kept = if masked { " & (kept[at] > 0.0)" } else { "" };
                line(format_args!(
                    "{{ let there = {there}; let at = select(0u, {at}, there); i{slot}_value = select(0.0, x[at], there{kept}); }}"
                ));
            }
            let pace = if flipped { channels_out * taps } else { taps };
            for slot in 0..weights.div_ceil(threads) {
                let there = there("w", slot);
                line(format_args!(
                    "{{ let there = {there}; w{slot}_value = select(0.0, weight[select(0u, atw{slot} + {from} * {pace}u, there)], there); }}"
                ));
            }
        };
        load(&mut line, "0u");
        line(format_args!(
            "for (var first = 0u; first < {channels_in}u; first += {channels}u) {{\nworkgroupBarrier();"
        ));
        for slot in 0..inputs.div_ceil(threads) {
            let guard =
                if (slot + 1) * threads > inputs { format!("if (i{slot} < {inputs}u) ") } else { String::new() };
            line(format_args!("{guard}{{ tile[i{slot}] = i{slot}_value; }}"));
        }
        for slot in 0..weights.div_ceil(threads) {
            let guard =
                if (slot + 1) * threads > weights { format!("if (w{slot} < {weights}u) ") } else { String::new() };
            line(format_args!("{guard}{{ taps[tow{slot}][ow{slot} % 4u] = w{slot}_value; }}"));
        }
        line(format_args!(
            "workgroupBarrier();\nif (first + {channels}u < {channels_in}u) {{\nlet next = first + {channels}u;"
        ));
        load(&mut line, "next");
        line(format_args!(
            "}}
for (var channel = 0u; channel < {channels}u; channel++) {{
let corner = channel * {tile}u + row * {tile_columns}u + column;
let tap = channel * {}u + block * {fours}u;",
            taps * quads,
        ));
        for r in 0..=side {
            for c in 0..side {
                line(format_args!("let v{r}_{c} = tile[corner + {}u];", r * tile_columns + c));
            }
        }
        for r in 0..side {
            for c in 0..side {
                for q in 0..fours {
                    let tap = (r * side + c) * quads + q;
                    line(format_args!(
                        "{{ let t = taps[tap + {tap}u]; a{q} += v{r}_{c} * t; b{q} += v{}_{c} * t; }}",
                        r + 1
                    ));
                }
            }
        }
        line(format_args!("}}\n}}\nlet c = left + column;\nlet o = first_out + block * {}u;", 4 * fours));
        line(format_args!("if (c >= {w}u) {{ return; }}"));
        for (below, name) in ["a", "b"].into_iter().enumerate() {
            line(format_args!("{{ let r = top + row + {below}u;\nif (r < {h}u) {{"));
            for channel in 0..4 * fours {
                let part = ["x", "y", "z", "w"][channel % 4];
                let mut value = format!("{name}{}.{part}", channel / 4);
                if bias {
                    value = format!("{value} + bias[o + {channel}u]");
                }
                if relu {
                    value = format!("max({value}, 0.0)");
                }
                line(format_args!(
                    "if (o + {channel}u < {channels_out}u) {{ y[((group.z * {channels_out}u + o + {channel}u) * {h}u + r) * {w}u + c] = {value}; }}"
                ));
            }
            line(format_args!("}} }}"));
        }
        line(format_args!("}}"));
        text
    }
}
