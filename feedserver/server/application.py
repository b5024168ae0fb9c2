"""Runs the application behind gunicorn: options, hooks, and the entry for other servers.

`feedserver serve` runs gunicorn in this process with `gunicorn_options`; `config/gunicorn.conf.py` has the
same options for `gunicorn -c`. Options and hooks are the same for both engines. Obstacles to the start of a
server are found before gunicorn runs, and reported in one sentence. Nothing is served or indexed here.
Importing this module starts nothing.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from wsgiref.types import WSGIApplication

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker as GunicornWorker

from feedserver.errors import FeedserverError, ForeignStateError, PortError, StateError
from feedserver.indexing.lock import server_of
from feedserver.server.engines import WORKERS
from feedserver.server.http1 import pre_request
from feedserver.server.waiting import WaitingApplication, sentences, unavailable
from feedserver.settings.sources import Settings, load_settings
from feedserver.wiring.application import make_app, make_serving_app, start_serving, stop_serving


def gunicorn_options(settings: Settings) -> dict[str, object]:
    """The project's configuration of gunicorn. The reason for each is in `config/gunicorn.conf.py`."""
    server = settings.server
    host = f"[{server.host}]" if ":" in server.host else server.host
    return {
        "bind": f"{host}:{server.port}",
        "workers": server.workers,
        "worker_class": WORKERS[server.engine],
        "threads": server.threads,
        "keepalive": 5,
        "timeout": 30,
        "graceful_timeout": 10,
        "max_requests": 0,
        "preload_app": False,
        # A socket in the user's home folder, shared by all servers of a machine. feedserver does not use it.
        "control_socket_disable": True,
    }


def post_worker_init(worker: Any) -> None:
    """gunicorn's hook in a worker that is ready: start the supervisor of the indexer, before any request."""
    if isinstance(worker.wsgi, Flask):
        start_serving(worker.wsgi)


def worker_exit(_server: object, worker: Any) -> None:
    """gunicorn's hook in a worker that ends: stop the indexer that it started, if any."""
    application = getattr(worker, "wsgi", None)  # absent in a worker that could not start
    if isinstance(application, Flask):
        stop_serving(application)


class Server(BaseApplication):
    """gunicorn, in this process, with the project's configuration."""

    def __init__(self, settings: Settings, extra: Mapping[str, object]) -> None:
        self._settings = settings
        self._extra = extra
        super().__init__()

    def load_config(self) -> None:
        """Called by gunicorn to fill its configuration."""
        hooks = {
            "post_worker_init": post_worker_init,
            "pre_request": pre_request,
            "worker_exit": worker_exit,
        }
        for name, value in {**gunicorn_options(self._settings), **hooks, **self._extra}.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Called by gunicorn, in each worker, for the application."""
        return _application(lambda: self._settings)


def app_of_environment() -> WSGIApplication:
    """The application with the settings of the environment and the working directory."""
    return _application(load_settings)


def _application(load: Callable[[], Settings]) -> WSGIApplication:
    """The application of this process.

    An obstacle when a server starts ends the process with one sentence per problem, and with the exit status
    on which gunicorn gives up instead of starting the worker again and again. A worker that replaces another
    one must not end like this: with that status gunicorn would stop the healthy workers as well.
    """
    try:
        return make_serving_app(load(), _server())
    except (FeedserverError, OSError) as error:
        if _is_replacement():
            return WaitingApplication(
                lambda: make_serving_app(load(), _server()), error, _meanwhile(load, error)
            )
        for sentence in sentences(error):
            sys.stderr.write(f"feedserver: {sentence}\n")
        raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from error


def _meanwhile(load: Callable[[], Settings], error: Exception) -> WSGIApplication:
    """The application until a worker can start: from index and cache as they are, if the state is ours."""
    if isinstance(error, OSError) or (
        isinstance(error, StateError) and not isinstance(error, ForeignStateError)
    ):
        with suppress(FeedserverError, OSError):
            return make_app(load())
    return unavailable


def _worker() -> GunicornWorker | None:
    """The worker of gunicorn that this process is, if it is one.

    gunicorn 27 sets methods of the worker as signal handlers before it loads the application. If it did not,
    a reload with other settings would be refused, and a worker that cannot start would stop the others.
    """
    worker = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return worker if isinstance(worker, GunicornWorker) else None


def _server() -> str:
    """Names the server of this process: by gunicorn's master in a worker, else by this process."""
    worker = _worker()
    return server_of(os.getpid() if worker is None else worker.ppid)


def _is_replacement() -> bool:
    """Whether this is a worker that was started after the first ones; gunicorn numbers them (`age`)."""
    worker = _worker()
    return worker is not None and worker.age > worker.cfg.workers


def check_port(host: str, port: int) -> None:
    """Check whether the server can listen on an address. gunicorn would try for five seconds.

    A socket that is passed on (by systemd, or by gunicorn to its own successor) is listening already.

    Raises:
        PortError: if it cannot.
    """
    if "LISTEN_FDS" in os.environ or "GUNICORN_FD" in os.environ:
        return
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise PortError(host, port, (error.strerror or str(error)).lower()) from error
