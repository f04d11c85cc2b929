//! `predict`: the bare network on a batch of patterns, without a run folder.

use super::device::{self, Selected};
use super::guard::guarded;
use crate::checkpoint::{Bundle, load_model};
use crate::config::Accelerator;
use crate::data::{NpyArray, NpzArchive, write_npz};
use crate::error::{Error, Problem, Result};
use crate::infer::predict_raw;
use crate::model::Network;
use crate::train::Control;
use ndarray::{Array4, Ix4};
use std::path::Path;

/// Maximum number of groups in one pass through the network.
const CHUNK: usize = 64;

/// A completed prediction.
#[derive(Debug, Clone)]
pub struct Predicted {
    /// Compute device.
    pub device: Selected,
    /// Shape (n, C, N, N) of the input and of each output.
    pub shape: [usize; 4],
}

/// Reads normalized amplitudes `images` (n, C, N, N) from an NPZ file and writes `object` (complex64), `amplitude` and
/// `phase` (f32) of the same shape. Nothing is normalized, merged or stitched.
///
/// # Errors
/// Unsuitable model or batch, missing or failing device, or a file that cannot be written.
pub fn predict_file(model: &Path, input: &Path, output: &Path, accelerator: Accelerator) -> Result<Predicted> {
    let (bundle, _) = load_model(model)?;
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
        predict_raw(&network, images.view(), chunk, &device.device, &mut |_| Control::Run)
    })?;
    let arrays = [
        ("object", NpyArray::C32(outputs.object.view().into_dyn())),
        ("amplitude", NpyArray::F32(outputs.amplitude.view().into_dyn())),
        ("phase", NpyArray::F32(outputs.phase.view().into_dyn())),
    ];
    write_npz(output, &arrays)?;
    Ok(Predicted { device, shape: [n, c, h, w] })
}

/// Reads and checks the input batch.
fn read_images(input: &Path, bundle: &Bundle) -> Result<Array4<f32>> {
    let (side, channels) = (bundle.manifest.dataset.patch_size, bundle.config.model.channels());
    let mut archive = NpzArchive::open(input)?;
    let expected = format!("an array \"images\" of shape (n, {channels}, {side}, {side}) for this network");
    if archive.member("images").is_none() {
        return Err(Problem::new(format!("The file has no array \"images\", only {}", archive.keys_text()))
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
        return Err(Problem::new("\"images\" contains NaN, infinite or negative values")
            .expected("normalized diffraction amplitudes")
            .at(input)
            .into());
    }
    images.into_dimensionality::<Ix4>().map_err(|e| Error::failed(format!("The batch has the wrong rank ({e})")))
}
