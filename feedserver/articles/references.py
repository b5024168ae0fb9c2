"""Resolves the references in an article: relative addresses, and anchors.

A browser resolves them against the address of the page that it shows (RFC 3986 section 5): here, that of the
article. A link to the file of another article becomes the address of its page (`source_file`). Performs no
I/O.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from feedserver.articles.pelican_links import is_pelican_link, usual_reference
from feedserver.articles.rules import ReadingRules
from feedserver.articles.source_file import SourceFile, is_source_link
from feedserver.articles.urls import absolute_url

_AUTHORITY = re.compile(r"\s*[A-Za-z]+://([^/?#\s]*)")


class Place(msgspec.Struct, frozen=True):
    """The place of a reference: an article, or a file that describes something else.

    Attributes:
        page: address of the page on which it stands, to which `#anchors` lead; '' if there is none.
        base: address against which relative references are resolved; '' if there is none.
        root: address below which root-relative references (`/about/`) are; '' for the host of `base`.
        site: base URL of the site, or ''.
        source: the file, which knows the addresses of the files that its links name.
    """

    page: str = ""
    base: str = ""
    root: str = ""
    site: str = ""
    source: SourceFile | None = None

    def resolve(self, reference: str) -> str | None:
        """The absolute http(s) URL of a reference; None if it is relative and there is no base.

        Raises:
            ValueError: it is no URL of the web.
        """
        if reference.startswith(("https://", "http://")):
            return absolute_url(reference)
        reference = reference.strip()
        if self.source is not None:
            usual = (
                usual_reference(reference, self.source, self.site)
                if is_pelican_link(reference)
                else reference
            )
            if usual is None or is_source_link(usual):
                return usual and self.source.address(usual)
            reference = usual
        base = self.base
        if reference.startswith("#"):
            base = self.page
        elif self.root and reference.startswith("/") and not reference.startswith("//"):
            base, reference = self.root, f".{reference}"
        return absolute_url(reference, base)


NOWHERE = Place()


@lru_cache(maxsize=64)
def place_of_site(base_url: str, root_urls: str) -> Place:
    """The place of files that have no page of their own, from the rules of their root."""
    return Place(base=base_url, root=_root(base_url, root_urls))


def is_of_site(page: str, base_url: str) -> bool:
    """Whether an absolute URL has the host of a site; any host, if the site has no base URL."""
    return not base_url or _host(page) == _host_of_site(base_url)


def place_of_article(page: str, own_page: str, rules: ReadingRules, source: SourceFile) -> Place:
    """The place of an article.

    Args:
        page: its address.
        own_page: the same if it is a page of the site, else the one of the site's pattern, or ''.
        rules: of its root.
        source: its file.
    """
    return Place(
        page=own_page or page,
        base=own_page or rules.base_url,
        root=_root(rules.base_url, rules.root_urls),
        site=rules.base_url,
        source=source,
    )


def _root(base_url: str, root_urls: str) -> str:
    return f"{base_url.rstrip('/')}/" if base_url and root_urls == "base" else ""


@lru_cache(maxsize=16)
def _host_of_site(base_url: str) -> str:
    return _host(base_url)


def _host(url: str) -> str:
    match = _AUTHORITY.match(url)
    return match[1].lower() if match else ""
