"""Measures what slow and silent clients cost a polling client, beside gunicorn's own worker with threads.

One command prints a table:

    python tests/benchmarks/slow_clients.py samples/articles
    python tests/benchmarks/slow_clients.py samples/articles --counts 1000 --kinds silent drips --seconds 20

Real gunicorn with two workers, with the project's worker class and then with `gthread`. A process of its own
holds so many connections open, of each kind in `KINDS` as many, and connects again some seconds after the
server hung up. Meanwhile a client polls a feed on a new connection every 20 ms, conditionally; a poll that
takes longer than five seconds is given up. Rounds with and without slow clients alternate. Nothing is
asserted.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import resource
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from index import free_port, index_once, quiet

from feedserver.server.application import gunicorn_options
from feedserver.settings.sources import load_settings

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SITE = "https://feeds.example"
FEED = "/articles.rss"
OURS = "feedserver.server.worker.Worker"
PAUSE = 0.02
PATIENCE = 5.0
DRIP = 1.0  # seconds between two bytes of a slow head
AGAIN = 5.0  # seconds until a client that was hung up on connects again: it is slow, and no load
ROUNDS = 5
SETTLING = 2.0  # for the requests of those that send whole ones
DESCRIPTORS = 4096

_HOST = b"Host: feeds.example\r\n"
_GET = b"GET " + FEED.encode() + b" HTTP/1.1\r\n" + _HOST
# The bytes that a client of each kind sends at once. The dripping one then sends a header byte by byte.
KINDS = {
    "silent": b"",
    "half a request line": b"GET /",
    "drips": _GET,
    "half a body": b"POST " + FEED.encode() + b" HTTP/1.1\r\n" + _HOST + b"Content-Length: 1000\r\n\r\nhalf",
    "idle": _GET + b"\r\n",
    "reads nothing": (_GET + b"\r\n") * 20,
}


class Polls(NamedTuple):
    """How long answers took, in seconds, and how many failed."""

    seconds: list[float]
    failed: int


# --- the clients that are slow --------------------------------------------------------------------


class Holder:
    """Holds connections open, and makes them anew when the server hangs up."""

    def __init__(self, port: int, count: int, kinds: Sequence[str]) -> None:
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._dripping: set[socket.socket] = set()
        self._gone: deque[tuple[float, str]] = deque()
        self._missing = [kinds[number % len(kinds)] for number in range(count)]

    def run(self) -> None:
        """Go on until this process is ended."""
        self._connect_all()
        next_drip = time.monotonic()
        while True:
            while self._gone and self._gone[0][0] < time.monotonic():
                self._missing.append(self._gone.popleft()[1])
            self._connect()
            for key, _ in self._selector.select(0.05):
                self._look(key.fileobj, key.data)  # type: ignore[arg-type]  # it is a socket
            if time.monotonic() > next_drip:
                next_drip = time.monotonic() + DRIP
                self._drip()

    def _connect_all(self) -> None:
        """Connect, and say so; a server that does not take all of them is not waited for."""
        give_up = time.monotonic() + 4 * PATIENCE
        while self._missing and time.monotonic() < give_up:
            self._connect()
        print(len(self._missing), "are not connected", flush=True)  # noqa: T201  the other process reads it

    def _connect(self) -> None:
        missing, self._missing = self._missing, []
        for number, kind in enumerate(missing):
            client = socket.socket()
            client.settimeout(PATIENCE)
            if kind == "reads nothing":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the least that the system has
            try:
                client.connect(("127.0.0.1", self._port))
                client.sendall(KINDS[kind])
            except OSError:  # it has no place for another one just now
                client.close()
                self._missing += missing[number:]
                return
            client.setblocking(False)
            if kind == "drips":
                self._dripping.add(client)
            if kind != "reads nothing":
                self._selector.register(client, selectors.EVENT_READ, kind)

    def _look(self, client: socket.socket, kind: str) -> None:
        try:
            if client.recv(1_000_000):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._selector.unregister(client)
        self._dripping.discard(client)
        client.close()
        self._gone.append((time.monotonic() + AGAIN, kind))

    def _drip(self) -> None:
        for client in self._dripping:
            with contextlib.suppress(OSError):
                client.send(b"X")


@contextlib.contextmanager
def held(port: int, count: int, kinds: Sequence[str]) -> Iterator[None]:
    """So many slow clients, in a process of their own."""
    command = [sys.executable, __file__, "--hold", str(port), str(count), *kinds]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()  # when they are connected
        time.sleep(SETTLING)
        yield
    finally:
        process.kill()
        process.wait()


# --- the client that polls ------------------------------------------------------------------------


def poll(port: int, seconds: float) -> Polls:
    """Ask for a feed, again and again, as a reader does that holds it."""
    found, failed, etag = [], 0, ""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begun = time.perf_counter()
        try:
            etag = ask(port, etag)
            found.append(time.perf_counter() - begun)
        except (OSError, http.client.HTTPException):
            failed += 1
        time.sleep(PAUSE)
    return Polls(found, failed)


def ask(port: int, etag: str) -> str:
    """One request on a new connection; the ETag of the feed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", FEED, headers={"If-None-Match": etag} if etag else {})
        response = connection.getresponse()
        response.read()
        if response.status not in (200, 304):
            raise http.client.HTTPException(response.status)
        return response.headers["ETag"]


# --- the table ------------------------------------------------------------------------------------


@contextlib.contextmanager
def server(kind: str, articles: Path, state: Path) -> Iterator[int]:
    """gunicorn with a class of worker; its port."""
    options = gunicorn_options(load_settings(environ={}))
    environ = {
        "FEEDSERVER_ARTICLES": json.dumps([str(articles)]),
        "FEEDSERVER_SITE__BASE_URL": SITE,
        "FEEDSERVER_STATE__DIR": str(state),
        "PYTHONPATH": str(REPOSITORY),
    }
    port = free_port()
    said = [f"--{name}={options[name]}" for name in ("workers", "threads")]
    said += ["--worker-class", kind, "--keep-alive", str(options["keepalive"]), "--no-control-socket"]
    command = [
        "env",
        *(f"{name}={value}" for name, value in environ.items()),
        sys.executable,
        "-m",
        "gunicorn",
    ]
    with quiet(*command, "--bind", f"127.0.0.1:{port}", *said, "wsgi:app"):
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                ask(port, "")
                break
            if time.monotonic() > end:
                raise SystemExit("the server did not start")
            time.sleep(0.1)
        yield port


def measure(
    articles: Path,
    work: Path,
    classes: Sequence[str],
    counts: Sequence[int],
    kinds: Sequence[str],
    *,
    seconds: float,
) -> Iterator[tuple[str, str]]:
    """A row for each class of worker and number of slow clients."""
    for kind in classes:
        state = work / kind
        index_once(articles, state, "--base-url", SITE)
        idle: list[Polls] = []
        slow: dict[int, list[Polls]] = {count: [] for count in counts}
        for _ in range(ROUNDS):
            for count, found in slow.items():
                with server(kind, articles, state) as port:
                    idle.append(poll(port, seconds / len(counts)))
                    with held(port, count, kinds):
                        found.append(poll(port, seconds))
        yield f"{kind}, nobody else", figures(together(idle))
        for count, found in slow.items():
            yield f"{kind}, {count:,} slow clients", figures(together(found), together(idle))


def together(rounds: Sequence[Polls]) -> Polls:
    """The polls of all rounds."""
    return Polls([one for polls in rounds for one in polls.seconds], sum(polls.failed for polls in rounds))


def figures(polls: Polls, idle: Polls | None = None) -> str:
    """Percentiles, beside those without slow clients if there are any."""
    silent = polls.failed * PATIENCE
    failed = (
        f", no answer for {silent:.0f} of {silent + sum(polls.seconds) + PAUSE * len(polls.seconds):.0f} s"
    )
    if len(polls.seconds) < 2:
        return failed[2:]
    p50, p99 = statistics.median(polls.seconds), percentile(polls.seconds)
    text = f"p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, max {max(polls.seconds) * 1e3:.0f} ms{failed}"
    return text if idle is None else f"{text}; p99 {p99 / percentile(idle.seconds):.1f} × nobody else's"


def percentile(seconds: Sequence[float]) -> float:
    """The 99th."""
    return sorted(seconds)[int(len(seconds) * 0.99)]


def main() -> None:
    """Print the table, row by row as it is measured."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    if sys.argv[1:2] == ["--hold"]:
        Holder(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]).run()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its modules compiled
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="articles to serve")
    parser.add_argument("--counts", type=int, nargs="+", default=[200, 1000], help="numbers of slow clients")
    parser.add_argument("--seconds", type=float, default=5.0, help="of polling in a round")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS, help="of slow clients")
    parser.add_argument("--classes", nargs="+", default=[OURS, "gthread"], help="of workers")
    chosen = parser.parse_args()
    print("| what | a poll |\n|---|---|")  # noqa: T201  a table is what this prints
    with tempfile.TemporaryDirectory() as name:
        folder, work = chosen.folder.resolve(), Path(name)
        for row in measure(folder, work, chosen.classes, chosen.counts, chosen.kinds, seconds=chosen.seconds):
            print(f"| {row[0]} | {row[1]} |", flush=True)  # noqa: T201  as above


if __name__ == "__main__":
    main()
