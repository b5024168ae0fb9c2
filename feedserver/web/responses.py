"""From documents to HTTP responses: validators, codings, caching, CORS.

The rim: here a `Representation` meets a request. Conditional requests are decided by Werkzeug
(RFC 9110 section 13), to which a client's tag is shown without the suffix of a coding. Keeps promise
3: whoever holds the current content gets 304, in whatever coding he holds it, nobody else does. The
headers of a document are decided here alone, for Flask as for the front. Does not know what a listing is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
from flask import Request, Response
from werkzeug.http import http_date, parse_date, remove_entity_headers

from feedserver.model import Value
from feedserver.representation import CODINGS, IDENTITY, Representation, choose_coding, digest

# Ours is "-gzip"; Apache's mod_deflate appends the same, others ";gzip" or "--gzip".
_CODING_SUFFIX = re.compile(r"(?:-{1,2}|;)(?:gzip|br|deflate|zstd)")

# A tag in If-None-Match; RFC 9110 wants quotes, some clients send none.
_ENTITY_TAG = re.compile(r'(?:W/)?(?:"([^"]*)"|([^\s,"]+))')

# Header lines in their order, as WSGI wants them.
Headers = list[tuple[str, str]]

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
        """`Cache-Control` of pages and lists: persons wait for the present one, while there is one."""
        return f"max-age={self.page_max_age}, stale-if-error={self.stale_if_error}"


class Manner(Value, frozen=True):
    """How documents of one kind go out: what their headers say beside type, coding and validators.

    `is_for_persons` tells that a person who opens one in a browser gets it as well, and not its page.
    """

    cache_control: str
    others: tuple[tuple[str, str], ...] = ()
    is_for_persons: bool = True


# Scripts of other sites may read a document and its validators (Fetch standard, CORS).
_CORS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "ETag, Last-Modified, Link, IM"),
)
# A page loads nothing but its own and pictures, and tells other sites only where it is from.
_GUARD = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
)


def feed_manner(cache_control: str, links: Sequence[str]) -> Manner:
    """The manner of feeds, which programs of everybody may read; `links` are values of the `Link` header."""
    others = (*(("Link", link) for link in links), *_CORS)
    return Manner(cache_control=cache_control, others=others, is_for_persons=False)


def list_manner(cache_control: str) -> Manner:
    """The manner of lists for programs, of everybody too."""
    return Manner(cache_control=cache_control, others=_CORS)


def page_manner(cache_control: str) -> Manner:
    """The manner of pages."""
    return Manner(cache_control=cache_control, others=_GUARD)


def coded_for(representation: Representation, accept_encoding: str | None) -> tuple[str, bytes]:
    """The coding in which a client gets a document, and the bytes."""
    coding = _choose(accept_encoding)
    packed = None if coding == IDENTITY else representation.coded(coding)
    return (IDENTITY, representation.body) if packed is None else (coding, packed)


@lru_cache(maxsize=256)  # a few dozen spellings make up nearly all requests
def _choose(accept_encoding: str | None) -> str:
    return choose_coding(accept_encoding, CODINGS)


def document_headers(
    representation: Representation, coding: str, size: int, manner: Manner, *, now: datetime
) -> Headers:
    """The headers of a 200 with a document.

    Args:
        representation: the document.
        coding: as sent.
        size: in bytes, as sent.
        manner: what to say beside.
        now: to leave out a Last-Modified whose second has not come; a date in the future would be
            invalid (RFC 9110 section 8.8.2.1), and an earlier one would hide a change within it.
    """
    suffix = "" if coding == IDENTITY else f"-{coding}"
    headers = [("Content-Type", f"{representation.media_type}; charset=utf-8"), ("Content-Length", str(size))]
    if suffix:
        headers.append(("Content-Encoding", coding))
    headers += [
        ("ETag", f'"{representation.etag}{suffix}"'),
        ("Vary", "Accept-Encoding"),
        ("Cache-Control", manner.cache_control),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if representation.last_modified is not None and representation.last_modified <= now:
        headers.append(("Last-Modified", http_date(representation.last_modified)))
    return [*headers, *manner.others]


def headers_unchanged(headers: Headers) -> Headers:
    """The headers of a 304 instead of a 200 with the given ones: without those of the content."""
    rest = list(headers)
    remove_entity_headers(rest)
    return rest


def document_response(
    request: Request, representation: Representation, manner: Manner, *, now: datetime
) -> Response:
    """The answer with a document: 200 or 304, in the coding that the request prefers.

    Args:
        request: GET or HEAD.
        representation: the document.
        manner: of its kind.
        now: as for `document_headers`.
    """
    coding, body = coded_for(representation, request.headers.get("Accept-Encoding"))
    headers = document_headers(representation, coding, len(body), manner, now=now)
    response = Response(body, headers=headers)
    response.make_conditional(_conditions(request, representation.etag, response.get_etag()[0] or ""))
    del response.headers["Date"]  # Werkzeug's; the server writes one into every answer
    return response


def delta_response(
    request: Request, representation: Representation, delta: bytes, manner: Manner, *, now: datetime
) -> Response:
    """The answer with what a client is missing: 226, with the validators of the whole (RFC 3229).

    Args:
        request: GET, with `A-IM: feed`.
        representation: the whole document.
        delta: the document with the missing entries only.
        manner: of the whole.
        now: as for `document_headers`.
    """
    part = Representation(delta, representation.media_type, representation.etag, representation.last_modified)
    plain = Request({**request.environ, "HTTP_IF_NONE_MATCH": "", "HTTP_IF_MODIFIED_SINCE": ""})
    manner = msgspec.structs.replace(manner, cache_control="no-store, im")
    response = document_response(plain, part, manner, now=now)
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
        return document_response(request, page, page_manner(cache_control), now=datetime.now(UTC))
    response = Response(body, status, content_type="text/html; charset=utf-8")
    response.headers["Cache-Control"] = cache_control
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.extend(_GUARD)
    return response


def redirect_response(url: str, status: int, cache_control: str) -> Response:
    """A redirect: 301 for good, 303 for a person who wants to see a page."""
    response = Response(f"See {url}\n", status, content_type="text/plain; charset=utf-8")
    response.headers["Location"] = url
    response.headers["Cache-Control"] = cache_control
    return response


def open_to_all_origins(response: Response) -> Response:
    """Let scripts of other sites read an answer that is no document."""
    response.headers.extend(_CORS)
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
    if names(environ.get("HTTP_IF_NONE_MATCH", ""), etag):
        environ["HTTP_IF_NONE_MATCH"] = f'"{tag}"'
    try:
        parse_date(environ.get("HTTP_IF_MODIFIED_SINCE"))
    except OverflowError:  # Werkzeug lets a zone of many digits escape; RFC 9110 section 13.1.3 ignores it
        del environ["HTTP_IF_MODIFIED_SINCE"]
    return environ


def names(if_none_match: str, etag: str) -> bool:
    """Whether a list of entity tags names a document, in whatever coding."""
    tags = (quoted or bare for quoted, bare in _ENTITY_TAG.findall(if_none_match))
    suffixes = (tag.removeprefix(etag) for tag in tags if tag.startswith(etag))
    return any(not suffix or _CODING_SUFFIX.fullmatch(suffix) for suffix in suffixes)
