"""The fast path: answers repeated requests before Flask is entered, as servers of static files do.

A WSGI application around another. For each document that Flask answered with, it keeps the headers, made by
`headers` as Flask's are. The bytes are those of the document cache, which compares revisions and the clock
for every request, so that no change is served late (promise 3). Every other request goes on to Flask: other
methods and addresses, browsers that open a feed, deltas, conditions that need more than a comparison of
strings, and documents whose Last-Modified has just come. The fast path renders nothing, waits for no lock
that is held while a document is rendered, and keeps no bytes of documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.http import http_date

from feedserver.articles.selections.parameters import may_select
from feedserver.bounded import Bounded
from feedserver.feeds.representation import ENCODINGS, Representation
from feedserver.web.conditions import names
from feedserver.web.headers import Headers, document_headers, encoded_for, headers_unchanged
from feedserver.web.policies import ResponsePolicy

# Each takes some 2 kB.
MOST_ADDRESSES = 2048
MOST_SELECTIONS = 512

# Status, headers, body. A named tuple takes 0.2 µs longer to make, of the 5 that an answer takes (measured).
_Answer = tuple[str, Headers, list[bytes]]

# One entity tag as nearly all clients send it: that it names nothing of ours is certain at a look.
_ONE_TAG = re.compile(r'(?:W/)?"[\w.:;+/=-]+"')


Name = TypeVar("Name")
Name_contra = TypeVar("Name_contra", contravariant=True)


class Documents(Protocol[Name_contra]):
    """Documents that may be cached: feeds, pages, lists, static files."""

    def cached(self, name: Name_contra) -> Representation | None:
        """The current representation, if it is cached. Raises nothing and waits for nothing."""


class _Known(Generic[Name]):
    """A state of a document, and the headers it is sent with."""

    def __init__(
        self,
        documents: Documents[Name],
        name: Name,
        policy: ResponsePolicy,
        representation: Representation,
    ) -> None:
        moment = representation.last_modified
        self.documents = documents
        self.name = name
        self.is_for_browsers = policy.is_for_browsers
        self._date = None if moment is None else http_date(moment)
        self._policy = policy
        self._etag = representation.etag
        self._last_modified = moment
        suffixes = ["", *(f"-{encoding}" for encoding in ENCODINGS)]
        # As we sent them, so that they need not be parsed.
        self._tags = {f'{weak}"{self._etag}{suffix}"' for weak in ("", "W/") for suffix in suffixes}
        self._headers: dict[str, tuple[Headers, Headers]] = {}

    def is_of(self, representation: Representation) -> bool:
        """Whether this is the state of a representation."""
        return self._etag == representation.etag and self._last_modified == representation.last_modified

    def is_held(self, environ: WSGIEnvironment) -> bool | None:
        """Whether the client holds this state; None if only Werkzeug can tell."""
        tags = environ.get("HTTP_IF_NONE_MATCH")
        if tags:
            if tags in self._tags or names(tags, self._etag):
                return True
            return False if _ONE_TAG.fullmatch(tags) else None
        date = environ.get("HTTP_IF_MODIFIED_SINCE")
        if date is None or self._date is None:
            return False
        return True if date == self._date else None

    def headers(self, representation: Representation, encoding: str, size: int) -> tuple[Headers, Headers]:
        """The headers of a 200 and of a 304, made once per encoding."""
        found = self._headers.get(encoding)
        if found is None:
            # A representation is current only from its Last-Modified on.
            now = self._last_modified or datetime.fromtimestamp(0, UTC)
            whole = document_headers(representation, encoding, size, self._policy, now=now)
            found = self._headers[encoding] = whole, headers_unchanged(whole)
        return found


class FastPath:
    """The WSGI application that the server calls; it calls Flask's for every request that it cannot answer.

    Attributes:
        hits: how many requests this process answered here. A race of threads costs a miscount.
    """

    def __init__(self, application: WSGIApplication, *, sends_deltas: bool) -> None:
        self.hits = 0
        self._application = application
        self._sends_deltas = sends_deltas
        self._known: Bounded[str, _Known[Any]] = Bounded(MOST_ADDRESSES)
        # Apart, so that they evict no listing's address: clients can ask for any number of selections.
        self._selections: Bounded[str, _Known[Any]] = Bounded(MOST_SELECTIONS)

    def learn(
        self,
        address: str,
        documents: Documents[Name],
        name: Name,
        policy: ResponsePolicy,
        representation: Representation,
    ) -> None:
        """Answer for an address from now on, while this is its representation.

        To be called whenever Flask answered with it, and only if no redirect of the settings could take the
        address.

        Args:
            address: of the document.
            documents: hold its current representation.
            name: of the document among them.
            policy: of the response.
            representation: that Flask answered with.
        """
        known = self._selections if "?" in address else self._known
        known.remember(address, _Known(documents, name, policy, representation))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or pass it on."""
        answer = self._answer(environ)
        if answer is None:
            return self._application(environ, start_response)
        status, headers, body = answer
        self.hits += 1
        start_response(status, headers.copy())  # the server may change them (PEP 3333)
        return body

    def _answer(self, environ: WSGIEnvironment) -> _Answer | None:
        known = self._known_for(environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", ""))
        if known is None or self._is_special(known, environ):
            return None
        representation = known.documents.cached(known.name)
        if representation is None or not known.is_of(representation):
            return None
        is_held = known.is_held(environ)
        if is_held is None:
            return None
        encoding, body = encoded_for(representation, environ.get("HTTP_ACCEPT_ENCODING"))
        whole, unchanged = known.headers(representation, encoding, len(body))
        if is_held:
            return "304 NOT MODIFIED", unchanged, []
        return "200 OK", whole, [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _known_for(self, path: str, query: str) -> _Known[Any] | None:
        """The document at an address; a query makes a difference only if it selects articles."""
        if not query:
            return self._known.get(path)
        known = self._selections.get(f"{path}?{query}")
        return known if known is not None or may_select(query) else self._known.get(path)

    def _is_special(self, known: _Known[Any], environ: WSGIEnvironment) -> bool:
        """Whether a request asks for more than a document or a 304."""
        return (
            environ["REQUEST_METHOD"] not in ("GET", "HEAD")
            or "HTTP_IF_MATCH" in environ
            or "HTTP_IF_UNMODIFIED_SINCE" in environ
            or (not known.is_for_browsers and environ.get("HTTP_SEC_FETCH_MODE") == "navigate")
            or (self._sends_deltas and "HTTP_A_IM" in environ)
        )
