"""The meaning of a path: a listing, one of its feed documents, or a list of listings.

Pure: paths in, keys and paths out. Does not know which listings exist. Slugs hold no dot and domains do, so
`/providers/geekwire` and `/providers/geekwire.com` never clash. In all other segments, a format follows the
last dot. The URL rules of `web.routes` mean the same; a test compares them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from feedserver.articles.slugs import domain_slug
from feedserver.feeds.document import Document
from feedserver.index.archives import ArchiveDocument, parse_archive
from feedserver.model import Format, Kind, ListingKey

# The kinds by their first segment, which is the address of their list.
GROUPS = {kind.value: kind for kind in (Kind.TOPIC, Kind.PROVIDER, Kind.CATEGORY, Kind.FEED)}

# A list of listings. Its first page has no number, further pages count from 2. Each has OPML and JSON beside
# it.
_LIST = re.compile(rf"/({'|'.join(GROUPS)})(?:\.([2-9]|[1-9][0-9]{{1,6}}))?(?:\.(opml|json))?")


class Destination(NamedTuple):
    """The page of a listing or of an archive document; with a format, a feed document."""

    key: ListingKey
    fmt: Format | None = None
    archive: ArchiveDocument | None = None

    @property
    def document(self) -> Document | None:
        """The feed document; None for the page."""
        return None if self.fmt is None else Document(self.key, self.fmt, self.archive)

    @property
    def address(self) -> str:
        """The canonical path of the page or document."""
        if self.document is not None:
            return self.document.address
        return self.key.address if self.archive is None else page_of_archive(self.key, self.archive)


class ListTarget(NamedTuple):
    """A list of the listings of a kind; without a kind, the directory.

    `suffix` is empty for HTML, else `opml` or, with a kind, `json`. Long lists have several pages. The
    recommended list has feeds that bring no article twice.
    """

    kind: Kind | None
    suffix: str
    page: int = 1
    is_recommended: bool = False

    @property
    def address(self) -> str:
        """The path of the list."""
        if self.is_recommended:
            return "/recommended.opml"
        if self.kind is None:
            return "/all.opml" if self.suffix else "/"
        number = f".{self.page}" if self.page > 1 else ""
        return f"/{self.kind.value}{number}.{self.suffix}" if self.suffix else f"/{self.kind.value}{number}"


# The lists of all kinds.
DIRECTORY = ListTarget(None, "")
DIRECTORY_OPML = ListTarget(None, "opml")
RECOMMENDED_OPML = ListTarget(None, "opml", is_recommended=True)


def page_of_archive(key: ListingKey, archive: ArchiveDocument) -> str:
    """The path of the page with the articles of an archive document: that of its feeds, without a suffix."""
    return f"{key.address}/{archive}"


def parse_list(path: str) -> ListTarget | None:
    """The list of a kind that a path names: `/topics`, `/topics.opml`, `/topics.2.json`."""
    found = _LIST.fullmatch(path)
    if found is None:
        return None
    group, page, suffix = found.groups()
    return ListTarget(GROUPS[group], suffix or "", int(page or 1))


def parse(path: str) -> Destination | None:
    """The listing that a canonical path names, or None if the path cannot name one."""
    base, fmt = split_format(path)
    parent, _, last = base.rpartition("/")
    archive = parse_archive(last)
    key = _parse_key(base if archive is None else parent)
    return None if key is None else Destination(key, fmt, archive)


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


def split_format(path: str) -> tuple[str, Format | None]:
    """A path without the suffix of a feed document, and the format that the suffix names."""
    base, dot, suffix = path.rpartition(".")
    if dot and suffix in set(Format):
        return base, Format(suffix)
    return path, None
