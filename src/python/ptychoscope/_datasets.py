"""Datasets: files and arrays, in both directions."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._errors import InputError
from ._program import run_text

ArrayMapping = Mapping[str, npt.ArrayLike]


_KEYS = {
    "diffraction": ("diffraction", "diff3d", "patterns"),
    "probeGuess": ("probeGuess", "probe"),
    "objectGuess": ("objectGuess", "object"),
}


class Dataset:
    """A dataset in a file, with its arrays as NumPy arrays, read when they are first used.

    Attributes:
        path: File of the dataset.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @functools.cached_property
    def _arrays(self) -> Mapping[str, Any]:
        path = self.path
        if path.suffix.lower() != ".npz":
            path = Path(tempfile.mkdtemp(dir=scratch())) / "dataset.npz"
            run_text(["prepare", "subset", str(2**31), "--first", self.path, "--output", path])
        with np.load(path, allow_pickle=False) as archive:
            names = [name for name in archive.files if not name.startswith("_")]
            return {name: archive[name] for name in names}

    def _array(self, name: str) -> npt.NDArray[Any]:
        for key in _KEYS.get(name, (name,)):
            if key in self._arrays:
                array: npt.NDArray[Any] = self._arrays[key]
                return array
        raise InputError(f"The dataset has no array {name}", path=str(self.path))

    @property
    def diffraction(self) -> npt.NDArray[Any]:
        """(n, N, N) patterns as stored: amplitudes, or counts if they are integers."""
        return self._array("diffraction")

    @property
    def positions(self) -> npt.NDArray[np.float64]:
        """(n, 2) scan positions (x, y) of the patches' centers, in object pixels."""
        return np.stack([self._array("xcoords"), self._array("ycoords")], axis=1).astype(np.float64)

    @property
    def probe(self) -> npt.NDArray[np.complex64]:
        """(modes, N, N) complex probe, the strongest mode first."""
        probe = self._array("probeGuess").astype(np.complex64)
        return probe[np.newaxis] if probe.ndim == 2 else probe

    @property
    def object(self) -> npt.NDArray[np.complex64] | None:
        """(H, W) complex reference object, or None."""
        try:
            return self._array("objectGuess").astype(np.complex64)
        except InputError:
            return None

    def __fspath__(self) -> str:
        """Path of the file, so that a dataset is accepted wherever a path is."""
        return str(self.path)

    def __repr__(self) -> str:
        return f"Dataset({str(self.path)!r})"


@functools.lru_cache(maxsize=1)
def scratch() -> Path:
    """Folder for files that live as long as this process."""
    folder = Path(tempfile.mkdtemp(prefix="ptychoscope-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def as_path(dataset: str | os.PathLike[str] | ArrayMapping | Dataset) -> Path:
    """Path of a dataset; arrays are written, unchanged and uncompressed, to a file that lives as long as this process.

    Raises:
        InputError: Arrays are missing, or their shapes do not fit.
    """
    if isinstance(dataset, Dataset):
        return dataset.path
    if isinstance(dataset, (str, os.PathLike)):
        return Path(dataset)
    arrays = _checked(dataset)
    handle, name = tempfile.mkstemp(suffix=".npz", prefix="dataset-", dir=scratch())
    with os.fdopen(handle, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type, unused-ignore]
    return Path(name)


def _checked(given: ArrayMapping) -> dict[str, npt.NDArray[Any]]:
    """The arrays by the names of the file format."""
    arrays = {name: np.asarray(value) for name, value in given.items() if value is not None}
    renamed = {alias: name for name, aliases in _KEYS.items() for alias in aliases}
    arrays = {renamed.get(name, name): value for name, value in arrays.items()}
    if "diffraction" not in arrays or arrays["diffraction"].ndim != 3:
        found = arrays["diffraction"].shape if "diffraction" in arrays else f"arrays {', '.join(arrays) or 'none'}"
        raise InputError(f"The patterns are missing or have no three axes: {found}", "diffraction of shape (n, N, N)")
    if "positions" in arrays:
        positions = arrays.pop("positions")
        if positions.ndim != 2 or positions.shape[1] != 2:
            raise InputError(f"positions has the shape {positions.shape}", "(n, 2): x and y in object pixels")
        arrays["xcoords"], arrays["ycoords"] = (np.asarray(positions[:, axis], np.float64) for axis in (0, 1))
    if "xcoords" not in arrays or "ycoords" not in arrays:
        raise InputError("The positions are missing", "positions of shape (n, 2), or xcoords and ycoords of shape (n,)")
    return arrays
