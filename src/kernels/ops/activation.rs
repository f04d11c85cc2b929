//! Activation functions.

use super::{Processor, processor};
use crate::gpu;
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{Tensor, activation};
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `x / (1 + exp(-x))`
    Silu,
    /// `tanh x`
    Tanh,
}

/// Applies the activation to each value of `x`.
pub fn activate(x: Tensor<4>, activation: Activation) -> Tensor<4> {
    if processor(&x) == Some(Processor::Gpu) {
        return Tensor::from_dispatch(<Dispatch as Activate>::activate(x.into_dispatch(), activation));
    }
    match activation {
        Activation::Sigmoid => activation::sigmoid(x),
        Activation::Silu => activation::silu(x),
        Activation::Tanh => x.tanh(),
    }
}

/// The operation as Burn dispatches it; only for GPUs, since Burn's own are equally fast on the CPU.
#[backend_extension(Cube, Autodiff)]
trait Activate: Backend {
    fn activate(x: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self>;
}

impl Activate for CubeBackend {
    fn activate(x: CubeTensor, activation: Activation) -> CubeTensor {
        gpu::activation::forward(&gpu::contiguous(x), activation)
    }
}

#[derive(Debug)]
struct ActivateBackward;

impl Backward<CubeBackend, 1> for ActivateBackward {
    /// Input and activation.
    type State = (CubeTensor, Activation);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let dy = gradients.consume::<CubeBackend>(&ops.node);
        if let Some(node) = parent {
            let (x, activation) = ops.state;
            let dx = gpu::activation::backward(&x, &gpu::contiguous(dy), activation);
            gradients.register::<CubeBackend>(node.id, dx);
        }
    }
}

impl<C: CheckpointStrategy> Activate for Autodiff<CubeBackend, C> {
    fn activate(x: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self> {
        let node = x.node();
        let x = gpu::contiguous(x.into_primitive());
        let y = gpu::activation::forward(&x, activation);
        match ActivateBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((x, activation), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
