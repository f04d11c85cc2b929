//! Files of a run: the bundle `model.ptycho`, the run folder, and atomic writing.
//!
//! A trained network that loads wrongly without an error is worse than none, so a bundle is strict: every byte is covered
//! by a hash, unknown or missing parts are refused, and files of other programs are identified.

mod atomic;
mod bundle;
mod export;
mod foreign;
#[cfg(any(test, fuzzing))]
pub mod fuzz_targets;
mod import;
mod job_record;
mod lock;
mod logs;
mod manifest;
mod run_folder;
mod saved_training;
#[doc(hidden)]
pub mod testing;
mod torch;
mod utc;

pub use atomic::{AtomicFile, write_atomic};
pub use bundle::Bundle;
pub use export::reference_state_dict;
pub use foreign::{Foreign, recognize};
pub use import::{Imported, import_weights, load_model};
pub use job_record::JobRecord;
pub use lock::{Owner, RunLock};
pub use logs::RunLog;
pub use manifest::{DatasetInfo, DeviceInfo, FORMAT_VERSION, Manifest};
pub use run_folder::{Destination, RunFolder};
pub use saved_training::SavedTraining;
pub use utc::Utc;
