"""The form of a document in object storage: its key, its bytes, and the headers that are stored with it.

A store does not negotiate: it answers each request for a key with the same bytes and headers. So a document
is one object, in identity or in gzip as the plan says (docs/decisions/export.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from feedserver.export.target import Made
from feedserver.model import Value
from feedserver.site.cache_tags import joined_by_comma
from feedserver.site.caching import CachePolicy, content_type

_PAGE_FILE: Final = "/index.html"
_GZIP: Final = "gzip"

# S3 sends it as `x-amz-meta-cache-tag`, from which CloudFront can take cache tags.
TAGS_METADATA: Final = "cache-tag"


class StoredObject(NamedTuple):
    """An object: its key below the prefix of the site, its bytes, and its headers by name."""

    key: str
    body: bytes
    headers: Mapping[str, str]


class ObjectForm(Value, frozen=True):
    """How documents are stored.

    `cache` has the values of `Cache-Control`. With `gzip`, each document that gzip makes smaller is stored
    so. With `tags`, cache tags are stored as metadata.
    """

    cache: CachePolicy
    gzip: bool = False
    tags: bool = False

    def stored(self, made: Made) -> StoredObject:
        """The object of a document."""
        representation = made.representation
        headers = {
            "Content-Type": content_type(representation.media_type),
            "Cache-Control": self.cache.of(made.kind),
        }
        packed = representation.encoded(_GZIP) if self.gzip else None
        if packed is not None:
            headers["Content-Encoding"] = _GZIP
        if self.tags and made.tags:
            headers[TAGS_METADATA] = joined_by_comma(made.tags)
        return StoredObject(key_of(made.path), representation.body if packed is None else packed, headers)


def key_of(path: str) -> str:
    """The key of a document; that of a page is its address, so that no server has to look for an index."""
    return path.removesuffix(_PAGE_FILE)
