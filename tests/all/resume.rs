//! A training that is cut off goes on as if it had not been: the same weights to the bit, and no file half written.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use crate::common;

use common::whole::{check_whole, names};
use common::{fixture, program, tiny_dataset, tiny_flags};
use ptychoscope::checkpoint::Bundle;
use ptychoscope::config::{Accelerator, ClipAlgorithm, Config, DataConfig, LossKind, Optimizer, Regularizer, Schedule};
use ptychoscope::data::{Dataset, Reconstruction};
use ptychoscope::error::Result;
use ptychoscope::model::Weights;
use ptychoscope::train::{self, Control, EpochRecord, History, Observer, Resume, Snapshot, Start, TrainingData};
use ptychoscope::worker::device;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Keeps what could be saved after each epoch.
#[derive(Default)]
struct Keeper {
    history: History,
    kept: Vec<Resume>,
}

impl Observer for Keeper {
    fn control(&mut self) -> Control {
        Control::Run
    }
    fn progress(&mut self, _: &train::Progress, _: &dyn Fn() -> Result<Weights>) {}
    fn epoch(&mut self, record: &EpochRecord, snapshot: &Snapshot<'_>) {
        self.history.0.push(record.clone());
        // An epoch that was cut short has none.
        let Some(state) = snapshot.state else { return };
        let (weights, state) = ((snapshot.weights)().unwrap(), state().unwrap());
        self.kept.push(Resume { weights, state, history: self.history.clone() });
    }
    fn note(&mut self, _: &str) {}
}

fn siemens(patterns: usize) -> Dataset {
    let config = DataConfig { n_subsample: Some(patterns), ..DataConfig::default() };
    Dataset::load(&fixture("siemens_star_n64.npz"), &config, 1).unwrap()
}

fn losses(history: &History) -> Vec<(usize, u64, Option<u64>, u64)> {
    let bits = |record: &EpochRecord| {
        let validation = record.val_loss.map(f64::to_bits);
        (record.step, record.train_loss.to_bits(), validation, record.learning_rate.to_bits())
    };
    history.0.iter().map(bits).collect()
}

#[test]
fn a_training_that_is_cut_off_after_any_epoch_ends_with_the_same_bits() {
    let (dataset, other, validation) = (siemens(14), siemens(6), siemens(4));
    let (one, two) = ([&dataset], [&dataset, &other]);
    let mut usual = Config::default();
    usual.training.time_budget_s = None;
    usual.training.epochs = Some(6);
    (usual.model.n_filters_scale, usual.model.head_filters, usual.training.batch_size) = (1, 2, 5);
    usual.direct.epochs = 3;
    let mut free = usual.clone();
    (free.training.overlap_weight, free.training.teacher_share) = (0.0, 0.0);
    free.training.schedule = Schedule::Exponential;
    let mut groups = usual.clone();
    groups.model.gridsize = 2;
    groups.data.n_groups = Some(6);
    let mut decayed = free.clone();
    let settings = &mut decayed.training;
    (settings.optimizer, settings.weight_decay) = (Optimizer::AdamW, 0.01);
    (settings.schedule, settings.lr_warmup_epochs, settings.accum_steps) = (Schedule::WarmupCosine, 2, 2);
    (settings.gradient_clip, settings.gradient_clip_algorithm) = (0.1, ClipAlgorithm::Agc);
    (settings.loss, settings.nll_weight, settings.mae_weight) = (LossKind::Weighted, 0.7, 0.3);
    let mut staged = free.clone();
    let settings = &mut staged.training;
    (settings.optimizer, settings.momentum, settings.learning_rate) = (Optimizer::Sgd, 0.9, 1e-2);
    (settings.schedule, settings.plateau_patience) = (Schedule::ReduceOnPlateau, 0);
    (settings.stage_1_epochs, settings.stage_2_epochs) = (2, 2);
    (settings.amp_loss, settings.phase_loss) = (Regularizer::TotalVariation, Regularizer::MeanDeviation);
    (settings.epochs, settings.epochs_fine_tune) = (Some(4), 2);
    let mut near = free.clone();
    near.training.overlap_weight = 0.9;
    let cpu = device::select(Accelerator::Cpu).unwrap().device;
    for (name, config, sets, validation) in [
        ("usual", usual, &one[..], Some(&validation)),
        ("free order", free, &one[..], None),
        ("groups of four", groups, &one[..], None),
        ("weight decay, warm-up, accumulation, two scans", decayed, &two[..], None),
        ("descent, plateaus, stages, fine-tuning", staged, &one[..], Some(&validation)),
        ("neighbours in two scans", near, &two[..], None),
    ] {
        let (config, _) = train::adapt(&config, &dataset);
        let mut keeper = Keeper::default();
        let material = TrainingData { validation, ..TrainingData::in_memory(sets) };
        let whole = train::train_datasets(Start::Untrained, &material, &config, &cpu, &mut keeper).unwrap();
        assert_eq!(keeper.kept.len(), 6);
        for resume in keeper.kept {
            let epoch = resume.history.0.len();
            let mut after = Keeper { history: resume.history.clone(), kept: Vec::new() };
            let start = Start::Resumed(Box::new(resume));
            let resumed = train::train_datasets(start, &material, &config, &cpu, &mut after).unwrap();
            assert_eq!(resumed.weights, whole.weights, "{name}, after epoch {epoch}");
            assert_eq!(losses(&resumed.history), losses(&whole.history), "{name}, after epoch {epoch}");
            assert_eq!((resumed.steps, resumed.patterns), (whole.steps, whole.patterns), "{name}");
            assert!(resumed.history.0.windows(2).all(|pair| pair[0].elapsed_s <= pair[1].elapsed_s), "{name}");
        }
    }
}

#[test]
fn a_training_part_by_part_sees_all_parts_and_goes_on_with_the_same_bits() {
    let whole = siemens(24);
    let parts: Vec<Dataset> =
        (0..3).map(|part| whole.subset(&(8 * part..8 * (part + 1)).collect::<Vec<_>>())).collect();
    let mut config = Config::default();
    (config.training.time_budget_s, config.training.epochs) = (None, Some(5));
    (config.model.n_filters_scale, config.model.head_filters, config.direct.epochs) = (1, 2, 3);
    let (config, _) = train::adapt(&config, &parts[0]);
    let cpu = device::select(Accelerator::Cpu).unwrap().device;
    let read = std::cell::RefCell::new(Vec::new());
    let part = |epoch: usize| {
        read.borrow_mut().push(epoch);
        Ok(parts[epoch % 3].clone())
    };
    let datasets = [&parts[0]];
    let material = TrainingData { part: Some(&part), ..TrainingData::in_memory(&datasets) };
    let train = |start, keeper: &mut Keeper| train::train_datasets(start, &material, &config, &cpu, keeper).unwrap();
    let mut keeper = Keeper::default();
    let through = train(Start::Untrained, &mut keeper);
    assert_eq!(*read.borrow(), [1, 2, 3, 4], "the first part is there");
    assert_eq!((through.epochs, through.patterns), (5, 40));
    let alone = train::train(&parts[0], None, &config, &cpu, &mut Keeper::default()).unwrap();
    assert_eq!(losses(&through.history)[0], losses(&alone.history)[0]);
    assert_ne!(losses(&through.history)[1], losses(&alone.history)[1]);
    assert_eq!(keeper.kept.len(), 5);
    for resume in keeper.kept {
        let epoch = resume.history.0.len();
        let mut after = Keeper { history: resume.history.clone(), kept: Vec::new() };
        let resumed = train(Start::Resumed(Box::new(resume)), &mut after);
        assert_eq!(resumed.weights, through.weights, "after epoch {epoch}");
    }
    let uneven = |_: usize| Ok(parts[1].subset(&[0, 1]));
    let material = TrainingData { part: Some(&uneven), ..material };
    let error = train::train_datasets(Start::Untrained, &material, &config, &cpu, &mut Keeper::default()).unwrap_err();
    assert!(error.to_string().contains("2 groups"), "{error}");
}

#[test]
fn a_time_budget_counts_the_time_before_the_training_was_cut_off() {
    let dataset = siemens(8);
    let mut config = Config::default();
    config.training.epochs = Some(2);
    config.training.time_budget_s = None;
    config.model.n_filters_scale = 1;
    config.training.teacher_share = 0.0;
    let (mut config, _) = train::adapt(&config, &dataset);
    let cpu = device::select(Accelerator::Cpu).unwrap().device;
    let mut keeper = Keeper::default();
    train::train(&dataset, None, &config, &cpu, &mut keeper).unwrap();
    let mut resume = keeper.kept.remove(0);
    (config.training.epochs, config.training.time_budget_s) = (None, Some(1000.0));
    resume.state.position.seconds = 999.5;
    let began = Instant::now();
    let resumed = train::train_from(Some(resume), &dataset, None, &config, &cpu, &mut Keeper::default()).unwrap();
    assert!(began.elapsed() < Duration::from_secs(60));
    assert!(resumed.seconds >= 1000.0 && resumed.seconds < 1060.0, "{}", resumed.seconds);
    let rate = resumed.history.last().unwrap().learning_rate;
    assert!(rate < 0.03 * config.training.learning_rate, "the schedule is at its end: {rate}");
}

const EPOCHS: &str = "8";

fn run(folder: &Path, data: &Path) -> Command {
    let mut command = program();
    command.arg("run").arg(data).args(["--epochs", EPOCHS, "--set", "direct.epochs=3", "--quiet"]).args(tiny_flags());
    command.arg("--output-dir").arg(folder);
    command
}

fn resume(folder: &Path) -> Command {
    let mut command = program();
    command.args(["run", "--quiet", "--resume"]).arg(folder);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a run came to, besides times.
type Came = (Weights, Vec<(usize, u64, Option<u64>, u64)>, Weights, Reconstruction);

fn came_to(folder: &Path) -> Came {
    let model = Bundle::load(folder.join("model.ptycho")).unwrap();
    let best = Bundle::load(folder.join("best.ptycho")).unwrap();
    let history = History::from_csv(&std::fs::read_to_string(folder.join("history.csv")).unwrap()).unwrap();
    assert_eq!(losses(&model.history), losses(&history));
    let object = Reconstruction::load(&folder.join("reconstruction.npz")).unwrap();
    (model.weights, losses(&history), best.weights, object)
}

/// The number of kills is in `PTYCHOSCOPE_KILLS`, 10 without it.
#[test]
fn a_run_that_is_killed_at_any_moment_is_whole_and_ends_as_if_it_had_not_been() {
    let kills: usize = std::env::var("PTYCHOSCOPE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("tiny.npz");
    tiny_dataset(&data, 16);
    let undisturbed = root.path().join("undisturbed");
    let began = Instant::now();
    let output = run(&undisturbed, &data).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let longest = began.elapsed();
    let expected = came_to(&undisturbed);
    let files = names(&undisturbed);
    assert!(check_whole(&undisturbed) == 0 && !files.contains(&"autosave.ptycho".to_owned()), "{files:?}");

    let mut rng = ChaCha8Rng::seed_from_u64(20260131);
    let (mut done, mut rounds, mut leftovers) = (0, 0, 0);
    // Where the kills hit: before the folder, before the first autosave, in training, after it, after the end.
    let mut hit = [0usize; 5];
    while done < kills {
        let folder = root.path().join(format!("run-{rounds}"));
        rounds += 1;
        let mut begun = false;
        // Now and then what was resumed is killed again.
        let again = rng.random_range(1..=3);
        for _ in 0..again {
            let mut command = if begun { resume(&folder) } else { run(&folder, &data) };
            let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
            std::thread::sleep(longest.mul_f64(rng.random::<f64>()));
            child.kill().unwrap();
            child.wait().unwrap();
            done += 1;
            leftovers += check_whole(&folder);
            let has = |name: &str| folder.join(name).exists();
            begun = has("job.json") || has("summary.json");
            let place = match () {
                () if !begun => 0,
                () if !has("job.json") => 4,
                () if has("model.ptycho") => 3,
                () if has("autosave.ptycho") => 2,
                () => 1,
            };
            hit[place] += 1;
        }
        let output = if begun { resume(&folder) } else { run(&folder, &data) }.output().unwrap();
        let complete = output.status.code() == Some(2) && said(&output).contains("is complete");
        assert!(output.status.success() || complete, "{}", said(&output));
        assert_eq!(check_whole(&folder), 0, "temporary files are left");
        assert_eq!(names(&folder), files);
        assert!(came_to(&folder) == expected, "run {rounds} ended with other numbers");
        std::fs::remove_dir_all(&folder).unwrap();
    }
    println!(
        "{done} kills in {rounds} runs of {:.2} s; before the folder {}, before the first autosave {}, in training {}, after \
         it {}, after the end {}; {leftovers} temporary files were left by kills and removed by the next program",
        longest.as_secs_f64(),
        hit[0],
        hit[1],
        hit[2],
        hit[3],
        hit[4]
    );
}

#[cfg(unix)]
#[test]
fn a_run_that_was_asked_to_stop_goes_on_and_ends_as_if_it_had_not_been() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("tiny.npz");
    tiny_dataset(&data, 8);
    let (undisturbed, stopped) = (root.path().join("undisturbed"), root.path().join("stopped"));
    let epochs = |folder: &Path| {
        let mut command = run(folder, &data);
        command.args(["--set", "training.epochs=20"]);
        command
    };
    assert!(epochs(&undisturbed).output().unwrap().status.success());
    for signal in ["-TERM", "-INT"] {
        let child = epochs(&stopped).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let began = Instant::now();
        while !stopped.join("autosave.ptycho").exists() && began.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let asked = Command::new("kill").arg(signal).arg(child.id().to_string()).status().unwrap();
        assert!(asked.success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{signal}: {}", said(&output));
        for name in ["model.ptycho", "reconstruction.npz", "summary.json", "job.json", "autosave.ptycho"] {
            assert!(stopped.join(name).is_file(), "{signal}: {name}");
        }
        let summary = std::fs::read_to_string(stopped.join("summary.json")).unwrap();
        assert!(summary.contains("ptychoscope train --resume"), "{summary}");
        let output = resume(&stopped).output().unwrap();
        assert!(output.status.success(), "{signal}: {}", said(&output));
        assert!(came_to(&stopped) == came_to(&undisturbed), "{signal}: other numbers");
        assert_eq!(names(&stopped), names(&undisturbed));
        std::fs::remove_dir_all(&stopped).unwrap();
    }
}

#[test]
fn what_cannot_be_resumed_says_why_and_leaves_everything_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let (data, other) = (root.path().join("tiny.npz"), root.path().join("other.npz"));
    let more = root.path().join("more.npz");
    tiny_dataset(&data, 8);
    tiny_dataset(&other, 9);
    tiny_dataset(&more, 10);
    let folder = root.path().join("run");
    let mut command = run(&folder, &data);
    let mut child = command.args(["--set", "training.epochs=2000", "--also"]).arg(&more).spawn().unwrap();
    let began = Instant::now();
    while !folder.join("autosave.ptycho").exists() && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = std::fs::read(folder.join("autosave.ptycho")).unwrap();
    let empty = root.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let nowhere = root.path().join("nowhere");
    let (folder, other, empty, nowhere) =
        [&folder, &other, &empty, &nowhere].map(|path| path.to_str().unwrap().to_owned()).into();
    let cases: [(&[&str], &str); 5] = [
        (&["train", "--resume", &nowhere], "run folder does not exist"),
        (&["train", "--resume", &empty], "no interrupted training"),
        (&["train", "--resume", &folder, "--batch-size", "8"], "training.batch_size cannot be changed"),
        (&["train", &other, "--resume", &folder], "not the dataset the training started with"),
        (&["train", "--resume", &folder, "--preset", "recipe"], "--preset"),
    ];
    for (arguments, expected) in cases {
        let output = program().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(expected), "{arguments:?}: {}", said(&output));
        assert_eq!(std::fs::read(Path::new(&folder).join("autosave.ptycho")).unwrap(), before);
    }
    assert!(names(Path::new(&empty)).is_empty() && !Path::new(&nowhere).exists());
    // A further dataset that has changed since is named.
    tiny_dataset(&more, 11);
    let output = program().args(["train", "--resume", &folder]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("not the dataset the training started with"), "{}", said(&output));
    assert!(said(&output).contains("more.npz"), "{}", said(&output));
    tiny_dataset(&more, 10);
    // A damaged autosave is named, not taken for what it was.
    let mut damaged = before.clone();
    damaged[before.len() / 2] ^= 1;
    std::fs::write(Path::new(&folder).join("autosave.ptycho"), &damaged).unwrap();
    let output = program().args(["train", "--resume", &folder]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("autosave.ptycho"), "{}", said(&output));
    // A dataset that was moved is found where it is said to be; fewer epochs than were done end the training.
    std::fs::write(Path::new(&folder).join("autosave.ptycho"), &before).unwrap();
    let moved = root.path().join("moved.npz");
    std::fs::rename(&data, &moved).unwrap();
    let output = program().arg("train").arg(&moved).args(["--resume", &folder, "--epochs", "1"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(Path::new(&folder).join("model.ptycho").exists() && !Path::new(&folder).join("job.json").exists());
    let output = program().args(["train", "--resume", &folder]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("is complete"), "{}", said(&output));
}
