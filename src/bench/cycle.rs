//! A complete small job: train, save, load, infer, stitch (A§15: the integration test of PtychoPINN).

use super::scan::Scan;
use super::{Quantity, Setup, machine};
use crate::error::{Error, Result};
use crate::worker::{self, EventKind, Job};
use std::time::Instant;

/// Patterns, epochs and batch size of PtychoPINN's integration test.
const PATTERNS: usize = 64;
const EPOCHS: usize = 2;
const BATCH: usize = 4;

/// Duration and processor time of the cycle.
pub(super) fn measure(setup: &Setup) -> Result<Vec<Quantity>> {
    let setup = Setup { patterns: PATTERNS, batch: BATCH, ..*setup };
    let scan = Scan::new(&setup)?;
    let mut config = crate::config::Config::default();
    config.model.gridsize = setup.gridsize;
    config.model.n_filters_scale = setup.n_filters_scale;
    config.training.batch_size = BATCH;
    config.training.epochs = Some(EPOCHS);
    config.training.time_budget_s = None;
    config.execution.accelerator = setup.accelerator;
    let train = scan.folder("train");
    let jobs = [
        Job::Train {
            dataset: scan.path(),
            validation: None,
            output_dir: Some(train.clone()).into(),
            config: Box::new(config),
        },
        Job::Infer {
            model: train.join("model.ptycho"),
            dataset: scan.path(),
            output_dir: Some(scan.folder("infer")).into(),
            settings: vec![("execution.accelerator".to_owned(), accelerator(&setup)?)],
        },
    ];
    let (began, cpu_before) = (Instant::now(), machine::cpu_seconds());
    let worker = worker::spawn(Box::new(|| ()))?;
    for job in jobs {
        worker.submit(job)?;
        let ending = worker.events().iter().find_map(|event| match event.kind {
            EventKind::Finished(_) => Some(Ok(())),
            EventKind::Failed(problem) => Some(Err(problem.error)),
            _ => None,
        });
        ending.unwrap_or_else(|| Err(Error::failed("The worker ended without a result")))?;
    }
    let mut quantities = vec![Quantity::new("train and infer 64 patterns", began.elapsed().as_secs_f64(), "s")];
    if let (Some(before), Some(after)) = (cpu_before, machine::cpu_seconds()) {
        quantities.push(Quantity::new(
            "train and infer 64 patterns, processor time",
            (after - before).max(0.01),
            "CPU-s",
        ));
    }
    Ok(quantities)
}

/// Device of the setup as the value of its configuration field.
fn accelerator(setup: &Setup) -> Result<String> {
    let mut config = crate::config::Config::default();
    config.execution.accelerator = setup.accelerator;
    config.get("execution.accelerator")
}
