//! Hands the command line to `cli` and turns the outcome into an exit code.

use std::process::ExitCode;

/// Large tensors come and go at every step; the system's allocator would map and fault them in anew each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(ptychoscope::cli::main(std::env::args_os()))
}
