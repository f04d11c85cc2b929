//! Convolution of images; with flipped weights also the gradient of its input.
//!
//! A work group computes some channels of one tile of one image. Of a few input channels at a time it keeps the tile with
//! its border, and the weights, in shared memory; a thread computes two pixels, one above the other, in up to 16 channels.

use super::Layer;
use super::launch::{ONLY_KEPT, Shader, bindings, launch};
use burn_cubecl::tensor::CubeTensor;
use std::fmt::Write;

/// Bytes of shared memory that every device has.
const SHARED: usize = 16_384;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Convolve {
    pub layer: Layer,
    /// Weights are those of the reversed layer.
    pub flipped: bool,
    pub bias: bool,
    pub relu: bool,
    /// Inputs count only where a further tensor is positive.
    pub masked: bool,
}

/// How the work is shared out.
struct Plan {
    /// Columns and rows of a tile; an even number of rows.
    columns: usize,
    rows: usize,
    /// Output channels of a thread, in fours.
    fours: usize,
    /// Sets of threads in a work group, for one set of channels each.
    sets: usize,
    /// Input channels at a time.
    channels: usize,
}

impl Convolve {
    fn plan(&self) -> Plan {
        let Layer { channels_in, channels_out, h, w, .. } = self.layer;
        let (columns, rows) = (w.next_power_of_two().min(16), h.next_power_of_two().clamp(2, 16));
        let fours = channels_out.div_ceil(4).next_power_of_two().min(4);
        let pairs = columns * rows / 2;
        // Small images have few tiles: more and smaller work groups keep more of the device busy.
        let threads = if h * w >= 1024 { 256 } else { 128 };
        let sets = (threads / pairs).clamp(1, channels_out.div_ceil(4 * fours));
        let plan = |channels| Plan { columns, rows, fours, sets, channels };
        let channels = (1..=channels_in.min(8)).rev().find(|&channels| self.shared(&plan(channels)) <= SHARED);
        plan(channels.unwrap_or(1))
    }

    fn shared(&self, plan: &Plan) -> usize {
        let border = self.layer.side - 1;
        let tile = (plan.rows + border) * (plan.columns + border);
        4 * plan.channels * (tile + self.layer.taps() * 4 * plan.fours * plan.sets)
    }

    pub(super) fn launch(self, n: usize, tensors: &[&CubeTensor]) {
        let (plan, layer) = (self.plan(), self.layer);
        let tiles = layer.h.div_ceil(plan.rows) * layer.w.div_ceil(plan.columns);
        let blocks = layer.channels_out.div_ceil(4 * plan.fours * plan.sets);
        launch(self, [tiles, blocks, n], tensors);
    }
}

impl Shader for Convolve {
    fn threads(&self) -> usize {
        let plan = self.plan();
        plan.columns * plan.rows / 2 * plan.sets
    }

    fn text(&self) -> String {
        let plan = self.plan();
        let Layer { channels_in, channels_out, h, w, side } = self.layer;
        let Plan { columns, rows, fours, sets, channels } = plan;
        let (taps, radius, threads) = (self.layer.taps(), side / 2, self.threads());
        let (tile_columns, tile_rows) = (columns + side - 1, rows + side - 1);
        let (tile, quads, pairs) = (tile_rows * tile_columns, fours * sets, columns * rows / 2);
        let tiles_across = w.div_ceil(columns);
        let mut names = vec!["x", "weight", "y"];
        names.extend(self.bias.then_some("bias"));
        names.extend(self.masked.then_some("kept"));
        let mut text = String::new();
        let mut line = |written: std::fmt::Arguments<'_>| {
            let _never_fails = writeln!(text, "{written}");
        };
        line(format_args!("{}", bindings(names.into_iter())));
        line(format_args!("var<workgroup> tile: array<f32, {}>;", channels * tile));
        line(format_args!("var<workgroup> taps: array<vec4<f32>, {}>;", channels * taps * quads));
        let at = if self.flipped {
            format!("(i * {channels_out}u + o) * {taps}u + {}u - tap", taps - 1)
        } else {
            format!("(o * {channels_in}u + i) * {taps}u + tap")
        };
        line(format_args!(
            "fn weight_of(i: u32, tap: u32, o: u32) -> f32 {{
    if (i >= {channels_in}u || o >= {channels_out}u) {{ return 0.0; }}
    return weight[{at}];
}}
@compute @workgroup_size({threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {{
let top = (group.x / {tiles_across}u) * {rows}u;
let left = (group.x % {tiles_across}u) * {columns}u;
let first_out = group.y * {out_block}u;
let pair = me % {pairs}u;
let block = me / {pairs}u;
let column = pair % {columns}u;
let row = (pair / {columns}u) * 2u;",
            out_block = 4 * quads
        ));
        for q in 0..fours {
            line(format_args!("var a{q} = vec4<f32>(); var b{q} = vec4<f32>();"));
        }
        let kept = if self.masked { ONLY_KEPT } else { "" };
        line(format_args!(
            "for (var first = 0u; first < {channels_in}u; first += {channels}u) {{
workgroupBarrier();
for (var i = me; i < {tile_count}u; i += {threads}u) {{
    let channel = first + i / {tile}u;
    let r = i32(top + (i / {tile_columns}u) % {tile_rows}u) - {radius};
    let c = i32(left + i % {tile_columns}u) - {radius};
    var value = 0.0;
    if (channel < {channels_in}u && r >= 0 && r < {h} && c >= 0 && c < {w}) {{
        let at = ((group.z * {channels_in}u + channel) * {h}u + u32(r)) * {w}u + u32(c);
        value = x[at];
        {kept}
    }}
    tile[i] = value;
}}
for (var i = me; i < {tap_count}u; i += {threads}u) {{
    let channel = first + i / {tap_quads}u;
    let tap = (i / {quads}u) % {taps}u;
    let o = first_out + (i % {quads}u) * 4u;
    taps[i] = vec4<f32>(weight_of(channel, tap, o), weight_of(channel, tap, o + 1u),
        weight_of(channel, tap, o + 2u), weight_of(channel, tap, o + 3u));
}}
workgroupBarrier();
for (var channel = 0u; channel < {channels}u; channel++) {{
let corner = channel * {tile}u + row * {tile_columns}u + column;
let tap = channel * {tap_quads}u + block * {fours}u;",
            tile_count = channels * tile,
            tap_count = channels * taps * quads,
            tap_quads = taps * quads,
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
                if self.bias {
                    value = format!("{value} + bias[o + {channel}u]");
                }
                if self.relu {
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
