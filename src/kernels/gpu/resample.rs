//! Max pooling and upsampling of images by 2.

use super::launch::{Shader, bindings, launch};
use super::like;
use burn_cubecl::tensor::CubeTensor;

/// Threads per work group.
const THREADS: usize = 256;

/// Maximum of each 2×2 block of `x`, (n, c, h, w), contiguous: (n, c, h / 2, w / 2).
pub(crate) fn max_pool2(x: &CubeTensor) -> CubeTensor {
    let [n, c, h, w] = x.meta.shape().dims();
    let y = like(x, &[n, c, h / 2, w / 2]);
    run(Kernel::MaxPool, [n, c], [h / 2, w / 2], [h, w], &[x, &y]);
    y
}

/// Gradient of `x` from that of the pooled images, `dy`: it goes to the first maximum of a block.
pub(crate) fn max_pool2_backward(x: &CubeTensor, dy: &CubeTensor) -> CubeTensor {
    let [n, c, h, w] = x.meta.shape().dims();
    let dx = like(x, &[n, c, h, w]);
    run(Kernel::MaxPoolGradient, [n, c], [h, w], [h / 2, w / 2], &[x, dy, &dx]);
    dx
}

/// Each value of `x`, (n, c, h, w), contiguous, repeated as a 2×2 block: (n, c, 2 h, 2 w).
pub(crate) fn upsample2(x: &CubeTensor) -> CubeTensor {
    let [n, c, h, w] = x.meta.shape().dims();
    let y = like(x, &[n, c, 2 * h, 2 * w]);
    run(Kernel::Upsample, [n, c], [2 * h, 2 * w], [h, w], &[x, &y]);
    y
}

/// Gradient of the input from that of the upsampled images, `dy`, (n, c, 2 h, 2 w).
pub(crate) fn upsample2_backward(dy: &CubeTensor) -> CubeTensor {
    let [n, c, h, w] = dy.meta.shape().dims();
    let dx = like(dy, &[n, c, h / 2, w / 2]);
    run(Kernel::UpsampleGradient, [n, c], [h / 2, w / 2], [h, w], &[dy, &dx]);
    dx
}

/// Launches a kernel with one thread per result; `to` and `from` are (rows, columns) of the results and of their
/// source.
fn run(kernel: Kernel, [n, c]: [usize; 2], to: [usize; 2], from: [usize; 2], tensors: &[&CubeTensor]) {
    let groups = (c * to[0] * to[1]).div_ceil(THREADS);
    launch(Resample { kernel, channels: c, to, from }, [groups, n, 1], tensors);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kernel {
    MaxPool,
    MaxPoolGradient,
    Upsample,
    UpsampleGradient,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Resample {
    kernel: Kernel,
    channels: usize,
    to: [usize; 2],
    from: [usize; 2],
}

impl Shader for Resample {
    fn threads(&self) -> usize {
        THREADS
    }

    fn source(&self) -> String {
        let Self { kernel, channels, to: [h, w], from: [from_h, from_w] } = *self;
        let (names, body): (&[&str], &str) = match kernel {
            Kernel::MaxPool => (
                &["x", "y"],
                "let block = (image * FROM_HEIGHT + 2u * row) * FROM_WIDTH + 2u * column;
    let above = max(x[block], x[block + 1u]);
    y[at] = max(above, max(x[block + FROM_WIDTH], x[block + FROM_WIDTH + 1u]));",
            ),
            Kernel::MaxPoolGradient => (
                &["x", "dy", "dx"],
                "if (row >= 2u * FROM_HEIGHT || column >= 2u * FROM_WIDTH) { dx[at] = 0.0; return; }
    let block = (image * HEIGHT + row / 2u * 2u) * WIDTH + column / 2u * 2u;
    var first = 0u;
    var top = x[block];
    if (x[block + 1u] > top) { top = x[block + 1u]; first = 1u; }
    if (x[block + WIDTH] > top) { top = x[block + WIDTH]; first = 2u; }
    if (x[block + WIDTH + 1u] > top) { first = 3u; }
    let gradient = dy[(image * FROM_HEIGHT + row / 2u) * FROM_WIDTH + column / 2u];
    dx[at] = select(0.0, gradient, (row % 2u) * 2u + column % 2u == first);",
            ),
            Kernel::Upsample => {
                (&["x", "y"], "y[at] = x[(image * FROM_HEIGHT + row / 2u) * FROM_WIDTH + column / 2u];")
            }
            Kernel::UpsampleGradient => (
                &["dy", "dx"],
                "let block = (image * FROM_HEIGHT + 2u * row) * FROM_WIDTH + 2u * column;
    dx[at] = (dy[block] + dy[block + 1u]) + (dy[block + FROM_WIDTH] + dy[block + FROM_WIDTH + 1u]);",
            ),
        };
        format!(
            "{}const HEIGHT: u32 = {h}u;
const WIDTH: u32 = {w}u;
const FROM_HEIGHT: u32 = {from_h}u;
const FROM_WIDTH: u32 = {from_w}u;
@compute @workgroup_size({THREADS})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) me: u32) {{
    let place = group.x * {THREADS}u + me;
    if (place >= {values}u) {{ return; }}
    let at = group.y * {values}u + place;
    let image = at / (HEIGHT * WIDTH);
    let row = (at / WIDTH) % HEIGHT;
    let column = at % WIDTH;
    {body}
}}
",
            bindings(names.iter().copied()),
            values = channels * h * w,
        )
    }
}
