//! Counts the memory in use, and ends the process when it is too much.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Most bytes in use at a time: inputs have some ten thousand, and deflate makes at most a thousand of one.
pub const MOST: usize = 512 << 20;

struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

fn count(bytes: usize) {
    if IN_USE.fetch_add(bytes, Relaxed).saturating_add(bytes) > MOST {
        // Room for the message itself.
        IN_USE.store(0, Relaxed);
        eprintln!("more than {MOST} bytes in use, {bytes} asked for at once");
        std::process::abort();
    }
}

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as promised by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as promised by the caller.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        IN_USE.fetch_sub(if moved.is_null() { size } else { layout.size() }, Relaxed);
        moved
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
