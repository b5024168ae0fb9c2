"""Sudden deaths: runs something in a forked child that the kernel kills in the middle.

The moments are dense. A *tick* is every few steps of SQLite's machine, every statement that begins, and
every file that is opened, renamed, removed or listed; a child can be killed at any one of them, by its own
hand and by the real signal. Commits are counted by themselves, too, just before and just after: the
time between the commit of one database and that of the other is short. To hit the inside of a commit, where
nothing ticks, a caller has the child killed after a time.

Hooks into Python's own `sqlite3` and audit events, so the program itself knows nothing of it.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest import mock

# So many instructions of SQLite's machine are one tick.
INSTRUCTIONS = 50

FILE_EVENTS = frozenset({"open", "os.rename", "os.remove", "os.scandir", "os.listdir"})


class Ticks(NamedTuple):
    """How long something took: all ticks, those at commits, and seconds."""

    all: int
    commits: int
    seconds: float


class Death(NamedTuple):
    """When to die, as a share (0 to 1) of how long the work takes: in `ticks`, `commits` or `seconds`."""

    measure: str
    share: float


class _Counter:
    """Counts the ticks of this process while it is on; kills the process at a fatal one."""

    def __init__(self) -> None:
        self.is_on = False
        self.counts = {"ticks": 0, "commits": 0}
        self.fatal: dict[str, int] = {}
        self._has_committed = False

    def start(self, fatal: dict[str, int]) -> None:
        self.is_on, self.counts, self.fatal = True, {"ticks": 0, "commits": 0}, fatal

    def tick(self) -> int:
        if self.is_on:
            self._count("ticks")
            if self._has_committed:
                self._has_committed = False
                self._count("commits")
        return 0

    def statement(self, text: str) -> None:
        self.tick()
        if self.is_on and text.startswith("COMMIT"):
            self._has_committed = True
            self._count("commits")

    def audit(self, event: str, _: object) -> None:
        if self.is_on and event in FILE_EVENTS:
            self.tick()

    def _count(self, measure: str) -> None:
        self.counts[measure] += 1
        if self.counts[measure] == self.fatal.get(measure):
            os.kill(os.getpid(), signal.SIGKILL)


_counter = _Counter()
_connect = sqlite3.dbapi2.connect


def _observed_connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
    connection: sqlite3.Connection = _connect(*args, **kwargs)
    if _counter.is_on:
        connection.set_progress_handler(_counter.tick, INSTRUCTIONS)
        connection.set_trace_callback(_counter.statement)
    return connection


@contextmanager
def _counting(fatal: dict[str, int]) -> Iterator[None]:
    _counter.start(fatal)
    try:
        with mock.patch.object(sqlite3.dbapi2, "connect", _observed_connect):
            yield
    finally:
        _counter.is_on = False


def prepare() -> None:
    """Install what cannot be removed again. Once in a process that does nothing else."""
    sys.addaudithook(_counter.audit)


def counted(work: Callable[[], object]) -> Ticks:
    """Do some work in this process, and tell how long it took."""
    begun = time.perf_counter()
    with _counting({}):
        work()
    return Ticks(_counter.counts["ticks"], _counter.counts["commits"], time.perf_counter() - begun)


def killed(work: Callable[[], object], death: Death, whole: Ticks) -> bool:
    """Do some work in a child that dies on the way. No thread and no connection may be open in this process.

    Args:
        work: what to do.
        death: when.
        whole: how long the work takes.

    Returns:
        Whether it died before it was done.

    Raises:
        AssertionError: if the work failed by itself.
    """
    counts = {"ticks": whole.all, "commits": whole.commits}
    fatal = {death.measure: 1 + int(death.share * counts[death.measure])} if death.measure in counts else {}
    child = forked(lambda: _work(work, fatal))
    if not fatal:
        time.sleep(death.share * whole.seconds)
        os.kill(child, signal.SIGKILL)
    return ended(child)


def _work(work: Callable[[], object], fatal: dict[str, int]) -> None:
    with _counting(fatal):
        work()


def forked(work: Callable[[], object]) -> int:
    """Begin some work in a child process, and return its id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


def ended(child: int) -> bool:
    """Wait for the end of a child; whether it was killed. Raises AssertionError if it failed by itself."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), f"the child ended with status {status}"
    return status != 0
