"""A queue of files to be read, which gives their readings in order.

A few files are read by one process that is kept, many by as many processes as there are cores. A file that
ended a process is read again after all others, which do not wait for it. Logs each defect once. Does not use
the index.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import chain, islice
from typing import Any

from cachetools import LRUCache

from feedserver.index.file_values import Stamp
from feedserver.indexing.plan import Plan
from feedserver.indexing.reader_pool import ReaderPool, ReadersUnusableError, Suspect, process_pool
from feedserver.indexing.reader_values import FileReading, Wanted
from feedserver.indexing.readings import read_wanted, set_aside
from feedserver.indexing.scanner import NO_STAMP
from feedserver.system.processes import cores

log = logging.getLogger(__name__)

# Starting two processes takes as long as reading a thousand files.
LEAST_FOR_POOL = 2000

# Files that a process of a pool reads at a time, and how many such pieces are read ahead of their consumer: a
# second's work of two processes, some 10 MB. If there are few files, the pieces are smaller, so that the
# first readings come soon.
PIECE_FILES = 100
FEW_FILES = 20
PIECES_AHEAD = 32

MOST_PROCESSES = 8

# How often the consumer gets None while no reading has come.
TICK_SECONDS = 0.1

# A file that has just changed is read twice; a failure is logged once for each stamp.
_told: LRUCache[tuple[str, str, Stamp], None] = LRUCache(1000)


class ReadingQueue:
    """Files to be read, and their readings.

    The pool for many files has as many processes as there are cores. It starts as soon as there are many
    files in the queue, and reads the first ones while the walk still finds others.

    Args:
        plan: for the roots and the rules.

    Attributes:
        count: how many files were put.
    """

    def __init__(self, plan: Plan) -> None:
        self.count = 0
        self._plan = plan
        self._processes = min(cores(), MOST_PROCESSES)
        self._own_pool: ReaderPool | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._waiting: deque[Wanted] = deque()
        self._handed_out: deque[tuple[list[Wanted], Future[list[FileReading | Suspect | None]]]] = deque()
        self._suspects: list[tuple[Wanted, Suspect]] = []

    def put(self, wanted: Wanted) -> None:
        """Add a file."""
        self.count += 1
        self._waiting.append(wanted)
        if self.count == LEAST_FOR_POOL and self._processes > 1:
            self._own_pool = ReaderPool(is_background=True, spare=self._processes)
        is_time = self.count == LEAST_FOR_POOL or len(self._waiting) == PIECE_FILES
        if is_time and self._own_pool is not None:
            self._hand_out()

    def readings(self) -> Iterator[tuple[Wanted, FileReading | None] | None]:
        """A pair for each file, with its reading, which is None for a missing file.

        They come in their order, but files that ended a process come last. If no reading comes for a while,
        None comes instead of a pair, so that the consumer can do something else.
        """
        try:
            yield from self._first_readings()
        except ReadersUnusableError as error:
            log.warning("files are read without a process of their own from here on: %s", error)
            for wanted in chain(*(piece for piece, _ in self._handed_out), self._waiting):
                yield wanted, self._told(wanted, read_wanted(self._plan, wanted))
        yield from self._second_readings()

    def close(self) -> None:
        """End the processes that were started for this queue."""
        if self._own_pool is not None:
            self._own_pool.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _first_readings(self) -> Iterator[tuple[Wanted, FileReading | None] | None]:
        while True:
            self._hand_out()
            if not self._handed_out:
                return
            piece, future = self._handed_out[0]
            yield from _ticks(future)
            found = future.result()
            self._handed_out.popleft()
            for wanted, reading in zip(piece, found, strict=True):
                if isinstance(reading, Suspect):
                    self._suspects.append((wanted, reading))
                else:
                    yield wanted, self._told(wanted, reading)

    def _second_readings(self) -> Iterator[tuple[Wanted, FileReading | None] | None]:
        for wanted, suspect in self._suspects:
            yield None  # lets the consumer store the files that were read so far
            future = self._threads_of_pool().submit(self._pool().read_again, self._plan, wanted, suspect)
            yield from _ticks(future)
            try:
                reading = future.result()
            except ReadersUnusableError:
                # Until the next scan, which finds another stamp.
                reading = set_aside(self._plan, wanted, NO_STAMP, suspect.reason)
            if isinstance(reading, Suspect):
                reading = set_aside(self._plan, wanted, reading.stamp, reading.reason)
                log.error("%s %s", wanted.path, reading.content.findings[0].message)
            yield wanted, self._told(wanted, reading)

    def _hand_out(self) -> None:
        """Keep the processes busy, and only a bounded number of pieces ahead of the consumer."""
        size = FEW_FILES if self._own_pool is None else PIECE_FILES
        while self._waiting and len(self._handed_out) < PIECES_AHEAD:
            piece = list(islice(self._waiting, size))
            future = self._threads_of_pool().submit(self._pool().read, self._plan, piece)
            self._handed_out.append((piece, future))
            for _ in piece:
                self._waiting.popleft()

    def _pool(self) -> ReaderPool:
        return self._own_pool or process_pool()

    def _threads_of_pool(self) -> ThreadPoolExecutor:
        """Threads that wait for the processes, one for each."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1 if self._own_pool is None else self._processes)
        return self._threads

    def _told(self, wanted: Wanted, reading: FileReading | None) -> FileReading | None:
        """The reading. The traceback of a failed one is logged, once."""
        if reading is None or not reading.trace:
            return reading
        path = self._plan.roots[wanted.root].path
        name = path, wanted.path, reading.stamp
        if name not in _told:
            _told[name] = None
            log.error("%s/%s cannot be read because of a defect:\n%s", path, wanted.path, reading.trace)
        return reading


def _ticks(future: Future[Any]) -> Iterator[None]:
    """None now and then, until a future is done."""
    while not wait([future], TICK_SECONDS).done:
        yield None
