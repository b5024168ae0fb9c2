"""The signal of commits: moves with each, rests between them, and harms no lock of SQLite."""

from __future__ import annotations

import fcntl
import gc
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from feedserver.index.sqlite.commits import HEADER_BYTES, WAL_INDEX_VERSION, Attached, attach

Reader = Attached[sqlite3.Connection]

HEADER = struct.Struct("=IIIBBHII2I2I2I")


class Header(NamedTuple):
    """The fields of the header (https://sqlite.org/walformat.html, section 2.1)."""

    version: int
    unused: int
    changes: int
    is_initialised: int
    big_endian_checksums: int
    page_size: int
    frames: int
    pages: int
    frame_checksum_1: int
    frame_checksum_2: int
    salt_1: int
    salt_2: int
    checksum_1: int
    checksum_2: int


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


def make_database(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
    return path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return make_database(tmp_path / "some.sqlite")


def connect(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    connection.execute("SELECT count(*) FROM t").fetchone()
    return connection


def open_reader(database: Path) -> Reader:
    return attach(database, partial(connect, database))


@pytest.fixture
def reader(database: Path) -> Iterator[Reader]:
    with closing(open_reader(database)) as reader:
        yield reader


@pytest.fixture
def writer(database: Path) -> Iterator[Writer]:
    with closing(Writer(database)) as other:
        yield other


def count(reader: Reader) -> int:
    found: int = reader.connection.execute("SELECT count(*) FROM t").fetchone()[0]
    return found


def open_files(database: Path) -> list[str]:
    """The files of a database that this process has open, removed or not."""
    links = [one for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    return [path.name for path in (link.readlink() for link in links) if str(path).startswith(str(database))]


# A process is never in the way of its own locks, so another one asks. Every connection has this lock while
# it lives (UNIX_SHM_DMS in SQLite's os_unix.c): who gets it thinks that he is alone, and cuts the file short.
LOCK_CHECK = f"""if True:
    import fcntl, sys
    with open(sys.argv[1], "r+b") as file:
        try:
            fcntl.lockf(file, {fcntl.LOCK_EX | fcntl.LOCK_NB}, 1, 128)
        except BlockingIOError:
            sys.exit(0)
    sys.exit("the lock is lost")
"""


def check_lock(database: Path) -> None:
    subprocess.run([sys.executable, "-c", LOCK_CHECK, f"{database}-shm"], check=True)


def test_it_moves_with_each_commit_and_with_nothing_else(
    database: Path, reader: Reader, writer: Writer
) -> None:
    seen = {reader.memory[:HEADER_BYTES]}
    for number in range(200):
        writer.run("INSERT INTO t VALUES (1)")
        now = reader.memory[:HEADER_BYTES]
        assert now not in seen
        seen.add(now)
        assert count(reader) == number + 1
        writer.run("BEGIN; INSERT INTO t VALUES (0); ROLLBACK")
        assert reader.memory[:HEADER_BYTES] == now


def test_it_moves_with_a_commit_after_the_log_was_begun_anew(
    database: Path, reader: Reader, writer: Writer
) -> None:
    for _ in range(20):
        writer.run("INSERT INTO t VALUES (1)")
        writer.run("PRAGMA wal_checkpoint(TRUNCATE)")
        before = reader.memory[:HEADER_BYTES]
        writer.run("UPDATE t SET x = x + 1")
        assert reader.memory[:HEADER_BYTES] != before
    assert count(reader) == 20


def test_it_moves_with_the_first_commit_after_a_writer_was_killed(
    database: Path, reader: Reader, writer: Writer
) -> None:
    writer.run("BEGIN; INSERT INTO t VALUES (randomblob(1000000))")
    writer.process.send_signal(signal.SIGKILL)
    writer.process.wait()
    before = reader.memory[:HEADER_BYTES]
    with closing(Writer(database)) as other:
        other.run("INSERT INTO t VALUES (1)")
    assert reader.memory[:HEADER_BYTES] != before
    assert count(reader) == 1


def test_it_costs_no_reader_its_lock(database: Path, reader: Reader, writer: Writer) -> None:
    """A snapshot that is held keeps the log from being begun anew; without its lock it would not."""
    reader.connection.execute("BEGIN")
    assert count(reader) == 0
    open_reader(database).close()
    writer.run("INSERT INTO t VALUES (1)")
    writer.run("PRAGMA wal_checkpoint(TRUNCATE)")
    assert count(reader) == 0
    reader.connection.execute("COMMIT")
    assert count(reader) == 1


# --- The layout


def test_sqlite_writes_the_header_as_this_module_knows_it(
    database: Path, reader: Reader, writer: Writer
) -> None:
    """If this fails, read https://sqlite.org/walformat.html and compare `commits` with it."""
    changed = f"SQLite {sqlite3.sqlite_version} writes the WAL index in another way"
    before = Header._make(HEADER.unpack(reader.memory[:HEADER_BYTES]))
    writer.run("INSERT INTO t VALUES (1)")
    after = Header._make(HEADER.unpack(reader.memory[:HEADER_BYTES]))

    assert HEADER.size == HEADER_BYTES, changed
    assert (before.version, after.version) == (WAL_INDEX_VERSION, WAL_INDEX_VERSION), changed
    assert (after.is_initialised, after.page_size) == (1, 4096), changed
    assert after.changes == before.changes + 1, changed
    assert after.frames > before.frames, changed


def test_sqlite_writes_two_equal_copies_of_the_header(database: Path, reader: Reader, writer: Writer) -> None:
    # By another process: this one would lose the locks of its connections (section 2.2 of SQLite's list).
    writer.run("INSERT INTO t VALUES (1)")
    command = [sys.executable, "-c", "import sys; print(open(sys.argv[1], 'rb').read(96).hex())"]
    shared = subprocess.run([*command, f"{database}-shm"], check=True, capture_output=True, text=True)
    first, second = shared.stdout[: 2 * HEADER_BYTES], shared.stdout[2 * HEADER_BYTES :].strip()

    assert first == second == reader.memory[:HEADER_BYTES].hex()


# --- The descriptor


def test_connections_share_one_signal_and_the_last_gives_it_back(database: Path) -> None:
    one, other = open_reader(database), open_reader(database)
    assert one.memory is other.memory
    assert open_files(database).count("some.sqlite-shm") == 3  # SQLite's, ours, and that of the mapping
    one.close()
    one.close()
    check_lock(database)
    assert open_files(database).count("some.sqlite-shm") == 3
    assert count(other) == 0
    other.close()
    assert open_files(database) == []


def test_who_has_left_an_old_database_keeps_nothing_of_it(tmp_path: Path) -> None:
    old, new = make_database(tmp_path / "old.sqlite"), make_database(tmp_path / "new.sqlite")
    first, second = open_reader(old), open_reader(old)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{old}{suffix}").unlink()
    first.close()
    with closing(open_reader(new)):
        assert count(second) == 0
        second.close()
        assert open_files(old) == []
        check_lock(new)
    assert open_files(new) == []


class Recorder:
    """A connection that notes what was still open when it was closed."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._connection = connect(database)
        self.found: list[str] = []

    def close(self) -> None:
        check_lock(self._database)
        self.found = open_files(self._database)
        self._connection.close()


def test_a_connection_is_closed_before_its_signal_is_let_go(database: Path) -> None:
    attached = attach(database, lambda: Recorder(database))
    attached.close()
    assert attached.connection.found.count("some.sqlite-shm") == 3
    assert open_files(database) == []


def test_who_leaves_last_waits_for_one_who_has_connected_and_has_no_signal_yet(database: Path) -> None:
    leaving = open_reader(database)
    thread = threading.Thread(target=leaving.close)

    def connect_while_the_other_leaves() -> sqlite3.Connection:
        connection = connect(database)
        thread.start()
        thread.join(0.2)  # were it not kept waiting, it would be gone by then
        return connection

    with closing(attach(database, connect_while_the_other_leaves)) as reader:
        thread.join()
        check_lock(database)
        assert count(reader) == 0
    assert open_files(database) == []


def test_a_thread_that_ends_without_a_word_costs_nobody_a_lock_and_leaves_nothing_for_long(
    database: Path,
) -> None:
    ending: list[Reader] = []
    thread = threading.Thread(target=lambda: ending.append(open_reader(database)))
    thread.start()
    thread.join()
    ending.clear()
    gc.collect()
    with closing(open_reader(database)) as reader:
        check_lock(database)
        assert count(reader) == 0
    assert open_files(database) == []


# --- Failures


def test_a_connection_that_fails_leaves_nothing_and_keeps_nobody_waiting(database: Path) -> None:
    with closing(open_reader(database)):
        with pytest.raises(sqlite3.OperationalError):
            attach(database, lambda: sqlite3.connect(database / "no-folder"))
        check_lock(database)
    assert open_files(database) == []


def test_a_database_without_a_wal_index_has_no_signal_and_no_connection(tmp_path: Path) -> None:
    database = tmp_path / "plain.sqlite"
    with pytest.raises(FileNotFoundError):
        attach(database, lambda: sqlite3.connect(database))
    assert open_files(database) == []


def test_a_wal_index_of_another_version_is_refused(tmp_path: Path) -> None:
    database = tmp_path / "plain.sqlite"
    Path(f"{database}-shm").write_bytes((3008000).to_bytes(4, sys.byteorder) + bytes(32768))
    with pytest.raises(ValueError, match="version 3008000 instead of 3007000"):
        attach(database, lambda: sqlite3.connect(database))
    assert open_files(database) == []


def test_a_wal_index_that_was_cut_short_leaves_nothing_open(tmp_path: Path) -> None:
    database = tmp_path / "plain.sqlite"
    Path(f"{database}-shm").touch()
    for _ in range(2):
        with pytest.raises(ValueError, match="mmap"):
            attach(database, lambda: sqlite3.connect(database))
    assert open_files(database) == []
