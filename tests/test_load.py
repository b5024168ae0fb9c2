"""Real servers under load: a deploy with an empty cache, a reload and a stop. Nothing fails or piles up."""

from __future__ import annotations

import contextlib
import http.client
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from servers import (
    ENGINES,
    PATIENCE,
    REPOSITORY,
    Answer,
    Server,
    at_once,
    free_port,
    index,
    settings_of,
    started,
    write_story,
)

from feedserver.server.engines import WORKERS

CONFIG = str(REPOSITORY / "config" / "gunicorn.conf.py")
TOPICS = 170  # in three formats: some 500 feeds
CLIENTS = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with many topics that is indexed, and of which nothing was ever served."""
    folder = tmp_path_factory.mktemp("load")
    for number in range(TOPICS):
        topics = [f"Topic {other % TOPICS}" for other in range(number, number + 12)]
        write_story(folder / "articles", f"_news/story-{number}", topics=topics, body="Text. " * 100)
    index(settings_of(folder / "state", folder / "articles"))
    return folder


on_each_engine = pytest.mark.parametrize("engine", ENGINES)


@contextlib.contextmanager
def gunicorn(folder: Path, engine: str) -> Iterator[Server]:
    """gunicorn with the project's configuration and an engine, over the folder's state."""
    environ = {
        "FEEDSERVER_ARTICLES": f"[{folder / 'articles'}]",
        "FEEDSERVER_SITE__BASE_URL": "https://feeds.example",
        "FEEDSERVER_STATE__DIR": str(folder / "state"),
    }
    port = free_port()
    options = ("-c", CONFIG, "-k", WORKERS[engine], "--bind", f"127.0.0.1:{port}")
    command = [sys.executable, "-m", "gunicorn", *options, "wsgi:app"]
    with started(command, port, folder, environ) as server:
        server.wait_until_ready()
        yield server


@on_each_engine
def test_a_deploy_with_an_empty_cache_serves_all_who_ask_at_once(folder: Path, engine: str) -> None:
    feeds = [f"/topics/topic-{n}.{suffix}" for n in range(TOPICS) for suffix in ("rss", "atom", "json")]
    statuses: Counter[int] = Counter()
    with gunicorn(folder, engine) as server:

        def ask(number: int) -> None:
            for path in feeds[number::CLIENTS]:
                answer = server.ask(path)  # which fails if it waits for longer than a client would
                statuses[answer.status] += 1
                assert answer.body.rstrip().endswith((b"</rss>", b"</feed>", b"}"))

        at_once(*(partial(ask, number) for number in range(CLIENTS)))
        assert statuses == {200: len(feeds)}
        # The documents that all clients asked for are cached now, and no request waits any longer.
        at_once(*(partial(server.ask, feeds[0]) for _ in range(CLIENTS)))
        assert "Traceback" not in server.said()
        assert "WORKER TIMEOUT" not in server.said()


class Clients:
    """Clients that ask without a pause until they are told to stop, each on a new connection every time."""

    def __init__(self, server: Server, count: int = 4) -> None:
        self._server = server
        self._stop = threading.Event()
        self.answers = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def leave(self) -> None:
        """Called by each client when it has asked for the last time."""

    def _run(self, number: int) -> None:
        try:
            self._ask_on(number)
        finally:
            self.leave()

    def _ask_on(self, number: int) -> None:
        while not self._stop.is_set():
            try:
                answer = self.ask(f"/topics/topic-{number}.rss")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                continue
            self.answers += 1
            if answer.status != 200 or not answer.body.rstrip().endswith(b"</rss>"):
                self.failures.append(f"{answer.status} {answer.body[-80:]!r}")

    def ask(self, path: str) -> Answer:
        """One request."""
        return self._server.ask(path)

    def wait_for_answers(self, count: int) -> None:
        """Wait until so many more were answered."""
        wanted = self.answers + count
        self._server.wait_for(lambda: self.answers >= wanted)


class KeepingClients(Clients):
    """Clients that keep their connection until the server says that it closes it."""

    def __init__(self, server: Server, count: int = 4) -> None:
        super().__init__(server, count)
        self._kept = threading.local()

    def ask(self, path: str) -> Answer:
        """One request, on the connection of this thread."""
        connection: http.client.HTTPConnection | None = getattr(self._kept, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=PATIENCE)
        self._kept.connection = None
        connection.request("GET", path)
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        if answer["Connection"].lower() == "close":
            connection.close()
        else:
            self._kept.connection = connection
        return answer

    def leave(self) -> None:
        """Close the connection of this thread."""
        connection: http.client.HTTPConnection | None = getattr(self._kept, "connection", None)
        if connection is not None:
            connection.close()


@on_each_engine
@pytest.mark.parametrize("kind", [Clients, KeepingClients])
def test_a_reload_under_load_fails_no_request(folder: Path, engine: str, kind: type[Clients]) -> None:
    with gunicorn(folder, engine) as server, kind(server) as clients:
        clients.wait_for_answers(50)
        for _ in range(2):
            old = server.family()
            server.process.send_signal(signal.SIGHUP)
            server.wait_for(lambda old=old: not old & server.family())  # type: ignore[misc]  # lambda with a default
            clients.wait_for_answers(50)
        assert clients.failures == []


@on_each_engine
def test_a_stop_under_load_cuts_no_answer_short(folder: Path, engine: str) -> None:
    """The network tells a client that it gets no answer; no client gets half a feed or an error."""
    with gunicorn(folder, engine) as server:
        with Clients(server) as clients:
            clients.wait_for_answers(50)
            assert server.stop() == 0
        kinds = {failure.partition("(")[0] for failure in clients.failures}
        assert kinds <= {"ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected"}
        assert clients.answers >= 50
