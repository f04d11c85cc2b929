"""Running the program: one process per job, driven by the events it prints as JSON, one per line."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ._errors import ProgramNotFoundError, PtychoscopeError, from_event

Event = dict[str, Any]
"""An event of a job: `event` names its kind (stage, progress, epoch, note, saved, finished, …), `at_s` is its time."""

EventHandler = Callable[[Event], object]
"""Called with every event; returning False stops the job and keeps its result."""

STOPPED = 3
"""Exit code of a job stopped by the user whose result is kept."""

_WINDOWS = sys.platform == "win32"
_LAST_LINES = 40


def program() -> str:
    """Path of the program: `PTYCHOSCOPE_PROGRAM`, or the one installed with this package, or the one on `PATH`.

    Raises:
        ProgramNotFoundError: There is none.
    """
    chosen = os.environ.get("PTYCHOSCOPE_PROGRAM")
    if chosen:
        found = shutil.which(chosen)
        if found is None:
            raise ProgramNotFoundError(
                "PTYCHOSCOPE_PROGRAM names no program", "an executable file", "Correct or unset the variable", chosen
            )
        return found
    name = "ptychoscope.exe" if _WINDOWS else "ptychoscope"
    folders = [sysconfig.get_path("scripts"), str(Path(sys.executable).parent)]
    with contextlib.suppress(KeyError):
        folders.append(sysconfig.get_path("scripts", f"{os.name}_user"))
    for folder in folders:
        path = Path(folder) / name
        if path.is_file():
            return str(path)
    on_path = shutil.which(name)
    if on_path is None:
        raise ProgramNotFoundError(
            "The program ptychoscope was not found",
            "it beside Python or on the PATH",
            "Install it with `pip install ptychoscope`, or set PTYCHOSCOPE_PROGRAM to its path",
        )
    return on_path


def run_json(arguments: Sequence[str | os.PathLike[str]]) -> Any:
    """Runs a command that prints one JSON document, and returns it.

    Raises:
        PtychoscopeError: The command failed.
    """
    text, errors, code = _run([*arguments, "--json"])
    try:
        document = json.loads(text)
    except ValueError:
        raise _failure(_events(text), code, errors) from None
    if isinstance(document, dict) and document.get("event") == "failed":
        raise from_event(document)
    return document


def run_text(arguments: Sequence[str | os.PathLike[str]]) -> str:
    """Runs a command and returns what it prints.

    Raises:
        PtychoscopeError: The command failed.
    """
    text, errors, code = _run(arguments)
    if code != 0:
        raise _failure([], code, errors)
    return text


def _run(arguments: Sequence[str | os.PathLike[str]]) -> tuple[str, list[str], int]:
    done = subprocess.run(
        [program(), *_words(arguments)], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    return done.stdout, done.stderr.splitlines(), done.returncode


def _words(arguments: Sequence[str | os.PathLike[str]]) -> list[str]:
    return [os.fspath(word) for word in arguments]


def _events(text: str) -> list[Event]:
    events = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                events.append(event)
    return events


class Job:
    """A running job. Iterate over it for its events; a crash of the program raises an exception here, no more.

    The program runs in its own process group, so that Ctrl-C reaches only Python, which passes it on once. It stops by
    itself if this process ends.
    """

    def __init__(self, arguments: Sequence[str | os.PathLike[str]]) -> None:
        self.stopped = False
        self._arguments = [program(), *_words(arguments), "--json"]
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._errors: deque[str] = deque(maxlen=_LAST_LINES)
        self._process = subprocess.Popen(
            self._arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "PTYCHOSCOPE_STOP_AT_EOF": "1"},
            start_new_session=not _WINDOWS,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._errors.extend, args=(_lines(self._process.stderr),), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in _lines(stream):
            self._lines.put(line)
        self._lines.put(None)

    def stop(self) -> None:
        """Asks the program to stop and to keep the result; kills it if asked again."""
        if self._process.poll() is not None:
            return
        if self.stopped:
            self._process.kill()
        elif _WINDOWS:
            assert self._process.stdin is not None
            self._process.stdin.close()
        else:
            self._process.send_signal(signal.SIGINT)
        self.stopped = True

    def kill(self) -> None:
        """Ends the program at once."""
        self._process.kill()
        self._process.wait()
        self._close()

    def _close(self) -> None:
        for reader in self._readers:
            reader.join()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def __iter__(self) -> Iterator[Event]:
        """The events up to the last.

        Raises:
            PtychoscopeError: The job failed, or the program crashed.
            KeyboardInterrupt: Stopped before there was a result to keep.
        """
        last: Event = {}
        while True:
            try:
                line = self._lines.get(timeout=0.2)
            except queue.Empty:
                continue
            if line is None:
                break
            for event in _events(line):
                last = event
                if event.get("event") != "failed":
                    yield event
        code = self._process.wait()
        self._close()
        if code not in (0, STOPPED):
            if self.stopped and last.get("event") != "failed":
                raise KeyboardInterrupt
            raise _failure([last], code, list(self._errors))


def _lines(stream: IO[str]) -> Iterator[str]:
    with stream:
        yield from (line.rstrip("\n") for line in stream)


def _failure(events: Sequence[Event], code: int, errors: Sequence[str]) -> PtychoscopeError:
    """The exception for a program that ended with this code."""
    for event in events:
        if event.get("event") == "failed":
            return from_event(event)
    reported = [line.removeprefix("Error: ") for line in errors if line.startswith(("Error: ", "error: "))]
    # The message of the last paragraph on standard error, without those of display and driver libraries.
    reported = [line for line in reported if "XDG_RUNTIME_DIR" not in line]
    if reported and code > 0:
        return from_event({"title": reported[-1].removeprefix("error: "), "exit_code": code})
    what = f"was ended by signal {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    said = "; ".join(errors[-3:])
    return PtychoscopeError(f"The program {what}" + (f": {said}" if said else ""), hint="Please report this error")


stop_signals = {signal.SIGINT}
"""Signals that stop a running job instead of what they do otherwise: Ctrl-C."""


@contextlib.contextmanager
def _stopped_by_signals(job: Job) -> Iterator[None]:
    """Within it, the first of these signals stops the job, which then ends as usual; the second one is an exception."""

    def stop(_number: int, _frame: object) -> None:
        if job.stopped:
            raise KeyboardInterrupt
        job.stop()

    usual = (signal.default_int_handler, signal.SIG_DFL)
    main = threading.current_thread() is threading.main_thread()
    taken = [number for number in stop_signals if main and signal.getsignal(number) in usual]
    before = [signal.signal(number, stop) for number in taken]
    try:
        yield
    finally:
        for number, handler in zip(taken, before, strict=True):
            signal.signal(number, handler)


def run_job(
    arguments: Sequence[str | os.PathLike[str]], on_event: EventHandler | None, progress: EventHandler | None = None
) -> Event:
    """Runs a job to its end and returns its last event, with the folder of the run as `folder`.

    Raises:
        PtychoscopeError: The job failed, or the program crashed.
        KeyboardInterrupt: Interrupted twice, or before there was a result to keep.
    """
    job = Job(arguments)
    finished: Event = {}
    folder = None
    try:
        with _stopped_by_signals(job):
            for event in job:
                if event.get("event") == "folder":
                    folder = event["path"]
                if event.get("event") == "finished":
                    finished = event
                for handler in (progress, on_event):
                    if handler is not None and handler(event) is False and not job.stopped:
                        job.stop()
    except BaseException:
        job.kill()
        if progress is not None:
            progress({"event": "failed"})
        raise
    return {**finished, "folder": folder}
