//! Which fields the rest of a configuration leaves without effect.

use super::{
    Architecture, Config, GeneratorOutput, LastStage, LossKind, Method, ModelType, ObjectKind, Optimizer, OutputMode,
    ProbeKind, ProbeMask, ProbeNormalization, Regularizer, Sampling, ScaleContract, ScanKind, Schedule,
    StitchWeighting,
};
use crate::error::Result;
use toml::{Table, Value};

/// Why the field at this dotted path has no effect with the others as they are, in words; none if it has.
///
/// Only what the configuration itself decides counts; what depends on the dataset is taken as used.
pub fn why_unused(path: &str, config: &Config) -> Option<String> {
    let (data, model, training) = (&config.data, &config.model, &config.training);
    if let Some(reason) = by_method(path, config) {
        return Some(reason.to_owned());
    }
    if let Some(reason) = by_loss(path, config) {
        return Some(reason.to_owned());
    }
    if let Some(reason) = by_network(path, config) {
        return Some(reason.to_owned());
    }
    let alone = model.gridsize == 1;
    let all_seeds = data.n_groups.is_none();
    let unused = match path {
        "data.sampling" => all_seeds.then_some("Every pattern is the seed of a group; set a number of groups first"),
        "data.neighbor_count" | "data.seed_in_group" => {
            alone.then_some("With grid size 1 a group is a single pattern, without neighbours")
        }
        "data.neighbor_pool_size" => (alone || !data.enable_oversampling)
            .then_some("Only more groups than patterns (enable_oversampling) are made of such a pool"),
        "data.rng" => (data.n_subsample.is_none() && alone && all_seeds)
            .then_some("With grid size 1 and all patterns nothing is drawn"),
        "data.enable_oversampling" if alone => Some("With grid size 1 there is one group for each pattern at most"),
        "data.enable_oversampling" => {
            all_seeds.then_some("There is one group for each pattern; set a number of groups first")
        }
        "model.head_filters" => (!matches!(model.last_stage, LastStage::Auto | LastStage::FullFrame))
            .then_some("The layouts with a border path have no such convolutions"),
        "model.probe_big" | "model.pad_object" if model.last_stage == LastStage::FullFrame => {
            Some("The last stage full_frame predicts every pixel alike")
        }
        "model.probe_big" => (!model.pad_object).then_some("Without pad_object every pixel is predicted alike"),
        "model.decoder_last_c_outer_fraction" if model.last_stage != LastStage::Auto && !model.has_border_path() => {
            Some("This last stage has no border path")
        }
        "model.decoder_last_c_outer_fraction" | "model.decoder_last_amp_channels" => (!model.has_own_channels())
            .then_some("Only the last stage border_unmasked uses it, and border_mask with its own channel split"),
        "model.use_legacy_decoder_channel_override" => (model.last_stage != LastStage::BorderMask)
            .then_some("Only the last stage border_mask can have another channel split"),
        "model.amp_activation" if model.architecture == Architecture::Cnn => {
            (model.cnn_output_mode == OutputMode::RealImag).then_some("The outputs are real and imaginary part")
        }
        "model.decoder_spatial_kernel" => {
            (!model.spatial_decoder).then_some("The decoders have no spatial attention (spatial_decoder)")
        }
        "model.object_big" => alone.then_some("With grid size 1 a group is a single patch, with nothing to merge"),
        "model.probe_scale" => (model.probe_normalization == ProbeNormalization::Energy)
            .then_some("The probe normalisation by energy does not use it"),
        "model.object_scale" => (model.probe_normalization != ProbeNormalization::Energy
            && model.model_type == ModelType::Pinn)
            .then_some("Only the probe normalisation by energy uses it"),
        "model.probe_learning_rate" => (!model.probe_trainable).then_some("The probe is not trained"),
        "model.position_jitter" => (alone && training.overlap_weight <= 0.0)
            .then_some("With grid size 1 and overlap weight 0 no patches are merged, and positions play no part"),
        "data.probe_mask_diameter" => (data.probe_mask == ProbeMask::Off).then_some("The probe is not masked"),
        "data.probe_mask_sigma" => {
            (data.probe_mask != ProbeMask::Soft).then_some("Only the edge of a soft probe mask is smoothed")
        }
        "model.merge_weighting" => (alone && training.overlap_weight <= 0.0)
            .then_some("With grid size 1 and overlap weight 0 no patches are merged"),
        "training.overlap_weight" => {
            (alone && training.batch_size == 1).then_some("A batch of a single pattern has no neighbours to agree with")
        }
        "training.lr_warmup_epochs" | "training.lr_min_ratio" => {
            (training.schedule != Schedule::WarmupCosine).then_some("Only the schedule warmup_cosine uses it")
        }
        "training.plateau_factor"
        | "training.plateau_patience"
        | "training.plateau_min_lr"
        | "training.plateau_threshold" => {
            (training.schedule != Schedule::ReduceOnPlateau).then_some("Only the schedule reduce_on_plateau uses it")
        }
        "training.momentum" => (training.optimizer != Optimizer::Sgd).then_some("Only the optimiser sgd has momentum"),
        "training.adam_beta1" | "training.adam_beta2" => {
            (training.optimizer == Optimizer::Sgd).then_some("The optimiser sgd has no such moments")
        }
        "training.gradient_clip_algorithm" => {
            (training.gradient_clip <= 0.0).then_some("The gradient is not clipped; set a bound first")
        }
        "training.fine_tune_gamma" => {
            (training.epochs_fine_tune == 0).then_some("There is no fine-tuning; set its epochs first")
        }
        "training.autosave_interval_s" => {
            (training.autosave_epochs == 0).then_some("There are no autosaves; set the epochs between them first")
        }
        "inference.crop" => (config.inference.stitch_weighting != StitchWeighting::CentralCrop)
            .then_some("Only the blending weight \"Central crop\" uses it"),
        "execution.seeds.subsample" => (data.n_subsample.is_none() && data.validation_fraction <= 0.0)
            .then_some("All patterns are kept and none is held back, so nothing is drawn"),
        "execution.seeds.grouping" => (alone && (all_seeds || data.sampling == Sampling::Sequential))
            .then_some("With grid size 1 and these groups nothing is drawn"),
        "execution.seeds.noise" => Some("Only simulations draw noise"),
        _ => None,
    };
    unused.map(str::to_owned)
}

/// What architecture and kind of learning leave without effect.
fn by_network(path: &str, config: &Config) -> Option<&'static str> {
    /// Fields that only the convolutional network has.
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
    /// Fields of the physics, which a known object makes idle.
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
        return Some("A supervised network learns from a known object, without the physics");
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

/// What the loss and the stages leave without effect.
fn by_loss(path: &str, config: &Config) -> Option<&'static str> {
    let training = &config.training;
    let real_space = training.tv_weight > 0.0 || training.realspace_mae_weight > 0.0;
    let smooths = training.amp_loss != Regularizer::None || training.phase_loss != Regularizer::None;
    let staged = training.stage_1_epochs + training.stage_2_epochs > 0;
    match path.strip_prefix("training.")? {
        "nll_weight" | "mae_weight" => {
            (training.loss != LossKind::Weighted).then_some("Only the weighted loss has such weights")
        }
        "realspace_weight" => {
            (!real_space).then_some("There are no terms in real space; set tv_weight or realspace_mae_weight first")
        }
        "realspace_mae_weight" | "tv_weight" => {
            (training.realspace_weight <= 0.0).then_some("The terms in real space weigh nothing (realspace_weight)")
        }
        "mae_pred_l2_match_target" => {
            (training.loss == LossKind::Poisson && !staged).then_some("There is no amplitude error in the loss")
        }
        "amp_loss_coeff" => (training.amp_loss == Regularizer::None).then_some("There is no such term (amp_loss)"),
        "phase_loss_coeff" => {
            (training.phase_loss == Regularizer::None).then_some("There is no such term (phase_loss)")
        }
        "physics_weight_schedule" => {
            (training.stage_2_epochs == 0).then_some("There is no second stage; set its epochs first")
        }
        "stage_3_lr_factor" => {
            (training.schedule != Schedule::MultiStage || !staged).then_some("Only the schedule multi_stage uses it")
        }
        "nphotons" => {
            let in_photons = training.loss == LossKind::Weighted
                || training.scale_contract == ScaleContract::LegacyV1
                || smooths
                || (training.realspace_weight > 0.0 && real_space);
            (!in_photons).then_some("It is recorded with the run; this loss is scaled so that it does not depend on it")
        }
        _ => None,
    }
}

/// What the choice between network and direct solver leaves without effect.
fn by_method(path: &str, config: &Config) -> Option<&'static str> {
    let direct = config.training.method == Method::Direct;
    let polishes = !direct && config.inference.polish_epochs > 0;
    let teaches = !direct && config.training.teacher_share > 0.0;
    let group = path.split('.').next().unwrap_or_default();
    match group {
        "direct" if !(direct || polishes || teaches) => {
            Some("Only the direct solver uses it: as the method, as the teacher or to polish")
        }
        "direct" if path == "direct.probe_modes" && !config.direct.refine_probe => {
            Some("Only a refined probe can take other modes than those of the dataset")
        }
        "direct" if path == "direct.max_shift" && !config.direct.refine_positions => {
            Some("The positions are not refined")
        }
        "direct" if path == "direct.epochs" && !(direct || teaches) => Some("The epochs of polishing are set there"),
        "model" if direct => Some("The direct solver has no network"),
        "training" if direct && path != "training.method" => Some("The direct solver has settings of its own"),
        "simulation" => Some("Only simulated datasets use it"),
        "inference" if direct => Some("The direct solver finds the whole object, without patches to predict and blend"),
        _ => None,
    }
}

/// As [`why_unused`], for a simulation.
pub fn why_unused_in_simulation(path: &str, config: &Config) -> Option<String> {
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
            from_file.then_some("The object of a file is taken as it is")
        }
        "pattern_size" => (simulation.probe == ProbeKind::File).then_some("The probe of a file brings its own"),
        "probe_diameter" => (!matches!(simulation.probe, ProbeKind::Gaussian | ProbeKind::Disk))
            .then_some("Only a Gaussian and a disk have a diameter to choose"),
        "pupil_radius" => (!zone_plate && !aberrated).then_some("Only a zone plate and aberrations have a pupil"),
        "central_stop" => (!zone_plate).then_some("Only a zone plate has a central stop"),
        "mode_power" => (simulation.probe_modes == 1).then_some("There is a single mode"),
        "overlap" => (simulation.scan == ScanKind::File).then_some("The positions of a file are taken as they are"),
        "scan_jitter" => {
            (simulation.scan != ScanKind::JitteredRaster).then_some("Only the jittered raster displaces its points")
        }
        _ => None,
    };
    unused.map(str::to_owned)
}

impl Config {
    /// The value of every field as text, as [`Config::get`] gives it, in the order of [`Config::fields`].
    ///
    /// # Errors
    /// A value cannot be written as TOML.
    pub fn texts(&self) -> Result<Vec<String>> {
        // One table for all fields: a form asks for all of them whenever one changes.
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
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::config::Preset;

    fn with(settings: &[(&str, &str)]) -> Config {
        // Without a teacher, whatever the preset says: it needs the direct solver.
        let settings = [&[("training.teacher_share", "0")], settings].concat();
        let settings: Vec<_> = settings.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Config::layered(Preset::Recipe, None, &settings).unwrap()
    }

    #[test]
    fn a_field_is_unused_exactly_when_the_field_that_rules_it_says_so() {
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
            assert!(why_unused(path, &with(&[unused_with])).is_some(), "{path} with {unused_with:?}");
            assert_eq!(why_unused(path, &with(&[used_with])), None, "{path} with {used_with:?}");
        }
        let both = with(&[("model.gridsize", "2"), ("data.n_groups", "900")]);
        assert_eq!(why_unused("data.enable_oversampling", &both), None);
        assert!(why_unused("data.enable_oversampling", &with(&[("model.gridsize", "2")])).is_some());
        assert!(why_unused("data.enable_oversampling", &with(&[("data.n_groups", "9")])).is_some());
        let direct = with(&[("training.method", "direct")]);
        assert!(
            why_unused("direct.probe_modes", &direct).is_some() && why_unused("direct.max_shift", &direct).is_some()
        );
        let refined = with(&[
            ("training.method", "direct"),
            ("direct.refine_probe", "true"),
            ("direct.refine_positions", "true"),
        ]);
        assert_eq!(why_unused("direct.probe_modes", &refined), None);
        assert_eq!(why_unused("direct.max_shift", &refined), None);
        assert_eq!(why_unused("training.method", &with(&[("training.method", "direct")])), None);
    }

    #[test]
    fn most_fields_of_every_preset_have_an_effect_and_reasons_are_sentences() {
        for preset in Preset::ALL {
            let config = preset.config();
            let reasons: Vec<String> =
                Config::fields().iter().filter_map(|field| why_unused(field.path, &config)).collect();
            let simulated = Config::fields().iter().filter(|field| field.group() == "simulation").count();
            assert!(reasons.len() - simulated < (Config::fields().len() - simulated) / 2, "{reasons:?}");
            for reason in reasons {
                assert!(reason.starts_with(char::is_uppercase) && !reason.ends_with('.'), "{reason}");
            }
        }
    }

    #[test]
    fn in_a_simulation_a_field_is_unused_exactly_when_the_choice_that_rules_it_says_so() {
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
            assert!(why_unused_in_simulation(&path, &set(unused_with)).is_some(), "{path} with {unused_with:?}");
            assert_eq!(why_unused_in_simulation(&path, &set(used_with)), None, "{path} with {used_with:?}");
        }
        assert_eq!(why_unused_in_simulation("simulation.n_photons", &Config::default()), None);
    }

    #[test]
    fn all_texts_at_once_are_those_of_the_fields_one_by_one() {
        let config = Preset::Reference.config();
        let one_by_one: Vec<String> = Config::fields().iter().map(|field| config.get(field.path).unwrap()).collect();
        assert_eq!(config.texts().unwrap(), one_by_one);
    }
}
