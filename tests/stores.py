"""The store that tests use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from feedserver.index.stores import open_store
from feedserver.index.values import StoreAddress


def address_of(state_dir: Path) -> StoreAddress:
    """The address of the store that belongs to a state folder."""
    return StoreAddress(state_dir=str(state_dir))


@contextmanager
def snapshot(state_dir: Path) -> Iterator[Connection]:
    """A connection to the serving build of a state folder's store, in a transaction."""
    serving = open_store(address_of(state_dir)).serving()
    try:
        with serving.snapshot() as connection:
            yield connection
    finally:
        serving.close()
