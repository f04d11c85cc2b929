//! Arithmetic rate of a device, and the fraction of it that the convolutions reach.

use super::{Quantity, Setup, median, repeat};
use crate::error::{Error, Result};
use crate::kernels::conv3x3::{ConvShape, backward, forward};
use crate::model::convolution_shapes;
use burn::tensor::{Device, Tensor, TensorData};
use std::time::Instant;

/// Side of the square matrices that are multiplied.
const SIDE: usize = 2048;
/// Consecutive products, so that an asynchronous device is kept busy.
const PRODUCTS: usize = 4;

/// Rate of the matrix product on the device; on the CPU also that of the network's convolutions, forward and backward. The
/// operations of direct convolutions are counted; convolutions of many channels need 2.25 times fewer (Winograd), so that
/// their rate can exceed that of the matrix product.
pub(super) fn measure(setup: &Setup, device: &Device, is_cpu: bool) -> Result<Vec<Quantity>> {
    // The CPU backend distributes a stack of products over its threads, but not a single product.
    let stack = if is_cpu { std::thread::available_parallelism().map_or(1, std::num::NonZero::get) } else { 1 };
    let peak = matrix_peak(setup.seconds / 4.0, stack, device)?;
    let mut quantities = vec![Quantity::new("matrix product", peak / 1e9, "GFLOP/s")];
    if is_cpu {
        let rate = convolutions(setup)?;
        quantities.push(Quantity::new("convolutions, counted as direct", rate / 1e9, "GFLOP/s"));
        quantities.push(Quantity::new("convolutions, relative to the matrix product", 100.0 * rate / peak, "%"));
    }
    Ok(quantities)
}

/// Operations per second of the fastest of several products of stacks of square matrices.
fn matrix_peak(seconds: f64, stack: usize, device: &Device) -> Result<f64> {
    let values = |phase: usize| -> Vec<f32> {
        (0..stack * SIDE * SIDE).map(|i| ((i * 7 + phase) % 13) as f32 / 13.0 / SIDE as f32).collect()
    };
    let a = Tensor::<3>::from_data(TensorData::new(values(0), [stack, SIDE, SIDE]), device);
    let b = Tensor::<3>::from_data(TensorData::new(values(3), [stack, SIDE, SIDE]), device);
    let times = repeat(seconds, || {
        let product = (0..PRODUCTS).fold(a.clone(), |product, _| product.matmul(b.clone()));
        // Reading back one value waits for all products.
        let last = product.slice([0..1, 0..1, 0..1]).reshape([1]).try_into_scalar::<f32>();
        last.map(|_| ()).map_err(|e| Error::failed(format!("Cannot read from the device ({e:?})")))
    })?;
    let best = times.into_iter().fold(f64::INFINITY, f64::min);
    Ok(2.0 * (SIDE as f64).powi(3) * (stack * PRODUCTS) as f64 / best)
}

/// Operations per second of all convolutions of the network, forward and backward, for one batch.
fn convolutions(setup: &Setup) -> Result<f64> {
    let layers = convolution_shapes(setup.patch, &setup.config().model)?;
    let (mut operations, mut seconds) = (0.0, 0.0);
    let share = setup.seconds / layers.len() as f64;
    for (i, &[outputs, inputs, side]) in layers.iter().enumerate() {
        let shape = ConvShape { n: setup.batch, channels_in: inputs, channels_out: outputs, h: side, w: side };
        let wave = |n: usize| -> Vec<f32> { (0..n).map(|i| ((i * 5) % 17) as f32 / 17.0 - 0.4).collect() };
        let (x, weight, dy) = (wave(shape.input_len()), wave(shape.weight_len()), wave(shape.output_len()));
        // The input of the first layer is data and needs no gradient.
        let input_gradient = i > 0;
        operations += shape.operations() * if input_gradient { 3.0 } else { 2.0 };
        let mut times = Vec::new();
        repeat(share, || {
            let start = Instant::now();
            let y = forward(shape, &x, &weight, None, true);
            std::hint::black_box(backward(shape, &x, &weight, &dy, Some(&y), input_gradient));
            times.push(start.elapsed().as_secs_f64());
            Ok(())
        })?;
        seconds += median(times);
    }
    Ok(operations / seconds)
}
