//! Names of other kinds of file that are given as a dataset.

use super::super::npy;
use crate::error::Problem;

pub(super) fn not_a_dataset(found: &str) -> Problem {
    Problem::new(format!("This is {found}, not a dataset"))
        .expected(
            "a NumPy archive (.npz) with diffraction, xcoords, ycoords and probeGuess, or an HDF5 file (such as CXI)",
        )
        .hint("Choose the dataset file")
}

/// Refuses files other than ZIP archives, with the kind that their first bytes show.
pub(super) fn refuse_foreign_start(start: &[u8]) -> Result<(), Problem> {
    let starts = |magic: &[u8]| start.starts_with(magic);
    if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") {
        return Ok(());
    }
    Err(if start.is_empty() {
        not_a_dataset("an empty file")
    } else if starts(b"\x89HDF") {
        Problem::new("This is an HDF5 file (such as CXI), not a NumPy archive")
            .expected("a NumPy archive (.npz)")
            .hint("Choose a .npz file")
    } else if starts(npy::MAGIC) {
        not_a_dataset("a single NumPy array (.npy)")
    } else if starts(b"\x1f\x8b") {
        not_a_dataset("a gzip-compressed file").hint("Unpack it first")
    } else if start.len() > 1 && start[0] == 0x80 && (2..=5).contains(&start[1]) {
        not_a_dataset("a Python pickle (an old PyTorch file is one)")
    } else {
        not_a_dataset("neither a ZIP archive nor another known format")
    })
}

/// Refuses archives of other programs, with the kind that their members show.
pub(super) fn refuse_foreign_names(names: &[String]) -> Result<(), Problem> {
    let any = |test: &dyn Fn(&str) -> bool| names.iter().any(|name| test(name));
    let file = |wanted: &str| any(&|name: &str| name.rsplit('/').next() == Some(wanted));
    let found = if file("manifest.json") && file("weights.safetensors") {
        "a trained model of Ptychoscope (model.ptycho)"
    } else if file("model.pth") || file("torch_scaling_metadata.pt") {
        "a model archive of PtychoPINN's PyTorch backend (wts.h5.zip)"
    } else if file("model.keras") || file("model.h5") {
        "a model archive of PtychoPINN's TensorFlow backend (wts.h5.zip)"
    } else if file("saved_model.pb") || file("model.weights.h5") || file("keras_metadata.pb") {
        "a TensorFlow (Keras) model archive"
    } else if file("data.pkl") || file("constants.pkl") {
        "a PyTorch archive (torch.save)"
    } else if file("manifest.dill") {
        "a model archive of PtychoPINN"
    } else {
        return Ok(());
    };
    Err(not_a_dataset(found).hint("Choose the dataset file; a model is given separately"))
}
