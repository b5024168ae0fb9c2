"""The one writer of the index.

Takes what was read of files, decides what is live now, and writes the difference: entries, listings
and their versions, in one transaction per batch, so that a reader sees a batch whole or not at all
(promise 7). The memory is written first; if the process dies in between, `recovery` lets it go back to what
was published (promise 2). Reads no file and no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import chain
from operator import itemgetter

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert

from feedserver.archives import month_bounds, month_of
from feedserver.index import candidates, schema
from feedserver.index.builds import transaction
from feedserver.index.contents import content_of, reading_of
from feedserver.index.decisions import Usable
from feedserver.index.entries import decided_entries, remove_entries, store_entries, stored_entries
from feedserver.index.files import file_ids, occupied, remove_files, stamps_at, store_files, stored_stamps
from feedserver.index.ledger import Ledger, create_facets, name_of, write_ledger
from feedserver.index.loading import load
from feedserver.index.memory import Memory
from feedserver.index.recovery import recover
from feedserver.index.statements import write_rows
from feedserver.index.taxonomies import store_taxonomies, stored_taxonomies
from feedserver.model import (
    FileChange,
    FileContent,
    FileKey,
    Kind,
    ListingKey,
    Reading,
    Selection,
    Stamp,
    Verdict,
)

# Rows of files to be compared with a walk; a rescan of a million files holds no more of them.
STAMPS_AT_A_TIME = 2000
_AFTER_ALL = "\U0010ffff"

_INSERT_FACT = insert(schema.meta)
_UPSERT_FACT = _INSERT_FACT.on_conflict_do_update(
    index_elements=["key"], set_={"value": _INSERT_FACT.excluded["value"]}
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
            for late in schema.LATE_INDEXES:
                late.drop(self._connection)
            facts = {**facts, "open_month": str(month_of(now))}
            self._remember({**facts, schema.SEQUENCE: str(self._memory.last_sequence())})
            listings = {name_of(key): row for key, row in (known | declared).items()}
            create_facets(self._connection, listings, self._next_sequence(now, is_seen=False))

    def recover(self, now: int) -> None:
        """Make the memory agree with what this build published, after a commit that only one of them has."""
        with transaction(self._connection, write=True):
            recover(self._connection, self._memory, self._next_sequence(now))

    def note(self, facts: Mapping[str, str]) -> None:
        """Store facts about the build, such as when the last scan ended."""
        with transaction(self._connection, write=True):
            self._remember(facts)

    def _remember(self, facts: Mapping[str, str]) -> None:
        write_rows(self._connection, _UPSERT_FACT, ("key", "value"), list(facts.items()))

    def _next_sequence(self, now: int, *, is_seen: bool = True) -> int:
        """Numbers commits; follows the clock, and goes on growing in another build.

        The memory is told before it is told anything else, so that it never knows more than it says; but not
        of a commit that nobody will see, to a build that is made beside the serving one.
        """
        stored = self._connection.scalar(
            select(schema.meta.c.value).where(schema.meta.c.key == schema.SEQUENCE)
        )
        sequence = max(int(stored or 0) + 1, now * 1_000_000)
        self._remember({schema.SEQUENCE: str(sequence)})
        if is_seen:
            self._memory.remember_fact(schema.SEQUENCE, str(sequence))
        return sequence

    # --- what is known of files -----------------------------------------------------------------

    def stamps(self, root: int) -> Iterator[tuple[str, Stamp]]:
        """Paths and stamps of all files of a root, in their order.

        Read some at a time: what is written meanwhile behind the place that was reached is seen.
        """
        return self._stamps(root, "", _AFTER_ALL)

    def stamps_under(self, root: int, paths: Sequence[str]) -> Iterator[tuple[str, Stamp]]:
        """Paths and stamps of the files at or below some paths, none of which is below another.

        In their order, and read as `stamps` are.
        """
        if "" in paths:
            return self.stamps(root)
        with transaction(self._connection):
            files = sorted(stamps_at(self._connection, root, paths))
            folders = sorted(f"{path}/" for path in occupied(self._connection, root, paths))
        # Everything that begins with "folder/" sorts between it and "folder0".
        below = (self._stamps(root, folder, f"{folder[:-1]}0") for folder in folders)
        return merge(files, chain.from_iterable(below), key=itemgetter(0))

    def _stamps(self, root: int, first: str, before: str) -> Iterator[tuple[str, Stamp]]:
        is_more = True
        while is_more:
            with transaction(self._connection):
                page = stored_stamps(self._connection, root, first, before, STAMPS_AT_A_TIME)
            yield from page
            is_more = len(page) == STAMPS_AT_A_TIME
            if is_more:
                first = f"{page[-1][0]}\0"

    def is_in_use(self, key: FileKey) -> bool:
        """Whether a file holds an article that is or will be shown, or describes a listing."""
        with transaction(self._connection):
            ids = list(file_ids(self._connection, [key]).values())
            return bool(
                candidates.stored_contents(self._connection, ids) or stored_taxonomies(self._connection, ids)
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
            self._store(changes, self._next_sequence(now, is_seen=False), now)

    def publish_staged(self, now: int) -> int:
        """Publish all that was staged. Returns the number of articles that appeared."""
        with transaction(self._connection, write=True):
            sequence = self._next_sequence(now)
        return load(self._connection, self._memory, sequence, now)

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
        """The contents that count, and the ids of the files of which what is stored stays as it is.

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
                content, mtime = standing[file_id]
                keep[path] = reading_of(content), mtime
                continue
            if _is_broken(change) and path in remembered:
                reading, mtime = remembered[path]
                stated: FileContent | None = content_of(reading, self._selections)
            else:
                stated, mtime = change.content, _mtime_of(change)
                if path in remembered:
                    forget.append(path)
            if file_id is not None and stated is not None:
                usable.append(Usable(file_id=file_id, order_path=path, content=stated, mtime=mtime))
        self._memory.replace_last_good(keep, forget)
        return usable, set(standing)

    def _standing(self, broken: Iterable[int]) -> dict[int, tuple[FileContent, int]]:
        """What the index holds of files that are broken now, with its mtime."""
        wanted = list(broken)
        described = stored_taxonomies(self._connection, wanted)
        return {
            file_id: (FileContent(verdict=Verdict.TAXONOMY, taxonomy=taxonomy), 0)
            for file_id, taxonomy in described.items()
        } | candidates.stored_contents(self._connection, wanted)

    # --- what is live ---------------------------------------------------------------------------

    def _settle(self, touched: set[str], sequence: int, now: int) -> int:
        """Make the entries of the touched ids what their claims say. Returns how many changed."""
        if not touched:
            return 0
        old = stored_entries(self._connection, touched)
        new = decided_entries(self._connection, self._memory, touched, now)
        ledger = Ledger()
        changed = sorted(key for key in touched if old.get(key) != new.get(key))
        for key in changed:
            ledger.move(old.get(key), new.get(key))
        remove_entries(self._connection, [key for key in changed if key in old])
        store_entries(self._connection, [new[key] for key in changed if key in new])
        self._memory.remember_listings(write_ledger(self._connection, ledger, sequence, now))
        return len(changed)


def _mtime_of(change: FileChange) -> int:
    """In seconds since the epoch; 0 of what is gone."""
    return 0 if change.stamp is None else change.stamp.mtime_ns // 1_000_000_000


def _is_broken(change: FileChange) -> bool:
    return change.content is not None and change.content.verdict is Verdict.BROKEN
