"""The probe."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from . import params


def set_probe_guess(_container: Any, probe: npt.NDArray[Any]) -> None:
    """Notes the probe; the program takes that of the dataset."""
    params.cfg["probe"] = probe
