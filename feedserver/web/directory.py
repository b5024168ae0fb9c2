"""The directory: what the site has to offer, as pages, OPML and JSON.

Asks the index for the listings of each kind and hands them to the pages and renderers. Decides what
belongs together and in which order; formats nothing itself and knows no HTTP.
"""

from __future__ import annotations

import msgspec

from feedserver.channels import describe, listing_title, summarise
from feedserver.model import Format, Kind, ListingKey, ListingSummary
from feedserver.publisher import Publisher
from feedserver.render.opml import render_opml
from feedserver.web.pages import ListingGroup

HEADINGS = {
    Kind.TOPIC: "Topics",
    Kind.PROVIDER: "Providers",
    Kind.CATEGORY: "Categories",
    Kind.FEED: "Feeds",
}

OPML_TYPE = "text/x-opml"


def everything(publisher: Publisher) -> ListingSummary:
    """The listing of all articles.

    Raises:
        IndexNotReadyError: before the first index is complete.
    """
    return summarise(publisher.state(ListingKey(kind=Kind.ARTICLES)), publisher.site)


def listings(publisher: Publisher, kind: Kind) -> list[ListingSummary]:
    """The listings of a kind that have articles and were not retired, most articles first.

    Raises:
        IndexNotReadyError: before the first index is complete.
    """
    site = publisher.site
    return [
        msgspec.structs.replace(one, title=listing_title(one, site), description=describe(one, site))
        for one in publisher.reader.summaries(kind)
        if one.key.address not in site.retired
    ]


def group(publisher: Publisher, kind: Kind) -> ListingGroup:
    """A kind's part of the directory; providers come with their domains, a second address of theirs."""
    members = listings(publisher, kind)
    if kind is Kind.PROVIDER:
        members += listings(publisher, Kind.DOMAIN)
    return ListingGroup(heading=HEADINGS[kind], address=f"/{kind.value}", listings=tuple(members))


def groups(publisher: Publisher) -> list[ListingGroup]:
    """The whole directory, without the parts that are empty."""
    parts = [group(publisher, kind) for kind in HEADINGS]
    return [part for part in parts if part.listings]


def opml(publisher: Publisher, kind: Kind | None = None) -> bytes:
    """The feeds of a kind as OPML; without one, everything in folders."""
    site = publisher.site
    if kind is not None:
        folders = {"": list(group(publisher, kind).listings)}
        title = f"{HEADINGS[kind]} | {site.title}"
    else:
        whole = everything(publisher)
        folders = {"": [] if whole.key.address in site.retired else [whole]}
        folders |= {part.heading: list(part.listings) for part in groups(publisher)}
        title = site.title
    return render_opml(title, site.base_url, folders)


def as_json(publisher: Publisher, kind: Kind) -> bytes:
    """The listings of a kind with counts, last change and addresses, as JSON."""
    members = group(publisher, kind).listings
    return msgspec.json.encode([described(one, publisher.site.base_url) for one in members])


def described(summary: ListingSummary, base_url: str) -> dict[str, object]:
    """A listing as programs want it; also what `feedserver list --json` prints."""
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
