"""The stores of random histories: files, or a real database whose processes can be killed, too.

A process that carries out histories has a database server of its own, so that the death of the server
disturbs no other history. A state folder has a schema there; a twin is a copy of the whole database.
"""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import ExitStack, closing
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Protocol

import psycopg
from builders import wait_for
from databases import database_server
from psycopg import sql

from feedserver.index.facts import BuildFacts
from feedserver.index.noted import read_facts
from feedserver.index.postgresql import announcements, connections, serving, store
from feedserver.index.stores import open_store
from feedserver.index.values import StoreAddress

PATIENCE = 60.0

FILES, POSTGRESQL, BOTH = "files", "postgresql", "both"


class Place(Protocol):
    """A kind of store, for one process that carries out histories.

    Attributes:
        name: of the kind.
        recovers: whether a sudden death may leave index and publication history in different states.
    """

    name: str
    recovers: bool

    def address(self, state: Path) -> StoreAddress:
        """The address of the store that belongs to a state folder."""

    def copy(self, state: Path, twin: Path) -> None:
        """Copy a store that nobody has open."""

    def drop(self, state: Path) -> None:
        """Remove a store that nobody has open, and its state folder."""

    def cut(self) -> None:
        """Cut the connections of this process, in the middle of its work."""

    def crash(self) -> None:
        """Kill the process of the database that answers the writer: the server ends all and recovers."""

    def wait_until_usable(self, state: Path) -> None:
        """Wait until a dead process holds nothing any more, and the store answers."""

    def check_after_death(self, state: Path, plan: str) -> None:
        """Check what must hold of a store just after the sudden death of its writer, which had a plan."""


class Files:
    """State folders."""

    name = FILES
    recovers = True

    def address(self, state: Path) -> StoreAddress:
        """As `Place.address`."""
        return StoreAddress(state_dir=str(state))

    def copy(self, state: Path, twin: Path) -> None:
        """As `Place.copy`."""
        shutil.copytree(state, twin)

    def drop(self, state: Path) -> None:
        """As `Place.drop`."""
        shutil.rmtree(state)

    def cut(self) -> None:
        """Files have no connections: the process dies."""
        os.kill(os.getpid(), signal.SIGKILL)

    crash = cut

    def wait_until_usable(self, state: Path) -> None:
        """As `Place.wait_until_usable`: the kernel frees the locks of a dead process."""

    def check_after_death(self, state: Path, plan: str) -> None:
        """Nothing: index and publication history are two files, which the next process makes agree."""


class InDatabase:
    """A database. It holds one history at a time, so that a copy of it is a copy of that one.

    Args:
        url: of a server, as a user who may make databases and end connections.
    """

    name = POSTGRESQL
    recovers = False

    def __init__(self, url: str) -> None:
        self._maintenance = url
        for database in ("one", "twin"):
            self._maintain("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)
        self._maintain("CREATE DATABASE {}", "one")

    def _url(self, database: str) -> str:
        # Without TLS, so that libpq looks for no certificate in a home folder that may not be read.
        return f"{self._maintenance.rpartition('/')[0]}/{database}?sslmode=disable"

    def _maintain(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def address(self, state: Path) -> StoreAddress:
        """As `Place.address`."""
        is_twin = state.name == "twin"
        schema = "site" if is_twin else state.name
        return StoreAddress(
            state_dir=str(state), url=self._url("twin" if is_twin else "one"), schema=schema.replace("-", "_")
        )

    def copy(self, state: Path, twin: Path) -> None:
        """As `Place.copy`."""
        assert state.name == "site", "the twin has the schema of the original"
        shutil.copytree(state, twin)
        self._end_connections("one")
        self._maintain("CREATE DATABASE {} TEMPLATE {}", "twin", "one")

    def _end_connections(self, database: str) -> None:
        """Wait for the ends of connections that are closed already."""
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s", [database]
            )

    def drop(self, state: Path) -> None:
        """As `Place.drop`."""
        shutil.rmtree(state, ignore_errors=True)
        if state.name == "twin":
            self._maintain("DROP DATABASE {} WITH (FORCE)", "twin")
            return
        schema = self.address(state).schema
        with psycopg.connect(self._url("one"), autocommit=True) as connection:
            for (name,) in connection.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname = %s OR starts_with(nspname, %s)",
                [schema, f"{schema}_"],
            ).fetchall():
                connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))

    def cut(self) -> None:
        """As `Place.cut`."""
        self._end_connections("one")

    def crash(self) -> None:
        """As `Place.crash`."""
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            found = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = 'one'"
                " AND application_name = 'feedserver indexer'"
            ).fetchall()
            for (pid,) in found[:1]:
                _kill(pid)
                wait_for(lambda: _is_lost(connection), PATIENCE)

    def wait_until_usable(self, state: Path) -> None:
        """As `Place.wait_until_usable`."""
        wait_for(lambda: self._has_no_writer(state), PATIENCE)

    def _has_no_writer(self, state: Path) -> bool:
        try:
            with psycopg.connect(self.address(state).url, autocommit=True) as connection:
                row = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name LIKE 'feedserver%'"
                ).fetchone()
        except psycopg.OperationalError:  # it recovers
            return False
        return row == (0,)

    def check_after_death(self, state: Path, plan: str) -> None:
        """Check that index and publication history are of one commit: there is nothing to recover.

        The history may be ahead of a build of another plan: then the dead process wrote a new one beside it.
        """
        opened = open_store(self.address(state))
        with closing(opened.serving()) as build, closing(opened.history()) as history:
            with build.snapshot() as connection:
                facts = read_facts(connection, BuildFacts)
            known = history.facts("sequence").sequence
        assert facts.plan != plan or facts.sequence == known, f"commit {facts.sequence} and {known}"


def _kill(pid: int) -> None:
    user = os.geteuid()
    if os.getuid() == 0:
        os.seteuid(0)  # the server is another user's
    try:
        os.kill(pid, signal.SIGKILL)
    finally:
        os.seteuid(user)


def _is_lost(connection: psycopg.Connection[object]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


_places: list[Place] = []
_servers = ExitStack()


def prepare_places(kind: str) -> None:
    """Ready this process for histories on a kind of store, or on `both`; start a server if one is needed."""
    if kind in (FILES, BOTH):
        _places.append(Files())
    if kind in (POSTGRESQL, BOTH):
        # No history outlives its server, so nothing need be durable.
        server = _servers.enter_context(database_server(autovacuum="off", full_page_writes="off"))
        # Processes of multiprocessing call this at their end, and nothing else.
        Finalize(None, _servers.close, exitpriority=1)
        _places.append(InDatabase(server.url))
        _wait_longer()


def _wait_longer() -> None:
    """Take no slow answer of a busy machine for a lost one. This process does nothing else."""
    for module, name, value in (
        (connections, "CONNECT_SECONDS", int(PATIENCE)),
        (store, "ANSWER_SECONDS", PATIENCE),
        (store, "_IMPATIENT_MS", int(PATIENCE * 1000)),
        (serving, "ANSWER_SECONDS", PATIENCE),
        (serving, "READER_MS", int(PATIENCE * 1000)),
        (serving, "READER_LOCK_MS", int(PATIENCE * 1000)),
        (announcements, "_FIRST_SECONDS", PATIENCE),
    ):
        assert hasattr(module, name)
        setattr(module, name, value)


def places() -> list[Place]:
    """The kinds of stores of this process."""
    return list(_places)
