"""From the address of a feed to its representation: select, render, represent, cache, remember.

The only place where index, renderers, cache and memory meet. The version of a listing says *look
again*; whether anything changed is said by the bytes, whose digest the memory compares with the one
it sent last (promise 3). Thread-safe: readers are per thread, rendering is one at a time, because it
is bound to the CPU and one render of a cold feed is enough for all who wait for it. Knows no HTTP.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from cachetools import LRUCache
from sqlalchemy.exc import SQLAlchemyError

from feedserver import __version__
from feedserver.cache import FeedCache
from feedserver.channels import SiteFacts, make_feed, summarise
from feedserver.errors import StateError, UnknownAddressError
from feedserver.index.memory import Memory
from feedserver.index.reader import FacetState, IndexReader, SelectedEntry
from feedserver.model import Feed, Format, ListingKey, ListingSummary, Value
from feedserver.render import MEDIA_TYPES, RENDERER_VERSION, render
from feedserver.representation import Representation, digest

log = logging.getLogger(__name__)

# Bytes of representations that a process keeps; both codings of some 150 full feeds.
READY_BYTES = 32_000_000

SWEEP_SECONDS = 3600.0

# A serving thread does not wait longer for another one's note in the memory. When that fails, the
# process leaves the memory alone for a while: nobody shall wait for it at every request.
MEMORY_PATIENCE_SECONDS = 0.5
MEMORY_PAUSE_SECONDS = 5.0


class FeedLimits(Value, frozen=True):
    """How long a feed gets: entries at most, and bytes at which it stops growing beyond a minimum."""

    entries: int
    min_entries: int
    max_bytes: int


class _Ready(NamedTuple):
    build: str
    changed: int
    representation: Representation


class _Connections(threading.local):
    """The connections of one thread."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.reader = IndexReader(state_dir)
        self.memory: Memory | None = None


class Publisher:
    """Publishes the listings of one state folder. Create it before or after the fork; use it after.

    Args:
        state_dir: where index and memory are.
        site: what the settings say of the site.
        limits: how long feeds get.
        cache: for rendered bytes.
        clock: seconds since the epoch, for the Last-Modified of what was never seen before.
    """

    def __init__(
        self,
        state_dir: Path,
        site: SiteFacts,
        limits: FeedLimits,
        cache: FeedCache,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.site = site
        self.cache = cache
        self._limits = limits
        self._clock = clock
        self._connections = _Connections(state_dir)
        self._ready: LRUCache[tuple[ListingKey, Format], _Ready] = LRUCache(
            READY_BYTES, getsizeof=lambda ready: len(ready.representation.body) * 5 // 4
        )
        self._ready_lock = threading.Lock()  # an LRU cache is changed by looking into it
        self._render_lock = threading.Lock()
        self._swept = clock()
        self._memory_paused_until = 0.0
        # All that goes into the bytes beside the listing. The package's own version is written in them.
        self._key_base = msgspec.json.encode([site, limits, RENDERER_VERSION, __version__])

    @property
    def reader(self) -> IndexReader:
        """The index, for this thread."""
        return self._connections.reader

    @property
    def fingerprint(self) -> str:
        """Stands for all that decides what is published beside the index; equal on every machine."""
        return hashlib.blake2b(self._key_base, digest_size=16).hexdigest()

    def state(self, key: ListingKey) -> FacetState:
        """A listing's state now.

        Raises:
            IndexNotReadyError: before the first index is complete.
            UnknownAddressError: if the listing never existed.
        """
        state = self.reader.facet(key)
        if state is None:
            raise UnknownAddressError(key.address)
        return state

    def exists(self, key: ListingKey) -> bool:
        """Whether there is such a listing, with or without articles. Raises IndexNotReadyError."""
        return self.reader.facet(key) is not None

    def feed_document(self, key: ListingKey, fmt: Format) -> Representation:
        """The current representation of a listing in a format.

        Raises:
            IndexNotReadyError: before the first index is complete.
            UnknownAddressError: if the listing never existed.
        """
        state = self.state(key)
        ready = self._find_ready(state, fmt)
        if ready is not None:
            return ready
        with self._render_lock:
            state = self.state(key)
            return self._find_ready(state, fmt) or self._prepare(state, fmt)

    def feed(self, key: ListingKey) -> tuple[Feed, ListingSummary]:
        """A listing as its page shows it.

        Raises:
            IndexNotReadyError: before the first index is complete.
            UnknownAddressError: if the listing never existed.
        """
        state, entries = self._select(key)
        return make_feed(state, entries, self.site), summarise(state, self.site)

    def preview(self, key: ListingKey, fmt: Format) -> bytes:
        """The bytes that would be served, for who only looks: nothing is cached or remembered.

        Raises:
            IndexNotReadyError: before the first index is complete.
            UnknownAddressError: if the listing never existed.
        """
        return self._render(key, fmt)[1]

    def _select(self, key: ListingKey) -> tuple[FacetState, Sequence[SelectedEntry]]:
        selected = self.reader.select(key, self._limits.entries)
        if selected is None:
            raise UnknownAddressError(key.address)
        return selected

    def _find_ready(self, state: FacetState, fmt: Format) -> Representation | None:
        with self._ready_lock:
            ready = self._ready.get((state.key, fmt))
        if ready is None or (ready.build, ready.changed) != (state.build, state.changed):
            return None
        return ready.representation

    def _prepare(self, state: FacetState, fmt: Format) -> Representation:
        """Find or make the bytes, and learn their Last-Modified. Runs under the render lock."""
        body = self.cache.get(self._cache_key(state, fmt))
        if body is None:
            state, body = self._render(state.key, fmt)
            self.cache.set(self._cache_key(state, fmt), body)
            self._sweep()
        etag = digest(body)
        moment = self._last_modified(f"{state.key.address}.{fmt.value}", etag, state.changed)
        representation = Representation(body, MEDIA_TYPES[fmt], etag, moment)
        if moment is not None:
            self._keep(state, fmt, representation)
        return representation

    def _keep(self, state: FacetState, fmt: Format, representation: Representation) -> None:
        try:
            with self._ready_lock:
                self._ready[state.key, fmt] = _Ready(state.build, state.changed, representation)
        except ValueError:  # larger than all that is kept
            log.debug("%s is too large to be kept ready", state.key.address)

    def _render(self, key: ListingKey, fmt: Format) -> tuple[FacetState, bytes]:
        state, entries = self._select(key)
        return state, self._fit(make_feed(state, entries, self.site), fmt)

    def _fit(self, feed: Feed, fmt: Format) -> bytes:
        """The document with as many entries as it may hold bytes, but with some in any case."""
        body = render(feed, fmt)
        if len(body) <= self._limits.max_bytes or len(feed.entries) <= self._limits.min_entries:
            return body
        counts = range(self._limits.min_entries + 1, len(feed.entries))
        fitting = bisect_right(
            counts, self._limits.max_bytes, key=lambda count: len(render(_shortened(feed, count), fmt))
        )
        return render(_shortened(feed, self._limits.min_entries + fitting), fmt)

    def _cache_key(self, state: FacetState, fmt: Format) -> str:
        """Names all that goes into the bytes, so that nothing else can make them stale."""
        quiet_since = None if state.count else state.since
        facts = [state.key, fmt, state.version, state.title, quiet_since, state.taxonomy]
        return hashlib.blake2b(self._key_base + msgspec.json.encode(facts), digest_size=20).hexdigest()

    def _last_modified(self, address: str, etag: str, sequence: int) -> datetime | None:
        """What the memory says; None if it cannot say: without a date the ETag still tells the truth."""
        connections = self._connections
        now = self._clock()
        if 0 < self._memory_paused_until - now <= MEMORY_PAUSE_SECONDS:  # no longer, if the clock is set back
            return None
        try:
            if connections.memory is None:
                connections.memory = Memory(connections.state_dir, MEMORY_PATIENCE_SECONDS)
            return connections.memory.last_modified(address, etag, sequence, datetime.fromtimestamp(now, UTC))
        except (SQLAlchemyError, StateError) as error:
            reason = error.__cause__ or error
            log.warning("the memory cannot be asked, feeds go without Last-Modified for now: %s", reason)
            self._memory_paused_until = now + MEMORY_PAUSE_SECONDS
            if connections.memory is not None:  # its file may be another one by then
                connections.memory.close()
                connections.memory = None
            return None

    def _sweep(self) -> None:
        """Drop old bytes from the cache, now and then, where the cache does not do so itself."""
        now = self._clock()
        if now - self._swept > SWEEP_SECONDS:
            self._swept = now
            self.cache.sweep(now)


def _shortened(feed: Feed, count: int) -> Feed:
    """The feed with its newest entries only."""
    entries = feed.entries[:count]
    newest = max(entry.updated for entry in entries)
    return Feed(channel=msgspec.structs.replace(feed.channel, updated=newest), entries=entries)
