//! `sweep`: one run for every combination of settings, resumable, then one report over all of them.
//!
//! The folder of a run is named for its settings, so that any task of an array job finds it, and more values can be added
//! later. A run is finished when its `summary.json` is there, which is written last; it is then skipped.

mod outcome;
mod plan;
mod variant;

use super::args::SweepArgs;
use super::jobs::Jobs;
use super::{print_line, settings, tell};
use crate::checkpoint::{self, Destination, JobRecord, RunFolder};
use crate::config::DataConfig;
use crate::data::Dataset;
use crate::error::{Error, Problem, Result};
use crate::session::Status;
use crate::worker::message::{Job, JobOutcome};
use outcome::Outcome;
use plan::{Plan, Point};
use std::path::{Path, PathBuf};

/// Does what is left to do and reports over what is there; gives back the exit code.
pub(super) fn sweep(args: &SweepArgs) -> Result<u8> {
    let (config, gathered) = settings::effective(args.preset.as_deref(), &args.settings)?;
    let plan = Plan::new(&args.vary, &config)?;
    let mine = args.task.as_deref().map(Share::parse).transpose()?;
    // Checked before anything is written.
    let reading = DataConfig { n_subsample: None, ..config.data.clone() };
    let dataset = Dataset::load(&args.dataset, &reading, 0)?;
    let stem = args.dataset.file_stem().map_or_else(|| "data".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let folder = args.output_dir.clone().unwrap_or_else(|| Path::new("runs").join(format!("sweep-{stem}")));
    let folder = RunFolder::open_or_create(&folder)?.path().to_path_buf();

    let quiet = args.output.quiet || args.output.json;
    let mut jobs = Jobs::start(quiet)?;
    gathered.notes.iter().for_each(|note| jobs.say(note));
    let total = plan.points.len();
    for (number, point) in plan.points.iter().enumerate() {
        let name = point.name();
        if mine.is_some_and(|share| !share.has(number)) {
            continue;
        }
        let run = RunFolder::open(&folder.join(&name));
        let file = dataset_for(point, &dataset, &args.dataset, &folder)?;
        if is_finished(&run, point, &file)? {
            jobs.say(&format!("[{}/{total}] {name}: finished before, skipped", number + 1));
            continue;
        }
        jobs.say(&format!("[{}/{total}] {name}", number + 1));
        let session = jobs.run(job_for(point, &run, file)?)?;
        if session.status == Status::Finished(JobOutcome::Stopped) {
            jobs.say("Stopped as you asked; the same command goes on from here.");
            report(&plan, &args.dataset, &dataset, &folder, args)?;
            return Ok(session.exit_code());
        }
    }
    report(&plan, &args.dataset, &dataset, &folder, args)?;
    Ok(0)
}

/// Which points a task of an array job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    task: usize,
    of: usize,
}

impl Share {
    /// From `i/n`, tasks counted from 1.
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

    /// Whether point `number`, counted from 0, is this task's.
    fn has(self, number: usize) -> bool {
        number % self.of == self.task - 1
    }
}

/// The run of a point; one that was cut off goes on.
fn job_for(point: &Point, run: &RunFolder, dataset: PathBuf) -> Result<Job> {
    let folder = run.path().to_path_buf();
    let record = JobRecord::new(&dataset, None, &point.config, true)?;
    if JobRecord::load(&run.job()).is_ok_and(|begun| begun == record) {
        return Ok(Job::Resume { folder, dataset: None, reconstruct: None, settings: Vec::new() });
    }
    let config = Box::new(point.config.clone());
    Ok(Job::Run { dataset, validation: None, output_dir: Destination::Folder(folder), config })
}

/// The file that a point is trained on: the dataset itself, or one derived from it, made if it is not there yet.
fn dataset_for(point: &Point, dataset: &Dataset, path: &Path, folder: &Path) -> Result<PathBuf> {
    let Some(variant) = point.variant() else { return Ok(path.to_path_buf()) };
    let place = folder.join("data");
    std::fs::create_dir_all(&place).map_err(|error| Error::writing(&place, &error))?;
    // Named also for what it is made from, so that another dataset is never taken for this one.
    let origin: String = dataset.fingerprint.chars().take(12).collect();
    let file = place.join(format!("{}_{origin}.npz", variant.name()));
    if !file.exists() {
        super::halves::write(&variant.of(dataset)?, &file)?;
    }
    Ok(file)
}

/// Whether a point has been done; one that was done with other settings or data is not silently taken for it.
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
            Problem::new(format!("The folder holds a run with {what}"))
                .hint("Choose another --output-dir, or remove that folder")
                .at(run.path()),
        ));
    }
    Ok(outcome.finished)
}

/// Table, CSV, JSON and page over what is finished.
fn report(plan: &Plan, path: &Path, dataset: &Dataset, folder: &Path, args: &SweepArgs) -> Result<()> {
    let mut done = Vec::new();
    let mut missing = Vec::new();
    for point in &plan.points {
        let run = RunFolder::open(&folder.join(point.name()));
        // A run with other settings is not one of this sweep.
        let file = run.summary().exists().then(|| dataset_for(point, dataset, path, folder)).transpose()?;
        if let Some(file) = file.filter(|file| is_finished(&run, point, file).unwrap_or(false)) {
            done.push(outcome::judge(point, &run, &file)?);
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
            tell(&format!("{} of {} runs are not finished yet.", missing.len(), plan.points.len()));
        }
        tell(&format!("Wrote {}", folder.join("sweep.html").display()));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_tasks_of_an_array_share_all_points_without_overlap() {
        let shares: Vec<Share> = (1..=3).map(|i| Share::parse(&format!("{i}/3")).unwrap()).collect();
        for number in 0..10 {
            assert_eq!(shares.iter().filter(|share| share.has(number)).count(), 1);
        }
        for text in ["0/3", "4/3", "1", "a/b", "1/0", ""] {
            assert!(Share::parse(text).unwrap_err().to_string().contains("SLURM"), "{text}");
        }
    }
}
