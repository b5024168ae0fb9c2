"""The page of an error, as a response."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response, request

from feedserver.model import ListingSummary
from feedserver.site import pages
from feedserver.site.caching import OF_NOT_FOUND
from feedserver.web import responses
from feedserver.web.parts import parts


def error_page(code: int, title: str, message: str, suggestions: Sequence[ListingSummary] = ()) -> Response:
    """The response with the page of an error; only those of 404 and 410 may be cached."""
    html = pages.error_page(parts().chrome, code, title, message, suggestions)
    age = OF_NOT_FOUND if code in (404, 410) else "no-store"
    return responses.page_response(request, html, cache_control=age, status=code)
