"""The feed documents of listings: subscription documents and archive documents, and deltas of the former."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, Response, request

from feedserver.feeds.cached_documents import FoundDocument
from feedserver.feeds.document import Document
from feedserver.index.archives import ArchiveDocument
from feedserver.model import Format, ListingKey
from feedserver.render import MEDIA_TYPES
from feedserver.site import cache_tags
from feedserver.web import responses, visitors
from feedserver.web.conditions import named_etags
from feedserver.web.deltas import accepts_deltas, delta_response
from feedserver.web.parts import parts
from feedserver.web.policies import ResponsePolicy, feed_policy
from feedserver.web.routes.listings import add_listing_rules, take_listing_key
from feedserver.web.selections import selection_asked_for, send_selection
from feedserver.web.sending import send_found

feeds = Blueprint("feeds", __name__)
feeds.url_value_preprocessor(take_listing_key)


def subscription(key: ListingKey, fmt: Format) -> Response:
    """The subscription document of a listing, or of a selection from it."""
    asked = selection_asked_for(key)
    if asked is not None:
        return send_selection(asked, fmt)
    return _send_feed(Document(key, fmt), parts().options.cache_policy.of_feeds())


def archive_document(key: ListingKey, archive: ArchiveDocument, fmt: Format) -> Response:
    """An archive document of a listing."""
    return _send_feed(Document(key, fmt, archive), parts().options.cache_policy.of_archives())


add_listing_rules(feeds, ".<format:fmt>", subscription)
add_listing_rules(feeds, "/<archive:archive>.<format:fmt>", archive_document)


def _send_feed(document: Document, cache_control: str) -> Response:
    found = parts().publisher.feeds.find(document)
    of_key = cache_tags.of_listing if document.archive is None else cache_tags.of_archives
    tags = cache_tags.header(parts().options.cache_tags, of_key(document.key))
    policy = feed_policy(cache_control, _links(document), tags)
    return send_found(found, policy, _special(found, policy))


def _special(found: FoundDocument[Document], policy: ResponsePolicy) -> Response | None:
    """A redirect to the page for a browser, or a delta for a client that asks for one."""
    document = found.name
    if visitors.is_navigation(request):
        return responses.page_redirect_response(parts().chrome.base_url + document.key.address)
    delta = _delta(document)
    if delta is None:
        return None
    return delta_response(request, found.representation, delta, policy, now=datetime.now(UTC))


def _links(document: Document) -> list[str]:
    """Values of the `Link` header: the document itself, its page, the other formats."""
    base = parts().chrome.base_url
    links = [
        f'<{base}{document.address}>; rel="self"',
        f'<{base}{document.key.address}>; rel="alternate"; type="text/html"',
    ]
    return links + [
        f'<{base}{document._replace(fmt=other).address}>; rel="alternate"; type="{MEDIA_TYPES[other]}"'
        for other in Format
        if other is not document.fmt
    ]


def _delta(document: Document) -> bytes | None:
    """The entries that the client lacks, if it asks for them alone and they can be told."""
    if request.method != "GET" or not accepts_deltas(request):
        return None
    return parts().publisher.delta(document, named_etags(request))
