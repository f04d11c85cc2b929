//! Memory for kernels: outputs without initialization to zero, and per-thread scratch buffers that are kept between
//! calls.

use rayon::prelude::*;
use std::mem::MaybeUninit;

/// A growing scratch buffer aligned to cache lines.
#[derive(Default)]
pub(super) struct Scratch(Vec<Line>);

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Floats in a cache line.
pub(super) const LINE: usize = 16;

impl Scratch {
    /// At least `n` floats, with arbitrary contents from earlier use.
    pub fn floats(&mut self, n: usize) -> &mut [f32] {
        let lines = n.div_ceil(LINE);
        if self.0.len() < lines {
            self.0.resize(lines, Line([0.0; LINE]));
        }
        // SAFETY: `Line` is `repr(C)` and consists of exactly LINE floats without padding (64 bytes, aligned to 64).
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LINE) }
    }
}

/// Pointer to an output whose disjoint parts are written by different work items.
#[derive(Clone, Copy)]
pub(super) struct Shared(*mut f32);

// SAFETY: a plain address; code that writes through it (see `at`) must ensure that the parts are disjoint.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Shares the allocation of `output`, which may still be uninitialized.
    pub fn new(output: &mut Vec<f32>) -> Self {
        Self(output.as_mut_ptr())
    }
    /// Address of element `offset`.
    ///
    /// # Safety
    /// `offset` must be inside the allocation (at most one past its end).
    pub unsafe fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: the offset is inside the allocation, by the contract of this function.
        unsafe { self.0.add(offset) }
    }
}

/// A vector of `chunk * chunks` floats, filled in parallel by `fill(i, chunk i)`.
///
/// # Safety
/// `fill` must write every element of each chunk.
pub(super) unsafe fn fill_chunks(
    chunk: usize,
    chunks: usize,
    fill: impl Fn(usize, &mut [MaybeUninit<f32>]) + Sync,
) -> Vec<f32> {
    // SAFETY: both functions have the same contract.
    unsafe { fill_chunks_with(chunk, chunks, fill) }.0
}

/// As [`fill_chunks`]; also returns the results of `fill` for each chunk, in order.
///
/// # Safety
/// `fill` must write every element of each chunk.
pub(super) unsafe fn fill_chunks_with<R: Send>(
    chunk: usize,
    chunks: usize,
    fill: impl Fn(usize, &mut [MaybeUninit<f32>]) -> R + Sync,
) -> (Vec<f32>, Vec<R>) {
    let n = chunk * chunks;
    let mut out = Vec::with_capacity(n);
    let mut results = Vec::new();
    if n > 0 {
        // about 64 kB per task
        let tasks = (16 * 1024 / chunk).max(1);
        let spare = &mut out.spare_capacity_mut()[..n];
        let parts = spare.par_chunks_mut(chunk).with_min_len(tasks).enumerate();
        parts.map(|(i, part)| fill(i, part)).collect_into_vec(&mut results);
    }
    // SAFETY: the capacity is at least `n`, and `fill` has written every element, by the contract of this function.
    unsafe { out.set_len(n) };
    (out, results)
}
