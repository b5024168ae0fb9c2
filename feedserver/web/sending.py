"""Responses with documents: from a document that was found to the response of Flask and of the fast path."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

from flask import Response, request

from feedserver.feeds.cached_documents import FoundDocument, Name
from feedserver.feeds.representation import Representation
from feedserver.web import responses
from feedserver.web.fast_path import Documents
from feedserver.web.parts import parts
from feedserver.web.policies import ResponsePolicy

AnyName = TypeVar("AnyName")


def send_found(
    found: FoundDocument[Name], policy: ResponsePolicy, special: Response | None = None
) -> Response:
    """The response with a document, of which other processes get a copy when the client has it.

    Args:
        found: the document.
        policy: of the response.
        special: the response to this request, if it is another one than the document.
    """
    response = special
    if response is None:
        response = send(found.name.address, found.documents, found.name, policy, found.representation)
    response.call_on_close(found.share)
    return response


def send(
    address: str,
    documents: Documents[AnyName],
    name: AnyName,
    policy: ResponsePolicy,
    representation: Representation,
) -> Response:
    """The response with a document. The fast path gives it from now on, as `FastPath.learn` has it."""
    if parts().addresses.redirect_of(address) is None:  # a redirect may come into effect at any time
        parts().fast_path.learn(address, documents, name, policy, representation)
    return responses.document_response(request, representation, policy, now=datetime.now(UTC))
