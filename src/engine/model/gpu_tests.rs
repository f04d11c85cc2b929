//! Operations of the network give the same results on a GPU as on the CPU. Skipped, with a message, without a wgpu
//! adapter. The tests are here and not in the kernels' crate because they need `physics` and the selection of a device.

use crate::config::Accelerator;
use crate::kernels::{self, Activation, BlockAttention};
use crate::physics;
use crate::worker::device;
use burn::tensor::{Device, Gradients, Tensor, TensorData};

/// A graphics device; may be a software rasterizer.
fn adapter() -> Option<Device> {
    let found = device::select(Accelerator::Wgpu).ok();
    if found.is_none() {
        assert!(std::env::var_os("PTYCHOSCOPE_REQUIRE_ADAPTER").is_none(), "no wgpu adapter found");
        println!("skipped: no wgpu adapter found");
    }
    found.map(|selected| selected.device)
}

/// Pseudo-random numbers in [-1, 1).
fn numbers<const D: usize>(shape: [usize; D], seed: usize, device: &Device) -> Tensor<D> {
    let values = (0..shape.iter().product()).map(|i| ((i * 7919 + seed * 104_729) % 10_007) as f32 / 5003.5 - 1.0);
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// Gradients of the sum of `y` weighted with pseudo-random numbers.
fn backward(y: &Tensor<4>) -> Gradients {
    (y.clone() * numbers(y.dims(), 99, &y.device())).sum().backward()
}

fn gradient<const D: usize>(of: &Tensor<D>, gradients: &Gradients) -> Vec<f32> {
    values(of.grad(gradients).unwrap())
}

/// Asserts that the results of `compute` on both devices differ by no more than rounding.
fn agrees(what: &str, gpu: &Device, compute: impl Fn(&Device) -> Vec<Vec<f32>>) {
    let (ours, cpu) = (compute(&gpu.clone().autodiff()), compute(&Device::flex().autodiff()));
    assert_eq!(ours.len(), cpu.len());
    for (part, (ours, cpu)) in ours.iter().zip(&cpu).enumerate() {
        assert_eq!(ours.len(), cpu.len(), "{what}, {part}");
        let scale = cpu.iter().fold(1e-6f32, |most, v| most.max(v.abs()));
        for (at, (a, b)) in ours.iter().zip(cpu).enumerate() {
            assert!((a - b).abs() <= 1e-5 * scale, "{what}, part {part}, {at}: {a:e} and {b:e} of {scale:e}");
        }
    }
}

#[test]
fn convolutions_and_their_gradients_agree_with_the_cpu() {
    let Some(gpu) = adapter() else { return };
    // Odd sizes, few and many channels, incomplete blocks of channels, kernels of every size, a single row, and a batch
    // that is large enough for the coarsest plan.
    for ([n, c_in, c_out, h, w, side], relu) in [
        ([2, 3, 5, 9, 7, 3], true),
        ([3, 1, 9, 33, 20, 3], true),
        ([2, 33, 40, 16, 16, 3], false),
        ([1, 16, 1, 40, 34, 3], false),
        ([2, 2, 1, 16, 16, 7], false),
        ([2, 4, 6, 10, 12, 5], true),
        ([3, 5, 7, 8, 8, 1], true),
        ([1, 16, 24, 1, 5, 3], false),
        ([33, 3, 17, 64, 64, 3], true),
    ] {
        agrees(&format!("{n} images {h}x{w}, {c_in} to {c_out}, side {side}, relu {relu}"), &gpu, |device| {
            let x = numbers([n, c_in, h, w], 1, device).require_grad();
            let weight = numbers([c_out, c_in, side, side], 2, device).require_grad();
            let bias = numbers([c_out], 3, device).require_grad();
            let y = kernels::convolution(x.clone(), weight.clone(), bias.clone(), relu);
            let gradients = backward(&y);
            vec![values(y), gradient(&x, &gradients), gradient(&weight, &gradients), gradient(&bias, &gradients)]
        });
    }
}

#[test]
fn block_attention_and_its_gradients_agree_with_the_cpu() {
    let Some(gpu) = adapter() else { return };
    for [n, c, units, h, w, side] in
        [[2, 16, 1, 9, 7, 7], [3, 32, 2, 16, 16, 7], [1, 5, 3, 20, 33, 3], [2, 300, 40, 8, 8, 7]]
    {
        agrees(&format!("{n} images {h}x{w}, {c} channels, {units} units, side {side}"), &gpu, |device| {
            let x = numbers([n, c, h, w], 1, device).require_grad();
            let hidden = (numbers([units, c], 2, device).require_grad(), numbers([units], 3, device).require_grad());
            let last = (numbers([c, units], 4, device).require_grad(), numbers([c], 5, device).require_grad());
            let kernel = numbers([1, 2, side, side], 6, device).require_grad();
            let parameters = BlockAttention { hidden, last, kernel };
            let y = kernels::block_attention(&x, &parameters).unwrap();
            let gradients = backward(&y);
            let BlockAttention { hidden, last, kernel } = parameters;
            vec![
                values(y),
                gradient(&x, &gradients),
                gradient(&hidden.0, &gradients),
                gradient(&hidden.1, &gradients),
                gradient(&last.0, &gradients),
                gradient(&last.1, &gradients),
                gradient(&kernel, &gradients),
            ]
        });
    }
}

#[test]
fn pooling_upsampling_and_activations_agree_with_the_cpu() {
    let Some(gpu) = adapter() else { return };
    let operations: [fn(Tensor<4>) -> Tensor<4>; 5] = [
        kernels::max_pool2,
        kernels::upsample2,
        |x| kernels::activate(x * 6.0, Activation::Sigmoid),
        |x| kernels::activate(x * 60.0, Activation::Silu),
        |x| kernels::activate(x * 90.0, Activation::Tanh),
    ];
    for shape in [[2, 3, 8, 8], [1, 4, 7, 10], [3, 2, 2, 3], [2, 5, 65, 33]] {
        for (which, operation) in operations.into_iter().enumerate() {
            agrees(&format!("operation {which} of {shape:?}"), &gpu, |device| {
                let x = numbers(shape, 1, device).require_grad();
                let y = operation(x.clone());
                let gradients = backward(&y);
                vec![values(y), gradient(&x, &gradients)]
            });
        }
    }
    // If all values of a block are equal, the gradient goes to the first.
    let x = Tensor::<4>::ones([1, 1, 2, 2], &gpu.clone().autodiff()).require_grad();
    let gradients = kernels::max_pool2(x.clone()).sum().backward();
    assert_eq!(gradient(&x, &gradients), [1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn parameters_are_flattened_split_and_summed() {
    let Some(gpu) = adapter() else { return };
    let sizes: Vec<usize> = (0..67).map(|i| (i * 7919) % 313 + 1).collect();
    let parts: Vec<Tensor<1>> = sizes.iter().enumerate().map(|(i, size)| numbers([*size], i, &gpu)).collect();
    let joined = kernels::flatten_parameters(parts.clone());
    let flat: Vec<f32> = parts.iter().flat_map(|part| values(part.clone())).collect();
    assert_eq!(values(joined.clone()), flat);
    for (found, part) in kernels::split_parameters(&joined, &sizes).into_iter().zip(parts) {
        // Unchanged, and after an operation of Burn.
        assert_eq!(values(found.clone()), values(part.clone()));
        assert_eq!(values(found * 2.0 + 1.0), values(part * 2.0 + 1.0));
    }
    for count in [1usize, 5, 2047, 2049, 583_570] {
        // Integers, whose sum is exact in any order.
        let long: Vec<f32> = (0..count).map(|i| ((i * 37) % 11) as f32).collect();
        let sum: f32 = long.iter().sum();
        let uploaded = Tensor::<1>::from_data(TensorData::new(long, [count]), &gpu);
        assert_eq!(physics::total(uploaded).into_scalar::<f32>(), sum);
    }
}

#[test]
fn leading_phasors_agree_with_the_power_iteration_in_f64() {
    let Some(gpu) = adapter() else { return };
    for units in [1usize, 3, 16, 300] {
        let (b, c) = (numbers([units, units], 4, &gpu), numbers([units, units], 5, &gpu));
        let (re, im) = (b.clone() + b.swap_dims(0, 1) + 1.0, c.clone() - c.swap_dims(0, 1));
        let [phasor_re, phasor_im] = kernels::leading_phasors(&re, &im, 12).unwrap().map(values);
        let (re, im) = (values(re), values(im));
        let mut phasors = vec![num_complex::Complex64::new(1.0, 0.0); units];
        for _ in 0..12 {
            let row = |a: usize| -> num_complex::Complex64 {
                let at = |b: usize| num_complex::Complex64::new(re[a * units + b].into(), im[a * units + b].into());
                (0..units).map(|b| at(b) * phasors[b]).sum()
            };
            phasors = (0..units).map(|a| row(a) / row(a).norm().max(1e-20)).collect();
        }
        for (unit, wanted) in phasors.iter().enumerate() {
            let found = num_complex::Complex64::new(phasor_re[unit].into(), phasor_im[unit].into());
            assert!((found - wanted).norm() < 1e-5, "{units} units, {unit}: {found} and {wanted}");
        }
    }
}

#[test]
fn products_of_rows_agree_with_the_cpu() {
    let Some(gpu) = adapter() else { return };
    for [k, pixels] in [[3, 700], [5, 512], [2, 100]] {
        let product = |device: &Device| {
            values(physics::products_of_rows(numbers([k, pixels], 1, device), numbers([k, pixels], 2, device)))
        };
        for (a, b) in product(&gpu).into_iter().zip(product(&Device::flex())) {
            assert!((a - b).abs() < 1e-3, "{a} and {b}");
        }
    }
}
