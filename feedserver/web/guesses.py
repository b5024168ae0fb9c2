"""Guessed addresses: conventions of other systems, and typing errors.

Pure: a path in, canonical paths out. Does not know which listings exist. The 404 handler tries guesses only
for a path that no listing has, so a guess never hides a listing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from feedserver.articles.slugs import slugify
from feedserver.model import Format
from feedserver.site.addresses import GROUPS, parse, split_format
from feedserver.site.icons import TOUCH_ICON

# The ends of feed addresses in other systems: WordPress (`/feed/atom`), Ghost (`/rss`), Hugo (`/index.xml`),
# Jekyll (`/feed.xml`), Pelican (`.atom.xml`). On the root they mean the feed of all articles.
_ENDS = {
    "/feed": Format.RSS,
    "/rss": Format.RSS,
    "/rss2": Format.RSS,
    "/rdf": Format.RSS,
    "/atom": Format.ATOM,
    "/feed/rss": Format.RSS,
    "/feed/rss2": Format.RSS,
    "/feed/rdf": Format.RSS,
    "/feed/atom": Format.ATOM,
    "/feed/json": Format.JSON,
    "/feed.xml": Format.RSS,
    "/rss.xml": Format.RSS,
    "/rss2.xml": Format.RSS,
    "/index.xml": Format.RSS,
    "/atom.xml": Format.ATOM,
    "/feed.rss": Format.RSS,
    "/index.rss": Format.RSS,
    "/feed.rdf": Format.RSS,
    "/index.rdf": Format.RSS,
    "/feed.atom": Format.ATOM,
    "/index.atom": Format.ATOM,
    "/feed.json": Format.JSON,
    "/index.json": Format.JSON,
    ".rss.xml": Format.RSS,
    ".atom.xml": Format.ATOM,
    ".xml": Format.RSS,
}

# Characters that texts and mail programs leave at the end of an address. Not `+` and `#`, which end names.
_GLUED = " \t\r\n.,;:!?*_'\"()[]{}<>«»“”‘’…|\\/"  # noqa: RUF001  quotation marks as they are typed

# A blank in a form or a query, but not a part of a name such as C++.
_BLANK = re.compile(r"(?<=\w)\+(?=\w)")

# iOS requests icons of several sizes; one is enough for all.
_SIZED_ICON = re.compile(r"/apple-touch-icon-[0-9]{1,4}x[0-9]{1,4}(?:-precomposed)?\.png")

_LONGEST_END = max(len(end) for end in _ENDS)


def guesses(path: str) -> Iterator[str]:
    """Canonical paths that a client may mean by `path`, best first; never `path` itself."""
    tidy = "/" + "/".join(part for part in path.split("/") if part)
    unglued = (one for one in _guesses(tidy.rstrip(_GLUED)) if _is_document(one))
    found = dict.fromkeys([*_guesses(tidy), *unglued])
    yield from (one for one in found if one != path)


def _is_document(path: str) -> bool:
    """Whether a path names a listing, a feed of one, or a list as OPML or JSON, as people paste them."""
    return parse(path) is not None or path.endswith((".opml", ".json"))


def _guesses(path: str) -> Iterator[str]:
    """The guesses for a path without double slashes."""
    yield path
    yield path.lower()
    if _SIZED_ICON.fullmatch(path):
        yield TOUCH_ICON
    documents = list(_documents(path))
    yield from (document.lower() for document in documents)
    for one in (path, *documents):
        yield from _spelled(one)


def _documents(path: str) -> Iterator[str]:
    """`/topics/ai.rss` for `/topics/ai/feed.xml`; the shortest end first, because `feed` may be a name."""
    for start in reversed(range(max(0, len(path) - _LONGEST_END), len(path))):
        fmt = _ENDS.get(path[start:].lower())
        if fmt is not None:
            yield f"{path[:start] or '/articles'}.{fmt.value}"


def _spelled(path: str) -> Iterator[str]:
    """`/topics/power-apps.rss` for `/topics/Power Apps.rss` and `/topics/power+apps.rss`."""
    base, fmt = split_format(path)
    kind, _, name = base.strip("/").partition("/")
    kind = kind.lower()
    if kind not in GROUPS or not name or "/" in name:
        return
    suffix = f".{fmt.value}" if fmt else ""
    for one in (name, _BLANK.sub(" ", name)):
        yield f"/{kind}/{slugify(one)}{suffix}"
    if kind == "providers" and "." in name:
        domain = name.lower()
        other = domain.removeprefix("www.") if domain.startswith("www.") else f"www.{domain}"
        yield f"/{kind}/{other}{suffix}"
