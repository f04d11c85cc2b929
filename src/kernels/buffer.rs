//! Memory for kernels: outputs that are not zeroed first, and per-thread scratch that is kept between calls.

use rayon::prelude::*;
use std::mem::MaybeUninit;

/// A growing scratch buffer whose planes start at cache lines.
#[derive(Default)]
pub(super) struct Scratch(Vec<Line>);

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Floats in a cache line.
pub(super) const LINE: usize = 16;

impl Scratch {
    /// At least `n` floats, with whatever an earlier use left in them.
    pub fn floats(&mut self, n: usize) -> &mut [f32] {
        let lines = n.div_ceil(LINE);
        if self.0.len() < lines {
            self.0.resize(lines, Line([0.0; LINE]));
        }
        // SAFETY: `Line` is `repr(C)` and made of exactly LINE floats without padding (64 bytes, aligned to 64).
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LINE) }
    }
}

/// Pointer to an output of which work items write disjoint parts.
#[derive(Clone, Copy)]
pub(super) struct Shared(*mut f32);

// SAFETY: a bare address; whoever writes through it (see `at`) answers for writing disjoint parts.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub fn new(output: &mut Vec<f32>) -> Self {
        Self(output.as_mut_ptr())
    }
    /// The address of element `offset`.
    ///
    /// # Safety
    /// `offset` must lie inside the allocation (one past its end at most).
    pub unsafe fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(offset) }
    }
}

/// A vector of `chunk * chunks` floats made in parallel: `fill(i, chunk i)` must write every element of its chunk.
///
/// # Safety
/// `fill` must write every element of each chunk that it is given.
pub(super) unsafe fn made_in_chunks(
    chunk: usize,
    chunks: usize,
    fill: impl Fn(usize, &mut [MaybeUninit<f32>]) + Sync,
) -> Vec<f32> {
    // SAFETY: the caller's promise.
    unsafe { made_in_chunks_with(chunk, chunks, fill) }.0
}

/// As [`made_in_chunks`], with what `fill` returned for each chunk, in order.
///
/// # Safety
/// `fill` must write every element of each chunk that it is given.
pub(super) unsafe fn made_in_chunks_with<R: Send>(
    chunk: usize,
    chunks: usize,
    fill: impl Fn(usize, &mut [MaybeUninit<f32>]) -> R + Sync,
) -> (Vec<f32>, Vec<R>) {
    let n = chunk * chunks;
    let mut out = Vec::with_capacity(n);
    let mut results = Vec::new();
    if n > 0 {
        // about 64 kB for each task
        let tasks = (16 * 1024 / chunk).max(1);
        let spare = &mut out.spare_capacity_mut()[..n];
        let parts = spare.par_chunks_mut(chunk).with_min_len(tasks).enumerate();
        parts.map(|(i, part)| fill(i, part)).collect_into_vec(&mut results);
    }
    // SAFETY: the capacity is at least `n`, and the caller promises that `fill` wrote all of it.
    unsafe { out.set_len(n) };
    (out, results)
}
