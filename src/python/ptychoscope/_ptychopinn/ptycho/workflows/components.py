"""Training, loading of a model and prediction."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ptycho import params
from ptycho.config.config import (
    InferenceConfig,
    PyTorchExecutionConfig,
    TrainingConfig,
    update_legacy_dict,
    validate_training_config,
)
from ptycho.loader import Patterns, PtychoDataContainer
from ptycho.raw_data import RawData
from ptychoscope import _original
from ptychoscope._results import Run

LOGGER = "ptychopinn"
Arrays = npt.NDArray[Any]
Data = RawData | PtychoDataContainer


class Prediction:
    """The stitched object of a dataset, with the array that its positions refer to."""

    def __init__(self, run: Run, raw: RawData) -> None:
        self.run, self._raw = run, raw

    def on_canvas(self) -> npt.NDArray[np.complex64]:
        """(H, W) complex object on the array of the dataset's object, where it has one."""
        return _original.on_canvas(self.run, self._raw.objectGuess)


class Model:
    """A trained model in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def predict(self, inputs: Sequence[Any]) -> Prediction:
        """Reconstructs the dataset whose patterns are the first input."""
        patterns = inputs[0]
        if not isinstance(patterns, Patterns):
            raise TypeError("predict needs the X of a container that ptycho.loader.load returned")
        return Prediction(reconstruct(self.path, patterns.grouped.raw, patterns.grouped.K), patterns.grouped.raw)


def reconstruct(model: Path, raw: RawData, neighbors: int | None = None) -> Run:
    """Reconstructs a dataset with a model."""
    settings: dict[str, Any] = {"neighbor_count": neighbors} if neighbors else {}
    return _original.infer(model, raw.as_dataset(), _original.Reporter(LOGGER), **settings)


def settings_for(config: TrainingConfig) -> dict[str, Any]:
    """The settings of a training as the program imports them."""
    found = _original.settings_of(config, skip=("backend", "debug", "positions_provided", "n_images"))
    return _original.without_physics(found) if config.model.model_type == "supervised" else found


def train_cdi_model(
    train_data: Data,
    test_data: Data | None,
    config: TrainingConfig,
    execution_config: PyTorchExecutionConfig | None = None,
) -> dict[str, Any]:
    """Trains a model.

    Args:
        train_data: Dataset to train on.
        test_data: Dataset for the validation loss, or None.
        config: The training.
        execution_config: Device, learning rate and the like, or None.

    Returns:
        `history` with the lists train_loss and val_loss, and the run.
    """
    validate_training_config(config)
    params.cfg.pop("ptychoscope_run", None)
    train_raw, test_raw = _raw(train_data), None if test_data is None else _raw(test_data)
    run = _original.train(
        train_raw.as_dataset(),
        None if test_raw is None else test_raw.as_dataset(),
        settings_for(config) | (execution_config.changed() if execution_config is not None else {}),
        _original.Reporter(LOGGER),
    )
    params.cfg["ptychoscope_run"] = run
    history = run.history
    losses = {name: [float(v) for v in history.get(name, []) if np.isfinite(v)] for name in ("train_loss", "val_loss")}
    return {"history": losses, "run": run, "train_container": train_data, "test_container": test_data}


def _raw(data: Data) -> RawData:
    return data.raw if isinstance(data, PtychoDataContainer) else data


def run_cdi_example(
    train_data: Data,
    test_data: Data | None,
    config: TrainingConfig,
    flip_x: bool = False,
    flip_y: bool = False,
    transpose: bool = False,
    M: int = 20,  # noqa: N803
    do_stitching: bool = False,
) -> tuple[Arrays | None, Arrays | None, dict[str, Any]]:
    """Trains a model and, if asked, reconstructs the test data with it.

    Args:
        train_data: Dataset to train on.
        test_data: Dataset for the validation loss, or None.
        config: The training.
        flip_x: Mirrors the stitched object left to right.
        flip_y: Mirrors the stitched object top to bottom.
        transpose: Exchanges its axes.
        M: Side of the square used of each patch, where the program does not weight by the illumination.
        do_stitching: Reconstructs the test data.

    Returns:
        Amplitude and phase (H, W), None without stitching, and the results.
    """
    update_legacy_dict(params.cfg, config)
    results = train_cdi_model(train_data, test_data, config)
    if not do_stitching or test_data is None:
        return None, None, results
    return stitched(results["run"].model, _raw(test_data), results, flip_x, flip_y, transpose, M)


def stitched(
    model: Path,
    raw: RawData,
    results: Mapping[str, Any],
    flip_x: bool = False,
    flip_y: bool = False,
    transpose: bool = False,
    M: int = 20,  # noqa: N803
) -> tuple[Arrays, Arrays, dict[str, Any]]:
    """Amplitude, phase and results of a reconstruction, oriented as asked."""
    del M
    run = reconstruct(model, raw)
    image = run.object
    image = image.T if transpose else image
    image = image[:, ::-1] if flip_x else image
    image = image[::-1] if flip_y else image
    found = {**results, "obj_image": image, "object": run.object, "reconstruction": run, "origin_xy": run.origin}
    return np.abs(image), np.angle(image), found


def save_outputs(
    amplitude: Arrays | None, phase: Arrays | None, _results: Mapping[str, Any], output_prefix: str | Path
) -> None:
    """Writes `reconstructed_amplitude.png` and `reconstructed_phase.png` if there is an object; does nothing else."""
    if amplitude is None or phase is None:
        return
    folder = Path(output_prefix)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        from matplotlib import image
    except ImportError:
        logging.getLogger(LOGGER).warning("matplotlib is not installed: no pictures were written")
        return
    image.imsave(folder / "reconstructed_amplitude.png", amplitude, cmap="gray")
    image.imsave(folder / "reconstructed_phase.png", phase, cmap="gray")


def load_inference_bundle(folder: str | Path) -> tuple[Model, dict[str, Any]]:
    """The model in a training folder.

    Returns:
        The model and the flat dictionary of settings.

    Raises:
        FileNotFoundError: The folder has no model.
        InputError: A model of another kind, for example of the TensorFlow backend.
    """
    model = Model(_original.as_model(_original.model_of_folder(folder)))
    params.cfg.setdefault("intensity_scale", 1.0)
    return model, params.cfg


def setup_configuration(config: TrainingConfig | InferenceConfig) -> TrainingConfig | InferenceConfig:
    """Fills the flat dictionary from a configuration and returns it."""
    update_legacy_dict(params.cfg, config)
    return config
