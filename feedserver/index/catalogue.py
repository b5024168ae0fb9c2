"""Reads what concerns all listings, or all entries of one: for who publishes the whole site at once.

Beside `reader`, whose questions cost the same however many articles there are (promise 9); these do not,
so no request may ask them. It writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import bindparam, select

from feedserver.archives import Part
from feedserver.index import schema
from feedserver.index.reader import FacetState, IndexReader, SelectedEntry
from feedserver.model import Kind

_member, _entry = schema.membership, schema.entry

# Made once: to put a statement together takes SQLAlchemy longer than SQLite needs for it (measured).
_MEMBERS = (
    select(_member.c.published, _entry.c.digest)
    .join(_entry, _entry.c.article_id == _member.c.article_id)
    .where(_member.c.facet_id == bindparam("facet"))
    .order_by(_member.c.published, _member.c.article_id)
)


class Member(NamedTuple):
    """An entry of a listing: when it was published, in seconds, and the digest of all that it shows."""

    published: int
    digest: bytes


class CatalogueReader(IndexReader):
    """Reads whichever build serves, as its base does. For one thread."""

    def states(self, kinds: Collection[Kind] = tuple(Kind)) -> list[FacetState]:
        """Every listing of some kinds that ever existed, in one snapshot. Raises IndexNotReadyError."""
        query = select(schema.facet).where(schema.facet.c.kind.in_([kind.value for kind in kinds]))
        with self._snapshot() as connection:
            return [self._state(row) for row in connection.execute(query).all()]

    def members(self, state: FacetState) -> list[Member]:
        """All entries of a listing, in the order of archive documents: oldest first."""
        with self._snapshot() as connection:
            rows = connection.execute(_MEMBERS, {"facet": state.id})
            return [Member(row.published, row.digest) for row in rows]

    def part(self, state: FacetState, part: Part) -> tuple[SelectedEntry, ...]:
        """The entries of one archive document, oldest first."""
        with self._snapshot() as connection:
            return self._entries_of(connection, state, part)
