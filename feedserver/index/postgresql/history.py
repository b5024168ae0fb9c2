"""Connections to the publication history in a database."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from feedserver.errors import StateError, StoreUnreachableError
from feedserver.index.history import PublicationHistory
from feedserver.index.postgresql import site_schema
from feedserver.index.postgresql.connections import CONNECT_SECONDS, Database, connector, engine_of
from feedserver.index.transactions import damaged_value, transaction

# What may be over a moment later (PostgreSQL, appendix A): failures of connections, rollbacks because of
# others, missing resources, interventions of operators and time-outs, errors of the system; then a standby
# that became no primary yet, a transaction that stood still for too long, and a lock that others hold.
_PASSING_CLASSES: Final = frozenset({"08", "40", "53", "57", "58"})
_PASSING: Final = frozenset({"25006", "25P03", "55P03"})


class DatabaseHistory:
    """A connection to the publication history, of its own or shared with the writer of the builds.

    Args:
        database: of the site.
        connection: to it.
        engine: closed with this; None if the connection is another's to close.

    Attributes:
        connection: to the database.
        name: of the database.
        place: the same.
    """

    def __init__(self, database: Database, connection: Connection, engine: Engine | None = None) -> None:
        self.connection = connection
        self.name = self.place = database.name
        self._schema = database.schema
        self._engine = engine

    def is_in_place(self) -> bool:
        """Whether the connection is still good, as far as it knows."""
        # The errors of the writer's own connection tell it more.
        return self._engine is None or not (self.connection.closed or self.connection.invalidated)

    def verify(self) -> None:
        """Nothing: PostgreSQL checks its pages itself where it is told to (`data_checksums`)."""

    def is_damage(self, error: BaseException) -> bool:
        """Whether a value cannot be decoded."""
        return damaged_value(error) is not None

    def hold_address(self, address: str) -> None:
        """As `HistoryDatabase.hold_address`."""
        site_schema.hold(self.connection, f"feedserver:{self._schema}:{address}")

    def hold_tables(self) -> None:
        """As `HistoryDatabase.hold_tables`."""
        site_schema.hold(self.connection, f"feedserver:{self._schema}:tables")

    def close(self) -> None:
        """Close the connection, if it is this object's."""
        if self._engine is not None:
            self.connection.close()
            self._engine.dispose()


def history_in(database: Database, wait_ms: int) -> PublicationHistory:
    """Open the publication history of a database; make its tables if there are none.

    Args:
        database: of the site.
        wait_ms: how long to wait for another writer, in milliseconds.

    Raises:
        StoreUnreachableError: if the database does not answer.
        StateError: if it was written by a newer release, or its tables can be neither read nor made.
    """
    connect = connector(
        database,
        "history",
        answer_seconds=2 * wait_ms / 1000 + CONNECT_SECONDS,
        lock_timeout=wait_ms,
        statement_timeout=wait_ms,
        idle_in_transaction_session_timeout=10 * wait_ms,
    )
    engine = engine_of(connect, database.schema)
    try:
        connection = engine.connect()
        with transaction(connection, write=True):
            site_schema.make_schema(connection, database.schema)
        return PublicationHistory(DatabaseHistory(database, connection, engine))
    except SQLAlchemyError as error:
        engine.dispose()
        raise failure_of(database, error) from error
    except StateError:
        engine.dispose()
        raise


def failure_of(database: Database, error: SQLAlchemyError) -> StateError:
    """An error of a database as the error of a store."""
    original = getattr(error, "orig", None) or error
    reason = (str(original).strip() or type(original).__name__).splitlines()[0]
    code = getattr(original, "sqlstate", None) or ""
    # Without a code there was no answer.
    if not code or code[:2] in _PASSING_CLASSES or code in _PASSING:
        return StoreUnreachableError(database.name, f"cannot be used now: {reason}")
    return StateError(database.name, f"cannot be used: {reason}")
