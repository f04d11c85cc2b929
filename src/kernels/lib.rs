//! Kernels for CPU and GPU, registered with Burn as differentiable operations in [`ops`]: convolution, max pooling,
//! upsampling, block attention and activations.
//!
//! Hazard: most users train without a GPU, where Burn's CPU backend spends most of its time around the convolutions
//! instead of in them (copies into matrices, transpositions, gradients by generic code): a training step took three
//! times as long as with a prototype of these kernels. Remedy: CPU kernels for the only convolution that matters to the
//! network (3×3, stride 1, padding 1), direct for few channels and with fewer multiplications for many, for 2×2 max
//! pooling, for nearest-neighbor upsampling by 2, and for block attention. Everything else on the CPU uses Burn's
//! operations.
//!
//! On a GPU, the same operations, activations, sums, the flattening of parameters, and phase synchronization have WGSL
//! kernels (see `gpu`).
//!
//! Hazard: such kernels need raw pointers and processor-specific instructions. Remedy: `unsafe` is allowed only in this
//! crate. The public functions check every length, each block states why it is sound, and the tests compare every
//! instruction level with plain loops.
//!
//! Hazard: floating-point sums depend on their order, and a training run must not depend on the number of threads of
//! the machine. Remedy: the order of summation is determined by the shapes alone; threads only share out the work.
//! (Different instruction levels do differ in the last bits.)
#![allow(unsafe_code, reason = "raw pointers and processor-specific instructions, see above")]

pub mod attention;
mod buffer;
pub mod conv3x3;
mod gpu;
mod memory;
pub mod ops;
mod overlap;
pub mod pool;
pub mod simd;
pub mod upsample;

pub use memory::keep_freed_memory;
pub use ops::{Activation, BlockAttention, activate, block_attention, convolution, leading_phasors, max_pool2};
pub use ops::{flatten_parameters, split_parameters, sum_on_gpu, upsample2};
pub use overlap::overlap_product;
