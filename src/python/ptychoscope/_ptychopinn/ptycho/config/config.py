"""Configurations of a model, a training and an inference, with the names and defaults of PtychoPINN."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

BACKENDS = ("tensorflow", "pytorch")
ARCHITECTURES = ("cnn", "ffno", "fno", "fno_vanilla")
ACTIVATIONS = ("sigmoid", "swish", "softplus", "relu", "silu", "tanh")


@dataclass
class ModelConfig:
    """The network and its physics; lengths in pixels."""

    N: int = 64
    gridsize: int = 1
    n_filters_scale: int = 2
    model_type: str = "pinn"
    amp_activation: str = "sigmoid"
    object_big: bool = True
    probe_big: bool = True
    probe_mask: bool = False
    pad_object: bool = True
    probe_scale: float = 4.0
    gaussian_smoothing_sigma: float = 0.0
    architecture: str = "cnn"
    fno_modes: int = 12
    fno_width: int = 32
    fno_blocks: int = 4
    fno_cnn_blocks: int = 2
    fno_input_transform: str | None = None
    generator_output_mode: str | None = None
    probe_mask_sigma: float | None = None
    probe_mask_diameter: float | None = None


@dataclass
class TrainingConfig:
    """A training."""

    model: ModelConfig
    train_data_file: Path | None = None
    test_data_file: Path | None = None
    batch_size: int = 16
    nepochs: int = 50
    mae_weight: float = 0.0
    nll_weight: float = 1.0
    realspace_mae_weight: float = 0.0
    realspace_weight: float = 0.0
    nphotons: float = 1e9
    n_groups: int | None = None
    n_images: int | None = None
    n_subsample: int | None = None
    subsample_seed: int | None = None
    neighbor_count: int = 4
    enable_oversampling: bool = False
    neighbor_pool_size: int | None = None
    positions_provided: bool = True
    probe_trainable: bool = False
    intensity_scale_trainable: bool = True
    output_dir: Path | None = Path("training_outputs")
    sequential_sampling: bool = False
    backend: str = "tensorflow"
    torch_loss_mode: str | None = None
    gradient_clip_val: float | None = None
    gradient_clip_algorithm: str | None = None
    optimizer: str | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    adam_beta1: float | None = None
    adam_beta2: float | None = None
    scheduler: str | None = None
    lr_warmup_epochs: int | None = None
    lr_min_ratio: float | None = None
    plateau_factor: float | None = None
    plateau_patience: int | None = None
    plateau_min_lr: float | None = None
    plateau_threshold: float | None = None
    debug: bool = False

    def __post_init__(self) -> None:
        """Takes paths as texts, and the number of groups under its old name."""
        for name in ("train_data_file", "test_data_file", "output_dir"):
            value = getattr(self, name)
            if isinstance(value, str):
                setattr(self, name, Path(value))
        self.n_groups = _groups(self.n_groups, self.n_images)
        validate_backend(self.backend)


@dataclass
class InferenceConfig:
    """An inference."""

    model: ModelConfig
    model_path: Path | None = None
    test_data_file: Path | None = None
    n_groups: int | None = None
    n_images: int | None = None
    n_subsample: int | None = None
    subsample_seed: int | None = None
    neighbor_count: int = 4
    enable_oversampling: bool = False
    neighbor_pool_size: int | None = None
    debug: bool = False
    output_dir: Path | None = Path("inference_outputs")
    backend: str = "tensorflow"

    def __post_init__(self) -> None:
        """Takes paths as texts, and the number of groups under its old name."""
        for name in ("model_path", "test_data_file", "output_dir"):
            value = getattr(self, name)
            if isinstance(value, str):
                setattr(self, name, Path(value))
        self.n_groups = _groups(self.n_groups, self.n_images)
        validate_backend(self.backend)


@dataclass
class PyTorchExecutionConfig:
    """How a training is executed; only values that differ from these defaults are passed on."""

    accelerator: str = "auto"
    devices: int | str = 1
    strategy: str = "auto"
    deterministic: bool | str = True
    precision: str = "32-true"
    gradient_clip_val: float | None = None
    gradient_clip_algorithm: str = "norm"
    accum_steps: int = 1
    num_workers: int = 0
    pin_memory: bool = False
    persistent_workers: bool = False
    prefetch_factor: int | None = None
    learning_rate: float = 1e-3
    scheduler: str = "Default"
    enable_progress_bar: bool = False
    enable_checkpointing: bool = True
    checkpoint_save_top_k: int = 1
    checkpoint_monitor_metric: str = "val_loss"
    checkpoint_mode: str = "min"
    early_stop_patience: int = 100
    logger_backend: str | None = None
    inference_batch_size: int | None = None

    def changed(self) -> dict[str, Any]:
        """The values that differ from the defaults."""
        pairs = ((field.name, getattr(self, field.name), field.default) for field in fields(self))
        return {name: value for name, value, default in pairs if value != default}


def _groups(groups: int | None, images: int | None) -> int | None:
    if images is None:
        return groups
    warnings.warn("n_images is the deprecated name of n_groups", DeprecationWarning, stacklevel=4)
    return images if groups is None else groups


def validate_backend(backend: str) -> None:
    """Checks the name of a backend; both run on the same engine here.

    Raises:
        ValueError: Another name.
    """
    if backend not in BACKENDS:
        raise ValueError(
            f"backend = {backend!r} is not a backend. Expected 'tensorflow' or 'pytorch'; both run on the same engine, "
            "Ptychoscope. Leave it out or use 'pytorch'."
        )


def _positive(config: ModelConfig | TrainingConfig, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if not value > 0:
            raise ValueError(f"{name} = {value} is not positive")


def validate_model_config(config: ModelConfig) -> None:
    """Checks a model configuration.

    Raises:
        ValueError: An illegal value, named.
    """
    if config.architecture not in ARCHITECTURES:
        raise ValueError(f"architecture = {config.architecture!r}: expected one of {', '.join(ARCHITECTURES)}")
    if config.model_type not in ("pinn", "supervised"):
        raise ValueError(f"model_type = {config.model_type!r}: expected pinn or supervised")
    if config.amp_activation not in ACTIVATIONS:
        raise ValueError(f"amp_activation = {config.amp_activation!r}: expected one of {', '.join(ACTIVATIONS)}")
    _positive(config, "gridsize", "n_filters_scale", "probe_scale")
    if config.gaussian_smoothing_sigma < 0:
        raise ValueError(f"gaussian_smoothing_sigma = {config.gaussian_smoothing_sigma} is negative")


def validate_training_config(config: TrainingConfig) -> None:
    """Checks a training configuration and its model.

    Raises:
        ValueError: An illegal value, named.
    """
    validate_model_config(config.model)
    _positive(config, "batch_size", "nepochs", "nphotons")
    for name in ("mae_weight", "nll_weight"):
        value = getattr(config, name)
        if not 0 <= value <= 1:
            raise ValueError(f"{name} = {value}: expected 0 to 1")
    validate_backend(config.backend)


_DOTTED = {
    "object_big": "object.big",
    "probe_big": "probe.big",
    "probe_mask": "probe.mask",
    "probe_trainable": "probe.trainable",
    "intensity_scale_trainable": "intensity_scale.trainable",
    "positions_provided": "positions.provided",
    "output_dir": "output_prefix",
    "train_data_file": "train_data_file_path",
    "test_data_file": "test_data_file_path",
}


def dataclass_to_legacy_dict(config: Any) -> dict[str, Any]:
    """The fields of a configuration, its model included, by their dotted names; paths are texts."""
    found: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            found.update(dataclass_to_legacy_dict(value))
        else:
            found[_DOTTED.get(field.name, field.name)] = str(value) if isinstance(value, Path) else value
    return found


def update_legacy_dict(cfg: dict[str, Any], config: Any) -> None:
    """Fills the flat dictionary from a configuration; values of None overwrite nothing."""
    cfg.update({key: value for key, value in dataclass_to_legacy_dict(config).items() if value is not None})
    cfg.setdefault("intensity_scale", 1.0)
