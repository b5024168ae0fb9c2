"""Makes the index equal to the files: compares, reads, judges and stores.

One process per state folder has an `Indexer`, under the lock of `indexing.lock`. This module has the order of
the steps. The steps are modules of their own: `folders` compares, and `pipeline` has files read, judged and
stored. `articles` decides what a file says, `index` what is published, and `follower` when to look. Never
runs inside a serving process (a parsing thread raised a worker's median latency from 0.9 to 18 ms, measured).
Keeps promise 1: the stamp decides what is read, the writer what is published.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from feedserver.errors import FeedserverError
from feedserver.index.facts import BuildFacts, ClockJump, FinishedScan
from feedserver.index.file_values import FileKey
from feedserver.index.keeper import BuildKeeper
from feedserver.index.stores import open_store
from feedserver.indexing import ownership
from feedserver.indexing.checkouts import is_under_way
from feedserver.indexing.emptiness import advice_and_noted
from feedserver.indexing.folders import Folders, outermost
from feedserver.indexing.jobs import Job, Progress, Steps
from feedserver.indexing.judging import Judge
from feedserver.indexing.pipeline import Pipeline
from feedserver.indexing.plan import Plan
from feedserver.indexing.reader_values import Wanted
from feedserver.indexing.reading_queue import ReadingQueue
from feedserver.indexing.removals import Removals
from feedserver.indexing.scanner import FoundFile, Gone, by_urgency
from feedserver.indexing.settling import Settling
from feedserver.indexing.storing import Storage, moment
from feedserver.model import Value

log = logging.getLogger(__name__)

# How many of the files that are found at once are read before anything else is attended to.
FEW_FILES = 50

# How often a scan reads files again because of their links to others.
_MOST_ROUNDS = 2


class Summary(Value, frozen=True):
    """The counts of a scan, and how long it took in seconds."""

    files: int
    read: int
    gone: int
    articles_changed: int
    seconds: float


class Indexer:
    """The writer of one state folder. Its caller holds the lock.

    Args:
        plan: the folders, the rules and the state folder.
        clock: seconds since the epoch.

    Raises:
        StateError: on construction, if the state folder cannot be used.
    """

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.time) -> None:
        self._plan = plan
        self._clock = clock
        self._settling: Settling | None = None
        self._jobs: list[Job] = []
        self._waiting: dict[FileKey, Wanted] = {}
        self._advice: str | None = None  # why there is no article, as the last scan found
        self._is_waiting = False  # some files of the last scan are not published yet, as the index notes
        builds = open_store(plan.store).builds()
        self._keeper = BuildKeeper(builds, plan.fingerprint, plan.listing_rules, self._now())
        self._folders = Folders(plan, self._keeper, self._now)
        self._judge = Judge(plan, self._keeper, clock)
        self._storage = Storage(plan, self._keeper, self._judge, clock)
        removals = Removals(self._folders, self._judge, self._keeper)
        self._pipeline = Pipeline(self._judge, removals, self._storage)

    def close(self) -> None:
        """Close the connections."""
        self._keeper.close()

    def be_patient(self) -> None:
        """Let changes wait from now on until files and bursts are still, as `settling` says.

        The caller then calls `look_again`, `look_at_links` and `catch_up` when it is time (`patience`).
        Otherwise each call publishes all changes that it finds.
        """
        self._settling = Settling()

    # --- whole scans ----------------------------------------------------------------------------

    def refresh(self) -> Summary:
        """Scan without a pause.

        Raises:
            StateError: as for `scan`.
        """
        return self.scan().finish()

    def scan(self) -> Steps[Summary]:
        """Bring the index up to date with all files; build it anew if it is damaged or was removed.

        Between two steps the caller may look at files (`look_at` and others).

        Raises:
            StateError: in one of the steps, if the index cannot be written, or the history is damaged.
        """
        return Steps(self._scan())

    def _scan(self) -> Generator[Progress, None, Summary]:
        try:
            self._keeper.renew_if_lost(self._now())
            try:
                return (yield from self._scan_once())
            except DBAPIError as error:
                self._keeper.replace(error, self._now())
                return (yield from self._scan_once())
        except DBAPIError as error:
            raise self._keeper.unusable(error) from error

    def _scan_once(self) -> Generator[Progress, None, Summary]:
        started = self._clock()
        self._waiting.clear()  # the scan finds these files
        changed = self.publish_due()
        with self._job() as job:
            for root in range(len(self._plan.roots)):
                cause = self._folders.unavailable(root)
                if cause is not None and not cause.is_final:
                    self._storage.inherit(root)
                for difference in self._folders.differences(root, cause, job):
                    self._take(difference, root, job)
                    yield from job.pause()
            changed += yield from self._pipeline.run(job)
        yield job.progress()
        changed += self._keeper.publish(self._now())
        changed += self._follow_links()
        finished = self._clock()
        ownership.record(self._keeper.history, self._plan.ownership)
        self._keeper.note_scan(
            FinishedScan(started=moment(started), finished=moment(finished), files=job.found),
            self._settle_count(),
        )
        if changed or self._advice != "":
            self._advise()
        self._is_waiting = bool(self._settle_count())
        return Summary(
            files=job.found,
            read=job.queue.count,
            gone=job.gone,
            articles_changed=changed,
            seconds=finished - started,
        )

    def _advise(self) -> None:
        """Say in the log, and note for the status, why there is no article, if there is none."""
        try:
            advice, noted = advice_and_noted(self._keeper.reader(), self._plan)
        except (FeedserverError, SQLAlchemyError) as error:
            log.warning("it cannot be told whether there are articles: %s", error)
            return
        if advice != noted:
            self._keeper.writer.note(BuildFacts(advice=advice))
        if advice and advice != self._advice:
            log.warning("%s", advice)
        self._advice = advice

    def _follow_links(self) -> int:
        """Read files again that link to articles whose address has changed. Returns how many changed.

        A file that is read again keeps its own address, so the second round is mostly empty.
        """
        changed = 0
        for _ in range(_MOST_ROUNDS):
            if outdated := self._keeper.writer.take_outdated():
                changed += self._look_at_all(outdated)
        return changed

    @contextmanager
    def _job(self) -> Iterator[Job]:
        """A job that is told of the paths that are looked at between its steps."""
        with closing(ReadingQueue(self._plan)) as queue:
            # A build that is not published yet is published as a whole.
            job = Job(queue, self._settling if self._keeper.is_serving() else None)
            self._jobs.append(job)
            try:
                yield job
            finally:
                self._jobs.remove(job)

    def _take(self, difference: FoundFile | Gone | None, root: int, job: Job) -> None:
        """Have a file read that differs, and note one that is missing."""
        if isinstance(difference, FoundFile):
            job.want(root, difference)
        elif difference is not None:
            key = FileKey(root=root, path=difference.path)
            if job.may_be_removed(key, difference.stamp):
                job.missing.append(key)

    # --- single paths, and bursts of them -------------------------------------------------------

    def look_at(self, root: int, paths: Iterable[str]) -> int:
        """Bring the index up to date with some paths of a root, which may be files, folders or gone.

        Paths of an unavailable root are left to the next scan. Of many files the most urgent ones are read;
        the others wait for `catch_up`. Returns how many articles changed.
        """
        if self._folders.unavailable(root) is not None:
            return 0
        places = outermost(paths)
        for other in self._jobs:
            other.overtake(root, places)
        with self._job() as job:
            differences = [one for one in self._folders.differences_at(root, places) if one is not None]
            for difference in self._urgent(differences, root, job):
                self._take(difference, root, job)
            return Steps(self._pipeline.run(job)).finish()

    def _urgent(self, differences: list[FoundFile | Gone], root: int, job: Job) -> list[FoundFile | Gone]:
        """The most urgent of the files that were found, and all that are gone."""
        if job.settling is None:
            return differences
        found = by_urgency(one for one in differences if isinstance(one, FoundFile))
        for one in found[FEW_FILES:]:
            key = FileKey(root=root, path=one.path)
            self._waiting[key] = Wanted.of(root, one)
            job.expect(key, one)
        return [*found[:FEW_FILES], *(one for one in differences if isinstance(one, Gone))]

    def has_waiting(self) -> bool:
        """Whether files wait for `catch_up`."""
        return bool(self._waiting)

    def catch_up(self) -> Steps[int]:
        """Read the files that `look_at` left. The result is how many articles changed."""
        return Steps(self._catch_up())

    def _catch_up(self) -> Generator[Progress, None, int]:
        waiting, self._waiting = self._waiting, {}
        with self._job() as job:
            job.want_all(waiting.values())
            changed = yield from self._pipeline.run(job)
        self._keeper.writer.note(BuildFacts(pending=0))
        return changed

    # --- due changes ----------------------------------------------------------------------------

    def look_again(self) -> int:
        """Look once more at files that had just changed when they were read, or that wait to be still.

        Returns how many articles changed.
        """
        now = time.monotonic()
        due = self._judge.due()
        ripe = set() if self._settling is None else self._ripe(self._settling, now)
        changed = self._look_at_all(due | ripe)
        if self._settling is not None:
            # A file that is again as the index has it waits for nothing.
            for key in ripe & self._settling.due(now):
                self._settling.forget(key)
        if self._is_waiting and not self._settle_count():
            self._is_waiting = False
            self._keeper.writer.note(BuildFacts(pending=0))
        return changed

    def _settle_count(self) -> int:
        return 0 if self._settling is None else self._settling.count()

    def _ripe(self, settling: Settling, now: float) -> set[FileKey]:
        """The files that have waited long enough."""
        if settling.has_missing():
            folders = (Path(root.path) for root in self._plan.roots)
            settling.note_checkout(any(map(is_under_way, folders)), now)
        if self._waiting or any(job.wanted > job.done for job in self._jobs):
            settling.stir(now)  # a file that is gone may be among those that are yet to be read
        else:
            settling.expect_no_more(now)
        return settling.due(now)

    def look_at_links(self) -> int:
        """Look at the targets of symbolic links, if it is time: their changes are reported elsewhere.

        Returns how many articles changed.
        """
        links, begun = self._folders.links, time.monotonic()
        changed = self._look_at_all(links.due(begun))
        links.looked(begun, time.monotonic())
        return changed

    def _look_at_all(self, keys: Iterable[FileKey]) -> int:
        by_root: defaultdict[int, list[str]] = defaultdict(list)
        for key in keys:
            by_root[key.root].append(key.path)
        return sum(self.look_at(root, paths) for root, paths in by_root.items())

    def publish_due(self) -> int:
        """Publish changes that are due by time alone. Returns how many articles changed."""
        if not self._keeper.is_serving():
            return 0  # a new build is published as a whole
        now, writer = self._now(), self._keeper.writer
        if ahead := writer.seconds_ahead(now):
            return self.follow_jump(-ahead)  # another process was running when the clock was set
        return 0 if writer.next_due() > now else writer.advance(now)

    def follow_jump(self, seconds: float) -> int:
        """Note that the clock was set, and decide again what is due if that was back.

        Args:
            seconds: by how many, negative for back.

        Returns:
            How many articles changed.
        """
        log.warning(
            "the clock was set %s by %s; what is due is decided by it from now on",
            "back" if seconds < 0 else "ahead",
            timedelta(seconds=abs(round(seconds))),
        )
        writer, now = self._keeper.writer, self._now()
        jump = ClockJump(noticed=moment(self._clock()), seconds=float(round(seconds)))
        writer.note(BuildFacts(clock_jump=jump))
        return writer.retreat(now) if self._keeper.is_serving() and writer.seconds_ahead(now) else 0

    def next_moment(self) -> float:
        """When `look_again` or `publish_due` has something to do next, in seconds since the epoch."""
        return min(float(self._keeper.writer.next_due()), self._judge.next_due())

    def patience(self) -> float:
        """In how many seconds there is something to do next, without events."""
        if self._waiting:
            return 0.0
        now = time.monotonic()
        looks = [self._folders.links.next_look() - now]
        if self._settling is not None:
            looks.append(self._settling.next_look() - now)
        return max(0.0, min(self.next_moment() - self._clock(), *looks))

    # --- the build ------------------------------------------------------------------------------

    def is_serving(self) -> bool:
        """Whether readers see the build that is written, and not an older one."""
        return self._keeper.is_serving()

    def is_lost(self) -> bool:
        """Whether the index was removed or damaged, so that writing to it is in vain.

        Raises:
            HistoryLostError: if the publication history was.
        """
        self._keeper.check_history()
        self._keeper.mend_pointer()
        return self._keeper.is_lost()

    def replace(self, error: DBAPIError) -> None:
        """Build the index anew because of an error that it gave.

        Raises:
            StateError: if the history is damaged, or another build would do no better.
        """
        self._keeper.replace(error, self._now())

    def _now(self) -> int:
        return int(self._clock())
