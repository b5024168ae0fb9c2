"""Copies of the publication history: made by the indexer, restored by a command.

A copy is one file that SQLite's backup interface makes of one snapshot, so no other process waits for it. It
is kept only if it passes a check. Copies of a history that was lost since are not removed for newer ones.
Decides nothing about publication.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from feedserver.errors import StateError
from feedserver.index.facts import HistoryFacts
from feedserver.index.sqlite.builds import HISTORY_FILE
from feedserver.index.sqlite.history_file import history_in
from feedserver.index.sqlite.takeover import take_over
from feedserver.model import HistoryOrigin
from feedserver.system import private

FOLDER = "history-copies"

# How old the newest copy gets before the next one is made.
COPY_SECONDS = 86_400

# Pages between two looks whether to stop: a megabyte.
_PAGES = 256

_NAME = "history-%Y%m%dT%H%M%SZ.sqlite"
# Copies that an older release made begin with the second word, and are copies like others.
_PREFIXES = ("history-", "memory-")

# The folder in which a copy is prepared to be restored.
_WORKSHOP = ".restore-part"


class StoppedError(Exception):
    """The process is to end before the copy is complete."""


def copies(state_dir: Path) -> list[Path]:
    """The copies in a state folder, the newest first. Files with other names are ignored."""
    found = (path for prefix in _PREFIXES for path in (state_dir / FOLDER).glob(f"{prefix}*Z.sqlite"))
    return sorted((path for path in found if _is_name(path)), key=made_at, reverse=True)


def _is_name(path: Path) -> bool:
    try:
        made_at(path)
    except ValueError:
        return False
    return True


def made_at(copy: Path) -> datetime:
    """When a copy was made.

    Raises:
        ValueError: if the file has another name than copies have.
    """
    name = f"history-{copy.name.partition('-')[2]}"
    # Not `strptime`, which imports a module when it is called first: an indexer may have lost the right to.
    made = datetime.fromisoformat(name.removeprefix("history-").removesuffix(".sqlite"))
    if made.tzinfo is not UTC or name != made.strftime(_NAME):
        raise ValueError(f"{copy.name} is not the name of a copy")
    return made


def is_due(state_dir: Path, now: float) -> bool:
    """Whether it is time for a copy. A copy from the future was made by a wrong clock, and does not count."""
    ages = (now - made_at(copy).timestamp() for copy in copies(state_dir))
    return not any(0 <= age < COPY_SECONDS for age in ages)


def make_copy(state_dir: Path, now: float, keep: int, is_stopped: Callable[[], bool] = lambda: False) -> Path:
    """Copy the publication history, and remove surplus copies. The caller holds the indexer's lock.

    Args:
        state_dir: of the history.
        now: in seconds since the epoch.
        keep: how many copies are kept of the present history, and as many of earlier ones.
        is_stopped: called now and then; tells whether to stop.

    Raises:
        StateError: if the history is damaged; then all copies stay.
        StoppedError: if it is stopped.
        OSError, sqlite3.Error: if the copy cannot be written.
    """
    folder = state_dir / FOLDER
    private.make_folder(folder)
    shutil.rmtree(folder / _WORKSHOP, ignore_errors=True)  # of a command that was killed: we hold the lock
    for leftover in folder.glob(".*Z.sqlite-part*"):
        leftover.unlink()
    target = folder / datetime.fromtimestamp(now, UTC).strftime(_NAME)
    part = folder / f".{target.name}-part"
    private.create_file(part)
    try:
        begun = _copy(state_dir / HISTORY_FILE, part, is_stopped)
        _write_out(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    _remove_surplus(state_dir, begun, keep)
    return target


def restore(state_dir: Path, copy: Path, now: float) -> None:
    """Replace the publication history by a copy. No other process may use the state folder.

    A copy lacks the dates that were sent after it was made, so the dates of documents begin anew.

    Raises:
        StateError: if the copy is damaged, or no publication history.
        OSError: if it cannot be written.
    """
    take_over(state_dir)  # or the file of an older release would stay beside the restored history
    private.make_folder(state_dir / FOLDER)
    workshop = state_dir / FOLDER / _WORKSHOP
    shutil.rmtree(workshop, ignore_errors=True)
    private.make_folder(workshop)
    try:
        private.create_file(workshop / HISTORY_FILE)
        shutil.copyfile(copy, workshop / HISTORY_FILE)
        _check(workshop / HISTORY_FILE, copy)
        with closing(history_in(workshop)) as history:
            history.verify()
            history.begin(HistoryOrigin.COPY, int(now))
        _write_out(workshop / HISTORY_FILE)
        for suffix in ("-wal", "-shm"):
            (state_dir / f"{HISTORY_FILE}{suffix}").unlink(missing_ok=True)
        (workshop / HISTORY_FILE).replace(state_dir / HISTORY_FILE)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _copy(source: Path, target: Path, is_stopped: Callable[[], bool]) -> int:
    """Copy a database and check the copy. Returns when its history began."""

    def look(*_: int) -> None:
        if is_stopped():
            raise StoppedError

    uri = f"{source.as_uri()}?mode=rw"
    with (
        closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        # One snapshot: otherwise SQLite begins again whenever another process writes meanwhile.
        original.execute("BEGIN")
        original.execute("SELECT count(*) FROM meta").fetchone()
        original.backup(copy, pages=_PAGES, progress=look)
        original.execute("COMMIT")
        copy.execute("PRAGMA journal_mode=DELETE")
        problem = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise _damaged(source, problem)
    try:
        beginning = _facts(target, "beginning").beginning
    except msgspec.DecodeError as error:
        raise _damaged(source, error) from error
    return 0 if beginning is None else beginning.since


def _damaged(source: Path, problem: object) -> StateError:
    return StateError(source, f"the publication history is damaged ({problem}), so no copy is made of it")


def _check(database: Path, name: Path) -> None:
    """Raise a StateError if a file is no publication history; an empty one would become a new history."""
    try:
        identity = _facts(database, "identity").identity
    except (sqlite3.Error, msgspec.DecodeError) as error:
        raise StateError(name, f"is no copy of a publication history ({error})") from error
    if identity is None:
        raise StateError(name, "is no copy of a publication history")


def _facts(database: Path, name: str) -> HistoryFacts:
    keys = HistoryFacts.keys(name)
    with closing(sqlite3.connect(database)) as connection:
        return HistoryFacts.of(connection.execute("SELECT key, value FROM meta WHERE key = ?", keys))


def _write_out(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove_surplus(state_dir: Path, begun: int, keep: int) -> None:
    everything = copies(state_dir)
    present = [copy for copy in everything if made_at(copy).timestamp() >= begun]
    earlier = [copy for copy in everything if made_at(copy).timestamp() < begun]
    for copy in present[keep:] + earlier[keep:]:
        with suppress(FileNotFoundError):
            copy.unlink()
