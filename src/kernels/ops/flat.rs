//! Vectors: many as one and back, and the sum of one.

use super::{Place, place};
use crate::kernels::gpu::{self, flat, total::total};
use burn::tensor::Tensor;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;

/// Vectors, one after the other. Without gradients this takes few launches on a GPU, however many vectors there are.
///
/// # Panics
/// If there is none.
pub fn join(parts: Vec<Tensor<1>>) -> Tensor<1> {
    match parts.iter().map(on_gpu).collect::<Option<Vec<_>>>() {
        Some(mut parts) if parts.len() > 1 => {
            while parts.len() > 1 {
                parts = parts.chunks(flat::JOINED).filter_map(flat::join).collect();
            }
            parts.pop().map_or_else(|| Tensor::cat(Vec::new(), 0), Tensor::from_primitive::<CubeBackend>)
        }
        _ => Tensor::cat(parts, 0),
    }
}

/// The parts of these sizes that the vector `whole` consists of.
pub fn cut(whole: &Tensor<1>, sizes: &[usize]) -> Vec<Tensor<1>> {
    if sizes.iter().all(|size| *size > 0)
        && sizes.iter().sum::<usize>() == whole.dims()[0]
        && let Some(whole) = on_gpu(whole)
    {
        return flat::cut(&whole, sizes).into_iter().map(Tensor::from_primitive::<CubeBackend>).collect();
    }
    let mut at = 0;
    let part = |size: &usize| {
        at += size;
        whole.clone().narrow(0, at - size, *size)
    };
    sizes.iter().map(part).collect()
}

/// Sum of all values, (1,), if the vector is on a GPU and records no gradients.
pub fn total_on_gpu(x: &Tensor<1>) -> Option<Tensor<1>> {
    on_gpu(x).map(|x| Tensor::from_primitive::<CubeBackend>(total(&x)))
}

/// The tensor on a GPU, if it is there and records no gradients.
pub(super) fn on_gpu<const D: usize>(x: &Tensor<D>) -> Option<CubeTensor> {
    let ours = place(x) == Some(Place::Gpu) && !x.is_autodiff();
    ours.then(|| x.clone().try_into_primitive::<CubeBackend>().ok().map(gpu::contiguous)).flatten()
}
