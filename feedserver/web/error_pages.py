"""The page of an error, as a response."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response, request

from feedserver.model import ListingSummary
from feedserver.site import pages
from feedserver.web import responses
from feedserver.web.parts import parts
from feedserver.web.policies import NOT_FOUND_MAX_AGE


def error_page(code: int, title: str, message: str, suggestions: Sequence[ListingSummary] = ()) -> Response:
    """The response with the page of an error; only those of 404 and 410 may be cached."""
    html = pages.error_page(parts().chrome, code, title, message, suggestions)
    age = f"max-age={NOT_FOUND_MAX_AGE}" if code in (404, 410) else "no-store"
    return responses.page_response(request, html, cache_control=age, status=code)
