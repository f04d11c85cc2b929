//! Tensor operations that Burn lacks, or that are wrong, slow or not reproducible on some devices.

use crate::error::{Error, Result};
use crate::kernels;
use burn::tensor::{Device, Tensor};

/// Values of a tensor in row-major order, copied from its device; `what` names them in the error message.
///
/// # Errors
/// If the device cannot be read.
pub fn read<const D: usize>(tensor: Tensor<D>, what: &str) -> Result<Vec<f32>> {
    tensor.try_into_vec_as::<f32>().map_err(|e| Error::failed(format!("Cannot read {what} from the device ({e:?})")))
}

/// Sum over one dimension, which is kept with length 1.
///
/// Hazard: Burn's `sum_dim` (0.22, on wgpu) permutes the values of a non-contiguous tensor if the length of the
/// dimension is 1. Remedy: such a tensor is returned unchanged, since there is nothing to sum.
pub fn sum_over<const D: usize>(tensor: Tensor<D>, dim: usize) -> Tensor<D> {
    if tensor.dims()[dim] == 1 { tensor } else { tensor.sum_dim(dim) }
}

/// Sum of all values, (1,).
///
/// Hazard: on a GPU, Burn's `sum` uses a single thread, or adds in an order that differs from run to run. Remedy: there
/// the values are summed in columns with one thread each, until few remain.
pub fn total(values: Tensor<1>) -> Tensor<1> {
    if values.device() == Device::flex() {
        return values.sum();
    }
    kernels::sum_on_gpu(&values).unwrap_or_else(|| sum_in_columns(values))
}

/// Sums of (k, N, M) images over each of `groups` runs of consecutive images: (groups, 1). On a GPU as in [`total`].
pub fn sum_of_each(images: Tensor<3>, groups: usize) -> Tensor<2> {
    let [k, n, m] = images.dims();
    let rows = k / groups * n;
    if images.device() == Device::flex() {
        return images.reshape([groups, rows * m]).sum_dim(1);
    }
    sum_over(sum_over(images.reshape([groups, rows, m]), 1).reshape([groups, m]), 1)
}

/// `a · bᵀ` of matrices (k, pixels) with small k: (k, k).
///
/// A matrix product on a GPU is parallel over its results only, here a single work group. There, runs of pixels are
/// therefore multiplied in parallel and their products added.
pub fn products_of_rows(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    const RUN: usize = 256;
    let [k, pixels] = a.dims();
    let runs = pixels / RUN;
    if a.device() == Device::flex() || runs < 2 {
        return a.matmul(b.swap_dims(0, 1));
    }
    let in_runs = |t: &Tensor<2>| t.clone().narrow(1, 0, runs * RUN).reshape([k, runs, RUN]).swap_dims(0, 1);
    let products = in_runs(&a).matmul(in_runs(&b).swap_dims(1, 2)).sum_dim(0).reshape([k, k]);
    let rest = pixels - runs * RUN;
    if rest == 0 {
        return products;
    }
    products + a.narrow(1, runs * RUN, rest).matmul(b.narrow(1, runs * RUN, rest).swap_dims(0, 1))
}

fn sum_in_columns(values: Tensor<1>) -> Tensor<1> {
    const FEW: usize = 64;
    let [count] = values.dims();
    if count <= FEW {
        return values.sum();
    }
    let columns = count.isqrt().next_power_of_two() / 2;
    let rows = count / columns;
    let main = values.clone().narrow(0, 0, rows * columns).reshape([rows, columns]);
    let sum = sum_in_columns(main.sum_dim(0).reshape([columns]));
    let rest = count - rows * columns;
    if rest == 0 { sum } else { sum + sum_in_columns(values.narrow(0, rows * columns, rest)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_sums_are_correct_for_any_number_of_values() {
        for count in [1, 63, 64, 65, 127, 4096, 10_007] {
            let values = Tensor::<1, burn::tensor::Int>::arange(1..count + 1, &Device::flex()).float();
            let sum = (count * (count + 1) / 2) as f32;
            assert!((sum_in_columns(values).into_scalar::<f32>() - sum).abs() <= 1e-6 * sum, "{count}");
        }
    }
}
