"""Reconstruction from the command line: `python -m ptycho_torch.inference --model_path … --test_data …`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ptycho_torch.train import split_output
from ptychoscope._errors import PtychoscopeError
from ptychoscope._program import STOPPED, program


def main(arguments: list[str] | None = None) -> int:
    """Reconstructs; writes the run and `reconstructed_{amplitude,phase}.png`; returns the exit code."""
    rest, folder = split_output(sys.argv[1:] if arguments is None else arguments)
    if {"-h", "--help"} & set(rest):
        return subprocess.call([program(), "infer", "--help"])
    run_folder = folder
    if folder.exists() and any(folder.iterdir()):
        run_folder = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
    code = subprocess.call([program(), "infer", *rest, "--output-dir", str(run_folder)])
    if code in (0, STOPPED):
        for name in ("amplitude", "phase"):
            shutil.copyfile(run_folder / f"{name}.png", folder / f"reconstructed_{name}.png")
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PtychoscopeError as error:
        sys.exit(f"ERROR: {error}")
