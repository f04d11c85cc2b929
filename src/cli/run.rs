//! `train`, `run`, `infer`, `polish` and `simulate`: a job on the worker, shown as it goes.

use super::args::{InferArgs, OutputArgs, PolishArgs, SettingArgs, TrainArgs};
use super::progress::ProgressView;
use super::settings::Settings;
use super::watch::Watch;
use super::{print_error, print_line, report, settings, tell};
use crate::config::{Config, Places};
use crate::error::{Error, Problem, Result};
use crate::session::Session;
use crate::worker::message::{Control, Event, EventKind, Job, Switch, settable_in_inference};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Trains, and reconstructs too if asked to; gives back the exit code.
pub(super) fn train(args: TrainArgs, reconstruct: bool) -> Result<u8> {
    if let Some(folder) = args.resume {
        let gathered = settings::gather(&args.settings)?;
        let dataset = args.dataset.or(args.train_data_file);
        let job = Job::Resume { folder, dataset, reconstruct: Some(reconstruct), settings: gathered.values };
        return perform(job, &gathered.notes, args.output);
    }
    let (config, settings) = settings::effective(args.preset.as_deref(), &args.settings)?;
    // Files and folders on the command line win over those that a configuration of PtychoPINN names.
    let Places { train, test, output, model } = settings.places;
    let dataset = one_of(args.dataset.or(args.train_data_file), train.into_iter().next(), "DATASET")?;
    let (validation, output_dir) = (args.validation.or(test), args.output_dir.or(output).into());
    let mut notes = settings.notes;
    if let Some(model) = model {
        notes.push(format!("The model that the configuration names ({}) is not used in training.", model.display()));
    }
    let changed = config.differences(&settings.preset.config())?;
    let changed = if changed.is_empty() { "unchanged".to_owned() } else { changed.join(", ") };
    notes.push(format!("Configuration: preset {}, {changed}.", settings.preset.name()));
    let config = Box::new(config);
    let job = if reconstruct {
        Job::Run { dataset, validation, output_dir, config }
    } else {
        Job::Train { dataset, validation, output_dir, config }
    };
    perform(job, &notes, args.output)
}

/// Reconstructs with a bundle; gives back the exit code.
pub(super) fn infer(args: InferArgs) -> Result<u8> {
    // `infer --model-path M DATASET` puts the one positional where the model would stand.
    let (model, dataset) = match (args.model_path, args.test_data) {
        (Some(model), None) if args.dataset.is_none() => (Some(model), args.model),
        (model, data) => (args.model.or(model), args.dataset.or(data)),
    };
    let model = one_of(model, None, "MODEL")?;
    let model = if model.is_dir() { model.join("model.ptycho") } else { model };
    let Settings { values, notes, .. } = inference_settings(&args.settings)?;
    let OutputArgs { quiet, json } = args.output;
    if let Some(folder) = args.watch {
        if !quiet && !json {
            notes.iter().for_each(|note| tell(note));
        }
        if !(args.settle >= 0.0 && args.settle <= 3600.0) {
            return Err(Problem::new(format!("--settle {}", args.settle)).expected("seconds, 0 to 3600").into());
        }
        let (once, settle) = (args.once, Duration::from_secs_f64(args.settle));
        return Watch { model, folder, output_dir: args.output_dir, settings: values, once, settle, json, quiet }.run();
    }
    let dataset = one_of(dataset, None, "DATASET")?;
    let output_dir = args.output_dir.into();
    perform(Job::Infer { model, dataset, output_dir, settings: values }, &notes, args.output)
}

/// Improves the object of a run; gives back the exit code.
pub(super) fn polish(args: PolishArgs) -> Result<u8> {
    let Settings { values, notes, .. } = inference_settings(&args.settings)?;
    let output_dir = args.output_dir.into();
    perform(Job::Polish { run: args.run, output_dir, settings: values }, &notes, args.output)
}

/// Settings that an inference may make itself, and what to say about them.
fn inference_settings(arguments: &SettingArgs<false>) -> Result<Settings> {
    let gathered = settings::gather(arguments)?;
    let (mut values, mut notes) = (Vec::new(), Vec::new());
    if let Some(path) = &arguments.config {
        // Of a whole configuration file only what inference uses applies; the rest is the bundle's.
        let imported = Config::import(path, None, &[])?;
        imported.config.validate().map_err(|error| error.at(path))?;
        notes.extend(imported.notes.iter().cloned());
        let config = imported.config;
        for field in Config::fields().into_iter().filter(|field| settable_in_inference(field.path)) {
            values.push((field.path.to_owned(), config.get(field.path)?));
        }
    }
    values.extend(gathered.values);
    if let Some((path, _)) = values.iter().find(|(path, _)| !settable_in_inference(path)) {
        Config::field(path)?;
        return Err(Error::BadInput(
            Problem::new(format!("{path} cannot be set for inference")).hint("It is that of the bundle; leave it out"),
        ));
    }
    notes.extend(gathered.notes);
    Ok(Settings { values, notes, ..Settings::default() })
}

fn one_of(first: Option<PathBuf>, second: Option<PathBuf>, name: &str) -> Result<PathBuf> {
    first.or(second).ok_or_else(|| Error::BadInput(Problem::new(format!("{name} is missing")).hint("See --help")))
}

/// Runs a job on the worker to its end; gives back the exit code.
pub(super) fn perform(job: Job, notes: &[String], output: OutputArgs) -> Result<u8> {
    let quiet = output.quiet || output.json;
    let mut view = ProgressView::new(!quiet);
    if !quiet {
        notes.iter().for_each(|note| view.line(note));
    }
    let worker = crate::worker::spawn(Box::new(|| ()))?;
    let kept = !matches!(job, Job::Simulate { .. });
    stop_on_interrupt(worker.switch(), kept)?;
    worker.submit(job)?;
    let mut session = Session::default();
    for event in worker.events() {
        session.apply(&event);
        if output.json {
            print_event(&event)?;
        }
        if !quiet {
            view.show(&session, &event.kind);
            if let Some(line) = line_for(&event.kind) {
                view.line(&line);
            }
        }
        if session.has_ended() {
            break;
        }
    }
    if let Some(failure) = &session.failure {
        print_error(&failure.error);
    } else if let Some(summary) = session.summary.as_ref().filter(|_| !quiet) {
        print_line(&report::report(&session, summary));
    } else if !session.has_ended() {
        return Err(Error::failed("The worker ended without a result"));
    }
    Ok(session.exit_code())
}

/// What is printed for an event beside the progress.
fn line_for(kind: &EventKind) -> Option<String> {
    match kind {
        EventKind::Dataset(data) => Some(format!(
            "Dataset: {}, {} patterns of {side} × {side}, {} probe mode{}{}",
            data.path.display(),
            data.n,
            data.probe_modes,
            if data.probe_modes == 1 { "" } else { "s" },
            if data.has_object { ", with an object to compare with" } else { "" },
            side = data.side,
        )),
        EventKind::Device(device) => {
            Some(format!("Device: {} ({}, {})", device.name, device.kind.label(), device.backend))
        }
        EventKind::Folder { path } => Some(format!("Folder: {}", path.display())),
        EventKind::Note { text } => Some(format!("Note: {text}")),
        _ => None,
    }
}

fn print_event(event: &Event) -> Result<()> {
    let line = serde_json::to_string(event)
        .map_err(|error| Error::failed(format!("An event cannot be written as JSON ({error})")))?;
    print_line(&line);
    Ok(())
}

/// Opens the window. The first interrupt stops what runs there, keeps it and closes the window; the second one aborts.
pub(super) fn window(file: Option<PathBuf>) -> Result<u8> {
    let closer = crate::ui::Closer::default();
    let its = closer.clone();
    on_interrupt(move || {
        tell("Closing the window; what runs is stopped and kept. Again to abort.");
        its.close();
    })?;
    crate::ui::run(file, &closer).map(|()| 0)
}

/// The first interrupt asks the job to stop and keep its result, if it has one half done; the second one aborts.
pub(super) fn stop_on_interrupt(switch: Switch, kept: bool) -> Result<()> {
    on_interrupt(move || {
        let result = if kept { " and keeping the result" } else { "" };
        tell(&format!("Stopping{result}; press Ctrl-C again to abort."));
        switch.set(Control::Stop);
    })
}

/// Does something at the first interrupt or request to end; ends the program at the second one.
fn on_interrupt(first: impl Fn() + Send + 'static) -> Result<()> {
    let interrupts = AtomicUsize::new(0);
    ctrlc::set_handler(move || {
        if interrupts.fetch_add(1, Ordering::SeqCst) > 0 {
            tell("Aborted.");
            std::process::exit(130);
        }
        first();
    })
    .map_err(|error| Error::failed(format!("Ctrl-C cannot be handled ({error})")))
}
