//! The phases by which units agree best.

use super::flat::on_gpu;
use crate::kernels::gpu::phases;
use burn::tensor::Tensor;
use burn_cubecl::CubeBackend;

/// Leading eigenvector of a Hermitian matrix, (u, u) each part, as unit phasors, (u, 1) each part, by so many rounds of power
/// iteration that start with ones; none where the kernel does not apply.
pub fn leading_phasors(re: &Tensor<2>, im: &Tensor<2>, rounds: usize) -> Option<[Tensor<2>; 2]> {
    if re.dims()[0] > phases::MOST_UNITS {
        return None;
    }
    let (re, im) = phases::leading_phasors(&on_gpu(re)?, &on_gpu(im)?, rounds);
    Some([re, im].map(Tensor::from_primitive::<CubeBackend>))
}
