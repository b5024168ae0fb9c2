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
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from feedserver.archives import month_bounds, month_of
from feedserver.articles.digests import visible_digest
from feedserver.index import candidates, schema
from feedserver.index.builds import in_pieces, transaction, write_rows
from feedserver.index.decisions import Candidate, KnownArticle, Usable, decide_updated, listings_of
from feedserver.index.files import file_ids, remove_files, store_files, stored_stamps
from feedserver.index.ledger import Ledger, LiveEntry, create_facets
from feedserver.index.memory import Memory
from feedserver.index.taxonomies import store_taxonomies, stored_taxonomies
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
        """Make the tables of a new build, with every listing that is known, still empty.

        Known is what the memory knows, everything, and each feed of the settings: it exists before its
        first article.
        """
        known = self._memory.listings()
        titles = {ListingKey(kind=Kind.ARTICLES): ""}
        titles |= {ListingKey(kind=Kind.FEED, slug=one.name): one.title for one in self._selections}
        declared = {key: (title, known[key][1] if key in known else now) for key, title in titles.items()}
        self._memory.remember_listings({key: row for key, row in declared.items() if known.get(key) != row})
        with transaction(self._connection, write=True):
            schema.index.create_all(self._connection)
            facts = {**facts, "open_month": str(month_of(now))}
            self._remember({**facts, "sequence": str(self._memory.last_sequence())})
            create_facets(self._connection, known | declared, self._next_sequence(now))

    def note(self, facts: Mapping[str, str]) -> None:
        """Store facts about the build, such as when the last scan ended."""
        with transaction(self._connection, write=True):
            self._remember(facts)

    def _remember(self, facts: Mapping[str, str]) -> None:
        statement = insert(schema.meta)
        write_rows(
            self._connection,
            statement.on_conflict_do_update(
                index_elements=["key"], set_={"value": statement.excluded["value"]}
            ),
            [{"key": key, "value": value} for key, value in facts.items()],
        )

    def _next_sequence(self, now: int) -> int:
        """Numbers commits; follows the clock, and goes on growing in another build."""
        stored = self._connection.scalar(select(schema.meta.c.value).where(schema.meta.c.key == "sequence"))
        sequence = max(int(stored or 0) + 1, now * 1_000_000)
        self._remember({"sequence": str(sequence)})
        return sequence

    # --- what is known of files -----------------------------------------------------------------

    def stamps(self, root: int, under: str = "") -> dict[str, Stamp]:
        """The stamps of all files of a root, or of those at or below one path."""
        with transaction(self._connection):
            return stored_stamps(self._connection, root, under)

    def is_in_use(self, key: FileKey) -> bool:
        """Whether a file holds an article that is or will be shown, or describes a listing."""
        with transaction(self._connection):
            ids = list(file_ids(self._connection, [key]).values())
            return bool(
                candidates.stored_readings(self._connection, ids) or stored_taxonomies(self._connection, ids)
            )

    def next_due(self) -> int:
        """The next moment (seconds) at which an article appears or changes by time alone, or a month ends."""
        with transaction(self._connection):
            month_end = month_bounds(self._open_month())[1]
            return min(candidates.earliest_due(self._connection) or month_end, month_end)

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
            sequence = self._next_sequence(now)
            return self._settle(self._store(changes, sequence, now), sequence, now)

    def stage(self, changes: Sequence[FileChange], now: int) -> None:
        """Store files as they were read and publish nothing, in a build that nobody reads yet.

        Where two files have one id, the memory must not learn of the one that loses, only because it was
        read first: it would date the other one anew.
        """
        with transaction(self._connection, write=True):
            self._store(changes, self._next_sequence(now), now)

    def publish_staged(self, now: int) -> int:
        """Publish all that was staged. Returns the number of articles that appeared."""
        changed, last = 0, ""
        while True:
            with transaction(self._connection, write=True):
                touched = candidates.claimed_ids(self._connection, after=last)
                if not touched:
                    return changed
                changed += self._settle(set(touched), self._next_sequence(now), now)
            last = touched[-1]

    def advance(self, now: int) -> int:
        """Publish what has become due, and end months. Returns the number of articles that changed."""
        with transaction(self._connection, write=True):
            self._end_months(now)
            touched = candidates.take_due(self._connection, now)
            return self._settle(touched, self._next_sequence(now), now) if touched else 0

    def _open_month(self) -> int:
        """The first month that has not ended, as the index knows."""
        stored = self._connection.scalar(select(schema.meta.c.value).where(schema.meta.c.key == "open_month"))
        return int(stored or 0)

    def _end_months(self, now: int) -> None:
        """Let the clock's month be the open one, and look again at all that had entries in one that ended."""
        before, open_month = self._open_month(), month_of(now)
        if open_month <= before:
            return
        table, facet = schema.month, schema.facet
        ended = select(table.c.facet_id).where(table.c.month >= before, table.c.month < open_month)
        self._connection.execute(
            update(facet).where(facet.c.id.in_(ended)).values(changed=self._next_sequence(now))
        )
        self._remember({"open_month": str(open_month)})

    # --- what is stored -------------------------------------------------------------------------

    def _store(self, changes: Sequence[FileChange], sequence: int, now: int) -> set[str]:
        """Store what files are and say. Returns the ids of the articles that may have changed."""
        ids = store_files(self._connection, changes)
        usable, kept = self._usable(changes, ids)
        replaced = set(ids.values()) - kept
        touched = candidates.store_candidates(self._connection, usable, replaced, now)
        described = store_taxonomies(self._connection, usable, replaced, sequence=sequence, now=now)
        self._memory.remember_listings(described)
        remove_files(self._connection, changes, ids)
        return touched

    def _usable(
        self, changes: Sequence[FileChange], ids: Mapping[FileKey, int]
    ) -> tuple[list[Usable], set[int]]:
        """The readings that count, and the ids of the files of which what is stored stays as it is.

        A broken file keeps its last good version (promise 5): the one in the index, which then also
        goes into the memory, or after a rebuild the one in the memory.
        """
        remembered = self._memory.last_good(change.order_path for change in changes)
        standing = self._standing(ids[change.key] for change in changes if _is_broken(change))
        usable: list[Usable] = []
        keep: dict[str, tuple[Reading, int]] = {}
        forget: list[str] = []
        for change in changes:
            file_id, path = ids.get(change.key), change.order_path
            if _is_broken(change) and file_id in standing:
                keep[path] = standing[file_id]
                continue
            reading, mtime = change.reading, _mtime_of(change)
            if _is_broken(change) and path in remembered:
                reading, mtime = remembered[path]
            elif path in remembered:
                forget.append(path)
            if file_id is not None and reading is not None:
                usable.append(Usable(file_id=file_id, order_path=path, reading=reading, mtime=mtime))
        self._memory.replace_last_good(keep, forget)
        return usable, set(standing)

    def _standing(self, broken: Iterable[int]) -> dict[int, tuple[Reading, int]]:
        """What the index holds of files that are broken now, with its mtime."""
        wanted = list(broken)
        described = stored_taxonomies(self._connection, wanted)
        return {
            file_id: (Reading(verdict=Verdict.TAXONOMY, taxonomy=taxonomy), 0)
            for file_id, taxonomy in described.items()
        } | candidates.stored_readings(self._connection, wanted)

    # --- what is live ---------------------------------------------------------------------------

    def _settle(self, touched: set[str], sequence: int, now: int) -> int:
        """Make the entries of the touched ids what their claims say. Returns how many changed."""
        if not touched:
            return 0
        known = self._memory.articles(touched)
        candidates.date_by_first_sight(self._connection, known, now)
        winners = candidates.winners(self._connection, touched, now)
        old = self._entries(touched)
        new = self._live_entries(winners, known, now)
        ledger = Ledger(self._connection, sequence, now)
        changed = sorted(key for key in touched if old.get(key) != new.get(key))
        for key in changed:
            ledger.move(old.get(key), new.get(key))
        self._replace_entries(changed, new)
        self._memory.remember_listings(ledger.close())
        return len(changed)

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

    def _live_entries(
        self, winners: Mapping[str, tuple[Candidate, Any]], known: Mapping[str, KnownArticle], now: int
    ) -> dict[str, LiveEntry]:
        """The entries to publish, remembered before they are."""
        learned: dict[str, KnownArticle] = {}
        entries: dict[str, LiveEntry] = {}
        for key, (candidate, row) in winners.items():
            article = msgspec.json.decode(row.payload, type=Article)
            digest = visible_digest(article)
            before = known.get(key)
            updated = decide_updated(candidate, digest, before, now)
            first_seen = None if before is None else before.first_seen
            if candidate.date_is_provisional:
                first_seen = candidate.published
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
            write_rows(self._connection, insert(schema.entry), rows)


def _mtime_of(change: FileChange) -> int:
    """In seconds since the epoch; 0 of what is gone."""
    return 0 if change.stamp is None else change.stamp.mtime_ns // 1_000_000_000


def _is_broken(change: FileChange) -> bool:
    return change.reading is not None and change.reading.verdict is Verdict.BROKEN


def _entry_digest(payload: bytes, updated: int) -> bytes:
    """Stands for all that feeds show of an entry, the rendered body included."""
    digest = hashlib.blake2b(payload, digest_size=16)
    digest.update(updated.to_bytes(8, "big", signed=True))
    return digest.digest()


def _listings_json(listings: Mapping[ListingKey, str]) -> bytes:
    rows = sorted([key.kind.value, key.slug, text] for key, text in listings.items())
    return json.dumps(rows, ensure_ascii=False).encode()
