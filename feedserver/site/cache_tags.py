"""Cache tags: names of documents by which a CDN forgets all that it has of a listing (docs/guides/cdn.md).

CDNs differ in the header and in the character between two tags. A tag has visible ASCII characters without a
comma and at most 200 of them, which all of them accept: Fastly takes 1,024, Cloudflare 1,024, CloudFront 256.
Knows no request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, Literal

from feedserver.model import ListingKey
from feedserver.site.addresses import ListTarget

CacheTags = Literal["off", "surrogate-key", "cache-tag"]

# On each document that has tags.
SITE: Final = "feedserver"
DIRECTORY: Final = "directory"

_LONGEST: Final = 200
_DIGEST_BYTES: Final = 8


def of_listing(key: ListingKey) -> tuple[str, ...]:
    """The tags of the page and the feeds of a listing: `topics-tides` for `/topics/tides`."""
    return SITE, _bounded(_name(key))


def of_archives(key: ListingKey) -> tuple[str, ...]:
    """The tags of the archive documents of a listing, which hardly ever change: `archives-topics-tides`."""
    return SITE, _bounded(f"archives-{_name(key)}")


def of_list(wanted: ListTarget) -> tuple[str, ...]:
    """The tags of a list of listings: `topics` for those of one kind, `directory` for those of all."""
    return SITE, DIRECTORY if wanted.kind is None else wanted.kind.value


def header(form: CacheTags, tags: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The header lines that state tags in a form: none or one."""
    if form == "surrogate-key":
        return (("Surrogate-Key", " ".join(tags)),)
    if form == "cache-tag":
        return (("Cache-Tag", joined_by_comma(tags)),)
    return ()


def joined_by_comma(tags: Iterable[str]) -> str:
    """Tags as Cloudflare and CloudFront read them."""
    return ",".join(tags)


def _name(key: ListingKey) -> str:
    return key.address.removeprefix("/").replace("/", "-")


def _bounded(tag: str) -> str:
    if len(tag) <= _LONGEST:
        return tag
    digest = hashlib.blake2b(tag.encode(), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{tag[: _LONGEST - len(digest) - 1]}-{digest}"
