"""Feed documents as a `DocumentSource`: rendered, or taken from the shared cache, with their Last-Modified.

The version of a listing says that a document may have changed. Whether it did is decided by its bytes, whose
digest the publication history compares with the one that was sent last (promise 3). Thread-safe. Knows no
HTTP.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence

import msgspec

from feedserver.feeds.cache import FeedCache
from feedserver.feeds.deltas import Snapshot, decode_snapshot, encode_snapshot, take_snapshot
from feedserver.feeds.document import Document
from feedserver.feeds.document_source import Rendered, Revision, series_of
from feedserver.feeds.feed_renderer import FeedRenderer
from feedserver.feeds.last_modified import Dated, LastModifiedDates
from feedserver.feeds.representation import Representation, digest
from feedserver.index.values import ListingState
from feedserver.render import MEDIA_TYPES

SWEEP_SECONDS = 3600.0


class FeedSource:
    """The feed documents of a site, for `CachedDocuments`.

    Args:
        renderer: renders them.
        cache: shared by processes.
        dates: their Last-Modified.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        renderer: FeedRenderer,
        cache: FeedCache,
        dates: LastModifiedDates,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._renderer = renderer
        self._cache = cache
        self._dates = dates
        self._clock = clock
        self._swept = clock()

    def revision(self, name: Document) -> Revision:
        """As `DocumentSource.revision`."""
        return self._renderer.state(name.key).revision

    def retraction(self, name: Document) -> Revision:
        """As `DocumentSource.retraction`."""
        return self._renderer.state(name.key).retraction

    def render(self, name: Document) -> Rendered:
        """As `DocumentSource.render`, with the Last-Modified of the bytes."""
        find = self._subscribed if name.archive is None else self._archived
        state, body, version, is_shared = find(name)
        etag = digest(body)
        dated = self.dated(name, etag, state)
        return Rendered(
            Representation(body, MEDIA_TYPES[name.fmt], etag, dated.moment),
            state.revision,
            state.retraction,
            dated.begin,
            dated.end,
            version,
            is_shared,
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

    def _subscribed(self, name: Document) -> tuple[ListingState, bytes, str, bool]:
        """A subscription document: its state, bytes and version, and whether the cache has that copy."""
        state = self._renderer.state(name.key)
        version = self._subscription_version(state, self._renderer.reader.open_month())
        body, is_shared = self._copy(name, version, state)
        if body is not None:
            return state, body, version, is_shared
        selected = self._renderer.select(name.key)
        fitted = self._renderer.fit(selected, name.fmt)
        if self._renderer.limits.deltas:
            snapshot = encode_snapshot(take_snapshot(selected.entries[: fitted.entries]))
            self._cache.set(_snapshot_name(name, digest(fitted.body)), snapshot)
        version = self._subscription_version(selected.state, selected.open_month)
        return selected.state, fitted.body, version, False

    def _archived(self, name: Document) -> tuple[ListingState, bytes, str, bool]:
        """An archive document, as `_subscribed`."""
        selected = self._renderer.select_archive(name)
        feed = self._renderer.feed(selected, name)
        # The bytes follow from the entries and the channel; nothing else of the listing is in them.
        entries = [one.digest for one in selected.entries]
        version = self._digest([msgspec.json.encode(feed.channel).decode(), entries])
        body, is_shared = self._copy(name, version, selected.state)
        if body is not None:
            return selected.state, body, version, is_shared
        return selected.state, self._renderer.write(feed, name.fmt), version, False

    def _copy(self, name: Document, version: str, state: ListingState) -> tuple[bytes | None, bool]:
        """The copy of a version in the cache, and whether it is in the series of the last retraction.

        Current bytes may have been left before that retraction: the article has come back, or it was not in
        this document. They are left anew, because `last_good` takes no copy of an earlier series.
        """
        address, series = self._cache_name(name), series_of(state.retraction)
        body = self._cache.get(address, version, series)
        return (self._cache.get(address, version), False) if body is None else (body, True)

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
