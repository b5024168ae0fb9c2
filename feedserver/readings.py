"""From a found path to a reading: the bytes of one file, and what they say; many files at once in a pool.

The step between `scanner` and `articles`, shared by who indexes and who checks. Writes nothing and
decides nothing about what is published.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import NamedTuple

import msgspec

from feedserver.articles.reading import read_article
from feedserver.index.contents import content_of
from feedserver.model import FileContent, Selection, Severity, Stamp, Value, Verdict
from feedserver.plan import Plan, Root
from feedserver.processes import cores, spawned_pool
from feedserver.scanner import Found, Unreadable, read_bytes

log = logging.getLogger(__name__)

# Starting two processes takes as long as reading a thousand files.
LEAST_FOR_POOL = 2000

# Files that a process of the pool reads at a time, and how many such pieces are read ahead of who takes them:
# a second's work of two processes, some 10 MB.
PIECE_FILES = 100
PIECES_AHEAD = 32

MOST_PROCESSES = 8


class FileReading(Value, frozen=True):
    """What a file is and says, under the stamp that its bytes had. `is_found` if the scan said it all."""

    stamp: Stamp
    content: FileContent
    is_found: bool = False


class Wanted(NamedTuple):
    """A file to read: the position of its root, its path, and what the scan had to say of it, if anything.

    No more than that, as a first scan holds one for each of a million files.
    """

    root: int
    path: str
    found: Found | None = None

    @classmethod
    def of(cls, root: int, found: Found) -> Wanted:
        """What to read of what was found."""
        return cls(root, found.path, None if found.finding is None else found)


def read_wanted(
    root: Root, wanted: Wanted, max_file_size: int, selections: Sequence[Selection] = ()
) -> FileReading | None:
    """What a path is and says now; None if it is gone; `selections` are the feeds of the settings."""
    found = wanted.found
    if found is not None and found.finding is not None:
        broken = found.finding.severity is Severity.ERROR
        verdict = Verdict.BROKEN if broken else Verdict.NOT_ARTICLE
        content = FileContent(verdict=verdict, findings=(found.finding,))
        return FileReading(stamp=found.stamp, content=content, is_found=True)
    result = read_bytes(root.path, wanted.path, max_file_size)
    if result is None:
        return None
    if isinstance(result, Unreadable):
        content = FileContent(verdict=Verdict.BROKEN, findings=(result.finding,))
        return FileReading(stamp=result.stamp, content=content)
    raw, stamp = result
    mtime = datetime.fromtimestamp(stamp.mtime_ns // 1_000_000_000, UTC)
    reading = read_article(raw, PurePosixPath(wanted.path), mtime, root.reading)
    return FileReading(stamp=stamp, content=content_of(reading, selections))


class ReadingQueue:
    """Files to be read, and in their order what they say: few are read here, many by a pool of processes.

    The pool has as many processes as there are cores. It starts as soon as it is clear that there are many,
    and reads the first ones while others are yet looked for.

    Args:
        plan: for the roots and the rules.

    Attributes:
        count: how many files were put.
    """

    def __init__(self, plan: Plan) -> None:
        self.count = 0
        self._plan = plan
        self._processes = min(cores(), MOST_PROCESSES)
        self._pool: ProcessPoolExecutor | None = None
        self._waiting: deque[Wanted] = deque()
        self._handed_out: deque[tuple[list[Wanted], Future[bytes]]] = deque()

    def put(self, wanted: Wanted) -> None:
        """Read this file as well."""
        self.count += 1
        self._waiting.append(wanted)
        if self.count == LEAST_FOR_POOL and self._processes > 1:
            self._pool = spawned_pool(self._processes, _start, msgspec.json.encode(self._plan))
        is_time = self.count == LEAST_FOR_POOL or len(self._waiting) == PIECE_FILES
        if is_time and self._pool is not None:
            with suppress(BrokenProcessPool):  # `readings` finds it broken, too
                self._hand_out(self._pool)

    def readings(self) -> Iterator[tuple[Wanted, FileReading | None]]:
        """What the files say; None of a file that is gone."""
        if self._pool is not None:
            try:
                yield from self._read_in_pool(self._pool)
            except BrokenProcessPool as error:
                log.warning("files are read by one process from here on: %s", error)
        for one in chain(*(piece for piece, _ in self._handed_out), self._waiting):
            yield one, _read(self._plan, one)

    def close(self) -> None:
        """End the pool, if there is one."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _read_in_pool(self, pool: ProcessPoolExecutor) -> Iterator[tuple[Wanted, FileReading | None]]:
        while True:
            self._hand_out(pool)
            if not self._handed_out:
                return
            found = _DECODER.decode(self._handed_out[0][1].result())
            yield from zip(self._handed_out.popleft()[0], found, strict=True)

    def _hand_out(self, pool: ProcessPoolExecutor) -> None:
        """Keep the processes busy, with never many more pieces than are consumed."""
        while self._waiting and len(self._handed_out) < PIECES_AHEAD:
            piece = list(islice(self._waiting, PIECE_FILES))
            self._handed_out.append((piece, pool.submit(_read_piece, piece)))
            for _ in piece:
                self._waiting.popleft()


# --- In a process of the pool -------------------------------------------------------------------

_DECODER = msgspec.msgpack.Decoder(list[FileReading | None])
_plan: Plan | None = None


def _start(plan: bytes) -> None:
    global _plan  # noqa: PLW0603  what an initializer leaves for the calls has no other place
    _plan = msgspec.json.decode(plan, type=Plan)


def _read_piece(piece: Sequence[Wanted]) -> bytes:
    if _plan is None:
        raise AssertionError("the pool was not started")
    return msgspec.msgpack.encode([_read(_plan, one) for one in piece])


def _read(plan: Plan, wanted: Wanted) -> FileReading | None:
    return read_wanted(plan.roots[wanted.root], wanted, plan.max_file_size, plan.selections)
