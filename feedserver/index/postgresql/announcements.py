"""Follows the commits to the serving build, in one thread and by one connection per process.

The writer announces each commit (`NOTIFY`). The thread asks for the serving build and its revision then, and
every few seconds, in case the announcements come no more. So a request asks nothing while nothing changes.
Without the database the last known state stays; the thread connects again, at intervals that differ between
processes. It starts with the first question, and so after a fork. Does not know the tables of a build.
"""

from __future__ import annotations

import logging
import os
import random
import select
import socket
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import NamedTuple

import psycopg
from psycopg import sql

from feedserver.errors import StateError
from feedserver.index.postgresql.connections import BoundedConnection, Database

log = logging.getLogger(__name__)

POLL_SECONDS = 3.0
# Between two attempts to connect: these, and up to as long again.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 1.5
# None is used twice in a process, or a reader could take a new state for one that it has.
_GENERATIONS = count(1)

# Sent to the thread to make it look.
_LOOK = b"!"
# How long the first question waits for the first answer.
_FIRST_SECONDS = 4.0


class Announced(NamedTuple):
    """What a process knows of the serving build.

    Attributes:
        build: its name; None if none serves yet, or if that is not known.
        switched: when it began to serve, in seconds since the epoch.
        revision: raised by each commit.
        generation: another number whenever one of these may have changed.
        failure: why the database cannot be asked now; '' if it can.
    """

    build: str | None
    switched: float
    revision: int
    generation: int
    failure: str


class Announcements:
    """Knows the serving build of one site, as long as somebody holds it. Any thread may ask.

    Args:
        database: of the site.
        connect: connects to the database that is written: a replica announces nothing.
    """

    def __init__(self, database: Database, connect: Callable[[], BoundedConnection]) -> None:
        self._database = database
        self._connect = connect
        self._lock = threading.Lock()
        self._holders = 0
        self._follower: _Follower | None = None

    def hold(self) -> None:
        """Ask for the state until `release`. The first holder starts the thread."""
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        """The opposite of `hold`. The last holder ends the thread."""
        follower = None
        with self._lock:
            self._holders -= 1
            if not self._holders:
                follower, self._follower = self._follower, None
        if follower is not None and follower.pid == os.getpid():
            follower.stop()

    def now(self) -> Announced:
        """The state as far as it is known. The first question waits for it, for some seconds at most."""
        follower = self._follower
        if follower is None or follower.pid != os.getpid():
            follower = self._start()
        return follower.now()

    def note_failure(self, reason: str) -> None:
        """Note that a reader got no answer, so that others do not wait for one before the thread has one."""
        follower = self._follower
        if follower is not None:
            follower.doubt(reason)

    def _start(self) -> _Follower:
        with self._lock:
            if self._follower is None or self._follower.pid != os.getpid():
                self._follower = follower = _Follower(self._database, self._connect)
                # A server whose application is dropped, as in tests, does not release anything.
                weakref.finalize(self, follower.end)
            return self._follower


class _Follower:
    """The thread, and what it knows."""

    def __init__(self, database: Database, connect: Callable[[], BoundedConnection]) -> None:
        self.pid = os.getpid()
        self._database = database
        self._connect = connect
        self._is_known = threading.Event()
        self._changing = threading.Lock()  # readers change what is known too (`doubt`)
        self._known = Announced(None, 0.0, 0, 0, "it was not asked yet")
        self._stopped, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="announcements", daemon=True)
        self._thread.start()

    def now(self) -> Announced:
        """The state as far as it is known."""
        if not self._is_known.is_set():
            self._is_known.wait(_FIRST_SECONDS)
        return self._known

    def doubt(self, reason: str) -> None:
        """Take the database for unreachable until the thread, which looks at once, has an answer of it."""
        self._note_failure(reason)
        with suppress(OSError):  # it ends just now
            self._stop.send(_LOOK)

    def end(self) -> None:
        """Let the thread and its connection end soon."""
        self._stop.close()

    def stop(self) -> None:
        """End the thread and its connection, and wait for it."""
        self.end()
        self._thread.join()

    def _waits(self, seconds: float, *others: int) -> bool:
        """Wait until another descriptor can be read, or for some seconds; False if this is to end."""
        own = self._stopped.fileno()
        ready, _, _ = select.select([own, *others], [], [], seconds)
        return own not in ready or bool(self._stopped.recv(1024))

    def _run(self) -> None:
        with self._stopped:
            self._follow()

    def _follow(self) -> None:
        pause = _SHORTEST_PAUSE
        while True:
            begun = time.monotonic()
            try:
                with self._connect() as connection:
                    connection.autocommit = True
                    self._listen(connection)
            except (psycopg.Error, StateError) as error:
                self._note_failure((str(error).strip() or type(error).__name__).splitlines()[0])
            else:
                return
            if time.monotonic() - begun > _LONGEST_PAUSE:
                pause = _SHORTEST_PAUSE
            # No secret: only so that the processes of many machines do not come at once.
            if not self._waits(pause * (1 + random.random())):  # noqa: S311
                return
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _listen(self, connection: BoundedConnection) -> None:
        """Follow the announcements until the connection fails, or this is to end."""
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._database.channel)))
        query = sql.SQL("SELECT build, switched, revision FROM {}").format(
            sql.Identifier(self._database.schema, "serving")
        )
        while True:
            try:
                row = connection.execute(query).fetchone()
            except psycopg.errors.UndefinedTable:
                row = None  # nobody has indexed yet
            self._note(*(row or (None, 0.0, 0)))
            if not self._waits(POLL_SECONDS, connection.fileno()):
                return
            for _ in connection.notifies(timeout=0):
                pass  # one question answers for all that came together

    def _note(self, build: str | None, switched: float, revision: int) -> None:
        with self._changing:
            before = self._known
            if before.failure and self._is_known.is_set():
                log.warning("%s is reached again", self._database.name)
            if (build, switched, revision) != before[:3]:
                self._known = Announced(build, switched, revision, next(_GENERATIONS), "")
            elif before.failure:
                self._known = before._replace(failure="")
            self._is_known.set()

    def _note_failure(self, reason: str) -> None:
        with self._changing:
            if not (self._is_known.is_set() and self._known.failure):
                log.error("%s cannot be reached: %s", self._database.name, reason)
            self._known = self._known._replace(failure=reason)
            self._is_known.set()
