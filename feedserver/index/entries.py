"""The rows of entries: the live articles, each with the file that it is made of.

Asks `decisions` about the candidates, for batches and for a new build, and writes the result into the
publication history before anything is published: after a crash in between, the history knows too much and not
too little. Does not count entries into listings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, delete, insert, select

from feedserver.index import schema
from feedserver.index.candidates import date_by_first_sight, winners
from feedserver.index.decisions import KnownArticle, LiveEntry, publish
from feedserver.index.history import PublicationHistory
from feedserver.index.statements import delete_by_key, rows_by_key, write_rows

_TABLE = schema.entry
_ROWS = select(_TABLE)
_DELETE = delete(_TABLE)
_INSERT = insert(_TABLE)


def stored_entries(connection: Connection, article_ids: Iterable[str]) -> dict[str, LiveEntry]:
    """The published entries of the given articles; articles that are not live are absent."""
    entries = map(LiveEntry._make, rows_by_key(connection, _ROWS, _TABLE.c.article_id, article_ids))
    return {entry.article_id: entry for entry in entries}


def decided_entries(
    connection: Connection, history: PublicationHistory, article_ids: Collection[str], now: int
) -> dict[str, LiveEntry]:
    """The entries of the given articles that their candidates make; articles that are not live are absent.

    Args:
        connection: of the index, in a write transaction.
        history: consulted and written.
        article_ids: of the articles.
        now: in seconds since the epoch.
    """
    known = history.articles(article_ids)
    date_by_first_sight(connection, known, now)
    learned: dict[str, KnownArticle] = {}
    entries: dict[str, LiveEntry] = {}
    for key, winner in winners(connection, article_ids, now).items():
        entries[key], after = publish(winner, known.get(key), now)
        if after != known.get(key):
            learned[key] = after
    history.remember_articles(learned)
    return entries


def updated_after(connection: Connection, moment: int) -> set[str]:
    """The ids of the articles whose `updated` is later than a moment. Looks at all entries."""
    return set(connection.scalars(select(_TABLE.c.article_id).where(_TABLE.c.updated > moment)))


def store_entries(connection: Connection, entries: Sequence[LiveEntry]) -> None:
    """Insert entries of articles that have none."""
    write_rows(connection, _INSERT, LiveEntry._fields, entries)


def remove_entries(connection: Connection, article_ids: Iterable[str]) -> None:
    """Delete the entries of the given articles."""
    delete_by_key(connection, _DELETE, _TABLE.c.article_id, article_ids)
