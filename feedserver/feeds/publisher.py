"""Publishes the listings of a site: its feed documents, their deltas, and each listing as its page shows it.

Puts together what a feed document needs: the renderer, the shared cache, Last-Modified and the document cache
of the process. Thread-safe: each thread has its own connections. Knows no HTTP.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from feedserver.articles.selections.parameters import SelectionRequest
from feedserver.errors import UnknownAddressError
from feedserver.feeds.cache import FeedCache
from feedserver.feeds.cached_documents import CachedDocuments
from feedserver.feeds.channels import SiteFacts, make_feed, summarise
from feedserver.feeds.deltas import Change, change_between
from feedserver.feeds.document import Document
from feedserver.feeds.document_cache import DocumentCache
from feedserver.feeds.failures import StaleAnswers
from feedserver.feeds.feed_renderer import FeedLimits, FeedRenderer
from feedserver.feeds.feed_source import FeedSource
from feedserver.feeds.last_modified import LastModifiedDates
from feedserver.feeds.render_lock import RenderLock
from feedserver.feeds.representation import Representation
from feedserver.feeds.selection_feed import saved_view
from feedserver.feeds.selection_source import SelectionDocument, SelectionSource, Selector
from feedserver.feeds.windows import Window, window_at
from feedserver.index.archives import ArchiveDocument, archive_at
from feedserver.index.selection_reader import SelectionReader
from feedserver.index.store import Store
from feedserver.index.values import ListingState
from feedserver.model import Feed, Format, ListingKey, ListingSummary

# Bytes of representations that a process caches: some 35 full feeds with all their encodings, and some 170
# that are requested less, only in the encoding that clients request.
CACHED_BYTES = 5_000_000
PACKED_BYTES = 3_000_000

# The same of ad hoc selections, of which there is no end.
SELECTION_BYTES = 3_000_000
PACKED_SELECTION_BYTES = 1_000_000

# A client that merged a delta comes back with another ETag. One that asks for deltas and refuses them
# (rss2email 3.13 takes 226 for an error) comes back with the same one, and gets the whole after this time.
DELTA_SECONDS = 6 * 3600


class ShownListing(NamedTuple):
    """A listing as its page shows it.

    `older` is the archive document with the newest entry that the page does not show; None if it shows all
    of them, or a view in an order of its own.
    """

    feed: Feed
    summary: ListingSummary
    older: ArchiveDocument | None = None


class Publisher:
    """Publishes the listings of one store. Create it before or after the fork; use it after.

    Args:
        store: has the index and the publication history.
        site: from the settings.
        limits: of subscription documents.
        cache: for rendered bytes, shared by processes.
        clock: seconds since the epoch.
        document_cache: of this process. If it has no room, and there is no cache, a document that cannot
            be made raises its error.
        lead: how far ahead of the clock a Last-Modified may be, in seconds.
        lock: of feed documents that are rendered; without one, that of `RenderLock`'s defaults.

    Attributes:
        feeds: the feed documents.
        selections: the feed documents of ad hoc selections.
        selection_cache: keeps what is made of selections.
        selector: finds the articles of selections.
        stale: counts answers with the last good representation.
    """

    def __init__(  # noqa: PLR0913  the parts and values that it is made of
        self,
        store: Store,
        site: SiteFacts,
        limits: FeedLimits,
        cache: FeedCache,
        clock: Callable[[], float] = time.time,
        *,
        document_cache: DocumentCache | None = None,
        lead: float = 0.0,
        lock: RenderLock | None = None,
    ) -> None:
        self.site = site
        self.cache = cache
        self._limits = limits
        self._clock = clock
        self._renderer = FeedRenderer(store, site, limits)
        self._dates = LastModifiedDates(store, clock, lead)
        self.selector = Selector(self._renderer, clock)
        self._source = FeedSource(self._renderer, self.selector, cache, self._dates, clock, lock)
        self.stale = StaleAnswers()
        self.document_cache = (
            DocumentCache(CACHED_BYTES, PACKED_BYTES, clock=clock)
            if document_cache is None
            else document_cache
        )
        self.feeds: CachedDocuments[Document] = CachedDocuments(self.document_cache, self.stale, self._source)
        # With a cache of their own, so that they evict no feed of a listing.
        self.selection_cache = DocumentCache(SELECTION_BYTES, PACKED_SELECTION_BYTES, clock=clock)
        self.selections: CachedDocuments[SelectionDocument] = CachedDocuments(
            self.selection_cache, self.stale, SelectionSource(self._renderer, self.selector, self._dates)
        )

    @property
    def reader(self) -> SelectionReader:
        """The index, for this thread."""
        return self._renderer.reader

    def close(self) -> None:
        """Close this thread's connections."""
        self.reader.close()
        self._dates.close()

    @property
    def fingerprint(self) -> str:
        """Stands for everything that decides what is published beside the index; equal on every machine."""
        return hashlib.blake2b(self._renderer.basis, digest_size=16).hexdigest()

    def state(self, key: ListingKey) -> ListingState:
        """A listing's state now.

        Raises:
            IndexNotReadyError: before the first index is complete.
            UnknownAddressError: if the listing never existed.
        """
        return self._renderer.state(key)

    def exists(self, key: ListingKey, archive: ArchiveDocument | None = None) -> bool:
        """Whether there is such a listing, with or without articles, or such an archive document of it.

        Raises:
            IndexNotReadyError: before the first index is complete.
        """
        found = self.reader.listing(key) if archive is None else self.reader.select_archive(key, archive)
        return found is not None

    @property
    def sends_deltas(self) -> bool:
        """Whether clients may ask for new entries only (RFC 3229)."""
        return self._limits.deltas

    def feed_document(self, document: Document) -> Representation:
        """The current representation of a feed document, as `CachedDocuments.current`."""
        return self.feeds.current(document)

    def cached(self, document: Document) -> Representation | None:
        """The current representation of a feed document if it is cached, as `CachedDocuments.cached`."""
        return self.feeds.cached(document)

    def last_modified(self, document: Document, etag: str, state: ListingState) -> datetime | None:
        """The Last-Modified of bytes that were made of a listing's state, if its time has come."""
        return self._source.dated(document, etag, state).moment

    def feed(self, key: ListingKey) -> ShownListing:
        """A listing as its page shows it. Raises as `state`."""
        viewed = self.viewed(key)
        if viewed is not None:
            selecting = self.selector.select(viewed)
            feed = self.selector.feed(viewed, selecting, len(selecting.entries))
            return ShownListing(feed, summarise(self.state(key), self.site))
        selected = self._renderer.select(key)
        older = archive_at(selected.months, len(selected.entries))
        return ShownListing(make_feed(selected, self.site), summarise(selected.state, self.site), older)

    def archived(self, key: ListingKey, archive: ArchiveDocument) -> ShownListing:
        """An archive document as its page shows it, with the oldest entry first. Raises as `state`."""
        selected = self.reader.select_archive(key, archive)
        if selected is None:
            raise UnknownAddressError(f"{key.address}/{archive}")
        feed = make_feed(selected, self.site, archive)
        return ShownListing(feed, summarise(selected.state, self.site))

    def window(self, key: ListingKey) -> Window:
        """The window of a saved feed now; all times for other listings."""
        viewed = self.viewed(key)
        return window_at("" if viewed is None else viewed.criteria.since, self._clock())

    def viewed(self, key: ListingKey) -> SelectionRequest | None:
        """The view of a saved feed to which the settings give an order, an age or the like; else None."""
        return saved_view(key, self.site)

    def preview(self, document: Document) -> bytes:
        """The bytes that would be served. Nothing is cached or remembered. Raises as `state`."""
        viewed = self.viewed(document.key) if document.archive is None else None
        return (
            self._renderer.render(document)
            if viewed is None
            else self.selector.write(viewed, self.selector.select(viewed), document.fmt)
        )

    def preview_selection(self, request: SelectionRequest, fmt: Format) -> bytes:
        """The bytes of a selection that would be served.

        Raises:
            UnknownSelectionError: if it asks for listings that never existed.
            SelectionError: if finding its articles takes too long.
        """
        if not request.query:
            return self.preview(Document(request.base, fmt))
        return self.selector.write(request, self.selector.select(request), fmt)

    def delta(self, document: Document, known: Iterable[str]) -> bytes | None:
        """The entries of a subscription document that a client with an earlier state of it lacks.

        Args:
            document: as requested.
            known: the ETags that the client named, bare.

        Returns:
            A document with the entries that were added or changed since. None if deltas are off, no ETag is
            known, an article was retracted since, the delta would not be smaller than the document, or
            deltas to that ETag were sent for hours.

        Raises:
            IndexNotReadyError, UnknownAddressError: as `feed_document`.
        """
        if not self._limits.deltas or document.archive is not None:
            return None
        current = self.feed_document(document)
        known = list(known)
        if current.etag in known or self.cached(document) is not current:  # the same, or the last good one
            return None
        now = self._source.snapshot(document, current.etag)
        earlier = ((etag, self._source.snapshot(document, etag)) for etag in known)
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
        selected = self._renderer.select(document.key)
        entries = tuple(one for one in selected.entries if one.article.id in change.added)
        if len(entries) < len(change.added):
            return None
        return self._renderer.shortened(selected, entries, document.fmt)

    def _is_refused(self, document: Document, etag: str) -> bool:
        """Whether deltas to this state were sent for so long that its holder seems not to merge them."""
        name = hashlib.blake2b(f"first delta {document.address} {etag}".encode(), digest_size=20).hexdigest()
        now, stored = int(self._clock()), self.cache.get(name)
        if stored is None:
            self.cache.set(name, str(now).encode())
            return False
        return now - int(stored) > DELTA_SECONDS
