"""Responses: with documents, pages, redirects and plain texts, and to preflight requests.

Here a `Representation` meets a request. `headers` decides the headers of documents, `conditions` prepares
conditional requests for Werkzeug. Does not know what a listing is.
"""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Request, Response

from feedserver.feeds.representation import Representation, digest
from feedserver.web.conditions import fails_precondition, for_werkzeug
from feedserver.web.headers import CORS, document_headers, encoded_for
from feedserver.web.policies import (
    FEED_VARY,
    METHODS,
    PAGE_HEADERS,
    REDIRECT_MAX_AGE,
    ResponsePolicy,
    page_policy,
)

# `*` stands for every header but Authorization. The names are for browsers that do not know `*`.
_ALLOWED_HEADERS = "*, Authorization, If-None-Match, If-Modified-Since, A-IM"


def document_response(
    request: Request, representation: Representation, policy: ResponsePolicy, *, now: datetime
) -> Response:
    """The response with a document: 200, 304 or 412, in the encoding that the request prefers.

    Args:
        request: GET or HEAD.
        representation: the document.
        policy: of its kind.
        now: as for `document_headers`.
    """
    encoding, body = encoded_for(representation, request.headers.get("Accept-Encoding"))
    headers = document_headers(representation, encoding, len(body), policy, now=now)
    response = Response(body, headers=headers)
    tag, _ = response.get_etag()
    if fails_precondition(request, tag or "", response.last_modified):
        return _precondition_failed()
    response.make_conditional(for_werkzeug(request, representation.etag, tag or "", now))
    del response.headers["Date"]  # Werkzeug's; the server writes one into every response
    return response


def page_response(request: Request, html: str, *, cache_control: str, status: int = 200) -> Response:
    """The response with a page; only that of a 200 is conditional."""
    body = html.encode()
    if status == 200:
        page = Representation(body, "text/html", digest(body))
        return document_response(request, page, page_policy(cache_control), now=datetime.now(UTC))
    response = Response(body, status, content_type="text/html; charset=utf-8")
    response.headers["Cache-Control"] = cache_control
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.extend(PAGE_HEADERS)
    return response


def page_redirect_response(url: str) -> Response:
    """Redirect a browser that opens a feed in a tab to the page of the feed.

    `no-store` keeps the redirect from readers even in caches that ignore `Vary`; `Vary` keeps the feed in a
    cache from browsers.
    """
    response = redirect_response(url, 303, "no-store")
    response.headers["Vary"] = FEED_VARY
    return response


def moved_response(url: str) -> Response:
    """Redirect to a URL permanently."""
    return redirect_response(url, 301, f"max-age={REDIRECT_MAX_AGE}")


def redirect_response(url: str, status: int, cache_control: str) -> Response:
    """Redirect to a URL."""
    response = Response(f"See {url}\n", status, content_type="text/plain; charset=utf-8")
    response.headers["Location"] = url
    response.headers["Cache-Control"] = cache_control
    return response


def plain_response(text: str, status: int) -> Response:
    """The response with a text that no cache keeps."""
    response = Response(text, status, content_type="text/plain; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    return response


def preflight_response() -> Response:
    """The response to OPTIONS, which browsers send before requests with headers that are not safelisted."""
    response = Response(status=204)
    del response.headers["Content-Type"]  # there is no content
    response.headers["Allow"] = ", ".join(METHODS)
    response.headers["Access-Control-Allow-Methods"] = ", ".join(METHODS)
    response.headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
    response.headers["Access-Control-Max-Age"] = "86400"
    return response


def open_to_all_origins(response: Response) -> Response:
    """Let scripts of other sites read a response."""
    for name, value in CORS:
        response.headers[name] = value
    return response


def _precondition_failed() -> Response:
    response = Response(
        "The document changed: it is not the one that If-Match or If-Unmodified-Since asks for.\n",
        412,
        content_type="text/plain; charset=utf-8",
    )
    response.headers["Cache-Control"] = "no-store"
    return response
