"""Keeps the index equal to the files: scan, read, write; then watch, and do it again.

One process per state folder runs an `Indexer`, under the lock of `feedserver.lock`. It decides when
to look at which file; what a file says is decided in `articles`, what is published in `index`. Never
runs inside a serving process (a parsing thread raised a worker's median latency from 0.9 to 18 ms,
measured). Keeps promise 1: the stamp decides what is read, the writer what is published.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from sqlalchemy.exc import DBAPIError

from feedserver import claims
from feedserver.index.keeper import BuildKeeper
from feedserver.model import FileChange, FileContent, FileKey, Stamp, Value, Verdict
from feedserver.plan import Plan
from feedserver.readings import FileReading, Wanted, read_all
from feedserver.scanner import Found, Scan, ScanRules, compare
from feedserver.watcher import Watcher

log = logging.getLogger(__name__)

# Batches of a burst are at most 200 ms apart, and small enough to be committed in a moment.
BATCH_FILES = 500
BATCH_SECONDS = 0.2

# A file whose ctime lies this close to its reading may have changed since without another stamp (file
# systems keep time in ticks); it is read once more.
UNSETTLED_SECONDS = 2.0

# How often the loop looks at its requests and its stop signal when nothing happens.
IDLE_SECONDS = 0.5

# Touched by `feedserver index` to ask a running indexer for a scan.
RESCAN_REQUEST = "rescan-request"


class Progress(Value, frozen=True):
    """How far a scan is: files read of files to read."""

    done: int
    total: int


class Summary(Value, frozen=True):
    """What a scan found and did. `seconds` is how long it took."""

    files: int
    read: int
    gone: int
    articles_changed: int
    seconds: float


class _Folder(NamedTuple):
    """A folder as it is watched: its path, and which folder that is."""

    path: str
    device: int
    inode: int


class _StoppedError(Exception):
    """The work was ended in the middle; what is missing is found by the next scan."""


class Indexer:
    """The writer of one state folder. Its caller holds the lock.

    Args:
        plan: what to index.
        clock: seconds since the epoch.

    Raises:
        StateError: on construction, if the state folder cannot be used.
    """

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.time) -> None:
        self._plan = plan
        self._clock = clock
        self._state_dir = Path(plan.state_dir)
        self._rules = ScanRules.of(plan.extensions, plan.skip, plan.max_file_size)
        self._recheck: dict[FileKey, float] = {}
        self._keeper = BuildKeeper(self._state_dir, plan.fingerprint, plan.selections, self._now())

    def close(self) -> None:
        """Give the connections back."""
        self._keeper.close()

    # --- scans ----------------------------------------------------------------------------------

    def refresh(self, progress: Callable[[Progress], None] | None = None) -> Summary:
        """Bring the index up to date with all files; build it anew if it is damaged or was removed.

        Raises:
            StateError: if it cannot be written, or the memory is damaged.
        """
        try:
            self._keeper.renew_if_removed(self._now())
            try:
                return self._refresh(progress)
            except DBAPIError as error:
                self._keeper.replace(error, self._now())
                return self._refresh(progress)
        except DBAPIError as error:
            raise self._keeper.unusable(error) from error

    def _refresh(self, progress: Callable[[Progress], None] | None) -> Summary:
        started = self._clock()
        changed = self._keeper.writer.advance(self._now()) if self._keeper.is_serving() else 0
        todo: list[Wanted] = []
        gone: list[FileChange] = []
        files = 0
        for position in range(len(self._plan.roots)):
            known = self._keeper.writer.stamps(position)
            scan = self._scan(position)
            found = list(scan.walk())
            difference = compare(found, known, scan.unlisted)
            files += len(found)
            todo += [Wanted(position, item) for item in difference.changed]
            gone += [self._gone(position, path) for path in difference.gone]
        changed += self._read_and_apply(todo, progress)
        # Last, so that a file that was moved and keeps its id is there again before it is gone.
        changed += self._apply(gone)
        changed += self._keeper.publish(self._now())
        finished = self._clock()
        claims.stake(self._keeper.memory, self._plan.claim)
        self._keeper.writer.note(
            {
                "scan_started": _iso(started),
                "scan_finished": _iso(finished),
                "scan_files": str(files),
            }
        )
        return Summary(
            files=files,
            read=len(todo),
            gone=len(gone),
            articles_changed=changed,
            seconds=finished - started,
        )

    def look_at(self, root: int, paths: Iterable[str]) -> int:
        """Bring the index up to date with some paths of a root, which may be files, folders or gone."""
        scan = self._scan(root)
        todo: list[Wanted] = []
        gone: list[FileChange] = []
        for path in sorted(set(paths)):
            known = self._keeper.writer.stamps(root, path)
            found: list[Found] = []
            if scan.is_below(path):
                seen = scan.look(path)
                found = [] if seen is None else [seen]
                if scan.is_folder(path):
                    found += scan.walk(path)
            difference = compare(found, known, scan.unlisted)
            todo += [Wanted(root, item) for item in difference.changed]
            gone += [self._gone(root, item) for item in difference.gone]
        unique = {FileKey(root=one.root, path=one.found.path): one for one in todo}
        changed = self._read_and_apply(list(unique.values()), None)
        # What one of two overlapping paths did not find and the other did was made in between.
        lost = {change.key: change for change in gone if change.key not in unique}
        return changed + self._apply(list(lost.values()))

    def publish_due(self) -> int:
        """Publish what time alone has changed. Returns the number of articles that changed."""
        due = self._keeper.writer.next_due()
        return 0 if due > self._now() else self._keeper.writer.advance(self._now())

    def _scan(self, root: int) -> Scan:
        return Scan(Path(self._plan.roots[root].path), self._rules)

    def _read_and_apply(self, todo: Sequence[Wanted], progress: Callable[[Progress], None] | None) -> int:
        changed = done = 0
        for batch in self._batches(todo):
            changed += self._apply([change for change in batch if change is not None])
            done += len(batch)
            if progress is not None:
                progress(Progress(done=done, total=len(todo)))
        return changed

    def _batches(self, todo: Sequence[Wanted]) -> Iterator[list[FileChange | None]]:
        """Read files, and hand them over as soon as there are many or some have waited."""
        batch: list[FileChange | None] = []
        begun = time.monotonic()
        for wanted, result in read_all(self._plan, todo):
            batch.append(self._judge(wanted, result))
            if len(batch) >= BATCH_FILES or time.monotonic() - begun > BATCH_SECONDS:
                yield batch
                batch, begun = [], time.monotonic()
        if batch:
            yield batch

    def _apply(self, changes: Sequence[FileChange]) -> int:
        return self._keeper.apply(changes, self._now())

    # --- files ----------------------------------------------------------------------------------

    def _judge(self, wanted: Wanted, result: FileReading | None) -> FileChange | None:
        """What a reading changes; None if that shall be decided later."""
        key = FileKey(root=wanted.root, path=wanted.found.path)
        if result is None:
            return self._gone(key.root, key.path)
        if result.is_found:
            return self._change(key, result.stamp, result.content)
        return self._settled(key, result.stamp, result.content)

    def _settled(self, key: FileKey, stamp: Stamp, content: FileContent) -> FileChange | None:
        """Judge a reading by the age of the file.

        A file that was just changed is read once more, so it is stored under a stamp that no file
        has. If it just ceased to be an article, it may be in the middle of being written (an editor
        truncates before it writes): then what was published stays until the second look. The clock of a
        file server may be ahead of ours.
        """
        age = self._clock() - stamp.ctime_ns / 1e9
        if abs(age) >= UNSETTLED_SECONDS:
            self._recheck.pop(key, None)
            return self._change(key, stamp, content)
        self._recheck[key] = self._clock() + UNSETTLED_SECONDS - age + 0.05
        if content.verdict in (Verdict.NOT_ARTICLE, Verdict.UNDATED) and self._keeper.writer.is_in_use(key):
            return None
        return self._change(key, msgspec.structs.replace(stamp, inode=-1), content)

    def _change(self, key: FileKey, stamp: Stamp, content: FileContent) -> FileChange:
        return FileChange(key=key, order_path=self._order_path(key), stamp=stamp, content=content)

    def _gone(self, root: int, path: str) -> FileChange:
        key = FileKey(root=root, path=path)
        self._recheck.pop(key, None)
        return FileChange(key=key, order_path=self._order_path(key))

    def _order_path(self, key: FileKey) -> str:
        prefix = self._plan.roots[key.root].reading.id_prefix
        return f"{prefix}/{key.path}" if prefix else key.path

    # --- the loop -------------------------------------------------------------------------------

    def run(self, stop: threading.Event, on_scan: Callable[[Summary], None] | None = None) -> None:
        """Keep the index up to date until `stop` is set.

        Raises:
            StateError: if it cannot be written, or the memory is damaged.
        """

        def check(_: Progress) -> None:
            if stop.is_set():
                raise _StoppedError

        def scan() -> None:
            summary = self.refresh(check)
            self._report(summary)
            if on_scan is not None:
                on_scan(summary)

        try:
            while not stop.is_set():
                folders = self._watchable_roots()
                with Watcher([Path(path) for path, _, _ in folders]) as watcher:
                    scan()
                    self._follow_or_replace(watcher, folders, stop, scan)
        except _StoppedError:
            log.info("stopped before the scan was complete")

    def _follow_or_replace(
        self, watcher: Watcher, folders: list[_Folder], stop: threading.Event, scan: Callable[[], None]
    ) -> None:
        try:
            self._follow(watcher, folders, stop, scan)
        except DBAPIError as error:
            self._keeper.replace(error, self._now())

    def _follow(
        self, watcher: Watcher, folders: list[_Folder], stop: threading.Event, scan: Callable[[], None]
    ) -> None:
        """Follow changes until `stop` is set, the watcher sees other folders, or the index is removed."""
        scanned = time.monotonic()
        names = {path for path, _, _ in folders}
        while not stop.is_set():
            rescan = scanned + self._plan.rescan_interval
            paths = watcher.wait(self._patience(rescan - time.monotonic()))
            if paths & names or self._watchable_roots() != folders or self._keeper.is_removed():
                return
            self._handle(paths)
            self._look_again()
            self._report_changes(self.publish_due(), "became due")
            if time.monotonic() >= rescan or self._scan_is_requested():
                scan()
                scanned = time.monotonic()

    def _patience(self, until_rescan: float) -> float:
        """How long to wait for events, in seconds."""
        due = self._keeper.writer.next_due()
        moments = [*self._recheck.values(), float(due)]
        waits = [moment - self._clock() for moment in moments]
        return max(0.0, min([IDLE_SECONDS, until_rescan, *waits]))

    def _handle(self, paths: set[str]) -> None:
        # The watcher follows links to folders: what happens in such a folder is told of a path through one.
        folders = {os.path.dirname(path) for path in paths}  # noqa: PTH120  as in the scanner
        real = {folder: os.path.realpath(folder) for folder in folders}
        paths = {f"{real[folder]}/{name}" for folder, name in map(os.path.split, paths)}
        for position, root in enumerate(self._plan.roots):
            start = os.path.realpath(root.path) + os.sep
            below = [path.removeprefix(start) for path in paths if path.startswith(start)]
            if below:
                self._report_changes(self.look_at(position, below), "changed on disk")

    def _look_again(self) -> None:
        now = self._clock()
        due = [key for key, moment in self._recheck.items() if moment <= now]
        for position in {key.root for key in due}:
            paths = [key.path for key in due if key.root == position]
            for key in due:
                self._recheck.pop(key, None)
            self._report_changes(self.look_at(position, paths), "settled")

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
        request = self._state_dir / RESCAN_REQUEST
        if not request.exists():
            return False
        # Removed before the scan: a request made during it wants another one.
        request.unlink(missing_ok=True)
        return True

    def _report(self, summary: Summary) -> None:
        if summary.read or summary.gone or summary.articles_changed:
            log.info(
                "scanned %d files in %.2f s: %d read, %d gone, %d articles changed",
                summary.files,
                summary.seconds,
                summary.read,
                summary.gone,
                summary.articles_changed,
            )

    def _report_changes(self, changed: int, why: str) -> None:
        if changed:
            log.info("%d articles changed (%s)", changed, why)

    def _now(self) -> int:
        return int(self._clock())


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
