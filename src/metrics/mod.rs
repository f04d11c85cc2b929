//! How good a reconstruction is: against a known object, and against its own data.
//!
//! Plain arrays in, numbers out: no device, no files. Positions and origins are `[x, y]` = `[column, row]` in pixels of
//! the object plane, as everywhere; the position of a patch is its array index N/2.
//!
//! The original's metrics keep its names (`mae`, `mse`, `psnr`, `ssim`, `ms_ssim`, `frc50`, `frc1over7`) and its
//! definitions, defects included (A§8); what the literature means has a name of its own (`psnr_data_range`,
//! `ms_ssim_standard`, [`ring_correlation`] …).

mod alignment;
mod consistency;
mod correlation;
mod errors;
mod evaluation;
mod frc;
mod ms_ssim;
mod overlap;
mod registration;
mod ssim;

pub use alignment::{Aligned, Alignment, Placement, Region, align};
pub use consistency::{consistency_r, pattern_residuals};
pub use correlation::{Correlation, phase_correlation};
pub use errors::{
    ImageErrors, PSNR_PEAK, PhaseAlignment, Prepared, image_errors, mae, mse, prepare, psnr, psnr_data_range,
    remove_plane,
};
pub use evaluation::{
    Both, Evaluation, FrcCrossings, MatchedMetrics, OriginalMetrics, REFERENCE_MS_SSIM_SIGMA, REFERENCE_TRIM,
    complex_nrmse, evaluate, original_metrics, phases, split_half_frc,
};
pub use frc::{FrcCutoffs, FrcThreshold, RingCorrelation, frc_cutoffs, ring_correlation};
pub use ms_ssim::{MS_SSIM_WEIGHTS, MsSsim, ms_ssim, ms_ssim_standard};
pub use overlap::{DISC_OF_SIDE, OVERLAP_NEIGHBORS, OverlapMetrics, disc_overlap, overlap_metrics};
pub use registration::{Normalization, REFERENCE_UPSAMPLING, find_translation_offset, register, shift_circularly};
pub use ssim::{SSIM_WINDOW, ssim};
