//! Identification of other kinds of file that are given in place of a bundle.

use std::io::{Cursor, Read};

use zip::ZipArchive;

/// Kind of a file that is not a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// An empty file.
    Empty,
    /// A zip archive that is incomplete or damaged.
    BrokenZip,
    /// PyTorch: `torch.save` of a state_dict or another object.
    PyTorch,
    /// PyTorch Lightning: a checkpoint with optimizer state.
    Lightning,
    /// PtychoPINN's `wts.h5.zip` written by its PyTorch backend.
    PtychoPinnTorch,
    /// PtychoPINN's `wts.h5.zip` written by its TensorFlow backend.
    PtychoPinnTensorFlow,
    /// A Keras model (`.keras`).
    Keras,
    /// An HDF5 file: a Keras `.h5` model, a CXI dataset or a ptychodus product.
    Hdf5,
    /// A NumPy archive with diffraction patterns.
    Dataset,
    /// A NumPy archive with a stitched object.
    Reconstruction,
    /// A NumPy archive with neither.
    Npz,
    /// One NumPy array.
    Npy,
    /// Bare weights without a configuration.
    Safetensors,
    /// A Python pickle.
    Pickle,
    /// A file compressed with gzip.
    Gzip,
    /// Another zip archive.
    OtherZip,
    /// Readable text.
    Text,
    /// An unknown kind.
    Unknown,
}

impl Foreign {
    /// Description that continues "The file is".
    pub fn what(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::BrokenZip => "a zip archive that is damaged or incomplete",
            Self::PyTorch => "a PyTorch archive (torch.save)",
            Self::Lightning => "a PyTorch Lightning checkpoint",
            Self::PtychoPinnTorch => "a PtychoPINN bundle (wts.h5.zip) of the PyTorch backend",
            Self::PtychoPinnTensorFlow => "a PtychoPINN bundle (wts.h5.zip) of the TensorFlow backend",
            Self::Keras => "a Keras (TensorFlow) model",
            Self::Hdf5 => "an HDF5 file: a Keras .h5 model, a CXI dataset or a ptychodus product",
            Self::Dataset => "a dataset (NPZ with diffraction patterns)",
            Self::Reconstruction => "a reconstruction (NPZ with a stitched object)",
            Self::Npz => "a NumPy archive (NPZ)",
            Self::Npy => "a NumPy array (NPY)",
            Self::Safetensors => "bare weights (safetensors)",
            Self::Pickle => "a Python pickle",
            Self::Gzip => "compressed with gzip",
            Self::OtherZip => "a zip archive without a manifest.json",
            Self::Text => "text",
            Self::Unknown => "of an unknown kind",
        }
    }

    /// True for weights of the original that can be imported.
    pub fn is_importable(self) -> bool {
        matches!(self, Self::PyTorch | Self::Lightning | Self::PtychoPinnTorch | Self::Safetensors)
    }

    /// Remedy where a bundle is needed.
    pub fn hint(self) -> &'static str {
        match self {
            Self::PyTorch | Self::Lightning | Self::PtychoPinnTorch | Self::Safetensors => {
                "Convert it first: `ptychoscope import-weights FILE --output model.ptycho`"
            }
            Self::PtychoPinnTensorFlow | Self::Keras => {
                "TensorFlow models cannot be converted; train with `ptychoscope train`"
            }
            Self::Dataset | Self::Hdf5 | Self::Npz => {
                "Give the model first and the dataset second: `ptychoscope infer MODEL DATASET`"
            }
            Self::Reconstruction => "Give the model.ptycho of the same run folder",
            Self::Gzip => "Unpack it first",
            Self::Empty | Self::BrokenZip => "Take another copy, or train again",
            _ => "Give the model.ptycho in the run folder of `ptychoscope train`",
        }
    }
}

/// Identifies a file by its content; `None` for a zip archive with a `manifest.json`, which is read as a bundle.
pub fn recognize(bytes: &[u8]) -> Option<Foreign> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if bytes.is_empty() {
        return Some(Foreign::Empty);
    }
    if starts(b"PK") {
        return recognize_zip(bytes);
    }
    Some(if starts(b"\x89HDF\r\n\x1a\n") {
        Foreign::Hdf5
    } else if starts(b"\x93NUMPY") {
        Foreign::Npy
    } else if starts(b"\x1f\x8b") {
        Foreign::Gzip
    } else if bytes.first() == Some(&0x80) && matches!(bytes.get(1), Some(2..=5)) {
        Foreign::Pickle
    } else if bytes.get(8) == Some(&b'{') && bytes.get(2..8) == Some(&[0; 6]) {
        Foreign::Safetensors
    } else if bytes.iter().take(512).all(|b| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..)) {
        Foreign::Text
    } else {
        Foreign::Unknown
    })
}

fn recognize_zip(bytes: &[u8]) -> Option<Foreign> {
    let Ok(mut archive) = ZipArchive::new(Cursor::new(bytes)) else {
        return Some(Foreign::BrokenZip);
    };
    let names: Vec<String> = archive.file_names_raw().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let has = |name: &str| names.iter().any(|n| n == name);
    let ends = |end: &str| names.iter().find(|n| n.ends_with(end));
    if has("manifest.json") {
        return None;
    }
    if has("manifest.dill") || names.iter().any(|n| n.starts_with("diffraction_to_obj/")) {
        let torch = ends("/model.pth").is_some();
        return Some(if torch { Foreign::PtychoPinnTorch } else { Foreign::PtychoPinnTensorFlow });
    }
    if let Some(pickle) = ends("data.pkl") {
        let mut text = Vec::new();
        // Only searched for a word, never unpickled; it is near the beginning of a Lightning checkpoint.
        if let Ok(member) = archive.by_name(pickle) {
            let _ = member.take(1 << 20).read_to_end(&mut text);
        }
        let word = b"pytorch-lightning_version";
        let lightning = text.windows(word.len()).any(|window| window == word);
        return Some(if lightning { Foreign::Lightning } else { Foreign::PyTorch });
    }
    if ends("model.weights.h5").is_some() || ends("saved_model.pb").is_some() {
        return Some(Foreign::Keras);
    }
    if !names.is_empty() && names.iter().all(|n| n.ends_with(".npy")) {
        let dataset = ["diffraction", "diff3d", "xcoords", "probeGuess"];
        return Some(if dataset.iter().any(|key| has(&format!("{key}.npy"))) {
            Foreign::Dataset
        } else if has("object.npy") {
            Foreign::Reconstruction
        } else {
            Foreign::Npz
        });
    }
    Some(Foreign::OtherZip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn archive(names: &[&str]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for name in names {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(b"x").unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn files_of_other_kinds_are_distinguished_by_content() {
        let whole = archive(&["manifest.json", "config.toml"]);
        let cases: Vec<(Vec<u8>, Option<Foreign>)> = vec![
            (vec![], Some(Foreign::Empty)),
            (whole.clone(), None),
            (whole[..whole.len() - 30].to_vec(), Some(Foreign::BrokenZip)),
            (archive(&["manifest.dill", "autoencoder/model.keras"]), Some(Foreign::PtychoPinnTensorFlow)),
            (archive(&["diffraction_to_obj/model.pth", "manifest.dill"]), Some(Foreign::PtychoPinnTorch)),
            (archive(&["config.json", "metadata.json", "model.weights.h5"]), Some(Foreign::Keras)),
            (archive(&["diff3d.npy", "xcoords.npy"]), Some(Foreign::Dataset)),
            (archive(&["object.npy", "coverage.npy"]), Some(Foreign::Reconstruction)),
            (archive(&["a.npy"]), Some(Foreign::Npz)),
            (archive(&["a.txt"]), Some(Foreign::OtherZip)),
            (archive(&[]), Some(Foreign::OtherZip)),
            (b"\x89HDF\r\n\x1a\nrest".to_vec(), Some(Foreign::Hdf5)),
            (b"\x93NUMPY\x01".to_vec(), Some(Foreign::Npy)),
            (b"\x1f\x8b\x08".to_vec(), Some(Foreign::Gzip)),
            (b"\x80\x02}q".to_vec(), Some(Foreign::Pickle)),
            (b"\x10\0\0\0\0\0\0\0{\"a\":1}".to_vec(), Some(Foreign::Safetensors)),
            (b"[data]\nn = 3\n".to_vec(), Some(Foreign::Text)),
            (vec![1, 0, 3, 4], Some(Foreign::Unknown)),
        ];
        for (i, (bytes, expected)) in cases.into_iter().enumerate() {
            assert_eq!(recognize(&bytes), expected, "case {i}");
        }
    }
}
