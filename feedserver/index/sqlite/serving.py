"""The connection of a reader to the serving build, which follows the pointer from build to build.

Notices commits and new builds at each question (see `commits`), and never waits for the indexer (promise 7).
If nothing happened, it makes no system call: each one gives up the interpreter's lock, for which other
threads of a busy worker wait (docs/decisions/index.md). Reports a build that it finds damaged. Does not know
the questions.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from feedserver.errors import IndexNotReadyError, IndexUnreadableError
from feedserver.index import schema
from feedserver.index.sqlite import builds
from feedserver.index.sqlite.commits import HEADER_BYTES, Attached, attach
from feedserver.index.transactions import transaction

# The pointer is looked at after each commit, because a process that replaces a build commits to the replaced
# one. Beyond that now and then: for builds that cannot be committed to (damaged, read-only, removed) and for
# an indexer that died between the two.
POINTER_SECONDS = 0.05


class ServingBuild:
    """A connection to the serving build. For one thread; open it after a fork, never before.

    Attributes:
        name: of the build that answered last; empty before that.
    """

    def __init__(self, state_dir: Path) -> None:
        self.name = ""
        self._generation = 0
        self._state_dir = state_dir
        self._pointer = os.fspath(builds.pointer_path(state_dir))
        self._pointer_stamp: tuple[int, int] | None = None
        self._next_look = 0.0
        self._reported = ""
        self._attached: Attached[Connection] | None = None
        self._header = b""

    @property
    def switched(self) -> float:
        """When the build that answered last began to serve, in seconds since the epoch; 0 before that."""
        return 0.0 if self._pointer_stamp is None else self._pointer_stamp[1] / 1e9

    def close(self) -> None:
        """Close the connection; the next question opens another one."""
        attached, self._attached = self._attached, None
        if attached is not None:
            attached.close()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """The connection in a read transaction.

        Raises:
            IndexNotReadyError: before the first index is complete.
            IndexUnreadableError, SQLAlchemyError: if the build is damaged.
        """
        self.follow()
        connection = (self._attached or self._look()).connection
        try:
            with transaction(connection):
                yield connection
        except SQLAlchemyError as error:
            # The connection may stay in the failed transaction, so the next question gets a new one.
            self.close()
            self._report_damage(f"{self.name}.sqlite", error)
            raise

    def follow(self) -> int:
        """Follow the pointer. Returns another number when earlier answers may be outdated.

        Raises:
            IndexNotReadyError: before the first index is complete.
            IndexUnreadableError, SQLAlchemyError: if the build cannot be opened.
        """
        attached = self._attached
        if (
            attached is None
            or attached.memory[:HEADER_BYTES] != self._header
            or time.monotonic() >= self._next_look
        ):
            self._look()
        return self._generation

    def _look(self) -> Attached[Connection]:
        """Look at the pointer and follow it; count a generation if there may have been a commit."""
        while True:
            attached, now = self._attached, time.monotonic()
            # Before the pointer and any row are read, so that the next question sees a commit in between.
            header = b"" if attached is None else attached.memory[:HEADER_BYTES]
            stamp = self._pointer_now()
            if attached is not None and (stamp == self._pointer_stamp or self._is_left_alone()):
                self._pointer_stamp = stamp
                break
            self.close()
            # A build is deleted once the pointer has left it, maybe before it is open here; then look again.
            self._open(stamp)
        if header != self._header:
            self._generation += 1
            self._header = header
        self._next_look = now + POINTER_SECONDS
        return attached

    def _is_left_alone(self) -> bool:
        """Whether the pointer names no build while the open one is still there: it is soon named again."""
        is_there = (self._state_dir / f"{self.name}.sqlite").is_file()
        return is_there and builds.serving_build(self._state_dir) is None

    def _pointer_now(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._pointer)  # noqa: PTH116  a path object takes twice as long
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _open(self, stamp: tuple[int, int] | None) -> None:
        """Connect to the build that the pointer names; to nothing if the pointer moves meanwhile."""
        build = builds.serving_build(self._state_dir)
        if build is None:
            if self._pointer_now() == stamp:
                raise IndexNotReadyError(
                    "the first index is not complete yet"
                    if stamp is None
                    else "the index was removed and is built anew"
                )
            return
        try:
            self._attached = _attached(build)
        except (SQLAlchemyError, IndexUnreadableError) as error:
            if self._pointer_now() == stamp:
                self._report_damage(build.name, error)
                raise
            return
        self.name, self._pointer_stamp = build.stem, stamp
        self._generation += 1
        self._header = b""

    def _report_damage(self, build: str, error: Exception) -> None:
        """Ask the indexer to build a damaged index anew."""
        is_damage = isinstance(error, IndexUnreadableError) or builds.is_damage(error)
        if is_damage and self._reported != build:
            self._reported = build
            builds.ask_for_renewal(self._state_dir, build)


def _attached(build: Path) -> Attached[Connection]:
    try:
        if not build.stat().st_size:  # SQLite would wait here until the indexer closes it
            raise IndexUnreadableError(f"{build} is empty")
        return attach(build, lambda: _connect(build))
    except (OSError, ValueError) as error:
        raise IndexUnreadableError(f"{build} cannot be read: {error}") from error


def _connect(build: Path) -> Connection:
    """A connection that has read from the build, and so has the WAL index open."""
    engine = builds.open_engine(
        build, cache_kib=builds.READER_CACHE_KIB, patience=builds.READER_PATIENCE_SECONDS
    )
    connection = engine.connect()
    try:
        with transaction(connection):
            connection.scalar(select(schema.meta.c.key).limit(1))
    except BaseException:
        connection.close()
        raise
    return connection
