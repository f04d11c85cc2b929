"""GPUs of PyTorch."""


def device_count() -> int:
    """The number of devices of a training: one, which the program chooses."""
    return 1


def is_available() -> bool:
    """False: the program uses GPUs without CUDA."""
    return False
