"""Results: run folders, inspections and evaluations, with NumPy arrays and pictures."""

from __future__ import annotations

import base64
import csv
import functools
import html
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._datasets import ArrayMapping, Dataset, scratch
from ._errors import InputError
from ._program import run_json, run_text

_SCORES = {
    "consistency_r": "misfit R",
    "phase_correlation": "phase correlation with the reference",
    "amplitude_correlation": "amplitude correlation with the reference",
    "final_train_loss": "training loss",
    "val_loss": "validation loss",
    "epochs": "epochs",
    "train_seconds": "training (s)",
    "infer_seconds": "reconstruction (s)",
}


class History(dict[str, npt.NDArray[np.float64]]):
    """Losses and rates per epoch: name of the quantity → (epochs,) array; NaN where there is no value.

    Keys: epoch, step, train_loss, val_loss, learning_rate, gradient_norm, seconds.
    """

    def to_pandas(self) -> Any:
        """The same as a `pandas.DataFrame` with one row per epoch (needs pandas)."""
        import pandas  # type: ignore[import-untyped, unused-ignore]

        return pandas.DataFrame(dict(self))

    def _repr_html_(self) -> str:
        return _table([*self], zip(*self.values(), strict=True))


class Run:
    """A run folder: what a training, a reconstruction or both have left, read when it is first used.

    Attributes:
        folder: The run folder.
        stopped: True if the job was stopped before its end; its result so far is here.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise InputError("There is no such run folder", hint="Check the path", path=str(folder))
        self.stopped = self.summary.get("outcome") == "stopped"

    @functools.cached_property
    def summary(self) -> dict[str, Any]:
        """Device, dataset, times (s), losses, quality and notes, as in `summary.json`; empty for an unfinished run."""
        path = self.folder / "summary.json"
        return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}

    @functools.cached_property
    def _reconstruction(self) -> Mapping[str, npt.NDArray[Any]]:
        path = self.folder / "reconstruction.npz"
        if not path.is_file():
            raise InputError(
                "The run has no reconstruction",
                hint="A training has a model only: use ptychoscope.infer(run, dataset)",
                path=str(self.folder),
            )
        with np.load(path) as archive:
            return {name: archive[name] for name in archive.files}

    @property
    def object(self) -> npt.NDArray[np.complex64]:
        """(H, W) complex stitched object, row-major (y, x)."""
        return self._reconstruction["object"]

    @property
    def amplitude(self) -> npt.NDArray[np.float32]:
        """(H, W) amplitude of the object."""
        return np.abs(self.object)

    @property
    def phase(self) -> npt.NDArray[np.float32]:
        """(H, W) phase of the object in radians, -π to π."""
        return np.angle(self.object)

    @property
    def coverage(self) -> npt.NDArray[np.float32]:
        """(H, W) summed weight of the patches at each pixel; 0 where nothing was measured."""
        return self._reconstruction["coverage"]

    @property
    def origin(self) -> tuple[float, float]:
        """Dataset coordinates (x, y) of the center of pixel [0, 0] of the object, in object pixels."""
        x, y = self._reconstruction["origin_xy"]
        return float(x), float(y)

    @property
    def pixel_size(self) -> float | None:
        """Side of an object pixel in meters; None if the dataset does not tell."""
        size = self._reconstruction.get("pixel_size_m")
        return None if size is None else float(size)

    @property
    def probe(self) -> npt.NDArray[np.complex64]:
        """(modes, N, N) complex probe: the refined one if the run refined it, else that of the dataset."""
        return refined if (refined := self._reconstruction.get("probe")) is not None else self.dataset.probe

    @property
    def positions(self) -> npt.NDArray[np.float64]:
        """(n, 2) scan positions (x, y) in object pixels: refined ones if there are any, else those of the dataset."""
        refined = self._reconstruction.get("positions_xy")
        return self.dataset.positions if refined is None else refined

    @functools.cached_property
    def history(self) -> History:
        """Losses and rates per epoch; empty for a run without a training."""
        path = self.folder / "history.csv"
        if not path.is_file():
            return History()
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        names = list(rows[0]) if rows else []
        return History({name: np.array([float(row[name] or "nan") for row in rows]) for name in names})

    @property
    def model(self) -> Path:
        """File of the trained model, `model.ptycho`; for a reconstruction, that of the training."""
        own = self.folder / "model.ptycho"
        return own if own.is_file() or not self.summary.get("model") else Path(self.summary["model"])

    @property
    def dataset(self) -> Dataset:
        """The dataset of the run."""
        path = self.summary.get("dataset", {}).get("path")
        if path is None:
            raise InputError("The run does not name its dataset", path=str(self.folder))
        return Dataset(path)

    def infer(self, dataset: str | os.PathLike[str] | ArrayMapping | Dataset, **options: Any) -> Run:
        """Reconstructs another dataset with the model of this run; see `ptychoscope.infer`."""
        from ._jobs import infer

        return infer(self, dataset, **options)

    def polish(self, **options: Any) -> Run:
        """Refines the object of this run with the direct solver; see `ptychoscope.polish`."""
        from ._jobs import polish

        return polish(self, **options)

    def evaluate(self, **options: Any) -> Evaluation:
        """Quality of the object; see `ptychoscope.evaluate`."""
        return evaluate(self, **options)

    def export(self, *formats: str, output_dir: str | os.PathLike[str] | None = None, **options: str) -> list[Path]:
        """Writes the object in common formats.

        Args:
            formats: tiff, png, npy, cxi or product (a Ptychodus product); tiff if none is given.
            output_dir: Folder for the files; that of the run if None.
            options: Other flags of `ptychoscope export`, such as `pixel_size="5e-8"` (meters).

        Returns:
            Paths of the files written.
        """
        arguments = ["export", str(self.folder), "--format", ",".join(formats or ("tiff",))]
        if output_dir is not None:
            arguments += ["--output-dir", os.fspath(output_dir)]
        for name, value in options.items():
            arguments += [f"--{name.replace('_', '-')}", str(value)]
        lines = run_text(arguments).splitlines()
        return [path for line in lines for path in [Path(line.removeprefix("Wrote ").strip())] if path.is_file()]

    def plot(self, figure: Any = None) -> Any:
        """Draws amplitude and phase, cropped to the covered area, with the loss if there was a training.

        Args:
            figure: A `matplotlib.figure.Figure` to draw into; a new one if None (needs matplotlib).

        Returns:
            The figure.
        """
        from matplotlib import pyplot

        losses = self.history.get("train_loss")
        panels = 3 if losses is not None and len(losses) > 1 else 2
        figure = figure or pyplot.figure(figsize=(4.5 * panels, 4), layout="constrained")
        axes = figure.subplots(1, panels)
        rows, columns = _covered(self.coverage)
        x, y = self.origin
        extent = (x + columns.start - 0.5, x + columns.stop - 0.5, y + rows.stop - 0.5, y + rows.start - 0.5)
        for axis, values, title in zip(axes, (self.amplitude, self.phase), ("Amplitude", "Phase (rad)"), strict=False):
            piece = values[rows, columns]
            low, high = np.percentile(piece, [1, 99])
            image = axis.imshow(piece, extent=extent, vmin=low, vmax=high, cmap="gray")
            axis.set(title=title, xlabel="x (px)", ylabel="y (px)")
            figure.colorbar(image, ax=axis, shrink=0.8)
        if panels == 3:
            axes[2].plot(self.history["epoch"], losses, label="training")
            if np.isfinite(self.history["val_loss"]).any():
                axes[2].plot(self.history["epoch"], self.history["val_loss"], label="validation")
            axes[2].set(title="Loss", xlabel="epoch")
            axes[2].legend()
        return figure

    def __repr__(self) -> str:
        scores = ", ".join(f"{label} {value:.4g}" for label, value in self._scores())
        return f"Run({str(self.folder)!r}{': ' + scores if scores else ''}{', stopped' if self.stopped else ''})"

    def _scores(self) -> list[tuple[str, float]]:
        found = [(label, self.summary.get(key)) for key, label in _SCORES.items()]
        return [(label, float(value)) for label, value in found if value is not None]

    def _repr_html_(self) -> str:
        pictures = [self.folder / name for name in ("amplitude.png", "phase.png")]
        images = "".join(
            f'<img style="height:18em" alt="{path.stem}" title="{path.stem}" '
            f'src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"/> '
            for path in pictures
            if path.is_file()
        )
        title = f"<p><b>{html.escape(str(self.folder))}</b>{' (stopped)' if self.stopped else ''}</p>"
        return title + images + _table(["", ""], ((label, f"{value:.4g}") for label, value in self._scores()))


class Inspection(dict[str, Any]):
    """Contents of a dataset and the verdicts on it, as `ptychoscope inspect --json` prints them.

    Keys: path, arrays (key, shape, dtype, range), verdicts (check, status, found, expected, advice), notes.
    """

    @property
    def usable(self) -> bool:
        """True if the dataset can be used as it is."""
        return all(verdict["status"] != "fail" for verdict in self["verdicts"])

    @property
    def problems(self) -> list[dict[str, Any]]:
        """The verdicts that are not passed."""
        return [verdict for verdict in self["verdicts"] if verdict["status"] != "pass"]

    def __str__(self) -> str:
        lines = [str(self["path"])]
        lines += [f"  {array['key']}  {tuple(array['shape'])}  {array['dtype']}" for array in self["arrays"]]
        lines += [f"  {verdict['status']:4}  {verdict['check']}: {verdict['found']}" for verdict in self["verdicts"]]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        arrays = ((array["key"], tuple(array["shape"]), array["dtype"]) for array in self["arrays"])
        verdicts = ((verdict["status"], verdict["check"], verdict["found"]) for verdict in self["verdicts"])
        title = f"<p><b>{html.escape(str(self['path']))}</b></p>"
        tables = _table(["array", "shape", "type"], arrays) + _table(["", "check", "found"], verdicts)
        return title + tables


class Evaluation(dict[str, Any]):
    """Quality of reconstructions, as `ptychoscope evaluate --json` prints it."""

    @property
    def scores(self) -> dict[str, dict[str, float | None]]:
        """Misfit R, phase and amplitude correlation of each reconstruction, by its name."""
        names = ("consistency_r", "phase_correlation", "amplitude_correlation")
        return {one["name"]: {name: one.get(name) for name in names} for one in self["reconstructions"]}

    def _repr_html_(self) -> str:
        rows = ((name, *(_short(value) for value in scores.values())) for name, scores in self.scores.items())
        return _table(["", "misfit R", "phase correlation", "amplitude correlation"], rows)


def open_run(folder: str | os.PathLike[str]) -> Run:
    """Opens the folder of an earlier run.

    Args:
        folder: Run folder, as the program or the window wrote it.

    Returns:
        The run.
    """
    return Run(folder)


def inspect(path: str | os.PathLike[str] | ArrayMapping | Dataset, **settings: object) -> Inspection:
    """Contents of a dataset and whether it can be used.

    Args:
        path: File, or a mapping of arrays (see `run`).
        settings: How the file is read: settings of the group data, such as `crop=128`.

    Returns:
        Arrays, verdicts and notes.

    Raises:
        InputError: No such file, or none that can be read.
    """
    from ._datasets import as_path
    from ._settings import arguments

    return Inspection(run_json(["inspect", as_path(path), *arguments(settings, "inspect")]))


def evaluate(
    *reconstructions: Run | str | os.PathLike[str],
    dataset: str | os.PathLike[str] | Dataset | None = None,
    reference: Run | str | os.PathLike[str] | npt.NDArray[np.complexfloating[Any, Any]] | None = None,
    align: str = "registered",
    html: str | os.PathLike[str] | None = None,
) -> Evaluation:
    """Measures the quality of reconstructions.

    Args:
        reconstructions: Runs, run folders or `reconstruction.npz` files.
        dataset: Their dataset; that of the first run if None.
        reference: A run, a file or a complex (H, W) object whose pixel [0, 0] is at (0, 0); the object of the dataset
            if None.
        align: "registered" (by cross-correlation) or "origin" (by coordinates).
        html: File for a self-contained report.

    Returns:
        The complete result; `.scores` has the most important numbers.
    """
    folders = [one.folder if isinstance(one, Run) else Path(one) for one in reconstructions]
    if dataset is None and folders and folders[0].is_dir():
        own = open_run(folders[0]).summary.get("dataset", {}).get("path")
        dataset = own if own and Path(own).exists() else None
    arguments: list[str | os.PathLike[str]] = ["evaluate", *folders, *([dataset] if dataset is not None else [])]
    arguments += ["--align", align]
    if isinstance(reference, np.ndarray):
        arguments += ["--reference", _as_reconstruction(reference)]
    elif reference is not None:
        arguments += ["--reference", reference.folder if isinstance(reference, Run) else reference]
    if html is not None:
        arguments += ["--html", html]
    return Evaluation(run_json(arguments))


def _as_reconstruction(reference: npt.NDArray[Any]) -> Path:
    path = scratch() / f"reference-{id(reference)}.npz"
    coverage = np.ones(reference.shape, np.float32)
    np.savez(path, object=reference.astype(np.complex64), coverage=coverage, origin_xy=np.zeros(2))
    return path


def _covered(coverage: npt.NDArray[np.float32]) -> tuple[slice, slice]:
    """Rows and columns of the area with at least a tenth of the largest coverage."""
    inside = coverage >= 0.1 * np.max(coverage)
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _table(head: list[str], rows: Iterable[Iterable[object]]) -> str:
    def line(cells: Iterable[object], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    heading = line(head, "th") if any(head) else ""
    return "<table>" + heading + "".join(line(row, "td") for row in rows) + "</table>"
