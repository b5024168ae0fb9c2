"""Flask's error handlers: guesses and suggestions for a 404, and a page for everything that fails."""

from __future__ import annotations

import logging

from flask import Flask, Response, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from feedserver.errors import (
    IndexNotReadyError,
    IndexUnreadableError,
    SelectionError,
    UnknownAddressError,
    UnknownSelectionError,
)
from feedserver.model import Format
from feedserver.site.addresses import GROUPS, parse, split_format
from feedserver.site.suggestions import closest
from feedserver.web import responses
from feedserver.web.error_pages import error_page
from feedserver.web.guesses import guesses
from feedserver.web.parts import parts
from feedserver.web.policies import METHODS, RETRY_AFTER
from feedserver.web.selections import with_query

log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Register all handlers."""
    app.register_error_handler(NotFound, not_found)
    app.register_error_handler(UnknownAddressError, not_found)
    app.register_error_handler(UnknownSelectionError, selection_unknown)
    app.register_error_handler(SelectionError, selection_refused)
    app.register_error_handler(IndexNotReadyError, index_not_ready)
    app.register_error_handler(IndexUnreadableError, index_unreadable)
    app.register_error_handler(SQLAlchemyError, index_unreadable)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, failure)


def not_found(_: NotFound | UnknownAddressError) -> ResponseReturnValue:
    """A redirect to the address that the client probably meant, else a page with the closest names."""
    # The traceback of the error leads to the request. As a cycle, both would stay until a garbage collection.
    request.routing_exception = None
    try:
        return _guessed(request.path) or _suggested(request.path)
    # Flask has no handler for an error of a handler, so this one is handed over: the index may be unreadable.
    except Exception as error:
        return current_app.handle_user_exception(error)


def _guessed(path: str) -> Response | None:
    exists = parts().addresses.exists
    wanted = next((guess for guess in guesses(path) if exists(guess)), None)
    return None if wanted is None else responses.moved_response(parts().chrome.base_url + with_query(wanted))


def _suggested(path: str) -> Response:
    target = parse(path)
    kinds = list(GROUPS.values()) if target is None else [target.key.kind]
    name = split_format(path)[0].rpartition("/")[2] if target is None else target.key.slug
    found = closest(parts().publisher.reader, kinds, name)
    suggestions = [one for one in found if not parts().addresses.is_retired(one.key.address)]
    return error_page(404, "Not found", f"There is nothing at {path}.", suggestions)


def selection_unknown(error: UnknownSelectionError) -> Response:
    """A selection from listings that never existed, with the closest names."""
    reader, kinds = parts().publisher.reader, list(GROUPS.values())
    suggestions = [one for name in error.names for one in closest(reader, kinds, name)]
    return error_page(404, "Not found", f"Nothing was ever published under {error.names[0]}.", suggestions)


def selection_refused(error: SelectionError) -> Response:
    """A selection that means nothing or exceeds a bound: which value, why, and what is allowed."""
    help_url = f"{parts().chrome.base_url}/selections"
    fmt = split_format(request.path)[1]
    if fmt is None:
        return error_page(400, "This selection cannot be made", f"{error!s}. {help_url} has all parameters.")
    if fmt is Format.JSON:
        response = jsonify(error=str(error), parameter=error.parameter, expected=error.demand, help=help_url)
        response.status_code = 400
    else:
        response = responses.plain_response(f"{error}\nAll parameters: {help_url}\n", 400)
    response.headers["Cache-Control"] = "no-store"
    return response


def index_not_ready(_: IndexNotReadyError) -> Response:
    """The first index is not complete."""
    response = error_page(
        503, "Not ready yet", "The articles are being read for the first time. Try again in a moment."
    )
    response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def index_unreadable(error: Exception) -> Response:
    """The index is damaged or the state folder cannot be used, and there is no last good representation."""
    if parts().publisher.stale.failures.is_new(request.path, error):
        log.error("%s cannot be answered without the index", request.path, exc_info=error)
    response = error_page(503, "Not available", "The index cannot be read now. Try again in a moment.")
    response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def http_error(error: HTTPException) -> Response:
    """Another HTTP error."""
    response = error_page(error.code or 500, error.name, error.description or error.name)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(METHODS)
    return response


def failure(error: Exception) -> Response:
    """A defect of the server: the log gets the traceback, the client a page without details."""
    log.error("%s failed", request.path, exc_info=error)
    return error_page(500, "Something went wrong", "The server failed; its log says why.")
