//! Max pooling and upsampling of images by 2.

use super::{processor, tensor, values};
use crate::{gpu, pool, upsample};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::module::{interpolate, max_pool2d};
use burn::tensor::ops::{InterpolateMode, InterpolateOptions, MaxPoolOptions};
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;

/// Maximum of each 2×2 block: (n, c, h, w) gives (n, c, h / 2, w / 2). The gradient goes to the first maximum of a
/// block.
pub fn max_pool2(x: Tensor<4>) -> Tensor<4> {
    if applies(&x) {
        return Tensor::from_dispatch(<Dispatch as Resampling>::max_pool2(x.into_dispatch()));
    }
    max_pool2d(x, MaxPoolOptions::new([2, 2]))
}

/// Each value repeated as a 2×2 block: (n, c, h, w) gives (n, c, 2 h, 2 w).
pub fn upsample2(x: Tensor<4>) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    if applies(&x) {
        return Tensor::from_dispatch(<Dispatch as Resampling>::upsample2(x.into_dispatch()));
    }
    interpolate(x, InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([2 * h, 2 * w]))
}

fn applies(x: &Tensor<4>) -> bool {
    let [n, _, h, w] = x.dims();
    processor(x).is_some() && h > 1 && w > 1 && n <= gpu::LARGEST_GRID && x.shape().num_elements() < 1 << 29
}

/// The operations as Burn dispatches them.
#[backend_extension(Flex, Cube, Autodiff)]
trait Resampling: Backend {
    fn max_pool2(x: FloatTensor<Self>) -> FloatTensor<Self>;
    fn upsample2(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// A backend with kernels for these operations and their gradients.
trait ResamplingKernels: Resampling {
    /// Gradient of the input from the input and the gradient of the output.
    fn max_pool2_backward(x: FloatTensor<Self>, dy: FloatTensor<Self>) -> FloatTensor<Self>;
    /// Gradient of the input from that of the output.
    fn upsample2_backward(dy: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Resampling for Flex {
    fn max_pool2(x: FloatTensor<Flex>) -> FloatTensor<Flex> {
        let x = x.to_contiguous();
        let [n, c, h, w] = x.shape().dims();
        tensor(pool::max_pool2(values(&x), n * c, h, w), [n, c, h / 2, w / 2])
    }

    fn upsample2(x: FloatTensor<Flex>) -> FloatTensor<Flex> {
        let x = x.to_contiguous();
        let [n, c, h, w] = x.shape().dims();
        tensor(upsample::upsample2(values(&x), n * c, h, w), [n, c, 2 * h, 2 * w])
    }
}

impl ResamplingKernels for Flex {
    fn max_pool2_backward(x: FloatTensor<Flex>, dy: FloatTensor<Flex>) -> FloatTensor<Flex> {
        let (x, dy) = (x.to_contiguous(), dy.to_contiguous());
        let [n, c, h, w] = x.shape().dims();
        tensor(pool::max_pool2_backward(values(&x), values(&dy), n * c, h, w), [n, c, h, w])
    }

    fn upsample2_backward(dy: FloatTensor<Flex>) -> FloatTensor<Flex> {
        let dy = dy.to_contiguous();
        let [n, c, h, w] = dy.shape().dims();
        tensor(upsample::upsample2_backward(values(&dy), n * c, h / 2, w / 2), [n, c, h / 2, w / 2])
    }
}

impl Resampling for CubeBackend {
    fn max_pool2(x: CubeTensor) -> CubeTensor {
        gpu::resample::max_pool2(&gpu::contiguous(x))
    }

    fn upsample2(x: CubeTensor) -> CubeTensor {
        gpu::resample::upsample2(&gpu::contiguous(x))
    }
}

impl ResamplingKernels for CubeBackend {
    fn max_pool2_backward(x: CubeTensor, dy: CubeTensor) -> CubeTensor {
        gpu::resample::max_pool2_backward(&gpu::contiguous(x), &gpu::contiguous(dy))
    }

    fn upsample2_backward(dy: CubeTensor) -> CubeTensor {
        gpu::resample::upsample2_backward(&gpu::contiguous(dy))
    }
}

#[derive(Debug)]
struct MaxPool2Backward;

impl<B: ResamplingKernels> Backward<B, 1> for MaxPool2Backward {
    /// Input.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let dy = gradients.consume::<B>(&ops.node);
        if let Some(node) = parent {
            gradients.register::<B>(node.id, B::max_pool2_backward(ops.state, dy));
        }
    }
}

#[derive(Debug)]
struct Upsample2Backward;

impl<B: ResamplingKernels> Backward<B, 1> for Upsample2Backward {
    type State = ();

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let dy = gradients.consume::<B>(&ops.node);
        if let Some(node) = parent {
            gradients.register::<B>(node.id, B::upsample2_backward(dy));
        }
    }
}

impl<B: ResamplingKernels, C: CheckpointStrategy> Resampling for Autodiff<B, C> {
    fn max_pool2(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let node = x.node();
        let x = x.into_primitive();
        match Backward::<B, 1>::prepare::<C>(MaxPool2Backward, [node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let y = B::max_pool2(x.clone());
                prepared.finish(x, y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::max_pool2(x)),
        }
    }

    fn upsample2(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let node = x.node();
        let x = x.into_primitive();
        match Backward::<B, 1>::prepare::<C>(Upsample2Backward, [node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((), B::upsample2(x)),
            OpsKind::UnTracked(prepared) => prepared.finish(B::upsample2(x)),
        }
    }
}
