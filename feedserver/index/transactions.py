"""Transactions on the connections that a store opens, whichever database it is.

A store decides how a transaction begins (`BEGINS`). Knows no table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

Item = TypeVar("Item")

# SQLite allows 32,766 variables in a statement; a thousand keys keep statements short.
PIECE = 1000

# In `Connection.info`: whether the transaction that begins is one that writes.
WRITES: Final = "writes"


class DamagedValueError(Exception):
    """A stored value cannot be decoded: the database reads it, but no release has written it."""


def damaged_value(error: BaseException) -> DamagedValueError | None:
    """The value that a database error is about, if it is about one that cannot be decoded."""
    original = getattr(error, "orig", None)
    return original if isinstance(original, DamagedValueError) else None


@contextmanager
def transaction(connection: Connection, *, write: bool = False) -> Iterator[None]:
    """Open one transaction: a snapshot to read from, or one that also writes.

    A write transaction takes its lock at once. Otherwise another writer could commit between its first read
    and its first write. Inside of a transaction of the same connection it is a part of that one: a store may
    have index and publication history in one database, and the writer commits both together.

    Raises:
        DatabaseError: if a value that was read cannot be decoded. It is the error that a damaged page gives,
            so a damaged value is handled wherever damage is.
    """
    if connection.in_transaction():
        yield
        return
    connection.info[WRITES] = write
    try:
        with connection.begin():
            yield
    except msgspec.DecodeError as error:
        damaged = DamagedValueError(f"a stored value is damaged: {error}")
        damaged.__cause__ = error
        raise DatabaseError(None, None, damaged) from damaged


def in_pieces(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Split items into lists that fit into the IN of one statement."""
    everything = list(items)
    return (everything[start : start + PIECE] for start in range(0, len(everything), PIECE))
