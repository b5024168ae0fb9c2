"""The store that tests use: the state folder, or a database if the environment names one.

With `FEEDSERVER_TEST_STORE=postgresql` pytest starts a database (`conftest`), and the tests that take their
store from here run on it. Each state folder has a schema of its own there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Connection

from feedserver.index.sqlite import builds
from feedserver.index.stores import open_store
from feedserver.index.values import StoreAddress

DATABASE = os.environ.get("FEEDSERVER_TEST_DATABASE", "")

# Of tests about pointers, logs and damaged files, or about readers that see a commit in the same moment.
files_only = pytest.mark.skipif(bool(DATABASE), reason="is about the files of a state folder")


def address_of(state_dir: Path) -> StoreAddress:
    """The address of the store that belongs to a state folder."""
    return StoreAddress(state_dir=str(state_dir), url=DATABASE, schema=_schema(state_dir) if DATABASE else "")


def index_section(state_dir: Path) -> dict[str, str]:
    """The keys of the settings that name this store."""
    return {"url": DATABASE, "site_schema": _schema(state_dir)} if DATABASE else {}


def environment(folder: Path) -> dict[str, str]:
    """The variables that name the store of a process whose state folder is the default one in a folder."""
    section = index_section(folder / ".feedserver")
    return {f"FEEDSERVER_INDEX__{key.upper()}": value for key, value in section.items()}


def _schema(state_dir: Path) -> str:
    return f"test_{hashlib.blake2b(os.fsencode(state_dir.resolve()), digest_size=8).hexdigest()}"


@contextmanager
def snapshot(place: Path | StoreAddress) -> Iterator[Connection]:
    """A connection to the serving build of a store, or of a state folder's store, in a transaction."""
    address = address_of(place) if isinstance(place, Path) else place
    serving = open_store(address).serving()
    try:
        with serving.snapshot() as connection:
            yield connection
    finally:
        serving.close()


def forget_index(state_dir: Path) -> None:
    """Let no build serve any more; the publication history stays."""
    if not DATABASE:
        for file in (*state_dir.glob("index-*"), state_dir / builds.POINTER):
            file.unlink()
        return
    with psycopg.connect(DATABASE, autocommit=True) as connection:
        table = sql.Identifier(_schema(state_dir), "serving")
        connection.execute(sql.SQL("UPDATE {} SET build = NULL").format(table))
