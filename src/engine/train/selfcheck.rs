//! Verification of a device against the CPU.
//!
//! Hazard: drivers and generated kernels have bugs, and even a wrong gradient often lowers the loss. Remedy: before a
//! device other than the CPU is used for training, one forward and backward pass of the same network and loss is run on
//! both.

use super::forward::{ForwardModel, LossWeights};
use super::prepare::{prepare, scaling_of};
use crate::config::Config;
use crate::data::Dataset;
use crate::error::{Error, Problem, Result};
use crate::model::{Network, untrained_weights};
use burn::tensor::Device;

/// Number of patterns in the check: enough neighbors for the largest groups.
const PATTERNS: usize = 64;
/// Number of groups in the batch of the check.
const GROUPS: usize = 2;
/// Largest relative deviation of the loss, and of the gradient in the Euclidean norm.
const TOLERANCE: f64 = 1e-3;

/// Deviation of a device from the CPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deviation {
    /// |loss − loss on the CPU| / |loss on the CPU|.
    pub loss: f64,
    /// Norm of the difference of the gradients, relative to the norm on the CPU.
    pub gradient: f64,
}

/// Compares one forward and backward pass on `device` (without autodiff) with the CPU.
///
/// # Errors
/// The results differ by more than 1e-3, or the pass fails on either.
pub fn verify_against_cpu(dataset: &Dataset, config: &Config, device: &Device) -> Result<Deviation> {
    let few: Vec<usize> = (0..dataset.len().min(PATTERNS)).collect();
    let few = dataset.subset(&few);
    let cpu = pass(&few, config, &Device::flex())?;
    let deviation = compare(&pass(&few, config, device)?, &cpu);
    if deviation.loss <= TOLERANCE && deviation.gradient <= TOLERANCE {
        return Ok(deviation);
    }
    Err(Error::Failed(
        Problem::new(format!(
            "The results of the device differ from those of the CPU: loss by {:.1e}, gradient by {:.1e}",
            deviation.loss, deviation.gradient
        ))
        .expected(format!("at most {TOLERANCE:.0e} each; training on this device would not be reliable"))
        .hint("Use --accelerator cpu, or update the graphics driver"),
    ))
}

/// Loss and flat gradient of the untrained network.
fn pass(dataset: &Dataset, config: &Config, device: &Device) -> Result<(f64, Vec<f32>)> {
    let mut config = config.clone();
    config.data.n_groups = Some(GROUPS.min(dataset.len()));
    let with_gradient = device.clone().autodiff();
    let scaling = scaling_of(dataset, &config)?;
    let (resident, largest) = prepare(dataset, &config, &scaling, &with_gradient)?;
    let forward = ForwardModel::new(dataset, &config, &scaling, largest, &with_gradient);
    let (patterns, seed) = (dataset.diffraction.view(), config.execution.seeds.weights);
    let weights = untrained_weights(patterns, scaling.normalization, &config.model, seed)?;
    let network = Network::from_weights(&weights, dataset.patch_size(), &config.model, device)?.require_grad();
    let groups: Vec<usize> = (0..resident.len()).collect();
    // Half of each, so that both the individual patches and the merged neighborhood are checked.
    let loss =
        forward.loss(&network, resident.batch(&groups), LossWeights { teacher: 0.0, overlap: 0.5, physics: 1.0 });
    let gradient = network.flat_gradient(&loss.backward());
    let unread = |e| Error::failed(format!("Cannot read from the device ({e:?})"));
    let loss = loss.without_autodiff().try_into_scalar::<f32>().map_err(unread)?;
    Ok((f64::from(loss), gradient.without_autodiff().try_into_vec_as::<f32>().map_err(unread)?))
}

fn compare((loss, gradient): &(f64, Vec<f32>), (loss_cpu, gradient_cpu): &(f64, Vec<f32>)) -> Deviation {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut gradient.iter().zip(gradient_cpu).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    let whole = norm(&mut gradient_cpu.iter().map(|&b| f64::from(b)));
    let relative = |value: f64, to: f64| if to > 0.0 { value / to } else { f64::INFINITY };
    Deviation { loss: relative((loss - loss_cpu).abs(), loss_cpu.abs()), gradient: relative(difference, whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_agrees_with_itself_but_not_with_a_wrong_gradient() {
        let path = ptychoscope_base::testing::fixture("siemens_star_n64.npz");
        let config = Config::default();
        let dataset = Dataset::load(path.as_ref(), &config.data, 0).unwrap();
        let deviation = verify_against_cpu(&dataset, &config, &Device::flex()).unwrap();
        assert_eq!(deviation, Deviation { loss: 0.0, gradient: 0.0 });

        let few = dataset.subset(&(0..8).collect::<Vec<_>>());
        let right = pass(&few, &config, &Device::flex()).unwrap();
        assert!(right.0 > 0.0 && right.1.iter().any(|&v| v != 0.0));
        let mut wrong = right.clone();
        wrong.1.iter_mut().step_by(7).for_each(|v| *v *= 1.1);
        assert!(compare(&wrong, &right).gradient > TOLERANCE);
        assert!(compare(&(f64::NAN, right.1.clone()), &right).loss.is_nan());
    }
}
