"""The main program of a process that reads files.

Started by `reader_pool` with one end of a pipe. It receives pieces, which are lists of files, and sends their
readings back; before each file it sets a mark in memory that it shares with its parent. The kernel ends the
process at a file that takes too much CPU. The process exits by itself if it runs out of memory, if its parent
is gone, and after it has grown. It reads article files only, opens no index and holds no lock, so its death
costs nothing else.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from feedserver.indexing.plan import Plan
from feedserver.indexing.reader_values import IDLE, OUT_OF_MEMORY, Bounds, FileReading, Wanted, Work
from feedserver.indexing.readings import internal_error, read_wanted
from feedserver.model import Verdict
from feedserver.system.processes import freeze_imports, step_back

# A process that is larger than this ends after its piece, because the interpreter returns memory to the
# system late, and one large article should not occupy it for good. An ordinary process takes 40 MB
# (measured).
GROWN_BYTES = 200_000_000

_WORK = msgspec.msgpack.Decoder(Work)
_ENCODER = msgspec.msgpack.Encoder()


def main(connection: Connection, mark: mmap.mmap) -> None:
    """Read the files that the other end of the connection asks for, until it is closed."""
    plan: Plan | None = None
    freeze_imports()
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while not _has_grown():
            work = _WORK.decode(connection.recv_bytes())
            if work.plan is not None:
                plan = work.plan
                _limit_memory(work.bounds)
            if plan is None:
                raise AssertionError("the plan comes with the first piece")
            connection.send_bytes(_read_piece(plan, work, mark))
            mark[0] = IDLE


def _read_piece(plan: Plan, work: Work, mark: mmap.mmap) -> bytes:
    encoded = []
    for position, wanted in enumerate(work.piece):
        mark[0] = position
        # The kernel ends the process; a signal handler in Python would wait for a regular expression to
        # finish.
        signal.setitimer(signal.ITIMER_PROF, work.bounds.cpu_seconds)
        encoded.append(msgspec.Raw(_encoded(plan, wanted)))
    signal.setitimer(signal.ITIMER_PROF, 0)
    return _ENCODER.encode(encoded)


def _encoded(plan: Plan, wanted: Wanted) -> bytes:
    """The encoded reading of one file."""
    try:
        reading = read_wanted(plan, wanted)
        return _sendable(reading)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # destructors and buffers would need memory


def _sendable(reading: FileReading | None) -> bytes:
    try:
        return _ENCODER.encode(reading)
    except (UnicodeError, ValueError, TypeError) as error:  # half a surrogate pair, for example
        if reading is None:
            raise
        is_hidden = reading.content.verdict is Verdict.HIDDEN
        return _ENCODER.encode(internal_error(reading.stamp, error, is_hidden=is_hidden))


def _limit_memory(bounds: Bounds) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = bounds.memory_bytes if hard == resource.RLIM_INFINITY else min(bounds.memory_bytes, hard)
    # Not RLIMIT_AS, which counts memory that is mapped and never used. Some systems lack RLIMIT_DATA.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _has_grown() -> bool:
    # Not by `ru_maxrss`, which begins with the value of the parent (Linux keeps it over exec).
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except OSError:
        return False  # not Linux
    return pages * resource.getpagesize() > GROWN_BYTES


def _be_the_first_to_go() -> None:
    """Make the kernel choose this process, not another one of ours, when the machine is out of memory."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


if __name__ == "__main__":
    # A child inherits how its parent handles this signal.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF})
    _be_the_first_to_go()
    if sys.argv[3:] == ["background"]:
        step_back()
    main(Connection(int(sys.argv[1])), mmap.mmap(int(sys.argv[2]), 1))
