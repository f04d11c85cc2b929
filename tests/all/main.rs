//! Integration tests in one program, so that the GPU and window stack is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
#[path = "../common/display.rs"]
mod display;

mod cases;
mod cli;
mod hdf5_interchange;
mod house;
mod judging;
mod learning;
mod licenses;
mod masks;
mod metrics;
mod near_field;
mod networks;
mod numbers;
mod offline;
mod outputs;
mod parity;
mod resume;
mod simulation;
mod supply;
mod torch_interchange;
mod verdict;
mod watch;
mod weights;
