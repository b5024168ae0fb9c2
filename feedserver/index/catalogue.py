"""Reads what concerns all listings, or all entries of one: for who publishes the whole site at once.

Beside `reader`, whose questions cost the same however many articles there are (promise 9); these do not,
so no request may ask them. It writes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select

from feedserver.index import schema
from feedserver.index.reader import FacetState, IndexReader


class Member(NamedTuple):
    """An entry of a listing: when it was published, in seconds, and the digest of all that it shows."""

    published: int
    digest: bytes


class CatalogueReader(IndexReader):
    """Reads whichever build serves, as its base does. For one thread."""

    def states(self) -> list[FacetState]:
        """Every listing that ever existed, in one snapshot. Raises IndexNotReadyError."""
        with self._snapshot() as connection:
            rows = connection.execute(select(schema.facet)).all()
            return [self._state(row) for row in rows]

    def members(self, state: FacetState) -> list[Member]:
        """All entries of a listing, in the order of archive documents: oldest first."""
        member, entry = schema.membership, schema.entry
        query = (
            select(member.c.published, entry.c.digest)
            .join(entry, entry.c.article_id == member.c.article_id)
            .where(member.c.facet_id == state.id)
            .order_by(member.c.published, member.c.article_id)
        )
        with self._snapshot() as connection:
            return [Member(row.published, row.digest) for row in connection.execute(query)]
