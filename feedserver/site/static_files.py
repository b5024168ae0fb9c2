"""The static files of the pages, and the icons, as representations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from feedserver.feeds.representation import Representation, digest
from feedserver.site.pages import STATIC_DIR

_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


def static_file(name: str) -> Representation:
    """A static file, of `pages.STATIC_DIGESTS` or `icons.ADDRESSES`. Raises OSError."""
    file = STATIC_DIR / name
    body = file.read_bytes()
    return Representation(body, _TYPES[file.suffix], digest(body))
