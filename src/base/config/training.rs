//! Training of the network (A§5.6, A§6).

use serde::{Deserialize, Serialize};

/// Loss function that compares predicted and measured patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Poisson deviance of the counts.
    #[default]
    Poisson,
    /// Mean absolute error of the amplitude.
    Mae,
    /// Both, weighted by `nll_weight` and `mae_weight` (A§5.8).
    Weighted,
}

/// Regularization term that favors smooth amplitudes or phases (A§5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Regularizer {
    /// No regularization.
    #[default]
    None,
    /// Sum of the absolute differences between neighboring pixels.
    TotalVariation,
    /// Sum of the absolute deviations from the mean of the patch.
    MeanDeviation,
}

/// Units of patterns, object and loss (A§3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleContract {
    /// Mean over the pixels of normalized patterns; loss and gradient do not depend on the photon count.
    #[default]
    Normalized,
    /// As in the reference: sum over the pixels of a group in photons, divided by the mean amplitude.
    LegacyV1,
    /// As in the reference for counts: divided by their mean, for an object in the units of the data.
    CiIntensityV2,
}

/// Optimization algorithm for the weights of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam; weight decay is part of the gradient.
    #[default]
    Adam,
    /// Adam with decoupled weight decay.
    #[serde(rename = "adamw")]
    AdamW,
    /// Stochastic gradient descent with Nesterov momentum.
    Sgd,
}

/// Gradient-clipping method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClipAlgorithm {
    /// Scale the whole gradient down to a norm.
    #[default]
    Norm,
    /// Limit each component to a range.
    Value,
    /// Scale the gradient of each tensor down to a fraction of the tensor's norm.
    Agc,
}

/// Shape of the transition from the amplitude error to the loss in stage 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ramp {
    /// Half a cosine.
    #[default]
    Cosine,
    /// Linear.
    Linear,
    /// Slow at first, then fast: (exp(3 t) - 1) / (exp(3) - 1).
    Exponential,
}

/// Additional log of the losses, besides the history of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Logger {
    /// No additional log.
    #[default]
    None,
    /// `lightning_logs/version_0/metrics.csv`, with the columns of PtychoPINN (A§6.5).
    Csv,
    /// Event file for TensorBoard.
    Tensorboard,
}

/// Learning-rate schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Half a cosine from the full rate down to 2 % of it, over the epochs or the time budget, whichever is given.
    #[default]
    Cosine,
    /// The same rate throughout.
    Constant,
    /// Multiplied by 0.95 after each epoch.
    Exponential,
    /// From a tenth up to the full rate over the warm-up epochs, then a cosine down to `lr_min_ratio` of it (A§6.2).
    WarmupCosine,
    /// Multiplied by `plateau_factor` when the loss has not decreased for `plateau_patience` epochs.
    ReduceOnPlateau,
    /// Decreases to `stage_3_lr_factor` as the weight of the physics grows (A§10.3).
    MultiStage,
}

/// Reconstruction method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A network that learns the physics and then reconstructs further patterns at once.
    #[default]
    Network,
    /// A gradient-based solver, without a network.
    Direct,
}

/// Training of the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Reconstruction method.
    pub method: Method,
    /// Number of epochs; `None` trains until the time budget is used up.
    #[serde(with = "super::optional")]
    pub epochs: Option<usize>,
    /// Training time, seconds, after which training stops and its result is kept; `None` sets no limit.
    #[serde(with = "super::optional")]
    pub time_budget_s: Option<f64>,
    /// Number of groups per batch.
    pub batch_size: usize,
    /// Initial learning rate.
    pub learning_rate: f64,
    /// Steps of linear learning-rate warm-up.
    pub warmup_steps: usize,
    /// Learning-rate schedule.
    pub schedule: Schedule,
    /// Warm-up epochs of `Schedule::WarmupCosine`.
    pub lr_warmup_epochs: usize,
    /// Final learning rate of `Schedule::WarmupCosine`, as a fraction of the full rate.
    pub lr_min_ratio: f64,
    /// Factor of the learning rate at each plateau in `Schedule::ReduceOnPlateau`.
    pub plateau_factor: f64,
    /// Number of epochs without a lower loss that count as a plateau.
    pub plateau_patience: usize,
    /// Lower limit of the learning rate in `Schedule::ReduceOnPlateau`.
    pub plateau_min_lr: f64,
    /// Relative decrease of the loss that counts as an improvement.
    pub plateau_threshold: f64,
    /// Optimization algorithm.
    pub optimizer: Optimizer,
    /// Momentum of `Optimizer::Sgd`.
    pub momentum: f64,
    /// Rate at which all weights decay towards zero.
    pub weight_decay: f64,
    /// Decay rate of Adam's first moment.
    pub adam_beta1: f64,
    /// Decay rate of Adam's second moment.
    pub adam_beta2: f64,
    /// Number of batches whose gradients are accumulated for one optimizer step.
    pub accum_steps: usize,
    /// Number of epochs without a lower loss after which training stops; `None` never stops early.
    #[serde(with = "super::optional")]
    pub early_stop_patience: Option<usize>,
    /// Loss function that compares predicted and measured patterns.
    pub loss: LossKind,
    /// Weight of the Poisson term in the weighted loss.
    pub nll_weight: f64,
    /// Weight of the amplitude error in the weighted loss.
    pub mae_weight: f64,
    /// Common weight of the real-space terms, `tv_weight` and `realspace_mae_weight`.
    pub realspace_weight: f64,
    /// Weight of the mean absolute error with respect to the object in the dataset.
    pub realspace_mae_weight: f64,
    /// Weight of the squared differences between neighboring pixels of the object.
    pub tv_weight: f64,
    /// Scale each prediction to the energy of its pattern before computing the amplitude error.
    pub mae_pred_l2_match_target: bool,
    /// Regularization of the amplitude.
    pub amp_loss: Regularizer,
    /// Weight of the regularization of the amplitude.
    pub amp_loss_coeff: f64,
    /// Regularization of the phase.
    pub phase_loss: Regularizer,
    /// Weight of the regularization of the phase.
    pub phase_loss_coeff: f64,
    /// Units of patterns, object and loss.
    pub scale_contract: ScaleContract,
    /// Constant factor of the predicted amplitude in training.
    pub amplitude_physics_gain: f64,
    /// Epochs that train on the amplitude error alone.
    pub stage_1_epochs: usize,
    /// Epochs in which the loss gradually replaces the amplitude error.
    pub stage_2_epochs: usize,
    /// Epochs that train on the loss alone; 0 for the rest of the training.
    pub stage_3_epochs: usize,
    /// Shape of the transition in stage 2.
    pub physics_weight_schedule: Ramp,
    /// Learning rate in stage 3 of `Schedule::MultiStage`, as a fraction of the full rate.
    pub stage_3_lr_factor: f64,
    /// Fine-tuning epochs with a frozen encoder, after the training.
    pub epochs_fine_tune: usize,
    /// Learning rate during fine-tuning, as a fraction of the full rate.
    pub fine_tune_gamma: f64,
    /// Path of a trained model to start from; empty starts from random weights.
    pub start_from: String,
    /// Keep the encoder at its initial weights throughout the training.
    pub freeze_encoder: bool,
    /// Fraction of the loss computed from the merged patches of neighboring patterns instead of from single patches.
    pub overlap_weight: f64,
    /// Fraction of the training in which the network imitates the direct solution.
    pub teacher_share: f64,
    /// Photons per pattern assumed by the Poisson loss; `None` takes the number stored in the file, else the counts.
    #[serde(with = "super::optional")]
    pub nphotons: Option<f64>,
    /// Upper limit of the gradient; 0 does not clip.
    pub gradient_clip: f64,
    /// Gradient-clipping method.
    pub gradient_clip_algorithm: ClipAlgorithm,
    /// Number of epochs between autosaves of the model; 0 saves only at the end.
    pub autosave_epochs: usize,
    /// Minimum time between two autosaves, seconds, so that short epochs are not slowed by writing.
    pub autosave_interval_s: f64,
    /// Additional log of the losses.
    pub logger: Logger,
}

impl TrainingConfig {
    /// Number of epochs before fine-tuning, if known: the requested epochs, or those of the stages if these are fewer.
    pub fn planned_epochs(&self) -> Option<usize> {
        let staged = self.stage_1_epochs + self.stage_2_epochs + self.stage_3_epochs;
        let staged = (self.stage_3_epochs > 0).then_some(staged);
        match (self.epochs, staged) {
            (Some(epochs), Some(staged)) => Some(epochs.min(staged)),
            (epochs, staged) => epochs.or(staged),
        }
    }
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            method: Method::Network,
            epochs: None,
            time_budget_s: Some(110.0),
            batch_size: 8,
            learning_rate: 1e-3,
            warmup_steps: 60,
            schedule: Schedule::Cosine,
            lr_warmup_epochs: 0,
            lr_min_ratio: 0.1,
            plateau_factor: 0.5,
            plateau_patience: 2,
            plateau_min_lr: 5e-5,
            plateau_threshold: 0.0,
            optimizer: Optimizer::Adam,
            momentum: 0.9,
            weight_decay: 0.0,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            accum_steps: 1,
            early_stop_patience: None,
            loss: LossKind::Poisson,
            nll_weight: 1.0,
            mae_weight: 0.0,
            realspace_weight: 0.0,
            realspace_mae_weight: 0.0,
            tv_weight: 0.0,
            mae_pred_l2_match_target: false,
            amp_loss: Regularizer::None,
            amp_loss_coeff: 1.0,
            phase_loss: Regularizer::None,
            phase_loss_coeff: 1.0,
            scale_contract: ScaleContract::Normalized,
            amplitude_physics_gain: 1.0,
            stage_1_epochs: 0,
            stage_2_epochs: 0,
            stage_3_epochs: 0,
            physics_weight_schedule: Ramp::Cosine,
            stage_3_lr_factor: 0.1,
            epochs_fine_tune: 0,
            fine_tune_gamma: 0.1,
            start_from: String::new(),
            freeze_encoder: false,
            overlap_weight: 0.9,
            teacher_share: 0.8,
            nphotons: None,
            gradient_clip: 1.0,
            gradient_clip_algorithm: ClipAlgorithm::Norm,
            autosave_epochs: 1,
            autosave_interval_s: 5.0,
            logger: Logger::None,
        }
    }
}
