"""The static files of the pages, and the icons, as representations."""

from __future__ import annotations

from collections.abc import Iterable

from feedserver.feeds.representation import Representation
from feedserver.site import icons, pages
from feedserver.site.static_files import static_file


class StaticFiles:
    """The static files by address. They never change while a process runs.

    Args:
        icon_addresses: those of `icons.ADDRESSES` that are answered with a file.
    """

    def __init__(self, icon_addresses: Iterable[str]) -> None:
        names = {f"/static/{name}": name for name in pages.STATIC_DIGESTS}
        names |= {address: icons.ADDRESSES[address] for address in icon_addresses}
        self._files = {address: static_file(name) for address, name in names.items()}

    def at(self, address: str) -> Representation:
        """The file at an address. Raises KeyError if there is none."""
        return self._files[address]

    def cached(self, name: str) -> Representation | None:
        """The file at an address, as `fast_path.Documents.cached`."""
        return self._files.get(name)
