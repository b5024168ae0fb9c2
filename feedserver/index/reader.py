"""Answers questions about listings and files from the last committed state of the index.

The work depends on the question, not on the number of articles (promise 9). Some answers are remembered until
the next commit, of which `serving` tells. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, and_, bindparam, func, literal_column, or_, select

from feedserver.bounded import Bounded
from feedserver.index import schema
from feedserver.index.archives import (
    ARCHIVE_ENTRIES,
    ArchiveDocument,
    is_closed,
    month_bounds,
    subscription_entries,
)
from feedserver.index.decisions import doubled_id
from feedserver.index.facts import OPEN_MONTH, BuildFacts
from feedserver.index.file_values import FileKey
from feedserver.index.noted import read_facts
from feedserver.index.statements import rows_for
from feedserver.index.store import HasServing
from feedserver.index.transactions import in_pieces
from feedserver.index.values import (
    JudgedFile,
    ListingState,
    Selected,
    SelectedEntry,
)
from feedserver.model import (
    PUBLIC_KINDS,
    Article,
    Finding,
    Kind,
    ListingKey,
    ListingSummary,
    Taxonomy,
    Verdict,
)

# How many rows of listings a reader keeps until the next commit. Only listings that exist are kept, because
# clients can ask for any number of others.
REMEMBERED_LISTINGS = 4096

# The statements of each document, made and compiled once. Otherwise SQLAlchemy would take a tenth of a
# millisecond for each (measured), as long as SQLite takes to run it.
_OPEN_MONTH = select(schema.meta.c.value).where(schema.meta.c.key == literal_column(f"'{OPEN_MONTH}'"))
_LISTING = select(schema.listing, _OPEN_MONTH.scalar_subquery().label("open_month")).where(
    schema.listing.c.kind == bindparam("kind"), schema.listing.c.slug == bindparam("slug")
)
_MONTHS = select(schema.month.c.month, schema.month.c.entries).where(
    schema.month.c.listing_id == bindparam("listing"), schema.month.c.entries > literal_column("0")
)
_LAST_COMMITS = select(func.max(schema.listing.c.changed), func.max(schema.listing.c.retracted))
_ENTRIES = (
    select(schema.candidate.c.payload, schema.entry.c.updated, schema.entry.c.digest)
    .select_from(schema.membership)
    .join(schema.entry, schema.entry.c.article_id == schema.membership.c.article_id)
    .join(schema.candidate, schema.candidate.c.file_id == schema.entry.c.file_id)
    .where(schema.membership.c.listing_id == bindparam("listing"))
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
    .limit(literal_column(str(ARCHIVE_ENTRIES)))
    .offset(bindparam("offset"))
)
_ARTICLE = msgspec.json.Decoder(Article)


class _LastCommits(NamedTuple):
    """The last commits to a build that changed a listing, and by which an article left one; 0 for none."""

    build: str
    changed: int
    retracted: int


class IndexReader:
    """Answers from the serving build. For one thread; open it after a fork, never before."""

    def __init__(self, store: HasServing) -> None:
        self._serving = store.serving()
        self._generation = 0
        self._listings: Bounded[ListingKey, ListingState] = Bounded(REMEMBERED_LISTINGS)
        self._open_month: int | None = None
        self._last_commits: _LastCommits | None = None

    @property
    def switched(self) -> float:
        """When the build that answered last began to serve, in seconds since the epoch; 0 before that."""
        return self._serving.switched

    def close(self) -> None:
        """Close the connection; the next question opens another one."""
        self._serving.close()

    def _follow(self) -> None:
        """Follow the serving build, and forget the answers to earlier questions if it may have changed."""
        if (generation := self._serving.follow()) != self._generation:
            self._generation = generation
            self._listings.clear()
            self._open_month = None
            self._last_commits = None

    # --- listings -------------------------------------------------------------------------------

    def listing(self, key: ListingKey) -> ListingState | None:
        """A listing's state now, or None if it never existed.

        Raises:
            IndexNotReadyError: before the first index is complete.
        """
        self._follow()
        try:
            return self._listings[key]
        except KeyError:
            pass
        with self._serving.snapshot() as connection:
            state, self._open_month = self._listing(connection, key)
        if state is not None:
            self._listings.remember(key, state)
        return state

    def select(self, key: ListingKey, limit: int) -> Selected | None:
        """A listing's newest entries, newest first: `limit`, and all that are in no archive document yet.

        Returns:
            None if the listing never existed.

        Raises:
            IndexNotReadyError: before the first index is complete.
        """
        with self._serving.snapshot() as connection:
            state, open_month = self._listing(connection, key)
            if state is None or open_month is None:
                return None
            months = self._months(connection, state)
            wanted = max(limit, subscription_entries(months, open_month))
            entries = _selected(rows_for(connection, _NEWEST, state.id, wanted))
        return Selected(state=state, entries=entries, months=months, open_month=open_month)

    def select_archive(self, key: ListingKey, archive: ArchiveDocument) -> Selected | None:
        """The entries of one archive document, oldest first; None if there is no such document.

        Raises:
            IndexNotReadyError: before the first index is complete.
        """
        with self._serving.snapshot() as connection:
            state, open_month = self._listing(connection, key)
            if state is None or open_month is None:
                return None
            months = self._months(connection, state)
            if not is_closed(archive, months, open_month):
                return None
            entries = self._entries_of(connection, state, archive)
        return Selected(state=state, entries=entries, months=months, open_month=open_month)

    @staticmethod
    def _entries_of(
        connection: Connection, state: ListingState, archive: ArchiveDocument
    ) -> tuple[SelectedEntry, ...]:
        """The entries of one archive document, oldest first."""
        first, after = month_bounds(archive.month)
        return _selected(rows_for(connection, _OLDEST, state.id, first, after, archive.offset))

    def revision(self) -> tuple[str, int]:
        """The build and its last commit that changed a listing. Raises IndexNotReadyError."""
        last = self._commits()
        return last.build, last.changed

    def last_retraction(self) -> tuple[str, int]:
        """The build and its last commit by which an article left a listing. Raises IndexNotReadyError."""
        last = self._commits()
        return last.build, last.retracted

    def _commits(self) -> _LastCommits:
        """The last commits to listings. Looks at all listings, once after each commit."""
        self._follow()
        if self._last_commits is None:
            with self._serving.snapshot() as connection:
                # Not the commit itself: most rewrites of files change nothing that a listing shows.
                ((changed, retracted),) = rows_for(connection, _LAST_COMMITS)
                self._last_commits = _LastCommits(self._serving.name, changed or 0, retracted or 0)
        return self._last_commits

    def open_month(self) -> int:
        """The first month that has not ended, as `archives` numbers months. Raises IndexNotReadyError."""
        self._follow()
        if self._open_month is None:
            with self._serving.snapshot() as connection:
                self._open_month = int(connection.scalar(_OPEN_MONTH) or 0)
        return self._open_month

    def are_in(self, key: ListingKey, article_ids: Collection[str]) -> bool:
        """Whether all the given articles are in a listing now."""
        state = self.listing(key)
        if state is None:
            return not article_ids
        member, entry = schema.membership, schema.entry
        found = 0
        with self._serving.snapshot() as connection:
            for piece in in_pieces(article_ids):
                query = (
                    select(func.count())
                    .select_from(entry)
                    .join(
                        member,
                        and_(
                            member.c.listing_id == state.id,
                            member.c.published == entry.c.published,
                            member.c.article_id == entry.c.article_id,
                        ),
                    )
                    .where(entry.c.article_id.in_(piece))
                )
                found += connection.scalar(query) or 0
        return found == len(article_ids)

    @staticmethod
    def _months(connection: Connection, state: ListingState) -> dict[int, int]:
        """The number of entries that a listing has in each month."""
        return dict(rows_for(connection, _MONTHS, state.id))

    def summaries(self, kind: Kind, limit: int | None = None, offset: int = 0) -> list[ListingSummary]:
        """Listings of a kind that have entries, most entries first, then by title: `limit` after `offset`."""
        return [state.summary for state in self.filled(kind, limit, offset)]

    def filled(self, kind: Kind, limit: int | None = None, offset: int = 0) -> list[ListingState]:
        """The same listings as `summaries` gives, with their whole state."""
        table = schema.listing
        query = (
            select(table)
            .where(table.c.kind == kind.value, table.c.entries > 0)
            .order_by(table.c.entries.desc(), table.c.title, table.c.slug)
            .limit(limit)
            .offset(offset)
        )
        with self._serving.snapshot() as connection:
            return [self._state(row) for row in connection.execute(query).all()]

    def count(self, kind: Kind) -> int:
        """How many listings of a kind have entries."""
        table = schema.listing
        query = select(func.count()).where(table.c.kind == kind.value, table.c.entries > 0)
        with self._serving.snapshot() as connection:
            return int(connection.scalar(query) or 0)

    def counts(self) -> dict[Kind, int]:
        """How many listings of each kind have entries."""
        table = schema.listing
        query = select(table.c.kind, func.count()).where(table.c.entries > 0).group_by(table.c.kind)
        with self._serving.snapshot() as connection:
            rows = connection.execute(query).all()
        return dict.fromkeys(PUBLIC_KINDS, 0) | {
            Kind(kind): count for kind, count in rows if Kind(kind) in PUBLIC_KINDS
        }

    def similar(self, kind: Kind, prefix: str, limit: int) -> list[ListingSummary]:
        """Listings to propose for a slug that does not exist: those that begin alike, and the largest."""
        table = schema.listing
        alike = select(table).where(
            table.c.kind == kind.value, table.c.slug >= prefix, table.c.slug < prefix + "\U0010ffff"
        )
        with self._serving.snapshot() as connection:
            rows = connection.execute(alike.limit(limit)).all()
            found = {row.id: self._state(row).summary for row in rows if row.entries}
        return [*found.values(), *(s for s in self.summaries(kind, limit) if s not in found.values())]

    # --- facts ----------------------------------------------------------------------------------

    def facts(self) -> BuildFacts:
        """The facts that the indexer noted of the serving build, such as when its last scan ended."""
        with self._serving.snapshot() as connection:
            return read_facts(connection, BuildFacts)

    def verdicts(self) -> dict[Verdict, int]:
        """The number of files with each verdict."""
        column = schema.file.c.verdict
        with self._serving.snapshot() as connection:
            rows = connection.execute(select(column, func.count()).group_by(column)).all()
        return {Verdict(verdict): count for verdict, count in rows}

    def judged_files(self) -> list[JudgedFile]:
        """The verdict and the findings of each file, in the order of their paths."""
        file = schema.file
        query = select(file.c.verdict, file.c.findings).order_by(file.c.root, file.c.path)
        with self._serving.snapshot() as connection:
            rows = connection.execute(query).all()
        return [
            JudgedFile(
                verdict=Verdict(row.verdict),
                findings=()
                if row.findings is None
                else msgspec.json.decode(row.findings, type=tuple[Finding, ...]),
            )
            for row in rows
        ]

    def findings(self) -> list[tuple[FileKey, Finding]]:
        """The findings of files, in the order of their paths, with doubled ids at the end."""
        file = schema.file
        query = (
            select(file.c.root, file.c.path, file.c.findings)
            .where(file.c.findings.is_not(None))
            .order_by(file.c.root, file.c.path)
        )
        with self._serving.snapshot() as connection:
            rows = connection.execute(query).all()
            doubled = connection.execute(_doubled_ids()).all()
            found = [
                (FileKey(root=row.root, path=row.path), finding)
                for row in rows
                for finding in msgspec.json.decode(row.findings, type=tuple[Finding, ...])
            ]
        found += [(FileKey(root=row.root, path=row.path), doubled_id(row.winner)) for row in doubled]
        return found

    def _listing(self, connection: Connection, key: ListingKey) -> tuple[ListingState | None, int | None]:
        """A listing's state, and the first month that has not ended; neither, if it never existed."""
        row = next(iter(rows_for(connection, _LISTING, key.kind.value, key.slug)), None)
        return (None, None) if row is None else (self._state(row), int(row.open_month or 0))

    def _state(self, row: Any) -> ListingState:
        return ListingState(
            key=ListingKey(kind=Kind(row.kind), slug=row.slug),
            id=row.id,
            version=row.version.hex(),
            changed=row.changed,
            retracted=row.retracted,
            build=self._serving.name,
            count=row.entries,
            title=row.title,
            since=moment_of(row.since),
            updated=None if row.updated is None else moment_of(row.updated),
            taxonomy=None if row.taxonomy is None else msgspec.json.decode(row.taxonomy, type=Taxonomy),
        )


def _selected(rows: Iterable[Any]) -> tuple[SelectedEntry, ...]:
    return tuple(
        SelectedEntry(article=_ARTICLE.decode(payload), updated=moment_of(updated), digest=digest.hex())
        for payload, updated, digest in rows
    )


def _doubled_ids() -> Select[Any]:
    """Files whose article has the same id as the live one of another file, and would be live itself.

    A candidate is live if it is not due, or due only for a later update or its expiry: an article that is not
    visible yet is due at its publication or before, and one that has expired is not due until then.
    """
    file, candidate, entry = schema.file, schema.candidate, schema.entry
    due, until = candidate.c.due, candidate.c.visible_until
    has_begun = or_(due.is_(None), and_(due > candidate.c.published, due > candidate.c.visible_from))
    other = schema.candidate.alias("winning")
    return (
        select(file.c.root, file.c.path, other.c.order_path.label("winner"))
        .join(candidate, candidate.c.file_id == file.c.id)
        .join(
            entry, and_(entry.c.article_id == candidate.c.article_id, entry.c.file_id != candidate.c.file_id)
        )
        .join(other, other.c.file_id == entry.c.file_id)
        .where(has_begun, or_(until.is_(None), due <= until))
        .order_by(file.c.root, file.c.path)
    )


def moment_of(seconds: int) -> datetime:
    """A time of the tables: whole seconds since the epoch, UTC."""
    return datetime.fromtimestamp(seconds, UTC)
