"""Training and loading by the backend of a configuration; both backends run on the same engine here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt

from ptycho import params
from ptycho.config.config import InferenceConfig, TrainingConfig, update_legacy_dict, validate_backend
from ptycho.raw_data import RawData

Arrays = npt.NDArray[Any]


def run_cdi_example_with_backend(
    train_data: RawData,
    test_data: RawData | None,
    config: TrainingConfig,
    flip_x: bool = False,
    flip_y: bool = False,
    transpose: bool = False,
    M: int = 20,  # noqa: N803
    do_stitching: bool = False,
    torch_execution_config: Any = None,
) -> tuple[Arrays | None, Arrays | None, dict[str, Any]]:
    """Trains and, if asked, reconstructs; see `run_cdi_example_torch`.

    Returns:
        Amplitude and phase (H, W), None without stitching, and results; `results["backend"]` is that of the
        configuration.
    """
    validate_backend(config.backend)
    update_legacy_dict(params.cfg, config)
    from ptycho_torch.workflows import components

    orientation: dict[str, Any] = {
        "flip_x": flip_x,
        "flip_y": flip_y,
        "transpose": transpose,
        "M": M,
        "do_stitching": do_stitching,
    }
    amplitude, phase, results = components.run_cdi_example_torch(
        train_data, test_data, config, **orientation, execution_config=torch_execution_config
    )
    results["backend"] = config.backend
    return amplitude, phase, results


def load_inference_bundle_with_backend(
    folder: str | Path, config: InferenceConfig, model_name: str = "diffraction_to_obj"
) -> tuple[Any, dict[str, Any]]:
    """The model in a training folder.

    Returns:
        The network and the dictionary of settings.
    """
    validate_backend(config.backend)
    update_legacy_dict(params.cfg, config)
    from ptycho_torch.workflows import components

    models, found = components.load_inference_bundle_torch(folder)
    return models[model_name], found
