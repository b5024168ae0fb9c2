"""Sudden deaths: runs something in a forked child that the kernel kills in the middle.

The moments are dense. A *tick* is every few steps of SQLite's machine, every statement that begins, and
every file that is opened, renamed, removed or listed; a child can be killed at any one of them, by its own
hand and by the real signal. With PostgreSQL the moments before a request, between a request and its answer,
and after the answer are ticks. Commits are counted by themselves, too, just before and just after: the time
between the commit of one database and that of the other is short. To hit the inside of a commit, where
nothing ticks, a caller has the child killed after a time. Instead of the child its connections to a database
can die, or the database itself.

Hooks into Python's own `sqlite3`, the connections of `index.postgresql` and audit events, so the program
itself knows nothing of it.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest import mock

from feedserver.errors import StoreUnreachableError
from feedserver.index.postgresql.connections import BoundedConnection

# So many instructions of SQLite's machine are one tick.
INSTRUCTIONS = 50

# The exit status of a child that lost its database, and said so.
_CUT_OFF = 3

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
        self._end: Callable[[], object] = _die
        self._has_committed = False

    def start(self, fatal: dict[str, int], end: Callable[[], object]) -> None:
        self.is_on, self.counts, self.fatal, self._end = True, {"ticks": 0, "commits": 0}, fatal, end
        self._has_committed = False

    def tick(self) -> int:
        if self.is_on:
            self._count("ticks")
            if self._has_committed:
                self._has_committed = False
                self._count("commits")
        return 0

    def statement(self, text: str) -> None:
        self.tick()
        if text.startswith("COMMIT"):
            self.commit()

    def commit(self) -> None:
        if self.is_on:
            self._has_committed = True
            self._count("commits")

    def audit(self, event: str, _: object) -> None:
        if self.is_on and event in FILE_EVENTS:
            self.tick()

    def _count(self, measure: str) -> None:
        self.counts[measure] += 1
        if self.counts[measure] == self.fatal.get(measure):
            self.is_on = False
            self._end()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


_counter = _Counter()
_connect = sqlite3.dbapi2.connect


def _observed_connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
    connection: sqlite3.Connection = _connect(*args, **kwargs)
    if _counter.is_on:
        connection.set_progress_handler(_counter.tick, INSTRUCTIONS)
        connection.set_trace_callback(_counter.statement)
    return connection


_wait, _commit = BoundedConnection.wait, BoundedConnection.commit


def _observed_wait(connection: BoundedConnection, gen: Generator[Any, Any, Any], *args: Any) -> Any:
    _counter.tick()
    result = _wait(connection, _observed(gen), *args)
    _counter.tick()
    return result


def _observed(gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """The same steps of a request; the first one sends it."""
    try:
        wanted = next(gen)
        _counter.tick()
        while True:
            wanted = gen.send((yield wanted))
    except StopIteration as done:
        return done.value


def _observed_commit(connection: BoundedConnection) -> None:
    _counter.commit()
    _commit(connection)


@contextmanager
def _counting(fatal: dict[str, int], end: Callable[[], object] = _die) -> Iterator[None]:
    _counter.start(fatal, end)
    try:
        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(sqlite3.dbapi2, "connect", _observed_connect))
            stack.enter_context(mock.patch.object(BoundedConnection, "wait", _observed_wait))
            stack.enter_context(mock.patch.object(BoundedConnection, "commit", _observed_commit))
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


def killed(
    work: Callable[[], object], death: Death, whole: Ticks, end: Callable[[], object] | None = None
) -> bool:
    """Do some work in a child that dies on the way. No thread and no connection may be open in this process.

    Args:
        work: what to do.
        death: when.
        whole: how long the work takes.
        end: what happens in the child in place of its death: it cuts off the database.

    Returns:
        Whether it died, or lost its database, before it was done.

    Raises:
        AssertionError: if the work failed by itself.
    """
    counts = {"ticks": whole.all, "commits": whole.commits}
    fatal = {death.measure: 1 + int(death.share * counts[death.measure])} if death.measure in counts else {}
    child = forked(lambda: _work(work, fatal, end or _die))
    if not fatal:
        time.sleep(death.share * whole.seconds)
        os.kill(child, signal.SIGKILL)
    return ended(child)


def _work(work: Callable[[], object], fatal: dict[str, int], end: Callable[[], object]) -> int:
    with _counting(fatal, end):
        try:
            work()
        except StoreUnreachableError:
            if end is _die:
                raise
            return _CUT_OFF
    return 0


def forked(work: Callable[[], int | None]) -> int:
    """Begin some work in a child process, and return its id. The work returns its exit status; none is 0."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = work() or 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return child


def ended(child: int) -> bool:
    """Wait for the end of a child; whether it was killed or cut off. AssertionError if it failed."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL, _CUT_OFF), f"the child ended with status {status}"
    return status != 0
