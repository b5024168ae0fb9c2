"""Decides for each reading of a file how it changes the index, and whether it does so now or later.

A file that is being written waits (`settling`). A file that changed a moment before it was read is read a
second time, because it may have changed since without another stamp. Stores nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from feedserver.index.file_values import FileChange, FileContent, FileKey, FileState, Stamp
from feedserver.index.keeper import BuildKeeper
from feedserver.indexing.jobs import Job
from feedserver.indexing.plan import Plan
from feedserver.indexing.reader_values import FileReading
from feedserver.indexing.scanner import NO_STAMP
from feedserver.indexing.settling import Sight
from feedserver.indexing.writers import writer_of
from feedserver.model import Verdict

# A file whose ctime lies this close to its reading may have changed since without another stamp (file
# systems keep time in ticks); it is read once more.
UNSETTLED_SECONDS = 2.0


class Judge:
    """Makes changes of the index from readings, and remembers the files that are to be read a second time.

    Args:
        plan: for the roots.
        keeper: tells whether a file is published.
        clock: seconds since the epoch.
    """

    def __init__(self, plan: Plan, keeper: BuildKeeper, clock: Callable[[], float]) -> None:
        self._plan = plan
        self._keeper = keeper
        self._clock = clock
        self._second_looks: dict[FileKey, float] = {}

    def change_by(self, reading: FileReading | None, key: FileKey, job: Job) -> FileChange | None:
        """The change by a reading, which is None for a file that is gone; None if it has to wait."""
        if reading is None:
            return self.removal(key) if job.may_be_removed(key, NO_STAMP) else None
        if reading.is_found:
            return self.change(key, reading.stamp, reading.content)
        if not self._may_be_published(reading, key, job):
            return None
        job.arrived.append(reading.stamp)
        return self._settled(key, reading.stamp, reading.content)

    def change(self, key: FileKey, stamp: Stamp, content: FileContent) -> FileChange:
        """The change that stores a file."""
        return FileChange(key=key, order_path=self._order_path(key), stamp=stamp, content=content)

    def removal(self, key: FileKey) -> FileChange:
        """The change that removes a file."""
        self._second_looks.pop(key, None)
        return FileChange(key=key, order_path=self._order_path(key))

    def due(self) -> set[FileKey]:
        """Take the files that are to be read a second time now."""
        now = self._clock()
        # Also those that are far ahead: the clock was set back meanwhile.
        due = {
            key for key, when in self._second_looks.items() if not now < when <= now + 2 * UNSETTLED_SECONDS
        }
        for key in due:
            del self._second_looks[key]
        return due | self._keeper.writer.take_outdated()

    def next_due(self) -> float:
        """When the next second look is due, in seconds since the epoch; infinite if none is."""
        if self._keeper.writer.has_outdated():
            return 0.0
        return min(self._second_looks.values(), default=float("inf"))

    def _may_be_published(self, reading: FileReading, key: FileKey, job: Job) -> bool:
        """Whether a file is still, or has waited for that long enough."""
        if job.settling is None:
            return True
        sight = Sight(
            stamp=reading.stamp,
            writer=writer_of(self._plan.roots[key.root].path, key.path, reading.stamp),
            age=self._clock() - reading.stamp.mtime_ns / 1e9,
            is_replaced=key in job.replaced,
            hides=reading.content.verdict is Verdict.HIDDEN,
        )
        return job.settling.may_be_published(key, sight, time.monotonic())

    def _settled(self, key: FileKey, stamp: Stamp, content: FileContent) -> FileChange | None:
        """Judge a reading by the age of the file.

        A file that was just changed is read once more, so it is stored as unsettled. If it just ceased to be
        an article, it may be in the middle of being written (an editor truncates before it writes): then the
        published version stays until the second look. The clock of a file server may be ahead of ours.
        """
        age = self._clock() - stamp.ctime_ns / 1e9
        if abs(age) >= UNSETTLED_SECONDS:
            self._second_looks.pop(key, None)
            return self.change(key, stamp, content)
        self._second_looks[key] = self._clock() + UNSETTLED_SECONDS - age + 0.05
        if content.verdict in (Verdict.NOT_ARTICLE, Verdict.UNDATED) and self._keeper.writer.is_in_use(key):
            return None
        return self.change(key, msgspec.structs.replace(stamp, state=FileState.UNSETTLED), content)

    def _order_path(self, key: FileKey) -> str:
        prefix = self._plan.roots[key.root].reading.id_prefix
        return f"{prefix}/{key.path}" if prefix else key.path
