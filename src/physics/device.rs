//! What Burn does not do as it should on every device, or not in one word.

use crate::error::{Error, Result};
use burn::tensor::Tensor;

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
