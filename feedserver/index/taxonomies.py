"""Stores taxonomy files, and adds their descriptions to listings.

The file of a topic describes the topic with its slug; the file of an organization describes the provider of
its name and the listing of its domain. If several files describe one listing, the lower path counts. A
described listing exists even without articles. Does not decide about pages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from feedserver.index import schema
from feedserver.index.decisions import Usable
from feedserver.index.ledger import create_listings, listing_rows, name_of
from feedserver.index.statements import delete_by_key, rows_by_key, write_rows
from feedserver.model import Kind, ListingKey, Taxonomy, TaxonomyKind

_ROWS = select(schema.taxonomy)
_DELETE = delete(schema.taxonomy)
_INSERT = insert(schema.taxonomy)


def store_taxonomies(
    connection: Connection,
    usable: Sequence[Usable],
    replaced: Collection[int],
    *,
    sequence: int,
    now: int,
) -> dict[ListingKey, tuple[str, int]]:
    """Store the descriptions of changed files, and update the listings concerned.

    Args:
        connection: of the index, in a write transaction.
        usable: the contents that count.
        replaced: the ids of the files whose stored description is obsolete.
        sequence: the number of this commit.
        now: in seconds since the epoch; the `since` of new listings.

    Returns:
        The listings that are new, with title and `since`, for the publication history.
    """
    table = schema.taxonomy
    before = {row.file_id: row for row in rows_by_key(connection, _ROWS, table.c.file_id, replaced)}
    rows = [
        (one.file_id, one.order_path, _encoded(one.content.taxonomy))
        for one in usable
        if one.content.taxonomy is not None
    ]
    unchanged = {
        file_id for file_id, _, payload in rows if file_id in before and before[file_id].payload == payload
    }
    obsolete = [file_id for file_id in before if file_id not in unchanged]
    fresh = [row for row in rows if row[0] not in unchanged]
    delete_by_key(connection, _DELETE, table.c.file_id, obsolete)
    write_rows(connection, _INSERT, ("file_id", "order_path", "payload"), fresh)
    payloads = [*(before[file_id].payload for file_id in obsolete), *(payload for _, _, payload in fresh)]
    touched = {key for payload in payloads for key in described_listings(_decoded(payload))}
    return _describe(connection, touched, sequence=sequence, now=now) if touched else {}


def stored_taxonomies(connection: Connection, file_ids: Iterable[int]) -> dict[int, Taxonomy]:
    """The stored descriptions of the given files; files without one are absent."""
    table = schema.taxonomy
    return {
        row.file_id: _decoded(row.payload)
        for row in rows_by_key(connection, _ROWS, table.c.file_id, file_ids)
    }


def described_listings(taxonomy: Taxonomy) -> Iterable[ListingKey]:
    """The listings that a taxonomy file describes."""
    if taxonomy.kind is TaxonomyKind.TOPIC:
        yield ListingKey(kind=Kind.TOPIC, slug=taxonomy.slug)
        return
    yield ListingKey(kind=Kind.PROVIDER, slug=taxonomy.slug)
    if taxonomy.domain:
        yield ListingKey(kind=Kind.DOMAIN, slug=taxonomy.domain)


def _describe(
    connection: Connection, touched: set[ListingKey], *, sequence: int, now: int
) -> dict[ListingKey, tuple[str, int]]:
    described: dict[ListingKey, Taxonomy] = {}
    query = select(schema.taxonomy.c.payload).order_by(schema.taxonomy.c.order_path.desc())
    for payload in connection.scalars(query):
        taxonomy = _decoded(payload)
        described.update((key, taxonomy) for key in described_listings(taxonomy) if key in touched)
    names = {name_of(key): key for key in touched}
    existing = listing_rows(connection, names)
    new = {key: (taxonomy.name, now) for key, taxonomy in described.items() if name_of(key) not in existing}
    create_listings(connection, {name_of(key): row for key, row in new.items()}, sequence)
    rows: list[dict[str, Any]] = []
    for name, row in (existing | listing_rows(connection, map(name_of, new))).items():
        found = described.get(names[name])
        payload = None if found is None else _encoded(found)
        if payload != row.taxonomy:
            rows.append({"listing": row.id, "described": payload, "sequence": sequence})
    if rows:
        connection.execute(
            update(schema.listing)
            .where(schema.listing.c.id == bindparam("listing"))
            .values(taxonomy=bindparam("described"), changed=bindparam("sequence")),
            rows,
        )
    return new


def _encoded(taxonomy: Taxonomy) -> bytes:
    return msgspec.json.encode(taxonomy)


def _decoded(payload: bytes) -> Taxonomy:
    return msgspec.json.decode(payload, type=Taxonomy)
