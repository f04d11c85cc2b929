//! Speed of training, prediction, stitching, grouping and loading.

use super::scan::Scan;
use super::{Quantity, Setup, median, repeat};
use crate::config::Config;
use crate::data::{self, Dataset};
use crate::error::{Error, Result};
use crate::infer::{patch_weight, predict, stitch, synchronize};
use crate::model::{Weights, network_size, untrained_weights};
use crate::train::{self, Control, EpochRecord, Observer, Progress, Snapshot, scaling_of};
use burn::tensor::Device;
use ndarray::Array3;
use num_complex::Complex32;
use std::time::Instant;

/// Operations of a training step relative to a prediction: forward, and backward for input and weights.
const TRAINING_FACTOR: f64 = 3.0;

/// Records steps and times of the progress reports, and stops the training after some seconds.
struct StepTimer {
    began: Instant,
    seconds: f64,
    reports: Vec<(usize, f64)>,
}

impl Observer for StepTimer {
    fn control(&mut self) -> Control {
        // The first step compiles kernels, so the clock starts at the first report.
        let over = self.reports.len() >= 3 && self.began.elapsed().as_secs_f64() > self.seconds;
        if over { Control::Stop } else { Control::Run }
    }

    fn progress(&mut self, progress: &Progress, _: &dyn Fn() -> Result<Weights>) {
        if self.reports.is_empty() {
            self.began = Instant::now();
        }
        self.reports.push((progress.step, progress.elapsed_s));
    }

    fn epoch(&mut self, _: &EpochRecord, _: &Snapshot<'_>) {}

    fn note(&mut self, _: &str) {}
}

/// Steps per second between the first and the last report.
fn steps_per_second(dataset: &Dataset, config: &Config, seconds: f64, device: &Device) -> Result<f64> {
    let mut timer = StepTimer { began: Instant::now(), seconds, reports: Vec::new() };
    train::train(dataset, None, config, device, &mut timer)?;
    match (timer.reports.first(), timer.reports.last()) {
        (Some(first), Some(last)) if last.0 > first.0 => Ok((last.0 - first.0) as f64 / (last.1 - first.1).max(1e-9)),
        _ => Err(Error::failed("The training was too short to be measured")),
    }
}

/// Steps per second without and with the overlap term (loss of the merged neighborhood) of the recipe.
pub(super) fn training(setup: &Setup, device: &Device) -> Result<Vec<Quantity>> {
    let dataset = Scan::new(setup)?.load(setup)?;
    let mut config = setup.config();
    // More epochs than are ever reached, so that all steps are of the same kind.
    config.training.epochs = Some(1_000_000);
    config.training.time_budget_s = None;
    config.training.overlap_weight = 0.0;
    let plain = steps_per_second(&dataset, &config, setup.seconds, device)?;
    let channels = (setup.gridsize * setup.gridsize) as f64;
    let patterns = plain * (setup.batch.min(setup.patterns) as f64) * channels;
    let size = network_size(setup.patch, &config.model)?;
    let operations = TRAINING_FACTOR * 2.0 * size.multiply_adds as f64 / channels;
    let mut quantities = vec![
        Quantity::new("training", plain, "steps/s"),
        Quantity::new("training", patterns, "patterns/s"),
        Quantity::new("arithmetic of the network in training", patterns * operations / 1e9, "GFLOP/s"),
    ];
    config.training.overlap_weight = Config::default().training.overlap_weight;
    config.training.epochs = None;
    // The overlap term reaches its full weight after half of the budget: the second half is measured.
    config.training.time_budget_s = Some(2.0 * setup.seconds.max(1.0));
    let mut timer = StepTimer { began: Instant::now(), seconds: f64::INFINITY, reports: Vec::new() };
    train::train(&dataset, None, &config, device, &mut timer)?;
    let half = timer.reports.iter().find(|report| report.1 >= setup.seconds.max(1.0));
    if let (Some(first), Some(last)) = (half, timer.reports.last())
        && last.0 > first.0
    {
        let rate = (last.0 - first.0) as f64 / (last.1 - first.1).max(1e-9);
        quantities.push(Quantity::new("training with overlap term", rate, "steps/s"));
    }
    Ok(quantities)
}

/// Duration of one epoch.
pub(super) fn epoch(setup: &Setup, device: &Device) -> Result<Vec<Quantity>> {
    let dataset = Scan::new(setup)?.load(setup)?;
    let mut config = setup.config();
    config.training.epochs = Some(1);
    config.training.time_budget_s = None;
    config.training.overlap_weight = 0.0;
    let began = Instant::now();
    train::train(&dataset, None, &config, device, &mut train::Silent)?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(vec![
        Quantity::new("one epoch", seconds, "s"),
        Quantity::new("one epoch, per pattern", 1e3 * seconds / setup.patterns as f64, "ms"),
    ])
}

/// Patterns per second of the prediction alone.
pub(super) fn prediction(setup: &Setup, device: &Device) -> Result<Vec<Quantity>> {
    let dataset = Scan::new(setup)?.load(setup)?;
    let config = setup.config();
    let scaling = scaling_of(&dataset, &config)?;
    let (patterns, seed) = (dataset.diffraction.view(), config.execution.seeds.weights);
    let weights = untrained_weights(patterns, scaling.normalization, &config.model, seed)?;
    let times = repeat(setup.seconds, || {
        predict(&dataset, &weights, &scaling, &config, device, &mut |_| Control::Run).map(|_| ())
    })?;
    Ok(vec![Quantity::new("prediction", setup.patterns as f64 / median(times), "patterns/s")])
}

/// Patterns per second of phase synchronization and of stitching.
pub(super) fn stitching(setup: &Setup) -> Result<Vec<Quantity>> {
    let n = setup.patch;
    let positions = positions(setup.patterns);
    let patches = Array3::from_shape_fn((setup.patterns, n, n), |(k, y, x)| {
        Complex32::from_polar(1.0 + 0.1 * ((y * 3 + x * 5) % 7) as f32, (k % 11) as f32)
    });
    let probe = Array3::from_shape_fn((1, n, n), |(_, y, x)| {
        let [dy, dx] = [y, x].map(|i| i as f32 - n as f32 / 2.0);
        Complex32::new((-(dy * dy + dx * dx) / (n * n) as f32 * 16.0).exp(), 0.0)
    });
    let weight = patch_weight(&setup.config().inference, probe.view())?;
    let unit: Vec<usize> = (0..setup.patterns).collect();
    let (mut synchronizing, mut stitching) = (Vec::new(), Vec::new());
    // Large scans are measured once, being slow enough.
    for _ in 0..if setup.patterns > 10_000 { 1 } else { 3 } {
        let start = Instant::now();
        std::hint::black_box(synchronize(patches.view(), &positions, weight.view(), &unit));
        synchronizing.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        std::hint::black_box(stitch(patches.view(), &positions, weight.view())?);
        stitching.push(start.elapsed().as_secs_f64());
    }
    let rate = |times| setup.patterns as f64 / median(times);
    Ok(vec![
        Quantity::new("phase synchronization", rate(synchronizing), "patterns/s"),
        Quantity::new("stitching", rate(stitching), "patterns/s"),
    ])
}

/// Positions of a jittered raster, neighbors about 8 px apart.
fn positions(count: usize) -> Vec<[f64; 2]> {
    let columns = (count as f64).sqrt().ceil() as usize;
    let jitter = |i: usize| ((i * 2_654_435_761) % 1000) as f64 / 1000.0 * 3.0;
    (0..count).map(|i| [(i % columns) as f64 * 8.0 + jitter(i), (i / columns) as f64 * 8.0 + jitter(i + 1)]).collect()
}

/// Positions per second of grouping with grid size 2, or that of the setup if larger.
pub(super) fn grouping(setup: &Setup) -> Result<Vec<Quantity>> {
    let positions = positions(setup.patterns);
    let config = setup.config();
    let times = repeat(setup.seconds / 8.0, || {
        let seed = config.execution.seeds.grouping;
        data::group(&positions, setup.gridsize.max(2), &config.data, seed).map(|groups| {
            std::hint::black_box(groups);
        })
    })?;
    Ok(vec![Quantity::new("grouping", setup.patterns as f64 / median(times), "positions/s")])
}

/// Megabytes of patterns per second, from a compressed file to validated arrays.
pub(super) fn loading(setup: &Setup) -> Result<Vec<Quantity>> {
    let scan = Scan::new(setup)?;
    let times = repeat(setup.seconds / 8.0, || scan.load(setup).map(|_| ()))?;
    let bytes = (setup.patterns * setup.patch * setup.patch * 4) as f64;
    Ok(vec![Quantity::new("loading", bytes / 1e6 / median(times), "MB/s")])
}
