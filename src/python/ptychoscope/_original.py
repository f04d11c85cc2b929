"""What the packages in place of PtychoPINN share: its configurations, models and arrays, and Ptychodus around them."""

from __future__ import annotations

import json
import logging
import os
import pickle
import shlex
import shutil
import signal
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _jobs
from ._datasets import as_path, scratch
from ._errors import InputError
from ._program import Event, run_text, stop_signals
from ._results import Run
from ._settings import settings

PRESET = os.environ.get("PTYCHOSCOPE_PRESET", "recipe")
"""Preset below the settings of PtychoPINN's configuration: recipe, or reference for PtychoPINN's own method."""

BUNDLE_NAME = "wts.h5.zip"

FEW_STEPS = 600
"""Optimizer steps below which a network is warned of; the measured Siemens star reaches a correlation of 0.95 there."""


def settings_of(config: object, *, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """Fields of a configuration dataclass by name, nested ones flattened; paths and values of None are left out."""
    found: dict[str, Any] = {}
    if not is_dataclass(config):
        return found
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            found.update(settings_of(value, skip=skip))
        elif value is not None and not isinstance(value, Path) and field.name not in skip:
            found[field.name] = list(value) if isinstance(value, tuple) else value
    return found


_OF_PHYSICS = ("probe_trainable", "intensity_scale_trainable", "probe.trainable", "intensity_scale.trainable")


def without_physics(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a supervised training, which uses no physics: neither probe nor intensity scale are trained."""
    return {name: False if name in _OF_PHYSICS else value for name, value in settings.items()}


def write_config(settings: Mapping[str, Any]) -> Path:
    """A configuration file that the program imports."""
    path = Path(tempfile.mkdtemp(dir=scratch())) / "ptychopinn.json"
    path.write_text(json.dumps(settings, default=str), "utf-8")
    return path


def in_ptychodus() -> bool:
    """True in a process of Ptychodus."""
    return "ptychodus" in sys.modules


def reading_settings() -> dict[str, Any]:
    """How the arrays of this process are to be read: Ptychodus hands over counts, whatever their type."""
    return {"data.diffraction_unit": "counts"} if in_ptychodus() else {}


def dataset(
    diffraction: npt.NDArray[Any],
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    probe: npt.NDArray[Any] | None,
    object_: npt.NDArray[Any] | None = None,
    **others: Any,
) -> Path:
    """File with these arrays.

    Args:
        diffraction: (n, N, N) patterns.
        x: (n,) columns of the patches' centers in the object.
        y: (n,) rows of the patches' centers in the object.
        probe: (N, N) or (modes, N, N) complex probe.
        object_: (H, W) complex object, or None.
        others: Further arrays by name.

    Returns:
        Path of the file.
    """
    # Ptychodus puts the center of a patch between the pixels N/2 - 1 and N/2, the program at pixel N/2.
    shift = 0.5 if in_ptychodus() else 0.0
    arrays = {"diff3d": diffraction, "xcoords": x + shift, "ycoords": y + shift, "probeGuess": probe}
    if object_ is not None and object_.size:
        arrays["objectGuess"] = object_
    return as_path({**arrays, **{name: value for name, value in others.items() if value is not None}})


def on_canvas(run: Run, initial: npt.NDArray[Any] | None, shape: tuple[int, int] | None = None) -> npt.NDArray[Any]:
    """The object of a run on the array that the positions refer to.

    Args:
        run: A run with an object.
        initial: (H, W) complex values where nothing was measured; it also gives the shape.
        shape: Shape (H, W) without `initial`; the object reaches its end if both are None.

    Returns:
        (H, W) complex object.
    """
    left, top = (round(value) for value in run.origin)
    height, width = run.object.shape
    if initial is not None:
        canvas = np.array(initial, np.complex64)
    else:
        canvas = np.ones(shape or (top + height, left + width), np.complex64)
    rows = slice(max(top, 0), min(top + height, canvas.shape[0]))
    columns = slice(max(left, 0), min(left + width, canvas.shape[1]))
    inner = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    measured = run.coverage[inner] > 0
    canvas[rows, columns][measured] = run.object[inner][measured]
    return canvas


def as_model(path: Path) -> Path:
    """A model that the program reads; weights of PtychoPINN's PyTorch backend are converted.

    Raises:
        InputError: No such file, or one of another kind.
    """
    if not path.is_file():
        raise InputError("There is no model", "the file of a trained model", "Train or load a model first", str(path))
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if "manifest.json" in names:
            return path
        if any(name.endswith((".keras", "model.h5")) for name in names):
            raise InputError(
                "The model was trained with PtychoPINN's TensorFlow backend",
                "a model of Ptychoscope or of PtychoPINN's PyTorch backend",
                "TensorFlow models cannot be converted; train again",
                str(path),
            )
    converted = Path(tempfile.mkdtemp(dir=scratch())) / "model.ptycho"
    run_text(["import-weights", path, "--output", converted])
    return converted


def model_of_folder(folder: str | os.PathLike[str]) -> Path:
    """The model in a training folder: `wts.h5.zip`, `checkpoints/last.ckpt` or `model.ptycho`; or a file itself.

    Raises:
        FileNotFoundError: The folder has none of them.
    """
    path = Path(folder)
    if path.is_file():
        return path
    candidates = [path / name for name in (BUNDLE_NAME, "model.ptycho", "checkpoints/last.ckpt")]
    for candidate in [*candidates, path.with_name(path.name + ".zip")]:
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"No model in {path}: expected {BUNDLE_NAME}, checkpoints/last.ckpt or model.ptycho there.")


def save_model(run: Run, path: Path, source: Path | None = None) -> Path:
    """Copies the model of a run, or the file `source`, to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(source or run.model, path))


def further_settings(training: bool) -> dict[str, Any]:
    """Settings beyond PtychoPINN's from the variable `PTYCHOSCOPE_SETTINGS`, such as "polish=10 teacher_share=0.5"."""
    words = [word.partition("=") for word in shlex.split(os.environ.get("PTYCHOSCOPE_SETTINGS", ""))]
    known = {name: field for field in settings() for name in (field.name, field.path)}
    usable = (pair for pair in words if training or pair[0] not in known or known[pair[0]].in_inference)
    return {name: value for name, _, value in usable}


class Reporter:
    """Passes the progress of a job on: as messages of a logger, and inside Ptychodus as progress of its task.

    Ptychodus looks for a request to stop whenever a training reports, so it reports every second.
    """

    def __init__(self, logger: str, observe: Callable[[Event], None] | None = None) -> None:
        self._logger = logging.getLogger(logger)
        self._observe = observe
        self._train: list[tuple[int, float]] = []
        self._validation: list[tuple[int, float]] = []
        self._last = -1.0
        if in_ptychodus():
            # Ptychodus ends its processes so; the job stops and keeps its result.
            stop_signals.add(signal.SIGTERM)

    def __call__(self, event: Event) -> None:
        """Handles an event of the program."""
        kind = event.get("event")
        if kind == "note":
            self._logger.info(event["text"])
        elif kind == "device":
            self._logger.info("Device: %s (%s)", event["name"], event["backend"])
        elif kind == "epoch":
            epoch = int(event["epoch"])
            self._train.append((epoch - 1, float(event["train_loss"])))
            text = f"Epoch {epoch}: loss {event['train_loss']:.5g}"
            if event.get("val_loss") is not None:
                self._validation.append((epoch - 1, float(event["val_loss"])))
                text += f", validation {event['val_loss']:.5g}"
            self._logger.info(text)
            self._report(epoch)
        elif kind == "progress" and event.get("epoch") and event["at_s"] > self._last + 1:
            self._last = event["at_s"]
            self._report(int(event["epoch"]) - 1)
        if self._observe is not None:
            self._observe(event)

    def judge(self, run: Run) -> None:
        """Warns of a training with too few steps, whose network is poor however low its loss looks."""
        steps = run.summary.get("steps")
        if steps is not None and steps < FEW_STEPS and not run.stopped:
            self._logger.warning(
                "The network was trained for %d steps only; objects are blurred or flat below some %d. Train for more "
                "epochs or with a smaller batch size, or set PTYCHOSCOPE_SETTINGS=polish=20 to refine each object with "
                "the direct solver.",
                steps,
                FEW_STEPS,
            )

    def _report(self, epochs: int) -> None:
        queue = next((found for handler in logging.getLogger().handlers for found in _queues(handler)), None)
        if queue is None or not in_ptychodus():
            return
        from ptychodus.api.product import LossValue  # type: ignore[import-not-found, import-untyped, unused-ignore]
        from ptychodus.api.reconstruct import TrainOutput  # type: ignore[import-not-found, import-untyped, unused-ignore]

        losses = ([LossValue(*pair) for pair in pairs] for pairs in (self._train, self._validation))
        queue.put(("train_output", pickle.dumps(TrainOutput(*losses, progress=epochs))))


def _queues(handler: logging.Handler) -> list[Any]:
    """The queue from a child process of Ptychodus to its parent, which the handler of its log messages holds."""
    queue = getattr(handler, "_result_queue", None)
    return [] if queue is None else [queue]


def train(source: Path, validation: Path | None, config: Mapping[str, Any], reporter: Reporter, **given: Any) -> Run:
    """Trains with a configuration of PtychoPINN."""
    folder = Path(tempfile.mkdtemp(dir=scratch())) / "training"
    run = _jobs.train(
        source,
        validation=validation,
        preset=PRESET,
        config=write_config(config),
        output_dir=folder,
        on_event=reporter,
        **{**reading_settings(), **given, **further_settings(True)},
    )
    reporter.judge(run)
    return run


def infer(model: Path, source: Path, reporter: Reporter, **given: Any) -> Run:
    """Reconstructs with a trained model."""
    folder = Path(tempfile.mkdtemp(dir=scratch())) / "reconstruction"
    overriding = {**reading_settings(), **given, **further_settings(False)}
    return _jobs.infer(as_model(model), source, output_dir=folder, on_event=reporter, **overriding)
