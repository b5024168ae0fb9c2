"""The content encoding and the headers of a document, for responses of Flask and of the fast path alike.

Caching rules, `Vary` and the headers of pages come from `policies`. The headers of errors, redirects and
generated responses are set in `responses`, and those of a delta in `deltas`. Knows no request.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from werkzeug.http import http_date, remove_entity_headers

from feedserver.feeds.representation import ENCODINGS, IDENTITY, Representation, choose_encoding
from feedserver.site.caching import content_type
from feedserver.web.policies import ResponsePolicy

# Header lines in their order, as WSGI has them.
Headers = list[tuple[str, str]]

# Scripts of other sites may read every response (Fetch standard, CORS): a web reader finds feeds on pages,
# follows redirects and tells errors apart.
CORS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "ETag, Last-Modified, Link, IM, Retry-After, Date, Age"),
)

# A few dozen spellings, of at most 60 characters, make up nearly all requests. Longer ones are not cached,
# because clients can send any number of them.
_USUAL_ACCEPT_ENCODING = 100


def encoded_for(representation: Representation, accept_encoding: str | None) -> tuple[str, bytes]:
    """The content encoding in which a client gets a document, and the bytes."""
    is_usual = len(accept_encoding or "") <= _USUAL_ACCEPT_ENCODING
    encoding = _choose(accept_encoding) if is_usual else choose_encoding(accept_encoding, ENCODINGS)
    packed = None if encoding == IDENTITY else representation.encoded(encoding)
    return (IDENTITY, representation.body) if packed is None else (encoding, packed)


@lru_cache(maxsize=256)
def _choose(accept_encoding: str | None) -> str:
    return choose_encoding(accept_encoding, ENCODINGS)


def document_headers(
    representation: Representation, encoding: str, size: int, policy: ResponsePolicy, *, now: datetime
) -> Headers:
    """The headers of a 200 with a document.

    Args:
        representation: the document.
        encoding: as sent.
        size: in bytes, as sent.
        policy: of the response.
        now: a Last-Modified whose second has not come is left out. A date in the future would be invalid
            (RFC 9110 section 8.8.2.1), and an earlier one would hide a change within that second.
    """
    suffix = "" if encoding == IDENTITY else f"-{encoding}"
    headers = [("Content-Type", content_type(representation.media_type)), ("Content-Length", str(size))]
    if suffix:
        headers.append(("Content-Encoding", encoding))
    headers += [
        ("ETag", f'"{representation.etag}{suffix}"'),
        ("Vary", policy.vary),
        ("Cache-Control", policy.cache_control),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if representation.last_modified is not None and representation.last_modified <= now:
        headers.append(("Last-Modified", http_date(representation.last_modified)))
    return [*headers, *policy.others, *CORS]


def headers_unchanged(headers: Headers) -> Headers:
    """The headers of a 304 in place of a 200 with the given ones: without those of the content."""
    rest = list(headers)
    remove_entity_headers(rest)
    return rest
