"""Jobs: training, reconstruction, refinement, simulation and prediction, each in a process of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _progress, _settings
from ._datasets import ArrayMapping, Dataset, as_path, scratch
from ._errors import InputError
from ._program import EventHandler, run_job, run_json, run_text
from ._results import Run

Source = str | os.PathLike[str]


def run(
    dataset: Source | ArrayMapping | Dataset,
    *,
    validation: Source | ArrayMapping | Dataset | None = None,
    output_dir: Source | None = None,
    preset: str | None = None,
    config: Source | None = None,
    seed: int | None = None,
    on_event: EventHandler | None = None,
    progress: bool | None = None,
    **settings: object,
) -> Run:
    """Trains a network on a dataset and reconstructs the dataset with it.

    Ctrl-C (in a notebook: interrupt) stops the training early and keeps its result; a second one aborts.

    Args:
        dataset: A file (NPZ, CXI, PtyPy, HDF5, MATLAB 7.3), or arrays: `diffraction` (n, N, N), amplitudes, or counts
            if integers; `positions` (n, 2), x and y in object pixels; optionally `probe` (N, N) or (modes, N, N)
            complex, and `object` (H, W) complex, as a reference.
        validation: A second dataset for the validation loss.
        output_dir: Run folder; a new one below `runs/` if None.
        preset: "recipe" (the default) or "reference" (as PtychoPINN).
        config: Configuration file (TOML, YAML or JSON, also from PtychoPINN).
        seed: Seed of all random numbers.
        on_event: Called with each event of the job; returning False stops the job and keeps its result.
        progress: True or False; None shows progress in a terminal and in a notebook.
        settings: Settings by their names: `epochs=50`, `time_budget=60` (s), `batch_size=8`, …; dotted names and groups
            as mappings: `**{"training.epochs": 50}`, `training={"epochs": 50}`. `ptychoscope.settings()` lists them.

    Returns:
        The run: object, probe, positions, history, summary, pictures.

    Raises:
        InputError: The dataset or a setting cannot be used.
        DeviceError: The requested device is not available.
        PtychoscopeError: The job failed.
    """
    arguments = _training(dataset, validation, preset, config)
    return _job("run", arguments, settings, output_dir=output_dir, seed=seed, on_event=on_event, progress=progress)


def train(
    dataset: Source | ArrayMapping | Dataset,
    *,
    validation: Source | ArrayMapping | Dataset | None = None,
    output_dir: Source | None = None,
    preset: str | None = None,
    config: Source | None = None,
    seed: int | None = None,
    on_event: EventHandler | None = None,
    progress: bool | None = None,
    **settings: object,
) -> Run:
    """Trains a network on a dataset, without reconstructing it; arguments and errors as for `run`.

    Returns:
        The run: `.model` is the trained network, `.history` its losses.
    """
    arguments = _training(dataset, validation, preset, config)
    return _job("train", arguments, settings, output_dir=output_dir, seed=seed, on_event=on_event, progress=progress)


def direct(
    dataset: Source | ArrayMapping | Dataset,
    *,
    output_dir: Source | None = None,
    config: Source | None = None,
    seed: int | None = None,
    on_event: EventHandler | None = None,
    progress: bool | None = None,
    **settings: object,
) -> Run:
    """Reconstructs a dataset with the direct solver, without a network; arguments and errors as for `run`.

    Args:
        dataset: A file or arrays, as for `run`.
        output_dir: Run folder; a new one below `runs/` if None.
        config: Configuration file.
        seed: Seed of all random numbers.
        on_event: Called with each event of the job; returning False stops the job and keeps its result.
        progress: True or False; None shows progress in a terminal and in a notebook.
        settings: Settings by their names, such as `direct_epochs=40`, `refine_probe=True`, `refine_positions=True`.

    Returns:
        The run.
    """
    arguments = _training(dataset, None, None, config)
    return _job(
        "run",
        arguments,
        {**settings, "training.method": "direct"},
        output_dir=output_dir,
        seed=seed,
        on_event=on_event,
        progress=progress,
    )


def resume(
    folder: Source | Run,
    *,
    reconstruct: bool = True,
    on_event: EventHandler | None = None,
    progress: bool | None = None,
    **settings: object,
) -> Run:
    """Resumes a training that was stopped or interrupted.

    Args:
        folder: Its run folder.
        reconstruct: True to reconstruct the dataset at the end.
        on_event: Called with each event of the job; returning False stops the job and keeps its result.
        progress: True or False; None shows progress in a terminal and in a notebook.
        settings: `epochs`, `time_budget` (s) and `accelerator` only.

    Returns:
        The same run, further trained.
    """
    arguments = ["--resume", str(folder.folder if isinstance(folder, Run) else folder)]
    return _job("run" if reconstruct else "train", arguments, settings, on_event=on_event, progress=progress)


def infer(
    model: Source | Run,
    dataset: Source | ArrayMapping | Dataset,
    *,
    output_dir: Source | None = None,
    seed: int | None = None,
    on_event: EventHandler | None = None,
    progress: bool | None = None,
    **settings: object,
) -> Run:
    """Reconstructs a dataset with a trained model.

    Args:
        model: A run, its folder, or a `model.ptycho` file.
        dataset: A file or arrays, as for `run`.
        output_dir: Run folder; a new one below `runs/` if None.
        seed: Seed of all random numbers.
        on_event: Called with each event of the job; returning False stops the job and keeps its result.
        progress: True or False; None shows progress in a terminal and in a notebook.
        settings: Settings that the model does not fix, such as `polish=10` (epochs of the direct solver on the result).

    Returns:
        The run with the object.
    """
    arguments = [str(model.model if isinstance(model, Run) else model), str(as_path(dataset))]
    return _job("infer", arguments, settings, output_dir=output_dir, seed=seed, on_event=on_event, progress=progress)


def polish(
    reconstruction: Source | Run,
    *,
    output_dir: Source | None = None,
    seed: int | None = None,
    on_event: EventHandler | None = None,
    progress: bool | None = None,
    **settings: object,
) -> Run:
    """Refines the object of a finished run with the direct solver.

    Args:
        reconstruction: A run, its folder or its `reconstruction.npz`.
        output_dir: Run folder of the refined object; a new one below `runs/` if None.
        seed: Seed of all random numbers.
        on_event: Called with each event of the job; returning False stops the job and keeps its result.
        progress: True or False; None shows progress in a terminal and in a notebook.
        settings: `polish=10` (epochs), `refine_probe=True`, `refine_positions=True`, …

    Returns:
        The run with the refined object.
    """
    source = reconstruction.folder if isinstance(reconstruction, Run) else reconstruction
    return _job(
        "polish", [str(source)], settings, output_dir=output_dir, seed=seed, on_event=on_event, progress=progress
    )


def simulate(
    output: Source | None = None,
    *,
    object: npt.NDArray[Any] | None = None,
    probe: npt.NDArray[Any] | None = None,
    positions: npt.ArrayLike | None = None,
    seed: int | None = None,
    on_event: EventHandler | None = None,
    progress: bool | None = None,
    **settings: object,
) -> Dataset:
    """Simulates a dataset with a known object.

    Args:
        output: File to write (NPZ); a temporary one if None.
        object: (H, W) complex object; a generated one if None.
        probe: (N, N) or (modes, N, N) complex probe; needs `object` as well.
        positions: (n, 2) scan positions, x and y in object pixels; a generated scan if None.
        seed: Seed of all random numbers.
        on_event: Called with each event of the job; returning False stops it.
        progress: True or False; None shows progress in a terminal and in a notebook.
        settings: Settings of the group simulation: `n_images=500`, `n_photons=1e6`, `pattern_size=64`, …

    Returns:
        The dataset; its arrays are `.diffraction`, `.positions`, `.probe`, `.object`.
    """
    path = Path(output) if output is not None else Path(tempfile.mkdtemp(dir=scratch())) / "simulated.npz"
    arguments = ["--output", str(path)]
    if object is not None or probe is not None:
        if object is None or probe is None:
            raise InputError("simulate needs both object and probe, or neither")
        # The patterns of the file are not used: a pattern of zeros at the center of the object completes it.
        side, center = probe.shape[-1], [[object.shape[1] / 2, object.shape[0] / 2]]
        patterns = np.zeros((1, side, side), np.float32)
        source = {"diffraction": patterns, "positions": center, "probe": probe, "object": object}
        arguments += ["--input-file", str(as_path(source))]
    if positions is not None:
        points = np.asarray(positions, np.float64)
        text = Path(tempfile.mkdtemp(dir=scratch())) / "positions.txt"
        np.savetxt(text, points)
        arguments += ["--positions-file", str(text)]
    if seed is not None:
        arguments += ["--seed", str(seed)]
    arguments += _settings.arguments(settings, "simulate")
    run_job(["simulate", *arguments], on_event, _progress.handler(progress))
    return Dataset(path)


def predict(
    model: Source | Run, images: npt.NDArray[np.floating[Any]], *, accelerator: str = "auto"
) -> npt.NDArray[np.complex64]:
    """Applies only the network to a batch of images.

    Args:
        model: A run, its folder, or a `model.ptycho` file.
        images: (n, C, N, N) normalized amplitudes as the network expects them, C patterns per group.
        accelerator: auto, cpu, gpu or wgpu.

    Returns:
        (n, C, N, N) complex patches.
    """
    folder = Path(tempfile.mkdtemp(dir=scratch()))
    np.savez(folder / "batch.npz", images=np.asarray(images, np.float32))
    source = str(model.model if isinstance(model, Run) else model)
    files = ["--input", str(folder / "batch.npz"), "--output", str(folder / "predicted.npz")]
    run_text(["predict", "--model", source, *files, "--accelerator", accelerator])
    with np.load(folder / "predicted.npz") as archive:
        result: npt.NDArray[np.complex64] = archive["object"]
    return result


def devices() -> list[dict[str, Any]]:
    """The compute devices of this machine: name, backend, driver, kind, limits, usable."""
    return list(run_json(["devices"]))


def _training(
    dataset: Source | ArrayMapping | Dataset,
    validation: Source | ArrayMapping | Dataset | None,
    preset: str | None,
    config: Source | None,
) -> list[str]:
    arguments = [str(as_path(dataset))]
    if validation is not None:
        arguments += ["--validation", str(as_path(validation))]
    if preset is not None:
        arguments += ["--preset", preset]
    if config is not None:
        arguments += ["--config", os.fspath(config)]
    return arguments


def _job(
    command: str,
    arguments: Sequence[str],
    settings: dict[str, object],
    *,
    output_dir: Source | None = None,
    seed: int | None = None,
    on_event: EventHandler | None,
    progress: bool | None,
) -> Run:
    words = [command, *arguments, *_settings.arguments(settings, command)]
    if output_dir is not None:
        words += ["--output-dir", os.fspath(output_dir)]
    if seed is not None:
        words += ["--seed", str(seed)]
    finished = run_job(words, on_event, _progress.handler(progress))
    return Run(finished["folder"])
