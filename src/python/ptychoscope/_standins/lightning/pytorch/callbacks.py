"""Callbacks of a training."""

from __future__ import annotations

from typing import Any


class Callback:
    """Base of callbacks; `trainer` has current_epoch, callback_metrics and sanity_checking."""

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Called after each epoch."""

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Called after the validation of each epoch."""
