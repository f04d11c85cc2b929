"""Configuration, data, model, training and inference, as Ptychodus calls them."""

from __future__ import annotations

import enum
import logging
import re
import sys
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ptycho_torch.config_params import DataConfig, DatagenConfig, InferenceConfig, ModelConfig, TrainingConfig
from ptycho_torch.model import PtychoPINN_Lightning
from ptychoscope import _original
from ptychoscope._errors import InputError
from ptychoscope._program import Event
from ptychoscope._results import Run

LOGGER = "ptychopinn-torch"

_RENAMED = {"warmup_epochs": "lr_warmup_epochs", "min_lr_ratio": "lr_min_ratio"}
# Settings of PtychoPINN that the program does not have; they matter only if their switch is on.
_SWITCHES = {
    "enable_staged_finetuning": "staged fine-tuning is done with --from and --freeze-encoder",
    "probe_ramp_removal": "the probe is used as it is",
    "amplitude_variance_loss": "there is no such loss",
}
# Settings for which the recipe has better values than PtychoPINN's defaults: with attention in the encoder, the object
# is still flat after hundreds of steps. Ptychodus passes every setting, so a default is no choice of the user.
# Each with its default, and the value of the recipe where leaving it out means the default.
_LEFT_TO_RECIPE: tuple[tuple[str, str, Any, Any], ...] = (
    ("data_config", "probe_normalize", True, None),
    ("model_config", "cbam_encoder", True, False),
    ("training_config", "scheduler", "Default", None),
)
_BELOW_SWITCH = ("finetune_", "amplitude_variance_coeff", "probe_reference_coeff")


class DataloaderFormats(enum.Enum):
    """Ways to load data; all are the same here."""

    LIGHTNING_MODULE = "lightning_module"
    LIGHTNING_ONLY_MODULE = "lightning_only_module"
    TENSORDICT = "tensordict"
    PTYCHOPINN = "ptychopinn"


@dataclass
class ConfigManager:
    """The configurations of a model."""

    data_config: DataConfig = field(default_factory=DataConfig)
    model_config: ModelConfig = field(default_factory=ModelConfig)
    training_config: TrainingConfig = field(default_factory=TrainingConfig)
    inference_config: InferenceConfig = field(default_factory=InferenceConfig)
    datagen_config: DatagenConfig = field(default_factory=DatagenConfig)

    @classmethod
    def from_loaded_model(cls, model: PtychoModel) -> ConfigManager:
        """The configurations of a model that was read from a checkpoint."""
        return model.config_manager

    def validate_arch_compatibility(self, model: PtychoModel) -> None:
        """The program checks this itself when it reads the model."""

    def settings(self) -> dict[str, Any]:
        """All settings as the program imports them.

        Raises:
            InputError: A switch is on that the program does not have.
        """
        sections: dict[str, Any] = {
            "data_config": _original.settings_of(self.data_config),
            "model_config": _original.settings_of(self.model_config),
            "training_config": _original.settings_of(self.training_config),
            "inference_config": _original.settings_of(self.inference_config),
        }
        for section in sections.values():
            for name, why in _SWITCHES.items():
                if section.pop(name, False):
                    raise InputError(f"{name} is not supported: {why}", hint="Switch it off")
            if section.get("probe_reference_coeff"):
                raise InputError("probe_reference_coeff is not supported: there is no such loss", hint="Set it to 0")
            for name in [name for name in section if name.startswith(_BELOW_SWITCH)]:
                del section[name]
            for theirs, ours in _RENAMED.items():
                if theirs in section:
                    section[ours] = section.pop(theirs)
        if _original.PRESET == "recipe":
            _leave_to_recipe(sections)
        if self.model_config.mode.lower() == "supervised":
            sections["model_config"] = _original.without_physics(sections["model_config"])
        training = sections["training_config"]
        for name in ("train_data_file", "test_data_file", "output_dir", "training_directories", "device"):
            training.pop(name, None)
        if str(training.get("scheduler")).lower() == "cosine":
            training["scheduler"] = "WarmupCosine"
        return sections

    def accelerator(self) -> str:
        """Device of the program: auto for cuda, so that a machine without a GPU is reported, not refused."""
        return {"cuda": "auto", "cpu": "cpu"}.get(str(self.training_config.device).lower(), "auto")


def _leave_to_recipe(sections: dict[str, Any]) -> None:
    """Leaves settings to the recipe that are at a default for which it has a better value, and says so."""
    left = []
    for section, name, default, better in _LEFT_TO_RECIPE:
        if sections[section].get(name) == default:
            left.append(name)
            if better is None:
                del sections[section][name]
            else:
                sections[section][name] = better
    if left:
        logging.getLogger(LOGGER).info(
            "At their defaults, so chosen by the recipe: %s. PTYCHOSCOPE_PRESET=reference keeps PtychoPINN's.",
            ", ".join(left),
        )


class PtychoDataLoader:
    """A dataset for training (a folder) or for inference (arrays).

    Attributes:
        output_dir: Folder of the training.
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        config_manager: ConfigManager | None = None,
        data_format: DataloaderFormats = DataloaderFormats.LIGHTNING_ONLY_MODULE,  # noqa: ARG002
        output_dir: str | Path | None = None,
        **_others: Any,
    ) -> None:
        self.config_manager = config_manager
        self.data_dir = None if data_dir is None else Path(data_dir)
        stamp = time.strftime("run_%Y%m%d_%H%M%S")
        self.output_dir = Path(output_dir or ".") / stamp
        self.dataset: Path | None = None

    @classmethod
    def from_np(
        cls,
        diff_patterns: npt.NDArray[Any],
        probe: npt.NDArray[Any],
        positions: npt.NDArray[Any],
        config_manager: ConfigManager,
    ) -> PtychoDataLoader:
        """A dataset from arrays.

        Args:
            diff_patterns: (n, N, N) patterns.
            probe: (N, N) or (modes, N, N) complex probe.
            positions: (n, 2) positions (y, x) in object pixels.
            config_manager: Configurations of the model.
        """
        loader = cls(config_manager=config_manager)
        loader.dataset = _original.dataset(diff_patterns, positions[:, 1], positions[:, 0], probe)
        return loader

    def files(self) -> tuple[Path, Path | None, list[Path]]:
        """Training data, validation data and further training data in the folder.

        Raises:
            InputError: The folder has no NPZ file.
        """
        folder = self.data_dir or Path()
        files = sorted(folder.glob("*.npz"))
        train = folder / "train_data.npz"
        if train in files:
            test = folder / "test_data.npz"
            return train, test if test in files else None, []
        if not files:
            raise InputError("The folder has no datasets", "NPZ files, for example train_data.npz", path=str(folder))
        return files[0], None, files[1:]


@dataclass
class PtychoModel:
    """A network with its configurations."""

    model_config: ModelConfig = field(default_factory=ModelConfig)
    data_config: DataConfig = field(default_factory=DataConfig)
    training_config: TrainingConfig = field(default_factory=TrainingConfig)
    inference_config: InferenceConfig = field(default_factory=InferenceConfig)
    model: PtychoPINN_Lightning | None = None

    @property
    def config_manager(self) -> ConfigManager:
        """The configurations."""
        return ConfigManager(self.data_config, self.model_config, self.training_config, self.inference_config)

    @classmethod
    def _new_model(cls, model: type[PtychoPINN_Lightning], config_manager: ConfigManager) -> PtychoModel:
        """A network to be trained."""
        given = config_manager
        configs = (given.model_config, given.data_config, given.training_config, given.inference_config)
        return cls(*configs, model=model(*configs))

    @staticmethod
    def _extract_configs_from_checkpoint(
        path: str,
    ) -> tuple[DataConfig, ModelConfig, TrainingConfig, InferenceConfig]:
        """Configurations of data, model, training and inference in a checkpoint."""
        with zipfile.ZipFile(_original.as_model(Path(path))) as archive:
            text = archive.read("config.toml").decode()
        found = dict(re.findall(r'^(\w+) = "?([^"\n]*)"?$', text, re.MULTILINE))
        gridsize = int(found.get("gridsize", "1"))
        data = DataConfig(grid_size=(gridsize, gridsize), C=gridsize**2)
        mode = "Supervised" if found.get("model_type") == "supervised" else "Unsupervised"
        return data, ModelConfig(mode=mode, C_model=gridsize**2), TrainingConfig(), InferenceConfig()


@dataclass
class _Progress:
    """State of a training as callbacks read it."""

    callbacks: list[Any] = field(default_factory=list)
    callback_metrics: dict[str, float] = field(default_factory=dict)
    current_epoch: int = 0
    sanity_checking: bool = False


class Trainer:
    """A training."""

    def __init__(self, model: PtychoModel, dataloader: PtychoDataLoader, config_manager: ConfigManager) -> None:
        self._model, self._loader, self._configs = model, dataloader, config_manager
        self._trainer = _Progress()
        self.run: Run | None = None

    @classmethod
    def _from_lightning(
        cls, model: PtychoModel, dataloader: PtychoDataLoader, config_manager: ConfigManager, **_others: Any
    ) -> Trainer:
        """A training of this model on this dataset."""
        return cls(model, dataloader, config_manager)

    def train(self, **_others: Any) -> Run:
        """Trains, calls the callbacks after each epoch, and writes `best-checkpoint.ckpt` and `last.ckpt`."""
        train, test, others = self._loader.files()
        settings: dict[str, Any] = {"accelerator": self._configs.accelerator()}
        if others:
            settings["also"] = others
        data = [_from_ptychodus(path) for path in (train, test) if path is not None]
        validation = data[1] if len(data) > 1 else None
        reporter = _original.Reporter(LOGGER, self._observe)
        self.run = _original.train(data[0], validation, self._configs.settings(), reporter, **settings)
        folder = Path(self._loader.output_dir) / "checkpoints"
        best = self.run.folder / "best.ptycho"
        _original.save_model(self.run, folder / "last.ckpt")
        _original.save_model(self.run, folder / "best-checkpoint.ckpt", best if best.is_file() else None)
        if self._model.model is not None:
            self._model.model.path = folder / "best-checkpoint.ckpt"
        return self.run

    def _observe(self, event: Event) -> None:
        if event.get("event") != "epoch" or self._model.model is None:
            return
        network, state = self._model.model, self._trainer
        state.current_epoch = int(event["epoch"]) - 1
        state.callback_metrics[network.loss_name] = float(event["train_loss"])
        if event.get("val_loss") is not None:
            state.callback_metrics[network.val_loss_name] = float(event["val_loss"])
            for callback in state.callbacks:
                callback.on_validation_epoch_end(state, network)
        for callback in state.callbacks:
            callback.on_train_epoch_end(state, network)


def _from_ptychodus(path: Path) -> Path:
    """A file of Ptychodus with its positions as the program reads them; any other file as it is."""
    from ptycho.raw_data import RawData

    return RawData.from_file(path).as_dataset() if _original.in_ptychodus() else path


class InferenceEngine:
    """Reconstruction with a trained model."""

    def __init__(self, config_manager: ConfigManager, ptycho_model: PtychoModel) -> None:
        self._configs, self._model = config_manager, ptycho_model
        self.run: Run | None = None

    def predict_and_stitch(self, loader: PtychoDataLoader) -> npt.NDArray[np.complex64]:
        """The stitched object.

        Inside Ptychodus it is on the array of the object that Ptychodus reconstructs, whose center it keeps; elsewhere
        on an array that begins at (0, 0) of the positions.

        Returns:
            (H, W) complex object.
        """
        if self._model.model is None or self._model.model.path is None or loader.dataset is None:
            raise InputError("There is no trained model, or no dataset", hint="Load a checkpoint and use from_np")
        reporter = _original.Reporter(LOGGER)
        self.run = _original.infer(self._model.model.path, loader.dataset, reporter)
        return _original.on_canvas(self.run, _object_of_ptychodus())


def _object_of_ptychodus() -> npt.NDArray[Any] | None:
    """The object that Ptychodus reconstructs; it hands over positions only, so it is taken from its own call."""
    frame = sys._getframe() if _original.in_ptychodus() else None
    while frame is not None:
        product = getattr(frame.f_locals.get("parameters"), "product", None)
        if product is not None:
            layer: npt.NDArray[Any] = product.object_.get_layer(0)
            return layer
        frame = frame.f_back
    return None
