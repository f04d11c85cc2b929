//! Freed memory that is kept for a while.
//!
//! Hazard: the allocator gives freed memory back to the system after ten milliseconds, less than a step of a training takes,
//! so every step would fault it in anew: a tenth of its processor time. Remedy: it waits for some seconds.

use mimalloc as _;
use std::ffi::{c_int, c_long};

/// Number of mimalloc's option `purge_delay`, in milliseconds (`mimalloc.h`, versions 2 and 3).
const PURGE_DELAY: c_int = 15;
/// Longer than a step takes, and short enough that memory comes back after the work.
const DELAY_MS: c_long = 10_000;

unsafe extern "C" {
    /// Sets an option unless the environment has set it.
    fn mi_option_set_default(option: c_int, value: c_long);
}

/// Lets the allocator keep freed memory for ten seconds, unless `MIMALLOC_PURGE_DELAY` says otherwise.
pub fn keep_freed_memory() {
    // SAFETY: the function is mimalloc's, linked with the crate of that name; it takes any number and only stores a value.
    unsafe { mi_option_set_default(PURGE_DELAY, DELAY_MS) }
}
