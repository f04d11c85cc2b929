//! Everything on a device: physics, networks, training, inference, the direct solver, checkpoints, the worker
//! thread and the library thread.

pub mod checkpoint;
pub mod control;
pub mod direct;
pub mod infer;
pub mod library;
pub mod model;
pub mod physics;
pub mod report;
pub mod train;
pub mod worker;

use ptychoscope_base::{config, error, fourier, system};
use ptychoscope_formats as formats;
use ptychoscope_host::{data, imaging, metrics, simulate};
use ptychoscope_kernels as kernels;
