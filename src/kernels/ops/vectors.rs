//! Vectors: concatenation of many into one, splitting, and the sum of one.

use super::{Processor, processor};
use crate::gpu::{self, sum::sum, vectors};
use burn::tensor::Tensor;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;

/// Concatenates the vectors. Without gradients this takes few launches on a GPU, regardless of the number of vectors.
///
/// # Panics
/// If there are no vectors.
pub fn flatten_parameters(parts: Vec<Tensor<1>>) -> Tensor<1> {
    match parts.iter().map(on_gpu).collect::<Option<Vec<_>>>() {
        Some(mut parts) if parts.len() > 1 => {
            while parts.len() > 1 {
                parts = parts.chunks(vectors::MAX_PARTS).filter_map(vectors::concatenate).collect();
            }
            parts.pop().map_or_else(|| Tensor::cat(Vec::new(), 0), Tensor::from_primitive::<CubeBackend>)
        }
        _ => Tensor::cat(parts, 0),
    }
}

/// Splits the vector `flat` into parts of these sizes.
pub fn split_parameters(flat: &Tensor<1>, sizes: &[usize]) -> Vec<Tensor<1>> {
    if sizes.iter().all(|size| *size > 0)
        && sizes.iter().sum::<usize>() == flat.dims()[0]
        && let Some(flat) = on_gpu(flat)
    {
        return vectors::split(&flat, sizes).into_iter().map(Tensor::from_primitive::<CubeBackend>).collect();
    }
    let mut at = 0;
    let part = |size: &usize| {
        at += size;
        flat.clone().narrow(0, at - size, *size)
    };
    sizes.iter().map(part).collect()
}

/// Sum of all values, (1,); `None` unless the vector is on a GPU and records no gradients.
pub fn sum_on_gpu(x: &Tensor<1>) -> Option<Tensor<1>> {
    on_gpu(x).map(|x| Tensor::from_primitive::<CubeBackend>(sum(&x)))
}

/// The contiguous tensor on the GPU; `None` if it is elsewhere or records gradients.
pub(super) fn on_gpu<const D: usize>(x: &Tensor<D>) -> Option<CubeTensor> {
    let applies = processor(x) == Some(Processor::Gpu) && !x.is_autodiff();
    applies.then(|| x.clone().try_into_primitive::<CubeBackend>().ok().map(gpu::contiguous)).flatten()
}
