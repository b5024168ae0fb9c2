"""A pool of processes that read files, so that a file that crashes its process costs only itself (promise 5).

The parent's side of `reader_process`. Each process marks the file that it is reading. If the process dies, is
killed, or exceeds its bounds, another process reads the other files of the piece, and later the marked file
alone. If a process ends at it again, the reading queue sets the file aside under its stamp. Each
process has its own pipe, so that a process that is killed while it answers leaves no partial answer to
others.
"""

from __future__ import annotations

import atexit
import logging
import mmap
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Pipe
from typing import NamedTuple

import msgspec

from feedserver.index.file_values import Stamp
from feedserver.indexing.plan import Plan
from feedserver.indexing.reader_values import IDLE, OUT_OF_MEMORY, Bounds, FileReading, Wanted, Work
from feedserver.indexing.scanner import stamp_at
from feedserver.system.processes import ended_by, module_command, module_environment

log = logging.getLogger(__name__)

# The wall-clock time that a file may take, as a multiple of its CPU bound: the machine may be busy.
PATIENCE = 6

# How long a process may take from its start to its first file; usually half a second of CPU.
START_SECONDS = 60.0

# How long to wait for the end of a killed process. A process that waits in the kernel for a file server takes
# longer, and is not waited for.
END_SECONDS = 5.0

# After so many deaths in a row of processes that had not begun to read, the cause is the system and not the
# files.
MOST_DEATHS = 3

_FOUND = msgspec.msgpack.Decoder(list[FileReading | None])


class ReaderDiedError(Exception):
    """A reading process ended.

    Attributes:
        position: of the file in its piece that it was reading; None between files.
        reason: why it ended, as far as known.
    """

    def __init__(self, position: int | None, reason: str) -> None:
        self.position = position
        self.reason = reason
        super().__init__(position, reason)


class ReadersUnusableError(Exception):
    """No process can be started that reads files here; the text is the reason."""


class Suspect(NamedTuple):
    """A file that a process was reading when it ended: the stamp of the file then, and the reason."""

    stamp: Stamp
    reason: str


class Reader:
    """One process, used by one thread at a time. `is_background` gives it the lowest priority."""

    def __init__(self, is_background: bool) -> None:
        self._plan: Plan | None = None
        self._connection, theirs = Pipe()
        with tempfile.TemporaryFile() as file, theirs:
            file.truncate(1)
            self._mark = mmap.mmap(file.fileno(), 1)
            self._mark[0] = IDLE
            descriptors = (theirs.fileno(), file.fileno())
            arguments = [*map(str, descriptors), *(["background"] if is_background else [])]
            self._process = subprocess.Popen(  # noqa: S603  our own module, by the running interpreter
                module_command("feedserver.indexing.reader_process", *arguments),
                env=module_environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=descriptors,
                # Not in the process group of the terminal: after Ctrl-C the parent decides.
                process_group=0,
            )

    def is_alive(self) -> bool:
        """Whether the process still runs: a process that has grown ends between two pieces."""
        return self._process.poll() is None

    def read(self, plan: Plan, piece: Sequence[Wanted], bounds: Bounds) -> list[FileReading | None]:
        """The readings of some files, in their order.

        Raises:
            ReaderDiedError: if the process ended, or had to be ended.
        """
        work = Work(plan=None if plan is self._plan else plan, bounds=bounds, piece=tuple(piece))
        self._plan = plan
        self._mark[0] = IDLE  # a mark of the previous piece may be left
        try:
            self._connection.send_bytes(msgspec.msgpack.encode(work))
            self._wait(bounds.cpu_seconds * PATIENCE)
            return _FOUND.decode(self._connection.recv_bytes())
        except (EOFError, OSError):
            raise self._death(bounds) from None

    def _wait(self, seconds: float) -> None:
        """Wait for an answer, as long as the process proceeds from file to file."""
        begun = time.monotonic()
        while not self._connection.poll(seconds):
            before = self._mark[0]
            if before == IDLE and time.monotonic() - begun < START_SECONDS:
                continue
            if self._connection.poll(seconds) or self._mark[0] != before:
                continue
            self._process.kill()
            raise ReaderDiedError(self._position(), f"it did not go on for {seconds:.0f} s")

    def _death(self, bounds: Bounds) -> ReaderDiedError:
        try:
            status = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return ReaderDiedError(self._position(), "it closed its connection")
        return ReaderDiedError(self._position(), _reason(status, bounds))

    def _position(self) -> int | None:
        return None if self._mark[0] == IDLE else self._mark[0]

    def kill(self) -> None:
        """Kill the process, even while it works. A thread that waits for it gets a ReaderDiedError."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)

    def close(self) -> None:
        """Kill the process, and release its resources."""
        self.kill()
        self._connection.close()
        self._mark.close()


class ReaderPool:
    """A pool of reading processes, started when they are needed. Many threads may use it.

    Args:
        is_background: as of `Reader`.
        spare: how many idle processes are kept.
    """

    def __init__(self, *, is_background: bool = False, spare: int = 0) -> None:
        self.pid = os.getpid()
        self._is_background = is_background
        self._spare = spare
        self._lock = threading.Lock()
        self._idle: list[Reader] = []
        self._busy: set[Reader] = set()
        self._is_closed = False

    def warm_up(self) -> None:
        """Start a process now, so that the first file does not wait for it."""
        self._give_back(self._take())

    def read(self, plan: Plan, piece: Sequence[Wanted]) -> list[FileReading | Suspect | None]:
        """The readings of some files, in their order: None for a missing file, a `Suspect` to be read again.

        Raises:
            ReadersUnusableError: if no process can be started, or none that works.
        """
        found: dict[int, FileReading | Suspect | None] = {}
        pending, bounds = list(range(len(piece))), Bounds.of(plan.max_file_size)
        while pending:
            try:
                readings = self._read_by_one(plan, [piece[position] for position in pending], bounds)
            except ReaderDiedError as death:
                culprit = pending.pop(death.position or 0)
                found[culprit] = _suspected(plan, piece[culprit], death)
            else:
                found.update(zip(pending, readings, strict=True))
                pending = []
        return [found[position] for position in range(len(piece))]

    def read_again(self, plan: Plan, wanted: Wanted, suspect: Suspect) -> FileReading | Suspect | None:
        """The reading of a suspect; a `Suspect` with the stamp of the first time if it ends a process again.

        Raises:
            ReadersUnusableError: as `read`.
        """
        try:
            return self._read_by_one(plan, [wanted], Bounds.of(plan.max_file_size, is_again=True))[0]
        except ReaderDiedError as death:
            return suspect._replace(reason=death.reason)

    def close(self) -> None:
        """Kill all processes, even while they read. A thread that waits for one gets an error."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
            busy = set(self._busy)
        for reader in busy:
            reader.kill()
        for reader in idle:
            reader.close()

    def _read_by_one(self, plan: Plan, piece: Sequence[Wanted], bounds: Bounds) -> list[FileReading | None]:
        """The readings of some files. A ReaderDiedError is raised only if a file was being read."""
        deaths = 0
        while True:
            try:
                return self._read_once(plan, piece, bounds)
            except ReaderDiedError as death:
                deaths += 1
                if death.position is not None:
                    raise
                if deaths == MOST_DEATHS:
                    raise ReadersUnusableError(death.reason) from death

    def _read_once(self, plan: Plan, piece: Sequence[Wanted], bounds: Bounds) -> list[FileReading | None]:
        reader = self._take()
        try:
            readings = reader.read(plan, piece, bounds)
        except BaseException:
            with self._lock:
                self._busy.discard(reader)
            reader.close()
            raise
        self._give_back(reader)
        return readings

    def _take(self) -> Reader:
        with self._lock:
            while True:
                if self._is_closed:
                    raise ReadersUnusableError("they were told to end")
                reader = self._idle.pop() if self._idle else self._started()
                if reader.is_alive():
                    self._busy.add(reader)
                    return reader
                reader.close()

    def _started(self) -> Reader:
        try:
            return Reader(self._is_background)
        except OSError as error:
            raise ReadersUnusableError(str(error)) from error

    def _give_back(self, reader: Reader) -> None:
        with self._lock:
            self._busy.discard(reader)
            is_kept = not self._is_closed and len(self._idle) < self._spare
            if is_kept:
                self._idle.append(reader)
        if not is_kept:
            reader.close()


def _suspected(plan: Plan, wanted: Wanted, death: ReaderDiedError) -> Suspect:
    log.warning("%s ended the process that read it (%s); it is read once more", wanted.path, death.reason)
    # As the scanner would find it; `NO_STAMP` if there is no file.
    path = os.path.join(plan.roots[wanted.root].path, wanted.path)  # noqa: PTH118  as in the scanner
    return Suspect(stamp_at(path), death.reason)


def _reason(status: int, bounds: Bounds) -> str:
    """The reason why a process ended, from its exit status."""
    if status == OUT_OF_MEMORY:
        return f"it took more than {bounds.memory_bytes // 1_000_000} MB of memory"
    if status == -signal.SIGPROF:
        return f"it took more than {bounds.cpu_seconds:g} s of CPU"
    return ended_by(status)


_process_pool: ReaderPool | None = None
_inherited: list[ReaderPool] = []


def process_pool() -> ReaderPool:
    """The pool of this process for a few files at a time; its processes are kept."""
    global _process_pool  # noqa: PLW0603  as the process itself, there is one
    if _process_pool is not None and _process_pool.pid != os.getpid():
        _inherited.append(_process_pool)  # after a fork: the parent's, so its destructor must not run
        _process_pool = None
    if _process_pool is None:
        # Two, because files that have just changed are read between the steps of a scan that reads.
        _process_pool = ReaderPool(spare=2)
        atexit.register(close_process_pool)
    return _process_pool


def close_process_pool() -> None:
    """End the processes of `process_pool`. The next use starts another pool."""
    global _process_pool  # noqa: PLW0603  as above
    if _process_pool is not None and _process_pool.pid == os.getpid():
        _process_pool.close()
    _process_pool = None
