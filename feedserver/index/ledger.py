"""Counts entries into and out of their listings, one batch at a time.

A ledger collects the changes of a batch to each listing, so that the sums are written once. The cost of a
batch depends on the listings that it touches, not on the number of articles (promise 9). Does not decide
about publication; the writer does.
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
    insert,
    literal_column,
    select,
    update,
)

from feedserver.index import schema
from feedserver.index.archives import month_of
from feedserver.index.decisions import LiveEntry
from feedserver.index.statements import rows_by_key, upsert_sum, write_rows
from feedserver.model import Kind, ListingKey

VERSION_BITS = 128
_MODULUS = 1 << VERSION_BITS

# A listing's `updated` is the latest among its newest entries, as many as a feed shows by default.
NEWEST = 50

# Kind and slug, as the tables have them: a first index counts millions of these.
ListingName = tuple[str, str]

# A listing that an entry is in: kind and slug, with the spelling of the title that the entry has for it.
SpelledListing = tuple[str, str, str]

SPELLED_LISTINGS = msgspec.json.Decoder(list[SpelledListing])


class Sum:
    """The changes that the entries of a batch with the same spelling of a listing's title make to it."""

    __slots__ = ("months", "version")

    def __init__(self) -> None:
        self.version = 0
        self.months: defaultdict[int, int] = defaultdict(int)


class Ledger:
    """The changes that one batch of entries makes to the listings.

    Attributes:
        sums: the changes of each listing that changed.
        left: entries with the listings that they have left.
        joined: entries with the listings that they have joined; of an entry that changed, all that it is in.
        retracted: the listings that an article has left.
    """

    def __init__(self) -> None:
        self.sums: defaultdict[SpelledListing, Sum] = defaultdict(Sum)
        self.left: list[tuple[SpelledListing, LiveEntry]] = []
        self.joined: list[tuple[SpelledListing, LiveEntry]] = []
        self.retracted: set[ListingName] = set()

    def move(self, old: LiveEntry | None, new: LiveEntry | None) -> None:
        """Move an entry from the listings that it was in to those that it is in now.

        If the entry itself is unchanged, only listings that it joins or leaves are touched: a change of
        `heat` may move it out of a selection, and changes no other feed (promise 1).
        """
        before = [] if old is None else SPELLED_LISTINGS.decode(old.listings)
        after = [] if new is None else SPELLED_LISTINGS.decode(new.listings)
        self.retracted |= {listing[:2] for listing in before} - {listing[:2] for listing in after}
        if old is not None and new is not None and old.digest == new.digest:
            before, after = _without(before, after), _without(after, before)
        if old is not None:
            self._count(old, before, -1)
            self.left += [(listing, old) for listing in before]
        if new is not None:
            self._count(new, after, 1)
            self.joined += [(listing, new) for listing in after]

    def _count(self, entry: LiveEntry, listings: Iterable[SpelledListing], sign: int) -> None:
        amount = sign * int.from_bytes(entry.digest, "big")
        month = month_of(entry.published)
        for listing in listings:
            total = self.sums[listing]
            total.version += amount
            total.months[month] += sign


def _without(listings: Iterable[SpelledListing], others: Collection[SpelledListing]) -> list[SpelledListing]:
    return [listing for listing in listings if listing not in others]


# --- Listings -----------------------------------------------------------------------------------


def _literal(kind: Kind) -> ColumnElement[str]:
    return literal_column(f"'{kind.value}'", String)


_LISTING_ROWS = {
    kind.value: select(schema.listing).where(schema.listing.c.kind == _literal(kind)) for kind in Kind
}
_LISTING_IDS = {
    kind.value: select(schema.listing.c.slug, schema.listing.c.id).where(
        schema.listing.c.kind == _literal(kind)
    )
    for kind in Kind
}
_INSERT_LISTING = insert(schema.listing)


def listing_rows(connection: Connection, names: Iterable[ListingName]) -> dict[ListingName, Any]:
    """The rows of the given listings; those that do not exist are absent."""
    return {
        (row.kind, row.slug): row
        for kind, slugs in _by_kind(names).items()
        for row in rows_by_key(connection, _LISTING_ROWS[kind], schema.listing.c.slug, slugs)
    }


def listing_ids(connection: Connection, names: Iterable[ListingName]) -> dict[ListingName, int]:
    """The ids of the given listings; those that do not exist are absent."""
    return {
        (kind, slug): listing_id
        for kind, slugs in _by_kind(names).items()
        for slug, listing_id in rows_by_key(connection, _LISTING_IDS[kind], schema.listing.c.slug, slugs)
    }


def ensure_listings(
    connection: Connection, names: Collection[ListingName], sequence: int, now: int
) -> tuple[dict[ListingName, int], set[ListingName]]:
    """The ids of the given listings, and those listings that had to be created, still empty."""
    ids = listing_ids(connection, names)
    new = set(names) - ids.keys()
    create_listings(connection, dict.fromkeys(new, ("", now)), sequence)
    return ids | listing_ids(connection, new), new


def _by_kind(names: Iterable[ListingName]) -> dict[str, list[str]]:
    slugs: defaultdict[str, list[str]] = defaultdict(list)
    for kind, slug in names:
        slugs[kind].append(slug)
    return slugs


def create_listings(
    connection: Connection, listings: Mapping[ListingName, tuple[str, int]], sequence: int
) -> None:
    """Create empty listings, with title and `since`."""
    empty = bytes(VERSION_BITS // 8)
    write_rows(
        connection,
        _INSERT_LISTING,
        ("kind", "slug", "version", "changed", "retracted", "entries", "title", "since"),
        [
            (kind, slug, empty, sequence, 0, 0, title, since)
            for (kind, slug), (title, since) in listings.items()
        ],
    )


def name_of(key: ListingKey) -> ListingName:
    """The key of a listing as the tables have it."""
    return key.kind.value, key.slug


def quiet_since(connection: Connection, sequence: int, now: int) -> dict[ListingKey, tuple[str, int]]:
    """Let listings whose `since` lies in the future begin now. Returns them, for the publication history."""
    listing = schema.listing
    ahead = listing.c.since > now
    rows = connection.execute(select(listing.c.kind, listing.c.slug, listing.c.title).where(ahead)).all()
    connection.execute(update(listing).where(ahead).values(since=now, changed=sequence))
    return {ListingKey(kind=Kind(row.kind), slug=row.slug): (row.title, now) for row in rows}


# --- Writing ------------------------------------------------------------------------------------


def _newest_first() -> Select[Any]:
    """Listings, each with the latest `updated` of its newest entries."""
    table, listing = schema.membership, schema.listing
    newest = (
        select(table.c.updated)
        .where(table.c.listing_id == listing.c.id)
        .order_by(table.c.published.desc(), table.c.article_id.desc())
        # Written out: statements for keys have no other parameters.
        .limit(literal_column(str(NEWEST)))
        .offset(literal_column("0"))
        .correlate(listing)
        .subquery()
    )
    return select(listing.c.id, select(func.max(newest.c.updated)).correlate(listing).scalar_subquery())


_INSERT_MEMBERSHIP = insert(schema.membership)
MEMBERSHIP_COLUMNS = ("listing_id", "published", "article_id", "updated")
_ADD_MONTH = upsert_sum(schema.month, ("listing_id", "month"), "entries")
_ADD_SPELLING = upsert_sum(schema.spelling, ("listing_id", "text"), "count")
_SPELLINGS = select(schema.spelling.c.listing_id, schema.spelling.c.text, schema.spelling.c["count"])
_LATEST_UPDATES = _newest_first()


def write_ledger(
    connection: Connection, ledger: Ledger, sequence: int, now: int
) -> dict[ListingKey, tuple[str, int]]:
    """Write the changes of a batch: memberships and sums.

    Args:
        connection: of the index, in a write transaction.
        ledger: of the batch.
        sequence: the number of this commit.
        now: in seconds since the epoch; the `since` of listings that are new or have become empty.

    Returns:
        The listings that are new or have just become empty, with title and `since`, for the publication
        history.
    """
    ids, new = ensure_listings(connection, {listing[:2] for listing in ledger.sums}, sequence, now)
    _write_memberships(connection, ledger, ids)
    _note_retractions(connection, (ids[name] for name in ledger.retracted), sequence)
    return write_sums(connection, ledger.sums, new, sequence=sequence, now=now)


def _note_retractions(connection: Connection, listing_ids: Iterable[int], sequence: int) -> None:
    rows = [{"listing": listing_id, "sequence": sequence} for listing_id in listing_ids]
    if rows:
        connection.execute(
            update(schema.listing)
            .where(schema.listing.c.id == bindparam("listing"))
            .values(retracted=bindparam("sequence")),
            rows,
        )


def _write_memberships(connection: Connection, ledger: Ledger, ids: Mapping[ListingName, int]) -> None:
    table = schema.membership
    if ledger.left:
        connection.execute(
            delete(table).where(
                table.c.listing_id == bindparam("listing"),
                table.c.published == bindparam("time"),
                table.c.article_id == bindparam("article"),
            ),
            [
                {"listing": ids[kind, slug], "time": entry.published, "article": entry.article_id}
                for (kind, slug, _), entry in ledger.left
            ],
        )
    write_rows(connection, _INSERT_MEMBERSHIP, MEMBERSHIP_COLUMNS, joined_rows(ledger, ids))


def joined_rows(ledger: Ledger, ids: Mapping[ListingName, int]) -> list[tuple[int, int, str, int]]:
    """The memberships of the entries that joined listings; `ids` are those of the listings."""
    return [
        (ids[kind, slug], entry.published, entry.article_id, entry.updated)
        for (kind, slug, _), entry in ledger.joined
    ]


def write_sums(
    connection: Connection,
    sums: Mapping[SpelledListing, Sum],
    new: Collection[ListingName],
    *,
    sequence: int,
    now: int,
) -> dict[ListingKey, tuple[str, int]]:
    """Write sums to listings that exist, after the memberships; `new` are those without a title yet.

    The other arguments and the returned value are those of `write_ledger`.
    """
    listings = listing_rows(connection, {listing[:2] for listing in sums})
    counts: dict[ListingName, int] = dict.fromkeys(listings, 0)
    versions: dict[ListingName, int] = dict.fromkeys(listings, 0)
    months, spellings = [], []
    for (kind, slug, text), total in sums.items():
        name = kind, slug
        listing_id, count = listings[name].id, sum(total.months.values())
        counts[name] += count
        versions[name] += total.version
        # These are added to the stored counts: two spellings may have rows for one month.
        months += [(listing_id, month, amount) for month, amount in total.months.items() if amount]
        if count:
            spellings.append((listing_id, text, count))
    write_rows(connection, _ADD_MONTH, ("listing_id", "month", "entries"), months)
    write_rows(connection, _ADD_SPELLING, ("listing_id", "text", "count"), spellings)
    ids = [row.id for row in listings.values()]
    titles, latest = _titles(connection, ids), _latest_updates(connection, ids)
    rows, remembered = [], {}
    for name, row in listings.items():
        count = row.entries + counts[name]
        version = (int.from_bytes(row.version, "big") + versions[name]) % _MODULUS
        became_empty = count == 0 and row.entries > 0
        title = titles.get(row.id, row.title)
        since = now if became_empty else row.since
        if name in new or became_empty:
            remembered[ListingKey(kind=Kind(name[0]), slug=name[1])] = (title, since)
        rows.append(
            {
                "listing": row.id,
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
            update(schema.listing)
            .where(schema.listing.c.id == bindparam("listing"))
            .values({name: bindparam(name) for name in columns}),
            rows,
        )
    return remembered


def _titles(connection: Connection, listing_ids: Iterable[int]) -> dict[int, str]:
    """The most frequent spelling of each listing, of equals the lowest."""
    table = schema.spelling
    best: dict[int, tuple[int, str]] = {}
    for listing_id, text, uses in rows_by_key(connection, _SPELLINGS, table.c.listing_id, listing_ids):
        rank = (-uses, text)
        if uses > 0 and rank < best.get(listing_id, (0, "")):
            best[listing_id] = rank
    return {listing_id: text for listing_id, (_, text) in best.items()}


def _latest_updates(connection: Connection, listing_ids: Iterable[int]) -> dict[int, int]:
    rows = rows_by_key(connection, _LATEST_UPDATES, schema.listing.c.id, listing_ids)
    return dict(rows)
