"""Stores changes in the index, in batches, and notes how late they are.

A batch is one transaction, and is stored as soon as it is large or has waited. A new build takes over from
the serving one what cannot be read now: unavailable roots, and the last good versions of broken files.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from feedserver.index.facts import BuildFacts, PublishedChange
from feedserver.index.file_values import FileChange, FileKey
from feedserver.index.keeper import BuildKeeper
from feedserver.indexing.isolating import apply_each
from feedserver.indexing.judging import Judge
from feedserver.indexing.plan import Plan
from feedserver.model import Verdict

# Batches of a burst are at most 200 ms apart, and small enough to be committed in a moment.
BATCH_FILES = 500
BATCH_SECONDS = 0.2

# In a build that is not published yet, nothing hurries, and each batch has its price.
UNSEEN_BATCH_FILES = 2000


class Batch:
    """Changes that wait to be stored together: until there are many, or the first has waited for a while.

    Args:
        is_seen: whether readers see the build. In a new one, only the number counts.
    """

    def __init__(self, is_seen: bool) -> None:
        self._most = BATCH_FILES if is_seen else UNSEEN_BATCH_FILES
        self._longest = BATCH_SECONDS if is_seen else math.inf
        self._due = math.inf
        self.changes: list[FileChange] = []

    def add(self, change: FileChange | None) -> None:
        """Add a change; None is no change, after which a batch may still be due."""
        if change is None:
            return
        # The first change starts the clock, and not the batch before: storing that one may have taken longer
        # than a batch may wait, and then each change would be a batch of its own.
        if not self.changes:
            self._due = time.monotonic() + self._longest
        self.changes.append(change)

    def is_due(self) -> bool:
        """Whether the changes are to be stored now."""
        return bool(self.changes) and (len(self.changes) >= self._most or time.monotonic() > self._due)

    def take(self) -> list[FileChange]:
        """Take the changes, and begin anew."""
        taken, self.changes = self.changes, []
        return taken


class Storage:
    """The way of changes into the index.

    Args:
        plan: for the roots.
        keeper: of the index.
        judge: makes changes of what the serving build holds.
        clock: seconds since the epoch.
    """

    def __init__(self, plan: Plan, keeper: BuildKeeper, judge: Judge, clock: Callable[[], float]) -> None:
        self._plan = plan
        self._keeper = keeper
        self._judge = judge
        self._clock = clock

    def is_seen(self) -> bool:
        """Whether readers see the build that is written."""
        return self._keeper.is_serving()

    def apply(self, changes: Sequence[FileChange]) -> int:
        """Store changes. Returns how many articles changed."""
        changed = apply_each(self._apply, changes)
        stamps = [one.stamp for one in changes if one.stamp is not None]
        if changed and stamps:
            # A file that was copied with its mtime is here since its ctime.
            arrived = min(max(stamp.mtime_ns, stamp.ctime_ns) for stamp in stamps) / 1e9
            now = self._clock()
            lag = max(0.0, now - arrived)
            change = PublishedChange(published=moment(now), lag=round(lag, 3))
            self._keeper.writer.note(BuildFacts(change=change))
        return changed

    def note_pending(self, done: int, total: int) -> None:
        """Note how many files of a large job are still to be read."""
        if total > BATCH_FILES:
            self._keeper.writer.note(BuildFacts(pending=total - done))

    def inherit(self, root: int) -> None:
        """Let a new build take over the published files of an unavailable root."""
        if self._keeper.is_serving() or next(self._keeper.writer.stamps(root), None) is not None:
            return
        for files in self._keeper.inherited(self._plan.roots[root].path):
            changes = [
                self._judge.change(FileKey(root=root, path=path), stamp, content)
                for path, stamp, content in files
                if path
            ]
            self._keeper.apply(changes, int(self._clock()))

    def _apply(self, changes: Sequence[FileChange]) -> int:
        # Here, because a file may break only now: `apply_each` replaces a change that cannot be stored.
        if not self._keeper.is_serving():
            self._keep_published(changes)
        return self._keeper.apply(changes, int(self._clock()))

    def _keep_published(self, changes: Sequence[FileChange]) -> None:
        """Let a new build take over the last good versions of files that the serving build has whole."""
        broken: defaultdict[int, dict[str, str]] = defaultdict(dict)
        for change in changes:
            if change.content is not None and change.content.verdict is Verdict.BROKEN:
                broken[change.key.root][change.key.path] = change.order_path
        for root, paths in broken.items():
            self._keeper.keep_published(self._plan.roots[root].path, paths)


def moment(seconds: float) -> datetime:
    """A time in UTC, cut to milliseconds."""
    exact = datetime.fromtimestamp(seconds, UTC)
    return exact.replace(microsecond=exact.microsecond // 1000 * 1000)
