"""Rendering: a `Feed` in, the bytes of a feed document out.

Each format has a module of its own, and none knows another: `rss` and `atom` go through feedgen,
`jsonfeed` through msgspec. This package selects nothing, stores nothing and knows no HTTP. It keeps
promise 2 (the same feed gives the same bytes: no clock, no locale, no environment) and its share of promise 5
(a broken text does not keep the other articles from being served).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from typing import assert_never

from feedserver.model import Feed, Format
from feedserver.render.media_types import MEDIA_TYPES

__all__ = ["MEDIA_TYPES", "RENDERER_VERSION", "load", "render"]

# Part of every cache key. Raise the first number when the output of this package may change.
RENDERER_VERSION = "-".join(("3", *(f"{name}{version(name)}" for name in ("feedgen", "lxml", "msgspec"))))


def render(feed: Feed, fmt: Format) -> bytes:
    """The feed document in a format, in UTF-8. Entries keep their order; all dates must have a zone."""
    return _renderer(fmt)(feed)


def load() -> None:
    """Load all formats now, so that the first document does not wait for them."""
    for fmt in Format:
        _renderer(fmt)


@cache
def _renderer(fmt: Format) -> Callable[[Feed], bytes]:
    # The module of a format is loaded with its first document. Commands that render nothing load no feedgen.
    if fmt is Format.RSS:
        from feedserver.render.rss import render_rss  # noqa: PLC0415  see above

        return render_rss
    if fmt is Format.ATOM:
        from feedserver.render.atom import render_atom  # noqa: PLC0415  see above

        return render_atom
    if fmt is Format.JSON:
        from feedserver.render.jsonfeed import render_json  # noqa: PLC0415  see above

        return render_json
    assert_never(fmt)
