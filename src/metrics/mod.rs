//! How good a reconstruction is: against a known object, and against its own data.
//!
//! Plain arrays in, numbers out: no device, no files. Positions and origins are `[x, y]` = `[column, row]` in pixels of
//! the object plane, as everywhere; the position of a patch is its array index N/2.

mod consistency;
mod correlation;
mod errors;
mod fourier;
mod ssim;

pub use consistency::{consistency_r, pattern_residuals};
pub use correlation::{Correlation, phase_correlation};
pub use errors::{
    ImageErrors, PSNR_PEAK, PhaseAlignment, Prepared, image_errors, mae, mse, prepare, psnr, psnr_data_range,
    remove_plane,
};
pub use ssim::{SSIM_WINDOW, ssim};
