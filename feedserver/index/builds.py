"""The files that index and memory live in, and the connections to them.

Each build of the index is a file of its own; the pointer file `current` names the one that serves
and is replaced atomically. A database is never renamed over another one: with WAL, readers would
then see neither the new rows nor a moved `data_version` (measured). Knows nothing of what the tables
mean. Keeps promise 7: a build in progress is invisible until the pointer names it, and who reads the
one before is told by a commit to it.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

log = logging.getLogger(__name__)

Item = TypeVar("Item")

POINTER = "current"
MEMORY = "memory.sqlite"
# SQLite allows 32,766 variables in a statement; a thousand keys keep statements short.
PIECE = 1000

# SQLite's own default; and what a serving thread needs, which has two connections and is one of many. What
# it reads again comes from the system's cache, which all of them share.
WRITER_CACHE_KIB = 2000
READER_CACHE_KIB = 256

# Readers never block a writer in WAL; this is for two writers of the memory that meet.
BUSY_TIMEOUT_SECONDS = 5.0

# Between tries where several open a new file at once, which takes each a few milliseconds.
_MEETING_SECONDS = 0.005


def pointer_path(state_dir: Path) -> Path:
    """The file that names the serving build."""
    return state_dir / POINTER


def serving_build(state_dir: Path) -> Path | None:
    """The database file of the serving build, or None before the first one is complete."""
    try:
        name = pointer_path(state_dir).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    build = state_dir / name
    return build if name and build.is_file() else None


def new_build(state_dir: Path) -> Path:
    """A file name that no build has had."""
    return state_dir / f"index-{secrets.token_hex(6)}.sqlite"


def publish_build(state_dir: Path, build: Path) -> None:
    """Make a complete build the serving one, atomically, and have the readers of the one before look."""
    replaced = serving_build(state_dir)
    # Not by mkstemp, whose files only their owner can read: servers may run as another user.
    temporary = state_dir / f".current-{secrets.token_hex(6)}"
    with temporary.open("x", encoding="utf-8") as file:
        file.write(build.name + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(pointer_path(state_dir))
    if replaced is not None and replaced != build:
        _signal_readers(replaced)


def _signal_readers(replaced: Path) -> None:
    """Commit to a build that serves no more: its readers look at the pointer after a commit (`reader`).

    After the rename, because who looked before it would not look again. What cannot be written, damaged say,
    gives no signal; its readers look at the pointer by themselves, a little later.
    """
    engine = open_engine(replaced)
    try:
        with engine.connect() as connection, transaction(connection, write=True):
            # A number that SQLite keeps for applications; only that it is written counts.
            connection.exec_driver_sql(f"PRAGMA user_version={secrets.randbits(31)}")
    except DBAPIError as error:
        log.info("the readers of %s are not told that it is replaced: %s", replaced, error.orig)
    finally:
        engine.dispose()


def remove_other_builds(state_dir: Path, keep: Path | None) -> None:
    """Delete every build but one, or all; a reader that still has an old one open keeps its open file."""
    # With the files that SQLite puts beside a database, also where the database itself is gone already.
    for leftover in [*state_dir.glob("index-*.sqlite*"), *state_dir.glob(".current-*")]:
        if keep is None or not leftover.name.startswith(keep.name):
            leftover.unlink(missing_ok=True)


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
        create: create it when it is missing; otherwise a missing file is an error on connecting.
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
    )

    # In WAL, NORMAL survives the death of the process at any moment; only a power cut can lose the last
    # commits, and those are found again from the files.
    pragmas = ["synchronous=NORMAL", f"cache_size=-{cache_kib}"]

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:  # Any: the driver's own connection
        # The driver must not begin transactions by itself, or a read would not be one snapshot.
        connection.isolation_level = None
        try:
            _use_log(connection, patience)
            for pragma in pragmas:
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()  # nobody else has it
            raise

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.info.get("begin", "BEGIN"))

    return engine


def _use_log(connection: Any, patience: float) -> None:
    """Have a file written by way of a log (WAL).

    Of several connections that meet at a new file, SQLite refuses some at once instead of letting them wait
    as it was told (its busy handler is not asked where waiting could be for ever).
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


@contextmanager
def transaction(connection: Connection, *, write: bool = False) -> Iterator[None]:
    """One transaction: a snapshot to read from, or one that also writes.

    A write transaction takes its lock at once, so that what it reads first cannot be outdated by
    another writer (SQLite would refuse to upgrade the lock later, with SQLITE_BUSY).
    """
    connection.info["begin"] = "BEGIN IMMEDIATE" if write else "BEGIN"
    with connection.begin():
        yield


def in_pieces(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The items in lists that fit into the IN of one statement."""
    everything = list(items)
    return (everything[start : start + PIECE] for start in range(0, len(everything), PIECE))


def trust_the_system(connection: Connection) -> None:
    """Write without a log, and leave it to the operating system when: for a build that nobody reads yet.

    It is thrown away if the process or the machine dies; a log would be written and copied in vain.
    """
    _pragmas(connection, "journal_mode=MEMORY", "synchronous=OFF")


def write_out(connection: Connection, build: Path) -> None:
    """Have all on the disk, and from now on what is committed, by a log that lets others read meanwhile."""
    # Before the log is there, whose lock would be lost with the file (SQLite's "How To Corrupt", 2.2).
    with build.open("rb") as file:
        os.fsync(file.fileno())
    _pragmas(connection, "synchronous=NORMAL", "journal_mode=WAL")


def _pragmas(connection: Connection, *pragmas: str) -> None:
    """Run pragmas outside a transaction, which SQLAlchemy would begin."""
    driver: Any = connection.connection.dbapi_connection
    for pragma in pragmas:
        driver.execute(f"PRAGMA {pragma}")
