//! What is known about the fields of [`super::TrainingConfig`].

use super::field::{Field, Kind, choice, integer, optional_integer};

/// A number of at least 0.
const fn weight(path: &'static str, label: &'static str, help: &'static str, max: f64) -> Field {
    let kind = Kind::Real { min: 0.0, min_included: true, max, optional: false };
    Field { path, label, help, unit: "", flag: None, kind }
}

impl Field {
    /// The same with a flag of its own.
    const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }
}

/// A number of epochs.
const fn epochs(path: &'static str, label: &'static str, help: &'static str) -> Field {
    Field { path, label, help, unit: "epochs", flag: None, kind: integer(0, 1_000_000) }
}

const REGULARIZERS: Kind = choice(&[
    ("none", "no such term"),
    ("total_variation", "sum of the absolute differences of neighbouring pixels"),
    ("mean_deviation", "sum of the absolute deviations from the mean of the patch"),
]);

/// Metadata of every field.
pub(super) const FIELDS: &[Field] = &[
    Field {
        path: "training.method",
        label: "Method",
        help: "What finds the object.",
        unit: "",
        flag: Some("--method"),
        kind: Kind::Choice {
            options: &[
                ("network", "a network that learns the physics, and then reconstructs any pattern at once"),
                ("direct", "a gradient solver, without a network"),
            ],
            aliases: &[("pinn", "network")],
        },
    },
    Field {
        path: "training.teacher_share",
        label: "Teacher",
        help: "Share of the training that learns from the direct solution, fading into the physics; 0 for none.",
        unit: "",
        flag: Some("--teacher-share"),
        kind: Kind::Real { min: 0.0, min_included: true, max: 1.0, optional: false },
    },
    Field {
        path: "training.epochs",
        label: "Epochs",
        help: "Number of epochs; none trains until the time budget is used.",
        unit: "epochs",
        flag: Some("--epochs"),
        kind: optional_integer(1, i64::MAX),
    },
    Field {
        path: "training.time_budget_s",
        label: "Time budget",
        help: "Time of training, after which it ends with its result; none sets no limit.",
        unit: "s",
        flag: Some("--time-budget"),
        kind: Kind::Real { min: 0.0, min_included: false, max: f64::INFINITY, optional: true },
    },
    Field {
        path: "training.batch_size",
        label: "Batch size",
        help: "Groups per step.",
        unit: "groups",
        flag: Some("--batch-size"),
        kind: integer(1, 65536),
    },
    Field {
        path: "training.learning_rate",
        label: "Learning rate",
        help: "Initial learning rate.",
        unit: "",
        flag: Some("--learning-rate"),
        kind: Kind::Real { min: 0.0, min_included: false, max: 10.0, optional: false },
    },
    Field {
        path: "training.warmup_steps",
        label: "Warm-up",
        help: "Steps over which the learning rate rises linearly to its initial value, so that the first gradients do not \
               switch units off for good; 0 for none.",
        unit: "steps",
        flag: Some("--warmup-steps"),
        kind: integer(0, 1_000_000),
    },
    Field {
        path: "training.schedule",
        label: "Schedule",
        help: "Learning rate over the whole training.",
        unit: "",
        flag: Some("--scheduler"),
        kind: Kind::Choice {
            options: &[
                ("cosine", "half a cosine to 2 % of the rate, over the epochs or the time budget"),
                ("constant", "the same rate throughout"),
                ("exponential", "times 0.95 each epoch"),
                ("warmup_cosine", "up from a tenth over lr_warmup_epochs, then a cosine to lr_min_ratio of the rate"),
                (
                    "reduce_on_plateau",
                    "lower by plateau_factor whenever the loss has not fallen for plateau_patience epochs",
                ),
                ("multi_stage", "full in the first stage, then falling to stage_3_lr_factor as the physics takes over"),
            ],
            aliases: &[
                ("default", "constant"),
                ("cosineannealing", "cosine"),
                ("warmupcosine", "warmup_cosine"),
                ("reducelronplateau", "reduce_on_plateau"),
                ("multistage", "multi_stage"),
                ("adaptive", "multi_stage"),
            ],
        },
    },
    epochs(
        "training.lr_warmup_epochs",
        "Warm-up epochs",
        "Epochs over which the schedule warmup_cosine rises to the full rate.",
    )
    .flag("--lr-warmup-epochs"),
    weight(
        "training.lr_min_ratio",
        "Lowest rate",
        "Where the schedule warmup_cosine ends, as a share of the full rate.",
        1.0,
    )
    .flag("--lr-min-ratio"),
    Field {
        path: "training.plateau_factor",
        label: "Plateau factor",
        help: "Factor of the rate at each plateau of the loss.",
        unit: "",
        flag: Some("--plateau-factor"),
        kind: Kind::Real { min: 0.0, min_included: false, max: 1.0, optional: false },
    },
    Field {
        path: "training.plateau_patience",
        label: "Plateau patience",
        help: "Epochs without a lower loss that make a plateau.",
        unit: "epochs",
        flag: Some("--plateau-patience"),
        kind: integer(0, 1_000_000),
    },
    Field {
        path: "training.plateau_min_lr",
        label: "Plateau floor",
        help: "Rate below which plateaus do not lower it.",
        unit: "",
        flag: Some("--plateau-min-lr"),
        kind: Kind::Real { min: 0.0, min_included: true, max: 10.0, optional: false },
    },
    Field {
        path: "training.plateau_threshold",
        label: "Plateau threshold",
        help: "Relative fall of the loss that counts as one.",
        unit: "",
        flag: Some("--plateau-threshold"),
        kind: Kind::Real { min: 0.0, min_included: true, max: 1.0, optional: false },
    },
    Field {
        path: "training.optimizer",
        label: "Optimiser",
        help: "What moves the parameters along the gradient.",
        unit: "",
        flag: Some("--optimizer"),
        kind: choice(&[
            ("adam", "Adam; weight decay is part of the gradient"),
            ("adamw", "Adam with weight decay apart from the gradient"),
            ("sgd", "gradient descent, with Nesterov's momentum"),
        ]),
    },
    weight("training.momentum", "Momentum", "Momentum of the optimiser sgd; 0 for none.", 0.999_999).flag("--momentum"),
    weight("training.weight_decay", "Weight decay", "Pull of all parameters towards zero; 0 for none.", 100.0)
        .flag("--weight-decay"),
    weight("training.adam_beta1", "First beta", "Decay of the first moment of Adam.", 0.999_999).flag("--adam-beta1"),
    weight("training.adam_beta2", "Second beta", "Decay of the second moment of Adam.", 0.999_999_9)
        .flag("--adam-beta2"),
    Field {
        path: "training.accum_steps",
        label: "Accumulation",
        help: "Batches whose gradients make one step; those left over at the end of an epoch make one, too.",
        unit: "batches",
        flag: Some("--accum-steps"),
        kind: integer(1, 65536),
    },
    Field {
        path: "training.early_stop_patience",
        label: "Early stop",
        help: "Epochs without a lower loss (of validation, where there is one) after which the training ends; none never ends \
               it for that.",
        unit: "epochs",
        flag: Some("--early-stop-patience"),
        kind: optional_integer(1, 1_000_000),
    },
    Field {
        path: "training.loss",
        label: "Loss",
        help: "What is minimised.",
        unit: "",
        flag: Some("--loss"),
        kind: choice(&[
            ("poisson", "Poisson deviance of counts"),
            ("mae", "mean absolute error of the amplitude"),
            ("weighted", "both, by nll_weight and mae_weight, in photons"),
        ]),
    },
    weight("training.nll_weight", "Poisson weight", "Weight of the Poisson term in the weighted loss.", 1.0)
        .flag("--nll-weight"),
    weight("training.mae_weight", "Amplitude weight", "Weight of the amplitude error in the weighted loss.", 1.0)
        .flag("--mae-weight"),
    weight(
        "training.realspace_weight",
        "Real-space weight",
        "Weight of the terms in real space, those of tv_weight and realspace_mae_weight, beside the loss in photons.",
        1.0,
    )
    .flag("--realspace-weight"),
    weight(
        "training.realspace_mae_weight",
        "Object error",
        "Weight of the mean absolute distance, in amplitude and phase, to the object that comes with the dataset.",
        1.0,
    )
    .flag("--realspace-mae-weight"),
    weight(
        "training.tv_weight",
        "Object variation",
        "Weight of the squared differences of neighbouring pixels of the object.",
        f64::INFINITY,
    ),
    Field {
        path: "training.mae_pred_l2_match_target",
        label: "Match energies",
        help: "Whether each prediction is scaled to the energy of its pattern before the amplitude error.",
        unit: "",
        flag: None,
        kind: Kind::Flag,
    },
    Field {
        path: "training.amp_loss",
        label: "Amplitude smoothing",
        help: "Term that asks for smooth amplitudes.",
        unit: "",
        flag: None,
        kind: REGULARIZERS,
    },
    weight("training.amp_loss_coeff", "Its weight", "Weight of that term, beside the loss in photons.", f64::INFINITY),
    Field {
        path: "training.phase_loss",
        label: "Phase smoothing",
        help: "Term that asks for smooth phases.",
        unit: "",
        flag: None,
        kind: REGULARIZERS,
    },
    weight(
        "training.phase_loss_coeff",
        "Its weight",
        "Weight of that term, beside the loss in photons.",
        f64::INFINITY,
    ),
    Field {
        path: "training.scale_contract",
        label: "Units of the loss",
        help: "Units in which the loss, its gradient and what bounds it are.",
        unit: "",
        flag: Some("--scale-contract-version"),
        kind: Kind::Choice {
            options: &[
                ("normalized", "of normalised patterns, a mean over pixels, whatever the photons"),
                ("legacy_v1", "PtychoPINN's: a sum over the pixels of a group in photons, over the mean amplitude"),
                ("ci_intensity_v2", "PtychoPINN's for counts: over their mean, of an object in the units of the data"),
            ],
            aliases: &[("normalized_amplitude", "legacy_v1"), ("count_intensity", "ci_intensity_v2")],
        },
    },
    Field {
        path: "training.amplitude_physics_gain",
        label: "Amplitude gain",
        help: "Constant factor of the predicted amplitude in training; the object is smaller by it.",
        unit: "",
        flag: None,
        kind: Kind::Real { min: 0.0, min_included: false, max: 1e6, optional: false },
    },
    epochs("training.stage_1_epochs", "First stage", "Epochs that learn from the amplitude error alone; 0 for none."),
    epochs(
        "training.stage_2_epochs",
        "Second stage",
        "Epochs over which the loss takes over from the amplitude error.",
    ),
    epochs(
        "training.stage_3_epochs",
        "Third stage",
        "Epochs with the loss alone, after which the training ends; 0 leaves \
            the end to epochs and time budget.",
    ),
    Field {
        path: "training.physics_weight_schedule",
        label: "Take-over",
        help: "How the loss takes over from the amplitude error in the second stage.",
        unit: "",
        flag: None,
        kind: choice(&[
            ("cosine", "half a cosine"),
            ("linear", "a straight line"),
            ("exponential", "slowly first, then fast"),
        ]),
    },
    weight(
        "training.stage_3_lr_factor",
        "Third-stage rate",
        "Share of the learning rate in the third stage, with the schedule multi_stage.",
        1.0,
    ),
    epochs(
        "training.epochs_fine_tune",
        "Fine-tuning",
        "Epochs after the training in which the encoder rests; 0 for none.",
    )
    .flag("--epochs-fine-tune"),
    weight("training.fine_tune_gamma", "Fine-tuning rate", "Share of the learning rate in those epochs.", 1.0),
    Field {
        path: "training.start_from",
        label: "Start from",
        help: "A trained model (model.ptycho) whose network and weights the training begins with, to adapt it to this dataset; \
               nothing draws new weights.",
        unit: "",
        flag: Some("--from"),
        kind: Kind::Text,
    },
    Field {
        path: "training.freeze_encoder",
        label: "Encoder rests",
        help: "Whether the encoder keeps the weights that the training begins with.",
        unit: "",
        flag: Some("--freeze-encoder"),
        kind: Kind::Flag,
    },
    Field {
        path: "training.overlap_weight",
        label: "Overlap weight",
        help: "Share of the loss that judges the merged neighbourhood of a batch instead of each patch alone; 0 shuffles \
               freely and judges patches alone, as PtychoPINN does.",
        unit: "",
        flag: Some("--overlap-weight"),
        kind: Kind::Real { min: 0.0, min_included: true, max: 1.0, optional: false },
    },
    Field {
        path: "training.nphotons",
        label: "Photons per pattern",
        help: "Photons per pattern that the Poisson loss assumes; none takes them from the file, else its counts.",
        unit: "photons",
        flag: Some("--nphotons"),
        kind: Kind::Real { min: 0.0, min_included: false, max: f64::INFINITY, optional: true },
    },
    Field {
        path: "training.gradient_clip",
        label: "Gradient clipping",
        help: "Bound of the gradient, in the units of the loss; 0 does not clip.",
        unit: "",
        flag: Some("--gradient-clip"),
        kind: Kind::Real { min: 0.0, min_included: true, max: f64::INFINITY, optional: false },
    },
    Field {
        path: "training.gradient_clip_algorithm",
        label: "Clipping of",
        help: "What the bound of the gradient is of.",
        unit: "",
        flag: Some("--gradient-clip-algorithm"),
        kind: choice(&[
            ("norm", "the whole gradient is scaled to this norm"),
            ("value", "each component is cut to plus or minus this"),
            ("agc", "the gradient of each tensor is scaled to this share of the tensor's norm"),
        ]),
    },
    Field {
        path: "training.autosave_epochs",
        label: "Autosave",
        help: "Epochs between autosaves of the bundle; 0 saves only at the end.",
        unit: "epochs",
        flag: None,
        kind: integer(0, 1_000_000),
    },
    Field {
        path: "training.autosave_interval_s",
        label: "Autosave interval",
        help: "Least time between two autosaves, so that short epochs do not spend theirs on writing; 0 for none.",
        unit: "s",
        flag: None,
        kind: Kind::Real { min: 0.0, min_included: true, max: f64::INFINITY, optional: false },
    },
    Field {
        path: "training.logger",
        label: "Logger",
        help: "Where the losses are written, besides the history of the run.",
        unit: "",
        flag: Some("--logger"),
        kind: choice(&[
            ("none", "nowhere else"),
            ("csv", "lightning_logs/version_0/metrics.csv, with the columns of PtychoPINN"),
            ("tensorboard", "an event file that TensorBoard shows"),
        ]),
    },
];
