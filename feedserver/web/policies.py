"""Response policies: what the headers of each kind of response say beside type, encoding and validators."""

from __future__ import annotations

from collections.abc import Sequence

from feedserver.model import Value
from feedserver.web.visitors import NAVIGATION_HEADERS

# A page loads nothing from other sites but pictures.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src https: http: data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# The same at every address.
METHODS = ("GET", "HEAD", "OPTIONS")

# Seconds.
RETRY_AFTER = 5
NOT_FOUND_MAX_AGE = 60
REDIRECT_MAX_AGE = 86_400
STATIC_MAX_AGE = 86_400
ARCHIVE_MAX_AGE = 86_400

# A browser that opens the address of a feed in a tab is redirected to the page of the feed, so the response
# depends on the headers by which such a request is recognised.
FEED_VARY = ", ".join(("Accept-Encoding", *NAVIGATION_HEADERS))

# Headers of every page. A browser that follows a link tells the other site only the origin of the page.
PAGE_HEADERS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
)


class CachePolicy(Value, frozen=True):
    """How long responses may be cached, in seconds."""

    max_age: int
    stale_while_revalidate: int
    stale_if_error: int
    page_max_age: int

    def of_feeds(self) -> str:
        """`Cache-Control` of feed documents (RFC 5861 for the stale ones)."""
        return (
            f"max-age={self.max_age}, stale-while-revalidate={self.stale_while_revalidate}, "
            f"stale-if-error={self.stale_if_error}"
        )

    def of_archives(self) -> str:
        """`Cache-Control` of archive documents: a day at least, after which a retraction must reach them."""
        return (
            f"max-age={max(self.max_age, ARCHIVE_MAX_AGE)}, "
            f"stale-while-revalidate={self.stale_while_revalidate}, stale-if-error={self.stale_if_error}"
        )

    def of_pages(self) -> str:
        """`Cache-Control` of pages and lists: a stale one is sent only if there is no current one."""
        return f"max-age={self.page_max_age}, stale-if-error={self.stale_if_error}"


class ResponsePolicy(Value, frozen=True):
    """How documents of one kind are sent.

    `is_for_browsers` says that a browser that opens the address in a tab gets the document too, and is not
    redirected to its page. `vary` names every request header that decides which answer the address gives.
    """

    cache_control: str
    others: tuple[tuple[str, str], ...] = ()
    is_for_browsers: bool = True
    vary: str = "Accept-Encoding"


def feed_policy(cache_control: str, links: Sequence[str]) -> ResponsePolicy:
    """The policy of feeds; `links` are values of the `Link` header."""
    others = tuple(("Link", link) for link in links)
    return ResponsePolicy(cache_control=cache_control, others=others, is_for_browsers=False, vary=FEED_VARY)


def page_policy(cache_control: str) -> ResponsePolicy:
    """The policy of pages."""
    return ResponsePolicy(cache_control=cache_control, others=PAGE_HEADERS)


def static_policy() -> ResponsePolicy:
    """The policy of static files. Pages name each with its digest, so caches may keep it."""
    return ResponsePolicy(cache_control=f"max-age={STATIC_MAX_AGE}")
