"""Opens the store of a site: its state folder, or a database."""

from __future__ import annotations

from pathlib import Path

from feedserver.errors import SettingsError
from feedserver.index.sqlite.store import StateFolder
from feedserver.index.store import Store
from feedserver.index.values import StoreAddress


def open_store(address: StoreAddress) -> Store:
    """The store at an address. Connects to nothing yet.

    Raises:
        SettingsError: if the package for the database is not installed.
    """
    if not address.url:
        return StateFolder(Path(address.state_dir))
    try:
        # Imported here, because the package is needed for a database only.
        from feedserver.index.postgresql.connections import Database  # noqa: PLC0415
        from feedserver.index.postgresql.store import DatabaseStore  # noqa: PLC0415
    except ImportError as error:
        msg = "index.url: postgresql:// needs a package that is not installed: feedserver[postgresql]"
        raise SettingsError([msg]) from error
    return DatabaseStore(
        Database(
            url=address.url,
            read_url=address.read_url,
            schema=address.schema,
            password_file=address.password_file,
        )
    )
