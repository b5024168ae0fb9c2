"""Finds the articles of a selection: compiles its condition to a query, and decides where the query begins.

A query begins with one part of the condition and tries the others row by row. It either walks through
articles in the wanted order until it has enough, or gathers all that meet the rarest part and sorts them. The
estimate is made of the numbers of articles that listings have, and of the first hits of a search. All of a
query is bounded by time (`most_seconds`); the caller decides about names, validators and documents.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.exc import DBAPIError

from feedserver.articles.selections.values import (
    AllOf,
    AnyOf,
    AtLeast,
    Condition,
    InAny,
    NoneOf,
    Says,
    Sort,
)
from feedserver.errors import SelectionError
from feedserver.index import schema
from feedserver.index.ledger import SPELLED_LISTINGS
from feedserver.index.search import Search
from feedserver.index.statements import POSTGRESQL, rows_by_key
from feedserver.model import ListingKey

# No more rows than this are gathered and sorted: 20,000 take some 40 ms.
_MOST_GATHERED: Final = 20_000
# The cost of a row that is tried for words or ranks, in rows that are tried for a listing.
_WORDS_COST: Final = 4
_CHECK_STEPS: Final = 5_000  # of SQLite's virtual machine, some 0.3 ms

_MEMBER, _ENTRY, _CANDIDATE = schema.membership, schema.entry, schema.candidate
_DETAILS = select(
    _ENTRY.c.article_id,
    _CANDIDATE.c.payload,
    _ENTRY.c.updated,
    _ENTRY.c.digest,
    _CANDIDATE.c.quality,
    _CANDIDATE.c.heat,
).join(_CANDIDATE, _CANDIDATE.c.file_id == _ENTRY.c.file_id)

_LISTINGS = select(_ENTRY.c.listings)


class Question(NamedTuple):
    """The articles that are wanted.

    Attributes:
        base: the id of a listing that all are in.
        base_entries: how many articles it has.
        is_everything: whether that listing has all articles.
        condition: that each meets.
        published: the first second of their publication, since the epoch; None for any.
        sort: their order.
        limit: how many at most.
        listings: the ids and entries of the listings that the condition names; those that never existed are
            absent.
    """

    base: int
    base_entries: int
    is_everything: bool
    condition: AllOf
    published: int | None
    sort: Sort
    limit: int
    listings: Mapping[ListingKey, tuple[int, int]]


class Detail(NamedTuple):
    """An article that was found: its JSON, its `updated` and digest, and its ranks."""

    article_id: str
    payload: bytes
    updated: int
    digest: bytes
    quality: int
    heat: int


def find_articles(connection: Connection, question: Question, most_seconds: float) -> list[Detail]:
    """The articles of a selection, in its order.

    Raises:
        SelectionError: if the query takes longer than `most_seconds`.
    """
    with _bounded(connection, most_seconds):
        compiler = _Compiler(connection, question)
        keys = list(connection.scalars(compiler.query()))
        found = {row.article_id: Detail._make(row) for row in _details(connection, keys)}
    return [found[key] for key in keys]


def count_listings(
    connection: Connection, question: Question, most_seconds: float
) -> Counter[tuple[str, str]] | None:
    """How many articles of a selection are in each listing, by kind and slug; None if it has too many.

    Args:
        connection: in a transaction.
        question: its limit is that of the articles to count.
        most_seconds: that the query may take.

    Raises:
        SelectionError: if the query takes longer.
    """
    with _bounded(connection, most_seconds):
        beyond = question._replace(limit=question.limit + 1)
        keys = list(connection.scalars(_Compiler(connection, beyond).query()))
        if len(keys) > question.limit:
            return None
        rows = rows_by_key(connection, _LISTINGS, _ENTRY.c.article_id, keys)
        return Counter(
            (kind, slug) for row in rows for kind, slug, _ in SPELLED_LISTINGS.decode(row.listings)
        )


def _details(connection: Connection, keys: Sequence[str]) -> Iterator[Any]:
    return rows_by_key(connection, _DETAILS, _ENTRY.c.article_id, keys)


class _Driver(NamedTuple):
    """Where a query begins: rows with a key of an article each.

    Attributes:
        source: the tables.
        published: the column of the publication.
        article_id: the column of the id.
        restriction: that makes it this part of the condition.
        size: how many rows there are.
        part: of the condition; None for the base.
    """

    source: FromClause
    published: ColumnElement[int]
    article_id: ColumnElement[str]
    restriction: ColumnElement[bool]
    size: int
    part: Condition | None


class _Compiler:
    """Compiles one question for one database."""

    def __init__(self, connection: Connection, question: Question) -> None:
        self._connection = connection
        self._question = question
        self._dialect = connection.dialect.name
        self._base = self._members([question.base], question.base_entries, None)
        self._drivers = [
            driver for part in question.condition.parts if (driver := self._driver_of(part)) is not None
        ]

    def query(self) -> Select[Any]:
        """The ids of the articles, in their order."""
        if self._question.sort is Sort.RELEVANCE:
            return self._gather(next(one for one in self._drivers if isinstance(one.part, Says)))
        rarest = min([*self._drivers, self._base], key=_size)
        walked = self._walked()
        return self._gather(rarest) if self._is_better_gathered(rarest, walked) else self._walk(walked)

    # --- where to begin -------------------------------------------------------------------------

    def _walked(self) -> _Driver:
        """The driver whose rows are in the wanted order, the rarest one."""
        if self._question.sort is not Sort.PUBLISHED:
            return self._base
        ordered = [
            one for one in self._drivers if isinstance(one.part, InAny) and len(self._ids(one.part)) == 1
        ]
        return min([*ordered, self._base], key=_size)

    def _driver_of(self, part: Condition) -> _Driver | None:
        match part:
            case InAny():
                size = sum(self._question.listings[key][1] for key in part.listings if self._knows(key))
                return self._members(self._ids(part), size, part)
            case Says() if Search(part.words, self._dialect).has_hits:
                return self._hits(part)
            case AtLeast():
                column = _CANDIDATE.c[part.rank.value]
                return self._live_candidates(column >= part.number, part)
            case _:
                return None

    def _members(self, ids: Sequence[int], size: int, part: Condition | None) -> _Driver:
        restriction = _is_one_of(_MEMBER.c.listing_id, ids)
        return _Driver(_MEMBER, _MEMBER.c.published, _MEMBER.c.article_id, restriction, size, part)

    def _hits(self, part: Says) -> _Driver:
        search = Search(part.words, self._dialect)
        source = search.table.join(_ENTRY, _ENTRY.c.file_id == search.file_id)
        size = self._count(select(literal_column("1")).select_from(search.table).where(search.hits()))
        return _Driver(source, _ENTRY.c.published, _ENTRY.c.article_id, search.hits(), size, part)

    def _live_candidates(self, restriction: ColumnElement[bool], part: Condition | None) -> _Driver:
        source = _CANDIDATE.join(_ENTRY, _ENTRY.c.file_id == _CANDIDATE.c.file_id)
        size = self._count(select(literal_column("1")).select_from(_CANDIDATE).where(restriction))
        return _Driver(source, _ENTRY.c.published, _ENTRY.c.article_id, restriction, size, part)

    def _count(self, rows: Select[Any]) -> int:
        """How many rows there are, but not more than are gathered and one."""
        counted = select(func.count()).select_from(rows.limit(_MOST_GATHERED + 1).subquery())
        return self._connection.scalar(counted) or 0

    def _is_better_gathered(self, gathered: _Driver, walked: _Driver) -> bool:
        """Whether the rarest part has fewer rows than a walk would probably try."""
        if gathered.size > _MOST_GATHERED:
            return False
        question = self._question
        expected, cost = float(question.limit), 1
        for driver in self._drivers:
            if driver is not walked:
                expected *= max(question.base_entries, 1) / max(driver.size, 1)
                cost = max(cost, 1 if isinstance(driver.part, InAny) else _WORDS_COST)
        return gathered.size <= cost * min(expected, walked.size)

    # --- queries --------------------------------------------------------------------------------

    def _gather(self, driver: _Driver) -> Select[Any]:
        found: Select[Any] = select(driver.article_id.label("article_id")).select_from(driver.source)
        rows = found.where(driver.restriction, self._rest(driver)).distinct().subquery()
        query: Select[Any] = (
            select(_ENTRY.c.article_id)
            .select_from(rows)
            .join(_ENTRY, _ENTRY.c.article_id == rows.c.article_id)
        )
        if self._question.sort in (Sort.HEAT, Sort.QUALITY):
            query = query.join(_CANDIDATE, _CANDIDATE.c.file_id == _ENTRY.c.file_id)
        return self._ordered(query)

    def _walk(self, driver: _Driver) -> Select[Any]:
        sort = self._question.sort
        if sort is Sort.PUBLISHED:
            query = select(driver.article_id).select_from(driver.source).where(driver.restriction)
            query = query.where(self._rest(driver))
            return query.order_by(driver.published.desc(), driver.article_id.desc()).limit(
                self._question.limit
            )
        # In the order of an index; the restriction of the driver is a condition like the others.
        keys = _ENTRY.c.published, _ENTRY.c.article_id
        ordered = _Driver(_ENTRY, *keys, true(), self._question.base_entries, None)
        query = select(_ENTRY.c.article_id).where(self._rest(ordered))
        if sort is not Sort.UPDATED:
            query = query.join(_CANDIDATE, _CANDIDATE.c.file_id == _ENTRY.c.file_id)
        return self._ordered(query)

    def _ordered(self, query: Select[Any]) -> Select[Any]:
        # The publication and the id as the index of the order has them.
        of_candidate = self._question.sort in (Sort.HEAT, Sort.QUALITY)
        table = _CANDIDATE if of_candidate else _ENTRY
        ties = table.c.published.desc(), table.c.article_id.desc()
        return query.order_by(*self._order(), *ties).limit(self._question.limit)

    def _order(self) -> list[ColumnElement[Any]]:
        match self._question.sort:
            case Sort.HEAT | Sort.QUALITY as sort:
                return [_CANDIDATE.c[sort.value].desc()]
            case Sort.UPDATED:
                return [_ENTRY.c.updated.desc()]
            case Sort.RELEVANCE:
                return self._by_fields()
            case _:
                return []

    def _by_fields(self) -> list[ColumnElement[Any]]:
        """First the articles that have all words in the title, then in title and excerpt, then the others."""
        part = next(part for part in self._question.condition.parts if isinstance(part, Says))
        search = Search(part.words, self._dialect)
        return [
            _ENTRY.c.file_id.in_(
                select(search.file_id).select_from(search.table).where(search.hits(fields))
            ).desc()
            for fields in (1, 2)
        ]

    def _rest(self, driver: _Driver) -> ColumnElement[bool]:
        """All conditions but that of the driver, on its rows."""
        question = self._question
        keys = driver.published, driver.article_id
        parts = [part for part in question.condition.parts if part is not driver.part]
        conditions = [self._condition(part, *keys) for part in parts]
        if driver is not self._base and not question.is_everything:
            conditions.append(_is_member([question.base], *keys))
        if question.published is not None:
            conditions.append(driver.published >= question.published)
        return and_(true(), *conditions)

    def _condition(
        self, condition: Condition, published: ColumnElement[int], article_id: ColumnElement[str]
    ) -> ColumnElement[bool]:
        keys = published, article_id
        match condition:
            case InAny():
                return _is_member(self._ids(condition), *keys)
            case Says():
                entry = _ENTRY.alias()
                matches = self._matches(condition, entry.c.file_id)
                return _exists(select(entry.c.file_id).where(entry.c.article_id == article_id, matches))
            case AtLeast(rank=rank, number=number):
                entry, candidate = _ENTRY.alias(), _CANDIDATE.alias()
                reached = select(entry.c.file_id).join(candidate, candidate.c.file_id == entry.c.file_id)
                return _exists(
                    reached.where(entry.c.article_id == article_id, candidate.c[rank.value] >= number)
                )
            case AllOf(parts=parts):
                return and_(true(), *(self._condition(part, *keys) for part in parts))
            case AnyOf(parts=parts):
                return or_(false(), *(self._condition(part, *keys) for part in parts))
            case NoneOf(parts=parts):
                return not_(or_(false(), *(self._condition(part, *keys) for part in parts)))

    def _matches(self, part: Says, file_id: ColumnElement[int]) -> ColumnElement[bool]:
        """A search that finds few articles is run once; one that finds many is tried row by row."""
        search = Search(part.words, self._dialect)
        sizes = [driver.size for driver in self._drivers if driver.part is part]
        is_rare = bool(sizes) and sizes[0] <= _MOST_GATHERED
        return search.is_among(file_id) if is_rare else search.meets(file_id)

    def _ids(self, part: InAny) -> list[int]:
        return [self._question.listings[key][0] for key in part.listings if self._knows(key)]

    def _knows(self, key: ListingKey) -> bool:
        return key in self._question.listings


def _size(driver: _Driver) -> int:
    return driver.size


def _is_member(
    ids: Sequence[int], published: ColumnElement[int], article_id: ColumnElement[str]
) -> ColumnElement[bool]:
    member = _MEMBER.alias()
    return _exists(
        select(member.c.listing_id).where(
            _is_one_of(member.c.listing_id, ids),
            member.c.published == published,
            member.c.article_id == article_id,
        )
    )


def _exists(query: Select[Any]) -> ColumnElement[bool]:
    return query.exists()


def _is_one_of(column: ColumnElement[int], ids: Sequence[int]) -> ColumnElement[bool]:
    return column == ids[0] if len(ids) == 1 else column.in_(ids)


@contextmanager
def _bounded(connection: Connection, seconds: float) -> Iterator[None]:
    """Stop a query of the block that takes longer.

    Raises:
        SelectionError: if one was stopped.
    """
    is_over = False
    end = time.monotonic() + seconds

    def stop() -> bool:
        nonlocal is_over
        is_over = time.monotonic() > end
        return is_over

    is_postgresql = connection.dialect.name == POSTGRESQL
    driver: Any = connection.connection.dbapi_connection
    if is_postgresql:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout TO {int(seconds * 1000)}")
    else:
        driver.set_progress_handler(stop, _CHECK_STEPS)
    try:
        yield
    except DBAPIError as error:
        if is_over or (is_postgresql and getattr(error.orig, "sqlstate", None) == "57014"):
            raise SelectionError(
                "",
                "",
                f"finding these articles takes longer than {seconds:g} s; ask for a rarer topic or provider,"
                " for rarer words or a whole phrase, or leave out sort",
            ) from error
        raise
    finally:
        if not is_postgresql:
            driver.set_progress_handler(None, 0)
