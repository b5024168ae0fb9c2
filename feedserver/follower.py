"""Keeps the index equal to the files: scans, then follows what the system tells, and scans again.

Decides when to look; the indexer does it. Events are handled while a scan runs as well, because a scan of a
million files takes twelve seconds (measured). Runs in the one process that holds the lock, until stopped.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError

from feedserver.indexer import Indexer, Summary
from feedserver.lock import RESCAN_REQUEST
from feedserver.plan import Plan
from feedserver.watcher import Watcher

log = logging.getLogger(__name__)

# How often the loop looks at its requests and its stop signal when nothing happens.
IDLE_SECONDS = 0.5


class _Folder(NamedTuple):
    """A folder as it is watched: its path, and which folder that is."""

    path: str
    device: int
    inode: int


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


class _StoppedError(Exception):
    """The work was ended in the middle; what is missing is found by the next scan."""


class Follower:
    """The loop of one indexer.

    Args:
        indexer: does the work.
        plan: the indexer's.
        stop: ends the loop when it is set, in the middle of a scan as well.
        on_scan: is told of each finished scan.
        clock: the indexer's, in seconds since the epoch.
    """

    def __init__(
        self,
        indexer: Indexer,
        plan: Plan,
        stop: threading.Event,
        on_scan: Callable[[Summary], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._indexer = indexer
        self._plan = plan
        self._stop = stop
        self._on_scan = on_scan
        self._clock = clock
        self._folders: list[_Folder] = []
        self._lost: set[str] = set()

    def run(self) -> None:
        """Keep the index up to date.

        Raises:
            StateError: if it cannot be written, or the memory is damaged.
        """
        try:
            while not self._stop.is_set():
                self._folders, self._lost = self._watchable_roots(), set()
                with Watcher([Path(folder.path) for folder in self._folders]) as watcher:
                    try:
                        self._follow(watcher)
                    except DBAPIError as error:
                        self._indexer.replace(error)
        except _StoppedError:
            log.info("stopped before the scan was complete")

    def _follow(self, watcher: Watcher) -> None:
        """Scan and follow changes, until other folders must be watched or the index is removed."""
        rescan = time.monotonic()
        while not self._stop.is_set():
            if self._scan_is_requested() or time.monotonic() >= rescan:
                self._scan(watcher)
                rescan = time.monotonic() + self._plan.rescan_interval
            if self._lost or self._watchable_roots() != self._folders or self._indexer.is_removed():
                return
            waits = (IDLE_SECONDS, rescan - time.monotonic(), self._indexer.next_moment() - self._clock())
            self._attend(watcher, max(0.0, min(waits)))

    def _scan(self, watcher: Watcher) -> None:
        def meanwhile() -> None:
            if self._stop.is_set():
                raise _StoppedError
            if self._indexer.is_serving():
                self._attend(watcher, 0)

        summary = self._indexer.refresh(meanwhile=meanwhile)
        if summary.read or summary.gone or summary.articles_changed:
            log.info(
                "scanned %d files in %.2f s: %d read, %d gone, %d articles changed",
                summary.files,
                summary.seconds,
                summary.read,
                summary.gone,
                summary.articles_changed,
            )
        if self._on_scan is not None:
            self._on_scan(summary)

    def _attend(self, watcher: Watcher, patience: float) -> None:
        """Wait for events for some seconds, and do what has come up."""
        paths = watcher.wait(patience)
        names = {folder.path for folder in self._folders}
        self._lost |= paths & names
        self._look_at(paths - names)
        self._report(self._indexer.look_again(), "settled")
        self._report(self._indexer.publish_due(), "became due")

    def _look_at(self, paths: set[str]) -> None:
        # The watcher follows links to folders: what happens in such a folder is told of a path through one.
        folders = {os.path.dirname(path) for path in paths}  # noqa: PTH120  as in the scanner
        real = {folder: os.path.realpath(folder) for folder in folders}
        paths = {f"{real[folder]}/{name}" for folder, name in map(os.path.split, paths)}
        # A link may lead into a folder whose name is not UTF-8; scans tell of that.
        paths = {path for path in paths if _is_utf8(path)}
        for position, root in enumerate(self._plan.roots):
            start = os.path.realpath(root.path) + os.sep
            below = [path.removeprefix(start) for path in paths if path.startswith(start)]
            if below:
                self._report(self._indexer.look_at(position, below), "changed on disk")

    def _watchable_roots(self) -> list[_Folder]:
        """The roots that exist, and which folders they are: another one must be watched anew."""
        folders = []
        for root in self._plan.roots if self._plan.watch else ():
            try:
                status = os.stat(root.path)  # noqa: PTH116  beside realpath, which pathlib has not
            except OSError:
                continue  # the scan says why
            if stat.S_ISDIR(status.st_mode):
                folders.append(_Folder(os.path.realpath(root.path), status.st_dev, status.st_ino))
        return folders

    def _scan_is_requested(self) -> bool:
        request = Path(self._plan.state_dir) / RESCAN_REQUEST
        if not request.exists():
            return False
        # Removed before the scan: a request made during it wants another one.
        request.unlink(missing_ok=True)
        return True

    def _report(self, changed: int, why: str) -> None:
        if changed:
            log.info("%d articles changed (%s)", changed, why)
