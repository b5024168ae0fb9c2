"""Makes the WSGI application from the settings.

`make_serving_app` may run in gunicorn's master: it opens nothing that a fork must not share, and starts
nothing. `start_serving` does, in the process that answers, at the latest with its first request.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading

from flask import Flask

from feedserver import render
from feedserver.indexing.lock import ServersLock, server_of
from feedserver.indexing.plan import Plan
from feedserver.indexing.supervisor import IndexerSupervisor
from feedserver.settings.sources import Settings
from feedserver.site import pages
from feedserver.system.processes import freeze_imports
from feedserver.web.application import Background, create_app
from feedserver.web.parts import SelectionOptions, WebOptions
from feedserver.wiring.indexing import make_plan, prepare_state
from feedserver.wiring.planning import is_local
from feedserver.wiring.publishing import cache_policy, make_publisher
from feedserver.wiring.serving import join_servers

log = logging.getLogger(__name__)

# Where Flask keeps the background: `app.extensions`.
EXTENSION = "feedserver"


class ServingProcess:
    """The background of a process that answers requests: the supervisor of the indexer, if it has one.

    Without a plan another machine indexes. When the supervisor has started, the process has loaded everything
    that stays until its end, and the garbage collector is told to leave it alone.
    """

    def __init__(self, plan: Plan | None, servers_lock: ServersLock) -> None:
        self._plan = plan
        self._servers_lock = servers_lock  # held as long as this process lives
        self._lock = threading.Lock()
        self._pid = 0
        self._supervisor: IndexerSupervisor | None = None

    def start(self) -> None:
        """Start what there is once per process, as `Background.start`."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                if self._plan is not None:
                    self._supervisor = IndexerSupervisor(self._plan)
                    self._supervisor.start()
                    atexit.register(self.stop)
                self._pid = os.getpid()
                freeze_imports()

    def stop(self) -> None:
        """Stop the indexer if this process started it."""
        if self._supervisor is not None and self._pid == os.getpid():
            self._supervisor.stop()
            self._supervisor = None


def make_serving_app(settings: Settings, server: str = "") -> Flask:
    """The WSGI application; this process then holds the servers' lock on its state folder.

    Args:
        settings: of the site.
        server: names the server that this process is of, as for `ServersLock`.

    Raises:
        StateError: if the state folder cannot be used.
        ServerBusyError: if servers or indexers with other settings use it.
        SettingsError: if the cache needs a package that is not installed.
    """
    prepare_state(settings)
    warn_of_cache(settings)
    plan = None if settings.index.role == "web" else make_plan(settings)
    serving = ServingProcess(plan, join_servers(settings, server or server_of(os.getpid())))
    app = make_app(settings, serving)
    app.extensions[EXTENSION] = serving
    return app


def warn_of_cache(settings: Settings) -> None:
    """Warn of a cache server that machines do not share, although it looks as if they should."""
    cache = settings.cache
    if cache.is_server and settings.index.url and not cache.secret:
        log.warning(
            "cache.secret is empty, so this machine has a secret of its own and shares the feeds in cache.url"
            " with no other machine; set the same secret on all of them"
        )


def make_app(settings: Settings, background: Background | None = None) -> Flask:
    """The application that serves the index in a state folder.

    Another process keeps that index up to date, or else `background`, which the application starts.

    Raises:
        SettingsError: if the cache needs a package that is not installed.
    """
    options = WebOptions(
        state_dir=str(settings.state.dir.resolve()),
        redirects=dict(settings.redirects),
        status_token=settings.status.token,
        is_public=not is_local(settings.public_url),
        cache_policy=cache_policy(settings),
        cache_tags=settings.http.cache_tags,
        root_names=tuple(str(root.path) for root in settings.articles),
        selections=SelectionOptions(
            are_on=settings.feeds.ad_hoc,
            are_searched=settings.feeds.search,
            default_limit=settings.feeds.limit,
        ),
    )
    # Before a fork or a request, so that no client waits for it.
    render.load()
    pages.load()
    return create_app(make_publisher(settings), options, background)


def start_serving(app: Flask) -> None:
    """Start what runs beside the requests, in a process that was forked already."""
    app.extensions[EXTENSION].start()


def stop_serving(app: Flask) -> None:
    """Stop it again, and wait for its end."""
    app.extensions[EXTENSION].stop()
