"""Counts entries in and out of their listings, one batch at a time.

A ledger collects what a batch adds to and takes from each facet, and writes the sums once. What a
batch costs depends on the facets it touches, not on the number of articles (promise 9). It does not
decide what is published; the writer does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, tuple_, update
from sqlalchemy.dialects.sqlite import insert

from feedserver.archives import month_of
from feedserver.index import schema
from feedserver.index.builds import in_pieces, write_rows
from feedserver.model import Kind, ListingKey, Value

VERSION_BITS = 128
_MODULUS = 1 << VERSION_BITS

# A listing's `updated` is the latest among its newest entries, as many as a feed shows by default.
NEWEST = 50


class LiveEntry(Value, frozen=True):
    """A published article, as it is counted: times in seconds, a 16-byte digest of all it shows."""

    article_id: str
    file_id: int
    published: int
    updated: int
    digest: bytes
    listings: dict[ListingKey, str]


class _Delta:
    """What a batch does to one facet."""

    __slots__ = ("count", "months", "spellings", "version")

    def __init__(self) -> None:
        self.version = 0
        self.count = 0
        self.months: defaultdict[int, int] = defaultdict(int)
        self.spellings: defaultdict[str, int] = defaultdict(int)


class Ledger:
    """The sums of one batch. Used once, inside the batch's transaction, by the one writer.

    Args:
        connection: of the index, in a write transaction.
        sequence: the number of this commit.
        now: in seconds since the epoch; the time from which a listing is quiet.
    """

    def __init__(self, connection: Connection, sequence: int, now: int) -> None:
        self._connection = connection
        self._sequence = sequence
        self._now = now
        self._deltas: defaultdict[ListingKey, _Delta] = defaultdict(_Delta)
        self._left: list[tuple[ListingKey, LiveEntry]] = []
        self._joined: list[tuple[ListingKey, LiveEntry]] = []

    def move(self, old: LiveEntry | None, new: LiveEntry | None) -> None:
        """Take an entry out of the listings it was in, and put it into those it is in.

        Where it shows the same as before, only listings that it joins or leaves are touched: a change of
        `heat` may move it out of a selection and changes no other feed (promise 1).
        """
        before = {} if old is None else old.listings
        after = {} if new is None else new.listings
        if old is not None and new is not None and old.digest == new.digest:
            before, after = _without(before, after), _without(after, before)
        if old is not None:
            self._count(old, before, -1)
            self._left.extend((key, old) for key in before)
        if new is not None:
            self._count(new, after, 1)
            self._joined.extend((key, new) for key in after)

    def _count(self, entry: LiveEntry, listings: Mapping[ListingKey, str], sign: int) -> None:
        amount = sign * int.from_bytes(entry.digest, "big")
        month = month_of(entry.published)
        for key, text in listings.items():
            delta = self._deltas[key]
            delta.version += amount
            delta.count += sign
            delta.months[month] += sign
            delta.spellings[text] += sign

    def close(self) -> dict[ListingKey, tuple[str, int]]:
        """Write the sums.

        Returns:
            The listings that are new or have just become empty, with title and the time since when,
            for the memory.
        """
        if not self._deltas:
            return {}
        before = facet_rows(self._connection, self._deltas)
        new = [key for key in self._deltas if key not in before]
        create_facets(self._connection, dict.fromkeys(new, ("", self._now)), self._sequence)
        facets = before | facet_rows(self._connection, new)
        ids = {key: row.id for key, row in facets.items()}
        self._write_memberships(ids)
        self._write_months(ids)
        titles = self._write_spellings(ids)
        return self._write_facets(facets, titles, set(new))

    def _write_memberships(self, ids: Mapping[ListingKey, int]) -> None:
        table = schema.membership
        if self._left:
            self._connection.execute(
                delete(table).where(
                    table.c.facet_id == bindparam("facet"),
                    table.c.published == bindparam("time"),
                    table.c.article_id == bindparam("article"),
                ),
                [
                    {"facet": ids[key], "time": entry.published, "article": entry.article_id}
                    for key, entry in self._left
                ],
            )
        if self._joined:
            write_rows(
                self._connection,
                insert(table),
                [
                    {
                        "facet_id": ids[key],
                        "published": entry.published,
                        "article_id": entry.article_id,
                        "updated": entry.updated,
                    }
                    for key, entry in self._joined
                ],
            )

    def _write_months(self, ids: Mapping[ListingKey, int]) -> None:
        table = schema.month
        changes = [
            {"facet_id": ids[key], "month": month, "entries": amount}
            for key, delta in self._deltas.items()
            for month, amount in delta.months.items()
            if amount
        ]
        if changes:
            statement = insert(table)
            write_rows(
                self._connection,
                statement.on_conflict_do_update(
                    index_elements=["facet_id", "month"],
                    set_={"entries": table.c.entries + statement.excluded.entries},
                ),
                changes,
            )

    def _write_spellings(self, ids: Mapping[ListingKey, int]) -> dict[int, str]:
        """Count the spellings; the most frequent one is the title, of equals the lowest."""
        table = schema.spelling
        changes = [
            {"facet_id": ids[key], "text": text, "count": amount}
            for key, delta in self._deltas.items()
            for text, amount in delta.spellings.items()
            if amount
        ]
        if changes:
            statement = insert(table)
            write_rows(
                self._connection,
                statement.on_conflict_do_update(
                    index_elements=["facet_id", "text"],
                    set_={"count": table.c.count + statement.excluded["count"]},
                ),
                changes,
            )
        best: dict[int, tuple[int, str]] = {}
        for chunk in in_pieces(ids.values()):
            query = select(table.c.facet_id, table.c.text, table.c["count"].label("uses"))
            for row in self._connection.execute(query.where(table.c.facet_id.in_(chunk))):
                rank = (-row.uses, row.text)
                if row.uses > 0 and rank < best.get(row.facet_id, (0, "")):
                    best[row.facet_id] = rank
        return {facet_id: text for facet_id, (_, text) in best.items()}

    def _write_facets(
        self,
        facets: Mapping[ListingKey, Any],
        titles: Mapping[int, str],
        new: set[ListingKey],
    ) -> dict[ListingKey, tuple[str, int]]:
        latest = self._latest_updates([row.id for row in facets.values()])
        rows = []
        memorable = {}
        for key, row in facets.items():
            delta = self._deltas[key]
            count = row.entries + delta.count
            version = (int.from_bytes(row.version, "big") + delta.version) % _MODULUS
            became_empty = count == 0 and row.entries > 0
            title = titles.get(row.id, row.title)
            since = self._now if became_empty else row.since
            if key in new or became_empty:
                memorable[key] = (title, since)
            rows.append(
                {
                    "facet": row.id,
                    "version": version.to_bytes(VERSION_BITS // 8, "big"),
                    "changed": self._sequence,
                    "entries": count,
                    "title": title,
                    "since": since,
                    "updated": latest.get(row.id),
                }
            )
        self._connection.execute(
            update(schema.facet)
            .where(schema.facet.c.id == bindparam("facet"))
            .values(
                {
                    name: bindparam(name)
                    for name in ("version", "changed", "entries", "title", "since", "updated")
                }
            ),
            rows,
        )
        return memorable

    def _latest_updates(self, facet_ids: list[int]) -> dict[int, int]:
        table, facet = schema.membership, schema.facet
        newest = (
            select(table.c.updated)
            .where(table.c.facet_id == facet.c.id)
            .order_by(table.c.published.desc(), table.c.article_id.desc())
            .limit(NEWEST)
            .correlate(facet)
            .subquery()
        )
        latest = select(func.max(newest.c.updated)).correlate(facet).scalar_subquery()
        found = {}
        for chunk in in_pieces(facet_ids):
            for row in self._connection.execute(
                select(facet.c.id, latest.label("latest")).where(facet.c.id.in_(chunk))
            ):
                found[row.id] = row.latest
        return found


def _without(listings: dict[ListingKey, str], others: dict[ListingKey, str]) -> dict[ListingKey, str]:
    return {key: text for key, text in listings.items() if others.get(key) != text}


def facet_rows(connection: Connection, keys: Iterable[ListingKey]) -> dict[ListingKey, Any]:
    """The facets of the given listings; those that do not exist are absent."""
    table = schema.facet
    found = {}
    for chunk in in_pieces([(key.kind.value, key.slug) for key in keys]):
        for row in connection.execute(select(table).where(tuple_(table.c.kind, table.c.slug).in_(chunk))):
            found[ListingKey(kind=Kind(row.kind), slug=row.slug)] = row
    return found


def create_facets(
    connection: Connection, listings: Mapping[ListingKey, tuple[str, int]], sequence: int
) -> None:
    """Create empty facets, with title and the time since when they are quiet."""
    if listings:
        write_rows(
            connection,
            insert(schema.facet),
            [
                {
                    "kind": key.kind.value,
                    "slug": key.slug,
                    "version": bytes(VERSION_BITS // 8),
                    "changed": sequence,
                    "entries": 0,
                    "title": title,
                    "since": since,
                }
                for key, (title, since) in listings.items()
            ],
        )
