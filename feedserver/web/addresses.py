"""What a request path names: a listing, one of its feed documents, or what people guess for one.

Pure: paths in, keys and paths out. Does not know which listings exist. Slugs hold no dot and domains
do, so `/providers/geekwire` and `/providers/geekwire.com` never clash, and what follows the last dot
of any other segment is a format.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from feedserver.archives import Part, parse_part
from feedserver.articles.slugs import domain_slug, slugify
from feedserver.model import Format, Kind, ListingKey
from feedserver.publisher import Document

# The kinds that a first segment names, and that have a page which lists them.
GROUPS = {kind.value: kind for kind in (Kind.TOPIC, Kind.PROVIDER, Kind.CATEGORY, Kind.FEED)}

# What people and programs try on a site's root, and the document that they mean.
_WELL_KNOWN = {
    "/feed": "/articles.rss",
    "/rss": "/articles.rss",
    "/atom": "/articles.atom",
    "/feed.xml": "/articles.rss",
    "/rss.xml": "/articles.rss",
    "/index.xml": "/articles.rss",
    "/atom.xml": "/articles.atom",
    "/feed.json": "/articles.json",
}

# What is tried below a listing: WordPress' `/feed`, Ghost's `/rss`.
_BELOW = {"feed": Format.RSS, "rss": Format.RSS, "atom": Format.ATOM}


# The forms in which a list of listings can be had, beside its page.
_LIST_SUFFIXES = ("opml", "json")


class Target(NamedTuple):
    """A listing, and its feed document in a format if that is meant and not its page."""

    key: ListingKey
    fmt: Format | None = None
    part: Part | None = None

    @property
    def document(self) -> Document | None:
        """The feed document, if one is meant."""
        return None if self.fmt is None else Document(self.key, self.fmt, self.part)

    @property
    def address(self) -> str:
        """The canonical path of the page or document."""
        return self.key.address if self.document is None else self.document.address


class ListTarget(NamedTuple):
    """A list of listings: all of a kind, or of no kind in particular the directory.

    `suffix` is empty for its page, else `opml` or, for those of a kind, `json`.
    """

    kind: Kind | None
    suffix: str

    @property
    def address(self) -> str:
        """The path of the list."""
        if self.kind is None:
            return "/all.opml" if self.suffix else "/"
        return f"/{self.kind.value}.{self.suffix}" if self.suffix else f"/{self.kind.value}"


# What lists everything there is.
DIRECTORY = ListTarget(None, "")
DIRECTORY_OPML = ListTarget(None, "opml")


def parse_list(path: str) -> ListTarget | None:
    """The list of a kind that a path names: `/topics`, `/topics.opml`."""
    group, dot, suffix = path.removeprefix("/").partition(".")
    if group not in GROUPS or (dot and suffix not in _LIST_SUFFIXES):
        return None
    return ListTarget(GROUPS[group], suffix)


def parse(path: str) -> Target | None:
    """The listing that a canonical path names, or None if the path cannot name one."""
    base, fmt = split_format(path)
    parent, _, last = base.rpartition("/")
    part = parse_part(last) if fmt is not None else None
    key = _parse_key(base if part is None else parent)
    return None if key is None else Target(key, fmt, part)


def _parse_key(path: str) -> ListingKey | None:
    parts = path.split("/")[1:]
    if parts == ["articles"]:
        return ListingKey(kind=Kind.ARTICLES)
    if len(parts) != 2 or parts[0] not in GROUPS:
        return None
    slug = parts[1]
    kind = GROUPS[parts[0]]
    if kind is Kind.PROVIDER and "." in slug:
        return ListingKey(kind=Kind.DOMAIN, slug=slug) if domain_slug(slug) == slug else None
    return ListingKey(kind=kind, slug=slug) if slug and "." not in slug else None


def guesses(path: str) -> Iterator[str]:
    """Canonical paths that somebody who asked for `path` may have meant, best first; never `path`."""
    tidy = "/" + "/".join(part for part in path.split("/") if part)
    lower = tidy.lower()
    below = _document_below(tidy)
    candidates = [tidy, lower, _WELL_KNOWN.get(lower, ""), below.lower(), _spelled(tidy), _spelled(below)]
    yield from dict.fromkeys(one for one in candidates if one and one != path)


def _document_below(path: str) -> str:
    """`/topics/ai.rss` for `/topics/ai/feed`."""
    base, _, last = path.rpartition("/")
    fmt = _BELOW.get(last.lower())
    return f"{base}.{fmt.value}" if base and fmt is not None else ""


def _spelled(path: str) -> str:
    """`/topics/power-apps.rss` for `/topics/Power Apps.rss`."""
    base, fmt = split_format(path)
    kind, _, name = base.strip("/").partition("/")
    if kind.lower() not in GROUPS or not name or "/" in name:
        return ""
    return f"/{kind.lower()}/{slugify(name)}" + (f".{fmt.value}" if fmt else "")


def split_format(path: str) -> tuple[str, Format | None]:
    """A path without the suffix of a feed document, and the format that the suffix names."""
    base, dot, suffix = path.rpartition(".")
    if dot and suffix in set(Format):
        return base, Format(suffix)
    return path, None
