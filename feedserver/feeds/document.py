"""The name of a feed document: a listing, a format, and for an archive document its place in the archive."""

from __future__ import annotations

from typing import NamedTuple

from feedserver.index.archives import ArchiveDocument
from feedserver.model import Format, ListingKey


class Document(NamedTuple):
    """A feed document of a listing: the subscription document, or an archive document."""

    key: ListingKey
    fmt: Format
    archive: ArchiveDocument | None = None

    @property
    def address(self) -> str:
        """Its path below the base URL."""
        below = "" if self.archive is None else f"/{self.archive}"
        return f"{self.key.address}{below}.{self.fmt.value}"
