"""Reads and writes facts, each as a row of a `meta` table."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import Connection, Table, select

from feedserver.index import schema
from feedserver.index.facts import BuildFacts, Facts, HistoryFacts
from feedserver.index.statements import rows_by_key, rows_for, upsert, write_rows

_Facts = TypeVar("_Facts", bound=Facts)


_TABLES: dict[type[Facts], Table] = {BuildFacts: schema.meta, HistoryFacts: schema.history_meta}
_ROWS = {kind: select(table.c.key, table.c.value) for kind, table in _TABLES.items()}
_UPSERTS = {kind: upsert(table, ("key",), ("value",)) for kind, table in _TABLES.items()}


def read_facts(connection: Connection, kind: type[_Facts], *names: str) -> _Facts:
    """The facts of a database.

    Args:
        connection: in a transaction.
        kind: BuildFacts in an index, HistoryFacts in a publication history.
        names: of the fields to read; the others are None, as if they were not noted. All, if none is named.

    Raises:
        msgspec.DecodeError: if one of them is damaged; `transaction` raises it as damage of the database.
    """
    rows = (
        rows_by_key(connection, _ROWS[kind], _TABLES[kind].c.key, kind.keys(*names))
        if names
        else rows_for(connection, _ROWS[kind])
    )
    return kind.of((row.key, row.value) for row in rows)


def write_facts(connection: Connection, facts: Facts) -> None:
    """Write the facts that are noted, and leave the others as they are. In a write transaction."""
    write_rows(connection, _UPSERTS[type(facts)], ("key", "value"), facts.rows())
