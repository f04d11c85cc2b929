//! Reconstructions of two halves of a dataset and their agreement: a resolution without a reference object.

use super::jobs::Jobs;
use crate::checkpoint::{Destination, RunFolder};
use crate::config::{Config, DataConfig};
use crate::data::{Dataset, NpyArray, Reconstruction, write_npz};
use crate::error::{Error, Problem, Result};
use crate::report::{self, SplitHalf};
use crate::worker::message::Job;
use ndarray::Array1;
use std::path::Path;

/// Reconstructs the even and the odd patterns with the model of a run, and computes the Fourier ring correlation of the two
/// objects.
///
/// Both halves pass through the same network, whose prior knowledge agrees with itself: the curve is an upper bound.
///
/// # Errors
/// A run without a model, or a job that fails.
pub(super) fn split_half(jobs: &mut Jobs, run: &Path, dataset: &Path, accelerator: Option<&str>) -> Result<SplitHalf> {
    let folder = RunFolder::at(if run.is_dir() { run } else { run.parent().unwrap_or(run) });
    let model = folder.model();
    if !model.exists() {
        return Err(Error::BadInput(
            Problem::new("--split-half needs the model of the run, model.ptycho beside the reconstruction")
                .hint("Give the folder of a `run`, or remove --split-half")
                .at(run),
        ));
    }
    // The dataset is read as by the run; the halves are written as they are used.
    let data = Config::load(folder.config()).map(|config| config.data).unwrap_or_default();
    let whole = Dataset::load(dataset, &DataConfig { n_subsample: None, strict: false, ..data }, 0)?;
    let plain = Config::default();
    let of_data = Config::fields().into_iter().filter(|field| field.group() == "data" && field.settable_in_inference);
    let mut as_written: Vec<(String, String)> =
        of_data.map(|field| Ok((field.path.to_owned(), plain.get(field.path)?))).collect::<Result<_>>()?;
    as_written.push(("data.diffraction_unit".to_owned(), "amplitude".to_owned()));
    let temporary = tempfile::tempdir().map_err(|error| Error::writing(std::env::temp_dir(), &error))?;
    let mut halves = Vec::new();
    for (name, first) in [("even", 0), ("odd", 1)] {
        let indices: Vec<usize> = (first..whole.len()).step_by(2).collect();
        let file = temporary.path().join(format!("{name}.npz"));
        write_amplitude_dataset(&whole.subset(&indices), &file)?;
        jobs.print(&format!("Reconstructing the {name} patterns with {}", model.display()));
        let output = RunFolder::at(temporary.path().join(name));
        let mut settings = as_written.clone();
        settings.extend(accelerator.map(|name| ("execution.accelerator".to_owned(), name.to_owned())));
        let output_dir = Destination::Folder(output.path().to_path_buf());
        jobs.run_to_completion(Job::Infer { model: model.clone(), dataset: file, output_dir, settings })?;
        halves.push(Reconstruction::load(&output.reconstruction())?);
    }
    match &halves[..] {
        [even, odd] => report::split_half(even, odd, &whole.positions),
        _ => Err(Error::failed("The halves were not reconstructed")),
    }
}

/// Writes amplitude, positions and probe of a dataset, and its object if it has one, as NPZ.
pub(super) fn write_amplitude_dataset(dataset: &Dataset, path: &Path) -> Result<()> {
    let axis = |axis: usize| Array1::from_iter(dataset.positions.iter().map(|p| p[axis]));
    let (x, y) = (axis(0), axis(1));
    let mut arrays = vec![
        ("diffraction", NpyArray::F32(dataset.diffraction.view().into_dyn())),
        ("xcoords", NpyArray::F64(x.view().into_dyn())),
        ("ycoords", NpyArray::F64(y.view().into_dyn())),
        ("probeGuess", NpyArray::C32(dataset.probe.view().into_dyn())),
    ];
    if let Some(object) = &dataset.object {
        arrays.push(("objectGuess", NpyArray::C32(object.view().into_dyn())));
    }
    write_npz(path, &arrays)
}
