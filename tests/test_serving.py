"""Real servers in processes of their own: what they serve while files change, and how they end."""

from __future__ import annotations

import gzip
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from servers import (
    ENGINES,
    PATIENCE,
    REPOSITORY,
    Server,
    alive,
    at_once,
    feedserver,
    free_port,
    serve,
    started,
    write_story,
)

from feedserver.errors import PortError, ServerBusyError
from feedserver.indexing import lock
from feedserver.indexing.lock import ServersLock, server_of
from feedserver.server.application import check_port
from feedserver.server.engines import WORKERS

CONFIG = str(REPOSITORY / "config" / "gunicorn.conf.py")
ENOUGH = 20  # connections of their own, after which both workers have answered (one in a million has not)


on_each_engine = pytest.mark.parametrize("engine", ENGINES)


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two workers that runs through this module; every test has stories of its own."""
    folder = tmp_path_factory.mktemp("serving")
    write_story(folder / "articles", "first", topics=["Constant"], body="Some text. " * 100)
    with serve(folder, "articles", "--engine", request.param) as server:
        yield server


def etag_of(server: Server, path: str) -> str:
    return server.ask(path)["ETag"]


def is_served_by_all(server: Server, path: str, text: str) -> bool:
    return all(text.encode() in server.ask(path).body for _ in range(ENOUGH))


# --- What is served


def test_it_says_where_the_directory_is_and_which_url_it_assumed(server: Server) -> None:
    said = server.said()
    assert f"the directory of all feeds is at http://127.0.0.1:{server.port}/" in said
    assert "--base-url" in said
    assert server.ask("/").status == 200


@pytest.mark.parametrize("suffix", ["rss", "atom", "json"])
def test_all_workers_give_the_same_bytes_and_validators(server: Server, suffix: str) -> None:
    path = f"/topics/constant.{suffix}"
    server.wait_for(lambda: server.ask(path)["Last-Modified"] != "")
    answers = [server.ask(path) for _ in range(ENOUGH)]
    assert len({(one.body, one["ETag"], one["Last-Modified"]) for one in answers}) == 1
    assert answers[0].status == 200


def test_conditions_encodings_and_head_work_through_the_server(server: Server) -> None:
    path = "/topics/constant.rss"
    plain = server.ask(path)
    packed = server.ask(path, {"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.body) == plain.body
    for tag in (plain["ETag"], packed["ETag"], f"W/{plain['ETag']}"):
        unchanged = server.ask(path, {"If-None-Match": tag})
        assert (unchanged.status, unchanged.body) == (304, b"")
        assert unchanged["Access-Control-Allow-Origin"] == "*"
        assert "Content-Type" not in unchanged.headers
    head = server.ask(path, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Length", "ETag", "Content-Type", "Vary", "Cache-Control", "Link"):
        assert head[name] == plain[name]


def test_an_edit_is_served_by_all_workers_within_a_second(server: Server) -> None:
    articles = server.folder / "articles"
    times = []
    for number in range(5):
        write_story(articles, "edited", topics=["Edited"], title=f"Version {number}")
        is_served = partial(is_served_by_all, server, "/topics/edited.rss", f"Version {number}")
        times.append(server.wait_for(is_served))
    assert statistics.median(times) < 1.0


def test_under_a_storm_of_requests_and_edits_every_answer_is_whole_and_dates_follow_tags(
    server: Server,
) -> None:
    """Each client compares its own answers, which came one after the other."""
    articles, path = server.folder / "articles", "/topics/storm.rss"
    # And the pauses after them: no date is told in the second of its change.
    versions = [("A", 2.1), ("B", 1.5), ("A", 1.5), ("C", 0.1), ("B", 0.1), ("D", 3.5)]
    write_story(articles, "storm", topics=["Storm"], title="Version 0", updated="2024-06-01T00:00:00Z")
    server.wait_for(lambda: server.ask(path).status == 200)
    stop = time.monotonic() + 30
    done: list[int] = []
    logs: list[list[tuple[str, str]]] = [[], [], []]

    def edit() -> None:
        for version, pause in versions:
            write_story(
                articles,
                "storm",
                topics=["Storm"],
                title=f"Version {version}",
                updated="2024-06-01T00:00:00Z",
            )
            time.sleep(pause)
        done.append(1)

    def ask(log: list[tuple[str, str]]) -> None:
        while not done and time.monotonic() < stop:
            answer = server.ask(path)
            assert answer.status == 200
            assert re.search(rb"<title>Version \w</title>.*</rss>\s*$", answer.body, re.DOTALL)
            log.append((answer["ETag"], answer["Last-Modified"]))

    at_once(edit, *(partial(ask, log) for log in logs))
    for log in logs:
        dated = [(tag, _seconds(date)) for tag, date in log if date]
        for (tag, date), (next_tag, next_date) in pairwise(dated):
            assert date <= next_date
            assert (tag == next_tag) or date < next_date
    tags_by_date: dict[float, set[str]] = {}
    for tag, date_text in (one for log in logs for one in log if one[1]):
        tags_by_date.setdefault(_seconds(date_text), set()).add(tag)
    assert all(len(tags) == 1 for tags in tags_by_date.values())
    assert len(tags_by_date) >= 3
    assert is_served_by_all(server, path, "Version D")


def _seconds(date: str) -> float:
    return time.mktime(time.strptime(date, "%a, %d %b %Y %H:%M:%S GMT"))


@pytest.mark.parametrize(
    ("request_line", "statuses"),
    [
        (b"GET /topics/constant.rss HTTP/1.1\r\nX: " + b"x" * 65536, {400, 431}),
        (b"GET /topics/constant.rss HTTP/1.1" + b"\r\nX: y" * 3000, {400, 431}),
        (b"GET /topics/constant.rss HTTP/1.1\r\nIf-None-Match: " + b'"a",' * 2000, {200}),
        (b"GET /" + b"a" * 8192 + b" HTTP/1.1", {400, 414}),
        (b"GET /topics/constant.rss?" + b"q" * 8192 + b" HTTP/1.1", {400, 414}),
        (b"GET /topics/" + b"a" * 3500 + b" HTTP/1.1", {404}),
        (b"BREW /topics/constant.rss HTTP/1.1", {405}),
        (b"brew\xff / HTTP/1.1", {400, 405}),
        (b"GET /topics/%00 HTTP/1.1", {404}),
        (b"GET /topics/%ff%fe HTTP/1.1", {404}),
        (b"GET /topics/%ed%a0%80 HTTP/1.1", {404}),
        (b"GET /topics/\xff HTTP/1.1", {400, 404}),
        (b"GET /topics%2Fconstant.rss HTTP/1.1", {200}),
        (b"GET /static/../routes.py HTTP/1.1", {404}),
        (b"GET /static/%2e%2e/routes.py HTTP/1.1", {404}),
        (b"GET /static/..%2f..%2fpublisher.py HTTP/1.1", {404}),
        (b"GET //topics//constant.rss HTTP/1.1", {301}),
        (b"GET http://evil.example/topics/constant.rss HTTP/1.1", {200}),
        (b"OPTIONS * HTTP/1.1", {204, 404}),
        (b"GET / HTTP/9.9", {400, 505}),
        (b"nonsense", {400}),
    ],
)
def test_an_absurd_request_gets_an_ordinary_answer(
    server: Server, request_line: bytes, statuses: set[int]
) -> None:
    answer = server.send(request_line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    status, _, _ = answer.partition(b"\r\n")
    assert int(status.split()[1]) in statuses, answer[:300]
    assert b"Traceback" not in answer
    assert b"Location: https://evil" not in answer
    assert server.ask("/healthz").status == 200


def test_nothing_that_was_asked_here_was_a_failure_of_the_server(server: Server) -> None:
    assert "Traceback" not in server.said()
    assert "failed" not in server.said()


def test_after_a_restart_without_index_and_cache_validators_are_the_same(tmp_path: Path) -> None:
    write_story(tmp_path / "articles", "one")
    write_story(tmp_path / "articles", "two", topics=["AI", "Gone"])
    paths = ["/articles.rss", "/topics/ai.atom", "/topics/gone.json", "/topics/gone.atom"]
    with serve(tmp_path, "articles") as server:
        port = server.port
        (tmp_path / "articles" / "two.md").unlink()
        server.wait_for(lambda: b"two" not in server.ask("/articles.rss").body)
        before = _settled(server, paths)
    for leftover in (tmp_path / ".feedserver").glob("index-*"):
        leftover.unlink()
    for cached in (tmp_path / ".feedserver" / "cache").iterdir():
        cached.unlink()
    command = [sys.executable, "-m", "feedserver", "serve", "articles", "--port", str(port)]
    with started(command, port, tmp_path) as server:
        server.wait_until_ready()
        assert _settled(server, paths) == before


def _settled(server: Server, paths: Sequence[str]) -> list[tuple[bytes, str, str]]:
    """Body, ETag and Last-Modified of feeds, once all of them have a date to tell."""
    server.wait_for(lambda: all([server.ask(path)["Last-Modified"] for path in paths]))  # noqa: C419  ask for each
    answers = [server.ask(path) for path in paths]
    return [(one.body, one["ETag"], one["Last-Modified"]) for one in answers]


# --- How servers start and end


def indexers(server: Server) -> list[int]:
    found = []
    for pid in server.family():
        command = Path(f"/proc/{pid}/cmdline")
        if command.exists() and b"feedserver.indexing.child" in command.read_bytes():
            found.append(pid)
    return found


def assert_all_end(pids: set[int], patience: float = 10.0) -> None:
    begun = time.monotonic()
    while left := alive(pids):
        assert time.monotonic() - begun < patience, left
        time.sleep(0.05)


@on_each_engine
@pytest.mark.parametrize(("number", "group"), [(signal.SIGTERM, False), (signal.SIGINT, True)])
def test_a_stopped_server_leaves_no_process_behind(
    tmp_path: Path, number: int, group: bool, engine: str
) -> None:
    write_story(tmp_path / "articles", "one")
    with serve(tmp_path, "articles", "--workers", "3", "--engine", engine) as server:
        server.wait_for(lambda: len(indexers(server)) == 1)
        family = server.family()
        assert len(family) >= 4
        assert server.stop(number, group=group) == 0
        assert_all_end(family)
        # Nobody had to be made to end; but after Ctrl-C gunicorn waits for two seconds only.
        assert group or "SIGKILL" not in server.said()
        assert "Traceback" not in server.said()
        assert "Exception" not in server.said()


@on_each_engine
def test_when_a_server_is_killed_its_workers_and_its_indexer_end(tmp_path: Path, engine: str) -> None:
    write_story(tmp_path / "articles", "one")
    with serve(tmp_path, "articles", "--engine", engine) as server:
        server.wait_for(lambda: len(indexers(server)) == 1)
        family = server.family()
        server.stop(signal.SIGKILL)
        assert_all_end(family)


def test_a_folder_that_is_not_there_yet_is_said_and_served_once_it_is(tmp_path: Path) -> None:
    environ = {"FEEDSERVER_SCAN__RESCAN_INTERVAL": "1", "FEEDSERVER_ARTICLES": "[later]"}
    with serve(tmp_path, environ=environ) as server:
        assert "feedserver: later: does not exist yet" in server.said()
        assert server.ask("/articles.rss").status == 200
        write_story(tmp_path / "later", "one", title="Version 1")
        server.wait_for(lambda: is_served_by_all(server, "/topics/ai.rss", "Version 1"))


def test_a_port_in_use_is_named_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        begun = time.monotonic()
        result = feedserver(tmp_path, "serve", "--port", str(port))
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"cannot listen at 127.0.0.1, port {port}: address already in use" in result.stderr
    assert result.stdout == ""
    assert time.monotonic() - begun < PATIENCE / 2


def test_a_host_that_is_not_of_this_machine_is_named() -> None:
    with pytest.raises(PortError, match=r"^cannot listen at 192\.0\.2\.1, port 8000: cannot assign"):
        check_port("192.0.2.1", 8000)


def test_a_socket_that_was_handed_over_listens_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUNICORN_FD", "3")
    check_port("192.0.2.1", 8000)


def test_servers_share_a_state_folder_only_with_those_that_publish_the_same(tmp_path: Path) -> None:
    with ServersLock(tmp_path, "a"):
        with ServersLock(tmp_path, "a"), pytest.raises(ServerBusyError, match=f"process id {os.getpid()},"):
            ServersLock(tmp_path, "b")
        with pytest.raises(ServerBusyError, match=re.escape(str(tmp_path))):
            ServersLock(tmp_path, "b")
    with ServersLock(tmp_path, "b"), pytest.raises(ServerBusyError):
        ServersLock(tmp_path, "a")


def test_the_processes_of_one_server_may_differ_while_it_reloads(tmp_path: Path) -> None:
    with ServersLock(tmp_path, "a" * 60, "7@1") as old:
        assert not old.is_joined
        with ServersLock(tmp_path, "b" * 60, "7@1") as new, ServersLock(tmp_path, "b" * 60, "7@1") as other:
            assert (new.is_joined, other.is_joined) == (True, True)
            for server in ("7@2", "8@1", ""):
                with pytest.raises(ServerBusyError, match="process id 7,"):
                    ServersLock(tmp_path, "a" * 60, server)
            assert not ServersLock(tmp_path, "b" * 60, "8@1").is_joined


@pytest.mark.parametrize("content", [b"", b"7", b"\xff\xfe \xff", b"\0" * 600])
def test_a_torn_record_of_the_servers_lock_is_written_anew(content: bytes, tmp_path: Path) -> None:
    (tmp_path / ServersLock.NAME).write_bytes(content)
    with ServersLock(tmp_path, "a"), ServersLock(tmp_path, "a"), pytest.raises(ServerBusyError):
        ServersLock(tmp_path, "b")


def test_a_server_is_told_from_another_with_the_same_process_id() -> None:
    assert server_of(os.getpid()) == server_of(os.getpid()) != server_of(os.getppid())
    assert server_of(os.getpid()).startswith(f"{os.getpid()}@")


# --- gunicorn without our command

GUNICORN = [sys.executable, "-m", "gunicorn"]


def gunicorn_environment(folder: Path) -> dict[str, str]:
    return {
        "FEEDSERVER_ARTICLES": f"[{folder / 'articles'}]",
        "FEEDSERVER_SITE__BASE_URL": "https://feeds.example",
        "FEEDSERVER_STATE__DIR": str(folder / "state"),
    }


@pytest.mark.parametrize(
    "options",
    [
        ["-c", CONFIG, "--preload"],
        ["-c", CONFIG, "-k", WORKERS["granian"]],
        ["-c", CONFIG, "-k", WORKERS["granian"], "--preload"],
        ["-w", "2"],
        ["-w", "2", "--preload"],
    ],
    ids=" ".join,
)
def test_gunicorn_serves_and_indexes_with_and_without_our_configuration(
    tmp_path: Path, options: list[str]
) -> None:
    write_story(tmp_path / "articles", "one", title="Version 1")
    port = free_port()
    command = [*GUNICORN, *options, "--bind", f"127.0.0.1:{port}", "wsgi:app"]
    with started(command, port, tmp_path, gunicorn_environment(tmp_path)) as server:
        server.wait_until_ready()
        assert b"https://feeds.example/topics/ai" in server.ask("/topics/ai.rss").body
        write_story(tmp_path / "articles", "one", title="Version 2")
        server.wait_for(lambda: is_served_by_all(server, "/topics/ai.rss", "Version 2"))
        family = server.family()
        assert len(indexers(server)) == 1
        assert server.stop() == 0
        assert_all_end(family)
        assert "Traceback" not in server.said()


# A WSGI server that knows nothing of us, and one request. Prints how many objects the garbage collector
# passes over before and after.
PLAIN_SERVER = """if True:
    import gc
    from wsgi import app
    print(len(gc.get_objects()))
    app.test_client().get("/healthz")
    print(len(gc.get_objects()))
"""


def test_in_any_server_the_garbage_collector_leaves_the_application_alone(tmp_path: Path) -> None:
    (tmp_path / "articles").mkdir()
    environ = {**os.environ, **gunicorn_environment(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", PLAIN_SERVER], env=environ, capture_output=True, text=True, check=True
    )
    before, after = map(int, done.stdout.split())
    assert after < before / 10


@pytest.mark.parametrize(
    ("other", "options"),
    [("site: {title: Other feeds}", ["-w", "2"]), ("scan: {max_file_size: 9}", ["-w", "1", "--preload"])],
    ids=["feeds", "index"],
)
def test_gunicorn_with_other_settings_does_not_join_a_server(
    tmp_path: Path, other: str, options: list[str]
) -> None:
    write_story(tmp_path / "articles", "one")
    (tmp_path / "other.yaml").write_text(other + "\n")
    environ = gunicorn_environment(tmp_path)
    port, second_port = free_port(), free_port()
    command = [*GUNICORN, "-w", "2", "--bind", f"127.0.0.1:{port}", "wsgi:app"]
    second = [*GUNICORN, *options, "--bind", f"127.0.0.1:{second_port}", "wsgi:app"]
    with started(command, port, tmp_path, environ) as server:
        server.wait_until_ready()
        (tmp_path / "second").mkdir()
        environ["FEEDSERVER_CONFIG"] = str(tmp_path / "other.yaml")
        with started(second, second_port, tmp_path / "second", environ) as refused:
            assert refused.process.wait(PATIENCE) != 0
            assert f"{tmp_path}/state: is in use by " in refused.said()
            assert "other folders or settings" in refused.said()
        del environ["FEEDSERVER_CONFIG"]
        with started(second, second_port, tmp_path / "second", environ) as joined:
            joined.wait_until_ready()
            assert joined.ask("/articles.rss").body == server.ask("/articles.rss").body
        assert server.ask("/articles.rss").status == 200


def test_gunicorn_does_not_serve_from_the_index_of_other_settings(tmp_path: Path) -> None:
    write_story(tmp_path / "articles", "one")
    command = [sys.executable, "-m", "feedserver", "index", "--watch"]
    environ = gunicorn_environment(tmp_path)
    port = free_port()
    with started(command, port, tmp_path, environ) as indexer:
        indexer.wait_for(lambda: lock.holder(tmp_path / "state") is not None)
        environ["FEEDSERVER_SCAN__MAX_FILE_SIZE"] = "1000"
        gunicorn = [*GUNICORN, "-w", "1", "--bind", f"127.0.0.1:{port}", "wsgi:app"]
        (tmp_path / "second").mkdir()
        with started(gunicorn, port, tmp_path / "second", environ) as refused:
            assert refused.process.wait(PATIENCE) != 0
            assert f"{tmp_path}/state: is in use by process {indexer.process.pid}, which" in refused.said()


@on_each_engine
@pytest.mark.parametrize("more", ["", "scan: {max_file_size: 100000}"], ids=["feeds", "index"])
def test_after_a_reload_gunicorn_serves_with_the_new_settings(tmp_path: Path, more: str, engine: str) -> None:
    write_story(tmp_path / "articles", "one")
    (tmp_path / "feedserver.yaml").write_text("site: {title: Before}\n")
    port = free_port()
    bind = ("--bind", f"127.0.0.1:{port}", "wsgi:app")
    command = [*GUNICORN, "-c", CONFIG, "-k", WORKERS[engine], *bind]
    with started(command, port, tmp_path, gunicorn_environment(tmp_path)) as server:
        server.wait_until_ready()
        assert b"Before" in server.ask("/").body
        old = server.family()
        (tmp_path / "feedserver.yaml").write_text(f"site: {{title: After}}\n{more}\n")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(lambda: is_served_by_all(server, "/", "After"))
        assert_all_end(old)
        write_story(tmp_path / "articles", "one", title="Version 2")
        server.wait_for(lambda: is_served_by_all(server, "/topics/ai.rss", "Version 2"))
        family = server.family()
        assert server.stop() == 0
        assert_all_end(family)
        assert "Traceback" not in server.said()


@pytest.mark.parametrize("options", [["-c", CONFIG], ["-k", WORKERS["granian"]], ["--preload"]], ids=" ".join)
def test_under_gunicorn_each_problem_of_the_settings_is_one_line_and_it_gives_up(
    tmp_path: Path, options: list[str]
) -> None:
    port = free_port()
    # One worker: where a second one gives up while gunicorn 27 halts for the first, its master ends with a
    # traceback of its own (HaltServer, raised while HaltServer is handled).
    command = [*GUNICORN, *options, "--workers", "1", "--bind", f"127.0.0.1:{port}", "wsgi:app"]
    environ = {
        "FEEDSERVER_SITE__ID_YEAR": "soon",
        "FEEDSERVER_SITE__TIME_ZONE": "Mars/Base",
        "FEEDSERVER_TYPO": "1",
    }
    with started(command, port, tmp_path, environ) as server:
        assert server.process.wait(PATIENCE) != 0
        said = server.said()
    ours = [line for line in said.splitlines() if line.startswith("feedserver: ")]
    assert len(ours) == 3
    assert all(
        any(key in line for line in ours) for key in ("site.id_year", "site.time_zone", "FEEDSERVER_TYPO")
    )
    assert "Traceback" not in said
    assert not (tmp_path / ".feedserver").exists()


def test_a_folder_that_is_a_link_is_followed_when_it_leads_elsewhere(tmp_path: Path) -> None:
    """Deployments make a new release and let `current` lead to it; nobody restarts the server."""
    for release in ("one", "two"):
        write_story(tmp_path / release, "story", title=f"From release {release}")
    link = tmp_path / "current"
    link.symlink_to("one")
    with serve(tmp_path, "current") as server:
        assert b"From release one" in server.ask("/articles.rss").body
        fresh = tmp_path / "fresh"
        fresh.symlink_to("two")
        fresh.replace(link)
        server.wait_for(lambda: b"From release two" in server.ask("/articles.rss").body)
    with serve(tmp_path, "current") as server:
        assert b"From release two" in server.ask("/articles.rss").body


@on_each_engine
@pytest.mark.parametrize(
    ("host", "named"), [("::1", "[::1]"), ("127.0.0.2", "127.0.0.2"), ("localhost", "localhost")]
)
def test_the_url_assumed_is_the_address_that_is_served(
    tmp_path: Path, host: str, named: str, engine: str
) -> None:
    write_story(tmp_path / "articles", "story")
    port = free_port()
    command = [sys.executable, "-m", "feedserver", "serve", "--host", host, "--port", str(port)]
    with started([*command, "--engine", engine], port, tmp_path) as server:
        server.host = host
        server.wait_until_ready()
        url = f"http://{named}:{port}"
        assert f"is at {url}/" in server.said()
        assert f'href="{url}/articles.atom"'.encode() in server.ask("/articles.atom").body
        assert server.ask("/feed")["Location"] == f"{url}/articles.rss"
