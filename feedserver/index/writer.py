"""The one writer of the index.

Takes what was read of files, decides what is live now, and writes the difference: entries, listings
and their versions, in one transaction per batch, so that a reader sees a batch whole or not at all
(promise 7). The memory is written first: if the process dies in between, the next reading of the
same files decides the same (promise 2). Reads no file and no clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from feedserver.articles.digests import visible_digest
from feedserver.index import schema
from feedserver.index.builds import in_pieces, transaction
from feedserver.index.decisions import (
    Candidate,
    KnownArticle,
    choose_winner,
    decide_updated,
    listings_of,
    next_due,
)
from feedserver.index.ledger import Ledger, LiveEntry, create_facets
from feedserver.index.memory import Memory
from feedserver.index.taxonomies import store_taxonomies
from feedserver.model import (
    Article,
    FileChange,
    FileKey,
    Kind,
    ListingKey,
    Reading,
    Selection,
    Stamp,
    Verdict,
)


class IndexWriter:
    """Changes one build of the index. Not thread-safe; there is one per build and process.

    Args:
        connection: of the build.
        memory: consulted and written before each commit.
        selections: the feeds that the settings define.
    """

    def __init__(self, connection: Connection, memory: Memory, selections: Sequence[Selection] = ()) -> None:
        self._connection = connection
        self._memory = memory
        self._selections = tuple(selections)

    # --- facts about the build ------------------------------------------------------------------

    def create(self, facts: Mapping[str, str], now: int) -> None:
        """Make the tables of a new build, with every listing that the memory knows, still empty."""
        with transaction(self._connection, write=True):
            schema.index.create_all(self._connection)
            self._remember(facts)
            create_facets(self._connection, self._memory.listings(), self._next_sequence(now))

    def note(self, facts: Mapping[str, str]) -> None:
        """Store facts about the build, such as when the last scan ended."""
        with transaction(self._connection, write=True):
            self._remember(facts)

    def _remember(self, facts: Mapping[str, str]) -> None:
        statement = insert(schema.meta)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["key"], set_={"value": statement.excluded["value"]}
            ),
            [{"key": key, "value": value} for key, value in facts.items()],
        )

    def _next_sequence(self, now: int) -> int:
        """Numbers commits; follows the clock, so that it goes on growing in another build."""
        stored = self._connection.scalar(select(schema.meta.c.value).where(schema.meta.c.key == "sequence"))
        sequence = max(int(stored or 0) + 1, now * 1_000_000)
        self._remember({"sequence": str(sequence)})
        return sequence

    # --- what is known of files -----------------------------------------------------------------

    def stamps(self, root: int, under: str = "") -> dict[str, Stamp]:
        """The stamps of all files of a root, or of those at or below one path."""
        table = schema.file
        query = select(table.c.path, table.c.mtime_ns, table.c.ctime_ns, table.c.size, table.c.inode).where(
            table.c.root == root
        )
        if under:
            # Everything that begins with "under/" sorts between it and "under0".
            below = (table.c.path > f"{under}/") & (table.c.path < f"{under}0")
            query = query.where((table.c.path == under) | below)
        with transaction(self._connection):
            rows = self._connection.execute(query).all()
        return {
            row.path: Stamp(mtime_ns=row.mtime_ns, ctime_ns=row.ctime_ns, size=row.size, inode=int(row.inode))
            for row in rows
        }

    def has_article(self, key: FileKey) -> bool:
        """Whether a file holds an article that is or will be shown."""
        file, candidate = schema.file, schema.candidate
        query = (
            select(candidate.c.file_id)
            .join(file, file.c.id == candidate.c.file_id)
            .where(file.c.root == key.root, file.c.path == key.path)
        )
        with transaction(self._connection):
            return self._connection.scalar(query) is not None

    def next_due(self) -> int | None:
        """The next moment (seconds) at which an article appears or changes by time alone."""
        with transaction(self._connection):
            due: int | None = self._connection.scalar(select(func.min(schema.candidate.c.due)))
        return due

    # --- batches --------------------------------------------------------------------------------

    def apply(self, changes: Sequence[FileChange], now: int) -> int:
        """Bring the index up to date with files as they were read.

        Args:
            changes: at most one per file.
            now: the time of indexing, in seconds since the epoch.

        Returns:
            The number of articles that appeared, changed or disappeared.
        """
        with transaction(self._connection, write=True):
            ids = self._store_files(changes)
            touched = self._store_candidates(changes, ids, now)
            sequence = self._next_sequence(now)
            store_taxonomies(self._connection, changes, ids, sequence=sequence, now=now)
            self._remove_files(changes, ids)
            return self._settle(touched, sequence, now)

    def advance(self, now: int) -> int:
        """Publish what has become due. Returns the number of articles that changed."""
        table = schema.candidate
        with transaction(self._connection, write=True):
            rows = self._connection.execute(select(table).where(table.c.due <= now)).all()
            if not rows:
                return 0
            self._connection.execute(
                update(table).where(table.c.file_id == bindparam("file")).values(due=bindparam("next")),
                [
                    {"file": row.file_id, "next": next_due(row.published, row.declared_update, now)}
                    for row in rows
                ],
            )
            return self._settle({row.article_id for row in rows}, self._next_sequence(now), now)

    # --- files ----------------------------------------------------------------------------------

    def _store_files(self, changes: Sequence[FileChange]) -> dict[FileKey, int]:
        """Upsert the rows of files that exist; the ids of all that are or were known."""
        statement = insert(schema.file)
        columns = ("mtime_ns", "ctime_ns", "size", "inode", "verdict", "findings")
        rows = [
            {
                "root": change.key.root,
                "path": change.key.path,
                "mtime_ns": change.stamp.mtime_ns,
                "ctime_ns": change.stamp.ctime_ns,
                "size": change.stamp.size,
                "inode": str(change.stamp.inode),
                "verdict": change.reading.verdict.value,
                "findings": msgspec.json.encode(change.reading.findings) if change.reading.findings else None,
            }
            for change in changes
            if change.stamp is not None and change.reading is not None
        ]
        if rows:
            self._connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["root", "path"],
                    set_={name: statement.excluded[name] for name in columns},
                ),
                rows,
            )
        return self._file_ids(change.key for change in changes)

    def _file_ids(self, keys: Iterable[FileKey]) -> dict[FileKey, int]:
        table = schema.file
        by_root: dict[int, list[str]] = {}
        for key in keys:
            by_root.setdefault(key.root, []).append(key.path)
        ids = {}
        for root, paths in by_root.items():
            for piece in in_pieces(paths):
                query = select(table.c.id, table.c.path).where(table.c.root == root, table.c.path.in_(piece))
                for row in self._connection.execute(query):
                    ids[FileKey(root=root, path=row.path)] = row.id
        return ids

    def _remove_files(self, changes: Sequence[FileChange], ids: Mapping[FileKey, int]) -> None:
        gone = [ids[change.key] for change in changes if change.reading is None and change.key in ids]
        for piece in in_pieces(gone):
            self._connection.execute(delete(schema.file).where(schema.file.c.id.in_(piece)))

    # --- candidates -----------------------------------------------------------------------------

    def _store_candidates(
        self, changes: Sequence[FileChange], ids: Mapping[FileKey, int], now: int
    ) -> set[str]:
        """Replace what files claim. Returns the ids of the articles that may have changed."""
        before = self._candidate_rows(ids.values())
        usable, kept = self._usable_readings(changes, ids, before)
        obsolete = [file_id for file_id in before if file_id not in kept]
        for piece in in_pieces(obsolete):
            self._connection.execute(delete(schema.candidate).where(schema.candidate.c.file_id.in_(piece)))
        rows = self._rows_of(usable, ids, now)
        if rows:
            self._connection.execute(insert(schema.candidate), rows)
        touched = {before[file_id].article_id for file_id in obsolete}
        return touched | {row["article_id"] for row in rows}

    def _candidate_rows(self, file_ids: Iterable[int]) -> dict[int, Any]:
        table = schema.candidate
        return {
            row.file_id: row
            for piece in in_pieces(file_ids)
            for row in self._connection.execute(select(table).where(table.c.file_id.in_(piece)))
        }

    def _usable_readings(
        self, changes: Sequence[FileChange], ids: Mapping[FileKey, int], before: Mapping[int, Any]
    ) -> tuple[list[tuple[FileChange, Reading, int]], set[int]]:
        """The readings to publish, with their mtime in seconds, and the files whose claim stays as it is.

        A broken file keeps its last good version (promise 5): the one in the index, which then also
        goes into the memory, or after a rebuild the one in the memory.
        """
        remembered = self._memory.last_good(change.order_path for change in changes)
        usable: list[tuple[FileChange, Reading, int]] = []
        kept: set[int] = set()
        keep: dict[str, tuple[Reading, int]] = {}
        forget: list[str] = []
        for change in changes:
            reading, stamp = change.reading, change.stamp
            broken = reading is not None and reading.verdict is Verdict.BROKEN
            if broken and ids[change.key] in before:
                row = before[ids[change.key]]
                kept.add(row.file_id)
                keep[change.order_path] = (_reading_of(row), row.mtime)
            elif broken and change.order_path in remembered:
                usable.append((change, *remembered[change.order_path]))
            elif change.order_path in remembered:
                forget.append(change.order_path)
            if reading is not None and stamp is not None and reading.verdict is Verdict.ARTICLE:
                usable.append((change, reading, stamp.mtime_ns // 1_000_000_000))
        self._memory.replace_last_good(keep, forget)
        return usable, kept

    def _rows_of(
        self, usable: Sequence[tuple[FileChange, Reading, int]], ids: Mapping[FileKey, int], now: int
    ) -> list[dict[str, Any]]:
        undated = [
            reading.article.id for _, reading, _ in usable if reading.article and reading.date_is_provisional
        ]
        known = self._memory.articles(undated) if undated else {}
        rows = []
        for change, reading, mtime in usable:
            if reading.article is None:
                continue
            article = _with_first_sight(reading.article, known) if undated else reading.article
            published = int(article.published.timestamp())
            declared = None if article.updated is None else int(article.updated.timestamp())
            rows.append(
                {
                    "file_id": ids[change.key],
                    "article_id": article.id,
                    "order_path": change.order_path,
                    "published": published,
                    "declared_update": declared,
                    "mtime": mtime,
                    "date_is_provisional": reading.date_is_provisional,
                    "quality": reading.quality,
                    "heat": reading.heat,
                    "due": next_due(published, declared, now),
                    "payload": msgspec.json.encode(article),
                }
            )
        return rows

    # --- what is live ---------------------------------------------------------------------------

    def _settle(self, touched: set[str], sequence: int, now: int) -> int:
        """Make the entries of the touched ids what their candidates say. Returns how many changed."""
        if not touched:
            return 0
        winners = self._winners(touched, now)
        old = self._entries(touched)
        new = self._live_entries(winners, now)
        ledger = Ledger(self._connection, sequence, now)
        changed = [key for key in touched if old.get(key) != new.get(key)]
        for key in changed:
            if key in old:
                ledger.count_out(old[key])
            if key in new:
                ledger.count_in(new[key])
        self._replace_entries(changed, new)
        self._memory.remember_listings(ledger.close())
        return len(changed)

    def _winners(self, touched: set[str], now: int) -> dict[str, tuple[Candidate, Any]]:
        table = schema.candidate
        claims: dict[str, list[Candidate]] = {}
        rows: dict[int, Any] = {}
        for piece in in_pieces(touched):
            for row in self._connection.execute(select(table).where(table.c.article_id.in_(piece))):
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
        winners = {key: choose_winner(candidates, now) for key, candidates in claims.items()}
        return {key: (winner, rows[winner.file_id]) for key, winner in winners.items() if winner}

    def _entries(self, touched: set[str]) -> dict[str, LiveEntry]:
        table = schema.entry
        return {
            row.article_id: LiveEntry(
                article_id=row.article_id,
                file_id=row.file_id,
                published=row.published,
                updated=row.updated,
                digest=row.digest,
                listings={
                    ListingKey(kind=Kind(kind), slug=slug): text
                    for kind, slug, text in json.loads(row.listings)
                },
            )
            for piece in in_pieces(touched)
            for row in self._connection.execute(select(table).where(table.c.article_id.in_(piece)))
        }

    def _live_entries(self, winners: Mapping[str, tuple[Candidate, Any]], now: int) -> dict[str, LiveEntry]:
        """The entries to publish, remembered before they are."""
        known = self._memory.articles(winners)
        learned: dict[str, KnownArticle] = {}
        entries: dict[str, LiveEntry] = {}
        for key, (candidate, row) in winners.items():
            article = msgspec.json.decode(row.payload, type=Article)
            digest = visible_digest(article)
            before = known.get(key)
            updated = decide_updated(candidate, digest, before, now)
            first_seen = candidate.published if candidate.date_is_provisional else None
            after = KnownArticle(digest=digest, updated=updated, first_seen=first_seen)
            if after != before:
                learned[key] = after
            entries[key] = LiveEntry(
                article_id=key,
                file_id=candidate.file_id,
                published=candidate.published,
                updated=updated,
                digest=_entry_digest(row.payload, updated),
                listings=listings_of(article, row.quality, row.heat, self._selections),
            )
        self._memory.remember_articles(learned)
        return entries

    def _replace_entries(self, changed: Sequence[str], new: Mapping[str, LiveEntry]) -> None:
        for piece in in_pieces(changed):
            self._connection.execute(delete(schema.entry).where(schema.entry.c.article_id.in_(piece)))
        rows = [
            {
                "article_id": entry.article_id,
                "file_id": entry.file_id,
                "published": entry.published,
                "updated": entry.updated,
                "digest": entry.digest,
                "listings": _listings_json(entry.listings),
            }
            for entry in (new[key] for key in changed if key in new)
        ]
        if rows:
            self._connection.execute(insert(schema.entry), rows)


def _entry_digest(payload: bytes, updated: int) -> bytes:
    """Stands for all that feeds show of an entry, the rendered body included."""
    digest = hashlib.blake2b(payload, digest_size=16)
    digest.update(updated.to_bytes(8, "big", signed=True))
    return digest.digest()


def _listings_json(listings: Mapping[ListingKey, str]) -> bytes:
    rows = sorted([key.kind.value, key.slug, text] for key, text in listings.items())
    return json.dumps(rows, ensure_ascii=False).encode()


def _reading_of(row: Any) -> Reading:
    """The reading that a stored candidate came from."""
    return Reading(
        verdict=Verdict.ARTICLE,
        article=msgspec.json.decode(row.payload, type=Article),
        quality=row.quality,
        heat=row.heat,
        date_is_provisional=row.date_is_provisional,
    )


def _with_first_sight(article: Article, known: Mapping[str, KnownArticle]) -> Article:
    """The article dated by the time it was first seen, if it was seen before."""
    remembered = known.get(article.id)
    if remembered is None or remembered.first_seen is None:
        return article
    return msgspec.structs.replace(article, published=datetime.fromtimestamp(remembered.first_seen, UTC))
