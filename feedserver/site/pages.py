"""The pages of the site: values in, one HTML document as text out.

Knows the templates, the names of the static files and the format of dates and numbers. It does not know
Flask, a request, the index or a clock, and opens only the packaged templates and static files, once. A page
is a function of its values (promise 2): no relative times, no locale, no environment.

Two rules hold for every page. Text is text: all values are escaped, and characters that HTML forbids are left
out. URLs are http or https: a page leaves out those with any other scheme. Links between pages are
root-relative, so that a page works under every host name; addresses to copy and for autodiscovery are
absolute and come from the base URL alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from feedserver.articles.selections.help import HELP, RULES
from feedserver.index.archives import ArchiveDocument
from feedserver.model import (
    Feed,
    Finding,
    Format,
    Kind,
    ListingKey,
    ListingSummary,
    Value,
    with_suffix,
)
from feedserver.site.addresses import page_of_archive
from feedserver.site.value_formats import (
    articles,
    clean,
    day,
    duration,
    first_words,
    lead_image,
    machine_time,
    minute,
    number,
    period,
    web_url,
)

if TYPE_CHECKING:
    from jinja2 import Environment

STATIC_DIR = Path(__file__).with_name("static")

# File name -> digest. Pages link `/static/<name>?v=<digest>`, so a response may be cached for ever.
STATIC_DIGESTS: Mapping[str, str] = {
    path.name: sha256(path.read_bytes()).hexdigest()[:16] for path in sorted(STATIC_DIR.iterdir())
}

_TEMPLATE_DIR = Path(__file__).with_name("templates")

# The directory folds further listings of a group away.
LONG_TAIL = 60


class SiteChrome(Value, frozen=True):
    """The header and footer of every page.

    `base_url` is absolute, without a trailing slash; it may have a path. `icon` is the URL of the site's
    icon. Without one, pages link our own.
    """

    title: str
    description: str
    language: str
    base_url: str
    icon: str = ""


class ListingGroup(Value, frozen=True):
    """The listings of one kind and the address of their list: `/topics`.

    The group of the providers may hold domains too; pages show them as a second, quieter list. `listings` are
    those on one page of the list; `total` and `domain_total` count those on all pages.
    """

    heading: str
    address: str
    listings: tuple[ListingSummary, ...] = ()
    total: int = 0
    domain_total: int = 0
    page: int = 1
    pages: int = 1


class Problem(Value, frozen=True):
    """A finding about a file, with the path of that file, for operators only (promise 6)."""

    path: str
    finding: Finding


class Subscription(NamedTuple):
    """One format of one listing: `path` for links on a page, `url` to copy."""

    name: str
    media_type: str
    path: str
    url: str


# --- The pages --------------------------------------------------------------------------------


def directory_page(chrome: SiteChrome, everything: ListingSummary, groups: Sequence[ListingGroup]) -> str:
    """The page at `/`: the listings by group, those with most articles first, without empty groups."""
    return _render(
        "directory.html",
        chrome,
        address="/",
        everything=everything,
        groups=[_ordered(group) for group in groups if group.listings],
        long_tail=LONG_TAIL,
        feeds=_subscriptions(chrome, everything.key),
    )


def group_page(chrome: SiteChrome, group: ListingGroup) -> str:
    """A page of a list such as `/topics`: the listings of one kind, those with most articles first."""
    return _render(
        "group.html",
        chrome,
        address=group.address if group.page == 1 else f"{group.address}.{group.page}",
        section=group.address,
        group=_ordered(group),
        feeds=_subscriptions(chrome, ListingKey(kind=Kind.ARTICLES)),
    )


def listing_page(
    chrome: SiteChrome, feed: Feed, summary: ListingSummary, older: ArchiveDocument | None = None
) -> str:
    """The page of one listing: the addresses of its feeds and its latest entries, as excerpts.

    `older` is the archive document whose page goes on from there.
    """
    return _render(
        "listing.html",
        chrome,
        address=summary.key.address,
        section=_section(summary.key),
        feed=feed,
        channel=feed.channel,
        summary=summary,
        older=older,
        language=feed.channel.language or chrome.language,
        feeds=_subscriptions(chrome, summary.key, feed.channel.page_url),
    )


def archive_page(chrome: SiteChrome, feed: Feed, summary: ListingSummary, archive: ArchiveDocument) -> str:
    """The page of one archive document: its entries, the newest first, and its neighbours in time."""
    return _render(
        "archive.html",
        chrome,
        address=page_of_archive(summary.key, archive),
        section=_section(summary.key),
        entries=feed.entries[::-1],
        channel=feed.channel,
        summary=summary,
        period=period(archive),
        language=feed.channel.language or chrome.language,
        feeds=_subscriptions(chrome, summary.key, feed.channel.page_url),
    )


def selection_page(chrome: SiteChrome, feed: Feed, address: str, heading: str) -> str:
    """The page of an ad hoc selection: the addresses of its feeds and its entries, as excerpts."""
    return _render(
        "selection.html",
        chrome,
        address=address,
        feed=feed,
        channel=feed.channel,
        heading=heading,
        language=feed.channel.language or chrome.language,
        feeds=_formats_of(f"{_base_path(chrome)}{address}", feed.channel.page_url),
    )


# The fields of the form that makes a selection, with their labels.
_FIELDS = (
    ("topic", "Topics"),
    ("not_topic", "Not these topics"),
    ("provider", "Providers"),
    ("not_provider", "Not these providers"),
)


def selections_page(
    chrome: SiteChrome,
    topics: Sequence[ListingSummary],
    providers: Sequence[ListingSummary],
    limit: int,
    *,
    is_searched: bool = True,
) -> str:
    """The page at `/selections`: a form that makes a selection, and the parameters of its address.

    Args:
        chrome: of the site.
        topics: to propose.
        providers: to propose.
        limit: of entries, where none is given.
        is_searched: whether clients may ask for words.
    """
    suggested = {"topic": topics, "provider": providers}
    return _render(
        "selections.html",
        chrome,
        address="/selections",
        help=HELP,
        rules=RULES,
        fields=_FIELDS,
        suggested={name: found for name, found in suggested.items() if found},
        limit=limit,
        is_searched=is_searched,
    )


def status_page(
    chrome: SiteChrome, status: Mapping[str, object], problems: Sequence[Problem] | None = None
) -> str:
    """The page at `/status`: a table of the status, and the problems where the visitor may see them.

    Args:
        status: plain values, datetimes, sequences and mappings of them, as the JSON status has them.
        problems: None if the visitor may not see paths and reasons. Counts are part of the status.
    """
    return _render("status.html", chrome, address="/status", rows=list(_rows(status)), problems=problems)


def error_page(
    chrome: SiteChrome, code: int, title: str, message: str, suggestions: Sequence[ListingSummary] = ()
) -> str:
    """The page of an HTTP error; `suggestions` are the listings with the closest names, best first."""
    return _render("error.html", chrome, code=code, title=title, message=message, suggestions=suggestions)


def look() -> str:
    """A digest of templates and static files: it changes when a page of the same values may change."""
    files = sorted([*STATIC_DIR.iterdir(), *_TEMPLATE_DIR.iterdir()])
    return sha256(b"".join(sha256(file.read_bytes()).digest() for file in files)).hexdigest()


# --- Values for the templates -----------------------------------------------------------------


_FORMATS = (
    (Format.RSS, "RSS", "application/rss+xml"),
    (Format.ATOM, "Atom", "application/atom+xml"),
    (Format.JSON, "JSON Feed", "application/feed+json"),
)

_SECTIONS = (
    ("/articles", "All articles"),
    ("/topics", "Topics"),
    ("/providers", "Providers"),
    ("/categories", "Categories"),
    ("/feeds", "Feeds"),
)


def _section(key: ListingKey) -> str:
    """The address of the group that a listing belongs to."""
    kind = Kind.PROVIDER if key.kind is Kind.DOMAIN else key.kind
    return f"/{kind.value}"


def _base_path(chrome: SiteChrome) -> str:
    return urlsplit(chrome.base_url).path


def _subscriptions(chrome: SiteChrome, key: ListingKey, page_url: str = "") -> list[Subscription]:
    page_url = page_url or f"{chrome.base_url}{key.address}"
    return _formats_of(f"{_base_path(chrome)}{key.address}", page_url)


def _formats_of(page_path: str, page_url: str) -> list[Subscription]:
    return [
        Subscription(name, media_type, with_suffix(page_path, fmt.value), with_suffix(page_url, fmt.value))
        for fmt, name, media_type in _FORMATS
    ]


class _OrderedGroup(NamedTuple):
    heading: str
    address: str
    listings: list[ListingSummary]
    domains: list[ListingSummary]
    total: int
    domain_total: int
    page: int
    pages: int


def _ordered(group: ListingGroup) -> _OrderedGroup:
    """The group with its listings by count, then title, then address, and with the domains separate."""
    by_count = sorted(group.listings, key=lambda one: (-one.count, one.title.casefold(), one.key.address))
    return _OrderedGroup(
        group.heading,
        group.address,
        [one for one in by_count if one.key.kind is not Kind.DOMAIN],
        [one for one in by_count if one.key.kind is Kind.DOMAIN],
        group.total,
        group.domain_total,
        group.page,
        group.pages,
    )


def _rows(status: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The status as labels and values. The label of a nested value begins with those around it."""
    for key, value in status.items():
        label = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _rows(value, f"{label}: ")
        else:
            yield label, _plain(value)


def _plain(value: object) -> object:
    """A status value as text; a datetime stays one."""
    if isinstance(value, datetime):
        return value
    if value is None or value in ("", [], ()):
        return "–"  # noqa: RUF001  an en dash, as in any table
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return number(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(str(_plain(item)) for item in value)
    return str(value)


# --- The templates ----------------------------------------------------------------------------


def load() -> None:
    """Load the templates now, so that the first page does not wait for them."""
    _templates()


@cache
def _templates() -> Environment:
    # Imported here because lists and feeds, exported or printed, need no templates.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  see above

    environment = Environment(
        loader=PackageLoader("feedserver.site", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=clean,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        articles=articles,
        day=day,
        duration=duration,
        first_words=first_words,
        lead_image=lead_image,
        machine_time=machine_time,
        minute=minute,
        number=number,
        web_url=web_url,
    )
    environment.tests["moment"] = lambda value: isinstance(value, datetime)
    environment.globals.update(
        sections=_SECTIONS,
        formats=_FORMATS,
        static={name: f"/static/{name}?v={digest}" for name, digest in STATIC_DIGESTS.items()},
    )
    return environment


def _render(
    template: str, chrome: SiteChrome, *, address: str = "", section: str = "", **values: object
) -> str:
    """One page. `address` is its own, for the canonical link; `section` is that of its group."""
    return (
        _templates()
        .get_template(template)
        .render(chrome=chrome, base=_base_path(chrome), address=address, section=section, **values)
    )
