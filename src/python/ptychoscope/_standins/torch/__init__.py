"""Stand-in for PyTorch where it is not installed: only what Ptychodus asks before a training."""

from . import cuda

__all__ = ["Tensor", "cuda"]
__version__ = "0.0.0+ptychoscope"


class Tensor:
    """No tensor is ever made; other packages compare types with it."""
