"""Keeps the build that is written: goes on with the serving one, or begins, publishes and replaces builds.

A build that was made for other settings or with another memory, that was removed or is damaged is not
mended but built anew beside the old one, which serves until the new one is complete (promise 7). What
is written into a build is the writer's business; reads no file of articles and no clock.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DBAPIError

from feedserver.errors import StateError
from feedserver.index import builds, schema
from feedserver.index.builds import transaction
from feedserver.index.memory import Memory
from feedserver.index.predecessor import inherited_files, published_readings
from feedserver.index.writer import IndexWriter
from feedserver.model import FileChange, FileContent, Selection, Stamp

log = logging.getLogger(__name__)

# Errors of SQLite that another database would give too: busy, locked, out of memory, read-only, full.
_NOT_DAMAGE = frozenset({5, 6, 7, 8, 13})


class BuildKeeper:
    """The one build that a process writes, and the memory beside it. The process holds the lock.

    Args:
        state_dir: where builds and memory are.
        fingerprint: stands for all that decides what a build holds.
        selections: the feeds that the settings define.
        now: in seconds since the epoch.

    Attributes:
        memory: the memory of the state folder.
        writer: of the present build; another one after `replace` and `renew_if_removed`.

    Raises:
        StateError: on construction, if the state folder cannot be used.
    """

    def __init__(self, state_dir: Path, fingerprint: str, selections: Sequence[Selection], now: int) -> None:
        self._state_dir = state_dir
        self._selections = selections
        self.memory = Memory(state_dir)
        self._facts = {"fingerprint": fingerprint, "memory": self.memory.identity}
        self.writer: IndexWriter
        self._build: Path
        self._engine: Engine
        self._connection: Connection
        try:
            self._open(now)
        except DBAPIError as error:
            self.memory.close()
            raise self.unusable(error) from error

    def close(self) -> None:
        """Give the connections back."""
        self._close_build()
        self.memory.close()

    def is_serving(self) -> bool:
        """Whether the present build is the one that readers see."""
        return builds.serving_build(self._state_dir) == self._build

    def inherited(self, root: str) -> Iterator[list[tuple[str, Stamp, FileContent]]]:
        """What the serving build says of the files of a root, if the present one is another, and new.

        Nothing if it cannot be told, which is said.
        """
        source = self._predecessor(root)
        if source is None:
            return
        try:
            yield from inherited_files(*source, self._selections)
        except DBAPIError as error:
            log.warning("what was published from %s is lost until it is there again: %s", root, error.orig)

    def keep_published(self, root: str, broken: Mapping[str, str]) -> None:
        """Remember what the serving build has of files of a root that a new build finds broken (promise 5).

        `broken` has their paths, each with its order path. Nothing if it cannot be told, which is said.
        """
        source = self._predecessor(root)
        if source is None or not broken:
            return
        try:
            published = published_readings(*source, list(broken))
        except DBAPIError as error:
            log.warning("what was published of broken files in %s is lost: %s", root, error.orig)
            return
        remembered = self.memory.last_good(broken.values())
        keep = {
            broken[path]: reading for path, reading in published.items() if broken[path] not in remembered
        }
        self.memory.replace_last_good(keep, ())

    def _predecessor(self, root: str) -> tuple[Path, int] | None:
        """The serving build and the position of a root in it, if the present build is a new one."""
        serving, roots = builds.serving_build(self._state_dir), self.memory.fact("roots") or []
        if serving is None or serving == self._build or root not in roots:
            return None
        return serving, roots.index(root)

    def apply(self, changes: Sequence[FileChange], now: int) -> int:
        """Write what was read of files. Returns how many articles changed; in a new build none does yet."""
        if not changes:
            return 0
        if self.is_serving():
            return self.writer.apply(changes, now)
        self.writer.stage(changes, now)
        return 0

    def publish(self, now: int) -> int:
        """Let readers see the build, which is complete. Returns how many articles appeared by that."""
        appeared = 0
        if not self.is_serving():
            appeared = self.writer.publish_staged(now)
            builds.write_out(self._connection, self._build)
            builds.publish_build(self._state_dir, self._build)
        builds.remove_other_builds(self._state_dir, keep=self._build)
        return appeared

    def is_removed(self) -> bool:
        """Whether the file of the present build is gone: what is written then is written in vain."""
        return not self._build.is_file()

    def renew_if_removed(self, now: int) -> None:
        """Begin another build if the present one was removed."""
        if self.is_removed():
            log.warning("%s was removed and is built anew", self._build)
            self._close_build()
            self._begin(now)

    def replace(self, error: DBAPIError, now: int) -> None:
        """Begin another build because of an error that the present one gave.

        Raises:
            StateError: if the memory is damaged, or another build would do no better.
        """
        self.memory.verify()
        # The low byte is the kind of error; what the driver finds by itself has none.
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _NOT_DAMAGE:
            raise self.unusable(error) from error
        log.error("%s is damaged and is built anew: %s", self._build, error.orig)
        self._close_build()
        try:
            self._begin(now)
        except DBAPIError as another:
            raise self.unusable(another) from another

    def unusable(self, error: DBAPIError) -> StateError:
        """An error of the database as one of the family."""
        return StateError(self._state_dir, f"the index cannot be written ({error.orig})")

    def _open(self, now: int) -> None:
        serving = builds.serving_build(self._state_dir)
        facts = {} if serving is None else _facts_of(serving)
        if facts.get("memory", self.memory.identity) != self.memory.identity:
            log.error(
                "the memory of the index is lost (%s is another one): the dates of all changes begin anew",
                self.memory.path,
            )
        if serving is None or not self._facts.items() <= facts.items():
            self._begin(now)
            return
        self._use(serving)
        if facts.get(schema.SEQUENCE) != self.memory.fact(schema.SEQUENCE):
            self._recover(now)

    def _recover(self, now: int) -> None:
        """Make build and memory agree: the process died between the commits of the two, or the power went."""
        log.warning("a commit to %s was interrupted: the memory goes back to what is published", self._build)
        try:
            self.writer.recover(now)
        except DBAPIError as error:
            self.replace(error, now)

    def _begin(self, now: int) -> None:
        # Also what a process left that died while it made one; the caller holds the lock.
        builds.remove_other_builds(self._state_dir, builds.serving_build(self._state_dir))
        self._use(builds.new_build(self._state_dir))
        builds.trust_the_system(self._connection)
        try:
            self.writer.create(self._facts, now)
        except DBAPIError:
            self._close_build()
            self._build.unlink(missing_ok=True)
            raise

    def _use(self, build: Path) -> None:
        self._build = build
        self._engine = builds.open_engine(build, create=True)
        self._connection = self._engine.connect()
        self.writer = IndexWriter(self._connection, self.memory, self._selections)

    def _close_build(self) -> None:
        self._connection.close()
        self._engine.dispose()


def _facts_of(build: Path) -> dict[str, str]:
    """What a build says of itself; nothing if it cannot be read."""
    engine = builds.open_engine(build)
    try:
        with engine.connect() as connection, transaction(connection):
            return {row.key: row.value for row in connection.execute(select(schema.meta))}
    except DBAPIError as error:
        log.warning("%s cannot be read and is built anew: %s", build, error.orig)
        return {}
    finally:
        engine.dispose()
