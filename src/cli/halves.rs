//! Two reconstructions from the halves of a dataset, and how far they agree: a resolution without a known object.

use super::jobs::Jobs;
use crate::checkpoint::Destination;
use crate::config::{Config, DataConfig};
use crate::data::{Dataset, NpyArray, Reconstruction, write_npz};
use crate::error::{Error, Problem, Result};
use crate::report::{self, SplitHalf};
use crate::worker::message::Job;
use ndarray::Array1;
use std::path::Path;

/// Reconstructs the even and the odd patterns with the bundle of a run, and correlates the two objects ring by ring.
///
/// Both halves pass the same network, so what the network knows by itself also agrees: the curve is an upper bound.
///
/// # Errors
/// A path without a bundle, or a job that fails.
pub(super) fn split_half(jobs: &mut Jobs, run: &Path, dataset: &Path, accelerator: Option<&str>) -> Result<SplitHalf> {
    let folder = if run.is_dir() { run } else { run.parent().unwrap_or(run) };
    let model = folder.join("model.ptycho");
    if !model.exists() {
        return Err(Error::BadInput(
            Problem::new("The halves of the data need the bundle of the run, model.ptycho beside the reconstruction")
                .hint("Choose the folder of a `run`, or leave out --split-half")
                .at(run),
        ));
    }
    // The patterns are handed on as they were read for this run, as amplitude.
    let unit = Config::load(folder.join("config.toml")).map(|config| config.data.diffraction_unit).unwrap_or_default();
    let whole = Dataset::load(dataset, &DataConfig { diffraction_unit: unit, ..DataConfig::default() }, 0)?;
    let place = tempfile::tempdir().map_err(|error| Error::writing(std::env::temp_dir(), &error))?;
    let mut found = Vec::new();
    for (name, first) in [("even", 0), ("odd", 1)] {
        let indices: Vec<usize> = (first..whole.len()).step_by(2).collect();
        let half = whole.subset(&indices);
        let file = place.path().join(format!("{name}.npz"));
        write(&half, &file)?;
        jobs.say(&format!("Reconstructing the {name} patterns with {}", model.display()));
        let output = place.path().join(name);
        let mut settings = vec![("data.diffraction_unit".to_owned(), "amplitude".to_owned())];
        settings.extend(accelerator.map(|name| ("execution.accelerator".to_owned(), name.to_owned())));
        let output_dir = Destination::Folder(output.clone());
        jobs.run_whole(Job::Infer { model: model.clone(), dataset: file, output_dir, settings })?;
        found.push(Reconstruction::load(&output.join("reconstruction.npz"))?);
    }
    match &found[..] {
        [even, odd] => report::split_half(even, odd, &whole.positions),
        _ => Err(Error::failed("The halves were not reconstructed")),
    }
}

/// Writes a dataset: amplitude, positions, probe, and the object if there is one.
pub(super) fn write(dataset: &Dataset, path: &Path) -> Result<()> {
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
