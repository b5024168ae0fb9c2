"""Feed documents as a `DocumentSource`: rendered, or taken from the shared cache, with their Last-Modified.

The version of a listing says that a document may have changed. Whether it did is decided by its bytes, whose
digest the publication history compares with the one that was sent last (promise 3). Thread-safe. Knows no
HTTP.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from feedserver.articles.selections.parameters import SelectionRequest
from feedserver.feeds.cache import FeedCache
from feedserver.feeds.deltas import Snapshot, decode_snapshot, encode_snapshot, take_snapshot
from feedserver.feeds.document import Document
from feedserver.feeds.document_source import Rendered, Revision, series_of
from feedserver.feeds.feed_renderer import FeedRenderer
from feedserver.feeds.last_modified import Dated, LastModifiedDates
from feedserver.feeds.render_lock import RenderLock
from feedserver.feeds.representation import Representation, digest
from feedserver.feeds.selection_feed import saved_view
from feedserver.feeds.selection_source import SelectionSource, Selector
from feedserver.index.values import ListingState
from feedserver.render import MEDIA_TYPES

SWEEP_SECONDS = 3600.0


class _Made(NamedTuple):
    """The bytes of a document, the state and version that they were made of, and whether they are shared."""

    state: ListingState
    body: bytes
    version: str
    is_shared: bool = False


class _Wanted(NamedTuple):
    """A version of a document: the state that it is of, and how to make it, or a later one."""

    state: ListingState
    version: str
    make: Callable[[], _Made]


class FeedSource:
    """The feed documents of a site, for `CachedDocuments`.

    Args:
        renderer: renders them.
        selector: finds the articles of saved feeds that have an order or an age of their own.
        cache: shared by processes.
        dates: their Last-Modified.
        clock: seconds since the epoch.
        lock: of documents that are rendered, if it is not the usual one.
    """

    def __init__(  # noqa: PLR0913, PLR0917  the parts that it is made of
        self,
        renderer: FeedRenderer,
        selector: Selector,
        cache: FeedCache,
        dates: LastModifiedDates,
        clock: Callable[[], float] = time.time,
        lock: RenderLock | None = None,
    ) -> None:
        self._renderer = renderer
        self._selector = selector
        self._selections = SelectionSource(renderer, selector, dates)
        self._cache = cache
        self._lock = lock or RenderLock(cache)
        self._dates = dates
        self._clock = clock
        self._swept = clock()

    def revision(self, name: Document) -> Revision:
        """As `DocumentSource.revision`."""
        viewed = self._viewed(name)
        return (
            self._renderer.state(name.key).revision
            if viewed is None
            else self._selector.state(viewed).revision
        )

    def retraction(self, name: Document) -> Revision:
        """As `DocumentSource.retraction`."""
        viewed = self._viewed(name)
        state = self._renderer.state(name.key) if viewed is None else self._selector.state(viewed)
        return state.retraction

    def render(self, name: Document) -> Rendered:
        """As `DocumentSource.render`, with the Last-Modified of the bytes."""
        viewed = self._viewed(name)
        if viewed is not None:
            # Its copy is for failures only: no version tells in advance what such a feed will hold.
            of_view = self._selections.made(viewed, name.address, name.fmt)
            return of_view._replace(version=of_view.representation.etag, is_shared=False)
        wanted = self._wanted(name)
        made = self._copy(name, wanted) or self._made(name, wanted)
        etag = digest(made.body)
        dated = self.dated(name, etag, made.state)
        return Rendered(
            Representation(made.body, MEDIA_TYPES[name.fmt], etag, dated.moment),
            made.state.revision,
            made.state.retraction,
            dated.begin,
            dated.end,
            made.version,
            made.is_shared,
        )

    def share(self, name: Document, rendered: Rendered) -> None:
        """As `DocumentSource.share`; now and then it also removes old bytes from the cache."""
        series = series_of(rendered.retraction)
        self._cache.set(self._cache_name(name), rendered.representation.body, rendered.version, series)
        if name.archive is None:
            self._sweep()

    def last_good(self, name: Document, since: Revision | None) -> Representation | None:
        """As `DocumentSource.last_good`."""
        body = self._cache.latest(self._cache_name(name), since and series_of(since))
        if body is None:
            return None
        etag = digest(body)
        # Of an unknown state of the index: there is a date only if the history saw these bytes last.
        dated = self._dates.last_modified(name.address, etag, 0, 0.0)
        return Representation(body, MEDIA_TYPES[name.fmt], etag, dated.moment)

    def dated(self, name: Document, etag: str, state: ListingState) -> Dated:
        """The Last-Modified of bytes that were made of a listing's state, if its time has come."""
        return self._dates.last_modified(name.address, etag, state.changed, self._renderer.reader.switched)

    def snapshot(self, name: Document, etag: str) -> Snapshot | None:
        """The snapshot of a document that was sent with an ETag, where deltas are on."""
        return decode_snapshot(self._cache.get(_snapshot_name(name, etag)))

    def _viewed(self, name: Document) -> SelectionRequest | None:
        """The view of a saved feed, if the settings give it one and this is its subscription document."""
        return saved_view(name.key, self._renderer.site) if name.archive is None else None

    def _wanted(self, name: Document) -> _Wanted:
        """The version of a document that is current now."""
        if name.archive is not None:
            return self._wanted_archive(name)
        state = self._renderer.state(name.key)
        version = self._subscription_version(state, self._renderer.reader.open_month())
        return _Wanted(state, version, partial(self._make_subscription, name))

    def _make_subscription(self, name: Document) -> _Made:
        selected = self._renderer.select(name.key)
        fitted = self._renderer.fit(selected, name.fmt)
        if self._renderer.limits.deltas:
            snapshot = encode_snapshot(take_snapshot(selected.entries[: fitted.entries]))
            self._cache.set(_snapshot_name(name, digest(fitted.body)), snapshot)
        version = self._subscription_version(selected.state, selected.open_month)
        return _Made(selected.state, fitted.body, version)

    def _wanted_archive(self, name: Document) -> _Wanted:
        selected = self._renderer.select_archive(name)
        feed = self._renderer.feed(selected, name)
        # The bytes follow from the entries and the channel; nothing else of the listing is in them.
        entries = [one.digest for one in selected.entries]
        version = self._digest([msgspec.json.encode(feed.channel).decode(), entries])
        return _Wanted(
            selected.state,
            version,
            lambda: _Made(selected.state, self._renderer.write(feed, name.fmt), version),
        )

    def _made(self, name: Document, wanted: _Wanted) -> _Made:
        """A document that the cache lacks: made here, or taken from a process that made it meanwhile."""
        address = self._cache_name(name)
        with self._lock.turn(address, wanted.version) as turn:
            if turn.is_late:
                # Anew, because the index may have moved on meanwhile.
                wanted = self._wanted(name)
                copy = self._copy(name, wanted)
                if copy is not None:
                    return copy
            made = wanted.make()
            # A copy of a state that has passed could hold an article that was retracted meanwhile.
            if not turn.is_awaited or self.revision(name) != made.state.revision:
                return made
            # Now, and not when the client has its answer, because others wait for it.
            series = series_of(made.state.retraction)
            return made._replace(is_shared=self._cache.set(address, made.body, made.version, series))

    def _copy(self, name: Document, wanted: _Wanted) -> _Made | None:
        """The copy of a version in the cache; it is shared if it is in the series of the last retraction.

        Current bytes may have been left before that retraction: the article has come back, or it was not in
        this document. They are left anew, because `last_good` takes no copy of an earlier series.
        """
        state = wanted.state
        copy = self._cache.find(self._cache_name(name), wanted.version, series_of(state.retraction))
        return None if copy is None else _Made(state, copy.value, wanted.version, copy.is_of_series)

    def _subscription_version(self, state: ListingState, open_month: int) -> str:
        """Names everything that decides the bytes, so that nothing else can make a cached copy stale."""
        quiet_since = None if state.count else state.since
        return self._digest([state.version, state.title, quiet_since, state.taxonomy, open_month])

    def _cache_name(self, name: Document) -> str:
        """Names a document of any version in the cache, for all processes that publish the same site."""
        return self._digest([name.address])

    def _digest(self, facts: Sequence[object]) -> str:
        content = self._renderer.basis + msgspec.json.encode(facts)
        return hashlib.blake2b(content, digest_size=20).hexdigest()

    def _sweep(self) -> None:
        """Remove old bytes from the cache once an hour, if the cache does not do so itself."""
        now = self._clock()
        if not 0 <= now - self._swept <= SWEEP_SECONDS:  # or the clock was set back
            self._swept = now
            self._cache.sweep(now)


def _snapshot_name(name: Document, etag: str) -> str:
    return hashlib.blake2b(f"snapshot {name.address} {etag}".encode(), digest_size=20).hexdigest()
