"""The pages and lists of the site as cached documents: two sources, one for each kind.

The page of a listing is current until the listing changes. The directory, the groups and their OPML and JSON
are current until any listing changes. `pages` and `directory` make their content. Knows no HTTP.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Generic, NamedTuple

import msgspec

from feedserver.articles.selections.parameters import SelectionRequest
from feedserver.feeds.cache import FeedCache
from feedserver.feeds.cached_documents import CachedDocuments, Name
from feedserver.feeds.document_cache import DocumentCache
from feedserver.feeds.document_source import Rendered, Revision, series_of
from feedserver.feeds.publisher import Publisher
from feedserver.feeds.representation import Representation, digest
from feedserver.feeds.selection_feed import selection_address, selection_title
from feedserver.index.archives import ArchiveDocument
from feedserver.index.values import ListingState, SelectionState
from feedserver.model import ListingKey
from feedserver.site import directory, pages
from feedserver.site.addresses import ListTarget, page_of_archive
from feedserver.site.pages import SiteChrome

# Lists have a document cache of their own, because each holds a line for every listing. With 10,000 topics
# one takes a second to make (measured): no feed shall wait for it, nor be evicted by it.
LIST_BYTES = 64_000_000
PACKED_LIST_BYTES = 8_000_000

PAGE_TYPE = "text/html"
_LIST_TYPES = {"": PAGE_TYPE, "opml": directory.OPML_TYPE, "json": "application/json"}


def media_type(wanted: ListTarget) -> str:
    """The media type of a list in one of its forms."""
    return _LIST_TYPES[wanted.suffix]


class SiteDocuments:
    """The documents of a site beside its feeds. Thread-safe.

    Attributes:
        publisher: of the listings.
        pages: of listings, named by the listings' keys.
        archives: the pages of archive documents.
        lists: of listings, and the directory.
        selections: the pages of ad hoc selections.
    """

    def __init__(self, publisher: Publisher, chrome: SiteChrome) -> None:
        self.publisher = publisher
        copies = SharedCopies(publisher.cache, f"{publisher.fingerprint} {pages.look()}")
        self.pages: CachedDocuments[ListingKey] = CachedDocuments(
            publisher.document_cache, publisher.stale, PageSource(publisher, chrome, copies)
        )
        # With selections, so that a crawler that reads all of history evicts no feed.
        self.archives: CachedDocuments[ArchivePage] = CachedDocuments(
            publisher.selection_cache, publisher.stale, ArchivePageSource(publisher, chrome, copies)
        )
        self.selections: CachedDocuments[SelectionPage] = CachedDocuments(
            publisher.selection_cache, publisher.stale, SelectionPageSource(publisher, chrome)
        )
        self.lists: CachedDocuments[ListTarget] = CachedDocuments(
            DocumentCache(LIST_BYTES, PACKED_LIST_BYTES),
            publisher.stale,
            ListSource(publisher, chrome, copies),
        )


class SharedCopies:
    """The copies of pages and lists in the cache that processes share, one for each address.

    Args:
        cache: holds them.
        look: stands for everything that decides their bytes beside the index.
    """

    def __init__(self, cache: FeedCache, look: str) -> None:
        self._cache = cache
        self._look = look

    def leave(self, address: str, rendered: Rendered) -> None:
        """Replace the copy of an address."""
        series = series_of(rendered.retraction)
        self._cache.set(self._name(address), rendered.representation.body, series=series)

    def last(self, address: str, media_type: str, since: Revision | None) -> Representation | None:
        """The copy of an address, if there is one of this retraction; of any, if that is None."""
        body = self._cache.latest(self._name(address), since and series_of(since))
        return None if body is None else _represent(body, media_type)

    def _name(self, address: str) -> str:
        return hashlib.blake2b(f"page {self._look} {address}".encode(), digest_size=20).hexdigest()


class _Source(ABC, Generic[Name]):
    """The part that the sources have in common: their copies in the cache that processes share."""

    def __init__(self, publisher: Publisher, chrome: SiteChrome, copies: SharedCopies) -> None:
        self._publisher = publisher
        self._chrome = chrome
        self._copies = copies

    @abstractmethod
    def media_type(self, name: Name) -> str:
        """The media type of a document."""

    def share(self, name: Name, rendered: Rendered) -> None:
        """As `DocumentSource.share`."""
        self._copies.leave(name.address, rendered)

    def last_good(self, name: Name, since: Revision | None) -> Representation | None:
        """As `DocumentSource.last_good`."""
        return self._copies.last(name.address, self.media_type(name), since)


class PageSource(_Source[ListingKey]):
    """The pages of listings, for `CachedDocuments`."""

    def media_type(self, name: ListingKey) -> str:
        """The media type of pages."""
        return PAGE_TYPE

    def revision(self, name: ListingKey) -> Revision:
        """As `DocumentSource.revision`."""
        return self._state(name).revision

    def retraction(self, name: ListingKey) -> Revision:
        """As `DocumentSource.retraction`."""
        return self._state(name).retraction

    def render(self, name: ListingKey) -> Rendered:
        """As `DocumentSource.render`."""
        # Before the entries are read, so that a commit between the two is noticed by the next request.
        state, window = self._state(name), self._publisher.window(name)
        html = pages.listing_page(self._chrome, *self._publisher.feed(name))
        return Rendered(
            _represent(html.encode(), PAGE_TYPE), state.revision, state.retraction, window.begin, window.end
        )

    def _state(self, name: ListingKey) -> ListingState | SelectionState:
        viewed = self._publisher.viewed(name)
        return self._publisher.state(name) if viewed is None else self._publisher.selector.state(viewed)


class ArchivePage(NamedTuple):
    """The page of an archive document of a listing."""

    key: ListingKey
    archive: ArchiveDocument

    @property
    def address(self) -> str:
        """Its path."""
        return page_of_archive(self.key, self.archive)


class ArchivePageSource(_Source[ArchivePage]):
    """The pages of archive documents, for `CachedDocuments`. A page is current until its listing changes."""

    def media_type(self, name: ArchivePage) -> str:
        """The media type of pages."""
        return PAGE_TYPE

    def revision(self, name: ArchivePage) -> Revision:
        """As `DocumentSource.revision`."""
        return self._publisher.state(name.key).revision

    def retraction(self, name: ArchivePage) -> Revision:
        """As `DocumentSource.retraction`."""
        return self._publisher.state(name.key).retraction

    def render(self, name: ArchivePage) -> Rendered:
        """As `DocumentSource.render`."""
        state = self._publisher.state(name.key)  # before the entries are read, as with pages
        shown = self._publisher.archived(*name)
        html = pages.archive_page(self._chrome, shown.feed, shown.summary, name.archive)
        return Rendered(_represent(html.encode(), PAGE_TYPE), state.revision, state.retraction)


@dataclass(frozen=True)
class SelectionPage:
    """The page of an ad hoc selection, or the counts of its topics; equal if the addresses are."""

    address: str = field(init=False)
    request: SelectionRequest = field(compare=False)
    is_facets: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        query = self.request.query
        facets = f"/facets.json?{query}" if query else "/facets.json"
        address = facets if self.is_facets else selection_address(self.request)
        object.__setattr__(self, "address", address)


class SelectionPageSource:
    """The pages of ad hoc selections, for `CachedDocuments`. Other processes get no copy of them."""

    def __init__(self, publisher: Publisher, chrome: SiteChrome) -> None:
        self._publisher = publisher
        self._chrome = chrome

    def revision(self, name: SelectionPage) -> Revision:
        """As `DocumentSource.revision`."""
        return self._publisher.selector.state(name.request, name.address).revision

    def retraction(self, name: SelectionPage) -> Revision:
        """As `DocumentSource.retraction`."""
        return self._publisher.selector.state(name.request).retraction

    def render(self, name: SelectionPage) -> Rendered:
        """As `DocumentSource.render`."""
        selector = self._publisher.selector
        # Before the articles are read, as with pages.
        state, window = selector.state(name.request), selector.window(name.request)
        return Rendered(
            self._facets(name) if name.is_facets else self._page(name),
            state.revision,
            state.retraction,
            window.begin,
            window.end,
            is_shared=True,
        )

    def _page(self, name: SelectionPage) -> Representation:
        selector, asked = self._publisher.selector, name.request
        selecting = selector.select(asked)
        feed = selector.feed(asked, selecting, len(selecting.entries))
        heading = selection_title(asked, selecting.state.titles, self._publisher.site)
        html = pages.selection_page(self._chrome, feed, name.address, heading)
        return _represent(html.encode(), PAGE_TYPE)

    def _facets(self, name: SelectionPage) -> Representation:
        facets = self._publisher.selector.facets(name.request)
        listings = [
            {"kind": one.key.kind.value, "slug": one.key.slug, "title": one.title, "articles": count}
            for one, count in facets.listings
        ]
        body = msgspec.json.encode({"articles": facets.articles, "listings": listings})
        return _represent(body, "application/json")

    def share(self, name: SelectionPage, rendered: Rendered) -> None:
        """Nothing: see above."""

    def last_good(self, name: SelectionPage, since: Revision | None) -> Representation | None:
        """None: no copy is kept."""


class ListSource(_Source[ListTarget]):
    """The directory and the lists of listings, for `CachedDocuments`. Any commit may change each of them."""

    def media_type(self, name: ListTarget) -> str:
        """The media type of a list."""
        return media_type(name)

    def revision(self, name: ListTarget) -> Revision:  # all lists have the same one
        """As `DocumentSource.revision`."""
        return self._publisher.reader.revision()

    def retraction(self, name: ListTarget) -> Revision:  # all lists have the same one
        """As `DocumentSource.retraction`."""
        return self._publisher.reader.last_retraction()

    def render(self, name: ListTarget) -> Rendered:
        """As `DocumentSource.render`."""
        # Before the listings are read, as with pages.
        revision, retraction = self.revision(name), self.retraction(name)
        return Rendered(_represent(self._content(name), media_type(name)), revision, retraction)

    def _content(self, name: ListTarget) -> bytes:
        publisher, kind = self._publisher, name.kind
        if name.is_recommended:
            return directory.recommended_opml(publisher)
        if name.suffix == "opml":
            return directory.opml(publisher, kind, name.page)
        if kind is None:
            everything, groups = directory.everything(publisher), directory.groups(publisher)
            return pages.directory_page(self._chrome, everything, groups).encode()
        if name.suffix == "json":
            return directory.as_json(publisher, kind, name.page)
        return pages.group_page(self._chrome, directory.group(publisher, kind, name.page)).encode()


def _represent(body: bytes, media_type: str) -> Representation:
    return Representation(body, media_type, digest(body))
