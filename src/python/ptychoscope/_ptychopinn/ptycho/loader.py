"""Containers between data and network: here they only carry the dataset along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .raw_data import GroupedData


class Patterns:
    """The patterns of a dataset; the program scales them itself."""

    def __init__(self, grouped: GroupedData) -> None:
        self.grouped = grouped

    def __mul__(self, _scale: float) -> Patterns:
        return self

    __rmul__ = __mul__

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.grouped.raw.diff3d, dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, N, N)."""
        return tuple(self.grouped.raw.diff3d.shape)


class PtychoDataContainer:
    """A dataset as the network takes it.

    Attributes:
        X: The patterns.
        local_offsets: Positions within each group; the program computes them.
        global_offsets: (n, 2) positions (x, y) in object pixels.
        probe: Complex probe.
    """

    def __init__(self, grouped: GroupedData, probe: npt.NDArray[Any]) -> None:
        self.raw = grouped.raw
        self.X = Patterns(grouped)
        self.local_offsets = None
        self.global_offsets = np.stack([grouped.raw.xcoords, grouped.raw.ycoords], axis=1)
        self.probe = probe


def load(
    callback: Callable[[], GroupedData],
    probe: npt.NDArray[Any],
    which: str | None = None,  # noqa: ARG001
    create_split: bool = False,
) -> PtychoDataContainer:
    """The container of the dataset that the callback returns."""
    if create_split:
        raise ValueError("create_split is not supported: pass training and test data as two datasets")
    return PtychoDataContainer(callback(), probe)
