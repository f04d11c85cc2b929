//! `sweep`: one run per combination of settings, resumable, and one report on all of them.
//!
//! The folder of a run is named after its settings, so that any task of an array job finds it and values can be added
//! later. A run with a `summary.json`, which is written last, is finished and skipped.

mod outcome;
mod plan;
mod variant;

use super::console::{print_line, print_message};
use super::flags::{OutputArgs, SettingArgs};
use super::jobs::Jobs;
use super::settings;
use crate::checkpoint::{self, Destination, JobRecord, RunFolder};
use crate::config::DataConfig;
use crate::data::Dataset;
use crate::error::{Error, Problem, Result};
use crate::session::Status;
use crate::worker::message::{Job, JobOutcome};
use outcome::Outcome;
use plan::{Plan, Point};
use std::path::{Path, PathBuf};

/// Arguments of `sweep`.
#[derive(Debug, clap::Args)]
pub(super) struct SweepArgs {
    /// Dataset: NPZ, CXI, PtyPy .ptyd, other HDF5, MATLAB 7.3 .mat, or a folder with train_data.npz
    #[arg(value_name = "DATASET")]
    pub dataset: PathBuf,
    /// Values of a setting to vary: a configuration field, photons (mean per pattern, with new noise) or overlap (mean,
    /// reached by omitting positions); repeatable, all combinations are run
    #[arg(long, value_name = "PATH=VALUE,VALUE…")]
    pub vary: Vec<String>,
    /// Folder of the sweep, with one run folder per combination; finished runs are skipped [default: runs/sweep-DATASET]
    #[arg(long, value_name = "FOLDER")]
    pub output_dir: Option<PathBuf>,
    /// Perform only every N-th run, starting with the I-th, for array jobs: --task $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
    #[arg(long, value_name = "I/N")]
    pub task: Option<String>,
    /// Preset to start from: recipe or reference [default: recipe; reference for a configuration from PtychoPINN]
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Configuration.
    #[command(flatten)]
    pub settings: SettingArgs<true>,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Does the unfinished runs and reports on all finished ones; returns the exit code.
pub(super) fn sweep(args: &SweepArgs) -> Result<u8> {
    let (config, gathered) = settings::effective(args.preset.as_deref(), &args.settings)?;
    let plan = Plan::new(&args.vary, &config)?;
    let task = args.task.as_deref().map(TaskShare::parse).transpose()?;
    // The dataset is checked before anything is written.
    let reading = DataConfig { n_subsample: None, ..config.data.clone() };
    let dataset = Dataset::load(&args.dataset, &reading, 0)?;
    let default = || Path::new("runs").join(format!("sweep-{}", crate::system::file_stem(&args.dataset)));
    let folder = args.output_dir.clone().unwrap_or_else(default);
    let folder = RunFolder::open_or_create(&folder)?.path().to_path_buf();

    let mut jobs = Jobs::start(args.output.is_silent())?;
    gathered.notes.iter().for_each(|note| jobs.print(note));
    let total = plan.points.len();
    for (number, point) in plan.points.iter().enumerate() {
        let name = point.name();
        if task.is_some_and(|share| !share.includes(number)) {
            continue;
        }
        let run = RunFolder::open(&folder.join(&name));
        let file = dataset_for(point, &dataset, &args.dataset, &folder)?;
        if is_finished(&run, point, &file)? {
            jobs.print(&format!("[{}/{total}] {name}: already finished, skipped", number + 1));
            continue;
        }
        jobs.print(&format!("[{}/{total}] {name}", number + 1));
        let session = jobs.run(job_for(point, &run, file)?)?;
        if session.status == Status::Finished(JobOutcome::Stopped) {
            jobs.print("Stopped at your request; the same command resumes the sweep.");
            report(&plan, &args.dataset, &dataset, &folder, args)?;
            return Ok(session.exit_code());
        }
    }
    report(&plan, &args.dataset, &dataset, &folder, args)?;
    Ok(0)
}

/// The part of a sweep done by one task of an array job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TaskShare {
    task: usize,
    of: usize,
}

impl TaskShare {
    /// Parses `i/n`, with i from 1 to n.
    fn parse(text: &str) -> Result<Self> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.trim().parse().ok()?, n.trim().parse().ok()?)));
        match parts {
            Some((task, of)) if task >= 1 && task <= of => Ok(Self { task, of }),
            _ => Err(Error::BadInput(
                Problem::new(format!("--task {text:?}"))
                    .expected("i/n with i from 1 to n")
                    .hint("Under Slurm: --array=1-8 and --task $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"),
            )),
        }
    }

    /// True if this task does point `number`, counted from 0.
    fn includes(self, number: usize) -> bool {
        number % self.of == self.task - 1
    }
}

/// The job for a point; an interrupted run is resumed.
fn job_for(point: &Point, run: &RunFolder, dataset: PathBuf) -> Result<Job> {
    let folder = run.path().to_path_buf();
    let record = JobRecord::new(&dataset, None, &point.config, true)?;
    if JobRecord::load(&run.job()).is_ok_and(|existing| existing == record) {
        return Ok(Job::Resume { folder, dataset: None, reconstruct: None, settings: Vec::new() });
    }
    let config = Box::new(point.config.clone());
    Ok(Job::Run { dataset, validation: None, output_dir: Destination::Folder(folder), config })
}

/// Path of the dataset of a point: the given one, or a variant of it, written if it does not exist yet.
fn dataset_for(point: &Point, dataset: &Dataset, path: &Path, folder: &Path) -> Result<PathBuf> {
    let Some(variant) = point.variant() else { return Ok(path.to_path_buf()) };
    let parent = folder.join("data");
    std::fs::create_dir_all(&parent).map_err(|error| Error::writing(&parent, &error))?;
    // The name contains the fingerprint of the source, so that variants of another dataset are not mistaken for this one.
    let origin: String = dataset.fingerprint.chars().take(12).collect();
    let file = parent.join(format!("{}_{origin}.npz", variant.name()));
    if !file.exists() {
        super::split_half::write_amplitude_dataset(&variant.apply(dataset)?, &file)?;
    }
    Ok(file)
}

/// True if a point is finished.
///
/// # Errors
/// The folder holds a run with other settings or another dataset.
fn is_finished(run: &RunFolder, point: &Point, dataset: &Path) -> Result<bool> {
    if !run.summary().exists() {
        return Ok(false);
    }
    let outcome = Outcome::read(run)?;
    let same_config = std::fs::read_to_string(run.config())
        .is_ok_and(|text| point.config.to_toml().is_ok_and(|expected| expected == text));
    let now = Dataset::load(dataset, &DataConfig { n_subsample: None, ..point.config.data.clone() }, 0)?.fingerprint;
    if !same_config || outcome.fingerprint != now {
        let what = if same_config { "another dataset" } else { "other settings" };
        return Err(Error::BadInput(
            Problem::new(format!("The folder contains a run with {what}"))
                .hint("Choose another --output-dir, or delete this folder")
                .at(run.path()),
        ));
    }
    Ok(outcome.finished)
}

/// Writes CSV, JSON and HTML page on the finished runs, and prints the table or JSON.
fn report(plan: &Plan, path: &Path, dataset: &Dataset, folder: &Path, args: &SweepArgs) -> Result<()> {
    let mut done = Vec::new();
    let mut missing = Vec::new();
    for point in &plan.points {
        let run = RunFolder::open(&folder.join(point.name()));
        // A run with other settings does not belong to this sweep.
        let file = run.summary().exists().then(|| dataset_for(point, dataset, path, folder)).transpose()?;
        if let Some(file) = file.filter(|file| is_finished(&run, point, file).unwrap_or(false)) {
            done.push(outcome::evaluate(point, &run, &file)?);
        } else {
            missing.push(point.name());
        }
    }
    let page = outcome::html(plan, &done, &missing, path)?;
    checkpoint::write_atomic(folder.join("sweep.html"), page.as_bytes())?;
    checkpoint::write_atomic(folder.join("sweep.csv"), outcome::csv(plan, &done).as_bytes())?;
    let json = outcome::json(plan, &done, &missing)?;
    checkpoint::write_atomic(folder.join("sweep.json"), json.as_bytes())?;
    if args.output.json {
        print_line(&json);
    } else if !args.output.quiet {
        print_line(&outcome::table(&done).to_text());
        if !missing.is_empty() {
            print_message(&format!("{} of {} runs are not finished yet.", missing.len(), plan.points.len()));
        }
        print_message(&format!("Wrote {}", folder.join("sweep.html").display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tasks_of_an_array_divide_all_points_without_overlap() {
        let shares: Vec<TaskShare> = (1..=3).map(|i| TaskShare::parse(&format!("{i}/3")).unwrap()).collect();
        for number in 0..10 {
            assert_eq!(shares.iter().filter(|share| share.includes(number)).count(), 1);
        }
        for text in ["0/3", "4/3", "1", "a/b", "1/0", ""] {
            assert!(TaskShare::parse(text).unwrap_err().to_string().contains("SLURM"), "{text}");
        }
    }
}
