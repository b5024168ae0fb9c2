"""The words of candidates, for searches: an FTS5 table in SQLite, a column of type tsvector in PostgreSQL.

Both hold the words as `selections.words` folds them, so that a search means the same in both. FTS5 keeps no
copy of the texts; to remove one it must be given the words again, which follow from the stored article. The
words are those of candidates, hidden ones among them: a query joins them with entries, which are live. Where
PostgreSQL differs: it notes the place of a word 256 times for each article, and no place after the 16,383rd
word, so that a phrase there may be missed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    MetaData,
    Select,
    Table,
    and_,
    bindparam,
    cast,
    column,
    delete,
    insert,
    literal_column,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR

from feedserver.articles.selections.values import Phrase, Words
from feedserver.index.file_values import SearchedFields
from feedserver.index.statements import POSTGRESQL, delete_by_key, write_rows

# The `ascii` tokenizer splits at blanks only: the words are folded already.
_CREATE: Final = "CREATE VIRTUAL TABLE search USING fts5(title, excerpt, body, content='', tokenize='ascii')"
_ADD: Final = "INSERT INTO search (rowid, title, excerpt, body) VALUES (?, ?, ?, ?)"
_REMOVE: Final = "INSERT INTO search (search, rowid, title, excerpt, body) VALUES ('delete', ?, ?, ?, ?)"
# Fewer and larger writes while an index is filled; FTS5 writes each megabyte otherwise.
_FILL: Final = "INSERT INTO search (search, rank) VALUES ('hashsize', 33554432)"

# The columns of FTS5, and the weights by which PostgreSQL tells them apart.
_COLUMNS: Final = ("title", "excerpt", "body")
_WEIGHTS: Final = ("A", "B", "C")
_ALL: Final = len(_COLUMNS)
_LAST_PLACE: Final = 16_383
_MOST_PLACES: Final = 256

_search = table("search", column("rowid"), column("file_id"), column("document"))
_documents = Table(
    "search",
    MetaData(),
    Column("file_id", Integer, primary_key=True, autoincrement=False),
    Column("document", TSVECTOR, nullable=False),
)
_DOCUMENT_INDEX = Index("search_document", _documents.c.document, postgresql_using="gin")
_INSERT = insert(_documents)
_DELETE = delete(_documents)


def create(connection: Connection) -> None:
    """Make the table of a new build; `finish` makes it ready for searches."""
    if connection.dialect.name == POSTGRESQL:
        _documents.create(connection)
        _DOCUMENT_INDEX.drop(connection)
    else:
        connection.exec_driver_sql(_CREATE)
        connection.exec_driver_sql(_FILL)


def finish(connection: Connection) -> None:
    """Make a filled table ready for searches."""
    if connection.dialect.name == POSTGRESQL:
        _DOCUMENT_INDEX.create(connection)


def add(connection: Connection, rows: Sequence[tuple[int, SearchedFields]]) -> None:
    """Add the words of candidates, by the ids of their files."""
    if not rows:
        return
    if connection.dialect.name == POSTGRESQL:
        documents = [(file_id, _document(fields)) for file_id, fields in rows]
        write_rows(connection, _INSERT, ("file_id", "document"), documents)
    else:
        connection.exec_driver_sql(_ADD, [(file_id, *fields) for file_id, fields in rows])


def remove(connection: Connection, rows: Sequence[tuple[int, SearchedFields]]) -> None:
    """Remove the words of candidates: those that were added."""
    if not rows:
        return
    if connection.dialect.name == POSTGRESQL:
        delete_by_key(connection, _DELETE, _documents.c.file_id, [file_id for file_id, _ in rows])
    else:
        connection.exec_driver_sql(_REMOVE, [(file_id, *fields) for file_id, fields in rows])


class Search:
    """A search as conditions on the table.

    Args:
        words: to search for.
        dialect: the name of that of the database.
    """

    def __init__(self, words: Words, dialect: str) -> None:
        self._words = words
        self._is_postgresql = dialect == POSTGRESQL
        self.table = _search
        self.file_id: ColumnElement[int] = _search.c.file_id if self._is_postgresql else _search.c.rowid

    @property
    def has_hits(self) -> bool:
        """Whether it names words that must be there; one of exclusions alone finds no rows by itself."""
        return bool(self._words.groups)

    def hits(self, fields: int = _ALL) -> ColumnElement[bool]:
        """The rows that the search finds; looking at the first fields only, some of them."""
        found = self._matches(self._words.groups, fields)
        if not self._words.without:
            return found
        excluded: Select[Any] = select(self.file_id).select_from(self.table)
        return found & self.file_id.not_in(excluded.where(self._matches((self._words.without,), _ALL)))

    def is_among(self, file_id: ColumnElement[int]) -> ColumnElement[bool]:
        """Whether the candidate of a file matches the search, of which all hits are found first, once."""
        return file_id.in_(select(self.file_id).select_from(self.table).where(self.hits()))

    def meets(self, file_id: ColumnElement[int]) -> ColumnElement[bool]:
        """Whether the candidate of a file matches the search, which is tried for that file alone."""
        conditions = []
        if self._words.groups:
            conditions.append(self._has(file_id, self._words.groups))
        if self._words.without:
            conditions.append(~self._has(file_id, (self._words.without,)))
        return and_(*conditions)

    def _has(self, file_id: ColumnElement[int], groups: Sequence[Sequence[Phrase]]) -> ColumnElement[bool]:
        is_there: Select[Any] = select(literal_column("1")).where(
            self.file_id == file_id, self._matches(groups, _ALL)
        )
        return is_there.exists()

    def _matches(self, groups: Sequence[Sequence[Phrase]], fields: int) -> ColumnElement[bool]:
        if self._is_postgresql:
            query = bindparam(None, _tsquery(groups, fields), TSQUERY, unique=True)
            return _search.c.document.op("@@")(cast(query, TSQUERY))
        return literal_column("search").op("MATCH")(_fts5_query(groups, fields))


# --- FTS5 ---------------------------------------------------------------------------------------


def _fts5_query(groups: Sequence[Sequence[Phrase]], fields: int) -> str:
    """A query in FTS5's language. The words are letters and digits, so nothing in it needs an escape."""
    found = " AND ".join(f"({' OR '.join(map(_fts5_phrase, group))})" for group in groups)
    return found if fields == _ALL else f"{{{' '.join(_COLUMNS[:fields])}}} : ({found})"


def _fts5_phrase(phrase: Phrase) -> str:
    return f'"{" ".join(phrase.words)}"{" *" * phrase.is_prefix}'


# --- PostgreSQL ---------------------------------------------------------------------------------


def _document(fields: Iterable[str]) -> str:
    """A tsvector as text: each word with its places, and the weight of the field."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    place = 0
    for field, weight in zip(fields, _WEIGHTS, strict=True):
        for word in field.split():
            place += 1
            if len(places[word]) < _MOST_PLACES:
                places[word].append(f"{min(place, _LAST_PLACE)}{weight}")
        place += 1  # no phrase goes on in the next field
    return " ".join(f"'{word}':{','.join(noted)}" for word, noted in places.items())


def _tsquery(groups: Sequence[Sequence[Phrase]], fields: int) -> str:
    weights = "" if fields == _ALL else "".join(_WEIGHTS[:fields])
    return " & ".join(
        f"({' | '.join(_tsquery_phrase(phrase, weights) for phrase in group)})" for group in groups
    )


def _tsquery_phrase(phrase: Phrase, weights: str) -> str:
    marks = [weights] * len(phrase.words)
    if phrase.is_prefix:
        marks[-1] = f"*{weights}"
    words = [
        f"'{word}':{mark}" if mark else f"'{word}'" for word, mark in zip(phrase.words, marks, strict=True)
    ]
    return f"({' <-> '.join(words)})"
