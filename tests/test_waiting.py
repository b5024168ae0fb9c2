"""A worker that cannot start leaves the healthy ones alone, answers what it can, and heals."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
from servers import ENGINES, REPOSITORY, Server, alive, free_port, serve, started, write_story

from feedserver.errors import SettingsError, StateError
from feedserver.index.sqlite import builds
from feedserver.indexing.lock import ServersLock
from feedserver.server.engines import WORKERS
from feedserver.server.waiting import RETRY_SECONDS, WaitingApplication, unavailable

CONFIG = str(REPOSITORY / "config" / "gunicorn.conf.py")
ENOUGH = 20

on_each_engine = pytest.mark.parametrize("engine", ENGINES)


def asked(application: WSGIApplication, path: str = "/articles.rss") -> tuple[str, dict[str, str], bytes]:
    """The status, headers and body of an answer."""
    answer: list[tuple[str, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> Callable[[bytes], object]:
        answer.append((status, dict(headers)))
        return lambda _: None

    body = b"".join(application({"PATH_INFO": path, "REQUEST_METHOD": "GET"}, start_response))
    return *answer[0], body


def healthy(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"healthy"]


def test_it_tries_again_now_and_then_and_becomes_what_it_waits_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now, tries = [100.0], list[float]()
    problems: list[Exception] = [SettingsError(["a: is wrong", "b: is wrong"]), OSError(13, "denied")]

    def make() -> WSGIApplication:
        tries.append(now[0])
        if problems:
            raise problems[0]
        return healthy

    application = WaitingApplication(make, problems[0], unavailable, lambda: now[0])
    for seconds in (0.0, 1.0, 1.0, 0.1, 0.1):
        now[0] += seconds
        status, headers, _ = asked(application)
        assert (status, headers["Retry-After"]) == ("503 Service Unavailable", "5")
    assert len(tries) == 1
    assert asked(application, "/healthz")[0] == "200 OK"
    told = capsys.readouterr().err
    assert told.splitlines()[:2] == ["feedserver: a: is wrong", "feedserver: b: is wrong"]
    assert told.count("a: is wrong") == 1
    del problems[0]
    now[0] += RETRY_SECONDS
    asked(application)
    assert "denied" in capsys.readouterr().err
    del problems[0]
    now[0] += RETRY_SECONDS
    assert asked(application)[2] == b"healthy"
    now[0] += 100
    assert asked(application)[2] == b"healthy"
    assert len(tries) == 3


def test_what_is_no_error_of_ours_is_not_waited_for() -> None:
    def make() -> WSGIApplication:
        raise ZeroDivisionError

    application = WaitingApplication(make, StateError(Path("state"), "is away"), unavailable, lambda: 0.0)
    application._next = -1.0  # noqa: SLF001  as after some time
    with pytest.raises(ZeroDivisionError):
        asked(application)


def workers(server: Server) -> set[int]:
    found = set()
    for pid in alive(server.family()):
        parent = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if int(parent) == server.process.pid and b"feedserver.indexing.child" not in command:
            found.add(pid)
    return found


def replace_one_worker(server: Server) -> None:
    before = workers(server)
    os.kill(min(before), signal.SIGKILL)
    server.wait_for(lambda: len(workers(server) - before) == 1 and len(workers(server)) == len(before), 90)


def statuses(server: Server, path: str = "/articles.rss") -> set[int]:
    return {server.ask(path).status for _ in range(ENOUGH)}


@contextmanager
def two_workers(folder: Path, engine: str) -> Iterator[Server]:
    write_story(folder / "articles", "one", title="Version 1")
    with serve(folder, "articles", "--workers", "2", "--engine", engine) as server:
        server.wait_for(lambda: len(workers(server)) == 2)
        server.ask("/articles.rss")
        yield server


def assert_heals(server: Server) -> None:
    """It follows edits, and every worker serves."""
    title = f"Healed at {time.time()}"
    write_story(server.folder / "articles", "one", title=title)
    server.wait_for(
        lambda: all(title.encode() in server.ask("/articles.rss").body for _ in range(ENOUGH)), patience=60
    )


@on_each_engine
def test_a_worker_that_meets_a_damaged_history_starts(tmp_path: Path, engine: str) -> None:
    with two_workers(tmp_path, engine) as server:
        state = tmp_path / ".feedserver"
        for path in state.glob(f"{builds.HISTORY_FILE}-*"):
            path.unlink()
        (state / builds.HISTORY_FILE).write_bytes(b"garbage " * 1000)
        replace_one_worker(server)
        assert statuses(server) == {200}
        assert_heals(server)


@on_each_engine
def test_a_worker_that_cannot_use_its_state_answers_from_what_is_there_and_heals(
    tmp_path: Path, engine: str
) -> None:
    with two_workers(tmp_path, engine) as server:
        lock = tmp_path / ".feedserver" / ServersLock.NAME
        lock.rename(tmp_path / "lock")
        lock.mkdir()  # which no user can open as a file
        replace_one_worker(server)
        server.wait_for(lambda: "answers what it can" in server.said(), patience=90)
        for _ in range(3):
            assert statuses(server) == {200}
        assert server.said().count("answers what it can") == 1
        lock.rmdir()
        server.wait_for(lambda: statuses(server) == {200} and "is gone" in server.said(), patience=90)
        assert_heals(server)


@on_each_engine
def test_a_worker_that_meets_wrong_settings_waits_for_right_ones(tmp_path: Path, engine: str) -> None:
    write_story(tmp_path / "articles", "one", title="Version 1")
    settings = tmp_path / "feedserver.yaml"
    right = "articles: [articles]\nsite: {base_url: 'https://feeds.example'}\n"
    settings.write_text(right, encoding="utf-8")
    port = free_port()
    options = ("-c", CONFIG, "-k", WORKERS[engine], "--bind", f"127.0.0.1:{port}")
    command = [sys.executable, "-m", "gunicorn", *options, "wsgi:app"]
    with started(command, port, tmp_path) as server:
        server.wait_for(lambda: server.ask("/readyz").status == 200, patience=90)
        server.wait_for(lambda: len(workers(server)) == 2)
        settings.write_text(right + "typo: true\n", encoding="utf-8")
        replace_one_worker(server)
        server.wait_for(lambda: "answers what it can" in server.said(), patience=90)
        assert statuses(server) == {200, 503}
        assert statuses(server, "/healthz") == {200}
        settings.write_text(right, encoding="utf-8")
        time.sleep(RETRY_SECONDS)
        server.wait_for(lambda: statuses(server) == {200}, patience=90)
        assert_heals(server)


@on_each_engine
def test_a_first_start_with_a_state_that_cannot_be_used_ends_with_one_sentence(
    tmp_path: Path, engine: str
) -> None:
    write_story(tmp_path / "articles", "one")
    (tmp_path / "state").write_text("a file", encoding="utf-8")
    port = free_port()
    options = ("-c", CONFIG, "-k", WORKERS[engine], "--workers", "1", "--bind", f"127.0.0.1:{port}")
    command = [sys.executable, "-m", "gunicorn", *options, "wsgi:app"]
    environ = {"FEEDSERVER_ARTICLES": "[articles]", "FEEDSERVER_STATE__DIR": "state"}
    with started(command, port, tmp_path, environ) as server:
        assert server.process.wait(60) != 0
        said = server.said()
    assert len([line for line in said.splitlines() if line.startswith("feedserver: ")]) == 1
    assert "Traceback" not in said
