"""How long the documents of the site may be cached, and the type that they are sent with.

The server and an export state the same, so it is kept here. Knows no request.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from feedserver.model import Value

# Seconds.
_ARCHIVE_MAX_AGE: Final = 86_400
_STATIC_MAX_AGE: Final = 86_400
_NOT_FOUND_MAX_AGE: Final = 60

# `Cache-Control` of static files: pages name each with its digest.
OF_STATIC_FILES: Final = f"max-age={_STATIC_MAX_AGE}"
# `Cache-Control` of the page of an address that is not known.
OF_NOT_FOUND: Final = f"max-age={_NOT_FOUND_MAX_AGE}"

_BINARY_TYPES = ("image/png", "image/x-icon")


class DocumentKind(Enum):
    """The kinds of documents that differ in how long they may be cached; a list is a page."""

    FEED = "feed"
    ARCHIVE = "archive"
    PAGE = "page"
    STATIC = "static"
    NOT_FOUND = "not found"


class CachePolicy(Value, frozen=True):
    """How long responses may be cached, in seconds."""

    max_age: int
    stale_while_revalidate: int
    stale_if_error: int
    page_max_age: int

    def of(self, kind: DocumentKind) -> str:
        """`Cache-Control` of the documents of a kind."""
        if kind is DocumentKind.FEED:
            return self.of_feeds()
        if kind is DocumentKind.ARCHIVE:
            return self.of_archives()
        if kind is DocumentKind.STATIC:
            return OF_STATIC_FILES
        return OF_NOT_FOUND if kind is DocumentKind.NOT_FOUND else self.of_pages()

    def of_feeds(self) -> str:
        """`Cache-Control` of feed documents (RFC 5861 for the stale ones)."""
        return (
            f"max-age={self.max_age}, stale-while-revalidate={self.stale_while_revalidate}, "
            f"stale-if-error={self.stale_if_error}"
        )

    def of_archives(self) -> str:
        """`Cache-Control` of archive documents: a day at least, after which a retraction must reach them."""
        return (
            f"max-age={max(self.max_age, _ARCHIVE_MAX_AGE)}, "
            f"stale-while-revalidate={self.stale_while_revalidate}, stale-if-error={self.stale_if_error}"
        )

    def of_pages(self) -> str:
        """`Cache-Control` of pages and lists: a stale one is sent only if there is no current one."""
        return f"max-age={self.page_max_age}, stale-if-error={self.stale_if_error}"


def content_type(media_type: str) -> str:
    """The value of `Content-Type` for a media type; texts are in UTF-8."""
    return media_type if media_type in _BINARY_TYPES else f"{media_type}; charset=utf-8"
