"""Media types: of the feed documents, and of pictures by the extension of their URL.

The table of pictures is here because `mimetypes` reads files of the system, and the same feed must have the
same bytes on every machine (promise 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from feedserver.model import Format

MEDIA_TYPES: Mapping[Format, str] = MappingProxyType(
    {
        Format.RSS: "application/rss+xml",
        Format.ATOM: "application/atom+xml",
        Format.JSON: "application/feed+json",
    }
)

_PICTURES: Mapping[str, str] = MappingProxyType(
    {
        "avif": "image/avif",
        "gif": "image/gif",
        "jpeg": "image/jpeg",
        "jpg": "image/jpeg",
        "png": "image/png",
        "svg": "image/svg+xml",
        "webp": "image/webp",
    }
)


def picture_type(url: str) -> str:
    """The media type of a picture, by the extension of its URL; empty if that is unknown."""
    path = url.partition("?")[0].partition("#")[0]
    return _PICTURES.get(path.rpartition(".")[2].lower(), "")
