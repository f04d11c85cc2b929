//! Curves that bound a network's output, value by value.

use super::launch::{Shader, bindings, launch};
use super::{LARGEST_GRID, like};
use crate::kernels::Curve;
use burn_cubecl::tensor::CubeTensor;

/// Threads of a work group.
const THREADS: usize = 256;

/// The curve at each value of `x`, contiguous.
pub(in crate::kernels) fn forward(x: &CubeTensor, curve: Curve) -> CubeTensor {
    let y = alike(x);
    run(Bend { curve, gradient: false }, &[x, &y]);
    y
}

/// Gradient of `x` from that of the curve's values, `dy`.
pub(in crate::kernels) fn backward(x: &CubeTensor, dy: &CubeTensor, curve: Curve) -> CubeTensor {
    let dx = alike(x);
    run(Bend { curve, gradient: true }, &[x, dy, &dx]);
    dx
}

fn alike(x: &CubeTensor) -> CubeTensor {
    let dims: Vec<usize> = x.meta.shape().iter().copied().collect();
    like(x, &dims)
}

fn run(bend: Bend, tensors: &[&CubeTensor]) {
    let groups = tensors.first().map_or(0, |x| x.meta.num_elements()).div_ceil(THREADS);
    let across = groups.min(LARGEST_GRID);
    launch(bend, [across, groups.div_ceil(across), 1], tensors);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Bend {
    curve: Curve,
    gradient: bool,
}

impl Shader for Bend {
    fn threads(&self) -> usize {
        THREADS
    }

    fn text(&self) -> String {
        let Self { curve, gradient } = *self;
        let logistic = "let s = 1.0 / (1.0 + exp(-v));";
        // Beyond 20 it is 1 to the last bit, and some devices overflow.
        let tangent = "let t = tanh(clamp(v, -20.0, 20.0));";
        let (before, value, slope) = match curve {
            Curve::Sigmoid => (logistic, "s", "s * (1.0 - s)"),
            Curve::Silu => (logistic, "v * s", "s * (1.0 + v * (1.0 - s))"),
            Curve::Tanh => (tangent, "t", "1.0 - t * t"),
        };
        let names: &[&str] = if gradient { &["x", "dy", "dx"] } else { &["x", "y"] };
        let result = if gradient { format!("dx[at] = dy[at] * ({slope});") } else { format!("y[at] = {value};") };
        format!(
            "{}@compute @workgroup_size({THREADS})
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) me: u32,
) {{
let at = (group.y * groups.x + group.x) * {THREADS}u + me;
if (at >= arrayLength(&x)) {{ return; }}
let v = x[at];
{before}
{result}
}}
",
            bindings(names.iter().copied()),
        )
    }
}
