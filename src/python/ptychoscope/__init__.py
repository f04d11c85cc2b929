"""Ptychoscope from Python: diffraction patterns in, stitched amplitude and phase of the object out.

    import ptychoscope as pty

    run = pty.run("scan.npz", time_budget=60)    # train, reconstruct
    run.object                                   # complex (H, W)
    run.plot()

Each job is a process of the program, driven by its events: a crash never takes the notebook with it, and Ctrl-C stops
a job and keeps its result. Arrays are NumPy arrays, row-major; x is the column, y the row; positions are object pixels
and name the center (index N/2) of a patch. Settings have the names of the configuration; `settings()` lists them.
"""

from ._datasets import Dataset
from ._errors import DeviceError, InputError, ProgramNotFoundError, PtychoscopeError
from ._jobs import devices, direct, infer, polish, predict, resume, run, simulate, train
from ._program import Event, EventHandler, program
from ._results import Evaluation, History, Inspection, Run, evaluate, inspect, open_run
from ._settings import Setting, settings

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "DeviceError",
    "Evaluation",
    "Event",
    "EventHandler",
    "History",
    "InputError",
    "Inspection",
    "ProgramNotFoundError",
    "PtychoscopeError",
    "Run",
    "Setting",
    "devices",
    "direct",
    "evaluate",
    "infer",
    "inspect",
    "open_run",
    "polish",
    "predict",
    "program",
    "resume",
    "run",
    "settings",
    "simulate",
    "train",
]
