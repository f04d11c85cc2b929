//! The jobs: read, compute, save, reconstruct, write.
//!
//! Nothing is written before the input has been read and the device selected, so that bad input leaves no trace.

mod background;
mod common;
mod diagnose;
mod direct;
mod infer;
mod large_dataset;
mod probe;
mod refinement;
mod resume;
mod simulate;
mod train;
mod training_datasets;

use super::context::Context;
use super::guard::guarded;
use super::message::Job;
use super::recorder::Recorder;
use super::summary::Summary;
use super::watch_folder::WatchFolder;
use crate::checkpoint::RunFolder;
use crate::config::Method;
use crate::error::{Error, Problem, Result};
use train::TrainingJob;

/// Runs a job to its end.
pub(super) fn perform(job: &Job, context: &Context<'_>) -> Result<Summary> {
    let recorder = Recorder::new(context);
    // Panics are caught here as well, so that the log records them.
    let result = guarded(|| match job {
        Job::Run { dataset, output_dir, config, .. } if config.training.method == Method::Direct => {
            config.validate().and_then(|()| direct::solve(&recorder, job, dataset, output_dir, config))
        }
        Job::Train { config, .. } if config.training.method == Method::Direct => Err(Error::BadInput(
            Problem::new("The direct solver trains no network, so there is no model to save")
                .hint("Use `ptychoscope run` with --method direct, or `train` without it"),
        )),
        Job::Train { .. } | Job::Run { .. } => TrainingJob::run(&recorder, job, None),
        Job::Infer { model, dataset, output_dir, settings } => {
            infer::infer(&recorder, job, model, dataset, output_dir, settings)
        }
        Job::Resume { folder, dataset, reconstruct, settings } => {
            resume::open(&recorder, &RunFolder::at(folder), dataset.as_deref(), *reconstruct, settings)
                .and_then(|unfinished| TrainingJob::run(&recorder, &unfinished.job, Some(&unfinished)))
        }
        Job::Polish { run, output_dir, settings } => direct::polish_run(&recorder, job, run, output_dir, settings),
        Job::Watch { method, folder, output_dir, once, settle } => {
            let output_dir = output_dir.as_deref();
            WatchFolder { method, folder, output_dir, once: *once, settle: *settle }.run(&recorder)
        }
        Job::Diagnose { dataset, output_dir, config } => {
            diagnose::diagnose(&recorder, job, dataset, output_dir.as_ref(), config)
        }
        Job::Simulate { output, sources, config } => simulate::simulate(&recorder, job, output, sources, config),
    });
    if let Err(error) = &result {
        recorder.log(&format!("failed: {error}"));
        resume::after_failure(&recorder, job);
    }
    result
}
