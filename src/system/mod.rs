//! What the operating system is asked for: which programs run, files that are either whole or not there, and their names;
//! threads that let others come first; main memory.

#[cfg(any(test, fuzzing))]
pub mod corpus;
mod memory;
mod name;
mod priority;
mod program;
mod temporary;

pub use memory::{resident_memory, total_memory};
pub use name::file_name;
pub use priority::{calculate_in_background, step_back};
pub use program::{Program, host_name};
pub use temporary::{Temporary, clear_leftovers, folder_of};
