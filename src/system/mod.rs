//! What the operating system is asked for: which programs run, and files that are either whole or not there.

#[cfg(any(test, fuzzing))]
pub mod corpus;
mod program;
mod temporary;

pub use program::{Program, host_name};
pub use temporary::{Temporary, clear_leftovers, folder_of};
