"""Answers questions about all listings, or all entries of one, for the export of a whole site.

The work grows with the number of articles, so no request may ask these questions (promise 9); those of
`reader` are for requests. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import bindparam, select

from feedserver.index import schema
from feedserver.index.archives import ArchiveDocument
from feedserver.index.reader import IndexReader
from feedserver.index.values import ListingState, SelectedEntry
from feedserver.model import Kind

_member, _entry = schema.membership, schema.entry

# Made once: SQLAlchemy takes longer to build a statement than SQLite takes to run it (measured).
_MEMBERS = (
    select(_member.c.published, _entry.c.digest)
    .join(_entry, _entry.c.article_id == _member.c.article_id)
    .where(_member.c.listing_id == bindparam("listing"))
    .order_by(_member.c.published, _member.c.article_id)
)


class Member(NamedTuple):
    """An entry of a listing: its publication, in seconds since the epoch, and its digest."""

    published: int
    digest: bytes


class CatalogueReader(IndexReader):
    """Answers from the serving build, as its base does. For one thread."""

    def states(self, kinds: Collection[Kind] = tuple(Kind)) -> list[ListingState]:
        """Every listing of some kinds that ever existed, in one snapshot. Raises IndexNotReadyError."""
        query = select(schema.listing).where(schema.listing.c.kind.in_([kind.value for kind in kinds]))
        with self._serving.snapshot() as connection:
            return [self._state(row) for row in connection.execute(query).all()]

    def members(self, state: ListingState) -> list[Member]:
        """All entries of a listing, in the order of archive documents: oldest first."""
        with self._serving.snapshot() as connection:
            rows = connection.execute(_MEMBERS, {"listing": state.id})
            return [Member(row.published, row.digest) for row in rows]

    def archive(self, state: ListingState, archive: ArchiveDocument) -> tuple[SelectedEntry, ...]:
        """The entries of one archive document, oldest first."""
        with self._serving.snapshot() as connection:
            return self._entries_of(connection, state, archive)
