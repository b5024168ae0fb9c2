"""Counts entries in and out of their listings, one batch at a time.

A ledger collects what a batch adds to and takes from each facet, so that the sums are written once. What a
batch costs depends on the facets it touches, not on the number of articles (promise 9). It does not
decide what is published; the writer does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from feedserver.archives import month_of
from feedserver.index import schema
from feedserver.index.decisions import LiveEntry
from feedserver.index.statements import rows_by_key, write_rows
from feedserver.model import Kind, ListingKey

VERSION_BITS = 128
_MODULUS = 1 << VERSION_BITS

# A listing's `updated` is the latest among its newest entries, as many as a feed shows by default.
NEWEST = 50

# Kind and slug, as the tables have them: a first index counts millions of these.
ListingName = tuple[str, str]

# With the spelling of the title that an entry has for it: what an entry says of a listing that it is in.
Listing = tuple[str, str, str]

_LISTINGS = msgspec.json.Decoder(list[Listing])


class Sum:
    """What a batch does to one facet, as far as entries with one spelling of its title are concerned."""

    __slots__ = ("months", "version")

    def __init__(self) -> None:
        self.version = 0
        self.months: defaultdict[int, int] = defaultdict(int)


class Ledger:
    """The sums of one batch.

    Attributes:
        sums: what happened to each listing that anything happened to.
        left: which entries have left which listings.
        joined: which entries are in which listings now, and were not or were others.
    """

    def __init__(self) -> None:
        self.sums: defaultdict[Listing, Sum] = defaultdict(Sum)
        self.left: list[tuple[Listing, LiveEntry]] = []
        self.joined: list[tuple[Listing, LiveEntry]] = []

    def move(self, old: LiveEntry | None, new: LiveEntry | None) -> None:
        """Take an entry out of the listings it was in, and put it into those it is in.

        Where it shows the same as before, only listings that it joins or leaves are touched: a change of
        `heat` may move it out of a selection and changes no other feed (promise 1).
        """
        before = [] if old is None else _LISTINGS.decode(old.listings)
        after = [] if new is None else _LISTINGS.decode(new.listings)
        if old is not None and new is not None and old.digest == new.digest:
            before, after = _without(before, after), _without(after, before)
        if old is not None:
            self._count(old, before, -1)
            self.left += [(listing, old) for listing in before]
        if new is not None:
            self._count(new, after, 1)
            self.joined += [(listing, new) for listing in after]

    def _count(self, entry: LiveEntry, listings: Iterable[Listing], sign: int) -> None:
        amount = sign * int.from_bytes(entry.digest, "big")
        month = month_of(entry.published)
        for listing in listings:
            total = self.sums[listing]
            total.version += amount
            total.months[month] += sign


def _without(listings: Iterable[Listing], others: Collection[Listing]) -> list[Listing]:
    return [listing for listing in listings if listing not in others]


# --- Facets -------------------------------------------------------------------------------------


def _literal(kind: Kind) -> ColumnElement[str]:
    return literal_column(f"'{kind.value}'", String)


_FACETS = {kind.value: select(schema.facet).where(schema.facet.c.kind == _literal(kind)) for kind in Kind}
_FACET_IDS = {
    kind.value: select(schema.facet.c.slug, schema.facet.c.id).where(schema.facet.c.kind == _literal(kind))
    for kind in Kind
}
_INSERT_FACET = insert(schema.facet)


def facet_rows(connection: Connection, names: Iterable[ListingName]) -> dict[ListingName, Any]:
    """The facets of the given listings; those that do not exist are absent."""
    return {
        (row.kind, row.slug): row
        for kind, slugs in _by_kind(names).items()
        for row in rows_by_key(connection, _FACETS[kind], schema.facet.c.slug, slugs)
    }


def facet_ids(connection: Connection, names: Iterable[ListingName]) -> dict[ListingName, int]:
    """The ids of the facets of the given listings; those that do not exist are absent."""
    return {
        (kind, slug): facet_id
        for kind, slugs in _by_kind(names).items()
        for slug, facet_id in rows_by_key(connection, _FACET_IDS[kind], schema.facet.c.slug, slugs)
    }


def ensure_facets(
    connection: Connection, names: Collection[ListingName], sequence: int, now: int
) -> tuple[dict[ListingName, int], set[ListingName]]:
    """The ids of the facets of the given listings, and which of them were made for that, still empty."""
    ids = facet_ids(connection, names)
    new = set(names) - ids.keys()
    create_facets(connection, dict.fromkeys(new, ("", now)), sequence)
    return ids | facet_ids(connection, new), new


def _by_kind(names: Iterable[ListingName]) -> dict[str, list[str]]:
    slugs: defaultdict[str, list[str]] = defaultdict(list)
    for kind, slug in names:
        slugs[kind].append(slug)
    return slugs


def create_facets(
    connection: Connection, listings: Mapping[ListingName, tuple[str, int]], sequence: int
) -> None:
    """Create empty facets, with title and the time since when they are quiet."""
    empty = bytes(VERSION_BITS // 8)
    write_rows(
        connection,
        _INSERT_FACET,
        ("kind", "slug", "version", "changed", "entries", "title", "since"),
        [(kind, slug, empty, sequence, 0, title, since) for (kind, slug), (title, since) in listings.items()],
    )


def name_of(key: ListingKey) -> ListingName:
    """A listing as the tables name it."""
    return key.kind.value, key.slug


# --- Writing ------------------------------------------------------------------------------------


def _newest_first() -> Select[Any]:
    """Facets, each with the latest `updated` of its newest entries."""
    table, facet = schema.membership, schema.facet
    newest = (
        select(table.c.updated)
        .where(table.c.facet_id == facet.c.id)
        .order_by(table.c.published.desc(), table.c.article_id.desc())
        # Written out: statements for keys have no other parameters.
        .limit(literal_column(str(NEWEST)))
        .offset(literal_column("0"))
        .correlate(facet)
        .subquery()
    )
    return select(facet.c.id, select(func.max(newest.c.updated)).correlate(facet).scalar_subquery())


_INSERT_MEMBERSHIP = insert(schema.membership)
MEMBERSHIP_COLUMNS = ("facet_id", "published", "article_id", "updated")
_INSERT_MONTH = insert(schema.month)
_ADD_MONTH = _INSERT_MONTH.on_conflict_do_update(
    index_elements=["facet_id", "month"],
    set_={"entries": schema.month.c.entries + _INSERT_MONTH.excluded.entries},
)
_INSERT_SPELLING = insert(schema.spelling)
_ADD_SPELLING = _INSERT_SPELLING.on_conflict_do_update(
    index_elements=["facet_id", "text"],
    set_={"count": schema.spelling.c["count"] + _INSERT_SPELLING.excluded["count"]},
)
_SPELLINGS = select(schema.spelling.c.facet_id, schema.spelling.c.text, schema.spelling.c["count"])
_LATEST_UPDATES = _newest_first()


def write_ledger(
    connection: Connection, ledger: Ledger, sequence: int, now: int
) -> dict[ListingKey, tuple[str, int]]:
    """Write what a batch did: memberships and sums.

    Args:
        connection: of the index, in a write transaction.
        ledger: of the batch.
        sequence: the number of this commit.
        now: in seconds since the epoch; the time from which a listing is quiet.

    Returns:
        The listings that are new or have just become empty, with title and the time since when, for the
        memory.
    """
    ids, new = ensure_facets(connection, {listing[:2] for listing in ledger.sums}, sequence, now)
    _write_memberships(connection, ledger, ids)
    return write_sums(connection, ledger.sums, new, sequence=sequence, now=now)


def _write_memberships(connection: Connection, ledger: Ledger, ids: Mapping[ListingName, int]) -> None:
    table = schema.membership
    if ledger.left:
        connection.execute(
            delete(table).where(
                table.c.facet_id == bindparam("facet"),
                table.c.published == bindparam("time"),
                table.c.article_id == bindparam("article"),
            ),
            [
                {"facet": ids[kind, slug], "time": entry.published, "article": entry.article_id}
                for (kind, slug, _), entry in ledger.left
            ],
        )
    write_rows(connection, _INSERT_MEMBERSHIP, MEMBERSHIP_COLUMNS, joined_rows(ledger, ids))


def joined_rows(ledger: Ledger, ids: Mapping[ListingName, int]) -> list[tuple[int, int, str, int]]:
    """The memberships of the entries that joined listings, whose facets have these ids."""
    return [
        (ids[kind, slug], entry.published, entry.article_id, entry.updated)
        for (kind, slug, _), entry in ledger.joined
    ]


def write_sums(
    connection: Connection,
    sums: Mapping[Listing, Sum],
    new: Collection[ListingName],
    *,
    sequence: int,
    now: int,
) -> dict[ListingKey, tuple[str, int]]:
    """Write sums to facets that exist, when the memberships are written; `new` are those without a title yet.

    The other arguments and the returned value are those of `write_ledger`.
    """
    facets = facet_rows(connection, {listing[:2] for listing in sums})
    counts: dict[ListingName, int] = dict.fromkeys(facets, 0)
    versions: dict[ListingName, int] = dict.fromkeys(facets, 0)
    months, spellings = [], []
    for (kind, slug, text), total in sums.items():
        name = kind, slug
        facet_id, count = facets[name].id, sum(total.months.values())
        counts[name] += count
        versions[name] += total.version
        # Added to what is there; two spellings may have rows for one month.
        months += [(facet_id, month, amount) for month, amount in total.months.items() if amount]
        if count:
            spellings.append((facet_id, text, count))
    write_rows(connection, _ADD_MONTH, ("facet_id", "month", "entries"), months)
    write_rows(connection, _ADD_SPELLING, ("facet_id", "text", "count"), spellings)
    ids = [row.id for row in facets.values()]
    titles, latest = _titles(connection, ids), _latest_updates(connection, ids)
    rows, memorable = [], {}
    for name, row in facets.items():
        count = row.entries + counts[name]
        version = (int.from_bytes(row.version, "big") + versions[name]) % _MODULUS
        became_empty = count == 0 and row.entries > 0
        title = titles.get(row.id, row.title)
        since = now if became_empty else row.since
        if name in new or became_empty:
            memorable[ListingKey(kind=Kind(name[0]), slug=name[1])] = (title, since)
        rows.append(
            {
                "facet": row.id,
                "version": version.to_bytes(VERSION_BITS // 8, "big"),
                "changed": sequence,
                "entries": count,
                "title": title,
                "since": since,
                "updated": latest.get(row.id),
            }
        )
    if rows:
        columns = ("version", "changed", "entries", "title", "since", "updated")
        connection.execute(
            update(schema.facet)
            .where(schema.facet.c.id == bindparam("facet"))
            .values({name: bindparam(name) for name in columns}),
            rows,
        )
    return memorable


def _titles(connection: Connection, facet_ids: Iterable[int]) -> dict[int, str]:
    """The most frequent spelling of each facet, of equals the lowest."""
    table = schema.spelling
    best: dict[int, tuple[int, str]] = {}
    for facet_id, text, uses in rows_by_key(connection, _SPELLINGS, table.c.facet_id, facet_ids):
        rank = (-uses, text)
        if uses > 0 and rank < best.get(facet_id, (0, "")):
            best[facet_id] = rank
    return {facet_id: text for facet_id, (_, text) in best.items()}


def _latest_updates(connection: Connection, facet_ids: Iterable[int]) -> dict[int, int]:
    rows = rows_by_key(connection, _LATEST_UPDATES, schema.facet.c.id, facet_ids)
    return dict(rows)
