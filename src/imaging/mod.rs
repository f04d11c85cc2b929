//! From a complex object to a picture: limits, colours, ramp removal, PNG, TIFF.
//!
//! Everything here returns values and bytes; the caller decides where they are written. No device, no window.
//! A coverage mask says which pixels of an object were seen; the others are transparent and never count in limits.

mod colormap;
mod complex;
mod histogram;
mod limits;
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
pub use complex::ComplexColours;
pub use histogram::{Histogram, Ordered, Statistics, statistics};
pub use limits::{COVERED_FRACTION, Limits, covered_box, covered_mask, largest_box, robust_limits};
pub use picture::{amplitude_png, phase_png};
pub use png::{Labels, PREFERRED_SIDE, encode_gray16, encode_rgba, render};
pub use profile::line_profile;
pub use ramp::{RampFit, remove_ramp};
pub use scale_bar::{ScaleBar, length_text, scale_bar};
pub use sheet::{Bar, Sheet, arrange, sheet};
pub use text::short_number;
pub use tiff::encode_tiff_f32;
pub use tone::{Blanks, Scale, Tone, paint_complex, phase_difference, spread};
pub use unwrap::unwrap_phase;
