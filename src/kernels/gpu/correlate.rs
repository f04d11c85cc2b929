//! Gradients of the weight and bias of a convolution: sums over all pixels of all images.
//!
//! A work group sums over some rows for up to 32 × 32 pairs of channels; a thread handles up to 2 × 2 of them with all
//! taps, and slides along the row. With few pairs, several threads share the columns. A second kernel adds the partial
//! sums.

use super::launch::{SHARED, Shader, THREADS, bindings, launch};
use super::partial_sums::AddPartialSums;
use super::{Layer, like};
use burn_cubecl::tensor::CubeTensor;
use std::fmt::Write;

/// Maximum number of input and of output channels per work group.
const BLOCK: usize = 32;
/// Columns per unrolled run of a thread; a power of two.
const STRETCH: usize = 8;
/// Maximum number of partial sums.
const PARTS: usize = 4096;
/// Maximum number of elements of all partial sums: 16 MiB.
const ELEMENTS: usize = 1 << 22;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Correlate {
    layer: Layer,
    masked: bool,
    /// Shared memory of a work group in bytes.
    shared: usize,
    /// Rows (of all images) per work group: a power of two, so that few kernels cover all numbers of images.
    rows: usize,
}

/// Distribution of the work.
struct Plan {
    /// Channels per thread: (out, in).
    own: (usize, usize),
    /// Threads along the channels: (out, in).
    threads: (usize, usize),
    /// Threads that share the columns.
    lanes: usize,
    /// Columns in shared memory at a time.
    columns: usize,
}

impl Plan {
    /// Channels per work group: (out, in).
    fn block(&self) -> (usize, usize) {
        (self.own.0 * self.threads.0, self.own.1 * self.threads.1)
    }
}

/// Number of elements of one partial sum: weight, then bias.
fn elements(layer: Layer) -> usize {
    layer.channels_out * (layer.channels_in * layer.taps() + 1)
}

impl Correlate {
    /// Kernel for `n` images.
    fn new(n: usize, layer: Layer, masked: bool, shared: usize) -> Self {
        let kernel = Self { layer, masked, shared, rows: 1 };
        let Plan { lanes, .. } = kernel.plan();
        let (out, input) = kernel.plan().block();
        let tiles = layer.channels_out.div_ceil(out) * layer.channels_in.div_ceil(input);
        let most = (PARTS / lanes).min(ELEMENTS / (elements(layer) * lanes)).max(1);
        let enough = (2 * THREADS).div_ceil(tiles * kernel.threads());
        Self { rows: (n * layer.h).div_ceil(enough.min(most)).next_power_of_two(), ..kernel }
    }

    fn plan(&self) -> Plan {
        let Layer { channels_in, channels_out, w, side, .. } = self.layer;
        // A larger convolution kernel needs more rows in shared memory, and more sums per thread.
        let (most, most_own) = if side <= 3 { (BLOCK, 2) } else { (4, 1) };
        let (out, input) = (channels_out.next_power_of_two().min(most), channels_in.next_power_of_two().min(most));
        let own = (out.min(most_own), input.min(most_own));
        let threads = (out / own.0, input / own.1);
        // Many columns at a time if there are enough threads and memory.
        let most_columns = if threads.0 * threads.1 >= 64 { 32 } else { 16 };
        let room = |columns: &usize| 4 * (input * side * (columns + side - 1) + out * columns) <= self.shared;
        let columns = w.next_power_of_two().clamp(4, most_columns);
        let columns = [columns, 16, 8].into_iter().filter(|fewer| *fewer <= columns).find(room).unwrap_or(4);
        let lanes = (64 / (threads.0 * threads.1)).clamp(1, columns / 2);
        Plan { own, threads, lanes, columns }
    }
}

impl Shader for Correlate {
    fn threads(&self) -> usize {
        let plan = self.plan();
        plan.threads.0 * plan.threads.1 * plan.lanes
    }

    #[allow(clippy::too_many_lines, reason = "follows the generated kernel from top to bottom")]
    fn source(&self) -> String {
        let plan = self.plan();
        let Layer { channels_in, channels_out, h, w, side } = self.layer;
        let Plan { own, threads, lanes, columns } = plan;
        let rows = self.rows;
        let (taps, radius, all_threads) = (self.layer.taps(), side / 2, self.threads());
        let ((out, input), width) = (plan.block(), columns + side - 1);
        let (count, run) = (elements(self.layer), columns / lanes);
        let mut text = String::new();
        let mut line = |written: std::fmt::Arguments<'_>| {
            let _never_fails = writeln!(text, "{written}");
        };
        line(format_args!("{}", bindings(["x", "dy", "sums"].into_iter().chain(self.masked.then_some("kept")))));
        let kept = if self.masked { " & (kept[at] > 0.0)" } else { "" };
        let (xs, ds, tile, chunks) = (input * side * width, out * columns, side * width, w.div_ceil(columns));
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
        // Addresses of the values that a thread loads; only the row and the columns change between iterations.
        for slot in 0..xs.div_ceil(all_threads) {
            line(format_args!(
                "let x{slot} = me + {first}u;
let cx{slot} = first_in + x{slot} / {tile}u;
let rx{slot} = i32((x{slot} / {width}u) % {side}u) - {radius};
let lx{slot} = i32(x{slot} % {width}u) - {radius};
let okx{slot} = x{slot} < {xs}u && cx{slot} < {channels_in}u;
var x{slot}_value = 0.0;",
                first = slot * all_threads
            ));
        }
        for slot in 0..ds.div_ceil(all_threads) {
            line(format_args!(
                "let y{slot} = me + {first}u;
let cy{slot} = first_out + y{slot} / {columns}u;
let ly{slot} = y{slot} % {columns}u;
let oky{slot} = y{slot} < {ds}u && cy{slot} < {channels_out}u;
var y{slot}_value = 0.0;",
                first = slot * all_threads
            ));
        }
        // All loads of a thread are issued together, and overlap with the summation of the previous columns.
        let load = |line: &mut dyn FnMut(std::fmt::Arguments<'_>), step: &str| {
            line(format_args!(
                "let row = begin + {step} / {chunks}u;
let left = ({step} % {chunks}u) * {columns}u;
let image = row / {h}u;
let line = row % {h}u;"
            ));
            for slot in 0..xs.div_ceil(all_threads) {
                line(format_args!(
                    "{{ let r = i32(line) + rx{slot}; let c = i32(left) + lx{slot};
let there = okx{slot} && r >= 0 && r < {h} && c >= 0 && c < {w};
let at = select(0u, ((image * {channels_in}u + cx{slot}) * {h}u + u32(r)) * {w}u + u32(c), there);
x{slot}_value = select(0.0, x[at], there); }}"
                ));
            }
            for slot in 0..ds.div_ceil(all_threads) {
                line(format_args!(
                    "{{ let c = left + ly{slot};
let there = oky{slot} && c < {w}u;
let at = select(0u, ((image * {channels_out}u + cy{slot}) * {h}u + line) * {w}u + c, there);
y{slot}_value = select(0.0, dy[at], there{kept}); }}"
                ));
            }
        };
        line(format_args!(
            "let begin = group.z * {rows}u;
let all = arrayLength(&dy) / {}u;
let steps = (min(begin + {rows}u, all) - begin) * {chunks}u;
{{",
            channels_out * w
        ));
        load(&mut line, "0u");
        line(format_args!("}}\nfor (var step = 0u; step < steps; step++) {{\nworkgroupBarrier();"));
        for (name, into, count) in [("x", "xs", xs), ("y", "ds", ds)] {
            for slot in 0..count.div_ceil(all_threads) {
                let last = (slot + 1) * all_threads > count;
                let guard = if last { format!("if ({name}{slot} < {count}u) ") } else { String::new() };
                line(format_args!("{guard}{{ {into}[{name}{slot}] = {name}{slot}_value; }}"));
            }
        }
        line(format_args!("workgroupBarrier();\nif (step + 1u < steps) {{\nlet next = step + 1u;"));
        load(&mut line, "next");
        // Long unrolled runs take drivers long to compile.
        let stretch = run.min(STRETCH);
        line(format_args!(
            "}}\nfor (var done = 0u; done < {run}u; done += {stretch}u) {{
let from_x = lane * {run}u + i * {tile}u + done;
let from_d = lane * {run}u + o * {columns}u + done;"
        ));
        // Columns of the input are read once and stay in registers while the kernel covers them.
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
        for k in 0..stretch {
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

/// Computes the gradients of weight, `dw`, and bias, `db`.
///
/// * `x`: input of the layer. * `dy`: gradient of its output, which is zero where `kept` is not positive.
pub(super) fn gradients(
    n: usize,
    layer: Layer,
    x: &CubeTensor,
    dy: &CubeTensor,
    kept: Option<&CubeTensor>,
    (dw, db): (&CubeTensor, &CubeTensor),
) {
    let shared = x.client.properties().hardware.max_shared_memory_size.max(SHARED);
    let kernel = Correlate::new(n, layer, kept.is_some(), shared);
    let plan = kernel.plan();
    let (out, input) = plan.block();
    let splits = (n * layer.h).div_ceil(kernel.rows);
    let groups = [layer.channels_in.div_ceil(input), layer.channels_out.div_ceil(out), splits];
    let sums = like(x, &[splits * plan.lanes, elements(layer)]);
    let tensors: Vec<&CubeTensor> = [x, dy, &sums].into_iter().chain(kept).collect();
    launch(kernel, groups, &tensors);
    let sizes = [layer.channels_out * layer.channels_in * layer.taps(), layer.channels_out];
    AddPartialSums { sizes }.launch(&sums, &[dw, db]);
}
