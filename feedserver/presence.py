"""Whether a root is there, or away: not mounted, say.

A root that is away must not delete its articles: what was read from it stays published until it has been
away for as long as the settings say. Away is a folder that cannot be listed, and an empty one that is not the
folder that was there before: what remains in the place of a file system that is unmounted. A folder that is
still the same one and empty was emptied. What is known of roots is kept in the memory, as an index may be
built anew while one is away. Reads no article.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import NamedTuple

from feedserver.index.memory import Memory
from feedserver.model import Finding, Severity, Stamp
from feedserver.scanner import Found

# The fact of the memory: for each root which folder it was, and since when it is away.
_SEEN = "seen_roots"


class Absence(NamedTuple):
    """A root that is away, since when (seconds since the epoch), and whether that is too long.

    `was_there` says whether it was ever seen; of one that was not, nothing is published.
    """

    since: int
    reason: str
    is_final: bool
    drop_after: float
    was_there: bool

    @property
    def found(self) -> Found:
        """The absence as a scan finds it: at the path of the root itself."""
        message = self.reason
        if self.was_there and self.is_final:
            message += "; its articles were dropped (scan.drop_missing_after)"
        elif self.was_there:
            until = datetime.fromtimestamp(self.since + self.drop_after, UTC)
            message += (
                f"; its articles stay published until {until:%Y-%m-%d %H:%M:%S} UTC (scan.drop_missing_after)"
            )
        finding = Finding(severity=Severity.ERROR, code="folder-away", message=message)
        # A stamp that changes when there is something else to say.
        stamp = Stamp(mtime_ns=self.since * 1_000_000_000, ctime_ns=0, size=int(self.is_final), inode=0)
        return Found("", stamp, finding)


def absence(memory: Memory, root: str, now: int, drop_after: float) -> Absence | None:
    """Whether a root is away; None if it is there. Remembers which folder it is, and since when it is away.

    Args:
        memory: of the state folder.
        root: the path of the root.
        now: in seconds since the epoch.
        drop_after: how long a root may be away, in seconds.
    """
    seen = memory.fact(_SEEN) or {}
    known = seen.get(root, {})
    folder, reason = _look(root, known.get("folder"))
    since = known.get("away_since")
    if reason is None:
        since = None
    elif since is None:
        since = now
    fresh = {"folder": folder or known.get("folder"), "away_since": since}
    if fresh != known:
        memory.remember_fact(_SEEN, seen | {root: fresh})
    if reason is None or since is None:
        return None
    return Absence(since, reason, now - since >= drop_after, drop_after, fresh["folder"] is not None)


def _look(root: str, known: str | None) -> tuple[str | None, str | None]:
    """Which folder a root is now, and why it is away, if it is."""
    try:
        with os.scandir(root) as entries:
            is_empty = next(entries, None) is None
        # With the dot: a folder may be listed and not entered.
        status = os.stat(f"{root}/.")  # noqa: PTH116  beside scandir, which pathlib has not
    except OSError as error:
        return None, f"cannot be listed: {error.strerror}"
    folder = f"{status.st_dev}:{status.st_ino}"
    if is_empty and known is not None and known != folder:
        return None, "is empty and not the folder that was here before"
    return folder, None
