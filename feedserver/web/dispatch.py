"""Before a view is called: methods, preflight requests, and the addresses that the settings retired or moved.

`routes` says which of them comes before which views.
"""

from __future__ import annotations

import logging

from flask import Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import WebsocketMismatch

from feedserver.errors import IndexNotReadyError
from feedserver.site.addresses import parse, parse_list
from feedserver.web import responses, visitors
from feedserver.web.error_pages import error_page
from feedserver.web.parts import parts
from feedserver.web.policies import METHODS
from feedserver.web.redirects import without_slash
from feedserver.web.selections import with_query

log = logging.getLogger(__name__)


def answer_before_dispatch() -> Response | None:
    """The response if no view is to give it.

    Raises:
        HTTPException: for a request that no address has an answer to.
    """
    if not request.environ.get("PATH_INFO"):
        # Werkzeug would redirect to the root, at the host of the request.
        return error_page(404, NotFound().name, NotFound.description)
    _refuse()
    if request.method == "OPTIONS":
        return responses.preflight_response()
    addresses = parts().addresses
    if addresses.is_fixed(request.path) or request.endpoint == "operations.static_file":
        return None
    if addresses.is_retired(request.path):
        return error_page(410, "Gone", "This feed has ended and will not come back.")
    if request.blueprint == "lists":
        return None
    return _moved(request.path)


def _refuse() -> None:
    """Refuse the same requests at every address, whether or not there is a rule for it."""
    error = request.routing_exception
    if isinstance(error, HTTPException) and not isinstance(error, (NotFound, MethodNotAllowed)):
        raise error
    if request.method not in METHODS:
        raise MethodNotAllowed(METHODS)
    if visitors.wants_websocket(request):
        raise WebsocketMismatch


def _moved(path: str) -> Response | None:
    """The redirect of the settings, if it is in effect: while no listing with articles has the path."""
    addresses = parts().addresses
    wanted = addresses.redirect_of(path)
    if wanted is None:
        return None
    bare = without_slash(path)
    if addresses.is_fixed(bare) or parse_list(bare) is not None:
        return None
    target = parse(bare)
    try:
        if not addresses.exists(wanted) or (target and addresses.has_articles(target)):
            return None
    except IndexNotReadyError:
        raise
    # Exception: damaged rows, damaged files and the SQLite driver raise errors of any class. The last good
    # representation of the listing itself can still be sent.
    except Exception as error:
        if target is None:
            raise
        if parts().publisher.stale.failures.is_new(path, error):
            log.exception("whether %s has moved cannot be told", path)
        return None
    return responses.moved_response(parts().chrome.base_url + with_query(wanted))
