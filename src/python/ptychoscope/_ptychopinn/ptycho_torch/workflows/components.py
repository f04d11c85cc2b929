"""Training, loading and stitching, as the guide of PtychoPINN describes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt
from ptycho import params
from ptycho.config.config import InferenceConfig, TrainingConfig, update_legacy_dict, validate_backend
from ptycho.raw_data import RawData
from ptycho.workflows import components

from ptycho_torch.model import PtychoPINN_Lightning
from ptychoscope import _original
from ptychoscope._program import program

Arrays = npt.NDArray[Any]


def run_cdi_example_torch(
    train_data: RawData,
    test_data: RawData | None,
    config: TrainingConfig,
    flip_x: bool = False,
    flip_y: bool = False,
    transpose: bool = False,
    M: int = 20,  # noqa: N803
    do_stitching: bool = False,
    execution_config: Any = None,
) -> tuple[Arrays | None, Arrays | None, dict[str, Any]]:
    """Trains a model, saves it below `config.output_dir`, and reconstructs the test data if asked.

    Args:
        train_data: Dataset to train on.
        test_data: Dataset for the validation loss and the reconstruction, or None.
        config: The training.
        flip_x: Mirrors the stitched object left to right.
        flip_y: Mirrors the stitched object top to bottom.
        transpose: Exchanges its axes.
        M: Side of the square used of each patch; the program weights patches by the illumination instead.
        do_stitching: Reconstructs the test data.
        execution_config: A `PyTorchExecutionConfig`, or None.

    Returns:
        Amplitude and phase (H, W), None without stitching; results: history (train_loss, val_loss), models, backend.

    Raises:
        ProgramNotFoundError: The program is not installed.
        ValueError: An illegal setting, named.
    """
    program()
    validate_backend(config.backend)
    update_legacy_dict(params.cfg, config)
    results = components.train_cdi_model(train_data, test_data, config, execution_config)
    run = results["run"]
    if config.output_dir is not None:
        folder = Path(config.output_dir)
        _original.save_model(run, folder / _original.BUNDLE_NAME)
        _original.save_model(run, folder / "checkpoints" / "last.ckpt")
    results["models"] = {"lightning_module": PtychoPINN_Lightning.load_from_checkpoint(run.model)}
    results["models"]["diffraction_to_obj"] = results["models"]["lightning_module"]
    results["backend"] = "pytorch"
    if not do_stitching or test_data is None:
        return None, None, results
    return components.stitched(run.model, test_data, results, flip_x, flip_y, transpose, M)


def load_inference_bundle_torch(folder: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The model in a training folder, without further arguments.

    Returns:
        Models, with the network under `lightning_module` and `diffraction_to_obj`, and the dictionary of settings.

    Raises:
        FileNotFoundError: The folder has no model.
        InputError: A model of another kind, for example of the TensorFlow backend.
    """
    model, found = components.load_inference_bundle(folder)
    network = PtychoPINN_Lightning.load_from_checkpoint(model.path)
    params.cfg["ptychoscope_model"] = model.path
    return {"lightning_module": network, "diffraction_to_obj": network}, found


def _reassemble_cdi_image_torch(
    test_data: RawData,
    config: TrainingConfig | InferenceConfig,
    flip_x: bool,
    flip_y: bool,
    transpose: bool,
    M: int,  # noqa: N803
    train_results: dict[str, Any] | None = None,
) -> tuple[Arrays, Arrays, dict[str, Any]]:
    """Reconstructs a dataset with the model of the results, or the one loaded or trained last.

    Returns:
        Amplitude and phase (H, W), and the results.

    Raises:
        FileNotFoundError: There is no such model.
    """
    models = (train_results or {}).get("models", {})
    run = params.cfg.get("ptychoscope_run")
    path = getattr(models.get("lightning_module"), "path", None) or params.cfg.get("ptychoscope_model")
    if path is None:
        path = run.model if run is not None else _original.model_of_folder(str(config.output_dir))
    return components.stitched(path, test_data, train_results or {}, flip_x, flip_y, transpose, M)
