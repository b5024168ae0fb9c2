"""The pages and lists of the site as representations: ready as feeds are, and as sturdy (see `ready`).

A listing's page is current while the listing is; the directory, the groups and their OPML and JSON while no
listing changed. The last good bytes of each are left in the cache as well, one copy at a time, for processes
that come later. What a page or list says is made by `pages` and `directory`. Knows no HTTP.
"""

from __future__ import annotations

import hashlib
from functools import partial

from feedserver.model import ListingKey
from feedserver.publisher import Publisher
from feedserver.ready import Made, Mark, ReadyDocuments, Shelf
from feedserver.representation import Representation, digest
from feedserver.web import directory, pages
from feedserver.web.addresses import ListTarget
from feedserver.web.pages import SiteChrome

# Lists have a shelf of their own, because each holds a line for every listing: with 10,000 topics one takes a
# second to make (measured), for which no feed shall wait, nor be displaced.
LIST_BYTES = 64_000_000
PACKED_LIST_BYTES = 8_000_000

PAGE_TYPE = "text/html"
_LIST_TYPES = {"": PAGE_TYPE, "opml": directory.OPML_TYPE, "json": "application/json"}


def media_type(wanted: ListTarget) -> str:
    """The media type of a list in one of its forms."""
    return _LIST_TYPES[wanted.suffix]


class SiteDocuments:
    """What people see of a site, beside its feeds. Thread-safe.

    Attributes:
        publisher: whose listings they show.
        pages: of listings, named by them.
        lists: of listings, and the directory.
    """

    def __init__(self, publisher: Publisher, chrome: SiteChrome) -> None:
        self.publisher = publisher
        self._chrome = chrome
        # All that goes into the bytes beside the listings.
        self._look = f"{publisher.fingerprint} {pages.look()}"
        self.pages = ReadyDocuments(
            publisher.shelf, publisher.stale, self._mark_of_page, self._make_page, self._last_good_page
        )
        self.lists = ReadyDocuments(
            Shelf(LIST_BYTES, PACKED_LIST_BYTES),
            publisher.stale,
            self._mark_of_list,
            self._make_list,
            self._last_good_list,
        )

    # --- pages of listings ----------------------------------------------------------------------

    def _mark_of_page(self, key: ListingKey) -> Mark:
        return self.publisher.state(key).mark

    def _make_page(self, key: ListingKey) -> Made:
        # Before the entries are read: a commit between the two is seen next time.
        mark = self._mark_of_page(key)
        html = pages.listing_page(self._chrome, *self.publisher.feed(key))
        return self._made(key.address, PAGE_TYPE, html.encode(), mark)

    def _last_good_page(self, key: ListingKey) -> Representation | None:
        return self._last_good(key.address, PAGE_TYPE)

    # --- lists ----------------------------------------------------------------------------------

    def _mark_of_list(self, _: ListTarget) -> Mark:
        return self.publisher.reader.revision()

    def _make_list(self, wanted: ListTarget) -> Made:
        mark = self._mark_of_list(wanted)
        return self._made(wanted.address, media_type(wanted), self._list(wanted), mark)

    def _list(self, wanted: ListTarget) -> bytes:
        publisher, kind = self.publisher, wanted.kind
        if wanted.suffix == "opml":
            return directory.opml(publisher, kind)
        if kind is None:
            everything, groups = directory.everything(publisher), directory.groups(publisher)
            return pages.directory_page(self._chrome, everything, groups).encode()
        if wanted.suffix == "json":
            return directory.as_json(publisher, kind)
        return pages.group_page(self._chrome, directory.group(publisher, kind)).encode()

    def _last_good_list(self, wanted: ListTarget) -> Representation | None:
        return self._last_good(wanted.address, media_type(wanted))

    # --- the copy in the cache ------------------------------------------------------------------

    def _made(self, address: str, media_type: str, body: bytes, mark: Mark) -> Made:
        copy = partial(self.publisher.cache.set, self._key(address), body)
        return Made(Representation(body, media_type, digest(body)), mark, afterwards=(copy,))

    def _last_good(self, address: str, media_type: str) -> Representation | None:
        body = self.publisher.cache.get(self._key(address))
        return None if body is None else Representation(body, media_type, digest(body))

    def _key(self, address: str) -> str:
        return hashlib.blake2b(f"page {self._look} {address}".encode(), digest_size=20).hexdigest()
