"""The examples run as they are, with little time for training."""

import os
import subprocess
import sys

import pytest
from conftest import ROOT

import ptychoscope as pty


@pytest.mark.parametrize(
    ("name", "arguments", "leaves"),
    [
        ("first_reconstruction.py", ["{star}", "2"], "first.png"),
        ("train_once.py", ["2"], "train_once_3_polished/phase.png"),
        ("compare.py", ["2"], "comparison.html"),
    ],
)
def test_an_example_runs(star, tmp_path, name, arguments, leaves):
    if leaves.endswith("first.png"):
        pytest.importorskip("matplotlib")
    sources = ROOT / "src" / "python"
    env = {**os.environ, "PYTHONPATH": str(sources), "PTYCHOSCOPE_PROGRAM": pty.program(), "MPLBACKEND": "agg"}
    words = [sys.executable, str(sources / "examples" / name), *(word.format(star=star) for word in arguments)]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / leaves).stat().st_size > 1000
