"""Rendering: a `Feed` in, the bytes of a feed document out.

Each format has a module of its own, and none knows another: `rss` and `atom` go through feedgen,
`jsonfeed` through msgspec. This package selects nothing, stores nothing and knows no HTTP. It keeps
promise 2 (the same feed gives the same bytes: no clock, no locale, no environment) and its share of
promise 5 (no text, however broken, keeps the other articles from being served).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from types import MappingProxyType

from feedserver.model import Feed, Format
from feedserver.render.atom import render_atom
from feedserver.render.jsonfeed import render_json
from feedserver.render.media_types import MEDIA_TYPES
from feedserver.render.rss import render_rss

__all__ = ["MEDIA_TYPES", "RENDERER_VERSION", "render"]

# Part of every cache key: raise the first number when the output of this package may change.
RENDERER_VERSION = "-".join(("2", *(f"{name}{version(name)}" for name in ("feedgen", "lxml", "msgspec"))))

_RENDERERS: Mapping[Format, Callable[[Feed], bytes]] = MappingProxyType(
    {Format.RSS: render_rss, Format.ATOM: render_atom, Format.JSON: render_json}
)


def render(feed: Feed, fmt: Format) -> bytes:
    """The feed document in a format, in UTF-8. Entries keep their order; all dates must have a zone."""
    return _RENDERERS[fmt](feed)
