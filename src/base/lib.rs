//! Foundation of all members: errors, configuration, operating system, Fourier transforms of arrays in main memory.

pub mod config;
pub mod error;
pub mod fourier;
pub mod system;
#[doc(hidden)]
pub mod testing;
