"""Opens the store of a site."""

from __future__ import annotations

from pathlib import Path

from feedserver.index.sqlite.store import StateFolder
from feedserver.index.store import Store
from feedserver.index.values import StoreAddress


def open_store(address: StoreAddress) -> Store:
    """The store at an address. Opens no file yet."""
    return StateFolder(Path(address.state_dir))
