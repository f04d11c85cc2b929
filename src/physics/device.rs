//! What Burn does not do as it should on every device, or not in one word.

use crate::error::{Error, Result};
use crate::kernels;
use burn::tensor::{Device, Tensor};

/// Values of a tensor, copied from its device; `what` is named if that fails.
///
/// # Errors
/// When the device cannot be read.
pub fn read<const D: usize>(tensor: Tensor<D>, what: &str) -> Result<Vec<f32>> {
    tensor.try_into_vec_as::<f32>().map_err(|e| Error::failed(format!("Cannot read {what} from the device ({e:?})")))
}

/// Sum over one dimension, which stays with the length 1.
///
/// Hazard: Burn's own (0.22, on wgpu) confuses the values of a tensor that is not contiguous where the dimension has the
/// length 1. Remedy: there nothing is asked of it, since nothing is to be summed.
pub fn sum_over<const D: usize>(tensor: Tensor<D>, dim: usize) -> Tensor<D> {
    if tensor.dims()[dim] == 1 { tensor } else { tensor.sum_dim(dim) }
}

/// Sum of all values.
///
/// Hazard: on a GPU Burn's own has one thread for it, or adds in an order that is another one every time. Remedy: there
/// the values are summed in columns, which have a thread each, until few are left.
pub fn total(values: Tensor<1>) -> Tensor<1> {
    if values.device() == Device::flex() {
        return values.sum();
    }
    kernels::total_on_gpu(&values).unwrap_or_else(|| sum_in_columns(values))
}

/// Sums of images (k, N, M) over each of `groups` runs of them: (groups, 1); on a GPU as in [`total`].
pub fn sum_of_each(images: Tensor<3>, groups: usize) -> Tensor<2> {
    let [k, n, m] = images.dims();
    let rows = k / groups * n;
    if images.device() == Device::flex() {
        return images.reshape([groups, rows * m]).sum_dim(1);
    }
    sum_over(sum_over(images.reshape([groups, rows, m]), 1).reshape([groups, m]), 1)
}

/// `a · bᵀ` of matrices (k, pixels), k small: (k, k). On a GPU a product has work groups for its results alone, here one, so
/// that there runs of pixels are multiplied side by side and their products added.
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
    fn all_values_are_summed_in_columns_whatever_their_number() {
        for count in [1, 63, 64, 65, 127, 4096, 10_007] {
            let values = Tensor::<1, burn::tensor::Int>::arange(1..count + 1, &Device::flex()).float();
            let sum = (count * (count + 1) / 2) as f32;
            assert!((sum_in_columns(values).into_scalar::<f32>() - sum).abs() <= 1e-6 * sum, "{count}");
        }
    }
}
