//! What a run leaves on disk: the bundle `model.ptycho`, the run folder, and writing that is never half done.
//!
//! A trained network that loads wrongly without a word is worse than none, so a bundle is strict: every byte is covered
//! by a hash, unknown or missing parts are refused, and a file of another program is named for what it is.

mod atomic;
mod bundle;
mod export;
mod foreign;
#[cfg(any(test, fuzzing))]
pub mod hostile;
mod import;
mod job_record;
mod lock;
mod logs;
mod manifest;
mod run_folder;
mod saved_training;
mod torch;
mod utc;

pub use atomic::{AtomicFile, write_atomic};
pub use bundle::Bundle;
#[cfg(test)]
pub(crate) use bundle::tests::bundle as example_bundle;
pub use export::reference_state_dict;
pub use foreign::{Foreign, recognize};
pub use import::{Imported, import_weights};
pub use job_record::JobRecord;
pub use lock::{Owner, RunLock};
pub use logs::RunLog;
#[cfg(test)]
pub(crate) use manifest::tests::manifest as example_manifest;
pub use manifest::{DatasetInfo, DeviceInfo, FORMAT_VERSION, Manifest};
pub use run_folder::{Destination, RunFolder};
pub use saved_training::SavedTraining;
pub use utc::Utc;
