//! Flags of the Python tools that map to another setting, or have no effect here (A§12).

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

/// Flags of the Python tools that are no plain alias of one of ours.
#[derive(Debug, Clone, Default)]
pub(super) struct LegacyFlags<const TRAINING: bool> {
    /// Path and value of each setting they stand for.
    pub settings: Vec<(String, String)>,
    /// Notes to print about them.
    pub notes: Vec<String>,
    /// Number of patterns, or of groups if a group has several, under its deprecated name.
    pub images: Option<String>,
    /// True for `--do-stitching`.
    pub stitch: bool,
}

/// Path and flag of the field that `--n-images` stands for.
const fn n_images(training: bool) -> (&'static str, &'static str) {
    if training { ("data.n_groups", "n-groups") } else { ("data.n_subsample", "n-subsample") }
}

/// A flag without effect: name, aliases, true if it takes a value, reason.
type WithoutEffect = (&'static str, &'static [&'static str], bool, &'static str);

const WITHOUT_EFFECT: &[WithoutEffect] = &[
    ("disable-mlflow", &[], false, "nothing is sent to MLflow"),
    ("deterministic", &["torch-deterministic", "no-deterministic"], false, "all seeds are always fixed"),
    ("num-workers", &["torch-num-workers"], true, "the dataset is kept on the device"),
    ("enable-checkpointing", &["disable-checkpointing"], false, "the last and the best model are always kept"),
    ("checkpoint-save-top-k", &["torch-checkpoint-save-top-k"], true, "the last and the best model are always kept"),
    (
        "checkpoint-monitor",
        &["torch-checkpoint-monitor"],
        true,
        "the best epoch has the lowest validation loss, or training loss without validation data",
    ),
    ("checkpoint-mode", &[], true, "the best epoch is the one with the lowest loss"),
    ("strategy", &[], true, "training uses a single device"),
    ("positions-provided", &[], true, "the positions are always those of the dataset"),
    (
        "torch-recon-log-every-n-epochs",
        &[
            "torch-recon-log-num-patches",
            "torch-recon-log-fixed-indices",
            "torch-recon-log-stitch",
            "torch-recon-log-max-stitch-samples",
        ],
        true,
        "nothing is sent to MLflow",
    ),
    ("torch-enable-checkpointing", &[], true, "the last and the best model are always kept"),
    ("console-level", &[], true, "the log of a run is log.txt in its folder"),
    ("verbose", &["debug"], false, "the log of a run is log.txt in its folder"),
];

/// Flags without effect on an inference; some are settings of a training.
const WITHOUT_EFFECT_ON_INFERENCE: &[WithoutEffect] = &[
    ("varpro-scaling", &[], false, "the scale of the object is that of the training"),
    ("scale-contract-version", &["measurement-domain"], true, "the model keeps those of its training"),
    ("log-patch-stats", &[], false, "the log of a run is log.txt in its folder"),
    ("patch-stats-limit", &[], true, "the log of a run is log.txt in its folder"),
];

fn without_effect(training: bool) -> impl Iterator<Item = &'static WithoutEffect> {
    let of_inference = if training { &[] } else { WITHOUT_EFFECT_ON_INFERENCE };
    WITHOUT_EFFECT.iter().chain(of_inference)
}

impl<const TRAINING: bool> clap::Args for LegacyFlags<TRAINING> {
    fn augment_args(mut command: Command) -> Command {
        for (name, aliases, takes_value, _) in without_effect(TRAINING) {
            let argument = Arg::new(*name).long(*name).aliases(aliases.iter().copied()).hide(true);
            let action = if *takes_value { ArgAction::Append } else { ArgAction::Count };
            command = command.arg(argument.action(action));
        }
        let hidden = |name: &'static str| Arg::new(name).long(name).value_name("VALUE").hide(true);
        command
            .arg(
                Arg::new("n-images")
                    .long("n-images")
                    .value_name("N")
                    .help(format!("Deprecated name of --{}", n_images(TRAINING).1))
                    .conflicts_with(n_images(TRAINING).0),
            )
            .arg(hidden("backend").value_parser(["tensorflow", "pytorch"]))
            .arg(Arg::new("do-stitching").long("do-stitching").hide(true).action(ArgAction::SetTrue))
            .arg(hidden("subsample-seed"))
            .args(TRAINING.then(|| hidden("profile").value_parser(["ci"])))
            .arg(Arg::new("no-probe-mask").long("no-probe-mask").hide(true).action(ArgAction::SetTrue))
            .arg(hidden("sequential-sampling"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const TRAINING: bool> FromArgMatches for LegacyFlags<TRAINING> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        for (name, _, _, reason) in without_effect(TRAINING) {
            if matches.value_source(name) == Some(ValueSource::CommandLine) {
                flags.notes.push(format!("--{name} has no effect here: {reason}."));
            }
        }
        if TRAINING && matches.get_one::<String>("profile").is_some() {
            flags.settings.push(("training.scale_contract".to_owned(), "ci_intensity_v2".to_owned()));
        }
        if matches.get_flag("no-probe-mask") {
            flags.settings.push(("data.probe_mask".to_owned(), "off".to_owned()));
        }
        flags.stitch = matches.get_flag("do-stitching");
        if let Some(n) = matches.get_one::<String>("n-images") {
            let (path, flag) = n_images(TRAINING);
            flags.settings.push((path.to_owned(), n.clone()));
            flags.images = Some(n.clone());
            flags.notes.push(format!("--n-images is the deprecated name of --{flag}."));
        }
        if let Some(seed) = matches.get_one::<String>("subsample-seed") {
            flags.settings.push(("execution.seeds.subsample".to_owned(), seed.clone()));
        }
        if let Some(value) = matches.get_one::<String>("sequential-sampling") {
            let sampling = if value.eq_ignore_ascii_case("true") { "sequential" } else { "random" };
            if TRAINING {
                flags.settings.push(("data.sampling".to_owned(), sampling.to_owned()));
            }
        }
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
