"""The addresses of the site: from a request to the answer.

One dispatcher, because the addresses are not a fixed set: what a path names is decided by
`addresses`, whether it exists by the index. Here only Flask is added: no selection, no rendering, no
header that `responses` could set. Keeps promise 6 for the status: paths and reasons of problems are
told to who has the token, and on loopback where no public base URL says that a proxy is to be
expected; to nobody else.

An address has one owner, the first of: the fixed pages, what the settings retired, the lists, listings
that have articles, redirects of the settings, listings without articles, guesses. So a topic that was
renamed can be redirected as soon as its last article has left it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from flask import Flask, Request, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter

from feedserver.errors import IndexNotReadyError, UnknownAddressError
from feedserver.model import Format, ListingKey, ListingSummary, Value
from feedserver.publisher import Document, Publisher
from feedserver.render import MEDIA_TYPES
from feedserver.representation import Representation, digest
from feedserver.web import pages, responses, status, visitors
from feedserver.web.addresses import (
    DIRECTORY,
    DIRECTORY_OPML,
    GROUPS,
    ListTarget,
    Target,
    guesses,
    parse,
    parse_list,
    split_format,
)
from feedserver.web.documents import PAGE_TYPE, SiteDocuments
from feedserver.web.front import Front
from feedserver.web.pages import SiteChrome
from feedserver.web.responses import CachePolicy, Manner
from feedserver.web.suggestions import closest

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 5
METHODS = ["GET", "HEAD", "OPTIONS"]

_STATIC_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class RouteRules(Value, frozen=True):
    """What the settings say of addresses beside the site's facts: redirects, the token of the status."""

    redirects: dict[str, str]
    status_token: str
    is_public: bool
    cache_policy: CachePolicy


class _Anything(BaseConverter):
    """Any path, the one with double slashes included, which Werkzeug would redirect to the request's host."""

    regex = "(?s:.*)"
    part_isolating = False


class Site:
    """Answers requests. Stateless beside what it is given; thread-safe as the publisher is."""

    def __init__(
        self,
        publisher: Publisher,
        rules: RouteRules,
        root_names: Sequence[str],
        on_request: Callable[[], None],
        front: Front,
    ) -> None:
        self._publisher = publisher
        self._rules = rules
        self._root_names = root_names
        self._on_request = on_request
        self._front = front
        site = publisher.site
        self._chrome = SiteChrome(
            title=site.title, description=site.description, language=site.language, base_url=site.base_url
        )
        self._documents = SiteDocuments(publisher, self._chrome)
        page_policy = rules.cache_policy.of_pages()
        self._page_manner = responses.page_manner(page_policy)
        self._list_manner = responses.list_manner(page_policy)
        self._fixed: Mapping[str, Callable[[Request], Response]] = {
            DIRECTORY.address: lambda _: self._list(DIRECTORY),
            DIRECTORY_OPML.address: lambda _: self._list(DIRECTORY_OPML),
            "/healthz": lambda _: self._plain("ok\n", 200),
            "/readyz": self._readiness,
            "/status": self._status_page,
            "/status.json": self._status_json,
        }
        self._static = {f"/static/{name}": _static_file(name) for name in pages.STATIC_DIGESTS}

    def register(self, app: Flask) -> None:
        """Add the routes to an application."""
        app.url_map.merge_slashes = False
        app.url_map.converters["anything"] = _Anything
        app.add_url_rule(
            "/<anything:_>", "any", self.answer, methods=METHODS, provide_automatic_options=False
        )
        app.register_error_handler(IndexNotReadyError, self._not_ready)
        app.register_error_handler(HTTPException, self._http_error)
        app.register_error_handler(Exception, self._failure)

    # --- dispatch -------------------------------------------------------------------------------

    def answer(self, _: str = "") -> Response:
        """The answer to any request below the root."""
        self._on_request()
        path = request.path
        if request.method == "OPTIONS":
            return responses.preflight_response()
        if path in self._fixed:
            return self._fixed[path](request)
        if path in self._static:
            return self._static_answer(path)
        if self._is_retired(path):
            return self._error(410, "Gone", "This feed has ended and will not come back.")
        wanted_list = parse_list(path)
        if wanted_list is not None:
            return self._list(wanted_list)
        return self._moved(path) or self._listing(path) or self._guessed(path) or self._not_found(path)

    def _moved(self, path: str) -> Response | None:
        """The redirect of the settings, where no listing with articles has the path."""
        wanted = self._redirect_of(path)
        target = parse(path)
        if wanted is None:
            return None
        try:
            if not self._exists(wanted) or (target and self._has_articles(target)):
                return None
        except IndexNotReadyError:
            raise
        # Exception: as in `ready`. What was published of the listing itself can still be had.
        except Exception:
            if target is None:
                raise
            log.exception("whether %s has moved cannot be told", path)
            return None
        return self._redirect(wanted)

    def _redirect_of(self, path: str) -> str | None:
        """Where the settings redirect a path; the redirect of a page holds for its feed documents too."""
        if path in self._rules.redirects:
            return self._rules.redirects[path]
        base, fmt = split_format(path)
        if fmt is not None and base in self._rules.redirects:
            return f"{self._rules.redirects[base]}.{fmt.value}"
        return None

    def _listing(self, path: str) -> Response | None:
        """The answer of a listing or a feed document, or None if the path names none that exists."""
        target = parse(path)
        if target is None:
            return None
        try:
            return self._page(target.key) if target.document is None else self._document(target.document)
        except UnknownAddressError:
            return None

    def _guessed(self, path: str) -> Response | None:
        """A redirect to what was probably meant, if that exists."""
        return next((self._redirect(wanted) for wanted in guesses(path) if self._exists(wanted)), None)

    def _redirect(self, path: str) -> Response:
        url = self._chrome.base_url + path
        response = responses.redirect_response(url, 301, f"max-age={responses.REDIRECT_MAX_AGE}")
        return responses.open_to_all_origins(response)

    def _not_found(self, path: str) -> Response:
        """404 with what is close to it."""
        target = parse(path)
        kinds = list(GROUPS.values()) if target is None else [target.key.kind]
        name = split_format(path)[0].rpartition("/")[2] if target is None else target.key.slug
        found = closest(self._publisher.reader, kinds, name)
        suggestions = [one for one in found if not self._is_retired(one.key.address)]
        return self._error(404, "Not found", f"There is nothing at {path}.", suggestions)

    def _exists(self, path: str) -> bool:
        if path in self._fixed or parse_list(path) or self._redirect_of(path) or self._is_retired(path):
            return True
        target = parse(path)
        return target is not None and self._publisher.exists(target.key)

    def _has_articles(self, target: Target) -> bool:
        return self._publisher.exists(target.key) and self._publisher.state(target.key).count > 0

    def _is_retired(self, path: str) -> bool:
        """Whether the settings retired a path, or the listing whose feed document it is."""
        target = parse(path)
        retired = self._publisher.site.retired
        return path in retired or (target is not None and target.key.address in retired)

    # --- documents ------------------------------------------------------------------------------

    def _document(self, document: Document) -> Response:
        later: list[Callable[[], None]] = []
        representation = self._publisher.feed_document(document, later.append)
        return _followed_by(later, self._document_response(document, representation))

    def _document_response(self, document: Document, representation: Representation) -> Response:
        if visitors.is_navigation(request):
            return responses.redirect_response(self._chrome.base_url + document.key.address, 303, "no-store")
        policy = self._rules.cache_policy
        manner = responses.feed_manner(
            policy.of_feeds() if document.part is None else policy.of_archives(), self._links(document)
        )
        delta = self._delta(document)
        if delta is not None:
            now = datetime.now(UTC)
            return responses.delta_response(request, representation, delta, manner, now=now)
        look = partial(self._publisher.ready, document)
        return self._ready_answer(document.address, look, manner, representation)

    def _links(self, document: Document) -> list[str]:
        """Values of the `Link` header: the document itself, its page, the other formats."""
        base = self._chrome.base_url
        links = [
            f'<{base}{document.address}>; rel="self"',
            f'<{base}{document.key.address}>; rel="alternate"; type="text/html"',
        ]
        return links + [
            f'<{base}{document._replace(fmt=other).address}>; rel="alternate"; type="{MEDIA_TYPES[other]}"'
            for other in Format
            if other is not document.fmt
        ]

    def _delta(self, document: Document) -> bytes | None:
        """What the client is missing, if it wants to be told no more than that."""
        if request.method != "GET" or not responses.accepts_deltas(request):
            return None
        return self._publisher.delta(document, responses.named_etags(request))

    # --- pages and lists ------------------------------------------------------------------------

    def _page(self, key: ListingKey) -> Response:
        later: list[Callable[[], None]] = []
        page = self._documents.pages.current(key, later.append)
        look = partial(self._documents.pages.ready, key)
        return _followed_by(later, self._ready_answer(key.address, look, self._page_manner, page))

    def _list(self, wanted: ListTarget) -> Response:
        later: list[Callable[[], None]] = []
        found = self._documents.lists.current(wanted, later.append)
        look = partial(self._documents.lists.ready, wanted)
        manner = self._page_manner if found.media_type == PAGE_TYPE else self._list_manner
        return _followed_by(later, self._ready_answer(wanted.address, look, manner, found))

    def _ready_answer(
        self,
        address: str,
        look: Callable[[], Representation | None],
        manner: Manner,
        representation: Representation,
    ) -> Response:
        """The answer with a document; the front gives it from now on, as `Front.learn` has it."""
        if self._redirect_of(address) is None:  # which may come into effect at any time
            self._front.learn(address, look, manner, representation)
        return responses.document_response(request, representation, manner, now=datetime.now(UTC))

    def _static_answer(self, path: str) -> Response:
        # The pages name a static file with its digest, so that it may be kept.
        manner = Manner(cache_control=f"max-age={responses.STATIC_MAX_AGE}")
        file = self._static[path]
        return self._ready_answer(path, lambda: file, manner, file)

    # --- health ---------------------------------------------------------------------------------

    def _readiness(self, _: Request) -> Response:
        try:
            self._publisher.reader.facts()
        except IndexNotReadyError as error:
            response = self._plain(f"{error}\n", 503)
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
            return response
        return self._plain("ready\n", 200)

    def _status_page(self, asked: Request) -> Response:
        facts = status.public_facts(self._publisher, self._front.hits)
        found = self._inside(asked)
        if found is None:
            html = pages.status_page(self._chrome, facts)
        else:
            html = pages.status_page(self._chrome, {**facts, **found.details}, found.problems)
        return responses.page_response(asked, html, cache_control="no-store")

    def _status_json(self, asked: Request) -> Response:
        body = status.as_json(status.public_facts(self._publisher, self._front.hits), self._inside(asked))
        response = Response(body, content_type="application/json; charset=utf-8")
        response.headers["Cache-Control"] = "no-store"
        return response

    def _inside(self, asked: Request) -> status.Inside | None:
        """What only operators may see, for who asks on this machine or with the token."""
        is_local = not self._rules.is_public and visitors.is_on_this_machine(asked)
        if not is_local and not visitors.has_token(asked, self._rules.status_token):
            return None
        return status.inside(self._publisher, self._root_names)

    # --- errors ---------------------------------------------------------------------------------

    def _plain(self, text: str, code: int) -> Response:
        response = Response(text, code, content_type="text/plain; charset=utf-8")
        response.headers["Cache-Control"] = "no-store"
        return response

    def _error(
        self, code: int, title: str, message: str, suggestions: Sequence[ListingSummary] = ()
    ) -> Response:
        html = pages.error_page(self._chrome, code, title, message, suggestions)
        age = f"max-age={responses.NOT_FOUND_MAX_AGE}" if code in (404, 410) else "no-store"
        response = responses.page_response(request, html, cache_control=age, status=code)
        return responses.open_to_all_origins(response)

    def _not_ready(self, _: IndexNotReadyError) -> Response:
        response = self._error(
            503, "Not ready yet", "The articles are being read for the first time. Try again in a moment."
        )
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response

    def _http_error(self, error: HTTPException) -> Response:
        response = self._error(error.code or 500, error.name, error.description or error.name)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(METHODS)
        return response

    def _failure(self, error: Exception) -> Response:
        """A defect of ours: the log gets it all, the client a page without details."""
        log.error("%s failed", request.path, exc_info=error)
        return self._error(500, "Something went wrong", "The server failed; its log says why.")


def _followed_by(tasks: Iterable[Callable[[], None]], response: Response) -> Response:
    """A response after which something is done, when the client has it."""
    for task in tasks:
        response.call_on_close(task)
    return response


def _static_file(name: str) -> Representation:
    body = (pages.STATIC_DIR / name).read_bytes()
    return Representation(body, _STATIC_TYPES[pages.STATIC_DIR.joinpath(name).suffix], digest(body))
