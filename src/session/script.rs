//! Jobs as text to be run elsewhere: a command, a call of the Python module, a notebook.

use super::action::{Action, Effect};
use super::file_settings::Settings;
use super::state::State;
use crate::config::Config;
use crate::library::RunInfo;
use crate::worker::message::{Job, JobKind, Sources, WatchMethod};
use serde_json::{Value, json};
use std::path::Path;

impl State {
    /// The jobs that could be started now, each with its name.
    pub fn next_jobs(&self) -> Vec<(&'static str, Job)> {
        let actions = [
            ("Training or direct solution", Action::Start),
            ("Reconstruction", Action::Reconstruct),
            ("Polish", Action::Polish),
            ("Watched folder", Action::Watch),
            ("Simulation", Action::Simulate("simulated.npz".into())),
        ];
        let job = |action| {
            self.clone().dispatch(action).into_iter().find_map(|effect| match effect {
                Effect::Submit(job) => Some(job),
                _ => None,
            })
        };
        actions.into_iter().filter_map(|(name, action)| Some((name, job(action)?))).collect()
    }
}

/// The job that made a run; `None` for a run without a summary, or whose inputs are not known.
pub fn job_of(run: &RunInfo) -> Option<Job> {
    let settings = run.settings.iter().filter_map(|text| text.split_once(" = "));
    let mut settings: Settings = settings.map(|(path, value)| (path.to_owned(), value.to_owned())).collect();
    let (dataset, output_dir) = (run.dataset.clone(), None.into());
    match run.command? {
        kind @ (JobKind::Run | JobKind::Train | JobKind::Resume) => {
            let mut config = Box::<Config>::default();
            for (path, value) in &settings {
                config.set(path, value).ok()?;
            }
            let validation = None;
            Some(match kind {
                JobKind::Train => Job::Train { dataset, validation, output_dir, config },
                _ => Job::Run { dataset, validation, output_dir, config },
            })
        }
        JobKind::Infer => {
            settings.retain(|(path, _)| Config::check_settable_in_inference(path).is_ok());
            Some(Job::Infer { model: run.model.clone()?, dataset, output_dir, settings })
        }
        JobKind::Polish => {
            settings.retain(|(path, _)| path.starts_with("direct.") || path == "inference.polish_epochs");
            Some(Job::Polish { run: run.polished_from.clone()?, output_dir, settings })
        }
        JobKind::Watch | JobKind::Simulate | JobKind::Diagnose => None,
    }
}

/// A job as a command of the command line.
pub fn command(job: &Job) -> String {
    let words: Vec<String> = words(job).iter().map(|word| quoted(word)).collect();
    format!("ptychoscope {}", words.join(" "))
}

/// A job as Python code; the run, or the simulated dataset, is the variable `run`.
pub fn python(job: &Job) -> String {
    format!("import ptychoscope as pty\n\n{}\n", call(job))
}

/// A notebook (JSON, version 4 of its format) that shows a run and makes it again.
pub fn notebook(run: &RunInfo, job: &Job) -> String {
    let markdown = |text: String| json!({"cell_type": "markdown", "metadata": {}, "source": text});
    let code = |text: String| json!({"cell_type": "code", "execution_count": Value::Null, "metadata": {}, "outputs": [], "source": text});
    let opened = format!("import ptychoscope as pty\n\nrun = pty.open_run({})\nrun", literal(&absolute(&run.folder)));
    let document = json!({
        "cells": [
            markdown(format!("# {}\n\nNeeds the Python package `ptychoscope`; plots need matplotlib.", run.name)),
            code(opened),
            code("run.summary".to_owned()),
            code("run.plot();".to_owned()),
            markdown("## Again\n\nThe same job, with the settings that differ from the defaults.".to_owned()),
            code(call(job)),
            code("run".to_owned()),
        ],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 4,
    });
    format!("{document:#}\n")
}

/// Settings of a configuration that differ from the defaults; those of a simulation, or those of other jobs.
fn changed(config: &Config, simulation: bool) -> Settings {
    let (ours, defaults) = (config.texts().unwrap_or_default(), Config::default().texts().unwrap_or_default());
    let fields = Config::fields().into_iter().zip(ours).zip(defaults);
    let concerns = |path: &str| match path.starts_with("simulation.") {
        of_simulation if simulation => of_simulation || path == "model.gridsize",
        of_simulation => !of_simulation,
    };
    fields
        .filter(|((field, ours), default)| ours != default && concerns(field.path))
        .map(|((field, ours), _)| (field.path.to_owned(), ours))
        .collect()
}

/// Arguments of the program.
fn words(job: &Job) -> Vec<String> {
    let (mut words, settings) = match job {
        Job::Run { dataset, validation, config, .. } | Job::Train { dataset, validation, config, .. } => {
            let name = if matches!(job, Job::Run { .. }) { "run" } else { "train" };
            let mut words = vec![name.to_owned(), absolute(dataset)];
            words.extend(validation.iter().flat_map(|path| ["--validation".to_owned(), absolute(path)]));
            (words, changed(config, false))
        }
        Job::Infer { model, dataset, settings, .. } => {
            (vec!["infer".to_owned(), absolute(model), absolute(dataset)], settings.clone())
        }
        Job::Polish { run, settings, .. } => (vec!["polish".to_owned(), absolute(run)], settings.clone()),
        Job::Resume { folder, reconstruct, settings, .. } => {
            let name = if *reconstruct == Some(false) { "train" } else { "run" };
            (vec![name.to_owned(), "--resume".to_owned(), absolute(folder)], settings.clone())
        }
        Job::Watch { method: WatchMethod::Model { model, settings }, folder, .. } => {
            (vec!["infer".to_owned(), absolute(model), "--watch".to_owned(), absolute(folder)], settings.clone())
        }
        Job::Watch { method: WatchMethod::Direct(config), folder, .. } => {
            (vec!["run".to_owned(), "--watch".to_owned(), absolute(folder)], changed(config, false))
        }
        Job::Diagnose { dataset, config, .. } => {
            (vec!["diagnose".to_owned(), absolute(dataset)], changed(config, false))
        }
        Job::Simulate { output, sources, config } => {
            let mut words = vec!["simulate".to_owned(), "--output".to_owned(), absolute(output)];
            words.extend(source_words(sources));
            (words, changed(config, true))
        }
    };
    words.extend(settings.into_iter().flat_map(|(path, value)| ["--set".to_owned(), format!("{path}={value}")]));
    words
}

fn source_words(sources: &Sources) -> Vec<String> {
    let Sources { input, object_image, probe, positions } = sources;
    let flags = ["--input-file", "--object-image", "--probe-file", "--positions-file"];
    let given = flags.into_iter().zip([input, object_image, probe, positions]);
    given.filter_map(|(flag, path)| Some([flag.to_owned(), absolute(path.as_deref()?)])).flatten().collect()
}

/// The assignment `run = pty.…`.
fn call(job: &Job) -> String {
    let (function, paths, settings) = match job {
        Job::Run { dataset, config, .. } => ("run", vec![dataset], changed(config, false)),
        Job::Train { dataset, config, .. } => ("train", vec![dataset], changed(config, false)),
        Job::Infer { model, dataset, settings, .. } => ("infer", vec![model, dataset], settings.clone()),
        Job::Polish { run, settings, .. } => ("polish", vec![run], settings.clone()),
        Job::Resume { folder, settings, .. } => ("resume", vec![folder], settings.clone()),
        Job::Simulate { output, sources, config } if **sources == Sources::default() => {
            ("simulate", vec![output], changed(config, true))
        }
        Job::Watch { .. } | Job::Simulate { .. } | Job::Diagnose { .. } => {
            let words: Vec<String> = words(job).iter().map(|word| literal(word)).collect();
            return format!("import subprocess\n\nsubprocess.run([pty.program(), {}], check=True)", words.join(", "));
        }
    };
    let mut lines: Vec<String> = paths.into_iter().map(|path| literal(&absolute(path))).collect();
    match job {
        Job::Run { validation: Some(path), .. } | Job::Train { validation: Some(path), .. } => {
            lines.push(format!("validation={}", literal(&absolute(path))));
        }
        Job::Resume { reconstruct: Some(false), .. } => lines.push("reconstruct=False".to_owned()),
        _ => {}
    }
    if !settings.is_empty() {
        let pairs = settings.iter().map(|(path, text)| format!("        {}: {},\n", literal(path), value(text)));
        lines.push(format!("**{{\n{}    }}", pairs.collect::<String>()));
    }
    format!("run = pty.{function}(\n    {},\n)", lines.join(",\n    "))
}

/// A value of a setting in Python.
fn value(text: &str) -> String {
    match text {
        "true" => "True".to_owned(),
        "false" => "False".to_owned(),
        "none" => "None".to_owned(),
        _ if text.parse::<f64>().is_ok_and(f64::is_finite) => text.to_owned(),
        _ => literal(text),
    }
}

/// A string literal of Python.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &[(&str, &str)]) -> Job {
        let mut config = Box::<Config>::default();
        for (path, value) in text {
            config.set(path, value).unwrap();
        }
        Job::Run { dataset: "/data/a scan.npz".into(), validation: None, output_dir: None.into(), config }
    }

    #[test]
    fn a_job_is_a_command_and_a_call_with_its_changed_settings() {
        let job = run(&[("training.epochs", "50"), ("training.time_budget_s", "none"), ("simulation.n_images", "7")]);
        assert_eq!(
            command(&job),
            "ptychoscope run '/data/a scan.npz' --set training.epochs=50 --set training.time_budget_s=none"
        );
        assert_eq!(
            python(&job),
            "import ptychoscope as pty\n\nrun = pty.run(\n    \"/data/a scan.npz\",\n    **{\n        \"training.epochs\": \
             50,\n        \"training.time_budget_s\": None,\n    },\n)\n"
        );
        let (model, dataset) = ("/m.ptycho".into(), "/d.npz".into());
        let job = Job::Infer { model, dataset, output_dir: None.into(), settings: Vec::new() };
        assert_eq!(command(&job), "ptychoscope infer /m.ptycho /d.npz");
        assert!(python(&job).ends_with("run = pty.infer(\n    \"/m.ptycho\",\n    \"/d.npz\",\n)\n"));
    }

    #[test]
    fn watching_and_simulating_are_commands_with_their_files() {
        let watch = Job::Watch {
            method: WatchMethod::Model {
                model: "/m.ptycho".into(),
                settings: vec![("inference.polish_epochs".into(), "3".into())],
            },
            folder: "/in".into(),
            output_dir: None,
            once: false,
            settle: std::time::Duration::ZERO,
        };
        let sources = Box::new(Sources { probe: Some("/p.npz".into()), ..Sources::default() });
        let simulate = Job::Simulate { output: "/s.npz".into(), sources, config: Box::default() };
        assert!(command(&watch).contains("infer /m.ptycho --watch /in --set inference.polish_epochs=3"));
        assert!(command(&simulate).ends_with("simulate --output /s.npz --probe-file /p.npz"));
        assert!(python(&watch).contains("subprocess.run([pty.program(), \"infer\""));
    }

    #[test]
    fn a_notebook_opens_the_run_and_makes_it_again() {
        let settings = vec!["training.epochs = 3".to_owned()];
        let info = RunInfo {
            folder: "/runs/a".into(),
            name: "a".into(),
            command: Some(JobKind::Run),
            dataset: "/d.npz".into(),
            settings,
            ..RunInfo::default()
        };
        let job = job_of(&info).unwrap();
        let document: Value = serde_json::from_str(&notebook(&info, &job)).unwrap();
        let cells: Vec<&str> =
            document["cells"].as_array().unwrap().iter().map(|c| c["source"].as_str().unwrap()).collect();
        assert!(cells.iter().any(|cell| cell.contains("pty.open_run(\"/runs/a\")")));
        assert!(cells.iter().any(|cell| cell.contains("pty.run(") && cell.contains("\"training.epochs\": 3")));
        assert_eq!(job_of(&RunInfo::default()), None);
    }
}
