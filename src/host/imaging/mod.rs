//! Images of complex objects: limits, colors, ramp removal, PNG, TIFF.
//!
//! All functions return values or bytes; writing files is up to the caller. No device, no window. Pixels outside the
//! coverage mask of an object are transparent and excluded from limits.

mod colormap;
mod complex;
mod figure;
mod histogram;
mod limits;
mod movie;
mod picture;
mod png;
mod profile;
mod ramp;
mod scale_bar;
mod sheet;
mod text;
mod tiff;
mod tone;
mod unwrap;

pub use colormap::Colormap;
pub use complex::ComplexColors;
pub use figure::{figure_pdf, figure_svg};
pub use histogram::{Histogram, Percentiles, Statistics, statistics};
pub use limits::{COVERED_FRACTION, Limits, covered_box, covered_mask, largest_box, robust_limits};
pub use movie::movie_gif;
pub use picture::{amplitude_png, phase_png};
pub use png::{Labels, PREFERRED_SIDE, encode_gray16, encode_rgba, render};
pub use profile::line_profile;
pub use ramp::{RampFit, remove_ramp};
pub use scale_bar::{ScaleBar, length_text, scale_bar};
pub use sheet::{Bar, Sheet, arrange, contact_sheet, sheet};
pub use text::short_number;
pub use tiff::encode_tiff_f32;
pub use tone::{Blanks, Scale, Tone, paint_complex, phase_difference, scatter_map};
pub use unwrap::unwrap_phase;
