//! The top level of the command line: the subcommands. The arguments of each are in its own file.

use super::bench::BenchArgs;
use super::compare::CompareArgs;
use super::completions::CompletionsArgs;
use super::config::ConfigArgs;
use super::devices::DevicesArgs;
use super::diagnose::DiagnoseArgs;
use super::evaluate::EvaluateArgs;
use super::export::ExportArgs;
use super::export_weights::ExportWeightsArgs;
use super::gui::GuiArgs;
use super::import_weights::ImportWeightsArgs;
use super::infer::InferArgs;
use super::inspect::InspectArgs;
use super::man::ManArgs;
use super::polish::PolishArgs;
use super::predict::PredictArgs;
use super::prepare::PrepareTool;
use super::ptychodus::PtychodusArgs;
use super::simulate::SimulateArgs;
use super::sweep::SweepArgs;
use super::train::TrainArgs;
use crate::error::{Error, Problem};
use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// All command-line arguments.
#[derive(Debug, Parser)]
#[command(name = "ptychoscope", version, about, max_term_width = 110, args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    /// File to open in the window: a dataset, model, configuration or run folder
    pub file: Option<PathBuf>,
    /// Subcommand; the graphical window if there is none.
    #[command(subcommand)]
    pub command: Option<Task>,
}

/// A subcommand.
#[derive(Debug, Subcommand)]
pub(super) enum Task {
    /// Open the graphical window, optionally with a file (default without a subcommand)
    Gui(GuiArgs),
    /// Train on a dataset, reconstruct it and write images
    Run(TrainArgs),
    /// Train on a dataset and write the model (model.ptycho)
    Train(TrainArgs),
    /// Reconstruct a dataset with a trained model
    Infer(InferArgs),
    /// Refine the object of a finished run with the direct solver
    Polish(PolishArgs),
    /// Measure the quality of reconstructions: metrics, images and curves
    Evaluate(EvaluateArgs),
    /// Reconstruct one test set with several models and compare the results
    Compare(CompareArgs),
    /// Run every combination of settings (resumable) and write one report on all of them
    Sweep(SweepArgs),
    /// Show the contents of a dataset and check whether it can be used
    Inspect(InspectArgs),
    /// Find out by quick trials why a dataset gives no picture, and which settings help
    Diagnose(DiagnoseArgs),
    /// Simulate a dataset with a known object
    Simulate(SimulateArgs),
    /// List the available devices
    Devices(DevicesArgs),
    /// Measure the speed of the program on this machine
    Bench(BenchArgs),
    /// Print the effective configuration, or describe its fields
    Config(ConfigArgs),
    /// Export reconstructions as TIFF, PNG, NPY, CXI or Ptychodus product
    Export(ExportArgs),
    /// Apply only the network to a batch of images; write object, amplitude and phase
    Predict(PredictArgs),
    /// Convert weights from PtychoPINN's PyTorch backend into a model
    ImportWeights(ImportWeightsArgs),
    /// Write the weights of a model as a state_dict for PtychoPINN (safetensors)
    ExportWeights(ExportWeightsArgs),
    /// Modify a dataset and write it as NPZ: crop, bin, shuffle, split, subset, transpose, to-amplitude, merge; or print stats
    Prepare {
        /// Operation.
        #[command(subcommand)]
        tool: PrepareTool,
    },
    /// Start Ptychodus with Ptychoscope in place of PtychoPINN (needs Python with Ptychodus and this program's package)
    Ptychodus(PtychodusArgs),
    /// Print the completion script of a shell
    Completions(CompletionsArgs),
    /// Write the manual pages for `man`
    #[command(hide = true)]
    Man(ManArgs),
}

impl Args {
    /// Parses a command line; `_` is accepted for `-` in the names of flags, as in the Python tools.
    ///
    /// # Errors
    /// Arguments that cannot be parsed, and requests for help or version.
    pub(super) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut only_values = false;
        let arguments = arguments.into_iter().map(|argument| {
            only_values |= argument == "--";
            match argument.to_str() {
                Some(text) if text.starts_with("--") && !only_values => {
                    let (name, rest) = text.split_at(text.find('=').unwrap_or(text.len()));
                    OsString::from(format!("{}{rest}", name.replace('_', "-")))
                }
                _ => argument,
            }
        });
        let args = Self::try_parse_from(arguments.collect::<Vec<_>>())?;
        match &args.file {
            Some(file) if !file.exists() => Err(neither(file)),
            _ => Ok(args),
        }
    }
}

/// The problem with a command line that cannot be parsed.
pub(super) fn problem(error: &clap::Error) -> Error {
    let text = error.render().to_string();
    let (title, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let tip = rest.lines().find_map(|line| line.trim().strip_prefix("tip: ")).unwrap_or("See --help");
    Error::BadInput(Problem::new(title.trim_start_matches("error: ")).hint(tip))
}

/// Error about a word that is neither a subcommand nor an existing file.
fn neither(word: &Path) -> clap::Error {
    let mut command = Args::command();
    let names: Vec<String> = command.get_subcommands().map(|task| task.get_name().to_owned()).collect();
    let word = word.display().to_string();
    let near = |name: &&String| word.len() > 2 && (name.starts_with(&word) || word.starts_with(name.as_str()));
    let hint = names.iter().find(near).map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
    let text = format!("{word:?} is neither a subcommand nor an existing file{hint}\n");
    command.error(clap::error::ErrorKind::InvalidSubcommand, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Args, clap::Error> {
        Args::read([&["ptychoscope"], words].concat().into_iter().map(OsString::from))
    }

    fn train_args(words: &[&str]) -> TrainArgs {
        let args = read(&[&["train"], words].concat()).unwrap();
        let Some(Task::Train(args)) = args.command else { panic!("not train") };
        args
    }

    #[test]
    fn the_argument_parser_has_no_clashes() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_flags_of_the_python_tools_are_understood() {
        let args = train_args(&[
            "--train_data_file",
            "a.npz",
            "--test_data_file",
            "b.npz",
            "--output_dir",
            "out",
            "--max_epochs",
            "2",
            "--n_images",
            "64",
            "--gridsize",
            "1",
            "--batch_size",
            "4",
            "--accelerator",
            "cpu",
            "--disable_mlflow",
            "--quiet",
        ]);
        assert_eq!(args.train_data_file, Some("a.npz".into()));
        assert_eq!(args.output_dir, Some("out".into()));
        assert_eq!(args.validation, Some("b.npz".into()));
        let value = |path: &str| args.settings.fields.0.iter().find(|(p, _)| p == path).map(|(_, v)| v.as_str());
        assert_eq!(value("training.epochs"), Some("2"));
        assert_eq!(value("training.batch_size"), Some("4"));
        assert_eq!(args.settings.legacy.settings, [("data.n_groups".to_owned(), "64".to_owned())]);
        assert_eq!(args.settings.legacy.notes.len(), 2, "{:?}", args.settings.legacy.notes);
    }

    #[test]
    fn the_flags_of_only_one_python_tool_are_taken_by_its_subcommand() {
        let args = train_args(&["a.npz", "--profile", "ci", "--no-probe-mask"]);
        let expected = [("training.scale_contract", "ci_intensity_v2"), ("data.probe_mask", "off")];
        assert_eq!(args.settings.legacy.settings, expected.map(|(path, value)| (path.to_owned(), value.to_owned())));
        let flags = ["--varpro-scaling", "--log-patch-stats", "--patch-stats-limit", "3", "--no-probe-mask"];
        let contract = ["--scale-contract-version", "ci_intensity_v2", "--measurement-domain", "counts"];
        assert!(read(&[&["infer", "m", "d"], &flags[..], &contract[..]].concat()).is_ok());
    }

    /// Splits a command as a POSIX shell does, as far as single quotes are concerned.
    fn shell_words(command: &str) -> Vec<String> {
        let (mut words, mut is_quoted, mut letters) = (vec![String::new()], false, command.chars());
        while let Some(letter) = letters.next() {
            match (letter, words.last_mut()) {
                ('\'', _) => is_quoted = !is_quoted,
                ('\\', Some(word)) if !is_quoted => word.extend(letters.next()),
                (' ', _) if !is_quoted => words.push(String::new()),
                (letter, Some(word)) => word.push(letter),
                (_, None) => {}
            }
        }
        words
    }

    #[test]
    fn the_command_of_every_job_is_understood_and_sets_the_same_configuration() {
        use crate::config::{Config, Method};
        use crate::session::script;
        use crate::simulate::Sources;
        use crate::worker::message::{Job, WatchMethod};
        let mut config = Box::<Config>::default();
        for (path, value) in
            [("data.mapping.x", "motors/o'clock x"), ("training.epochs", "7"), ("training.time_budget_s", "none")]
        {
            config.set(path, value).unwrap();
        }
        let mut direct = config.clone();
        direct.training.method = Method::Direct;
        let (dataset, model): (PathBuf, PathBuf) = ("/data/it's a scan.npz".into(), "/runs/a/model.ptycho".into());
        let folder: PathBuf = "/runs/a".into();
        let settings = vec![("inference.polish_epochs".to_owned(), "3".to_owned())];
        let watch = |method| {
            let (once, settle) = (false, std::time::Duration::ZERO);
            Job::Watch { method, folder: "/arriving".into(), output_dir: None, once, settle }
        };
        let with_model = WatchMethod::Model { model: model.clone(), settings: settings.clone() };
        let (of, validation, output_dir) = (dataset.clone(), Some("/v.npz".into()), None.into());
        let resume = |reconstruct| {
            let settings = vec![("training.epochs".to_owned(), "9".to_owned())];
            Job::Resume { folder: "/runs/a".into(), dataset: None, reconstruct, settings }
        };
        let sources = Box::new(Sources { probe: Some("/p.npz".into()), ..Sources::default() });
        let jobs = [
            Job::Run { dataset: of, validation: None, output_dir, config: config.clone() },
            Job::Train { dataset: dataset.clone(), validation, output_dir: None.into(), config: config.clone() },
            Job::Infer { model, dataset: dataset.clone(), output_dir: None.into(), settings: settings.clone() },
            Job::Polish { run: folder, output_dir: None.into(), settings },
            resume(Some(false)),
            resume(None),
            watch(with_model),
            watch(WatchMethod::Direct(direct.clone())),
            Job::Diagnose { dataset: dataset.clone(), output_dir: None, config: config.clone() },
            Job::Simulate { output: "/s.npz".into(), sources, config: Box::default() },
        ];
        for job in &jobs {
            let command = script::command(job);
            let read = Args::read(shell_words(&command).into_iter().map(OsString::from));
            let task = read.unwrap_or_else(|error| panic!("{command}: {error}")).command;
            let expected = match job {
                Job::Run { config, .. } | Job::Train { config, .. } => config,
                Job::Watch { method: WatchMethod::Direct(config), .. } => config,
                _ => continue,
            };
            let Some(Task::Run(args) | Task::Train(args)) = task else { panic!("{command}: {task:?}") };
            let (config, _) = super::super::settings::effective(args.preset.as_deref(), &args.settings).unwrap();
            assert_eq!(config, **expected, "{command}");
            let is_watch = matches!(job, Job::Watch { .. });
            assert_eq!(
                (args.dataset == Some(dataset.clone()), args.watch.is_some()),
                (!is_watch, is_watch),
                "{command}"
            );
        }
    }

    #[test]
    fn completions_and_manual_pages_name_every_subcommand() {
        let folder = tempfile::tempdir().unwrap();
        clap_mangen::generate_to(Args::command(), folder.path()).unwrap();
        let mut script = Vec::new();
        clap_complete::generate(clap_complete::Shell::Bash, &mut Args::command(), "ptychoscope", &mut script);
        let script = String::from_utf8(script).unwrap();
        for task in Args::command().get_subcommands().filter(|task| !task.is_hide_set()) {
            assert!(folder.path().join(format!("ptychoscope-{}.1", task.get_name())).is_file(), "{}", task.get_name());
            assert!(script.contains(task.get_name()), "{}", task.get_name());
        }
    }

    #[test]
    fn a_flag_without_effect_does_not_swallow_the_dataset() {
        let args = train_args(&["--disable_mlflow", "a.npz", "--epochs", "3"]);
        assert_eq!(args.dataset, Some("a.npz".into()));
    }

    #[test]
    fn underscores_in_values_and_after_two_dashes_are_kept() {
        let args = train_args(&["--set", "training.batch_size=8", "--output_dir=a_b", "--", "--c_d.npz"]);
        assert_eq!(args.settings.set, ["training.batch_size=8"]);
        assert_eq!(args.output_dir, Some("a_b".into()));
        assert_eq!(args.dataset, Some("--c_d.npz".into()));
    }

    #[test]
    fn a_training_is_resumed_without_a_dataset_and_without_another_preset() {
        let args = train_args(&["--resume", "runs/a"]);
        assert_eq!((args.resume, args.dataset), (Some("runs/a".into()), None));
        let moved = train_args(&["b.npz", "--resume", "runs/a", "--epochs", "9"]);
        assert_eq!(moved.dataset, Some("b.npz".into()));
        for other in ["--output-dir", "--preset", "--config", "--seed", "--validation"] {
            assert!(read(&["train", "--resume", "runs/a", other, "1"]).is_err(), "{other}");
        }
    }

    #[test]
    fn inference_takes_no_flag_of_training() {
        assert!(read(&["infer", "m", "d", "--epochs", "3"]).is_err());
        assert!(read(&["infer", "m", "d", "--n-groups", "3"]).is_err());
        assert!(read(&["infer", "m", "d", "--n_images", "3"]).is_ok());
        assert!(read(&["infer", "--model_path", "m", "--test_data", "d"]).is_ok());
        assert!(read(&["infer", "d", "--model_path", "m"]).is_ok());
        assert!(read(&["infer", "m"]).is_err());
        assert!(read(&["infer", "m", "--watch", "f", "--once", "--polish", "3"]).is_ok());
        assert!(read(&["infer", "m", "d", "--watch", "f"]).is_err() && read(&["infer", "m", "d", "--once"]).is_err());
        assert!(
            read(&["polish", "run", "--polish", "3"]).is_ok() && read(&["polish", "run", "--epochs", "3"]).is_err()
        );
    }

    #[test]
    fn a_command_line_that_cannot_be_parsed_is_a_problem_with_a_hint() {
        let error = problem(&read(&["train", "a.npz", "--epoch", "3"]).unwrap_err());
        assert_eq!(error.exit_code(), 2);
        assert_eq!(error.problem().title, "unexpected argument '--epoch' found");
        assert!(error.problem().hint.contains("--epochs"), "{error}");
    }

    #[test]
    fn a_file_alone_is_opened_in_the_window() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let args = read(&[file]).unwrap();
        assert!(args.command.is_none());
        assert_eq!(args.file.as_deref(), Some(Path::new(file)));
        assert!(read(&[]).unwrap().file.is_none());
        assert!(matches!(read(&["gui", "a.npz"]).unwrap().command, Some(Task::Gui(_))));
        let error = read(&["no_such_file.npz"]).unwrap_err().to_string();
        assert!(error.contains("neither a subcommand nor an existing file"), "{error}");
        let typo = read(&["eval"]).unwrap_err().to_string();
        assert!(typo.contains("did you mean `evaluate`"), "{typo}");
        assert!(read(&[file, "train"]).is_err());
    }

    #[test]
    fn a_dataset_is_asked_for_once() {
        assert!(read(&["train"]).is_err());
        assert!(read(&["train", "a.npz", "--train_data_file", "b.npz"]).is_err());
    }
}
