"""Helps to make a selection: the page of the parameters, and how many articles each topic would leave."""

from __future__ import annotations

from flask import Blueprint, Response, request

from feedserver.articles.selections.parameters import may_select, parse_request
from feedserver.model import Kind, ListingKey
from feedserver.site import pages
from feedserver.site.documents import SelectionPage
from feedserver.web import responses
from feedserver.web.parts import parts
from feedserver.web.policies import ResponsePolicy
from feedserver.web.selections import refuse_if_off, refuse_search_if_off
from feedserver.web.sending import send_found

selections = Blueprint("selections", __name__)

# How many topics and providers the form proposes: those with most articles.
PROPOSED = 200


@selections.get("/selections")
def explained() -> Response:
    """A form that makes a selection, and the parameters with examples."""
    refuse_if_off()
    options, reader = parts().options.selections, parts().publisher.reader
    topics, providers = (reader.summaries(kind, PROPOSED) for kind in (Kind.TOPIC, Kind.PROVIDER))
    html = pages.selections_page(
        parts().chrome, topics, providers, options.default_limit, is_searched=options.are_searched
    )
    return responses.page_response(request, html, cache_control=parts().options.cache_policy.of_pages())


@selections.get("/facets.json")
def facets() -> Response:
    """How many articles each topic, provider and category would leave of a selection."""
    refuse_if_off()
    query = request.query_string.decode("latin-1")
    limit = parts().options.selections.default_limit
    asked = parse_request(ListingKey(kind=Kind.ARTICLES), query, limit, is_reduced=False)
    refuse_search_if_off(asked)
    page = SelectionPage(asked, is_facets=True)
    if may_select(query) and f"{request.path}?{query}" != page.address:
        return responses.moved_response(parts().chrome.base_url + page.address)
    found = parts().documents.selections.find(page)
    return send_found(found, ResponsePolicy(cache_control=parts().options.cache_policy.of_pages()))
