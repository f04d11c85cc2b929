//! How the network is trained (A§5.6, A§6).

use serde::{Deserialize, Serialize};

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Poisson deviance of counts.
    #[default]
    Poisson,
    /// Mean absolute error of the amplitude.
    Mae,
    /// Both, by `nll_weight` and `mae_weight` (A§5.8).
    Weighted,
}

/// A term that asks for smooth amplitudes or phases (A§5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Regularizer {
    /// No such term.
    #[default]
    None,
    /// Sum of the absolute differences of neighbouring pixels.
    TotalVariation,
    /// Sum of the absolute deviations from the mean of the patch.
    MeanDeviation,
}

/// In which units patterns, object and loss are (A§3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleContract {
    /// The loss of normalised patterns, a mean over pixels: its values and gradients do not depend on the photons.
    #[default]
    Normalized,
    /// The reference's: the same loss in its units, a sum over the pixels of a group in photons, over the mean amplitude.
    LegacyV1,
    /// The reference's for counts: the loss of counts, over their mean, of an object in the units of the data.
    CiIntensityV2,
}

/// What moves the parameters along the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam; weight decay is part of the gradient.
    #[default]
    Adam,
    /// Adam with weight decay apart from the gradient.
    #[serde(rename = "adamw")]
    AdamW,
    /// Stochastic gradient descent with Nesterov's momentum.
    Sgd,
}

/// How a gradient is kept from being too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClipAlgorithm {
    /// The whole gradient is scaled to a norm.
    #[default]
    Norm,
    /// Each component is cut to a range.
    Value,
    /// The gradient of each tensor is scaled to a share of the tensor's norm.
    Agc,
}

/// How the weight of the physics grows in the second stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ramp {
    /// Half a cosine.
    #[default]
    Cosine,
    /// A straight line.
    Linear,
    /// Slowly first, then fast: (exp(3 t) - 1) / (exp(3) - 1).
    Exponential,
}

/// Where the losses of a training are written, besides the table of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Logger {
    /// Nowhere else.
    #[default]
    None,
    /// A table with the columns of PtychoPINN (A§6.5): `lightning_logs/version_0/metrics.csv`.
    Csv,
    /// Event files that TensorBoard shows.
    Tensorboard,
}

/// Learning rate over the whole training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Half a cosine from the full rate to 2 % of it, over the epochs or the time budget, whichever is given.
    #[default]
    Cosine,
    /// The same rate throughout.
    Constant,
    /// Times 0.95 each epoch.
    Exponential,
    /// From a tenth up to the full rate over the epochs of the warm-up, then a cosine to `lr_min_ratio` of it (A§6.2).
    WarmupCosine,
    /// Lower by `plateau_factor` whenever the loss has not fallen for some epochs.
    ReduceOnPlateau,
    /// Falls with the weight of the physics to `stage_3_lr_factor` (A§10.3).
    MultiStage,
}

/// What finds the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A network that learns the physics, and then reconstructs any pattern at once.
    #[default]
    Network,
    /// A gradient solver, without a network.
    Direct,
}

/// How the network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// What finds the object.
    pub method: Method,
    /// Number of epochs; none = until the time budget is used.
    #[serde(with = "super::optional")]
    pub epochs: Option<usize>,
    /// Seconds of training, after which it ends with its result; none = no limit.
    #[serde(with = "super::optional")]
    pub time_budget_s: Option<f64>,
    /// Groups per step.
    pub batch_size: usize,
    /// Initial learning rate.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises to its initial value; 0 = none.
    pub warmup_steps: usize,
    /// Learning rate over the whole training.
    pub schedule: Schedule,
    /// Epochs over which the schedule `warmup_cosine` rises.
    pub lr_warmup_epochs: usize,
    /// Where it ends, as a share of the full rate.
    pub lr_min_ratio: f64,
    /// Factor of the schedule `reduce_on_plateau`.
    pub plateau_factor: f64,
    /// Epochs that it waits.
    pub plateau_patience: usize,
    /// Its lowest rate.
    pub plateau_min_lr: f64,
    /// Relative fall of the loss that counts as one.
    pub plateau_threshold: f64,
    /// What moves the parameters.
    pub optimizer: Optimizer,
    /// Momentum of the optimiser `sgd`.
    pub momentum: f64,
    /// Pull of all parameters towards zero.
    pub weight_decay: f64,
    /// Decay of the first moment of Adam.
    pub adam_beta1: f64,
    /// Decay of the second moment of Adam.
    pub adam_beta2: f64,
    /// Batches whose gradients make one step.
    pub accum_steps: usize,
    /// Epochs without a lower loss after which the training ends; none = it never ends for that.
    #[serde(with = "super::optional")]
    pub early_stop_patience: Option<usize>,
    /// What is minimised.
    pub loss: LossKind,
    /// Weight of the Poisson term in the weighted loss.
    pub nll_weight: f64,
    /// Weight of the amplitude error in the weighted loss.
    pub mae_weight: f64,
    /// Weight of the terms in real space: `tv_weight` and `realspace_mae_weight`.
    pub realspace_weight: f64,
    /// Weight of the distance to the known object.
    pub realspace_mae_weight: f64,
    /// Weight of the squared differences of neighbouring pixels of the object.
    pub tv_weight: f64,
    /// Scale each prediction to the energy of its pattern before the amplitude error.
    pub mae_pred_l2_match_target: bool,
    /// Term that smooths the amplitude.
    pub amp_loss: Regularizer,
    /// Its weight.
    pub amp_loss_coeff: f64,
    /// Term that smooths the phase.
    pub phase_loss: Regularizer,
    /// Its weight.
    pub phase_loss_coeff: f64,
    /// Units of patterns, object and loss.
    pub scale_contract: ScaleContract,
    /// Constant factor of the predicted amplitude.
    pub amplitude_physics_gain: f64,
    /// Epochs that learn from the amplitude error alone.
    pub stage_1_epochs: usize,
    /// Epochs over which the loss takes over.
    pub stage_2_epochs: usize,
    /// Epochs with the loss alone; what is left of the training if 0.
    pub stage_3_epochs: usize,
    /// How the loss takes over.
    pub physics_weight_schedule: Ramp,
    /// Share of the learning rate in the third stage, with the schedule `multi_stage`.
    pub stage_3_lr_factor: f64,
    /// Epochs after the training in which the encoder rests.
    pub epochs_fine_tune: usize,
    /// Share of the learning rate in those.
    pub fine_tune_gamma: f64,
    /// A trained model whose network the training begins with; empty draws new weights.
    pub start_from: String,
    /// Whether the encoder rests from the beginning.
    pub freeze_encoder: bool,
    /// Share of the loss that judges the merged neighbourhood instead of each patch alone; 0 = patches alone.
    pub overlap_weight: f64,
    /// Share of the training that learns from the direct solution, fading into the physics; 0 = none.
    pub teacher_share: f64,
    /// Photons per pattern that the Poisson loss assumes; none = from the file, else its counts.
    #[serde(with = "super::optional")]
    pub nphotons: Option<f64>,
    /// Bound of the gradient; 0 = no clipping.
    pub gradient_clip: f64,
    /// What that bound is of.
    pub gradient_clip_algorithm: ClipAlgorithm,
    /// Epochs between autosaves of the bundle; 0 = only at the end.
    pub autosave_epochs: usize,
    /// Least seconds between two autosaves, so that short epochs do not spend their time on writing; 0 = none.
    pub autosave_interval_s: f64,
    /// Where the losses are written, besides the history of the run.
    pub logger: Logger,
}

impl TrainingConfig {
    /// Epochs of the training before fine-tuning, if their number is known: those asked for, or those of the stages if they
    /// are over before.
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
