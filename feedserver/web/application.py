"""The application factory: the Flask application of a site, made of a publisher and options.

It opens nothing that must not be shared by a fork. The fast path wraps `app.wsgi_app`, which is Flask's own
place for middleware, so the application stays one for gunicorn's hooks and the test client.
"""

from __future__ import annotations

from typing import Protocol

from flask import Flask

from feedserver.feeds.publisher import Publisher
from feedserver.site import icons
from feedserver.site.documents import SiteDocuments
from feedserver.site.pages import SiteChrome
from feedserver.web import error_handlers, responses
from feedserver.web.converters import CONVERTERS
from feedserver.web.dispatch import answer_before_dispatch
from feedserver.web.existence import Addresses
from feedserver.web.fast_path import FastPath
from feedserver.web.parts import EXTENSION, Parts, WebOptions
from feedserver.web.redirects import Redirects
from feedserver.web.routes.feeds import feeds
from feedserver.web.routes.lists import lists
from feedserver.web.routes.operations import operations
from feedserver.web.routes.pages import pages
from feedserver.web.routes.selections import selections
from feedserver.web.static_files import StaticFiles


class Background(Protocol):
    """The work that a process does beside its requests, such as starting the indexer."""

    def start(self) -> None:
        """Start it once per process. Called before every request that Flask answers."""


def create_app(publisher: Publisher, options: WebOptions, background: Background | None = None) -> Flask:
    """The application of a site.

    Args:
        publisher: of the site.
        options: from the settings.
        background: started with the first request, if the server did not start it before.
    """
    app = Flask("feedserver", static_folder=None)
    _add_rules(app, publisher, options)
    app.extensions[EXTENSION] = parts = _make_parts(app, publisher, options)
    if background is not None:
        app.before_request(background.start)
    app.before_request(answer_before_dispatch)
    app.after_request(responses.open_to_all_origins)  # the fast path skips it, and sends CORS itself
    error_handlers.register(app)
    app.wsgi_app = parts.fast_path  # type: ignore[method-assign]
    return app


def _add_rules(app: Flask, publisher: Publisher, options: WebOptions) -> None:
    """Add the URL rules. A path that no rule matches exactly is for the 404 handler to guess at."""
    app.url_map.merge_slashes = False  # Werkzeug would redirect, to the host of the request
    app.url_map.redirect_defaults = False
    app.url_map.converters.update(CONVERTERS)
    icon_addresses = icons.own_addresses({*options.redirects, *publisher.site.retired})
    for blueprint in (pages, feeds, lists, selections):
        app.register_blueprint(blueprint)
    app.register_blueprint(operations, icon_addresses=icon_addresses)


def _make_parts(app: Flask, publisher: Publisher, options: WebOptions) -> Parts:
    site = publisher.site
    chrome = SiteChrome(
        title=site.title,
        description=site.description,
        language=site.language,
        base_url=site.base_url,
        icon=site.icon,
    )
    # The rules without arguments: those of listings have a kind.
    fixed = frozenset(rule.rule for rule in app.url_map.iter_rules() if not rule.arguments)
    return Parts(
        publisher=publisher,
        documents=SiteDocuments(publisher, chrome),
        static_files=StaticFiles(fixed & icons.ADDRESSES.keys()),
        addresses=Addresses(publisher, Redirects(options.redirects), fixed),
        fast_path=FastPath(app.wsgi_app, sends_deltas=publisher.sends_deltas),
        chrome=chrome,
        options=options,
    )
