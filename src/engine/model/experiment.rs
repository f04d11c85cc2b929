//! Parameters of the experiment among the weights of a network: the probe and a factor of all predicted amplitudes,
//! where they are trained with the network.

use super::Weights;
use crate::data;
use crate::error::{Error, Result};
use ndarray::{Array3, ArrayD, Ix3};
use num_complex::Complex32;

/// Prefix of the names of weights that belong to the experiment instead of the network.
pub const PHYSICS_PREFIX: &str = "physics.";

/// Names after [`PHYSICS_PREFIX`]: real and imaginary parts of the probe, (modes, N, N) in the network's units.
const PROBE: [&str; 2] = ["probe_re", "probe_im"];
/// Name after [`PHYSICS_PREFIX`]: logarithm of the amplitude factor, (1,).
const LOG_SCALE: &str = "log_scale";

fn key(name: &str) -> String {
    format!("{PHYSICS_PREFIX}{name}")
}

/// Probe as trained, (modes, N, N) in the network's units; `None` if it was not trained.
pub(crate) fn saved_probe(weights: &Weights) -> Option<Array3<Complex32>> {
    let part = |name: &str| weights.0.get(&key(name))?.view().into_dimensionality::<Ix3>().ok();
    let [re, im] = PROBE.map(part);
    let (re, im) = (re?, im.filter(|im| Some(im.dim()) == re.as_ref().map(|re| re.dim()))?);
    let mut probe = re.mapv(|re| Complex32::new(re, 0.0));
    probe.zip_mut_with(&im, |value, im| value.im = *im);
    Some(probe)
}

/// Logarithm of the amplitude factor; `None` if it was not trained.
pub(crate) fn saved_log_scale(weights: &Weights) -> Option<f32> {
    weights.0.get(&key(LOG_SCALE)).filter(|values| values.len() == 1)?.first().copied()
}

/// Adds a probe, (modes, N, N): its real parts, then its imaginary parts.
///
/// # Errors
/// The number of values does not match the shape.
pub(crate) fn save_probe(weights: &mut Weights, shape: [usize; 3], values: &[f32]) -> Result<()> {
    for (name, half) in PROBE.into_iter().zip(values.chunks(values.len() / 2)) {
        let array = ArrayD::from_shape_vec(shape.to_vec(), half.to_vec())
            .map_err(|e| Error::failed(format!("The trained probe has the wrong size ({e})")))?;
        weights.0.insert(key(name), array);
    }
    Ok(())
}

/// Adds the logarithm of the amplitude factor, (1,).
///
/// # Errors
/// There is not exactly one value.
pub(crate) fn save_log_scale(weights: &mut Weights, values: Vec<f32>) -> Result<()> {
    let array = ArrayD::from_shape_vec(vec![1], values)
        .map_err(|e| Error::failed(format!("The trained scale has the wrong size ({e})")))?;
    weights.0.insert(key(LOG_SCALE), array);
    Ok(())
}

/// Probe trained with the network, (modes, N, N) in the network's units, with orthogonal modes, strongest first; `None`
/// if it was not trained.
pub fn trained_probe(weights: &Weights) -> Option<Array3<Complex32>> {
    let mut probe = saved_probe(weights)?;
    data::orthogonalize(&mut [&mut probe]);
    Some(probe)
}

/// Factor of all amplitudes trained with the network; 1 if it was not trained.
pub fn amplitude_factor(weights: &Weights) -> f64 {
    weights.0.get(&key(LOG_SCALE)).and_then(|values| values.first()).map_or(1.0, |log| f64::from(*log).exp())
}
