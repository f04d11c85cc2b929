"""Starts an unmodified Ptychodus with Ptychoscope in place of PtychoPINN: `python -m ptychoscope.ptychodus [ARGS]`.

Ptychodus looks for packages by their names: `ptycho`, `ptycho_torch` and `lightning`. In this process and those that it
starts, and nowhere else, the first two are packages of Ptychoscope; `lightning` and `torch` are small stand-ins unless
the real ones are installed.
"""

from __future__ import annotations

import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

from ._errors import InputError
from ._program import program


def folder() -> Path:
    """Folder of the packages in place of PtychoPINN, for the path of a script."""
    return Path(__file__).parent / "_ptychopinn"


def activate() -> None:
    """Puts the packages in place of PtychoPINN on the path of this process; child processes inherit it."""
    for path, place in ((folder(), 0), (folder().with_name("_standins"), len(sys.path))):
        if str(path) not in sys.path:
            sys.path.insert(place, str(path))


def main() -> int:
    """Runs Ptychodus with the arguments of this process; returns the exit code."""
    program()
    if find_spec("ptychodus") is None:
        raise InputError("Ptychodus is not installed", hint="Install it with `pip install ptychodus[gui]`")
    activate()
    runpy.run_module("ptychodus", run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
