"""Manages the build that the indexer writes: continues the serving one, or begins and publishes a new one.

A build is the file of one index. It is never repaired. If it is damaged or removed, or belongs to other
settings or to another publication history, a new build is made beside it. The old build serves until the new
one is complete (promise 7). The writer decides about the rows of a build. Reads no file of articles. The time
is an argument, except for the pause between two reports of damage.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from feedserver.errors import HistoryLostError, StateError
from feedserver.index import builds, copies
from feedserver.index.builds import transaction
from feedserver.index.facts import BuildFacts, FinishedScan, HistoryFacts
from feedserver.index.file_values import FileChange, FileContent, Stamp
from feedserver.index.history import open_history, set_aside
from feedserver.index.noted import read_facts
from feedserver.index.predecessor import inherited_files, published_readings
from feedserver.index.writer import IndexWriter
from feedserver.model import HistoryOrigin, Selection
from feedserver.system import private

log = logging.getLogger(__name__)

# After a report of damage a new build is made, and further reports are ignored for this time. If reports
# go on with the new build, the cause may be a defect of the program, which another build would not mend.
RENEWAL_SECONDS = 600.0

# Errors of SQLite that another file would give too.
_NOT_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_FULL,
    }
)


class BuildKeeper:
    """The one build that a process writes, and the publication history beside it. The process holds the lock.

    Args:
        state_dir: where builds and publication history are.
        fingerprint: stands for the plan; a build of another plan is not continued.
        selections: the feeds that the settings define.
        now: in seconds since the epoch.

    Attributes:
        history: the publication history of the state folder.
        writer: of the present build; another one after `replace` and `renew_if_lost`.

    Raises:
        StateError: on construction, if the state folder cannot be used.
    """

    def __init__(self, state_dir: Path, fingerprint: str, selections: Sequence[Selection], now: int) -> None:
        self._state_dir = state_dir
        self._selections = selections
        self.history = open_history(state_dir)
        self._next_renewal = 0.0
        self._facts = BuildFacts(plan=fingerprint, history_identity=self.history.identity)
        self.writer: IndexWriter
        self._build: Path
        self._is_complete: bool
        self._loss: str
        self._largest: int
        self._engine: Engine
        self._connection: Connection
        try:
            self._open(now)
        except DBAPIError as error:
            self.history.close()
            raise self.unusable(error) from error

    def close(self) -> None:
        """Close the connections."""
        self._close_build()
        self.history.close()

    def is_serving(self) -> bool:
        """Whether the present build is complete, so that readers see its changes."""
        return self._is_complete

    def check_history(self) -> None:
        """Raise a HistoryLostError if the history that this process has open was removed or cut short."""
        if not self.history.is_in_place():
            raise HistoryLostError(
                self.history.path, "the publication history was removed, replaced or cut short"
            )

    def mend_pointer(self) -> None:
        """Write the pointer again if another program removed or changed it."""
        is_named = builds.serving_build(self._state_dir) == self._build
        if self._is_complete and not is_named and self._build.is_file():
            log.warning("%s named no index and is written anew", builds.pointer_path(self._state_dir))
            builds.publish_build(self._state_dir, self._build)

    def inherited(self, root: str) -> Iterator[list[tuple[str, Stamp, FileContent]]]:
        """The files of a root as the serving build stores them, while the present build is a new one.

        Yields nothing if the serving build cannot be read, which is logged.
        """
        source = self._predecessor(root)
        if source is None:
            return
        try:
            yield from inherited_files(*source, self._selections)
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
        try:
            published = published_readings(*source, list(broken))
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

    def _predecessor(self, root: str) -> tuple[Path, int] | None:
        """The serving build and the position of a root in it, if the present build is a new one."""
        serving, roots = builds.serving_build(self._state_dir), self.history.facts("roots").roots or ()
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
            builds.write_out(self._connection, self._build)
            builds.publish_build(self._state_dir, self._build)
            self._is_complete = True
        builds.remove_other_builds(self._state_dir, keep=self._build)
        return appeared

    def is_lost(self) -> bool:
        """Whether the present build was removed, cut short, or found damaged by a reader.

        Changes of such a build are lost. A look at the file costs nothing; the database would notice only
        with the next page that is not in its cache.
        """
        self._loss = self._loss or self._look_for_loss()
        return bool(self._loss)

    def _look_for_loss(self) -> str:
        try:
            size = self._build.stat().st_size
        except OSError:
            return "was removed"
        # The file of a build never shrinks: nothing is vacuumed, and a rollback does not cut it.
        if self._is_complete and size < self._largest:
            return f"was cut from {self._largest} to {size} bytes"
        self._largest = size
        asked = builds.take_renewal_request(self._state_dir) == self._build.name
        if asked and time.monotonic() >= self._next_renewal:
            self._next_renewal = time.monotonic() + RENEWAL_SECONDS
            return "is damaged, as a reader found,"
        return ""

    def renew_if_lost(self, now: int) -> None:
        """Begin another build if the present one is lost."""
        if self.is_lost():
            log.warning("%s %s and is built anew", self._build, self._loss)
            self._close_build()
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
            set_aside(self._state_dir, damage)
            raise
        # The low byte is the kind of error; an error of the driver itself has no code.
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _NOT_DAMAGE:
            raise self.unusable(error) from error
        log.error("%s is damaged and is built anew: %s", self._build, error.orig)
        self._close_build()
        try:
            self._begin(now)
        except DBAPIError as another:
            raise self.unusable(another) from another

    def unusable(self, error: DBAPIError) -> StateError:
        """An error of the database as a StateError."""
        return StateError(self._state_dir, f"the index cannot be written ({error.orig})")

    def _open(self, now: int) -> None:
        serving = builds.serving_build(self._state_dir) or self._unnamed_build()
        facts = BuildFacts() if serving is None else _facts_of(serving)
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

    def _begin_history(self, serving: Path | None, facts: BuildFacts, now: int) -> BuildFacts:
        """Begin a new publication history, from the index if that can be read, and log how it came to be.

        Returns the facts of the serving build as they are then.
        """
        folder = self._state_dir / copies.FOLDER
        origin = HistoryOrigin.BEGUN
        if serving is not None:
            origin = HistoryOrigin.INDEX if self._refill(serving, facts, now) else HistoryOrigin.LOST
        elif folder.is_dir():
            origin = HistoryOrigin.LOST
        self.history.begin(origin, now)
        private.make_folder(folder)  # from now on, a missing history was lost
        if origin is HistoryOrigin.INDEX:
            log.error("%s was lost; it is made again from the index", self.history.path)
        elif origin is HistoryOrigin.LOST:
            log.error(
                "%s was lost: the dates of all changes begin anew, and articles that changed are dated by"
                " their publication; to go on from a copy, stop the server and run"
                " `feedserver history restore`",
                self.history.path,
            )
        return BuildFacts() if serving is None else _facts_of(serving)

    def _refill(self, serving: Path, facts: BuildFacts, now: int) -> bool:
        """Fill a new publication history from a build. False if the build cannot be read."""
        engine = builds.open_engine(serving)
        try:
            with engine.connect() as connection:
                writer = IndexWriter(connection, self.history, self._selections)
                writer.recover(now)
                writer.note(BuildFacts(history_identity=self.history.identity))
        except DBAPIError as error:
            log.warning("%s cannot be read either: %s", serving, error.orig)
            return False
        finally:
            engine.dispose()
        self.history.note(facts.mirrored or HistoryFacts())
        return True

    def note_scan(self, scan: FinishedScan) -> None:
        """Note a finished scan, and facts of the history: for the status, and in case the history is lost."""
        facts = self.history.facts()
        newest = next(iter(copies.copies(self._state_dir)), None)
        self.writer.note(
            BuildFacts(
                scan=scan,
                pending=0,
                beginning=facts.beginning,
                copied=None if newest is None else copies.made_at(newest),
                mirrored=HistoryFacts(roots=facts.roots, ids=facts.ids, seen_roots=facts.seen_roots),
            )
        )

    def _unnamed_build(self) -> Path | None:
        """A complete build of this plan and history that no pointer names, because the pointer is lost."""
        for build in builds.all_builds(self._state_dir):
            facts = _facts_of(build)
            if self._is_made_by(facts) and facts.scan is not None:
                return build
        return None

    def _recover(self, facts: BuildFacts, now: int) -> None:
        """Make build and history agree after a process died between the two commits, or the power failed."""
        log.warning(
            "a commit to %s was interrupted: the publication history goes back to what is published",
            self._build,
        )
        if (self.history.facts("sequence").sequence or 0) < (facts.sequence or 0):
            self.history.begin_dates(now)  # it is an older copy, or lost its last commits in a power cut
        try:
            self.writer.recover(now)
        except DBAPIError as error:
            self.replace(error, now)

    def _begin(self, now: int) -> None:
        # This includes unfinished builds of a process that died; the caller holds the lock.
        builds.remove_other_builds(self._state_dir, builds.serving_build(self._state_dir))
        self._use(builds.new_build(self._state_dir))
        builds.write_without_log(self._connection)
        try:
            self.writer.create(self._facts, now)
        except DBAPIError:
            self._close_build()
            self._build.unlink(missing_ok=True)
            raise

    def _use(self, build: Path) -> None:
        self._build = build
        self._is_complete, self._loss, self._largest = False, "", 0
        self._engine = builds.open_engine(build, create=True)
        self._connection = self._engine.connect()
        self.writer = IndexWriter(self._connection, self.history, self._selections)

    def _close_build(self) -> None:
        self._connection.close()
        self._engine.dispose()


def _facts_of(build: Path) -> BuildFacts:
    """The facts of a build; none if it cannot be read."""
    engine = builds.open_engine(build)
    try:
        with engine.connect() as connection, transaction(connection):
            return read_facts(connection, BuildFacts)
    except DBAPIError as error:
        log.warning("%s cannot be read and is built anew: %s", build, error.orig)
    finally:
        engine.dispose()
    return BuildFacts()
