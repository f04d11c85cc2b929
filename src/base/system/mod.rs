//! Operating system: running processes, atomic writing of files and their names, thread priority, main memory, messages of
//! libraries.

mod memory;
pub mod messages;
mod name;
pub mod path_text;
mod priority;
mod process;
mod temporary;

pub use memory::{file_size_limit, resident_memory, total_memory};
pub use name::{file_name, file_stem};
pub use priority::{check_threads, lower_pool_priority, lower_thread_priority};
pub use process::{Process, host_name};
pub use temporary::{Temporary, clear_leftovers, folder_of};
