//! Layers other than the 3×3 convolution: attention and batch normalization (A§4.2, A§4.6).

use crate::kernels::{self, BlockAttention};
use burn::tensor::module::conv1d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, activation};

/// Added to the variance in normalizations.
const NORM_EPSILON: f64 = 1e-5;

/// Convolutional block attention: [`channel_gate`], then [`spatial_gate`], with their arguments.
pub(super) fn block_attention(
    x: Tensor<4>,
    hidden: Option<(Tensor<2>, Tensor<1>, Tensor<2>)>,
    bias: Tensor<1>,
    kernel: Tensor<4>,
) -> Tensor<4> {
    let fused = hidden.clone().and_then(|(weight, units, last)| {
        let (hidden, last) = ((weight, units), (last, bias.clone()));
        kernels::block_attention(&x, &BlockAttention { hidden, last, kernel: kernel.clone() })
    });
    fused.unwrap_or_else(|| spatial_gate(channel_gate(x, hidden, bias), kernel))
}

/// Weights each channel by a gate computed from its mean and its maximum (A§4.6).
///
/// * `x`: (b, c, h, w).
/// * `hidden`: weight (u, c) and bias (u,) of the hidden layer, and weight (c, u) of the output layer; `None` if the
///   hidden layer has no units.
/// * `bias`: (c,) of the output layer.
fn channel_gate(x: Tensor<4>, hidden: Option<(Tensor<2>, Tensor<1>, Tensor<2>)>, bias: Tensor<1>) -> Tensor<4> {
    let [b, c, ..] = x.dims();
    let bias: Tensor<2> = bias.unsqueeze();
    let score = match hidden {
        Some((weight, units, last)) => {
            let perceptron = |pooled: Tensor<2>| {
                let hidden = pooled.matmul(weight.clone().swap_dims(0, 1)) + units.clone().unsqueeze();
                activation::relu(hidden).matmul(last.clone().swap_dims(0, 1)) + bias.clone()
            };
            perceptron(mean_of_channels(&x)) + perceptron(x.clone().max_dim(3).max_dim(2).reshape([b, c]))
        }
        None => (bias * 2.0).expand([b, c]),
    };
    x * activation::sigmoid(score).reshape([b, c, 1, 1])
}

/// Weights each pixel by a gate computed from the maximum and the mean over its channels (A§4.6).
///
/// * `x`: (b, c, h, w). * `kernel`: (1, 2, k, k), k odd: for the maximum, then for the mean.
pub(super) fn spatial_gate(x: Tensor<4>, kernel: Tensor<4>) -> Tensor<4> {
    let compressed = Tensor::cat(vec![x.clone().max_dim(1), x.clone().mean_dim(1)], 1);
    let no_bias = Tensor::zeros([1], &x.device());
    x * activation::sigmoid(kernels::convolution(compressed, kernel, no_bias, false))
}

/// Weights each channel by a gate computed by a convolution along the means of the channels (A§4.6).
///
/// * `x`: (b, c, h, w). * `kernel`: (1, 1, k), k odd.
pub(super) fn channel_convolution(x: Tensor<4>, kernel: Tensor<3>) -> Tensor<4> {
    let [b, c, ..] = x.dims();
    let pad = kernel.dims()[2] / 2;
    let means = mean_of_channels(&x).reshape([b, 1, c]);
    let score = conv1d(means, kernel, None, ConvOptions::new([1], [pad], [1], 1));
    x * activation::sigmoid(score).reshape([b, c, 1, 1])
}

/// Mean of each channel of each image of `x`, (b, c, h, w): (b, c). Reduced one dimension after the other, since a GPU
/// uses one thread per result of a reduction.
fn mean_of_channels(x: &Tensor<4>) -> Tensor<2> {
    let [b, c, ..] = x.dims();
    x.clone().mean_dim(3).mean_dim(2).reshape([b, c])
}

/// (x - mean) / sqrt(variance + ε) over the pixels of each channel of each image of `x`, (b, c, h, w).
pub(super) fn normalize_instances(x: Tensor<4>) -> Tensor<4> {
    let [b, c, ..] = x.dims();
    let centered = x.clone() - mean_of_channels(&x).reshape([b, c, 1, 1]);
    let variance = mean_of_channels(&centered.clone().square()).reshape([b, c, 1, 1]);
    centered / (variance + NORM_EPSILON).sqrt()
}

/// Mean and variance of each channel, (c,) each, over batch and pixels of `x`, (b, c, h, w).
pub(super) fn channel_statistics(x: &Tensor<4>) -> (Tensor<1>, Tensor<1>) {
    let c = x.dims()[1];
    let mean = mean_of_channels(x).mean_dim(0);
    let centered = x.clone() - mean.clone().reshape([1, c, 1, 1]);
    let variance = mean_of_channels(&centered.square()).mean_dim(0);
    (mean.reshape([c]), variance.reshape([c]))
}

/// `(x - mean) / sqrt(variance + ε) · gain + shift` for each channel of `x`, (b, c, h, w); the others are (c,).
pub(super) fn normalize(
    x: Tensor<4>,
    mean: Tensor<1>,
    variance: Tensor<1>,
    gain: Tensor<1>,
    shift: Tensor<1>,
) -> Tensor<4> {
    let channel = |t: Tensor<1>| {
        let c = t.dims()[0];
        t.reshape([1, c, 1, 1])
    };
    let scale = gain / (variance + NORM_EPSILON).sqrt();
    (x - channel(mean)) * channel(scale) + channel(shift)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn numbers<const D: usize>(shape: [usize; D], seed: usize, device: &Device) -> Tensor<D> {
        let values = (0..shape.iter().product()).map(|i| ((i * 7919 + seed * 104_729) % 10_007) as f32 / 5003.5 - 1.0);
        Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device).require_grad()
    }

    #[test]
    fn fused_block_attention_and_its_gradients_agree_with_the_separate_operations() {
        let device = Device::flex().autodiff();
        for (n, c, units, h, w, side) in [(2, 16, 1, 9, 7, 7), (3, 32, 2, 16, 16, 7), (1, 5, 3, 20, 33, 3)] {
            let x = numbers([n, c, h, w], 1, &device);
            let hidden =
                (numbers([units, c], 2, &device), numbers([units], 3, &device), numbers([c, units], 4, &device));
            let (bias, kernel) = (numbers([c], 5, &device), numbers([1, 2, side, side], 6, &device));
            let dy = numbers([n, c, h, w], 7, &device).detach();
            let run = |attend: &dyn Fn(Tensor<4>) -> Tensor<4>| {
                let y = attend(x.clone());
                let gradients = (y.clone() * dy.clone()).sum().backward();
                let flat = |values: Option<TensorData>| values.unwrap().try_to_vec::<f32>().unwrap();
                [
                    flat(Some(y.without_autodiff().into_data())),
                    flat(x.grad(&gradients).map(Tensor::into_data)),
                    flat(hidden.0.grad(&gradients).map(Tensor::into_data)),
                    flat(hidden.1.grad(&gradients).map(Tensor::into_data)),
                    flat(hidden.2.grad(&gradients).map(Tensor::into_data)),
                    flat(bias.grad(&gradients).map(Tensor::into_data)),
                    flat(kernel.grad(&gradients).map(Tensor::into_data)),
                ]
            };
            let fused = run(&|x| block_attention(x, Some(hidden.clone()), bias.clone(), kernel.clone()));
            let separate = run(&|x| spatial_gate(channel_gate(x, Some(hidden.clone()), bias.clone()), kernel.clone()));
            for (i, (ours, separate)) in fused.iter().zip(&separate).enumerate() {
                let scale = separate.iter().fold(1e-3f32, |most, v| most.max(v.abs()));
                let error = ours.iter().zip(separate).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
                assert_eq!(ours.len(), separate.len());
                assert!(error <= 2e-5 * scale, "({n}, {c}, {h}, {w}), {i}: differs by {error:e} of {scale:e}");
            }
        }
    }
}
