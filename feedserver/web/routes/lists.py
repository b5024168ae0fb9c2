"""The directory, and the lists of listings, as pages, OPML and JSON."""

from __future__ import annotations

from flask import Blueprint, Response

from feedserver.model import Kind
from feedserver.site import cache_tags
from feedserver.site.addresses import DIRECTORY, DIRECTORY_OPML, RECOMMENDED_OPML, ListTarget
from feedserver.site.documents import PAGE_TYPE, media_type
from feedserver.web.parts import parts
from feedserver.web.policies import ResponsePolicy, page_policy
from feedserver.web.sending import send_found

lists = Blueprint("lists", __name__)


@lists.get("/")
def directory() -> Response:
    """The directory of all listings."""
    return _send_list(DIRECTORY)


@lists.get("/all.opml")
def all_feeds() -> Response:
    """Every feed as OPML."""
    return _send_list(DIRECTORY_OPML)


@lists.get("/recommended.opml")
def recommended() -> Response:
    """Feeds that bring each article once, as OPML."""
    return _send_list(RECOMMENDED_OPML)


@lists.get("/<kind:kind>")
@lists.get("/<kind:kind>.<page:page>")
@lists.get("/<kind:kind>.<list_format:suffix>")
@lists.get("/<kind:kind>.<page:page>.<list_format:suffix>")
def group(kind: Kind, page: int = 1, suffix: str = "") -> Response:
    """A page of the list of the listings of a kind."""
    return _send_list(ListTarget(kind, suffix, page))


def _send_list(wanted: ListTarget) -> Response:
    options = parts().options
    cache_control = options.cache_policy.of_pages()
    tags = cache_tags.header(options.cache_tags, cache_tags.of_list(wanted))
    if media_type(wanted) == PAGE_TYPE:
        policy = page_policy(cache_control, tags)
    else:
        policy = ResponsePolicy(cache_control=cache_control, others=tags)
    return send_found(parts().documents.lists.find(wanted), policy)
