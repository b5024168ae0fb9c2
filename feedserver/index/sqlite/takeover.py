"""Renames the publication history of a state folder that an older release left.

`history.sqlite` was called `memory.sqlite`. A database must not be renamed while a process has it open,
nor apart from its log, which holds commits of its own. So SQLite first writes the log into the file and
removes the log; it refuses that while another connection is open. Then one rename is left, and a crash before
or after it loses nothing. Decides nothing about publication.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from feedserver.errors import StateError
from feedserver.index.sqlite.builds import HISTORY_FILE, is_damage

OLD_HISTORY_FILE = "memory.sqlite"


def is_needed(state_dir: Path) -> bool:
    """Whether a state folder has a publication history only under its old name."""
    return (state_dir / OLD_HISTORY_FILE).exists() and not (state_dir / HISTORY_FILE).exists()


def refuse_untaken(state_dir: Path) -> None:
    """Raise a StateError if the publication history has its old name: a new one would take its place."""
    if is_needed(state_dir):
        raise StateError(state_dir / OLD_HISTORY_FILE, f"is not renamed to {HISTORY_FILE} yet")


def take_over(state_dir: Path) -> None:
    """Give the publication history its present name. The caller has the state folder to itself.

    Raises:
        StateError: if it cannot be opened, or another process has it open; then it keeps its name.
    """
    if not is_needed(state_dir):
        return
    old = state_dir / OLD_HISTORY_FILE
    try:
        _write_log_out(old)
    except sqlite3.Error as error:
        # A damaged file gets the new name as it is, log included: it is set aside, and said, as any other.
        if not is_damage(error):
            raise StateError(old, f"cannot be renamed to {HISTORY_FILE} ({error})") from error
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            old.with_name(old.name + suffix).replace(state_dir / f"{HISTORY_FILE}{suffix}")


def _write_log_out(database: Path) -> None:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=0)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
