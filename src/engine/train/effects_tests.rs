//! Every training setting changes the final weights or the reported losses.

use super::{Control, EpochRecord, Observer, Progress, Silent, Snapshot, Start, TrainingData, train, train_datasets};
use crate::config::{Config, DataConfig};
use crate::data::Dataset;
use burn::tensor::Device;

/// A tiny training: 6 patterns, 3 epochs of 2 batches.
const SETUP: &[(&str, &str)] = &[
    ("training.epochs", "3"),
    ("training.time_budget_s", "none"),
    ("training.batch_size", "3"),
    ("training.teacher_share", "0"),
    ("training.overlap_weight", "0"),
    ("training.warmup_steps", "0"),
    ("training.schedule", "constant"),
    ("training.nphotons", "1000"),
    ("training.gradient_clip", "0"),
    ("model.n_filters_scale", "1"),
    ("model.input_transform", "none"),
    ("model.last_stage", "border_mask"),
];

/// Settings required first, a field, and another value for it.
type Change<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);

fn config(more: &[(&str, &str)]) -> Config {
    let mut config = Config::default();
    for (path, text) in SETUP.iter().chain(more) {
        config.set(path, text).unwrap_or_else(|error| panic!("{path} = {text}: {error}"));
    }
    config.validate().unwrap_or_else(|error| panic!("{more:?}: {error}"));
    config
}

/// Weights, losses and learning rates of a training, as bits.
fn outcome(dataset: &Dataset, config: &Config) -> (Vec<u32>, Vec<u64>) {
    let trained = train(dataset, None, config, &Device::flex(), &mut Silent).unwrap();
    let weights = trained.weights.0.values().flat_map(|values| values.iter().map(|v| v.to_bits())).collect();
    let losses = trained.history.0.iter().flat_map(|r| [r.train_loss.to_bits(), r.learning_rate.to_bits()]).collect();
    (weights, losses)
}

fn patterns(count: usize, seed: u64) -> Dataset {
    let path = ptychoscope_base::testing::fixture("siemens_star_n64.npz");
    let reading = DataConfig { n_subsample: Some(count), ..DataConfig::default() };
    Dataset::load(path.as_ref(), &reading, seed).unwrap()
}

#[test]
fn a_training_learns_from_all_datasets_and_starts_from_the_given_weights() {
    let (first, second) = (patterns(6, 1), patterns(5, 2));
    let config = config(&[]);
    let with = |start: Start, sets: &[&Dataset], config: &Config| {
        train_datasets(start, &TrainingData::in_memory(sets), config, &Device::flex(), &mut Silent)
    };
    let of = |start: Start, sets: &[&Dataset]| with(start, sets, &config).unwrap();
    let (one, both) = (of(Start::Untrained, &[&first]), of(Start::Untrained, &[&first, &second]));
    assert_ne!(one.weights, both.weights);
    // Three epochs of two batches, and of two and two.
    assert_eq!((one.steps, both.steps, both.patterns), (6, 12, 33));
    let on = of(Start::Trained(Box::new(one.weights.clone())), &[&first]);
    let loss = |trained: &super::Trained| trained.history.0[0].train_loss;
    assert!(loss(&on) < loss(&one), "{} {}", loss(&on), loss(&one));
    // A frozen encoder keeps its initial weights; everything else is trained.
    let mut frozen = config.clone();
    frozen.training.freeze_encoder = true;
    let start = Start::Trained(Box::new(one.weights.clone()));
    let trained_on = with(start, &[&second], &frozen).unwrap();
    for (name, values) in &trained_on.weights.0 {
        assert_eq!(*values == one.weights.0[name], name.starts_with("encoder."), "{name}");
    }
    let mut with_probe = config.clone();
    with_probe.model.probe_trainable = true;
    let error = with(Start::Untrained, &[&first, &second], &with_probe);
    assert!(error.unwrap_err().to_string().contains("probe_trainable"));
}

#[test]
fn the_teacher_leaves_most_of_the_time_budget_to_the_network() {
    #[derive(Default)]
    struct Notes(Vec<String>);
    impl Observer for Notes {
        fn control(&mut self) -> Control {
            Control::Run
        }
        fn progress(&mut self, _: &Progress, _: &dyn Fn() -> crate::error::Result<crate::model::Weights>) {}
        fn epoch(&mut self, _: &EpochRecord, _: &Snapshot<'_>) {}
        fn note(&mut self, text: &str) {
            self.0.push(text.to_owned());
        }
    }
    let dataset = patterns(24, 1);
    let mut config = config(&[("training.epochs", "none"), ("training.time_budget_s", "4")]);
    (config.training.teacher_share, config.direct.epochs) = (0.8, 100_000);
    let mut notes = Notes::default();
    let trained = train(&dataset, None, &config, &Device::flex(), &mut notes).unwrap();
    assert!(trained.steps > 0);
    assert!(notes.0.iter().any(|note| note.contains("of 100000 epochs")), "{:?}", notes.0);
}

#[test]
fn every_training_setting_has_an_effect_where_the_configuration_says_so() {
    // Two batches an epoch, the second one of a single pattern.
    let dataset = patterns(4, 1);
    let table: &[Change<'_>] = &[
        (&[], "training.epochs", "2"),
        (&[], "training.batch_size", "2"),
        (&[], "training.learning_rate", "0.002"),
        (&[], "training.warmup_steps", "3"),
        (&[], "training.schedule", "exponential"),
        (&[], "training.schedule", "cosine"),
        (&[], "training.schedule", "warmup_cosine"),
        (&[("training.schedule", "warmup_cosine")], "training.lr_warmup_epochs", "2"),
        (&[("training.schedule", "warmup_cosine")], "training.lr_min_ratio", "0.5"),
        // With this threshold every loss that is not negative counts as a plateau.
        (
            &[("training.plateau_threshold", "1"), ("training.plateau_patience", "0")],
            "training.schedule",
            "reduce_on_plateau",
        ),
        (&PLATEAU, "training.plateau_factor", "0.1"),
        (&PLATEAU, "training.plateau_patience", "5"),
        (&PLATEAU, "training.plateau_min_lr", "1.5"),
        (
            &[("training.schedule", "reduce_on_plateau"), ("training.plateau_patience", "0")],
            "training.plateau_threshold",
            "1",
        ),
        (&[], "training.optimizer", "sgd"),
        (&[("training.weight_decay", "0.1")], "training.optimizer", "adamw"),
        (&[], "training.weight_decay", "0.1"),
        (&[("training.optimizer", "sgd")], "training.momentum", "0.5"),
        (&[], "training.adam_beta1", "0.5"),
        (&[], "training.adam_beta2", "0.9"),
        (&[], "training.gradient_clip", "0.0001"),
        (&[("training.gradient_clip", "0.0001")], "training.gradient_clip_algorithm", "value"),
        (&[("training.gradient_clip", "0.0001")], "training.gradient_clip_algorithm", "agc"),
        (&[], "training.accum_steps", "2"),
        (&[("training.learning_rate", "2"), ("training.epochs", "8")], "training.early_stop_patience", "1"),
        (&[], "training.loss", "mae"),
        (&[("training.mae_weight", "1")], "training.loss", "weighted"),
        (&[("training.loss", "weighted"), ("training.mae_weight", "1")], "training.nll_weight", "0"),
        (&[("training.loss", "weighted")], "training.mae_weight", "1"),
        (&[("training.tv_weight", "1")], "training.realspace_weight", "1"),
        (&[("training.realspace_weight", "1")], "training.tv_weight", "1"),
        (&[("training.realspace_weight", "1")], "training.realspace_mae_weight", "1"),
        (&[("training.loss", "mae")], "training.mae_pred_l2_match_target", "true"),
        (&[], "training.amp_loss", "total_variation"),
        (&[("training.amp_loss", "mean_deviation")], "training.amp_loss_coeff", "9"),
        (&[], "training.phase_loss", "mean_deviation"),
        (&[("training.phase_loss", "total_variation")], "training.phase_loss_coeff", "9"),
        (&[], "training.scale_contract", "legacy_v1"),
        (&[("model.cnn_output_mode", "real_imag")], "training.scale_contract", "ci_intensity_v2"),
        (&[("training.scale_contract", "legacy_v1")], "training.nphotons", "5000"),
        (&[], "training.amplitude_physics_gain", "2"),
        (&[], "training.stage_1_epochs", "2"),
        (&[], "training.stage_2_epochs", "2"),
        (&[("training.stage_2_epochs", "1")], "training.stage_3_epochs", "1"),
        (&[("training.stage_2_epochs", "3")], "training.physics_weight_schedule", "exponential"),
        (
            &[("training.stage_2_epochs", "2"), ("training.schedule", "multi_stage")],
            "training.stage_3_lr_factor",
            "0.5",
        ),
        (&[], "training.epochs_fine_tune", "1"),
        (&[("training.epochs_fine_tune", "1")], "training.fine_tune_gamma", "0.5"),
        (&[], "training.freeze_encoder", "true"),
        (&[], "training.overlap_weight", "0.9"),
        (&[("direct.epochs", "2")], "training.teacher_share", "0.5"),
    ];
    let plain = outcome(&dataset, &config(&[]));
    assert_eq!(plain, outcome(&dataset, &config(&[])), "the same settings give the same bits");
    for (first, path, text) in table {
        let before = config(first);
        let after = config(&[first, &[(*path, *text)][..]].concat());
        assert_eq!(crate::config::unused_reason(path, &after), None, "{path} with {first:?}");
        let without = if first.is_empty() { plain.clone() } else { outcome(&dataset, &before) };
        assert!(outcome(&dataset, &after) != without, "{path} = {text} with {first:?} has no effect");
    }
}

const PLATEAU: [(&str, &str); 3] = [
    ("training.schedule", "reduce_on_plateau"),
    ("training.plateau_threshold", "1"),
    ("training.plateau_patience", "0"),
];
