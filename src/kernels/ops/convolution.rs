//! Convolution that preserves the image size.

use super::{Processor, processor, tensor, values};
use crate::conv3x3::{ConvShape, backward, forward};
use crate::gpu::{self, Layer};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, FlexDevice, TensorMetadata, backend_extension};
use burn::tensor::activation::relu as stock_relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Tensor, TensorData};
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;

/// Convolution with an odd kernel, stride 1 and padding that preserves the size, followed by a ReLU if `relu`.
///
/// `x` (n, c_in, h, w), `weight` (c_out, c_in, k, k), `bias` (c_out); returns (n, c_out, h, w). Fast on the CPU for k =
/// 3, on a GPU for k up to 7.
///
/// # Panics
/// As Burn's `conv2d` for incompatible shapes.
pub fn convolution(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, relu: bool) -> Tensor<4> {
    let ([n, channels_in, h, w], [channels_out, for_channels, side, width]) = (x.dims(), weight.dims());
    let fits = for_channels == channels_in && side == width && bias.dims() == [channels_out];
    let types = [weight.dtype(), bias.dtype()].iter().all(|t| *t == DType::F32);
    let layer = Layer { channels_in, channels_out, h, w, side };
    let applies = match processor(&x) {
        Some(Processor::Cpu) => side == 3 && h > 1 && w > 1,
        Some(Processor::Gpu) => gpu::supports(n, layer),
        None => false,
    };
    if fits && types && applies {
        let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
        return Tensor::from_dispatch(<Dispatch as Convolution>::convolution(x, weight, bias, relu));
    }
    let pad = side / 2;
    let y = conv2d(x, weight, Some(bias), ConvOptions::new([1, 1], [pad, pad], [1, 1], 1));
    if relu { stock_relu(y) } else { y }
}

/// The convolution as Burn dispatches it.
#[backend_extension(Flex, Cube, Autodiff)]
trait Convolution: Backend {
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self>;
}

/// Gradients of input (if requested), weight and bias.
type ConvolutionGradients<B> = (Option<FloatTensor<B>>, FloatTensor<B>, FloatTensor<B>);

/// A backend with kernels for the convolution and its gradients.
trait ConvolutionKernels: Convolution {
    /// Gradients from that of the output, `dy`.
    ///
    /// * `y`: output of the convolution, if it had a ReLU.
    /// * `for_x`: whether the gradient of the input is requested.
    fn convolution_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        y: Option<FloatTensor<Self>>,
        dy: FloatTensor<Self>,
        for_x: bool,
    ) -> ConvolutionGradients<Self>;
}

fn conv_shape(x: &FloatTensor<Flex>, weight: &FloatTensor<Flex>) -> ConvShape {
    let [n, channels_in, h, w] = x.shape().dims();
    let [channels_out, ..] = weight.shape().dims::<4>();
    ConvShape { n, channels_in, channels_out, h, w }
}

impl Convolution for Flex {
    fn convolution(
        x: FloatTensor<Flex>,
        weight: FloatTensor<Flex>,
        bias: FloatTensor<Flex>,
        relu: bool,
    ) -> FloatTensor<Flex> {
        let (x, weight, bias) = (x.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
        let shape = conv_shape(&x, &weight);
        let y = forward(shape, values(&x), values(&weight), Some(values(&bias)), relu);
        tensor(y, [shape.n, shape.channels_out, shape.h, shape.w])
    }
}

impl ConvolutionKernels for Flex {
    fn convolution_backward(
        x: FloatTensor<Flex>,
        weight: FloatTensor<Flex>,
        y: Option<FloatTensor<Flex>>,
        dy: FloatTensor<Flex>,
        for_x: bool,
    ) -> ConvolutionGradients<Self> {
        let (x, weight, dy) = (x.to_contiguous(), weight.to_contiguous(), dy.to_contiguous());
        let shape = conv_shape(&x, &weight);
        let found = backward(shape, values(&x), values(&weight), values(&dy), y.as_ref().map(values), for_x);
        let bias = TensorData::new(found.bias, [shape.channels_out]);
        (
            found.input.map(|dx| tensor(dx, x.shape().dims())),
            tensor(found.weight, weight.shape().dims()),
            Flex::float_from_data(bias, &FlexDevice),
        )
    }
}

impl Convolution for CubeBackend {
    fn convolution(x: CubeTensor, weight: CubeTensor, bias: CubeTensor, relu: bool) -> CubeTensor {
        gpu::forward(x, weight, bias, relu)
    }
}

impl ConvolutionKernels for CubeBackend {
    fn convolution_backward(
        x: CubeTensor,
        weight: CubeTensor,
        y: Option<CubeTensor>,
        dy: CubeTensor,
        for_x: bool,
    ) -> ConvolutionGradients<Self> {
        gpu::backward(x, weight, y, dy, for_x)
    }
}

#[derive(Debug)]
struct ConvolutionBackward;

impl<B: ConvolutionKernels> Backward<B, 3> for ConvolutionBackward {
    /// Input, weight and, if the convolution had a ReLU, its output.
    type State = (FloatTensor<B>, FloatTensor<B>, Option<FloatTensor<B>>);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [for_x, for_weight, for_bias] = ops.parents;
        let dy = gradients.consume::<B>(&ops.node);
        let (x, weight, y) = ops.state;
        let (dx, dw, db) = B::convolution_backward(x, weight, y, dy, for_x.is_some());
        for (node, gradient) in [(for_x, dx), (for_weight, Some(dw)), (for_bias, Some(db))] {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: ConvolutionKernels, C: CheckpointStrategy> Convolution for Autodiff<B, C> {
    fn convolution(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let (x, weight, bias) = (x.into_primitive(), weight.into_primitive(), bias.into_primitive());
        match Backward::<B, 3>::prepare::<C>(ConvolutionBackward, nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let y = B::convolution(x.clone(), weight.clone(), bias, relu);
                prepared.finish((x, weight, relu.then(|| y.clone())), y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::convolution(x, weight, bias, relu)),
        }
    }
}
