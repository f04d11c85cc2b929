//! The switch with which a client pauses or stops the running job.

pub use crate::control::Switch;
