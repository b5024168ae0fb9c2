"""From documents to HTTP responses: validators, codings, caching, CORS.

The rim: here a `Representation` meets a request. Conditional requests are decided by Werkzeug
(RFC 9110 section 13), to which a client's tag is shown without the suffix of a coding. Keeps promise
3: whoever holds the current content gets 304, in whatever coding he holds it, nobody else does. Does
not know what a listing is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Request, Response
from werkzeug.http import parse_date

from feedserver.model import Value
from feedserver.representation import CODINGS, IDENTITY, Representation, choose_coding, digest

# Ours is "-gzip"; Apache's mod_deflate appends the same, others ";gzip" or "--gzip".
_CODING_SUFFIX = re.compile(r"(?:-{1,2}|;)(?:gzip|br|deflate|zstd)")

# A tag in If-None-Match; RFC 9110 wants quotes, some clients send none.
_ENTITY_TAG = re.compile(r'(?:W/)?(?:"([^"]*)"|([^\s,"]+))')

# A page shows images of anywhere, and nothing else that is not its own.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src https: http: data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

NOT_FOUND_MAX_AGE = 60  # seconds
REDIRECT_MAX_AGE = 86_400  # seconds
STATIC_MAX_AGE = 86_400  # seconds
ARCHIVE_MAX_AGE = 86_400  # seconds

# A client that names more states than this is not told what is new since any of them.
MOST_ETAGS = 20


class CachePolicy(Value, frozen=True):
    """How long answers may be kept, in seconds."""

    max_age: int
    stale_while_revalidate: int
    stale_if_error: int
    page_max_age: int

    def of_feeds(self) -> str:
        """`Cache-Control` of feed documents (RFC 5861 for the stale ones)."""
        return (
            f"max-age={self.max_age}, stale-while-revalidate={self.stale_while_revalidate}, "
            f"stale-if-error={self.stale_if_error}"
        )

    def of_archives(self) -> str:
        """`Cache-Control` of archive documents: kept for a day, but a retraction must reach them."""
        return (
            f"max-age={max(self.max_age, ARCHIVE_MAX_AGE)}, "
            f"stale-while-revalidate={self.stale_while_revalidate}, stale-if-error={self.stale_if_error}"
        )

    def of_pages(self) -> str:
        """`Cache-Control` of pages."""
        return f"max-age={self.page_max_age}"


def document_response(
    request: Request,
    representation: Representation,
    *,
    cache_control: str,
    now: datetime,
    links: Sequence[str] = (),
) -> Response:
    """The answer with a document: 200 or 304, in the coding that the request prefers.

    Args:
        request: GET or HEAD.
        representation: the document.
        cache_control: the header's value.
        now: to leave out a Last-Modified whose second has not come; a date in the future would be
            invalid (RFC 9110 section 8.8.2.1), and an earlier one would hide a change within it.
        links: values of the `Link` header.
    """
    coding = choose_coding(request.headers.get("Accept-Encoding"), CODINGS)
    packed = None if coding == IDENTITY else representation.coded(coding)
    response = Response(representation.body if packed is None else packed)
    tag = representation.etag
    if packed is not None:
        response.headers["Content-Encoding"] = coding
        tag += f"-{coding}"
    response.headers["Content-Type"] = f"{representation.media_type}; charset=utf-8"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = cache_control
    response.headers["X-Content-Type-Options"] = "nosniff"
    for link in links:
        response.headers.add("Link", link)
    response.set_etag(tag)
    if representation.last_modified is not None and representation.last_modified <= now:
        response.last_modified = representation.last_modified
    response.make_conditional(_conditions(request, representation.etag, tag))
    return response


def delta_response(
    request: Request,
    representation: Representation,
    delta: bytes,
    *,
    now: datetime,
    links: Sequence[str] = (),
) -> Response:
    """The answer with what a client is missing: 226, with the validators of the whole (RFC 3229).

    Args:
        request: GET, with `A-IM: feed`.
        representation: the whole document.
        delta: the document with the missing entries only.
        now: as for `document_response`.
        links: values of the `Link` header.
    """
    part = Representation(delta, representation.media_type, representation.etag, representation.last_modified)
    plain = Request({**request.environ, "HTTP_IF_NONE_MATCH": "", "HTTP_IF_MODIFIED_SINCE": ""})
    response = document_response(plain, part, cache_control="no-store, im", now=now, links=links)
    response.status = "226 IM Used"
    response.headers["IM"] = "feed"
    response.headers["Vary"] = "Accept-Encoding, A-IM, If-None-Match"
    return response


def accepts_deltas(request: Request) -> bool:
    """Whether a client merges partial feeds: `feed` is among its instance manipulations, with no q=0."""
    for member in request.headers.get("A-IM", "").split(","):
        name, *parameters = (part.strip().lower() for part in member.split(";"))
        if name == "feed" and not any(re.fullmatch(r"q=0(\.0*)?", one) for one in parameters):
            return True
    return False


def named_etags(request: Request) -> list[str]:
    """The bare ETags that a client names, without the suffix of a coding; of very many, none."""
    found = _ENTITY_TAG.findall(request.headers.get("If-None-Match", ""))
    tags = [quoted or bare for quoted, bare in found]
    return [_CODING_SUFFIX.sub("", tag) for tag in tags] if len(tags) <= MOST_ETAGS else []


def page_response(request: Request, html: str, *, cache_control: str, status: int = 200) -> Response:
    """The answer with a page; one that is no success is not conditional."""
    body = html.encode()
    if status == 200:
        page = Representation(body, "text/html", digest(body))
        return page_document_response(request, page, cache_control=cache_control)
    response = Response(body, status, content_type="text/html; charset=utf-8")
    response.headers["Cache-Control"] = cache_control
    response.headers["X-Content-Type-Options"] = "nosniff"
    return _guarded(response)


def page_document_response(request: Request, page: Representation, *, cache_control: str) -> Response:
    """The answer with a page that is at hand: 200 or 304."""
    response = document_response(request, page, cache_control=cache_control, now=datetime.now(UTC))
    return _guarded(response)


def _guarded(page: Response) -> Response:
    """Let a page load nothing but its own and pictures, and tell other sites only where it is from."""
    page.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    page.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    return page


def redirect_response(url: str, status: int, cache_control: str) -> Response:
    """A redirect: 301 for good, 303 for a person who wants to see a page."""
    response = Response(f"See {url}\n", status, content_type="text/plain; charset=utf-8")
    response.headers["Location"] = url
    response.headers["Cache-Control"] = cache_control
    return response


def open_to_all_origins(response: Response) -> Response:
    """Let scripts of other sites read a feed and its validators (Fetch standard, CORS)."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = "ETag, Last-Modified, Link, IM"
    return response


def preflight_response() -> Response:
    """The answer to OPTIONS: If-None-Match and A-IM are no safelisted headers, so browsers ask first."""
    response = Response(status=204)
    del response.headers["Content-Type"]  # there is no content
    response.headers["Allow"] = "GET, HEAD, OPTIONS"
    response.headers["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
    response.headers["Access-Control-Allow-Headers"] = "If-None-Match, If-Modified-Since, A-IM"
    response.headers["Access-Control-Max-Age"] = "86400"
    return open_to_all_origins(response)


def _conditions(request: Request, etag: str, tag: str) -> dict[str, Any]:
    """The request as Werkzeug shall judge it, for a document with this ETag that is sent under this tag."""
    environ = dict(request.environ)
    if _names(environ.get("HTTP_IF_NONE_MATCH", ""), etag):
        environ["HTTP_IF_NONE_MATCH"] = f'"{tag}"'
    try:
        parse_date(environ.get("HTTP_IF_MODIFIED_SINCE"))
    except OverflowError:  # Werkzeug lets a zone of many digits escape; RFC 9110 section 13.1.3 ignores it
        del environ["HTTP_IF_MODIFIED_SINCE"]
    return environ


def _names(if_none_match: str, etag: str) -> bool:
    """Whether a list of entity tags names a document, in whatever coding."""
    tags = (quoted or bare for quoted, bare in _ENTITY_TAG.findall(if_none_match))
    suffixes = (tag.removeprefix(etag) for tag in tags if tag.startswith(etag))
    return any(not suffix or _CODING_SUFFIX.fullmatch(suffix) for suffix in suffixes)
