"""The flat dictionary of settings with dotted keys."""

from __future__ import annotations

import logging
from typing import Any

cfg: dict[str, Any] = {"intensity_scale": 1.0}
"""Settings by their dotted names; `update_legacy_dict` fills it."""

_WRITABLE = ("intensity_scale", "probe", "timestamp")
_MISSING = object()
_state = {"sealed": False}


def get(key: str, default: Any = _MISSING) -> Any:
    """Value of a setting, or the default; KeyError if there is neither."""
    return cfg[key] if default is _MISSING else cfg.get(key, default)


def set(key: str, value: Any) -> None:
    """Sets a value; warns if the dictionary is sealed."""
    if _state["sealed"] and key not in _WRITABLE:
        logging.getLogger("ptycho.params").warning("post-seal write of %s: it was %s", key, cfg.get(key))
    cfg[key] = value


def seal() -> None:
    """From now on, `set` warns, except for results of a training."""
    _state["sealed"] = True


def unseal() -> None:
    """From now on, `set` does not warn."""
    _state["sealed"] = False
