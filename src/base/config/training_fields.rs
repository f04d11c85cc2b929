//! Declarations of the fields of [`super::TrainingConfig`].

use super::field::{Field, Kind, choice, field, integer, number, positive};

const REGULARIZERS: Kind = choice(&[
    ("none", "no regularization"),
    ("total_variation", "sum of the absolute differences between neighboring pixels"),
    ("mean_deviation", "sum of the absolute deviations from the mean of the patch"),
]);

const EPOCHS: Kind = integer(0, 1_000_000);
const WEIGHT: Kind = number(0.0, f64::INFINITY);
const FRACTION: Kind = number(0.0, 1.0);

/// Declarations of the fields.
pub(super) const FIELDS: &[Field] = &[
    field(
        "training.method",
        "Method",
        Kind::Choice {
            options: &[
                ("network", "a network that learns the physics and then reconstructs further patterns at once"),
                ("direct", "a gradient-based solver, without a network"),
            ],
            aliases: &[("pinn", "network")],
        },
        "Reconstruction method.",
    )
    .flag("--method"),
    field(
        "training.teacher_share",
        "Teacher share",
        FRACTION,
        "Fraction of the training in which the network imitates the direct solution: exclusively in the first half of this \
         phase, then with a growing weight of the physics; 0 trains on the physics alone.",
    )
    .flag("--teacher-share"),
    field(
        "training.epochs",
        "Epochs",
        integer(1, i64::MAX).optional(),
        "Number of epochs; \"none\" trains until the time budget is used up.",
    )
    .unit("epochs")
    .flag("--epochs"),
    field(
        "training.time_budget_s",
        "Time budget",
        positive(f64::INFINITY).optional(),
        "Training time after which training stops and its result is kept; \"none\" sets no limit.",
    )
    .unit("s")
    .flag("--time-budget"),
    field("training.batch_size", "Batch size", integer(1, 65536), "Number of groups per training batch.")
        .unit("groups")
        .flag("--batch-size"),
    field("training.learning_rate", "Learning rate", positive(10.0), "Initial learning rate of the network.")
        .flag("--learning-rate"),
    field(
        "training.warmup_steps",
        "Warm-up steps",
        integer(0, 1_000_000),
        "Steps of linear learning-rate warm-up, which prevents dead units early in training; 0 starts at the full rate.",
    )
    .unit("steps")
    .flag("--warmup-steps"),
    field(
        "training.schedule",
        "Schedule",
        Kind::Choice {
            options: &[
                ("cosine", "half a cosine down to 2 % of the rate, over the epochs or the time budget"),
                ("constant", "the same rate throughout"),
                ("exponential", "multiplied by 0.95 after each epoch"),
                (
                    "warmup_cosine",
                    "from a tenth up to the full rate over lr_warmup_epochs, then a cosine down to lr_min_ratio of the rate",
                ),
                (
                    "reduce_on_plateau",
                    "multiplied by plateau_factor when the loss has not decreased for plateau_patience epochs",
                ),
                (
                    "multi_stage",
                    "the full rate in stage 1, then decreasing to stage_3_lr_factor as the weight of the physics grows",
                ),
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
        "Learning-rate schedule.",
    )
    .flag("--scheduler"),
    field(
        "training.lr_warmup_epochs",
        "Warm-up epochs",
        EPOCHS,
        "Warm-up epochs of the schedule warmup_cosine; 0 starts at the full rate.",
    )
    .unit("epochs")
    .flag("--lr-warmup-epochs"),
    field(
        "training.lr_min_ratio",
        "Final rate",
        FRACTION,
        "Final learning rate of the schedule warmup_cosine, as a fraction of the full rate.",
    )
    .flag("--lr-min-ratio"),
    field(
        "training.plateau_factor",
        "Plateau factor",
        positive(1.0),
        "Factor by which the schedule reduce_on_plateau multiplies the learning rate at each plateau of the loss.",
    )
    .flag("--plateau-factor"),
    field(
        "training.plateau_patience",
        "Plateau patience",
        EPOCHS,
        "Number of epochs without a lower loss that count as a plateau.",
    )
    .unit("epochs")
    .flag("--plateau-patience"),
    field(
        "training.plateau_min_lr",
        "Plateau minimum",
        number(0.0, 10.0),
        "Lower limit of the learning rate in the schedule reduce_on_plateau.",
    )
    .flag("--plateau-min-lr"),
    field(
        "training.plateau_threshold",
        "Plateau threshold",
        FRACTION,
        "Relative decrease of the loss that counts as an improvement.",
    )
    .flag("--plateau-threshold"),
    field(
        "training.optimizer",
        "Optimizer",
        choice(&[
            ("adam", "Adam; weight decay is part of the gradient"),
            ("adamw", "Adam with decoupled weight decay"),
            ("sgd", "stochastic gradient descent with Nesterov momentum"),
        ]),
        "Optimization algorithm for the weights of the network.",
    )
    .flag("--optimizer"),
    field("training.momentum", "Momentum", number(0.0, 0.999_999), "Momentum of the optimizer sgd; 0 uses none.")
        .flag("--momentum"),
    field(
        "training.weight_decay",
        "Weight decay",
        number(0.0, 100.0),
        "Rate at which all weights decay towards zero; 0 disables weight decay.",
    )
    .flag("--weight-decay"),
    field("training.adam_beta1", "Adam beta 1", number(0.0, 0.999_999), "Decay rate of Adam's first moment.")
        .flag("--adam-beta1"),
    field("training.adam_beta2", "Adam beta 2", number(0.0, 0.999_999_9), "Decay rate of Adam's second moment.")
        .flag("--adam-beta2"),
    field(
        "training.accum_steps",
        "Gradient accumulation",
        integer(1, 65536),
        "Number of batches whose gradients are accumulated for one optimizer step; the remaining batches of an epoch form a \
         step, too.",
    )
    .unit("batches")
    .flag("--accum-steps"),
    field(
        "training.early_stop_patience",
        "Early stopping",
        integer(1, 1_000_000).optional(),
        "Stop after this many epochs without a lower validation loss (training loss if there is no validation); \"none\" \
         never stops early.",
    )
    .unit("epochs")
    .flag("--early-stop-patience"),
    field(
        "training.loss",
        "Loss",
        choice(&[
            ("poisson", "Poisson deviance of the counts"),
            ("mae", "mean absolute error of the amplitude"),
            ("weighted", "both, weighted by nll_weight and mae_weight, in photons"),
        ]),
        "Loss function that compares predicted and measured patterns.",
    )
    .flag("--loss"),
    field("training.nll_weight", "Poisson weight", FRACTION, "Weight of the Poisson term in the weighted loss.")
        .flag("--nll-weight"),
    field("training.mae_weight", "Amplitude weight", FRACTION, "Weight of the amplitude error in the weighted loss.")
        .flag("--mae-weight"),
    field(
        "training.realspace_weight",
        "Real-space weight",
        FRACTION,
        "Common weight of the real-space terms (tv_weight and realspace_mae_weight), relative to the loss in photons.",
    )
    .flag("--realspace-weight"),
    field(
        "training.realspace_mae_weight",
        "Object error weight",
        FRACTION,
        "Weight of the mean absolute error, in amplitude and phase, with respect to the object in the dataset.",
    )
    .flag("--realspace-mae-weight"),
    field(
        "training.tv_weight",
        "Object variation weight",
        WEIGHT,
        "Weight of the squared differences between neighboring pixels of the object; larger values smooth it.",
    ),
    field(
        "training.mae_pred_l2_match_target",
        "Match energies",
        Kind::Flag,
        "Scale each prediction to the energy of its pattern before computing the amplitude error.",
    ),
    field(
        "training.amp_loss",
        "Amplitude smoothing",
        REGULARIZERS,
        "Regularization term that favors smooth amplitudes.",
    ),
    field(
        "training.amp_loss_coeff",
        "Amplitude smoothing weight",
        WEIGHT,
        "Weight of the amplitude smoothing, relative to the loss in photons.",
    ),
    field("training.phase_loss", "Phase smoothing", REGULARIZERS, "Regularization term that favors smooth phases."),
    field(
        "training.phase_loss_coeff",
        "Phase smoothing weight",
        WEIGHT,
        "Weight of the phase smoothing, relative to the loss in photons.",
    ),
    field(
        "training.scale_contract",
        "Loss units",
        Kind::Choice {
            options: &[
                ("normalized", "mean over the pixels of normalized patterns; independent of the photon count"),
                (
                    "legacy_v1",
                    "as in PtychoPINN: sum over the pixels of a group in photons, divided by the mean amplitude",
                ),
                (
                    "ci_intensity_v2",
                    "as in PtychoPINN for counts: divided by their mean, for an object in the units of the data",
                ),
            ],
            aliases: &[("normalized_amplitude", "legacy_v1"), ("count_intensity", "ci_intensity_v2")],
        },
        "Units of the loss, of its gradient and of the gradient clipping.",
    )
    .flag("--scale-contract-version"),
    field(
        "training.amplitude_physics_gain",
        "Amplitude gain",
        positive(1e6),
        "Constant factor of the predicted amplitude in training; the object is smaller by this factor.",
    ),
    field(
        "training.stage_1_epochs",
        "Stage 1",
        EPOCHS,
        "Epochs that train on the amplitude error alone; 0 skips this stage.",
    )
    .unit("epochs"),
    field(
        "training.stage_2_epochs",
        "Stage 2",
        EPOCHS,
        "Epochs in which the loss gradually replaces the amplitude error; 0 skips this stage.",
    )
    .unit("epochs"),
    field(
        "training.stage_3_epochs",
        "Stage 3",
        EPOCHS,
        "Epochs that train on the loss alone, after which training ends; 0 ends it by the number of epochs or the time budget.",
    )
    .unit("epochs"),
    field(
        "training.physics_weight_schedule",
        "Stage 2 ramp",
        choice(&[
            ("cosine", "half a cosine"),
            ("linear", "linear"),
            ("exponential", "slow at first, then fast"),
        ]),
        "Shape of the transition from the amplitude error to the loss in stage 2.",
    ),
    field(
        "training.stage_3_lr_factor",
        "Stage 3 rate",
        FRACTION,
        "Learning rate in stage 3 as a fraction of the full rate (schedule multi_stage).",
    ),
    field(
        "training.epochs_fine_tune",
        "Fine-tuning",
        EPOCHS,
        "Fine-tuning epochs with a frozen encoder, after the training; 0 does not fine-tune.",
    )
    .unit("epochs")
    .flag("--epochs-fine-tune"),
    field(
        "training.fine_tune_gamma",
        "Fine-tuning rate",
        FRACTION,
        "Learning rate during fine-tuning as a fraction of the full rate.",
    ),
    field(
        "training.start_from",
        "Start from",
        Kind::Text,
        "Trained model (model.ptycho) whose network and weights are adapted to this dataset; empty starts from random \
         weights.",
    )
    .flag("--from"),
    field(
        "training.freeze_encoder",
        "Freeze encoder",
        Kind::Flag,
        "Keep the encoder at its initial weights throughout the training.",
    )
    .flag("--freeze-encoder"),
    field(
        "training.overlap_weight",
        "Overlap weight",
        FRACTION,
        "Fraction of the loss computed from the merged patches of neighboring patterns instead of from single patches; 0 \
         uses single patches in random order, as in PtychoPINN.",
    )
    .flag("--overlap-weight"),
    field(
        "training.nphotons",
        "Photons per pattern",
        positive(f64::INFINITY).optional(),
        "Photons per pattern assumed by the Poisson loss; \"none\" takes the number stored in the file, else the counts of \
         the patterns.",
    )
    .unit("photons")
    .flag("--nphotons"),
    field(
        "training.gradient_clip",
        "Gradient clipping",
        WEIGHT,
        "Upper limit of the gradient, in the units of the loss; 0 does not clip.",
    )
    .flag("--gradient-clip"),
    field(
        "training.gradient_clip_algorithm",
        "Clipping method",
        choice(&[
            ("norm", "scale the whole gradient down to this norm"),
            ("value", "limit each component to plus or minus this value"),
            ("agc", "scale the gradient of each tensor down to this fraction of the tensor's norm"),
        ]),
        "Gradient-clipping method.",
    )
    .flag("--gradient-clip-algorithm"),
    field(
        "training.autosave_epochs",
        "Autosave",
        EPOCHS,
        "Number of epochs between autosaves of the model; 0 saves only at the end.",
    )
    .unit("epochs"),
    field(
        "training.autosave_interval_s",
        "Autosave interval",
        WEIGHT,
        "Minimum time between two autosaves, so that short epochs are not slowed by writing; 0 sets no minimum.",
    )
    .unit("s"),
    field(
        "training.logger",
        "Logger",
        choice(&[
            ("none", "no additional log"),
            ("csv", "lightning_logs/version_0/metrics.csv, with the columns of PtychoPINN"),
            ("tensorboard", "event file for TensorBoard"),
        ]),
        "Additional log of the losses, besides the history of the run.",
    )
    .flag("--logger"),
];
