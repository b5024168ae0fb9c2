"""Ad hoc selections over HTTP: from the query of a request to a document, or to its canonical address."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response, request
from werkzeug.exceptions import NotFound

from feedserver.articles.selections.matching import asks_for_words
from feedserver.articles.selections.parameters import SelectionRequest, may_select, parse_request
from feedserver.errors import SelectionError
from feedserver.feeds.selection_feed import selection_address
from feedserver.feeds.selection_source import SelectionDocument
from feedserver.model import Format, ListingKey, with_suffix
from feedserver.render import MEDIA_TYPES
from feedserver.site import cache_tags
from feedserver.site.documents import SelectionPage
from feedserver.web import responses, visitors
from feedserver.web.parts import parts
from feedserver.web.policies import feed_policy, page_policy
from feedserver.web.sending import send_found

# The characters that a query may contain (RFC 3986 section 3.4), and the percent sign of encoded ones.
_SAFE = "!$&'()*+,;=:@/?%-._~"


def selection_asked_for(key: ListingKey) -> SelectionRequest | None:
    """The selection that a request asks for from a listing; None if its query selects nothing.

    Raises:
        SelectionError: if it means nothing, or exceeds a bound.
        NotFound: if the settings switch ad hoc selections off.
    """
    query = request.query_string.decode("latin-1")
    if not may_select(query):
        return None
    refuse_if_off()
    asked = parse_request(key, query, parts().options.selections.default_limit)
    refuse_search_if_off(asked)
    return asked


def refuse_if_off() -> None:
    """Raise NotFound if the settings switch ad hoc selections off."""
    if not parts().options.selections.are_on:
        raise NotFound("This site offers its listings only: selections by address are switched off.")


def refuse_search_if_off(asked: SelectionRequest) -> None:
    """Raise a SelectionError if a selection asks for words, and the settings switch the search off."""
    if not parts().options.selections.are_searched and asks_for_words(asked.criteria.condition):
        raise SelectionError("", "", "the search for words (q) is switched off on this site")


def with_query(address: str) -> str:
    """An address that a request is redirected to, with the query of the request if that selects articles."""
    query = request.query_string.decode("latin-1")
    return f"{address}?{quote(query, safe=_SAFE)}" if may_select(query) else address


def send_selection(asked: SelectionRequest, fmt: Format | None) -> Response:
    """The response with a selection: a feed document, or its page without a format; or to where it is."""
    page = selection_address(asked)
    address = page if fmt is None else with_suffix(page, fmt.value)
    if f"{request.path}?{request.query_string.decode('latin-1')}" != address:
        return responses.moved_response(parts().chrome.base_url + address)
    # With the listing that it is taken from, a selection changes at the latest.
    tags = cache_tags.header(parts().options.cache_tags, cache_tags.of_listing(asked.base))
    if fmt is None:
        policy = page_policy(parts().options.cache_policy.of_pages(), tags)
        return send_found(parts().documents.selections.find(SelectionPage(asked)), policy)
    document = SelectionDocument(asked, fmt)
    policy = feed_policy(parts().options.cache_policy.of_feeds(), _links(document, page), tags)
    found = parts().publisher.selections.find(document)
    special = None
    if visitors.is_navigation(request):
        special = responses.page_redirect_response(parts().chrome.base_url + page)
    return send_found(found, policy, special)


def _links(document: SelectionDocument, page: str) -> list[str]:
    """Values of the `Link` header: the document itself, its page, the other formats."""
    base = parts().chrome.base_url
    return [
        f'<{base}{document.address}>; rel="self"',
        f'<{base}{page}>; rel="alternate"; type="text/html"',
        *(
            f'<{base}{with_suffix(page, other.value)}>; rel="alternate"; type="{MEDIA_TYPES[other]}"'
            for other in Format
            if other is not document.fmt
        ),
    ]
