"""The engine granian: gunicorn's master, and workers in which granian's HTTP server calls the application.

granian reads requests and sends answers in Rust, without the interpreter's lock, so a cached feed costs a
fraction of what it costs in `worker` (docs/measurements.md). Everything else stays gunicorn's: settings,
hooks, logs, reload, stop, and the replacement of workers that die or hang. granian's own master has no hook
in a worker, and gives each worker a socket of its own, whose waiting clients are lost with the worker.

This is the only module that knows the internals of granian 2.8 (`engines.GRANIAN`);
`tests/test_granian_internals.py` fails when a part that it builds on has changed. If one is wrong, workers
cannot start, or answer nothing. Of gunicorn it knows the base class of workers. It does not know the
application. Requests that granian lets through and HTTP/1.1 forbids are refused here. Deadlines differ from
those of `worker`, because granian has fewer (docs/explanation/serving.md).
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from http import HTTPStatus
from types import FrameType
from typing import Any, NamedTuple
from urllib.parse import quote
from wsgiref.types import WSGIApplication, WSGIEnvironment

from granian import _futures, _granian
from granian.http import HTTP1Settings
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker as GunicornWorker

from feedserver.server.http1 import is_one_host
from feedserver.server.limits import (
    CLOSING_SECONDS,
    HEAD_SECONDS,
    MOST_HEAD,
    SENDING_SECONDS,
    SWITCH,
    most_connections,
)

# Seconds between signs of life to gunicorn's master, which replaces a worker after 30 without one.
BEAT = 1.0

# Seconds that a worker has for the requests under way when it must stop at once. The master waits for two.
QUICK_SECONDS = 1.5

# The share of gunicorn's grace that clients get. The rest is for the indexer, which ends after them.
CLIENTS_SHARE = 0.6

# Seconds after which granian ends a thread that has had nothing to do; it demands at least 5.
_IDLE_THREAD_SECONDS = 30

# Options of gunicorn's own parser and loop that granian does not have, and the values that say nothing: those
# of gunicorn, and of the project.
_NOT_HEEDED: dict[str, tuple[int, ...]] = {
    "keepalive": (2, 5),
    "limit_request_field_size": (8190,),
    "limit_request_fields": (100,),
    "max_requests": (0,),
}

_WITHOUT_TLS: tuple[Any, ...] = (False, None, None, None, "tls1.3", None, [], False)

# Untyped here, because granian's own stubs describe older signatures.
_rust: Any = _granian
_callbacks: Any = _futures

_Headers = list[tuple[str, str]]


class GranianWorker(GunicornWorker):
    """gunicorn's worker, whose requests granian reads."""

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Called by gunicorn's master at the start. Tells the log which options have no effect.

        Raises:
            RuntimeError: for what only a proxy can do. gunicorn prints it and ends.
        """
        if cfg.is_ssl or cfg.proxy_protocol != "off" or cfg.protocol != "http":
            raise RuntimeError("granian speaks plain HTTP/1.1 here: let a proxy before it speak TLS")
        for name, silent in _NOT_HEEDED.items():
            if (value := getattr(cfg, name)) not in silent:
                log.warning("%s = %s has no effect with granian", name, value)

    def init_process(self) -> None:
        """Called by gunicorn after the fork; returns when the worker ends."""
        sys.setswitchinterval(SWITCH)
        self._most_connections = most_connections(self.cfg.worker_connections)
        self._must_hurry = False
        super().init_process()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Called by gunicorn on SIGQUIT and SIGINT: stop, but finish the requests under way.

        gunicorn's own method ends the process at once, below the threads of granian.
        """
        self.cfg.worker_int(self)
        self._must_hurry = True
        self.handle_exit(sig, frame)

    def run(self) -> None:
        """Called by gunicorn when the application is loaded: serve until a signal or the master's death."""
        log_as_gunicorn(self.log.error_log.handlers)
        application: Any = self.wsgi
        gateway = Gateway(application, self.log, self.cfg.limit_request_line)
        servers = [_serve(self, gateway, listener) for listener in self.sockets]
        while self.alive and self.ppid == os.getppid():
            self._beat(BEAT)
        gateway.closes = True
        until = time.monotonic() + CLIENTS_SHARE * self.cfg.graceful_timeout
        # Without a master, the port is left to the next one at once.
        if not self.alive:
            self._beat_until(time.monotonic() + CLOSING_SECONDS, lambda: self._must_hurry)
        if self._must_hurry:
            until = time.monotonic() + QUICK_SECONDS
        for server in servers:
            server.stop.set()
        self._beat_until(until, lambda: all(server.ended.is_set() for server in servers))

    def _beat_until(self, until: float, is_over: Callable[[], bool]) -> None:
        while not is_over() and (left := until - time.monotonic()) > 0:
            self._beat(min(left, 0.05))

    def _beat(self, seconds: float) -> None:
        """Tell the master that this worker lives, and wait. A signal ends the wait: it writes to the pipe."""
        self.notify()
        if select.select([self.PIPE[0]], [], [], seconds)[0]:
            os.read(self.PIPE[0], 4096)


class _Server(NamedTuple):
    """A server of granian: how to stop it, and whether all its connections have ended."""

    stop: Any
    ended: threading.Event


def _serve(worker: Any, gateway: Gateway, listener: Any) -> _Server:
    """Have granian serve a listening socket of gunicorn, in threads of its own. Returns at once."""
    is_unix = listener.FAMILY == socket.AF_UNIX
    if not is_unix and hasattr(socket, "TCP_USER_TIMEOUT"):
        _set_deadlines(listener.sock)
    # granian closes its descriptor when it stops, and gunicorn closes the other.
    shared = _rust.SocketHolder(os.dup(listener.fileno()), is_unix, worker.cfg.backlog)
    server = _rust.WSGIWorker(
        worker.age,
        (None, shared),
        None,  # no channel for metrics
        1,  # thread of Rust
        1,  # thread of Rust for blocking calls; nothing here makes one
        worker.cfg.threads,
        _IDLE_THREAD_SECONDS,
        worker._most_connections,  # noqa: SLF001  of this module
        "1",  # HTTP/1.1 only
        HTTP1Settings(header_read_timeout=int(HEAD_SECONDS * 1000), max_buffer_size=MOST_HEAD),
        None,
        None,  # no static files
        *_WITHOUT_TLS,
        (None, None),
    )
    made = _Server(_rust.WorkerSignal(), threading.Event())
    made.stop.add_cb(made.ended.set)
    loop = asyncio.new_event_loop()  # demanded, and never run
    serve = server.serve_mtr_uds if is_unix else server.serve_mtr
    callback = _callbacks._new_cbscheduler(loop, gateway, impl_asyncio=True)  # noqa: SLF001  granian's own
    serve(callback, loop, made.stop)
    return made


def _set_deadlines(listener: socket.socket) -> None:
    """Have the system keep deadlines that granian does not have. Accepted connections inherit the second."""
    # A connection is accepted when its first bytes are there. One that granian has accepted and not read is
    # closed when the worker stops, with a request that is on its way.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, int(HEAD_SECONDS))
    # A client that reads nothing is reset.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SENDING_SECONDS * 1000))


def log_as_gunicorn(handlers: Iterable[logging.Handler]) -> None:
    """Let the warnings of granian's Rust part go where gunicorn's log goes, in its form."""
    log = logging.getLogger("_granian")
    log.setLevel(logging.WARNING)
    log.propagate = False
    log.handlers = list(handlers)


class _Answer:
    """The `start_response` of one request, and the response for gunicorn's access log.

    Attributes:
        status: the status line.
        headers: of the response.
        sent: bytes of the body.
    """

    __slots__ = ("headers", "sent", "status", "written")

    def __init__(self) -> None:
        self.status = ""
        self.headers: _Headers = []
        self.sent = 0
        self.written: list[bytes] = []

    def __call__(self, status: str, headers: _Headers, exc_info: object = None) -> Callable[[bytes], None]:
        """Take status and headers (PEP 3333). Nothing is sent before the body is whole."""
        self.status, self.headers = status, headers
        return self.written.append


class Gateway:
    """granian's callback: from its requests to the WSGI application, and back.

    Args:
        application: answers.
        log: gunicorn's.
        most_line: characters of an address, longer ones get 414.

    Attributes:
        closes: whether every answer closes its connection, because the worker ends.
    """

    def __init__(self, application: WSGIApplication, log: Any, most_line: int) -> None:
        self.closes = False
        self._application = application
        self._log = log
        # A class that only writes a log does nothing while there is none; others count requests (statsd).
        self._is_told = log.access_log_enabled or type(log).access is not Logger.access
        self._most_line = most_line
        self._common: WSGIEnvironment = {
            "SCRIPT_NAME": "",
            "SERVER_SOFTWARE": "granian",
            "wsgi.errors": sys.stderr,
            "wsgi.input": io.BytesIO(),  # bodies are not read; granian's input would wait for the client
            "wsgi.multiprocess": True,
            "wsgi.multithread": True,
            "wsgi.run_once": False,
            "wsgi.version": (1, 0),
        }

    def __call__(self, protocol: Any, environ: WSGIEnvironment) -> None:
        """Answer a request, in one of granian's threads."""
        began = time.perf_counter()
        environ.update(self._common)
        if environ["SERVER_PROTOCOL"] == "HTTP/1":  # so granian calls 1.0
            environ["SERVER_PROTOCOL"] = "HTTP/1.0"
        answer = _Answer()
        problem = _problem(environ, self._most_line)
        found = self._ask(environ, answer) if problem is None else [_refuse(problem, answer)]
        body = self._whole(found, environ, answer)
        headers = answer.headers
        if self.closes or problem is not None or _has_body(environ):
            headers = [*headers, ("Connection", "close")]
        try:
            protocol.response_bytes(int(answer.status[:3]), headers, body)
        finally:
            if hasattr(found, "close"):
                found.close()  # after the client has its answer: a document is put into the shared cache then
        if self._is_told:
            answer.sent = len(body)
            self._log_access(answer, environ, time.perf_counter() - began)

    def _ask(self, environ: WSGIEnvironment, answer: _Answer) -> Iterable[bytes]:
        try:
            return self._application(environ, answer)
        except Exception:
            return [self._fail(environ, answer)]

    def _whole(self, found: Iterable[bytes], environ: WSGIEnvironment, answer: _Answer) -> bytes:
        """The whole body. Documents are in memory, and static files are small."""
        try:
            return b"".join([*answer.written, *found] if answer.written else found)
        except Exception:
            return self._fail(environ, answer)

    def _fail(self, environ: WSGIEnvironment, answer: _Answer) -> bytes:
        """Log the failure of the application, as gunicorn does, and answer 500."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self._log.exception("Error handling request %s %s", method, path)
        return _refuse(HTTPStatus.INTERNAL_SERVER_ERROR, answer)

    def _log_access(self, answer: _Answer, environ: WSGIEnvironment, seconds: float) -> None:
        """A line in gunicorn's access log. granian has decoded the address, so it is encoded again."""
        query = environ["QUERY_STRING"]
        uri = quote(environ["PATH_INFO"], safe="/:@!$&'()*+,;=~", encoding="latin-1")
        environ["RAW_URI"] = f"{uri}?{query}" if query else uri
        sent = ((name, value) for name, value in environ.items() if name.startswith("HTTP_"))
        lines = [(name[5:].replace("_", "-"), value) for name, value in sent]
        self._log.access(answer, lines, environ, timedelta(seconds=seconds))


def _problem(environ: WSGIEnvironment, most_line: int) -> HTTPStatus | None:
    """The status with which a request is refused that granian lets through.

    granian joins several `Host` lines by commas, and tells an empty one from none at all by nothing. So both
    are refused here, though an empty one is valid (RFC 9112 section 3.2).
    """
    host = environ["HTTP_HOST"]
    if environ["SERVER_PROTOCOL"] == "HTTP/1.1" and (not host or "," in host or not is_one_host([host])):
        return HTTPStatus.BAD_REQUEST
    if len(environ["PATH_INFO"]) + len(environ["QUERY_STRING"]) > most_line:
        return HTTPStatus.REQUEST_URI_TOO_LONG
    return None


def _has_body(environ: WSGIEnvironment) -> bool:
    """Whether a request has a body, which nothing reads, so that its connection must be closed."""
    return environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ


def _refuse(status: HTTPStatus, answer: _Answer) -> bytes:
    body = f"{status.phrase}\n".encode()
    answer(
        f"{status.value} {status.phrase}",
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))],
    )
    return body
