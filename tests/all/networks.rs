//! Every network and every option of its physics: each trains, infers, survives its file, and does what it says.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use crate::common;

use common::program;
use ndarray::{Array2, Array3, Axis};
use num_complex::{Complex32, Complex64};
use ptychoscope::checkpoint::Bundle;
use ptychoscope::config::{Accelerator, Config, DataConfig, ModelType};
use ptychoscope::data::{Dataset, NpyArray, NpzArchive, Reconstruction, write_npz};
use ptychoscope::error::Result;
use ptychoscope::model::Weights;
use ptychoscope::train::{self, Control, EpochRecord, History, Observer, Resume, Silent, Snapshot, Trained};
use ptychoscope::worker::device;
use ptychoscope::{infer, metrics};
use std::path::Path;

/// A smooth object under a Gaussian probe of one or more modes, scanned in a square.
fn scan(side: usize, count: usize, modes: usize) -> Dataset {
    let middle = side as f32 / 2.0;
    let probe = Array3::from_shape_fn((modes, side, side), |(m, y, x)| {
        let (dy, dx) = ((y as f32 - middle) / side as f32 * 64.0, (x as f32 - middle) / side as f32 * 64.0);
        let lobe = if m == 0 { 1.0 } else { 0.05 * dx };
        Complex32::from_polar((-(dy * dy + dx * dx) / 160.0).exp() * lobe, 0.004 * (dy * dy + dx * dx))
    });
    let columns = (count as f64).sqrt().ceil() as usize;
    let step = side as f64 / 12.0;
    let positions: Vec<[f64; 2]> = (0..count)
        .map(|n| [0.75 * side as f64 + step * (n % columns) as f64, 0.75 * side as f64 + step * (n / columns) as f64])
        .collect();
    let size = 2 * side + (step * columns as f64) as usize;
    let object = Array2::from_shape_fn((size, size), |(y, x)| {
        let (y, x) = (y as f32 / side as f32, x as f32 / side as f32);
        Complex32::from_polar(0.8 + 0.15 * (9.0 * x + 2.0 * y).sin(), 0.6 * (7.0 * y).cos() + 0.4 * (5.0 * x).sin())
    });
    let whole = Reconstruction {
        coverage: Array2::ones(object.dim()),
        object: object.clone(),
        origin_xy: [0.0; 2],
        pixel_size_m: None,
    };
    let patches = whole.patches(&positions, side);
    let fft = ptychoscope::fourier::Fft2::<f32>::new(side, side);
    let mut diffraction = Array3::<f32>::zeros((count, side, side));
    for (mut pattern, patch) in diffraction.axis_iter_mut(Axis(0)).zip(patches.axis_iter(Axis(0))) {
        for mode in probe.axis_iter(Axis(0)) {
            let mut exit: Vec<Complex32> = patch.iter().zip(&mode).map(|(o, p)| o * p * 30.0).collect();
            fft.forward_in_place(&mut exit);
            for ((y, x), value) in pattern.indexed_iter_mut() {
                let at = ((y + side / 2) % side) * side + (x + side / 2) % side;
                *value += exit[at].norm_sqr() / (side * side) as f32;
            }
        }
    }
    Dataset {
        object: Some(object),
        rows: (0..count).collect(),
        ..Dataset::from_arrays(diffraction.mapv(f32::sqrt), positions, probe.mapv(|value| value * 30.0))
    }
}

fn config(settings: &[(&str, &str)]) -> Config {
    let mut config = Config::default();
    config.training.time_budget_s = None;
    config.training.epochs = Some(1);
    config.training.teacher_share = 0.0;
    config.training.warmup_steps = 0;
    for (path, value) in settings {
        config.set(path, value).unwrap_or_else(|error| panic!("{path} = {value}: {error}"));
    }
    config.validate().unwrap();
    config
}

fn cpu() -> burn::tensor::Device {
    device::select(Accelerator::Cpu).unwrap().device
}

fn trained(dataset: &Dataset, config: &Config) -> (Trained, Config) {
    let (config, _) = train::adapt(config, dataset);
    (train::train(dataset, None, &config, &cpu(), &mut Silent).unwrap(), config)
}

fn reconstructed(dataset: &Dataset, trained: &Trained, weights: &Weights, config: &Config) -> Reconstruction {
    infer::reconstruct(dataset, weights, &trained.scaling, config, &cpu(), &mut |_| Control::Run).unwrap()
}

/// Three steps, then the object, from the weights as they come back from their file.
fn works(name: &str, dataset: &Dataset, settings: &[(&str, &str)]) -> (Trained, Reconstruction) {
    let mut config = config(settings);
    config.training.batch_size = 1;
    config.data.n_groups = Some(3);
    let (result, config) = trained(dataset, &config);
    assert_eq!(result.steps, 3, "{name}");
    let losses: Vec<f64> = result.history.0.iter().map(|record| record.train_loss).collect();
    assert!(losses.iter().all(|loss| loss.is_finite()), "{name}: {losses:?}");
    let back = Weights::from_bytes(&result.weights.to_bytes().unwrap()).unwrap();
    let mut few = dataset.clone();
    few.object = None;
    let object = reconstructed(&few, &result, &back, &config);
    assert!(object.object.iter().all(|z| z.re.is_finite() && z.im.is_finite()), "{name}");
    assert!(object.object.iter().any(|z| z.norm() > 0.0), "{name}");
    (result, object)
}

#[test]
fn every_network_trains_three_steps_and_infers() {
    let small = scan(64, 20, 1);
    let tables: [(&str, &[(&str, &str)]); 26] = [
        ("grid size 2", &[("model.gridsize", "2")]),
        ("grid size 3", &[("data.neighbor_count", "12"), ("model.gridsize", "3")]),
        ("grid size 4", &[("data.neighbor_count", "16"), ("model.gridsize", "4")]),
        (
            "grid size 4 with a border",
            &[("data.neighbor_count", "16"), ("model.gridsize", "4"), ("model.last_stage", "border_mask")],
        ),
        ("groups that are not merged", &[("model.gridsize", "2"), ("model.object_big", "false")]),
        ("the reference's weights", &[("model.gridsize", "2"), ("model.merge_weighting", "central_window")]),
        ("uniform weights", &[("model.gridsize", "2"), ("model.merge_weighting", "uniform")]),
        ("real and imaginary", &[("model.cnn_output_mode", "real_imag")]),
        ("shared decoder", &[("model.use_shared_decoder", "true")]),
        ("shared, real and imaginary", &[("model.use_shared_decoder", "true"), ("model.cnn_output_mode", "real_imag")]),
        ("silu", &[("model.amp_activation", "silu")]),
        ("softplus", &[("model.amp_activation", "softplus")]),
        ("relu", &[("model.amp_activation", "relu")]),
        ("batch normalisation", &[("model.batch_norm", "true")]),
        ("unmasked border", &[("model.last_stage", "border_unmasked")]),
        ("narrow border", &[("model.last_stage", "border_narrow")]),
        ("instances", &[("model.input_transform", "instance_norm")]),
        ("whole patches", &[("inference.stitch_weighting", "whole")]),
        ("fno", &[("model.architecture", "fno"), ("model.fno_width", "8")]),
        ("vanilla fno", &[("model.architecture", "fno_vanilla"), ("model.fno_width", "8")]),
        ("ffno", &[("model.architecture", "ffno"), ("model.fno_width", "8")]),
        (
            "ffno of groups",
            &[("model.gridsize", "2"), ("model.architecture", "ffno"), ("model.generator_output_mode", "amp_phase")],
        ),
        ("smoothing", &[("model.gaussian_smoothing_sigma", "0.7")]),
        ("trained probe", &[("model.probe_trainable", "true")]),
        ("trained scale", &[("model.intensity_scale_trainable", "true")]),
        ("jitter", &[("model.position_jitter", "1.5"), ("model.gridsize", "2")]),
    ];
    for (name, settings) in tables {
        works(name, &small, settings);
    }
    works("N = 128, two modes", &scan(128, 4, 2), &[]);
    let large = scan(256, 3, 1);
    works("full frame of N = 256", &large, &[("model.last_stage", "full_frame"), ("model.head_filters", "2")]);
    works("border of N = 256", &large, &[("model.last_stage", "border_mask")]);
    works("fno of N = 256", &large, &[("model.architecture", "fno"), ("model.fno_width", "4")]);
}

#[test]
fn what_changes_the_physics_changes_the_training() {
    let dataset = scan(64, 16, 2);
    let loss = |settings: &[(&str, &str)]| {
        let dataset = match settings.iter().find(|(path, _)| *path == "modes") {
            Some(_) => Dataset { probe: dataset.probe.slice(ndarray::s![..1, .., ..]).to_owned(), ..dataset.clone() },
            None => dataset.clone(),
        };
        let settings: Vec<_> = settings.iter().filter(|(path, _)| *path != "modes").copied().collect();
        let mut config = config(&settings);
        config.training.batch_size = 2;
        config.model.gridsize = 2;
        config.data.n_groups = Some(4);
        trained(&dataset, &config).0.history.0[0].train_loss.to_bits()
    };
    let plain = loss(&[]);
    assert_eq!(plain, loss(&[("model.probe_learning_rate", "0.1")]), "without effect where the probe is not trained");
    let mut seen = vec![plain];
    for settings in [
        &[("model.gaussian_smoothing_sigma", "0.7")][..],
        &[("model.gaussian_smoothing_sigma", "0.4")],
        &[("model.position_jitter", "1")],
        &[("model.position_jitter", "1"), ("execution.seeds.shuffle", "9")],
        &[("model.probe_trainable", "true")],
        &[("model.probe_trainable", "true"), ("model.probe_learning_rate", "0.1")],
        &[("model.intensity_scale_trainable", "true")],
        &[("model.merge_weighting", "central_window")],
        &[("model.merge_weighting", "uniform")],
        &[("modes", "1")],
    ] {
        let found = loss(settings);
        assert!(!seen.contains(&found), "{settings:?} does nothing");
        seen.push(found);
    }
}

/// |⟨a, b⟩| / (|a| |b|)
fn likeness(a: &Array3<Complex32>, b: &Array3<Complex32>) -> f64 {
    let wide = |z: &Complex32| Complex64::new(z.re.into(), z.im.into());
    let sum: Complex64 = a.iter().zip(b).map(|(a, b)| wide(a) * wide(b).conj()).sum();
    let norm = |p: &Array3<Complex32>| p.iter().map(|z| f64::from(z.norm_sqr())).sum::<f64>();
    sum.norm() / (norm(a) * norm(b)).sqrt()
}

#[test]
fn a_trained_probe_explains_the_data_better_keeps_its_power_and_belongs_to_the_object() {
    let right = scan(64, 9, 1);
    let mut wrong = right.clone();
    // Too wide, and too flat.
    for ((_, y, x), value) in wrong.probe.indexed_iter_mut() {
        let squared = (y as f32 - 32.0).powi(2) + (x as f32 - 32.0).powi(2);
        *value = Complex32::from_polar(30.0 * (-squared / 220.0).exp(), 0.002 * squared);
    }
    // A network that all but rests cannot make up for the probe.
    let rest = ("training.learning_rate", "0.00001");
    let settings = [("training.batch_size", "3"), ("training.overlap_weight", "0"), ("training.epochs", "12"), rest];
    let last = |trained: &Trained| trained.history.0.last().unwrap().train_loss;
    let (fixed, _) = trained(&wrong, &config(&settings));
    let with_probe =
        [&settings[..], &[("model.probe_trainable", "true"), ("model.probe_learning_rate", "0.01")]].concat();
    let (moved, config) = trained(&wrong, &config(&with_probe));
    println!("loss {:.4e} with the probe as it is, {:.4e} with it trained", last(&fixed), last(&moved));
    assert!(last(&moved) < 0.8 * last(&fixed), "{} {}", last(&moved), last(&fixed));
    assert!(train::trained_probe(&fixed.weights).is_none());
    let found = train::trained_probe(&moved.weights).unwrap();
    let power = |probe: &Array3<Complex32>| probe.iter().map(|z| f64::from(z.norm_sqr())).sum::<f64>();
    let factor = moved.scaling.probe_factor;
    assert!((power(&found) / power(&wrong.probe) / factor.powi(2) - 1.0).abs() < 1e-4);
    let (before, after) = (likeness(&wrong.probe, &right.probe), likeness(&found, &right.probe));
    println!("likeness to the right probe {before:.3} before, {after:.3} after");
    assert!((after - before).abs() > 1e-3);
    // The object belongs to the trained probe: with it the misfit is smaller than with the one of the dataset.
    let object = reconstructed(&wrong, &moved, &moved.weights, &config);
    let misfit = |probe: &Array3<Complex32>| {
        let measured = metrics::Measured { probe: probe.view(), ..wrong.measured() };
        metrics::consistency_r(object.object.view(), object.origin_xy, &measured).unwrap()
    };
    let (with, without) = (misfit(&found.mapv(|z| z / factor as f32)), misfit(&wrong.probe));
    println!("misfit {with:.3} with the trained probe, {without:.3} with the one of the dataset");
    assert!(with < without, "{with} {without}");
}

#[test]
fn a_masked_probe_stays_dark_outside_of_its_mask_while_it_is_trained() {
    let dataset = scan(64, 9, 1);
    let mut config = config(&[
        ("data.probe_mask", "hard"),
        ("data.probe_mask_diameter", "40"),
        ("model.probe_trainable", "true"),
        ("training.batch_size", "3"),
    ]);
    let mask = ptychoscope::data::probe_mask(64, &config.data).unwrap();
    let mut masked = dataset.clone();
    masked.probe.axis_iter_mut(Axis(0)).for_each(|mut mode| mode.zip_mut_with(&mask, |z, m| *z *= *m));
    config.training.epochs = Some(4);
    let (result, _) = trained(&masked, &config);
    let found = train::trained_probe(&result.weights).unwrap();
    assert!(likeness(&found, &masked.probe) < 1.0 - 1e-6, "it was trained");
    let outside = found.indexed_iter().filter(|((_, y, x), _)| mask[[*y, *x]] == 0.0);
    assert!(outside.into_iter().all(|(_, value)| *value == Complex32::ZERO));
}

#[test]
fn a_trained_scale_finds_the_flux_that_the_probe_was_said_to_have() {
    let right = scan(64, 9, 1);
    let flux = |factor: f32| {
        let mut dataset = right.clone();
        dataset.probe.mapv_inplace(|value| value * factor);
        // As it is, without a normalisation that would take the factor out.
        let mut config = config(&[
            ("model.probe_normalization", "fixed"),
            ("model.probe_scale", "30"),
            ("model.intensity_scale_trainable", "true"),
            // Bounded everywhere: a border path would make up for any flux.
            ("model.last_stage", "full_frame"),
            ("model.head_filters", "2"),
            ("training.batch_size", "3"),
            ("training.epochs", "8"),
            ("training.learning_rate", "0.01"),
            ("training.overlap_weight", "0"),
        ]);
        config.training.schedule = ptychoscope::config::Schedule::Constant;
        let (result, config) = trained(&dataset, &config);
        let factor = train::amplitude_factor(&result.weights);
        let object = reconstructed(&dataset, &result, &result.weights, &config);
        let mut plain = result.weights.clone();
        plain.0.retain(|name, _| !name.starts_with("physics."));
        let without = reconstructed(&dataset, &result, &plain, &config);
        let ratio = object.object[[64, 64]].norm() / without.object[[64, 64]].norm();
        assert!((f64::from(ratio) / factor - 1.0).abs() < 1e-4, "the object is reported with the factor");
        factor
    };
    let (weak, strong) = (flux(0.5), flux(8.0));
    println!("factor {weak:.3} for a probe that is said to be weak, {strong:.3} for a strong one");
    assert!(weak > 1.1 && strong < 0.99, "{weak} {strong}");
}

/// Keeps what could be saved after each epoch.
#[derive(Default)]
struct Keeper(History, Vec<Resume>);

impl Observer for Keeper {
    fn control(&mut self) -> Control {
        Control::Run
    }
    fn progress(&mut self, _: &train::Progress, _: &dyn Fn() -> Result<Weights>) {}
    fn epoch(&mut self, record: &EpochRecord, snapshot: &Snapshot<'_>) {
        self.0.0.push(record.clone());
        let Some(state) = snapshot.state else { return };
        let (weights, state) = ((snapshot.weights)().unwrap(), state().unwrap());
        self.1.push(Resume { weights, state, history: self.0.clone() });
    }
    fn note(&mut self, _: &str) {}
}

#[test]
fn probe_scale_and_jitter_go_on_to_the_bit_after_a_training_was_cut_off() {
    let dataset = scan(64, 12, 2);
    let config = config(&[
        ("model.probe_trainable", "true"),
        ("model.intensity_scale_trainable", "true"),
        ("model.position_jitter", "0.5"),
        ("training.teacher_share", "0.5"),
        ("direct.epochs", "3"),
        ("training.batch_size", "4"),
        ("training.epochs", "4"),
    ]);
    let (config, _) = train::adapt(&config, &dataset);
    let mut keeper = Keeper::default();
    let whole = train::train(&dataset, None, &config, &cpu(), &mut keeper).unwrap();
    assert_eq!(keeper.1.len(), 4);
    for resume in keeper.1 {
        let epoch = resume.history.0.len();
        let resumed = train::train_from(Some(resume), &dataset, None, &config, &cpu(), &mut Silent).unwrap();
        assert_eq!(resumed.weights, whole.weights, "after epoch {epoch}");
    }
}

/// The dataset as a file, with these arrays more.
fn write(dataset: &Dataset, path: &Path, more: &[(&str, NpyArray<'_>)]) {
    let axis = |k: usize| dataset.positions.iter().map(|p| p[k]).collect::<ndarray::Array1<f64>>().into_dyn();
    let (xs, ys) = (axis(0), axis(1));
    let mut arrays = vec![
        ("diffraction", NpyArray::F32(dataset.diffraction.view().into_dyn())),
        ("xcoords", NpyArray::F64(xs.view())),
        ("ycoords", NpyArray::F64(ys.view())),
        ("probeGuess", NpyArray::C32(dataset.probe.view().into_dyn())),
    ];
    arrays.extend(more.iter().map(|(key, array)| (*key, array.view())));
    write_npz(path, &arrays).unwrap();
}

#[test]
fn a_supervised_network_learns_the_object_that_it_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let made = scan(64, 9, 1);
    write(&made, &path, &[("objectGuess", NpyArray::C32(made.object.as_ref().unwrap().view().into_dyn()))]);
    let dataset = Dataset::load(&path, &DataConfig::default(), 1).unwrap();
    for outputs in ["amp_phase", "real_imag"] {
        let mut config = config(&[
            ("model.model_type", "supervised"),
            ("model.cnn_output_mode", outputs),
            ("training.batch_size", "3"),
            ("training.epochs", "14"),
            ("training.learning_rate", "0.003"),
        ]);
        assert_eq!(config.model.model_type, ModelType::Supervised);
        config.inference.phase_synchronization = false;
        let (result, config) = trained(&dataset, &config);
        let (first, last) = (result.history.0[0].train_loss, result.history.last().unwrap().train_loss);
        let object = reconstructed(&dataset, &result, &result.weights, &config);
        let truth = dataset.object.as_ref().unwrap();
        let found =
            metrics::phase_correlation(object.object.view(), object.origin_xy, truth.view(), &dataset.positions)
                .unwrap();
        // In the units of the object that it was shown.
        let middle = [object.origin_xy[0], object.origin_xy[1]];
        let at = |x: f64, y: f64| object.object[[(y - middle[1]).round() as usize, (x - middle[0]).round() as usize]];
        let [x, y] = dataset.positions[4];
        let (a, b) = (at(x, y).norm(), truth[[y.round() as usize, x.round() as usize]].norm());
        println!("{outputs}: loss {first:.3} to {last:.3}, phase {:.3}, amplitude {a:.3} of {b:.3}", found.phase);
        assert!(last < 0.7 * first && found.phase > 0.5, "{outputs}: {first} {last} {}", found.phase);
        assert!((a / b - 1.0).abs() < 0.3, "{outputs}: {a} {b}");
    }
}

#[test]
fn supervised_training_is_refused_where_there_is_no_truth_and_runs_from_end_to_end_where_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let made = scan(64, 9, 1);
    let path = |name: &str| folder.path().join(name);
    write(&made, &path("bare.npz"), &[]);
    let run = |dataset: &str, output: &str, more: &[&str]| {
        let words =
            ["run", path(dataset).to_str().unwrap(), "--output-dir", path(output).to_str().unwrap()].map(str::to_owned);
        let fixed = ["--accelerator", "cpu", "--epochs", "2", "--batch-size", "3", "--model_type", "supervised"];
        program().args(words).args(fixed).args(more).output().unwrap()
    };
    let refused = run("bare.npz", "refused", &[]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{text}");
    assert!(text.contains("no known object") && text.contains("--model-type pinn"), "{text}");
    assert!(!path("refused").exists());

    let labels = Array3::from_elem((9, 64, 64), Complex32::from_polar(0.7, 0.3));
    write(&made, &path("labelled.npz"), &[("Y", NpyArray::C32(labels.view().into_dyn()))]);
    let done = run("labelled.npz", "done", &["--architecture", "ffno", "--fno-width", "8"]);
    let text = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{text}");
    let log = std::fs::read_to_string(path("done").join("log.txt")).unwrap();
    assert!(log.contains("The network learns from the patches \"Y\""), "{log}");
    let bundle = Bundle::load(path("done").join("model.ptycho")).unwrap();
    assert_eq!(bundle.config.get("model.architecture").unwrap(), "ffno");

    // The model infers a dataset that has no truth.
    let words = ["infer", path("done").join("model.ptycho").to_str().unwrap(), path("bare.npz").to_str().unwrap()]
        .map(str::to_owned);
    let inferred = program()
        .args(words)
        .args(["--accelerator", "cpu", "--output-dir", path("inferred").to_str().unwrap()])
        .output()
        .unwrap();
    assert!(inferred.status.success(), "{}", String::from_utf8_lossy(&inferred.stderr));
    let (one, other) = (path("done"), path("inferred"));
    let read = |folder: &Path| NpzArchive::open(folder.join("reconstruction.npz")).unwrap().read_c32("object").unwrap();
    assert_eq!(read(&one), read(&other));
}

#[test]
fn a_trained_probe_is_in_the_bundle_and_beside_the_object() {
    let folder = tempfile::tempdir().unwrap();
    let made = scan(64, 9, 1);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    write(&made, Path::new(&path("a.npz")), &[]);
    let words = ["run", &path("a.npz"), "--output-dir", &path("run"), "--accelerator", "cpu", "--epochs", "6"];
    let more = ["--batch-size", "3", "--probe_trainable", "true", "--teacher-share", "0", "--probe-modes", "2"];
    let done = program().args(words).args(more).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let bundle = Bundle::load(Path::new(&path("run")).join("model.ptycho")).unwrap();
    assert_eq!(bundle.probe.dim(), (2, 64, 64));
    let mut file = NpzArchive::open(Path::new(&path("run")).join("reconstruction.npz")).unwrap();
    let beside = file.read_c32("probe").unwrap().into_dimensionality::<ndarray::Ix3>().unwrap();
    let factor = bundle.manifest.scaling.probe_factor as f32;
    assert!(likeness(&beside, &bundle.probe) > 1.0 - 1e-5);
    assert!((beside[[0, 32, 32]] * factor - bundle.probe[[0, 32, 32]]).norm() < 1e-4);
    let first = bundle.probe.slice(ndarray::s![..1, .., ..]).to_owned();
    assert!(likeness(&first, &made.probe) < 1.0 - 1e-6, "it was trained");
    // Inference uses it, and says so with the object.
    let words =
        ["infer", &path("run/model.ptycho"), &path("a.npz"), "--output-dir", &path("again"), "--accelerator", "cpu"];
    assert!(program().args(words).output().unwrap().status.success());
    let mut again = NpzArchive::open(Path::new(&path("again")).join("reconstruction.npz")).unwrap();
    assert_eq!(again.read_c32("probe").unwrap(), beside.into_dyn());
    assert_eq!(again.read_c32("object").unwrap(), file.read_c32("object").unwrap());
}

#[test]
fn a_folder_of_training_data_trains_on_one_file_and_validates_on_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("exported");
    std::fs::create_dir(&data).unwrap();
    let made = scan(64, 16, 1);
    let counts = made.diffraction.mapv(|a| (f64::from(a) * f64::from(a)).round());
    let export = |name: &str, rows: std::ops::Range<usize>| {
        let axis =
            |k: usize| made.positions[rows.clone()].iter().map(|p| p[k]).collect::<ndarray::Array1<f64>>().into_dyn();
        let (xs, ys) = (axis(0), axis(1));
        let some = counts.slice(ndarray::s![rows.clone(), .., ..]);
        let index = xs.mapv(|_| 0.0);
        let arrays = [
            ("xcoords", NpyArray::F64(xs.view())),
            ("ycoords", NpyArray::F64(ys.view())),
            ("xcoords_start", NpyArray::F64(xs.view())),
            ("ycoords_start", NpyArray::F64(ys.view())),
            ("diff3d", NpyArray::F64(some.view().into_dyn())),
            ("probeGuess", NpyArray::C32(made.probe.view().into_dyn())),
            ("objectGuess", NpyArray::C32(made.object.as_ref().unwrap().view().into_dyn())),
            ("scan_index", NpyArray::F64(index.view())),
        ];
        write_npz(data.join(name), &arrays).unwrap();
    };
    export("train_data.npz", 0..12);
    export("test_data.npz", 12..16);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let words =
        ["train", data.to_str().unwrap(), "--output-dir", &path("run"), "--accelerator", "cpu", "--epochs", "2"];
    let done = program().args(words).args(["--batch-size", "4", "--teacher-share", "0"]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let log = std::fs::read_to_string(Path::new(&path("run")).join("log.txt")).unwrap();
    assert!(
        log.contains("interpreted as counts") && log.contains("validation loss is computed on 4 patterns"),
        "{log}"
    );
    let bundle = Bundle::load(Path::new(&path("run")).join("model.ptycho")).unwrap();
    assert_eq!(bundle.manifest.dataset.n, 12);
    assert!(bundle.history.0.iter().all(|record| record.val_loss.is_some()));
    // Any exported file is reconstructed; the result goes back as a product.
    let test = data.join("test_data.npz");
    let words = ["infer", &path("run"), test.to_str().unwrap(), "--output-dir", &path("out"), "--accelerator", "cpu"];
    let done = program().args(words).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let words = ["export", &path("out"), "--format", "product", "--dataset", test.to_str().unwrap()];
    let done = program().args(words).args(["--pixel-size", "5e-8"]).output().unwrap();
    println!("{}", String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn fourier_networks_learn_from_diffraction_alone() {
    let dataset = scan(64, 9, 1);
    for architecture in ["fno", "ffno"] {
        let config = config(&[
            ("model.architecture", architecture),
            ("model.fno_width", "8"),
            ("model.fno_blocks", "2"),
            ("training.batch_size", "3"),
            ("training.epochs", "20"),
            ("training.learning_rate", "0.003"),
        ]);
        let (result, _) = trained(&dataset, &config);
        let (first, last) = (result.history.0[0].train_loss, result.history.0[19].train_loss);
        println!("{architecture}: loss {first:.3e} to {last:.3e}");
        assert!(last < 0.6 * first, "{architecture}: {first} {last}");
    }
}

#[test]
fn an_adapter_computes_what_the_cpu_computes_for_fourier_networks() {
    let dataset = scan(64, 8, 1);
    let Ok(selected) = device::select(Accelerator::Wgpu) else {
        assert!(std::env::var_os("PTYCHOSCOPE_REQUIRE_ADAPTER").is_none(), "no wgpu adapter is here");
        println!("skipped: no wgpu adapter is here");
        return;
    };
    for architecture in ["fno", "ffno"] {
        let config = config(&[("model.architecture", architecture), ("model.fno_width", "8")]);
        let agreement = train::verify_against_cpu(&dataset, &config, &selected.device).unwrap();
        println!("{architecture}: {agreement:?}");
    }
}
