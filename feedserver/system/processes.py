"""Processes that work for long: a module of this package in one of its own, and pools of spawned ones.

Spawned, because a fork would inherit locks and connections; and each process of a pool ends when its parent
does, however that ends, where an executor's processes would wait for ever. No process that is started here
imports a module from the working directory, which may be a folder of articles. Knows nothing of the work.
"""

from __future__ import annotations

import gc
import os
import signal
import site
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context, parent_process
from pathlib import Path

_NICENESS = 10


def module_command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this package in a process of its own."""
    return [sys.executable, "-P", "-m", module, *arguments]


def module_environment() -> Mapping[str, str]:
    """The environment for `module_command`: the process finds this package where it is not installed."""
    package = str(Path(__file__).resolve().parent.parent)
    if package in site.getsitepackages():
        return os.environ
    others = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{others}" if others else package}


def spawned_pool(processes: int, start: Callable[[bytes], None], argument: bytes) -> ProcessPoolExecutor:
    """A pool whose processes call `start` with an argument before their first piece of work."""
    # multiprocessing starts an interpreter with `-c`, which would import from the working directory. It has
    # no option of its own for `-P`, and hands on the environment of this process.
    os.environ["PYTHONSAFEPATH"] = "1"
    return ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=_start, initargs=(start, argument)
    )


def ended_by(status: int) -> str:
    """The reason why a process ended, in words, from the status that `subprocess` gives."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"


def step_back() -> None:
    """Let processes that answer requests go first."""
    # A sandbox may deny that, but no work for it.
    with suppress(OSError):
        os.nice(_NICENESS)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def freeze_imports() -> None:
    """Exclude all objects that exist now from garbage collection, because they stay until the process ends.

    Passing over it time and again took a tenth of the reading of files and a sixth of the loading of an
    index; in a worker one pass over 80,000 objects takes 55 ms, of whatever request it falls into (measured).
    """
    gc.freeze()


def _start(start: Callable[[bytes], None], argument: bytes) -> None:
    # A terminal sends Ctrl-C to all processes in front of it. Which work is done then the parent knows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    step_back()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    start(argument)
    freeze_imports()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
