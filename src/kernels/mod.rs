//! Convolution, pooling and upsampling for the processor, several times faster than Burn's own; convolution for GPUs.
//!
//! Hazard: most users train without a GPU, and there Burn's processor backend spends most of its time around the
//! convolutions rather than in them (copies into matrices, transpositions, gradients by generic code): a training step
//! took three times as long as with a prototype of these kernels.
//! Remedy: own kernels for the only convolution this network has (3×3, stride 1, padding 1), direct for few channels and
//! with fewer multiplications for many, for 2×2 max pooling, for nearest ×2 upsampling and for block attention,
//! registered with Burn in [`ops`].
//! On a GPU the convolutions are our own, too (see `gpu`); the other operations there are Burn's.
//!
//! Hazard: such kernels need raw pointers and processor-specific instructions.
//! Remedy: `unsafe` is allowed in this room and in no other. Behind the public functions, which check every length,
//! each block says why it is sound, and the tests compare every level of instructions with plain loops.
//!
//! Hazard: sums in floating point depend on their order, and a training run must not depend on how many threads a
//! machine has. Remedy: what is summed with what is fixed by the shapes alone; threads only decide who computes it.
//! (Different instruction levels do differ in the last bits.)
#![allow(unsafe_code)]

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
pub use ops::{BlockAttention, Curve, bent, block_attention, convolution, cut, join, leading_phasors, max_pool2};
pub use ops::{total_on_gpu, upsample2};
pub use overlap::overlap_product;
