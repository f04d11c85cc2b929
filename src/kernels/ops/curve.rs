//! Curves that bound a network's output.

use super::{Place, place};
use crate::kernels::gpu;
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{Tensor, activation};
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;

/// A curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Curve {
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `x / (1 + exp(-x))`
    Silu,
    /// `tanh x`
    Tanh,
}

/// The curve at each value of `x`.
pub fn bent(x: Tensor<4>, curve: Curve) -> Tensor<4> {
    if place(&x) == Some(Place::Gpu) {
        return Tensor::from_dispatch(<Dispatch as Bending>::bent(x.into_dispatch(), curve));
    }
    match curve {
        Curve::Sigmoid => activation::sigmoid(x),
        Curve::Silu => activation::silu(x),
        Curve::Tanh => x.tanh(),
    }
}

/// The operation as Burn dispatches it; for the processor Burn's own are as fast.
#[backend_extension(Cube, Autodiff)]
trait Bending: Backend {
    fn bent(x: FloatTensor<Self>, curve: Curve) -> FloatTensor<Self>;
}

impl Bending for CubeBackend {
    fn bent(x: CubeTensor, curve: Curve) -> CubeTensor {
        gpu::curve::forward(&gpu::contiguous(x), curve)
    }
}

#[derive(Debug)]
struct BentBackward;

impl Backward<CubeBackend, 1> for BentBackward {
    /// Input and curve.
    type State = (CubeTensor, Curve);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let dy = gradients.consume::<CubeBackend>(&ops.node);
        if let Some(node) = parent {
            let (x, curve) = ops.state;
            let dx = gpu::curve::backward(&x, &gpu::contiguous(dy), curve);
            gradients.register::<CubeBackend>(node.id, dx);
        }
    }
}

impl<C: CheckpointStrategy> Bending for Autodiff<CubeBackend, C> {
    fn bent(x: FloatTensor<Self>, curve: Curve) -> FloatTensor<Self> {
        let node = x.node();
        let x = gpu::contiguous(x.into_primitive());
        let y = gpu::curve::forward(&x, curve);
        match BentBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((x, curve), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
