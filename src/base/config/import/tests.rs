use super::*;
use crate::config::{AmpActivation, LossKind, Sampling};

fn import(text: &str) -> Imported {
    Config::import_text(text, None, None, &[]).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> String {
    Config::import_text(text, None, None, &[]).unwrap_err().to_string()
}

/// Keys and values of the bridge test of PtychoPINN (A§15): a configuration in which every value is changed.
const BRIDGE: &[(&str, &str)] = &[
    ("N", "128"),
    ("amp_activation", "\"swish\""),
    ("batch_size", "32"),
    ("debug", "true"),
    ("gaussian_smoothing_sigma", "0.5"),
    ("gridsize", "3"),
    ("intensity_scale.trainable", "true"),
    ("mae_weight", "0.3"),
    ("model_path", "\"/canonical/baseline/model_directory\""),
    ("model_type", "\"pinn\""),
    ("n_filters_scale", "2"),
    ("n_groups", "512"),
    ("n_subsample", "1024"),
    ("neighbor_count", "6"),
    ("nepochs", "100"),
    ("nll_weight", "0.7"),
    ("nphotons", "500000000.0"),
    ("object.big", "false"),
    ("output_prefix", "\"/canonical/baseline/inference_outputs\""),
    ("pad_object", "false"),
    ("positions.provided", "false"),
    ("probe.big", "false"),
    ("probe.mask", "true"),
    ("probe.trainable", "true"),
    ("probe_scale", "2.0"),
    ("realspace_mae_weight", "0.05"),
    ("realspace_weight", "0.1"),
    ("sequential_sampling", "true"),
    ("subsample_seed", "99"),
    ("test_data_file_path", "\"/canonical/baseline/inference_data.npz\""),
    ("train_data_file_path", "\"/canonical/baseline/train_data.npz\""),
];

fn bridge(format: Format) -> String {
    match format {
        Format::Json => {
            let lines: Vec<String> = BRIDGE.iter().map(|(key, value)| format!("  \"{key}\": {value}")).collect();
            format!("{{\n{}\n}}\n", lines.join(",\n"))
        }
        Format::Yaml => BRIDGE.iter().map(|(key, value)| format!("{key}: {value}\n")).collect(),
        Format::Toml => BRIDGE.iter().map(|(key, value)| format!("\"{key}\" = {value}\n")).collect(),
    }
}

#[test]
fn the_fully_customized_configuration_of_the_bridge_survives_import_and_export() {
    assert_eq!(BRIDGE.len(), 31);
    let imported = import(&bridge(Format::Json));
    for format in [Format::Yaml, Format::Toml] {
        let other = import(&bridge(format));
        assert_eq!((&other.config, &other.paths), (&imported.config, &imported.paths), "{format:?}");
        assert_eq!(other.format, format);
    }
    assert!(imported.is_ptychopinn && imported.preset == Preset::Reference);
    let config = &imported.config;
    for (path, text) in [
        ("data.pattern_size", "128"),
        ("model.amp_activation", "silu"),
        ("training.batch_size", "32"),
        ("model.gridsize", "3"),
        ("training.loss", "weighted"),
        ("training.mae_weight", "0.3"),
        ("training.nll_weight", "0.7"),
        ("model.n_filters_scale", "2"),
        ("data.n_groups", "512"),
        ("data.n_subsample", "1024"),
        ("data.neighbor_count", "6"),
        ("training.epochs", "100"),
        ("training.time_budget_s", "none"),
        ("training.nphotons", "500000000.0"),
        ("model.object_big", "false"),
        ("model.pad_object", "false"),
        ("model.probe_big", "false"),
        ("model.probe_scale", "2.0"),
        ("training.realspace_weight", "0.1"),
        ("training.realspace_mae_weight", "0.05"),
        ("data.sampling", "sequential"),
        ("execution.seeds.subsample", "99"),
        ("execution.seeds.grouping", "99"),
        ("model.model_type", "pinn"),
        ("model.gaussian_smoothing_sigma", "0.5"),
        ("data.probe_mask", "soft"),
        ("model.probe_trainable", "true"),
        ("model.intensity_scale_trainable", "true"),
    ] {
        assert_eq!(config.get(path).unwrap(), text, "{path}");
    }
    assert_eq!(imported.paths.train, [PathBuf::from("/canonical/baseline/train_data.npz")]);
    assert_eq!(imported.paths.test, Some("/canonical/baseline/inference_data.npz".into()));
    assert_eq!(imported.paths.model, Some("/canonical/baseline/model_directory".into()));
    assert_eq!(imported.paths.output, Some("/canonical/baseline/inference_outputs".into()));
    // Settings without effect are noted; contradictions are left to the validation: 6 neighbors are too few.
    assert!(imported.notes.iter().any(|note| note.contains("debug")), "{:?}", imported.notes);
    assert!(imported.notes.iter().any(|note| note.contains("positions.provided")), "{:?}", imported.notes);
    assert!(config.validate().unwrap_err().to_string().contains("neighbor_count"));

    // And back: every key with an effect has its value again, and the file is the same configuration.
    for format in [Format::Yaml, Format::Json] {
        let (text, _) = write(config, &imported.paths, Layout::Legacy(format)).unwrap();
        let again = Config::import_text(&text, Some(format), None, &[]).unwrap();
        assert_eq!((&again.config, &again.paths), (config, &imported.paths), "{format:?}");
        let written = tree::read(&text, format).unwrap().leaves();
        for (key, value) in BRIDGE.iter().filter(|(key, _)| !["debug", "positions.provided"].contains(key)) {
            let found = written.iter().find(|(name, _)| name == key).map(|(_, value)| value.to_string());
            let found = found.unwrap_or_else(|| panic!("{key} is not written"));
            assert!(same(&found, value.trim_matches('"')), "{key}: {found} is not {value}");
        }
    }
}

#[test]
fn a_yaml_file_of_ptychopinn_with_a_section_is_read_with_its_types() {
    let text = "# run\nmodel:\n  gridsize: 2\n  amp_activation: SiLU\nsampling:\n  n_subsample: 512\n  neighbor_count: 7\n\
                nepochs: 50\nnphotons: 1e6\nbatch_size: 24\nn_images: 300\nlearning_rate: '1e-4'\ntest_data_file: null\n";
    let imported = import(text);
    let config = &imported.config;
    assert_eq!((imported.format, config.model.gridsize, config.data.neighbor_count), (Format::Yaml, 2, 7));
    assert_eq!(config.model.amp_activation, AmpActivation::Silu);
    assert_eq!((config.data.n_subsample, config.data.n_groups), (Some(512), Some(300)));
    assert_eq!((config.training.nphotons, config.training.learning_rate), (Some(1e6), 1e-4));
    assert_eq!(config.training.batch_size, 24);
    config.validate().unwrap();
    let notes = imported.notes.join(" ");
    assert!(notes.contains("power of two") && notes.contains("n_images is the deprecated name of n_groups"), "{notes}");
    // The newer name applies.
    assert_eq!(import("n_images: 300\nn_groups: 200\n").config.data.n_groups, Some(200));
    assert!(import("batch_size: 16\n").notes.is_empty());
}

#[test]
fn the_sections_of_the_pytorch_trainer_have_its_names_and_defaults() {
    let text = r#"{
        "data_config": {"grid_size": [3, 3], "C": 9, "n_subsample": 7, "nphotons": 1e5, "K": 12},
        "model_config": {"mode": "Unsupervised", "C_model": 9, "cbam_encoder": false, "loss_function": "MAE"},
        "training_config": {"epochs": 3, "batch_size": 4, "training_directories": ["a", "b"], "device": "cuda"},
        "inference_config": {"batch_size": 1000, "middle_trim": 32, "patch_weighting": "probe"},
        "datagen_config": {"objects_per_probe": 9}
    }"#;
    let imported = import(text);
    let config = &imported.config;
    assert_eq!((config.model.gridsize, config.data.neighbor_count, config.data.n_subsample), (3, 12, None));
    assert_eq!((config.training.batch_size, config.inference.batch_size, config.inference.crop), (4, 1000, 32));
    assert_eq!((config.training.loss, config.training.epochs), (LossKind::Mae, Some(3)));
    assert!(!config.model.cbam_encoder && config.model.amp_activation == AmpActivation::Silu);
    assert_eq!(imported.paths.train, [PathBuf::from("a"), PathBuf::from("b")]);
    assert!(imported.notes.join(" ").contains("objects_per_probe"));
    assert_eq!(import(r#"{"data_config": {}, "model_config": {"n_filters_scale": 1}}"#).config.model.gridsize, 2);
    assert!(refused(r#"{"data_config": {"grid_size": [2, 3]}}"#).contains("two equal numbers"));
    assert!(refused(r#"{"data_config": {"grid_size": [2, 2], "C": 9}}"#).contains("groups of 4"));
}

#[test]
fn weights_of_the_loss_select_the_weighted_loss_unless_a_loss_is_given() {
    let loss = |text: &str| import(text).config.training.loss;
    assert_eq!(loss("nll_weight: 1.0\nmae_weight: 0\n"), LossKind::Poisson);
    assert_eq!(loss("nll_weight: 0.5\n"), LossKind::Weighted);
    assert_eq!(loss("mae_weight: 1\ntorch_loss_mode: mae\n"), LossKind::Mae);
    assert_eq!(loss("nll: false\n"), LossKind::Mae);
    assert_eq!(loss("nll: true\n"), LossKind::Poisson);
}

#[test]
fn all_unknown_and_unsupported_settings_are_listed_at_once_with_the_nearest_name() {
    let text =
        "nepoch: 3\nmodel:\n  grid_sise: 2\n  max_hidden_channels: 64\nprecision: bf16-mixed\nbackend: jax\nK: many\n";
    let error = refused(text);
    for part in [
        "nepoch (nearest: nepochs)",
        "model.grid_sise (nearest: ",
        "max_hidden_channels = 64: only none is supported",
        "precision = bf16-mixed: only 32-true is supported",
        "backend = jax: only tensorflow or pytorch is supported",
        "K = many: data.neighbor_count expects a whole number",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(refused("training:\n  epoch: 3\n").contains("training.epoch (nearest: training.epochs)"));
    assert!(refused("K: many\n").contains("data.neighbor_count"));
}

#[test]
fn a_native_file_is_recognized_in_every_format_and_overrides_the_preset() {
    for (text, format) in [
        ("training:\n  epochs: 7\n  time_budget_s: null\n", Format::Yaml),
        ("{\"training\": {\"epochs\": 7, \"time_budget_s\": \"none\"}}", Format::Json),
        ("[training]\nepochs = 7\ntime_budget_s = \"none\"\n", Format::Toml),
    ] {
        let imported = import(text);
        assert!(!imported.is_ptychopinn && imported.format == format && imported.notes.is_empty());
        let training = &imported.config.training;
        assert_eq!((training.epochs, training.time_budget_s), (Some(7), None));
        assert_eq!(imported.preset, Preset::Recipe);
        assert_eq!(imported.config.model, Config::default().model);
    }
    // In TOML with native groups, an unknown name is an error.
    assert!(refused("[training]\nepoch = 7\n").contains("training.epoch (nearest: training.epochs)"));
    let over = Config::import_text("nepochs: 4\n", None, Some(Preset::Recipe), &[]).unwrap();
    assert_eq!((over.preset, over.config.training.time_budget_s), (Preset::Recipe, None));
    let set = [("training.epochs".to_owned(), "9".to_owned())];
    assert_eq!(Config::import_text("nepochs: 4\n", None, None, &set).unwrap().config.training.epochs, Some(9));
}

#[test]
fn every_preset_survives_every_native_format() {
    for preset in Preset::ALL {
        let config = preset.config();
        for format in [Format::Toml, Format::Yaml, Format::Json] {
            let (text, notes) = write(&config, &ConfigPaths::default(), Layout::Native(format)).unwrap();
            let imported = Config::import_text(&text, Some(format), None, &[]).unwrap();
            assert_eq!(imported.config, config, "{} in {format:?}", preset.name());
            assert_eq!(Format::of_content(&text), format, "{text}");
            assert!(notes.is_empty() && !imported.is_ptychopinn);
        }
    }
}

#[test]
fn settings_without_a_key_in_the_dictionary_are_noted() {
    let mut config = Preset::Reference.config();
    assert!(write(&config, &ConfigPaths::default(), Layout::Legacy(Format::Yaml)).unwrap().1.is_empty());
    config.training.overlap_weight = 0.5;
    config.data.sampling = Sampling::Sequential;
    let (text, notes) = write(&config, &ConfigPaths::default(), Layout::Legacy(Format::Yaml)).unwrap();
    assert!(notes[0].contains("training.overlap_weight = 0.5") && !notes[0].contains("sampling"), "{notes:?}");
    assert!(text.contains("\nsequential_sampling: true\n") && text.contains("nepochs: 50\n"), "{text}");
}

#[test]
fn a_file_is_recognized_and_an_error_in_it_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let path = write("run.yml", "gridsize: 2\nneighbor_count: 7\n");
    let imported = Config::import(&path, None, &[]).unwrap();
    assert_eq!(imported.config.model.gridsize, 2);
    let text = imported.description(&path);
    assert!(text.contains("run.yml is a configuration of PtychoPINN in YAML") && text.contains("reference"), "{text}");
    let error = Config::import(write("b.json", "{\"gridsice\": 2}"), None, &[]).unwrap_err().to_string();
    assert!(error.contains("gridsice (nearest: gridsize)") && error.contains("b.json"), "{error}");
    // Without an extension, the content decides.
    assert_eq!(Config::import(write("plain", "gridsize = 1\n"), None, &[]).unwrap().format, Format::Toml);
    let error = Config::import(folder.path().join("none.yaml"), None, &[]).unwrap_err().to_string();
    assert!(error.contains("none.yaml"), "{error}");
    let huge = write("huge.yaml", &"#".repeat(2 << 20));
    assert!(Config::import(huge, None, &[]).unwrap_err().to_string().contains("too large"));
}

/// Settings of PtychoPINN with their defaults (A§10.1, A§10.2), as YAML.
const CANONICAL: &str = "model:\n  N: 64\n  gridsize: 1\n  n_filters_scale: 2\n  model_type: pinn\n  amp_activation: sigmoid\n  \
    object_big: true\n  probe_big: true\n  probe_mask: false\n  pad_object: true\n  probe_scale: 4.0\n  \
    gaussian_smoothing_sigma: 0.0\n  architecture: cnn\n  fno_modes: 12\n  fno_width: 32\n  fno_blocks: 4\n  \
    fno_cnn_blocks: 2\n  learned_input_channels: 1\n  max_hidden_channels: null\n  resnet_width: null\n  \
    fno_input_transform: none\n  generator_output_mode: real_imag\n  probe_mask_sigma: 1.0\n  probe_mask_diameter: null\n\
    train_data_file: null\ntest_data_file: null\nbatch_size: 16\nnepochs: 50\nmae_weight: 0.0\nnll_weight: 1.0\n\
    realspace_mae_weight: 0.0\nrealspace_weight: 0.0\nnphotons: 1e9\nn_groups: null\nn_images: null\nn_subsample: null\n\
    subsample_seed: null\nneighbor_count: 4\nenable_oversampling: false\nneighbor_pool_size: null\n\
    positions_provided: true\nprobe_trainable: false\nintensity_scale_trainable: true\noutput_dir: training_outputs\n\
    sequential_sampling: false\nbackend: tensorflow\ntorch_loss_mode: poisson\ntorch_mae_pred_l2_match_target: false\n\
    gradient_clip_val: null\ngradient_clip_algorithm: norm\noptimizer: adam\nmomentum: 0.9\nweight_decay: 0\n\
    adam_beta1: 0.9\nadam_beta2: 0.999\nscheduler: Default\nlr_warmup_epochs: 0\nlr_min_ratio: 0.1\nplateau_factor: 0.5\n\
    plateau_patience: 2\nplateau_min_lr: 5e-5\nplateau_threshold: 0.0\ndebug: false\nmodel_path: null\n\
    accelerator: auto\ndevices: 1\nstrategy: auto\ndeterministic: true\nprecision: 32-true\naccum_steps: 1\n\
    num_workers: 0\npin_memory: false\npersistent_workers: false\nprefetch_factor: null\nlearning_rate: 1e-3\n\
    enable_progress_bar: false\nenable_checkpointing: true\ncheckpoint_save_top_k: 1\n\
    checkpoint_monitor_metric: val_loss\ncheckpoint_mode: min\nearly_stop_patience: 100\nlogger_backend: csv\n\
    inference_batch_size: null\nmiddle_trim: 0\npad_eval: false\nrecon_log_every_n_epochs: null\n\
    recon_log_num_patches: 4\nrecon_log_fixed_indices: null\nrecon_log_stitch: false\nrecon_log_max_stitch_samples: null\n";

/// Fields of the PyTorch trainer with their defaults (A§10.3), as JSON.
const TORCH: &str = r#"{
    "data_config": {"N": 64, "C": 4, "K": 6, "K_quadrant": 30, "n_subsample": 7, "subsample_seed": null,
        "grid_size": [2, 2], "neighbor_function": "Nearest", "min_neighbor_distance": 0, "max_neighbor_distance": 3.0,
        "scan_pattern": "Isotropic", "normalize": "Batch", "probe_scale": 4.0, "probe_normalize": true,
        "data_scaling": "Parseval", "phase_subtraction": true, "x_bounds": [0.1, 0.9], "y_bounds": [0.1, 0.9],
        "nphotons": 1e5},
    "model_config": {"mode": "Unsupervised", "cnn_output_mode": "amp_phase", "use_shared_decoder": false,
        "intensity_scale_trainable": false, "intensity_scale": 10000, "max_position_jitter": 10, "num_datasets": 1,
        "C_model": 4, "n_filters_scale": 2, "amp_activation": "silu", "batch_norm": false, "probe_mask": false,
        "probe_mask_tensor": null, "probe_mask_sigma": 1.0, "probe_mask_diameter": null, "edge_pad": 10,
        "decoder_last_c_outer_fraction": 0.125, "decoder_last_amp_channels": 1,
        "use_legacy_decoder_channel_override": false, "eca_encoder": false, "cbam_encoder": true,
        "cbam_bottleneck": false, "cbam_decoder": false, "eca_decoder": false, "spatial_decoder": false,
        "decoder_spatial_kernel": 7, "object_big": true, "probe_big": true, "offset": 6, "C_forward": 4,
        "training_patch_weighting": "central_mask", "physics_forward_mode": "amplitude", "rect_s1s2_trainable": true,
        "rect_s1s2_init": "ones", "amplitude_physics_gain": 1.0, "pad_object": true, "gaussian_smoothing_sigma": 0,
        "loss_function": "Poisson", "amp_loss": null, "phase_loss": null, "amp_loss_coeff": 1.0,
        "phase_loss_coeff": 1.0},
    "training_config": {"training_directories": [], "nll": true, "device": "cuda", "strategy": "ddp", "n_devices": 1,
        "framework": "Lightning", "orchestrator": "Mlflow", "learning_rate": 1e-3, "epochs": 50, "batch_size": 16,
        "epochs_fine_tune": 0, "fine_tune_gamma": 0.1, "scheduler": "Default", "num_workers": 4, "accum_steps": 1,
        "gradient_clip_val": null, "log_grad_norm": false, "grad_norm_log_freq": 1, "stage_1_epochs": 0,
        "stage_2_epochs": 0, "stage_3_epochs": 0, "physics_weight_schedule": "cosine", "stage_3_lr_factor": 0.1,
        "torch_loss_mode": "poisson", "experiment_name": "Synthetic_Runs", "notes": "", "model_name": "PtychoPINNv2",
        "train_data_file": null, "test_data_file": null, "output_dir": "training_outputs", "n_groups": null},
    "inference_config": {"middle_trim": 32, "batch_size": 1000, "experiment_number": 0, "pad_eval": true, "window": 20,
        "patch_weighting": "probe", "varpro_scaling": false, "log_patch_stats": false, "patch_stats_limit": null},
    "datagen_config": {"objects_per_probe": 4, "diff_per_object": 7000, "object_class": "dead_leaves",
        "image_size": [250, 250], "probe_paths": [], "beamstop_diameter": 4}
}"#;

/// Dictionary of the TensorFlow program with its defaults (A§10.4), as YAML.
const DICTIONARY: &str = "N: 128\noffset: 4\ngridsize: 2\nouter_offset_train: null\nouter_offset_test: null\nbatch_size: 16\n\
    nepochs: 60\nn_filters_scale: 2\noutput_prefix: outputs\nbig_gridsize: 10\nmax_position_jitter: 10\n\
    sim_jitter_scale: 0\ndefault_probe_scale: 0.7\nmae_weight: 0\nnll_weight: 1\ntv_weight: 0\nrealspace_mae_weight: 0\n\
    realspace_weight: 0\nnphotons: 1e9\nnimgs_train: 9\nnimgs_test: 3\ndata_source: generic\nprobe.trainable: false\n\
    intensity_scale.trainable: false\npositions.provided: false\nobject.big: true\nprobe.big: false\nprobe_scale: 10\n\
    set_phi: false\nprobe.mask: true\npad_object: true\nmodel_type: pinn\nlabel: ''\nsize: 392\namp_activation: sigmoid\n\
    h5_path: wts.h5\nnpseed: 42\ndebug: true\ngaussian_smoothing_sigma: 0\nuse_xla_translate: true\nbigN: 132\n";

#[test]
fn every_setting_of_ptychopinn_is_known_and_its_defaults_are_supported() {
    for (text, fields) in [(CANONICAL, 85), (TORCH, 107), (DICTIONARY, 40)] {
        let format = Format::of_content(text);
        let leaves = tree::read(text, format).unwrap().leaves().len();
        assert!(leaves >= fields, "{leaves} of {fields}");
        let imported = import(text);
        imported.config.validate().unwrap_or_else(|error| panic!("{error}"));
        assert!(imported.is_ptychopinn && imported.format == format);
    }
    assert_eq!(import(TORCH).config.model.gridsize, 2);
}

/// A legal value of this field other than the current one.
fn another(path: &str, now: &str) -> String {
    let field = Config::field(path).unwrap();
    let candidates: Vec<String> = match field.kind {
        Kind::Flag => vec!["true".into(), "false".into()],
        Kind::Integer { min, .. } => vec![(min + 2).to_string(), (min + 4).to_string()],
        Kind::Real { .. } => vec!["0.25".into(), "0.5".into()],
        Kind::Choice { options, .. } => options.iter().map(|(name, _)| (*name).to_owned()).collect(),
        Kind::Text => vec!["another".into()],
    };
    candidates.into_iter().find(|value| !same(value, now)).unwrap()
}

#[test]
fn every_name_of_ptychopinn_changes_its_field_or_is_rejected_or_noted() {
    let reference = Preset::Reference.config();
    let (mut changed, mut rejected, mut noted) = (0, 0, 0);
    for (names, section, meaning) in names::NAMES {
        for name in *names {
            let key = match section {
                Section::Any => (*name).to_owned(),
                Section::TorchData => format!("data_config.{name}"),
                Section::Inference => format!("inference.{name}"),
                Section::TorchDatagen => format!("datagen_config.{name}"),
            };
            let read =
                |value: &str| Config::import_text(&format!("\"{key}\" = {value}\n"), Some(Format::Toml), None, &[]);
            let quoted = |text: &str| {
                let bare = text.parse::<f64>().is_ok() || text == "true" || text == "false";
                if bare { text.to_owned() } else { format!("\"{text}\"") }
            };
            match meaning {
                Meaning::Field(path) | Meaning::Translated(path, _) | Meaning::Special(Special::Weight(path)) => {
                    let value = another(path, &reference.get(path).unwrap());
                    let imported = read(&quoted(&value)).unwrap_or_else(|error| panic!("{key}: {error}"));
                    assert!(same(&imported.config.get(path).unwrap(), &value), "{key} = {value}");
                    changed += 1;
                }
                Meaning::Required(..) => {
                    assert!(read("\"something else\"").unwrap_err().to_string().contains(name), "{key}");
                    rejected += 1;
                }
                Meaning::Ignored(..) => {
                    let notes = read("\"something else\"").unwrap_or_else(|error| panic!("{key}: {error}")).notes;
                    assert!(notes.iter().any(|note| note.contains(name)), "{key}: {notes:?}");
                    noted += 1;
                }
                Meaning::Path(_) => assert_ne!(read("\"a/b\"").unwrap().paths, ConfigPaths::default(), "{key}"),
                // Tested elsewhere.
                Meaning::Special(_) => {}
            }
        }
    }
    assert!(changed > 90 && rejected > 8 && noted > 50, "{changed} {rejected} {noted}");
}

#[test]
fn unknown_names_are_left_out_on_request_and_only_names_alike_are_proposed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.yaml");
    std::fs::write(&path, "gridsize: 2\nbatch_size: 4\nsome_unknown_key: 7\nnepoch: 5\n").unwrap();
    assert!(Config::import(&path, None, &[]).is_err());
    let imported = Config::import_known(&path).unwrap();
    assert_eq!(imported.config.model.gridsize, 2);
    assert_eq!(imported.unknown, ["some_unknown_key", "nepoch (nearest: nepochs)"]);
    std::fs::write(&path, "dear: colleague\n").unwrap();
    assert!(Config::import_known(&path).is_err(), "nothing in it is known");
}
