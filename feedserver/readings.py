"""From a found path to a reading: the bytes of one file, and what they say; many files at once in a pool.

The step between `scanner` and `articles`, shared by who indexes and who checks. Writes nothing and
decides nothing about what is published.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
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

# Files that a process of the pool reads at a time, and how many such pieces wait for each.
PIECE_FILES = 100
PIECES_AHEAD = 6

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


def read_all(plan: Plan, wanted: Iterable[Wanted], count: int) -> Iterator[tuple[Wanted, FileReading | None]]:
    """Read files in their order: few of them here, many in a pool of as many processes as there are cores.

    Args:
        plan: for the roots and the rules.
        wanted: the files.
        count: how many they are.
    """
    everything = iter(wanted)
    unread: deque[list[Wanted]] = deque()
    processes = min(cores(), MOST_PROCESSES)
    if count >= LEAST_FOR_POOL and processes > 1:
        try:
            yield from _read_in_pool(plan, everything, processes, unread)
        except BrokenProcessPool as error:
            log.warning("files are read by one process from here on: %s", error)
    for one in chain(*unread, everything):
        yield one, _read(plan, one)


def _read_in_pool(
    plan: Plan, everything: Iterator[Wanted], processes: int, unread: deque[list[Wanted]]
) -> Iterator[tuple[Wanted, FileReading | None]]:
    """Hand out pieces, never many more than are consumed; `unread` holds those that are not read yet."""
    waiting: deque[Future[bytes]] = deque()
    with spawned_pool(processes, _start, msgspec.json.encode(plan)) as pool:
        try:
            while True:
                while len(waiting) < processes * PIECES_AHEAD:
                    piece = list(islice(everything, PIECE_FILES))
                    if not piece:
                        break
                    unread.append(piece)
                    waiting.append(pool.submit(_read_piece, piece))
                if not waiting:
                    return
                found = _DECODER.decode(waiting[0].result())
                waiting.popleft()
                yield from zip(unread.popleft(), found, strict=True)
        finally:
            pool.shutdown(cancel_futures=True)


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
