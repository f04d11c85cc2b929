//! Convolutional block attention as one operation.

use super::{place, tensor, values};
use crate::kernels::attention::{self, AttentionParameters, AttentionShape, AttentionState};
use crate::kernels::gpu;
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, FlexDevice, TensorMetadata, backend_extension};
use burn::tensor::{DType, Tensor, TensorData};
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use std::fmt::Debug;
use std::sync::Arc;

/// What a convolutional block attention learns (A§4.6).
#[derive(Debug, Clone)]
pub struct BlockAttention {
    /// Layer from the channels' statistics to the hidden units: (u, c) and (u,).
    pub hidden: (Tensor<2>, Tensor<1>),
    /// Layer from the hidden units to the channels' scores: (c, u) and (c,).
    pub last: (Tensor<2>, Tensor<1>),
    /// (1, 2, k, k), k odd: for the largest value over the channels, then for their mean.
    pub kernel: Tensor<4>,
}

/// Weighs the channels, then the pixels of `x`, (n, c, h, w). None where the kernel does not apply: Burn has no such
/// operation, so the caller puts it together from others.
pub fn block_attention(x: &Tensor<4>, by: &BlockAttention) -> Option<Tensor<4>> {
    let [n, c, h, w] = x.dims();
    let [_, maps, side, width] = by.kernel.dims();
    let units = by.hidden.1.dims()[0];
    let shapes = [by.hidden.0.dims(), by.last.0.dims()] == [[units, c], [c, units]] && by.last.1.dims() == [c];
    let types = [by.hidden.0.dtype(), by.hidden.1.dtype(), by.last.0.dtype(), by.last.1.dtype(), by.kernel.dtype()];
    let fits = shapes && maps == 2 && side == width && side % 2 == 1 && types.iter().all(|t| *t == DType::F32);
    let grid = n.max(c) <= gpu::LARGEST_GRID && units > 0 && units <= gpu::LARGEST_HIDDEN;
    (fits && grid && h > 1 && w > 1 && place(x).is_some()).then(|| {
        Tensor::from_dispatch(<Dispatch as Attending>::block_attention(
            x.clone().into_dispatch(),
            by.hidden.0.clone().into_dispatch(),
            by.hidden.1.clone().into_dispatch(),
            by.last.0.clone().into_dispatch(),
            by.last.1.clone().into_dispatch(),
            by.kernel.clone().into_dispatch(),
        ))
    })
}

/// The operation as Burn dispatches it.
#[backend_extension(Flex, Cube, Autodiff)]
trait Attending: Backend {
    fn block_attention(
        x: FloatTensor<Self>,
        hidden_weight: FloatTensor<Self>,
        hidden_bias: FloatTensor<Self>,
        last_weight: FloatTensor<Self>,
        last_bias: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// Parameters in the order of [`AttentionParameters`].
type Parameters<B> = [FloatTensor<B>; 5];

/// A backend with an attention of its own, and its gradients.
trait Attends: Attending {
    /// What the gradients need besides input and parameters.
    type Kept: Clone + Debug + Send + Sync + 'static;

    fn contiguous(tensor: FloatTensor<Self>) -> FloatTensor<Self>;

    /// From contiguous tensors.
    fn weigh(x: &FloatTensor<Self>, parameters: &Parameters<Self>) -> (FloatTensor<Self>, Self::Kept);

    /// Gradients of input and parameters from that of the output, `dy`.
    fn weigh_back(
        x: &FloatTensor<Self>,
        parameters: &Parameters<Self>,
        kept: &Self::Kept,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, Parameters<Self>);
}

fn shape_of<T: TensorMetadata>(x: &T, [_, bias, .., kernel]: &[T; 5]) -> AttentionShape {
    let [n, channels, h, w] = x.shape().dims();
    let ([units], [_, _, side, _]) = (bias.shape().dims(), kernel.shape().dims());
    AttentionShape { n, channels, h, w, units, side }
}

impl Attending for Flex {
    fn block_attention(
        x: FloatTensor<Flex>,
        hidden_weight: FloatTensor<Flex>,
        hidden_bias: FloatTensor<Flex>,
        last_weight: FloatTensor<Flex>,
        last_bias: FloatTensor<Flex>,
        kernel: FloatTensor<Flex>,
    ) -> FloatTensor<Flex> {
        let parameters = [hidden_weight, hidden_bias, last_weight, last_bias, kernel];
        Self::weigh(&x.to_contiguous(), &parameters.map(Self::contiguous)).0
    }
}

fn parameters_of(parameters: &Parameters<Flex>) -> AttentionParameters<'_> {
    let [hidden_weight, hidden_bias, last_weight, last_bias, kernel] = parameters.each_ref().map(values);
    AttentionParameters { hidden_weight, hidden_bias, last_weight, last_bias, kernel }
}

impl Attends for Flex {
    /// One for each image.
    type Kept = Arc<Vec<AttentionState>>;

    fn contiguous(tensor: FloatTensor<Flex>) -> FloatTensor<Flex> {
        tensor.to_contiguous()
    }

    fn weigh(x: &FloatTensor<Flex>, parameters: &Parameters<Flex>) -> (FloatTensor<Flex>, Self::Kept) {
        let shape = shape_of(x, parameters);
        let (y, kept) = attention::forward(shape, values(x), parameters_of(parameters));
        (tensor(y, [shape.n, shape.channels, shape.h, shape.w]), Arc::new(kept))
    }

    fn weigh_back(
        x: &FloatTensor<Flex>,
        parameters: &Parameters<Flex>,
        kept: &Self::Kept,
        dy: FloatTensor<Flex>,
    ) -> (FloatTensor<Flex>, Parameters<Flex>) {
        let (shape, dy) = (shape_of(x, parameters), dy.to_contiguous());
        let made = attention::backward(shape, values(x), parameters_of(parameters), kept, values(&dy));
        let [a, b, c, d, e] = parameters.each_ref().map(TensorMetadata::shape);
        let of = |values, shape| Flex::float_from_data(TensorData::new(values, shape), &FlexDevice);
        let gradients = [
            of(made.hidden_weight, a),
            of(made.hidden_bias, b),
            of(made.last_weight, c),
            of(made.last_bias, d),
            of(made.kernel, e),
        ];
        (tensor(made.input, x.shape().dims()), gradients)
    }
}

impl Attending for CubeBackend {
    fn block_attention(
        x: CubeTensor,
        hidden_weight: CubeTensor,
        hidden_bias: CubeTensor,
        last_weight: CubeTensor,
        last_bias: CubeTensor,
        kernel: CubeTensor,
    ) -> CubeTensor {
        let parameters = [hidden_weight, hidden_bias, last_weight, last_bias, kernel];
        Self::weigh(&gpu::contiguous(x), &parameters.map(gpu::contiguous)).0
    }
}

impl Attends for CubeBackend {
    type Kept = gpu::attention::State;

    fn contiguous(tensor: CubeTensor) -> CubeTensor {
        gpu::contiguous(tensor)
    }

    fn weigh(x: &CubeTensor, parameters: &[CubeTensor; 5]) -> (CubeTensor, Self::Kept) {
        gpu::attention::forward(shape_of(x, parameters), x, parameters)
    }

    fn weigh_back(
        x: &CubeTensor,
        parameters: &[CubeTensor; 5],
        kept: &Self::Kept,
        dy: CubeTensor,
    ) -> (CubeTensor, [CubeTensor; 5]) {
        gpu::attention::backward(shape_of(x, parameters), x, parameters, kept, &gpu::contiguous(dy))
    }
}

#[derive(Debug)]
struct BlockAttentionBackward;

impl<B: Attends> Backward<B, 6> for BlockAttentionBackward {
    type State = (FloatTensor<B>, Parameters<B>, B::Kept);

    fn backward(self, ops: Ops<Self::State, 6>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [for_x, of_parameters @ ..] = ops.parents;
        let dy = gradients.consume::<B>(&ops.node);
        let (x, parameters, kept) = ops.state;
        let (dx, made) = B::weigh_back(&x, &parameters, &kept, dy);
        for (node, gradient) in [for_x].into_iter().chain(of_parameters).zip([dx].into_iter().chain(made)) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: Attends, C: CheckpointStrategy> Attending for Autodiff<B, C> {
    fn block_attention(
        x: FloatTensor<Self>,
        hidden_weight: FloatTensor<Self>,
        hidden_bias: FloatTensor<Self>,
        last_weight: FloatTensor<Self>,
        last_bias: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let parameters = [hidden_weight, hidden_bias, last_weight, last_bias, kernel];
        let [a, b, c, d, e] = parameters.each_ref().map(|p| p.node());
        let nodes = [x.node(), a, b, c, d, e];
        let x = B::contiguous(x.into_primitive());
        let parameters = parameters.map(|p| B::contiguous(p.into_primitive()));
        let (y, kept) = B::weigh(&x, &parameters);
        match Backward::<B, 6>::prepare::<C>(BlockAttentionBackward, nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((x, parameters, kept), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
