//! Simulate, train, infer, polish and load, over and over in one process: memory, threads and open files stay as they are.
//!
//! The short form runs for 10 s. The long one is for the night: two hours, or `PTYCHOSCOPE_SOAK_S` seconds,
//! `cargo test --release --test cycles -- --ignored --nocapture`.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::TINY;
use ptychoscope::checkpoint::Bundle;
use ptychoscope::config::Config;
use ptychoscope::data::{Reconstruction, inspect};
use ptychoscope::system::resident_memory;
use ptychoscope::worker::message::{EventKind, Job};
use ptychoscope::worker::{self, Worker};
use std::path::Path;
use std::time::{Duration, Instant};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    megabytes: f64,
    threads: usize,
    files: usize,
}

impl Held {
    fn now() -> Self {
        let count = |folder: &str| std::fs::read_dir(folder).unwrap().count();
        Self {
            megabytes: resident_memory().unwrap() as f64 / 1e6,
            threads: count("/proc/self/task"),
            files: count("/proc/self/fd"),
        }
    }
}

fn config() -> Config {
    let mut config = Config::default();
    let more = [
        ("training.epochs", "2"),
        ("training.time_budget_s", "none"),
        ("direct.epochs", "3"),
        ("simulation.n_images", "16"),
        ("simulation.object_size", "128"),
    ];
    for (field, value) in TINY.iter().chain(&more) {
        config.set(field, value).unwrap();
    }
    config
}

/// Does a job to its end, which has to be a good one.
fn done(worker: &Worker, job: Job) {
    let name = job.kind().name();
    worker.submit(job).unwrap();
    loop {
        match worker.events().recv_timeout(Duration::from_secs(120)).unwrap().kind {
            EventKind::Finished(_) => return,
            EventKind::Failed(failure) => panic!("{name}: {}", failure.message),
            _ => {}
        }
    }
}

/// One cycle in an empty folder.
fn cycle(worker: &Worker, folder: &Path, number: u64) {
    let mut config = config();
    config.execution.seeds.noise = number;
    let config = Box::new(config);
    let dataset = folder.join("made.npz");
    let at = |name: &str| Some(folder.join(name)).into();
    done(worker, Job::Simulate { output: dataset.clone(), sources: Box::default(), config: config.clone() });
    inspect(&dataset).unwrap();
    let (model, settings) = (folder.join("trained/model.ptycho"), Vec::new);
    let validation = None;
    done(worker, Job::Train { dataset: dataset.clone(), validation, output_dir: at("trained"), config });
    done(worker, Job::Infer { model: model.clone(), dataset, output_dir: at("inferred"), settings: settings() });
    let polish = vec![("inference.polish_epochs".to_owned(), "2".to_owned())];
    done(worker, Job::Polish { run: folder.join("inferred"), output_dir: at("polished"), settings: polish });
    assert_eq!(Bundle::load(&model).unwrap().manifest.epochs, 2);
    for name in ["inferred", "polished"] {
        let object = Reconstruction::load(&folder.join(name).join("reconstruction.npz")).unwrap().object;
        assert!(object.iter().all(|z| z.re.is_finite() && z.im.is_finite()));
    }
}

fn soak(seconds: f64) {
    let root = tempfile::tempdir().unwrap();
    let worker = worker::spawn(Box::new(|| ())).unwrap();
    let began = Instant::now();
    let (mut held, mut said) = (Vec::new(), 0.0);
    while held.len() < 12 || began.elapsed().as_secs_f64() < seconds {
        let folder = root.path().join("cycle");
        std::fs::create_dir(&folder).unwrap();
        cycle(&worker, &folder, held.len() as u64);
        std::fs::remove_dir_all(&folder).unwrap();
        held.push(Held::now());
        let elapsed = began.elapsed().as_secs_f64();
        if elapsed - said > seconds / 20.0 {
            said = elapsed;
            println!("{elapsed:6.0} s, {:5} cycles: {:?}", held.len(), held[held.len() - 1]);
        }
    }
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    // The first third is for caches to fill; then by medians of a third each.
    let third = held.len() / 3;
    let median = |part: &[Held]| {
        let mut sizes: Vec<f64> = part.iter().map(|held| held.megabytes).collect();
        sizes.sort_by(f64::total_cmp);
        sizes[sizes.len() / 2]
    };
    let most = |part: &[Held], of: fn(&Held) -> usize| part.iter().map(of).max().unwrap();
    let (middle, last) = (&held[third..2 * third], &held[2 * third..]);
    println!("{} cycles: median {:.1} MB, then {:.1} MB", held.len(), median(middle), median(last));
    assert!(median(last) - median(middle) < 20.0, "memory grew from {:.1} to {:.1} MB", median(middle), median(last));
    for (name, of) in [("threads", (|held: &Held| held.threads) as fn(&Held) -> usize), ("files", |held| held.files)] {
        let (before, after) = (most(middle, of), most(last, of));
        assert!(after <= before, "{before} {name}, then {after}");
    }
}

#[test]
fn a_few_cycles_leave_memory_threads_and_files_as_they_were() {
    soak(10.0);
}

#[test]
#[ignore = "two hours; PTYCHOSCOPE_SOAK_S sets the seconds"]
fn a_night_of_cycles_leaves_memory_threads_and_files_as_they_were() {
    soak(std::env::var("PTYCHOSCOPE_SOAK_S").ok().and_then(|text| text.parse().ok()).unwrap_or(7200.0));
}
