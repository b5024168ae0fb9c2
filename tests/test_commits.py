"""The signal of commits: moves with each, rests between them, and harms no lock of SQLite."""

from __future__ import annotations

import gc
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from feedserver.index.commits import HEADER_BYTES, commit_signal

WRITER = """if True:
    import os, sqlite3, sys
    database = sqlite3.connect(sys.argv[1], isolation_level=None)
    database.execute("PRAGMA cache_size=1")
    for line in sys.stdin:
        for statement in line.split(";"):
            database.execute(statement)
        print("done", flush=True)
"""


class Writer:
    """Another process that writes, as the indexer is one."""

    def __init__(self, database: Path) -> None:
        command = [sys.executable, "-c", WRITER, str(database)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, statements: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(statements + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "some.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
    return path


@pytest.fixture
def reader(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        count(connection)
        yield connection


@pytest.fixture
def writer(database: Path) -> Iterator[Writer]:
    with closing(Writer(database)) as other:
        yield other


def count(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("SELECT count(*) FROM t").fetchone()[0]
    return found


def test_it_moves_with_each_commit_and_with_nothing_else(
    database: Path, reader: sqlite3.Connection, writer: Writer
) -> None:
    signal_of_it = commit_signal(database)
    seen = {signal_of_it.memory[:HEADER_BYTES]}
    for number in range(200):
        writer.run("INSERT INTO t VALUES (1)")
        now = signal_of_it.memory[:HEADER_BYTES]
        assert now not in seen
        seen.add(now)
        assert count(reader) == number + 1
        writer.run("BEGIN; INSERT INTO t VALUES (0); ROLLBACK")
        assert signal_of_it.memory[:HEADER_BYTES] == now


def test_it_moves_with_a_commit_after_the_log_was_begun_anew(
    database: Path, reader: sqlite3.Connection, writer: Writer
) -> None:
    signal_of_it = commit_signal(database)
    for _ in range(20):
        writer.run("INSERT INTO t VALUES (1)")
        writer.run("PRAGMA wal_checkpoint(TRUNCATE)")
        before = signal_of_it.memory[:HEADER_BYTES]
        writer.run("UPDATE t SET x = x + 1")
        assert signal_of_it.memory[:HEADER_BYTES] != before
    assert count(reader) == 20


def test_it_moves_with_the_first_commit_after_a_writer_was_killed(
    database: Path, reader: sqlite3.Connection, writer: Writer
) -> None:
    signal_of_it = commit_signal(database)
    writer.run("BEGIN; INSERT INTO t VALUES (randomblob(1000000))")
    writer.process.send_signal(signal.SIGKILL)
    writer.process.wait()
    before = signal_of_it.memory[:HEADER_BYTES]
    with closing(Writer(database)) as other:
        other.run("INSERT INTO t VALUES (1)")
    assert signal_of_it.memory[:HEADER_BYTES] != before
    assert count(reader) == 1


def test_threads_and_connections_share_one_and_the_last_gives_it_back(
    database: Path, reader: sqlite3.Connection
) -> None:
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  numbers, not paths
    one, other = commit_signal(database), commit_signal(database)
    assert one is other
    assert len(os.listdir("/proc/self/fd")) == before + 2  # noqa: PTH208
    del one, other
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert count(reader) == 0


def test_it_costs_no_reader_its_lock(database: Path, reader: sqlite3.Connection, writer: Writer) -> None:
    """A snapshot that is held keeps the log from being begun anew; without its lock it would not."""
    held = commit_signal(database)
    reader.execute("BEGIN")
    assert count(reader) == 0
    second = commit_signal(database)
    assert second is held
    del second
    writer.run("INSERT INTO t VALUES (1)")
    writer.run("PRAGMA wal_checkpoint(TRUNCATE)")
    assert count(reader) == 0
    reader.execute("COMMIT")
    assert count(reader) == 1


def test_a_database_that_nobody_has_open_has_none(database: Path) -> None:
    with pytest.raises(FileNotFoundError):
        commit_signal(database)
