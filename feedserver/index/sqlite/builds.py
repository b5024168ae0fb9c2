"""The files that index and publication history live in, and the connections to them.

Each build of the index is a file of its own. The pointer file `current` names the one that serves, and is
replaced atomically. A database is never renamed over another one: in WAL mode, readers would then see neither
the new rows nor another `data_version` (measured). Does not know the tables. Keeps promise 7: a build in
progress is invisible until the pointer names it, and a commit to the build before tells its readers.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from feedserver.index.schema import HISTORY
from feedserver.index.transactions import WRITES, damaged_value, transaction
from feedserver.system import private

log = logging.getLogger(__name__)

POINTER = "current"
RENEWAL_REQUEST = "renewal-request"
HISTORY_FILE = "history.sqlite"
# SQLite's default, and less for a serving thread, which has two connections and is one of many. The pages
# that it reads again come from the cache of the operating system, which all threads share.
WRITER_CACHE_KIB = 2000
READER_CACHE_KIB = 256

# Readers never block a writer in WAL; this is for two writers of the publication history that meet.
BUSY_TIMEOUT_SECONDS = 5.0

# A serving thread does not wait longer to open a build: if this one is damaged it has another one soon.
READER_PATIENCE_SECONDS = 0.5

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

# Between tries if several processes open a new file at once, which takes each a few milliseconds.
_MEETING_SECONDS = 0.005


_BUILD_NAME = re.compile(r"index-[0-9a-f]+\.sqlite")


def pointer_path(state_dir: Path) -> Path:
    """The file that names the serving build."""
    return state_dir / POINTER


def serving_build(state_dir: Path) -> Path | None:
    """The database file of the serving build; None before the first one is complete, or if none is named.

    A pointer that was cut short or overwritten names none, like one that was removed.
    """
    try:
        name = pointer_path(state_dir).read_bytes().decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    build = state_dir / name
    return build if _BUILD_NAME.fullmatch(name) and build.is_file() else None


def all_builds(state_dir: Path) -> list[Path]:
    """The builds in a state folder, also those that no pointer names; the newest first."""
    found = [(path.stat().st_mtime_ns, path) for path in state_dir.glob("index-*.sqlite")]
    return [path for _, path in sorted(found, reverse=True)]


def ask_for_renewal(state_dir: Path, build: str) -> None:
    """Tell the indexer that a reader found a build damaged, if that can be written."""
    with suppress(OSError):
        descriptor = private.open_file(state_dir / RENEWAL_REQUEST, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with open(descriptor, "wb") as file:  # noqa: PTH123  of a descriptor
            file.write(build.encode())


def take_renewal_request(state_dir: Path) -> str:
    """The build that a reader found damaged since the last call; empty for none."""
    request = state_dir / RENEWAL_REQUEST
    try:
        build = request.read_bytes().decode(errors="replace")
        request.unlink()
    except OSError:
        return ""
    return build


def new_build(state_dir: Path) -> Path:
    """A file name that no build had before."""
    return state_dir / f"index-{secrets.token_hex(6)}.sqlite"


def publish_build(state_dir: Path, build: Path) -> None:
    """Make a complete build the serving one, atomically, and notify the readers of the one before."""
    replaced = serving_build(state_dir)
    temporary = state_dir / f".current-{secrets.token_hex(6)}"
    descriptor = private.open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(build.name + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(pointer_path(state_dir))
    if replaced is not None and replaced != build:
        _signal_readers(replaced)


def _signal_readers(replaced: Path) -> None:
    """Commit to a build that serves no more: its readers look at the pointer after a commit (`serving`).

    After the rename: a reader that looked before it would not look again. A damaged build cannot be committed
    to; its readers look at the pointer by themselves, a little later.
    """
    engine = open_engine(replaced, patience=READER_PATIENCE_SECONDS)
    try:
        with engine.connect() as connection, transaction(connection, write=True):
            # A number that SQLite keeps for applications. Its value does not matter, only the commit does.
            connection.exec_driver_sql(f"PRAGMA user_version={secrets.randbits(31)}")
    except DBAPIError as error:
        log.info("the readers of %s are not told that it is replaced: %s", replaced, error.orig)
    finally:
        engine.dispose()


def remove_other_builds(state_dir: Path, keep: Collection[str]) -> None:
    """Delete all builds but some; a reader that has a deleted one open can go on reading it."""
    # And the files that SQLite puts beside a database, even if the database itself is gone.
    for leftover in [*state_dir.glob("index-*.sqlite*"), *state_dir.glob(".current-*")]:
        if not leftover.name.startswith(tuple(keep)):
            leftover.unlink(missing_ok=True)


def is_damage(error: BaseException) -> bool:
    """Whether a database error says that the file is no database, or a damaged one."""
    if damaged_value(error) is not None:
        return True
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", 0)
    # The low byte of the code for a read that ends within a page says only "error of input or output".
    return code & 0xFF in _DAMAGE or code == sqlite3.SQLITE_IOERR_SHORT_READ


def open_engine(
    database: Path,
    *,
    create: bool = False,
    patience: float = BUSY_TIMEOUT_SECONDS,
    cache_kib: int = WRITER_CACHE_KIB,
) -> Engine:
    """An engine on one SQLite file, in WAL mode.

    Args:
        database: the file.
        create: create it when it is missing, for this user alone; otherwise a missing file is an error on
            connecting.
        patience: how long to wait for another writer, in seconds.
        cache_kib: how much of the file a connection keeps in memory, in KiB.
    """
    engine = create_engine(
        URL.create(
            "sqlite",
            database=f"file:{quote(os.fsencode(database))}",
            query={"mode": "rwc" if create else "rw", "uri": "true"},
        ),
        poolclass=NullPool,
        connect_args={"timeout": patience, "check_same_thread": False},
        # Each database is a file of its own.
        execution_options={"schema_translate_map": {HISTORY: None}},
    )

    # In WAL, NORMAL survives the death of the process at any moment; only a power cut can lose the last
    # commits, and those are found again from the files.
    pragmas = ["synchronous=NORMAL", f"cache_size=-{cache_kib}"]

    if create:

        @event.listens_for(engine, "do_connect")
        def _on_do_connect(*_: object) -> None:
            # If the file cannot be created, SQLite cannot create it either, and says why.
            with suppress(OSError):
                private.create_file(database)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:  # Any: the driver's own connection
        # The driver must not begin transactions by itself, or several reads would not be one snapshot.
        connection.isolation_level = None
        try:
            _use_log(connection, patience)
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()  # SQLAlchemy does not know it yet
            raise

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get(WRITES) else "BEGIN")

    return engine


def _use_log(connection: Any, patience: float) -> None:
    """Set WAL mode.

    If several connections do so at once on a new file, SQLite refuses some immediately instead of letting
    them wait: it does not call its busy handler where the wait could last for ever.
    """
    until = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(_MEETING_SECONDS)
        else:
            return


def write_without_log(connection: Connection) -> None:
    """Write without a log and without waiting for the disk: for a build that no process reads yet.

    It is thrown away if the process or the machine dies, so a log would be written in vain.
    """
    _pragmas(connection, "journal_mode=MEMORY", "synchronous=OFF")


def write_out(connection: Connection, build: Path) -> None:
    """Write a build to the disk, and use a log from now on, so that others can read meanwhile."""
    # Before there is a log: closing this file would drop the locks on it (SQLite's "How To Corrupt", 2.2).
    with build.open("rb") as file:
        os.fsync(file.fileno())
    _pragmas(connection, "synchronous=NORMAL", "journal_mode=WAL")


def _pragmas(connection: Connection, *pragmas: str) -> None:
    """Run pragmas outside a transaction, which SQLAlchemy would begin."""
    driver: Any = connection.connection.dbapi_connection
    for pragma in pragmas:
        driver.execute(f"PRAGMA {pragma}")
