//! Translation of the settings of PtychoPINN (A§10): one table for every layout of its configuration.

/// Meaning of a setting of PtychoPINN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Meaning {
    /// The field at this path, with the same values.
    Field(&'static str),
    /// The field at this path; these values have other names there.
    Translated(&'static str, &'static [(&'static str, &'static str)]),
    /// Anything but a single field.
    Special(Special),
    /// An input or output of a run rather than a setting.
    Path(PathRole),
    /// No effect, for this reason; reported where it differs from its default (first value).
    Ignored(&'static str, &'static str),
    /// Only these values (the first is the default) are supported; others are rejected for this reason.
    Required(&'static [&'static str], &'static str),
}

/// Settings that need more than a translation of their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    /// Number of groups under its deprecated name.
    NImages,
    /// Batch size, which PtychoPINN requires to be a power of two.
    BatchSize,
    /// `(a, b)`, which must be equal.
    GridSize,
    /// Patterns per group, which must be gridsize².
    Channels,
    /// True for the Poisson loss.
    Nll,
    /// Weight of the Poisson term or of the amplitude error: sets `loss` to `weighted`, unless a loss is given.
    Weight(&'static str),
    /// The loss by name.
    Loss,
    /// True for the first patterns in file order.
    Sequential,
    /// Seed of subsample and groups.
    SubsampleSeed,
    /// Seed of everything.
    Seed,
    /// True to save the model during training.
    Checkpoints,
}

/// Role of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathRole {
    /// Dataset to train on.
    Train,
    /// Dataset for the validation loss, or to reconstruct.
    Test,
    /// Run folder.
    Output,
    /// Trained model.
    Model,
}

/// Section of a configuration in which a name has its own meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// Anywhere.
    Any,
    /// `data_config` of the PyTorch trainer.
    TorchData,
    /// `inference_config` of the PyTorch trainer, and sections called inference.
    Inference,
    /// `datagen_config` of the PyTorch trainer.
    TorchDatagen,
}

/// Names of a setting (the first as in A§10.1), the section where they apply, and their meaning.
pub(super) type Name = (&'static [&'static str], Section, Meaning);

use Meaning::{Field, Ignored, Path as At, Required, Special as Made, Translated};
use Section::{Any, Inference, TorchData, TorchDatagen};

const ONE_ENGINE: &str = "there is only one backend";
const ONE_DEVICE: &str = "training uses a single device";
const LOADED: &str = "patterns stay on the device; nothing is loaded during training";
const DERIVED: &str = "derived from the dataset";
const SIMULATION: &str = "simulations have their own settings, see `ptychoscope simulate`";
const MLFLOW: &str = "nothing is logged to MLflow";

/// All names, those of a section first.
pub(super) const NAMES: &[Name] = &[
    // Names with another meaning than elsewhere.
    (&["n_subsample"], TorchData, Ignored("7", "there is one group per pattern; data.enable_oversampling allows more")),
    (&["batch_size", "inference_batch_size"], Inference, Field("inference.batch_size")),
    (&["n_groups"], Inference, Ignored("none", "inference reconstructs every pattern")),
    (&["n_images"], Inference, Ignored("none", "inference reconstructs every pattern")),
    (&["middle_trim"], Inference, Field("inference.crop")),
    (&["objects_per_probe"], TorchDatagen, Ignored("4", SIMULATION)),
    (&["diff_per_object"], TorchDatagen, Ignored("7000", SIMULATION)),
    (&["object_class"], TorchDatagen, Ignored("dead_leaves", SIMULATION)),
    (&["image_size"], TorchDatagen, Ignored("[250, 250]", SIMULATION)),
    (&["probe_paths"], TorchDatagen, Ignored("[]", SIMULATION)),
    (&["beamstop_diameter"], TorchDatagen, Ignored("4", SIMULATION)),
    // The network and its physics.
    (&["N"], Any, Field("data.pattern_size")),
    (&["gridsize"], Any, Field("model.gridsize")),
    (&["grid_size"], Any, Made(Special::GridSize)),
    (&["C", "C_model", "C_forward"], Any, Made(Special::Channels)),
    (&["n_filters_scale"], Any, Field("model.n_filters_scale")),
    (&["model_type", "mode"], Any, Translated("model.model_type", &[("unsupervised", "pinn")])),
    (&["amp_activation"], Any, Field("model.amp_activation")),
    (&["object_big", "object.big"], Any, Field("model.object_big")),
    (&["probe_big", "probe.big"], Any, Field("model.probe_big")),
    (&["pad_object"], Any, Field("model.pad_object")),
    (&["probe_mask", "probe.mask"], Any, Field("data.probe_mask")),
    (&["probe_mask_sigma"], Any, Field("data.probe_mask_sigma")),
    (&["probe_mask_diameter"], Any, Field("data.probe_mask_diameter")),
    (&["probe_mask_tensor"], Any, Required(&["none"], "the probe mask is always a disk")),
    (&["probe_scale"], Any, Field("model.probe_scale")),
    (
        &["probe_normalize"],
        Any,
        Translated("model.probe_normalization", &[("true", "mean_amplitude"), ("false", "fixed")]),
    ),
    (&["gaussian_smoothing_sigma"], Any, Field("model.gaussian_smoothing_sigma")),
    (&["probe_trainable", "probe.trainable"], Any, Field("model.probe_trainable")),
    (&["intensity_scale_trainable", "intensity_scale.trainable"], Any, Field("model.intensity_scale_trainable")),
    (&["intensity_scale"], Any, Ignored("10000", DERIVED)),
    (&["architecture"], Any, Field("model.architecture")),
    (&["fno_modes"], Any, Field("model.fno_modes")),
    (&["fno_width"], Any, Field("model.fno_width")),
    (&["fno_blocks"], Any, Field("model.fno_blocks")),
    (&["fno_cnn_blocks"], Any, Field("model.fno_cnn_blocks")),
    (
        &["fno_input_transform"],
        Any,
        Translated("model.input_transform", &[("log1p", "log"), ("instancenorm", "instance_norm")]),
    ),
    (&["generator_output_mode"], Any, Field("model.generator_output_mode")),
    (&["learned_input_channels"], Any, Required(&["1"], "the input of the network is the pattern alone")),
    (&["max_hidden_channels"], Any, Required(&["none"], "the architectures that use it are not supported")),
    (&["resnet_width"], Any, Required(&["none"], "the architectures that use it are not supported")),
    (&["cnn_output_mode"], Any, Field("model.cnn_output_mode")),
    (&["use_shared_decoder"], Any, Field("model.use_shared_decoder")),
    (&["batch_norm"], Any, Field("model.batch_norm")),
    (&["decoder_last_c_outer_fraction"], Any, Field("model.decoder_last_c_outer_fraction")),
    (&["decoder_last_amp_channels"], Any, Field("model.decoder_last_amp_channels")),
    (&["use_legacy_decoder_channel_override"], Any, Field("model.use_legacy_decoder_channel_override")),
    (&["cbam_encoder"], Any, Field("model.cbam_encoder")),
    (&["eca_encoder"], Any, Field("model.eca_encoder")),
    (&["cbam_bottleneck"], Any, Field("model.cbam_bottleneck")),
    (&["cbam_decoder"], Any, Field("model.cbam_decoder")),
    (&["eca_decoder"], Any, Field("model.eca_decoder")),
    (&["spatial_decoder"], Any, Field("model.spatial_decoder")),
    (&["decoder_spatial_kernel"], Any, Field("model.decoder_spatial_kernel")),
    (&["training_patch_weighting"], Any, Translated("model.merge_weighting", &[("central_mask", "central_window")])),
    (&["max_position_jitter"], Any, Ignored("10", "the canvas is fitted to the group")),
    (&["offset"], Any, Ignored("4", "the canvas is fitted to the group")),
    (&["edge_pad"], Any, Ignored("10", "PtychoPINN does not use it either")),
    (&["num_datasets"], Any, Ignored("1", DERIVED)),
    (
        &["physics_forward_mode"],
        Any,
        Translated("training.scale_contract", &[("amplitude", "legacy_v1"), ("rectangular_scaled", "ci_intensity_v2")]),
    ),
    (&["rect_s1s2_trainable"], Any, Ignored("true", "real and imaginary part share the scale of the data")),
    (&["rect_s1s2_init"], Any, Ignored("ones", "real and imaginary part share the scale of the data")),
    (&["amplitude_physics_gain"], Any, Field("training.amplitude_physics_gain")),
    (&["scale_contract_version"], Any, Field("training.scale_contract")),
    (
        &["measurement_domain"],
        Any,
        Translated(
            "training.scale_contract",
            &[("normalized_amplitude", "legacy_v1"), ("count_intensity", "ci_intensity_v2")],
        ),
    ),
    // Data, sampling and grouping.
    (&["n_groups", "training_groups"], Any, Field("data.n_groups")),
    (&["n_images"], Any, Made(Special::NImages)),
    (&["n_subsample", "train_raw_selection"], Any, Field("data.n_subsample")),
    (&["subsample_seed"], Any, Made(Special::SubsampleSeed)),
    (&["npseed"], Any, Made(Special::Seed)),
    (&["neighbor_count", "K"], Any, Field("data.neighbor_count")),
    (&["enable_oversampling"], Any, Field("data.enable_oversampling")),
    (&["neighbor_pool_size"], Any, Field("data.neighbor_pool_size")),
    (&["sequential_sampling"], Any, Made(Special::Sequential)),
    (&["inference_groups", "inference_raw_selection"], Any, Ignored("none", "inference reconstructs every pattern")),
    (&["positions_provided", "positions.provided"], Any, Ignored("true", "positions are always read from the dataset")),
    (&["neighbor_function"], Any, Ignored("nearest", "neighbors are always the nearest")),
    (&["K_quadrant"], Any, Ignored("30", "neighbors are always the nearest")),
    (&["min_neighbor_distance"], Any, Ignored("0", "neighbors are always the nearest, at any distance")),
    (
        &["max_neighbor_distance"],
        Any,
        Ignored("3", "neighbors are always the nearest, and the canvas is fitted to them"),
    ),
    (&["scan_pattern"], Any, Ignored("isotropic", "neighbors are always the nearest, at any distance")),
    (&["x_bounds", "y_bounds"], Any, Ignored("[0.1, 0.9]", "patterns at the edge of the scan are always used")),
    (&["normalize"], Any, Required(&["batch"], "one factor normalizes the whole dataset")),
    (&["data_scaling"], Any, Required(&["parseval"], "patterns are normalized by their energy")),
    (&["phase_subtraction"], Any, Ignored("true", "inference.phase_synchronization aligns the phase of the patches")),
    // Training.
    (&["batch_size"], Any, Made(Special::BatchSize)),
    (&["nepochs", "epochs", "max_epochs"], Any, Field("training.epochs")),
    (&["learning_rate"], Any, Field("training.learning_rate")),
    (&["nll_weight"], Any, Made(Special::Weight("training.nll_weight"))),
    (&["mae_weight"], Any, Made(Special::Weight("training.mae_weight"))),
    (&["nll"], Any, Made(Special::Nll)),
    (&["torch_loss_mode", "loss_function"], Any, Made(Special::Loss)),
    (&["torch_mae_pred_l2_match_target"], Any, Field("training.mae_pred_l2_match_target")),
    (&["realspace_weight"], Any, Field("training.realspace_weight")),
    (&["realspace_mae_weight"], Any, Field("training.realspace_mae_weight")),
    (&["tv_weight"], Any, Field("training.tv_weight")),
    (&["amp_loss"], Any, Field("training.amp_loss")),
    (&["amp_loss_coeff"], Any, Field("training.amp_loss_coeff")),
    (&["phase_loss"], Any, Field("training.phase_loss")),
    (&["phase_loss_coeff"], Any, Field("training.phase_loss_coeff")),
    (&["nphotons"], Any, Field("training.nphotons")),
    (&["optimizer"], Any, Field("training.optimizer")),
    (&["momentum"], Any, Field("training.momentum")),
    (&["weight_decay"], Any, Field("training.weight_decay")),
    (&["adam_beta1"], Any, Field("training.adam_beta1")),
    (&["adam_beta2"], Any, Field("training.adam_beta2")),
    (&["gradient_clip_val"], Any, Field("training.gradient_clip")),
    (&["gradient_clip_algorithm"], Any, Field("training.gradient_clip_algorithm")),
    (&["accum_steps", "accumulate_grad_batches"], Any, Field("training.accum_steps")),
    (&["scheduler"], Any, Field("training.schedule")),
    (&["lr_warmup_epochs"], Any, Field("training.lr_warmup_epochs")),
    (&["lr_min_ratio"], Any, Field("training.lr_min_ratio")),
    (&["plateau_factor"], Any, Field("training.plateau_factor")),
    (&["plateau_patience"], Any, Field("training.plateau_patience")),
    (&["plateau_min_lr"], Any, Field("training.plateau_min_lr")),
    (&["plateau_threshold"], Any, Field("training.plateau_threshold")),
    (&["early_stop_patience"], Any, Field("training.early_stop_patience")),
    (&["epochs_fine_tune"], Any, Field("training.epochs_fine_tune")),
    (&["fine_tune_gamma"], Any, Field("training.fine_tune_gamma")),
    (&["stage_1_epochs"], Any, Field("training.stage_1_epochs")),
    (&["stage_2_epochs"], Any, Field("training.stage_2_epochs")),
    (&["stage_3_epochs"], Any, Field("training.stage_3_epochs")),
    (&["physics_weight_schedule"], Any, Field("training.physics_weight_schedule")),
    (&["stage_3_lr_factor"], Any, Field("training.stage_3_lr_factor")),
    (&["enable_checkpointing"], Any, Made(Special::Checkpoints)),
    (&["logger_backend", "logger"], Any, Field("training.logger")),
    // Inference.
    (&["inference_batch_size"], Any, Field("inference.batch_size")),
    (&["patch_weighting"], Any, Field("inference.stitch_weighting")),
    (&["varpro_scaling"], Any, Required(&["false"], "stitching does not fit gains of real and imaginary part")),
    (&["log_patch_stats"], Any, Ignored("false", "the window shows the patches")),
    (&["patch_stats_limit"], Any, Ignored("none", "the window shows the patches")),
    (&["stitch_crop_size"], Any, Field("inference.crop")),
    (&["middle_trim"], Any, Ignored("0", "PtychoPINN does not use it either")),
    (&["pad_eval"], Any, Ignored("false", "PtychoPINN does not use it either")),
    (&["window"], Any, Ignored("20", "images show the whole object")),
    (&["experiment_number"], Any, Ignored("0", MLFLOW)),
    // Inputs and outputs.
    (&["train_data_file", "train_data_file_path"], Any, At(PathRole::Train)),
    (&["test_data_file", "test_data_file_path"], Any, At(PathRole::Test)),
    (&["training_directories"], Any, At(PathRole::Train)),
    (&["output_dir", "output_prefix"], Any, At(PathRole::Output)),
    (&["model_path"], Any, At(PathRole::Model)),
    // Execution.
    (&["accelerator"], Any, Field("execution.accelerator")),
    // The default of the PyTorch trainer, independent of the machine.
    (&["device"], Any, Translated("execution.accelerator", &[("cuda", "auto")])),
    (&["devices", "n_devices"], Any, Ignored("1", ONE_DEVICE)),
    (&["precision"], Any, Required(&["32-true"], "computations use 32-bit floating point")),
    (&["backend"], Any, Required(&["tensorflow", "pytorch"], "both run on the same engine here")),
    (&["framework"], Any, Ignored("Lightning", ONE_ENGINE)),
    (&["strategy"], Any, Ignored("auto", ONE_DEVICE)),
    (&["deterministic"], Any, Ignored("true", "on the CPU, equal seeds always give equal results")),
    (&["num_workers"], Any, Ignored("0", LOADED)),
    (&["pin_memory", "persistent_workers"], Any, Ignored("false", LOADED)),
    (&["prefetch_factor"], Any, Ignored("none", LOADED)),
    (&["enable_progress_bar"], Any, Ignored("false", "progress is shown unless --quiet is set")),
    (&["checkpoint_save_top_k"], Any, Ignored("1", "the last and the best model are kept")),
    (
        &["checkpoint_monitor_metric"],
        Any,
        Ignored(
            "val_loss",
            "the validation loss selects the best epoch, or the training loss if there is no validation",
        ),
    ),
    (&["checkpoint_mode"], Any, Required(&["min"], "the best epoch is the one with the lowest loss")),
    (&["log_grad_norm"], Any, Ignored("true", "the history always contains the gradient norm")),
    (&["grad_norm_log_freq"], Any, Ignored("1", "the history contains the gradient norm of each epoch")),
    (
        &["recon_log_every_n_epochs", "recon_log_fixed_indices", "recon_log_max_stitch_samples"],
        Any,
        Ignored("none", MLFLOW),
    ),
    (&["recon_log_num_patches"], Any, Ignored("4", MLFLOW)),
    (&["recon_log_stitch"], Any, Ignored("false", MLFLOW)),
    (&["orchestrator"], Any, Ignored("Mlflow", MLFLOW)),
    (&["experiment_name"], Any, Ignored("Synthetic_Runs", MLFLOW)),
    (&["notes"], Any, Ignored("", "the window stores a note with each run")),
    (&["model_name"], Any, Ignored("PtychoPINNv2", "a run is named after its folder")),
    (&["debug"], Any, Ignored("false", "the log of a run is log.txt in its folder")),
    (&["print_config"], Any, Ignored("false", "the effective configuration is always saved")),
    // Settings of the TensorFlow dictionary alone (A§10.4).
    (&["outer_offset_train", "outer_offset_test"], Any, Ignored("none", SIMULATION)),
    (&["big_gridsize"], Any, Ignored("10", SIMULATION)),
    (&["sim_jitter_scale"], Any, Ignored("0", SIMULATION)),
    (&["default_probe_scale"], Any, Ignored("0.7", SIMULATION)),
    (&["nimgs_train"], Any, Ignored("9", SIMULATION)),
    (&["nimgs_test"], Any, Ignored("3", SIMULATION)),
    (&["data_source"], Any, Ignored("generic", SIMULATION)),
    (&["set_phi"], Any, Ignored("false", SIMULATION)),
    (&["size"], Any, Ignored("392", SIMULATION)),
    (&["bigN"], Any, Ignored("", "the canvas is fitted to the group")),
    (&["label"], Any, Ignored("", "a run is named after its folder")),
    (&["timestamp"], Any, Ignored("", "a run is named after its folder")),
    (&["h5_path"], Any, Ignored("wts.h5", "the trained model is saved as model.ptycho")),
    (&["use_xla_translate", "use_xla_compile"], Any, Ignored("true", ONE_ENGINE)),
];

/// Entry of a name in a section of a configuration.
pub(super) fn find(key: &str, section: Section) -> Option<&'static Name> {
    let named = |wanted: Section| NAMES.iter().find(|(names, at, _)| *at == wanted && names.contains(&key));
    if section == Any { named(Any) } else { named(section).or_else(|| named(Any)) }
}

/// Section of this name; section names are not part of the names of settings.
pub(super) fn section(name: &str) -> Option<Section> {
    match name {
        "data_config" | "DataConfig" => Some(TorchData),
        "inference_config" | "InferenceConfig" | "inference" => Some(Inference),
        "datagen_config" | "DatagenConfig" => Some(TorchDatagen),
        "model" | "training" | "data" | "sampling" | "execution" | "model_config" | "training_config"
        | "ModelConfig" | "TrainingConfig" | "execution_config" | "torch" | "pytorch" | "overrides" => Some(Any),
        _ => None,
    }
}

/// Defaults of the PyTorch trainer that differ from the preset `reference` (A§10.3).
pub(super) const TORCH_DEFAULTS: &[(&str, &str)] = &[
    ("model.gridsize", "2"),
    ("data.neighbor_count", "6"),
    ("model.amp_activation", "silu"),
    ("model.cbam_encoder", "true"),
];

/// Name of a PtychoPINN setting and its counterpart, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// All names of the setting; in parentheses the section of a configuration where they apply.
    pub names: String,
    /// Corresponding field if there is one, else the treatment of the setting.
    pub field: String,
    /// Values with other names, or the reason why there is no such field.
    pub remark: String,
}

/// All names in configurations of PtychoPINN.
pub fn dictionary() -> Vec<Entry> {
    let entry = |(names, section, meaning): &Name| {
        let within = match section {
            Any => "",
            TorchData => " (data_config)",
            Inference => " (inference)",
            TorchDatagen => " (datagen_config)",
        };
        let (field, remark) = match meaning {
            Field(path) => ((*path).to_owned(), String::new()),
            Translated(path, words) => {
                let words: Vec<String> = words.iter().map(|(theirs, ours)| format!("{theirs} is {ours}")).collect();
                ((*path).to_owned(), words.join(", "))
            }
            Made(special) => {
                let (field, remark) = special.description();
                (field.to_owned(), remark.to_owned())
            }
            At(role) => (role.description().to_owned(), "given on the command line".to_owned()),
            Ignored(default, why) => {
                ("no effect, with a note".to_owned(), format!("{why} (default of PtychoPINN: {default})"))
            }
            Required(values, why) => {
                ("no field".to_owned(), format!("only {}; other values are rejected: {why}", values.join(", ")))
            }
        };
        Entry { names: format!("{}{within}", names.join(", ")), field, remark }
    };
    NAMES.iter().map(entry).collect()
}

impl Special {
    /// Corresponding field or fields, and a remark.
    fn description(self) -> (&'static str, &'static str) {
        match self {
            Self::NImages => ("data.n_groups", "deprecated name, with a note; data.n_subsample for grid size 1"),
            Self::BatchSize => ("training.batch_size", "not limited to powers of two"),
            Self::GridSize => ("model.gridsize", "rejected unless both numbers are equal"),
            Self::Channels => ("model.gridsize", "rejected unless it is the square of model.gridsize"),
            Self::Nll => ("training.nll_weight", "true is 1; false is 0 and sets training.loss to mae"),
            Self::Weight(path) => (path, "sets training.loss to weighted unless a loss is given"),
            Self::Loss => ("training.loss", "accepts the names of both backends"),
            Self::Sequential => ("data.sampling", "true is sequential"),
            Self::SubsampleSeed => ("execution.seeds", "sets subsample and grouping"),
            Self::Seed => ("execution.seeds", "sets all seeds"),
            Self::Checkpoints => ("training.autosave_epochs", "true is 1, false is 0"),
        }
    }
}

impl PathRole {
    fn description(self) -> &'static str {
        match self {
            Self::Train => "dataset",
            Self::Test => "dataset for validation",
            Self::Output => "run folder",
            Self::Model => "trained model",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_name_leads_to_an_existing_field_and_no_name_is_repeated_in_a_section() {
        let mut seen = std::collections::BTreeSet::new();
        for (names, section, meaning) in NAMES {
            for name in *names {
                assert!(seen.insert((format!("{section:?}"), *name)), "{name}");
            }
            let (Field(path) | Translated(path, _) | Made(Special::Weight(path))) = meaning else { continue };
            let field = Config::field(path).unwrap_or_else(|error| panic!("{names:?}: {error}"));
            if let Translated(_, words) = meaning {
                for (_, to) in *words {
                    field.parse(to).unwrap();
                }
            }
        }
    }

    #[test]
    fn the_dictionary_describes_every_name() {
        let entries = dictionary();
        assert_eq!(entries.len(), NAMES.len());
        let of = |name: &str| entries.iter().find(|entry| entry.names.split(", ").any(|n| n == name)).unwrap();
        assert_eq!(
            (of("mode").field.as_str(), of("mode").remark.as_str()),
            ("model.model_type", "unsupervised is pinn")
        );
        assert_eq!(of("inference_batch_size (inference)").field, "inference.batch_size");
        assert!(of("learned_input_channels").remark.starts_with("only 1; other values are rejected: "));
        assert!(entries.iter().all(|entry| !entry.field.is_empty() && !entry.names.is_empty()));
    }

    #[test]
    fn a_name_has_its_own_meaning_in_its_section() {
        assert_eq!(find("batch_size", Inference).unwrap().2, Field("inference.batch_size"));
        assert_eq!(find("batch_size", TorchData).unwrap().2, Made(Special::BatchSize));
        assert!(matches!(find("n_subsample", TorchData).unwrap().2, Ignored(..)));
        assert_eq!(find("n_subsample", Any).unwrap().2, Field("data.n_subsample"));
        assert_eq!(find("no_such", Any), None);
    }
}
