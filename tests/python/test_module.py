"""The module: jobs, arrays, settings, errors, stopping."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import ptychoscope as pty
import pytest
from conftest import ROOT, phase_correlation


def test_a_direct_solution_of_arrays_is_the_object(small, tmp_path):
    arrays = {"diffraction": small.diffraction, "positions": small.positions, "probe": small.probe}
    run = pty.direct(arrays, direct_epochs=40, output_dir=tmp_path / "run")
    assert run.object.dtype == np.complex64 and run.object.shape == run.coverage.shape == run.amplitude.shape
    left, top = (int(value) for value in run.origin)
    truth = small.object[top : top + run.object.shape[0], left : left + run.object.shape[1]]
    inner = (slice(32, -32), slice(32, -32))
    assert phase_correlation(run.object[inner], truth[inner]) > 0.9
    assert run.positions.shape == (60, 2) and np.allclose(run.positions, small.positions)
    assert run.probe.shape == (1, 64, 64)
    assert run.summary["consistency_r"] < 0.01 and not run.stopped
    assert run.evaluate(reference=small.object).scores["run"]["phase_correlation"] > 0.9


def test_a_training_has_a_history_and_its_model_reconstructs(model, small, tmp_path):
    assert list(model.history["epoch"]) == [1] and np.isfinite(model.history["train_loss"]).all()
    assert model.model.is_file()
    with pytest.raises(pty.InputError, match="no reconstruction"):
        _ = model.object
    run = model.infer(small, output_dir=tmp_path / "run", polish=2)
    assert run.model == model.model and run.object.ndim == 2
    again = pty.open_run(run.folder)
    assert np.array_equal(again.object, run.object) and not again.history
    assert "phase" in run._repr_html_() and "misfit R" in repr(run)


def test_the_network_alone_predicts_a_batch(model):
    images = np.random.default_rng(0).random((3, 1, 64, 64), np.float32)
    patches = pty.predict(model, images, accelerator="cpu")
    assert patches.shape == (3, 1, 64, 64) and patches.dtype == np.complex64


def test_settings_are_found_by_flag_path_group_and_last_part():
    from ptychoscope._settings import arguments

    assert arguments({"epochs": 3}, "run") == ["--epochs=3"]
    assert arguments({"training.epochs": 3}, "run") == ["--epochs=3"]
    assert arguments({"training": {"epochs": None}}, "run") == ["--epochs=none"]
    assert arguments({"head_filters": np.int64(8)}, "train") == ["--set", "model.head_filters=8"]
    assert arguments({"probe_trainable": True, "also": ["a", Path("b")]}, "run")[-1] == "--also=a;b"
    assert arguments({"crop": 64}, "inspect") == ["--set", "data.crop=64"]
    with pytest.raises(pty.InputError, match="Did you mean epochs"):
        arguments({"epoch": 3}, "run")
    with pytest.raises(pty.InputError, match="a value of type set"):
        arguments({"epochs": {1}}, "run")
    assert {setting.group for setting in pty.settings()} >= {"data", "model", "training", "simulation"}
    assert all(setting.help and setting.takes for setting in pty.settings())


def test_errors_have_a_title_an_expectation_a_hint_and_a_path(star, tmp_path):
    with pytest.raises(pty.InputError) as caught:
        pty.run(tmp_path / "none.npz", epochs=1)
    assert "Cannot read the file" in caught.value.title and caught.value.path.endswith("none.npz")
    with pytest.raises(pty.InputError) as caught:
        pty.run(star, epochs=0)
    assert "training.epochs = 0" in caught.value.title and "at least 1" in caught.value.expected
    assert caught.value.hint and caught.value.exit_code == 2
    with pytest.raises(pty.InputError, match="diffraction of shape"):
        pty.run({"diffraction": np.zeros((3, 4))})
    with pytest.raises(pty.InputError, match="positions"):
        pty.run({"diffraction": np.zeros((3, 4, 4)), "positions": np.zeros(3)})
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value) and type(copy) is pty.InputError
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, RuntimeError)


def test_a_missing_gpu_is_a_device_error(star, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(pty.DeviceError, match="CUDA_VISIBLE_DEVICES"):
        pty.direct(star, accelerator="gpu")


def test_a_missing_program_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PTYCHOSCOPE_PROGRAM", "/no/such/program")
    with pytest.raises(RuntimeError, match="PTYCHOSCOPE_PROGRAM"):
        pty.program()
    monkeypatch.delenv("PTYCHOSCOPE_PROGRAM")
    monkeypatch.setattr("sysconfig.get_path", lambda *_: str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pty.ProgramNotFoundError, match="pip install ptychoscope"):
        pty.program()


@pytest.mark.skipif(os.name == "nt", reason="needs a script with a shebang")
def test_a_crash_is_an_exception_with_what_the_program_said(star, tmp_path, monkeypatch):
    crash = tmp_path / "crash"
    crash.write_text("#!/bin/sh\necho out of cheese >&2\nkill -SEGV $$\n")
    crash.chmod(0o755)
    monkeypatch.setenv("PTYCHOSCOPE_PROGRAM", str(crash))
    with pytest.raises(pty.PtychoscopeError, match=r"SIGSEGV.*out of cheese"):
        pty.run(star)


def test_a_handler_stops_a_job_and_its_result_is_kept(small, tmp_path):
    events = []

    def stop(event):
        events.append(event["event"])
        return not (event["event"] == "progress" and event["step"] >= 2)

    run = pty.run(small, epochs=10_000, teacher_share=0, output_dir=tmp_path / "run", on_event=stop)
    assert run.stopped and run.object.ndim == 2 and run.model.is_file()
    assert events[0] == "started" and events[-1] == "finished"


def test_an_error_in_a_handler_ends_the_job(small, tmp_path):
    def fail(event):
        if event["event"] == "progress":
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        pty.run(small, epochs=10_000, output_dir=tmp_path / "run", on_event=fail)


SCRIPT = """
import sys, ptychoscope as pty
print("ready", flush=True)
def say(event):
    if event["event"] == "progress" and event["step"] >= 1:
        print("step", flush=True)
run = pty.train(sys.argv[1], epochs=100000, teacher_share=0, output_dir=sys.argv[2], on_event=say)
print("stopped" if run.stopped else "done", run.model.is_file(), flush=True)
"""


def start(small, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src" / "python"), "PTYCHOSCOPE_PROGRAM": pty.program()}
    words = [sys.executable, "-c", SCRIPT, str(small.path), str(folder)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
    while "step" not in process.stdout.readline():
        assert process.poll() is None
    return process


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_from_the_keyboard_stops_and_keeps(small, tmp_path):
    process = start(small, tmp_path / "run")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0].splitlines()[-1] == "stopped True"


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_no_job_outlives_a_python_that_was_killed(small, tmp_path):
    process = start(small, tmp_path / "run")
    process.kill()
    process.communicate()
    summary = tmp_path / "run" / "summary.json"
    for _ in range(300):
        if summary.is_file():
            break
        time.sleep(0.1)
    assert json.loads(summary.read_text())["outcome"] == "stopped"


def test_a_simulation_takes_object_probe_and_positions(small):
    made = pty.simulate(object=small.object, probe=small.probe[0], positions=small.positions[:7], progress=False)
    assert made.diffraction.shape == (7, 64, 64) and np.allclose(made.positions, small.positions[:7])
    patches = pty.simulate(n_images=5, patches=True, progress=False)
    assert patches._array("Y").shape == (5, 64, 64)


def test_an_inspection_lists_arrays_and_verdicts(star):
    found = pty.inspect(star)
    assert found.usable and not found.problems
    assert "diffraction" in str(found) and "<table>" in found._repr_html_()
    assert not pty.inspect({"diffraction": np.zeros((3, 64, 64)), "positions": np.zeros((3, 2))}).usable


def test_a_progress_bar_describes_stage_epoch_and_loss(small, tmp_path, capsys):
    pty.direct(small, direct_epochs=2, output_dir=tmp_path / "run", progress=True)
    shown = capsys.readouterr().err
    assert "Training [" in shown and "epoch 2/2, loss" in shown


def test_every_public_name_is_documented():
    for name in pty.__all__:
        entry = getattr(pty, name)
        assert name in ("Event", "EventHandler") or entry.__doc__, name
        if isinstance(entry, type):
            for key, value in vars(entry).items():
                if not key.startswith("_") and (callable(value) or isinstance(value, property)):
                    assert value.__doc__, f"{name}.{key}"
