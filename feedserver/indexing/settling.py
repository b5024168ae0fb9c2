"""Decides whether a change of a file is published now, or when the file or the burst around it is at rest.

Without it, a file that is being written would be published half. A tool that moves files by deleting and
creating them, as `git checkout` does, would take articles down in between. So a written file waits until it
has been unchanged for a moment, and a missing file waits until nothing more happens around it. Each wait has
a bound. A state machine over values: callers pass their observations, with the time of a clock that never
goes back. Reads no file and no clock. With the indexer it keeps promise 5 while files are changing.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from pathlib import PurePosixPath
from typing import NamedTuple

from feedserver.index.file_values import FileKey, Stamp

# A written file waits until it has been unchanged for this time. Programs that write a file in two steps
# pause for 50 ms in the reported cases.
STILL_SECONDS = 0.15

# While a program has the file open for writing, it waits longer, and is checked at this interval.
OPEN_STILL_SECONDS = 5.0
LOOK_SECONDS = 0.1

# A file that never comes to rest is published as it is after this time.
WRITTEN_MOST_SECONDS = 30.0

# A missing file waits until no change was seen for the quiet time, and in a burst that does not end no longer
# than the most. A tool that deletes many files takes longer to create them again, so each of them adds to
# both: on a busy machine `git checkout` paused for 0.5 s between deleting and creating 590 files, and then
# took 6 ms for each.
QUIET_SECONDS = 0.3
QUIET_SECONDS_PER_FILE = 0.003
GONE_MOST_SECONDS = 2.0
GONE_MOST_SECONDS_PER_FILE = 0.01

# A missing file waits longer while a file of the same name was found elsewhere and is not read yet, and while
# a tool is known to be changing the folder and the files that it created are not read yet.
MOVED_MOST_SECONDS = 30.0


class OpenForWriting(Enum):
    """Whether a program has a file open for writing. For some files this cannot be found out."""

    NONE = "none"
    SOME = "some"
    UNKNOWN = "unknown"


class Sight(NamedTuple):
    """An observation of a file that was read.

    Attributes:
        stamp: of the bytes that were read.
        writer: whether it is being written.
        age: the time since it was written, in seconds, by its mtime.
        is_replaced: whether another file was at its path before.
        hides: whether it hides its article.
    """

    stamp: Stamp
    writer: OpenForWriting
    age: float
    is_replaced: bool = False
    hides: bool = False

    def still_seconds(self) -> float:
        """How long the file must have been unchanged before it is published."""
        if self.writer is OpenForWriting.SOME:
            # A retraction does not wait for a program that keeps the file open.
            return STILL_SECONDS if self.hides else OPEN_STILL_SECONDS
        if self.writer is OpenForWriting.NONE and (self.is_replaced or self._is_finished()):
            return 0.0
        return STILL_SECONDS

    def _is_finished(self) -> bool:
        # Writing sets both times to the same moment. A later ctime comes from a rename, or from a tool that
        # sets the mode or the times of a file after it has written it.
        return self.stamp.ctime_ns > self.stamp.mtime_ns


class _Written(NamedTuple):
    """A file that waits to be at rest: since when, its last stamp and the time of it, and the next look."""

    since: float
    stamp: Stamp
    seen: float
    look: float


class _Missing(NamedTuple):
    """A missing file: since when, and its last stamp."""

    since: float
    stamp: Stamp


class Settling:
    """The files whose changes wait. One belongs to one loop, and ends with the process.

    All moments are in seconds of one clock that never goes back.
    """

    def __init__(self) -> None:
        self._written: dict[FileKey, _Written] = {}
        self._missing: dict[FileKey, _Missing] = {}
        self._most_missing = 0
        self._expected: set[str] = set()
        self._is_checkout = False
        self._checkout_is_unread = False
        self._checkout_ended = 0.0
        self._stirred = 0.0

    def stir(self, now: float) -> None:
        """Note that something changes: missing files wait for the end of the burst."""
        self._stirred = now

    # --- files that exist -----------------------------------------------------------------------

    def may_be_published(self, key: FileKey, sight: Sight, now: float) -> bool:
        """Whether a file that was read is published as it is; otherwise it is due again soon."""
        self._missing.pop(key, None)
        before = self._written.pop(key, None)
        since = now if before is None else before.since
        seen = now if before is None or before.stamp != sight.stamp else before.seen
        missing = sight.still_seconds() - max(now - seen, sight.age)
        if missing <= 0 or now - since >= WRITTEN_MOST_SECONDS:
            return True
        look = now + min(missing, LOOK_SECONDS if sight.writer is OpenForWriting.SOME else missing)
        self._written[key] = _Written(since, sight.stamp, seen, look)
        self.stir(now)
        return False

    # --- missing files --------------------------------------------------------------------------

    def may_be_removed(self, key: FileKey, stamp: Stamp, now: float) -> bool:
        """Whether a missing file is retracted; otherwise it is due again later."""
        self._written.pop(key, None)
        if key not in self._missing:
            self._missing[key] = _Missing(now, stamp)
            count = len(self._missing)
            self._most_missing = count if count == 1 else max(count, self._most_missing)
            self.stir(now)
        if now < self._removal(key):
            return False
        del self._missing[key]
        return True

    def _removal(self, key: FileKey) -> float:
        """When a missing file is retracted."""
        since = self._missing[key].since
        if self._checkout_is_unread or _name(key) in self._expected:
            return since + MOVED_MOST_SECONDS
        quiet = QUIET_SECONDS + QUIET_SECONDS_PER_FILE * self._most_missing
        most = GONE_MOST_SECONDS + GONE_MOST_SECONDS_PER_FILE * self._most_missing
        return min(
            max(since, self._stirred) + quiet,
            max(since, self._checkout_ended) + most,
            since + MOVED_MOST_SECONDS,
        )

    def expect(self, key: FileKey) -> None:
        """Note a file that was found and is not read yet: it may be one that is missing elsewhere."""
        if self._missing:
            self._expected.add(_name(key))

    def expect_no_more(self, now: float) -> None:
        """Note that all files that were found have been read."""
        if not self._written:
            self._expected.clear()
            if not self._is_checkout and now >= self._stirred + QUIET_SECONDS:
                self._checkout_is_unread = False

    def note_checkout(self, is_under_way: bool, now: float) -> None:
        """Note whether a tool is changing the folders: it may create elsewhere the files that it deleted."""
        if self._is_checkout and not is_under_way:
            self._checkout_ended = now
            self.stir(now)  # the last files that it created are not seen yet
        self._is_checkout = is_under_way
        self._checkout_is_unread |= is_under_way

    def renamed(self, stamps: Collection[Stamp]) -> list[FileKey]:
        """The missing files that are now at another path with one of these stamps.

        A rename changes the ctime only. The inode alone does not suffice, because a new file may get that of
        a deleted one.
        """
        if not self._missing:
            return []
        places = {(one.inode, one.mtime_ns, one.size) for one in stamps}
        return [
            key
            for key, (_, stamp) in self._missing.items()
            if stamp.has_lasting_inode and (stamp.inode, stamp.mtime_ns, stamp.size) in places
        ]

    def waits_for_removal(self, key: FileKey) -> bool:
        """Whether a file is missing and not yet retracted."""
        return key in self._missing

    def count(self) -> int:
        """How many files wait."""
        return len(self._written) + len(self._missing)

    def has_missing(self) -> bool:
        """Whether any file is missing and not yet retracted."""
        return bool(self._missing)

    def forget(self, key: FileKey) -> None:
        """Stop waiting for a file."""
        self._written.pop(key, None)
        self._missing.pop(key, None)

    # --- when to look again ---------------------------------------------------------------------

    def due(self, now: float) -> set[FileKey]:
        """The files to look at now."""
        return {key for key, one in self._written.items() if one.look <= now} | {
            key for key in self._missing if self._removal(key) <= now
        }

    def next_look(self) -> float:
        """When the next file is due; infinite if none waits."""
        looks = [one.look for one in self._written.values()]
        looks += [self._removal(key) for key in self._missing]
        return min(looks, default=float("inf"))


def _name(key: FileKey) -> str:
    """The name that a file keeps when a tool moves it: that of its folder for `index.md`."""
    path = PurePosixPath(key.path)
    return path.parent.name if path.stem in ("index", "_index") else path.stem
