//! Global phases that make overlapping patches agree best, on the device.
//!
//! A diffraction pattern does not determine the global phase of its patch. Before patches are merged, each unit (a
//! patch, or the patches of a group) gets the phase that agrees best with the others: the leading eigenvector of the
//! matrix of overlaps, by power iteration. The phases carry no gradient.

use super::ComplexTensor;
use super::device::products_of_rows;
use crate::kernels;
use burn::tensor::Tensor;

/// Number of power iterations; the overlap matrix of a neighborhood has a distinct leading eigenvector.
const ITERATIONS: usize = 12;

/// Unit phasors `exp(-iφ)`, (u, 1) each part, by which to multiply the units.
///
/// * `placed`: (u, pixels) weighted patches of each unit, on the common canvas, without autodiff.
pub(super) fn gauge_phasors(placed: ComplexTensor<2>) -> ComplexTensor<2> {
    let units = placed.re.dims()[0];
    // overlap[a, b] = Σ z_a conj(z_b)
    let ComplexTensor { re, im } = placed;
    let overlap = ComplexTensor {
        re: products_of_rows(re.clone(), re.clone()) + products_of_rows(im.clone(), im.clone()),
        im: products_of_rows(im.clone(), re.clone()) - products_of_rows(re, im),
    };
    if let Some([re, im]) = kernels::leading_phasors(&overlap.re, &overlap.im, ITERATIONS) {
        return ComplexTensor { re, im: im.neg() };
    }
    let device = overlap.re.device();
    let mut phasor =
        ComplexTensor { re: Tensor::ones([units, 1], &device), im: Tensor::<2>::zeros([units, 1], &device) };
    for _ in 0..ITERATIONS {
        let re = overlap.re.clone().matmul(phasor.re.clone()) - overlap.im.clone().matmul(phasor.im.clone());
        let im = overlap.re.clone().matmul(phasor.im) + overlap.im.clone().matmul(phasor.re);
        let norm = (re.clone().square() + im.clone().square()).sqrt().clamp_min(1e-20);
        phasor = ComplexTensor { re: re / norm.clone(), im: im / norm };
    }
    ComplexTensor { re: phasor.re, im: phasor.im.neg() }
}
