"""Response policies: what the headers of each kind of response say beside type, encoding and validators."""

from __future__ import annotations

from collections.abc import Sequence

from feedserver.model import Value
from feedserver.site.caching import OF_STATIC_FILES
from feedserver.web.visitors import NAVIGATION_HEADERS

# A page loads nothing from other sites but pictures.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src https: http: data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

# The same at every address.
METHODS = ("GET", "HEAD", "OPTIONS")

# Seconds.
RETRY_AFTER = 5
REDIRECT_MAX_AGE = 86_400

# A browser that opens the address of a feed in a tab is redirected to the page of the feed, so the response
# depends on the headers by which such a request is recognised.
FEED_VARY = ", ".join(("Accept-Encoding", *NAVIGATION_HEADERS))

# Headers of every page. A browser that follows a link tells the other site only the origin of the page.
PAGE_HEADERS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
)


HeaderLines = tuple[tuple[str, str], ...]


class ResponsePolicy(Value, frozen=True):
    """How documents of one kind are sent.

    `is_for_browsers` says that a browser that opens the address in a tab gets the document too, and is not
    redirected to its page. `vary` names every request header that decides which answer the address gives.
    """

    cache_control: str
    others: HeaderLines = ()
    is_for_browsers: bool = True
    vary: str = "Accept-Encoding"


def feed_policy(cache_control: str, links: Sequence[str], tags: HeaderLines = ()) -> ResponsePolicy:
    """The policy of feeds; `links` are values of the `Link` header, `tags` are the lines with cache tags."""
    others = (*(("Link", link) for link in links), *tags)
    return ResponsePolicy(cache_control=cache_control, others=others, is_for_browsers=False, vary=FEED_VARY)


def page_policy(cache_control: str, tags: HeaderLines = ()) -> ResponsePolicy:
    """The policy of pages; `tags` are the lines with cache tags."""
    return ResponsePolicy(cache_control=cache_control, others=(*PAGE_HEADERS, *tags))


def static_policy() -> ResponsePolicy:
    """The policy of static files. Pages name each with its digest, so caches may keep it."""
    return ResponsePolicy(cache_control=OF_STATIC_FILES)
