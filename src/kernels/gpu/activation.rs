//! Activation functions.

use super::launch::{Shader, bindings, launch};
use super::{LARGEST_GRID, like};
use crate::Activation;
use burn_cubecl::tensor::CubeTensor;

/// Threads per work group.
const THREADS: usize = 256;

/// Applies the activation to each value of `x`, contiguous.
pub(crate) fn forward(x: &CubeTensor, activation: Activation) -> CubeTensor {
    let y = same_shape(x);
    run(Activate { activation, gradient: false }, &[x, &y]);
    y
}

/// Gradient of `x` from that of the output, `dy`.
pub(crate) fn backward(x: &CubeTensor, dy: &CubeTensor, activation: Activation) -> CubeTensor {
    let dx = same_shape(x);
    run(Activate { activation, gradient: true }, &[x, dy, &dx]);
    dx
}

/// An uninitialized tensor of the shape of `x`.
fn same_shape(x: &CubeTensor) -> CubeTensor {
    let dims: Vec<usize> = x.meta.shape().iter().copied().collect();
    like(x, &dims)
}

fn run(kernel: Activate, tensors: &[&CubeTensor]) {
    let groups = tensors.first().map_or(0, |x| x.meta.num_elements()).div_ceil(THREADS);
    let across = groups.min(LARGEST_GRID);
    launch(kernel, [across, groups.div_ceil(across), 1], tensors);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Activate {
    activation: Activation,
    gradient: bool,
}

impl Shader for Activate {
    fn threads(&self) -> usize {
        THREADS
    }

    fn source(&self) -> String {
        let Self { activation, gradient } = *self;
        let logistic = "let s = 1.0 / (1.0 + exp(-v));";
        // tanh(20) is 1 to the last bit; some devices overflow for larger arguments.
        let tangent = "let t = tanh(clamp(v, -20.0, 20.0));";
        let (before, value, slope) = match activation {
            Activation::Sigmoid => (logistic, "s", "s * (1.0 - s)"),
            Activation::Silu => (logistic, "v * s", "s * (1.0 + v * (1.0 - s))"),
            Activation::Tanh => (tangent, "t", "1.0 - t * t"),
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
