"""The serving build of a database, for readers, and the pools of connections that they share.

A question costs no round trip to find out whether anything changed: `announcements` knows. A replica that has
not got a commit yet of which this process knows is not asked, so that no client sees an older state than it
has seen; the database that is written answers instead. Never waits for the indexer (promise 7), and while the
database cannot be reached it fails at once.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from feedserver.errors import IndexNotReadyError, IndexUnreadableError, StateError, StoreUnreachableError
from feedserver.index.postgresql import site_schema
from feedserver.index.postgresql.announcements import Announced, Announcements
from feedserver.index.postgresql.breaker import Breaker
from feedserver.index.postgresql.connections import (
    ANSWER_SECONDS,
    READER_LOCK_MS,
    READER_MS,
    BoundedConnection,
    Database,
    connector,
    engine_of,
    reading,
)
from feedserver.index.postgresql.history import failure_of
from feedserver.index.transactions import transaction

log = logging.getLogger(__name__)

# Connections of a process to one database, and how long a thread waits for one.
POOL_SIZE: Final = 4
_POOL_SECONDS: Final = 2.0

# How long a replica that failed is not asked.
_REPLICA_PAUSE: Final = 10.0


# A lock that was not available in time, and a statement that took too long (PostgreSQL, appendix A).
_TIMEOUTS: Final = frozenset({"55P03", "57014"})


# After so long without use a connection of a pool is tried before it is used: three round trips.
PING_SECONDS: Final = 1.0

# In the `info` of a connection: when it was returned to its pool.
_RETURNED: Final = "returned"


class Pools:
    """The connections of one process to the serving build, and to its copy on a replica.

    Attributes:
        breaker: spares threads the wait for a lock that one of them has just waited for.
    """

    def __init__(self, database: Database) -> None:
        self.breaker = Breaker(READER_MS / 1000)
        self._database = database
        self._lock = threading.Lock()
        self._pid = 0
        self._build = ""
        self._engines: dict[str, Engine] = {}
        self._next_replica = 0.0

    def engine(self, url: str, build: str) -> Engine:
        """The engine for a build. One of another build, or of the process before a fork, is left."""
        with self._lock:
            if self._pid != os.getpid():
                self._engines, self._pid = {}, os.getpid()  # not closed: the connections are the parent's
            if self._build != build:
                for engine in self._engines.values():
                    engine.dispose()
                self._engines, self._build = {}, build
            if url not in self._engines:
                self._engines[url] = self._open(url, build)
            return self._engines[url]

    def may_ask_replica(self) -> bool:
        """Whether the replica did not fail a moment ago."""
        return time.monotonic() >= self._next_replica

    def leave_replica(self, failure: StateError) -> None:
        """Do not ask the replica for a while, and log why."""
        self._next_replica = time.monotonic() + _REPLICA_PAUSE
        log.warning("the replica is left alone for %g s: %s", _REPLICA_PAUSE, failure)

    def close(self) -> None:
        """Close the connections that no thread uses now."""
        with self._lock:
            if self._pid == os.getpid():
                for engine in self._engines.values():
                    engine.dispose()

    def _open(self, url: str, build: str) -> Engine:
        connect = connector(
            self._database,
            "reader",
            url=url,
            search_path=build,
            answer_seconds=ANSWER_SECONDS,
            statement_timeout=READER_MS,
            lock_timeout=READER_LOCK_MS,
            idle_in_transaction_session_timeout=5 * READER_MS,
        )
        engine = engine_of(
            reading(connect),
            self._database.schema,
            pool=QueuePool,
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_timeout=_POOL_SECONDS,
        )
        event.listen(engine, "checkin", _note_return)
        event.listen(engine, "checkout", _check_if_rested)
        return engine


def _note_return(_: object, record: Any) -> None:
    record.info[_RETURNED] = time.monotonic()


def _check_if_rested(connection: BoundedConnection, record: Any, _: object) -> None:
    """Replace a connection that the database, a pooler or a firewall has ended while it was not used."""
    if time.monotonic() - record.info.get(_RETURNED, math.inf) < PING_SECONDS:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error as error:
        raise DisconnectionError from error


class ServingSchema:
    """The serving build, for one thread.

    Attributes:
        name: of the build that answered last; empty before that.
    """

    def __init__(self, database: Database, announcements: Announcements, pools: Pools) -> None:
        self.name = ""
        self._database = database
        self._announcements = announcements
        self._pools = pools
        self._switched = 0.0
        self._is_holding = False

    @property
    def switched(self) -> float:
        """When that build began to serve, in seconds since the epoch; 0 before that."""
        return self._switched

    def follow(self) -> int:
        """As `Serving.follow`."""
        return self._follow().generation

    def _follow(self) -> Announced:
        if not self._is_holding:
            self._announcements.hold()
            self._is_holding = True
        now = self._announcements.now()
        if now.build is None:
            if now.failure:
                raise IndexUnreadableError(f"{self._database.name}: {now.failure}")
            raise IndexNotReadyError("the first index is not complete yet")
        self.name, self._switched = now.build, now.switched
        return now

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """As `Serving.snapshot`."""
        now = self._follow()
        if now.failure:
            raise IndexUnreadableError(f"{self._database.name}: {now.failure}")
        if reason := self._pools.breaker.obstacle():
            raise IndexUnreadableError(reason)
        with ExitStack() as stack:
            connection = self._of_replica(stack, now) or self._of_database(stack)
            try:
                yield connection
            except DBAPIError as error:
                if error.connection_invalidated:
                    raise self._unreachable(error) from error
                if getattr(error.orig, "sqlstate", None) in _TIMEOUTS:
                    reason = str(failure_of(self._database, error))
                    self._pools.breaker.note_timeout(reason)
                    raise IndexUnreadableError(reason) from error
                raise
            self._pools.breaker.note_answer()

    def _of_replica(self, stack: ExitStack, now: Announced) -> Connection | None:
        """A snapshot of the replica, if it has the known state; None if not, or if it does not answer."""
        if not self._database.read_url or not self._pools.may_ask_replica():
            return None
        try:
            with ExitStack() as opened:
                connection = opened.enter_context(self._engine(self._database.read_url).connect())
                opened.enter_context(transaction(connection))
                if _has(connection, now):
                    stack.push(opened.pop_all())
                    return connection
        except (SQLAlchemyError, StateError) as error:
            self._pools.leave_replica(self._as_failure(error))
        return None

    def _of_database(self, stack: ExitStack) -> Connection:
        try:
            connection = stack.enter_context(self._engine(self._database.url).connect())
        except (SQLAlchemyError, StateError) as error:
            raise self._unreachable(error) from error
        stack.enter_context(transaction(connection))
        return connection

    def _engine(self, url: str) -> Engine:
        return self._pools.engine(url, self.name)

    def _as_failure(self, error: SQLAlchemyError | StateError) -> StateError:
        return error if isinstance(error, StateError) else failure_of(self._database, error)

    def _unreachable(self, error: SQLAlchemyError | StateError) -> IndexUnreadableError:
        """The error of a database that does not answer. It is noted, so that no other thread waits for it."""
        failure = self._as_failure(error)
        if isinstance(failure, StoreUnreachableError):
            self._announcements.note_failure(failure.reason)
        return IndexUnreadableError(str(failure))

    def close(self) -> None:
        """Close the connections that no thread uses; with the last reader of a process all of them."""
        if self._is_holding:
            self._is_holding = False
            self._announcements.release()
        self._pools.close()


def _has(connection: Connection, now: Announced) -> bool:
    """Whether a snapshot is of a known state of the serving build, or of a later one."""
    row = connection.execute(select(site_schema.serving.c.build, site_schema.serving.c.revision)).one()
    return bool(row.build == now.build and row.revision >= now.revision)
