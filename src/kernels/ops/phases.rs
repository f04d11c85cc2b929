//! Phase synchronization of units.

use super::vectors::on_gpu;
use crate::gpu::phases;
use burn::tensor::Tensor;
use burn_cubecl::CubeBackend;

/// Leading eigenvector of a Hermitian matrix, as unit phasors, by `iterations` of the power method, starting from ones.
/// Matrix: (u, u), result: (u, 1), real and imaginary part each. `None` if the kernel does not apply.
pub fn leading_phasors(re: &Tensor<2>, im: &Tensor<2>, iterations: usize) -> Option<[Tensor<2>; 2]> {
    if re.dims()[0] > phases::MAX_UNITS {
        return None;
    }
    let (re, im) = phases::leading_phasors(&on_gpu(re)?, &on_gpu(im)?, iterations);
    Some([re, im].map(Tensor::from_primitive::<CubeBackend>))
}
