"""Notices commits to a database, by a look at memory that SQLite shares.

In WAL mode every commit changes the header of the WAL index, a file that all processes map which have the
database open. Its bytes are compared and, but for the version, not interpreted: equal bytes mean that a read
transaction would see what it saw before (promises 3 and 7). SQLite writes the second copy of the header
first; the first copy is compared, because SQLite's readers look at that one first.

`PRAGMA data_version` tells the same in 4 µs, but gives up the interpreter's lock three times, which costs
each request of a worker with four busy threads some 40 µs (measured). docs/decisions/index.md compares this
with a counter file of our own.

Relies on the WAL index of version 3007000, which SQLite has written since 3.7.0 (2010), and was tested with
SQLite 3.40.1: https://sqlite.org/walformat.html, section 2.1. A database with another version is refused, and
`tests/test_commits.py` fails if the header changes in another way than it does there.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar
from weakref import finalize

HEADER_BYTES = 48

# The first four bytes of the header, in the byte order of the machine.
WAL_INDEX_VERSION = 3007000


class Closable(Protocol):
    """A connection, of the driver or of SQLAlchemy."""

    def close(self) -> None:
        """Close it."""


Held = TypeVar("Held", bound=Closable)


class _Header:
    """The header of one WAL index, for all threads of this process. Used under `_lock`."""

    def __init__(self, path: str, identity: tuple[int, int]) -> None:
        self.identity = identity
        self.holders = 0
        self._memory: mmap.mmap | None = None
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def memory(self) -> mmap.mmap:
        if self._memory is None:
            self._memory = mmap.mmap(self._descriptor, HEADER_BYTES, prot=mmap.PROT_READ)
        version = int.from_bytes(self._memory[:4], sys.byteorder)
        if version != WAL_INDEX_VERSION:
            raise ValueError(f"the WAL index has version {version} instead of {WAL_INDEX_VERSION}")
        return self._memory

    def close(self) -> None:
        if self._memory is not None:
            self._memory.close()  # it has a descriptor of its own
        os.close(self._descriptor)


# A process that closes a descriptor of a file loses all locks that it has on that file
# (https://sqlite.org/howtocorrupt.html, section 2.2). Without them, the next process that opens the database
# truncates the WAL index that others have mapped. So the descriptor of a header is closed when no connection
# is left, and while no thread connects: this lock is held from before a connection is opened until its header
# is held, and from before a connection is closed until its header is released.
_lock = threading.Lock()
# By device and inode, because SQLite makes a new file after all connections to the old one were closed.
_headers: dict[tuple[int, int], _Header] = {}
# Connections that were freed without being closed, as those of a thread that ended. The next call that takes
# the lock closes them: an object may be freed at any moment, also while this thread holds the lock.
_forgotten: deque[tuple[Closable, _Header]] = deque()


class Attached(Generic[Held]):
    """A connection with the signal of its database: `memory[:HEADER_BYTES]` changes with each commit.

    For one thread. Close this, and never the connection itself.
    """

    def __init__(self, connection: Held, header: _Header, memory: mmap.mmap) -> None:
        self.connection = connection
        self.memory = memory
        self._header = header
        self._unclosed = finalize(self, _forgotten.append, (connection, header))
        self._unclosed.atexit = False  # the process' end closes all at once

    def close(self) -> None:
        """Close the connection, and release the signal after it."""
        if self._unclosed.detach() is not None:
            with _lock:
                _release(self.connection, self._header)


def attach(database: Path, connect: Callable[[], Held]) -> Attached[Held]:
    """Open a connection to a database in WAL mode, with its signal.

    Call it after a fork, never before. In a process with several connections to a database, open all of them
    in this way. An exception of `connect` is passed on.

    Args:
        database: the file.
        connect: opens the connection and reads from it, which opens the WAL index; if it raises, it
            leaves nothing open.

    Raises:
        OSError: if there is no WAL index, or it cannot be read.
        ValueError: if it is cut short, or of another version.
    """
    with _lock:
        while _forgotten:
            _release(*_forgotten.popleft())
        connection = connect()
        try:
            header = _header_of(database)
        except BaseException:
            connection.close()
            raise
        header.holders += 1
        try:
            return Attached(connection, header, header.memory())
        except BaseException:
            _release(connection, header)
            raise


def _header_of(database: Path) -> _Header:
    path = f"{database}-shm"
    status = os.stat(path)  # noqa: PTH116  a known file is not opened again, because of the locks (see `_lock`)
    identity = (status.st_dev, status.st_ino)
    if identity not in _headers:
        _headers[identity] = _Header(path, identity)
    return _headers[identity]


def _release(connection: Closable, header: _Header) -> None:
    connection.close()  # if that fails, the header stays open, which harms nothing
    header.holders -= 1
    if not header.holders:
        del _headers[header.identity]
        header.close()
