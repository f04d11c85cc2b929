"""Paths that the tests share. The program is chosen with PTYCHOSCOPE_PROGRAM."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src" / "python"))


@pytest.fixture(scope="session")
def star():
    """A measured scan."""
    return ROOT / "fixtures" / "siemens_star_n64.npz"


@pytest.fixture(scope="session")
def small():
    """A small simulated scan with a known object."""
    import ptychoscope as pty

    return pty.simulate(n_images=60, n_photons=1e5, seed=3, progress=False)


@pytest.fixture(scope="session")
def model(small, tmp_path_factory):
    """A network, hardly trained."""
    import ptychoscope as pty

    folder = tmp_path_factory.mktemp("training") / "run"
    return pty.train(small, epochs=1, batch_size=16, teacher_share=0, output_dir=folder, accelerator="cpu")


def phase_correlation(found, truth):
    """Correlation of the phases after removing the global phase."""
    found = found * np.exp(-1j * np.angle(np.vdot(truth, found)))
    pair = [np.angle(value * np.exp(-1j * np.angle(truth.mean()))).ravel() for value in (found, truth)]
    return np.corrcoef(*pair)[0, 1]
