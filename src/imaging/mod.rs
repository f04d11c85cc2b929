//! From a complex object to a picture: limits, colours, ramp removal, PNG, TIFF.
//!
//! Everything here returns values and bytes; the caller decides where they are written. No device, no window.
//! A coverage mask says which pixels of an object were seen; the others are transparent and never count in limits.

mod colormap;
mod limits;
mod picture;
mod png;
mod ramp;
mod text;
mod tiff;

pub use colormap::Colormap;
pub use limits::{COVERED_FRACTION, Limits, covered_box, covered_mask, robust_limits};
pub use picture::{amplitude_png, phase_png};
pub use png::{Labels, PREFERRED_SIDE, encode_gray16, encode_rgba, render};
pub use ramp::{RampFit, remove_ramp};
pub use tiff::encode_tiff_f32;
