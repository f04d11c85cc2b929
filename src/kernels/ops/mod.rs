//! The kernels as differentiable operations on Burn tensors.
//!
//! Hazard: an operation registered for one backend panics if it receives a tensor of another backend.
//! Remedy: the public functions first check device, element type and shapes, and use Burn's own operations unless the
//! kernels apply; invalid shapes are therefore rejected by Burn's checks.

mod activation;
mod attention;
mod convolution;
mod phases;
mod resampling;
mod vectors;

pub use activation::{Activation, activate};
pub use attention::{BlockAttention, block_attention};
pub use convolution::convolution;
pub use phases::leading_phasors;
pub use resampling::{max_pool2, upsample2};
pub use vectors::{flatten_parameters, split_parameters, sum_on_gpu};

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, FlexDevice};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// Processor of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Processor {
    Cpu,
    Gpu,
}

/// Processor whose kernels can handle `x`: Burn's CPU backend or a GPU, with or without gradients. `None` if `x` is
/// empty, not of type `f32`, or has more values than the indices of the kernels can address.
fn processor<const D: usize>(x: &Tensor<D>) -> Option<Processor> {
    let count = x.shape().num_elements();
    // Devices compare equal with and without gradients.
    let on_cpu = x.device() == Device::flex();
    let fits = x.dtype() == DType::F32 && count > 0 && (on_cpu || count < 1 << 31);
    fits.then_some(if on_cpu { Processor::Cpu } else { Processor::Gpu })
}

fn values(tensor: &FloatTensor<Flex>) -> &[f32] {
    // Only for contiguous tensors; others give an empty slice, which fails the length checks of the kernels.
    tensor.as_slice().unwrap_or_default()
}

fn tensor(values: Vec<f32>, shape: [usize; 4]) -> FloatTensor<Flex> {
    Flex::float_from_data(TensorData::new(values, shape), &FlexDevice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::activation::relu as stock_relu;
    use burn::tensor::module::{conv2d, interpolate, max_pool2d};
    use burn::tensor::ops::{ConvOptions, InterpolateMode, InterpolateOptions, MaxPoolOptions};

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
        // A slice of the channels, transposed: neither starts at the start of the buffer nor is contiguous.
        let view = x.narrow(1, 2, 3).swap_dims(2, 3);
        let plain = convolution(view.clone(), weight.clone(), bias.clone(), true);
        assert_close("view", plain.clone(), stock_conv(view.clone(), weight.clone(), bias.clone(), true));
        assert_close("pooled view", max_pool2(view.clone()), max_pool2d(view.clone(), MaxPoolOptions::new([2, 2])));
        // A constant input: only the weight is differentiated.
        let weight = weight.autodiff().require_grad();
        let y = convolution(view.clone().autodiff(), weight.clone(), bias.clone().autodiff(), true);
        assert_close("constant input", y.clone().without_autodiff(), plain);
        let ours = weight.grad(&y.sum().backward()).unwrap();
        let y = stock_conv(view.autodiff(), weight.clone(), bias.autodiff(), true);
        assert_close("weight", ours, weight.grad(&y.sum().backward()).unwrap());
    }

    #[test]
    fn unsupported_shapes_are_passed_to_burn() {
        let device = Device::flex();
        // A single column: Burn's own operations.
        let (x, weight, bias) =
            (numbers([1, 2, 5, 1], 1, &device), numbers([3, 2, 3, 3], 2, &device), numbers([3], 3, &device));
        assert_eq!(convolution(x.clone(), weight.clone(), bias.clone(), false).dims(), [1, 3, 5, 1]);
        assert_eq!(upsample2(x.clone()).dims(), [1, 2, 10, 2]);
        let narrow = x.narrow(1, 0, 1);
        let wrong = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| convolution(narrow, weight, bias, false)));
        assert!(wrong.is_err());
    }
}
