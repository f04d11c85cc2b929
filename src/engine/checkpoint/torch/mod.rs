//! Reads PyTorch files: `torch.save` of a `state_dict`, a Lightning checkpoint, PtychoPINN's `wts.h5.zip`.
//!
//! Hazard: these files contain pickles, and a pickle is a program. Remedy: it is read and never run
//! ([`crate::formats::pickle`]); only the calls that construct a tensor are interpreted.

mod archive;
mod facts;
mod gzip;

pub(super) use facts::Facts;

use super::foreign::{Foreign, recognize};
use crate::error::{Error, Problem, Result};
use crate::model::Weights;
use archive::Archive;
use ndarray::ArrayD;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Most bytes unpacked from an archive; a network of PtychoPINN has some ten million values.
const MAX_BYTES: u64 = 1 << 30;
/// Files that `import-weights` accepts.
pub(super) const SUPPORTED: &str = "a PyTorch state_dict (torch.save(model.state_dict(), \"weights.pt\")), a Lightning checkpoint (.ckpt), \
     PtychoPINN's wts.h5.zip of the PyTorch backend, or a state_dict as safetensors";

/// Tensors of a file, and its settings.
#[derive(Debug)]
pub(super) struct StateDict {
    /// Description that continues "The file is".
    pub kind: &'static str,
    /// Tensors by full name, as f32. Empty tensors are omitted.
    pub tensors: BTreeMap<String, ArrayD<f32>>,
    /// Settings in the file.
    pub facts: Facts,
}

/// Reads the tensors of a file, recognized by its content.
///
/// # Errors
/// [`Error::BadInput`] for another kind of file, with the supported kinds, and for a damaged one.
pub(super) fn read_state_dict(bytes: &[u8]) -> Result<StateDict> {
    let foreign = recognize(bytes);
    let kind = foreign.map_or("a Ptychoscope model", Foreign::what);
    let refused = |hint: &str| -> Result<StateDict> {
        Err(Problem::new(format!("The file is {kind}, which cannot be imported")).expected(SUPPORTED).hint(hint).into())
    };
    match foreign {
        Some(Foreign::PyTorch | Foreign::Lightning) => {
            let mut archive = Archive::open(bytes)?;
            let mut facts = Facts::default();
            if let Some(settings) = archive.pickle().entry(archive.pickle().root(), "hyper_parameters") {
                facts.add_sections(archive.pickle(), settings);
            }
            Ok(StateDict { kind, tensors: archive.state_dict()?, facts })
        }
        Some(Foreign::PtychoPinnTorch) => {
            let (tensors, facts) = read_bundle(bytes)?;
            Ok(StateDict { kind, tensors, facts })
        }
        Some(Foreign::Safetensors) => {
            let read = Weights::state_dict(bytes)?;
            let mut facts = Facts::default();
            facts.add_texts("model_config", &read.metadata);
            Ok(StateDict { kind, tensors: read.tensors, facts })
        }
        Some(Foreign::Gzip) => read_state_dict(&gzip::unpack(bytes)?),
        Some(Foreign::PtychoPinnTensorFlow | Foreign::Keras) => {
            refused("Weights of TensorFlow have other layers and cannot be converted; train with `ptychoscope train`")
        }
        Some(Foreign::Hdf5) => refused("If it is a Keras model: weights of TensorFlow have other layers"),
        Some(Foreign::Pickle) => refused(
            "A PyTorch file of before version 1.6, or a whole pickled module, is a bare pickle; save the state_dict with a \
             newer PyTorch",
        ),
        None => refused("It can be used as it is: `ptychoscope infer MODEL DATASET`"),
        Some(_) => refused(""),
    }
}

/// Tensors and settings of a `wts.h5.zip`.
fn read_bundle(bytes: &[u8]) -> Result<(BTreeMap<String, ArrayD<f32>>, Facts)> {
    const NETWORK: &str = "diffraction_to_obj";
    let Some(model) = member(bytes, &format!("{NETWORK}/model.pth"))? else {
        return Err(damaged(format!("The bundle has no {NETWORK}/model.pth")));
    };
    let mut facts = Facts::default();
    // Settings refine the import; without them, or with unreadable ones, the tensors are still used.
    if let Ok(Some(parameters)) = member(bytes, &format!("{NETWORK}/params.dill"))
        && let Ok(pickle) = crate::formats::pickle::Pickle::read(&parameters)
    {
        facts.add("params", &pickle, pickle.root());
    }
    if let Ok(Some(metadata)) = member(bytes, "torch_scaling_metadata.pt")
        && let Ok(archive) = Archive::open(&metadata)
    {
        facts.add_sections(archive.pickle(), archive.pickle().root());
    }
    Ok((Archive::open(&model)?.state_dict()?, facts))
}

/// A member of a zip archive; `None` if it is missing.
fn member(bytes: &[u8], name: &str) -> Result<Option<Vec<u8>>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| damaged(format!("The archive is damaged or incomplete ({error})")))?;
    if archive.index_for_name(name).is_none() {
        return Ok(None);
    }
    let mut file =
        archive.by_name(name).map_err(|error| damaged(format!("The member {name:?} cannot be read ({error})")))?;
    if file.size() > MAX_BYTES {
        return Err(damaged(format!("The member {name:?} claims {} bytes", file.size())));
    }
    let mut content = Vec::new();
    (&mut file)
        .take(MAX_BYTES)
        .read_to_end(&mut content)
        .map_err(|error| damaged(format!("The member {name:?} cannot be unpacked ({error})")))?;
    Ok(Some(content))
}

fn damaged(title: String) -> Error {
    Problem::new(title).hint("Take another copy of the file").into()
}
