//! What the settings of PtychoPINN are called here (A§10): the one table for every layout of its configuration.

/// What a setting of PtychoPINN stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Meaning {
    /// The field at this path, with the same values.
    Field(&'static str),
    /// The field at this path; these words have other names there.
    Words(&'static str, &'static [(&'static str, &'static str)]),
    /// Something that is not a single field.
    Special(Special),
    /// An input or output of a run rather than a setting.
    Place(Place),
    /// It has no effect, for this reason; said where it is not its default (first value).
    Idle(&'static str, &'static str),
    /// Only these values (the first is the default) are what happens here; others are refused for this reason.
    Only(&'static [&'static str], &'static str),
}

/// Settings that need more than another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    /// Number of groups under its deprecated name.
    NImages,
    /// Batch size, which the original wants to be a power of two.
    BatchSize,
    /// `(a, b)`, which have to be equal.
    GridSize,
    /// Patterns per group: has to be gridsize².
    Channels,
    /// Whether the loss is Poisson.
    Nll,
    /// Weight of the Poisson term or of the amplitude error: `loss` becomes `weighted`, unless a loss is named.
    Weight(&'static str),
    /// The loss by name.
    Loss,
    /// Whether the first points are taken in file order.
    Sequential,
    /// Seed of subsample and groups.
    SubsampleSeed,
    /// Seed of everything.
    Seed,
    /// Whether bundles are saved on the way.
    Checkpoints,
}

/// Inputs and outputs of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Dataset that is trained on.
    Train,
    /// Dataset for the validation loss, or that is reconstructed.
    Test,
    /// Run folder.
    Output,
    /// Trained model.
    Model,
}

/// Part of a configuration in which a name means something of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Anywhere.
    Any,
    /// `data_config` of the PyTorch trainer.
    TorchData,
    /// `inference_config` of the PyTorch trainer, and sections called inference.
    Inference,
    /// `datagen_config` of the PyTorch trainer.
    TorchDatagen,
}

/// Names of a setting, the first being the one of A§10.1, where they mean it, and what it is here.
pub(super) type Name = (&'static [&'static str], Part, Meaning);

use Meaning::{Field, Idle, Only, Place as At, Special as Made, Words};
use Part::{Any, Inference, TorchData, TorchDatagen};

const ONE_ENGINE: &str = "there is one engine";
const ONE_DEVICE: &str = "one device works, without a strategy for several";
const LOADED: &str = "patterns are kept on the device, nothing is loaded while training";
const DERIVED: &str = "it follows from the dataset";
const SIMULATION: &str = "simulations have settings of their own, see `ptychoscope simulate`";
const MLFLOW: &str = "nothing is sent to MLflow";

/// All names, special places first.
pub(super) const NAMES: &[Name] = &[
    // Where a name means another thing than elsewhere.
    (
        &["n_subsample"],
        TorchData,
        Idle("7", "there is one group for each pattern; data.enable_oversampling makes more"),
    ),
    (&["batch_size", "inference_batch_size"], Inference, Field("inference.batch_size")),
    (&["n_groups"], Inference, Idle("none", "inference reconstructs every pattern")),
    (&["n_images"], Inference, Idle("none", "inference reconstructs every pattern")),
    (&["middle_trim"], Inference, Field("inference.crop")),
    (&["objects_per_probe"], TorchDatagen, Idle("4", SIMULATION)),
    (&["diff_per_object"], TorchDatagen, Idle("7000", SIMULATION)),
    (&["object_class"], TorchDatagen, Idle("dead_leaves", SIMULATION)),
    (&["image_size"], TorchDatagen, Idle("[250, 250]", SIMULATION)),
    (&["probe_paths"], TorchDatagen, Idle("[]", SIMULATION)),
    (&["beamstop_diameter"], TorchDatagen, Idle("4", SIMULATION)),
    // The network and its physics.
    (&["N"], Any, Field("data.pattern_size")),
    (&["gridsize"], Any, Field("model.gridsize")),
    (&["grid_size"], Any, Made(Special::GridSize)),
    (&["C", "C_model", "C_forward"], Any, Made(Special::Channels)),
    (&["n_filters_scale"], Any, Field("model.n_filters_scale")),
    (&["model_type", "mode"], Any, Words("model.model_type", &[("unsupervised", "pinn")])),
    (&["amp_activation"], Any, Field("model.amp_activation")),
    (&["object_big", "object.big"], Any, Field("model.object_big")),
    (&["probe_big", "probe.big"], Any, Field("model.probe_big")),
    (&["pad_object"], Any, Field("model.pad_object")),
    (&["probe_mask", "probe.mask"], Any, Field("data.probe_mask")),
    (&["probe_mask_sigma"], Any, Field("data.probe_mask_sigma")),
    (&["probe_mask_diameter"], Any, Field("data.probe_mask_diameter")),
    (&["probe_mask_tensor"], Any, Only(&["none"], "a mask of the probe is a disk here")),
    (&["probe_scale"], Any, Field("model.probe_scale")),
    (&["probe_normalize"], Any, Words("model.probe_normalization", &[("true", "mean_amplitude"), ("false", "fixed")])),
    (&["gaussian_smoothing_sigma"], Any, Field("model.gaussian_smoothing_sigma")),
    (&["probe_trainable", "probe.trainable"], Any, Field("model.probe_trainable")),
    (&["intensity_scale_trainable", "intensity_scale.trainable"], Any, Field("model.intensity_scale_trainable")),
    (&["intensity_scale"], Any, Idle("10000", DERIVED)),
    (&["architecture"], Any, Field("model.architecture")),
    (&["fno_modes"], Any, Field("model.fno_modes")),
    (&["fno_width"], Any, Field("model.fno_width")),
    (&["fno_blocks"], Any, Field("model.fno_blocks")),
    (&["fno_cnn_blocks"], Any, Field("model.fno_cnn_blocks")),
    (
        &["fno_input_transform"],
        Any,
        Words("model.input_transform", &[("log1p", "log"), ("instancenorm", "instance_norm")]),
    ),
    (&["generator_output_mode"], Any, Field("model.generator_output_mode")),
    (&["learned_input_channels"], Any, Only(&["1"], "the network sees the pattern alone")),
    (&["max_hidden_channels"], Any, Only(&["none"], "the architectures that use it are not there")),
    (&["resnet_width"], Any, Only(&["none"], "the architectures that use it are not there")),
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
    (&["training_patch_weighting"], Any, Words("model.merge_weighting", &[("central_mask", "central_window")])),
    (&["max_position_jitter"], Any, Idle("10", "a canvas is as large as its group needs")),
    (&["offset"], Any, Idle("4", "a canvas is as large as its group needs")),
    (&["edge_pad"], Any, Idle("10", "the original does not use it either")),
    (&["num_datasets"], Any, Idle("1", DERIVED)),
    (
        &["physics_forward_mode"],
        Any,
        Words("training.scale_contract", &[("amplitude", "legacy_v1"), ("rectangular_scaled", "ci_intensity_v2")]),
    ),
    (&["rect_s1s2_trainable"], Any, Idle("true", "real and imaginary part have one scale, that of the data")),
    (&["rect_s1s2_init"], Any, Idle("ones", "real and imaginary part have one scale, that of the data")),
    (&["amplitude_physics_gain"], Any, Field("training.amplitude_physics_gain")),
    (&["scale_contract_version"], Any, Field("training.scale_contract")),
    (
        &["measurement_domain"],
        Any,
        Words(
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
    (&["inference_groups", "inference_raw_selection"], Any, Idle("none", "inference reconstructs every pattern")),
    (&["positions_provided", "positions.provided"], Any, Idle("true", "the positions are always those of the dataset")),
    (&["neighbor_function"], Any, Only(&["nearest"], "neighbours are the nearest ones")),
    (&["K_quadrant"], Any, Idle("30", "neighbours are the nearest ones")),
    (&["min_neighbor_distance"], Any, Idle("0", "neighbours are the nearest ones, at any distance")),
    (&["max_neighbor_distance"], Any, Idle("3", "neighbours are the nearest ones, and a canvas has room for them")),
    (&["scan_pattern"], Any, Idle("isotropic", "neighbours are the nearest ones, at any distance")),
    (&["x_bounds", "y_bounds"], Any, Idle("[0.1, 0.9]", "patterns at the edge of the scan are used, too")),
    (&["normalize"], Any, Only(&["batch"], "the whole dataset is normalised by one factor")),
    (&["data_scaling"], Any, Only(&["parseval"], "patterns are normalised by their energy")),
    (&["phase_subtraction"], Any, Idle("true", "the phase of patches is aligned by inference.phase_synchronization")),
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
    (&["varpro_scaling"], Any, Only(&["false"], "real and imaginary part have no gains of their own in stitching")),
    (&["log_patch_stats"], Any, Idle("false", "the window shows the patches")),
    (&["patch_stats_limit"], Any, Idle("none", "the window shows the patches")),
    (&["middle_trim"], Any, Idle("0", "the original does not use it either")),
    (&["pad_eval"], Any, Idle("false", "the original does not use it either")),
    (&["window"], Any, Idle("20", "pictures show the whole object")),
    (&["experiment_number"], Any, Idle("0", MLFLOW)),
    // Inputs and outputs.
    (&["train_data_file", "train_data_file_path"], Any, At(Place::Train)),
    (&["test_data_file", "test_data_file_path"], Any, At(Place::Test)),
    (&["training_directories"], Any, At(Place::Train)),
    (&["output_dir", "output_prefix"], Any, At(Place::Output)),
    (&["model_path"], Any, At(Place::Model)),
    // Execution.
    (&["accelerator"], Any, Field("execution.accelerator")),
    // The default of the PyTorch trainer, whatever the machine has.
    (&["device"], Any, Words("execution.accelerator", &[("cuda", "auto")])),
    (&["devices", "n_devices"], Any, Only(&["1", "auto"], "one device works")),
    (&["precision"], Any, Only(&["32-true"], "arithmetic is in 32 bits")),
    (&["backend"], Any, Idle("tensorflow", ONE_ENGINE)),
    (&["framework"], Any, Idle("Lightning", ONE_ENGINE)),
    (&["strategy"], Any, Idle("auto", ONE_DEVICE)),
    (&["deterministic"], Any, Idle("true", "the same seeds always give the same result on the CPU")),
    (&["num_workers"], Any, Idle("0", LOADED)),
    (&["pin_memory", "persistent_workers"], Any, Idle("false", LOADED)),
    (&["prefetch_factor"], Any, Idle("none", LOADED)),
    (&["enable_progress_bar"], Any, Idle("false", "progress is shown unless --quiet is given")),
    (&["checkpoint_save_top_k"], Any, Idle("1", "the last and the best bundle are kept")),
    (
        &["checkpoint_monitor_metric"],
        Any,
        Idle("val_loss", "the validation loss judges an epoch, without one the training loss"),
    ),
    (&["checkpoint_mode"], Any, Only(&["min"], "the best epoch is that of the lowest loss")),
    (&["log_grad_norm"], Any, Idle("true", "the norm of the gradient is always in the history")),
    (&["grad_norm_log_freq"], Any, Idle("1", "the norm of the gradient is in the history once an epoch")),
    (
        &["recon_log_every_n_epochs", "recon_log_fixed_indices", "recon_log_max_stitch_samples"],
        Any,
        Idle("none", MLFLOW),
    ),
    (&["recon_log_num_patches"], Any, Idle("4", MLFLOW)),
    (&["recon_log_stitch"], Any, Idle("false", MLFLOW)),
    (&["orchestrator"], Any, Idle("Mlflow", MLFLOW)),
    (&["experiment_name"], Any, Idle("Synthetic_Runs", MLFLOW)),
    (&["notes"], Any, Idle("", "a run has a note of its own, in the window")),
    (&["model_name"], Any, Idle("PtychoPINNv2", "a run is named by its folder")),
    (&["debug"], Any, Idle("false", "the log of a run is log.txt in its folder")),
    (&["print_config"], Any, Idle("false", "the effective configuration is always kept")),
    // What only the dictionary of the TensorFlow program has (A§10.4).
    (&["outer_offset_train", "outer_offset_test"], Any, Idle("none", SIMULATION)),
    (&["big_gridsize"], Any, Idle("10", SIMULATION)),
    (&["sim_jitter_scale"], Any, Idle("0", SIMULATION)),
    (&["default_probe_scale"], Any, Idle("0.7", SIMULATION)),
    (&["nimgs_train"], Any, Idle("9", SIMULATION)),
    (&["nimgs_test"], Any, Idle("3", SIMULATION)),
    (&["data_source"], Any, Idle("generic", SIMULATION)),
    (&["set_phi"], Any, Idle("false", SIMULATION)),
    (&["size"], Any, Idle("392", SIMULATION)),
    (&["bigN"], Any, Idle("", "a canvas is as large as its group needs")),
    (&["label"], Any, Idle("", "a run is named by its folder")),
    (&["timestamp"], Any, Idle("", "a run is named by its folder")),
    (&["h5_path"], Any, Idle("wts.h5", "a trained network is model.ptycho in its folder")),
    (&["use_xla_translate", "use_xla_compile"], Any, Idle("true", ONE_ENGINE)),
];

/// What this name means in this part of a configuration.
pub(super) fn find(key: &str, part: Part) -> Option<&'static Name> {
    let named = |wanted: Part| NAMES.iter().find(|(names, at, _)| *at == wanted && names.contains(&key));
    if part == Any { named(Any) } else { named(part).or_else(|| named(Any)) }
}

/// Sections of a configuration: their names do not belong to the names of settings.
pub(super) fn section(name: &str) -> Option<Part> {
    match name {
        "data_config" | "DataConfig" => Some(TorchData),
        "inference_config" | "InferenceConfig" | "inference" => Some(Inference),
        "datagen_config" | "DatagenConfig" => Some(TorchDatagen),
        "model" | "training" | "data" | "sampling" | "execution" | "model_config" | "training_config"
        | "ModelConfig" | "TrainingConfig" | "execution_config" | "torch" | "pytorch" | "overrides" => Some(Any),
        _ => None,
    }
}

/// What the PyTorch trainer's sections take for what they leave out, where it is not what the preset `reference` has
/// (A§10.3).
pub(super) const TORCH_DEFAULTS: &[(&str, &str)] = &[
    ("model.gridsize", "2"),
    ("data.neighbor_count", "6"),
    ("model.amp_activation", "silu"),
    ("model.cbam_encoder", "true"),
];

/// A name of PtychoPINN and what becomes of it here, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// All its names, as they are written there; in brackets the part of a configuration where they mean this.
    pub names: String,
    /// The field here, if there is one, else what is done.
    pub here: String,
    /// Which values are others here, or why there is no such field.
    pub remark: String,
}

/// Every name of PtychoPINN's configurations.
pub fn dictionary() -> Vec<Entry> {
    let entry = |(names, part, meaning): &Name| {
        let within = match part {
            Any => "",
            TorchData => " (data_config)",
            Inference => " (inference)",
            TorchDatagen => " (datagen_config)",
        };
        let (here, remark) = match meaning {
            Field(path) => ((*path).to_owned(), String::new()),
            Words(path, words) => {
                let words: Vec<String> = words.iter().map(|(there, here)| format!("{there} is {here}")).collect();
                ((*path).to_owned(), words.join(", "))
            }
            Made(special) => {
                let (here, remark) = special.in_words();
                (here.to_owned(), remark.to_owned())
            }
            At(place) => (place.in_words().to_owned(), "given on the command line".to_owned()),
            Idle(default, why) => ("no effect, which is said".to_owned(), format!("{why} (default there: {default})")),
            Only(values, why) => ("no field".to_owned(), format!("only {}; else refused: {why}", values.join(", "))),
        };
        Entry { names: format!("{}{within}", names.join(", ")), here, remark }
    };
    NAMES.iter().map(entry).collect()
}

impl Special {
    /// The field or fields here, and what is particular.
    fn in_words(self) -> (&'static str, &'static str) {
        match self {
            Self::NImages => ("data.n_groups", "a deprecated name, which is said"),
            Self::BatchSize => ("training.batch_size", "need not be a power of two"),
            Self::GridSize => ("model.gridsize", "refused unless both numbers are equal"),
            Self::Channels => ("model.gridsize", "refused unless it is its square"),
            Self::Nll => ("training.nll_weight", "true is 1, false is 0 and training.loss mae"),
            Self::Weight(path) => (path, "makes training.loss weighted unless a loss is named"),
            Self::Loss => ("training.loss", "the names of both backends"),
            Self::Sequential => ("data.sampling", "true is sequential"),
            Self::SubsampleSeed => ("execution.seeds", "subsample and grouping"),
            Self::Seed => ("execution.seeds", "all of them"),
            Self::Checkpoints => ("training.autosave_epochs", "true is 1, false is 0"),
        }
    }
}

impl Place {
    fn in_words(self) -> &'static str {
        match self {
            Self::Train => "dataset",
            Self::Test => "dataset for validation",
            Self::Output => "run folder",
            Self::Model => "trained model",
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_name_leads_to_a_field_that_is_there_and_no_name_comes_twice_in_a_part() {
        let mut seen = std::collections::BTreeSet::new();
        for (names, part, meaning) in NAMES {
            for name in *names {
                assert!(seen.insert((format!("{part:?}"), *name)), "{name}");
            }
            let (Field(path) | Words(path, _) | Made(Special::Weight(path))) = meaning else { continue };
            let field = Config::field(path).unwrap_or_else(|error| panic!("{names:?}: {error}"));
            if let Words(_, words) = meaning {
                for (_, to) in *words {
                    field.parse(to).unwrap();
                }
            }
        }
    }

    #[test]
    fn the_dictionary_says_of_every_name_what_becomes_of_it() {
        let entries = dictionary();
        assert_eq!(entries.len(), NAMES.len());
        let of = |name: &str| entries.iter().find(|entry| entry.names.split(", ").any(|n| n == name)).unwrap();
        assert_eq!(
            (of("mode").here.as_str(), of("mode").remark.as_str()),
            ("model.model_type", "unsupervised is pinn")
        );
        assert_eq!(of("inference_batch_size (inference)").here, "inference.batch_size");
        assert!(of("learned_input_channels").remark.starts_with("only 1; else refused: "));
        assert!(entries.iter().all(|entry| !entry.here.is_empty() && !entry.names.is_empty()));
    }

    #[test]
    fn a_name_means_in_its_part_what_it_means_there() {
        assert_eq!(find("batch_size", Inference).unwrap().2, Field("inference.batch_size"));
        assert_eq!(find("batch_size", TorchData).unwrap().2, Made(Special::BatchSize));
        assert!(matches!(find("n_subsample", TorchData).unwrap().2, Idle(..)));
        assert_eq!(find("n_subsample", Any).unwrap().2, Field("data.n_subsample"));
        assert_eq!(find("no_such", Any), None);
    }
}
