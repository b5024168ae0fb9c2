"""Tells whether a root is available. A root is unavailable while its file system is not mounted, for example.

The articles of an unavailable root stay published for as long as the settings say
(`scan.drop_missing_after`). A root is unavailable if it cannot be listed, or if it is empty and another
folder (device and inode) than before: an unmounted file system leaves such a folder behind. A folder that is
empty and still the same was emptied. The history keeps what is known of the roots, because an index may be
rebuilt while a root is unavailable. Reads no articles.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import NamedTuple

from feedserver.findings import FindingCode
from feedserver.index.facts import HistoryFacts, SeenRoot
from feedserver.index.file_values import FileState, Stamp
from feedserver.index.history import PublicationHistory
from feedserver.indexing.scanner import FoundFile
from feedserver.model import Finding


class Unavailable(NamedTuple):
    """An unavailable root.

    Attributes:
        since: when it became unavailable, in seconds since the epoch.
        reason: why it is unavailable.
        is_final: whether it has been unavailable for so long that its articles are dropped.
        drop_after: how long its articles stay published, in seconds.
        was_there: whether it was ever available; if not, none of its articles are published.
    """

    since: int
    reason: str
    is_final: bool
    drop_after: float
    was_there: bool

    @property
    def found(self) -> FoundFile:
        """A find with the finding `folder-away`, at the path of the root itself."""
        message = self.reason
        if self.was_there and self.is_final:
            message += "; its articles were dropped (scan.drop_missing_after)"
        elif self.was_there:
            until = datetime.fromtimestamp(self.since + self.drop_after, UTC)
            message += (
                f"; its articles stay published until {until:%Y-%m-%d %H:%M:%S} UTC (scan.drop_missing_after)"
            )
        finding = Finding.of(FindingCode.FOLDER_AWAY, message)
        state = FileState.ROOT_DROPPED if self.is_final else FileState.ROOT_UNAVAILABLE
        # A stamp that changes with the message.
        stamp = Stamp(mtime_ns=self.since * 1_000_000_000, ctime_ns=0, size=0, inode=0, state=state)
        return FoundFile("", stamp, finding)


def unavailable(history: PublicationHistory, root: str, now: int, drop_after: float) -> Unavailable | None:
    """Check whether a root is unavailable; None if it is available. Notes the result in the history.

    Args:
        history: of the state folder.
        root: the path of the root.
        now: in seconds since the epoch.
        drop_after: how long the articles of an unavailable root stay published, in seconds.
    """
    seen = history.facts("seen_roots").seen_roots or {}
    known = seen.get(root, SeenRoot())
    folder, reason = _look(root, known.folder)
    since = known.unavailable_since
    if reason is None:
        since = None
    elif since is None or since > now:  # later than now: the clock was set back
        since = now
    fresh = SeenRoot(folder=folder or known.folder, unavailable_since=since)
    if fresh != known:
        history.note(HistoryFacts(seen_roots=seen | {root: fresh}))
    if reason is None or since is None:
        return None
    return Unavailable(since, reason, now - since >= drop_after, drop_after, fresh.folder is not None)


def _look(root: str, known: str | None) -> tuple[str | None, str | None]:
    """The device and inode of a root, and the reason if it is unavailable."""
    try:
        with os.scandir(root) as entries:
            is_empty = next(entries, None) is None
        # With the dot, because a folder that can be listed may refuse to be entered.
        status = os.stat(f"{root}/.")  # noqa: PTH116  beside scandir, which pathlib has not
    except OSError as error:
        return None, f"cannot be listed: {error.strerror}"
    folder = f"{status.st_dev}:{status.st_ino}"
    if is_empty and known is not None and known != folder:
        return None, "is empty and not the folder that was here before"
    return folder, None
