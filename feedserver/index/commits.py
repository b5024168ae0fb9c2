"""Tells whether a database may have been committed to, by a look at memory that SQLite shares.

`PRAGMA data_version` says the same and takes 4 µs, but it gives up the interpreter's lock three times,
which costs each request of a worker with four busy threads some 40 µs (measured). Every commit in WAL
mode changes the header of the WAL index, a file that is mapped by all processes which have the database
open (https://sqlite.org/walformat.html, section 2.1). Its bytes are compared here and never interpreted:
equal bytes mean that a read transaction would see what it saw before (promises 3 and 7). SQLite writes the
second copy of the header first, so the first copy, at which its own readers look first, is looked at.
"""

from __future__ import annotations

import mmap
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar
from weakref import finalize

HEADER_BYTES = 48


class Closable(Protocol):
    """A connection of whatever library."""

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
        return self._memory

    def close(self) -> None:
        if self._memory is not None:
            self._memory.close()  # it has a descriptor of its own
        os.close(self._descriptor)


# Whoever closes a descriptor of a file loses all locks that its process has on that file
# (https://sqlite.org/howtocorrupt.html, section 2.2); without them the next process that opens the database
# cuts short the WAL index that others have mapped. So a header goes when no connection is left, and nobody
# connects meanwhile: the lock is held from before a connection is opened until its header is held, and
# from before it is closed until its header is let go.
_lock = threading.Lock()
# By inode, because SQLite makes a new file when all had closed the old.
_headers: dict[tuple[int, int], _Header] = {}
# What was forgotten without being closed, as by a thread that ended. Closed by the next who has the lock:
# memory is freed at any moment, also while this thread has it.
_forgotten: deque[tuple[Closable, _Header]] = deque()


class Attached(Generic[Held]):
    """A connection, and its database's signal: `memory[:HEADER_BYTES]` changes with each commit.

    For one thread. The connection is closed by this and by nobody else.
    """

    def __init__(self, connection: Held, header: _Header, memory: mmap.mmap) -> None:
        self.connection = connection
        self.memory = memory
        self._header = header
        self._unclosed = finalize(self, _forgotten.append, (connection, header))
        self._unclosed.atexit = False  # the process' end closes all at once

    def close(self) -> None:
        """Close the connection, and let go of the signal after it."""
        if self._unclosed.detach() is not None:
            with _lock:
                _let_go(self.connection, self._header)


def attach(database: Path, connect: Callable[[], Held]) -> Attached[Held]:
    """Open a connection to a database in WAL mode, and have its signal.

    To be called after a fork, never before, and for every connection of a process in which there are
    several. What `connect` raises is passed on.

    Args:
        database: the file.
        connect: opens the connection and reads from it, which opens the WAL index; if it raises, it
            leaves nothing open.

    Raises:
        OSError: if there is no WAL index, or it cannot be read.
        ValueError: if it is cut short.
    """
    with _lock:
        while _forgotten:
            _let_go(*_forgotten.popleft())
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
            _let_go(connection, header)
            raise


def _header_of(database: Path) -> _Header:
    path = f"{database}-shm"
    status = os.stat(path)  # noqa: PTH116  not opened if it is known, for the reason above
    identity = (status.st_dev, status.st_ino)
    if identity not in _headers:
        _headers[identity] = _Header(path, identity)
    return _headers[identity]


def _let_go(connection: Closable, header: _Header) -> None:
    connection.close()  # should it fail, the header stays: too late harms nobody
    header.holders -= 1
    if not header.holders:
        del _headers[header.identity]
        header.close()
