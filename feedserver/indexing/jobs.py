"""Long work of the indexer, done in steps: its progress, its result, and the paths handled meanwhile.

A scan and the reading of many files are jobs. Their caller drives them, one step after another, and attends
to events between two steps; so an edit does not wait for a scan. Does no work itself.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from pathlib import PurePosixPath
from typing import Generic, TypeVar

from feedserver.index.file_values import FileKey, Stamp
from feedserver.indexing.reader_values import Wanted
from feedserver.indexing.reading_queue import ReadingQueue
from feedserver.indexing.scanner import FoundFile
from feedserver.indexing.settling import Settling
from feedserver.model import Value

# A step takes at least this long: a walk over a million files takes twelve seconds.
STEP_SECONDS = 0.02

_Result = TypeVar("_Result")


class Progress(Value, frozen=True):
    """How far a job is: files found so far; of those, how many are to be read, and how many were read."""

    found: int
    done: int
    total: int


class Steps(Generic[_Result]):
    """Work that is done by iterating over it, a step each time. It yields its progress after each step.

    Close it if it is not iterated over to its end.

    Attributes:
        result: of the work; there is one once the last step is done.
    """

    result: _Result

    def __init__(self, work: Generator[Progress, None, _Result]) -> None:
        self._work = work

    def __iter__(self) -> Iterator[Progress]:
        self.result = yield from self._work

    def finish(self) -> _Result:
        """Do all steps without a pause. Returns the result."""
        for _ in self:
            pass
        return self.result

    def close(self) -> None:
        """Abandon the work, and release its resources."""
        self._work.close()


class Job:
    """The files of one piece of work, and their state.

    Args:
        queue: reads the files.
        settling: lets changes wait; None publishes them at once.

    Attributes:
        found: how many files a walk has found.
        wanted: how many files were put into the queue.
        total: how many files are to be read, once that is known.
        done: how many of them were read.
        missing: known files that were not found.
        gone: how many files were retracted.
        has_news: whether any file is new or was changed, and is not only read once more.
        replaced: files that stand where another file was before.
        arrived: the stamps of files that are about to be published.
    """

    def __init__(self, queue: ReadingQueue, settling: Settling | None = None) -> None:
        self.queue = queue
        self.settling = settling
        self.found = self.wanted = self.total = self.done = self.gone = 0
        self.missing: list[FileKey] = []
        self.has_news = False
        self.replaced: set[FileKey] = set()
        self.arrived: list[Stamp] = []
        self._overtaken: set[tuple[int, str]] = set()
        self._next_pause = 0.0

    # --- the files ------------------------------------------------------------------------------

    def counted(self, found: Iterable[FoundFile]) -> Iterator[FoundFile]:
        """The finds of a walk, counted."""
        for one in found:
            self.found += 1
            yield one

    def want(self, root: int, found: FoundFile) -> None:
        """Have a file read that is new or has changed."""
        key = FileKey(root=root, path=found.path)
        self.has_news |= found.known is None or found.is_edited()
        self.expect(key, found)
        known = found.known
        if known is not None and known.has_lasting_inode and found.stamp.inode != known.inode:
            self.replaced.add(key)
        self._put(Wanted.of(root, found))

    def want_all(self, wanted: Iterable[Wanted]) -> None:
        """Have files read that were found before, and had to wait."""
        self.has_news = True
        for one in wanted:
            self._put(one)

    def _put(self, wanted: Wanted) -> None:
        self.wanted += 1
        self.queue.put(wanted)

    def expect(self, key: FileKey, found: FoundFile) -> None:
        """Note that a new file will be read, now or later: it may be one that is gone elsewhere."""
        if self.settling is not None and found.known is None:
            self.settling.expect(key)

    def may_be_removed(self, key: FileKey, stamp: Stamp) -> bool:
        """Whether a file that is gone is retracted now."""
        return self.settling is None or self.settling.may_be_removed(key, stamp, time.monotonic())

    # --- between two steps ----------------------------------------------------------------------

    def overtake(self, root: int, paths: Iterable[str]) -> None:
        """Note paths that were looked at between two steps: earlier readings of them are outdated."""
        self._overtaken.update((root, path) for path in paths)

    def is_overtaken(self, key: FileKey) -> bool:
        """Whether a file, or a folder that it is in, was looked at between two steps."""
        if not self._overtaken:
            return False
        folders = (str(folder) for folder in PurePosixPath(key.path).parents)
        return any((key.root, path) in self._overtaken for path in (key.path, *folders))

    def pause(self) -> Iterator[Progress]:
        """The end of a step, if it took long enough; nothing otherwise."""
        if time.monotonic() >= self._next_pause:
            yield self.progress()
            self._next_pause = time.monotonic() + STEP_SECONDS

    def progress(self) -> Progress:
        """How far the job is."""
        return Progress(found=self.found, done=self.done, total=self.total)
