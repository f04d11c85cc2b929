//! Measurements of the speed of the program on this machine, for users to publish.
//!
//! Hazard: a speed means nothing without the machine, and little if other programs were running. Remedy: the matrix product
//! of the machine is measured as well, rates are medians or the best of several, and the command line runs each [`Stage`] in
//! its own process, so that the peak memory belongs to that stage.
//!
//! * `machine`: memory and processor time of this process. * `arithmetic`: matrix product and convolutions.
//! * `scan`: simulated dataset. * `engine`: training, prediction, stitching, grouping, loading.
//! * `cycle`: train, save, load, infer and stitch, as a user does.

mod arithmetic;
mod cycle;
mod engine;
mod machine;
mod scan;

use crate::config::{Accelerator, Config, Preset};
use crate::error::Result;
use crate::worker::device::{self, AdapterKind, DeviceInfo, Selected};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// A measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Matrix product, and the convolutions of the network relative to it.
    Arithmetic,
    /// Training steps.
    Train,
    /// One epoch over all patterns, including preparation.
    Epoch,
    /// Prediction of patches.
    Predict,
    /// Phase synchronization and stitching of patches.
    Stitch,
    /// Grouping of positions.
    Group,
    /// Reading a dataset.
    Load,
    /// Train, save, load, infer, stitch on 64 patterns.
    Cycle,
}

impl Stage {
    /// Stages measured by default, in display order.
    pub const ALL: [Self; 7] =
        [Self::Arithmetic, Self::Train, Self::Predict, Self::Stitch, Self::Group, Self::Load, Self::Cycle];

    /// True if the stage runs on the selected device; other stages use only the processor and are measured once.
    pub fn uses_device(self) -> bool {
        !matches!(self, Self::Stitch | Self::Group | Self::Load)
    }
}

/// Device, network and dataset of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Device.
    pub accelerator: Accelerator,
    /// Preset of the configuration.
    pub preset: Preset,
    /// Side N of the patterns, in pixels.
    pub patch: usize,
    /// Grid size: a group has gridsize² patterns.
    pub gridsize: usize,
    /// Groups per step.
    pub batch: usize,
    /// Scale factor of the number of filters in the network.
    pub n_filters_scale: usize,
    /// Patterns in the simulated dataset.
    pub patterns: usize,
    /// Approximate duration of one measurement, in seconds.
    pub seconds: f64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            accelerator: Accelerator::Auto,
            preset: Preset::default(),
            patch: 64,
            gridsize: 1,
            batch: 16,
            n_filters_scale: 1,
            patterns: 512,
            seconds: 8.0,
        }
    }
}

impl Setup {
    /// Configuration of this setup: its preset without a teacher, whose cost is fixed.
    fn config(&self) -> Config {
        let mut config = self.preset.config();
        config.model.gridsize = self.gridsize;
        config.model.n_filters_scale = self.n_filters_scale;
        config.training.batch_size = self.batch;
        config.training.teacher_share = 0.0;
        config.inference.batch_size = self.batch;
        config.execution.accelerator = self.accelerator;
        config.simulation.pattern_size = self.patch;
        config.simulation.n_images = Some(self.patterns);
        config
    }
}

/// A measured value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// Name.
    pub name: String,
    /// Value in `unit`.
    pub value: f64,
    /// Unit.
    pub unit: String,
}

impl Quantity {
    fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Self { name: name.into(), value, unit: unit.to_owned() }
    }
}

/// Result of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The stage.
    pub stage: Stage,
    /// The setup.
    pub setup: Setup,
    /// Name and backend of the device; `None` for stages that use only the processor.
    pub device: Option<String>,
    /// Measured values.
    pub quantities: Vec<Quantity>,
    /// Peak resident memory of the process in bytes, if the system reports it.
    pub peak_memory: Option<u64>,
    /// Duration of the whole stage, in seconds.
    pub wall_seconds: f64,
    /// Processor time of the whole stage over all threads in seconds, if the system reports it.
    pub cpu_seconds: Option<f64>,
}

/// Devices to measure: the CPU and the best GPU for `auto`, otherwise the requested one.
pub fn devices(requested: Accelerator) -> Vec<Accelerator> {
    if requested != Accelerator::Auto {
        return vec![requested];
    }
    let gpu = device::list().iter().any(|adapter| adapter.usable && adapter.kind.is_hardware());
    if gpu { vec![Accelerator::Cpu, Accelerator::Gpu] } else { vec![Accelerator::Cpu] }
}

/// Name of the processor, and the instructions that the CPU backend uses.
pub fn processor() -> String {
    device::select(Accelerator::Cpu)
        .map_or_else(|_| "unknown processor".to_owned(), |cpu| format!("{} ({})", cpu.info.name, cpu.info.driver))
}

/// Measures one stage in this process.
///
/// # Errors
/// The device is not available, or the measured operation fails.
pub fn measure(stage: Stage, setup: &Setup) -> Result<Measurement> {
    let began = Instant::now();
    let selected = if stage.uses_device() { Some(device::select(setup.accelerator)?) } else { None };
    let quantities = match (stage, &selected) {
        (Stage::Arithmetic, Some(Selected { device, info, .. })) => {
            arithmetic::measure(setup, device, info.kind == AdapterKind::Cpu)?
        }
        (Stage::Train, Some(selected)) => engine::training(setup, &selected.device)?,
        (Stage::Epoch, Some(selected)) => engine::epoch(setup, &selected.device)?,
        (Stage::Predict, Some(selected)) => engine::prediction(setup, &selected.device)?,
        (Stage::Cycle, Some(_)) => cycle::measure(setup)?,
        (Stage::Stitch, _) => engine::stitching(setup)?,
        (Stage::Group, _) => engine::grouping(setup)?,
        (Stage::Load, _) => engine::loading(setup)?,
        (_, None) => Vec::new(),
    };
    Ok(Measurement {
        stage,
        setup: *setup,
        device: selected.map(|selected| device_label(&selected.info)),
        quantities,
        peak_memory: machine::peak_memory(),
        wall_seconds: began.elapsed().as_secs_f64(),
        cpu_seconds: machine::cpu_seconds(),
    })
}

fn device_label(info: &DeviceInfo) -> String {
    format!("{} ({})", info.name, info.backend)
}

/// Median of the values; NaN if there are none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Calls `work` once to warm up, then for `seconds` but at least three times; returns the duration of each call in seconds.
fn repeat(seconds: f64, mut work: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    work()?;
    let began = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || began.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Setup {
        Setup { accelerator: Accelerator::Cpu, patterns: 24, batch: 4, seconds: 0.01, ..Setup::default() }
    }

    #[test]
    fn every_stage_yields_finite_values() {
        for stage in Stage::ALL.into_iter().chain([Stage::Epoch]) {
            let found = measure(stage, &small()).unwrap();
            assert!(!found.quantities.is_empty(), "{stage:?}");
            for quantity in &found.quantities {
                assert!(quantity.value.is_finite() && quantity.value > 0.0, "{stage:?} {quantity:?}");
            }
            assert_eq!(found.device.is_some(), stage.uses_device());
        }
    }

    #[test]
    fn a_measurement_survives_serialization() {
        let setup = Setup { patterns: 10, ..small() };
        let found = measure(Stage::Group, &setup).unwrap();
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Measurement>(&text).unwrap(), found);
    }

    #[test]
    fn a_requested_device_is_the_only_one_measured() {
        assert_eq!(devices(Accelerator::Cpu), [Accelerator::Cpu]);
        assert_eq!(devices(Accelerator::Wgpu), [Accelerator::Wgpu]);
        assert_eq!(devices(Accelerator::Auto)[0], Accelerator::Cpu);
    }

    #[test]
    fn the_median_of_times_ignores_an_outlier() {
        assert_eq!(median(vec![1.0, 100.0, 1.1]), 1.1);
        assert!(median(Vec::new()).is_nan());
    }
}
