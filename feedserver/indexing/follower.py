"""Keeps the index equal to the files: scans, then follows the events of the system, and scans again.

Decides when to look at files; the indexer looks. It drives a scan step by step and handles events between two
steps, because a scan of a million files takes twelve seconds (measured). Runs in the one process that holds
the lock, until it is stopped.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar

from sqlalchemy.exc import DBAPIError

from feedserver.indexing.clock import ClockWatch
from feedserver.indexing.copier import Copier
from feedserver.indexing.indexer import Indexer, Summary
from feedserver.indexing.jobs import Steps
from feedserver.indexing.lock import RESCAN_REQUEST
from feedserver.indexing.plan import Plan
from feedserver.indexing.watcher import Watcher

log = logging.getLogger(__name__)

# How often the idle loop checks for requests and the stop signal.
IDLE_SECONDS = 0.5

_Result = TypeVar("_Result")


class _Folder(NamedTuple):
    """A watched folder: its path, and its identity."""

    path: str
    device: int
    inode: int


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


class Follower:
    """The loop of one indexer.

    Args:
        indexer: looks at files.
        plan: the indexer's.
        stop: ends the loop when it is set, also in the middle of a scan.
        on_scan: called after each scan.
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
        indexer.be_patient()
        self._watch = ClockWatch(clock)
        self._copier = Copier(Path(plan.state_dir), plan.history_copies, clock)
        self._folders: list[_Folder] = []
        self._lost: set[str] = set()

    def run(self) -> None:
        """Keep the index up to date.

        Raises:
            StateError: if it cannot be written, or the publication history is damaged.
        """
        try:
            while not self._stop.is_set():
                self._folders, self._lost = self._watchable_roots(), set()
                with Watcher([Path(folder.path) for folder in self._folders]) as watcher:
                    try:
                        self._follow(watcher)
                    except DBAPIError as error:
                        self._indexer.replace(error)
        finally:
            self._copier.close()

    def _follow(self, watcher: Watcher) -> None:
        """Scan and follow changes, until other folders must be watched or the index is removed."""
        rescan = time.monotonic()
        while not self._stop.is_set():
            if self._scan_is_requested() or time.monotonic() >= rescan:
                summary = self._drive(self._indexer.scan(), watcher)
                if summary is None:
                    return
                self._finish_scan(summary)
                rescan = time.monotonic() + self._plan.rescan_interval
            if self._lost or self._watchable_roots() != self._folders or self._indexer.is_lost():
                return
            waits = (IDLE_SECONDS, rescan - time.monotonic(), self._indexer.patience())
            self._attend(watcher, max(0.0, min(waits)))
            if self._indexer.has_waiting():
                self._report(self._drive(self._indexer.catch_up(), watcher) or 0, "came in a burst")

    def _drive(self, steps: Steps[_Result], watcher: Watcher) -> _Result | None:
        """Do long work, and attend to events between its steps.

        Returns:
            Its result; None if it was stopped. The next scan finds the rest.
        """
        with closing(steps):
            for _ in steps:
                if self._stop.is_set():
                    log.info("stopped before the work was complete")
                    return None
                if self._indexer.is_serving():
                    self._attend(watcher, 0)
        return steps.result

    def _finish_scan(self, summary: Summary) -> None:
        if summary.read or summary.gone or summary.articles_changed:
            log.info(
                "scanned %d files in %.2f s: %d read, %d gone, %d articles changed",
                summary.files,
                summary.seconds,
                summary.read,
                summary.gone,
                summary.articles_changed,
            )
        self._copier.look()
        if self._on_scan is not None:
            self._on_scan(summary)

    def _attend(self, watcher: Watcher, patience: float) -> None:
        """Wait some seconds for events, and handle all that is due."""
        names = {folder.path for folder in self._folders}
        # Twice, because a look may take long, and a missing file may have been created elsewhere meanwhile.
        for seconds in (patience, 0.0):
            paths = watcher.wait(seconds)
            self._lost |= paths & names
            self._look_at(paths - names)
        self._report(self._indexer.look_at_links(), "changed behind a link")
        self._report(self._indexer.look_again(), "settled")
        if jump := self._watch.jump():
            self._report(self._indexer.follow_jump(jump), "by a clock that was set")
        self._report(self._indexer.publish_due(), "became due")

    def _look_at(self, paths: set[str]) -> None:
        # The watcher follows links to folders, and then reports paths that lead through such a link.
        folders = {os.path.dirname(path) for path in paths}  # noqa: PTH120  as in the scanner
        real = {folder: os.path.realpath(folder) for folder in folders}
        paths = {f"{real[folder]}/{name}" for folder, name in map(os.path.split, paths)}
        # A link may lead into a folder whose name is not UTF-8; scans report it.
        paths = {path for path in paths if _is_utf8(path)}
        for position, root in enumerate(self._plan.roots):
            start = os.path.realpath(root.path) + os.sep
            below = [path.removeprefix(start) for path in paths if path.startswith(start)]
            if below:
                self._report(self._indexer.look_at(position, below), "changed on disk")

    def _watchable_roots(self) -> list[_Folder]:
        """The roots that exist, with their identities: a replaced folder must be watched anew."""
        folders = []
        for root in self._plan.roots if self._plan.watch else ():
            try:
                status = os.stat(root.path)  # noqa: PTH116  beside realpath, which pathlib has not
            except OSError:
                continue  # the scan reports the reason
            if stat.S_ISDIR(status.st_mode):
                folders.append(_Folder(os.path.realpath(root.path), status.st_dev, status.st_ino))
        return folders

    def _scan_is_requested(self) -> bool:
        request = Path(self._plan.state_dir) / RESCAN_REQUEST
        if not request.exists():
            return False
        # Removed before the scan, because a request during the scan asks for another one.
        request.unlink(missing_ok=True)
        return True

    def _report(self, changed: int, why: str) -> None:
        if changed:
            log.info("%d articles changed (%s)", changed, why)
