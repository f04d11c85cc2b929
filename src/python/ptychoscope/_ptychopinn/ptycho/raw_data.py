"""Datasets as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ptycho import params
from ptychoscope import _original
from ptychoscope._errors import InputError

Array = npt.NDArray[Any]


class RawData:
    """Patterns, positions and probe of one scan.

    Attributes:
        diff3d: (n, N, N) patterns.
        xcoords: (n,) columns of the patches' centers, object pixels.
        ycoords: (n,) rows of the patches' centers, object pixels.
        xcoords_start: (n,) as xcoords, before a correction of the positions.
        ycoords_start: (n,) as ycoords, before a correction of the positions.
        probeGuess: (N, N) or (modes, N, N) complex probe.
        scan_index: (n,) number of the scan of each pattern.
        objectGuess: (H, W) complex object, or None.
        Y: (n, N, N) complex patches for supervised training, or None.
    """

    def __init__(
        self,
        xcoords: Array,
        ycoords: Array,
        xcoords_start: Array | None,
        ycoords_start: Array | None,
        diff3d: Array,
        probeGuess: Array,  # noqa: N803
        scan_index: Array | None = None,
        objectGuess: Array | None = None,  # noqa: N803
        Y: Array | None = None,  # noqa: N803
        **_others: Any,
    ) -> None:
        self.xcoords, self.ycoords = np.asarray(xcoords, np.float64), np.asarray(ycoords, np.float64)
        self.xcoords_start = self.xcoords if xcoords_start is None else np.asarray(xcoords_start)
        self.ycoords_start = self.ycoords if ycoords_start is None else np.asarray(ycoords_start)
        self.diff3d, self.probeGuess = diff3d, probeGuess
        self.scan_index = np.zeros(len(self.xcoords), int) if scan_index is None else scan_index
        self.objectGuess, self.Y = objectGuess, Y
        self.path: Path | None = None

    @classmethod
    def from_coords_without_pc(
        cls,
        xcoords: Array,
        ycoords: Array,
        diff3d: Array,
        probeGuess: Array,  # noqa: N803
        scan_index: Array | None = None,
        objectGuess: Array | None = None,  # noqa: N803
    ) -> RawData:
        """A dataset whose positions were not corrected; see the attributes of the class."""
        return cls(xcoords, ycoords, None, None, diff3d, probeGuess, scan_index, objectGuess)

    @classmethod
    def from_file(cls, path: str | Path) -> RawData:
        """Reads an NPZ file.

        Raises:
            FileNotFoundError: There is no such file.
            InputError: Arrays are missing.
        """
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if not name.startswith("_")}
        patterns = arrays.pop("diffraction", None)
        patterns = arrays.pop("diff3d", patterns)
        missing = [name for name in ("xcoords", "ycoords", "probeGuess") if name not in arrays]
        if patterns is None or missing:
            raise InputError(f"Arrays are missing: {', '.join(missing) or 'diff3d'}", path=str(path))
        if patterns.ndim == 3 and patterns.shape[0] == patterns.shape[1] != len(arrays["xcoords"]):
            patterns = np.moveaxis(patterns, 2, 0)
        raw = cls(diff3d=patterns, **{"xcoords_start": None, "ycoords_start": None, **arrays})
        raw.path = Path(path)
        return raw

    def to_file(self, path: str | Path) -> None:
        """Writes an NPZ file with the arrays that are there."""
        names = ("xcoords", "ycoords", "xcoords_start", "ycoords_start", "diff3d", "probeGuess", "scan_index")
        optional = {name: getattr(self, name) for name in ("objectGuess", "Y") if getattr(self, name) is not None}
        np.savez(path, **{name: getattr(self, name) for name in names}, **optional)

    def as_dataset(self) -> Path:
        """A file that the program reads: the one these arrays came from, where it means the same."""
        if self.path is not None and not _original.in_ptychodus():
            return self.path
        return _original.dataset(
            self.diff3d, self.xcoords, self.ycoords, self.probeGuess, self.objectGuess, label=self.Y
        )

    def generate_grouped_data(
        self,
        N: int,  # noqa: N803
        K: int = 4,  # noqa: N803
        nsamples: int = 1,
        gridsize: int | None = None,
        enable_oversampling: bool = False,
        neighbor_pool_size: int | None = None,
        **_others: Any,
    ) -> GroupedData:
        """The dataset with the choice of groups; the program forms them, and inference uses every pattern.

        Args:
            N: Side of a pattern.
            K: Number of nearest neighbors of a group.
            nsamples: Number of groups.
            gridsize: Side of a group; that of the flat dictionary if None.
            enable_oversampling: Allows more groups than patterns.
            neighbor_pool_size: Number of neighbors from which groups are formed; K if None.

        Raises:
            InputError: The patterns have another side.
            ValueError: More groups than patterns without oversampling, or too few neighbors for a group.
        """
        gridsize = gridsize or int(params.get("gridsize", 1))
        if gridsize > 1 and nsamples > len(self.xcoords):
            pool, needed = neighbor_pool_size or K, gridsize**2
            if not enable_oversampling:
                raise ValueError(
                    f"{nsamples} groups of {len(self.xcoords)} patterns need enable_oversampling=True "
                    "(OVERSAMPLING-001)"
                )
            if pool < needed:
                raise ValueError(f"{pool} neighbors: expected neighbor_pool_size >= C = {needed} (OVERSAMPLING-001)")
        if self.diff3d.shape[-2:] != (N, N):
            raise InputError(f"The patterns have the shape {self.diff3d.shape[-2:]}", f"({N}, {N})")
        return GroupedData(self, N, K, nsamples, gridsize)


class GroupedData:
    """A dataset with a choice of groups: side N, K neighbors, number of groups, grid size."""

    def __init__(self, raw: RawData, N: int, K: int, nsamples: int, gridsize: int) -> None:  # noqa: N803
        self.raw, self.N, self.K, self.nsamples, self.gridsize = raw, N, K, nsamples, gridsize
