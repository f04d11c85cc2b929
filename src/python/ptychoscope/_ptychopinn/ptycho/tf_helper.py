"""Stitching."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .workflows.components import Prediction


def reassemble_position(predicted: Prediction, _global_offsets: Any, M: int = 20) -> npt.NDArray[np.complex64]:  # noqa: N803
    """The stitched object on the array that the positions refer to.

    Args:
        predicted: What `predict` of the model returned.
        M: Side of the square used of each patch; the program weights patches by the illumination instead.

    Returns:
        (H, W) complex object.
    """
    del M
    return predicted.on_canvas()
