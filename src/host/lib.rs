//! Everything on arrays in main memory: datasets, simulation, metrics and pictures. No tensor, no window.

pub mod data;
pub mod imaging;
pub mod metrics;
pub mod simulate;

use ptychoscope_base::{config, error, fourier, system};
use ptychoscope_formats as formats;
