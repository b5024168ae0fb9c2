"""Deltas (RFC 3229): which clients ask for one, and the response with one."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec
from flask import Request, Response

from feedserver.feeds.representation import Representation
from feedserver.web.policies import ResponsePolicy
from feedserver.web.responses import document_response


def accepts_deltas(request: Request) -> bool:
    """Whether a client merges partial feeds: `feed` is among its instance manipulations, with no q=0."""
    for member in request.headers.get("A-IM", "").split(","):
        name, *parameters = (part.strip().lower() for part in member.split(";"))
        if name == "feed" and not any(re.fullmatch(r"q=0(\.0*)?", one) for one in parameters):
            return True
    return False


def delta_response(
    request: Request, representation: Representation, delta: bytes, policy: ResponsePolicy, *, now: datetime
) -> Response:
    """The response with the entries that a client lacks: 226, with the validators of the whole document.

    Args:
        request: GET, with `A-IM: feed`.
        representation: the whole document.
        delta: the document with the missing entries only.
        policy: of the whole.
        now: as for `document_headers`.
    """
    part = Representation(delta, representation.media_type, representation.etag, representation.last_modified)
    plain = Request({**request.environ, "HTTP_IF_NONE_MATCH": "", "HTTP_IF_MODIFIED_SINCE": ""})
    policy = msgspec.structs.replace(policy, cache_control="no-store, im")
    response = document_response(plain, part, policy, now=now)
    if response.status_code == 412:
        return response
    response.status = "226 IM Used"
    response.headers["IM"] = "feed"
    response.headers["Vary"] = f"{policy.vary}, A-IM, If-None-Match"
    return response
