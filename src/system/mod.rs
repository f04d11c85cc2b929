//! What the operating system is asked for: which programs run, files that are either whole or not there, and their names.

#[cfg(any(test, fuzzing))]
pub mod corpus;
mod name;
mod program;
mod temporary;

pub use name::file_name;
pub use program::{Program, host_name};
pub use temporary::{Temporary, clear_leftovers, folder_of};
