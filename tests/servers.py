"""Sites to test: a folder of articles, an application over it, and real servers in processes of their own.

A server listens where the OS lets it, is waited for with a limit, and is stopped by its process id.
All names and addresses are invented.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from builders import write_article
from flask import Flask
from stores import environment, index_section

from feedserver.indexing.indexer import Indexer
from feedserver.server.engines import WORKERS
from feedserver.settings.sources import Settings, load_settings
from feedserver.wiring.application import make_app
from feedserver.wiring.indexing import make_plan, prepare_state

REPOSITORY = Path(__file__).resolve().parent.parent
BASE_URL = "https://feeds.example"
ENGINES = sorted(WORKERS, reverse=True)  # of `feedserver serve`, the default first
PATIENCE = 20.0  # seconds; a start takes about two on a busy machine

# Beside a coverage run nothing of the environment may change what the servers do.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("FEEDSERVER_")}


# --- A folder of articles -----------------------------------------------------------------------------


def write_story(
    folder: Path,
    name: str,
    *,
    title: str = "A title",
    date: str = "2024-05-01T10:00:00Z",
    topics: Sequence[str] = ("AI",),
    provider: tuple[str, str] = ("Gazette", "gazette.example"),
    body: str = "Text.",
    **more: Any,
) -> Path:
    """One article at `folder/name.md`, with topics and a provider; `more` is further front matter."""
    return write_article(
        folder,
        f"{name}.md",
        body=body,
        title=title,
        publishedDateTime=date,
        webUrl=f"https://example.org/{name}",
        topics=list(topics),
        provider={"name": provider[0], "domain": provider[1]},
        **more,
    )


# --- In this process ----------------------------------------------------------------------------------


def settings_of(state_dir: Path, *folders: Path, **sections: object) -> Settings:
    """The settings of a site in a state folder, with `BASE_URL` unless `site` says otherwise."""
    overrides: dict[str, Any] = {
        "site": {"base_url": BASE_URL, "title": "Example"},
        "state": {"dir": str(state_dir)},
        "articles": [str(folder) for folder in folders],
        "index": index_section(state_dir),
    }
    for name, keys in sections.items():
        overrides[name] = {**overrides.get(name, {}), **keys} if isinstance(keys, Mapping) else keys
    return load_settings(environ={}, overrides=overrides)


def index(settings: Settings, clock: Callable[[], float] = time.time) -> None:
    """Bring the index up to date, in this process."""
    settings.state.dir.mkdir(parents=True, exist_ok=True)
    indexer = Indexer(make_plan(settings), clock)
    try:
        indexer.refresh()
    finally:
        indexer.close()


def quiet_app(settings: Settings) -> Flask:
    """The application, without its offer to start an indexer: the test indexes."""
    prepare_state(settings)
    return make_app(settings)


# --- Servers ------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """A response as it came, before anything interprets it."""

    status: int
    headers: Message
    body: bytes

    def __getitem__(self, name: str) -> str:
        """A header, or an empty text."""
        return self.headers.get(name, "")


@dataclass
class Server:
    """A running server process."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    host: str = "127.0.0.1"
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "server.log"

    def ask(self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
        """One request on a connection of its own, so that any worker may answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        try:
            has_host = "HOST" in map(str.upper, headers or {})
            connection.putrequest(method, path, skip_host=has_host, skip_accept_encoding=True)
            for name, value in {"Connection": "close", **(headers or {})}.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def send(self, raw: bytes) -> bytes:
        """The answer to bytes that no client library would send."""
        with socket.create_connection((self.host, self.port), timeout=PATIENCE) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(raw)
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(65536):
                    received += piece
        return received

    def wait_until_ready(self) -> None:
        """Wait for the first index."""
        self.wait_for(lambda: self.ask("/readyz").status == 200)

    def wait_for(self, condition: Callable[[], bool], patience: float = PATIENCE) -> float:
        """Wait until a condition holds; the seconds that it took."""
        begun = time.monotonic()
        while time.monotonic() - begun < patience:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}: {self.said()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                if condition():
                    return time.monotonic() - begun
            time.sleep(0.02)
        raise AssertionError(f"not within {patience} s: {self.said()}")

    def said(self) -> str:
        """The standard output and standard error of the server so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def family(self) -> set[int]:
        """The processes below this server: workers and the indexer."""
        return descendants(self.process.pid)

    def stop(self, number: int = signal.SIGTERM, *, group: bool = False) -> int:
        """Send a signal, to the process or its whole group, and wait; the exit status."""
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def descendants(pid: int) -> set[int]:
    """All processes below one, by what /proc says of parents."""
    parents: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = status.read_text(encoding="utf-8", errors="replace")
            parents.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(status.parent.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found.update(children)
        waiting += children
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that still run; a process that ended and was not waited for does not."""
    running = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            if text.rpartition(")")[2].split()[0] != "Z":
                running.add(pid)
    return running


def free_port() -> int:
    """A port that nobody listens at just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def started(
    command: Sequence[str], port: int, folder: Path, environ: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A process in a folder and a process group of its own; whatever is left of it is ended."""
    variables = {**_ENVIRONMENT, **environment(folder), "PYTHONPATH": str(REPOSITORY), "HOME": str(folder)}
    variables |= environ or {}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=variables, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    server = Server(process, port, folder)
    try:
        yield server
    finally:
        family = server.family()
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pid in alive(family):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def serve(folder: Path, *options: str, environ: Mapping[str, str] | None = None) -> Iterator[Server]:
    """`feedserver serve` in a folder, ready to answer."""
    port = free_port()
    command = [sys.executable, "-m", "feedserver", "serve", "--port", str(port), *options]
    with started(command, port, folder, environ) as server:
        server.wait_until_ready()
        yield server


def server_app(server: Server) -> Flask:
    """An application that hands each request on to a server, so that Flask's test client can ask that one."""

    def hand_on(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers = ((name, text) for name, text in environ.items() if name.startswith("HTTP_"))
        sent = {name[5:].replace("_", "-"): text for name, text in headers}
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD", "OPTIONS"):
            sent["Content-Length"] = "0"
        answer = server.ask(environ["REQUEST_URI"].replace(" ", "%20"), sent, environ["REQUEST_METHOD"])
        own = {"connection", "date", "server"}
        told = [pair for pair in answer.headers.items() if pair[0].lower() not in own]
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", told)
        return [answer.body]

    app = Flask("server", static_folder=None)
    app.wsgi_app = hand_on  # type: ignore[method-assign]  # Flask's own place for middleware
    return app


def feedserver(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    variables = {**_ENVIRONMENT, **environment(folder), "PYTHONPATH": str(REPOSITORY), **(environ or {})}
    return subprocess.run(
        [sys.executable, "-m", "feedserver", *arguments],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE * 2,
        check=False,
    )


def at_once(*actions: Callable[[], object]) -> None:
    """Run actions in threads of their own, and wait for their ends; the first failure is raised."""
    failures: list[BaseException] = []

    def run(action: Callable[[], object]) -> None:
        try:
            action()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
