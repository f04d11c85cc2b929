"""Saving models."""

from __future__ import annotations

from pathlib import Path

from ptychoscope import _original
from ptychoscope._errors import InputError

from . import params


def save(folder: str | Path) -> None:
    """Writes the model of the last training to `wts.h5.zip` in a folder.

    Raises:
        InputError: No model was trained in this process.
    """
    run = params.cfg.get("ptychoscope_run")
    if run is None:
        raise InputError("There is no model to save", hint="Train one first with run_cdi_example")
    _original.save_model(run, Path(folder) / _original.BUNDLE_NAME)
