//! Gradients of a convolution's weights and bias: sums over all pixels of all images.
//!
//! A work group sums over some rows for up to 32 × 32 pairs of channels; a thread has up to 2 × 2 of them with all taps,
//! and slides along the row. Where there are few pairs, several threads share the columns. A second kernel adds the sums.

use super::launch::{ONLY_KEPT, Shader, bindings, launch};
use super::{LARGEST_GRID, Layer, like};
use burn_cubecl::tensor::CubeTensor;
use std::fmt::Write;

/// Channels of a work group, of either side.
const BLOCK: usize = 32;
/// Work groups that keep a large device busy.
const GROUPS: usize = 512;
/// Sums that are added, at most.
const PARTS: usize = 512;
/// Elements of the sums of all parts, at most: 64 MiB.
const ELEMENTS: usize = 1 << 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Correlate {
    n: usize,
    layer: Layer,
    masked: bool,
}

/// How the work is shared out.
struct Plan {
    /// Pairs of channels of a thread: (out, in).
    own: (usize, usize),
    /// Threads for channels: (out, in).
    threads: (usize, usize),
    /// Threads that share the columns.
    lanes: usize,
    /// Columns at a time.
    columns: usize,
    /// Rows of all images that a work group sums over, and the number of such parts.
    rows: usize,
    splits: usize,
}

impl Plan {
    /// Channels of a work group: (out, in).
    fn block(&self) -> (usize, usize) {
        (self.own.0 * self.threads.0, self.own.1 * self.threads.1)
    }

    fn parts(&self) -> usize {
        self.splits * self.lanes
    }
}

/// Elements of one sum: the weights', then the bias'.
fn elements(layer: Layer) -> usize {
    layer.channels_out * (layer.channels_in * layer.taps() + 1)
}

impl Correlate {
    fn plan(&self) -> Plan {
        let Layer { channels_in, channels_out, h, w, side } = self.layer;
        // A larger kernel keeps more rows in shared memory, and more sums in a thread.
        let (most, most_own) = if side <= 3 { (BLOCK, 2) } else { (4, 1) };
        let (out, input) = (channels_out.next_power_of_two().min(most), channels_in.next_power_of_two().min(most));
        let own = (out.min(most_own), input.min(most_own));
        let threads = (out / own.0, input / own.1);
        let columns = w.next_power_of_two().clamp(4, 16);
        let lanes = (64 / (threads.0 * threads.1)).clamp(1, columns / 2);
        let tiles = channels_out.div_ceil(out) * channels_in.div_ceil(input);
        let all = self.n * h;
        let most = (PARTS / lanes).min(ELEMENTS / (elements(self.layer) * lanes)).max(1);
        let rows = all.div_ceil(GROUPS.div_ceil(tiles).min(most));
        Plan { own, threads, lanes, columns, rows, splits: all.div_ceil(rows) }
    }
}

impl Shader for Correlate {
    fn threads(&self) -> usize {
        let plan = self.plan();
        plan.threads.0 * plan.threads.1 * plan.lanes
    }

    fn text(&self) -> String {
        let plan = self.plan();
        let Layer { channels_in, channels_out, h, w, side } = self.layer;
        let Plan { own, threads, lanes, columns, rows, .. } = plan;
        let (taps, radius, all_threads) = (self.layer.taps(), side / 2, self.threads());
        let ((out, input), width) = (plan.block(), columns + side - 1);
        let (all, count, run) = (self.n * h, elements(self.layer), columns / lanes);
        let mut text = String::new();
        let mut line = |written: std::fmt::Arguments<'_>| {
            let _never_fails = writeln!(text, "{written}");
        };
        line(format_args!("{}", bindings(["x", "dy", "sums"].into_iter().chain(self.masked.then_some("kept")))));
        let kept = if self.masked { ONLY_KEPT } else { "" };
        line(format_args!(
            "var<workgroup> xs: array<f32, {xs}>;
var<workgroup> ds: array<f32, {ds}>;
@compute @workgroup_size({all_threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {{
let first_in = group.x * {input}u;
let first_out = group.y * {out}u;
let i = me % {ti}u;
let o = (me / {ti}u) % {to}u;
let lane = me / {tio}u;",
            xs = input * side * width,
            ds = out * columns,
            ti = threads.1,
            to = threads.0,
            tio = threads.0 * threads.1,
        ));
        for a in 0..own.0 {
            line(format_args!("var s{a} = 0.0;"));
            for b in 0..own.1 {
                for tap in 0..taps {
                    line(format_args!("var d{a}{b}_{tap} = 0.0;"));
                }
            }
        }
        line(format_args!(
            "let end = min((group.z + 1u) * {rows}u, {all}u);
for (var row = group.z * {rows}u; row < end; row++) {{
let image = row / {h}u;
let line = row % {h}u;
for (var left = 0u; left < {w}u; left += {columns}u) {{
workgroupBarrier();
for (var k = me; k < {xs}u; k += {all_threads}u) {{
    let channel = first_in + k / {tile}u;
    let r = i32(line + (k / {width}u) % {side}u) - {radius};
    let c = i32(left + k % {width}u) - {radius};
    var value = 0.0;
    if (channel < {channels_in}u && r >= 0 && r < {h} && c >= 0 && c < {w}) {{
        value = x[((image * {channels_in}u + channel) * {h}u + u32(r)) * {w}u + u32(c)];
    }}
    xs[k] = value;
}}
for (var k = me; k < {ds}u; k += {all_threads}u) {{
    let channel = first_out + k / {columns}u;
    let c = left + k % {columns}u;
    var value = 0.0;
    if (channel < {channels_out}u && c < {w}u) {{
        let at = ((image * {channels_out}u + channel) * {h}u + line) * {w}u + c;
        value = dy[at];
        {kept}
    }}
    ds[k] = value;
}}
workgroupBarrier();
let from_x = lane * {run}u + i * {tile}u;
let from_d = lane * {run}u + o * {columns}u;",
            xs = input * side * width,
            ds = out * columns,
            tile = side * width,
        ));
        // Columns of the input are read once and stay in registers for as long as the kernel covers them.
        let column = |line: &mut dyn FnMut(std::fmt::Arguments<'_>), k: usize| {
            for b in 0..own.1 {
                for r in 0..side {
                    let at = (b * threads.1 * side + r) * width + k;
                    line(format_args!("let x{b}_{r}_{k} = xs[from_x + {at}u];"));
                }
            }
        };
        for k in 0..side - 1 {
            column(&mut line, k);
        }
        for k in 0..run {
            column(&mut line, k + side - 1);
            for a in 0..own.0 {
                line(format_args!("let g{a}_{k} = ds[from_d + {}u];\ns{a} += g{a}_{k};", a * threads.0 * columns + k));
                for b in 0..own.1 {
                    for r in 0..side {
                        for c in 0..side {
                            let tap = r * side + c;
                            line(format_args!("d{a}{b}_{tap} += g{a}_{k} * x{b}_{r}_{};", k + c));
                        }
                    }
                }
            }
        }
        line(format_args!("}}\n}}\nlet part = (group.z * {lanes}u + lane) * {count}u;"));
        for a in 0..own.0 {
            line(format_args!("{{ let oo = first_out + o + {}u;\nif (oo < {channels_out}u) {{", a * threads.0));
            for b in 0..own.1 {
                line(format_args!("{{ let ii = first_in + i + {}u;\nif (ii < {channels_in}u) {{", b * threads.1));
                line(format_args!("let at = part + (oo * {channels_in}u + ii) * {taps}u;"));
                for tap in 0..taps {
                    line(format_args!("sums[at + {tap}u] = d{a}{b}_{tap};"));
                }
                line(format_args!("}} }}"));
            }
            let bias = channels_out * channels_in * taps;
            line(format_args!("if (first_in + i == 0u) {{ sums[part + {bias}u + oo] = s{a}; }}\n}} }}"));
        }
        line(format_args!("}}"));
        text
    }
}

/// Adds the sums of all parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Add {
    parts: usize,
    weights: usize,
    biases: usize,
}

impl Add {
    /// Elements of a work group.
    const ELEMENTS: usize = 32;
    /// Threads of an element.
    const LANES: usize = 8;

    fn groups(self) -> (usize, usize) {
        let groups = (self.weights + self.biases).div_ceil(Self::ELEMENTS);
        let across = groups.min(LARGEST_GRID / 2);
        (across, groups.div_ceil(across))
    }
}

impl Shader for Add {
    fn threads(&self) -> usize {
        Self::ELEMENTS * Self::LANES
    }

    fn text(&self) -> String {
        let Self { parts, weights, biases } = *self;
        let (threads, elements, lanes, across) = (self.threads(), Self::ELEMENTS, Self::LANES, self.groups().0);
        let (count, bindings) = (weights + biases, bindings(["sums", "dw", "db"].into_iter()));
        format!(
            "{bindings}var<workgroup> of_lanes: array<f32, {threads}>;
@compute @workgroup_size({threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {{
let element = (group.y * {across}u + group.x) * {elements}u + me % {elements}u;
var sum = 0.0;
if (element < {count}u) {{
    for (var part = me / {elements}u; part < {parts}u; part += {lanes}u) {{ sum += sums[part * {count}u + element]; }}
}}
of_lanes[me] = sum;
workgroupBarrier();
if (me < {elements}u && element < {count}u) {{
    for (var lane = 1u; lane < {lanes}u; lane++) {{ sum += of_lanes[lane * {elements}u + me]; }}
    if (element < {weights}u) {{ dw[element] = sum; }} else {{ db[element - {weights}u] = sum; }}
}}
}}
"
        )
    }
}

/// Writes the gradients of weight and bias into `made`. `x` is the layer's input, `dy` the gradient of its output, which
/// counts only where `kept` is positive.
pub(super) fn gradients(
    n: usize,
    layer: Layer,
    x: &CubeTensor,
    dy: &CubeTensor,
    kept: Option<&CubeTensor>,
    (dw, db): (&CubeTensor, &CubeTensor),
) {
    let kernel = Correlate { n, layer, masked: kept.is_some() };
    let plan = kernel.plan();
    let (out, input) = plan.block();
    let groups = [layer.channels_in.div_ceil(input), layer.channels_out.div_ceil(out), plan.splits];
    let sums = like(x, &[plan.parts(), elements(layer)]);
    let with: Vec<&CubeTensor> = [x, dy, &sums].into_iter().chain(kept).collect();
    launch(kernel, groups, &with);
    let add = Add {
        parts: plan.parts(),
        weights: layer.channels_out * layer.channels_in * layer.taps(),
        biases: layer.channels_out,
    };
    let (across, down) = add.groups();
    launch(add, [across, down, 1], &[&sums, dw, db]);
}
