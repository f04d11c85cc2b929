//! Flags that several subcommands share.
//!
//! The flags of configuration fields are generated from the metadata of the fields ([`Field`]), so that a field, its range
//! and its flag are declared once. The names in the Python tools are accepted as well (A§12).

use super::legacy_flags::LegacyFlags;
use crate::config::{Config, Field};
use clap::{Arg, ArgMatches, Command, FromArgMatches};
use std::path::PathBuf;

/// Output flags.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct OutputArgs {
    /// Print only errors
    #[arg(long, conflicts_with = "json")]
    pub quiet: bool,
    /// Print one event per line as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

impl OutputArgs {
    /// True if neither text nor progress is printed.
    pub(super) fn is_silent(self) -> bool {
        self.quiet || self.json
    }
}

/// Sources of the configuration: preset < file < flags.
#[derive(Debug, clap::Args)]
pub(super) struct SettingArgs<const TRAINING: bool> {
    /// Configuration file (TOML, YAML or JSON, also from PtychoPINN), or name of a shipped set-up (`ptychoscope config setups`
    /// lists them); flags override it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set one configuration field; overrides everything else; repeatable
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
    /// Seed of all random numbers
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// Flags of single fields.
    #[command(flatten)]
    pub fields: FieldFlags<TRAINING>,
    /// Flags of the Python tools.
    #[command(flatten)]
    pub legacy: LegacyFlags<TRAINING>,
}

/// Path and value of each field set by its own flag, in the order of the fields. Covers all fields, or, unless `TRAINING`,
/// those that inference uses.
#[derive(Debug, Clone, Default)]
pub(super) struct FieldFlags<const TRAINING: bool>(pub Vec<(String, String)>);

/// Names of a field in the Python tools, where they differ from ours.
fn python_names(path: &str) -> &'static [&'static str] {
    match path {
        "training.epochs" => &["nepochs", "max-epochs"],
        "training.learning_rate" => &["torch-learning-rate"],
        "training.schedule" => &["torch-scheduler"],
        "training.loss" => &["torch-loss-mode"],
        "training.gradient_clip" => &["gradient-clip-val"],
        "training.accum_steps" => &["accumulate-grad-batches", "torch-accumulate-grad-batches"],
        "training.plateau_factor" => &["torch-plateau-factor"],
        "training.plateau_patience" => &["torch-plateau-patience"],
        "training.plateau_min_lr" => &["torch-plateau-min-lr"],
        "training.plateau_threshold" => &["torch-plateau-threshold"],
        "training.scale_contract" => &["measurement-domain"],
        "training.logger" => &["torch-logger"],
        "inference.batch_size" => &["torch-inference-batch-size"],
        "inference.stitch_weighting" => &["patch-weighting"],
        "execution.accelerator" => &["torch-accelerator", "device"],
        "simulation.n_photons" => &["nphotons"],
        "simulation.pattern_size" => &["probe-size"],
        _ => &[],
    }
}

/// Fields accepted by `includes` that have a flag, each with the name of the flag.
fn flags(includes: fn(&Field) -> bool) -> impl Iterator<Item = (&'static Field, &'static str)> {
    Config::fields()
        .into_iter()
        .filter(move |field| includes(field))
        .filter_map(|field| Some((field, field.flag?.trim_start_matches("--"))))
}

/// Adds a flag for each field accepted by `includes`; the field supplies the help text.
pub(super) fn add_field_flags(mut command: Command, includes: fn(&Field) -> bool) -> Command {
    for (field, flag) in flags(includes) {
        let argument = Arg::new(field.path)
            .long(flag)
            .value_name(if field.unit.is_empty() { "VALUE" } else { field.unit })
            .help(format!("{} ({})", field.help.trim_end_matches('.'), field.range_text()))
            .allow_negative_numbers(true);
        // A switch that may stand alone: --strict, --strict=false.
        let argument = if field.path == "data.strict" {
            argument.num_args(0..=1).require_equals(true).default_missing_value("true")
        } else {
            argument
        };
        command = command.arg(argument.aliases(python_names(field.path).iter().copied()));
    }
    command
}

/// Values given to the flags of [`add_field_flags`], in the order of the fields.
pub(super) fn field_values(matches: &ArgMatches, includes: fn(&Field) -> bool) -> Vec<(String, String)> {
    flags(includes)
        .filter_map(|(field, _)| Some((field.path.to_owned(), matches.get_one::<String>(field.path)?.clone())))
        .collect()
}

/// Path and value of each field of the group data that controls how a dataset is read, as far as it has a flag.
#[derive(Debug, Clone, Default)]
pub(super) struct DataFlags(pub Vec<(String, String)>);

impl DataFlags {
    fn includes(field: &Field) -> bool {
        field.group() == "data"
            && field.settable_in_inference
            && !field.path.contains("probe_m")
            && !NOT_READING.contains(&field.path)
    }
}

/// Fields of the group data that do not concern reading.
const NOT_READING: [&str; 3] = ["data.neighbor_count", "data.n_subsample", "data.max_memory"];

impl clap::Args for DataFlags {
    fn augment_args(command: Command) -> Command {
        add_field_flags(command, Self::includes)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for DataFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(field_values(matches, Self::includes)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(field_values(matches, Self::includes));
        Ok(())
    }
}

impl<const TRAINING: bool> FieldFlags<TRAINING> {
    fn includes(field: &Field) -> bool {
        field.group() != "simulation" && (TRAINING || field.settable_in_inference)
    }
}

impl<const TRAINING: bool> clap::Args for FieldFlags<TRAINING> {
    fn augment_args(command: Command) -> Command {
        add_field_flags(command, Self::includes)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const TRAINING: bool> FromArgMatches for FieldFlags<TRAINING> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(field_values(matches, Self::includes)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(field_values(matches, Self::includes));
        Ok(())
    }
}
