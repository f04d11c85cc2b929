"""Checkpoints of a training folder."""

from __future__ import annotations

from pathlib import Path


def find_best_checkpoint(folder: str | Path) -> Path | None:
    """The best checkpoint in the folder of a training, else the last one, else None."""
    for name in ("best-checkpoint.ckpt", "last.ckpt"):
        path = Path(folder) / "checkpoints" / name
        if path.is_file():
            return path
    return None
