//! GPU kernels in WGSL, which works with every graphics API.
//!
//! Hazard: a GPU has thousands of threads, and a launch costs some microseconds even for little work. Without
//! autotuning, Burn assigns one thread to each result of a sum, however long, and composes an attention or an
//! activation of dozens of launches. Remedy: own kernels for the frequent operations of a training step: many work
//! groups compute partial sums, and a second launch adds these, in an order determined by the shapes alone; values are
//! loaded into shared memory while the previous ones are used; small batches of small images are distributed finely.
//!
//! The source of a kernel is generated for the shape of one layer, so that its loops are unrolled and its indices are
//! cheap, but for any number of images, which it derives from the length of a buffer, since drivers take long to
//! compile.

pub(super) mod activation;
pub(super) mod attention;
mod convolve;
mod correlate;
mod launch;
mod partial_sums;
pub(super) mod phases;
pub(super) mod resample;
pub(super) mod sum;
pub(super) mod vectors;

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use convolve::{Convolve, Kind};

/// Largest kernel side; larger kernels need more registers than a thread has.
pub(super) const LARGEST_SIDE: usize = 7;
/// Largest number of work groups along one dimension that every device supports.
pub(super) const LARGEST_GRID: usize = 65_535;
/// Largest number of hidden units of an attention whose values fit into shared memory.
pub(super) const LARGEST_HIDDEN: usize = 1024;

/// A convolution with odd kernel side, stride 1 and padding that preserves the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Layer {
    pub channels_in: usize,
    pub channels_out: usize,
    pub h: usize,
    pub w: usize,
    pub side: usize,
}

impl Layer {
    fn taps(self) -> usize {
        self.side * self.side
    }

    /// The layer that maps the gradient of the output to the gradient of the input.
    fn reversed(self) -> Self {
        Self { channels_in: self.channels_out, channels_out: self.channels_in, ..self }
    }
}

/// True if the kernels support `n` images with this layer: the numbers of elements must fit their indices.
pub(super) fn supports(n: usize, layer: Layer) -> bool {
    let channels = layer.channels_in.max(layer.channels_out);
    let odd = layer.side % 2 == 1 && layer.side <= LARGEST_SIDE;
    odd && n <= LARGEST_GRID && n * channels * layer.h * layer.w < 1 << 31
}

/// The tensor in contiguous memory, with a binding of exactly its size: kernels query the length of a binding.
pub(super) fn contiguous(tensor: CubeTensor) -> CubeTensor {
    let mut tensor = into_contiguous(tensor);
    let spare = tensor.handle.size_in_used().saturating_sub(4 * tensor.meta.num_elements() as u64);
    if spare > 0 {
        tensor.handle = tensor.handle.offset_end(spare);
    }
    tensor
}

fn layer_of(x: &CubeTensor, weight: &CubeTensor) -> (usize, Layer) {
    let (x, weight) = (x.meta.shape(), weight.meta.shape());
    (x[0], Layer { channels_in: x[1], channels_out: weight[0], h: x[2], w: x[3], side: weight[2] })
}

/// An uninitialized tensor on the device of `of`.
fn like(of: &CubeTensor, shape: &[usize]) -> CubeTensor {
    let shape = burn::tensor::Shape::from(shape.to_vec());
    empty_device_contiguous_dtype(of.client.clone(), of.device.clone(), shape, of.dtype)
}

/// Convolution of `x` (n, c_in, h, w) with `weight` (c_out, c_in, k, k) and `bias` (c_out), followed by a ReLU if
/// `relu`: (n, c_out, h, w).
pub(super) fn forward(x: CubeTensor, weight: CubeTensor, bias: CubeTensor, relu: bool) -> CubeTensor {
    let [x, weight, bias] = [x, weight, bias].map(contiguous);
    let (n, layer) = layer_of(&x, &weight);
    let y = like(&x, &[n, layer.channels_out, layer.h, layer.w]);
    let kind = Kind { flipped: false, bias: true, relu, masked: false };
    Convolve::new(layer, kind, n).launch(n, &[&x, &weight, &y, &bias]);
    y
}

/// Gradients of input (if `for_x`), weight and bias from that of the output, `dy`.
///
/// * `y`: output of the layer, if it had a ReLU.
pub(super) fn backward(
    x: CubeTensor,
    weight: CubeTensor,
    y: Option<CubeTensor>,
    dy: CubeTensor,
    for_x: bool,
) -> (Option<CubeTensor>, CubeTensor, CubeTensor) {
    let [x, weight, dy] = [x, weight, dy].map(contiguous);
    let y = y.map(contiguous);
    let (n, layer) = layer_of(&x, &weight);
    let dx = for_x.then(|| {
        let dx = like(&x, &[n, layer.channels_in, layer.h, layer.w]);
        let kind = Kind { flipped: true, bias: false, relu: false, masked: y.is_some() };
        let tensors: Vec<&CubeTensor> = [&dy, &weight, &dx].into_iter().chain(&y).collect();
        Convolve::new(layer.reversed(), kind, n).launch(n, &tensors);
        dx
    });
    let dw = like(&weight, &[layer.channels_out, layer.channels_in, layer.side, layer.side]);
    let db = like(&weight, &[layer.channels_out]);
    correlate::gradients(n, layer, &x, &dy, y.as_ref(), (&dw, &db));
    (dx, dw, db)
}
