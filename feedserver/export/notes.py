"""The records of an export in an SQLite database: the signature and the documents of each unit."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from feedserver.errors import ExportError
from feedserver.export.target import UnitRecord, Written

# Raised when the database has another form; a target of another one is written anew.
VERSION = 1

_TABLES = """
CREATE TABLE IF NOT EXISTS unit (
    name TEXT PRIMARY KEY, signature TEXT NOT NULL, documents INTEGER NOT NULL, files BLOB NOT NULL
) WITHOUT ROWID;
"""

_WRITTEN = msgspec.msgpack.Decoder(tuple[Written, ...])


class Notes:
    """The records of a target. For one thread.

    Args:
        database: an open connection, which `close` closes.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def prepare(self) -> bool:
        """Create what is missing; False if the database is that of another version."""
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            return False
        # A crash of the machine may lose the last records, and those files are then written again.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(_TABLES + f"PRAGMA user_version = {VERSION};")
        return True

    def signatures(self) -> dict[str, str]:
        """The signatures of all units."""
        return dict(self._database.execute("SELECT name, signature FROM unit"))

    def written(self, name: str) -> tuple[Written, ...]:
        """The documents of a unit."""
        row = self._database.execute("SELECT files FROM unit WHERE name = ?", (name,)).fetchone()
        return () if row is None else _WRITTEN.decode(row[0])

    def documents(self) -> int:
        """How many documents all units have."""
        count: int = self._database.execute("SELECT total(documents) FROM unit").fetchone()[0]
        return int(count)

    def record(self, records: Iterable[UnitRecord]) -> None:
        """Keep records in place of those that the units have."""
        rows = [
            (one.name, one.signature, len(one.written), msgspec.msgpack.encode(one.written))
            for one in records
        ]
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO unit VALUES (?, ?, ?, ?)", rows)

    def forget(self, name: str) -> None:
        """Drop the record of a unit."""
        with self._database:
            self._database.execute("DELETE FROM unit WHERE name = ?", (name,))

    def files(self) -> set[str]:
        """The files of all units."""
        return {file for name in self.signatures() for one in self.written(name) for file in one.files}

    def doubt(self, files: frozenset[str]) -> None:
        """Trust no record of some files, which may have been replaced since."""
        self.record(
            [
                UnitRecord(name, "", tuple(_doubted(one, files) for one in self.written(name)))
                for name in (self.signatures() if files else ())
                if any(file in files for one in self.written(name) for file in one.files)
            ]
        )


def _doubted(one: Written, files: frozenset[str]) -> Written:
    return one if files.isdisjoint(one.files) else msgspec.structs.replace(one, digest="", source="")


@contextmanager
def named_errors(place: Path | str) -> Iterator[None]:
    """Make an error of the database of an export one of the family."""
    try:
        yield
    except sqlite3.Error as error:
        raise ExportError(place, f"cannot be used: {error}") from error
