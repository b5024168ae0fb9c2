"""Connections to the database of a site.

A URL is libpq's, so everything that libpq reads holds: several hosts, TLS, `PGPASSWORD`, password and service
files. A connection that the network or the database left is noticed within seconds, on both sides, and no
thread waits longer than that for an answer. Does not know the tables.

Known to work with psycopg 3.3, whose connections pass everything that waits for the server through `wait`. A
test fails if a release does not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import psycopg
from psycopg import IsolationLevel
from psycopg.conninfo import conninfo_to_dict
from psycopg.waiting import Ready, Wait
from sqlalchemy import Engine, Pool, create_engine
from sqlalchemy.pool import NullPool

from feedserver.errors import StateError, StoreUnreachableError
from feedserver.index.schema import HISTORY

# Seconds until a host that does not answer is given up. The same for a peer that is silent: three probes in
# ten seconds, so that another indexer takes over within fifteen.
CONNECT_SECONDS: Final = 2  # libpq takes less for 2
_PROBES: Final = {"idle": 4, "interval": 2, "count": 3}
_UNANSWERED_MS: Final = 10_000

# A reader waits for a lock and for a statement no longer than this. No statement of a request takes a tenth.
READER_LOCK_MS: Final = 1_000
READER_MS: Final = 2_000
# And for a server that says nothing at all, as one whose disk or machine stands still.
ANSWER_SECONDS: Final = 3.0
# The writer may wait for a lock that a dead writer holds, until the database notices that it is dead.
WRITER_LOCK_MS: Final = 20_000


class Database(msgspec.Struct, frozen=True):
    """The database of a site.

    Attributes:
        url: of the database that is written, as libpq reads it.
        read_url: of a replica of it that readers ask; '' for none.
        schema: in which the site has its publication history. The schemas of its builds have names that begin
            with it.
        password_file: has the password in its first line; '' for none.
    """

    url: str
    schema: str
    read_url: str = ""
    password_file: str = ""

    @property
    def name(self) -> str:
        """Host, database and schema, for messages: never the password."""
        parts = conninfo_to_dict(self.url)
        host = parts.get("host") or parts.get("hostaddr") or "local"
        return f"postgresql://{host}/{parts.get('dbname') or ''} (schema {self.schema})"

    @property
    def channel(self) -> str:
        """The channel on which commits are announced."""
        return f"feedserver:{self.schema}"


_Result = TypeVar("_Result")

# Seconds between two looks at the clock while the server is silent.
_INTERVAL: Final = 0.1


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that fails if the server does not answer in time. It is closed then.

    Attributes:
        answer_seconds: how long an answer may take; infinite to begin with.
    """

    answer_seconds = math.inf

    def wait(
        self,
        gen: Generator[Wait, Ready | int, _Result],
        interval: float = _INTERVAL,
        timeout: float | None = None,
    ) -> _Result:
        """Wait for the server, as psycopg's connections do everywhere."""
        if self.answer_seconds == math.inf:
            return super().wait(gen, interval, timeout)
        return super().wait(self._bounded(gen), min(interval, _INTERVAL), timeout)

    def _bounded(self, gen: Generator[Wait, Ready | int, _Result]) -> Generator[Wait, Ready | int, _Result]:
        """The same steps, of which psycopg takes the next one when the server or the interval is there."""
        end = time.monotonic() + self.answer_seconds
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > end:
                    gen.close()
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"no answer within {self.answer_seconds:g} s")
                wanted = gen.send(ready)
        except StopIteration as done:
            result: _Result = done.value
            return result


def connector(
    database: Database, purpose: str, *, url: str = "", answer_seconds: float = math.inf, **options: object
) -> Callable[[], BoundedConnection]:
    """A function that connects. It raises a StateError if the database cannot hold all characters.

    Args:
        database: of the site.
        purpose: of the connection, as the database lists it.
        url: another one than that of the database.
        answer_seconds: how long an answer of the server may take.
        options: further parameters of the session.
    """
    session = {
        "tcp_keepalives_idle": _PROBES["idle"],
        "tcp_keepalives_interval": _PROBES["interval"],
        "tcp_keepalives_count": _PROBES["count"],
        "tcp_user_timeout": _UNANSWERED_MS,
        # Administrators set it for sessions that were forgotten; ours hold a lock, listen, or are in a pool.
        "idle_session_timeout": 0,
        **options,
    }

    def connect() -> BoundedConnection:
        connection = BoundedConnection.connect(
            url or database.url,
            password=_password(database),
            application_name=f"feedserver {purpose}",
            connect_timeout=CONNECT_SECONDS,
            client_encoding="utf8",  # whatever the database or the role prefer
            keepalives=1,
            keepalives_idle=_PROBES["idle"],
            keepalives_interval=_PROBES["interval"],
            keepalives_count=_PROBES["count"],
            tcp_user_timeout=_UNANSWERED_MS,
            options=" ".join(f"-c {name}={_escaped(value)}" for name, value in session.items()),
        )
        _check_encoding(database, connection)
        connection.answer_seconds = answer_seconds
        return connection

    return connect


def _check_encoding(database: Database, connection: BoundedConnection) -> None:
    # Any other one lacks characters of articles, or (SQL_ASCII) does not know what a character is.
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        connection.close()
        msg = f"the database has the encoding {encoding}; make one with ENCODING 'UTF8' TEMPLATE template0"
        raise StateError(database.name, msg)


def _escaped(value: object) -> str:
    return str(value).replace("\\", "\\\\").replace(" ", "\\ ")


def _password(database: Database) -> str | None:
    """The password of the file; None for the one that libpq finds."""
    if not database.password_file:
        return None
    try:
        first, *_ = Path(database.password_file).read_text(encoding="utf-8").splitlines() or [""]
    except OSError as error:
        raise StoreUnreachableError(
            database.name, f"its password file {database.password_file} cannot be read: {error.strerror}"
        ) from error
    return first


def reading(connect: Callable[[], BoundedConnection]) -> Callable[[], BoundedConnection]:
    """The same connections, of which each transaction is one snapshot to read from."""

    def connect_to_read() -> BoundedConnection:
        connection = connect()
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return connection

    return connect_to_read


def engine_of(
    connect: Callable[[], BoundedConnection],
    schema: str,
    *,
    pool: type[Pool] = NullPool,
    **options: Any,
) -> Engine:
    """An engine over such connections, for tables of the index and of the publication history.

    Args:
        connect: connects.
        schema: of the publication history.
        pool: the class of its pool.
        options: of the pool.
    """
    return create_engine(
        "postgresql+psycopg://",
        creator=connect,
        # The form of parameters that `statements` passes by position.
        paramstyle="format",
        poolclass=pool,
        execution_options={"schema_translate_map": {HISTORY: schema}},
        **options,
    )
