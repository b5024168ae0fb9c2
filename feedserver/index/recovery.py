"""Makes index and memory agree again after a process died between the commit of the one and of the other.

The memory is written first, so it may hold what was never published; after a power cut it may also lack what
was. What counts is what readers saw, and that is the index: the memory gets what the index published, as if
nothing else had been learned. (But an article that was about to be published for the first time stays known,
and is dated by its next change, if that comes before it is published.) So a death alone changes neither an
`updated` nor a version, and loses no last good version (promises 2 and 5). Takes time with the number of
articles; not needed after an orderly end.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from feedserver.index import schema
from feedserver.index.builds import PIECE
from feedserver.index.candidates import stored_contents
from feedserver.index.contents import reading_of
from feedserver.index.decisions import KnownArticle
from feedserver.index.ledger import create_facets, name_of
from feedserver.index.memory import Memory
from feedserver.index.taxonomies import stored_taxonomies
from feedserver.model import Kind, ListingKey, Reading, Verdict


def recover(connection: Connection, memory: Memory, sequence: int) -> None:
    """Let the memory hold what the index published, and the index every listing that the memory knows.

    Args:
        connection: of the index, in a write transaction.
        memory: of the same state folder.
        sequence: the number of this commit.
    """
    _recover_articles(connection, memory)
    _recover_last_good(connection, memory)
    _recover_listings(connection, memory, sequence)


def _recover_articles(connection: Connection, memory: Memory) -> None:
    entry, claim = schema.entry, schema.candidate
    query = (
        select(entry.c.article_id, entry.c.updated, entry.c.published, claim.c.visible_digest)
        .add_columns(claim.c.date_is_provisional)
        .join(claim, claim.c.file_id == entry.c.file_id)
        .order_by(entry.c.article_id)
        .limit(PIECE)
    )
    last = ""
    while rows := connection.execute(query.where(entry.c.article_id > last)).all():
        known = memory.articles(row.article_id for row in rows)
        published = {row.article_id: _published(row, known.get(row.article_id)) for row in rows}
        memory.remember_articles({key: one for key, one in published.items() if one != known.get(key)})
        last = rows[-1].article_id


def _published(row: Any, known: KnownArticle | None) -> KnownArticle:
    first_seen = None if known is None else known.first_seen
    return KnownArticle(
        digest=row.visible_digest,
        updated=row.updated,
        first_seen=row.published if row.date_is_provisional else first_seen,
    )


def _recover_last_good(connection: Connection, memory: Memory) -> None:
    """Keep what the index still shows of files that are broken, and nothing else."""
    file = schema.file
    broken = select(file.c.id).where(file.c.verdict == Verdict.BROKEN.value)
    paths = {
        row.file_id: row.order_path
        for table in (schema.candidate, schema.taxonomy)
        for row in connection.execute(
            select(table.c.file_id, table.c.order_path).where(table.c.file_id.in_(broken))
        )
    }
    kept = memory.kept_paths()
    lost = {file_id: path for file_id, path in paths.items() if path not in kept}
    keep = {
        lost[file_id]: (reading_of(content), mtime)
        for file_id, (content, mtime) in stored_contents(connection, lost).items()
    }
    for file_id, taxonomy in stored_taxonomies(connection, lost).items():
        keep[lost[file_id]] = (Reading(verdict=Verdict.TAXONOMY, taxonomy=taxonomy), 0)
    memory.replace_last_good(keep, kept - set(paths.values()))


def _recover_listings(connection: Connection, memory: Memory, sequence: int) -> None:
    """What was never shown stays known as an empty listing; the others are as quiet as they were shown."""
    table = schema.facet
    known = memory.listings()
    shown: dict[ListingKey, tuple[str, int]] = {}
    query = select(table.c.kind, table.c.slug, table.c.title, table.c.since, table.c.entries)
    for row in connection.execute(query):
        key = ListingKey(kind=Kind(row.kind), slug=row.slug)
        # The memory holds the title that a listing had when it was last new or empty.
        title = known[key][0] if row.entries and key in known else row.title
        shown[key] = (title, row.since)
    memory.remember_listings({key: row for key, row in shown.items() if known.get(key) != row})
    unseen = {name_of(key): row for key, row in known.items() if key not in shown}
    create_facets(connection, unseen, sequence)
