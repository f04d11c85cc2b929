"""An unmodified Ptychodus trains and reconstructs with Ptychoscope, in batch mode; skipped where it is missing."""

import os
import subprocess
import sys
import zipfile

import numpy as np
import ptychoscope as pty
import pytest
from conftest import ROOT, phase_correlation

pytest.importorskip("ptychodus")
h5py = pytest.importorskip("h5py")

TENSORFLOW = """[Processing]
Algorithm = PtychoPINN_{mode}
[PtychoPINNTraining]
NumEpochs = 1
BatchSize = 8
[PtychoPINNModel]
NumFiltersScale = 1
"""
TORCH = """[Processing]
Algorithm = PtychoPINN-Torch_{mode}
[PtychoPINNTorchData]
model_size = {side}
num_channels = 1
grid_size_x = 1
grid_size_y = 1
[PtychoPINNTorchTraining]
epochs = 1
batch_size = 8
device = {device}
[PtychoPINNTorchModel]
num_filters_scale = 1
amplitude_activation_function = sigmoid
"""
PIXEL_M, DISTANCE_M, ENERGY_EV = 75e-6, 1.0, 10000.0


def write_folder(folder, scan, truth):
    """A folder for Ptychodus: patterns, product, training data, and the true object for supervised training."""
    counts = np.rint(scan.diffraction.astype(float) ** 2).astype(np.uint32)
    n, side, _ = counts.shape
    size = 1.239841984e-6 / ENERGY_EV * DISTANCE_M / (side * PIXEL_M)
    height, width = truth.shape
    with h5py.File(folder / "diffraction.h5", "w") as file:
        file["patterns"], file["indexes"], file["bad_pixels"] = counts, np.arange(n), np.zeros((side, side), bool)
        for axis in ("height", "width"):
            file["patterns"].attrs[f"detector_pixel_{axis}_m"] = PIXEL_M
    with h5py.File(folder / "product.h5", "w") as file:
        file.attrs.update(name="scan", comments="", far_field=True, photon_energy_eV=ENERGY_EV)
        file.attrs.update(detector_object_distance_m=DISTANCE_M, probe_photon_count=float(counts.sum() / n))
        for name in ("exposure_time_s", "mass_attenuation_m2_per_kg", "tomography_angle_deg", "tilt_angle_deg"):
            file.attrs[name] = 0.0
        file.attrs["focus_object_distance_m"] = 0.0
        file["probe_position_indexes"] = np.arange(n)
        file["probe_position_x_m"] = (scan.positions[:, 0] - width / 2) * size
        file["probe_position_y_m"] = (scan.positions[:, 1] - height / 2) * size
        file["probe"], file["object"] = scan.probe, np.ones((1, height, width), np.complex64)
        for name in ("probe", "object"):
            file[name].attrs.update(pixel_width_m=size, pixel_height_m=size)
        file["object"].attrs.update(center_x_m=0.0, center_y_m=0.0)
        file["object_layer_spacing_m"], file["loss_values"] = np.zeros(0), np.zeros(0)
        file["loss_epochs"] = np.zeros(0, int)
    # As Ptychodus exports: the center of a patch is between two pixels.
    x, y = (scan.positions - 0.5).T
    for name, rows in (("train", slice(0, n - 8)), ("test", slice(n - 8, n))):
        positions = {"xcoords": x[rows], "ycoords": y[rows], "xcoords_start": x[rows], "ycoords_start": y[rows]}
        others = {"probeGuess": scan.probe, "objectGuess": truth, "bad_pixels": np.zeros((side, side), bool)}
        np.savez(folder / f"{name}_data.npz", diff3d=counts[rows], **positions, **others)


def ptychodus(action, source, target, polish=""):
    """Runs Ptychodus in batch mode and returns what it said."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src" / "python"), "PTYCHOSCOPE_PROGRAM": pty.program()}
    env["PTYCHOSCOPE_SETTINGS"] = polish
    words = [sys.executable, "-m", "ptychoscope.ptychodus", "-b", action, "-i", str(source), "-o", str(target)]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def scan():
    return pty.simulate(n_images=60, n_photons=1e6, seed=3, progress=False)


CASES = [("tensorflow", "PINN"), ("tensorflow", "Supervised"), ("torch", "Unsupervised"), ("torch", "Supervised")]


@pytest.mark.parametrize(("library", "mode"), CASES)
def test_ptychodus_trains_and_reconstructs(scan, tmp_path, library, mode):
    train_and_reconstruct(scan, tmp_path, library, mode)


@pytest.mark.parametrize(
    ("library", "mode", "side", "modes"), [("tensorflow", "PINN", 64, 3), ("torch", "Unsupervised", 128, 3)]
)
def test_ptychodus_takes_other_sides_and_several_probe_modes(tmp_path, library, mode, side, modes):
    made = pty.simulate(n_images=50, n_photons=1e6, pattern_size=side, seed=5, progress=False)
    main = made.probe[0]
    probe = np.stack([main, *(0.4 * np.roll(main, step, axis) for step, axis in ((5, 0), (-6, 1)))])[:modes]
    scan = pty.simulate(object=made.object, probe=probe, positions=made.positions, n_photons=1e6, progress=False)
    assert scan.probe.shape == (modes, side, side) and scan.diffraction.shape[1:] == (side, side)
    train_and_reconstruct(scan, tmp_path, library, mode)


def train_and_reconstruct(scan, tmp_path, library, mode):
    """Trains and reconstructs with Ptychodus; the object has to be that of the scan, in its place."""
    source, trained, result = (tmp_path / name for name in ("source", "trained", "result"))
    source.mkdir()
    write_folder(source, scan, scan.object)
    template = TENSORFLOW if library == "tensorflow" else TORCH
    side = scan.diffraction.shape[-1]
    (source / "settings.ini").write_text(template.format(mode=mode, side=side, device="cpu"))
    code, said = ptychodus("train", source, trained)
    assert code == 0 and "Epoch 1: loss" in said, said
    assert "The network was trained for" in said and "polish=20" in said, "too few steps are said"
    if library == "tensorflow":
        with zipfile.ZipFile(source / "model.zip", "w") as archive:
            archive.write(trained / "wts.h5.zip", "wts.h5.zip")
    else:
        (checkpoint,) = trained.glob("run_*/checkpoints/best-checkpoint.ckpt")
        (source / "model.ckpt").write_bytes(checkpoint.read_bytes())
    # A network after one epoch is poor; the direct solver shows where the object is.
    code, said = ptychodus("reconstruct", source, result, "polish=60")
    assert code == 0, said
    (product,) = result.glob("product*.h5")
    with h5py.File(product) as file:
        found = np.squeeze(file["object"][()])
    assert found.shape == scan.object.shape
    edge = side * 5 // 8
    inner = (slice(edge, -edge), slice(edge, -edge))
    assert phase_correlation(found[inner], scan.object[inner]) > 0.9
    assert np.abs(shift(found[inner], scan.object[inner])).max() < 0.1


def shift(found, truth):
    """Shift (y, x) in pixels between two complex images, from their cross-correlation."""
    window = np.outer(*(np.hanning(length) for length in truth.shape))
    spectra = [np.fft.fft2((image - image.mean()) * window) for image in (found, truth)]
    peak = np.abs(np.fft.ifft2(spectra[0] * spectra[1].conj()))
    at = np.unravel_index(peak.argmax(), peak.shape)
    result = []
    for axis in (0, 1):
        low, middle, high = (
            peak[tuple(np.add(at, np.eye(2, dtype=int)[axis] * step) % peak.shape)] for step in (-1, 0, 1)
        )
        value = at[axis] + (low - high) / (2 * (low - 2 * middle + high))
        result.append(value - peak.shape[axis] if value > peak.shape[axis] / 2 else value)
    return np.array(result)


def test_errors_are_readable_in_ptychodus(scan, tmp_path):
    write_folder(tmp_path, scan, scan.object)
    (tmp_path / "settings.ini").write_text(TORCH.format(mode="Unsupervised", side=128, device="cpu"))
    code, said = ptychodus("train", tmp_path, tmp_path / "out")
    assert code != 0 and "InputError: The patterns" in said and "128" in said, said
    (tmp_path / "model.ckpt").write_text("no model")
    code, said = ptychodus("reconstruct", tmp_path, tmp_path / "out")
    assert code != 0 and "InputError" in said and "model.ckpt" in said, said
