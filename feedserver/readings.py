"""From a found path to a reading: the bytes of one file, and what they say; many files at once in a pool.

The step between `scanner` and `articles`, shared by who indexes and who checks. Writes nothing and
decides nothing about what is published. The pool is of spawned processes, which inherit no lock and no
connection, and which end when their parent does, however it ends.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec

from feedserver.articles.reading import read_article
from feedserver.index.contents import content_of
from feedserver.model import FileContent, Selection, Severity, Stamp, Value, Verdict
from feedserver.plan import Plan, Root
from feedserver.scanner import Found, Unreadable, read_bytes

log = logging.getLogger(__name__)

# Starting two processes takes as long as reading a thousand files.
LEAST_FOR_POOL = 2000

# Files that a process of the pool reads at a time, and how many such pieces wait for each.
PIECE_FILES = 100
PIECES_AHEAD = 3

MOST_PROCESSES = 8


class FileReading(Value, frozen=True):
    """What a file is and says, under the stamp that its bytes had. `is_found` if the scan said it all."""

    stamp: Stamp
    content: FileContent
    is_found: bool = False


class Wanted(NamedTuple):
    """A file to read: the position of its root, and what the scan found of it."""

    root: int
    found: Found


def read_found(
    root: Root, found: Found, max_file_size: int, selections: Sequence[Selection] = ()
) -> FileReading | None:
    """What a path is and says now; None if it is gone; `selections` are the feeds of the settings."""
    if found.finding is not None:
        broken = found.finding.severity is Severity.ERROR
        verdict = Verdict.BROKEN if broken else Verdict.NOT_ARTICLE
        content = FileContent(verdict=verdict, findings=(found.finding,))
        return FileReading(stamp=found.stamp, content=content, is_found=True)
    result = read_bytes(Path(root.path), found.path, max_file_size)
    if result is None:
        return None
    if isinstance(result, Unreadable):
        content = FileContent(verdict=Verdict.BROKEN, findings=(result.finding,))
        return FileReading(stamp=found.stamp, content=content, is_found=True)
    raw, stamp = result
    mtime = datetime.fromtimestamp(stamp.mtime_ns // 1_000_000_000, UTC)
    reading = read_article(raw, PurePosixPath(found.path), mtime, root.reading)
    return FileReading(stamp=stamp, content=content_of(reading, selections))


def read_all(plan: Plan, wanted: Sequence[Wanted]) -> Iterator[tuple[Wanted, FileReading | None]]:
    """Read files in their order: few of them here, many in a pool of as many processes as there are cores."""
    done = 0
    processes = min(_cores(), MOST_PROCESSES)
    if len(wanted) >= LEAST_FOR_POOL and processes > 1:
        try:
            for result in _read_in_pool(plan, wanted, processes):
                done += 1
                yield result
        except BrokenProcessPool as error:
            log.warning("files are read by one process from here on: %s", error)
    for one in wanted[done:]:
        yield one, _read(plan, one)


def _read_in_pool(
    plan: Plan, wanted: Sequence[Wanted], processes: int
) -> Iterator[tuple[Wanted, FileReading | None]]:
    """Hand out pieces, never many more than are consumed."""
    waiting: deque[tuple[list[Wanted], Future[bytes]]] = deque()
    pieces = _pieces(wanted)
    context, start = get_context("spawn"), (msgspec.json.encode(plan),)
    with ProcessPoolExecutor(processes, context, initializer=_start, initargs=start) as pool:
        try:
            while True:
                for piece in islice(pieces, processes * PIECES_AHEAD - len(waiting)):
                    waiting.append((piece, pool.submit(_read_piece, piece)))
                if not waiting:
                    return
                piece, future = waiting.popleft()
                yield from zip(piece, _DECODER.decode(future.result()), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)


def _pieces(wanted: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    everything = iter(wanted)
    while piece := list(islice(everything, PIECE_FILES)):
        yield piece


# --- In a process of the pool -------------------------------------------------------------------

_DECODER = msgspec.msgpack.Decoder(list[FileReading | None])
_plan: Plan | None = None


def _start(plan: bytes) -> None:
    """Remember the plan, and end when the parent does: an executor's processes would wait for ever."""
    global _plan  # noqa: PLW0603  what an initializer leaves for the calls has no other place
    _plan = msgspec.json.decode(plan, type=Plan)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _read_piece(piece: Sequence[Wanted]) -> bytes:
    if _plan is None:
        raise AssertionError("the pool was not started")
    return msgspec.msgpack.encode([_read(_plan, one) for one in piece])


def _read(plan: Plan, wanted: Wanted) -> FileReading | None:
    return read_found(plan.roots[wanted.root], wanted.found, plan.max_file_size, plan.selections)


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
