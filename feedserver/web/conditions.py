"""Conditional requests (RFC 9110 section 13): which documents a client names, and what Werkzeug shall judge.

Keeps promise 3: a client that holds the current content, in any content encoding, gets 304, and no other
client does. Werkzeug compares; here a client's entity tag loses the suffix of an encoding before.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from flask import Request
from werkzeug.http import parse_date, parse_etags

# Ours is "-gzip"; Apache's mod_deflate appends the same, others ";gzip" or "--gzip".
_ENCODING_SUFFIX = re.compile(r"(?:-{1,2}|;)(?:gzip|br|deflate|zstd)")

# A tag in If-None-Match. RFC 9110 requires quotes; some clients send none.
_ENTITY_TAG = re.compile(r'(?:W/)?(?:"([^"]*)"|([^\s,"]+))')

# A client that names more states than this gets no delta.
MOST_ETAGS = 20


def names(if_none_match: str, etag: str) -> bool:
    """Whether a list of entity tags names a document, in any content encoding."""
    tags = (quoted or bare for quoted, bare in _ENTITY_TAG.findall(if_none_match))
    suffixes = (tag.removeprefix(etag) for tag in tags if tag.startswith(etag))
    return any(not suffix or _ENCODING_SUFFIX.fullmatch(suffix) for suffix in suffixes)


def named_etags(request: Request) -> list[str]:
    """The bare ETags that a client names, without the suffix of an encoding; none if it names very many."""
    found = _ENTITY_TAG.findall(request.headers.get("If-None-Match", ""))
    tags = [quoted or bare for quoted, bare in found]
    return [_ENCODING_SUFFIX.sub("", tag) for tag in tags] if len(tags) <= MOST_ETAGS else []


def fails_precondition(request: Request, tag: str, last_modified: datetime | None) -> bool:
    """Whether the client wants no document but another state of it (RFC 9110 section 13.2.2).

    Werkzeug knows neither `If-Match: *` nor `If-Unmodified-Since`.
    """
    if_match = request.environ.get("HTTP_IF_MATCH", "")
    tags = parse_etags(if_match)
    if if_match.strip() == "*" or tags.star_tag:
        return False
    if tags:
        return not tags.is_strong(tag)
    since = _date_of(request.environ.get("HTTP_IF_UNMODIFIED_SINCE"))
    return since is not None and last_modified is not None and last_modified > since


def for_werkzeug(request: Request, etag: str, tag: str, now: datetime) -> dict[str, Any]:
    """A copy of the WSGI environment of a request, by which Werkzeug decides between 200 and 304.

    Args:
        request: whose preconditions do not fail.
        etag: of the document, bare.
        tag: with the suffix of the encoding.
        now: for dates in the future.
    """
    environ = dict(request.environ)
    environ.pop("HTTP_IF_MATCH", None)  # it holds
    if names(environ.get("HTTP_IF_NONE_MATCH", ""), etag):
        environ["HTTP_IF_NONE_MATCH"] = f'"{tag}"'
    since = _date_of(environ.get("HTTP_IF_MODIFIED_SINCE"))
    if since is None or since > now:
        # A date in the future is no Last-Modified of ours but comes from another clock. It would get 304 for
        # changes that the client never saw.
        environ.pop("HTTP_IF_MODIFIED_SINCE", None)
    return environ


def _date_of(header: str | None) -> datetime | None:
    try:
        return parse_date(header)
    except OverflowError:  # Werkzeug raises for a zone of many digits; RFC 9110 section 13.1.3 ignores it
        return None
