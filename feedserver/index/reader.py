"""Answers selections from the last committed state of the index.

A reader belongs to one thread and holds one long-lived connection. It notices commits and new builds
by itself, at every question (`commits` tells how), never waits for the indexer (promise 7), and does
work that depends on what is asked for, not on the number of articles (promise 9). It writes nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, bindparam, func, literal_column, or_, select
from sqlalchemy.exc import SQLAlchemyError

from feedserver.archives import PART_ENTRIES, Part, is_closed, month_bounds, subscription_entries
from feedserver.errors import IndexNotReadyError
from feedserver.index import builds, schema
from feedserver.index.builds import transaction
from feedserver.index.commits import HEADER_BYTES, Attached, attach
from feedserver.index.decisions import doubled_id
from feedserver.index.statements import rows_for
from feedserver.model import (
    Article,
    FileKey,
    Finding,
    Kind,
    ListingKey,
    ListingSummary,
    Taxonomy,
    Value,
    Verdict,
)

# The rows of listings that were asked for since the last commit; more are forgotten and asked again.
REMEMBERED_FACETS = 4096

# The pointer is looked at when the signal of commits moved, for who replaces a build commits to it. Beyond
# that now and then, for builds that cannot be committed to (damaged, read-only, removed) and for an indexer
# that died between the two.
POINTER_SECONDS = 0.05

# What each document asks for, as statements that are made and compiled once: to each, SQLAlchemy would give a
# tenth of a millisecond otherwise (measured), which is as long as SQLite takes.
_OPEN_MONTH = select(schema.meta.c.value).where(schema.meta.c.key == literal_column("'open_month'"))
_FACET = select(schema.facet, _OPEN_MONTH.scalar_subquery().label("open_month")).where(
    schema.facet.c.kind == bindparam("kind"), schema.facet.c.slug == bindparam("slug")
)
_MONTHS = select(schema.month.c.month, schema.month.c.entries).where(
    schema.month.c.facet_id == bindparam("facet"), schema.month.c.entries > literal_column("0")
)
_LAST_CHANGE = select(func.max(schema.facet.c.changed))
_ENTRIES = (
    select(schema.candidate.c.payload, schema.entry.c.updated, schema.entry.c.digest)
    .select_from(schema.membership)
    .join(schema.entry, schema.entry.c.article_id == schema.membership.c.article_id)
    .join(schema.candidate, schema.candidate.c.file_id == schema.entry.c.file_id)
    .where(schema.membership.c.facet_id == bindparam("facet"))
)
_NEWEST = (
    _ENTRIES.order_by(schema.membership.c.published.desc(), schema.membership.c.article_id.desc())
    .limit(bindparam("limit"))
    .offset(literal_column("0"))
)
_OLDEST = (
    _ENTRIES.where(
        schema.membership.c.published >= bindparam("first"),
        schema.membership.c.published < bindparam("after"),
    )
    .order_by(schema.membership.c.published, schema.membership.c.article_id)
    .limit(literal_column(str(PART_ENTRIES)))
    .offset(bindparam("offset"))
)
_ARTICLE = msgspec.json.Decoder(Article)


class FacetState(Value, frozen=True):
    """A listing as the index has it.

    Equal states of one build mean that nothing changed. `version` (hex) is equal on every machine
    that has the same articles; `changed` numbers the commit that last touched the listing in this
    build. `since` is when it was first known or last became empty, `updated` the latest change among
    its newest entries.
    """

    key: ListingKey
    id: int
    version: str
    changed: int
    build: str
    count: int
    title: str
    since: datetime
    updated: datetime | None
    taxonomy: Taxonomy | None

    @property
    def mark(self) -> tuple[str, int]:
        """Another one whenever the listing may be."""
        return self.build, self.changed

    @property
    def summary(self) -> ListingSummary:
        """The listing as a line of a directory."""
        return ListingSummary(
            key=self.key,
            title=self.title,
            description="" if self.taxonomy is None else self.taxonomy.description,
            count=self.count,
            updated=self.updated,
        )


class SelectedEntry(Value, frozen=True):
    """An article of a listing and the `updated` it was published with; `digest` stands for both (hex)."""

    article: Article
    updated: datetime
    digest: str


class Selected(Value, frozen=True):
    """What one snapshot holds of a listing: its state, some entries, and how many each month has.

    `months` numbers months as `archives` does, without the empty ones; those before `open_month` have
    ended.
    """

    state: FacetState
    entries: tuple[SelectedEntry, ...]
    months: dict[int, int]
    open_month: int


class IndexReader:
    """Reads whichever build serves. For one thread; open it after a fork, never before."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._pointer = os.fspath(builds.pointer_path(state_dir))
        self._pointer_stamp: tuple[int, int] | None = None
        self._next_look = 0.0
        self._build = ""
        self._attached: Attached[Connection] | None = None
        self._header = b""
        self._facets: dict[ListingKey, FacetState | None] = {}
        self._open_month: int | None = None
        self._revision: tuple[str, int] | None = None

    def close(self) -> None:
        """Give the connection back."""
        attached, self._attached = self._attached, None
        if attached is not None:
            attached.close()

    # --- listings -------------------------------------------------------------------------------

    def facet(self, key: ListingKey) -> FacetState | None:
        """A listing's state now, or None if it never existed.

        Raises:
            IndexNotReadyError: before the first index is complete.
        """
        self._current()  # which forgets what a commit may have changed
        try:
            return self._facets[key]
        except KeyError:
            pass
        with self._snapshot() as connection:
            state, self._open_month = self._facet(connection, key)
        if len(self._facets) >= REMEMBERED_FACETS:
            self._facets.clear()
        self._facets[key] = state
        return state

    def select(self, key: ListingKey, limit: int) -> Selected | None:
        """A listing's newest entries, newest first: `limit`, and all that are in no archive document yet.

        Returns:
            None if the listing never existed.

        Raises:
            IndexNotReadyError: before the first index is complete.
        """
        with self._snapshot() as connection:
            state, open_month = self._facet(connection, key)
            if state is None or open_month is None:
                return None
            months = self._months(connection, state)
            wanted = max(limit, subscription_entries(months, open_month))
            rows = rows_for(connection, _NEWEST, state.id, wanted)
        return Selected(state=state, entries=_selected(rows), months=months, open_month=open_month)

    def select_part(self, key: ListingKey, part: Part) -> Selected | None:
        """The entries of one archive document, oldest first; None if there is no such document.

        Raises:
            IndexNotReadyError: before the first index is complete.
        """
        with self._snapshot() as connection:
            state, open_month = self._facet(connection, key)
            if state is None or open_month is None:
                return None
            months = self._months(connection, state)
            if not is_closed(part, months, open_month):
                return None
            entries = self._entries_of(connection, state, part)
        return Selected(state=state, entries=entries, months=months, open_month=open_month)

    @staticmethod
    def _entries_of(connection: Connection, state: FacetState, part: Part) -> tuple[SelectedEntry, ...]:
        """The entries of one archive document, oldest first."""
        first, after = month_bounds(part.month)
        return _selected(rows_for(connection, _OLDEST, state.id, first, after, part.offset))

    def revision(self) -> tuple[str, int]:
        """The build and its last commit that changed a listing. Raises IndexNotReadyError."""
        self._current()  # which forgets what a commit may have changed
        if self._revision is None:
            with self._snapshot() as connection:
                # Not the commit itself: most rewrites of files change nothing that a listing shows.
                self._revision = self._build, int(connection.scalar(_LAST_CHANGE) or 0)
        return self._revision

    def open_month(self) -> int:
        """The first month that has not ended, as `archives` numbers months. Raises IndexNotReadyError."""
        self._current()  # which forgets what a commit may have changed
        if self._open_month is None:
            with self._snapshot() as connection:
                self._open_month = int(connection.scalar(_OPEN_MONTH) or 0)
        return self._open_month

    def are_in(self, key: ListingKey, article_ids: Collection[str]) -> bool:
        """Whether all the given articles are in a listing now."""
        state = self.facet(key)
        if state is None:
            return not article_ids
        member, entry = schema.membership, schema.entry
        found = 0
        with self._snapshot() as connection:
            for piece in builds.in_pieces(article_ids):
                query = (
                    select(func.count())
                    .select_from(entry)
                    .join(
                        member,
                        and_(
                            member.c.facet_id == state.id,
                            member.c.published == entry.c.published,
                            member.c.article_id == entry.c.article_id,
                        ),
                    )
                    .where(entry.c.article_id.in_(piece))
                )
                found += connection.scalar(query) or 0
        return found == len(article_ids)

    @staticmethod
    def _months(connection: Connection, state: FacetState) -> dict[int, int]:
        """How many entries a listing has in which months."""
        return dict(rows_for(connection, _MONTHS, state.id))

    def summaries(self, kind: Kind, limit: int | None = None) -> list[ListingSummary]:
        """The listings of a kind that have entries: most entries first, then by title."""
        table = schema.facet
        query = (
            select(table)
            .where(table.c.kind == kind.value, table.c.entries > 0)
            .order_by(table.c.entries.desc(), table.c.title, table.c.slug)
            .limit(limit)
        )
        with self._snapshot() as connection:
            rows = connection.execute(query).all()
        return [self._state(row).summary for row in rows]

    def counts(self) -> dict[Kind, int]:
        """How many listings of each kind have entries."""
        table = schema.facet
        query = select(table.c.kind, func.count()).where(table.c.entries > 0).group_by(table.c.kind)
        with self._snapshot() as connection:
            rows = connection.execute(query).all()
        return dict.fromkeys(Kind, 0) | {Kind(kind): count for kind, count in rows}

    def similar(self, kind: Kind, prefix: str, limit: int) -> list[ListingSummary]:
        """Listings to propose for a slug that does not exist: those that begin alike, and the largest."""
        table = schema.facet
        alike = select(table).where(
            table.c.kind == kind.value, table.c.slug >= prefix, table.c.slug < prefix + "\U0010ffff"
        )
        with self._snapshot() as connection:
            rows = connection.execute(alike.limit(limit)).all()
        found = {row.id: self._state(row).summary for row in rows if row.entries}
        return [*found.values(), *(s for s in self.summaries(kind, limit) if s not in found.values())]

    # --- facts ----------------------------------------------------------------------------------

    def facts(self) -> Mapping[str, str]:
        """What the indexer noted about the serving build, such as when its last scan ended."""
        with self._snapshot() as connection:
            return {row.key: row.value for row in connection.execute(select(schema.meta))}

    def verdicts(self) -> dict[Verdict, int]:
        """How many files turned out to be what."""
        column = schema.file.c.verdict
        with self._snapshot() as connection:
            rows = connection.execute(select(column, func.count()).group_by(column)).all()
        return {Verdict(verdict): count for verdict, count in rows}

    def findings(self) -> list[tuple[FileKey, Finding]]:
        """What is worth telling of files, in the order of their paths, doubled ids included."""
        file = schema.file
        query = (
            select(file.c.root, file.c.path, file.c.findings)
            .where(file.c.findings.is_not(None))
            .order_by(file.c.root, file.c.path)
        )
        with self._snapshot() as connection:
            rows = connection.execute(query).all()
            doubled = connection.execute(_doubled_ids()).all()
        found = [
            (FileKey(root=row.root, path=row.path), finding)
            for row in rows
            for finding in msgspec.json.decode(row.findings, type=tuple[Finding, ...])
        ]
        found += [(FileKey(root=row.root, path=row.path), doubled_id(row.winner)) for row in doubled]
        return found

    # --- the connection -------------------------------------------------------------------------

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        connection = self._current().connection
        try:
            with transaction(connection):
                yield connection
        except SQLAlchemyError:
            # What failed once may stay in a failed transaction; the next question gets a new connection.
            self.close()
            raise

    def _current(self) -> Attached[Connection]:
        """The connection to the build that the pointer names now.

        Without a system call where nothing happened: each gives up the interpreter's lock, for which other
        threads of a busy worker wait (docs/decisions.md).
        """
        attached = self._attached
        if (
            attached is not None
            and attached.memory[:HEADER_BYTES] == self._header
            and time.monotonic() < self._next_look
        ):
            return attached
        return self._look()

    def _look(self) -> Attached[Connection]:
        """Look at the pointer, follow it, and forget what a commit may have changed."""
        while True:
            attached, now = self._attached, time.monotonic()
            # Before the pointer and any row are read: what comes between is seen by the next question.
            header = b"" if attached is None else attached.memory[:HEADER_BYTES]
            stamp = self._pointer_now()
            if attached is not None and stamp == self._pointer_stamp:
                break
            self.close()
            # A build is deleted once the pointer has left it, maybe before it is open: then this looks again.
            self._open(stamp)
        if header != self._header:
            self._forget()
            self._header = header
        self._next_look = now + POINTER_SECONDS
        return attached

    def _pointer_now(self) -> tuple[int, int]:
        try:
            status = os.stat(self._pointer)  # noqa: PTH116  a path object takes twice as long
        except FileNotFoundError:
            raise IndexNotReadyError("the first index is not complete yet") from None
        return status.st_ino, status.st_mtime_ns

    def _open(self, stamp: tuple[int, int]) -> None:
        """Connect to the build that the pointer names; to nothing if the pointer moves meanwhile."""
        build = builds.serving_build(self._state_dir)
        if build is None:
            if self._pointer_now() == stamp:
                raise IndexNotReadyError("the index was removed and is built anew")
            return
        try:
            self._attached = attach(build, lambda: _connect(build))
        except (SQLAlchemyError, OSError):
            if self._pointer_now() == stamp:
                raise
            return
        self._build, self._pointer_stamp = build.stem, stamp
        self._forget()
        self._header = b""

    def _forget(self) -> None:
        self._facets.clear()
        self._open_month = None
        self._revision = None

    def _facet(self, connection: Connection, key: ListingKey) -> tuple[FacetState | None, int | None]:
        """A listing's state, and the first month that has not ended; neither, if it never existed."""
        row = next(iter(rows_for(connection, _FACET, key.kind.value, key.slug)), None)
        return (None, None) if row is None else (self._state(row), int(row.open_month or 0))

    def _state(self, row: Any) -> FacetState:
        return FacetState(
            key=ListingKey(kind=Kind(row.kind), slug=row.slug),
            id=row.id,
            version=row.version.hex(),
            changed=row.changed,
            build=self._build,
            count=row.entries,
            title=row.title,
            since=_time(row.since),
            updated=None if row.updated is None else _time(row.updated),
            taxonomy=None if row.taxonomy is None else msgspec.json.decode(row.taxonomy, type=Taxonomy),
        )


def _connect(build: Path) -> Connection:
    """A connection that has read, and so has the WAL index open."""
    connection = builds.open_engine(build, cache_kib=builds.READER_CACHE_KIB).connect()
    try:
        with transaction(connection):
            connection.scalar(select(schema.meta.c.key).limit(1))
    except BaseException:
        connection.close()
        raise
    return connection


def _selected(rows: Iterable[Any]) -> tuple[SelectedEntry, ...]:
    return tuple(
        SelectedEntry(article=_ARTICLE.decode(payload), updated=_time(updated), digest=digest.hex())
        for payload, updated, digest in rows
    )


def _doubled_ids() -> Select[Any]:
    """Files whose article is live under the same id from another file.

    Live is what is due no more, or only for a later update: what is not published yet is due at its
    publication or before.
    """
    file, candidate, entry = schema.file, schema.candidate, schema.entry
    other = schema.candidate.alias("winning")
    return (
        select(file.c.root, file.c.path, other.c.order_path.label("winner"))
        .join(candidate, candidate.c.file_id == file.c.id)
        .join(
            entry, and_(entry.c.article_id == candidate.c.article_id, entry.c.file_id != candidate.c.file_id)
        )
        .join(other, other.c.file_id == entry.c.file_id)
        .where(or_(candidate.c.due.is_(None), candidate.c.due > candidate.c.published))
        .order_by(file.c.root, file.c.path)
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
