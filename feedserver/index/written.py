"""The build that this process writes, as a reader asks for it: by the connection of the writer.

An indexer must open no other connection to its build. A process that closes a descriptor of a file loses all
locks that it has on that file (https://sqlite.org/howtocorrupt.html, section 2.2), those of the writer among
them, and the next process that opens the database then truncates memory that the writer uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from feedserver.index.transactions import transaction


class WrittenBuild:
    """The serving build as its writer sees it, for an `IndexReader` of the same thread."""

    name = ""
    switched = 0.0

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._generation = 0

    def serving(self) -> WrittenBuild:
        """Itself."""
        return self

    def follow(self) -> int:
        """Another number each time: nothing is remembered."""
        self._generation += 1
        return self._generation

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """The writer's connection in a read transaction."""
        with transaction(self._connection):
            yield self._connection

    def close(self) -> None:
        """Nothing: the connection is the writer's."""
