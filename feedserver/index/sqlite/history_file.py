"""The file of the publication history: opened, watched, checked, and set aside when it is damaged.

Does not know the tables.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from feedserver.errors import HistoryLostError, StateError
from feedserver.index.history import PublicationHistory
from feedserver.index.sqlite import builds
from feedserver.index.sqlite.takeover import refuse_untaken
from feedserver.index.transactions import transaction

log = logging.getLogger(__name__)


class HistoryFile:
    """The open file of a publication history. It is created if it is missing.

    Args:
        state_dir: the state folder.
        patience: how long to wait for another writer, in seconds.
        cache_kib: how much of the file is kept in memory, in KiB.

    Attributes:
        connection: to the file.
        name: its path.
        place: the state folder.

    Raises:
        StateError: on construction, if it still has the name of an older release.
        SQLAlchemyError, OSError: on construction, if it cannot be opened.
    """

    def __init__(self, state_dir: Path, patience: float, cache_kib: int) -> None:
        refuse_untaken(state_dir)
        self.place = state_dir
        self.name = state_dir / builds.HISTORY_FILE
        self._engine = builds.open_engine(self.name, create=True, patience=patience, cache_kib=cache_kib)
        try:
            self.connection: Connection = self._engine.connect()
            status = self.name.stat()
        except BaseException:
            self._engine.dispose()
            raise
        self._file = status.st_dev, status.st_ino
        self._largest = status.st_size

    def is_in_place(self) -> bool:
        """Whether the file at the path is the one that is open, and was not cut short."""
        try:
            status = self.name.stat()
        except OSError:
            return False
        # The file never shrinks, because nothing is vacuumed.
        is_whole = status.st_size >= self._largest
        self._largest = max(status.st_size, self._largest)
        return is_whole and (status.st_dev, status.st_ino) == self._file

    def verify(self) -> None:
        """Read all of it. Raises as `HistoryDatabase.verify`."""
        try:
            with transaction(self.connection):
                problem = self.connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        except SQLAlchemyError as error:
            problem = error.__cause__ or error
        if problem != "ok":
            raise HistoryLostError(self.name, f"the publication history is damaged ({problem})")

    def is_damage(self, error: BaseException) -> bool:
        """As `HistoryDatabase.is_damage`."""
        return builds.is_damage(error)

    def hold_address(self, address: str) -> None:
        """Nothing: a write transaction holds the whole file."""

    def hold_tables(self) -> None:
        """Nothing: a write transaction holds the whole file."""

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
        self._engine.dispose()


def history_in(
    state_dir: Path,
    patience: float = builds.BUSY_TIMEOUT_SECONDS,
    cache_kib: int = builds.WRITER_CACHE_KIB,
) -> PublicationHistory:
    """Open the publication history of a state folder; begin one if there is none.

    Args:
        state_dir: the state folder.
        patience: how long to wait for another writer, in seconds.
        cache_kib: how much of the file is kept in memory, in KiB.

    Raises:
        StateError: if the file cannot be opened or was written by a newer version; a HistoryLostError, if it
            is damaged.
    """
    file = None
    try:
        file = HistoryFile(state_dir, patience, cache_kib)
        return PublicationHistory(file)
    except (SQLAlchemyError, OSError) as error:
        if file is not None:
            file.close()
        reason = f"the publication history cannot be opened ({error.__cause__ or error})"
        kind = HistoryLostError if builds.is_damage(error) else StateError
        raise kind(state_dir / builds.HISTORY_FILE, reason) from error
    except StateError:
        if file is not None:
            file.close()
        raise


def mended_history(state_dir: Path) -> PublicationHistory:
    """Open the publication history; mend a damaged one, or begin a new one in its place.

    Only for the process that holds the lock.

    Raises:
        StateError: if it cannot be opened for another reason.
    """
    path = state_dir / builds.HISTORY_FILE
    with suppress(FileNotFoundError):
        if not path.stat().st_size:  # SQLite would wait for processes that have it open, and they for us
            set_aside(state_dir, HistoryLostError(path, "the publication history is empty"))
    try:
        return _mended(history_in(state_dir))
    except HistoryLostError as error:
        set_aside(state_dir, error)
        return history_in(state_dir)


def _mended(history: PublicationHistory) -> PublicationHistory:
    try:
        history.forget_damaged_facts()
    except HistoryLostError:
        history.close()
        raise
    return history


def set_aside(state_dir: Path, error: HistoryLostError) -> None:
    """Rename a damaged publication history, over one that was set aside before, and log it."""
    path = state_dir / builds.HISTORY_FILE
    aside = path.with_name(f"{path.name}.damaged")
    log.error("%s; it is kept as %s, and another one takes its place", error, aside.name)
    # With its log: SQLite would write it into the new file otherwise (SQLite's "How To Corrupt", 1.4).
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
