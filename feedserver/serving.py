"""Runs the application behind gunicorn: options, hooks, and the entry for other servers.

`feedserver serve` runs gunicorn in this process with `gunicorn_options`; `config/gunicorn.conf.py`
says the same for `gunicorn -c`. What would keep a server from starting is found before gunicorn runs,
and said in one sentence. Nothing is served and nothing indexed here. Imported by `wsgi`, it starts
nothing by itself.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from feedserver.app import create_app, start_serving, stop_serving
from feedserver.errors import FeedserverError, PortError
from feedserver.settings import Settings, load_settings


def gunicorn_options(settings: Settings) -> dict[str, object]:
    """The project's configuration of gunicorn. The reason for each is in `config/gunicorn.conf.py`."""
    server = settings.server
    host = f"[{server.host}]" if ":" in server.host else server.host
    return {
        "bind": f"{host}:{server.port}",
        "workers": server.workers,
        "worker_class": "feedserver.worker.Worker",
        "threads": server.threads,
        "keepalive": 5,
        "timeout": 30,
        "graceful_timeout": 10,
        "max_requests": 0,
        "preload_app": False,
        # A socket in the user's home folder, one for all servers of a machine; nothing of ours uses it.
        "control_socket_disable": True,
    }


def post_worker_init(worker: Any) -> None:
    """gunicorn's hook in a worker that is ready: begin to offer the indexer, before any request."""
    if isinstance(worker.wsgi, Flask):
        start_serving(worker.wsgi)


def worker_exit(_server: object, worker: Any) -> None:
    """gunicorn's hook in a worker that ends: end the indexer that it started, if any."""
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
        hooks = {"post_worker_init": post_worker_init, "worker_exit": worker_exit}
        for name, value in {**gunicorn_options(self._settings), **hooks, **self._extra}.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Called by gunicorn, in each worker, for the application."""
        return _or_exit(lambda: create_app(self._settings))


def app_of_environment() -> Flask:
    """The application with the settings of the environment and the working directory."""
    return _or_exit(lambda: create_app(load_settings()))


def check_port(host: str, port: int) -> None:
    """Find out whether the server can listen there. gunicorn would try for five seconds.

    A socket that is handed over (by systemd, or by gunicorn to its own successor) listens already.

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


def _or_exit(make: Callable[[], Flask]) -> Flask:
    """What `make` makes.

    What stands in the way ends the process with one sentence per problem, and with the status on which
    gunicorn gives up instead of starting the worker again and again.
    """
    try:
        return make()
    except FeedserverError as error:
        for sentence in getattr(error, "problems", (str(error),)):
            sys.stderr.write(f"feedserver: {sentence}\n")
        raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from error
