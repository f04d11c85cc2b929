"""Errors of the program as Python exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class PtychoscopeError(RuntimeError):
    """An error, worded for the person who has to act on it.

    Attributes:
        title: What happened and what was found, one sentence.
        expected: Expected value or condition; may be empty.
        hint: What to do; may be empty.
        path: File or folder concerned, if any.
        exit_code: Exit code of the program: 1 failed, 2 bad input, 4 device not available.
    """

    def __init__(
        self, title: str, expected: str = "", hint: str = "", path: str | None = None, exit_code: int = 1
    ) -> None:
        super().__init__(title, expected, hint, path, exit_code)
        self.title, self.expected, self.hint, self.path = title, expected, hint, path
        self.exit_code = exit_code

    def __str__(self) -> str:
        """The error as one paragraph, the path last."""
        parts = [self.title, f"Expected {self.expected}" if self.expected else "", self.hint]
        parts = [part if part.endswith((".", "?")) else f"{part}." for part in parts if part]
        if self.path:
            parts.append(f"({self.path})")
        return " ".join(parts)


class InputError(PtychoscopeError, ValueError):
    """An unusable file, array or setting."""

    def __init__(
        self, title: str, expected: str = "", hint: str = "", path: str | None = None, exit_code: int = 2
    ) -> None:
        super().__init__(title, expected, hint, path, exit_code)


class DeviceError(PtychoscopeError):
    """The requested device is not available."""


class ProgramNotFoundError(PtychoscopeError):
    """The program ptychoscope is not installed."""


def from_event(event: Mapping[str, Any]) -> PtychoscopeError:
    """The exception for an event `failed` of the program."""
    code = int(event.get("exit_code", 1))
    kind = {2: InputError, 4: DeviceError}.get(code, PtychoscopeError)
    title = str(event.get("title") or event.get("message") or "The job failed")
    path = event.get("path")
    return kind(title, event.get("expected") or "", event.get("hint") or "", None if path is None else str(path), code)
