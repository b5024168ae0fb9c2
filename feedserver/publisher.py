"""From the address of a feed to its representation: select, render, represent, cache, remember.

The only place where index, renderers, cache and memory meet. The version of a listing says *look
again*; whether anything changed is said by the bytes, whose digest the memory compares with the one
it sent last (promise 3). What is ready, and what is sent where something fails, is the business of `ready`.
Thread-safe: readers are per thread. Knows no HTTP.
"""

from __future__ import annotations

import hashlib
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from feedserver import __version__
from feedserver.archives import Part, subscription_entries
from feedserver.cache import FeedCache
from feedserver.channels import SiteFacts, make_feed, summarise
from feedserver.dates import Dates
from feedserver.deltas import (
    Change,
    Snapshot,
    change_between,
    decode_snapshot,
    encode_snapshot,
    take_snapshot,
)
from feedserver.errors import UnknownAddressError
from feedserver.index.reader import FacetState, IndexReader, Selected
from feedserver.model import Feed, Format, ListingKey, ListingSummary, Value
from feedserver.ready import Later, Made, Mark, ReadyDocuments, Shelf, StaleAnswers, at_once
from feedserver.render import MEDIA_TYPES, RENDERER_VERSION, render
from feedserver.representation import Representation, digest

# Bytes of representations that a process keeps: of some 35 full feeds with all codings, and of some 170 that
# are asked for less in the coding alone that clients ask for.
READY_BYTES = 5_000_000
PACKED_BYTES = 3_000_000

SWEEP_SECONDS = 3600.0

# A client that merged a delta comes back with another ETag. One that asks for deltas and refuses them
# (rss2email 3.13 takes 226 for an error) comes back with the same one, and gets the whole after this time.
DELTA_SECONDS = 6 * 3600


class FeedLimits(Value, frozen=True):
    """How long a feed gets: entries at most, and bytes at which it stops growing beyond a minimum.

    `deltas` says whether to remember what was sent, to answer with what is new in it (RFC 3229).
    """

    entries: int
    min_entries: int
    max_bytes: int
    deltas: bool = False


class Document(NamedTuple):
    """A feed document of a listing: the subscription document, or a part of its archive."""

    key: ListingKey
    fmt: Format
    part: Part | None = None

    @property
    def address(self) -> str:
        """Its path below the base URL."""
        below = "" if self.part is None else f"/{self.part}"
        return f"{self.key.address}{below}.{self.fmt.value}"


# A document's bytes, the state they are of, and what is to be done when the client has them.
_Bytes = tuple[FacetState, bytes, tuple[Callable[[], None], ...]]


class _Connections(threading.local):
    """What one thread has open."""

    def __init__(self, state_dir: Path) -> None:
        self.reader = IndexReader(state_dir)


class Publisher:
    """Publishes the listings of one state folder. Create it before or after the fork; use it after.

    Args:
        state_dir: where index and memory are.
        site: what the settings say of the site.
        limits: how long feeds get.
        cache: for rendered bytes.
        clock: seconds since the epoch, for the Last-Modified of what was never seen before.
        shelf: for what is kept ready; where that has no room, and there is no cache, what fails is raised.
    """

    def __init__(  # noqa: PLR0913  the parts and values that it is made of
        self,
        state_dir: Path,
        site: SiteFacts,
        limits: FeedLimits,
        cache: FeedCache,
        clock: Callable[[], float] = time.time,
        *,
        shelf: Shelf | None = None,
    ) -> None:
        self.site = site
        self.cache = cache
        self._limits = limits
        self._clock = clock
        self._connections = _Connections(state_dir)
        self._dates = Dates(state_dir, clock)
        self.stale = StaleAnswers()
        self.shelf = Shelf(READY_BYTES, PACKED_BYTES) if shelf is None else shelf
        self._documents = ReadyDocuments(self.shelf, self.stale, self._mark, self._make, self._last_good)
        self._swept = clock()
        # All that goes into the bytes beside the listing. The package's own version is written in them.
        self._key_base = msgspec.json.encode([site, limits, RENDERER_VERSION, __version__])

    @property
    def reader(self) -> IndexReader:
        """The index, for this thread."""
        return self._connections.reader

    def close(self) -> None:
        """Give this thread's connections back."""
        self.reader.close()
        self._dates.close()

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

    @property
    def sends_deltas(self) -> bool:
        """Whether clients may ask for what is new alone (RFC 3229)."""
        return self._limits.deltas

    def ready(self, document: Document) -> Representation | None:
        """The current representation of a feed document if it is at hand, as `ReadyDocuments.ready`."""
        return self._documents.ready(document)

    def feed_document(self, document: Document, later: Later = at_once) -> Representation:
        """The current representation of a feed document; the last good one where that cannot be had.

        Args:
            document: as asked for.
            later: takes what may be done after the answer: it lets others have the bytes, and throws old ones
                away. If that is never done, others render.

        Raises:
            IndexNotReadyError: before the first index is complete.
            UnknownAddressError: if the listing never existed, or the part is no archive document.
        """
        return self._documents.current(document, later)

    def _mark(self, document: Document) -> Mark:
        return self.state(document.key).mark

    def _last_good(self, document: Document) -> Representation | None:
        """What was published last at an address by whoever shares the cache."""
        key = self.cache.get(self._last_good_key(document))
        body = None if key is None else self.cache.get(key.decode())
        if body is None:
            return None
        etag = digest(body)
        # Of no state that is known: the memory has a date only if these are the bytes it saw last.
        moment = self._dates.last_modified(document.address, etag, 0)
        return Representation(body, MEDIA_TYPES[document.fmt], etag, moment)

    def delta(self, document: Document, known: Iterable[str]) -> bytes | None:
        """What a client is missing that holds an earlier state of a subscription document.

        Args:
            document: as asked for.
            known: the ETags that the client named, bare.

        Returns:
            A document with the entries added or changed since; None if that cannot be told (deltas are
            off, no ETag is known), would not tell all (something was retracted), would not be smaller, or
            was sent for that ETag for hours.

        Raises:
            IndexNotReadyError, UnknownAddressError: as `feed_document`.
        """
        if not self._limits.deltas or document.part is not None:
            return None
        current = self.feed_document(document)
        known = list(known)
        if current.etag in known or self.ready(document) is not current:  # the same, or the last good one
            return None
        now = self._snapshot(document, current.etag)
        earlier = ((etag, self._snapshot(document, etag)) for etag in known)
        held, before = next((one for one in earlier if one[1] is not None), ("", None))
        if now is None or before is None:
            return None
        change = change_between(before, now)
        if not change.added or not self.reader.are_in(document.key, change.left):
            return None
        body = self._partial(document, change)
        if body is None or len(body) >= len(current.body) or self._is_refused(document, held):
            return None
        return body

    def _partial(self, document: Document, change: Change) -> bytes | None:
        """The document with the added entries only; None if the index has moved on meanwhile."""
        selected = self._select(document.key)
        entries = tuple(one for one in selected.entries if one.article.id in change.added)
        if len(entries) < len(change.added):
            return None
        partial = msgspec.structs.replace(selected, entries=entries)
        return render(make_feed(partial, self.site), document.fmt)

    def _is_refused(self, document: Document, etag: str) -> bool:
        """Whether deltas to this state were sent for so long that who still holds it seems not to merge."""
        key, now = _blake(f"first delta {document.address} {etag}"), int(self._clock())
        stored = self.cache.get(key)
        if stored is None:
            self.cache.set(key, str(now).encode())
            return False
        return now - int(stored) > DELTA_SECONDS

    def feed(self, key: ListingKey) -> tuple[Feed, ListingSummary]:
        """A listing as its page shows it.

        Raises:
            IndexNotReadyError: before the first index is complete.
            UnknownAddressError: if the listing never existed.
        """
        selected = self._select(key)
        return make_feed(selected, self.site), summarise(selected.state, self.site)

    def preview(self, document: Document) -> bytes:
        """The bytes that would be served, for who only looks: nothing is cached or remembered.

        Raises:
            IndexNotReadyError, UnknownAddressError: as `feed_document`.
        """
        if document.part is None:
            return self._fit(self._select(document.key), document.fmt)[1]
        return render(make_feed(self._select_part(document), self.site, document.part), document.fmt)

    def _select(self, key: ListingKey) -> Selected:
        selected = self.reader.select(key, self._limits.entries)
        if selected is None:
            raise UnknownAddressError(key.address)
        return selected

    def _select_part(self, document: Document) -> Selected:
        selected = document.part and self.reader.select_part(document.key, document.part)
        if not selected:
            raise UnknownAddressError(document.address)
        return selected

    def _make(self, document: Document) -> Made:
        """Find or make the bytes, and learn their Last-Modified."""
        if document.part is None:
            state, body, afterwards = self._subscription_bytes(document)
        else:
            state, body, afterwards = self._part_bytes(document)
        etag = digest(body)
        moment = self._dates.last_modified(document.address, etag, state.changed)
        representation = Representation(body, MEDIA_TYPES[document.fmt], etag, moment)
        # Without a date it is not kept, so that the memory is asked again.
        return Made(representation, state.mark, moment is not None, afterwards)

    def _subscription_bytes(self, document: Document) -> _Bytes:
        state = self.state(document.key)
        body = self.cache.get(self._subscription_key(state, document, self.reader.open_month()))
        if body is not None:
            return state, body, ()
        selected = self._select(document.key)
        count, body = self._fit(selected, document.fmt)
        if self._limits.deltas:
            snapshot = encode_snapshot(take_snapshot(selected.entries[:count]))
            self.cache.set(_snapshot_key(document, digest(body)), snapshot)
        key = self._subscription_key(selected.state, document, selected.open_month)
        return selected.state, body, (partial(self._store, document, key, body), self._sweep)

    def _part_bytes(self, document: Document) -> _Bytes:
        selected = self._select_part(document)
        feed = make_feed(selected, self.site, document.part)
        # A part's bytes follow from its entries and its channel; what else the listing holds is not in them.
        entries = [one.digest for one in selected.entries]
        key = self._key(document, [msgspec.json.encode(feed.channel).decode(), entries])
        body = self.cache.get(key)
        if body is not None:
            return selected.state, body, ()
        body = render(feed, document.fmt)
        return selected.state, body, (partial(self._store, document, key, body),)

    def _store(self, document: Document, key: str, body: bytes) -> None:
        self.cache.set(key, body)
        self.cache.set(self._last_good_key(document), key.encode())

    def _last_good_key(self, document: Document) -> str:
        return self._key(document, ["last good"])

    def _fit(self, selected: Selected, fmt: Format) -> tuple[int, bytes]:
        """The document with as many entries as it may hold bytes, but with some in any case; how many.

        What is in no archive document yet must be in this one, whatever its size.
        """
        entries = selected.entries
        least = max(self._limits.min_entries, subscription_entries(selected.months, selected.open_month))

        def shortened(count: int) -> bytes:
            shown = msgspec.structs.replace(selected, entries=entries[:count])
            return render(make_feed(shown, self.site), fmt)

        body = shortened(len(entries))
        if len(body) <= self._limits.max_bytes or len(entries) <= least:
            return len(entries), body
        counts = range(least + 1, len(entries))
        fitting = least + bisect_right(
            counts, self._limits.max_bytes, key=lambda count: len(shortened(count))
        )
        return fitting, shortened(fitting)

    def _subscription_key(self, state: FacetState, document: Document, open_month: int) -> str:
        """Names all that goes into the bytes, so that nothing else can make them stale."""
        quiet_since = None if state.count else state.since
        return self._key(document, [state.version, state.title, quiet_since, state.taxonomy, open_month])

    def _key(self, document: Document, facts: Sequence[object]) -> str:
        content = self._key_base + msgspec.json.encode([document.address, *facts])
        return hashlib.blake2b(content, digest_size=20).hexdigest()

    def _snapshot(self, document: Document, etag: str) -> Snapshot | None:
        return decode_snapshot(self.cache.get(_snapshot_key(document, etag)))

    def _sweep(self) -> None:
        """Drop old bytes from the cache, now and then, where the cache does not do so itself."""
        now = self._clock()
        if now - self._swept > SWEEP_SECONDS:
            self._swept = now
            self.cache.sweep(now)


def _snapshot_key(document: Document, etag: str) -> str:
    return _blake(f"snapshot {document.address} {etag}")


def _blake(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()
