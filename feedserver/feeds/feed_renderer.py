"""Renders feed documents: from the address of one to its bytes.

Selects the entries in the index, makes the feed of them and renders it; a subscription document gets as many
entries as its limits allow. Thread-safe: each thread has its own reader. Caches nothing and knows no HTTP.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from feedserver import __version__
from feedserver.errors import UnknownAddressError
from feedserver.feeds.channels import SiteFacts, make_feed
from feedserver.feeds.document import Document
from feedserver.index.archives import subscription_entries
from feedserver.index.selection_reader import SelectionReader
from feedserver.index.store import Store
from feedserver.index.values import ListingState, Selected, SelectedEntry
from feedserver.model import Feed, Format, ListingKey, Value
from feedserver.render import RENDERER_VERSION, render


class FeedLimits(Value, frozen=True):
    """How long a feed gets: entries at most, and bytes at which it stops growing beyond a minimum.

    `deltas` says whether the shared cache keeps a snapshot of each subscription document, to answer with the
    new entries (RFC 3229).
    """

    entries: int
    min_entries: int
    max_bytes: int
    deltas: bool = False


class Fitted(NamedTuple):
    """The bytes of a subscription document, and how many of the selected entries are in it."""

    body: bytes
    entries: int


class _Connections(threading.local):
    """The open connections of one thread."""

    def __init__(self, store: Store) -> None:
        self.reader = SelectionReader(store)


class FeedRenderer:
    """Renders the feeds of one index.

    Args:
        store: has the index.
        site: from the settings.
        limits: of subscription documents.

    Attributes:
        basis: stands for everything that decides the bytes of documents beside the index.
    """

    def __init__(self, store: Store, site: SiteFacts, limits: FeedLimits) -> None:
        self.site = site
        self.limits = limits
        # Everything that decides the bytes beside the listing. They hold the version of this package.
        self.basis = msgspec.json.encode([site, limits, RENDERER_VERSION, __version__])
        self._connections = _Connections(store)

    @property
    def reader(self) -> SelectionReader:
        """The index, for this thread."""
        return self._connections.reader

    def state(self, key: ListingKey) -> ListingState:
        """A listing's state now.

        Raises:
            IndexNotReadyError: before the first index is complete.
            UnknownAddressError: if the listing never existed.
        """
        state = self.reader.listing(key)
        if state is None:
            raise UnknownAddressError(key.address)
        return state

    def select(self, key: ListingKey) -> Selected:
        """The newest entries of a listing, as many as a document may hold. Raises as `state`."""
        selected = self.reader.select(key, self.limits.entries)
        if selected is None:
            raise UnknownAddressError(key.address)
        return selected

    def select_archive(self, document: Document) -> Selected:
        """The entries of an archive document. Raises as `state`."""
        selected = document.archive and self.reader.select_archive(document.key, document.archive)
        if not selected:
            raise UnknownAddressError(document.address)
        return selected

    def feed(self, selected: Selected, document: Document) -> Feed:
        """The feed with the selected entries."""
        return make_feed(selected, self.site, document.archive)

    def render(self, document: Document) -> bytes:
        """The bytes of a document now. Raises as `state`."""
        if document.archive is None:
            return self.fit(self.select(document.key), document.fmt).body
        return self.write(self.feed(self.select_archive(document), document), document.fmt)

    def fit(self, selected: Selected, fmt: Format) -> Fitted:
        """The subscription document with as many entries as fit into its limit of bytes.

        It has `min_entries` in any case, and all entries that are in no archive document yet.
        """
        entries = selected.entries
        least = max(self.limits.min_entries, subscription_entries(selected.months, selected.open_month))
        return self.fit_entries(
            len(entries), least, lambda count: self.shortened(selected, entries[:count], fmt)
        )

    def fit_entries(self, entries: int, least: int, write: Callable[[int], bytes]) -> Fitted:
        """The document with as many of some entries as fit into the limit of bytes, but with `least` of them.

        `write` makes the document with the first so many entries.
        """
        body = write(entries)
        if len(body) <= self.limits.max_bytes or entries <= least:
            return Fitted(body, entries)
        fitting = least + bisect_right(
            range(least + 1, entries), self.limits.max_bytes, key=lambda count: len(write(count))
        )
        return Fitted(write(fitting), fitting)

    def shortened(self, selected: Selected, entries: tuple[SelectedEntry, ...], fmt: Format) -> bytes:
        """A subscription document with some of the selected entries."""
        return self.write(make_feed(msgspec.structs.replace(selected, entries=entries), self.site), fmt)

    def write(self, feed: Feed, fmt: Format) -> bytes:
        """A feed in a format."""
        return render(feed, fmt)
