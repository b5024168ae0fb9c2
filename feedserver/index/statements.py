"""Compiles statements for many rows once.

SQLAlchemy prepares each row of an `executemany`, and each value of an `IN`, anew every time. That takes as
long as SQLite's own work (measured: 45 of 100 µs per article, and 60 more for six lists of keys). Here a
statement is compiled on first use, for one of a few lengths of a list, and the driver runs it. Values must be
of the types of the driver: numbers, text, bytes. Knows no table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Delete, Dialect, Insert, Select, Table, bindparam

# That of PostgreSQL, which the compiler for SQLite reads as its own.
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

from feedserver.index.schema import HISTORY
from feedserver.index.transactions import in_pieces

POSTGRESQL: Final = "postgresql"  # the name of the dialect

# As many rows as are worth a COPY, which takes two round trips more than an insert.
_MANY = 20

# Lengths of lists of keys; a list is filled up to the next one with its first key. The last one is `PIECE`.
_LENGTHS = (1, 10, 100, 1000)


def upsert(table: Table, keys: Sequence[str], columns: Sequence[str]) -> Insert:
    """A statement that inserts rows, and replaces columns of rows with the same keys."""
    new = insert(table)
    return new.on_conflict_do_update(index_elements=keys, set_={name: new.excluded[name] for name in columns})


def upsert_sum(table: Table, keys: Sequence[str], column: str) -> Insert:
    """A statement that inserts rows, and adds a column to that of rows with the same keys."""
    new = insert(table)
    total = table.c[column] + new.excluded[column]
    return new.on_conflict_do_update(index_elements=keys, set_={column: total})


def insert_missing(table: Table) -> Insert:
    """A statement that inserts rows, and leaves rows with the same keys as they are."""
    return insert(table).on_conflict_do_nothing()


def schema_of(connection: Connection) -> str | None:
    """The name of the schema in which a database has the publication history; None if it has no schemas."""
    names = connection.get_execution_options().get("schema_translate_map") or {}
    return names.get(HISTORY)


def write_rows(
    connection: Connection, statement: Insert, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert many rows.

    Args:
        connection: in a write transaction.
        statement: an insert into one table; a constant of its module, because it is kept.
        columns: of the table, in its order.
        rows: a value for each column.
    """
    if not rows:
        return
    sql = _insert_sql(statement, columns, connection.dialect, schema_of(connection))
    if connection.dialect.name == POSTGRESQL and len(rows) >= _MANY and " ON CONFLICT " not in sql:
        _copy_rows(
            connection, f"{sql.partition(' VALUES ')[0].replace('INSERT INTO', 'COPY', 1)} FROM STDIN", rows
        )
    else:
        connection.exec_driver_sql(sql, list(rows))


def _copy_rows(connection: Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert many rows by PostgreSQL's COPY, which takes a fifth of the time of single inserts (measured)."""
    driver: Any = connection.connection.dbapi_connection
    try:
        with driver.cursor() as cursor, cursor.copy(sql) as copy:
            for row in rows:
                copy.write_row(row)
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError(sql, None, error) from error


def rows_for(connection: Connection, query: Select[Any], *values: object) -> Sequence[Any]:
    """All rows of a query for the values of its parameters, in their order.

    Args:
        connection: in a transaction.
        query: a constant of its module, because it is kept.
        values: one for each parameter.
    """
    return connection.exec_driver_sql(
        _query_sql(query, connection.dialect, schema_of(connection)), values
    ).all()


def rows_by_key(
    connection: Connection, query: Select[Any], column: ColumnElement[Any], keys: Iterable[object]
) -> Iterator[Any]:
    """The rows of a query whose column has one of the keys, in any order.

    Args:
        connection: in a transaction.
        query: without parameters; a constant of its module, because it is kept.
        column: one that the query can be restricted by.
        keys: any number of different values.
    """
    for piece in in_pieces(keys):
        # All at once: SQLAlchemy takes as long as SQLite to fetch one row after the other.
        yield from connection.exec_driver_sql(*_keyed(query, column, piece, connection)).all()


def delete_by_key(
    connection: Connection, statement: Delete, column: ColumnElement[Any], keys: Iterable[object]
) -> None:
    """Delete the rows whose column has one of the keys; arguments as for `rows_by_key`."""
    for piece in in_pieces(keys):
        connection.exec_driver_sql(*_keyed(statement, column, piece, connection))


def _keyed(
    statement: Select[Any] | Delete, column: ColumnElement[Any], keys: list[object], connection: Connection
) -> tuple[str, tuple[object, ...]]:
    dialect, history = connection.dialect, schema_of(connection)
    if dialect.name == POSTGRESQL:
        return _keyed_sql(statement, column, 0, dialect, history), (keys,)
    length = next(length for length in _LENGTHS if length >= len(keys))
    sql = _keyed_sql(statement, column, length, dialect, history)
    return sql, (*keys, *[keys[0]] * (length - len(keys)))


@lru_cache(maxsize=64)
def _insert_sql(statement: Insert, columns: tuple[str, ...], dialect: Dialect, history: str | None) -> str:
    compiled = _compiled(statement, dialect, history, column_keys=list(columns))
    if tuple(compiled.positiontup or ()) != columns:
        raise AssertionError(f"the columns are not in the order of the table: {columns}")
    return str(compiled)


@lru_cache(maxsize=64)
def _query_sql(query: Select[Any], dialect: Dialect, history: str | None) -> str:
    return str(_compiled(query, dialect, history))


@lru_cache(maxsize=256)
def _keyed_sql(
    statement: Select[Any] | Delete,
    column: ColumnElement[Any],
    length: int,
    dialect: Dialect,
    history: str | None,
) -> str:
    # Compiled for one key and made longer: compiling it for a thousand takes 30 ms.
    sql = str(_compiled(statement.where(column.in_([bindparam("key")])), dialect, history))
    if dialect.name == POSTGRESQL:
        before, after = sql.split(" IN (%s)")
        return f"{before} = ANY(%s){after}"
    before, after = sql.split(" IN (?)")
    return f"{before} IN ({', '.join('?' * length)}){after}"


def _compiled(
    statement: Insert | Select[Any] | Delete, dialect: Dialect, history: str | None, **options: Any
) -> SQLCompiler:
    compiled = statement.compile(
        dialect=dialect,
        schema_translate_map={HISTORY: history},
        render_schema_translate=True,
        **options,
    )
    if not isinstance(compiled, SQLCompiler):
        raise AssertionError("a statement is compiled to SQL")  # noqa: TRY004  no error of a caller
    return compiled
