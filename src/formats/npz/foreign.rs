//! Names of other kinds of file that are given as a dataset.

use super::super::npy;
use crate::error::Problem;
use std::path::Path;

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
    let text =
        String::from_utf8_lossy(start).trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).to_ascii_lowercase();
    Err(if start.is_empty() {
        not_a_dataset("an empty file")
    } else if starts(b"\x89HDF") {
        Problem::new("This is an HDF5 file (such as CXI), not a NumPy archive")
            .expected("a NumPy archive (.npz)")
            .hint("Choose a .npz file")
    } else if starts(npy::MAGIC) {
        not_a_dataset("a single NumPy array (.npy)")
            .hint("Store the arrays together: numpy.savez(\"scan.npz\", diffraction=…, xcoords=…, ycoords=…)")
    } else if start.len() > 1 && start[0] == 0x80 && (2..=5).contains(&start[1]) {
        not_a_dataset("a Python pickle (an old PyTorch file is one)")
    } else if text.starts_with("version https://git-lfs") {
        not_a_dataset("a Git LFS pointer: a few lines of text in place of the data")
            .hint("Fetch the data with `git lfs pull`, or download the file itself")
    } else if text.starts_with("/annex/objects/")
        || text.starts_with("../.git/annex/")
        || text.starts_with(".git/annex/")
    {
        not_a_dataset("a git-annex pointer: a line of text in place of the data")
            .hint("Fetch the data with `git annex get`")
    } else if ["<!doctype html", "<html", "<head", "<?xml"].iter().any(|tag| text.starts_with(tag)) {
        not_a_dataset("a web page (HTML or XML), such as a login or error page that was saved under this name")
            .hint("Open the address in a browser, sign in, and download the file again")
    } else if starts(b"MATLAB 5.0") || is_old_matlab(start) {
        not_a_dataset("a MATLAB file of version 4 to 7")
            .hint("Save it as version 7.3 (which is HDF5): save('scan.mat', '-v7.3')")
    } else {
        let (name, hint) = known_start(start, &text);
        not_a_dataset(name).hint(hint)
    })
}

/// MATLAB 5 without its usual text: version 0x0100 and an endian indicator at 124.
fn is_old_matlab(start: &[u8]) -> bool {
    matches!(start.get(124..128), Some([0x00, 0x01, b'I', b'M'] | [0x01, 0x00, b'M', b'I']))
}

/// Name of another known kind of file, and what to do about it.
fn known_start(start: &[u8], text: &str) -> (&'static str, &'static str) {
    const UNPACK: &str = "Unpack it first";
    const STACK: &str = "Choose the dataset file; images are read as a mask, dark or flat field";
    let starts = |magic: &[u8]| start.starts_with(magic);
    let at = |at: usize, magic: &[u8]| start.get(at..).is_some_and(|rest| rest.starts_with(magic));
    if starts(b"\x1f\x8b") {
        ("a gzip-compressed file", "Unpack it first: gunzip")
    } else if starts(b"BZh") {
        ("a bzip2-compressed file", UNPACK)
    } else if starts(b"\xfd7zXZ") {
        ("an xz-compressed file", UNPACK)
    } else if starts(b"\x28\xb5\x2f\xfd") {
        ("a Zstandard-compressed file", UNPACK)
    } else if starts(b"7z\xbc\xaf") || starts(b"Rar!") || at(257, b"ustar") {
        ("an archive (7z, RAR or tar)", UNPACK)
    } else if starts(b"\x89PNG") || starts(b"\xff\xd8\xff") || starts(b"II*\0") || starts(b"MM\0*") {
        ("an image (PNG, JPEG or TIFF)", STACK)
    } else if starts(b"###CBF") {
        ("a CBF image of a detector", STACK)
    } else if starts(b"SIMPLE  =") {
        ("a FITS file", "Convert it to HDF5 or NPZ")
    } else if starts(b"CDF\x01") || starts(b"CDF\x02") || starts(b"CDF\x05") {
        ("a netCDF 3 file", "Convert it to netCDF 4, which is HDF5: nccopy -k nc4 IN OUT")
    } else if starts(b"%PDF") {
        ("a PDF document", "Choose the dataset file")
    } else if text.starts_with('{') && text.contains("headerid") {
        ("an EDF image of a detector", STACK)
    } else if text.starts_with('{') || text.starts_with('[') {
        ("a text in JSON, such as the answer of a server in place of the data", "Download the file again")
    } else if start.iter().all(|&byte| byte == 0) {
        ("a file that begins with zeros: probably preallocated and never filled", "Copy or download it again")
    } else if start.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        ("a text file", "Choose the dataset file; a table of positions is given with --positions-file")
    } else {
        ("neither a ZIP archive nor another known format", "Choose the dataset file")
    }
}

/// Problem with a folder that is given as a dataset, with its kind.
pub(super) fn folder_problem(path: &Path) -> Problem {
    let has = |name: &str| path.join(name).exists();
    if has(".zarray") || has(".zgroup") || has("zarr.json") {
        return not_a_dataset("a Zarr folder")
            .hint("Convert it to HDF5 or NPZ, for example with Python: numpy.savez(\"scan.npz\", diffraction=zarr.open(folder)[\"…\"][:], …)");
    }
    Problem::new("This is a folder")
        .expected("a dataset file, such as .npz, .cxi or .h5")
        .hint("Name the file inside the folder")
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
