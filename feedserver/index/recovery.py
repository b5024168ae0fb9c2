"""Makes index and publication history agree after a process died between the two commits.

The history is written first, so it may hold changes that were never published; after a power cut it may also
lack changes that were. The index decides, because readers saw it: the history is set back to the state that
the index published. (An article that was about to be published for the first time stays known. Its next
change dates it, if that comes before its publication.) So a crash alone changes neither an `updated` nor a
version, and loses no last good version (promises 2 and 5). The time grows with the number of articles; not
needed after an orderly end.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from feedserver.index import schema
from feedserver.index.candidates import stored_contents
from feedserver.index.contents import reading_of
from feedserver.index.decisions import KnownArticle
from feedserver.index.history import PublicationHistory
from feedserver.index.ledger import create_listings, name_of
from feedserver.index.taxonomies import stored_taxonomies
from feedserver.index.transactions import PIECE
from feedserver.model import Kind, ListingKey, Reading, Verdict


def recover(connection: Connection, history: PublicationHistory, sequence: int) -> None:
    """Let the history hold what the index published, and the index every listing that the history knows.

    Args:
        connection: of the index, in a write transaction.
        history: of the same state folder.
        sequence: the number of this commit.
    """
    _recover_articles(connection, history)
    _recover_last_good(connection, history)
    _recover_listings(connection, history, sequence)


def _recover_articles(connection: Connection, history: PublicationHistory) -> None:
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
        known = history.articles(row.article_id for row in rows)
        published = {row.article_id: _published(row, known.get(row.article_id)) for row in rows}
        history.remember_articles({key: one for key, one in published.items() if one != known.get(key)})
        last = rows[-1].article_id


def _published(row: Any, known: KnownArticle | None) -> KnownArticle:
    first_seen = None if known is None else known.first_seen
    return KnownArticle(
        digest=row.visible_digest,
        updated=row.updated,
        first_seen=row.published if row.date_is_provisional else first_seen,
    )


def _recover_last_good(connection: Connection, history: PublicationHistory) -> None:
    """Keep the versions of broken files that the index still shows, and no others."""
    file = schema.file
    broken = select(file.c.id).where(file.c.verdict == Verdict.BROKEN.value)
    paths = {
        row.file_id: row.order_path
        for table in (schema.candidate, schema.taxonomy)
        for row in connection.execute(
            select(table.c.file_id, table.c.order_path).where(table.c.file_id.in_(broken))
        )
    }
    kept = history.kept_paths()
    lost = {file_id: path for file_id, path in paths.items() if path not in kept}
    keep = {
        lost[file_id]: (reading_of(content), mtime)
        for file_id, (content, mtime) in stored_contents(connection, lost).items()
    }
    for file_id, taxonomy in stored_taxonomies(connection, lost).items():
        keep[lost[file_id]] = (Reading(verdict=Verdict.TAXONOMY, taxonomy=taxonomy), 0)
    history.replace_last_good(keep, kept - set(paths.values()))


def _recover_listings(connection: Connection, history: PublicationHistory, sequence: int) -> None:
    """Keep listings that were never shown as empty ones, and all others as the index shows them."""
    table = schema.listing
    known = history.listings()
    shown: dict[ListingKey, tuple[str, int]] = {}
    query = select(table.c.kind, table.c.slug, table.c.title, table.c.since, table.c.entries)
    for row in connection.execute(query):
        key = ListingKey(kind=Kind(row.kind), slug=row.slug)
        # The publication history holds the title that a listing had when it was last new or empty.
        title = known[key][0] if row.entries and key in known else row.title
        shown[key] = (title, row.since)
    history.remember_listings({key: row for key, row in shown.items() if known.get(key) != row})
    unseen = {name_of(key): row for key, row in known.items() if key not in shown}
    create_listings(connection, unseen, sequence)
