"""The builds of a database: each is a schema of its own, which one process writes.

The writer holds an advisory lock on a connection of its own, so that its death frees the lock. Each of its
transactions also checks the epoch, which a new writer raises: a writer that lost the lock without noticing,
because the network was cut or its machine stood still, can commit nothing any more. Index and publication
history are written in one transaction. Readers are told of each commit to the serving build (promise 7).
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, event, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from feedserver.errors import HistoryLostError, ServerBusyError, StateError, StoreUnreachableError
from feedserver.index.history import PublicationHistory
from feedserver.index.postgresql import site_schema
from feedserver.index.postgresql.connections import WRITER_LOCK_MS, Database, connector, engine_of
from feedserver.index.postgresql.history import DatabaseHistory, failure_of
from feedserver.index.postgresql.site_schema import build as build_table
from feedserver.index.postgresql.site_schema import serving, writer
from feedserver.index.transactions import WRITES, damaged_value, transaction

log = logging.getLogger(__name__)

# A reader that began with a build just before another one served has ended its question by then.
RETIRED_SECONDS: Final = 30.0

# After so long without an answer the writer no longer relies on its lock.
LOCK_ANSWER_SECONDS: Final = 8.0

# In `Connection.info`: the build whose tables the names mean.
_BUILD: Final = "build"

# Between two looks whether the lock is still held.
_LOOK_SECONDS: Final = 2.0

_IS_WRITER = select(writer.c.epoch).where(writer.c.epoch == text(":epoch")).with_for_update(read=True)
_ANNOUNCE = update(serving).values(revision=serving.c.revision + 1)


class SchemaBuilds:
    """The builds of a database, for the process that writes them. It waits for no other writer.

    Attributes:
        place: of the store, for messages.

    Raises:
        ServerBusyError: on construction, if another process is the writer.
        StoreUnreachableError: on construction, if the database does not answer.
        StateError: on construction, if the tables of the site can be neither read nor made.
    """

    def __init__(self, database: Database) -> None:
        self.place = database.name
        self._database = database
        self._serving: str | None = None
        self._written = ""
        self._next_look = 0.0
        # Not in transactions: it only holds the lock.
        self._lock_engine = engine_of(
            connector(database, "lock", answer_seconds=LOCK_ANSWER_SECONDS), database.schema
        )
        self._engine = engine_of(
            connector(
                database,
                "indexer",
                lock_timeout=WRITER_LOCK_MS,
                idle_in_transaction_session_timeout=6 * WRITER_LOCK_MS,
            ),
            database.schema,
        )
        try:
            self._lock = self._lock_engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._take_lock()
            self._connection = self._engine.connect()
            with transaction(self._connection, write=True):
                site_schema.make_schema(self._connection, database.schema)
            self._epoch = self._begin_epoch()
        except SQLAlchemyError as error:
            self._dispose()
            raise failure_of(database, error) from error
        except BaseException:
            self._dispose()
            raise
        event.listen(self._connection, "begin", self._check_epoch)
        event.listen(self._connection, "commit", self._announce)

    def _take_lock(self) -> None:
        name = func.hashtextextended(f"feedserver:{self._database.schema}:writer", 0)
        if not self._lock.scalar(select(func.pg_try_advisory_lock(name))):
            raise ServerBusyError(f"{self._database.name} is kept up to date by another indexer")

    def _begin_epoch(self) -> int:
        """Raise the epoch, after the last commit of the writer before."""
        with transaction(self._connection, write=True):
            raised = update(writer).values(epoch=writer.c.epoch + 1).returning(writer.c.epoch)
            epoch = self._connection.execute(raised).scalar_one()
            self._serving = self._connection.execute(select(serving.c.build)).scalar_one()
        return int(epoch)

    def _check_epoch(self, connection: Connection) -> None:
        """Refuse a transaction of a writer that another one has replaced."""
        if not connection.info.get(WRITES):
            return
        if self._written and connection.info.get(_BUILD) != self._written:
            # SQLAlchemy connects again by itself, and names of tables mean nothing there.
            raise StoreUnreachableError(self.place, "the connection was lost")
        if connection.execute(_IS_WRITER, {"epoch": self._epoch}).first() is None:
            raise StoreUnreachableError(self.place, "another indexer has taken over")

    def _announce(self, connection: Connection) -> None:
        """Tell the readers that a transaction changes the serving build, when it is committed."""
        if connection.info.get(WRITES) and self._written and self._written == self._serving:
            connection.execute(_ANNOUNCE)
            connection.execute(select(func.pg_notify(self._database.channel, "")))

    # --- the publication history ----------------------------------------------------------------

    def open_history(self) -> PublicationHistory:
        """As `Builds.open_history`; it is written by the connection of the builds."""
        try:
            history = PublicationHistory(DatabaseHistory(self._database, self._connection))
            history.forget_damaged_facts()
        except SQLAlchemyError as error:
            raise failure_of(self._database, error) from error
        return history

    def set_aside(self, damage: HistoryLostError) -> None:
        """Never: `verify` finds no damage here."""
        raise damage

    def had_history(self) -> bool:
        """False: a database does not lose single tables."""
        return False

    def note_history(self) -> None:
        """Nothing."""

    def copied(self) -> datetime | None:
        """None: copies are made with the tools of the database."""
        return None

    # --- builds ---------------------------------------------------------------------------------

    def serving(self) -> str | None:
        """As `Builds.serving`."""
        with transaction(self._connection):
            self._serving = self._connection.execute(select(serving.c.build)).scalar_one()
        return self._serving

    def unnamed(self) -> Iterable[str]:
        """None: the row that names the serving build is not lost without its schema."""
        return ()

    def title(self, build: str) -> str:
        """The name of its schema."""
        return f"the schema {build}"

    @contextmanager
    def read(self, build: str) -> Iterator[Connection]:
        """As `Builds.read`."""
        engine = engine_of(connector(self._database, "indexer", search_path=build), self._database.schema)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def begin(self) -> str:
        """As `Builds.begin`."""
        return f"{self._database.schema}_{secrets.token_hex(6)}"

    def write(self, build: str) -> Connection:
        """As `Builds.write`."""
        with transaction(self._connection, write=True):
            if self._connection.scalar(select(build_table.c.name).where(build_table.c.name == build)) is None:
                site_schema.make_build_schema(self._connection, build)
                self._connection.execute(insert(build_table).values(name=build, has_served=False))
            site_schema.use_build(self._connection, build)
        self._connection.info[_BUILD] = self._written = build
        return self._connection

    def discard(self, build: str) -> None:
        """As `Builds.discard`."""
        self._drop(build)

    def begin_loading(self) -> None:
        """Do not wait for the disk: an unfinished build is thrown away if the database dies."""
        self._set_session("synchronous_commit", "off")

    def finish_loading(self) -> None:
        """Wait for the disk again, and let the planner know the tables."""
        self._set_session("synchronous_commit", "on")
        with transaction(self._connection, write=True):
            for (table,) in self._connection.exec_driver_sql(
                "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema()"
            ).all():
                self._connection.exec_driver_sql(f"ANALYZE {table}")

    def _set_session(self, name: str, value: str) -> None:
        with transaction(self._connection, write=True):
            self._connection.exec_driver_sql(f"SET {name} TO {value}")

    def publish(self, build: str) -> None:
        """As `Builds.publish`."""
        now = time.time()
        with transaction(self._connection, write=True):
            self._connection.execute(update(serving).values(build=build, switched=now))
            self._connection.execute(
                update(build_table).where(build_table.c.name == build).values(has_served=True)
            )
            self._connection.execute(
                update(build_table)
                .where(build_table.c.name != build, build_table.c.retired.is_(None))
                .values(retired=now)
            )
            self._serving = build  # so that this commit is announced

    def mend(self, build: str) -> None:
        """Nothing: see `unnamed`."""

    def keep_only(self, *builds: str | None) -> None:
        """As `Builds.keep_only`: a build that has served is dropped a while after it was replaced."""
        with transaction(self._connection):
            rows = self._connection.execute(select(build_table)).all()
        for row in rows:
            is_needed = row.name in builds or row.name in (self._written, self._serving)
            is_read = (
                row.has_served and row.retired is not None and row.retired > time.time() - RETIRED_SECONDS
            )
            if not is_needed and not is_read:
                self._drop(row.name)

    def _drop(self, build: str) -> None:
        try:
            with transaction(self._connection, write=True):
                # A reader that still reads it must not make new ones wait behind us.
                self._connection.exec_driver_sql("SET LOCAL lock_timeout TO 200")
                site_schema.drop_build_schema(self._connection, build)
                self._connection.execute(delete(build_table).where(build_table.c.name == build))
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != "55P03":  # a lock that was not available
                raise
            log.info("the schema %s is still read, and is dropped later", build)

    def loss(self, build: str, *, is_complete: bool) -> str:
        """Never; but now and then a look whether this process is still the writer.

        Raises:
            StoreUnreachableError: if it is not, or if that cannot be told.
        """
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK_SECONDS
            try:
                self._lock.scalar(select(1))
            except SQLAlchemyError as error:
                raise failure_of(self._database, error) from error
        return ""

    def would_another_help(self, error: DBAPIError) -> bool:
        """Only if a value cannot be decoded, or a table is missing (42P01, PostgreSQL, appendix A)."""
        code = getattr(error.orig, "sqlstate", None)
        return code == "42P01" or damaged_value(error) is not None

    def failure(self, error: DBAPIError) -> StateError:
        """As `Builds.failure`."""
        return failure_of(self._database, error)

    def close(self) -> None:
        """As `Builds.close`; the lock is free then."""
        # Otherwise it is free a moment later, when the database notices that the connection is closed.
        with suppress(SQLAlchemyError):
            if not self._lock.closed:
                self._lock.execute(select(func.pg_advisory_unlock_all()))
        self._dispose()

    def _dispose(self) -> None:
        for name in ("_connection", "_lock"):
            connection: Any = getattr(self, name, None)
            if connection is not None:
                connection.close()
        self._engine.dispose()
        self._lock_engine.dispose()
