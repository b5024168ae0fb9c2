"""The front matter keys of each field.

A key matches in any letter case. `outer.inner` is a key in a mapping, as in `[taxonomies]` of Zola. Reads
nothing; the keys that hide an article are in `visibility_keys`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

Keys = Mapping[str, tuple[str, ...]]
MoreKeys = tuple[tuple[str, tuple[str, ...]], ...]

# Field -> keys, best first. `published` is a date here, and a truth value in `visibility_keys`.
KEYS: Final[Keys] = MappingProxyType(
    {
        "id": ("id", "guid"),
        "title": ("title", "name"),
        "published": (
            "publishedDateTime",
            "publishDate",
            "date.created",
            "date",
            "published_at",
            "pubDate",
            "published",
        ),
        "updated": ("updatedDateTime", "lastmod", "updated", "last_modified_at", "date.updated"),
        "url": ("webUrl", "originalUrl", "link", "url", "external_url"),
        "amp_urls": ("ampWebUrl", "cdnAmpWebUrl"),
        "excerpt": ("excerpt", "summary", "description"),
        "body": ("content",),
        "featured": ("featuredContent",),
        "category": ("category", "collection", "categories"),
        "kind": ("type",),
        "topics": ("topics", "tags", "tag"),
        "provider": ("provider",),
        "authors": ("author", "authors"),
        "images": ("images", "image"),
        "length": ("length",),
        "actions": ("actions",),
        "related": ("related",),
        "quality": ("quality",),
        "heat": ("heat",),
        "language": ("language", "lang", "locale"),
    }
)

# No proxies from here on: these tables are looked into eighty times for each article.
OWN_NAMES: Final[Keys] = {}
# The keys of mappings that stand for a name (of a topic, a category, an author), and for a picture.
NAMED: Final[Keys] = {"name": ("name", "label", "title", "slug")}
PICTURED: Final[Keys] = {
    "url": ("url", "path", "src", "image", "file", "href"),
    "title": ("title", "caption", "alt"),
    "attribution": ("attribution", "credit"),
}

_LOWER: Final[Keys] = {field: tuple(map(str.lower, keys)) for field, keys in KEYS.items()}


@lru_cache(maxsize=64)
def keys_of_fields(more: MoreKeys) -> Keys:
    """The table in lower case, with further keys per field, which are tried after its own.

    A field that is not in the table is left out.
    """
    added = {field: _LOWER[field] + tuple(map(str.lower, keys)) for field, keys in more if field in KEYS}
    return {**_LOWER, **added} if added else _LOWER
