"""Progress of a job: a bar in a terminal or a notebook."""

from __future__ import annotations

import html
import importlib
import shutil
import sys
import time
from typing import Any

from ._program import Event, EventHandler

_LABELS = {
    "loading": "Loading",
    "probe_search": "Searching the probe",
    "refinement_trials": "Trying refinements",
    "scan_correction": "Correcting the scan positions",
    "background_trial": "Trying a background",
    "diagnosing": "Diagnosing",
    "training": "Training",
    "reconstructing": "Reconstructing",
    "saving": "Saving",
    "simulating": "Simulating",
}
_INTERVAL_S = 0.2
_WIDTH = 30


def handler(wanted: bool | None) -> EventHandler | None:
    """A display for the events of a job; None shows nothing.

    Args:
        wanted: True or False; None shows progress in a notebook and in a terminal.
    """
    notebook = _notebook()
    if wanted is False or (wanted is None and not notebook and not sys.stderr.isatty()):
        return None
    return _Bar(_NotebookLine() if notebook else _TerminalLine())


def _notebook() -> bool:
    """True in a process that can show HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


class _TerminalLine:
    def show(self, label: str, fraction: float, text: str) -> None:
        filled = round(_WIDTH * fraction)
        line = f"{label:>14} [{'=' * filled}{' ' * (_WIDTH - filled)}] {100 * fraction:3.0f} % {text}"
        columns = shutil.get_terminal_size().columns
        sys.stderr.write("\r" + line[: columns - 1].ljust(columns - 1))
        sys.stderr.flush()

    def clear(self) -> None:
        sys.stderr.write("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r")
        sys.stderr.flush()


class _NotebookLine:
    def __init__(self) -> None:
        self._shown: Any = None

    def show(self, label: str, fraction: float, text: str) -> None:
        bar = f'<progress max="1" value="{fraction:.3f}" style="width:20em"></progress>'
        self._update(f"{html.escape(label)} {bar} {100 * fraction:.0f} % {html.escape(text)}")

    def clear(self) -> None:
        if self._shown is not None:
            self._update("")

    def _update(self, text: str) -> None:
        display: Any = importlib.import_module("IPython.display")
        if self._shown is None:
            self._shown = display.display(display.HTML(text), display_id=True)
        else:
            self._shown.update(display.HTML(text))


class _Bar:
    """Turns events into a label, a fraction and a line of text."""

    def __init__(self, line: _TerminalLine | _NotebookLine) -> None:
        self._line = line
        self._label = ""
        self._last = 0.0

    def __call__(self, event: Event) -> None:
        kind = event.get("event")
        if kind == "stage":
            self._label, self._last = _LABELS.get(event["stage"], str(event["stage"])), 0.0
            self._line.show(self._label, 0.0, "")
        elif kind == "progress" and (time.monotonic() - self._last > _INTERVAL_S or event["fraction"] >= 1):
            self._last = time.monotonic()
            self._line.show(self._label, min(max(event["fraction"], 0.0), 1.0), describe(event))
        elif kind in ("finished", "failed"):
            self._line.clear()


def describe(event: Event) -> str:
    """Epoch, loss and time left of an event `progress`, in one line."""
    parts = []
    if event.get("epoch"):
        parts.append(f"epoch {event['epoch']}" + (f"/{event['epochs']}" if event.get("epochs") else ""))
    if event.get("loss") is not None:
        parts.append(f"loss {event['loss']:.4g}")
    if event.get("remaining_s") is not None:
        parts.append(f"{event['remaining_s']:.0f} s left")
    return ", ".join(parts)
