//! Fields without effect, given the rest of a configuration.

use super::{
    Architecture, Config, GeneratorOutput, LastStage, LossKind, Method, ModelType, ObjectKind, Optimizer, OutputMode,
    ProbeKind, ProbeMask, ProbeNormalization, Regularizer, Sampling, ScaleContract, ScanKind, Schedule,
    StitchWeighting,
};
use crate::error::Result;
use toml::{Table, Value};

/// Reason why the field at this dotted path has no effect, given the other fields; `None` if it has an effect.
///
/// Considers the configuration alone: a field whose effect depends on the dataset counts as used.
pub fn unused_reason(path: &str, config: &Config) -> Option<String> {
    [by_method, by_loss, by_architecture, by_last_stage, by_data, by_optimization]
        .iter()
        .find_map(|reason| reason(path, config))
        .map(str::to_owned)
}

/// Effect of grouping, probe mask, merging and stitching.
fn by_data(path: &str, config: &Config) -> Option<&'static str> {
    let (data, model, training) = (&config.data, &config.model, &config.training);
    let single = model.gridsize == 1;
    let all_seeds = data.n_groups.is_none();
    match path {
        "data.sampling" => all_seeds.then_some("Every pattern is the seed of a group; set a number of groups first"),
        "data.neighbor_count" | "data.seed_in_group" => {
            single.then_some("With grid size 1, a group is a single pattern without neighbors")
        }
        "data.neighbor_pool_size" => (single || !data.enable_oversampling)
            .then_some("Only oversampling (enable_oversampling) uses the neighbor pool"),
        "data.rng" => (data.n_subsample.is_none() && single && all_seeds)
            .then_some("With grid size 1 and all patterns, nothing is drawn at random"),
        "data.enable_oversampling" if single => Some("With grid size 1, there is at most one group per pattern"),
        "data.enable_oversampling" => {
            all_seeds.then_some("There is one group per pattern; set a number of groups first")
        }
        "data.probe_mask_diameter" => (data.probe_mask == ProbeMask::Off).then_some("The probe is not masked"),
        "data.probe_mask_sigma" => {
            (data.probe_mask != ProbeMask::Soft).then_some("Only a soft probe mask has a smoothed edge")
        }
        "model.object_big" => single.then_some("With grid size 1, a group is a single patch with nothing to merge"),
        "model.position_jitter" => (single && training.overlap_weight <= 0.0)
            .then_some("With grid size 1 and overlap weight 0, no patches are merged and positions are not used"),
        "model.merge_weighting" => (single && training.overlap_weight <= 0.0)
            .then_some("With grid size 1 and overlap weight 0, no patches are merged"),
        "training.overlap_weight" => {
            (single && training.batch_size == 1).then_some("A batch of a single pattern has no neighbors to merge")
        }
        "inference.crop" => (config.inference.stitch_weighting != StitchWeighting::CentralCrop)
            .then_some("Only the blending weight \"Central crop\" uses it"),
        "execution.seeds.subsample" => (data.n_subsample.is_none() && data.validation_fraction <= 0.0)
            .then_some("All patterns are used for training, so none are drawn at random"),
        "execution.seeds.grouping" => (single && (all_seeds || data.sampling == Sampling::Sequential))
            .then_some("With grid size 1 and these groups, nothing is drawn at random"),
        "execution.seeds.noise" => Some("Only simulations use it"),
        _ => None,
    }
}

/// Effect of the last stage of the decoder and of other choices within the network.
fn by_last_stage(path: &str, config: &Config) -> Option<&'static str> {
    let model = &config.model;
    match path {
        "model.head_filters" => (!matches!(model.last_stage, LastStage::Auto | LastStage::FullFrame))
            .then_some("The last stages with a border path have no such convolutions"),
        "model.probe_big" | "model.pad_object" if model.last_stage == LastStage::FullFrame => {
            Some("The last stage full_frame predicts all pixels alike")
        }
        "model.probe_big" => (!model.pad_object).then_some("Without pad_object, all pixels are predicted alike"),
        "model.decoder_last_c_outer_fraction" if model.last_stage != LastStage::Auto && !model.has_border_path() => {
            Some("This last stage has no border path")
        }
        "model.decoder_last_c_outer_fraction" | "model.decoder_last_amp_channels" => (!model.has_custom_channels())
            .then_some("Only the last stage border_unmasked, or border_mask with a custom channel split, uses it"),
        "model.use_legacy_decoder_channel_override" => (model.last_stage != LastStage::BorderMask)
            .then_some("Only the last stage border_mask supports a custom channel split"),
        "model.amp_activation" if model.architecture == Architecture::Cnn => {
            (model.cnn_output_mode == OutputMode::RealImag).then_some("The outputs are real and imaginary part")
        }
        "model.decoder_spatial_kernel" => {
            (!model.spatial_decoder).then_some("The decoders use no spatial attention (spatial_decoder)")
        }
        "model.probe_scale" => (model.probe_normalization == ProbeNormalization::Energy)
            .then_some("The probe normalization energy does not use it"),
        "model.object_scale" => (model.probe_normalization != ProbeNormalization::Energy
            && model.model_type == ModelType::Pinn)
            .then_some("Only the probe normalization energy uses it"),
        "model.probe_learning_rate" => (!model.probe_trainable).then_some("The probe is not trained"),
        _ => None,
    }
}

/// Effect of schedule, optimizer, clipping and autosave.
fn by_optimization(path: &str, config: &Config) -> Option<&'static str> {
    let training = &config.training;
    match path.strip_prefix("training.")? {
        "lr_warmup_epochs" | "lr_min_ratio" => {
            (training.schedule != Schedule::WarmupCosine).then_some("Only the schedule warmup_cosine uses it")
        }
        "plateau_factor" | "plateau_patience" | "plateau_min_lr" | "plateau_threshold" => {
            (training.schedule != Schedule::ReduceOnPlateau).then_some("Only the schedule reduce_on_plateau uses it")
        }
        "momentum" => (training.optimizer != Optimizer::Sgd).then_some("Only the optimizer sgd uses momentum"),
        "adam_beta1" | "adam_beta2" => {
            (training.optimizer == Optimizer::Sgd).then_some("The optimizer sgd has no moments")
        }
        "gradient_clip_algorithm" => {
            (training.gradient_clip <= 0.0).then_some("The gradient is not clipped; set an upper limit first")
        }
        "fine_tune_gamma" => {
            (training.epochs_fine_tune == 0).then_some("There is no fine-tuning; set its epochs first")
        }
        "autosave_interval_s" => {
            (training.autosave_epochs == 0).then_some("There are no autosaves; set the epochs between them first")
        }
        _ => None,
    }
}

/// Effect of architecture and training target.
fn by_architecture(path: &str, config: &Config) -> Option<&'static str> {
    /// Fields of the convolutional network alone.
    const CONVOLUTIONAL: [&str; 18] = [
        "n_filters_scale",
        "last_stage",
        "head_filters",
        "probe_big",
        "pad_object",
        "decoder_last_c_outer_fraction",
        "decoder_last_amp_channels",
        "use_legacy_decoder_channel_override",
        "cnn_output_mode",
        "use_shared_decoder",
        "batch_norm",
        "cbam_encoder",
        "eca_encoder",
        "cbam_bottleneck",
        "cbam_decoder",
        "eca_decoder",
        "spatial_decoder",
        "decoder_spatial_kernel",
    ];
    /// Fields of the physics, which supervised training does not use.
    const PHYSICS: [&str; 26] = [
        "model.probe_normalization",
        "model.probe_scale",
        "model.merge_weighting",
        "model.object_big",
        "model.gaussian_smoothing_sigma",
        "model.probe_trainable",
        "model.probe_learning_rate",
        "model.intensity_scale_trainable",
        "model.position_jitter",
        "training.loss",
        "training.overlap_weight",
        "training.teacher_share",
        "training.nphotons",
        "training.nll_weight",
        "training.mae_weight",
        "training.mae_pred_l2_match_target",
        "training.realspace_weight",
        "training.realspace_mae_weight",
        "training.tv_weight",
        "training.amp_loss",
        "training.phase_loss",
        "training.scale_contract",
        "training.amplitude_physics_gain",
        "training.stage_1_epochs",
        "training.stage_2_epochs",
        "training.physics_weight_schedule",
    ];
    let model = &config.model;
    if model.model_type == ModelType::Supervised && PHYSICS.contains(&path) {
        return Some("Supervised training does not use the physics");
    }
    let field = path.strip_prefix("model.")?;
    match model.architecture {
        Architecture::Cnn => (field.starts_with("fno_") || field == "generator_output_mode")
            .then_some("Only the Fourier architectures use it"),
        _ if CONVOLUTIONAL.contains(&field) => Some("Only the architecture cnn uses it"),
        Architecture::FnoVanilla if field == "fno_cnn_blocks" => {
            Some("The architecture fno_vanilla has no such blocks")
        }
        _ if field == "amp_activation" => (model.generator_output_mode != GeneratorOutput::AmpPhaseLogits)
            .then_some("Only the outputs amp_phase_logits use it"),
        _ => None,
    }
}

/// Effect of the loss and its stages.
fn by_loss(path: &str, config: &Config) -> Option<&'static str> {
    let training = &config.training;
    let real_space = training.tv_weight > 0.0 || training.realspace_mae_weight > 0.0;
    let smooths = training.amp_loss != Regularizer::None || training.phase_loss != Regularizer::None;
    let staged = training.stage_1_epochs + training.stage_2_epochs > 0;
    match path.strip_prefix("training.")? {
        "nll_weight" | "mae_weight" => {
            (training.loss != LossKind::Weighted).then_some("Only the weighted loss uses it")
        }
        "realspace_weight" => {
            (!real_space).then_some("There are no real-space terms; set tv_weight or realspace_mae_weight first")
        }
        "realspace_mae_weight" | "tv_weight" => {
            (training.realspace_weight <= 0.0).then_some("The weight of the real-space terms is 0 (realspace_weight)")
        }
        "mae_pred_l2_match_target" => {
            (training.loss == LossKind::Poisson && !staged).then_some("The loss contains no amplitude error")
        }
        "amp_loss_coeff" => {
            (training.amp_loss == Regularizer::None).then_some("The amplitude is not regularized (amp_loss)")
        }
        "phase_loss_coeff" => {
            (training.phase_loss == Regularizer::None).then_some("The phase is not regularized (phase_loss)")
        }
        "physics_weight_schedule" => {
            (training.stage_2_epochs == 0).then_some("There is no stage 2; set its epochs first")
        }
        "stage_3_lr_factor" => {
            (training.schedule != Schedule::MultiStage || !staged).then_some("Only the schedule multi_stage uses it")
        }
        "nphotons" => {
            let in_photons = training.loss == LossKind::Weighted
                || training.scale_contract == ScaleContract::LegacyV1
                || smooths
                || (training.realspace_weight > 0.0 && real_space);
            (!in_photons)
                .then_some("This loss does not depend on the photon count; the value is only recorded with the run")
        }
        _ => None,
    }
}

/// Effect of the choice between network and direct solver.
fn by_method(path: &str, config: &Config) -> Option<&'static str> {
    let direct = config.training.method == Method::Direct;
    let polishes = !direct && config.inference.polish_epochs > 0;
    let teaches = !direct && config.training.teacher_share > 0.0;
    let group = path.split('.').next().unwrap_or_default();
    match group {
        "direct" if !(direct || polishes || teaches) => {
            Some("Only the direct solver uses it: as the method, as the teacher or for polishing")
        }
        "direct" if path == "direct.probe_modes" && !config.direct.refine_probe => {
            Some("The probe is not refined, so it keeps the modes of the dataset")
        }
        "direct" if path == "direct.max_shift" && !config.direct.refine_positions => {
            Some("The positions are not refined")
        }
        "direct" if path == "direct.epochs" && !(direct || teaches) => Some("The polish epochs apply instead"),
        "model" if direct => Some("The direct solver has no network"),
        "training" if direct && path != "training.method" => Some("The direct solver has its own settings"),
        "simulation" => Some("Only simulations use it"),
        "inference" if direct => {
            Some("The direct solver reconstructs the whole object, without patches to predict and stitch")
        }
        _ => None,
    }
}

/// As [`unused_reason`], for a simulation.
pub fn unused_reason_in_simulation(path: &str, config: &Config) -> Option<String> {
    let simulation = &config.simulation;
    let from_file = simulation.object == ObjectKind::File;
    let aberrated = [
        simulation.astigmatism_0,
        simulation.astigmatism_45,
        simulation.coma_x,
        simulation.coma_y,
        simulation.spherical,
    ]
    .iter()
    .any(|coefficient| *coefficient != 0.0);
    let zone_plate = simulation.probe == ProbeKind::ZonePlate;
    let unused = match path.strip_prefix("simulation.").unwrap_or(path) {
        "object_size" | "amplitude_min" | "amplitude_max" | "phase_min" | "phase_max" | "phase_texture" => {
            from_file.then_some("An object from a file is used unchanged")
        }
        "pattern_size" => (simulation.probe == ProbeKind::File).then_some("A probe from a file defines its own"),
        "probe_diameter" => (!matches!(simulation.probe, ProbeKind::Gaussian | ProbeKind::Disk))
            .then_some("Only the probes gaussian and disk use it"),
        "pupil_radius" => (!zone_plate && !aberrated).then_some("Only a zone plate and aberrations use a pupil"),
        "central_stop" => (!zone_plate).then_some("Only a zone plate has a central stop"),
        "mode_power" => (simulation.probe_modes == 1).then_some("There is a single mode"),
        "overlap" => (simulation.scan == ScanKind::File).then_some("Positions from a file are used unchanged"),
        "scan_jitter" => {
            (simulation.scan != ScanKind::JitteredRaster).then_some("Only the jittered raster shifts its points")
        }
        _ => None,
    };
    unused.map(str::to_owned)
}

impl Config {
    /// Values of all fields as text, as from [`Config::get`], in the order of [`Config::fields`].
    ///
    /// # Errors
    /// A value cannot be written as TOML.
    pub fn texts(&self) -> Result<Vec<String>> {
        // One table for all fields: a form requests all of them whenever one changes.
        let Ok(table) = Table::try_from(self) else {
            return Self::fields().iter().map(|field| self.get(field.path)).collect();
        };
        let table = Value::Table(table);
        let text = |path: &str| match path.split('.').try_fold(&table, |value, key| value.get(key)) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        Ok(Self::fields().iter().map(|field| text(field.path)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Preset;

    fn with(settings: &[(&str, &str)]) -> Config {
        // Without a teacher, which would use the direct solver.
        let settings = [&[("training.teacher_share", "0")], settings].concat();
        let settings: Vec<_> = settings.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Config::layered(Preset::Recipe, None, &settings).unwrap()
    }

    #[test]
    fn a_field_is_unused_exactly_when_its_controlling_field_disables_it() {
        for (path, unused_with, used_with) in [
            ("inference.crop", ("inference.stitch_weighting", "probe"), ("inference.stitch_weighting", "central_crop")),
            (
                "model.object_scale",
                ("model.probe_normalization", "mean_amplitude"),
                ("model.probe_normalization", "energy"),
            ),
            ("model.head_filters", ("model.last_stage", "border_mask"), ("model.last_stage", "auto")),
            ("model.n_filters_scale", ("model.architecture", "fno"), ("model.architecture", "cnn")),
            ("model.last_stage", ("model.architecture", "ffno"), ("model.architecture", "cnn")),
            ("model.fno_modes", ("model.architecture", "cnn"), ("model.architecture", "ffno")),
            ("model.fno_cnn_blocks", ("model.architecture", "fno_vanilla"), ("model.architecture", "fno")),
            ("model.generator_output_mode", ("model.architecture", "cnn"), ("model.architecture", "fno")),
            ("model.amp_activation", ("model.architecture", "fno"), ("model.architecture", "cnn")),
            ("model.probe_learning_rate", ("model.probe_trainable", "false"), ("model.probe_trainable", "true")),
            ("model.probe_trainable", ("model.model_type", "supervised"), ("model.model_type", "pinn")),
            ("training.loss", ("model.model_type", "supervised"), ("model.model_type", "pinn")),
            ("model.position_jitter", ("training.overlap_weight", "0"), ("model.gridsize", "2")),
            ("data.probe_mask_diameter", ("data.probe_mask", "off"), ("data.probe_mask", "hard")),
            ("data.probe_mask_sigma", ("data.probe_mask", "hard"), ("data.probe_mask", "soft")),
            ("model.merge_weighting", ("training.overlap_weight", "0"), ("training.overlap_weight", "0.5")),
            ("model.merge_weighting", ("training.overlap_weight", "0"), ("model.gridsize", "2")),
            ("data.neighbor_count", ("model.gridsize", "1"), ("model.gridsize", "2")),
            ("data.seed_in_group", ("model.gridsize", "1"), ("model.gridsize", "3")),
            ("data.sampling", ("data.n_groups", "none"), ("data.n_groups", "100")),
            ("training.overlap_weight", ("training.batch_size", "1"), ("training.batch_size", "2")),
            ("execution.seeds.subsample", ("data.n_subsample", "none"), ("data.n_subsample", "10")),
            ("execution.seeds.subsample", ("data.n_subsample", "none"), ("data.validation_fraction", "0.1")),
            ("execution.seeds.grouping", ("data.n_groups", "none"), ("data.n_groups", "10")),
            ("execution.seeds.grouping", ("model.gridsize", "1"), ("model.gridsize", "2")),
            ("model.gridsize", ("training.method", "direct"), ("training.method", "network")),
            ("training.learning_rate", ("training.method", "direct"), ("training.method", "network")),
            ("inference.batch_size", ("training.method", "direct"), ("training.method", "network")),
            ("direct.epochs", ("training.method", "network"), ("training.method", "direct")),
            ("direct.epochs", ("inference.polish_epochs", "9"), ("training.teacher_share", "0.3")),
            ("direct.regularization", ("inference.polish_epochs", "0"), ("inference.polish_epochs", "9")),
        ] {
            assert!(unused_reason(path, &with(&[unused_with])).is_some(), "{path} with {unused_with:?}");
            assert_eq!(unused_reason(path, &with(&[used_with])), None, "{path} with {used_with:?}");
        }
        let both = with(&[("model.gridsize", "2"), ("data.n_groups", "900")]);
        assert_eq!(unused_reason("data.enable_oversampling", &both), None);
        assert!(unused_reason("data.enable_oversampling", &with(&[("model.gridsize", "2")])).is_some());
        assert!(unused_reason("data.enable_oversampling", &with(&[("data.n_groups", "9")])).is_some());
        let direct = with(&[("training.method", "direct")]);
        assert!(
            unused_reason("direct.probe_modes", &direct).is_some()
                && unused_reason("direct.max_shift", &direct).is_some()
        );
        let refined = with(&[
            ("training.method", "direct"),
            ("direct.refine_probe", "true"),
            ("direct.refine_positions", "true"),
        ]);
        assert_eq!(unused_reason("direct.probe_modes", &refined), None);
        assert_eq!(unused_reason("direct.max_shift", &refined), None);
        assert_eq!(unused_reason("training.method", &with(&[("training.method", "direct")])), None);
    }

    #[test]
    fn most_fields_of_every_preset_have_an_effect_and_reasons_are_sentences() {
        for preset in Preset::ALL {
            let config = preset.config();
            let reasons: Vec<String> =
                Config::fields().iter().filter_map(|field| unused_reason(field.path, &config)).collect();
            let simulated = Config::fields().iter().filter(|field| field.group() == "simulation").count();
            assert!(reasons.len() - simulated < (Config::fields().len() - simulated) / 2, "{reasons:?}");
            for reason in reasons {
                assert!(reason.starts_with(char::is_uppercase) && !reason.ends_with('.'), "{reason}");
            }
        }
    }

    #[test]
    fn in_a_simulation_a_field_is_unused_exactly_when_its_controlling_choice_disables_it() {
        for (path, unused_with, used_with) in [
            ("object_size", ("object", "file"), ("object", "lines")),
            ("phase_texture", ("object", "file"), ("object", "image")),
            ("pattern_size", ("probe", "file"), ("probe", "disk")),
            ("probe_diameter", ("probe", "default"), ("probe", "gaussian")),
            ("pupil_radius", ("probe", "disk"), ("probe", "zone_plate")),
            ("pupil_radius", ("coma_x", "0"), ("coma_x", "0.5")),
            ("central_stop", ("probe", "disk"), ("probe", "zone_plate")),
            ("mode_power", ("probe_modes", "1"), ("probe_modes", "2")),
            ("overlap", ("scan", "file"), ("scan", "spiral")),
            ("scan_jitter", ("scan", "raster"), ("scan", "jittered_raster")),
        ] {
            let path = format!("simulation.{path}");
            let set = |(name, text): (&str, &str)| with(&[(&format!("simulation.{name}"), text)]);
            assert!(unused_reason_in_simulation(&path, &set(unused_with)).is_some(), "{path} with {unused_with:?}");
            assert_eq!(unused_reason_in_simulation(&path, &set(used_with)), None, "{path} with {used_with:?}");
        }
        assert_eq!(unused_reason_in_simulation("simulation.n_photons", &Config::default()), None);
    }

    #[test]
    fn all_texts_equal_those_of_the_single_fields() {
        let config = Preset::Reference.config();
        let one_by_one: Vec<String> = Config::fields().iter().map(|field| config.get(field.path).unwrap()).collect();
        assert_eq!(config.texts().unwrap(), one_by_one);
    }
}
