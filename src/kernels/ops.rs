//! The kernels as differentiable operations on Burn tensors.
//!
//! Hazard: an operation registered for one backend ends the program when a tensor of another backend reaches it.
//! Remedy: the public functions look at device, element type and shapes first and use Burn's own operations unless
//! the kernels apply; wrong shapes therefore meet Burn's own checks, too.

use super::attention::{self, AttentionParameters, AttentionShape, AttentionState};
use super::conv3x3::{ConvShape, backward, forward};
use super::gpu::{self, Layer};
use super::{pool, upsample};
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, FlexDevice, TensorMetadata, backend_extension};
use burn::tensor::activation::relu as stock_relu;
use burn::tensor::module::{conv2d, interpolate, max_pool2d};
use burn::tensor::ops::{ConvOptions, InterpolateMode, InterpolateOptions, MaxPoolOptions};
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use std::sync::Arc;

/// Convolution with an odd kernel, stride 1, padded so that the size stays, then a ReLU if `relu`.
///
/// `x` (n, c_in, h, w), `weight` (c_out, c_in, k, k), `bias` (c_out); gives (n, c_out, h, w). On the processor it is fast
/// for k = 3, on a GPU for k up to 7.
///
/// # Panics
/// As Burn's `conv2d` does for shapes that do not fit.
pub fn convolution(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, relu: bool) -> Tensor<4> {
    let ([n, channels_in, h, w], [channels_out, for_channels, side, width]) = (x.dims(), weight.dims());
    let fits = for_channels == channels_in && side == width && bias.dims() == [channels_out];
    let types = [x.dtype(), weight.dtype(), bias.dtype()].iter().all(|t| *t == DType::F32);
    let layer = Layer { channels_in, channels_out, h, w, side };
    let on_gpu = || x.device() != Device::flex() && x.shape().num_elements() > 0 && gpu::takes(n, layer);
    if fits && types && ((side == 3 && runs_here(&x)) || on_gpu()) {
        let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
        return Tensor::from_dispatch(<Dispatch as Convolution>::convolution(x, weight, bias, relu));
    }
    let pad = side / 2;
    let y = conv2d(x, weight, Some(bias), ConvOptions::new([1, 1], [pad, pad], [1, 1], 1));
    if relu { stock_relu(y) } else { y }
}

/// Largest value of each 2×2 block: (n, c, h, w) gives (n, c, h / 2, w / 2). The gradient goes to the first largest
/// value of a block.
pub fn max_pool2(x: Tensor<4>) -> Tensor<4> {
    if runs_here(&x) {
        return Tensor::from_dispatch(<Dispatch as CpuKernels>::max_pool2(x.into_dispatch()));
    }
    max_pool2d(x, MaxPoolOptions::new([2, 2]))
}

/// Each value repeated as a 2×2 block: (n, c, h, w) gives (n, c, 2 h, 2 w).
pub fn upsample2(x: Tensor<4>) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    if runs_here(&x) {
        return Tensor::from_dispatch(<Dispatch as CpuKernels>::upsample2(x.into_dispatch()));
    }
    interpolate(x, InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([2 * h, 2 * w]))
}

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
    let [_, c, ..] = x.dims();
    let [_, maps, side, width] = by.kernel.dims();
    let units = by.hidden.1.dims()[0];
    let shapes = [by.hidden.0.dims(), by.last.0.dims()] == [[units, c], [c, units]] && by.last.1.dims() == [c];
    let types = [by.hidden.0.dtype(), by.hidden.1.dtype(), by.last.0.dtype(), by.last.1.dtype(), by.kernel.dtype()];
    let fits = shapes && maps == 2 && side == width && side % 2 == 1 && types.iter().all(|t| *t == DType::F32);
    (fits && runs_here(x)).then(|| {
        Tensor::from_dispatch(<Dispatch as CpuKernels>::block_attention(
            x.clone().into_dispatch(),
            by.hidden.0.clone().into_dispatch(),
            by.hidden.1.clone().into_dispatch(),
            by.last.0.clone().into_dispatch(),
            by.last.1.clone().into_dispatch(),
            by.kernel.clone().into_dispatch(),
        ))
    })
}

/// Whether the kernels can take `x`: on Burn's processor backend (with gradients or without), not empty, and `f32`.
fn runs_here(x: &Tensor<4>) -> bool {
    let [_, _, h, w] = x.dims();
    // devices compare equal whether or not they record gradients
    x.dtype() == DType::F32 && x.device() == Device::flex() && x.shape().num_elements() > 0 && h > 1 && w > 1
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

/// Gradients of input (if asked for), weight and bias.
type ConvolutionGradients<B> = (Option<FloatTensor<B>>, FloatTensor<B>, FloatTensor<B>);

/// A backend with a convolution of its own, and its gradients.
trait Convolves: Convolution {
    /// From the gradient `dy` of the output; `y` is the output of a convolution that ended with a ReLU.
    fn convolution_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        y: Option<FloatTensor<Self>>,
        dy: FloatTensor<Self>,
        for_x: bool,
    ) -> ConvolutionGradients<Self>;
}

/// The processor's other operations as Burn dispatches them.
#[backend_extension(Flex, Autodiff)]
trait CpuKernels: Backend {
    fn max_pool2(x: FloatTensor<Self>) -> FloatTensor<Self>;
    fn upsample2(x: FloatTensor<Self>) -> FloatTensor<Self>;
    fn block_attention(
        x: FloatTensor<Self>,
        hidden_weight: FloatTensor<Self>,
        hidden_bias: FloatTensor<Self>,
        last_weight: FloatTensor<Self>,
        last_bias: FloatTensor<Self>,
        kernel: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

type Primitive = FloatTensor<Flex>;

fn values(tensor: &Primitive) -> &[f32] {
    // only for tensors made contiguous; anything else fails the length checks of the kernels
    tensor.as_slice().unwrap_or_default()
}

fn tensor(values: Vec<f32>, shape: [usize; 4]) -> Primitive {
    Flex::float_from_data(TensorData::new(values, shape), &FlexDevice)
}

fn conv_shape(x: &Primitive, weight: &Primitive) -> ConvShape {
    let [n, channels_in, h, w] = x.shape().dims();
    let [channels_out, ..] = weight.shape().dims::<4>();
    ConvShape { n, channels_in, channels_out, h, w }
}

impl Convolution for Flex {
    fn convolution(x: Primitive, weight: Primitive, bias: Primitive, relu: bool) -> Primitive {
        let (x, weight, bias) = (x.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
        let shape = conv_shape(&x, &weight);
        let y = forward(shape, values(&x), values(&weight), Some(values(&bias)), relu);
        tensor(y, [shape.n, shape.channels_out, shape.h, shape.w])
    }
}

impl Convolves for Flex {
    fn convolution_backward(
        x: Primitive,
        weight: Primitive,
        y: Option<Primitive>,
        dy: Primitive,
        for_x: bool,
    ) -> ConvolutionGradients<Self> {
        let (x, weight, dy) = (x.to_contiguous(), weight.to_contiguous(), dy.to_contiguous());
        let shape = conv_shape(&x, &weight);
        let made = backward(shape, values(&x), values(&weight), values(&dy), y.as_ref().map(values), for_x);
        let bias = TensorData::new(made.bias, [shape.channels_out]);
        (
            made.input.map(|dx| tensor(dx, x.shape().dims())),
            tensor(made.weight, weight.shape().dims()),
            Flex::float_from_data(bias, &FlexDevice),
        )
    }
}

impl Convolution for CubeBackend {
    fn convolution(x: CubeTensor, weight: CubeTensor, bias: CubeTensor, relu: bool) -> CubeTensor {
        gpu::forward(x, weight, bias, relu)
    }
}

impl Convolves for CubeBackend {
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

impl CpuKernels for Flex {
    fn max_pool2(x: Primitive) -> Primitive {
        let x = x.to_contiguous();
        let [n, c, h, w] = x.shape().dims();
        tensor(pool::max_pool2(values(&x), n * c, h, w), [n, c, h / 2, w / 2])
    }

    fn upsample2(x: Primitive) -> Primitive {
        let x = x.to_contiguous();
        let [n, c, h, w] = x.shape().dims();
        tensor(upsample::upsample2(values(&x), n * c, h, w), [n, c, 2 * h, 2 * w])
    }

    fn block_attention(
        x: Primitive,
        hidden_weight: Primitive,
        hidden_bias: Primitive,
        last_weight: Primitive,
        last_bias: Primitive,
        kernel: Primitive,
    ) -> Primitive {
        let x = x.to_contiguous();
        weigh(&x, &[hidden_weight, hidden_bias, last_weight, last_bias, kernel].map(|p| p.to_contiguous())).0
    }
}

/// What goes through the attention's forward pass; the parameters in the order of [`AttentionParameters`].
fn weigh(x: &Primitive, parameters: &[Primitive; 5]) -> (Primitive, Vec<AttentionState>) {
    let shape = attention_shape(x, parameters);
    let (y, states) = attention::forward(shape, values(x), attention_parameters(parameters));
    (tensor(y, [shape.n, shape.channels, shape.h, shape.w]), states)
}

fn attention_shape(x: &Primitive, [_, bias, .., kernel]: &[Primitive; 5]) -> AttentionShape {
    let [n, channels, h, w] = x.shape().dims();
    let ([units], [_, _, side, _]) = (bias.shape().dims(), kernel.shape().dims());
    AttentionShape { n, channels, h, w, units, side }
}

fn attention_parameters(parameters: &[Primitive; 5]) -> AttentionParameters<'_> {
    let [hidden_weight, hidden_bias, last_weight, last_bias, kernel] = parameters.each_ref().map(values);
    AttentionParameters { hidden_weight, hidden_bias, last_weight, last_bias, kernel }
}

#[derive(Debug)]
struct ConvolutionBackward;

impl<B: Convolves> Backward<B, 3> for ConvolutionBackward {
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

#[derive(Debug)]
struct MaxPool2Backward;

impl Backward<Flex, 1> for MaxPool2Backward {
    /// Input.
    type State = Primitive;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let dy = gradients.consume::<Flex>(&ops.node).to_contiguous();
        if let Some(node) = parent {
            let x = ops.state.to_contiguous();
            let [n, c, h, w] = x.shape().dims();
            let dx = pool::max_pool2_backward(values(&x), values(&dy), n * c, h, w);
            gradients.register::<Flex>(node.id, tensor(dx, [n, c, h, w]));
        }
    }
}

#[derive(Debug)]
struct Upsample2Backward;

impl Backward<Flex, 1> for Upsample2Backward {
    /// Shape of the input.
    type State = [usize; 4];

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        let dy = gradients.consume::<Flex>(&ops.node).to_contiguous();
        if let Some(node) = parent {
            let [n, c, h, w] = ops.state;
            let dx = upsample::upsample2_backward(values(&dy), n * c, h, w);
            gradients.register::<Flex>(node.id, tensor(dx, ops.state));
        }
    }
}

#[derive(Debug)]
struct BlockAttentionBackward;

impl Backward<Flex, 6> for BlockAttentionBackward {
    /// Input, parameters, and what the forward pass kept of each image.
    type State = (Primitive, [Primitive; 5], Arc<Vec<AttentionState>>);

    fn backward(self, ops: Ops<Self::State, 6>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [for_x, of_parameters @ ..] = ops.parents;
        let dy = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let (x, parameters, states) = ops.state;
        let shape = attention_shape(&x, &parameters);
        let made = attention::backward(shape, values(&x), attention_parameters(&parameters), &states, values(&dy));
        if let Some(node) = for_x {
            gradients.register::<Flex>(node.id, tensor(made.input, x.shape().dims()));
        }
        let of = [made.hidden_weight, made.hidden_bias, made.last_weight, made.last_bias, made.kernel];
        for ((node, parameter), gradient) in of_parameters.into_iter().zip(&parameters).zip(of) {
            if let Some(node) = node {
                let gradient = TensorData::new(gradient, parameter.shape());
                gradients.register::<Flex>(node.id, Flex::float_from_data(gradient, &FlexDevice));
            }
        }
    }
}

impl<B: Convolves, C: CheckpointStrategy> Convolution for Autodiff<B, C> {
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

impl<C: CheckpointStrategy> CpuKernels for Autodiff<Flex, C> {
    fn max_pool2(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let node = x.node();
        let x = x.into_primitive();
        match MaxPool2Backward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let y = Flex::max_pool2(x.clone());
                prepared.finish(x, y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(Flex::max_pool2(x)),
        }
    }

    fn upsample2(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let node = x.node();
        let x = x.into_primitive();
        match Upsample2Backward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let shape = x.shape().dims();
                prepared.finish(shape, Flex::upsample2(x))
            }
            OpsKind::UnTracked(prepared) => prepared.finish(Flex::upsample2(x)),
        }
    }

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
        let x = x.into_primitive().to_contiguous();
        let parameters = parameters.map(|p| p.into_primitive().to_contiguous());
        let (y, states) = weigh(&x, &parameters);
        match BlockAttentionBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((x, parameters, Arc::new(states)), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn numbers<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| next()).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn numbers_of<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec::<f32>().unwrap()
    }

    fn assert_close<const D: usize>(what: &str, ours: Tensor<D>, stock: Tensor<D>) {
        assert_eq!(ours.dims(), stock.dims(), "{what}");
        let (ours, stock) = (numbers_of(ours), numbers_of(stock));
        let scale = stock.iter().fold(1e-6f32, |m, x| m.max(x.abs()));
        let error = ours.iter().zip(&stock).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(error <= 1e-4 * scale, "{what}: differs by {error:e} of {scale:e}");
    }

    fn stock_conv(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, relu: bool) -> Tensor<4> {
        let y = conv2d(x, weight, Some(bias), ConvOptions::new([1, 1], [1, 1], [1, 1], 1));
        if relu { stock_relu(y) } else { y }
    }

    #[test]
    fn convolution_and_its_gradients_agree_with_burn() {
        let device = Device::flex().autodiff();
        for (n, c_in, c_out, h, w, relu) in [(2, 3, 5, 9, 7, true), (4, 8, 16, 16, 16, false), (3, 1, 9, 33, 20, true)]
        {
            let what = format!("({n}, {c_in}, {h}, {w}) to {c_out}, relu {relu}");
            let x = numbers([n, c_in, h, w], 1, &device).require_grad();
            let weight = numbers([c_out, c_in, 3, 3], 2, &device).require_grad();
            let bias = numbers([c_out], 3, &device).require_grad();
            let dy = numbers([n, c_out, h, w], 4, &device);
            let run = |f: fn(Tensor<4>, Tensor<4>, Tensor<1>, bool) -> Tensor<4>| {
                let y = f(x.clone(), weight.clone(), bias.clone(), relu);
                let gradients = (y.clone() * dy.clone()).sum().backward();
                let dx = x.grad(&gradients).unwrap();
                (y.without_autodiff(), dx, weight.grad(&gradients).unwrap(), bias.grad(&gradients).unwrap())
            };
            let (ours, stock) = (run(convolution), run(stock_conv));
            assert_close(&format!("{what}: output"), ours.0, stock.0);
            assert_close(&format!("{what}: input"), ours.1, stock.1);
            assert_close(&format!("{what}: weight"), ours.2, stock.2);
            assert_close(&format!("{what}: bias"), ours.3, stock.3);
        }
    }

    #[test]
    fn pooling_and_upsampling_agree_with_burn() {
        let device = Device::flex().autodiff();
        for (h, w) in [(8, 8), (7, 10), (2, 3)] {
            let x = numbers([2, 3, h, w], 5, &device).require_grad();
            let run = |f: &dyn Fn(Tensor<4>) -> Tensor<4>| {
                let y = f(x.clone());
                let dy = numbers(y.dims(), 6, &device);
                let gradients = (y.clone() * dy).sum().backward();
                (y.without_autodiff(), x.grad(&gradients).unwrap())
            };
            let (ours, stock) = (run(&max_pool2), run(&|x| max_pool2d(x, MaxPoolOptions::new([2, 2]))));
            assert_close("pooled", ours.0, stock.0);
            assert_close("pooled gradient", ours.1, stock.1);
            let options = InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([2 * h, 2 * w]);
            let (ours, stock) = (run(&upsample2), run(&|x| interpolate(x, options.clone())));
            assert_close("upsampled", ours.0, stock.0);
            assert_close("upsampled gradient", ours.1, stock.1);
        }
    }

    #[test]
    fn views_mixed_constants_and_plain_tensors_work() {
        let device = Device::flex();
        let (x, weight, bias) =
            (numbers([2, 6, 8, 9], 1, &device), numbers([4, 3, 3, 3], 2, &device), numbers([4], 3, &device));
        // a slice of the channels, transposed: neither starts at the buffer's start nor is contiguous
        let view = x.narrow(1, 2, 3).swap_dims(2, 3);
        let plain = convolution(view.clone(), weight.clone(), bias.clone(), true);
        assert_close("view", plain.clone(), stock_conv(view.clone(), weight.clone(), bias.clone(), true));
        assert_close("pooled view", max_pool2(view.clone()), max_pool2d(view.clone(), MaxPoolOptions::new([2, 2])));
        // a constant input: only the weight is differentiated
        let weight = weight.autodiff().require_grad();
        let y = convolution(view.clone().autodiff(), weight.clone(), bias.clone().autodiff(), true);
        assert_close("constant input", y.clone().without_autodiff(), plain);
        let ours = weight.grad(&y.sum().backward()).unwrap();
        let y = stock_conv(view.autodiff(), weight.clone(), bias.autodiff(), true);
        assert_close("weight", ours, weight.grad(&y.sum().backward()).unwrap());
    }

    #[test]
    fn shapes_outside_the_kernels_reach_burn() {
        let device = Device::flex();
        // a single column: Burn's own operations
        let (x, weight, bias) =
            (numbers([1, 2, 5, 1], 1, &device), numbers([3, 2, 3, 3], 2, &device), numbers([3], 3, &device));
        assert_eq!(convolution(x.clone(), weight.clone(), bias.clone(), false).dims(), [1, 3, 5, 1]);
        assert_eq!(upsample2(x.clone()).dims(), [1, 2, 10, 2]);
        let narrow = x.narrow(1, 0, 1);
        let wrong = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| convolution(narrow, weight, bias, false)));
        assert!(wrong.is_err());
    }
}
