"""The rows of candidates: files that claim to be an article, and the one that wins.

A candidate is stored as it is shown now (`contents.shown_at`). If its file states more than that, such as a
related article whose time has not come, the column `whole` has the article as stated. The publication history
adds the time of first sight of an article without a date (`date_by_first_sight`). Publishes nothing; the
writer does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, true, update

from feedserver.index import schema, search
from feedserver.index.contents import article_in, fields_of, published_at, shown_at, stated_whole
from feedserver.index.decisions import Candidate, KnownArticle, Usable, choose_winner, next_due
from feedserver.index.file_values import FileContent, FileKey, StatedArticle
from feedserver.index.statements import delete_by_key, rows_by_key, write_rows
from feedserver.index.transactions import PIECE
from feedserver.model import Verdict

_TABLE = schema.candidate
_INSERT = insert(_TABLE)
_COLUMNS = (
    "file_id", "article_id", "order_path", "published", "declared_update", "mtime", "date_is_provisional",
    "quality", "heat", "visible_from", "visible_until", "due", "digest", "visible_digest", "listings",
    "related_until", "payload", "whole",
)  # fmt: skip
_DELETE = delete(_TABLE)
_ROWS = select(_TABLE)
_UNDATED_ROWS = select(_TABLE).where(_TABLE.c.date_is_provisional == true())
# The columns of the moments at which time alone changes a candidate. A related article has its own.
_MOMENTS = ("published", "declared_update", "visible_from", "visible_until")
_DUE = select(*(_TABLE.c[name] for name in ("file_id", "article_id", "related_until", "due", *_MOMENTS)))
_SHOWN = ("published", "due", "digest", "visible_digest", "payload", "whole")
_CLAIMED = select(*(_TABLE.c[name] for name in ("file_id", "article_id", "quality", "heat")))
_PAYLOADS = select(_TABLE.c.file_id, _TABLE.c.payload)
_CLAIMING = select(schema.file.c.root, schema.file.c.path).where(schema.file.c.id == _TABLE.c.file_id)
_CLAIMS = select(*(_TABLE.c[name] for name in Candidate._fields))


class StoredCandidates(NamedTuple):
    """The ids of the articles that may have changed, and whether the quality or heat of one did."""

    touched: set[str]
    are_ranks_changed: bool


def store_candidates(
    connection: Connection,
    usable: Sequence[Usable],
    replaced: Collection[int],
    now: int,
    *,
    are_searched: bool = False,
) -> StoredCandidates:
    """Replace the candidates of changed files.

    Args:
        connection: of the index, in a write transaction.
        usable: the contents that count.
        replaced: the ids of the files whose stored candidate is obsolete.
        now: in seconds since the epoch.
        are_searched: whether the build has the words of candidates.
    """
    stored = list(rows_by_key(connection, _CLAIMED, _TABLE.c.file_id, replaced))
    obsolete = [row.file_id for row in stored]
    stated = [(one, one.content.stated) for one in usable if one.content.stated is not None]
    if are_searched:
        _store_words(connection, obsolete, usable)
    delete_by_key(connection, _DELETE, _TABLE.c.file_id, obsolete)
    write_rows(connection, _INSERT, _COLUMNS, [_row(one, article, now) for one, article in stated])
    ranks = {article.article_id: (article.quality, article.heat) for _, article in stated}
    return StoredCandidates(
        touched={*(row.article_id for row in stored), *ranks},
        are_ranks_changed=any(ranks.get(row.article_id) != (row.quality, row.heat) for row in stored),
    )


def _store_words(connection: Connection, obsolete: Collection[int], usable: Iterable[Usable]) -> None:
    """Replace the words of candidates, before the candidates themselves are."""
    search.remove(
        connection,
        [
            (file_id, fields_of(article_in(payload)))
            for file_id, payload in rows_by_key(connection, _PAYLOADS, _TABLE.c.file_id, obsolete)
        ],
    )
    search.add(
        connection,
        [(one.file_id, one.content.fields) for one in usable if one.content.fields is not None],
    )


def _row(usable: Usable, stated: StatedArticle, now: int) -> tuple[object, ...]:
    if stated.date_is_provisional and stated.published > now:
        # A clock was wrong: no author schedules an article by the mtime of its file.
        stated = published_at(stated, now)
    stated, whole, due = shown_at(stated, now)
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
        stated.visible_from,
        stated.visible_until,
        due,
        stated.digest,
        stated.visible_digest,
        stated.listings,
        stated.related_until,
        stated.payload,
        whole,
    )


def stored_contents(connection: Connection, file_ids: Iterable[int]) -> dict[int, tuple[FileContent, int]]:
    """The contents of the candidates of the given files, without findings, and their mtimes."""
    return {
        row.file_id: (FileContent(verdict=Verdict.ARTICLE, stated=_stated(row)), row.mtime)
        for row in rows_by_key(connection, _ROWS, _TABLE.c.file_id, file_ids)
    }


def _stated(row: Any) -> StatedArticle:
    values = {name: getattr(row, name) for name in StatedArticle.__struct_fields__}
    shown = StatedArticle(**(values | {"date_is_provisional": bool(row.date_is_provisional)}))
    return stated_whole(shown, row.whole)


def date_by_first_sight(connection: Connection, known: Mapping[str, KnownArticle], now: int) -> None:
    """Date candidates without a date of their own by the first sight of their article.

    A first sight in the future was noted by a wrong clock, and counts as now.
    """
    seen = {
        key: min(article.first_seen, now) for key, article in known.items() if article.first_seen is not None
    }
    _restate(
        connection,
        {
            row.file_id: published_at(_stated(row), seen[row.article_id])
            for row in rows_by_key(connection, _UNDATED_ROWS, _TABLE.c.article_id, seen)
            if row.published != seen[row.article_id]
        },
        now,
    )


def _restate(connection: Connection, articles: Mapping[int, StatedArticle], now: int) -> None:
    """Store the articles of some files as they are shown now, by the ids of the files."""
    shown = {file_id: shown_at(stated, now) for file_id, stated in articles.items()}
    if shown:
        connection.execute(
            update(_TABLE)
            .where(_TABLE.c.file_id == bindparam("file"))
            .values({name: bindparam(f"new_{name}") for name in _SHOWN}),
            [
                {
                    "file": file_id,
                    "new_published": stated.published,
                    "new_due": due,
                    "new_digest": stated.digest,
                    "new_visible_digest": stated.visible_digest,
                    "new_payload": stated.payload,
                    "new_whole": whole,
                }
                for file_id, (stated, whole, due) in shown.items()
            ],
        )


def winners(connection: Connection, touched: Iterable[str], now: int) -> dict[str, Candidate]:
    """The winning candidate of each given id that has a live one."""
    claims: dict[str, list[Candidate]] = {}
    for candidate in map(Candidate._make, rows_by_key(connection, _CLAIMS, _TABLE.c.article_id, touched)):
        claims.setdefault(candidate.article_id, []).append(candidate)
    chosen = {key: choose_winner(candidates, now) for key, candidates in claims.items()}
    return {key: winner for key, winner in chosen.items() if winner}


def claiming_files(connection: Connection, article_ids: Iterable[str]) -> list[FileKey]:
    """The files that claim to be some articles, in any order."""
    rows = rows_by_key(connection, _CLAIMING, _TABLE.c.article_id, set(article_ids))
    return [FileKey(root=root, path=path) for root, path in rows]


def take_due(connection: Connection, now: int) -> set[str]:
    """The ids of the articles that are due; their candidates are due later from then on, or no more."""
    return _decide_due(connection, connection.execute(_DUE.where(_TABLE.c.due <= now)).all(), now)


def take_back_due(connection: Connection, now: int) -> set[str]:
    """The ids of the articles that a wrong clock published or hid too early; they are due again then.

    Looks at all candidates, and is needed only after the clock was set back.
    """
    moments = (_TABLE.c[name] for name in ("related_until", *_MOMENTS))
    ahead = connection.execute(_DUE.where(or_(*(moment > now for moment in moments))))
    early = [row for row in ahead if row.related_until > now or row.due != _next_due(row, now)]
    return _decide_due(connection, early, now)


def _decide_due(connection: Connection, rows: Sequence[Any], now: int) -> set[str]:
    """Store candidates as they are shown now, and when they are due next. Returns the ids of the articles."""
    with_related = [row.file_id for row in rows if row.related_until]
    others = [row for row in rows if not row.related_until]
    if others:
        connection.execute(
            update(_TABLE).where(_TABLE.c.file_id == bindparam("file")).values(due=bindparam("next")),
            [{"file": row.file_id, "next": _next_due(row, now)} for row in others],
        )
    stored = rows_by_key(connection, _ROWS, _TABLE.c.file_id, with_related)
    _restate(connection, {row.file_id: _stated(row) for row in stored}, now)
    return {row.article_id for row in rows}


def _next_due(row: Any, now: int) -> int | None:
    """When a candidate without related articles of the future is due next."""
    return next_due(now, *(getattr(row, name) for name in _MOMENTS))


def earliest_due(connection: Connection) -> int | None:
    """The next moment, in seconds since the epoch, at which time alone changes an article."""
    due: int | None = connection.scalar(select(func.min(_TABLE.c.due)))
    return due


def claimed_ids(connection: Connection, after: str) -> list[str]:
    """The next ids that have a candidate, in their order: some at a time, none at the end."""
    column = _TABLE.c.article_id
    query = select(column).where(column > after).distinct().order_by(column).limit(PIECE)
    return list(connection.scalars(query))
