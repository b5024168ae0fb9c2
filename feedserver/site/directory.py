"""The directory: the listings of the site as groups for pages, as OPML and as JSON.

Asks the index for the listings of each kind, and decides their groups and order. Formats nothing itself and
knows no HTTP.
"""

from __future__ import annotations

import msgspec

from feedserver.errors import UnknownAddressError
from feedserver.feeds.channels import describe, listing_title, summarise
from feedserver.feeds.publisher import Publisher
from feedserver.index.values import hold_each_once
from feedserver.model import Format, Kind, ListingKey, ListingSummary
from feedserver.render.opml import render_opml
from feedserver.site.addresses import ListTarget, parse
from feedserver.site.pages import ListingGroup

HEADINGS = {
    Kind.TOPIC: "Topics",
    Kind.PROVIDER: "Providers",
    Kind.CATEGORY: "Categories",
    Kind.FEED: "Feeds",
}

OPML_TYPE = "text/x-opml"

# Listings on one page of a list. With all of 500,000, the directory had 237 MB (measured).
PAGE_LISTINGS = 1000


def everything(publisher: Publisher) -> ListingSummary:
    """The listing of all articles.

    Raises:
        IndexNotReadyError: before the first index is complete.
    """
    return summarise(publisher.state(ListingKey(kind=Kind.ARTICLES)), publisher.site)


def listings(publisher: Publisher, kind: Kind, page: int | None = None) -> list[ListingSummary]:
    """The listings of a kind that have articles and are not retired, those with most articles first.

    Args:
        publisher: of the listings.
        kind: of the listings.
        page: of the list, counted from 1; None for the whole list.

    Raises:
        IndexNotReadyError: before the first index is complete.
    """
    site, reader = publisher.site, publisher.reader
    if page is None:
        found = reader.summaries(kind)
    else:
        found = reader.summaries(kind, PAGE_LISTINGS, (page - 1) * PAGE_LISTINGS)
    return [
        msgspec.structs.replace(one, title=listing_title(one, site), description=describe(one, site))
        for one in found
        if one.key.address not in site.retired
    ]


def members(publisher: Publisher, kind: Kind) -> list[ListingSummary]:
    """All listings of a group. That of the providers includes their domains."""
    return [one for part in _kinds(kind) for one in listings(publisher, part)]


def group(publisher: Publisher, kind: Kind, page: int = 1) -> ListingGroup:
    """A page of the group of a kind.

    Raises:
        IndexNotReadyError: before the first index is complete.
        UnknownAddressError: if the list has no such page.
    """
    pages = page_count(publisher, kind)
    if page > pages:
        raise UnknownAddressError(ListTarget(kind, "", page).address)
    found = [one for part in _kinds(kind) for one in listings(publisher, part, page)]
    counts = {part: _count(publisher, part) for part in _kinds(kind)}
    return ListingGroup(
        heading=HEADINGS[kind],
        address=f"/{kind.value}",
        listings=tuple(found),
        total=counts[kind],
        domain_total=counts.get(Kind.DOMAIN, 0),
        page=page,
        pages=pages,
    )


def groups(publisher: Publisher) -> list[ListingGroup]:
    """The first page of each group that has listings."""
    parts = [group(publisher, kind) for kind in HEADINGS]
    return [part for part in parts if part.listings]


def recommended_opml(publisher: Publisher) -> bytes:
    """Feeds that bring each article once, as OPML: the categories, else the feed of all articles.

    The categories do not bring each article once if one has no category, its category is retired, or there
    are more categories than a list has.
    """
    site = publisher.site
    whole = publisher.state(ListingKey(kind=Kind.ARTICLES))
    parts = [
        one
        for one in publisher.reader.filled(Kind.CATEGORY, PAGE_LISTINGS)
        if one.key.address not in site.retired
    ]
    chosen = parts if len(parts) > 1 and hold_each_once(parts, whole) else [whole]
    listed = [summarise(one, site) for one in chosen if one.key.address not in site.retired]
    return render_opml(site.title, site.base_url, {site.title if len(listed) > 1 else "": listed})


def page_count(publisher: Publisher, kind: Kind) -> int:
    """The number of pages of the list of a group, at least one."""
    longest = max(publisher.reader.count(part) for part in _kinds(kind))
    return max(1, -(-longest // PAGE_LISTINGS))


def has_page(publisher: Publisher, wanted: ListTarget) -> bool:
    """Whether a list has a page with this number. Raises IndexNotReadyError."""
    return wanted.kind is None or wanted.page <= page_count(publisher, wanted.kind)


def opml(publisher: Publisher, kind: Kind | None = None, page: int = 1) -> bytes:
    """The feeds on a page of a kind's list as OPML; without a kind, the first page of each list in folders.

    A list of several pages ends with an outline that includes the next one (OPML 2.0, "inclusion").

    Raises:
        IndexNotReadyError: before the first index is complete.
        UnknownAddressError: if the list has no such page.
    """
    site = publisher.site
    if kind is not None:
        parts = {"": group(publisher, kind, page)}
        folders = {name: list(part.listings) for name, part in parts.items()}
        title = f"{HEADINGS[kind]} | {site.title}"
    else:
        parts = {part.heading: part for part in groups(publisher)}
        whole = everything(publisher)
        folders = {"": [] if whole.key.address in site.retired else [whole]}
        folders |= {name: list(part.listings) for name, part in parts.items()}
        title = site.title
    more = {
        name: f"{site.base_url}{part.address}.{part.page + 1}.opml"
        for name, part in parts.items()
        if part.page < part.pages
    }
    return render_opml(title, site.base_url, folders, more)


def as_json(publisher: Publisher, kind: Kind, page: int = 1) -> bytes:
    """The listings on a page of a kind's list with counts, last change and addresses, as JSON.

    Raises:
        IndexNotReadyError: before the first index is complete.
        UnknownAddressError: if the list has no such page.
    """
    found = group(publisher, kind, page).listings
    return msgspec.json.encode([described(one, publisher.site.base_url) for one in found])


def _kinds(kind: Kind) -> tuple[Kind, ...]:
    """The kinds of the listings in a group."""
    return (kind, Kind.DOMAIN) if kind is Kind.PROVIDER else (kind,)


def _count(publisher: Publisher, kind: Kind) -> int:
    """The number of listings of a kind that are shown."""
    retired = (parse(address) for address in publisher.site.retired)
    keys = {target.key for target in retired if target is not None and target.document is None}
    states = (publisher.reader.listing(key) for key in keys if key.kind is kind)
    hidden = sum(state is not None and state.count > 0 for state in states)
    return publisher.reader.count(kind) - hidden


def described(summary: ListingSummary, base_url: str) -> dict[str, object]:
    """A listing in JSON, as lists and `feedserver list --json` have it."""
    page = base_url + summary.key.address
    return {
        "title": summary.title,
        "description": summary.description,
        "count": summary.count,
        "updated": None if summary.updated is None else summary.updated.isoformat().replace("+00:00", "Z"),
        "address": summary.key.address,
        "page": page,
        "feeds": {fmt.value: f"{page}.{fmt.value}" for fmt in Format},
    }
