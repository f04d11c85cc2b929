//! How fast the program is on this machine: what users quote.
//!
//! Hazard: a speed without its machine says nothing, and a time measured beside other work says little. Remedy: every
//! run measures the machine's own matrix product too, rates are medians or best of several, and each [`Stage`] runs in a
//! process of its own, so that its peak memory is its own.
//!
//! * `machine`: memory and processor time of this process. * `arithmetic`: matrix product and convolutions.
//! * `scan`: a simulated dataset to work on. * `engine`: training, prediction, stitching, grouping, loading.
//! * `cycle`: train, save, load, infer, stitch, as a user would.

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

/// What is measured, each in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Matrix product, and the convolutions of the network against it.
    Arithmetic,
    /// Steps of a training.
    Train,
    /// One epoch over all patterns, preparations included.
    Epoch,
    /// Prediction of patches.
    Predict,
    /// Phase synchronisation and stitching of patches.
    Stitch,
    /// Grouping of positions.
    Group,
    /// Reading a dataset.
    Load,
    /// Train, save, load, infer, stitch on 64 patterns.
    Cycle,
}

impl Stage {
    /// Every stage that is measured unless others are asked for, in the order in which they are shown.
    pub const ALL: [Self; 7] =
        [Self::Arithmetic, Self::Train, Self::Predict, Self::Stitch, Self::Group, Self::Load, Self::Cycle];

    /// Whether the device matters; what only uses the processor is measured once.
    pub fn uses_device(self) -> bool {
        !matches!(self, Self::Stitch | Self::Group | Self::Load)
    }
}

/// On what it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// The device.
    pub accelerator: Accelerator,
    /// The named starting point of the configuration.
    pub preset: Preset,
    /// Side N of the patterns, in pixels.
    pub patch: usize,
    /// Gridsize: a group has gridsize² patterns.
    pub gridsize: usize,
    /// Groups in a step.
    pub batch: usize,
    /// Factor of the network's filters.
    pub n_filters_scale: usize,
    /// Patterns of the simulated dataset.
    pub patterns: usize,
    /// About how long one measurement may take, in seconds.
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
    /// The configuration of this setup: its preset without a teacher, whose cost is a fixed one.
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

/// One number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// What it is.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its unit.
    pub unit: String,
}

impl Quantity {
    fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Self { name: name.into(), value, unit: unit.to_owned() }
    }
}

/// What one stage came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What was measured.
    pub stage: Stage,
    /// On what.
    pub setup: Setup,
    /// Name and backend of the device; none where only the processor works.
    pub device: Option<String>,
    /// The numbers.
    pub quantities: Vec<Quantity>,
    /// Largest resident memory of the process, bytes, where the system tells it.
    pub peak_memory: Option<u64>,
    /// Seconds of the whole stage.
    pub wall_seconds: f64,
    /// Processor seconds of the whole stage over all threads, where the system tells them.
    pub cpu_seconds: Option<f64>,
}

/// Devices that are measured for what was asked: the CPU and the best GPU for `auto`, else the one that was named.
pub fn devices(asked: Accelerator) -> Vec<Accelerator> {
    if asked != Accelerator::Auto {
        return vec![asked];
    }
    let gpu = device::list().iter().any(|adapter| adapter.usable && adapter.kind.is_hardware());
    if gpu { vec![Accelerator::Cpu, Accelerator::Gpu] } else { vec![Accelerator::Cpu] }
}

/// The processor of this machine.
pub fn processor() -> String {
    device::select(Accelerator::Cpu)
        .map_or_else(|_| "unknown processor".to_owned(), |cpu| format!("{} ({})", cpu.info.name, cpu.info.driver))
}

/// Measures one stage in this process.
///
/// # Errors
/// The device is missing, or what is measured fails.
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
        device: selected.map(|selected| name(&selected.info)),
        quantities,
        peak_memory: machine::peak_memory(),
        wall_seconds: began.elapsed().as_secs_f64(),
        cpu_seconds: machine::cpu_seconds(),
    })
}

fn name(info: &DeviceInfo) -> String {
    format!("{} ({})", info.name, info.backend)
}

/// Median of some times; NaN of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Calls until `seconds` are over, at least three times after one that does not count; gives back the seconds of each.
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
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn small() -> Setup {
        Setup { accelerator: Accelerator::Cpu, patterns: 24, batch: 4, seconds: 0.01, ..Setup::default() }
    }

    #[test]
    fn every_stage_measures_something_that_is_a_number() {
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
    fn a_measurement_survives_the_way_between_two_processes() {
        let setup = Setup { patterns: 10, ..small() };
        let found = measure(Stage::Group, &setup).unwrap();
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Measurement>(&text).unwrap(), found);
    }

    #[test]
    fn a_device_that_was_named_is_the_only_one_measured() {
        assert_eq!(devices(Accelerator::Cpu), [Accelerator::Cpu]);
        assert_eq!(devices(Accelerator::Wgpu), [Accelerator::Wgpu]);
        assert_eq!(devices(Accelerator::Auto)[0], Accelerator::Cpu);
    }

    #[test]
    fn the_median_of_times_is_not_moved_by_one_that_was_disturbed() {
        assert_eq!(median(vec![1.0, 100.0, 1.1]), 1.1);
        assert!(median(Vec::new()).is_nan());
    }
}
