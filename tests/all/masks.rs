//! Masked pixels: what a beamstop and dead pixels hide must not be taken for darkness.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use ndarray::{Array2, Axis, Zip};
use ptychoscope::config::{Config, DataConfig, Zingers};
use ptychoscope::data::{Dataset, Reconstruction};
use ptychoscope::direct::{self, Start};
use ptychoscope::simulate::{Sources, simulate};
use ptychoscope::train::{self, Control, Silent};
use ptychoscope::{infer, metrics, worker};

/// A scan whose detector has a beamstop and dead pixels, and the same one taken as if they had measured darkness.
fn scan(folder: &std::path::Path) -> (Dataset, Dataset) {
    let mut config = Config::default();
    config.simulation.n_images = Some(80);
    config.simulation.beamstop_diameter = 5.0;
    config.simulation.dead_pixels = 0.02;
    let path = folder.join("scan.npz");
    simulate(&config, &Sources::default(), &path, &mut |_, _| true).unwrap();
    let masked = Dataset::load(&path, &DataConfig::default(), 1).unwrap();
    let mask = masked.mask.clone().unwrap();
    let mut holed = masked.clone();
    for mut pattern in holed.diffraction.axis_iter_mut(Axis(0)) {
        Zip::from(&mut pattern).and(&mask).for_each(|value, &good| *value = if good { *value } else { 0.0 });
    }
    holed.mask = None;
    (masked, holed)
}

/// Correlation of the phase with the truth, and misfit to what was measured.
fn judged(found: &Reconstruction, dataset: &Dataset, good: &Array2<bool>) -> (f64, f64) {
    let truth = dataset.object.as_ref().unwrap();
    let (object, origin) = (found.object.view(), found.origin_xy);
    let correlation = metrics::phase_correlation(object, origin, truth.view(), &dataset.positions).unwrap();
    let good = metrics::GoodPixels { common: Some(good), each: None };
    let misfit = metrics::consistency_r(object, origin, &metrics::Measured { good, ..dataset.measured() });
    (correlation.phase, misfit.unwrap())
}

#[test]
fn a_beamstop_and_dead_pixels_do_less_harm_when_they_are_masked() {
    let folder = tempfile::tempdir().unwrap();
    let (masked, holed) = scan(folder.path());
    let good = masked.mask.clone().unwrap();
    assert!(good.iter().filter(|good| !**good).count() > 60);
    let config = Config::default();
    let solved = |dataset: &Dataset| {
        let solved = direct::solve(dataset, &config.direct, &Start::Flat, &mut |_, _| true).unwrap();
        judged(&solved.reconstruction, dataset, &good)
    };
    let (with, without) = (solved(&masked), solved(&holed));
    println!("direct: phase correlation and misfit {with:?} with the mask, {without:?} without");
    assert!(with.0 > without.0 + 0.05 && with.1 < 0.5 * without.1, "{with:?} {without:?}");

    let mut config = Config::default();
    config.training.epochs = Some(4);
    config.model.head_filters = 4;
    config.training.time_budget_s = None;
    let cpu = worker::device::select(ptychoscope::config::Accelerator::Cpu).unwrap();
    let learnt = |dataset: &Dataset| {
        let (config, _) = train::adapt(&config, dataset);
        let trained = train::train(dataset, None, &config, &cpu.device, &mut Silent).unwrap();
        let found = infer::reconstruct(dataset, &trained.weights, &trained.scaling, &config, &cpu.device, &mut |_| {
            Control::Run
        });
        judged(&found.unwrap(), dataset, &good)
    };
    let (with, without) = (learnt(&masked), learnt(&holed));
    println!("network: phase correlation and misfit {with:?} with the mask, {without:?} without");
    assert!(with.0 > without.0 && with.1 < without.1, "{with:?} {without:?}");
}

#[test]
fn zingers_and_a_background_do_little_harm_to_a_network_that_knows_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.simulation.n_images = Some(80);
    let path = folder.path().join("scan.npz");
    simulate(&config, &Sources::default(), &path, &mut |_, _| true).unwrap();
    let clean = Dataset::load(&path, &DataConfig::default(), 1).unwrap();
    let peak = clean.diffraction.iter().copied().fold(0.0, f32::max).powi(2);
    let light = clean.diffraction.iter().map(|a| a * a).sum::<f32>() / clean.diffraction.len() as f32 / 4.0;
    let mut struck = clean.clone();
    for (at, value) in struck.diffraction.iter_mut().enumerate() {
        let zinger = if at * 7919 % 1009 < 10 { 0.5 * peak } else { 0.0 };
        *value = (*value * *value + light + zinger).sqrt();
    }
    let path = folder.path().join("struck.npz");
    struck.save(&path, &ptychoscope::data::metadata_of(&path)).unwrap();
    let setting = |zingers| DataConfig { background: f64::from(light), zingers, ..DataConfig::default() };
    let known = Dataset::load(&path, &setting(Zingers::Auto), 1).unwrap();
    let masks = known.pattern_masks.as_ref().unwrap();
    assert!(masks.total() > struck.diffraction.len() / 125, "{}", masks.total());
    config.training.epochs = Some(12);
    config.training.time_budget_s = None;
    let device = worker::device::select(ptychoscope::config::Accelerator::Cpu).unwrap().device;
    let phase = |dataset: &Dataset| {
        let (config, _) = train::adapt(&config, dataset);
        let trained = train::train(dataset, None, &config, &device, &mut Silent).unwrap();
        let found =
            infer::reconstruct(dataset, &trained.weights, &trained.scaling, &config, &device, &mut |_| Control::Run)
                .unwrap();
        let truth = dataset.object.as_ref().unwrap();
        metrics::phase_correlation(found.object.view(), found.origin_xy, truth.view(), &dataset.positions)
            .unwrap()
            .phase
    };
    let (undisturbed, with, without) = (phase(&clean), phase(&known), phase(&struck));
    println!("network: phase correlation {undisturbed:.3} undisturbed, {with:.3} known, {without:.3} ignored");
    assert!(with > undisturbed - 0.1 && with > without, "{undisturbed} {with} {without}");
}
