"""The packages in place of PtychoPINN: its guide, its command lines, its errors."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import ptychoscope as pty
import pytest
from conftest import ROOT

SOURCES = ROOT / "src" / "python"
GOLDEN = ROOT.parent / "shared" / "golden" / "gs1_nfs1_last.ckpt.gz"

# The code of PtychoPINN's workflow guide; only the names of the files differ.
GUIDE = """
from ptycho.config.config import TrainingConfig, ModelConfig, update_legacy_dict
from ptycho import params
from ptycho.raw_data import RawData
from ptycho_torch.workflows.components import (
    run_cdi_example_torch, load_inference_bundle_torch, _reassemble_cdi_image_torch)

config = TrainingConfig(
    model=ModelConfig(N=64, gridsize=1, model_type='pinn', amp_activation='sigmoid', n_filters_scale=1),
    train_data_file='train.npz', test_data_file='test.npz', n_groups=32, batch_size=8, nepochs=2, nphotons=1e5,
    neighbor_count=4, output_dir='training_outputs', debug=False, subsample_seed=42, sequential_sampling=False,
    backend='pytorch')
update_legacy_dict(params.cfg, config)
assert params.cfg['N'] == 64 and params.get('object.big') is True and params.cfg['output_prefix'] == 'training_outputs'

train_data = RawData.from_file('train.npz')
test_data = RawData.from_file('test.npz')

amplitude, phase, results = run_cdi_example_torch(train_data, None, config, do_stitching=False)
assert amplitude is None and phase is None and results['history']['val_loss'] == []

amplitude, phase, results = run_cdi_example_torch(train_data, test_data, config, do_stitching=True)
assert amplitude.shape == phase.shape and amplitude.ndim == 2
assert len(results['history']['train_loss']) == len(results['history']['val_loss']) == 2
assert results['backend'] == 'pytorch' and 'lightning_module' in results['models']

models, loaded = load_inference_bundle_torch('training_outputs')
assert 'lightning_module' in models and loaded['N'] == 64
plain, _, _ = _reassemble_cdi_image_torch(test_data, config, flip_x=False, flip_y=False, transpose=False, M=20)
turned, _, _ = _reassemble_cdi_image_torch(test_data, config, flip_x=True, flip_y=False, transpose=True, M=20)
import numpy
assert numpy.array_equal(turned, plain.T[:, ::-1])
"""


def python(*words, cwd, **environment):
    """Runs Python with the packages in place of PtychoPINN on its path."""
    path = os.pathsep.join([str(SOURCES), str(SOURCES / "ptychoscope" / "_ptychopinn")])
    env = {**os.environ, "PYTHONPATH": path, "PTYCHOSCOPE_PROGRAM": pty.program(), **environment}
    return subprocess.run([sys.executable, *words], cwd=cwd, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("guide")
    for name in ("train.npz", "test.npz"):
        shutil.copyfile(small.path, folder / name)
    return folder


def test_the_guide_of_ptychopinn_runs_as_written(folder):
    done = python("-c", GUIDE, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "training_outputs" / "checkpoints" / "last.ckpt").is_file()
    assert (folder / "training_outputs" / "wts.h5.zip").is_file()


def test_the_command_lines_of_ptychopinn_train_and_reconstruct(folder):
    flags = ["--max_epochs", "1", "--n_images", "16", "--gridsize", "1", "--batch_size", "4", "--accelerator", "cpu"]
    files = ["--train_data_file", "train.npz", "--test_data_file", "test.npz", "--output_dir", "trained"]
    done = python("-m", "ptycho_torch.train", *files, *flags, "--disable_mlflow", "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert pty.open_run(folder / "trained").summary["dataset"]["n"] == 16
    assert (folder / "trained" / "wts.h5.zip").stat().st_size > 100_000
    words = ["--model_path", "trained", "--test_data", "test.npz", "--output_dir", "inferred", "--n_images", "20"]
    done = python("-m", "ptycho_torch.inference", *words, "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    for name in ("amplitude", "phase"):
        assert (folder / "inferred" / f"reconstructed_{name}.png").stat().st_size > 1000


def test_a_folder_of_datasets_with_a_folder_of_probes_is_trained_on(small, tmp_path):
    for name in ("scans/a.npz", "scans/b.npz", "probes/p.npz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(small.path, tmp_path / name)
    words = ["--ptycho_dir", "scans", "--probe_dir", "probes", "--output_dir", "out", "--max_epochs", "1", "--quiet"]
    done = python("-m", "ptycho_torch.train", *words, "--set", "training.teacher_share=0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "from ptycho.config.config import *; TrainingConfig(ModelConfig(), backend='jax')",
            "ValueError: backend = 'jax'",
        ),
        (
            "from ptycho.config.config import *; from ptycho.raw_data import RawData; "
            "from ptycho_torch.workflows.components import run_cdi_example_torch as run; "
            "run(RawData.from_file('train.npz'), None, TrainingConfig(ModelConfig(), batch_size=0))",
            "ValueError: batch_size = 0 is not positive",
        ),
        (
            "from ptycho_torch.workflows.components import *; load_inference_bundle_torch('tensorflow')",
            "trained with PtychoPINN's TensorFlow backend",
        ),
        (
            "from ptycho_torch.workflows.components import *; load_inference_bundle_torch('nowhere')",
            "FileNotFoundError: No model in nowhere",
        ),
    ],
)
def test_errors_say_what_is_wrong(folder, code, expected):
    (folder / "tensorflow").mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "tensorflow" / "wts.h5.zip", "w") as archive:
        archive.writestr("diffraction_to_obj/model.keras", "")
    done = python("-c", code, cwd=folder)
    assert done.returncode != 0 and expected in done.stderr, done.stderr


def test_a_missing_program_is_a_runtime_error(folder):
    code = (
        "from ptycho_torch.workflows.components import *; from ptycho.config.config import *\n"
        "try: run_cdi_example_torch(None, None, TrainingConfig(ModelConfig()))\n"
        "except RuntimeError as error: print(error)"
    )
    done = python("-c", code, cwd=folder, PTYCHOSCOPE_PROGRAM="/no/such/program")
    assert "PTYCHOSCOPE_PROGRAM names no program" in done.stdout, done.stderr


@pytest.mark.skipif(not GOLDEN.is_file(), reason="no checkpoint of PtychoPINN here")
def test_a_training_folder_of_ptychopinn_is_a_model(small, tmp_path):
    checkpoint = tmp_path / "old" / "checkpoints" / "last.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(gzip.decompress(GOLDEN.read_bytes()))
    run = pty.infer(tmp_path / "old", small, output_dir=tmp_path / "run")
    assert run.object.ndim == 2
    assert any("Lightning" in note for note in run.summary["notes"])


def test_the_packages_are_not_on_the_path_of_other_processes():
    code = "import importlib.util as u; print([name for name in ('ptycho', 'ptycho_torch') if u.find_spec(name)])"
    done = subprocess.run(
        [sys.executable, "-c", f"import ptychoscope; {code}"], cwd=SOURCES, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_every_file_of_the_packages_is_documented():
    for path in (SOURCES / "ptychoscope").rglob("*.py"):
        assert Path(path).read_text("utf-8").startswith('"""'), path


SETTINGS = """
import json, sys
from ptycho_torch.api.base_api import ConfigManager
from ptycho.config.config import ModelConfig, TrainingConfig
from ptycho.workflows.components import settings_for
from ptychoscope import _original
from ptychoscope._program import run_text

def verdict(settings):
    try:
        run_text(["config", "--preset", "recipe", "--config", _original.write_config(settings())])
    except Exception as error:
        return str(error)
    return "taken"

def torch(section, name, value):
    manager = ConfigManager()
    if section:
        setattr(getattr(manager, section), name, value)
    return manager.settings()

found = {"torch": verdict(lambda: torch(None, "", None))}
found["tensorflow"] = verdict(lambda: settings_for(TrainingConfig(ModelConfig())))
for section, name, value in json.loads(sys.argv[1]):
    found[f"{name}={value}"] = verdict(lambda: torch(section, name, value))
for name, value in json.loads(sys.argv[2]):
    config = TrainingConfig(ModelConfig())
    setattr(config.model if hasattr(config.model, name) else config, name, value)
    found[f"{name}={value}"] = verdict(lambda: settings_for(config))
print(json.dumps(found))
"""
TORCH = [
    ("data_config", "neighbor_function", "4_quadrant"),
    ("data_config", "scan_pattern", "Rectangular"),
    ("model_config", "mode", "Supervised"),
    ("model_config", "loss_function", "MAE"),
    ("model_config", "amp_activation", "sigmoid"),
    ("model_config", "amp_loss", "Total_Variation"),
    ("model_config", "phase_loss", "Mean_Deviation"),
    ("model_config", "spatial_decoder", True),
    ("training_config", "scheduler", "Exponential"),
    ("training_config", "scheduler", "Cosine"),
    ("training_config", "n_devices", 2),
    ("training_config", "nll", False),
    ("inference_config", "patch_weighting", "uniform"),
]
TENSORFLOW = [
    *(("amp_activation", name) for name in ("swish", "softplus", "relu")),
    ("gridsize", 2),
    ("object_big", False),
    ("probe_mask", True),
    ("gaussian_smoothing_sigma", 1.0),
    ("model_type", "supervised"),
    ("mae_weight", 0.5),
    ("realspace_weight", 0.1),
    ("probe_trainable", True),
]
REFUSED = [
    ("data_config", "normalize", "Group"),
    ("data_config", "data_scaling", "Max"),
    ("data_config", "probe_ramp_removal", True),
    ("training_config", "enable_staged_finetuning", True),
    ("model_config", "amplitude_variance_loss", True),
]


def test_every_setting_of_ptychodus_is_taken_or_refused_by_its_name(tmp_path):
    done = python("-c", SETTINGS, json.dumps(TORCH + REFUSED), json.dumps(TENSORFLOW), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for _, name, value in REFUSED:
        assert name in found.pop(f"{name}={value}"), name
    assert len(found) == 2 + len(TORCH) + len(TENSORFLOW)
    assert set(found.values()) == {"taken"}, found


DEFAULTS = """
import logging, json
logging.basicConfig(level=logging.INFO)
from ptycho_torch.api.base_api import ConfigManager
manager = ConfigManager()
print(json.dumps(manager.settings()))
manager.model_config.cbam_encoder = False
manager.training_config.scheduler = "Exponential"
print(json.dumps(manager.settings()))
"""


@pytest.mark.parametrize("preset", ["recipe", "reference"])
def test_defaults_of_the_torch_library_leave_the_recipe_in_force(tmp_path, preset):
    done = python("-c", DEFAULTS, cwd=tmp_path, PTYCHOSCOPE_PRESET=preset)
    assert done.returncode == 0, done.stderr
    default, changed = (json.loads(line) for line in done.stdout.splitlines())
    kept = preset == "reference"
    assert default["model_config"]["cbam_encoder"] is kept
    assert ("probe_normalize" in default["data_config"]) is kept
    assert ("scheduler" in default["training_config"]) is kept
    assert ("chosen by the recipe" in done.stderr) is not kept
    assert changed["model_config"]["cbam_encoder"] is False
    assert changed["training_config"]["scheduler"] == "Exponential"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [("", "enable_oversampling"), (", enable_oversampling=True", "neighbor_pool_size >= C = 4")],
)
def test_more_groups_than_patterns_are_said(folder, arguments, expected):
    code = (
        "from ptycho.raw_data import RawData; "
        f"RawData.from_file('train.npz').generate_grouped_data(64, K=3, nsamples=500, gridsize=2{arguments})"
    )
    done = python("-c", code, cwd=folder)
    assert done.returncode != 0 and "ValueError" in done.stderr and expected in done.stderr, done.stderr
