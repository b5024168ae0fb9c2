"""The rows of candidates: which files claim to be which article, and the claim that wins.

A claim is stored as its file states it; the one thing that the memory adds is the time of first sight
of an article without a date (`date_by_first_sight`). Publishes nothing: the writer does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, true, update
from sqlalchemy.dialects.sqlite import insert

from feedserver.index import schema
from feedserver.index.builds import PIECE
from feedserver.index.contents import published_at
from feedserver.index.decisions import Candidate, KnownArticle, Usable, choose_winner, next_due
from feedserver.index.statements import delete_by_key, rows_by_key, write_rows
from feedserver.model import FileContent, StatedArticle, Verdict

_TABLE = schema.candidate
_INSERT = insert(_TABLE)
_COLUMNS = (
    "file_id", "article_id", "order_path", "published", "declared_update", "mtime", "date_is_provisional",
    "quality", "heat", "due", "digest", "visible_digest", "listings", "payload",
)  # fmt: skip
_DELETE = delete(_TABLE)
_ROWS = select(_TABLE)
_UNDATED_ROWS = select(_TABLE).where(_TABLE.c.date_is_provisional == true())
_CLAIMED = select(_TABLE.c.file_id, _TABLE.c.article_id)
_CLAIMS = select(*(_TABLE.c[name] for name in Candidate._fields))


def store_candidates(
    connection: Connection,
    usable: Sequence[Usable],
    replaced: Collection[int],
    now: int,
) -> set[str]:
    """Replace what changed files claim.

    Args:
        connection: of the index, in a write transaction.
        usable: the contents that count.
        replaced: the ids of the files whose stored claim counts no more.
        now: in seconds since the epoch.

    Returns:
        The ids of the articles that may have changed.
    """
    stored = rows_by_key(connection, _CLAIMED, _TABLE.c.file_id, replaced)
    obsolete: dict[int, str] = dict(stored)
    delete_by_key(connection, _DELETE, _TABLE.c.file_id, obsolete)
    stated = [(one, one.content.stated) for one in usable if one.content.stated is not None]
    write_rows(connection, _INSERT, _COLUMNS, [_row(one, article, now) for one, article in stated])
    return {*obsolete.values(), *(article.article_id for _, article in stated)}


def _row(usable: Usable, stated: StatedArticle, now: int) -> tuple[object, ...]:
    if stated.date_is_provisional and stated.published > now:
        # A clock was wrong: nobody schedules an article by the mtime of its file.
        stated = published_at(stated, now)
    return (
        usable.file_id,
        stated.article_id,
        usable.order_path,
        stated.published,
        stated.declared_update,
        usable.mtime,
        stated.date_is_provisional,
        stated.quality,
        stated.heat,
        next_due(stated.published, stated.declared_update, now),
        stated.digest,
        stated.visible_digest,
        stated.listings,
        stated.payload,
    )


def stored_contents(connection: Connection, file_ids: Iterable[int]) -> dict[int, tuple[FileContent, int]]:
    """The contents that the claims of the given files came from, without findings, each with its mtime."""
    return {
        row.file_id: (FileContent(verdict=Verdict.ARTICLE, stated=_stated(row)), row.mtime)
        for row in rows_by_key(connection, _ROWS, _TABLE.c.file_id, file_ids)
    }


def _stated(row: Any) -> StatedArticle:
    values = {name: getattr(row, name) for name in StatedArticle.__struct_fields__}
    return StatedArticle(**(values | {"date_is_provisional": bool(row.date_is_provisional)}))


def date_by_first_sight(connection: Connection, known: Mapping[str, KnownArticle], now: int) -> None:
    """Date the claims without a date of their own by the time when their article was first seen."""
    seen = {key: article.first_seen for key, article in known.items() if article.first_seen is not None}
    rows = []
    for row in rows_by_key(connection, _UNDATED_ROWS, _TABLE.c.article_id, seen):
        if row.published != seen[row.article_id]:
            stated = published_at(_stated(row), seen[row.article_id])
            rows.append(
                {
                    "file": row.file_id,
                    "at": stated.published,
                    "next": next_due(stated.published, stated.declared_update, now),
                    "json": stated.payload,
                    "whole": stated.digest,
                    "seen": stated.visible_digest,
                }
            )
    if rows:
        connection.execute(
            update(_TABLE)
            .where(_TABLE.c.file_id == bindparam("file"))
            .values(
                published=bindparam("at"),
                due=bindparam("next"),
                payload=bindparam("json"),
                digest=bindparam("whole"),
                visible_digest=bindparam("seen"),
            ),
            rows,
        )


def winners(connection: Connection, touched: Iterable[str], now: int) -> dict[str, Candidate]:
    """For each of the given ids that has a live claim, the one that wins."""
    claims: dict[str, list[Candidate]] = {}
    for candidate in map(Candidate._make, rows_by_key(connection, _CLAIMS, _TABLE.c.article_id, touched)):
        claims.setdefault(candidate.article_id, []).append(candidate)
    chosen = {key: choose_winner(candidates, now) for key, candidates in claims.items()}
    return {key: winner for key, winner in chosen.items() if winner}


def take_due(connection: Connection, now: int) -> set[str]:
    """The ids of the articles that time has changed, whose claims are then due later or no more."""
    query = select(_TABLE.c.file_id, _TABLE.c.article_id, _TABLE.c.published, _TABLE.c.declared_update)
    rows = connection.execute(query.where(_TABLE.c.due <= now)).all()
    if rows:
        connection.execute(
            update(_TABLE).where(_TABLE.c.file_id == bindparam("file")).values(due=bindparam("next")),
            [
                {"file": row.file_id, "next": next_due(row.published, row.declared_update, now)}
                for row in rows
            ],
        )
    return {row.article_id for row in rows}


def earliest_due(connection: Connection) -> int | None:
    """The next moment (seconds) at which an article appears or changes by time alone."""
    due: int | None = connection.scalar(select(func.min(_TABLE.c.due)))
    return due


def claimed_ids(connection: Connection, after: str) -> list[str]:
    """The next ids that any file claims, in their order; some at a time, none at the end."""
    column = _TABLE.c.article_id
    query = select(column).where(column > after).distinct().order_by(column).limit(PIECE)
    return list(connection.scalars(query))
