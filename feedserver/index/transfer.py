"""Copies the publication history from one store to another, for a move between files and a database.

The index is not copied: the next indexer makes it from the files and the history. Both give the same bytes,
and the history has the validators that clients hold, so they get 304 after the move (promises 2 and 3).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select

from feedserver.errors import StateError
from feedserver.index import schema
from feedserver.index.history import PublicationHistory
from feedserver.index.statements import write_rows
from feedserver.index.transactions import PIECE, transaction

# A constant each, because `statements` keeps them.
_INSERTS = {table: insert(table) for table in schema.history.sorted_tables}


def copy_history(source: PublicationHistory, target: PublicationHistory) -> int:
    """Copy all of a publication history, in one transaction.

    Args:
        source: nothing writes to it meanwhile.
        target: a new one.

    Returns:
        The number of articles that it knows.

    Raises:
        StateError: if the target knows articles already.
    """
    with transaction(target.connection, write=True), transaction(source.connection):
        if _count(target.connection, schema.known_article) or not target.is_new:
            raise StateError(target.place, "has a publication history already; name another place")
        for table, statement in _INSERTS.items():
            target.connection.execute(delete(table))
            for rows in _pages(source.connection, table):
                write_rows(target.connection, statement, tuple(table.c.keys()), rows)
        return _count(target.connection, schema.known_article)


def _count(connection: Connection, table: Table) -> int:
    return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def _pages(connection: Connection, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a table, some at a time."""
    for page in connection.execute(select(table)).partitions(PIECE):
        yield [tuple(row) for row in page]
