//! Convolutional block attention as a single operation.

use super::{processor, tensor, values};
use crate::attention::{self, AttentionParameters, AttentionShape, AttentionState};
use crate::gpu;
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

/// Parameters of a convolutional block attention (A§4.6).
#[derive(Debug, Clone)]
pub struct BlockAttention {
    /// Layer from the channel statistics to the hidden units: weight (u, c) and bias (u,).
    pub hidden: (Tensor<2>, Tensor<1>),
    /// Layer from the hidden units to the channel scores: weight (c, u) and bias (c,).
    pub last: (Tensor<2>, Tensor<1>),
    /// Kernel of the spatial gate, (1, 2, k, k), k odd: for the maximum over the channels, then for their mean.
    pub kernel: Tensor<4>,
}

/// Weights the channels, then the pixels of `x`, (n, c, h, w). `None` if the kernels do not apply: Burn has no such
/// operation, so the caller has to compose it.
pub fn block_attention(x: &Tensor<4>, parameters: &BlockAttention) -> Option<Tensor<4>> {
    let [n, c, h, w] = x.dims();
    let [_, maps, side, width] = parameters.kernel.dims();
    let units = parameters.hidden.1.dims()[0];
    let shapes = [parameters.hidden.0.dims(), parameters.last.0.dims()] == [[units, c], [c, units]]
        && parameters.last.1.dims() == [c];
    let types = [
        parameters.hidden.0.dtype(),
        parameters.hidden.1.dtype(),
        parameters.last.0.dtype(),
        parameters.last.1.dtype(),
        parameters.kernel.dtype(),
    ];
    let fits = shapes && maps == 2 && side == width && side % 2 == 1 && types.iter().all(|t| *t == DType::F32);
    let grid = n.max(c) <= gpu::LARGEST_GRID && units > 0 && units <= gpu::LARGEST_HIDDEN;
    (fits && grid && h > 1 && w > 1 && processor(x).is_some()).then(|| {
        Tensor::from_dispatch(<Dispatch as Attention>::block_attention(
            x.clone().into_dispatch(),
            parameters.hidden.0.clone().into_dispatch(),
            parameters.hidden.1.clone().into_dispatch(),
            parameters.last.0.clone().into_dispatch(),
            parameters.last.1.clone().into_dispatch(),
            parameters.kernel.clone().into_dispatch(),
        ))
    })
}

/// The operation as Burn dispatches it.
#[backend_extension(Flex, Cube, Autodiff)]
trait Attention: Backend {
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

/// A backend with kernels for the attention and its gradients.
trait AttentionKernels: Attention {
    /// Intermediate results for the gradients, besides input and parameters.
    type Saved: Clone + Debug + Send + Sync + 'static;

    fn contiguous(tensor: FloatTensor<Self>) -> FloatTensor<Self>;

    /// Output and intermediate results; all tensors are contiguous.
    fn attend(x: &FloatTensor<Self>, parameters: &Parameters<Self>) -> (FloatTensor<Self>, Self::Saved);

    /// Gradients of input and parameters from that of the output, `dy`.
    fn attend_backward(
        x: &FloatTensor<Self>,
        parameters: &Parameters<Self>,
        saved: &Self::Saved,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, Parameters<Self>);
}

fn shape_of<T: TensorMetadata>(x: &T, [_, bias, .., kernel]: &[T; 5]) -> AttentionShape {
    let [n, channels, h, w] = x.shape().dims();
    let ([units], [_, _, side, _]) = (bias.shape().dims(), kernel.shape().dims());
    AttentionShape { n, channels, h, w, units, side }
}

impl Attention for Flex {
    fn block_attention(
        x: FloatTensor<Flex>,
        hidden_weight: FloatTensor<Flex>,
        hidden_bias: FloatTensor<Flex>,
        last_weight: FloatTensor<Flex>,
        last_bias: FloatTensor<Flex>,
        kernel: FloatTensor<Flex>,
    ) -> FloatTensor<Flex> {
        let parameters = [hidden_weight, hidden_bias, last_weight, last_bias, kernel];
        Self::attend(&x.to_contiguous(), &parameters.map(Self::contiguous)).0
    }
}

fn parameters_of(parameters: &Parameters<Flex>) -> AttentionParameters<'_> {
    let [hidden_weight, hidden_bias, last_weight, last_bias, kernel] = parameters.each_ref().map(values);
    AttentionParameters { hidden_weight, hidden_bias, last_weight, last_bias, kernel }
}

impl AttentionKernels for Flex {
    /// One state per image.
    type Saved = Arc<Vec<AttentionState>>;

    fn contiguous(tensor: FloatTensor<Flex>) -> FloatTensor<Flex> {
        tensor.to_contiguous()
    }

    fn attend(x: &FloatTensor<Flex>, parameters: &Parameters<Flex>) -> (FloatTensor<Flex>, Self::Saved) {
        let shape = shape_of(x, parameters);
        let (y, saved) = attention::forward(shape, values(x), parameters_of(parameters));
        (tensor(y, [shape.n, shape.channels, shape.h, shape.w]), Arc::new(saved))
    }

    fn attend_backward(
        x: &FloatTensor<Flex>,
        parameters: &Parameters<Flex>,
        saved: &Self::Saved,
        dy: FloatTensor<Flex>,
    ) -> (FloatTensor<Flex>, Parameters<Flex>) {
        let (shape, dy) = (shape_of(x, parameters), dy.to_contiguous());
        let found = attention::backward(shape, values(x), parameters_of(parameters), saved, values(&dy));
        let [a, b, c, d, e] = parameters.each_ref().map(TensorMetadata::shape);
        let of = |values, shape| Flex::float_from_data(TensorData::new(values, shape), &FlexDevice);
        let gradients = [
            of(found.hidden_weight, a),
            of(found.hidden_bias, b),
            of(found.last_weight, c),
            of(found.last_bias, d),
            of(found.kernel, e),
        ];
        (tensor(found.input, x.shape().dims()), gradients)
    }
}

impl Attention for CubeBackend {
    fn block_attention(
        x: CubeTensor,
        hidden_weight: CubeTensor,
        hidden_bias: CubeTensor,
        last_weight: CubeTensor,
        last_bias: CubeTensor,
        kernel: CubeTensor,
    ) -> CubeTensor {
        let parameters = [hidden_weight, hidden_bias, last_weight, last_bias, kernel];
        Self::attend(&gpu::contiguous(x), &parameters.map(gpu::contiguous)).0
    }
}

impl AttentionKernels for CubeBackend {
    type Saved = gpu::attention::State;

    fn contiguous(tensor: CubeTensor) -> CubeTensor {
        gpu::contiguous(tensor)
    }

    fn attend(x: &CubeTensor, parameters: &[CubeTensor; 5]) -> (CubeTensor, Self::Saved) {
        gpu::attention::forward(shape_of(x, parameters), x, parameters)
    }

    fn attend_backward(
        x: &CubeTensor,
        parameters: &[CubeTensor; 5],
        saved: &Self::Saved,
        dy: CubeTensor,
    ) -> (CubeTensor, [CubeTensor; 5]) {
        gpu::attention::backward(shape_of(x, parameters), x, parameters, saved, &gpu::contiguous(dy))
    }
}

#[derive(Debug)]
struct BlockAttentionBackward;

impl<B: AttentionKernels> Backward<B, 6> for BlockAttentionBackward {
    type State = (FloatTensor<B>, Parameters<B>, B::Saved);

    fn backward(self, ops: Ops<Self::State, 6>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [for_x, of_parameters @ ..] = ops.parents;
        let dy = gradients.consume::<B>(&ops.node);
        let (x, parameters, saved) = ops.state;
        let (dx, found) = B::attend_backward(&x, &parameters, &saved, dy);
        for (node, gradient) in [for_x].into_iter().chain(of_parameters).zip([dx].into_iter().chain(found)) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: AttentionKernels, C: CheckpointStrategy> Attention for Autodiff<B, C> {
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
        let (y, saved) = B::attend(&x, &parameters);
        match Backward::<B, 6>::prepare::<C>(BlockAttentionBackward, nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((x, parameters, saved), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
