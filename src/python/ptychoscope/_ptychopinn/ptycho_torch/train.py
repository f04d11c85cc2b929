"""Training from the command line, with the flags of PtychoPINN: `python -m ptycho_torch.train --train_data_file …`.

The program takes these flags itself; here they only get the files that PtychoPINN leaves.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from ptychoscope import _original
from ptychoscope._errors import PtychoscopeError
from ptychoscope._program import STOPPED, program
from ptychoscope._results import open_run


def split_output(arguments: list[str]) -> tuple[list[str], Path]:
    """The arguments without the output folder, and that folder."""
    rest: list[str] = []
    folder = Path("training_outputs")
    words = iter(arguments)
    for word in words:
        name, _, value = word.partition("=")
        if name.replace("_", "-") == "--output-dir":
            folder = Path(value or next(words, "training_outputs"))
        else:
            rest.append(word)
    return rest, folder


def main(arguments: list[str] | None = None) -> int:
    """Trains; writes the run, `wts.h5.zip` and `checkpoints/last.ckpt` to the output folder. Returns the exit code."""
    rest, folder = split_output(sys.argv[1:] if arguments is None else arguments)
    if {"-h", "--help"} & set(rest):
        return subprocess.call([program(), "train", "--help"])
    run_folder = folder
    if folder.exists() and any(folder.iterdir()):
        run_folder = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
    code = subprocess.call([program(), "train", *rest, "--output-dir", str(run_folder)])
    if code in (0, STOPPED):
        run = open_run(run_folder)
        _original.save_model(run, folder / _original.BUNDLE_NAME)
        _original.save_model(run, folder / "checkpoints" / "last.ckpt")
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PtychoscopeError as error:
        sys.exit(f"ERROR: {error}")
