"""The rows of candidates: which files claim to be which article, and the claim that wins.

A claim is stored as its file states it; the one thing that the memory adds is the time of first sight
of an article without a date (`date_by_first_sight`). Publishes nothing: the writer does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from feedserver.index import schema
from feedserver.index.builds import PIECE, in_pieces, write_rows
from feedserver.index.decisions import Candidate, KnownArticle, Usable, choose_winner, next_due
from feedserver.model import Article, Reading, Verdict


def store_candidates(
    connection: Connection,
    usable: Sequence[Usable],
    replaced: Collection[int],
    now: int,
) -> set[str]:
    """Replace what changed files claim.

    Args:
        connection: of the index, in a write transaction.
        usable: the readings that count.
        replaced: the ids of the files whose stored claim counts no more.
        now: in seconds since the epoch.

    Returns:
        The ids of the articles that may have changed.
    """
    table = schema.candidate
    obsolete = {
        row.file_id: row.article_id
        for piece in in_pieces(replaced)
        for row in connection.execute(
            select(table.c.file_id, table.c.article_id).where(table.c.file_id.in_(piece))
        )
    }
    for piece in in_pieces(obsolete):
        connection.execute(delete(table).where(table.c.file_id.in_(piece)))
    rows = [_row(one, one.reading.article, now) for one in usable if one.reading.article is not None]
    if rows:
        write_rows(connection, insert(table), rows)
    return {*obsolete.values(), *(row["article_id"] for row in rows)}


def _row(usable: Usable, article: Article, now: int) -> dict[str, Any]:
    reading = usable.reading
    if reading.date_is_provisional and int(article.published.timestamp()) > now:
        # A clock was wrong: nobody schedules an article by the mtime of its file.
        article = _published_at(article, now)
    published = int(article.published.timestamp())
    declared = None if article.updated is None else int(article.updated.timestamp())
    return {
        "file_id": usable.file_id,
        "article_id": article.id,
        "order_path": usable.order_path,
        "published": published,
        "declared_update": declared,
        "mtime": usable.mtime,
        "date_is_provisional": reading.date_is_provisional,
        "quality": reading.quality,
        "heat": reading.heat,
        "due": next_due(published, declared, now),
        "payload": msgspec.json.encode(article),
    }


def stored_readings(connection: Connection, file_ids: Iterable[int]) -> dict[int, tuple[Reading, int]]:
    """The readings that the claims of the given files came from, each with its mtime."""
    table = schema.candidate
    return {
        row.file_id: (
            Reading(
                verdict=Verdict.ARTICLE,
                article=msgspec.json.decode(row.payload, type=Article),
                quality=row.quality,
                heat=row.heat,
                date_is_provisional=row.date_is_provisional,
            ),
            row.mtime,
        )
        for piece in in_pieces(file_ids)
        for row in connection.execute(select(table).where(table.c.file_id.in_(piece)))
    }


def date_by_first_sight(connection: Connection, known: Mapping[str, KnownArticle], now: int) -> None:
    """Date the claims without a date of their own by the time when their article was first seen."""
    table = schema.candidate
    seen = {key: article.first_seen for key, article in known.items() if article.first_seen is not None}
    rows = []
    for piece in in_pieces(seen):
        query = select(table).where(table.c.article_id.in_(piece), table.c.date_is_provisional)
        for row in connection.execute(query):
            moment = seen[row.article_id]
            if row.published != moment:
                article = _published_at(msgspec.json.decode(row.payload, type=Article), moment)
                due = next_due(moment, row.declared_update, now)
                rows.append(
                    {"file": row.file_id, "at": moment, "next": due, "json": msgspec.json.encode(article)}
                )
    if rows:
        connection.execute(
            update(table)
            .where(table.c.file_id == bindparam("file"))
            .values(published=bindparam("at"), due=bindparam("next"), payload=bindparam("json")),
            rows,
        )


def winners(connection: Connection, touched: Iterable[str], now: int) -> dict[str, tuple[Candidate, Any]]:
    """For each of the given ids that has a live claim, the one that wins, and its row."""
    table = schema.candidate
    claims: dict[str, list[Candidate]] = {}
    rows: dict[int, Any] = {}
    for piece in in_pieces(touched):
        for row in connection.execute(select(table).where(table.c.article_id.in_(piece))):
            candidate = Candidate(
                file_id=row.file_id,
                article_id=row.article_id,
                order_path=row.order_path,
                published=row.published,
                declared_update=row.declared_update,
                mtime=row.mtime,
                date_is_provisional=row.date_is_provisional,
            )
            claims.setdefault(row.article_id, []).append(candidate)
            rows[row.file_id] = row
    chosen = {key: choose_winner(candidates, now) for key, candidates in claims.items()}
    return {key: (winner, rows[winner.file_id]) for key, winner in chosen.items() if winner}


def take_due(connection: Connection, now: int) -> set[str]:
    """The ids of the articles that time has changed, whose claims are then due later or no more."""
    table = schema.candidate
    query = select(table.c.file_id, table.c.article_id, table.c.published, table.c.declared_update)
    rows = connection.execute(query.where(table.c.due <= now)).all()
    if rows:
        connection.execute(
            update(table).where(table.c.file_id == bindparam("file")).values(due=bindparam("next")),
            [
                {"file": row.file_id, "next": next_due(row.published, row.declared_update, now)}
                for row in rows
            ],
        )
    return {row.article_id for row in rows}


def earliest_due(connection: Connection) -> int | None:
    """The next moment (seconds) at which an article appears or changes by time alone."""
    due: int | None = connection.scalar(select(func.min(schema.candidate.c.due)))
    return due


def claimed_ids(connection: Connection, after: str) -> list[str]:
    """The next ids that any file claims, in their order; some at a time, none at the end."""
    column = schema.candidate.c.article_id
    query = select(column).where(column > after).distinct().order_by(column).limit(PIECE)
    return list(connection.scalars(query))


def _published_at(article: Article, moment: int) -> Article:
    return msgspec.structs.replace(article, published=datetime.fromtimestamp(moment, UTC))
