"""Health, readiness and status; static files and icons.

Keeps promise 6 for the status: the paths and reasons of problems are shown to requests with the token and,
where no public base URL makes a proxy likely, to requests from this machine. No other request gets them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flask import Blueprint, Response, request
from flask.sansio.blueprints import BlueprintSetupState
from sqlalchemy.exc import SQLAlchemyError

from feedserver.errors import FeedserverError, IndexNotReadyError, IndexUnreadableError
from feedserver.indexing.deaths import Death, in_words
from feedserver.site import icons
from feedserver.site import pages as site_pages
from feedserver.site import status as site_status
from feedserver.site.caching import OF_STATIC_FILES
from feedserver.web import responses, visitors
from feedserver.web.parts import parts
from feedserver.web.policies import RETRY_AFTER, static_policy
from feedserver.web.sending import send

operations = Blueprint("operations", __name__)


@operations.get("/healthz")
def health() -> Response:
    """200 while the process answers."""
    return responses.plain_response("ok\n", 200)


@operations.get("/readyz")
def readiness() -> Response:
    """200 once there is an index, 503 before."""
    publisher = parts().publisher
    try:
        publisher.reader.facts()
    except (IndexNotReadyError, IndexUnreadableError, SQLAlchemyError) as error:
        reason = error if isinstance(error, FeedserverError) else "the index cannot be read"
        response = responses.plain_response(f"{reason}\n", 503)
        response.headers["Retry-After"] = str(RETRY_AFTER)
        return response
    deaths = _deaths()
    return responses.plain_response(f"ready; {in_words(deaths)}\n" if len(deaths) > 1 else "ready\n", 200)


@operations.get("/status")
def status() -> Response:
    """The status as a page."""
    known, inside = site_status.values(_known()), _inside()
    if inside is None:
        html = site_pages.status_page(parts().chrome, known)
    else:
        known |= site_status.values(inside.details)
        html = site_pages.status_page(parts().chrome, known, inside.problems)
    return responses.page_response(request, html, cache_control="no-store")


@operations.get("/status.json")
def status_json() -> Response:
    """The status as JSON."""
    body = site_status.as_json(_known(), _inside())
    response = Response(body, content_type="application/json; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    return response


@operations.get("/static/<static_file:name>")
def static_file(name: str) -> Response:
    """A static file of the pages."""
    return _send_file(f"/static/{name}")


def icon() -> Response:
    """An icon at an address at which browsers look for one: of the settings, else ours."""
    site = parts().publisher.site
    url = icons.redirect_url(site.icon, site.base_url)
    if url:
        return responses.redirect_response(url, 302, OF_STATIC_FILES)
    return _send_file(request.path)


@operations.record
def add_icons(state: BlueprintSetupState) -> None:
    """Add the rules of icons, without the addresses that the settings redirect or retire."""
    for address in state.options["icon_addresses"]:
        state.add_url_rule(address, "icon", icon)


def _send_file(address: str) -> Response:
    files = parts().static_files
    return send(address, files, address, static_policy(), files.at(address))


def _known() -> site_status.SiteStatus:
    return site_status.public_status(parts().publisher, _deaths(), parts().fast_path.hits)


def _deaths() -> Sequence[Death]:
    return site_status.recent_deaths(Path(parts().options.state_dir))


def _inside() -> site_status.Inside | None:
    """The facts for operators, if the request is from one."""
    options = parts().options
    is_local = not options.is_public and visitors.is_on_this_machine(request)
    if not is_local and not visitors.has_token(request, options.status_token):
        return None
    return site_status.inside(parts().publisher, _deaths(), options.root_names)
