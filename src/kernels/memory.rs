//! Delayed return of freed memory.
//!
//! Hazard: the allocator returns freed memory to the system after ten milliseconds, less than a training step takes, so
//! that every step faults it in again, which costs a tenth of its CPU time. Remedy: a delay of several seconds.

use mimalloc as _;
use std::ffi::{c_int, c_long};

/// Index of mimalloc's option `purge_delay` (milliseconds) in `mimalloc.h`, versions 2 and 3.
const PURGE_DELAY: c_int = 15;
/// Longer than a training step, and short enough to return the memory soon after the work.
const DELAY_MS: c_long = 10_000;

unsafe extern "C" {
    /// Sets an option unless the environment sets it.
    fn mi_option_set_default(option: c_int, value: c_long);
}

/// Makes the allocator keep freed memory for ten seconds, unless `MIMALLOC_PURGE_DELAY` is set.
pub fn keep_freed_memory() {
    // SAFETY: the function is part of mimalloc, linked by the crate of that name; it accepts any option index and
    // value, and only stores the value.
    unsafe { mi_option_set_default(PURGE_DELAY, DELAY_MS) }
}
