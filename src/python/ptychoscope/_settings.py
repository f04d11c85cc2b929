"""Settings by their names in the configuration, turned into arguments of the program."""

from __future__ import annotations

import difflib
import functools
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ._errors import InputError
from ._program import program, run_json


@dataclass(frozen=True)
class Setting:
    """A field of the configuration.

    Attributes:
        path: Dotted name, such as `training.epochs`.
        default: Default value, as text.
        help: What it does.
        unit: Unit of the value; empty if it has none.
        takes: Legal values in words.
        options: Meaning of each option, for a choice.
        flag: Flag on the command line, if any.
        in_inference: True if a trained model does not fix it.
    """

    path: str
    default: str
    help: str
    unit: str
    takes: str
    options: Mapping[str, str]
    flag: str | None
    in_inference: bool

    @property
    def name(self) -> str:
        """Name as a keyword argument: that of the flag, or the last part of the path."""
        return self.flag.lstrip("-").replace("-", "_") if self.flag else self.path.rsplit(".", 1)[-1]

    @property
    def group(self) -> str:
        """First part of the path: data, model, training, inference, direct, simulation or execution."""
        return self.path.split(".", 1)[0]


@functools.lru_cache(maxsize=4)
def _fields(_program: str) -> tuple[Setting, ...]:
    rows: list[dict[str, Any]] = run_json(["config", "--fields"])
    return tuple(
        Setting(
            path=row["path"],
            default=str(row["value"]),
            help=row["help"],
            unit=row["unit"],
            takes=row["takes"],
            options=row["options"],
            flag=row["flag"],
            in_inference=row["in_inference"],
        )
        for row in rows
    )


def settings(group: str | None = None) -> list[Setting]:
    """All fields of the configuration, or those of a group.

    Args:
        group: data, model, training, inference, direct, simulation or execution; None for all.

    Returns:
        One `Setting` per field, with its name, default, unit, legal values and help.
    """
    return [field for field in _fields(program()) if group in (None, field.group)]


def _flatten(values: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(name: str, value: object) -> str:
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", 0) == 0:
        value = item()
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, str)):
        return str(value)
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if isinstance(value, (list, tuple)):
        return ";".join(_text(name, part) for part in value)
    raise InputError(f"{name} has a value of type {type(value).__name__}", "a number, a text, True, False or None")


def _find(name: str, fields: Iterable[Setting]) -> Setting:
    fields = list(fields)
    for matches in (
        [field for field in fields if field.path == name],
        [field for field in fields if field.flag and field.name == name],
        [field for field in fields if field.path.replace(".", "_") == name],
        [field for field in fields if field.path.rsplit(".", 1)[-1] == name],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            paths = " or ".join(field.path for field in matches)
            raise InputError(f"{name!r} is the name of several settings", paths, f'Write **{{"{matches[0].path}": …}}')
    known = sorted({text for field in fields for text in (field.name, field.path)})
    near = difflib.get_close_matches(name, known, 3, 0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else "ptychoscope.settings() lists all settings"
    raise InputError(f"{name!r} is not a setting of this job", hint=hint)


def arguments(values: Mapping[str, object], command: str) -> list[str]:
    """Arguments that set these fields for a command of the program.

    A name is that of a flag (`epochs`), a dotted path (`"training.epochs"`), a group with a mapping
    (`training={"epochs": 3}`) or the last part of a path if no other field has it (`head_filters`).

    Raises:
        InputError: An unknown or ambiguous name, or a value that cannot be passed.
    """
    if not values:
        return []
    simulates = command == "simulate"
    fields = [field for field in settings() if (field.group == "simulation") == simulates or field.group == "model"]
    result = []
    for name, value in _flatten(values):
        field, text = _find(name, fields), _text(name, value)
        flagged = command in ("run", "train") or (field.group == "simulation" if simulates else field.in_inference)
        if field.flag and flagged and command != "inspect":
            result.append(f"{field.flag}={text}")
        else:
            result += ["--set", f"{field.path}={text}"]
    return result
