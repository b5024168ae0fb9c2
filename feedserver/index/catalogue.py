"""Reads what concerns all listings, or all entries of one: for who publishes the whole site at once.

Beside `reader`, whose questions cost the same however many articles there are (promise 9); these do not,
so no request may ask them. It writes nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import bindparam, select

from feedserver.archives import PART_ENTRIES, Part, month_bounds
from feedserver.index import schema
from feedserver.index.reader import FacetState, IndexReader, SelectedEntry
from feedserver.model import Article

_member, _entry, _candidate = schema.membership, schema.entry, schema.candidate

# Made once: to put a statement together takes SQLAlchemy longer than SQLite needs for it (measured).
_MEMBERS = (
    select(_member.c.published, _entry.c.digest)
    .join(_entry, _entry.c.article_id == _member.c.article_id)
    .where(_member.c.facet_id == bindparam("facet"))
    .order_by(_member.c.published, _member.c.article_id)
)
_PART = (
    select(_candidate.c.payload, _entry.c.updated, _entry.c.digest)
    .select_from(_member)
    .join(_entry, _entry.c.article_id == _member.c.article_id)
    .join(_candidate, _candidate.c.file_id == _entry.c.file_id)
    .where(
        _member.c.facet_id == bindparam("facet"),
        _member.c.published >= bindparam("first"),
        _member.c.published < bindparam("after"),
    )
    .order_by(_member.c.published, _member.c.article_id)
    .offset(bindparam("offset"))
    .limit(PART_ENTRIES)
)
_ARTICLE = msgspec.json.Decoder(Article)


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
        with self._snapshot() as connection:
            rows = connection.execute(_MEMBERS, {"facet": state.id})
            return [Member(row.published, row.digest) for row in rows]

    def part(self, state: FacetState, part: Part) -> tuple[SelectedEntry, ...]:
        """The entries of one archive document, oldest first."""
        first, after = month_bounds(part.month)
        bounds = {"facet": state.id, "first": first, "after": after, "offset": part.offset}
        with self._snapshot() as connection:
            rows = connection.execute(_PART, bounds).all()
        return tuple(
            SelectedEntry(
                article=_ARTICLE.decode(row.payload),
                updated=datetime.fromtimestamp(row.updated, UTC),
                digest=row.digest.hex(),
            )
            for row in rows
        )
