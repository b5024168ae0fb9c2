"""The WSGI application, made of its parts.

`create_app` may run in a gunicorn master: it opens nothing that a fork would share and starts nothing;
`start_serving` does, in the process that answers, at the latest with its first request.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable

from flask import Flask

from feedserver import render
from feedserver.plan import Plan
from feedserver.processes import freeze_imports
from feedserver.settings import Settings
from feedserver.starter import IndexerStarter
from feedserver.web import pages
from feedserver.web.front import Front
from feedserver.web.responses import CachePolicy
from feedserver.web.routes import RouteRules, Site
from feedserver.wiring.indexing import make_plan, prepare_state
from feedserver.wiring.planning import is_local
from feedserver.wiring.publishing import make_publisher


class ServingProcess:
    """What a process that answers requests runs beside its requests: the offer to start the indexer.

    With that it has all that stays till its end, and the garbage collector shall leave it alone.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._pid = 0
        self._starter: IndexerStarter | None = None

    def start(self) -> None:
        """Start once per process; called with every request, so it looks first."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._starter = IndexerStarter(self._plan)
                self._starter.start()
                self._pid = os.getpid()
                atexit.register(self.stop)
                freeze_imports()

    def stop(self) -> None:
        """Stop the indexer if this process started it."""
        if self._starter is not None and self._pid == os.getpid():
            self._starter.stop()
            self._starter = None


def create_app(settings: Settings) -> Flask:
    """The WSGI application.

    Raises:
        StateError: if the state folder cannot be used.
        SettingsError: if the cache needs a package that is not installed.
    """
    prepare_state(settings)
    serving = ServingProcess(make_plan(settings))
    app = make_app(settings, serving.start)
    app.extensions["feedserver"] = serving
    return app


def make_app(settings: Settings, on_request: Callable[[], None]) -> Flask:
    """The application over a state folder that something else keeps up to date; `on_request` comes first.

    Raises:
        SettingsError: if the cache needs a package that is not installed.
    """
    app = Flask("feedserver", static_folder=None)
    policy = CachePolicy(
        max_age=settings.http.max_age,
        stale_while_revalidate=settings.http.stale_while_revalidate,
        stale_if_error=settings.http.stale_if_error,
        page_max_age=settings.http.page_max_age,
    )
    rules = RouteRules(
        redirects=dict(settings.redirects),
        status_token=settings.status.token,
        is_public=not is_local(settings.public_url),
        cache_policy=policy,
    )
    # Before a fork or a request, so that nobody waits for it.
    render.load()
    pages.load()
    names = [str(root.path) for root in settings.articles]
    publisher = make_publisher(settings)
    front = Front(app.wsgi_app, sends_deltas=publisher.sends_deltas)
    Site(publisher, rules, names, on_request, front).register(app)
    # Flask's own place for middleware; the application stays one for gunicorn's hooks and the test client.
    app.wsgi_app = front  # type: ignore[method-assign]
    return app


def start_serving(app: Flask) -> None:
    """Start what runs beside the requests, in a process that was forked already."""
    app.extensions["feedserver"].start()


def stop_serving(app: Flask) -> None:
    """Stop it again, and wait for its end."""
    app.extensions["feedserver"].stop()
