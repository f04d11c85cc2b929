//! Prediction of all patches in chunks, and reconstruction of the stitched object.

use super::stitch::{patch_weight, stitch};
use super::synchronize::{rotate, synchronize};
use crate::config::Config;
use crate::control::{Control, wait_while_paused};
use crate::data::{self, Dataset, Reconstruction};
use crate::error::{Error, Result};
use crate::kernels;
use crate::model::{Network, Scaling, Weights, amplitude_factor, trained_probe};
use crate::physics;
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array3, ArrayViewMut3, Axis};
use num_complex::Complex32;
use std::sync::mpsc::sync_channel;

/// Predicted object patches.
#[derive(Debug, Clone)]
pub struct Patches {
    /// (k, N, N) in the network's units.
    pub patches: Array3<Complex32>,
    /// Center of each patch, `(x, y)` in object pixels.
    pub positions: Vec<[f64; 2]>,
    /// Group of each patch; the patches of a group share one phase.
    pub group: Vec<usize>,
}

/// Predicts every patch of a dataset, `inference.batch_size` groups at a time.
///
/// * `device`: without autodiff.
/// * `control`: called with the fraction done; [`Control::Stop`] and [`Control::Discard`] stop the prediction.
///
/// # Errors
/// Weights and configuration do not belong together, the device fails, or the prediction is stopped.
pub fn predict(
    dataset: &Dataset,
    weights: &Weights,
    scaling: &Scaling,
    config: &Config,
    device: &Device,
    control: &mut dyn FnMut(f64) -> Control,
) -> Result<Patches> {
    kernels::keep_freed_memory();
    let n = dataset.patch_size();
    let network = Network::from_weights(weights, n, &config.model, device)?;
    let mut grouping = config.data.clone();
    // Every pattern is the seed of one group; the number of groups used for training does not apply.
    grouping.n_groups = None;
    let groups =
        data::group(&dataset.positions, config.model.gridsize, &grouping, config.execution.seeds.grouping)?.indices;
    let (count, channels) = groups.dim();
    let factor = scaling.normalization as f32;
    let mut patches = Array3::<Complex32>::zeros((count * channels, n, n));
    let chunk = config.inference.batch_size.max(1);
    let forward = |start: usize| {
        let end = (start + chunk).min(count);
        let mut values = Vec::with_capacity((end - start) * channels * n * n);
        for &pattern in groups.slice(ndarray::s![start..end, ..]).iter() {
            values.extend(dataset.diffraction.index_axis(Axis(0), pattern).iter().map(|v| v * factor));
        }
        let input = Tensor::<4>::from_data(TensorData::new(values, [end - start, channels, n, n]), device);
        let output = network.forward(input).map(|t| t.reshape([(end - start) * channels, n, n]));
        Tensor::cat(vec![output.re, output.im], 0)
    };
    let chunks = (0..count).step_by(chunk).zip(patches.axis_chunks_iter_mut(Axis(0), chunk * channels));
    let mut next = |start: usize| check_control(control, start as f64 / count as f64);
    if *device == Device::flex() {
        for (start, into) in chunks {
            next(start)?;
            download(forward(start), into)?;
        }
    } else {
        // While a GPU computes a chunk, another thread downloads the previous one.
        std::thread::scope(|scope| {
            let (predicted, received) = sync_channel(1);
            let reader =
                scope.spawn(move || received.into_iter().try_for_each(|(output, into)| download(output, into)));
            for (start, into) in chunks {
                next(start)?;
                if predicted.send((forward(start), into)).is_err() {
                    break;
                }
            }
            drop(predicted);
            reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
    }
    check_control(control, 1.0)?;
    let positions = groups.iter().map(|&p| dataset.positions[p]).collect();
    let group = (0..count).flat_map(|g| std::iter::repeat_n(g, channels)).collect();
    Ok(Patches { patches, positions, group })
}

/// Reads (2·k, N, N), real parts before imaginary parts, from the device into (k, N, N).
fn download(output: Tensor<3>, mut into: ArrayViewMut3<'_, Complex32>) -> Result<()> {
    let values = physics::read(output, "the patches")?;
    let (re, im) = values.split_at(into.len());
    for ((into, &re), &im) in into.iter_mut().zip(re).zip(im) {
        *into = Complex32::new(re, im);
    }
    Ok(())
}

/// # Errors
/// The reconstruction is stopped.
fn check_control(control: &mut dyn FnMut(f64) -> Control, done: f64) -> Result<()> {
    if wait_while_paused(|| control(done)) { Ok(()) } else { Err(Error::failed("The reconstruction was stopped")) }
}

/// Predicts all patches, synchronizes their phases, and stitches the object, in the dataset's units.
///
/// # Errors
/// As [`predict`].
pub fn reconstruct(
    dataset: &Dataset,
    weights: &Weights,
    scaling: &Scaling,
    config: &Config,
    device: &Device,
    control: &mut dyn FnMut(f64) -> Control,
) -> Result<Reconstruction> {
    let Patches { mut patches, positions, group } = predict(dataset, weights, scaling, config, device, control)?;
    let trained = trained_probe(weights).filter(|probe| probe.dim().1 == dataset.patch_size());
    let probe = trained.as_ref().unwrap_or(&dataset.probe);
    let weight = patch_weight(&config.inference, probe.view())?;
    if config.inference.phase_synchronization {
        let phases = synchronize(patches.view(), &positions, weight.view(), &group);
        rotate(&mut patches, &phases, &group);
    }
    let mut reconstruction = stitch(patches.view(), &positions, weight.view())?;
    let to_dataset_units = (amplitude_factor(weights) * scaling.probe_factor / scaling.normalization) as f32;
    reconstruction.object.mapv_inplace(|z| z * to_dataset_units);
    reconstruction.pixel_size_m = dataset.pixel_size_m;
    Ok(reconstruction)
}
