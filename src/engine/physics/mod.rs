//! Forward model on tensors: from complex object patches to diffraction, and losses against the measured
//! patterns (A§3.4, A§5).
//!
//! Hazard: the device has no complex type, axis orders and shifts are easily confused, and a photon likelihood
//! overflows f32. Remedy: one pair type ([`ComplexTensor`]), one Fourier convention (forward kernel exp(-2πi),
//! orthonormal, zero frequency at `[N/2, N/2]`; tested by Parseval's theorem), and the Poisson loss as a deviance,
//! which stays finite and small.

mod complex;
mod device;
mod diffraction;
mod fourier;
mod gauge;
mod loss;
mod merge;
mod probe;
mod translate;

pub use complex::ComplexTensor;
pub use device::{products_of_rows, read, sum_of_each, sum_over, total};
pub use diffraction::Diffraction;
pub use fourier::{CenteredFourier, Propagator};
pub use loss::{
    amplitude_mae, mean_deviation, pixel_weight, poisson_deviance, poisson_deviance_above, reference_nll,
    squared_variation, total_variation,
};
pub use merge::{COUNT_FLOOR, Merge, canvas_side, central_window};
pub use probe::{NormalizedProbe, normalize_probe, probe_intensity};
pub use translate::{Translation, bilinear_matrix};
