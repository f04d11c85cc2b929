//! `predict`: the network alone on a batch of patterns, outside of any run folder.

use super::device::{self, Selected};
use super::guard::guarded;
use crate::checkpoint::Bundle;
use crate::config::Accelerator;
use crate::data::{NpyArray, NpzArchive, write_npz};
use crate::error::{Error, Problem, Result};
use crate::infer::predict_bare;
use crate::model::Network;
use crate::train::Control;
use ndarray::{Array4, Ix4};
use std::path::Path;

/// Groups that go through the network at once, at most.
const CHUNK: usize = 64;

/// What was done.
#[derive(Debug, Clone)]
pub struct Predicted {
    /// The device that did it.
    pub device: Selected,
    /// (n, C, N, N)
    pub shape: [usize; 4],
}

/// Reads `images` (n, C, N, N), normalised amplitudes, from an NPZ file, and writes `object` (complex64), `amplitude` and
/// `phase` (f32) of the same shape. Nothing is normalised, merged or stitched.
///
/// # Errors
/// A model or batch that cannot be used, a device that is not there or fails, or a file that cannot be written.
pub fn predict_file(model: &Path, input: &Path, output: &Path, accelerator: Accelerator) -> Result<Predicted> {
    let bundle = Bundle::load(model)?;
    let images = read_images(input, &bundle)?;
    let device = device::select(accelerator)?;
    let (n, c, h, w) = images.dim();
    let outputs = guarded(|| {
        let network = Network::from_weights(
            &bundle.weights,
            bundle.manifest.dataset.patch_size,
            &bundle.config.model,
            &device.device,
        )?;
        let chunk = bundle.config.inference.batch_size.clamp(1, CHUNK);
        predict_bare(&network, images.view(), chunk, &device.device, &mut |_| Control::Run)
    })?;
    let arrays = [
        ("object", NpyArray::C32(outputs.object.view().into_dyn())),
        ("amplitude", NpyArray::F32(outputs.amplitude.view().into_dyn())),
        ("phase", NpyArray::F32(outputs.phase.view().into_dyn())),
    ];
    write_npz(output, &arrays)?;
    Ok(Predicted { device, shape: [n, c, h, w] })
}

fn read_images(input: &Path, bundle: &Bundle) -> Result<Array4<f32>> {
    let (side, channels) = (bundle.manifest.dataset.patch_size, bundle.config.model.channels());
    let mut archive = NpzArchive::open(input)?;
    let expected = format!("an array \"images\" of shape (n, {channels}, {side}, {side}), which this network takes");
    if archive.member("images").is_none() {
        return Err(Problem::new(format!("There is no \"images\" among {}", archive.keys_text()))
            .expected(expected)
            .at(input)
            .into());
    }
    let images = archive.read_f32("images")?;
    let shape = images.shape().to_vec();
    let fits = matches!(shape[..], [n, c, h, w] if n > 0 && c == channels && h == side && w == side);
    if !fits {
        return Err(Problem::new(format!("\"images\" has shape {shape:?}")).expected(expected).at(input).into());
    }
    if !images.iter().all(|v| v.is_finite() && *v >= 0.0) {
        return Err(Problem::new("\"images\" holds NaN, infinity or negative values")
            .expected("normalised diffraction amplitudes")
            .at(input)
            .into());
    }
    images.into_dimensionality::<Ix4>().map_err(|e| Error::failed(format!("The batch has the wrong rank ({e})")))
}
