"""The state folder as a store: SQLite files, which need nothing installed and belong to one machine."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from feedserver.errors import HistoryLostError, StateError
from feedserver.index.history import PublicationHistory
from feedserver.index.sqlite import builds, copies
from feedserver.index.sqlite.history_file import history_in, mended_history, set_aside
from feedserver.index.sqlite.serving import ServingBuild
from feedserver.system import private

log = logging.getLogger(__name__)

# A serving thread waits no longer for another one's write to the history.
HISTORY_PATIENCE_SECONDS = 0.5

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


class StateFolder:
    """The store of one state folder."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir

    def serving(self) -> ServingBuild:
        """As `Store.serving`."""
        return ServingBuild(self._state_dir)

    def history(self) -> PublicationHistory:
        """As `Store.history`."""
        return history_in(self._state_dir)

    def impatient_history(self) -> PublicationHistory:
        """As `Store.impatient_history`."""
        return history_in(self._state_dir, HISTORY_PATIENCE_SECONDS, builds.READER_CACHE_KIB)

    def is_indexed(self) -> bool:
        """As `Store.is_indexed`."""
        return builds.serving_build(self._state_dir) is not None

    def builds(self) -> FileBuilds:
        """As `Store.builds`: the holder of the indexer's lock is the one writer."""
        return FileBuilds(self._state_dir)


class FileBuilds:
    """The builds of a state folder: each is a file of its own. Its process holds the indexer's lock.

    Attributes:
        place: the state folder.
    """

    def __init__(self, state_dir: Path) -> None:
        self.place = state_dir
        self._next_renewal = 0.0
        self._path: Path | None = None
        self._largest = 0
        self._engine: Engine | None = None
        self._connection: Connection | None = None

    # --- the publication history ----------------------------------------------------------------

    def open_history(self) -> PublicationHistory:
        """As `Builds.open_history`."""
        return mended_history(self.place)

    def set_aside(self, damage: HistoryLostError) -> None:
        """As `Builds.set_aside`."""
        set_aside(self.place, damage)

    def had_history(self) -> bool:
        """Whether there is a folder of copies."""
        return (self.place / copies.FOLDER).is_dir()

    def note_history(self) -> None:
        """Make the folder of copies."""
        private.make_folder(self.place / copies.FOLDER)

    def copied(self) -> datetime | None:
        """As `Builds.copied`."""
        newest = next(iter(copies.copies(self.place)), None)
        return None if newest is None else copies.made_at(newest)

    # --- builds ---------------------------------------------------------------------------------

    def serving(self) -> str | None:
        """As `Builds.serving`."""
        build = builds.serving_build(self.place)
        return None if build is None else build.name

    def unnamed(self) -> list[str]:
        """As `Builds.unnamed`."""
        serving = self.serving()
        return [path.name for path in builds.all_builds(self.place) if path.name != serving]

    def title(self, build: str) -> str:
        """The path of its file."""
        return str(self.place / build)

    @contextmanager
    def read(self, build: str) -> Iterator[Connection]:
        """As `Builds.read`."""
        engine = builds.open_engine(self.place / build)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def begin(self) -> str:
        """As `Builds.begin`."""
        return builds.new_build(self.place).name

    def write(self, build: str) -> Connection:
        """As `Builds.write`."""
        self._close_build()
        self._path, self._largest = self.place / build, 0
        self._engine = builds.open_engine(self._path, create=True)
        self._connection = self._engine.connect()
        return self._connection

    def discard(self, build: str) -> None:
        """As `Builds.discard`."""
        self._close_build()
        (self.place / build).unlink(missing_ok=True)

    def begin_loading(self) -> None:
        """As `Builds.begin_loading`."""
        builds.write_without_log(self._open_connection())

    def finish_loading(self) -> None:
        """As `Builds.finish_loading`."""
        builds.write_out(self._open_connection(), self._open_path())

    def publish(self, build: str) -> None:
        """As `Builds.publish`."""
        builds.publish_build(self.place, self.place / build)

    def mend(self, build: str) -> None:
        """Write the pointer again if another program removed or changed it."""
        path = self.place / build
        if builds.serving_build(self.place) != path and path.is_file():
            log.warning("%s named no index and is written anew", builds.pointer_path(self.place))
            self.publish(build)

    def keep_only(self, *names: str | None) -> None:
        """As `Builds.keep_only`; readers that have a removed file open can go on reading it."""
        builds.remove_other_builds(self.place, {name for name in names if name})

    def loss(self, build: str, *, is_complete: bool) -> str:
        """As `Builds.loss`.

        A look at the file costs nothing; the database would notice only with the next page that is not in its
        cache.
        """
        try:
            size = self._open_path().stat().st_size
        except OSError:
            return "was removed"
        # The file of a build never shrinks: nothing is vacuumed, and a rollback does not cut it.
        if is_complete and size < self._largest:
            return f"was cut from {self._largest} to {size} bytes"
        self._largest = size
        asked = builds.take_renewal_request(self.place) == build
        if asked and time.monotonic() >= self._next_renewal:
            self._next_renewal = time.monotonic() + RENEWAL_SECONDS
            return "is damaged, as a reader found,"
        return ""

    def would_another_help(self, error: DBAPIError) -> bool:
        """As `Builds.would_another_help`."""
        # The low byte is the kind of error; an error of the driver itself has no code.
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF not in _NOT_DAMAGE

    def failure(self, error: DBAPIError) -> StateError:
        """As `Builds.failure`."""
        return StateError(self.place, f"the index cannot be written ({error.orig})")

    def close(self) -> None:
        """As `Builds.close`."""
        self._close_build()

    def _close_build(self) -> None:
        if self._connection is not None and self._engine is not None:
            self._connection.close()
            self._engine.dispose()
        self._connection, self._engine = None, None

    def _open_connection(self) -> Connection:
        if self._connection is None:
            raise AssertionError("no build is written")
        return self._connection

    def _open_path(self) -> Path:
        if self._path is None:
            raise AssertionError("no build is written")
        return self._path
