"""The one writer of the index.

Takes changes of files, lets `decisions` decide which articles are live now, and writes the difference:
entries, listings and their versions, in one transaction per batch, so that a reader sees a batch whole or not
at all (promise 7). The publication history is written first; after a crash in between, `recovery` sets it
back to the published state (promise 2). Reads no file and no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from heapq import merge
from itertools import chain
from operator import itemgetter

from sqlalchemy import Connection, select, update

from feedserver.articles.selections.values import ListingRules
from feedserver.index import candidates, schema, search
from feedserver.index.archives import month_bounds, month_of
from feedserver.index.contents import content_of, reading_of
from feedserver.index.decisions import CLOCK_STEP_SECONDS, MOST_AHEAD_SECONDS, LiveEntry, Usable
from feedserver.index.entries import (
    decided_entries,
    remove_entries,
    store_entries,
    stored_entries,
    updated_after,
)
from feedserver.index.facts import BuildFacts, HistoryFacts
from feedserver.index.file_values import FileChange, FileContent, FileKey, Stamp
from feedserver.index.files import file_ids, occupied, remove_files, stamps_at, store_files, stored_stamps
from feedserver.index.history import PublicationHistory
from feedserver.index.ledger import Ledger, create_listings, name_of, quiet_since, write_ledger
from feedserver.index.loading import load
from feedserver.index.noted import read_facts, write_facts
from feedserver.index.recovery import recover
from feedserver.index.source_links import mark_all_outdated, mark_outdated, store_links
from feedserver.index.taxonomies import store_taxonomies, stored_taxonomies
from feedserver.index.transactions import transaction
from feedserver.model import Kind, ListingKey, Reading, Verdict

# How many rows of files are read at a time to compare them with a walk, also in a rescan of a million files.
STAMPS_AT_A_TIME = 2000
_AFTER_ALL = "\U0010ffff"


class IndexWriter:
    """Changes one build of the index. For one thread; there is one per build and process.

    Args:
        connection: of the build.
        history: consulted and written before each commit.
        rules: that decide the listings of articles.
    """

    def __init__(self, connection: Connection, history: PublicationHistory, rules: ListingRules) -> None:
        self._connection = connection
        self._history = history
        self._rules = rules
        self._published_by: int | None = None
        self._outdated: set[FileKey] = set()

    @property
    def connection(self) -> Connection:
        """The connection to the build; the only one that this process may have."""
        return self._connection

    # --- facts about the build ------------------------------------------------------------------

    def create(self, facts: BuildFacts, now: int) -> None:
        """Make the tables of a new build, with every known listing, still empty.

        The publication history knows listings. The listing of everything and the feeds of the settings exist
        before their first article.
        """
        known = self._history.listings()
        titles = {ListingKey(kind=Kind.ARTICLES): ""}
        titles |= {ListingKey(kind=Kind.FEED, slug=one.name): one.title for one in self._rules.feeds}
        declared = {key: (title, known[key][1] if key in known else now) for key, title in titles.items()}
        self._history.remember_listings({key: row for key, row in declared.items() if known.get(key) != row})
        with transaction(self._connection, write=True):
            schema.index.create_all(self._connection)
            for late in schema.LATE_INDEXES:
                late.drop(self._connection)
            if self._rules.is_searched:
                search.create(self._connection)
            self._note(facts)
            self._note(BuildFacts(open_month=month_of(now), sequence=self._history.last_sequence()))
            listings = {name_of(key): row for key, row in (known | declared).items()}
            create_listings(self._connection, listings, self._next_sequence(now, is_seen=False))

    def recover(self, now: int) -> None:
        """Set the publication history to the state of this build, after a commit that only one of them
        has."""
        with transaction(self._connection, write=True):
            recover(self._connection, self._history, self._next_sequence(now))

    def note(self, facts: BuildFacts) -> None:
        """Note some facts of the build, and leave the others as they are."""
        with transaction(self._connection, write=True):
            self._note(facts)

    def _note(self, facts: BuildFacts) -> None:
        write_facts(self._connection, facts)

    def _facts(self, *names: str) -> BuildFacts:
        return read_facts(self._connection, BuildFacts, *names)

    def _next_sequence(self, now: int, *, is_seen: bool = True) -> int:
        """The number of this commit. Follows the clock, and grows in the next build too.

        It is noted in the publication history with all other changes there, so that changes without a commit
        are found after a crash. Commits to a build that is still made beside the serving one are not noted.
        """
        sequence = max((self._facts("sequence").sequence or 0) + 1, now * 1_000_000)
        self._published_by = max(self._latest_clock(), now)
        self._note(BuildFacts(sequence=sequence, published_by=self._published_by))
        if is_seen:
            self._history.note(HistoryFacts(sequence=sequence))
        return sequence

    # --- stored files ---------------------------------------------------------------------------

    def stamps(self, root: int) -> Iterator[tuple[str, Stamp]]:
        """Paths and stamps of all files of a root, in their order.

        They are read some at a time, so changes behind the place that was reached are seen.
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
                # The next text that a database can hold; PostgreSQL refuses "\0".
                first = f"{page[-1][0]}\x01"

    def is_in_use(self, key: FileKey) -> bool:
        """Whether a file holds an article that is or will be shown, or describes a listing."""
        with transaction(self._connection):
            ids = list(file_ids(self._connection, [key]).values())
            return bool(
                candidates.stored_contents(self._connection, ids) or stored_taxonomies(self._connection, ids)
            )

    def claiming(self, article_ids: Iterable[str]) -> list[FileKey]:
        """The files that claim to be some articles, in any order."""
        with transaction(self._connection):
            return candidates.claiming_files(self._connection, article_ids)

    def take_outdated(self) -> set[FileKey]:
        """Take the files to be read again, because articles that they link to have other addresses now."""
        taken, self._outdated = self._outdated, set()
        return taken

    def has_outdated(self) -> bool:
        """Whether `take_outdated` has files."""
        return bool(self._outdated)

    def next_due(self) -> int:
        """The next moment, in seconds since the epoch, at which time alone changes an article or ends a
        month."""
        with transaction(self._connection):
            month_end = month_bounds(self._open_month())[1]
            return min(candidates.earliest_due(self._connection) or month_end, month_end)

    # --- batches --------------------------------------------------------------------------------

    @contextmanager
    def _commit(self) -> Iterator[None]:
        """One commit to the publication history, then one to the build; neither if the block raises."""
        with transaction(self._connection, write=True), self._history.one_commit():
            yield

    def apply(self, changes: Sequence[FileChange], now: int) -> int:
        """Bring the index up to date with files as they were read.

        Args:
            changes: at most one per file.
            now: the time of indexing, in seconds since the epoch.

        Returns:
            The number of articles that appeared, changed or disappeared.
        """
        with self._commit():
            sequence = self._next_sequence(now)
            changed = self._settle(self._store(changes, sequence, now), sequence, now)
            gone = [change.key for change in changes if change.content is None]
            self._outdated |= mark_outdated(self._connection, (), gone)
            return changed

    def stage(self, changes: Sequence[FileChange], now: int) -> None:
        """Store files as they were read and publish nothing, in a build that no process reads yet.

        If two files have one id, the publication history must not learn of the losing one only because it was
        read first: it would then date the other one anew.
        """
        with self._commit():
            self._store(changes, self._next_sequence(now, is_seen=False), now)

    def publish_staged(self, now: int) -> int:
        """Publish all that was staged. Returns the number of articles that appeared."""
        with self._commit():
            sequence = self._next_sequence(now)
            if self._is_ahead_of(now):
                self._take_back(sequence, now)  # of files that were staged before the clock was set back
        changed = load(self._connection, self._history, sequence, now)
        with transaction(self._connection, write=True):
            if self._rules.is_searched:
                search.finish(self._connection)
            self._outdated |= mark_all_outdated(self._connection)
        return changed

    def advance(self, now: int) -> int:
        """Publish articles that are due, and end months. Returns the number of articles that changed."""
        with self._commit():
            if self._open_month() < month_of(now):
                self._open(month_of(now), self._next_sequence(now))
            touched = candidates.take_due(self._connection, now)
            return self._settle(touched, self._next_sequence(now), now) if touched else 0

    def seconds_ahead(self, now: int) -> int:
        """By how much the clock was set back since the last publication; 0 if by a few seconds only."""
        with transaction(self._connection):
            return self._latest_clock() - now if self._is_ahead_of(now) else 0

    def retreat(self, now: int) -> int:
        """Decide again which articles are due, after the clock was set back: others are hidden (promise 6).

        Returns the number of articles that changed.
        """
        with self._commit():
            sequence = self._next_sequence(now)
            return self._settle(self._take_back(sequence, now), sequence, now)

    def _is_ahead_of(self, now: int) -> bool:
        return self._latest_clock() > now + CLOCK_STEP_SECONDS

    def _latest_clock(self) -> int:
        """The latest clock by which something was published."""
        if self._published_by is None:
            self._published_by = self._facts("published_by").published_by or 0
        return self._published_by

    def _take_back(self, sequence: int, now: int) -> set[str]:
        """Follow the clock back. Returns the ids of the articles that may change."""
        self._published_by = now
        self._note(BuildFacts(published_by=now))
        self._open(month_of(now), sequence)
        self._history.remember_listings(quiet_since(self._connection, sequence, now))
        early = candidates.take_back_due(self._connection, now)
        return early | updated_after(self._connection, now + MOST_AHEAD_SECONDS)

    def _open_month(self) -> int:
        """The first month that has not ended, as the index has it."""
        return self._facts("open_month").open_month or 0

    def _open(self, month: int, sequence: int) -> None:
        """Make a month the open one, and mark all listings with entries in the months between as changed."""
        before = self._open_month()
        table, listing = schema.month, schema.listing
        moved = select(table.c.listing_id).where(
            table.c.month >= min(before, month), table.c.month < max(before, month)
        )
        self._connection.execute(update(listing).where(listing.c.id.in_(moved)).values(changed=sequence))
        self._note(BuildFacts(open_month=month))

    # --- storing --------------------------------------------------------------------------------

    def _store(self, changes: Sequence[FileChange], sequence: int, now: int) -> set[str]:
        """Store files and their contents. Returns the ids of the articles that may have changed."""
        ids = store_files(self._connection, changes)
        usable, kept = self._usable(changes, ids)
        replaced = set(ids.values()) - kept
        stored = candidates.store_candidates(
            self._connection, usable, replaced, now, are_searched=self._rules.is_searched
        )
        if stored.are_ranks_changed:
            self._note(BuildFacts(ranked=sequence))
        described = store_taxonomies(self._connection, usable, replaced, sequence=sequence, now=now)
        self._history.remember_listings(described)
        store_links(self._connection, changes, ids)
        remove_files(self._connection, changes, ids)
        return stored.touched

    def _usable(
        self, changes: Sequence[FileChange], ids: Mapping[FileKey, int]
    ) -> tuple[list[Usable], set[int]]:
        """The contents that count, and the ids of the files whose stored content stays as it is.

        A broken file keeps its last good version (promise 5): the one in the index, which then goes into the
        publication history too, or after a rebuild the one in the publication history.
        """
        remembered = self._history.last_good(change.order_path for change in changes)
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
                stated: FileContent | None = content_of(reading, self._rules)
            else:
                stated, mtime = change.content, _mtime_of(change)
                if path in remembered:
                    forget.append(path)
            if file_id is not None and stated is not None:
                usable.append(Usable(file_id=file_id, order_path=path, content=stated, mtime=mtime))
        self._history.replace_last_good(keep, forget)
        return usable, set(standing)

    def _standing(self, broken: Iterable[int]) -> dict[int, tuple[FileContent, int]]:
        """The stored contents of files that are broken now, and their mtimes."""
        wanted = list(broken)
        described = stored_taxonomies(self._connection, wanted)
        return {
            file_id: (FileContent(verdict=Verdict.TAXONOMY, taxonomy=taxonomy), 0)
            for file_id, taxonomy in described.items()
        } | candidates.stored_contents(self._connection, wanted)

    # --- publishing -----------------------------------------------------------------------------

    def _settle(self, touched: set[str], sequence: int, now: int) -> int:
        """Make the entries of the touched ids agree with their candidates. Returns how many changed."""
        if not touched:
            return 0
        old = stored_entries(self._connection, touched)
        new = decided_entries(self._connection, self._history, touched, now)
        ledger = Ledger()
        changed = sorted(key for key in touched if old.get(key) != new.get(key))
        for key in changed:
            ledger.move(old.get(key), new.get(key))
        if any(_is_of_another_file(old.get(key), new.get(key)) for key in changed):
            self._note(BuildFacts(ranked=sequence))
        remove_entries(self._connection, [key for key in changed if key in old])
        store_entries(self._connection, [new[key] for key in changed if key in new])
        self._history.remember_listings(write_ledger(self._connection, ledger, sequence, now))
        files = {entry.file_id for key in changed for entry in (old.get(key), new.get(key)) if entry}
        self._outdated |= mark_outdated(self._connection, files, ())
        return len(changed)


def _is_of_another_file(old: LiveEntry | None, new: LiveEntry | None) -> bool:
    """Whether the same article comes from another file, which may state another quality or heat."""
    return old is not None and new is not None and old.file_id != new.file_id


def _mtime_of(change: FileChange) -> int:
    """In seconds since the epoch; 0 if the file is gone."""
    return 0 if change.stamp is None else change.stamp.mtime_ns // 1_000_000_000


def _is_broken(change: FileChange) -> bool:
    return change.content is not None and change.content.verdict is Verdict.BROKEN
