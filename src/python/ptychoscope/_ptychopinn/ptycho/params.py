"""The flat dictionary of settings with dotted keys."""

from __future__ import annotations

from typing import Any

cfg: dict[str, Any] = {"intensity_scale": 1.0}
"""Settings by their dotted names; `update_legacy_dict` fills it."""


def get(key: str) -> Any:
    """Value of a setting; KeyError if there is none."""
    return cfg[key]


def set(key: str, value: Any) -> None:
    """Sets a value."""
    cfg[key] = value
