"""Rendering: a `Feed` in, the bytes of a feed document out.

Each format has a module of its own, and none knows another: `rss` and `atom` go through feedgen,
`jsonfeed` through msgspec. This package selects nothing, stores nothing and knows no HTTP. It keeps
promise 2 (the same feed gives the same bytes: no clock, no locale, no environment) and its share of
promise 5 (no text, however broken, keeps the other articles from being served).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import version

from feedserver.model import Feed, Format
from feedserver.render.media_types import MEDIA_TYPES

__all__ = ["MEDIA_TYPES", "RENDERER_VERSION", "load", "render"]

# Part of every cache key: raise the first number when the output of this package may change.
RENDERER_VERSION = "-".join(("2", *(f"{name}{version(name)}" for name in ("feedgen", "lxml", "msgspec"))))


def render(feed: Feed, fmt: Format) -> bytes:
    """The feed document in a format, in UTF-8. Entries keep their order; all dates must have a zone."""
    return _renderer(fmt)(feed)


def load() -> None:
    """Load all formats now, where somebody would wait for them with the first document."""
    for fmt in Format:
        _renderer(fmt)


@cache
def _renderer(fmt: Format) -> Callable[[Feed], bytes]:
    # A format's module with its first document: what finds nothing to render loads no feedgen.
    if fmt is Format.RSS:
        from feedserver.render.rss import render_rss  # noqa: PLC0415  see above

        return render_rss
    if fmt is Format.ATOM:
        from feedserver.render.atom import render_atom  # noqa: PLC0415  see above

        return render_atom
    from feedserver.render.jsonfeed import render_json  # noqa: PLC0415  see above

    return render_json
