"""Makes the index equal to the files: scan, read, write.

One process per state folder has an `Indexer`, under the lock of `feedserver.lock`. What a file says is
decided in `articles`, what is published in `index`, when to look in `follower`. Never runs inside a serving
process (a parsing thread raised a worker's median latency from 0.9 to 18 ms, measured). Keeps promise 1:
the stamp decides what is read, the writer what is published.
"""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from heapq import merge
from itertools import chain, groupby, islice
from operator import attrgetter
from pathlib import Path, PurePosixPath

import msgspec
from sqlalchemy.exc import DBAPIError

from feedserver import claims
from feedserver.index.keeper import BuildKeeper
from feedserver.model import FileChange, FileContent, FileKey, Stamp, Value, Verdict
from feedserver.plan import Plan
from feedserver.presence import Absence, absence
from feedserver.readings import FileReading, ReadingQueue, Wanted
from feedserver.scanner import Found, Gone, Scan, ScanRules, compare

log = logging.getLogger(__name__)

# Batches of a burst are at most 200 ms apart, and small enough to be committed in a moment.
BATCH_FILES = 500
BATCH_SECONDS = 0.2

# In a build that nobody sees yet, nothing hurries, and each batch has its price.
UNSEEN_BATCH_FILES = 2000

# How often a scan pauses for events: a walk over a million files takes twelve seconds.
BREATH_SECONDS = 0.02

# A file whose ctime lies this close to its reading may have changed since without another stamp (file
# systems keep time in ticks); it is read once more.
UNSETTLED_SECONDS = 2.0


class Progress(Value, frozen=True):
    """How far a scan is: files found so far, and of those to read, how many are read."""

    found: int
    done: int
    total: int


class Summary(Value, frozen=True):
    """What a scan found and did. `seconds` is how long it took."""

    files: int
    read: int
    gone: int
    articles_changed: int
    seconds: float


class _Breath:
    """The pauses of a scan, in which it tells how far it is and lets others do something.

    `overtaken` are files and folders that were looked at in a pause: what the scan had read of them before
    is old.
    """

    def __init__(
        self,
        progress: Callable[[Progress], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        self.found = self.done = self.total = self.gone = 0
        self.overtaken: set[tuple[int, str]] = set()
        self._progress = progress
        self._meanwhile = meanwhile
        self._next = 0.0

    def counted(self, found: Iterable[Found]) -> Iterator[Found]:
        """What is found, with pauses."""
        for one in found:
            self.found += 1
            self.take()
            yield one

    def is_overtaken(self, key: FileKey) -> bool:
        """Whether a file, or a folder that it is in, was looked at in a pause."""
        if not self.overtaken:
            return False
        folders = (str(folder) for folder in PurePosixPath(key.path).parents)
        return any((key.root, path) in self.overtaken for path in (key.path, *folders))

    def take(self) -> None:
        """Pause, if the last time is long enough ago."""
        if time.monotonic() < self._next:
            return
        self.tell()
        if self._meanwhile is not None:
            self._meanwhile()
        self._next = time.monotonic() + BREATH_SECONDS

    def tell(self) -> None:
        """Tell how far the scan is."""
        if self._progress is not None:
            self._progress(Progress(found=self.found, done=self.done, total=self.total))


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
        self._scanning: _Breath | None = None
        self._keeper = BuildKeeper(self._state_dir, plan.fingerprint, plan.selections, self._now())

    def close(self) -> None:
        """Give the connections back."""
        self._keeper.close()

    # --- scans ----------------------------------------------------------------------------------

    def refresh(
        self,
        progress: Callable[[Progress], None] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Summary:
        """Bring the index up to date with all files; build it anew if it is damaged or was removed.

        Args:
            progress: told now and then how far it is.
            meanwhile: called several times a second between two steps; may itself look at files.

        Raises:
            StateError: if it cannot be written, or the memory is damaged.
        """
        try:
            self._keeper.renew_if_removed(self._now())
            try:
                return self._refresh(_Breath(progress, meanwhile))
            except DBAPIError as error:
                self._keeper.replace(error, self._now())
                return self._refresh(_Breath(progress, meanwhile))
        except DBAPIError as error:
            raise self._keeper.unusable(error) from error
        finally:
            self._scanning = None

    def _refresh(self, breath: _Breath) -> Summary:
        self._scanning = breath
        started = self._clock()
        changed = self._keeper.writer.advance(self._now()) if self._keeper.is_serving() else 0
        missing: list[FileKey] = []
        with closing(ReadingQueue(self._plan)) as queue:
            for position in range(len(self._plan.roots)):
                scan, found = self._walk(position, breath)
                for one in compare(scan, found, self._keeper.writer.stamps(position)):
                    if isinstance(one, Found):
                        queue.put(Wanted.of(position, one))
                    else:
                        missing.append(FileKey(root=position, path=one.path))
                    breath.take()
            changed += self._read_and_apply(queue, missing, breath)
        breath.tell()
        changed += self._keeper.publish(self._now())
        finished = self._clock()
        claims.stake(self._keeper.memory, self._plan.claim)
        self._keeper.writer.note(
            {
                "scan_started": _iso(started),
                "scan_finished": _iso(finished),
                "scan_files": str(breath.found),
                "pending": "0",
            }
        )
        return Summary(
            files=breath.found,
            read=queue.count,
            gone=breath.gone,
            articles_changed=changed,
            seconds=finished - started,
        )

    def _walk(self, position: int, breath: _Breath) -> tuple[Scan, Iterator[Found]]:
        """A scan of a root and what it finds: nothing, but nothing gone either, of a root that is away."""
        scan = self._scan(position)
        absent = self._absence(position)
        if absent is None:
            return scan, breath.counted(scan.walk())
        scan.odd.append(absent.found)
        if not absent.is_final:
            scan.unlisted.append("")
            self._inherit(position)
        return scan, iter(())

    def _inherit(self, position: int) -> None:
        """Let a new build have what is published from a root that is away."""
        if self._keeper.is_serving() or next(self._keeper.writer.stamps(position), None) is not None:
            return
        for files in self._keeper.inherited(self._plan.roots[position].path):
            changes = [
                self._change(FileKey(root=position, path=path), stamp, content)
                for path, stamp, content in files
                if path
            ]
            self._keeper.apply(changes, self._now())

    def look_at(self, root: int, paths: Iterable[str]) -> int:
        """Bring the index up to date with some paths of a root, which may be files, folders or gone.

        Paths of a root that is away are left to the next scan. Returns how many articles changed.
        """
        if self._absence(root) is not None:
            return 0
        outermost = _outermost(paths)
        if self._scanning is not None:
            self._scanning.overtaken.update((root, path) for path in outermost)
        missing: list[FileKey] = []
        with closing(ReadingQueue(self._plan)) as queue:
            for one in self._differences(root, outermost):
                if isinstance(one, Found):
                    queue.put(Wanted.of(root, one))
                else:
                    missing.append(FileKey(root=root, path=one.path))
            return self._read_and_apply(queue, missing, _Breath())

    def _differences(self, root: int, paths: Sequence[str]) -> Iterator[Found | Gone]:
        """What is new, changed or gone at or below some paths, none of which is below another."""
        scan = self._scan(root)
        reachable = [path for path in paths if scan.is_below(path)]
        seen = sorted(filter(None, map(scan.look, reachable)), key=attrgetter("path"))
        folders = sorted(f"{path}/" for path in reachable if scan.is_folder(path))
        below = chain.from_iterable(scan.walk(folder[:-1]) for folder in folders)
        found = merge(seen, below, key=attrgetter("path"))
        return compare(scan, found, self._keeper.writer.stamps_under(root, paths))

    def look_again(self) -> int:
        """Look once more at files that had just changed when they were read, where it is time to."""
        now = self._clock()
        due = [key for key, moment in self._recheck.items() if moment <= now]
        for key in due:
            del self._recheck[key]
        roots = {key.root for key in due}
        return sum(self.look_at(root, [key.path for key in due if key.root == root]) for root in roots)

    def publish_due(self) -> int:
        """Publish what time alone has changed. Returns the number of articles that changed."""
        if not self._keeper.is_serving():
            return 0  # a new build is published as a whole
        due = self._keeper.writer.next_due()
        return 0 if due > self._now() else self._keeper.writer.advance(self._now())

    def next_moment(self) -> float:
        """When `look_again` or `publish_due` has something to do next, in seconds since the epoch."""
        return min([float(self._keeper.writer.next_due()), *self._recheck.values()])

    # --- the build ------------------------------------------------------------------------------

    def is_serving(self) -> bool:
        """Whether readers see what is written; not while an index is built anew."""
        return self._keeper.is_serving()

    def is_removed(self) -> bool:
        """Whether the index was removed, so that what is written is written in vain."""
        return self._keeper.is_removed()

    def replace(self, error: DBAPIError) -> None:
        """Build the index anew because of an error that it gave.

        Raises:
            StateError: if the memory is damaged, or another build would do no better.
        """
        self._keeper.replace(error, self._now())

    # --- steps ----------------------------------------------------------------------------------

    def _scan(self, root: int) -> Scan:
        return Scan(Path(self._plan.roots[root].path), self._rules)

    def _absence(self, root: int) -> Absence | None:
        return absence(
            self._keeper.memory, self._plan.roots[root].path, self._now(), self._plan.drop_missing_after
        )

    def _read_and_apply(self, queue: ReadingQueue, missing: Iterable[FileKey], breath: _Breath) -> int:
        """Bring the index up to date with files that are to be read, and with those that are gone.

        The latter come last, so that a file that was moved and keeps its id is there again before it is gone.
        Where there are few, all are one commit, so that a file that was moved and has another id is never at
        both places. Returns how many articles changed.
        """
        changed = 0
        breath.total = queue.count
        for batch in self._batches(queue, missing, breath):
            changed += self._apply(batch)
            if queue.count > BATCH_FILES:
                self._keeper.writer.note({"pending": str(queue.count - breath.done)})
            breath.take()
        return changed

    def _batches(
        self, queue: ReadingQueue, missing: Iterable[FileKey], breath: _Breath
    ) -> Iterator[list[FileChange]]:
        """Read files, and hand them over as soon as there are many or some have waited."""
        is_seen = self._keeper.is_serving()
        most, longest = (BATCH_FILES, BATCH_SECONDS) if is_seen else (UNSEEN_BATCH_FILES, math.inf)
        batch: list[FileChange] = []
        begun = time.monotonic()
        for change in chain(self._read(queue, breath), self._lost(missing, breath)):
            if change is not None:
                batch.append(change)
            if len(batch) >= most or time.monotonic() - begun > longest:
                yield batch
                batch, begun = [], time.monotonic()
        if batch:
            yield batch

    def _read(self, queue: ReadingQueue, breath: _Breath) -> Iterator[FileChange | None]:
        for wanted, result in queue.readings():
            breath.done += 1
            key = FileKey(root=wanted.root, path=wanted.path)
            yield None if breath.is_overtaken(key) else self._judge(key, result)

    def _lost(self, missing: Iterable[FileKey], breath: _Breath) -> Iterator[FileChange]:
        """What is gone still: what a scan did not find may have been made since, or its root be away now."""
        for root, keys in groupby(missing, key=lambda key: key.root):
            while piece := list(islice(keys, BATCH_FILES)):
                piece = [key for key in piece if not breath.is_overtaken(key)]
                absent = self._absence(root)
                if absent is None:
                    piece = [key for key in piece if self._is_missing(key)]
                    absent = self._absence(root)  # once more: no look was later
                if absent is None or absent.is_final:
                    breath.gone += len(piece)
                    yield from (self._gone(key) for key in piece)

    def _is_missing(self, key: FileKey) -> bool:
        scan = self._scan(key.root)
        return not scan.is_below(key.path) or scan.look(key.path) is None

    def _apply(self, changes: Sequence[FileChange]) -> int:
        if not self._keeper.is_serving():
            self._keep_published(changes)
        changed = self._keeper.apply(changes, self._now())
        stamps = [one.stamp for one in changes if one.stamp is not None]
        if changed and stamps:
            # A file that was copied with its mtime is here since its ctime.
            arrived = min(max(stamp.mtime_ns, stamp.ctime_ns) for stamp in stamps) / 1e9
            lag = max(0.0, self._clock() - arrived)
            self._keeper.writer.note({"change_published": _iso(self._clock()), "change_lag": f"{lag:.3f}"})
        return changed

    def _keep_published(self, changes: Sequence[FileChange]) -> None:
        """Let a new build have the last good versions of files that broke while nobody looked."""
        broken: defaultdict[int, dict[str, str]] = defaultdict(dict)
        for change in changes:
            if change.content is not None and change.content.verdict is Verdict.BROKEN:
                broken[change.key.root][change.key.path] = change.order_path
        for root, paths in broken.items():
            self._keeper.keep_published(self._plan.roots[root].path, paths)

    # --- files ----------------------------------------------------------------------------------

    def _judge(self, key: FileKey, result: FileReading | None) -> FileChange | None:
        """What a reading changes; None if that shall be decided later."""
        if result is None:
            return self._gone(key)
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

    def _gone(self, key: FileKey) -> FileChange:
        self._recheck.pop(key, None)
        return FileChange(key=key, order_path=self._order_path(key))

    def _order_path(self, key: FileKey) -> str:
        prefix = self._plan.roots[key.root].reading.id_prefix
        return f"{prefix}/{key.path}" if prefix else key.path

    def _now(self) -> int:
        return int(self._clock())


def _outermost(paths: Iterable[str]) -> list[str]:
    """The given paths without those that are below another one of them."""
    kept: list[str] = []
    for folder in sorted({f"{path}/" if path else "" for path in paths}):
        if not kept or not folder.startswith(kept[-1]):
            kept.append(folder)
    return [folder.removesuffix("/") for folder in kept]


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
