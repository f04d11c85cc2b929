//! Kernels for graphics processors, in WGSL, which every graphics interface takes.
//!
//! Hazard: a GPU has thousands of threads, and a launch costs it some microseconds however little there is to do. Without a
//! search at the start Burn gives a thread to each result of a sum, however long, and puts an attention or a curve together
//! from dozens of launches. Remedy: own kernels for what a step of training does often: many work groups each sum a part,
//! and a second launch adds the parts, in an order that the shapes alone decide; values are on their way to shared memory
//! while those before are used; small batches of small images are shared out finely.
//!
//! The text of a kernel is written for one shape of layer, so that its loops are unrolled and its indices are cheap, but for
//! any number of images, which it takes from the length of a buffer: drivers take long to compile.

mod add;
pub(super) mod attention;
mod convolve;
mod correlate;
pub(super) mod curve;
pub(super) mod flat;
mod launch;
pub(super) mod phases;
pub(super) mod resample;
pub(super) mod total;

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use convolve::{Convolve, Kind};

/// Largest side of a kernel; larger ones would need more registers than a thread has.
pub(super) const LARGEST_SIDE: usize = 7;
/// Largest number of work groups in one direction that every device takes.
pub(super) const LARGEST_GRID: usize = 65_535;
/// Largest number of hidden units of an attention whose values fit the shared memory.
pub(super) const LARGEST_HIDDEN: usize = 1024;

/// The layer: odd kernel side, stride 1, padded so that the size stays.
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

    /// The layer that takes gradients of the output to gradients of the input.
    fn reversed(self) -> Self {
        Self { channels_in: self.channels_out, channels_out: self.channels_in, ..self }
    }
}

/// Whether the kernels take `n` images of this layer: numbers of elements stay below what their indices hold.
pub(super) fn takes(n: usize, layer: Layer) -> bool {
    let channels = layer.channels_in.max(layer.channels_out);
    let odd = layer.side % 2 == 1 && layer.side <= LARGEST_SIDE;
    odd && n <= LARGEST_GRID && n * channels * layer.h * layer.w < 1 << 31
}

/// The tensor with its values one after the other, and no longer a binding than they are: kernels ask for its length.
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

fn like(of: &CubeTensor, shape: &[usize]) -> CubeTensor {
    let shape = burn::tensor::Shape::from(shape.to_vec());
    empty_device_contiguous_dtype(of.client.clone(), of.device.clone(), shape, of.dtype)
}

/// `x` (n, c_in, h, w), `weight` (c_out, c_in, k, k), `bias` (c_out); gives (n, c_out, h, w), after a ReLU if `relu`.
pub(super) fn forward(x: CubeTensor, weight: CubeTensor, bias: CubeTensor, relu: bool) -> CubeTensor {
    let [x, weight, bias] = [x, weight, bias].map(contiguous);
    let (n, layer) = layer_of(&x, &weight);
    let y = like(&x, &[n, layer.channels_out, layer.h, layer.w]);
    let kind = Kind { flipped: false, bias: true, relu, masked: false };
    Convolve::new(layer, kind, n).launch(n, &[&x, &weight, &y, &bias]);
    y
}

/// Gradients of input (if asked for), weight and bias, from that of the output, `dy`. `y` is the output of a layer that
/// ended with a ReLU.
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
        let with: Vec<&CubeTensor> = [&dy, &weight, &dx].into_iter().chain(&y).collect();
        Convolve::new(layer.reversed(), kind, n).launch(n, &with);
        dx
    });
    let dw = like(&weight, &[layer.channels_out, layer.channels_in, layer.side, layer.side]);
    let db = like(&weight, &[layer.channels_out]);
    correlate::gradients(n, layer, &x, &dy, y.as_ref(), (&dw, &db));
    (dx, dw, db)
}

#[cfg(test)]
mod tests;
