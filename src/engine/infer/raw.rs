//! The network's raw outputs, without normalization and stitching.

use crate::control::{Control, wait_while_paused};
use crate::error::{Error, Result};
use crate::model::{Network, Outputs};
use crate::physics;
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array4, ArrayView4, Axis, Slice, Zip};
use num_complex::Complex32;

/// Outputs of the network, (n, C, N, N) each.
#[derive(Debug, Clone)]
pub struct RawOutputs {
    /// Complex object patches.
    pub object: Array4<Complex32>,
    /// Amplitude of the network's head, which may be negative; |object| for real and imaginary outputs.
    pub amplitude: Array4<f32>,
    /// Phase of the network's head, which may exceed ±π on the border; arg(object) for real and imaginary outputs.
    pub phase: Array4<f32>,
}

/// Runs the network on normalized diffraction amplitudes (n, C, N, N), `chunk` groups at a time.
///
/// * `control`: called with the fraction done; [`Control::Stop`] and [`Control::Discard`] stop the prediction.
///
/// # Errors
/// The device fails or the prediction is stopped.
pub fn predict_raw(
    network: &Network,
    images: ArrayView4<f32>,
    chunk: usize,
    device: &Device,
    control: &mut dyn FnMut(f64) -> Control,
) -> Result<RawOutputs> {
    let (n, c, h, w) = images.dim();
    let mut object = Array4::<Complex32>::zeros((n, c, h, w));
    let mut amplitude = Array4::<f32>::zeros((n, c, h, w));
    let mut phase = Array4::<f32>::zeros((n, c, h, w));
    for start in (0..n).step_by(chunk.max(1)) {
        if !wait_while_paused(|| control(start as f64 / n as f64)) {
            return Err(Error::failed("The prediction was stopped"));
        }
        let end = (start + chunk.max(1)).min(n);
        let part = Slice::from(start..end);
        let values: Vec<f32> = images.slice_axis(Axis(0), part).iter().copied().collect();
        let input = Tensor::<4>::from_data(TensorData::new(values, [end - start, c, h, w]), device);
        let mut object = object.slice_axis_mut(Axis(0), part);
        let mut amplitude = amplitude.slice_axis_mut(Axis(0), part);
        let mut phase = phase.slice_axis_mut(Axis(0), part);
        match network.outputs(input) {
            Outputs::AmpPhase(a, p) => {
                amplitude.assign(&download(a)?);
                phase.assign(&download(p)?);
                Zip::from(&mut object).and(&amplitude).and(&phase).for_each(|z, &a, &p| {
                    *z = Complex32::new(a * p.cos(), a * p.sin());
                });
            }
            Outputs::RealImag(re, im) => {
                let (re, im) = (download(re)?, download(im)?);
                Zip::from(&mut object).and(&re).and(&im).for_each(|z, &re, &im| *z = Complex32::new(re, im));
                Zip::from(&mut amplitude).and(&object).for_each(|a, z| *a = z.norm());
                Zip::from(&mut phase).and(&object).for_each(|p, z| *p = z.arg());
            }
        }
    }
    Ok(RawOutputs { object, amplitude, phase })
}

fn download(tensor: Tensor<4>) -> Result<Array4<f32>> {
    let [n, c, h, w] = tensor.dims();
    let values = physics::read(tensor, "the prediction")?;
    Array4::from_shape_vec((n, c, h, w), values)
        .map_err(|e| Error::failed(format!("The prediction has the wrong size ({e})")))
}
