//! Quality of a reconstruction, against a known object and against its own data; probe diameter and overlap of a scan.
//!
//! Works on plain arrays, without devices or files. Positions and origins are `[x, y]` = `[column, row]` in object
//! pixels; the position of a patch is its array index N/2.
//!
//! The original's metrics keep its names (`mae`, `mse`, `psnr`, `ssim`, `ms_ssim`, `frc50`, `frc1over7`) and its
//! definitions, defects included (A§8). Metrics as defined in the literature have separate names (`psnr_data_range`,
//! `ms_ssim_standard`, [`ring_correlation`] …).

mod alignment;
mod caustic;
mod consistency;
mod correlation;
mod displacement;
mod errors;
mod evaluation;
mod frc;
mod hull;
mod mask;
mod ms_ssim;
mod overlap;
mod registration;
mod robust;
mod ssim;

pub use alignment::{Aligned, Alignment, Placement, Region, align};
pub use caustic::{Caustic, caustic, propagated};
pub use consistency::{Measured, calculated_pattern, consistency_r, pattern_residuals};
pub use correlation::{Correlation, phase_correlation, registered_phase_correlation};
pub use displacement::{AffineFit, affine_fit};
pub use errors::{
    ImageErrors, PSNR_PEAK, PhaseAlignment, Prepared, image_errors, mae, mse, prepare, psnr, psnr_data_range,
    remove_plane,
};
pub use evaluation::{
    Both, Evaluation, FrcCrossings, MatchedMetrics, OriginalMetrics, REFERENCE_MS_SSIM_SIGMA, REFERENCE_TRIM,
    complex_nrmse, evaluate, original_metrics, phases, split_half_frc,
};
pub use frc::{FrcCutoffs, FrcThreshold, RingCorrelation, frc_cutoffs, ring_correlation};
pub use mask::{GoodPixels, PatternMasks};
pub use ms_ssim::{MS_SSIM_WEIGHTS, MsSsim, ms_ssim, ms_ssim_standard};
pub use overlap::{
    MIN_LINEAR_OVERLAP, OVERLAP_NEIGHBORS, OverlapMetrics, area_overlap, linear_overlap, overlap_metrics,
    probe_diameter,
};
pub use registration::{Normalization, REFERENCE_UPSAMPLING, find_translation_offset, register, shift_circularly};
pub use robust::{median, spread_of_logarithms};
pub use ssim::{SSIM_WINDOW, ssim};
