"""The application of a worker that cannot start while others serve: it answers some requests and tries again.

A state folder that cannot be written, or wrong settings when a worker is replaced, cost that worker and not
the healthy ones. No signal is needed: every two seconds, a request tries whether the worker can start now.
Knows neither Flask nor gunicorn.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from feedserver.errors import FeedserverError

RETRY_SECONDS = 2.0
RETRY_AFTER_SECONDS = 5


class WaitingApplication:
    """A WSGI application that becomes another one.

    Args:
        make: makes the other application, or raises.
        error: that `make` raised.
        meanwhile: answers until `make` succeeds.
        clock: seconds.
    """

    def __init__(
        self,
        make: Callable[[], WSGIApplication],
        error: Exception,
        meanwhile: WSGIApplication,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._meanwhile = meanwhile
        self._clock = clock
        self._application: WSGIApplication | None = None
        self._trying = threading.Lock()
        self._next = clock() + RETRY_SECONDS
        self._told = ""
        self._tell(error)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if self._application is None and self._clock() >= self._next and self._trying.acquire(blocking=False):
            try:
                self._try()
            finally:
                self._trying.release()
        return (self._application or self._meanwhile)(environ, start_response)

    def _try(self) -> None:
        self._next = self._clock() + RETRY_SECONDS
        try:
            self._application = self._make()
        except (FeedserverError, OSError) as error:
            self._tell(error)
        else:
            sys.stderr.write("feedserver: what kept this worker from starting is gone\n")

    def _tell(self, error: Exception) -> None:
        """Report a reason, but not twice in a row."""
        reason = "".join(f"feedserver: {sentence}\n" for sentence in sentences(error))
        if reason != self._told:
            sys.stderr.write(f"{reason}feedserver: this worker answers what it can, and tries again\n")
        self._told = reason


def sentences(error: Exception) -> tuple[str, ...]:
    """An error as one sentence for each problem."""
    return tuple(getattr(error, "problems", (str(error),)))


def unavailable(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer 503, and 200 for the health of the process."""
    is_alive = environ.get("PATH_INFO") == "/healthz"
    body = (
        b"ok\n" if is_alive else b"This server cannot start yet; its log says why. Try again in a moment.\n"
    )
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Retry-After", str(RETRY_AFTER_SECONDS)),
    ]
    start_response("200 OK" if is_alive else "503 Service Unavailable", headers[:3] if is_alive else headers)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]
