"""Manages the build that the indexer writes: continues the serving one, or begins and publishes a new one.

A build is never repaired. If it is damaged or removed, or belongs to other settings or to another publication
history, a new build is made beside it. The old build serves until the new one is complete (promise 7). The
writer decides about the rows of a build, the store about the places of builds. Reads no file of articles. The
time is an argument.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from sqlalchemy.exc import DBAPIError

from feedserver.articles.selections.values import ListingRules
from feedserver.errors import HistoryLostError, StateError
from feedserver.index.facts import BuildFacts, FinishedScan, HistoryFacts
from feedserver.index.file_values import FileChange, FileContent, Stamp
from feedserver.index.noted import read_facts
from feedserver.index.predecessor import inherited_files, published_readings
from feedserver.index.reader import IndexReader
from feedserver.index.store import Builds
from feedserver.index.transactions import transaction
from feedserver.index.writer import IndexWriter
from feedserver.index.written import WrittenBuild
from feedserver.model import HistoryOrigin

log = logging.getLogger(__name__)


class BuildKeeper:
    """The one build that a process writes, and the publication history beside it. The process holds the lock.

    Args:
        builds: those of the store; they are closed with this.
        fingerprint: stands for the plan; a build of another plan is not continued.
        rules: that decide the listings of articles.
        now: in seconds since the epoch.

    Attributes:
        history: the publication history of the store.
        writer: of the present build; another one after `replace` and `renew_if_lost`.

    Raises:
        StateError: on construction, if the store cannot be used.
    """

    def __init__(self, builds: Builds, fingerprint: str, rules: ListingRules, now: int) -> None:
        self._builds = builds
        self._rules = rules
        try:
            self.history = builds.open_history()
        except BaseException:
            builds.close()  # otherwise a writer that ended would hold the lock
            raise
        self._facts = BuildFacts(plan=fingerprint, history_identity=self.history.identity)
        self.writer: IndexWriter
        self._build: str
        self._is_complete: bool
        self._loss: str
        try:
            self._open(now)
        except DBAPIError as error:
            self.close()
            raise self.unusable(error) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connections."""
        self._builds.close()
        self.history.close()

    def reader(self) -> IndexReader:
        """Answers questions about the present build, by the connection that writes it."""
        return IndexReader(WrittenBuild(self.writer.connection))

    def is_serving(self) -> bool:
        """Whether the present build is complete, so that readers see its changes."""
        return self._is_complete

    def check_history(self) -> None:
        """Raise a HistoryLostError if the history that this process has open was removed or cut short."""
        if not self.history.is_in_place():
            raise HistoryLostError(
                self.history.name, "the publication history was removed, replaced or cut short"
            )

    def mend_pointer(self) -> None:
        """See to it that the present build is named as the serving one, if it is complete."""
        if self._is_complete:
            self._builds.mend(self._build)

    def inherited(self, root: str) -> Iterator[list[tuple[str, Stamp, FileContent]]]:
        """The files of a root as the serving build stores them, while the present build is a new one.

        Yields nothing if the serving build cannot be read, which is logged.
        """
        source = self._predecessor(root)
        if source is None:
            return
        build, position = source
        try:
            with self._builds.read(build) as connection:
                yield from inherited_files(connection, position, self._rules)
        except DBAPIError as error:
            log.warning("what was published from %s is lost until it is there again: %s", root, error.orig)

    def keep_published(self, root: str, broken: Mapping[str, str]) -> None:
        """Remember the versions in the serving build of files that a new build finds broken (promise 5).

        `broken` maps their paths to order paths. If the serving build cannot be read, that is logged.
        """
        source = self._predecessor(root)
        if source is None or not broken:
            self._tell_lost(broken)
            return
        build, position = source
        try:
            with self._builds.read(build) as connection:
                published = published_readings(connection, position, list(broken))
        except DBAPIError as error:
            log.warning("what was published of broken files in %s is lost: %s", root, error.orig)
            return
        remembered = self.history.last_good(broken.values())
        keep = {
            broken[path]: reading for path, reading in published.items() if broken[path] not in remembered
        }
        self.history.replace_last_good(keep, ())

    def _tell_lost(self, broken: Mapping[str, str]) -> None:
        """Log the broken files whose last good version was probably lost with the publication history."""
        beginning = self.history.facts("beginning").beginning
        if beginning is None or beginning.origin is not HistoryOrigin.LOST:
            return
        remembered = self.history.last_good(broken.values())
        for path, order_path in broken.items():
            if order_path not in remembered:
                log.warning("%s cannot be read, and its last good version is lost, if it had one", path)

    def _predecessor(self, root: str) -> tuple[str, int] | None:
        """The serving build and the position of a root in it, if the present build is a new one."""
        serving, roots = self._builds.serving(), self.history.facts("roots").roots or ()
        if serving is None or serving == self._build or root not in roots:
            return None
        return serving, roots.index(root)

    def apply(self, changes: Sequence[FileChange], now: int) -> int:
        """Write changes of files. Returns how many articles changed; in a new build none does yet."""
        if not changes:
            return 0
        if self.is_serving():
            return self.writer.apply(changes, now)
        self.writer.stage(changes, now)
        return 0

    def publish(self, now: int) -> int:
        """Publish the complete build. Returns how many articles appeared by that."""
        appeared = 0
        if not self.is_serving():
            appeared = self.writer.publish_staged(now)
            self._builds.finish_loading()
            self._builds.publish(self._build)
            self._is_complete = True
        self._builds.keep_only(self._build)
        return appeared

    def is_lost(self) -> bool:
        """Whether the present build was removed, cut short, or found damaged by a reader.

        Changes of such a build are lost.
        """
        self._loss = self._loss or self._builds.loss(self._build, is_complete=self._is_complete)
        return bool(self._loss)

    def renew_if_lost(self, now: int) -> None:
        """Begin another build if the present one is lost."""
        if self.is_lost():
            log.warning("%s %s and is built anew", self._builds.title(self._build), self._loss)
            self._begin(now)

    def replace(self, error: DBAPIError, now: int) -> None:
        """Begin another build because of an error that the present one gave.

        Raises:
            HistoryLostError: if the publication history is damaged; it is set aside.
            StateError: if another build would do no better.
        """
        self.check_history()
        try:
            self.history.verify()
        except HistoryLostError as damage:
            self.history.close()
            self._builds.set_aside(damage)
            raise
        if not self._builds.would_another_help(error):
            raise self.unusable(error) from error
        log.error("%s is damaged and is built anew: %s", self._builds.title(self._build), error.orig)
        try:
            self._begin(now)
        except DBAPIError as another:
            raise self.unusable(another) from another

    def unusable(self, error: DBAPIError) -> StateError:
        """An error of the database as a StateError."""
        return self._builds.failure(error)

    def _open(self, now: int) -> None:
        serving = self._builds.serving() or self._unnamed_build()
        facts = BuildFacts() if serving is None else self._facts_of(serving)
        if self.history.is_new:
            facts = self._begin_history(serving, facts, now)
        self._take_mirrored(facts)
        if serving is None or not self._is_made_by(facts):
            self._begin(now)
            return
        self._use(serving)
        self._is_complete = True
        self.mend_pointer()
        if facts.sequence != self.history.facts("sequence").sequence:
            self._recover(facts, now)

    def _is_made_by(self, facts: BuildFacts) -> bool:
        """Whether a build was made by this plan and with this publication history."""
        made_by = BuildFacts(plan=facts.plan, history_identity=facts.history_identity)
        return made_by == self._facts

    def _take_mirrored(self, facts: BuildFacts) -> None:
        """Take facts that the publication history has lost from the serving build, which mirrors them."""
        if facts.history_identity != self.history.identity:
            return
        mirrored = msgspec.structs.replace(facts.mirrored or HistoryFacts(), beginning=facts.beginning)
        known = {key for key, _ in self.history.facts().rows()}
        lost = [(key, value) for key, value in mirrored.rows() if key not in known]
        if lost:
            self.history.note(HistoryFacts.of(lost))

    def _begin_history(self, serving: str | None, facts: BuildFacts, now: int) -> BuildFacts:
        """Begin a new publication history, from the index if that can be read, and log how it came to be.

        Returns the facts of the serving build as they are then.
        """
        origin = HistoryOrigin.BEGUN
        if serving is not None:
            origin = HistoryOrigin.INDEX if self._refill(serving, facts, now) else HistoryOrigin.LOST
        elif self._builds.had_history():
            origin = HistoryOrigin.LOST
        self.history.begin(origin, now)
        self._builds.note_history()
        if origin is HistoryOrigin.INDEX:
            log.error("%s was lost; it is made again from the index", self.history.name)
        elif origin is HistoryOrigin.LOST:
            log.error(
                "%s was lost: the dates of all changes begin anew, and articles that changed are dated by"
                " their publication; to go on from a copy, stop the server and run"
                " `feedserver history restore`",
                self.history.name,
            )
        return BuildFacts() if serving is None else self._facts_of(serving)

    def _refill(self, serving: str, facts: BuildFacts, now: int) -> bool:
        """Fill a new publication history from a build. False if the build cannot be read."""
        try:
            with self._builds.read(serving) as connection:
                writer = IndexWriter(connection, self.history, self._rules)
                writer.recover(now)
                writer.note(BuildFacts(history_identity=self.history.identity))
        except DBAPIError as error:
            log.warning("%s cannot be read either: %s", self._builds.title(serving), error.orig)
            return False
        self.history.note(facts.mirrored or HistoryFacts())
        return True

    def note_scan(self, scan: FinishedScan, waiting: int) -> None:
        """Note a finished scan, and facts of the history: for the status, and in case the history is lost.

        `waiting` is the number of files that it found and that are to be published later.
        """
        facts = self.history.facts()
        self.writer.note(
            BuildFacts(
                scan=scan,
                pending=waiting,
                beginning=facts.beginning,
                copied=self._builds.copied(),
                mirrored=HistoryFacts(roots=facts.roots, ids=facts.ids, seen_roots=facts.seen_roots),
            )
        )

    def _unnamed_build(self) -> str | None:
        """A complete build of this plan and history that no pointer names, because the pointer is lost."""
        for build in self._builds.unnamed():
            facts = self._facts_of(build)
            if self._is_made_by(facts) and facts.scan is not None:
                return build
        return None

    def _recover(self, facts: BuildFacts, now: int) -> None:
        """Make build and history agree after a process died between the two commits, or the power failed."""
        log.warning(
            "a commit to %s was interrupted: the publication history goes back to what is published",
            self._builds.title(self._build),
        )
        if (self.history.facts("sequence").sequence or 0) < (facts.sequence or 0):
            self.history.begin_dates(now)  # it is an older copy, or lost its last commits in a power cut
        try:
            self.writer.recover(now)
        except DBAPIError as error:
            self.replace(error, now)

    def _begin(self, now: int) -> None:
        # This removes unfinished builds of a process that died; the caller holds the lock.
        self._builds.keep_only(self._builds.serving())
        self._use(self._builds.begin())
        self._builds.begin_loading()
        try:
            self.writer.create(self._facts, now)
        except DBAPIError:
            self._builds.discard(self._build)
            raise

    def _use(self, build: str) -> None:
        self._build = build
        self._is_complete, self._loss = False, ""
        self.writer = IndexWriter(self._builds.write(build), self.history, self._rules)

    def _facts_of(self, build: str) -> BuildFacts:
        """The facts of a build; none if it cannot be read."""
        try:
            with self._builds.read(build) as connection, transaction(connection):
                return read_facts(connection, BuildFacts)
        except DBAPIError as error:
            log.warning("%s cannot be read and is built anew: %s", self._builds.title(build), error.orig)
        return BuildFacts()
