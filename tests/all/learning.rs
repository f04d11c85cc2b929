//! Training from end to end: it learns, it is reproducible, and the GPU path computes what the CPU path does.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use crate::common;

use common::fixture;
use ptychoscope::config::{Accelerator, Config, DataConfig, DirectConfig};
use ptychoscope::data::Dataset;
use ptychoscope::direct::{self, Start};
use ptychoscope::train::{self, Control, Silent, Trained};
use ptychoscope::worker::device::{self, Selected};
use ptychoscope::{infer, metrics};

fn siemens(patterns: Option<usize>) -> Dataset {
    let config = DataConfig { n_subsample: patterns, ..DataConfig::default() };
    Dataset::load(&fixture("siemens_star_n64.npz"), &config, 1).unwrap()
}

fn epochs(count: usize) -> Config {
    let mut config = Config::default();
    config.training.epochs = Some(count);
    config.training.time_budget_s = None;
    config
}

/// A graphics device, a software rasteriser included; none, with a message, where there is none.
fn wgpu_adapter() -> Option<Selected> {
    let found = device::select(Accelerator::Wgpu).ok();
    if found.is_none() {
        assert!(std::env::var_os("PTYCHOSCOPE_REQUIRE_ADAPTER").is_none(), "no wgpu adapter is here");
        println!("skipped: no wgpu adapter is here");
    }
    found
}

fn trained(dataset: &Dataset, config: &Config, accelerator: Accelerator) -> Option<Trained> {
    let (config, _) = train::adapt(config, dataset);
    let selected = device::select(accelerator).ok()?;
    Some(train::train(dataset, None, &config, &selected.device, &mut Silent).unwrap())
}

#[test]
fn the_network_learns_the_siemens_star_from_its_diffraction_alone() {
    let dataset = siemens(None);
    // After half as many the correlation still depends much on the last bits of the numbers.
    let config = epochs(10);
    let result = trained(&dataset, &config, Accelerator::Cpu).unwrap();
    let losses: Vec<f64> = result.history.0.iter().map(|record| record.train_loss).collect();
    assert!(losses[9] < 0.4 * losses[0], "{losses:?}");
    let (config, _) = train::adapt(&config, &dataset);
    let cpu = device::select(Accelerator::Cpu).unwrap();
    let object =
        infer::reconstruct(&dataset, &result.weights, &result.scaling, &config, &cpu.device, &mut |_| Control::Run)
            .unwrap();
    let truth = dataset.object.as_ref().unwrap();
    let found =
        metrics::phase_correlation(object.object.view(), object.origin_xy, truth.view(), &dataset.positions).unwrap();
    println!("losses {losses:?}, phase correlation {:.3}", found.phase);
    assert!(found.phase > 0.93, "{}", found.phase);

    // The same from parts of the scan, none of which knows the others.
    let parts = infer::reconstruct_in_parts(516, 130, &mut |range| {
        let rows: Vec<usize> = range.collect();
        let part = Dataset::load_rows(&dataset.path, &config.data, &rows, Some(&dataset.fingerprint))?;
        infer::reconstruct(&part, &result.weights, &result.scaling, &config, &cpu.device, &mut |_| Control::Run)
    })
    .unwrap();
    assert_eq!((parts.origin_xy, parts.object.dim()), (object.origin_xy, object.object.dim()));
    let in_parts =
        metrics::phase_correlation(parts.object.view(), parts.origin_xy, truth.view(), &dataset.positions).unwrap();
    println!("in four parts {:.4}, at once {:.4}", in_parts.phase, found.phase);
    assert!((in_parts.phase - found.phase).abs() < 0.01, "{} and {}", in_parts.phase, found.phase);
}

#[test]
fn the_same_seed_gives_the_same_bits_twice_and_another_seed_others() {
    let dataset = siemens(Some(16));
    let mut config = epochs(2);
    config.model.head_filters = 2;
    let run = |config: &Config| trained(&dataset, config, Accelerator::Cpu).unwrap();
    let (first, second) = (run(&config), run(&config));
    assert_eq!(first.weights, second.weights);
    assert_eq!(first.history.0[1].train_loss.to_bits(), second.history.0[1].train_loss.to_bits());
    config.execution.seeds.shuffle += 1;
    assert_ne!(first.weights, run(&config).weights);
}

#[test]
fn gridsizes_two_and_three_train_and_reconstruct() {
    let dataset = siemens(Some(60));
    for gridsize in [2, 3] {
        let mut config = epochs(1);
        config.model.gridsize = gridsize;
        config.data.n_groups = Some(16);
        let result = trained(&dataset, &config, Accelerator::Cpu).unwrap();
        assert_eq!(result.steps, 2);
        let (config, _) = train::adapt(&config, &dataset);
        let cpu = device::select(Accelerator::Cpu).unwrap();
        let object =
            infer::reconstruct(&dataset, &result.weights, &result.scaling, &config, &cpu.device, &mut |_| Control::Run)
                .unwrap();
        assert!(object.object.iter().all(|z| z.re.is_finite() && z.im.is_finite()));
    }
}

#[test]
fn a_wgpu_adapter_gives_the_losses_of_the_cpu() {
    let dataset = siemens(Some(4));
    let mut config = epochs(3);
    config.training.batch_size = 4;
    config.training.warmup_steps = 0;
    if wgpu_adapter().is_none() {
        return;
    }
    let gpu = trained(&dataset, &config, Accelerator::Wgpu).unwrap();
    let cpu = trained(&dataset, &config, Accelerator::Cpu).unwrap();
    for (g, c) in gpu.history.0.iter().zip(&cpu.history.0) {
        println!("wgpu {} cpu {}", g.train_loss, c.train_loss);
        assert!((g.train_loss / c.train_loss - 1.0).abs() < 1e-3, "{} {}", g.train_loss, c.train_loss);
    }
}

#[test]
fn a_wgpu_adapter_solves_directly_what_the_cpu_solves() {
    let Some(selected) = wgpu_adapter() else { return };
    let dataset = siemens(Some(40));
    let config = DirectConfig { epochs: 6, refine_probe: true, ..DirectConfig::default() };
    let cpu = direct::solve(&dataset, &config, &Start::Flat, &mut |_, _| true).unwrap();
    let gpu =
        direct::solve_on(&selected.device, &dataset, &config, &Start::Flat, &mut |_, _| true, &mut |_| ()).unwrap();
    println!("{}: misfits {:?}, CPU {:?}", selected.info.name, gpu.misfits, cpu.misfits);
    for (gpu, cpu) in gpu.misfits.iter().zip(&cpu.misfits) {
        assert!((gpu - cpu).abs() < 1e-3 * cpu, "{gpu} and {cpu}");
    }
    let pairs = gpu.reconstruction.object.iter().zip(&cpu.reconstruction.object);
    let apart: f32 = pairs.clone().map(|(a, b)| (a - b).norm_sqr()).sum();
    let whole: f32 = pairs.map(|(_, b)| b.norm_sqr()).sum();
    assert!((apart / whole).sqrt() < 2e-3, "objects differ by {}", (apart / whole).sqrt());
}

#[test]
fn a_loss_that_is_no_longer_a_number_ends_the_training_with_the_last_good_weights() {
    let dataset = siemens(Some(40));
    let mut config = epochs(40);
    config.training.learning_rate = 1e30;
    config.training.warmup_steps = 0;
    config.training.gradient_clip = 0.0;
    let result = trained(&dataset, &config, Accelerator::Cpu).unwrap();
    assert_eq!(result.outcome, train::Outcome::RestoredAfterNan);
    result.weights.check().unwrap();
    assert!(result.epochs < 40);
}

/// Keeps the weights that each report brings.
struct Weighed(Vec<ptychoscope::model::Weights>);

impl train::Observer for Weighed {
    fn control(&mut self) -> Control {
        Control::Run
    }
    fn progress(
        &mut self,
        _: &train::Progress,
        weights: &dyn Fn() -> ptychoscope::error::Result<ptychoscope::model::Weights>,
    ) {
        self.0.push(weights().unwrap());
    }
    fn epoch(&mut self, _: &train::EpochRecord, _: &train::Snapshot<'_>) {}
    fn note(&mut self, text: &str) {
        assert!(text.contains("no longer finite"), "{text}");
    }
}

/// One step an epoch, so that there is a report after each step.
#[test]
fn the_weights_restored_after_nan_are_the_last_ones_that_gave_a_loss() {
    let dataset = siemens(Some(8));
    let mut config = epochs(40);
    config.training.batch_size = 8;
    config.training.warmup_steps = 0;
    config.training.teacher_share = 0.0;
    config.training.gradient_clip = 0.0;
    config.training.schedule = ptychoscope::config::Schedule::Constant;
    config.model.n_filters_scale = 1;
    for learning_rate in [1e-3, 1e30] {
        config.training.learning_rate = learning_rate;
        config.training.epochs = Some(if learning_rate < 1.0 { 3 } else { 40 });
        let (config, _) = train::adapt(&config, &dataset);
        let cpu = device::select(Accelerator::Cpu).unwrap();
        let mut weighed = Weighed(Vec::new());
        let result = train::train(&dataset, None, &config, &cpu.device, &mut weighed).unwrap();
        let reports = weighed.0.len();
        if learning_rate < 1.0 {
            assert_eq!((result.outcome, reports), (train::Outcome::Completed, 3));
            assert_eq!(result.weights, weighed.0[2]);
            continue;
        }
        assert_eq!(result.outcome, train::Outcome::RestoredAfterNan);
        assert_eq!(reports, result.steps - 1, "the step whose loss is no number is not reported");
        // The latest reported step gave no loss any more; the weights before it did.
        let before = reports.checked_sub(2).map(|at| weighed.0[at].clone());
        match before {
            Some(before) => assert_eq!(result.weights, before),
            None => assert_ne!(result.weights, weighed.0[0], "the first step was bad: those before it are kept"),
        }
        result.weights.check().unwrap();
    }
}
