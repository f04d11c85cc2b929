"""The network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ptychoscope import _original


class PtychoPINN_Lightning:  # noqa: N801
    """A network: its settings, and the file of its weights once it is trained.

    Attributes:
        path: Checkpoint, or None before the training.
        loss_name: Name of the training loss in the metrics of the trainer.
        val_loss_name: Name of the validation loss.
    """

    def __init__(
        self,
        model_config: Any = None,
        data_config: Any = None,
        training_config: Any = None,
        inference_config: Any = None,
    ) -> None:
        self.model_config, self.data_config = model_config, data_config
        self.training_config, self.inference_config = training_config, inference_config
        self.path: Path | None = None
        kind = "mae" if str(getattr(model_config, "loss_function", "")).lower() == "mae" else "poisson"
        self.loss_name, self.val_loss_name = f"{kind}_train_loss", f"{kind}_val_loss"

    @classmethod
    def load_from_checkpoint(cls, path: str | Path, **configs: Any) -> PtychoPINN_Lightning:
        """A trained network; Lightning checkpoints of PtychoPINN are converted.

        Raises:
            InputError: No such file, or one of another kind.
        """
        model = cls(**configs)
        model.path = _original.as_model(Path(path))
        return model

    def eval(self) -> PtychoPINN_Lightning:
        """The network itself: prediction and training do not differ here."""
        return self
